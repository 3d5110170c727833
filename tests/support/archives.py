"""An audit archive in memory: written as the platform writes it, sealed as the platform seals it, and tampered with."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.audit import PublicKey, Report, verify
from strongroom.audit.source import Entry
from strongroom_service.adapters.audit.coverage import SqliteCoverage
from strongroom_service.domain.audit import Chain, Receipt
from strongroom_service.domain.digest import DIGESTS, ArchivedVersion, Place, hour_prefix
from strongroom_service.domain.ids import uuid7
from strongroom_service.usecases.ports import VersionNotThere
from strongroom_service.usecases.seal_digest import Sealing, SealingPorts, seal
from tests.support.auditing import EVENT
from tests.support.fakes import FakeClock, FakeRandomness

PLACE = Place(
    stage="test", account="111122223333", region="us-east-1", bucket="strongroom-test-audit-111122223333-us-east-1"
)
LOOKBACK = timedelta(hours=216)
BEGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class StoredVersion:
    """One version of an object, or a delete marker."""

    version_id: str
    body: bytes
    modified_at: datetime
    is_delete_marker: bool = False


@dataclass
class MemoryBucket:
    """A versioned bucket: the sealer's archive port."""

    clock: FakeClock
    objects: dict[str, list[StoredVersion]] = field(default_factory=dict)
    """By key, the oldest version first."""
    _count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, key: str, body: bytes) -> str:
        version = StoredVersion(f"v{next(self._count):06}", body, self.clock.now())
        self.objects.setdefault(key, []).append(version)
        return version.version_id

    def delete(self, key: str) -> None:
        marker = StoredVersion(f"v{next(self._count):06}", b"", self.clock.now(), is_delete_marker=True)
        self.objects.setdefault(key, []).append(marker)

    def replace(self, key: str, body: bytes) -> None:
        """As nobody can in S3, and anybody in a copy: other content under the same version."""
        self.objects[key][-1] = replace(self.objects[key][-1], body=body)

    def body(self, key: str) -> bytes:
        return self.objects[key][-1].body

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def listed(self, prefix: str) -> Iterator[tuple[str, StoredVersion]]:
        for key in self.keys(prefix):
            for version in reversed(self.objects[key]):
                yield key, version

    def digests(self) -> Iterator[ArchivedVersion]:
        return map(_archived, self.listed(DIGESTS))

    def records(self, since: str) -> Iterator[ArchivedVersion]:
        return (entry for entry in map(_archived, self.listed("records/")) if entry.key >= since)

    def read(self, key: str, version_id: str) -> Iterator[bytes]:
        for version in self.objects.get(key, ()):
            if version.version_id == version_id and not version.is_delete_marker:
                # In small pieces, so that lines and characters are cut.
                return (version.body[at : at + 100] for at in range(0, len(version.body), 100))
        raise VersionNotThere

    def put_digest(self, key: str, stored: bytes) -> str | None:
        versions = self.objects.get(key, [])
        if versions and not versions[-1].is_delete_marker:
            return None
        return self.put(key, stored)

    def copy_to(self, folder: Path) -> Path:
        """As `aws s3 sync` does: the latest content of what is not deleted."""
        for key, versions in self.objects.items():
            if not versions[-1].is_delete_marker:
                path = folder / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(versions[-1].body)
        return folder


def _archived(listed: tuple[str, StoredVersion]) -> ArchivedVersion:
    key, it = listed
    return ArchivedVersion(key, it.version_id, len(it.body), it.modified_at, it.is_delete_marker)


@dataclass
class BucketSource:
    """The same bucket as a verification reads it."""

    contents: MemoryBucket
    bucket: str | None = PLACE.bucket
    region: str | None = PLACE.region
    has_versions: bool = True
    readers: int = 4

    def entries(self, prefix: str) -> Iterator[Entry]:
        for key, it in self.contents.listed(prefix):
            yield Entry(key, it.version_id, it.modified_at, it.is_delete_marker, len(it.body))

    def read(self, entry: Entry) -> Iterator[bytes]:
        return self.contents.read(entry.key, entry.version_id)


class LocalSigner:
    """The signer port over a key in this process."""

    key_id = "arn:aws:kms:us-east-1:111122223333:key/mrk-0"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, ec.ECDSA(SHA256()))

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            self._key.public_key().verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def pem(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def public_key(self) -> PublicKey:
        return PublicKey.parse(self.pem())


@dataclass
class GeneratedArchive:
    """An archive with its platform: environments that write chains, a delivery, a sealing."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(BEGIN))
    randomness: FakeRandomness = field(default_factory=FakeRandomness)
    signer: LocalSigner = field(default_factory=LocalSigner)
    place: Place = PLACE

    def __post_init__(self) -> None:
        self.bucket = MemoryBucket(self.clock)
        self.receipts: list[Receipt] = []

    def chain(self, *, follows: Receipt | None = None) -> Chain:
        return Chain(self.randomness.token(16).hex(), follows=follows)

    def lines(self, chain: Chain, count: int) -> list[bytes]:
        """The next records of an environment."""
        now = self.clock.now()
        events = [replace(EVENT, event_id=uuid7(now, self.randomness.token(10)), time=now) for _ in range(count)]
        sealed = chain.seal(events)
        self.receipts += [record.receipt for record in sealed]
        return [record.line for record in sealed]

    def deliver(self, lines: Iterable[bytes]) -> str:
        """One object of Firehose's."""
        now = self.clock.now()
        key = f"{hour_prefix(now)}audit-archive-1-{now:%Y-%m-%d-%H-%M-%S}-{self.randomness.token(8).hex()}"
        self.bucket.put(key, b"".join(lines))
        return key

    def seal(self, *, has_time: Any = None) -> Sealing:
        with SqliteCoverage() as coverage:
            return seal(
                SealingPorts(clock=self.clock, archive=self.bucket, signer=self.signer, coverage=coverage),
                place=self.place,
                lookback=LOOKBACK,
                has_time=has_time or (lambda: True),
            )

    def pass_time(self, **said: float) -> None:
        self.clock.advance(timedelta(**said))

    def hours(self, count: int, *, chains: Sequence[Chain], records: int = 3) -> list[str]:
        """So many hours of a quiet platform, each with two objects, sealed at its end."""
        keys = []
        for _ in range(count):
            for _ in range(2):
                keys.append(self.deliver(line for chain in chains for line in self.lines(chain, records)))
                self.pass_time(minutes=20)
            self.pass_time(minutes=20)
            self.seal()
        return keys

    def verify(self, **said: Any) -> Report:
        """By its bucket."""
        source = BucketSource(self.bucket, bucket=self.place.bucket, region=self.place.region)
        return verify(source, key=self.signer.public_key(), now=self.clock.now(), **said)


def record_of(line: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    return found
