"""A denial explained to who may know: what was asked, what is said now, what came close, what it would take."""

from typing import Any

import pytest

from strongroom_service.domain.access import Decision
from strongroom_service.domain.access_set import CedarText
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import (
    AccessDenied,
    AuditUnavailable,
    DomainError,
    NotFound,
    StoreUnavailable,
)
from strongroom_service.domain.explanation import Aspect
from strongroom_service.domain.names import SecretName, Selector
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.change_access import read_access
from strongroom_service.usecases.explain_denial import Explained, explain
from strongroom_service.usecases.ports import ReadPorts
from strongroom_service.usecases.read_values import ReadItem, read_batch
from tests.support.access import ADMINISTRATOR, APP, AUDITOR, INITIAL, OTHER, Governed, caller
from tests.support.fakes import FakeHeads

TEAM = "iam:arn:aws:iam::111122223333:role/team"
OWNER = RoleBinding(role=Role.OWNER, principal=TEAM, environment="prod", prefix="payments")


@pytest.fixture
def governed() -> Governed:
    return Governed([*INITIAL, OWNER])


def read_ports(governed: Governed) -> ReadPorts:
    ports = governed.write_ports()
    return ReadPorts(
        region=ports.region, clock=ports.clock, randomness=ports.randomness, audit=ports.audit,
        heads=FakeHeads(governed.table, governed.failures), envelopes=governed.encryption,
        access=governed.access, registry=governed.registry, writership=ports.writership,
    )  # fmt: skip


def deny(governed: Governed, *paths: str, actor: str = OTHER, request_id: str = "denied-1") -> None:
    items = [ReadItem(SecretName("default", "prod", path), Selector.parse(None)) for path in paths]
    for result in read_batch(items, caller=caller(actor, request_id=request_id), ports=read_ports(governed)):
        assert isinstance(result, AccessDenied)


def explained(
    governed: Governed, *, actor: str = TEAM, request_id: str = "denied-1", tenant: str = "default"
) -> Explained:
    return explain(request_id, caller=caller(actor, tenant=tenant), ports=governed.write_ports())


def put(governed: Governed, policy_id: str, entry: Any, *, groups: dict[str, list[str]] | None = None) -> None:
    access_set = governed.in_force().with_policy(policy_id, entry)
    for group, members in (groups or {}).items():
        access_set = access_set.with_group(group, members)
    governed.items.put(access_set)


def test_a_denied_read_is_explained_to_the_secrets_owner(governed: Governed) -> None:
    deny(governed, "payments/db")
    (denial,) = explained(governed).denials
    asked = denial.request
    assert (asked.actor, asked.environment, asked.path, asked.permissions) == (
        OTHER,
        "prod",
        "payments/db",
        ("secret:read",),
    )
    assert (asked.allowed, asked.reasons, asked.action) == (False, ("no-permit",), AuditAction.READ)
    assert denial.in_force == Decision(allowed=False, reasons=("no-permit",), asked=asked.permissions)
    assert denial.needed == RoleBinding(role=Role.READER, principal=OTHER, environment="prod", prefix="payments/db")
    assert denial.forbidden_by == ()
    told = governed.audit.events[-1]
    assert (told.phase, told.action, told.path, told.permissions) == (
        Phase.RELEASE, AuditAction.EXPLAIN, "payments/db", ("secret:explain",)
    )  # fmt: skip


def test_what_is_needed_would_do(governed: Governed) -> None:
    deny(governed, "payments/db")
    (denial,) = explained(governed).denials
    assert denial.needed is not None
    put(governed, "needed", denial.needed)
    (denial,) = explained(governed).denials
    assert denial.in_force is not None
    assert denial.in_force.allowed
    assert (denial.needed, denial.close) == (None, ())


def test_policies_that_came_close_are_named_with_what_does_not_fit(governed: Governed) -> None:
    put(governed, "elsewhere", RoleBinding(role=Role.READER, principal=OTHER, environment="prod", prefix="other"))
    put(governed, "lister", RoleBinding(role=Role.AUDITOR, principal=OTHER))
    put(governed, "far", RoleBinding(role=Role.AUDITOR, principal=OTHER, environment="test"))
    put(governed, "group", RoleBinding(role=Role.READER, group="readers"), groups={"readers": [APP], "mine": [OTHER]})
    put(governed, "mine", RoleBinding(role=Role.READER, group="mine", environment="test"))
    conditional = (
        f'permit(principal == Principal::"{OTHER}", action, resource) when {{ context.region == "eu-west-1" }};'
    )
    put(governed, "conditional", CedarText(conditional))
    put(governed, "is", CedarText('permit(principal is Principal in Group::"readers", action, resource is Secret);'))
    put(governed, "never", CedarText('forbid(principal, action == Action::"secret:purge", resource);'))
    deny(governed, "payments/db")
    (denial,) = explained(governed).denials
    assert {it.policy_id: (set(it.misses), it.group) for it in denial.close} == {
        "elsewhere": ({Aspect.SCOPE}, None),
        "lister": ({Aspect.ACTION}, None),
        "group": ({Aspect.PRINCIPAL}, "readers"),
        "is": ({Aspect.PRINCIPAL}, "readers"),
        "mine": ({Aspect.SCOPE}, "mine"),
        "conditional": ({Aspect.CONDITION}, None),
    }
    assert [it.policy_id for it in denial.close][-2:] == ["group", "is"]


def test_others_bindings_are_not_told(governed: Governed) -> None:
    """Who else may read it is no part of why somebody may not."""
    deny(governed, "payments/db")
    (denial,) = explained(governed).denials
    assert denial.close == ()


def test_a_forbid_is_named_and_no_binding_is_offered(governed: Governed) -> None:
    put(governed, "reader", RoleBinding(role=Role.READER, principal=OTHER))
    put(governed, "frozen", CedarText('forbid(principal, action, resource in Environment::"prod") unless '
                                      '{ action == Action::"secret:explain" };'))  # fmt: skip
    deny(governed, "payments/db")
    (denial,) = explained(governed).denials
    assert (denial.forbidden_by, denial.needed) == (("frozen",), None)
    assert denial.close == ()


def test_a_batchs_denials_are_explained_as_far_as_the_caller_may(governed: Governed) -> None:
    deny(governed, "payments/a", "other/b", "payments/c")
    assert {it.request.path for it in explained(governed).denials} == {"payments/a", "payments/c"}
    assert {it.request.path for it in explained(governed, actor=AUDITOR).denials} == {
        "payments/a",
        "other/b",
        "payments/c",
    }


def test_a_denial_about_policies_is_explained_to_who_sees_them(governed: Governed) -> None:
    with pytest.raises(AccessDenied):
        read_access(caller=caller(OTHER, request_id="denied-1"), ports=governed.write_ports())
    (denial,) = explained(governed, actor=AUDITOR).denials
    assert denial.needed == RoleBinding(role=Role.AUDITOR, principal=OTHER)
    with pytest.raises(AccessDenied):
        explained(governed, actor=TEAM)


def test_a_record_without_its_question_is_told_as_it_is(governed: Governed) -> None:
    """Format 1 did not say what the policy was asked."""
    deny(governed, "payments/db")
    (record,) = governed.index.search_all()
    governed.audit.events.clear()
    governed.index.others.append({k: v for k, v in record.items() if k not in {"permissions", "authentication"}})
    (denial,) = explained(governed).denials
    assert (denial.in_force, denial.close, denial.needed) == (None, (), None)
    assert denial.request.reasons == ("no-permit",)


def test_a_request_that_was_not_denied_is_said_to_be_none(governed: Governed) -> None:
    read_access(caller=caller(AUDITOR, request_id="fine"), ports=governed.write_ports())
    with pytest.raises(NotFound):
        explained(governed, actor=AUDITOR, request_id="fine")
    assert governed.audit.events[-1].outcome == "not_found"


def unknown(governed: Governed) -> None:
    explained(governed, request_id="unknown")


def unknown_to_one_who_may_explain_everything(governed: Governed) -> None:
    explained(governed, actor=AUDITOR, request_id="unknown")


def of_another_tenant(governed: Governed) -> None:
    explained(governed, actor=AUDITOR, request_id="theirs")


def not_the_callers_to_explain(governed: Governed) -> None:
    explained(governed, request_id="elsewhere")


def ones_own(governed: Governed) -> None:
    explained(governed, actor=OTHER)


def test_what_may_not_be_explained_is_refused_alike(governed: Governed) -> None:
    """The same words, and the same number and kind of calls; who was denied is no exception."""
    deny(governed, "payments/db")
    deny(governed, "other/x", request_id="elsewhere")
    (record,) = [it for it in governed.index.search_all() if it["requestId"] == "denied-1"]
    governed.index.others.append({**record, "tenant": "other", "requestId": "theirs"})
    seen = []
    for attempt in (
        unknown,
        unknown_to_one_who_may_explain_everything,
        of_another_tenant,
        not_the_callers_to_explain,
        ones_own,
    ):
        governed.failures.calls.clear()
        with pytest.raises(AccessDenied) as denied:
            attempt(governed)
        seen.append((str(denied.value), denied.value.details, dict(governed.failures.calls)))
        assert governed.audit.events[-1].phase is Phase.DENIAL
        assert not governed.audit.events[-1].allowed
    assert seen == [("Access denied.", {}, {"access.pointer": 1, "index.search": 1, "audit": 1})] * 5


@pytest.mark.parametrize(
    ("operation", "error"),
    [("index.search", StoreUnavailable()), ("access.pointer", StoreUnavailable()), ("audit", AuditUnavailable())],
)
def test_what_fails_explains_nothing(governed: Governed, operation: str, error: DomainError) -> None:
    deny(governed, "payments/db")
    governed.failures.plan(operation, error)
    with pytest.raises(type(error)):
        explained(governed)


def test_many_records_of_one_request_are_all_found(governed: Governed) -> None:
    for _ in range(5):
        deny(governed, *[f"payments/{number}" for number in range(50)])
    assert len(explained(governed, actor=ADMINISTRATOR).denials) == 250
