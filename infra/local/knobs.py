"""The local cloud's switches: faults on the way to it, and replication inside it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import urllib3

from infra.local.errors import LocalCloudError

_OK = range(200, 300)
_TIMEOUT = timedelta(seconds=60)
"""Ending a function's environments waits for the requests that they are in."""


class ControlEndpoint:
    """A loopback endpoint that takes and answers JSON."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT.total_seconds())

    def call(self, method: str, path: str, value: object = None) -> dict[str, Any]:
        """Make one call; raises `LocalCloudError` with the endpoint's own message."""
        body = None if value is None else json.dumps(value).encode()
        response = self._pool.request(method, self._url + path, body=body)
        answer: dict[str, Any] = json.loads(response.data)
        if response.status not in _OK:
            raise LocalCloudError(f"{method} {path}: {answer.get('message')}")
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._pool.clear()


class Faults:
    """Asks the fault proxy for failures. Every one ends with its `with` block, or with `clear`."""

    def __init__(self, control: ControlEndpoint) -> None:
        self._control = control

    @contextmanager
    def fault(self, kind: str, **where: str | float) -> Iterator[int]:
        """Fail requests by `region`, `service` and `operation`; also `seconds`, `share` and `times` of the rule."""
        rule = self.add(kind, **where)
        try:
            yield rule
        finally:
            self.remove(rule)

    @contextmanager
    def cut_off(self, region: str, *, how: str = "refuse") -> Iterator[None]:
        """Make a region unreachable: its API, and every AWS call signed for it."""
        self.cut(region, how=how)
        try:
            yield
        finally:
            self.join(region)

    def add(self, kind: str, **where: str | float) -> int:
        """Put a rule in force; returns its id."""
        return int(self._control.call("POST", "/rules", {"kind": kind, **where})["id"])

    def remove(self, rule: int) -> None:
        """End a rule."""
        self._control.call("DELETE", f"/rules/{rule}")

    def cut(self, region: str, *, how: str = "refuse") -> None:
        """Cut a region off."""
        self._control.call("PUT", f"/cut/{region}", {"how": how})

    def join(self, region: str) -> None:
        """Make a region reachable again."""
        self._control.call("DELETE", f"/cut/{region}")

    def clear(self) -> None:
        """End every fault."""
        self._control.call("DELETE", "/")

    def state(self) -> dict[str, Any]:
        """The rules and cuts in force."""
        return self._control.call("GET", "/")

    def last_request(self) -> int:
        """The number of the latest request that came by; give it to `requests_after`."""
        requests = self.requests_after(0)
        return int(requests[-1]["number"]) if requests else 0

    def requests_after(self, number: int) -> list[dict[str, Any]]:
        """The AWS and API calls that came by since: region, service, operation, status, fault, seconds."""
        return list(self._control.call("GET", f"/requests?after={number}")["requests"])


class Replication:
    """Turns the knob on what arrives in a region from the others."""

    def __init__(self, control: ControlEndpoint) -> None:
        self._control = control

    def set(
        self,
        region: str,
        *,
        lag: timedelta = timedelta(0),
        paused: bool = False,
        reorder: bool = False,
        seed: int | None = None,
    ) -> None:
        """Delay, hold back or reorder the writes that arrive in a region."""
        knob = {"lagMs": lag / timedelta(milliseconds=1), "paused": paused, "reorder": reorder, "seed": seed}
        self._control.call("PUT", f"/replication/{region}", knob)

    @contextmanager
    def paused(self, region: str, *, reorder: bool = False, seed: int | None = None) -> Iterator[None]:
        """Hold back what is to arrive in a region; it all arrives at the end of the block."""
        self.set(region, paused=True, reorder=reorder, seed=seed)
        try:
            yield
        finally:
            self.set(region)

    def step(self, region: str, count: int = 1) -> int:
        """Let some waiting writes arrive while paused; returns how many did."""
        return int(self._control.call("POST", f"/replication/{region}/step", {"count": count})["applied"])

    def waiting(self, region: str) -> int:
        """How many writes wait for a region."""
        return int(self.state().get(region, {}).get("waiting", 0))

    def state(self) -> dict[str, Any]:
        """Every region's knob and queue."""
        return self._control.call("GET", "/replication")

    def reset(self) -> None:
        """Replicate at once everywhere, with nothing left waiting."""
        self._control.call("DELETE", "/replication")
