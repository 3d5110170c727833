"""The usual roles, as Cedar evaluates them: what is bound is allowed, everything else is denied."""

from datetime import UTC, datetime

import cedarpy
import pytest

from strongroom_service.adapters.cedar.compile import compile_policies
from strongroom_service.adapters.cedar.policy import CedarPolicy
from strongroom_service.adapters.cedar.schema import schema
from strongroom_service.domain.access import AccessRequest, Action, Decision, Resource
from strongroom_service.domain.access_set import AccessSet
from strongroom_service.domain.roles import Role, RoleBinding

APP = "iam:arn:aws:iam::123456789012:role/app"
OTHER = "iam:arn:aws:iam::123456789012:role/other"
SECRET = Resource("default", "prod", "payments/db-password")
PROD, TENANT = Resource("default", "prod"), Resource("default")
SECRETS_OWN = {action for action in Action if action.startswith("secret:")} - {Action.REWRAP}


def bound(role: Role, environment: str | None = None, prefix: str = "", *, group: str | None = None) -> RoleBinding:
    return RoleBinding(role=role, principal=None if group else APP, group=group, environment=environment, prefix=prefix)


def decide(
    *bindings: RoleBinding, action: Action = Action.READ, resource: Resource = SECRET, principal: str = APP
) -> Decision:
    access_set = AccessSet("default", 1, {f"p{n}": it for n, it in enumerate(bindings)}, {"team": frozenset({APP})})
    request = AccessRequest(principal, action, resource, "192.0.2.1", datetime(2030, 1, 1, tzinfo=UTC), "us-east-1")
    return CedarPolicy(access_set).decide(request)


@pytest.mark.parametrize(
    ("role", "on_secrets", "on_the_tenant"),
    [
        (Role.READER, {Action.READ, Action.LIST}, set()),
        (Role.OWNER, SECRETS_OWN, set()),
        (Role.ROTATOR, {Action.READ, Action.LIST, Action.WRITE, Action.PROMOTE, Action.ROLLBACK}, set()),
        (Role.AUDITOR, {Action.LIST, Action.EXPLAIN}, {Action.AUDIT_READ, Action.POLICY_READ}),
        (
            Role.SECURITY,
            {Action.LIST, Action.DISABLE, Action.EXPLAIN, Action.BREAK_GLASS_APPROVE},
            {Action.AUDIT_READ, Action.POLICY_READ},
        ),
        (Role.RESPONDER, {Action.LIST, Action.BREAK_GLASS_REQUEST}, set()),
        (Role.APPROVER, {Action.LIST, Action.BREAK_GLASS_APPROVE}, set()),
        (
            Role.ADMINISTRATOR,
            {Action.LIST, Action.EXPLAIN},
            {Action.AUDIT_READ, Action.POLICY_READ, Action.POLICY_WRITE},
        ),
    ],
)
def test_a_role_allows_its_actions_and_no_others(
    role: Role, on_secrets: set[Action], on_the_tenant: set[Action]
) -> None:
    """Role by role, action by action: each on the kind of resource that it is asked on."""
    allowed = {it for it in Action if it is not Action.REWRAP and decide(bound(role), action=it).allowed}
    assert allowed - _TENANTS_OWN == on_secrets
    whole = {it for it in _TENANTS_OWN if decide(bound(role), action=it, resource=TENANT).allowed}
    assert whole == on_the_tenant


_TENANTS_OWN = {Action.AUDIT_READ, Action.POLICY_READ, Action.POLICY_WRITE}


def test_who_is_not_bound_is_denied() -> None:
    """No binding, no right; the reason says so."""
    assert decide(bound(Role.OWNER), principal=OTHER) == Decision(allowed=False, reasons=("no-permit",))


@pytest.mark.parametrize(
    ("resource", "covered"),
    [
        (Resource("default", "prod", "payments/db-password"), True),
        (Resource("default", "prod", "payments/deeper/still/db-password"), True),
        (Resource("default", "prod", "payments"), True),
        (Resource("default", "prod", "payments/"), True),
        (Resource("default", "prod", "payments2/db-password"), False),
        (Resource("default", "prod", "other/payments/db-password"), False),
        (Resource("default", "prod", "other"), False),
        (Resource("default", "test", "payments/db-password"), False),
        (Resource("other", "prod", "payments/db-password"), False),
        (Resource("default", "prod"), False),
        (Resource("default", "", ""), False),
        (Resource("default"), False),
    ],
)
@pytest.mark.parametrize("action", [Action.READ, Action.LIST])
def test_a_binding_covers_whole_segments_of_its_environment(
    resource: Resource, action: Action, *, covered: bool
) -> None:
    """A prefix never reaches into a sibling, another environment, another tenant, or a wider scope than its own."""
    assert decide(bound(Role.READER, "prod", "payments"), action=action, resource=resource).allowed is covered


def test_a_prefix_without_an_environment_holds_in_each() -> None:
    binding = bound(Role.READER, None, "payments")
    for environment in ("prod", "test"):
        assert decide(binding, resource=Resource("default", environment, "payments/x")).allowed
        assert not decide(binding, resource=Resource("default", environment, "other/x")).allowed


@pytest.mark.parametrize(
    ("binding", "may"),
    [
        (bound(Role.OWNER), True),
        (bound(Role.OWNER, "prod"), True),
        (bound(Role.SECURITY, "prod"), True),
        (bound(Role.OWNER, "prod", "payments"), False),
        (bound(Role.OWNER, None, "payments"), False),
        (bound(Role.OWNER, "test"), False),
        (bound(Role.READER, "prod"), False),
    ],
)
def test_an_environments_key_is_a_matter_of_who_has_all_of_it(binding: RoleBinding, *, may: bool) -> None:
    assert decide(binding, action=Action.REWRAP, resource=PROD).allowed is may


def test_a_role_of_a_group_is_its_members() -> None:
    assert decide(bound(Role.READER, group="team")).allowed
    assert not decide(bound(Role.READER, group="team"), principal=OTHER).allowed
    assert not decide(bound(Role.READER, group="others")).allowed


def test_a_decision_names_the_bindings_that_led_to_it() -> None:
    """The audit can tell why."""
    decision = decide(bound(Role.READER), bound(Role.OWNER, "prod", "payments"))
    assert decision.reasons == ("p0 role:reader@*", "p1 role:owner@prod/payments")


@pytest.mark.parametrize("role", Role)
def test_every_role_agrees_with_the_schema(role: Role) -> None:
    text = str(compile_policies(AccessSet("default", 1, {"p": bound(role)})))
    assert cedarpy.validate_policies(text, schema()).errors == []


def test_no_name_breaks_out_of_its_place() -> None:
    """Names that would end a string in Cedar's text are names all the same."""
    odd = 'oidc:https://issuer.example#"}; permit(principal, action, resource); //\\'
    binding = RoleBinding(role=Role.READER, principal=odd)
    assert decide(binding, principal=odd).allowed
    assert not decide(binding, principal=OTHER).allowed
