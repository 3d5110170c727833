"""What every question about a tenant's policies begins with: may the caller see them; recorded before it is told."""

from collections.abc import Sequence
from typing import Final

from strongroom_service.domain.access import Action, Caller, Resource
from strongroom_service.domain.access_set import AccessSet
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied

from .authorising import decide
from .ports import WritePorts
from .recording import Recorder, Subject

_SEES: Final = (Action.POLICY_READ,)


def see_access(
    action: AuditAction,
    subject: Subject,
    *,
    caller: Caller,
    ports: WritePorts,
    permissions: Sequence[Action] = _SEES,
) -> AccessSet:
    """The access set in force.

    Raises:
        AccessDenied: the caller lacks one of the permissions on the tenant.
        AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, action)
    _, in_force = ports.access.load(caller.tenant)
    decision = decide(ports.access.policy_of(in_force), caller, permissions, Resource(caller.tenant), ports)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    recorder.record(recorder.event(Phase.RELEASE, decision, subject))
    return in_force
