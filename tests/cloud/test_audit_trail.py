"""The audit can be asked: what happened is found by secret, actor and request within seconds, once, and by few."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.client import LocalCloud
from infra.local.requests import Answer, Region
from strongroom import Client
from strongroom import Region as ClientRegion
from strongroom.credentials import StaticCredentials
from strongroom_service.domain.times import rfc3339
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform, Stored

WITHIN = timedelta(seconds=30)
STORED = 5
"""Records of a secret that was registered, proposed to and promoted: two each, but the first intent has no id yet."""
INDEX = {"service": "dynamodb", "operation": "BatchWriteItem"}


def ask(
    cloud: LocalCloud, *, identity: str = "auditor", since: str | None = None, **query: str
) -> list[dict[str, Any]]:
    """All pages of an answer, without the records that asking itself makes."""
    found: list[dict[str, Any]] = []
    cursor: Mapping[str, str] = {} if since is None else {"from": since}
    while True:
        answer = cloud.request("GET", "/audit", identity=identity, query={**query, **cursor})
        assert answer.status == 200, answer.error_code
        page = answer.json()
        found += [item["record"] for item in page["items"]]
        assert all(item["proven"] for item in page["items"])
        if page["nextCursor"] is None:
            return [record for record in found if record["action"] not in {"READ_AUDIT", "READ_RECEIPT"}]
        cursor = {**cursor, "cursor": page["nextCursor"]}


def wait_for(look: Callable[[], list[dict[str, Any]]], *, count: int) -> list[dict[str, Any]]:
    """The records, when as many as expected have arrived; more would be seen as well."""
    deadline = time.monotonic() + WITHIN.total_seconds()
    while len(found := look()) < count:
        if time.monotonic() > deadline:
            pytest.fail(f"{len(found)} of {count} records arrived")
        time.sleep(0.3)
    return found


def reads_of(records: list[dict[str, Any]]) -> list[str]:
    return [record["requestId"] for record in records if record["action"] == "READ"]


def test_reads_and_a_denial_are_found_by_secret_actor_and_request(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store(VALUE)
    answers = [stored.read() for _ in range(3)]
    denied = stored.read(identity="stranger")
    assert denied.status == 403
    requests = [answer.headers["x-request-id"] for answer in (*answers, denied)]
    about = wait_for(lambda: ask(cloud, secretId=stored.secret_id, since=hour_ago()), count=STORED + 4)
    # The order is that of time, the newest first.
    assert sorted(record["eventId"] for record in about) == [record["eventId"] for record in reversed(about)]
    assert list(reversed(reads_of(about))) == requests
    assert about[0]["decision"] == "DENY"
    stranger = f"iam:arn:aws:iam::{cloud.description.account}:role/local-stranger"
    by_actor = wait_for(lambda: ask(cloud, actor=stranger, secretId=stored.secret_id), count=1)
    assert [record["requestId"] for record in by_actor] == requests[-1:]
    [by_request] = ask(cloud, requestId=requests[0])
    assert (by_request["path"], by_request["phase"]) == (stored.path, "RELEASE")
    recent = ask(cloud, since=rfc3339(datetime.now(UTC) - timedelta(minutes=5)))
    assert set(requests) <= {record["requestId"] for record in recent}


def hour_ago() -> str:
    return rfc3339(datetime.now(UTC) - timedelta(hours=1))


def test_an_answer_comes_in_pages_that_miss_and_repeat_nothing(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store(VALUE)
    body = {"items": [{"secretPath": f"{ENVIRONMENT}/{stored.path}"}]}
    for _ in range(12):
        assert cloud.request("POST", "/batch/values", json=body).status == 200
    whole = wait_for(lambda: ask(cloud, secretId=stored.secret_id, limit="100"), count=STORED + 12)
    paged = ask(cloud, secretId=stored.secret_id, limit="5")
    assert [record["eventId"] for record in paged] == [record["eventId"] for record in whole]


def test_a_cursor_is_good_for_its_own_question_only(cloud: LocalCloud, platform: Platform) -> None:
    stored, other = platform.store(VALUE), platform.store(VALUE)
    wait_for(lambda: ask(cloud, secretId=stored.secret_id), count=STORED)
    page = cloud.request("GET", "/audit", identity="auditor", query={"limit": "1", "secretId": stored.secret_id})
    query = {"cursor": page.json()["nextCursor"], "limit": "1", "secretId": other.secret_id}
    answer = cloud.request("GET", "/audit", identity="auditor", query=query)
    assert (answer.status, answer.error_code) == (400, "invalid_request")


@pytest.mark.parametrize("identity", ["reader", "stranger"])
def test_who_may_not_read_the_audit_learns_nothing(cloud: LocalCloud, platform: Platform, identity: str) -> None:
    """The same for what exists and what does not, for questions and for receipts."""
    stored = platform.store(VALUE)
    event_id = stored.read().json()["receipt"].partition(".")[0]
    wait_for(lambda: ask(cloud, secretId=stored.secret_id), count=STORED + 1)

    def asked(path: str, query: Mapping[str, str]) -> Answer:
        return cloud.request("GET", path, identity=identity, query=query)

    answers = [
        asked("/audit", {"secretId": stored.secret_id}),
        asked("/audit", {"secretId": "sec_0000-0000-0000-000000000000"}),
        asked("/audit", {"from": hour_ago()}),
        asked(f"/audit/receipts/{event_id}", {}),
        asked("/audit/receipts/01900000-0000-7000-8000-000000000000", {}),
    ]
    assert {(answer.status, answer.error_code) for answer in answers} == {(403, "access_denied")}


def test_owners_ask_about_their_secret(cloud: LocalCloud, platform: Platform) -> None:
    """Who may have denials explained may see who did what with this secret, and nothing else."""
    stored = platform.store(VALUE)
    denied = stored.read(identity="stranger")
    found = wait_for(lambda: ask(cloud, identity="owner", secretId=stored.secret_id), count=STORED + 1)
    assert denied.headers["x-request-id"] in reads_of(found)
    answer = cloud.request("GET", "/audit", identity="owner", query={"requestId": denied.headers["x-request-id"]})
    assert answer.status == 403


def test_a_receipt_is_proven_in_its_region(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store(VALUE)
    for region in cloud.description.regions:
        receipt = stored.read(region=region).json()["receipt"]
        event_id = receipt.partition(".")[0]

        def prove(event_id: str = event_id, region: Region = region) -> list[dict[str, Any]]:
            answer = cloud.request("GET", f"/audit/receipts/{event_id}", identity="auditor", region=region)
            assert answer.status in {200, 404}, answer.error_code
            return [answer.json()] if answer.status == 200 else []

        [proof] = wait_for(prove, count=1)
        assert (proof["receipt"], proof["proven"], proof["region"]) == (receipt, True, region.name)
        assert proof["record"]["path"] == stored.path


@pytest.mark.parametrize("fault", ["refuse", "error5xx", "throttle", "lose"])
def test_an_index_that_takes_nothing_for_a_while_is_caught_up_with(
    cloud: LocalCloud, platform: Platform, fault: str
) -> None:
    """Nothing is lost, and nothing is there twice: not even what was written and not acknowledged."""
    stored = platform.store(VALUE)
    wait_for(lambda: ask(cloud, secretId=stored.secret_id), count=STORED)
    with cloud.faults.fault(fault, region=cloud.writer.name, **INDEX):
        before = cloud.faults.last_request()
        requests = [stored.read().headers["x-request-id"] for _ in range(5)]
        wait_until_hit(cloud, before)
        # A function that dies amid a batch is no different to the stream: the batch comes again.
        cloud.end_environments()
        requests += [stored.read().headers["x-request-id"] for _ in range(2)]
    found = wait_for(
        lambda: [it for it in ask(cloud, secretId=stored.secret_id) if it["action"] == "READ"], count=len(requests)
    )
    assert sorted(reads_of(found)) == sorted(requests)


def wait_until_hit(cloud: LocalCloud, before: int) -> None:
    deadline = time.monotonic() + WITHIN.total_seconds()
    while not any(it["fault"] and it["operation"] == "BatchWriteItem" for it in cloud.faults.requests_after(before)):
        assert time.monotonic() < deadline, "the indexer wrote nothing"
        time.sleep(0.1)


def test_what_is_no_record_is_kept_aside_and_stops_nothing(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store(VALUE)
    cloud.aws("kinesis", cloud.writer.name).put_record(
        StreamName="strongroom-local-audit", Data=b'{"no":"record"}\n', PartitionKey="a"
    )
    request = stored.read().headers["x-request-id"]
    wait_for(lambda: ask(cloud, requestId=request), count=1)
    partition = f"UNREADABLE#{datetime.now(UTC).date().isoformat()}"
    aside = cloud.aws("dynamodb", cloud.writer.name).query(
        TableName="strongroom-local-audit-index",
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": {"S": partition}},
    )["Items"]
    assert b'{"no":"record"}' in [item["line"]["B"] for item in aside]


def test_a_report_of_cached_reads_becomes_records(cloud: LocalCloud, platform: Platform) -> None:
    """Of a secret that the caller may read; another's report is a denial, and recorded as one."""
    stored = platform.store(VALUE)
    now = datetime.now(UTC)
    item = {
        "secretPath": f"{ENVIRONMENT}/{stored.path}",
        "versionNumber": 1,
        "count": 41,
        "from": rfc3339(now - timedelta(minutes=5)),
        "to": rfc3339(now),
    }
    reported = report(cloud, stored, item, identity="reader")
    assert reported["code"] is None
    refused = report(cloud, stored, item, identity="stranger")
    assert (refused["code"], refused["receipt"]) == ("access_denied", None)
    found = wait_for(
        lambda: [it for it in ask(cloud, secretId=stored.secret_id) if it["action"] == "CACHED_READ"], count=2
    )
    assert [(it["decision"], it["count"], it["version"]) for it in found] == [("DENY", 41, 1), ("ALLOW", 41, 1)]
    assert found[1]["period"] == f"{item['from']}/{item['to']}"
    assert reported["receipt"].startswith(found[1]["eventId"])


def report(cloud: LocalCloud, stored: Stored, item: dict[str, Any], *, identity: str) -> dict[str, Any]:
    answer = cloud.request("POST", "/audit/cached-reads", identity=identity, json={"items": [item]})
    assert answer.status == 200, answer.error_code
    [told] = answer.json()["items"]
    assert told["secretPath"] == f"{ENVIRONMENT}/{stored.path}"
    return dict(told)


def test_what_a_clients_memory_served_is_in_the_audit(cloud: LocalCloud, platform: Platform) -> None:
    """One read that asks, four that do not; closing the client tells of them."""
    stored = platform.store(VALUE)
    identity = cloud.identity("reader")
    regions = [
        ClientRegion(name=it.name, endpoint=it.endpoint, host_header=it.host_header) for it in cloud.description.regions
    ]
    credentials = StaticCredentials(
        access_key=identity.access_key_id, secret_key=identity.secret_access_key, token=identity.session_token
    )
    with Client(regions=regions, credentials=credentials) as client:
        for _ in range(5):
            assert client.get(f"{ENVIRONMENT}/{stored.path}").reveal() == VALUE
    found = wait_for(lambda: ask(cloud, secretId=stored.secret_id), count=STORED + 2)
    assert [(it["action"], it["count"]) for it in found[:2]] == [("CACHED_READ", 4), ("READ", 1)]


def test_the_index_is_written_by_one_function_and_asked_by_another(cloud: LocalCloud) -> None:
    region, table = cloud.writer.name, "strongroom-local-audit-index"
    key = {"PK": {"S": "D#default#2026-01-01#0"}, "SK": {"S": "made-up"}}
    by_day = {"KeyConditionExpression": "PK = :pk", "ExpressionAttributeValues": {":pk": key["PK"]}}
    clients = {
        function: cloud.aws(
            "dynamodb", region, identity=cloud.session_of_role(cloud.role_of_function(function, region))
        )
        for function in ("admin", "indexer", "reader")
    }
    assert clients["admin"].query(TableName=table, **by_day)["Items"] == []
    attempts: list[Callable[[], object]] = [
        lambda: clients["admin"].put_item(TableName=table, Item=key),
        lambda: clients["admin"].batch_write_item(RequestItems={table: [{"PutRequest": {"Item": key}}]}),
        lambda: clients["admin"].delete_item(TableName=table, Key=key),
        lambda: clients["indexer"].query(TableName=table, **by_day),
        lambda: clients["indexer"].delete_item(TableName=table, Key=key),
        lambda: clients["indexer"].scan(TableName="strongroom-local-secrets"),
        lambda: clients["reader"].query(TableName=table, **by_day),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError) as error:
            attempt()
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"
