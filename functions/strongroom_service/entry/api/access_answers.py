"""Answers about policies: who may what, and why not."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action, Decision
from strongroom_service.domain.access_set import AccessSet, PolicyEntry, policy_as_json
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.explanation import Aspect, ClosePolicy
from strongroom_service.domain.recorded import RecordedRequest
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.domain.times import rfc3339
from strongroom_service.usecases.explain_denial import Explained, Explanation
from strongroom_service.usecases.replay_access import ChangedDecision, Replayed
from strongroom_service.usecases.simulate_access import Simulated

from .answers import Answer, Time

Revision = Annotated[int, Field(ge=0, description="Of the policies and groups in force; each change adds one.")]
PolicyName = Annotated[str, Field(examples=["readers"])]
Group = Annotated[str, Field(examples=["payments-team"])]
PrincipalId = Annotated[str, Field(examples=["iam:arn:aws:iam::111122223333:role/app"])]
Outcome = Literal["ALLOW", "DENY"]


class PolicyDescribed(Answer):
    """A policy: a role binding, or a text in Cedar."""

    policy_id: PolicyName
    role: Role | None
    principal: PrincipalId | None
    group: Group | None
    environment: Annotated[str | None, Field(description="null: every environment.")]
    prefix: Annotated[str | None, Field(description="null: every path.")]
    cedar: str | None

    @classmethod
    def described(cls, policy_id: str, entry: PolicyEntry) -> "PolicyDescribed":
        """What is told of a policy."""
        return cls.model_validate(_described(policy_id, entry))


class PolicyInForce(PolicyDescribed):
    """A policy, and the revision that has it."""

    revision: Revision

    @classmethod
    def of(cls, policy_id: str, access_set: AccessSet) -> "PolicyInForce":
        """A policy of a set."""
        described = _described(policy_id, access_set.policies[policy_id])
        return cls.model_validate({**described, "revision": access_set.revision})


def _described(policy_id: str, entry: PolicyEntry) -> dict[str, object]:
    names = ("role", "principal", "group", "environment", "prefix", "cedar")
    return {"policy_id": policy_id, **dict.fromkeys(names), **policy_as_json(entry)}


class PolicyList(Answer):
    """All policies of the tenant."""

    revision: Revision
    policies: Sequence[PolicyDescribed]

    @classmethod
    def of(cls, access_set: AccessSet) -> "PolicyList":
        """A set's policies, by their ids."""
        policies = [PolicyDescribed.described(*item) for item in sorted(access_set.policies.items())]
        return cls(revision=access_set.revision, policies=policies)


class GroupDescribed(Answer):
    """A group with all of its members."""

    group: Group
    members: Sequence[PrincipalId]


class GroupInForce(GroupDescribed):
    """A group, and the revision that has it."""

    revision: Revision

    @classmethod
    def of(cls, group: str, access_set: AccessSet) -> "GroupInForce":
        """A group of a set."""
        return cls(group=group, members=sorted(access_set.groups[group]), revision=access_set.revision)


class GroupList(Answer):
    """All groups of the tenant."""

    revision: Revision
    groups: Sequence[GroupDescribed]

    @classmethod
    def of(cls, access_set: AccessSet) -> "GroupList":
        """A set's groups, by their names."""
        groups = [
            GroupDescribed(group=group, members=sorted(members)) for group, members in sorted(access_set.groups.items())
        ]
        return cls(revision=access_set.revision, groups=groups)


class AccessChanged(Answer):
    """The revision that is in force now."""

    revision: Revision


class DecisionTold(Answer):
    """What policies say."""

    decision: Outcome
    reasons: Annotated[
        Sequence[str],
        Field(
            max_length=limits.MAX_TOLD_REASONS,
            description="Policies that led to it, the first ten; no-permit: none permits; evaluation-error: one could "
            "not be evaluated, which denies.",
        ),
    ]

    @classmethod
    def of(cls, decision: Decision) -> "DecisionTold":
        """A decision."""
        return cls.told(allowed=decision.allowed, reasons=decision.reasons)

    @classmethod
    def told(cls, *, allowed: bool, reasons: Sequence[str]) -> "DecisionTold":
        """A decision by its parts."""
        return cls(decision="ALLOW" if allowed else "DENY", reasons=reasons[: limits.MAX_TOLD_REASONS])


class DecisionFor(DecisionTold):
    """What policies say of one principal."""

    principal: PrincipalId


class AccessSimulated(Answer):
    """Who may do what was asked."""

    revision: Revision
    decisions: Sequence[DecisionFor]

    @classmethod
    def of(cls, simulated: Simulated) -> "AccessSimulated":
        """The answers of a simulation."""
        return cls(
            revision=simulated.revision,
            decisions=[
                DecisionFor(principal=principal, **DecisionTold.of(decision).model_dump())
                for principal, decision in simulated.decisions.items()
            ],
        )


class RequestRecorded(Answer):
    """A request as its audit record has it."""

    event_id: str
    operation_id: str
    request_id: str
    time: Time
    region: str
    action: AuditAction
    actor: str
    source_ip: str
    environment: Annotated[str, Field(description="Empty: it concerned the tenant, or nothing that exists.")]
    path: str
    permissions: Annotated[Sequence[Action], Field(description="What the policies were asked for.")]
    recorded: Annotated[DecisionTold, Field(description="What they said then.")]


def _recorded(request: RecordedRequest) -> dict[str, object]:
    return {
        "event_id": request.event_id,
        "operation_id": request.operation_id,
        "request_id": request.request_id,
        "time": rfc3339(request.time),
        "region": request.region,
        "action": request.action,
        "actor": request.actor,
        "source_ip": request.source_ip,
        "environment": request.environment,
        "path": request.path,
        "permissions": request.permissions,
        "recorded": DecisionTold.told(allowed=request.allowed, reasons=request.reasons),
    }


class DecisionChanged(RequestRecorded):
    """A request that would be decided differently."""

    in_force: Annotated[DecisionTold, Field(description="What the policies in force say of it now.")]
    proposed: Annotated[DecisionTold, Field(description="What they would say with the proposal.")]

    @classmethod
    def of(cls, changed: ChangedDecision) -> "DecisionChanged":
        """One difference."""
        return cls.model_validate(
            {
                **_recorded(changed.request),
                "in_force": DecisionTold.of(changed.in_force),
                "proposed": DecisionTold.of(changed.proposed),
            }
        )


class AccessReplayed(Answer):
    """What one call has found. Other records may still wait behind `nextCursor`."""

    revision: Revision
    changed: Sequence[DecisionChanged]
    examined: Annotated[int, Field(ge=0, description="Records looked at.")]
    not_replayable: Annotated[
        int,
        Field(ge=0, description="Of those: without a policy's question, by a grant, or of a format without it."),
    ]
    next_cursor: Annotated[str | None, Field(description="Where to go on; null at the end.")]

    @classmethod
    def of(cls, replayed: Replayed) -> "AccessReplayed":
        """The answer of a replay."""
        return cls(
            revision=replayed.revision,
            changed=[DecisionChanged.of(it) for it in replayed.changed],
            examined=replayed.examined,
            not_replayable=replayed.not_replayable,
            next_cursor=replayed.next_cursor,
        )


class PolicyClose(Answer):
    """A policy that permits something near to what was denied."""

    policy_id: PolicyName
    misses: Annotated[Sequence[Aspect], Field(description="What does not fit; all else of the policy does.")]
    group: Annotated[Group | None, Field(description="Whom it is for, when that is a group.")]

    @classmethod
    def of(cls, close: ClosePolicy) -> "PolicyClose":
        """A policy that came close."""
        return cls(policy_id=close.policy_id, misses=sorted(close.misses), group=close.group)


class BindingNeeded(Answer):
    """The narrowest role binding by which the request would be allowed."""

    role: Role
    principal: PrincipalId
    environment: Annotated[str | None, Field(description="null: the whole tenant.")]
    prefix: Annotated[str | None, Field(description="null: every path.")]

    @classmethod
    def of(cls, binding: RoleBinding) -> "BindingNeeded":
        """A binding."""
        return cls(
            role=binding.role,
            principal=binding.principal or "",
            environment=binding.environment,
            prefix=binding.prefix or None,
        )


class DenialExplained(RequestRecorded):
    """Why something was denied, and what it would take."""

    in_force: Annotated[
        DecisionTold | None,
        Field(description="What the policies in force say of it now; null where the record lacks what was asked."),
    ]
    forbidden_by: Annotated[
        Sequence[str], Field(description="Policies that forbid it now; no binding helps against them.")
    ]
    close_policies: Annotated[
        Sequence[PolicyClose], Field(description="Policies that permit something near to it, the closest first.")
    ]
    needed_binding: Annotated[
        BindingNeeded | None, Field(description="null: it is allowed now, or no binding alone would allow it.")
    ]

    @classmethod
    def of(cls, explanation: Explanation) -> "DenialExplained":
        """One denial."""
        in_force, needed = explanation.in_force, explanation.needed
        return cls.model_validate(
            {
                **_recorded(explanation.request),
                "in_force": DecisionTold.of(in_force) if in_force else None,
                "forbidden_by": explanation.forbidden_by,
                "close_policies": [PolicyClose.of(it) for it in explanation.close],
                "needed_binding": BindingNeeded.of(needed) if needed else None,
            }
        )


class RequestExplained(Answer):
    """All denials of a request that the caller may explain."""

    revision: Revision
    denials: Sequence[DenialExplained]

    @classmethod
    def of(cls, explained: Explained) -> "RequestExplained":
        """The answer of an explanation."""
        return cls(revision=explained.revision, denials=[DenialExplained.of(it) for it in explained.denials])
