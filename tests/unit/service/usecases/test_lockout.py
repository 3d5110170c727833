"""No change of policies leaves nobody who could make the next one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from strongroom_service.domain.access_set import AccessSet, CedarText, PolicyEntry
from strongroom_service.domain.errors import LockedOut
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.lockout import require_administrator
from tests.support.access import ACCOUNT, ADMINISTRATOR, OTHER, Governed, caller
from tests.support.deployment import REPLICA, WRITER

ROOT = f"iam:arn:aws:iam::{ACCOUNT}:root"
OWN = RoleBinding(role=Role.ADMINISTRATOR, principal=ADMINISTRATOR)
OTHERS = RoleBinding(role=Role.ADMINISTRATOR, principal=OTHER)
OF_GROUP = RoleBinding(role=Role.ADMINISTRATOR, group="admins")


def cedar(text: str) -> CedarText:
    return CedarText(text)


def permit(condition: str = "true", *, who: str = "principal") -> CedarText:
    return cedar(f'permit({who}, action == Action::"policy:write", resource) when {{ {condition} }};')


def forbid(condition: str = "true", *, who: str = "principal", action: str = "action") -> CedarText:
    return cedar(f"forbid({who}, {action}, resource) when {{ {condition} }};")


def judge(
    *policies: PolicyEntry,
    groups: Mapping[str, frozenset[str]] | None = None,
    at: datetime = datetime(2030, 1, 1, 12, tzinfo=UTC),
) -> None:
    governed = Governed()
    governed.clock.moment = at
    access_set = AccessSet("default", 7, {f"p{n}": it for n, it in enumerate(policies)}, groups or {})
    require_administrator(access_set, caller=caller(ADMINISTRATOR), ports=governed.write_ports())


@pytest.mark.parametrize(
    "policies",
    [
        [OWN],
        [OTHERS],
        [permit()],
        [permit(who=f'principal == Principal::"{ROOT}"')],
        [permit(f'principal == Principal::"{ROOT}"')],
        [permit(f'[Principal::"{ROOT}", Principal::"x"].contains(principal)')],
        [permit('context.sourceAddress.isInRange(ip("192.0.2.0/24"))')],
        [permit('context.time.toTime() >= duration("8h") && context.time.toTime() < duration("18h")')],
        [permit('context.authentication == "iam" && context.authenticationAge < 300')],
        [permit('context.authentication == "oidc"', who='principal == Principal::"oidc:https://issuer.example#me"')],
        [permit('context.authentication == "spiffe"', who='principal == Principal::"spiffe://example.org/me"')],
        [OWN, forbid(f'principal != Principal::"{ADMINISTRATOR}"')],
        [OWN, forbid('!context.sourceAddress.isInRange(ip("192.0.2.0/24"))')],
        [OWN, forbid('context.region != "us-east-1" && context.region != "us-west-2"')],
        [OWN, forbid(action='action == Action::"secret:read"')],
        [OWN, OTHERS, forbid(who=f'principal == Principal::"{ADMINISTRATOR}"')],
    ],
)
def test_somebody_can(policies: list[PolicyEntry]) -> None:
    judge(*policies)


@pytest.mark.parametrize(
    "policies",
    [
        [],
        [RoleBinding(role=Role.OWNER, principal=ADMINISTRATOR)],
        [RoleBinding(role=Role.AUDITOR, principal=ADMINISTRATOR)],
        [OF_GROUP],
        [permit(who='principal in Group::"admins"')],
        [permit("false")],
        [permit('context.sourceAddress.isInRange(ip("198.51.100.0/24"))')],
        [permit('context.time < datetime("2030-01-08T00:00:00Z")')],
        [permit('context.time < datetime("2035-01-01T00:00:00Z")')],
        [permit('context.time > datetime("2030-01-02T00:00:00Z")')],
        [permit('context.time.toTime() < duration("8h")')],
        [permit('context.region == "us-west-2"')],
        [permit('context.region == "us-east-1"')],
        [permit('context.grant != ""')],
        [permit('context.authentication == "oidc"', who=f'principal == Principal::"{ROOT}"')],
        [OWN, forbid()],
        [OWN, OTHERS, forbid(action='action == Action::"policy:write"')],
        [OWN, forbid(f'principal == Principal::"{ADMINISTRATOR}"')],
        [OWN, forbid('context.time > datetime("2030-01-02T00:00:00Z")')],
        [OWN, forbid('context.region == "us-west-2"')],
        [OWN, forbid("9223372036854775807 + context.authenticationAge + 1 > 0")],
        [OWN, cedar('permit(principal, action == Action::"policy:write", resource) when '
                    "{ 9223372036854775807 + context.authenticationAge + 1 > 0 };")],
    ],
)  # fmt: skip
def test_nobody_can(policies: list[PolicyEntry]) -> None:
    """Neither by a policy that ends, nor past a forbid, nor as a member of a group that has none."""
    with pytest.raises(LockedOut):
        judge(*policies)


def test_a_groups_member_can() -> None:
    judge(OF_GROUP, groups={"admins": frozenset({OTHER})})
    with pytest.raises(LockedOut):
        judge(OF_GROUP, groups={"admins": frozenset(), "others": frozenset({OTHER})})


def test_one_follows_another_in_time() -> None:
    """At each moment there is somebody, if not the same."""
    judge(
        permit('context.time < datetime("2031-01-01T00:00:00Z")', who=f'principal == Principal::"{OTHER}"'),
        permit('context.time > datetime("2030-06-01T00:00:00Z")', who=f'principal == Principal::"{ROOT}"'),
    )


def test_members_of_the_same_groups_are_one_question() -> None:
    """To a policy that does not single one out they are the same."""
    members = frozenset(f"iam:{number}" for number in range(1000))
    denied = forbid('principal != Principal::"iam:7"')
    judge(OF_GROUP, denied, groups={"admins": members})
    with pytest.raises(LockedOut):
        judge(OF_GROUP, denied, groups={"admins": members - {"iam:7"}})


def test_the_refusal_says_where_and_when() -> None:
    with pytest.raises(LockedOut) as refused:
        judge(permit('context.time < datetime("2030-01-20T00:00:00Z")'))
    assert refused.value.details == {"region": WRITER, "time": "2030-01-29T12:00:00.000Z"}
    with pytest.raises(LockedOut) as refused:
        judge(permit(f'context.region == "{WRITER}"'))
    assert refused.value.details == {"region": REPLICA, "time": "2030-01-01T12:00:00.000Z"}


def test_a_deployment_of_one_region_asks_for_no_other() -> None:
    governed = Governed()
    access_set = AccessSet("default", 7, {"p": permit(f'context.region == "{WRITER}"')})
    ports = governed.write_ports()
    require_administrator(access_set, caller=caller(ADMINISTRATOR), ports=replace(ports, regions=(WRITER,)))
