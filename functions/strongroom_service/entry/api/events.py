"""API Gateway's event on its way through the framework: routes read the original, the framework sees its route only.

The adapter would copy body, headers and query into messages of its own, and trip over what is not valid Unicode.
Here each is read once, by code that answers with a rule.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from strongroom_service.domain.errors import InvalidRequest, Violation

_ADAPTER_EVENT: Final = "aws.event"
_ORIGINAL: Final = "strongroom.event"


def routed_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """What the adapter gets: method and path, and the original beside them.

    Raises:
        InvalidRequest: the path is not valid Unicode.
    """
    path = str(event.get("path") or "/")
    try:
        path.encode()
    except UnicodeEncodeError:
        refusal = InvalidRequest([Violation("path", "must be valid Unicode, without lone surrogates")])
    else:
        return {
            "resource": str(event.get("resource") or ""),
            "requestContext": {},
            "httpMethod": str(event.get("httpMethod") or ""),
            "path": path,
            "headers": {},
            "multiValueHeaders": None,
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "body": None,
            "isBase64Encoded": False,
            _ORIGINAL: event,
        }
    raise refusal


def original_event(scope: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The event as API Gateway sent it, from an ASGI scope."""
    event: Mapping[str, Any] = scope[_ADAPTER_EVENT][_ORIGINAL]
    return event
