"""The authorizer function: who the bearer of a token is, for API Gateway. Whatever goes wrong inside is a refusal."""

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from strongroom_service.domain import limits
from strongroom_service.domain.quota import Quota
from strongroom_service.domain.tokens import Proven
from strongroom_service.usecases.authenticate import Presented, authenticate
from strongroom_service.usecases.ports import AuthenticationPorts

from . import redaction
from .authorizer_wiring import authentication_ports
from .environment import AuthorizerEnvironment
from .failure_log import FailureLog
from .identity import header, request_id_of
from .metrics import FunctionMetrics
from .refusals import Refusals

redaction.install()

Event = Mapping[str, Any]

FUNCTION: Final = "authorizer"
_OPERATION: Final = "authenticate"
_NOBODY: Final = "nobody"


class Authorizer:
    """The authorizer over its ports."""

    def __init__(
        self, *, ports: AuthenticationPorts, quota: Quota, failures: FailureLog, metrics: FunctionMetrics
    ) -> None:
        self._ports = ports
        self._quota = quota
        self._metrics = metrics
        self._refusals = Refusals(failures=failures, metrics=metrics)

    def handle(self, event: Event) -> dict[str, Any]:
        """The policy for one request: its method is allowed to who proved an identity, nothing to anybody else."""
        started = time.perf_counter()
        try:
            proven = authenticate(_presented(event), quota=self._quota, ports=self._ports)
        except Exception as error:  # noqa: BLE001  # the border: an error within must not become a gateway's 500
            self._refusals.tell(error, request_id=request_id_of(event))
            proven = None
        finally:
            self._metrics.request_ended(_OPERATION, seconds=time.perf_counter() - started)
        return _DENIAL if proven is None else _allowance(proven, str(event.get("methodArn") or ""))


def _presented(event: Event) -> Presented:
    identity = (event.get("requestContext") or {}).get("identity") or {}
    several = event.get("multiValueHeaders") or {}
    given = [value for name, values in several.items() if name.lower() == "authorization" for value in values or ()]
    return Presented(
        # Of two tokens neither is taken: another reader of the same request might take the other one.
        authorization=header(event, "authorization") if len(given) <= 1 else None,
        request_id=request_id_of(event),
        source_ip=str(identity.get("sourceIp") or ""),
        user_agent=str(identity.get("userAgent") or ""),
    )


def _policy(effect: str, resource: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


_DENIAL: Final[dict[str, Any]] = {"principalId": _NOBODY, "policyDocument": _policy("Deny", "*")}


def _allowance(proven: Proven, method_arn: str) -> dict[str, Any]:
    return {
        "principalId": proven.principal,
        "policyDocument": _policy("Allow", method_arn),
        "context": {
            "principal": proven.principal,
            "issuer": proven.issuer,
            "tenant": proven.tenant,
            "authentication": str(proven.authentication),
            "issuedAt": str(int(proven.issued_at.timestamp())),
        },
    }


def make_authorizer(variables: Mapping[str, str]) -> Authorizer:
    """The authorizer that a function's environment describes; raises `EnvironmentInvalidError`."""
    environment = AuthorizerEnvironment.parse(variables)
    metrics = FunctionMetrics(stage=environment.stage, function=FUNCTION)
    return Authorizer(
        ports=authentication_ports(environment, metrics),
        quota=Quota(
            at_once=limits.REFUSALS_RECORDED_AT_ONCE,
            per_second=limits.REFUSALS_RECORDED_PER_SECOND,
            monotonic=time.monotonic,
        ),
        failures=FailureLog(service=f"strongroom-{environment.stage}-{FUNCTION}"),
        metrics=metrics,
    )


@cache
def _authorizer() -> Authorizer:
    """Made at the first request: what stands before it would be part of a snapshot and repeat in every copy."""
    return make_authorizer(os.environ)


def handler(event: Event, context: object) -> dict[str, Any]:
    """Lambda's entry point for a REQUEST authorizer's events."""
    del context
    return _authorizer().handle(event)
