"""Moving buffered audit records into the stream, once it takes them again.

A record leaves the buffer after the stream has acknowledged it, never before: a drain that dies in between moves it
again, and the event id tells that both are one. Records keep their lines byte by byte; several travel as one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .ports import AuditStream, BufferedRecord, BufferedRecords

MAX_TAKEN: Final = 90
"""Records moved at once: they leave in one transaction with their counter, and DynamoDB admits 100 items."""
PACK_BYTES: Final = 256 * 1024
"""Lines that travel as one stream record, at most. Kinesis admits 1 MiB."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain did, in events. `is_stalled`: the stream refused, the rest waits for the next drain."""

    moved: int
    left: int
    is_stalled: bool


def drain(buffer: BufferedRecords, stream: AuditStream, *, has_time: Callable[[], bool]) -> Drained:
    """Move what waits, shard by shard, until nothing is left, the stream refuses, or the time is over.

    Raises:
        StoreUnavailable, Throttled: the buffer did not answer; what had been moved stays moved.
    """
    waiting = buffer.waiting()
    moved = 0
    is_stalled = False
    for shard, events in waiting.items():
        counted = events
        while has_time() and not is_stalled:
            records = buffer.take(shard, MAX_TAKEN)
            if not records:
                if counted > 0:
                    buffer.correct(shard, counted=counted)
                break
            done = _put(records, stream)
            if done:
                buffer.remove(shard, done)
            counted -= _events(done)
            is_stalled = len(done) < len(records)
        moved += events - counted
    left = sum(buffer.waiting().values()) if moved or not is_stalled else sum(waiting.values())
    return Drained(moved, left, is_stalled)


def _put(records: Sequence[BufferedRecord], stream: AuditStream) -> list[BufferedRecord]:
    """Put records into the stream; those that it acknowledged."""
    packs = list(_packs(records))
    acknowledged = stream.put([b"".join([record.lines for record in pack]) for pack in packs])
    return [record for pack, was_taken in zip(packs, acknowledged, strict=True) if was_taken for record in pack]


def _events(records: Sequence[BufferedRecord]) -> int:
    return sum(record.events for record in records)


def _packs(records: Sequence[BufferedRecord]) -> Iterator[list[BufferedRecord]]:
    """Records that travel together."""
    pack: list[BufferedRecord] = []
    size = 0
    for record in records:
        if pack and size + len(record.lines) > PACK_BYTES:
            yield pack
            pack, size = [], 0
        pack.append(record)
        size += len(record.lines)
    if pack:
        yield pack
