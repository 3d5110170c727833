"""A built-in policy: principals are bound to a few roles by the deployment's options. What is not bound is denied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strongroom_service.domain.access import Action, Decision, Principal, Resource


class Role(StrEnum):
    """What a principal may be."""

    READER = "reader"
    OWNER = "owner"
    AUDITOR = "auditor"


_ALLOWED: Final[Mapping[Role, frozenset[Action]]] = {
    Role.READER: frozenset({Action.READ, Action.LIST}),
    Role.OWNER: frozenset(action for action in Action if action.startswith("secret:")),
    Role.AUDITOR: frozenset({Action.LIST, Action.AUDIT_READ}),
}


@dataclass(frozen=True, slots=True)
class RoleBinding:
    """One principal's role, over a tenant or a part of it."""

    principal: str
    role: Role
    tenant: str
    environment: str | None = None
    """None: every environment."""
    prefix: str = ""
    """Whole segments at the beginning of a path, such as `payments/`; empty: every path."""

    @classmethod
    def from_json(cls, entry: Mapping[str, str | None]) -> "RoleBinding":
        """Read one entry of the deployment's list; raises `KeyError`, `TypeError` or `ValueError`."""
        principal, tenant, environment = entry["principal"], entry["tenant"], entry.get("environment")
        if not isinstance(principal, str) or not isinstance(tenant, str):
            raise TypeError("principal and tenant must be text")
        return cls(principal, Role(entry["role"] or ""), tenant, environment or None, entry.get("prefix") or "")

    def covers(self, resource: Resource) -> bool:
        """Whether the resource lies wholly within the binding's scope."""
        if resource.tenant != self.tenant:
            return False
        if self.environment is not None and resource.environment != self.environment:
            return False
        if not self.prefix:
            return True
        path, prefix = resource.path or "", self.prefix.rstrip("/")
        return path == prefix or path.startswith(f"{prefix}/")

    @property
    def reason(self) -> str:
        """The id that audit records give for a decision by this binding."""
        scope = "/".join(part for part in (self.environment, self.prefix.rstrip("/")) if part)
        return f"role:{self.role}@{scope or '*'}"


class StaticPolicy:
    """The policy port over a list of bindings."""

    def __init__(self, bindings: Sequence[RoleBinding]) -> None:
        self._bindings: dict[str, list[RoleBinding]] = {}
        for binding in bindings:
            self._bindings.setdefault(binding.principal, []).append(binding)

    def decide(self, principal: Principal, action: Action, resource: Resource) -> Decision:
        """Allow what any binding of the principal allows; deny everything else."""
        reasons = tuple(
            binding.reason
            for binding in self._bindings.get(principal.id, ())
            if action in _ALLOWED[binding.role] and binding.covers(resource)
        )
        return Decision(bool(reasons), reasons or ("no-role",))
