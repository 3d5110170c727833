"""Each fault of each AWS operation under each call of the interface: the documented error, and nothing half done.

What a call needs of AWS is not listed here but looked up: each call is made once without a fault, and the proxy tells
which operations went by. So a call that begins to use another operation is tested under its faults too.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from infra.local.requests import Answer
from tests.cloud.calls import CHANGES, READS, Call, Subject, new_subject
from tests.cloud.faults import FAULTS, no_audit
from tests.cloud.platform import VALUE, Platform

OPERATIONS = (
    ("dynamodb", "GetItem"),
    ("dynamodb", "BatchGetItem"),
    ("dynamodb", "Query"),
    ("dynamodb", "TransactWriteItems"),
)
PUT_RECORD = ("kinesis", "PutRecord")
UNAVAILABLE = (503, "store_unavailable")
THROTTLED = (429, "throttled")
AT_ONCE = 4


@pytest.fixture(scope="module")
def needs(local_cloud: LocalCloud) -> dict[Call, set[tuple[str, str]]]:
    """The AWS operations that each call makes."""
    # An environment that has lost the stream a moment ago would record by other operations.
    local_cloud.end_environments()
    platform = Platform(local_cloud)

    def seen(call: Call) -> set[tuple[str, str]]:
        subject = new_subject(platform, call)
        before = local_cloud.faults.last_request()
        answer = call(subject)
        assert answer.status in {200, 201}, answer.error_code
        requests = local_cloud.faults.requests_after(before)
        return {(request["service"], request["operation"]) for request in requests}

    # Twice: what a worker asked beside one of them, by its schedule, is not the call's.
    return {call: seen(call) & seen(call) for call in (*READS, *CHANGES)}


def at_once(subjects: Mapping[Call, Subject]) -> dict[Call, Answer]:
    """Make several calls side by side, each on its own subject: most of their time is waiting for time-outs."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(subjects, pool.map(lambda made: made[0](made[1]), subjects.items()), strict=True))


def test_every_operation_of_the_matrix_is_used(needs: dict[Call, set[tuple[str, str]]]) -> None:
    used = set().union(*needs.values())
    assert used >= {*OPERATIONS, PUT_RECORD}
    assert PUT_RECORD in set.intersection(*needs.values()), "a call without an audit record"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", OPERATIONS, ids="-".join)
def test_a_fault_is_a_documented_error_and_leaves_no_half_state(
    cloud: LocalCloud,
    platform: Platform,
    needs: dict[Call, set[tuple[str, str]]],
    operation: tuple[str, str],
    fault: str,
) -> None:
    service, name = operation
    expected = THROTTLED if fault == "throttle" else UNAVAILABLE
    subjects = {call: new_subject(platform, call) for call in (*READS, *CHANGES) if operation in needs[call]}
    before = {call: subject.state() for call, subject in subjects.items()}
    with cloud.faults.fault(fault, region=cloud.writer.name, service=service, operation=name):
        answers = at_once(subjects)
    for call, answer in answers.items():
        assert (answer.status, answer.error_code) == expected, call.__name__
        assert VALUE.encode() not in answer.body
        assert answer.json()["error"]["retryable"] is True
        after = subjects[call].state()
        if may_have_happened(call, fault, name):
            assert_whole(after, partial(call, subjects[call]))
        else:
            assert after == before[call], call.__name__


@pytest.mark.parametrize("fault", [*FAULTS, "delay"])
def test_a_fault_of_the_stream_alone_is_no_error(cloud: LocalCloud, platform: Platform, fault: str) -> None:
    """Every call succeeds over the buffer, and no record is missing afterwards."""
    subjects = {call: new_subject(platform, call) for call in (*READS, *CHANGES)}
    with cloud.faults.fault(fault, region=cloud.writer.name, service="kinesis", operation="PutRecord", seconds=0.2):
        answers = at_once(subjects)
    for call, answer in answers.items():
        assert answer.status in {200, 201}, (call.__name__, answer.error_code)
    operations = {answer.headers["x-request-id"] for answer in answers.values()}
    archive = AuditArchive(cloud)
    archive.hurry()
    for _ in range(100):
        found = {record["requestId"] for record in archive.events() if record["phase"] != "INTENT"}
        if operations <= found:
            return
    pytest.fail(f"{len(operations - found)} requests have no record")


@pytest.mark.parametrize("fault", FAULTS)
def test_without_stream_and_buffer_every_call_is_refused_and_changes_nothing(
    cloud: LocalCloud, platform: Platform, fault: str
) -> None:
    """No record, no answer: the intent comes before the change."""
    subjects = {call: new_subject(platform, call) for call in (*READS, *CHANGES)}
    before = {call: subject.state() for call, subject in subjects.items()}
    with no_audit(cloud, fault):
        answers = at_once(subjects)
    for call, answer in answers.items():
        assert (answer.status, answer.error_code) == (500, "audit_unavailable"), call.__name__
        assert VALUE.encode() not in answer.body
        assert subjects[call].state() == before[call], call.__name__


def may_have_happened(call: Call, fault: str, operation: str) -> bool:
    """A lost answer; or a purge, whose head goes first: the items that it looks up then can follow later."""
    return (call in CHANGES and fault == "lose" and operation == "TransactWriteItems") or (
        call is Subject.purge and operation == "Query"
    )


def assert_whole(state: dict[str, Any], again: Callable[[], Answer]) -> None:
    """A change whose answer was lost has happened whole: each version has its record, and repeating it is answered."""
    for entry in state["listed"].values():
        assert entry["status"] in {"ACTIVE", "DELETED", "PURGED"}
    numbers = [version["versionNumber"] for version in state["versions"]["items"]]
    assert numbers == sorted(numbers, reverse=True)
    assert again().status < 500
