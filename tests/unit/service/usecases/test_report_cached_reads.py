"""Reports of cached reads: records of what the caller may read, and denials of what it may not."""

from datetime import timedelta
from typing import Any

import pytest

from strongroom_service.domain.access import Action
from strongroom_service.domain.audit import AuditAction, Phase, Receipt
from strongroom_service.domain.errors import AccessDenied, AuditUnavailable, InvalidRequest, NotFound
from strongroom_service.domain.names import SecretName
from strongroom_service.usecases.report_cached_reads import CachedReads, report_cached_reads
from tests.support.deployment import CALLER, NAME, REPLICA, Deployment

OTHER = SecretName("default", "prod", "payments/other")


@pytest.fixture
def deployment() -> Deployment:
    made = Deployment()
    made.stored("value")
    made.stored("value", name=OTHER)
    made.arrive()
    return made


def reads(deployment: Deployment, name: SecretName = NAME, **said: Any) -> CachedReads:
    now = deployment.clock.now()
    given = {"number": 1, "count": 7, "since": now - timedelta(minutes=5), "until": now}
    return CachedReads(name=name, **{**given, **said})


def report(deployment: Deployment, *items: CachedReads, region: str = REPLICA) -> list[Any]:
    return report_cached_reads(items, caller=CALLER, ports=deployment.write_ports(region=region))


def test_each_item_becomes_a_record(deployment: Deployment) -> None:
    """In any region: nothing but the audit is written."""
    results = report(deployment, reads(deployment), reads(deployment, OTHER, number=1, count=2))
    first, second = deployment.audit.records[-1]
    assert all(isinstance(result, Receipt) for result in results)
    assert [result.event_id for result in results] == [first.event_id, second.event_id]
    assert (first.action, first.phase, first.outcome) == (AuditAction.CACHED_READ, Phase.OUTCOME, "ok")
    assert (first.environment, first.path, first.version, first.count) == (NAME.environment, NAME.path, 1, 7)
    assert first.secret_id == deployment.head().secret_id
    assert first.period == "2030-01-01T11:55:00.000Z/2030-01-01T12:00:00.000Z"
    assert (second.path, second.count) == (OTHER.path, 2)
    assert first.permissions == (Action.READ,)


def test_what_the_caller_may_not_read_is_a_denial(deployment: Deployment) -> None:
    """The others are recorded all the same."""
    deployment.policy.rule = lambda _, resource: resource.path != OTHER.path
    refused, taken = report(deployment, reads(deployment, OTHER), reads(deployment))
    assert isinstance(refused, AccessDenied)
    assert isinstance(taken, Receipt)
    denial, _ = deployment.audit.records[-1]
    assert (denial.phase, denial.allowed, denial.outcome, denial.count) == (Phase.DENIAL, False, "access_denied", 7)


def test_a_secret_that_is_not_there_is_told_to_who_may_know(deployment: Deployment) -> None:
    nothing = SecretName("default", "prod", "payments/none")
    assert isinstance(report(deployment, reads(deployment, nothing))[0], NotFound)
    deployment.policy.allowed = {Action.LIST}
    assert isinstance(report(deployment, reads(deployment, nothing))[0], AccessDenied)


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [
        (timedelta(0), timedelta(minutes=6), r"items\[1\]\.to"),
        (timedelta(minutes=1), timedelta(0), r"items\[1\]\.from"),
        (timedelta(days=-1, minutes=-6), timedelta(0), r"items\[1\]\.from"),
    ],
)
def test_times_must_make_sense(deployment: Deployment, since: timedelta, until: timedelta, field: str) -> None:
    """Give or take what a clock may be off; and nothing of the report is recorded."""
    now = deployment.clock.now()
    before = len(deployment.audit.records)
    with pytest.raises(InvalidRequest, match=field):
        report(deployment, reads(deployment), reads(deployment, since=now + since, until=now + until))
    assert len(deployment.audit.records) == before
    late = reads(deployment, since=now - timedelta(days=1, minutes=4), until=now + timedelta(minutes=4))
    assert isinstance(report(deployment, late)[0], Receipt)


def test_a_report_that_cannot_be_recorded_fails(deployment: Deployment) -> None:
    with deployment.failures.failing("audit", AuditUnavailable()), pytest.raises(AuditUnavailable):
        report(deployment, reads(deployment))
