"""Each function's role can do its own work and nobody else's, as the local cloud enforces it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.client import LocalCloud
from tests.cloud.platform import ENVIRONMENT, Platform, Stored

TABLE = "strongroom-local-secrets"
CONTROL = "strongroom-local-control"
STREAM = "strongroom-local-audit"
KEY = "alias/strongroom-local-envelope"
PURPOSE = {"purpose": "strongroom/namespace-key"}


@pytest.fixture
def stored(platform: Platform) -> Stored:
    return platform.store("made-up-value")


def head_key(stored: Stored) -> dict[str, Any]:
    return {"PK": {"S": f"S#default#{ENVIRONMENT}#{stored.path}"}, "SK": {"S": "HEAD"}}


def client(cloud: LocalCloud, service: str, function: str) -> Any:
    region = cloud.writer.name
    return cloud.aws(service, region, identity=cloud.session_of_role(cloud.role_of_function(function, region)))


def assert_refused(*attempts: Callable[[], object]) -> None:
    """Each is tried, and each is refused by IAM."""
    for attempt in attempts:
        with pytest.raises(ClientError) as error:
            attempt()
        assert error.value.response["Error"]["Code"] in {"AccessDeniedException", "AccessDenied"}


def test_the_reader_gets_items_and_changes_none(cloud: LocalCloud, stored: Stored) -> None:
    reader, key = client(cloud, "dynamodb", "reader"), head_key(stored)
    wanted = {TABLE: {"Keys": [key]}}
    assert reader.batch_get_item(RequestItems=wanted)["Responses"][TABLE]
    assert_refused(
        lambda: reader.put_item(TableName=TABLE, Item={**key, "status": {"S": "ACTIVE"}}),
        lambda: reader.update_item(TableName=TABLE, Key=key, UpdateExpression="REMOVE envelopes"),
        lambda: reader.delete_item(TableName=TABLE, Key=key),
        lambda: reader.transact_write_items(TransactItems=[{"Delete": {"TableName": TABLE, "Key": key}}]),
        lambda: reader.scan(TableName=TABLE),
        lambda: reader.query(
            TableName=TABLE, KeyConditionExpression="PK = :pk", ExpressionAttributeValues={":pk": key["PK"]}
        ),
        lambda: reader.get_item(TableName=CONTROL, Key={"PK": {"S": "LEASE"}}),
    )
    assert stored.read().status == 200


def test_the_reader_unwraps_keys_and_makes_none(cloud: LocalCloud) -> None:
    admin, reader = client(cloud, "kms", "admin"), client(cloud, "kms", "reader")
    made = admin.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=PURPOSE)
    opened = reader.decrypt(KeyId=KEY, CiphertextBlob=made["CiphertextBlob"], EncryptionContext=PURPOSE)
    assert opened["Plaintext"] == made["Plaintext"]
    assert_refused(
        lambda: reader.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=PURPOSE),
        lambda: reader.encrypt(KeyId=KEY, Plaintext=b"made-up", EncryptionContext=PURPOSE),
        lambda: reader.schedule_key_deletion(KeyId=KEY),
        lambda: admin.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext={"purpose": "another"}),
        lambda: admin.generate_data_key(KeyId=KEY, KeySpec="AES_256"),
    )


@pytest.mark.parametrize("function", ["reader", "admin", "authorizer"])
def test_what_is_recorded_cannot_be_read_or_removed(cloud: LocalCloud, function: str) -> None:
    kinesis, s3 = client(cloud, "kinesis", function), client(cloud, "s3", function)
    kinesis.put_record(StreamName=STREAM, Data=b'{"made":"up"}\n', PartitionKey="1")
    bucket = f"strongroom-local-audit-{cloud.description.account}-{cloud.writer.name}"
    shard = cloud.aws("kinesis", cloud.writer.name).list_shards(StreamName=STREAM)["Shards"][0]["ShardId"]
    assert_refused(
        lambda: kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON"),
        lambda: kinesis.delete_stream(StreamName=STREAM),
        lambda: s3.list_objects_v2(Bucket=bucket),
        lambda: s3.put_object(Bucket=bucket, Key="records/made-up", Body=b""),
    )


def test_the_admin_changes_secrets_and_not_who_may_write(cloud: LocalCloud, stored: Stored) -> None:
    admin = client(cloud, "dynamodb", "admin")
    assert admin.get_item(TableName=TABLE, Key=head_key(stored))["Item"]
    assert_refused(
        lambda: admin.put_item(TableName=CONTROL, Item={"PK": {"S": "LEASE"}}),
        lambda: admin.scan(TableName=TABLE),
        lambda: admin.delete_table(TableName=TABLE),
        lambda: admin.update_table(TableName=TABLE, DeletionProtectionEnabled=False),
    )


def test_the_authorizer_reads_the_registry_and_nothing_else(cloud: LocalCloud, stored: Stored) -> None:
    """No secret and no policy, also not beside the registry; no key of the envelope; and it changes nothing."""
    authorizer, kms = client(cloud, "dynamodb", "authorizer"), client(cloud, "kms", "authorizer")
    registry = {"PK": {"S": "A#@registry"}, "SK": {"S": "POINTER#0"}}
    policies = {"PK": {"S": "A#default"}, "SK": {"S": "POINTER#0"}}

    def get(*keys: dict[str, Any]) -> Any:
        return authorizer.batch_get_item(RequestItems={TABLE: {"Keys": list(keys)}})

    assert "Responses" in get(registry)
    assert_refused(
        lambda: get(head_key(stored)),
        lambda: get(policies),
        lambda: get(registry, head_key(stored)),
        lambda: authorizer.get_item(TableName=TABLE, Key=head_key(stored)),
        lambda: authorizer.put_item(TableName=TABLE, Item=registry),
        lambda: authorizer.query(
            TableName=TABLE, KeyConditionExpression="PK = :pk", ExpressionAttributeValues={":pk": registry["PK"]}
        ),
        lambda: authorizer.scan(TableName=TABLE),
        lambda: kms.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=PURPOSE),
    )


def test_the_seeder_reads_nothing(cloud: LocalCloud, stored: Stored) -> None:
    seeder = client(cloud, "dynamodb", "seeder")
    kms = client(cloud, "kms", "seeder")
    assert_refused(
        lambda: seeder.get_item(TableName=TABLE, Key=head_key(stored)),
        lambda: seeder.scan(TableName=TABLE),
        lambda: seeder.delete_item(TableName=TABLE, Key=head_key(stored)),
        lambda: kms.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=PURPOSE),
    )


def test_the_worker_of_grants_opens_no_value(cloud: LocalCloud, stored: Stored) -> None:
    grants, kms = client(cloud, "dynamodb", "grants"), client(cloud, "kms", "grants")
    key = head_key(stored)
    assert grants.get_item(TableName=TABLE, Key=key)["Item"]
    made = client(cloud, "kms", "admin").generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=PURPOSE)
    assert_refused(
        lambda: kms.decrypt(KeyId=KEY, CiphertextBlob=made["CiphertextBlob"], EncryptionContext=PURPOSE),
        lambda: kms.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=PURPOSE),
        lambda: grants.update_item(TableName=TABLE, Key=key, UpdateExpression="REMOVE envelopes"),
        lambda: grants.scan(TableName=TABLE),
        lambda: grants.get_item(TableName=CONTROL, Key={"PK": {"S": "LEASE"}}),
    )


def test_a_role_of_one_region_is_nothing_in_another(cloud: LocalCloud, stored: Stored) -> None:
    session = cloud.session_of_role(cloud.role_of_function("reader", cloud.replica.name))
    reader = cloud.aws("dynamodb", cloud.writer.name, identity=session)
    assert_refused(lambda: reader.get_item(TableName=TABLE, Key=head_key(stored)))


def test_a_function_is_not_invoked_past_the_gateway(cloud: LocalCloud) -> None:
    """Callers of the API may not call Lambda: an event could name anyone as its caller."""
    for identity in ("owner", "reader"):
        functions = cloud.aws("lambda", cloud.writer.name, identity=cloud.identity(identity))
        assert_refused(partial(functions.invoke, FunctionName="strongroom-local-reader", Payload=b"{}"))
