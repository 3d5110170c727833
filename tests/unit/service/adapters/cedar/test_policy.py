"""Policies in Cedar's language: conditions, forbids, and what cannot be evaluated."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.adapters.cedar.compile import check_policy, named_principals
from strongroom_service.adapters.cedar.policy import CedarPolicy
from strongroom_service.domain.access import AccessRequest, Action, Resource
from strongroom_service.domain.access_set import AccessSet, CedarText
from strongroom_service.domain.errors import InvalidRequest
from strongroom_service.domain.scopes import Scope, scopes_of

REQUEST = AccessRequest(
    principal="iam:app",
    action=Action.READ,
    resource=Resource("default", "prod", "payments/db-password"),
    source_ip="192.0.2.1",
    time=datetime(2030, 1, 1, 12, tzinfo=UTC),
    region="us-east-1",
)
ALL = "permit(principal, action, resource);"


def policy(*texts: str) -> CedarPolicy:
    return CedarPolicy(AccessSet("default", 1, {f"p{number}": CedarText(text) for number, text in enumerate(texts)}))


def permitted_when(condition: str) -> CedarPolicy:
    text = f'permit(principal, action == Action::"secret:read", resource) when {{ {condition} }};'
    check_policy(CedarText(text))
    return policy(text)


def test_without_a_policy_everything_is_denied() -> None:
    assert policy().decide(REQUEST).reasons == ("no-permit",)


def test_a_forbid_wins_and_is_named() -> None:
    decision = policy(ALL, 'forbid(principal, action, resource in Environment::"prod");').decide(REQUEST)
    assert (decision.allowed, decision.reasons) == (False, ("p1",))


@pytest.mark.parametrize(
    ("condition", "request_"),
    [
        ('context.sourceAddress.isInRange(ip("192.0.2.0/24"))', replace(REQUEST, source_ip="198.51.100.1")),
        ('context.sourceAddress.isInRange(ip("192.0.2.0/24"))', replace(REQUEST, source_ip="not an address")),
        (
            'context.time < datetime("2030-01-01T13:00:00Z")',
            replace(REQUEST, time=datetime(2030, 1, 1, 13, tzinfo=UTC)),
        ),
        (
            'context.time.toTime() >= duration("8h") && context.time.toTime() < duration("18h")',
            replace(REQUEST, time=datetime(2030, 1, 1, 18, tzinfo=UTC)),
        ),
        ('context.region == "us-east-1"', replace(REQUEST, region="us-west-2")),
        ('context.authentication == "iam" && context.grant == "" && context.authenticationAge >= 0', None),
        (
            'resource.path like "payments/*" && resource.environment == "prod"',
            replace(REQUEST, resource=Resource("default", "prod", "other/x")),
        ),
        ('principal == Principal::"iam:app"', replace(REQUEST, principal="iam:other")),
    ],
)
def test_conditions_on_the_circumstances(condition: str, request_: AccessRequest | None) -> None:
    """Each holds for the usual request, and not for the other one."""
    found = permitted_when(condition)
    assert found.decide(REQUEST).allowed
    if request_ is not None:
        assert not found.decide(request_).allowed


def test_another_tenants_resource_is_denied_whatever_the_policies_say() -> None:
    assert not policy(ALL).decide(replace(REQUEST, resource=Resource("other", "prod", "x"))).allowed


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_policy_that_cannot_be_evaluated_denies(effect: str) -> None:
    """Cedar itself would leave it out and let the other one permit."""
    broken = f'{effect}(principal, action, resource) when {{ resource.path == "x" || 9223372036854775807 + 1 > 0 }};'
    decision = policy(ALL, broken).decide(REQUEST)
    assert not decision.allowed
    assert decision.is_broken
    assert decision.reasons == ("evaluation-error",)


@given(principal=st.text(), path=st.text(min_size=1), source_ip=st.text())
def test_no_name_makes_a_request_err(principal: str, path: str, source_ip: str) -> None:
    """What is asked can be asked of Cedar, whatever it is called."""
    asked = replace(REQUEST, principal=principal, source_ip=source_ip, resource=Resource("default", "prod", path))
    try:
        (principal + path + source_ip).encode()
    except UnicodeEncodeError:
        return
    assert policy(ALL).decide(asked).allowed


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "exactly one policy"),
        (f"{ALL} {ALL}", "exactly one policy"),
        ("permit(principal == ?principal, action, resource);", "without slots"),
        ('@id("canary") permit(principal, action, resource);', "no annotation @id"),
        ("@id permit(principal, action, resource);", "no annotation @id"),
        ("permit(canary canary", "Cedar's language"),
        ('permit(principal, action, resource) when { canary("x") };', "Cedar's language"),
        ("permit(principal, action, resource) when { resource.canary == 1 };", "attributes that there are"),
        ("permit(principal, action, resource) when { principal.canary == 1 };", "attributes that there are"),
        ("permit(principal, action, resource) when { context.canary == 3 };", "attributes that there are"),
        ('permit(principal, action, resource) when { resource.path == "x" };', "resource is Secret"),
        ('permit(principal, action == Action::"canary:rule", resource);', "actions that there are"),
        ("permit(principal is Canary, action, resource);", "types that there are"),
        ('permit(principal, action, resource) when { principal == Canary::"x" };', "types that there are"),
        ("permit(principal, action, resource) when { context.region > 3 };", "types that its operators"),
        ('permit(principal, action, resource) when { ip("canary").isLoopback() };', "ip, datetime"),
        ('permit(principal, action == Action::"policy:write", resource == Environment::"canary");', "scope"),
        ("permit(principal, action, resource) when { [] == [] };", "empty sets"),
        (ALL + " " * 10_000, "at most 10000"),
        (f"permit(principal, action, resource) when {{ {'(' * 4000}true{')' * 4000} }};", "nest deeper"),
        (f"permit(principal, action, resource) when {{ {'[' * 4000}1{']' * 4000} == 1 }};", "nest deeper"),
        ("permit(principal, action, resource) when { " + '(")"==")"&&' * 600 + "1" + ")" * 600 + " };", "nest deeper"),
        (f"permit(principal, action, resource) when {{ {' && '.join(['true'] * 300)} }};", "chain"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_with_its_rule_and_not_repeated(text: str, rule: str) -> None:
    """Some hundred brackets within each other would end the process inside of Cedar's parser."""
    with pytest.raises(InvalidRequest) as refused:
        check_policy(CedarText(text))
    assert {violation.field for violation in refused.value.violations} == {"cedar"}
    assert rule in " ".join(violation.rule for violation in refused.value.violations)
    assert "canary" not in f"{refused.value} {refused.value.details}".lower()
    assert refused.value.__context__ is None


def test_each_rule_is_told_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_policy(CedarText('permit(principal is X, action in [Action::"a", Action::"b"], resource);'))
    assert [violation.rule[:12] for violation in refused.value.violations] == ["must name ty", "must name ac"]


@pytest.mark.parametrize(
    "text",
    [
        '@note("why it is here") permit(principal, action, resource);',
        'permit(principal in Group::"payments", action, resource in Path::"*/payments");',
        'forbid(principal, action, resource) when { resource is Secret && resource.path like "*root*" };',
        f'permit(principal, action, resource) when {{ context.region == "{"(" * 100}" }}; // {"(" * 100}',
        f"permit(principal, action, resource) when {{ {' && '.join(['true'] * 30)} }};",
        'permit(principal, action == Action::"secret:explain", resource in Environment::"prod");',
    ],
)
def test_what_may_be_stored_can_be_evaluated(text: str) -> None:
    check_policy(CedarText(text))
    assert not policy(text).decide(REQUEST).is_broken


def test_what_is_stored_and_too_deep_does_not_reach_the_parser() -> None:
    with pytest.raises(ValueError, match="nest deeper"):
        policy(f"permit(principal, action, resource) when {{ {'(' * 4000}true{')' * 4000} }};")


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("scope", Scope)
def test_the_schema_says_on_what_an_action_is_asked(action: Action, scope: Scope) -> None:
    """A policy on another kind of resource could never apply, and is refused."""
    text = CedarText(f'permit(principal, action == Action::"{action}", resource is {scope});')
    if scope in scopes_of(action):
        check_policy(text)
    else:
        with pytest.raises(InvalidRequest):
            check_policy(text)


@pytest.mark.parametrize("address", ["", "made-up", "fe80::1%eth0"])
def test_an_address_that_is_none_is_nobodys(address: str) -> None:
    near = permitted_when('context.sourceAddress.isInRange(ip("0.0.0.0/32"))')
    assert near.decide(replace(REQUEST, source_ip=address)).allowed


@pytest.mark.parametrize("time", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_no_time_is_out_of_reach(time: datetime) -> None:
    assert not policy(ALL).decide(replace(REQUEST, time=time)).is_broken


def test_everybody_whom_a_policy_names_is_known() -> None:
    """In its scope or anywhere in its conditions."""
    texts = {
        "a": 'permit(principal == Principal::"iam:a", action, resource);',
        "b": 'permit(principal, action, resource) when { principal in [Principal::"iam:b", Group::"g"] };',
        "c": 'forbid(principal, action, resource) unless { if principal == Principal::"iam:c" then true else false };',
    }
    policies = {name: CedarText(text) for name, text in texts.items()}
    found = AccessSet("default", 1, policies, {"g": frozenset({"iam:d"})})
    assert named_principals(found) == {"iam:a", "iam:b", "iam:c", "iam:d"}
