"""Reads that a client's own memory served, as it reports them: records, so that caches are no blind spot.

What is recorded is an honest client's statement and no proof. It is taken only for secrets that the caller may read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action, Caller, Decision, Resource
from strongroom_service.domain.audit import AuditAction, AuditEvent, Phase, Receipt
from strongroom_service.domain.errors import AccessDenied, DomainError, InvalidRequest, NotFound, Violation
from strongroom_service.domain.names import SecretName
from strongroom_service.domain.secret import Head
from strongroom_service.domain.times import rfc3339

from .authorising import decide
from .ports import WritePorts
from .recording import Recorder, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedReads:
    """So many reads of one version between two moments."""

    name: SecretName
    number: int
    count: int
    since: datetime
    until: datetime


def report_cached_reads(
    items: Sequence[CachedReads], *, caller: Caller, ports: WritePorts
) -> list[Receipt | DomainError]:
    """Record what is reported; for each item its record's receipt, or why it was refused.

    Raises:
        InvalidRequest: a time or its order makes no sense; nothing was recorded.
        AuditUnavailable, AccessSetUnavailable, StoreUnavailable, Throttled.
    """
    _check_times(items, now=ports.clock.now())
    policy = ports.access.current(caller.tenant)
    recorder = Recorder(ports, caller, AuditAction.CACHED_READ)
    refusals: list[DomainError | None] = []
    events: list[AuditEvent] = []
    heads = {name: ports.store.load(name) for name in dict.fromkeys(item.name for item in items)}
    for item in items:
        head = heads[item.name]
        decision = decide(policy, caller, [Action.READ], Resource.of(item.name), ports)
        refusal = _refusal(head, decision)
        refusals.append(refusal)
        events.append(_event(item, head, decision, refusal, recorder=recorder))
    receipts = recorder.begin_all(events).receipts()
    return [refusal or receipt for refusal, receipt in zip(refusals, receipts, strict=True)]


def _check_times(items: Sequence[CachedReads], *, now: datetime) -> None:
    for index, item in enumerate(items):
        if item.until > now + limits.MAX_CLOCK_SKEW:
            raise InvalidRequest([Violation(f"items[{index}].to", "must not lie in the future")])
        if item.since > item.until or item.since < now - limits.MAX_REPORT_AGE - limits.MAX_CLOCK_SKEW:
            rule = "must not lie after to, nor more than a day back"
            raise InvalidRequest([Violation(f"items[{index}].from", rule)])


def _refusal(head: Head | None, decision: Decision) -> DomainError | None:
    if not decision.allowed:
        return AccessDenied()
    # The version is not looked for: the client may have it from a region that is ahead of this one.
    return NotFound() if head is None else None


def _event(
    item: CachedReads, head: Head | None, decision: Decision, refusal: DomainError | None, *, recorder: Recorder
) -> AuditEvent:
    name = item.name
    event = recorder.event(
        Phase.OUTCOME if decision.allowed else Phase.DENIAL,
        decision,
        Subject(name.environment, name.path, head.secret_id if head else "", item.number),
        outcome=refusal.code if refusal else "ok",
    )
    return replace(event, count=item.count, period=f"{rfc3339(item.since)}/{rfc3339(item.until)}")
