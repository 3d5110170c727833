"""What API Gateway answers by itself, in the body that the functions' errors have."""

import json
from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_apigateway as apigateway

REQUEST_ID: Final = "$context.requestId"


@dataclass(frozen=True, slots=True)
class GatewayError:
    """One answer: its status (None: as API Gateway decides), code, message, and whether to try again."""

    status: int | None
    code: str
    message: str
    retryable: bool = False
    violation: tuple[str, str] | None = None
    """Field and rule, for errors that are about the request's form."""

    def body(self) -> str:
        """The body as a template. Nothing of the request goes into it but the request's id, which is ours."""
        details: dict[str, object] = {}
        if self.code in {"invalid_request", "value_too_large"}:
            details["violations"] = [{"field": self.violation[0], "rule": self.violation[1]}] if self.violation else []
        error = {
            "code": self.code,
            "message": self.message,
            "requestId": REQUEST_ID,
            "retryable": self.retryable,
            "details": details,
        }
        return json.dumps({"error": error})


DENIED: Final = GatewayError(403, "access_denied", "Access denied.")
UNAUTHENTICATED: Final = GatewayError(401, "access_denied", "Access denied.")
THROTTLED: Final = GatewayError(429, "throttled", "Too many requests.", retryable=True)
FAILED: Final = GatewayError(502, "gateway_error", "The region could not answer.", retryable=True)
BROKEN: Final = GatewayError(500, "gateway_error", "The region could not answer.", retryable=True)

RESPONSES: Final[dict[str, GatewayError]] = {
    "ACCESS_DENIED": DENIED,
    "API_CONFIGURATION_ERROR": BROKEN,
    "AUTHORIZER_CONFIGURATION_ERROR": BROKEN,
    "AUTHORIZER_FAILURE": BROKEN,
    "BAD_REQUEST_BODY": GatewayError(
        400, "invalid_request", "The body is not valid.", violation=("body", "must be valid JSON for this route")
    ),
    "BAD_REQUEST_PARAMETERS": GatewayError(
        400, "invalid_request", "The parameters are not valid.", violation=("query", "must be valid for this route")
    ),
    "DEFAULT_4XX": GatewayError(None, "invalid_request", "The request is not valid."),
    "DEFAULT_5XX": GatewayError(None, "gateway_error", "The region could not answer.", retryable=True),
    "EXPIRED_TOKEN": DENIED,
    "INTEGRATION_FAILURE": FAILED,
    "INTEGRATION_TIMEOUT": GatewayError(504, "gateway_timeout", "The region did not answer in time.", retryable=True),
    "INVALID_API_KEY": DENIED,
    "INVALID_SIGNATURE": DENIED,
    # Also what API Gateway answers to an unknown route, so that routes cannot be probed without credentials.
    "MISSING_AUTHENTICATION_TOKEN": DENIED,
    "QUOTA_EXCEEDED": THROTTLED,
    "REQUEST_TOO_LARGE": GatewayError(
        413, "value_too_large", "The request is too large.", violation=("body", "must be at most 10 MB")
    ),
    "RESOURCE_NOT_FOUND": GatewayError(404, "not_found", "There is no such resource."),
    "THROTTLED": THROTTLED,
    "UNAUTHORIZED": UNAUTHENTICATED,
    "UNSUPPORTED_MEDIA_TYPE": GatewayError(
        400, "invalid_request", "The body is not valid.", violation=("Content-Type", "must be application/json")
    ),
    "WAF_FILTERED": DENIED,
}
"""Every type that API Gateway has (developer guide, "Gateway response types")."""


def add_gateway_responses(api: apigateway.RestApi, region: str) -> None:
    """Replace all of API Gateway's own answers."""
    for name, error in RESPONSES.items():
        headers = {
            "Cache-Control": "'no-store'",
            "x-request-id": "context.requestId",
            "x-strongroom-region": f"'{region}'",
        }
        if error is THROTTLED:
            headers["Retry-After"] = "'1'"
        apigateway.GatewayResponse(
            api,
            "".join(part.capitalize() for part in name.split("_")),
            rest_api=api,
            type=apigateway.ResponseType.of(name),
            status_code=None if error.status is None else str(error.status),
            response_headers=headers,
            templates={"application/json": error.body()},
        )
