"""What a client remembers: secrets for a while, and the newest state seen of each path.

A hit takes no lock: it is one look-up in a dict, which the interpreter makes atomic, and one comparison of times.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from .cached_reads import ReadCounts, Tally, Version
from .paths import CURRENT, Token
from .secret import Secret
from .surroundings import Surroundings

TTL_JITTER: Final = 0.1
"""Part of the time to live by which entries differ, so that a fleet that started together does not return together."""
SEEN_PER_ENTRY: Final = 10
"""Paths whose newest state is remembered, for each entry of the cache's capacity."""


def cache_key(path: str, version: str) -> Hashable:
    """The key of an entry. That of the current version is the path itself: no tuple is made on a hit."""
    return path if version == CURRENT else (path, version)


@dataclass(slots=True, kw_only=True)
class Entry:
    """A cached secret. Times are monotonic seconds; who serves it from memory advances `hits`, which is the tally's."""

    secret: Secret
    token: Token
    fresh_until: float
    stale_until: float
    tally: Tally
    hits: Iterator[int]


class Cache:
    """Bounded memory of secrets. Thread-safe; entries are read without a lock through `entries`."""

    def __init__(
        self,
        *,
        ttl: timedelta,
        stale_limit: timedelta,
        capacity: int,
        surroundings: Surroundings,
        counts_reads: bool = False,
    ) -> None:
        self.entries: dict[Hashable, Entry] = {}
        self.generation = 0  # counts invalidations, so that an answer under way can tell that one happened
        self._ttl = ttl.total_seconds()
        self._stale_limit = stale_limit.total_seconds()
        self._capacity = capacity
        self._around = surroundings
        self._seen: dict[str, Token] = {}
        self._counts = ReadCounts(enabled=counts_reads)
        self._lock = threading.Lock()

    def reset_after_fork(self) -> None:
        """Replace the lock; a thread that held it does not exist here, and may have left things half done."""
        if self._lock.locked():
            self.entries.clear()
        self._lock = threading.Lock()
        self.collect_reads()  # the parent's, which it reports itself

    def collect_reads(self) -> dict[Version, int]:
        """How many reads memory has served since the last collection, by version."""
        with self._lock:
            return self._counts.collect([entry.tally for entry in self.entries.values()])

    def note_read(self, secret: Secret) -> None:
        """Count a read that was served without a request of its own, past `entries`."""
        with self._lock:
            self._counts.note((secret.path, secret.version_number))

    def newest_seen(self, path: str) -> Token | None:
        """The highest consistency token that any answer for this path had."""
        return self._seen.get(path)

    def saw(self, path: str, token: Token) -> None:
        """Remember a state; entries of older states of the same path leave."""
        with self._lock:
            self._saw(path, token)

    def _saw(self, path: str, token: Token) -> None:
        before = self._seen.get(path)
        if before is not None and before >= token:
            return
        self._seen.pop(path, None)  # to the end of the dict: it is the last to be forgotten
        self._seen[path] = token
        while len(self._seen) > max(1, self._capacity) * SEEN_PER_ENTRY:
            del self._seen[next(iter(self._seen))]
        if before is not None:
            self._drop_where(path, older_than=token)

    def store(self, key: Hashable, secret: Secret, token: Token, *, wanted: Callable[[], bool]) -> None:
        """Remember an answer, unless a newer state of its path was seen meanwhile or it is not `wanted` any more."""
        now = self._around.clock()
        ttl = self._ttl * self._around.jitter(1 - TTL_JITTER, 1 + TTL_JITTER)
        readable = float("inf")
        if secret.expires_at is not None:
            readable = now + secret.expires_at.timestamp() - self._around.wall_clock()
        with self._lock:
            self._saw(secret.path, token)
            if token < self._seen[secret.path] or self._capacity == 0 or not wanted():
                return
            self._remove(key)
            self._evict(now)
            tally = Tally((secret.path, secret.version_number))
            self.entries[key] = Entry(
                tally=tally,
                hits=tally.hits,
                secret=secret,
                token=token,
                fresh_until=min(now + ttl, readable),
                stale_until=min(now + ttl + self._stale_limit, readable),
            )

    def stale(self, key: Hashable, *, at_least: Token | None) -> Secret | None:
        """The entry past its time, marked as stale, if it is within the limit and new enough."""
        entry = self.entries.get(key)
        if entry is None or self._around.clock() >= entry.stale_until:
            return None
        if at_least is not None and entry.token < at_least:
            return None
        self.note_read(entry.secret)
        return replace(entry.secret, stale=True)

    def drop(self, key: Hashable) -> None:
        """Forget one entry."""
        with self._lock:
            self._remove(key)

    def drop_path(self, path: str) -> None:
        """Forget the secrets of a path, all versions; its newest state stays known."""
        with self._lock:
            self.generation += 1
            self._drop_where(path, older_than=None)

    def clear(self) -> None:
        """Forget all secrets; the newest states stay known."""
        with self._lock:
            self.generation += 1
            self._remove_all()

    def close(self) -> None:
        """Forget all secrets, and keep none from now on."""
        with self._lock:
            self._capacity = 0
            self._remove_all()

    def _remove(self, key: Hashable) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._counts.retire(entry.tally)

    def _remove_all(self) -> None:
        for key in list(self.entries):
            self._remove(key)

    def _drop_where(self, path: str, *, older_than: Token | None) -> None:
        for key, entry in list(self.entries.items()):
            if entry.secret.path == path and (older_than is None or entry.token < older_than):
                self._remove(key)

    def _evict(self, now: float) -> None:
        """Let go of what is past all use, then of the oldest that nobody used since the last look (second chance)."""
        for key, entry in list(self.entries.items()):
            if now >= entry.stale_until:
                self._remove(key)
        while len(self.entries) >= self._capacity:
            key, entry = next(iter(self.entries.items()))
            entry.tally.look()
            if entry.tally.used:
                entry.tally.used = False
                self.entries[key] = self.entries.pop(key)  # to the end of the dict
            else:
                self._remove(key)
