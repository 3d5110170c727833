"""Who calls is what API Gateway proved; the tenant follows from it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.access import Authentication, Caller, Principal
from strongroom_service.domain.errors import AccessDenied, InvalidRequest
from strongroom_service.domain.issuers import Issuer, IssuerKind
from strongroom_service.domain.registry import Registry
from strongroom_service.entry.identity import caller_of, principal_of, signer_of

ACCOUNT = "123456789012"
ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/i-0123456789abcdef0"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
ISSUER = Issuer(
    kind=IssuerKind.OIDC,
    name="https://issuer.example",
    audiences=frozenset({"strongroom"}),
    tenant="green",
    jwks_uri="https://issuer.example/keys",
)
REGISTRY = Registry(
    1,
    tenants={
        "default": frozenset({ACCOUNT}), "blue": frozenset({"210987654321"}), "green": frozenset({"210987654321"}),
    },
    issuers={"ci": ISSUER},
)  # fmt: skip
BEARER = "oidc:https://issuer.example#job-1"
PROVEN = {
    "principalId": BEARER,
    "principal": BEARER,
    "issuer": "ci",
    "tenant": "green",
    "authentication": "oidc",
    "issuedAt": str(int(NOW.timestamp()) - 60),
}


def called(event: dict[str, Any], registry: Registry = REGISTRY) -> Caller:
    return caller_of(event, registry, now=NOW)


def token_event(proven: Any = PROVEN, **said: Any) -> dict[str, Any]:
    found = event(None, **{"authorizer": proven, **said})
    return {**found, "resource": "/workload/values/{environment}/{path+}"}


def event(arn: str | None = ARN, headers: dict[str, str] | None = None, **context: Any) -> dict[str, Any]:
    return {
        "resource": "/values/{environment}/{path+}",
        "headers": headers,
        "requestContext": {
            "requestId": "request-1",
            "identity": {"userArn": arn, "sourceIp": "192.0.2.1", "userAgent": "test/1"},
            **context,
        },
    }


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        (ARN, Principal(f"iam:arn:aws:iam::{ACCOUNT}:role/app", ACCOUNT, "i-0123456789abcdef0")),
        (
            f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/app/s@example.org",
            Principal(f"iam:arn:aws-us-gov:iam::{ACCOUNT}:role/app", ACCOUNT, "s@example.org"),
        ),
        (f"arn:aws:iam::{ACCOUNT}:user/ci/alice", Principal(f"iam:arn:aws:iam::{ACCOUNT}:user/ci/alice", ACCOUNT)),
    ],
)
def test_principals_are_roles_and_users(arn: str, principal: Principal) -> None:
    """Two sessions of a role are one principal; the session's name is kept beside it."""
    assert principal_of(arn) == principal


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "",
        "anonymous",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/app",
        f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
        f"{ARN}\n",
        "arn:aws:sts::12:assumed-role/app/s",
        f"x{ARN}",
    ],
)
def test_what_is_no_known_identity_is_denied(arn: str | None) -> None:
    """An identity that does not read wholly as a role's session or a user is none."""
    with pytest.raises(AccessDenied):
        principal_of(arn)


def test_an_identity_made_by_an_authorizer_does_not_count_on_signed_routes() -> None:
    """Only IAM's own identity is admitted there, for a caller as for an operator."""
    for proven in (PROVEN, {"principalId": "someone"}):
        with pytest.raises(AccessDenied):
            called(event(authorizer=proven))
        with pytest.raises(AccessDenied):
            signer_of(event(authorizer=proven))


def test_a_signature_does_not_count_where_tokens_are_asked_for() -> None:
    """Neither alone nor beside a token."""
    signed = {**event(), "resource": "/workload/revisions"}
    both = {**event(authorizer=PROVEN), "resource": "/workload/revisions"}
    for found in (signed, both):
        with pytest.raises(AccessDenied):
            called(found)
        with pytest.raises(AccessDenied):
            signer_of(found)


def test_a_bearer_is_who_the_authorizer_found() -> None:
    """Principal, issuer, tenant, and the token's age in seconds."""
    caller = called(token_event())
    assert caller.principal == Principal(BEARER, "", issuer="ci")
    assert (caller.tenant, caller.authentication, caller.authentication_age) == ("green", Authentication.OIDC, 60)
    assert (caller.request_id, caller.source_ip, caller.wanted_tenant) == ("request-1", "192.0.2.1", None)


@pytest.mark.parametrize(
    "proven",
    [
        None,
        "someone",
        {},
        {**PROVEN, "authentication": "iam"},
        {**PROVEN, "authentication": "password"},
        {**PROVEN, "issuedAt": "yesterday"},
        {**PROVEN, "principal": ""},
        {**PROVEN, "issuer": ""},
        {name: value for name, value in PROVEN.items() if name != "principal"},
    ],
)
def test_what_the_authorizer_did_not_make_whole_is_denied(proven: Any) -> None:
    """A context that lacks anything proves nothing."""
    with pytest.raises(AccessDenied):
        called(token_event(proven))


def test_the_tenant_of_a_bearer_is_its_issuers_and_no_words_change_it() -> None:
    """Neither the header nor the context decide; an issuer that is gone, or speaks of others, gives no tenant."""
    assert called({**token_event(), "headers": {"X-Strongroom-Tenant": "default"}}).tenant == "green"
    assert called(token_event({**PROVEN, "tenant": "default"})).tenant == "green"
    assert called(token_event({**PROVEN, "principal": "oidc:https://other.example#job-1"})).tenant == ""
    assert called(token_event({**PROVEN, "principal": f"iam:arn:aws:iam::{ACCOUNT}:role/app"})).tenant == ""
    assert called(token_event(), REGISTRY.without_issuer("ci")).tenant == ""


def test_a_token_of_a_moment_ahead_has_no_age() -> None:
    """The issuer's clock may be ahead of ours."""
    ahead = str(int((NOW + timedelta(seconds=5)).timestamp()))
    assert called(token_event({**PROVEN, "issuedAt": ahead})).authentication_age == 0


def test_the_caller_is_the_request_as_the_gateway_saw_it() -> None:
    """Request id, address and user agent come from the gateway's context."""
    caller = called(event())
    assert (caller.tenant, caller.request_id, caller.source_ip, caller.user_agent) == (
        "default", "request-1", "192.0.2.1", "test/1",
    )  # fmt: skip


@pytest.mark.parametrize("broken", [{}, {"requestContext": None}, {"requestContext": {"identity": None}}])
def test_an_event_without_a_context_is_denied(broken: dict[str, Any]) -> None:
    """Nothing proven, nothing allowed."""
    with pytest.raises(AccessDenied):
        called(broken)


def test_an_account_of_no_tenant_has_none() -> None:
    """Being able to call is not being known: a caller without a tenant is allowed nothing."""
    assert called(event("arn:aws:sts::999999999999:assumed-role/app/s")).tenant == ""


def test_an_account_of_several_tenants_names_one_of_its_own() -> None:
    """The header chooses among the account's tenants and reaches no other."""
    arn = "arn:aws:sts::210987654321:assumed-role/app/s"
    assert called(event(arn, headers={"X-Strongroom-Tenant": "green"})).tenant == "green"
    assert called(event(arn, headers={"X-Strongroom-Tenant": "default"})).tenant == ""
    with pytest.raises(InvalidRequest, match="X-Strongroom-Tenant"):
        called(event(arn))


def test_the_header_is_found_however_it_is_written() -> None:
    """Header names have no case."""
    headers = {"X-STRONGROOM-Tenant": "green"}
    arn = "arn:aws:sts::210987654321:assumed-role/app/s"
    assert called(event(arn, headers=headers)).tenant == "green"


WORDS = st.text(max_size=12) | st.sampled_from(["default", "blue", "green", "ci", ACCOUNT])


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    account=st.sampled_from([ACCOUNT, "210987654321", "999999999999"]),
    headers=st.dictionaries(WORDS | st.just("X-Strongroom-Tenant"), WORDS, max_size=4),
    query=st.dictionaries(WORDS, WORDS, max_size=3),
    body=WORDS,
)
def test_the_tenant_never_follows_from_what_a_request_says(
    account: str, headers: dict[str, str], query: dict[str, str], body: str
) -> None:
    """Whatever is sent, a caller acts in a tenant of its own account or issuer, or in none."""
    said = {"queryStringParameters": query, "body": body, "headers": headers}
    signed = {**event(f"arn:aws:sts::{account}:assumed-role/app/s"), **said}
    own = REGISTRY.tenants_of(principal_of(f"arn:aws:sts::{account}:assumed-role/app/s"))
    try:
        assert called(signed).tenant in {"", *own}
    except InvalidRequest:
        assert len(own) > 1
    assert called({**token_event(), **said}).tenant == "green"
