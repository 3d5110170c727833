"""The drain's two ends over real tables and streams: exact counters whatever runs beside them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from strongroom_service.adapters.audit import buffer_layout
from strongroom_service.adapters.audit.buffer import AuditBuffer
from strongroom_service.adapters.audit.draining import DynamoBufferedRecords, KinesisAuditStream
from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.errors import AuditUnavailable, StoreUnavailable
from strongroom_service.usecases.drain_audit import Drained, drain
from tests.support.local_aws import BUFFER, REGION, STREAM, LocalAws

SHARE = 10
RANDOMNESS = SystemRandomness()


class Ends:
    """The buffer as a function fills it, and both ends as the drain sees them."""

    def __init__(self, aws: LocalAws, client: AwsClient) -> None:
        self.aws = aws
        self.buffer = AuditBuffer(client=client, table=BUFFER, size=64 * SHARE, randomness=RANDOMNESS)
        self.records = self.drain_source()
        self.stream = KinesisAuditStream(client=aws.client("kinesis"), stream=STREAM, randomness=RANDOMNESS)
        self._before = len(aws.records())

    def drain_source(self) -> DynamoBufferedRecords:
        return DynamoBufferedRecords(
            client=self.aws.client("dynamodb"), table=BUFFER, randomness=RANDOMNESS, sleep=lambda _: None
        )

    def put(self, name: str, *, events: int = 1) -> None:
        self.buffer.begin(f"{name}\n".encode() * events, event_id=name, events=events).wait()

    def streamed(self) -> list[str]:
        return b"".join(self.aws.records()[self._before :]).decode().splitlines()

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.aws.client("dynamodb").scan(TableName=BUFFER)["Items"]
        return found


@pytest.fixture
def ends(aws: LocalAws) -> Iterator[Ends]:
    aws.empty_buffer()
    with closing(AwsClient(region=REGION)) as client:
        yield Ends(aws, client)


def test_what_was_buffered_is_drained(ends: Ends) -> None:
    """Every line is in the stream, no record is left, and every counter is back at zero."""
    names = [f"event-{number:03}" for number in range(100)]
    for name in names:
        ends.put(name)
    assert sum(ends.records.waiting().values()) == 100
    assert drain(ends.records, ends.stream, has_time=lambda: True) == Drained(100, 0, is_stalled=False)
    assert sorted(ends.streamed()) == names
    assert {item["SK"]["S"] for item in ends.items()} == {"COUNT"}
    assert {item["events"]["N"] for item in ends.items()} == {"0"}


def test_the_buffer_takes_exactly_its_size(ends: Ends) -> None:
    """Concurrent puts in any shards fill it, to the last event and not one more; drained, it takes them again."""
    full = dict.fromkeys(range(64), SHARE)

    def put(number: int) -> bool:
        try:
            ends.put(f"event-{number:04}", events=5)
        except AuditUnavailable:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(put, range(140)))
    # With others after the same last places a put may lose each time, or wait too long, and is refused.
    for number in range(140, 180):
        if ends.records.waiting() == full:
            break
        taken.append(put(number))
    assert ends.records.waiting() == full
    stored = {item["SK"]["S"].removeprefix(buffer_layout.record_sort_key("")) for item in ends.items()}
    assert {f"event-{number:04}" for number, was_taken in enumerate(taken) if was_taken} <= stored
    with pytest.raises(AuditUnavailable):
        ends.put("one-more")
    assert drain(ends.records, ends.stream, has_time=lambda: True).moved == 640
    refilled = AuditBuffer(client=AwsClient(region=REGION), table=BUFFER, size=64 * SHARE, randomness=RANDOMNESS)
    refilled.begin(b"again\n", event_id="again", events=1).wait()


def test_two_drains_at_once_count_each_record_off_once(ends: Ends) -> None:
    """A record may be in the stream twice; the counters are exact, and end at zero."""
    names = {f"event-{number:03}" for number in range(60)}
    for name in names:
        ends.put(name)
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda source: drain(source, ends.stream, has_time=lambda: True), [ends.records, ends.drain_source()]
            )
        )
    assert set(ends.streamed()) == names
    assert ends.records.waiting() == {}
    assert {item["events"]["N"] for item in ends.items()} == {"0"}


def test_removing_what_is_gone_changes_nothing(ends: Ends) -> None:
    ends.put("event")
    ((shard, _),) = ends.records.waiting().items()
    records = ends.records.take(shard, 10)
    ends.records.remove(shard, records)
    ends.records.remove(shard, records)
    assert [item["events"]["N"] for item in ends.items()] == ["0"]


def test_a_counter_is_corrected_only_while_it_says_what_was_seen(ends: Ends) -> None:
    """A put in between counts itself: the correction must not take that away."""
    ends.put("event")
    ((shard, _),) = ends.records.waiting().items()
    ends.records.correct(shard, counted=5)
    assert ends.records.waiting() == {shard: 1}
    ends.records.correct(shard, counted=1)
    assert ends.records.waiting() == {}


def test_a_stream_that_is_not_there_acknowledges_nothing(ends: Ends) -> None:
    stream = KinesisAuditStream(client=ends.aws.client("kinesis"), stream="no-such-stream", randomness=RANDOMNESS)
    assert stream.put([b"a\n", b"b\n"]) == [False, False]


def test_a_table_that_is_not_there_is_an_error_of_the_domain(ends: Ends) -> None:
    records = DynamoBufferedRecords(client=ends.aws.client("dynamodb"), table="no-such-table", randomness=RANDOMNESS)
    for call in (records.waiting, lambda: records.take(0, 1), lambda: records.correct(0, counted=1)):
        with pytest.raises(StoreUnavailable):
            call()
