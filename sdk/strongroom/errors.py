"""Everything that the client raises, as one tree.

    StrongroomError
    ├── ConfigurationError        configuration: regions, endpoints or options make no sense
    ├── CredentialsError          credentials: the credential chain found none, or failed
    ├── ClientClosed              client_closed: the client was used after `close()`
    ├── ValueFormatError          value_format: the value is not of the kind that was asked for
    ├── InvalidRequest            invalid_request: a field breaks a rule; see `violations`
    │   └── ValueTooLarge         value_too_large
    ├── AccessDenied              access_denied: not allowed, or not there and you may not know
    ├── NotFound                  not_found
    ├── Conflict                  conflict
    │   ├── StaleExpectation      stale_expectation
    │   ├── VersionPending        version_pending
    │   └── NotWriter             not_writer; see `writer_region`
    ├── VersionGone               the version exists no more for readers
    │   ├── VersionDisabled       version_disabled
    │   ├── VersionDestroyed      version_destroyed
    │   └── VersionExpired        version_expired
    ├── ResponseTooLarge          response_too_large
    ├── UnknownRefusal            a 4xx that this release does not know
    └── TryLater                  nothing is wrong with the request; `retryable` is True
        ├── Throttled             throttled; see `retry_after`
        ├── ReplicaBehind         replica_behind; see `writer_region`
        └── Unavailable           no region gave an answer
            ├── AuditUnavailable  audit_unavailable: no audit record, so no secret
            ├── StoreUnavailable  store_unavailable
            ├── KmsUnavailable    kms_unavailable
            ├── RegionFenced      region_fenced
            ├── ConnectionFailed  connection_failed: refused, reset, no such host, TLS
            ├── AttemptTimedOut   timed_out: one region did not answer in its share of the time
            ├── InvalidResponse   invalid_response: what came back is not an answer of Strongroom
            └── DeadlineExceeded  deadline_exceeded

Messages carry no values and no credentials. Codes are those of the HTTP interface; the client's own
(`connection_failed`, `timed_out`, ...) are beside them in the tree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that one field of a request breaks. Neither text repeats the input."""

    field: str
    rule: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that failed on the way to the final error: which region, and the code of its failure."""

    region: str
    code: str


class StrongroomError(Exception):
    """A refusal or failure with a stable code.

    Attributes:
        code: stable, for programs; the class follows from it.
        message: for people.
        request_id: the server's id of the request, under which its logs and audit records are found; None when
            no server answered.
        region: the region that answered or was asked; None when the error arose before any was.
        retryable: whether the same call may succeed later without a change.
        details: JSON-ready facts beside the message.
        attempts: the failed requests before this error, in order, when regions were tried in turn.
    """

    default_code: ClassVar[str] = "error"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        region: str | None = None,
        retryable: bool | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.request_id = request_id
        self.region = region
        self.retryable = self.default_retryable if retryable is None else retryable
        self.details: dict[str, object] = dict(details or {})
        self.attempts: tuple[Attempt, ...] = ()

    def __str__(self) -> str:
        known = {"code": self.code, "region": self.region, "request": self.request_id}
        facts = ", ".join(f"{name} {fact}" for name, fact in known.items() if fact)
        return f"{self.message} ({facts})"


class ConfigurationError(StrongroomError):
    """Regions, endpoints or options make no sense; nothing was sent."""

    default_code = "configuration"


class CredentialsError(StrongroomError):
    """botocore's credential chain found no credentials, or failed to refresh them; nothing was sent."""

    default_code = "credentials"


class ClientClosed(StrongroomError):
    """The client was used after `close()`."""

    default_code = "client_closed"


class ValueFormatError(StrongroomError):
    """The value is binary where text was asked for, or is not JSON where JSON was."""

    default_code = "value_format"


class InvalidRequest(StrongroomError):
    """The request breaks a rule. Raised by the client before sending, or by the server."""

    default_code = "invalid_request"

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Each field and the rule that it breaks; empty when the server named none."""
        listed = self.details.get("violations")
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            return ()
        return tuple(
            Violation(str(entry.get("field", "")), str(entry.get("rule", "")))
            for entry in listed
            if isinstance(entry, Mapping)
        )

    @classmethod
    def of(cls, field: str, rule: str) -> Self:
        """A violation found by the client itself, before anything is sent."""
        return cls(f"{field}: {rule}", details={"violations": [{"field": field, "rule": rule}]})


class ValueTooLarge(InvalidRequest):
    """The value is larger than 64 KiB, or the request larger than the gateway takes."""

    default_code = "value_too_large"


class AccessDenied(StrongroomError):
    """Not signed, not allowed, or not there and the caller may not know."""

    default_code = "access_denied"


class NotFound(StrongroomError):
    """No such secret, version or alias."""

    default_code = "not_found"


class Conflict(StrongroomError):
    """The state of the secret does not admit this change."""

    default_code = "conflict"


class StaleExpectation(Conflict):
    """`current` names another version than the caller expected: somebody else was faster."""

    default_code = "stale_expectation"


class VersionPending(Conflict):
    """The version was not promoted yet; it is readable as `next` only."""

    default_code = "version_pending"


class _NamesWriter(StrongroomError):
    """An error whose details name the region that may write."""

    @property
    def writer_region(self) -> str | None:
        """The region that may write now, as far as the answering region knows."""
        named = self.details.get("writerRegion")
        return named if isinstance(named, str) else None


class NotWriter(Conflict, _NamesWriter):
    """The asked region may not write, and the region that it named did not take the write either."""

    default_code = "not_writer"


class VersionGone(StrongroomError):
    """The version exists no more for readers."""

    default_code = "version_gone"


class VersionDisabled(VersionGone):
    """The version is disabled."""

    default_code = "version_disabled"


class VersionDestroyed(VersionGone):
    """The version was destroyed."""

    default_code = "version_destroyed"


class VersionExpired(VersionGone):
    """The version is past its `expiresAt`."""

    default_code = "version_expired"


class ResponseTooLarge(StrongroomError):
    """The answer does not fit into one response."""

    default_code = "response_too_large"


class UnknownRefusal(StrongroomError):
    """A 4xx with a status or code that this release does not know."""

    default_code = "refused"


class TryLater(StrongroomError):
    """Nothing is wrong with the request: the same call may succeed later."""

    default_code = "try_later"
    default_retryable = True


class Throttled(TryLater):
    """A limit was reached in every region that was asked."""

    default_code = "throttled"

    @property
    def retry_after(self) -> timedelta:
        """How long the server asks to wait; one second when it did not say."""
        seconds = self.details.get("retryAfterSeconds")
        return timedelta(seconds=seconds if isinstance(seconds, int | float) else 1)


class ReplicaBehind(TryLater, _NamesWriter):
    """No region that answers has the requested state yet."""

    default_code = "replica_behind"


class Unavailable(TryLater):
    """No region gave an answer: each failed, or could not be reached, or answered nonsense."""

    default_code = "unavailable"


class AuditUnavailable(Unavailable):
    """No durable audit record could be made, so nothing was released."""

    default_code = "audit_unavailable"


class StoreUnavailable(Unavailable):
    """The secrets table did not answer."""

    default_code = "store_unavailable"


class KmsUnavailable(Unavailable):
    """The key service did not answer."""

    default_code = "kms_unavailable"


class RegionFenced(Unavailable):
    """The region lost the right to write."""

    default_code = "region_fenced"


class ConnectionFailed(Unavailable):
    """No connection: refused, reset, an unknown host, or a TLS failure."""

    default_code = "connection_failed"


class AttemptTimedOut(Unavailable):
    """One region did not answer within its share of the deadline."""

    default_code = "timed_out"


class InvalidResponse(Unavailable):
    """What came back is not an answer of Strongroom: broken, of another shape, or too long."""

    default_code = "invalid_response"


class DeadlineExceeded(Unavailable):
    """The deadline of the call passed before a region answered."""

    default_code = "deadline_exceeded"
