"""The seeder, a CloudFormation custom resource: opens a fresh deployment for writing.

It writes the fences and the control item where they are absent and never touches them again: what is there belongs
to whoever holds the right to write since. Deleting the resource deletes nothing.
Protocol: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes.html
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Any, Final

import botocore.session
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from strongroom_service.adapters.dynamodb import layout as at
from strongroom_service.domain import limits
from strongroom_service.domain.errors import InternalError

from . import redaction
from .environment import CONTROL_TABLE, REGION, STAGE, TABLE, required
from .failure_log import FailureLog

redaction.install()

Event = Mapping[str, Any]
PutItem = Callable[..., object]
Answer = Callable[[str, bytes], None]
"""Sends a body to CloudFormation's response URL."""

_WRITER_REGION: Final = "WriterRegion"
_EPOCH: Final = "Epoch"
_REGION_NAME: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_EPOCH_TEXT: Final = re.compile(r"[1-9][0-9]{0,9}")
_CONDITION_FAILED: Final = "ConditionalCheckFailedException"

_AWS_TIMEOUT: Final = timedelta(seconds=3)
_ANSWER_TIMEOUT: Final = timedelta(seconds=5)
_ANSWER_ATTEMPTS: Final = 5
_MAX_REASON: Final = 1024


class PropertyInvalidError(Exception):
    """The resource was given a property that breaks its rule; the message names both and quotes nothing."""


class AnswerUndeliveredError(Exception):
    """CloudFormation did not take the answer; Lambda invokes the function again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Where writing starts."""

    writer_region: str
    epoch: int

    @classmethod
    def of(cls, properties: Mapping[str, object]) -> "Seed":
        """Read the resource's properties; raises `PropertyInvalidError`."""
        region, epoch = properties.get(_WRITER_REGION), properties.get(_EPOCH)
        if not isinstance(region, str) or not _REGION_NAME.fullmatch(region):
            raise PropertyInvalidError(f"{_WRITER_REGION} must be the name of an AWS region.")
        if not isinstance(epoch, str) or not _EPOCH_TEXT.fullmatch(epoch):
            raise PropertyInvalidError(f"{_EPOCH} must be a whole number of at least 1.")
        return cls(writer_region=region, epoch=int(epoch))


class Seeder:
    """The custom resource over one region's tables."""

    def __init__(
        self, *, put_item: PutItem, answer: Answer, secrets_table: str, control_table: str, failures: FailureLog
    ) -> None:
        self._put_item = put_item
        self._answer = answer
        self._secrets_table = secrets_table
        self._control_table = control_table
        self._failures = failures

    def handle(self, event: Event) -> None:
        """Do what CloudFormation asks for and tell it how that went; raises only what `answer` raises."""
        reason = self._outcome(event)
        answer = {
            "Status": "FAILED" if reason else "SUCCESS",
            "Reason": reason[:_MAX_REASON],
            # Stable: another id would make CloudFormation delete what it takes for the old resource.
            "PhysicalResourceId": event.get("PhysicalResourceId") or f"seed-of-{self._secrets_table}",
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "NoEcho": False,
            "Data": {},
        }
        self._answer(event["ResponseURL"], json.dumps(answer).encode())

    def _outcome(self, event: Event) -> str:
        """Empty, or why it failed, in words for whoever deploys."""
        kind = event.get("RequestType")
        try:
            if kind == "Delete":
                return ""
            if kind not in {"Create", "Update"}:
                return "The request's type is none that CloudFormation has."
            self.write(Seed.of(event.get("ResourceProperties") or {}))
        except PropertyInvalidError as invalid:
            return str(invalid)
        except Exception as error:  # noqa: BLE001  # without an answer CloudFormation waits until its time-out
            self._failures.write(error, told=InternalError(), request_id=str(event.get("RequestId")))
            return "The seed could not be written; the seeder's log says where it failed. Repeating is safe."
        return ""

    def write(self, seed: Seed) -> None:
        """Write what is absent. The control item comes last: where it is, the fences are."""
        for fence in _fences(seed):
            self._put_if_absent(self._secrets_table, fence, at.PK)
        self._put_if_absent(self._control_table, _control_item(seed), at.CONTROL_PK)

    def _put_if_absent(self, table: str, item: Mapping[str, object], key: str) -> None:
        try:
            self._put_item(
                TableName=table,
                Item=item,
                ConditionExpression="attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": key},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise


def _fences(seed: Seed) -> Iterator[dict[str, object]]:
    for shard in range(limits.FENCE_SHARDS):
        key = at.fence_key(shard)
        yield {
            at.PK: {"S": key.pk},
            at.SK: {"S": key.sk},
            at.EPOCH: {"N": str(seed.epoch)},
            at.OPEN: {"BOOL": True},
        }


def _control_item(seed: Seed) -> dict[str, object]:
    return {
        at.CONTROL_PK: {"S": at.CONTROL_LEASE},
        at.WRITER_REGION: {"S": seed.writer_region},
        at.EPOCH: {"N": str(seed.epoch)},
    }


def put_answer(http: urllib3.PoolManager, url: str, body: bytes) -> None:
    """Deliver an answer to CloudFormation's presigned URL; raises `AnswerUndeliveredError`."""
    failure: Exception | None = None
    try:
        # The signature covers an empty content type.
        response = http.request("PUT", url, body=body, headers={"Content-Type": ""}, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        failure = error
    else:
        if response.status == 200:  # noqa: PLR2004  # OK
            return
    # The presigned URL is a credential: the foreign error, which quotes it, goes no further.
    del failure
    raise AnswerUndeliveredError("CloudFormation did not take the answer")


def _http() -> urllib3.PoolManager:
    seconds = _ANSWER_TIMEOUT.total_seconds()
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=seconds, read=seconds),
        retries=urllib3.Retry(
            total=_ANSWER_ATTEMPTS - 1,
            allowed_methods={"PUT"},
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
            redirect=False,
            backoff_factor=0.5,
        ),
    )


@cache
def _seeder() -> Seeder:
    seconds = _AWS_TIMEOUT.total_seconds()
    client: Any = botocore.session.get_session().create_client(
        "dynamodb",
        region_name=required(os.environ, REGION),
        config=Config(
            connect_timeout=seconds, read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": 4}
        ),
    )
    return Seeder(
        put_item=client.put_item,
        answer=partial(put_answer, _http()),
        secrets_table=required(os.environ, TABLE),
        control_table=required(os.environ, CONTROL_TABLE),
        failures=FailureLog(service=f"strongroom-{required(os.environ, STAGE)}-seeder"),
    )


def handler(event: Event, context: object) -> None:
    """Lambda's entry point for CloudFormation's requests."""
    del context
    _seeder().handle(event)
