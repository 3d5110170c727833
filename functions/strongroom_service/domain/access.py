"""Who asks for what, and the answer of a policy."""

from dataclasses import dataclass
from enum import StrEnum

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
    AUDIT_READ = "audit:read"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose identity was proven by API Gateway."""

    id: str
    """`iam:arn:aws:iam::<account>:role/<name>`; an assumed role's ARN carries no path."""
    account: str
    session: str = ""
    """The role session's name: kept for the audit, never a ground for access."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal and the circumstances of one request."""

    principal: Principal
    tenant: str
    request_id: str
    source_ip: str
    user_agent: str


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
class Decision:
    """A policy's answer with the ids of what led to it. Nothing that applies is a denial."""

    allowed: bool
    reasons: tuple[str, ...] = ()
