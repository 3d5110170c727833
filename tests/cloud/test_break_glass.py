"""Break-glass in the deployed cloud: asked for, approved by others, used, and over."""

from datetime import timedelta
from typing import Any

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from infra.local.options import role_name
from infra.local.requests import Answer, Identity
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform, Stored

WITHIN = timedelta(seconds=60)
UNKNOWN = "bg_00000000-0000-7000-8000-000000000000"


def ask(
    cloud: LocalCloud, stored: Stored, *, identity: str = "responder", key: str | None = None, **said: Any
) -> Answer:
    body = {
        "environment": ENVIRONMENT,
        "path": stored.path,
        "reason": "made up",
        "ticket": "INC-1",
        "minutes": 5,
        **said,
    }
    headers = {"Idempotency-Key": key} if key else {}
    wanted = {name: value for name, value in body.items() if value is not None}
    return cloud.request("POST", "/break-glass", identity=identity, json=wanted, headers=headers)


def asked(cloud: LocalCloud, stored: Stored, **said: Any) -> str:
    answer = ask(cloud, stored, **said)
    assert answer.status == 201, answer.body
    return str(answer.json()["grantId"])


def decide(cloud: LocalCloud, grant_id: str, verb: str, identity: str | Identity) -> Answer:
    return cloud.request("POST", f"/break-glass/{grant_id}/{verb}", identity=identity)


def records_of(cloud: LocalCloud, *request_ids: str) -> list[dict[str, Any]]:
    archive = AuditArchive(cloud)
    archive.hurry()
    for _ in range(300):
        found = [record for record in archive.events() if record["requestId"] in request_ids]
        if {record["requestId"] for record in found} == set(request_ids):
            return sorted(found, key=lambda it: (it["time"], it["eventId"]))
    raise AssertionError("the records did not arrive")


def test_a_grant_from_its_request_to_its_end(cloud: LocalCloud, platform: Platform) -> None:
    """In both regions: nothing without an approval, each read a BREAK_GLASS record, nothing after the revocation."""
    stored = platform.store(VALUE)
    assert stored.read(identity="responder").status == 403
    grant_id = asked(cloud, stored)
    assert stored.read(identity="responder").status == 403
    approved = decide(cloud, grant_id, "approve", "approver")
    assert (approved.status, approved.json()["status"]) == (200, "ACTIVE")
    cloud.replication.reset()
    for region in cloud.description.regions:
        answer = stored.read(identity="responder", region=region)
        assert answer.status == 200, (region.name, answer.body)
        assert answer.json()["plaintextValue"] == VALUE
        event_id = answer.json()["receipt"].partition(".")[0]
        record = AuditArchive(cloud).wait_for({event_id}, within=WITHIN)[event_id]
        assert (record["action"], record["phase"], record["reason"]) == (
            "BREAK_GLASS",
            "RELEASE",
            [f"grant:{grant_id}"],
        )
        assert record["path"] == stored.path
    assert stored.read(identity="approver").status == 403
    revoked = decide(cloud, grant_id, "revoke", "responder")
    assert (revoked.status, revoked.json()["status"]) == (200, "REVOKED")
    assert stored.read(identity="responder").status == 403
    cloud.replication.reset()
    assert stored.read(identity="responder", region=cloud.replica).status == 403


def test_nobody_approves_their_own_request_in_any_session(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store(VALUE)
    grant_id = asked(cloud, stored, identity="approver2")
    other_session = cloud.session_of_role(role_name("approver2"))
    for identity in ("approver2", other_session):
        refused = decide(cloud, grant_id, "approve", identity)
        assert (refused.status, refused.error_code) == (403, "access_denied")
        (denial,) = records_of(cloud, refused.headers["x-request-id"])
        assert (denial["action"], denial["decision"]) == ("APPROVE_GRANT", "DENY")
        assert denial["reason"] == ["own-request", f"grant:{grant_id}"]
    assert stored.read(identity="approver2").status == 403
    assert decide(cloud, grant_id, "approve", "approver").json()["status"] == "ACTIVE"
    answer = cloud.request("GET", f"/values/{ENVIRONMENT}/{stored.path}", identity=other_session)
    assert answer.json()["plaintextValue"] == VALUE


def test_a_grant_over_a_prefix_ends_with_it(cloud: LocalCloud, platform: Platform) -> None:
    inside, other = platform.store(VALUE), Platform(cloud).store(VALUE)
    grant_id = asked(cloud, inside, path=None, prefix=platform.prefix)
    decide(cloud, grant_id, "approve", "approver")
    paths = [f"{ENVIRONMENT}/{it.path}" for it in (inside, other)]
    answer = cloud.request(
        "POST", "/batch/values", identity="responder", json={"items": [{"secretPath": path} for path in paths]}
    )
    first, second = answer.json()["items"]
    assert first["value"]["plaintextValue"] == VALUE
    assert second["error"]["code"] == "access_denied"


def test_a_call_repeated_with_its_key_asks_once(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store(VALUE)
    key = f"key-of-{platform.prefix}"
    assert asked(cloud, stored, key=key) == asked(cloud, stored, key=key)
    other = ask(cloud, stored, key=key, minutes=6)
    assert (other.status, other.error_code) == (400, "invalid_request")


def test_what_one_may_not_know_is_refused_as_what_is_not_there(cloud: LocalCloud, platform: Platform) -> None:
    grant_id = asked(cloud, platform.store(VALUE))
    for identity in ("stranger", "auditor", "reader"):
        told = [cloud.request("GET", f"/break-glass/{name}", identity=identity) for name in (grant_id, UNKNOWN)]
        assert {(it.status, it.error_code) for it in told} == {(403, "access_denied")}
        assert cloud.request("GET", "/break-glass", identity=identity).json()["items"] == []
    listed = cloud.request("GET", "/break-glass", identity="approver", query={"limit": "100"}).json()["items"]
    assert grant_id in {it["grantId"] for it in listed}
    assert ask(cloud, platform.register(), identity="reader").status == 403


def test_the_worker_takes_out_what_is_over(cloud: LocalCloud, platform: Platform) -> None:
    """The end is put into the past by hand: what then refuses is the access set without the grant."""
    stored = platform.store(VALUE)
    grant_id = asked(cloud, stored)
    decide(cloud, grant_id, "approve", "approver")
    assert stored.read(identity="responder").status == 200
    cloud.aws("dynamodb", cloud.writer.name).update_item(
        TableName="strongroom-local-secrets",
        Key={"PK": {"S": "G#default"}, "SK": {"S": f"REQUEST#{grant_id}"}},
        UpdateExpression="SET #until = :past",
        ExpressionAttributeNames={"#until": "until"},
        ExpressionAttributeValues={":past": {"S": "2026-01-01T00:00:00.000Z"}},
    )
    assert stored.read(identity="responder").status == 200
    told = cloud.tend_grants(cloud.writer.name)
    assert "error" not in told
    assert stored.read(identity="responder").status == 403
    assert cloud.request("GET", f"/break-glass/{grant_id}", identity="approver").json()["status"] == "ENDED"


def test_the_worker_writes_in_the_writer_region_alone(cloud: LocalCloud, platform: Platform) -> None:
    """A grant that is over is searched for; a region without an answer is shown as such."""
    stored = platform.store(VALUE)
    grant_id = asked(cloud, stored)
    decide(cloud, grant_id, "approve", "approver")
    assert stored.read(identity="responder").status == 200
    decide(cloud, grant_id, "revoke", "approver")
    cloud.tend_grants(cloud.writer.name)
    described = cloud.request("GET", f"/break-glass/{grant_id}", identity="responder").json()
    assert described["status"] == "REVOKED"
    assert described["reads"]["settled"] is False
    cloud.replication.reset()
    assert cloud.tend_grants(cloud.replica.name)["isWriter"] is False
