"""A small client for AWS's JSON services: one signed POST a call, over connections that are kept.

Only for the read path, whose every millisecond counts: botocore's general client takes twice the processor time.
A call can be begun and awaited apart, so that other work is done while the service answers.
"""

import http.client
import json
import os
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.httpsession import get_cert_path

from .aws_connection import Connection
from .sigv4 import FrozenCredentials, Signer

_BACKOFF_SECONDS: Final = 0.05
_MAX_IDLE: Final = 4
_RETRYABLE_CODES: Final = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "KMSInternalException",
        "DependencyTimeoutException",
        "ServiceUnavailable",
    }
)
_THROTTLING_CODES: Final = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "KMSThrottlingException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


class AwsCallFailed(Exception):
    """A call did not succeed. `code` is AWS's error code, or `Unreachable` when no answer came; never a message.

    AWS's messages can quote the request, so they stop here. `reasons` are the codes by which DynamoDB cancelled a
    transaction, one for each of its items.
    """

    def __init__(self, operation: str, code: str, *, reasons: tuple[str, ...] = ()) -> None:
        self.code = code
        self.reasons = reasons
        super().__init__(f"{operation}: {code}")

    @property
    def is_throttling(self) -> bool:
        """Whether a limit was reached."""
        return self.code in _THROTTLING_CODES

    @property
    def is_decision(self) -> bool:
        """Whether the service answered and refused: another try or another region would go past its decision."""
        return self.code != UNREACHABLE and self.code not in _RETRYABLE_CODES and not self.is_throttling


UNREACHABLE: Final = "Unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of one service, with how long and how often it is tried."""

    service: str
    target: str
    """The value of `X-Amz-Target`."""
    content_type: str
    timeout: timedelta = timedelta(seconds=1)
    """For connecting, and again for the answer."""
    attempts: int = 2

    @property
    def name(self) -> str:
        """The operation's own name."""
        return self.target.rpartition(".")[2]


class AwsClient:
    """Calls to the services of one region, with the credentials of the process."""

    def __init__(
        self,
        *,
        region: str,
        environment: Mapping[str, str] | None = None,
        credentials: Callable[[], FrozenCredentials] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._region = region
        self._environment = os.environ if environment is None else environment
        self._credentials = credentials or _ProcessCredentials()
        self._sleep = sleep
        self._endpoints: dict[str, _Endpoint] = {}

    def call(self, operation: Operation, body: Mapping[str, object]) -> dict[str, Any]:
        """Call and wait. Raises `AwsCallFailed`."""
        return self.begin(operation, body).result()

    def begin(self, operation: Operation, body: Mapping[str, object]) -> "PendingCall":
        """Send the request; the answer is fetched by `PendingCall.result`. Never raises `AwsCallFailed` itself."""
        endpoint = self._endpoints.get(operation.service)
        if endpoint is None:
            endpoint = _Endpoint(operation.service, self._region, self._environment)
            self._endpoints[operation.service] = endpoint
        encoded = json.dumps(body, separators=(",", ":")).encode()
        return PendingCall(endpoint, operation, encoded, credentials=self._credentials, sleep=self._sleep)

    def close(self) -> None:
        """Close the connections at rest."""
        for endpoint in self._endpoints.values():
            endpoint.close()


class PendingCall:
    """A request on its way."""

    def __init__(
        self,
        endpoint: "_Endpoint",
        operation: Operation,
        body: bytes,
        *,
        credentials: Callable[[], FrozenCredentials],
        sleep: Callable[[float], None],
    ) -> None:
        self._endpoint = endpoint
        self._operation = operation
        self._body = body
        self._credentials = credentials
        self._sleep = sleep
        self._connection: Connection | None = None
        self._is_kept = False
        self._was_left = False
        self._failure = UNREACHABLE
        self._send()

    def result(self) -> dict[str, Any]:
        """Wait for the answer, trying again where that can help. Raises `AwsCallFailed`."""
        for attempt in range(1, self._operation.attempts + 1):
            answer = self._receive()
            if answer is None and self._was_left:
                # An environment that was frozen wakes up with connections that are none any more. That says nothing
                # of the service, so it is no attempt.
                self._send(on_new_connection=True)
                answer = self._receive()
            if answer is not None:
                return answer
            if attempt < self._operation.attempts:
                self._sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311  # jitter, not a secret
                self._send()
        raise AwsCallFailed(self._operation.name, self._failure)

    def _send(self, *, on_new_connection: bool = False) -> None:
        self._is_kept = self._was_left = False
        headers = {"content-type": self._operation.content_type, "x-amz-target": self._operation.target}
        try:
            signed = self._endpoint.signer.sign(
                self._body, headers, credentials=self._credentials(), now=datetime.now(UTC)
            )
        except BotoCoreError:
            self._failure = "NoCredentials"
            return
        timeout = self._operation.timeout.total_seconds()
        connection = None if on_new_connection else self._endpoint.kept()
        self._is_kept = connection is not None
        try:
            if connection is None:
                connection = self._endpoint.connection(timeout)
            connection.send(self._body, {**signed, "accept-encoding": "identity"}, timeout=timeout)
        except (http.client.HTTPException, OSError) as lost:
            self._lose(connection, lost)
            return
        self._connection = connection

    def _receive(self) -> dict[str, Any] | None:
        """The answer; None when there was none, or one that another try may better."""
        connection, self._connection = self._connection, None
        if connection is None:
            return None
        try:
            status, body = connection.receive()
        except (http.client.HTTPException, OSError) as lost:
            self._lose(connection, lost)
            return None
        self._endpoint.release(connection)
        if status == HTTPStatus.OK:
            return self._parse(body)
        error = AwsCallFailed(self._operation.name, _error_code(body, status), reasons=_reasons(body))
        if error.is_decision:
            raise error
        self._failure = error.code
        return None

    def _lose(self, connection: Connection | None, error: Exception) -> None:
        """A connection broke; one that was at rest, and broke at once, had been left by the other side before."""
        self._failure = UNREACHABLE
        if connection is not None:
            connection.close()
            self._was_left = self._is_kept and not connection.is_answered and not isinstance(error, TimeoutError)

    def _parse(self, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise AwsCallFailed(self._operation.name, "InvalidResponse")
        return answer


class _Endpoint:
    """Where a service is reached, and the connections to it that are at rest."""

    def __init__(self, service: str, region: str, environment: Mapping[str, str]) -> None:
        url = urlsplit(_endpoint_url(service, region, environment))
        self._host = url.hostname or ""
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._is_tls = url.scheme == "https"
        self._context: ssl.SSLContext | None = None
        self._idle: deque[Connection] = deque()
        self.signer = Signer(service=service, region=region, host=url.netloc)

    def kept(self) -> Connection | None:
        """A connection at rest that the other side is not known to have closed."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if not connection.was_left:
                return connection
            connection.close()
        return None

    def connection(self, timeout: float) -> Connection:
        """A new connection; raises `OSError`."""
        if self._is_tls and self._context is None:
            self._context = ssl.create_default_context(cafile=get_cert_path(True))
        return Connection.open(self._host, self._port, timeout=timeout, tls=self._context)

    def release(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to the end."""
        if connection.is_open and len(self._idle) < _MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the connections at rest."""
        while self._idle:
            self._idle.pop().close()


class _ProcessCredentials:
    """botocore's default chain, asked at the first call and refreshed by it.

    Not at import: a snapshot must not carry credentials.
    """

    def __init__(self) -> None:
        self._resolved: Any = None

    def __call__(self) -> FrozenCredentials:
        if self._resolved is None:
            self._resolved = botocore.session.get_session().get_credentials()
            if self._resolved is None:
                raise NoCredentialsError
        frozen = self._resolved.get_frozen_credentials()
        return FrozenCredentials(frozen.access_key, frozen.secret_key, frozen.token)


def _endpoint_url(service: str, region: str, environment: Mapping[str, str]) -> str:
    """As botocore decides: the service's own variable, the general one, AWS itself.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    url = environment.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environment.get("AWS_ENDPOINT_URL")
    if url:
        return url
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{region}.{suffix}"


def _error_code(body: bytes, status: int) -> str:
    """AWS's error code: the last part of `__type`. A 5xx without one counts as an internal failure."""
    try:
        kind = json.loads(body).get("__type", "")
    except (ValueError, AttributeError):
        kind = ""
    code = str(kind).rpartition("#")[2]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and code not in _RETRYABLE_CODES:
        return "InternalFailure"
    return code or f"Http{status}"


def _reasons(body: bytes) -> tuple[str, ...]:
    """Why a transaction was cancelled: a code for each of its items (`None` where it was not the cause)."""
    try:
        return tuple(str(reason.get("Code")) for reason in json.loads(body).get("CancellationReasons", ()))
    except (ValueError, AttributeError, TypeError):
        return ()
