"""Policies as data, as the deployed platform has them: a change decides the next request, and nobody is locked out."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.client import LocalCloud
from infra.local.requests import Answer
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform, Stored
from tests.support.canary import is_in

ARRIVES_WITHIN = 10.0


class Policies:
    """Policies and groups of one test, as an administrator changes them; taken back in the end."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.name = f"test-{secrets.token_hex(4)}"
        self.principals = {name: principal(cloud, name) for name in cloud.identities}

    def put(self, suffix: str, body: dict[str, Any], *, kind: str = "policies", **said: Any) -> Answer:
        return self._ask("PUT", f"/{kind}/{self.name}-{suffix}", json=body, **said)

    def delete(self, suffix: str, *, kind: str = "policies", **said: Any) -> Answer:
        return self._ask("DELETE", f"/{kind}/{self.name}-{suffix}", **said)

    def get(self, path: str, **said: Any) -> Answer:
        return self._ask("GET", path, **said)

    def remove_all(self) -> None:
        for kind, names, name in (("policies", "policies", "policyId"), ("groups", "groups", "group")):
            for entry in self.get(f"/{kind}").json()[names]:
                if entry[name].startswith(self.name):
                    assert self._ask("DELETE", f"/{kind}/{entry[name]}").status == 200

    def _ask(self, method: str, path: str, **said: Any) -> Answer:
        return self.cloud.request(method, path, **{"identity": "administrator", **said})


def principal(cloud: LocalCloud, identity: str) -> str:
    """As policies name the role behind an identity."""
    return f"iam:arn:aws:iam::{cloud.description.account}:role/local-{identity}"


@pytest.fixture
def policies(cloud: LocalCloud) -> Iterator[Policies]:
    found = Policies(cloud)
    yield found
    cloud.reset()
    found.remove_all()


@pytest.fixture
def stored(platform: Platform) -> Stored:
    return platform.store(VALUE)


def eventually(stored: Stored, status: int) -> None:
    """The replica's answer, as soon as the change has arrived there."""
    end = time.monotonic() + ARRIVES_WITHIN
    while (seen := stored.read(identity="stranger", region=stored.cloud.replica).status) != status:
        assert time.monotonic() < end, f"the replica still answers {seen}"


def binding(stored: Stored, **said: str) -> dict[str, Any]:
    return {"role": "reader", "environment": ENVIRONMENT, "prefix": stored.path, **said}


def test_a_policy_decides_the_next_read_here_and_soon_elsewhere(policies: Policies, stored: Stored) -> None:
    """Given and taken away, in environments of functions that knew the set before."""
    assert stored.read(identity="stranger").status == 403
    assert stored.read(identity="stranger", region=stored.cloud.replica).status == 403
    given = policies.put("reader", binding(stored, principal=policies.principals["stranger"]))
    assert given.status == 200, given.error_code
    assert stored.read(identity="stranger").status == 200
    eventually(stored, 200)
    assert policies.delete("reader").status == 200
    assert stored.read(identity="stranger").status == 403
    eventually(stored, 403)


def test_a_set_that_has_not_arrived_leaves_the_one_before(policies: Policies, stored: Stored) -> None:
    cloud = stored.cloud
    with cloud.replication.paused(cloud.replica.name):
        body = binding(stored, principal=policies.principals["stranger"])
        assert policies.put("reader", body).status == 200
        assert stored.read(identity="stranger").status == 200
        assert stored.read(identity="stranger", region=cloud.replica).status == 403
    eventually(stored, 200)


def test_members_of_a_group_have_its_role(policies: Policies, stored: Stored) -> None:
    group = f"{policies.name}-team"
    assert policies.put("team", {"members": []}, kind="groups").status == 200
    assert policies.put("team", binding(stored, group=group)).status == 200
    assert stored.read(identity="stranger").status == 403
    put = policies.put("team", {"members": [policies.principals["stranger"]]}, kind="groups")
    assert (put.status, put.json()["members"]) == (200, [policies.principals["stranger"]])
    assert stored.read(identity="stranger").status == 200
    refused = policies.delete("team", kind="groups")
    assert (refused.status, refused.error_code) == (400, "invalid_request")


def test_a_forbid_wins_over_the_owners_role(policies: Policies, stored: Stored) -> None:
    text = f'forbid(principal, action == Action::"secret:read", resource in Path::"{ENVIRONMENT}/{stored.path}");'
    assert policies.put("frozen", {"cedar": text}).status == 200
    for identity in ("owner", "reader"):
        assert stored.read(identity=identity).status == 403
    assert policies.delete("frozen").status == 200
    assert stored.read().status == 200


def test_a_policy_that_errs_denies_what_it_is_about(policies: Policies, stored: Stored) -> None:
    """Cedar alone would leave it out, and let through what it forbids."""
    scope = f'resource in Path::"{ENVIRONMENT}/{stored.path}"'
    text = f'forbid(principal, action == Action::"secret:read", {scope}) when {{ 9223372036854775807 + 1 > 0 }};'
    assert policies.put("errs", {"cedar": text}).status == 200
    assert stored.read().status == 403
    assert policies.delete("errs").status == 200
    assert stored.read().status == 200


def test_a_stale_expectation_changes_nothing(policies: Policies, stored: Stored) -> None:
    revision = policies.get("/policies").json()["revision"]
    body = binding(stored, principal=policies.principals["stranger"])
    assert policies.put("a", {**body, "expectedRevision": revision}).json()["revision"] == revision + 1
    stale = policies.put("b", {**body, "expectedRevision": revision})
    assert (stale.status, stale.error_code) == (409, "stale_expectation")
    assert stale.json()["error"]["details"] == {"revision": revision + 1}
    stale = policies.delete("a", query={"expectedRevision": str(revision)})
    assert (stale.status, stale.error_code) == (409, "stale_expectation")


def test_the_last_administrator_cannot_be_locked_out(policies: Policies) -> None:
    listed = policies.get("/policies").json()["policies"]
    own = next(it["policyId"] for it in listed if it["role"] == "administrator")
    refused = policies.cloud.request("DELETE", f"/policies/{own}", identity="administrator")
    assert (refused.status, refused.error_code) == (409, "conflict")
    for text in (
        'forbid(principal, action == Action::"policy:write", resource);',
        'forbid(principal, action, resource) when { context.time > datetime("2031-01-01T00:00:00Z") };',
        f'forbid(principal, action, resource) when {{ context.region == "{policies.cloud.replica.name}" }};',
    ):
        refused = policies.put("lock", {"cedar": text})
        assert (refused.status, refused.error_code) == (409, "conflict"), text
    assert policies.get("/policies").status == 200


def test_a_policy_that_breaks_a_rule_is_refused_and_not_repeated(policies: Policies) -> None:
    for body in (
        {"cedar": "permit(canary_of_this_test"},
        {"cedar": "permit(principal, action, resource) when { context.canary_of_this_test };"},
        {"cedar": f"permit(principal, action, resource) when {{ {'(' * 4000}true{')' * 4000} }};"},
        {"role": "canary_of_this_test", "principal": policies.principals["stranger"]},
        {"role": "reader", "principal": "canary_of_this_test"},
    ):
        refused = policies.put("bad", body)
        assert (refused.status, refused.error_code) == (400, "invalid_request")
        assert not is_in("canary_of_this_test", refused.body)


def test_an_auditor_sees_policies_and_changes_none(policies: Policies, stored: Stored) -> None:
    body = binding(stored, principal=policies.principals["stranger"])
    for identity in ("auditor", "security"):
        for region in policies.cloud.description.regions:
            assert policies.get("/policies", identity=identity, region=region).status == 200
            assert policies.get("/groups", identity=identity, region=region).status == 200
        assert policies.put("no", body, identity=identity).status == 403
        assert policies.delete("no", identity=identity).status == 403
    for identity in ("owner", "reader", "stranger"):
        assert policies.get("/policies", identity=identity).status == 403
        assert policies.put("no", body, identity=identity).status == 403


def test_a_replica_answers_questions_and_takes_no_changes(policies: Policies, stored: Stored) -> None:
    replica = policies.cloud.replica
    refused = policies.put("no", binding(stored, principal=policies.principals["stranger"]), region=replica)
    assert (refused.status, refused.error_code) == (409, "not_writer")
    question = {
        "action": "secret:read",
        "environment": ENVIRONMENT,
        "path": stored.path,
        "principals": [policies.principals[name] for name in ("stranger", "reader")],
        "policies": {"proposed": binding(stored, principal=policies.principals["stranger"])},
    }
    answer = policies.cloud.request("POST", "/policies/simulate", json=question, identity="auditor", region=replica)
    assert [it["decision"] for it in answer.json()["decisions"]] == ["ALLOW", "ALLOW"]
    assert stored.read(identity="stranger", region=replica).status == 403
