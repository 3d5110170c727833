"""Every call of the interface that reads or changes a secret, each on a secret of its own.

What concerns a whole environment (renewing its key, re-wrapping) has its faults in `test_key_renewal.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local.requests import Answer
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform, Stored


@dataclass(frozen=True)
class Subject:
    """A secret with a current, a previous and a pending version, and what is asked of it."""

    stored: Stored

    def read(self) -> Answer:
        return self.stored.read()

    def read_by_number(self) -> Answer:
        return self.stored.read(version="v1")

    def batch(self) -> Answer:
        return self._post("/batch/values", {"items": [{"secretPath": self._path}]})

    def revisions(self) -> Answer:
        return self._post("/revisions", {"items": [{"secretPath": self._path}]})

    def describe(self) -> Answer:
        return self.stored.cloud.request("GET", self._by_id)

    def versions(self) -> Answer:
        return self.stored.cloud.request("GET", f"{self._by_id}/versions")

    def list_secrets(self) -> Answer:
        return self.stored.cloud.request("GET", "/secrets", query={"environment": ENVIRONMENT, "limit": "1"})

    def register(self) -> Answer:
        body = {
            "environment": ENVIRONMENT,
            "path": f"{self.stored.path}-new",
            "ownerTeam": "payments",
            "rotationStrategy": "manual",
        }
        return self._post("/secrets", body)

    def propose(self) -> Answer:
        return self._post(f"{self._by_id}/versions", {"plaintextValue": VALUE})

    def put(self) -> Answer:
        return self.stored.cloud.request("PUT", f"/values/{self._path}", json={"plaintextValue": VALUE})

    def promote(self) -> Answer:
        return self.stored.move("current", 3, 2)

    def roll_back(self) -> Answer:
        return self.stored.move("current", 1, 2)

    def stage(self) -> Answer:
        return self.stored.move("next", 3, None)

    def clear_next(self) -> Answer:
        return self.stored.cloud.request("DELETE", f"{self._by_id}/aliases/next")

    def update(self) -> Answer:
        return self.stored.cloud.request("PATCH", self._by_id, json={"description": "another"})

    def disable(self) -> Answer:
        return self.stored.cloud.request("POST", f"{self._by_id}/versions/2/disable")

    def enable(self) -> Answer:
        return self.stored.cloud.request("POST", f"{self._by_id}/versions/1/enable")

    def destroy(self) -> Answer:
        return self.stored.cloud.request("POST", f"{self._by_id}/versions/1/destroy")

    def delete(self) -> Answer:
        return self.stored.cloud.request("DELETE", self._by_id)

    def restore(self) -> Answer:
        return self.stored.cloud.request("POST", f"{self._by_id}/restore")

    def purge(self) -> Answer:
        return self.stored.cloud.request("POST", f"{self._by_id}/purge")

    def state(self) -> dict[str, Any]:
        """All that the platform says of the secret, and of the one that `register` makes."""
        listed = self.stored.cloud.request(
            "GET", "/secrets", query={"environment": ENVIRONMENT, "prefix": self.stored.path, "includeDeleted": "true"}
        ).json()["items"]
        versions = self.stored.cloud.request("GET", f"{self._by_id}/versions").json()
        return {"listed": {entry["path"]: entry for entry in listed}, "versions": versions}

    @property
    def _by_id(self) -> str:
        return f"/secrets/{self.stored.secret_id}"

    @property
    def _path(self) -> str:
        return f"{ENVIRONMENT}/{self.stored.path}"

    def _post(self, path: str, body: object) -> Answer:
        return self.stored.cloud.request("POST", path, json=body)


Call = Callable[[Subject], Answer]
READS: tuple[Call, ...] = (
    Subject.read, Subject.read_by_number, Subject.batch, Subject.revisions, Subject.describe, Subject.versions,
    Subject.list_secrets,
)  # fmt: skip
CHANGES: tuple[Call, ...] = (
    Subject.register, Subject.propose, Subject.put, Subject.promote, Subject.roll_back, Subject.stage,
    Subject.clear_next, Subject.update, Subject.disable, Subject.enable, Subject.destroy, Subject.delete,
    Subject.restore, Subject.purge,
)  # fmt: skip
_BEFORE: dict[Call, Call] = {
    Subject.clear_next: Subject.stage,
    Subject.enable: lambda subject: subject.stored.change(1, "disable"),
    Subject.restore: Subject.delete,
}
"""What has to be done before a call has something to do."""


def new_subject(platform: Platform, call: Call) -> Subject:
    """A secret on which this call does its work."""
    stored = platform.store(VALUE)
    stored.promote(stored.propose(VALUE), 1)
    stored.propose(VALUE)
    subject = Subject(stored)
    if prepare := _BEFORE.get(call):
        answer = prepare(subject)
        assert answer.status == 200, answer.error_code
    return subject
