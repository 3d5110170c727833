"""Audit records as they come back: lines of the stored format, checked before anything is believed of them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .audit import Receipt, canonical, record_hash

MAX_LINE_BYTES: Final = 256 * 1024
"""No record of ours comes near it; what is longer cannot be kept in one item."""

_EVENT_ID: Final = re.compile(r"0[0-9a-f]{7}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""The first digit stays 0 until the year 2527: whatever passes is a time that can be calculated with."""
_TEXTS: Final = (
    "tenant", "environment", "path", "secretId", "actor", "requestId", "operationId", "time", "action", "decision",
    "phase", "outcome", "region", "chainId",
)  # fmt: skip


class RecordUnreadable(Exception):  # not an error of a caller: nobody sent this to us by the interface
    """A line that is no record, or that somebody has changed. `why` says which; nothing of the line is repeated."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A record: its line byte by byte, without the end of line, and what it says."""

    line: bytes
    fields: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """The event that it records."""
        return str(self.fields["eventId"])


def parse_line(line: bytes) -> AuditLine:
    """Read a line and make sure that it is what its hash says; raises `RecordUnreadable`.

    The line must be the canonical form of what it says: otherwise two readers could see different records in it.
    """
    if len(line) > MAX_LINE_BYTES:
        raise RecordUnreadable("too long")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise RecordUnreadable("not JSON") from None
    if not isinstance(fields, dict) or not is_event_id(fields.get("eventId")):
        raise RecordUnreadable("not a record")
    if not all(isinstance(fields.get(name), str) for name in _TEXTS) or type(fields.get("sequence")) is not int:
        raise RecordUnreadable("a field is missing or of another type")
    try:
        is_canonical = canonical(fields) == line
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical:
        raise RecordUnreadable("not in canonical form")
    if not proves_itself(fields):
        raise RecordUnreadable("the hash is another")
    return AuditLine(line, fields)


def is_event_id(text: object) -> bool:
    """Whether a text can be an event's id: a UUID of version 7."""
    return isinstance(text, str) and _EVENT_ID.fullmatch(text) is not None


def proves_itself(fields: Mapping[str, Any]) -> bool:
    """Whether a record's hash is the one that its other fields make."""
    return bool(fields.get("hash") == record_hash(fields))


def receipt_of(fields: Mapping[str, Any]) -> Receipt:
    """The receipt that was given for a record."""
    return Receipt(str(fields["eventId"]), str(fields["chainId"]), int(fields["sequence"]), str(fields["hash"]))
