"""The demo's chapters, each through the public API with signed requests."""

import itertools
import secrets
import shutil
import subprocess
import threading
import time
from datetime import timedelta
from http import HTTPStatus

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from infra.local.demo.show import Show, Step, expect, seconds
from infra.local.requests import Answer, Region
from strongroom import AuditUnavailable, Client, Secret, Unavailable

ENVIRONMENT = "prod"
PATH = "payments/db-password"
_VALUES = f"/values/{ENVIRONMENT}/{PATH}"
_OUTAGE_AFTER = timedelta(seconds=1)
_OUTAGE = timedelta(seconds=3)
_ARCHIVED_WITHIN = timedelta(seconds=60)


class Story:
    """One secret's life in two regions, told step by step. The value is made up anew and never shown."""

    def __init__(self, cloud: LocalCloud, client: Client, show: Show) -> None:
        self._cloud = cloud
        self._client = client
        self._show = show
        self._value = f"made-up-{secrets.token_hex(8)}"
        self._served: list[str] = []
        """The receipts of every read that was served."""

    def tell(self) -> None:
        """All chapters, in order; the first step that fails ends it with its exception."""
        self._store()
        self._read()
        self._refuse()
        self._outage()
        self._fail_closed()
        self._account()

    def _store(self) -> None:
        self._show.chapter("Store a secret")
        with self._show.step("register") as step:
            wanted = {"environment": ENVIRONMENT, "path": PATH, "ownerTeam": "payments", "rotationStrategy": "manual"}
            secret_id = self._done("POST", "/secrets", HTTPStatus.CREATED, wanted)["secretId"]
            step.detail = f"{ENVIRONMENT}/{PATH} is {secret_id}"
        with self._show.step("propose a version") as step:
            proposed = self._done(
                "POST", f"/secrets/{secret_id}/versions", HTTPStatus.CREATED, {"plaintextValue": self._value}
            )
            step.detail = f"version {proposed['versionNumber']} is {proposed['status']}"
        with self._show.step("promote it") as step:
            alias: dict[str, object] = {"versionNumber": proposed["versionNumber"], "expectedPreviousVersion": None}
            promoted = self._done("POST", f"/secrets/{secret_id}/aliases/current", HTTPStatus.OK, alias)
            step.detail = f"current is version {promoted['versionNumber']}, state {promoted['consistencyToken']}"

    def _read(self) -> None:
        self._show.chapter("Read it in both regions")
        for region in self._cloud.description.regions:
            with self._show.step(f"read in {region.name}, the {region.role}") as step:
                answer = self._cloud.request("GET", _VALUES, identity="reader", region=region)
                self._check_value(answer, region)
                step.detail = f"version {answer.json()['versionNumber']}, the value is right"
        with self._show.step("read by the client library") as step:
            self._note(self._client.get(f"{ENVIRONMENT}/{PATH}"), step)
        if shutil.which("curl"):
            for region in self._cloud.description.regions:
                with self._show.step(f"read by curl --aws-sigv4 in {region.name}") as step:
                    self._read_by_curl(region, step)

    def _refuse(self) -> None:
        self._show.chapter("Refuse who may not read")
        for identity, why in (
            (None, "an unsigned request"),
            ("outsider", "a caller without execute-api:Invoke"),
            ("stranger", "a caller without a role in the policy"),
        ):
            with self._show.step(why) as step:
                answer = self._cloud.request("GET", _VALUES, identity=identity, region=self._cloud.replica)
                self._check_refused(answer, HTTPStatus.FORBIDDEN, "access_denied", step)

    def _outage(self) -> None:
        writer = self._cloud.writer.name
        self._show.chapter("Lose the primary region")
        with self._show.step(f"cut {writer} off under reads") as step:
            cut = threading.Timer(_OUTAGE_AFTER.total_seconds(), self._cloud.faults.cut, (writer,))
            cut.start()
            try:
                answered, longest = self._read_for(_OUTAGE_AFTER + _OUTAGE)
            finally:
                cut.cancel()
                cut.join()
            regions = [region for region, _ in itertools.groupby(answered)]
            expect(regions == [writer, self._cloud.replica.name], f"reads were answered by {' then '.join(regions)}")
            step.detail = (
                f"{len(answered)} reads, none failed, {regions[-1]} took over; {seconds(longest)} was the longest wait"
            )
        with self._show.step(f"{writer} comes back") as step:
            self._cloud.faults.join(writer)
            answer = self._cloud.request("GET", _VALUES, identity="reader")
            self._check_value(answer, self._cloud.writer)
            step.detail = "it serves again"

    def _fail_closed(self) -> None:
        self._show.chapter("Lose the audit stream: nothing is told without a record")
        regions = self._cloud.description.regions
        rules = [self._cloud.faults.add("refuse", region=region.name, service="kinesis") for region in regions]
        for region in regions:
            with self._show.step(f"read in {region.name} while its audit stream is down") as step:
                answer = self._cloud.request("GET", _VALUES, identity="reader", region=region)
                self._check_refused(answer, HTTPStatus.INTERNAL_SERVER_ERROR, "audit_unavailable", step)
        with self._show.step("read by the client library") as step:
            try:
                self._client.get(f"{ENVIRONMENT}/{PATH}")
            except Unavailable as error:
                expect(isinstance(error, AuditUnavailable), f"it raised {type(error).__name__}")
                step.detail = "it raises AuditUnavailable, no region told the value"
            else:
                expect(seen=False, what="it returned a secret")
        with self._show.step("the audit streams come back") as step:
            for rule in rules:
                self._cloud.faults.remove(rule)
            for region in regions:
                self._check_value(self._cloud.request("GET", _VALUES, identity="reader", region=region), region)
            step.detail = "both regions serve again"

    def _account(self) -> None:
        self._show.chapter("Account for every read")
        with self._show.step("find each served read in the archives") as step:
            receipts = {_event_id(receipt): receipt for receipt in self._served}
            found = AuditArchive(self._cloud).wait_for(receipts.keys(), within=_ARCHIVED_WITHIN)
            for event_id, receipt in receipts.items():
                record = found[event_id]
                proven = ".".join(str(record[field]) for field in ("eventId", "chainId", "sequence", "hash"))
                expect(proven == receipt, "a record is another one than its receipt proves")
                expect((record["action"], record["path"]) == ("READ", PATH), "a record is of something else")
            step.detail = f"{len(receipts)} reads were served, each has its record in S3 under Object Lock"

    def _done(self, method: str, path: str, status: HTTPStatus, json: object) -> dict[str, str]:
        answer = self._cloud.request(method, path, json=json)
        expect(answer.status == status, f"{method} {path} answered {answer.status} {answer.error_code or ''}")
        body: dict[str, str] = answer.json()
        return body

    def _check_value(self, answer: Answer, region: Region) -> None:
        expect(answer.status == HTTPStatus.OK, f"the read answered {answer.status} {answer.error_code or ''}")
        body = answer.json()
        expect(body["plaintextValue"] == self._value, "the read told another value than was stored")
        expect(body["region"] == region.name, f"the read was answered by {body['region']}")
        self._served.append(body["receipt"])

    def _check_refused(self, answer: Answer, status: HTTPStatus, code: str, step: Step) -> None:
        expect((answer.status, answer.error_code) == (status, code), f"it answered {answer.status} {answer.error_code}")
        expect(self._value.encode() not in answer.body, "the refusal holds the value")
        step.detail = f"{answer.status} {code}, and no value"

    def _note(self, secret: Secret, step: Step) -> None:
        expect(secret.reveal() == self._value, "the read told another value than was stored")
        self._served.append(secret.receipt)
        step.detail = f"{secret.region} answered, the value is right"

    def _read_for(self, duration: timedelta) -> tuple[list[str], timedelta]:
        """Read again and again; returns the region of each answer and the longest time without one."""
        end = time.monotonic() + duration.total_seconds()
        answered: list[str] = []
        longest = 0.0
        before = time.monotonic()
        while before < end:
            secret = self._client.get(f"{ENVIRONMENT}/{PATH}")
            expect(secret.reveal() == self._value, "a read told another value than was stored")
            now = time.monotonic()
            longest, before = max(longest, now - before), now
            answered.append(secret.region)
            self._served.append(secret.receipt)
        return answered, timedelta(seconds=longest)

    def _read_by_curl(self, region: Region, step: Step) -> None:
        identity = self._cloud.identity("reader")
        # Credentials and headers come by standard input: a command line is visible to the whole machine.
        settings = (
            f'user = "{identity.access_key_id}:{identity.secret_access_key}"\n'
            f'header = "x-amz-security-token: {identity.session_token}"\n'
        )
        command = ["curl", "--silent", "--config", "-", "--aws-sigv4", f"aws:amz:{region.name}:execute-api"]
        write_out = ["--write-out", "\n%{http_code}", f"{region.endpoint}{_VALUES}"]
        done = subprocess.run([*command, *write_out], input=settings.encode(), capture_output=True, check=False)  # noqa: S603 - a fixed command
        expect(done.returncode == 0, f"curl ended with {done.returncode}")
        body, _, status = done.stdout.rpartition(b"\n")
        self._check_value(Answer(int(status), {}, body), region)
        step.detail = "the value is right"


def _event_id(receipt: str) -> str:
    """The audit event that a receipt proves: its first part."""
    return receipt.partition(".")[0]
