"""Who belongs where: the registry's rules, and its stored form."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from strongroom_service.domain.access import Principal
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.errors import Conflict, InvalidRequest, LockedOut, NotFound
from strongroom_service.domain.issuers import Issuer, IssuerKind
from strongroom_service.domain.names import is_namespace
from strongroom_service.domain.public_keys import KeySet, PublicKey
from strongroom_service.domain.registry import SCOPE, Registry, RegistryBroken
from tests.support.issuers import jwk, rsa_key

ACCOUNT, OTHER = "111122223333", "444455556666"
OPERATOR = f"iam:arn:aws:iam::{ACCOUNT}:role/operator"
OIDC = Issuer(
    kind=IssuerKind.OIDC,
    name="https://issuer.example",
    audiences=frozenset({"strongroom"}),
    tenant="blue",
    jwks_uri="https://issuer.example/keys",
)
SPIFFE = replace(OIDC, kind=IssuerKind.SPIFFE, name="prod.example.org")
REGISTRY = Registry(tenants={"blue": frozenset({ACCOUNT}), "green": frozenset()}, operators=frozenset({OPERATOR}))
FULL = REGISTRY.with_issuer("ci", OIDC).with_issuer("svids", SPIFFE)

STORED = (
    b'{"format":1,"issuers":{"ci":{"algorithms":["RS256"],"audiences":["strongroom"],"issuer":"https://issuer.example",'
    b'"jwks":{"keys":[{"alg":"ES256","crv":"P-256","kid":"k","kty":"EC","use":"sig","x":"'
    + b"A" * 43
    + b'","y":"'
    + b"A" * 43
    + b'"}]},"kind":"oidc","maxAgeSeconds":600,"tenant":"blue"},"svids":{"algorithms":["ES256"],"audiences":'
    b'["strongroom"],"jwksUri":"https://spire.example/keys","kind":"spiffe","maxAgeSeconds":3600,"tenant":"blue",'
    b'"trustDomain":"prod.example.org"}},"operators":["iam:arn:aws:iam::111122223333:role/operator"],"revision":7,'
    b'"tenants":{"blue":["111122223333"],"green":[]}}'
)
"""A registry as it is stored. It may never change for what exists: a new format reads this one."""


def test_the_stored_form_is_pinned() -> None:
    """Written so, and read so."""
    parameters = (("crv", "P-256"), ("x", "A" * 43), ("y", "A" * 43))
    keys = KeySet((PublicKey("k", "EC", parameters, "ES256"),))
    ci = replace(OIDC, jwks_uri=None, keys=keys, algorithms=frozenset({"RS256"}), max_age=timedelta(minutes=10))
    svids = replace(SPIFFE, jwks_uri="https://spire.example/keys", algorithms=frozenset({"ES256"}))
    registry = replace(REGISTRY, revision=7, issuers={"ci": ci, "svids": svids})
    assert registry.encode() == STORED
    assert Registry.decode(STORED, AccessPointer.to(registry, epoch=1)) == registry


def pointer_to(document: bytes, revision: int = 7) -> AccessPointer:
    return AccessPointer(1, revision, hashlib.sha256(document).hexdigest(), 1)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        STORED.replace(b'"format":1', b'"format":2'),
        STORED.replace(b'"kind":"oidc"', b'"kind":"saml"'),
        STORED.replace(b'"kty":"EC"', b'"kty":"oct"'),
        STORED.replace(b'"maxAgeSeconds":600', b'"maxAgeSeconds":"600"'),
        STORED.replace(b'"operators":[', b'"operators":7,"x":['),
    ],
)
def test_what_is_not_readable_is_no_registry(document: bytes) -> None:
    """Even under a pointer with the right hash."""
    with pytest.raises(RegistryBroken):
        Registry.decode(document, pointer_to(document))


def test_another_document_than_the_pointers_is_no_registry() -> None:
    """By its hash, or by its revision."""
    with pytest.raises(RegistryBroken):
        Registry.decode(STORED, replace(pointer_to(STORED), digest="0" * 64))
    with pytest.raises(RegistryBroken):
        Registry.decode(STORED, pointer_to(STORED, revision=8))


def test_no_tenant_can_be_called_as_the_registry_is_stored() -> None:
    """Its items never meet a tenant's."""
    assert not is_namespace(SCOPE)


def test_the_tenants_of_a_principal() -> None:
    """By account, or by the issuer that vouches for it; a token has no account and a signature no issuer."""
    registry = FULL.with_tenant("green", [ACCOUNT, OTHER])
    assert registry.tenants_of(Principal(OPERATOR, ACCOUNT)) == ("blue", "green")
    assert registry.tenants_of(Principal("iam:x", OTHER)) == ("green",)
    assert registry.tenants_of(Principal("iam:x", "999999999999")) == ()
    assert registry.tenants_of(Principal("oidc:https://issuer.example#job", "", issuer="ci")) == ("blue",)
    assert registry.tenants_of(Principal("oidc:https://issuer.example#job", ACCOUNT, issuer="gone")) == ()
    assert registry.tenants_of(Principal("spiffe://prod.example.org/a", "", issuer="ci")) == ()


def test_the_tenant_that_a_principal_acts_in() -> None:
    """The only one, or the one it asks for among its own."""
    registry = FULL.with_tenant("green", [ACCOUNT])
    two, none = Principal(OPERATOR, ACCOUNT), Principal("iam:x", "")
    assert registry.tenant_for(two, "green") == "green"
    assert registry.tenant_for(two, "red") == registry.tenant_for(two, "") == registry.tenant_for(none, None) == ""
    assert FULL.tenant_for(two, None) == "blue"
    with pytest.raises(InvalidRequest, match="X-Strongroom-Tenant"):
        registry.tenant_for(two, None)


def test_operators_are_who_is_named_and_no_bearer_of_a_token() -> None:
    assert REGISTRY.is_operator(Principal(OPERATOR, ACCOUNT))
    assert not REGISTRY.is_operator(Principal(f"{OPERATOR}-2", ACCOUNT))
    assert not REGISTRY.is_operator(Principal(OPERATOR, "", issuer="ci"))


def test_a_token_is_its_issuers_whatever_its_subject_looks_like() -> None:
    """By `iss` first, then by the trust domain of its subject."""
    svid = "spiffe://prod.example.org/api"
    assert FULL.issuer_of(iss="https://issuer.example", sub=svid) == ("ci", OIDC)
    assert FULL.issuer_of(iss="https://other.example", sub=svid) == ("svids", SPIFFE)
    assert FULL.issuer_of(iss=None, sub=svid) == ("svids", SPIFFE)
    for sub in ("spiffe://other.example/api", "spiffe://prod.example.org", "spiffe://prod.example.org.evil/x", 7, None):
        assert FULL.issuer_of(iss=["https://issuer.example"], sub=sub) is None
    assert FULL.issuer_of(iss="prod.example.org", sub="job") is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "http://issuer.example"}, "issuer"),
        ({"name": "https://Issuer.example"}, "issuer"),
        ({"name": "https://user@issuer.example"}, "issuer"),
        ({"name": "https://issuer.example?x"}, "issuer"),
        ({"name": "https://issuer.example/#x"}, "issuer"),
        ({"name": "https://issuer.example\n"}, "issuer"),
        ({"name": "https://" + "a" * 510}, "issuer"),
        ({"kind": IssuerKind.SPIFFE, "name": "Prod"}, "trustDomain"),
        ({"kind": IssuerKind.SPIFFE, "name": "prod/x"}, "trustDomain"),
        ({"kind": IssuerKind.SPIFFE, "name": ""}, "trustDomain"),
        ({"audiences": frozenset()}, "audiences"),
        ({"audiences": frozenset({""})}, "audiences"),
        ({"audiences": frozenset({"a\nb"})}, "audiences"),
        ({"audiences": frozenset(map(str, range(11)))}, "audiences"),
        ({"jwks_uri": None}, "jwksUri"),
        ({"keys": KeySet(())}, "jwksUri"),
        ({"jwks_uri": "http://issuer.example/keys"}, "jwksUri"),
        ({"algorithms": frozenset()}, "algorithms"),
        ({"algorithms": frozenset({"RS256", "HS256"})}, "algorithms"),
        ({"algorithms": frozenset({"none"})}, "algorithms"),
        ({"max_age": timedelta(seconds=59)}, "maxAgeSeconds"),
        ({"max_age": timedelta(hours=25)}, "maxAgeSeconds"),
        ({"tenant": "red"}, "tenant"),
    ],
)
def test_an_issuer_that_breaks_a_rule(changes: dict[str, Any], field: str) -> None:
    """By the name of its field."""
    with pytest.raises(InvalidRequest) as refused:
        REGISTRY.with_issuer("ci", replace(OIDC, **changes))
    assert [it.field for it in refused.value.violations] == [field]


def test_a_url_or_trust_domain_is_one_entrys() -> None:
    """Two entries for one issuer could name two tenants, or two sets of keys. An entry may be replaced by itself."""
    for issuer in (OIDC, SPIFFE):
        with pytest.raises(InvalidRequest, match="another entry's"):
            FULL.with_issuer("again", replace(issuer, tenant="green"))
    assert FULL.with_issuer("ci", replace(OIDC, tenant="green")).issuers["ci"].tenant == "green"


@pytest.mark.parametrize("issuer_id", ["", "CI", "a b", "-a", "x" * 65])
def test_an_issuers_id_is_a_plain_name(issuer_id: str) -> None:
    with pytest.raises(InvalidRequest):
        REGISTRY.with_issuer(issuer_id, OIDC)


def test_a_tenant_is_removed_when_nobody_belongs_to_it() -> None:
    """Not by accident: its accounts and issuers go first."""
    with pytest.raises(Conflict, match="accounts"):
        FULL.without_tenant("blue")
    with pytest.raises(Conflict, match="issuers"):
        FULL.with_tenant("blue", []).without_tenant("blue")
    with pytest.raises(NotFound):
        FULL.without_tenant("red")
    emptied = FULL.with_tenant("blue", []).without_issuer("ci").without_issuer("svids")
    assert set(emptied.without_tenant("blue").tenants) == {"green"}
    with pytest.raises(NotFound):
        emptied.without_issuer("ci")


def test_tenants_and_accounts_have_their_forms() -> None:
    for tenant, accounts in (
        ("Blue", [ACCOUNT]),
        ("@registry", []),
        ("", []),
        ("red", ["42"]),
        ("red", ["\u0661" * 12]),
    ):
        with pytest.raises(InvalidRequest):
            REGISTRY.with_tenant(tenant, accounts)


def test_who_changes_the_operators_stays_one() -> None:
    """So the last one cannot go, and a typing error leaves nobody locked out. Another operator can remove it."""
    second = f"{OPERATOR}-2"
    for left in ([], [second]):
        with pytest.raises(LockedOut):
            REGISTRY.with_operators(left, by=OPERATOR)
    both = REGISTRY.with_operators([OPERATOR, second], by=OPERATOR)
    assert both.with_operators([second], by=second).operators == {second}


@pytest.mark.parametrize(
    "name",
    [
        "operator",
        OPERATOR.removeprefix("iam:"),
        f"{OPERATOR}\n",
        "iam:arn:aws:iam::1:role/x",
        "oidc:https://x.example#y",
    ],
)
def test_operators_are_named_roles_and_users(name: str) -> None:
    with pytest.raises(InvalidRequest):
        REGISTRY.with_operators([OPERATOR, name], by=OPERATOR)


def test_each_change_is_a_revision() -> None:
    """And a change that changes nothing is told."""
    again = FULL.with_tenant("blue", [ACCOUNT])
    assert (FULL.revision, again.revision) == (2, 3)
    assert again.says_the_same_as(FULL)
    assert not FULL.without_issuer("ci").says_the_same_as(FULL)


def test_a_registry_is_bounded() -> None:
    """Its readers hold it in memory."""
    large = {"keys": [jwk(rsa_key(), f"key-{number}") for number in range(20)]}
    registry = REGISTRY
    with pytest.raises(InvalidRequest, match="at most"):  # noqa: PT012  # whichever of the many is too much
        for number in range(201):
            name = f"https://issuer-{number}.example"
            issuer = replace(OIDC, name=name, jwks_uri=None, keys=KeySet.strictly(large))
            registry = registry.with_issuer(f"i{number}", issuer)
