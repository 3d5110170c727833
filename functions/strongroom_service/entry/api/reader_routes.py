"""The reader's routes as the interface's document describes them. Declared only: the reader function serves them."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from strongroom_service.domain import limits
from strongroom_service.domain.names import SELECTOR_RULE, Alias

from . import fields as f
from .answers import Answer, Number, SecretPath, Token
from .models import Body, Strict
from .requests import JsonBody, Query

router = APIRouter()

_SELECTOR: Final = Field(
    pattern=r"^(current|previous|next|v[1-9][0-9]{0,17})$", description=f"The version; {SELECTOR_RULE}."
)
Selector = Annotated[str, _SELECTOR]
TokenText = Annotated[str, Field(pattern=r"^[0-9]{1,10}\.[0-9]{1,18}$", examples=["1.7"])]
AskedPath = Annotated[
    str,
    Field(
        min_length=3,
        max_length=32 + 1 + limits.MAX_PATH_LENGTH,
        description="`environment/path`.",
        examples=["prod/payments/db-password"],
    ),
]
AgeMs = Annotated[
    int | None,
    Field(description="Age in milliseconds of the last heartbeat of the writer region seen here; null when unknown."),
]
Receipt = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f-]{36}\.[0-9a-f]{32}\.[1-9][0-9]*\.[0-9a-f]{64}$",
        description="Proof of the audit record: `eventId.chainId.sequence.hash`.",
    ),
]


def _one_form(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": ["plaintextValue"]}, {"required": ["plaintextBase64"]}]
    for name in ("plaintextValue", "plaintextBase64"):
        schema["properties"][name] = {"type": "string", "format": "password"}


class ReadQuery(Strict):
    """Which version, and how new its state has to be."""

    version: Selector = Alias.CURRENT.value
    min_token: Annotated[
        TokenText | None, Field(description="A consistencyToken: the answer is of that state or a later one.")
    ] = None


class SecretValueAnswer(Answer):
    """A value, in exactly one of two forms, with the proof of its audit record."""

    model_config = Answer.model_config | {"json_schema_extra": _one_form}

    secret_path: SecretPath
    version_number: Number
    alias: Annotated[Alias | None, Field(description="The alias that names this version, if one does.")]
    plaintext_value: Annotated[str | None, Field(description="The value, if it was stored as text.")] = None
    plaintext_base64: Annotated[str | None, Field(description="The value, if it was stored as bytes.")] = None
    expires_at_unix: Annotated[int, Field(ge=0, description="Seconds since 1970; 0 is never.")]
    consistency_token: Token
    receipt: Receipt


class ReadAnswer(SecretValueAnswer):
    """A value, and where it was read."""

    region: str
    replica_age_ms: AgeMs


class BatchItem(Body):
    """One value that is asked for."""

    secret_path: AskedPath
    version: Selector | None = None
    min_token: TokenText | None = None


class BatchRequest(Body):
    """The values that are asked for."""

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=limits.MAX_BATCH_ITEMS)]


class ItemRead(Answer):
    """A value of a batch."""

    secret_path: SecretPath
    value: SecretValueAnswer


class ErrorDetail(Answer):
    """What is said of an error."""

    code: str
    message: str
    request_id: str
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later or elsewhere.")]
    details: dict[str, Any]


class ErrorBody(Answer):
    """The body of every error."""

    error: ErrorDetail


class ItemFailed(Answer):
    """Why one item of a request with several has no answer."""

    secret_path: SecretPath
    error: ErrorDetail


class BatchAnswer(Answer):
    """A value or an error for each item, in the order of the request."""

    items: list[ItemRead | ItemFailed]
    region: str
    replica_age_ms: AgeMs


class RevisionRequestItem(Body):
    """A secret to look at, and the state that the caller knows."""

    secret_path: AskedPath
    token: TokenText | None = None


class RevisionsRequest(Body):
    """The secrets to look at."""

    items: Annotated[list[RevisionRequestItem], Field(min_length=1, max_length=limits.MAX_BATCH_ITEMS)]


class RevisionAnswer(Answer):
    """The state of a secret."""

    secret_path: SecretPath
    consistency_token: Token
    aliases: dict[Alias, Number]
    changed: Annotated[bool, Field(description="Whether the state is later than the token that was sent.")]


class RevisionsAnswer(Answer):
    """A state or an error for each item, in the order of the request."""

    items: list[RevisionAnswer | ItemFailed]
    region: str
    replica_age_ms: AgeMs


class Health(Answer):
    """The function runs; nothing behind it was asked."""

    status: Literal["ok"]
    region: str


@router.get("/values/{environment}/{path:path}", tags=["values"], operation_id="readValue")
async def read_value(
    environment: Annotated[f.Environment, Path()],
    path: Annotated[f.Path, Path()],
    query: Annotated[ReadQuery, Depends(Query(ReadQuery))],
) -> ReadAnswer:
    """Read one value. An audit record is durable before the value leaves."""
    raise NotImplementedError


@router.post("/batch/values", tags=["values"], operation_id="readValues")
async def read_values(body: Annotated[BatchRequest, Depends(JsonBody(BatchRequest))]) -> BatchAnswer:
    """Read up to 50 values, each with an audit entry of its own."""
    raise NotImplementedError


@router.post("/revisions", tags=["values"], operation_id="readRevisions")
async def read_revisions(body: Annotated[RevisionsRequest, Depends(JsonBody(RevisionsRequest))]) -> RevisionsAnswer:
    """Read the states of up to 50 secrets, to watch for changes; no value is told."""
    raise NotImplementedError


@router.get("/workload/values/{environment}/{path:path}", tags=["workload"], operation_id="readValueByToken")
async def read_value_by_token(
    environment: Annotated[f.Environment, Path()],
    path: Annotated[f.Path, Path()],
    query: Annotated[ReadQuery, Depends(Query(ReadQuery))],
) -> ReadAnswer:
    """The same for the bearer of a token."""
    raise NotImplementedError


@router.post("/workload/batch/values", tags=["workload"], operation_id="readValuesByToken")
async def read_values_by_token(body: Annotated[BatchRequest, Depends(JsonBody(BatchRequest))]) -> BatchAnswer:
    """The same for the bearer of a token."""
    raise NotImplementedError


@router.post("/workload/revisions", tags=["workload"], operation_id="readRevisionsByToken")
async def read_revisions_by_token(
    body: Annotated[RevisionsRequest, Depends(JsonBody(RevisionsRequest))],
) -> RevisionsAnswer:
    """The same for the bearer of a token."""
    raise NotImplementedError


@router.get("/health", tags=["service"], operation_id="getHealth")
async def health() -> Health:
    """Whether the region answers, for health checks: unsigned and shallow."""
    raise NotImplementedError
