"""The read path's view of the secrets table: a head in one round trip, fifty in one more."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation, PendingCall
from strongroom_service.domain.errors import DomainError, StoreUnavailable, Throttled
from strongroom_service.domain.registry import SCOPE
from strongroom_service.usecases.ports import Fetched, HeadQuery, Randomness, Snapshot, VersionKey, Writership

from . import layout as at
from .access_codec import any_pointer_key, decode_pointer
from .codec import Item, decode_envelope, decode_head

_TIMEOUT: Final = timedelta(seconds=1)
_CONTENT_TYPE: Final = "application/x-amz-json-1.0"
BATCH_GET_ITEM: Final = Operation(
    service="dynamodb", target="DynamoDB_20120810.BatchGetItem", content_type=_CONTENT_TYPE, timeout=_TIMEOUT
)
_RETRY_SECONDS: Final = 0.1
_MOST_KEYS: Final = 100
"""In one BatchGetItem."""


class DynamoHeadReader:
    """The head reader port. Reads are strongly consistent within the region.

    Copies of two pointers come beside the heads: to the tenant's access set, and to the registry. A numbered version's
    item is asked for beside its head, under the epoch that the query names or that is current now.
    """

    def __init__(
        self,
        *,
        client: AwsClient,
        table: str,
        writership: Writership,
        randomness: Randomness,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._writership = writership
        self._randomness = randomness
        self._sleep = sleep

    def fetch(self, queries: Sequence[HeadQuery]) -> Snapshot:
        """Several heads, in order; None where the table left one unprocessed twice."""
        epoch = self._writership.state().epoch
        access_key = any_pointer_key(queries[0].name.tenant, self._randomness)
        registry_key = any_pointer_key(SCOPE, self._randomness)
        wanted = {key for query in queries for key in _keys(query, epoch)}
        found, missed = self._fetch_keys({*wanted, access_key, registry_key})
        if not missed.isdisjoint((access_key, registry_key)):
            raise StoreUnavailable
        access, registry = found.get(access_key), found.get(registry_key)
        return Snapshot(
            [_assemble(query, found, missed, epoch) for query in queries],
            access=decode_pointer(access) if access else None,
            registry=decode_pointer(registry) if registry else None,
        )

    def _fetch_keys(self, keys: set[at.Key]) -> tuple[dict[at.Key, Item], set[at.Key]]:
        """The items by key, and the keys that stayed unprocessed after one more try."""
        found: dict[at.Key, Item] = {}
        left = keys
        for attempt in range(2):
            if attempt:
                self._sleep(random.uniform(0, _RETRY_SECONDS))  # noqa: S311  # jitter, not a secret
            typed = [_typed(key) for key in sorted(left)]
            # Side by side: a full batch of numbered versions, and the pointers, are more than a request may hold.
            calls = [self._begin(typed[start : start + _MOST_KEYS]) for start in range(0, len(typed), _MOST_KEYS)]
            left = set()
            for call in calls:
                answer = _answer(call)
                found |= {_key_of(item): item for item in answer.get("Responses", {}).get(self._table, [])}
                unprocessed = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
                left |= {_key_of(key) for key in unprocessed}
            if not left:
                break
        return found, left

    def _begin(self, keys: Sequence[Mapping[str, object]]) -> PendingCall:
        request = {"RequestItems": {self._table: {"Keys": keys, "ConsistentRead": True}}}
        return self._client.begin(BATCH_GET_ITEM, request)


def _answer(call: PendingCall) -> dict[str, Any]:
    try:
        return call.result()
    except AwsCallFailed as failure:
        raise translate(failure) from failure


def translate(failure: AwsCallFailed) -> DomainError:
    """Our error for a call to the table that did not succeed."""
    return Throttled() if failure.is_throttling else StoreUnavailable()


def _keys(query: HeadQuery, epoch: int) -> Iterator[at.Key]:
    yield at.head_key(query.name)
    if query.version is not None:
        yield at.version_key(query.name, VersionKey(query.version, query.epoch or epoch))


def _epoch_of(query: HeadQuery, found: Mapping[at.Key, Item], default: int) -> int:
    """The epoch that the head gives the wanted version."""
    versions = found.get(at.head_key(query.name), {}).get(at.VERSIONS, {"M": {}})["M"]
    entry = versions.get(str(query.version))
    return int(entry["M"][at.EPOCH]["N"]) if entry else default


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
