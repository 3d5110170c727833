"""Looks into another process's memory, as a dump of it would show it. Linux only, for processes of the same user."""

import re
from collections.abc import Iterator

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw")


def copies(pid: int, needle: bytes) -> int:
    """How often some bytes stand in a process's writable memory."""
    return sum(region.count(needle) for region in _regions(pid))


def _regions(pid: int) -> Iterator[bytes]:
    with open(f"/proc/{pid}/maps") as mappings, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123  # no ordinary files
        for mapping in mappings:
            found = _MAPPING.match(mapping)
            if found is None:
                continue
            begin, end = (int(it, 16) for it in found.groups())
            try:
                memory.seek(begin)
                yield memory.read(end - begin)
            except OSError:
                # Not every mapping can be read: the kernel's own cannot, and one may have gone meanwhile.
                continue
