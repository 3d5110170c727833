"""API Gateway's own refusals that MiniStack answers past the gateway responses of the deployed API.

On AWS each of these is rendered by the API's gateway response of that type; the emulator answers a caller without
`execute-api:Invoke`, a failed function and an oversized request with bodies of its own. And it tells authorizers no
request id.
"""

import json
from contextvars import ContextVar

from ministack import app
from ministack.core.responses import new_uuid, request_scope
from ministack.services import apigateway_v1

from infra.local.emulator import patching
from infra.local.emulator.patching import Untyped

_FORBIDDEN = 403
_BAD_GATEWAY = 502
_MAX_REQUEST_BYTES = 10 * 1024 * 1024  # API Gateway's payload quota, which cannot be raised

_Response = tuple[int, dict[str, str], bytes]

_REQUEST_ID: ContextVar[str] = ContextVar("request id", default="")
"""Of the request that is handled now."""


def _render(api_id: str, stage_name: str, kind: str, message: str, error_type: str) -> _Response | None:
    """The deployed gateway response of a type, or None when there is no such REST API stage."""
    scope = apigateway_v1.find_api_scope(api_id)
    stage = apigateway_v1.stages_for_api(api_id).get(stage_name)
    if scope is None or stage is None:
        return None
    request = {
        "api_id": api_id, "stage_name": stage_name, "stage": stage, "headers": {}, "query_params": {},
        "path_params": {}, "resource_path": "", "request_id": new_uuid(),
    }  # fmt: skip
    error = patching.original(apigateway_v1, "_GatewayError")(kind, message, error_type)
    with request_scope(*scope):
        response: _Response = patching.original(apigateway_v1, "_gateway_error_response")(error, request)
    return response


def _denied_message(response: _Response) -> str:
    try:
        body = json.loads(response[2])
    except ValueError:
        return "User is not authorized to access this resource"
    return str(body.get("Message") or body.get("message") or "User is not authorized to access this resource")


def _install_access_denied() -> None:
    enforce = patching.original(app, "_enforce_execute_api")

    def enforce_through_gateway(api_id: str, stage: str, *request: Untyped, **options: Untyped) -> _Response | None:
        denied: _Response | None = enforce(api_id, stage, *request, **options)
        if denied is None or denied[0] != _FORBIDDEN or denied[1].get("x-amzn-ErrorType") not in {
            None, "AccessDeniedException",
        }:  # fmt: skip
            return denied
        # A failed signature was rendered by the emulator already: it names its error type.
        message = _denied_message(denied)
        return _render(api_id, stage, "ACCESS_DENIED", message, "AccessDeniedException") or denied

    patching.replace(app, "_enforce_execute_api", enforce_through_gateway)


def _install_integration_errors() -> None:
    execute = patching.original(apigateway_v1, "_execute_in_scope")

    async def execute_within_limits(
        request: Untyped, api_id: str, stage: str, *rest: Untyped, **options: Untyped
    ) -> Untyped:
        body = rest[3] if len(rest) > 3 else b""  # noqa: PLR2004 - method, path, headers, body
        _REQUEST_ID.set(request["request_id"])
        if body and len(body) > _MAX_REQUEST_BYTES:
            limit = _render(api_id, stage, "REQUEST_TOO_LARGE", "Request Too Long", "RequestTooLargeException")
            return limit or (413, {"Content-Type": "application/json"}, b'{"message":"Request Too Long"}')
        response = await execute(request, api_id, stage, *rest, **options)
        if isinstance(response, tuple) and _is_bare_failure(response):
            # A function that failed, timed out or answered something that is no response. The emulator's own text
            # holds the function's error message, which AWS never passes on.
            failure = _render(
                api_id, stage, "INTEGRATION_FAILURE", "Internal server error", "InternalServerErrorException"
            )
            return (_BAD_GATEWAY, *failure[1:]) if failure else response
        return response

    patching.replace(apigateway_v1, "_execute_in_scope", execute_within_limits)


def _install_request_id_of_authorizers() -> None:
    """On AWS an authorizer is told the id of the request, which a refusal carries too."""
    invoke = patching.original(apigateway_v1, "_invoke_authorizer_lambda")

    async def invoke_with_request_id(authorizer: Untyped, event: Untyped, *place: Untyped) -> Untyped:
        context = {**event["requestContext"], "requestId": _REQUEST_ID.get()}
        return await invoke(authorizer, {**event, "requestContext": context}, *place)

    patching.replace(apigateway_v1, "_invoke_authorizer_lambda", invoke_with_request_id)


def _is_bare_failure(response: _Response) -> bool:
    """Whether a 502 was made by the emulator rather than by the function."""
    if response[0] != _BAD_GATEWAY:
        return False
    try:
        body = json.loads(response[2])
    except ValueError:
        return False
    return isinstance(body, dict) and set(body) == {"message"}


def install() -> None:
    """Route these refusals through the deployed API's gateway responses."""
    _install_access_denied()
    _install_integration_errors()
    _install_request_id_of_authorizers()
