"""The read path's requests to DynamoDB: how many, for what, and what becomes of partial answers."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom_service.adapters.dynamodb import layout
from strongroom_service.adapters.dynamodb.access_codec import encode_pointer
from strongroom_service.adapters.dynamodb.codec import encode_envelope, encode_head
from strongroom_service.adapters.dynamodb.head_reader import DynamoHeadReader
from strongroom_service.adapters.writership import ConfiguredWriter
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.errors import DomainError, IntegrityFailure, StoreUnavailable, Throttled
from strongroom_service.domain.names import Alias, SecretName
from strongroom_service.domain.registry import SCOPE
from strongroom_service.domain.secret import Envelope, Head, SecretStatus, VersionRecord, VersionStatus
from strongroom_service.usecases.ports import Fetched, HeadQuery, VersionKey
from tests.support.scripted_aws import Answer, ScriptedAws, scripted_aws

TABLE = "strongroom-test-secrets"
NAME = SecretName("default", "prod", "payments/db-password")
OTHER = SecretName("default", "prod", "payments/other")
NOW = datetime(2026, 6, 6, 14, 30, tzinfo=UTC)
ENVELOPE = Envelope(b"message", "0" * 32, b"wrapped", "mrk-1")


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as script:
        yield script


def reader(aws: ScriptedAws, *, epoch: int = 1) -> DynamoHeadReader:
    writership = ConfiguredWriter(region="us-east-1", epoch=epoch)
    return DynamoHeadReader(
        client=aws.client(), table=TABLE, writership=writership, randomness=ThirdCopy(), sleep=lambda _: None
    )


class ThirdCopy:
    """Chance that always picks the same copy of the pointer."""

    def token(self, size: int) -> bytes:
        return b"\x03" * size


POINTER = layout.access_pointer_key("default", 3)
REGISTRY = layout.access_pointer_key(SCOPE, 3)


def one(aws: ScriptedAws, query: HeadQuery, *, epoch: int = 1) -> Fetched:
    (found,) = reader(aws, epoch=epoch).fetch([query]).heads
    assert found is not None
    return found


def as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    return [as_json(inner) for inner in value] if isinstance(value, list) else value


def head_item(name: SecretName = NAME, *, epoch_of_version: int = 1) -> dict[str, Any]:
    head = Head(
        name=name,
        secret_id="sec_1",
        owner_team="payments",
        rotation_strategy="manual",
        status=SecretStatus.ACTIVE,
        epoch=1,
        revision=1,
        created_at=NOW,
        updated_at=NOW,
        latest_version=1,
        aliases={Alias.CURRENT: 1},
        versions={1: VersionRecord(VersionStatus.CURRENT, epoch_of_version, NOW, NOW, "f" * 64)},
    )
    return {**key(layout.head_key(name)), **as_json(encode_head(head))}


def version_item(name: SecretName = NAME, *, epoch: int = 1) -> dict[str, Any]:
    place = layout.version_key(name, VersionKey(1, epoch))
    return {**key(place), "envelope": {"M": as_json(encode_envelope(ENVELOPE))}}


def key(place: layout.Key) -> dict[str, Any]:
    return {"PK": {"S": place.pk}, "SK": {"S": place.sk}}


def batch(*items: dict[str, Any], unprocessed: list[layout.Key] | None = None) -> Answer:
    left = {TABLE: {"Keys": [key(place) for place in unprocessed], "ConsistentRead": True}} if unprocessed else {}
    return Answer({"Responses": {TABLE: list(items)}, "UnprocessedKeys": left})


def asked_keys(request: dict[str, Any]) -> set[tuple[str, str]]:
    assert request["RequestItems"][TABLE]["ConsistentRead"] is True
    return {(k["PK"]["S"], k["SK"]["S"]) for k in request["RequestItems"][TABLE]["Keys"]}


def test_a_read_by_alias_is_one_consistent_request_for_head_and_access_pointer(aws: ScriptedAws) -> None:
    """The head alone serves it."""
    aws.script("BatchGetItem", batch(head_item()))
    head = one(aws, HeadQuery(NAME)).head
    assert head is not None
    assert head.aliases == {Alias.CURRENT: 1}
    (request,) = aws.asked("BatchGetItem")
    assert asked_keys(request) == {layout.head_key(NAME), POINTER, REGISTRY}
    assert len(aws.requests) == 1


def test_the_access_pointer_comes_with_the_heads(aws: ScriptedAws) -> None:
    pointer = AccessPointer(epoch=2, revision=7, digest="d" * 64, chunks=1)
    aws.script("BatchGetItem", batch(head_item(), {**key(POINTER), **encode_pointer(pointer)}))
    assert reader(aws).fetch([HeadQuery(NAME)]).access == pointer


def test_a_tenant_without_an_access_set_has_no_pointer(aws: ScriptedAws) -> None:
    aws.script("BatchGetItem", batch(head_item()))
    assert reader(aws).fetch([HeadQuery(NAME)]).access is None


def test_a_pointer_that_stays_unprocessed_is_not_taken_for_absent(aws: ScriptedAws) -> None:
    """It would let in whom the deployment's options once let in."""
    aws.script("BatchGetItem", batch(head_item(), unprocessed=[POINTER]), batch(unprocessed=[POINTER]))
    with pytest.raises(StoreUnavailable):
        reader(aws).fetch([HeadQuery(NAME)])


def test_what_is_not_there_is_no_error(aws: ScriptedAws) -> None:
    """An absent head is an answer."""
    aws.script("BatchGetItem", batch())
    assert one(aws, HeadQuery(NAME)).head is None


def test_a_full_batch_of_numbered_versions_takes_two_requests_side_by_side(aws: ScriptedAws) -> None:
    """With the pointers they are two keys more than a request may hold; none of them is sent again."""
    names = [SecretName("default", "prod", f"payments/{number}") for number in range(50)]
    aws.script("BatchGetItem", batch())
    assert len(reader(aws).fetch([HeadQuery(name, 1) for name in names]).heads) == 50
    requests = [asked_keys(request) for request in aws.asked("BatchGetItem")]
    assert sorted(map(len, requests)) == [2, 100]
    assert len(set.union(*requests)) == 102


def test_a_read_by_number_fetches_head_and_version_at_once(aws: ScriptedAws) -> None:
    """One batch for both items, under the epoch that is current."""
    aws.script("BatchGetItem", batch(head_item(), version_item()))
    fetched = one(aws, HeadQuery(NAME, 1))
    assert fetched.stored == ENVELOPE
    (request,) = aws.asked("BatchGetItem")
    assert asked_keys(request) == {layout.head_key(NAME), layout.version_key(NAME, VersionKey(1, 1)), POINTER, REGISTRY}


def test_a_version_of_another_epoch_is_asked_for_under_it(aws: ScriptedAws) -> None:
    """The work never depends on what is found: who knows the epoch from the head asks again."""
    aws.script("BatchGetItem", batch(head_item(epoch_of_version=1)), batch(head_item(), version_item(epoch=1)))
    assert one(aws, HeadQuery(NAME, 1), epoch=2).stored is None
    assert one(aws, HeadQuery(NAME, 1, epoch=1), epoch=2).stored == ENVELOPE
    assert [asked_keys(request) for request in aws.asked("BatchGetItem")] == [
        {layout.head_key(NAME), layout.version_key(NAME, VersionKey(1, 2)), POINTER, REGISTRY},
        {layout.head_key(NAME), layout.version_key(NAME, VersionKey(1, 1)), POINTER, REGISTRY},
    ]


def test_a_version_item_that_has_not_arrived_is_none(aws: ScriptedAws) -> None:
    """The head is here, the version is not: the use case decides what that means."""
    aws.script("BatchGetItem", batch(head_item()))
    fetched = one(aws, HeadQuery(NAME, 1))
    assert fetched.head is not None
    assert fetched.stored is None


def test_a_scrubbed_version_item_has_no_envelope(aws: ScriptedAws) -> None:
    """What was destroyed leaves an item without a value."""
    aws.script("BatchGetItem", batch(head_item(), key(layout.version_key(NAME, VersionKey(1, 1)))))
    assert one(aws, HeadQuery(NAME, 1)).stored is None


def test_many_heads_come_in_one_request_in_the_order_of_the_queries(aws: ScriptedAws) -> None:
    """DynamoDB answers in any order; a path that is asked for twice is fetched once."""
    aws.script("BatchGetItem", batch(head_item(OTHER), head_item(NAME)))
    absent = SecretName("default", "prod", "absent")
    fetched = reader(aws).fetch([HeadQuery(NAME), HeadQuery(OTHER), HeadQuery(absent), HeadQuery(NAME)]).heads
    names = [entry.head.name if entry and entry.head else None for entry in fetched]
    assert names == [NAME, OTHER, None, NAME]
    (request,) = aws.asked("BatchGetItem")
    assert len(asked_keys(request)) == 5


def test_unprocessed_keys_are_asked_for_once_more(aws: ScriptedAws) -> None:
    """Only those, and then the answer is whole."""
    aws.script("BatchGetItem", batch(head_item(NAME), unprocessed=[layout.head_key(OTHER)]), batch(head_item(OTHER)))
    fetched = reader(aws).fetch([HeadQuery(NAME), HeadQuery(OTHER)]).heads
    assert all(entry and entry.head for entry in fetched)
    assert asked_keys(aws.asked("BatchGetItem")[1]) == {layout.head_key(OTHER)}


def test_what_stays_unprocessed_is_never_taken_for_absent(aws: ScriptedAws) -> None:
    """After the second time the entry is None, which is not the same as a head that is not there."""
    left = [layout.head_key(OTHER)]
    aws.script("BatchGetItem", batch(head_item(NAME), unprocessed=left), batch(unprocessed=left))
    found, missed = reader(aws).fetch([HeadQuery(NAME), HeadQuery(OTHER)]).heads
    assert found is not None
    assert missed is None
    assert len(aws.requests) == 2


def test_an_unprocessed_version_item_is_not_taken_for_one_that_has_not_arrived(aws: ScriptedAws) -> None:
    """The same holds for the item of a numbered version."""
    left = [layout.version_key(NAME, VersionKey(1, 1))]
    aws.script("BatchGetItem", batch(head_item(), unprocessed=left), batch(unprocessed=left))
    assert list(reader(aws).fetch([HeadQuery(NAME, 1)]).heads) == [None]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(hang_up=True), StoreUnavailable),
        (Answer.error("InternalServerError", status=500), StoreUnavailable),
        (Answer.error("AccessDeniedException"), StoreUnavailable),
        (Answer.error("ProvisionedThroughputExceededException"), Throttled),
        (batch(key(layout.head_key(NAME))), IntegrityFailure),
    ],
)
def test_failures_become_errors_of_the_domain(aws: ScriptedAws, answer: Answer, error: type[DomainError]) -> None:
    """The store's trouble is named; nothing of AWS's message passes."""
    aws.script("BatchGetItem", answer)
    with pytest.raises(error) as failed:
        reader(aws).fetch([HeadQuery(NAME)])
    assert "CANARY" not in f"{failed.value}{failed.value.__cause__}"
