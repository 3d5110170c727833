"""Just enough HTTP/1.1 to pass messages on unchanged: heads as raw bytes, bodies by length or by chunks."""

import asyncio
import re
from dataclasses import dataclass

_MAX_HEAD_BYTES = 64 * 1024
_MAX_BODY_BYTES = 256 * 1024 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[^\r\n]*close", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue(?=\r\n)", re.IGNORECASE)
_BODILESS = frozenset({204, 304})
_INFORMATIONAL = range(100, 200)

LIMIT = _MAX_HEAD_BYTES
"""The limit to give to stream readers."""


class MalformedMessage(ValueError):
    """Bytes that are no HTTP/1.1 message, or one beyond the proxy's limits."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response: its head with the empty line, its body as it was framed."""

    head: bytes
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        return _CLOSE.search(self.head) is not None

    @property
    def status(self) -> int:
        """A response's status."""
        return status_of(self.head)

    @property
    def start_line(self) -> tuple[str, str]:
        """A request's method and target."""
        method, target, _version = self.head[: self.head.index(b"\r\n")].split(b" ", 2)
        return method.decode("latin-1"), target.decode("latin-1")

    def header(self, name: bytes) -> str:
        """A header's value, empty when it is absent; `name` in any case."""
        found = re.search(rb"\r\n" + re.escape(name) + rb":[ \t]*([^\r\n]*)", self.head, re.IGNORECASE)
        return found.group(1).decode("latin-1") if found else ""


def status_of(head: bytes) -> int:
    """The status of a response's head."""
    try:
        return int(head[9:12])
    except ValueError as error:
        raise MalformedMessage("the response has no status") from error


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """The next message's head; empty at the end of the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise MalformedMessage("the connection ended within a head") from error
        return b""
    except asyncio.LimitOverrunError as error:
        raise MalformedMessage("the head is too long") from error


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Message | None:
    """The next request, or None at the end of the connection. A wish for `100 Continue` is granted here."""
    head = await read_head(reader)
    if not head:
        return None
    if _EXPECT.search(head):
        head = _EXPECT.sub(b"", head)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    return Message(head, await _read_framed(reader, head))


async def read_response(reader: asyncio.StreamReader, *, of_head_request: bool) -> Message:
    """The response to the request that was just sent."""
    head = await read_head(reader)
    while head and status_of(head) in _INFORMATIONAL:
        head = await read_head(reader)
    if not head:
        raise ConnectionResetError("the emulator closed the connection")
    if of_head_request or status_of(head) in _BODILESS:
        return Message(head, b"")
    if _LENGTH.search(head) or _CHUNKED.search(head):
        return Message(head, await _read_framed(reader, head))
    # Neither length nor chunks: the body ends with the connection, and so must ours.
    return Message(head[:-2] + b"connection: close\r\n\r\n", await reader.read())


async def _read_framed(reader: asyncio.StreamReader, head: bytes) -> bytes:
    length = _LENGTH.search(head)
    if length is not None:
        size = int(length.group(1))
        if size > _MAX_BODY_BYTES:
            raise MalformedMessage("the body is too long")
        return await reader.readexactly(size) if size else b""
    if _CHUNKED.search(head):
        return await _read_chunks(reader)
    return b""


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body in its own framing, trailers included."""
    parts: list[bytes] = []
    total = 0
    while True:
        line = await reader.readuntil(b"\r\n")
        parts.append(line)
        try:
            size = int(line.split(b";", 1)[0], 16)
        except ValueError as error:
            raise MalformedMessage("a chunk has no size") from error
        total += size
        if total > _MAX_BODY_BYTES:
            raise MalformedMessage("the body is too long")
        if size == 0:
            break
        parts.append(await reader.readexactly(size + 2))
    while True:
        trailer = await reader.readuntil(b"\r\n")
        parts.append(trailer)
        if trailer == b"\r\n":
            return b"".join(parts)


def respond(status: int, reason: str, headers: dict[str, str], body: bytes) -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode("latin-1") + body
