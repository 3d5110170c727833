"""The demo's proof: the archive is sealed and verified by the command line, and a tampered copy of it is caught."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from infra.local.archive import AuditArchive
from infra.local.demo.cast import Cast
from infra.local.demo.show import expect
from infra.local.requests import Region
from infra.local.verifying import copy_archive, run_command

_ARCHIVED_WITHIN: Final = timedelta(seconds=60)
_SOUND, _FINDINGS = 0, 1


class Proof:
    """One chapter, for an auditor with nothing but a public key."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._cloud = cast.cloud
        self._show = cast.show

    def tell(self) -> None:
        """Seal, verify, tamper, verify."""
        self._show.chapter("Prove who read it, to somebody who trusts nobody")
        with tempfile.TemporaryDirectory() as folder:
            key = Path(folder) / "digest.pem"
            with self._show.step("strongroom audit public-key: pin the key that signs digests") as step:
                where = ("--stage", self._cloud.description.stage, "--region", self._cloud.writer.name)
                ran = run_command(self._cloud, "audit", "public-key", *where)
                expect(ran.code == _SOUND, f"it ended with {ran.code}")
                key.write_text(ran.output)
                step.detail = "one multi-region key, which only the sealing function may use"
            for region in self._cloud.description.regions:
                self._verify_region(region, key)
            self._tamper(self._cloud.writer, key, Path(folder) / "copy")

    def _verify_region(self, region: Region, key: Path) -> None:
        self._cast.read(region)
        receipt = self._cast.served[-1]
        AuditArchive(self._cloud).wait_for({receipt.partition(".")[0]}, within=_ARCHIVED_WITHIN)
        with self._show.step(f"seal the archive of {region.name} by a signed digest") as step:
            done = self._cloud.seal_audit(region.name)
            expect(done.get("complete") is True, "the archive was not sealed whole")
            step.detail = f"{done['objects']} objects are covered; by itself this happens every hour"
        with self._show.step(f"strongroom audit verify: the archive of {region.name}, and a read's receipt") as step:
            where = ("--bucket", self._cloud.archive(region.name), "--region", region.name)
            report = self._verified(_SOUND, key, receipt, *where)
            expect([it["receipt"] for it in report["receipts"]] == [receipt], "the receipt was not proven")
            step.detail = (
                f"sound: {report['records']} records in {report['chains']} chains; the receipt's is sealed by digest "
                f"{report['receipts'][0]['digest']}"
            )

    def _tamper(self, region: Region, key: Path, folder: Path) -> None:
        copy = copy_archive(self._cloud, region.name, folder)
        receipt = next(it for it in self._cast.served if _holder(copy, it) is not None)
        holder = _holder(copy, receipt)
        expect(holder is not None, "no copied object holds a served read")
        if holder is None:
            return
        whole = holder.read_text()
        event = receipt.partition(".")[0]
        with self._show.step("a copy of it, in which somebody else is said to have read") as step:
            lines = whole.splitlines(keepends=True)
            altered = [it.replace("role/local-reader", "role/local-nobody") if event in it else it for it in lines]
            holder.write_text("".join(altered))
            report = self._verified(_FINDINGS, key, receipt, "--directory", str(copy))
            changed = {it.get("eventId"): it["line"] for it in report["findings"] if it["kind"] == "record_changed"}
            expect(event in changed, "the changed record was not named")
            step.detail = f"caught: line {changed[event]} of the object is not what its hash says"
        with self._show.step("a copy of it, in which the read never was") as step:
            holder.write_text("".join(it for it in whole.splitlines(keepends=True) if event not in it))
            report = self._verified(_FINDINGS, key, receipt, "--directory", str(copy))
            found = {it["kind"]: it for it in report["findings"]}
            expect({"object_changed", "receipt_unknown"} <= set(found), f"found were {', '.join(sorted(found))}")
            expect(found["object_changed"]["key"] == holder.relative_to(copy).as_posix(), "another object was named")
            step.detail = f"caught: digest {found['object_changed']['digest']} covers another content"

    def _verified(self, code: int, key: Path, receipt: str, *where: str) -> dict[str, Any]:
        more = ("--public-key", str(key), "--receipt", receipt, "--json")
        ran = run_command(self._cloud, "audit", "verify", *where, *more)
        expect(ran.code == code, f"it ended with {ran.code}: {ran.complaints.strip() or ran.output[:500]}")
        return ran.report()


def _holder(copy: Path, receipt: str) -> Path | None:
    """The copied object that holds a receipt's record."""
    event = receipt.partition(".")[0]
    return next((it for it in (copy / "records").rglob("*") if it.is_file() and event in it.read_text()), None)
