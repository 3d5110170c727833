"""A region on loopback whose answers a test writes, and clocks that a test moves."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from strongroom import Client, Region
from strongroom.credentials import StaticCredentials
from strongroom.surroundings import Surroundings

PATH = "prod/payments/db-password"
CANARY = "canary-7f3a-plaintext"
CREDENTIALS = StaticCredentials(access_key="AKIACANARYID", secret_key="canary-secret-key", token="canary-session-token")


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """An answer.

    `raw` replaces it by bytes on the socket, `drips` goes on with one byte now and then, `hangs` never answers, `waits`
    answers after the event.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drips: bytes | None = None
    hangs: bool = False
    waits: threading.Event | None = None


Script = Callable[[Received], Reply]


class ScriptedRegion:
    """One region. `script` answers what `queue` does not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.received: list[Received] = []
        self.queue: list[Reply] = []
        self.script: Script = value
        self.released = threading.Event()
        region = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {header.lower(): text for header, text in self.headers.items()}
                request = Received(self.command, self.path, headers, body)
                region.received.append(request)
                reply = region.queue.pop(0) if region.queue else region.script(request)
                if reply.hangs:
                    region.released.wait(30)
                    self.close_connection = True
                    return
                if reply.waits is not None:
                    reply.waits.wait(30)
                with suppress(OSError):  # the client may have gone
                    self._answer(reply)

            def _answer(self, reply: Reply) -> None:
                if reply.drips is not None:
                    self.wfile.write(reply.drips)
                    while not region.released.wait(0.02):
                        self.wfile.write(b"x")
                if reply.raw is not None:
                    self.wfile.write(reply.raw)
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for header, text in {"content-length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(header, text)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = _serve  # noqa: N815  # names of http.server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def region(self) -> Region:
        return Region(name=self.name, endpoint=f"http://127.0.0.1:{self._server.server_port}/v1")

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def reply(content: object, status: int = 200, **headers: str) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status, body, {"x-request-id": "req-1", **headers})


def facts(path: str = PATH, **changed: object) -> dict[str, object]:
    """The answer to a read."""
    return {
        "secretPath": path,
        "versionNumber": 3,
        "alias": "current",
        "plaintextValue": CANARY,
        "expiresAtUnix": 0,
        "consistencyToken": "1.7",
        "region": "us-east-1",
        "replicaAgeMs": None,
        "receipt": "event.chain.1.hash",
        **changed,
    }


def value(request: Received, **changed: object) -> Reply:
    """A good answer to any request: a read, a batch or a put."""
    if request.method == "PUT":
        return reply(stored(request.target.removeprefix("/v1/values/"), **changed))
    if request.method == "POST":
        return reply({"items": [item(entry["secretPath"], **changed) for entry in request.json["items"]]})
    return reply(facts(request.target.removeprefix("/v1/values/").partition("?")[0], **changed))


def item(path: str, **changed: object) -> dict[str, object]:
    return {"secretPath": path, "value": facts(path, **changed)}


def stored(path: str = PATH, **changed: object) -> dict[str, object]:
    """The answer to a put."""
    return {
        "secretId": "sec_1",
        "secretPath": path,
        "versionNumber": 4,
        "sha256Fingerprint": "f" * 64,
        "consistencyToken": "1.8",
        "updatedAt": "2026-01-01T00:00:00.000Z",
        "created": False,
        **changed,
    }


def problem(code: str, *, retryable: bool = False, message: str = "no", **details: object) -> dict[str, object]:
    return {"code": code, "message": message, "requestId": "req-9", "retryable": retryable, "details": details}


def error(status: int, code: str, *, headers: dict[str, str] | None = None, **told: Any) -> Reply:
    return reply({"error": problem(code, **told)}, status, **(headers or {}))


def always(answer: Reply) -> Script:
    return lambda _: answer


class Clock:
    """Time that passes when told, and chance that always falls on the same point of its range."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.point = 0.5
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def pass_(self, duration: timedelta) -> None:
        self.now += duration.total_seconds()

    def jitter(self, low: float, high: float) -> float:
        return low + (high - low) * self.point

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            clock=lambda: self.now,
            wall_clock=lambda: 1_700_000_000 + self.now,
            sleep=self.sleep,
            jitter=self.jitter,
        )


@contextmanager
def refusing_region(name: str) -> Iterator[Region]:
    """A region at a port that is taken and not listened to: connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield Region(name=name, endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")


def client_for(*regions: ScriptedRegion | Region, **options: Any) -> Client:
    listed = [region.region if isinstance(region, ScriptedRegion) else region for region in regions]
    return Client(regions=listed, **{"credentials": CREDENTIALS, **options})
