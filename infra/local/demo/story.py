"""The demo's chapters, each through the public API with signed requests."""

import shutil
import subprocess
from datetime import timedelta
from http import HTTPStatus

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from infra.local.demo.cast import ENVIRONMENT, PATH, VALUES, Cast
from infra.local.demo.emergency import Emergency
from infra.local.demo.outages import Outages
from infra.local.demo.policies import Policies
from infra.local.demo.proof import Proof
from infra.local.demo.show import Show, Step, expect
from infra.local.requests import Answer, Region
from strongroom import Client

_ARCHIVED_WITHIN = timedelta(seconds=60)


class Story:
    """One secret's life in two regions, told step by step."""

    def __init__(self, cloud: LocalCloud, client: Client, show: Show) -> None:
        self._cast = Cast(cloud, client, show)
        self._cloud = cloud
        self._show = show

    def tell(self) -> None:
        """All chapters, in order; the first step that fails ends it with its exception."""
        self._store()
        self._read()
        self._refuse()
        Policies(self._cast).tell()
        emergency = Emergency(self._cast)
        emergency.begin()
        Outages(self._cast).tell()
        self._account()
        emergency.end()
        Proof(self._cast).tell()

    def _store(self) -> None:
        self._show.chapter("Store a secret")
        with self._show.step("register") as step:
            wanted = {"environment": ENVIRONMENT, "path": PATH, "ownerTeam": "payments", "rotationStrategy": "manual"}
            secret_id = self._done("POST", "/secrets", HTTPStatus.CREATED, wanted)["secretId"]
            step.detail = f"{ENVIRONMENT}/{PATH} is {secret_id}"
        with self._show.step("propose a version") as step:
            proposed = self._done(
                "POST", f"/secrets/{secret_id}/versions", HTTPStatus.CREATED, {"plaintextValue": self._cast.value}
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
                answer = self._cast.read(region)
                step.detail = f"version {answer.json()['versionNumber']}, the value is right"
        with self._show.step("read by the client library") as step:
            self._cast.note(self._cast.client.get(f"{ENVIRONMENT}/{PATH}"), step)
        if shutil.which("curl"):
            for region in self._cloud.description.regions:
                with self._show.step(f"read by curl --aws-sigv4 in {region.name}") as step:
                    self._read_by_curl(region, step)

    def _refuse(self) -> None:
        self._show.chapter("Refuse who may not read")
        for identity, why in (
            (None, "an unsigned request"),
            ("outsider", "a caller without execute-api:Invoke"),
            ("stranger", "a caller whom no policy names"),
        ):
            with self._show.step(why) as step:
                answer = self._cloud.request("GET", VALUES, identity=identity, region=self._cloud.replica)
                self._cast.check_refused(answer, HTTPStatus.FORBIDDEN, "access_denied", step)

    def _account(self) -> None:
        self._show.chapter("Account for every read")
        with self._show.step("find each served read in the archives") as step:
            receipts = {_event_id(receipt): receipt for receipt in self._cast.served}
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

    def _read_by_curl(self, region: Region, step: Step) -> None:
        identity = self._cloud.identity("reader")
        # Credentials and headers come by standard input: a command line is visible to the whole machine.
        settings = (
            f'user = "{identity.access_key_id}:{identity.secret_access_key}"\n'
            f'header = "x-amz-security-token: {identity.session_token}"\n'
        )
        command = ["curl", "--silent", "--config", "-", "--aws-sigv4", f"aws:amz:{region.name}:execute-api"]
        write_out = ["--write-out", "\n%{http_code}", f"{region.endpoint}{VALUES}"]
        done = subprocess.run([*command, *write_out], input=settings.encode(), capture_output=True, check=False)  # noqa: S603 - a fixed command
        expect(done.returncode == 0, f"curl ended with {done.returncode}")
        body, _, status = done.stdout.rpartition(b"\n")
        self._cast.check_value(Answer(int(status), {}, body), region)
        step.detail = "the value is right"


def _event_id(receipt: str) -> str:
    """The audit event that a receipt proves: its first part."""
    return receipt.partition(".")[0]
