import pytest

from tests.bench.herd.limits import TokenBucket
from tests.bench.herd.virtual_time import VirtualTime


def test_time_passes_only_while_everybody_waits() -> None:
    time = VirtualTime()
    seen: list[tuple[str, float]] = []

    def caller(name: str, seconds: float) -> None:
        for _ in range(2):
            time.sleep(seconds)
            seen.append((name, time.now()))

    time.start(lambda: caller("slow", 3))
    time.start(lambda: caller("quick", 1), after=0.5)
    time.run(until=10)
    assert seen == [("quick", 1.5), ("quick", 2.5), ("slow", 3), ("slow", 6)]
    assert time.now() == 10


def test_what_would_happen_after_the_end_does_not() -> None:
    time = VirtualTime()
    seen: list[float] = []
    time.start(lambda: seen.append(time.now()), after=5)
    time.run(until=4)
    assert seen == []


def test_a_result_reaches_who_asked_for_it() -> None:
    time = VirtualTime()
    seen: list[tuple[str, float]] = []

    def work() -> str:
        time.sleep(2)
        return "result"

    time.start(lambda: seen.append((time.ask(work, timeout=3), time.now())))
    time.run(until=10)
    assert seen == [("result", 2)]


def test_who_stops_waiting_goes_on_and_the_work_does_too() -> None:
    time = VirtualTime()
    seen: list[tuple[str, float]] = []

    def work() -> None:
        time.sleep(5)
        seen.append(("done", time.now()))

    def caller() -> None:
        with pytest.raises(TimeoutError):
            time.ask(work, timeout=3)
        seen.append(("gave up", time.now()))
        time.sleep(4)
        seen.append(("slept", time.now()))

    time.start(caller)
    time.run(until=10)
    assert seen == [("gave up", 3), ("done", 5), ("slept", 7)]


def test_an_error_of_a_caller_ends_the_run() -> None:
    time = VirtualTime()

    def fail() -> None:
        raise LookupError("made up")

    time.start(fail)
    with pytest.raises(LookupError, match="made up"):
        time.run(until=1)


def test_a_bucket_gives_so_many_at_once_and_so_many_a_second() -> None:
    now = 0.0
    bucket = TokenBucket(rate=2, burst=3, clock=lambda: now)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now = 1.0
    assert [bucket.take(2), bucket.take()] == [True, False]
    now = 60.0
    assert [bucket.take(4), bucket.take(3)] == [False, True]
