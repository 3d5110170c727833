"""The sealing's ends over real S3 and KMS, and the archive's fake beside them."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Protocol

import pytest

from strongroom.audit import BucketArchive, PublicKey, verify
from strongroom_service.adapters.audit.archive import S3DigestArchive
from strongroom_service.adapters.audit.coverage import SqliteCoverage
from strongroom_service.adapters.audit.signing import KmsDigestSigner
from strongroom_service.adapters.system import SystemClock
from strongroom_service.domain.digest import Place, digest_key, hour_prefix
from strongroom_service.domain.errors import KmsUnavailable, StoreUnavailable
from strongroom_service.usecases.ports import DigestArchive, VersionNotThere
from strongroom_service.usecases.seal_digest import Sealing, SealingPorts, seal
from tests.support.archives import GeneratedArchive, MemoryBucket
from tests.support.fakes import FakeClock
from tests.support.local_aws import REGION, LocalAws


class Bucket(Protocol):
    """What a test does to a bucket beside the port."""

    def put(self, key: str, body: bytes) -> str: ...

    def delete(self, key: str) -> None: ...


class RealBucket:
    """A versioned bucket of moto."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def put(self, key: str, body: bytes) -> str:
        return str(self.client.put_object(Bucket=self.name, Key=key, Body=body)["VersionId"])

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)


@pytest.fixture
def real(aws: LocalAws, request: pytest.FixtureRequest) -> RealBucket:
    client = aws.client("s3")
    name = f"audit-{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return RealBucket(client, name)


@pytest.fixture(params=["memory", "s3"])
def both(request: pytest.FixtureRequest) -> tuple[DigestArchive, Bucket]:
    if request.param == "memory":
        bucket = MemoryBucket(FakeClock())
        return bucket, bucket
    real: RealBucket = request.getfixturevalue("real")
    return S3DigestArchive(client=real.client, bucket=real.name), real


def test_versions_are_listed_by_key_the_newest_first(both: tuple[DigestArchive, Bucket]) -> None:
    archive, bucket = both
    first = bucket.put("records/2030/01/01/12/a", b"1")
    second = bucket.put("records/2030/01/01/12/a", b"22")
    other = bucket.put("records/2030/01/01/13/b", b"3")
    bucket.put("elsewhere", b"4")
    bucket.delete("records/2030/01/01/13/b")
    listed = list(archive.records("records/"))
    there = [(it.key[-1], it.version_id, it.size) for it in listed if not it.is_delete_marker]
    assert there == [("a", second, 2), ("a", first, 1), ("b", other, 1)]
    assert [it.key for it in listed if it.is_delete_marker] == ["records/2030/01/01/13/b"]
    assert [it.key[-1] for it in archive.records("records/2030/01/01/13/") if not it.is_delete_marker] == ["b"]
    assert list(archive.digests()) == []


def test_what_lies_just_before_a_prefix_is_not_listed(both: tuple[DigestArchive, Bucket]) -> None:
    archive, bucket = both
    bucket.put("records/2030/01/01/13-before", b"")
    bucket.put("records/2030/01/01/13/", b"")
    assert [it.key for it in archive.records("records/2030/01/01/13/")] == ["records/2030/01/01/13/"]


def test_a_version_is_read_as_it_was_put(both: tuple[DigestArchive, Bucket]) -> None:
    archive, bucket = both
    body = bytes(range(256)) * 10_000
    version = bucket.put("records/x", body)
    bucket.put("records/x", b"other")
    assert b"".join(archive.read("records/x", version)) == body


def test_a_version_that_is_gone_is_told_as_such(both: tuple[DigestArchive, Bucket]) -> None:
    archive, bucket = both
    version = bucket.put("records/x", b"")
    with pytest.raises(VersionNotThere):
        b"".join(archive.read("records/y", version))


def test_a_digest_is_put_where_nothing_is(both: tuple[DigestArchive, Bucket]) -> None:
    """The second finds the place taken, and what is there stays."""
    archive, _ = both
    version = archive.put_digest(digest_key(1), b"one")
    assert version is not None
    assert archive.put_digest(digest_key(1), b"two") is None
    assert b"".join(archive.read(digest_key(1), version)) == b"one"
    assert [it.version_id for it in archive.digests()] == [version]


def test_a_listing_of_many_pages_is_whole(real: RealBucket) -> None:
    """S3 lists a thousand versions at a time, and may cut between two of one key."""
    archive = S3DigestArchive(client=_SmallPages(real.client), bucket=real.name)
    versions = [real.put(f"records/{number // 2}", b"") for number in range(9)]
    assert sorted(it.version_id for it in archive.records("records/")) == sorted(versions)


class _SmallPages:
    """Lists three at a time."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def list_object_versions(self, **said: Any) -> Any:
        return self._client.list_object_versions(**said, MaxKeys=3)


def test_a_bucket_that_is_not_there_is_an_error_of_the_domain(aws: LocalAws) -> None:
    archive = S3DigestArchive(client=aws.client("s3"), bucket="no-such-bucket")
    with pytest.raises(StoreUnavailable):
        list(archive.records("records/"))
    with pytest.raises(StoreUnavailable):
        archive.put_digest(digest_key(1), b"")


@pytest.fixture
def signer(aws: LocalAws) -> KmsDigestSigner:
    kms = aws.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    return KmsDigestSigner(client=kms, key_arn=key)


def test_kms_signs_and_tells_its_signatures(signer: KmsDigestSigner) -> None:
    """Also over what is longer than KMS takes: it is sent the hash."""
    message = b"x" * 100_000
    signature = signer.sign(message)
    assert signer.verify(message, signature)
    assert not signer.verify(b"other", signature)
    assert not signer.verify(message, b"")
    # Moto hashes the hash once more, as KMS would with MessageType RAW; the local cloud's tests see the real thing.
    key = PublicKey.from_kms(signer.key_id, region=REGION)
    assert key.verifies(hashlib.sha256(message).digest(), signature)
    assert PublicKey.parse(key.pem().encode()).verifies(hashlib.sha256(message).digest(), signature)


def test_a_key_that_is_not_there_is_an_error_of_the_domain(aws: LocalAws) -> None:
    signer = KmsDigestSigner(client=aws.client("kms"), key_arn=f"arn:aws:kms:{REGION}:123456789012:key/none")
    with pytest.raises(KmsUnavailable):
        signer.sign(b"")
    with pytest.raises(KmsUnavailable):
        signer.verify(b"", b"0")


def test_what_the_service_seals_in_s3_the_library_verifies(real: RealBucket) -> None:
    """With nothing in between but the bucket."""
    written = GeneratedArchive(clock=FakeClock(SystemClock().now()))
    chain = written.chain()
    keys = [f"{hour_prefix(written.clock.now())}object-{number}" for number in range(3)]
    for key in keys:
        real.put(key, b"".join(written.lines(chain, 5)))
    with SqliteCoverage() as coverage:
        ports = SealingPorts(
            clock=SystemClock(),
            archive=S3DigestArchive(client=real.client, bucket=real.name),
            signer=written.signer,
            coverage=coverage,
        )
        place = Place(stage="test", account="123456789012", region=REGION, bucket=real.name)
        done = seal(ports, place=place, lookback=timedelta(hours=48), has_time=lambda: True)
    assert done == Sealing(1, 3, 0, is_complete=True)
    source, signed_by = BucketArchive(bucket=real.name, region=REGION), written.signer.public_key()
    report = verify(source, key=signed_by)
    assert (report.is_sound, report.records, report.unsealed_objects) == (True, 15, 0), report.findings
    real.delete(keys[0])
    (finding,) = verify(source, key=signed_by).findings
    assert (finding.kind, finding.key) == ("object_deleted", keys[0])


@pytest.fixture
def coverage() -> Iterator[SqliteCoverage]:
    with SqliteCoverage() as found:
        yield found


def test_coverage_knows_what_was_stated_and_what_was_seen(coverage: SqliteCoverage) -> None:
    for number in range(2_500):
        coverage.add(f"records/{number:05}", "v1", is_expected=True)
    coverage.add("records/00007", "v1", is_expected=False)
    coverage.add("records/00008", "v2", is_expected=False)
    coverage.add("records/00007", "v1", is_expected=True)
    assert coverage.see("records/00000", "v1")
    assert not coverage.see("records/00000", "v2")
    unseen = list(coverage.unseen("records/"))
    assert len(unseen) == len(set(unseen)) == 2_498
    assert ("records/00008", "v1") in unseen
    assert not {("records/00000", "v1"), ("records/00007", "v1"), ("records/00008", "v2")} & set(unseen)
    assert len(list(coverage.unseen("records/02000"))) == 500
