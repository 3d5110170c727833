"""The chains of an archive: every sequence once, each record tied to the one before.

The order is (chainId, sequence). Deliveries reorder and repeat: the same record twice is nothing, two records in one
place are tampering. A record may still be on its way: a gap beside young records is a note as long as everything that
the digests cover is there as it was.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from .findings import Finding, Kind, Report
from .index import Index
from .records import NO_HASH
from .sealing import Range

_COLUMNS: Final = ", ".join(
    f"records.{name}" for name in ("chain", "sequence", "hash", "previous", "event", "time", "object", "line")
)


@dataclass(frozen=True, slots=True)
class _At:
    """A record in its place."""

    chain: str
    sequence: int
    hash: str
    previous: str
    event: str
    time: str
    object: int
    line: int


@dataclass(slots=True)
class _Step:
    """One sequence of a chain: the records that claim it, told apart by hash."""

    sequence: int
    records: list[_At] = field(default_factory=list)

    @property
    def hashes(self) -> set[str]:
        return {record.hash for record in self.records}


class Chains:
    """Checks the chains in the index."""

    def __init__(
        self, index: Index, report: Report, *, chosen: Range, are_objects_intact: bool, settled_until: datetime | None
    ) -> None:
        self._index = index
        self._report = report
        self._chosen = chosen
        # Later records may still have company on its way; None: nothing is settled.
        settled = settled_until if are_objects_intact else datetime.max.replace(tzinfo=UTC)
        self._settled = "" if settled is None else _text(settled)

    def check(self, progress: Callable[[int], None]) -> None:
        """Check every chain, and what digests and ties say of chains."""
        query = f"SELECT {_COLUMNS} FROM records ORDER BY chain, sequence, hash, object, line"  # noqa: S608  # constants
        rows: Iterator[_At] = (_At(*row) for row in self._index.rows(query))
        for chain, records in groupby(rows, key=lambda record: record.chain):
            self._report.chains += 1
            self._check_chain(chain, records)
            progress(self._report.chains)
        self._check_absent()
        self._check_ties()
        self._check_inserted()

    def _check_chain(self, chain: str, records: Iterator[_At]) -> None:
        before: _Step | None = None
        sealed = self._sealed_ends(chain)
        for sequence, claims in groupby(records, key=lambda record: record.sequence):
            step = self._step(sequence, claims)
            self._check_step(chain, before, step)
            for hash_sealed, digest in sealed.pop(sequence, ()):
                if hash_sealed not in step.hashes:
                    message = f"the record is not the one that digest {digest} saw in its place"
                    self._find(Kind.RECORD_CHANGED, message, step.records[0], digest=digest)
            before = step
        reached = before.sequence if before else 0
        ends = [(sequence, digest) for sequence, ends in sealed.items() for _, digest in ends if sequence > reached]
        if ends:
            last, digest = max(ends)
            message = f"the chain's tail is not there; digest {digest} saw it"
            self._missing(chain, reached + 1, last, message, digest=digest)

    def _step(self, sequence: int, claims: Iterator[_At]) -> _Step:
        """The records of one sequence; copies beyond the first of each are counted, not kept."""
        step = _Step(sequence)
        for record in claims:
            if record.hash in step.hashes:
                self._report.repeated += 1
            elif len(step.records) < 8:  # noqa: PLR2004  # as many as anybody needs to see
                step.records.append(record)
            self._report.records += 1
        for record in step.records[1:]:
            first = step.records[0]
            message = (
                f"two records claim one place; the other is event {first.event}, "
                f"line {first.line} of {self._object(first.object)[0]}"
            )
            self._find(Kind.RECORD_CONFLICT, message, record)
        return step

    def _check_step(self, chain: str, before: _Step | None, step: _Step) -> None:
        expected = before.sequence + 1 if before else 1
        first = step.records[0]
        if step.sequence > expected:
            self._gap(chain, expected, step.sequence - 1, first)
            return
        tied_to = before.hashes if before else {NO_HASH}
        for record in step.records:
            if record.previous not in tied_to:
                message = "the record does not continue the one before it: one of both was changed or put there"
                self._find(Kind.CHAIN_BROKEN, message, record)

    def _gap(self, chain: str, first: int, last: int, after: _At) -> None:
        if self._is_elsewhere(chain, first, last):
            return
        (acknowledged,) = self._index.row("SELECT max(last) FROM ties WHERE chain = ?", chain)
        if acknowledged is not None and first > acknowledged:
            message = "records are not there that the platform itself never took for stored"
            self._missing(chain, first, last, message, kind=Kind.RECORD_UNACKNOWLEDGED)
        elif after.time > self._settled:
            message = "records are not there yet; they may be on their way into the archive"
            self._missing(chain, first, last, message, kind=Kind.RECORD_AWAITED)
        else:
            self._missing(chain, first, last, "records are not there, but a later one of their chain is", after=after)

    def _check_absent(self) -> None:
        """Chains that the digests saw, and of which nothing is left."""
        query = (
            "SELECT chain, min(first), max(last), max(digest) FROM spans WHERE chosen = 1"
            " AND NOT EXISTS (SELECT 1 FROM records WHERE records.chain = spans.chain) GROUP BY chain ORDER BY chain"
        )
        for chain, first, last, digest in self._index.rows(query):
            message = f"the whole chain is not there; digest {digest} saw it"
            self._missing(chain, first, last, message, digest=digest)

    def _check_ties(self) -> None:
        """What a chain says of the one before was acknowledged, so it is stored, or was."""
        query = "SELECT DISTINCT follower, chain, last, hash, object, line FROM ties ORDER BY chain, last"
        for follower, chain, last, hash_, object_, line in self._index.rows(query):
            hashes = {
                row[0]
                for row in self._index.rows(
                    "SELECT DISTINCT hash FROM records WHERE chain = ? AND sequence = ? LIMIT 8", chain, last
                )
            }
            if hash_ in hashes:
                continue
            if hashes:
                key, version = self._object(object_)
                message = f"the chain says that it follows another record {last} of chain {chain} than the one there"
                self._report.add(
                    Finding(
                        kind=Kind.CHAIN_BROKEN, message=message, key=key, version_id=version, line=line,
                        chain_id=follower, sequence=1,
                    )
                )  # fmt: skip
                continue
            (reached,) = self._index.row("SELECT max(sequence) FROM records WHERE chain = ?", chain)
            if (reached is None or reached < last) and not self._is_elsewhere(chain, (reached or 0) + 1, last):
                self._unfollowed(chain, (reached or 0) + 1, last, follower)

    def _unfollowed(self, chain: str, first: int, last: int, follower: str) -> None:
        if self._index.row("SELECT 1 FROM spans WHERE chain = ? AND last >= ?", chain, last) is not None:
            return  # told by its digest
        (time,) = self._index.row("SELECT max(time) FROM records WHERE chain = ? AND sequence = 1", follower)
        if time > self._settled:
            message = "records are not there yet; they may be on their way into the archive"
            self._missing(chain, first, last, message, kind=Kind.RECORD_AWAITED)
        else:
            message = f"the chain's tail is not there; chain {follower} says that it was stored"
            self._missing(chain, first, last, message)

    def _check_inserted(self) -> None:
        """In an object that was changed after it was sealed: records that its digest did not see."""
        query = (
            f"SELECT {_COLUMNS}, objects.digest FROM objects JOIN records ON records.object = objects.id"  # noqa: S608
            " LEFT JOIN spans ON spans.chain = records.chain AND spans.digest = objects.digest"
            " WHERE objects.intact = 0 AND objects.digest IS NOT NULL"
            " AND (spans.chain IS NULL OR records.sequence NOT BETWEEN spans.first AND spans.last)"
            " ORDER BY records.chain, records.sequence"
        )
        for *columns, digest in self._index.rows(query):
            message = f"the record was put there after its object had been sealed: digest {digest} did not see it"
            self._find(Kind.RECORD_INSERTED, message, _At(*columns), digest=digest)

    def _is_elsewhere(self, chain: str, first: int, last: int) -> bool:
        """Whether a digest that is not asked for may hold some of these records."""
        if self._chosen.is_all:
            return False
        query = "SELECT 1 FROM spans WHERE chosen = 0 AND chain = ? AND first <= ? AND last >= ?"
        return self._index.row(query, chain, last, first) is not None

    def _sealed_ends(self, chain: str) -> dict[int, list[tuple[str, int]]]:
        """What the digests say of how far the chain reaches: by sequence, the hashes and who says so."""
        ends: dict[int, list[tuple[str, int]]] = {}
        query = "SELECT last, hash, digest FROM spans WHERE chain = ? AND chosen = 1"
        for last, hash_, digest in self._index.rows(query, chain):
            ends.setdefault(last, []).append((hash_, digest))
        return ends

    def _missing(
        self,
        chain: str,
        first: int,
        last: int,
        message: str,
        *,
        kind: Kind = Kind.RECORD_MISSING,
        digest: int | None = None,
        after: _At | None = None,
    ) -> None:
        key, version = self._object(after.object) if after else (None, None)
        self._report.add(
            Finding(
                kind=kind,
                message=message,
                key=key,
                version_id=version,
                line=after.line if after else None,
                chain_id=chain,
                sequence=first,
                last_sequence=last,
                digest=digest,
            )
        )

    def _find(self, kind: Kind, message: str, record: _At, *, digest: int | None = None) -> None:
        key, version = self._object(record.object)
        self._report.add(
            Finding(
                kind=kind,
                message=message,
                key=key,
                version_id=version,
                line=record.line,
                event_id=record.event,
                chain_id=record.chain,
                sequence=record.sequence,
                digest=digest,
            )
        )

    def _object(self, number: int) -> tuple[str, str | None]:
        key, version = self._index.row("SELECT key, version FROM objects WHERE id = ?", number)
        return key, version or None


def settled_until(covered_until: datetime | None, *, grace: timedelta) -> datetime | None:
    """Records up to this time have all their company by now."""
    return None if covered_until is None else covered_until - grace


def _text(time: datetime) -> str:
    """A time as records write it, which sorts as it is."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
