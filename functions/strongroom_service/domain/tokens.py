"""What makes a bearer token one that we believe: rules on its header and its claims, whoever checks the signature.

Sources: RFC 7519 (JWT), RFC 8725 (best current practices), OpenID Connect Core 1.0 section 2, and SPIFFE's JWT-SVID and
SPIFFE-ID specifications (https://github.com/spiffe/spiffe/tree/main/standards).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from . import limits
from .access import Authentication
from .issuers import Issuer, IssuerKind
from .public_keys import ALGORITHMS

_REFUSED_HEADERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit"})
"""Where a token says by which key, or by which further rules, it wants to be checked. That is not its to say."""
_SVID_TYPES: Final = frozenset({"JWT", "JOSE"})
_SPIFFE_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._-]+)+")


class Reason(StrEnum):
    """Why a token is refused, as the audit has it. The caller is told none of it."""

    NO_TOKEN = "no-token"  # noqa: S105  # a reason, not a password
    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    HEADER = "header-refused"
    """It names where to find its key, or extensions that must be understood."""
    ALGORITHM = "algorithm-refused"
    UNKNOWN_ISSUER = "issuer-unknown"
    UNKNOWN_KEY = "key-unknown"
    KEYS_UNAVAILABLE = "keys-unavailable"
    SIGNATURE = "signature-wrong"
    ISSUER = "issuer-wrong"
    AUDIENCE = "audience-wrong"
    NO_TIMES = "times-missing"
    """It says not when it ends, or not when it began."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    LIVES_TOO_LONG = "lives-too-long"
    SUBJECT = "subject-refused"
    FAILED = "check-failed"
    """Something broke on our side."""


class TokenRefused(Exception):
    """A token that is not believed. Carries no part of it."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token as it was parsed; nothing in it is believed yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proven:
    """Who a token proved its bearer to be."""

    principal: str
    issuer: str
    """The issuer's id in the registry."""
    tenant: str
    authentication: Authentication
    issued_at: datetime


def bearer_of(authorization: str | None) -> str:
    """The token in an `Authorization` header (RFC 6750, section 2.1); raises `TokenRefused`."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise TokenRefused(Reason.NO_TOKEN)
    if len(token) > limits.MAX_TOKEN_LENGTH:
        raise TokenRefused(Reason.TOO_LARGE)
    return token


def check_header(header: Mapping[str, Any]) -> str:
    """The algorithm that the token is signed by; raises `TokenRefused`."""
    if not _REFUSED_HEADERS.isdisjoint(header):
        raise TokenRefused(Reason.HEADER)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused(Reason.ALGORITHM)
    return algorithm


def check_issuer_header(header: Mapping[str, Any], issuer: Issuer) -> None:
    """What an issuer's tokens may have in their header; raises `TokenRefused`."""
    if header.get("alg") not in issuer.algorithms:
        raise TokenRefused(Reason.ALGORITHM)
    if issuer.kind is IssuerKind.SPIFFE and header.get("typ", "JWT") not in _SVID_TYPES:
        raise TokenRefused(Reason.HEADER)


def check_claims(claims: Mapping[str, Any], issuer_id: str, issuer: Issuer, *, now: datetime) -> Proven:
    """Who the bearer is, by claims whose signature was verified; raises `TokenRefused`."""
    if issuer.kind is IssuerKind.OIDC and claims.get("iss") != issuer.name:
        raise TokenRefused(Reason.ISSUER)
    _check_audience(claims.get("aud"), issuer)
    issued_at = _check_times(claims, issuer, now=now)
    principal = issuer.principal_of(_subject(claims.get("sub"), issuer))
    # In bytes: it becomes part of keys of the audit's index.
    if len(principal.encode("utf-8", "replace")) > limits.MAX_PRINCIPAL_LENGTH:
        raise TokenRefused(Reason.SUBJECT)
    return Proven(principal, issuer_id, issuer.tenant, Authentication(issuer.kind.value), issued_at)


def _check_audience(said: object, issuer: Issuer) -> None:
    """Every audience must be ours: a token that others take too could be theirs to replay."""
    audiences = [said] if isinstance(said, str) else said
    if not isinstance(audiences, list) or not audiences:
        raise TokenRefused(Reason.AUDIENCE)
    if not all(isinstance(it, str) and it in issuer.audiences for it in audiences):
        raise TokenRefused(Reason.AUDIENCE)


def _check_times(claims: Mapping[str, Any], issuer: Issuer, *, now: datetime) -> datetime:
    """When the token was issued: by `iat`, or by `nbf` where there is none."""
    expires, issued, begins = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    began = issued if issued is not None else begins
    if expires is None or began is None:
        raise TokenRefused(Reason.NO_TIMES)
    if now >= expires:
        raise TokenRefused(Reason.EXPIRED)
    if any(it is not None and it > now + limits.TOKEN_LEEWAY for it in (issued, begins)):
        raise TokenRefused(Reason.NOT_YET_VALID)
    if expires - began > issuer.max_age:
        raise TokenRefused(Reason.LIVES_TOO_LONG)
    return began


def _time(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A NumericDate; raises `TokenRefused` for what is there and is none."""
    said = claims.get(name)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise TokenRefused(Reason.MALFORMED)
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=said)
    except OverflowError:
        raise TokenRefused(Reason.MALFORMED) from None


def _subject(said: object, issuer: Issuer) -> str:
    if not isinstance(said, str) or not said or not said.isprintable():
        raise TokenRefused(Reason.SUBJECT)
    if issuer.kind is IssuerKind.SPIFFE and not _is_spiffe_id_of(said, issuer):
        raise TokenRefused(Reason.SUBJECT)
    return said


def _is_spiffe_id_of(text: str, issuer: Issuer) -> bool:
    """Whether it is the id of a workload of this trust domain, in the one form that such an id has.

    Nothing is normalised: ids in another form than the specification's are refused, so that no two texts mean one
    workload (SPIFFE-ID, section 2).
    """
    if not issuer.vouches_for(text):
        return False
    path = text.removeprefix(f"spiffe://{issuer.name}")
    return _SPIFFE_PATH.fullmatch(path) is not None and not {".", ".."}.intersection(path.split("/"))
