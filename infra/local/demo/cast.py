"""What every chapter of the demo works with: the cloud, the client, the value, and the reads that were served."""

import secrets
import time
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from infra.local.client import LocalCloud
from infra.local.demo.show import Show, Step, expect
from infra.local.requests import Answer, Region
from strongroom import Client, Secret

ENVIRONMENT: Final = "prod"
PATH: Final = "payments/db-password"
VALUES: Final = f"/values/{ENVIRONMENT}/{PATH}"


class Cast:
    """One secret in two regions. Its value is made up anew and never shown."""

    def __init__(self, cloud: LocalCloud, client: Client, show: Show) -> None:
        self.cloud = cloud
        self.client = client
        self.show = show
        self.value = f"made-up-{secrets.token_hex(8)}"
        self.served: list[str] = []
        """The receipts of every read that was served."""

    def read(self, region: Region) -> Answer:
        """Read the secret in one region; the answer is checked and its receipt kept."""
        answer = self.cloud.request("GET", VALUES, identity="reader", region=region)
        self.check_value(answer, region)
        return answer

    def check_value(self, answer: Answer, region: Region) -> None:
        """The read was served by this region with the right value."""
        expect(answer.status == HTTPStatus.OK, f"the read answered {answer.status} {answer.error_code or ''}")
        body = answer.json()
        expect(body["plaintextValue"] == self.value, "the read told another value than was stored")
        expect(body["region"] == region.name, f"the read was answered by {body['region']}")
        self.served.append(body["receipt"])

    def check_refused(self, answer: Answer, status: HTTPStatus, code: str, step: Step) -> None:
        """The request was refused in these words, without the value."""
        expect((answer.status, answer.error_code) == (status, code), f"it answered {answer.status} {answer.error_code}")
        expect(self.value.encode() not in answer.body, "the refusal holds the value")
        step.detail = f"{answer.status} {code}, and no value"

    def note(self, secret: Secret, step: Step) -> None:
        """The client's read told the right value."""
        expect(secret.reveal() == self.value, "the read told another value than was stored")
        self.served.append(secret.receipt)
        step.detail = f"{secret.region} answered, the value is right"

    def read_for(self, duration: timedelta) -> tuple[list[str], timedelta]:
        """Read again and again; returns the region of each answer and the longest time without one."""
        end = time.monotonic() + duration.total_seconds()
        answered: list[str] = []
        longest = 0.0
        before = time.monotonic()
        while before < end:
            secret = self.client.get(f"{ENVIRONMENT}/{PATH}")
            expect(secret.reveal() == self.value, "a read told another value than was stored")
            now = time.monotonic()
            longest, before = max(longest, now - before), now
            answered.append(secret.region)
            self.served.append(secret.receipt)
        return answered, timedelta(seconds=longest)
