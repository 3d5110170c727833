"""Writes: what `put` takes and sends."""

import base64
import enum
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from .errors import InvalidRequest, StrongroomError, TryLater, ValueTooLarge
from .paths import check_idempotency_key, check_path
from .responses import StoredVersion, parse_stored
from .router import Router
from .signing import Call, json_body

MAX_VALUE_BYTES: Final = 64 * 1024


class Expect(enum.Enum):
    """What `put` may expect of the current version, beside a number and None (there is none)."""

    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Let the platform draw the value, so that nobody sees it.

    Attributes:
        length: in characters, 8 to 4,096.
        alphabet: the characters to draw from, 10 to 256 different ones; None: letters and digits.
    """

    length: int = 32
    alphabet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a secret is registered with when `put` meets a new path, and when the version expires."""

    owner_team: str | None = None
    rotation_strategy: str | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None
    expires_at: datetime | None = None


def put(
    router: Router,
    path: str,
    value: str | bytes | bytearray | Generate,
    *,
    expected_current: int | Expect | None,
    metadata: Metadata,
    idempotency_key: str | None,
    headers: Mapping[str, str],
    deadline: timedelta,
) -> StoredVersion:
    """Store a value and make it current; see `Client.put`."""
    check_path(path)
    key = str(uuid.uuid4()) if idempotency_key is None else check_idempotency_key(idempotency_key)
    content = _value_fields(value) | _metadata_fields(metadata)
    if not isinstance(expected_current, Expect):
        content["expectedCurrent"] = expected_current
    call = Call(
        method="PUT",
        path=f"/values/{path}",
        body=_encoded(content),
        headers={**headers, "Idempotency-Key": key},
    )
    try:
        return router.write(lambda: call, lambda response: parse_stored(response, path=path), deadline=deadline)
    except StrongroomError as error:
        failure = _without(value, error)
    if isinstance(failure, TryLater):
        # The write may have been done: with this key the caller can repeat it without doing it twice.
        failure.details["idempotencyKey"] = key
    raise failure


def _value_fields(value: str | bytes | bytearray | Generate) -> dict[str, object]:
    if isinstance(value, Generate):
        drawn: dict[str, object] = {"length": value.length}
        return {"generate": drawn if value.alphabet is None else drawn | {"alphabet": value.alphabet}}
    if isinstance(value, str):
        _check_size(_utf8_length(value))
        return {"plaintextValue": value}
    if isinstance(value, bytes | bytearray):
        _check_size(len(value))
        return {"plaintextBase64": base64.b64encode(value).decode()}
    raise InvalidRequest.of("value", "must be text, bytes or Generate")


def _utf8_length(text: str) -> int:
    # A UnicodeEncodeError quotes the text: the violation is raised outside the handler.
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        pass
    raise InvalidRequest.of("value", "must be valid Unicode, without lone surrogates")


def _check_size(size: int) -> None:
    if size == 0:
        raise InvalidRequest.of("value", "must not be empty")
    if size > MAX_VALUE_BYTES:
        raise ValueTooLarge.of("value", f"must be at most {MAX_VALUE_BYTES} bytes")


def _metadata_fields(metadata: Metadata) -> dict[str, object]:
    expires = metadata.expires_at
    if expires is not None and expires.tzinfo is None:
        raise InvalidRequest.of("expires_at", "must have a time zone")
    fields = {
        "ownerTeam": metadata.owner_team,
        "rotationStrategy": metadata.rotation_strategy,
        "description": metadata.description,
        "tags": dict(metadata.tags) if metadata.tags is not None else None,
        "expiresAt": expires.astimezone(UTC).isoformat().replace("+00:00", "Z") if expires is not None else None,
    }
    return {name: content for name, content in fields.items() if content is not None}


def _encoded(content: dict[str, object]) -> bytes:
    try:
        return json_body(content)
    except (TypeError, ValueError):
        pass
    raise InvalidRequest.of("body", "descriptions, tags and alphabets must be valid Unicode text")


def _without(value: str | bytes | bytearray | Generate, error: StrongroomError) -> StrongroomError:
    """The error, unless something on the way echoed the value into it: then one that says less."""
    if isinstance(value, Generate):
        return error
    text = value if isinstance(value, str) else base64.b64encode(value).decode()
    if not any(text in told for told in _texts([error.message, error.code, error.request_id, error.details])):
        return error
    plain = type(error)("the request failed", region=error.region, retryable=error.retryable)
    plain.attempts = error.attempts
    return plain


def _texts(content: object) -> Iterator[str]:
    """Every text in a JSON-shaped object."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        yield from _texts([*content.keys(), *content.values()])
    elif isinstance(content, Sequence):
        for part in content:
            yield from _texts(part)
