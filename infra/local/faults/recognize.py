"""Reads from a request which region and service it is signed for, and which operation it asks."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

from infra.local.faults.http import Message
from infra.local.faults.rules import Request

API_PREFIX = "/_aws/execute-api/"
"""Where the emulator serves REST APIs: `/_aws/execute-api/<api id>/<stage>/...`."""

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/([^/,\s]+)/([^/,\s]+)/aws4_request")
_QUERY_SCOPE_PARTS = 5
_API_PARTS = 5


def recognize(message: Message, *, listener_region: str | None) -> Request:
    """What a request is for.

    Operations: the last part of `X-Amz-Target`; the `Action` of a query protocol; for a REST API the method and the
    first segment below the stage (`GET /values`); otherwise the method. A request that came to a region's own
    listener is for that region, whatever it is signed for: a wrong signature must meet the same faults.
    """
    region, service = _scope(message)
    method, target = message.start_line
    path = urlsplit(target).path
    if path.startswith(API_PREFIX):
        segments = path.split("/", _API_PARTS + 1)
        first = segments[_API_PARTS] if len(segments) > _API_PARTS else ""
        return Request(listener_region or region, "execute-api", f"{method} /{unquote(first)}")
    return Request(listener_region or region, service, _operation(message, method))


def _scope(message: Message) -> tuple[str, str]:
    """Region and service of the signature, of the header or of a presigned query; empty when unsigned."""
    found = _SCOPE.search(message.header(b"authorization"))
    if found:
        return found.group(1), found.group(2)
    _method, target = message.start_line
    credential = parse_qs(urlsplit(target).query).get("X-Amz-Credential", [""])[0].split("/")
    if len(credential) == _QUERY_SCOPE_PARTS:
        return credential[2], credential[3]
    return "", ""


def _operation(message: Message, method: str) -> str:
    target = message.header(b"x-amz-target")
    if target:
        return target.rsplit(".", 1)[-1]
    if message.header(b"content-type").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(message.body.decode("latin-1")).get("Action")
        if action:
            return action[0]
    return method
