"""Break-glass through the admin function: fields, statuses, and what is refused."""

import json
from datetime import timedelta
from typing import Any

import pytest

from strongroom_service.usecases.ports import WritePorts
from tests.support.deployment import NAME
from tests.support.emergency import APPROVER, APPROVER2, RESPONDER, STRANGER, Emergency, who
from tests.support.events import proxy_event
from tests.unit.service.entry.test_admin import make_caller

BODY = {"environment": "prod", "path": NAME.path, "reason": "why", "ticket": "INC-1", "minutes": 15}
UNKNOWN = "bg_00000000-0000-7000-8000-000000000000"


class Caller:
    """Calls the function as one principal or another."""

    def __init__(self) -> None:
        self.emergency = Emergency()
        self.emergency.deployment.stored("the-value")
        self._admin = make_caller(self._ports)

    def _ports(self) -> WritePorts:
        return self.emergency.write_ports()

    def __call__(self, who: Any, method: str, path: str, body: Any = None, **said: Any) -> tuple[int, dict[str, Any]]:
        event = proxy_event(method, path, body, **said)
        role = who.principal.id.rpartition("/")[2]
        event["requestContext"]["identity"]["userArn"] = f"arn:aws:sts::111122223333:assumed-role/{role}/session"
        answer = self._admin.handle(event, None)
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def call() -> Caller:
    return Caller()


def test_a_grants_life_in_calls(call: Caller) -> None:
    status, asked = call(RESPONDER, "POST", "/break-glass", BODY)
    assert status == 201
    grant_id = asked["grantId"]
    assert asked == {
        "grantId": grant_id,
        "status": "PENDING",
        "requester": RESPONDER.principal.id,
        "environment": "prod",
        "path": NAME.path,
        "prefix": None,
        "reason": "why",
        "ticket": "INC-1",
        "minutes": 15,
        "requestedAt": "2030-01-01T12:00:00.000Z",
        "requiredApprovals": 1,
        "approvals": [],
        "lapsesAt": "2030-01-01T13:00:00.000Z",
        "activeFrom": None,
        "activeUntil": None,
        "closedAt": None,
        "closedBy": None,
        "reads": None,
    }
    assert call(APPROVER, "GET", f"/break-glass/{grant_id}") == (200, asked)
    status, approved = call(APPROVER, "POST", f"/break-glass/{grant_id}/approve")
    assert (status, approved["status"], approved["activeUntil"]) == (200, "ACTIVE", "2030-01-01T12:15:00.000Z")
    assert approved["approvals"] == [{"principal": APPROVER.principal.id, "time": "2030-01-01T12:00:00.000Z"}]
    call.emergency.read()
    status, revoked = call(RESPONDER, "POST", f"/break-glass/{grant_id}/revoke")
    assert (status, revoked["status"], revoked["closedBy"]) == (200, "REVOKED", RESPONDER.principal.id)
    assert revoked["reads"] == {"secrets": [], "unansweredRegions": [], "settled": False}
    call.emergency.tend()
    (secret,) = call(APPROVER2, "GET", f"/break-glass/{grant_id}")[1]["reads"]["secrets"]
    assert (secret["path"], secret["versionNumber"]) == (f"prod/{NAME.path}", 1)
    owner = who("app")
    status, metadata = call(owner, "GET", f"/secrets/{secret['secretId']}")
    assert metadata["rotationDue"] == {
        "since": "2030-01-01T12:00:00.000Z",
        "reason": "break-glass",
        "grantId": grant_id,
    }
    listing = {"environment": "prod", "rotationDue": "true"}
    assert [it["secretId"] for it in call(owner, "GET", "/secrets", query=listing)[1]["items"]] == [secret["secretId"]]


def test_a_refusal_and_a_list(call: Caller) -> None:
    first, second = (call(RESPONDER, "POST", "/break-glass", BODY)[1]["grantId"] for _ in range(2))
    assert call(APPROVER, "POST", f"/break-glass/{first}/refuse")[1]["status"] == "REFUSED"
    status, page = call(APPROVER, "GET", "/break-glass", query={"limit": "1"})
    assert (status, len(page["items"])) == (200, 1)
    status, rest = call(APPROVER, "GET", "/break-glass", query={"cursor": page["nextCursor"]})
    assert {it["grantId"] for it in (*page["items"], *rest["items"])} == {first, second}
    assert rest["nextCursor"] is None
    assert call(STRANGER, "GET", "/break-glass")[1] == {"items": [], "nextCursor": None}


def test_time_is_seen_though_nothing_has_run(call: Caller) -> None:
    grant_id = call(RESPONDER, "POST", "/break-glass", BODY)[1]["grantId"]
    call.emergency.clock.advance(timedelta(hours=1))
    assert call(RESPONDER, "GET", f"/break-glass/{grant_id}")[1]["status"] == "LAPSED"


def test_a_prefix_with_or_without_its_slash(call: Caller) -> None:
    for prefix in ("payments", "payments/"):
        body = {**BODY, "prefix": prefix}
        del body["path"]
        status, asked = call(RESPONDER, "POST", "/break-glass", body)
        assert (status, asked["prefix"], asked["path"]) == (201, "payments", None)


def test_the_key_of_a_call_comes_by_header_or_body(call: Caller) -> None:
    asked = [
        call(RESPONDER, "POST", "/break-glass", {**BODY, "clientToken": "token-of-a-call"})[1],
        call(RESPONDER, "POST", "/break-glass", BODY, headers={"Idempotency-Key": "token-of-a-call"})[1],
    ]
    assert asked[0] == asked[1]
    other = {**BODY, "minutes": 16, "clientToken": "token-of-a-call"}
    status, error = call(RESPONDER, "POST", "/break-glass", other)
    assert (status, error["error"]["details"]["violations"][0]["field"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"path": None}, "path"),
        ({"prefix": "payments"}, "body"),
        ({"prefix": "", "path": ...}, "prefix"),
        ({"path": ...}, "body"),
        ({"path": "a//b"}, "path"),
        ({"environment": "PROD"}, "environment"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": 61}, "minutes"),
        ({"minutes": "15"}, "minutes"),
        ({"reason": "  "}, "reason"),
        ({"reason": "x" * 1025}, "reason"),
        ({"ticket": ""}, "ticket"),
        ({"ticket": ...}, "ticket"),
        ({"approvals": 0}, "body"),
        ({"clientToken": "short"}, "clientToken"),
    ],
)
def test_what_a_request_does_not_take(call: Caller, changes: dict[str, Any], field: str) -> None:
    """`...` leaves a field out."""
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not ...}
    status, error = call(RESPONDER, "POST", "/break-glass", body)
    assert (status, [it["field"] for it in error["error"]["details"]["violations"]]) == (400, [field])


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/break-glass/bg_1", {}),
        ("POST", "/break-glass/BG/approve", {}),
        ("GET", "/break-glass", {"query": {"cursor": "x"}}),
        ("GET", "/break-glass", {"query": {"limit": "0"}}),
        ("POST", f"/break-glass/{UNKNOWN}/approve", {"body": {"minutes": 60}}),
        ("POST", f"/break-glass/{UNKNOWN}/revoke", {"query": {"a": "b"}}),
    ],
)
def test_what_these_calls_do_not_take(call: Caller, method: str, path: str, said: dict[str, Any]) -> None:
    body = said.pop("body", None)
    assert call(RESPONDER, method, path, body, **said)[0] == 400


def test_refusals_in_statuses(call: Caller) -> None:
    grant_id = call(APPROVER, "POST", "/break-glass", BODY)[1]["grantId"]
    own = call(APPROVER, "POST", f"/break-glass/{grant_id}/approve")
    assert (own[0], own[1]["error"]["message"]) == (403, "Nobody approves their own request.")
    denied = [call(RESPONDER, "POST", f"/break-glass/{it}/approve") for it in (grant_id, UNKNOWN)]
    assert denied[0] == denied[1]
    assert (denied[0][0], denied[0][1]["error"]["code"]) == (403, "access_denied")
    assert call(APPROVER, "GET", f"/break-glass/{UNKNOWN}")[0] == 404
    assert call(STRANGER, "POST", "/break-glass", BODY)[0] == 403
    call(APPROVER2, "POST", f"/break-glass/{grant_id}/refuse")
    conflict = call(APPROVER2, "POST", f"/break-glass/{grant_id}/approve")
    assert (conflict[0], conflict[1]["error"]["code"]) == (409, "conflict")


def test_where_it_is_not_set_up_it_says_so(call: Caller) -> None:
    call.emergency.approvals = 0
    status, error = call(RESPONDER, "POST", "/break-glass", BODY)
    assert (status, error["error"]["code"]) == (409, "conflict")
    assert "not set up" in error["error"]["message"]
