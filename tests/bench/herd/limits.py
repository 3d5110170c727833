"""The limits of AWS that a herd runs into, as its documentation has them for a new account.

Sources, below https://docs.aws.amazon.com/: amazondynamodb/latest/developerguide/bp-partition-key-design.html (3,000
read units a second for an item), streams/latest/dev/service-sizes-and-limits.html (a shard takes 1,000 records a
second; a new on-demand stream has four), lambda/latest/dg/lambda-concurrency.html (1,000 new environments of a
function in ten seconds, 1,000 environments of an account at once), kms/latest/developerguide/requests-per-second.html,
apigateway/latest/developerguide/limits.html.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one region takes. Rates are per second."""

    read_units_per_item: int = 3_000
    audit_shards: int = 4
    records_per_shard: int = 1_000
    kms_calls: int = 10_000
    new_environments: int = 1_000
    """Within `new_environments_seconds`."""
    new_environments_seconds: float = 10.0
    environments: int = 1_000
    gateway_calls: int = 10_000
    gateway_burst: int = 5_000


class TokenBucket:
    """So many a second, and so many at once."""

    def __init__(self, *, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_at = clock()

    def take(self, count: int = 1) -> bool:
        """Whether there was room for as many more; none is taken otherwise."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < count:
            return False
        self._tokens -= count
        return True
