"""Reading values, one or up to fifty: the path that every workload takes.

Order: fetch, authorise, decide which version, then the audit record and the decryption side by side. A value
leaves only after its record is durable. A denial is told before anything else is, with the same work done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from strongroom_service.domain import limits
from strongroom_service.domain.access import Action, Caller, Decision, Resource
from strongroom_service.domain.audit import AuditAction, AuditEvent, Phase, Receipt
from strongroom_service.domain.consistency import ConsistencyToken
from strongroom_service.domain.errors import (
    AccessDenied,
    DomainError,
    IntegrityFailure,
    InternalError,
    NotFound,
    ReplicaBehind,
    ResponseTooLarge,
    StoreUnavailable,
)
from strongroom_service.domain.names import Alias, SecretName, Selector
from strongroom_service.domain.reading import Readable, resolve
from strongroom_service.domain.secret import Envelope, Head
from strongroom_service.domain.values import SecretValue

from .admission import confirm_tenant
from .authorising import decide
from .ports import Fetched, HeadQuery, ReadPorts, VersionBinding
from .recording import Recorder, Subject


@dataclass(frozen=True, slots=True)
class ReadItem:
    """One value that is asked for."""

    name: SecretName
    selector: Selector
    min_token: ConsistencyToken | None = None


@dataclass(frozen=True, slots=True)
class ReadValue:
    """A value that may leave, with its proof. Whoever takes it wipes `value`."""

    name: SecretName
    number: int
    alias: Alias | None
    value: SecretValue
    expires_at_unix: int
    token: ConsistencyToken
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class _Authorised:
    """A read that was allowed and found its version; not yet recorded, not yet decrypted."""

    item: ReadItem
    head: Head
    version: Readable
    envelope: Envelope
    decision: Decision


def read_value(item: ReadItem, *, caller: Caller, ports: ReadPorts) -> ReadValue:
    """Read one value.

    Raises:
        DomainError: whatever keeps the value from leaving; see `domain/errors.py`.
    """
    result = _release([item], caller=caller, ports=ports)[0]
    if isinstance(result, DomainError):
        raise result
    return result


def read_batch(items: Sequence[ReadItem], *, caller: Caller, ports: ReadPorts) -> list[ReadValue | DomainError]:
    """Read several values; a result or an error for each, in order.

    Raises:
        DomainError: what concerns the whole batch: the store did not answer, or the audit did not.
    """
    return _release(items, caller=caller, ports=ports, budget=limits.MAX_RESPONSE_BYTES)


def _release(
    items: Sequence[ReadItem], *, caller: Caller, ports: ReadPorts, budget: int | None = None
) -> list[ReadValue | DomainError]:
    """Fetch, authorise, record and open. `budget` bounds the encoded answer, in bytes."""
    snapshot = ports.heads.fetch([HeadQuery(item.name, item.selector.number) for item in items])
    confirm_tenant(caller, snapshot, ports)
    policy = ports.access.at(caller.tenant, snapshot.access)
    recorder = Recorder(ports, caller, AuditAction.READ)
    events: list[AuditEvent] = []
    outcomes: list[_Authorised | DomainError] = []
    decisions = [decide(policy, caller, [Action.READ], Resource.of(item.name), ports) for item in items]
    heads = _with_other_epochs(items, snapshot.heads, decisions, ports)
    for item, found, decision in zip(items, heads, decisions, strict=True):
        outcome, event = _authorise(item, found, decision, recorder=recorder, ports=ports)
        outcomes.append(outcome)
        events.append(event)
    opened: list[SecretValue | DomainError] | None = None
    if budget is not None and _may_exceed(budget, outcomes):
        # Only now is it worth knowing each value's exact size before the audit says that it left.
        opened = _open_all(outcomes, ports)
        _refuse_beyond(budget, outcomes, opened, events)
    pending = recorder.begin_all(events)
    if opened is None:
        opened = _open_all(outcomes, ports)
    try:
        receipts = pending.receipts()
    except DomainError:
        _wipe(opened)
        raise
    _record_failures(outcomes, opened, recorder=recorder)
    return [
        _result(outcome, value, receipt) for outcome, value, receipt in zip(outcomes, opened, receipts, strict=True)
    ]


def _with_other_epochs(
    items: Sequence[ReadItem], heads: Sequence[Fetched | None], decisions: Sequence[Decision], ports: ReadPorts
) -> Sequence[Fetched | None]:
    """Ask again for numbered versions that were written under another epoch than now: one more round trip.

    Only for who may read them: a round trip that depends on what exists would tell others that it does.
    """
    if all(item.selector.number is None for item in items):
        return heads
    epoch = ports.writership.state().epoch
    again: dict[int, HeadQuery] = {}
    for index, (item, found, decision) in enumerate(zip(items, heads, decisions, strict=True)):
        number, head = item.selector.number, found.head if found else None
        if not decision.allowed or found is None or head is None or number is None or number in head.envelopes:
            continue
        record = head.versions.get(number)
        if record is not None and record.epoch != epoch and found.stored is None:
            again[index] = HeadQuery(item.name, number, record.epoch)
    if not again:
        return heads
    anew = dict(zip(again, ports.heads.fetch(list(again.values())).heads, strict=True))
    return [anew.get(index, found) for index, found in enumerate(heads)]


def _authorise(
    item: ReadItem, found: Fetched | None, decision: Decision, *, recorder: Recorder, ports: ReadPorts
) -> tuple[_Authorised | DomainError, AuditEvent]:
    """What comes of one read, and the event that records it."""
    name = item.name
    head = found.head if found else None
    secret_id = head.secret_id if head else ""
    number = item.selector.number or 0
    outcome: _Authorised | DomainError
    if not decision.allowed:
        phase, outcome = Phase.DENIAL, AccessDenied()
    else:
        try:
            outcome = _choose(item, found, decision=decision, ports=ports)
            phase, number = Phase.RELEASE, outcome.version.number
        except DomainError as error:
            phase, outcome = Phase.OUTCOME, error
    event = recorder.event(
        phase,
        decision,
        Subject(name.environment, name.path, secret_id, number),
        outcome=outcome.code if isinstance(outcome, DomainError) else "",
    )
    return outcome, event


def _choose(item: ReadItem, found: Fetched | None, *, decision: Decision, ports: ReadPorts) -> _Authorised:
    if found is None:
        raise StoreUnavailable
    writer = ports.writership.state().region
    head = found.head
    if head is None:
        if item.min_token is not None and ports.region != writer:
            raise ReplicaBehind(writer_region=writer)
        raise NotFound
    if item.min_token is not None and head.token < item.min_token:
        raise ReplicaBehind(writer_region=writer)
    version = resolve(head, item.selector, now=ports.clock.now())
    envelope = version.envelope or found.stored
    if envelope is None:
        if ports.region == writer:
            raise IntegrityFailure
        raise ReplicaBehind(writer_region=writer)
    return _Authorised(item, head, version, envelope, decision)


def _open_all(outcomes: Sequence[_Authorised | DomainError], ports: ReadPorts) -> list[SecretValue | DomainError]:
    return [_open(outcome, ports) if isinstance(outcome, _Authorised) else outcome for outcome in outcomes]


def _open(read: _Authorised, ports: ReadPorts) -> SecretValue | DomainError:
    number = read.version.number
    binding = VersionBinding(read.item.name, read.head.secret_id, number, read.version.record.epoch)
    try:
        return ports.envelopes.open(read.envelope, binding)
    except DomainError as error:
        return error
    except Exception as error:  # noqa: BLE001  # a defect: it is told with the others, its cause is for the log
        # The release is on its way: its record has to be waited for, and its outcome to follow.
        defect = InternalError()
        defect.__cause__ = error
        return defect


def _may_exceed(budget: int, outcomes: Sequence[_Authorised | DomainError]) -> bool:
    """Whether the answer could be too large, were every byte to be escaped. A message is longer than its value."""
    blobs = sum(len(outcome.envelope.blob) for outcome in outcomes if isinstance(outcome, _Authorised))
    return blobs * limits.MAX_ENCODED_BYTES_PER_BYTE + len(outcomes) * limits.BATCH_ITEM_BYTES > budget


def _refuse_beyond(
    budget: int,
    outcomes: list[_Authorised | DomainError],
    opened: list[SecretValue | DomainError],
    events: list[AuditEvent],
) -> None:
    """Give the items past the budget an error, wipe their values, and let their events say so."""
    left = budget - len(outcomes) * limits.BATCH_ITEM_BYTES
    for index, value in enumerate(opened):
        if not isinstance(value, SecretValue):
            continue
        size = value.encoded_size()
        if size <= left:
            left -= size
            continue
        value.wipe()
        refusal = ResponseTooLarge()
        outcomes[index], opened[index] = refusal, refusal
        events[index] = replace(events[index], phase=Phase.OUTCOME, outcome=refusal.code)


def _record_failures(
    outcomes: Sequence[_Authorised | DomainError],
    opened: Sequence[SecretValue | DomainError],
    *,
    recorder: Recorder,
) -> None:
    """Follow up on releases that were recorded and then failed. Raises `AuditUnavailable`."""
    failures = [
        recorder.event(
            Phase.OUTCOME,
            outcome.decision,
            Subject(
                outcome.item.name.environment, outcome.item.name.path, outcome.head.secret_id, outcome.version.number
            ),
            outcome=value.code,
        )
        for outcome, value in zip(outcomes, opened, strict=True)
        if isinstance(outcome, _Authorised) and isinstance(value, DomainError)
    ]
    if failures:
        try:
            recorder.record(*failures)
        except DomainError:
            _wipe(opened)
            raise


def _result(
    outcome: _Authorised | DomainError, value: SecretValue | DomainError, receipt: Receipt
) -> ReadValue | DomainError:
    if isinstance(value, DomainError):
        return value
    if isinstance(outcome, DomainError):  # pragma: no cover  # an error is never opened
        return outcome
    return ReadValue(
        name=outcome.item.name,
        number=outcome.version.number,
        alias=outcome.version.alias,
        value=value,
        expires_at_unix=outcome.version.record.expires_at_unix,
        token=outcome.head.token,
        receipt=receipt,
    )


def _wipe(opened: Sequence[SecretValue | DomainError]) -> None:
    for value in opened:
        if isinstance(value, SecretValue):
            value.wipe()
