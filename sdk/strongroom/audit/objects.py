"""The objects of an archive: what the digests cover must be there as it was, and everything is read, line by line."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final

from .ahead import contents
from .digests import RECORDS
from .findings import Finding, Kind, Report
from .index import Index
from .records import LineKind, Record, lines_of, read_line
from .sealing import Range, Sealing
from .source import Archive, Entry

SKEW: Final = timedelta(minutes=15)
"""How far S3's clock and the sealing function's may differ, or an upload may last: S3 dates it by its start."""
_BATCH: Final = 500


class Objects:
    """Reads the objects of an archive into the index."""

    def __init__(self, archive: Archive, index: Index, report: Report, *, sealing: Sealing, chosen: Range) -> None:
        self._archive = archive
        self._index = index
        self._report = report
        self._sealing = sealing
        self._chosen = chosen
        self._rows: list[tuple[object, ...]] = []

    def list_all(self, progress: Callable[[int], None]) -> int:
        """Note what is there and what is to be read; how many objects that is. Raises `ArchiveUnreadable`."""
        listed, to_read = 0, 0
        for entry, is_over in _with_older(self._archive.entries(RECORDS)):
            listed += 1
            progress(listed)
            if entry.is_delete_marker:
                self._find_once(Kind.OBJECT_DELETED, "the object was deleted: a delete marker lies over it", entry)
                continue
            if is_over:
                self._find_once(Kind.OBJECT_OVERWRITTEN, "a further version was put over the object", entry)
            to_read += self._choose(entry)
        self._report_missing()
        return to_read

    def read_all(self, progress: Callable[[int], None]) -> None:
        """Read what was chosen: hash it, and put its records into the index. Raises `ArchiveUnreadable`."""
        rows = self._index.rows("SELECT key, version, digest, size FROM present ORDER BY key, version")
        chosen = ((Entry(key, version, size=size), digest) for key, version, digest, size in rows)
        for entry, digest, content in contents(self._archive, chosen):
            self._read(entry, digest, content)
            progress(self._report.objects)
        self._flush()

    @property
    def are_intact(self) -> bool:
        """Whether everything that the digests cover is there as it was."""
        counts = self._report.counts
        return not (counts[Kind.OBJECT_MISSING] or counts[Kind.OBJECT_CHANGED] or counts[Kind.OBJECT_DELETED])

    def _choose(self, entry: Entry) -> int:
        """Take an object to be read, unless it belongs to a digest that is not asked for."""
        if self._archive.has_versions:
            query = "SELECT min(digest), max(chosen) FROM sealed WHERE key = ? AND version = ?"
            digest, is_chosen = self._index.row(query, entry.key, entry.version_id)
        else:
            query = "SELECT max(digest), max(chosen) FROM sealed WHERE key = ?"
            digest, is_chosen = self._index.row(query, entry.key)
        if digest is None:
            if self._chosen.until is not None:
                return 0
            self._judge_unsealed(entry)
        elif not is_chosen:
            return 0
        place = (entry.key, entry.version_id, digest, entry.size)
        return self._index.put("INSERT OR IGNORE INTO present VALUES (?, ?, ?, ?)", *place)

    def _judge_unsealed(self, entry: Entry) -> None:
        """What no digest covers is the tail that none covers yet, unless one should have."""
        sealing, report = self._sealing, self._report
        until, modified = sealing.covered_until, entry.modified_at
        if sealing.last is not None and entry.key < sealing.watched_from:
            message = "no digest covers the object, and none will: it was put into an hour that is sealed no more"
            self._find_once(Kind.OBJECT_INSERTED, message, entry)
        elif until is not None and modified is not None and modified < until - SKEW:
            message = "no digest covers the object, though one covers all that was there later"
            self._find_once(Kind.OBJECT_INSERTED, message, entry)
        else:
            report.unsealed_objects += 1
            report.oldest_unsealed = min(report.oldest_unsealed or entry.key, entry.key)

    def _report_missing(self) -> None:
        same = "present.key = sealed.key" + (" AND present.version = sealed.version" * self._archive.has_versions)
        query = (
            "SELECT key, version, digest FROM sealed WHERE chosen = 1"  # noqa: S608  # constants
            f" AND NOT EXISTS (SELECT 1 FROM present WHERE {same}) ORDER BY key, version"
        )
        for key, version, digest in self._index.rows(query):
            message = f"the object is not there; digest {digest} covers it"
            self._find_once(Kind.OBJECT_MISSING, message, Entry(key, version), digest)

    def _read(self, entry: Entry, digest: int | None, chunks: Iterable[bytes]) -> None:
        content = hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for chunk in chunks:
                content.update(chunk)
                yield chunk

        number = self._index.add_object(entry.key, entry.version_id, digest)
        records = 0
        for position, line in enumerate(lines_of(hashed()), start=1):
            records += self._note(line, entry, number, position)
        self._report.objects += 1
        if digest is None:
            self._report.unsealed_records += records
        elif not self._is_as_sealed(entry, content.hexdigest()):
            self._index.put("UPDATE objects SET intact = 0 WHERE id = ?", number)
            message = f"the object's content is not what digest {digest} covers"
            self._find(Kind.OBJECT_CHANGED, message, entry, digest)

    def _is_as_sealed(self, entry: Entry, sha256: str) -> bool:
        if self._archive.has_versions:
            # Every digest that covers the version must say the same of it.
            query = "SELECT 1 FROM sealed WHERE key = ? AND version = ? AND sha256 <> ?"
            return self._index.row(query, entry.key, entry.version_id, sha256) is None
        return self._index.row("SELECT 1 FROM sealed WHERE key = ? AND sha256 = ?", entry.key, sha256) is not None

    def _note(self, line: bytes, entry: Entry, number: int, position: int) -> int:
        """Judge a line; 1 if it is a record that has a place."""
        judged = read_line(line)
        record = judged.record
        if judged.kind is LineKind.DAMAGED:
            self._find_line(Kind.RECORD_DAMAGED, "the line is not a whole record", entry, position, None)
        elif judged.kind is LineKind.FOREIGN:
            message = "the line is no audit record: somebody else wrote on the stream"
            self._find_line(Kind.FOREIGN_LINE, message, entry, position, None)
        elif judged.kind is LineKind.CHANGED:
            message = "the record is not what its own hash says: it was changed"
            self._find_line(Kind.RECORD_CHANGED, message, entry, position, record)
        if record is None:
            return 0
        is_whole = int(judged.kind is LineKind.RECORD)
        place = (record.chain_id, record.sequence, record.hash, record.previous, record.event_id, record.time)
        self._rows.append((*place, number, position, is_whole))
        if len(self._rows) >= _BATCH:
            self._flush()
        if record.tie is not None:
            tie = record.tie
            self._index.put(
                "INSERT INTO ties VALUES (?, ?, ?, ?, ?, ?)",
                record.chain_id, tie.chain_id, tie.last_acknowledged, tie.hash, number, position,
            )  # fmt: skip
        return 1

    def _flush(self) -> None:
        self._index.put_all("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)
        self._rows = []

    def _find_once(self, kind: Kind, message: str, entry: Entry, digest: int | None = None) -> None:
        """The sealing may have noticed it already."""
        if self._index.is_news(kind, entry.key, entry.version_id):
            self._find(kind, message, entry, digest)

    def _find(self, kind: Kind, message: str, entry: Entry, digest: int | None) -> None:
        version = entry.version_id or None
        self._report.add(Finding(kind=kind, message=message, key=entry.key, version_id=version, digest=digest))

    def _find_line(self, kind: Kind, message: str, entry: Entry, line: int, record: Record | None) -> None:
        self._report.add(
            Finding(
                kind=kind,
                message=message,
                key=entry.key,
                version_id=entry.version_id or None,
                line=line,
                event_id=record.event_id if record else None,
                chain_id=record.chain_id if record else None,
                sequence=record.sequence if record else None,
            )
        )


def _with_older(entries: Iterator[Entry]) -> Iterator[tuple[Entry, bool]]:
    """Each entry, and whether it lies over an older version of its key. One version is held back at a time."""
    held: Entry | None = None
    for entry in entries:
        if entry.is_delete_marker:
            yield entry, False
            continue
        if held is not None:
            yield held, held.key == entry.key
        held = entry
    if held is not None:
        yield held, False
