"""Metrics: gathered while all is well, written at once when somebody has to know."""

import json
from typing import Any

import pytest

from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.usecases.ports import Metric


class Time:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Function:
    """A function's metrics and what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.time = Time()
        self.metrics = FunctionMetrics(stage="test", function="reader", monotonic=self.time)
        self._capsys = capsys

    def read(self) -> None:
        self.metrics.time(Metric.STORE_TIME, 0.002)
        self.metrics.count(Metric.KEY_CACHE_HITS)
        self.metrics.request_ended("readValue", seconds=0.005)

    def written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]


@pytest.fixture
def function(capsys: pytest.CaptureFixture[str]) -> Function:
    return Function(capsys)


def dimensions(line: dict[str, Any]) -> dict[str, str]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Strongroom"
    (names,) = directive["Dimensions"]
    return {name: line[name] for name in names}


def units(line: dict[str, Any]) -> dict[str, str]:
    return {it["Name"]: it["Unit"] for it in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def test_a_line_is_in_the_embedded_metric_format(function: Function) -> None:
    """Namespace, dimensions, units and values, as CloudWatch extracts them."""
    function.read()
    (line,) = function.written()
    assert dimensions(line) == {"stage": "test", "function": "reader", "operation": "readValue"}
    assert units(line) == {"KeyCacheHits": "Count", "StoreTime": "Milliseconds", "Duration": "Milliseconds"}
    assert (line["KeyCacheHits"], line["StoreTime"], line["Duration"]) == ([1.0], [2.0], [5.0])


def test_requests_that_went_well_share_a_line(function: Function) -> None:
    """Counts are summed, durations kept one by one; nothing is written for ten seconds."""
    function.read()
    function.written()
    for _ in range(5):
        function.read()
    assert function.written() == []
    function.time.seconds += 10
    function.read()
    (line,) = function.written()
    assert line["KeyCacheHits"] == [6.0]
    assert line["Duration"] == [5.0] * 6


def test_times_of_one_phase_add_up_within_a_request(function: Function) -> None:
    """A batch decrypts fifty values: the phase took as long as all of them."""
    for _ in range(50):
        function.metrics.time(Metric.DECRYPT_TIME, 0.001)
    function.metrics.request_ended("readValues", seconds=0.1)
    assert function.written()[0]["DecryptTime"] == [50.0]


def test_no_value_is_lost_when_there_are_more_than_a_line_may_hold(function: Function) -> None:
    """CloudWatch takes a hundred values of a metric at once."""
    function.read()
    function.written()
    for _ in range(250):
        function.read()
    function.metrics.flush()
    lines = function.written()
    assert max(len(line.get("Duration", [])) for line in lines) <= 100
    assert sum(len(line.get("Duration", [])) for line in lines) == 250
    assert sum(sum(line.get("KeyCacheHits", [])) for line in lines) == 250


@pytest.mark.parametrize(
    "metric",
    [Metric.AUDIT_UNAVAILABLE, Metric.AUDIT_BUFFERED, Metric.KMS_FALLBACKS, Metric.DENIALS, Metric.AUDIT_WAITING],
)
def test_what_somebody_has_to_know_is_written_with_its_request(function: Function, metric: Metric) -> None:
    """Over all operations, as the alarms ask for it; the request's durations wait as usual."""
    function.read()
    function.written()
    function.metrics.count(metric, 3)
    function.read()
    (line,) = function.written()
    assert dimensions(line) == {"stage": "test", "function": "reader"}
    assert line[metric] == [3.0]


def test_a_count_of_none_is_written_too(function: Function) -> None:
    """An empty buffer is a data point: without it nobody could tell that the drain runs."""
    function.metrics.count(Metric.AUDIT_WAITING, 0)
    function.metrics.request_ended("drain", seconds=0.1)
    assert function.written()[0]["AuditWaiting"] == [0.0]


def test_errors_are_written_by_code(function: Function) -> None:
    function.read()
    function.written()
    for code in ("not_found", "not_found", "kms_unavailable"):
        function.metrics.error(code)
    function.read()
    found = {dimensions(line)["code"]: line["Errors"] for line in function.written()}
    assert found == {"not_found": [2.0], "kms_unavailable": [1.0]}


def test_a_request_does_not_inherit_what_another_measured(function: Function) -> None:
    function.metrics.error("not_found")
    function.metrics.count(Metric.DENIALS)
    function.read()
    function.written()
    function.time.seconds += 10
    function.metrics.request_ended("getHealth", seconds=0.001)
    lines = function.written()
    assert [dimensions(line)["operation"] for line in lines] == ["getHealth"]
    assert set(units(lines[0])) == {"Duration"}
