"""The audit log: one record a request, chained, and acknowledged by the stream or by the buffer, or refused.

The put is sent at once and its answer fetched when the receipts are asked for, so that decryption goes on in the
meantime. A stream that does not acknowledge is left alone for a while, and records go into the buffer; only when that
cannot take them either does the request fail closed.
"""

import base64
import time
from collections.abc import Sequence
from datetime import timedelta
from threading import Lock
from typing import Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation, PendingCall
from strongroom_service.adapters.breaker import CircuitBreaker
from strongroom_service.domain.audit import AuditEvent, Chain, Receipt
from strongroom_service.domain.ids import random_name
from strongroom_service.usecases.ports import Measurements, Metric, Randomness

from .buffer import AuditBuffer, BufferedPut

PUT_RECORD: Final = Operation(
    service="kinesis",
    target="Kinesis_20131202.PutRecord",
    content_type="application/x-amz-json-1.1",
    # Short, since the buffer takes what comes late: a record that then is in both is one by its event id.
    timeout=timedelta(milliseconds=600),
    attempts=2,
)


class ChainedAuditLog:
    """The audit log port. The chain begins with the first record, never in a snapshot. Safe for threads."""

    def __init__(
        self,
        *,
        client: AwsClient,
        stream: str,
        buffer: AuditBuffer,
        randomness: Randomness,
        measurements: Measurements,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._client = client
        self._stream = stream
        self._buffer = buffer
        self._randomness = randomness
        self._breaker = breaker or CircuitBreaker()
        self._measurements = measurements
        self._chain: Chain | None = None
        self._closed: Chain | None = None
        self._lock = Lock()

    def begin(self, events: Sequence[AuditEvent]) -> "PendingPut":
        """Send the events as the lines of one record."""
        with self._lock:
            chain = self._chain
            if chain is None:
                follows = self._closed.last_acknowledged if self._closed else None
                chain = self._chain = Chain(random_name(self._randomness.token(16)), follows=follows)
            sealed = chain.seal(events)
        lines = b"".join([record.line for record in sealed])
        receipts = [record.receipt for record in sealed]
        if self._breaker.admits():
            return PendingPut(self, chain, lines, receipts, sent=self._send(lines))
        return PendingPut(self, chain, lines, receipts, sent=self.buffered(lines, receipts))

    def buffered(self, lines: bytes, receipts: Sequence[Receipt]) -> BufferedPut:
        """Send a record into the buffer."""
        return self._buffer.begin(lines, event_id=receipts[0].event_id, events=len(receipts))

    def stream_answered(self, *, acknowledged: bool, throttled: bool = False) -> None:
        """Note how a put into the stream ended. A stream that throttles is alive: the next record may pass."""
        if acknowledged:
            self._breaker.succeeded()
        elif not throttled:
            self._breaker.failed()

    def settle(self, chain: Chain, receipts: Sequence[Receipt], *, path: Metric | None, seconds: float) -> None:
        """Note which way a record became durable; one that did not closes its chain."""
        with self._lock:
            if path is not None:
                chain.acknowledge(receipts[-1])
            elif self._chain is chain:
                self._closed, self._chain = chain, None
        self._measurements.count(path or Metric.AUDIT_UNAVAILABLE, len(receipts))
        self._measurements.time(Metric.AUDIT_TIME, seconds)

    def _send(self, lines: bytes) -> PendingCall:
        return self._client.begin(
            PUT_RECORD,
            {
                "StreamName": self._stream,
                "Data": base64.b64encode(lines).decode("ascii"),
                "PartitionKey": self._randomness.token(16).hex(),
            },
        )


class PendingPut:
    """A record on its way."""

    def __init__(
        self,
        log: ChainedAuditLog,
        chain: Chain,
        lines: bytes,
        receipts: Sequence[Receipt],
        *,
        sent: PendingCall | BufferedPut,
    ) -> None:
        self._log = log
        self._chain = chain
        self._lines = lines
        self._receipts = receipts
        self._sent = sent

    def receipts(self) -> Sequence[Receipt]:
        """Wait for the acknowledgement; raises `AuditUnavailable`."""
        path: Metric | None = None
        started = time.perf_counter()
        try:
            path = self._wait()
        finally:
            self._log.settle(self._chain, self._receipts, path=path, seconds=time.perf_counter() - started)
        return self._receipts

    def _wait(self) -> Metric:
        """Which way the record went. The same lines go into the buffer as went to the stream, so both can be there."""
        sent = self._sent
        if not isinstance(sent, BufferedPut):
            if self._streamed(sent):
                return Metric.AUDIT_STREAMED
            sent = self._log.buffered(self._lines, self._receipts)
        sent.wait()
        return Metric.AUDIT_BUFFERED

    def _streamed(self, call: PendingCall) -> bool:
        throttled = False
        try:
            acknowledged = "SequenceNumber" in call.result()
        except AwsCallFailed as failure:
            acknowledged, throttled = False, failure.is_throttling
        self._log.stream_answered(acknowledged=acknowledged, throttled=throttled)
        return acknowledged
