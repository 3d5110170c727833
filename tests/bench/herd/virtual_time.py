"""Many callers in a time that passes only when all of them wait: ordinary blocking code, without threads.

Every caller is a greenlet. Whoever sleeps lets the others run; when nobody is ready, the clock jumps to the next
moment at which somebody wakes. With seeded chance a run repeats itself exactly.
"""

import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class VirtualTime:
    """A clock, and the callers that live by it."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = count()
        self._wakings: list[tuple[float, int, Callable[[], object]]] = []
        self._hub = getcurrent()

    def now(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def start(self, task: Callable[[], None], *, after: float = 0.0) -> None:
        """Let a caller begin after so many seconds."""
        self._at(self._now + after, lambda: greenlet(task, parent=self._hub).switch())

    def sleep(self, seconds: float) -> None:
        """Wait, in a caller."""
        self._at(self._now + max(0.0, seconds), getcurrent().switch)
        self._hub.switch()

    def run(self, *, until: float) -> None:
        """Let everything happen that happens up to a moment. Errors of callers come out here."""
        self._hub = getcurrent()
        while self._wakings and self._wakings[0][0] <= until:
            self._now, _, wake = heapq.heappop(self._wakings)
            wake()
        self._now = until

    def ask(self, task: Callable[[], T], *, timeout: float) -> T:
        """The result of a task that goes on by itself when the caller stops waiting.

        Raises:
            TimeoutError: there was none in time.
        """
        caller = getcurrent()
        results: list[T] = []
        is_awake = False

        def wake() -> None:
            nonlocal is_awake
            if not is_awake:
                is_awake = True
                caller.switch()

        def answer() -> None:
            results.append(task())
            self._at(self._now, wake)

        self.start(answer)
        self._at(self._now + timeout, wake)
        self._hub.switch()
        if not results:
            raise TimeoutError
        return results[0]

    def _at(self, moment: float, wake: Callable[[], object]) -> None:
        heapq.heappush(self._wakings, (moment, next(self._order), wake))
