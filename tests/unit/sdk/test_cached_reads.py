"""Reads that memory served: counted exactly, told to the audit, and never in the application's way."""

import gc
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from strongroom import Client, ConfigurationError, NotFound
from strongroom.cached_reads import MOST_KEPT, ReadCounts, Tally
from tests.unit.sdk.scripted_region import (
    CREDENTIALS,
    PATH,
    Clock,
    Received,
    ScriptedRegion,
    always,
    error,
    refusing_region,
    value,
)

MakeClient = Callable[..., Client]
OTHER = "prod/payments/api-key"
TARGET = "/v1/audit/cached-reads"


@pytest.fixture
def client(make_client: MakeClient, east: ScriptedRegion, west: ScriptedRegion, clock: Clock) -> Client:
    """Two regions, and a clock that stands still."""
    return make_client(east, west, surroundings=clock.surroundings)


def reports(*regions: ScriptedRegion) -> list[Any]:
    return [it.json["items"] for region in regions for it in region.received if it.target == TARGET]


def counts(*regions: ScriptedRegion) -> dict[str, int]:
    """All that was reported, by path."""
    found: dict[str, int] = {}
    for item in (item for items in reports(*regions) for item in items):
        found[item["secretPath"]] = found.get(item["secretPath"], 0) + item["count"]
    return found


def test_a_report_tells_version_count_and_time(client: Client, east: ScriptedRegion, clock: Clock) -> None:
    """The read that asked a region has a record of its own; the others are counted."""
    for _ in range(4):
        client.get(PATH)
    clock.pass_(timedelta(seconds=90))
    client.report_cached_reads()
    assert reports(east) == [
        [
            {
                "secretPath": PATH,
                "versionNumber": 3,
                "count": 3,
                "from": "2023-11-14T22:30:00.000Z",
                "to": "2023-11-14T22:31:30.000Z",
            }
        ]
    ]
    assert east.received[-1].headers["authorization"].startswith("AWS4-HMAC-SHA256 ")


def test_nothing_is_reported_twice_or_for_nothing(client: Client, east: ScriptedRegion) -> None:
    client.get(PATH)
    client.report_cached_reads()
    assert reports(east) == []
    client.get(PATH)
    client.report_cached_reads()
    client.report_cached_reads()
    assert counts(east) == {PATH: 1}


def test_every_way_out_of_memory_is_counted(client: Client, east: ScriptedRegion) -> None:
    """One by one, in batches, with a token, and after the answer has left the cache."""
    client.get(PATH)
    client.get(PATH)
    client.get_many([PATH, OTHER])
    client.get_many([PATH, OTHER])
    client.get(PATH, min_token="1.7")
    client.invalidate()
    client.get(PATH)
    client.get(PATH)
    client.report_cached_reads()
    assert counts(east) == {PATH: 5, OTHER: 1}


def test_stale_answers_are_reported_after_the_outage(
    make_client: MakeClient, east: ScriptedRegion, clock: Clock
) -> None:
    """In an outage memory is all there is: that is when the audit would miss most."""
    client = make_client(east, surroundings=clock.surroundings)
    client.get(PATH)
    clock.pass_(timedelta(minutes=3))
    east.script = always(error(503, "store_unavailable", retryable=True))
    assert client.get(PATH).stale
    assert client.get(PATH).stale
    client.report_cached_reads()
    east.script = value
    clock.pass_(timedelta(minutes=2))
    client.report_cached_reads()
    told = [items for items in reports(east) if items]
    assert told[-1][0]["count"] == 2


def test_those_who_waited_for_anothers_answer_are_counted(make_client: MakeClient, east: ScriptedRegion) -> None:
    """Of many threads one asks, and one record is made: the others' reads are known by the report."""
    client = make_client(east)
    gate = threading.Event()

    def slow(request: Received) -> Any:
        answer = value(request)
        if request.method == "GET":
            answer.waits = gate
        return answer

    east.script = slow
    with ThreadPoolExecutor(5) as pool:
        reading = [pool.submit(client.get, PATH) for _ in range(5)]
        while not east.received:
            time.sleep(0.001)
        gate.set()
        for read in reading:
            read.result()
    client.report_cached_reads()
    assert counts(east) == {PATH: 4}


def test_no_count_is_lost_between_threads(make_client: MakeClient, east: ScriptedRegion) -> None:
    """Readers, reports and invalidations at once: each read is either a request or a counted hit."""
    client = make_client(east, cache_entries=2)
    paths = [f"prod/app/secret-{number}" for number in range(3)]
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            client.report_cached_reads()
            client.invalidate(paths[0])

    def read(number: int) -> None:
        for turn in range(400):
            client.get(paths[(number + turn) % 3])

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
    stop.set()
    disturbing.join()
    client.report_cached_reads()
    asked = sum(1 for request in east.received if request.method == "GET")
    assert sum(counts(east).values()) + asked == 1600


def test_closing_reports_what_is_left(make_client: MakeClient, east: ScriptedRegion) -> None:
    client = make_client(east)
    client.get(PATH)
    client.get(PATH)
    client.close()
    client.close()
    assert counts(east) == {PATH: 1}


def test_it_can_be_switched_off(make_client: MakeClient, east: ScriptedRegion) -> None:
    client = make_client(east, report_interval=timedelta(0))
    client.get(PATH)
    client.get(PATH)
    client.report_cached_reads()
    client.close()
    assert reports(east) == []
    with pytest.raises(ConfigurationError):
        make_client(east, report_interval=timedelta(seconds=-1))


def test_reports_are_made_in_the_background(make_client: MakeClient, east: ScriptedRegion) -> None:
    client = make_client(east, report_interval=timedelta(milliseconds=20))
    client.get(PATH)
    client.get(PATH)
    deadline = time.monotonic() + 10
    while not reports(east):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert counts(east) == {PATH: 1}


def test_the_background_keeps_no_client_alive(east: ScriptedRegion) -> None:
    """A client that is forgotten without being closed takes its thread with it."""
    client = Client(regions=[east.region], report_interval=timedelta(milliseconds=10), credentials=CREDENTIALS)
    client.get(PATH)
    thread = client._reporter._thread
    assert thread is not None
    del client
    gc.collect()
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_another_region_takes_the_report(make_client: MakeClient, east: ScriptedRegion, west: ScriptedRegion) -> None:
    client = make_client(east, west)
    client.get(PATH)
    client.get(PATH)
    east.script = always(error(500, "audit_unavailable", retryable=True))
    client.report_cached_reads()
    assert counts(west) == {PATH: 1}


def test_counts_wait_while_no_region_answers(
    make_client: MakeClient, east: ScriptedRegion, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is raised, nothing is lost: the next report has them, from their beginning on."""
    client = make_client(east, surroundings=clock.surroundings)
    client.get(PATH)
    client.get(PATH)
    east.script = always(error(503, "store_unavailable", retryable=True))
    client.report_cached_reads()
    east.script = value
    client.get(PATH)
    clock.pass_(timedelta(minutes=1))
    client.report_cached_reads()
    [item] = reports(east)[-1]
    assert (item["count"], item["from"]) == (2, "2023-11-14T22:30:00.000Z")
    assert not [record for record in caplog.records if record.levelname not in {"DEBUG", "INFO"}]


def test_counts_are_given_up_after_a_day(make_client: MakeClient, east: ScriptedRegion, clock: Clock) -> None:
    """The platform takes reports about the last day only."""
    client = make_client(east, surroundings=clock.surroundings, cache_ttl=timedelta(days=3))
    client.get(PATH)
    client.get(PATH)
    east.script = always(error(503, "store_unavailable", retryable=True))
    client.report_cached_reads()
    clock.pass_(timedelta(hours=24))
    east.script = value
    client.get(PATH)
    client.report_cached_reads()
    [item] = reports(east)[-1]
    assert item["count"] == 1
    assert item["from"].startswith("2023-11-14T23:30:00"), "23 hours back"


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_ends_it_quietly(client: Client, east: ScriptedRegion, status: int) -> None:
    """An older platform, or a caller that may not: reads go on."""
    client.get(PATH)
    client.get(PATH)
    code = {400: "invalid_request", 403: "access_denied", 404: "not_found"}[status]
    east.script = lambda request: error(status, code) if request.method == "POST" else value(request)
    client.report_cached_reads()
    client.report_cached_reads()
    assert len(reports(east)) == 1
    assert client.get(PATH).version_number == 3


def test_an_answer_that_makes_no_sense_is_no_error_of_the_application(client: Client, east: ScriptedRegion) -> None:
    client.get(PATH)
    client.get(PATH)
    east.script = lambda request: error(200, "x") if request.method == "POST" else value(request)
    client.report_cached_reads()
    east.script = always(error(404, "not_found"))
    with pytest.raises(NotFound):
        client.get(OTHER)


def test_a_region_that_refuses_connections_does_not_hold_up_closing(make_client: MakeClient) -> None:
    with refusing_region("us-east-1") as region:
        client = make_client(region)
        client.close()


def test_many_versions_go_in_several_reports(client: Client, east: ScriptedRegion) -> None:
    paths = [f"prod/app/secret-{number}" for number in range(60)]
    client.get_many(paths)
    client.get_many(paths)
    client.report_cached_reads()
    assert sorted(map(len, reports(east))) == [10, 50]
    assert counts(east) == dict.fromkeys(paths, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_reports_its_own_reads_only(make_client: MakeClient, east: ScriptedRegion) -> None:
    client = make_client(east)
    client.get(PATH)
    client.get(PATH)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.get(PATH)
            client.get(PATH)
            client.report_cached_reads()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    client.report_cached_reads()
    assert sorted(items[0]["count"] for items in reports(east)) == [1, 2]


def test_a_tally_leaves_its_own_looks_out() -> None:
    tally = Tally(("prod/a", 1))
    for hits in (0, 3, 0, 1):
        for _ in range(hits):
            next(tally.hits)
        tally.look()
    assert tally.used
    assert (tally.take(), tally.take()) == (4, 0)


def test_counts_are_bounded() -> None:
    """Whatever is read, what waits to be told stays small."""
    counted = ReadCounts(enabled=True)
    for number in range(MOST_KEPT * 2):
        tally = Tally((f"prod/{number}", 1))
        next(tally.hits)
        counted.retire(tally)
    assert len(counted.collect([])) == MOST_KEPT
