"""The indexer: every good line is indexed, whatever comes beside it, and nothing is told as done that is not."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from strongroom_service.domain.audit_record import AuditLine
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.indexer import Indexer
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.refusals import Refusals
from strongroom_service.usecases.index_audit import MAX_ASIDE, MAX_CHUNK, Delivery, Indexed, index
from strongroom_service.usecases.ports import Kept
from tests.support.audit_index import FakeAuditIndex, Records

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Observer:
    """Sees records, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.seen: list[str] = []

    def observe(self, records: Sequence[Mapping[str, Any]]) -> None:
        if self.error is not None:
            raise self.error
        self.seen += [record["eventId"] for record in records]


@pytest.fixture
def writer() -> FakeAuditIndex:
    return FakeAuditIndex()


def delivery(name: str, *lines: AuditLine | bytes) -> Delivery:
    return Delivery(name, b"".join((it if isinstance(it, bytes) else it.line) + b"\n" for it in lines))


def always() -> bool:
    return True


def test_every_line_of_every_delivery_is_indexed(writer: FakeAuditIndex) -> None:
    made = [Records().at(NOW + timedelta(seconds=number)) for number in range(5)]
    deliveries = [delivery("1", *made[:3]), delivery("2", *made[3:])]
    assert index(deliveries, writer=writer, has_time=always) == Indexed(records=5)
    assert writer.lines == {record.line for record in made}


def test_a_bad_line_stops_nothing(writer: FakeAuditIndex) -> None:
    """It is kept aside with its place and the reason; the good ones around it are indexed."""
    records = Records()
    first, second, third = (records.at(NOW) for _ in range(3))
    tampered = third.line.replace(b'"decision":"ALLOW"', b'"decision":"DENY"')
    result = index([delivery("7", first, b"rubbish", tampered, second)], writer=writer, has_time=always)
    assert (result.records, result.unreadable, result.failed) == (2, 2, [])
    assert writer.lines == {first.line, second.line}
    told = [(it.delivery, it.number, it.line, it.why) for it in writer.aside]
    assert told == [("7", 1, b"rubbish", "not JSON"), ("7", 2, tampered, "the hash is another")]


def test_a_record_that_the_table_refuses_is_kept_aside_too(writer: FakeAuditIndex) -> None:
    """It would be refused for ever, and hold up all behind it."""
    records = Records()
    good, refused = records.at(NOW), records.at(NOW)
    writer.outcomes[refused.event_id] = Kept.REFUSED
    result = index([delivery("1", good, refused)], writer=writer, has_time=always)
    assert (result.records, result.unreadable, result.failed) == (1, 1, [])
    assert [(it.number, it.why) for it in writer.aside] == [(1, "refused by the index")]


def test_only_what_failed_is_asked_for_again(writer: FakeAuditIndex) -> None:
    records = Records()
    made = [records.at(NOW) for _ in range(3)]
    writer.outcomes[made[1].event_id] = Kept.FAILED
    deliveries = [delivery(str(number), record) for number, record in enumerate(made)]
    observer = Observer()
    result = index(deliveries, writer=writer, observers=[observer], has_time=always)
    assert (result.records, result.failed) == (2, ["1"])
    assert observer.seen == [made[0].event_id, made[2].event_id]


def test_what_cannot_be_kept_aside_comes_again(writer: FakeAuditIndex) -> None:
    writer.takes_aside = False
    result = index([delivery("1", b"rubbish")], writer=writer, has_time=always)
    assert (result.unreadable, result.failed) == (0, ["1"])


def test_a_flood_of_rubbish_is_counted_and_not_all_kept(writer: FakeAuditIndex) -> None:
    result = index([delivery("1", *[b"rubbish"] * 1000)], writer=writer, has_time=always)
    assert result.unreadable == 1000
    assert len(writer.aside) == MAX_ASIDE


def test_without_time_the_rest_comes_again(writer: FakeAuditIndex) -> None:
    """What was written before stays written."""
    records = Records()
    lines = [records.at(NOW) for _ in range(MAX_CHUNK)]
    looks = iter([True, False])
    deliveries = [delivery("1", *lines), delivery("2", records.at(NOW))]
    result = index(deliveries, writer=writer, has_time=lambda: next(looks))
    assert (result.records, result.failed) == (MAX_CHUNK, ["2"])


class Function:
    """The function over the fake index, and what it wrote of metrics."""

    def __init__(self, writer: FakeAuditIndex, observers: Sequence[Observer], capsys: Any, stage: str) -> None:
        metrics = FunctionMetrics(stage=stage, function="indexer")
        refusals = Refusals(failures=FailureLog(service=f"{stage}-indexer"), metrics=metrics)
        self.indexer = Indexer(writer=writer, observers=observers, refusals=refusals, metrics=metrics)
        self._capsys = capsys

    def __call__(self, *lines: AuditLine | bytes) -> list[str]:
        """One record of the stream for each line; the sequence numbers to deliver again."""
        event = {
            "Records": [
                {"kinesis": {"sequenceNumber": str(number), "data": base64.b64encode(made.data).decode()}}
                for number, made in enumerate(delivery("", line) for line in lines)
            ]
        }
        answer = self.indexer.run(event, request_id="r", has_time=always)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def measured(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for line in self._capsys.readouterr().out.splitlines():
            written = json.loads(line)
            for metric in written.get("_aws", {}).get("CloudWatchMetrics", [{}])[0].get("Metrics", []):
                value = written[metric["Name"]]
                found[metric["Name"]] = value[0] if isinstance(value, list) else value
        return found


def test_the_function_measures_and_reports_nothing_when_all_is_well(
    writer: FakeAuditIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    function = Function(writer, [], capsys, "indexed")
    assert function(Records().at(NOW), b"rubbish") == []
    measured = function.measured()
    assert (measured["AuditIndexed"], measured["AuditUnreadable"]) == (1, 1)


def test_the_function_asks_again_for_what_failed(writer: FakeAuditIndex, capsys: pytest.CaptureFixture[str]) -> None:
    records = Records()
    failing = records.at(NOW)
    writer.outcomes[failing.event_id] = Kept.FAILED
    function = Function(writer, [], capsys, "failing")
    assert function(records.at(NOW), failing) == ["1"]
    assert function.measured()["Errors"] == 1


def test_an_observers_failure_asks_for_all_again_and_loses_no_write(
    writer: FakeAuditIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its error stays inside: what it quotes reaches no log."""
    observers = [Observer(), Observer(RuntimeError("canary-of-an-observer"))]
    function = Function(writer, observers, capsys, "observed")
    record = Records().at(NOW)
    assert function(record) == ["0"]
    assert writer.lines == {record.line}
    assert "canary-of-an-observer" not in capsys.readouterr().out
    observers[1].error = None
    assert function(record) == []
    assert observers[1].seen == [record.event_id]
    assert len(writer.lines) == 1
