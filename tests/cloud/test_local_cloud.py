"""What the local cloud itself promises: regions, refusals by the gateway, faults, replication, retention."""

import json
import secrets
import shutil
import subprocess
import time
from datetime import timedelta
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError, ConnectionClosedError

from infra.local.client import LocalCloud
from infra.local.requests import Region

TABLE = "strongroom-local-secrets"


def item(value: str) -> dict[str, Any]:
    return {"PK": {"S": f"T#{value}"}, "SK": {"S": "TEST"}, "value": {"S": value}}


def read_item(cloud: LocalCloud, region: Region, value: str) -> dict[str, Any] | None:
    key = {name: part for name, part in item(value).items() if name in {"PK", "SK"}}
    found: dict[str, Any] = cloud.aws("dynamodb", region.name).get_item(TableName=TABLE, Key=key)
    return found.get("Item")


def assert_refused(answer: Any) -> None:
    assert answer.status == 403
    assert answer.error_code == "access_denied"
    assert answer.headers["cache-control"] == "no-store"


def test_each_region_answers_its_health_unsigned(cloud: LocalCloud) -> None:
    for region in cloud.description.regions:
        answer = cloud.request("GET", "/health", identity=None, region=region)
        assert answer.status == 200
        assert answer.json() == {"status": "ok", "region": region.name}


def test_an_unsigned_request_is_refused_in_our_body(cloud: LocalCloud) -> None:
    assert_refused(cloud.request("GET", "/values/prod/a", identity=None))


def test_a_tampered_body_is_refused_in_our_body(cloud: LocalCloud) -> None:
    wanted = {"items": [{"secretPath": "prod/a"}]}
    assert_refused(cloud.request("POST", "/batch/values", json=wanted, tampered_body=b'{"items": []}'))


def test_an_expired_session_is_refused_in_our_body(cloud: LocalCloud) -> None:
    expired = cloud.session_of_role("local-owner", valid=timedelta(seconds=-1))
    answer = cloud.request("GET", "/values/prod/a", identity=expired)
    assert_refused(answer)
    assert answer.headers["x-amzn-errortype"] == "ExpiredTokenException"


def test_a_caller_without_invoke_is_refused_in_our_body(cloud: LocalCloud) -> None:
    assert_refused(cloud.request("GET", "/values/prod/a", identity="outsider"))


def test_a_request_beyond_the_gateways_limit_is_refused_in_our_body(cloud: LocalCloud) -> None:
    answer = cloud.request("POST", "/batch/values", body=b" " * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.error_code) == (413, "value_too_large")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_signs_requests_to_each_region(cloud: LocalCloud) -> None:
    identity = cloud.identity("owner")
    for region in cloud.description.regions:
        command = [
            "curl", "--silent", "--aws-sigv4", f"aws:amz:{region.name}:execute-api",
            "--user", f"{identity.access_key_id}:{identity.secret_access_key}",
            "--header", f"x-amz-security-token: {identity.session_token}",
            f"{region.endpoint}/values/prod/{secrets.token_hex(4)}?version=current",
        ]  # fmt: skip
        answer = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - a command of this test
        assert json.loads(answer.stdout)["error"]["code"] == "not_found"


def test_a_region_that_is_cut_off_gives_no_answer_and_comes_back(cloud: LocalCloud) -> None:
    with cloud.faults.cut_off(cloud.writer.name):
        with pytest.raises(urllib3.exceptions.ProtocolError):
            cloud.request("GET", "/health", identity=None, region=cloud.writer)
        assert cloud.request("GET", "/health", identity=None, region=cloud.replica).status == 200
        with pytest.raises(ConnectionClosedError):
            cloud.aws("kms", cloud.writer.name, through_proxy=True).list_keys()
    assert cloud.request("GET", "/health", identity=None).status == 200


def test_a_throttled_operation_answers_the_services_own_error(cloud: LocalCloud) -> None:
    client = cloud.aws("dynamodb", cloud.writer.name, through_proxy=True)
    with cloud.faults.fault("throttle", service="dynamodb", operation="DescribeTable", times=1):
        with pytest.raises(ClientError) as refused:
            client.describe_table(TableName=TABLE)
        assert client.describe_table(TableName=TABLE)["Table"]["TableStatus"] == "ACTIVE"
    assert refused.value.response["Error"]["Code"] == "ProvisionedThroughputExceededException"


def test_put_records_can_fail_for_a_share_of_its_records(cloud: LocalCloud) -> None:
    kinesis = cloud.aws("kinesis", cloud.writer.name, through_proxy=True)
    records = [{"Data": f'{{"n":{index}}}'.encode(), "PartitionKey": str(index)} for index in range(4)]
    with cloud.faults.fault("partial", service="kinesis", share=0.5):
        answer = kinesis.put_records(StreamName="strongroom-local-audit", Records=records)
    assert answer["FailedRecordCount"] == 2
    assert [bool(entry.get("SequenceNumber")) for entry in answer["Records"]] == [True, True, False, False]


def test_a_write_waits_while_replication_is_paused_and_arrives_after(cloud: LocalCloud) -> None:
    value = secrets.token_hex(8)
    with cloud.replication.paused(cloud.replica.name):
        cloud.aws("dynamodb", cloud.writer.name).put_item(TableName=TABLE, Item=item(value))
        assert read_item(cloud, cloud.writer, value) is not None
        assert read_item(cloud, cloud.replica, value) is None
        assert cloud.replication.waiting(cloud.replica.name) >= 1
    assert read_item(cloud, cloud.replica, value) is not None


def test_a_lagging_write_arrives_by_itself(cloud: LocalCloud) -> None:
    value = secrets.token_hex(8)
    cloud.replication.set(cloud.replica.name, lag=timedelta(milliseconds=200))
    cloud.aws("dynamodb", cloud.writer.name).put_item(TableName=TABLE, Item=item(value))
    assert read_item(cloud, cloud.replica, value) is None
    deadline = time.monotonic() + 10
    while read_item(cloud, cloud.replica, value) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_replicas_tables_keep_their_own_settings(cloud: LocalCloud) -> None:
    for region in cloud.description.regions:
        client = cloud.aws("dynamodb", region.name)
        table = client.describe_table(TableName=TABLE)["Table"]
        assert table["DeletionProtectionEnabled"] is True
        backups = client.describe_continuous_backups(TableName=TABLE)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_what_one_region_wrapped_the_other_unwraps(cloud: LocalCloud) -> None:
    role = cloud.role_of_function("admin", cloud.writer.name)
    context = {"purpose": "strongroom/namespace-key"}
    writer = cloud.aws("kms", cloud.writer.name, identity=cloud.session_of_role(role))
    wrapped = writer.generate_data_key(
        KeyId="alias/strongroom-local-envelope", KeySpec="AES_256", EncryptionContext=context
    )
    role = cloud.role_of_function("reader", cloud.replica.name)
    replica = cloud.aws("kms", cloud.replica.name, identity=cloud.session_of_role(role))
    opened = replica.decrypt(
        KeyId="alias/strongroom-local-envelope", CiphertextBlob=wrapped["CiphertextBlob"], EncryptionContext=context
    )
    assert opened["Plaintext"] == wrapped["Plaintext"]


def test_an_administrator_cannot_unwrap_past_the_audit(cloud: LocalCloud) -> None:
    iam, name = cloud.aws("iam", cloud.writer.name), f"administrator-{secrets.token_hex(4)}"
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=policy)
    administrator = cloud.aws("kms", cloud.writer.name, identity=cloud.session_of_role(name))
    assert administrator.describe_key(KeyId="alias/strongroom-local-envelope")["KeyMetadata"]["MultiRegion"]
    with pytest.raises(ClientError) as refused:
        administrator.generate_data_key(
            KeyId="alias/strongroom-local-envelope",
            KeySpec="AES_256",
            EncryptionContext={"purpose": "strongroom/namespace-key"},
        )
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_archived_records_are_under_retention(cloud: LocalCloud) -> None:
    region = cloud.writer.name
    kinesis, s3 = cloud.aws("kinesis", region), cloud.aws("s3", region)
    mark = secrets.token_hex(8)
    kinesis.put_record(StreamName="strongroom-local-audit", Data=f'{{"mark":"{mark}"}}\n'.encode(), PartitionKey=mark)
    bucket = f"strongroom-local-audit-{cloud.description.account}-{region}"
    deadline = time.monotonic() + 20
    found, seen = None, set[str]()
    while found is None:
        assert time.monotonic() < deadline
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for key in {entry["Key"] for page in pages for entry in page.get("Contents", [])} - seen:
            if mark.encode() in s3.get_object(Bucket=bucket, Key=key)["Body"].read():
                found = key
            seen.add(key)
    retention = s3.get_object_retention(Bucket=bucket, Key=found)["Retention"]
    assert retention["Mode"] == "GOVERNANCE"
    version = s3.head_object(Bucket=bucket, Key=found)["VersionId"]
    with pytest.raises(ClientError):
        s3.delete_object(Bucket=bucket, Key=found, VersionId=version)
