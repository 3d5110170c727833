"""The services' own error responses for throttling and internal failure, as their clients parse them."""

import json

from infra.local.faults.http import respond

_JSON_THROTTLING = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "kinesis": "ProvisionedThroughputExceededException",
    "kms": "ThrottlingException",
}
_JSON_FAILURE = {
    "dynamodb": "InternalServerError",
    "kinesis": "InternalFailure",
    "kms": "KMSInternalException",
}
_MESSAGE = "This failure was asked of the local cloud's fault proxy."


def throttled(service: str) -> bytes:
    """What a service answers to a caller above its rate."""
    if service == "s3":
        return _xml(503, "Slow Down", "SlowDown")
    if service == "execute-api":
        return _gateway(429, "Too Many Requests", "TooManyRequestsException")
    return _json(400, "Bad Request", _JSON_THROTTLING.get(service, "ThrottlingException"))


def failed(service: str) -> bytes:
    """What a service answers when it fails inside."""
    if service == "s3":
        return _xml(500, "Internal Server Error", "InternalError")
    if service == "execute-api":
        return _gateway(500, "Internal Server Error", "InternalServerErrorException")
    return _json(500, "Internal Server Error", _JSON_FAILURE.get(service, "InternalFailure"))


def _json(status: int, reason: str, code: str) -> bytes:
    body = json.dumps({"__type": code, "message": _MESSAGE}).encode()
    return respond(status, reason, {"content-type": "application/x-amz-json-1.1", "x-amzn-errortype": code}, body)


def _gateway(status: int, reason: str, code: str) -> bytes:
    body = json.dumps({"message": reason}).encode()
    return respond(status, reason, {"content-type": "application/json", "x-amzn-errortype": code}, body)


def _xml(status: int, reason: str, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>{_MESSAGE}</Message></Error>".encode()
    return respond(status, reason, {"content-type": "application/xml"}, body)
