"""A function's metrics, in CloudWatch's embedded metric format on standard output.

Measurements of requests that went well are gathered and written every few seconds, many in one line: a line for each
read would cost as much as its audit record. What somebody has to know (an error, a denial, a record that took the
buffer or found no place) is written with its request. An environment that is frozen between two writes keeps what it
gathered for its next request; one that never wakes again loses at most the last seconds of durations.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from strongroom_service.usecases.ports import Metric

NAMESPACE: Final = "Strongroom"
"""CloudWatch namespace; alarms name it."""
STAGE: Final = "stage"
FUNCTION: Final = "function"
OPERATION: Final = "operation"
CODE: Final = "code"

_WRITTEN_EVERY: Final = timedelta(seconds=10)
_URGENT: Final = frozenset({
    Metric.AUDIT_BUFFERED, Metric.AUDIT_UNAVAILABLE, Metric.AUDIT_WAITING, Metric.AUDIT_DRAINED, Metric.KMS_FALLBACKS,
    Metric.AUDIT_INDEXED, Metric.AUDIT_UNREADABLE, Metric.PAST_GATEWAY, Metric.DIGESTS, Metric.ARCHIVE_ANOMALIES,
    Metric.GRANTS_UNANSWERED, Metric.ACCESS_BROKEN, Metric.TOKENS_REFUSED, Metric.REFUSALS_UNRECORDED,
    Metric.KEY_SET_FAILURES, Metric.DENIALS, Metric.ERRORS,
})  # fmt: skip
"""Written with the request. All but these carry the operation; these are alarmed on over all operations."""


@dataclass(slots=True)
class _Request:
    """What the request that is handled now has measured. Times of one phase add up: a batch decrypts fifty times."""

    counts: Counter[Metric] = field(default_factory=Counter)
    seconds: dict[Metric, float] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Gathered:
    """What requests of one operation measured since the last writing."""

    counts: Counter[Metric] = field(default_factory=Counter)
    times: list[tuple[Metric, float]] = field(default_factory=list)


class FunctionMetrics:
    """The measurements port of one function, which handles one request at a time."""

    def __init__(self, *, stage: str, function: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._place = {STAGE: stage, FUNCTION: function}
        self._monotonic = monotonic
        self._request = _Request()
        self._gathered: dict[str, _Gathered] = {}
        self._written_at = float("-inf")

    def count(self, metric: Metric, value: int = 1) -> None:
        """So many of something, in the request that is handled now."""
        self._request.counts[metric] += value

    def time(self, metric: Metric, seconds: float) -> None:
        """How long something took, in the request that is handled now; what is told several times adds up."""
        taken = self._request.seconds
        taken[metric] = taken.get(metric, 0.0) + seconds

    def error(self, code: str) -> None:
        """An error that a caller is told, by its code."""
        self._request.errors[code] += 1

    def request_ended(self, operation: str, *, seconds: float) -> None:
        """Take the request's measurements over; write what is urgent, and the rest when its time has come."""
        request, self._request = self._request, _Request()
        gathered = self._gathered.setdefault(operation, _Gathered())
        gathered.times += [*request.seconds.items(), (Metric.DURATION, seconds)]
        gathered.counts.update({metric: value for metric, value in request.counts.items() if metric not in _URGENT})
        self._write({}, {metric: value for metric, value in request.counts.items() if metric in _URGENT})
        for code, value in request.errors.items():
            self._write({CODE: code}, {Metric.ERRORS: value})
        now = self._monotonic()
        if now - self._written_at >= _WRITTEN_EVERY.total_seconds():
            self._written_at = now
            self.flush()

    def flush(self) -> None:
        """Write all that is gathered."""
        gathered, self._gathered = self._gathered, {}
        for operation, measured in gathered.items():
            self._write({OPERATION: operation}, measured.counts, measured.times)

    def _write(
        self,
        dimensions: Mapping[str, str],
        counts: Mapping[Metric, int],
        times: Sequence[tuple[Metric, float]] = (),
    ) -> None:
        if not counts and not times:
            return
        # Without the library's `service`: one more dimension on which nothing is asked.
        line = EphemeralMetrics(namespace=NAMESPACE)
        for name, value in {**self._place, **dimensions}.items():
            line.add_dimension(name=name, value=value)
        for metric, count in counts.items():
            line.add_metric(metric, MetricUnit.Count, count)
        for metric, seconds in times:
            # Past a hundred values the library begins another line by itself.
            line.add_metric(metric, MetricUnit.Milliseconds, round(seconds * 1000, 3))
        line.flush_metrics()
