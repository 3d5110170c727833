"""What a careless or hostile caller sends: a clear 4xx with field and rule, never a 5xx, never the input."""

import json
from typing import Any

import pytest

from infra.local.client import LocalCloud
from infra.local.requests import Answer
from tests.cloud.platform import CANARY, ENVIRONMENT, Platform

VALUES = f"/values/{ENVIRONMENT}/some/path"


def assert_refused(answer: Answer, field: str) -> None:
    assert answer.status in {400, 413}
    assert answer.error_code in {"invalid_request", "value_too_large"}
    violations = answer.json()["error"]["details"]["violations"]
    assert field in {violation["field"] for violation in violations}
    assert all(violation["rule"] for violation in violations)
    assert CANARY.encode() not in answer.body


BODIES: dict[str, bytes] = {
    "no JSON": CANARY.encode(),
    "cut off": f'{{"plaintextValue": "{CANARY}'.encode(),
    "a list": f'["{CANARY}"]'.encode(),
    "a text": f'"{CANARY}"'.encode(),
    "nothing": b"",
    "null": b"null",
    "a repeated key": f'{{"plaintextValue": "{CANARY}", "plaintextValue": "{CANARY}"}}'.encode(),
    "a lone surrogate": f'{{"plaintextValue": "{CANARY}\\ud800"}}'.encode(),
    "no UTF-8": CANARY.encode() + b'{"plaintextValue": "\xff"}',
    "NaN": f'{{"plaintextValue": "{CANARY}", "expectedCurrent": NaN}}'.encode(),
    "too deep": f'{{"plaintextValue": "{CANARY}", "tags": '.encode() + b"[" * 5000 + b"]" * 5000 + b"}",
    "a huge number": f'{{"{CANARY}": 1'.encode() + b"0" * 5000 + b"}",
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", VALUES), ("POST", "/secrets"), ("POST", "/batch/values"), ("POST", "/revisions")],
)
def test_a_body_that_is_no_request(cloud: LocalCloud, method: str, path: str, kind: str) -> None:
    answer = cloud.request(method, path, body=BODIES[kind], headers={"content-type": "application/json"})
    if kind == "a huge number" and answer.status in {400, 413}:
        assert CANARY.encode() not in answer.body
        return
    assert_refused(answer, "body")


PUTS: dict[str, tuple[dict[str, Any], str]] = {
    "a number for a value": ({"plaintextValue": 7}, "plaintextValue"),
    "an object for a value": ({"plaintextValue": {CANARY: 1}}, "plaintextValue"),
    "null for a value": ({"plaintextValue": None}, "plaintextValue"),
    "no base64": ({"plaintextBase64": f"{CANARY}!"}, "plaintextBase64"),
    "an unknown field": ({"plaintextValue": CANARY, "surprise": CANARY}, "body"),
    "two values": ({"plaintextValue": CANARY, "plaintextBase64": "AA=="}, "body"),
    "no value": ({"ownerTeam": "payments"}, "body"),
    "an empty value": ({"plaintextValue": ""}, "plaintextValue"),
    "a time without zone": ({"plaintextValue": CANARY, "expiresAt": "2030-01-01T00:00:00"}, "expiresAt"),
    "a time gone by": ({"plaintextValue": CANARY, "expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
    "a text for a number": ({"plaintextValue": CANARY, "expectedCurrent": CANARY}, "expectedCurrent"),
    "a negative number": ({"plaintextValue": CANARY, "expectedCurrent": -1}, "expectedCurrent"),
    "true for a number": ({"plaintextValue": CANARY, "expectedCurrent": True}, "expectedCurrent"),
    "a short key": ({"plaintextValue": CANARY, "clientToken": "short"}, "clientToken"),
    "a strategy of our own": ({"plaintextValue": CANARY, "rotationStrategy": CANARY}, "rotationStrategy"),
    "tags as a list": ({"plaintextValue": CANARY, "tags": [CANARY]}, "tags"),
    "too long a description": ({"plaintextValue": CANARY, "description": CANARY * 100}, "description"),
    "too short a length": ({"generate": {"length": 1}}, "generate.length"),
    "too poor an alphabet": ({"generate": {"alphabet": "aa"}}, "generate.alphabet"),
}


@pytest.mark.parametrize("kind", PUTS)
def test_a_field_that_breaks_its_rule(cloud: LocalCloud, kind: str) -> None:
    body, field = PUTS[kind]
    answer = cloud.request("PUT", VALUES, json=body)
    assert answer.status in {400, 413}
    assert CANARY.encode() not in answer.body
    fields = {violation["field"] for violation in answer.json()["error"]["details"]["violations"]}
    assert any(found == field or found.startswith((f"{field}.", f"{field}[")) for found in fields) or (
        field == "body" and fields
    ), fields


PATHS = [
    "/values/Prod/a",
    f"/values/{'e' * 33}/a",
    f"/values/{ENVIRONMENT}/a//b",
    f"/values/{ENVIRONMENT}/../a",
    f"/values/{ENVIRONMENT}/a%20b",
    f"/values/{ENVIRONMENT}/a%00b",
    f"/values/{ENVIRONMENT}/%ED%A0%80",
    f"/values/{ENVIRONMENT}/a%25b",
    f"/values/{ENVIRONMENT}/{'a' * 513}",
    f"/values/{ENVIRONMENT}/{'/'.join('a' * 17)}",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_path_that_breaks_its_rule(cloud: LocalCloud, method: str, path: str) -> None:
    answer = cloud.request(method, path, json={"plaintextValue": CANARY} if method == "PUT" else None)
    assert 400 <= answer.status < 500
    assert answer.error_code in {"invalid_request", "access_denied", "not_found"}
    assert CANARY.encode() not in answer.body


@pytest.mark.parametrize(
    "query",
    [
        {"version": CANARY},
        {"version": "v0"},
        {"version": "v01"},
        {"version": "v-1"},
        {"version": "v" + "9" * 30},
        {"version": "v\u0661"},
        {"minToken": CANARY},
        {"minToken": "1"},
        {"minToken": "1.2.3"},
        {"unknown": CANARY},
    ],
)
def test_a_query_that_breaks_its_rule(cloud: LocalCloud, query: dict[str, str]) -> None:
    [name] = query
    assert_refused(cloud.request("GET", VALUES, query=query), "query" if name == "unknown" else name)


def test_unknown_versions_and_ids(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store("made-up-value")
    for number in ("0", "-1", "one", "1.5", "9" * 30):
        answer = cloud.request("POST", f"/secrets/{stored.secret_id}/versions/{number}/disable")
        assert answer.status == 400
    unknown = cloud.request("POST", f"/secrets/{stored.secret_id}/versions/99/disable")
    assert (unknown.status, unknown.error_code) == (404, "not_found")
    assert cloud.request("GET", f"/secrets/{CANARY}").status in {400, 404}
    moved = stored.move("current", 99, 1)
    assert (moved.status, moved.error_code) == (404, "not_found")
    assert cloud.request("POST", f"/secrets/{stored.secret_id}/aliases/previous", json={"versionNumber": 1}).status in {
        400,
        404,
    }


def test_a_batch_of_wrong_items(cloud: LocalCloud) -> None:
    wrong: list[Any] = [
        [],
        [{"secretPath": "prod/a"}] * 51,
        ["prod/a"],
        [{"path": CANARY}],
        [{"secretPath": 7}],
        [{"secretPath": CANARY}],
        [{"secretPath": "prod/a", "version": 7}],
        [{"secretPath": "prod/a", "minToken": []}],
        {"secretPath": "prod/a"},
    ]
    for items in wrong:
        answer = cloud.request("POST", "/batch/values", json={"items": items})
        assert (answer.status, answer.error_code) == (400, "invalid_request"), json.dumps(items)[:80]
        assert CANARY.encode() not in answer.body


def test_a_body_of_another_type(cloud: LocalCloud) -> None:
    answer = cloud.request("PUT", VALUES, body=CANARY.encode(), headers={"content-type": "text/plain"})
    assert 400 <= answer.status < 500
    assert CANARY.encode() not in answer.body


def test_a_cursor_of_another_query(cloud: LocalCloud, platform: Platform) -> None:
    for _ in range(2):
        platform.store("made-up-value")
    query = {"environment": ENVIRONMENT, "prefix": platform.prefix, "limit": "1"}
    cursor = cloud.request("GET", "/secrets", query=query).json()["nextCursor"]
    for changed in ({"prefix": "other"}, {"cursor": cursor[:-2] + "AA"}, {"cursor": CANARY}):
        answer = cloud.request("GET", "/secrets", query={**query, "cursor": cursor, **changed})
        assert_refused(answer, "cursor")
