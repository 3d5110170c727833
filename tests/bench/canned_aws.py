"""An AWS endpoint in a process of its own that always gives the same answers, and counts what it is asked.

Client costs are measured against it: it takes no processor time from the process under measurement and varies less
than an emulator. `python -m tests.bench.canned_aws <answers.json> <delay in milliseconds>` prints its port.
"""

import json
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen


@dataclass(frozen=True)
class CannedAws:
    """A running endpoint."""

    url: str

    def counts(self) -> dict[str, int]:
        """How often each operation was asked for, and the bytes of the requests as `<operation>.bytes`."""
        with urlopen(f"{self.url}/counts", timeout=5) as response:  # noqa: S310  # loopback, made by us
            counts: dict[str, int] = json.load(response)
        return counts


@contextmanager
def canned_aws(answers: Mapping[str, Any], *, delay: timedelta = timedelta()) -> Iterator[CannedAws]:
    """Serve answers by operation on a free loopback port, each after a delay."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "answers.json"
        path.write_text(json.dumps(answers))
        command = [sys.executable, "-m", "tests.bench.canned_aws", str(path), str(delay / timedelta(milliseconds=1))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own module
            try:
                if process.stdout is None:
                    raise RuntimeError("no output to read the port from")
                yield CannedAws(f"http://127.0.0.1:{int(process.stdout.readline())}")
            finally:
                process.terminate()


def _handler(answers: Mapping[str, bytes], delay: float, counts: Counter[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            operation = self.headers["x-amz-target"].rpartition(".")[2]
            size = int(self.headers["content-length"])
            self.rfile.read(size)
            counts[operation] += 1
            counts[f"{operation}.bytes"] += size
            if delay:
                time.sleep(delay)
            self._send(answers[operation])

        def do_GET(self) -> None:
            self._send(json.dumps(counts).encode())

        def _send(self, body: bytes) -> None:
            head = (
                "HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Sat, 06 Jun 2026 14:30:00 GMT\r\n"
                "Content-Type: application/x-amz-json-1.0\r\nConnection: keep-alive\r\n"
                "x-amzn-RequestId: 4KBNVRGD25RG1KEO9UT4V3FQDJVV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
                f"x-amz-crc32: {zlib.crc32(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            self.wfile.write(head.encode() + body)

        def log_message(self, *_: object) -> None:
            """Requests are counted, not logged."""

    return Handler


def _serve(path: Path, delay_milliseconds: float) -> None:
    answers = {operation: json.dumps(answer).encode() for operation, answer in json.loads(path.read_text()).items()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers, delay_milliseconds / 1000, Counter()))
    print(server.server_address[1], flush=True)  # noqa: T201  # how the parent learns the port
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), float(sys.argv[2]))
