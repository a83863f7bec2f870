"""Annotations: rating, note, title, alt text, tags, collection, trash; each edit is recorded.

Two people lose nothing: an edit changes only the fields it names; when it was made on an older
version and somebody else changed the same field meanwhile, it is refused, and both values stay
in the item's history.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from playground.errors import GalleryProblem, InvalidRequest
from playground.store import items, results, schema
from playground.store.records import clean, clean_tags, known_moment
from playground.values import GalleryItem

MAX_TEXT_CHARS = 100_000
STARS = 5
_TEXTS = ("title", "note", "alt", "collection", "caption")


@dataclass(frozen=True, slots=True)
class Edit:
    """One recorded edit: the fields before and after. `refused` marks the losing side of two.

    Edits that were made at once share a `change_id`, by which they are undone (`changes.undo`).
    """

    at: datetime
    who: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    version: int
    refused: bool = False
    change_id: str | None = None


def check(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as they are stored: texts cleaned, a rating of None as 0.

    Raises:
        InvalidRequest: for a rating that is not 1 to 5, or a text that is too long.
    """
    kept: dict[str, Any] = {}
    for name, value in changes.items():
        if name == "rating":
            stars = 0 if value is None else value
            if isinstance(stars, bool) or not isinstance(stars, int) or not 0 <= stars <= STARS:
                msg = f"a rating is 1 to {STARS} stars (or none), not {value!r}"
                raise InvalidRequest(msg)
            kept[name] = stars
        else:
            text = clean(value or "")
            if len(text) > MAX_TEXT_CHARS:
                msg = f"a {name} has at most {MAX_TEXT_CHARS:,} characters, not {len(text):,}"
                raise InvalidRequest(msg)
            kept[name] = text
    return kept


def annotate(
    connection: sa.Connection,
    item_id: str,
    changes: Mapping[str, Any],
    *,
    tag: Iterable[str],
    untag: Iterable[str],
    expected_version: int | None,
    who: str,
    now_us: int,
) -> GalleryItem | GalleryProblem:
    """Change an item; a conflict is returned, not raised, so that its record is committed."""
    row = _locked(connection, item_id)
    (item,) = items.load(connection, [row.seq])
    now, own = present(item)
    new = {name: value for name, value in changes.items() if value != now[name]}
    if expected_version is not None and expected_version != item.version:
        conflict = _conflict(connection, row.seq, expected_version, now, new)
        if conflict:
            refused = {name: new[name] for name in conflict}
            _record(connection, row.seq, 0, now_us, who, {n: now[n] for n in refused}, refused)
            return _told(item.id, conflict, refused)
    before = {name: now[name] for name in new}
    after: dict[str, Any] = dict(new)
    tags = _retag(connection, row.seq, item.tags, clean_tags(tag), clean_tags(untag))
    if tags != item.tags:
        before["tags"], after["tags"] = list(item.tags), list(tags)
    if not after:
        return item
    if "caption" in new:
        own_caption(connection, row.seq, own, new["caption"], now_us)
    columns = {name: value for name, value in new.items() if name != "caption"}
    _bump(connection, row.seq, columns)
    _record(connection, row.seq, item.version + 1, now_us, who, before, after)
    return items.reindex(connection, row.seq)


def present(item: GalleryItem) -> tuple[dict[str, Any], int | None]:
    """What can be changed about an item as it is now, and the id of the owner's own caption."""
    now: dict[str, Any] = {
        name: getattr(item, name) for name in ("title", "note", "alt", "collection")
    }
    now["rating"] = item.rating or 0
    own = [one for one in item.captions if one.model == items.OWNER_MODEL]
    now["caption"] = own[0].text if own else ""
    return now, own[0].id if own else None


def set_deleted(
    connection: sa.Connection, item_id: str, *, deleted: bool, who: str, now_us: int
) -> GalleryItem:
    """Put an item into the trash, or take it out again; its file and captions stay."""
    row = _locked(connection, item_id)
    if (row.deleted_at_us is not None) != deleted:
        _bump(connection, row.seq, {"deleted_at_us": now_us if deleted else None})
        states = {"deleted": not deleted}, {"deleted": deleted}
        _record(connection, row.seq, row.version + 1, now_us, who, *states)
    (item,) = items.load(connection, [row.seq])
    return item


def history(connection: sa.Connection, item_id: str) -> list[Edit]:
    """All edits of an item, the oldest first."""
    table = schema.history
    seq = items.resolve(connection, item_id)
    rows = connection.execute(sa.select(table).where(table.c.item_seq == seq).order_by(table.c.id))
    return [
        Edit(
            known_moment(row.at_us),
            row.who,
            json.loads(row.before),
            json.loads(row.after),
            row.version,
            refused=row.version == 0,
            change_id=row.change_id,
        )
        for row in rows
    ]


def _locked(connection: sa.Connection, item_id: str) -> Any:
    seq = items.resolve(connection, item_id)
    table = schema.items
    query = sa.select(table.c.seq, table.c.version, table.c.deleted_at_us)
    return connection.execute(query.where(table.c.seq == seq).with_for_update()).one()


def _bump(connection: sa.Connection, seq: int, columns: Mapping[str, Any]) -> None:
    table = schema.items
    values = {**columns, "version": table.c.version + 1}
    connection.execute(sa.update(table).where(table.c.seq == seq).values(values))


def _record(
    connection: sa.Connection,
    seq: int,
    version: int,
    now_us: int,
    who: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    change_id = new_change_id() if version else None
    values = record(seq, version, now_us, who, before, after, change_id)
    connection.execute(sa.insert(schema.history), values)


def new_change_id() -> str:
    """A name for edits that are made, and undone, at once."""
    return secrets.token_hex(8)


def record(
    seq: int,
    version: int,
    now_us: int,
    who: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    change_id: str | None,
) -> dict[str, Any]:
    """A row of the history."""
    return {
        "item_seq": seq,
        "version": version,
        "at_us": now_us,
        "who": clean(who),
        "before": json.dumps(before, ensure_ascii=False),
        "after": json.dumps(after, ensure_ascii=False),
        "change_id": change_id,
    }


def _retag(
    connection: sa.Connection,
    seq: int,
    now: tuple[str, ...],
    tag: tuple[str, ...],
    untag: tuple[str, ...],
) -> tuple[str, ...]:
    table = schema.item_tags
    wanted = (set(now) | set(tag)) - set(untag)
    for gone in sorted(set(now) - wanted):
        one = sa.and_(table.c.tag == gone, table.c.item_seq == seq)
        connection.execute(sa.delete(table).where(one))
    new = [{"tag": one, "item_seq": seq} for one in sorted(wanted - set(now))]
    if new:
        connection.execute(results.insert_new(table, connection), new)
    return now if wanted == set(now) else tuple(sorted(wanted))


def own_caption(
    connection: sa.Connection, seq: int, caption_id: int | None, text: str, now_us: int
) -> None:
    """Write the owner's own caption, in the place of the one before."""
    table = schema.captions
    if caption_id is not None:
        connection.execute(sa.update(table).where(table.c.id == caption_id).values(text=text))
    else:
        values = {
            "item_seq": seq,
            "created_at_us": now_us,
            "task": "describe",
            "model": items.OWNER_MODEL,
            "text": text,
        }
        connection.execute(sa.insert(table), values)


def _conflict(
    connection: sa.Connection,
    seq: int,
    expected_version: int,
    now: Mapping[str, Any],
    new: Mapping[str, Any],
) -> dict[str, tuple[Any, str]]:
    """Fields that both sides changed: their value now and who set it."""
    table = schema.history
    later = sa.and_(table.c.item_seq == seq, table.c.version > expected_version)
    both: dict[str, tuple[Any, str]] = {}
    for row in connection.execute(sa.select(table).where(later).order_by(table.c.id)):
        for name in json.loads(row.after):
            if name in new:
                both[name] = (now[name], row.who)
    return both


def _told(
    item_id: str, theirs: Mapping[str, tuple[Any, str]], ours: Mapping[str, Any]
) -> GalleryProblem:
    fields = "; ".join(
        f"{name} is now {value!r} (by {who}), yours is {ours[name]!r}"
        for name, (value, who) in theirs.items()
    )
    return GalleryProblem(
        f"Item {item_id} was changed since you opened it: {fields}. Nothing was overwritten and "
        "both are kept in its history; look at it again and decide."
    )
