"""What may be said of a failure: types and places, never messages, which can quote a value."""

import traceback
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed
from strongroom_service.domain.errors import DomainError

_MAX_CAUSES: Final = 6
_MAX_FRAMES: Final = 12


def describe_failure(error: BaseException) -> list[dict[str, Any]]:
    """The exception and what led to it, each by its type and the functions it passed through."""
    described: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(described) < _MAX_CAUSES:
        frames = traceback.extract_tb(current.__traceback__)[-_MAX_FRAMES:]
        described.append(
            {
                "type": f"{type(current).__module__}.{type(current).__qualname__}",
                # Others have a `code` too: a program's last words, a parsed header, an object that no log can take.
                "code": current.code if isinstance(current, DomainError | AwsCallFailed) else None,
                "frames": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
            }
        )
        current = current.__cause__ or current.__context__
    return described
