"""Heads survive the table: encoded, stored, decoded, in both forms that binary attributes come in."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from strongroom_service.adapters.dynamodb.codec import (
    decode_envelope,
    decode_head,
    decode_namespace_keys,
    encode_envelope,
    encode_head,
    encode_namespace_keys,
)
from strongroom_service.domain.errors import IntegrityFailure
from strongroom_service.domain.names import Alias, SecretName
from strongroom_service.domain.secret import (
    ClientToken,
    Envelope,
    Head,
    NamespaceKeys,
    RotationDue,
    SecretStatus,
    VersionRecord,
    VersionStatus,
    WrappedNamespaceKey,
)

NAME = SecretName("default", "prod", "payments/db-password")
NOW = datetime(2026, 6, 6, 14, 30, 0, 123000, tzinfo=UTC)
ENVELOPE = Envelope(b"\x02message", "0" * 32, b"wrapped", "mrk-0123456789abcdef0123456789abcdef")
HEAD = Head(
    name=NAME,
    secret_id="sec_0123-4567-89ab-cdef01234567",
    owner_team="payments",
    rotation_strategy="automated-30d",
    status=SecretStatus.ACTIVE,
    epoch=1,
    revision=7,
    created_at=NOW,
    updated_at=NOW,
    description="the ledger's password",
    tags={"tier": "1"},
    latest_version=3,
    aliases={Alias.CURRENT: 2, Alias.NEXT: 3},
    versions={
        1: VersionRecord(VersionStatus.DESTROYED, 1, NOW, NOW, None, 0),
        2: VersionRecord(VersionStatus.CURRENT, 1, NOW, NOW, "f" * 64, 1_800_000_000),
        3: VersionRecord(VersionStatus.PENDING, 1, NOW, None, "e" * 64, 0),
    },
    envelopes={2: ENVELOPE, 3: ENVELOPE},
    client_tokens=(ClientToken("d" * 64, "propose", 3, NOW),),
)
STORED_HEAD = Path(__file__).with_name("stored_head.json")
KEYS = NamespaceKeys(
    active=WrappedNamespaceKey("default", "prod", "a" * 32, b"wrapped", "mrk-0123456789abcdef0123456789abcdef"),
    digests=WrappedNamespaceKey("default", "prod", "d" * 32, b"another", "mrk-0123456789abcdef0123456789abcdef"),
)
STORED_KEYS = Path(__file__).with_name("stored_namespace_keys.json")


def as_json_brings_it(value: Any) -> Any:
    """DynamoDB's JSON has base64 text where botocore has bytes."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: as_json_brings_it(inner) for key, inner in value.items()}
    return [as_json_brings_it(inner) for inner in value] if isinstance(value, list) else value


def assert_same(decoded: Head, head: Head) -> None:
    as_dicts = replace(decoded, versions=dict(decoded.versions), envelopes=dict(decoded.envelopes))
    assert as_dicts == head


@pytest.mark.parametrize("bring", [lambda item: item, as_json_brings_it], ids=["bytes", "base64"])
def test_a_head_comes_back_as_it_went(bring: Any) -> None:
    """All fields survive, whichever client brings the item."""
    assert_same(decode_head(bring(encode_head(HEAD)), NAME), HEAD)


def test_a_stored_head_is_read_for_ever() -> None:
    """The known answer: an item as this format was first written decodes to the same head."""
    assert_same(decode_head(json.loads(STORED_HEAD.read_text()), NAME), HEAD)
    assert as_json_brings_it(encode_head(HEAD)) == json.loads(STORED_HEAD.read_text())


DUE = RotationDue(NOW, "break-glass", "bg_0197f6b1-4f6c-7b1e-9d43-1f6f6f0f3c11", 2)


def test_a_stored_flag_is_read_for_ever_and_heads_without_one_stay_as_they_were() -> None:
    """The known answer of what was added: one attribute, absent where nothing is due."""
    stored = json.loads(STORED_HEAD.read_text())
    assert "rotationDue" not in stored
    stored["rotationDue"] = {
        "M": {
            "since": {"S": "2026-06-06T14:30:00.123Z"},
            "reason": {"S": "break-glass"},
            "grantId": {"S": "bg_0197f6b1-4f6c-7b1e-9d43-1f6f6f0f3c11"},
            "version": {"N": "2"},
        }
    }
    flagged = replace(HEAD, rotation_due=DUE)
    assert_same(decode_head(stored, NAME), flagged)
    assert as_json_brings_it(encode_head(flagged)) == stored


def test_versions_and_envelopes_are_looked_up_by_number() -> None:
    """A decoded head answers for the numbers it has, and only for those."""
    head = decode_head(encode_head(HEAD), NAME)
    assert list(head.versions) == [1, 2, 3]
    assert len(head.envelopes) == 2
    assert 2 in head.envelopes
    assert head.envelopes.get(1) is None


def test_a_tombstone_leaves_the_index() -> None:
    """A purged head has no index partition, so listings never see it; a deleted one is listed."""
    assert "namespace" in encode_head(replace(HEAD, status=SecretStatus.DELETED, deleted_at=NOW, restore_until=NOW))
    assert "namespace" not in encode_head(replace(HEAD, status=SecretStatus.PURGED))


def test_the_projection_of_the_index_is_a_head_without_versions() -> None:
    """What a listing brings decodes too."""
    item = {k: v for k, v in encode_head(HEAD).items() if k not in {"versions", "envelopes", "clientTokens"}}
    head = decode_head(item, NAME)
    assert head.aliases == HEAD.aliases
    assert not head.versions
    assert not head.envelopes


@pytest.mark.parametrize(
    "damage",
    [
        {"status": {"S": "ELSE"}},
        {"revision": {"N": "x"}},
        {"createdAt": {"S": "yesterday"}},
        {"aliases": {"M": {"other": {"N": "1"}}}},
        {"secretId": {"N": "1"}},
        {"rotationDue": {"M": {}}},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_damaged_head_is_an_integrity_failure(damage: dict[str, Any]) -> None:
    """What does not decode is reported as such, without what was found."""
    with pytest.raises(IntegrityFailure) as failed:
        decode_head({**encode_head(HEAD), **damage}, NAME)
    assert failed.value.__cause__ is None


def test_a_damaged_version_is_an_integrity_failure_when_it_is_looked_at() -> None:
    """Entries are decoded one by one: damage of one does not hide the others."""
    item = encode_head(HEAD)
    item["versions"]["M"]["3"]["M"].pop("status")
    head = decode_head(item, NAME)
    assert head.versions[2].status is VersionStatus.CURRENT
    with pytest.raises(IntegrityFailure):
        head.versions[3]


def test_envelopes_and_namespace_keys_come_back_as_they_went() -> None:
    """Binary parts survive in both forms, and what is no base64 is an integrity failure."""
    for bring in (dict, as_json_brings_it):
        assert decode_envelope(bring(encode_envelope(ENVELOPE))) == ENVELOPE
        assert decode_namespace_keys(bring(encode_namespace_keys(KEYS))) == KEYS
    with pytest.raises(IntegrityFailure):
        decode_envelope({**encode_envelope(ENVELOPE), "blob": {"B": "no base64!"}})
    with pytest.raises(IntegrityFailure):
        decode_namespace_keys({})


@pytest.mark.parametrize("damage", [{"digestKey": {"M": {}}}, {"digestKey": {"S": "d"}}, {"keyId": {"N": "1"}}])
def test_damaged_namespace_keys_are_an_integrity_failure(damage: dict[str, Any]) -> None:
    with pytest.raises(IntegrityFailure):
        decode_namespace_keys({**encode_namespace_keys(KEYS), **damage})


def test_stored_namespace_keys_are_read_for_ever() -> None:
    """The known answers: the format of today, and the one before, in which one key was for everything."""
    stored = json.loads(STORED_KEYS.read_text())
    assert as_json_brings_it(encode_namespace_keys(KEYS)) == stored["withDigestKey"]
    assert decode_namespace_keys(stored["withDigestKey"]) == KEYS
    assert decode_namespace_keys(stored["oneKey"]) == NamespaceKeys(KEYS.active, KEYS.active)
