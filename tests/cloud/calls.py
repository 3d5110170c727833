"""Every call of the interface that reads or changes a secret, each on a secret of its own."""

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

    def disable(self) -> Answer:
        return self.stored.cloud.request("POST", f"{self._by_id}/versions/2/disable")

    def destroy(self) -> Answer:
        return self.stored.cloud.request("POST", f"{self._by_id}/versions/1/destroy")

    def delete(self) -> Answer:
        return self.stored.cloud.request("DELETE", self._by_id)

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
    Subject.read, Subject.read_by_number, Subject.batch, Subject.revisions, Subject.describe, Subject.list_secrets,
)  # fmt: skip
CHANGES: tuple[Call, ...] = (
    Subject.register, Subject.propose, Subject.put, Subject.promote, Subject.disable, Subject.destroy,
    Subject.delete, Subject.purge,
)  # fmt: skip


def new_subject(platform: Platform) -> Subject:
    stored = platform.store(VALUE)
    stored.promote(stored.propose(VALUE), 1)
    stored.propose(VALUE)
    return Subject(stored)
