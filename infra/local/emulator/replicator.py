"""The queues behind the replication knob: lag, pause and reorder what arrives in a region.

MiniStack copies each write to the other regions within the call. Here a write waits in the destination's queue until
it is due. Conflicts are settled as in DynamoDB's eventually consistent global tables: the later write wins, silently,
so an older one that arrives late is dropped.
"""

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class Knob:
    """How writes reach one region."""

    lag_seconds: float = 0.0
    paused: bool = False
    reorder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One item's change on its way to a region."""

    account: str
    source: str
    destination: str
    table: str
    key: str
    written_at: int
    due: float
    apply: Callable[[], None]


@dataclass(slots=True)
class Replicator:
    """The queues of the writes that wait, by destination; used from the emulator's event loop only."""

    clock: Callable[[], float] = time.monotonic
    order: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - order, not secrecy
    knobs: dict[str, Knob] = field(default_factory=dict)
    queues: dict[str, list[Write]] = field(default_factory=dict)
    latest: dict[tuple[str, str, str, str], int] = field(default_factory=dict)
    wake: Callable[[float], None] = field(default=lambda _delay: None)
    _sequence: int = 0

    def stamp(self) -> int:
        """A number that grows with every write of the emulator, in place of a wall clock."""
        self._sequence += 1
        return self._sequence

    def note_local(self, *, account: str, region: str, table: str, key: str, written_at: int) -> None:
        """Remember when an item was last written in its own region."""
        self.latest[account, region, table, key] = written_at

    def send(self, write: Write) -> None:
        """Apply a write now, or queue it as the destination's knob says."""
        knob = self.knobs.get(write.destination, Knob())
        waiting = self.queues.setdefault(write.destination, [])
        if not waiting and not knob.paused and not knob.reorder and knob.lag_seconds <= 0:
            self._apply(write)
            return
        waiting.append(write)
        if not knob.paused:
            self.wake(max(0.0, write.due - self.clock()))

    def delay_of(self, region: str) -> float:
        """Seconds that a write written now waits before it may arrive."""
        return self.knobs.get(region, Knob()).lag_seconds

    def deliver_due(self) -> None:
        """Apply what is due in every region that is not paused, and ask to be woken for the rest."""
        now = self.clock()
        for region, waiting in self.queues.items():
            knob = self.knobs.get(region, Knob())
            if knob.paused or not waiting:
                continue
            due = [write for write in waiting if write.due <= now]
            waiting[:] = [write for write in waiting if write.due > now]
            if knob.reorder:
                self.order.shuffle(due)
            for write in due:
                self._apply(write)
            if waiting:
                self.wake(min(write.due for write in waiting) - now)

    def step(self, region: str, count: int) -> int:
        """Apply up to `count` waiting writes, also while paused: the oldest, or any when reordering."""
        waiting = self.queues.get(region, [])
        knob = self.knobs.get(region, Knob())
        applied = 0
        while waiting and applied < count:
            index = self.order.randrange(len(waiting)) if knob.reorder else 0
            self._apply(waiting.pop(index))
            applied += 1
        return applied

    def configure(self, region: str, knob: Knob, *, seed: int | None = None) -> None:
        """Set a region's knob; what no longer has to wait arrives at once."""
        self.knobs[region] = knob
        if seed is not None:
            self.order = random.Random(seed)  # noqa: S311 - order, not secrecy
        if not knob.paused:
            self.deliver_due()

    def reset(self) -> None:
        """Replicate at once everywhere again, with nothing left waiting."""
        self.knobs.clear()
        for region, waiting in self.queues.items():
            self.step(region, len(waiting))

    def state(self) -> dict[str, dict[str, Any]]:
        """Each region's knob and how many writes wait for it."""
        regions = sorted({*self.knobs, *self.queues})
        return {
            region: {
                "lagMs": round(self.delay_of(region) * 1000),
                **{k: v for k, v in asdict(self.knobs.get(region, Knob())).items() if k != "lag_seconds"},
                "waiting": len(self.queues.get(region, [])),
            }
            for region in regions
        }

    def _apply(self, write: Write) -> None:
        """The later write wins; an older one is dropped without a word, as on AWS."""
        slot = (write.account, write.destination, write.table, write.key)
        if self.latest.get(slot, 0) > write.written_at:
            return
        self.latest[slot] = write.written_at
        write.apply()
