"""What callers see through the deployed API of the local cloud."""

import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from infra.local.borrowing import borrowed_cloud
from infra.local.client import LocalCloud
from infra.local.requests import Region
from strongroom import Client, StrongroomError
from strongroom.credentials import StaticCredentials
from strongroom.regions import Region as ClientRegion
from tests.bench.harness import REGISTRY, Result, at_least, at_most, interleaved, median, percentile

_BATCH, _ROUNDS = 50, 9
_READS = 20
_DEADLINE = timedelta(seconds=3)
_CUT_AFTER, _CUT_FOR = timedelta(seconds=1), timedelta(seconds=5)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201  # progress on a long work


def _fill(cloud: LocalCloud, prefix: str, count: int) -> list[str]:
    paths = [f"prod/{prefix}/secret-{index}" for index in range(count)]
    for path in paths:
        body = {"plaintextValue": "made-up-value-of-32-characters-x", "ownerTeam": "bench"}
        answer = cloud.request("PUT", f"/values/{path}", json=body)
        if answer.status not in {200, 201}:
            raise RuntimeError(f"a put answered {answer.status} {answer.error_code}")
    return paths


@REGISTRY.add("batch_50", reach=">= 10", reached=at_least(10))
def batch_50() -> Result:
    """One batch of fifty through the API against fifty single reads through it, one after the other."""
    with borrowed_cloud("bench", _tell) as cloud:
        paths = _fill(cloud, "batch", _BATCH)
        wanted = {"items": [{"secretPath": path} for path in paths]}

        def batch() -> None:
            answer = cloud.request("POST", "/batch/values", json=wanted, identity="reader")
            if sum("value" in item for item in answer.json()["items"]) != _BATCH:
                raise RuntimeError("the batch was short")

        def singles() -> None:
            for path in paths:
                if cloud.request("GET", f"/values/{path}", identity="reader").status != 200:
                    raise RuntimeError("a read failed")

        batch()
        singles()
        ours, theirs = interleaved(lambda: _seconds(batch), lambda: _seconds(singles), rounds=_ROUNDS)
    value, reference = median(ours) * 1e3, median(theirs) * 1e3
    return Result(
        value=value, unit="ms", reference=reference, ratio=reference / value, p99=percentile(ours, 0.99) * 1e3
    )


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@REGISTRY.add("read_over_buffer", reach="<= 1.2", reached=at_most(1.2))
def read_over_buffer() -> Result:
    """A read whose record goes into the buffer, the stream being down, against one over the stream, at the same time.

    In two regions at once, which then change places, so that neither a region nor a moment favours one of the ways.
    """
    with borrowed_cloud("bench", _tell) as cloud:
        [path] = _fill(cloud, "buffer", 1)
        ours: list[float] = []
        theirs: list[float] = []
        places = (cloud.writer, cloud.replica)
        for without, beside in (places, places[::-1]):
            with cloud.faults.fault("refuse", region=without.name, service="kinesis"):
                for region in places:
                    _reads(cloud, path, region)
                over_buffer, over_stream = interleaved(
                    lambda: _seconds(lambda: _reads(cloud, path, without)),  # noqa: B023  # called at once
                    lambda: _seconds(lambda: _reads(cloud, path, beside)),  # noqa: B023  # called at once
                    rounds=_ROUNDS,
                )
            ours += over_buffer
            theirs += over_stream
            cloud.drain_audit(without.name)
            # The breaker is open for half a minute: the next round begins without what it knows.
            cloud.end_environments()
    value, reference = median(ours) * 1e3 / _READS, median(theirs) * 1e3 / _READS
    return Result(value=value, unit="ms", reference=reference, ratio=value / reference)


def _reads(cloud: LocalCloud, path: str, region: Region) -> None:
    for _ in range(_READS):
        if cloud.request("GET", f"/values/{path}", identity="reader", region=region).status != HTTPStatus.OK:
            raise RuntimeError("a read failed")


@REGISTRY.add("failover_gap", reach="< 3 s, 0 errors", reached=lambda it: it.value < 3 and not it.ratio)
def failover_gap() -> Result:
    """Longest time without a read while the primary is cut off under traffic; ratio: failed reads.

    Twice: its connections are refused, and it does not answer at all.
    """
    with borrowed_cloud("bench", _tell) as cloud:
        [path] = _fill(cloud, "failover", 1)
        gaps = {how: _cut_off(cloud, path, how) for how in ("refuse", "timeout")}
    worst = max(gap for gap, _ in gaps.values())
    errors = sum(failed for _, failed in gaps.values())
    note = ", ".join(f"{how}: {gap:.2f} s, {failed} errors" for how, (gap, failed) in gaps.items())
    return Result(value=worst, unit="s", reference=_DEADLINE.total_seconds(), ratio=float(errors), note=note)


def _cut_off(cloud: LocalCloud, path: str, how: str) -> tuple[float, int]:
    identity = cloud.identity("reader")
    credentials = StaticCredentials(
        access_key=identity.access_key_id, secret_key=identity.secret_access_key, token=identity.session_token
    )
    cut = threading.Timer(_CUT_AFTER.total_seconds(), lambda: cloud.faults.cut(cloud.writer.name, how=how))
    longest, errors = 0.0, 0
    with Client(
        regions=[_region(region) for region in cloud.description.regions],
        credentials=credentials,
        deadline=_DEADLINE,
        cache_entries=0,
    ) as client:
        client.get(path)
        cut.start()
        try:
            end = time.monotonic() + (_CUT_AFTER + _CUT_FOR).total_seconds()
            last = time.monotonic()
            while last < end:
                try:
                    client.get(path)
                except StrongroomError:
                    errors += 1
                    continue
                now = time.monotonic()
                longest, last = max(longest, now - last), now
        finally:
            cut.cancel()
            cut.join()
            cloud.faults.join(cloud.writer.name)
    return longest, errors


def _region(region: Region) -> ClientRegion:
    return ClientRegion(name=region.name, endpoint=region.endpoint, writer=region.role == "writer")
