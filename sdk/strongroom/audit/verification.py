"""A whole verification: digests, objects, chains, receipts."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from .chains import Chains, settled_until
from .errors import ArchiveUnreadable, OptionInvalid
from .findings import Finding, Kind, ProvenReceipt, Report
from .index import Index
from .key import PublicKey
from .objects import Objects
from .receipts import Receipt
from .sealing import KnownDigest, Range, Sealing
from .source import Archive

GRACE: Final = timedelta(hours=1)
"""How long a record may be on its way into the archive: the stream's buffer is drained each minute."""

Progress = Callable[[str, int, int | None], None]
"""Is told of a stage, how far it is, and of how much."""


def verify(
    archive: Archive,
    *,
    key: PublicKey,
    receipts: Sequence[Receipt] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    known: KnownDigest | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify an archive, or the part of it that was sealed between two times.

    Raises:
        ArchiveUnreadable: it does not answer, or may not be read; or the temporary index cannot be kept.
        OptionInvalid: the times have no offset, or end before they begin.
    """
    for time in (since, until):
        if time is not None and time.tzinfo is None:
            raise OptionInvalid("a time needs an offset, such as 2026-06-06T14:00:00Z")
    if since is not None and until is not None and until < since:
        raise OptionInvalid("the range ends before it begins")
    chosen = Range(since=since, until=until)
    tell = progress or _tell_nobody
    report = Report(key=key.origin)
    with _index() as index:
        sealing = Sealing(archive, key, index, report, chosen=chosen)
        sealing.read(known=known, now=now or datetime.now(UTC), progress=lambda done: tell("digests", done, None))
        objects = Objects(archive, index, report, sealing=sealing, chosen=chosen)
        to_read = objects.list_all(lambda done: tell("listing", done, None))
        objects.read_all(lambda done: tell("objects", done, to_read))
        index.all_records_are_in()
        chains = Chains(
            index,
            report,
            chosen=chosen,
            are_objects_intact=objects.are_intact,
            settled_until=settled_until(sealing.covered_until, grace=GRACE),
        )
        chains.check(lambda done: tell("chains", done, None))
        for receipt in receipts:
            _prove(receipt, index, report)
    return report


@contextmanager
def _index() -> Iterator[Index]:
    """The temporary index; that its disk is full is nothing about the archive."""
    try:
        with Index() as index:
            yield index
    except sqlite3.Error as error:
        raise ArchiveUnreadable(f"the temporary index cannot be kept (TMPDIR has to have room): {error}") from None


def _prove(receipt: Receipt, index: Index, report: Report) -> None:
    """Find the record of a receipt: whole, so that its content is what the receipt's hash is of."""
    query = (
        "SELECT hash, event, whole, objects.key, line, CASE objects.intact WHEN 1 THEN objects.digest END AS seal"
        " FROM records JOIN objects ON objects.id = object WHERE chain = ? AND sequence = ?"
        " ORDER BY hash = ? DESC, whole DESC, seal IS NULL, seal"
    )
    row = index.row(query, receipt.chain_id, receipt.sequence, receipt.hash)
    if row is None:
        message = "the receipt's record is not in the archive, or not yet: a record takes about two minutes"
        report.add(_unproven(Kind.RECEIPT_UNKNOWN, receipt, message))
        return
    hash_, event, is_whole, key, line, digest = row
    if (hash_, event) != (receipt.hash, receipt.event_id):
        message = f"another record is in the receipt's place: line {line} of {key}"
        report.add(_unproven(Kind.RECEIPT_MISMATCH, receipt, message))
    elif not is_whole:
        message = f"the receipt's record was changed: line {line} of {key}"
        report.add(_unproven(Kind.RECEIPT_MISMATCH, receipt, message))
    else:
        report.receipts.append(ProvenReceipt(receipt=receipt, key=key, line=line, digest=digest))


def _unproven(kind: Kind, receipt: Receipt, message: str) -> Finding:
    return Finding(
        kind=kind,
        message=message,
        receipt=str(receipt),
        event_id=receipt.event_id,
        chain_id=receipt.chain_id,
        sequence=receipt.sequence,
    )


def _tell_nobody(stage: str, done: int, of: int | None) -> None:
    del stage, done, of
