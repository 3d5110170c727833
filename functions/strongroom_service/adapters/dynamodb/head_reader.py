"""The read path's view of the secrets table: a head in one round trip, fifty in one more."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation
from strongroom_service.domain.errors import DomainError, StoreUnavailable, Throttled
from strongroom_service.usecases.ports import Fetched, HeadQuery, VersionKey, Writership

from . import layout as at
from .codec import Item, decode_envelope, decode_head

_TIMEOUT: Final = timedelta(seconds=1)
_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
GET_ITEM: Final = Operation(
    service="dynamodb", target="DynamoDB_20120810.GetItem", content_type=_CONTENT_TYPE, timeout=_TIMEOUT
)
BATCH_GET_ITEM: Final = Operation(
    service="dynamodb", target="DynamoDB_20120810.BatchGetItem", content_type=_CONTENT_TYPE, timeout=_TIMEOUT
)
_RETRY_SECONDS: Final = 0.1


class DynamoHeadReader:
    """The head reader port. Reads are strongly consistent within the region.

    A numbered version's item is asked for beside its head under the epoch that is current now; only if the head
    says that the version is of another epoch a second round trip follows.
    """

    def __init__(
        self,
        *,
        client: AwsClient,
        table: str,
        writership: Writership,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._writership = writership
        self._sleep = sleep

    def fetch(self, query: HeadQuery) -> Fetched:
        """One head; raises `StoreUnavailable` or `Throttled`."""
        if query.version is not None:
            fetched = self.fetch_many([query])[0]
            if fetched is None:
                raise StoreUnavailable
            return fetched
        request = {"TableName": self._table, "Key": _typed(at.head_key(query.name)), "ConsistentRead": True}
        item = self._call(GET_ITEM, request).get("Item")
        return Fetched(decode_head(item, query.name) if item else None)

    def fetch_many(self, queries: Sequence[HeadQuery]) -> Sequence[Fetched | None]:
        """Several heads, in order; None where the table left one unprocessed twice."""
        epoch = self._writership.state().epoch
        wanted = {key for query in queries for key in _keys(query, epoch)}
        found, missed = self._fetch_keys(wanted)
        others = {key for query in queries if (key := _other_epoch(query, found, epoch))}
        if others:
            more, more_missed = self._fetch_keys(others)
            found, missed = found | more, missed | more_missed
        return [_assemble(query, found, missed, epoch) for query in queries]

    def _fetch_keys(self, keys: set[at.Key]) -> tuple[dict[at.Key, Item], set[at.Key]]:
        """The items by key, and the keys that stayed unprocessed after one more try."""
        found: dict[at.Key, Item] = {}
        left = keys
        for attempt in range(2):
            if attempt:
                self._sleep(random.uniform(0, _RETRY_SECONDS))  # noqa: S311  # jitter, not a secret
            typed = [_typed(key) for key in sorted(left)]
            answer = self._call(
                BATCH_GET_ITEM, {"RequestItems": {self._table: {"Keys": typed, "ConsistentRead": True}}}
            )
            found |= {_key_of(item): item for item in answer.get("Responses", {}).get(self._table, [])}
            unprocessed = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            left = {_key_of(key) for key in unprocessed}
            if not left:
                break
        return found, left

    def _call(self, operation: Operation, request: Mapping[str, object]) -> dict[str, Any]:
        try:
            return self._client.call(operation, request)
        except AwsCallFailed as failure:
            raise _translate(failure) from failure


def _translate(failure: AwsCallFailed) -> DomainError:
    return Throttled() if failure.is_throttling else StoreUnavailable()


def _keys(query: HeadQuery, epoch: int) -> Iterator[at.Key]:
    yield at.head_key(query.name)
    if query.version is not None:
        yield at.version_key(query.name, VersionKey(query.version, epoch))


def _epoch_of(query: HeadQuery, found: Mapping[at.Key, Item], default: int) -> int:
    """The epoch that the head gives the wanted version."""
    versions = found.get(at.head_key(query.name), {}).get(at.VERSIONS, {"M": {}})["M"]
    entry = versions.get(str(query.version))
    return int(entry["M"][at.EPOCH]["N"]) if entry else default


def _other_epoch(query: HeadQuery, found: Mapping[at.Key, Item], epoch: int) -> at.Key | None:
    """The version item to fetch besides, when the head names another epoch than was guessed."""
    if query.version is None:
        return None
    stored = _epoch_of(query, found, epoch)
    return None if stored == epoch else at.version_key(query.name, VersionKey(query.version, stored))


def _assemble(query: HeadQuery, found: Mapping[at.Key, Item], missed: set[at.Key], epoch: int) -> Fetched | None:
    head_key = at.head_key(query.name)
    if head_key in missed:
        return None
    item = found.get(head_key)
    head = decode_head(item, query.name) if item else None
    if query.version is None:
        return Fetched(head)
    version_key = at.version_key(query.name, VersionKey(query.version, _epoch_of(query, found, epoch)))
    if version_key in missed:
        return None
    envelope = found.get(version_key, {}).get(at.ENVELOPE)
    return Fetched(head, decode_envelope(envelope["M"]) if envelope else None)


def _typed(key: at.Key) -> dict[str, dict[str, str]]:
    return {at.PK: {"S": key.pk}, at.SK: {"S": key.sk}}


def _key_of(item: Mapping[str, Any]) -> at.Key:
    return at.Key(item[at.PK]["S"], item[at.SK]["S"])
