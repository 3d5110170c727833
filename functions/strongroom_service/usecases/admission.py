"""Which tenant a caller acts in: decided by the registry, and again when the registry turns out to have changed."""

from typing import NoReturn

from strongroom_service.domain.access import Caller, Decision
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied

from .authorising import NO_TENANT
from .ports import ReadPorts, Snapshot
from .recording import Recorder, RecordingPorts, Subject


class TenantChanged(Exception):  # not an error: decide the tenant again, and ask again for what is in it
    """The caller's tenant is another one under the registry in force than under the one that was known."""


def confirm_tenant(caller: Caller, snapshot: Snapshot, ports: ReadPorts) -> None:
    """Make sure that a caller's tenant is the one that the registry in force gives.

    Raises:
        TenantChanged: it is another one, or none. Nothing was decided, recorded or told yet.
        RegistryUnavailable: the registry in force cannot be read.
        InvalidRequest: the principal belongs to several tenants by now.
    """
    registry = ports.registry.at(snapshot.registry)
    if registry.tenant_for(caller.principal, caller.wanted_tenant) != caller.tenant:
        raise TenantChanged


def refuse_stranger(caller: Caller, ports: RecordingPorts) -> NoReturn:
    """Record that somebody who belongs to no tenant called, and tell nothing. Raises `AccessDenied`."""
    recorder = Recorder(ports, caller, AuditAction.AUTHENTICATE)
    decision = Decision(allowed=False, reasons=(NO_TENANT,))
    recorder.record(recorder.event(Phase.DENIAL, decision, Subject(), outcome=AccessDenied.code))
    raise AccessDenied
