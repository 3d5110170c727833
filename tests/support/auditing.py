"""An audit event as tests need it, and measurements that can be looked at."""

from collections import Counter
from datetime import UTC, datetime

from strongroom_service.domain.audit import AuditAction, AuditEvent, Phase
from strongroom_service.usecases.ports import Metric

EVENT = AuditEvent(
    event_id="01900000-0000-7000-8000-000000000001",
    operation_id="01900000-0000-7000-8000-000000000000",
    phase=Phase.RELEASE,
    time=datetime(2026, 6, 6, 14, 30, tzinfo=UTC),
    tenant="default",
    environment="prod",
    path="payments/db-password",
    secret_id="sec_0123-4567-89ab-cdef01234567",
    version=1,
    action=AuditAction.READ,
    allowed=True,
    reasons=("role:reader@*",),
    outcome="",
    actor="iam:arn:aws:iam::123456789012:role/app",
    session="s",
    source_ip="192.0.2.1",
    user_agent="test",
    request_id="r",
    region="us-east-1",
)


class FakeMeasurements:
    """The measurements port, kept."""

    def __init__(self) -> None:
        self.counts: Counter[Metric] = Counter()
        self.times: list[Metric] = []

    def count(self, metric: Metric, value: int = 1) -> None:
        self.counts[metric] += value

    def time(self, metric: Metric, seconds: float) -> None:
        assert seconds >= 0
        self.times.append(metric)
