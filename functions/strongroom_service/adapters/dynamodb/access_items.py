"""Access sets in the secrets table: a document in chunks that never change, and copies of a pointer to it."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation
from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.errors import RegionFenced, StoreUnavailable, Throttled
from strongroom_service.usecases.ports import ChangeLost, Randomness

from . import layout as at
from .access_codec import any_pointer_key, decode_pointer, encode_pointer
from .head_reader import BATCH_GET_ITEM, translate

_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_GET_ITEM: Final = Operation(service="dynamodb", target="DynamoDB_20120810.GetItem", content_type=_CONTENT_TYPE)
_TRANSACT_WRITE_ITEMS: Final = Operation(
    service="dynamodb",
    target="DynamoDB_20120810.TransactWriteItems",
    content_type=_CONTENT_TYPE,
    timeout=timedelta(seconds=2),
)
_CANCELLED: Final = "TransactionCanceledException"
_CONDITION_FAILED: Final = "ConditionalCheckFailed"
_TRIES: Final = 3


class DynamoAccessItems:
    """Reads and replaces a tenant's access set. Every read is strongly consistent within its region."""

    def __init__(self, *, client: AwsClient, table: str, randomness: Randomness) -> None:
        self._client = client
        self._table = table
        self._randomness = randomness

    def pointer(self, tenant: str) -> AccessPointer | None:
        """The pointer to the set in force; None before the first one. Raises `StoreUnavailable` or `Throttled`."""
        key = any_pointer_key(tenant, self._randomness)
        item = self._get([key]).get(key)
        return decode_pointer(item) if item else None

    def document(self, tenant: str, pointer: AccessPointer) -> bytes | None:
        """The document of a pointer; None when a chunk is not here. Raises `StoreUnavailable` or `Throttled`."""
        keys = [at.access_chunk_key(tenant, pointer, chunk) for chunk in range(pointer.chunks)]
        found = self._get(keys)
        if len(found) < len(keys):
            return None
        return b"".join(base64.b64decode(found[key][at.BLOB]["B"]) for key in keys)

    def replace(
        self, tenant: str, before: AccessPointer | None, after: AccessPointer, document: bytes, *, epoch: int
    ) -> None:
        """Store a document, then let all copies of the pointer name it, all at once.

        Raises:
            ChangeLost: the pointer in force is not `before`.
            RegionFenced: the fence is closed or carries another epoch.
            StoreUnavailable, Throttled.
        """
        size = limits.ACCESS_SET_CHUNK_BYTES
        stored = self._stored(tenant)
        for chunk in range(after.chunks):
            # Chunks of a change that is lost stay: a change with the same document may just be winning.
            self._transact([self._put_chunk(tenant, after, chunk, document[chunk * size : (chunk + 1) * size])])
        kept = [*stored, after]
        dropped = [kept.pop(0) for _ in range(len(kept) - limits.KEPT_ACCESS_SETS)]
        self._transact(
            [
                self._check_fence(tenant, epoch),
                *[self._put_pointer(tenant, copy, before, after) for copy in range(limits.ACCESS_POINTER_COPIES)],
                self._put_history(tenant, kept),
                *[self._drop(tenant, pointer, chunk) for pointer in dropped for chunk in range(pointer.chunks)],
            ]
        )

    def _get(self, keys: Sequence[at.Key]) -> dict[at.Key, dict[str, Any]]:
        """Those of these items that are here. In one operation whatever is read: who only reads needs no other."""
        found: dict[at.Key, dict[str, Any]] = {}
        wanted: dict[str, Any] = {self._table: {"Keys": [_typed(key) for key in keys], "ConsistentRead": True}}
        for _ in range(_TRIES):
            answer = self._call(BATCH_GET_ITEM, {"RequestItems": wanted})
            for item in answer.get("Responses", {}).get(self._table, []):
                found[at.Key(item[at.PK]["S"], item[at.SK]["S"])] = item
            wanted = answer.get("UnprocessedKeys", {})
            if not wanted:
                return {key: found[key] for key in keys if key in found}
        raise StoreUnavailable

    def _stored(self, tenant: str) -> list[AccessPointer]:
        """What is stored, oldest first."""
        key = _typed(at.access_history_key(tenant))
        item = self._call(_GET_ITEM, {"TableName": self._table, "Key": key, "ConsistentRead": True}).get("Item")
        return [decode_pointer(entry["M"]) for entry in item[at.STORED]["L"]] if item else []

    def _put_chunk(self, tenant: str, pointer: AccessPointer, chunk: int, data: bytes) -> dict[str, Any]:
        item = {
            **_typed(at.access_chunk_key(tenant, pointer, chunk)),
            at.BLOB: {"B": base64.b64encode(data).decode("ascii")},
        }
        return {"Put": {"TableName": self._table, "Item": item}}

    def _put_pointer(
        self, tenant: str, copy: int, before: AccessPointer | None, after: AccessPointer
    ) -> dict[str, Any]:
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": {**_typed(at.access_pointer_key(tenant, copy)), **encode_pointer(after)},
            "ConditionExpression": "attribute_not_exists(#digest)",
            "ExpressionAttributeNames": {"#digest": at.DIGEST},
        }
        if before is not None:
            put["ConditionExpression"] = "#digest = :digest"
            put["ExpressionAttributeValues"] = {":digest": {"S": before.digest}}
        return {"Put": put}

    def _check_fence(self, tenant: str, epoch: int) -> dict[str, Any]:
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": _typed(at.fence_of(at.access_pointer_key(tenant, 0).pk)),
                "ConditionExpression": "#open = :open AND #epoch = :epoch",
                "ExpressionAttributeNames": {"#open": at.OPEN, "#epoch": at.EPOCH},
                "ExpressionAttributeValues": {":open": {"BOOL": True}, ":epoch": {"N": str(epoch)}},
            }
        }

    def _put_history(self, tenant: str, kept: Sequence[AccessPointer]) -> dict[str, Any]:
        entries = [{"M": encode_pointer(pointer)} for pointer in kept]
        item = {**_typed(at.access_history_key(tenant)), at.STORED: {"L": entries}}
        return {"Put": {"TableName": self._table, "Item": item}}

    def _drop(self, tenant: str, pointer: AccessPointer, chunk: int) -> dict[str, Any]:
        return {"Delete": {"TableName": self._table, "Key": _typed(at.access_chunk_key(tenant, pointer, chunk))}}

    def _transact(self, items: list[dict[str, Any]]) -> None:
        # With a token a try whose answer was lost is not done twice, and its second answer is the first one's.
        token = str(uuid.UUID(bytes=self._randomness.token(16), version=4))
        try:
            self._client.call(_TRANSACT_WRITE_ITEMS, {"TransactItems": items, "ClientRequestToken": token})
        except AwsCallFailed as failure:
            if failure.code != _CANCELLED:
                raise translate(failure) from failure
            lost = [index for index, reason in enumerate(failure.reasons) if reason == _CONDITION_FAILED]
            if lost and "ConditionCheck" in items[lost[0]]:
                raise RegionFenced from failure
            if lost or "TransactionConflict" in failure.reasons:
                raise ChangeLost from failure
            raise Throttled from failure

    def _call(self, operation: Operation, request: Mapping[str, object]) -> dict[str, Any]:
        try:
            return self._client.call(operation, request)
        except AwsCallFailed as failure:
            raise translate(failure) from failure


def _typed(key: at.Key) -> dict[str, dict[str, str]]:
    return {at.PK: {"S": key.pk}, at.SK: {"S": key.sk}}
