"""The operating system's time and randomness."""

import os
from datetime import UTC, datetime


class SystemClock:
    """The clock port. Times have whole milliseconds, as they are stored."""

    def now(self) -> datetime:
        """The current time in UTC."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


class SystemRandomness:
    """The randomness port over the kernel's source, which a restored snapshot does not repeat."""

    def token(self, size: int) -> bytes:
        """`size` random bytes."""
        return os.urandom(size)
