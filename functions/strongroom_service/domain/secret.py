"""The head of a secret: the one authority over its versions and aliases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .consistency import ConsistencyToken
from .errors import InvalidRequest, NotFound, VersionDestroyed, Violation
from .names import Alias, Namespace, SecretName


class SecretStatus(StrEnum):
    """A secret's own state; DELETED can be restored, PURGED is a tombstone."""

    ACTIVE = "ACTIVE"
    DELETED = "DELETED"
    PURGED = "PURGED"


class VersionStatus(StrEnum):
    """A version's state."""

    PENDING = "PENDING"
    CURRENT = "CURRENT"
    PREVIOUS = "PREVIOUS"
    DISABLED = "DISABLED"
    DESTROYED = "DESTROYED"


@dataclass(frozen=True, slots=True, repr=False)
class WrappedNamespaceKey:
    """A namespace key as it is stored: opened by KMS only, for one tenant and environment."""

    tenant: str
    environment: str
    namespace_key_id: str
    wrapped: bytes
    key_id: str
    """The KMS key's id, the same in every region (`mrk-...`)."""


@dataclass(frozen=True, slots=True, repr=False)
class NamespaceKeys:
    """The keys that a namespace works with now; older ones travel with what they opened."""

    active: WrappedNamespaceKey
    """What new versions are encrypted under."""
    digests: WrappedNamespaceKey
    """What client tokens and cursors are hashed under. It stays when `active` is renewed: a hash cannot be made anew
    without the text that it was made of."""

    @property
    def namespace(self) -> Namespace:
        """The namespace whose keys these are."""
        return Namespace(self.active.tenant, self.active.environment)


@dataclass(frozen=True, slots=True, repr=False)
class Envelope:
    """One version's ciphertext message with the wrapped key that opens it."""

    blob: bytes
    namespace_key_id: str
    wrapped_namespace_key: bytes
    key_id: str

    def namespace_key(self, name: SecretName) -> WrappedNamespaceKey:
        """The wrapped key that travels with this envelope."""
        return WrappedNamespaceKey(
            name.tenant, name.environment, self.namespace_key_id, self.wrapped_namespace_key, self.key_id
        )


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """What the head says of one version. The fingerprint is None once the version is destroyed.

    A fingerprint is made under the namespace key of the version's envelope: two compare only under the same key.
    """

    status: VersionStatus
    epoch: int
    created_at: datetime
    promoted_at: datetime | None = None
    fingerprint: str | None = None
    expires_at_unix: int = 0
    """Seconds since 1970; 0 is never."""

    def has_expired(self, now: datetime) -> bool:
        """Whether reads answer `version_expired`."""
        return 0 < self.expires_at_unix <= now.timestamp()


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A client token that was used here: a keyed hash of it, and what the call did."""

    digest: str
    operation: str
    version_number: int
    used_at: datetime


@dataclass(frozen=True, slots=True)
class RotationDue:
    """Why a secret's value ought to be replaced. Promoting a later version answers it."""

    since: datetime
    reason: str
    """`break-glass`: it was read under a grant."""
    grant_id: str
    version: int
    """The highest version concerned."""


@dataclass(frozen=True, slots=True)
class Head:
    """A secret. Values of this type are never changed; `lifecycle` derives the next one."""

    name: SecretName
    secret_id: str
    owner_team: str
    rotation_strategy: str
    status: SecretStatus
    epoch: int
    revision: int
    created_at: datetime
    updated_at: datetime
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    latest_version: int = 0
    aliases: Mapping[Alias, int] = field(default_factory=dict)
    versions: Mapping[int, VersionRecord] = field(default_factory=dict)
    envelopes: Mapping[int, Envelope] = field(default_factory=dict, repr=False)
    client_tokens: tuple[ClientToken, ...] = ()
    deleted_at: datetime | None = None
    restore_until: datetime | None = None
    rotation_due: RotationDue | None = None

    @property
    def token(self) -> ConsistencyToken:
        """Where this state stands among all states of the secret."""
        return ConsistencyToken(self.epoch, self.revision)

    def version(self, number: int) -> VersionRecord:
        """The record of a version; raises `NotFound` when it never was, `VersionDestroyed` when it was pruned."""
        if record := self.versions.get(number):
            return record
        if 0 < number <= self.latest_version:
            raise VersionDestroyed
        raise NotFound

    def token_use(self, digest: str | None, operation: str) -> ClientToken | None:
        """The earlier use of a client token by the same operation, if it is still remembered.

        Raises:
            InvalidRequest: the token was used by another operation.
        """
        if digest is None:
            return None
        for use in self.client_tokens:
            if use.digest == digest:
                if use.operation != operation:
                    raise InvalidRequest(
                        [Violation("Idempotency-Key", "was used for another operation on this secret")]
                    )
                return use
        return None
