"""Access sets in the secrets table: a document in chunks that never change, and copies of a pointer to it."""

import base64
from collections.abc import Sequence
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.errors import StoreUnavailable
from strongroom_service.usecases.ports import GrantChange, Randomness

from . import layout as at
from .access_codec import any_pointer_key, decode_pointer, encode_pointer
from .grant_items import grant_actions
from .head_reader import BATCH_GET_ITEM
from .table_calls import TableCalls, typed

_TRIES: Final = 3


class DynamoAccessItems:
    """Reads and replaces a tenant's access set. Every read is strongly consistent within its region."""

    def __init__(self, *, client: AwsClient, table: str, randomness: Randomness) -> None:
        self._calls = TableCalls(client=client, table=table, randomness=randomness)
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
        # A chunk without its blob, or with another one, is found out by the hash of the whole.
        return b"".join(base64.b64decode(found[key].get(at.BLOB, {}).get("B", "")) for key in keys)

    def replace(
        self,
        tenant: str,
        before: AccessPointer | None,
        after: AccessPointer,
        document: bytes,
        *,
        epoch: int,
        grants: Sequence[GrantChange] = (),
    ) -> None:
        """Store a document, then let all copies of the pointer name it and change the requests, all at once.

        Raises:
            ChangeLost: the pointer in force is not `before`, or a request has changed.
            RegionFenced: the fence is closed or carries another epoch.
            StoreUnavailable, Throttled.
        """
        size = limits.ACCESS_SET_CHUNK_BYTES
        stored = self._stored(tenant)
        for chunk in range(after.chunks):
            # Chunks of a change that is lost stay: a change with the same document may just be winning.
            self._calls.transact([self._put_chunk(tenant, after, chunk, document[chunk * size : (chunk + 1) * size])])
        kept = [*stored, after]
        dropped = [kept.pop(0) for _ in range(len(kept) - limits.KEPT_ACCESS_SETS)]
        self._calls.transact(
            [
                self._calls.check_fence(at.access_pointer_key(tenant, 0).pk, epoch),
                *[self._put_pointer(tenant, copy, before, after) for copy in range(limits.ACCESS_POINTER_COPIES)],
                self._put_history(tenant, kept),
                *[self._drop(tenant, pointer, chunk) for pointer in dropped for chunk in range(pointer.chunks)],
                *[action for change in grants for action in grant_actions(self._table, change)],
            ]
        )

    def _get(self, keys: Sequence[at.Key]) -> dict[at.Key, dict[str, Any]]:
        """Those of these items that are here. In one operation whatever is read: who only reads needs no other."""
        found: dict[at.Key, dict[str, Any]] = {}
        wanted: dict[str, Any] = {self._table: {"Keys": [typed(key) for key in keys], "ConsistentRead": True}}
        for _ in range(_TRIES):
            answer = self._calls.call(BATCH_GET_ITEM, {"RequestItems": wanted})
            for item in answer.get("Responses", {}).get(self._table, []):
                found[at.Key(item[at.PK]["S"], item[at.SK]["S"])] = item
            wanted = answer.get("UnprocessedKeys", {})
            if not wanted:
                return {key: found[key] for key in keys if key in found}
        raise StoreUnavailable

    def _stored(self, tenant: str) -> list[AccessPointer]:
        """What is stored, oldest first."""
        item = self._calls.get(at.access_history_key(tenant))
        return [decode_pointer(entry["M"]) for entry in item[at.STORED]["L"]] if item else []

    def _put_chunk(self, tenant: str, pointer: AccessPointer, chunk: int, data: bytes) -> dict[str, Any]:
        item = {
            **typed(at.access_chunk_key(tenant, pointer, chunk)),
            at.BLOB: {"B": base64.b64encode(data).decode("ascii")},
        }
        return {"Put": {"TableName": self._table, "Item": item}}

    def _put_pointer(
        self, tenant: str, copy: int, before: AccessPointer | None, after: AccessPointer
    ) -> dict[str, Any]:
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": {**typed(at.access_pointer_key(tenant, copy)), **encode_pointer(after)},
            "ConditionExpression": "attribute_not_exists(#digest)",
            "ExpressionAttributeNames": {"#digest": at.DIGEST},
        }
        if before is not None:
            put["ConditionExpression"] = "#digest = :digest"
            put["ExpressionAttributeValues"] = {":digest": {"S": before.digest}}
        return {"Put": put}

    def _put_history(self, tenant: str, kept: Sequence[AccessPointer]) -> dict[str, Any]:
        entries = [{"M": encode_pointer(pointer)} for pointer in kept]
        item = {**typed(at.access_history_key(tenant)), at.STORED: {"L": entries}}
        return {"Put": {"TableName": self._table, "Item": item}}

    def _drop(self, tenant: str, pointer: AccessPointer, chunk: int) -> dict[str, Any]:
        return {"Delete": {"TableName": self._table, "Key": typed(at.access_chunk_key(tenant, pointer, chunk))}}
