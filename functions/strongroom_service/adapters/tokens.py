"""The tokens port over PyJWT's signature layer. Which claims make a token good is the domain's to say."""

import json
from collections.abc import Mapping
from typing import Any, Final

from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from strongroom_service.domain.public_keys import ALGORITHMS, PublicKey
from strongroom_service.domain.tokens import Reason, TokenRefused, Unverified

from .crypto_keys import load_key

_KNOWN: Final = PyJWS(algorithms=ALGORITHMS)
"""Knows no other algorithms than ours, `none` and HMAC least of all."""


class JwsTokens:
    """Tokens in JWS's compact serialisation."""

    def parse(self, token: str) -> Unverified:
        """Take a token apart, believing nothing; raises `TokenRefused`."""
        try:
            parsed = _KNOWN.decode_complete(token, options={"verify_signature": False})
        # Deep nesting exhausts the parser's stack; bad text and numbers are ValueErrors.
        except (PyJWTError, ValueError, RecursionError):
            parsed = None
        if parsed is None:
            raise TokenRefused(Reason.MALFORMED)
        return Unverified(parsed["header"], _claims(parsed["payload"]))

    def verify(self, token: str, key: PublicKey, algorithm: str) -> Mapping[str, Any]:
        """The claims, whose signature is the key's by exactly this algorithm; raises `TokenRefused`."""
        if not key.fits(algorithm):
            raise TokenRefused(Reason.ALGORITHM)
        try:
            payload = _KNOWN.decode_complete(token, load_key(key), algorithms=[algorithm])["payload"]
        except (PyJWTError, ValueError):
            payload = None
        if payload is None:
            raise TokenRefused(Reason.SIGNATURE)
        return _claims(payload)


def _claims(payload: bytes) -> Mapping[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        claims = None
    # Raised here: the parser's error would hold the document.
    if not isinstance(claims, dict):
        raise TokenRefused(Reason.MALFORMED)
    return claims
