"""Issuers of tokens, as a deployment trusts them: whose tokens, for which audience, by which keys, for which tenant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from . import limits
from .errors import Violation
from .public_keys import ALGORITHMS, KeySet

_HTTPS: Final = re.compile(limits.HTTPS_URL_PATTERN)
_TRUST_DOMAIN: Final = re.compile(limits.TRUST_DOMAIN_PATTERN)
_SPIFFE: Final = "spiffe://"
_OIDC: Final = "oidc:"


class IssuerKind(StrEnum):
    """How an issuer's tokens are read."""

    OIDC = "oidc"
    """OpenID Connect: the token names its issuer, and a subject."""
    SPIFFE = "spiffe"
    """SPIFFE JWT-SVID: the subject names its trust domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer. Exactly one of `jwks_uri` and `keys` says by which keys it signs."""

    kind: IssuerKind
    name: str
    """The issuer's URL, letter by letter as its tokens have it; of SPIFFE the trust domain."""
    audiences: frozenset[str]
    tenant: str
    jwks_uri: str | None = None
    keys: KeySet | None = None
    algorithms: frozenset[str] = frozenset(ALGORITHMS)
    max_age: timedelta = limits.DEFAULT_TOKEN_AGE
    """The longest that one of its tokens may live."""

    @property
    def name_field(self) -> str:
        """What the name is called in requests."""
        return "issuer" if self.kind is IssuerKind.OIDC else "trustDomain"

    def principal_of(self, sub: str) -> str:
        """The principal id of a subject. No two issuers' subjects meet: no URL of an issuer has a `#`."""
        return sub if self.kind is IssuerKind.SPIFFE else f"{_OIDC}{self.name}#{sub}"

    def vouches_for(self, principal: str) -> bool:
        """Whether a principal id is one that this issuer may speak of."""
        scope = f"{_OIDC}{self.name}#" if self.kind is IssuerKind.OIDC else f"{_SPIFFE}{self.name}/"
        return principal.startswith(scope)

    def violations(self) -> list[Violation]:
        """The rules that the issuer breaks, by the fields of requests."""
        pattern, rule = (
            (_HTTPS, limits.HTTPS_URL_RULE)
            if self.kind is IssuerKind.OIDC
            else (_TRUST_DOMAIN, limits.TRUST_DOMAIN_RULE)
        )
        found = [] if pattern.fullmatch(self.name) else [Violation(self.name_field, rule)]
        if not 1 <= len(self.audiences) <= limits.MAX_AUDIENCES or not all(map(_is_audience, self.audiences)):
            found.append(
                Violation(
                    "audiences",
                    f"must be 1 to {limits.MAX_AUDIENCES} texts of 1 to {limits.MAX_AUDIENCE_LENGTH} "
                    "printable characters",
                )
            )
        if (self.jwks_uri is None) == (self.keys is None):
            found.append(Violation("jwksUri", "must be given, or jwks, but not both"))
        if self.jwks_uri is not None and not _HTTPS.fullmatch(self.jwks_uri):
            found.append(Violation("jwksUri", limits.HTTPS_URL_RULE))
        if not self.algorithms or not self.algorithms <= set(ALGORITHMS):
            found.append(Violation("algorithms", f"must be one or more of {', '.join(ALGORITHMS)}"))
        if not limits.MIN_TOKEN_AGE <= self.max_age <= limits.MAX_TOKEN_AGE:
            low, high = (int(it.total_seconds()) for it in (limits.MIN_TOKEN_AGE, limits.MAX_TOKEN_AGE))
            found.append(Violation("maxAgeSeconds", f"must be a whole number from {low} to {high}"))
        return found

    def as_json(self) -> dict[str, Any]:
        """The issuer as it is stored and shown; what is not said is left out."""
        said: dict[str, Any] = {
            "kind": str(self.kind),
            self.name_field: self.name,
            "audiences": sorted(self.audiences),
            "tenant": self.tenant,
            "algorithms": sorted(self.algorithms),
            "maxAgeSeconds": int(self.max_age.total_seconds()),
        }
        if self.jwks_uri is not None:
            said["jwksUri"] = self.jwks_uri
        if self.keys is not None:
            said["jwks"] = self.keys.as_json()
        return said

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Issuer":
        """Read what `as_json` wrote; raises `KeyError`, `TypeError`, `ValueError` or `InvalidRequest`."""
        kind = IssuerKind(entry["kind"])
        jwks = entry.get("jwks")
        return cls(
            kind=kind,
            name=entry["issuer" if kind is IssuerKind.OIDC else "trustDomain"],
            audiences=frozenset(entry["audiences"]),
            tenant=entry["tenant"],
            jwks_uri=entry.get("jwksUri"),
            keys=None if jwks is None else KeySet.strictly(jwks),
            algorithms=frozenset(entry["algorithms"]),
            max_age=timedelta(seconds=entry["maxAgeSeconds"]),
        )


def _is_audience(text: str) -> bool:
    return 1 <= len(text) <= limits.MAX_AUDIENCE_LENGTH and text.isprintable()
