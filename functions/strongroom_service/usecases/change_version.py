"""Disable, enable and destroy a version."""

from collections.abc import Callable

from strongroom_service.domain import lifecycle
from strongroom_service.domain.access import Action, Caller
from strongroom_service.domain.audit import AuditAction
from strongroom_service.domain.secret import Head

from .changing import Located, Mutation, Plan, Target, run
from .ports import Change, VersionKey, WritePorts
from .promote import stored_envelope


def disable_version(number: int, *, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Stop a version from being read, the current one too. Raises as `lifecycle.disable` and `changing.run`."""

    def change(head: Head, epoch: int) -> Change:
        return Change(head, lifecycle.disable(head, number, epoch=epoch, now=ports.clock.now()))

    return _run(AuditAction.DISABLE, Action.DISABLE, number, change, target=target, caller=caller, ports=ports)


def enable_version(number: int, *, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Undo a disabling. Raises as `lifecycle.enable` and `changing.run`."""

    def change(head: Head, epoch: int) -> Change:
        envelope = stored_envelope(head, number, ports=ports)
        return Change(head, lifecycle.enable(head, number, envelope=envelope, epoch=epoch, now=ports.clock.now()))

    return _run(AuditAction.ENABLE, Action.DISABLE, number, change, target=target, caller=caller, ports=ports)


def destroy_version(number: int, *, target: Target, caller: Caller, ports: WritePorts) -> Head:
    """Remove every copy of a version's value. Raises as `lifecycle.destroy` and `changing.run`."""

    def change(head: Head, epoch: int) -> Change:
        after = lifecycle.destroy(head, number, epoch=epoch, now=ports.clock.now())
        return Change(head, after, scrubbed=(VersionKey(number, head.version(number).epoch),))

    return _run(AuditAction.DESTROY, Action.DESTROY, number, change, target=target, caller=caller, ports=ports)


def _run(
    action: AuditAction,
    permission: Action,
    number: int,
    change: Callable[[Head, int], Change],
    *,
    target: Target,
    caller: Caller,
    ports: WritePorts,
) -> Head:
    def plan(located: Located, epoch: int) -> Plan[Head]:
        planned = change(located.found(), epoch)
        return Plan(None if planned.after is planned.before else planned, planned.after, number)

    return run(
        Mutation(target=target, action=lambda _: action, permissions=lambda _: [permission], plan=plan),
        caller=caller,
        ports=ports,
    )
