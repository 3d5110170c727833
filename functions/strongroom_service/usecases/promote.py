"""Move aliases: promote a version to `current`, stage one as `next`, clear `next`."""

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom_service.domain import lifecycle
from strongroom_service.domain.access import Action, Caller
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.errors import IntegrityFailure, InvalidRequest, VersionDestroyed, Violation
from strongroom_service.domain.names import Alias
from strongroom_service.domain.secret import Envelope, Head, VersionStatus

from .changing import Located, Mutation, Plan, Target, namespace_keys, require_unchanged, run, token_digest
from .ports import Change, VersionKey, WritePorts


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """Which version an alias is to name, and which one it is expected to name now (None: none)."""

    alias: Alias
    number: int
    expected: int | None
    client_token: str | None = None


def move_alias(move: AliasMove, *, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Point an alias at a version by compare-and-set; of racing calls exactly one wins.

    The winner's call repeated with its client token succeeds again.

    Raises:
        InvalidRequest: `previous` is set by promotion only.
        StaleExpectation: the alias names another version than was expected.
        DomainError: as `lifecycle.promote`, `lifecycle.stage` and `changing.run`.
    """
    if move.alias is Alias.PREVIOUS:
        raise InvalidRequest([Violation("alias", "must be current or next; previous is set by promotion")])
    operation = f"alias-{move.alias}"

    def plan(located: Located, epoch: int) -> Plan[Head]:
        head = located.found()
        now = ports.clock.now()
        digest = None
        if move.client_token is not None:
            keys = namespace_keys(head.name.namespace, epoch=epoch, ports=ports)
            digest = token_digest(move.client_token, head.name, keys=keys, ports=ports)
        if use := head.token_use(digest, operation):
            if use.version_number != move.number:
                raise InvalidRequest([Violation("Idempotency-Key", "was used with another version")])
            return Plan(None, head, move.number)
        lifecycle.expect(head, move.alias, move.expected)
        envelope = stored_envelope(head, move.number, ports=ports)
        change = lifecycle.stage if move.alias is Alias.NEXT else lifecycle.promote
        after = change(head, move.number, envelope=envelope, epoch=epoch, now=now)
        after = lifecycle.remember(after, digest, operation=operation, version_number=move.number, now=now)
        return Plan(Change(head, after), after, move.number)

    return run(
        Mutation(
            target=target,
            action=lambda head: _audited(move, head),
            permissions=lambda head: _permissions(head, move.number),
            plan=plan,
        ),
        caller=caller,
        ports=ports,
    )


def clear_next(*, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Remove the alias `next`; nothing changes when there is none. Raises as `changing.run`."""

    def plan(located: Located, epoch: int) -> Plan[Head]:
        head = located.found()
        after = lifecycle.clear_next(head, epoch=epoch, now=ports.clock.now())
        return Plan(None if after is head else Change(head, after), after)

    return run(
        Mutation(
            target=target, action=lambda _: AuditAction.CLEAR_ALIAS, permissions=lambda _: [Action.PROMOTE], plan=plan
        ),
        caller=caller,
        ports=ports,
    )


def stored_envelope(head: Head, number: int, *, ports: WritePorts) -> Envelope:
    """A version's envelope, from the head or from its own item.

    Raises:
        NotFound, VersionDestroyed: there is none.
        ChangeLost: it was destroyed between the reading of the head and of its item.
        IntegrityFailure: there should be one.
    """
    if envelope := head.envelopes.get(number):
        return envelope
    record = head.version(number)
    stored = ports.store.stored_envelope(head.name, VersionKey(number, record.epoch))
    if stored is not None:
        return stored
    if record.status is VersionStatus.DESTROYED:
        raise VersionDestroyed
    require_unchanged(head, ports)
    raise IntegrityFailure


def _permissions(head: Head | None, number: int) -> Sequence[Action]:
    """Going back to a version that was current before is a right of its own, without the right to read."""
    return [Action.ROLLBACK if _is_rollback(head, number) else Action.PROMOTE]


def _audited(move: AliasMove, head: Head | None) -> AuditAction:
    if move.alias is Alias.NEXT:
        return AuditAction.STAGE
    return AuditAction.ROLLBACK if _is_rollback(head, move.number) else AuditAction.PROMOTE


def _is_rollback(head: Head | None, number: int) -> bool:
    record = head.versions.get(number) if head else None
    return record is not None and record.status is VersionStatus.PREVIOUS
