"""Which versions earlier digests state: a table in a temporary file, since there can be more than fit into memory."""

import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE stated (
    key TEXT NOT NULL, version TEXT NOT NULL, expected INTEGER NOT NULL, seen INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (key, version)
) WITHOUT ROWID;
"""
_PAGE: Final = 1000


class SqliteCoverage:
    """The coverage port for one sealing. It holds keys and version ids, and is gone with its end."""

    def __init__(self) -> None:
        # SQLite's own temporary database: no name, removed when it is closed, spilled to disk when it grows.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, key: str, version_id: str, *, is_expected: bool) -> None:
        """Note a version that a digest states; a statement that none is expected there wins."""
        self._database.execute(
            "INSERT INTO stated (key, version, expected) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET expected = min(expected, excluded.expected)",
            (key, version_id, int(is_expected)),
        )

    def see(self, key: str, version_id: str) -> bool:
        """Note that a version is there; whether a digest states it."""
        done = self._database.execute("UPDATE stated SET seen = 1 WHERE key = ? AND version = ?", (key, version_id))
        return done.rowcount > 0

    def unseen(self, since: str) -> Iterator[tuple[str, str]]:
        """The versions from a key on that are expected and were not seen."""
        after = (since, "")
        while page := self._database.execute(
            "SELECT key, version FROM stated WHERE (key, version) > (?, ?) AND expected = 1 AND seen = 0"
            " ORDER BY key, version LIMIT ?",
            (*after, _PAGE),
        ).fetchall():
            yield from page
            after = page[-1]
