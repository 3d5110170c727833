"""Writes the audit index: records that arrived together, packed by what they are looked up by."""

import base64
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation, PendingCall
from strongroom_service.domain.audit_record import AuditLine
from strongroom_service.domain.ids import uuid7_time
from strongroom_service.usecases.ports import Clock, Kept, Randomness, UnreadableLine

from . import audit_index_layout as at
from .audit_index import packed

BATCH_WRITE_ITEM: Final = Operation(
    service="dynamodb",
    target="DynamoDB_20120810.BatchWriteItem",
    content_type="application/x-amz-json-1.0",
    timeout=timedelta(seconds=2),
)
_MOST_ITEMS: Final = 25
"""In one BatchWriteItem."""
_SIDE_BY_SIDE: Final = 4
"""Requests under way at once: as many connections as the client keeps."""
_PACK_BYTES: Final = 256 * 1024
"""Of lines in one item, uncompressed; an item may have 400 KB."""
_TRIES: Final = 4
_PAUSE_SECONDS: Final = 0.05
_REFUSED: Final = "ValidationException"
_ASIDE_BYTES: Final = 64 * 1024
"""Of a line that cannot be read. The archive has all of it."""

Put = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pack:
    """An item to write, and whose records it holds."""

    item: Put
    event_ids: frozenset[str]


class DynamoAuditIndexWriter:
    """The indexer's side of the audit index, over one region's table."""

    def __init__(
        self,
        *,
        client: AwsClient,
        table: str,
        clock: Clock,
        randomness: Randomness,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._randomness = randomness
        self._sleep = sleep

    def add(self, records: Sequence[AuditLine]) -> Sequence[Kept]:
        """Write every pack that the records make; a record is stored when all packs that it is in are."""
        packs = list(packs_of(records))
        worst: dict[str, Kept] = {}
        for pack, kept in zip(packs, self._write([pack.item for pack in packs]), strict=True):
            if kept is not Kept.STORED:
                # What failed is tried again, and then the refusal is met again.
                worst |= {it: kept for it in pack.event_ids if worst.get(it) is not Kept.FAILED}
        return [worst.get(record.event_id, Kept.STORED) for record in records]

    def keep_aside(self, lines: Sequence[UnreadableLine]) -> bool:
        """Keep lines by the day on which they came."""
        now = self._clock.now()
        partition = at.unreadable_partition(now.date().isoformat())
        items = [
            {
                at.PK: {"S": partition},
                at.SK: {"S": at.unreadable_sort_key(it.delivery, it.number)},
                at.WHY: {"S": it.why},
                at.LINE: {"B": base64.b64encode(it.line[:_ASIDE_BYTES]).decode("ascii")},
                at.LENGTH: {"N": str(len(it.line))},
                at.EXPIRE_AT: {"N": str(int((now + at.KEPT).timestamp()))},
            }
            for it in lines
        ]
        return all(kept is Kept.STORED for kept in self._write(items))

    def _write(self, items: Sequence[Put]) -> list[Kept]:
        """Put items, some requests at a time; what became of each."""
        batches = [items[start : start + _MOST_ITEMS] for start in range(0, len(items), _MOST_ITEMS)]
        done: list[Kept] = []
        for start in range(0, len(batches), _SIDE_BY_SIDE):
            wave = batches[start : start + _SIDE_BY_SIDE]
            calls = [self._client.begin(BATCH_WRITE_ITEM, self._request(batch)) for batch in wave]
            kept = [it for batch, call in zip(wave, calls, strict=True) for it in self._result(batch, call)]
            done += kept
            if all(it is Kept.FAILED for it in kept):
                # A table that does not answer: waiting for each of the others would use up the function's time.
                break
        return done + [Kept.FAILED] * (len(items) - len(done))

    def _result(self, batch: Sequence[Put], call: PendingCall) -> list[Kept]:
        try:
            answer = call.result()
        except AwsCallFailed as failure:
            return self._one_by_one(batch) if failure.code == _REFUSED else [Kept.FAILED] * len(batch)
        return self._rest(batch, answer)

    def _one_by_one(self, batch: Sequence[Put]) -> list[Kept]:
        """One item that the table refuses makes it refuse all: find out which."""
        if len(batch) == 1:
            return [Kept.REFUSED]
        return [kept for item in batch for kept in self._write([item])]

    def _rest(self, batch: Sequence[Put], answer: dict[str, Any]) -> list[Kept]:
        """Put what the table left unprocessed again, a few times, after pauses."""
        left = self._unprocessed(answer)
        for attempt in range(1, _TRIES):
            if not left:
                break
            share = int.from_bytes(self._randomness.token(2), "big") / 0xFFFF
            self._sleep(_PAUSE_SECONDS * 2**attempt * share)
            try:
                answer = self._client.call(BATCH_WRITE_ITEM, self._request([it for it in batch if _key(it) in left]))
            except AwsCallFailed:
                break
            left = self._unprocessed(answer)
        return [Kept.FAILED if _key(item) in left else Kept.STORED for item in batch]

    def _request(self, batch: Sequence[Put]) -> dict[str, Any]:
        return {"RequestItems": {self._table: [{"PutRequest": {"Item": item}} for item in batch]}}

    def _unprocessed(self, answer: dict[str, Any]) -> set[tuple[str, str]]:
        requests = answer.get("UnprocessedItems", {}).get(self._table, [])
        return {_key(request["PutRequest"]["Item"]) for request in requests}


def _key(item: Put) -> tuple[str, str]:
    return item[at.PK]["S"], item[at.SK]["S"]


def packs_of(records: Sequence[AuditLine]) -> Iterator[Pack]:
    """The records under each key and second, in the order of their ids."""
    grouped: defaultdict[tuple[str, str], set[tuple[str, bytes]]] = defaultdict(set)
    for record in records:
        for partition in _partitions(record):
            grouped[partition, at.second_of(record.event_id)].add((record.event_id, record.line))
    for (partition, second), members in grouped.items():
        for chunk in _chunks(sorted(members)):
            yield _pack(partition, second, chunk)


def _partitions(record: AuditLine) -> Iterator[str]:
    fields, event_id = record.fields, record.event_id
    tenant, shard = fields["tenant"], at.shard_of(event_id)
    yield at.of_day(tenant, at.day_of(event_id), shard)
    if fields["secretId"]:
        yield at.of_secret(tenant, fields["secretId"], shard)
    if fields["actor"]:
        yield at.of_actor(tenant, fields["actor"], shard)
    if fields["requestId"]:
        yield at.of_request(tenant, fields["requestId"])


def _chunks(members: Sequence[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    chunk: list[tuple[str, bytes]] = []
    size = 0
    for member in members:
        if chunk and size + len(member[1]) > _PACK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(member)
        size += len(member[1])
    if chunk:
        yield chunk


def _pack(partition: str, second: str, members: Sequence[tuple[str, bytes]]) -> Pack:
    lines = [line for _, line in members]
    expires = int((uuid7_time(members[0][0]) + at.KEPT).timestamp())
    item = {
        at.PK: {"S": partition},
        at.SK: {"S": at.pack_sort_key(second, b"\n".join(lines))},
        at.LINES: {"B": packed(lines)},
        at.EXPIRE_AT: {"N": str(expires)},
    }
    return Pack(item, frozenset(event_id for event_id, _ in members))
