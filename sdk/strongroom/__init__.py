"""Client of Strongroom, a secrets platform that runs in your own AWS accounts.

    from strongroom import Client

    with Client() as secrets:
        password = secrets.get("prod/payments/db-password").reveal()

The tree of errors is drawn in `strongroom.errors`.
"""

from .batch import Batch
from .client import Client
from .errors import (
    AccessDenied,
    Attempt,
    AttemptTimedOut,
    AuditUnavailable,
    ClientClosed,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    CredentialsError,
    DeadlineExceeded,
    InvalidRequest,
    InvalidResponse,
    KmsUnavailable,
    NotFound,
    NotWriter,
    RegionFenced,
    ReplicaBehind,
    ResponseTooLarge,
    StaleExpectation,
    StoreUnavailable,
    StrongroomError,
    Throttled,
    TryLater,
    Unavailable,
    UnknownRefusal,
    ValueFormatError,
    ValueTooLarge,
    VersionDestroyed,
    VersionDisabled,
    VersionExpired,
    VersionGone,
    VersionPending,
    Violation,
)
from .regions import Region
from .responses import StoredVersion
from .secret import Secret
from .writing import Expect, Generate

__all__ = [
    "AccessDenied",
    "Attempt",
    "AttemptTimedOut",
    "AuditUnavailable",
    "Batch",
    "Client",
    "ClientClosed",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "CredentialsError",
    "DeadlineExceeded",
    "Expect",
    "Generate",
    "InvalidRequest",
    "InvalidResponse",
    "KmsUnavailable",
    "NotFound",
    "NotWriter",
    "Region",
    "RegionFenced",
    "ReplicaBehind",
    "ResponseTooLarge",
    "Secret",
    "StaleExpectation",
    "StoreUnavailable",
    "StoredVersion",
    "StrongroomError",
    "Throttled",
    "TryLater",
    "Unavailable",
    "UnknownRefusal",
    "ValueFormatError",
    "ValueTooLarge",
    "VersionDestroyed",
    "VersionDisabled",
    "VersionExpired",
    "VersionGone",
    "VersionPending",
    "Violation",
]
