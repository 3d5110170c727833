"""The bounded buffer: a table of the region that takes audit records while the stream does not.

Every put is one transaction of the record and its shard's counter, which never passes the shard's share of the
buffer's size. A put is acknowledged when the transaction is; a full buffer refuses, and the request fails closed.
"""

import base64
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation, PendingCall
from strongroom_service.domain.errors import AuditUnavailable
from strongroom_service.usecases.ports import Randomness

from . import buffer_layout as at

_TIMEOUT: Final = timedelta(milliseconds=600)
_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
TRANSACT_WRITE_ITEMS: Final = Operation(
    service="dynamodb", target="DynamoDB_20120810.TransactWriteItems", content_type=_CONTENT_TYPE, timeout=_TIMEOUT
)
BATCH_GET_ITEM: Final = Operation(
    service="dynamodb", target="DynamoDB_20120810.BatchGetItem", content_type=_CONTENT_TYPE, timeout=_TIMEOUT
)
_CANCELLED: Final = "TransactionCanceledException"
_CONDITION_FAILED: Final = "ConditionalCheckFailed"
_SHARDS_TRIED: Final = 10
"""Two requests that change one counter at the same moment exclude each other; the loser takes another shard.

At 2,000 records a second, of 12 ms each, five tries would lose one record in two hundred, ten one in ten thousand.
"""
_FULL_FOR: Final = 1.0
"""Seconds for which a buffer that had no room is not asked again for as much: refusing must not become a load of its
own."""


class AuditBuffer:
    """The buffer of one region. `size` is in events. Safe for threads."""

    def __init__(
        self,
        *,
        client: AwsClient,
        table: str,
        size: int,
        randomness: Randomness,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._table = table
        self._share = size // at.SHARDS
        self._randomness = randomness
        self._monotonic = monotonic
        self._full_until = float("-inf")
        self._refused_events = 0

    def begin(self, lines: bytes, *, event_id: str, events: int) -> "BufferedPut":
        """Send a record of so many events; `event_id` is its first one's."""
        return BufferedPut(self, lines, event_id=event_id, events=events)

    def is_known_full(self, events: int) -> bool:
        """Whether it had no room for so many events a moment ago. A batch needs more of it than a single read."""
        return events >= self._refused_events and self._monotonic() < self._full_until

    def any_shard(self) -> int:
        """A shard by chance."""
        return int.from_bytes(self._randomness.token(2), "big") % at.SHARDS

    def shard_with_room(self, events: int) -> int | None:
        """A shard that can take so many events more; None when there is none. Raises `AwsCallFailed`."""
        keys = [{at.PK: {"S": at.partition(shard)}, at.SK: {"S": at.COUNT}} for shard in range(at.SHARDS)]
        answer = self._client.call(
            BATCH_GET_ITEM, {"RequestItems": {self._table: {"Keys": keys, "ConsistentRead": True}}}
        )
        waiting = {
            item[at.PK]["S"]: int(item[at.EVENTS]["N"]) for item in answer.get("Responses", {}).get(self._table, [])
        }
        # What was left unprocessed counts as empty: the transaction decides anyway.
        start = self.any_shard()
        shards = [(start + step) % at.SHARDS for step in range(at.SHARDS)]
        least = min(shards, key=lambda shard: waiting.get(at.partition(shard), 0))
        if waiting.get(at.partition(least), 0) + events > self._share:
            self._full_until, self._refused_events = self._monotonic() + _FULL_FOR, events
            return None
        return least

    def send(self, shard: int, lines: bytes, *, event_id: str, events: int) -> PendingCall:
        """Send the transaction into one shard."""
        key = {"S": at.partition(shard)}
        count = {
            "TableName": self._table,
            "Key": {at.PK: key, at.SK: {"S": at.COUNT}},
            "UpdateExpression": "ADD #events :events",
            "ConditionExpression": "attribute_not_exists(#events) OR #events <= :room",
            "ExpressionAttributeNames": {"#events": at.EVENTS},
            "ExpressionAttributeValues": {
                ":events": {"N": str(events)},
                ":room": {"N": str(self._share - events)},
            },
        }
        record = {
            "TableName": self._table,
            "Item": {
                at.PK: key,
                at.SK: {"S": at.record_sort_key(event_id)},
                at.LINES: {"B": base64.b64encode(lines).decode("ascii")},
                at.EVENTS: {"N": str(events)},
            },
            "ConditionExpression": "attribute_not_exists(#pk)",
            "ExpressionAttributeNames": {"#pk": at.PK},
        }
        return self._client.begin(TRANSACT_WRITE_ITEMS, {"TransactItems": [{"Update": count}, {"Put": record}]})


class BufferedPut:
    """A record on its way into the buffer."""

    def __init__(self, buffer: AuditBuffer, lines: bytes, *, event_id: str, events: int) -> None:
        self._buffer = buffer
        self._record: dict[str, Any] = {"lines": lines, "event_id": event_id, "events": events}
        self._call = None if buffer.is_known_full(events) else buffer.send(buffer.any_shard(), **self._record)

    def wait(self) -> None:
        """Wait for the acknowledgement; raises `AuditUnavailable` when the buffer is full or does not answer."""
        call = self._call
        if call is None:
            raise AuditUnavailable
        try:
            for _ in range(_SHARDS_TRIED):
                failure = _refusal(call)
                if failure is None:
                    return
                shard = self._next_shard(failure)
                call = self._buffer.send(shard, **self._record)
            failure = _refusal(call)
        except AwsCallFailed as unanswered:
            raise AuditUnavailable from unanswered
        if failure is not None:
            raise AuditUnavailable from failure

    def _next_shard(self, failure: AwsCallFailed) -> int:
        if failure.reasons[:1] != (_CONDITION_FAILED,):
            return self._buffer.any_shard()
        shard = self._buffer.shard_with_room(self._record["events"])
        if shard is None:
            raise AuditUnavailable from failure
        return shard


def _refusal(call: PendingCall) -> AwsCallFailed | None:
    """Why a transaction was cancelled; None when it is done. Raises `AwsCallFailed` for every other failure."""
    try:
        call.result()
    except AwsCallFailed as failure:
        if failure.code != _CANCELLED:
            raise
        # The record itself is there: an earlier try did it, and its answer was lost.
        done = failure.reasons[1:] == (_CONDITION_FAILED,) and failure.reasons[0] != _CONDITION_FAILED
        return None if done else failure
    return None
