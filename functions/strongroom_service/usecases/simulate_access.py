"""Who may do what, under the policies in force or under others that are only proposed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from strongroom_service.domain import limits
from strongroom_service.domain.access import AccessRequest, Action, Authentication, Caller, Decision
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.scopes import resource_for

from .access_proposal import AccessProposal
from .ports import WritePorts
from .recording import Subject
from .seeing_access import see_access


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Under which a question is asked. None of one is the caller's own."""

    source_ip: str | None = None
    time: datetime | None = None
    region: str | None = None
    authentication: Authentication | None = None
    authentication_age: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked."""

    action: Action
    environment: str | None = None
    path: str | None = None
    principals: Sequence[str] = ()
    """Whom to ask for; nobody: everybody whom the policies name."""
    circumstances: Circumstances = field(default_factory=Circumstances)
    proposal: AccessProposal = field(default_factory=AccessProposal)


@dataclass(frozen=True, slots=True)
class Simulated:
    """The answers, by principal."""

    revision: int
    """Of the set in force, which the proposal was applied to."""
    decisions: Mapping[str, Decision]


def simulate(question: Question, *, caller: Caller, ports: WritePorts) -> Simulated:
    """Ask.

    Raises:
        AccessDenied: the caller may not see policies.
        InvalidRequest, NotFound: the question or the proposal breaks a rule.
        AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    subject = Subject(question.environment or "", question.path or "")
    in_force = see_access(AuditAction.SIMULATE, subject, caller=caller, ports=ports)
    resource = resource_for(question.action, tenant=caller.tenant, environment=question.environment, path=question.path)
    proposed = question.proposal.apply(in_force, ports)
    policy = ports.access.proposal_of(proposed)
    principals = question.principals or sorted(ports.access.named(proposed))
    if len(principals) > limits.MAX_SIMULATED_PRINCIPALS:
        rule = f"must be given, since the policies name more than {limits.MAX_SIMULATED_PRINCIPALS}"
        raise InvalidRequest([Violation("principals", rule)])
    given = question.circumstances
    request = AccessRequest(
        "",
        question.action,
        resource,
        given.source_ip or caller.source_ip,
        given.time or ports.clock.now(),
        given.region or ports.region,
        given.authentication or caller.authentication,
        caller.authentication_age if given.authentication_age is None else given.authentication_age,
    )
    return Simulated(
        in_force.revision,
        {principal: policy.decide(replace(request, principal=principal)) for principal in principals},
    )
