"""Signatures: whose they are, by which algorithm, and nothing else."""

import json

import jwt
import pytest

from strongroom_service.adapters.tokens import JwsTokens
from strongroom_service.domain.public_keys import ALGORITHMS, KeySet, PublicKey
from strongroom_service.domain.tokens import Reason, TokenRefused
from tests.support.issuers import PrivateKey, TestIssuer, ec_key, encoded, handmade, jwk, rsa_key

TOKENS = JwsTokens()
ISSUER = TestIssuer()


def public(key: PrivateKey) -> PublicKey:
    return KeySet.strictly({"keys": [jwk(key)]}).keys[0]


def reason_of(token: str, key: PrivateKey | None = None, algorithm: str = "RS256") -> Reason:
    with pytest.raises(TokenRefused) as refused:
        TOKENS.verify(token, public(key or ISSUER.key), algorithm)
    assert token not in repr(refused.value)
    return refused.value.reason


KEY_OF = {"ES256": ec_key(), "ES384": ec_key("P-384"), "ES512": ec_key("P-521")}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_of_every_algorithm(algorithm: str) -> None:
    """Taken under its own algorithm, and under no other one of the same key."""
    key = KEY_OF.get(algorithm, rsa_key())
    token = TestIssuer(key=key, algorithm=algorithm).token()
    parsed = TOKENS.parse(token)
    assert parsed.header["alg"] == algorithm
    assert TOKENS.verify(token, public(key), algorithm) == parsed.claims
    for other in ALGORITHMS:
        if other != algorithm:
            assert reason_of(token, key, other) in {Reason.SIGNATURE, Reason.ALGORITHM}


def test_another_key_or_a_changed_part_is_no_signature() -> None:
    header, claims, signature = ISSUER.token().split(".")
    changed = encoded(ISSUER.claims(sub="admin"))
    for token in (
        ISSUER.token(key=rsa_key(number=1)),
        f"{header}.{changed}.{signature}",
        f"{encoded({'alg': 'RS256', 'kid': 'other'})}.{claims}.{signature}",
        f"{header}.{claims}.{encoded(b'x' * 256)}",
        f"{header}.{claims}.",
    ):
        assert reason_of(token) is Reason.SIGNATURE


def test_no_signature_and_the_public_key_as_a_secret_are_none() -> None:
    """Even when somebody has forgotten to look at the header: the verifier knows no such algorithms."""
    for token in (ISSUER.unsigned(), ISSUER.by_hmac_of_the_public_key()):
        assert TOKENS.parse(token).header["alg"] in {"none", "HS256"}
        assert reason_of(token) is Reason.SIGNATURE
    assert reason_of(ISSUER.unsigned(), algorithm="none") is Reason.ALGORITHM
    assert reason_of(ISSUER.by_hmac_of_the_public_key(), algorithm="HS256") is Reason.ALGORITHM


def test_a_curve_has_one_algorithm() -> None:
    token = jwt.encode(ISSUER.claims(), ec_key(), algorithm="ES256")
    assert reason_of(token, ec_key("P-384"), "ES256") is Reason.ALGORITHM
    assert reason_of(token, rsa_key(), "ES256") is Reason.ALGORITHM


def test_a_point_beside_its_curve_verifies_nothing() -> None:
    key = KeySet.strictly({"keys": [{**jwk(ec_key()), "y": "A" * 43}]}).keys[0]
    with pytest.raises(TokenRefused):
        TOKENS.verify(TestIssuer(key=ec_key(), algorithm="ES256").token(), key, "ES256")


RS256 = {"alg": "RS256"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b.c",
        "..",
        "a.b.c.d.e",
        "\u00e9.\u00e9.\u00e9",
        handmade(RS256, b"no json", b"x"),
        handmade(RS256, [], b"x"),
        handmade(RS256, b"\xff\xfe", b"x"),
        handmade([], {}, b"x"),
        handmade(b"{", {}, b"x"),
        handmade({**RS256, "kid": 7}, {}, b"x"),
        handmade({**RS256, "b64": False}, {}, b"x"),
        handmade(RS256, ("[" * 5000).encode(), b"x"),
        handmade(("[" * 5000).encode(), {}, b"x"),
        handmade(RS256, b'{"exp": ' + b"9" * 5000 + b"}", b"x"),
        handmade(RS256, {}, b"x") + "!",
    ],
)
def test_what_is_no_token(token: str) -> None:
    """Refused as such; nothing breaks, and nothing of it is told."""
    with pytest.raises(TokenRefused) as refused:
        TOKENS.parse(token)
    assert refused.value.reason is Reason.MALFORMED
    assert refused.value.__context__ is None


def test_claims_are_those_that_were_signed() -> None:
    """The payload that was verified, not one that was parsed before."""
    signed = ISSUER.token(sub="job-7")
    assert TOKENS.verify(signed, public(ISSUER.key), "RS256")["sub"] == "job-7"
    assert json.loads(json.dumps(dict(TOKENS.parse(signed).claims)))["sub"] == "job-7"
