"""The admin function's entry: what comes from API Gateway, what goes back, and what never does."""

import itertools
import json
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.errors import StoreUnavailable
from strongroom_service.entry.admin import Admin
from strongroom_service.entry.api.application import create_app
from strongroom_service.entry.environment import Environment
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.refusals import Refusals
from strongroom_service.usecases.ports import WritePorts
from tests.support.deployment import WRITER, Deployment
from tests.support.events import ENVIRONMENT, proxy_event

STAGES = itertools.count()
CANARY = "canary-value-of-this-test"


def make_caller(ports: Callable[[], WritePorts]) -> Admin:
    """The function over these ports."""
    # A logger keeps the output that it began with: each caller has one of its own.
    environment = Environment.parse({**ENVIRONMENT, "STRONGROOM_STAGE": f"test-{next(STAGES)}"})
    metrics = FunctionMetrics(stage=environment.stage, function="admin")
    refusals = Refusals(failures=FailureLog(service=f"{environment.stage}-admin"), metrics=metrics)
    app = create_app(ports, environment, refusals=refusals, metrics=metrics)
    return Admin(app, region=environment.region, refusals=refusals, metrics=metrics)


class Caller:
    """Calls the function as API Gateway does."""

    def __init__(self) -> None:
        self.deployment = Deployment()
        self._admin = make_caller(self.deployment.write_ports)

    def __call__(self, method: str, path: str, body: Any = None, **said: Any) -> tuple[int, dict[str, Any]]:
        """The status and the body, with what every answer must have checked."""
        answer = self._admin.handle(proxy_event(method, path, body, **said), None)
        headers = {name.lower(): values for name, values in _headers(answer).items()}
        assert headers["cache-control"] == "no-store"
        assert headers["x-strongroom-region"] == WRITER
        assert headers["x-request-id"] == "request-1"
        assert headers["content-type"] == "application/json"
        assert CANARY not in answer["body"]
        found: dict[str, Any] = json.loads(answer["body"])
        return answer["statusCode"], found


def _headers(answer: dict[str, Any]) -> dict[str, str]:
    several = answer.get("multiValueHeaders") or {}
    return {**{name: values[0] for name, values in several.items()}, **(answer.get("headers") or {})}


@pytest.fixture
def call() -> Caller:
    return Caller()


def register(call: Caller, path: str = "payments/db-password") -> str:
    body = {"environment": "prod", "path": path, "ownerTeam": "payments", "rotationStrategy": "manual"}
    status, answer = call("POST", "/secrets", body)
    assert status == 201
    return str(answer["secretId"])


def test_the_life_of_a_secret_in_calls(call: Caller) -> None:
    secret_id = register(call)
    for value in ("first", "second"):
        status, proposed = call("POST", f"/secrets/{secret_id}/versions", {"plaintextValue": value})
        assert (status, proposed["status"]) == (201, "PENDING")
    move = {"versionNumber": 1, "expectedPreviousVersion": None}
    assert call("POST", f"/secrets/{secret_id}/aliases/current", move)[0] == 200
    move = {"versionNumber": 2, "expectedPreviousVersion": None}
    assert call("POST", f"/secrets/{secret_id}/aliases/next", move)[0] == 200
    assert call("DELETE", f"/secrets/{secret_id}/aliases/next")[0] == 200
    status, listed = call("GET", f"/secrets/{secret_id}/versions")
    assert [(item["versionNumber"], item["status"]) for item in listed["items"]] == [(2, "PENDING"), (1, "CURRENT")]
    for verb, expected in (("disable", "DISABLED"), ("enable", "PENDING"), ("destroy", "DESTROYED")):
        status, changed = call("POST", f"/secrets/{secret_id}/versions/2/{verb}")
        assert (status, changed["status"]) == (200, expected)
    status, updated = call("PATCH", f"/secrets/{secret_id}", {"description": "what it is"})
    assert (status, updated["description"]) == (200, "what it is")
    assert call("GET", f"/secrets/{secret_id}")[1]["description"] == "what it is"
    assert call("GET", "/secrets", query={"environment": "prod"})[1]["items"][0]["secretId"] == secret_id
    for method, path, expected in (
        ("DELETE", "", "DELETED"),
        ("POST", "/restore", "ACTIVE"),
        ("POST", "/purge", "PURGED"),
    ):
        status, changed = call(method, f"/secrets/{secret_id}{path}")
        assert (status, changed["status"]) == (200, expected)


def test_a_put_by_path(call: Caller) -> None:
    path = "/values/prod/payments/db-password"
    status, stored = call("PUT", path, {"plaintextValue": "first", "ownerTeam": "payments"})
    assert (status, stored["created"], stored["versionNumber"]) == (201, True, 1)
    status, stored = call("PUT", path, {"plaintextValue": "second", "expectedCurrent": 1})
    assert (status, stored["created"], stored["versionNumber"]) == (200, False, 2)
    status, error = call("PUT", path, {"plaintextValue": "third", "expectedCurrent": 1})
    assert (status, error["error"]["code"]) == (409, "stale_expectation")
    assert error["error"]["details"] == {"currentVersion": 2}


def test_an_environments_key_is_renewed_and_its_secrets_rewrapped(call: Caller) -> None:
    for name in ("a", "b", "c"):
        assert call("PUT", f"/values/prod/{name}", {"plaintextValue": CANARY, "ownerTeam": "payments"})[0] == 201
    status, renewed = call("POST", "/namespaces/prod/key/renew")
    assert (status, set(renewed)) == (200, {"environment", "namespaceKeyId", "createdAt"})
    assert (renewed["environment"], renewed["createdAt"]) == ("prod", "2030-01-01T12:00:00.000Z")
    status, first = call("POST", "/namespaces/prod/key/rewrap", {"limit": 2})
    assert (status, first["rewrapped"], first["examined"], first["failed"]) == (200, 2, 2, 0)
    status, rest = call("POST", "/namespaces/prod/key/rewrap", {"cursor": first["nextCursor"]})
    assert (status, rest) == (200, {"rewrapped": 1, "examined": 1, "failed": 0, "nextCursor": None})
    status, nothing = call("POST", "/namespaces/prod/key/rewrap")
    assert (status, nothing["rewrapped"], nothing["examined"]) == (200, 0, 3)


@pytest.mark.parametrize("call_name", ["renew", "rewrap"])
def test_an_environment_without_secrets_has_no_key(call: Caller, call_name: str) -> None:
    status, error = call("POST", f"/namespaces/prod/key/{call_name}")
    assert (status, error["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/namespaces/PROD/key/renew", None, "environment"),
        ("/namespaces/prod/key/renew", {}, "body"),
        ("/namespaces/prod/key/rewrap", {"limit": 0}, "limit"),
        ("/namespaces/prod/key/rewrap", {"limit": 101}, "limit"),
        ("/namespaces/prod/key/rewrap", {"limit": "2"}, "limit"),
        ("/namespaces/prod/key/rewrap", {"limit": None}, "limit"),
        ("/namespaces/prod/key/rewrap", {"cursor": "made-up"}, "cursor"),
        ("/namespaces/prod/key/rewrap", {"cursor": "YQ." + "0" * 64}, "cursor"),
        ("/namespaces/prod/key/rewrap", {"other": 1}, "body"),
        ("/namespaces/prod/key/rewrap", [], "body"),
    ],
)
def test_what_these_calls_do_not_take(call: Caller, path: str, body: Any, field: str) -> None:
    call("PUT", "/values/prod/a", {"plaintextValue": "v", "ownerTeam": "payments"})
    status, error = call("POST", path, body)
    assert (status, [each["field"] for each in error["error"]["details"]["violations"]]) == (400, [field])


def test_the_key_of_a_call_comes_by_header_or_body(call: Caller) -> None:
    path, body = "/values/prod/a", {"plaintextValue": "first", "ownerTeam": "payments"}
    for said in ({"headers": {"Idempotency-Key": "key-of-a-call"}}, {"clientToken": "key-of-a-call"}):
        token = {key: value for key, value in said.items() if key == "clientToken"}
        headers = {"headers": said["headers"]} if "headers" in said else {}
        assert call("PUT", path, {**body, **token}, **headers)[1]["versionNumber"] == 1
    status, error = call(
        "PUT", path, {**body, "clientToken": "key-of-a-call"}, headers={"Idempotency-Key": "another-key"}
    )
    assert (status, error["error"]["details"]["violations"][0]["field"]) == (400, "clientToken")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/no/such/path", 404, "not_found"),
        ("PUT", "/secrets", 405, "method_not_allowed"),
        ("POST", "/values/prod/a", 405, "method_not_allowed"),
        ("GET", "/batch/values", 405, "method_not_allowed"),
        ("DELETE", "/health", 405, "method_not_allowed"),
    ],
)
def test_what_no_route_serves(call: Caller, method: str, path: str, status: int, code: str) -> None:
    found, error = call(method, path)
    assert (found, error["error"]["code"]) == (status, code)


def test_a_caller_of_no_tenant_is_denied(call: Caller) -> None:
    status, error = call("GET", "/secrets", query={"environment": "prod"}, account="999999999999")
    assert (status, error["error"]["code"]) == (403, "access_denied")


def test_a_stranger_learns_no_rules(call: Caller) -> None:
    status, error = call("PUT", "/values/prod/a", {"plaintextValue": 7}, account="999999999999")
    assert (status, error["error"]["code"]) == (403, "access_denied")


def test_a_defect_is_told_without_details_and_logged_without_values(
    call: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever breaks inside: one body, and a log line of types and places."""

    def broken(_: object) -> None:
        raise RuntimeError(CANARY)

    secret_id = register(call)
    call.deployment.store.load = broken  # type: ignore[assignment,method-assign]  # a fake's own method
    status, error = call("GET", f"/secrets/{secret_id}")
    assert (status, error["error"]["code"], error["error"]["details"]) == (500, "internal_error", {})
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert CANARY not in logged


def test_a_failing_store_is_retryable(call: Caller) -> None:
    secret_id = register(call)
    call.deployment.failures.plan("store.locate", StoreUnavailable())
    status, error = call("GET", f"/secrets/{secret_id}")
    assert (status, error["error"]["code"], error["error"]["retryable"]) == (503, "store_unavailable", True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(CANARY),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.just(CANARY), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "plaintextValue", "plaintextBase64", "generate", "expiresAt", "clientToken", "expectedCurrent", "ownerTeam",
        "rotationStrategy", "description", "tags", "environment", "path", "versionNumber", "expectedPreviousVersion",
        "cursor", "limit",
    ]
)  # fmt: skip
BODIES = st.dictionaries(FIELDS | st.text(max_size=6), JSON, max_size=6)
ROUTES = [
    ("POST", "/secrets"),
    ("PATCH", "/secrets/{id}"),
    ("POST", "/secrets/{id}/versions"),
    ("POST", "/secrets/{id}/aliases/current"),
    ("PUT", "/values/prod/fuzzed"),
    ("POST", "/namespaces/prod/key/rewrap"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_body_leads_to_a_defect_or_comes_back(method: str, path: str) -> None:
    """Any JSON at all, with our own field names in it: success or a 4xx that names a field, never its content."""
    call = Caller()
    secret_id = register(call)

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(body=BODIES | JSON)
    def check(body: Any) -> None:
        status, answer = call(method, path.replace("{id}", secret_id), body)
        assert status < 500
        if status in {400, 413}:
            assert answer["error"]["details"]["violations"]

    check()


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    path=st.text(alphabet=string.printable + "\u00e4\u0661\ud800", max_size=40), method=st.sampled_from(["GET", "PUT"])
)
def test_no_path_leads_to_a_defect(path: str, method: str) -> None:
    status, _ = Caller()(method, f"/values/prod/{path}", {"plaintextValue": "v"} if method == "PUT" else None)
    assert status < 500


def test_an_event_that_is_not_api_gateways_rings(call: Caller, capsys: pytest.CaptureFixture[str]) -> None:
    event = proxy_event("GET", "/secrets")
    call._admin.handle(event, None)
    assert "PastGateway" not in capsys.readouterr().out
    del event["requestContext"]["apiId"]
    call._admin.handle(event, None)
    assert '"PastGateway":[1' in capsys.readouterr().out.replace(" ", "")
