"""Where audit records lie in the index table, and what the attributes are called: the one place that knows.

| records | PK | SK |
| --- | --- | --- |
| about a secret | `S#<tenant>#<secretId>#<shard>` | `<second, 10 digits>#<digest>` |
| of an actor | `A#<tenant>#<actor>#<shard>` | the same |
| of a day (UTC) | `D#<tenant>#<yyyy-mm-dd>#<shard>` | the same |
| of a request | `R#<tenant>#<requestId>` | the same |
| that cannot be read | `UNREADABLE#<yyyy-mm-dd of arrival>` | `<stream record's sequence number>#<line's number>` |

An item is a pack: records that belong under one key and were made within one second, as they arrived together. So
what is written is counted in packs and kilobytes, not in records. `second` is the Unix time in the event ids; `digest`
is over the pack's lines: the same records written again are the same item, and other ones never take its place.

A tenant, a day and a shard cannot contain `#`, so no two keys meet whatever an actor is called.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from strongroom_service.domain.ids import uuid7_time

PK: Final = "PK"
SK: Final = "SK"
LINES: Final = "lines"
"""The records' lines in the order of their event ids, byte by byte as they were delivered, compressed by zlib."""
EXPIRE_AT: Final = "expireAt"
WHY: Final = "why"
LINE: Final = "line"
LENGTH: Final = "length"

SHARDS: Final = 2
"""Partitions that the records of a secret, an actor or a day are spread over: each takes 1 MB of writes a second."""
KEPT: Final = timedelta(days=90)


def shard_of(event_id: str) -> int:
    """The shard of a record, by the last of its event id's random digits."""
    return int(event_id[-1], 16) % SHARDS


def second_of(event_id: str) -> str:
    """When an event was made, as sort keys begin."""
    return second_at(uuid7_time(event_id))


def second_at(time: datetime) -> str:
    """The same for a time."""
    return f"{int(time.timestamp()):010d}"


def of_secret(tenant: str, secret_id: str, shard: int) -> str:
    """The partition of records about a secret."""
    return f"S#{tenant}#{secret_id}#{shard}"


def of_actor(tenant: str, actor: str, shard: int) -> str:
    """The partition of an actor's records."""
    return f"A#{tenant}#{actor}#{shard}"


def of_day(tenant: str, day: str, shard: int) -> str:
    """The partition of a day's records."""
    return f"D#{tenant}#{day}#{shard}"


def of_request(tenant: str, request_id: str) -> str:
    """The partition of a request's records."""
    return f"R#{tenant}#{request_id}"


def day_of(event_id: str) -> str:
    """The day of an event, in UTC."""
    return uuid7_time(event_id).date().isoformat()


def pack_sort_key(second: str, lines: bytes) -> str:
    """The sort key of a pack."""
    return f"{second}#{hashlib.sha256(lines).hexdigest()[:32]}"


def unreadable_partition(day: str) -> str:
    """The partition of lines that could not be read."""
    return f"UNREADABLE#{day}"


def unreadable_sort_key(sequence_number: str, number: int) -> str:
    """The sort key of one such line."""
    return f"{sequence_number}#{number:05d}"
