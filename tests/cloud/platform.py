"""What a caller does with the deployed platform, in one call each."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from infra.local.client import LocalCloud
from infra.local.requests import Answer, Region

ENVIRONMENT = "prod"
CANARY = f"canary-{secrets.token_hex(8)}"
"""Part of every value that the tests of one run store or send: looked for afterwards wherever something is kept."""
VALUE = f"{CANARY}-value"


@dataclass(frozen=True)
class Stored:
    """A registered secret at a path of its own."""

    cloud: LocalCloud
    secret_id: str
    path: str
    environment: str = ENVIRONMENT

    def propose(self, value: str, **body: Any) -> int:
        answer = self.cloud.request(
            "POST", f"/secrets/{self.secret_id}/versions", json={"plaintextValue": value, **body}
        )
        assert answer.status == 201, answer.error_code
        return int(answer.json()["versionNumber"])

    def move(self, alias: str, number: int, expected: int | None, *, key: str | None = None) -> Answer:
        return self.cloud.request(
            "POST",
            f"/secrets/{self.secret_id}/aliases/{alias}",
            json={"versionNumber": number, "expectedPreviousVersion": expected},
            headers={"Idempotency-Key": key} if key else {},
        )

    def promote(self, number: int, expected: int | None) -> str:
        answer = self.move("current", number, expected)
        assert answer.status == 200, answer.error_code
        return str(answer.json()["consistencyToken"])

    def change(self, number: int, verb: str) -> Answer:
        answer = self.cloud.request("POST", f"/secrets/{self.secret_id}/versions/{number}/{verb}")
        assert answer.status == 200, answer.error_code
        return answer

    def read(self, *, identity: str = "reader", region: Region | None = None, **query: str) -> Answer:
        return self.cloud.request(
            "GET", f"/values/{self.environment}/{self.path}", identity=identity, region=region, query=query
        )


@dataclass
class Platform:
    """The deployed platform, with paths that no other test uses."""

    cloud: LocalCloud
    prefix: str = field(default_factory=lambda: f"test-{secrets.token_hex(6)}")
    environment: str = ENVIRONMENT
    _count: int = 0

    def path(self) -> str:
        self._count += 1
        return f"{self.prefix}/secret-{self._count:04}"

    def register(self, path: str | None = None) -> Stored:
        body = {
            "environment": self.environment,
            "path": path or self.path(),
            "ownerTeam": "payments",
            "rotationStrategy": "manual",
        }
        answer = self.cloud.request("POST", "/secrets", json=body)
        assert answer.status == 201, answer.error_code
        return Stored(self.cloud, answer.json()["secretId"], body["path"], self.environment)

    def store(self, value: str) -> Stored:
        """A secret whose version 1 is current."""
        stored = self.register()
        stored.promote(stored.propose(value), None)
        return stored
