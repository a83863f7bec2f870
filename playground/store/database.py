"""Connections and transactions: what every database offers, and SQLite in one file.

PostgreSQL (`postgres.py`) and SQLite offer the same two things: `read()`, a consistent view, and
`write(job)`, which runs `job(connection)` in one durable transaction and returns its result. When
`write` returns, the change survives a power cut. A job may run twice (after a full disk or a
deadlock) and on another thread, so it only uses its connection.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from playground.errors import GalleryProblem

T = TypeVar("T")
Job = Callable[[sa.Connection], T]
BUSY_TIMEOUT_SECONDS = 30.0
CLOSED = "The gallery was closed; open it again."
_BATCH = 64
_DATABASE_ERRORS = (sa.exc.DBAPIError, sqlite3.Error)


class Database(Protocol):
    """What the store needs of a database."""

    dialect: str
    read_only: str

    def read(self) -> Any:
        """A context manager with a connection that sees one consistent state."""

    def write(self, job: Job[T]) -> T:
        """Run `job` in one durable transaction."""

    def close(self) -> None:
        """Close all connections."""


def execute_many(
    connection: sa.Connection, statement: sa.Insert, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows with the same keys, one at least.

    On SQLite SQLAlchemy's work for each row, a fifth of the whole time, is left out: our columns
    have neither a type nor a default in Python that would need it.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(statement, list(rows))
        return
    made = statement.compile(dialect=connection.dialect, column_keys=list(rows[0]))
    values = itemgetter(*(made.positiontup or ()))
    connection.exec_driver_sql(str(made), [values(row) for row in rows])


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite is free of the WAL-reset bug (sqlite.org/wal.html#walresetbug).

    Fixed in 3.51.3 and, for older lines, in 3.50.7 and 3.44.6; 3.52.0 was withdrawn.
    """
    if version == (3, 52, 0):
        return False
    old_lines = ((3, 50, 7) <= version < (3, 51, 0), (3, 44, 6) <= version < (3, 45, 0))
    return version >= (3, 51, 3) or any(old_lines)


def journal_mode(version: tuple[int, int, int], *, network: bool) -> str:
    """The journal that is safe and fast: `wal`, or `truncate` where WAL may corrupt.

    Of the rollback journals, TRUNCATE syncs the end of a transaction under synchronous=FULL;
    DELETE does not sync the folder, so a power cut could bring a committed reservation's journal
    back and undo it. WAL needs shared memory, which network file systems do not have.
    """
    return "wal" if wal_is_safe(version) and not network else "truncate"


def explain(error: BaseException, where: str) -> GalleryProblem:
    """A database error as one sentence."""
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        text = (
            f"The gallery's database {where} is damaged ({original}). Nothing was changed; restore "
            "a backup with `playground gallery restore-backup`, the pictures in originals/ are "
            "separate files and not affected."
        )
    elif code.startswith("SQLITE_FULL"):
        text = (
            f"The disk with the gallery's database {where} is full; the change was not made and "
            "nothing that was stored is lost. Free some space and try again."
        )
    elif code.startswith("SQLITE_BUSY"):
        text = (
            f"The gallery's database {where} stayed busy for {BUSY_TIMEOUT_SECONDS:.0f} seconds; "
            "the change was not made. Another program holds it: close it, or try again."
        )
    elif code.startswith("SQLITE_READONLY"):
        text = f"The gallery's database {where} cannot be written; nothing was changed."
    elif code.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        text = f"The disk with the gallery's database {where} cannot be used: {original}."
    else:
        first = str(original).strip().splitlines()[0] if str(original).strip() else "no details"
        text = f"The gallery's database {where} could not do this: {first}."
    return GalleryProblem(text)


def _is_full(error: BaseException) -> bool:
    original = getattr(error, "orig", None) or error
    name = getattr(original, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_FULL", "SQLITE_IOERR"))


class _Ticket:
    """One caller's job, waiting for a transaction."""

    __slots__ = ("done", "error", "job", "result")

    def __init__(self, job: Job[Any]) -> None:
        self.job = job
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        self.result, self.error, self.done = result, error, True


def _finish(batch: list[_Ticket], outcomes: list[tuple[Any, BaseException | None]]) -> None:
    for ticket, (result, failure) in zip(batch, outcomes, strict=True):
        ticket.finish(result, failure)


class SqliteDatabase:
    """One SQLite file. Jobs that wait at the same time share one transaction (group commit).

    Whoever gets the writer's turn runs every job in the queue, each behind a savepoint, commits
    once, and the others find theirs done. Threads thus never poll each other's file locks, and a
    slow disk's sync is paid once for all; `write` still returns only after the commit.
    """

    dialect = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        read_only: str = "",
        version: tuple[int, int, int] = sqlite3.sqlite_version_info,
        network: bool = False,
        immutable: bool = False,
        on_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """Open `path`; `read_only` is the reason why nothing may be written, or "".

        `on_full` is called when the disk is full; when it freed something (True) the transaction
        is tried once more.
        """
        self.path = path
        self.read_only = read_only
        self.version = version
        self._closed = False
        self.journal_mode = journal_mode(version, network=network)
        self._immutable = immutable
        self._on_full = on_full
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._engine = sa.create_engine(
            "sqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=4,
            max_overflow=-1,
            pool_use_lifo=True,
            isolation_level="AUTOCOMMIT",
        )
        self._turn = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._writer: sa.Connection | None = None

    def _check(self) -> None:
        if self._closed:
            raise GalleryProblem(CLOSED)
        # SQLite connections must not cross a fork: the child leaves them alone and opens its own.
        if os.getpid() != self._pid:
            self._engine.dispose(close=False)
            if self._writer is not None:
                _inherited.append(self._writer)
            self._start()

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self.read_only else "rw"
        address = f"file:{urllib.parse.quote(str(self.path))}?mode={mode}"
        if self._immutable:
            address += "&immutable=1"
        connection = sqlite3.connect(
            address,
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            # The pool hands a connection to one thread at a time.
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("PRAGMA cache_size=-16000")
            if not self.read_only:
                connection.execute("PRAGMA cell_size_check=ON")
                connection.execute("PRAGMA synchronous=FULL")
                if sys.platform == "darwin":
                    connection.execute("PRAGMA fullfsync=1")
                    connection.execute("PRAGMA checkpoint_fullfsync=1")
                self._set_journal(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_journal(self, connection: sqlite3.Connection) -> None:
        wanted = self.journal_mode
        # Asking first: the mode of a rollback journal belongs to the connection, but leaving WAL
        # changes the file and needs it alone.
        (now,) = connection.execute("PRAGMA journal_mode").fetchone()
        with contextlib.suppress(sqlite3.OperationalError):  # it is in use: told below
            if now != wanted:
                (now,) = connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()
        if now != wanted:
            msg = (
                f"The gallery's database {self.path} is in {now.upper()} mode, and cannot be "
                f"brought into {wanted.upper()} mode, which is safe with this SQLite, because "
                "another program has it open; close that one and try again."
            )
            raise GalleryProblem(msg)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one consistent state; keep it short, it delays writers."""
        self._check()
        try:
            with self._engine.connect() as connection:
                raw = _raw(connection)
                raw.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if raw.in_transaction:
                        raw.execute("COMMIT")
        except _DATABASE_ERRORS as error:
            raise explain(error, str(self.path)) from error

    def write(self, job: Job[T]) -> T:
        """Run `job` in one durable transaction, perhaps together with other threads' jobs."""
        if self.read_only:
            raise GalleryProblem(self.read_only)
        self._check()
        ticket = _Ticket(job)
        self._queue.append(ticket)
        try:
            with self._turn:
                while not ticket.done:
                    self._lead()
        except BaseException:
            # Interrupted while waiting or leading: a job not begun is withdrawn.
            if not ticket.done and ticket in self._queue:
                self._queue.remove(ticket)
            raise
        if ticket.error is not None:
            raise ticket.error
        return cast("T", ticket.result)

    def _lead(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
        try:
            if not self._attempt(batch):
                for ticket in batch:
                    self._attempt([ticket])
        except BaseException:
            # Not a job's own error (Ctrl-C while leading): the others take their turns again.
            self._queue.extendleft(reversed([one for one in batch if not one.done]))
            raise

    def _attempt(self, batch: list[_Ticket], *, again: bool = True) -> bool:
        """Run a batch in one transaction; False when it must be run one by one instead."""
        alone = len(batch) == 1
        outcomes: list[tuple[Any, BaseException | None]] = []
        raw, committing = None, False
        try:
            if self._writer is None:
                self._writer = self._engine.connect()
            raw = _raw(self._writer)
            raw.execute("BEGIN IMMEDIATE")
            outcomes += [self._run(ticket, raw, alone=alone) for ticket in batch]
            committing = True
            raw.execute("COMMIT")
        except BaseException as error:
            if not isinstance(error, Exception):
                if raw is not None and committing and not raw.in_transaction:
                    _finish(batch, outcomes)  # Ctrl-C arrived right after the commit
                elif raw is not None and raw.in_transaction:
                    raw.execute("ROLLBACK")
                raise
            if raw is not None and raw.in_transaction:
                raw.execute("ROLLBACK")
            if not alone:
                return False
            full = isinstance(error, _DATABASE_ERRORS) and _is_full(error)
            if again and full and self._on_full():
                return self._attempt(batch, again=False)
            told: Exception = error
            if isinstance(error, _DATABASE_ERRORS):
                told = explain(error, str(self.path))
                told.__cause__ = error
            outcomes = [(None, told)]
        _finish(batch, outcomes)
        return True

    def _run(
        self, ticket: _Ticket, raw: sqlite3.Connection, *, alone: bool
    ) -> tuple[Any, BaseException | None]:
        """One job; when it shares the transaction, its own error undoes only itself."""
        assert self._writer is not None
        if alone:
            return ticket.job(self._writer), None
        raw.execute("SAVEPOINT job")
        try:
            result, failure = ticket.job(self._writer), None
        except Exception as error:
            if isinstance(error, _DATABASE_ERRORS) or not raw.in_transaction:
                raise
            raw.execute("ROLLBACK TO job")
            result, failure = None, error
        raw.execute("RELEASE job")
        return result, failure

    @contextmanager
    def raw(self) -> Iterator[sqlite3.Connection]:
        """The driver's own connection, outside any transaction (backup, checks)."""
        self._check()
        try:
            with self._engine.connect() as connection:
                yield _raw(connection)
        except _DATABASE_ERRORS as error:
            raise explain(error, str(self.path)) from error

    def close(self) -> None:
        """Close all connections; the last one out tidies the planner's statistics."""
        if os.getpid() != self._pid or self._closed:
            return
        with self._turn:
            self._closed = True
            if self._writer is not None:
                try:
                    _raw(self._writer).execute("PRAGMA analysis_limit=400")
                    _raw(self._writer).execute("PRAGMA optimize")
                except sqlite3.Error:
                    pass  # statistics only: a full or busy disk may do without
                self._writer.close()
                self._writer = None
            self._engine.dispose()


# Connections that a child process must neither use nor close.
_inherited: list[sa.Connection] = []


def _raw(connection: sa.Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)
