"""The buffer's puts: one transaction of record and counter, never past its size, refused when it is full."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from strongroom_service.adapters.audit import buffer_layout as at
from strongroom_service.adapters.audit.buffer import AuditBuffer
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.errors import AuditUnavailable
from tests.support.scripted_aws import Answer, ScriptedAws, scripted_aws

TABLE = "strongroom-test-audit-buffer"
SHARE = 100
"""A shard's share of the size."""
FULL = Answer.cancelled("ConditionalCheckFailed", "None")
CONFLICT = Answer.cancelled("TransactionConflict", "None")


class Time:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as script:
        yield script


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def buffer(aws: ScriptedAws, time: Time) -> AuditBuffer:
    return AuditBuffer(
        client=aws.client(), table=TABLE, size=SHARE * at.SHARDS, randomness=SystemRandomness(), monotonic=time
    )


def put(buffer: AuditBuffer, *, events: int = 1) -> None:
    buffer.begin(b"{}\n" * events, event_id="01900000-0000-7000-8000-000000000001", events=events).wait()


def shards_written(aws: ScriptedAws) -> list[str]:
    return [request["TransactItems"][0]["Update"]["Key"]["PK"]["S"] for request in aws.asked("TransactWriteItems")]


def counters(waiting: dict[int, int]) -> Answer:
    items: list[dict[str, Any]] = [
        {"PK": {"S": at.partition(shard)}, "SK": {"S": "COUNT"}, "events": {"N": str(events)}}
        for shard, events in waiting.items()
    ]
    return Answer({"Responses": {TABLE: items}})


def test_a_put_is_one_transaction_of_record_and_counter(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    """Both in one shard; the counter admits no more than leaves room for the record's events."""
    aws.script("TransactWriteItems", Answer({}))
    put(buffer, events=3)
    (request,) = aws.asked("TransactWriteItems")
    update, record = (entry[kind] for entry, kind in zip(request["TransactItems"], ("Update", "Put"), strict=True))
    assert update["TableName"] == record["TableName"] == TABLE
    assert update["Key"] == {"PK": record["Item"]["PK"], "SK": {"S": "COUNT"}}
    assert update["ExpressionAttributeValues"] == {":events": {"N": "3"}, ":room": {"N": "97"}}
    assert update["ConditionExpression"] == "attribute_not_exists(#events) OR #events <= :room"
    assert record["Item"]["SK"] == {"S": "R#01900000-0000-7000-8000-000000000001"}
    assert base64.b64decode(record["Item"]["lines"]["B"]) == b"{}\n" * 3
    assert record["Item"]["events"] == {"N": "3"}


def test_puts_spread_over_the_shards(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    aws.script("TransactWriteItems", Answer({}))
    for _ in range(50):
        put(buffer)
    assert len(set(shards_written(aws))) > 10


def test_who_loses_a_counter_to_another_takes_another_shard(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    """Two transactions on one counter exclude each other, also when the buffer is nearly empty."""
    aws.script("TransactWriteItems", *[CONFLICT] * 10, Answer({}))
    put(buffer)
    assert len(shards_written(aws)) == 11
    assert aws.asked("BatchGetItem") == []


def test_who_meets_a_full_shard_takes_the_emptiest(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    """Shards fill by chance: one is full while others have room."""
    aws.script("TransactWriteItems", FULL, Answer({}))
    aws.script("BatchGetItem", counters({shard: SHARE if shard != 17 else 40 for shard in range(at.SHARDS)}))
    put(buffer)
    assert shards_written(aws)[-1] == "B#17"


def test_a_shard_that_was_never_written_to_has_all_its_room(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    aws.script("TransactWriteItems", FULL, Answer({}))
    aws.script("BatchGetItem", counters({shard: SHARE for shard in range(at.SHARDS) if shard != 5}))
    put(buffer, events=50)
    assert shards_written(aws)[-1] == "B#5"


def test_a_full_buffer_refuses(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    aws.script("TransactWriteItems", FULL)
    aws.script("BatchGetItem", counters(dict.fromkeys(range(at.SHARDS), SHARE)))
    with pytest.raises(AuditUnavailable):
        put(buffer)


def test_room_for_one_is_no_room_for_fifty(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    aws.script("TransactWriteItems", FULL)
    aws.script("BatchGetItem", counters(dict.fromkeys(range(at.SHARDS), SHARE - 1)))
    with pytest.raises(AuditUnavailable):
        put(buffer, events=50)


def test_a_batch_that_finds_no_room_keeps_no_single_read_from_its_place(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    """Every shard has room for one: a read succeeds, whatever was refused a moment ago."""
    aws.script("TransactWriteItems", FULL, Answer({}))
    aws.script("BatchGetItem", counters(dict.fromkeys(range(at.SHARDS), SHARE - 1)))
    for _ in range(3):
        with pytest.raises(AuditUnavailable):
            put(buffer, events=50)
    assert len(shards_written(aws)) == 1
    put(buffer)
    assert len(shards_written(aws)) == 2


def test_a_full_buffer_is_not_asked_again_at_once(aws: ScriptedAws, buffer: AuditBuffer, time: Time) -> None:
    """Refusing must not load the table; a second later it is looked at again."""
    aws.script("TransactWriteItems", FULL, Answer({}))
    aws.script("BatchGetItem", counters(dict.fromkeys(range(at.SHARDS), SHARE)))
    for _ in range(20):
        with pytest.raises(AuditUnavailable):
            put(buffer)
    assert len(shards_written(aws)) == 1
    time.seconds = 1.1
    put(buffer)
    assert len(shards_written(aws)) == 2


def test_a_put_whose_answer_was_lost_is_acknowledged_by_its_second_try(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    """The record is there already: the condition on it failed, and the counter was counted once."""
    aws.script("TransactWriteItems", Answer(hang_up=True), Answer.cancelled("None", "ConditionalCheckFailed"))
    put(buffer)
    assert len(shards_written(aws)) == 2


def test_a_second_try_in_a_shard_that_filled_meanwhile_is_not_taken_for_done(
    aws: ScriptedAws, buffer: AuditBuffer
) -> None:
    """Both conditions failed: that the record is there is likely, that it is counted is not known to be."""
    aws.script("TransactWriteItems", Answer.cancelled("ConditionalCheckFailed", "ConditionalCheckFailed"), Answer({}))
    aws.script("BatchGetItem", counters({}))
    put(buffer)
    assert len(shards_written(aws)) == 2


@pytest.mark.parametrize(
    "failure",
    [
        Answer(hang_up=True),
        Answer.error("AccessDeniedException"),
        Answer.error("ResourceNotFoundException"),
        Answer.error("InternalServerError", status=500),
        Answer.error("ProvisionedThroughputExceededException"),
        CONFLICT,
    ],
    ids=["hung up", "denied", "no table", "internal", "throttled", "conflicts for ever"],
)
def test_a_table_that_does_not_take_the_record_refuses(aws: ScriptedAws, buffer: AuditBuffer, failure: Answer) -> None:
    """And what DynamoDB said, which can quote the request, goes no further."""
    aws.script("TransactWriteItems", failure)
    with pytest.raises(AuditUnavailable) as refused:
        put(buffer)
    assert "CANARY" not in f"{refused.value}{refused.value.__cause__}"


def test_counters_that_cannot_be_read_refuse(aws: ScriptedAws, buffer: AuditBuffer) -> None:
    aws.script("TransactWriteItems", FULL)
    aws.script("BatchGetItem", Answer(hang_up=True))
    with pytest.raises(AuditUnavailable):
        put(buffer)
