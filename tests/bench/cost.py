"""What a million reads cost by list prices, from the calls and bytes that a warm read was measured to make.

Left out on both sides: what is paid by the hour or month however many reads there are (streams, keys, storage), and
KMS, which a warm reader asks once in five minutes for each namespace.
"""

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.constructs.http_api import ACCESS_LOG_FIELDS
from strongroom_service.adapters.dynamodb.audit_index_writer import packs_of
from tests.bench import prices
from tests.bench.harness import REGISTRY, Result, at_most, median
from tests.bench.reader_fixture import Warm, head_bytes, warm_batch, warm_reader
from tests.support.audit_index import Records

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_MEMORY_MB = 512
_CALLS = 100
_BATCH = 50
_STORE_SECONDS = 0.005
_AUDIT_SECONDS = 0.010
"""Waiting for DynamoDB and for Kinesis within a region, as AWS's own latency figures have it: assumed, not measured."""


_LOG_EVENT_BYTES = 26
"""What CloudWatch Logs counts for each event besides its text."""
_CALLS_TOGETHER = 10
"""Calls of one workload whose records reach the indexer within one second, and share what it writes. Assumed."""
_POINTER_UNITS = 2
"""A call fetches a copy of the pointer to the access set and one of the registry's beside its heads."""
_CALLS_A_LINE = 10
"""Calls that share a line of metrics, which is written every ten seconds: one a second in each environment. Assumed."""


@dataclass(frozen=True)
class Call:
    """One call of the API, as it was measured."""

    reads: int
    cpu_seconds: float
    audit_bytes: float
    metrics_bytes: float
    read_units: int
    index_units: float
    """Written into the audit's index."""

    @property
    def dollars(self) -> float:
        # A function of 512 MB has a share of a core, so its processor time takes longer by the clock.
        duration = self.cpu_seconds * prices.LAMBDA_CORE_MB / _MEMORY_MB + _STORE_SECONDS + _AUDIT_SECONDS
        billed = max(0.001, -(-duration // 0.001) * 0.001)
        return (
            prices.REST_API_CALL
            + prices.LAMBDA_CALL
            + billed * _MEMORY_MB / 1024 * prices.LAMBDA_ARM_GB_SECOND
            + self.read_units * prices.DYNAMODB_READ_UNIT
            + self.index_units * prices.DYNAMODB_WRITE_UNIT
            + _rounded(self.audit_bytes, prices.KINESIS_ROUNDING) / prices.GB * prices.KINESIS_ON_DEMAND_GB
            + _rounded(self.audit_bytes, prices.FIREHOSE_ROUNDING) / prices.GB * prices.FIREHOSE_GB
            + (_access_log_bytes() + self.metrics_bytes) / prices.GB * prices.LOGS_GB
        )

    def result(self) -> Result:
        value = self.dollars / self.reads * prices.MILLION
        reference = prices.SECRETS_MANAGER_CALL * prices.MILLION
        note = f"{self.audit_bytes:.0f} audit bytes, {self.cpu_seconds * 1e3:.2f} ms CPU a call"
        return Result(value=value, unit="$", reference=reference, ratio=value / reference, note=note)


def _rounded(size: float, step: int) -> float:
    return -(-size // step) * step


def _access_log_bytes() -> int:
    """A line of the access log with values of usual length."""
    return len(json.dumps(dict.fromkeys(ACCESS_LOG_FIELDS, "x" * 24))) + _LOG_EVENT_BYTES


def _metrics_bytes(line: str) -> float:
    """A call's share of a line of metrics that as many calls share: durations one by one, counts summed."""
    written = json.loads(line)
    for metric in written["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
        if metric["Unit"] == "Milliseconds":
            written[metric["Name"]] *= _CALLS_A_LINE
    return (len(json.dumps(written, separators=(",", ":"))) + _LOG_EVENT_BYTES) / _CALLS_A_LINE


def _index_units(reads: int) -> float:
    """A call's share of what the indexer writes, packed as it packs: each call reads the same secrets."""
    records = Records()
    names = [f"payments/service-{number}/db-password" for number in range(reads)]
    made = [
        records.at(
            _BEGAN + timedelta(milliseconds=1000 // _CALLS_TOGETHER * call),
            path=name,
            secret_id=f"sec_{hashlib.sha256(name.encode()).hexdigest()[:24]}",
            request_id=str(uuid.UUID(int=call)),
        )
        for call in range(_CALLS_TOGETHER)
        for name in names
    ]
    sizes = [_item_bytes(pack.item) for pack in packs_of(made)]
    return sum(-(-size // prices.WRITE_UNIT_BYTES) for size in sizes) / _CALLS_TOGETHER


def _item_bytes(item: dict[str, Any]) -> int:
    """As DynamoDB counts: names, texts and binaries by their bytes, numbers by half their digits."""
    texts = sum(len(item[name]["S"]) for name in ("PK", "SK"))
    return texts + len(base64.b64decode(item["lines"]["B"])) + sum(map(len, item)) + len(item["expireAt"]["N"]) // 2 + 1


def _measure(warm: Warm, *, reads: int, read_units: int) -> Call:
    aws = warm.aws
    before = aws.counts()["PutRecord.bytes"]
    samples = []
    for _ in range(_CALLS):
        began = time.process_time()
        warm.call()
        samples.append(time.process_time() - began)
    # What was counted is the request: base64 of the record in a JSON body.
    audit = (aws.counts()["PutRecord.bytes"] - before) / _CALLS * 3 / 4
    return Call(
        reads=reads,
        cpu_seconds=median(samples),
        audit_bytes=audit,
        metrics_bytes=_metrics_bytes(warm.log.getvalue().splitlines()[0]),
        read_units=read_units,
        index_units=_index_units(reads),
    )


def _units(size: int) -> int:
    return -(-size // prices.READ_UNIT_BYTES)


@REGISTRY.add("cost_per_million_reads_single", reach="stated")
def cost_per_million_reads_single() -> Result:
    """Reads one by one: most of it is the price of an API call."""
    with warm_reader() as warm:
        return _measure(warm, reads=1, read_units=_units(head_bytes()) + _POINTER_UNITS).result()


@REGISTRY.add("cost_per_million_reads_batch50", reach="<= 0.2", reached=at_most(0.2))
def cost_per_million_reads_batch50() -> Result:
    """Reads fifty at a time, as a workload does at its start."""
    with warm_batch(_BATCH) as warm:
        units = _BATCH * _units(head_bytes()) + _POINTER_UNITS
        return _measure(warm, reads=_BATCH, read_units=units).result()
