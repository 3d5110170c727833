"""The archive's digests: sealed by the deployed function under its own role, verified by the command line."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from infra.local.requests import Identity, Region
from infra.local.verifying import Ran, copy_archive, run_command
from strongroom_service.domain.errors import KmsUnavailable
from tests.cloud.platform import VALUE, Platform

WITHIN = timedelta(seconds=60)


def archived_read(cloud: LocalCloud, platform: Platform, region: Region) -> str:
    """The receipt of a read whose record has arrived."""
    receipt = str(platform.store(VALUE).read(region=region).json()["receipt"])
    AuditArchive(cloud).wait_for({receipt.partition(".")[0]}, within=WITHIN)
    return receipt


def sealed(cloud: LocalCloud, region: Region) -> dict[str, object]:
    done = cloud.seal_audit(region.name)
    assert done.get("complete") is True, done
    return done


def verified(cloud: LocalCloud, region: Region, *more: str) -> Ran:
    where = ("--bucket", cloud.archive(region.name), "--region", region.name)
    return run_command(cloud, "audit", "verify", *where, *more)


def assert_refused(*attempts: Callable[[], object]) -> None:
    """Each is tried, and each is refused."""
    for attempt in attempts:
        with pytest.raises(ClientError) as error:
            attempt()
        assert error.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


@pytest.fixture
def administrator(cloud: LocalCloud) -> Iterator[Identity]:
    """Somebody whom IAM allows everything; not the emulator's root, which is above every policy as no one is on AWS."""
    iam, name = cloud.aws("iam", cloud.writer.name), "test-administrator"
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    trust = {"Version": "2012-10-17", "Statement": []}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=json.dumps(everything))
    try:
        yield cloud.session_of_role(name)
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="everything")
        iam.delete_role(RoleName=name)


@pytest.fixture
def public_key(cloud: LocalCloud, tmp_path: Path) -> str:
    """Pinned, as an auditor would have it from before."""
    stage, region = cloud.description.stage, cloud.writer.name
    ran = run_command(cloud, "audit", "public-key", "--stage", stage, "--region", region)
    assert ran.code == 0, ran.complaints
    path = tmp_path / "digest.pem"
    path.write_text(ran.output)
    return str(path)


def test_each_regions_archive_is_sound_and_proves_a_read(
    cloud: LocalCloud, platform: Platform, public_key: str
) -> None:
    """One key in both regions; the receipt of a read is proven and sealed."""
    for region in cloud.description.regions:
        receipt = archived_read(cloud, platform, region)
        sealed(cloud, region)
        ran = verified(cloud, region, "--public-key", public_key, "--receipt", receipt, "--json")
        report = ran.report()
        assert (ran.code, report["sound"], report["findings"]) == (0, True, []), ran.output
        assert report["archive"]["bucket"] == cloud.archive(region.name)
        (proven,) = report["receipts"]
        assert (proven["receipt"], proven["digest"]) == (receipt, report["digests"]["last"])


def test_a_key_that_is_not_pinned_is_taken_from_kms_with_a_warning(cloud: LocalCloud) -> None:
    sealed(cloud, cloud.writer)
    ran = verified(cloud, cloud.writer)
    assert ran.code == 0, ran.output
    assert "not pinned" in ran.complaints
    assert "Sound" in ran.output


def test_what_is_removed_from_a_copy_is_named(
    cloud: LocalCloud, platform: Platform, public_key: str, tmp_path: Path
) -> None:
    region = cloud.replica
    receipt = archived_read(cloud, platform, region)
    sealed(cloud, region)
    copy = copy_archive(cloud, region.name, tmp_path / "copy")
    where = ("--directory", str(copy), "--public-key", public_key, "--receipt", receipt, "--json")
    assert run_command(cloud, "audit", "verify", *where).code == 0
    event = receipt.partition(".")[0]
    holder = next(path for path in (copy / "records").rglob("*") if path.is_file() and event in path.read_text())
    kept = [line for line in holder.read_text().splitlines(keepends=True) if event not in line]
    holder.write_text("".join(kept))
    ran = run_command(cloud, "audit", "verify", *where)
    found = {finding["kind"]: finding for finding in ran.report()["findings"]}
    assert ran.code == 1
    assert found["object_changed"]["key"] == holder.relative_to(copy).as_posix()
    assert found["receipt_unknown"]["receipt"] == receipt


def test_digests_of_another_region_do_not_pass(cloud: LocalCloud, public_key: str, tmp_path: Path) -> None:
    """The same key signs in every region: what is signed says whose digest it is."""
    for region in cloud.description.regions:
        sealed(cloud, region)
    ours, theirs = (copy_archive(cloud, it.name, tmp_path / it.name) for it in cloud.description.regions)
    last = max((theirs / "digests").iterdir())
    (ours / "digests" / last.name).write_bytes(last.read_bytes())
    where = ("--directory", str(ours), "--bucket", cloud.archive(cloud.writer.name), "--region", cloud.writer.name)
    ran = run_command(cloud, "audit", "verify", *where, "--public-key", public_key, "--json")
    assert ran.code == 1
    assert "digest_foreign" in ran.report()["counts"]


def test_nobody_puts_anything_into_the_archive_but_the_platform(cloud: LocalCloud, administrator: Identity) -> None:
    """By the bucket's own policy: an administrator of the account neither, nor does one sign."""
    region = cloud.writer.name
    s3, kms = (cloud.aws(service, region, identity=administrator) for service in ("s3", "kms"))
    put = partial(s3.put_object, Bucket=cloud.archive(region), Body=b"made-up")
    assert s3.list_object_versions(Bucket=cloud.archive(region), Prefix="records/")["Versions"]
    assert_refused(
        lambda: kms.sign(
            KeyId=f"alias/strongroom-{cloud.description.stage}-digest",
            Message=bytes(32),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        ),
        partial(put, Key="records/2030/01/01/00/made-up"),
        partial(put, Key="failed/made-up"),
        partial(put, Key="digests/000000000001.json"),
    )


def test_the_sealer_stores_digests_and_changes_nothing_else(cloud: LocalCloud) -> None:
    """Its role reads by version, signs hashes by one algorithm, and neither stores nor deletes a record."""
    region = cloud.writer.name
    sealed(cloud, cloud.writer)
    identity = cloud.session_of_role(cloud.role_of_function("digests", region))
    s3, kms = (cloud.aws(service, region, identity=identity) for service in ("s3", "kms"))
    bucket, key_id = cloud.archive(region), f"alias/strongroom-{cloud.description.stage}-digest"
    digest = s3.list_object_versions(Bucket=bucket, Prefix="digests/")["Versions"][0]
    sign: dict[str, Any] = {"KeyId": key_id, "Message": bytes(32), "SigningAlgorithm": "ECDSA_SHA_256"}
    assert kms.sign(**sign, MessageType="DIGEST")["Signature"]
    assert_refused(
        lambda: s3.list_object_versions(Bucket=bucket, Prefix="failed/"),
        lambda: s3.put_object(Bucket=bucket, Key="records/2030/01/01/00/made-up", Body=b"made-up"),
        lambda: s3.delete_object(Bucket=bucket, Key=digest["Key"]),
        lambda: s3.delete_object(Bucket=bucket, Key=digest["Key"], VersionId=digest["VersionId"]),
        lambda: kms.sign(**sign, MessageType="RAW"),
    )


def test_a_digest_is_kept_as_long_as_the_records(cloud: LocalCloud) -> None:
    """By the bucket's default: nobody removes the version before its time without a right to do so."""
    region = cloud.writer.name
    sealed(cloud, cloud.writer)
    s3, bucket = cloud.aws("s3", region), cloud.archive(region)
    digest = s3.list_object_versions(Bucket=bucket, Prefix="digests/")["Versions"][0]
    kept = s3.get_object_retention(Bucket=bucket, Key=digest["Key"], VersionId=digest["VersionId"])["Retention"]
    assert kept["Mode"] == "GOVERNANCE"


def test_without_kms_nothing_is_sealed_and_nothing_is_lost(
    cloud: LocalCloud, platform: Platform, public_key: str
) -> None:
    """The function fails, for its alarm to ring; the next sealing covers what this one could not."""
    region = cloud.replica
    receipt = archived_read(cloud, platform, region)
    with cloud.faults.fault("refuse", region=region.name, service="kms"):
        failed = cloud.seal_audit(region.name)
    assert failed["errorMessage"] == KmsUnavailable.default_message, failed
    sealed(cloud, region)
    ran = verified(cloud, region, "--public-key", public_key, "--receipt", receipt, "--json")
    assert ran.code == 0, ran.output
    assert ran.report()["receipts"][0]["digest"] == ran.report()["digests"]["last"]


def test_a_sealing_that_dies_while_it_stores_its_digest_is_gone_on_from(
    cloud: LocalCloud, platform: Platform, public_key: str
) -> None:
    """The put arrives although nobody is left to hear of it: the next digest continues it."""
    region = cloud.writer
    archived_read(cloud, platform, region)
    sealed(cloud, region)
    before = verified(cloud, region, "--public-key", public_key, "--json").report()["digests"]["last"]
    held = cloud.faults.fault("delay", region=region.name, service="s3", operation="PUT", seconds=1.0, times=1)
    with ThreadPoolExecutor(1) as pool, held as rule:
        running = pool.submit(cloud.seal_audit, region.name)
        deadline = time.monotonic() + 30
        while not any(it["id"] == rule and it["hits"] for it in cloud.faults.state()["rules"]):
            assert time.monotonic() < deadline, "the digest was never put"
            time.sleep(0.02)
        cloud.end_environments()
        assert "complete" not in running.result()
    time.sleep(1.5)
    sealed(cloud, region)
    ran = verified(cloud, region, "--public-key", public_key, "--json")
    report = ran.report()
    assert (ran.code, report["findings"]) == (0, []), ran.output
    assert report["digests"]["last"] == report["digests"]["count"] == before + 2


def test_two_sealings_at_once_make_one_chain(cloud: LocalCloud, public_key: str) -> None:
    """Of two that begin together one stores each number; the archive stays sound."""
    region = cloud.writer
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: cloud.seal_audit(region.name), range(3)))
    assert any(it.get("complete") for it in done), done
    ran = verified(cloud, region, "--public-key", public_key, "--json")
    assert (ran.code, ran.report()["findings"]) == (0, []), ran.output
