"""A secret as the caller holds it: facts in the open, the value behind `reveal()`."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NoReturn

from .errors import ValueFormatError

REDACTED: Final = "[REDACTED_SECRET]"


class SecretBytes:
    """A plaintext in a buffer of its own, overwritten when its last reference goes.

    The cache and every `Secret` handed out share one buffer, so nobody sees zeros while holding a secret.
    """

    __slots__ = ("_buffer", "is_text")

    def __init__(self, buffer: bytearray, *, is_text: bool) -> None:
        self._buffer = buffer
        self.is_text = is_text

    def __del__(self) -> None:
        self._buffer[:] = bytes(len(self._buffer))

    def text(self) -> str:
        """The value decoded as UTF-8. The copy that this makes cannot be wiped."""
        return self._buffer.decode()

    def copy(self) -> bytes:
        """The bytes. The copy that this makes cannot be wiped."""
        return bytes(self._buffer)

    def __repr__(self) -> str:
        return REDACTED

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret value cannot be pickled or copied")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Secret:
    """One version of a secret. Its text forms never show the value, and it can be neither pickled nor copied.

    Attributes:
        path: environment and path, as in `prod/payments/db-password`.
        version_number: counted from 1.
        alias: the alias that names this version, or None when it was read by number and has none.
        consistency_token: `epoch.revision` of the secret's state; pass it to another process as `min_token`, and
            what that process reads is at least as new.
        expires_at: the moment (UTC) after which nobody may read this version; None is never.
        region: the region that answered.
        receipt: proof of the audit record that let the value out.
        stale: True when no region answered and this is an earlier, cached answer past its time.
    """

    path: str
    version_number: int
    alias: str | None
    consistency_token: str
    expires_at: datetime | None
    region: str
    receipt: str
    stale: bool = False
    _value: SecretBytes = field(repr=False)

    @property
    def is_text(self) -> bool:
        """Whether the value was stored as text."""
        return self._value.is_text

    def reveal(self) -> str:
        """The value of a text secret; raises `ValueFormatError` for a binary one."""
        if not self._value.is_text:
            raise ValueFormatError("the value is binary; use reveal_bytes()")
        return self._value.text()

    def reveal_bytes(self) -> bytes:
        """The value as bytes; of a text secret, its UTF-8 form."""
        return self._value.copy()

    def json(self) -> Any:  # noqa: ANN401  # JSON has any shape
        """The value parsed as JSON; raises `ValueFormatError`."""
        try:
            return json.loads(self.reveal())
        except ValueError:
            pass
        # Raised outside the handler: a JSONDecodeError carries the whole document, and would stay reachable
        # as the new error's context.
        raise ValueFormatError("the value is not JSON")

    def __repr__(self) -> str:
        stale = ", stale=True" if self.stale else ""
        return f"Secret(path={self.path!r}, version_number={self.version_number}, value={REDACTED}{stale})"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")
