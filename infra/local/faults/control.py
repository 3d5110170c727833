"""The proxy's control: a loopback port that takes rules as JSON and tells what came by.

| request | does |
| --- | --- |
| `GET /` | the rules and cuts in force |
| `POST /rules` | adds a rule (the fields of `Rule`), answers `{"id"}` |
| `DELETE /rules`, `DELETE /rules/<id>` | ends all rules, or one |
| `PUT /cut/<region>`, `DELETE` | cuts a region off (`{"how": "refuse"}` or `"timeout"`), joins it again |
| `GET /requests?after=<number>` | the requests that came by since, without headers and bodies |
| `DELETE /` | ends every fault |
"""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from infra.local.faults.http import MalformedMessage, Message, read_request, respond
from infra.local.faults.proxy import Handler, Proxy
from infra.local.faults.rules import InvalidRule, Kind, parse_rule


def handle(proxy: Proxy, method: str, target: str, body: bytes) -> tuple[int, Any]:
    """Answer one control request with a status and a JSON value."""
    url = urlsplit(target)
    parts = [part for part in url.path.split("/") if part]
    book = proxy.rules
    try:
        wanted = json.loads(body) if body else {}
        match method, parts:
            case "GET", []:
                return 200, book.state()
            case "DELETE", []:
                book.clear()
            case "POST", ["rules"]:
                return 201, {"id": book.add(parse_rule(wanted))}
            case "DELETE", ["rules"]:
                book.rules.clear()
            case "DELETE", ["rules", rule_id]:
                book.remove(int(rule_id))
            case "PUT", ["cut", region]:
                book.cut(region, Kind(str(wanted.get("how", Kind.REFUSE))))
            case "DELETE", ["cut", region]:
                book.join(region)
            case "GET", ["requests"]:
                after = int(parse_qs(url.query).get("after", ["0"])[0])
                return 200, {"requests": [_seen(proxy, index) for index in _since(proxy, after)]}
            case _:
                return 404, {"message": f"no {method} {url.path}"}
    except (InvalidRule, ValueError) as error:
        return 400, {"message": str(error)}
    return 200, book.state()


def _since(proxy: Proxy, after: int) -> list[int]:
    return [index for index, seen in enumerate(proxy.seen) if seen.number > after]


def _seen(proxy: Proxy, index: int) -> dict[str, Any]:
    seen = proxy.seen[index]
    return {
        "number": seen.number,
        "region": seen.request.region,
        "service": seen.request.service,
        "operation": seen.request.operation,
        "status": seen.status,
        "fault": seen.fault,
        "started": seen.started,
        "seconds": seen.seconds,
    }


def listener(proxy: Proxy) -> Handler:
    """What serves the control port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (message := await read_request(reader, writer)) is not None:
                writer.write(_reply(proxy, message))
                await writer.drain()
                if message.closes:
                    return
        except (ConnectionError, asyncio.IncompleteReadError, MalformedMessage):
            writer.transport.abort()
        finally:
            writer.close()

    return serve


def _reply(proxy: Proxy, message: Message) -> bytes:
    method, target = message.start_line
    status, value = handle(proxy, method, target, message.body)
    return respond(status, "OK", {"content-type": "application/json"}, json.dumps(value).encode())
