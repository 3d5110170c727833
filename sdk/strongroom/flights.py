"""Single flight: of many threads that miss the same secret at once, one asks and the others wait for its answer."""

import threading
from collections.abc import Hashable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import StrongroomError
    from .secret import Secret


class Flight:
    """One request under way, and its outcome once `landed`.

    `current` turns False when the path is invalidated meanwhile: the answer then goes to those who waited for it,
    and not into the cache.
    """

    def __init__(self) -> None:
        self._landed = threading.Event()
        self.current = True
        self.secret: Secret | None = None
        self.error: StrongroomError | None = None

    def land(self) -> None:
        """Let the waiting go on."""
        self._landed.set()

    def wait(self, timeout: timedelta) -> bool:
        """Wait until the flight has landed; False when it has not after `timeout`."""
        return self._landed.wait(max(0.0, timeout.total_seconds()))


class Flights:
    """The requests under way, by cache key. Thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all flights: in a forked child, nobody flies them."""
        self._lock = threading.Lock()
        self._flights: dict[Hashable, tuple[str, Flight]] = {}

    def join(self, key: Hashable, *, path: str) -> tuple[Flight, bool]:
        """The flight for a key, and whether the caller leads it: who leads must call `end`."""
        with self._lock:
            known = self._flights.get(key)
            if known is not None:
                return known[1], False
            flight = Flight()
            self._flights[key] = path, flight
            return flight, True

    def end(self, key: Hashable, flight: Flight) -> None:
        """Take the flight off and let the waiting go on."""
        with self._lock:
            if self._flights.get(key, (None, None))[1] is flight:
                del self._flights[key]
        flight.land()

    def detach(self, path: str | None) -> None:
        """Let nobody else join the flights of a path, or of all: what they bring may be older than the caller wants."""
        with self._lock:
            for key, (flown, flight) in list(self._flights.items()):
                if path is None or flown == path:
                    flight.current = False
                    del self._flights[key]
