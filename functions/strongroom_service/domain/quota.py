"""How often something may be done: a token bucket."""

from collections.abc import Callable


class Quota:
    """So many at once, and so many a second over time. Not safe for threads."""

    def __init__(self, *, at_once: int, per_second: float, monotonic: Callable[[], float]) -> None:
        self._at_once = float(at_once)
        self._per_second = per_second
        self._monotonic = monotonic
        self._left = self._at_once
        self._counted_at = monotonic()

    def take(self) -> bool:
        """Whether there was one left; then it is taken."""
        now = self._monotonic()
        self._left = min(self._at_once, self._left + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
