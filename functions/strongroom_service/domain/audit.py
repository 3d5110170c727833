"""The audit record and the hash chain that it stands in: the stored format, in one place.

A record is a JSON object with sorted keys and no spaces, in UTF-8 (RFC 8785 for the strings and integers used
here), with all of its fields always present. `hash` is the SHA-256 of the record without `hash`, as hex. Each
execution environment writes chains: `sequence` counts from 1, `previousHash` is the hash of the record before,
64 zeros at the start. A chain ends when a put is not acknowledged; `follows` of the next one's first record
names the chain before it and its last acknowledged record.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from .times import rfc3339

FORMAT_VERSION: Final = 2
"""2 added `permissions`, `authentication` and `authenticationAge`: what the policy was asked, to ask it again; and
`count` and `period`, by which one record stands for many reads."""
NO_HASH: Final = "0" * 64
_MAX_USER_AGENT: Final = 256


class Phase(StrEnum):
    """Where in an operation a record was made."""

    RELEASE = "RELEASE"
    """A read was authorised; acknowledged before anything leaves."""
    DENIAL = "DENIAL"
    INTENT = "INTENT"
    """A change is about to be made. An intent without an outcome means unknown."""
    OUTCOME = "OUTCOME"
    """What became of the operation with the same operationId."""


class AuditAction(StrEnum):
    """What was asked for: the seed's READ, WRITE, ROTATE, DESTROY, told apart further."""

    READ = "READ"
    READ_REVISION = "READ_REVISION"
    READ_METADATA = "READ_METADATA"
    LIST = "LIST"
    REGISTER = "REGISTER"
    PROPOSE = "PROPOSE"
    PROMOTE = "PROMOTE"
    ROLLBACK = "ROLLBACK"
    STAGE = "STAGE"
    CLEAR_ALIAS = "CLEAR_ALIAS"
    PUT = "PUT"
    UPDATE = "UPDATE"
    DISABLE = "DISABLE"
    ENABLE = "ENABLE"
    DESTROY = "DESTROY"
    DELETE = "DELETE"
    RESTORE = "RESTORE"
    PURGE = "PURGE"
    RENEW_KEY = "RENEW_KEY"
    REWRAP = "REWRAP"
    READ_ACCESS = "READ_ACCESS"
    SIMULATE = "SIMULATE"
    PUT_POLICY = "PUT_POLICY"
    DELETE_POLICY = "DELETE_POLICY"
    PUT_GROUP = "PUT_GROUP"
    DELETE_GROUP = "DELETE_GROUP"
    REPLAY = "REPLAY"
    EXPLAIN = "EXPLAIN"
    READ_AUDIT = "READ_AUDIT"
    READ_RECEIPT = "READ_RECEIPT"
    CACHED_READ = "CACHED_READ"
    """So many reads that a client's own memory served, as it reports them."""
    BREAK_GLASS = "BREAK_GLASS"
    """A read that nothing but a grant allowed."""
    REQUEST_GRANT = "REQUEST_GRANT"
    APPROVE_GRANT = "APPROVE_GRANT"
    REFUSE_GRANT = "REFUSE_GRANT"
    REVOKE_GRANT = "REVOKE_GRANT"
    END_GRANT = "END_GRANT"
    READ_GRANTS = "READ_GRANTS"
    AUTHENTICATE = "AUTHENTICATE"
    """A token was refused, or a principal that belongs to no tenant."""
    READ_IDENTITY = "READ_IDENTITY"
    PUT_ISSUER = "PUT_ISSUER"
    DELETE_ISSUER = "DELETE_ISSUER"
    PUT_TENANT = "PUT_TENANT"
    DELETE_TENANT = "DELETE_TENANT"
    PUT_OPERATORS = "PUT_OPERATORS"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One fact for the audit. Names and ids only, never a value."""

    event_id: str
    operation_id: str
    phase: Phase
    time: datetime
    tenant: str
    environment: str
    path: str
    secret_id: str
    version: int
    """0 where no version is concerned or known."""
    action: AuditAction
    allowed: bool
    reasons: tuple[str, ...]
    outcome: str
    """`ok`, an error code, or empty while it is not known."""
    actor: str
    session: str
    source_ip: str
    user_agent: str
    request_id: str
    region: str
    permissions: tuple[str, ...] = ()
    """What the policy was asked for."""
    authentication: str = ""
    authentication_age: int = 0
    count: int = 1
    """How many reads the record stands for: more than one only in a client's report of what its memory served."""
    period: str = ""
    """When those reads were: `<start>/<end>` (ISO 8601), or empty."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of the record that let a value out."""

    event_id: str
    chain_id: str
    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.event_id}.{self.chain_id}.{self.sequence}.{self.hash}"


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A record's line as it is delivered, and its receipt."""

    line: bytes
    receipt: Receipt


class Chain:
    """One chain of records. Not safe for threads: its owner holds a lock."""

    def __init__(self, chain_id: str, *, follows: Receipt | None = None) -> None:
        self.chain_id = chain_id
        self._follows = follows
        self._acknowledged: Receipt | None = None
        self._sequence = 0
        self._previous = NO_HASH

    def seal(self, events: Sequence[AuditEvent]) -> list[SealedRecord]:
        """Give each event its place in the chain."""
        return [self._seal_one(event) for event in events]

    def acknowledge(self, receipt: Receipt) -> None:
        """Note the last record known to be stored."""
        self._acknowledged = receipt

    @property
    def last_acknowledged(self) -> Receipt | None:
        """Where a following chain ties in: the last stored record, of this chain or of the one that it follows."""
        return self._acknowledged or self._follows

    def _seal_one(self, event: AuditEvent) -> SealedRecord:
        self._sequence += 1
        record = _fields(event)
        record["chainId"] = self.chain_id
        record["sequence"] = self._sequence
        record["previousHash"] = self._previous
        first = self._sequence == 1
        record["follows"] = _tie(self._follows) if first and self._follows else None
        digest = record_hash(record)
        record["hash"] = digest
        self._previous = digest
        receipt = Receipt(event.event_id, self.chain_id, self._sequence, digest)
        return SealedRecord(canonical(record) + b"\n", receipt)


def record_hash(record: Mapping[str, object]) -> str:
    """The hash that a record must carry, computed from all its other fields."""
    return hashlib.sha256(canonical({k: v for k, v in record.items() if k != "hash"})).hexdigest()


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)


def canonical(record: Mapping[str, object]) -> bytes:
    """A record as it is stored and hashed, without the end of its line."""
    # Header values reach us as any text at all; what cannot be encoded must not stop the record.
    return _ENCODER.encode(record).encode("utf-8", "replace")


def _tie(receipt: Receipt) -> dict[str, object]:
    return {"chainId": receipt.chain_id, "lastAcknowledged": receipt.sequence, "hash": receipt.hash}


def _fields(event: AuditEvent) -> dict[str, object]:
    return {
        "formatVersion": FORMAT_VERSION,
        "eventId": event.event_id,
        "operationId": event.operation_id,
        "phase": event.phase,
        "time": rfc3339(event.time),
        "tenant": event.tenant,
        "environment": event.environment,
        "path": event.path,
        "secretId": event.secret_id,
        "version": event.version,
        "action": event.action,
        "decision": "ALLOW" if event.allowed else "DENY",
        "reason": list(event.reasons),
        "outcome": event.outcome,
        "actor": event.actor,
        "session": event.session,
        "sourceIp": event.source_ip,
        "userAgent": event.user_agent[:_MAX_USER_AGENT],
        "requestId": event.request_id,
        "region": event.region,
        "permissions": list(event.permissions),
        "authentication": event.authentication,
        "authenticationAge": event.authentication_age,
        "count": event.count,
        "period": event.period,
    }
