"""The frame of what is done to a namespace as a whole: authorise, check the right to write, record before and after."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from strongroom_service.domain.access import Action, Caller, Decision, Resource
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied, DomainError, InternalError, NotFound, NotWriter
from strongroom_service.domain.names import Namespace
from strongroom_service.domain.secret import NamespaceKeys

from .authorising import decide
from .ports import WritePorts
from .recording import Recorder, Subject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NamespaceChange:
    """What was found for a change that is allowed: the decision, the keys, and the epoch to write under."""

    decision: Decision
    keys: NamespaceKeys
    epoch: int


def run_on_namespace(
    namespace: Namespace,
    action: AuditAction,
    change: Callable[[NamespaceChange], T],
    *,
    caller: Caller,
    ports: WritePorts,
) -> T:
    """Carry out a change that needs `secret:rewrap` on the whole environment.

    Raises:
        AccessDenied: the caller may not, or only for a part of the environment.
        NotFound: nothing was ever stored in this namespace.
        NotWriter: another region writes.
        DomainError: whatever `change` raises, `AuditUnavailable`, `StoreUnavailable`.
    """
    recorder = Recorder(ports, caller, action)
    subject = Subject(namespace.environment)
    resource = Resource(namespace.tenant, namespace.environment)
    decision = decide(ports.access.current(caller.tenant), caller, [Action.REWRAP], resource, ports)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    try:
        found = _find(namespace, decision, ports)
    except DomainError as error:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=error.code))
        raise
    recorder.record(recorder.event(Phase.INTENT, decision, subject))
    outcome = InternalError.code
    try:
        result = change(found)
        outcome = "ok"
    except DomainError as error:
        outcome = error.code
        raise
    finally:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=outcome))
    return result


def _find(namespace: Namespace, decision: Decision, ports: WritePorts) -> NamespaceChange:
    writer = ports.writership.state()
    if writer.region != ports.region:
        raise NotWriter(writer_region=writer.region)
    keys = ports.store.namespace_keys(namespace)
    if keys is None:
        raise NotFound("Nothing was ever stored in this environment.")
    return NamespaceChange(decision, keys, writer.epoch)
