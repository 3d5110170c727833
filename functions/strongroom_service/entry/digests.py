"""The digests function: once an hour, seals what was archived since."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import cache
from typing import Any, Final, Protocol

import botocore.session
from botocore.config import Config

from strongroom_service.adapters.audit.archive import S3DigestArchive
from strongroom_service.adapters.audit.coverage import SqliteCoverage
from strongroom_service.adapters.audit.signing import KmsDigestSigner
from strongroom_service.adapters.system import SystemClock
from strongroom_service.domain.digest import Place
from strongroom_service.usecases.ports import Clock, Coverage, DigestArchive, DigestSigner, Metric
from strongroom_service.usecases.seal_digest import SealingPorts, seal

from . import redaction
from .environment import (
    ARCHIVE_ACCOUNT,
    ARCHIVE_BUCKET,
    ARCHIVE_LOOKBACK_HOURS,
    DIGEST_KEY,
    REGION,
    STAGE,
    required,
    whole_number,
)
from .failure_log import FailureLog
from .metrics import FunctionMetrics
from .refusals import Refusals

redaction.install()

FUNCTION: Final = "digests"
_OPERATION: Final = "seal"
_AWS_TIMEOUT: Final = timedelta(seconds=20)
_MARGIN: Final = timedelta(seconds=60)
"""Time that the object at hand, the signature and the put may take. A sealing that is stopped loses its last digest's
work, nothing else."""


class Context(Protocol):
    """The part of Lambda's context that is used."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the function."""
        ...


class Digests:
    """The sealing over its ends."""

    def __init__(
        self,
        *,
        clock: Clock,
        archive: DigestArchive,
        signer: DigestSigner,
        new_coverage: Callable[[], AbstractContextManager[Coverage]],
        place: Place,
        lookback: timedelta,
        refusals: Refusals,
        metrics: FunctionMetrics,
    ) -> None:
        self._clock = clock
        self._archive = archive
        self._signer = signer
        self._new_coverage = new_coverage
        self._place = place
        self._lookback = lookback
        self._refusals = refusals
        self._metrics = metrics

    def run(self, *, request_id: str, has_time: Callable[[], bool]) -> dict[str, object]:
        """Seal once. A failure is logged and raised by its code: the function's own alarm has to ring."""
        started = time.perf_counter()
        try:
            with self._new_coverage() as coverage:
                ports = SealingPorts(clock=self._clock, archive=self._archive, signer=self._signer, coverage=coverage)
                done = seal(ports, place=self._place, lookback=self._lookback, has_time=has_time)
        except Exception as error:  # noqa: BLE001  # the border: it is logged by type and place, whatever it is
            raise self._refusals.tell(error, request_id=request_id) from None
        else:
            if done.digests:
                self._metrics.count(Metric.DIGESTS, done.digests)
            if done.anomalies:
                self._metrics.count(Metric.ARCHIVE_ANOMALIES, done.anomalies)
            return {
                "digests": done.digests,
                "objects": done.objects,
                "anomalies": done.anomalies,
                "complete": done.is_complete,
            }
        finally:
            self._metrics.request_ended(_OPERATION, seconds=time.perf_counter() - started)


def make_digests(variables: Mapping[str, str]) -> Digests:
    """The sealing that a function's environment describes; raises `EnvironmentInvalidError`."""
    stage, region = required(variables, STAGE), required(variables, REGION)
    bucket = required(variables, ARCHIVE_BUCKET)
    metrics = FunctionMetrics(stage=stage, function=FUNCTION)
    return Digests(
        clock=SystemClock(),
        archive=S3DigestArchive(client=_client("s3", region), bucket=bucket),
        signer=KmsDigestSigner(client=_client("kms", region), key_arn=required(variables, DIGEST_KEY)),
        new_coverage=SqliteCoverage,
        place=Place(stage=stage, account=required(variables, ARCHIVE_ACCOUNT), region=region, bucket=bucket),
        lookback=timedelta(hours=whole_number(variables, ARCHIVE_LOOKBACK_HOURS)),
        refusals=Refusals(failures=FailureLog(service=f"strongroom-{stage}-{FUNCTION}"), metrics=metrics),
        metrics=metrics,
    )


def _client(service: str, region: str) -> Any:  # noqa: ANN401  # botocore's clients are untyped
    seconds = _AWS_TIMEOUT.total_seconds()
    return botocore.session.get_session().create_client(
        service,
        region_name=region,
        config=Config(
            connect_timeout=seconds,
            read_timeout=seconds,
            retries={"mode": "standard", "total_max_attempts": 4},
            # Bucket names have no dots, so both forms work on AWS; this one works on a loopback address too.
            s3={"addressing_style": "path"},
        ),
    )


@cache
def _digests() -> Digests:
    return make_digests(os.environ)


def handler(event: Mapping[str, Any], context: Context) -> dict[str, object]:
    """Lambda's entry point for the schedule; what the event says does not matter."""
    del event
    margin = _MARGIN.total_seconds() * 1000

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > margin

    return _digests().run(request_id=context.aws_request_id, has_time=has_time)
