"""Who asks for what, and the answer of a policy."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from .names import SecretName


class Action(StrEnum):
    """What a policy allows or denies."""

    READ = "secret:read"
    LIST = "secret:list"
    REGISTER = "secret:register"
    WRITE = "secret:write"
    PROMOTE = "secret:promote"
    ROLLBACK = "secret:rollback"
    DISABLE = "secret:disable"
    DESTROY = "secret:destroy"
    REWRAP = "secret:rewrap"
    """Renew an environment's key and encrypt its secrets anew: asked on the whole environment."""
    EXPLAIN = "secret:explain"
    """Learn why somebody was denied."""
    BREAK_GLASS_REQUEST = "breakGlass:request"
    """Ask for a grant that ends by itself: asked on a secret or on a path above it, as the next."""
    BREAK_GLASS_APPROVE = "breakGlass:approve"
    AUDIT_READ = "audit:read"
    POLICY_READ = "policy:read"
    """See policies and groups, and ask what they would decide: asked on the whole tenant, as the next."""
    POLICY_WRITE = "policy:write"


class Authentication(StrEnum):
    """How an identity was proven."""

    IAM = "iam"
    """A request signed with SigV4, checked by API Gateway."""
    OIDC = "oidc"
    """A bearer token of an OpenID Connect issuer, checked by the authorizer function."""
    SPIFFE = "spiffe"
    """A JWT-SVID of a trust domain, checked by the authorizer function."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose identity was proven by API Gateway, or by the authorizer function from a token."""

    id: str
    """`iam:arn:aws:iam::<account>:role/<name>`; an assumed role's ARN carries no path. Of a token
    `oidc:<issuer>#<subject>` or `spiffe://<trust domain>/<path>`."""
    account: str
    """Empty for a token."""
    session: str = ""
    """The role session's name: kept for the audit, never a ground for access."""
    issuer: str = ""
    """The id of the issuer that vouched for a token; empty for a signature."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal and the circumstances of one request."""

    principal: Principal
    tenant: str
    """Empty when the principal belongs to none: then nothing is allowed."""
    request_id: str
    source_ip: str
    user_agent: str
    authentication: Authentication = Authentication.IAM
    authentication_age: int = 0
    """Seconds since the token was issued; 0 for a signature, which is made for its one request."""
    wanted_tenant: str | None = None
    """The tenant that the request asks for: a choice among the principal's own, never a ground."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is asked on: a secret, an environment (no path) or a whole tenant (neither)."""

    tenant: str
    environment: str | None = None
    path: str | None = None

    @classmethod
    def of(cls, name: SecretName) -> "Resource":
        """The resource that a secret is."""
        return cls(name.tenant, name.environment, name.path)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One question to a policy: who, what, on what, and under which circumstances."""

    principal: str
    """Its id."""
    action: Action
    resource: Resource
    source_ip: str
    time: datetime
    region: str
    authentication: Authentication = Authentication.IAM
    authentication_age: int = 0
    """In seconds."""


NO_PERMIT: Final = "no-permit"
"""The reason of a denial that no policy made: nothing permits."""
EVALUATION_ERROR: Final = "evaluation-error"
"""The reason of a denial that was made because a policy could not be evaluated."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A policy's answer with the ids of what led to it. Nothing that applies is a denial."""

    allowed: bool
    reasons: tuple[str, ...] = ()
    is_broken: bool = False
    """Whether a policy could not be evaluated, which denies whatever the others say."""
    asked: tuple[Action, ...] = ()
    """What was asked for, when it was asked for a caller."""
    grant: str = ""
    """The id of the grant without which it would have been denied; empty where something else allows it too."""
