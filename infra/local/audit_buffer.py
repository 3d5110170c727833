"""Looks into a region's audit buffer, as an administrator would."""

from typing import Final

from infra.local.client import LocalCloud
from infra.local.options import BUFFER_EVENTS

_SHARDS: Final = 64
_SHARE: Final = BUFFER_EVENTS // _SHARDS
_COUNTER: Final = "COUNT"


class AuditBufferView:
    """The buffer of one region by its counters."""

    def __init__(self, cloud: LocalCloud, region: str) -> None:
        self._dynamodb = cloud.aws("dynamodb", region)
        self._table = f"strongroom-{cloud.description.stage}-audit-buffer"

    def waiting(self) -> int:
        """Events that wait."""
        return sum(self._counters())

    def largest_room(self) -> int:
        """How many events the emptiest shard still takes."""
        counters = self._counters()
        return _SHARE - (min(counters) if len(counters) == _SHARDS else 0)

    def _counters(self) -> list[int]:
        keys = [{"PK": {"S": f"B#{shard}"}, "SK": {"S": _COUNTER}} for shard in range(_SHARDS)]
        answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}})
        return [int(item["events"]["N"]) for item in answer["Responses"][self._table]]
