"""The connection of the read path: what goes over the wire, how it ends, and whom it trusts."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from strongroom_service.adapters.aws_connection import Connection
from tests.support.https_issuer import https_issuer

TIMEOUT = 5.0
HEADERS = {"host": "dynamodb.example", "x-amz-target": "T.GetItem"}


@contextmanager
def other_side(*answers: bytes) -> Iterator[tuple[Connection, list[bytes]]]:
    """A connection to a peer that gives these answers to one request each, and what it received."""
    ours, theirs = socket.socketpair()
    received: list[bytes] = []

    def answer() -> None:
        with theirs:
            for given in answers:
                received.append(theirs.recv(65536))
                theirs.sendall(given)

    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(answer)
        connection = Connection(ours)
        try:
            yield connection, received
        finally:
            connection.close()
            serving.result()


def test_a_request_is_one_write_of_head_and_body() -> None:
    with other_side(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}") as (connection, received):
        connection.send(b'{"a":1}', HEADERS, timeout=TIMEOUT)
        assert connection.receive() == (200, b"{}")
    head = b"POST / HTTP/1.1\r\nhost: dynamodb.example\r\nx-amz-target: T.GetItem\r\ncontent-length: 7\r\n\r\n"
    assert received == [head + b'{"a":1}']


def test_it_is_open_once_an_answer_was_read_to_its_end() -> None:
    whole = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nbad"
    with other_side(whole, whole) as (connection, _):
        for _ in range(2):
            connection.send(b"{}", HEADERS, timeout=TIMEOUT)
            assert not connection.is_open
            assert connection.receive() == (400, b"bad")
            assert connection.is_open


def test_it_is_not_open_when_the_other_side_says_that_it_closes() -> None:
    with other_side(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}") as (connection, _):
        connection.send(b"{}", HEADERS, timeout=TIMEOUT)
        assert connection.receive() == (200, b"{}")
        assert not connection.is_open


def test_an_answer_that_breaks_off_is_no_answer_and_has_begun() -> None:
    """What was asked for may have been done: that is told apart from a connection that had been left before."""
    with other_side(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{}") as (connection, _):
        connection.send(b"{}", HEADERS, timeout=TIMEOUT)
        with pytest.raises(http.client.IncompleteRead):
            connection.receive()
        assert (connection.is_open, connection.is_answered) == (False, True)


def test_an_end_without_an_answer_has_not_begun() -> None:
    with other_side(b"") as (connection, _):
        connection.send(b"{}", HEADERS, timeout=TIMEOUT)
        with pytest.raises(http.client.RemoteDisconnected):
            connection.receive()
        assert (connection.is_open, connection.is_answered) == (False, False)


def test_a_connection_that_the_other_side_left_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    seen = [connection.was_left]
    theirs.close()
    seen.append(connection.was_left)
    assert seen == [False, True]
    connection.close()


@pytest.mark.parametrize("value", ["t\r\nx-evil: 1", "t\nx", "t\rx"])
def test_a_header_of_more_than_one_line_is_not_sent_and_not_told(value: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(ValueError, match="more than one line") as refused:
            Connection(ours).send(b"{}", {**HEADERS, "x-amz-security-token": value}, timeout=TIMEOUT)
        assert "evil" not in str(refused.value)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def test_over_tls_only_a_certificate_for_the_host_is_trusted(tmp_path: Path) -> None:
    with https_issuer(tmp_path) as server:
        url = urlsplit(server.url)
        assert url.port
        connection = Connection.open("127.0.0.1", url.port, timeout=TIMEOUT, tls=server.trust)
        connection.send(b"{}", HEADERS, timeout=TIMEOUT)
        # It serves documents; that it answers at all is what this is about.
        assert connection.receive()[0] == http.client.NOT_IMPLEMENTED
        connection.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            Connection.open("localhost", url.port, timeout=TIMEOUT, tls=server.trust)
        with pytest.raises(ssl.SSLCertVerificationError):
            Connection.open("127.0.0.1", url.port, timeout=TIMEOUT, tls=ssl.create_default_context())


def test_a_port_that_nobody_listens_on_is_an_error_of_the_system() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            Connection.open("127.0.0.1", taken.getsockname()[1], timeout=TIMEOUT, tls=None)
