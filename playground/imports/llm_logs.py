"""Logs of Simon Willison's `llm`: pictures that were asked about, and what models answered.

Both schemas are read: `responses` with `prompt_attachments` (seen in llm 0.26), and `turns` with
`messages` and `parts` (llm 0.36). The database is a stranger's: it is opened read-only, nothing
but plain tables is looked at, no function, view or trigger of its can run, and pictures that it
names by path are only read when that is asked for; addresses are never fetched.
Sources: llm 0.36, `migrations.py`; sqlite.org/security.html.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playground.errors import GalleryProblem

_MAX_BYTES = 8 << 30
_MAX_VALUE_BYTES = 1 << 28
_MAX_DEPTH = 64
_STEPS = 200_000_000
# The columns that are read, which must be plain ones.
_TABLES = {
    "responses": {"id", "model", "prompt", "response", "datetime_utc"},
    "attachments": {"id", "content", "path", "url"},
    "prompt_attachments": {"response_id", "attachment_id"},
    "turns": {
        "model", "resolved_model", "parent_message_hash", "tip_message_hash", "datetime_utc",
    },
    "messages": {"hash", "parent_hash", "role"},
    "parts": {"id", "message_hash", "position", "type", "text"},
    "part_attachments": {"part_id", "attachment_id"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A picture in the log: its bytes, or where they were; what was asked and answered.

    `made` tells that the model answered with the picture, not that it was asked about it.
    """

    model: str
    prompt: str
    answer: str
    at: dt.datetime | None
    content: bytes | None = field(default=None, repr=False)
    path: str = ""
    url: str = ""
    made: bool = False


def is_sqlite(path: Path) -> bool:
    """Whether a file begins like a SQLite database."""
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def read(path: Path) -> Iterator[Asked]:
    """Every picture of the log with its answer, lazily.

    Raises:
        GalleryProblem: when it is no log of llm, or is damaged. The file is never changed.
    """
    try:
        with _opened(path) as connection:
            tables = _plain_tables(connection)
            connection.set_authorizer(_only_reading)
            if {"responses", "attachments", "prompt_attachments"} <= tables.keys():
                yield from _responses(connection, tables["responses"])
            if {"turns", "messages", "parts", "part_attachments", "attachments"} <= tables.keys():
                yield from _turns(connection)
            elif "responses" not in tables:
                msg = f"{path.name} is a database, but not a log of llm; nothing was imported"
                raise GalleryProblem(msg)
    except (sqlite3.Error, OSError, UnicodeError) as bad:
        why = " ".join(str(bad).split())[:120]
        msg = f"{path.name} cannot be read as a log of llm ({why}); what came before it was kept"
        raise GalleryProblem(msg) from bad


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.ExitStack() as stack:
        place, mode = path.absolute(), "mode=ro&immutable=1"
        journal = path.with_name(f"{path.name}-wal")
        if journal.exists() and journal.stat().st_size:
            # llm is writing: an immutable look would miss what is only in its journal, and any
            # other look would touch its files. So a copy is read.
            if path.stat().st_size + journal.stat().st_size > _MAX_BYTES:
                msg = f"{path.name} is in use and too large to copy; close llm and try again"
                raise GalleryProblem(msg)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            place, mode = folder / "log.db", "mode=ro"
            shutil.copyfile(path, place)
            shutil.copyfile(journal, folder / "log.db-wal")
        connection = stack.enter_context(
            contextlib.closing(sqlite3.connect(f"{place.as_uri()}?{mode}", uri=True))
        )
        for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")
        if hasattr(connection, "setlimit"):
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        steps = [0]

        def watch() -> int:
            steps[0] += 1
            return int(steps[0] * 10_000 > _STEPS)

        connection.set_progress_handler(watch, 10_000)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        yield connection


def _plain_tables(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """The tables that are really tables, with their columns; generated columns are left out."""
    found: dict[str, set[str]] = {}
    rows = connection.execute("SELECT name, type, sql FROM sqlite_master LIMIT 10000").fetchall()
    for name, kind, sql in rows:
        plain = " ".join(str(sql or "").split()).upper().startswith("CREATE TABLE")
        if kind == "table" and plain and name in _TABLES:
            # The name is one of ours, so it is safe to write into the statement.
            columns = connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
            plain_columns = {column[1] for column in columns if column[6] == 0}
            if plain_columns >= _TABLES[name]:
                found[name] = plain_columns
    return found


def _only_reading(action: int, one: Any, _two: Any, _base: Any, _source: Any) -> int:
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and one in _TABLES:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _responses(connection: sqlite3.Connection, columns: set[str]) -> Iterator[Asked]:
    resolved = "r.resolved_model" if "resolved_model" in columns else "NULL"
    rows = connection.execute(
        f"SELECT r.model, {resolved}, r.prompt, r.response, r.datetime_utc, "  # noqa: S608
        "a.content, a.path, a.url FROM prompt_attachments AS p "
        "JOIN responses AS r ON r.id = p.response_id "
        "JOIN attachments AS a ON a.id = p.attachment_id"
    )
    for model, exact, prompt, answer, at, content, path, url in rows:
        yield Asked(
            _text(exact) or _text(model),
            _text(prompt),
            _text(answer),
            _moment(at),
            content if isinstance(content, bytes) else None,
            _text(path),
            _text(url),
        )


def _turns(connection: sqlite3.Connection) -> Iterator[Asked]:
    turns = connection.execute(
        "SELECT model, resolved_model, parent_message_hash, tip_message_hash, datetime_utc "
        "FROM turns"
    ).fetchall()
    for model, exact, parent, tip, at in turns:
        asked: list[str] = []
        answered: list[str] = []
        pictures: list[tuple[bool, tuple[Any, Any, Any]]] = []
        here, depth = tip, 0
        passed = False  # the newest message that was sent; more of them may stand before it
        while here is not None and depth < _MAX_DEPTH:
            depth += 1
            passed = passed or here == parent
            message = connection.execute(
                "SELECT parent_hash, role FROM messages WHERE hash = ?", (here,)
            ).fetchone()
            if message is None:
                break
            of_model = message[1] == "assistant"
            if passed and of_model:
                break  # an earlier answer of the same conversation
            parts = connection.execute(
                "SELECT id, type, text FROM parts WHERE message_hash = ? ORDER BY position", (here,)
            ).fetchall()
            words = "\n".join(_text(text) for _, kind, text in parts if kind == "text")
            if message[1] in {"assistant", "user"}:
                (answered if of_model else asked).append(words)
            for part, _, _ in parts:
                rows = connection.execute(
                    "SELECT a.content, a.path, a.url FROM part_attachments AS p "
                    "JOIN attachments AS a ON a.id = p.attachment_id WHERE p.part_id = ?",
                    (part,),
                )
                pictures += [(of_model, row) for row in rows.fetchall()]
            here = message[0]
        for made, (content, path, url) in pictures:
            yield Asked(
                _text(exact) or _text(model),
                "\n".join(reversed(asked)).strip(),
                "\n".join(reversed(answered)).strip(),
                _moment(at),
                content if isinstance(content, bytes) else None,
                _text(path),
                _text(url),
                made,
            )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: Any) -> dt.datetime | None:
    try:
        at = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)
