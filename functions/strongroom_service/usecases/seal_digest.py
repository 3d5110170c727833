"""Sealing the archive: signed digests over every version that no earlier digest covers.

A digest takes a numbered place where nothing is yet, by one conditional put: of any number of sealings at once one
stores it, the others find the place taken and end; a sealing that dies before its put has changed nothing. The next
one looks the archive through again, so nothing depends on when an object arrived or what another sealing did.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from strongroom_service.domain.digest import (
    Anomaly,
    AnomalyKind,
    ArchivedVersion,
    CoveredObject,
    Digest,
    DigestInvalidError,
    DigestLink,
    Place,
    SignedDigest,
    digest_key,
    link_to,
    may_cover,
    number_of,
    read_digest,
    watched_from,
)
from strongroom_service.domain.digest_content import ChainSpans, cover
from strongroom_service.domain.errors import IntegrityFailure

from .ports import Clock, Coverage, DigestArchive, DigestSigner, VersionNotThere

MAX_ENTRIES: Final = 5_000
"""Objects and anomalies in one digest. Together with the next this bounds its size and the memory of a sealing."""
MAX_CHAINS: Final = 20_000
_PLACES_SEARCHED: Final = 64
"""Foreign objects in digests' places, beyond the last digest, that a sealing looks past."""
_MAX_DIGEST_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a sealing did. `is_complete`: the whole archive was looked through."""

    digests: int
    objects: int
    anomalies: int
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingPorts:
    """What a sealing stands on."""

    clock: Clock
    archive: DigestArchive
    signer: DigestSigner
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class _Stored:
    """A digest that is there."""

    digest: Digest
    link: DigestLink


@dataclass(slots=True)
class _Draft:
    """What the next digest will state."""

    objects: list[CoveredObject] = field(default_factory=list)
    spans: ChainSpans = field(default_factory=ChainSpans)
    anomalies: list[Anomaly] = field(default_factory=list)

    def is_full(self) -> bool:
        return len(self.objects) + len(self.anomalies) >= MAX_ENTRIES or len(self.spans) >= MAX_CHAINS


class _PlaceTaken(Exception):  # not an error: another sealing was first
    """The next digest's place is taken."""


def seal(ports: SealingPorts, *, place: Place, lookback: timedelta, has_time: Callable[[], bool]) -> Sealing:
    """Seal what is unsealed: as many digests as it takes or as there is time for, at least one.

    `lookback` is how late an object may be delivered into the hour of its records.

    Raises:
        StoreUnavailable, Throttled, KmsUnavailable: what had been sealed stays sealed.
        IntegrityFailure: no digest of this archive is found among what lies in their places.
    """
    return _Sealer(ports, place).run(lookback, has_time)


class _Sealer:
    """One sealing."""

    def __init__(self, ports: SealingPorts, place: Place) -> None:
        self._ports = ports
        self._place = place
        self._last: _Stored | None = None
        self._next_number = 1
        self._since = ""
        self._draft = _Draft()
        self._digests = self._objects = self._anomalies = 0

    def run(self, lookback: timedelta, has_time: Callable[[], bool]) -> Sealing:
        foreign = self._find_last()
        last = self._last.digest if self._last else None
        self._since = watched_from(last, lookback=lookback)
        began, before = self._ports.clock.now(), last.covered_until if last else None
        is_complete = False
        try:
            for finding in self._findings(foreign):
                self._note(finding)
                if self._draft.is_full() or not has_time():
                    self._put(covered_until=before)
                    if not has_time():
                        break
            else:
                self._put(covered_until=began)
                is_complete = True
        except _PlaceTaken:
            pass
        return Sealing(self._digests, self._objects, self._anomalies, is_complete)

    def _findings(self, foreign: Iterable[ArchivedVersion]) -> Iterator[ArchivedVersion | Anomaly]:
        """Everything that the next digests have to state: versions to cover, and anomalies."""
        yield from self._load_coverage()
        coverage = self._ports.coverage
        for entry in foreign:
            if not coverage.see(entry.key, entry.version_id):
                yield Anomaly(AnomalyKind.FOREIGN_DIGEST, entry.key, entry.version_id)
        for entry, is_first in _with_first(self._ports.archive.records(self._since)):
            if coverage.see(entry.key, entry.version_id):
                continue
            if entry.is_delete_marker:
                yield Anomaly(AnomalyKind.DELETE_MARKER, entry.key, entry.version_id)
                continue
            yield entry
            if not is_first:
                yield Anomaly(AnomalyKind.OVERWRITTEN, entry.key, entry.version_id)
        for key, version_id in coverage.unseen(self._since):
            yield Anomaly(AnomalyKind.MISSING, key, version_id)

    def _note(self, finding: ArchivedVersion | Anomaly) -> None:
        if isinstance(finding, Anomaly):
            self._draft.anomalies.append(finding)
            return
        try:
            content = self._ports.archive.read(finding.key, finding.version_id)
            covered = cover(finding, content, self._draft.spans)
        except VersionNotThere:
            # Listed a moment ago.
            self._draft.anomalies.append(Anomaly(AnomalyKind.MISSING, finding.key, finding.version_id))
        else:
            self._draft.objects.append(covered)

    def _put(self, *, covered_until: datetime | None) -> None:
        """Sign the draft and store it in the next place; raises `_PlaceTaken`."""
        draft, self._draft = self._draft, _Draft()
        ports = self._ports
        digest = Digest(
            place=self._place,
            number=self._next_number,
            previous=self._last.link if self._last else None,
            sealed_at=ports.clock.now(),
            watched_from=self._since,
            covered_until=covered_until,
            key_id=ports.signer.key_id,
            objects=tuple(draft.objects),
            chains=draft.spans.all(),
            anomalies=tuple(draft.anomalies),
        )
        stored = digest.stored(ports.signer.sign(digest.message()))
        version_id = ports.archive.put_digest(digest_key(digest.number), stored)
        if version_id is None:
            raise _PlaceTaken
        self._last = _Stored(digest, link_to(digest, version_id=version_id, stored=stored))
        self._next_number += 1
        self._digests += 1
        self._objects += len(draft.objects)
        self._anomalies += len(draft.anomalies)

    def _find_last(self) -> list[ArchivedVersion]:
        """Find the last digest and the first free place after it; what lies in between is returned as foreign."""
        tail: deque[ArchivedVersion] = deque(maxlen=_PLACES_SEARCHED)
        for entry in self._ports.archive.digests():
            if number_of(entry.key) is not None:
                tail.append(entry)
        foreign: list[ArchivedVersion] = []
        # From the highest number down, the oldest version first: a later one overwrites what was sealed.
        for entry in reversed(tail):
            if not entry.is_delete_marker and (found := self._read_signed(entry)) is not None:
                self._last = found
                break
            foreign.append(entry)
        if self._last is None and len(tail) == _PLACES_SEARCHED:
            raise IntegrityFailure
        taken = {number_of(entry.key) for entry in foreign}
        self._next_number = self._last.digest.number + 1 if self._last else 1
        while self._next_number in taken:
            self._next_number += 1
        return foreign

    def _read_signed(self, entry: ArchivedVersion) -> _Stored | None:
        stored = self._read(entry.key, entry.version_id)
        found = self._parse(stored) if stored is not None else None
        if stored is None or found is None or number_of(entry.key) != found.digest.number:
            return None
        if not self._ports.signer.verify(found.digest.message(), found.signature):
            return None
        return _Stored(found.digest, link_to(found.digest, version_id=entry.version_id, stored=stored))

    def _load_coverage(self) -> Iterator[Anomaly]:
        """Note what the digests state that may cover anything from here on, from the last one back."""
        coverage = self._ports.coverage
        current = self._last.digest if self._last else None
        while current is not None and may_cover(current, self._since):
            for it in current.objects:
                coverage.add(it.key, it.version_id, is_expected=True)
            for anomaly in current.anomalies:
                covered = anomaly.kind is AnomalyKind.OVERWRITTEN
                coverage.add(anomaly.key, anomaly.version_id, is_expected=covered)
            link = current.previous
            current = None
            if link is not None:
                stored = self._read(link.key, link.version_id)
                if stored is not None and hashlib.sha256(stored).hexdigest() == link.sha256:
                    found = self._parse(stored)
                    current = found.digest if found else None
                if current is None and not coverage.see(link.key, link.version_id):
                    yield Anomaly(AnomalyKind.DIGEST_LOST, link.key, link.version_id)

    def _parse(self, stored: bytes) -> SignedDigest | None:
        try:
            found = read_digest(stored)
        except DigestInvalidError:
            return None
        return found if found.digest.place == self._place else None

    def _read(self, key: str, version_id: str) -> bytes | None:
        """A digest's bytes; None when it is not there, or is larger than any digest."""
        parts, size = [], 0
        try:
            for chunk in self._ports.archive.read(key, version_id):
                parts.append(chunk)
                size += len(chunk)
                if size > _MAX_DIGEST_BYTES:
                    return None
        except VersionNotThere:
            return None
        return b"".join(parts)


def _with_first(entries: Iterable[ArchivedVersion]) -> Iterator[tuple[ArchivedVersion, bool]]:
    """Each entry, and whether it is the oldest version of its key. One version is held back at a time."""
    held: ArchivedVersion | None = None
    for entry in entries:
        if entry.is_delete_marker:
            yield entry, False
            continue
        if held is not None:
            yield held, held.key != entry.key
        held = entry
    if held is not None:
        yield held, True
