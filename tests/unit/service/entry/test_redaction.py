"""No record of any logger carries a secret, whoever wrote it and however it is encoded."""

import base64
import importlib
import inspect
import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.domain.values import REDACTED, SecretValue, live_values
from strongroom_service.entry import redaction
from strongroom_service.entry.redaction import RedactionFilter, redact, redact_any
from tests.support.issuers import TestIssuer

CANARY = 'CANARY "value"\nof this\ttest \u00fc'
BINARY = b"\x00\xffCANARY\x80"


@pytest.fixture
def text() -> Iterator[SecretValue]:
    with SecretValue.from_text(CANARY) as value:
        yield value


@pytest.fixture
def binary() -> Iterator[SecretValue]:
    with SecretValue.from_base64(base64.b64encode(BINARY).decode()) as value:
        yield value


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a library's logger writes through a handler of its own, made after redaction was installed."""
    before = logging.getLogRecordFactory()
    redaction.install()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(message)s"))
    library = logging.getLogger("some.library")
    library.addHandler(handler)
    yield written
    library.removeHandler(handler)
    logging.setLogRecordFactory(before)


LIBRARY = logging.getLogger("some.library")


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        json.dumps(CANARY),
        json.dumps(CANARY, ensure_ascii=False),
        repr(CANARY),
        repr(CANARY.encode()),
        base64.b64encode(CANARY.encode()).decode(),
        base64.urlsafe_b64encode(CANARY.encode()).decode(),
        CANARY.encode().hex(),
    ],
)
def test_a_value_in_memory_is_masked_however_it_is_written(text: SecretValue, form: str) -> None:
    shown = redact(f"before {form} after")
    assert "CANARY" not in shown
    assert form.strip("'\"b") not in shown
    assert REDACTED in shown
    assert shown.startswith("before ")
    assert len(text) > 0


@pytest.mark.parametrize("form", [repr(BINARY), BINARY.hex(), base64.b64encode(BINARY).decode()])
def test_binary_values_are_masked_too(binary: SecretValue, form: str) -> None:
    assert redact(form).replace("b'", "'").strip("'=") == REDACTED
    assert len(binary) == len(BINARY)


def test_a_short_value_is_masked_where_it_stands_alone() -> None:
    """And does not tear holes into every word that has its letters."""
    with SecretValue.from_text("ab"):
        assert redact("got ab, about") == f"got {REDACTED}, about"


def test_a_wiped_value_is_forgotten(text: SecretValue) -> None:
    text.wipe()
    assert text not in live_values()
    assert redact("an ordinary message") == "an ordinary message"


@pytest.mark.parametrize(
    "said",
    [
        '{"plaintextValue": "CANARY", "path": "a/b"}',
        '{"body": "{\\"plaintextValue\\": \\"CANARY\\"}"}',
        "{'plaintextValue': 'CANARY'}",
        "password=CANARY&user=app",
        "Authorization: AWS4-HMAC-SHA256 Credential=CANARY/20260606/us-east-1, Signature=CANARY",
        "X-Amz-Security-Token: CANARY",
        "secret_access_key='no', aws_secret_access_key = 'CANARY'",
        'SecretString: "with \\" CANARY inside"',
    ],
)
def test_known_secret_fields_are_masked_in_any_text(said: str) -> None:
    """Also when the value is in no buffer of ours: a body that was never parsed, a header."""
    shown = redact(said)
    assert "CANARY" not in shown
    assert REDACTED in shown


def test_the_rest_of_a_text_stays_readable() -> None:
    assert redact('{"path": "prod/password", "versionNumber": 3}') == '{"path": "prod/password", "versionNumber": 3}'


def test_every_loggers_message_and_arguments_are_redacted(text: SecretValue, log: io.StringIO) -> None:
    """By the record's own making: no handler and no logger has to be known beforehand."""
    LIBRARY.error("could not store %s of %r", text.reveal_text(), {"plaintextValue": "CANARY"})
    assert "CANARY" not in log.getvalue()
    assert log.getvalue().startswith("could not store [REDACTED_SECRET] of ")


def test_exceptions_are_told_by_types_and_places(log: io.StringIO) -> None:
    """Their messages quote what they could not digest, and so do their causes'."""
    try:
        try:
            int("CANARY")
        except ValueError as cause:
            raise RuntimeError("about CANARY") from cause
    except RuntimeError as error:
        LIBRARY.exception("it failed: %s", error)  # as careless code does
        LIBRARY.error(error)
    shown = log.getvalue()
    assert "CANARY" not in shown
    assert "builtins.RuntimeError" in shown
    assert "builtins.ValueError" in shown
    assert "Traceback" not in shown


def test_a_message_that_does_not_fit_its_arguments_is_written_without_them(log: io.StringIO) -> None:
    LIBRARY.error("%d things", "CANARY")
    assert log.getvalue() == "%d things\n"


def test_what_is_added_to_a_record_is_redacted_by_the_filter(text: SecretValue, log: io.StringIO) -> None:
    """Structured fields: by their names, and by what they hold."""
    record = logging.getLogger("x").makeRecord(
        "x", logging.ERROR, "f", 1, "m", (), None, extra={"event": {"password": "CANARY", "n": [text.reveal_text(), 7]}}
    )
    assert RedactionFilter().filter(record)
    assert record.__dict__["event"] == {"password": REDACTED, "n": [REDACTED, 7]}
    assert log.getvalue() == ""


def test_a_mappings_names_are_redacted_too(text: SecretValue) -> None:
    """A value can be one: whoever counts by value, or parses a body without quotes."""
    shown = redact_any({text.reveal_text(): 1, 7: {CANARY.encode(): "n"}, None: True})
    assert shown == {REDACTED: 1, 7: {f"b'{REDACTED}'": "n"}, None: True}


def test_structures_without_end_are_cut() -> None:
    ring: list[object] = []
    ring.append(ring)
    assert REDACTED in json.dumps(redact_any(ring))


def test_installing_twice_is_installing_once(log: io.StringIO) -> None:
    root = logging.getLogger()
    handler = logging.NullHandler()
    root.addHandler(handler)
    try:
        redaction.install()
        redaction.install()
        assert [type(it) for it in handler.filters] == [RedactionFilter]
    finally:
        root.removeHandler(handler)
    assert log.getvalue() == ""


@given(st.text(min_size=1, max_size=40).filter(lambda it: "\x00" not in it))
def test_any_text_disappears_from_its_json(value: str) -> None:
    """Whatever it consists of: quotes, backslashes, control characters, other planes."""
    marked = f"CANARY{value}"
    try:
        marked.encode()
    except UnicodeEncodeError:
        return
    with SecretValue.from_text(marked):
        for form in (marked, json.dumps({"k": marked}), json.dumps({"k": marked}, ensure_ascii=False), repr([marked])):
            assert "CANARY" not in redact(form)


@pytest.mark.parametrize("name", ["read", "admin", "authorizer", "drain", "seed"])
def test_every_function_redacts_from_its_import_on(name: str) -> None:
    """Before the first request, and before any library is given something to write."""
    module = importlib.import_module(f"strongroom_service.entry.{name}")
    assert "\nredaction.install()\n" in inspect.getsource(module)


def test_tokens_are_taken_out_wherever_they_stand() -> None:
    """With a signature or without one; what only looks a little like one stays."""
    token = TestIssuer().token()
    for text in (f"header {token} here", f'{{"given": "{token}"}}', f"https://x.example/?t={token}", token[:-20]):
        assert not any(part in redact(text) for part in token.split(".")[:2])
    assert redact("eyJ is how it begins, a.b.c") == "eyJ is how it begins, a.b.c"
