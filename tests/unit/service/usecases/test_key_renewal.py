"""Renewing a namespace's key and re-wrapping what is under older ones: beside everything else that goes on."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import (
    AccessDenied,
    AuditUnavailable,
    Conflict,
    DomainError,
    IntegrityFailure,
    InvalidRequest,
    KmsUnavailable,
    NotFound,
    NotWriter,
    RegionFenced,
    StaleExpectation,
    StoreUnavailable,
    Throttled,
)
from strongroom_service.domain.names import Alias, Namespace, SecretName
from strongroom_service.domain.secret import NamespaceKeys
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.change_secret import delete_secret, purge_secret, restore_secret
from strongroom_service.usecases.change_version import destroy_version, disable_version, enable_version
from strongroom_service.usecases.list_secrets import Query, list_secrets
from strongroom_service.usecases.ports import Change, VersionKey
from strongroom_service.usecases.propose_version import Proposal
from strongroom_service.usecases.put_value import Put, put_value
from strongroom_service.usecases.renew_namespace_key import RenewedKey, renew_namespace_key
from strongroom_service.usecases.rewrap_namespace import RewrapProgress, RewrapQuery, rewrap_namespace
from tests.support.deployment import CALLER, NAME, REPLICA, Deployment
from tests.support.fakes import Fence, VersionItem

NAMESPACE = NAME.namespace
KEY = "idempotency-key-1"
OTHER_NAMES = [SecretName("default", "prod", f"payments/{letter}") for letter in "abc"]


def renew(deployment: Deployment, *, namespace: Namespace = NAMESPACE) -> RenewedKey:
    return renew_namespace_key(namespace, caller=CALLER, ports=deployment.write_ports())


def rewrap(deployment: Deployment, **said: Any) -> RewrapProgress:
    query = RewrapQuery(**{"namespace": NAMESPACE, **said})
    return rewrap_namespace(query, caller=CALLER, ports=deployment.write_ports())


def rewrap_all(deployment: Deployment, *, limit: int = 2) -> list[RewrapProgress]:
    found = [rewrap(deployment, limit=limit)]
    while found[-1].next_cursor is not None:
        found.append(rewrap(deployment, limit=limit, cursor=found[-1].next_cursor))
    return found


def keys_of(deployment: Deployment, name: SecretName = NAME) -> set[str]:
    """The ids of the namespace keys that anything of a secret is under."""
    head = deployment.head(name)
    items = [item for key, item in deployment.table.items.items() if key[:2] == ("version", name)]
    stored = [item.envelope for item in items if isinstance(item, VersionItem) and item.envelope]
    return {envelope.namespace_key_id for envelope in (*head.envelopes.values(), *stored)}


def active(deployment: Deployment) -> NamespaceKeys:
    keys = deployment.store.namespace_keys(NAMESPACE)
    assert keys is not None
    return keys


def active_id(deployment: Deployment) -> str:
    return active(deployment).active.namespace_key_id


def fingerprints(deployment: Deployment) -> dict[int, str | None]:
    return {number: record.fingerprint for number, record in deployment.head().versions.items()}


def with_every_state(deployment: Deployment) -> None:
    """Version 1 destroyed, 2 disabled, 3 previous, 4 current, 5 next, 6 pending."""
    target = deployment.stored("value-1", "value-2", "value-3", "value-4")
    for value in ("value-5", "value-6"):
        deployment.propose(target, value)
    deployment.move(target, Alias.NEXT, 5, None)
    destroy_version(1, target=target, caller=CALLER, ports=deployment.write_ports())
    disable_version(2, target=target, caller=CALLER, ports=deployment.write_ports())


def meanwhile(deployment: Deployment, operation: str, act: Callable[[], object], *, after: int = 0) -> None:
    """Let something happen right before the store's next call of an operation, once `after` more have passed."""
    store = deployment.store
    original = getattr(store, operation)
    left = [after]

    def interrupted(*given: Any, **said: Any) -> Any:
        if left[0]:
            left[0] -= 1
        else:
            setattr(store, operation, original)
            act()
        return original(*given, **said)

    setattr(store, operation, interrupted)


# Renewing


def test_new_versions_are_under_the_new_key_and_old_ones_stay_readable(deployment: Deployment) -> None:
    target = deployment.stored("first", "second")
    before = active(deployment)
    renewed = renew(deployment)
    assert renewed.namespace_key_id == active_id(deployment) != before.active.namespace_key_id
    assert (renewed.namespace, renewed.created_at) == (NAMESPACE, deployment.clock.now())
    third = deployment.propose(target, "third")
    deployment.promote(target, third, 2)
    head = deployment.head()
    assert head.envelopes[third].namespace_key_id == renewed.namespace_key_id
    assert head.envelopes[2].namespace_key_id == before.active.namespace_key_id
    assert [deployment.text(version) for version in ("v1", "v2", "v3")] == ["first", "second", "third"]
    assert active(deployment).digests == before.digests


def test_a_renewal_is_recorded_before_and_after(deployment: Deployment) -> None:
    deployment.stored("first")
    renew(deployment)
    intent, outcome = deployment.audit.events[-2:]
    assert (intent.action, intent.phase, intent.outcome) == (AuditAction.RENEW_KEY, Phase.INTENT, "")
    assert (outcome.action, outcome.phase, outcome.outcome) == (AuditAction.RENEW_KEY, Phase.OUTCOME, "ok")
    assert intent.operation_id == outcome.operation_id
    assert (intent.environment, intent.path, intent.secret_id) == ("prod", "", "")


def test_of_racing_renewals_one_wins(deployment: Deployment) -> None:
    deployment.stored("first")
    theirs: list[RenewedKey] = []
    meanwhile(deployment, "replace_namespace_keys", lambda: theirs.append(renew(deployment)))
    with pytest.raises(Conflict):
        renew(deployment)
    assert active_id(deployment) == theirs[0].namespace_key_id
    assert deployment.audit.events[-1].outcome == "conflict"


CALLS: dict[str, Callable[..., object]] = {"renew": renew, "rewrap": rewrap}


@pytest.mark.parametrize("call", CALLS)
def test_where_nothing_was_ever_stored_there_is_no_key(deployment: Deployment, call: str) -> None:
    with pytest.raises(NotFound):
        CALLS[call](deployment)
    assert deployment.table.items.keys() == {("fence",)}
    assert deployment.audit.events[-1].outcome == "not_found"


@pytest.mark.parametrize("call", CALLS)
def test_who_owns_a_part_of_an_environment_may_not(deployment: Deployment, call: str) -> None:
    with_every_state(deployment)
    before = dict(deployment.table.items)
    deployment.policy.rule = lambda action, resource: action is not Action.REWRAP or resource.path is not None
    with pytest.raises(AccessDenied):
        CALLS[call](deployment)
    assert deployment.table.items == before
    denial = deployment.audit.events[-1]
    assert (denial.phase, denial.allowed, denial.environment) == (Phase.DENIAL, False, "prod")


@pytest.mark.parametrize("call", CALLS)
def test_only_the_writer_region_does_it(deployment: Deployment, call: str) -> None:
    with_every_state(deployment)
    renew(deployment)
    before = dict(deployment.table.items)
    deployment.writership.region = REPLICA
    with pytest.raises(NotWriter) as refused:
        CALLS[call](deployment)
    assert refused.value.details == {"writerRegion": REPLICA}
    assert deployment.table.items == before
    assert deployment.audit.events[-1].outcome == "not_writer"


@pytest.mark.parametrize("fence", [Fence(2), Fence(1, is_open=False)])
@pytest.mark.parametrize("call", CALLS)
def test_a_fence_stops_it(deployment: Deployment, call: str, fence: Fence) -> None:
    with_every_state(deployment)
    renew(deployment)
    deployment.store.set_fence(fence)
    before = dict(deployment.table.items)
    with pytest.raises(RegionFenced):
        CALLS[call](deployment)
    assert deployment.table.items == before
    assert deployment.audit.events[-1].outcome == "region_fenced"


@pytest.mark.parametrize("call", CALLS)
def test_every_port_may_fail_at_every_call(deployment: Deployment, call: str) -> None:
    """Whatever fails, in turn: the error is told, every value stays readable, and the same call then does the rest."""
    with_every_state(deployment)
    renew(deployment)
    snapshot = dict(deployment.table.items)
    counted = dict(deployment.failures.calls)
    CALLS[call](deployment)
    calls = {name: count - counted.get(name, 0) for name, count in deployment.failures.calls.items()}
    for operation in (name for name, count in calls.items() if count):
        for number in range(calls[operation]):
            deployment.table.items.clear()
            deployment.table.items.update(snapshot)
            error: DomainError = AuditUnavailable() if operation == "audit" else StoreUnavailable()
            deployment.failures.plan(operation, error, after=number)
            with pytest.raises(type(error)):
                CALLS[call](deployment)
            deployment.failures.plan(operation, error, times=0)
            if operation != "audit":
                assert deployment.audit.events[-1].outcome == "store_unavailable"
            assert [deployment.text(it) for it in ("v3", "v4", "next")] == ["value-3", "value-4", "value-5"]
            rewrap(deployment)
            assert keys_of(deployment) == {active_id(deployment)}


# The same call again, across a renewal


def test_a_call_repeated_across_a_renewal_is_recognised(deployment: Deployment) -> None:
    """Registering, proposing, promoting: by their keys, between renewal and re-wrapping and after it."""
    target = deployment.register(client_token="key-of-the-registration")
    deployment.propose(target, "value", client_token="key-of-the-proposal")
    deployment.promote(target, 1, None, client_token="key-of-the-promotion")
    for step in (renew, rewrap, renew, rewrap):
        step(deployment)
        before = deployment.head()
        assert deployment.register(client_token="key-of-the-registration") == target
        assert deployment.propose(target, "value", client_token="key-of-the-proposal") == 1
        assert deployment.promote(target, 1, None, client_token="key-of-the-promotion").aliases == {Alias.CURRENT: 1}
        assert deployment.head() == before
        with pytest.raises(InvalidRequest):
            deployment.propose(target, "other", client_token="key-of-the-proposal")
        with pytest.raises(StaleExpectation):
            deployment.promote(target, 1, None, client_token="another-key-of-a-call")


def test_a_put_repeated_across_a_renewal_is_done_once(deployment: Deployment) -> None:
    def put(text: str) -> int:
        proposal = Proposal(value=SecretValue.from_text(text), client_token=KEY)
        wanted = Put(name=NAME, proposal=proposal, owner_team="payments")
        return put_value(wanted, caller=CALLER, ports=deployment.write_ports()).number

    assert put("value") == 1
    for step in (renew, rewrap):
        step(deployment)
        assert put("value") == 1
        with pytest.raises(InvalidRequest):
            put("other")
    assert deployment.head().latest_version == 1


def test_a_repeated_value_is_compared_with_one_state(deployment: Deployment) -> None:
    """The version is re-wrapped between the reading of its head and of its item: no mismatch comes of that."""
    target = deployment.register()
    deployment.propose(target, "value", client_token=KEY)
    renew(deployment)
    meanwhile(deployment, "stored_envelope", lambda: rewrap(deployment))
    assert deployment.propose(target, "value", client_token=KEY) == 1
    assert deployment.head().latest_version == 1
    renew(deployment)
    meanwhile(deployment, "stored_envelope", lambda: rewrap(deployment))
    with pytest.raises(InvalidRequest):
        deployment.propose(target, "other", client_token=KEY)


def test_a_namespace_of_one_key_is_renewed_too(deployment: Deployment) -> None:
    """As it was registered before there was a key for digests: that one stays for those."""
    target = deployment.register()
    first = active(deployment).active
    deployment.table.items["namespace keys", NAMESPACE] = NamespaceKeys(first, first)
    deployment.propose(target, "value", client_token=KEY)
    renew(deployment)
    rewrap_all(deployment)
    assert deployment.propose(target, "value", client_token=KEY) == 1
    assert active(deployment).digests == first
    assert keys_of(deployment) == {active_id(deployment)} != {first.namespace_key_id}


def test_a_listing_goes_on_across_a_renewal(deployment: Deployment) -> None:
    for name in OTHER_NAMES:
        deployment.register(name)
    query = Query(namespace=NAMESPACE, limit=2)
    first = list_secrets(query, caller=CALLER, ports=deployment.write_ports())
    renew(deployment)
    rest = list_secrets(replace(query, cursor=first.next_cursor), caller=CALLER, ports=deployment.write_ports())
    assert [head.name for head in rest.heads] == [OTHER_NAMES[2]]


# Re-wrapping


def test_rewrapping_leaves_nothing_under_another_key(deployment: Deployment) -> None:
    """Every version that has a value, in head and item; what is destroyed stays so; nothing else changes."""
    with_every_state(deployment)
    before = deployment.head()
    renew(deployment)
    deployment.encryption.opened.clear()
    assert rewrap(deployment) == RewrapProgress(rewrapped=1, examined=1, failed=0, next_cursor=None)
    after = deployment.head()
    assert keys_of(deployment) == {active_id(deployment)}
    assert set(after.envelopes) == {3, 4, 5}
    assert after.envelopes.keys() == before.envelopes.keys()
    assert (after.aliases, after.latest_version) == (before.aliases, before.latest_version)
    assert {n: r.status for n, r in after.versions.items()} == {n: r.status for n, r in before.versions.items()}
    assert after.versions[1] == before.versions[1]
    assert deployment.store.stored_envelope(NAME, VersionKey(1, 1)) is None
    assert [deployment.text(it) for it in ("v3", "v4", "next")] == ["value-3", "value-4", "value-5"]
    assert len(deployment.encryption.opened) == 5 + 3
    assert all(not any(value.buffer) for value in deployment.encryption.opened[:5]), "values are wiped"


def test_a_head_and_an_item_of_different_ages_are_both_brought_up(deployment: Deployment) -> None:
    """As they may lie in a region that has taken over before both had arrived."""
    deployment.stored("first", "second")
    before = deployment.head()
    renew(deployment)
    rewrap(deployment)
    newer = deployment.head()
    deployment.table.items["head", NAME] = replace(newer, versions=before.versions, envelopes=before.envelopes)
    assert len(keys_of(deployment)) == 2
    assert rewrap(deployment) == RewrapProgress(rewrapped=1, examined=1, failed=0, next_cursor=None)
    assert keys_of(deployment) == {active_id(deployment)}
    assert fingerprints(deployment) == {n: record.fingerprint for n, record in newer.versions.items()}
    assert [deployment.text(version) for version in ("previous", "current")] == ["first", "second"]


def test_what_was_disabled_or_pending_is_readable_once_it_may_be(deployment: Deployment) -> None:
    target = deployment.stored("first", "second")
    disable_version(1, target=target, caller=CALLER, ports=deployment.write_ports())
    third = deployment.propose(target, "third")
    renew(deployment)
    rewrap(deployment)
    enable_version(1, target=target, caller=CALLER, ports=deployment.write_ports())
    deployment.promote(target, third, 2)
    assert [deployment.text(version) for version in ("v1", "v2", "v3")] == ["first", "second", "third"]


def test_fingerprints_compare_again_after_rewrapping(deployment: Deployment) -> None:
    target = deployment.stored("same", "other")
    renew(deployment)
    deployment.propose(target, "same")
    apart = fingerprints(deployment)
    assert apart[3] not in {apart[1], apart[2]}, "equal values under two keys do not look equal"
    rewrap(deployment)
    together = fingerprints(deployment)
    assert together[1] == together[3] == apart[3]
    assert together[2] != together[1]


def test_what_is_done_is_left_alone(deployment: Deployment) -> None:
    with_every_state(deployment)
    renew(deployment)
    assert rewrap(deployment).rewrapped == 1
    before = dict(deployment.table.items)
    deployment.audit.events.clear()
    assert rewrap(deployment) == RewrapProgress(rewrapped=0, examined=1, failed=0, next_cursor=None)
    assert deployment.table.items == before
    assert [event.path for event in deployment.audit.events] == ["", ""], "the call itself, and no secret"


def test_each_secret_has_an_intent_and_an_outcome(deployment: Deployment) -> None:
    for name in OTHER_NAMES[:2]:
        deployment.stored("value", name=name)
    renew(deployment)
    deployment.audit.events.clear()
    rewrap(deployment)
    recorded = [(event.action, event.phase, event.path, event.outcome) for event in deployment.audit.events]
    whole = AuditAction.REWRAP
    assert recorded == [
        (whole, Phase.INTENT, "", ""),
        *(
            row
            for name in OTHER_NAMES[:2]
            for row in ((whole, Phase.INTENT, name.path, ""), (whole, Phase.OUTCOME, name.path, "ok"))
        ),
        (whole, Phase.OUTCOME, "", "ok"),
    ]
    assert len({event.operation_id for event in deployment.audit.events}) == 3
    assert deployment.audit.events[1].secret_id == deployment.head(OTHER_NAMES[0]).secret_id


def test_without_an_intent_nothing_is_rewrapped(deployment: Deployment) -> None:
    deployment.stored("value")
    renew(deployment)
    before = dict(deployment.table.items)
    deployment.failures.plan("audit", AuditUnavailable(), after=1, times=10)
    with pytest.raises(AuditUnavailable):
        rewrap(deployment)
    assert deployment.table.items == before
    assert deployment.encryption.opened == []


def test_pages_go_through_the_whole_namespace_and_no_further(deployment: Deployment) -> None:
    for name in (*OTHER_NAMES, NAME, SecretName("default", "test", "a")):
        deployment.stored("value", name=name)
    renew(deployment)
    renew(deployment, namespace=Namespace("default", "test"))
    pages = rewrap_all(deployment, limit=2)
    assert [(page.rewrapped, page.examined) for page in pages] == [(2, 2), (2, 2), (0, 0)]
    assert all(keys_of(deployment, name) == {active_id(deployment)} for name in (*OTHER_NAMES, NAME))
    other = deployment.store.namespace_keys(Namespace("default", "test"))
    assert other is not None
    assert other.active.namespace_key_id not in keys_of(deployment, SecretName("default", "test", "a"))


def test_a_call_ends_when_its_time_is_over(deployment: Deployment) -> None:
    """Between two secrets, and never before the first: so repeating it comes to an end."""
    for name in OTHER_NAMES:
        deployment.stored("value", name=name)
    renew(deployment)
    original = deployment.store.commit

    def slow(change: Change, *, epoch: int) -> None:
        deployment.clock.advance(limits.REWRAP_BUDGET)
        original(change, epoch=epoch)

    deployment.store.commit = slow  # type: ignore[method-assign]  # a fake's own method
    pages = rewrap_all(deployment, limit=25)
    assert [(page.rewrapped, page.examined) for page in pages] == [(1, 1), (1, 1), (1, 1)]


def test_a_call_whose_time_is_over_at_once_does_one_secret(deployment: Deployment) -> None:
    for name in OTHER_NAMES:
        deployment.stored("value", name=name)
    renew(deployment)
    cursor = None
    for expected in (OTHER_NAMES[:1], OTHER_NAMES[:2]):
        meanwhile(deployment, "list_heads", lambda: deployment.clock.advance(limits.REWRAP_BUDGET))
        progress = rewrap(deployment, cursor=cursor)
        cursor = progress.next_cursor
        assert (progress.rewrapped, progress.examined) == (1, 1)
        assert [name for name in OTHER_NAMES if keys_of(deployment, name) == {active_id(deployment)}] == expected


@pytest.mark.parametrize("made_up", ["", ".", "YS9vbmU.00", "****"])
def test_a_cursor_cannot_be_made_up(deployment: Deployment, made_up: str) -> None:
    deployment.stored("value")
    with pytest.raises(InvalidRequest):
        rewrap(deployment, cursor=made_up)


def test_a_cursor_is_of_one_namespace_and_one_kind_of_call(deployment: Deployment) -> None:
    for name in (*OTHER_NAMES, SecretName("default", "test", "a")):
        deployment.register(name)
    query = Query(namespace=NAMESPACE, limit=1)
    listing = list_secrets(query, caller=CALLER, ports=deployment.write_ports()).next_cursor
    cursor = rewrap(deployment, limit=1).next_cursor
    with pytest.raises(InvalidRequest):
        rewrap(deployment, cursor=listing)
    with pytest.raises(InvalidRequest):
        rewrap(deployment, cursor=cursor, namespace=Namespace("default", "test"))
    with pytest.raises(InvalidRequest):
        list_secrets(replace(query, cursor=cursor), caller=CALLER, ports=deployment.write_ports())


def test_a_deleted_secret_is_rewrapped_and_restored(deployment: Deployment) -> None:
    target = deployment.stored("value")
    delete_secret(7, target=target, caller=CALLER, ports=deployment.write_ports())
    renew(deployment)
    assert rewrap(deployment).rewrapped == 1
    restore_secret(target=target, caller=CALLER, ports=deployment.write_ports())
    assert keys_of(deployment) == {active_id(deployment)}
    assert deployment.text() == "value"


def test_a_purged_secret_stays_empty(deployment: Deployment) -> None:
    target = deployment.stored("first", "second")
    renew(deployment)
    purge_secret(target=target, caller=CALLER, ports=deployment.write_ports())
    before = dict(deployment.table.items)
    assert rewrap(deployment).rewrapped == 0
    assert deployment.table.items == before


def test_a_secret_of_many_versions_takes_several_transactions(deployment: Deployment) -> None:
    target = deployment.register()
    numbers = [deployment.propose(target, f"value-{index}") for index in range(limits.MAX_KEPT_VERSIONS)]
    deployment.promote(target, numbers[-1], None)
    renew(deployment)
    commits = deployment.failures.calls["store.commit"]
    assert rewrap(deployment).rewrapped == 1
    assert deployment.failures.calls["store.commit"] - commits == 3, "40 and 40 and 20 of them"
    assert keys_of(deployment) == {active_id(deployment)}


def test_large_versions_go_few_at_a_time(deployment: Deployment) -> None:
    target = deployment.register()
    for letter in "abcdefgh":
        deployment.propose(target, letter * limits.MAX_VALUE_BYTES)
    renew(deployment)
    sizes: list[int] = []
    original = deployment.store.commit

    def commit(change: Change, *, epoch: int) -> None:
        sizes.append(sum(len(envelope.blob) for envelope in change.rewrapped.values()))
        original(change, epoch=epoch)

    deployment.store.commit = commit  # type: ignore[method-assign]  # a fake's own method
    rewrap(deployment)
    assert keys_of(deployment) == {active_id(deployment)}
    assert len(sizes) == 3
    assert max(sizes) <= limits.MAX_REWRAP_BYTES


@pytest.mark.parametrize("error", [StoreUnavailable(), Throttled(retry_after=timedelta(seconds=1)), KmsUnavailable()])
def test_an_interrupted_secret_is_readable_and_finished_later(deployment: Deployment, error: DomainError) -> None:
    """Half of its versions are under each key."""
    target = deployment.register()
    numbers = [deployment.propose(target, f"value-{index}") for index in range(limits.MAX_REWRAP_VERSIONS + 2)]
    deployment.promote(target, numbers[0], None)
    deployment.promote(target, numbers[-1], numbers[0])
    renew(deployment)
    operation = "encryption.open" if isinstance(error, KmsUnavailable) else "store.commit"
    deployment.failures.plan(operation, error, after=1 if operation == "store.commit" else limits.MAX_REWRAP_VERSIONS)
    with pytest.raises(type(error)):
        rewrap(deployment)
    assert deployment.audit.events[-2].outcome == error.code
    assert deployment.audit.events[-2].path == NAME.path
    assert len(keys_of(deployment)) == 2
    assert [deployment.text(it) for it in ("current", "previous")] == [f"value-{numbers[-1] - 1}", "value-0"]
    assert rewrap(deployment).rewrapped == 1
    assert keys_of(deployment) == {active_id(deployment)}


# Beside writers

RACES: dict[str, Callable[[Deployment, Any], object]] = {
    "promote": lambda it, target: it.promote(target, 3, 2),
    "roll back": lambda it, target: it.promote(target, 1, 2),
    "stage": lambda it, target: it.move(target, Alias.NEXT, 3, None),
    "propose": lambda it, target: it.propose(target, "value-4"),
    "put": lambda it, _: put_value(
        Put(name=NAME, proposal=Proposal(value=SecretValue.from_text("value-4"))), caller=CALLER, ports=it.write_ports()
    ),
    "disable": lambda it, target: disable_version(2, target=target, caller=CALLER, ports=it.write_ports()),
    "destroy": lambda it, target: destroy_version(1, target=target, caller=CALLER, ports=it.write_ports()),
    "delete": lambda it, target: delete_secret(7, target=target, caller=CALLER, ports=it.write_ports()),
    "purge": lambda it, target: purge_secret(target=target, caller=CALLER, ports=it.write_ports()),
    "re-wrap": lambda it, _: rewrap(it),
    "renew": lambda it, _: renew(it),
}


@pytest.mark.parametrize("operation", ["load", "envelope_keys", "stored_envelope", "commit"])
@pytest.mark.parametrize("race", RACES)
def test_a_change_that_comes_in_between_stands(deployment: Deployment, race: str, operation: str) -> None:
    """At every step of a re-wrapping: the change is not undone, and nothing stays under an older key."""
    target = deployment.stored("value-1", "value-2")
    deployment.propose(target, "value-3")
    renew(deployment)
    after: dict[str, object] = {}

    def act() -> None:
        RACES[race](deployment, target)
        head = deployment.head()
        after.update(
            status=head.status,
            aliases=head.aliases,
            latest=head.latest_version,
            statuses={n: record.status for n, record in head.versions.items()},
            values={key for key, item in deployment.table.items.items() if getattr(item, "envelope", None)},
        )

    meanwhile(deployment, operation, act)
    assert rewrap(deployment).failed == 0
    head = deployment.head()
    assert after == {
        "status": head.status,
        "aliases": head.aliases,
        "latest": head.latest_version,
        "statuses": {n: record.status for n, record in head.versions.items()},
        "values": {key for key, item in deployment.table.items.items() if getattr(item, "envelope", None)},
    }
    assert keys_of(deployment) <= {active_id(deployment)}
    for number, record in head.versions.items():
        stored = deployment.store.stored_envelope(NAME, VersionKey(number, record.epoch))
        if stored:
            value = SecretValue.from_text(f"value-{number}")
            fingerprint = deployment.encryption.fingerprint(
                value, secret_id=head.secret_id, key=stored.namespace_key(NAME)
            )
            assert record.fingerprint == fingerprint


@pytest.mark.parametrize("race", [name for name in RACES if name not in {"renew", "re-wrap"}])
def test_a_change_that_is_overtaken_by_a_rewrapping_stands_too(deployment: Deployment, race: str) -> None:
    target = deployment.stored("value-1", "value-2")
    deployment.propose(target, "value-3")
    renew(deployment)
    meanwhile(deployment, "commit", lambda: rewrap(deployment))
    RACES[race](deployment, target)
    assert keys_of(deployment) <= {active_id(deployment)}


def test_nothing_goes_back_under_a_key_that_was_replaced(deployment: Deployment) -> None:
    """The key is renewed while a call is on its way, and a version is stored under the newest one."""
    target = deployment.stored("value-1")
    renew(deployment)

    def act() -> None:
        renew(deployment)
        deployment.propose(target, "value-2")

    meanwhile(deployment, "load", act)
    rewrap(deployment)
    assert keys_of(deployment) == {active_id(deployment)}


def test_endless_overtaking_fails_this_secret_and_no_other(deployment: Deployment) -> None:
    target = deployment.stored("value")
    deployment.stored("value", name=OTHER_NAMES[0])
    renew(deployment)
    original = deployment.store.commit

    def overtaken(change: Change, *, epoch: int) -> None:
        if change.after.name == NAME and change.rewrapped:
            deployment.propose(target, "theirs")
        original(change, epoch=epoch)

    deployment.store.commit = overtaken  # type: ignore[method-assign]  # a fake's own method
    assert rewrap(deployment) == RewrapProgress(rewrapped=1, examined=2, failed=1, next_cursor=None)
    assert keys_of(deployment, OTHER_NAMES[0]) == {active_id(deployment)}
    assert [event.outcome for event in deployment.audit.events if event.path == NAME.path][-1] == "conflict"
    assert max(deployment.slept) < 5


def damage_blob(deployment: Deployment) -> None:
    item = deployment.table.items["version", NAME, VersionKey(2, 1)]
    assert isinstance(item, VersionItem)
    assert item.envelope
    other = deployment.store.stored_envelope(NAME, VersionKey(1, 1))
    assert other
    moved = replace(item.envelope, blob=other.blob)
    deployment.table.items["version", NAME, VersionKey(2, 1)] = replace(item, envelope=moved)


def lose_item(deployment: Deployment) -> None:
    del deployment.table.items["version", NAME, VersionKey(2, 1)]


@pytest.mark.parametrize("damage", [damage_blob, lose_item])
def test_a_damaged_version_keeps_no_other_from_being_rewrapped(
    deployment: Deployment, damage: Callable[[Deployment], None]
) -> None:
    """Neither of its secret nor of the next one; it is counted, recorded, and left as it is."""
    deployment.stored("value-1", "value-2", "value-3")
    last = SecretName("default", "prod", "z")
    deployment.stored("value", name=last)
    renew(deployment)
    damage(deployment)
    before = deployment.table.items.get(("version", NAME, VersionKey(2, 1)))
    for rewrapped in (1, 0):
        assert rewrap(deployment) == RewrapProgress(rewrapped=rewrapped, examined=2, failed=1, next_cursor=None)
        recorded = [event.outcome for event in deployment.audit.events if event.path == NAME.path]
        assert recorded[-1] == IntegrityFailure.code
    assert [deployment.text(it) for it in ("v1", "current")] == ["value-1", "value-3"]
    for number in (1, 3):
        stored = deployment.store.stored_envelope(NAME, VersionKey(number, 1))
        assert stored
        assert stored.namespace_key_id == active_id(deployment)
    assert deployment.table.items.get(("version", NAME, VersionKey(2, 1))) == before
    assert keys_of(deployment, last) == {active_id(deployment)}


def test_what_looked_damaged_was_destroyed_meanwhile(deployment: Deployment) -> None:
    """The only version left to do: no commit finds out, so it is looked up."""
    target = deployment.stored("value-1")
    renew(deployment)
    disable_version(1, target=target, caller=CALLER, ports=deployment.write_ports())
    meanwhile(
        deployment,
        "stored_envelope",
        lambda: destroy_version(1, target=target, caller=CALLER, ports=deployment.write_ports()),
    )
    assert rewrap(deployment).failed == 0
    assert deployment.store.stored_envelope(NAME, VersionKey(1, 1)) is None


# In a replica


@pytest.mark.parametrize("seed", range(20))
def test_a_replica_opens_any_mix_of_old_and_new(deployment: Deployment, seed: int) -> None:
    """A re-wrapped head and items arrive apart and in any order; each envelope carries what opens it."""
    target = deployment.stored("value-1", "value-2", "value-3")
    deployment.arrive()
    renew(deployment)
    rewrap(deployment)
    deployment.promote(target, 1, 3)
    renew(deployment)
    rewrap(deployment)
    chance = random.Random(seed)  # noqa: S311  # order, not secrecy
    while deployment.replica.waiting:
        deployment.replica.deliver(chance.randrange(len(deployment.replica.waiting)))
        for version in ("current", "previous", "v1", "v2", "v3"):
            read = deployment.read(version, region=REPLICA)
            assert read.value.reveal_text() == f"value-{read.number}"
    assert deployment.replica.table.items == {
        key: item for key, item in deployment.table.items.items() if key != ("fence",)
    }
