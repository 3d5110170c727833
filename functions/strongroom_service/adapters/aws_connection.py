"""A kept HTTP/1.1 connection to one AWS endpoint: a request is one write, the standard library reads its answer.

General clients send a request's head and body apart, header by header: a tenth of a warm read's processor time.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from urllib3.util.wait import wait_for_read

_LINE: Final = "\r\n"


class Connection:
    """One connection. Every method raises `OSError` or `http.client.HTTPException` when it breaks."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.is_open = True
        """Whether another request can be sent: the last answer was read to its end, and did not close."""
        self.is_answered = False
        """Whether an answer to the last request has begun to come."""

    @classmethod
    def open(cls, host: str, port: int, *, timeout: float, tls: ssl.SSLContext | None) -> "Connection":
        """Connect; `timeout` in seconds is for connecting and for the handshake, each."""
        connected = socket.create_connection((host, port), timeout=timeout)
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return cls(tls.wrap_socket(connected, server_hostname=host) if tls else connected)
        except BaseException:
            connected.close()
            raise

    @property
    def was_left(self) -> bool:
        """Whether the other side has closed it, or sent what nobody asked for, while it was at rest."""
        return wait_for_read(self._socket, timeout=0)

    def send(self, body: bytes, headers: Mapping[str, str], *, timeout: float) -> None:
        """Send `POST /`; `timeout` in seconds is for this and for each wait of its answer.

        Raises `ValueError` for a header that is more than one line.
        """
        self.is_open = self.is_answered = False
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = _LINE.join(("POST / HTTP/1.1", *lines, f"content-length: {len(body)}", "", ""))
        if head.count("\n") != len(headers) + 3 or head.count("\r") != len(headers) + 3:
            # Its value may be a credential.
            raise ValueError("a header has more than one line")
        self._socket.settimeout(timeout)
        self._socket.sendall(head.encode("latin-1") + body)

    def receive(self) -> tuple[int, bytes]:
        """Status and body of the answer."""
        response = http.client.HTTPResponse(self._socket, method="POST")
        try:
            response.begin()
            self.is_answered = True
            body = response.read()
            self.is_open = not response.will_close
            return response.status, body
        finally:
            response.close()

    def close(self) -> None:
        """Close it."""
        self.is_open = False
        self._socket.close()
