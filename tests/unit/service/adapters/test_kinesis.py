"""The audit log over Kinesis: one record a request, chained, and no receipt without an acknowledgement."""

import base64
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom_service.adapters.kinesis import KinesisAuditLog
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.audit import NO_HASH, AuditAction, AuditEvent, Phase, record_hash
from strongroom_service.domain.errors import AuditUnavailable
from tests.support.scripted_aws import Answer, ScriptedAws, scripted_aws

ACKNOWLEDGED = Answer({"ShardId": "shardId-000000000000", "SequenceNumber": "49"})
EVENT = AuditEvent(
    event_id="01900000-0000-7000-8000-000000000001",
    operation_id="01900000-0000-7000-8000-000000000000",
    phase=Phase.RELEASE,
    time=datetime(2026, 6, 6, 14, 30, tzinfo=UTC),
    tenant="default",
    environment="prod",
    path="payments/db-password",
    secret_id="sec_0123-4567-89ab-cdef01234567",
    version=1,
    action=AuditAction.READ,
    allowed=True,
    reasons=("role:reader@*",),
    outcome="",
    actor="iam:arn:aws:iam::123456789012:role/app",
    session="s",
    source_ip="192.0.2.1",
    user_agent="test",
    request_id="r",
    region="us-east-1",
)


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as script:
        yield script


def log(aws: ScriptedAws) -> KinesisAuditLog:
    return KinesisAuditLog(client=aws.client(), stream="strongroom-test-audit", randomness=SystemRandomness())


def lines(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in base64.b64decode(request["Data"]).splitlines()]


def test_a_request_is_one_record_with_its_events_as_lines(aws: ScriptedAws) -> None:
    """Three events of one request travel together, each with a receipt of its own."""
    aws.script("PutRecord", ACKNOWLEDGED)
    events = [replace(EVENT, event_id=f"01900000-0000-7000-8000-00000000000{n}") for n in range(3)]
    receipts = log(aws).begin(events).receipts()
    (request,) = aws.asked("PutRecord")
    assert request["StreamName"] == "strongroom-test-audit"
    records = lines(request)
    assert [record["eventId"] for record in records] == [event.event_id for event in events]
    assert [str(receipt) for receipt in receipts] == [
        f"{r['eventId']}.{r['chainId']}.{r['sequence']}.{r['hash']}" for r in records
    ]


def test_records_form_one_chain_over_requests(aws: ScriptedAws) -> None:
    """Sequence numbers go on and each record names the hash of the one before."""
    aws.script("PutRecord", ACKNOWLEDGED)
    audit = log(aws)
    for _ in range(3):
        audit.begin([EVENT, EVENT]).receipts()
    records = [record for request in aws.asked("PutRecord") for record in lines(request)]
    assert [record["sequence"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert len({record["chainId"] for record in records}) == 1
    assert records[0]["previousHash"] == NO_HASH
    for before, after in itertools.pairwise(records):
        assert after["previousHash"] == before["hash"] == record_hash(before)


def test_partition_keys_are_random(aws: ScriptedAws) -> None:
    """Records spread over all shards, whoever reads what."""
    aws.script("PutRecord", ACKNOWLEDGED)
    audit = log(aws)
    for _ in range(5):
        audit.begin([EVENT]).receipts()
    assert len({request["PartitionKey"] for request in aws.asked("PutRecord")}) == 5


@pytest.mark.parametrize(
    "failure",
    [
        Answer(hang_up=True),
        Answer.error("ProvisionedThroughputExceededException"),
        Answer.error("InternalFailure", status=500),
        Answer.error("AccessDeniedException"),
        Answer.error("ResourceNotFoundException"),
        Answer({}),
    ],
    ids=["hung up", "throttled", "internal", "denied", "no stream", "no sequence number"],
)
def test_without_an_acknowledgement_there_is_no_receipt(aws: ScriptedAws, failure: Answer) -> None:
    """Whatever keeps Kinesis from acknowledging, the answer is `audit_unavailable`."""
    aws.script("PutRecord", failure)
    with pytest.raises(AuditUnavailable):
        log(aws).begin([EVENT]).receipts()


def test_a_put_is_tried_twice(aws: ScriptedAws) -> None:
    """The same record again: a duplicate is harmless, its event id is the same."""
    aws.script("PutRecord", Answer(hang_up=True), ACKNOWLEDGED)
    log(aws).begin([EVENT]).receipts()
    first, second = aws.asked("PutRecord")
    assert first == second


def test_an_unacknowledged_put_closes_the_chain(aws: ScriptedAws) -> None:
    """The next chain begins at one and names the chain before it with its last acknowledged record."""
    aws.script("PutRecord", ACKNOWLEDGED, Answer.error("AccessDeniedException"), ACKNOWLEDGED)
    audit = log(aws)
    (last,) = audit.begin([EVENT]).receipts()
    with pytest.raises(AuditUnavailable):
        audit.begin([EVENT]).receipts()
    audit.begin([EVENT]).receipts()
    record = lines(aws.asked("PutRecord")[-1])[0]
    assert record["sequence"] == 1
    assert record["chainId"] != last.chain_id
    assert record["follows"] == {"chainId": last.chain_id, "lastAcknowledged": 1, "hash": last.hash}


def test_chains_that_were_never_acknowledged_are_not_followed(aws: ScriptedAws) -> None:
    """After failures only, a new chain ties in where something is known to be stored: at first nowhere."""
    aws.script("PutRecord", Answer.error("AccessDeniedException"), ACKNOWLEDGED)
    audit = log(aws)
    with pytest.raises(AuditUnavailable):
        audit.begin([EVENT]).receipts()
    audit.begin([EVENT]).receipts()
    assert lines(aws.asked("PutRecord")[-1])[0]["follows"] is None


def test_a_chain_that_failed_twice_still_ties_in_at_the_last_stored_record(aws: ScriptedAws) -> None:
    """Two failures in a row do not lose the link."""
    refused = Answer.error("AccessDeniedException")
    aws.script("PutRecord", ACKNOWLEDGED, refused, refused, ACKNOWLEDGED)
    audit = log(aws)
    (last,) = audit.begin([EVENT]).receipts()
    for _ in range(2):
        with pytest.raises(AuditUnavailable):
            audit.begin([EVENT]).receipts()
    audit.begin([EVENT]).receipts()
    assert lines(aws.asked("PutRecord")[-1])[0]["follows"]["chainId"] == last.chain_id
