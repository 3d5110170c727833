"""The admin function: everything but reading values. Changes are made in the writer region only."""

import asyncio
import logging
import os
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from mangum import Mangum

from strongroom_service.domain.errors import InvalidRequest

from .admin_wiring import write_ports
from .api.application import Boundary, create_app
from .api.events import routed_event
from .environment import Environment
from .error_table import as_domain_error
from .failure_log import FailureLog
from .identity import request_id_of
from .responses import error_response

Event = Mapping[str, Any]

# The adapter logs each request's path, and exceptions with their messages, which can quote a value.
logging.getLogger("mangum").setLevel(logging.CRITICAL + 1)


class Admin:
    """The admin function over its application."""

    def __init__(self, app: Boundary, *, environment: Environment) -> None:
        self._region = environment.region
        self._failures = FailureLog(service=f"strongroom-{environment.stage}-admin")
        _ensure_event_loop()
        self._adapter = Mangum(app, lifespan="off")

    def handle(self, event: Event, context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's own object, passed on unread
        """Answer one proxy event; every failure becomes an answer too."""
        request_id = request_id_of(event)
        try:
            answer: dict[str, Any] = self._adapter(routed_event(event), context)
        except InvalidRequest as invalid:
            return error_response(invalid, request_id=request_id, region=self._region)
        except Exception as error:  # noqa: BLE001  # the border: whatever it is, the caller gets the one error body
            told = as_domain_error(error)
            self._failures.write(error, told=told, request_id=request_id)
            return error_response(told, request_id=request_id, region=self._region)
        return answer


@cache
def _ensure_event_loop() -> None:
    """The adapter runs requests in the thread's event loop, and from Python 3.12 on there is none unless it is made."""
    asyncio.set_event_loop(asyncio.new_event_loop())


@cache
def _admin() -> Admin:
    """Made at the first request: what stands before it would be part of a snapshot and repeat in every copy."""
    environment = Environment.parse(os.environ)
    return Admin(create_app(partial(write_ports, environment), environment), environment=environment)


def handler(event: Event, context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's own object, passed on unread
    """Lambda's entry point for API Gateway's proxy events."""
    return _admin().handle(event, context)
