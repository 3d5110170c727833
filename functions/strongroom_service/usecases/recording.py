"""How operations become audit events: the one place that fills their fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from strongroom_service.domain.access import Caller, Decision
from strongroom_service.domain.audit import AuditAction, AuditEvent, Phase
from strongroom_service.domain.ids import uuid7

from .ports import AuditLog, Clock, PendingRecord, Randomness


class RecordingPorts(Protocol):
    """The part of the ports that recording needs."""

    @property
    def region(self) -> str:
        """This region's name."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def randomness(self) -> Randomness:
        """For event ids."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Where the events go."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about. Empty where it concerns no single secret, 0 where it concerns no version."""

    environment: str = ""
    path: str = ""
    secret_id: str = ""
    version: int = 0


def _used(action: AuditAction, decision: Decision) -> AuditAction:
    """A value that is read by a grant alone is a use of that grant."""
    return AuditAction.BREAK_GLASS if action is AuditAction.READ and decision.grant else action


class Recorder:
    """The events of one operation: same caller, same operationId."""

    def __init__(self, ports: RecordingPorts, caller: Caller, action: AuditAction) -> None:
        self._ports = ports
        self._caller = caller
        self.action = action
        self._operation_id = uuid7(ports.clock.now(), ports.randomness.token(10))

    def event(self, phase: Phase, decision: Decision, subject: Subject, *, outcome: str = "") -> AuditEvent:
        """One event about one subject."""
        now = self._ports.clock.now()
        caller = self._caller
        return AuditEvent(
            event_id=uuid7(now, self._ports.randomness.token(10)),
            operation_id=self._operation_id,
            phase=phase,
            time=now,
            tenant=caller.tenant,
            environment=subject.environment,
            path=subject.path,
            secret_id=subject.secret_id,
            version=subject.version,
            action=_used(self.action, decision),
            allowed=decision.allowed,
            reasons=decision.reasons,
            outcome=outcome,
            actor=caller.principal.id,
            session=caller.principal.session,
            source_ip=caller.source_ip,
            user_agent=caller.user_agent,
            request_id=caller.request_id,
            region=self._ports.region,
            permissions=decision.asked,
            authentication=caller.authentication,
            authentication_age=caller.authentication_age,
        )

    def begin(self, *events: AuditEvent) -> PendingRecord:
        """Send events without waiting."""
        return self._ports.audit.begin(events)

    def record(self, *events: AuditEvent) -> None:
        """Send events and wait; raises `AuditUnavailable`."""
        self._ports.audit.begin(events).receipts()

    def begin_all(self, events: Sequence[AuditEvent]) -> PendingRecord:
        """Send many events as one record."""
        return self._ports.audit.begin(events)
