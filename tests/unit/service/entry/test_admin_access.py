"""Policies and groups through the admin function: what comes from API Gateway, and what goes back."""

import itertools
import json
from datetime import timedelta
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
from tests.support.access import ADMINISTRATOR, APP, AUDITOR, OTHER, Governed
from tests.support.events import ENVIRONMENT, proxy_event

STAGES = itertools.count()
BINDING = {"role": "reader", "principal": OTHER, "environment": "prod", "prefix": "payments/"}
FORBID = 'forbid(principal, action, resource in Environment::"prod") when { context.region == "eu-west-1" };'


class Api:
    """Calls the function as API Gateway does, as one of the deployment's roles."""

    def __init__(self) -> None:
        self.deployment = Governed()
        environment = Environment.parse({**ENVIRONMENT, "STRONGROOM_STAGE": f"access-{next(STAGES)}"})
        metrics = FunctionMetrics(stage=environment.stage, function="admin")
        refusals = Refusals(failures=FailureLog(service=f"{environment.stage}-admin"), metrics=metrics)
        app = create_app(self.deployment.write_ports, environment, refusals=refusals, metrics=metrics)
        self._admin = Admin(app, region=environment.region, refusals=refusals, metrics=metrics)

    def __call__(
        self, method: str, path: str, body: Any = None, *, actor: str = ADMINISTRATOR, **said: Any
    ) -> tuple[int, dict[str, Any]]:
        event = proxy_event(method, path, body, **said)
        account, role = actor.split(":")[5], actor.rpartition("/")[2]
        event["requestContext"]["identity"]["userArn"] = f"arn:aws:sts::{account}:assumed-role/{role}/session"
        answer = self._admin.handle(event, None)
        found: dict[str, Any] = json.loads(answer["body"])
        return answer["statusCode"], found

    def fields(self, method: str, path: str, body: Any = None, **said: Any) -> list[str]:
        """The fields that a refused request is told of."""
        status, error = self(method, path, body, **said)
        assert status == 400
        assert "canary" not in json.dumps(error)
        return [violation["field"] for violation in error["error"]["details"]["violations"]]


@pytest.fixture
def api() -> Api:
    return Api()


def test_the_life_of_a_policy(api: Api) -> None:
    status, put = api("PUT", "/policies/readers", BINDING)
    told = {
        "policyId": "readers", "role": "reader", "principal": OTHER, "group": None, "environment": "prod",
        "prefix": "payments", "cedar": None, "revision": 1,
    }  # fmt: skip
    assert (status, put) == (200, told)
    assert api("GET", "/policies/readers", actor=AUDITOR) == (200, told)
    status, changed = api("PUT", "/policies/readers", {"cedar": FORBID, "expectedRevision": 1})
    assert (status, changed["cedar"], changed["role"], changed["revision"]) == (200, FORBID, None, 2)
    status, listed = api("GET", "/policies")
    assert (status, listed["revision"]) == (200, 2)
    assert [it["policyId"] for it in listed["policies"]] == ["deployment-1", "deployment-2", "deployment-3", "readers"]
    assert api("DELETE", "/policies/readers", query={"expectedRevision": "2"}) == (200, {"revision": 3})
    assert api("GET", "/policies/readers")[0] == 404
    assert api("DELETE", "/policies/readers")[0] == 404


def test_the_life_of_a_group(api: Api) -> None:
    status, put = api("PUT", "/groups/team", {"members": [OTHER, APP, OTHER], "expectedRevision": 0})
    assert (status, put) == (200, {"group": "team", "members": [APP, OTHER], "revision": 1})
    assert api("GET", "/groups/team", actor=AUDITOR) == (200, put)
    assert api("PUT", "/policies/team", {"role": "reader", "group": "team"})[0] == 200
    assert api("GET", "/groups") == (200, {"revision": 2, "groups": [{"group": "team", "members": [APP, OTHER]}]})
    assert api.fields("DELETE", "/groups/team") == ["group"]
    assert api("DELETE", "/policies/team")[0] == 200
    assert api("DELETE", "/groups/team") == (200, {"revision": 4})
    assert api("GET", "/groups/team")[0] == 404


@pytest.mark.parametrize("path", ["/policies/readers", "/groups/team"])
def test_a_stale_expectation_is_a_conflict(api: Api, path: str) -> None:
    body: dict[str, Any] = {"members": []} if "groups" in path else {**BINDING}
    status, error = api("PUT", path, {**body, "expectedRevision": 7})
    assert (status, error["error"]["code"], error["error"]["details"]) == (409, "stale_expectation", {"revision": 0})
    api("PUT", path, body)
    status, error = api("DELETE", path, query={"expectedRevision": "0"})
    assert (status, error["error"]["code"]) == (409, "stale_expectation")


def test_the_last_administrator_stays(api: Api) -> None:
    status, error = api("DELETE", "/policies/deployment-1")
    assert (status, error["error"]["code"]) == (409, "conflict")
    assert error["error"]["details"]["region"] == "us-east-1"
    assert api("PUT", "/policies/other", {"role": "administrator", "principal": OTHER})[0] == 200
    assert api("DELETE", "/policies/deployment-1")[0] == 200
    assert api("GET", "/policies")[0] == 403
    assert api("GET", "/policies", actor=OTHER)[0] == 200


def test_the_administrators_group_cannot_be_emptied(api: Api) -> None:
    assert api("PUT", "/groups/admins", {"members": [ADMINISTRATOR, OTHER]})[0] == 200
    assert api("PUT", "/policies/admins", {"role": "administrator", "group": "admins"})[0] == 200
    assert api("DELETE", "/policies/deployment-1")[0] == 200
    assert api("PUT", "/groups/admins", {"members": []})[0] == 409
    assert api("DELETE", "/policies/admins")[0] == 409
    # Leaving is possible while another one stays, and then no more.
    assert api("PUT", "/groups/admins", {"members": [OTHER]})[0] == 200
    assert api("PUT", "/groups/admins", {"members": []})[0] == 403
    assert api("PUT", "/groups/admins", {"members": []}, actor=OTHER)[0] == 409


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["body"]),
        ({"role": "reader"}, ["principal"]),
        ({"role": "canary", "principal": OTHER}, ["role"]),
        ({"role": "reader", "principal": OTHER, "group": "team"}, ["principal"]),
        ({"role": "reader", "principal": "canary"}, ["principal"]),
        ({"role": "reader", "principal": "iam:arn:aws:iam::111122223333:role/canary/app"}, ["principal"]),
        ({"role": "reader", "principal": "oidc:http://canary.example#x"}, ["principal"]),
        ({"role": "reader", "group": "CANARY"}, ["group"]),
        ({"role": "administrator", "principal": OTHER, "environment": "prod"}, ["environment"]),
        ({"role": "reader", "principal": OTHER, "environment": "Canary"}, ["environment"]),
        ({"role": "reader", "principal": OTHER, "prefix": "/canary"}, ["prefix"]),
        ({"role": "reader", "principal": OTHER, "canary": 1}, ["body"]),
        ({"role": "reader", "principal": OTHER, "expectedRevision": "canary"}, ["expectedRevision"]),
        ({"role": "reader", "principal": None}, ["principal"]),
        ({"cedar": FORBID, "role": "reader"}, ["body"]),
        ({"cedar": FORBID, "environment": "prod"}, ["body"]),
        ({"cedar": ""}, ["cedar"]),
        ({"cedar": "permit(canary"}, ["cedar"]),
        ({"cedar": "permit(principal, action, resource) when { resource.canary };"}, ["cedar"]),
        ({"cedar": "x" * 10_001}, ["cedar"]),
        ({"cedar": 7}, ["cedar"]),
        ([], ["body"]),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_by_its_field(api: Api, body: Any, fields: list[str]) -> None:
    assert api.fields("PUT", "/policies/readers", body) == fields
    assert api.deployment.in_force().revision == 0


@pytest.mark.parametrize(
    "kind",
    [
        "iam:arn:aws:iam::111122223333:user/path/me",
        "iam:arn:aws-us-gov:iam::111122223333:root",
        "oidc:https://i.example#sub:x/y",
        "spiffe://example.org/ns/a/sa/b",
    ],
)
def test_every_kind_of_principal_can_be_bound(api: Api, kind: str) -> None:
    assert api("PUT", "/policies/p", {"role": "reader", "principal": kind})[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "fields"),
    [
        ("PUT", "/policies/Canary", BINDING, ["policyId"]),
        ("GET", "/policies/-canary", None, ["policyId"]),
        ("DELETE", "/groups/Canary", None, ["group"]),
        ("PUT", "/groups/team", {"members": ["canary"]}, ["members"]),
        ("PUT", "/groups/team", {"members": [OTHER] * 1001}, ["members"]),
        ("PUT", "/groups/team", {}, ["members"]),
        ("GET", "/policies/explain/canary_canary", None, ["requestId"]),
        ("POST", "/policies/simulate", {}, ["action"]),
        ("POST", "/policies/simulate", {"action": "canary"}, ["action"]),
        ("POST", "/policies/simulate", {"action": "secret:read", "environment": "prod"}, ["path"]),
        ("POST", "/policies/simulate", {"action": "policy:read", "circumstances": {"canary": 1}}, ["circumstances"]),
        ("POST", "/policies/simulate", {"action": "policy:read", "circumstances": {"sourceIp": "canary"}},
         ["circumstances.sourceIp"]),
        ("POST", "/policies/simulate", {"action": "policy:read", "circumstances": {"time": "2030-13-01T00:00:00Z"}},
         ["circumstances.time"]),
        ("POST", "/policies/simulate",
         {"action": "policy:read", "circumstances": {"time": "0001-01-01T00:00:00+09:00"}},
         ["circumstances.time"]),
        ("POST", "/policies/simulate", {"action": "policy:read", "policies": {"p": {"canary": 1}}}, ["policies"]),
        ("POST", "/policies/simulate", {"action": "policy:read", "policies": {"CANARY": None}}, ["policies"]),
        ("POST", "/policies/simulate", {"action": "policy:read", "policies": {"p": {"cedar": "canary"}}}, ["cedar"]),
        ("POST", "/policies/simulate", {"action": "policy:read", "groups": {"g": ["canary"]}}, ["groups"]),
        ("POST", "/policies/replay", {"days": 91}, ["days"]),
        ("POST", "/policies/replay", {"days": 0}, ["days"]),
        ("POST", "/policies/replay", {"limit": 501}, ["limit"]),
        ("POST", "/policies/replay", {"cursor": "canary"}, ["cursor"]),
    ],
)  # fmt: skip
def test_what_these_calls_do_not_take(api: Api, method: str, path: str, body: Any, fields: list[str]) -> None:
    found = api.fields(method, path, body)
    assert list(dict.fromkeys(found)) == fields


def test_a_simulation(api: Api) -> None:
    question = {
        "action": "secret:read", "environment": "prod", "path": "payments/db", "principals": [OTHER, APP],
        "policies": {"deployment-3": None, "team": {"role": "reader", "group": "team"}}, "groups": {"team": [OTHER]},
        "circumstances": {"sourceIp": "10.0.0.1", "time": "2030-01-01T00:00:00Z", "region": "us-west-2",
                          "authentication": "oidc", "authenticationAge": 5},
    }  # fmt: skip
    status, answer = api("POST", "/policies/simulate", question, actor=AUDITOR)
    assert (status, answer["revision"]) == (200, 0)
    assert answer["decisions"] == [
        {"principal": OTHER, "decision": "ALLOW", "reasons": ["team role:reader@*"]},
        {"principal": APP, "decision": "DENY", "reasons": ["no-permit"]},
    ]


def deny(api: Api) -> None:
    assert api("GET", "/secrets", query={"environment": "prod"}, actor=OTHER)[0] == 403


def test_a_denial_is_explained_and_replayed(api: Api) -> None:
    deny(api)
    status, answer = api("GET", "/policies/explain/request-1", actor=AUDITOR)
    (denial,) = answer["denials"]
    assert (status, denial["actor"], denial["permissions"], denial["path"]) == (200, OTHER, ["secret:list"], "")
    assert denial["recorded"] == {"decision": "DENY", "reasons": ["no-permit"]} == denial["inForce"]
    assert denial["neededBinding"] == {"role": "reader", "principal": OTHER, "environment": "prod", "prefix": None}
    assert (denial["forbiddenBy"], denial["closePolicies"]) == ([], [])
    api.deployment.clock.advance(timedelta(seconds=1))
    proposal = {"policies": {"other": {"role": "reader", "principal": OTHER}}, "days": 1}
    status, replayed = api("POST", "/policies/replay", proposal, actor=AUDITOR)
    (changed,) = replayed["changed"]
    assert (status, changed["requestId"], changed["eventId"]) == (200, "request-1", denial["eventId"])
    assert (changed["recorded"]["decision"], changed["inForce"]["decision"]) == ("DENY", "DENY")
    assert changed["proposed"] == {"decision": "ALLOW", "reasons": ["other role:reader@*"]}
    assert (replayed["nextCursor"], replayed["notReplayable"]) == (None, 0)
    assert replayed["examined"] >= 2


CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/policies", None),
    ("GET", "/policies/deployment-1", None),
    ("GET", "/policies/unknown", None),
    ("PUT", "/policies/deployment-1", BINDING),
    ("PUT", "/policies/unknown", BINDING),
    ("DELETE", "/policies/deployment-1", None),
    ("DELETE", "/policies/unknown", None),
    ("GET", "/groups", None),
    ("GET", "/groups/known", None),
    ("GET", "/groups/unknown", None),
    ("PUT", "/groups/known", {"members": []}),
    ("PUT", "/groups/unknown", {"members": []}),
    ("DELETE", "/groups/known", None),
    ("DELETE", "/groups/unknown", None),
]


def test_who_may_not_know_learns_nothing_from_body_status_or_work(api: Api) -> None:
    """What exists and what does not: the same answer by the same calls."""
    api("PUT", "/groups/known", {"members": []})
    seen = []
    for method, path, body in CALLS:
        api.deployment.failures.calls.clear()
        status, error = api(method, path, body, actor=APP)
        seen.append((status, error, dict(api.deployment.failures.calls)))
    assert seen[0][0] == 403
    assert seen == [seen[0]] * len(CALLS)
    assert seen[0][2] == {"registry.load": 1, "access.pointer": 1, "access.document": 1, "audit": 1}


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"description": "x"}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
        ("POST", "/purge", None),
        ("GET", "/versions", None),
        ("POST", "/versions", {"plaintextValue": "v"}),
        ("POST", "/versions/1/disable", None),
        ("POST", "/versions/1/enable", None),
        ("POST", "/versions/1/destroy", None),
        ("POST", "/aliases/current", {"versionNumber": 1, "expectedPreviousVersion": None}),
        ("DELETE", "/aliases/next", None),
    ],
)
def test_a_secret_that_one_may_not_see_is_as_one_that_is_not(api: Api, method: str, suffix: str, body: Any) -> None:
    """Every call by a secret's id: same status, same body, same number and kind of calls of the store."""
    known = api.deployment
    api("PUT", "/policies/owner", {"role": "owner", "principal": ADMINISTRATOR})
    status, registered = api(
        "POST",
        "/secrets",
        {"environment": "prod", "path": "hidden/one", "ownerTeam": "team", "rotationStrategy": "manual"},
    )
    assert status == 201
    seen = []
    for secret_id in (registered["secretId"], "sec_0000-0000-0000-000000000000"):
        known.failures.calls.clear()
        status, error = api(method, f"/secrets/{secret_id}{suffix}", body, actor=APP)
        seen.append((status, error, dict(known.failures.calls)))
    assert seen[0] == seen[1]
    assert (seen[0][0], seen[0][2]["store.locate"], seen[0][2]["store.load"]) == (403, 1, 1)


def test_a_failing_index_is_retryable(api: Api) -> None:
    api.deployment.failures.plan("index.search", StoreUnavailable())
    status, error = api("POST", "/policies/replay", {})
    assert (status, error["error"]["code"], error["error"]["retryable"]) == (503, "store_unavailable", True)


def test_a_set_that_cannot_be_read_denies_everything_and_rings(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api("PUT", "/policies/readers", BINDING)
    api.deployment.items.documents.clear()
    capsys.readouterr()
    # A new environment of the function knows nothing of before.
    for actor in (ADMINISTRATOR, AUDITOR, APP):
        status, error = api("GET", "/policies", actor=actor)
        assert (status, error["error"]["code"]) == (503, "store_unavailable")
    assert capsys.readouterr().out.count('"AccessBroken":[1.0]') == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("canary-of-this-test"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["role", "principal", "group", "environment", "prefix", "cedar", "expectedRevision", "members", "action", "path",
     "principals", "circumstances", "policies", "groups", "days", "cursor", "limit", "sourceIp", "time"]
)  # fmt: skip
VALUES = JSON | st.sampled_from(["reader", OTHER, "prod", FORBID, "secret:read", "policy:read", {"p": BINDING}])


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/policies/p"), ("PUT", "/groups/g"), ("POST", "/policies/simulate"), ("POST", "/policies/replay")],
)
def test_no_body_leads_to_a_defect_or_comes_back(method: str, path: str) -> None:
    api = Api()

    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(body=st.dictionaries(FIELDS, VALUES, max_size=5) | JSON)
    def check(body: Any) -> None:
        status, answer = api(method, path, body)
        assert status < 500
        if status == 400:
            assert answer["error"]["details"]["violations"]
            assert "canary" not in json.dumps(answer)

    check()
