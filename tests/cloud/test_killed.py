"""A function's process ends in the middle of a change: the next call completes it, or refuses it clearly."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from infra.local.client import LocalCloud
from infra.local.requests import Answer
from tests.cloud.calls import CHANGES, Call, Subject, new_subject
from tests.cloud.platform import VALUE, Platform

_LATER = 1.0
"""Seconds for which a request is held back that arrives although its sender is gone."""


@pytest.mark.parametrize("call", CHANGES, ids=lambda call: call.__name__)
def test_a_process_that_ends_before_its_change_leaves_none(cloud: LocalCloud, platform: Platform, call: Call) -> None:
    subject = new_subject(platform, call)
    before = subject.state()
    answer = _killed(cloud, call, subject, how="timeout")
    assert (answer.status, answer.error_code) == (502, "gateway_error")
    assert subject.state() == before
    again = call(subject)
    assert again.status in {200, 201}, again.error_code


@pytest.mark.parametrize("call", CHANGES, ids=lambda call: call.__name__)
def test_a_process_that_ends_after_its_change_has_made_it_whole(
    cloud: LocalCloud, platform: Platform, call: Call
) -> None:
    """The table takes the change when nobody is left to hear of it."""
    subject = new_subject(platform, call)
    before = subject.state()
    answer = _killed(cloud, call, subject, how="delay")
    assert (answer.status, answer.error_code) == (502, "gateway_error")
    after = _changed(subject, before)
    again = call(subject)
    assert again.status in {200, 201, 404, 409, 410}, again.error_code
    assert VALUE.encode() not in again.body
    if call not in {Subject.propose, Subject.put, Subject.update}:
        assert subject.state() == after, "a repeated change changed something again"


def _killed(cloud: LocalCloud, call: Call, subject: Subject, *, how: str) -> Answer:
    """The answer to a call whose function's process ends while its change is on its way to the table."""
    with (
        ThreadPoolExecutor(1) as executor,
        cloud.faults.fault(
            how,
            region=cloud.writer.name,
            service="dynamodb",
            operation="TransactWriteItems",
            seconds=_LATER,
            times=1,
        ) as rule,
    ):
        running = executor.submit(call, subject)
        _wait_for_hit(cloud, rule, running)
        cloud.end_environments()
        return running.result()


def _wait_for_hit(cloud: LocalCloud, rule: int, running: "Future[Answer]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if any(it["id"] == rule and it["hits"] for it in cloud.faults.state()["rules"]):
            return
        if running.done():
            pytest.fail(f"the call came to its end: {running.result().status}")
        time.sleep(0.02)
    pytest.fail("the call made no change")


def _changed(subject: Subject, before: dict[str, Any]) -> dict[str, Any]:
    """The state once it is another."""
    deadline = time.monotonic() + 10 * _LATER
    while (state := subject.state()) == before:
        assert time.monotonic() < deadline, "the change never arrived"
        time.sleep(0.1)
    return state
