"""Where records lie in the index is a stored format: for 90 days, releases read what other releases wrote."""

import base64
import zlib
from datetime import UTC, datetime

from strongroom_service.adapters.dynamodb import audit_index_layout as layout
from strongroom_service.adapters.dynamodb.audit_index_writer import packs_of
from strongroom_service.domain.audit import Chain
from strongroom_service.domain.audit_record import parse_line
from tests.support.auditing import EVENT

ID = "01971f3e-0000-7000-8000-00000000000a"


def test_keys_of_every_pack() -> None:
    assert layout.of_secret("default", "sec_0123", 1) == "S#default#sec_0123#1"
    assert layout.of_actor("default", "oidc:https://issuer#sub", 0) == "A#default#oidc:https://issuer#sub#0"
    assert layout.of_day("default", "2026-06-06", 1) == "D#default#2026-06-06#1"
    assert layout.of_request("default", "request-1") == "R#default#request-1"
    assert layout.unreadable_partition("2026-06-06") == "UNREADABLE#2026-06-06"
    assert layout.unreadable_sort_key("49", 3) == "49#00003"


def test_a_records_place_follows_from_its_event_id() -> None:
    """Every release must look where every other has written."""
    assert (layout.SHARDS, layout.shard_of(ID), layout.shard_of(ID[:-1] + "b")) == (2, 0, 1)
    assert (layout.day_of(ID), layout.second_of(ID)) == ("2025-05-30", "1748575846")
    assert layout.second_at(datetime(2026, 6, 6, 14, 30, 0, 999_999, tzinfo=UTC)) == "1780756200"
    assert layout.pack_sort_key("1780756200", b"lines") == "1780756200#5ea44c3961f16643e614435496b16115"


def test_attribute_names_are_pinned() -> None:
    names = {key: value for key, value in vars(layout).items() if key.isupper() and isinstance(value, str)}
    assert names == {
        "PK": "PK", "SK": "SK", "LINES": "lines", "EXPIRE_AT": "expireAt", "WHY": "why", "LINE": "line",
        "LENGTH": "length",
    }  # fmt: skip


def test_a_pack_is_stored_as_it_always_was() -> None:
    """The lines byte by byte, compressed by zlib, until ninety days after the first was made."""
    (sealed,) = Chain("0" * 32).seal([EVENT])
    line = sealed.line.removesuffix(b"\n")
    packs = [pack.item for pack in packs_of([parse_line(line)])]
    assert {item["PK"]["S"] for item in packs} == {
        "D#default#2024-06-10#1",
        f"S#default#{EVENT.secret_id}#1",
        f"A#default#{EVENT.actor}#1",
        "R#default#r",
    }
    for item in packs:
        assert set(item) == {"PK", "SK", "lines", "expireAt"}
        assert zlib.decompress(base64.b64decode(item["lines"]["B"])) == line
        assert item["SK"]["S"].startswith(f"{layout.second_of(EVENT.event_id)}#")
        assert int(item["expireAt"]["N"]) == int(layout.second_of(EVENT.event_id)) + 90 * 24 * 3600
