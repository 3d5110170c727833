"""The audit log: one record a request, chained, by the stream or by the buffer, and no receipt without either."""

import base64
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from strongroom_service.adapters.audit.buffer import AuditBuffer
from strongroom_service.adapters.audit.log import ChainedAuditLog
from strongroom_service.adapters.breaker import CircuitBreaker
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.audit import NO_HASH, record_hash
from strongroom_service.domain.errors import AuditUnavailable
from strongroom_service.usecases.ports import Metric
from tests.support.auditing import EVENT, FakeMeasurements
from tests.support.scripted_aws import Answer, ScriptedAws, scripted_aws

ACKNOWLEDGED = Answer({"ShardId": "shardId-000000000000", "SequenceNumber": "49"})


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as script:
        yield script


class Time:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def log(aws: ScriptedAws, *, measurements: FakeMeasurements | None = None, time: Time | None = None) -> ChainedAuditLog:
    """A log whose buffer refuses unless the test scripts it."""
    randomness, client = SystemRandomness(), aws.client()
    return ChainedAuditLog(
        client=client,
        stream="strongroom-test-audit",
        buffer=AuditBuffer(
            client=client,
            table="strongroom-test-audit-buffer",
            size=6400,
            randomness=randomness,
            monotonic=time or Time(),
        ),
        randomness=randomness,
        measurements=measurements or FakeMeasurements(),
        breaker=CircuitBreaker(monotonic=time or Time()),
    )


def buffered_lines(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of a record that was put into the buffer."""
    _, put = request["TransactItems"]
    return [json.loads(line) for line in base64.b64decode(put["Put"]["Item"]["lines"]["B"]).splitlines()]


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
def test_without_any_acknowledgement_there_is_no_receipt(aws: ScriptedAws, failure: Answer) -> None:
    """Whatever keeps the stream from acknowledging: if the buffer cannot either, the answer is `audit_unavailable`."""
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
    time = Time()
    audit = log(aws, time=time)
    (last,) = audit.begin([EVENT]).receipts()
    with pytest.raises(AuditUnavailable):
        audit.begin([EVENT]).receipts()
    time.seconds += 31
    audit.begin([EVENT]).receipts()
    record = lines(aws.asked("PutRecord")[-1])[0]
    assert record["sequence"] == 1
    assert record["chainId"] != last.chain_id
    assert record["follows"] == {"chainId": last.chain_id, "lastAcknowledged": 1, "hash": last.hash}


def test_chains_that_were_never_acknowledged_are_not_followed(aws: ScriptedAws) -> None:
    """After failures only, a new chain ties in where something is known to be stored: at first nowhere."""
    aws.script("PutRecord", Answer.error("AccessDeniedException"), ACKNOWLEDGED)
    time = Time()
    audit = log(aws, time=time)
    with pytest.raises(AuditUnavailable):
        audit.begin([EVENT]).receipts()
    time.seconds += 31
    audit.begin([EVENT]).receipts()
    assert lines(aws.asked("PutRecord")[-1])[0]["follows"] is None


def test_a_chain_that_failed_twice_still_ties_in_at_the_last_stored_record(aws: ScriptedAws) -> None:
    """Two failures in a row do not lose the link."""
    refused = Answer.error("AccessDeniedException")
    aws.script("PutRecord", ACKNOWLEDGED, refused, refused, ACKNOWLEDGED)
    time = Time()
    audit = log(aws, time=time)
    (last,) = audit.begin([EVENT]).receipts()
    for _ in range(2):
        with pytest.raises(AuditUnavailable):
            audit.begin([EVENT]).receipts()
        time.seconds += 31
    audit.begin([EVENT]).receipts()
    assert lines(aws.asked("PutRecord")[-1])[0]["follows"]["chainId"] == last.chain_id


def test_what_the_stream_refuses_goes_into_the_buffer_byte_by_byte(aws: ScriptedAws) -> None:
    """The same lines: should the stream have taken them after all, the two copies are one and the same."""
    aws.script("PutRecord", Answer.error("InternalFailure", status=500))
    aws.script("TransactWriteItems", Answer({}))
    measurements = FakeMeasurements()
    audit = log(aws, measurements=measurements)
    (receipt,) = audit.begin([EVENT]).receipts()
    (put,) = aws.asked("TransactWriteItems")
    assert buffered_lines(put) == lines(aws.asked("PutRecord")[-1])
    assert buffered_lines(put)[0]["hash"] == receipt.hash
    assert measurements.counts == {Metric.AUDIT_BUFFERED: 1}


def test_a_buffered_record_keeps_the_chain(aws: ScriptedAws) -> None:
    """It is durable, so the next record follows it."""
    aws.script("PutRecord", Answer(hang_up=True))
    aws.script("TransactWriteItems", Answer({}))
    audit = log(aws)
    receipts = [audit.begin([EVENT]).receipts()[0] for _ in range(3)]
    assert [receipt.sequence for receipt in receipts] == [1, 2, 3]
    assert len({receipt.chain_id for receipt in receipts}) == 1


def test_a_stream_that_failed_is_left_alone_for_half_a_minute(aws: ScriptedAws) -> None:
    """Records go straight into the buffer; then one tries the stream, and with its success all do."""
    aws.script("PutRecord", Answer(hang_up=True), Answer(hang_up=True), ACKNOWLEDGED)
    aws.script("TransactWriteItems", Answer({}))
    time = Time()
    audit = log(aws, time=time)
    for _ in range(3):
        audit.begin([EVENT]).receipts()
    assert len(aws.asked("PutRecord")) == 2
    time.seconds += 31
    for _ in range(2):
        audit.begin([EVENT]).receipts()
    assert len(aws.asked("PutRecord")) == 4
    assert len(aws.asked("TransactWriteItems")) == 3


def test_a_stream_that_throttles_is_asked_again_by_the_next_record(aws: ScriptedAws) -> None:
    """It is alive: leaving it alone would fill the buffer for nothing."""
    throttled = Answer.error("ProvisionedThroughputExceededException")
    aws.script("PutRecord", throttled, throttled, ACKNOWLEDGED)
    aws.script("TransactWriteItems", Answer({}))
    measurements = FakeMeasurements()
    audit = log(aws, measurements=measurements)
    for _ in range(2):
        audit.begin([EVENT, EVENT]).receipts()
    assert measurements.counts == {Metric.AUDIT_BUFFERED: 2, Metric.AUDIT_STREAMED: 2}


def test_a_record_that_finds_no_place_is_counted(aws: ScriptedAws) -> None:
    """The alarm rings by this metric."""
    aws.script("PutRecord", Answer(hang_up=True))
    measurements = FakeMeasurements()
    with pytest.raises(AuditUnavailable):
        log(aws, measurements=measurements).begin([EVENT]).receipts()
    assert measurements.counts == {Metric.AUDIT_UNAVAILABLE: 1}
    assert measurements.times == [Metric.AUDIT_TIME]
