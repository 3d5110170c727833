"""Changes: one winner, the same call repeated, nothing half done, an intent before and an outcome after."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom_service.domain.access import Action
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import (
    AccessDenied,
    AuditUnavailable,
    Conflict,
    DomainError,
    InvalidRequest,
    KmsUnavailable,
    NotFound,
    NotWriter,
    RegionFenced,
    StaleExpectation,
    StoreUnavailable,
    Throttled,
    VersionDestroyed,
)
from strongroom_service.domain.names import Alias
from strongroom_service.domain.secret import SecretStatus, VersionStatus
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.change_secret import (
    MetadataChange,
    delete_secret,
    purge_secret,
    restore_secret,
    update_secret,
)
from strongroom_service.usecases.change_version import destroy_version, disable_version, enable_version
from strongroom_service.usecases.changing import Target, read_metadata
from strongroom_service.usecases.ports import Change, ChangeLost, VersionKey
from strongroom_service.usecases.promote import AliasMove, clear_next, move_alias
from strongroom_service.usecases.propose_version import Proposal, propose_version
from strongroom_service.usecases.put_value import Expectation, Put, Stored, put_value
from strongroom_service.usecases.register_secret import Registration, register_secret
from tests.support.deployment import CALLER, NAME, REPLICA, Deployment
from tests.support.fakes import Fence, VersionItem

KEY = "idempotency-key-1"


def put(deployment: Deployment, text: str, *, client_token: str | None = None, **said: object) -> Stored:
    proposal = Proposal(value=SecretValue.from_text(text), client_token=client_token)
    wanted = Put(**{"name": NAME, "proposal": proposal, "owner_team": "payments", **said})  # type: ignore[arg-type]
    return put_value(wanted, caller=CALLER, ports=deployment.write_ports())


def test_a_change_is_recorded_before_and_after(deployment: Deployment) -> None:
    deployment.register()
    intent, outcome = deployment.audit.events
    assert (intent.phase, outcome.phase) == (Phase.INTENT, Phase.OUTCOME)
    assert intent.operation_id == outcome.operation_id
    assert (intent.outcome, outcome.outcome) == ("", "ok")
    assert outcome.secret_id == deployment.head().secret_id


def test_without_an_intent_nothing_is_stored(deployment: Deployment) -> None:
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        deployment.register()
    assert deployment.failures.calls["store.commit"] == 0


def test_without_an_outcome_the_caller_is_not_told_that_it_was_done(deployment: Deployment) -> None:
    """It was; the same call with the same key finds it done."""
    target = deployment.register()
    deployment.failures.plan("audit", AuditUnavailable(), after=1)
    with pytest.raises(AuditUnavailable):
        deployment.propose(target, "value", client_token=KEY)
    assert deployment.propose(target, "value", client_token=KEY) == 1
    assert deployment.head().latest_version == 1


def test_a_taken_path_is_a_conflict_and_the_same_call_repeated_is_not(deployment: Deployment) -> None:
    first = deployment.register(client_token=KEY)
    assert deployment.register(client_token=KEY) == first
    with pytest.raises(Conflict):
        deployment.register()
    with pytest.raises(Conflict):
        deployment.register(client_token="another-key-of-a-call")


def test_proposing_again_with_the_same_key_needs_the_same_value(deployment: Deployment) -> None:
    target = deployment.register()
    assert deployment.propose(target, "value", client_token=KEY) == 1
    assert deployment.propose(target, "value", client_token=KEY) == 1
    with pytest.raises(InvalidRequest):
        deployment.propose(target, "other", client_token=KEY)
    with pytest.raises(InvalidRequest):
        deployment.promote(target, 1, None, client_token=KEY)
    assert deployment.head().latest_version == 1


def test_a_key_is_kept_as_a_keyed_hash(deployment: Deployment) -> None:
    target = deployment.register()
    deployment.propose(target, "value", client_token=KEY)
    assert KEY not in repr(deployment.head())
    assert len(deployment.head().client_tokens) == 1


def test_the_proposed_value_is_wiped_whatever_happens(deployment: Deployment) -> None:
    target = deployment.register()
    for error in (None, KmsUnavailable()):
        if error:
            deployment.failures.plan("encryption.seal", error)
        value = SecretValue.from_text("made-up-value")
        try:
            propose_version(Proposal(value=value), target=target, caller=CALLER, ports=deployment.write_ports())
        except KmsUnavailable:
            assert error
        assert bytes(value.buffer) == bytes(13)


def test_a_promotion_expects_what_the_alias_names(deployment: Deployment) -> None:
    target = deployment.register()
    first, second = deployment.propose(target), deployment.propose(target)
    for wrong in (1, 7):
        with pytest.raises(StaleExpectation) as stale:
            deployment.promote(target, first, wrong)
        assert stale.value.details == {"currentVersion": None}
    deployment.promote(target, first, None)
    with pytest.raises(StaleExpectation):
        deployment.promote(target, second, None)
    assert deployment.head().aliases == {Alias.CURRENT: 1}


def test_the_winners_call_repeated_succeeds_also_when_another_has_won_since(deployment: Deployment) -> None:
    target = deployment.register()
    first, second = deployment.propose(target), deployment.propose(target)
    deployment.promote(target, first, None, client_token=KEY)
    deployment.promote(target, second, first)
    assert deployment.promote(target, first, None, client_token=KEY).aliases[Alias.CURRENT] == second
    with pytest.raises(InvalidRequest):
        deployment.promote(target, second, None, client_token=KEY)


def test_a_rollback_needs_its_own_right_and_no_other(deployment: Deployment) -> None:
    target = deployment.stored("first", "second")
    deployment.policy.allowed = {Action.ROLLBACK}
    deployment.promote(target, 1, 2)
    assert deployment.head().aliases == {Alias.CURRENT: 1, Alias.PREVIOUS: 2}
    assert [event.action for event in deployment.audit.events[-2:]] == [AuditAction.ROLLBACK] * 2
    deployment.policy.allowed = {Action.PROMOTE}
    with pytest.raises(AccessDenied):
        deployment.promote(target, 2, 1)


def test_previous_is_not_set_by_hand(deployment: Deployment) -> None:
    target = deployment.stored("first", "second")
    with pytest.raises(InvalidRequest):
        deployment.move(target, Alias.PREVIOUS, 2, 1)


def test_next_is_staged_read_and_cleared(deployment: Deployment) -> None:
    target = deployment.stored("first")
    second = deployment.propose(target, "second")
    deployment.move(target, Alias.NEXT, second, None)
    assert deployment.text("next") == "second"
    clear_next(target=target, caller=CALLER, ports=deployment.write_ports())
    with pytest.raises(NotFound):
        deployment.read("next")
    revision = deployment.head().revision
    clear_next(target=target, caller=CALLER, ports=deployment.write_ports())
    assert deployment.head().revision == revision


def test_destroying_removes_the_value_from_head_and_item(deployment: Deployment) -> None:
    target = deployment.stored("first", "second")
    destroy_version(1, target=target, caller=CALLER, ports=deployment.write_ports())
    head = deployment.head()
    assert 1 not in head.envelopes
    assert (head.versions[1].status, head.versions[1].fingerprint) == (VersionStatus.DESTROYED, None)
    item = deployment.table.items["version", NAME, VersionKey(1, 1)]
    assert isinstance(item, VersionItem)
    assert item.envelope is None
    with pytest.raises(Conflict):
        destroy_version(2, target=target, caller=CALLER, ports=deployment.write_ports())


def test_a_disabled_version_comes_back_as_what_it_was(deployment: Deployment) -> None:
    target = deployment.stored("first", "second")
    third = deployment.propose(target, "third")
    ports = deployment.write_ports()
    for number in (1, 2, third):
        disable_version(number, target=target, caller=CALLER, ports=ports)
    for number in (1, 2, third):
        enable_version(number, target=target, caller=CALLER, ports=ports)
    statuses = {number: record.status for number, record in deployment.head().versions.items()}
    assert statuses == {1: VersionStatus.PREVIOUS, 2: VersionStatus.PREVIOUS, 3: VersionStatus.PENDING}
    assert deployment.head().aliases == {}
    assert deployment.text("v1") == "first"


def test_deleting_hides_and_restoring_brings_back(deployment: Deployment) -> None:
    target = deployment.stored("first")
    ports = deployment.write_ports()
    delete_secret(7, target=target, caller=CALLER, ports=ports)
    with pytest.raises(NotFound):
        deployment.read()
    with pytest.raises(Conflict):
        deployment.propose(target)
    restore_secret(target=target, caller=CALLER, ports=ports)
    assert deployment.text() == "first"
    delete_secret(7, target=target, caller=CALLER, ports=ports)
    deployment.clock.advance(timedelta(days=7))
    with pytest.raises(Conflict):
        restore_secret(target=target, caller=CALLER, ports=ports)


def test_purging_leaves_a_tombstone_on_which_numbers_go_on(deployment: Deployment) -> None:
    target = deployment.stored("first", "second")
    purge_secret(target=target, caller=CALLER, ports=deployment.write_ports())
    head = deployment.head()
    assert (head.status, head.envelopes, head.versions) == (SecretStatus.PURGED, {}, {})
    items = [item for key, item in deployment.table.items.items() if key[0] == "version"]
    assert [item.envelope for item in items if isinstance(item, VersionItem)] == [None, None]
    again = deployment.register()
    assert again != target
    assert deployment.propose(again, "third") == 3
    assert deployment.head().revision > head.revision
    with pytest.raises(VersionDestroyed):
        deployment.read("v1")
    with pytest.raises(NotFound):
        deployment.propose(target)


def test_an_interrupted_purge_is_completed_by_repeating_it(deployment: Deployment) -> None:
    target = deployment.stored("first")
    deployment.failures.plan("store.scrub", StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        purge_secret(target=target, caller=CALLER, ports=deployment.write_ports())
    with pytest.raises(NotFound):
        deployment.read()
    purge_secret(target=target, caller=CALLER, ports=deployment.write_ports())
    item = deployment.table.items["version", NAME, VersionKey(1, 1)]
    assert isinstance(item, VersionItem)
    assert item.envelope is None


def test_registering_again_removes_what_an_interrupted_purge_left(deployment: Deployment) -> None:
    target = deployment.stored("first")
    deployment.failures.plan("store.scrub", StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        purge_secret(target=target, caller=CALLER, ports=deployment.write_ports())
    deployment.register()
    item = deployment.table.items["version", NAME, VersionKey(1, 1)]
    assert isinstance(item, VersionItem)
    assert item.envelope is None


def test_a_put_registers_proposes_and_promotes_at_once(deployment: Deployment) -> None:
    stored = put(deployment, "first", expectation=Expectation(None))
    assert (stored.created, stored.number, stored.head.revision) == (True, 1, deployment.head().revision)
    assert deployment.failures.calls["store.commit"] == 1
    assert deployment.text() == "first"
    again = put(deployment, "second", expectation=Expectation(1))
    assert (again.created, again.number) == (False, 2)
    with pytest.raises(StaleExpectation):
        put(deployment, "third", expectation=Expectation(1))
    assert put(deployment, "third").number == 3
    assert deployment.text("previous") == "second"


def test_a_put_of_a_new_path_needs_an_owner(deployment: Deployment) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        put(deployment, "first", owner_team=None)
    assert [violation.field for violation in invalid.value.violations] == ["ownerTeam"]


def test_a_put_repeated_with_its_key_is_done_once(deployment: Deployment) -> None:
    assert put(deployment, "first", client_token=KEY).number == 1
    assert put(deployment, "first", client_token=KEY).number == 1
    with pytest.raises(InvalidRequest):
        put(deployment, "second", client_token=KEY)


def test_the_rights_that_a_put_needs(deployment: Deployment) -> None:
    """To register besides, only where nothing is registered."""
    deployment.policy.allowed = {Action.WRITE, Action.PROMOTE}
    with pytest.raises(AccessDenied):
        put(deployment, "first")
    deployment.policy.allowed = {Action.WRITE, Action.PROMOTE, Action.REGISTER}
    put(deployment, "first")
    deployment.policy.allowed = {Action.WRITE, Action.PROMOTE}
    put(deployment, "second")


def test_metadata_changes_only_what_is_given(deployment: Deployment) -> None:
    target = deployment.register(description="old", tags={"a": "1"})
    change = MetadataChange(description="new")
    head = update_secret(change, target=target, caller=CALLER, ports=deployment.write_ports())
    assert (head.description, head.tags, head.owner_team) == ("new", {"a": "1"}, "payments")


def test_metadata_is_recorded_before_it_is_told(deployment: Deployment) -> None:
    target = deployment.stored("first")
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        read_metadata(target, action=AuditAction.READ_METADATA, caller=CALLER, ports=deployment.write_ports())
    head = read_metadata(target, action=AuditAction.READ_METADATA, caller=CALLER, ports=deployment.write_ports())
    assert head == deployment.head()
    assert deployment.audit.events[-1].phase is Phase.RELEASE


def test_an_unknown_id_is_denied_to_who_may_not_know_and_not_found_otherwise(deployment: Deployment) -> None:
    unknown = Target("default", secret_id="sec_none")
    with pytest.raises(NotFound):
        deployment.propose(unknown)
    assert deployment.audit.events[-1].outcome == "not_found"
    deployment.policy.allowed.clear()
    with pytest.raises(AccessDenied):
        deployment.propose(unknown)
    assert deployment.audit.events[-1].phase is Phase.DENIAL


def test_an_id_of_another_tenant_is_unknown(deployment: Deployment) -> None:
    target = deployment.stored("first")
    with pytest.raises(NotFound):
        deployment.propose(Target("another", secret_id=target.secret_id))


CHANGES: dict[str, Callable[[Deployment, Target], object]] = {
    "register": lambda it, _: it.register(replace(NAME, path="another")),
    "propose": lambda it, target: it.propose(target),
    "promote": lambda it, target: it.promote(target, 3, 2),
    "stage": lambda it, target: it.move(target, Alias.NEXT, 3, None),
    "rollback": lambda it, target: it.promote(target, 1, 2),
    "disable": lambda it, target: disable_version(2, target=target, caller=CALLER, ports=it.write_ports()),
    "destroy": lambda it, target: destroy_version(1, target=target, caller=CALLER, ports=it.write_ports()),
    "delete": lambda it, target: delete_secret(7, target=target, caller=CALLER, ports=it.write_ports()),
    "purge": lambda it, target: purge_secret(target=target, caller=CALLER, ports=it.write_ports()),
    "put": lambda it, _: put(it, "another"),
    "update": lambda it, target: update_secret(
        MetadataChange(description="new"), target=target, caller=CALLER, ports=it.write_ports()
    ),
}


def with_three_versions(deployment: Deployment) -> Target:
    target = deployment.stored("first", "second")
    deployment.propose(target, "third")
    return target


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_allowed_changes_nothing(deployment: Deployment, change: str) -> None:
    target = with_three_versions(deployment)
    before = dict(deployment.table.items)
    deployment.policy.allowed.clear()
    with pytest.raises(AccessDenied):
        CHANGES[change](deployment, target)
    assert deployment.table.items == before
    assert (deployment.audit.events[-1].phase, deployment.audit.events[-1].allowed) == (Phase.DENIAL, False)


@pytest.mark.parametrize("change", CHANGES)
def test_only_the_writer_region_changes_anything(deployment: Deployment, change: str) -> None:
    target = with_three_versions(deployment)
    before = dict(deployment.table.items)
    deployment.writership.region = REPLICA
    with pytest.raises(NotWriter) as refused:
        CHANGES[change](deployment, target)
    assert refused.value.details == {"writerRegion": REPLICA}
    assert deployment.table.items == before
    assert deployment.audit.events[-1].outcome == "not_writer"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("fence", [Fence(2), Fence(1, is_open=False)])
def test_a_fence_stops_every_change(deployment: Deployment, change: str, fence: Fence) -> None:
    target = with_three_versions(deployment)
    deployment.store.set_fence(fence)
    before = dict(deployment.table.items)
    with pytest.raises(RegionFenced):
        CHANGES[change](deployment, target)
    assert deployment.table.items == before
    assert deployment.audit.events[-1].outcome == "region_fenced"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("error", [StoreUnavailable(), Throttled(retry_after=timedelta(seconds=1))])
def test_a_store_that_fails_leaves_nothing_half_done(deployment: Deployment, change: str, error: DomainError) -> None:
    target = with_three_versions(deployment)
    before = dict(deployment.table.items)
    deployment.failures.plan("store.commit", error)
    with pytest.raises(type(error)):
        CHANGES[change](deployment, target)
    assert deployment.table.items == before
    intent, outcome = deployment.audit.events[-2:]
    assert (intent.phase, outcome.phase, outcome.outcome) == (Phase.INTENT, Phase.OUTCOME, error.code)


@pytest.mark.parametrize("change", CHANGES)
def test_every_port_may_fail_at_every_call(deployment: Deployment, change: str) -> None:
    """Whatever fails, in turn: a documented error, and no state in between."""
    target = with_three_versions(deployment)
    counted = dict(deployment.failures.calls)
    snapshot = dict(deployment.table.items)
    CHANGES[change](deployment, target)
    done = dict(deployment.table.items)
    calls = {name: count - counted.get(name, 0) for name, count in deployment.failures.calls.items()}
    assert calls["audit"] == 2
    for operation in (name for name, count in calls.items() if count):
        for call in range(calls[operation]):
            deployment.table.items.clear()
            deployment.table.items.update(snapshot)
            error = AuditUnavailable() if operation == "audit" else StoreUnavailable()
            deployment.failures.plan(operation, error, after=call)
            with pytest.raises(type(error)):
                CHANGES[change](deployment, target)
            deployment.failures.plan(operation, error, times=0)
            heads = {key: item for key, item in deployment.table.items.items() if key[0] == "head"}
            if operation == "audit" and call == 1:
                assert heads.keys() == {key for key in done if key[0] == "head"}
            elif operation in {"store.scrub", "store.version_keys"}:
                assert deployment.head().status is SecretStatus.PURGED
            else:
                assert heads == {key: item for key, item in snapshot.items() if key[0] == "head"}


def test_a_change_that_was_overtaken_is_derived_anew(deployment: Deployment) -> None:
    """Another writer comes between reading and storing: both changes stand, none is lost."""
    target = deployment.stored("first")
    overtake(deployment, lambda: deployment.propose(target, "theirs"), times=1)
    assert deployment.propose(target, "ours") == 3
    assert deployment.head().latest_version == 3
    assert len(deployment.slept) == 1


def test_an_overtaken_promotion_loses_its_expectation(deployment: Deployment) -> None:
    target = deployment.register()
    first, second = deployment.propose(target), deployment.propose(target)
    overtake(deployment, lambda: deployment.promote(target, second, None), times=1)
    with pytest.raises(StaleExpectation):
        deployment.promote(target, first, None)
    assert deployment.head().aliases == {Alias.CURRENT: second}


def test_permission_is_asked_again_for_the_state_that_came_first(deployment: Deployment) -> None:
    """The version was PENDING when asked about, and PREVIOUS when it came to storing: a rollback by now."""
    target = deployment.stored("first")
    second = deployment.propose(target)

    def meanwhile() -> None:
        deployment.policy.allowed = set(Action)
        deployment.promote(target, second, 1)
        deployment.promote(target, 1, second)
        deployment.policy.allowed = {Action.PROMOTE}

    deployment.policy.allowed = {Action.PROMOTE}
    overtake(deployment, meanwhile, times=1)
    with pytest.raises(AccessDenied):
        deployment.promote(target, second, 1)


def test_endless_overtaking_ends_as_a_conflict(deployment: Deployment) -> None:
    target = deployment.stored("first")
    overtake(deployment, lambda: deployment.propose(target, "theirs"), times=100)
    with pytest.raises(Conflict):
        deployment.propose(target, "ours")
    assert max(deployment.slept) < 5


def overtake(deployment: Deployment, meanwhile: Callable[[], object], *, times: int) -> None:
    """Let another change come between a change's reading and its storing."""
    store = deployment.store
    original, left = store.commit, [times]

    def overtaken(change: Change, *, epoch: int) -> None:
        if left[0]:
            left[0] -= 1
            store.commit = original  # type: ignore[method-assign]  # a fake's own method
            meanwhile()
            store.commit = overtaken  # type: ignore[method-assign]  # the same
        original(change, epoch=epoch)

    store.commit = overtaken  # type: ignore[method-assign]  # the same


def test_a_stored_head_that_is_not_the_one_read_loses_the_change(deployment: Deployment) -> None:
    deployment.stored("first")
    head = deployment.head()
    change = Change(replace(head, revision=head.revision - 1), replace(head, revision=head.revision + 1))
    with pytest.raises(ChangeLost):
        deployment.store.commit(change, epoch=1)


def test_registration_and_moves_by_use_case_without_helpers(deployment: Deployment) -> None:
    """The calls as an entry makes them."""
    registration = Registration(name=NAME, owner_team="payments", rotation_strategy="automated-30d")
    head = register_secret(registration, caller=CALLER, ports=deployment.write_ports())
    assert (head.rotation_strategy, head.status, head.latest_version) == ("automated-30d", SecretStatus.ACTIVE, 0)
    target = Target("default", secret_id=head.secret_id)
    number = deployment.propose(target, "value")
    move = AliasMove(alias=Alias.CURRENT, number=number, expected=None)
    assert move_alias(move, target=target, caller=CALLER, ports=deployment.write_ports()).aliases == {
        Alias.CURRENT: number
    }
