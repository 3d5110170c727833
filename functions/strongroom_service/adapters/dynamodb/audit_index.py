"""The audit index in DynamoDB: packs of records, looked through from the newest on."""

import base64
import heapq
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation
from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.ids import uuid7_time
from strongroom_service.usecases.ports import AuditPage, AuditQuery, Clock

from . import audit_index_layout as at
from .head_reader import translate

QUERY: Final = Operation(
    service="dynamodb",
    target="DynamoDB_20120810.Query",
    content_type="application/x-amz-json-1.0",
    timeout=timedelta(seconds=1),
)
_AHEAD: Final = timedelta(hours=1)
_MOST_PAGES: Final = 40
"""Of the table, looked through for one answer: a rare match may make it short, and its cursor goes on from there."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one pack, uncompressed. Ours are far smaller."""


@dataclass(frozen=True, slots=True)
class _Pack:
    second: str
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    event_id: str
    fields: Mapping[str, Any]


class DynamoAuditIndex:
    """The audit index port over one region's table. Reads are eventually consistent."""

    def __init__(self, *, client: AwsClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def search(self, query: AuditQuery) -> AuditPage:
        """One page, newest first; it may be short and still have a next one."""
        now = self._clock.now()
        look = _Look(self._client, self._table, now=now)
        oldest = max(filter(None, (query.since, now - at.KEPT)))
        # Clocks of functions differ a little; beyond that there is nothing, however far a question reaches.
        after = uuid7_time(query.after) if query.after else None
        newest = min(filter(None, (query.until, after, now + _AHEAD)))
        if newest < oldest:
            return AuditPage((), None)
        bounds = (at.second_at(oldest), f"{at.second_at(newest)}$")
        streams = [look.packs(partition, bounds, limit=query.limit + 1) for partition in _partitions(query)]
        merged = heapq.merge(*streams, key=lambda pack: pack.second, reverse=True)
        shown: list[_Found] = []
        examined = query.after
        for _, packs in groupby(merged, key=lambda pack: pack.second):
            if examined is not None and look.pages > _MOST_PAGES:
                return _page(shown, examined)
            records = _newest_first(packs)
            for found in records:
                if not _is_wanted(found, query, oldest=oldest):
                    continue
                if len(shown) >= query.limit and found.event_id != shown[-1].event_id:
                    return _page(shown, shown[-1].event_id)
                shown.append(found)
            examined = min(filter(None, (examined, records[-1].event_id)))
        return _page(shown, None)

    def find(self, tenant: str, event_id: str) -> Mapping[str, Any] | None:
        """The record of one event; raises `IntegrityFailure` when two different ones say that they are it."""
        look = _Look(self._client, self._table, now=self._clock.now())
        partition = at.of_day(tenant, at.day_of(event_id), at.shard_of(event_id))
        second = at.second_of(event_id)
        packs = look.packs(partition, (second, f"{second}$"), limit=None)
        records = [found.fields for found in _newest_first(packs) if found.event_id == event_id]
        if len(records) > 1:
            raise IntegrityFailure
        return records[0] if records else None


class _Look:
    """One search: how many pages of the table it has fetched."""

    def __init__(self, client: AwsClient, table: str, *, now: datetime) -> None:
        self._client = client
        self._table = table
        self._now = int(now.timestamp())
        self.pages = 0

    def packs(self, partition: str, bounds: tuple[str, str], *, limit: int | None) -> Iterator[_Pack]:
        """A partition's packs within bounds of the sort key, the latest second first, fetched as they are needed."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "#pk = :pk AND #sk BETWEEN :low AND :high",
            "ExpressionAttributeNames": {"#pk": at.PK, "#sk": at.SK},
            "ExpressionAttributeValues": {
                ":pk": {"S": partition},
                ":low": {"S": bounds[0]},
                ":high": {"S": bounds[1]},
            },
            "ScanIndexForward": False,
        }
        if limit is not None:
            request["Limit"] = limit
        while True:
            self.pages += 1
            try:
                answer = self._client.call(QUERY, request)
            except AwsCallFailed as failure:
                raise translate(failure) from failure
            for item in answer.get("Items", []):
                # DynamoDB may take days to remove what has expired.
                if int(item[at.EXPIRE_AT]["N"]) > self._now:
                    yield _Pack(item[at.SK]["S"].partition("#")[0], _unpacked(item[at.LINES]["B"]))
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _partitions(query: AuditQuery) -> list[str]:
    """Where to look: by what is likely to have the fewest records."""
    if query.request_id is not None:
        return [at.of_request(query.tenant, query.request_id)]
    shards = range(at.SHARDS)
    if query.secret_id is not None:
        return [at.of_secret(query.tenant, query.secret_id, shard) for shard in shards]
    if query.actor is not None:
        return [at.of_actor(query.tenant, query.actor, shard) for shard in shards]
    if query.day is not None:
        return [at.of_day(query.tenant, query.day.isoformat(), shard) for shard in shards]
    raise ValueError("a query names a secret, an actor, a request or a day")


def _is_wanted(found: _Found, query: AuditQuery, *, oldest: datetime) -> bool:
    made = uuid7_time(found.event_id)
    fields = found.fields
    return (
        oldest <= made
        and (query.until is None or made < query.until)
        and (query.after is None or found.event_id < query.after)
        and (query.secret_id is None or fields.get("secretId") == query.secret_id)
        and (query.actor is None or fields.get("actor") == query.actor)
        and (query.day is None or made.date() == query.day)
    )


def _newest_first(packs: Iterable[_Pack]) -> list[_Found]:
    """The records of packs. A record that was delivered twice may lie in two; differing ones are both shown."""
    lines = {line for pack in packs for line in pack.lines}
    found = [_Found(str(fields["eventId"]), fields) for fields in map(_fields, lines)]
    return sorted(found, key=lambda it: (it.event_id, str(it.fields.get("hash"))), reverse=True)


def _page(shown: Sequence[_Found], last: str | None) -> AuditPage:
    return AuditPage(tuple(found.fields for found in shown), last)


def packed(lines: Sequence[bytes]) -> str:
    """Lines as the attribute holds them, for the table's JSON."""
    return base64.b64encode(zlib.compress(b"\n".join(lines), 9)).decode("ascii")


def _unpacked(attribute: str) -> tuple[bytes, ...]:
    unzip = zlib.decompressobj()
    try:
        lines = unzip.decompress(base64.b64decode(attribute), _MOST_BYTES)
    except (ValueError, zlib.error):
        raise IntegrityFailure from None
    if not unzip.eof:
        raise IntegrityFailure
    return tuple(lines.split(b"\n"))


def _fields(line: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError:
        raise IntegrityFailure from None
    if not isinstance(fields, dict) or not isinstance(fields.get("eventId"), str):
        raise IntegrityFailure
    return fields
