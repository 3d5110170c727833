"""Where audit records wait in the buffer table, and what their attributes are called: the one place that knows.

| item | PK | SK |
| --- | --- | --- |
| counter | `B#<shard>` | `COUNT` |
| record | `B#<shard>` | `R#<event id of its first line>` |

A shard's counter is changed in the same transaction as its records, so it always tells how many events wait there.
"""

from typing import Final

SHARDS: Final = 64
"""Transactions on one item exclude each other: with fewer, requests would wait for each other's counters."""

PK: Final = "PK"
SK: Final = "SK"
COUNT: Final = "COUNT"
RECORD_PREFIX: Final = "R#"

EVENTS: Final = "events"
"""Events that wait in the shard, or that a record holds."""
LINES: Final = "lines"
"""A record's events as JSON lines, byte by byte as they are chained."""


def partition(shard: int) -> str:
    """The partition of a shard."""
    return f"B#{shard}"


def record_sort_key(event_id: str) -> str:
    """The sort key of a record. Event ids begin with the time, so records lie in the order of their making."""
    return f"{RECORD_PREFIX}{event_id}"
