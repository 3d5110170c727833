"""An AWS endpoint on loopback that answers as a test tells it to, over real connections."""

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from strongroom_service.adapters.aws_client import AwsClient
from strongroom_service.adapters.sigv4 import FrozenCredentials

REGION: Final = "us-east-1"


@dataclass(frozen=True)
class Answer:
    """A scripted answer, given after `seconds`.

    `raw` replaces the JSON body; `hang_up` closes the connection instead of answering.
    """

    body: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    raw: bytes | None = None
    hang_up: bool = False
    closes_afterwards: bool = False
    seconds: float = 0.0

    @classmethod
    def error(cls, code: str, *, status: int = 400) -> "Answer":
        return cls({"__type": f"com.amazonaws.service#{code}", "message": "quotes CANARY-REQUEST"}, status)

    @classmethod
    def cancelled(cls, *codes: str) -> "Answer":
        """A transaction that DynamoDB cancelled, with a code for each of its items."""
        reasons = [{"Code": code, "Message": "quotes CANARY-REQUEST"} for code in codes]
        return cls(
            {"__type": "com.amazonaws.service#TransactionCanceledException", "CancellationReasons": reasons}, 400
        )


@dataclass(frozen=True)
class Request:
    operation: str
    body: dict[str, Any]
    headers: dict[str, str]
    connection: int


class ScriptedAws:
    """What to answer, operation by operation, and what was asked. The last answer of a script repeats."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._scripts: dict[str, deque[Answer]] = defaultdict(deque)
        self._arrived = threading.Condition()
        self._clients: list[AwsClient] = []
        self.url = ""

    def script(self, operation: str, *answers: Answer) -> None:
        self._scripts[operation] = deque(answers)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [request.body for request in self.requests if request.operation == operation]

    def wait_for_requests(self, count: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, timeout=10)

    def client(self, region: str = REGION) -> AwsClient:
        """A client whose waits between two tries take no time."""
        client = AwsClient(
            region=region,
            environment={"AWS_ENDPOINT_URL": self.url},
            credentials=lambda: FrozenCredentials("AKIAIOSFODNN7EXAMPLE", "secret-key", "session-token"),
            sleep=lambda _: None,
        )
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def next_answer(self, request: Request) -> Answer:
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        script = self._scripts[request.operation]
        if not script:
            return Answer.error("UnscriptedOperation")
        return script.popleft() if len(script) > 1 else script[0]


def _handler(script: ScriptedAws) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the base class's naming
            body = self.rfile.read(int(self.headers["content-length"]))
            operation = self.headers["x-amz-target"].rpartition(".")[2]
            request = Request(operation, json.loads(body), dict(self.headers), id(self.connection))
            answer = script.next_answer(request)
            time.sleep(answer.seconds)
            if answer.hang_up:
                self.close_connection = True
                self.connection.close()
                return
            try:
                self._write(answer)
            except ConnectionError:
                # Who gave up waiting hears nothing any more.
                self.close_connection = True
            if answer.closes_afterwards:
                self.close_connection = True

        def _write(self, answer: Answer) -> None:
            encoded = json.dumps(answer.body).encode() if answer.raw is None else answer.raw
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Requests are no news."""

        def finish(self) -> None:
            if not self.wfile.closed and self.connection.fileno() >= 0:
                super().finish()

    return Handler


@contextmanager
def scripted_aws() -> Iterator[ScriptedAws]:
    """Serve a script on a free loopback port."""
    script = ScriptedAws()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.close()
        server.shutdown()
        server.server_close()
        thread.join()
