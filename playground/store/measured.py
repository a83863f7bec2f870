"""What was measured of files that have not changed since: planning again reads no photo twice.

A cache in a SQLite file of its own (`measured.db` in the gallery's folder): path, size and time of
change to hash, dimensions and format. It may be deleted at any time, so nothing is synced.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measured (
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
    sha256 BLOB NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""
_VERSION = 1


class Known(NamedTuple):
    """A file as it was when it was measured."""

    size_bytes: int
    changed_ns: int
    sha256: bytes
    width_px: int
    height_px: int
    format: str


class Measured:
    """The cache of one gallery. Every trouble with it means only that files are read again."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._database: sqlite3.Connection | None = None
        with contextlib.suppress(sqlite3.Error, OSError):
            self._database = self._open(folder / "measured.db", read_only=read_only)

    @staticmethod
    def _open(path: Path, *, read_only: bool) -> sqlite3.Connection:
        if read_only:
            return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        database = sqlite3.connect(path, timeout=5, isolation_level=None)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in {0, _VERSION}:
                database.execute("DROP TABLE IF EXISTS measured")
            database.execute("PRAGMA synchronous=OFF")
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version={_VERSION}")
        except sqlite3.DatabaseError:
            database.close()
            path.unlink(missing_ok=True)
            raise
        return database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._database is not None:
            self._database.close()

    def known(self, paths: Sequence[str]) -> dict[str, Known]:
        """Those of the files that were measured before; compare size and time yourself."""
        if self._database is None or not paths:
            return {}
        keys = {os.fsencode(path): path for path in paths}
        marks = ",".join("?" * len(keys))
        columns = "path, size, changed_ns, sha256, width, height, format"
        query = f"SELECT {columns} FROM measured WHERE path IN ({marks})"  # noqa: S608  marks only
        try:
            return {keys[row[0]]: Known(*row[1:]) for row in self._database.execute(query, [*keys])}
        except sqlite3.Error:
            return {}

    def keep(self, found: Sequence[tuple[str, Known]]) -> None:
        """Remember what was measured."""
        if self._database is None or not found:
            return
        rows = [(os.fsencode(path), *known) for path, known in found]
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )
            self._database.execute("COMMIT")
