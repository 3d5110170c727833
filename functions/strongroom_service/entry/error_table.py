"""The one table from domain errors to HTTP, and the one body that every error has."""

from collections.abc import Mapping
from typing import Final

from strongroom_service.domain.errors import DomainError, InternalError, Throttled

STATUS: Final[Mapping[str, int]] = {
    "invalid_request": 400,
    "access_denied": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "stale_expectation": 409,
    "version_pending": 409,
    "not_writer": 409,
    "version_disabled": 410,
    "version_destroyed": 410,
    "version_expired": 410,
    "value_too_large": 413,
    "response_too_large": 413,
    "replica_behind": 425,
    "throttled": 429,
    "internal_error": 500,
    "audit_unavailable": 500,
    "store_unavailable": 503,
    "kms_unavailable": 503,
    "region_fenced": 503,
}


def status_of(error: DomainError) -> int:
    """The HTTP status of an error."""
    return STATUS[error.code]


def error_body(error: DomainError, *, request_id: str) -> dict[str, object]:
    """`{"error": {code, message, requestId, retryable, details}}`."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "requestId": request_id,
            "retryable": error.retryable,
            "details": error.details,
        }
    }


def error_headers(error: DomainError) -> dict[str, str]:
    """Headers beside the body: `Retry-After` in whole seconds (RFC 9110, section 10.2.3) when throttled."""
    if isinstance(error, Throttled):
        return {"Retry-After": str(max(1, round(error.retry_after.total_seconds())))}
    return {}


def as_domain_error(error: BaseException) -> DomainError:
    """What a caller is told of any error: domain errors as they are, everything else as a defect without details."""
    return error if isinstance(error, DomainError) else InternalError()
