"""Many new items in one transaction, a statement a table: ten times as many a second as one by one.

The rows are those that `results.put_item` and `imported.put` make.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from playground.store import items, results, schema, search
from playground.store.database import execute_many
from playground.store.imported import Imported
from playground.store.records import clean, clean_tags, microseconds

_AT_ONCE = 500
_SEQS = sa.select(schema.items.c.id, schema.items.c.seq).where(
    schema.items.c.id.in_(sa.bindparam("ids", expanding=True))
)


def put(connection: sa.Connection, batch: Sequence[Imported], now_us: int) -> list[str]:
    """Make an item of each; their ids. The files' bytes are kept already."""
    if not batch:
        return []
    ids = [items.new_id() for _ in batch]
    moments = [now_us if one.at is None else microseconds(one.at) for one in batch]
    _insert(connection, schema.files, {str(one.photo.sha256): _file(one, now_us) for one in batch})
    small = {str(one.photo.sha256): one.thumbnail for one in batch if one.thumbnail is not None}
    for sha256, (data, size) in small.items():
        results.put_thumbnail(connection, sha256, data, size)
    execute_many(
        connection,
        sa.insert(schema.items),
        [_item(one, id_, at) for one, id_, at in zip(batch, ids, moments, strict=True)],
    )
    seqs: dict[str, int] = {}
    for at in range(0, len(ids), _AT_ONCE):
        for row in connection.execute(_SEQS, {"ids": ids[at : at + _AT_ONCE]}):
            seqs[row.id] = row.seq
    tags, models, words, entries = [], {}, [], []
    for one, id_, at in zip(batch, ids, moments, strict=True):
        seq = seqs[id_]
        kept = clean_tags(one.tags)
        tags += [{"tag": tag, "item_seq": seq} for tag in kept]
        if one.model:
            models[one.model, seq] = {"model": one.model, "item_seq": seq, "provider": one.source}
        spoken = []
        for said in one.captions:
            told = clean_tags(said.tags)
            spoken += [clean(said.text), *told]
            if said.data is not None:
                spoken.append(json.dumps(said.data, ensure_ascii=False))
            words.append(
                {
                    "item_seq": seq,
                    "created_at_us": at if said.at is None else microseconds(said.at),
                    "task": said.task,
                    "model": clean(said.model),
                    "text": clean(said.text),
                    "tags": json.dumps(told) if told else None,
                    "data": None if said.data is None else json.dumps(said.data),
                }
            )
            link = {"model": said.model, "item_seq": seq, "provider": one.source}
            models[said.model, seq] = link
        entries.append(
            (
                seq,
                {
                    "title": clean(one.title),
                    "prompt": clean(one.prompt),
                    "captions": "\n".join(spoken),
                    "notes": clean(one.note),
                    "tags": "\n".join((*kept, clean(one.collection))),
                    "alt": clean(one.alt),
                    "name": clean(one.name),
                },
            )
        )
    for table, rows in ((schema.item_tags, tags), (schema.item_models, list(models.values()))):
        if rows:
            execute_many(connection, results.insert_new(table, connection), rows)
    if words:
        execute_many(connection, sa.insert(schema.captions), words)
    search.put_new(connection, entries)
    return ids


def _insert(connection: sa.Connection, table: sa.Table, rows: dict[str, dict[str, Any]]) -> None:
    execute_many(connection, results.insert_new(table, connection), list(rows.values()))


def _file(one: Imported, now_us: int) -> dict[str, Any]:
    return {
        "sha256": one.photo.sha256,
        "format": one.photo.format,
        "size_bytes": one.photo.size_bytes or 0,
        "width_px": one.photo.width_px,
        "height_px": one.photo.height_px,
        "created_at_us": now_us,
    }


def _item(one: Imported, id_: str, at: int) -> dict[str, Any]:
    return {
        "id": id_,
        "kind": one.kind,
        "sha256": one.photo.sha256,
        "created_at_us": at,
        "name": clean(one.name),
        "title": clean(one.title),
        "prompt": clean(one.prompt),
        "alt": clean(one.alt),
        "note": clean(one.note),
        "collection": clean(one.collection),
        "model": one.model or None,
        "asked_size": one.asked_size or None,
        "quality": one.quality or None,
        "rating": one.rating,
        "width_px": one.photo.width_px,
        "height_px": one.photo.height_px,
    }
