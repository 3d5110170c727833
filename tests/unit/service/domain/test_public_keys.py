"""Which keys are believed, and with which algorithms."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.errors import InvalidRequest
from strongroom_service.domain.public_keys import ALGORITHMS, KeySet
from tests.support.issuers import ec_key, jwk, rsa_key

CANARY = "canary-key-material"
RSA, EC = jwk(rsa_key()), jwk(ec_key())


def violations(*keys: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refused:
        KeySet.strictly({"keys": list(keys)})
    assert CANARY not in json.dumps(refused.value.details)
    return [(it.field, it.rule) for it in refused.value.violations]


def test_keys_are_kept_as_they_were_given() -> None:
    """What is stored reads back as the same keys."""
    keys = KeySet.strictly({"keys": [RSA, {**EC, "kid": "key-2", "alg": "ES256", "use": "jwt-svid"}]})
    assert KeySet.strictly(keys.as_json()) == keys
    assert [key.kid for key in keys.keys] == ["key-1", "key-2"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"kty": "oct", "k": CANARY}, "symmetric"),
        ({"k": CANARY}, "symmetric"),
        ({"d": CANARY}, "private parts"),
        ({"p": CANARY}, "private parts"),
        ({"oth": [{"d": CANARY}]}, "private parts"),
        ({"kty": "OKP"}, "RSA or EC"),
        ({"kty": None}, "RSA or EC"),
        ({"use": "enc"}, "for signatures"),
        ({"alg": "HS256"}, "algorithm that its type"),
        ({"alg": "ES256"}, "algorithm that its type"),
        ({"alg": 7}, "algorithm that its type"),
        ({"kid": ""}, "kid"),
        ({"kid": "a\nb"}, "kid"),
        ({"kid": "x" * 257}, "kid"),
        ({"n": jwk(rsa_key(1024))["n"]}, "2048"),
        ({"n": "AQ" * 1500}, "2048"),
        ({"n": "not base64!"}, "2048"),
        ({"n": None}, "2048"),
        ({"e": "Aw"}, "65537"),
        ({"e": "AQAC"}, "65537"),
    ],
)
def test_a_key_of_rsa_that_breaks_a_rule(change: dict[str, Any], rule: str) -> None:
    """By its place and the rule, and without a word of it."""
    ((field, words),) = violations({**RSA, **change})
    assert field == "jwks.keys[0]"
    assert rule in words


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"crv": "secp256k1"}, "P-256, P-384 or P-521"),
        ({"crv": "P-384"}, "48 bytes"),
        ({"x": "AA"}, "32 bytes"),
        ({"y": None}, "32 bytes"),
        ({"alg": "RS256"}, "algorithm that its type"),
        ({"alg": "ES384"}, "algorithm that its type"),
        ({"d": CANARY}, "private parts"),
    ],
)
def test_a_key_of_a_curve_that_breaks_a_rule(change: dict[str, Any], rule: str) -> None:
    """The same for elliptic curves."""
    ((_, words),) = violations({**EC, **change})
    assert rule in words


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": []}, {"keys": [RSA] * 21}, "keys", 7])
def test_what_is_no_key_set(document: object) -> None:
    """An object with some keys, and not too many."""
    with pytest.raises(InvalidRequest):
        KeySet.strictly(document)


def test_several_keys_are_told_apart() -> None:
    """Without ids of their own a token could not say which one it is signed by."""
    assert violations(RSA, EC)[0][0] == "jwks"
    assert violations(RSA, jwk(ec_key(), None))[0][0] == "jwks"
    assert violations(RSA, "key")[0] == ("jwks.keys[1]", "must be an object")


def test_a_key_is_found_by_its_id_or_by_being_the_only_one() -> None:
    """A token without an id means the only key there is."""
    one, two = KeySet.strictly({"keys": [RSA]}), KeySet.strictly({"keys": [RSA, {**EC, "kid": "key-2"}]})
    assert one.find(None) == one.find("key-1") == one.keys[0]
    assert one.find("key-2") is None
    assert two.find("key-2") == two.keys[1]
    assert two.find(None) is None
    assert two.find(["key-1"]) is None


def test_a_published_set_is_taken_without_what_is_unfit() -> None:
    """An issuer may publish keys for other purposes; two keys of one id are none."""
    published = KeySet.leniently({"keys": [RSA, {"kty": "oct", "k": CANARY}, {**EC, "use": "enc"}, 7], "more": 1})
    assert published is not None
    assert [key.kty for key in published.keys] == ["RSA"]
    twice = KeySet.leniently({"keys": [RSA, EC]})
    assert twice is not None
    assert twice.find("key-1") is None
    assert KeySet.leniently({"keys": [RSA] * 101}) is None
    assert KeySet.leniently([]) is None


def test_an_algorithm_fits_the_keys_type() -> None:
    """RSA takes RS and PS, each curve its own; a key that names its algorithm takes that one."""
    rsa = KeySet.strictly({"keys": [RSA]}).keys[0]
    assert {it for it in (*ALGORITHMS, "none", "HS256") if rsa.fits(it)} == {it for it in ALGORITHMS if it[0] != "E"}
    for curve, algorithm in (("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512")):
        key = KeySet.strictly({"keys": [jwk(ec_key(curve))]}).keys[0]
        assert {it for it in (*ALGORITHMS, "none", "HS256") if key.fits(it)} == {algorithm}
    named = KeySet.strictly({"keys": [{**RSA, "alg": "PS256"}]}).keys[0]
    assert {it for it in ALGORITHMS if named.fits(it)} == {"PS256"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(changes=st.dictionaries(NAMES, JSON, min_size=1, max_size=4))
def test_no_key_leads_to_a_defect(changes: dict[str, Any]) -> None:
    """Whatever stands in it, it is taken or refused."""
    for key in (RSA, EC):
        KeySet.leniently({"keys": [{**key, **changes}]})
        with contextlib.suppress(InvalidRequest):
            KeySet.strictly({"keys": [{**key, **changes}]})
