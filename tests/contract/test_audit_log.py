"""What every audit log promises: what it acknowledges is durable, in order, and provable."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from strongroom_service.adapters.audit.buffer import AuditBuffer
from strongroom_service.adapters.audit.draining import DynamoBufferedRecords
from strongroom_service.adapters.audit.log import ChainedAuditLog
from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.usecases.ports import AuditLog
from tests.support.auditing import EVENT, FakeMeasurements
from tests.support.fakes import FakeAuditLog, FakeRandomness
from tests.support.local_aws import BUFFER, REGION, STREAM, LocalAws

Recorded = Callable[[], list[str]]


@pytest.fixture(params=["fake", "stream", "buffer"])
def log(request: pytest.FixtureRequest) -> Iterator[tuple[AuditLog, Recorded]]:
    """The log, and the event ids that it made durable."""
    if request.param == "fake":
        fake = FakeAuditLog()
        yield fake, lambda: [event.event_id for event in fake.events]
        return
    aws: LocalAws = request.getfixturevalue("aws")
    aws.empty_buffer()
    before = len(aws.records())

    def streamed() -> list[str]:
        return _event_ids(b"".join(aws.records()[before:]))

    def buffered() -> list[str]:
        source = DynamoBufferedRecords(client=aws.client("dynamodb"), table=BUFFER, randomness=FakeRandomness())
        records = [record for shard in source.waiting() for record in source.take(shard, 100)]
        return _event_ids(b"".join(record.lines for record in sorted(records, key=lambda it: it.key)))

    randomness = FakeRandomness()
    with closing(AwsClient(region=REGION)) as client:
        is_streamed = request.param == "stream"
        log = ChainedAuditLog(
            client=client,
            stream=STREAM if is_streamed else "no-such-stream",
            buffer=AuditBuffer(client=client, table=BUFFER, size=6400, randomness=randomness),
            randomness=randomness,
            measurements=FakeMeasurements(),
        )
        yield log, streamed if is_streamed else buffered


def _event_ids(lines: bytes) -> list[str]:
    records: list[dict[str, Any]] = [json.loads(line) for line in lines.splitlines()]
    return [record["eventId"] for record in records]


def test_what_was_waited_for_is_there(log: tuple[AuditLog, Recorded]) -> None:
    audit, recorded = log
    events = [replace(EVENT, event_id=f"event-{index}") for index in range(3)]
    receipts = audit.begin(events).receipts()
    assert [receipt.event_id for receipt in receipts] == [event.event_id for event in events]
    assert recorded() == [event.event_id for event in events]


def test_receipts_follow_each_other_on_one_chain(log: tuple[AuditLog, Recorded]) -> None:
    audit, _ = log
    receipts = [*audit.begin([EVENT, EVENT]).receipts(), *audit.begin([EVENT]).receipts()]
    assert [receipt.sequence for receipt in receipts] == [1, 2, 3]
    assert len({receipt.chain_id for receipt in receipts}) == 1
    assert len({receipt.hash for receipt in receipts}) == 3
