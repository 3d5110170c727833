"""What the use cases need from outside, as protocols. Adapters implement them, tests bring fakes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, StrEnum, auto
from typing import Any, Protocol

from strongroom_service.domain.access import AccessRequest, Decision
from strongroom_service.domain.access_set import AccessPointer, AccessSet, PolicyEntry
from strongroom_service.domain.audit import AuditEvent, Receipt
from strongroom_service.domain.audit_record import AuditLine
from strongroom_service.domain.break_glass import BreakGlass
from strongroom_service.domain.digest import ArchivedVersion
from strongroom_service.domain.explanation import ClosePolicy
from strongroom_service.domain.issuers import Issuer
from strongroom_service.domain.names import Namespace, SecretName
from strongroom_service.domain.public_keys import KeySet, PublicKey
from strongroom_service.domain.registry import Registry
from strongroom_service.domain.secret import Envelope, Head, NamespaceKeys, WrappedNamespaceKey
from strongroom_service.domain.tokens import Unverified
from strongroom_service.domain.values import SecretValue


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The current time in UTC."""
        ...


class Randomness(Protocol):
    """Random bytes fit for keys and identifiers."""

    def token(self, size: int) -> bytes:
        """`size` random bytes."""
        ...


@dataclass(frozen=True, slots=True)
class HeadQuery:
    """A head to fetch, with the item of one numbered version beside it if wanted."""

    name: SecretName
    version: int | None = None
    epoch: int | None = None
    """Under which the version was written, when that is known; None: the one that is current now."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the table holds for one query. `stored` is the version item's envelope, or None when it is not here."""

    head: Head | None
    stored: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one round trip brings: heads in the order of the queries, and who may what."""

    heads: Sequence[Fetched | None]
    """None where the table left one unprocessed twice."""
    access: AccessPointer | None
    """The tenant's access set; None before its first one."""
    registry: AccessPointer | None = None
    """The deployment's registry; None before its first one."""


class HeadReader(Protocol):
    """The read path's view of the secrets table. Every read is strongly consistent within its region."""

    def fetch(self, queries: Sequence[HeadQuery]) -> Snapshot:
        """Heads of one tenant in one round trip. Raises `StoreUnavailable` or `Throttled`."""
        ...


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version's own item, written once; only re-wrapping and destroying touch it again."""

    number: int
    envelope: Envelope
    created_by: str


@dataclass(frozen=True, slots=True)
class VersionKey:
    """Where a version's item lies."""

    number: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a secret: all of it is stored, or nothing."""

    before: Head | None
    """The state that `after` was derived from; the change is refused when it is no longer the stored one."""
    after: Head
    new_version: NewVersion | None = None
    scrubbed: tuple[VersionKey, ...] = ()
    """Version items whose value is removed; the item stays."""
    dropped: tuple[VersionKey, ...] = ()
    """Version items that are pruned."""
    active_key: WrappedNamespaceKey | None = None
    """The change is refused when this is no longer its namespace's active key."""
    rewrapped: Mapping[VersionKey, Envelope] = field(default_factory=dict)
    """Version items whose envelope is replaced; the change is refused where an item has none."""


class ChangeLost(Exception):  # not an error: another writer was first, read again and decide again
    """The stored head is no longer the one that the change was derived from."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing. `heads` carry metadata and aliases, no versions and no envelopes."""

    heads: tuple[Head, ...]
    last_path: str | None
    """Where to go on; None at the end."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which secrets to list."""

    namespace: Namespace
    prefix: str = ""
    after_path: str | None = None
    limit: int = 50


class SecretStore(Protocol):
    """The write side's view of the secrets table. All raise `StoreUnavailable` or `Throttled`."""

    def load(self, name: SecretName) -> Head | None:
        """The head, strongly consistent."""
        ...

    def locate(self, secret_id: str, *, tenant: str) -> SecretName | None:
        """Where the secret of this id was registered: a hint, compare the head's own id."""
        ...

    def stored_envelope(self, name: SecretName, key: VersionKey) -> Envelope | None:
        """The envelope in a version's own item."""
        ...

    def version_keys(self, name: SecretName) -> Sequence[VersionKey]:
        """Every version item that lies under a name."""
        ...

    def envelope_keys(self, name: SecretName) -> Mapping[VersionKey, str]:
        """The id of the namespace key that each version item's value is under; items without a value are left out."""
        ...

    def commit(self, change: Change, *, epoch: int) -> None:
        """Store a change under the fence of this epoch.

        Raises:
            ChangeLost: another change came first.
            RegionFenced: the fence is closed or carries another epoch.
        """
        ...

    def scrub(self, name: SecretName, keys: Sequence[VersionKey], *, epoch: int) -> None:
        """Remove the values of version items. Repeatable. Raises `RegionFenced`."""
        ...

    def list_heads(self, listing: Listing) -> Page:
        """A page of a listing, by path. Eventually consistent."""
        ...

    def namespace_keys(self, namespace: Namespace) -> NamespaceKeys | None:
        """The keys that this namespace works with now."""
        ...

    def add_namespace_keys(self, keys: NamespaceKeys, *, epoch: int) -> NamespaceKeys:
        """Register a namespace's first keys; returns those that are registered, maybe another's."""
        ...

    def replace_namespace_keys(self, before: NamespaceKeys, after: NamespaceKeys, *, epoch: int) -> None:
        """Put other keys in the place of those that were read.

        Raises:
            ChangeLost: the active key is another by now.
            RegionFenced: the fence is closed or carries another epoch.
        """
        ...


@dataclass(frozen=True, slots=True)
class VersionBinding:
    """What an envelope is bound to; it opens for nothing else."""

    name: SecretName
    secret_id: str
    number: int
    epoch: int


class EnvelopeOpener(Protocol):
    """The read side of the envelope encryption."""

    def open(self, envelope: Envelope, binding: VersionBinding) -> SecretValue:
        """Decrypt. Raises `IntegrityFailure` or `KmsUnavailable`."""
        ...


class Encryption(EnvelopeOpener, Protocol):
    """The whole of the envelope encryption. All raise `KmsUnavailable`."""

    def new_namespace_key(self, namespace: Namespace) -> WrappedNamespaceKey:
        """A fresh key for a namespace, wrapped by KMS."""
        ...

    def seal(self, value: SecretValue, binding: VersionBinding, key: WrappedNamespaceKey) -> Envelope:
        """Encrypt a value under a data key of its own."""
        ...

    def fingerprint(self, value: SecretValue, *, secret_id: str, key: WrappedNamespaceKey) -> str:
        """64 hex digits that tell whether two values of one secret are equal, and nothing else."""
        ...

    def keyed_digest(self, text: str, *, purpose: str, key: WrappedNamespaceKey) -> str:
        """64 hex digits: an HMAC of the text under a key derived for this purpose."""
        ...


class PendingRecord(Protocol):
    """An audit record on its way."""

    def receipts(self) -> Sequence[Receipt]:
        """Wait until the record is durable; raises `AuditUnavailable` when it is not."""
        ...


class Metric(StrEnum):
    """What is measured, by the names that metrics and alarms carry. Durations are in milliseconds."""

    DURATION = "Duration"
    """A request, from event to answer."""
    STORE_TIME = "StoreTime"
    DECRYPT_TIME = "DecryptTime"
    AUDIT_TIME = "AuditTime"
    """The wait for the record that remains when decryption is done."""
    KMS_CALLS = "KmsCalls"
    KMS_FALLBACKS = "KmsFallbacks"
    """Keys opened by another region's KMS."""
    KEY_CACHE_HITS = "KeyCacheHits"
    AUDIT_STREAMED = "AuditStreamed"
    AUDIT_BUFFERED = "AuditBuffered"
    AUDIT_UNAVAILABLE = "AuditUnavailable"
    """Events that found no durable place: their requests were refused."""
    AUDIT_WAITING = "AuditWaiting"
    """Events in the buffer."""
    AUDIT_DRAINED = "AuditDrained"
    GRANTS_UNANSWERED = "GrantsUnanswered"
    """Searches for what was read under a grant that not every region's audit answered."""
    AUDIT_INDEXED = "AuditIndexed"
    AUDIT_UNREADABLE = "AuditUnreadable"
    """Lines of the audit stream that are no records, or that somebody changed."""
    PAST_GATEWAY = "PastGateway"
    """Events that do not look as API Gateway makes them."""
    ACCESS_BROKEN = "AccessBroken"
    """Access sets, or the registry, that could not be read or evaluated: their requests were refused."""
    TOKENS_REFUSED = "TokensRefused"
    REFUSALS_UNRECORDED = "RefusalsUnrecorded"
    """Refused tokens beyond the quota of audit records that they have."""
    KEY_SET_FETCHES = "KeySetFetches"
    KEY_SET_FAILURES = "KeySetFailures"
    """An issuer's keys could not be fetched: its tokens are refused."""
    DIGESTS = "Digests"
    """Digests that were sealed."""
    ARCHIVE_ANOMALIES = "ArchiveAnomalies"
    """What a sealing noticed that an archive which only grows cannot show."""
    DENIALS = "Denials"
    ERRORS = "Errors"


class Measurements(Protocol):
    """Where measurements go. Never raises, never waits."""

    def count(self, metric: Metric, value: int = 1) -> None:
        """So many of something."""
        ...

    def time(self, metric: Metric, seconds: float) -> None:
        """How long something took."""
        ...


class AuditLog(Protocol):
    """Where the audit goes."""

    def begin(self, events: Sequence[AuditEvent]) -> PendingRecord:
        """Send the events as one record, without waiting."""
        ...


@dataclass(frozen=True, slots=True)
class BufferedRecord:
    """A record that waits: so many events as JSON lines."""

    key: str
    lines: bytes
    events: int


class BufferedRecords(Protocol):
    """The buffer as the drain sees it. All raise `StoreUnavailable` or `Throttled`."""

    def waiting(self) -> dict[int, int]:
        """Events by shard, for the shards that have any."""
        ...

    def take(self, shard: int, limit: int) -> Sequence[BufferedRecord]:
        """The oldest records of a shard; they stay there."""
        ...

    def remove(self, shard: int, records: Sequence[BufferedRecord]) -> None:
        """Remove records and count them off. Removing what another drain has removed changes nothing."""
        ...

    def correct(self, shard: int, *, counted: int) -> None:
        """Set the counter of an empty shard right, if it still says `counted`."""
        ...


class AuditStream(Protocol):
    """The stream as the drain sees it."""

    def put(self, records: Sequence[bytes]) -> Sequence[bool]:
        """Put records; which of them the stream acknowledged. A stream that does not answer acknowledged none."""
        ...


class VersionNotThere(Exception):  # not an error everywhere: the caller decides
    """A version of an object is gone."""


class DigestArchive(Protocol):
    """The archive of one region, as its sealing sees it. All raise `StoreUnavailable` or `Throttled`."""

    def digests(self) -> Iterator[ArchivedVersion]:
        """Every version under the digests' prefix, by key, the newest of a key first."""
        ...

    def records(self, since: str) -> Iterator[ArchivedVersion]:
        """Every version of the records' objects from a key on, by key, the newest of a key first."""
        ...

    def read(self, key: str, version_id: str) -> Iterator[bytes]:
        """A version's content in pieces. Raises `VersionNotThere` before the first of them."""
        ...

    def put_digest(self, key: str, stored: bytes) -> str | None:
        """Store a digest where nothing is yet; its version's id, or None when another was first."""
        ...


class DigestSigner(Protocol):
    """The key that signs digests. Both raise `KmsUnavailable`."""

    @property
    def key_id(self) -> str:
        """The key's ARN."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A signature over a message."""
        ...

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key signed the message."""
        ...


class Coverage(Protocol):
    """Which versions earlier digests state, on disk: there can be more than fit into memory."""

    def add(self, key: str, version_id: str, *, is_expected: bool) -> None:
        """Note a version that a digest states; a statement that none is expected there wins."""
        ...

    def see(self, key: str, version_id: str) -> bool:
        """Note that a version is there; whether a digest states it."""
        ...

    def unseen(self, since: str) -> Iterator[tuple[str, str]]:
        """The versions from a key on that are expected and were not seen."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which records of a tenant to look for, newest first. At least one of the first three is given."""

    tenant: str
    secret_id: str | None = None
    actor: str | None = None
    request_id: str | None = None
    day: date | None = None
    """Every record of one day (UTC), for whom none of the three is known."""
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None
    """Where the page before ended."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some of the records, as they were stored: the audit record's fields by name."""

    records: tuple[Mapping[str, Any], ...]
    last: str | None
    """Where to go on; None at the end."""


class AuditIndex(Protocol):
    """The audit records of this region's last ninety days. All raise `StoreUnavailable` or `Throttled`."""

    def search(self, query: AuditQuery) -> AuditPage:
        """One page. Records arrive some seconds after what they record."""
        ...

    def find(self, tenant: str, event_id: str) -> Mapping[str, Any] | None:
        """The record of one event."""
        ...


class Kept(Enum):
    """What became of a record on its way into the index."""

    STORED = auto()
    FAILED = auto()
    """The table did not take it now; it may later."""
    REFUSED = auto()
    """It never will, as the record is."""


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A line of the audit stream that is no record of ours, or not any more."""

    delivery: str
    """The stream record that it came in."""
    number: int
    """Its place there, from 0."""
    line: bytes
    why: str


class AuditIndexWriter(Protocol):
    """The indexer's side of the audit index. Writing what is there already changes nothing."""

    def add(self, records: Sequence[AuditLine]) -> Sequence[Kept]:
        """Index records; what became of each."""
        ...

    def keep_aside(self, lines: Sequence[UnreadableLine]) -> bool:
        """Keep lines for people to look at; whether the table took them."""
        ...


class RecordObserver(Protocol):
    """Somebody who wants to see every audit record soon after it was made, such as to announce it."""

    def observe(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Records that are indexed; the same ones may come again. Raises to be given them once more, with others."""
        ...


class Policy(Protocol):
    """Who may do what in one tenant, as one access set has it."""

    def decide(self, request: AccessRequest) -> Decision:
        """Default deny; what cannot be evaluated is a denial too."""
        ...


class AccessPolicies(Protocol):
    """The policies of the read path."""

    def at(self, tenant: str, pointer: AccessPointer | None) -> Policy:
        """The policy that a pointer names, or a later one that is known already.

        Raises:
            AccessSetUnavailable: the set is not here, or is not what the pointer says, or does not compile.
            StoreUnavailable, Throttled.
        """
        ...


class AccessControl(Protocol):
    """The policies of the write side, and their changes. All raise `StoreUnavailable` or `Throttled`."""

    def current(self, tenant: str) -> Policy:
        """The policy in force now. Raises `AccessSetUnavailable`."""
        ...

    def load(self, tenant: str) -> tuple[AccessPointer | None, AccessSet]:
        """The access set in force now. Raises `AccessSetUnavailable`."""
        ...

    def check(self, entry: PolicyEntry) -> None:
        """Make sure that a policy may be stored; raises `InvalidRequest`."""
        ...

    def policy_of(self, access_set: AccessSet) -> Policy:
        """The policy that the set in force is. Raises `AccessSetUnavailable`."""
        ...

    def proposal_of(self, access_set: AccessSet) -> Policy:
        """The policy that a proposed set would be: what is broken in it rings nowhere. Raises `InvalidRequest`."""
        ...

    def named(self, access_set: AccessSet) -> set[str]:
        """Everybody whom a role, a group or a policy's own text names."""
        ...

    def close_to(self, access_set: AccessSet, request: AccessRequest) -> Sequence[ClosePolicy]:
        """The policies that permit something near to what is asked."""
        ...

    def replace(
        self, before: AccessPointer | None, after: AccessSet, *, epoch: int, grants: Sequence["GrantChange"] = ()
    ) -> None:
        """Put another set in force, and change requests for grants: all at once, or nothing.

        Raises:
            ChangeLost: `before` is not in force any more, or a request has changed meanwhile.
            RegionFenced: the fence is closed or carries another epoch.
        """
        ...


class Registries(Protocol):
    """Who belongs to which tenant.

    All raise `RegistryUnavailable` when the registry is not here or is not what its pointer says, `StoreUnavailable`,
    `Throttled`.
    """

    def known(self) -> Registry:
        """The latest registry that is known here, loaded if there is none yet."""
        ...

    def at(self, pointer: AccessPointer | None) -> Registry:
        """The registry that a pointer names, or a later one that is known already."""
        ...

    def in_force(self) -> Registry:
        """The registry in force now."""
        ...


class RegistryControl(Registries, Protocol):
    """The registry and its changes."""

    def load(self) -> tuple[AccessPointer | None, Registry]:
        """The registry in force now, and its pointer."""
        ...

    def check(self, keys: KeySet) -> None:
        """Make sure that keys can verify anything; raises `InvalidRequest`."""
        ...

    def replace(self, before: AccessPointer | None, after: Registry, *, epoch: int) -> None:
        """Put another registry in force.

        Raises:
            ChangeLost: `before` is not in force any more.
            RegionFenced: the fence is closed or carries another epoch.
        """
        ...


class Tokens(Protocol):
    """Signed tokens (JWS compact serialisation)."""

    def parse(self, token: str) -> Unverified:
        """Take a token apart, believing nothing; raises `TokenRefused`."""
        ...

    def verify(self, token: str, key: PublicKey, algorithm: str) -> Mapping[str, Any]:
        """The claims, whose signature is the key's by exactly this algorithm; raises `TokenRefused`."""
        ...


class IssuerKeys(Protocol):
    """The public keys of issuers, as they were given or as they are published."""

    def find(self, issuer_id: str, issuer: Issuer, kid: object) -> PublicKey:
        """The key that a token names; raises `TokenRefused` when there is none, or it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class GrantChange:
    """A change of one request for a grant, refused when `before` is no longer what is stored."""

    before: BreakGlass | None
    after: BreakGlass
    token: str | None = None
    """Digest of the client token that a new request is made with; the change is refused when it was used before."""


@dataclass(frozen=True, slots=True)
class GrantPage:
    """Some of a tenant's requests, the latest first."""

    requests: tuple[BreakGlass, ...]
    last: str | None
    """The id to go on after; None at the end."""


class GrantStore(Protocol):
    """Requests for grants. Reads are strongly consistent. All raise `StoreUnavailable` or `Throttled`."""

    def load(self, tenant: str, grant_id: str) -> BreakGlass | None:
        """A request."""
        ...

    def find(self, tenant: str, token: str) -> BreakGlass | None:
        """The request that was made with a client token of this digest."""
        ...

    def page(self, tenant: str, *, after: str | None, limit: int) -> GrantPage:
        """A page of requests."""
        ...

    def open_requests(self) -> Sequence[tuple[str, str]]:
        """Tenant and id of every request about which something is still to be done."""
        ...

    def commit(self, change: GrantChange, *, epoch: int) -> None:
        """Store a change that puts no grant in force and takes none away.

        Raises:
            ChangeLost: the request has changed meanwhile, or its client token was used.
            RegionFenced: the fence is closed or carries another epoch.
        """
        ...


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that people are told at once. Names and ids only, never a value."""

    event_id: str
    """Of the audit record that it is about: who hears it twice can tell."""
    title: str
    text: str
    attributes: Mapping[str, str]


class NotAnnounced(Exception):  # not an error of a caller: the batch of records is tried again
    """An announcement was not taken."""


class Announcements(Protocol):
    """Where announcements go."""

    def publish(self, announcement: Announcement) -> None:
        """Hand one over; raises `NotAnnounced`."""
        ...


@dataclass(frozen=True, slots=True)
class WriterState:
    """Which region may write, under which epoch."""

    region: str
    epoch: int


class Writership(Protocol):
    """The right to write."""

    def state(self) -> WriterState:
        """Who holds it now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPorts:
    """What the read path stands on."""

    region: str
    clock: Clock
    randomness: Randomness
    heads: HeadReader
    envelopes: EnvelopeOpener
    audit: AuditLog
    access: AccessPolicies
    registry: Registries
    writership: Writership


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePorts:
    """What changes and metadata reads stand on."""

    region: str
    regions: Sequence[str]
    """Every region of the deployment."""
    clock: Clock
    randomness: Randomness
    store: SecretStore
    encryption: Encryption
    audit: AuditLog
    index: AuditIndex
    access: AccessControl
    grants: GrantStore
    registry: RegistryControl
    required_approvals: int = 0
    """How many others have to approve a grant; 0: none can be asked for."""
    writership: Writership
    sleep: "Sleep" = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationPorts:
    """What the check of a token stands on."""

    region: str
    clock: Clock
    randomness: Randomness
    registry: Registries
    tokens: Tokens
    keys: IssuerKeys
    audit: AuditLog
    measurements: Measurements


class Sleep(Protocol):
    """Waiting between two tries."""

    def __call__(self, seconds: float, /) -> None:
        """Wait."""
        ...
