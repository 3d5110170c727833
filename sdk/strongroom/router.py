"""The regions of a deployment, their health, and one attempt in one of them. The order of attempts: `journey.py`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from .breaker import Breaker, State
from .credentials import CredentialResolver
from .errors import AttemptTimedOut, StrongroomError, Unavailable
from .journey import Journey
from .regions import Region
from .signing import Call, sign
from .surroundings import Surroundings
from .transport import Response, Transport

CONNECT_TIMEOUT: Final = timedelta(seconds=1)
FAIR_TIME: Final = timedelta(milliseconds=250)
"""A time-out after less than this tells of an impatient caller, not of a sick region."""

T = TypeVar("T")


class Router:
    """Sends calls to the regions of a deployment in turn. Thread-safe."""

    def __init__(
        self,
        regions: tuple[Region, ...],
        *,
        transport: Transport,
        credentials: CredentialResolver,
        surroundings: Surroundings,
    ) -> None:
        self._regions = regions
        self._transport = transport
        self._credentials = credentials
        self._around = surroundings
        self._writer = next((region for region in regions if region.writer), regions[0])
        self.reset()

    def reset(self) -> None:
        """Start afresh in a forked child, where another thread of the parent may hold any lock for ever."""
        self._transport.reset()
        self._credentials.reset()
        self._breakers = {
            region.name: Breaker(clock=self._around.clock, jitter=self._around.jitter) for region in self._regions
        }

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def all_open(self) -> bool:
        """Whether every region failed so often that none is worth waiting for right now."""
        return all(breaker.state is State.OPEN for breaker in self._breakers.values())

    def read(self, build: Callable[[], Call], parse: Callable[[Response], T], *, deadline: timedelta) -> T:
        """Ask the regions in order until one answers.

        `build` is called for each attempt. `parse` raises a `TryLater` to go on to another region, and any other
        error to end the call.

        Raises:
            StrongroomError: the decision of a region, or the last failure, with all `attempts`.
        """
        journey = Journey(self._regions, self._breakers, deadline=deadline, surroundings=self._around)
        return journey.read(lambda region, timeout: self._ask(region, build, parse, timeout=timeout))

    def write(self, build: Callable[[], Call], parse: Callable[[Response], T], *, deadline: timedelta) -> T:
        """Ask the writer region; the others only to learn whether the writer has changed.

        The call must carry an idempotency key: a write whose answer was lost is sent again.

        Raises:
            StrongroomError: as `read`; `NotWriter` when the region named as the writer does not write either.
        """
        writer = self._writer
        order = (writer, *(region for region in self._regions if region is not writer))
        journey = Journey(order, self._breakers, deadline=deadline, surroundings=self._around)

        def ask(region: Region, timeout: timedelta) -> T:
            result = self._ask(region, build, parse, timeout=timeout)
            self._writer = region
            return result

        return journey.write(ask)

    def _ask(
        self, region: Region, build: Callable[[], Call], parse: Callable[[Response], T], *, timeout: timedelta
    ) -> T:
        """One attempt in one region, whose breaker learns from it."""
        breaker = self._breakers[region.name]
        try:
            request = sign(build(), region=region, credentials=self._credentials.frozen())
            result = parse(self._transport.send(request, timeout=timeout, connect_timeout=CONNECT_TIMEOUT))
        except Unavailable as error:
            if isinstance(error, AttemptTimedOut) and timeout < FAIR_TIME:
                breaker.abandoned()
            elif breaker.failed():
                self._transport.forget(region)
            raise
        except StrongroomError as error:
            if error.region is None:  # nothing was asked: no credentials, say
                breaker.abandoned()
            else:
                breaker.succeeded()
            raise
        except BaseException:
            breaker.abandoned()
            raise
        breaker.succeeded()
        return result
