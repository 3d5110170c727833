"""What every registry promises: the one in force, one winner of a race, and nothing but what its pointer names."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb import layout as at
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.dynamodb.head_reader import DynamoHeadReader
from strongroom_service.adapters.registry_control import CheckedRegistry
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.adapters.writership import ConfiguredWriter
from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.errors import InvalidRequest, RegionFenced, RegistryUnavailable
from strongroom_service.domain.names import SecretName
from strongroom_service.domain.public_keys import KeySet
from strongroom_service.domain.registry import SCOPE, Registry
from strongroom_service.usecases.ports import ChangeLost, HeadQuery, Metric, RegistryControl
from tests.support.auditing import FakeMeasurements
from tests.support.fakes import FakeRegistry
from tests.support.issuers import ec_key, jwk
from tests.support.local_aws import REGION, TABLE, LocalAws

INITIAL = Registry(tenants={"default": frozenset({"111122223333"})}, operators=frozenset({"iam:op"}))
ELSEWHERE = AccessPointer(9, 9, "0" * 64, 1)


@dataclass
class Registered:
    """A registry, another one over the same table, and its fences."""

    registry: RegistryControl
    another: Callable[[], RegistryControl]
    set_fence: Callable[[int], None]


@pytest.fixture(params=["fake", "dynamodb"])
def registered(request: pytest.FixtureRequest) -> Iterator[Registered]:
    if request.param == "fake":
        fake = FakeRegistry(INITIAL)

        def set_fence(epoch: int) -> None:
            fake.epoch = epoch

        yield Registered(fake, lambda: fake, set_fence)
        return
    aws: LocalAws = request.getfixturevalue("aws")
    aws.empty()
    with closing(AwsClient(region=REGION)) as client:
        yield Registered(stored(client), lambda: stored(client), lambda epoch: aws.set_fences(epoch=epoch))


def stored(client: AwsClient, measurements: FakeMeasurements | None = None) -> CheckedRegistry:
    items = DynamoAccessItems(client=client, table=TABLE, randomness=SystemRandomness())
    return CheckedRegistry(items=items, initial=INITIAL, measurements=measurements or FakeMeasurements())


def put(registry: RegistryControl, tenant: str, *, epoch: int = 1) -> Registry:
    pointer, before = registry.load()
    after = before.with_tenant(tenant, [])
    registry.replace(pointer, after, epoch=epoch)
    return after


def test_before_the_first_one_the_options_say_it(registered: Registered) -> None:
    assert registered.registry.load() == (None, INITIAL)
    assert registered.registry.in_force() == registered.registry.at(None) == registered.registry.known() == INITIAL


def test_what_was_put_is_in_force(registered: Registered) -> None:
    after = put(registered.registry, "blue")
    pointer, found = registered.registry.load()
    assert (found, pointer) == (after, AccessPointer.to(after, epoch=1))
    assert registered.another().in_force() == registered.another().known() == after


def test_what_is_known_lags_until_more_is_shown(registered: Registered) -> None:
    """By a pointer, or by asking; and never goes back."""
    registry = registered.registry
    assert registry.known() == INITIAL
    first = put(registered.another(), "blue")
    second = put(registered.another(), "green")
    assert registry.at(AccessPointer.to(second, epoch=1)) == registry.known() == second
    # Copies of the pointer arrive in a region one by one.
    assert registry.at(AccessPointer.to(first, epoch=1)) == registry.at(None) == registry.known() == second


def test_of_racing_changes_one_is_in_force(registered: Registered) -> None:
    pointer, before = registered.registry.load()

    def try_to(tenant: str) -> bool:
        try:
            registered.another().replace(pointer, before.with_tenant(tenant, []), epoch=1)
        except ChangeLost:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(try_to, ["a", "b", "c", "d"]))
    assert sum(won) == 1
    winner = "abcd"[won.index(True)]
    assert set(registered.another().in_force().tenants) == {"default", winner}


def test_a_change_is_refused_by_the_fence(registered: Registered) -> None:
    registered.set_fence(2)
    with pytest.raises(RegionFenced):
        put(registered.registry, "blue")
    assert registered.registry.in_force() == INITIAL


def test_a_registry_that_is_not_here_lets_nobody_in(registered: Registered) -> None:
    with pytest.raises(RegistryUnavailable):
        registered.registry.at(ELSEWHERE)
    assert registered.registry.in_force() == INITIAL


def test_old_revisions_are_dropped_and_the_latest_stays(registered: Registered) -> None:
    for number in range(limits.KEPT_ACCESS_SETS + 3):
        last = put(registered.registry, f"t{number}")
    assert registered.another().in_force() == last


@pytest.fixture
def client(aws: LocalAws) -> Iterator[AwsClient]:
    aws.empty()
    with closing(AwsClient(region=REGION)) as made:
        yield made


def test_a_large_registry_is_stored_in_parts(client: AwsClient) -> None:
    """Past what one item may hold."""
    registry = stored(client)
    accounts = [f"{number:012}" for number in range(500)]
    large = INITIAL
    for number in range(60):
        large = large.with_tenant(f"t{number}", accounts)
    registry.replace(None, large, epoch=1)
    pointer, found = stored(client).load()
    assert pointer is not None
    assert (pointer.chunks, found) == (2, large)


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_what_is_damaged_lets_nobody_in_and_rings(aws: LocalAws, client: AwsClient, damage: str) -> None:
    """A registry that is not the one of its pointer is none."""
    after = put(stored(client), "blue")
    key = at.access_chunk_key(SCOPE, AccessPointer.to(after, epoch=1), 0)
    item = {at.PK: {"S": key.pk}, at.SK: {"S": key.sk}}
    if damage == "gone":
        aws.client("dynamodb").delete_item(TableName=TABLE, Key=item)
    else:
        forged = replace(after, operators=frozenset({"iam:evil"})).encode()
        aws.client("dynamodb").put_item(TableName=TABLE, Item={**item, at.BLOB: {"B": forged}})
    measured = FakeMeasurements()
    registry = stored(client, measured)
    for ask in (registry.known, registry.in_force, registry.load):
        with pytest.raises(RegistryUnavailable):
            ask()
    assert measured.counts[Metric.ACCESS_BROKEN] == 3


def test_a_read_shows_the_pointer_beside_the_heads(client: AwsClient) -> None:
    """In the same round trip."""
    after = put(stored(client), "blue")
    heads = DynamoHeadReader(
        client=client,
        table=TABLE,
        writership=ConfiguredWriter(region=REGION, epoch=1),
        randomness=SystemRandomness(),
    )
    snapshot = heads.fetch([HeadQuery(SecretName("default", "prod", "a"))])
    assert (snapshot.registry, snapshot.access) == (AccessPointer.to(after, epoch=1), None)
    assert stored(client).at(snapshot.registry) == after


def test_keys_are_tried_before_they_are_stored(client: AwsClient) -> None:
    """A point beside its curve looks like a key and verifies nothing."""
    registry = stored(client)
    registry.check(KeySet.strictly({"keys": [jwk(ec_key())]}))
    with pytest.raises(InvalidRequest, match="curve") as refused:
        registry.check(KeySet.strictly({"keys": [jwk(ec_key()), jwk(ec_key(), "key-2", y="A" * 43)]}))
    assert [it.field for it in refused.value.violations] == ["jwks.keys[1]"]
