"""Which version a read gets, decided by the head alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from .errors import (
    IntegrityFailure,
    NotFound,
    VersionDestroyed,
    VersionDisabled,
    VersionExpired,
    VersionPending,
)
from .names import Alias, Selector
from .secret import Envelope, Head, SecretStatus, VersionRecord, VersionStatus

_STATUS_BEHIND: Final = {
    Alias.CURRENT: VersionStatus.CURRENT,
    Alias.PREVIOUS: VersionStatus.PREVIOUS,
    Alias.NEXT: VersionStatus.PENDING,
}


@dataclass(frozen=True, slots=True)
class Readable:
    """A version that may be read now. `envelope` is None when only the version's own item holds it."""

    number: int
    alias: Alias | None
    record: VersionRecord
    envelope: Envelope | None


def resolve(head: Head, selector: Selector, *, now: datetime) -> Readable:
    """Find the version that the selector means.

    Raises:
        NotFound: the secret is deleted, or nothing has that name or number.
        VersionPending: a PENDING version was asked for by number.
        VersionDisabled, VersionDestroyed, VersionExpired: the version is not to be read.
        IntegrityFailure: the head contradicts itself.
    """
    if head.status is not SecretStatus.ACTIVE:
        raise NotFound
    if selector.alias is not None:
        number = head.aliases.get(selector.alias, 0)
        if not number:
            raise NotFound
    else:
        number = selector.number or 0
    record = head.version(number)
    _refuse_unreadable(record, now=now)
    if selector.alias is None:
        if record.status is VersionStatus.PENDING:
            raise VersionPending
        return Readable(number, _alias_of(head, number), record, head.envelopes.get(number))
    envelope = head.envelopes.get(number)
    if record.status is not _STATUS_BEHIND[selector.alias] or envelope is None:
        raise IntegrityFailure
    return Readable(number, selector.alias, record, envelope)


def _refuse_unreadable(record: VersionRecord, *, now: datetime) -> None:
    if record.status is VersionStatus.DISABLED:
        raise VersionDisabled
    if record.status is VersionStatus.DESTROYED:
        raise VersionDestroyed
    if record.has_expired(now):
        raise VersionExpired


def _alias_of(head: Head, number: int) -> Alias | None:
    return next((alias for alias, named in head.aliases.items() if named == number), None)
