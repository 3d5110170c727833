"""The class of each code of the HTTP interface, and of each status where a code is missing or not known yet."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from . import errors
from .errors import StrongroomError

_KNOWN: Final[tuple[type[StrongroomError], ...]] = (
    errors.InvalidRequest,
    errors.ValueTooLarge,
    errors.AccessDenied,
    errors.NotFound,
    errors.Conflict,
    errors.StaleExpectation,
    errors.VersionPending,
    errors.NotWriter,
    errors.VersionDisabled,
    errors.VersionDestroyed,
    errors.VersionExpired,
    errors.ResponseTooLarge,
    errors.Throttled,
    errors.ReplicaBehind,
    errors.AuditUnavailable,
    errors.StoreUnavailable,
    errors.KmsUnavailable,
    errors.RegionFenced,
)

BY_CODE: Final[Mapping[str, type[StrongroomError]]] = MappingProxyType({known.default_code: known for known in _KNOWN})

_BY_STATUS: Final[Mapping[int, type[StrongroomError]]] = MappingProxyType(
    {
        400: errors.InvalidRequest,
        401: errors.AccessDenied,
        403: errors.AccessDenied,
        404: errors.NotFound,
        409: errors.Conflict,
        410: errors.VersionGone,
        413: errors.ValueTooLarge,
        425: errors.ReplicaBehind,
        429: errors.Throttled,
    }
)
_SERVER_ERRORS: Final = 500
"""RFC 9110, section 15.6."""


def class_for(code: str | None, status: int) -> type[StrongroomError]:
    """The class of an answer's code or, for a code that this release does not know, of its HTTP status."""
    if code is not None and code in BY_CODE:
        return BY_CODE[code]
    if status >= _SERVER_ERRORS:
        return errors.Unavailable
    return _BY_STATUS.get(status, errors.UnknownRefusal)
