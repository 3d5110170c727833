"""How often memory served what: counted without a lock, so that a hit stays as cheap as a look-up.

Each cached answer has a tally, whose `hits` every hit advances by one: a single call into C, which loses no count
whatever threads do. Who looks at a tally advances it as well, and leaves that out.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

MOST_KEPT: Final = 4096
"""Tallies of answers that are no longer cached, and versions whose counts wait: beyond it the oldest leave."""

Version = tuple[str, int]
"""A secret's path and a version number."""


@dataclass(slots=True, eq=False)
class Tally:
    """The reads of one cached answer. All but `hits` belongs to whoever holds the cache's lock."""

    version: Version
    hits: Iterator[int] = field(default_factory=itertools.count)
    used: bool = False
    """Spares the answer the next eviction."""
    _unreported: int = 0
    _next: int = 0

    def look(self) -> None:
        """Take over the hits since the last look."""
        reached = next(self.hits)
        new = reached - self._next
        self._next = reached + 1
        self._unreported += new
        self.used = self.used or new > 0

    def take(self) -> int:
        """The hits that were not taken yet."""
        self.look()
        taken, self._unreported = self._unreported, 0
        return taken


class ReadCounts:
    """Reads since the last collection, beside those in the tallies of what is cached now. Its owner holds a lock."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        # A thread may hold an answer that has just left the cache, and count its hit a moment later.
        self._retired: list[Tally] = []
        self._counts: Counter[Version] = Counter()

    def retire(self, tally: Tally) -> None:
        """The tally's answer is no longer cached."""
        if not self._enabled:
            return
        self._retired.append(tally)
        if len(self._retired) > MOST_KEPT:
            self._add(self._retired[0].version, self._retired.pop(0).take())

    def note(self, version: Version) -> None:
        """One read that memory served outside a tally: a shared answer, or one past its time."""
        if self._enabled:
            self._add(version, 1)

    def collect(self, cached: Iterable[Tally]) -> dict[Version, int]:
        """All reads since the last collection, by version."""
        for tally in (*self._retired, *cached):
            self._add(tally.version, tally.take())
        self._retired.clear()
        counts, self._counts = self._counts, Counter()
        return dict(counts)

    def _add(self, version: Version, reads: int) -> None:
        if reads and (version in self._counts or len(self._counts) < MOST_KEPT):
            self._counts[version] += reads
