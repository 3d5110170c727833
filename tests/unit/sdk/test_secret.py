"""A secret in a caller's hands: seen by nobody, overwritten when it goes."""

import copy
import gc
import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strongroom
from strongroom import InvalidResponse, Secret, StrongroomError, ValueFormatError
from strongroom.codes import BY_CODE
from strongroom.responses import parse_batch, parse_secret, parse_stored
from strongroom.secret import SecretBytes
from strongroom.transport import Response
from tests.unit.sdk.scripted_region import CANARY, PATH, facts


def response(body: bytes, status: int = 200) -> Response:
    return Response(status=status, headers={}, body=body, region="us-east-1")


def secret(**changed: Any) -> Secret:
    return parse_secret(response(json.dumps(facts(**changed)).encode()), path=PATH)


def test_no_text_form_shows_the_value() -> None:
    held = secret()
    for text in (repr(held), str(held), f"{held}", repr([held]), repr(held._value)):
        assert CANARY not in text
        assert "[REDACTED_SECRET]" in text


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_neither_pickled_nor_copied(copying: Any) -> None:
    for held in (secret(), secret()._value):
        with pytest.raises(TypeError):
            copying(held)


def test_the_value_is_overwritten_when_its_last_reference_goes() -> None:
    buffer = bytearray(CANARY.encode())
    value = SecretBytes(buffer, is_text=True)
    other = value
    del value
    gc.collect()
    assert other.text() == CANARY
    del other
    gc.collect()
    assert buffer == bytes(len(CANARY))


def test_text_and_bytes() -> None:
    assert secret().reveal_bytes() == CANARY.encode()
    binary = secret(plaintextValue=None, plaintextBase64="AAH/")
    assert (binary.is_text, binary.reveal_bytes()) == (False, b"\x00\x01\xff")
    with pytest.raises(ValueFormatError):
        binary.reveal()


def test_values_of_json() -> None:
    assert secret(plaintextValue='{"user": "app"}').json() == {"user": "app"}
    with pytest.raises(ValueFormatError) as caught:
        secret(plaintextValue=CANARY).json()
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


BROKEN: list[dict[str, object]] = [
    {"secretPath": "prod/other"},
    {"versionNumber": CANARY},
    {"alias": 7},
    {"plaintextValue": None},
    {"plaintextBase64": "AA=="},
    {"plaintextValue": 7},
    {"plaintextValue": "\ud800" + CANARY},
    {"plaintextValue": None, "plaintextBase64": CANARY + "!"},
    {"consistencyToken": CANARY},
    {"consistencyToken": None},
    {"expiresAtUnix": CANARY},
    {"expiresAtUnix": 10**30},
    {"receipt": None},
]


@pytest.mark.parametrize("changed", BROKEN)
def test_an_answer_with_a_wrong_field_is_no_answer(changed: dict[str, object]) -> None:
    """Nothing of it is kept in the error."""
    with pytest.raises(InvalidResponse) as caught:
        secret(**changed)
    assert CANARY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from([*facts(), "items", "error", "code", "message", "details", "secretId", "updatedAt"])
ANSWERS = (
    JSON | st.dictionaries(FIELDS, JSON, max_size=8) | st.fixed_dictionaries({"error": st.dictionaries(FIELDS, JSON)})
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(answer=ANSWERS, status=st.sampled_from([200, 201, 204, 302, 400, 404, 500, 503, 700]))
def test_no_answer_leads_to_another_kind_of_error(answer: object, status: int) -> None:
    """Whatever a server or something between says: a secret, or an error of ours."""
    found = response(json.dumps(answer).encode(), status)
    for parse in (
        lambda: parse_secret(found, path=PATH),
        lambda: parse_batch(found, paths=[PATH]),
        lambda: parse_stored(found, path=PATH),
    ):
        try:
            parse()
        except StrongroomError as caught:
            assert caught.code  # noqa: PT017  # either outcome is right


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[" * 100_000, b"\xff", CANARY.encode()])
@pytest.mark.parametrize("status", [200, 404, 502])
def test_what_is_no_json_is_no_answer(body: bytes, status: int) -> None:
    with pytest.raises(StrongroomError) as caught:
        parse_secret(response(body, status), path=PATH)
    assert CANARY not in repr(caught.value)


def test_every_error_is_exported_drawn_and_has_one_code() -> None:
    def kinds(base: type[StrongroomError]) -> set[type[StrongroomError]]:
        return {base, *(kind for inner in base.__subclasses__() for kind in kinds(inner))}

    tree = strongroom.errors.__doc__ or ""
    for kind in kinds(StrongroomError):
        if not kind.__name__.startswith("_"):
            assert kind.__name__ in strongroom.__all__
            assert kind.__name__ in tree
    assert all(code in tree for code in BY_CODE)
