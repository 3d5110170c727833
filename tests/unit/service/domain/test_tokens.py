"""Which tokens are believed, by header and claims."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.access import Authentication
from strongroom_service.domain.issuers import Issuer, IssuerKind
from strongroom_service.domain.tokens import (
    Proven,
    Reason,
    TokenRefused,
    bearer_of,
    check_claims,
    check_header,
    check_issuer_header,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
UNIX = int(NOW.timestamp())
URL = "https://issuer.example"
OIDC = Issuer(
    kind=IssuerKind.OIDC,
    name=URL,
    audiences=frozenset({"strongroom", "strongroom-eu"}),
    tenant="blue",
    jwks_uri="https://issuer.example/keys",
    algorithms=frozenset({"RS256"}),
)
SPIFFE = replace(OIDC, kind=IssuerKind.SPIFFE, name="prod.example.org")
CLAIMS: dict[str, Any] = {"iss": URL, "sub": "job-1", "aud": "strongroom", "iat": UNIX - 60, "exp": UNIX + 240}
SVID: dict[str, Any] = {**CLAIMS, "sub": "spiffe://prod.example.org/payments/api", "iss": None}


def checked(claims: dict[str, Any], issuer: Issuer = OIDC) -> Proven:
    return check_claims({name: it for name, it in claims.items() if it is not None}, "ci", issuer, now=NOW)


def reason_for(claims: dict[str, Any], issuer: Issuer = OIDC) -> Reason:
    with pytest.raises(TokenRefused) as refused:
        checked(claims, issuer)
    return refused.value.reason


def test_who_a_token_proves_its_bearer_to_be() -> None:
    """The principal has its issuer in it, so that nobody else can be taken for it."""
    issued = NOW - timedelta(seconds=60)
    assert checked(CLAIMS) == Proven(f"oidc:{URL}#job-1", "ci", "blue", Authentication.OIDC, issued)
    svid = checked(SVID, SPIFFE)
    assert svid == Proven("spiffe://prod.example.org/payments/api", "ci", "blue", Authentication.SPIFFE, issued)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://issuer.example/"}, Reason.ISSUER),
        ({"iss": None}, Reason.ISSUER),
        ({"iss": [URL]}, Reason.ISSUER),
        ({"aud": "another"}, Reason.AUDIENCE),
        ({"aud": "STRONGROOM"}, Reason.AUDIENCE),
        ({"aud": "strongroom "}, Reason.AUDIENCE),
        ({"aud": None}, Reason.AUDIENCE),
        ({"aud": []}, Reason.AUDIENCE),
        ({"aud": ["strongroom", "another"]}, Reason.AUDIENCE),
        ({"aud": ["strongroom", 7]}, Reason.AUDIENCE),
        ({"aud": {"strongroom": True}}, Reason.AUDIENCE),
        ({"exp": None}, Reason.NO_TIMES),
        ({"iat": None}, Reason.NO_TIMES),
        ({"exp": UNIX}, Reason.EXPIRED),
        ({"exp": UNIX - 1}, Reason.EXPIRED),
        ({"iat": UNIX + 31}, Reason.NOT_YET_VALID),
        ({"nbf": UNIX + 31}, Reason.NOT_YET_VALID),
        ({"iat": UNIX - 60, "exp": UNIX + 3541}, Reason.LIVES_TOO_LONG),
        ({"iat": None, "nbf": UNIX - 60, "exp": UNIX + 3541}, Reason.LIVES_TOO_LONG),
        ({"exp": str(UNIX + 60)}, Reason.MALFORMED),
        ({"exp": True}, Reason.MALFORMED),
        ({"exp": float("inf")}, Reason.MALFORMED),
        ({"exp": float("nan")}, Reason.MALFORMED),
        ({"exp": 1e300}, Reason.MALFORMED),
        ({"iat": -1e300}, Reason.MALFORMED),
        ({"nbf": "now"}, Reason.MALFORMED),
        ({"sub": None}, Reason.SUBJECT),
        ({"sub": ""}, Reason.SUBJECT),
        ({"sub": 7}, Reason.SUBJECT),
        ({"sub": "job-1\nadmin"}, Reason.SUBJECT),
        ({"sub": "job-1\x00"}, Reason.SUBJECT),
        ({"sub": "job-1\u202e"}, Reason.SUBJECT),
        ({"sub": "job-1\ud800"}, Reason.SUBJECT),
        ({"sub": "x" * 500}, Reason.SUBJECT),
        ({"sub": "\U00020000" * 130}, Reason.SUBJECT),
    ],
)
def test_claims_that_are_refused(changes: dict[str, Any], reason: Reason) -> None:
    """Exact issuer and audience, a short life with a beginning and an end, and a subject that can be written down."""
    assert reason_for({**CLAIMS, **changes}) is reason


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["strongroom", "strongroom-eu"]},
        {"iat": UNIX + 30},
        {"nbf": UNIX + 30},
        {"iat": None, "nbf": UNIX - 60},
        {"iat": UNIX - 3599, "exp": UNIX + 1},
        {"iat": UNIX - 60.5, "exp": UNIX + 0.5},
        {"sub": "repo:acme/shop:ref:refs/heads/main"},
        {"sub": "müller"},
        {"sub": "spiffe://prod.example.org/payments/api"},
        {"more": {"claims": ["than", "needed"]}},
    ],
)
def test_claims_that_are_believed(changes: dict[str, Any]) -> None:
    """Half a minute is granted to an issuer's clock that is ahead; none at a token's end."""
    assert checked({**CLAIMS, **changes}).principal.startswith(f"oidc:{URL}#")


@pytest.mark.parametrize(
    "sub",
    [
        "spiffe://another.example/payments/api",
        "spiffe://prod.example.org.evil.example/payments/api",
        "spiffe://prod.example.org",
        "spiffe://prod.example.org/",
        "spiffe://prod.example.org//api",
        "spiffe://prod.example.org/payments/",
        "spiffe://prod.example.org/./api",
        "spiffe://prod.example.org/payments/../api",
        "spiffe://prod.example.org/payments/%2e%2e/api",
        "spiffe://prod.example.org/payments?x=1",
        "spiffe://prod.example.org/payments#x",
        "spiffe://prod.example.org:443/payments",
        "spiffe://user@prod.example.org/payments",
        "spiffe://Prod.example.org/payments",
        "SPIFFE://prod.example.org/payments",
        "spiffe://prod.example.org/pay ments",
        "spiffe://prod.example.org/paym\u00e9nts",
        "job-1",
    ],
)
def test_subjects_that_are_no_workload_of_the_trust_domain(sub: str) -> None:
    """Only the one form that an id has: nothing is normalised, so that no two texts mean one workload."""
    assert reason_for({**SVID, "sub": sub}, SPIFFE) is Reason.SUBJECT


@pytest.mark.parametrize("sub", ["spiffe://prod.example.org/a", "spiffe://prod.example.org/a.b/..c/D_e-1/..."])
def test_subjects_that_are_workloads(sub: str) -> None:
    """Dots are characters like others unless a segment consists of one or two."""
    assert checked({**SVID, "sub": sub}, SPIFFE).principal == sub


def test_an_svid_needs_an_audience() -> None:
    """Without one it would be good for everybody who trusts its domain."""
    assert reason_for({**SVID, "aud": None}, SPIFFE) is Reason.AUDIENCE


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c", "crit"])
def test_a_token_does_not_say_by_which_key_it_is_checked(name: str) -> None:
    """Whatever the header holds: it is refused, not ignored."""
    values: list[Any] = ["https://evil.example", {}, None, ["b64"]]
    for value in values:
        with pytest.raises(TokenRefused) as refused:
            check_header({"alg": "RS256", name: value})
        assert refused.value.reason is Reason.HEADER


@pytest.mark.parametrize(
    "alg", [None, "none", "None", "HS256", "HS512", "rs256", "RS1", "EdDSA", "ES256K", 256, ["RS256"]]
)
def test_algorithms_that_are_refused(alg: object) -> None:
    """An allow list, letter by letter."""
    with pytest.raises(TokenRefused) as refused:
        check_header({"alg": alg})
    assert refused.value.reason is Reason.ALGORITHM


def test_an_issuers_own_rules_on_headers() -> None:
    """Only its algorithms; a JWT-SVID says that it is a JWT, or nothing."""
    check_issuer_header({"alg": "RS256", "typ": "at+jwt"}, OIDC)
    check_issuer_header({"alg": "RS256"}, SPIFFE)
    with pytest.raises(TokenRefused) as refused:
        check_issuer_header({"alg": "RS512"}, OIDC)
    assert refused.value.reason is Reason.ALGORITHM
    with pytest.raises(TokenRefused):
        check_issuer_header({"alg": "RS256", "typ": "at+jwt"}, SPIFFE)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, Reason.NO_TOKEN),
        ("", Reason.NO_TOKEN),
        ("Bearer", Reason.NO_TOKEN),
        ("Bearer ", Reason.NO_TOKEN),
        ("Basic abc", Reason.NO_TOKEN),
        ("AWS4-HMAC-SHA256 Credential=x", Reason.NO_TOKEN),
        ("Bearer " + "x" * 8193, Reason.TOO_LARGE),
    ],
)
def test_headers_without_a_token(header: str | None, reason: Reason) -> None:
    """Size is looked at before anything is parsed."""
    with pytest.raises(TokenRefused) as refused:
        bearer_of(header)
    assert refused.value.reason is reason


def test_the_scheme_has_no_case() -> None:
    """RFC 9110, section 11.1."""
    assert bearer_of("bearer abc") == bearer_of("Bearer  abc ") == "abc"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(changes=st.dictionaries(st.sampled_from([*sorted(CLAIMS), "nbf"]), JSON, min_size=1, max_size=4))
def test_no_claims_lead_to_a_defect_or_past_their_issuer(changes: dict[str, Any]) -> None:
    """Refused by a reason, or believed to be a principal that the issuer may speak of."""
    for claims, issuer in ((CLAIMS, OIDC), (SVID, SPIFFE)):
        with contextlib.suppress(TokenRefused):
            proven = check_claims({**claims, **changes}, "ci", issuer, now=NOW)
            assert issuer.vouches_for(proven.principal)
            assert proven.tenant == issuer.tenant
