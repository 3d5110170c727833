"""The audit: a record for everything that was told or changed, and nothing told without one."""

from datetime import timedelta
from typing import Any

import pytest

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from infra.local.requests import Answer
from strongroom_service.domain.audit import record_hash
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform

WITHIN = timedelta(seconds=60)


def receipt_of(answer: Answer) -> str:
    assert answer.status == 200, answer.error_code
    return str(answer.json()["receipt"])


def record_of(cloud: LocalCloud, receipt: str) -> dict[str, Any]:
    event_id = receipt.partition(".")[0]
    return AuditArchive(cloud).wait_for({event_id}, within=WITHIN)[event_id]


def test_a_receipt_proves_its_record(cloud: LocalCloud, platform: Platform) -> None:
    """In each region: the record stands in the archive, whole, and says who read what."""
    stored = platform.store(VALUE)
    for region in cloud.description.regions:
        answer = stored.read(region=region)
        record = record_of(cloud, receipt_of(answer))
        assert receipt_of(answer) == ".".join(str(record[name]) for name in ("eventId", "chainId", "sequence", "hash"))
        assert record["hash"] == record_hash(record)
        assert (record["phase"], record["action"], record["decision"]) == ("RELEASE", "READ", "ALLOW")
        assert (record["tenant"], record["environment"], record["path"]) == ("default", ENVIRONMENT, stored.path)
        assert (record["secretId"], record["version"], record["region"]) == (stored.secret_id, 1, region.name)
        assert record["actor"] == f"iam:arn:aws:iam::{cloud.description.account}:role/local-reader"
        assert record["requestId"] == answer.headers["x-request-id"]
        assert VALUE not in str(record)


def test_every_item_of_a_batch_has_a_record_of_its_own(cloud: LocalCloud, platform: Platform) -> None:
    paths = [f"{ENVIRONMENT}/{platform.store(VALUE).path}" for _ in range(3)]
    answer = cloud.request("POST", "/batch/values", json={"items": [{"secretPath": path} for path in paths]})
    receipts = [item["value"]["receipt"] for item in answer.json()["items"]]
    ids = {receipt.partition(".")[0] for receipt in receipts}
    assert len(ids) == 3
    found = AuditArchive(cloud).wait_for(ids, within=WITHIN)
    assert {f"{record['environment']}/{record['path']}" for record in found.values()} == set(paths)


def test_a_change_has_an_intent_and_an_outcome(cloud: LocalCloud, platform: Platform) -> None:
    """Two records of one operation, the intent first; a refused change has its outcome's code."""
    stored = platform.register()
    number = stored.propose(VALUE)
    stored.promote(number, None)
    stale = stored.move("current", number, 7)
    assert stale.status == 409
    operations = operations_on(cloud, stored.path, wanted=4)
    by_action = {records[0]["action"]: records for records in operations if records[-1]["outcome"] == "ok"}
    assert by_action.keys() == {"REGISTER", "PROPOSE", "PROMOTE"}
    for records in by_action.values():
        assert [record["phase"] for record in records] == ["INTENT", "OUTCOME"]
    assert [records[-1]["outcome"] for records in operations if records[-1]["outcome"] != "ok"] == ["stale_expectation"]


def operations_on(cloud: LocalCloud, path: str, *, wanted: int) -> list[list[dict[str, Any]]]:
    """The records about a path by operation, when as many operations have arrived with their outcome."""
    archive, operations = AuditArchive(cloud), dict[str, list[dict[str, Any]]]()
    archive.hurry()
    for _ in range(300):
        operations = {}
        for record in sorted(archive.events(), key=lambda it: (it["time"], it["phase"] != "INTENT")):
            if record["path"] == path:
                operations.setdefault(record["operationId"], []).append(record)
        done = [records for records in operations.values() if records[-1]["phase"] != "INTENT"]
        if len(done) >= wanted:
            return list(operations.values())
    pytest.fail(f"{len(operations)} of {wanted} operations arrived")


def test_a_denial_is_recorded(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store(VALUE)
    answer = stored.read(identity="auditor")
    assert answer.status == 403
    operations_on(cloud, stored.path, wanted=4)
    denials = [
        record for record in AuditArchive(cloud).events() if record["requestId"] == answer.headers["x-request-id"]
    ]
    assert [(record["phase"], record["decision"], record["actor"]) for record in denials] == [
        ("DENIAL", "DENY", f"iam:arn:aws:iam::{cloud.description.account}:role/local-auditor")
    ]
