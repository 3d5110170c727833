"""What one read costs in the reader's own process: processor time, round trips, start."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3

from tests.bench.harness import REGISTRY, Result, at_most, interleaved, median, percentile
from tests.bench.reader_fixture import ENVIRONMENT, REGION, TABLE, head_item, warm_reader

_PROJECT = Path(__file__).resolve().parents[2]
_CALLS, _ROUNDS = 100, 25
_DELAY = timedelta(milliseconds=50)
_TRIPS, _STARTS = 20, 11

_OUR_START = "import os; from strongroom_service.entry.read import make_reader; make_reader(os.environ)"
_THEIR_START = (
    f"import botocore.session; botocore.session.get_session().create_client('dynamodb', region_name='{REGION}')"
)


def _processor_seconds(call: Callable[[], object]) -> float:
    """Processor time of this process for one call, all of its threads included; waiting is not counted."""
    began = time.process_time()
    for _ in range(_CALLS):
        call()
    return (time.process_time() - began) / _CALLS


@REGISTRY.add("reader_warm_cpu", reach="<= 1.5", reached=at_most(1.5))
def reader_warm_cpu() -> Result:
    """A warm read, whole, against one boto3 `get_item` of the same item from the same endpoint."""
    with warm_reader() as warm:
        client = boto3.client("dynamodb", region_name=REGION, endpoint_url=warm.aws.url)
        key = {name: head_item()[name] for name in ("PK", "SK")}

        def get_item() -> None:
            client.get_item(TableName=TABLE, Key=key, ConsistentRead=True)

        get_item()
        ours, theirs = interleaved(
            lambda: _processor_seconds(warm.call), lambda: _processor_seconds(get_item), rounds=_ROUNDS
        )
        client.close()
    value, reference = median(ours) * 1e6, median(theirs) * 1e6
    return Result(
        value=value, unit="µs", reference=reference, ratio=value / reference, p99=percentile(ours, 0.99) * 1e6
    )


@REGISTRY.add("reader_round_trips", reach="2", reached=at_most(2.2))
def reader_round_trips() -> Result:
    """Sequential AWS round trips of a warm read: how many times it waits for a delay put on every answer."""
    taken = []
    for delay in (timedelta(), _DELAY):
        with warm_reader(delay=delay) as warm:
            before = warm.aws.counts()
            taken.append(median([_seconds(warm.call) for _ in range(_TRIPS)]))
            counts = {
                name: (n - before.get(name, 0)) / _TRIPS for name, n in warm.aws.counts().items() if "." not in name
            }
    trips = (taken[1] - taken[0]) / _DELAY.total_seconds()
    calls = ", ".join(f"{n:g} {name}" for name, n in sorted(counts.items()) if n)
    return Result(value=round(trips, 2), unit="trips", ratio=round(trips, 2), note=calls)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@REGISTRY.add("reader_import", reach="<= 2.0", reached=at_most(2.0))
def reader_import() -> Result:
    """A fresh process that imports and sets up the reader, against botocore and its DynamoDB client alone.

    Both from bytecode, as the layers have it; a bare interpreter's start is taken off both.
    """
    with TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            **ENVIRONMENT,
            "PYTHONPATH": str(_PROJECT / "functions"),
            "PYTHONPYCACHEPREFIX": cache,
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(code: str) -> float:
            command = [sys.executable, "-c", code]
            return _seconds(lambda: subprocess.run(command, env=environment, check=True))  # noqa: S603  # our own code

        for code in (_OUR_START, _THEIR_START):
            start(code)
        ours, theirs, bare = interleaved(
            lambda: start(_OUR_START), lambda: start(_THEIR_START), lambda: start("pass"), rounds=_STARTS
        )
    value, reference = ((median(it) - median(bare)) * 1e3 for it in (ours, theirs))
    return Result(value=value, unit="ms", reference=reference, ratio=value / reference)
