"""The grants function's entry: what a minute's run says, and what a failure lets out."""

import itertools

import pytest

from strongroom_service.domain.errors import InternalError, StoreUnavailable
from strongroom_service.entry.environment import Environment, EnvironmentInvalidError
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.grants import FUNCTION, Grants, make_grants
from strongroom_service.entry.grants_wiring import audit_indexes
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.refusals import Refusals
from tests.support.deployment import REPLICA, WRITER
from tests.support.emergency import Emergency
from tests.support.events import ENVIRONMENT

STAGES = itertools.count()


def worker(emergency: Emergency, *, region: str = WRITER) -> Grants:
    stage = f"grants-{next(STAGES)}"
    metrics = FunctionMetrics(stage=stage, function=FUNCTION)
    return Grants(
        ports=emergency.write_ports(region=region),
        indexes=emergency.indexes(),
        refusals=Refusals(failures=FailureLog(service=stage), metrics=metrics),
        metrics=metrics,
    )


@pytest.fixture
def emergency() -> Emergency:
    found = Emergency()
    found.deployment.stored("the-value")
    emergency_read(found)
    return found


def emergency_read(emergency: Emergency) -> None:
    request = emergency.granted()
    emergency.read()
    emergency.revoke(request)


def run(found: Grants) -> dict[str, object]:
    return found.run(request_id="minute-1", has_time=lambda: True)


def test_a_run_says_what_it_did(emergency: Emergency) -> None:
    emergency.granted()
    emergency.clock.advance(emergency.ask().lapses_at - emergency.clock.now())
    assert run(worker(emergency)) == {
        "isWriter": True, "closed": 2, "searched": 2, "settled": 0, "unanswered": 0,
    }  # fmt: skip


def test_where_nothing_is_written_it_says_so(emergency: Emergency) -> None:
    assert run(worker(emergency, region=REPLICA))["isWriter"] is False


@pytest.mark.parametrize("operation", ["grants.open_requests", "grants.load"])
def test_a_failure_is_logged_and_waits_for_the_next_minute(
    emergency: Emergency, operation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = worker(emergency)
    with emergency.failures.failing(operation, StoreUnavailable()):
        assert run(found)["error"] == "store_unavailable"
    assert "StoreUnavailable" in capsys.readouterr().out
    assert "error" not in run(found)


def test_a_defect_rings_without_its_words(emergency: Emergency, capsys: pytest.CaptureFixture[str]) -> None:
    found = worker(emergency)

    def broken() -> None:
        raise RuntimeError("canary")

    found._ports.grants.open_requests = broken  # type: ignore[assignment,method-assign]  # a fake's own method
    with pytest.raises(InternalError) as failed:
        run(found)
    assert failed.value.__cause__ is None
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert "canary" not in logged


def test_the_worker_is_made_from_its_environment() -> None:
    assert isinstance(make_grants({**ENVIRONMENT, "STRONGROOM_BREAK_GLASS_APPROVALS": "2"}), Grants)
    with pytest.raises(EnvironmentInvalidError, match="STRONGROOM_TABLE"):
        make_grants({**ENVIRONMENT, "STRONGROOM_TABLE": ""})


def test_every_region_that_serves_is_asked() -> None:
    assert set(audit_indexes(Environment.parse(ENVIRONMENT))) == {"us-east-1", "us-west-2"}


@pytest.mark.parametrize(("said", "approvals"), [("", 0), ("0", 0), ("2", 2)])
def test_the_number_of_approvals_comes_from_the_environment(said: str, approvals: int) -> None:
    found = Environment.parse({**ENVIRONMENT, "STRONGROOM_BREAK_GLASS_APPROVALS": said})
    assert found.break_glass_approvals == approvals


@pytest.mark.parametrize("said", ["-1", "two", "1.5"])
def test_another_number_is_refused(said: str) -> None:
    """Never read as none or one."""
    with pytest.raises(EnvironmentInvalidError, match="STRONGROOM_BREAK_GLASS_APPROVALS"):
        Environment.parse({**ENVIRONMENT, "STRONGROOM_BREAK_GLASS_APPROVALS": said})
