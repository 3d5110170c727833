"""The audit record as it is archived: one JSON object a line, canonical, with its own hash and its place in a chain.

Records are JSON with sorted keys, without spaces, in UTF-8. `hash` is the SHA-256 of the record without `hash`;
`previousHash` is the hash of the record before, 64 zeros at a chain's start; `follows` of a chain's first record names
the last acknowledged record of the chain before it. A line that has none of a record's own fields is nobody's record.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

NO_HASH: Final = "0" * 64
MAX_LINE: Final = 1024 * 1024
"""Kinesis takes no record above this, so no longer line is one. It bounds what is held of an object at a time."""
MAX_SEQUENCE: Final = 2**53

_CHAIN: Final = re.compile(r"[0-9a-f]{32}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_EVENT: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_OWN_FIELDS: Final = ("eventId", "chainId", "sequence", "hash", "previousHash")
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class LineKind(Enum):
    """What a line is."""

    RECORD = auto()
    CHANGED = auto()
    """A record that does not hash to what it says, or is not written as records are."""
    DAMAGED = auto()
    """Something that was a record, or no JSON at all."""
    FOREIGN = auto()
    """JSON with none of a record's fields: somebody else wrote on the stream."""


@dataclass(frozen=True, slots=True)
class Tie:
    """What a chain's first record says of the chain before."""

    chain_id: str
    last_acknowledged: int
    hash: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record's ids and place. Nothing else of it is kept."""

    event_id: str
    chain_id: str
    sequence: int
    hash: str
    previous: str
    time: str
    tie: Tie | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an object. `record` is there as far as it could be made out."""

    kind: LineKind
    record: Record | None = None


def canonical(record: Mapping[str, object]) -> bytes:
    """A record, or a digest, as it is hashed."""
    return _ENCODER.encode(record).encode("utf-8", "replace")


def record_hash(record: Mapping[str, object]) -> str:
    """The hash that a record must carry."""
    return hashlib.sha256(canonical({name: value for name, value in record.items() if name != "hash"})).hexdigest()


def read_line(line: bytes) -> Line:
    """Judge one line."""
    try:
        fields = json.loads(line)
        if isinstance(fields, dict) and not any(name in fields for name in _OWN_FIELDS):
            return Line(LineKind.FOREIGN)
        record = _record(fields)
        is_whole = canonical(fields) == line and record_hash(fields) == record.hash
    except (ValueError, KeyError, TypeError, RecursionError):
        return Line(LineKind.DAMAGED)
    return Line(LineKind.RECORD if is_whole else LineKind.CHANGED, record)


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends; one that is longer than any record comes out cut short."""
    rest, is_overlong = b"", False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if not is_overlong:
                yield line
            is_overlong = False
        if len(rest) > MAX_LINE:
            if not is_overlong:
                yield rest[:MAX_LINE]
            rest, is_overlong = b"", True
    if rest and not is_overlong:
        yield rest


def _record(fields: Mapping[str, object]) -> Record:
    """The ids and the place; raises `ValueError` where one is not in its form, so that nothing else is ever shown."""
    sequence = fields["sequence"]
    if type(sequence) is not int or not 1 <= sequence <= MAX_SEQUENCE:
        raise ValueError("sequence")
    return Record(
        event_id=_text(fields["eventId"], _EVENT),
        chain_id=_text(fields["chainId"], _CHAIN),
        sequence=sequence,
        hash=_text(fields["hash"], _HASH),
        previous=_text(fields["previousHash"], _HASH),
        time=_text(fields.get("time", ""), _TIME),
        tie=_tie(fields.get("follows")),
    )


_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _tie(value: object) -> Tie | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError("follows")
    last = value["lastAcknowledged"]
    if type(last) is not int or not 1 <= last <= MAX_SEQUENCE:
        raise ValueError("lastAcknowledged")
    return Tie(_text(value["chainId"], _CHAIN), last, _text(value["hash"], _HASH))


def _text(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("not in its form")
    return value
