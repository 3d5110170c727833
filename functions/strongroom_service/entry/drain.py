"""The drain function: once a minute, moves what waits in the audit buffer into the stream."""

import os
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any, Final, Protocol

import botocore.session
from botocore.config import Config

from strongroom_service.adapters.audit.draining import DynamoBufferedRecords, KinesisAuditStream
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.errors import DomainError
from strongroom_service.usecases.drain_audit import drain
from strongroom_service.usecases.ports import AuditStream, BufferedRecords, Metric

from . import redaction
from .environment import AUDIT_BUFFER, AUDIT_STREAM, REGION, STAGE, required
from .failure_log import FailureLog
from .metrics import FunctionMetrics
from .refusals import Refusals

redaction.install()

FUNCTION: Final = "drain"
_OPERATION: Final = "drain"
_AWS_TIMEOUT: Final = timedelta(seconds=3)
_MARGIN: Final = timedelta(seconds=15)
"""Time that the last batch may take: a drain that is stopped between putting and removing moves records twice."""


class Context(Protocol):
    """The part of Lambda's context that is used."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the function."""
        ...


class Drain:
    """The drain over its two ends."""

    def __init__(
        self, *, buffer: BufferedRecords, stream: AuditStream, refusals: Refusals, metrics: FunctionMetrics
    ) -> None:
        self._buffer = buffer
        self._stream = stream
        self._refusals = refusals
        self._metrics = metrics

    def run(self, *, request_id: str, has_time: Callable[[], bool]) -> dict[str, object]:
        """Drain once; a failure is logged, and the next minute tries again. Raises `InternalError` for a defect."""
        started = time.perf_counter()
        try:
            drained = drain(self._buffer, self._stream, has_time=has_time)
        except Exception as error:  # noqa: BLE001  # the border: it is logged by type and place, whatever it is
            told = self._refusals.tell(error, request_id=request_id)
            if not isinstance(error, DomainError):
                # A defect: the function's own alarm has to ring, and what the foreign error quotes stays here.
                raise told from None
            return {"error": told.code}
        else:
            if drained.moved:
                self._metrics.count(Metric.AUDIT_DRAINED, drained.moved)
            self._metrics.count(Metric.AUDIT_WAITING, drained.left)
            return {"moved": drained.moved, "left": drained.left, "stalled": drained.is_stalled}
        finally:
            self._metrics.request_ended(_OPERATION, seconds=time.perf_counter() - started)


def make_drain(variables: Mapping[str, str]) -> Drain:
    """The drain that a function's environment describes; raises `EnvironmentInvalidError`."""
    stage, region = required(variables, STAGE), required(variables, REGION)
    metrics = FunctionMetrics(stage=stage, function=FUNCTION)
    randomness = SystemRandomness()
    return Drain(
        buffer=DynamoBufferedRecords(
            client=_client("dynamodb", region), table=required(variables, AUDIT_BUFFER), randomness=randomness
        ),
        stream=KinesisAuditStream(
            client=_client("kinesis", region), stream=required(variables, AUDIT_STREAM), randomness=randomness
        ),
        refusals=Refusals(failures=FailureLog(service=f"strongroom-{stage}-{FUNCTION}"), metrics=metrics),
        metrics=metrics,
    )


def _client(service: str, region: str) -> Any:  # noqa: ANN401  # botocore's clients are untyped
    seconds = _AWS_TIMEOUT.total_seconds()
    return botocore.session.get_session().create_client(
        service,
        region_name=region,
        config=Config(
            connect_timeout=seconds, read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": 2}
        ),
    )


@cache
def _drain() -> Drain:
    return make_drain(os.environ)


def handler(event: Mapping[str, Any], context: Context) -> dict[str, object]:
    """Lambda's entry point for the schedule; what the event says does not matter."""
    del event
    margin = _MARGIN.total_seconds() * 1000

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > margin

    return _drain().run(request_id=context.aws_request_id, has_time=has_time)
