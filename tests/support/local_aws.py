"""DynamoDB, Kinesis and KMS in this process, as the deployed templates make them, for the real adapters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from threading import RLock
from typing import Any

import botocore.session
import pytest
from moto.dynamodb.models import DynamoDBBackend
from moto.server import ThreadedMotoServer

from strongroom_service.adapters.audit import buffer_layout
from strongroom_service.adapters.dynamodb import layout as at
from strongroom_service.domain import limits

REGION = "us-east-1"
TABLE = "strongroom-test-secrets"
STREAM = "strongroom-test-audit"
BUFFER = "strongroom-test-audit-buffer"
INDEX = "strongroom-test-audit-index"


@dataclass(frozen=True)
class LocalAws:
    """Where it listens, and what was made in it."""

    url: str
    key_arn: str

    def client(self, service: str) -> Any:
        """A plain client, for setting up and looking."""
        return botocore.session.get_session().create_client(service, region_name=REGION, endpoint_url=self.url)

    def empty(self) -> None:
        """Make the table anew, with open fences of epoch 1."""
        dynamodb = self.client("dynamodb")
        if TABLE in dynamodb.list_tables()["TableNames"]:
            dynamodb.delete_table(TableName=TABLE)
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[_key(at.PK, "HASH"), _key(at.SK, "RANGE")],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in (at.PK, at.SK, at.NAMESPACE, at.PATH)
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": at.BY_PATH,
                    "KeySchema": [_key(at.NAMESPACE, "HASH"), _key(at.PATH, "RANGE")],
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(at.PROJECTED)},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        self.set_fences(epoch=1)

    def empty_buffer(self) -> None:
        """Make the buffer table anew."""
        self._empty(BUFFER)

    def empty_index(self) -> None:
        """Make the index of the audit anew."""
        self._empty(INDEX)

    def _empty(self, table: str) -> None:
        dynamodb = self.client("dynamodb")
        if table in dynamodb.list_tables()["TableNames"]:
            dynamodb.delete_table(TableName=table)
        dynamodb.create_table(
            TableName=table,
            KeySchema=[_key(buffer_layout.PK, "HASH"), _key(buffer_layout.SK, "RANGE")],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in (buffer_layout.PK, buffer_layout.SK)
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    def set_fences(self, *, epoch: int, is_open: bool = True) -> None:
        dynamodb = self.client("dynamodb")
        for shard in range(limits.FENCE_SHARDS):
            pk, sk = at.fence_key(shard)
            fence = {at.PK: {"S": pk}, at.SK: {"S": sk}, at.EPOCH: {"N": str(epoch)}, at.OPEN: {"BOOL": is_open}}
            dynamodb.put_item(TableName=TABLE, Item=fence)

    def records(self) -> list[bytes]:
        """Everything on the stream."""
        kinesis = self.client("kinesis")
        found: list[bytes] = []
        for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            found += [record["Data"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]]
        return found


def _key(name: str, kind: str) -> dict[str, str]:
    return {"AttributeName": name, "KeyType": kind}


_ISOLATED = ("transact_write_items", "get_item", "put_item", "update_item", "delete_item", "query", "scan")


def _one_at_a_time(environment: pytest.MonkeyPatch) -> None:
    """Moto checks a transaction's conditions and applies it in steps, between which its other threads come."""
    lock = RLock()

    def alone(operation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(operation)
        def locked(*call: Any, **said: Any) -> Any:
            with lock:
                return operation(*call, **said)

        return locked

    for name in _ISOLATED:
        environment.setattr(DynamoDBBackend, name, alone(getattr(DynamoDBBackend, name)))


@contextmanager
def local_aws() -> Iterator[LocalAws]:
    """Start it on a free loopback port; the environment points every client there until the end."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        with pytest.MonkeyPatch.context() as environment:
            _one_at_a_time(environment)
            for name, value in {
                "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": "made-up",
                "AWS_SECRET_ACCESS_KEY": "made-up",
                "AWS_DEFAULT_REGION": REGION,
                "AWS_REGION": REGION,
            }.items():
                environment.setenv(name, value)
            environment.delenv("AWS_SESSION_TOKEN", raising=False)
            made = LocalAws(url, "")
            made.client("kinesis").create_stream(StreamName=STREAM, ShardCount=1)
            yield replace(made, key_arn=made.client("kms").create_key()["KeyMetadata"]["Arn"])
    finally:
        server.stop()
