"""One HTTP exchange with one region over pooled connections; urllib3's errors end here.

Each wait for bytes is bounded by what is left of the attempt's time. Name resolution has no time-out in the
operating system's interface; a region whose name hangs is left to the resolver's own limit.
"""

import contextlib
import http.client
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import botocore
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.exceptions import SSLError as PoolSSLError

from .errors import AttemptTimedOut, ConnectionFailed, InvalidResponse
from .regions import Region
from .signing import SignedRequest

MAX_RESPONSE_BYTES: Final = 6 * 1024 * 1024
"""Lambda's own limit on an answer; what is longer is none of ours."""
_POOL_SIZE: Final = 16
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer as it came. The body may hold plaintexts and is in no text form."""

    region: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport:
    """Connection pools, one per region. Thread-safe."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._ssl_context = ssl_context
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Start without connections: in a forked child, those of the parent belong to the parent."""
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}

    def forget(self, region: Region) -> None:
        """Drop a region's idle connections: when one hangs, the others do."""
        with self._lock:
            pool = self._pools.pop(region.name, None)
        if pool is not None:
            pool.close()

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()

    def send(self, request: SignedRequest, *, timeout: timedelta, connect_timeout: timedelta) -> Response:
        """Send a request and read its answer within `timeout`.

        Raises:
            ConnectionFailed, AttemptTimedOut, InvalidResponse: with the region.
        """
        ends = self._clock() + timeout.total_seconds()
        try:
            return self._exchange(request, ends=ends, connect_timeout=connect_timeout)
        except _Dropped:
            # An idle connection that the server had closed meanwhile says nothing about the region.
            self.forget(request.region)
        with contextlib.suppress(_Dropped):
            return self._exchange(request, ends=ends, connect_timeout=connect_timeout)
        raise ConnectionFailed("the connection was dropped", region=request.region.name)

    def _exchange(self, request: SignedRequest, *, ends: float, connect_timeout: timedelta) -> Response:
        region = request.region.name
        left = ends - self._clock()
        if left <= 0:
            raise AttemptTimedOut(_LATE, region=region)
        try:
            answer = self._pool(request.region).urlopen(
                request.method,
                request.target,
                body=request.body or None,
                headers=request.headers,
                timeout=urllib3.Timeout(connect=min(connect_timeout.total_seconds(), left), total=left),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                body = self._read(answer, ends=ends, region=region)
            except BaseException:
                answer.close()  # What is left of the answer must not be taken for the next one.
                raise
            finally:
                answer.release_conn()
        except FOREIGN_ERRORS as error:
            failure = translate(error, region=region)
        else:
            headers = {name.lower(): text for name, text in answer.headers.items()}
            return Response(region=region, status=answer.status, headers=headers, body=body)
        # Raised outside the handler: the foreign error holds the request's headers or parts of the answer, and
        # would stay reachable as this one's context.
        raise failure

    def _read(self, answer: urllib3.BaseHTTPResponse, *, ends: float, region: str) -> bytes:
        body = bytearray()
        while chunk := answer.read1(_CHUNK):
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise InvalidResponse("the answer is too long", region=region)
            if self._clock() > ends:
                raise AttemptTimedOut(_LATE, region=region)
        return bytes(body)

    def _pool(self, region: Region) -> urllib3.HTTPConnectionPool:
        with self._lock:
            pool = self._pools.get(region.name)
            if pool is None:
                secure = region.endpoint.startswith("https:")
                if secure and self._ssl_context is None:
                    self._ssl_context = default_ssl_context()
                options = {"ssl_context": self._ssl_context} if secure else {}
                pool = urllib3.connection_from_url(region.endpoint, maxsize=_POOL_SIZE, **options)
                self._pools[region.name] = pool
            return pool


class _Dropped(Exception):
    """The server closed the connection before it answered."""


FOREIGN_ERRORS: Final = (HTTPError, http.client.HTTPException, OSError)
"""What urllib3 and the socket below it raise."""


def translate(error: Exception, *, region: str) -> Exception:
    """Our error for one of `FOREIGN_ERRORS`."""
    if isinstance(error, ProtocolError) and any(isinstance(part, ConnectionError) for part in error.args):
        return _Dropped()
    for kinds, kind, message in _TRANSLATIONS:
        if isinstance(error, kinds):
            return kind(message, region=region)
    return InvalidResponse("the answer is not HTTP, or breaks off", region=region)


_LATE: Final = "the region did not answer in time"
# The first that fits counts: urllib3 derives its connection errors from its time-outs, and Python's time-out from
# OSError.
_TRANSLATIONS: Final = (
    (NameResolutionError, ConnectionFailed, "the region's host name is unknown"),
    (NewConnectionError, ConnectionFailed, "the region cannot be reached"),
    ((ConnectTimeoutError, ReadTimeoutError, TimeoutError), AttemptTimedOut, _LATE),
    ((PoolSSLError, ssl.SSLError), ConnectionFailed, "no trusted TLS connection"),
    (OSError, ConnectionFailed, "the connection failed"),
)


def default_ssl_context() -> ssl.SSLContext:
    """The system's trusted authorities, or those of `AWS_CA_BUNDLE`, or (on images without any) botocore's."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=bundle or None)
    if not bundle and not context.get_ca_certs() and not _has_directory():
        context.load_verify_locations(cafile=Path(botocore.__file__).with_name("cacert.pem"))
    return context


def _has_directory() -> bool:
    # OpenSSL reads a directory of authorities lazily, so an empty store does not say that there are none.
    directory = ssl.get_default_verify_paths().capath
    return bool(directory) and any(Path(directory).iterdir())
