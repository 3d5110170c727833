import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.constructs.gateway_responses import RESPONSES
from infra.option_rules import ENVIRONMENT_BYTES
from tests.infra.synthesized import ACCOUNT, ONE_REGION, Application, statements_by_sid, synthesize

REGIONS = ["us-east-1", "us-west-2"]

ROUTES = {
    ("ANY", "/{proxy+}"): "Admin",
    ("GET", "/health"): "Reader",
    ("ANY", "/health"): "Admin",
    ("GET", "/values/{environment}/{path+}"): "Reader",
    ("PUT", "/values/{environment}/{path+}"): "Admin",
    ("ANY", "/values/{environment}/{path+}"): "Admin",
    ("POST", "/batch/values"): "Reader",
    ("ANY", "/batch/values"): "Admin",
    ("POST", "/revisions"): "Reader",
    ("ANY", "/revisions"): "Admin",
    ("GET", "/workload/values/{environment}/{path+}"): "Reader",
    ("POST", "/workload/batch/values"): "Reader",
    ("POST", "/workload/revisions"): "Reader",
}
WITH_TOKEN = {route for route in ROUTES if route[1].startswith("/workload/")}


def stack(region: str) -> str:
    return f"Strongroom-dev-Api-{region}"


def methods(template: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Verb and path → method."""
    resources = template["Resources"]

    def path_of(reference: dict[str, Any]) -> str:
        if "Ref" not in reference:
            return ""
        resource = resources[reference["Ref"]]["Properties"]
        return f"{path_of(resource['ParentId'])}/{resource['PathPart']}"

    return {
        (it["Properties"]["HttpMethod"], path_of(it["Properties"]["ResourceId"])): it["Properties"]
        for it in resources.values()
        if it["Type"] == "AWS::ApiGateway::Method"
    }


@pytest.mark.parametrize("region", REGIONS)
def test_every_route_is_signed_but_health_and_those_for_tokens(two_regions: Application, region: str) -> None:
    """One open method in the whole API."""
    found = methods(two_regions.template(stack(region)))
    kinds = {route: it["AuthorizationType"] for route, it in found.items()}
    assert {route for route, kind in kinds.items() if kind == "NONE"} == {("GET", "/health")}
    assert {route for route, kind in kinds.items() if kind == "CUSTOM"} == WITH_TOKEN
    assert set(kinds.values()) == {"AWS_IAM", "CUSTOM", "NONE"}


@pytest.mark.parametrize("region", REGIONS)
def test_tokens_are_judged_anew_for_every_request(two_regions: Application, region: str) -> None:
    """No identity source, so that a request without a token is refused by the function too, and recorded; no cache."""
    authorizer = two_regions.one(stack(region), "AWS::ApiGateway::Authorizer")["Properties"]
    assert (authorizer["Type"], authorizer["AuthorizerResultTtlInSeconds"]) == ("REQUEST", 0)
    assert not authorizer.get("IdentitySource")
    assert "AuthorizerCredentials" not in authorizer
    assert "AuthorizerAlias" in json.dumps(authorizer["AuthorizerUri"])
    references = {
        json.dumps(it["AuthorizerId"])
        for route, it in methods(two_regions.template(stack(region))).items()
        if route in WITH_TOKEN
    }
    assert len(references) == 1


@pytest.mark.parametrize("region", REGIONS)
def test_routes_lead_to_the_aliases(two_regions: Application, region: str) -> None:
    """The reader's routes are explicit, all else is the admin's, and nothing reaches $LATEST."""
    found = {
        route: re.findall(r"(Reader|Admin)Alias", json.dumps(it["Integration"]["Uri"]))
        for route, it in methods(two_regions.template(stack(region))).items()
    }
    assert found == {route: [function] for route, function in ROUTES.items()}


@pytest.mark.parametrize("region", REGIONS)
def test_api_gateway_needs_one_permission_for_each_function(two_regions: Application, region: str) -> None:
    """A permission per route would fill the 20 KB of a function's resource policy; none names API Gateway at large."""
    permissions = two_regions.resources(stack(region), "AWS::Lambda::Permission")
    named = [
        re.findall(r"(Reader|Admin|Authorizer)Alias", it["Properties"]["FunctionName"]["Ref"]) for it in permissions
    ]
    assert sorted(named) == [["Admin"], ["Authorizer"], ["Reader"]]
    for it in permissions:
        assert it["Properties"]["Principal"] == "apigateway.amazonaws.com"
        assert "execute-api" in json.dumps(it["Properties"]["SourceArn"])


@pytest.mark.parametrize("region", REGIONS)
def test_gateway_responses_have_our_error_body(two_regions: Application, region: str) -> None:
    """Every type answers JSON in the shape of the functions' errors, with the headers of every response."""
    found = {
        it["Properties"]["ResponseType"]: it["Properties"]
        for it in two_regions.resources(stack(region), "AWS::ApiGateway::GatewayResponse")
    }
    assert set(found) == set(RESPONSES)
    assert len(found) == 21
    for kind, properties in found.items():
        error = json.loads(properties["ResponseTemplates"]["application/json"])["error"]
        assert set(error) == {"code", "message", "requestId", "retryable", "details"}, kind
        assert error["requestId"] == "$context.requestId"
        # The only thing of the request that may appear in an answer is its id, which is API Gateway's own.
        assert re.findall(r"\$\w[\w.]*", json.dumps(error)) == ["$context.requestId"]
        headers = properties["ResponseParameters"]
        assert headers["gatewayresponse.header.Cache-Control"] == "'no-store'"
        assert headers["gatewayresponse.header.x-request-id"] == "context.requestId"
        assert headers["gatewayresponse.header.x-strongroom-region"] == f"'{region}'"


@pytest.mark.parametrize(
    ("kind", "status", "code", "retryable"),
    [
        ("MISSING_AUTHENTICATION_TOKEN", "403", "access_denied", False),
        ("INVALID_SIGNATURE", "403", "access_denied", False),
        ("EXPIRED_TOKEN", "403", "access_denied", False),
        ("ACCESS_DENIED", "403", "access_denied", False),
        ("INVALID_API_KEY", "403", "access_denied", False),
        ("WAF_FILTERED", "403", "access_denied", False),
        ("UNAUTHORIZED", "401", "access_denied", False),
        ("RESOURCE_NOT_FOUND", "404", "not_found", False),
        ("REQUEST_TOO_LARGE", "413", "value_too_large", False),
        ("THROTTLED", "429", "throttled", True),
        ("QUOTA_EXCEEDED", "429", "throttled", True),
        ("BAD_REQUEST_BODY", "400", "invalid_request", False),
        ("BAD_REQUEST_PARAMETERS", "400", "invalid_request", False),
        ("UNSUPPORTED_MEDIA_TYPE", "400", "invalid_request", False),
        ("INTEGRATION_TIMEOUT", "504", "gateway_timeout", True),
        ("INTEGRATION_FAILURE", "502", "gateway_error", True),
        ("API_CONFIGURATION_ERROR", "500", "gateway_error", True),
        ("AUTHORIZER_FAILURE", "500", "gateway_error", True),
        ("AUTHORIZER_CONFIGURATION_ERROR", "500", "gateway_error", True),
        ("DEFAULT_4XX", None, "invalid_request", False),
        ("DEFAULT_5XX", None, "gateway_error", True),
    ],
)
def test_each_refusal_of_the_gateway_has_its_code(
    two_regions: Application, kind: str, status: str | None, code: str, *, retryable: bool
) -> None:
    """What API Gateway refuses by itself reads like what the functions refuse."""
    response = two_regions.one(stack("us-east-1"), "AWS::ApiGateway::GatewayResponse", ResponseType=kind)["Properties"]
    error = json.loads(response["ResponseTemplates"]["application/json"])["error"]
    assert (response.get("StatusCode"), error["code"], error["retryable"]) == (status, code, retryable)
    assert ("gatewayresponse.header.Retry-After" in response["ResponseParameters"]) == (code == "throttled")
    assert ("violations" in error["details"]) == (code in {"invalid_request", "value_too_large"})


@pytest.mark.parametrize("region", REGIONS)
def test_other_accounts_are_let_in_and_the_own_one_is_left_to_iam(two_regions: Application, region: str) -> None:
    """Within one account either policy's allow is enough: an allow here would admit who has no execute-api:Invoke."""
    api = two_regions.one(stack(region), "AWS::ApiGateway::RestApi")["Properties"]
    statements = statements_by_sid(api["Policy"])
    assert set(statements) == {
        "AnyoneAsksForHealth", "AnyoneShowsATokenToTheAuthorizer", "CallerAccounts", "Organization",
    }  # fmt: skip
    assert statements["AnyoneAsksForHealth"]["Resource"] == "execute-api:/v1/GET/health"
    assert statements["CallerAccounts"]["Principal"] == {"AWS": "arn:aws:iam::444455556666:root"}
    assert statements["Organization"]["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
        "StringNotEquals": {"aws:PrincipalAccount": ACCOUNT},
    }


def test_without_other_accounts_the_resource_policy_admits_only_what_is_not_signed(one_region: Application) -> None:
    """Methods without a signature need their own allow as soon as there is a resource policy."""
    api = one_region.one("Strongroom-solo-Api-eu-central-1", "AWS::ApiGateway::RestApi")["Properties"]
    statements = statements_by_sid(api["Policy"])
    assert set(statements) == {"AnyoneAsksForHealth", "AnyoneShowsATokenToTheAuthorizer"}
    assert statements["AnyoneShowsATokenToTheAuthorizer"]["Resource"] == [
        "execute-api:/v1/GET/workload/values/*",
        "execute-api:/v1/POST/workload/batch/values",
        "execute-api:/v1/POST/workload/revisions",
    ]


@pytest.mark.parametrize("region", REGIONS)
def test_access_is_logged_without_values(two_regions: Application, region: str) -> None:
    """Who, what, outcome: valid JSON; no header but the user agent, no query, no body, no execution log."""
    stage = two_regions.one(stack(region), "AWS::ApiGateway::Stage", StageName="v1")["Properties"]
    fields = json.loads(stage["AccessLogSetting"]["Format"])
    assert {"requestId", "caller", "address", "method", "path", "status", "refusal"} <= set(fields)
    assert all(value.startswith("$context.") for value in fields.values())
    (settings,) = stage["MethodSettings"]
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (10_000, 5_000)
    assert stage["TracingEnabled"] is False


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("name", "timeout"), [("reader", 10), ("admin", 15), ("authorizer", 10)])
def test_functions_are_snapshots_on_arm(two_regions: Application, region: str, name: str, timeout: int) -> None:
    """SnapStart wants published versions; the log group and its format are explicit; no tracing."""
    function = two_regions.one(stack(region), "AWS::Lambda::Function", FunctionName=f"strongroom-dev-{name}")
    properties = function["Properties"]
    assert properties["Architectures"] == ["arm64"]
    assert properties["Runtime"] == "python3.13"
    assert properties["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert properties["Timeout"] == timeout
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert "TracingConfig" not in properties
    assert "ReservedConcurrentExecutions" not in properties
    assert len(properties["Layers"]) == 1
    alias = two_regions.resources(stack(region), "AWS::Lambda::Alias")
    assert {it["Properties"]["Name"] for it in alias} == {"live"}


@pytest.mark.parametrize("region", REGIONS)
def test_versions_go_when_the_alias_has_left_them(two_regions: Application, region: str) -> None:
    """Each kept SnapStart version is billed."""
    versions = two_regions.resources(stack(region), "AWS::Lambda::Version")
    assert [it["DeletionPolicy"] for it in versions] == ["Delete"] * 3


@pytest.mark.parametrize("region", REGIONS)
def test_the_environment_is_what_the_functions_read(two_regions: Application, region: str) -> None:
    """The writer is the primary everywhere, the key is the region's own, and all of it stays within Lambda's limit."""
    for name in ("reader", "admin"):
        function = two_regions.one(stack(region), "AWS::Lambda::Function", FunctionName=f"strongroom-dev-{name}")
        environment = function["Properties"]["Environment"]["Variables"]
        key = environment.pop("STRONGROOM_ENVELOPE_KEY")["Fn::GetStackOutput"]
        own = "Strongroom-dev-Keys" if region == "us-east-1" else f"Strongroom-dev-KeyReplica-{region}"
        assert (key["StackName"], key["Region"]) == (own, region)
        index = {"STRONGROOM_AUDIT_INDEX": "strongroom-dev-audit-index"} if name == "admin" else {}
        assert environment == {
            **index,
            "STRONGROOM_STAGE": "dev",
            "STRONGROOM_TABLE": "strongroom-dev-secrets",
            "STRONGROOM_WRITER_REGION": "us-east-1",
            "STRONGROOM_REGIONS": "us-east-1,us-west-2",
            "STRONGROOM_AUDIT_STREAM": "strongroom-dev-audit",
            "STRONGROOM_AUDIT_BUFFER": "strongroom-dev-audit-buffer",
            "STRONGROOM_AUDIT_BUFFER_EVENTS": "300000",
            "STRONGROOM_BREAK_GLASS_APPROVALS": "2",
            "STRONGROOM_TENANTS": f'{{"default":["{ACCOUNT}"]}}',
            "STRONGROOM_ROLES": '[{"prefix":"app/","principal":"iam:arn:aws:iam::111122223333:role/app",'
            '"role":"reader","tenant":"default"}]',
            "STRONGROOM_OPERATORS": '["iam:arn:aws:iam::111122223333:role/operator"]',
        }
        assert sum(len(it) + len(value) for it, value in environment.items()) < ENVIRONMENT_BYTES / 2


def test_concurrency_is_reserved_for_all_but_who_serves_reads(one_region: Application) -> None:
    """The reader and the authorizer before it take what the account has."""
    api, workers = "Strongroom-solo-Api-eu-central-1", "Strongroom-solo-Workers-eu-central-1"
    reserved = {
        it["Properties"]["FunctionName"]: it["Properties"].get("ReservedConcurrentExecutions")
        for name in (api, workers)
        for it in one_region.resources(name, "AWS::Lambda::Function")
    }
    assert reserved == {
        "strongroom-solo-reader": None, "strongroom-solo-authorizer": None, "strongroom-solo-admin": 5,
        "strongroom-solo-seeder": 2, "strongroom-solo-drain": 2, "strongroom-solo-digests": 2,
        "strongroom-solo-grants": 2, "strongroom-solo-indexer": 2,
    }  # fmt: skip


@pytest.mark.parametrize("region", REGIONS)
def test_the_endpoint_is_given_without_a_slash(two_regions: Application, region: str) -> None:
    """Output names are an interface; paths are appended to the endpoint."""
    outputs = two_regions.template(stack(region))["Outputs"]
    assert set(outputs) == {"ApiId", "Endpoint"}
    assert outputs["Endpoint"]["Value"]["Fn::Join"][1][-1] == f".execute-api.{region}.amazonaws.com/v1"


def traced(application: Application, stage: str, region: str) -> set[str]:
    """The functions that send spans: their roles may, and no other's."""
    found = set()
    for name in ("reader", "admin", "authorizer"):
        api = f"Strongroom-{stage}-Api-{region}"
        function = application.one(api, "AWS::Lambda::Function", FunctionName=f"strongroom-{stage}-{name}")
        role = application.one(api, "AWS::IAM::Role", RoleName=f"strongroom-{stage}-{region}-{name}")
        is_traced = function["Properties"].get("TracingConfig", {}).get("Mode") == "Active"
        assert ("xray:PutTraceSegments" in json.dumps(role)) is is_traced
        if is_traced:
            found.add(name)
    return found


def test_tracing_is_off_unless_it_is_asked_for(
    two_regions: Application, one_region: Application, tmp_path: Path
) -> None:
    """Spans cost time on every read; who wants them says so, for changes or for all."""
    assert traced(two_regions, "dev", "us-east-1") == set()
    assert traced(one_region, "solo", "eu-central-1") == {"admin"}
    everything = synthesize({**ONE_REGION, "tracing": "all"}, tmp_path)
    assert traced(everything, "solo", "eu-central-1") == {"admin", "authorizer", "reader"}
    assert everything.nag == []
