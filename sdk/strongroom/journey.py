"""One call's way through the regions: who is asked next, for how long, and when to give up.

Rules: any 5xx, network error or throttling moves on; 425 and 409 `not_writer` go to the region that they name; any
other 4xx is a decision and ends the call, whichever region made it. Regions whose breaker is open come last.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from .breaker import Breaker, State
from .errors import (
    Attempt,
    AttemptTimedOut,
    DeadlineExceeded,
    NotWriter,
    ReplicaBehind,
    StrongroomError,
    Throttled,
    TryLater,
)
from .regions import Region
from .surroundings import Surroundings

ROUNDS: Final = 4
"""How often a region may be asked in one call."""
FIRST_BACKOFF: Final = timedelta(milliseconds=200)
"""After all regions failed once. The first other try is another region's, at once; shorter pauses than this only add
to the load that a region refuses for (docs/figures.md, `herd_pods_at_once`)."""
LONGEST_BACKOFF: Final = timedelta(seconds=2)
PROBE_TIMEOUT: Final = timedelta(seconds=1)
"""What the one request that tries a failed region may take before the next region gets its turn."""
_SHORTEST_ATTEMPT: Final = 0.001

T = TypeVar("T")
Ask = Callable[[Region, timedelta], T]


class Journey:
    """The attempts of one call, all within one deadline."""

    def __init__(
        self,
        regions: Sequence[Region],
        breakers: Mapping[str, Breaker],
        *,
        deadline: timedelta,
        surroundings: Surroundings,
    ) -> None:
        self._regions = regions
        self._breakers = breakers
        self._around = surroundings
        self._deadline = deadline
        self._ends = surroundings.clock() + deadline.total_seconds()
        self._attempts: list[Attempt] = []
        self._queue: list[Region] = []
        self._failure: TryLater | None = None

    def read(self, ask: Ask[T]) -> T:
        """Ask until a region answers. Raises `StrongroomError`."""
        rounds = 1 if all(breaker.state is State.OPEN for breaker in self._breakers.values()) else ROUNDS
        for turn in range(rounds):
            self._queue = sorted(self._regions, key=self._is_open)
            while self._queue:
                region, timeout = self._next()
                try:
                    return ask(region, timeout)
                except TryLater as error:
                    self._note(region, error)
                    if isinstance(error, ReplicaBehind):
                        self._prefer(error.writer_region)
                except StrongroomError as error:
                    raise self._told(region, error) from None
            if turn + 1 < rounds:
                self._back_off(turn)
        raise self._final()

    def write(self, ask: Ask[T]) -> T:
        """Ask the first region, follow the writer that a region names once. Raises `StrongroomError`."""
        followed = False
        for turn in range(ROUNDS):
            self._queue = list(self._regions)
            while self._queue:
                region, timeout = self._next()
                try:
                    return ask(region, timeout)
                except NotWriter as error:
                    if self._failure is not None and not self._is_queued(error.writer_region):
                        # The writer that it names is the one that just failed: that failure is the news.
                        self._attempts.append(Attempt(region.name, error.code))
                        continue
                    if followed or not self._is_queued(error.writer_region):
                        raise self._told(region, error) from None
                    followed = True
                    self._attempts.append(Attempt(region.name, error.code))
                    self._prefer(error.writer_region)
                except TryLater as error:
                    self._note(region, error)
                except StrongroomError as error:
                    raise self._told(region, error) from None
            if turn + 1 < ROUNDS:
                self._back_off(turn)
        raise self._final()

    def _is_open(self, region: Region) -> bool:
        return self._breakers[region.name].state is State.OPEN

    def _next(self) -> tuple[Region, timedelta]:
        """The region to ask now, and how long at most. Raises the final error when the deadline has passed."""
        if self._left() < _SHORTEST_ATTEMPT:
            raise self._final()
        while True:
            region = self._queue.pop(0)
            state = self._breakers[region.name].enter()
            if state is not State.OPEN or all(map(self._is_open, self._queue)):
                return region, self._share(state)
            # Open, or another thread is probing it just now: only when there is nobody else.
            self._queue.append(region)

    def _left(self) -> float:
        return self._ends - self._around.clock()

    def _share(self, state: State) -> timedelta:
        """An even share of what is left, so that a region that swallows requests leaves time for the others."""
        worth_asking = sum(not self._is_open(other) for other in self._queue)
        share = timedelta(seconds=self._left() / (1 + worth_asking))
        return min(share, PROBE_TIMEOUT) if state is State.HALF_OPEN and worth_asking else share

    def _is_queued(self, name: str | None) -> bool:
        return any(region.name == name for region in self._queue)

    def _prefer(self, name: str | None) -> None:
        self._queue.sort(key=lambda region: region.name != name)

    def _note(self, region: Region, error: TryLater) -> None:
        self._attempts.append(Attempt(region.name, error.code))
        self._failure = error

    def _told(self, region: Region, error: StrongroomError) -> StrongroomError:
        self._attempts.append(Attempt(region.name, error.code))
        error.attempts = tuple(self._attempts)
        return error

    def _back_off(self, turn: int) -> None:
        """Wait before the next round (full jitter), or give up when the time left does not suffice."""
        longest = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**turn).total_seconds()
        pause = self._around.jitter(0, longest)
        if isinstance(self._failure, Throttled):
            pause = max(pause, self._failure.retry_after.total_seconds())
        if pause >= self._left():
            raise self._final()
        self._around.sleep(pause)

    def _final(self) -> StrongroomError:
        failure: StrongroomError | None = self._failure
        if failure is None or isinstance(failure, AttemptTimedOut):
            seconds = self._deadline.total_seconds()
            region = failure.region if failure else None
            failure = DeadlineExceeded(f"no region answered within {seconds:g} s", region=region)
        failure.attempts = tuple(self._attempts)
        return failure
