"""The deployment's options: read from the CDK's context once, checked, and typed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from infra.option_reader import OptionError, OptionReader, check_text
from infra.option_rules import check_environment, check_regions, check_writers
from infra.regions import REGION_PATTERN, REGION_RULE

ROOT: Final = "strongroom"
ACCOUNT_PATTERN: Final = r"\d{12}"
ACCOUNT_RULE: Final = "must be an account id of 12 digits"
NAME_PATTERN: Final = r"[a-z0-9-]{1,32}"
NAME_RULE: Final = "must be 1 to 32 of a-z, 0-9 and -"

ADDRESS_PATTERN: Final = r"[^@\s]+@[^@\s]+\.[^@\s]+"
ADDRESS_RULE: Final = "must be an e-mail address"

ADMINISTRATOR: Final = "administrator"
ROLES: Final = ("reader", "owner", "rotator", "auditor", "security", "responder", "approver", ADMINISTRATOR)
"""What a principal may be bound as; the service knows what each may do."""

ROLE_ARN_PATTERN: Final = r"arn:aws:iam::\d{12}:role/[\w+=,.@-]{1,64}"
"""A signed request shows an assumed-role ARN, which carries no role path: a role with a path would never match."""
ROLE_ARN_RULE: Final = "must be an IAM role's ARN without a path, such as arn:aws:iam::<account>:role/<name>"

MIN_BUFFER_EVENTS: Final = 64 * 50
"""A record of a full batch must fit into one of the 64 shards."""

LOG_RETENTION_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)
"""What CloudWatch Logs accepts, up to five years."""

_KNOWN: Final = frozenset({
    "stage", "account", "primaryRegion", "replicaRegions", "writerCandidates", "witnessRegion", "tenants", "roles",
    "operators", "callerAccounts", "organizationId", "auditStream", "auditRetentionHours", "auditBufferEvents",
    "objectLock", "logRetentionDays", "accessLogRetentionDays", "tracing", "throttle", "reservedConcurrency",
    "alarmAddress", "target", "terminationProtection", "breakGlass",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLock:
    """How long the audit archive refuses to forget. Nobody, not even the root user, ends `compliance` early."""

    mode: str
    retention: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Requests a second, and the burst, that each region's API admits."""

    rate: int
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedConcurrency:
    """Concurrency set aside for the functions beside the reader, which always stays unreserved."""

    admin: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """Grants in an emergency: how many others approve one, and who hears of it."""

    approvals: int
    """0: no grant can be asked for."""
    announce_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleBinding:
    """What an IAM role may do in a tenant, or in a part of it."""

    principal: str
    role: str
    tenant: str
    environment: str | None
    prefix: str | None

    def as_json(self) -> dict[str, str]:
        """The entry as the functions read it: the principal by the id that a signed request shows."""
        entry = {"principal": f"iam:{self.principal}", "role": self.role, "tenant": self.tenant}
        if self.environment is not None:
            entry["environment"] = self.environment
        if self.prefix is not None:
            entry["prefix"] = self.prefix
        return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One deployment."""

    stage: str
    account: str
    primary_region: str
    replica_regions: tuple[str, ...]
    writer_candidates: tuple[str, ...]
    witness_region: str | None
    tenants: Mapping[str, tuple[str, ...]]
    roles: tuple[RoleBinding, ...]
    operators: tuple[str, ...]
    """ARNs of the IAM roles that may change tenants and issuers, until they say otherwise themselves."""
    caller_accounts: tuple[str, ...]
    organization_id: str | None
    stream_shards: int | None
    """None: on demand."""
    stream_retention: timedelta
    """How long the stream remembers: the time to mend the way into the archive before a record is lost."""
    audit_buffer_events: int
    """How many audit events each region's buffer takes while the stream takes none; then reads are refused."""
    tracing: str
    """X-Ray: `none`, `changes` (the admin function), or `all`. Spans would slow every read for little."""
    object_lock: ObjectLock
    log_retention: timedelta
    access_log_retention: timedelta
    throttle: Throttle
    reserved_concurrency: ReservedConcurrency | None
    alarm_address: str | None
    break_glass: BreakGlass
    target: str
    """What the layers are built for: `lambda` (arm64, Python 3.13), or `host` for the local cloud."""
    termination_protection: bool

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that serves, the primary first."""
        return (self.primary_region, *self.replica_regions)

    @property
    def tenants_without_administrator(self) -> tuple[str, ...]:
        """Tenants of which the options name nobody who may change policies."""
        named = {binding.tenant for binding in self.roles if binding.role == ADMINISTRATOR}
        return tuple(sorted(set(self.tenants) - named))

    @property
    def tenants_json(self) -> str:
        """`{tenant: [account, ...]}`, compact."""
        return _compact({tenant: list(accounts) for tenant, accounts in self.tenants.items()})

    @property
    def roles_json(self) -> str:
        """The role bindings, compact."""
        return _compact([role.as_json() for role in self.roles])

    @property
    def operators_json(self) -> str:
        """The operators by the ids that signed requests show, compact."""
        return _compact([f"iam:{operator}" for operator in self.operators])

    @classmethod
    def parse(cls, value: object, *, default_account: str | None = None) -> "Options":
        """Check and type the options; raises `OptionError` for the first one that breaks a rule."""
        reader = OptionReader(value, at=ROOT, known=_KNOWN)
        account = _account(reader, default_account)
        tenants = _tenants(reader, account)
        options = cls(
            # Bounded so that the longest bucket name stays within 63 characters.
            stage=reader.text(
                "stage", pattern="[a-z][a-z0-9]{0,11}", rule="must be 1 to 12 of a-z, 0-9, a letter first"
            ),
            account=account,
            primary_region=reader.text("primaryRegion", pattern=REGION_PATTERN, rule=REGION_RULE),
            replica_regions=reader.each("replicaRegions", _region),
            writer_candidates=reader.each("writerCandidates", _region),
            witness_region=reader.optional_text("witnessRegion", pattern=REGION_PATTERN, rule=REGION_RULE),
            tenants=tenants,
            roles=reader.each("roles", lambda entry, at: _role(entry, at, tenants)),
            operators=reader.each("operators", _operator),
            caller_accounts=reader.each("callerAccounts", _account_id),
            organization_id=reader.optional_text(
                "organizationId", pattern="o-[a-z0-9]{10,32}", rule="must be an organization's id, such as o-a1b2c3d4e5"
            ),
            stream_shards=_shards(reader),
            stream_retention=timedelta(
                hours=reader.number("auditRetentionHours", default=168, at_least=24, at_most=8_760)
            ),
            audit_buffer_events=reader.number(
                # By default a minute of the highest rate; at least a full batch for each of the buffer's shards.
                "auditBufferEvents",
                default=300_000,
                at_least=MIN_BUFFER_EVENTS,
                at_most=50_000_000,
            ),
            tracing=reader.choice("tracing", ("none", "changes", "all"), default="none"),
            object_lock=_object_lock(reader),
            log_retention=_retention(reader, "logRetentionDays", default=90),
            access_log_retention=_retention(reader, "accessLogRetentionDays", default=365),
            throttle=_throttle(reader),
            reserved_concurrency=_concurrency(reader),
            alarm_address=reader.optional_text("alarmAddress", pattern=ADDRESS_PATTERN, rule=ADDRESS_RULE),
            break_glass=_break_glass(reader),
            target=reader.choice("target", ("lambda", "host"), default="lambda"),
            termination_protection=reader.switch("terminationProtection", default=True),
        )
        check_regions(options, at=ROOT)
        check_writers(options, at=ROOT)
        check_environment(options, at=ROOT)
        return options


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _region(value: object, at: str) -> str:
    return check_text(value, at=at, pattern=REGION_PATTERN, rule=REGION_RULE)


def _account_id(value: object, at: str) -> str:
    return check_text(value, at=at, pattern=ACCOUNT_PATTERN, rule=ACCOUNT_RULE)


def _account(reader: OptionReader, default: str | None) -> str:
    value = reader.raw("account")
    if value is None and default is None:
        raise OptionError(
            reader.name("account"),
            "must be given (12 digits, here or as CDK_DEFAULT_ACCOUNT) if the CDK has no credentials to ask",
        )
    return _account_id(default if value is None else value, reader.name("account"))


def _tenants(reader: OptionReader, account: str) -> dict[str, tuple[str, ...]]:
    value = reader.raw("tenants")
    if value is None:
        return {"default": (account,)}
    at = reader.name("tenants")
    if not isinstance(value, Mapping) or not value:
        raise OptionError(at, "must be an object that names at least one tenant")
    found: dict[str, tuple[str, ...]] = {}
    for tenant, accounts in value.items():
        check_text(tenant, at=f"{at}.{tenant}", pattern=NAME_PATTERN, rule=NAME_RULE)
        if not isinstance(accounts, list) or not accounts:
            raise OptionError(f"{at}.{tenant}", "must be a list of at least one account id")
        found[tenant] = tuple(_account_id(entry, f"{at}.{tenant}[{index}]") for index, entry in enumerate(accounts))
    return found


def _operator(value: object, at: str) -> str:
    return check_text(value, at=at, pattern=ROLE_ARN_PATTERN, rule=ROLE_ARN_RULE)


def _role(value: object, at: str, tenants: Mapping[str, tuple[str, ...]]) -> RoleBinding:
    reader = OptionReader(value, at=at, known=frozenset({"principal", "role", "tenant", "environment", "prefix"}))
    principal = reader.text(
        "principal",
        pattern=ROLE_ARN_PATTERN,
        rule=ROLE_ARN_RULE,
    )
    role = reader.choice("role", ROLES, default="")
    if not role:
        raise OptionError(reader.name("role"), f"must be one of {', '.join(ROLES)}")
    for part in ("environment", "prefix"):
        if role == ADMINISTRATOR and reader.raw(part) is not None:
            raise OptionError(reader.name(part), f"must be left out: {role} is a role over the whole tenant")
    tenant = reader.text("tenant", pattern=NAME_PATTERN, rule=NAME_RULE)
    if tenant not in tenants:
        raise OptionError(reader.name("tenant"), f"must be one of the tenants {', '.join(sorted(tenants))}")
    if principal.split(":")[4] not in tenants[tenant]:
        raise OptionError(reader.name("principal"), f"must belong to an account of the tenant {tenant}")
    segment = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+"
    return RoleBinding(
        principal=principal,
        role=role,
        tenant=tenant,
        environment=reader.optional_text("environment", pattern=NAME_PATTERN, rule=NAME_RULE),
        prefix=reader.optional_text(
            "prefix", pattern=f"{segment}(?:/{segment})*/?", rule="must be whole segments of a path, such as payments/"
        ),
    )


def _break_glass(reader: OptionReader) -> BreakGlass:
    value = reader.raw("breakGlass")
    if value is None:
        return BreakGlass(approvals=0, announce_to=None)
    asked = OptionReader(value, at=reader.name("breakGlass"), known=frozenset({"approvals", "announceTo"}))
    return BreakGlass(
        approvals=asked.number("approvals", default=None, at_least=0, at_most=10),
        announce_to=asked.optional_text("announceTo", pattern=ADDRESS_PATTERN, rule=ADDRESS_RULE),
    )


def _shards(reader: OptionReader) -> int | None:
    value = reader.raw("auditStream")
    if value is None or value == "onDemand":
        return None
    if not isinstance(value, Mapping):
        raise OptionError(reader.name("auditStream"), 'must be "onDemand" or {"shards": <number>}')
    shards = OptionReader(value, at=reader.name("auditStream"), known=frozenset({"shards"}))
    return shards.number("shards", default=None, at_least=1, at_most=10_000)


def _object_lock(reader: OptionReader) -> ObjectLock:
    value = reader.raw("objectLock")
    lock = OptionReader(value or {}, at=reader.name("objectLock"), known=frozenset({"mode", "days"}))
    return ObjectLock(
        mode=lock.choice("mode", ("governance", "compliance"), default="governance"),
        retention=timedelta(days=lock.number("days", default=365, at_least=1, at_most=36_500)),
    )


def _retention(reader: OptionReader, option: str, *, default: int) -> timedelta:
    days = reader.number(option, default=default, at_least=1, at_most=LOG_RETENTION_DAYS[-1])
    if days not in LOG_RETENTION_DAYS:
        raise OptionError(
            reader.name(option), f"must be one of CloudWatch's periods: {', '.join(map(str, LOG_RETENTION_DAYS))} days"
        )
    return timedelta(days=days)


def _throttle(reader: OptionReader) -> Throttle:
    # By default what a region's account admits to all of its APIs together: 10,000 a second, 5,000 at once.
    value = reader.raw("throttle")
    throttle = OptionReader(value or {}, at=reader.name("throttle"), known=frozenset({"rate", "burst"}))
    return Throttle(
        rate=throttle.number("rate", default=10_000, at_least=1, at_most=1_000_000),
        burst=throttle.number("burst", default=5_000, at_least=1, at_most=1_000_000),
    )


def _concurrency(reader: OptionReader) -> ReservedConcurrency | None:
    value = reader.raw("reservedConcurrency")
    if value is None:
        return None
    reserved = OptionReader(value, at=reader.name("reservedConcurrency"), known=frozenset({"admin", "workers"}))
    return ReservedConcurrency(
        admin=reserved.number("admin", default=None, at_least=1, at_most=10_000),
        workers=reserved.number("workers", default=None, at_least=1, at_most=10_000),
    )
