"""Grants as Cedar evaluates them: whom they let read what, until when, and how a decision tells it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.adapters.cedar.compile import compile_policies
from strongroom_service.adapters.cedar.policy import CedarPolicy
from strongroom_service.adapters.cedar.schema import schema
from strongroom_service.domain.access import AccessRequest, Action, Resource
from strongroom_service.domain.access_set import AccessSet, CedarText, PolicyEntry
from strongroom_service.domain.grants import Grant, GrantScope
from strongroom_service.domain.roles import Role, RoleBinding

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=15)
PATH = GrantScope(environment="prod", path="payments/db-password")
PREFIX = GrantScope(environment="prod", prefix="payments")
REQUEST = AccessRequest(
    principal="iam:responder",
    action=Action.READ,
    resource=Resource("default", "prod", "payments/db-password"),
    source_ip="192.0.2.1",
    time=NOW,
    region="us-east-1",
)


def grant(scope: GrantScope = PATH, *, until: datetime = UNTIL, principal: str = "iam:responder") -> Grant:
    return Grant(principal=principal, scope=scope, until=until)


def policy(*grants: Grant, **policies: PolicyEntry) -> CedarPolicy:
    found = {f"bg_{number}": it for number, it in enumerate(grants, 1)}
    return CedarPolicy(AccessSet("default", 1, policies, {}, found))


@pytest.mark.parametrize("scope", [PATH, PREFIX])
def test_a_grant_lets_its_principal_read(scope: GrantScope) -> None:
    decision = policy(grant(scope)).decide(REQUEST)
    assert (decision.allowed, decision.reasons, decision.grant) == (True, ("grant:bg_1",), "bg_1")


def test_it_lets_nobody_else_and_nothing_else() -> None:
    found = policy(grant())
    for other in (
        replace(REQUEST, principal="iam:other"),
        replace(REQUEST, resource=Resource("default", "prod", "payments/db-password/deeper")),
        replace(REQUEST, resource=Resource("default", "prod", "payments")),
        replace(REQUEST, resource=Resource("default", "dev", "payments/db-password")),
        replace(REQUEST, resource=Resource("other", "prod", "payments/db-password")),
    ):
        assert not found.decide(other).allowed
    for action in set(Action) - {Action.READ}:
        assert not found.decide(replace(REQUEST, action=action)).allowed, action


@given(seconds=st.integers(-7200, 7200), microseconds=st.integers(0, 999_999))
def test_it_ends_by_its_condition(seconds: int, microseconds: int) -> None:
    time = UNTIL + timedelta(seconds=seconds, microseconds=microseconds)
    decision = policy(grant()).decide(replace(REQUEST, time=time))
    assert decision.allowed is (time < UNTIL)
    assert decision.grant == ("bg_1" if time < UNTIL else "")


def test_a_forbid_wins_and_can_speak_of_grants() -> None:
    without = CedarText('forbid(principal, action == Action::"secret:read", resource) unless { context.grant != "" };')
    reader = RoleBinding(role=Role.READER, principal="iam:responder")
    assert not policy(reader=reader, without=without).decide(REQUEST).allowed
    assert policy(grant(), reader=reader, without=without).decide(REQUEST).allowed
    assert not policy(grant(until=NOW), reader=reader, without=without).decide(REQUEST).allowed
    never = CedarText('forbid(principal, action, resource in Path::"prod/payments");')
    decision = policy(grant(), never=never).decide(REQUEST)
    assert (decision.allowed, decision.reasons, decision.grant) == (False, ("never",), "")


def test_what_a_role_allows_as_well_is_not_by_the_grant() -> None:
    decision = policy(grant(), reader=RoleBinding(role=Role.READER, principal="iam:responder")).decide(REQUEST)
    assert (decision.reasons, decision.grant) == (("grant:bg_1", "reader role:reader@*"), "")


@pytest.mark.parametrize(
    "text",
    [
        'forbid(principal, action == Action::"secret:read", resource) unless { context.grant != "" };',
        'permit(principal, action == Action::"secret:read", resource) when { context.grant != "" };',
    ],
)
def test_what_a_policy_allows_only_while_there_is_a_grant_is_by_the_grant(text: str) -> None:
    """Whoever may read only with a grant uses it, whichever policy permits beside it."""
    policies: dict[str, PolicyEntry] = {"demands": CedarText(text)}
    if text.startswith("forbid"):
        policies["reader"] = RoleBinding(role=Role.READER, principal="iam:responder")
    decision = policy(grant(), **policies).decide(REQUEST)
    assert (decision.allowed, decision.grant) == (True, "bg_1")
    assert "grant:bg_1" in decision.reasons
    assert not policy(**policies).decide(REQUEST).allowed


def test_of_several_grants_all_are_named_and_the_longest_is_in_the_context() -> None:
    longer = grant(PREFIX, until=UNTIL + timedelta(minutes=1))
    decision = policy(grant(), longer, grant(until=NOW)).decide(REQUEST)
    assert (decision.reasons, decision.grant) == (("grant:bg_1", "grant:bg_2"), "bg_1")
    only = CedarText('permit(principal, action == Action::"secret:list", resource) when { context.grant == "bg_2" };')
    assert policy(grant(), longer, only=only).decide(replace(REQUEST, action=Action.LIST)).allowed


def test_no_policy_can_pass_for_a_grant() -> None:
    """A policy's id has no colon: none can be named like a grant's reason."""
    reader = RoleBinding(role=Role.READER, principal="iam:responder")
    assert policy(**{"grant": reader, "grant-bg_1": reader}).decide(REQUEST).grant == ""


@given(
    principal=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    path=st.from_regex(r"[A-Za-z0-9._-]{1,8}(/[A-Za-z0-9._-]{1,8}){0,3}", fullmatch=True),
    prefix=st.from_regex(r"[A-Za-z0-9._-]{1,8}(/[A-Za-z0-9._-]{1,8}){0,1}", fullmatch=True),
)
def test_cedar_and_the_context_agree_on_what_a_grant_covers(principal: str, path: str, prefix: str) -> None:
    """Whatever they are called: the permit holds just where the context names the grant."""
    resource = Resource("default", "prod", path)
    for scope in (GrantScope(environment="prod", path=path), GrantScope(environment="prod", prefix=prefix)):
        asked = replace(REQUEST, principal=principal, resource=resource)
        assert policy(grant(scope, principal=principal)).decide(asked).allowed is scope.covers(resource)


def test_the_permit_is_valid_by_the_schema() -> None:
    """As every policy is that is stored."""
    compiled = compile_policies(AccessSet("default", 1, {}, {}, {"bg_1": grant(), "bg_2": grant(PREFIX)}))
    result = cedarpy.validate_policies(str(compiled), schema())
    assert not result.errors
