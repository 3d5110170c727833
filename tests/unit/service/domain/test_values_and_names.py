"""Plaintexts that nobody sees by accident; names, tokens, times and identifiers at their limits."""

import copy
import pickle
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain import limits
from strongroom_service.domain.consistency import ConsistencyToken
from strongroom_service.domain.errors import DomainError, InvalidRequest, ValueTooLarge
from strongroom_service.domain.generator import generate
from strongroom_service.domain.ids import random_name, secret_id, uuid7
from strongroom_service.domain.names import Alias, SecretName, Selector, is_prefix
from strongroom_service.domain.times import from_rfc3339, parse_future, rfc3339
from strongroom_service.domain.values import SecretValue
from strongroom_service.entry.error_table import STATUS

CANARY = "canary-value-of-this-test"
FIXED = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def test_a_value_shows_itself_nowhere() -> None:
    value = SecretValue.from_text(CANARY)
    for text in (repr(value), str(value), f"{value}", f"{[value]}"):
        assert CANARY not in text
        assert "[REDACTED_SECRET]" in text
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copying(value)


def test_a_value_is_overwritten_at_the_end() -> None:
    with SecretValue.from_text(CANARY) as value:
        buffer = value.buffer
        assert value.reveal_text() == CANARY
    assert buffer == bytes(len(CANARY))
    value.wipe()


@pytest.mark.parametrize("size", [1, limits.MAX_VALUE_BYTES])
def test_values_within_the_limit(size: int) -> None:
    assert len(SecretValue.from_text("x" * size)) == size
    assert len(SecretValue.from_base64(SecretValue(bytearray(size), is_text=False).reveal_base64())) == size


def test_the_limit_is_in_bytes() -> None:
    for text in ("x" * (limits.MAX_VALUE_BYTES + 1), "\u00e4" * (limits.MAX_VALUE_BYTES // 2 + 1)):
        with pytest.raises(ValueTooLarge):
            SecretValue.from_text(text)


@pytest.mark.parametrize("text", ["", "\ud800" + CANARY])
def test_texts_that_are_no_value(text: str) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        SecretValue.from_text(text)
    assert invalid.value.__cause__ is None
    assert invalid.value.__suppress_context__ or invalid.value.__context__ is None
    assert CANARY not in str(invalid.value)


@pytest.mark.parametrize("text", ["", "A", "AA", "AA=", "====", "A-_=", "AA==\n", CANARY + "!"])
def test_texts_that_are_no_base64(text: str) -> None:
    with pytest.raises(InvalidRequest):
        SecretValue.from_base64(text)


@FIXED
@given(text=st.text(min_size=1).filter(lambda it: it.isprintable() or "\x00" in it))
def test_the_encoded_size_is_never_beyond_its_bound(text: str) -> None:
    value = SecretValue.from_text(text)
    assert value.encoded_size() <= limits.MAX_ENCODED_BYTES_PER_BYTE * len(value) + 8


def test_generated_values_are_of_their_alphabet_and_differ() -> None:
    made = {generate(length=24, alphabet="0123456789").reveal_text() for _ in range(50)}
    assert len(made) == 50
    assert all(len(text) == 24 and set(text) <= set("0123456789") for text in made)


@pytest.mark.parametrize(
    ("length", "alphabet", "field"),
    [
        (limits.MIN_GENERATED_LENGTH - 1, "0123456789", "generate.length"),
        (limits.MAX_GENERATED_LENGTH + 1, "0123456789", "generate.length"),
        (20, "012345678", "generate.alphabet"),
        (20, "00123456789", "generate.alphabet"),
        (20, "".join(chr(0x100 + index) for index in range(257)), "generate.alphabet"),
    ],
)
def test_what_cannot_be_generated(length: int, alphabet: str, field: str) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        generate(length=length, alphabet=alphabet)
    assert [violation.field for violation in invalid.value.violations] == [field]


GOOD_PATHS = ["a", "A.b_c-9", "a/b", "/".join("a" * 16), "a" * 512, "..a", "a..", "..."]
BAD_PATHS = [
    "", "/", "a/", "/a", "a//b", ".", "..", "a/./b", "a/../b", "a b", "a:b", "a\n", "\u00e4", "a%2f", "a" * 513,
    "/".join("a" * 17), None, 7, b"a", ["a"],
]  # fmt: skip


@pytest.mark.parametrize("path", GOOD_PATHS)
def test_paths(path: str) -> None:
    name = SecretName.parse(tenant="default", environment="prod", path=path)
    assert name.secret_path == f"prod/{path}"
    assert SecretName.parse_secret_path(tenant="default", secret_path=name.secret_path) == name
    assert is_prefix(path)
    assert is_prefix(f"{path}/") == (len(path) <= 512)


@pytest.mark.parametrize("path", BAD_PATHS)
def test_what_is_no_path(path: object) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        SecretName.parse(tenant="default", environment="prod", path=path)
    assert [violation.field for violation in invalid.value.violations] == ["path"]


@pytest.mark.parametrize("environment", ["", "Prod", "e" * 33, "a_b", "a\n", None, 7])
def test_what_is_no_environment(environment: object) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        SecretName.parse(tenant="default", environment=environment, path="")
    assert [violation.field for violation in invalid.value.violations] == ["environment", "path"]


def test_selectors() -> None:
    assert Selector.parse(None) == Selector(alias=Alias.CURRENT)
    assert Selector.parse("previous") == Selector(alias=Alias.PREVIOUS)
    assert Selector.parse("v12") == Selector(number=12)
    wrong: list[object] = [
        "",
        "v",
        "v0",
        "v01",
        "V1",
        "1",
        "v-1",
        "v1 ",
        "v\u0661",
        "v" + "1" * 19,
        "latest",
        1,
        [],
        True,
    ]
    for text in wrong:
        with pytest.raises(InvalidRequest):
            Selector.parse(text)


@FIXED
@given(
    first=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    second=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
)
def test_tokens_are_ordered_as_pairs_and_read_back(first: tuple[int, int], second: tuple[int, int]) -> None:
    one, other = ConsistencyToken(*first), ConsistencyToken(*second)
    assert (one < other) == (first < second)
    assert ConsistencyToken.parse(str(one)) == one


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".1", "1.2.3", "-1.2", "1.2 ", "a.b", "\u0661.1", "1" * 11 + ".1", None, 1.2]
)
def test_what_is_no_token(text: object) -> None:
    with pytest.raises(InvalidRequest):
        ConsistencyToken.parse(text)


def test_times_are_utc_with_milliseconds() -> None:
    time = datetime(2026, 6, 6, 16, 30, 0, 999999, tzinfo=UTC)
    assert rfc3339(time) == "2026-06-06T16:30:00.999Z"
    assert from_rfc3339("2026-06-06T18:30:00.999+02:00") == time.replace(microsecond=999000)


@pytest.mark.parametrize("text", ["2026-06-06T16:30:00", "2026-06-06", "noon", "", "9999-12-31T23:59:59-23:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_future(text, field="expiresAt", now=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_time_that_must_lie_ahead() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ahead = now + timedelta(milliseconds=1)
    assert parse_future(rfc3339(ahead), field="expiresAt", now=now) == ahead
    with pytest.raises(InvalidRequest):
        parse_future(rfc3339(now), field="expiresAt", now=now)


def test_identifiers() -> None:
    """A UUID's version, variant and time by Python's own reading; a secret's id in the seed's grouping."""
    moment = datetime(2026, 6, 6, 14, 30, tzinfo=UTC)
    made = uuid.UUID(uuid7(moment, bytes(range(10))))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(moment.timestamp() * 1000)
    assert secret_id(bytes(range(12))) == "sec_0001-0203-0405-060708090a0b"
    assert random_name(bytes(range(16))) == "000102030405060708090a0b0c0d0e0f"


def test_every_error_has_a_status_and_a_message() -> None:
    def kinds(base: type[DomainError]) -> set[type[DomainError]]:
        return {base, *(kind for inner in base.__subclasses__() for kind in kinds(inner))}

    concrete = [kind for kind in kinds(DomainError) if kind is not DomainError]
    assert {kind.code for kind in concrete} <= STATUS.keys()
    assert all(kind.default_message.endswith(".") for kind in concrete)
