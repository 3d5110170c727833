"""Callers who bring a token, through the deployed gateway and its authorizer; and tenants, each for itself."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from infra.local.requests import Answer, Region
from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.sigv4 import FrozenCredentials
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.access_set import AccessPointer, AccessSet
from strongroom_service.domain.roles import Role, RoleBinding
from tests.cloud.platform import ENVIRONMENT, VALUE
from tests.cloud.test_errors import assert_error
from tests.support.issuers import AUDIENCE, TestIssuer, ec_key, encoded, handmade, jwk, later, rsa_key

PATH = "payments/db-password"


@dataclass
class Tenant:
    """A tenant of its own with an issuer, whose subject `job-1` may read, and one secret."""

    cloud: LocalCloud
    name: str
    value: str
    issuer: TestIssuer

    def register_issuer(self, issuer_id: str | None = None, **changes: Any) -> Answer:
        body: dict[str, Any] = {
            "kind": "oidc",
            "issuer": self.issuer.url,
            "audiences": [AUDIENCE],
            "tenant": self.name,
            "jwks": self.issuer.jwks(),
            "algorithms": ["RS256"],
        }
        said = {name: value for name, value in {**body, **changes}.items() if value is not None}
        return operate(self.cloud, "PUT", f"/identity/issuers/{issuer_id or self.name}", said)

    def read(
        self, token: str | None, *, path: str = PATH, region: Region | None = None, named: str | None = None
    ) -> Answer:
        place = f"/workload/values/{ENVIRONMENT}/{path}"
        return with_token(self.cloud, token, "GET", place, region=region, named=named)


def with_token(
    cloud: LocalCloud,
    token: str | None,
    method: str,
    path: str,
    *,
    region: Region | None = None,
    json: object = None,
    named: str | None = None,
) -> Answer:
    """Unsigned; `named` is the tenant that the request asks for."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    headers |= {} if named is None else {"X-Strongroom-Tenant": named}
    return cloud.request(method, path, identity=None, region=region, json=json, headers=headers)


def operate(cloud: LocalCloud, method: str, path: str, body: object = None) -> Answer:
    answer = cloud.request(method, path, json=body, identity="operator")
    assert answer.status == 200, (path, answer.error_code, answer.json())
    return answer


def let(cloud: LocalCloud, tenant: str, *bindings: RoleBinding) -> None:
    """Write the tenant's first access set, past the interface: what operators cannot do."""
    client = AwsClient(
        region=cloud.writer.name,
        environment={"AWS_ENDPOINT_URL": cloud.description.direct_endpoint},
        credentials=lambda: FrozenCredentials("test", "test", None),
    )
    items = DynamoAccessItems(client=client, table="strongroom-local-secrets", randomness=SystemRandomness())
    access_set = AccessSet(tenant, 1, {f"p{number}": binding for number, binding in enumerate(bindings)})
    items.replace(tenant, None, AccessPointer.to(access_set, epoch=1), access_set.encode(), epoch=1)
    client.close()


@contextmanager
def tenant_of(cloud: LocalCloud) -> Iterator[Tenant]:
    """Made and removed by operators. Its account is ours for a moment, to store its secret."""
    name, value = f"t-{secrets.token_hex(4)}", f"{VALUE}-{secrets.token_hex(4)}"
    issuer = TestIssuer(f"https://{name}.example")
    owner = f"iam:arn:aws:iam::{cloud.description.account}:role/local-owner"
    operate(cloud, "PUT", f"/tenants/{name}", {"accounts": [cloud.description.account]})
    try:
        let(
            cloud,
            name,
            RoleBinding(role=Role.OWNER, principal=owner),
            RoleBinding(role=Role.READER, principal=f"oidc:{issuer.url}#job-1"),
            RoleBinding(role=Role.READER, principal=f"spiffe://{name}.example/payments/api"),
        )
        put = {"plaintextValue": value, "ownerTeam": "payments"}
        headers = {"X-Strongroom-Tenant": name}
        answer = cloud.request("PUT", f"/values/{ENVIRONMENT}/{PATH}", json=put, headers=headers)
        assert answer.status == 201, answer.error_code
    finally:
        operate(cloud, "PUT", f"/tenants/{name}", {"accounts": []})
    tenant = Tenant(cloud, name, value, issuer)
    tenant.register_issuer()
    yield tenant
    registered = operate(cloud, "GET", "/identity/issuers").json()["items"]
    for entry in registered:
        if entry["tenant"] == name:
            operate(cloud, "DELETE", f"/identity/issuers/{entry['issuerId']}")
    operate(cloud, "DELETE", f"/tenants/{name}")


@pytest.fixture
def tenant(cloud: LocalCloud) -> Iterator[Tenant]:
    with tenant_of(cloud) as made:
        yield made


def records_of(cloud: LocalCloud, request_ids: set[str]) -> dict[str, list[dict[str, Any]]]:
    """The audit records by request, when each request has one."""
    archive = AuditArchive(cloud)
    archive.hurry()
    for _ in range(300):
        found: dict[str, list[dict[str, Any]]] = {}
        for record in archive.events():
            if record["requestId"] in request_ids:
                found.setdefault(record["requestId"], []).append(record)
        if found.keys() == request_ids:
            return found
    pytest.fail(f"{len(found)} of {len(request_ids)} requests are recorded")


def test_a_token_reads_in_every_region(cloud: LocalCloud, tenant: Tenant) -> None:
    """One value, a batch, and states; the audit names the bearer and the token's kind and age."""
    token = tenant.issuer.token(iat=later(-60))
    for region in cloud.description.regions:
        answer = tenant.read(token, region=region)
        assert (answer.status, answer.json()["plaintextValue"]) == (200, tenant.value)
        items = {"items": [{"secretPath": f"{ENVIRONMENT}/{PATH}"}, {"secretPath": f"{ENVIRONMENT}/none"}]}
        batch = with_token(cloud, token, "POST", "/workload/batch/values", region=region, json=items).json()["items"]
        assert batch[0]["value"]["plaintextValue"] == tenant.value
        assert batch[1]["error"]["code"] == "not_found"
        states = with_token(cloud, token, "POST", "/workload/revisions", region=region, json=items).json()["items"]
        assert states[0]["aliases"] == {"current": 1}
    request_id = answer.headers["x-request-id"]
    (record,) = records_of(cloud, {request_id})[request_id]
    assert (record["phase"], record["tenant"], record["authentication"]) == ("RELEASE", tenant.name, "oidc")
    assert record["actor"] == f"oidc:{tenant.issuer.url}#job-1"
    assert record["authenticationAge"] >= 60
    assert token not in json.dumps(record)


def test_a_svid_reads(tenant: Tenant) -> None:
    """A SPIFFE workload is known by its id."""
    svids = TestIssuer("unused", key=ec_key(), kid="svid-1", algorithm="ES256")
    trust_domain = f"{tenant.name}.example"
    keys = {"keys": [jwk(svids.key, "svid-1", use="jwt-svid")]}
    spiffe: dict[str, Any] = {"kind": "spiffe", "issuer": None, "trustDomain": trust_domain, "algorithms": ["ES256"]}
    tenant.register_issuer(f"{tenant.name}-svids", jwks=keys, **spiffe)
    good = svids.token(iss=None, sub=f"spiffe://{trust_domain}/payments/api")
    assert tenant.read(good).json()["plaintextValue"] == tenant.value
    for other in ("spiffe://another.example/payments/api", f"spiffe://{trust_domain}/payments/../payments/api"):
        assert_error(tenant.read(svids.token(iss=None, sub=other)), 403, "access_denied")


ATTACKS: dict[str, tuple[str, Callable[[TestIssuer], str | None]]] = {
    "no token": ("no-token", lambda _: None),
    "no signature": ("algorithm-refused", lambda issuer: issuer.unsigned()),
    "HMAC by the public key": ("algorithm-refused", lambda issuer: issuer.by_hmac_of_the_public_key()),
    "another algorithm than registered": (
        "algorithm-refused",
        lambda issuer: TestIssuer(issuer.url, algorithm="RS512").token(),
    ),
    "another audience": ("audience-wrong", lambda issuer: issuer.token(aud="another")),
    "an audience beside ours": ("audience-wrong", lambda issuer: issuer.token(aud=[AUDIENCE, "another"])),
    "no audience": ("audience-wrong", lambda issuer: issuer.token(aud=None)),
    "another's key": ("signature-wrong", lambda issuer: issuer.token(key=rsa_key(number=1))),
    "an issuer that is not registered": ("issuer-unknown", lambda issuer: issuer.token(iss="https://evil.example")),
    "expired": ("expired", lambda issuer: issuer.token(iat=later(-400), exp=later(-1))),
    "not yet valid": ("not-yet-valid", lambda issuer: issuer.token(nbf=later(120))),
    "no end": ("times-missing", lambda issuer: issuer.token(exp=None)),
    "too long a life": ("lives-too-long", lambda issuer: issuer.token(exp=later(90_000))),
    "an unknown key": ("key-unknown", lambda issuer: issuer.token(headers={"kid": "another"})),
    "a key to fetch": ("header-refused", lambda issuer: issuer.token(headers={"jku": "https://evil.example/keys"})),
    "a key of its own": ("header-refused", lambda issuer: issuer.token(headers={"jwk": jwk(rsa_key(number=1))})),
    "a subject with a line of its own": ("subject-refused", lambda issuer: issuer.token(sub="job-1\nadmin")),
    "no token at all": ("malformed", lambda _: "a.b.c"),
    "deep nesting": ("malformed", lambda _: handmade({"alg": "RS256"}, ("[" * 3000).encode(), b"x")),
    "oversized": ("too-large", lambda issuer: issuer.token(padding="x" * 6_400)),
    "a changed claim": (
        "signature-wrong",
        lambda issuer: ".".join([
            *issuer.token().split(".")[:1], encoded(issuer.claims(sub="job-2")), *issuer.token().split(".")[2:],
        ]),
    ),
}  # fmt: skip


def test_every_attack_is_refused_in_one_body_and_recorded_by_its_reason(cloud: LocalCloud, tenant: Tenant) -> None:
    """The caller learns nothing of why; the audit has the reason, the issuer where there is one, and no token."""
    reasons: dict[str, str] = {}
    bodies = set()
    for name, (reason, make) in ATTACKS.items():
        answer = tenant.read(make(tenant.issuer))
        assert answer.status == 403, name
        assert_error(answer, 403, "access_denied", retryable=False)
        bodies.add(json.dumps(answer.json()["error"] | {"requestId": ""}))
        reasons[answer.headers["x-request-id"]] = reason
    assert len(bodies) == 1
    assert len(reasons) == len(ATTACKS)
    for request_id, (record,) in records_of(cloud, set(reasons)).items():
        assert (record["action"], record["phase"], record["decision"]) == ("AUTHENTICATE", "DENIAL", "DENY")
        assert record["reason"] == [reasons[request_id]]
        assert (record["actor"], record["session"]) == ("", "")
        assert "eyJ" not in json.dumps(record)
    assert tenant.read(tenant.issuer.token()).status == 200


def test_an_issuer_that_is_changed_or_removed_counts_from_the_next_call_on(cloud: LocalCloud, tenant: Tenant) -> None:
    """In both regions; a token that was good a moment ago is not."""
    token = tenant.issuer.token()
    assert {tenant.read(token, region=region).status for region in cloud.description.regions} == {200}
    tenant.register_issuer(audiences=["another"])
    assert {tenant.read(token, region=region).status for region in cloud.description.regions} == {403}
    tenant.register_issuer(jwks={"keys": [jwk(rsa_key(number=1), "key-1")]})
    assert_error(tenant.read(token), 403, "access_denied")
    tenant.register_issuer()
    assert tenant.read(token).status == 200
    operate(cloud, "DELETE", f"/identity/issuers/{tenant.name}")
    assert {tenant.read(token, region=region).status for region in cloud.description.regions} == {403}


def test_a_token_opens_nothing_but_its_routes(cloud: LocalCloud, tenant: Tenant) -> None:
    """Signed routes take no token, token routes no signature, and the rest of /workload does not exist."""
    token = tenant.issuer.token()
    for method, path in (
        ("GET", f"/values/{ENVIRONMENT}/{PATH}"),
        ("GET", "/secrets"),
        ("GET", "/identity/issuers"),
        ("PUT", f"/workload/values/{ENVIRONMENT}/{PATH}"),
        ("DELETE", "/workload/revisions"),
        ("GET", "/workload/secrets"),
        ("GET", "/workload"),
    ):
        # API Gateway itself: what is no signature is none of its kind.
        assert with_token(cloud, token, method, path).status == 403
    assert_error(cloud.request("GET", f"/workload/values/{ENVIRONMENT}/{PATH}", identity="owner"), 403, "access_denied")
    put = {"plaintextValue": VALUE}
    signed = cloud.request("PUT", f"/workload/values/{ENVIRONMENT}/{PATH}", identity="owner", json=put)
    assert_error(signed, 404, "not_found")
    assert tenant.read(token, path="../../secrets").status in {400, 403}


def test_tenants_do_not_see_each_other(cloud: LocalCloud, tenant: Tenant) -> None:
    """The same path in three tenants: each caller sees its own, whatever tenant it names."""
    with tenant_of(cloud) as other:
        assert tenant.value != other.value
        for mine, theirs in ((tenant, other), (other, tenant)):
            for named in (mine.name, theirs.name, "default"):
                answer = mine.read(mine.issuer.token(), named=named)
                assert answer.json()["plaintextValue"] == mine.value
            # A subject of the same name is somebody else where another issuer vouches for it.
            assert_error(
                theirs.read(mine.issuer.token(iss=theirs.issuer.url, key=rsa_key(number=2))), 403, "access_denied"
            )
            for identity in ("owner", "reader"):
                headers = {"X-Strongroom-Tenant": mine.name}
                answer = cloud.request("GET", f"/values/{ENVIRONMENT}/{PATH}", identity=identity, headers=headers)
                assert_error(answer, 403, "access_denied")


def test_a_principal_of_two_tenants_chooses(cloud: LocalCloud, tenant: Tenant) -> None:
    """Readers learn of a changed registry with the first read after it, in both regions."""
    account = cloud.description.account
    path = f"/values/{ENVIRONMENT}/{PATH}"
    headers = {"X-Strongroom-Tenant": tenant.name}
    for region in cloud.description.regions:
        assert_error(cloud.request("GET", path, headers=headers, region=region), 403, "access_denied")
    operate(cloud, "PUT", f"/tenants/{tenant.name}", {"accounts": [account]})
    try:
        for region in cloud.description.regions:
            assert cloud.request("GET", path, headers=headers, region=region).json()["plaintextValue"] == tenant.value
            assert_error(cloud.request("GET", path, region=region), 400, "invalid_request")
    finally:
        operate(cloud, "PUT", f"/tenants/{tenant.name}", {"accounts": []})
    for region in cloud.description.regions:
        assert_error(cloud.request("GET", path, headers=headers, region=region), 403, "access_denied")


def test_only_operators_change_who_belongs_where(cloud: LocalCloud, tenant: Tenant) -> None:
    """Owners do not; a region that does not write does not; the last operator stays."""
    for identity in ("owner", "auditor", "stranger"):
        assert_error(cloud.request("GET", "/tenants", identity=identity), 403, "access_denied")
        put = {"accounts": ["999999999999"]}
        assert_error(cloud.request("PUT", "/tenants/default", json=put, identity=identity), 403, "access_denied")
    replica = cloud.request("DELETE", f"/tenants/{tenant.name}", identity="operator", region=cloud.replica)
    assert_error(replica, 409, "not_writer")
    nobody = cloud.request("PUT", "/identity/operators", json={"operators": []}, identity="operator")
    assert_error(nobody, 409, "conflict")
    inhabited = cloud.request("DELETE", f"/tenants/{tenant.name}", identity="operator")
    assert_error(inhabited, 409, "conflict")
    listed = cloud.request("GET", "/tenants", identity="operator", region=cloud.replica).json()["items"]
    assert {"tenant": tenant.name, "accounts": []} in listed


def test_whoever_belongs_to_no_tenant_is_recorded(cloud: LocalCloud) -> None:
    """An operator is none of a tenant's callers; here one's account was taken from its only tenant."""
    account = cloud.description.account
    default = {"accounts": [account]}
    operate(cloud, "PUT", "/tenants/default", {"accounts": []})
    try:
        answers = [
            cloud.request("GET", f"/values/{ENVIRONMENT}/{PATH}", identity="reader"),
            cloud.request("GET", "/secrets", query={"environment": ENVIRONMENT}, identity="reader"),
        ]
        operate(cloud, "GET", "/tenants")
    finally:
        operate(cloud, "PUT", "/tenants/default", default)
    for answer in answers:
        assert_error(answer, 403, "access_denied")
    found = records_of(cloud, {answer.headers["x-request-id"] for answer in answers})
    for (record,) in found.values():
        assert (record["tenant"], record["decision"], record["reason"]) == ("", "DENY", ["no-tenant"])
        assert record["actor"] == f"iam:arn:aws:iam::{account}:role/local-reader"


def test_without_a_sound_registry_nobody_is_let_in(cloud: LocalCloud, tenant: Tenant) -> None:
    """By signature 503, by token 403, in functions that have not read it before; sound again, all goes on."""
    table, db = "strongroom-local-secrets", cloud.aws("dynamodb", cloud.writer.name)
    pointer = db.get_item(TableName=table, Key={"PK": {"S": "A#@registry"}, "SK": {"S": "POINTER#0"}})["Item"]
    place = f"SET#{int(pointer['revision']['N']):020d}#{pointer['digest']['S']}#0"
    chunk = db.get_item(TableName=table, Key={"PK": {"S": "A#@registry"}, "SK": {"S": place}})["Item"]
    token, path = tenant.issuer.token(), f"/values/{ENVIRONMENT}/{PATH}"
    db.put_item(
        TableName=table, Item={**chunk, "blob": {"B": chunk["blob"]["B"].replace(b"local-operator", b"local-stranger")}}
    )
    cloud.end_environments()
    try:
        assert_error(cloud.request("GET", path), 503, "store_unavailable", retryable=True)
        assert_error(cloud.request("GET", "/tenants", identity="stranger"), 503, "store_unavailable")
        answer = tenant.read(token)
        assert_error(answer, 403, "access_denied")
    finally:
        db.put_item(TableName=table, Item=chunk)
    assert tenant.read(token).json()["plaintextValue"] == tenant.value
    assert cloud.request("GET", path).status == 404
    request_id = answer.headers["x-request-id"]
    (record,) = records_of(cloud, {request_id})[request_id]
    assert record["reason"] == ["check-failed"]
