"""Requests for grants as callers may see them: whose they are, who may approve them, and what the audit says of it."""

from dataclasses import dataclass, replace
from typing import Final

from strongroom_service.domain import break_glass
from strongroom_service.domain.access import Action, Caller, Decision, Resource
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.break_glass import BreakGlass
from strongroom_service.domain.errors import AccessDenied, NotFound
from strongroom_service.domain.grants import reason_of

from .authorising import decide
from .ports import Policy, WritePorts
from .recording import Recorder, Subject

OWN: Final = "own-request"
"""The reason of a decision about a caller's own request."""
_UNKNOWN: Final = "There is no such request."


@dataclass(frozen=True, slots=True)
class Seen:
    """A page of requests; a page may be short or empty and still have a next one."""

    requests: tuple[BreakGlass, ...]
    last: str | None


def read_grant(grant_id: str, *, caller: Caller, ports: WritePorts) -> BreakGlass:
    """One request, to the one who made it and to those who may approve it.

    Raises:
        AccessDenied, NotFound, AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, AuditAction.READ_GRANTS)
    found = ports.grants.load(caller.tenant, grant_id)
    decision = decide_on(found, ports.access.current(caller.tenant), caller, ports, by_requester=True)
    request = require(found, decision, recorder)
    recorder.record(recorder.event(Phase.RELEASE, decision, subject_of(request)))
    return seen(request, ports)


def list_grants(*, after: str | None, limit: int, caller: Caller, ports: WritePorts) -> Seen:
    """The caller's own requests and those that the caller may approve, the latest first.

    Raises:
        AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, AuditAction.READ_GRANTS)
    policy = ports.access.current(caller.tenant)
    page = ports.grants.page(caller.tenant, after=after, limit=limit)
    decided = [(it, decide_on(it, policy, caller, ports, by_requester=True)) for it in page.requests]
    shown = [(request, decision) for request, decision in decided if decision.allowed]
    # Nobody is refused: who may see nothing sees an empty list.
    reasons = dict.fromkeys(reason for _, decision in shown for reason in decision.reasons)
    recorder.record(recorder.event(Phase.RELEASE, Decision(allowed=True, reasons=tuple(reasons)), Subject()))
    return Seen(tuple(seen(request, ports) for request, _ in shown), page.last)


def seen(request: BreakGlass, ports: WritePorts) -> BreakGlass:
    """A request as it is now, whether or not anything has run since its time was over."""
    return break_glass.at_time(request, epoch=request.epoch, now=ports.clock.now())


def decide_on(
    found: BreakGlass | None, policy: Policy, caller: Caller, ports: WritePorts, *, by_requester: bool
) -> Decision:
    """By the right to approve it, or by its being the caller's own. An unknown one lies nowhere, as far as is told."""
    resource = found.scope.resource(caller.tenant) if found else Resource(caller.tenant, "", "")
    decision = decide(policy, caller, [Action.BREAK_GLASS_APPROVE], resource, ports)
    if found is None:
        return decision
    if not decision.allowed and by_requester and found.requester == caller.principal.id:
        # No policy was asked for this: the audit must not say so.
        decision = Decision(allowed=True, reasons=(OWN,))
    return about(found, decision)


def require(found: BreakGlass | None, decision: Decision, recorder: Recorder) -> BreakGlass:
    """The request. Record a refusal and raise it: `AccessDenied`, or `NotFound` for who may approve everything."""
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject_of(found), outcome=AccessDenied.code))
        raise AccessDenied
    if found is None:
        recorder.record(recorder.event(Phase.OUTCOME, decision, Subject(), outcome=NotFound.code))
        raise NotFound(_UNKNOWN)
    return found


def about(request: BreakGlass, decision: Decision) -> Decision:
    """The decision, with the request named among its reasons."""
    kept = tuple(reason for reason in decision.reasons if not reason.startswith(reason_of("")))
    return replace(decision, reasons=(*kept, reason_of(request.id)))


def subject_of(found: BreakGlass | None) -> Subject:
    """What an event about a request is about."""
    return Subject(found.scope.environment, found.scope.shown) if found else Subject()
