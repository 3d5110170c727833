"""Storing a request's next state: with the access set wherever that puts a grant in force or ends one.

Both change in one transaction. Whoever dies beside it leaves either all of it or nothing.
"""

from strongroom_service.domain.break_glass import BreakGlass, GrantStatus

from .ports import GrantChange, WritePorts


def store_grant(before: BreakGlass, after: BreakGlass, *, epoch: int, ports: WritePorts) -> None:
    """Store `after` if `before` is what is stored.

    Raises:
        ChangeLost: the request, or the access set, has changed meanwhile.
        Conflict: too many grants are active.
        RegionFenced, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    change = GrantChange(before, after)
    was_active, is_active = (it.status is GrantStatus.ACTIVE for it in (before, after))
    if was_active == is_active:
        ports.grants.commit(change, epoch=epoch)
        return
    pointer, access_set = ports.access.load(after.tenant)
    changed = access_set.with_grant(after.id, after.grant()) if is_active else access_set.without_grant(after.id)
    if changed is access_set:
        ports.grants.commit(change, epoch=epoch)
    else:
        ports.access.replace(pointer, changed, epoch=epoch, grants=[change])
