"""What a verification reads: an archive in its bucket, or a copy of it in a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an object. In a copy `version_id` is empty, `modified_at` unknown."""

    key: str
    version_id: str = ""
    modified_at: datetime | None = None
    is_delete_marker: bool = False
    size: int = 0
    """As it is listed: nothing is proven by it."""


class Archive(Protocol):
    """An archive. Everything raises `ArchiveUnreadable`."""

    @property
    def has_versions(self) -> bool:
        """Whether versions and delete markers are seen; in a copy only the latest content of each object is."""
        ...

    @property
    def readers(self) -> int:
        """How many objects may well be read at once."""
        ...

    @property
    def bucket(self) -> str | None:
        """The bucket that it is or was; None when that is not known."""
        ...

    @property
    def region(self) -> str | None:
        """Its region; None when that is not known."""
        ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every version under a prefix, by key, the newest of a key first."""
        ...

    def read(self, entry: Entry) -> Iterator[bytes]:
        """A version's content in pieces."""
        ...
