"""Answers to API Gateway, with the headers that every one of them has."""

import json
from collections.abc import Mapping
from typing import Any, Final

from strongroom_service.domain.errors import DomainError

from .error_table import error_body, error_headers, status_of

CONTENT_TYPE: Final = "application/json"


def common_headers(*, request_id: str, region: str) -> dict[str, str]:
    """On every response: which request, which region, and that nobody may keep it."""
    return {"x-request-id": request_id, "x-strongroom-region": region, "Cache-Control": "no-store"}


def json_response(status: int, body: Mapping[str, object], *, request_id: str, region: str) -> dict[str, Any]:
    """A proxy integration's answer."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": CONTENT_TYPE, **common_headers(request_id=request_id, region=region)},
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        "isBase64Encoded": False,
    }


def error_response(error: DomainError, *, request_id: str, region: str) -> dict[str, Any]:
    """An error in its one body."""
    answer = json_response(
        status_of(error), error_body(error, request_id=request_id), request_id=request_id, region=region
    )
    answer["headers"].update(error_headers(error))
    return answer
