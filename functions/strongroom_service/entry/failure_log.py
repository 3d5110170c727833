"""Structured records of failures, as they go to the function's log."""

from functools import cached_property
from typing import TYPE_CHECKING

from strongroom_service.domain.errors import DomainError

from .failure_description import describe_failure
from .redaction import RedactionFilter

if TYPE_CHECKING:
    from aws_lambda_powertools.logging import Logger


class FailureLog:
    """Structured records of failed requests.

    The logging library is loaded with the first record: a reader that never fails never pays for it, and its
    import would be a sixth of the reader's cold start.
    """

    def __init__(self, *, service: str) -> None:
        self._service = service

    def write(self, error: BaseException, *, told: DomainError, request_id: str) -> None:
        """One record: what happened, and what the caller was told of it."""
        self._logger.error("request failed", requestId=request_id, code=told.code, failure=describe_failure(error))

    @cached_property
    def _logger(self) -> "Logger":
        from aws_lambda_powertools.logging import Logger  # noqa: PLC0415  # see the class

        logger = Logger(service=self._service, level="INFO", log_uncaught_exceptions=False)
        logger.addFilter(RedactionFilter())
        return logger
