"""What no log record may carry, whoever writes it: known secret fields, tokens, values in memory, exceptions' messages.

The platform's own records carry none of these anyway. This is for all others: libraries that log a request while
something fails, and code that is yet to be written.
"""

import base64
import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from strongroom_service.domain.values import REDACTED, SecretValue, live_values

from .failure_description import describe_failure

_FIELDS: Final = (
    "plaintextValue", "plaintextBase64", "plaintext", "password", "passwd", "secretString", "secretAccessKey",
    "aws_secret_access_key", "sessionToken", "aws_session_token", "x-amz-security-token", "authorization",
    "clientToken", "idempotency-key", "privateKey", "apiKey",
)  # fmt: skip
"""Names of fields whose values are never shown, in any case and with - for _."""
_NAMES: Final = "|".join(re.escape(name).replace("_", "[-_]").replace(r"\-", "[-_]") for name in _FIELDS)
_ASSIGNED: Final = re.compile(
    # The name, perhaps quoted, perhaps within JSON that was escaped once more; then a quoted value or a bare one.
    rf"""((?:{_NAMES})\\*["']?\s*[:=]\s*)(b?\\*"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)*'|(?:AWS4-HMAC-SHA256|Bearer|Basic)\s[^"'\n]+|[^\s,;}}\])&]+)""",
    re.IGNORECASE,
)
_KEY: Final = re.compile(rf"(?:{_NAMES})\Z", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
"""A signed token, wherever it stands: its header is a JSON object, in base64url."""
_SHORT: Final = 4
"""A value of fewer characters is masked where it stands alone: anywhere else it is part of ordinary words."""
_MAX_DEPTH: Final = 8
_STANDARD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime"}


def redact(text: str) -> str:
    """The text without known secret fields, tokens, and any value that is in memory now, however it is encoded."""
    for value in live_values():
        for form in _forms(value):
            if form in text:
                text = _without(form, text)
    return _TOKEN.sub(REDACTED, _ASSIGNED.sub(rf"\1{REDACTED}", text))


def redact_any(value: object, *, depth: int = 0) -> object:
    """The same for what a structured record carries: mappings by their keys, everything else by its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == _MAX_DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return {
            _key(key): REDACTED if isinstance(key, str) and _KEY.match(key) else redact_any(entry, depth=depth + 1)
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_any(entry, depth=depth + 1) for entry in value]
    if isinstance(value, BaseException):
        return describe_failure(value)
    return redact(value if isinstance(value, str) else str(value))


def _key(key: object) -> object:
    """A value can be a mapping's key as well."""
    return key if key is None or isinstance(key, bool | int | float) else redact(str(key))


class RedactionFilter(logging.Filter):
    """For handlers and loggers whose records carry more than a message."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact what was added to the record; lets every record pass."""
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                setattr(record, name, redact_any(value))
        return True


class _RedactedRecord(logging.LogRecord):
    """A record whose message is redacted when it is made, and whose exception is told by types and places only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # the base class's own signature
        super().__init__(*args, **kwargs)
        message = redact(_message(self))
        if self.exc_info and self.exc_info[1] is not None:
            message = f"{message} {json.dumps(describe_failure(self.exc_info[1]))}"
        self.exc_info = None
        self.exc_text = None
        self.msg, self.args = message, None


def install() -> None:
    """Redact the records of every logger of this process, those of handlers that are added later too. Repeatable."""
    logging.setLogRecordFactory(_RedactedRecord)
    for handler in logging.getLogger().handlers:
        if not any(isinstance(it, RedactionFilter) for it in handler.filters):
            handler.addFilter(RedactionFilter())


def _message(record: logging.LogRecord) -> str:
    """The record's message; arguments that do not fit it must not keep the rest from being written."""
    args = record.args
    if isinstance(args, tuple):
        record.args = tuple(describe_failure(it) if isinstance(it, BaseException) else it for it in args)
    if isinstance(record.msg, BaseException):
        return json.dumps(describe_failure(record.msg))
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _forms(value: SecretValue) -> Iterator[str]:
    """How a value can stand in a text: as it is, escaped, or encoded."""
    raw = bytes(value.buffer)
    if value.is_text:
        text = value.reveal_text()
        yield text
        for escaped in (json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text)):
            if escaped[1:-1] != text:
                yield escaped[1:-1]
    yield repr(raw)[2:-1]
    if len(raw) >= _SHORT:
        yield raw.hex()
        yield base64.b64encode(raw).decode().rstrip("=")
        yield base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _without(form: str, text: str) -> str:
    if len(form) >= _SHORT:
        return text.replace(form, REDACTED)
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", REDACTED, text)
