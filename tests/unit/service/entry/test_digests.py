"""The digests function: what it tells, counts and logs of a sealing."""

import json
from typing import Any

import pytest

from strongroom_service.adapters.audit.coverage import SqliteCoverage
from strongroom_service.domain.errors import InternalError, KmsUnavailable
from strongroom_service.entry.digests import Digests, make_digests
from strongroom_service.entry.environment import EnvironmentInvalidError
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.refusals import Refusals
from tests.support.archives import LOOKBACK, GeneratedArchive

VARIABLES = {
    "AWS_REGION": "us-east-1",
    "STRONGROOM_STAGE": "test",
    "STRONGROOM_ARCHIVE_ACCOUNT": "111122223333",
    "STRONGROOM_ARCHIVE_BUCKET": "strongroom-test-audit-111122223333-us-east-1",
    "STRONGROOM_ARCHIVE_LOOKBACK_HOURS": "216",
    "STRONGROOM_DIGEST_KEY": "arn:aws:kms:us-east-1:111122223333:key/mrk-0",
}


def function_over(archive: GeneratedArchive) -> Digests:
    metrics = FunctionMetrics(stage="test", function="digests")
    return Digests(
        clock=archive.clock,
        archive=archive.bucket,
        signer=archive.signer,
        new_coverage=SqliteCoverage,
        place=archive.place,
        lookback=LOOKBACK,
        refusals=Refusals(failures=FailureLog(service=f"test-digests-{id(archive)}"), metrics=metrics),
        metrics=metrics,
    )


def run(archive: GeneratedArchive) -> dict[str, object]:
    return function_over(archive).run(request_id="r", has_time=lambda: True)


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


def test_a_sealing_is_told_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """By metrics without an operation, which alarms find."""
    archive = GeneratedArchive()
    keys = archive.hours(1, chains=[archive.chain()])
    archive.bucket.delete(keys[0])
    assert run(archive) == {"digests": 1, "objects": 0, "anomalies": 1, "complete": True}
    counted = next(line for line in lines(capsys) if "Digests" in line)
    assert (counted["Digests"], counted["ArchiveAnomalies"]) == ([1.0], [1.0])
    assert (counted["stage"], counted["function"]) == ("test", "digests")
    assert "operation" not in counted


@pytest.mark.parametrize(
    ("error", "told"), [(KmsUnavailable(), KmsUnavailable), (ValueError("quoted-content"), InternalError)]
)
def test_a_failure_is_raised_for_the_alarm_without_what_it_quotes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, told: type[Exception]
) -> None:
    archive = GeneratedArchive()

    def fail(_: bytes) -> bytes:
        raise error

    monkeypatch.setattr(archive.signer, "sign", fail)
    with pytest.raises(told) as raised:
        run(archive)
    written = lines(capsys)
    assert "quoted-content" not in f"{written}{raised.value}"
    assert raised.value.__cause__ is None
    assert not any("Digests" in line for line in written)
    assert any(line.get("message") == "request failed" for line in written)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(EnvironmentInvalidError, match=name):
        make_digests({k: v for k, v in VARIABLES.items() if k != name})


def test_the_function_is_made_of_its_environment() -> None:
    assert isinstance(make_digests(VARIABLES), Digests)
