"""What has to be remembered of an archive while it is verified: tables in a temporary file, ids and hashes only."""

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Self

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4000;
CREATE TABLE sealed (
    key TEXT NOT NULL, version TEXT NOT NULL, sha256 TEXT NOT NULL, digest INTEGER NOT NULL,
    chosen INTEGER NOT NULL, PRIMARY KEY (key, version, sha256)
) WITHOUT ROWID;
CREATE TABLE spans (
    chain TEXT NOT NULL, digest INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    hash TEXT NOT NULL, chosen INTEGER NOT NULL, PRIMARY KEY (chain, digest)
) WITHOUT ROWID;
CREATE TABLE present (
    key TEXT NOT NULL, version TEXT NOT NULL, digest INTEGER, size INTEGER NOT NULL, PRIMARY KEY (key, version)
) WITHOUT ROWID;
CREATE TABLE objects (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, version TEXT NOT NULL, digest INTEGER, intact INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX objects_by_key ON objects (key, version);
CREATE TABLE records (
    chain TEXT NOT NULL, sequence INTEGER NOT NULL, hash TEXT NOT NULL, previous TEXT NOT NULL, event TEXT NOT NULL,
    time TEXT NOT NULL, object INTEGER NOT NULL, line INTEGER NOT NULL, whole INTEGER NOT NULL
);
CREATE TABLE ties (
    follower TEXT NOT NULL, chain TEXT NOT NULL, last INTEGER NOT NULL, hash TEXT NOT NULL,
    object INTEGER NOT NULL, line INTEGER NOT NULL
);
CREATE TABLE told (kind TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL, PRIMARY KEY (kind, key, version))
    WITHOUT ROWID;
"""
_CHAINS: Final = """
CREATE INDEX records_by_place ON records (chain, sequence);
CREATE INDEX ties_by_chain ON ties (chain, last);
"""


class Index:
    """The tables of one verification. SQLite's own temporary database: it has no name, and ends with its connection."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def rows(self, query: str, *values: object) -> Iterator[Any]:
        """The rows of a query, one at a time."""
        return self._database.execute(query, values)

    def row(self, query: str, *values: object) -> Any:  # noqa: ANN401  # rows have the query's columns
        """The first row of a query, or None."""
        return self._database.execute(query, values).fetchone()

    def put(self, query: str, *values: object) -> int:
        """Change something; how many rows were changed."""
        return self._database.execute(query, values).rowcount

    def put_all(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Change something for each of the rows."""
        self._database.executemany(query, rows)

    def add_object(self, key: str, version: str, digest: int | None) -> int:
        """Note an object that is read; its number."""
        done = self._database.execute(
            "INSERT INTO objects (key, version, digest) VALUES (?, ?, ?)", (key, version, digest)
        )
        if done.lastrowid is None:
            raise RuntimeError("SQLite gave no row id")
        return done.lastrowid

    def is_news(self, kind: str, key: str, version: str) -> bool:
        """Whether something is said of a version for the first time."""
        return self.put("INSERT OR IGNORE INTO told VALUES (?, ?, ?)", kind, key, version) > 0

    def all_records_are_in(self) -> None:
        """Sort what was read."""
        self._database.executescript(_CHAINS)  # ends the transaction
        self._database.execute("BEGIN")
