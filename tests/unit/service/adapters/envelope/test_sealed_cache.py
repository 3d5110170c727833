"""The cache of namespace keys: sealed, short-lived, bounded, asked for once."""

import gc
import threading
from datetime import timedelta

import pytest

from strongroom_service.adapters.envelope.sealed_cache import SealedKeyCache
from strongroom_service.adapters.system import SystemRandomness
from strongroom_service.domain.errors import KmsUnavailable

KEY = bytes(range(32))


class Monotonic:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Source:
    """A stand-in for KMS that counts how often it is asked."""

    def __init__(self, key: bytes = KEY) -> None:
        self.asked = 0
        self._key = key

    def __call__(self) -> bytearray:
        self.asked += 1
        return bytearray(self._key)


def cache(monotonic: Monotonic | None = None, capacity: int = 8) -> SealedKeyCache:
    return SealedKeyCache(
        randomness=SystemRandomness(),
        lifetime=timedelta(minutes=5),
        capacity=capacity,
        monotonic=monotonic or Monotonic(),
    )


def use(keys: SealedKeyCache, key_id: str, source: Source) -> bytes:
    with keys.opened(key_id, source) as key:
        return bytes(key)


def test_a_key_is_fetched_once_and_then_served() -> None:
    """The second use opens the sealed entry."""
    keys, source = cache(), Source()
    assert use(keys, "a", source) == use(keys, "a", source) == KEY
    assert source.asked == 1


def test_the_opened_key_is_wiped_after_its_use() -> None:
    """Whoever kept the buffer finds zeros, also when the use failed."""
    keys, source = cache(), Source()
    for _ in range(2):
        with keys.opened("a", source) as key:
            assert key == KEY
        assert key == bytes(32)
    with pytest.raises(ZeroDivisionError), keys.opened("a", source) as key:
        _ = 1 // 0
    assert key == bytes(32)


def test_what_lies_in_the_cache_is_not_the_key() -> None:
    """No object that the cache reaches holds the key's bytes."""
    keys = cache()
    use(keys, "a", Source())
    held = [entry for sealed in keys._entries.values() for entry in gc.get_referents(sealed)]
    assert held
    assert all(KEY not in bytes(entry) for entry in held if isinstance(entry, bytes | bytearray))


def test_a_key_leaves_at_its_time_whatever_is_asked_next() -> None:
    """The lifetime counts from when the key came in, and asking for another key lets it go."""
    monotonic = Monotonic()
    keys, source = cache(monotonic), Source()
    use(keys, "a", source)
    monotonic.seconds = 299.9
    use(keys, "a", source)
    assert source.asked == 1
    monotonic.seconds = 300.0
    use(keys, "b", Source())
    assert len(keys) == 1
    use(keys, "a", source)
    assert source.asked == 2


def test_the_cache_is_bounded() -> None:
    """One key more than fits, and the oldest is gone."""
    keys, sources = cache(capacity=2), {name: Source() for name in "abc"}
    for name, source in sources.items():
        use(keys, name, source)
    assert len(keys) == 2
    use(keys, "c", sources["c"])
    use(keys, "a", sources["a"])
    assert sources["c"].asked == 1
    assert sources["a"].asked == 2


def test_an_entry_opens_under_its_own_id_only() -> None:
    """Entries that were swapped in memory do not pass for each other."""
    keys = cache()
    use(keys, "a", Source())
    keys._entries["b"] = keys._entries["a"]
    with pytest.raises(Exception, match=r"^$"), keys.opened("b", Source()):
        pass


def test_a_failure_is_not_kept() -> None:
    """The next use asks again."""
    keys, source = cache(), Source()

    def fail() -> bytearray:
        raise KmsUnavailable

    with pytest.raises(KmsUnavailable), keys.opened("a", fail):
        pass
    assert use(keys, "a", source) == KEY


def test_many_who_ask_at_once_cause_one_fetch() -> None:
    """Twenty threads want a key that is not there; it is fetched once and all get it."""
    keys, barrier, fetches, results = cache(), threading.Barrier(20), [], []

    def fetch() -> bytearray:
        fetches.append(1)
        return bytearray(KEY)

    def ask() -> None:
        barrier.wait(timeout=10)
        with keys.opened("a", fetch) as key:
            results.append(bytes(key))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert results == [KEY] * 20
    assert len(fetches) == 1
