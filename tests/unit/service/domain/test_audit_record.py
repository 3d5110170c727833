"""Lines of the audit stream: believed only when they are what their hash says, in the one form that there is."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_service.domain.audit import Chain, canonical, record_hash
from strongroom_service.domain.audit_record import (
    MAX_LINE_BYTES,
    RecordUnreadable,
    is_event_id,
    parse_line,
    proves_itself,
    receipt_of,
)
from strongroom_service.domain.ids import uuid7, uuid7_time
from tests.support.auditing import EVENT

CANARY = "canary-in-a-line"


def line(**changed: Any) -> bytes:
    """A record, changed and then hashed anew unless the hash is changed as well."""
    (sealed,) = Chain("0" * 32).seal([EVENT])
    record = json.loads(sealed.line) | changed
    if "hash" not in changed:
        record["hash"] = record_hash(record)
    return canonical(record)


def test_a_record_is_read_as_it_was_sealed() -> None:
    (sealed,) = Chain("0" * 32).seal([EVENT])
    read = parse_line(sealed.line.removesuffix(b"\n"))
    assert read.line + b"\n" == sealed.line
    assert read.event_id == EVENT.event_id
    assert receipt_of(read.fields) == sealed.receipt
    assert proves_itself(read.fields)


@pytest.mark.parametrize(
    ("unreadable", "why"),
    [
        (b"", "not JSON"),
        (CANARY.encode(), "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a record"),
        (b'{"eventId": 7}', "not a record"),
        (line(eventId=CANARY), "not a record"),
        (line(tenant=None), "a field is missing or of another type"),
        (line(actor=[CANARY]), "a field is missing or of another type"),
        (line(sequence=True), "a field is missing or of another type"),
        (line(hash="0" * 64), "the hash is another"),
        (line(hash=None), "the hash is another"),
        (line().replace(b'"path":', b'"path": '), "not in canonical form"),
        (line() + b"\n", "not in canonical form"),
        (line().replace(b'"action":"READ"', b'"action":"LIST","action":"READ"'), "not in canonical form"),
        (line().replace(b"payments", b"payment\\ud800"), "not in canonical form"),
        (b"{" + b" " * MAX_LINE_BYTES + b"}", "too long"),
    ],
)
def test_what_is_no_record_or_was_changed_is_refused(unreadable: bytes, why: str) -> None:
    """With a reason that repeats nothing of it."""
    with pytest.raises(RecordUnreadable) as caught:
        parse_line(unreadable)
    assert caught.value.why == why
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=300))
def test_no_line_is_more_than_unreadable(rubbish: bytes) -> None:
    """Whatever somebody puts on the stream, it stops nothing."""
    with pytest.raises(RecordUnreadable):
        parse_line(rubbish)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(field=st.sampled_from(sorted(json.loads(line()))), value=st.one_of(st.text(max_size=20), st.integers()))
def test_no_field_can_be_changed_unnoticed(field: str, value: object) -> None:
    changed = json.loads(line())
    if changed[field] == value:
        return
    changed[field] = value
    with pytest.raises(RecordUnreadable):
        parse_line(canonical(changed))


@pytest.mark.parametrize(
    "text",
    [
        "",
        CANARY,
        EVENT.event_id.upper() + "A",
        "01900000-0000-4000-8000-000000000001",
        f"f{EVENT.event_id[1:]}",
        None,
        7,
    ],
)
def test_only_a_uuid_of_version_7_is_an_event_id(text: object) -> None:
    assert not is_event_id(text)
    assert is_event_id(EVENT.event_id)


@pytest.mark.parametrize(
    "moment", [datetime(2026, 6, 6, 14, 30, 0, 123000, tzinfo=UTC), datetime(2527, 1, 1, tzinfo=UTC)]
)
def test_an_event_id_tells_its_time(moment: datetime) -> None:
    made = uuid7_time(uuid7(moment, b"0123456789"))
    assert abs((made - moment).total_seconds()) <= 0.001
    assert made.tzinfo is UTC
