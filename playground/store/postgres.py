"""The same transactions on PostgreSQL: rows are locked, jobs run side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from playground.errors import GalleryProblem
from playground.store.database import CLOSED, Job, T, explain


class PostgresDatabase:
    """A PostgreSQL database by URL (driver: psycopg 3). Rows are locked, jobs run side by side."""

    dialect = "postgresql"

    def __init__(self, url: str, *, read_only: str = "") -> None:
        """Connect to `url` (postgresql://user:password@host/name).

        Raises:
            GalleryProblem: when the driver is missing or the server cannot be reached.
        """
        self.read_only = read_only
        self._closed = False
        try:
            self._url = sa.make_url(url).set(drivername="postgresql+psycopg")
            shown = self._url.set(drivername="postgresql")
            self.name = shown.render_as_string(hide_password=True)
            self._start()
        except ModuleNotFoundError as error:
            msg = "PostgreSQL needs the driver psycopg: pip install 'halfpenny[postgres]'"
            raise GalleryProblem(msg) from error
        except sa.exc.ArgumentError as error:
            msg = "the gallery's address is not a URL like postgresql://user@host/name"
            raise GalleryProblem(msg) from error

    def _start(self) -> None:
        self._pid = os.getpid()
        self._engine = sa.create_engine(
            self._url, pool_size=4, max_overflow=60, pool_use_lifo=True, pool_pre_ping=True
        )

        @event.listens_for(self._engine, "connect")
        def durable(connection: Any, _record: Any) -> None:
            connection.autocommit = True
            connection.execute("SET synchronous_commit TO on")
            connection.execute("SET lock_timeout TO '30s'")
            connection.autocommit = False

    def _check(self) -> None:
        if self._closed:
            raise GalleryProblem(CLOSED)
        if os.getpid() != self._pid:
            self._engine.dispose(close=False)
            self._start()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one consistent state."""
        self._check()
        try:
            with self._engine.connect().execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            ) as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise explain(error, self.name) from error

    def write(self, job: Job[T]) -> T:
        """Run `job` in one durable transaction; deadlocks and lost races are tried again."""
        if self.read_only:
            raise GalleryProblem(self.read_only)
        self._check()
        for tries_left in (4, 3, 2, 1, 0):
            try:
                with self._engine.begin() as connection:
                    return job(connection)
            except sa.exc.DBAPIError as error:
                lost_race = getattr(error.orig, "sqlstate", None) in {"40001", "40P01"}
                if not (lost_race and tries_left):
                    raise explain(error, self.name) from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        self._engine.dispose(close=os.getpid() == self._pid)
