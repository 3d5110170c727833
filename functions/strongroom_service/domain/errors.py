"""What can go wrong, as types. The HTTP status of each code stands in `entry/error_table.py`.

    DomainError
    ├── InvalidRequest          invalid_request, with the fields and the rules
    │   └── ValueTooLarge       value_too_large
    ├── AccessDenied            access_denied
    ├── NotFound                not_found, for callers who may know
    ├── Conflict                conflict
    │   ├── StaleExpectation    stale_expectation
    │   ├── VersionPending      version_pending
    │   ├── LockedOut           conflict: nobody could change policies, or the registry, any more
    │   └── NotWriter           not_writer, with the writer region
    ├── VersionDisabled         version_disabled
    ├── VersionDestroyed        version_destroyed
    ├── VersionExpired          version_expired
    ├── ResponseTooLarge        response_too_large
    ├── Throttled               throttled, with a time to wait
    ├── ReplicaBehind           replica_behind, with the writer region
    ├── AuditUnavailable        audit_unavailable: no record, no secret
    ├── StoreUnavailable        store_unavailable
    │   ├── IntegrityFailure    the same code: what is stored does not open
    │   ├── AccessSetUnavailable  the same code: who may what cannot be told
    │   └── RegistryUnavailable  the same code: who belongs to which tenant cannot be told
    ├── KmsUnavailable          kms_unavailable
    ├── RegionFenced            region_fenced
    └── InternalError           internal_error: a defect of ours

Messages are written for callers and never carry a value, a path or any other input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


class DomainError(Exception):
    """A refusal or failure with a stable code.

    `details` holds JSON-ready facts for the caller, never input.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    default_message: ClassVar[str]

    def __init__(self, message: str | None = None, *, details: Mapping[str, object] | None = None) -> None:
        self.message = message or self.default_message
        self.details: dict[str, object] = dict(details or {})
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that one field of a request breaks. Neither text repeats the input."""

    field: str
    rule: str


class InvalidRequest(DomainError):
    """The request breaks a rule; `violations` names each field and its rule."""

    code = "invalid_request"
    default_message = "The request is not valid."

    def __init__(self, violations: Sequence[Violation], *, message: str | None = None) -> None:
        self.violations = tuple(violations)
        first = f"{violations[0].field}: {violations[0].rule}" if violations else None
        super().__init__(
            message or first,
            details={"violations": [{"field": v.field, "rule": v.rule} for v in violations]},
        )


class ValueTooLarge(InvalidRequest):
    """A secret value beyond `limits.MAX_VALUE_BYTES`."""

    code = "value_too_large"


class AccessDenied(DomainError):
    """Not allowed, or not there and the caller may not know: the same words for both."""

    code = "access_denied"
    default_message = "Access denied."


class NotFound(DomainError):
    """Not there, said to a caller who may know."""

    code = "not_found"
    default_message = "There is no such secret, version or alias."


class Conflict(DomainError):
    """The state of the secret does not admit this change."""

    code = "conflict"
    default_message = "The secret's state does not admit this change."


class StaleExpectation(Conflict):
    """The version that the caller expected an alias to name is not the one that it names."""

    code = "stale_expectation"
    default_message = "The alias does not name the version that was expected."


class VersionPending(Conflict):
    """A PENDING version was asked for by its number; it can be read through `next` only."""

    code = "version_pending"
    default_message = "The version was not promoted yet."


class LockedOut(Conflict):
    """A change of policies, or of the registry, after which nobody could change them any more."""

    default_message = "Nobody could change policies after this; let somebody else be an administrator first."


class NotWriter(Conflict):
    """This region may not write."""

    code = "not_writer"
    default_message = "This region does not accept writes."

    def __init__(self, *, writer_region: str) -> None:
        super().__init__(details={"writerRegion": writer_region})


class VersionDisabled(DomainError):
    """The version is DISABLED."""

    code = "version_disabled"
    default_message = "The version is disabled."


class VersionDestroyed(DomainError):
    """The version is DESTROYED or was pruned; its value is gone."""

    code = "version_destroyed"
    default_message = "The version was destroyed."


class VersionExpired(DomainError):
    """The version is past its `expiresAt`."""

    code = "version_expired"
    default_message = "The version has expired."


class ResponseTooLarge(DomainError):
    """The answer would not fit into one response."""

    code = "response_too_large"
    default_message = "The answer would be too large; ask for fewer values at once."


class Throttled(DomainError):
    """A limit of the platform or of AWS was reached; wait before the next try."""

    code = "throttled"
    retryable = True
    default_message = "Too many requests."

    def __init__(self, *, retry_after: timedelta = timedelta(seconds=1)) -> None:
        self.retry_after = retry_after
        super().__init__()


class ReplicaBehind(DomainError):
    """The state that was asked for has not arrived in this region yet."""

    code = "replica_behind"
    retryable = True
    default_message = "This region has not received the requested state yet."

    def __init__(self, *, writer_region: str) -> None:
        super().__init__(details={"writerRegion": writer_region})


class AuditUnavailable(DomainError):
    """No durable audit record could be made, so nothing is let out."""

    code = "audit_unavailable"
    retryable = True
    default_message = "The audit record could not be stored; nothing was released."


class StoreUnavailable(DomainError):
    """The secrets table did not answer."""

    code = "store_unavailable"
    retryable = True
    default_message = "The secret store did not answer."


class IntegrityFailure(StoreUnavailable):
    """What is stored does not open or contradicts itself; another region may hold a sound copy."""

    default_message = "The stored value failed its integrity check."


class AccessSetUnavailable(StoreUnavailable):
    """The tenant's policies cannot be read, so nobody is let in."""

    default_message = "The access policies could not be read."


class RegistryUnavailable(StoreUnavailable):
    """The registry of tenants cannot be read, so nobody is let in."""

    default_message = "The registry of tenants could not be read."


class KmsUnavailable(DomainError):
    """KMS did not answer, or refuses the key."""

    code = "kms_unavailable"
    retryable = True
    default_message = "The key service did not answer."


class RegionFenced(DomainError):
    """The region's fence is closed or carries another epoch: it lost the right to write."""

    code = "region_fenced"
    retryable = True
    default_message = "This region is fenced off from writing."


class InternalError(DomainError):
    """A defect of the platform; the log holds what happened under the request id."""

    code = "internal_error"
    retryable = True
    default_message = "Internal error."
