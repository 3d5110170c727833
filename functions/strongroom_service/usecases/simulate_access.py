"""Who may do what, under the policies in force or under others that are only proposed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from strongroom_service.domain.access import AccessRequest, Action, Caller, Decision, Resource
from strongroom_service.domain.access_set import AccessSet, PolicyEntry
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied

from .authorising import decide
from .ports import WritePorts
from .recording import Recorder, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. None of a circumstance is the caller's own."""

    action: Action
    environment: str | None = None
    path: str | None = None
    principals: Sequence[str] = ()
    """Whom to ask for; nobody: everybody whom a role or a group names."""
    source_ip: str | None = None
    time: datetime | None = None
    region: str | None = None
    policies: Mapping[str, PolicyEntry | None] = field(default_factory=dict)
    """Policies to put, or None to remove, before asking. Nothing is stored."""
    groups: Mapping[str, Sequence[str] | None] = field(default_factory=dict)


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
        InvalidRequest, NotFound: the proposal breaks a rule.
        AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    recorder = Recorder(ports, caller, AuditAction.SIMULATE)
    subject = Subject(question.environment or "", question.path or "")
    _, in_force = ports.access.load(caller.tenant)
    decision = decide(ports.access.policy_of(in_force), caller, [Action.POLICY_READ], Resource(caller.tenant), ports)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    recorder.record(recorder.event(Phase.RELEASE, decision, subject))
    proposed = _propose(in_force, question, ports)
    policy = ports.access.policy_of(proposed)
    now = ports.clock.now()
    return Simulated(
        in_force.revision,
        {
            principal: policy.decide(
                AccessRequest(
                    principal,
                    question.action,
                    Resource(caller.tenant, question.environment, question.path),
                    question.source_ip or caller.source_ip,
                    question.time or now,
                    question.region or ports.region,
                )
            )
            for principal in question.principals or sorted(proposed.principals())
        },
    )


def _propose(access_set: AccessSet, question: Question, ports: WritePorts) -> AccessSet:
    for name, entry in question.policies.items():
        if entry is None:
            access_set = access_set.without_policy(name)
        else:
            ports.access.check(entry)
            access_set = access_set.with_policy(name, entry)
    for group, members in question.groups.items():
        access_set = access_set.without_group(group) if members is None else access_set.with_group(group, members)
    return access_set
