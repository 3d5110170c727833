"""Change who may what in a tenant: its policies and its groups. Every change makes a whole new access set."""

from collections.abc import Callable
from dataclasses import dataclass

from strongroom_service.domain.access import Action, Caller, Decision, Resource
from strongroom_service.domain.access_set import AccessPointer, AccessSet, PolicyEntry
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import (
    AccessDenied,
    Conflict,
    DomainError,
    InternalError,
    NotWriter,
    StaleExpectation,
)

from .authorising import decide
from .changing import ATTEMPTS, pause
from .lockout import require_administrator
from .ports import ChangeLost, WritePorts
from .recording import Recorder, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChange:
    """A change of one policy or group."""

    action: AuditAction
    subject: str
    """What the audit calls it, such as `policies/readers`."""
    apply: Callable[[AccessSet], AccessSet]
    """The next set; raises `InvalidRequest` or `NotFound`."""
    entry: PolicyEntry | None = None
    """The policy that is put."""
    expected_revision: int | None = None
    """Refuse the change when another revision is in force."""


@dataclass(frozen=True, slots=True)
class _Found:
    pointer: AccessPointer | None
    access_set: AccessSet
    decision: Decision


def change_access(change: AccessChange, *, caller: Caller, ports: WritePorts) -> AccessSet:
    """Put another access set in force; it decides the next request in this region.

    Returns the set in force, which is the one before when the change asks for what is there already.

    Raises:
        AccessDenied: the caller may not change policies.
        InvalidRequest, NotFound: what is asked for breaks a rule; nothing was changed.
        LockedOut: nobody could change policies afterwards.
        StaleExpectation: another revision is in force than expected.
        NotWriter, RegionFenced, Conflict, AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, change.action)
    subject = Subject(path=change.subject)
    found = _find(caller, Action.POLICY_WRITE, ports)
    if not found.decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, found.decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    recorder.record(recorder.event(Phase.INTENT, found.decision, subject))
    outcome, version = InternalError.code, 0
    try:
        after = _store(change, found, caller=caller, ports=ports)
        outcome, version = "ok", after.revision
    except DomainError as error:
        outcome = error.code
        raise
    finally:
        subject = Subject(path=change.subject, version=version)
        recorder.record(recorder.event(Phase.OUTCOME, found.decision, subject, outcome=outcome))
    return after


def read_access(*, caller: Caller, ports: WritePorts) -> AccessSet:
    """The access set in force.

    Raises:
        AccessDenied, AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, AuditAction.READ_ACCESS)
    found = _find(caller, Action.POLICY_READ, ports)
    if not found.decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, found.decision, Subject(), outcome=AccessDenied.code))
        raise AccessDenied
    recorder.record(recorder.event(Phase.RELEASE, found.decision, Subject(version=found.access_set.revision)))
    return found.access_set


def _find(caller: Caller, action: Action, ports: WritePorts) -> _Found:
    pointer, access_set = ports.access.load(caller.tenant)
    decision = decide(ports.access.policy_of(access_set), caller, [action], Resource(caller.tenant), ports)
    return _Found(pointer, access_set, decision)


def _store(change: AccessChange, found: _Found, *, caller: Caller, ports: WritePorts) -> AccessSet:
    for attempt in range(ATTEMPTS):
        if attempt:
            ports.sleep(pause(attempt, ports))
            found = _find(caller, Action.POLICY_WRITE, ports)
            if not found.decision.allowed:
                raise AccessDenied
        writer = ports.writership.state()
        if writer.region != ports.region:
            raise NotWriter(writer_region=writer.region)
        before = found.access_set
        after = change.apply(before)
        if change.entry is not None:
            ports.access.check(change.entry)
        if (after.policies, after.groups) == (before.policies, before.groups):
            # Already so, maybe by this very call whose answer was lost: whatever revision was expected.
            return before
        if change.expected_revision not in {None, before.revision}:
            raise StaleExpectation(
                "Another revision of the policies is in force.", details={"revision": before.revision}
            )
        require_administrator(after, caller=caller, ports=ports)
        try:
            ports.access.replace(found.pointer, after, epoch=writer.epoch)
        except ChangeLost:
            continue
        return after
    raise Conflict("Other changes of the policies kept coming first; try again.")
