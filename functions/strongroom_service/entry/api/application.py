"""The admin function's application: routes, errors, and the headers that every answer has."""

import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strongroom_service.domain.errors import DomainError, NotFound
from strongroom_service.entry.environment import Environment
from strongroom_service.entry.identity import request_id_of
from strongroom_service.entry.metrics import FunctionMetrics
from strongroom_service.entry.refusals import Refusals
from strongroom_service.entry.responses import common_headers
from strongroom_service.usecases.ports import WritePorts

from . import (
    aliases,
    audit,
    break_glass,
    document,
    groups,
    issuers,
    namespaces,
    operators,
    policies,
    policy_questions,
    secrets,
    tenants,
    values,
    versions,
)
from .errors import MethodNotAllowed, on_error, respond
from .events import original_event
from .requests import Surroundings

ROUTERS: Final[tuple[APIRouter, ...]] = (
    secrets.router,
    versions.router,
    aliases.router,
    values.router,
    namespaces.router,
    policies.router,
    groups.router,
    policy_questions.router,
    break_glass.router,
    audit.router,
    tenants.router,
    issuers.router,
    operators.router,
    document.router,
)

READER_ROUTES: Final = {
    "/values/{environment}/{path:path}": "GET",
    "/batch/values": "POST",
    "/revisions": "POST",
    "/health": "GET",
}
"""What the reader serves; API Gateway sends the other methods of these paths here, to be refused."""


_UNROUTED: Final = "unrouted"


def create_app(
    ports_factory: Callable[[], WritePorts], environment: Environment, *, refusals: Refusals, metrics: FunctionMetrics
) -> "Boundary":
    """The application over ports that are made at its first request."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # On by default, it would record exceptions with their messages.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        exception_handlers={
            DomainError: on_error,
            RequestValidationError: on_error,
            HTTPException: _on_unrouted,
            Exception: on_error,
        },
    )
    app.state.refusals = refusals
    app.state.surroundings = Surroundings(ports=cache(ports_factory))
    for router in ROUTERS:
        app.include_router(router)
    return Boundary(app, region=environment.region, refusals=refusals, metrics=metrics)


class Boundary:
    """The outermost layer: common headers on every answer, its time, and no exception goes past it."""

    def __init__(self, app: ASGIApp, *, region: str, refusals: Refusals, metrics: FunctionMetrics) -> None:
        self._app = app
        self._region = region
        self._refusals = refusals
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = time.perf_counter()
        request_id = request_id_of(original_event(scope))
        headers = common_headers(request_id=request_id, region=self._region)
        encoded = [(k.lower().encode("latin-1"), v.encode("latin-1", "replace")) for k, v in headers.items()]
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *encoded]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001  # the border: it was answered and logged, or is now
            # The framework raises again what it has answered for a handler of `Exception`.
            if not started:
                answer = respond(error, request_id=request_id, refusals=self._refusals)
                await answer(scope, receive, send_with_headers)
        finally:
            self._metrics.request_ended(_operation(scope), seconds=time.perf_counter() - begun)


def _operation(scope: Scope) -> str:
    """The operation's id in the interface's document; one name for all that no route was found for."""
    return str(getattr(scope.get("route"), "operation_id", None) or _UNROUTED)


async def _on_unrouted(request: Request, error: Exception) -> Response:
    """No such path, or no such method: the router's refusals are the only HTTP exceptions here."""
    del error
    allowed = set(_methods(request.url.path))
    told = MethodNotAllowed(allowed) if allowed else NotFound("There is no such path.")
    return respond(told, request_id=request_id_of(original_event(request.scope)), refusals=request.app.state.refusals)


def _methods(path: str) -> Iterator[str]:
    """All methods of a path, the reader's included."""
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.path_regex.match(path):
                yield from route.methods or ()
    for pattern, method in _reader_patterns():
        if pattern.match(path):
            yield method


@cache
def _reader_patterns() -> list[tuple[Any, str]]:
    return [(compile_path(path)[0], method) for path, method in READER_ROUTES.items()]
