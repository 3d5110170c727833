"""What a caller's process pays for a secret that it has read a short while ago."""

import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from aws_secretsmanager_caching import SecretCache, SecretCacheConfig

from strongroom import Client
from strongroom.credentials import StaticCredentials
from tests.bench.harness import REGISTRY, Result, at_least, interleaved, median, percentile
from tests.unit.sdk.scripted_region import PATH, ScriptedRegion

_OURS, _THEIRS, _ROUNDS = 200_000, 4_000, 15


class _SecretsManager:
    """The three things that the peer's cache asks of its client, answered as AWS does: each hit copies the answer."""

    meta = SimpleNamespace(config=SimpleNamespace(user_agent_extra=""))

    def describe_secret(self, **_: Any) -> dict[str, Any]:
        return {"ARN": "arn", "Name": PATH, "VersionIdsToStages": {"0" * 32: ["AWSCURRENT"]}}

    def get_secret_value(self, **_: Any) -> dict[str, Any]:
        return {
            "ARN": f"arn:aws:secretsmanager:us-east-1:111122223333:secret:{PATH}",
            "Name": PATH,
            "VersionId": "0" * 32,
            "SecretString": "made-up-value",
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": datetime(2026, 1, 1, tzinfo=UTC),
            "ResponseMetadata": {
                "RequestId": "00000000-0000-0000-0000-000000000000",
                "HTTPStatusCode": 200,
                "HTTPHeaders": {
                    "x-amzn-requestid": "00000000-0000-0000-0000-000000000000",
                    "content-type": "application/x-amz-json-1.1",
                    "content-length": "300",
                    "date": "Thu, 01 Jan 2026 00:00:00 GMT",
                },
                "RetryAttempts": 0,
            },
        }


@REGISTRY.add("sdk_cached_get", reach=">= 100", reached=at_least(100))
def sdk_cached_get() -> Result:
    """A cached `get` against a cache hit of AWS's own caching library."""
    region = ScriptedRegion("us-east-1")
    credentials = StaticCredentials(access_key="made-up", secret_key="made-up", token=None)
    client = Client(regions=[region.region], credentials=credentials, cache_ttl=timedelta(hours=1))
    peer = SecretCache(config=SecretCacheConfig(secret_refresh_interval=3600), client=_SecretsManager())
    try:
        client.get(PATH)
        peer.get_secret_string(PATH)
        ours, theirs = interleaved(
            lambda: _seconds_per_call(client.get, times=_OURS),
            lambda: _seconds_per_call(peer.get_secret_string, times=_THEIRS),
            rounds=_ROUNDS,
        )
        if len(region.received) != 1:
            raise RuntimeError("a cached read asked the region")
    finally:
        client.close()
        region.close()
    value, reference = median(ours) * 1e6, median(theirs) * 1e6
    return Result(
        value=value, unit="µs", reference=reference, ratio=reference / value, p99=percentile(ours, 0.99) * 1e6
    )


def _seconds_per_call(get: Callable[[str], object], *, times: int) -> float:
    return timeit.timeit("get(path)", globals={"get": get, "path": PATH}, number=times) / times
