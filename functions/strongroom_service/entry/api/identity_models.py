"""Requests and answers about tenants, issuers and operators."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from strongroom_service.domain import limits
from strongroom_service.domain.issuers import Issuer, IssuerKind
from strongroom_service.domain.names import NAMESPACE_RULE, is_namespace
from strongroom_service.domain.public_keys import ALGORITHMS, KeySet
from strongroom_service.domain.registry import Registry

from . import fields as f
from .answers import Answer
from .models import Body, Strict

_DEFAULT_AGE = int(limits.DEFAULT_TOKEN_AGE.total_seconds())
_MIN_AGE, _MAX_AGE = (int(age.total_seconds()) for age in (limits.MIN_TOKEN_AGE, limits.MAX_TOKEN_AGE))
_EXPECTED = "The revision that is expected to be in force; another one is 409."

Tenant = Annotated[
    str, f.TextRule(is_namespace, NAMESPACE_RULE, {"pattern": limits.NAMESPACE_PATTERN, "examples": ["payments"]})
]
IssuerId = Annotated[str, f.matches(f"^{limits.POLICY_ID_PATTERN}$", limits.POLICY_ID_RULE, examples=["github"])]
Account = Annotated[str, f.matches(r"^[0-9]{12}$", "must be account ids of 12 digits", examples=["111122223333"])]
Operator = Annotated[
    str,
    f.matches(
        f"^{limits.OPERATOR_PATTERN}$", limits.OPERATOR_RULE, examples=["iam:arn:aws:iam::111122223333:role/operator"]
    ),
]
Audience = Annotated[
    str,
    f.TextRule(
        lambda text: bool(text) and text.isprintable(),
        "must be printable characters",
        {"minLength": 1, "examples": ["strongroom"]},
    ),
    Field(max_length=limits.MAX_AUDIENCE_LENGTH),
]
Algorithm = Annotated[
    str,
    f.TextRule(frozenset(ALGORITHMS).__contains__, f"must be {', '.join(ALGORITHMS)}", {"enum": list(ALGORITHMS)}),
]
HttpsUrl = Annotated[
    str,
    f.TextRule(
        re.compile(limits.HTTPS_URL_PATTERN).fullmatch,
        limits.HTTPS_URL_RULE,
        {"pattern": "^https://", "maxLength": 512, "examples": ["https://token.actions.githubusercontent.com"]},
    ),
]
TrustDomain = Annotated[
    str,
    f.matches(f"^{limits.TRUST_DOMAIN_PATTERN}$", limits.TRUST_DOMAIN_RULE, examples=["prod.example.org"]),
]
Revision = Annotated[int, Field(ge=0, description="Of the registry; 0 is what the deployment's options say.")]
ExpectedRevision = Annotated[int | None, Field(ge=0, description=_EXPECTED)]


class PutTenantRequest(Body):
    """Whose a tenant is."""

    accounts: Annotated[
        list[Account], Field(max_length=200, description="AWS accounts; none for a tenant of tokens alone.")
    ]
    administrators: Annotated[
        list[Operator],
        Field(max_length=10, description="Who may write policies; refused once the tenant has policies."),
    ] = Field(default_factory=list)
    expected_revision: ExpectedRevision = None


class PutOperatorsRequest(Body):
    """All who may change tenants, issuers and operators from now on."""

    operators: Annotated[list[Operator], Field(max_length=limits.MAX_OPERATORS)]
    expected_revision: ExpectedRevision = None


class PutIssuerRequest(Body):
    """An issuer of tokens: whose tokens, for which audiences, by which keys, for which tenant."""

    kind: Literal["oidc", "spiffe"]
    issuer: Annotated[HttpsUrl | None, Field(description="Of oidc: `iss`, letter by letter.")] = None
    trust_domain: Annotated[TrustDomain | None, Field(description="Of spiffe.")] = None
    audiences: Annotated[
        list[Audience],
        Field(min_length=1, max_length=limits.MAX_AUDIENCES, description="Every audience of a token must be one."),
    ]
    tenant: Tenant
    jwks_uri: Annotated[HttpsUrl | None, Field(description="Where its public keys are published.")] = None
    jwks: Annotated[
        dict[str, Any] | None, Field(description="Its public keys, instead of jwksUri: a JWK set (RFC 7517).")
    ] = None
    algorithms: Annotated[list[Algorithm], Field(min_length=1, max_length=len(ALGORITHMS))] = Field(
        default_factory=lambda: list(ALGORITHMS)
    )
    max_age_seconds: Annotated[
        int, Field(ge=_MIN_AGE, le=_MAX_AGE, description="The longest that a token may live, from iat to exp.")
    ] = _DEFAULT_AGE
    expected_revision: ExpectedRevision = None

    @model_validator(mode="after")
    def _has_a_name_and_keys(self) -> "PutIssuerRequest":
        is_oidc = IssuerKind(self.kind) is IssuerKind.OIDC
        if (self.issuer is not None) != is_oidc or (self.trust_domain is None) != is_oidc:
            raise PydanticCustomError(f.RULE, "must have issuer when kind is oidc, and trustDomain when it is spiffe")
        if (self.jwks_uri is None) == (self.jwks is None):
            raise PydanticCustomError(f.RULE, "must have exactly one of jwksUri and jwks")
        return self

    def to_issuer(self) -> Issuer:
        """The issuer; raises `InvalidRequest` for keys that are not fit."""
        return Issuer(
            kind=IssuerKind(self.kind),
            name=self.issuer or self.trust_domain or "",
            audiences=frozenset(self.audiences),
            tenant=self.tenant,
            jwks_uri=self.jwks_uri,
            keys=None if self.jwks is None else KeySet.strictly(self.jwks),
            algorithms=frozenset(self.algorithms),
            max_age=timedelta(seconds=self.max_age_seconds),
        )


class RevisionQuery(Strict):
    """Which revision is expected to be in force."""

    expected_revision: Annotated[
        Annotated[str, f.whole_number(0, 999_999_999)] | None, Field(description=_EXPECTED)
    ] = None

    def number(self) -> int | None:
        """The revision."""
        return None if self.expected_revision is None else int(self.expected_revision)


class TenantDescribed(Answer):
    """A tenant and its accounts."""

    tenant: Tenant
    accounts: Sequence[Account]


class TenantStored(TenantDescribed):
    """A tenant as it is now."""

    revision: Revision


class TenantList(Answer):
    """All tenants of the deployment."""

    items: Sequence[TenantDescribed]
    revision: Revision

    @classmethod
    def of(cls, registry: Registry) -> "TenantList":
        """All that a registry has."""
        items = [TenantDescribed(tenant=name, accounts=sorted(it)) for name, it in sorted(registry.tenants.items())]
        return cls(items=items, revision=registry.revision)


class IssuerDescribed(Answer):
    """An issuer; either of `issuer` and `trustDomain` is null, and either of `jwksUri` and `jwks`."""

    issuer_id: IssuerId
    kind: Literal["oidc", "spiffe"]
    issuer: str | None = None
    trust_domain: str | None = None
    audiences: Sequence[str]
    tenant: str
    jwks_uri: str | None = None
    jwks: dict[str, Any] | None = None
    algorithms: Sequence[str]
    max_age_seconds: int


class IssuerStored(IssuerDescribed):
    """An issuer as it is now."""

    revision: Revision

    @classmethod
    def of(cls, issuer_id: str, registry: Registry) -> "IssuerStored":
        """An issuer that a registry has."""
        entry = registry.issuers[issuer_id].as_json()
        return cls.model_validate({"issuerId": issuer_id, **entry, "revision": registry.revision})


class IssuerList(Answer):
    """All issuers of the deployment."""

    items: Sequence[IssuerDescribed]
    revision: Revision

    @classmethod
    def of(cls, registry: Registry) -> "IssuerList":
        """All that a registry has."""
        items = [
            IssuerDescribed.model_validate({"issuerId": issuer_id, **issuer.as_json()})
            for issuer_id, issuer in sorted(registry.issuers.items())
        ]
        return cls(items=items, revision=registry.revision)


class Operators(Answer):
    """Who may change tenants, issuers and operators."""

    operators: Sequence[str]
    revision: Revision

    @classmethod
    def of(cls, registry: Registry) -> "Operators":
        """Those that a registry has."""
        return cls(operators=sorted(registry.operators), revision=registry.revision)


class RegistryRevision(Answer):
    """The registry in force after a change."""

    revision: Revision
