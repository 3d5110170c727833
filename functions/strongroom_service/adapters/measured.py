"""Ports that tell how long they took."""

import time
from collections.abc import Sequence

from strongroom_service.domain.secret import Envelope
from strongroom_service.domain.values import SecretValue
from strongroom_service.usecases.ports import (
    EnvelopeOpener,
    HeadQuery,
    HeadReader,
    Measurements,
    Metric,
    Snapshot,
    VersionBinding,
)


class MeasuredHeads:
    """A head reader with its time measured."""

    def __init__(self, heads: HeadReader, measurements: Measurements) -> None:
        self._heads = heads
        self._measurements = measurements

    def fetch(self, queries: Sequence[HeadQuery]) -> Snapshot:
        """As the reader behind it."""
        started = time.perf_counter()
        try:
            return self._heads.fetch(queries)
        finally:
            self._measurements.time(Metric.STORE_TIME, time.perf_counter() - started)


class MeasuredEnvelopes:
    """An envelope opener with its time measured."""

    def __init__(self, envelopes: EnvelopeOpener, measurements: Measurements) -> None:
        self._envelopes = envelopes
        self._measurements = measurements

    def open(self, envelope: Envelope, binding: VersionBinding) -> SecretValue:
        """As the opener behind it."""
        started = time.perf_counter()
        try:
            return self._envelopes.open(envelope, binding)
        finally:
            self._measurements.time(Metric.DECRYPT_TIME, time.perf_counter() - started)
