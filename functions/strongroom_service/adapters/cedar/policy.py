"""The policy port over Cedar: default deny, `forbid` wins, and whatever cannot be evaluated denies.

Cedar leaves out a policy whose evaluation errs, a `forbid` too, and decides by the others. Here any such error is a
denial. So that no policy errs for want of an attribute, every attribute of the context is always there.
"""

import ipaddress
import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import cedarpy

from strongroom_service.domain.access import EVALUATION_ERROR, NO_PERMIT, AccessRequest, Decision, Resource
from strongroom_service.domain.access_set import AccessSet
from strongroom_service.domain.grants import REASON_PREFIX, Grant
from strongroom_service.domain.roles import ANY_ENVIRONMENT, RoleBinding

from .compile import compile_policies

_NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104  # nobody's address, for want of one
_REMEMBERED: Final = 1024


class CedarPolicy:
    """The policy of one access set. Raises `ValueError` when it does not compile."""

    def __init__(self, access_set: AccessSet) -> None:
        self._tenant = access_set.tenant
        self._policies = compile_policies(access_set)
        self._groups = access_set.groups_of
        self._labels = {
            name: entry.label for name, entry in access_set.policies.items() if isinstance(entry, RoleBinding)
        }
        self._grants: dict[str, list[tuple[str, Grant]]] = {}
        for grant_id, grant in access_set.grants.items():
            self._grants.setdefault(grant.principal, []).append((grant_id, grant))
        # Who reads a secret reads it again: parsing its place among the entities costs a third of a decision.
        self._entities = lru_cache(_REMEMBERED)(self._parse_entities)

    def decide(self, request: AccessRequest) -> Decision:
        """Ask Cedar."""
        if request.resource.tenant != self._tenant:
            return Decision(allowed=False, reasons=(NO_PERMIT,))
        granted = self._grant_of(request)
        result = self._ask(request, grant=granted)
        if _is_broken(result):
            return Decision(allowed=False, reasons=(EVALUATION_ERROR,), is_broken=True)
        reasons = sorted(result.diagnostics.reasons)
        needed = ""
        if granted and result.allowed and not self._allows_without_grant(request, reasons):
            needed = next((it.removeprefix(REASON_PREFIX) for it in reasons if _is_grant(it)), granted)
        return Decision(result.allowed, tuple(map(self._label, reasons)) or (NO_PERMIT,), grant=needed)

    def _ask(self, request: AccessRequest, *, grant: str) -> cedarpy.AuthzResult:
        return cedarpy.is_authorized(
            {
                "principal": {"type": "Principal", "id": request.principal},
                "action": {"type": "Action", "id": str(request.action)},
                "resource": _uid(request.resource),
                "context": _context(request, grant=grant),
            },
            self._policies,
            self._entities(request.principal, request.resource),
        )

    def _allows_without_grant(self, request: AccessRequest, reasons: list[str]) -> bool:
        """Whether the policies would allow it if there were no grant, which they may make a condition too."""
        if all(map(_is_grant, reasons)):
            return False
        result = self._ask(request, grant="")
        return result.allowed and not _is_broken(result) and not all(map(_is_grant, result.diagnostics.reasons))

    def _grant_of(self, request: AccessRequest) -> str:
        """The id of the principal's active grant over the resource, of several the one that lasts longest."""
        lasting = [
            (grant.until, grant_id)
            for grant_id, grant in self._grants.get(request.principal, ())
            if grant.is_active(request.time) and grant.scope.covers(request.resource)
        ]
        return max(lasting)[1] if lasting else ""

    def _label(self, policy_id: str) -> str:
        """A policy's id, with the role that it binds."""
        label = self._labels.get(policy_id)
        return f"{policy_id} {label}" if label else policy_id

    def _parse_entities(self, principal: str, resource: Resource) -> cedarpy.Entities:
        groups = [{"type": "Group", "id": group} for group in self._groups(principal)]
        entities = [{"uid": {"type": "Principal", "id": principal}, "attrs": {}, "parents": groups}, *_place(resource)]
        return cedarpy.Entities.from_json_str(json.dumps(entities))


def _is_broken(result: cedarpy.AuthzResult) -> bool:
    return bool(result.diagnostics.errors) or result.decision is cedarpy.Decision.NoDecision


def _is_grant(reason: str) -> bool:
    return reason.startswith(REASON_PREFIX)


def _uid(resource: Resource) -> dict[str, str]:
    if resource.environment is None:
        return {"type": "Tenant", "id": resource.tenant}
    if resource.path is None:
        return {"type": "Environment", "id": resource.environment}
    return {"type": "Secret", "id": f"{resource.environment}/{resource.path}"}


def uids_around(resource: Resource) -> list[tuple[str, str]]:
    """Type and id of all that a resource lies in, and of itself in the end."""
    return [(entity["uid"]["type"], entity["uid"]["id"]) for entity in _place(resource)]


def _place(resource: Resource) -> list[dict[str, Any]]:
    """All that the resource lies in, and itself in the end."""
    tenant = {"type": "Tenant", "id": resource.tenant}
    if resource.environment is None:
        return [_entity(tenant)]
    environment = {"type": "Environment", "id": resource.environment}
    around = [_entity(tenant), _entity(environment, tenant)]
    if resource.path is None:
        return around
    paths = [
        {"type": "Path", "id": f"{root}/{prefix}"}
        for root in (resource.environment, ANY_ENVIRONMENT)
        for prefix in _prefixes(resource.path)
    ]
    attributes = {"environment": resource.environment, "path": resource.path}
    # Every path that the secret lies in is its own parent: no chain of them has to be followed.
    secret = {"uid": _uid(resource), "attrs": attributes, "parents": [environment, tenant, *paths]}
    return [*around, *map(_entity, paths), secret]


def _prefixes(path: str) -> list[str]:
    """`a/b/c` lies in `a`, `a/b` and, as itself, in `a/b/c`."""
    segments = path.rstrip("/").split("/")
    return ["/".join(segments[: count + 1]) for count in range(len(segments))]


def _entity(uid: dict[str, str], *parents: dict[str, str]) -> dict[str, Any]:
    return {"uid": uid, "attrs": {}, "parents": list(parents)}


def _context(request: AccessRequest, *, grant: str) -> str:
    return json.dumps(
        {
            "sourceAddress": {"__extn": {"fn": "ip", "arg": _address(request.source_ip)}},
            "time": {"__extn": {"fn": "datetime", "arg": _moment(request.time)}},
            "region": request.region,
            "authentication": request.authentication,
            "authenticationAge": request.authentication_age,
            "grant": grant,
        }
    )


@lru_cache(_REMEMBERED)
def _address(text: str) -> str:
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        return _NO_ADDRESS
    # A zone, such as fe80::1%eth0 has, is nothing that Cedar reads.
    return _NO_ADDRESS if "%" in address else address


def _moment(time: datetime) -> str:
    # `strftime` takes ten times as long, and writes early years without their zeros.
    return f"{time.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()}Z"
