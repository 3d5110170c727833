"""The secrets table by DynamoDB's own calls, without a model: for items that the read path's functions know too."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation
from strongroom_service.domain.errors import RegionFenced, Throttled
from strongroom_service.usecases.ports import ChangeLost, Randomness

from . import layout as at
from .head_reader import translate

_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
_GET_ITEM: Final = Operation(service="dynamodb", target="DynamoDB_20120810.GetItem", content_type=_CONTENT_TYPE)
QUERY: Final = Operation(service="dynamodb", target="DynamoDB_20120810.Query", content_type=_CONTENT_TYPE)
_TRANSACT_WRITE_ITEMS: Final = Operation(
    service="dynamodb",
    target="DynamoDB_20120810.TransactWriteItems",
    content_type=_CONTENT_TYPE,
    timeout=timedelta(seconds=2),
)
_CANCELLED: Final = "TransactionCanceledException"
_CONDITION_FAILED: Final = "ConditionalCheckFailed"


class TableCalls:
    """One table. Every call raises `StoreUnavailable` or `Throttled`."""

    def __init__(self, *, client: AwsClient, table: str, randomness: Randomness) -> None:
        self._client = client
        self._randomness = randomness
        self.table = table

    def get(self, key: at.Key) -> dict[str, Any] | None:
        """An item, strongly consistent."""
        request = {"TableName": self.table, "Key": typed(key), "ConsistentRead": True}
        item: dict[str, Any] | None = self.call(_GET_ITEM, request).get("Item")
        return item

    def check_fence(self, pk: str, epoch: int) -> dict[str, Any]:
        """The action that holds a write under a partition key to the right to write."""
        return {
            "ConditionCheck": {
                "TableName": self.table,
                "Key": typed(at.fence_of(pk)),
                "ConditionExpression": "#open = :open AND #epoch = :epoch",
                "ExpressionAttributeNames": {"#open": at.OPEN, "#epoch": at.EPOCH},
                "ExpressionAttributeValues": {":open": {"BOOL": True}, ":epoch": {"N": str(epoch)}},
            }
        }

    def transact(self, actions: Sequence[Mapping[str, Any]]) -> None:
        """All of the actions or none. Raises `RegionFenced` when a check fails, `ChangeLost` for other conditions."""
        # With a token a try whose answer was lost is not done twice, and its second answer is the first one's.
        token = str(uuid.UUID(bytes=self._randomness.token(16), version=4))
        try:
            self._client.call(_TRANSACT_WRITE_ITEMS, {"TransactItems": list(actions), "ClientRequestToken": token})
        except AwsCallFailed as failure:
            if failure.code != _CANCELLED:
                raise translate(failure) from failure
            lost = [index for index, reason in enumerate(failure.reasons) if reason == _CONDITION_FAILED]
            if lost and "ConditionCheck" in actions[lost[0]]:
                raise RegionFenced from failure
            if lost or "TransactionConflict" in failure.reasons:
                raise ChangeLost from failure
            raise Throttled from failure

    def call(self, operation: Operation, request: Mapping[str, object]) -> dict[str, Any]:
        """Any other call."""
        try:
            return self._client.call(operation, request)
        except AwsCallFailed as failure:
            raise translate(failure) from failure


def typed(key: at.Key) -> dict[str, dict[str, str]]:
    """A key as DynamoDB takes it."""
    return {at.PK: {"S": key.pk}, at.SK: {"S": key.sk}}
