"""Break-glass over fakes and the real policies: ask, approve by others, read, and the end of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom_service.domain import limits
from strongroom_service.domain.access_set import CedarText
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.break_glass import GrantStatus
from strongroom_service.domain.errors import (
    AccessDenied,
    AuditUnavailable,
    Conflict,
    DomainError,
    InvalidRequest,
    NotFound,
    NotWriter,
    RegionFenced,
    StoreUnavailable,
)
from strongroom_service.domain.grants import GrantScope, reason_of
from strongroom_service.domain.names import SecretName, Selector
from strongroom_service.domain.registry import Registry
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases import break_glass, see_grants
from strongroom_service.usecases.change_access import AccessChange, change_access
from strongroom_service.usecases.read_values import ReadItem, ReadValue, read_batch
from tests.support.deployment import CALLER, NAME, REPLICA
from tests.support.emergency import (
    APPROVER,
    APPROVER2,
    LOCAL_APPROVER,
    LOCAL_RESPONDER,
    RESPONDER,
    STRANGER,
    Emergency,
    who,
)
from tests.support.fakes import Fence

MINUTE = timedelta(minutes=1)
UNKNOWN = "bg_00000000-0000-7000-8000-000000000000"


@pytest.fixture
def emergency() -> Emergency:
    found = Emergency()
    found.deployment.stored("the-value")
    return found


def test_without_a_grant_the_responder_reads_nothing(emergency: Emergency) -> None:
    with pytest.raises(AccessDenied):
        emergency.read()
    request = emergency.ask()
    assert request.status is GrantStatus.PENDING
    with pytest.raises(AccessDenied):
        emergency.read()


def test_an_approved_grant_reads_until_its_time_is_over(emergency: Emergency) -> None:
    """It ends by its condition: nothing runs in between."""
    request = emergency.granted(minutes=15)
    assert request.until == emergency.clock.now() + 15 * MINUTE
    assert emergency.read().value.reveal_text() == "the-value"
    emergency.clock.advance(15 * MINUTE - timedelta(seconds=1))
    assert emergency.read().value.reveal_text() == "the-value"
    emergency.clock.advance(timedelta(seconds=1))
    with pytest.raises(AccessDenied):
        emergency.read()
    assert emergency.see(request).status is GrantStatus.ENDED
    assert emergency.stored(request).status is GrantStatus.ACTIVE


def test_a_read_by_a_grant_alone_is_audited_as_its_use(emergency: Emergency) -> None:
    request = emergency.granted()
    emergency.read()
    event = emergency.events[-1]
    assert (event.action, event.phase) == (AuditAction.BREAK_GLASS, Phase.RELEASE)
    assert event.reasons == (reason_of(request.id),)
    emergency.read(caller=CALLER)
    assert emergency.events[-1].action is AuditAction.READ


def test_each_item_of_a_batch_is_audited_by_what_allowed_it(emergency: Emergency) -> None:
    """The responder has a role for one of the secrets, a grant for the other, nothing for the third."""
    other, third = (replace(NAME, path=path) for path in ("free/a", "other/b"))
    emergency.deployment.stored("other-value", name=other)
    binding = RoleBinding(role=Role.READER, principal=RESPONDER.principal.id, environment="prod", prefix="free")
    pointer, found = emergency.access().load("default")
    emergency.access().replace(pointer, found.with_policy("free", binding), epoch=1)
    request = emergency.granted()
    items = [ReadItem(name, Selector.parse(None)) for name in (NAME, other, third)]
    results = read_batch(items, caller=RESPONDER, ports=emergency.read_ports())
    assert [isinstance(it, ReadValue) for it in results] == [True, True, False]
    assert [event.action for event in emergency.events[-3:]] == [
        AuditAction.BREAK_GLASS,
        AuditAction.READ,
        AuditAction.READ,
    ]
    assert emergency.events[-3].reasons == (reason_of(request.id),)


def test_a_role_that_allows_as_well_makes_it_an_ordinary_read(emergency: Emergency) -> None:
    request = emergency.ask()
    emergency.approve(request)
    pointer, found = emergency.access().load("default")
    binding = RoleBinding(role=Role.READER, principal=RESPONDER.principal.id)
    emergency.access().replace(pointer, found.with_policy("reader", binding), epoch=1)
    emergency.read()
    event = emergency.events[-1]
    assert event.action is AuditAction.READ
    assert reason_of(request.id) in event.reasons


def test_a_grant_serves_in_a_replica_region_once_it_has_arrived(emergency: Emergency) -> None:
    emergency.granted()
    with pytest.raises(AccessDenied):
        emergency.read(region=REPLICA)
    emergency.deployment.arrive()
    assert emergency.read(region=REPLICA).value.reveal_text() == "the-value"
    assert emergency.events[-1].action is AuditAction.BREAK_GLASS
    assert emergency.events[-1].region == REPLICA
    emergency.clock.advance(15 * MINUTE)
    with pytest.raises(AccessDenied):
        emergency.read(region=REPLICA)


def test_a_forbid_wins_over_a_grant(emergency: Emergency) -> None:
    emergency.granted()
    pointer, found = emergency.access().load("default")
    forbid = CedarText('forbid(principal, action == Action::"secret:read", resource) when { context.grant != "" };')
    emergency.access().replace(pointer, found.with_policy("no-grants", forbid), epoch=1)
    with pytest.raises(AccessDenied):
        emergency.read()
    assert emergency.read(caller=CALLER).value.reveal_text() == "the-value"


def test_a_grant_is_for_its_principal_and_its_secrets_alone(emergency: Emergency) -> None:
    emergency.deployment.stored("v", name=replace(NAME, path="payments/other"))
    emergency.granted()
    for caller, name in (
        (APPROVER, NAME),
        (STRANGER, NAME),
        (RESPONDER, replace(NAME, path="payments/other")),
        (RESPONDER, SecretName("default", "dev", NAME.path)),
    ):
        with pytest.raises(AccessDenied):
            emergency.read(caller=caller, name=name)
    assert emergency.read(caller=who("responder", session="another")).value.reveal_text() == "the-value"


def test_two_approvals_are_of_two_principals(emergency: Emergency) -> None:
    emergency.approvals = 2
    request = emergency.ask()
    for caller in (APPROVER, APPROVER, who("approver", session="another session")):
        assert emergency.approve(request, caller).status is GrantStatus.PENDING
    with pytest.raises(AccessDenied):
        emergency.read()
    done = emergency.approve(request, APPROVER2)
    assert (done.status, len(done.approvals)) == (GrantStatus.ACTIVE, 2)
    assert emergency.read().value.reveal_text() == "the-value"
    # Each of them may call again, their answer having been lost.
    assert emergency.approve(request, APPROVER) == emergency.approve(request, APPROVER2) == done


def test_nobody_approves_their_own_request_in_any_session(emergency: Emergency) -> None:
    """Though they may approve those of others."""
    request = emergency.ask(caller=APPROVER)
    for caller in (APPROVER, who("approver", session="another")):
        with pytest.raises(AccessDenied, match="their own"):
            emergency.approve(request, caller)
        denial = emergency.events[-1]
        assert (denial.phase, denial.allowed, denial.action) == (Phase.DENIAL, False, AuditAction.APPROVE_GRANT)
        assert denial.reasons == ("own-request", reason_of(request.id))
    assert emergency.approve(request, APPROVER2).status is GrantStatus.ACTIVE


def test_more_approvals_asked_for_meanwhile_count(emergency: Emergency) -> None:
    """The stricter of the deployment's demands then and now; with none set up any more, nothing is approved."""
    request = emergency.ask()
    emergency.approvals = 0
    with pytest.raises(Conflict, match="not set up"):
        emergency.approve(request)
    emergency.approvals = 2
    assert emergency.approve(request).status is GrantStatus.PENDING
    emergency.approvals = 1
    assert emergency.approve(request, APPROVER2).status is GrantStatus.ACTIVE


def test_without_a_number_of_approvals_no_grant_can_be_asked_for(emergency: Emergency) -> None:
    emergency.approvals = 0
    with pytest.raises(Conflict, match="how many have to approve"):
        emergency.ask()
    assert [event.outcome for event in emergency.events[-2:]] == ["", "conflict"]


def test_a_request_lapses_and_cannot_be_approved_late(emergency: Emergency) -> None:
    request = emergency.ask()
    emergency.clock.advance(limits.GRANT_REQUEST_TIME)
    with pytest.raises(Conflict, match="LAPSED"):
        emergency.approve(request)
    assert emergency.see(request).status is GrantStatus.LAPSED


@pytest.mark.parametrize("caller", [APPROVER, APPROVER2, RESPONDER])
def test_a_grant_is_revoked_at_once_by_an_approver_or_its_holder(emergency: Emergency, caller: object) -> None:
    request = emergency.granted()
    revoked = emergency.revoke(request, caller)  # type: ignore[arg-type]  # pytest's parameter
    assert (revoked.status, revoked.closed_at) == (GrantStatus.REVOKED, emergency.clock.now())
    with pytest.raises(AccessDenied):
        emergency.read()
    assert emergency.set_in_force().grants == {}
    assert emergency.revoke(request) == revoked


def test_a_request_is_taken_back_by_the_one_who_asked(emergency: Emergency) -> None:
    request = emergency.ask()
    assert emergency.revoke(request, RESPONDER).status is GrantStatus.REVOKED
    with pytest.raises(Conflict):
        emergency.approve(request)


def test_a_refused_request_stays_refused(emergency: Emergency) -> None:
    request = emergency.ask()
    refused = break_glass.refuse_grant(request.id, caller=APPROVER, ports=emergency.write_ports())
    assert (refused.status, refused.closed_by) == (GrantStatus.REFUSED, APPROVER.principal.id)
    assert break_glass.refuse_grant(request.id, caller=APPROVER, ports=emergency.write_ports()) == refused
    for call in (emergency.approve, emergency.revoke):
        with pytest.raises(Conflict, match="REFUSED"):
            call(request)
    assert emergency.deployment.table.items.get(("open grant", "default", request.id)) is None


def test_the_grant_of_one_tenant_is_nothing_to_another(emergency: Emergency) -> None:
    """The same principals, in another tenant with the same roles: no request is there, no list shows it."""
    request = emergency.granted()
    foreign = replace(APPROVER, tenant="other")
    with pytest.raises(NotFound):
        emergency.see(request, foreign)
    assert see_grants.list_grants(after=None, limit=50, caller=foreign, ports=emergency.write_ports()).requests == ()
    emergency.deployment.registry.stored = Registry(tenants={"other": frozenset({RESPONDER.principal.account})})
    emergency.deployment.registry.load()
    with pytest.raises(AccessDenied):
        emergency.read(caller=replace(RESPONDER, tenant="other"), name=replace(NAME, tenant="other"))


@pytest.mark.parametrize("caller", [STRANGER, LOCAL_APPROVER, LOCAL_RESPONDER, RESPONDER])
def test_what_one_may_not_know_is_refused_as_what_is_not_there(emergency: Emergency, caller: object) -> None:
    """The same error, with the same work: for a request of others, and for an id that never was."""
    request = emergency.ask(caller=APPROVER)
    ports = emergency.write_ports()
    for call in (
        see_grants.read_grant,
        break_glass.approve_grant,
        break_glass.refuse_grant,
        break_glass.revoke_grant,
    ):
        told = []
        for grant_id in (request.id, UNKNOWN):
            emergency.failures.calls.clear()
            with pytest.raises(DomainError) as refused:
                call(grant_id, caller=caller, ports=ports)  # type: ignore[arg-type]  # pytest's parameter
            told.append((refused.value.code, refused.value.message, dict(emergency.failures.calls)))
            assert emergency.events[-1].phase is Phase.DENIAL
        assert told[0] == told[1]
        assert told[0][0] == "access_denied"


def test_who_may_approve_everything_is_told_that_there_is_none(emergency: Emergency) -> None:
    with pytest.raises(NotFound):
        see_grants.read_grant(UNKNOWN, caller=APPROVER, ports=emergency.write_ports())


@pytest.mark.parametrize("caller", [STRANGER, APPROVER2, LOCAL_RESPONDER])
def test_who_may_not_ask_is_denied(emergency: Emergency, caller: object) -> None:
    with pytest.raises(AccessDenied):
        emergency.ask(caller=caller)  # type: ignore[arg-type]  # pytest's parameter
    denial = emergency.events[-1]
    assert (denial.action, denial.phase, denial.path) == (AuditAction.REQUEST_GRANT, Phase.DENIAL, NAME.path)


def test_a_list_has_ones_own_and_those_that_one_may_approve(emergency: Emergency) -> None:
    mine = emergency.ask()
    theirs = emergency.ask(caller=APPROVER)
    others = emergency.ask(caller=LOCAL_RESPONDER, scope=GrantScope(environment="prod", path="other/a"))

    def seen_by(caller: object) -> list[str]:
        page = see_grants.list_grants(after=None, limit=50, caller=caller, ports=emergency.write_ports())  # type: ignore[arg-type]
        return [it.id for it in page.requests]

    assert seen_by(APPROVER) == sorted([mine.id, theirs.id, others.id], reverse=True)
    assert seen_by(RESPONDER) == [mine.id]
    assert seen_by(LOCAL_APPROVER) == [others.id]
    assert reason_of(others.id) in emergency.events[-1].reasons
    assert seen_by(STRANGER) == []
    assert (emergency.events[-1].action, emergency.events[-1].reasons) == (AuditAction.READ_GRANTS, ())


def test_a_list_goes_on_where_it_stopped(emergency: Emergency) -> None:
    made = [emergency.ask().id for _ in range(5)]
    found: list[str] = []
    after = None
    while True:
        page = see_grants.list_grants(after=after, limit=2, caller=APPROVER, ports=emergency.write_ports())
        found += [it.id for it in page.requests]
        after = page.last
        if after is None:
            break
    assert found == sorted(made, reverse=True)


def test_a_request_with_its_client_token_is_made_once(emergency: Emergency) -> None:
    first = emergency.ask(token="token-of-a-call")
    assert emergency.ask(token="token-of-a-call") == first
    with pytest.raises(InvalidRequest, match="another request"):
        emergency.ask(token="token-of-a-call", minutes=30)
    # Another principal's token is another one.
    assert emergency.ask(caller=APPROVER, token="token-of-a-call").id != first.id
    assert len(emergency.write_ports().grants.open_requests()) == 2


@pytest.mark.parametrize(
    ("said", "field"),
    [({"minutes": 0}, "minutes"), ({"minutes": 61}, "minutes"), ({"reason": " \n"}, "reason")],
)
def test_words_that_cannot_be_meant_are_refused(emergency: Emergency, said: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        emergency.ask(**said)  # type: ignore[arg-type]  # as `ask` takes them
    assert [it.field for it in refused.value.violations] == [field]


def test_a_grant_freezes_no_role_of_the_deployment(emergency: Emergency) -> None:
    """With a grant in force the policies are still those that the options say, whatever those become."""
    emergency.granted()
    assert emergency.set_in_force().inherits
    later = Emergency(deployment=emergency.deployment)
    later.access()._initial = {"default": [RoleBinding(role=Role.READER, principal=STRANGER.principal.id)]}
    assert later.read(caller=STRANGER).value.reveal_text() == "the-value"
    assert later.read(caller=RESPONDER).value.reveal_text() == "the-value"
    with pytest.raises(AccessDenied):
        later.read(caller=CALLER)


def test_a_change_of_policies_keeps_the_grants(emergency: Emergency) -> None:
    request = emergency.granted()
    administrator = who("administrator")
    pointer, found = emergency.access().load("default")
    binding = RoleBinding(role=Role.ADMINISTRATOR, principal=administrator.principal.id)
    emergency.access().replace(pointer, found.with_policy("admins", binding), epoch=1)
    change = AccessChange(
        action=AuditAction.DELETE_POLICY,
        subject="policies/deployment-5",
        apply=lambda it: it.without_policy("deployment-5"),
    )
    after = change_access(change, caller=administrator, ports=emergency.write_ports())
    assert set(after.grants) == {request.id}
    assert not after.inherits
    assert emergency.read().value.reveal_text() == "the-value"


def test_everything_is_refused_where_nothing_is_written(emergency: Emergency) -> None:
    request = emergency.granted()
    emergency.deployment.arrive()
    ports = emergency.write_ports(region=REPLICA)
    for call in (break_glass.approve_grant, break_glass.refuse_grant, break_glass.revoke_grant):
        with pytest.raises(NotWriter):
            call(request.id, caller=APPROVER, ports=ports)
    with pytest.raises(NotWriter):
        break_glass.request_grant(
            break_glass.Ask(scope=request.scope, reason="r", ticket="t", minutes=1), caller=RESPONDER, ports=ports
        )
    assert see_grants.read_grant(request.id, caller=APPROVER, ports=ports).status is GrantStatus.ACTIVE


def test_a_fenced_region_puts_nothing_in_force(emergency: Emergency) -> None:
    request = emergency.ask()
    emergency.deployment.store.set_fence(Fence(1, is_open=False))
    for call in (emergency.approve, emergency.revoke):
        with pytest.raises(RegionFenced):
            call(request)
    assert emergency.stored(request) == request
    assert emergency.set_in_force().grants == {}


@pytest.mark.parametrize("operation", ["grants.load", "access.pointer", "access.replace", "audit"])
def test_whatever_fails_before_nothing_is_in_force(emergency: Emergency, operation: str) -> None:
    """And the call that is made again completes it."""
    request = emergency.ask()
    error = AuditUnavailable() if operation == "audit" else StoreUnavailable()
    with emergency.failures.failing(operation, error), pytest.raises(type(error)):
        emergency.approve(request)
    with pytest.raises(AccessDenied):
        emergency.read()
    assert emergency.approve(request).status is GrantStatus.ACTIVE


def test_an_approval_whose_outcome_was_not_recorded_is_told_as_unknown(emergency: Emergency) -> None:
    request = emergency.ask()
    emergency.failures.plan("audit", AuditUnavailable(), after=1)
    with pytest.raises(AuditUnavailable):
        emergency.approve(request)
    assert emergency.stored(request).status is GrantStatus.ACTIVE
    assert emergency.approve(request).status is GrantStatus.ACTIVE
    assert [(it.phase, it.outcome) for it in emergency.events[-2:]] == [(Phase.INTENT, ""), (Phase.OUTCOME, "ok")]


def test_every_change_has_its_intent_and_its_outcome(emergency: Emergency) -> None:
    before = len(emergency.events)
    request = emergency.granted()
    emergency.revoke(request)
    told = [(it.action, it.phase, it.outcome) for it in emergency.events[before:]]
    assert told == [
        (action, phase, outcome)
        for action in (AuditAction.REQUEST_GRANT, AuditAction.APPROVE_GRANT, AuditAction.REVOKE_GRANT)
        for phase, outcome in ((Phase.INTENT, ""), (Phase.OUTCOME, "ok"))
    ]
    for event in emergency.events[before:]:
        assert reason_of(request.id) in event.reasons
        assert (event.environment, event.path) == ("prod", NAME.path)
    assert "approvals:1" in emergency.events[-3].reasons
    assert "grant-active" in emergency.events[-3].reasons


def test_nobody_buries_the_requests_of_others(emergency: Emergency) -> None:
    """So many wait at once; what was decided or has lapsed makes room."""
    for _ in range(limits.MAX_PENDING_GRANTS):
        request = emergency.ask()
    with pytest.raises(Conflict, match="wait for approval"):
        emergency.ask()
    assert emergency.ask(caller=APPROVER).status is GrantStatus.PENDING
    emergency.revoke(request, RESPONDER)
    assert emergency.ask().status is GrantStatus.PENDING
    emergency.clock.advance(limits.GRANT_REQUEST_TIME)
    assert emergency.ask().status is GrantStatus.PENDING


def test_there_are_so_many_active_grants_and_no_more(emergency: Emergency) -> None:
    for _ in range(limits.MAX_GRANTS):
        request = emergency.granted()
    with pytest.raises(Conflict, match="100 active grants"):
        emergency.granted()
    emergency.revoke(request)
    assert emergency.granted().status is GrantStatus.ACTIVE
