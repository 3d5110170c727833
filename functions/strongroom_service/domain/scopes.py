"""On what each action is asked: a secret, an environment, a tenant. Policies' schema says the same."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from .access import Action, Resource
from .errors import InvalidRequest, Violation


class Scope(StrEnum):
    """The kinds of resources."""

    TENANT = "Tenant"
    ENVIRONMENT = "Environment"
    SECRET = "Secret"  # noqa: S105  # a kind of resource


_EITHER: Final = frozenset({Scope.SECRET, Scope.ENVIRONMENT})
_OTHER_THAN_SECRETS: Final[Mapping[Action, frozenset[Scope]]] = {
    Action.LIST: _EITHER,
    Action.EXPLAIN: _EITHER,
    Action.BREAK_GLASS_REQUEST: _EITHER,
    Action.BREAK_GLASS_APPROVE: _EITHER,
    Action.REWRAP: frozenset({Scope.ENVIRONMENT}),
    Action.AUDIT_READ: frozenset({Scope.TENANT}),
    Action.POLICY_READ: frozenset({Scope.TENANT}),
    Action.POLICY_WRITE: frozenset({Scope.TENANT}),
}


def scopes_of(action: Action) -> frozenset[Scope]:
    """The kinds of resources that an action is asked on."""
    return _OTHER_THAN_SECRETS.get(action, frozenset({Scope.SECRET}))


def scope_of(resource: Resource) -> Scope:
    """The kind of a resource."""
    if resource.environment is None:
        return Scope.TENANT
    return Scope.ENVIRONMENT if resource.path is None else Scope.SECRET


def resource_for(action: Action, *, tenant: str, environment: str | None, path: str | None) -> Resource:
    """What an action is asked on, from names that a caller gives. Raises `InvalidRequest`."""
    scopes = scopes_of(action)
    found = []
    if scopes == {Scope.TENANT}:
        if environment is not None:
            found.append(Violation("environment", "must be left out: this action is asked on the whole tenant"))
        if path is not None:
            found.append(Violation("path", "must be left out: this action is asked on the whole tenant"))
    elif environment is None:
        found.append(Violation("environment", "is required for this action"))
    elif path is None and Scope.ENVIRONMENT not in scopes:
        found.append(Violation("path", "is required for this action"))
    elif path is not None and Scope.SECRET not in scopes:
        found.append(Violation("path", "must be left out: this action is asked on a whole environment"))
    if found:
        raise InvalidRequest(found)
    return Resource(tenant, environment, path)
