"""Which state each of several secrets is in, for watching: no value is opened."""

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom_service.domain.access import Action, Caller, Resource
from strongroom_service.domain.audit import AuditAction, AuditEvent, Phase
from strongroom_service.domain.consistency import ConsistencyToken
from strongroom_service.domain.errors import AccessDenied, DomainError, NotFound, StoreUnavailable
from strongroom_service.domain.names import Alias, SecretName
from strongroom_service.domain.secret import SecretStatus

from .admission import confirm_tenant
from .authorising import decide
from .ports import Fetched, HeadQuery, ReadPorts
from .recording import Recorder, Subject


@dataclass(frozen=True, slots=True)
class RevisionItem:
    """A secret to look at, and the state that the caller knows."""

    name: SecretName
    known: ConsistencyToken | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A secret's state. `changed` compares it with the one that the caller knows."""

    name: SecretName
    token: ConsistencyToken
    aliases: dict[Alias, int]
    changed: bool


def read_revisions(items: Sequence[RevisionItem], *, caller: Caller, ports: ReadPorts) -> list[Revision | DomainError]:
    """A state or an error for each, in order.

    Raises:
        DomainError: what concerns all of them: the store did not answer, or the audit did not.
    """
    recorder = Recorder(ports, caller, AuditAction.READ_REVISION)
    snapshot = ports.heads.fetch([HeadQuery(item.name) for item in items])
    confirm_tenant(caller, snapshot, ports)
    policy = ports.access.at(caller.tenant, snapshot.access)
    results: list[Revision | DomainError] = []
    events: list[AuditEvent] = []
    for item, found in zip(items, snapshot.heads, strict=True):
        decision = decide(policy, caller, [Action.READ], Resource.of(item.name), ports)
        result: Revision | DomainError = _revision(item, found) if decision.allowed else AccessDenied()
        failed = isinstance(result, DomainError)
        phase = Phase.DENIAL if not decision.allowed else Phase.OUTCOME if failed else Phase.RELEASE
        events.append(
            recorder.event(
                phase,
                decision,
                Subject(item.name.environment, item.name.path, found.head.secret_id if found and found.head else ""),
                outcome=result.code if isinstance(result, DomainError) else "",
            )
        )
        results.append(result)
    recorder.begin_all(events).receipts()
    return results


def _revision(item: RevisionItem, found: Fetched | None) -> Revision | DomainError:
    if found is None:
        return StoreUnavailable()
    head = found.head
    if head is None or head.status is not SecretStatus.ACTIVE:
        return NotFound()
    return Revision(item.name, head.token, dict(head.aliases), item.known is None or head.token > item.known)
