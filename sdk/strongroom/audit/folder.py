"""A copy of an archive in a folder, as `aws s3 sync s3://<bucket> <folder>` makes it.

A copy has no versions and no delete markers, and its files' times prove nothing: what was overwritten or deleted
before the copy was made shows by the digests alone.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .errors import ArchiveUnreadable
from .source import Entry

_CHUNK: Final = 1024 * 1024


class FolderArchive:
    """A copy. `bucket` and `region` say whose copy it must be; without them its first digest does."""

    has_versions: Final = False
    readers: Final = 1

    def __init__(self, directory: str | Path, *, bucket: str | None = None, region: str | None = None) -> None:
        self._root = Path(directory)
        self.bucket = bucket
        self.region = region
        if not self._root.is_dir():
            raise ArchiveUnreadable(f"{directory} is not a folder")

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every file under a prefix, by key. Raises `ArchiveUnreadable`."""
        folder = self._root / prefix
        if folder.is_dir():
            yield from self._walk(folder, prefix)

    def read(self, entry: Entry) -> Iterator[bytes]:
        """A file's content in pieces. Raises `ArchiveUnreadable`."""
        try:
            with (self._root / entry.key).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise ArchiveUnreadable(f"{entry.key} cannot be read: {error.strerror}") from None

    def _walk(self, folder: Path, prefix: str) -> Iterator[Entry]:
        """One folder's names are held at a time: an hour's objects."""
        try:
            # A folder sorts by its name with the slash, as its objects' keys do.
            names = [(f"{it.name}/" if it.is_dir(follow_symlinks=False) else it.name, it) for it in os.scandir(folder)]
        except OSError as error:
            raise ArchiveUnreadable(f"{prefix} cannot be listed: {error.strerror}") from None
        for name, it in sorted(names, key=lambda named: named[0]):
            if name.endswith("/"):
                yield from self._walk(Path(it.path), prefix + name)
            elif it.is_file():
                yield Entry(prefix + name)
