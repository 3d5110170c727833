"""Change who belongs where in the deployment: tenants, issuers, operators. Operators may, and nobody else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strongroom_service.domain.access import Caller, Decision
from strongroom_service.domain.access_set import AccessPointer, AccessSet
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import (
    AccessDenied,
    Conflict,
    DomainError,
    InternalError,
    NotWriter,
    StaleExpectation,
)
from strongroom_service.domain.public_keys import KeySet
from strongroom_service.domain.registry import Registry
from strongroom_service.domain.roles import Role, RoleBinding

from .changing import ATTEMPTS, pause
from .ports import ChangeLost, WritePorts
from .recording import Recorder, Subject

_OPERATOR: Final = Decision(allowed=True, reasons=("operator",))
_NOT_OPERATOR: Final = Decision(allowed=False, reasons=("not-operator",))
_HAS_POLICIES: Final = "The tenant has policies already; its administrators decide who is one."
_CHANGED: Final = "The tenant's policies have changed meanwhile; try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChange:
    """A change of one tenant, one issuer, or the operators."""

    action: AuditAction
    subject: str
    """What the audit calls it, such as `tenants/payments`."""
    apply: Callable[[Registry], Registry]
    """The next registry; raises `InvalidRequest`, `NotFound`, `Conflict` or `LockedOut`."""
    keys: KeySet | None = None
    """Keys that are given with it."""
    expected_revision: int | None = None
    """Refuse the change when another revision is in force."""


def change_registry(change: RegistryChange, *, caller: Caller, ports: WritePorts) -> Registry:
    """Put another registry in force; it decides the next request in this region.

    Returns the registry in force, which is the one before when the change asks for what is there already.

    Raises:
        AccessDenied: the caller is no operator.
        InvalidRequest, NotFound, LockedOut: what is asked for breaks a rule; nothing was changed.
        StaleExpectation: another revision is in force than expected.
        NotWriter, RegionFenced, Conflict, AuditUnavailable, RegistryUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, change.action)
    subject = Subject(path=change.subject)
    found = _authorised(recorder, subject, caller=caller, ports=ports)
    recorder.record(recorder.event(Phase.INTENT, _OPERATOR, subject))
    outcome, version = InternalError.code, 0
    try:
        after = _store(change, found, caller=caller, ports=ports)
        outcome, version = "ok", after.revision
    except DomainError as error:
        outcome = error.code
        raise
    finally:
        recorder.record(recorder.event(Phase.OUTCOME, _OPERATOR, replace(subject, version=version), outcome=outcome))
    return after


def read_registry(subject: str, *, caller: Caller, ports: WritePorts) -> Registry:
    """The registry in force, for operators. `subject` is what the audit calls the part that is asked for.

    Raises:
        AccessDenied, AuditUnavailable, RegistryUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, AuditAction.READ_IDENTITY)
    about = Subject(path=subject)
    _, registry = _authorised(recorder, about, caller=caller, ports=ports)
    recorder.record(recorder.event(Phase.RELEASE, _OPERATOR, replace(about, version=registry.revision)))
    return registry


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantPut:
    """A tenant as it is to be."""

    tenant: str
    accounts: Sequence[str]
    administrators: Sequence[str] = ()
    """Principals who become its first administrators. Refused once the tenant has policies of its own."""
    expected_revision: int | None = None


def put_tenant(wanted: TenantPut, *, caller: Caller, ports: WritePorts) -> Registry:
    """Add a tenant or replace its accounts; without policies yet, also name who may write them.

    Raises:
        Conflict: administrators are named, and the tenant has policies: who administers it is not an operator's to say.
        DomainError: as `change_registry` does. A call that failed can be repeated.
    """

    def apply(registry: Registry) -> Registry:
        after = registry.with_tenant(wanted.tenant, wanted.accounts)
        if wanted.administrators and not _is_untouched(*ports.access.load(wanted.tenant)):
            raise Conflict(_HAS_POLICIES)
        return after

    change = RegistryChange(
        action=AuditAction.PUT_TENANT,
        subject=f"tenants/{wanted.tenant}",
        apply=apply,
        expected_revision=wanted.expected_revision,
    )
    registry = change_registry(change, caller=caller, ports=ports)
    if wanted.administrators:
        _appoint(wanted, caller=caller, ports=ports)
    return registry


def _appoint(wanted: TenantPut, *, caller: Caller, ports: WritePorts) -> None:
    """Write the tenant's first access set: what the options say of it, and its administrators."""
    recorder = Recorder(ports, replace(caller, tenant=wanted.tenant), AuditAction.PUT_POLICY)
    subject = Subject(path="policies/administrator-1")
    pointer, access_set = ports.access.load(wanted.tenant)
    if not _is_untouched(pointer, access_set):
        raise Conflict(_HAS_POLICIES)
    for number, principal in enumerate(wanted.administrators, 1):
        binding = RoleBinding(role=Role.ADMINISTRATOR, principal=principal)
        access_set = access_set.with_policy(f"administrator-{number}", binding)
    recorder.record(recorder.event(Phase.INTENT, _OPERATOR, subject))
    outcome = InternalError.code
    try:
        ports.access.replace(pointer, access_set, epoch=ports.writership.state().epoch)
        outcome = "ok"
    except ChangeLost:
        outcome = Conflict.code
        raise Conflict(_CHANGED) from None
    except DomainError as error:
        outcome = error.code
        raise
    finally:
        recorder.record(recorder.event(Phase.OUTCOME, _OPERATOR, subject, outcome=outcome))


def _is_untouched(pointer: AccessPointer | None, access_set: AccessSet) -> bool:
    """Whether nobody has written policies or groups yet: a grant writes a set, and changes neither."""
    return pointer is None or (access_set.inherits and not access_set.groups)


_Loaded = tuple[AccessPointer | None, Registry]


def _authorised(recorder: Recorder, subject: Subject, *, caller: Caller, ports: WritePorts) -> _Loaded:
    """The registry in force, for an operator; a denial is recorded."""
    found = ports.registry.load()
    if not found[1].is_operator(caller.principal):
        recorder.record(recorder.event(Phase.DENIAL, _NOT_OPERATOR, subject, outcome=AccessDenied.code))
        raise AccessDenied
    return found


def _store(change: RegistryChange, found: _Loaded, *, caller: Caller, ports: WritePorts) -> Registry:
    for attempt in range(ATTEMPTS):
        if attempt:
            ports.sleep(pause(attempt, ports))
            found = ports.registry.load()
            if not found[1].is_operator(caller.principal):
                raise AccessDenied
        writer = ports.writership.state()
        if writer.region != ports.region:
            raise NotWriter(writer_region=writer.region)
        pointer, before = found
        if change.expected_revision not in {None, before.revision}:
            raise StaleExpectation(
                "Another revision of the registry is in force.", details={"revision": before.revision}
            )
        after = change.apply(before)
        if change.keys is not None:
            ports.registry.check(change.keys)
        if after.says_the_same_as(before):
            return before
        try:
            ports.registry.replace(pointer, after, epoch=writer.epoch)
        except ChangeLost:
            continue
        return after
    raise Conflict("Other changes of the registry kept coming first; try again.")
