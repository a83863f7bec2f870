"""Forward-only schema changes, each in one transaction with its record, after a backup.

`STEPS` is append-only: a step that was released is never edited, because galleries exist that
took it. A new gallery is made at the newest version at once; a test compares both ways.
Killed inside a step, the transaction is undone and the next open takes the step again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from playground import failpoints
from playground._version import __version__
from playground.store import schema, search
from playground.store.database import Database


@dataclass(frozen=True, slots=True)
class Step:
    """How to get to `version` from the one before; statements by dialect, `any` for both."""

    version: int
    name: str
    statements: tuple[tuple[str, str], ...]


STEPS: tuple[Step, ...] = (
    Step(
        2,
        "know which models touched an item",
        (
            (
                "sqlite",
                "CREATE TABLE item_models (model TEXT NOT NULL, item_seq INTEGER NOT NULL, "
                "PRIMARY KEY (model, item_seq), FOREIGN KEY(item_seq) REFERENCES items (seq)) "
                "STRICT, WITHOUT ROWID",
            ),
            (
                "postgresql",
                "CREATE TABLE item_models (model TEXT NOT NULL, item_seq BIGINT NOT NULL, "
                "PRIMARY KEY (model, item_seq), FOREIGN KEY(item_seq) REFERENCES items (seq))",
            ),
            (
                "any",
                "INSERT INTO item_models (model, item_seq) "
                "SELECT model, seq FROM items WHERE model IS NOT NULL "
                "UNION SELECT model, item_seq FROM captions",
            ),
        ),
    ),
    Step(
        3,
        "keep batches of calls",
        (
            (
                "sqlite",
                "CREATE TABLE batches (id TEXT NOT NULL, phase TEXT NOT NULL, provider "
                "TEXT NOT NULL, model TEXT NOT NULL, endpoint TEXT NOT NULL, run_id TEXT "
                "NOT NULL, owner_id TEXT NOT NULL, sample INTEGER DEFAULT 0 NOT NULL, "
                "lines INTEGER NOT NULL, size_bytes INTEGER NOT NULL, file_id TEXT, "
                "remote_id TEXT, output_file_id TEXT, error_file_id TEXT, status TEXT "
                "DEFAULT '' NOT NULL, completed INTEGER DEFAULT 0 NOT NULL, failed "
                "INTEGER DEFAULT 0 NOT NULL, reason TEXT DEFAULT '' NOT NULL, "
                "created_at_us INTEGER NOT NULL, asked_at_us INTEGER, checked_at_us "
                "INTEGER, ended_at_us INTEGER, PRIMARY KEY (id), CONSTRAINT known_phase "
                "CHECK (phase IN ('built', 'uploaded', 'creating', 'running', 'done', "
                "'dropped')), FOREIGN KEY(owner_id) REFERENCES owners (id)) STRICT",
            ),
            (
                "postgresql",
                "CREATE TABLE batches (id TEXT NOT NULL, phase TEXT NOT NULL, provider "
                "TEXT NOT NULL, model TEXT NOT NULL, endpoint TEXT NOT NULL, run_id TEXT "
                "NOT NULL, owner_id TEXT NOT NULL, sample BIGINT DEFAULT 0 NOT NULL, "
                "lines BIGINT NOT NULL, size_bytes BIGINT NOT NULL, file_id TEXT, "
                "remote_id TEXT, output_file_id TEXT, error_file_id TEXT, status TEXT "
                "DEFAULT '' NOT NULL, completed BIGINT DEFAULT 0 NOT NULL, failed BIGINT "
                "DEFAULT 0 NOT NULL, reason TEXT DEFAULT '' NOT NULL, created_at_us "
                "BIGINT NOT NULL, asked_at_us BIGINT, checked_at_us BIGINT, ended_at_us "
                "BIGINT, PRIMARY KEY (id), CONSTRAINT known_phase CHECK (phase IN "
                "('built', 'uploaded', 'creating', 'running', 'done', 'dropped')), "
                "FOREIGN KEY(owner_id) REFERENCES owners (id))",
            ),
            (
                "any",
                "CREATE INDEX batches_open ON batches (phase) "
                "WHERE phase NOT IN ('done', 'dropped')",
            ),
            ("any", "ALTER TABLE attempts ADD COLUMN batch_id TEXT REFERENCES batches (id)"),
            (
                "any",
                "CREATE INDEX attempts_by_batch ON attempts (batch_id) WHERE batch_id IS NOT NULL",
            ),
        ),
    ),
    Step(
        4,
        "lay out, name searches, and undo together",
        (
            *(
                (dialect, f"ALTER TABLE items ADD COLUMN {column} {kind}{rest}")
                for dialect, kind in (("sqlite", "INTEGER"), ("postgresql", "BIGINT"))
                for column, rest in (
                    ("width_px", " NOT NULL DEFAULT 0"),
                    ("height_px", " NOT NULL DEFAULT 0"),
                    ("tint", ""),
                )
            ),
            (
                "any",
                "UPDATE items SET "
                "width_px = (SELECT f.width_px FROM files f WHERE f.sha256 = items.sha256), "
                "height_px = (SELECT f.height_px FROM files f WHERE f.sha256 = items.sha256)",
            ),
            ("any", "ALTER TABLE item_models ADD COLUMN provider TEXT NOT NULL DEFAULT ''"),
            ("any", "CREATE INDEX models_by_item ON item_models (item_seq)"),
            (
                "any",
                "UPDATE item_models SET provider = coalesce("
                "(SELECT min(a.provider) FROM items i JOIN attempts a ON a.id = i.attempt_id "
                "WHERE i.seq = item_models.item_seq AND i.model = item_models.model), "
                "(SELECT min(a.provider) FROM captions c JOIN attempts a ON a.id = c.attempt_id "
                "WHERE c.item_seq = item_models.item_seq AND c.model = item_models.model), '')",
            ),
            ("any", "CREATE INDEX captions_as_alt ON captions (item_seq) WHERE task = 'alt'"),
            ("any", "ALTER TABLE history ADD COLUMN change_id TEXT"),
            (
                "any",
                "CREATE INDEX history_by_change ON history (change_id) WHERE change_id IS NOT NULL",
            ),
            (
                "sqlite",
                "CREATE TABLE searches (name TEXT NOT NULL, query TEXT NOT NULL, "
                "sort TEXT NOT NULL, created_at_us INTEGER NOT NULL, PRIMARY KEY (name)) STRICT",
            ),
            (
                "postgresql",
                "CREATE TABLE searches (name TEXT NOT NULL, query TEXT NOT NULL, "
                "sort TEXT NOT NULL, created_at_us BIGINT NOT NULL, PRIMARY KEY (name))",
            ),
        ),
    ),
)


def create(connection: sa.Connection, *, gallery_id: str, now_us: int) -> None:
    """Make all tables of a new gallery, at the newest version."""
    if connection.dialect.name == "postgresql":
        schema.for_postgres()
    schema.metadata.create_all(connection)
    ddl = search.SQLITE_DDL if connection.dialect.name == "sqlite" else search.POSTGRES_DDL
    for statement in ddl:
        connection.exec_driver_sql(statement)
    connection.execute(
        sa.insert(schema.meta),
        [
            {"key": "gallery_id", "value": gallery_id},
            {"key": "schema_version", "value": str(schema.VERSION)},
            {"key": "made_by", "value": f"halfpenny {__version__}"},
        ],
    )
    connection.execute(sa.insert(schema.budgets).values(scope="gallery", name=""))
    _record(connection, schema.VERSION, "created", now_us)


def version_of(connection: sa.Connection) -> int:
    """The schema version of an existing gallery: the newer of what its two marks say."""
    query = sa.select(schema.meta.c.value).where(schema.meta.c.key == "schema_version")
    version = int(connection.execute(query).scalar_one())
    if connection.dialect.name == "sqlite":
        mark = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        version = max(version, int(mark))
    return version


def migrate(
    database: Database, *, back_up: Callable[[int], object], now_us: Callable[[], int]
) -> list[str]:
    """Bring an older gallery to the newest version; the names of the steps that were taken.

    `back_up` gets the version before the first step. Two programs may do this at the same time:
    each step looks again, inside its transaction, whether it is still to be taken.
    """
    with database.read() as connection:
        before = version_of(connection)
    steps = [step for step in STEPS if step.version > before]
    if not steps:
        return []
    back_up(before)
    return [step.name for step in steps if database.write(_taking(step, now_us()))]


def _taking(step: Step, now_us: int) -> Callable[[sa.Connection], bool]:
    return lambda connection: _take(connection, step, now_us)


def _take(connection: sa.Connection, step: Step, now_us: int) -> bool:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE meta IN EXCLUSIVE MODE")
    if version_of(connection) >= step.version:
        return False
    for dialect, statement in step.statements:
        if dialect in {"any", connection.dialect.name}:
            connection.exec_driver_sql(statement)
        failpoints.hit("in_migration")
    row = schema.meta.c.key == "schema_version"
    connection.execute(sa.update(schema.meta).where(row).values(value=str(step.version)))
    _record(connection, step.version, step.name, now_us)
    return True


def _record(connection: sa.Connection, version: int, name: str, now_us: int) -> None:
    values = {"version": version, "name": name, "at_us": now_us}
    connection.execute(sa.insert(schema.migrations).values(values))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
