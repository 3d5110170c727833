"""Signature version 4 for the few calls of the read path: POST to `/` of a regional endpoint, body and headers signed.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Tests compare
each signature with botocore's. Written here because botocore's general signer takes most of a warm read's
processor time; the derived key, which changes once a day, is kept between calls.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class FrozenCredentials(NamedTuple):
    """One consistent set of credentials."""

    access_key: str
    secret_key: str
    token: str | None


class _SigningKey(NamedTuple):
    secret_key: str
    date: str
    key: bytes


class Signer:
    """Signs requests to one service in one region."""

    def __init__(self, *, service: str, region: str, host: str) -> None:
        self._service = service
        self._region = region
        self._host = host
        self._cached: _SigningKey | None = None

    def sign(
        self, body: bytes, headers: Mapping[str, str], *, credentials: FrozenCredentials, now: datetime
    ) -> dict[str, str]:
        """The headers to send: those given (lower-case names), and the signature over all of them and the body."""
        timestamp = now.strftime("%Y%m%dT%H%M%SZ")
        date = timestamp[:8]
        signed = {**headers, "host": self._host, "x-amz-date": timestamp}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = sorted(signed)
        canonical_headers = "".join([f"{name}:{signed[name]}\n" for name in names])
        signed_names = ";".join(names)
        payload_hash = hashlib.sha256(body).hexdigest()
        canonical = f"POST\n/\n\n{canonical_headers}\n{signed_names}\n{payload_hash}"
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._key(credentials.secret_key, date), to_sign.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed_names}, Signature={signature}"
        )
        return signed

    def _key(self, secret_key: str, date: str) -> bytes:
        cached = self._cached
        if cached is None or cached.date != date or cached.secret_key != secret_key:
            key = b"AWS4" + secret_key.encode()
            for part in (date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            cached = self._cached = _SigningKey(secret_key, date, key)
        return cached.key
