"""A server on loopback that publishes keys over TLS, under a certificate authority of the test."""

import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.issuers import ec_key


@dataclass
class PublishedDocument:
    """What is answered, and how often it was asked for."""

    url: str = ""
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip_seconds: float = 0.0
    """Between two halves of the body."""
    asked: int = 0

    def publish(self, document: Any) -> None:
        self.body = json.dumps(document).encode()


def _handler(document: PublishedDocument) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document.asked += 1
            self.send_response(document.status)
            for name, value in document.headers.items():
                self.send_header(name, value)
            self.end_headers()
            half = len(document.body) // 2
            try:
                self.wfile.write(document.body[:half])
                self.wfile.flush()
                time.sleep(document.drip_seconds)
                self.wfile.write(document.body[half:])
            except OSError:
                # The other side has had enough.
                return

        def log_message(self, *_: object) -> None:
            """Requests are counted, not logged."""

    return Handler


def _authority(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key, in one file."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer of a test")])
    key, now = ec_key(), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = folder / "issuer.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return path


@contextmanager
def https_issuer(folder: Path) -> Iterator[PublishedDocument]:
    """Serve a document on a free loopback port."""
    pem = _authority(folder)
    document = PublishedDocument()
    document.trust.load_verify_locations(pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(document))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    # Shaken hands with in the request's own thread: a client that refuses the certificate must not end the server.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    document.url = f"https://127.0.0.1:{server.server_address[1]}/keys"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield document
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
