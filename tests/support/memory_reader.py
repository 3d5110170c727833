"""A process that reads as the reader function does, so many times as its argument says, and then holds still.

It keeps every buffer that a key or a value was opened into: memory that was given back would be overwritten by
whatever comes next, and nobody could tell that from wiping.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from strongroom_service.adapters.envelope.sealed_cache import SealedKeyCache
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.secret import Envelope
from strongroom_service.domain.values import SecretValue
from strongroom_service.entry.read import make_reader
from strongroom_service.usecases.ports import EnvelopeOpener, VersionBinding
from tests.bench.reader_fixture import read_event

READY = "ready"
_KEPT: list[bytearray] = []


class _KeepingCache(SealedKeyCache):
    """A cache of keys whose opened buffers stay where they are."""

    @contextmanager
    def opened(self, key_id: str, fetch: Callable[[], bytearray]) -> Iterator[bytearray]:
        with super().opened(key_id, fetch) as buffer:
            _KEPT.append(buffer)
            yield buffer


class _KeepingEnvelopes:
    """Envelopes whose values' buffers stay where they are."""

    def __init__(self, envelopes: EnvelopeOpener) -> None:
        self._envelopes = envelopes

    def open(self, envelope: Envelope, binding: VersionBinding) -> SecretValue:
        value = self._envelopes.open(envelope, binding)
        _KEPT.append(value.buffer)
        return value


def main() -> None:
    """Make some reads, forget their answers, say so, and wait to be ended."""
    reader = make_reader(os.environ)
    measured: Any = reader._ports.envelopes
    measured._envelopes._cache = _KeepingCache(randomness=SystemRandomness())
    reader._ports = replace(reader._ports, envelopes=_KeepingEnvelopes(measured))
    event = read_event()
    reads = int(sys.argv[1])
    for _ in range(reads):
        status = reader.handle(event)["statusCode"]
        if status != 200:  # OK
            raise SystemExit(f"the read answered {status}")
    if len(_KEPT) != 2 * reads:
        raise SystemExit(f"{len(_KEPT)} buffers were kept")
    gc.collect()
    print(READY, flush=True)  # noqa: T201  # the sign that the other side waits for
    sys.stdin.readline()


if __name__ == "__main__":
    main()
