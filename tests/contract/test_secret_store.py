"""What every secret store promises, and what every head reader tells of it."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb import layout as at
from strongroom_service.adapters.dynamodb.head_reader import DynamoHeadReader
from strongroom_service.adapters.dynamodb.store import DynamoSecretStore
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.adapters.writership import ConfiguredWriter
from strongroom_service.domain import lifecycle
from strongroom_service.domain.errors import RegionFenced
from strongroom_service.domain.names import Alias, Namespace, SecretName
from strongroom_service.domain.secret import (
    Envelope,
    Head,
    NamespaceKeys,
    RotationDue,
    VersionStatus,
    WrappedNamespaceKey,
)
from strongroom_service.usecases.ports import (
    Change,
    ChangeLost,
    Fetched,
    HeadQuery,
    HeadReader,
    Listing,
    NewVersion,
    Page,
    SecretStore,
    VersionKey,
)
from tests.support.fakes import FakeHeads, FakeStore, Fence, VersionItem
from tests.support.local_aws import REGION, TABLE, LocalAws

NOW = datetime(2030, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)
NAMES = itertools.count()


@dataclass
class Stored:
    """A store, a head reader over the same table, and its fences."""

    store: SecretStore
    heads: HeadReader
    set_fence: Callable[[int, bool], None]
    created_by: Callable[[SecretName, VersionKey], str]
    """Who made a version, as its own item says."""

    def fetch(self, query: HeadQuery) -> Fetched:
        (found,) = self.heads.fetch([query]).heads
        assert found is not None
        return found


@pytest.fixture(params=["fake", "dynamodb"])
def stored(request: pytest.FixtureRequest) -> Iterator[Stored]:
    if request.param == "fake":
        fake = FakeStore()
        yield Stored(
            fake,
            FakeHeads(fake.table),
            lambda epoch, is_open: fake.set_fence(Fence(epoch, is_open)),
            lambda name, key: fake_item(fake, name, key).created_by,
        )
        return
    aws: LocalAws = request.getfixturevalue("aws")
    aws.empty()
    with closing(AwsClient(region=REGION)) as client:
        heads = DynamoHeadReader(
            client=client,
            table=TABLE,
            writership=ConfiguredWriter(region=REGION, epoch=1),
            randomness=SystemRandomness(),
        )
        yield Stored(
            DynamoSecretStore(table=TABLE, region=REGION),
            heads,
            lambda epoch, is_open: aws.set_fences(epoch=epoch, is_open=is_open),
            lambda name, key: str(stored_item(aws, name, key)["createdBy"]["S"]),
        )


def fake_item(store: FakeStore, name: SecretName, key: VersionKey) -> VersionItem:
    item = store.table.items["version", name, key]
    assert isinstance(item, VersionItem)
    return item


def stored_item(aws: LocalAws, name: SecretName, key: VersionKey) -> dict[str, dict[str, str]]:
    pk, sk = at.version_key(name, key)
    found = aws.client("dynamodb").get_item(TableName=TABLE, Key={at.PK: {"S": pk}, at.SK: {"S": sk}})
    item: dict[str, dict[str, str]] = found["Item"]
    return item


def new_name(path: str | None = None) -> SecretName:
    return SecretName("default", "prod", path or f"payments/secret-{next(NAMES)}")


def registered(name: SecretName, *, epoch: int = 1, secret_id: str = "") -> Head:
    return lifecycle.register(
        name,
        before=None,
        secret_id=secret_id or f"sec_{next(NAMES):08d}",
        owner_team="payments",
        rotation_strategy="automated-30d",
        description="what it is",
        tags={"tier": "1"},
        epoch=epoch,
        now=NOW,
    )


def envelope(text: str = "made-up") -> Envelope:
    return Envelope(text.encode() * 40, "0" * 32, b"wrapped" * 20, "mrk-0")


def with_version(head: Head, *, epoch: int = 1) -> tuple[Head, NewVersion]:
    after = lifecycle.propose(head, fingerprint="f" * 64, expires_at_unix=1_900_000_000, epoch=epoch, now=NOW)
    return after, NewVersion(after.latest_version, envelope(f"value-{after.latest_version}"), "iam:made-up")


def store_two_versions(store: SecretStore, name: SecretName) -> Head:
    """Registered; version 1 was current before 2."""
    head = registered(name)
    store.commit(Change(None, head), epoch=1)
    for number in (1, 2):
        proposed, version = with_version(head)
        store.commit(Change(head, proposed, new_version=version), epoch=1)
        head = lifecycle.promote(proposed, number, envelope=version.envelope, epoch=1, now=NOW)
        store.commit(Change(proposed, head), epoch=1)
    return head


def test_what_is_committed_is_read_back_whole(stored: Stored) -> None:
    """By the store and by the head reader alike: every field, times to the millisecond."""
    name = new_name()
    head = store_two_versions(stored.store, name)
    assert stored.store.load(name) == head
    assert stored.fetch(HeadQuery(name)).head == head
    assert stored.store.locate(head.secret_id, tenant="default") == name


def test_what_was_never_stored_is_none(stored: Stored) -> None:
    name = new_name()
    assert stored.store.load(name) is None
    assert stored.store.locate("sec_none", tenant="default") is None
    assert stored.store.stored_envelope(name, VersionKey(1, 1)) is None
    assert stored.store.namespace_keys(Namespace("default", f"none-{next(NAMES)}")) is None
    assert list(stored.store.version_keys(name)) == []
    assert stored.store.envelope_keys(name) == {}
    assert stored.fetch(HeadQuery(name)).head is None
    assert stored.fetch(HeadQuery(name, 1)).stored is None


def test_an_id_is_located_for_its_own_tenant_only(stored: Stored) -> None:
    head = registered(new_name())
    stored.store.commit(Change(None, head), epoch=1)
    assert stored.store.locate(head.secret_id, tenant="another") is None


def test_a_version_has_an_item_of_its_own(stored: Stored) -> None:
    name = new_name()
    head = store_two_versions(stored.store, name)
    assert list(stored.store.version_keys(name)) == [VersionKey(1, 1), VersionKey(2, 1)]
    found = stored.store.stored_envelope(name, VersionKey(1, 1))
    assert found == head.envelopes[1]
    fetched = stored.fetch(HeadQuery(name, 1))
    assert (fetched.head, fetched.stored) == (head, found)


def test_a_version_of_another_epoch_is_found_by_its_number_and_epoch(stored: Stored) -> None:
    name = new_name()
    stored.set_fence(3, True)
    head = registered(name, epoch=3)
    stored.store.commit(Change(None, head), epoch=3)
    proposed, version = with_version(head, epoch=3)
    stored.store.commit(Change(head, proposed, new_version=version), epoch=3)
    assert list(stored.store.version_keys(name)) == [VersionKey(1, 3)]
    assert stored.fetch(HeadQuery(name, 1)).stored is None
    assert stored.fetch(HeadQuery(name, 1, epoch=3)).stored == version.envelope


def test_many_are_fetched_in_order(stored: Stored) -> None:
    names = [new_name() for _ in range(3)]
    heads = [store_two_versions(stored.store, name) for name in names[:2]]
    fetched = stored.heads.fetch([HeadQuery(names[1], 1), HeadQuery(names[2]), HeadQuery(names[0])]).heads
    assert [found and found.head for found in fetched] == [heads[1], None, heads[0]]
    assert fetched[0] is not None
    assert fetched[0].stored == heads[1].envelopes[1]


def test_a_change_of_another_state_is_lost(stored: Stored) -> None:
    name = new_name()
    head = store_two_versions(stored.store, name)
    after = replace(head, revision=head.revision + 1, description="another")
    for before in (None, replace(head, revision=head.revision - 1), replace(head, epoch=2)):
        with pytest.raises(ChangeLost):
            stored.store.commit(Change(before, after), epoch=1)
    assert stored.store.load(name) == head


def test_of_racing_changes_one_is_stored(stored: Stored) -> None:
    name = new_name()
    head = store_two_versions(stored.store, name)

    def change(index: int) -> bool:
        after = replace(head, revision=head.revision + 1, description=f"by {index}")
        try:
            stored.store.commit(Change(head, after), epoch=1)
        except ChangeLost:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [index for index, stands in enumerate(pool.map(change, range(16))) if stands]
    assert len(won) == 1
    found = stored.store.load(name)
    assert found is not None
    assert found.description == f"by {won[0]}"


def test_a_lost_change_leaves_no_part_of_it(stored: Stored) -> None:
    """Its version's item, the scrubbing, the pruning: all or nothing."""
    name = new_name()
    head = store_two_versions(stored.store, name)
    stale = replace(head, revision=head.revision - 1)
    after, version = with_version(stale)
    change = Change(stale, after, new_version=version, scrubbed=(VersionKey(1, 1),), dropped=(VersionKey(2, 1),))
    with pytest.raises(ChangeLost):
        stored.store.commit(change, epoch=1)
    assert list(stored.store.version_keys(name)) == [VersionKey(1, 1), VersionKey(2, 1)]
    assert stored.store.stored_envelope(name, VersionKey(1, 1)) is not None
    assert stored.store.load(name) == head


@pytest.mark.parametrize(("epoch", "is_open"), [(2, True), (1, False)])
def test_a_fence_refuses_every_write(stored: Stored, epoch: int, is_open: bool) -> None:  # noqa: FBT001  # a parameter
    name = new_name()
    head = store_two_versions(stored.store, name)
    registered_keys = new_keys(f"fenced-{next(NAMES)}")
    stored.store.add_namespace_keys(registered_keys, epoch=1)
    stored.set_fence(epoch, is_open)
    with pytest.raises(RegionFenced):
        stored.store.commit(Change(head, replace(head, revision=head.revision + 1)), epoch=1)
    with pytest.raises(RegionFenced):
        stored.store.scrub(name, [VersionKey(1, 1)], epoch=1)
    with pytest.raises(RegionFenced):
        stored.store.add_namespace_keys(new_keys(f"fenced-{next(NAMES)}"), epoch=1)
    with pytest.raises(RegionFenced):
        stored.store.replace_namespace_keys(registered_keys, renewed(registered_keys), epoch=1)
    assert stored.store.namespace_keys(registered_keys.namespace) == registered_keys
    assert stored.store.load(name) == head
    assert stored.store.stored_envelope(name, VersionKey(1, 1)) is not None


def test_scrubbing_takes_the_value_and_leaves_the_item(stored: Stored) -> None:
    name = new_name()
    head = store_two_versions(stored.store, name)
    after = lifecycle.destroy(head, 1, epoch=1, now=NOW)
    stored.store.commit(Change(head, after, scrubbed=(VersionKey(1, 1),)), epoch=1)
    assert stored.store.stored_envelope(name, VersionKey(1, 1)) is None
    assert list(stored.store.version_keys(name)) == [VersionKey(1, 1), VersionKey(2, 1)]
    assert after.versions[1].status is VersionStatus.DESTROYED
    fetched = stored.fetch(HeadQuery(name, 1))
    assert (fetched.head, fetched.stored) == (after, None)


def test_scrubbing_takes_any_number_of_items_and_can_be_repeated(stored: Stored) -> None:
    """More than a transaction has room for, items among them that have not arrived."""
    name = new_name()
    store_two_versions(stored.store, name)
    keys = [VersionKey(number, 1) for number in range(1, 121)]
    for _ in range(2):
        stored.store.scrub(name, keys, epoch=1)
    assert all(stored.store.stored_envelope(name, key) is None for key in keys)
    assert list(stored.store.version_keys(name)) == keys


def test_a_pruned_version_loses_its_item(stored: Stored) -> None:
    name = new_name()
    head = store_two_versions(stored.store, name)
    after = replace(
        head,
        revision=head.revision + 1,
        versions={2: head.versions[2]},
        aliases={Alias.CURRENT: 2},
        envelopes={2: head.envelopes[2]},
    )
    stored.store.commit(Change(head, after, dropped=(VersionKey(1, 1),)), epoch=1)
    assert list(stored.store.version_keys(name)) == [VersionKey(2, 1)]
    assert stored.store.load(name) == after


def test_a_new_id_on_the_same_head_is_located_too(stored: Stored) -> None:
    name = new_name()
    head = registered(name)
    stored.store.commit(Change(None, head), epoch=1)
    again = replace(head, secret_id=f"sec_{next(NAMES):08d}", revision=head.revision + 1)
    stored.store.commit(Change(head, again), epoch=1)
    assert stored.store.locate(again.secret_id, tenant="default") == name


def test_listing_goes_by_path_in_pages(stored: Stored) -> None:
    for path in ("b/two", "a/one", "b/one", "c"):
        stored.store.commit(Change(None, registered(new_name(path))), epoch=1)
    stored.store.commit(Change(None, registered(SecretName("default", "test", "a"))), epoch=1)
    namespace = Namespace("default", "prod")
    first = eventually(lambda: stored.store.list_heads(Listing(namespace, limit=3)), lambda page: len(page.heads) == 3)
    assert [head.name.path for head in first.heads] == ["a/one", "b/one", "b/two"]
    assert first.last_path == "b/two"
    rest = stored.store.list_heads(Listing(namespace, after_path=first.last_path, limit=3))
    assert ([head.name.path for head in rest.heads], rest.last_path) == (["c"], None)
    under = stored.store.list_heads(Listing(namespace, prefix="b/"))
    assert [head.name.path for head in under.heads] == ["b/one", "b/two"]


def eventually(call: Callable[[], Page], holds: Callable[[Page], bool]) -> Page:
    """Listings are eventually consistent."""
    deadline = time.monotonic() + 5
    while not holds(found := call()):
        assert time.monotonic() < deadline
    return found


def test_a_listing_shows_metadata_and_aliases_only(stored: Stored) -> None:
    name = new_name()
    head = store_two_versions(stored.store, name)
    [listed] = stored.store.list_heads(Listing(Namespace("default", "prod"), prefix=name.path)).heads
    assert listed == replace(head, versions={}, envelopes={}, client_tokens=())


def test_a_deleted_secret_is_listed_and_a_tombstone_is_not(stored: Stored) -> None:
    names = [new_name(f"listed/{state}") for state in ("active", "deleted", "purged")]
    heads = [registered(name) for name in names]
    for head in heads:
        stored.store.commit(Change(None, head), epoch=1)
    stored.store.commit(Change(heads[1], lifecycle.delete(heads[1], restore_days=7, epoch=1, now=NOW)), epoch=1)
    stored.store.commit(Change(heads[2], lifecycle.purge(heads[2], epoch=1, now=NOW)), epoch=1)
    listing = Listing(Namespace("default", "prod"), prefix="listed/")
    page = eventually(lambda: stored.store.list_heads(listing), lambda page: len(page.heads) == 2)
    assert [head.name for head in page.heads] == names[:2]


def wrapped_key(environment: str) -> WrappedNamespaceKey:
    return WrappedNamespaceKey("default", environment, f"{next(NAMES):032x}", b"wrapped" * 20, "mrk-0")


def new_keys(environment: str) -> NamespaceKeys:
    return NamespaceKeys(wrapped_key(environment), wrapped_key(environment))


def renewed(keys: NamespaceKeys) -> NamespaceKeys:
    return replace(keys, active=wrapped_key(keys.active.environment))


def test_the_first_namespace_keys_stay(stored: Stored) -> None:
    environment = f"env-{next(NAMES)}"
    keys = [new_keys(environment) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        answered = list(pool.map(lambda each: stored.store.add_namespace_keys(each, epoch=1), keys))
    found = stored.store.namespace_keys(Namespace("default", environment))
    assert found in keys
    assert answered == [found, found]


def test_of_racing_renewals_one_is_stored(stored: Stored) -> None:
    before = stored.store.add_namespace_keys(new_keys(f"env-{next(NAMES)}"), epoch=1)
    candidates = [renewed(before) for _ in range(8)]

    def replace_keys(after: NamespaceKeys) -> bool:
        try:
            stored.store.replace_namespace_keys(before, after, epoch=1)
        except ChangeLost:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [after for after, stands in zip(candidates, pool.map(replace_keys, candidates), strict=True) if stands]
    assert won == [stored.store.namespace_keys(before.namespace)]
    assert won[0].digests == before.digests


def test_keys_that_were_never_registered_are_not_replaced(stored: Stored) -> None:
    before = new_keys(f"env-{next(NAMES)}")
    with pytest.raises(ChangeLost):
        stored.store.replace_namespace_keys(before, renewed(before), epoch=1)
    assert stored.store.namespace_keys(before.namespace) is None


def rewrapping(stored: Stored, name: SecretName) -> Change:
    """Versions 1 and 2 under the namespace's key, which they are not yet."""
    keys = stored.store.namespace_keys(name.namespace)
    keys = keys or stored.store.add_namespace_keys(new_keys(name.environment), epoch=1)
    head = store_two_versions(stored.store, name)
    anew = {
        n: lifecycle.Rewrapped(replace(envelope(f"anew-{n}"), namespace_key_id=keys.active.namespace_key_id), "a" * 64)
        for n in (1, 2)
    }
    after = lifecycle.rewrap(head, anew, epoch=1, now=NOW)
    items = {VersionKey(n, 1): each.envelope for n, each in anew.items()}
    return Change(head, after, active_key=keys.active, rewrapped=items)


def test_rewrapping_replaces_envelopes_and_nothing_else(stored: Stored) -> None:
    name = new_name()
    change = rewrapping(stored, name)
    assert set(stored.store.envelope_keys(name).values()) == {envelope().namespace_key_id}
    stored.store.commit(change, epoch=1)
    assert stored.store.load(name) == change.after
    for key, anew in change.rewrapped.items():
        assert stored.store.stored_envelope(name, key) == anew
        assert stored.fetch(HeadQuery(name, key.number)).stored == anew
    assert stored.created_by(name, VersionKey(1, 1)) == "iam:made-up"
    assert stored.store.envelope_keys(name) == {key: anew.namespace_key_id for key, anew in change.rewrapped.items()}


def test_rewrapping_brings_nothing_back(stored: Stored) -> None:
    """An item that was scrubbed or dropped: the change is refused whole."""
    name = new_name()
    change = rewrapping(stored, name)
    stored.store.scrub(name, [VersionKey(1, 1)], epoch=1)
    with pytest.raises(ChangeLost):
        stored.store.commit(change, epoch=1)
    missing = replace(change, rewrapped={VersionKey(9, 1): envelope()})
    with pytest.raises(ChangeLost):
        stored.store.commit(missing, epoch=1)
    assert stored.store.load(name) == change.before
    assert stored.store.envelope_keys(name) == {VersionKey(2, 1): envelope().namespace_key_id}
    assert list(stored.store.version_keys(name)) == [VersionKey(1, 1), VersionKey(2, 1)]


def test_rewrapping_under_a_key_that_is_no_longer_active_is_refused(stored: Stored) -> None:
    name = new_name()
    change = rewrapping(stored, name)
    keys = stored.store.namespace_keys(name.namespace)
    assert keys is not None
    stored.store.replace_namespace_keys(keys, renewed(keys), epoch=1)
    with pytest.raises(ChangeLost):
        stored.store.commit(change, epoch=1)
    assert stored.store.load(name) == change.before


def test_as_many_versions_as_a_secret_keeps_tell_their_keys(stored: Stored) -> None:
    """More than one answer of the table holds."""
    name = new_name()
    head = registered(name)
    stored.store.commit(Change(None, head), epoch=1)
    for number in range(1, 23):
        proposed, version = with_version(head)
        large = replace(version, envelope=replace(envelope("v" * 1600), namespace_key_id=f"{number:032x}"))
        stored.store.commit(Change(head, proposed, new_version=large), epoch=1)
        head = proposed
    found = stored.store.envelope_keys(name)
    assert found == {VersionKey(number, 1): f"{number:032x}" for number in range(1, 23)}


def test_a_flag_is_stored_listed_and_taken_off(stored: Stored) -> None:
    name = new_name()
    head = registered(name)
    stored.store.commit(Change(None, head), epoch=1)
    due = RotationDue(NOW, "break-glass", "bg_0197f6b1-4f6c-7b1e-9d43-1f6f6f0f3c11", 1)
    flagged = lifecycle.flag_rotation(head, due, read_at=NOW, epoch=1, now=NOW)
    stored.store.commit(Change(head, flagged), epoch=1)
    assert stored.store.load(name) == flagged
    (listed,) = stored.store.list_heads(Listing(name.namespace, name.path)).heads
    assert listed.rotation_due == due
    proposed, version = with_version(flagged)
    current = lifecycle.promote(proposed, 1, envelope=version.envelope, epoch=1, now=NOW)
    assert current.rotation_due == due
    later, next_version = with_version(current)
    after = lifecycle.promote(later, 2, envelope=next_version.envelope, epoch=1, now=NOW)
    for change in (
        Change(flagged, proposed, new_version=version),
        Change(proposed, current),
        Change(current, later, new_version=next_version),
        Change(later, after),
    ):
        stored.store.commit(change, epoch=1)
    found = stored.store.load(name)
    assert found is not None
    assert found.rotation_due is None
