"""Every error of the admin function in the one body: the domain's, the router's and the validation's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse, Response

from strongroom_service.domain.errors import DomainError, InvalidRequest, ValueTooLarge, Violation
from strongroom_service.entry.error_table import error_body, error_headers, status_of
from strongroom_service.entry.identity import request_id_of
from strongroom_service.entry.refusals import Refusals

from .events import original_event
from .fields import RULE, TOO_LARGE

PATH_PARAMETERS: Final = (
    "secretId", "versionNumber", "alias", "environment", "path", "policyId", "group", "requestId", "eventId", "tenant",
    "issuerId",
)  # fmt: skip

_MAX_VIOLATIONS: Final = 20

_WORDS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}
"""Rules in words by pydantic's error types. Its own messages can quote the input."""


class MethodNotAllowed(DomainError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    default_message = "This path does not have that method."

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = tuple(sorted(allowed))
        super().__init__(details={"allowed": list(self.allowed)})


def respond(error: BaseException, *, request_id: str, refusals: Refusals) -> Response:
    """An error's answer."""
    told = refusals.tell(error, request_id=request_id)
    headers = error_headers(told)
    if isinstance(told, MethodNotAllowed):
        # RFC 9110, section 15.5.6.
        headers["Allow"] = ", ".join(told.allowed)
    return JSONResponse(error_body(told, request_id=request_id), status_code=status_of(told), headers=headers)


async def on_error(request: Request, error: Exception) -> Response:
    """FastAPI's handler for every exception but the router's."""
    if isinstance(error, RequestValidationError):
        # Only the paths' parameters are left to FastAPI.
        errors = [{**found, "loc": found["loc"][1:]} for found in error.errors()]
        error = InvalidRequest(violations_of(errors, shape={"": PATH_PARAMETERS}, root="path"))
    request_id = request_id_of(original_event(request.scope))
    return respond(error, request_id=request_id, refusals=request.app.state.refusals)


def refusal_of(error: ValidationError, model: type[BaseModel], *, root: str) -> InvalidRequest:
    """What a caller is told of a model's errors. Keeps nothing of them: they hold the input."""
    errors = error.errors(include_url=False, include_input=False)
    kind = ValueTooLarge if all(e["type"] == TOO_LARGE for e in errors) else InvalidRequest
    return kind(violations_of(errors, shape=shape_of(model), root=root))


def violations_of(
    errors: Sequence[Mapping[str, Any]], *, shape: Mapping[str, Sequence[str]], root: str
) -> list[Violation]:
    """Fields and rules of validation errors, each once. `root` stands for the whole, `shape` is `shape_of`."""
    found = dict.fromkeys(_violation(error, shape, root) for error in errors)
    return list(found)[:_MAX_VIOLATIONS]


def shape_of(model: type[BaseModel], prefix: str = "") -> dict[str, tuple[str, ...]]:
    """The names of a model's fields as callers write them, by the dotted name of what has them."""
    names: dict[str, type] = {}
    for name, described in model.model_fields.items():
        names[described.alias or name] = next(
            (kind for kind in (described.annotation, *get_args(described.annotation)) if _is_model(kind)), object
        )
    shape = {prefix: tuple(names)}
    for name, kind in names.items():
        if issubclass(kind, BaseModel):
            shape |= shape_of(kind, f"{prefix}.{name}" if prefix else name)
    return shape


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _violation(error: Mapping[str, Any], shape: Mapping[str, Sequence[str]], root: str) -> Violation:
    place = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        # The last part is a name of the caller's making: it may be anything, a secret too.
        owner = _known(place[:-1], shape)
        known = f" but {', '.join(shape[owner])}" if owner in shape else " that are not known"
        return Violation(owner or root, f"must have no fields{known}")
    field = _known(place, shape)
    if error["type"] in {RULE, TOO_LARGE}:
        return Violation(field or root, error["msg"])
    words = _WORDS.get(error["type"], "is not valid").format_map(error.get("ctx") or {})
    is_entry = field and len(place) > len(field.split("."))
    return Violation(field or root, f"each entry {words}" if is_entry else words)


def _known(place: Sequence[str], shape: Mapping[str, Sequence[str]]) -> str:
    """The longest beginning of a place that consists of our own names; dotted, empty when there is none."""
    known = ""
    for part in place:
        if known and known in shape and part.isdecimal():
            continue  # an entry's number, in a list of objects
        if part not in shape.get(known, ()):
            break
        known = f"{known}.{part}" if known else part
    return known
