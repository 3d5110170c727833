"""KMS out of reach: keys open by another region's copy, within the caller's deadline, and never past a decision."""

import time
from datetime import timedelta

import pytest

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from tests.cloud.faults import FAULTS
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform, Stored

DEADLINE = timedelta(seconds=3)
"""What the client library gives a read by default."""


@pytest.fixture
def stored(platform: Platform) -> Stored:
    return platform.store(VALUE)


def decrypts(cloud: LocalCloud, since: int) -> list[str]:
    """The regions whose KMS was asked to decrypt."""
    return [it["region"] for it in cloud.faults.requests_after(since) if it["operation"] == "Decrypt"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("role", ["writer", "replica"])
def test_a_region_without_its_kms_reads_on(cloud: LocalCloud, stored: Stored, role: str, fault: str) -> None:
    """From cold, when no key is in any cache: the other region's KMS opens it, and the next key needs no time-out."""
    region, other = (cloud.writer, cloud.replica) if role == "writer" else (cloud.replica, cloud.writer)
    stored.read(region=region)
    cloud.end_environments()
    assert cloud.request("GET", "/health", region=region).status == 200
    since = cloud.faults.last_request()
    with cloud.faults.fault(fault, region=region.name, service="kms"):
        started = time.monotonic()
        answer = stored.read(region=region)
        taken = timedelta(seconds=time.monotonic() - started)
    assert (answer.status, answer.json()["plaintextValue"]) == (200, VALUE)
    assert decrypts(cloud, since) == [region.name, other.name]
    assert taken < DEADLINE


def test_warm_environments_do_not_notice(cloud: LocalCloud, stored: Stored) -> None:
    """Keys that lie in the cache serve until their time, though no region's KMS answers."""
    cloud.end_environments()
    assert stored.read().status == 200
    since = cloud.faults.last_request()
    with cloud.faults.fault("refuse", service="kms"):
        for _ in range(5):
            assert stored.read().status == 200
    assert decrypts(cloud, since) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_without_any_regions_kms_nothing_opens_and_the_audit_says_so(
    cloud: LocalCloud, stored: Stored, fault: str
) -> None:
    """The release was recorded before the keys were found not to open: its outcome follows. A batch says it by item."""
    cloud.end_environments()
    batch = {"items": [{"secretPath": f"{ENVIRONMENT}/{stored.path}"}]}
    with cloud.faults.fault(fault, service="kms"):
        single = stored.read()
        several = cloud.request("POST", "/batch/values", json=batch, identity="reader")
    assert (single.status, single.error_code) == (503, "kms_unavailable")
    [item] = several.json()["items"]
    assert (several.status, item["error"]["code"]) == (200, "kms_unavailable")
    assert VALUE.encode() not in single.body + several.body
    archive = AuditArchive(cloud)
    archive.hurry()
    for answer in (single, several):
        request_id = answer.headers["x-request-id"]
        deadline = time.monotonic() + 60
        while len(found := [it for it in archive.events() if it["requestId"] == request_id]) < 2:
            assert time.monotonic() < deadline, "records are missing"
            time.sleep(0.2)
        assert [(it["phase"], it["outcome"]) for it in sorted(found, key=lambda it: str(it["eventId"]))] == [
            ("RELEASE", ""), ("OUTCOME", "kms_unavailable"),
        ]  # fmt: skip
        assert len({it["operationId"] for it in found}) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_first_secret_can_be_stored_without_this_regions_kms(
    cloud: LocalCloud, platform: Platform, fault: str
) -> None:
    """The namespace's key is made by the other region's KMS, and opens in both regions afterwards."""
    path = f"/values/kms-{platform.prefix[5:]}/a"
    with cloud.faults.fault(fault, region=cloud.writer.name, service="kms"):
        answer = cloud.request("PUT", path, json={"plaintextValue": VALUE, "ownerTeam": "payments"})
        assert answer.status == 201, answer.error_code
    cloud.end_environments()
    for region in cloud.description.regions:
        assert cloud.request("GET", path, region=region).json()["plaintextValue"] == VALUE


def test_a_key_that_was_disabled_is_not_opened_elsewhere(cloud: LocalCloud, stored: Stored) -> None:
    """Somebody decided that this region must not decrypt: no other region is asked instead."""
    region = cloud.writer
    kms = cloud.aws("kms", region.name)
    key = kms.describe_key(KeyId="alias/strongroom-local-envelope")["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    try:
        cloud.end_environments()
        since = cloud.faults.last_request()
        answer = stored.read(region=region)
        assert (answer.status, answer.error_code) == (503, "kms_unavailable")
        assert VALUE.encode() not in answer.body
        assert decrypts(cloud, since) == [region.name]
        assert stored.read(region=cloud.replica).status == 200, "the copy in the other region has a state of its own"
    finally:
        kms.enable_key(KeyId=key)
    assert stored.read(region=region).json()["plaintextValue"] == VALUE


def test_a_role_that_lost_its_right_gains_none_elsewhere(cloud: LocalCloud, stored: Stored) -> None:
    """A denial is a decision too."""
    region = cloud.writer
    cloud.end_environments()
    iam = cloud.aws("iam", region.name)
    denial = {
        "RoleName": cloud.role_of_function("reader", region.name),
        "PolicyName": "NoKeys",
    }
    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}]}'
    iam.put_role_policy(**denial, PolicyDocument=document)
    try:
        since = cloud.faults.last_request()
        batch = {"items": [{"secretPath": f"{ENVIRONMENT}/{stored.path}"}]}
        answer = cloud.request("POST", "/batch/values", json=batch, identity="reader")
        assert answer.json()["items"][0]["error"]["code"] == "kms_unavailable"
        assert decrypts(cloud, since) == [region.name]
    finally:
        iam.delete_role_policy(**denial)
    assert stored.read(region=region).status == 200
