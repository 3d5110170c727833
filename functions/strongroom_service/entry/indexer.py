"""The indexer function: takes what comes on the audit stream into the index, a second or two after it was recorded.

Lambda delivers batches of the stream's records, and delivers again, from the first one on that is told as failed.
Order means nothing here, since records lie in the stream by chance; what comes twice is indexed once.
"""

import base64
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, Final, Protocol

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.dynamodb.audit_index_writer import DynamoAuditIndexWriter
from strongroom_service.adapters.system import SystemClock, SystemRandomness
from strongroom_service.usecases.index_audit import Delivery, index
from strongroom_service.usecases.ports import AuditIndexWriter, Metric, RecordObserver

from . import redaction
from .announcer import make_announcer
from .environment import AUDIT_INDEX, REGION, STAGE, required
from .failure_log import FailureLog
from .metrics import FunctionMetrics
from .refusals import Refusals

redaction.install()

FUNCTION: Final = "indexer"
_OPERATION: Final = "index"
_MARGIN: Final = timedelta(seconds=20)
"""Time that the last part of a batch may take: what was written by a function that is stopped is written again."""

Response = dict[str, list[dict[str, str]]]


class Context(Protocol):
    """The part of Lambda's context that is used."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the function."""
        ...


class Indexer:
    """The indexer over the index, and those who want to see each record."""

    def __init__(
        self,
        *,
        writer: AuditIndexWriter,
        observers: Sequence[RecordObserver],
        refusals: Refusals,
        metrics: FunctionMetrics,
    ) -> None:
        self._writer = writer
        self._observers = tuple(observers)
        self._refusals = refusals
        self._metrics = metrics

    def run(self, event: Mapping[str, Any], *, request_id: str, has_time: Callable[[], bool]) -> Response:
        """Index a batch; tells which records to deliver again."""
        started = time.perf_counter()
        deliveries = [_delivery(record["kinesis"]) for record in event["Records"]]
        try:
            indexed = index(deliveries, writer=self._writer, observers=self._observers, has_time=has_time)
        except Exception as error:  # noqa: BLE001  # the border: it is logged by type and place, whatever it is
            # An observer, or a defect. What was written stays; all of it comes again, and the observers' turn with it.
            self._refusals.tell(error, request_id=request_id)
            return _again([delivery.id for delivery in deliveries])
        else:
            self._metrics.count(Metric.AUDIT_INDEXED, indexed.records)
            if indexed.unreadable:
                self._metrics.count(Metric.AUDIT_UNREADABLE, indexed.unreadable)
            if indexed.failed:
                self._metrics.error("store_unavailable")
            return _again(indexed.failed)
        finally:
            self._metrics.request_ended(_OPERATION, seconds=time.perf_counter() - started)


def _delivery(record: Mapping[str, Any]) -> Delivery:
    return Delivery(str(record["sequenceNumber"]), base64.b64decode(record["data"]))


def _again(failed: Sequence[str]) -> Response:
    """Lambda delivers again from the lowest of these on.

    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    """
    return {"batchItemFailures": [{"itemIdentifier": it} for it in failed]}


def make_indexer(variables: Mapping[str, str]) -> Indexer:
    """The indexer that a function's environment describes; raises `EnvironmentInvalidError`."""
    stage, region = required(variables, STAGE), required(variables, REGION)
    metrics = FunctionMetrics(stage=stage, function=FUNCTION)
    return Indexer(
        writer=DynamoAuditIndexWriter(
            client=AwsClient(region=region),
            table=required(variables, AUDIT_INDEX),
            clock=SystemClock(),
            randomness=SystemRandomness(),
        ),
        observers=observers(variables),
        refusals=Refusals(failures=FailureLog(service=f"strongroom-{stage}-{FUNCTION}"), metrics=metrics),
        metrics=metrics,
    )


def observers(variables: Mapping[str, str]) -> Sequence[RecordObserver]:
    """Who is shown every record once it is indexed."""
    announcer = make_announcer(variables)
    return () if announcer is None else (announcer,)


@cache
def _indexer() -> Indexer:
    return make_indexer(os.environ)


def handler(event: Mapping[str, Any], context: Context) -> Response:
    """Lambda's entry point for the stream's records."""
    margin = _MARGIN.total_seconds() * 1000

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > margin

    return _indexer().run(event, request_id=context.aws_request_id, has_time=has_time)
