"""Where items lie in the tables, and what their attributes are called: the one place that knows.

| item | PK | SK |
| --- | --- | --- |
| head | `S#<tenant>#<environment>#<path>` | `HEAD` |
| version | as its head | `V#<number, 20 digits>#<epoch, 10 digits>` |
| id pointer | `ID#<secretId>` | `ID` |
| namespace keys | `K#<tenant>#<environment>` | `ACTIVE` |
| fence | `FENCE` | `<shard>` |
| access set's pointer | `A#<tenant>` | `POINTER#<copy>` |
| stored access sets | `A#<tenant>` | `HISTORY` |
| access set's chunk | `A#<tenant>` | `SET#<revision, 20 digits>#<digest>#<chunk>` |
| request for a grant | `G#<tenant>` | `REQUEST#<id>` |
| its client token | `G#<tenant>` | `TOKEN#<digest>` |
| open request | `G` | `<tenant>#<id>` |

The registry of tenants lies like a tenant's access set, under `A#@registry`; no tenant can be called so.

Neither tenants, environments nor paths can contain `#`, so no two names meet in one key.
"""

import hashlib
from typing import Final, NamedTuple

from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.usecases.ports import VersionKey

PK: Final = "PK"
SK: Final = "SK"
HEAD: Final = "HEAD"
VERSION_PREFIX: Final = "V#"

BY_PATH: Final = "byPath"
"""Index over heads: partition `namespace`, sort key `path`. A tombstone has no `namespace` and is not listed."""
NAMESPACE: Final = "namespace"
PATH: Final = "path"

SECRET_ID: Final = "secretId"
OWNER_TEAM: Final = "ownerTeam"
ROTATION_STRATEGY: Final = "rotationStrategy"
DESCRIPTION: Final = "description"
TAGS: Final = "tags"
STATUS: Final = "status"
LATEST_VERSION: Final = "latestVersion"
ALIASES: Final = "aliases"
VERSIONS: Final = "versions"
ENVELOPES: Final = "envelopes"
CLIENT_TOKENS: Final = "clientTokens"
CREATED_AT: Final = "createdAt"
UPDATED_AT: Final = "updatedAt"
DELETED_AT: Final = "deletedAt"
RESTORE_UNTIL: Final = "restoreUntil"
EPOCH: Final = "epoch"
REVISION: Final = "revision"
ROTATION_DUE: Final = "rotationDue"

PROJECTED: Final = (
    SECRET_ID,
    OWNER_TEAM,
    ROTATION_STRATEGY,
    DESCRIPTION,
    TAGS,
    STATUS,
    LATEST_VERSION,
    ALIASES,
    CREATED_AT,
    UPDATED_AT,
    DELETED_AT,
    EPOCH,
    REVISION,
    ROTATION_DUE,
)
"""What the index `byPath` holds of a head besides keys: metadata and aliases, never an envelope."""

ENVELOPE: Final = "envelope"
CREATED_BY: Final = "createdBy"

BLOB: Final = "blob"
NAMESPACE_KEY_ID: Final = "namespaceKeyId"
WRAPPED_NAMESPACE_KEY: Final = "wrappedNamespaceKey"
KEY_ID: Final = "keyId"
DIGEST_KEY: Final = "digestKey"

PROMOTED_AT: Final = "promotedAt"
FINGERPRINT: Final = "fingerprint"
EXPIRES_AT: Final = "expiresAt"

DIGEST: Final = "digest"
OPERATION: Final = "operation"
VERSION: Final = "version"
USED_AT: Final = "usedAt"

TENANT: Final = "tenant"
ENVIRONMENT: Final = "environment"
OPEN: Final = "open"

CHUNKS: Final = "chunks"
STORED: Final = "stored"

SINCE: Final = "since"
REASON: Final = "reason"
GRANT_ID: Final = "grantId"

REQUESTER: Final = "requester"
PREFIX: Final = "prefix"
TICKET: Final = "ticket"
MINUTES: Final = "minutes"
REQUIRED: Final = "required"
REQUESTED_AT: Final = "requestedAt"
APPROVALS: Final = "approvals"
PRINCIPAL: Final = "principal"
TIME: Final = "time"
ACTIVE_FROM: Final = "activeFrom"
UNTIL: Final = "until"
CLOSED_AT: Final = "closedAt"
CLOSED_BY: Final = "closedBy"
SETTLING: Final = "settling"
DUE: Final = "due"
SCANS: Final = "scans"
READS: Final = "reads"
UNANSWERED: Final = "unanswered"
SETTLED: Final = "settled"

GRANT_PREFIX: Final = "REQUEST#"
OPEN_GRANTS: Final = "G"

CONTROL_PK: Final = "PK"
CONTROL_LEASE: Final = "LEASE"
WRITER_REGION: Final = "writerRegion"


class Key(NamedTuple):
    """An item's primary key."""

    pk: str
    sk: str


def head_key(name: SecretName) -> Key:
    """Where a secret's head lies."""
    return Key(f"S#{name.tenant}#{name.environment}#{name.path}", HEAD)


def version_key(name: SecretName, version: VersionKey) -> Key:
    """Where a version's item lies. The epoch keeps apart what two writers may once have given one number."""
    return Key(head_key(name).pk, f"{VERSION_PREFIX}{version.number:020d}#{version.epoch:010d}")


def parse_version_sort_key(sk: str) -> VersionKey:
    """Read the sort key of a version's item."""
    _, number, epoch = sk.split("#")
    return VersionKey(int(number), int(epoch))


def id_key(secret_id: str) -> Key:
    """Where the pointer from a secret's id to its name lies."""
    return Key(f"ID#{secret_id}", "ID")


def namespace_key_key(namespace: Namespace) -> Key:
    """Where the keys that a namespace works with are registered."""
    return Key(f"K#{namespace.tenant}#{namespace.environment}", "ACTIVE")


def fence_key(shard: int) -> Key:
    """Where a fence lies."""
    return Key("FENCE", str(shard))


def fence_of(pk: str) -> Key:
    """The fence that guards writes under a partition key: spread by a hash that every process agrees on."""
    digest = hashlib.sha256(pk.encode()).digest()
    return fence_key(int.from_bytes(digest[:8], "big") % limits.FENCE_SHARDS)


def access_pointer_key(tenant: str, copy: int) -> Key:
    """Where a copy of the pointer to a tenant's access set lies."""
    return Key(f"A#{tenant}", f"POINTER#{copy}")


def access_history_key(tenant: str) -> Key:
    """Where it is written which access sets of a tenant are stored."""
    return Key(f"A#{tenant}", "HISTORY")


def access_chunk_key(tenant: str, pointer: AccessPointer, chunk: int) -> Key:
    """Where a part of an access set lies. The digest keeps apart what two writers may once have given one revision."""
    return Key(f"A#{tenant}", f"SET#{pointer.revision:020d}#{pointer.digest}#{chunk}")


def grant_key(tenant: str, grant_id: str) -> Key:
    """Where a request for a grant lies: ids begin with their time, so a tenant's requests lie in its order."""
    return Key(f"G#{tenant}", f"{GRANT_PREFIX}{grant_id}")


def grant_token_key(tenant: str, digest: str) -> Key:
    """Where it lies which request a client token has made."""
    return Key(f"G#{tenant}", f"TOKEN#{digest}")


def open_grant_key(tenant: str, grant_id: str) -> Key:
    """Where a request is listed, among those of all tenants, until nothing is left to do about it."""
    return Key(OPEN_GRANTS, f"{tenant}#{grant_id}")


def parse_open_grant(sk: str) -> tuple[str, str]:
    """Tenant and id of an open request."""
    tenant, _, grant_id = sk.partition("#")
    return tenant, grant_id


def namespace_attribute(name: SecretName) -> str:
    """The index partition that a head is listed under."""
    return f"{name.tenant}#{name.environment}"


def parse_namespace_attribute(text: str) -> Namespace:
    """Read an index partition."""
    tenant, _, environment = text.partition("#")
    return Namespace(tenant, environment)
