"""The search for canaries finds them: a search that finds nothing must mean that there is nothing."""

import base64
import gzip
import json
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.canary import is_in

CANARY = 'canary-7f3a"\u00fc'
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "json": lambda text: json.dumps({"value": text}).encode(),
    "json within json": lambda text: json.dumps(json.dumps([text], ensure_ascii=False), ensure_ascii=False).encode(),
    "url": lambda text: quote_plus(text).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 within more": lambda text: base64.b64encode(f"ab{text}cd".encode()),
    "url-safe base64": lambda text: base64.urlsafe_b64encode(f"a{text}".encode()),
    "utf-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(f"line\n{text}\n".encode()),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_a_text_is_found_in_each_of_its_forms(encode: Callable[[str], bytes]) -> None:
    plain = "canary-7f3a91"
    assert is_in(plain, b"before " + encode(plain) if encode is not ENCODINGS["gzip"] else encode(plain))


def test_what_is_not_there_is_not_found() -> None:
    assert not is_in(CANARY, b"canary-7f3b and canary")
    assert not is_in(CANARY, b"\x1f\x8bnot really gzip")


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_base64_is_found_whatever_stands_around_the_text(before: bytes, after: bytes) -> None:
    """Its characters depend on where the text begins; the search knows all three ways."""
    assert is_in(CANARY, base64.b64encode(before + CANARY.encode() + after))
