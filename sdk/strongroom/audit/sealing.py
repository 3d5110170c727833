"""The digests of an archive: their signatures, their chain, and what they state."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from .digests import PREFIX, RECORDS, Digest, NoDigest, Place, digest_key, number_of, parse_digest
from .errors import OptionInvalid
from .findings import Finding, Kind, Report
from .index import Index
from .key import PublicKey
from .source import Archive, Entry

LATE_AFTER: Final = timedelta(hours=2)
_MAX_DIGEST_BYTES: Final = 32 * 1024 * 1024
_KNOWN: Final = re.compile(r"([1-9]\d{0,11})\.([0-9a-f]{64})")
_ANOMALIES: Final = {
    "DELETE_MARKER": (Kind.OBJECT_DELETED, "the object was deleted: a delete marker lies over it"),
    "OVERWRITTEN": (Kind.OBJECT_OVERWRITTEN, "a further version was put over the object"),
    "MISSING": (Kind.OBJECT_MISSING, "a version of the object was gone when a later digest was made"),
    "FOREIGN_DIGEST": (Kind.DIGEST_FOREIGN, "what lay in a digest's place was no digest of this archive"),
    "DIGEST_LOST": (Kind.DIGEST_MISSING, "an earlier digest was gone or altered when a later one was made"),
}


@dataclass(frozen=True, slots=True)
class KnownDigest:
    """A digest that an earlier verification saw: it must still be there."""

    number: int
    sha256: str

    @classmethod
    def parse(cls, text: str) -> "KnownDigest":
        """Read `number.sha256`; raises `OptionInvalid`."""
        found = _KNOWN.fullmatch(text.strip().lower())
        if found is None:
            raise OptionInvalid("a known digest is number.sha256, by an earlier report's digests.last and lastSha256")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which digests' objects are read, by the time of the sealing."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, time: datetime) -> bool:
        return (self.since is None or time >= self.since) and (self.until is None or time <= self.until)

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.since is None and self.until is None


class Sealing:
    """Reads the digests in order, and notes in the index what the sound ones state."""

    def __init__(self, archive: Archive, key: PublicKey, index: Index, report: Report, *, chosen: Range) -> None:
        self._archive = archive
        self._key = key
        self._index = index
        self._report = report
        self._chosen = chosen
        self._bad: set[int] = set()
        self._last_sha256 = ""
        self.place: Place | None = None
        self.last: Digest | None = None
        self.watched_from = ""
        """What lies before this key is sealed no more."""
        self.covered_until: datetime | None = None

    def read(self, *, known: KnownDigest | None, now: datetime, progress: Callable[[int], None]) -> None:
        """Check every digest. Raises `ArchiveUnreadable`."""
        is_known_there = known is None
        for number, entries in self._by_number():
            found = self._sound(number, entries)
            if found is None:
                self._bad.add(number)
                continue
            digest, sha256 = found
            self._check_link(digest)
            self._state(digest)
            self.place = self.place or digest.place
            self.last, self._last_sha256 = digest, sha256
            self._report.digests += 1
            progress(self._report.digests)
            is_known_there = is_known_there or (known is not None and (number, sha256) == (known.number, known.sha256))
        if self.last is None:
            self._find(Kind.DIGEST_MISSING, "there is no sound digest: nothing of this archive is proven")
        if not is_known_there and known is not None:
            message = (
                "the digest that an earlier verification saw is not there: the archive was rolled back or replaced"
            )
            self._find(Kind.DIGEST_ROLLED_BACK, message, number=known.number)
        self._conclude(now)

    def _by_number(self) -> Iterator[tuple[int, Sequence[Entry]]]:
        for key, entries in groupby(self._archive.entries(PREFIX), key=lambda entry: entry.key):
            number = number_of(key)
            if number is not None:
                yield number, list(entries)

    def _sound(self, number: int, entries: Sequence[Entry]) -> tuple[Digest, str] | None:
        """The digest of a number with the hash of its bytes, if there is one that is what it should be."""
        versions = [entry for entry in entries if not entry.is_delete_marker]
        for entry in entries:
            if entry.is_delete_marker and self._is_news(Kind.DIGEST_DELETED, entry):
                self._find(Kind.DIGEST_DELETED, "the digest was deleted: a delete marker lies over it", entry, number)
        # The oldest version is what was sealed: the platform never puts one over it.
        for entry in versions[:-1]:
            self._find(Kind.DIGEST_OVERWRITTEN, "a further version was put over the digest", entry, number)
        for entry in versions[-1:]:
            stored = self._stored(entry)
            digest = None if stored is None else self._judged(number, entry, stored)
            if digest is not None and stored is not None:
                return digest, hashlib.sha256(stored).hexdigest()
        return None

    def _stored(self, entry: Entry) -> bytes | None:
        parts, size = [], 0
        for chunk in self._archive.read(entry):
            parts.append(chunk)
            size += len(chunk)
            if size > _MAX_DIGEST_BYTES:
                return None
        return b"".join(parts)

    def _judged(self, number: int, entry: Entry, stored: bytes) -> Digest | None:
        try:
            digest = parse_digest(stored)
        except NoDigest:
            self._find(Kind.DIGEST_CHANGED, "this is not in the format of a digest: it was changed", entry, number)
            return None
        if not self._key.verifies(digest.message, digest.signature):
            message = "the signature is not by the public key: the digest was changed, or signed by somebody else"
            self._find(Kind.DIGEST_SIGNATURE, message, entry, number)
            return None
        if not self._is_of_here(digest.place):
            message = f"the digest is of another archive ({digest.place.bucket} in {digest.place.region})"
            self._find(Kind.DIGEST_FOREIGN, message, entry, number)
            return None
        if digest.number != number:
            message = f"the digest in this place has the number {digest.number}"
            self._find(Kind.DIGEST_CHANGED, message, entry, number)
            return None
        return digest

    def _is_of_here(self, place: Place) -> bool:
        archive = self._archive
        expected = (archive.bucket or place.bucket, archive.region or place.region)
        return self.place in {None, place} and (place.bucket, place.region) == expected

    def _check_link(self, digest: Digest) -> None:
        """The digest before must be the one that this one names."""
        last, named = self.last, digest.previous
        have = last.number if last else 0
        if named is None:
            if digest.number != 1 and have + 1 == digest.number:
                self._find(
                    Kind.DIGEST_UNCHAINED, "the digest names none before it, and is not the first", None, digest.number
                )
            elif have + 1 < digest.number:
                self._missing(have + 1, digest.number - 1)
            return
        if named.number == have:
            if named.sha256 != self._last_sha256:
                message = f"the digest names another digest {have} before it than the one that is there"
                self._find(Kind.DIGEST_UNCHAINED, message, None, digest.number)
        elif named.number < have:
            message = (
                f"the digest names {named.number} before it, but {have} is there and sound: there are two histories"
            )
            self._find(Kind.DIGEST_UNCHAINED, message, None, digest.number)
        elif named.number not in self._bad:
            self._missing(have + 1, named.number)

    def _missing(self, first: int, last: int) -> None:
        for number in range(first, min(last, first + 1000) + 1):
            entry = Entry(digest_key(number))
            if number not in self._bad and self._is_news(Kind.DIGEST_MISSING, entry):
                self._find(Kind.DIGEST_MISSING, "the digest is not there, but a later one counts it", entry, number)

    def _state(self, digest: Digest) -> None:
        index, number, chosen = self._index, digest.number, int(digest.sealed_at in self._chosen)
        index.put_all(
            # A version is covered twice when a digest in between was lost.
            "INSERT INTO sealed VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET chosen = max(chosen, excluded.chosen)",
            ((it.key, it.version_id, it.sha256, number, chosen) for it in digest.objects),
        )
        index.put_all(
            "INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?, ?, ?)",
            ((it.chain_id, number, it.first, it.last, it.last_hash, chosen) for it in digest.spans),
        )
        for anomaly in digest.anomalies:
            kind, message = _ANOMALIES.get(anomaly.kind, (Kind.OBJECT_CHANGED, "the sealing noticed a change"))
            # A digest that is gone is told once, by whichever tells it: its number stands for it.
            entry = Entry(anomaly.key, "" if kind is Kind.DIGEST_MISSING else anomaly.version_id)
            if self._is_news(kind, entry) and chosen:
                self._find(kind, message, entry, number)

    def _conclude(self, now: datetime) -> None:
        last, report = self.last, self._report
        report.place = self.place
        if last is None:
            return
        self.watched_from = "" if last.watched_from == RECORDS else last.watched_from
        self.covered_until = last.covered_until
        report.last_digest, report.last_digest_sha256 = last.number, self._last_sha256
        report.sealed_at = last.sealed_at
        if self._archive.has_versions and self._chosen.until is None and now - last.sealed_at > LATE_AFTER:
            hours = (now - last.sealed_at) // timedelta(hours=1)
            message = f"the last digest is {hours} hours old: later ones were removed, or the archive is not sealed"
            self._find(Kind.DIGEST_LATE, message, None, last.number)

    def _is_news(self, kind: Kind, entry: Entry) -> bool:
        return self._index.is_news(kind, entry.key, entry.version_id)

    def _find(self, kind: Kind, message: str, entry: Entry | None = None, number: int | None = None) -> None:
        self._report.add(
            Finding(
                kind=kind,
                message=message,
                key=entry.key if entry else None,
                version_id=(entry.version_id or None) if entry else None,
                digest=number,
            )
        )
