"""What a denial's explanation offers: the smallest role over as little as possible, and the closest policies first."""

import pytest

from strongroom_service.domain.access import Action, Resource
from strongroom_service.domain.explanation import (
    MAX_CLOSE_POLICIES,
    Aspect,
    ClosePolicy,
    narrowest_binding,
    nearest,
)
from strongroom_service.domain.roles import ALLOWED, Role, RoleBinding

SECRET, ENVIRONMENT, TENANT = Resource("default", "prod", "pay/db"), Resource("default", "prod"), Resource("default")


def bound(role: Role, environment: str | None = "prod", prefix: str = "pay/db") -> RoleBinding:
    return RoleBinding(role=role, principal="iam:a", environment=environment, prefix=prefix)


@pytest.mark.parametrize(
    ("actions", "resource", "binding"),
    [
        ([Action.READ], SECRET, bound(Role.READER)),
        ([Action.LIST], Resource("default", "prod", "pay/"), bound(Role.READER, prefix="pay")),
        ([Action.LIST], ENVIRONMENT, bound(Role.READER, prefix="")),
        ([Action.WRITE, Action.PROMOTE], SECRET, bound(Role.ROTATOR)),
        ([Action.WRITE, Action.REGISTER], SECRET, bound(Role.OWNER)),
        ([Action.DISABLE], SECRET, bound(Role.SECURITY)),
        ([Action.REWRAP], ENVIRONMENT, bound(Role.SECURITY, prefix="")),
        ([Action.EXPLAIN], SECRET, bound(Role.AUDITOR)),
        ([Action.BREAK_GLASS_REQUEST], SECRET, bound(Role.RESPONDER)),
        ([Action.POLICY_READ], TENANT, bound(Role.AUDITOR, None, "")),
        ([Action.POLICY_WRITE], TENANT, bound(Role.ADMINISTRATOR, None, "")),
        ([Action.READ, Action.POLICY_WRITE], TENANT, None),
        ([Action.READ], Resource("default", "", ""), None),
    ],
)
def test_the_narrowest_binding(actions: list[Action], resource: Resource, binding: RoleBinding | None) -> None:
    """None where no role has all of it, and for what lies nowhere."""
    assert narrowest_binding("iam:a", actions, resource) == binding
    if binding is not None:
        assert set(actions) <= ALLOWED[binding.role]
        assert binding.violations() == []


def test_the_closest_come_first_and_not_too_many() -> None:
    one, two = frozenset({Aspect.SCOPE}), frozenset({Aspect.SCOPE, Aspect.CONDITION})
    found = [ClosePolicy("b", one), ClosePolicy("z", two), ClosePolicy("a", frozenset({Aspect.PRINCIPAL}), "team")]
    assert [it.policy_id for it in nearest(found)] == ["b", "a", "z"]
    assert len(nearest([ClosePolicy(f"p{number}", one) for number in range(100)])) == MAX_CLOSE_POLICIES
