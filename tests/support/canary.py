"""Finds a text in anything, however it was encoded on its way there."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from urllib.parse import quote

_GZIP = b"\x1f\x8b"


def forms(text: str) -> set[bytes]:
    """A text as it is, escaped for JSON and URLs, as hex, as UTF-16, and within base64 at each of its three offsets."""
    raw = text.encode()
    found = {
        raw,
        json.dumps(text)[1:-1].encode(),
        quote(text, safe="").encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
    }
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(bytes(offset) + raw)
            # The first and last characters depend on the neighbours' bits.
            found.add(encoded[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6])
    return found


def is_in(text: str, data: bytes) -> bool:
    """Whether a text stands in some bytes in any of its forms, compressed by gzip or not."""
    return any(form in layer for layer in _layers(data) for form in forms(text))


def _layers(data: bytes) -> Iterator[bytes]:
    yield data
    if data.startswith(_GZIP):
        try:
            yield gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return
