"""A region in virtual time: API Gateway, Lambda's execution environments, and the real reader in each of them."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from infra.constructs.gateway_responses import RESPONSES, GatewayError
from strongroom_service.adapters.audit.buffer import AuditBuffer
from strongroom_service.adapters.audit.log import ChainedAuditLog
from strongroom_service.adapters.breaker import CircuitBreaker
from strongroom_service.adapters.dynamodb.access_items import DynamoAccessItems
from strongroom_service.adapters.dynamodb.head_reader import DynamoHeadReader
from strongroom_service.adapters.envelope.encryption import KmsEncryption
from strongroom_service.adapters.envelope.kms import RegionalKms
from strongroom_service.adapters.envelope.sealed_cache import SealedKeyCache
from strongroom_service.adapters.registry import StoredRegistry
from strongroom_service.adapters.system import SystemClock
from strongroom_service.adapters.writership import ConfiguredWriter
from strongroom_service.entry.environment import Environment
from strongroom_service.entry.failure_log import FailureLog
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.read import Reader
from strongroom_service.entry.shared_wiring import access_control
from strongroom_service.usecases.ports import ReadPorts
from tests.bench.reader_fixture import ENVIRONMENT, read_event

from .aws import SimulatedAws
from .limits import Limits, TokenBucket
from .virtual_time import VirtualTime

_RESTORE_SECONDS: Final = 0.6
"""A new environment from a snapshot, median. Assumed; the slowest hundredth takes 1.4 s."""
_RESTORE_SPREAD: Final = 0.35
_COMPUTE_SECONDS: Final = 0.010
"""A batch of five at 512 MB: about 2.5 ms of a whole core, of which such a function has less than a third."""
_GATEWAY_SECONDS: Final = 0.005

# One for all environments: the logging library would write what each logs to the handlers of all.
_FAILURES: Final = FailureLog(service="strongroom-bench-reader")

Reply = tuple[int, Mapping[str, str], bytes]


@dataclass
class SeededRandomness:
    """The randomness port, repeatable."""

    chance: Random

    def token(self, size: int) -> bytes:
        return self.chance.randbytes(size)


class SimulatedRegion:
    """One region of a deployment that serves the herd.

    `warm` environments are there from the beginning and, when given, no more are made.
    """

    def __init__(
        self, *, aws: SimulatedAws, time: VirtualTime, chance: Random, limits: Limits, warm: int | None = None
    ) -> None:
        self.aws = aws
        self.replies: Counter[int] = Counter()
        self.environments = 0
        self._time = time
        self._chance = chance
        self._limits = limits if warm is None else Limits(environments=warm)
        self._gateway = TokenBucket(rate=limits.gateway_calls, burst=limits.gateway_burst, clock=time.now)
        self._scaling = TokenBucket(
            rate=limits.new_environments / limits.new_environments_seconds,
            burst=limits.new_environments,
            clock=time.now,
        )
        self._idle = [self._new_environment() for _ in range(warm or 0)]

    def handle(self, path: str, body: bytes) -> Reply:
        """Answer a request, in its caller's time."""
        reply = self._reply(path, body)
        self.replies[reply[0]] += 1
        return reply

    def _reply(self, path: str, body: bytes) -> Reply:
        self._time.sleep(_GATEWAY_SECONDS)
        if not self._gateway.take():
            return _refusal(RESPONSES["THROTTLED"])
        reader = self._environment()
        if reader is None:
            # What API Gateway makes of Lambda's own 429.
            return _refusal(RESPONSES["INTEGRATION_FAILURE"])
        self._time.sleep(_COMPUTE_SECONDS)
        answer = reader.handle(_event(path, body))
        self._idle.append(reader)
        return answer["statusCode"], answer["headers"], answer["body"].encode()

    def _environment(self) -> Reader | None:
        """One at rest (any: Lambda does not say which), or a new one, or None beyond the limits."""
        if self._idle:
            index = self._chance.randrange(len(self._idle))
            self._idle[index], self._idle[-1] = self._idle[-1], self._idle[index]
            return self._idle.pop()
        if self.environments >= self._limits.environments or not self._scaling.take():
            return None
        reader = self._new_environment()
        self._time.sleep(_RESTORE_SECONDS * math.exp(self._chance.gauss(0, _RESTORE_SPREAD)))
        return reader

    def _new_environment(self) -> Reader:
        self.environments += 1
        environment = Environment.parse(ENVIRONMENT)
        randomness = SeededRandomness(self._chance)
        metrics = FunctionMetrics(stage=environment.stage, function="reader", monotonic=self._time.now)
        client = self.aws.client()
        writership = ConfiguredWriter(region=environment.writer_region, epoch=1)

        def breaker() -> CircuitBreaker:
            return CircuitBreaker(monotonic=self._time.now)

        ports = ReadPorts(
            region=environment.region,
            clock=SystemClock(),
            randomness=randomness,
            heads=DynamoHeadReader(
                client=client,
                table=environment.table,
                writership=writership,
                randomness=randomness,
                sleep=self._time.sleep,
            ),
            envelopes=KmsEncryption(
                kms=RegionalKms(
                    clients={environment.region: client},
                    key_arn=environment.envelope_key,
                    measurements=metrics,
                    breaker=breaker,
                    sleep=self._time.sleep,
                ),
                randomness=randomness,
                measurements=metrics,
                cache=SealedKeyCache(randomness=randomness, monotonic=self._time.now),
            ),
            audit=ChainedAuditLog(
                client=client,
                stream=environment.audit_stream,
                buffer=AuditBuffer(
                    client=client,
                    table=environment.audit_buffer,
                    size=environment.audit_buffer_events,
                    randomness=randomness,
                    monotonic=self._time.now,
                ),
                randomness=randomness,
                measurements=metrics,
                breaker=breaker(),
            ),
            access=access_control(environment, client, randomness=randomness, measurements=metrics),
            registry=StoredRegistry(
                items=DynamoAccessItems(client=client, table=environment.table, randomness=randomness),
                initial=environment.registry,
                measurements=metrics,
            ),
            writership=writership,
        )
        return Reader(
            region=environment.region,
            ports=ports,
            failures=_FAILURES,
            metrics=metrics,
        )


def _event(path: str, body: bytes) -> dict[str, Any]:
    return {**read_event(), "resource": path, "httpMethod": "POST", "body": body.decode()}


def _refusal(error: GatewayError) -> Reply:
    headers = {"retry-after": "1"} if error is RESPONSES["THROTTLED"] else {}
    return error.status or 500, headers, error.body().encode()
