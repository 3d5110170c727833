"""What routes depend on: the caller, the ports, a checked body, a checked query.

Bodies do not go through FastAPI's own parsing: its errors carry the whole body with them.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Path, Request
from pydantic import ValidationError

from strongroom_service.domain.access import Caller
from strongroom_service.domain.errors import DomainError, InvalidRequest, Violation
from strongroom_service.entry.identity import caller_of, header
from strongroom_service.entry.json_body import parse_body
from strongroom_service.entry.reader_requests import single_query_parameters
from strongroom_service.usecases.admission import refuse_stranger
from strongroom_service.usecases.changing import Target
from strongroom_service.usecases.ports import WritePorts

from .errors import refusal_of
from .events import original_event
from .fields import CLIENT_TOKEN, GrantId, SecretId, VersionNumberText
from .models import Body, MutationBody, Strict

BodyT = TypeVar("BodyT", bound=Body)
QueryT = TypeVar("QueryT", bound=Strict)

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an application is made over; kept as its `state`."""

    ports: Callable[[], WritePorts]
    """Makes the ports at the first request and returns the same ones afterwards."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who makes it, and what it works on."""

    caller: Caller
    ports: WritePorts


async def identified(request: Request) -> Caller:
    """The caller, by the registry in force; raises `AccessDenied`, which is recorded, or `InvalidRequest`."""
    ports = ports_of(request)
    caller = caller_of(original_event(request.scope), ports.registry.in_force(), now=ports.clock.now())
    if not caller.tenant:
        refuse_stranger(caller, ports)
    return caller


def ports_of(request: Request) -> WritePorts:
    """What the application is made over."""
    surroundings: Surroundings = request.app.state.surroundings
    return surroundings.ports()


async def call_of(request: Request, caller: Annotated[Caller, Depends(identified)]) -> Call:
    """The call."""
    return Call(caller, ports_of(request))


async def target_of(
    caller: Annotated[Caller, Depends(identified)], secret_id: Annotated[SecretId, Path(alias="secretId")]
) -> Target:
    """The secret of the path's id, in the caller's tenant."""
    return Target(caller.tenant, secret_id=secret_id)


async def number_of(version_number: Annotated[VersionNumberText, Path(alias="versionNumber")]) -> int:
    """The path's version number."""
    return int(version_number)


async def grant_of(
    caller: Annotated[Caller, Depends(identified)], grant_id: Annotated[GrantId, Path(alias="grantId")]
) -> str:
    """The path's id of a request for a grant. The caller is known first: a stranger learns no rules."""
    del caller
    return grant_id


class JsonBody(Generic[BodyT]):
    """A dependency: the request's JSON body as a model, wiped when the request is over.

    An optional one may be missing: then it is the model's defaults.
    """

    def __init__(self, model: type[BodyT], *, optional: bool = False) -> None:
        self.model = model
        self.optional = optional

    async def __call__(self, request: Request, caller: Annotated[Caller, Depends(identified)]) -> AsyncIterator[BodyT]:
        """Read, check, hand over, wipe. The caller is known first: a stranger learns no rules."""
        del caller
        body = self.read(request)
        try:
            yield body
        finally:
            body.wipe()

    def read(self, request: Request) -> BodyT:
        """The checked body; whoever takes it wipes it."""
        event = original_event(request.scope)
        single_query_parameters(event, allowed=())
        return _with_client_token(self._read(event), event)

    def _read(self, event: Mapping[str, Any]) -> BodyT:
        if self.optional and not event.get("body"):
            return self.model()
        content_type = header(event, "content-type")
        if content_type is not None and content_type.partition(";")[0].strip().lower() != _JSON:
            raise InvalidRequest([Violation("Content-Type", f"must be {_JSON}")])
        refusal: DomainError
        try:
            return self.model.model_validate(parse_body(event))
        except ValidationError as error:
            refusal = refusal_of(error, self.model, root="body")
        except DomainError as error:
            refusal = error
        # Raised out here, and cut off from what led to it: parsers' exceptions keep the document.
        refusal.__context__ = refusal.__cause__ = None
        raise refusal


class Query(Generic[QueryT]):
    """A dependency: the query's parameters as a model; there is no body."""

    def __init__(self, model: type[QueryT]) -> None:
        self.model = model

    async def __call__(self, request: Request, caller: Annotated[Caller, Depends(identified)]) -> QueryT:
        """Read and check."""
        del caller
        return self.read(request)

    def read(self, request: Request) -> QueryT:
        """The checked query."""
        event = original_event(request.scope)
        _refuse_body(event)
        client_token(event)
        names = [described.alias or name for name, described in self.model.model_fields.items()]
        parameters = single_query_parameters(event, allowed=names)
        try:
            return self.model.model_validate(parameters)
        except ValidationError as error:
            refusal = refusal_of(error, self.model, root="query")
        raise refusal


async def nothing_else(request: Request, caller: Annotated[Caller, Depends(identified)]) -> None:
    """A dependency: neither a query nor a body."""
    del caller
    refuse_anything_else(request)


def refuse_anything_else(request: Request) -> None:
    """Make sure that there is neither a query nor a body; raises `InvalidRequest`."""
    event = original_event(request.scope)
    single_query_parameters(event, allowed=())
    client_token(event)
    _refuse_body(event)


def client_token(event: Mapping[str, Any]) -> str | None:
    """The header `Idempotency-Key`; raises `InvalidRequest`."""
    token = header(event, IDEMPOTENCY_KEY.lower())
    if token is not None and not CLIENT_TOKEN.accepts(token):
        raise InvalidRequest([Violation(IDEMPOTENCY_KEY, CLIENT_TOKEN.words)])
    return token


def _with_client_token(body: BodyT, event: Mapping[str, Any]) -> BodyT:
    """The header counts as the body's `clientToken`."""
    token = client_token(event)
    if token is None or not isinstance(body, MutationBody):
        return body
    if body.client_token not in {None, token}:
        raise InvalidRequest([Violation("clientToken", f"must equal the header {IDEMPOTENCY_KEY} when both are given")])
    return body.model_copy(update={"client_token": token})


def _refuse_body(event: Mapping[str, Any]) -> None:
    if event.get("body"):
        raise InvalidRequest([Violation("body", "must be empty")])
