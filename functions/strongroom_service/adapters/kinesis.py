"""The audit log over a Kinesis stream: one record a request, chained, acknowledged or refused.

The put is sent at once and its answer fetched when the receipts are asked for, so that decryption goes on in the
meantime. Two attempts within about two seconds, then the request fails closed.
"""

import base64
from collections.abc import Sequence
from datetime import timedelta
from threading import Lock
from typing import Final

from strongroom_service.domain.audit import AuditEvent, Chain, Receipt
from strongroom_service.domain.errors import AuditUnavailable
from strongroom_service.domain.ids import random_name
from strongroom_service.usecases.ports import Randomness

from .aws_client import AwsCallFailed, AwsClient, Operation, PendingCall

PUT_RECORD: Final = Operation(
    service="kinesis",
    target="Kinesis_20131202.PutRecord",
    content_type="application/x-amz-json-1.1",
    timeout=timedelta(seconds=1),
    attempts=2,
)


class KinesisAuditLog:
    """The audit log port. The chain begins with the first record, never in a snapshot. Safe for threads."""

    def __init__(self, *, client: AwsClient, stream: str, randomness: Randomness) -> None:
        self._client = client
        self._stream = stream
        self._randomness = randomness
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
        call = self._client.begin(
            PUT_RECORD,
            {
                "StreamName": self._stream,
                "Data": base64.b64encode(b"".join([record.line for record in sealed])).decode("ascii"),
                "PartitionKey": self._randomness.token(16).hex(),
            },
        )
        return PendingPut(self, chain, call, [record.receipt for record in sealed])

    def settle(self, chain: Chain, receipts: Sequence[Receipt], *, acknowledged: bool) -> None:
        """Note how a put ended; one that was not acknowledged closes its chain."""
        with self._lock:
            if acknowledged:
                chain.acknowledge(receipts[-1])
            elif self._chain is chain:
                self._closed, self._chain = chain, None


class PendingPut:
    """A record on its way."""

    def __init__(self, log: KinesisAuditLog, chain: Chain, call: PendingCall, receipts: Sequence[Receipt]) -> None:
        self._log = log
        self._chain = chain
        self._call = call
        self._receipts = receipts

    def receipts(self) -> Sequence[Receipt]:
        """Wait for the acknowledgement; raises `AuditUnavailable`."""
        acknowledged = False
        try:
            acknowledged = "SequenceNumber" in self._call.result()
        except AwsCallFailed as failure:
            raise AuditUnavailable from failure
        finally:
            self._log.settle(self._chain, self._receipts, acknowledged=acknowledged)
        if not acknowledged:
            raise AuditUnavailable
        return self._receipts
