"""The loopback endpoint of the extensions, for tests and the demo: `/_strongroom/...` beside the emulated services."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from ministack import app

from infra.local.emulator import function_workers, patching, sessions
from infra.local.emulator.replicator import Knob, Replicator

_PREFIX = "/_strongroom/"
_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404

_Scope = dict[str, Any]
_Receive = Callable[[], Awaitable[dict[str, Any]]]
_Send = Callable[[dict[str, Any]], Awaitable[None]]


async def _body(receive: _Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def handle(replicator: Replicator, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Answer one request to the extensions.

    | request | does |
    | --- | --- |
    | `GET replication`, `DELETE replication` | tells the knobs and how many writes wait; resets all |
    | `PUT replication/<region>` | sets `{"lagMs", "paused", "reorder", "seed"}` of what arrives in a region |
    | `POST replication/<region>/step` | lets `{"count"}` waiting writes arrive, also while paused |
    | `DELETE environments` | ends every function's processes: the next request starts cold |
    | `POST sessions` | opens a session of `{"role"}`, `{"validSeconds"}` long, negative for one that has expired |
    """
    parts = [part for part in path.removeprefix(_PREFIX).split("/") if part]
    try:
        wanted = json.loads(body) if body else {}
        match method, parts:
            case "GET", ["replication"]:
                pass
            case "DELETE", ["replication"]:
                replicator.reset()
            case "PUT", ["replication", region]:
                knob = Knob(
                    lag_seconds=float(wanted.get("lagMs", 0)) / 1000,
                    paused=bool(wanted.get("paused", False)),
                    reorder=bool(wanted.get("reorder", False)),
                )
                replicator.configure(region, knob, seed=wanted.get("seed"))
            case "POST", ["replication", region, "step"]:
                return _OK, {"applied": replicator.step(region, int(wanted.get("count", 1)))}
            case "DELETE", ["environments"]:
                function_workers.end_all()
                return _OK, {}
            case "POST", ["sessions"]:
                valid = timedelta(seconds=float(wanted.get("validSeconds", 3600)))
                return _OK, sessions.open_session(str(wanted.get("role")), valid=valid)
            case _:
                return _NOT_FOUND, {"message": f"no {method} {path}"}
    except (ValueError, TypeError, AttributeError) as error:
        return _BAD_REQUEST, {"message": str(error)}
    return _OK, replicator.state()


def install(replicator: Replicator) -> None:
    """Serve the knob beside the emulated services."""
    serve = patching.original(app, "app")

    async def serve_with_knob(scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
            await serve(scope, receive, send)
            return
        status, answer = handle(replicator, scope["method"], scope["path"], await _body(receive))
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    patching.replace(app, "app", serve_with_knob)
