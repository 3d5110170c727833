"""Change a secret as a whole: its metadata; delete, restore, purge."""

from collections.abc import Callable
from dataclasses import dataclass

from strongroom_service.domain import lifecycle
from strongroom_service.domain.access import Action, Caller
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.secret import Head

from .changing import Located, Mutation, Plan, Target, run, scrub_purged
from .ports import Change, WritePorts


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataChange:
    """What is to change; None keeps what is there."""

    owner_team: str | None = None
    rotation_strategy: str | None = None
    description: str | None = None
    tags: dict[str, str] | None = None


def update_secret(update: MetadataChange, *, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Change metadata. Raises as `lifecycle.update_metadata` and `changing.run`."""

    def change(head: Head, epoch: int) -> Head:
        return lifecycle.update_metadata(
            head,
            owner_team=update.owner_team,
            rotation_strategy=update.rotation_strategy,
            description=update.description,
            tags=update.tags,
            epoch=epoch,
            now=ports.clock.now(),
        )

    return _run(AuditAction.UPDATE, Action.WRITE, change, target=target, caller=caller, ports=ports)


def delete_secret(restore_days: int, *, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Hide a secret for `restore_days` days. Raises as `lifecycle.delete` and `changing.run`."""

    def change(head: Head, epoch: int) -> Head:
        return lifecycle.delete(head, restore_days=restore_days, epoch=epoch, now=ports.clock.now())

    return _run(AuditAction.DELETE, Action.WRITE, change, target=target, caller=caller, ports=ports)


def restore_secret(*, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Undo a deletion. Raises as `lifecycle.restore` and `changing.run`."""

    def change(head: Head, epoch: int) -> Head:
        return lifecycle.restore(head, epoch=epoch, now=ports.clock.now())

    return _run(AuditAction.RESTORE, Action.WRITE, change, target=target, caller=caller, ports=ports)


def purge_secret(*, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Destroy every value now and leave a tombstone.

    The head goes first, so that nothing can be read any more, then the versions' items; a call that was
    interrupted between the two is completed by repeating it. Raises as `changing.run`.
    """

    def change(head: Head, epoch: int) -> Head:
        return lifecycle.purge(head, epoch=epoch, now=ports.clock.now())

    def scrub(head: Head, epoch: int) -> None:
        scrub_purged(head, epoch=epoch, ports=ports)

    return _run(AuditAction.PURGE, Action.DESTROY, change, target=target, caller=caller, ports=ports, follow_up=scrub)


def _run(
    action: AuditAction,
    permission: Action,
    change: Callable[[Head, int], Head],
    *,
    target: Target,
    caller: Caller,
    ports: WritePorts,
    follow_up: Callable[[Head, int], None] | None = None,
) -> Head:
    def plan(located: Located, epoch: int) -> Plan[Head]:
        head = located.found()
        after = change(head, epoch)
        return Plan(None if after is head else Change(head, after), after)

    return run(
        Mutation(
            target=target,
            action=lambda _: action,
            permissions=lambda _: [permission],
            plan=plan,
            follow_up=follow_up,
        ),
        caller=caller,
        ports=ports,
    )
