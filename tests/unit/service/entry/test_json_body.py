"""Request bodies are strict JSON objects; refusals name the rule and never the input."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.domain import limits
from strongroom_service.domain.errors import InvalidRequest, ValueTooLarge
from strongroom_service.entry.json_body import MAX_BODY_BYTES, parse_body

CANARY = "CANARY-VALUE"
OBJECT_RULE = "must be a JSON object (RFC 8259) in UTF-8"


def refused(body: Any, **event: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as failed:
        parse_body({"body": body, **event})
    error = failed.value
    assert CANARY not in f"{error!r}{error.details}{error.__cause__!r}"
    assert error.__suppress_context__ or error.__context__ is None
    return error


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values, max_size=4))
def test_any_json_object_is_taken_as_it_is(body: dict[str, Any]) -> None:
    """Plain or in base64, as API Gateway hands over what it takes for binary."""
    text = json.dumps(body)
    assert parse_body({"body": text}) == json.loads(text)
    encoded = base64.b64encode(text.encode()).decode()
    assert parse_body({"body": encoded, "isBase64Encoded": True}) == json.loads(text)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (None, OBJECT_RULE),
        ("", OBJECT_RULE),
        (f"{{'{CANARY}': 1}}", OBJECT_RULE),
        (f'{{"{CANARY}": ', OBJECT_RULE),
        (f'["{CANARY}"]', OBJECT_RULE),
        (f'"{CANARY}"', OBJECT_RULE),
        (f'{{"{CANARY}": 1, "{CANARY}": 2}}', "must not repeat a key"),
        (f'{{"{CANARY}": NaN}}', "must not contain NaN or Infinity"),
        (f'{{"{CANARY}": -Infinity}}', "must not contain NaN or Infinity"),
        (f'{{"a": "{CANARY}\\ud800"}}', "must be valid Unicode, without lone surrogates"),
        (f'{{"{CANARY}\\ud800": 1}}', "must be valid Unicode, without lone surrogates"),
        (f'{{"a": [["{CANARY}\\udfff"]]}}', "must be valid Unicode, without lone surrogates"),
        ('{"a":' * 16 + "1" + "}" * 16, f"must not nest deeper than {limits.MAX_BODY_DEPTH} levels"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, OBJECT_RULE),
        ('{"a": ' + "9" * 5000 + "}", OBJECT_RULE),
        (f'{{"a": "{CANARY}\x00"}}', OBJECT_RULE),
        ("\ufeff{}", OBJECT_RULE),
    ],
    ids=[
        "none", "empty", "single quotes", "cut off", "list", "string", "repeated key", "NaN", "Infinity",
        "surrogate", "surrogate in a key", "nested surrogate", "deep", "very deep", "huge number", "control",
        "byte order mark",
    ],
)  # fmt: skip
def test_what_is_no_strict_json_object_is_refused_by_its_rule(body: str | None, rule: str) -> None:
    """One violation of the body, in words, without a letter of what was sent."""
    error = refused(body)
    assert error.details == {"violations": [{"field": "body", "rule": rule}]}


@pytest.mark.parametrize("body", ["not base64!", base64.b64encode(b"\xff\xfe{}").decode()])
def test_base64_that_is_no_utf8_is_refused(body: str) -> None:
    """Bytes that are no text are no JSON."""
    assert refused(body, isBase64Encoded=True).details["violations"] == [{"field": "body", "rule": OBJECT_RULE}]


def test_sixteen_levels_are_enough() -> None:
    """The limit counts the object itself as the first level."""
    assert parse_body({"body": '{"a":' * 15 + "1" + "}" * 15})


def test_a_body_beyond_the_limit_is_refused_before_it_is_parsed() -> None:
    """413, by its length alone."""
    with pytest.raises(ValueTooLarge):
        parse_body({"body": "x" * (MAX_BODY_BYTES + 1)})
