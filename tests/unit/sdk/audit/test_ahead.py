"""Objects are read ahead of their turn, never out of it, and never more of them than are held."""

from collections.abc import Iterator
from threading import Lock

import pytest

from strongroom.audit import ArchiveUnreadable
from strongroom.audit.ahead import LARGEST_HELD, contents
from strongroom.audit.source import Entry


class Slow:
    """An archive that counts what was begun."""

    has_versions = True
    bucket = region = None

    def __init__(self, readers: int) -> None:
        self.readers = readers
        self.begun = 0
        self._lock = Lock()

    def entries(self, prefix: str) -> Iterator[Entry]:
        raise NotImplementedError

    def read(self, entry: Entry) -> Iterator[bytes]:
        with self._lock:
            self.begun += 1
        if entry.key == "unreadable":
            raise ArchiveUnreadable(entry.key)
        yield from (entry.key.encode(), b"!")


@pytest.mark.parametrize("readers", [1, 3, 50])
def test_each_object_comes_in_its_turn(readers: int) -> None:
    entries = [(Entry(f"{number}", size=LARGEST_HELD + number % 2), number) for number in range(20)]
    read = [(entry.key, tag, b"".join(chunks)) for entry, tag, chunks in contents(Slow(readers), entries)]
    assert read == [(f"{number}", number, f"{number}!".encode()) for number in range(20)]


def test_no_more_is_read_ahead_than_is_held() -> None:
    archive = Slow(3)
    turns = contents(archive, ((Entry(f"{number}"), number) for number in range(100)))
    for turn in range(10):
        next(turns)
        assert archive.begun <= turn + 1 + 3
    turns.close()  # type: ignore[attr-defined]  # a generator


def test_a_failure_is_raised_in_its_turn() -> None:
    turns = contents(Slow(3), [(Entry("a"), 0), (Entry("unreadable"), 1), (Entry("b"), 2)])
    assert next(turns)[0].key == "a"
    with pytest.raises(ArchiveUnreadable):
        next(turns)
