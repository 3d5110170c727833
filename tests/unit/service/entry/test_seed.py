"""The seeder: what a fresh deployment is given, once, and what CloudFormation is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError, EndpointConnectionError

from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.seed import AnswerUndeliveredError, Seeder, put_answer

CANARY = "canary-of-this-test"
TABLES = {"secrets_table": "secrets", "control_table": "control"}


@dataclass
class Table:
    """Takes items as DynamoDB does, by the one condition that the seeder makes."""

    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def put_item(self, **request: Any) -> None:
        if self.failure:
            raise self.failure
        assert request["ConditionExpression"] == "attribute_not_exists(#key)"
        item = request["Item"]
        key = (request["TableName"], item["PK"]["S"] + item.get("SK", {"S": ""})["S"])
        if key in self.items:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "PutItem")
        self.items[key] = item
        self.order.append(request["TableName"])


@dataclass
class Seeding:
    """A seeder with what it wrote and what it told."""

    table: Table = field(default_factory=Table)
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, kind: object = "Create", **properties: object) -> dict[str, Any]:
        seeder = Seeder(
            put_item=self.table.put_item,
            answer=lambda url, body: self.answers.append((url, json.loads(body))),
            failures=FailureLog(service=f"test-seeder-{id(self)}"),
            **TABLES,
        )
        seeder.handle(
            {
                "RequestType": kind,
                "ResponseURL": "https://example.com/answer",
                "StackId": "stack",
                "RequestId": "request",
                "LogicalResourceId": "Seed",
                "ResourceProperties": {"WriterRegion": "us-east-1", "Epoch": "1", **properties},
            }
        )
        return self.answers[-1][1]


@pytest.fixture
def seed() -> Seeding:
    return Seeding()


def test_a_fresh_deployment_gets_its_fences_and_then_its_writer(seed: Seeding) -> None:
    answer = seed()
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "seed-of-secrets")
    assert (answer["StackId"], answer["RequestId"], answer["LogicalResourceId"]) == ("stack", "request", "Seed")
    fences = [item for (table, _), item in seed.table.items.items() if table == "secrets"]
    assert sorted(int(item["SK"]["S"]) for item in fences) == list(range(64))
    assert all((item["epoch"], item["open"]) == ({"N": "1"}, {"BOOL": True}) for item in fences)
    control = seed.table.items["control", "LEASE"]
    assert (control["writerRegion"], control["epoch"]) == ({"S": "us-east-1"}, {"N": "1"})
    assert seed.table.order == ["secrets"] * 64 + ["control"]


def test_what_is_there_is_never_touched(seed: Seeding) -> None:
    seed()
    before = dict(seed.table.items)
    assert seed("Update", WriterRegion="us-west-2", Epoch="2")["Status"] == "SUCCESS"
    assert seed.table.items == before


def test_deleting_deletes_nothing(seed: Seeding) -> None:
    seed()
    before = dict(seed.table.items)
    assert seed("Delete", WriterRegion="nonsense")["Status"] == "SUCCESS"
    assert seed.table.items == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("WriterRegion", CANARY), ("WriterRegion", None), ("Epoch", "0"), ("Epoch", 1), ("Epoch", CANARY), ("Epoch", "")],
)
def test_a_wrong_property_is_named_and_not_quoted(seed: Seeding, name: str, value: object) -> None:
    answer = seed(**{name: value})
    assert answer["Status"] == "FAILED"
    assert name in answer["Reason"]
    assert CANARY not in json.dumps(answer)
    assert seed.table.items == {}


def test_an_unknown_request_fails(seed: Seeding) -> None:
    assert seed("Surprise")["Status"] == "FAILED"


@pytest.mark.parametrize(
    "failure",
    [
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": CANARY}}, "PutItem"),
        EndpointConnectionError(endpoint_url=CANARY),
        RuntimeError(CANARY),
    ],
)
def test_a_failing_table_is_told_and_quotes_nothing(
    seed: Seeding, failure: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """CloudFormation hears of it at once; trying again completes what is missing."""
    seed.table.failure = failure
    answer = seed()
    assert answer["Status"] == "FAILED"
    assert answer["Reason"]
    assert CANARY not in json.dumps(answer) + capsys.readouterr().out
    seed.table.failure = None
    assert seed()["Status"] == "SUCCESS"
    assert len(seed.table.items) == 65


@contextmanager
def answering(*statuses: int) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A loopback server in the place of CloudFormation's bucket."""
    left, received = list(statuses), list[tuple[str, bytes]]()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.headers.get("content-type", ""), body))
            self.send_response(left.pop(0))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{CANARY}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def deliver(url: str) -> None:
    with urllib3.PoolManager(retries=False) as http:
        put_answer(http, url, b"{}")


def test_the_answer_is_put_without_a_content_type() -> None:
    """The presigned URL's signature covers an empty one."""
    with answering(200) as (url, received):
        deliver(url)
    assert received == [("", b"{}")]


@pytest.mark.parametrize("status", [403, 307, 500])
def test_an_answer_that_is_not_taken_is_an_error_without_the_url(status: int) -> None:
    with answering(status) as (url, _), pytest.raises(AnswerUndeliveredError) as undelivered:
        deliver(url)
    assert CANARY not in repr(undelivered.value)
    assert undelivered.value.__context__ is None


def test_an_answer_that_reaches_nobody_is_an_error_without_the_url() -> None:
    with answering() as (url, _):
        pass
    with pytest.raises(AnswerUndeliveredError) as undelivered:
        deliver(url)
    assert undelivered.value.__context__ is None
