"""A plaintext on its way through the platform: shown to nobody by accident, wiped by whoever is done with it."""

import base64
import json
from collections.abc import Sequence
from typing import Final, NoReturn, Self
from weakref import WeakSet

from . import limits
from .errors import InvalidRequest, ValueTooLarge, Violation

REDACTED: Final = "[REDACTED_SECRET]"


class SecretValue:
    """A plaintext in a buffer of its own.

    Its text forms are `[REDACTED_SECRET]`, it cannot be pickled, and `wipe` overwrites the buffer. As a
    context manager it wipes itself at the end.
    """

    __slots__ = ("__weakref__", "_buffer", "is_text")

    def __init__(self, buffer: bytearray, *, is_text: bool) -> None:
        self._buffer = buffer
        self.is_text = is_text
        _LIVE.add(self)

    @classmethod
    def from_text(cls, text: str, *, field: str = "plaintextValue") -> Self:
        """Take text; raises `InvalidRequest` when it is empty, not valid Unicode or too large."""
        try:
            encoded = bytearray(text, "utf-8")
        except UnicodeEncodeError:
            # The exception quotes the text: it must not become a cause that a log could print.
            raise InvalidRequest([Violation(field, "must be valid Unicode, without lone surrogates")]) from None
        return cls._checked(encoded, field=field, is_text=True)

    @classmethod
    def from_base64(cls, text: str, *, field: str = "plaintextBase64") -> Self:
        """Take bytes as standard base64 (RFC 4648, section 4); raises `InvalidRequest`."""
        try:
            decoded = bytearray(base64.b64decode(text, validate=True))
        except ValueError:
            raise InvalidRequest([Violation(field, "must be base64 with padding (RFC 4648, section 4)")]) from None
        return cls._checked(decoded, field=field, is_text=False)

    @classmethod
    def _checked(cls, buffer: bytearray, *, field: str, is_text: bool) -> Self:
        if not buffer:
            raise InvalidRequest([Violation(field, "must not be empty")])
        if len(buffer) > limits.MAX_VALUE_BYTES:
            raise ValueTooLarge([Violation(field, f"must be at most {limits.MAX_VALUE_BYTES} bytes")])
        return cls(buffer, is_text=is_text)

    @property
    def buffer(self) -> bytearray:
        """The bytes themselves, not a copy."""
        return self._buffer

    def reveal_text(self) -> str:
        """The value as text. The copy that this makes cannot be wiped."""
        return self._buffer.decode("utf-8")

    def reveal_base64(self) -> str:
        """The value as base64. The copy that this makes cannot be wiped."""
        return base64.b64encode(self._buffer).decode("ascii")

    def encoded_size(self) -> int:
        """Bytes in an answer: a JSON string within the JSON string that Lambda makes of the whole body."""
        if not self.is_text:
            return 4 * ((len(self._buffer) + 2) // 3)
        once = json.dumps(self.reveal_text(), ensure_ascii=False)
        return len(json.dumps(once, ensure_ascii=False).encode("utf-8"))

    def wipe(self) -> None:
        """Overwrite the buffer with zeros; harmless when repeated."""
        self._buffer[:] = bytes(len(self._buffer))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __len__(self) -> int:
        return len(self._buffer)

    def __repr__(self) -> str:
        return REDACTED

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret value cannot be pickled or copied")


_LIVE: Final[WeakSet[SecretValue]] = WeakSet()


def live_values() -> Sequence[SecretValue]:
    """The values that this process holds now and that are not wiped: what no text that leaves may contain."""
    return [value for value in tuple(_LIVE) if any(value.buffer)]
