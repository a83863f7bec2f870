"""This process in a gallery: its lease, its heartbeat, and what it sent.

*Sent* is a line in a file, not a transaction: `<spool>/<owner>.sent` survives the death of the
process without an fsync. An open attempt of a dead owner that no such file names was surely never
sent; after a restart of the machine, when unsynced writes prove nothing, every one counts as
sent. So a call pays for two durable transactions, not three.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from playground.errors import GalleryProblem
from playground.store import leases, results, schema
from playground.store.database import Database

_LOG_BYTES = 1024 * 1024
_owners = schema.owners
_LEASES = sa.select(_owners)


class Presence:
    """One process's lease on one gallery; a forked child gets its own."""

    def __init__(self, database: Database, spool: Path, now_us: Callable[[], int]) -> None:
        self._database = database
        self._spool = spool
        self._now_us = now_us
        self._owner: leases.Owner | None = None
        self._lock = threading.Lock()
        self._registered = False
        self._log: int | None = None
        self._log_bytes = 0
        self._stop = threading.Event()
        # Attempts of this process that have not ended.
        self.open: set[str] = set()

    def own(self) -> leases.Owner:
        """The lease of the running process."""
        with self._lock:
            if self._owner is None or self._owner.pid != leases.current_pid():
                self._owner = leases.this_process(secrets.token_hex(8), self._spool)
                self._registered = False
                self._log = None
                self.open = set()
            return self._owner

    def register(self, connection: sa.Connection) -> None:
        """Put the lease into the database, in the transaction of the first reservation."""
        if self._registered:
            return
        owner, now_us = self.own(), self._now_us()
        values = {
            "id": owner.id,
            "host": owner.host,
            "boot_id": owner.boot_id,
            "pid": owner.pid,
            "started": owner.started,
            "spool": owner.spool,
            "opened_at_us": now_us,
            "heartbeat_at_us": now_us,
        }
        connection.execute(results.insert_new(_owners, connection), values)

    def registered(self) -> None:
        """The reservation was committed: from now on the heart beats."""
        if not self._registered:
            self._registered = True
            self._tidy()
            _start_beating(self, self._stop)

    def beat(self) -> None:
        """Tell other hosts that this process still lives."""
        if self._registered:
            self._touch(self.own(), heartbeat_at_us=self._now_us())

    def _touch(self, owner: leases.Owner, **values: int) -> None:
        done = sa.update(_owners).where(_owners.c.id == owner.id).values(values)
        self._database.write(lambda connection: connection.execute(done))

    def close(self) -> None:
        """End the lease: what was left open can be recovered at once."""
        self._stop.set()
        owner = self._owner
        if not self._registered or owner is None or owner.pid != leases.current_pid():
            return
        self._registered = False
        self._touch(owner, closed_at_us=self._now_us())
        if self._log is not None:
            os.close(self._log)
            self._log = None
            if not self.open:
                self._log_of(owner.id).unlink(missing_ok=True)

    # -- what was sent -------------------------------------------------------------------------

    def mark_sent(self, attempt_id: str) -> None:
        """Note that a request is about to leave.

        Raises:
            GalleryProblem: when that cannot be written; then nothing may be sent.
        """
        owner = self.own()
        try:
            with self._lock:
                if self._log is None:
                    how = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                    self._log = os.open(self._log_of(owner.id), how, 0o600)
                os.write(self._log, f"{attempt_id}\n".encode())
                self._log_bytes += len(attempt_id) + 1
        except OSError as error:
            msg = (
                f"The call was not sent, because {self._spool} cannot be written: "
                f"{error.strerror}. Nothing was spent."
            )
            raise GalleryProblem(msg) from error

    def ended(self, attempt_id: str) -> None:
        """An attempt is accounted for: its mark is no longer needed."""
        self.open.discard(attempt_id)
        if self._log_bytes > _LOG_BYTES and self._log is not None:
            with self._lock:
                if not self.open:
                    os.ftruncate(self._log, 0)
                    self._log_bytes = 0

    def _log_of(self, owner_id: str) -> Path:
        return self._spool / f"{owner_id}.sent"

    def sent(self) -> frozenset[str]:
        """Every attempt that any process on this spool marked as sent."""
        marked: set[str] = set()
        for path in self._spool.glob("*.sent"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                marked.update(path.read_text(encoding="ascii").split())
        return frozenset(marked)

    def _tidy(self) -> None:
        """Remove the marks of processes that ended with nothing open."""
        logs = {path.stem: path for path in self._spool.glob("*.sent")}
        if not logs.keys() - {self.own().id}:
            return
        attempts = schema.attempts
        busy = sa.select(attempts.c.owner_id).where(attempts.c.state.in_(("reserved", "sent")))
        with self._database.read() as connection:
            rows = connection.execute(_LEASES.where(_owners.c.id.in_(list(logs)))).all()
            needed = set(connection.execute(busy.distinct()).scalars()) | self.living(rows)
        for row in rows:
            if row.id not in needed:
                logs[row.id].unlink(missing_ok=True)

    # -- others --------------------------------------------------------------------------------

    def living(self, rows: Iterable[sa.Row[Any]]) -> set[str]:
        """The ids of those owners (rows of `owners`) that may still be running."""
        now_us = self._now_us()
        return {row.id for row in rows if row.closed_at_us is None and _lives(row, now_us)}

    def sees_all_of(self, row: sa.Row[Any]) -> bool:
        """Whether everything that an owner marked is visible here, even without fsync."""
        return leases.shares_files(_owner(row), leases.this_process("", self._spool))


def _owner(row: sa.Row[Any]) -> leases.Owner:
    return leases.Owner(row.id, row.host, row.boot_id, row.pid, row.started, row.spool)


def _lives(row: sa.Row[Any], now_us: int) -> bool:
    age_seconds = (now_us - row.heartbeat_at_us) / 1e6
    return leases.lives(_owner(row), heartbeat_age_seconds=age_seconds)


def _start_beating(presence: Presence, stop: threading.Event) -> None:
    """Beat in a thread of its own, as long as somebody uses the ledger."""
    known = weakref.ref(presence)

    def beat() -> None:
        while not stop.wait(leases.HEARTBEAT_SECONDS):
            alive = known()
            if alive is None:
                return
            # A failed beat is tried again; a full disk is told where money is spent.
            with contextlib.suppress(GalleryProblem):
                alive.beat()
            del alive

    threading.Thread(target=beat, name="gallery-heartbeat", daemon=True).start()
