"""Answers of the admin function: metadata, never values."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from strongroom_service.domain import limits
from strongroom_service.domain.names import Alias
from strongroom_service.domain.secret import Head, SecretStatus, VersionStatus
from strongroom_service.domain.times import rfc3339

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-06-06T14:30:00.000Z"])]
Token = Annotated[str, Field(pattern=r"^[0-9]{1,10}\.[0-9]{1,18}$", examples=["1.7"])]
SecretPath = Annotated[str, Field(description="`environment/path`.", examples=["prod/payments/db-password"])]
SecretIdentifier = Annotated[str, Field(pattern=r"^sec_[0-9a-f-]{8,40}$", examples=["sec_091f-b283-4a11"])]
Number = Annotated[int, Field(ge=1, examples=[3])]
Fingerprint = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{64}$",
        description="Tells whether two values of this secret are equal while both are under one namespace key: "
        "an HMAC under a key of this secret, not a bare SHA-256.",
    ),
]


class Answer(BaseModel):
    """What the platform sends."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True, extra="forbid")


class SecretRegistered(Answer):
    """A secret without a value yet."""

    secret_id: SecretIdentifier
    path: SecretPath
    status: SecretStatus
    created_at: Time

    @classmethod
    def of(cls, head: Head) -> "SecretRegistered":
        """What registering a secret answers."""
        return cls(
            secret_id=head.secret_id,
            path=head.name.secret_path,
            status=head.status,
            created_at=rfc3339(head.created_at),
        )


GrantIdentifier = Annotated[
    str, Field(pattern=limits.GRANT_ID_PATTERN, examples=["bg_0197f6b1-4f6c-7b1e-9d43-1f6f6f0f3c11"])
]


class Due(Answer):
    """Why a secret's value ought to be replaced; promoting a later version answers it."""

    since: Time
    reason: Annotated[str, Field(examples=["break-glass"], description="`break-glass`: it was read under a grant.")]
    grant_id: GrantIdentifier


class SecretSummary(Answer):
    """A secret's metadata, as listings have it."""

    secret_id: SecretIdentifier
    path: SecretPath
    owner_team: str
    rotation_strategy: str
    description: str
    tags: dict[str, str]
    status: SecretStatus
    latest_version: Annotated[int, Field(ge=0, description="The highest number given so far; 0 before the first.")]
    aliases: dict[Alias, Number]
    created_at: Time
    updated_at: Time
    deleted_at: Time | None
    consistency_token: Token
    rotation_due: Annotated[Due | None, Field(description="null: as far as is known, nobody had it by a grant.")]

    @classmethod
    def of(cls, head: Head) -> "SecretSummary":
        """A secret in a listing."""
        return cls.model_validate(_summary(head))


class SecretMetadata(SecretSummary):
    """All that is told of a secret besides its versions."""

    restore_until: Annotated[Time | None, Field(description="A deleted secret can be restored until then.")]

    @classmethod
    def of(cls, head: Head) -> "SecretMetadata":
        """A secret by itself."""
        until = rfc3339(head.restore_until) if head.restore_until else None
        return cls.model_validate({**_summary(head), "restore_until": until})


def _summary(head: Head) -> dict[str, object]:
    due = head.rotation_due
    return {
        "secret_id": head.secret_id,
        "path": head.name.secret_path,
        "owner_team": head.owner_team,
        "rotation_strategy": head.rotation_strategy,
        "description": head.description,
        "tags": dict(head.tags),
        "status": head.status,
        "latest_version": head.latest_version,
        "aliases": dict(head.aliases),
        "created_at": rfc3339(head.created_at),
        "updated_at": rfc3339(head.updated_at),
        "deleted_at": rfc3339(head.deleted_at) if head.deleted_at else None,
        "consistency_token": str(head.token),
        "rotation_due": Due(since=rfc3339(due.since), reason=due.reason, grant_id=due.grant_id) if due else None,
    }


class SecretList(Answer):
    """One page. A page may be short or empty and still have a next one."""

    items: Sequence[SecretSummary]
    next_cursor: Annotated[str | None, Field(description="Where to go on; null at the end.")]


class VersionProposed(Answer):
    """A new version, out of every reader's sight until it is promoted or staged."""

    version_number: Number
    status: Annotated[VersionStatus, Field(description="PENDING; a repeated call is told what became of it since.")]
    sha256_fingerprint: Annotated[Fingerprint | None, Field(description="null once the version is destroyed.")]
    consistency_token: Token


class VersionState(Answer):
    """A version after its status was changed."""

    version_number: Number
    status: VersionStatus
    updated_at: Time
    consistency_token: Token


class VersionDescribed(Answer):
    """What is told of a version besides its value."""

    version_number: Number
    status: VersionStatus
    aliases: Sequence[Alias]
    sha256_fingerprint: Fingerprint | None
    created_at: Time
    promoted_at: Time | None
    expires_at: Annotated[Time | None, Field(description="null is never.")]


class VersionList(Answer):
    """The versions that are kept, the latest first."""

    items: Sequence[VersionDescribed]
    consistency_token: Token


class AliasMoved(Answer):
    """What an alias names now."""

    alias: Alias
    version_number: Annotated[Number | None, Field(description="null: the alias was removed.")]
    updated_at: Time
    consistency_token: Token


class NamespaceKeyRenewed(Answer):
    """The key that new versions in an environment are encrypted under from now on."""

    environment: Annotated[str, Field(examples=["prod"])]
    namespace_key_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="Random; names the key in envelopes.")]
    created_at: Time


class NamespaceRewrapped(Answer):
    """What one call has done, in secrets. Others may still wait behind `nextCursor`."""

    rewrapped: Annotated[int, Field(ge=0, description="Encrypted anew under the active key.")]
    examined: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0, description="Damaged, or changed too often meanwhile; the audit names them.")]
    next_cursor: Annotated[str | None, Field(description="Where to go on; null at the end.")]


class ValueStored(Answer):
    """A value that is current now."""

    secret_id: SecretIdentifier
    secret_path: SecretPath
    version_number: Number
    sha256_fingerprint: Annotated[Fingerprint | None, Field(description="null once the version is destroyed.")]
    consistency_token: Token
    updated_at: Time
    created: Annotated[bool, Field(description="Whether the secret was registered by this call.")]
