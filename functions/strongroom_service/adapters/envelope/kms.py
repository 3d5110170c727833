"""KMS, this region's first and the other regions' when it does not answer.

The envelope key is a multi-region key: its copies share their id and material, so what one region's KMS wrapped, any
region's unwraps (https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html). Another
region is asked when one gave no answer: timed out, refused the connection, failed inside, or was over its quota. A
decision of KMS (key disabled, access denied, not this ciphertext) is never asked again elsewhere: a key that was
disabled in one region would otherwise still open through the next.
"""

import base64
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import chain, cycle, islice
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsCallFailed, AwsClient, Operation
from strongroom_service.adapters.breaker import CircuitBreaker
from strongroom_service.usecases.ports import Measurements, Metric

_CONTENT_TYPE: Final = "application/x-amz-json-1.1"
_TIMEOUT: Final = timedelta(milliseconds=700)
"""A region that says nothing for this long is left for the next: three of them fit into a caller's deadline."""
DECRYPT: Final = Operation(
    service="kms", target="TrentService.Decrypt", content_type=_CONTENT_TYPE, timeout=_TIMEOUT, attempts=1
)
GENERATE_DATA_KEY: Final = Operation(
    service="kms", target="TrentService.GenerateDataKey", content_type=_CONTENT_TYPE, timeout=_TIMEOUT, attempts=1
)
_MAX_CALLS: Final = 3
_PAUSE_SECONDS: Final = 0.1


class RegionalKms:
    """The envelope key's copies, nearest first. `key_arn` names the copy in the first client's region."""

    def __init__(
        self,
        *,
        clients: Mapping[str, AwsClient],
        key_arn: str,
        measurements: Measurements,
        breaker: Callable[[], CircuitBreaker] = CircuitBreaker,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        home = key_arn.split(":")[3]
        self.key_id: Final = key_arn.rpartition("/")[2]
        self._prefixes = {region: _in_region(key_arn, region).rpartition("/")[0] for region in clients}
        self._clients = dict(sorted(clients.items(), key=lambda it: it[0] != home))
        self._breakers = {region: breaker() for region in clients}
        self._home = home
        self._measurements = measurements
        self._sleep = sleep

    def decrypt(self, wrapped: bytes, *, key_id: str, context: Mapping[str, str]) -> bytearray:
        """Unwrap what the key of this id wrapped; raises `AwsCallFailed`."""
        request = {"CiphertextBlob": base64.b64encode(wrapped).decode("ascii"), "EncryptionContext": context}
        return bytearray(base64.b64decode(self._call(DECRYPT, key_id, request)["Plaintext"]))

    def generate_data_key(self, *, context: Mapping[str, str]) -> tuple[bytearray, bytes]:
        """A new 256-bit key, plain and wrapped; raises `AwsCallFailed`."""
        answer = self._call(GENERATE_DATA_KEY, self.key_id, {"KeySpec": "AES_256", "EncryptionContext": context})
        return bytearray(base64.b64decode(answer["Plaintext"])), base64.b64decode(answer["CiphertextBlob"])

    def _call(self, operation: Operation, key_id: str, request: Mapping[str, object]) -> dict[str, Any]:
        failure: AwsCallFailed | None = None
        asked: set[str] = set()
        for region in self._order():
            if region in asked:
                self._sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311  # jitter, not a secret
            asked.add(region)
            self._measurements.count(Metric.KMS_CALLS)
            try:
                answer = self._clients[region].call(
                    operation, {"KeyId": f"{self._prefixes[region]}/{key_id}", **request}
                )
            except AwsCallFailed as failed:
                if failed.is_decision:
                    # An answer all the same: the region is well.
                    self._breakers[region].succeeded()
                    raise
                failure = failed
                if not failed.is_throttling:
                    self._breakers[region].failed()
                continue
            self._breakers[region].succeeded()
            if region != self._home:
                self._measurements.count(Metric.KMS_FALLBACKS)
            return answer
        if failure is None:  # pragma: no cover  # the order is never empty
            raise AwsCallFailed(operation.name, "NoRegion")
        raise failure

    def _order(self) -> Iterator[str]:
        """Whom to ask, one after the other: regions whose breaker admits; if in vain, all of them again.

        A breaker is asked when it is its region's turn: a trial that it grants is one that is made.
        """
        admitted = (region for region in self._clients if self._breakers[region].admits())
        return islice(chain(admitted, cycle(self._clients)), _MAX_CALLS)


def _in_region(arn: str, region: str) -> str:
    """The ARN of a multi-region key's copy in a region."""
    parts = arn.split(":")
    return ":".join([*parts[:3], region, *parts[4:]])
