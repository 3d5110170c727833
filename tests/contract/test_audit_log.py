"""What every audit log promises: what it acknowledges is durable, in order, and provable."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.kinesis import KinesisAuditLog
from strongroom_service.domain.audit import AuditAction, AuditEvent, Phase
from strongroom_service.usecases.ports import AuditLog
from tests.support.fakes import FakeAuditLog, FakeRandomness
from tests.support.local_aws import REGION, STREAM, LocalAws

EVENT = AuditEvent(
    event_id="00000000-0000-7000-8000-000000000001",
    operation_id="00000000-0000-7000-8000-000000000002",
    phase=Phase.RELEASE,
    time=datetime(2030, 1, 1, tzinfo=UTC),
    tenant="default",
    environment="prod",
    path="payments/db-password",
    secret_id="sec_00000001",
    version=1,
    action=AuditAction.READ,
    allowed=True,
    reasons=("role:reader@*",),
    outcome="",
    actor="iam:arn:aws:iam::111122223333:role/app",
    session="session",
    source_ip="192.0.2.1",
    user_agent="test",
    request_id="request-1",
    region=REGION,
)

Recorded = Callable[[], list[str]]


@pytest.fixture(params=["fake", "kinesis"])
def log(request: pytest.FixtureRequest) -> Iterator[tuple[AuditLog, Recorded]]:
    if request.param == "fake":
        fake = FakeAuditLog()
        yield fake, lambda: [event.event_id for event in fake.events]
        return
    aws: LocalAws = request.getfixturevalue("aws")
    before = len(aws.records())

    def recorded() -> list[str]:
        lines: list[dict[str, Any]] = [
            json.loads(line) for record in aws.records()[before:] for line in record.splitlines()
        ]
        return [line["eventId"] for line in lines]

    with closing(AwsClient(region=REGION)) as client:
        yield KinesisAuditLog(client=client, stream=STREAM, randomness=FakeRandomness()), recorded


def test_what_was_waited_for_is_there(log: tuple[AuditLog, Recorded]) -> None:
    audit, recorded = log
    events = [replace(EVENT, event_id=f"event-{index}") for index in range(3)]
    receipts = audit.begin(events).receipts()
    assert [receipt.event_id for receipt in receipts] == [event.event_id for event in events]
    assert recorded() == [event.event_id for event in events]


def test_receipts_follow_each_other_on_one_chain(log: tuple[AuditLog, Recorded]) -> None:
    audit, _ = log
    receipts = [*audit.begin([EVENT, EVENT]).receipts(), *audit.begin([EVENT]).receipts()]
    assert [receipt.sequence for receipt in receipts] == [1, 2, 3]
    assert len({receipt.chain_id for receipt in receipts}) == 1
    assert len({receipt.hash for receipt in receipts}) == 3
