"""Changing policies and groups: who may, what is recorded, which of racing changes wins, and what fails how."""

from dataclasses import replace
from functools import partial

import pytest

from strongroom_service.domain.access_set import AccessSet, CedarText, PolicyEntry
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import (
    AccessDenied,
    AccessSetUnavailable,
    AuditUnavailable,
    Conflict,
    DomainError,
    InvalidRequest,
    NotFound,
    NotWriter,
    RegionFenced,
    StaleExpectation,
    StoreUnavailable,
    Throttled,
)
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.change_access import AccessChange, change_access, read_access
from strongroom_service.usecases.changing import ATTEMPTS
from tests.support.access import ADMINISTRATOR, APP, AUDITOR, OTHER, Governed, caller
from tests.support.deployment import REPLICA, WRITER

READER = RoleBinding(role=Role.READER, principal=OTHER, environment="prod")


@pytest.fixture
def governed() -> Governed:
    return Governed()


def put(
    governed: Governed,
    entry: PolicyEntry = READER,
    *,
    policy_id: str = "readers",
    actor: str = ADMINISTRATOR,
    expected: int | None = None,
    region: str = WRITER,
) -> AccessSet:
    change = AccessChange(
        action=AuditAction.PUT_POLICY,
        subject=f"policies/{policy_id}",
        apply=partial(AccessSet.with_policy, policy_id=policy_id, entry=entry),
        entry=entry,
        expected_revision=expected,
    )
    return change_access(change, caller=caller(actor), ports=governed.write_ports(region=region))


def recorded(governed: Governed) -> list[tuple[Phase, str, int]]:
    return [(event.phase, event.outcome, event.version) for event in governed.audit.events]


def test_a_change_makes_the_next_revision_and_is_recorded_before_and_after(governed: Governed) -> None:
    assert put(governed).revision == 1
    assert governed.in_force().policies["readers"] == READER
    assert recorded(governed) == [(Phase.INTENT, "", 0), (Phase.OUTCOME, "ok", 1)]
    first, last = governed.audit.events
    assert (first.operation_id, first.path, first.environment) == (last.operation_id, "policies/readers", "")
    assert (first.permissions, first.action) == (("policy:write",), AuditAction.PUT_POLICY)


def test_the_deployments_bindings_are_part_of_the_first_set(governed: Governed) -> None:
    put(governed)
    assert list(governed.in_force().policies) == ["deployment-1", "deployment-2", "deployment-3", "readers"]


def test_what_is_there_already_is_no_change(governed: Governed) -> None:
    """A repeated call whose first answer was lost is told the same, whatever revision it expects."""
    put(governed, expected=0)
    assert put(governed, expected=0).revision == 1
    assert governed.items.pointers["default"].revision == 1


@pytest.mark.parametrize("actor", [APP, AUDITOR, OTHER])
def test_who_may_not_is_denied_and_nothing_changes(governed: Governed, actor: str) -> None:
    with pytest.raises(AccessDenied):
        put(governed, actor=actor)
    assert recorded(governed) == [(Phase.DENIAL, "access_denied", 0)]
    assert governed.in_force().revision == 0


def test_a_stale_expectation_is_refused_with_the_revision(governed: Governed) -> None:
    put(governed)
    with pytest.raises(StaleExpectation) as stale:
        put(governed, replace(READER, environment="test"), expected=0)
    assert stale.value.details == {"revision": 1}
    assert recorded(governed)[-1] == (Phase.OUTCOME, "stale_expectation", 0)


def test_a_wrong_policy_is_refused_and_recorded(governed: Governed) -> None:
    with pytest.raises(InvalidRequest):
        put(governed, CedarText("permit(canary"))
    assert recorded(governed) == [(Phase.INTENT, "", 0), (Phase.OUTCOME, "invalid_request", 0)]


def test_what_is_not_there_cannot_be_removed(governed: Governed) -> None:
    change = AccessChange(
        action=AuditAction.DELETE_POLICY,
        subject="policies/x",
        apply=partial(AccessSet.without_policy, policy_id="x"),
    )
    with pytest.raises(NotFound):
        change_access(change, caller=caller(ADMINISTRATOR), ports=governed.write_ports())


def test_another_region_does_not_write(governed: Governed) -> None:
    with pytest.raises(NotWriter):
        put(governed, region=REPLICA)
    assert recorded(governed)[-1] == (Phase.OUTCOME, "not_writer", 0)


def test_a_fenced_region_does_not_write(governed: Governed) -> None:
    governed.items.epoch = 2
    with pytest.raises(RegionFenced):
        put(governed)
    assert recorded(governed)[-1] == (Phase.OUTCOME, "region_fenced", 0)
    assert governed.in_force().revision == 0


def test_a_change_that_lost_is_derived_anew_from_what_won(governed: Governed) -> None:
    governed.items.lost = 3
    assert put(governed).revision == 1
    assert len(governed.slept) == 3
    assert recorded(governed) == [(Phase.INTENT, "", 0), (Phase.OUTCOME, "ok", 1)]


def test_a_change_that_keeps_losing_gives_up(governed: Governed) -> None:
    governed.items.lost = ATTEMPTS
    with pytest.raises(Conflict):
        put(governed)
    assert recorded(governed)[-1] == (Phase.OUTCOME, "conflict", 0)


def test_who_lost_the_right_between_two_tries_is_denied(governed: Governed) -> None:
    """The change that came first took it away."""
    governed.items.lost = 1
    taken = AccessSet("default", 1, {"a": RoleBinding(role=Role.ADMINISTRATOR, principal=OTHER)})
    replace_once = governed.items.replace

    def lose(*args: object, **said: object) -> None:
        governed.items.put(taken)
        governed.items.replace = replace_once  # type: ignore[method-assign]  # a fake's own method
        replace_once(*args, **said)  # type: ignore[arg-type]

    governed.items.replace = lose  # type: ignore[method-assign]
    with pytest.raises(AccessDenied):
        put(governed)
    assert recorded(governed)[-1] == (Phase.OUTCOME, "access_denied", 0)
    assert governed.in_force() == taken


@pytest.mark.parametrize("error", [StoreUnavailable(), Throttled(), AccessSetUnavailable()])
@pytest.mark.parametrize("operation", ["access.pointer", "access.document", "access.replace"])
def test_a_store_that_fails_changes_nothing(governed: Governed, operation: str, error: DomainError) -> None:
    put(governed)
    before = len(governed.audit.events)
    governed.failures.plan(operation, error)
    with pytest.raises(type(error)):
        put(governed, replace(READER, environment="test"))
    assert governed.in_force().policies["readers"] == READER
    outcomes = [event.outcome for event in governed.audit.events[before:]]
    assert outcomes == (["", error.code] if operation == "access.replace" else [])


def test_without_an_intent_nothing_is_changed(governed: Governed) -> None:
    governed.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        put(governed)
    assert governed.in_force().revision == 0


def test_an_outcome_that_cannot_be_recorded_is_an_error_and_the_change_stays(governed: Governed) -> None:
    """An intent without an outcome means unknown; repeated, the call is told what is in force."""
    governed.failures.plan("audit", AuditUnavailable(), after=1)
    with pytest.raises(AuditUnavailable):
        put(governed)
    assert governed.in_force().revision == 1
    assert put(governed).revision == 1


def test_a_denial_that_cannot_be_recorded_is_told_as_that(governed: Governed) -> None:
    governed.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        put(governed, actor=APP)


def test_a_defect_is_recorded_as_one(governed: Governed) -> None:
    def broken(_: AccessSet) -> AccessSet:
        raise RuntimeError

    change = AccessChange(action=AuditAction.PUT_POLICY, subject="policies/x", apply=broken)
    with pytest.raises(RuntimeError):
        change_access(change, caller=caller(ADMINISTRATOR), ports=governed.write_ports())
    assert recorded(governed)[-1] == (Phase.OUTCOME, "internal_error", 0)


@pytest.mark.parametrize(("actor", "may"), [(ADMINISTRATOR, True), (AUDITOR, True), (APP, False), (OTHER, False)])
def test_policies_are_read_by_who_may_see_them(governed: Governed, actor: str, *, may: bool) -> None:
    put(governed)
    if may:
        assert read_access(caller=caller(actor), ports=governed.write_ports()) == governed.in_force()
        assert recorded(governed)[-1] == (Phase.RELEASE, "", 1)
    else:
        with pytest.raises(AccessDenied):
            read_access(caller=caller(actor), ports=governed.write_ports())
        assert recorded(governed)[-1] == (Phase.DENIAL, "access_denied", 0)


def test_policies_are_not_told_without_a_record(governed: Governed) -> None:
    governed.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        read_access(caller=caller(AUDITOR), ports=governed.write_ports())


def test_a_set_that_is_not_the_one_of_its_pointer_refuses_everybody(governed: Governed) -> None:
    put(governed)
    governed.items.documents.clear()
    for actor in (ADMINISTRATOR, AUDITOR, APP):
        with pytest.raises(AccessSetUnavailable):
            put(governed, actor=actor)
    assert governed.audit.events[2:] == []
