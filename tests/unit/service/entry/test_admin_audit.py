"""The audit's routes: what callers send and get, field by field."""

from datetime import timedelta
from typing import Any

import pytest

from strongroom_service.domain.access import Action
from strongroom_service.domain.audit_record import AuditLine
from strongroom_service.domain.times import rfc3339
from tests.support.audit_index import Records
from tests.support.deployment import WRITER
from tests.unit.service.entry.test_admin import Caller


@pytest.fixture
def call() -> Caller:
    return Caller()


def add(call: Caller, count: int, **said: Any) -> list[AuditLine]:
    """Records of the last seconds, newest first."""
    records = Records()
    now = call.deployment.clock.now()
    made = [records.at(now - timedelta(seconds=age + 1), **said) for age in range(count)]
    call.deployment.index.add(made)
    return made


def test_the_audit_is_asked_page_by_page(call: Caller) -> None:
    made = add(call, 5, actor="iam:somebody")
    query = {"actor": "iam:somebody", "limit": "3"}
    status, first = call("GET", "/audit", query=query)
    assert (status, first["region"], set(first)) == (200, WRITER, {"region", "items", "nextCursor"})
    assert [item["record"] for item in first["items"]] == [record.fields for record in made[:3]]
    assert {(item["proven"], item["receipt"].partition(".")[0]) for item in first["items"]} == {
        (True, record.event_id) for record in made[:3]
    }
    _, rest = call("GET", "/audit", query={**query, "cursor": first["nextCursor"]})
    assert [item["record"] for item in rest["items"]] == [record.fields for record in made[3:]]
    assert rest["nextCursor"] is None


def test_a_range_is_given_by_from_and_to(call: Caller) -> None:
    made = add(call, 4)
    now = call.deployment.clock.now()
    query = {"from": rfc3339(now - timedelta(seconds=3)), "to": rfc3339(now - timedelta(seconds=1))}
    _, answer = call("GET", "/audit", query=query)
    assert [item["record"]["eventId"] for item in answer["items"]] == [made[1].event_id, made[2].event_id]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2030-02-30T00:00:00Z"}, "from"),
        ({"from": "2029-01-01T00:00:00Z"}, "from"),
        ({"secretId": "x"}, "secretId"),
        ({"actor": ""}, "actor"),
        ({"actor": "a" * 513}, "actor"),
        ({"requestId": "r" * 129}, "requestId"),
        ({"actor": "a", "limit": "101"}, "limit"),
        ({"actor": "a", "cursor": "made-up"}, "cursor"),
        ({"actor": "a", "cursor": f"AAAA.{'0' * 64}"}, "cursor"),
        ({"since": "2030-01-01T00:00:00Z"}, "query"),
    ],
)
def test_a_wrong_question_is_told_its_field(call: Caller, query: dict[str, str], field: str) -> None:
    status, answer = call("GET", "/audit", query=query)
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert [it["field"] for it in answer["error"]["details"]["violations"]] == [field]


def test_a_receipt_is_proven(call: Caller) -> None:
    (record,) = add(call, 1)
    status, answer = call("GET", f"/audit/receipts/{record.event_id}")
    assert (status, set(answer)) == (200, {"record", "receipt", "proven", "region"})
    assert (answer["record"], answer["proven"]) == (record.fields, True)
    assert answer["receipt"] == ".".join(
        str(record.fields[name]) for name in ("eventId", "chainId", "sequence", "hash")
    )
    assert call("GET", "/audit/receipts/01900000-0000-7000-8000-000000000000")[0] == 404
    status, refused = call("GET", "/audit/receipts/not-an-id")
    assert (status, refused["error"]["details"]["violations"][0]["field"]) == (400, "eventId")
    call.deployment.policy.allowed = {Action.READ}
    for event_id in (record.event_id, "01900000-0000-7000-8000-000000000000"):
        assert call("GET", f"/audit/receipts/{event_id}")[0] == 403


def item_of(call: Caller, **changed: Any) -> dict[str, Any]:
    now = call.deployment.clock.now()
    return {
        "secretPath": "prod/payments/db-password",
        "versionNumber": 1,
        "count": 3,
        "from": rfc3339(now - timedelta(minutes=1)),
        "to": rfc3339(now),
        **changed,
    }


def test_cached_reads_are_recorded_item_by_item(call: Caller) -> None:
    call("PUT", "/values/prod/payments/db-password", {"plaintextValue": "a-value", "ownerTeam": "payments"})
    items = [item_of(call), item_of(call, secretPath="prod/payments/none")]
    status, answer = call("POST", "/audit/cached-reads", {"items": items})
    taken, missing = answer["items"]
    event = call.deployment.audit.records[-1][0]
    assert (status, taken["secretPath"], taken["code"]) == (200, "prod/payments/db-password", None)
    assert taken["receipt"].startswith(f"{event.event_id}.")
    assert missing == {"secretPath": "prod/payments/none", "receipt": None, "code": "not_found"}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"secretPath": "nothing"}, "items[0].secretPath"),
        ({"secretPath": "p" * 600}, "items.secretPath"),
        ({"versionNumber": 0}, "items.versionNumber"),
        ({"count": 0}, "items.count"),
        ({"count": 10**9 + 1}, "items.count"),
        ({"count": "3"}, "items.count"),
        ({"from": "2030-02-30T00:00:00Z"}, "items[0].from"),
        ({"to": "2031-01-01T00:00:00Z"}, "items[0].to"),
        ({"from": "2029-01-01T00:00:00Z"}, "items[0].from"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(call: Caller, changed: dict[str, Any], field: str) -> None:
    status, answer = call("POST", "/audit/cached-reads", {"items": [item_of(call, **changed)]})
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert [it["field"] for it in answer["error"]["details"]["violations"]] == [field]


def test_a_report_has_one_to_fifty_items(call: Caller) -> None:
    for items in ([], [item_of(call)] * 51):
        status, answer = call("POST", "/audit/cached-reads", {"items": items})
        assert (status, answer["error"]["details"]["violations"][0]["field"]) == (400, "items")
