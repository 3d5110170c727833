"""Reports reads that memory served to the audit: now and then in the background, and when the client is closed.

A report is a courtesy to whoever reads the audit, and never in the application's way: no error of it gets out, and
counts that could not be told wait for the next time, up to a day.
"""

import logging
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from .cache import Cache
from .cached_reads import MOST_KEPT, Version
from .errors import CredentialsError, StrongroomError, TryLater
from .responses import parse_report
from .router import Router
from .signing import Call, json_body
from .surroundings import Surroundings

MAX_ITEMS: Final = 50
"""In one report."""
MAX_COUNT: Final = 1_000_000_000
OLDEST: Final = timedelta(hours=23)
"""The platform takes reports about the last day."""
DEADLINE: Final = timedelta(seconds=3)
CLOSING_DEADLINE: Final = timedelta(seconds=1)
_JITTER: Final = 0.1

_log: Final = logging.getLogger("strongroom")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Reads of one version that were not reported yet. Times are seconds since 1970."""

    count: int
    since: float
    until: float


class Reporter:
    """Reports the reads of one cache. Thread-safe; nothing of it raises."""

    def __init__(
        self,
        *,
        cache: Cache,
        router: Router,
        surroundings: Surroundings,
        headers: Mapping[str, str],
        interval: timedelta,
    ) -> None:
        self._cache = cache
        self._router = router
        self._around = surroundings
        self._headers = headers
        self._interval = interval.total_seconds()
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Begin anew: what the parent has counted it reports itself, and its thread is not here."""
        self._sending = threading.Lock()
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._waiting: dict[Version, _Waiting] = {}
        self._since = self._around.wall_clock()

    def start(self) -> None:
        """See to it that reports are made; called whenever something is cached."""
        if self._thread is not None or not self._interval or self._stop.is_set():
            return
        with self._starting:
            if self._thread is None:
                pause = self._interval * self._around.jitter(1 - _JITTER, 1 + _JITTER)
                # It holds no reference that would keep a forgotten client alive.
                thread = threading.Thread(
                    target=_report_now_and_then,
                    args=(weakref.ref(self), self._stop, pause),
                    name="strongroom-reports",
                    daemon=True,
                )
                try:
                    thread.start()
                except RuntimeError:
                    # The interpreter is ending, or may start no thread: the read that led here goes on.
                    return
                self._thread = thread

    def close(self) -> None:
        """A last report, and no more."""
        self._stop.set()
        self.report(deadline=CLOSING_DEADLINE)

    def report(self, *, deadline: timedelta = DEADLINE) -> None:
        """Report now what was served from memory since the last report."""
        if not self._interval or not self._sending.acquire(timeout=deadline.total_seconds()):
            return
        try:
            self._collect()
            while self._waiting and not self._router.all_open():
                self._send(deadline)
        except (TryLater, CredentialsError) as error:
            _log.debug("cached reads were not reported and wait (%s)", error.code)
        except StrongroomError as error:
            # A decision: this platform does not take them from this caller.
            self._waiting.clear()
            _log.info("reports of cached reads are refused (%s)", error.code)
        except Exception as error:  # noqa: BLE001  # whatever it is, the application did not ask for it
            self._waiting.clear()
            _log.warning("cached reads could not be reported (%s)", type(error).__name__)
        finally:
            self._sending.release()

    def _collect(self) -> None:
        now = self._around.wall_clock()
        oldest = now - OLDEST.total_seconds()
        since, self._since = max(min(self._since, now), oldest), now
        self._waiting = {version: it for version, it in self._waiting.items() if it.since >= oldest}
        for version, count in self._cache.collect_reads().items():
            before = self._waiting.get(version)
            if before is None and len(self._waiting) >= MOST_KEPT:
                continue
            known = before or _Waiting(0, since, now)
            self._waiting[version] = _Waiting(min(known.count + count, MAX_COUNT), min(known.since, since), now)

    def _send(self, deadline: timedelta) -> None:
        chunk = list(self._waiting.items())[:MAX_ITEMS]
        body = json_body({"items": [_item(version, waiting) for version, waiting in chunk]})
        call = Call(method="POST", path="/audit/cached-reads", body=body, headers=self._headers)
        self._router.read(lambda: call, parse_report, deadline=deadline)
        for version, _ in chunk:
            del self._waiting[version]


def _item(version: Version, waiting: _Waiting) -> dict[str, object]:
    path, number = version
    return {
        "secretPath": path,
        "versionNumber": number,
        "count": waiting.count,
        "from": _time(waiting.since),
        "to": _time(waiting.until),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _report_now_and_then(reference: "weakref.ref[Reporter]", stop: threading.Event, pause: float) -> None:
    while not stop.wait(pause):
        reporter = reference()
        if reporter is None:
            return
        reporter.report()
        del reporter
