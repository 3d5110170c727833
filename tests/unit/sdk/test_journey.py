"""The order, the time-outs and the end of a call's attempts."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from strongroom import (
    AccessDenied,
    Attempt,
    AttemptTimedOut,
    AuditUnavailable,
    ConnectionFailed,
    DeadlineExceeded,
    NotFound,
    NotWriter,
    Region,
    ReplicaBehind,
    StrongroomError,
    Throttled,
    Unavailable,
)
from strongroom.breaker import Breaker
from strongroom.journey import ROUNDS, Journey
from tests.unit.sdk.scripted_region import Clock

NAMES = ("us-east-1", "us-west-2", "eu-west-1")
EAST, WEST, EUROPE = NAMES
REGIONS = tuple(Region(name=name, endpoint=f"https://{name}.example/v1") for name in NAMES)

Fate = StrongroomError | str
Ask = Callable[[Region, timedelta], str]


class World:
    """Regions whose answers a test lists; it keeps who was asked, and with which time-out."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.breakers = {name: Breaker(clock=lambda: clock.now, jitter=clock.jitter) for name in NAMES}
        self.fates: dict[str, list[Fate]] = {name: ["ok"] for name in NAMES}
        self.asked: list[tuple[str, float]] = []

    def ask(self, region: Region, timeout: timedelta) -> str:
        self.asked.append((region.name, timeout.total_seconds()))
        fates = self.fates[region.name]
        fate = fates.pop(0) if len(fates) > 1 else fates[0]
        if isinstance(fate, AttemptTimedOut):
            self.clock.pass_(timeout)
        if isinstance(fate, StrongroomError):
            fate.region = region.name
            raise fate
        return f"{region.name} {fate}"

    def journey(self, deadline: float = 3, *, regions: int = 3) -> Journey:
        return Journey(
            REGIONS[:regions],
            self.breakers,
            deadline=timedelta(seconds=deadline),
            surroundings=self.clock.surroundings,
        )

    @property
    def order(self) -> list[str]:
        return [name for name, _ in self.asked]


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock)


def open_(breaker: Breaker) -> None:
    breaker.failed()
    breaker.failed()


def test_the_first_region_that_answers_is_the_last_asked(world: World) -> None:
    """Regions are asked in their order."""
    assert world.journey().read(world.ask) == "us-east-1 ok"
    assert world.order == [EAST]


@pytest.mark.parametrize(
    "failure", [ConnectionFailed("x"), Unavailable("x"), AuditUnavailable("x"), Throttled("x"), ReplicaBehind("x")]
)
def test_failures_move_on(world: World, failure: StrongroomError) -> None:
    """Network errors, 5xx, throttling and replicas that are behind."""
    world.fates[EAST] = [failure]
    assert world.journey().read(world.ask) == "us-west-2 ok"


@pytest.mark.parametrize("decision", [AccessDenied("x"), NotFound("x"), StrongroomError("x")])
def test_decisions_do_not(world: World, decision: StrongroomError) -> None:
    """A 4xx is an answer, from whichever region it comes; what failed before is told with it."""
    world.fates[EAST] = [decision]
    with pytest.raises(type(decision)):
        world.journey().read(world.ask)
    assert world.order == [EAST]
    world.fates = {EAST: [Unavailable("x")], WEST: [decision], EUROPE: ["ok"]}
    with pytest.raises(type(decision)) as caught:
        world.journey().read(world.ask)
    assert caught.value.attempts == (Attempt(EAST, "unavailable"), Attempt(WEST, decision.code))


def test_a_region_that_swallows_requests_leaves_time_for_the_others(world: World) -> None:
    """Each gets an even share of what is left."""
    world.fates[EAST] = [AttemptTimedOut("x")]
    world.fates[WEST] = [AttemptTimedOut("x")]
    assert world.journey().read(world.ask) == "eu-west-1 ok"
    assert [timeout for _, timeout in world.asked] == [1, 1, 1]


def test_what_a_region_leaves_the_next_may_use(world: World) -> None:
    """A quick failure costs no time."""
    world.fates[EAST] = [ConnectionFailed("x")]
    world.journey(regions=2).read(world.ask)
    assert [timeout for _, timeout in world.asked] == [1.5, 3]


def test_the_deadline_ends_the_call(world: World) -> None:
    """When every share was used up, the error says so, and what was tried."""
    for name in NAMES:
        world.fates[name] = [AttemptTimedOut("x")]
    begun = world.clock.now
    with pytest.raises(DeadlineExceeded) as caught:
        world.journey().read(world.ask)
    assert world.clock.now - begun == pytest.approx(3)
    assert caught.value.attempts == tuple(Attempt(name, "timed_out") for name in NAMES)
    assert caught.value.retryable


def test_rounds_are_few_and_apart(world: World, clock: Clock) -> None:
    """Quick failures are tried again after full-jitter pauses, and then told as what they were."""
    world.fates[EAST] = world.fates[WEST] = [AuditUnavailable("x")]
    with pytest.raises(AuditUnavailable) as caught:
        world.journey(regions=2).read(world.ask)
    assert world.order == [EAST, WEST] * ROUNDS
    assert len(caught.value.attempts) == 2 * ROUNDS
    assert clock.pauses == [0.1, 0.2, 0.4]


def test_a_pause_that_does_not_fit_is_not_taken(world: World, clock: Clock) -> None:
    """Throttled everywhere for longer than the deadline: the caller learns it now."""
    for name in NAMES:
        world.fates[name] = [Throttled("x", details={"retryAfterSeconds": 5})]
    with pytest.raises(Throttled) as caught:
        world.journey().read(world.ask)
    assert caught.value.retry_after == timedelta(seconds=5)
    assert clock.pauses == []
    assert len(world.asked) == 3


def test_a_throttled_region_is_given_the_time_that_it_asks_for(world: World, clock: Clock) -> None:
    """If the deadline allows it."""
    world.fates[EAST] = [Throttled("x", details={"retryAfterSeconds": 1}), "ok"]
    assert world.journey(regions=1).read(world.ask) == "us-east-1 ok"
    assert clock.pauses == [1]


def test_a_replica_that_is_behind_sends_to_the_writer(world: World) -> None:
    """The region named in the answer is asked next, whatever its place."""
    world.fates[EAST] = [ReplicaBehind("x", details={"writerRegion": EUROPE})]
    assert world.journey().read(world.ask) == "eu-west-1 ok"
    assert world.order == [EAST, EUROPE]


def test_a_writer_that_is_not_configured_is_no_obstacle(world: World) -> None:
    """The others are asked in order."""
    world.fates[EAST] = [ReplicaBehind("x", details={"writerRegion": "ap-south-1"})]
    assert world.journey().read(world.ask) == "us-west-2 ok"


def test_open_regions_come_last(world: World) -> None:
    """And are asked all the same when nobody else answers."""
    open_(world.breakers[EAST])
    assert world.journey(regions=2).read(world.ask) == "us-west-2 ok"
    assert world.asked == [(WEST, 3)]
    world.fates[WEST] = [Unavailable("x")]
    assert world.journey(regions=2).read(world.ask) == "us-east-1 ok"


def test_a_probe_is_short(world: World, clock: Clock) -> None:
    """The request that tries a failed region goes on after a second, and only one request does that."""
    open_(world.breakers[EAST])
    clock.pass_(timedelta(seconds=1))
    world.fates[EAST] = [AttemptTimedOut("x")]
    assert world.journey(regions=2).read(world.ask) == "us-west-2 ok"
    assert world.asked == [(EAST, 1), (WEST, 2)]
    assert world.journey(regions=2).read(world.ask) == "us-west-2 ok"
    assert world.order[2:] == [WEST]


def test_with_all_regions_open_each_is_asked_once(world: World, clock: Clock) -> None:
    """An outage is not made worse by repeating."""
    for name in NAMES:
        open_(world.breakers[name])
        world.fates[name] = [Unavailable("x")]
    with pytest.raises(Unavailable):
        world.journey().read(world.ask)
    assert sorted(world.order) == sorted(NAMES)
    assert clock.pauses == []


def test_writes_follow_the_named_writer_once(world: World) -> None:
    """And end with `NotWriter` when that one does not write either."""
    world.fates[EAST] = [NotWriter("x", details={"writerRegion": EUROPE})]
    assert world.journey().write(world.ask) == "eu-west-1 ok"
    assert world.order == [EAST, EUROPE]
    world.fates[EUROPE] = [NotWriter("x", details={"writerRegion": WEST})]
    with pytest.raises(NotWriter) as caught:
        world.journey().write(world.ask)
    assert caught.value.writer_region == WEST
    assert world.order[2:] == [EAST, EUROPE]


def test_a_writer_that_is_not_configured_ends_the_write(world: World) -> None:
    """The client cannot reach it."""
    world.fates[EAST] = [NotWriter("x", details={"writerRegion": "ap-south-1"})]
    with pytest.raises(NotWriter):
        world.journey().write(world.ask)
    assert world.order == [EAST]


def test_a_write_finds_the_writer_after_a_promotion(world: World) -> None:
    """The old writer is down, another region takes the write."""
    world.fates[EAST] = [ConnectionFailed("x")]
    assert world.journey().write(world.ask) == "us-west-2 ok"


def test_a_replica_that_names_the_failed_writer_does_not_hide_the_failure(world: World) -> None:
    """The caller learns that the writer is down, after each round asked it again."""
    down = ConnectionFailed("x")
    world.fates[EAST] = [down]
    world.fates[WEST] = [NotWriter("x", details={"writerRegion": EAST})]
    with pytest.raises(ConnectionFailed) as caught:
        world.journey(regions=2).write(world.ask)
    assert caught.value is down
    assert world.order == [EAST, WEST] * ROUNDS
    world.fates[EAST] = [ConnectionFailed("x"), "ok"]
    assert world.journey(regions=2).write(world.ask) == "us-east-1 ok"


@pytest.mark.parametrize("decision", [AccessDenied("x"), StrongroomError("x")])
def test_decisions_end_writes(world: World, decision: StrongroomError) -> None:
    """Nobody else is asked."""
    world.fates[EAST] = [decision]
    with pytest.raises(type(decision)):
        world.journey().write(world.ask)
    assert world.order == [EAST]
