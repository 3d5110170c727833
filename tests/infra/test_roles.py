from typing import Any

import pytest

from tests.infra.synthesized import ACCOUNT, Application, as_list, resolved, statements_by_sid

Grants = dict[str, tuple[set[str], set[str], dict[str, Any] | None]]

TABLE_KEY = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
PURPOSE = {"StringEquals": {"kms:EncryptionContext:purpose": "strongroom/namespace-key"}}


def grants(resource: dict[str, Any]) -> Grants:
    """Statement id → actions, resources, conditions of a role's only policy."""
    assert "ManagedPolicyArns" not in resource["Properties"]
    (policy,) = resource["Properties"]["Policies"]
    return {
        sid: (set(as_list(it["Action"])), {resolved(arn) for arn in as_list(it["Resource"])}, it.get("Condition"))
        for sid, it in statements_by_sid(policy["PolicyDocument"]).items()
    }


def via(service: str, region: str) -> dict[str, Any]:
    """The condition that a service uses the key."""
    return {"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}}


def envelope_keys(region: str) -> set[str]:
    """The region's own copy of the envelope key, and the other region's by its ARN."""
    other = {"us-east-1": "us-west-2", "us-west-2": "us-east-1"}[region]
    return {"<EnvelopeKey>", f"arn:aws:kms:{other}:{ACCOUNT}:key/<EnvelopeKey>"}


def audited(region: str, function: str) -> Grants:
    """What every function that serves requests has."""
    return {
        "RecordAudit": (
            {"kinesis:PutRecord"},
            {f"arn:aws:kinesis:{region}:{ACCOUNT}:stream/strongroom-dev-audit"},
            None,
        ),
        "EncryptAuditStream": ({"kms:GenerateDataKey"}, {"<Key>"}, via("kinesis", region)),
        "BufferAudit": (
            {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
            {f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/strongroom-dev-audit-buffer"},
            None,
        ),
        "WriteBufferUnderItsKey": (TABLE_KEY, {"<Key>"}, via("dynamodb", region)),
        "WriteLogs": (
            {"logs:CreateLogStream", "logs:PutLogEvents"},
            {f"arn:aws:logs:{region}:{ACCOUNT}:log-group:/aws/lambda/strongroom-dev-{function}:*"},
            None,
        ),
    }


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_the_reader_reads_by_key_decrypts_and_records(two_regions: Application, region: str) -> None:
    """No query, no scan, no write, no data key: exactly these actions on exactly these ARNs."""
    role = two_regions.one(f"Strongroom-dev-Api-{region}", "AWS::IAM::Role", RoleName=f"strongroom-dev-{region}-reader")
    table = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/strongroom-dev-secrets"
    assert grants(role) == {
        "ReadSecrets": ({"dynamodb:BatchGetItem"}, {table}, None),
        "ReadTableUnderItsKey": ({"kms:Decrypt"}, {"<TableKey>"}, via("dynamodb", region)),
        "OpenNamespaceKeys": ({"kms:Decrypt"}, envelope_keys(region), PURPOSE),
        **audited(region, "reader"),
    }


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_the_admin_changes_items_and_makes_namespace_keys(two_regions: Application, region: str) -> None:
    """Items by key and their index; no scan, no stream, no table management."""
    role = two_regions.one(f"Strongroom-dev-Api-{region}", "AWS::IAM::Role", RoleName=f"strongroom-dev-{region}-admin")
    table = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/strongroom-dev-secrets"
    items = {"GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"}
    assert grants(role) == {
        "ChangeSecrets": ({f"dynamodb:{it}" for it in items}, {table}, None),
        "ListSecrets": ({"dynamodb:Query"}, {f"{table}/index/byPath"}, None),
        "WriteTableUnderItsKey": (TABLE_KEY, {"<TableKey>"}, via("dynamodb", region)),
        "OpenNamespaceKeys": ({"kms:Decrypt"}, envelope_keys(region), PURPOSE),
        "MakeNamespaceKeys": ({"kms:GenerateDataKey"}, envelope_keys(region), PURPOSE),
        "AskAudit": (
            {"dynamodb:Query"},
            {f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/strongroom-dev-audit-index"},
            None,
        ),
        **audited(region, "admin"),
    }


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_the_authorizer_reads_the_registry_and_records(two_regions: Application, region: str) -> None:
    """One partition of the table: no secret, no policy, no key of the envelope."""
    role = two_regions.one(
        f"Strongroom-dev-Api-{region}", "AWS::IAM::Role", RoleName=f"strongroom-dev-{region}-authorizer"
    )
    table = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/strongroom-dev-secrets"
    only_the_registry = {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["A#@registry"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    assert grants(role) == {
        "ReadRegistry": ({"dynamodb:BatchGetItem"}, {table}, only_the_registry),
        "ReadTableUnderItsKey": ({"kms:Decrypt"}, {"<TableKey>"}, via("dynamodb", region)),
        **audited(region, "authorizer"),
    }


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_the_drain_empties_the_buffer_into_the_stream(two_regions: Application, region: str) -> None:
    """It puts no record into the buffer, reads none from the stream, and sees no secret."""
    stack = f"Strongroom-dev-Workers-{region}"
    role = two_regions.one(stack, "AWS::IAM::Role", RoleName=f"strongroom-dev-{region}-drain")
    stream = f"arn:aws:kinesis:{region}:{ACCOUNT}:stream/strongroom-dev-audit"
    items = {"BatchGetItem", "DeleteItem", "Query", "UpdateItem"}
    found = grants(role)
    assert found == {
        "DrainBuffer": (
            {f"dynamodb:{it}" for it in items},
            {f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/strongroom-dev-audit-buffer"},
            None,
        ),
        "WriteBufferUnderItsKey": (TABLE_KEY, {"<Key>"}, via("dynamodb", region)),
        "DrainIntoStream": ({"kinesis:PutRecords"}, {stream}, None),
        "EncryptAuditStream": ({"kms:GenerateDataKey"}, {"<Key>"}, via("kinesis", region)),
        "WriteLogs": found["WriteLogs"],
    }


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_the_sealer_reads_the_archive_and_stores_digests(two_regions: Application, region: str) -> None:
    """By version; it stores no record, deletes nothing, and signs by one key in one way."""
    stack = f"Strongroom-dev-Workers-{region}"
    role = two_regions.one(stack, "AWS::IAM::Role", RoleName=f"strongroom-dev-{region}-digests")
    bucket = f"arn:aws:s3:::strongroom-dev-audit-{ACCOUNT}-{region}"
    found = grants(role)
    assert found == {
        "ListArchive": (
            {"s3:ListBucketVersions"}, {bucket}, {"StringEquals": {"s3:prefix": ["records/", "digests/"]}}
        ),
        "TellWhatIsGone": ({"s3:ListBucket"}, {bucket}, None),
        "ReadArchive": ({"s3:GetObjectVersion"}, {f"{bucket}/records/*", f"{bucket}/digests/*"}, None),
        "StoreDigests": ({"s3:PutObject"}, {f"{bucket}/digests/*"}, None),
        "UseArchiveKey": ({"kms:Decrypt", "kms:GenerateDataKey"}, {"<Key>"}, via("s3", region)),
        "SignDigests": (
            {"kms:Sign", "kms:Verify"},
            {"<DigestKey>"},
            {"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}},
        ),
        "WriteLogs": found["WriteLogs"],
    }  # fmt: skip


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_the_worker_of_grants_opens_no_value(two_regions: Application, region: str) -> None:
    """It writes heads, requests and access sets, and holds no key that a secret is under."""
    stack = f"Strongroom-dev-Workers-{region}"
    role = two_regions.one(stack, "AWS::IAM::Role", RoleName=f"strongroom-dev-{region}-grants")
    items = {"BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query"}
    (other,) = {"us-east-1", "us-west-2"} - {region}
    found = grants(role)
    index_of_the_other = f"ReadIndexIn{other.title().replace('-', '')}"
    assert found.pop(index_of_the_other) == ({"kms:Decrypt"}, {"<Key>"}, via("dynamodb", other))
    assert found == {
        "AskAudit": (
            {"dynamodb:Query"},
            {f"arn:aws:dynamodb:{it}:{ACCOUNT}:table/strongroom-dev-audit-index" for it in (region, other)},
            None,
        ),
        "TendGrants": (
            {f"dynamodb:{it}" for it in items},
            {f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/strongroom-dev-secrets"},
            None,
        ),
        "WriteTableUnderItsKey": (TABLE_KEY, {"<TableKey>"}, via("dynamodb", region)),
        **audited(region, "grants"),
    }


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_the_indexer_reads_the_stream_and_writes_the_index(two_regions: Application, region: str) -> None:
    """It puts nothing on the stream, reads nothing of the index, and sees no secret."""
    stack = f"Strongroom-dev-Workers-{region}"
    role = two_regions.one(stack, "AWS::IAM::Role", RoleName=f"strongroom-dev-{region}-indexer")
    reads = {"DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards"}
    found = grants(role)
    assert found == {
        "ReadAuditStream": (
            {f"kinesis:{it}" for it in reads},
            {f"arn:aws:kinesis:{region}:{ACCOUNT}:stream/strongroom-dev-audit"},
            None,
        ),
        "DecryptAuditStream": ({"kms:Decrypt"}, {"<Key>"}, via("kinesis", region)),
        "IndexAudit": (
            {"dynamodb:BatchWriteItem"},
            {f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/strongroom-dev-audit-index"},
            None,
        ),
        "WriteIndexUnderItsKey": (TABLE_KEY, {"<Key>"}, via("dynamodb", region)),
        "TellGivenUp": (
            {"sqs:SendMessage"},
            {f"arn:aws:sqs:{region}:{ACCOUNT}:strongroom-dev-audit-not-indexed"},
            None,
        ),
        "Announce": ({"sns:Publish"}, {f"arn:aws:sns:{region}:{ACCOUNT}:strongroom-dev-break-glass"}, None),
        "EncryptAnnouncements": ({"kms:Decrypt", "kms:GenerateDataKey"}, {"<Key>"}, via("sns", region)),
        "WriteLogs": found["WriteLogs"],
    }


def test_the_seeder_puts_items_and_nothing_else(two_regions: Application) -> None:
    """It can write where it must and read nothing at all."""
    role = two_regions.one(
        "Strongroom-dev-Workers-us-east-1", "AWS::IAM::Role", RoleName="strongroom-dev-us-east-1-seeder"
    )
    tables = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/strongroom-dev"
    found = grants(role)
    assert set(found) == {"SeedFences", "SeedControl", "WriteTableUnderItsKey", "WriteLogs"}
    assert found["SeedFences"] == ({"dynamodb:PutItem"}, {f"{tables}-secrets"}, None)
    assert found["SeedControl"] == ({"dynamodb:PutItem"}, {f"{tables}-control"}, None)
    assert found["WriteTableUnderItsKey"][2] == via("dynamodb", "us-east-1")


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_the_archiver_reads_the_stream_and_writes_the_archive(two_regions: Application, region: str) -> None:
    """Firehose, for this account only, from one stream into one bucket; it cannot delete or read an object back."""
    role = two_regions.one(f"Strongroom-dev-Audit-{region}", "AWS::IAM::Role")
    bucket = f"arn:aws:s3:::strongroom-dev-audit-{ACCOUNT}-{region}"
    reads = {"kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}
    assert grants(role) == {
        "ReadAuditStream": (reads, {f"arn:aws:kinesis:{region}:{ACCOUNT}:stream/strongroom-dev-audit"}, None),
        "DecryptStream": ({"kms:Decrypt"}, {"<Key>"}, via("kinesis", region)),
        "FindArchive": ({"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"}, {bucket}, None),
        "WriteArchive": ({"s3:AbortMultipartUpload", "s3:PutObject"}, {f"{bucket}/*"}, None),
        "EncryptArchive": ({"kms:Decrypt", "kms:GenerateDataKey"}, {"<Key>"}, via("s3", region)),
        "ReportFailures": (
            {"logs:PutLogEvents"},
            {f"arn:aws:logs:{region}:{ACCOUNT}:log-group:/aws/kinesisfirehose/strongroom-dev-audit-archive:*"},
            None,
        ),
    }
    trust = role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_no_role_has_a_wildcard_action_or_resource(two_regions: Application) -> None:
    """Nothing anywhere is granted on everything, and no policy is attached from outside a role."""
    for stack, logical_id, resource in two_regions.everything():
        assert resource["Type"] not in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::User"}
        if resource["Type"] != "AWS::IAM::Role":
            continue
        for policy in resource["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                assert "*" not in "".join(as_list(statement["Action"])), f"{stack}/{logical_id}"
                assert "*" not in as_list(statement["Resource"]), f"{stack}/{logical_id}"


def test_each_function_has_a_role_of_its_own(two_regions: Application) -> None:
    """Names are deterministic, since key policies name roles that are made after the keys."""
    names = [
        it["Properties"]["RoleName"]
        for _, _, it in two_regions.everything()
        if it["Type"] == "AWS::IAM::Role" and "RoleName" in it["Properties"]
    ]
    assert sorted(names) == [
        "strongroom-dev-us-east-1-admin",
        "strongroom-dev-us-east-1-archiver",
        "strongroom-dev-us-east-1-authorizer",
        "strongroom-dev-us-east-1-digests",
        "strongroom-dev-us-east-1-drain",
        "strongroom-dev-us-east-1-grants",
        "strongroom-dev-us-east-1-indexer",
        "strongroom-dev-us-east-1-reader",
        "strongroom-dev-us-east-1-seeder",
        "strongroom-dev-us-west-2-admin",
        "strongroom-dev-us-west-2-archiver",
        "strongroom-dev-us-west-2-authorizer",
        "strongroom-dev-us-west-2-digests",
        "strongroom-dev-us-west-2-drain",
        "strongroom-dev-us-west-2-grants",
        "strongroom-dev-us-west-2-indexer",
        "strongroom-dev-us-west-2-reader",
    ]
