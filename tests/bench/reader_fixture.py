"""A reader as it is deployed, over canned answers: one secret of three versions with values of 32 characters."""

import base64
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from unittest import mock

from strongroom_service.adapters.dynamodb import layout
from strongroom_service.adapters.dynamodb.codec import encode_head
from strongroom_service.adapters.envelope.messages import seal_message
from strongroom_service.domain.names import Alias, SecretName
from strongroom_service.domain.secret import Envelope, Head, SecretStatus, VersionRecord, VersionStatus
from strongroom_service.domain.values import SecretValue
from strongroom_service.entry.read import make_reader
from strongroom_service.usecases.ports import VersionBinding
from tests.bench.canned_aws import CannedAws, canned_aws

REGION: Final = "us-east-1"
TABLE: Final = "strongroom-bench-secrets"
NAME: Final = SecretName("default", "prod", "payments/db-password")
ACCOUNT: Final = "123456789012"
PRINCIPAL: Final = f"iam:arn:aws:iam::{ACCOUNT}:role/app"
KEY: Final = bytes(range(32))
_VALUE: Final = "made-up-value-of-32-characters-x"
_SECRET_ID: Final = "sec_0123-4567-89ab-cdef01234567"

ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    # A role's session token is about this long, and is signed and sent with each call.
    "AWS_SESSION_TOKEN": "t" * 900,
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "STRONGROOM_STAGE": "bench",
    "STRONGROOM_TABLE": TABLE,
    "STRONGROOM_WRITER_REGION": REGION,
    "STRONGROOM_ENVELOPE_KEY": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mrk-0",
    "STRONGROOM_AUDIT_STREAM": "strongroom-bench-audit",
    "STRONGROOM_REGIONS": REGION,
    "STRONGROOM_AUDIT_BUFFER": "strongroom-bench-audit-buffer",
    "STRONGROOM_AUDIT_BUFFER_EVENTS": "300000",
    "STRONGROOM_TENANTS": f'{{"default":["{ACCOUNT}"]}}',
    "STRONGROOM_OPERATORS": "[]",
    "STRONGROOM_ROLES": json.dumps(
        [{"principal": f"{PRINCIPAL}{suffix}", "role": "reader", "tenant": "default"} for suffix in ("", *range(19))]
    ),
}


@dataclass(frozen=True)
class Warm:
    """A call that was made once already, the endpoint that it talks to, and what the function writes to its log."""

    call: Callable[[], None]
    aws: CannedAws
    log: io.StringIO


@contextmanager
def warm_reader(*, delay: timedelta = timedelta()) -> Iterator[Warm]:
    """A read."""
    with (
        canned_aws(answers(), delay=delay) as aws,
        mock.patch.dict(os.environ, environment(aws)),
        redirect_stdout(io.StringIO()) as log,
    ):
        reader = make_reader(os.environ)
        event = read_event()

        def read() -> None:
            status = reader.handle(event)["statusCode"]
            if status != 200:
                raise RuntimeError(f"the read answered {status}")

        read()
        yield Warm(read, aws, log)


@contextmanager
def warm_batch(count: int) -> Iterator[Warm]:
    """A batch of as many reads."""
    names = [SecretName(NAME.tenant, NAME.environment, f"{NAME.path}-{index}") for index in range(count)]
    given = {**answers(), "BatchGetItem": {"Responses": {TABLE: [head_item(name) for name in names]}}}
    with (
        canned_aws(given) as aws,
        mock.patch.dict(os.environ, environment(aws)),
        redirect_stdout(io.StringIO()) as log,
    ):
        reader = make_reader(os.environ)
        body = json.dumps({"items": [{"secretPath": name.secret_path} for name in names]})
        event = {**read_event(), "resource": "/batch/values", "httpMethod": "POST", "body": body}

        def read() -> None:
            answer = reader.handle(event)
            if answer["statusCode"] != 200 or answer["body"].count('"value"') != count:
                raise RuntimeError(f"the batch answered {answer['statusCode']}, or not all of it")

        read()
        yield Warm(read, aws, log)


def head_bytes() -> int:
    """The size of the head's item, near enough: its JSON, with binaries as they are stored."""
    return len(json.dumps(head_item())) * 9 // 10


def environment(aws: CannedAws) -> dict[str, str]:
    """The environment of a function whose AWS is the canned one."""
    return {**ENVIRONMENT, "AWS_ENDPOINT_URL": aws.url}


def read_event() -> dict[str, Any]:
    """What API Gateway sends for one read."""
    return {
        "resource": "/values/{environment}/{path+}",
        "httpMethod": "GET",
        "path": f"/values/{NAME.environment}/{NAME.path}",
        "headers": {"Host": "example.execute-api.us-east-1.amazonaws.com", "X-Forwarded-Proto": "https"},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"environment": NAME.environment, "path": NAME.path},
        "requestContext": {
            "requestId": "01234567-89ab-4cde-8f01-23456789abcd",
            "identity": {
                "userArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/i-0123456789abcdef0",
                "sourceIp": "192.0.2.1",
                "userAgent": "strongroom-python/0.1",
            },
        },
    }


def head_item(name: SecretName = NAME, *, value: str = _VALUE, key: bytes = KEY) -> dict[str, Any]:
    """The head's item as DynamoDB's JSON, its values under a namespace key."""
    now = datetime.now(UTC)
    versions = {
        number: VersionRecord(status, 1, now, now, "f" * 64)
        for number, status in enumerate((VersionStatus.PREVIOUS, VersionStatus.PREVIOUS, VersionStatus.CURRENT), 1)
    }
    head = Head(
        name=name,
        secret_id=_SECRET_ID,
        owner_team="payments",
        rotation_strategy="automated-30d",
        status=SecretStatus.ACTIVE,
        epoch=1,
        revision=7,
        created_at=now,
        updated_at=now,
        latest_version=3,
        aliases={Alias.CURRENT: 3, Alias.PREVIOUS: 2},
        versions=versions,
        envelopes={number: _envelope(number, name, value, key) for number in (2, 3)},
    )
    pk, sk = layout.head_key(name)
    item: dict[str, Any] = _json({**encode_head(head), "PK": {"S": pk}, "SK": {"S": sk}})
    return item


def answers(*, value: str = _VALUE, key: bytes = KEY) -> dict[str, Any]:
    """What AWS answers to a read, by operation."""
    return {
        "BatchGetItem": {"Responses": {TABLE: [head_item(value=value, key=key)]}},
        "GetItem": {"Item": head_item(value=value, key=key)},
        "PutRecord": {"ShardId": "shardId-000000000000", "SequenceNumber": "4" * 56, "EncryptionType": "KMS"},
        "Decrypt": {"Plaintext": base64.b64encode(key).decode(), "KeyId": "mrk-0"},
    }


def _envelope(number: int, name: SecretName, text: str, key: bytes) -> Envelope:
    binding = VersionBinding(name, _SECRET_ID, number, 1)
    value = SecretValue.from_text(text)
    return Envelope(seal_message(value, binding, key_id="0" * 32, key=bytearray(key)), "0" * 32, bytes(200), "mrk-0")


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _json(inner) for key, inner in value.items()}
    return [_json(inner) for inner in value] if isinstance(value, list) else value
