"""A request as the audit has it, to ask a policy again what it was asked then."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .access import AccessRequest, Action, Authentication, Resource
from .audit import AuditAction, Phase
from .scopes import Scope, scopes_of
from .times import from_rfc3339

_BY_GRANT: Final = frozenset({AuditAction.BREAK_GLASS})
"""Allowed by a grant that ended since: the policies alone never did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One record's question and answer."""

    event_id: str
    operation_id: str
    request_id: str
    phase: Phase
    time: datetime
    tenant: str
    environment: str
    path: str
    action: AuditAction
    permissions: tuple[Action, ...]
    """What the policy was asked for; empty in records of format 1, and where no policy was asked."""
    allowed: bool
    reasons: tuple[str, ...]
    actor: str
    source_ip: str
    region: str
    authentication: Authentication | None
    authentication_age: int

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "RecordedRequest":
        """Read a record; raises `ValueError` when it is none that this version knows."""
        try:
            authentication = record.get("authentication")
            return cls(
                event_id=str(record["eventId"]),
                operation_id=str(record["operationId"]),
                request_id=str(record["requestId"]),
                phase=Phase(record["phase"]),
                time=from_rfc3339(record["time"]),
                tenant=str(record["tenant"]),
                environment=str(record["environment"]),
                path=str(record["path"]),
                action=AuditAction(record["action"]),
                permissions=tuple(map(Action, record.get("permissions") or ())),
                allowed={"ALLOW": True, "DENY": False}[record["decision"]],
                reasons=tuple(map(str, record["reason"])),
                actor=str(record["actor"]),
                source_ip=str(record["sourceIp"]),
                region=str(record["region"]),
                authentication=Authentication(authentication) if authentication else None,
                authentication_age=int(record.get("authenticationAge") or 0),
            )
        except (KeyError, TypeError):
            unreadable = ValueError("not an audit record of a known format")
        raise unreadable

    @property
    def is_replayable(self) -> bool:
        """Whether a policy made this decision, and all that it was asked is on record."""
        return bool(self.permissions) and self.authentication is not None and self.action not in _BY_GRANT

    @property
    def resource(self) -> Resource:
        """What was asked about: the tenant, an environment, a secret; or a secret that lies nowhere."""
        scopes = scopes_of(self.permissions[0]) if self.permissions else frozenset({Scope.SECRET})
        if self.permissions == (Action.AUDIT_READ,) and self.environment:
            # The audit of one secret, or of what a receipt is about, is asked on that.
            return Resource(self.tenant, self.environment, self.path or None)
        if scopes == {Scope.TENANT}:
            return Resource(self.tenant)
        if scopes == {Scope.ENVIRONMENT} or (Scope.ENVIRONMENT in scopes and self.environment and not self.path):
            return Resource(self.tenant, self.environment)
        return Resource(self.tenant, self.environment, self.path)

    @property
    def question(self) -> tuple[object, ...]:
        """What tells a question from the others of its operation: an intent and its outcome asked the same."""
        return self.operation_id, self.actor, self.environment, self.path, self.permissions

    def requests(self) -> list[AccessRequest]:
        """What the policy was asked, one question for each permission, in the circumstances of then."""
        return [
            AccessRequest(
                self.actor,
                action,
                self.resource,
                self.source_ip,
                self.time,
                self.region,
                self.authentication or Authentication.IAM,
                self.authentication_age,
            )
            for action in self.permissions
        ]
