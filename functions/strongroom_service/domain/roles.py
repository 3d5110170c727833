"""The usual roles, so that most people never write a policy: what each may do, and over what."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from . import limits
from .access import Action
from .errors import Violation

_SECRET_ACTIONS: Final = frozenset(action for action in Action if action.startswith("secret:"))


class Role(StrEnum):
    """What a principal may be."""

    READER = "reader"
    """Reads values and metadata."""
    OWNER = "owner"
    """Does everything with secrets."""
    ROTATOR = "rotator"
    """Reads, proposes and promotes, and rolls back."""
    AUDITOR = "auditor"
    """Sees what there is, who may what, and who did what; no values."""
    SECURITY = "security"
    """As an auditor, and disables what has leaked, renews keys, and approves grants in an emergency."""
    RESPONDER = "responder"
    """Asks for grants in an emergency; has no values without one."""
    APPROVER = "approver"
    """Approves grants in an emergency; reads no values."""
    ADMINISTRATOR = "administrator"
    """Decides who may what; reads no values."""


ALLOWED: Final[Mapping[Role, frozenset[Action]]] = {
    Role.READER: frozenset({Action.READ, Action.LIST}),
    Role.OWNER: _SECRET_ACTIONS,
    Role.ROTATOR: frozenset({Action.READ, Action.LIST, Action.WRITE, Action.PROMOTE, Action.ROLLBACK}),
    Role.AUDITOR: frozenset({Action.LIST, Action.EXPLAIN, Action.AUDIT_READ, Action.POLICY_READ}),
    Role.SECURITY: frozenset(
        {
            Action.LIST,
            Action.DISABLE,
            Action.REWRAP,
            Action.EXPLAIN,
            Action.AUDIT_READ,
            Action.POLICY_READ,
            Action.BREAK_GLASS_APPROVE,
        }
    ),
    Role.RESPONDER: frozenset({Action.LIST, Action.BREAK_GLASS_REQUEST}),
    Role.APPROVER: frozenset({Action.LIST, Action.BREAK_GLASS_APPROVE}),
    Role.ADMINISTRATOR: frozenset(
        {Action.LIST, Action.EXPLAIN, Action.AUDIT_READ, Action.POLICY_READ, Action.POLICY_WRITE}
    ),
}

TENANT_WIDE: Final = frozenset({Role.ADMINISTRATOR})
"""Roles that cannot be held over a part of a tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleBinding:
    """A role of one principal, or of a group's members, over a tenant or a part of it."""

    role: Role
    principal: str | None = None
    group: str | None = None
    environment: str | None = None
    """None: every environment."""
    prefix: str = ""
    """Whole segments at the beginning of a path, such as `payments`; empty: every path."""

    @property
    def label(self) -> str:
        """Role and scope in short, as audit records give them."""
        scope = "/".join(part for part in (self.environment, self.prefix) if part)
        return f"role:{self.role}@{scope or '*'}"

    def violations(self) -> list[Violation]:
        """The rules that the binding breaks."""
        found = []
        if (self.principal is None) == (self.group is None):
            found.append(Violation("principal", "must be given, or group, but not both"))
        if self.principal is not None and not 1 <= len(self.principal) <= limits.MAX_PRINCIPAL_LENGTH:
            found.append(Violation("principal", f"must have 1 to {limits.MAX_PRINCIPAL_LENGTH} characters"))
        if self.role in TENANT_WIDE and (self.environment or self.prefix):
            found.append(Violation("environment", f"must be left out: {self.role} is a role over the whole tenant"))
        return found

    def as_cedar(self) -> dict[str, Any]:
        """The binding as a policy in Cedar's JSON format, in which no name needs escaping.

        https://docs.cedarpolicy.com/policies/json-format.html
        """
        who = (
            {"op": "==", "entity": {"type": "Principal", "id": self.principal}}
            if self.group is None
            else {"op": "in", "entity": {"type": "Group", "id": self.group}}
        )
        actions = [{"type": "Action", "id": str(action)} for action in sorted(ALLOWED[self.role])]
        return {
            "effect": "permit",
            "principal": who,
            "action": {"op": "in", "entities": actions},
            "resource": self._scope(),
            "conditions": [],
        }

    def _scope(self) -> dict[str, Any]:
        if self.prefix:
            return _within("Path", f"{self.environment or ANY_ENVIRONMENT}/{self.prefix}")
        return _within("Environment", self.environment) if self.environment else {"op": "All"}


ANY_ENVIRONMENT: Final = "*"
"""Stands for all environments in the id of a `Path`; no environment is called so."""


def _within(kind: str, name: str) -> dict[str, Any]:
    return {"op": "in", "entity": {"type": kind, "id": name}}
