"""The interface's document against the real answers of both functions: each is as the document says."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from infra.local.client import LocalCloud
from infra.local.requests import Answer
from strongroom_service.domain.times import rfc3339
from tests.cloud.faults import no_audit
from tests.cloud.platform import ENVIRONMENT, Platform
from tests.support.issuers import TestIssuer


@pytest.fixture
def document(cloud: LocalCloud) -> dict[str, Any]:
    """The document as it is served."""
    answer = cloud.request("GET", "/openapi.json", identity="reader")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


Checked = Callable[..., Answer]


@pytest.fixture
def checked(cloud: LocalCloud, document: dict[str, Any]) -> Iterator[Checked]:
    """Makes a call and holds its answer against the document; in the end every operation must have been called."""
    called: set[str] = set()

    def call(operation_id: str, status: int, *, json: Any = None, **said: Any) -> Answer:
        path, method, operation = find(document, operation_id)
        parameters = said.pop("parameters", {})
        for name, value in parameters.items():
            path = path.replace("{" + name + "}", value)
        answer = cloud.request(method.upper(), path, json=json, **said)
        assert answer.status == status, (operation_id, answer.status, answer.error_code)
        if status < 300 and json is not None:
            check(document, operation["requestBody"]["content"]["application/json"]["schema"], json)
        response = resolved(document, operation["responses"][str(status)])
        check(document, response["content"]["application/json"]["schema"], answer.json())
        for header in response["headers"]:
            assert header.lower() in answer.headers
        if status >= 400:
            assert f"`{answer.error_code}`" in response["description"]
        called.add(operation_id)
        return answer

    yield call
    assert called == {operation["operationId"] for path in document["paths"].values() for operation in path.values()}


def find(document: dict[str, Any], operation_id: str) -> tuple[str, str, dict[str, Any]]:
    return next(
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] == operation_id
    )


def resolved(document: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    reference = response.get("$ref")
    found: dict[str, Any] = document["components"]["responses"][reference.rpartition("/")[2]] if reference else response
    return found


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_the_served_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert "plaintextValue" in json.dumps(document)


def test_every_operation_answers_as_documented(cloud: LocalCloud, platform: Platform, checked: Checked) -> None:
    path = platform.path()
    registration = {"environment": ENVIRONMENT, "path": path, "ownerTeam": "payments", "rotationStrategy": "manual"}
    by_id = {"secretId": checked("registerSecret", 201, json=registration).json()["secretId"]}
    checked("registerSecret", 409, json=registration)
    checked("registerSecret", 400, json={})
    for number in (1, 2):
        checked("proposeVersion", 201, json={"plaintextValue": f"value-{number}"}, parameters=by_id)
    checked("proposeVersion", 201, json={"generate": {"length": 20}}, parameters=by_id)
    checked("proposeVersion", 413, json={"plaintextValue": "x" * 70_000}, parameters=by_id)
    move = {"versionNumber": 1, "expectedPreviousVersion": None}
    checked("moveAlias", 200, json=move, parameters=by_id | {"alias": "current"})
    checked("moveAlias", 409, json=move, parameters=by_id | {"alias": "current"})
    checked("moveAlias", 200, json=move | {"versionNumber": 2}, parameters=by_id | {"alias": "next"})
    by_path = {"environment": ENVIRONMENT, "path": path}
    read_everything(cloud, checked, path, by_id)
    checked("clearNext", 200, parameters=by_id)
    binary = checked("putValue", 200, json={"plaintextBase64": "AAEC"}, parameters=by_path)
    checked("readValue", 200, parameters=by_path)
    checked("putValue", 409, json={"plaintextValue": "v", "expectedCurrent": 99}, parameters=by_path)
    checked("putValue", 409, json={"plaintextValue": "v"}, parameters=by_path, region=cloud.replica)
    new = {"plaintextValue": "v", "ownerTeam": "payments", "tags": {"tier": "1"}}
    checked("putValue", 201, json=new, parameters=by_path | {"path": platform.path()})
    checked("updateSecret", 200, json={"description": "what it is"}, parameters=by_id)
    checked("updateSecret", 400, json={}, parameters=by_id)
    current = str(binary.json()["versionNumber"])
    checked("disableVersion", 200, parameters=by_id | {"versionNumber": current})
    checked("readValue", 410, parameters=by_path)
    checked("enableVersion", 200, parameters=by_id | {"versionNumber": current})
    checked("destroyVersion", 200, parameters=by_id | {"versionNumber": "2"})
    checked("destroyVersion", 404, parameters=by_id | {"versionNumber": "99"})
    break_the_glass(cloud, checked, path)
    fail_in_every_way(cloud, checked, path, by_id)
    checked("renewNamespaceKey", 200, parameters={"environment": ENVIRONMENT})
    checked("renewNamespaceKey", 409, parameters={"environment": ENVIRONMENT}, region=cloud.replica)
    checked("renewNamespaceKey", 403, parameters={"environment": ENVIRONMENT}, identity="reader")
    checked("rewrapNamespace", 200, json={"limit": 1}, parameters={"environment": ENVIRONMENT})
    checked("rewrapNamespace", 200, parameters={"environment": ENVIRONMENT})
    checked("rewrapNamespace", 400, json={"limit": 0}, parameters={"environment": ENVIRONMENT})
    checked("rewrapNamespace", 404, parameters={"environment": "never-used"})
    govern(cloud, checked)
    ask_the_audit(checked, path, by_id)
    change_who_belongs_where(checked)
    read_by_token(checked, path)
    checked("deleteSecret", 200, parameters=by_id)
    checked("restoreSecret", 200, parameters=by_id)
    checked("deleteSecret", 200, parameters=by_id, query={"restoreDays": "7"})
    checked("purgeSecret", 200, parameters=by_id)
    checked("restoreSecret", 409, parameters=by_id)


def ask_the_audit(checked: Checked, path: str, by_id: dict[str, str]) -> None:
    checked("askAudit", 200, query=by_id | {"limit": "1"}, identity="auditor")
    checked("askAudit", 400, query={}, identity="auditor")
    checked("askAudit", 403, query=by_id, identity="reader")
    nothing = {"eventId": "01900000-0000-7000-8000-000000000000"}
    checked("proveReceipt", 404, parameters=nothing, identity="auditor")
    checked("proveReceipt", 403, parameters=nothing, identity="reader")
    now = rfc3339(datetime.now(UTC))
    item = {"secretPath": f"{ENVIRONMENT}/{path}", "versionNumber": 1, "count": 1, "from": now, "to": now}
    checked("reportCachedReads", 200, json={"items": [item, item | {"secretPath": f"{ENVIRONMENT}/{path}-none"}]})
    checked("reportCachedReads", 400, json={"items": [item | {"count": 0}]})


def change_who_belongs_where(checked: Checked) -> None:
    """Operators' calls, each undone at the end."""
    tenant, issuer_id = {"tenant": "documented"}, {"issuerId": "documented"}
    operator: dict[str, Any] = {"identity": "operator"}
    checked("putTenant", 200, json={"accounts": []}, parameters=tenant, **operator)
    checked("putTenant", 400, json={"accounts": ["42"]}, parameters=tenant, **operator)
    checked("putTenant", 403, json={"accounts": []}, parameters=tenant)
    checked("listTenants", 200, **operator)
    issuer = {
        "kind": "oidc",
        "issuer": "https://documented.example",
        "audiences": ["strongroom"],
        "tenant": "documented",
        "jwks": TestIssuer().jwks(),
    }
    checked("putIssuer", 200, json=issuer, parameters=issuer_id, **operator)
    checked("putIssuer", 400, json=issuer | {"algorithms": ["none"]}, parameters=issuer_id, **operator)
    checked("listIssuers", 200, **operator)
    checked("deleteTenant", 409, parameters=tenant, **operator)
    checked("deleteIssuer", 200, parameters=issuer_id, **operator)
    checked("deleteIssuer", 404, parameters=issuer_id, **operator)
    checked("deleteTenant", 200, parameters=tenant, **operator)
    operators = checked("getOperators", 200, **operator).json()["operators"]
    checked("putOperators", 200, json={"operators": operators}, **operator)
    checked("putOperators", 409, json={"operators": []}, **operator)
    checked("getOperators", 403)


def read_by_token(checked: Checked, path: str) -> None:
    """Refused here, where no issuer is registered; what they answer to a good token is what the signed calls answer."""
    by_path = {"environment": ENVIRONMENT, "path": path}
    items = {"items": [{"secretPath": f"{ENVIRONMENT}/{path}"}]}
    bearer: dict[str, Any] = {"identity": None, "headers": {"Authorization": f"Bearer {TestIssuer().token()}"}}
    checked("readValueByToken", 403, parameters=by_path, **bearer)
    checked("readValuesByToken", 403, json=items, **bearer)
    checked("readRevisionsByToken", 403, json=items, **bearer)


def read_everything(cloud: LocalCloud, checked: Checked, path: str, by_id: dict[str, str]) -> None:
    by_path = {"environment": ENVIRONMENT, "path": path}
    items = {"items": [{"secretPath": f"{ENVIRONMENT}/{it}"} for it in (path, f"{path}-none")]}
    for region in cloud.description.regions:
        checked("readValue", 200, parameters=by_path, region=region)
        checked("readValue", 200, parameters=by_path, region=region, query={"version": "next"})
        checked("readValue", 404, parameters=by_path, region=region, query={"version": "previous"})
        checked("readValue", 409, parameters=by_path, region=region, query={"version": "v3"})
        checked("readValue", 425, parameters=by_path, region=region, query={"minToken": "1.999"})
        checked("readValue", 400, parameters=by_path, region=region, query={"version": "none"})
        checked("readValue", 403, parameters=by_path, region=region, identity="stranger")
        checked("readValue", 403, parameters=by_path, region=region, identity=None)
        checked("readValues", 200, json=items, region=region)
        checked("readValues", 400, json={"items": []}, region=region)
        checked("readRevisions", 200, json=items, region=region)
        checked("getHealth", 200, region=region, identity=None)
        checked("getSecret", 200, parameters=by_id, region=region)
        checked("listVersions", 200, parameters=by_id, region=region)
        checked("listSecrets", 200, query={"environment": ENVIRONMENT, "limit": "1"}, region=region)


def break_the_glass(cloud: LocalCloud, checked: Checked, path: str) -> None:
    wanted = {"environment": ENVIRONMENT, "path": path, "reason": "made up", "ticket": "INC-1", "minutes": 1}
    ids = [
        {"grantId": checked("requestGrant", 201, json=wanted, identity="responder").json()["grantId"]} for _ in range(2)
    ]
    checked("requestGrant", 400, json={}, identity="responder")
    checked("requestGrant", 403, json=wanted)
    checked("requestGrant", 409, json=wanted, identity="responder", region=cloud.replica)
    checked("approveGrant", 403, parameters=ids[0], identity="responder")
    checked("approveGrant", 200, parameters=ids[0], identity="approver")
    checked("refuseGrant", 200, parameters=ids[1], identity="approver")
    checked("refuseGrant", 409, parameters=ids[0], identity="approver")
    checked("revokeGrant", 200, parameters=ids[0], identity="responder")
    checked("getGrant", 200, parameters=ids[0], identity="responder")
    checked("getGrant", 404, parameters={"grantId": "bg_00000000-0000-7000-8000-000000000000"}, identity="approver")
    checked("getGrant", 400, parameters={"grantId": "bg_1"}, identity="approver")
    checked("listGrants", 200, query={"limit": "1"}, identity="approver")


def govern(cloud: LocalCloud, checked: Checked) -> None:
    administrator, auditor = {"identity": "administrator"}, {"identity": "auditor"}
    principal = f"iam:arn:aws:iam::{cloud.description.account}:role/local-stranger"
    policy, group = {"policyId": "openapi"}, {"group": "openapi"}
    bound = {"role": "reader", "group": "openapi", "environment": ENVIRONMENT, "prefix": "openapi"}
    checked("putGroup", 200, json={"members": [principal]}, parameters=group, **administrator)
    checked("putPolicy", 200, json=bound, parameters=policy, **administrator)
    checked("putPolicy", 409, json={**bound, "expectedRevision": 0, "prefix": ""}, parameters=policy, **administrator)
    checked("putPolicy", 400, json={"cedar": "nonsense"}, parameters=policy, **administrator)
    checked("putPolicy", 403, json=bound, parameters=policy, **auditor)
    for name in ("listPolicies", "listGroups"):
        checked(name, 200, **auditor)
        checked(name, 403, identity="reader")
    checked("getPolicy", 200, parameters=policy, **auditor)
    checked("getPolicy", 404, parameters={"policyId": "none"}, **auditor)
    checked("getGroup", 200, parameters=group, **auditor)
    checked("getGroup", 404, parameters={"group": "none"}, **auditor)
    question = {"action": "secret:read", "environment": ENVIRONMENT, "path": "openapi/x", "principals": [principal]}
    checked("simulateAccess", 200, json=question, **auditor)
    checked("simulateAccess", 403, json=question, identity="reader")
    checked("replayAccess", 403, json={"days": 1}, identity="reader")
    checked("replayAccess", 400, json={"days": 0}, **auditor)
    checked("replayAccess", 200, json={"days": 1, "policies": {"openapi": None}}, **auditor)
    checked("explainDenial", 400, parameters={"requestId": "not_one"}, **auditor)
    refused = cloud.request("GET", f"/values/{ENVIRONMENT}/openapi/x", identity="responder")
    denied = {"requestId": refused.headers["x-request-id"]}
    checked("explainDenial", 403, parameters=denied, identity="reader")
    wait_for_explanation(cloud, denied["requestId"])
    checked("explainDenial", 200, parameters=denied, **auditor)
    checked("deletePolicy", 200, parameters=policy, **administrator)
    checked("deletePolicy", 404, parameters=policy, **administrator)
    checked("deleteGroup", 200, parameters=group, **administrator)


def wait_for_explanation(cloud: LocalCloud, request_id: str) -> None:
    """Denials are indexed a second or two after they were made."""
    for _ in range(100):
        if cloud.request("GET", f"/policies/explain/{request_id}", identity="auditor").status == 200:
            return
        time.sleep(0.2)
    pytest.fail("the denial was not indexed")


def fail_in_every_way(cloud: LocalCloud, checked: Checked, path: str, by_id: dict[str, str]) -> None:
    by_path = {"environment": ENVIRONMENT, "path": path}
    items = {"items": [{"secretPath": f"{ENVIRONMENT}/{path}"}]}
    with no_audit(cloud):
        checked("getSecret", 500, parameters=by_id)
        checked("readValues", 500, json=items)
    # An environment that has lost the stream a moment ago would record by the tables that fail next.
    cloud.end_environments()
    with cloud.faults.fault("throttle", service="dynamodb"):
        checked("getSecret", 429, parameters=by_id)
        checked("readValue", 429, parameters=by_path)
    with cloud.faults.fault("refuse", service="dynamodb"):
        checked("listSecrets", 503, query={"environment": ENVIRONMENT})
        checked("readRevisions", 503, json=items)
