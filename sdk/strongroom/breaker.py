"""A circuit breaker per region: a region that fails is left alone, and tried again now and then by one request.

The breaker only orders regions; it never refuses a call that has nowhere else to go.
Source: Nygard, Release It!, 2nd edition, section 5.2; jitter after
https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/.
"""

import enum
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

FAILURES_TO_OPEN: Final = 2
"""Failures in a row: one may be chance, and each one of a black-holed region costs a caller half the deadline."""
FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(seconds=30)
PROBE_LOST: Final = timedelta(seconds=30)
"""A probe that has not reported after this time never will: its thread died."""


class State(enum.Enum):
    """What a breaker lets through: everything, nothing, or one probing request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """The state of one region, as this client sees it. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float], jitter: Callable[[float, float], float]) -> None:
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._failures = 0
        self._pauses = 0
        self._probe_at = 0.0
        self._probing_until = 0.0

    @property
    def state(self) -> State:
        """HALF_OPEN when a probe is due and nobody is probing."""
        with self._lock:
            return self._state()

    def _state(self) -> State:
        if self._failures < FAILURES_TO_OPEN:
            return State.CLOSED
        now = self._clock()
        return State.OPEN if now < self._probe_at or now < self._probing_until else State.HALF_OPEN

    def enter(self) -> State:
        """Announce a request, and learn what it is: HALF_OPEN makes it the probe, of which there is one at a time."""
        with self._lock:
            state = self._state()
            if state is State.HALF_OPEN:
                self._probing_until = self._clock() + PROBE_LOST.total_seconds()
            return state

    def succeeded(self) -> None:
        """The region answered, be it with a refusal."""
        with self._lock:
            self._failures = self._pauses = 0
            self._probing_until = 0.0

    def failed(self) -> bool:
        """The region failed; tell whether it is open now."""
        with self._lock:
            self._failures += 1
            self._probing_until = 0.0
            if self._failures < FAILURES_TO_OPEN:
                return False
            if self._clock() >= self._probe_at:
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._pauses).total_seconds()
                # Half of the pause is fixed, so that a fleet neither probes in step nor without a pause.
                self._probe_at = self._clock() + self._jitter(longest / 2, longest)
                self._pauses = min(self._pauses + 1, 10)
            return True

    def abandoned(self) -> None:
        """The request ended without telling anything about the region."""
        with self._lock:
            self._probing_until = 0.0
