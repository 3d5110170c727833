"""A breaker opens after failures in a row, and lets one probe through after a jittered, growing pause."""

from datetime import timedelta

import pytest

from strongroom.breaker import FAILURES_TO_OPEN, LONGEST_PAUSE, PROBE_LOST, Breaker, State
from tests.unit.sdk.scripted_region import Clock

SECOND = timedelta(seconds=1)


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock=lambda: clock.now, jitter=clock.jitter)


def trip(breaker: Breaker) -> None:
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed()


def test_one_failure_is_chance(breaker: Breaker) -> None:
    """It takes failures in a row; a success in between starts the count again."""
    assert not breaker.failed()
    breaker.succeeded()
    assert not breaker.failed()
    assert breaker.enter() is State.CLOSED
    assert breaker.failed()
    assert breaker.enter() is State.OPEN


def test_one_probe_at_a_time(breaker: Breaker, clock: Clock) -> None:
    """When the pause is over the first request is the probe, and the others find the breaker open."""
    trip(breaker)
    clock.pass_(SECOND)
    assert breaker.state is State.HALF_OPEN
    assert breaker.enter() is State.HALF_OPEN
    assert breaker.enter() is State.OPEN
    breaker.succeeded()
    assert breaker.enter() is State.CLOSED


def test_pauses_grow_to_a_limit_and_differ(breaker: Breaker, clock: Clock) -> None:
    """Each failed probe doubles the pause; where in its upper half it falls is chance."""
    trip(breaker)
    pauses = []
    for point in (0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        clock.point = point
        clock.pass_(timedelta(minutes=1))
        assert breaker.enter() is State.HALF_OPEN
        breaker.failed()
        begun = clock.now
        while breaker.state is State.OPEN:
            clock.now += 0.125
        pauses.append(clock.now - begun)
    assert pauses == [1, 4, 4, 16, *[LONGEST_PAUSE.total_seconds()] * 4]


def test_a_success_forgets_how_long_the_pauses_were(breaker: Breaker, clock: Clock) -> None:
    """The next outage starts with a short pause again."""
    for _ in range(6):
        trip(breaker)
        clock.pass_(timedelta(minutes=1))
    breaker.succeeded()
    trip(breaker)
    clock.pass_(SECOND)
    assert breaker.state is State.HALF_OPEN


def test_failures_of_requests_under_way_do_not_lengthen_the_pause(breaker: Breaker, clock: Clock) -> None:
    """Ten threads that time out together are one event."""
    for _ in range(10):
        breaker.failed()
    clock.pass_(SECOND)
    assert breaker.state is State.HALF_OPEN


def test_a_probe_that_tells_nothing_frees_its_place(breaker: Breaker, clock: Clock) -> None:
    """Be it that it says so, or that its thread died."""
    trip(breaker)
    clock.pass_(SECOND)
    assert breaker.enter() is State.HALF_OPEN
    breaker.abandoned()
    assert breaker.enter() is State.HALF_OPEN
    clock.pass_(PROBE_LOST)
    assert breaker.enter() is State.HALF_OPEN
