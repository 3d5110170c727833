"""Each error of the interface's table, produced by its real cause, in the one body that errors have."""

import json
from datetime import timedelta
from typing import Any

import pytest

from infra.local.client import LocalCloud
from infra.local.requests import Answer
from tests.cloud.faults import no_audit
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform, Stored


def assert_error(answer: Answer, status: int, code: str, *, retryable: bool | None = None) -> dict[str, Any]:
    """The documented status, code and shape; no value anywhere."""
    assert (answer.status, answer.error_code) == (status, code)
    error: dict[str, Any] = answer.json()["error"]
    assert answer.json().keys() == {"error"}
    assert error.keys() == {"code", "message", "requestId", "retryable", "details"}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"] == error["requestId"]
    assert answer.headers["x-strongroom-region"]
    assert VALUE.encode() not in answer.body
    if retryable is not None:
        assert error["retryable"] is retryable
    details: dict[str, Any] = error["details"]
    return details


@pytest.fixture
def stored(platform: Platform) -> Stored:
    return platform.store(VALUE)


def test_access_denied_does_not_tell_whether_a_secret_exists(platform: Platform, stored: Stored) -> None:
    """A caller without the right gets one body for what is there and for what is not."""
    there = stored.read(identity="stranger")
    absent = Stored(stored.cloud, "sec_none", platform.path()).read(identity="stranger")
    for answer in (there, absent):
        assert_error(answer, 403, "access_denied", retryable=False)
    bodies = [json.loads(answer.body)["error"] | {"requestId": ""} for answer in (there, absent)]
    assert bodies[0] == bodies[1]


def test_roles_of_the_built_in_policy(cloud: LocalCloud, stored: Stored) -> None:
    """A reader does not write, an auditor does not read values."""
    body = {"versionNumber": 1, "expectedPreviousVersion": 1}
    path = f"/secrets/{stored.secret_id}/aliases/current"
    assert_error(cloud.request("POST", path, json=body, identity="reader"), 403, "access_denied")
    assert_error(stored.read(identity="auditor"), 403, "access_denied")
    listed = cloud.request("GET", "/secrets", query={"environment": ENVIRONMENT}, identity="auditor")
    assert listed.status == 200


def test_a_tenant_that_is_not_the_callers(cloud: LocalCloud, stored: Stored) -> None:
    answer = cloud.request(
        "GET", f"/values/{ENVIRONMENT}/{stored.path}", identity="reader", headers={"X-Strongroom-Tenant": "another"}
    )
    assert_error(answer, 403, "access_denied")


def test_not_found(cloud: LocalCloud, platform: Platform, stored: Stored) -> None:
    assert_error(cloud.request("GET", f"/values/{ENVIRONMENT}/{platform.path()}"), 404, "not_found", retryable=False)
    assert_error(stored.read(version="previous"), 404, "not_found")
    assert_error(stored.read(version="v99"), 404, "not_found")
    assert_error(cloud.request("GET", "/secrets/sec_00000000-0000"), 404, "not_found")
    assert_error(cloud.request("GET", "/no/such/route"), 404, "not_found")


def test_method_not_allowed(cloud: LocalCloud, stored: Stored) -> None:
    assert_error(cloud.request("PATCH", f"/secrets/{stored.secret_id}/restore", json={}), 405, "method_not_allowed")


def test_conflict(platform: Platform, stored: Stored) -> None:
    """A path that is taken; the current version is not destroyed."""
    taken = {"environment": ENVIRONMENT, "path": stored.path, "ownerTeam": "payments", "rotationStrategy": "manual"}
    assert_error(stored.cloud.request("POST", "/secrets", json=taken), 409, "conflict", retryable=False)
    destroyed = stored.cloud.request("POST", f"/secrets/{stored.secret_id}/versions/1/destroy")
    assert_error(destroyed, 409, "conflict")
    assert stored.read().status == 200
    assert platform.path() != stored.path


def test_stale_expectation(stored: Stored) -> None:
    number = stored.propose(VALUE)
    assert_error(stored.move("current", number, None), 409, "stale_expectation", retryable=False)
    assert_error(stored.move("current", number, 7), 409, "stale_expectation")


def test_version_pending(stored: Stored) -> None:
    """A version that was never promoted is readable as `next` only."""
    number = stored.propose(VALUE)
    assert_error(stored.read(version=f"v{number}"), 409, "version_pending")
    assert stored.move("next", number, None).status == 200
    assert stored.read(version="next").status == 200
    assert_error(stored.read(version=f"v{number}"), 409, "version_pending")


def test_not_writer_names_the_region_that_is(cloud: LocalCloud, stored: Stored) -> None:
    writes: list[tuple[str, str, object]] = [
        ("POST", f"/secrets/{stored.secret_id}/versions", {"plaintextValue": VALUE}),
        ("PUT", f"/values/{ENVIRONMENT}/{stored.path}", {"plaintextValue": VALUE}),
        ("POST", f"/secrets/{stored.secret_id}/versions/1/disable", None),
        ("DELETE", f"/secrets/{stored.secret_id}", None),
    ]
    for method, path, body in writes:
        answer = cloud.request(method, path, json=body, region=cloud.replica)
        assert assert_error(answer, 409, "not_writer") == {"writerRegion": cloud.writer.name}
    assert stored.read().json()["versionNumber"] == 1


def test_version_disabled_also_the_current_one(cloud: LocalCloud, stored: Stored) -> None:
    stored.change(1, "disable")
    for region in cloud.description.regions:
        assert_error(stored.read(region=region), 410, "version_disabled")
    stored.change(1, "enable")
    assert_error(stored.read(), 404, "not_found")
    stored.promote(1, None)
    assert stored.read().status == 200


def test_version_destroyed(cloud: LocalCloud, stored: Stored) -> None:
    stored.promote(stored.propose("second"), 1)
    stored.change(1, "destroy")
    for region in cloud.description.regions:
        assert_error(stored.read(region=region, version="v1"), 410, "version_destroyed")


def test_value_too_large(cloud: LocalCloud, stored: Stored) -> None:
    body = {"plaintextValue": VALUE + "x" * 64 * 1024}
    answer = cloud.request("POST", f"/secrets/{stored.secret_id}/versions", json=body)
    [violation] = assert_error(answer, 413, "value_too_large")["violations"]
    assert violation["field"] == "plaintextValue"
    largest = {"plaintextValue": "x" * 64 * 1024}
    assert cloud.request("POST", f"/secrets/{stored.secret_id}/versions", json=largest).status == 201


def test_response_too_large_for_the_items_that_do_not_fit(cloud: LocalCloud, platform: Platform) -> None:
    """Control characters take seven bytes each on their way; the rest of the batch is served."""
    paths = []
    for _ in range(12):
        path = platform.path()
        put = {"plaintextValue": "\x01" * 64 * 1024, "ownerTeam": "payments"}
        assert cloud.request("PUT", f"/values/{ENVIRONMENT}/{path}", json=put).status == 201
        paths.append(path)
    wanted = {"items": [{"secretPath": f"{ENVIRONMENT}/{path}"} for path in paths]}
    answer = cloud.request("POST", "/batch/values", json=wanted)
    assert answer.status == 200
    items = answer.json()["items"]
    assert [item["secretPath"] for item in items] == [item["secretPath"] for item in wanted["items"]]
    served = [item for item in items if "value" in item]
    refused = [item["error"]["code"] for item in items if "error" in item]
    assert served
    assert refused
    assert set(refused) == {"response_too_large"}


def test_replica_behind(cloud: LocalCloud, stored: Stored) -> None:
    for region in cloud.description.regions:
        details = assert_error(stored.read(region=region, minToken="1.999"), 425, "replica_behind", retryable=True)
        assert details["writerRegion"] == cloud.writer.name


OUTAGES = [
    ("dynamodb", "refuse", 503, "store_unavailable"),
    ("dynamodb", "timeout", 503, "store_unavailable"),
    ("dynamodb", "error5xx", 503, "store_unavailable"),
    ("dynamodb", "throttle", 429, "throttled"),
]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: f"{outage[0]}-{outage[1]}")
def test_a_service_that_fails_refuses_reads(
    cloud: LocalCloud, stored: Stored, outage: tuple[str, str, int, str]
) -> None:
    """The reader of the region says what is missing and tells nothing; the other region serves on."""
    service, fault, status, code = outage
    region = cloud.writer
    with cloud.faults.fault(fault, region=region.name, service=service):
        answer = stored.read(region=region)
        assert_error(answer, status, code, retryable=True)
        assert stored.read(region=cloud.replica).status == 200
    assert stored.read(region=region).status == 200


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: f"{outage[0]}-{outage[1]}")
def test_a_service_that_fails_refuses_writes_and_leaves_nothing_half_done(
    cloud: LocalCloud, stored: Stored, outage: tuple[str, str, int, str]
) -> None:
    service, fault, status, code = outage
    before = cloud.request("GET", f"/secrets/{stored.secret_id}/versions").json()
    with cloud.faults.fault(fault, region=cloud.writer.name, service=service):
        answer = cloud.request("POST", f"/secrets/{stored.secret_id}/versions", json={"plaintextValue": VALUE})
        assert_error(answer, status, code, retryable=True)
    assert cloud.request("GET", f"/secrets/{stored.secret_id}/versions").json() == before


def test_a_write_whose_answer_is_lost_is_done_once(cloud: LocalCloud, stored: Stored) -> None:
    """The caller cannot know; repeated with the same key it gets the version that was stored the first time."""
    # An environment that has just lost the stream would record by transactions as well.
    cloud.end_environments()
    path, key = f"/secrets/{stored.secret_id}/versions", {"Idempotency-Key": f"lost-answer-{stored.secret_id}"}
    lost = cloud.faults.fault("lose", region=cloud.writer.name, service="dynamodb", operation="TransactWriteItems")
    with lost:
        answer = cloud.request("POST", path, json={"plaintextValue": VALUE}, headers=key)
        assert_error(answer, 503, "store_unavailable", retryable=True)
    again = cloud.request("POST", path, json={"plaintextValue": VALUE}, headers=key)
    assert (again.status, again.json()["versionNumber"]) == (201, 2)
    assert len(cloud.request("GET", path).json()["items"]) == 2


def test_throttling_says_when_to_come_back(cloud: LocalCloud, stored: Stored) -> None:
    with cloud.faults.fault("throttle", region=cloud.writer.name, service="dynamodb"):
        answer = stored.read()
    assert int(answer.headers["retry-after"]) >= 1


def test_kms_unavailable_to_a_reader_that_has_no_key_yet(cloud: LocalCloud) -> None:
    """No region's KMS answers: a new namespace's first version cannot be stored, and nothing is left of the try."""
    environment = f"kms-{Platform(cloud).prefix[5:]}"
    path = f"/values/{environment}/a"
    put = {"plaintextValue": VALUE, "ownerTeam": "payments"}
    with cloud.faults.fault("refuse", service="kms"):
        assert_error(cloud.request("PUT", path, json=put), 503, "kms_unavailable", retryable=True)
        assert_error(cloud.request("GET", path), 404, "not_found")
    assert cloud.request("PUT", path, json=put).status == 201
    with cloud.faults.fault("refuse", service="kms"):
        answer = cloud.request("GET", path, region=cloud.replica)
        assert_error(answer, 503, "kms_unavailable", retryable=True)
    assert cloud.request("GET", path, region=cloud.replica).status == 200


@pytest.mark.parametrize("fault", ["refuse", "timeout", "error5xx", "throttle", "lose"])
def test_audit_unavailable(cloud: LocalCloud, stored: Stored, fault: str) -> None:
    """Neither the stream nor the buffer acknowledges: nothing is told, not even a denial, and nothing changes."""
    before = cloud.request("GET", f"/secrets/{stored.secret_id}").json()["consistencyToken"]
    batch = {"items": [{"secretPath": f"{ENVIRONMENT}/{stored.path}"}]}
    with no_audit(cloud, fault):
        answers = [
            stored.read(),
            stored.read(identity="auditor"),
            cloud.request("POST", "/batch/values", json=batch, identity="reader"),
            cloud.request("PUT", f"/values/{ENVIRONMENT}/{stored.path}", json={"plaintextValue": "another"}),
            cloud.request("DELETE", f"/secrets/{stored.secret_id}"),
        ]
        assert stored.read(region=cloud.replica).status == 200
    for answer in answers:
        assert_error(answer, 500, "audit_unavailable", retryable=True)
        assert VALUE.encode() not in answer.body
    assert cloud.request("GET", f"/secrets/{stored.secret_id}").json()["consistencyToken"] == before
    assert stored.read().json()["plaintextValue"] == VALUE


def test_region_fenced(cloud: LocalCloud, stored: Stored) -> None:
    """A fence with another epoch stops writes; reads go on."""
    table, db = "strongroom-local-secrets", cloud.aws("dynamodb", cloud.writer.name)

    def fence(epoch: int) -> None:
        for shard in range(64):
            db.update_item(
                TableName=table,
                Key={"PK": {"S": "FENCE"}, "SK": {"S": str(shard)}},
                UpdateExpression="SET epoch = :epoch",
                ExpressionAttributeValues={":epoch": {"N": str(epoch)}},
            )

    fence(2)
    try:
        answer = cloud.request("POST", f"/secrets/{stored.secret_id}/versions", json={"plaintextValue": VALUE})
        assert_error(answer, 503, "region_fenced", retryable=True)
        assert stored.read().status == 200
    finally:
        fence(1)
    assert stored.propose(VALUE) == 2


def test_an_envelope_that_was_copied_elsewhere_does_not_open(cloud: LocalCloud, platform: Platform) -> None:
    """What is stored is compared with what was asked for; the caller is told that the store cannot serve."""
    one, other = platform.store(VALUE), platform.store("another")
    table, db = "strongroom-local-secrets", cloud.aws("dynamodb", cloud.writer.name)
    keys = [{"PK": {"S": f"S#default#{ENVIRONMENT}#{it.path}"}, "SK": {"S": "HEAD"}} for it in (one, other)]
    heads = [db.get_item(TableName=table, Key=key)["Item"] for key in keys]
    db.put_item(TableName=table, Item={**heads[1], "envelopes": heads[0]["envelopes"]})
    for region in cloud.description.regions:
        assert_error(other.read(region=region), 503, "store_unavailable")
        assert one.read(region=region).status == 200


def test_an_expired_session_and_a_signature_for_another_region(cloud: LocalCloud, stored: Stored) -> None:
    expired = cloud.session_of_role("local-reader", valid=timedelta(seconds=-1))
    path = f"/values/{ENVIRONMENT}/{stored.path}"
    assert_error(cloud.request("GET", path, identity=expired), 403, "access_denied")
    answer = cloud.request("GET", path, identity="reader", signed_region=cloud.replica.name)
    assert_error(answer, 403, "access_denied")
