"""The public keys of issuers: those that were given with them, and those that they publish over HTTPS."""

import json
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import urllib3
from botocore.httpsession import get_cert_path
from urllib3.exceptions import HTTPError

from strongroom_service.domain import limits
from strongroom_service.domain.issuers import Issuer
from strongroom_service.domain.public_keys import KeySet, PublicKey
from strongroom_service.domain.tokens import Reason, TokenRefused
from strongroom_service.usecases.ports import Measurements, Metric

_NEVER: Final = float("-inf")
_KEPT: Final = 64
"""Issuers whose published keys are kept."""
_READ_AT_ONCE: Final = 16 * 1024


@dataclass(slots=True)
class _Published:
    """What an issuer published, and when it was asked."""

    keys: KeySet | None = None
    fetched_at: float = _NEVER
    asked_at: float = _NEVER
    lock: threading.Lock = field(default_factory=threading.Lock)


class PublishedKeys:
    """The issuer keys port.

    Published keys are believed for an hour. A key that is not among them is looked for once more, at most once a
    minute for each issuer, whoever asks. When they cannot be fetched, nobody is let in by those of the hour before.
    """

    def __init__(
        self,
        *,
        measurements: Measurements,
        trust: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measurements = measurements
        self._monotonic = monotonic
        self._trust = trust
        self._pool: urllib3.PoolManager | None = None
        self._published: OrderedDict[tuple[str, Issuer], _Published] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, issuer_id: str, issuer: Issuer, kid: object) -> PublicKey:
        """The key that a token names; raises `TokenRefused`."""
        if issuer.keys is not None:
            keys: KeySet | None = issuer.keys
        else:
            keys = self._current(self._published_by(issuer_id, issuer), issuer.jwks_uri or "", kid)
        if keys is None:
            raise TokenRefused(Reason.KEYS_UNAVAILABLE)
        found = keys.find(kid)
        if found is None:
            raise TokenRefused(Reason.UNKNOWN_KEY)
        return found

    def _published_by(self, issuer_id: str, issuer: Issuer) -> _Published:
        """What is kept of an issuer as it is registered now: an entry that was changed begins anew."""
        with self._lock:
            kept = self._published.setdefault((issuer_id, issuer), _Published())
            self._published.move_to_end((issuer_id, issuer))
            if len(self._published) > _KEPT:
                self._published.popitem(last=False)
        return kept

    def _current(self, published: _Published, uri: str, kid: object) -> KeySet | None:
        # One at a time for each issuer: who waited finds what the one before has fetched.
        with published.lock:
            now = self._monotonic()
            is_believed = now - published.fetched_at < limits.KEY_SET_LIFETIME.total_seconds()
            keys = published.keys if is_believed else None
            pause = limits.KEY_SET_RETRY if keys is None else limits.KEY_SET_REFRESH
            is_wanted = keys is None or keys.find(kid) is None
            if is_wanted and now - published.asked_at >= pause.total_seconds():
                published.asked_at = now
                fetched = self._fetch(uri)
                if fetched is not None:
                    keys = published.keys = fetched
                    published.fetched_at = now
            return keys

    def _fetch(self, uri: str) -> KeySet | None:
        self._measurements.count(Metric.KEY_SET_FETCHES)
        try:
            found = KeySet.leniently(json.loads(self._get(uri)))
        except (HTTPError, OSError, ValueError, RecursionError):
            found = None
        if found is None:
            self._measurements.count(Metric.KEY_SET_FAILURES)
        return found

    def _get(self, uri: str) -> bytes:
        """The document; raises urllib3's errors, or `ValueError` when the answer is not one."""
        if not uri.startswith("https://"):
            raise ValueError("only over TLS")
        deadline = time.monotonic() + limits.KEY_SET_TIMEOUT.total_seconds()
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        response = self._connections().request("GET", uri, headers=headers, preload_content=False)
        try:
            if response.status != HTTPStatus.OK:
                # A redirect is one too: keys come from where the operators said, or not at all.
                raise ValueError("no success")
            return _bounded(response, deadline)
        finally:
            response.close()

    def _connections(self) -> urllib3.PoolManager:
        """Made at the first fetch: most environments make none."""
        if self._pool is None:
            self._pool = urllib3.PoolManager(
                num_pools=4,
                retries=False,
                timeout=urllib3.Timeout(total=limits.KEY_SET_TIMEOUT.total_seconds()),
                ssl_context=self._trust or ssl.create_default_context(cafile=get_cert_path(True)),
            )
        return self._pool

    def close(self) -> None:
        """Close the connections at rest."""
        if self._pool is not None:
            self._pool.clear()


def _bounded(response: Any, deadline: float) -> bytes:  # noqa: ANN401  # urllib3's base class has no read1
    """The body, unless it is too long or comes too slowly; raises `ValueError`."""
    body = b""
    while chunk := response.read1(_READ_AT_ONCE):
        body += chunk
        if len(body) > limits.MAX_KEY_SET_BYTES or time.monotonic() > deadline:
            raise ValueError("too long, or too slow")
    return body
