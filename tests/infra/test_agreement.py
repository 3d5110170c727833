"""The infrastructure and the service do not import each other; what both must call by one name is compared here."""

import json

import pytest

from infra import naming
from infra.config import ADMINISTRATOR, MIN_BUFFER_EVENTS, ROLES
from infra.constructs.gateway_responses import RESPONSES
from infra.constructs.http_api import TOKEN_ROUTES
from infra.naming import NAMESPACE_KEY_PURPOSE, REGISTRY_ITEMS
from infra.stacks.data import LISTED
from strongroom_service.adapters.audit import buffer_layout
from strongroom_service.adapters.dynamodb import audit_index_layout, layout
from strongroom_service.adapters.envelope.encryption import PURPOSE
from strongroom_service.domain import digest, limits
from strongroom_service.domain.access_set import AccessPointer
from strongroom_service.domain.errors import AccessDenied, Throttled
from strongroom_service.domain.registry import SCOPE
from strongroom_service.domain.roles import TENANT_WIDE, Role
from strongroom_service.entry import environment, identity
from strongroom_service.entry.error_table import STATUS
from tests.infra.synthesized import Application


def test_the_context_of_kms_calls_is_what_the_key_policy_demands() -> None:
    """With any other purpose no secret could be opened."""
    assert NAMESPACE_KEY_PURPOSE == PURPOSE


@pytest.mark.parametrize(("stack", "name"), [("Api", "reader"), ("Api", "admin"), ("Workers", "grants")])
def test_functions_can_parse_their_environment(two_regions: Application, stack: str, name: str) -> None:
    """As Lambda would give it to them, with the region that it adds."""
    for region in ("us-east-1", "us-west-2"):
        place = f"Strongroom-dev-{stack}-{region}"
        function = two_regions.one(place, "AWS::Lambda::Function", FunctionName=f"strongroom-dev-{name}")
        variables = {it: str(value) for it, value in function["Properties"]["Environment"]["Variables"].items()}
        parsed = environment.Environment.parse({**variables, environment.REGION: region})
        assert parsed.regions == ("us-east-1", "us-west-2")
        assert parsed.audit_buffer_events == 300_000
        assert parsed.break_glass_approvals == 2
        assert parsed.registry.tenants == {"default": frozenset({"111122223333"})}
        assert parsed.registry.operators == frozenset({"iam:arn:aws:iam::111122223333:role/operator"})
        (role,) = parsed.roles["default"]
        assert (role.principal, role.prefix) == ("iam:arn:aws:iam::111122223333:role/app", "app")


def test_the_options_take_every_role_and_the_service_knows_each() -> None:
    """And both know which one is a whole tenant's only."""
    assert set(ROLES) == set(Role)
    assert {ADMINISTRATOR} == TENANT_WIDE


def test_the_authorizer_is_told_what_it_reads_and_no_more(two_regions: Application) -> None:
    """It opens no envelope and decides no policy, so it is told neither key nor roles."""
    for region in ("us-east-1", "us-west-2"):
        stack = f"Strongroom-dev-Api-{region}"
        function = two_regions.one(stack, "AWS::Lambda::Function", FunctionName="strongroom-dev-authorizer")
        variables = function["Properties"]["Environment"]["Variables"]
        assert set(variables) == {
            environment.STAGE, environment.TABLE, environment.AUDIT_STREAM, environment.AUDIT_BUFFER,
            environment.AUDIT_BUFFER_EVENTS,
        }  # fmt: skip
        parsed = environment.AuthorizerEnvironment.parse({**variables, environment.REGION: region})
        assert parsed.audit_buffer_events == 300_000


def test_the_authorizer_may_read_where_the_registry_lies() -> None:
    """Under any other key nobody would be let in by a token; under a shorter one it could read secrets."""
    pointer = AccessPointer(1, 1, "0" * 64, 1)
    keys = [layout.access_pointer_key(SCOPE, 0), layout.access_chunk_key(SCOPE, pointer, 0)]
    assert {key.pk for key in keys} == {REGISTRY_ITEMS}


def test_routes_for_tokens_are_those_that_the_reader_knows_them_by() -> None:
    """The functions tell by the resource whether a signature or a token proves who calls."""
    assert all(f"/{route.partition('/')[2]}".startswith(identity.TOKEN_ROUTES) for route in TOKEN_ROUTES)


def test_the_seeder_is_told_both_tables(two_regions: Application) -> None:
    """By the names of the variables that it reads."""
    stack = "Strongroom-dev-Workers-us-east-1"
    function = two_regions.one(stack, "AWS::Lambda::Function", FunctionName="strongroom-dev-seeder")["Properties"]
    assert set(function["Environment"]["Variables"]) == {
        environment.STAGE, environment.TABLE, environment.CONTROL_TABLE
    }  # fmt: skip


def test_the_drain_is_told_the_buffer_and_the_stream(two_regions: Application) -> None:
    """In every region, by the names of the variables that it reads."""
    for region in ("us-east-1", "us-west-2"):
        stack = f"Strongroom-dev-Workers-{region}"
        function = two_regions.one(stack, "AWS::Lambda::Function", FunctionName="strongroom-dev-drain")["Properties"]
        assert set(function["Environment"]["Variables"]) == {
            environment.STAGE, environment.AUDIT_STREAM, environment.AUDIT_BUFFER
        }  # fmt: skip


def test_the_sealer_is_told_the_archive_and_the_key(two_regions: Application) -> None:
    """In every region its own bucket, by the names of the variables that it reads."""
    for region in ("us-east-1", "us-west-2"):
        stack = f"Strongroom-dev-Workers-{region}"
        function = two_regions.one(stack, "AWS::Lambda::Function", FunctionName="strongroom-dev-digests")["Properties"]
        variables = function["Environment"]["Variables"]
        assert set(variables) == {
            environment.STAGE, environment.ARCHIVE_ACCOUNT, environment.ARCHIVE_BUCKET,
            environment.ARCHIVE_LOOKBACK_HOURS, environment.DIGEST_KEY
        }  # fmt: skip
        assert variables[environment.ARCHIVE_BUCKET].endswith(region)
        # A week of the stream's memory, and two days.
        assert variables[environment.ARCHIVE_LOOKBACK_HOURS] == "216"


def test_the_archive_has_the_prefixes_that_the_service_reads(two_regions: Application) -> None:
    """What Firehose delivers elsewhere would never be sealed."""
    assert (naming.RECORDS_PREFIX, naming.DIGESTS_PREFIX) == (digest.RECORDS, digest.DIGESTS)
    delivery = two_regions.one("Strongroom-dev-Audit-us-east-1", "AWS::KinesisFirehose::DeliveryStream")["Properties"]
    assert delivery["ExtendedS3DestinationConfiguration"]["Prefix"].startswith(digest.RECORDS)


def test_the_indexer_is_told_the_index(two_regions: Application) -> None:
    """In every region, by the names of the variables that it reads; the admin function is told the same table."""
    for region in ("us-east-1", "us-west-2"):
        stack = f"Strongroom-dev-Workers-{region}"
        indexer = two_regions.one(stack, "AWS::Lambda::Function", FunctionName="strongroom-dev-indexer")["Properties"]
        variables = indexer["Environment"]["Variables"]
        assert set(variables) == {environment.STAGE, environment.AUDIT_INDEX, environment.ANNOUNCEMENTS}
        assert variables[environment.ANNOUNCEMENTS].endswith(":strongroom-dev-break-glass")
        assert f":{region}:" in variables[environment.ANNOUNCEMENTS]
        admin = two_regions.one(
            f"Strongroom-dev-Api-{region}", "AWS::Lambda::Function", FunctionName="strongroom-dev-admin"
        )["Properties"]
        assert admin["Environment"]["Variables"][environment.AUDIT_INDEX] == variables[environment.AUDIT_INDEX]
        two_regions.one(
            f"Strongroom-dev-Audit-{region}", "AWS::DynamoDB::GlobalTable", TableName=variables[environment.AUDIT_INDEX]
        )


def test_the_buffer_can_take_the_largest_record() -> None:
    """A full batch in one shard, at the smallest size that the options admit."""
    assert MIN_BUFFER_EVENTS // buffer_layout.SHARDS >= limits.MAX_BATCH_ITEMS


def test_tables_have_the_keys_that_the_service_writes(two_regions: Application) -> None:
    """Key attributes cannot be changed on a table that exists."""
    kind = "AWS::DynamoDB::GlobalTable"
    secrets = two_regions.one("Strongroom-dev-Data", kind, TableName="strongroom-dev-secrets")["Properties"]
    control = two_regions.one("Strongroom-dev-Data", kind, TableName="strongroom-dev-control")["Properties"]
    buffer = two_regions.one("Strongroom-dev-Audit-us-east-1", kind, TableName="strongroom-dev-audit-buffer")
    index = two_regions.one("Strongroom-dev-Audit-us-east-1", kind, TableName="strongroom-dev-audit-index")
    keys = [it["AttributeName"] for it in index["Properties"]["KeySchema"]]
    assert keys == [audit_index_layout.PK, audit_index_layout.SK]
    assert index["Properties"]["TimeToLiveSpecification"]["AttributeName"] == audit_index_layout.EXPIRE_AT
    (index,) = secrets["GlobalSecondaryIndexes"]
    assert [it["AttributeName"] for it in buffer["Properties"]["KeySchema"]] == [buffer_layout.PK, buffer_layout.SK]
    assert [it["AttributeName"] for it in secrets["KeySchema"]] == [layout.PK, layout.SK]
    assert [it["AttributeName"] for it in control["KeySchema"]] == [layout.CONTROL_PK]
    assert index["IndexName"] == layout.BY_PATH
    assert [it["AttributeName"] for it in index["KeySchema"]] == [layout.NAMESPACE, layout.PATH]


def test_the_index_projects_what_a_listing_decodes() -> None:
    """An attribute that is missing here would make every listed head look damaged."""
    assert set(layout.PROJECTED) <= set(LISTED)


def test_the_gateway_refuses_in_the_services_words() -> None:
    """A caller cannot tell by the body who refused, where both may."""
    own = {"gateway_error", "gateway_timeout"}
    for kind, response in RESPONSES.items():
        if response.code in own:
            assert response.status is None or response.status >= 500
        elif response.status is not None and kind not in {"UNAUTHORIZED", "UNSUPPORTED_MEDIA_TYPE"}:
            assert response.status == STATUS[response.code], kind
    denied = json.loads(RESPONSES["ACCESS_DENIED"].body())["error"]
    assert (denied["message"], denied["retryable"]) == (AccessDenied.default_message, AccessDenied.retryable)
    throttled = json.loads(RESPONSES["THROTTLED"].body())["error"]
    assert (throttled["message"], throttled["retryable"]) == (Throttled.default_message, Throttled.retryable)
