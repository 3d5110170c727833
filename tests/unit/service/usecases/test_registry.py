"""Changing who belongs where: operators only, recorded, one winner of a race, and nobody locked out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from strongroom_service.domain.access import Caller, Principal
from strongroom_service.domain.access_set import AccessPointer, AccessSet
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import (
    AccessDenied,
    AuditUnavailable,
    Conflict,
    DomainError,
    LockedOut,
    NotFound,
    NotWriter,
    RegionFenced,
    RegistryUnavailable,
    StaleExpectation,
)
from strongroom_service.domain.grants import Grant, GrantScope
from strongroom_service.domain.registry import Registry
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.usecases.change_registry import (
    RegistryChange,
    TenantPut,
    change_registry,
    put_tenant,
    read_registry,
)
from strongroom_service.usecases.changing import ATTEMPTS
from strongroom_service.usecases.ports import ChangeLost, GrantChange, WritePorts
from tests.support.deployment import ACCOUNT, CALLER, OPERATOR, REPLICA, Deployment
from tests.support.fakes import FakeAccess, FakePolicy, FakeRegistry

BY_OPERATOR = replace(CALLER, principal=Principal(OPERATOR, ACCOUNT, "session"), tenant="")


def adding(tenant: str, **said: Any) -> RegistryChange:
    return RegistryChange(
        **{
            "action": AuditAction.PUT_TENANT,
            "subject": f"tenants/{tenant}",
            "apply": lambda registry: registry.with_tenant(tenant, [ACCOUNT]),
            **said,
        }
    )


def change(
    deployment: Deployment, wanted: RegistryChange, *, caller: Caller = BY_OPERATOR, region: str = "us-east-1"
) -> Registry:
    return change_registry(wanted, caller=caller, ports=deployment.write_ports(region=region))


def trail(deployment: Deployment) -> list[tuple[str, str, bool, str]]:
    return [(it.phase, it.path, it.allowed, it.outcome) for it in deployment.audit.events]


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def test_a_change_is_in_force_and_recorded(deployment: Deployment) -> None:
    """Intent before, outcome with the revision after; the records are nobody's tenant's."""
    after = change(deployment, adding("blue"))
    assert (after.revision, deployment.registry.stored) == (1, after)
    intent, outcome = deployment.audit.events
    assert [it.phase for it in (intent, outcome)] == [Phase.INTENT, Phase.OUTCOME]
    assert intent.operation_id == outcome.operation_id
    assert (outcome.action, outcome.path, outcome.version, outcome.outcome) == (
        AuditAction.PUT_TENANT, "tenants/blue", 1, "ok",
    )  # fmt: skip
    assert (outcome.actor, outcome.tenant, outcome.reasons) == (OPERATOR, "", ("operator",))


def test_what_is_there_already_is_no_change(deployment: Deployment) -> None:
    first = change(deployment, adding("blue"))
    assert change(deployment, adding("blue")) == first
    assert deployment.failures.calls["registry.replace"] == 1


STRANGERS = {
    "another principal": CALLER,
    "the same id by a token": replace(BY_OPERATOR, principal=Principal(OPERATOR, ACCOUNT, issuer="ci")),
}


@pytest.mark.parametrize("who", STRANGERS)
def test_nobody_else_may_change_or_see_it(deployment: Deployment, who: str) -> None:
    """Denied before anything is looked at, and recorded as what was tried."""
    attempts: Sequence[Callable[[WritePorts], object]] = (
        lambda ports: change_registry(adding("Not A Name"), caller=STRANGERS[who], ports=ports),
        lambda ports: read_registry("tenants", caller=STRANGERS[who], ports=ports),
    )
    for attempt in attempts:
        with pytest.raises(AccessDenied):
            attempt(deployment.write_ports())
    assert trail(deployment) == [
        ("DENIAL", "tenants/Not A Name", False, "access_denied"),
        ("DENIAL", "tenants", False, "access_denied"),
    ]
    assert deployment.registry.pointer is None


def test_reading_it_is_recorded_before_it_is_told(deployment: Deployment) -> None:
    assert read_registry("tenants", caller=BY_OPERATOR, ports=deployment.write_ports()).operators == {OPERATOR}
    assert trail(deployment) == [("RELEASE", "tenants", True, "")]
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        read_registry("tenants", caller=BY_OPERATOR, ports=deployment.write_ports())


def test_without_a_record_nothing_changes(deployment: Deployment) -> None:
    deployment.failures.plan("audit", AuditUnavailable())
    with pytest.raises(AuditUnavailable):
        change(deployment, adding("blue"))
    assert deployment.registry.pointer is None


REFUSALS: dict[str, tuple[RegistryChange, type[DomainError]]] = {
    "nobody left": (
        adding("x", action=AuditAction.PUT_OPERATORS, apply=lambda it: it.with_operators([], by=OPERATOR)), LockedOut,
    ),
    "no such tenant": (adding("x", apply=lambda registry: registry.without_tenant("x")), NotFound),
    "somebody's tenant": (adding("x", apply=lambda registry: registry.without_tenant("default")), Conflict),
    "another revision": (adding("blue", expected_revision=7), StaleExpectation),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_change_is_recorded_with_its_code(deployment: Deployment, name: str) -> None:
    wanted, error = REFUSALS[name]
    with pytest.raises(error):
        change(deployment, wanted)
    assert deployment.audit.events[-1].outcome == error.code
    assert deployment.registry.pointer is None


def test_another_revision_is_told_with_the_one_in_force(deployment: Deployment) -> None:
    change(deployment, adding("blue", expected_revision=0))
    with pytest.raises(StaleExpectation) as refused:
        change(deployment, adding("green", expected_revision=0))
    assert refused.value.details == {"revision": 1}


def test_only_the_writer_region_changes_it_and_under_its_fence(deployment: Deployment) -> None:
    with pytest.raises(NotWriter):
        change(deployment, adding("blue"), region=REPLICA)
    deployment.registry.epoch = 2
    with pytest.raises(RegionFenced):
        change(deployment, adding("blue"))
    assert deployment.registry.pointer is None


class Contended(FakeRegistry):
    """Another change comes first, so many times."""

    others: list[Callable[[Registry], Registry]]

    def replace(self, before: AccessPointer | None, after: Registry, *, epoch: int) -> None:
        if self.others:
            other = self.others.pop(0)(self.stored)
            super().replace(self.pointer, other, epoch=epoch)
            raise ChangeLost
        super().replace(before, after, epoch=epoch)


def contended(deployment: Deployment, *others: Callable[[Registry], Registry]) -> Contended:
    made = Contended(deployment.registry.stored, deployment.failures)
    made.others = list(others)
    deployment.registry = made
    return made


def test_a_lost_race_is_decided_anew(deployment: Deployment) -> None:
    """Nothing of either change is lost."""
    registry = contended(deployment, lambda it: it.with_tenant("green", []))
    after = change(deployment, adding("blue"))
    assert set(after.tenants) == {"default", "green", "blue"}
    assert (registry.stored.revision, len(deployment.slept)) == (2, 1)


def test_who_lost_the_right_meanwhile_changes_nothing(deployment: Deployment) -> None:
    registry = contended(deployment, lambda it: it.with_operators([f"{OPERATOR}-2"], by=f"{OPERATOR}-2"))
    with pytest.raises(AccessDenied):
        change(deployment, adding("blue"))
    assert set(registry.stored.tenants) == {"default"}
    assert deployment.audit.events[-1].outcome == "access_denied"


def test_a_race_that_is_never_won_is_a_conflict(deployment: Deployment) -> None:
    contended(deployment, *[lambda it: it.with_tenant(f"t{it.revision}", [])] * ATTEMPTS)
    with pytest.raises(Conflict):
        change(deployment, adding("blue"))


def test_a_registry_that_cannot_be_read_changes_nothing(deployment: Deployment) -> None:
    deployment.failures.plan("registry.load", RegistryUnavailable())
    with pytest.raises(RegistryUnavailable):
        change(deployment, adding("blue"))
    assert deployment.audit.events == []


class WrittenAccess(FakeAccess):
    """Access sets that can be written."""

    def __init__(self) -> None:
        super().__init__(FakePolicy())
        self.sets: dict[str, tuple[AccessPointer | None, AccessSet]] = {}

    def load(self, tenant: str) -> tuple[AccessPointer | None, AccessSet]:
        return self.sets.get(tenant) or (
            None,
            AccessSet.initial(tenant, [RoleBinding(role=Role.OWNER, principal="iam:o")]),
        )

    def replace(
        self, before: AccessPointer | None, after: AccessSet, *, epoch: int, grants: Sequence[GrantChange] = ()
    ) -> None:
        assert not grants
        if before != self.load(after.tenant)[0]:
            raise ChangeLost
        self.sets[after.tenant] = AccessPointer.to(after, epoch=epoch), after


def test_a_new_tenants_administrators_are_named_once(deployment: Deployment) -> None:
    """Beside what the options say. From then on who administers it is the tenant's own affair."""
    access = WrittenAccess()
    ports = replace(deployment.write_ports(), access=access)
    wanted = TenantPut(tenant="blue", accounts=[ACCOUNT], administrators=["iam:a", "iam:b"])
    put_tenant(wanted, caller=BY_OPERATOR, ports=ports)
    pointer, access_set = access.load("blue")
    assert pointer is not None
    assert {(it.role, it.principal) for it in access_set.policies.values() if isinstance(it, RoleBinding)} == {
        (Role.OWNER, "iam:o"), (Role.ADMINISTRATOR, "iam:a"), (Role.ADMINISTRATOR, "iam:b"),
    }  # fmt: skip
    appointed = [it for it in deployment.audit.events if it.action is AuditAction.PUT_POLICY]
    assert [(it.phase, it.tenant, it.outcome) for it in appointed] == [
        ("INTENT", "blue", ""),
        ("OUTCOME", "blue", "ok"),
    ]
    with pytest.raises(Conflict, match="policies already"):
        put_tenant(replace(wanted, accounts=[], administrators=["iam:c"]), caller=BY_OPERATOR, ports=ports)
    assert deployment.registry.stored.tenants["blue"] == {ACCOUNT}
    assert access.load("blue") == (pointer, access_set)
    put_tenant(replace(wanted, accounts=[], administrators=()), caller=BY_OPERATOR, ports=ports)
    assert deployment.registry.stored.tenants["blue"] == frozenset()


def test_a_grant_that_came_and_went_keeps_nobody_from_being_made_administrator(deployment: Deployment) -> None:
    """Its set has the policies of the deployment's options still; otherwise nobody could ever change them."""
    access = WrittenAccess()
    _, initial = access.load("blue")
    scope = GrantScope(environment="prod", path="db")
    lasting = Grant(principal="iam:o", scope=scope, until=deployment.clock.now())
    granted = initial.with_grant("bg", lasting)
    access.sets["blue"] = AccessPointer.to(granted, epoch=1), granted
    wanted = TenantPut(tenant="blue", accounts=[ACCOUNT], administrators=["iam:a"])
    put_tenant(wanted, caller=BY_OPERATOR, ports=replace(deployment.write_ports(), access=access))
    _, appointed = access.load("blue")
    assert {(it.role, it.principal) for it in appointed.policies.values() if isinstance(it, RoleBinding)} == {
        (Role.OWNER, "iam:o"), (Role.ADMINISTRATOR, "iam:a"),
    }  # fmt: skip
    assert (appointed.grants, appointed.revision) == ({"bg": lasting}, granted.revision + 1)


def test_an_operator_appoints_nobody_once_groups_are_written(deployment: Deployment) -> None:
    access = WrittenAccess()
    grouped = access.load("blue")[1].with_group("ops", ["iam:o"])
    access.sets["blue"] = AccessPointer.to(grouped, epoch=1), grouped
    wanted = TenantPut(tenant="blue", accounts=[ACCOUNT], administrators=["iam:a"])
    with pytest.raises(Conflict, match="policies already"):
        put_tenant(wanted, caller=BY_OPERATOR, ports=replace(deployment.write_ports(), access=access))


def test_nobody_but_an_operator_names_administrators(deployment: Deployment) -> None:
    access = WrittenAccess()
    ports = replace(deployment.write_ports(), access=access)
    with pytest.raises(AccessDenied):
        put_tenant(TenantPut(tenant="blue", accounts=[], administrators=["iam:a"]), caller=CALLER, ports=ports)
    assert access.sets == {}
