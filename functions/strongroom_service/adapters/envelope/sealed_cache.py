"""Unwrapped namespace keys, kept for minutes, sealed while they lie there.

What the cache holds is encrypted under a key that this process made for itself: a memory dump of the cache alone
yields nothing, and a snapshot taken before the first use holds no key at all.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom_service.usecases.ports import Randomness

DEFAULT_LIFETIME: Final = timedelta(minutes=5)
DEFAULT_CAPACITY: Final = 512
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True, repr=False)
class _Sealed:
    nonce: bytes
    ciphertext: bytes
    leaves_at: float


class SealedKeyCache:
    """Keys by id, opened into a buffer for one use that is wiped afterwards. Safe for threads."""

    def __init__(
        self,
        *,
        randomness: Randomness,
        lifetime: timedelta = DEFAULT_LIFETIME,
        capacity: int = DEFAULT_CAPACITY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._randomness = randomness
        self._lifetime = lifetime.total_seconds()
        self._capacity = capacity
        self._monotonic = monotonic
        self._sealer: AESGCM | None = None
        self._entries: OrderedDict[str, _Sealed] = OrderedDict()
        self._lock = Lock()
        self._flights: dict[str, Lock] = {}

    @contextmanager
    def opened(self, key_id: str, fetch: Callable[[], bytearray]) -> Iterator[bytearray]:
        """The key, from the cache or by `fetch`, which runs once however many ask; errors of it pass through."""
        buffer = self._open(key_id)
        if buffer is None:
            buffer = self._fetch_once(key_id, fetch)
        try:
            yield buffer
        finally:
            buffer[:] = bytes(len(buffer))

    def put(self, key_id: str, key: bytearray) -> None:
        """Keep a key; the caller's buffer stays the caller's to wipe."""
        now = self._monotonic()
        nonce = self._randomness.token(_NONCE_BYTES)
        with self._lock:
            if self._sealer is None:
                self._sealer = AESGCM(self._randomness.token(_KEY_BYTES))
            sealed = _Sealed(nonce, self._sealer.encrypt(nonce, key, key_id.encode()), now + self._lifetime)
            self._entries.pop(key_id, None)
            self._entries[key_id] = sealed
            self._drop_expired(now)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)

    def _open(self, key_id: str) -> bytearray | None:
        with self._lock:
            self._drop_expired(self._monotonic())
            sealed, sealer = self._entries.get(key_id), self._sealer
        if sealed is None or sealer is None:
            return None
        buffer = bytearray(len(sealed.ciphertext) - _TAG_BYTES)
        sealer.decrypt_into(sealed.nonce, sealed.ciphertext, key_id.encode(), buffer)
        return buffer

    def _drop_expired(self, now: float) -> None:
        """All entries live equally long, so the oldest stand first."""
        while self._entries:
            oldest = next(iter(self._entries))
            if self._entries[oldest].leaves_at > now:
                return
            del self._entries[oldest]

    def _fetch_once(self, key_id: str, fetch: Callable[[], bytearray]) -> bytearray:
        with self._lock:
            flight = self._flights.setdefault(key_id, Lock())
        with flight:
            try:
                buffer = self._open(key_id)
                if buffer is None:
                    buffer = fetch()
                    self.put(key_id, buffer)
                return buffer
            finally:
                with self._lock:
                    self._flights.pop(key_id, None)
