"""The reader's routes for bearers of tokens, and its callers' tenants while the registry changes."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from strongroom_service.domain.access import Authentication
from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import RegistryUnavailable
from strongroom_service.domain.names import SecretName
from strongroom_service.domain.registry import Registry
from strongroom_service.domain.values import SecretValue
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.read import Reader
from strongroom_service.usecases.propose_version import Proposal
from strongroom_service.usecases.put_value import Put, put_value
from tests.support.authenticating import inline
from tests.support.deployment import ACCOUNT, CALLER, NAME, REGISTRY, WRITER, Deployment
from tests.support.events import proxy_event
from tests.support.issuers import TestIssuer

VALUES = "/values/{environment}/{path+}"
PARAMETERS = {"environment": NAME.environment, "path": NAME.path}
ISSUER = TestIssuer()
PRINCIPAL = f"oidc:{ISSUER.url}#job-1"
SERVICES = itertools.count()
BATCH = {"items": [{"secretPath": NAME.secret_path}]}


class Caller:
    """Calls the function as API Gateway does."""

    def __init__(self, registry: Registry = REGISTRY) -> None:
        self.deployment = Deployment(registered=registry.with_issuer("ci", inline(ISSUER)))
        self.deployment.stored("made-up-value")
        self.deployment.audit.events.clear()
        self._reader = Reader(
            region=WRITER,
            ports=self.deployment.read_ports(),
            failures=FailureLog(service=f"test-token-reader-{next(SERVICES)}"),
            metrics=FunctionMetrics(stage="test", function="reader"),
        )

    def send(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = self._reader.handle(event)
        return answer["statusCode"], json.loads(answer["body"])

    def signed(
        self, method: str = "GET", resource: str = VALUES, body: Any = None, **said: Any
    ) -> tuple[int, dict[str, Any]]:
        return self.send(proxy_event(method, resource, body, resource=resource, parameters=PARAMETERS, **said))

    def bearing(
        self, method: str = "GET", resource: str = f"/workload{VALUES}", body: Any = None, **changes: Any
    ) -> tuple[int, dict[str, Any]]:
        event = proxy_event(method, resource, body, resource=resource, parameters=PARAMETERS)
        issued = int(self.deployment.clock.moment.timestamp()) - 42
        context = {
            "principalId": PRINCIPAL, "principal": PRINCIPAL, "issuer": "ci", "tenant": "default",
            "authentication": "oidc", "issuedAt": str(issued), **changes,
        }  # fmt: skip
        event["requestContext"] |= {"authorizer": context}
        del event["requestContext"]["identity"]["userArn"]
        return self.send(event)

    def change(self, registry: Registry) -> None:
        """Another registry is in force; the function does not know yet."""
        self.deployment.registry.replace(self.deployment.registry.pointer, registry, epoch=1)


@pytest.fixture
def call() -> Caller:
    return Caller()


def test_a_bearer_reads_a_value_a_batch_and_states(call: Caller) -> None:
    assert call.bearing()[1]["plaintextValue"] == "made-up-value"
    assert call.bearing("POST", "/workload/batch/values", BATCH)[1]["items"][0]["value"]["versionNumber"] == 1
    assert call.bearing("POST", "/workload/revisions", BATCH)[1]["items"][0]["aliases"] == {"current": 1}
    event = call.deployment.audit.events[0]
    assert (event.actor, event.tenant, event.phase) == (PRINCIPAL, "default", Phase.RELEASE)
    assert (event.authentication, event.authentication_age) == (Authentication.OIDC, 42)


def test_a_proof_of_the_other_kind_is_refused(call: Caller) -> None:
    """A signature where a token is asked for, a token where a signature is; nothing is fetched for either."""
    fetched = call.deployment.failures.calls["heads.fetch"]
    for status, answer in (
        call.signed(resource=f"/workload{VALUES}"),
        call.signed("POST", "/workload/batch/values", BATCH),
        call.bearing(resource=VALUES),
        call.bearing("POST", "/revisions", BATCH),
    ):
        assert (status, answer["error"]["code"]) == (403, "access_denied")
    assert call.deployment.failures.calls["heads.fetch"] == fetched


def test_a_token_whose_issuer_is_gone_reads_nothing(call: Caller) -> None:
    """Even if the authorizer let it in a moment ago; it is recorded as any denial."""
    registry = call.deployment.registry.stored
    assert call.bearing()[0] == 200
    call.change(registry.without_issuer("ci"))
    assert call.bearing()[0] == 403
    event = call.deployment.audit.events[-1]
    assert (event.phase, event.tenant, event.reasons, event.actor) == (Phase.DENIAL, "", ("no-tenant",), PRINCIPAL)


def test_a_principal_that_its_issuer_may_not_speak_of_reads_nothing(call: Caller) -> None:
    """Whatever stands in the context."""
    for principal in ("oidc:https://other.example#job-1", f"iam:arn:aws:iam::{ACCOUNT}:role/app"):
        assert call.bearing(principal=principal)[0] == 403


def test_whoever_belongs_to_no_tenant_is_recorded_with_the_same_work(call: Caller) -> None:
    """One fetch and one record, as for a member who may not read."""
    before = call.deployment.failures.calls["heads.fetch"]
    status, answer = call.signed(account="999999999999")
    assert (status, answer["error"]["code"]) == (403, "access_denied")
    assert call.deployment.failures.calls["heads.fetch"] == before + 1
    (event,) = call.deployment.audit.events
    assert (event.action, event.phase, event.tenant) == (AuditAction.READ, Phase.DENIAL, "")
    assert (event.environment, event.path, event.reasons) == (NAME.environment, NAME.path, ("no-tenant",))


def test_a_stranger_learns_no_rules(call: Caller) -> None:
    """What is malformed is denied and recorded as what is not."""
    status, answer = call.signed("POST", "/batch/values", {"items": 7}, account="999999999999")
    assert (status, answer["error"]["code"]) == (403, "access_denied")
    (event,) = call.deployment.audit.events
    assert (event.action, event.phase, event.reasons) == (AuditAction.AUTHENTICATE, Phase.DENIAL, ("no-tenant",))
    assert call.signed("POST", "/batch/values", {"items": 7})[0] == 400


def test_a_tenant_is_decided_again_when_the_registry_turns_out_to_be_another(call: Caller) -> None:
    """A fetch shows the newer revision; only a tenant that changed is fetched again."""
    registry = call.deployment.registry.stored
    fetched = call.deployment.failures.calls["heads.fetch"]
    call.change(registry.with_tenant("green", ["444455556666"]))
    assert call.signed()[0] == 200
    assert call.deployment.failures.calls["heads.fetch"] == fetched + 1
    moved = registry.with_tenant("green", [ACCOUNT]).with_tenant("default", [])
    call.change(moved)
    assert call.signed()[0] == 404
    assert call.deployment.failures.calls["heads.fetch"] == fetched + 3
    assert {event.tenant for event in call.deployment.audit.events[-1:]} == {"green"}
    call.change(moved.with_tenant("green", []))
    assert call.signed()[0] == 403


def test_an_account_that_joined_a_moment_ago_is_let_in(call: Caller) -> None:
    """It was nobody's under the registry that was known."""
    call.change(call.deployment.registry.stored.with_tenant("default", [ACCOUNT, "444455556666"]))
    assert call.signed(account="444455556666")[1]["plaintextValue"] == "made-up-value"
    assert {event.tenant for event in call.deployment.audit.events} == {"default"}


def test_an_account_of_several_tenants_is_told_by_the_registry_in_force(call: Caller) -> None:
    """Nothing is fetched for a request without a tenant, so the registry itself is asked."""
    two = call.deployment.registry.stored.with_tenant("green", [ACCOUNT])
    call.change(two)
    assert call.signed()[0] == 400
    assert call.signed(headers={"X-Strongroom-Tenant": "default"})[0] == 200
    assert call.signed(headers={"X-Strongroom-Tenant": "green"})[0] == 404
    assert call.signed(headers={"X-Strongroom-Tenant": "red"})[0] == 403
    call.change(two.with_tenant("green", []))
    assert call.signed()[0] == 200


def test_the_same_path_in_two_tenants(call: Caller) -> None:
    """Each caller sees its own."""
    deployment = call.deployment
    proposal = Proposal(value=SecretValue.from_text("value-of-green"))
    put = Put(name=SecretName("green", NAME.environment, NAME.path), proposal=proposal, owner_team="payments")
    put_value(put, caller=replace(CALLER, tenant="green"), ports=deployment.write_ports())
    call.change(deployment.registry.stored.with_tenant("green", ["444455556666"]))
    for account, value in ((ACCOUNT, "made-up-value"), ("444455556666", "value-of-green")):
        assert call.signed(account=account)[1]["plaintextValue"] == value
    for account, other in ((ACCOUNT, "green"), ("444455556666", "default")):
        assert call.signed(account=account, headers={"X-Strongroom-Tenant": other})[0] == 403


def test_a_registry_that_cannot_be_read_lets_nobody_in(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, for callers by signature and by token alike; nothing is told or recorded."""

    def broken(_: object) -> Registry:
        raise RegistryUnavailable

    monkeypatch.setattr(call.deployment.registry, "at", broken)
    for status, answer in (call.signed(), call.bearing(), call.signed("POST", "/batch/values", BATCH)):
        assert (status, answer["error"]["code"], answer["error"]["retryable"]) == (503, "store_unavailable", True)
    assert call.deployment.audit.events == []


def test_a_registry_that_changes_faster_than_it_is_read(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three tries another region is to be asked."""
    registry = call.deployment.registry
    one, other = registry.stored, registry.stored.with_tenant("default", [])
    monkeypatch.setattr(registry, "known", lambda: one)
    monkeypatch.setattr(registry, "at", lambda _: other)
    status, answer = call.signed()
    assert (status, answer["error"]["code"]) == (503, "store_unavailable")
    assert call.deployment.audit.events == []
