"""The admin function: everything but reading values. Changes are made in the writer region only."""

import asyncio
import logging
import os
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final

from mangum import Mangum

from strongroom_service.usecases.ports import Metric

from . import redaction
from .admin_wiring import write_ports
from .api.application import Boundary, create_app
from .api.events import routed_event
from .environment import Environment
from .failure_log import FailureLog
from .identity import is_from_gateway, request_id_of
from .metrics import FunctionMetrics
from .refusals import Refusals
from .responses import error_response

Event = Mapping[str, Any]

FUNCTION: Final = "admin"

redaction.install()

# The adapter logs each request's path, and exceptions with their messages, which can quote a value.
logging.getLogger("mangum").setLevel(logging.CRITICAL + 1)


class Admin:
    """The admin function over its application."""

    def __init__(self, app: Boundary, *, region: str, refusals: Refusals, metrics: FunctionMetrics) -> None:
        self._region = region
        self._metrics = metrics
        self._refusals = refusals
        _ensure_event_loop()
        self._adapter = Mangum(app, lifespan="off")

    def handle(self, event: Event, context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's own object, passed on unread
        """Answer one proxy event; every failure becomes an answer too."""
        request_id = request_id_of(event)
        if not is_from_gateway(event):
            self._metrics.count(Metric.PAST_GATEWAY)
        try:
            answer: dict[str, Any] = self._adapter(routed_event(event), context)
        except Exception as error:  # noqa: BLE001  # the border: whatever it is, the caller gets the one error body
            told = self._refusals.tell(error, request_id=request_id)
            return error_response(told, request_id=request_id, region=self._region)
        return answer


@cache
def _ensure_event_loop() -> None:
    """The adapter runs requests in the thread's event loop, and from Python 3.12 on there is none unless it is made."""
    asyncio.set_event_loop(asyncio.new_event_loop())


def make_admin(variables: Mapping[str, str]) -> Admin:
    """The admin function that an environment describes; raises `EnvironmentInvalidError`."""
    environment = Environment.parse(variables)
    metrics = FunctionMetrics(stage=environment.stage, function=FUNCTION)
    refusals = Refusals(failures=FailureLog(service=f"strongroom-{environment.stage}-{FUNCTION}"), metrics=metrics)
    app = create_app(partial(write_ports, environment, metrics), environment, refusals=refusals, metrics=metrics)
    return Admin(app, region=environment.region, refusals=refusals, metrics=metrics)


@cache
def _admin() -> Admin:
    """Made at the first request: what stands before it would be part of a snapshot and repeat in every copy."""
    return make_admin(os.environ)


def handler(event: Event, context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's own object, passed on unread
    """Lambda's entry point for API Gateway's proxy events."""
    return _admin().handle(event, context)
