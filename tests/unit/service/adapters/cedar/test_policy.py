"""Policies in Cedar's language: conditions, forbids, and what cannot be evaluated."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.adapters.cedar.compile import check_policy
from strongroom_service.adapters.cedar.policy import CedarPolicy
from strongroom_service.domain.access import AccessRequest, Action, Resource
from strongroom_service.domain.access_set import AccessSet, CedarText
from strongroom_service.domain.errors import InvalidRequest

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
        ("permit(principal, action", "Cedar's language"),
        ("permit(principal, action, resource) when { resource.colour == 1 };", "colour"),
        ('permit(principal, action == Action::"secret:rule", resource);', "secret:rule"),
        ("permit(principal is Robot, action, resource);", "Robot"),
        ("permit(principal, action, resource) when { context.region > 3 };", "expected"),
        ("permit(principal, action, resource) when { context.colour == 3 };", "colour"),
        (ALL + " " * 10_000, "at most 10000"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_with_its_rule(text: str, rule: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_policy(CedarText(text))
    assert {violation.field for violation in refused.value.violations} == {"cedar"}
    assert rule in " ".join(violation.rule for violation in refused.value.violations)


def test_a_syntax_error_does_not_repeat_the_text() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_policy(CedarText("permit(canary canary"))
    assert "canary" not in str(refused.value.details)
