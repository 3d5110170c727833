"""The built-in policy: what is bound is allowed, everything else is denied."""

import pytest

from strongroom_service.adapters.static_policy import Role, RoleBinding, StaticPolicy
from strongroom_service.domain.access import Action, Principal, Resource

APP = Principal("iam:arn:aws:iam::123456789012:role/app", "123456789012", "session")
OTHER = Principal("iam:arn:aws:iam::123456789012:role/other", "123456789012")
SECRET = Resource("default", "prod", "payments/db-password")


def allowed(binding: RoleBinding, action: Action, resource: Resource = SECRET, principal: Principal = APP) -> bool:
    return StaticPolicy([binding]).decide(principal, action, resource).allowed


def bound(role: Role, environment: str | None = None, prefix: str = "") -> RoleBinding:
    return RoleBinding(APP.id, role, "default", environment, prefix)


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        (Role.READER, {Action.READ, Action.LIST}),
        (Role.OWNER, set(Action) - {Action.AUDIT_READ}),
        (Role.AUDITOR, {Action.LIST, Action.AUDIT_READ}),
    ],
)
def test_a_role_allows_its_actions_and_no_others(role: Role, actions: set[Action]) -> None:
    """The three roles, action by action."""
    assert {action for action in Action if allowed(bound(role), action)} == actions


def test_who_is_not_bound_is_denied() -> None:
    """No binding, no right; the reason says so."""
    decision = StaticPolicy([bound(Role.OWNER)]).decide(OTHER, Action.READ, SECRET)
    assert not decision.allowed
    assert decision.reasons == ("no-role",)


@pytest.mark.parametrize(
    ("resource", "covered"),
    [
        (Resource("default", "prod", "payments/db-password"), True),
        (Resource("default", "prod", "payments"), True),
        (Resource("default", "prod", "payments2/db-password"), False),
        (Resource("default", "prod", "other"), False),
        (Resource("default", "test", "payments/db-password"), False),
        (Resource("other", "prod", "payments/db-password"), False),
        (Resource("default", "prod"), False),
        (Resource("default"), False),
    ],
)
@pytest.mark.parametrize("prefix", ["payments/", "payments"])
def test_a_binding_covers_whole_segments_of_its_environment(resource: Resource, prefix: str, *, covered: bool) -> None:
    """A prefix never reaches into a sibling, another environment, another tenant, or a wider scope than its own."""
    assert allowed(bound(Role.READER, "prod", prefix), Action.READ, resource) is covered


@pytest.mark.parametrize(
    ("binding", "may"),
    [
        (bound(Role.OWNER), True),
        (bound(Role.OWNER, "prod"), True),
        (bound(Role.OWNER, "prod", "payments/"), False),
        (bound(Role.OWNER, None, "payments/"), False),
        (bound(Role.OWNER, "test"), False),
        (bound(Role.READER, "prod"), False),
    ],
)
def test_an_environments_key_is_a_matter_of_who_owns_all_of_it(binding: RoleBinding, *, may: bool) -> None:
    assert allowed(binding, Action.REWRAP, Resource("default", "prod")) is may


def test_a_decision_names_the_binding_that_led_to_it() -> None:
    """The audit can tell why."""
    policy = StaticPolicy([bound(Role.READER), bound(Role.OWNER, "prod", "payments/")])
    assert policy.decide(APP, Action.READ, SECRET).reasons == ("role:reader@*", "role:owner@prod/payments")


def test_a_binding_is_read_from_options() -> None:
    """The deployment's JSON becomes a binding; an unknown role is refused."""
    entry = {"principal": APP.id, "role": "reader", "tenant": "default", "environment": "prod", "prefix": "payments/"}
    assert RoleBinding.from_json(entry) == bound(Role.READER, "prod", "payments/")
    with pytest.raises(ValueError, match="god"):
        RoleBinding.from_json({**entry, "role": "god"})
