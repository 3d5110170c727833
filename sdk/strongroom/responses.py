"""What answers mean: values, batch entries and errors, each checked before it is believed.

Nothing of an answer that could hold a value reaches an error: parse failures carry no text of the body, and a
server's message is taken only from the platform's own error body.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from .codes import class_for
from .errors import InvalidResponse, StrongroomError
from .paths import Token, format_token, parse_token
from .secret import Secret, SecretBytes
from .transport import Response

_MAX_TEXT: Final = 500
_OK: Final = frozenset({200, 201})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """What `put` stored.

    Attributes:
        secret_id: stays the same for the life of the secret.
        path: environment and path.
        version_number: the new current version.
        fingerprint: 64 hex digits, equal for equal values of this secret while they are under one namespace key; a
            keyed hash, not a bare SHA-256. None when a repeated call finds its version destroyed since.
        consistency_token: pass it to another process as `min_token`, and what that process reads is at least
            this version's state.
        updated_at: when it became current (RFC 3339, UTC).
        created: True when this call registered the secret.
        region: the region that wrote.
    """

    secret_id: str
    path: str
    version_number: int
    fingerprint: str | None
    consistency_token: str
    updated_at: str
    created: bool
    region: str


def parse_secret(response: Response, *, path: str) -> Secret:
    """The secret in the answer to a read.

    Raises:
        StrongroomError: what the answer says, or `InvalidResponse`.
    """
    return _secret(_content(response), path=path, region=response.region)


def parse_batch(response: Response, *, paths: list[str]) -> list[Secret | StrongroomError]:
    """The results of a batch in the order of `paths`.

    Raises:
        StrongroomError: what the answer says of the whole batch, or `InvalidResponse`.
    """
    items = _content(response).get("items")
    if not isinstance(items, list) or len(items) != len(paths):
        raise _broken(response.region)
    return [_item(entry, path=path, response=response) for entry, path in zip(items, paths, strict=True)]


def parse_stored(response: Response, *, path: str) -> StoredVersion:
    """The result of a put.

    Raises:
        StrongroomError: what the answer says, or `InvalidResponse`.
    """
    content = _content(response)
    number, fingerprint = content.get("versionNumber"), content.get("sha256Fingerprint")
    if not isinstance(number, int) or not isinstance(fingerprint, str | None):
        raise _broken(response.region)
    return StoredVersion(
        secret_id=_text(content, "secretId", region=response.region),
        path=path,
        version_number=number,
        fingerprint=fingerprint,
        consistency_token=format_token(_token(content, region=response.region)),
        updated_at=_text(content, "updatedAt", region=response.region),
        created=content.get("created") is True,
        region=response.region,
    )


def parse_report(response: Response) -> None:
    """That a report was taken, whatever became of its items.

    Raises:
        StrongroomError: what the answer says, or `InvalidResponse`.
    """
    _content(response)


def _item(entry: object, *, path: str, response: Response) -> Secret | StrongroomError:
    if not isinstance(entry, Mapping) or entry.get("secretPath") != path:
        raise _broken(response.region)
    if isinstance(value := entry.get("value"), Mapping):
        return _secret(value, path=path, region=response.region)
    if isinstance(error := entry.get("error"), Mapping):
        return _error(error, status=0, response=response)
    raise _broken(response.region)


def _content(response: Response) -> Mapping[str, object]:
    content = _json_object(response.body)
    if response.status in _OK:
        if content is None:
            raise _broken(response.region)
        return content
    described = content.get("error") if content is not None else None
    if isinstance(described, Mapping):
        raise _error(described, status=response.status, response=response)
    if 400 <= response.status < 600:  # noqa: PLR2004  # RFC 9110, section 15: client and server errors
        raise _undescribed(response)
    raise _broken(response.region)


def _json_object(body: bytes) -> Mapping[str, object] | None:
    # The parser's errors hold the whole text, a plaintext perhaps, and must not become anyone's context.
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, Mapping) else None


def _secret(content: Mapping[str, object], *, path: str, region: str) -> Secret:
    number, alias, expires = content.get("versionNumber"), content.get("alias"), content.get("expiresAtUnix")
    if content.get("secretPath") != path or not isinstance(number, int) or not isinstance(alias, str | None):
        raise _broken(region)
    return Secret(
        path=path,
        version_number=number,
        alias=alias,
        consistency_token=format_token(_token(content, region=region)),
        expires_at=_moment(expires, region=region),
        region=region,
        receipt=_text(content, "receipt", region=region),
        _value=_value(content, region=region),
    )


def _value(content: Mapping[str, object], *, region: str) -> SecretBytes:
    text, encoded = content.get("plaintextValue"), content.get("plaintextBase64")
    buffer: bytearray | None = None
    try:
        if isinstance(text, str) and encoded is None:
            buffer = bytearray(text, "utf-8")
        elif isinstance(encoded, str) and text is None:
            buffer = bytearray(base64.b64decode(encoded, validate=True))
    except ValueError:
        pass  # A UnicodeEncodeError quotes the text: raised below, outside the handler.
    if buffer is None:
        raise _broken(region)
    return SecretBytes(buffer, is_text=encoded is None)


def _moment(unix: object, *, region: str) -> datetime | None:
    if unix in (0, None):
        return None
    try:
        if isinstance(unix, int):
            return datetime.fromtimestamp(unix, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise _broken(region)


def _token(content: Mapping[str, object], *, region: str) -> Token:
    try:
        return parse_token(content.get("consistencyToken"))
    except StrongroomError:
        pass
    raise _broken(region)


def _text(content: Mapping[str, object], name: str, *, region: str) -> str:
    text = content.get(name)
    if not isinstance(text, str):
        raise _broken(region)
    return text


def _error(described: Mapping[str, object], *, status: int, response: Response) -> StrongroomError:
    code, message, details = described.get("code"), described.get("message"), described.get("details")
    code = code[:_MAX_TEXT] if isinstance(code, str) else None
    kind = class_for(code, status)
    facts = dict(details) if isinstance(details, Mapping) else {}
    facts |= _retry_after(response)
    retryable = described.get("retryable")
    return kind(
        _printable(message) if isinstance(message, str) else "the server refused the request",
        code=code,
        request_id=_request_id(described, response),
        region=response.region,
        # A class that moves on to other regions stays retryable whatever an unknown code says.
        retryable=kind.default_retryable or retryable is True,
        details=facts,
    )


def _undescribed(response: Response) -> StrongroomError:
    """An error that is not in the platform's form: a proxy's page, say. Nothing of its text is repeated."""
    return class_for(None, response.status)(
        f"HTTP {response.status} without an error of Strongroom",
        code=f"http_{response.status}",
        request_id=_request_id({}, response),
        region=response.region,
        details=_retry_after(response),
    )


def _retry_after(response: Response) -> dict[str, object]:
    header = response.headers.get("retry-after", "")
    return {"retryAfterSeconds": int(header)} if header.isascii() and header.isdigit() and len(header) < 6 else {}  # noqa: PLR2004  # a day has 86,400 seconds


def _request_id(described: Mapping[str, object], response: Response) -> str | None:
    named = described.get("requestId") or response.headers.get("x-request-id")
    return _printable(named) if isinstance(named, str) else None


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:_MAX_TEXT])


def _broken(region: str) -> InvalidResponse:
    return InvalidResponse("the answer is not one of Strongroom", region=region)
