"""The audit buffer: reads go on without the stream, end when it is full, and no record is ever missing."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from infra.local.archive import AuditArchive
from infra.local.audit_buffer import AuditBufferView
from infra.local.client import LocalCloud
from infra.local.options import BUFFER_EVENTS
from tests.cloud.faults import no_stream
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform, Stored

WITHIN = timedelta(seconds=60)
TRIES = 1000
MOST_FILLING_REQUESTS = 300


def event_id(receipt: str) -> str:
    return receipt.partition(".")[0]


def waiting(cloud: LocalCloud, region: str) -> int:
    """Events in a region's buffer."""
    return AuditBufferView(cloud, region).waiting()


@contextmanager
def full_buffer(cloud: LocalCloud, stored: Stored) -> Iterator[list[str]]:
    """Fill the writer region's buffer by reads, as an outage would; the event ids that it took. Emptied at the end."""
    region = cloud.writer.name
    taken: list[str] = []
    with no_stream(cloud):
        try:
            for _ in range(MOST_FILLING_REQUESTS):
                room = AuditBufferView(cloud, region).largest_room()
                if room == 0:
                    break
                items = [{"secretPath": f"{ENVIRONMENT}/{stored.path}"}] * room
                answer = cloud.request("POST", "/batch/values", json={"items": items}, identity="reader")
                if answer.status == 200:
                    taken += [event_id(item["value"]["receipt"]) for item in answer.json()["items"]]
            yield taken
        finally:
            cloud.drain_audit(region)


def test_reads_go_on_without_the_stream_and_each_has_one_record(cloud: LocalCloud, platform: Platform) -> None:
    """Served over the buffer, drained into the stream, found in the archive: one record by event id, its receipt's."""
    stored = platform.store(VALUE)
    receipts: list[str] = []
    with no_stream(cloud):
        for _ in range(20):
            answer = stored.read()
            assert (answer.status, answer.json()["plaintextValue"]) == (200, VALUE)
            receipts.append(answer.json()["receipt"])
        assert waiting(cloud, cloud.writer.name) >= 20
    archive = AuditArchive(cloud)
    found = archive.wait_for({event_id(receipt) for receipt in receipts}, within=WITHIN)
    assert waiting(cloud, cloud.writer.name) == 0
    for receipt in receipts:
        record = found[event_id(receipt)]
        assert receipt == ".".join(str(record[name]) for name in ("eventId", "chainId", "sequence", "hash"))
    copies: dict[str, set[str]] = {}
    for event in archive.events():
        copies.setdefault(event["eventId"], set()).add(json.dumps(event, sort_keys=True))
    assert all(len(copies[event_id(receipt)]) == 1 for receipt in receipts), "two records under one event id"


def test_changes_go_on_too(cloud: LocalCloud, platform: Platform) -> None:
    with no_stream(cloud):
        stored = platform.store(VALUE)
        assert stored.read().status == 200
    assert stored.read().json()["versionNumber"] == 1


def test_a_full_buffer_closes_reads_and_lets_no_value_out(cloud: LocalCloud, platform: Platform) -> None:
    """A thousand tries, a thousand refusals, no value; the alarm's metric counts them; drained, reads go on."""
    stored = platform.store(VALUE)
    started = int(time.time() * 1000)
    with full_buffer(cloud, stored) as taken:
        assert waiting(cloud, cloud.writer.name) == BUFFER_EVENTS
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: stored.read(), range(TRIES)))
        assert Counter((answer.status, answer.error_code) for answer in answers) == {(500, "audit_unavailable"): TRIES}
        assert not [answer for answer in answers if VALUE.encode() in answer.body]
        assert waiting(cloud, cloud.writer.name) == BUFFER_EVENTS
        assert stored.read(region=cloud.replica).status == 200
    assert measured(cloud, "reader", "AuditUnavailable", since=started) >= TRIES
    assert waiting(cloud, cloud.writer.name) == 0
    # The buffer that was found full is looked at again after a second.
    time.sleep(1.1)
    assert stored.read().status == 200
    AuditArchive(cloud).wait_for(set(taken), within=WITHIN)


def test_a_stream_that_takes_a_part_gets_the_rest_later(cloud: LocalCloud, platform: Platform) -> None:
    """Half of a drain's records are refused by the stream: those wait, and none is lost."""
    stored = platform.store(VALUE)
    with no_stream(cloud):
        ids = {event_id(stored.read().json()["receipt"]) for _ in range(10)}
    region = cloud.writer.name
    with cloud.faults.fault("partial", region=region, service="kinesis", operation="PutRecords", share=0.5):
        cloud.drain_audit(region)
    cloud.drain_audit(region)
    assert waiting(cloud, region) == 0
    AuditArchive(cloud).wait_for(ids, within=WITHIN)


@pytest.mark.parametrize("fault", ["refuse", "error5xx", "throttle", "timeout"])
def test_a_drain_that_cannot_reach_the_stream_keeps_everything(
    cloud: LocalCloud, platform: Platform, fault: str
) -> None:
    """It says that it is stalled, and how much waits; the next minute tries again."""
    stored = platform.store(VALUE)
    region = cloud.writer.name
    with no_stream(cloud):
        ids = {event_id(stored.read().json()["receipt"]) for _ in range(3)}
        before = waiting(cloud, region)
        with cloud.faults.fault(fault, region=region, service="kinesis", operation="PutRecords"):
            said = cloud.drain_audit(region)
        assert said == {"moved": 0, "left": before, "stalled": True}
        assert waiting(cloud, region) == before
    AuditArchive(cloud).wait_for(ids, within=WITHIN)


def test_a_drain_whose_removal_fails_moves_its_records_again(cloud: LocalCloud, platform: Platform) -> None:
    """Twice in the stream, once by event id."""
    stored = platform.store(VALUE)
    region = cloud.writer.name
    with no_stream(cloud):
        receipt = stored.read().json()["receipt"]
    with cloud.faults.fault("refuse", region=region, service="dynamodb", operation="TransactWriteItems"):
        assert cloud.drain_audit(region) == {"error": "store_unavailable"}
    assert waiting(cloud, region) > 0
    AuditArchive(cloud).wait_for({event_id(receipt)}, within=WITHIN)
    assert waiting(cloud, region) == 0


def measured(cloud: LocalCloud, function: str, metric: str, *, since: int) -> float:
    """The sum of a metric's values in a function's log, in the embedded metric format."""
    logs = cloud.aws("logs", cloud.writer.name)
    group = f"/aws/lambda/strongroom-local-{function}"
    total, page = 0.0, {"logGroupName": group, "startTime": since}
    while True:
        answer: dict[str, Any] = logs.filter_log_events(**page)
        for event in answer["events"]:
            if f'"{metric}"' in event["message"]:
                total += sum(json.loads(event["message"])[metric])
        if not answer.get("nextToken"):
            return total
        page["nextToken"] = answer["nextToken"]


def test_requests_are_measured(cloud: LocalCloud, platform: Platform) -> None:
    """Durations by phase, cache hits, the audit's way, errors by code: lines that CloudWatch turns into metrics."""
    stored = platform.store(VALUE)
    started = int(time.time() * 1000)
    answers = [stored.read() for _ in range(3)]
    assert {answer.status for answer in answers} == {200}
    assert stored.read(identity="stranger").status == 403
    assert measured(cloud, "reader", "Denials", since=started) >= 1
    for metric in ("Duration", "StoreTime", "DecryptTime", "AuditTime", "KeyCacheHits"):
        assert measured(cloud, "reader", metric, since=0) > 0, metric
    assert measured(cloud, "admin", "Duration", since=0) > 0
    assert measured(cloud, "reader", "AuditStreamed", since=0) + measured(cloud, "reader", "AuditBuffered", since=0) > 0
