"""Times as text: RFC 3339, UTC, milliseconds."""

from datetime import UTC, datetime

from .errors import InvalidRequest, Violation


def rfc3339(time: datetime) -> str:
    """`2026-06-06T14:30:00.000Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def from_rfc3339(text: str) -> datetime:
    """Read what `rfc3339` wrote; raises `ValueError` for anything that is not a time with an offset."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without an offset")
    return time.astimezone(UTC)


def parse_future(text: str, *, field: str, now: datetime) -> datetime:
    """Read a caller's time, which must lie ahead; raises `InvalidRequest`."""
    try:
        time = from_rfc3339(text)
    except (ValueError, OverflowError):
        raise InvalidRequest([Violation(field, "must be an RFC 3339 time with an offset")]) from None
    if time <= now:
        raise InvalidRequest([Violation(field, "must lie in the future")])
    return time
