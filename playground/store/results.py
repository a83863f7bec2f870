"""Writing what arrives: files, pictures, photos, captions. Each function runs inside a write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from playground.size import Size
from playground.store import items, schema, search
from playground.store.records import NewCaption, clean, clean_tags


def insert_new(table: sa.Table, connection: sa.Connection) -> Any:
    """An INSERT that leaves a row that is already there as it is."""
    return _insert(connection.dialect.name, table)


@cache
def _insert(dialect: str, table: sa.Table) -> Any:
    # Loaded for the database that is used: the other one's takes as long as the plan of a folder.
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(table).on_conflict_do_nothing()


def _new(connection: sa.Connection, table: sa.Table, column: str) -> Any:
    return _insert_returning(connection.dialect.name, table, column)


@cache
def _insert_returning(dialect: str, table: sa.Table, column: str) -> Any:
    return _insert(dialect, table).returning(table.c[column])


_REPLACE_THUMBNAIL = sa.update(schema.thumbnails).where(
    schema.thumbnails.c.sha256 == sa.bindparam("of")
)
ADD_COST = (
    sa.update(schema.items)
    .where(schema.items.c.seq == sa.bindparam("at"))
    .values(total_cost=schema.items.c.total_cost + sa.bindparam("more"))
)


def put_file(
    connection: sa.Connection,
    *,
    sha256: str,
    format_: str,
    size: Size,
    size_bytes: int,
    now_us: int,
) -> None:
    """Record a stored original."""
    values = {
        "sha256": sha256,
        "format": format_,
        "size_bytes": size_bytes,
        "width_px": size.width_px,
        "height_px": size.height_px,
        "created_at_us": now_us,
    }
    connection.execute(insert_new(schema.files, connection), values)


def put_thumbnail(connection: sa.Connection, sha256: str, data: bytes, size: Size) -> None:
    """Keep a small picture of an original, replacing an earlier one."""
    table = schema.thumbnails
    values = {"width_px": size.width_px, "height_px": size.height_px, "data": data}
    if not connection.execute(_REPLACE_THUMBNAIL, {"of": sha256, **values}).rowcount:
        connection.execute(insert_new(table, connection), {"sha256": sha256, **values})


def put_item(
    connection: sa.Connection,
    values: Mapping[str, Any],
    *,
    tags: Iterable[str] = (),
    input_hashes: Iterable[str] = (),
    provider: str = "",
) -> tuple[str, bool]:
    """Insert one item with its links and index its texts; its id, and whether it is new.

    `values` are columns of `items`; `provider` is whose model made it. When another item already
    holds this (job key, slot), the answer of the same attempt is left as it is; a second paid
    answer is kept beside the first, without a job key, so that a job has one result and nothing
    paid for is lost.
    """
    row = {**values, "id": items.new_id()}
    if "width_px" not in row:
        of_file = sa.select(schema.files.c.width_px, schema.files.c.height_px)
        size = connection.execute(of_file.where(schema.files.c.sha256 == row["sha256"])).one()
        row |= {"width_px": size.width_px, "height_px": size.height_px}
    seq = connection.execute(_new(connection, schema.items, "seq"), row).scalar_one_or_none()
    if seq is None and values.get("job_key") is not None:
        table = schema.items
        same = sa.and_(table.c.job_key == values["job_key"], table.c.slot == values["slot"])
        query = sa.select(table.c.id, table.c.attempt_id).where(same)
        there = connection.execute(query).one_or_none()
        if there is not None:
            if there.attempt_id == values.get("attempt_id"):
                return str(there.id), False
            row["job_key"] = None
    while seq is None:  # sixty random bits that are taken: draw again
        row["id"] = items.new_id()
        seq = connection.execute(_new(connection, schema.items, "seq"), row).scalar_one_or_none()
    kept = clean_tags(tags)
    if kept:
        links = [{"tag": tag, "item_seq": seq} for tag in kept]
        connection.execute(insert_new(schema.item_tags, connection), links)
    if row.get("model"):
        link_model(connection, seq, row["model"], provider)
    _put_parents(connection, seq, input_hashes)
    fields = {name: row.get(name, "") for name in ("title", "prompt", "alt", "name")}
    words = "\n".join((*kept, row.get("collection", "")))
    search.put(connection, seq, {**fields, "tags": words}, new=True)
    return str(row["id"]), True


def link_model(connection: sa.Connection, seq: int, model: str, provider: str = "") -> None:
    """Note that a model of a provider made or captioned an item (the facets of these names)."""
    values = {"model": model, "item_seq": seq, "provider": provider}
    connection.execute(insert_new(schema.item_models, connection), values)


def _put_parents(connection: sa.Connection, seq: int, hashes: Iterable[str]) -> None:
    for position, sha256 in enumerate(hashes):
        parent = connection.execute(_FIRST_OF_FILE, {"sha256": sha256}).scalar_one_or_none()
        if parent is not None and parent != seq:
            values = {"item_seq": seq, "position": position, "parent_seq": parent}
            connection.execute(insert_new(schema.parents, connection), values)


_FIRST_OF_FILE = (
    sa.select(schema.items.c.seq)
    .where(schema.items.c.sha256 == sa.bindparam("sha256"))
    .order_by(schema.items.c.deleted_at_us.is_not(None), schema.items.c.seq)
    .limit(1)
)


def first_of_file(connection: sa.Connection, sha256: str) -> int | None:
    """The oldest item with this original, one that is not in the trash before one that is."""
    found = connection.execute(_FIRST_OF_FILE, {"sha256": sha256}).scalar_one_or_none()
    return None if found is None else int(found)


def put_caption(
    connection: sa.Connection, caption: NewCaption, values: Mapping[str, Any], *, provider: str = ""
) -> None:
    """Insert one caption, add its cost to the item's and index its words.

    `values` are columns of `captions` that the attempt knows, `provider` is whose model it was.
    """
    seq = items.resolve(connection, caption.item_id)
    row = {
        **values,
        "item_seq": seq,
        "slot": caption.slot,
        "task": caption.task,
        "text": clean(caption.text),
        "tags": json.dumps(clean_tags(caption.tags)) if caption.tags else None,
        "data": json.dumps(caption.data) if caption.data is not None else None,
    }
    insert = _new(connection, schema.captions, "id")
    if connection.execute(insert, row).scalar_one_or_none() is None:
        table = schema.captions
        same = sa.and_(table.c.job_key == row["job_key"], table.c.slot == row["slot"])
        there = connection.execute(sa.select(table.c.attempt_id).where(same)).scalar_one()
        if there == row.get("attempt_id"):
            return
        connection.execute(insert, {**row, "job_key": None})
    link_model(connection, seq, row["model"], provider)
    if row.get("billed"):
        connection.execute(ADD_COST, {"at": seq, "more": row["billed"]})
    items.reindex(connection, seq)
