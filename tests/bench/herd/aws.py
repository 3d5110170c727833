"""A region's AWS services in virtual time: what the reader's own client sends is answered, late, or refused.

The reader's client, with its retries and its translation of errors, is the real one; only its connections end here.
"""

import base64
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.sigv4 import FrozenCredentials, Signer
from tests.bench import prices

from .limits import Limits, TokenBucket
from .virtual_time import VirtualTime

_MEDIAN_SECONDS: Final[Mapping[str, float]] = {
    "BatchGetItem": 0.005,
    "GetItem": 0.005,
    "TransactWriteItems": 0.012,
    "PutRecord": 0.010,
    "Decrypt": 0.012,
}
"""Within a region, on kept connections. Assumed, after AWS's published figures."""
_SPREAD: Final = 0.5
"""Of the logarithm: the slowest hundredth takes 3.2 times the median."""

Answer = tuple[int, Mapping[str, Any]]


class SimulatedAws:
    """The services of one region. `items` are those of the secrets table by key; `key` is what KMS unwraps."""

    def __init__(
        self,
        *,
        region: str,
        time: VirtualTime,
        chance: Random,
        limits: Limits,
        items: Mapping[tuple[str, str], Mapping[str, Any]],
        key: bytes,
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._region = region
        self._time = time
        self._chance = chance
        self._items = items
        self._units = {name: _read_units(item) for name, item in items.items()}
        self._unwrapped = {"Plaintext": base64.b64encode(key).decode(), "KeyId": "mrk-0"}

        def bucket(rate: int) -> TokenBucket:
            return TokenBucket(rate=rate, burst=rate, clock=time.now)

        self._item_limits = {name: bucket(limits.read_units_per_item) for name in items}
        self._shards = [bucket(limits.records_per_shard) for _ in range(limits.audit_shards)]
        self._kms = bucket(limits.kms_calls)
        self._operations: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "BatchGetItem": self._batch_get_item,
            "PutRecord": self._put_record,
            "TransactWriteItems": lambda _: (200, {}),
            "Decrypt": self._decrypt,
        }

    def client(self) -> AwsClient:
        """A client of an execution environment of its own."""
        client = AwsClient(
            region=self._region,
            environment={},
            credentials=lambda: FrozenCredentials("AKIAIOSFODNN7EXAMPLE", "made-up", "made-up"),
            sleep=self._time.sleep,
        )
        for service in ("dynamodb", "kinesis", "kms"):
            client._endpoints[service] = _Endpoint(self, service, self._region)  # type: ignore[assignment]
        return client

    def begin(self, operation: str, body: bytes) -> tuple[float, Answer]:
        """Take a request; tell when its answer is there, and what it is."""
        self.calls[operation] += 1
        status, answer = self._operations[operation](json.loads(body))
        if status != 200:
            self.refused[operation] += 1
        seconds = _MEDIAN_SECONDS[operation] * math.exp(self._chance.gauss(0, _SPREAD))
        return self._time.now() + seconds, (status, answer)

    def wait_until(self, moment: float) -> None:
        self._time.sleep(moment - self._time.now())

    def _batch_get_item(self, request: dict[str, Any]) -> Answer:
        ((table, wanted),) = request["RequestItems"].items()
        found: list[Any] = []
        unprocessed: list[Any] = []
        for key in wanted["Keys"]:
            name = key["PK"]["S"], key["SK"]["S"]
            if self._item_limits[name].take(self._units[name]):
                found.append(self._items[name])
            else:
                unprocessed.append(key)
        self.refused["item reads"] += len(unprocessed)
        if not found:
            return _refusal("ProvisionedThroughputExceededException")
        left = {table: {"Keys": unprocessed, "ConsistentRead": True}} if unprocessed else {}
        return 200, {"Responses": {table: found}, "UnprocessedKeys": left}

    def _put_record(self, request: dict[str, Any]) -> Answer:
        shard = int(request["PartitionKey"], 16) % len(self._shards)
        if not self._shards[shard].take():
            return _refusal("ProvisionedThroughputExceededException")
        return 200, {"ShardId": f"shardId-{shard:012}", "SequenceNumber": "4" * 56}

    def _decrypt(self, _: dict[str, Any]) -> Answer:
        return (200, self._unwrapped) if self._kms.take() else _refusal("ThrottlingException")


def _refusal(code: str) -> Answer:
    return 400, {"__type": f"com.amazonaws#{code}"}


def _read_units(item: Mapping[str, Any]) -> int:
    """Of a strongly consistent read; an item is a little smaller than its JSON."""
    return -(-len(json.dumps(item)) // prices.READ_UNIT_BYTES)


class _Endpoint:
    """What the client takes for a service's endpoint and its connections."""

    def __init__(self, aws: SimulatedAws, service: str, region: str) -> None:
        self._aws = aws
        self.signer = Signer(service=service, region=region, host=f"{service}.{region}.amazonaws.com")

    def kept(self) -> None:
        """None is kept."""

    def connection(self, _timeout: float) -> "_Connection":
        return _Connection(self._aws)

    def release(self, connection: "_Connection") -> None:
        """Connections cost nothing here."""


class _Connection:
    """One request and its answer."""

    is_answered = False

    def __init__(self, aws: SimulatedAws) -> None:
        self._aws = aws

    def send(self, body: bytes, headers: Mapping[str, str], *, timeout: float) -> None:
        del timeout
        self._sent = self._aws.begin(headers["x-amz-target"].rpartition(".")[2], body)

    def receive(self) -> tuple[int, bytes]:
        moment, (status, answer) = self._sent
        self._aws.wait_until(moment)
        return status, json.dumps(answer).encode()

    def close(self) -> None:
        """Nothing is open."""
