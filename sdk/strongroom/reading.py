"""The way of a read that the cache cannot answer: single flight, the regions, and stale answers in an outage."""

import copy
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from .cache import Cache, cache_key
from .errors import (
    AccessDenied,
    Conflict,
    DeadlineExceeded,
    NotFound,
    ReplicaBehind,
    StrongroomError,
    TryLater,
    VersionGone,
)
from .flights import Flight, Flights
from .paths import CURRENT, Token, format_token, parse_token
from .responses import parse_secret
from .router import Router
from .secret import Secret
from .signing import Call
from .surroundings import Surroundings

_log: Final = logging.getLogger("strongroom")

DECISIONS: Final = (AccessDenied, NotFound, VersionGone, Conflict)
"""Refusals after which a value that was cached must not be served any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One read: a path, which version of it, and how new its state must be."""

    path: str
    version: str
    at_least: Token | None

    @property
    def key(self) -> Hashable:
        """The key of the answer in the cache."""
        return cache_key(self.path, self.version)


class Reader:
    """Reads single secrets through cache, single flight and regions. Thread-safe."""

    def __init__(
        self,
        *,
        cache: Cache,
        router: Router,
        surroundings: Surroundings,
        headers: dict[str, str],
        kept: Callable[[], None],
    ) -> None:
        self._cache = cache
        self._kept = kept
        self._router = router
        self._around = surroundings
        self._headers = headers
        self._flights = Flights()

    def reset_after_fork(self) -> None:
        """Forget the flights of the parent's threads."""
        self._flights.reset()

    def detach(self, path: str | None) -> None:
        """Keep what is under way for a path, or for all, out of the cache."""
        self._flights.detach(path)

    def read(self, wanted: Wanted, *, deadline: timedelta) -> Secret:
        """The secret, within the deadline. Raises `StrongroomError`."""
        ends = self._around.clock() + deadline.total_seconds()
        while True:
            left = timedelta(seconds=ends - self._around.clock())
            flight, leads = self._flights.join(wanted.key, path=wanted.path)
            if leads:
                return self._lead(flight, wanted, deadline=left)
            if not flight.wait(left):
                raise DeadlineExceeded(f"no region answered within {deadline.total_seconds():g} s")
            if flight.secret is not None and is_new_enough(flight.secret, wanted.at_least):
                self._cache.note_read(flight.secret)
                return flight.secret
            if flight.error is not None and not isinstance(flight.error, DeadlineExceeded):
                # A copy: raising one exception in several threads would mix up their tracebacks.
                raise copy.copy(flight.error)
            # The leader was interrupted, less patient, or content with less: ask again.

    def _lead(self, flight: Flight, wanted: Wanted, *, deadline: timedelta) -> Secret:
        try:
            flight.secret = self._look(flight, wanted, deadline=deadline)
        except StrongroomError as error:
            flight.error = error
            raise
        finally:
            self._flights.end(wanted.key, flight)
        return flight.secret

    def _look(self, flight: Flight, wanted: Wanted, *, deadline: timedelta) -> Secret:
        entry = self._cache.entries.get(wanted.key)
        if (
            entry is not None
            and self._around.clock() < entry.fresh_until
            and is_new_enough(entry.secret, wanted.at_least)
        ):
            next(entry.hits)
            return entry.secret  # another flight landed between the caller's look and this one's start
        if self._router.all_open() and (stale := self.stale(wanted, code="regions_open")) is not None:
            return stale
        at_least = newest(wanted.at_least, self._cache.newest_seen(wanted.path))
        try:
            secret = self._router.read(
                lambda: self._call(wanted, at_least),
                lambda response: _checked(parse_secret(response, path=wanted.path), at_least),
                deadline=deadline,
            )
        except TryLater as error:
            stale = self.stale(wanted, code=error.code)
            if stale is None:
                raise
            return stale
        except DECISIONS:
            self._cache.drop(wanted.key)
            raise
        self.keep(secret, version=wanted.version, wanted=lambda: flight.current)
        return secret

    def keep(self, secret: Secret, *, version: str, wanted: Callable[[], bool]) -> None:
        """Cache an answer."""
        token = parse_token(secret.consistency_token)
        self._cache.store(cache_key(secret.path, version), secret, token, wanted=wanted)
        self._kept()

    def stale(self, wanted: Wanted, *, code: str) -> Secret | None:
        """An earlier answer, for want of a new one; said in the log."""
        secret = self._cache.stale(wanted.key, at_least=wanted.at_least)
        if secret is not None:
            _log.warning("no region answers (%s): serving %s from the cache past its time", code, wanted.path)
        return secret

    def _call(self, wanted: Wanted, at_least: Token | None) -> Call:
        query = {} if wanted.version == CURRENT else {"version": wanted.version}
        if at_least is not None:
            query["minToken"] = format_token(at_least)
        return Call(method="GET", path=f"/values/{wanted.path}", query=query, headers=self._headers)


def newest(*tokens: Token | None) -> Token | None:
    """The highest of some tokens; None when there is none."""
    return max((token for token in tokens if token is not None), default=None)


def is_new_enough(secret: Secret, at_least: Token | None) -> bool:
    """Whether a secret's state is the one asked for, or a later one."""
    return at_least is None or parse_token(secret.consistency_token) >= at_least


def _checked(secret: Secret, at_least: Token | None) -> Secret:
    if not is_new_enough(secret, at_least):
        raise ReplicaBehind("the region answered with an older state than asked for", region=secret.region)
    return secret
