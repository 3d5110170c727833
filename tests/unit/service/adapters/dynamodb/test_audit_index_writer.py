"""The index's writer when the table is slow, partly willing, or gone."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from strongroom_service.adapters.dynamodb.audit_index_writer import DynamoAuditIndexWriter
from strongroom_service.domain.audit_record import AuditLine
from strongroom_service.usecases.ports import Kept
from tests.support.audit_index import Records
from tests.support.fakes import FakeClock, FakeRandomness
from tests.support.scripted_aws import Answer, ScriptedAws, scripted_aws

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
TABLE = "strongroom-test-audit-index"
OPERATION = "BatchWriteItem"


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as script:
        yield script


def writer_of(aws: ScriptedAws, slept: list[float]) -> DynamoAuditIndexWriter:
    return DynamoAuditIndexWriter(
        client=aws.client(), table=TABLE, clock=FakeClock(NOW), randomness=FakeRandomness(), sleep=slept.append
    )


def records(count: int) -> list[AuditLine]:
    """Records that share nothing but their day."""
    made = Records()
    return [made.at(NOW, request_id=f"r-{number}", secret_id="", actor="") for number in range(count)]


def test_what_the_table_leaves_unprocessed_is_put_again(aws: ScriptedAws) -> None:
    """Only that, after pauses."""
    slept: list[float] = []
    [record] = records(1)
    aws.script(OPERATION, Answer())
    writer_of(aws, []).add([record])
    [first] = aws.asked(OPERATION)
    left = first["RequestItems"][TABLE][:1]
    unprocessed = Answer({"UnprocessedItems": {TABLE: left}})
    aws.script(OPERATION, unprocessed, unprocessed, Answer())
    assert writer_of(aws, slept).add([record]) == [Kept.STORED]
    assert [len(it["RequestItems"][TABLE]) for it in aws.asked(OPERATION)[1:]] == [2, 1, 1]
    assert len(slept) == 2


def test_what_stays_unprocessed_has_failed(aws: ScriptedAws) -> None:
    """A record is stored when all items that it is in are."""
    made = records(2)
    aws.script(OPERATION, Answer())
    writer_of(aws, []).add(made)
    requests = aws.asked(OPERATION)[0]["RequestItems"][TABLE]
    left = [it for it in requests if it["PutRequest"]["Item"]["PK"]["S"] == "R#default#r-1"]
    aws.script(OPERATION, Answer({"UnprocessedItems": {TABLE: left}}))
    assert writer_of(aws, []).add(made) == [Kept.STORED, Kept.FAILED]


@pytest.mark.parametrize(
    "answer",
    [Answer(hang_up=True), Answer.error("InternalServerError", status=500), Answer.error("ThrottlingException")],
)
def test_a_table_that_does_not_answer_is_not_asked_for_each(aws: ScriptedAws, answer: Answer) -> None:
    """A thousand records are forty requests: four of them tell enough, and the function's time is not used up."""
    aws.script(OPERATION, answer)
    assert writer_of(aws, []).add(records(1000)) == [Kept.FAILED] * 1000
    assert len(aws.asked(OPERATION)) <= 8
