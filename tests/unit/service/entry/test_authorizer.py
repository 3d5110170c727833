"""The authorizer function: policies out, refusals recorded by their reason, and nothing told of why."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.audit import AuditAction, Phase
from strongroom_service.domain.errors import AuditUnavailable, RegistryUnavailable, StoreUnavailable, Throttled
from strongroom_service.domain.public_keys import KeySet
from strongroom_service.entry.authorizer import Authorizer, make_authorizer
from strongroom_service.entry.environment import EnvironmentInvalidError
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.usecases.ports import Metric
from tests.support.authenticating import TRUST_DOMAIN, Authentication, inline
from tests.support.events import ENVIRONMENT
from tests.support.issuers import AUDIENCE, TestIssuer, ec_key, handmade, jwk, rsa_key

ARN = "arn:aws:execute-api:us-east-1:111122223333:api/v1/GET/workload/values/prod/payments/db-password"
SERVICES = itertools.count()


class Gateway:
    """Asks the function as API Gateway does."""

    def __init__(self) -> None:
        self.made = Authentication()
        self.authorizer = Authorizer(
            ports=self.made.ports(),
            quota=self.made.quota,
            failures=FailureLog(service=f"test-authorizer-{next(SERVICES)}"),
            metrics=FunctionMetrics(stage="test", function="authorizer"),
        )

    def ask(self, headers: dict[str, str] | None, **said: Any) -> dict[str, Any]:
        event = {
            "type": "REQUEST",
            "methodArn": ARN,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
            "requestContext": {
                "requestId": "request-1",
                "identity": {"sourceIp": "192.0.2.1", "userAgent": "test/1"},
            },
        }
        return self.authorizer.handle({**event, **said})

    def effect(self, token: str | None, name: str = "Authorization") -> str:
        answer = self.ask({} if token is None else {name: f"Bearer {token}"})
        (statement,) = answer["policyDocument"]["Statement"]
        return str(statement["Effect"])

    def reason(self, token: str | None) -> str:
        """Why it was refused, as it was recorded."""
        before = len(self.made.audit.events)
        assert self.effect(token) == "Deny"
        (event,) = self.made.audit.events[before:]
        assert (event.action, event.phase, event.allowed) == (AuditAction.AUTHENTICATE, Phase.DENIAL, False)
        assert (event.request_id, event.source_ip, event.user_agent) == ("request-1", "192.0.2.1", "test/1")
        assert (event.actor, event.session, event.outcome) == ("", "", "access_denied")
        (reason,) = event.reasons
        return reason


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_a_bearer_is_let_in_to_exactly_what_was_asked_for(gateway: Gateway) -> None:
    """The context says who it is; numbers are texts, as they arrive at the other side."""
    answer = gateway.ask({"authorization": f"Bearer {gateway.made.issuer.token()}"})
    assert answer == {
        "principalId": "oidc:https://issuer.example#job-1",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN}],
        },
        "context": {
            "principal": "oidc:https://issuer.example#job-1",
            "issuer": "ci",
            "tenant": "default",
            "authentication": "oidc",
            "issuedAt": str(gateway.made.at(0)),
        },
    }
    assert gateway.made.audit.events == []


def test_a_workload_of_a_trust_domain_is_let_in(gateway: Gateway) -> None:
    token = gateway.made.svids.token(iss=None, sub=f"spiffe://{TRUST_DOMAIN}/payments/api")
    answer = gateway.ask({"Authorization": f"Bearer {token}"})
    assert answer["context"]["principal"] == f"spiffe://{TRUST_DOMAIN}/payments/api"
    assert (answer["context"]["issuer"], answer["context"]["authentication"]) == ("svids", "spiffe")


def test_a_refusal_tells_nothing(gateway: Gateway) -> None:
    """The same answer for every reason, and it denies everything."""
    answers = [gateway.ask(headers) for headers in (None, {}, {"Authorization": "Bearer x"})]
    answers.append(gateway.ask({"Authorization": f"Bearer {gateway.made.issuer.token(aud='another')}"}))
    denial = {
        "principalId": "nobody",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": "*"}],
        },
    }
    assert all(answer == denial for answer in answers)


RS256 = {"alg": "RS256", "kid": "key-1"}
ATTACKS: dict[str, tuple[str, Callable[[Authentication], str | None]]] = {
    "no token": ("no-token", lambda _: None),
    "no signature": ("algorithm-refused", lambda it: it.issuer.unsigned()),
    "HMAC by the public key": ("algorithm-refused", lambda it: it.issuer.by_hmac_of_the_public_key()),
    "an algorithm that its issuer does not use": (
        "algorithm-refused",
        lambda it: TestIssuer(algorithm="PS256", now=it.clock.moment).token(),
    ),
    "another audience": ("audience-wrong", lambda it: it.issuer.token(aud="another")),
    "an audience beside ours": ("audience-wrong", lambda it: it.issuer.token(aud=[AUDIENCE, "another"])),
    "another's key": ("signature-wrong", lambda it: it.issuer.token(key=rsa_key(number=1))),
    "an unknown issuer": ("issuer-unknown", lambda it: it.issuer.token(iss="https://evil.example")),
    "an issuer of another spelling": ("issuer-unknown", lambda it: it.issuer.token(iss="https://issuer.example/")),
    "an issuer that is none": (
        "issuer-unknown",
        lambda it: handmade(RS256, it.issuer.claims(iss=["https://issuer.example"]), b"x"),
    ),
    "a subject of a trust domain under no issuer": (
        "algorithm-refused",
        lambda it: it.issuer.token(iss=None, sub=f"spiffe://{TRUST_DOMAIN}/payments/api"),
    ),
    "expired": ("expired", lambda it: it.issuer.token(iat=it.at(-301), exp=it.at(0))),
    "not yet valid": ("not-yet-valid", lambda it: it.issuer.token(nbf=it.at(31))),
    "issued in the future": ("not-yet-valid", lambda it: it.issuer.token(iat=it.at(31))),
    "without an end": ("times-missing", lambda it: it.issuer.token(exp=None)),
    "without a beginning": ("times-missing", lambda it: it.issuer.token(iat=None)),
    "too long a life": ("lives-too-long", lambda it: it.issuer.token(exp=it.at(3601))),
    "an unknown key": ("key-unknown", lambda it: it.issuer.token(headers={"kid": "another"})),
    "a key to fetch": ("header-refused", lambda it: it.issuer.token(headers={"jku": "https://evil.example"})),
    "certificates to fetch": ("header-refused", lambda it: it.issuer.token(headers={"x5u": "https://evil.example"})),
    "a key of its own": ("header-refused", lambda it: it.issuer.token(headers={"jwk": jwk(rsa_key(number=1))})),
    "rules of its own": ("malformed", lambda it: handmade({**RS256, "crit": ["x"]}, it.issuer.claims(), b"")),
    "an id of another trust domain": (
        "issuer-unknown",
        lambda it: it.svids.token(iss=None, sub="spiffe://another.example/payments/api"),
    ),
    "a path that climbs": (
        "subject-refused",
        lambda it: it.svids.token(iss=None, sub=f"spiffe://{TRUST_DOMAIN}/payments/../api"),
    ),
    "an id of a trust domain by another's key": (
        "signature-wrong",
        lambda it: TestIssuer(
            "https://evil.example", key=ec_key(number=1), algorithm="ES256", kid="svid-1",
            now=it.clock.moment,
        ).token(sub=f"spiffe://{TRUST_DOMAIN}/payments/api"),
    ),
    "a subject with a line of its own": ("subject-refused", lambda it: it.issuer.token(sub="job-1\nadmin")),
    "oversized": ("too-large", lambda it: it.issuer.token(padding="x" * 8_000)),
    "no token at all": ("malformed", lambda _: "made.up.text"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_refused_and_recorded_by_its_reason(gateway: Gateway, attack: str) -> None:
    """The record has the reason and the issuer's id, and no word of the token."""
    reason, make = ATTACKS[attack]
    token = make(gateway.made)
    assert gateway.reason(token) == reason
    (event,) = gateway.made.audit.events
    if token is not None:
        assert not any(part and part in repr(event) for part in token.split("."))
    assert "evil.example" not in repr(event)
    assert event.path in {"", "identity/issuers/ci", "identity/issuers/svids"}


def test_a_key_of_an_issuer_vouches_for_no_other_one(gateway: Gateway) -> None:
    """Two issuers with keys of one id: the token is checked by that of the issuer that it names."""
    other = TestIssuer("https://other.example", key=rsa_key(number=1), now=gateway.made.clock.moment)
    gateway.made.registry.stored = gateway.made.registry.stored.with_issuer("other", inline(other, tenant="green"))
    assert gateway.effect(other.token()) == "Allow"
    assert gateway.reason(other.token(iss=gateway.made.issuer.url)) == "signature-wrong"
    assert gateway.reason(gateway.made.issuer.token(iss=other.url)) == "signature-wrong"


def test_an_issuer_that_is_changed_or_removed_counts_from_the_next_call_on(gateway: Gateway) -> None:
    """The registry is asked for every call."""
    made, token = gateway.made, gateway.made.issuer.token()
    assert gateway.effect(token) == "Allow"
    made.registry.stored = made.registry.stored.with_issuer("ci", inline(made.issuer, audiences=frozenset({"x"})))
    assert gateway.reason(token) == "audience-wrong"
    other_keys = KeySet.strictly({"keys": [jwk(rsa_key(number=1))]})
    made.registry.stored = made.registry.stored.with_issuer("ci", inline(made.issuer, keys=other_keys))
    assert gateway.reason(token) == "signature-wrong"
    made.registry.stored = made.registry.stored.without_issuer("ci")
    assert gateway.reason(token) == "issuer-unknown"
    assert made.failures.calls["registry.load"] == 4


def test_one_key_needs_no_name_and_several_do(gateway: Gateway) -> None:
    made = gateway.made
    unnamed = made.issuer.token(headers={"kid": None})
    assert gateway.effect(unnamed) == "Allow"
    two = KeySet.strictly({"keys": [*made.issuer.jwks()["keys"], jwk(rsa_key(number=1), "key-2")]})
    made.registry.stored = made.registry.stored.with_issuer("ci", inline(made.issuer, keys=two))
    assert gateway.reason(unnamed) == "key-unknown"
    assert gateway.effect(made.issuer.token()) == "Allow"


def test_of_two_tokens_neither_is_taken(gateway: Gateway) -> None:
    """Whoever reads the request next might take the other one."""
    good = f"Bearer {gateway.made.issuer.token()}"
    several = gateway.ask({"Authorization": good}, multiValueHeaders={"Authorization": [good, "Bearer other"]})
    mixed = gateway.ask({"Authorization": good}, multiValueHeaders={"Authorization": [good], "authorization": [good]})
    for answer in (several, mixed):
        assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert [event.reasons for event in gateway.made.audit.events] == [("no-token",)] * 2


def test_refusals_have_a_quota_in_the_audit(gateway: Gateway) -> None:
    """Beyond it they are refused all the same, and counted; it fills again with time. Good tokens do not use it up."""
    for _ in range(60):
        assert gateway.effect("a.b.c") == "Deny"
        assert gateway.effect(gateway.made.issuer.token()) == "Allow"
    assert len(gateway.made.audit.events) == 50
    counts = gateway.made.measurements.counts
    assert (counts[Metric.TOKENS_REFUSED], counts[Metric.REFUSALS_UNRECORDED]) == (60, 10)
    gateway.made.monotonic += 3
    for _ in range(10):
        gateway.effect("a.b.c")
    assert len(gateway.made.audit.events) == 53


@pytest.mark.parametrize("error", [RegistryUnavailable(), StoreUnavailable(), Throttled()])
def test_an_error_within_is_a_refusal(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], error: StoreUnavailable
) -> None:
    """A registry that cannot be read lets nobody in; the record says so, and the log what happened."""
    with gateway.made.failures.failing("registry.load", error):
        assert gateway.reason(gateway.made.issuer.token()) == "check-failed"
    assert gateway.effect(gateway.made.issuer.token()) == "Allow"
    assert error.code in capsys.readouterr().out


def test_a_defect_is_a_refusal_and_its_log_has_no_token(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    token = gateway.made.issuer.token()
    gateway.made.registry.stored = replace(gateway.made.registry.stored, issuers=None)  # type: ignore[arg-type]  # broken on purpose
    assert gateway.reason(token) == "check-failed"
    logged = capsys.readouterr().out
    assert "AttributeError" in logged
    assert not any(part in logged for part in token.split("."))


def test_without_a_record_it_is_a_refusal_too(gateway: Gateway) -> None:
    with gateway.made.failures.failing("audit", AuditUnavailable()):
        assert gateway.effect("a.b.c") == "Deny"
        assert gateway.effect(gateway.made.issuer.token()) == "Allow"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "b64"]), JSON), claims=JSON, raw=st.binary(max_size=20)
)
def test_no_token_that_was_made_up_is_believed_or_breaks_anything(header: Any, claims: Any, raw: bytes) -> None:
    """Without the issuer's key there is no way in."""
    gateway = Gateway()
    good = gateway.made.issuer.claims()
    for token in (
        handmade({"alg": "RS256", **header}, claims, raw),
        handmade({"alg": "RS256", "kid": "key-1", **header}, good, raw),
        raw.decode("latin-1"),
    ):
        assert gateway.effect(token) == "Deny"
    assert all(event.reasons != ("check-failed",) for event in gateway.made.audit.events)


def test_it_is_made_of_its_environment() -> None:
    """Nothing is called yet."""
    assert isinstance(make_authorizer(ENVIRONMENT), Authorizer)
    with pytest.raises(EnvironmentInvalidError, match="STRONGROOM_TABLE"):
        make_authorizer({**ENVIRONMENT, "STRONGROOM_TABLE": ""})


def test_what_it_answers_can_be_sent(gateway: Gateway) -> None:
    """Lambda encodes it as JSON."""
    json.dumps(gateway.ask({"Authorization": f"Bearer {gateway.made.issuer.token(sub='müller')}"}))
