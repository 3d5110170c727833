"""The circuit breaker: open with the first failure, one trial after a while, closed by its success."""

from datetime import timedelta

import pytest

from strongroom_service.adapters.breaker import CircuitBreaker


class Time:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def breaker(time: Time) -> CircuitBreaker:
    return CircuitBreaker(open_for=timedelta(seconds=30), monotonic=time)


def test_a_breaker_that_saw_no_failure_admits_everyone(breaker: CircuitBreaker) -> None:
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True] * 3


def test_a_failure_keeps_calls_away_until_its_time_is_over(breaker: CircuitBreaker, time: Time) -> None:
    breaker.failed()
    time.seconds = 29.9
    assert not breaker.admits()
    time.seconds = 30.0
    assert breaker.admits()


def test_one_of_those_who_wait_may_try(breaker: CircuitBreaker, time: Time) -> None:
    """The others would all wait for the same time-out."""
    breaker.failed()
    time.seconds = 31.0
    assert [breaker.admits() for _ in range(5)] == [True, False, False, False, False]


def test_the_trials_success_lets_everyone_in(breaker: CircuitBreaker, time: Time) -> None:
    breaker.failed()
    time.seconds = 31.0
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True] * 3


def test_the_trials_failure_keeps_everyone_away_again(breaker: CircuitBreaker, time: Time) -> None:
    breaker.failed()
    time.seconds = 31.0
    assert breaker.admits()
    breaker.failed()
    time.seconds = 60.0
    assert not breaker.admits()


def test_a_trial_that_never_reports_back_is_followed_by_another(breaker: CircuitBreaker, time: Time) -> None:
    """An environment can be frozen in the middle of it."""
    breaker.failed()
    time.seconds = 31.0
    assert breaker.admits()
    time.seconds = 62.0
    assert breaker.admits()
