"""Break-glass: ask for a grant, approve, refuse or revoke it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from strongroom_service.domain import break_glass, limits
from strongroom_service.domain.access import Action, Caller, Decision
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.break_glass import OWN_REQUEST, BreakGlass, GrantStatus
from strongroom_service.domain.errors import (
    AccessDenied,
    Conflict,
    DomainError,
    InternalError,
    InvalidRequest,
    NotWriter,
    Violation,
)
from strongroom_service.domain.grants import GrantScope, reason_of
from strongroom_service.domain.ids import grant_id

from .authorising import decide
from .changing import ATTEMPTS, pause
from .ports import ChangeLost, GrantChange, WritePorts
from .recording import Recorder, Subject
from .see_grants import OWN, about, decide_on, require, seen, subject_of
from .store_grant import store_grant

_NOT_SET_UP: Final = "Break-glass is not set up here: the deployment does not say how many have to approve a grant."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What somebody asks for."""

    scope: GrantScope
    reason: str
    ticket: str
    minutes: int
    client_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A change of a request."""

    action: AuditAction
    change: Callable[[BreakGlass, int], BreakGlass]
    """From the stored state and the epoch to write under. Raises `AccessDenied` or `Conflict`."""
    by_requester: bool
    """Whether the one who asked may do it without a right to approve."""


def request_grant(ask: Ask, *, caller: Caller, ports: WritePorts) -> BreakGlass:
    """Ask for a grant. The same call with the same client token is done once.

    Raises:
        InvalidRequest: the words break a rule, or the client token was used for another request.
        AccessDenied: the caller may not ask for a grant here.
        Conflict: the deployment says of nobody that they have to approve.
        NotWriter, RegionFenced, AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    break_glass.check_words(reason=ask.reason, ticket=ask.ticket, minutes=ask.minutes)
    recorder = Recorder(ports, caller, AuditAction.REQUEST_GRANT)
    policy = ports.access.current(caller.tenant)
    decision = decide(policy, caller, [Action.BREAK_GLASS_REQUEST], ask.scope.resource(caller.tenant), ports)
    subject = Subject(ask.scope.environment, ask.scope.shown)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    wanted = _wanted(ask, caller=caller, ports=ports)
    decision = about(wanted, decision)
    recorder.record(recorder.event(Phase.INTENT, decision, subject))
    outcome = InternalError.code
    try:
        made = _make(wanted, _digest(ask, caller), ports=ports)
        decision, outcome = about(made, decision), "ok"
    except DomainError as error:
        outcome = error.code
        raise
    finally:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=outcome))
    return made


def approve_grant(grant_id: str, *, caller: Caller, ports: WritePorts) -> BreakGlass:
    """Approve a request; with the last approval that it needs, the grant is in force.

    Raises:
        AccessDenied: the caller may not, or it is the caller's own request, whatever session it was made in.
        Conflict: it is not pending any more.
        DomainError: as `refuse_grant`.
    """

    def change(request: BreakGlass, epoch: int) -> BreakGlass:
        if not ports.required_approvals:
            raise Conflict(_NOT_SET_UP)
        return break_glass.approve(
            request, caller.principal.id, required=ports.required_approvals, epoch=epoch, now=ports.clock.now()
        )

    return _change(
        grant_id, _Step(action=AuditAction.APPROVE_GRANT, change=change, by_requester=False), caller=caller, ports=ports
    )


def refuse_grant(grant_id: str, *, caller: Caller, ports: WritePorts) -> BreakGlass:
    """Refuse a request.

    Raises:
        AccessDenied: the caller may not; or there is no such request and the caller may not know.
        NotFound: there is none, told to who may approve everything.
        Conflict: it is not pending any more.
        NotWriter, RegionFenced, AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """

    def change(request: BreakGlass, epoch: int) -> BreakGlass:
        return break_glass.refuse(request, caller.principal.id, epoch=epoch, now=ports.clock.now())

    return _change(
        grant_id, _Step(action=AuditAction.REFUSE_GRANT, change=change, by_requester=False), caller=caller, ports=ports
    )


def revoke_grant(grant_id: str, *, caller: Caller, ports: WritePorts) -> BreakGlass:
    """Take a request or an active grant back at once: an approver, or the one who asked. Raises as `refuse_grant`."""

    def change(request: BreakGlass, epoch: int) -> BreakGlass:
        return break_glass.revoke(request, caller.principal.id, epoch=epoch, now=ports.clock.now())

    return _change(
        grant_id, _Step(action=AuditAction.REVOKE_GRANT, change=change, by_requester=True), caller=caller, ports=ports
    )


def _wanted(ask: Ask, *, caller: Caller, ports: WritePorts) -> BreakGlass:
    now = ports.clock.now()
    return BreakGlass(
        id=grant_id(now, ports.randomness.token(10)),
        tenant=caller.tenant,
        requester=caller.principal.id,
        scope=ask.scope,
        reason=ask.reason,
        ticket=ask.ticket,
        minutes=ask.minutes,
        required=ports.required_approvals,
        requested_at=now,
        epoch=ports.writership.state().epoch,
    )


def _make(wanted: BreakGlass, token: str | None, *, ports: WritePorts) -> BreakGlass:
    if not ports.required_approvals:
        raise Conflict(_NOT_SET_UP)
    writer = ports.writership.state()
    if writer.region != ports.region:
        raise NotWriter(writer_region=writer.region)
    for attempt in range(ATTEMPTS):
        if attempt:
            ports.sleep(pause(attempt, ports))
        made = ports.grants.find(wanted.tenant, token) if token else None
        if made is not None:
            if not made.asks_the_same(wanted):
                raise InvalidRequest([Violation("Idempotency-Key", "was used for another request")])
            return seen(made, ports)
        _require_few_pending(wanted, ports)
        try:
            ports.grants.commit(GrantChange(None, wanted, token), epoch=writer.epoch)
        except ChangeLost:
            continue
        return wanted
    raise Conflict("Other requests kept coming first; try again.")


def _require_few_pending(wanted: BreakGlass, ports: WritePorts) -> None:
    latest = ports.grants.page(wanted.tenant, after=None, limit=limits.PENDING_LOOKED_AT).requests
    own = [it for it in latest if it.requester == wanted.requester]
    if sum(seen(it, ports).status is GrantStatus.PENDING for it in own) >= limits.MAX_PENDING_GRANTS:
        raise Conflict(f"{limits.MAX_PENDING_GRANTS} of your requests wait for approval; take some back first.")


def _change(grant_id: str, step: _Step, *, caller: Caller, ports: WritePorts) -> BreakGlass:
    recorder = Recorder(ports, caller, step.action)
    stored = ports.grants.load(caller.tenant, grant_id)
    policy = ports.access.current(caller.tenant)
    decision = decide_on(stored, policy, caller, ports, by_requester=step.by_requester)
    found = require(stored, decision, recorder)
    if step.action is AuditAction.APPROVE_GRANT and found.requester == caller.principal.id:
        refused = Decision(allowed=False, reasons=(OWN, reason_of(found.id)))
        recorder.record(recorder.event(Phase.DENIAL, refused, subject_of(found), outcome=AccessDenied.code))
        raise AccessDenied(OWN_REQUEST)
    recorder.record(recorder.event(Phase.INTENT, decision, subject_of(found)))
    outcome = InternalError.code
    try:
        after = _store(found, step, caller=caller, ports=ports)
        decision, outcome = _counted(after, decision, step), "ok"
    except DomainError as error:
        outcome = error.code
        raise
    finally:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject_of(found), outcome=outcome))
    return after


def _store(found: BreakGlass, step: _Step, *, caller: Caller, ports: WritePorts) -> BreakGlass:
    for attempt in range(ATTEMPTS):
        if attempt:
            ports.sleep(pause(attempt, ports))
            found = ports.grants.load(caller.tenant, found.id) or found
            policy = ports.access.current(caller.tenant)
            if not decide_on(found, policy, caller, ports, by_requester=step.by_requester).allowed:
                raise AccessDenied
        writer = ports.writership.state()
        if writer.region != ports.region:
            raise NotWriter(writer_region=writer.region)
        after = step.change(found, writer.epoch)
        if after is found:
            return seen(found, ports)
        try:
            store_grant(found, after, epoch=writer.epoch, ports=ports)
        except ChangeLost:
            continue
        return after
    raise Conflict("Other changes of this request kept coming first; try again.")


def _counted(request: BreakGlass, decision: Decision, step: _Step) -> Decision:
    """The decision about an approval, with how many of how many it was."""
    if step.action is not AuditAction.APPROVE_GRANT:
        return decision
    state = "active" if request.status is GrantStatus.ACTIVE else "pending"
    return replace(decision, reasons=(*decision.reasons, f"approvals:{len(request.approvals)}", f"grant-{state}"))


def _digest(ask: Ask, caller: Caller) -> str | None:
    """A client token as it is stored. It is good for its own principal only: who guesses it can do nothing with it."""
    if ask.client_token is None:
        return None
    return hashlib.sha256(f"{caller.tenant}\x00{caller.principal.id}\x00{ask.client_token}".encode()).hexdigest()
