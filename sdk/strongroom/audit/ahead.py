"""Reads objects ahead of their turn: over a network most of the time is waiting. Bounded, so that memory is too."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from .source import Archive, Entry

LARGEST_HELD: Final = 8 * 1024 * 1024
"""A larger object is streamed when its turn comes. Firehose writes up to 5 MiB as it is deployed."""

_Tag = TypeVar("_Tag")


def contents(archive: Archive, entries: Iterable[tuple[Entry, _Tag]]) -> Iterator[tuple[Entry, _Tag, Iterable[bytes]]]:
    """Each entry in its turn, with its content. Raises `ArchiveUnreadable`."""
    if archive.readers == 1:
        for entry, tag in entries:
            yield entry, tag, archive.read(entry)
        return
    waiting: deque[tuple[Entry, _Tag, Future[bytes] | None]] = deque()
    pool = ThreadPoolExecutor(archive.readers, thread_name_prefix="strongroom-audit")
    try:
        for entry, tag in entries:
            held = pool.submit(_whole, archive, entry) if entry.size <= LARGEST_HELD else None
            waiting.append((entry, tag, held))
            if len(waiting) > archive.readers:
                yield _next(archive, waiting)
        while waiting:
            yield _next(archive, waiting)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _whole(archive: Archive, entry: Entry) -> bytes:
    return b"".join(archive.read(entry))


def _next(
    archive: Archive, waiting: deque[tuple[Entry, _Tag, Future[bytes] | None]]
) -> tuple[Entry, _Tag, Iterable[bytes]]:
    entry, tag, held = waiting.popleft()
    return entry, tag, archive.read(entry) if held is None else [held.result()]
