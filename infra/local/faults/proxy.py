"""The proxy itself: accepts requests, asks the rules, forwards what may pass over pooled connections."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from infra.local.faults import answers, partial
from infra.local.faults.http import LIMIT, MalformedMessage, Message, read_request, read_response, respond
from infra.local.faults.recognize import recognize
from infra.local.faults.rules import Kind, Request, Rule, RuleBook

_IDLE_CONNECTION = timedelta(seconds=30)  # below the emulator's keep-alive, so that no pooled connection is dead
_KEPT_REQUESTS = 20_000

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came by, for counting round trips. It holds no header, path or body."""

    number: int
    request: Request
    status: int
    """0 when no answer was given."""
    fault: str
    started: float
    seconds: float


@dataclass(slots=True)
class Upstream:
    """The emulator, behind a pool of kept connections."""

    host: str
    port: int
    idle: deque[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=deque)

    async def send(self, message: Message) -> Message:
        """Forward a request unchanged and return the answer."""
        reader, writer = self._kept() or await asyncio.open_connection(self.host, self.port, limit=LIMIT)
        try:
            writer.write(message.head + message.body)
            response = await read_response(reader, of_head_request=message.head.startswith(b"HEAD "))
        except BaseException:
            writer.close()
            raise
        if response.closes or message.closes:
            writer.close()
        else:
            self.idle.append((time.monotonic(), reader, writer))
        return response

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        oldest = time.monotonic() - _IDLE_CONNECTION.total_seconds()
        while self.idle:
            since, reader, writer = self.idle.pop()
            if since >= oldest and not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    def close(self) -> None:
        """Close the kept connections."""
        while self.idle:
            self.idle.pop()[2].close()


@dataclass(slots=True)
class Proxy:
    """Answers connections of every listener by the same rules."""

    upstream: Upstream
    rules: RuleBook
    admin_key: str
    """An access key of the emulator's account root, which signs what the proxy itself must change."""
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=_KEPT_REQUESTS))
    _count: int = 0

    def listener(self, region: str | None) -> Handler:
        """What serves the connections of one port; a region's own port when `region` is given."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._serve(reader, writer, region)
            except (ConnectionError, asyncio.IncompleteReadError):
                writer.transport.abort()
            except MalformedMessage:
                writer.write(respond(400, "Bad Request", {"connection": "close"}, b""))
            finally:
                writer.close()

        return serve

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, region: str | None) -> None:
        while (message := await read_request(reader, writer)) is not None:
            request = recognize(message, listener_region=region)
            rule = self.rules.decide(request)
            started = time.perf_counter()
            status = 0
            try:
                answer = await self._answer(message, request, rule, reader)
                status = Message(answer, b"").status if answer else 0
            finally:
                self._note(request, status, rule, started)
            if not answer:
                # An abort sends RST: the caller sees a reset connection rather than an empty answer.
                writer.transport.abort()
                return
            writer.write(answer)
            await writer.drain()
            if message.closes or Message(answer[: answer.index(b"\r\n\r\n") + 4], b"").closes:
                return

    async def _answer(
        self, message: Message, request: Request, rule: Rule | None, reader: asyncio.StreamReader
    ) -> bytes:
        """The bytes to send back; none at all resets the connection."""
        match rule.kind if rule else None:
            case Kind.THROTTLE:
                return answers.throttled(request.service)
            case Kind.ERROR:
                return answers.failed(request.service)
            case Kind.REFUSE | Kind.TIMEOUT | Kind.LOSE as kind:
                if kind is Kind.TIMEOUT:
                    await self._until_gone(reader)
                if kind is Kind.LOSE:
                    await self.upstream.send(message)
                return b""
            case Kind.PARTIAL if rule:
                put = partial.split(message, share=rule.share, admin_key=self.admin_key)
                if put:
                    return partial.merge(put, await self.upstream.send(put.request) if put.request else None)
            case Kind.DELAY if rule:
                await asyncio.sleep(rule.delay().total_seconds())
        response = await self.upstream.send(message)
        return response.head + response.body

    @staticmethod
    async def _until_gone(reader: asyncio.StreamReader) -> None:
        """Wait until the caller closes its side."""
        with contextlib.suppress(ConnectionError):
            while await reader.read(LIMIT):
                pass

    def _note(self, request: Request, status: int, rule: Rule | None, started: float) -> None:
        self._count += 1
        seconds = time.perf_counter() - started
        self.seen.append(Seen(self._count, request, status, str(rule.kind) if rule else "", started, seconds))
