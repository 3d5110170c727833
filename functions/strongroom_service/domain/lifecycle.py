"""A secret's life: every change that a head admits, as functions from one head to the next.

| from | may become | how |
| --- | --- | --- |
| PENDING | CURRENT | promote |
| PENDING, CURRENT, PREVIOUS | DISABLED | disable |
| CURRENT | PREVIOUS | another is promoted |
| PREVIOUS | CURRENT | promote again: a rollback |
| DISABLED | PENDING if never promoted, else PREVIOUS without alias | enable |
| any but CURRENT | DESTROYED | destroy |

Aliases move by promotion, staging and clearing only: one that names a disabled or destroyed version stays, and
reading it answers 410. The envelopes in a head are exactly those of aliased versions that may be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from . import limits
from .errors import Conflict, StaleExpectation, VersionDestroyed, VersionDisabled, VersionExpired
from .names import Alias, SecretName
from .secret import ClientToken, Envelope, Head, RotationDue, SecretStatus, VersionRecord, VersionStatus


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """A version's value under another namespace key, with the fingerprint that belongs to that key."""

    envelope: Envelope
    fingerprint: str


_ALIASED = frozenset({VersionStatus.PENDING, VersionStatus.CURRENT, VersionStatus.PREVIOUS})


def register(
    name: SecretName,
    *,
    before: Head | None,
    secret_id: str,
    owner_team: str,
    rotation_strategy: str,
    description: str,
    tags: dict[str, str],
    epoch: int,
    now: datetime,
) -> Head:
    """A new secret; on the tombstone of a purged one its numbers go on.

    Raises:
        Conflict: the path is taken.
    """
    if before is not None and before.status is not SecretStatus.PURGED:
        raise Conflict("A secret is registered under this path already.")
    return Head(
        name=name,
        secret_id=secret_id,
        owner_team=owner_team,
        rotation_strategy=rotation_strategy,
        description=description,
        tags=tags,
        status=SecretStatus.ACTIVE,
        latest_version=before.latest_version if before else 0,
        epoch=epoch,
        revision=(before.revision if before else 0) + 1,
        created_at=now,
        updated_at=now,
    )


def propose(head: Head, *, fingerprint: str, expires_at_unix: int, epoch: int, now: datetime) -> Head:
    """A further PENDING version, numbered one above the latest.

    Raises:
        Conflict: the secret is not active, or holds as many versions as are kept and none may be pruned.
    """
    _require_active(head)
    pruned = prunable(head, now=now)
    if len(head.versions) - len(pruned) >= limits.MAX_KEPT_VERSIONS:
        raise Conflict(
            f"The secret has {limits.MAX_KEPT_VERSIONS} versions and none without an alias is older than "
            f"{limits.PRUNE_MIN_AGE // timedelta(hours=1)} hours; destroy does not free a place, time does."
        )
    number = head.latest_version + 1
    record = VersionRecord(VersionStatus.PENDING, epoch, now, None, fingerprint, expires_at_unix)
    versions = {n: r for n, r in head.versions.items() if n not in pruned} | {number: record}
    return _next(head, epoch=epoch, now=now, versions=versions, latest_version=number)


def prunable(head: Head, *, now: datetime) -> tuple[int, ...]:
    """The oldest versions that must leave for one more to be kept: without an alias and old enough."""
    excess = len(head.versions) + 1 - limits.MAX_KEPT_VERSIONS
    if excess <= 0:
        return ()
    aliased = set(head.aliases.values())
    old = (
        n
        for n in sorted(head.versions)
        if n not in aliased
        and head.versions[n].status is not VersionStatus.CURRENT
        and now - head.versions[n].created_at >= limits.PRUNE_MIN_AGE
    )
    return tuple(n for n, _ in zip(old, range(excess), strict=False))


def expect(head: Head, alias: Alias, expected: int | None) -> None:
    """Compare what an alias names with what the caller expects; None expects nothing.

    Raises:
        StaleExpectation: they differ; `details` has the version that it names.
    """
    named = head.aliases.get(alias)
    if named != expected:
        raise StaleExpectation(details={"currentVersion": named})


def promote(head: Head, number: int, *, envelope: Envelope, epoch: int, now: datetime) -> Head:
    """Make a PENDING or PREVIOUS version the current one; the one before it becomes `previous` unless disabled.

    Raises:
        Conflict: the secret is not active, or the version is the current one already.
        VersionDisabled, VersionDestroyed, VersionExpired, NotFound: the version cannot be read.
    """
    _require_active(head)
    record = _require_usable(head, number, now=now)
    if record.status is VersionStatus.CURRENT:
        raise Conflict("The version is the current one already.")
    versions = dict(head.versions)
    aliases = dict(head.aliases)
    before = aliases.get(Alias.CURRENT)
    versions[number] = replace(record, status=VersionStatus.CURRENT, promoted_at=now)
    for alias in (Alias.PREVIOUS, Alias.NEXT):
        if aliases.get(alias) == number:
            del aliases[alias]
    if before is not None and (old := versions.get(before)) and old.status is VersionStatus.CURRENT:
        versions[before] = replace(old, status=VersionStatus.PREVIOUS)
        aliases[Alias.PREVIOUS] = before
    aliases[Alias.CURRENT] = number
    envelopes = {**head.envelopes, number: envelope}
    due = head.rotation_due
    return _next(
        head,
        epoch=epoch,
        now=now,
        versions=versions,
        aliases=aliases,
        envelopes=envelopes,
        rotation_due=None if due and number > due.version else due,
    )


def stage(head: Head, number: int, *, envelope: Envelope, epoch: int, now: datetime) -> Head:
    """Point `next` at a PENDING version, so that it can be read before it is promoted.

    Raises:
        Conflict: the secret is not active, or the version is not PENDING.
        VersionDisabled, VersionDestroyed, VersionExpired, NotFound: the version cannot be read.
    """
    _require_active(head)
    if _require_usable(head, number, now=now).status is not VersionStatus.PENDING:
        raise Conflict("Only a pending version can be staged as next.")
    aliases = {**head.aliases, Alias.NEXT: number}
    envelopes = {**head.envelopes, number: envelope}
    return _next(head, epoch=epoch, now=now, aliases=aliases, envelopes=envelopes)


def clear_next(head: Head, *, epoch: int, now: datetime) -> Head:
    """Remove the alias `next`; unchanged when there is none.

    Raises:
        Conflict: the secret is not active.
    """
    _require_active(head)
    if Alias.NEXT not in head.aliases:
        return head
    aliases = {alias: n for alias, n in head.aliases.items() if alias is not Alias.NEXT}
    return _next(head, epoch=epoch, now=now, aliases=aliases)


def disable(head: Head, number: int, *, epoch: int, now: datetime) -> Head:
    """Stop a version from being read, the current one too; unchanged when it is disabled already.

    Raises:
        Conflict: the secret is not active.
        VersionDestroyed, NotFound: there is no value left to disable.
    """
    _require_active(head)
    record = _require_kept(head, number)
    if record.status is VersionStatus.DISABLED:
        return head
    versions = {**head.versions, number: replace(record, status=VersionStatus.DISABLED)}
    return _next(head, epoch=epoch, now=now, versions=versions)


def enable(head: Head, number: int, *, envelope: Envelope, epoch: int, now: datetime) -> Head:
    """Undo `disable`: PENDING if it was never promoted, else PREVIOUS without an alias.

    Raises:
        Conflict: the secret is not active, or the version is not disabled.
        VersionDestroyed, NotFound: there is no value left to enable.
    """
    _require_active(head)
    record = _require_kept(head, number)
    if record.status is not VersionStatus.DISABLED:
        raise Conflict("The version is not disabled.")
    aliases, envelopes = dict(head.aliases), dict(head.envelopes)
    if record.promoted_at is None:
        status = VersionStatus.PENDING
        if aliases.get(Alias.NEXT) == number:
            envelopes[number] = envelope
    else:
        status = VersionStatus.PREVIOUS
        aliases = {alias: n for alias, n in aliases.items() if n != number}
    versions = {**head.versions, number: replace(record, status=status)}
    return _next(head, epoch=epoch, now=now, versions=versions, aliases=aliases, envelopes=envelopes)


def destroy(head: Head, number: int, *, epoch: int, now: datetime) -> Head:
    """Give up a version's value for good; unchanged when it is destroyed already.

    Raises:
        Conflict: the secret is not active, or the version is the current one.
        VersionDestroyed, NotFound: the version was pruned, or never was.
    """
    _require_active(head)
    record = head.version(number)
    if record.status is VersionStatus.CURRENT:
        raise Conflict("The current version cannot be destroyed; promote another or disable it first.")
    if record.status is VersionStatus.DESTROYED:
        return head
    gone = replace(record, status=VersionStatus.DESTROYED, fingerprint=None)
    return _next(head, epoch=epoch, now=now, versions={**head.versions, number: gone})


def update_metadata(
    head: Head,
    *,
    owner_team: str | None,
    rotation_strategy: str | None,
    description: str | None,
    tags: dict[str, str] | None,
    epoch: int,
    now: datetime,
) -> Head:
    """Change what is given, keep the rest.

    Raises:
        Conflict: the secret is not active.
    """
    _require_active(head)
    return _next(
        head,
        epoch=epoch,
        now=now,
        owner_team=head.owner_team if owner_team is None else owner_team,
        rotation_strategy=head.rotation_strategy if rotation_strategy is None else rotation_strategy,
        description=head.description if description is None else description,
        tags=head.tags if tags is None else tags,
    )


def delete(head: Head, *, restore_days: int, epoch: int, now: datetime) -> Head:
    """Hide a secret; it can be restored for `restore_days` days. Unchanged when it is deleted already.

    Raises:
        Conflict: the secret was purged.
    """
    if head.status is SecretStatus.DELETED:
        return head
    _require_active(head)
    until = now + timedelta(days=restore_days)
    return _next(head, epoch=epoch, now=now, status=SecretStatus.DELETED, deleted_at=now, restore_until=until)


def restore(head: Head, *, epoch: int, now: datetime) -> Head:
    """Undo `delete` within its days; unchanged when the secret is active.

    Raises:
        Conflict: the days are over, or the secret was purged.
    """
    if head.status is SecretStatus.ACTIVE:
        return head
    if head.status is SecretStatus.PURGED:
        raise Conflict("The secret was purged.")
    if head.restore_until is not None and now >= head.restore_until:
        raise Conflict("The secret's time to be restored is over.")
    return _next(head, epoch=epoch, now=now, status=SecretStatus.ACTIVE, deleted_at=None, restore_until=None)


def purge(head: Head, *, epoch: int, now: datetime) -> Head:
    """Leave a tombstone: no value, no alias, no description; version numbers and revisions stay where they are."""
    if head.status is SecretStatus.PURGED:
        return head
    return _next(
        head,
        epoch=epoch,
        now=now,
        status=SecretStatus.PURGED,
        aliases={},
        versions={},
        envelopes={},
        description="",
        tags={},
        client_tokens=(),
        deleted_at=head.deleted_at or now,
        restore_until=None,
        rotation_due=None,
    )


def rewrap(head: Head, rewrapped: Mapping[int, Rewrapped], *, epoch: int, now: datetime) -> Head:
    """The same values under another namespace key; a deleted secret's too, since it can be restored.

    Raises:
        Conflict: the secret was purged.
        VersionDestroyed, NotFound: there is no value left to re-wrap.
    """
    if head.status is SecretStatus.PURGED:
        raise Conflict("The secret was purged.")
    versions, envelopes = dict(head.versions), dict(head.envelopes)
    for number, anew in rewrapped.items():
        versions[number] = replace(_require_kept(head, number), fingerprint=anew.fingerprint)
        if number in envelopes:
            envelopes[number] = anew.envelope
    return _next(head, epoch=epoch, now=now, versions=versions, envelopes=envelopes)


def flag_rotation(head: Head, due: RotationDue, *, read_at: datetime, epoch: int, now: datetime) -> Head:
    """Note that a value has become known and ought to be replaced.

    Unchanged when that has happened since it was read, when as much is noted already, or when there is no value left.
    """
    current = head.aliases.get(Alias.CURRENT)
    record = head.versions.get(current) if current is not None else None
    promoted_at = record.promoted_at if record else None
    is_replaced = current is not None and current > due.version and promoted_at is not None and promoted_at > read_at
    if head.status is SecretStatus.PURGED or is_replaced:
        return head
    before = head.rotation_due
    if before is not None:
        if before.version >= due.version:
            return head
        due = replace(before, version=due.version)
    return _next(head, epoch=epoch, now=now, rotation_due=due)


def remember(head: Head, digest: str | None, *, operation: str, version_number: int, now: datetime) -> Head:
    """Note the use of a client token in the state that the call makes; the oldest uses leave."""
    if digest is None:
        return head
    use = ClientToken(digest, operation, version_number, now)
    return replace(head, client_tokens=(*head.client_tokens, use)[-limits.MAX_CLIENT_TOKENS :])


def _next(head: Head, *, epoch: int, now: datetime, **changes: object) -> Head:
    """The following state: one revision on, with the envelopes of readable aliased versions only."""
    after = replace(head, epoch=epoch, revision=head.revision + 1, updated_at=now, **changes)  # type: ignore[arg-type]  # dataclasses.replace has no typed **kwargs
    aliased = set(after.aliases.values())
    envelopes = {
        n: e
        for n, e in after.envelopes.items()
        if n in aliased and n in after.versions and after.versions[n].status in _ALIASED
    }
    return replace(after, envelopes=envelopes)


def _require_active(head: Head) -> None:
    if head.status is not SecretStatus.ACTIVE:
        raise Conflict("The secret is deleted.")


def _require_kept(head: Head, number: int) -> VersionRecord:
    record = head.version(number)
    if record.status is VersionStatus.DESTROYED:
        raise VersionDestroyed
    return record


def _require_usable(head: Head, number: int, *, now: datetime) -> VersionRecord:
    record = _require_kept(head, number)
    if record.status is VersionStatus.DISABLED:
        raise VersionDisabled
    if record.has_expired(now):
        raise VersionExpired
    return record
