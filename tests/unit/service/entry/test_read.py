"""The reader's entry: events in, answers out, over fakes of what is behind it."""

import itertools
import json
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.access import Action
from strongroom_service.domain.errors import (
    AccessSetUnavailable,
    AuditUnavailable,
    DomainError,
    KmsUnavailable,
    StoreUnavailable,
    Throttled,
)
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.read import Reader
from tests.support.deployment import NAME, WRITER, Deployment
from tests.support.events import proxy_event

CANARY = "canary-value-of-this-test"
VALUES = "/values/{environment}/{path+}"
SERVICES = itertools.count()
PARAMETERS = {"environment": NAME.environment, "path": NAME.path}


class Caller:
    """Calls the function as API Gateway does."""

    def __init__(self) -> None:
        self.deployment = Deployment()
        self._reader = Reader(
            region=WRITER,
            ports=self.deployment.read_ports(),
            # A logger keeps the output that it began with: each caller has one of its own.
            failures=FailureLog(service=f"test-reader-{next(SERVICES)}"),
            metrics=FunctionMetrics(stage="test", function="reader"),
        )

    def __call__(self, method: str, resource: str, body: Any = None, **said: Any) -> tuple[int, dict[str, Any], str]:
        """The status, the body and its text, with what every answer must have checked."""
        answer = self._reader.handle(proxy_event(method, resource, body, resource=resource, **said))
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        assert headers["cache-control"] == "no-store"
        assert headers["x-strongroom-region"] == WRITER
        assert headers["x-request-id"] == "request-1"
        return answer["statusCode"], json.loads(answer["body"]), answer["body"]

    def read(self, *, query: dict[str, str] | None = None, **said: Any) -> tuple[int, dict[str, Any], str]:
        return self("GET", VALUES, parameters=PARAMETERS, query=query, **said)


@pytest.fixture
def call() -> Caller:
    return Caller()


def test_a_read_answers_the_documented_fields(call: Caller) -> None:
    call.deployment.stored(CANARY)
    status, body, _ = call.read()
    assert status == 200
    receipt = body.pop("receipt")
    assert receipt.startswith(call.deployment.audit.events[-1].event_id)
    assert body == {
        "secretPath": "prod/payments/db-password",
        "versionNumber": 1,
        "alias": "current",
        "plaintextValue": CANARY,
        "expiresAtUnix": 0,
        "consistencyToken": "1.3",
        "region": WRITER,
        "replicaAgeMs": None,
    }


def test_what_was_opened_is_wiped_once_it_is_in_the_answer(call: Caller) -> None:
    call.deployment.stored(CANARY)
    call.read()
    assert [bytes(value.buffer) for value in call.deployment.encryption.opened] == [bytes(len(CANARY))]


@pytest.mark.parametrize(
    ("operation", "error", "status"),
    [
        ("audit", AuditUnavailable(), 500),
        ("heads.fetch", StoreUnavailable(), 503),
        ("heads.fetch", Throttled(), 429),
        ("encryption.open", KmsUnavailable(), 503),
    ],
)
def test_a_failure_behind_it_is_told_by_its_code_without_a_value(
    call: Caller, capsys: pytest.CaptureFixture[str], operation: str, error: DomainError, status: int
) -> None:
    call.deployment.stored(CANARY)
    call.deployment.failures.plan(operation, error)
    found, body, text = call.read()
    assert (found, body["error"]["code"], body["error"]["retryable"]) == (status, error.code, True)
    assert CANARY not in text + capsys.readouterr().out


def test_a_defect_is_told_without_details_and_logged_without_values(
    call: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> bool:
        raise RuntimeError(CANARY)

    call.deployment.stored(CANARY)
    call.deployment.policy.rule = lambda _action, _resource: broken(None)
    status, body, text = call.read()
    assert (status, body["error"]["code"], body["error"]["details"]) == (500, "internal_error", {})
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert CANARY not in text + logged


def test_denied_callers_get_one_answer(call: Caller) -> None:
    call.deployment.stored(CANARY)
    call.deployment.policy.allowed.discard(Action.READ)
    there = call.read()
    absent = call("GET", VALUES, parameters={**PARAMETERS, "path": "none"})
    stranger = call.read(account="999999999999")
    other_tenant = call.read(headers={"X-Strongroom-Tenant": "another"})
    assert {answer[0] for answer in (there, absent, stranger, other_tenant)} == {403}
    assert there[2] == absent[2] == stranger[2] == other_tenant[2]


def test_a_batch_and_revisions_answer_in_order(call: Caller) -> None:
    call.deployment.stored(CANARY)
    items = {"items": [{"secretPath": "prod/none"}, {"secretPath": "prod/payments/db-password", "version": "v1"}]}
    status, body, _ = call("POST", "/batch/values", items)
    first, second = body["items"]
    assert (status, first["error"]["code"], second["value"]["plaintextValue"]) == (200, "not_found", CANARY)
    known = {"items": [{"secretPath": "prod/payments/db-password", "token": "1.3"}, {"secretPath": "prod/none"}]}
    status, body, text = call("POST", "/revisions", known)
    first, second = body["items"]
    assert (status, first["changed"], first["aliases"], second["error"]["code"]) == (
        200, False, {"current": 1}, "not_found",
    )  # fmt: skip
    assert CANARY not in text


def test_health_is_shallow_and_needs_no_caller(call: Caller) -> None:
    status, body, _ = call("GET", "/health", account="999999999999")
    assert (status, body) == (200, {"status": "ok", "region": WRITER})
    assert call.deployment.audit.events == []


@pytest.mark.parametrize(("method", "resource"), [("DELETE", "/health"), ("GET", "/none"), ("GET", "/batch/values")])
def test_what_it_does_not_serve(call: Caller, method: str, resource: str) -> None:
    status, body, _ = call(method, resource)
    assert (status, body["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"version": CANARY}, "version"),
        ({"version": "v0"}, "version"),
        ({"version": "v\u0661"}, "version"),
        ({"minToken": CANARY}, "minToken"),
        ({"other": CANARY}, "query"),
    ],
)
def test_a_query_that_breaks_a_rule(call: Caller, query: dict[str, str], field: str) -> None:
    status, body, text = call.read(query=query)
    assert (status, body["error"]["details"]["violations"][0]["field"]) == (400, field)
    assert CANARY not in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.dictionaries(st.sampled_from(["secretPath", "version", "minToken", "token"]) | st.text(max_size=4), JSON)
BODIES = JSON | st.fixed_dictionaries({"items": st.lists(ITEMS | JSON, max_size=4)})


@pytest.mark.parametrize("resource", ["/batch/values", "/revisions"])
def test_no_body_leads_to_a_defect_or_comes_back(resource: str) -> None:
    call = Caller()

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(body=BODIES)
    def check(body: Any) -> None:
        status, _, text = call("POST", resource, body)
        assert status in {200, 400, 413}
        assert CANARY not in text

    check()


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    environment=st.text(max_size=40), path=st.text(max_size=40), query=st.dictionaries(st.text(), st.text(), max_size=2)
)
def test_no_path_or_query_leads_to_a_defect(environment: str, path: str, query: dict[str, str]) -> None:
    call = Caller()
    status, _, _ = call("GET", VALUES, parameters={"environment": environment, "path": path}, query=query)
    assert status in {400, 404}


class Spoilt:
    """Policies that cannot be read."""

    def at(self, tenant: str, pointer: object) -> NoReturn:
        del tenant, pointer
        raise AccessSetUnavailable


def test_policies_that_cannot_be_read_deny_every_call_and_ring(capsys: pytest.CaptureFixture[str]) -> None:
    """Values, batches and revisions alike, with what exists and what does not."""
    call = Caller()
    call.deployment.stored(CANARY)
    ports = replace(call.deployment.read_ports(), access=Spoilt())
    reader = Reader(
        region=WRITER,
        ports=ports,
        failures=FailureLog(service=f"test-reader-{next(SERVICES)}"),
        metrics=FunctionMetrics(stage="test", function="reader"),
    )
    items = {"items": [{"secretPath": NAME.secret_path}]}
    for event in (
        proxy_event("GET", VALUES, resource=VALUES, parameters=PARAMETERS),
        proxy_event("POST", "/batch/values", items, resource="/batch/values"),
        proxy_event("POST", "/revisions", items, resource="/revisions"),
    ):
        answer = reader.handle(event)
        assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == (503, "store_unavailable")
    written = capsys.readouterr().out
    assert written.count('"AccessBroken":[1.0]') == 3
    assert CANARY not in written


@pytest.mark.parametrize("missing", ["apiId", "requestId", "stage", "identity"])
def test_an_event_that_is_not_api_gateways_rings(
    call: Caller, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """Whoever invokes the function directly and forgets a part of an event is counted, whatever comes of it."""
    event = proxy_event("GET", "/health", resource="/health")
    call._reader.handle(event)
    assert "PastGateway" not in capsys.readouterr().out
    del event["requestContext"][missing]
    call._reader.handle(event)
    assert '"PastGateway":[1' in capsys.readouterr().out.replace(" ", "")
