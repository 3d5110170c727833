"""The reader function: values, batches, revisions, health. The path that every workload takes.

Routes are told apart by API Gateway's `resource`, which names one of a few; a general router would cost each read
more than its policy decision does (docs/decisions.md). A read that succeeds logs nothing but its share of a line of
metrics: its record is the audit.
"""

import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NoReturn, Protocol, TypeVar

from strongroom_service.domain.access import Caller
from strongroom_service.domain.errors import DomainError, InvalidRequest, NotFound, RegistryUnavailable
from strongroom_service.usecases.admission import TenantChanged, refuse_stranger
from strongroom_service.usecases.ports import Metric, ReadPorts
from strongroom_service.usecases.read_revisions import Revision, read_revisions
from strongroom_service.usecases.read_values import ReadValue, read_batch, read_value

from . import redaction
from .environment import Environment
from .error_table import error_body
from .failure_log import FailureLog
from .identity import TOKEN_ROUTES, caller_of, is_from_gateway, request_id_of
from .metrics import FunctionMetrics
from .reader_requests import parse_batch, parse_read, parse_revisions, single_query_parameters
from .reader_wiring import read_ports
from .refusals import Refusals
from .responses import error_response, json_response

redaction.install()

Event = Mapping[str, Any]

FUNCTION: Final = "reader"
_UNROUTED: Final = "unrouted"
_TOKENS: Final = TOKEN_ROUTES.rstrip("/")
_TRIES: Final = 3
"""With the registry that was known, with the one that a read has shown, and with one that replaced it meanwhile."""

AskedT = TypeVar("AskedT")
AskedT_co = TypeVar("AskedT_co", covariant=True)
AskedT_contra = TypeVar("AskedT_contra", contravariant=True)
AnswerT = TypeVar("AnswerT")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)


class _Parse(Protocol[AskedT_co]):
    def __call__(self, event: Event, *, tenant: str) -> AskedT_co: ...


class _Serve(Protocol[AskedT_contra, AnswerT_co]):
    def __call__(self, asked: AskedT_contra, /, *, caller: Caller, ports: ReadPorts) -> AnswerT_co: ...


class Reader:
    """The reader over its ports."""

    def __init__(
        self,
        *,
        region: str,
        ports: ReadPorts,
        failures: FailureLog,
        metrics: FunctionMetrics,
    ) -> None:
        self._region = region
        self._ports = ports
        self._metrics = metrics
        self._refusals = Refusals(failures=failures, metrics=metrics)
        reads: dict[tuple[str, str], tuple[str, Callable[[Event], dict[str, object]]]] = {
            ("GET", "/values/{environment}/{path+}"): ("readValue", self._read),
            ("POST", "/batch/values"): ("readValues", self._read_batch),
            ("POST", "/revisions"): ("readRevisions", self._read_revisions),
        }
        with_token = {(method, f"{_TOKENS}{resource}"): served for (method, resource), served in reads.items()}
        self._routes = {**reads, **with_token, ("GET", "/health"): ("getHealth", self._health)}

    def handle(self, event: Event) -> dict[str, Any]:
        """Answer one proxy event; every failure becomes an answer too."""
        started = time.perf_counter()
        request_id = request_id_of(event)
        if not is_from_gateway(event):
            self._metrics.count(Metric.PAST_GATEWAY)
        key = (str(event.get("httpMethod")), str(event.get("resource")))
        operation, route = self._routes.get(key, (_UNROUTED, self._unrouted))
        try:
            return json_response(200, route(event), request_id=request_id, region=self._region)
        except Exception as error:  # noqa: BLE001  # the border: whatever it is, the caller gets the one error body
            told = self._refusals.tell(error, request_id=request_id)
            return error_response(told, request_id=request_id, region=self._region)
        finally:
            self._metrics.request_ended(operation, seconds=time.perf_counter() - started)

    def _unrouted(self, event: Event) -> NoReturn:
        del event
        raise NotFound("There is no such route.")

    def _read(self, event: Event) -> dict[str, object]:
        _, _, with_value = self._answered(event, parse_read, read_value)
        return {**_value(with_value), "region": self._region, "replicaAgeMs": None}

    def _read_batch(self, event: Event) -> dict[str, object]:
        caller, items, results = self._answered(event, parse_batch, read_batch)
        entries = [
            self._failed_item(item.name.secret_path, result, request_id=caller.request_id)
            if isinstance(result, DomainError)
            else {"secretPath": item.name.secret_path, "value": _value(result)}
            for item, result in zip(items, results, strict=True)
        ]
        return {"items": entries, "region": self._region, "replicaAgeMs": None}

    def _read_revisions(self, event: Event) -> dict[str, object]:
        caller, items, results = self._answered(event, parse_revisions, read_revisions)
        entries = [
            self._failed_item(item.name.secret_path, result, request_id=caller.request_id)
            if isinstance(result, DomainError)
            else _revision(result)
            for item, result in zip(items, results, strict=True)
        ]
        return {"items": entries, "region": self._region, "replicaAgeMs": None}

    def _health(self, event: Event) -> dict[str, object]:
        single_query_parameters(event, allowed=())
        return {"status": "ok", "region": self._region}

    def _answered(
        self, event: Event, parse: "_Parse[AskedT]", serve: "_Serve[AskedT, AnswerT]"
    ) -> tuple[Caller, AskedT, AnswerT]:
        """Decide the tenant by the registry that is known, and once more if it turns out to be an earlier one."""
        for _ in range(_TRIES):
            caller = self._caller(event)
            try:
                asked = parse(event, tenant=caller.tenant)
            except InvalidRequest:
                if not caller.tenant:
                    # A stranger learns no rules.
                    refuse_stranger(caller, self._ports)
                raise
            try:
                return caller, asked, serve(asked, caller=caller, ports=self._ports)
            except TenantChanged:
                continue
        raise RegistryUnavailable

    def _caller(self, event: Event) -> Caller:
        registry, now = self._ports.registry, self._ports.clock.now()
        try:
            return caller_of(event, registry.known(), now=now)
        except InvalidRequest:
            # Nothing is fetched for this request that would show a later registry.
            return caller_of(event, registry.in_force(), now=now)

    def _failed_item(self, secret_path: str, error: DomainError, *, request_id: str) -> dict[str, object]:
        told = self._refusals.tell(error, request_id=request_id)
        return {"secretPath": secret_path, **error_body(told, request_id=request_id)}


def _value(read: ReadValue) -> dict[str, object]:
    """A value as it leaves; the buffer is wiped once it has been copied into the answer."""
    with read.value as value:
        field, text = (
            ("plaintextValue", value.reveal_text()) if value.is_text else ("plaintextBase64", value.reveal_base64())
        )
    return {
        "secretPath": read.name.secret_path,
        "versionNumber": read.number,
        "alias": read.alias,
        field: text,
        "expiresAtUnix": read.expires_at_unix,
        "consistencyToken": str(read.token),
        "receipt": str(read.receipt),
    }


def _revision(revision: Revision) -> dict[str, object]:
    return {
        "secretPath": revision.name.secret_path,
        "consistencyToken": str(revision.token),
        "aliases": dict(revision.aliases),
        "changed": revision.changed,
    }


def make_reader(variables: Mapping[str, str]) -> Reader:
    """The reader that a function's environment describes; raises `EnvironmentInvalidError`."""
    environment = Environment.parse(variables)
    metrics = FunctionMetrics(stage=environment.stage, function=FUNCTION)
    return Reader(
        region=environment.region,
        ports=read_ports(environment, metrics),
        failures=FailureLog(service=f"strongroom-{environment.stage}-{FUNCTION}"),
        metrics=metrics,
    )


@cache
def _reader() -> Reader:
    """Made at the first request: what stands before it would be part of a snapshot and repeat in every copy."""
    return make_reader(os.environ)


def handler(event: Event, context: object) -> dict[str, Any]:
    """Lambda's entry point for API Gateway's proxy events."""
    del context
    return _reader().handle(event)
