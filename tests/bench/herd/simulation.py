"""The herd: pods that start together, each with the SDK, each in need of its secrets before it can work."""

import base64
import io
import random
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from strongroom import Region
from strongroom.batch import BatchReader
from strongroom.cache import Cache
from strongroom.client import CACHE_TTL, DEADLINE, STALE_LIMIT
from strongroom.credentials import CredentialResolver, StaticCredentials
from strongroom.errors import AttemptTimedOut
from strongroom.paths import CURRENT
from strongroom.reading import Reader, Wanted
from strongroom.router import Router
from strongroom.signing import SignedRequest
from strongroom.surroundings import Surroundings
from strongroom.transport import Response
from strongroom_service.adapters.dynamodb import layout
from strongroom_service.adapters.dynamodb.access_codec import encode_pointer
from strongroom_service.domain import limits
from strongroom_service.domain.access_set import AccessPointer, AccessSet
from strongroom_service.domain.names import SecretName
from strongroom_service.domain.registry import SCOPE, Registry
from strongroom_service.domain.roles import Role, RoleBinding
from tests.bench.reader_fixture import ACCOUNT, KEY, PRINCIPAL, head_item

from .aws import SimulatedAws
from .limits import Limits
from .region import SimulatedRegion
from .virtual_time import VirtualTime

SECRETS: Final = tuple(
    [SecretName("default", "prod", f"payments/secret-{index}") for index in range(3)]
    + [SecretName("default", "shared", f"payments/secret-{index}") for index in range(2)]
)
"""What each pod needs, of two namespaces."""
NAMESPACES: Final = len({(name.tenant, name.environment) for name in SECRETS})
REGIONS: Final = ("us-east-1", "eu-west-1")
_NETWORK_SECONDS: Final = {"us-east-1": 0.002, "eu-west-1": 0.080}
"""There and back. The herd stands in the first region."""
_RESTARTS: Final = (1.0, 10.0, 20.0)
"""Seconds after which a pod that failed is started again, as Kubernetes does it."""
HORIZON: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Herd:
    """So many pods that start within so many seconds, and what they run into."""

    pods: int = 10_000
    window: float = 10.0
    limits: Limits = field(default_factory=Limits)
    warm: int | None = None
    """Environments that are there already and that no others join; None: none is there, and Lambda makes them."""
    regions: int = 2
    seed: int = 1


@dataclass
class Outcome:
    """What became of a herd. Times are seconds since its start."""

    completed: list[float] = field(default_factory=list)
    """When each pod that has all its secrets got the last one."""
    waited: list[float] = field(default_factory=list)
    """How long each of them took from its own start."""
    attempts: list[tuple[float, int, bool]] = field(default_factory=list)
    """Each request: when, for how many secrets, and whether it was answered with them."""
    kms_calls: int = 0
    environments: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """What the services of all regions refused, by operation."""
    buffered: int = 0
    """Audit records that took the buffer."""

    @property
    def asked(self) -> int:
        """Secrets that were asked for, each as often as it was."""
        return sum(count for _, count, _ in self.attempts)


class _Transport:
    """The SDK's transport, into simulated regions."""

    def __init__(self, regions: Mapping[str, SimulatedRegion], time: VirtualTime, outcome: Outcome) -> None:
        self._regions = regions
        self._time = time
        self._outcome = outcome

    def send(self, request: SignedRequest, *, timeout: timedelta, connect_timeout: timedelta) -> Response:
        del connect_timeout
        name = request.region.name
        began = self._time.now()
        self._time.sleep(_NETWORK_SECONDS[name])
        path = request.target.removeprefix("/v1")
        status = 0
        try:
            status, headers, body = self._time.ask(
                lambda: self._regions[name].handle(path, request.body),
                timeout=timeout.total_seconds() - _NETWORK_SECONDS[name],
            )
        except TimeoutError:
            raise AttemptTimedOut("the region did not answer in time", region=name) from None
        finally:
            self._outcome.attempts.append((began, request.body.count(b"secretPath"), status == 200))
        return Response(region=name, status=status, headers=headers, body=body)

    def forget(self, region: Region) -> None:
        """There are no connections."""

    def reset(self) -> None:
        """There are none to begin with."""


def run(herd: Herd) -> Outcome:
    """Let a herd loose. The same herd has the same outcome every time."""
    chance = random.Random(herd.seed)  # noqa: S311  # repeatable, not secret
    random.seed(herd.seed)  # the retries of the reader's own client draw from here
    time = VirtualTime()
    outcome = Outcome()
    items = _items()
    regions = {
        name: SimulatedRegion(
            aws=SimulatedAws(region=name, time=time, chance=chance, limits=herd.limits, items=items, key=KEY),
            time=time,
            chance=chance,
            limits=herd.limits,
            warm=herd.warm,
        )
        for name in REGIONS[: herd.regions]
    }
    transport = _Transport(regions, time, outcome)
    with redirect_stdout(io.StringIO()):  # the functions' logs and metrics
        for _ in range(herd.pods):
            pod = _Pod(transport, time, chance, list(regions), outcome)
            time.start(pod.run, after=chance.uniform(0, herd.window))
        time.run(until=HORIZON)
    for region in regions.values():
        outcome.kms_calls += region.aws.calls["Decrypt"]
        outcome.environments += region.environments
        outcome.buffered += region.aws.calls["TransactWriteItems"]
        for operation, count in region.aws.refused.items():
            outcome.refused[operation] = outcome.refused.get(operation, 0) + count
    return outcome


class _Pod:
    """One workload: it starts, reads its secrets with one `get_many`, and fails as a whole if one is missing."""

    def __init__(
        self, transport: _Transport, time: VirtualTime, chance: random.Random, regions: Sequence[str], outcome: Outcome
    ) -> None:
        self._transport = transport
        self._time = time
        self._chance = chance
        self._regions = regions
        self._outcome = outcome

    def run(self) -> None:
        began = self._time.now()
        for restart in (*_RESTARTS, None):
            batch = self._client().read(_WANTED, deadline=DEADLINE)
            if len(batch.secrets) == len(SECRETS):
                self._outcome.completed.append(self._time.now())
                self._outcome.waited.append(self._time.now() - began)
                return
            if restart is not None:
                self._time.sleep(restart)

    def _client(self) -> BatchReader:
        """The parts of a `Client` of a process that has just started."""
        around = Surroundings(
            clock=self._time.now, wall_clock=self._time.now, sleep=self._time.sleep, jitter=self._chance.uniform
        )
        router = Router(
            tuple(Region(name=name, endpoint=f"https://{name}.example.com/v1") for name in self._regions),
            transport=self._transport,  # type: ignore[arg-type]
            credentials=CredentialResolver(credentials=_CREDENTIALS),
            surroundings=around,
        )
        cache = Cache(ttl=CACHE_TTL, stale_limit=STALE_LIMIT, capacity=len(SECRETS), surroundings=around)
        return BatchReader(
            cache=cache,
            router=router,
            reader=Reader(cache=cache, router=router, surroundings=around, headers={}, kept=lambda: None),
            surroundings=around,
            headers={},
        )


_WANTED: Final = [Wanted(path=name.secret_path, version=CURRENT, at_least=None) for name in SECRETS]
_CREDENTIALS: Final = StaticCredentials(access_key="AKIAIOSFODNN7EXAMPLE", secret_key="made-up", token="made-up")


def _items() -> dict[tuple[str, str], dict[str, Any]]:
    """The secrets, and an access set of fifty policies."""
    items: dict[tuple[str, str], dict[str, Any]] = {}
    for name in SECRETS:
        items[layout.head_key(name)] = head_item(name)
    policies = {f"p{n}": RoleBinding(role=Role.READER, principal=f"{PRINCIPAL}{n or ''}") for n in range(50)}
    registry = Registry(1, tenants={"default": frozenset({ACCOUNT})})
    for scope, document in (("default", AccessSet("default", 1, policies)), (SCOPE, registry)):
        pointer = AccessPointer.to(document, epoch=1)
        for copy in range(limits.ACCESS_POINTER_COPIES):
            key = layout.access_pointer_key(scope, copy)
            items[key] = {**_typed(key), **encode_pointer(pointer)}
        key = layout.access_chunk_key(scope, pointer, 0)
        items[key] = {**_typed(key), layout.BLOB: {"B": base64.b64encode(document.encode()).decode()}}
    return items


def _typed(key: layout.Key) -> dict[str, dict[str, str]]:
    return {layout.PK: {"S": key.pk}, layout.SK: {"S": key.sk}}
