"""Time and chance, passed in so that tests need neither sleep nor luck."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# The kernel's source: a forked child does not repeat its parent's choices.
_CHANCE: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a client takes from the system.

    Attributes:
        clock: monotonic seconds.
        wall_clock: seconds since 1970, for expiry times.
        sleep: waits that many seconds.
        jitter: a number drawn evenly between two others.
    """

    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float, float], float] = _CHANCE.uniform
