"""What a log may say of a failure: types and places, never messages, which can quote a value."""

import traceback
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from strongroom_service.domain.errors import DomainError

if TYPE_CHECKING:
    from aws_lambda_powertools.logging import Logger

_MAX_CAUSES: Final = 6
_MAX_FRAMES: Final = 12


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

        return Logger(service=self._service, level="INFO", log_uncaught_exceptions=False)


def describe_failure(error: BaseException) -> list[dict[str, Any]]:
    """The exception and what led to it, each by its type and the functions it passed through."""
    described: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(described) < _MAX_CAUSES:
        frames = traceback.extract_tb(current.__traceback__)[-_MAX_FRAMES:]
        described.append(
            {
                "type": f"{type(current).__module__}.{type(current).__qualname__}",
                "code": getattr(current, "code", None),
                "frames": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
            }
        )
        current = current.__cause__ or current.__context__
    return described
