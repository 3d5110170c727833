"""Renewing an environment's key and re-wrapping its secrets, in the deployed platform and beside its other callers."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from infra.local.client import LocalCloud
from infra.local.requests import Answer
from tests.cloud.faults import FAULTS, no_audit
from tests.cloud.platform import Platform, Stored

TABLE = "strongroom-local-secrets"


@pytest.fixture
def platform(cloud: LocalCloud) -> Platform:
    """In an environment of its own: what is renewed here concerns no other test."""
    return Platform(cloud, environment=f"keys-{secrets.token_hex(4)}")


def renew(platform: Platform, **said: Any) -> Answer:
    return platform.cloud.request("POST", f"/namespaces/{platform.environment}/key/renew", **said)


def rewrap(platform: Platform, **said: Any) -> Answer:
    return platform.cloud.request("POST", f"/namespaces/{platform.environment}/key/rewrap", **said)


def renewed(platform: Platform) -> str:
    answer = renew(platform)
    assert answer.status == 200, answer.error_code
    return str(answer.json()["namespaceKeyId"])


def rewrap_all(platform: Platform, *, limit: int = 2) -> int:
    """How many secrets were re-wrapped, page by page."""
    body: dict[str, Any] = {"limit": limit}
    done = 0
    while True:
        answer = rewrap(platform, json=body)
        assert answer.status == 200, answer.error_code
        progress = answer.json()
        assert progress["failed"] == 0
        done += int(progress["rewrapped"])
        if progress["nextCursor"] is None:
            return done
        body["cursor"] = progress["nextCursor"]


def items(cloud: LocalCloud, region: str) -> Iterator[dict[str, Any]]:
    """Every item of a region's table, as an administrator sees it."""
    for page in cloud.aws("dynamodb", region).get_paginator("scan").paginate(TableName=TABLE):
        yield from page["Items"]


def active_key(platform: Platform) -> str:
    key = {"PK": {"S": f"K#default#{platform.environment}"}, "SK": {"S": "ACTIVE"}}
    cloud = platform.cloud
    item = cloud.aws("dynamodb", cloud.writer.name).get_item(TableName=TABLE, Key=key)["Item"]
    return str(item["namespaceKeyId"]["S"])


def naming(cloud: LocalCloud, region: str, key_id: str) -> int:
    """How many items hold a key's id, as text or within a message."""
    return sum(holds(item, key_id) for item in items(cloud, region))


def holds(value: Any, key_id: str) -> bool:
    if isinstance(value, dict):
        return any(holds(inner, key_id) for inner in value.values())
    if isinstance(value, list):
        return any(holds(inner, key_id) for inner in value)
    return key_id.encode() in value if isinstance(value, bytes) else value == key_id


def fingerprints(stored: Stored) -> dict[int, str]:
    answer = stored.cloud.request("GET", f"/secrets/{stored.secret_id}/versions")
    return {item["versionNumber"]: item["sha256Fingerprint"] for item in answer.json()["items"]}


def assert_reads(stored: Stored, **values: str) -> None:
    """In every region, each version has its value."""
    for region in stored.cloud.description.regions:
        for version, value in values.items():
            answer = stored.read(identity="owner", region=region, version=version)
            assert answer.status == 200, (region.name, version, answer.error_code)
            assert answer.json()["plaintextValue"] == value


def test_a_key_is_renewed_and_then_gone(cloud: LocalCloud, platform: Platform) -> None:
    """Old versions stay readable in both regions, new ones are under the new key; re-wrapped, all of them are."""
    stored = platform.store("same")
    stored.promote(stored.propose("other"), 1)
    deleted = platform.store("deleted")
    assert cloud.request("DELETE", f"/secrets/{deleted.secret_id}").status == 200
    large = platform.store("x" * 65_536)
    old = active_key(platform)
    new = renewed(platform)
    assert new == active_key(platform) != old
    assert_reads(stored, v1="same", current="other")
    stored.promote(stored.propose("same"), 2)
    pending = stored.propose("pending")
    assert_reads(stored, v1="same", v2="other", v3="same")
    apart = fingerprints(stored)
    assert apart[1] != apart[3], "equal values under two keys"
    for region in cloud.description.regions:
        # Of the first secret the head and two items; of the others the head and an item each.
        assert naming(cloud, region.name, old) == 7
    assert rewrap_all(platform) == 3
    assert_reads(stored, v1="same", v2="other", v3="same")
    assert_reads(large, current="x" * 65_536)
    together = fingerprints(stored)
    assert together[1] == together[3] == apart[3]
    assert len(set(together.values())) == 3
    for region in cloud.description.regions:
        assert naming(cloud, region.name, old) == 0
        # The registry, three heads, four items and the two of the other secrets.
        assert naming(cloud, region.name, new) == 10
    assert rewrap_all(platform) == 0
    assert cloud.request("POST", f"/secrets/{deleted.secret_id}/restore").status == 200
    assert_reads(deleted, current="deleted")
    stored.promote(pending, 3)
    assert_reads(stored, current="pending", previous="same")


def test_a_call_repeated_across_a_renewal_is_done_once(cloud: LocalCloud, platform: Platform) -> None:
    path = f"/values/{platform.environment}/{platform.path()}"
    body, headers = {"plaintextValue": "first", "ownerTeam": "payments"}, {"Idempotency-Key": secrets.token_hex(8)}
    assert cloud.request("PUT", path, json=body, headers=headers).status == 201
    for step in (renew, rewrap):
        assert step(platform).status == 200
        again = cloud.request("PUT", path, json=body, headers=headers)
        assert (again.status, again.json()["versionNumber"]) == (200, 1)
        other = cloud.request("PUT", path, json={**body, "plaintextValue": "other"}, headers=headers)
        assert (other.status, other.error_code) == (400, "invalid_request")


def test_writers_and_readers_go_on_beside_it(cloud: LocalCloud, platform: Platform) -> None:
    """Nothing is lost, nobody sees a failure, and in the end everything is under the newest key."""
    secrets_stored = [platform.store("value-1") for _ in range(4)]
    old = {active_key(platform)}

    def write(stored: Stored) -> None:
        for number in range(2, 8):
            body = {"plaintextValue": f"value-{number}", "expectedCurrent": number - 1}
            answer = cloud.request("PUT", f"/values/{stored.environment}/{stored.path}", json=body)
            assert (answer.status, answer.json().get("versionNumber")) == (200, number), answer.error_code
            for region in cloud.description.regions:
                read = stored.read(identity="owner", region=region)
                assert read.json()["plaintextValue"] == f"value-{read.json()['versionNumber']}"

    def renew_and_rewrap() -> None:
        for _ in range(3):
            old.add(renewed(platform))
            rewrap_all(platform)

    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(renew_and_rewrap), *(pool.submit(write, stored) for stored in secrets_stored)]:
            done.result()
    rewrap_all(platform)
    newest = active_key(platform)
    for key in old - {newest}:
        assert naming(cloud, cloud.writer.name, key) == 0
    for stored in secrets_stored:
        assert_reads(stored, **{f"v{number}": f"value-{number}" for number in range(1, 8)})


@pytest.mark.parametrize("seed", range(2))
def test_a_replica_reads_on_while_it_arrives_in_any_order(cloud: LocalCloud, platform: Platform, seed: int) -> None:
    stored = platform.store("value-1")
    for number in (2, 3):
        stored.promote(stored.propose(f"value-{number}"), number - 1)
    replica = cloud.replica
    cloud.replication.set(replica.name, paused=True, reorder=True, seed=seed)
    renewed(platform)
    assert rewrap_all(platform) == 1
    steps = 0
    while cloud.replication.step(replica.name, 1) > 0:
        steps += 1
        for version, value in {"current": "value-3", "previous": "value-2", "v1": "value-1", "v2": "value-2"}.items():
            answer = stored.read(region=replica, version=version)
            assert (answer.status, answer.json().get("plaintextValue")) == (200, value), answer.error_code
    assert steps >= 5, "the registry, the head and three items, each by itself"


@pytest.mark.parametrize("call", [renew, rewrap], ids=["renew", "rewrap"])
def test_who_may_not(cloud: LocalCloud, platform: Platform, call: Any) -> None:
    platform.store("made-up-value")
    before = active_key(platform)
    for identity in ("reader", "auditor", "stranger"):
        refused = call(platform, identity=identity)
        assert (refused.status, refused.error_code) == (403, "access_denied")
    refused = call(platform, region=cloud.replica)
    assert (refused.status, refused.error_code) == (409, "not_writer")
    assert refused.json()["error"]["details"] == {"writerRegion": cloud.writer.name}
    assert active_key(platform) == before


AUDIT = ("audit", "PutRecord")
"""The stream, and the buffer that takes over from it."""
BOTH_NEED = (("dynamodb", "GetItem"), ("dynamodb", "TransactWriteItems"), AUDIT)
NEEDS = {
    "renew": (*BOTH_NEED, ("kms", "GenerateDataKey")),
    "rewrap": (*BOTH_NEED, ("dynamodb", "Query")),
}
CODES = {
    "dynamodb": (503, "store_unavailable"),
    "kms": (503, "kms_unavailable"),
    "audit": (500, "audit_unavailable"),
}
THROTTLED = {**CODES, "dynamodb": (429, "throttled")}


def outage(cloud: LocalCloud, operation: tuple[str, str], fault: str) -> AbstractContextManager[object]:
    """A fault with nothing beside it that could take over."""
    if operation == AUDIT:
        return no_audit(cloud, fault)
    service, name = operation
    if service == "kms":
        return cloud.faults.fault(fault, service=service, operation=name)
    # An environment that has lost the stream a moment ago would record by transactions too.
    cloud.end_environments()
    return cloud.faults.fault(fault, region=cloud.writer.name, service=service, operation=name)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("name", "operation"), [(name, it) for name, needed in NEEDS.items() for it in needed])
def test_a_fault_leaves_everything_readable_and_the_call_repeatable(
    cloud: LocalCloud, platform: Platform, name: str, operation: tuple[str, str], fault: str
) -> None:
    stored = platform.store("value-1")
    stored.promote(stored.propose("value-2"), 1)
    old = active_key(platform)
    renewed(platform)
    call = renew if name == "renew" else rewrap
    before = cloud.faults.last_request()
    with outage(cloud, operation, fault):
        answer = call(platform)
    if operation != AUDIT:
        assert operation in {(it["service"], it["operation"]) for it in cloud.faults.requests_after(before)}
    assert (answer.status, answer.error_code) == (THROTTLED if fault == "throttle" else CODES)[operation[0]]
    assert answer.json()["error"]["retryable"] is True
    assert_reads(stored, v1="value-1", v2="value-2")
    assert call(platform).status == 200
    rewrap_all(platform)
    assert_reads(stored, v1="value-1", v2="value-2")
    assert naming(cloud, cloud.writer.name, old) == 0
