"""Fakes of the use cases' ports: in memory, with the semantics that the ports promise, and failures on demand."""

import hashlib
import hmac
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from strongroom_service.domain.access import AccessRequest, Action, Decision, Resource
from strongroom_service.domain.access_set import AccessPointer, AccessSet, PolicyEntry, is_served_by
from strongroom_service.domain.audit import AuditEvent, Chain, Receipt
from strongroom_service.domain.errors import DomainError, IntegrityFailure, RegionFenced, RegistryUnavailable
from strongroom_service.domain.explanation import ClosePolicy
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.domain.public_keys import KeySet
from strongroom_service.domain.registry import Registry
from strongroom_service.domain.secret import Envelope, Head, NamespaceKeys, SecretStatus, WrappedNamespaceKey
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.ports import (
    Change,
    ChangeLost,
    Fetched,
    GrantChange,
    HeadQuery,
    Listing,
    Page,
    Snapshot,
    VersionBinding,
    VersionKey,
    WriterState,
)

Key = tuple[object, ...]


@dataclass
class Failures:
    """Makes operations fail: an error for an operation's name, for its next `times` calls or from one call on."""

    _planned: dict[str, list[DomainError | None]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def plan(self, operation: str, error: DomainError, *, times: int = 1, after: int = 0) -> None:
        """Fail `times` calls, once `after` more have passed."""
        self._planned[operation] = [None] * after + [error] * times

    @contextmanager
    def failing(self, operation: str, error: DomainError) -> Iterator[None]:
        """Fail every call within the block."""
        self._planned[operation] = [error] * 1000
        try:
            yield
        finally:
            self._planned.pop(operation, None)

    def check(self, operation: str) -> None:
        self.calls[operation] += 1
        planned = self._planned.get(operation)
        if planned and (error := planned.pop(0)):
            raise error


@dataclass
class FakeClock:
    """A clock that stands still until it is told otherwise."""

    moment: datetime = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def advance(self, by: timedelta) -> None:
        self.moment += by


@dataclass
class FakeRandomness:
    """Bytes that look random and are the same in every run."""

    source: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311  # order, not secrecy

    def token(self, size: int) -> bytes:
        return self.source.randbytes(size)


@dataclass(frozen=True)
class Write:
    """One item's change on its way to a replica; None removes the item."""

    sequence: int
    key: Key
    value: object


@dataclass
class FakeTable:
    """One region's table, and the regions that its writes go on to: item by item, as a global table's do."""

    items: dict[Key, object] = field(default_factory=dict)
    replicas: list["LateReplica"] = field(default_factory=list)
    _sequence: int = 0

    def write(self, changes: Mapping[Key, object]) -> None:
        """Apply all changes at once here; each is sent to the replicas for itself."""
        for key, value in changes.items():
            self._sequence += 1
            _apply(self.items, key, value)
            for replica in self.replicas:
                replica.waiting.append(Write(self._sequence, key, value))


@dataclass
class LateReplica:
    """A replica's table. Writes wait until they are delivered, in any order; of one item the later write wins."""

    table: FakeTable = field(default_factory=FakeTable)
    waiting: list[Write] = field(default_factory=list)
    _latest: dict[Key, int] = field(default_factory=dict)

    def deliver(self, index: int) -> None:
        write = self.waiting.pop(index)
        if write.sequence > self._latest.get(write.key, 0):
            self._latest[write.key] = write.sequence
            _apply(self.table.items, write.key, write.value)


def _apply(items: dict[Key, object], key: Key, value: object) -> None:
    if value is None:
        items.pop(key, None)
    else:
        items[key] = value


@dataclass(frozen=True)
class VersionItem:
    """A version's own item."""

    envelope: Envelope | None
    created_by: str


@dataclass(frozen=True)
class Fence:
    """What must hold for a write."""

    epoch: int
    is_open: bool = True


_FENCE: Key = ("fence",)


class FakeStore:
    """The secret store port over a table in memory."""

    def __init__(self, table: FakeTable | None = None, failures: Failures | None = None) -> None:
        self.table = table or FakeTable()
        self.failures = failures or Failures()
        self.set_fence(Fence(1))

    def set_fence(self, fence: Fence) -> None:
        self.table.items[_FENCE] = fence

    def load(self, name: SecretName) -> Head | None:
        self.failures.check("store.load")
        return _head(self.table, name)

    def locate(self, secret_id: str, *, tenant: str) -> SecretName | None:
        self.failures.check("store.locate")
        name = self.table.items.get(("id", secret_id))
        return name if isinstance(name, SecretName) and name.tenant == tenant else None

    def stored_envelope(self, name: SecretName, key: VersionKey) -> Envelope | None:
        self.failures.check("store.stored_envelope")
        return _stored(self.table, name, key)

    def version_keys(self, name: SecretName) -> Sequence[VersionKey]:
        self.failures.check("store.version_keys")
        return sorted(
            (key[2] for key in self.table.items if key[:2] == ("version", name) and isinstance(key[2], VersionKey)),
            key=lambda key: (key.number, key.epoch),
        )

    def envelope_keys(self, name: SecretName) -> Mapping[VersionKey, str]:
        self.failures.check("store.envelope_keys")
        found = {
            key[2]: item.envelope.namespace_key_id
            for key, item in self.table.items.items()
            if key[:2] == ("version", name) and isinstance(item, VersionItem) and item.envelope
        }
        return {key: key_id for key, key_id in found.items() if isinstance(key, VersionKey)}

    def commit(self, change: Change, *, epoch: int) -> None:
        self.failures.check("store.commit")
        self._check_fence(epoch)
        after = change.after
        stored = _head(self.table, after.name)
        expected = change.before
        if (stored and stored.token) != (expected and expected.token):
            raise ChangeLost
        changes: dict[Key, object] = {("head", after.name): after}
        for dropped in change.dropped:
            changes["version", after.name, dropped] = None
        if (new := change.new_version) is not None:
            key = VersionKey(new.number, after.versions[new.number].epoch)
            if ("version", after.name, key) in self.table.items:
                raise ChangeLost
            changes["version", after.name, key] = VersionItem(new.envelope, new.created_by)
        if expected is None or expected.secret_id != after.secret_id:
            changes["id", after.secret_id] = after.name
        if (required := change.active_key) is not None:
            keys = _keys(self.table, after.name.namespace)
            if keys is None or keys.active.namespace_key_id != required.namespace_key_id:
                raise ChangeLost
        for key, envelope in change.rewrapped.items():
            item = self.table.items.get(("version", after.name, key))
            if not isinstance(item, VersionItem) or item.envelope is None:
                raise ChangeLost
            changes["version", after.name, key] = replace(item, envelope=envelope)
        self.table.write(changes | self._scrubbed(after.name, change.scrubbed))

    def scrub(self, name: SecretName, keys: Sequence[VersionKey], *, epoch: int) -> None:
        self.failures.check("store.scrub")
        self._check_fence(epoch)
        self.table.write(self._scrubbed(name, keys))

    def list_heads(self, listing: Listing) -> Page:
        self.failures.check("store.list_heads")
        heads = sorted(
            (
                head
                for key, head in self.table.items.items()
                if key[0] == "head"
                and isinstance(head, Head)
                and head.name.namespace == listing.namespace
                and head.status is not SecretStatus.PURGED
            ),
            key=lambda head: head.name.path,
        )
        after = [
            head
            for head in heads
            if head.name.path.startswith(listing.prefix) and head.name.path > (listing.after_path or "")
        ]
        page = after[: listing.limit]
        shown = tuple(replace(head, versions={}, envelopes={}, client_tokens=()) for head in page)
        return Page(shown, page[-1].name.path if len(page) == listing.limit else None)

    def namespace_keys(self, namespace: Namespace) -> NamespaceKeys | None:
        self.failures.check("store.namespace_keys")
        return _keys(self.table, namespace)

    def add_namespace_keys(self, keys: NamespaceKeys, *, epoch: int) -> NamespaceKeys:
        self.failures.check("store.add_namespace_keys")
        self._check_fence(epoch)
        registered = _keys(self.table, keys.namespace)
        if registered is not None:
            return registered
        self.table.write({("namespace keys", keys.namespace): keys})
        return keys

    def replace_namespace_keys(self, before: NamespaceKeys, after: NamespaceKeys, *, epoch: int) -> None:
        self.failures.check("store.replace_namespace_keys")
        self._check_fence(epoch)
        registered = _keys(self.table, after.namespace)
        if registered is None or registered.active.namespace_key_id != before.active.namespace_key_id:
            raise ChangeLost
        self.table.write({("namespace keys", after.namespace): after})

    def _check_fence(self, epoch: int) -> None:
        if self.table.items[_FENCE] != Fence(epoch):
            raise RegionFenced

    def _scrubbed(self, name: SecretName, keys: Sequence[VersionKey]) -> dict[Key, object]:
        places = [("version", name, key) for key in keys]
        items = {place: self.table.items.get(place, VersionItem(None, "")) for place in places}
        return {place: replace(item, envelope=None) for place, item in items.items() if isinstance(item, VersionItem)}


class FakeRegistry:
    """The registry ports: one registry and its pointer. `known` lags behind until a pointer or a call shows more."""

    def __init__(self, registry: Registry, failures: Failures | None = None) -> None:
        self.failures = failures or Failures()
        self.stored = registry
        self.pointer: AccessPointer | None = None
        self.epoch = 1
        self._seen: tuple[AccessPointer | None, Registry] = None, registry

    def known(self) -> Registry:
        return self._seen[1]

    def at(self, pointer: AccessPointer | None) -> Registry:
        if not is_served_by(pointer, self._seen[0]):
            if pointer != self.pointer:
                raise RegistryUnavailable
            self._seen = pointer, self.stored
        return self._seen[1]

    def in_force(self) -> Registry:
        return self.load()[1]

    def load(self) -> tuple[AccessPointer | None, Registry]:
        self.failures.check("registry.load")
        self._seen = self.pointer, self.stored
        return self._seen

    def check(self, keys: KeySet) -> None:
        self.failures.check("registry.check")
        del keys

    def replace(self, before: AccessPointer | None, after: Registry, *, epoch: int) -> None:
        self.failures.check("registry.replace")
        if epoch != self.epoch:
            raise RegionFenced
        if before != self.pointer:
            raise ChangeLost
        self.stored, self.pointer = after, AccessPointer.to(after, epoch=epoch)


class FakeHeads:
    """The head reader port over one region's table."""

    def __init__(
        self,
        table: FakeTable,
        failures: Failures | None = None,
        registry: FakeRegistry | None = None,
        *,
        epoch: int = 1,
    ) -> None:
        self.table = table
        self.failures = failures or Failures()
        self.epoch = epoch
        self.unprocessed: set[SecretName] = set()
        self._registry = registry

    def fetch(self, queries: Sequence[HeadQuery]) -> Snapshot:
        self.failures.check("heads.fetch")
        heads = [None if query.name in self.unprocessed else self._fetched(query) for query in queries]
        return Snapshot(heads, None, self._registry.pointer if self._registry else None)

    def _fetched(self, query: HeadQuery) -> Fetched:
        head = _head(self.table, query.name)
        record = head.versions.get(query.version) if head and query.version is not None else None
        if record is None or query.version is None or record.epoch != (query.epoch or self.epoch):
            return Fetched(head)
        return Fetched(head, _stored(self.table, query.name, VersionKey(query.version, record.epoch)))


def _head(table: FakeTable, name: SecretName) -> Head | None:
    head = table.items.get(("head", name))
    return head if isinstance(head, Head) else None


def _keys(table: FakeTable, namespace: Namespace) -> NamespaceKeys | None:
    keys = table.items.get(("namespace keys", namespace))
    return keys if isinstance(keys, NamespaceKeys) else None


def _stored(table: FakeTable, name: SecretName, key: VersionKey) -> Envelope | None:
    item = table.items.get(("version", name, key))
    return item.envelope if isinstance(item, VersionItem) else None


class FakeEncryption:
    """The encryption port. A blob is opaque: it names a value kept aside, and opens for its own binding only."""

    def __init__(self, failures: Failures | None = None, randomness: FakeRandomness | None = None) -> None:
        self.failures = failures or Failures()
        self._randomness = randomness or FakeRandomness()
        self._sealed: dict[bytes, tuple[VersionBinding, str, bytes, bool]] = {}
        self.opened: list[SecretValue] = []

    def new_namespace_key(self, namespace: Namespace) -> WrappedNamespaceKey:
        self.failures.check("encryption.new_namespace_key")
        name = self._randomness.token(16).hex()
        return WrappedNamespaceKey(namespace.tenant, namespace.environment, name, b"wrapped", "mrk-0")

    def seal(self, value: SecretValue, binding: VersionBinding, key: WrappedNamespaceKey) -> Envelope:
        self.failures.check("encryption.seal")
        # As long as a message is for a value of this size, for whoever estimates by it.
        blob = self._randomness.token(len(value) + 300)
        self._sealed[blob] = (binding, key.namespace_key_id, bytes(value.buffer), value.is_text)
        return Envelope(blob, key.namespace_key_id, key.wrapped, key.key_id)

    def open(self, envelope: Envelope, binding: VersionBinding) -> SecretValue:
        self.failures.check("encryption.open")
        sealed_for, key_id, value, is_text = self._sealed[envelope.blob]
        if (sealed_for, key_id) != (binding, envelope.namespace_key_id):
            raise IntegrityFailure
        self.opened.append(SecretValue(bytearray(value), is_text=is_text))
        return self.opened[-1]

    def fingerprint(self, value: SecretValue, *, secret_id: str, key: WrappedNamespaceKey) -> str:
        self.failures.check("encryption.fingerprint")
        return _digest(f"{key.namespace_key_id}/{secret_id}", bytes(value.buffer))

    def keyed_digest(self, text: str, *, purpose: str, key: WrappedNamespaceKey) -> str:
        self.failures.check("encryption.keyed_digest")
        return _digest(f"{key.namespace_key_id}#{purpose}", text.encode())


def _digest(key: str, content: bytes) -> str:
    return hmac.new(key.encode(), content, hashlib.sha256).hexdigest()


class FakeAuditLog:
    """The audit log port: durable at once, or not at all."""

    def __init__(self, failures: Failures | None = None) -> None:
        self.failures = failures or Failures()
        self.events: list[AuditEvent] = []
        self.records: list[list[AuditEvent]] = []
        self._chain = Chain("0" * 32)

    def begin(self, events: Sequence[AuditEvent]) -> "FakePendingRecord":
        return FakePendingRecord(self, list(events))

    def store(self, events: list[AuditEvent]) -> list[Receipt]:
        self.failures.check("audit")
        self.events += events
        self.records.append(events)
        return [record.receipt for record in self._chain.seal(events)]


class FakePendingRecord:
    """A record that becomes durable when it is waited for."""

    def __init__(self, log: FakeAuditLog, events: list[AuditEvent]) -> None:
        self._log = log
        self._events = events

    def receipts(self) -> Sequence[Receipt]:
        return self._log.store(self._events)


class FakePolicy:
    """A policy: an allow list of actions, which a test may narrow by a rule of its own."""

    def __init__(self, *actions: Action) -> None:
        self.allowed = set(actions or Action)
        self.rule: Callable[[Action, Resource], bool] = lambda _action, _resource: True

    def decide(self, request: AccessRequest) -> Decision:
        allowed = request.action in self.allowed and self.rule(request.action, request.resource)
        return Decision(allowed, ("allowed-by-test",) if allowed else ("no-permit",))


class FakeAccess:
    """The access ports with one policy for everybody."""

    def __init__(self, policy: FakePolicy) -> None:
        self.policy = policy

    def at(self, tenant: str, pointer: AccessPointer | None) -> FakePolicy:
        del tenant, pointer
        return self.policy

    def current(self, tenant: str) -> FakePolicy:
        return self.at(tenant, None)

    def load(self, tenant: str) -> tuple[AccessPointer | None, AccessSet]:
        raise NotImplementedError

    def check(self, entry: PolicyEntry) -> None:
        raise NotImplementedError

    def policy_of(self, access_set: AccessSet) -> FakePolicy:
        raise NotImplementedError

    def proposal_of(self, access_set: AccessSet) -> FakePolicy:
        raise NotImplementedError

    def named(self, access_set: AccessSet) -> set[str]:
        raise NotImplementedError

    def close_to(self, access_set: AccessSet, request: AccessRequest) -> Sequence[ClosePolicy]:
        raise NotImplementedError

    def replace(
        self, before: AccessPointer | None, after: AccessSet, *, epoch: int, grants: Sequence[GrantChange] = ()
    ) -> None:
        raise NotImplementedError


@dataclass
class FakeWritership:
    """The writership port with an answer that a test may change."""

    region: str
    epoch: int = 1

    def state(self) -> WriterState:
        return WriterState(self.region, self.epoch)
