"""Flagging the secrets that were read under a grant: their values are known to somebody who had no role for them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from strongroom_service.domain import lifecycle, limits
from strongroom_service.domain.access import Caller, Decision
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.break_glass import BreakGlass, SecretRead
from strongroom_service.domain.errors import Conflict, DomainError, IntegrityFailure, InternalError
from strongroom_service.domain.grants import reason_of
from strongroom_service.domain.names import SecretName, is_path
from strongroom_service.domain.secret import RotationDue
from strongroom_service.domain.times import from_rfc3339

from .changing import ATTEMPTS, pause
from .ports import AuditIndex, AuditQuery, Change, ChangeLost, WritePorts
from .recording import Recorder, Subject

REASON: Final = "break-glass"
_PAGE: Final = 100


def find_reads(request: BreakGlass, index: AuditIndex) -> list[SecretRead]:
    """The secrets whose values one region's audit knows to have been released under a grant and nothing else.

    Raises:
        StoreUnavailable, Throttled: the index did not answer, or with something else than records.
    """
    if request.active_from is None or request.closed_at is None:
        return []
    query = AuditQuery(
        tenant=request.tenant,
        actor=request.requester,
        since=request.active_from - limits.GRANT_SEARCH_MARGIN,
        until=request.closed_at + limits.GRANT_SEARCH_MARGIN,
        limit=_PAGE,
    )
    found: list[SecretRead] = []
    while True:
        page = index.search(query)
        found += [_read_of(record) for record in page.records if _is_use(record, request)]
        if page.last is None:
            return found
        query = replace(query, after=page.last)


def flag_read(read: SecretRead, request: BreakGlass, *, caller: Caller, ports: WritePorts) -> None:
    """Flag one secret, unless its value was replaced since. Repeatable.

    Raises:
        Conflict: other changes of the secret kept coming first.
        RegionFenced, AuditUnavailable, StoreUnavailable, Throttled.
    """
    name = SecretName(request.tenant, request.scope.environment, read.path)
    due = RotationDue(read.time, REASON, request.id, read.version)
    if _next(name, read, due, epoch=ports.writership.state().epoch, ports=ports) is None:
        return
    recorder = Recorder(ports, caller, AuditAction.UPDATE)
    decision = Decision(allowed=True, reasons=(reason_of(request.id),))
    subject = Subject(name.environment, name.path, read.secret_id, read.version)
    recorder.record(recorder.event(Phase.INTENT, decision, subject))
    outcome = InternalError.code
    try:
        _store(name, read, due, ports=ports)
        outcome = "ok"
    except DomainError as error:
        outcome = error.code
        raise
    finally:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=outcome))


def _store(name: SecretName, read: SecretRead, due: RotationDue, *, ports: WritePorts) -> None:
    for attempt in range(ATTEMPTS):
        if attempt:
            ports.sleep(pause(attempt, ports))
        epoch = ports.writership.state().epoch
        change = _next(name, read, due, epoch=epoch, ports=ports)
        if change is None:
            return
        try:
            ports.store.commit(change, epoch=epoch)
        except ChangeLost:
            continue
        return
    raise Conflict("Other changes of this secret kept coming first; try again.")


def _next(name: SecretName, read: SecretRead, due: RotationDue, *, epoch: int, ports: WritePorts) -> Change | None:
    """What flags the secret; None where no flag is due: another one has the path now, or the value was replaced."""
    head = ports.store.load(name)
    if head is None or head.secret_id != read.secret_id:
        return None
    after = lifecycle.flag_rotation(head, due, read_at=read.time, epoch=epoch, now=ports.clock.now())
    return None if after is head else Change(head, after)


def _is_use(record: Mapping[str, Any], request: BreakGlass) -> bool:
    return (
        record.get("action") == AuditAction.BREAK_GLASS
        and record.get("phase") == Phase.RELEASE
        and record.get("environment") == request.scope.environment
        and reason_of(request.id) in (record.get("reason") or ())
    )


def _read_of(record: Mapping[str, Any]) -> SecretRead:
    """What a record says was read. Raises `IntegrityFailure`: one that cannot be understood must not be passed over."""
    try:
        secret_id, path = str(record["secretId"]), str(record["path"])
        version, time = int(record["version"]), from_rfc3339(str(record["time"]))
    except (KeyError, TypeError, ValueError):
        raise IntegrityFailure from None
    if not is_path(path):
        raise IntegrityFailure
    return SecretRead(secret_id, path, version, time)
