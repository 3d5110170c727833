"""Request bodies and queries, checked strictly: no unknown field, no coercion, no null where it means nothing."""

from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from strongroom_service.domain import limits
from strongroom_service.domain.generator import DEFAULT_ALPHABET, DEFAULT_LENGTH, generate
from strongroom_service.domain.values import SecretValue

from . import fields as f

_VALUE_FIELDS: Final = ("plaintextValue", "plaintextBase64", "generate")


def without_null(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Say in the schema what `_refuse_null` enforces: what is optional is left out, not null."""
    nullable: frozenset[str] = getattr(model, "nullable", frozenset())
    for name, described in schema.get("properties", {}).items():
        if name in nullable:
            continue
        if described.get("default", "") is None:
            del described["default"]
        choices = [choice for choice in described.pop("anyOf", ()) if choice != {"type": "null"}]
        if len(choices) == 1:
            described.update(choices[0])
        elif choices:
            described["anyOf"] = choices


class Strict(BaseModel):
    """What a caller sends."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra=without_null,
    )
    nullable: ClassVar[frozenset[str]] = frozenset()
    """Names, as callers write them, of the fields in which null has a meaning."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: object, info: Any) -> object:  # noqa: ANN401  # pydantic's own protocol
        if value is None and to_camel(info.field_name) not in cls.nullable:
            raise PydanticCustomError(f.RULE, "must not be null")
        return value


class Body(Strict):
    """A JSON object in a request."""

    def wipe(self) -> None:
        """Overwrite what is secret in it; harmless when repeated."""


class MutationBody(Body):
    """The body of a call that changes something."""

    client_token: Annotated[
        f.ClientToken | None, Field(description="The same as the header Idempotency-Key; both given must be equal.")
    ] = None


class RegisterSecretRequest(MutationBody):
    """A new secret."""

    environment: f.Environment
    path: f.Path
    owner_team: f.OwnerTeam
    rotation_strategy: f.RotationStrategy
    description: f.Description = ""
    tags: f.Tags = Field(default_factory=dict)


class UpdateSecretRequest(MutationBody):
    """Metadata to change; what is left out stays. `tags` replaces all tags."""

    owner_team: f.OwnerTeam | None = None
    rotation_strategy: f.RotationStrategy | None = None
    description: f.Description | None = None
    tags: f.Tags | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdateSecretRequest":
        if not self.model_fields_set - {"client_token"}:
            raise PydanticCustomError(
                f.RULE, "must have at least one of ownerTeam, rotationStrategy, description, tags"
            )
        return self


class Generate(Strict):
    """A value that the platform makes, so that nobody has to see it."""

    length: Annotated[int, Field(ge=limits.MIN_GENERATED_LENGTH, le=limits.MAX_GENERATED_LENGTH)] = DEFAULT_LENGTH
    alphabet: Annotated[
        str,
        Field(
            min_length=limits.MIN_ALPHABET,
            max_length=limits.MAX_ALPHABET,
            description="The characters to draw from, each once.",
        ),
    ] = DEFAULT_ALPHABET


def _one_value(schema: dict[str, Any], model: type[BaseModel]) -> None:
    without_null(schema, model)
    schema["oneOf"] = [{"required": [name]} for name in _VALUE_FIELDS]


class ValueBody(MutationBody):
    """A value: given as text, given as bytes, or made here."""

    model_config = ConfigDict(json_schema_extra=_one_value)

    plaintext_value: f.PlaintextValue | None = None
    plaintext_base64: f.PlaintextBase64 | None = None
    generate: Generate | None = None
    expires_at: Annotated[
        f.Timestamp | None, Field(description="Past it, reads answer version_expired. Left out: never.")
    ] = None

    @model_validator(mode="after")
    def _has_one_value(self) -> "ValueBody":
        given = [v for v in (self.plaintext_value, self.plaintext_base64, self.generate) if v is not None]
        if len(given) != 1:
            self.wipe()
            raise PydanticCustomError(f.RULE, f"must have exactly one of {', '.join(_VALUE_FIELDS)}")
        return self

    def take_value(self) -> SecretValue:
        """The value that was given, or a fresh one; raises `InvalidRequest`."""
        given = self.plaintext_value or self.plaintext_base64
        if given is not None:
            return given
        wanted = self.generate or Generate()
        return generate(length=wanted.length, alphabet=wanted.alphabet)

    def wipe(self) -> None:
        """Overwrite the value."""
        for value in (self.plaintext_value, self.plaintext_base64):
            if value is not None:
                value.wipe()


class ProposeVersionRequest(ValueBody):
    """A value for a new, PENDING version."""


class PutValueRequest(ValueBody):
    """A value to be current at once. Metadata counts only when the secret is registered by this call."""

    nullable = frozenset({"expectedCurrent"})

    expected_current: Annotated[
        f.VersionNumber | None,
        Field(description="The version that current is expected to name, null for none. Left out: whatever it names."),
    ] = None
    owner_team: Annotated[f.OwnerTeam | None, Field(description="Required when the secret is not registered yet.")] = (
        None
    )
    rotation_strategy: f.RotationStrategy = "manual"
    description: f.Description = ""
    tags: f.Tags = Field(default_factory=dict)


class MoveAliasRequest(MutationBody):
    """The version that an alias is to name, and the one that it is expected to name now."""

    nullable = frozenset({"expectedPreviousVersion"})

    version_number: f.VersionNumber
    expected_previous_version: Annotated[
        f.VersionNumber | None, Field(description="The version that the alias names now, null for none.")
    ]


class RewrapRequest(Body):
    """Where to go on with re-wrapping, and how many secrets to look at."""

    cursor: Annotated[f.Cursor | None, Field(description="nextCursor of the call before.")] = None
    limit: Annotated[f.RewrapLimit, Field(description="Secrets looked at in one call.")] = limits.DEFAULT_REWRAP_SECRETS


def _one_scope(schema: dict[str, Any], model: type[BaseModel]) -> None:
    without_null(schema, model)
    schema["oneOf"] = [{"required": ["path"]}, {"required": ["prefix"]}]


class BreakGlassRequest(MutationBody):
    """Which secrets somebody has to read without a role for it, for how long, and why."""

    model_config = ConfigDict(json_schema_extra=_one_scope)

    environment: f.Environment
    path: Annotated[f.Path | None, Field(description="One secret; this or prefix.")] = None
    prefix: Annotated[f.GrantPrefix | None, Field(description="All secrets at or below these segments.")] = None
    reason: f.GrantReason
    ticket: f.Ticket
    minutes: Annotated[f.GrantMinutes, Field(description="From the last approval on.")]

    @model_validator(mode="after")
    def _has_one_scope(self) -> "BreakGlassRequest":
        if (self.path is None) == (self.prefix is None):
            raise PydanticCustomError(f.RULE, "must have exactly one of path, prefix")
        return self


class ListGrantsQuery(Strict):
    """Where to go on with the list."""

    cursor: Annotated[f.GrantId | None, Field(description="nextCursor of the page before.")] = None
    limit: Annotated[f.PageSize, Field(description="Requests looked at for one page.")] = str(limits.DEFAULT_PAGE_SIZE)


class ListSecretsQuery(Strict):
    """Which secrets to list."""

    environment: f.Environment
    prefix: Annotated[f.Prefix, Field(description="How the paths begin.")] = ""
    tag: Annotated[f.TagCondition | None, Field(description="A tag's key, or key=value.")] = None
    include_deleted: Annotated[f.Flag, Field(description="List deleted secrets too.")] = "false"
    rotation_due: Annotated[f.Flag, Field(description="List only secrets whose value ought to be replaced.")] = "false"
    cursor: Annotated[f.Cursor | None, Field(description="nextCursor of the page before.")] = None
    limit: Annotated[f.PageSize, Field(description="Secrets looked at for one page.")] = str(limits.DEFAULT_PAGE_SIZE)


class DeleteSecretQuery(Strict):
    """For how long a deleted secret can be restored."""

    restore_days: Annotated[f.RestoreDays, Field(description="Days in which the secret can be restored.")] = str(
        limits.MAX_RESTORE_DAYS
    )
