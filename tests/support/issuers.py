"""Issuers of tokens that are made up for a test: keys of its own run, and tokens by them, good or not."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "strongroom"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A key of this run; another number is another key."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(curve: str = "P-256", number: int = 0) -> ec.EllipticCurvePrivateKey:
    del number
    curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    return ec.generate_private_key(curves[curve])


def jwk(key: PrivateKey, kid: str | None = "key-1", **said: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    public = key.public_key()
    document: dict[str, Any] = (
        RSAAlgorithm.to_jwk(public, as_dict=True)
        if isinstance(public, rsa.RSAPublicKey)
        else ECAlgorithm.to_jwk(public, as_dict=True)
    )
    document.pop("key_ops", None)
    return {**document, **({"kid": kid} if kid else {}), **said}


@dataclass
class TestIssuer:
    """An OpenID Connect issuer with one key."""

    __test__ = False

    url: str = "https://issuer.example"
    key: PrivateKey = field(default_factory=rsa_key)
    kid: str = "key-1"
    algorithm: str = "RS256"
    now: datetime | None = None

    def jwks(self) -> dict[str, Any]:
        return {"keys": [jwk(self.key, self.kid)]}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good ones; None leaves a claim out."""
        now = int(self.now.timestamp() if self.now else time.time())
        good = {"iss": self.url, "sub": "job-1", "aud": AUDIENCE, "iat": now, "exp": now + 300}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(self, *, headers: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        """Signed by the issuer's key unless another one is given."""
        said = {"kid": self.kid, **(headers or {})}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(self.claims(**changes), key or self.key, algorithm=self.algorithm, headers=said)

    def unsigned(self, **changes: Any) -> str:
        """`alg: none`, with nothing for a signature."""
        return handmade({"alg": "none", "kid": self.kid}, self.claims(**changes), b"")

    def by_hmac_of_the_public_key(self, **changes: Any) -> str:
        """What a verifier believes that takes the public key for a secret."""
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        header, claims = {"alg": "HS256", "kid": self.kid}, self.claims(**changes)
        signed = f"{encoded(header)}.{encoded(claims)}".encode()
        return handmade(header, claims, hmac.new(pem, signed, hashlib.sha256).digest())


def later(seconds: float, now: datetime | None = None) -> int:
    """A NumericDate so many seconds from now."""
    return int(((now or datetime.now(UTC)) + timedelta(seconds=seconds)).timestamp())


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def handmade(header: Any, claims: Any, signature: bytes) -> str:
    return f"{encoded(header)}.{encoded(claims)}.{encoded(signature)}"
