"""The canary of this run is nowhere: every value that the tests stored carries it, and this search comes last.

It looks through everything that the platform and the emulator keep: logs, access logs, archives, streams, tables,
queues, executions, and the files of the local cloud.
"""

import gzip
import secrets
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local.archive import AuditArchive
from infra.local.client import LocalCloud
from infra.local.paths import PROJECT
from tests.cloud.platform import CANARY, ENVIRONMENT, VALUE, Platform
from tests.support.canary import is_in

pytestmark = pytest.mark.last

Kept = Iterator[tuple[str, bytes]]
FILES = (".log", ".json", ".txt", ".out")


def logs(cloud: LocalCloud, region: str) -> Kept:
    client = cloud.aws("logs", region)
    for groups in client.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            name = group["logGroupName"]
            for page in client.get_paginator("describe_log_streams").paginate(logGroupName=name):
                for stream in page["logStreams"]:
                    for message in _messages_of(client, name, stream["logStreamName"]):
                        yield name, message.encode()


def _messages_of(client: Any, group: str, stream: str) -> Iterator[str]:
    """Stream by stream: a search of a whole group ends at its ten thousandth event here, and does not say so."""
    token: dict[str, str] = {}
    while True:
        page = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
        yield from (event["message"] for event in page["events"])
        following = {"nextToken": page["nextForwardToken"]}
        if following == token or not page["events"]:
            return
        token = following


def objects(cloud: LocalCloud, region: str) -> Kept:
    client = cloud.aws("s3", region)
    for bucket in client.list_buckets()["Buckets"]:
        # What a deployment uploads is code; the rest is what the platform wrote.
        if bucket["Name"].startswith("cdk-"):
            continue
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for entry in page.get("Contents", []):
                body = client.get_object(Bucket=bucket["Name"], Key=entry["Key"])["Body"].read()
                yield bucket["Name"], entry["Key"].encode()
                # By itself: what is compressed is recognised by its beginning.
                yield bucket["Name"], body


def records(cloud: LocalCloud, region: str) -> Kept:
    client = cloud.aws("kinesis", region)
    for stream in client.list_streams()["StreamNames"]:
        for shard in client.list_shards(StreamName=stream)["Shards"]:
            iterator: str | None = client.get_shard_iterator(
                StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                answer = client.get_records(ShardIterator=iterator, Limit=10_000)
                for record in answer["Records"]:
                    yield stream, record["Data"] + record["PartitionKey"].encode()
                iterator = answer.get("NextShardIterator") if answer["Records"] else None


def items(cloud: LocalCloud, region: str) -> Kept:
    client = cloud.aws("dynamodb", region)
    for table in client.list_tables()["TableNames"]:
        for page in client.get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                yield table, b"\n".join(_leaves(item))
                if table.endswith("-audit-index") and "lines" in item:
                    yield table, zlib.decompress(bytes(item["lines"]["B"]))


def _leaves(value: Any) -> Iterator[bytes]:
    """Every text and binary of an item, attribute names too."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield str(name).encode()
            yield from _leaves(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _leaves(entry)
    else:
        yield str(value).encode()


def messages(cloud: LocalCloud, region: str) -> Kept:
    client = cloud.aws("sqs", region)
    for url in client.list_queues().get("QueueUrls", []):
        answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        for message in answer.get("Messages", []):
            yield url, message["Body"].encode()


def executions(cloud: LocalCloud, region: str) -> Kept:
    client = cloud.aws("stepfunctions", region)
    for machine in client.list_state_machines()["stateMachines"]:
        for execution in client.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
            history = client.get_execution_history(executionArn=execution["executionArn"])
            yield machine["name"], str(history["events"]).encode()


def files() -> Kept:
    for path in (PROJECT / ".local").rglob("*"):
        if path.is_file() and path.suffix in FILES and "node_modules" not in path.parts:
            yield str(path.name), path.read_bytes()


PLACES: dict[str, Callable[[LocalCloud, str], Kept]] = {
    "logs": logs, "objects": objects, "stream records": records, "table items": items, "queue messages": messages,
    "executions": executions,
}  # fmt: skip


def places_of(text: str, kept: Kept) -> set[str]:
    return {place for place, data in kept if is_in(text, data)}


def test_the_search_finds_what_is_there(cloud: LocalCloud) -> None:
    """Another canary, put by hand into a place of each kind."""
    planted = f"planted-{secrets.token_hex(8)}"
    region = cloud.writer.name
    cloud.aws("logs", region).put_log_events(
        logGroupName="/aws/lambda/strongroom-local-reader",
        logStreamName=_log_stream(cloud, region),
        logEvents=[{"timestamp": 1_900_000_000_000, "message": f'{{"said":"{planted}"}}'}],
    )
    cloud.aws("kinesis", region).put_record(
        StreamName="strongroom-local-audit", Data=f'{{"said":"{planted}"}}\n'.encode(), PartitionKey="planted"
    )
    bucket = f"strongroom-local-audit-logs-{cloud.description.account}-{region}"
    cloud.aws("s3", region).put_object(
        Bucket=bucket, Key="planted", Body=gzip.compress(planted.encode().hex().encode())
    )
    key = {"PK": {"S": "planted"}}
    table = cloud.aws("dynamodb", region)
    table.put_item(TableName="strongroom-local-control", Item={**key, "said": {"B": planted.encode()}})
    try:
        for place in ("logs", "objects", "stream records", "table items"):
            assert places_of(planted, PLACES[place](cloud, region)), place
    finally:
        table.delete_item(TableName="strongroom-local-control", Key=key)


def _log_stream(cloud: LocalCloud, region: str) -> str:
    group = "/aws/lambda/strongroom-local-reader"
    logs = cloud.aws("logs", region)
    logs.create_log_stream(logGroupName=group, logStreamName=(name := f"planted-{secrets.token_hex(4)}"))
    return str(name)


def test_no_value_of_this_run_is_kept_anywhere(cloud: LocalCloud, platform: Platform) -> None:
    """Stored, read and refused once more in every way, under faults too; then everything kept is looked through."""
    stored = platform.store(VALUE)
    path = f"/values/{ENVIRONMENT}/{stored.path}"
    receipts = {stored.read(region=region).json()["receipt"].partition(".")[0] for region in cloud.description.regions}
    cloud.request("PUT", path, json={"plaintextValue": VALUE, CANARY: CANARY})
    cloud.request("PUT", path, body=VALUE.encode())
    for service in ("kinesis", "dynamodb", "kms"):
        with cloud.faults.fault("error5xx", service=service):
            stored.read()
            cloud.request("PUT", path, json={"plaintextValue": VALUE})
    AuditArchive(cloud).hurry()
    found: dict[str, set[str]] = {"files": places_of(CANARY, files())}
    for name, place in PLACES.items():
        for region in cloud.description.regions:
            found[f"{name} of {region.name}"] = places_of(CANARY, place(cloud, region.name))
    assert {name: places for name, places in found.items() if places} == {}
    assert receipts
