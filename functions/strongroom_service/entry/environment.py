"""A function's environment, read once into one typed value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom_service.domain.registry import Registry
from strongroom_service.domain.roles import Role, RoleBinding

STAGE: Final = "STRONGROOM_STAGE"
TABLE: Final = "STRONGROOM_TABLE"
CONTROL_TABLE: Final = "STRONGROOM_CONTROL_TABLE"
WRITER_REGION: Final = "STRONGROOM_WRITER_REGION"
ENVELOPE_KEY: Final = "STRONGROOM_ENVELOPE_KEY"
AUDIT_STREAM: Final = "STRONGROOM_AUDIT_STREAM"
AUDIT_BUFFER: Final = "STRONGROOM_AUDIT_BUFFER"
AUDIT_BUFFER_EVENTS: Final = "STRONGROOM_AUDIT_BUFFER_EVENTS"
ARCHIVE_ACCOUNT: Final = "STRONGROOM_ARCHIVE_ACCOUNT"
ARCHIVE_BUCKET: Final = "STRONGROOM_ARCHIVE_BUCKET"
ARCHIVE_LOOKBACK_HOURS: Final = "STRONGROOM_ARCHIVE_LOOKBACK_HOURS"
DIGEST_KEY: Final = "STRONGROOM_DIGEST_KEY"
AUDIT_INDEX: Final = "STRONGROOM_AUDIT_INDEX"
REGIONS: Final = "STRONGROOM_REGIONS"
TENANTS: Final = "STRONGROOM_TENANTS"
ROLES: Final = "STRONGROOM_ROLES"
BREAK_GLASS_APPROVALS: Final = "STRONGROOM_BREAK_GLASS_APPROVALS"
ANNOUNCEMENTS: Final = "STRONGROOM_ANNOUNCEMENTS"
OPERATORS: Final = "STRONGROOM_OPERATORS"
REGION: Final = "AWS_REGION"

INITIAL_EPOCH: Final = 1
"""The epoch under which the configured writer region writes."""


class EnvironmentInvalidError(Exception):
    """The deployment gave this function an environment that it cannot work with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the deployment tells a function that serves requests."""

    stage: str
    region: str
    table: str
    writer_region: str
    envelope_key: str
    """ARN of the envelope key in this region."""
    regions: tuple[str, ...]
    """Every region of the deployment: each has a copy of the envelope key."""
    audit_stream: str
    audit_buffer: str
    """The table that takes audit records while the stream does not."""
    audit_buffer_events: int
    """How many events it takes."""
    audit_index: str
    """The table of the last 90 days' records; empty for a function that does not ask it."""
    registry: Registry
    """Tenants and operators until the first registry is written."""
    roles: Mapping[str, tuple[RoleBinding, ...]]
    """Who may what in each tenant until its first access set is written."""
    break_glass_approvals: int = 0
    """How many others have to approve a grant; 0, or absent: none can be asked for."""

    @classmethod
    def parse(cls, variables: Mapping[str, str]) -> "Environment":
        """Read the variables; raises `EnvironmentInvalidError` naming the one at fault."""
        return cls(
            stage=required(variables, STAGE),
            region=required(variables, REGION),
            table=required(variables, TABLE),
            writer_region=required(variables, WRITER_REGION),
            envelope_key=required(variables, ENVELOPE_KEY),
            regions=_regions(variables),
            audit_stream=required(variables, AUDIT_STREAM),
            audit_buffer=required(variables, AUDIT_BUFFER),
            audit_buffer_events=whole_number(variables, AUDIT_BUFFER_EVENTS),
            audit_index=variables.get(AUDIT_INDEX, ""),
            registry=Registry(
                tenants=_tenants(_json(variables, TENANTS)), operators=_operators(_json(variables, OPERATORS))
            ),
            roles=_roles(_json(variables, ROLES)),
            break_glass_approvals=_approvals(variables),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizerEnvironment:
    """What the deployment tells the authorizer: where issuers are registered, and where refusals are recorded."""

    stage: str
    region: str
    table: str
    audit_stream: str
    audit_buffer: str
    audit_buffer_events: int

    @classmethod
    def parse(cls, variables: Mapping[str, str]) -> "AuthorizerEnvironment":
        """Read the variables; raises `EnvironmentInvalidError` naming the one at fault."""
        return cls(
            stage=required(variables, STAGE),
            region=required(variables, REGION),
            table=required(variables, TABLE),
            audit_stream=required(variables, AUDIT_STREAM),
            audit_buffer=required(variables, AUDIT_BUFFER),
            audit_buffer_events=whole_number(variables, AUDIT_BUFFER_EVENTS),
        )


def required(variables: Mapping[str, str], name: str) -> str:
    """A variable that must be there; raises `EnvironmentInvalidError`."""
    value = variables.get(name, "")
    if not value:
        raise EnvironmentInvalidError(f"{name} is missing")
    return value


def whole_number(variables: Mapping[str, str], name: str) -> int:
    """A variable that must be a whole number of at least 1; raises `EnvironmentInvalidError`."""
    text = required(variables, name)
    if not text.isascii() or not text.isdecimal() or int(text) == 0:
        raise EnvironmentInvalidError(f"{name} must be a whole number of at least 1")
    return int(text)


def _approvals(variables: Mapping[str, str]) -> int:
    if variables.get(BREAK_GLASS_APPROVALS, "0") in {"", "0"}:
        return 0
    return whole_number(variables, BREAK_GLASS_APPROVALS)


def _regions(variables: Mapping[str, str]) -> tuple[str, ...]:
    regions = tuple(required(variables, REGIONS).split(","))
    if required(variables, REGION) not in regions:
        raise EnvironmentInvalidError(f"{REGIONS} must name this region too")
    return regions


def _json(variables: Mapping[str, str], name: str) -> Any:  # noqa: ANN401  # JSON of any shape, checked by the callers
    try:
        return json.loads(required(variables, name))
    except ValueError:
        raise EnvironmentInvalidError(f"{name} is not JSON") from None


def _tenants(tenants: object) -> dict[str, frozenset[str]]:
    if not isinstance(tenants, dict) or not all(isinstance(accounts, list) for accounts in tenants.values()):
        raise EnvironmentInvalidError(f"{TENANTS} must be an object of lists of account ids")
    return {tenant: frozenset(map(str, accounts)) for tenant, accounts in tenants.items()}


def _operators(operators: object) -> frozenset[str]:
    if not isinstance(operators, list) or not all(isinstance(it, str) for it in operators):
        raise EnvironmentInvalidError(f"{OPERATORS} must be a list of principal ids")
    return frozenset(operators)


def _roles(bindings: object) -> dict[str, tuple[RoleBinding, ...]]:
    if not isinstance(bindings, list):
        raise EnvironmentInvalidError(f"{ROLES} must be a list")
    found: dict[str, tuple[RoleBinding, ...]] = {}
    try:
        for entry in bindings:
            tenant, principal, environment = entry["tenant"], entry["principal"], entry.get("environment")
            binding = RoleBinding(
                role=Role(entry["role"]),
                principal=principal,
                environment=environment or None,
                prefix=(entry.get("prefix") or "").rstrip("/"),
            )
            found[tenant] = (*found.get(tenant, ()), binding)
    except (KeyError, TypeError, ValueError, AttributeError):
        found = {}
    named = {name for tenant, known in found.items() for name in (tenant, *(it.principal for it in known))}
    if len(bindings) != sum(map(len, found.values())) or not all(isinstance(name, str) for name in named):
        raise EnvironmentInvalidError(f"{ROLES} has an entry that is not a role binding")
    return found
