"""Sealed values open for what they were sealed for, and for nothing else."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_service.adapters.envelope.messages import open_message, seal_message
from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.names import SecretName
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.ports import VersionBinding

NAME = SecretName("default", "prod", "payments/db-password")
BINDING = VersionBinding(NAME, "sec_0123-4567-89ab-cdef01234567", 3, 1)
KEY_ID = "0123456789abcdef0123456789abcdef"
KEY = bytearray(range(32))
VECTORS = json.loads(Path(__file__).with_name("stored_messages.json").read_text())


def seal(value: SecretValue, binding: VersionBinding = BINDING) -> bytes:
    return seal_message(value, binding, key_id=KEY_ID, key=KEY)


def opened(
    message: bytes, binding: VersionBinding = BINDING, key_id: str = KEY_ID, key: bytearray = KEY
) -> SecretValue:
    return open_message(message, binding, key_id=key_id, key=key)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["encoding"])
def test_a_stored_message_opens_for_ever(vector: dict[str, str]) -> None:
    """Known answers: messages as this format was first written still open to the same bytes."""
    value = opened(bytes.fromhex(vector["message"]))
    assert value.buffer == bytes.fromhex(vector["plaintext"])
    assert value.is_text == (vector["encoding"] == "utf-8")


def test_messages_name_the_committing_suite() -> None:
    """Version 2 of the message format, algorithm suite 0x0478: key commitment, no signature."""
    assert seal(SecretValue.from_text("made-up"))[:3] == bytes([0x02, 0x04, 0x78])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_text_comes_back_as_text(text: str) -> None:
    """Any text survives and is told from bytes."""
    value = opened(seal(SecretValue.from_text(text)))
    assert value.is_text
    assert value.reveal_text() == text


def test_bytes_come_back_as_bytes() -> None:
    """A value of bytes stays one, even where it would be valid text; the largest fits in one frame."""
    value = opened(seal(SecretValue(bytearray(b"\x00\xff" * 32768), is_text=False)))
    assert not value.is_text
    assert value.buffer == b"\x00\xff" * 32768


@pytest.mark.parametrize(
    "other",
    [
        replace(BINDING, number=4),
        replace(BINDING, epoch=2),
        replace(BINDING, secret_id="sec_ffff-4567-89ab-cdef01234567"),
        replace(BINDING, name=replace(NAME, path="payments/other")),
        replace(BINDING, name=replace(NAME, environment="test")),
        replace(BINDING, name=replace(NAME, tenant="other")),
    ],
    ids=["version", "epoch", "secretId", "path", "environment", "tenant"],
)
def test_a_message_that_was_moved_does_not_open(other: VersionBinding) -> None:
    """An envelope copied to another version, epoch, secret, path, environment or tenant stays shut."""
    with pytest.raises(IntegrityFailure):
        opened(seal(SecretValue.from_text("made-up")), other)


def test_another_key_or_key_id_does_not_open_it() -> None:
    """The namespace key and its id are part of the message."""
    message = seal(SecretValue.from_text("made-up"))
    with pytest.raises(IntegrityFailure):
        opened(message, key=bytearray(32))
    with pytest.raises(IntegrityFailure):
        opened(message, key_id="f" * 32)


def test_no_changed_bit_and_no_cut_goes_unnoticed() -> None:
    """Every byte changed, and every prefix, is an integrity failure that carries no cause with it."""
    message = seal(SecretValue.from_text("CANARY-VALUE"))
    changed = [message[:i] + bytes([message[i] ^ 1]) + message[i + 1 :] for i in range(len(message))]
    for damaged in [*changed, *(message[:i] for i in range(len(message)))]:
        with pytest.raises(IntegrityFailure) as failed:
            opened(damaged)
        assert failed.value.__cause__ is None
        assert "CANARY" not in str(failed.value)


def test_two_messages_of_one_value_share_nothing_visible() -> None:
    """Each message has a data key and an id of its own."""
    first, second = seal(SecretValue.from_text("made-up")), seal(SecretValue.from_text("made-up"))
    assert first[3:35] != second[3:35]
    assert first[-40:] != second[-40:]


def test_the_encryption_library_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Not even at DEBUG, where it would describe keys and contexts."""
    with caplog.at_level(logging.DEBUG):
        opened(seal(SecretValue.from_text("CANARY-VALUE")))
    assert [record for record in caplog.records if record.name.startswith("aws_encryption_sdk")] == []
