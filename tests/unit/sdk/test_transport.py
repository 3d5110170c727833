"""Whatever happens on a connection ends as one of our errors, in time, and says nothing of the answer."""

import http.client
import inspect
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import urllib3.exceptions

from strongroom import AttemptTimedOut, Client, ConnectionFailed, InvalidResponse, StrongroomError
from strongroom import transport as module
from strongroom.signing import SignedRequest
from strongroom.transport import FOREIGN_ERRORS, MAX_RESPONSE_BYTES, Response, Transport, default_ssl_context, translate
from tests.unit.sdk.scripted_region import CANARY, PATH, Reply, ScriptedRegion, always, refusing_region, reply

LONG = timedelta(seconds=5)
SHORT = timedelta(milliseconds=100)


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(ssl_context=None)
    yield made
    made.close()


def send(transport: Transport, region: ScriptedRegion, *, timeout: timedelta = LONG) -> Response:
    request = SignedRequest(region=region.region, method="GET", target="/v1/values/a/b", headers={}, body=b"")
    return transport.send(request, timeout=timeout, connect_timeout=LONG)


def test_an_answer_comes_as_it_is(transport: Transport, east: ScriptedRegion) -> None:
    """Status, headers in lower case, body; nothing of it in the text form."""
    east.queue = [Reply(418, b"canary", {"X-Thing": "1"})]
    response = send(transport, east)
    assert (response.status, response.headers["x-thing"], response.body) == (418, "1", b"canary")
    assert "canary" not in repr(response)


def test_connections_are_kept(transport: Transport, east: ScriptedRegion) -> None:
    """The second request costs no handshake."""
    send(transport, east)
    send(transport, east)
    assert transport._pool(east.region).num_connections == 1


def test_a_region_that_swallows_requests_times_out(transport: Transport, east: ScriptedRegion) -> None:
    """The attempt ends when its time is up."""
    east.script = always(Reply(hangs=True))
    begun = time.monotonic()
    with pytest.raises(AttemptTimedOut):
        send(transport, east, timeout=SHORT)
    assert time.monotonic() - begun < 2


def test_an_answer_that_drips_times_out(transport: Transport, east: ScriptedRegion) -> None:
    """Bytes now and then do not extend the attempt."""
    east.script = always(Reply(drips=b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"))
    begun = time.monotonic()
    with pytest.raises(AttemptTimedOut):
        send(transport, east, timeout=SHORT)
    assert time.monotonic() - begun < 2


def test_a_refused_connection(transport: Transport) -> None:
    """It fails at once."""
    with refusing_region("us-east-1") as region:
        request = SignedRequest(region=region, method="GET", target="/", headers={}, body=b"")
        with pytest.raises(ConnectionFailed, match="cannot be reached"):
            transport.send(request, timeout=LONG, connect_timeout=LONG)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"canary-garbage\r\n\r\n",
        b"HTTP/1.1 canary OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\ncanary",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\ncanary",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_typed_error(transport: Transport, east: ScriptedRegion, raw: bytes) -> None:
    """Nothing of what came is repeated or kept."""
    east.script = always(Reply(raw=raw))
    with pytest.raises((InvalidResponse, ConnectionFailed)) as caught:
        send(transport, east)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert "canary" not in str(caught.value)


def test_an_endless_answer_is_cut(transport: Transport, east: ScriptedRegion) -> None:
    """No more than Lambda's own limit is read."""
    east.queue = [Reply(200, b"x" * (MAX_RESPONSE_BYTES + 100_000))]
    with pytest.raises(InvalidResponse, match="too long"):
        send(transport, east)
    assert send(transport, east).status == 200


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(transport: Transport, east: ScriptedRegion) -> None:
    """An idle connection's end says nothing about the region: the request is sent again, once."""
    east.queue = [Reply(raw=b""), reply({})]
    assert send(transport, east).status == 200
    assert len(east.received) == 2
    east.queue = [Reply(raw=b""), Reply(raw=b""), reply({})]
    with pytest.raises(ConnectionFailed, match="dropped"):
        send(transport, east)


def test_redirects_are_not_followed(
    east: ScriptedRegion, west: ScriptedRegion, make_client: Callable[..., Client]
) -> None:
    """A signed request goes nowhere else."""
    east.script = always(Reply(302, b"", {"location": f"{west.region.endpoint}/values/{PATH}"}))
    with pytest.raises(InvalidResponse):
        make_client(east).get(PATH)
    assert west.received == []


def test_compressed_answers_are_not_unpacked(east: ScriptedRegion, make_client: Callable[..., Client]) -> None:
    """Nothing was asked for compressed, so no small answer can become a large one."""
    east.script = always(Reply(200, b"\x1f\x8b" + CANARY.encode(), {"content-encoding": "gzip"}))
    with pytest.raises(InvalidResponse):
        make_client(east).get(PATH)


def test_every_foreign_error_is_translated() -> None:
    """The map covers whatever urllib3, http.client, ssl and the socket define."""
    modules = (urllib3.exceptions, http.client, ssl)
    kinds = {
        kind
        for source in modules
        for _, kind in inspect.getmembers(source, inspect.isclass)
        if issubclass(kind, FOREIGN_ERRORS)
    }
    assert len(kinds) > 30
    for kind in kinds:
        error = kind.__new__(kind)
        ours = translate(error, region="us-east-1")
        assert isinstance(ours, StrongroomError | module._Dropped)


def test_the_default_context_verifies() -> None:
    """Certificates and host names are checked, by some authorities."""
    context = default_ssl_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
