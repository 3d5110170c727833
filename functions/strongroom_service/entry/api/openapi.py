"""Generates the interface's OpenAPI 3.1 document from the routes of both functions; `python -m` writes the file.

It runs when the routes change, not in a function: `document.py` serves the committed result.
"""

import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from strongroom_service.domain import limits
from strongroom_service.entry.error_table import STATUS

from . import reader_routes
from .document import DOCUMENT
from .models import MutationBody, Strict
from .requests import IDEMPOTENCY_KEY, JsonBody, Query

FILE: Final = Path(__file__).with_name(DOCUMENT)

_SCHEMA: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"
_GATEWAYS_OWN: Final = {413: "value_too_large", 502: "gateway_error", 504: "gateway_timeout"}
_EVERY_CALL: Final = frozenset({400, 429, 500, 502, 503, 504})
_SIGNED: Final = frozenset({403, 404})
_READS_A_VERSION: Final = frozenset({409, 410, 425})
_CHANGES: Final = frozenset({409, 410})
_UNSIGNED: Final = frozenset({"getHealth"})
_BY_TOKEN: Final = "ByToken"  # noqa: S105  # the end of a name
"""How the operations end that take a token instead of a signature."""
_OF_NO_TENANT: Final = frozenset({
    "listTenants", "putTenant", "deleteTenant", "listIssuers", "putIssuer", "deleteIssuer", "getOperators",
    "putOperators",
})  # fmt: skip
"""What concerns the deployment: there is no tenant to name."""
_ONLY_ASK: Final = frozenset(
    {"readValue", "readValues", "readRevisions", "simulateAccess", "replayAccess", "reportCachedReads"}
)
_MAY_BE_BEHIND: Final = frozenset({"listSecrets"})

_DESCRIPTION: Final = """\
Secrets, their versions and their values. Requests are signed with AWS Signature Version 4 for the service
`execute-api`; under `/workload` they carry a bearer token instead. Every error has one body; `access_denied` is also
the answer for what does not exist, to callers who may not know. Changes are made in the writer region; the others
answer `not_writer` and name it.
"""


def generate() -> dict[str, Any]:
    """The document, as JSON values."""
    from .application import ROUTERS  # noqa: PLC0415  # the application serves the document: a cycle at import

    routes = [route for router in (*ROUTERS, reader_routes.router) for route in router.routes]
    found = get_openapi(
        title="Strongroom",
        version="1",
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        routes=routes,
        servers=[{"url": "https://{host}/v1", "variables": {"host": {"default": "localhost"}}}],
    )
    schemas: dict[str, Any] = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _complete(found["paths"][route.path_format][method.lower()], route, schemas)
    schemas |= _schema_of(reader_routes.ErrorBody)
    found["components"] |= {
        "securitySchemes": {
            "sigv4": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "description": "AWS Signature Version 4, service `execute-api`.",
                "x-amazon-apigateway-authtype": "awsSigv4",
            },
            "token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A token of a registered issuer: OpenID Connect, or SPIFFE JWT-SVID.",
            },
        },
        "headers": _HEADERS,
        "responses": {_response_name(status): _error(status) for status in sorted({*STATUS.values(), *_GATEWAYS_OWN})},
    }
    found["security"] = [{"sigv4": []}]
    return found


_ALWAYS_SENT: Final = ("x-request-id", "x-strongroom-region", "Cache-Control")
_HEADERS: Final = {
    "x-request-id": {"description": "Names the request in logs and audit.", "schema": {"type": "string"}},
    "x-strongroom-region": {"description": "The region that answered.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "Nothing is to be stored.", "schema": {"const": "no-store"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
}


def _complete(operation: dict[str, Any], route: APIRoute, schemas: dict[str, Any]) -> None:
    """Add what FastAPI does not see: bodies and queries read by our own code, errors, headers."""
    readers = [call for call in _calls(route.dependant) if isinstance(call, JsonBody)]
    bodies = [reader.model for reader in readers]
    queries = [call.model for call in _calls(route.dependant) if isinstance(call, Query)]
    for reader in readers:
        schemas |= _schema_of(reader.model)
        reference = {"$ref": _SCHEMA.format(model=reader.model.__name__)}
        operation["requestBody"] = {"required": not reader.optional, "content": {_JSON: {"schema": reference}}}
    parameters = operation.setdefault("parameters", [])
    for query in queries:
        parameters += _query_parameters(query)
    changes = any(issubclass(model, MutationBody) for model in bodies)
    if changes:
        parameters.append(_IDEMPOTENCY)
    operation_id = operation["operationId"]
    unsigned = operation_id in _UNSIGNED
    _say_who_may_call(operation, parameters)
    if not parameters:
        del operation["parameters"]
    # A path's parameter is a text of its own form; FastAPI adds its default validation answer, which never occurs.
    operation["responses"].pop("422", None)
    if operation["operationId"] == "putValue":
        operation["responses"]["201"] = {
            **operation["responses"]["200"],
            "description": "The secret was registered for it",
        }
    for status in sorted(_statuses(operation_id, route, has_body=bool(bodies), unsigned=unsigned)):
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{_response_name(status)}"}
    for response in operation["responses"].values():
        if "$ref" not in response:
            response["headers"] = _headers()


def _say_who_may_call(operation: dict[str, Any], parameters: list[dict[str, Any]]) -> None:
    operation_id = operation["operationId"]
    if operation_id in _UNSIGNED:
        operation["security"] = []
    elif operation_id.endswith(_BY_TOKEN):
        operation["security"] = [{"token": []}]
    elif operation_id not in _OF_NO_TENANT:
        parameters.append(_TENANT)


def _statuses(operation_id: str, route: APIRoute, *, has_body: bool, unsigned: bool) -> Iterator[int]:
    yield from _EVERY_CALL
    if unsigned:
        return
    yield from _SIGNED
    read = operation_id.removesuffix(_BY_TOKEN)
    if read == "readValue":
        yield from _READS_A_VERSION
    elif route.methods != {"GET"} and read not in _ONLY_ASK:
        yield from _CHANGES
    if operation_id in _MAY_BE_BEHIND:
        yield HTTPStatus.TOO_EARLY
    if has_body:
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def _response_name(status: int) -> str:
    # Not the status's phrase, which differs between releases of Python.
    return f"Error{status}"


def _headers(*more: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*_ALWAYS_SENT, *more)}


def _error(status: int) -> dict[str, Any]:
    codes = [code for code, mapped in STATUS.items() if mapped == status]
    codes += [code for own, code in _GATEWAYS_OWN.items() if own == status and code not in codes]
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {_JSON: {"schema": {"$ref": _SCHEMA.format(model="ErrorBody")}}},
        "headers": _headers(*(["Retry-After"] if status == HTTPStatus.TOO_MANY_REQUESTS else [])),
    }


_IDEMPOTENCY: Final = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": "The same call repeated with the same key is done once.",
    "schema": {"type": "string", "pattern": limits.CLIENT_TOKEN_PATTERN},
}
_TENANT: Final = {
    "name": "X-Strongroom-Tenant",
    "in": "header",
    "required": False,
    "description": "The tenant to speak for; required of principals of several.",
    "schema": {"type": "string", "pattern": limits.NAMESPACE_PATTERN},
}


def _query_parameters(model: type[Strict]) -> Iterator[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=_SCHEMA)
    for name, described in schema.get("properties", {}).items():
        described.pop("title", None)
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", ())}
        if "description" in described:
            parameter["description"] = described.pop("description")
        if described.get("type") in {"integer", "boolean"} and "default" in described:
            # The model reads texts, as they stand in a query.
            described["default"] = json.loads(described["default"])
        yield {**parameter, "schema": described}


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema and those that it refers to, by name."""
    schema = model.model_json_schema(ref_template=_SCHEMA)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _calls(dependant: Dependant) -> Iterator[object]:
    """Every dependency of a route."""
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def encode(document: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(encode(generate()), encoding="utf-8")
