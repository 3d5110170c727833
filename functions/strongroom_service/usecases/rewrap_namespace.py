"""Re-wrap a namespace: encrypt every value anew under the active key, secret by secret, beside readers and writers.

Each transaction stands for itself: the head is compared and set, the versions' items go with it. A call that was
interrupted leaves secrets that are readable all the same, and a later call finds what is left to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from strongroom_service.domain import lifecycle, limits
from strongroom_service.domain.access import Caller
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import Conflict, DomainError, IntegrityFailure, InternalError
from strongroom_service.domain.lifecycle import Rewrapped
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.domain.secret import Head, SecretStatus, VersionStatus, WrappedNamespaceKey

from .changing import ATTEMPTS, pause, require_unchanged
from .cursors import CursorScope, open_cursor, seal_cursor
from .namespace_changes import NamespaceChange, run_on_namespace
from .ports import Change, ChangeLost, Listing, VersionBinding, VersionKey, WritePorts
from .recording import Recorder, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrapQuery:
    """Where to go on, and how many secrets to look at."""

    namespace: Namespace
    cursor: str | None = None
    limit: int = limits.DEFAULT_REWRAP_SECRETS


@dataclass(frozen=True, slots=True)
class RewrapProgress:
    """What one call has done, in secrets."""

    rewrapped: int
    examined: int
    failed: int
    """Damaged ones, and those that other changes kept coming first to; the audit names them."""
    next_cursor: str | None
    """None at the end of the namespace."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A secret as it is stored, and which of its versions are not under this key yet."""

    head: Head | None
    key: WrappedNamespaceKey
    stale: tuple[int, ...]


def rewrap_namespace(query: RewrapQuery, *, caller: Caller, ports: WritePorts) -> RewrapProgress:
    """Go through a page of secrets, deleted ones that can be restored included. Repeatable.

    Raises:
        InvalidRequest: the cursor belongs to another namespace or call, or was made up.
        DomainError: as `run_on_namespace`; what was re-wrapped before stays so.
    """

    def rewrap(change: NamespaceChange) -> RewrapProgress:
        return _rewrap_page(query, change, caller=caller, ports=ports)

    return run_on_namespace(query.namespace, AuditAction.REWRAP, rewrap, caller=caller, ports=ports)


def _rewrap_page(query: RewrapQuery, change: NamespaceChange, *, caller: Caller, ports: WritePorts) -> RewrapProgress:
    scope = CursorScope("rewrap-cursor", query.namespace)
    after_path = open_cursor(query.cursor, scope, ports)
    end = ports.clock.now() + limits.REWRAP_BUDGET
    page = ports.store.list_heads(Listing(query.namespace, after_path=after_path, limit=query.limit))
    last_path, rewrapped, failed, examined = page.last_path, 0, 0, 0
    for listed in page.heads:
        if examined and ports.clock.now() >= end:
            last_path = page.heads[examined - 1].name.path
            break
        examined += 1
        try:
            rewrapped += _rewrap_secret(listed, change, caller=caller, ports=ports)
        except (IntegrityFailure, Conflict):
            # This one's own trouble: it must not keep the others from being re-wrapped.
            failed += 1
    return RewrapProgress(rewrapped, examined, failed, seal_cursor(last_path, scope, ports))


def _rewrap_secret(listed: Head, change: NamespaceChange, *, caller: Caller, ports: WritePorts) -> bool:
    """Whether there was anything to do; if so, it is done and recorded."""
    recorder = Recorder(ports, caller, AuditAction.REWRAP)
    subject = Subject(listed.name.environment, listed.name.path, listed.secret_id)
    try:
        work = _look(listed.name, change.keys.active, ports)
        if work.head is None or not work.stale:
            return False
        subject = replace(subject, secret_id=work.head.secret_id)
        recorder.record(recorder.event(Phase.INTENT, change.decision, subject))
        _rewrap_versions(work, change.epoch, ports)
    except Exception as error:
        outcome = error.code if isinstance(error, DomainError) else InternalError.code
        recorder.record(recorder.event(Phase.OUTCOME, change.decision, subject, outcome=outcome))
        raise
    recorder.record(recorder.event(Phase.OUTCOME, change.decision, subject, outcome="ok"))
    return True


def _look(name: SecretName, key: WrappedNamespaceKey, ports: WritePorts) -> _Work:
    """Read a secret, strongly consistent, and find the versions that have a value under another key."""
    head = ports.store.load(name)
    if head is None or head.status is SecretStatus.PURGED:
        return _Work(head, key, ())
    stored = ports.store.envelope_keys(name)
    stale = []
    for number, record in sorted(head.versions.items()):
        found = {stored.get(VersionKey(number, record.epoch))}
        if copy := head.envelopes.get(number):
            found.add(copy.namespace_key_id)
        if record.status is not VersionStatus.DESTROYED and found != {key.namespace_key_id}:
            stale.append(number)
    return _Work(head, key, tuple(stale))


def _rewrap_versions(work: _Work, epoch: int, ports: WritePorts) -> None:
    """Re-wrap what is left of a secret, in as many transactions as it takes.

    Raises:
        Conflict: other changes kept coming first.
        IntegrityFailure: a version does not open, or its item is missing; the others are re-wrapped.
    """
    damaged = False
    losses = 0
    while work.head is not None and work.stale:
        head = work.head
        done, sealed = _seal_some(head, work, ports)
        damaged = damaged or len(sealed) < done
        after = lifecycle.rewrap(head, sealed, epoch=epoch, now=ports.clock.now()) if sealed else head
        envelopes = {VersionKey(n, head.versions[n].epoch): anew.envelope for n, anew in sealed.items()}
        try:
            if sealed:
                ports.store.commit(Change(head, after, active_key=work.key, rewrapped=envelopes), epoch=epoch)
            else:
                # What looks damaged may have been destroyed since; a commit would have found out.
                require_unchanged(head, ports)
            work = _Work(after, work.key, work.stale[done:])
        except ChangeLost:
            losses += 1
            if losses == ATTEMPTS:
                raise Conflict("Other changes of this secret kept coming first; try again.") from None
            ports.sleep(pause(losses, ports))
            # Another change of the secret came first, or a renewal of the key.
            damaged = False
            keys = ports.store.namespace_keys(head.name.namespace)
            work = _look(head.name, keys.active if keys else work.key, ports)
    if damaged:
        raise IntegrityFailure


def _seal_some(head: Head, work: _Work, ports: WritePorts) -> tuple[int, Mapping[int, Rewrapped]]:
    """As many versions as one transaction may take: how many were looked at, and those that could be re-wrapped."""
    sealed: dict[int, Rewrapped] = {}
    size = 0
    for done, number in enumerate(work.stale):
        binding = VersionBinding(head.name, head.secret_id, number, head.versions[number].epoch)
        stored = ports.store.stored_envelope(head.name, VersionKey(number, binding.epoch))
        if stored is None:
            continue
        size += len(stored.blob)
        if sealed and (size > limits.MAX_REWRAP_BYTES or len(sealed) == limits.MAX_REWRAP_VERSIONS):
            return done, sealed
        try:
            with ports.encryption.open(stored, binding) as value:
                envelope = ports.encryption.seal(value, binding, work.key)
                fingerprint = ports.encryption.fingerprint(value, secret_id=head.secret_id, key=work.key)
        except IntegrityFailure:
            continue
        sealed[number] = Rewrapped(envelope, fingerprint)
    return len(work.stale), sealed
