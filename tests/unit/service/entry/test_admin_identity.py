"""Routes of operators: tenants, issuers, operators."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import RegistryUnavailable
from strongroom_service.entry.admin import Admin
from strongroom_service.entry.api.application import create_app
from strongroom_service.entry.environment import Environment
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.refusals import Refusals
from tests.support.deployment import ACCOUNT, OPERATOR, Deployment
from tests.support.events import ENVIRONMENT, proxy_event
from tests.support.issuers import AUDIENCE, ec_key, jwk, rsa_key

STAGES = itertools.count()
CANARY = "canary-of-this-test"
OIDC: dict[str, Any] = {
    "kind": "oidc",
    "issuer": "https://token.actions.githubusercontent.com",
    "audiences": [AUDIENCE],
    "tenant": "default",
    "jwksUri": "https://token.actions.githubusercontent.com/.well-known/jwks",
}
SPIFFE: dict[str, Any] = {
    "kind": "spiffe",
    "trustDomain": "prod.example.org",
    "audiences": [AUDIENCE],
    "tenant": "default",
    "jwks": {"keys": [jwk(ec_key())]},
    "algorithms": ["ES256"],
    "maxAgeSeconds": 600,
}


class Caller:
    """Calls the function as API Gateway does; as an operator unless told otherwise."""

    def __init__(self) -> None:
        self.deployment = Deployment()
        environment = Environment.parse({**ENVIRONMENT, "STRONGROOM_STAGE": f"test-identity-{next(STAGES)}"})
        metrics = FunctionMetrics(stage=environment.stage, function="admin")
        refusals = Refusals(failures=FailureLog(service=f"{environment.stage}-admin"), metrics=metrics)
        app = create_app(self.deployment.write_ports, environment, refusals=refusals, metrics=metrics)
        self._admin = Admin(app, region=environment.region, refusals=refusals, metrics=metrics)

    def __call__(
        self, method: str, path: str, body: Any = None, *, role: str = "operator", **said: Any
    ) -> tuple[int, dict[str, Any]]:
        answer = self._admin.handle(proxy_event(method, path, body, role=role, **said), None)
        assert CANARY not in answer["body"]
        found: dict[str, Any] = json.loads(answer["body"])
        return answer["statusCode"], found

    def violations(self, method: str, path: str, body: Any) -> list[str]:
        status, answer = self(method, path, body)
        assert status == 400
        return [it["field"] for it in answer["error"]["details"]["violations"]]


@pytest.fixture
def call() -> Caller:
    return Caller()


def test_tenants_come_and_go(call: Caller) -> None:
    assert call("GET", "/tenants")[1] == {"items": [{"tenant": "default", "accounts": [ACCOUNT]}], "revision": 0}
    blue = {"tenant": "blue", "accounts": ["444455556666"], "revision": 1}
    assert call("PUT", "/tenants/blue", {"accounts": ["444455556666"], "expectedRevision": 0}) == (200, blue)
    assert call("DELETE", "/tenants/blue")[1]["error"]["code"] == "conflict"
    assert call("PUT", "/tenants/blue", {"accounts": []})[0] == 200
    assert call("DELETE", "/tenants/blue", query={"expectedRevision": "1"})[1]["error"]["code"] == "stale_expectation"
    assert call("DELETE", "/tenants/blue", query={"expectedRevision": "2"}) == (200, {"revision": 3})
    assert call("DELETE", "/tenants/blue")[0] == 404


def test_issuers_come_and_go(call: Caller) -> None:
    status, stored = call("PUT", "/identity/issuers/github", OIDC)
    assert (status, stored["issuerId"], stored["revision"]) == (200, "github", 1)
    assert stored["jwksUri"] == OIDC["jwksUri"]
    assert (stored["trustDomain"], stored["jwks"], stored["maxAgeSeconds"]) == (None, None, 3600)
    assert call("PUT", "/identity/issuers/svids", SPIFFE)[1]["jwks"]["keys"][0]["kid"] == "key-1"
    listed = call("GET", "/identity/issuers")[1]
    assert ([it["issuerId"] for it in listed["items"]], listed["revision"]) == (["github", "svids"], 2)
    assert call.violations("PUT", "/identity/issuers/again", OIDC) == ["issuer"]
    assert call("DELETE", "/identity/issuers/github") == (200, {"revision": 3})
    assert call("DELETE", "/identity/issuers/github")[0] == 404


def test_operators_replace_operators(call: Caller) -> None:
    assert call("GET", "/identity/operators")[1] == {"operators": [OPERATOR], "revision": 0}
    assert call("PUT", "/identity/operators", {"operators": []})[1]["error"]["code"] == "conflict"
    second = f"{OPERATOR}-2"
    assert call("PUT", "/identity/operators", {"operators": [second]})[1]["error"]["code"] == "conflict"
    assert call("PUT", "/identity/operators", {"operators": [OPERATOR, second]})[0] == 200
    assert call("PUT", "/identity/operators", {"operators": [second]}, role="operator-2")[0] == 200
    assert call("GET", "/identity/operators")[0] == 403
    assert call("GET", "/identity/operators", role="operator-2")[1]["operators"] == [second]


ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/tenants", None),
    ("PUT", "/tenants/blue", {"accounts": []}),
    ("DELETE", "/tenants/default", None),
    ("GET", "/identity/issuers", None),
    ("PUT", "/identity/issuers/github", OIDC),
    ("DELETE", "/identity/issuers/github", None),
    ("GET", "/identity/operators", None),
    ("PUT", "/identity/operators", {"operators": [OPERATOR]}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_others_are_denied_and_recorded(call: Caller, method: str, path: str, body: Any) -> None:
    """A tenant's member as the call it was; who belongs to none is not even told that a body is wrong."""
    assert call(method, path, body, role="app")[0] == 403
    assert call(method, path, {"x": CANARY} if body else None, account="999999999999")[0] == 403
    member, stranger = call.deployment.audit.events
    assert (member.phase, member.tenant, member.reasons) == (Phase.DENIAL, "", ("not-operator",))
    assert member.action is not AuditAction.AUTHENTICATE
    assert (stranger.action, stranger.reasons) == (AuditAction.AUTHENTICATE, ("no-tenant",))


def test_an_operator_needs_no_tenant(call: Caller) -> None:
    """And one of several need not name any; on other routes it is a caller like all."""
    assert call("PUT", "/tenants/default", {"accounts": []})[0] == 200
    assert call("GET", "/tenants")[0] == 200
    assert call("GET", "/secrets", query={"environment": "prod"})[0] == 403
    for tenant in ("default", "blue"):
        assert call("PUT", f"/tenants/{tenant}", {"accounts": [ACCOUNT]})[0] == 200
    assert call("GET", "/tenants")[0] == 200
    assert call("GET", "/secrets", query={"environment": "prod"})[0] == 400


def test_every_call_is_judged_by_the_registry_in_force(call: Caller) -> None:
    secrets: dict[str, Any] = {"query": {"environment": "prod"}, "account": "444455556666"}
    assert call("GET", "/secrets", **secrets)[0] == 403
    assert call("PUT", "/tenants/default", {"accounts": [ACCOUNT, "444455556666"]})[0] == 200
    assert call("GET", "/secrets", **secrets)[0] == 200
    with call.deployment.failures.failing("registry.load", RegistryUnavailable()):
        for path, query in (("/secrets", {"environment": "prod"}), ("/tenants", None)):
            status, answer = call("GET", path, query=query)
            assert (status, answer["error"]["code"]) == (503, "store_unavailable")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "saml"}, "kind"),
        ({"issuer": "http://issuer.example"}, "issuer"),
        ({"issuer": None}, "issuer"),
        ({"trustDomain": "prod.example.org"}, "body"),
        ({"jwks": {"keys": [jwk(rsa_key())]}}, "body"),
        ({"jwksUri": "http://issuer.example/keys"}, "jwksUri"),
        ({"audiences": []}, "audiences"),
        ({"audiences": ["a\nb"]}, "audiences"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"maxAgeSeconds": 59}, "maxAgeSeconds"),
        ({"maxAgeSeconds": 86_401}, "maxAgeSeconds"),
        ({"maxAgeSeconds": "600"}, "maxAgeSeconds"),
        ({"tenant": "blue"}, "tenant"),
        ({CANARY: 1}, "body"),
    ],
)
def test_an_issuer_that_breaks_a_rule(call: Caller, changes: dict[str, Any], field: str) -> None:
    assert call.violations("PUT", "/identity/issuers/github", {**OIDC, **changes}) == [field]


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": CANARY, "kid": "1"},
        {**jwk(rsa_key()), "d": CANARY},
        {**jwk(ec_key()), "d": CANARY},
        {**jwk(rsa_key()), "n": jwk(rsa_key(1024))["n"]},
        {**jwk(rsa_key()), "n": f"{CANARY}!"},
    ],
)
def test_keys_that_are_not_public_or_not_strong_are_refused_without_a_word_of_them(
    call: Caller, capsys: pytest.CaptureFixture[str], key: dict[str, Any]
) -> None:
    given = {**OIDC, "jwks": {"keys": [key]}}
    del given["jwksUri"]
    assert call.violations("PUT", "/identity/issuers/github", given) == ["jwks.keys[0]"]
    assert CANARY not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/tenants/Blue", {"accounts": []}, "tenant"),
        ("/tenants/@registry", {"accounts": []}, "tenant"),
        ("/tenants/blue", {"accounts": ["42"]}, "accounts"),
        ("/tenants/blue", {"accounts": [], "administrators": ["oidc:https://x.example#y"]}, "administrators"),
        ("/tenants/blue", {}, "accounts"),
        ("/identity/operators", {"operators": ["arn:aws:iam::111122223333:role/x"]}, "operators"),
        ("/identity/issuers/GitHub", OIDC, "issuerId"),
    ],
)
def test_a_request_that_breaks_a_rule(call: Caller, path: str, body: Any, field: str) -> None:
    assert call.violations("PUT", path, body) == [field]


def test_a_token_is_no_signature(call: Caller) -> None:
    """An authorizer's context opens none of the admin's routes."""
    event = proxy_event("GET", "/tenants", role="operator")
    event["requestContext"]["authorizer"] = {"principal": OPERATOR, "issuer": "ci"}
    assert call._admin.handle(event, None)["statusCode"] == 403
    assert call("GET", "/workload/secrets")[0] == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("path", ["/tenants/blue", "/identity/issuers/github", "/identity/operators"])
def test_no_body_leads_to_a_defect_or_comes_back(path: str) -> None:
    call = Caller()
    names = [*OIDC, *SPIFFE, "accounts", "administrators", "operators", "expectedRevision"]

    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(changes=st.dictionaries(st.sampled_from(names), JSON, max_size=4), base=st.sampled_from([{}, OIDC, SPIFFE]))
    def check(changes: dict[str, Any], base: dict[str, Any]) -> None:
        status, _ = call("PUT", path, {**base, **changes})
        assert status < 500

    check()
