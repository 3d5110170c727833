"""Which policies permit something near to what was denied, by the parts that a policy's scope has."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from strongroom_service.domain import limits
from strongroom_service.domain.access import AccessRequest
from strongroom_service.domain.access_set import AccessSet, PolicyEntry
from strongroom_service.domain.explanation import Aspect, ClosePolicy

from .compile import policy_json
from .policy import CedarPolicy, uids_around

Uid = tuple[str, str]


def close_policies(access_set: AccessSet, request: AccessRequest) -> list[ClosePolicy]:
    """Those that are the principal's own and fit in action or scope, and those of groups that would permit it."""
    me = ("Principal", request.principal)
    mine = {me, *(("Group", group) for group in access_set.groups_of(request.principal))}
    action = ("Action", str(request.action))
    place = uids_around(request.resource)
    found = []
    for name, entry in access_set.policies.items():
        policy = _parsed(entry)
        if policy["effect"] != "permit":
            continue
        misses = set()
        if not _fits(policy["principal"], me, mine):
            misses.add(Aspect.PRINCIPAL)
        if not _fits(policy["action"], action, {action}):
            misses.add(Aspect.ACTION)
        if not _fits(policy["resource"], place[-1], set(place)):
            misses.add(Aspect.SCOPE)
        if not misses and policy["conditions"] and not _permits(name, entry, access_set, request):
            misses.add(Aspect.CONDITION)
        group = _group(policy["principal"])
        is_own = Aspect.PRINCIPAL not in misses and not {Aspect.ACTION, Aspect.SCOPE} <= misses
        if misses and (is_own or (group is not None and misses == {Aspect.PRINCIPAL})):
            found.append(ClosePolicy(name, frozenset(misses), group))
    return found


@lru_cache(limits.MAX_POLICIES)
def _parsed(entry: PolicyEntry) -> Mapping[str, Any]:
    """A batch's denials are all compared with the same policies."""
    return policy_json(entry)


def _fits(scope: Mapping[str, Any], itself: Uid, within: set[Uid]) -> bool:
    """Whether an entity, which is within itself and others, satisfies a part of a policy's scope."""
    match scope["op"]:
        case "All":
            return True
        case "==":
            return _uid(scope["entity"]) == itself
        case "is":
            return scope["entity_type"] == itself[0] and ("in" not in scope or _uid(scope["in"]["entity"]) in within)
        case _:
            wanted = scope["entities"] if "entities" in scope else [scope["entity"]]
            return any(_uid(entity) in within for entity in wanted)


def _permits(name: str, entry: PolicyEntry, access_set: AccessSet, request: AccessRequest) -> bool:
    alone = AccessSet(access_set.tenant, access_set.revision, {name: entry}, access_set.groups)
    return CedarPolicy(alone).decide(request).allowed


def _group(scope: Mapping[str, Any]) -> str | None:
    entity = scope.get("entity") or (scope.get("in") or {}).get("entity") or {}
    return str(entity["id"]) if entity.get("type") == "Group" else None


def _uid(entity: Mapping[str, Any]) -> Uid:
    return str(entity["type"]), str(entity["id"])
