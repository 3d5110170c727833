"""The grants function: once a minute, in the writer region, ends grants and flags what was read under them."""

import os
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any, Final, Protocol

from strongroom_service.domain.errors import DomainError
from strongroom_service.usecases.ports import AuditIndex, Metric, WritePorts
from strongroom_service.usecases.tend_grants import tend_grants

from . import redaction
from .admin_wiring import write_ports
from .environment import Environment
from .failure_log import FailureLog
from .grants_wiring import audit_indexes
from .metrics import FunctionMetrics
from .refusals import Refusals

redaction.install()

FUNCTION: Final = "grants"
_OPERATION: Final = "tend"
_MARGIN: Final = timedelta(seconds=15)
"""Time that the last request's step may take. One that is stopped amid it is taken up by the next minute."""


class Context(Protocol):
    """The part of Lambda's context that is used."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the function."""
        ...


class Grants:
    """The worker over its ports."""

    def __init__(
        self,
        *,
        ports: WritePorts,
        indexes: Mapping[str, AuditIndex | None],
        refusals: Refusals,
        metrics: FunctionMetrics,
    ) -> None:
        self._ports = ports
        self._indexes = indexes
        self._refusals = refusals
        self._metrics = metrics

    def run(self, *, request_id: str, has_time: Callable[[], bool]) -> dict[str, object]:
        """Tend every open request once; a failure is logged, and the next minute tries again.

        Raises:
            InternalError: for a defect.
        """
        started = time.perf_counter()
        try:
            tended = tend_grants(self._indexes, request_id=request_id, ports=self._ports, has_time=has_time)
            if tended.failure is not None:
                self._refusals.tell(tended.failure, request_id=request_id)
        except Exception as error:  # noqa: BLE001  # the border: it is logged by type and place, whatever it is
            told = self._refusals.tell(error, request_id=request_id)
            if not isinstance(error, DomainError):
                # A defect: the function's own alarm has to ring, and what the foreign error quotes stays here.
                raise told from None
            return {"error": told.code}
        else:
            if tended.unanswered:
                self._metrics.count(Metric.GRANTS_UNANSWERED, tended.unanswered)
            told_of: dict[str, object] = {
                "isWriter": tended.is_writer,
                "closed": tended.closed,
                "searched": tended.searched,
                "settled": tended.settled,
                "unanswered": tended.unanswered,
            }
            return told_of | ({"error": tended.failure.code} if tended.failure else {})
        finally:
            self._metrics.request_ended(_OPERATION, seconds=time.perf_counter() - started)


def make_grants(variables: Mapping[str, str]) -> Grants:
    """The worker that a function's environment describes; raises `EnvironmentInvalidError`."""
    environment = Environment.parse(variables)
    metrics = FunctionMetrics(stage=environment.stage, function=FUNCTION)
    return Grants(
        ports=write_ports(environment, metrics),
        indexes=audit_indexes(environment),
        refusals=Refusals(failures=FailureLog(service=f"strongroom-{environment.stage}-{FUNCTION}"), metrics=metrics),
        metrics=metrics,
    )


@cache
def _grants() -> Grants:
    return make_grants(os.environ)


def handler(event: Mapping[str, Any], context: Context) -> dict[str, object]:
    """Lambda's entry point for the schedule; what the event says does not matter."""
    del event
    margin = _MARGIN.total_seconds() * 1000

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > margin

    return _grants().run(request_id=context.aws_request_id, has_time=has_time)
