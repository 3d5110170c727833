"""A proposed access set over what was really asked: each decision of the last days that it would change.

Records come from this region's index, day by day from the latest back. A cursor holds where to go on and when the
replay began, so that what is recorded meanwhile moves nothing. It carries a digest of the whole query, against
mistakes; a cursor that somebody makes up shows nothing but what the same caller may see anyway.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action, Caller, Decision
from strongroom_service.domain.access_set import policy_as_json
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.recorded import RecordedRequest
from strongroom_service.domain.times import from_rfc3339, rfc3339

from .access_proposal import AccessProposal
from .authorising import decide_all
from .ports import AuditPage, AuditQuery, Policy, WritePorts
from .recording import Subject
from .seeing_access import see_access

_PERMISSIONS: Final = (Action.POLICY_READ, Action.AUDIT_READ)
_FOREIGN: Final = Violation("cursor", "must be the nextCursor of the same query")
_PAGE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayQuery:
    """What to replay."""

    proposal: AccessProposal
    days: int
    cursor: str | None = None
    limit: int


@dataclass(frozen=True, slots=True)
class ChangedDecision:
    """A request that would be decided differently: than it was, or than it is by now."""

    request: RecordedRequest
    in_force: Decision
    proposed: Decision


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one call found. Others may wait behind `next_cursor`."""

    revision: int
    """Of the set in force, which the proposal was applied to."""
    changed: tuple[ChangedDecision, ...]
    examined: int
    """Records looked at, those that cannot be replayed included."""
    not_replayable: int
    """Records without a policy's question, by a grant, or of a format from before questions were recorded."""
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a replay stands: everything before `until`, on `day`, after a position of the index."""

    until: datetime
    day: date
    after: str | None = None


def replay(query: ReplayQuery, *, caller: Caller, ports: WritePorts) -> Replayed:
    """Replay some of the records.

    Raises:
        AccessDenied: the caller may not see policies, or not read the audit.
        InvalidRequest, NotFound: the proposal breaks a rule, or the cursor is of another query.
        AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    in_force = see_access(AuditAction.REPLAY, Subject(), caller=caller, ports=ports, permissions=_PERMISSIONS)
    # Grants of today were not those of then, and what they allowed is not replayed.
    in_force = replace(in_force, grants={})
    proposed = query.proposal.apply(in_force, ports)
    now, after = ports.access.proposal_of(in_force), ports.access.proposal_of(proposed)
    end = ports.clock.now() + limits.REPLAY_BUDGET
    position: _Position | None = _open(query, caller=caller, ports=ports)
    found: dict[tuple[object, ...], ChangedDecision] = {}
    examined = not_replayable = 0
    begun = False
    while position is not None and examined < query.limit and not (begun and ports.clock.now() >= end):
        begun = True
        wanted = min(_PAGE, query.limit - examined)
        page = _search(position, query.days, wanted, tenant=caller.tenant, ports=ports)
        for request in _read(page, caller.tenant):
            examined += 1
            if request is None or not request.is_replayable:
                not_replayable += 1
            elif (changed := _compare(request, now, after)) is not None:
                found.setdefault(request.question, changed)
        position = _next(position, page, query.days)
    return Replayed(
        in_force.revision,
        tuple(found.values()),
        examined,
        not_replayable,
        None if position is None else _seal(position, query, caller=caller, ports=ports),
    )


def _read(page: AuditPage, tenant: str) -> Iterator[RecordedRequest | None]:
    """The page's records, None for one that cannot be read."""
    for record in page.records:
        try:
            request = RecordedRequest.of(record)
        except ValueError:
            request = None
        yield request if request is not None and request.tenant == tenant else None


def _compare(request: RecordedRequest, now: Policy, after: Policy) -> ChangedDecision | None:
    in_force, proposed = (decide_all(policy, request.requests()) for policy in (now, after))
    if proposed.allowed == request.allowed == in_force.allowed:
        return None
    return ChangedDecision(request, in_force, proposed)


def _search(position: _Position, days: int, limit: int, *, tenant: str, ports: WritePorts) -> AuditPage:
    since = position.until - timedelta(days=days)
    return ports.index.search(
        AuditQuery(
            tenant=tenant, day=position.day, since=since, until=position.until, after=position.after, limit=limit
        )
    )


def _next(position: _Position, page: AuditPage, days: int) -> _Position | None:
    if page.last is not None:
        return _Position(position.until, position.day, page.last)
    day = position.day - timedelta(days=1)
    return _Position(position.until, day) if day >= (position.until - timedelta(days=days)).date() else None


def _seal(position: _Position, query: ReplayQuery, *, caller: Caller, ports: WritePorts) -> str:
    content = json.dumps([rfc3339(position.until), position.day.isoformat(), position.after])
    encoded = base64.urlsafe_b64encode(content.encode()).decode("ascii").rstrip("=")
    return f"{encoded}.{_digest(content, query, caller=caller, ports=ports)}"


def _open(query: ReplayQuery, *, caller: Caller, ports: WritePorts) -> _Position:
    """Where to go on, or the beginning. Raises `InvalidRequest`."""
    now = ports.clock.now()
    if query.cursor is None:
        return _Position(now, now.date())
    encoded, _, digest = query.cursor.partition(".")
    try:
        content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        if digest == _digest(content, query, caller=caller, ports=ports):
            until, day, after = json.loads(content)
            position = _Position(from_rfc3339(until), date.fromisoformat(day), after)
            if position.until <= now and (after is None or isinstance(after, str)):
                return position
    except (ValueError, TypeError):
        pass
    raise InvalidRequest([_FOREIGN])


def _digest(content: str, query: ReplayQuery, *, caller: Caller, ports: WritePorts) -> str:
    policies = {name: entry and policy_as_json(entry) for name, entry in query.proposal.policies.items()}
    groups = {name: members and list(members) for name, members in query.proposal.groups.items()}
    bound = [content, caller.tenant, ports.region, query.days, policies, groups]
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()
