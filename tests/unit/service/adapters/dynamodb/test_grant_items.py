"""Requests for grants over DynamoDB's own calls: what is sent, and what each refusal means."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.dynamodb.grant_items import DynamoGrantStore
from strongroom_service.domain import break_glass
from strongroom_service.domain.access_set import AccessPointer, AccessSet
from strongroom_service.domain.errors import DomainError, RegionFenced, StoreUnavailable, Throttled
from strongroom_service.usecases.ports import ChangeLost, GrantChange
from tests.support.fakes import FakeRandomness
from tests.support.scripted_aws import Answer, ScriptedAws, scripted_aws
from tests.unit.service.adapters.dynamodb.test_grant_codec import NOW, PENDING

TABLE = "strongroom-test-secrets"
REFUSED = break_glass.refuse(PENDING, "iam:a", epoch=2, now=NOW)


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as script:
        yield script


def store(aws: ScriptedAws) -> DynamoGrantStore:
    return DynamoGrantStore(client=aws.client(), table=TABLE, randomness=FakeRandomness())


def test_a_change_checks_the_fence_and_what_was_read(aws: ScriptedAws) -> None:
    """Closed, the request leaves the list of those that are open, all in one transaction."""
    aws.script("TransactWriteItems", Answer())
    store(aws).commit(GrantChange(PENDING, REFUSED), epoch=2)
    (sent,) = aws.asked("TransactWriteItems")
    check, put, delete = sent["TransactItems"]
    assert check["ConditionCheck"]["Key"]["PK"] == {"S": "FENCE"}
    assert check["ConditionCheck"]["ExpressionAttributeValues"][":epoch"] == {"N": "2"}
    assert put["Put"]["ConditionExpression"] == "#epoch = :epoch AND #revision = :revision"
    assert put["Put"]["ExpressionAttributeValues"] == {":epoch": {"N": "1"}, ":revision": {"N": "1"}}
    assert (put["Put"]["Item"]["epoch"], put["Put"]["Item"]["revision"]) == ({"N": "2"}, {"N": "2"})
    assert delete["Delete"]["Key"] == {"PK": {"S": "G"}, "SK": {"S": f"default#{PENDING.id}"}}
    assert sent["ClientRequestToken"]


def test_a_try_whose_answer_was_lost_is_the_same_one_again(aws: ScriptedAws) -> None:
    aws.script("TransactWriteItems", Answer(hang_up=True), Answer())
    store(aws).commit(GrantChange(PENDING, REFUSED), epoch=1)
    first, second = aws.asked("TransactWriteItems")
    assert first == second


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.cancelled("ConditionalCheckFailed", "None", "None"), RegionFenced),
        (Answer.cancelled("None", "ConditionalCheckFailed", "None"), ChangeLost),
        (Answer.cancelled("None", "TransactionConflict", "None"), ChangeLost),
        (Answer.cancelled("None", "ThrottlingError", "None"), Throttled),
        (Answer.error("ProvisionedThroughputExceededException"), Throttled),
        (Answer.error("InternalServerError", status=500), StoreUnavailable),
        (Answer(hang_up=True), StoreUnavailable),
    ],
)
def test_what_a_refusal_means(aws: ScriptedAws, answer: Answer, error: type[Exception]) -> None:
    aws.script("TransactWriteItems", answer)
    with pytest.raises(error) as failed:
        store(aws).commit(GrantChange(PENDING, REFUSED), epoch=1)
    assert "CANARY" not in str(failed.value)


@pytest.mark.parametrize("operation", ["GetItem", "Query"])
def test_a_table_that_does_not_answer_is_told_as_such(aws: ScriptedAws, operation: str) -> None:
    aws.script(operation, Answer(hang_up=True))
    found = store(aws)
    for call in (
        (lambda: found.load("default", PENDING.id), lambda: found.find("default", "0f"))
        if operation == "GetItem"
        else (found.open_requests, lambda: found.page("default", after=None, limit=1))
    ):
        with pytest.raises(DomainError) as failed:
            call()
        assert failed.value.code == "store_unavailable"


def test_open_requests_are_read_to_the_end(aws: ScriptedAws) -> None:
    key = {"PK": {"S": "G"}, "SK": {"S": "default#bg_1"}}
    other = {"PK": {"S": "G"}, "SK": {"S": "other#bg_2"}}
    aws.script("Query", Answer({"Items": [key], "LastEvaluatedKey": key}), Answer({"Items": [other]}))
    assert store(aws).open_requests() == [("default", "bg_1"), ("other", "bg_2")]
    first, second = aws.asked("Query")
    assert "ExclusiveStartKey" not in first
    assert second["ExclusiveStartKey"] == key
    assert first["ConsistentRead"] is True


def test_a_grant_and_its_access_set_are_one_transaction(aws: ScriptedAws) -> None:
    """Under one fence: eight copies of the pointer, what is stored, and the request."""
    aws.script("TransactWriteItems", Answer())
    aws.script("GetItem", Answer())
    active = break_glass.approve(replace(PENDING, required=1), "iam:a", required=1, epoch=1, now=NOW)
    access_set = AccessSet("default").with_grant(active.id, active.grant())
    pointer = AccessPointer.to(access_set, epoch=1)
    items = DynamoAccessItems(client=aws.client(), table=TABLE, randomness=FakeRandomness())
    items.replace("default", None, pointer, access_set.encode(), epoch=1, grants=[GrantChange(PENDING, active)])
    chunk, all_at_once = (sent["TransactItems"] for sent in aws.asked("TransactWriteItems"))
    assert [next(iter(action)) for action in chunk] == ["Put"]
    kinds = [next(iter(action)) for action in all_at_once]
    assert kinds == ["ConditionCheck", *["Put"] * 10]
    places = [action["Put"]["Item"]["SK"]["S"].partition("#")[0] for action in all_at_once[1:]]
    assert places == [*["POINTER"] * 8, "HISTORY", "REQUEST"]
