"""Break-glass: somebody asks for a grant, others approve it, it ends by itself, and what was read under it is found.

| from | may become | how |
| --- | --- | --- |
| PENDING | ACTIVE | the last approval that is required |
| PENDING | REFUSED | an approver refuses |
| PENDING, ACTIVE | REVOKED | an approver, or the one who asked, takes it back |
| PENDING | LAPSED | an hour without enough approvals |
| ACTIVE | ENDED | its time is over |

Nothing leads back, and nothing makes a grant last longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from . import limits
from .errors import AccessDenied, Conflict, InvalidRequest, Violation
from .grants import Grant, GrantScope

OWN_REQUEST = "Nobody approves their own request."


class GrantStatus(StrEnum):
    """What has become of a request."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    ENDED = "ENDED"
    REFUSED = "REFUSED"
    REVOKED = "REVOKED"
    LAPSED = "LAPSED"


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved, and when."""

    principal: str
    time: datetime


@dataclass(frozen=True, slots=True)
class SecretRead:
    """A secret that was read under a grant."""

    secret_id: str
    path: str
    version: int
    """The highest one that was read."""
    time: datetime
    """Of the last read that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """What is known of the reads under a grant that was active and is over."""

    due: datetime
    """When the audit is searched next."""
    scans: int = 0
    """Searches that every region answered."""
    reads: tuple[SecretRead, ...] = ()
    unanswered: tuple[str, ...] = ()
    """Regions that did not answer the last search."""
    is_settled: bool = False
    """Whether the list is final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """A request for a grant, and what became of it. Never changed; the functions below derive the next state."""

    id: str
    tenant: str
    requester: str
    """The id of the principal that asks and will read."""
    scope: GrantScope
    reason: str
    ticket: str
    minutes: int
    required: int
    """How many others have to approve."""
    requested_at: datetime
    epoch: int
    revision: int = 1
    status: GrantStatus = GrantStatus.PENDING
    approvals: tuple[Approval, ...] = ()
    active_from: datetime | None = None
    until: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    """Who refused or revoked it."""
    settling: Settling | None = None

    @property
    def lapses_at(self) -> datetime:
        """When it is too late to approve."""
        return self.requested_at + limits.GRANT_REQUEST_TIME

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done about it."""
        if self.settling is not None:
            return not self.settling.is_settled
        return self.status in {GrantStatus.PENDING, GrantStatus.ACTIVE}

    def grant(self) -> Grant:
        """The grant that an active request is."""
        if self.until is None:
            raise ValueError("a request that was never approved is no grant")
        return Grant(principal=self.requester, scope=self.scope, until=self.until)

    def asks_the_same(self, other: "BreakGlass") -> bool:
        """Whether both ask for the same."""
        return _asked(self) == _asked(other)


def check_words(*, reason: str, ticket: str, minutes: int) -> None:
    """Make sure that a request may be made in these words; raises `InvalidRequest`."""
    found = []
    if not reason.strip():
        found.append(Violation("reason", "must not be blank"))
    if not ticket.strip():
        found.append(Violation("ticket", "must not be blank"))
    if not 1 <= minutes <= limits.MAX_GRANT_MINUTES:
        found.append(Violation("minutes", f"must be a whole number from 1 to {limits.MAX_GRANT_MINUTES}"))
    if found:
        raise InvalidRequest(found)


def approve(request: BreakGlass, principal: str, *, required: int, epoch: int, now: datetime) -> BreakGlass:
    """Count an approval; the last one that is required makes the grant active.

    `required` is what the deployment demands now: the stricter of it and of what it demanded then counts. Unchanged
    when the principal's approval is counted already.

    Raises:
        AccessDenied: it is the requester's own.
        Conflict: the request is not pending any more.
    """
    if principal == request.requester:
        raise AccessDenied(OWN_REQUEST)
    request_now = at_time(request, epoch=epoch, now=now)
    if any(it.principal == principal for it in request.approvals) and request_now.status in _APPROVED:
        return request
    _require_pending(request_now)
    approvals = (*request.approvals, Approval(principal, now))
    if len(approvals) < max(required, request.required, 1):
        return _next(request, epoch=epoch, approvals=approvals)
    # Policies compare whole seconds.
    until = (now + timedelta(minutes=request.minutes)).replace(microsecond=0)
    return _next(request, epoch=epoch, approvals=approvals, status=GrantStatus.ACTIVE, active_from=now, until=until)


def refuse(request: BreakGlass, principal: str, *, epoch: int, now: datetime) -> BreakGlass:
    """Refuse a request; unchanged when the same principal has done so already. Raises `Conflict`."""
    if (request.status, request.closed_by) == (GrantStatus.REFUSED, principal):
        return request
    _require_pending(at_time(request, epoch=epoch, now=now))
    return _next(request, epoch=epoch, status=GrantStatus.REFUSED, closed_at=now, closed_by=principal)


def revoke(request: BreakGlass, principal: str, *, epoch: int, now: datetime) -> BreakGlass:
    """Take a request or a grant back at once; unchanged when it was taken back already.

    Raises:
        Conflict: there is nothing left to take back.
    """
    if request.status is GrantStatus.REVOKED:
        return request
    request_now = at_time(request, epoch=epoch, now=now)
    if request_now.status not in _APPROVED:
        raise Conflict(f"The request is {request_now.status} already.")
    was_active = request.status is GrantStatus.ACTIVE
    return _next(
        request,
        epoch=epoch,
        status=GrantStatus.REVOKED,
        closed_at=now,
        closed_by=principal,
        settling=Settling(due=now) if was_active else None,
    )


def at_time(request: BreakGlass, *, epoch: int, now: datetime) -> BreakGlass:
    """What time has made of a request, stored or not: LAPSED, ENDED, or the same."""
    if request.status is GrantStatus.PENDING and now >= request.lapses_at:
        return _next(request, epoch=epoch, status=GrantStatus.LAPSED, closed_at=request.lapses_at)
    if request.status is GrantStatus.ACTIVE and request.until is not None and now >= request.until:
        return _next(
            request, epoch=epoch, status=GrantStatus.ENDED, closed_at=request.until, settling=Settling(due=now)
        )
    return request


def searched(
    request: BreakGlass, reads: Sequence[SecretRead], unanswered: Sequence[str], *, epoch: int, now: datetime
) -> BreakGlass:
    """Note what a search of the audit has found.

    Records arrive late, so the search is repeated, at growing distances and every minute while a region does not
    answer. The list is final once a search of all regions was made late enough.
    """
    before = request.settling
    if before is None or request.closed_at is None:
        raise ValueError("a request that was never active has no reads")
    scans = before.scans + (not unanswered)
    wait = limits.GRANT_SEARCH_EVERY if unanswered else limits.GRANT_SEARCH_EVERY * 2 ** min(scans, 5)
    return _next(
        request,
        epoch=epoch,
        settling=Settling(
            due=now + wait,
            scans=scans,
            reads=joined([*before.reads, *reads])[: limits.MAX_GRANT_READS],
            unanswered=tuple(sorted(unanswered)),
            is_settled=not unanswered and now >= request.closed_at + limits.GRANT_SETTLING_TIME,
        ),
    )


def joined(reads: Sequence[SecretRead]) -> tuple[SecretRead, ...]:
    """Each secret once, by path, with the highest version and the latest time."""
    found: dict[str, SecretRead] = {}
    for read in reads:
        known = found.get(read.secret_id, read)
        found[read.secret_id] = replace(
            known, version=max(known.version, read.version), time=max(known.time, read.time)
        )
    return tuple(sorted(found.values(), key=lambda it: (it.path, it.secret_id)))


_APPROVED = frozenset({GrantStatus.PENDING, GrantStatus.ACTIVE})
"""States in which an approval that was given still counts."""


def _require_pending(request: BreakGlass) -> None:
    if request.status is not GrantStatus.PENDING:
        raise Conflict(f"The request is {request.status} already.")


def _asked(request: BreakGlass) -> tuple[object, ...]:
    return request.requester, request.scope, request.reason, request.ticket, request.minutes


def _next(request: BreakGlass, *, epoch: int, **changes: object) -> BreakGlass:
    """The following state, one revision on."""
    return replace(request, epoch=epoch, revision=request.revision + 1, **changes)  # type: ignore[arg-type]  # dataclasses.replace has no typed **kwargs
