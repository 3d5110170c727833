"""The audit log of every function that serves requests."""

from typing import Protocol

from strongroom_service.adapters.audit.buffer import AuditBuffer
from strongroom_service.adapters.audit.log import ChainedAuditLog
from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.usecases.ports import Measurements, Randomness


class AuditEnvironment(Protocol):
    """The part of a function's environment that says where records go."""

    @property
    def audit_stream(self) -> str:
        """The stream's name."""
        ...

    @property
    def audit_buffer(self) -> str:
        """The buffer's table."""
        ...

    @property
    def audit_buffer_events(self) -> int:
        """How many events it takes."""
        ...


def audit_log(
    environment: AuditEnvironment, client: AwsClient, *, randomness: Randomness, measurements: Measurements
) -> ChainedAuditLog:
    """The audit log of this region."""
    buffer = AuditBuffer(
        client=client,
        table=environment.audit_buffer,
        size=environment.audit_buffer_events,
        randomness=randomness,
    )
    return ChainedAuditLog(
        client=client,
        stream=environment.audit_stream,
        buffer=buffer,
        randomness=randomness,
        measurements=measurements,
    )
