"""What the server accepts as a path, a version, a token and a key: checked before anything is sent.

The characters of a path need no percent-encoding, so that what is signed, what is sent and what API Gateway
canonicalises are the same bytes; anything else (`%2F`, spaces, `:`) is refused here.
"""

import re
from typing import Final

from .errors import InvalidRequest

_ENVIRONMENT: Final = re.compile(r"[a-z0-9-]{1,32}")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._-]+")
_VERSION: Final = re.compile(r"current|previous|next|v[1-9][0-9]{0,17}")
_TOKEN: Final = re.compile(r"([0-9]{1,10})\.([0-9]{1,18})")
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{8,128}")

_MAX_PATH_LENGTH: Final = 512
_MAX_SEGMENTS: Final = 16

CURRENT: Final = "current"

Token = tuple[int, int]
"""A consistency token, `(epoch, revision)`: compared as a pair, it orders all states of a secret."""


def check_path(path: object) -> str:
    """`environment/path`, as it is; raises `InvalidRequest`."""
    if not isinstance(path, str):
        raise InvalidRequest.of("path", "must be text")
    environment, slash, rest = path.partition("/")
    if not slash or not _ENVIRONMENT.fullmatch(environment):
        raise InvalidRequest.of("path", "must be <environment>/<path>, the environment of 1 to 32 of [a-z0-9-]")
    segments = rest.split("/")
    if len(rest) > _MAX_PATH_LENGTH or len(segments) > _MAX_SEGMENTS:
        raise InvalidRequest.of("path", f"must be at most {_MAX_PATH_LENGTH} characters in {_MAX_SEGMENTS} segments")
    if not all(_SEGMENT.fullmatch(segment) and segment not in {".", ".."} for segment in segments):
        raise InvalidRequest.of("path", "segments must be of [A-Za-z0-9._-], none empty, '.' or '..'")
    return path


def check_version(version: object) -> str:
    """`current`, `previous`, `next` or `v<number>`, as it is; raises `InvalidRequest`."""
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise InvalidRequest.of("version", "must be current, previous, next or v<number>")
    return version


def parse_token(token: object, *, field: str = "min_token") -> Token:
    """Read `epoch.revision`; raises `InvalidRequest`."""
    match = _TOKEN.fullmatch(token) if isinstance(token, str) else None
    if match is None:
        raise InvalidRequest.of(field, "must be a consistency token, two numbers joined by '.'")
    return int(match[1]), int(match[2])


def format_token(token: Token) -> str:
    """The inverse of `parse_token`."""
    return f"{token[0]}.{token[1]}"


def check_idempotency_key(key: object) -> str:
    """8 to 128 printable ASCII characters without spaces, as they are; raises `InvalidRequest`."""
    if not isinstance(key, str) or not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest.of("idempotency_key", "must be 8 to 128 printable ASCII characters without spaces")
    return key
