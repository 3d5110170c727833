"""The drain's two ends over AWS: the buffer table and the stream."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from strongroom_service.domain.errors import StoreUnavailable, Throttled
from strongroom_service.usecases.ports import BufferedRecord, Randomness

from . import buffer_layout as at

_TRIES: Final = 8
_PAUSE_SECONDS: Final = 0.05
_CONDITION_FAILED: Final = "ConditionalCheckFailed"
_CANCELLED: Final = "TransactionCanceledException"
_KEPT_FROM_ALONE: Final = {
    "ConditionalCheckFailedException": _CONDITION_FAILED,
    # A request was counting itself at this very moment.
    "TransactionConflictException": "TransactionConflict",
}
"""What keeps a write outside a transaction from being done, as a transaction's items would say it."""
_THROTTLING: Final = frozenset(
    {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
)


class DynamoBufferedRecords:
    """The buffer of one region, read and emptied. `client` is botocore's DynamoDB client."""

    def __init__(
        self,
        *,
        client: Any,  # noqa: ANN401  # botocore's clients are untyped
        table: str,
        randomness: Randomness,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._randomness = randomness
        self._sleep = sleep

    def waiting(self) -> dict[int, int]:
        """Events by shard, for the shards that have any. Raises `StoreUnavailable` or `Throttled`."""
        shards = {at.partition(shard): shard for shard in range(at.SHARDS)}
        wanted: dict[str, Any] = {
            self._table: {
                "Keys": [{at.PK: {"S": partition}, at.SK: {"S": at.COUNT}} for partition in shards],
                "ConsistentRead": True,
            }
        }
        found: dict[int, int] = {}
        for attempt in range(_TRIES):
            self._pause(attempt)
            with _translated():
                answer = self._client.batch_get_item(RequestItems=wanted)
            for item in answer.get("Responses", {}).get(self._table, []):
                events = int(item[at.EVENTS]["N"])
                if events > 0:
                    found[shards[item[at.PK]["S"]]] = events
            wanted = answer.get("UnprocessedKeys", {})
            if not wanted:
                return dict(sorted(found.items()))
        raise StoreUnavailable

    def take(self, shard: int, limit: int) -> Sequence[BufferedRecord]:
        """The oldest records of a shard. Raises `StoreUnavailable` or `Throttled`."""
        with _translated():
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="#pk = :pk AND begins_with(#sk, :prefix)",
                ExpressionAttributeNames={"#pk": at.PK, "#sk": at.SK},
                ExpressionAttributeValues={":pk": {"S": at.partition(shard)}, ":prefix": {"S": at.RECORD_PREFIX}},
                Limit=limit,
                ConsistentRead=True,
            )
        return [
            BufferedRecord(item[at.SK]["S"], bytes(item[at.LINES]["B"]), int(item[at.EVENTS]["N"]))
            for item in answer["Items"]
        ]

    def remove(self, shard: int, records: Sequence[BufferedRecord]) -> None:
        """Remove records and count them off in one transaction. Raises `StoreUnavailable` or `Throttled`."""
        left = list(records)
        for attempt in range(_TRIES):
            self._pause(attempt)
            if not left:
                return
            try:
                with _translated():
                    self._client.transact_write_items(TransactItems=self._removal(shard, left))
            except _CancelledError as cancelled:
                # A record that is gone was removed by another drain; a conflict is with a request that counts itself.
                gone = [code == _CONDITION_FAILED for code in cancelled.codes[1:]]
                left = [record for record, is_gone in zip(left, gone, strict=True) if not is_gone]
            else:
                return
        raise Throttled

    def correct(self, shard: int, *, counted: int) -> None:
        """Set the counter of an empty shard to zero, if it still says `counted` and nobody counts at this moment.

        Raises `StoreUnavailable` or `Throttled`.
        """
        try:
            with _translated():
                self._client.update_item(
                    TableName=self._table,
                    Key=_counter(shard),
                    UpdateExpression="SET #events = :zero",
                    ConditionExpression="#events = :counted",
                    ExpressionAttributeNames={"#events": at.EVENTS},
                    ExpressionAttributeValues={":counted": {"N": str(counted)}, ":zero": {"N": "0"}},
                )
        except _CancelledError:
            return

    def _removal(self, shard: int, records: Sequence[BufferedRecord]) -> list[dict[str, Any]]:
        count = {
            "TableName": self._table,
            "Key": _counter(shard),
            "UpdateExpression": "ADD #events :less",
            "ExpressionAttributeNames": {"#events": at.EVENTS},
            "ExpressionAttributeValues": {":less": {"N": str(-sum(record.events for record in records))}},
        }
        deletes = [
            {
                "TableName": self._table,
                "Key": {at.PK: {"S": at.partition(shard)}, at.SK: {"S": record.key}},
                "ConditionExpression": "attribute_exists(#pk)",
                "ExpressionAttributeNames": {"#pk": at.PK},
            }
            for record in records
        ]
        return [{"Update": count}, *({"Delete": delete} for delete in deletes)]

    def _pause(self, attempt: int) -> None:
        """Full jitter before every attempt but the first."""
        if attempt:
            share = int.from_bytes(self._randomness.token(2), "big") / 0xFFFF
            self._sleep(_PAUSE_SECONDS * 2**attempt * share)


class KinesisAuditStream:
    """The stream of one region. `client` is botocore's Kinesis client."""

    def __init__(self, *, client: Any, stream: str, randomness: Randomness) -> None:  # noqa: ANN401  # see above
        self._client = client
        self._stream = stream
        self._randomness = randomness

    def put(self, records: Sequence[bytes]) -> Sequence[bool]:
        """Put up to 500 records, 5 MiB together, at once; which of them were acknowledged."""
        entries = [{"Data": data, "PartitionKey": self._randomness.token(16).hex()} for data in records]
        try:
            answer: Mapping[str, Any] = self._client.put_records(StreamName=self._stream, Records=entries)
        except (ClientError, BotoCoreError):
            return [False] * len(records)
        return ["SequenceNumber" in entry and not entry.get("ErrorCode") for entry in answer["Records"]]


class _CancelledError(Exception):
    """A condition did not hold, or another write was under way.

    `codes` are those of a transaction's items; never its messages or items.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = codes
        super().__init__(", ".join(codes))


@contextmanager
def _translated() -> Iterator[None]:
    """Botocore's errors as the domain's: what they quote stops here."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == _CANCELLED:
            reasons = error.response.get("CancellationReasons", [])
            raise _CancelledError([str(reason.get("Code")) for reason in reasons]) from None
        if code in _KEPT_FROM_ALONE:
            raise _CancelledError([_KEPT_FROM_ALONE[code]]) from None
        raise (Throttled() if code in _THROTTLING else StoreUnavailable()) from None
    except BotoCoreError:
        raise StoreUnavailable from None


def _counter(shard: int) -> dict[str, dict[str, str]]:
    return {at.PK: {"S": at.partition(shard)}, at.SK: {"S": at.COUNT}}
