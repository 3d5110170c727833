"""The frame of every change: find, authorise, check the right to write, record the intent, store, record the outcome.

A change is derived from the head that was read and stored only if that head still is the stored one; otherwise it
is derived anew. So of several callers who expect the same state exactly one wins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from strongroom_service.domain.access import Action, Caller, Decision, Resource
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AccessDenied, Conflict, DomainError, InternalError, NotFound, NotWriter
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.domain.secret import Head, NamespaceKeys

from .authorising import decide
from .ports import Change, ChangeLost, WritePorts
from .recording import Recorder, Subject

T = TypeVar("T")

ATTEMPTS: Final = 8
"""How often a change is derived anew before other changes have won."""
_FIRST_PAUSE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Target:
    """The secret that is meant: by its id, or by its name."""

    tenant: str
    secret_id: str | None = None
    name: SecretName | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """What was found for a target. Without a head the secret does not exist, or not under this id."""

    name: SecretName | None
    head: Head | None

    def resource(self, tenant: str) -> Resource:
        """What the policy is asked about; an unknown id is asked as a secret that lies nowhere."""
        return Resource.of(self.name) if self.name else Resource(tenant, "", "")

    def found(self) -> Head:
        """The head; raises `NotFound` when there is none."""
        if self.head is None:
            raise NotFound
        return self.head


@dataclass(frozen=True, slots=True)
class Plan(Generic[T]):
    """What a change will store (None: nothing is left to do) and what its caller will hear."""

    change: Change | None
    result: T
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation(Generic[T]):
    """A change as its use case describes it."""

    target: Target
    action: Callable[[Head | None], AuditAction]
    """What the audit calls it, by the state that was found."""
    permissions: Callable[[Head | None], Sequence[Action]]
    plan: Callable[[Located, int], Plan[T]]
    """From what is stored, and the epoch to write under. Called again when another change came first, which it may
    find itself: then it raises `ChangeLost`."""
    follow_up: Callable[[T, int], None] | None = None
    """A repeatable step after the change is stored, with the epoch."""


def locate(target: Target, ports: WritePorts) -> Located:
    """Read the target's head, strongly consistent."""
    name = target.name
    if name is not None:
        return Located(name, ports.store.load(name))
    secret_id = target.secret_id or ""
    name = ports.store.locate(secret_id, tenant=target.tenant)
    # An unknown id costs what a known one does: who may not know must not learn it from the work.
    head = ports.store.load(name or SecretName(target.tenant, "", ""))
    if name is None or head is None or head.secret_id != secret_id:
        return Located(None, None)
    return Located(name, head)


def run(mutation: Mutation[T], *, caller: Caller, ports: WritePorts) -> T:
    """Carry a change out.

    Raises:
        DomainError: nothing was stored, unless it is `AuditUnavailable` or `StoreUnavailable`: then the outcome is
            not known, and repeating the call with the same client token is safe.
    """
    located = locate(mutation.target, ports)
    recorder = Recorder(ports, caller, mutation.action(located.head))
    decision = _decide(caller, mutation.permissions(located.head), located, ports)
    subject = _subject(located)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    refusal = _refusal(located, mutation.target, ports)
    if refusal is not None:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=refusal.code))
        raise refusal
    recorder.record(recorder.event(Phase.INTENT, decision, subject))
    try:
        plan = _store(mutation, located, caller=caller, ports=ports)
    except DomainError as error:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=error.code))
        raise
    except Exception:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=InternalError.code))
        raise
    subject = replace(subject, secret_id=_secret_id(plan.change, subject), version=plan.version)
    recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome="ok"))
    return plan.result


def read_metadata(target: Target, *, action: AuditAction, caller: Caller, ports: WritePorts) -> Head:
    """Read a secret's head for what it says besides values; recorded before it is told.

    Raises:
        AccessDenied, NotFound, AuditUnavailable, StoreUnavailable.
    """
    recorder = Recorder(ports, caller, action)
    located = locate(target, ports)
    decision = _decide(caller, [Action.LIST], located, ports)
    subject = _subject(located)
    if not decision.allowed:
        recorder.record(recorder.event(Phase.DENIAL, decision, subject, outcome=AccessDenied.code))
        raise AccessDenied
    if located.head is None:
        recorder.record(recorder.event(Phase.OUTCOME, decision, subject, outcome=NotFound.code))
        raise NotFound
    recorder.record(recorder.event(Phase.RELEASE, decision, subject))
    return located.head


def namespace_keys(namespace: Namespace, *, epoch: int, ports: WritePorts) -> NamespaceKeys:
    """The keys that a namespace works with, made and registered when there are none yet."""
    keys = ports.store.namespace_keys(namespace)
    if keys is not None:
        return keys
    active, digests = (ports.encryption.new_namespace_key(namespace) for _ in range(2))
    return ports.store.add_namespace_keys(NamespaceKeys(active, digests), epoch=epoch)


def token_digest(client_token: str | None, name: SecretName, *, keys: NamespaceKeys, ports: WritePorts) -> str | None:
    """A client token as it is stored: a keyed hash that nobody can search without the namespace's key for it."""
    if client_token is None:
        return None
    return ports.encryption.keyed_digest(client_token, purpose=f"client-token/{name.secret_path}", key=keys.digests)


def require_unchanged(head: Head, ports: WritePorts) -> None:
    """Make sure that what was read beside a head belongs to it. Raises `ChangeLost` when a change came in between."""
    latest = ports.store.load(head.name)
    if latest is None or latest.token != head.token:
        raise ChangeLost


def scrub_purged(head: Head, *, epoch: int, ports: WritePorts) -> None:
    """Remove the values of a purged secret's versions. Repeatable.

    The path may be registered again by now: numbers go on, and higher ones are not the purged secret's.
    """
    keys = [key for key in ports.store.version_keys(head.name) if key.number <= head.latest_version]
    ports.store.scrub(head.name, keys, epoch=epoch)


def _refusal(located: Located, target: Target, ports: WritePorts) -> DomainError | None:
    if located.head is None and target.name is None:
        return NotFound()
    writer = ports.writership.state().region
    return NotWriter(writer_region=writer) if writer != ports.region else None


def _store(mutation: Mutation[T], located: Located, *, caller: Caller, ports: WritePorts) -> Plan[T]:
    """Plan and commit until a commit is not overtaken by another."""
    for attempt in range(ATTEMPTS):
        if attempt:
            ports.sleep(pause(attempt, ports))
            located = locate(mutation.target, ports)
            _authorise_again(mutation, located, caller=caller, ports=ports)
        epoch = ports.writership.state().epoch
        try:
            plan = mutation.plan(located, epoch)
            if plan.change is not None:
                ports.store.commit(plan.change, epoch=epoch)
        except ChangeLost:
            continue
        if mutation.follow_up is not None:
            mutation.follow_up(plan.result, epoch)
        return plan
    raise Conflict("Other changes of this secret kept coming first; try again.")


def _authorise_again(mutation: Mutation[T], located: Located, *, caller: Caller, ports: WritePorts) -> None:
    """The state that the permission depends on may have changed."""
    if located.head is None and mutation.target.name is None:
        raise NotFound
    if not _decide(caller, mutation.permissions(located.head), located, ports).allowed:
        raise AccessDenied


def _decide(caller: Caller, actions: Sequence[Action], located: Located, ports: WritePorts) -> Decision:
    policy = ports.access.current(caller.tenant)
    return decide(policy, caller, actions, located.resource(caller.tenant), ports)


def pause(attempt: int, ports: WritePorts) -> float:
    """How long to wait after an attempt: full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/)."""
    share = int.from_bytes(ports.randomness.token(2), "big") / 0xFFFF
    return float(_FIRST_PAUSE_SECONDS * 2**attempt * share)


def _subject(located: Located) -> Subject:
    name, head = located.name, located.head
    if name is None:
        return Subject()
    return Subject(name.environment, name.path, head.secret_id if head else "")


def _secret_id(change: Change | None, subject: Subject) -> str:
    """The id of the secret that a change registers, or the one that was there."""
    return change.after.secret_id if change else subject.secret_id
