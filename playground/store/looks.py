"""How photos look, as it was found once: comparing an archive again decodes no photo twice.

A cache in a SQLite file of its own (`looks.db` in the gallery's folder), by the file's hash. It
may be deleted at any time, so nothing is synced.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS looks (sha256 BLOB PRIMARY KEY, look BLOB NOT NULL)
STRICT, WITHOUT ROWID
"""
_AT_ONCE = 500


class Looks:
    """The cache of one gallery. Every trouble with it means only that photos are decoded again."""

    def __init__(self, folder: Path) -> None:
        self._database: sqlite3.Connection | None = None
        with contextlib.suppress(sqlite3.Error, OSError):
            self._database = sqlite3.connect(folder / "looks.db", timeout=5, isolation_level=None)
            self._database.execute("PRAGMA synchronous=OFF")
            self._database.execute(_SCHEMA)

    def known(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """The looks that were found before, by hash."""
        found: dict[bytes, bytes] = {}
        if self._database is None:
            return found
        with contextlib.suppress(sqlite3.Error):
            for at in range(0, len(hashes), _AT_ONCE):
                some = hashes[at : at + _AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT sha256, look FROM looks WHERE sha256 IN ({marks})"  # noqa: S608  marks only
                found.update(self._database.execute(query, some).fetchall())
        return found

    def keep(self, found: Mapping[bytes, bytes]) -> None:
        """Remember looks."""
        if self._database is None or not found:
            return
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR REPLACE INTO looks VALUES (?, ?)", found.items())
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
