"""A circuit breaker: keeps calls from what has just failed, and lets one through from time to time to see.

https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
"""

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import Final

DEFAULT_OPEN_FOR: Final = timedelta(seconds=30)


class CircuitBreaker:
    """Opens with the first failure; after `open_for` one call may try, and its success closes it. Safe for threads."""

    def __init__(
        self, *, open_for: timedelta = DEFAULT_OPEN_FOR, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_for = open_for.total_seconds()
        self._monotonic = monotonic
        self._tries_again_at: float | None = None
        self._lock = Lock()

    def admits(self) -> bool:
        """Whether to call. Of those who ask when the time has come, one is let through."""
        with self._lock:
            if self._tries_again_at is None:
                return True
            now = self._monotonic()
            if now < self._tries_again_at:
                return False
            # Should the one that goes now never report back, the next one goes after another interval.
            self._tries_again_at = now + self._open_for
            return True

    def succeeded(self) -> None:
        """A call was answered."""
        with self._lock:
            self._tries_again_at = None

    def failed(self) -> None:
        """A call was not answered."""
        with self._lock:
            self._tries_again_at = self._monotonic() + self._open_for
