"""Access sets: each change makes the next revision, within the limits; what is stored is what is read."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer, AccessSet, AccessSetBroken, CedarText
from strongroom_service.domain.errors import InvalidRequest, NotFound
from strongroom_service.domain.grants import Grant, GrantScope
from strongroom_service.domain.roles import Role, RoleBinding

READER = RoleBinding(role=Role.READER, principal="iam:app", environment="prod", prefix="payments")
EMPTY = AccessSet("default")


def pointer_to(access_set: AccessSet) -> AccessPointer:
    return AccessPointer.to(access_set, epoch=1)


def test_each_change_makes_the_next_revision_and_leaves_the_one_before() -> None:
    first = EMPTY.with_policy("readers", READER)
    second = first.with_group("team", ["iam:b", "iam:a"])
    third = second.without_policy("readers").without_group("team")
    assert [it.revision for it in (EMPTY, first, second, third)] == [0, 1, 2, 4]
    assert (dict(first.policies), dict(EMPTY.policies), dict(third.policies)) == ({"readers": READER}, {}, {})
    assert (second.groups_of("iam:a"), third.groups_of("iam:a")) == (["team"], [])


def test_a_set_is_read_as_it_was_stored() -> None:
    stored = (
        EMPTY.with_policy("readers", READER)
        .with_policy("rule", CedarText('forbid(principal, action, resource in Environment::"prod");'))
        .with_policy("team", RoleBinding(role=Role.OWNER, group="team"))
        .with_group("team", ["iam:b", "iam:ü"])
    )
    assert AccessSet.decode(stored.encode(), pointer_to(stored), tenant="default") == stored


GRANT = Grant(
    principal="iam:responder",
    scope=GrantScope(environment="prod", prefix="payments"),
    until=datetime(2030, 1, 1, 12, 15, tzinfo=UTC),
)
ONE_PATH = replace(GRANT, scope=GrantScope(environment="prod", path="payments/db-password"))


def test_the_stored_format_is_what_it_was_and_grants_are_added_to_it() -> None:
    """The known answers: a document without grants, as ever; one with them."""
    before = (
        b'{"format":1,"groups":{"team":["iam:a"]},"policies":{"readers":{"environment":"prod","prefix":"payments",'
        b'"principal":"iam:app","role":"reader"}},"revision":2,"tenant":"default"}'
    )
    stored = EMPTY.with_policy("readers", READER).with_group("team", ["iam:a"])
    assert stored.encode() == before
    assert AccessSet.decode(before, pointer_to(stored), tenant="default").grants == {}
    granted = stored.with_grant("bg_1", GRANT).with_grant("bg_2", ONE_PATH)
    after = (
        b'{"format":1,"grants":{"bg_1":{"environment":"prod","prefix":"payments","principal":"iam:responder",'
        b'"until":"2030-01-01T12:15:00Z"},"bg_2":{"environment":"prod","path":"payments/db-password",'
        b'"principal":"iam:responder","until":"2030-01-01T12:15:00Z"}},"groups":{"team":["iam:a"]},"policies":'
        b'{"readers":{"environment":"prod","prefix":"payments","principal":"iam:app","role":"reader"}},"revision":4,'
        b'"tenant":"default"}'
    )
    assert granted.encode() == after
    assert AccessSet.decode(after, pointer_to(granted), tenant="default") == granted


@pytest.mark.parametrize("grant", [b'{"environment":"prod"}', b'{"environment":"prod","principal":"p","until":"x"}'])
def test_a_grant_that_is_not_readable_breaks_the_whole_set(grant: bytes) -> None:
    """Nothing is read as less than it says."""
    document = b'{"format":1,"grants":{"g":' + grant + b'},"groups":{},"policies":{},"revision":1,"tenant":"default"}'
    with pytest.raises(AccessSetBroken, match="not readable"):
        AccessSet.decode(document, AccessPointer(1, 1, hashlib.sha256(document).hexdigest(), 1), tenant="default")


def test_a_grant_leaves_once_and_is_in_no_change_of_policies_way() -> None:
    granted = EMPTY.with_policy("readers", READER).with_grant("bg_1", GRANT)
    assert set(granted.without_policy("readers").with_group("g", []).grants) == {"bg_1"}
    ended = granted.without_grant("bg_1")
    assert (ended.revision, dict(ended.grants)) == (3, {})
    assert ended.without_grant("bg_1") is ended


def test_the_deployments_policies_are_inherited_until_one_is_changed() -> None:
    """Grants and groups are no policies."""
    initial = AccessSet.initial("default", [READER])
    granted = initial.with_grant("bg_1", GRANT).with_group("team", [])
    assert (initial.inherits, granted.inherits, granted.without_grant("bg_1").inherits) == (True, True, True)
    assert AccessSet.decode(granted.encode(), pointer_to(granted), tenant="default") == granted
    assert not granted.with_policy("p", READER).inherits
    assert not granted.without_policy("deployment-1").inherits


@pytest.mark.parametrize("spoil", [lambda it: it + b" ", lambda it: it.replace(b"prod", b"test"), lambda _: b""])
def test_a_document_with_another_hash_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    stored = EMPTY.with_policy("readers", READER)
    with pytest.raises(AccessSetBroken, match="hash"):
        AccessSet.decode(spoil(stored.encode()), pointer_to(stored), tenant="default")


def test_a_document_of_another_tenant_or_revision_is_refused() -> None:
    stored = EMPTY.with_policy("readers", READER)
    pointer = pointer_to(stored)
    for tenant, wrong in (("other", pointer), ("default", replace(pointer, revision=2))):
        with pytest.raises(AccessSetBroken, match="another"):
            AccessSet.decode(stored.encode(), wrong, tenant=tenant)


@pytest.mark.parametrize("document", [b"{}", b"[]", b"canary", b'{"format":1,"tenant":"default","revision":1}'])
def test_what_is_not_a_document_is_refused_without_being_told(document: bytes) -> None:
    pointer = AccessPointer(1, 1, hashlib.sha256(document).hexdigest(), 1)
    with pytest.raises(AccessSetBroken) as refused:
        AccessSet.decode(document, pointer, tenant="default")
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("binding", "field"),
    [
        (RoleBinding(role=Role.READER), "principal"),
        (RoleBinding(role=Role.READER, principal="iam:a", group="team"), "principal"),
        (RoleBinding(role=Role.ADMINISTRATOR, principal="iam:a", environment="prod"), "environment"),
        (RoleBinding(role=Role.ADMINISTRATOR, group="team", prefix="payments"), "environment"),
    ],
)
def test_a_binding_that_cannot_be_meant_is_refused(binding: RoleBinding, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        EMPTY.with_policy("p", binding)
    assert [violation.field for violation in refused.value.violations] == [field]


@pytest.mark.parametrize("name", ["", "A", "-a", "a/b", "a" * 65, "a b"])
def test_names_of_policies_and_groups_have_a_rule(name: str) -> None:
    with pytest.raises(InvalidRequest, match="policyId"):
        EMPTY.with_policy(name, READER)
    with pytest.raises(InvalidRequest, match="group"):
        EMPTY.with_group(name, [])


def test_a_group_that_a_role_is_bound_to_stays() -> None:
    bound = EMPTY.with_group("team", ["iam:a"]).with_policy("owners", RoleBinding(role=Role.OWNER, group="team"))
    with pytest.raises(InvalidRequest, match="owners"):
        bound.without_group("team")
    assert "team" not in bound.without_policy("owners").without_group("team").groups


def test_what_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(NotFound):
        EMPTY.without_policy("p")
    with pytest.raises(NotFound):
        EMPTY.without_group("g")


def test_a_set_has_so_many_policies_and_groups_and_no_more() -> None:
    full = replace(EMPTY, policies={f"p{n}": READER for n in range(limits.MAX_POLICIES)})
    assert full.with_policy("p1", READER).revision == 1
    with pytest.raises(InvalidRequest, match="at most 500 policies"):
        full.with_policy("new", READER)
    groups = replace(EMPTY, groups={f"g{n}": frozenset[str]() for n in range(limits.MAX_GROUPS)})
    with pytest.raises(InvalidRequest, match="at most 500 groups"):
        groups.with_group("new", [])


def test_a_set_has_so_many_bytes_and_no_more() -> None:
    members = [f"iam:{n:05}-{'x' * 500}" for n in range(limits.MAX_GROUP_MEMBERS)]
    found = EMPTY.with_group("a", members)
    assert pointer_to(found).chunks == 2
    with pytest.raises(InvalidRequest, match="1048576 bytes"):
        found.with_group("b", members).with_group("c", members)


def test_everybody_who_is_named_is_known() -> None:
    found = EMPTY.with_policy("p", READER).with_group("g", ["iam:b"]).with_policy("c", CedarText("x"))
    assert found.principals() == {"iam:app", "iam:b"}


def test_the_first_set_is_what_the_deployment_says() -> None:
    initial = AccessSet.initial("default", [READER, READER])
    assert (initial.revision, list(initial.policies)) == (0, ["deployment-1", "deployment-2"])


def test_a_group_has_so_many_members_and_no_more() -> None:
    members = [f"iam:{number}" for number in range(limits.MAX_GROUP_MEMBERS)]
    assert len(EMPTY.with_group("g", members).groups["g"]) == limits.MAX_GROUP_MEMBERS
    with pytest.raises(InvalidRequest, match="members: must be at most 1000"):
        EMPTY.with_group("g", [*members, "iam:more"])


@pytest.mark.parametrize("principal", ["", "x" * 513])
def test_principals_have_a_length(principal: str) -> None:
    with pytest.raises(InvalidRequest, match="members"):
        EMPTY.with_group("g", [principal])
    with pytest.raises(InvalidRequest, match="principal"):
        EMPTY.with_policy("p", replace(READER, principal=principal))
