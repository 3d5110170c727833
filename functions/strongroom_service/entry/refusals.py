"""Where errors become what a caller is told: counted by code, and logged when they are ours to mend."""

from strongroom_service.domain.errors import AccessDenied, AccessSetUnavailable, DomainError
from strongroom_service.usecases.ports import Metric

from .error_table import as_domain_error, status_of
from .failure_log import FailureLog
from .metrics import FunctionMetrics

_SERVER_ERROR = 500


class Refusals:
    """The one way from an exception to an error that leaves."""

    def __init__(self, *, failures: FailureLog, metrics: FunctionMetrics) -> None:
        self._failures = failures
        self._metrics = metrics

    def tell(self, error: BaseException, *, request_id: str) -> DomainError:
        """What the caller of this request is told; everything but a domain error is a defect without details."""
        told = as_domain_error(error)
        self._metrics.error(told.code)
        if isinstance(told, AccessDenied):
            self._metrics.count(Metric.DENIALS)
        if isinstance(told, AccessSetUnavailable):
            self._metrics.count(Metric.ACCESS_BROKEN)
        if status_of(told) >= _SERVER_ERROR:
            self._failures.write(error, told=told, request_id=request_id)
        return told
