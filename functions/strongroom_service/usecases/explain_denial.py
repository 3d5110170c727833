"""Why somebody was denied, told to who may know: what was asked, what was answered, and what it would take.

A request that is not known, one of another tenant and one that the caller may not explain are refused alike, by the
same work: the access set, the index, one record.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom_service.domain.access import EVALUATION_ERROR, NO_PERMIT, Action, Caller, Decision, Resource
from strongroom_service.domain.access_set import AccessSet
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied, NotFound
from strongroom_service.domain.explanation import ClosePolicy, narrowest_binding, nearest
from strongroom_service.domain.recorded import RecordedRequest
from strongroom_service.domain.roles import RoleBinding
from strongroom_service.domain.scopes import Scope, scope_of

from .authorising import decide, decide_all
from .ports import AuditQuery, Policy, WritePorts
from .recording import Recorder, Subject

_PAGE: Final = 100
_PAGES: Final = 10
_PROPOSED: Final = "proposed-binding"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One denial of a request."""

    request: RecordedRequest
    in_force: Decision | None
    """What the policies in force say now; None when the record does not hold what was asked."""
    forbidden_by: tuple[str, ...]
    """Policies that forbid it now: no binding helps against them."""
    close: tuple[ClosePolicy, ...]
    needed: RoleBinding | None
    """The narrowest binding by which it would be allowed; None when it is allowed now, or no binding would do."""


@dataclass(frozen=True, slots=True)
class Explained:
    """All denials of a request that the caller may explain."""

    revision: int
    """Of the set in force."""
    denials: tuple[Explanation, ...]


def explain(request_id: str, *, caller: Caller, ports: WritePorts) -> Explained:
    """Explain the denials of a request.

    Raises:
        AccessDenied: there is no such request in this tenant, or nothing of it that the caller may explain.
        NotFound: nothing of what the caller may explain was denied.
        AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, AuditAction.EXPLAIN)
    _, access_set = ports.access.load(caller.tenant)
    policy = ports.access.policy_of(access_set)
    records = list(_records(request_id, caller.tenant, ports))
    decided = [(record, _may_explain(record.resource, policy, caller, ports)) for record in records]
    seen = [(record, decision) for record, decision in decided if decision.allowed]
    if not seen:
        nowhere = Resource(caller.tenant, "", "")
        refusal = decided[0][1] if decided else _refused(_may_explain(nowhere, policy, caller, ports))
        subject = _subject(decided[0][0]) if decided else Subject()
        recorder.record(recorder.event(Phase.DENIAL, refusal, subject, outcome=AccessDenied.code))
        raise AccessDenied
    denied = [(record, decision) for record, decision in seen if record.phase is Phase.DENIAL]
    if not denied:
        record, decision = seen[0]
        recorder.record(recorder.event(Phase.OUTCOME, decision, _subject(record), outcome=NotFound.code))
        raise NotFound("Nothing of this request was denied.")
    recorder.record(*[recorder.event(Phase.RELEASE, decision, _subject(record)) for record, decision in denied])
    explanations = [_explanation(record, access_set, policy, ports) for record, _ in denied]
    return Explained(access_set.revision, tuple(explanations))


def _records(request_id: str, tenant: str, ports: WritePorts) -> Iterator[RecordedRequest]:
    after = None
    for _ in range(_PAGES):
        page = ports.index.search(AuditQuery(tenant=tenant, request_id=request_id, after=after, limit=_PAGE))
        for record in page.records:
            try:
                found = RecordedRequest.of(record)
            except ValueError:
                continue
            if (found.tenant, found.request_id) == (tenant, request_id):
                yield found
        after = page.last
        if after is None:
            return


def _may_explain(resource: Resource, policy: Policy, caller: Caller, ports: WritePorts) -> Decision:
    """What concerns the whole tenant is explained to who may see its policies."""
    action = Action.POLICY_READ if scope_of(resource) is Scope.TENANT else Action.EXPLAIN
    return decide(policy, caller, [action], resource, ports)


def _refused(decision: Decision) -> Decision:
    """What is not known is refused to everybody, whatever the policies say of it."""
    return Decision(allowed=False, reasons=(NO_PERMIT,), is_broken=decision.is_broken, asked=decision.asked)


def _subject(record: RecordedRequest) -> Subject:
    return Subject(record.environment, record.path)


def _explanation(record: RecordedRequest, access_set: AccessSet, policy: Policy, ports: WritePorts) -> Explanation:
    requests = record.requests()
    if not record.is_replayable:
        return Explanation(record, None, (), (), None)
    in_force = decide_all(policy, requests)
    if in_force.allowed:
        return Explanation(record, in_force, (), (), None)
    denied = [request for request in requests if not policy.decide(request).allowed]
    close = {it.policy_id: it for request in denied for it in ports.access.close_to(access_set, request)}
    needed = narrowest_binding(record.actor, record.permissions, record.resource)
    if needed is not None and not _would_do(needed, record, access_set, ports):
        needed = None
    return Explanation(record, in_force, _forbids(in_force.reasons), tuple(nearest(list(close.values()))), needed)


def _would_do(binding: RoleBinding, record: RecordedRequest, access_set: AccessSet, ports: WritePorts) -> bool:
    bound = AccessSet(
        access_set.tenant, access_set.revision, {**access_set.policies, _PROPOSED: binding}, access_set.groups
    )
    return decide_all(ports.access.proposal_of(bound), record.requests()).allowed


def _forbids(reasons: Sequence[str]) -> tuple[str, ...]:
    """A denial that has reasons of its own has them from policies that forbid."""
    return tuple(reason for reason in reasons if reason not in {NO_PERMIT, EVALUATION_ERROR})
