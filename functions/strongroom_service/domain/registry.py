"""Who belongs where in a deployment: tenants, issuers of tokens, and the operators who may change both.

One document for the whole deployment, whole and immutable at each revision. It is stored as access sets are: under its
revision, in chunks, found through a pointer that carries its hash.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from . import limits
from .access import Principal
from .access_set import AccessPointer
from .errors import Conflict, InvalidRequest, LockedOut, NotFound, Violation
from .issuers import Issuer, IssuerKind
from .names import NAMESPACE_RULE, is_namespace

SCOPE: Final = "@registry"
"""Where it is stored among the tenants' access sets; no tenant can be called so."""

_FORMAT: Final = 1
_ISSUER_ID: Final = re.compile(limits.POLICY_ID_PATTERN)
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)
_OPERATOR: Final = re.compile(limits.OPERATOR_PATTERN)


class RegistryBroken(Exception):
    """What is stored is not the registry that its pointer names. Refuses everybody; never shown to callers."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Tenants, issuers and operators at one revision. Revision 0 is what the deployment's options say."""

    revision: int = 0
    tenants: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """The AWS accounts of each tenant."""
    issuers: Mapping[str, Issuer] = field(default_factory=lambda: MappingProxyType({}))
    operators: frozenset[str] = frozenset()
    """Principal ids of those who may change the registry."""

    def tenants_of(self, principal: Principal) -> tuple[str, ...]:
        """Every tenant that a principal belongs to, sorted: by its issuer when a token proved it, else by account."""
        if principal.issuer:
            issuer = self.issuers.get(principal.issuer)
            return (issuer.tenant,) if issuer is not None and issuer.vouches_for(principal.id) else ()
        return tuple(sorted(tenant for tenant, accounts in self.tenants.items() if principal.account in accounts))

    def tenant_for(self, principal: Principal, wanted: str | None) -> str:
        """The tenant that a principal acts in: the one that it asks for, if that is its own; none is empty.

        Raises:
            InvalidRequest: the principal belongs to several tenants and asks for none of them.
        """
        tenants = self.tenants_of(principal)
        if wanted is not None:
            return wanted if wanted in tenants else ""
        if len(tenants) > 1:
            rule = "is required: the account belongs to several tenants"
            raise InvalidRequest([Violation("X-Strongroom-Tenant", rule)])
        return tenants[0] if tenants else ""

    def is_operator(self, principal: Principal) -> bool:
        """Whether a principal may change the registry. No token makes an operator."""
        return not principal.issuer and principal.id in self.operators

    def issuer_of(self, *, iss: object, sub: object) -> tuple[str, Issuer] | None:
        """The issuer that has to vouch for a token with these claims, and its id.

        A token that names an OpenID Connect issuer is that issuer's, whatever its subject looks like.
        """
        for issuer_id, issuer in self.issuers.items():
            if issuer.kind is IssuerKind.OIDC and issuer.name == iss:
                return issuer_id, issuer
        for issuer_id, issuer in self.issuers.items():
            if issuer.kind is IssuerKind.SPIFFE and isinstance(sub, str) and issuer.vouches_for(sub):
                return issuer_id, issuer
        return None

    def with_tenant(self, tenant: str, accounts: Iterable[str]) -> "Registry":
        """The next revision, with a tenant added or its accounts replaced. Raises `InvalidRequest`."""
        accounts = frozenset(accounts)
        found = [] if is_namespace(tenant) else [Violation("tenant", NAMESPACE_RULE)]
        if not all(map(_ACCOUNT.fullmatch, accounts)):
            found.append(Violation("accounts", "must be account ids of 12 digits"))
        return self._next(found, tenants={**self.tenants, tenant: accounts})

    def without_tenant(self, tenant: str) -> "Registry":
        """The next revision, without a tenant.

        Raises:
            NotFound: there is no such tenant.
            Conflict: somebody still belongs to it: it has accounts, or issuers.
        """
        if tenant not in self.tenants:
            raise NotFound("There is no such tenant.")
        if self.tenants[tenant]:
            raise Conflict("The tenant has accounts; take them away first.")
        if any(issuer.tenant == tenant for issuer in self.issuers.values()):
            raise Conflict("The tenant has issuers; remove them first.")
        return self._next([], tenants={name: it for name, it in self.tenants.items() if name != tenant})

    def with_issuer(self, issuer_id: str, issuer: Issuer) -> "Registry":
        """The next revision, with an issuer added or replaced. Raises `InvalidRequest`."""
        found = [] if _ISSUER_ID.fullmatch(issuer_id) else [Violation("issuerId", limits.POLICY_ID_RULE)]
        found += issuer.violations()
        if issuer.tenant not in self.tenants:
            found.append(Violation("tenant", "must be a tenant of this deployment"))
        others = (it for name, it in self.issuers.items() if name != issuer_id)
        if any((it.kind, it.name) == (issuer.kind, issuer.name) for it in others):
            found.append(Violation(issuer.name_field, "must not be another entry's"))
        return self._next(found, issuers={**self.issuers, issuer_id: issuer})

    def without_issuer(self, issuer_id: str) -> "Registry":
        """The next revision, without an issuer. Raises `NotFound`."""
        if issuer_id not in self.issuers:
            raise NotFound("There is no such issuer.")
        return self._next([], issuers={name: it for name, it in self.issuers.items() if name != issuer_id})

    def with_operators(self, operators: Iterable[str], *, by: str) -> "Registry":
        """The next revision, with other operators.

        Whoever makes the change (`by`) stays one: so the last one cannot go, and a typing error locks nobody out.

        Raises:
            InvalidRequest: a name is none of an operator.
            LockedOut: the one who makes the change would be none any more.
        """
        operators = frozenset(operators)
        if by not in operators:
            raise LockedOut("You would be no operator any more; another operator can remove you.")
        found = []
        if len(operators) > limits.MAX_OPERATORS:
            found.append(Violation("operators", f"must be at most {limits.MAX_OPERATORS}"))
        if not all(map(_OPERATOR.fullmatch, operators)):
            found.append(Violation("operators", limits.OPERATOR_RULE))
        return self._next(found, operators=operators)

    def _next(
        self,
        violations: list[Violation],
        *,
        tenants: Mapping[str, frozenset[str]] | None = None,
        issuers: Mapping[str, Issuer] | None = None,
        operators: frozenset[str] | None = None,
    ) -> "Registry":
        changed = replace(
            self,
            revision=self.revision + 1,
            tenants=self.tenants if tenants is None else tenants,
            issuers=self.issuers if issuers is None else issuers,
            operators=self.operators if operators is None else operators,
        )
        violations = violations + _beyond_limits(changed)
        if violations:
            raise InvalidRequest(violations)
        return changed

    def says_the_same_as(self, other: "Registry") -> bool:
        """Whether nothing but the revision differs."""
        return replace(self, revision=other.revision) == other

    def encode(self) -> bytes:
        """The document as it is stored: JSON with sorted keys."""
        document = {
            "format": _FORMAT,
            "revision": self.revision,
            "tenants": {tenant: sorted(accounts) for tenant, accounts in self.tenants.items()},
            "issuers": {issuer_id: issuer.as_json() for issuer_id, issuer in self.issuers.items()},
            "operators": sorted(self.operators),
        }
        return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, document: bytes, pointer: AccessPointer) -> "Registry":
        """Read a document back; raises `RegistryBroken` unless it is the one that the pointer names."""
        if hashlib.sha256(document).hexdigest() != pointer.digest:
            raise RegistryBroken("the hash is another")
        found = _parse(document)
        # Raised here: the parser's error would hold the whole document.
        if found is None:
            raise RegistryBroken("the document is not readable")
        if found.revision != pointer.revision:
            raise RegistryBroken("the document is another revision's")
        return found


def _parse(document: bytes) -> Registry | None:
    try:
        content: dict[str, Any] = json.loads(document)
        if content["format"] != _FORMAT:
            return None
        return Registry(
            content["revision"],
            {tenant: frozenset(accounts) for tenant, accounts in content["tenants"].items()},
            {issuer_id: Issuer.from_json(entry) for issuer_id, entry in content["issuers"].items()},
            frozenset(content["operators"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, InvalidRequest):
        return None


def _beyond_limits(found: Registry) -> list[Violation]:
    broken = []
    if len(found.tenants) > limits.MAX_TENANTS:
        broken.append(Violation("tenant", f"must be one of at most {limits.MAX_TENANTS} tenants"))
    if len(found.issuers) > limits.MAX_ISSUERS:
        broken.append(Violation("issuerId", f"must be one of at most {limits.MAX_ISSUERS} issuers"))
    if len(found.encode()) > limits.MAX_REGISTRY_BYTES:
        broken.append(Violation("body", f"must leave the registry at most {limits.MAX_REGISTRY_BYTES} bytes"))
    return broken
