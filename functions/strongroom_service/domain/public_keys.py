"""Public keys by which tokens are verified (RFC 7517, 7518), and the algorithms that they may be used with.

Only asymmetric signatures: a key that verifies must never be one that signs. What is private or symmetric is refused,
however it got here.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import limits
from .errors import InvalidRequest, Violation

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""All that a token may be signed with (RFC 7518, section 3.1)."""

_CURVE_OF: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_COORDINATE_BYTES: Final = {"P-256": 32, "P-384": 48, "P-521": 66}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_USES: Final = frozenset({"sig", "jwt-svid"})
"""`jwt-svid` marks the keys for tokens in a SPIFFE bundle, beside those for certificates."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key: of RSA the modulus and exponent, of an elliptic curve its name and a point, in base64url."""

    kid: str | None
    kty: str
    parameters: tuple[tuple[str, str], ...]
    alg: str | None = None
    """The only algorithm that the key is for; None: any that fits its type."""

    def fits(self, algorithm: str) -> bool:
        """Whether a signature by this algorithm can be of this key."""
        if self.alg not in {None, algorithm}:
            return False
        if self.kty == "EC":
            return _CURVE_OF.get(algorithm) == dict(self.parameters)["crv"]
        return algorithm in ALGORITHMS and algorithm not in _CURVE_OF

    def as_json(self) -> dict[str, str]:
        """The key as a JWK."""
        said = {"kty": self.kty, **dict(self.parameters), "use": "sig"}
        if self.kid is not None:
            said["kid"] = self.kid
        if self.alg is not None:
            said["alg"] = self.alg
        return said


@dataclass(frozen=True, slots=True)
class KeySet:
    """An issuer's keys."""

    keys: tuple[PublicKey, ...]

    def find(self, kid: object) -> PublicKey | None:
        """The key that a token names; one that names none means the only one."""
        if kid is None:
            return self.keys[0] if len(self.keys) == 1 else None
        named = [key for key in self.keys if key.kid == kid]
        return named[0] if len(named) == 1 else None

    def as_json(self) -> dict[str, Any]:
        """The keys as a JWK set."""
        return {"keys": [key.as_json() for key in self.keys]}

    @classmethod
    def strictly(cls, document: object, *, field: str = "jwks") -> "KeySet":
        """Read keys that somebody entrusts to us: each must be fit. Raises `InvalidRequest`."""
        entries = _entries(document)
        if entries is None or not 1 <= len(entries) <= limits.MAX_INLINE_KEYS:
            rule = f"must be an object with keys, a list of 1 to {limits.MAX_INLINE_KEYS}"
            raise InvalidRequest([Violation(field, rule)])
        found: list[PublicKey] = []
        violations: list[Violation] = []
        for index, entry in enumerate(entries):
            try:
                found.append(_read(entry))
            except _Unfit as unfit:
                violations.append(Violation(f"{field}.keys[{index}]", str(unfit)))
        kids = [key.kid for key in found]
        if len(found) > 1 and (None in kids or len(set(kids)) != len(kids)):
            violations.append(Violation(field, "must give each of several keys a kid of its own"))
        if violations:
            raise InvalidRequest(violations)
        return cls(tuple(found))

    @classmethod
    def leniently(cls, document: object) -> "KeySet | None":
        """Read what an issuer publishes: keys that are not fit are left out. None when it is no key set."""
        entries = _entries(document)
        if entries is None or len(entries) > limits.MAX_PUBLISHED_KEYS:
            return None
        found = []
        for entry in entries:
            try:
                found.append(_read(entry))
            except _Unfit:
                continue
        return cls(tuple(found))


def _entries(document: object) -> list[Any] | None:
    entries = document.get("keys") if isinstance(document, Mapping) else None
    return entries if isinstance(entries, list) else None


class _Unfit(ValueError):
    """A key breaks a rule; carries the rule in words."""


def _read(entry: object) -> PublicKey:
    """The key; raises `_Unfit`."""
    if not isinstance(entry, Mapping):
        raise _Unfit("must be an object")
    if entry.get("kty") == "oct" or "k" in entry:
        raise _Unfit("must not be a symmetric key: whoever verifies by one can sign by it")
    if not _PRIVATE.isdisjoint(entry):
        raise _Unfit("must not have private parts; publish the public key, and replace this one: it is known now")
    kid, alg, use = entry.get("kid"), entry.get("alg"), entry.get("use")
    if not (kid is None or (isinstance(kid, str) and 1 <= len(kid) <= limits.MAX_KID_LENGTH and kid.isprintable())):
        raise _Unfit(f"must have as kid, if any, 1 to {limits.MAX_KID_LENGTH} printable characters")
    if not (use is None or (isinstance(use, str) and use in _USES)):
        raise _Unfit("must be for signatures: use is sig, jwt-svid or left out")
    key = PublicKey(kid, str(entry.get("kty")), _parameters(entry), alg)
    if not (alg is None or (isinstance(alg, str) and key.fits(alg))):
        raise _Unfit("must have as alg, if any, an algorithm that its type can be used with")
    return key


def _parameters(entry: Mapping[Any, Any]) -> tuple[tuple[str, str], ...]:
    if entry.get("kty") == "RSA":
        modulus, exponent = _integer(entry.get("n")), _integer(entry.get("e"))
        if not modulus or not limits.MIN_RSA_BITS <= modulus.bit_length() <= limits.MAX_RSA_BITS:
            raise _Unfit(f"must have a modulus n of {limits.MIN_RSA_BITS} to {limits.MAX_RSA_BITS} bits")
        if not exponent or exponent % 2 == 0 or not limits.MIN_RSA_EXPONENT <= exponent < 1 << 32:
            raise _Unfit("must have an odd exponent e of at least 65537")
        return ("n", str(entry["n"])), ("e", str(entry["e"]))
    if entry.get("kty") == "EC":
        size = _COORDINATE_BYTES.get(str(entry.get("crv")))
        if size is None:
            raise _Unfit("must be on P-256, P-384 or P-521")
        points = [_bytes(entry.get(name)) for name in ("x", "y")]
        if any(point is None or len(point) != size for point in points):
            raise _Unfit(f"must have coordinates x and y of {size} bytes")
        return ("crv", str(entry["crv"])), ("x", str(entry["x"])), ("y", str(entry["y"]))
    raise _Unfit("must have as kty RSA or EC")


def _integer(text: object) -> int | None:
    found = _bytes(text)
    return int.from_bytes(found, "big") if found else None


def _bytes(text: object) -> bytes | None:
    """Read base64url without padding."""
    if not isinstance(text, str) or not text.isascii() or len(text) > limits.MAX_KEY_PART_LENGTH:
        return None
    if not text.replace("-", "").replace("_", "").isalnum():
        return None
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return None
