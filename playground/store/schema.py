"""The tables, for SQLite and PostgreSQL alike (version `VERSION`).

Times are microseconds since 1970 (UTC), money is whole picodollars, both 64-bit integers.
`items.seq` is the order of arrival, which pages are keyed by; `items.id` is what people type.
Nothing here is ever deleted: an item in the trash has `deleted_at_us`.

    owners ─< attempts ─< items >─ files ─ thumbnails
    batches ─<┘          items ─< captions, item_tags, item_models, parents, history
    budgets
    searches
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import sqlite

VERSION = 4
# "HPNY": tells our database from any other SQLite file (`PRAGMA application_id`).
APPLICATION_ID = 0x48504E59

Whole = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
metadata = MetaData()

_KIND = "kind IN ('image', 'edit', 'photo')"


def _required(
    name: str, kind: type[Text] | BigInteger = Text, default: str | int = ""
) -> Column[Any]:
    shown = f"'{default}'" if isinstance(default, str) else str(default)
    return Column(name, kind, nullable=False, server_default=text(shown))


def _partial(name: str, *columns: Column[Any], where: str) -> None:
    """An index over some rows only."""
    Index(name, *columns, sqlite_where=text(where), info={"where": where})


def for_postgres() -> None:
    """Tell the partial indexes PostgreSQL's way too.

    Not when they are defined: SQLAlchemy would load that dialect, whatever database is used.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            if "where" in index.info:
                index.dialect_options["postgresql"]["where"] = text(index.info["where"])


meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
)

migrations = Table(
    "migrations",
    metadata,
    Column("version", Whole, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("at_us", Whole, nullable=False),
    sqlite_strict=True,
)

# One row for the gallery (name ''), one per UTC day, one per run; `overruns` and `day` (the
# latest day ever seen) are kept on the gallery's row, which every money transaction changes.
budgets = Table(
    "budgets",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    _required("settled", Whole, 0),
    _required("held", Whole, 0),
    _required("sample", Whole, 0),
    Column("cap", Whole),
    _required("overruns", Whole, 0),
    _required("day"),
    CheckConstraint("settled >= 0 AND held >= 0 AND sample >= 0", name="never_negative"),
    CheckConstraint("scope IN ('gallery', 'day', 'run')", name="known_scope"),
    sqlite_strict=True,
)

owners = Table(
    "owners",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("pid", Whole, nullable=False),
    Column("started", Text, nullable=False),
    Column("spool", Text, nullable=False),
    Column("opened_at_us", Whole, nullable=False),
    Column("heartbeat_at_us", Whole, nullable=False),
    Column("closed_at_us", Whole),
    sqlite_strict=True,
)

# One batch of many calls at a provider. `phase` is how far it came here, `status` what the
# provider said last; `remote_id` is the provider's id of it (`id`, ours, is in its metadata).
batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("phase", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("owner_id", Text, ForeignKey("owners.id"), nullable=False),
    _required("sample", Whole, 0),
    Column("lines", Whole, nullable=False),
    Column("size_bytes", Whole, nullable=False),
    Column("file_id", Text),
    Column("remote_id", Text),
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    _required("status"),
    _required("completed", Whole, 0),
    _required("failed", Whole, 0),
    _required("reason"),
    Column("created_at_us", Whole, nullable=False),
    Column("asked_at_us", Whole),
    Column("checked_at_us", Whole),
    Column("ended_at_us", Whole),
    CheckConstraint(
        "phase IN ('built', 'uploaded', 'creating', 'running', 'done', 'dropped')",
        name="known_phase",
    ),
    sqlite_strict=True,
)
_UNFINISHED = "phase NOT IN ('done', 'dropped')"
_partial("batches_open", batches.c.phase, where=_UNFINISHED)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_key", Text, nullable=False),
    Column("slots", Whole, nullable=False),
    Column("state", Text, nullable=False),
    Column("hold", Whole, nullable=False),
    Column("cost", Whole),
    Column("quoted_low", Whole),
    Column("quoted_high", Whole),
    Column("day", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("run_id", Text),
    _required("sample", Whole, 0),
    Column("owner_id", Text, ForeignKey("owners.id"), nullable=False),
    Column("price_version", Text, nullable=False),
    Column("request_key", Text, nullable=False),
    Column("created_at_us", Whole, nullable=False),
    Column("sent_at_us", Whole),
    Column("ended_at_us", Whole),
    Column("acknowledged_at_us", Whole),
    _required("decided", Whole, 0),
    _required("reason"),
    Column("request_id", Text),
    Column("request", Text, nullable=False),
    Column("rates", Text),
    Column("usage", Text),
    Column("receipt", Text),
    Column("problems", Text),
    Column("batch_id", Text, ForeignKey("batches.id")),
    CheckConstraint(
        "state IN ('reserved', 'sent', 'settled', 'released', 'unknown', 'overrun')",
        name="known_state",
    ),
    CheckConstraint("hold >= 0 AND (cost IS NULL OR cost >= 0)", name="no_negative_money"),
    sqlite_strict=True,
)
Index("attempts_by_job", attempts.c.job_key)
_OPEN = "state IN ('reserved', 'sent', 'unknown', 'overrun')"
_partial("attempts_open", attempts.c.state, where=_OPEN)
_BATCHED = "batch_id IS NOT NULL"
_partial("attempts_by_batch", attempts.c.batch_id, where=_BATCHED)

files = Table(
    "files",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("format", Text, nullable=False),
    Column("size_bytes", Whole, nullable=False),
    Column("width_px", Whole, nullable=False),
    Column("height_px", Whole, nullable=False),
    Column("created_at_us", Whole, nullable=False),
    sqlite_strict=True,
)

thumbnails = Table(
    "thumbnails",
    metadata,
    Column("sha256", Text, ForeignKey("files.sha256"), primary_key=True),
    Column("width_px", Whole, nullable=False),
    Column("height_px", Whole, nullable=False),
    Column("data", LargeBinary, nullable=False),
    sqlite_strict=True,
)

items = Table(
    "items",
    metadata,
    Column("seq", Whole, Identity(), primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("sha256", Text, ForeignKey("files.sha256"), nullable=False),
    Column("job_key", Text),
    _required("slot", Whole, 0),
    Column("attempt_id", Text, ForeignKey("attempts.id")),
    Column("created_at_us", Whole, nullable=False),
    Column("deleted_at_us", Whole),
    _required("version", Whole, 1),
    _required("rating", Whole, 0),
    _required("total_cost", Whole, 0),
    Column("billed", Whole),
    Column("quoted_low", Whole),
    Column("quoted_high", Whole),
    _required("sample", Whole, 0),
    Column("model", Text),
    Column("tier", Text),
    Column("asked_size", Text),
    Column("quality", Text),
    _required("collection"),
    _required("name"),
    _required("title"),
    _required("prompt"),
    _required("alt"),
    _required("note"),
    Column("usage", Text),
    # The file's own size said again, and the picture's mean colour (0xRRGGBB): a wall of pictures
    # is laid out before any file is looked at.
    _required("width_px", Whole, 0),
    _required("height_px", Whole, 0),
    Column("tint", Whole),
    UniqueConstraint("job_key", "slot", name="one_result_per_slot"),
    CheckConstraint(_KIND, name="known_kind"),
    sqlite_strict=True,
)
_DELETED = "deleted_at_us IS NOT NULL"
_IN_COLLECTION = "collection <> ''"
_RATED = "rating > 0"
Index("items_by_file", items.c.sha256)
Index("items_by_attempt", items.c.attempt_id)
Index("items_by_kind", items.c.kind, items.c.seq)
Index("items_by_time", items.c.created_at_us)
Index("items_by_cost", items.c.total_cost, items.c.seq)
Index("items_by_rating", items.c.rating, items.c.seq)
_partial("items_in_trash", items.c.seq, where=_DELETED)
_partial("items_by_collection", items.c.collection, items.c.seq, where=_IN_COLLECTION)

captions = Table(
    "captions",
    metadata,
    Column("id", Whole, Identity(), primary_key=True),
    Column("item_seq", Whole, ForeignKey("items.seq"), nullable=False),
    Column("job_key", Text),
    _required("slot", Whole, 0),
    Column("attempt_id", Text, ForeignKey("attempts.id")),
    Column("created_at_us", Whole, nullable=False),
    Column("task", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("billed", Whole),
    Column("quoted_low", Whole),
    Column("quoted_high", Whole),
    _required("sample", Whole, 0),
    Column("text", Text, nullable=False),
    Column("tags", Text),
    Column("data", Text),
    Column("usage", Text),
    UniqueConstraint("job_key", "slot", name="one_caption_per_slot"),
    sqlite_strict=True,
)
Index("captions_by_item", captions.c.item_seq)
Index("captions_by_attempt", captions.c.attempt_id)
_ALT = "task = 'alt'"
_partial("captions_as_alt", captions.c.item_seq, where=_ALT)

item_tags = Table(
    "item_tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("item_seq", Whole, ForeignKey("items.seq"), primary_key=True, autoincrement=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
Index("tags_by_item", item_tags.c.item_seq)

# Which models made or captioned an item, and through which provider: the `model` and `provider`
# facets, without looking at its captions.
item_models = Table(
    "item_models",
    metadata,
    Column("model", Text, primary_key=True),
    Column("item_seq", Whole, ForeignKey("items.seq"), primary_key=True, autoincrement=False),
    _required("provider"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
Index("models_by_item", item_models.c.item_seq)

parents = Table(
    "parents",
    metadata,
    Column("item_seq", Whole, ForeignKey("items.seq"), primary_key=True, autoincrement=False),
    Column("position", Whole, primary_key=True, autoincrement=False),
    Column("parent_seq", Whole, ForeignKey("items.seq"), nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
Index("parents_by_parent", parents.c.parent_seq)

# Every edit of an item: what the changed fields were and became. `version` is the item's after
# the edit; 0 marks an edit that was refused because somebody else had changed the same field.
# Edits of many items that were made at once share a `change_id`, and are undone at once.
history = Table(
    "history",
    metadata,
    Column("id", Whole, Identity(), primary_key=True),
    Column("item_seq", Whole, ForeignKey("items.seq"), nullable=False),
    Column("version", Whole, nullable=False),
    Column("at_us", Whole, nullable=False),
    Column("who", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("change_id", Text),
    sqlite_strict=True,
)
Index("history_by_item", history.c.item_seq, history.c.version)
_TOGETHER = "change_id IS NOT NULL"
_partial("history_by_change", history.c.change_id, where=_TOGETHER)

# Searches that were given a name.
searches = Table(
    "searches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("query", Text, nullable=False),
    Column("sort", Text, nullable=False),
    Column("created_at_us", Whole, nullable=False),
    sqlite_strict=True,
)
