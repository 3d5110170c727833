"""What stored access sets promise: the fake that other tests stand on, and the table."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb import layout as at
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.dynamodb.head_reader import DynamoHeadReader
from strongroom_service.adapters.stored_documents import AccessItems
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.adapters.writership import ConfiguredWriter
from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer, AccessSet
from strongroom_service.domain.errors import AccessSetUnavailable, RegionFenced, StoreUnavailable
from strongroom_service.domain.names import SecretName
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.ports import ChangeLost, HeadQuery
from tests.support.access import FakeAccessItems
from tests.support.local_aws import REGION, TABLE, LocalAws

TENANT = "default"


def access_set(revision: int, *, tenant: str = TENANT, members: int = 0) -> AccessSet:
    policies = {"p": RoleBinding(role=Role.READER, principal=f"iam:{revision}")}
    names = {"team": frozenset(f"iam:{number:04}-{'x' * 400}" for number in range(members))}
    return AccessSet(tenant, revision, policies, names)


@dataclass
class Stored:
    """The items, and their fence."""

    items: AccessItems
    set_epoch: Callable[[int], None]

    def replace(self, before: AccessSet | None, after: AccessSet, *, epoch: int = 1) -> AccessPointer:
        pointer = AccessPointer.to(after, epoch=epoch)
        known = None if before is None else AccessPointer.to(before, epoch=epoch)
        self.items.replace(after.tenant, known, pointer, after.encode(), epoch=epoch)
        return pointer


@pytest.fixture(params=["fake", "dynamodb"])
def stored(request: pytest.FixtureRequest) -> Iterator[Stored]:
    if request.param == "fake":
        fake = FakeAccessItems()
        yield Stored(fake, lambda epoch: setattr(fake, "epoch", epoch))
        return
    aws: LocalAws = request.getfixturevalue("aws")
    aws.empty()
    with closing(AwsClient(region=REGION)) as client:
        items = DynamoAccessItems(client=client, table=TABLE, randomness=SystemRandomness())
        yield Stored(items, lambda epoch: aws.set_fences(epoch=epoch))


def test_before_the_first_set_there_is_no_pointer(stored: Stored) -> None:
    assert stored.items.pointer(TENANT) is None


@pytest.mark.parametrize("members", [0, 1000, 2500])
def test_what_is_put_in_force_is_found(stored: Stored, members: int) -> None:
    """Also when it takes several items."""
    first = access_set(1, members=members)
    pointer = stored.replace(None, first)
    assert stored.items.pointer(TENANT) == pointer
    document = stored.items.document(TENANT, pointer)
    assert document is not None
    assert AccessSet.decode(document, pointer, tenant=TENANT) == first


def test_only_what_was_derived_from_the_set_in_force_is_stored(stored: Stored) -> None:
    first, second, late = access_set(1), access_set(2), access_set(3)
    stored.replace(None, first)
    with pytest.raises(ChangeLost):
        stored.replace(None, late)
    pointer = stored.replace(first, second)
    with pytest.raises(ChangeLost):
        stored.replace(first, late)
    assert stored.items.pointer(TENANT) == pointer


def test_of_racing_changes_one_wins(stored: Stored) -> None:
    first = access_set(1)
    stored.replace(None, first)

    def race(number: int) -> bool:
        try:
            stored.replace(first, access_set(number))
        except ChangeLost:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = [number for number, has_won in zip(range(2, 10), pool.map(race, range(2, 10)), strict=True) if has_won]
    pointer = stored.items.pointer(TENANT)
    assert pointer is not None
    assert won == [pointer.revision]
    assert stored.items.document(TENANT, pointer) == access_set(pointer.revision).encode()


def test_a_fenced_region_stores_nothing(stored: Stored) -> None:
    pointer = stored.replace(None, access_set(1))
    stored.set_epoch(2)
    with pytest.raises(RegionFenced):
        stored.replace(access_set(1), access_set(2))
    assert stored.items.pointer(TENANT) == pointer


def test_tenants_are_apart(stored: Stored) -> None:
    pointer = stored.replace(None, access_set(1))
    other = stored.replace(None, access_set(1, tenant="other", members=1))
    assert (stored.items.pointer(TENANT), stored.items.pointer("other")) == (pointer, other)
    assert stored.items.document("other", pointer) is None


class Table:
    """The table's own items, to look at and to spoil."""

    def __init__(self, aws: LocalAws) -> None:
        aws.empty()
        self._aws = aws
        self.client = aws.client("dynamodb")

    def keys(self, prefix: str) -> list[str]:
        found = self.client.query(
            TableName=TABLE,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :sk)",
            ExpressionAttributeValues={":pk": {"S": f"A#{TENANT}"}, ":sk": {"S": prefix}},
        )
        return [item["SK"]["S"] for item in found["Items"]]

    def delete(self, sk: str) -> None:
        self.client.delete_item(TableName=TABLE, Key={"PK": {"S": f"A#{TENANT}"}, "SK": {"S": sk}})

    def put(self, sk: str, **attributes: Any) -> None:
        self.client.put_item(TableName=TABLE, Item={"PK": {"S": f"A#{TENANT}"}, "SK": {"S": sk}, **attributes})


@pytest.fixture
def table(aws: LocalAws) -> Table:
    return Table(aws)


@pytest.fixture
def items(table: Table) -> Iterator[Stored]:
    del table
    with closing(AwsClient(region=REGION)) as client:
        yield Stored(DynamoAccessItems(client=client, table=TABLE, randomness=SystemRandomness()), lambda _: None)


def test_every_copy_of_the_pointer_moves_at_once(items: Stored, table: Table) -> None:
    items.replace(None, access_set(1))
    assert len(table.keys("POINTER#")) == limits.ACCESS_POINTER_COPIES
    pointer = items.replace(access_set(1), access_set(2))
    assert {items.items.pointer(TENANT) for _ in range(40)} == {pointer}


def test_the_last_sets_stay_stored_and_older_ones_leave(items: Stored, table: Table) -> None:
    """A region whose pointer is late still finds its set."""
    items.replace(None, access_set(1, members=1000))
    for revision in range(2, limits.KEPT_ACCESS_SETS + 4):
        before = access_set(revision - 1, members=1000 if revision == 2 else 0)
        items.replace(before, access_set(revision))
    kept = sorted({int(key.split("#")[1]) for key in table.keys("SET#")})
    assert kept == list(range(4, limits.KEPT_ACCESS_SETS + 4))
    assert len(table.keys("SET#")) == limits.KEPT_ACCESS_SETS
    for revision in kept:
        pointer = AccessPointer.to(access_set(revision), epoch=1)
        assert items.items.document(TENANT, pointer) == access_set(revision).encode()


def test_a_change_that_died_before_its_pointer_moved_is_none(items: Stored, table: Table) -> None:
    """Its chunks lie there; the set before decides on, and the same change can be made again."""
    first = items.replace(None, access_set(1))
    torn = access_set(2, members=1000)
    pointer = AccessPointer.to(torn, epoch=1)
    key = at.access_chunk_key(TENANT, pointer, 0)
    table.put(key.sk, blob={"B": torn.encode()[: limits.ACCESS_SET_CHUNK_BYTES]})
    assert items.items.pointer(TENANT) == first
    assert items.items.document(TENANT, pointer) is None
    assert items.replace(access_set(1), torn) == pointer
    assert items.items.document(TENANT, pointer) == torn.encode()


def test_a_missing_chunk_is_a_missing_set(items: Stored, table: Table) -> None:
    pointer = items.replace(None, access_set(1, members=1000))
    table.delete(at.access_chunk_key(TENANT, pointer, 1).sk)
    assert items.items.document(TENANT, pointer) is None


def test_a_chunk_without_content_is_no_document(items: Stored, table: Table) -> None:
    pointer = items.replace(None, access_set(1))
    table.put(at.access_chunk_key(TENANT, pointer, 0).sk)
    assert items.items.document(TENANT, pointer) == b""


def test_a_damaged_pointer_refuses_writers_and_readers(items: Stored, table: Table) -> None:
    items.replace(None, access_set(1))
    for copy in range(limits.ACCESS_POINTER_COPIES):
        table.put(f"POINTER#{copy}", digest={"S": "made-up"})
    with pytest.raises(AccessSetUnavailable):
        items.items.pointer(TENANT)
    with closing(AwsClient(region=REGION)) as client:
        heads = DynamoHeadReader(
            client=client,
            table=TABLE,
            writership=ConfiguredWriter(region=REGION, epoch=1),
            randomness=SystemRandomness(),
        )
        with pytest.raises(AccessSetUnavailable):
            heads.fetch([HeadQuery(SecretName(TENANT, "prod", "x"))])


def test_a_table_that_is_not_there_is_an_error_of_the_domain(aws: LocalAws) -> None:
    del aws
    with closing(AwsClient(region=REGION)) as client:
        items = DynamoAccessItems(client=client, table="no-such-table", randomness=SystemRandomness())
        first = access_set(1)
        pointer = AccessPointer.to(first, epoch=1)
        for call in (
            lambda: items.pointer(TENANT),
            lambda: items.document(TENANT, pointer),
            lambda: items.replace(TENANT, None, pointer, first.encode(), epoch=1),
        ):
            with pytest.raises(StoreUnavailable):
                call()
