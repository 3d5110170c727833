"""The demo's emergency: a grant for a minute, asked for by one, approved by another, that ends by itself."""

import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from infra.local.archive import AuditArchive
from infra.local.demo.cast import ENVIRONMENT, PATH, VALUES, Cast
from infra.local.demo.show import StepFailed, expect
from infra.local.requests import Region

_MINUTES: Final = 1
_RECORDED_WITHIN: Final = timedelta(seconds=60)
_ARRIVES_WITHIN: Final = timedelta(seconds=10)
_MARGIN: Final = timedelta(seconds=1)
_POLL: Final = timedelta(milliseconds=100)


class Emergency:
    """Two chapters. What lies between them takes up the grant's time."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._cloud = cast.cloud
        self._show = cast.show
        self._grant: dict[str, Any] = {}

    def begin(self) -> None:
        """From the request to the reads under the grant, and how the audit calls them."""
        self._show.chapter("Break the glass")
        with self._show.step("the responder has no role for the secret") as step:
            answer = self._cloud.request("GET", VALUES, identity="responder")
            self._cast.check_refused(answer, HTTPStatus.FORBIDDEN, "access_denied", step)
        with self._show.step("ask for a grant, with a reason and a ticket") as step:
            wanted = {"environment": ENVIRONMENT, "path": PATH, "reason": "payments are down", "ticket": "INC-4711"}
            self._grant = self._call("", "responder", HTTPStatus.CREATED, json={**wanted, "minutes": _MINUTES})
            step.detail = f"{self._grant['status']}; it lapses unless it is approved within the hour"
        with self._show.step("approve it oneself") as step:
            answer = self._cloud.request("POST", f"{self._path}/approve", identity="responder")
            self._cast.check_refused(answer, HTTPStatus.FORBIDDEN, "access_denied", step)
        with self._show.step("somebody else approves it") as step:
            self._grant = self._call("/approve", "approver", HTTPStatus.OK)
            expect(self._grant["status"] == "ACTIVE", f"the grant is {self._grant['status']}")
            step.detail = f"ACTIVE until {self._grant['activeUntil']}"
        receipts = []
        for region in self._cloud.description.regions:
            with self._show.step(f"the responder reads in {region.name}") as step:
                receipts.append(self._read(region))
                step.detail = "the value is right"
        with self._show.step("find these reads in the archives") as step:
            ids = {receipt.partition(".")[0] for receipt in receipts}
            found = AuditArchive(self._cloud).wait_for(ids, within=_RECORDED_WITHIN)
            for record in found.values():
                expect(record["action"] == "BREAK_GLASS", f"a record says {record['action']}")
                expect(record["reason"] == [f"grant:{self._grant['grantId']}"], "a record names another reason")
            step.detail = f"{len(found)} records BREAK_GLASS, with the grant's id as the only reason"

    def end(self) -> None:
        """The grant is over without anybody's doing: by the time in its condition."""
        self._show.chapter("The grant ends by itself")
        until = datetime.fromisoformat(self._grant["activeUntil"])
        with self._show.step("the responder reads on until it is refused") as step:
            served = 0
            while (answer := self._cloud.request("GET", VALUES, identity="responder")).status == HTTPStatus.OK:
                expect(datetime.now(UTC) < until + _MARGIN, "the grant outlasted its time")
                served += 1
                time.sleep(_POLL.total_seconds())
            late = datetime.now(UTC) - until
            expect(late >= timedelta(0), "the grant ended before its time")
            self._cast.check_refused(answer, HTTPStatus.FORBIDDEN, "access_denied", step)
            step.detail = f"{served} more reads were served; at {self._grant['activeUntil']} it was {step.detail}"
        with self._show.step(f"in {self._cloud.replica.name} as well") as step:
            answer = self._cloud.request("GET", VALUES, identity="responder", region=self._cloud.replica)
            self._cast.check_refused(answer, HTTPStatus.FORBIDDEN, "access_denied", step)
        with self._show.step("see what became of it") as step:
            answer = self._cloud.request("GET", self._path, identity="approver")
            expect(answer.json()["status"] == "ENDED", f"the grant is {answer.json()['status']}")
            step.detail = f"ENDED at {answer.json()['closedAt']}; nobody had to end it"

    @property
    def _path(self) -> str:
        return f"/break-glass/{self._grant['grantId']}"

    def _call(self, verb: str, identity: str, status: HTTPStatus, *, json: object = None) -> dict[str, Any]:
        path = f"{self._path}{verb}" if verb else "/break-glass"
        answer = self._cloud.request("POST", path, identity=identity, json=json)
        expect(answer.status == status, f"POST {path} answered {answer.status} {answer.error_code or ''}")
        body: dict[str, Any] = answer.json()
        return body

    def _read(self, region: Region) -> str:
        """Read once the grant has arrived in the region; the receipt."""
        end = time.monotonic() + _ARRIVES_WITHIN.total_seconds()
        while time.monotonic() < end:
            answer = self._cloud.request("GET", VALUES, identity="responder", region=region)
            if answer.status == HTTPStatus.OK:
                expect(answer.json()["plaintextValue"] == self._cast.value, "the read told another value")
                return str(answer.json()["receipt"])
            time.sleep(_POLL.total_seconds())
        raise StepFailed(f"the read in {region.name} answered {answer.status} {answer.error_code or ''}")
