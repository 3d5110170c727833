"""What a sealing reads out of the archive's objects: their hashes, and how far each chain reaches in them."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from .digest import ArchivedVersion, ChainSpan, CoveredObject

MAX_LINE: Final = 1024 * 1024
"""A longer line is no record: Kinesis takes none above this. It bounds what is held of an object at a time."""


@dataclass(slots=True)
class ChainSpans:
    """The spans of a growing set of records."""

    _spans: dict[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, chain_id: str, sequence: int, record_hash: str) -> None:
        """Note a record."""
        span = self._spans.setdefault(chain_id, [sequence, sequence, record_hash, 0])
        span[0] = min(span[0], sequence)
        if sequence > span[1]:
            span[1:3] = sequence, record_hash
        span[3] += 1

    def all(self) -> tuple[ChainSpan, ...]:
        """Every chain's span, by its id."""
        return tuple(
            ChainSpan(chain_id=chain_id, first=first, last=last, last_hash=last_hash, records=records)
            for chain_id, (first, last, last_hash, records) in sorted(self._spans.items())
        )


def cover(version: ArchivedVersion, chunks: Iterable[bytes], spans: ChainSpans) -> CoveredObject:
    """Hash an object's content while it streams by, and note its records in `spans`."""
    content, size, records = hashlib.sha256(), 0, 0

    def hashed() -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            content.update(chunk)
            size += len(chunk)
            yield chunk

    for line in lines(hashed()):
        place = _place(line)
        if place is not None:
            spans.add(*place)
            records += 1
    return CoveredObject(
        key=version.key,
        version_id=version.version_id,
        size=size,
        modified_at=version.modified_at,
        sha256=content.hexdigest(),
        records=records,
    )


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends; what is longer than any record comes out cut short, as one line."""
    rest, overlong = b"", False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if not overlong:
                yield line
            overlong = False
        if len(rest) > MAX_LINE:
            if not overlong:
                yield rest[:MAX_LINE]
            rest, overlong = b"", True
    if rest and not overlong:
        yield rest


def _place(line: bytes) -> tuple[str, int, str] | None:
    """A record's place in its chain; None for a line that is no record."""
    try:
        record = json.loads(line)
        place = record["chainId"], record["sequence"], record["hash"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    chain_id, sequence, record_hash = place
    if not isinstance(chain_id, str) or not isinstance(record_hash, str) or type(sequence) is not int:
        return None
    return chain_id, sequence, record_hash
