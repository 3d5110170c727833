"""The drain: everything that waits reaches the stream, and nothing leaves the buffer before it did."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.domain.errors import StoreUnavailable
from strongroom_service.usecases.drain_audit import MAX_TAKEN, PACK_BYTES, Drained, drain
from strongroom_service.usecases.ports import BufferedRecord


@dataclass
class FakeBuffer:
    """The buffer port, with counters that a test may falsify."""

    shards: dict[int, list[BufferedRecord]] = field(default_factory=dict)
    drift: Counter[int] = field(default_factory=Counter)
    fails_at_removal: int | None = None
    removals: int = 0
    corrections: int = 0

    def add(self, shard: int, *names: str, size: int = 0) -> None:
        for name in names:
            lines = f"{name}\n".encode().rjust(size, b" ")
            self.shards.setdefault(shard, []).append(BufferedRecord(f"R#{name}", lines, 1))

    def waiting(self) -> dict[int, int]:
        counts = {
            shard: sum(record.events for record in records) + self.drift[shard]
            for shard, records in self.shards.items()
        }
        return {shard: count for shard, count in counts.items() if count > 0}

    def take(self, shard: int, limit: int) -> Sequence[BufferedRecord]:
        return self.shards.get(shard, [])[:limit]

    def remove(self, shard: int, records: Sequence[BufferedRecord]) -> None:
        self.removals += 1
        if self.removals == self.fails_at_removal:
            raise StoreUnavailable
        keys = {record.key for record in records}
        self.shards[shard] = [record for record in self.shards[shard] if record.key not in keys]

    def correct(self, shard: int, *, counted: int) -> None:
        self.corrections += 1
        if self.waiting().get(shard) == counted:
            self.drift[shard] = 0


@dataclass
class FakeStream:
    """The stream port; refuses by a script of booleans, one for each record, and takes all when it is used up."""

    script: list[bool] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    puts: list[int] = field(default_factory=list)

    def put(self, records: Sequence[bytes]) -> Sequence[bool]:
        self.puts.append(len(records))
        answers = [self.script.pop(0) if self.script else True for _ in records]
        self.taken += [record for record, was_taken in zip(records, answers, strict=True) if was_taken]
        return answers

    def names(self) -> list[str]:
        return [line.decode().strip() for record in self.taken for line in record.splitlines()]


def always() -> bool:
    return True


def test_what_waits_in_every_shard_reaches_the_stream() -> None:
    """Lines travel together, byte by byte and in their order; the buffer is empty afterwards."""
    buffer, stream = FakeBuffer(), FakeStream()
    buffer.add(0, "a", "b", "c")
    buffer.add(63, "d")
    assert drain(buffer, stream, has_time=always) == Drained(moved=4, left=0, is_stalled=False)
    assert stream.taken == [b"a\nb\nc\n", b"d\n"]
    assert buffer.waiting() == {}
    assert buffer.corrections == 0, "each counter was right"


def test_an_empty_buffer_asks_nothing_of_the_stream() -> None:
    stream = FakeStream()
    assert drain(FakeBuffer(), stream, has_time=always) == Drained(0, 0, is_stalled=False)
    assert stream.puts == []


def test_more_than_one_transaction_can_remove_is_moved_in_parts() -> None:
    buffer, stream = FakeBuffer(), FakeStream()
    names = [f"{number:04}" for number in range(2 * MAX_TAKEN + 1)]
    buffer.add(7, *names)
    assert drain(buffer, stream, has_time=always).moved == len(names)
    assert stream.names() == names
    assert buffer.removals == 3


def test_a_record_of_the_stream_stays_within_its_limit() -> None:
    """Large batches travel in several; one line is never torn."""
    buffer, stream = FakeBuffer(), FakeStream()
    buffer.add(1, *"abcdef", size=PACK_BYTES // 2)
    drain(buffer, stream, has_time=always)
    assert [len(record) for record in stream.taken] == [PACK_BYTES] * 3
    assert stream.names() == list("abcdef")


def test_what_the_stream_refuses_stays_and_the_drain_stops() -> None:
    """Partly refused: what was acknowledged leaves, the rest waits for the next minute."""
    buffer, stream = FakeBuffer(), FakeStream(script=[True, False])
    buffer.add(1, "a", "b", size=PACK_BYTES)
    buffer.add(2, "c")
    assert drain(buffer, stream, has_time=always) == Drained(moved=1, left=2, is_stalled=True)
    assert stream.names() == ["a"]
    assert drain(buffer, stream, has_time=always) == Drained(moved=2, left=0, is_stalled=False)
    assert stream.names() == ["a", "b", "c"]


def test_a_stream_that_is_down_changes_nothing() -> None:
    buffer, stream = FakeBuffer(), FakeStream(script=[False])
    buffer.add(1, "a", "b")
    assert drain(buffer, stream, has_time=always) == Drained(moved=0, left=2, is_stalled=True)
    assert buffer.removals == 0


def test_a_drain_that_dies_before_removing_moves_the_record_again() -> None:
    """Twice in the stream under one event id, never lost."""
    buffer, stream = FakeBuffer(fails_at_removal=1), FakeStream()
    buffer.add(1, "a")
    with pytest.raises(StoreUnavailable):
        drain(buffer, stream, has_time=always)
    assert buffer.waiting() == {1: 1}
    drain(buffer, stream, has_time=always)
    assert stream.names() == ["a", "a"]


def test_when_its_time_is_over_the_drain_stops_between_two_parts() -> None:
    buffer, stream = FakeBuffer(), FakeStream()
    buffer.add(1, *(f"{number:04}" for number in range(MAX_TAKEN + 5)))
    ticks = iter([True, False])
    assert drain(buffer, stream, has_time=lambda: next(ticks)) == Drained(moved=MAX_TAKEN, left=5, is_stalled=False)


def test_a_counter_without_records_is_corrected() -> None:
    """Whatever made it so, an empty shard must not count as taken for ever."""
    buffer = FakeBuffer()
    buffer.add(3, "a")
    buffer.drift[3] = 40
    assert drain(buffer, FakeStream(), has_time=always).left == 0
    assert buffer.waiting() == {}


@given(
    records=st.dictionaries(st.integers(0, 63), st.integers(1, 2 * MAX_TAKEN), max_size=4),
    script=st.lists(st.booleans(), max_size=20),
    failures=st.lists(st.integers(1, 3) | st.none(), max_size=3),
)
def test_however_often_drains_fail_nothing_is_lost(
    records: dict[int, int], script: list[bool], failures: list[int | None]
) -> None:
    """Refusals and deaths in any order: after enough drains each record is in the stream at least once."""
    buffer, stream = FakeBuffer(), FakeStream(script=script)
    names = {shard: [f"{shard}-{number:04}" for number in range(count)] for shard, count in records.items()}
    for shard, mine in names.items():
        buffer.add(shard, *mine)
    everything = {name for mine in names.values() for name in mine}
    for failure in [*failures, *[None] * (len(script) + 1)]:
        buffer.removals, buffer.fails_at_removal = 0, failure
        waiting = {record.key.removeprefix("R#") for mine in buffer.shards.values() for record in mine}
        assert set(stream.names()) | waiting == everything
        try:
            drain(buffer, stream, has_time=always)
        except StoreUnavailable:
            continue
    assert set(stream.names()) == everything
    assert buffer.waiting() == {}
