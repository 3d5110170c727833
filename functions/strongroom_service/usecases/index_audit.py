"""Taking the audit stream's records into the index, and showing them to whoever observes.

A line that is no record never keeps others from being indexed: it is counted and kept aside. What the table does not
take now is told as failed, and the stream delivers it again; what is indexed twice is there once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom_service.domain.audit_record import AuditLine, RecordUnreadable, parse_line

from .ports import AuditIndexWriter, Kept, RecordObserver, UnreadableLine

MAX_CHUNK: Final = 1_000
"""Records written before the time that is left is looked at again."""
MAX_ASIDE: Final = 20
"""Lines of one delivery that are kept aside: a flood of rubbish must not become one of writes. All are counted."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record of the stream: some lines."""

    id: str
    """Its sequence number."""
    data: bytes


@dataclass(slots=True)
class Indexed:
    """What became of a batch."""

    records: int = 0
    unreadable: int = 0
    failed: list[str] = field(default_factory=list)
    """The deliveries to be made again, in their order."""


@dataclass(slots=True)
class _Read:
    """What was read of one delivery."""

    delivery: Delivery
    records: list[tuple[int, AuditLine]]
    """With each one's place in the delivery."""
    unreadable: list[UnreadableLine]


def index(
    deliveries: Sequence[Delivery],
    *,
    writer: AuditIndexWriter,
    observers: Sequence[RecordObserver] = (),
    has_time: Callable[[], bool],
) -> Indexed:
    """Index a batch. Whatever an observer raises goes through, after everything is written."""
    result = Indexed()
    indexed: list[AuditLine] = []
    for chunk in _chunks([_read(delivery) for delivery in deliveries]):
        if not has_time():
            result.failed += [read.delivery.id for read in chunk]
            continue
        _index(chunk, writer=writer, result=result, indexed=indexed)
    if indexed:
        for observer in observers:
            observer.observe([record.fields for record in indexed])
    return result


def _read(delivery: Delivery) -> _Read:
    read = _Read(delivery, [], [])
    for number, line in enumerate(delivery.data.split(b"\n")):
        if not line:
            continue
        try:
            read.records.append((number, parse_line(line)))
        except RecordUnreadable as error:
            read.unreadable.append(UnreadableLine(delivery.id, number, line, error.why))
    return read


def _chunks(reads: Sequence[_Read]) -> list[list[_Read]]:
    chunks: list[list[_Read]] = [[]]
    size = 0
    for read in reads:
        if chunks[-1] and size + len(read.records) > MAX_CHUNK:
            chunks.append([])
            size = 0
        chunks[-1].append(read)
        size += len(read.records)
    return chunks


def _index(chunk: Sequence[_Read], *, writer: AuditIndexWriter, result: Indexed, indexed: list[AuditLine]) -> None:
    kept = iter(writer.add([record for read in chunk for _, record in read.records]))
    for read in chunk:
        outcomes = [next(kept) for _ in read.records]
        refused = [
            UnreadableLine(read.delivery.id, number, record.line, "refused by the index")
            for (number, record), outcome in zip(read.records, outcomes, strict=True)
            if outcome is Kept.REFUSED
        ]
        stored = [record for (_, record), it in zip(read.records, outcomes, strict=True) if it is Kept.STORED]
        aside = [*read.unreadable, *refused]
        if Kept.FAILED in outcomes or (aside and not writer.keep_aside(aside[:MAX_ASIDE])):
            result.failed.append(read.delivery.id)
            continue
        result.records += len(stored)
        result.unreadable += len(aside)
        indexed += stored
