"""A grant: for a while one principal may read what it has no role for. It stands in the access set meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from .access import Action, Resource
from .errors import InvalidRequest, Violation
from .names import NAMESPACE_RULE, PATH_RULE, is_namespace, is_path

REASON_PREFIX: Final = "grant:"
"""Begins the reason that names a grant in decisions and audit records. No policy's id has a colon."""
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantScope:
    """What a grant is over: one secret by its path, or everything below a prefix. Build it with `parse`."""

    environment: str
    path: str | None = None
    prefix: str | None = None
    """Whole segments at the beginning of a path, such as `payments`."""

    @classmethod
    def parse(cls, *, environment: str, path: str | None, prefix: str | None) -> "GrantScope":
        """Check a caller's words. Raises `InvalidRequest`.

        A whole environment cannot be asked for: nobody who approves it could know what they let out.
        """
        prefix = prefix.rstrip("/") if prefix is not None else None
        found = [] if is_namespace(environment) else [Violation("environment", NAMESPACE_RULE)]
        if (path is None) == (prefix is None):
            found.append(Violation("path", "must be given, or prefix, but not both"))
        if path is not None and not is_path(path):
            found.append(Violation("path", PATH_RULE))
        if prefix is not None and not is_path(prefix):
            found.append(Violation("prefix", f"must be whole segments of a path, at least one; a path {PATH_RULE}"))
        if found:
            raise InvalidRequest(found)
        return cls(environment=environment, path=path, prefix=prefix)

    @property
    def shown(self) -> str:
        """The path; a prefix with a slash behind it."""
        return self.path if self.path is not None else f"{self.prefix}/"

    def resource(self, tenant: str) -> Resource:
        """What the rights to ask for a grant and to approve it are asked on."""
        return Resource(tenant, self.environment, self.shown)

    def covers(self, resource: Resource) -> bool:
        """Whether a secret lies in it: the one of this path, or one at or below the prefix."""
        if resource.environment != self.environment or resource.path is None:
            return False
        if self.path is not None:
            return resource.path == self.path
        return f"{resource.path.rstrip('/')}/".startswith(f"{self.prefix}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The right to read that a principal has until a time."""

    principal: str
    """Its id."""
    scope: GrantScope
    until: datetime
    """In whole seconds, as policies compare times."""

    def is_active(self, now: datetime) -> bool:
        """Whether it still lasts."""
        return now < self.until

    def as_cedar(self) -> dict[str, Any]:
        """The grant as a policy in Cedar's JSON format. It ends by its own condition, whatever else runs or does not.

        https://docs.cedarpolicy.com/policies/json-format.html
        """
        scope, until = self.scope, self.until.astimezone(UTC).strftime(_TIME)
        resource = (
            {"op": "==", "entity": {"type": "Secret", "id": f"{scope.environment}/{scope.path}"}}
            if scope.path is not None
            else {"op": "in", "entity": {"type": "Path", "id": f"{scope.environment}/{scope.prefix}"}}
        )
        time = {".": {"left": {"Var": "context"}, "attr": "time"}}
        return {
            "effect": "permit",
            "principal": {"op": "==", "entity": {"type": "Principal", "id": self.principal}},
            "action": {"op": "==", "entity": {"type": "Action", "id": str(Action.READ)}},
            "resource": resource,
            "conditions": [
                {"kind": "when", "body": {"<": {"left": time, "right": {"datetime": [{"Value": until}]}}}},
            ],
        }


def reason_of(grant_id: str) -> str:
    """How decisions and audit records name a grant."""
    return f"{REASON_PREFIX}{grant_id}"


def grant_as_json(grant: Grant) -> dict[str, str]:
    """A grant as it is stored in an access set; what is not said is left out."""
    said = {
        "principal": grant.principal,
        "environment": grant.scope.environment,
        "path": grant.scope.path,
        "prefix": grant.scope.prefix,
        "until": grant.until.astimezone(UTC).strftime(_TIME),
    }
    return {name: value for name, value in said.items() if value is not None}


def grant_from_json(entry: Mapping[str, Any]) -> Grant:
    """Read a grant; raises `KeyError`, `TypeError` or `ValueError`."""
    scope = GrantScope(environment=entry["environment"], path=entry.get("path"), prefix=entry.get("prefix"))
    if (scope.path is None) == (scope.prefix is None):
        raise ValueError("a grant over nothing, or over two things")
    until = datetime.strptime(entry["until"], _TIME).replace(tzinfo=UTC)
    return Grant(principal=entry["principal"], scope=scope, until=until)
