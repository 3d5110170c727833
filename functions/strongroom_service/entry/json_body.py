"""Request bodies: strict JSON objects, refused with the rule and never with a word of the input."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from strongroom_service.domain import limits
from strongroom_service.domain.errors import InvalidRequest, ValueTooLarge, Violation

FIELD: Final = "body"
MAX_BODY_BYTES: Final = 1024 * 1024
"""Ample for the largest value with every character escaped, and for the largest batch."""

_OBJECT: Final = Violation(FIELD, "must be a JSON object (RFC 8259) in UTF-8")


class _RefusedError(ValueError):
    """Raised out of the parser's hooks; carries a rule, not input."""


def parse_body(event: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in an API Gateway event's body.

    Raises:
        InvalidRequest: it is no JSON object, repeats a key, nests too deeply, holds a lone surrogate or a number
            that JSON does not have.
    """
    text = _text(event)
    try:
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except _RefusedError as refused:
        raise InvalidRequest([Violation(FIELD, str(refused))]) from None
    except (ValueError, RecursionError):
        raise InvalidRequest([_OBJECT]) from None
    if not isinstance(parsed, dict):
        raise InvalidRequest([_OBJECT])
    _check(parsed)
    return parsed


def _text(event: Mapping[str, Any]) -> str:
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise InvalidRequest([_OBJECT])
    if len(body) > MAX_BODY_BYTES:
        raise ValueTooLarge([Violation(FIELD, f"must be at most {MAX_BODY_BYTES} bytes")])
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True).decode("utf-8")
    except ValueError:
        raise InvalidRequest([_OBJECT]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError("must not repeat a key")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise _RefusedError("must not contain NaN or Infinity")


def _check(parsed: dict[str, Any]) -> None:
    """Depth and text of the whole body, level by level."""
    level: list[Any] = [parsed]
    for _ in range(limits.MAX_BODY_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.keys())
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str) and not _is_unicode(value):
                raise InvalidRequest([Violation(FIELD, "must be valid Unicode, without lone surrogates")])
        if not below:
            return
        level = below
    raise InvalidRequest([Violation(FIELD, f"must not nest deeper than {limits.MAX_BODY_DEPTH} levels")])


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
