"""Request bodies about policies and groups."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action, Authentication
from strongroom_service.domain.access_set import CedarText, PolicyEntry
from strongroom_service.domain.errors import InvalidRequest, Violation
from strongroom_service.domain.roles import Role, RoleBinding
from strongroom_service.domain.times import from_rfc3339
from strongroom_service.usecases.access_proposal import AccessProposal
from strongroom_service.usecases.replay_access import ReplayQuery
from strongroom_service.usecases.simulate_access import Circumstances, Question

from . import access_fields as a
from . import fields as f
from .models import Body, Strict, without_null

_BINDING: Final = ("principal", "group", "environment", "prefix")


def _one_kind(schema: dict[str, Any], model: type[BaseModel]) -> None:
    without_null(schema, model)
    schema["oneOf"] = [{"required": ["role"]}, {"required": ["cedar"]}]


class Policy(Strict):
    """A role of a principal or of a group's members, over a tenant or a part of it; or a policy in Cedar."""

    model_config = ConfigDict(json_schema_extra=_one_kind)

    role: a.RoleName | None = None
    principal: a.PrincipalId | None = None
    group: a.GroupName | None = None
    environment: Annotated[f.Environment | None, Field(description="Left out: every environment.")] = None
    prefix: Annotated[f.Prefix, Field(description="Whole segments at the beginning of a path; empty: every path.")] = ""
    cedar: a.CedarPolicy | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> "Policy":
        if (self.role is None) == (self.cedar is None):
            raise PydanticCustomError(f.RULE, "must have exactly one of role, cedar")
        if self.cedar is not None and any(getattr(self, name) for name in _BINDING):
            raise PydanticCustomError(f.RULE, "must not have {names} beside cedar", {"names": ", ".join(_BINDING)})
        return self

    def entry(self) -> PolicyEntry:
        """The policy as the access set holds it."""
        if self.cedar is not None:
            return CedarText(self.cedar)
        return RoleBinding(
            role=Role(self.role or ""),
            principal=self.principal,
            group=self.group,
            environment=self.environment,
            prefix=self.prefix.rstrip("/"),
        )


class PutPolicyRequest(Policy, Body):
    """A policy to put in force."""

    expected_revision: Annotated[
        a.Revision | None, Field(description="Refuse the change when another revision is in force.")
    ] = None


Members = Annotated[list[a.PrincipalId], Field(max_length=limits.MAX_GROUP_MEMBERS)]


class PutGroupRequest(Body):
    """A group with all of its members."""

    members: Members
    expected_revision: Annotated[
        a.Revision | None, Field(description="Refuse the change when another revision is in force.")
    ] = None


class ChangeQuery(Strict):
    """Which revision a deletion expects."""

    expected_revision: Annotated[
        a.RevisionText | None, Field(description="Refuse the change when another revision is in force.")
    ] = None

    @property
    def revision(self) -> int | None:
        """The number."""
        return None if self.expected_revision is None else int(self.expected_revision)


class Proposal(Body):
    """Policies and groups to put before asking, or with null to remove. Nothing is stored."""

    policies: Annotated[dict[a.PolicyId, Policy | None], Field(max_length=limits.MAX_POLICIES)] = Field(
        default_factory=dict
    )
    groups: Annotated[dict[a.GroupName, Members | None], Field(max_length=limits.MAX_GROUPS)] = Field(
        default_factory=dict
    )

    def proposal(self) -> AccessProposal:
        """As the use cases take it."""
        return AccessProposal(
            policies={name: policy.entry() if policy else None for name, policy in self.policies.items()},
            groups=self.groups,
        )


class AssumedCircumstances(Strict):
    """Under which a question is asked. What is left out is as this request has it."""

    source_ip: a.SourceIp | None = None
    time: f.Timestamp | None = None
    region: a.RegionName | None = None
    authentication: a.AuthenticationName | None = None
    authentication_age: a.Age | None = None

    def assumed(self) -> Circumstances:
        """As the use case takes them. Raises `InvalidRequest`."""
        try:
            time = None if self.time is None else from_rfc3339(self.time)
        except (ValueError, OverflowError):
            time = None
        if self.time is not None and time is None:
            raise InvalidRequest([Violation("circumstances.time", "must be an RFC 3339 time with an offset")])
        return Circumstances(
            source_ip=self.source_ip,
            time=time,
            region=self.region,
            authentication=Authentication(self.authentication) if self.authentication else None,
            authentication_age=self.authentication_age,
        )


class SimulateRequest(Proposal):
    """Who may do this?"""

    action: a.ActionName
    environment: Annotated[f.Environment | None, Field(description="Left out for actions on the whole tenant.")] = None
    path: Annotated[f.Path | None, Field(description="Left out for actions on a whole environment.")] = None
    principals: Annotated[
        list[a.PrincipalId],
        Field(
            max_length=limits.MAX_SIMULATED_PRINCIPALS,
            description="Whom to ask for; empty: everybody whom the policies and groups name.",
        ),
    ] = Field(default_factory=list)
    circumstances: AssumedCircumstances = Field(default_factory=AssumedCircumstances)

    def question(self) -> Question:
        """As the use case takes it. Raises `InvalidRequest`."""
        return Question(
            action=Action(self.action),
            environment=self.environment,
            path=self.path,
            principals=self.principals,
            circumstances=self.circumstances.assumed(),
            proposal=self.proposal(),
        )


class ReplayRequest(Proposal):
    """What would change, of what was asked in the last days?"""

    days: Annotated[a.ReplayDays, Field(description="How far back.")] = limits.DEFAULT_REPLAY_DAYS
    cursor: Annotated[f.Cursor | None, Field(description="nextCursor of the call before.")] = None
    limit: Annotated[a.ReplayLimit, Field(description="Records looked at in one call.")] = limits.DEFAULT_REPLAYED

    def query(self) -> ReplayQuery:
        """As the use case takes it."""
        return ReplayQuery(proposal=self.proposal(), days=self.days, cursor=self.cursor, limit=self.limit)
