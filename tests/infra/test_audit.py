import json
from typing import Any

import pytest

from strongroom_service.domain.audit import Chain, Receipt
from tests.infra.synthesized import ACCOUNT, Application, as_list
from tests.support.auditing import EVENT

REGIONS = ["us-east-1", "us-west-2"]


def stack(region: str) -> str:
    return f"Strongroom-dev-Audit-{region}"


def archive(application: Application, name: str, account_and_region: str) -> dict[str, Any]:
    """The archive's bucket."""
    return application.one(name, "AWS::S3::Bucket", BucketName=account_and_region)


@pytest.mark.parametrize("region", REGIONS)
def test_the_stream_is_on_demand_under_a_key_of_its_region(two_regions: Application, region: str) -> None:
    """A week of retention: the time to mend the way into the archive."""
    stream = two_regions.one(stack(region), "AWS::Kinesis::Stream", Name="strongroom-dev-audit")
    assert stream["Properties"]["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert "ShardCount" not in stream["Properties"]
    assert stream["Properties"]["RetentionPeriodHours"] == 168
    assert stream["Properties"]["StreamEncryption"]["EncryptionType"] == "KMS"
    assert "Fn::GetAtt" in stream["Properties"]["StreamEncryption"]["KeyId"]
    key = two_regions.one(stack(region), "AWS::KMS::Key")
    assert key["Properties"]["EnableKeyRotation"] is True
    assert "MultiRegion" not in key["Properties"]


def test_shards_can_be_provisioned(one_region: Application) -> None:
    """The cheap choice for a small deployment, and the sure one for a large."""
    stream = one_region.one("Strongroom-solo-Audit-eu-central-1", "AWS::Kinesis::Stream")["Properties"]
    assert (stream["StreamModeDetails"], stream["ShardCount"]) == ({"StreamMode": "PROVISIONED"}, 2)
    assert stream["RetentionPeriodHours"] == 24


@pytest.mark.parametrize("region", REGIONS)
def test_the_archive_keeps_versions_and_refuses_to_forget(two_regions: Application, region: str) -> None:
    """Versioned, locked by default, encrypted, logged, never public, and never expired by a rule."""
    bucket = archive(two_regions, stack(region), f"strongroom-dev-audit-{ACCOUNT}-{region}")
    properties = bucket["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["ObjectLockEnabled"] is True
    assert properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 365}
    assert properties["LoggingConfiguration"]["LogFilePrefix"] == "archive/"
    assert properties["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    for rule in properties["LifecycleConfiguration"]["Rules"]:
        assert not {"ExpirationInDays", "ExpirationDate", "NoncurrentVersionExpiration"} & set(rule)
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"


def test_compliance_mode_is_a_choice(one_region: Application) -> None:
    """Nobody ends it early, so it is opt-in."""
    name = f"strongroom-solo-audit-{ACCOUNT}-eu-central-1"
    bucket = archive(one_region, "Strongroom-solo-Audit-eu-central-1", name)["Properties"]
    assert bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"] == {"Mode": "COMPLIANCE", "Days": 30}


@pytest.mark.parametrize("region", REGIONS)
def test_buckets_speak_tls_only(two_regions: Application, region: str) -> None:
    """Every bucket denies what does not come over TLS 1.2 or later."""
    found = two_regions.resources(stack(region), "AWS::S3::BucketPolicy")
    assert len(found) == 3
    for policy in found:
        denied = [
            it["Condition"] for it in policy["Properties"]["PolicyDocument"]["Statement"] if it["Effect"] == "Deny"
        ]
        assert {"Bool": {"aws:SecureTransport": "false"}} in denied
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied


@pytest.mark.parametrize("region", REGIONS)
def test_nobody_puts_anything_between_the_records(two_regions: Application, region: str) -> None:
    """Firehose's role alone stores records, the sealer's alone digests, whatever IAM allows to others."""
    bucket = f"arn:aws:s3:::strongroom-dev-audit-{ACCOUNT}-{region}"
    statements = [
        statement
        for policy in two_regions.resources(stack(region), "AWS::S3::BucketPolicy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:PutObject" and statement["Effect"] == "Deny"
    ]
    found = {it["Sid"]: (as_list(it["Resource"]), it["Condition"]) for it in statements}

    def only(function: str) -> dict[str, Any]:
        role = f"arn:aws:iam::{ACCOUNT}:role/strongroom-dev-{region}-{function}"
        return {"ArnNotEquals": {"aws:PrincipalArn": role}}

    assert found == {
        "OnlyTheArchiverStoresRecords": ([f"{bucket}/records/*", f"{bucket}/failed/*"], only("archiver")),
        "OnlyTheSealerStoresDigests": ([f"{bucket}/digests/*"], only("digests")),
    }
    assert [it["Principal"] for it in statements] == [{"AWS": "*"}] * 2


@pytest.mark.parametrize("region", REGIONS)
def test_firehose_copies_the_stream_as_it_is(two_regions: Application, region: str) -> None:
    """From the stream into time prefixes, unconverted, failures apart."""
    name = "strongroom-dev-audit-archive"
    properties = two_regions.one(stack(region), "AWS::KinesisFirehose::DeliveryStream")["Properties"]
    assert (properties["DeliveryStreamName"], properties["DeliveryStreamType"]) == (name, "KinesisStreamAsSource")
    destination = properties["ExtendedS3DestinationConfiguration"]
    assert destination["Prefix"] == "records/!{timestamp:yyyy/MM/dd/HH}/"
    assert destination["ErrorOutputPrefix"].startswith("failed/!{firehose:error-output-type}/")
    assert destination["CompressionFormat"] == "UNCOMPRESSED"
    assert destination["BufferingHints"] == {"IntervalInSeconds": 60, "SizeInMBs": 5}
    assert destination["CloudWatchLoggingOptions"]["Enabled"] is True


@pytest.mark.parametrize("region", REGIONS)
def test_the_buffer_never_drops_a_record_by_age_and_the_index_does(two_regions: Application, region: str) -> None:
    """Only rubbish may expire."""
    kind = "AWS::DynamoDB::GlobalTable"
    buffer = two_regions.one(stack(region), kind, TableName="strongroom-dev-audit-buffer")["Properties"]
    index = two_regions.one(stack(region), kind, TableName="strongroom-dev-audit-index")["Properties"]
    assert "TimeToLiveSpecification" not in buffer
    assert index["TimeToLiveSpecification"] == {"AttributeName": "expireAt", "Enabled": True}
    for table in (buffer, index):
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}


@pytest.mark.parametrize("region", REGIONS)
def test_other_tools_find_the_audit_by_its_outputs(two_regions: Application, region: str) -> None:
    """Output names are an interface."""
    assert {"ArchiveBucket", "AuditStreamName"} <= set(two_regions.template(stack(region))["Outputs"])


@pytest.mark.parametrize("region", REGIONS)
def test_athena_finds_each_hour_by_its_prefix(two_regions: Application, region: str) -> None:
    """The prefixes that Firehose writes are those that the projection makes; no crawler, no partition to add."""
    table = two_regions.one(stack(region), "AWS::Glue::Table")["Properties"]
    assert table["DatabaseName"] == "strongroom_dev_audit"
    said = table["TableInput"]
    delivery = two_regions.one(stack(region), "AWS::KinesisFirehose::DeliveryStream")["Properties"]
    prefix = delivery["ExtendedS3DestinationConfiguration"]["Prefix"]
    form = said["Parameters"]["projection.hour.format"]
    bucket = f"s3://strongroom-dev-audit-{ACCOUNT}-{region}/"
    template = said["Parameters"]["storage.location.template"]
    assert template.removeprefix(bucket).replace("${hour}", f"!{{timestamp:{form}}}") == prefix
    assert [it["Name"] for it in said["PartitionKeys"]] == ["hour"]
    assert (said["Parameters"]["projection.enabled"], said["Parameters"]["projection.hour.type"]) == ("true", "date")
    assert said["StorageDescriptor"]["Location"] == f"{bucket}records/"


def test_athena_knows_every_field_of_a_record(two_regions: Application) -> None:
    """By the record that the service writes: a field without a column could not be asked for."""
    (sealed,) = Chain("0" * 32, follows=Receipt("event", "chain", 1, "f" * 64)).seal([EVENT])
    record = json.loads(sealed.line)
    table = two_regions.one(stack("us-east-1"), "AWS::Glue::Table")["Properties"]["TableInput"]
    columns = {it["Name"]: it["Type"] for it in table["StorageDescriptor"]["Columns"]}
    kinds = {str: "string", int: "bigint", list: "array<string>", dict: "struct<"}
    assert set(columns) == {name.lower() for name in record}
    for name, value in record.items():
        if name != "formatVersion":
            assert columns[name.lower()].startswith(kinds[type(value)]), name


@pytest.mark.parametrize("region", REGIONS)
def test_answers_stay_in_their_bucket_under_the_key(two_regions: Application, region: str) -> None:
    """Whoever asks cannot choose another place, leave them unencrypted, or scan without bound."""
    group = two_regions.one(stack(region), "AWS::Athena::WorkGroup", Name="strongroom-dev-audit")["Properties"]
    configuration = group["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == 1024**4
    result = configuration["ResultConfiguration"]
    assert result["OutputLocation"] == f"s3://strongroom-dev-queries-{ACCOUNT}-{region}/"
    assert result["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    assert "Fn::GetAtt" in result["EncryptionConfiguration"]["KmsKey"]
    answers = archive(two_regions, stack(region), f"strongroom-dev-queries-{ACCOUNT}-{region}")["Properties"]
    assert answers["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 30
    assert answers["LoggingConfiguration"]["LogFilePrefix"] == "queries/"
