"""Changes of many items at once, and undoing any change: each is one transaction.

What an item was before stays in its history. Undoing puts a field back only where it still is
what the change made of it: what somebody changed since is kept, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from playground.errors import GalleryProblem, InvalidRequest
from playground.store import edits, items, results, schema, search
from playground.values import GalleryItem

MOST_AT_ONCE = 100_000
"""Items that one change may touch: some minutes of one transaction."""

_AT_ONCE = 500
_INDEXED = {"title", "note", "alt", "collection", "caption", "tags"}
_items, _history = schema.items, schema.history


@dataclass(frozen=True, slots=True)
class Change:
    """A change of many items that was made: its name, how many it touched, how many were kept.

    `kept` counts items of which something stays as it is, because it was changed since.
    """

    id: str
    count: int
    kept: int = 0
    undoes: str | None = None


@dataclass(slots=True)
class _Wish:
    """What one item is to become."""

    fields: dict[str, Any] = field(default_factory=dict)
    tag: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    deleted: bool | None = None


def annotate(
    connection: sa.Connection,
    seqs: Sequence[int],
    changes: Mapping[str, Any],
    *,
    tag: tuple[str, ...],
    untag: tuple[str, ...],
    accept: bool,
    deleted: bool | None,
    who: str,
    now_us: int,
) -> Change:
    """The same change to many items; `accept` takes over the drafts of alternative texts.

    Raises:
        InvalidRequest: for more than `MOST_AT_ONCE` items.
    """
    if len(seqs) > MOST_AT_ONCE:
        msg = f"{len(seqs):,} pictures are too many at once; narrow it to {MOST_AT_ONCE:,}"
        raise InvalidRequest(msg)

    def wish(item: GalleryItem) -> _Wish:
        wanted = dict(changes)
        if accept and not item.alt:
            drafts = [one.text for one in item.captions if one.task == "alt" and one.text]
            if drafts:
                wanted["alt"] = drafts[-1]
        return _Wish(wanted, tag, untag, deleted)

    change_id = edits.new_change_id()
    count = 0
    for at in range(0, len(seqs), _AT_ONCE):
        some = seqs[at : at + _AT_ONCE]
        wishes = dict.fromkeys(some, wish)
        count += _apply(connection, some, wishes, who, now_us, change_id)
    return Change(change_id, count)


def undo(connection: sa.Connection, change_id: str, *, who: str, now_us: int) -> Change:
    """Put back what a change changed; what was changed again since stays.

    Raises:
        GalleryProblem: when there is no such change.
    """
    query = sa.select(_history).where(_history.c.change_id == change_id).order_by(_history.c.id)
    rows = connection.execute(query.where(_history.c.version > 0)).all()
    if not rows:
        msg = "that change is not in the history any more; nothing was undone"
        raise GalleryProblem(msg)
    new_id = edits.new_change_id()
    count = 0
    kept: set[int] = set()
    for at in range(0, len(rows), _AT_ONCE):
        back = {
            row.item_seq: _Backwards(json.loads(row.before), json.loads(row.after), kept, row)
            for row in rows[at : at + _AT_ONCE]
        }
        count += _apply(connection, list(back), back, who, now_us, new_id)
    return Change(new_id, count, len(kept), undoes=change_id)


class _Backwards:
    """Turns one recorded edit round, as far as it still stands."""

    def __init__(
        self, before: Mapping[str, Any], after: Mapping[str, Any], kept: set[int], row: Any
    ) -> None:
        self._before, self._after, self._kept, self._seq = before, after, kept, row.item_seq

    def __call__(self, item: GalleryItem) -> _Wish:
        now, _ = edits.present(item)
        now["deleted"] = item.deleted_at is not None
        wish = _Wish()
        for name, was in self._before.items():
            became = self._after.get(name)
            if name == "tags":
                wish.untag = tuple(sorted(set(became or ()) - set(was)))
                wish.tag = tuple(sorted(set(was) - set(became or ())))
            elif now.get(name) != became:
                self._kept.add(self._seq)
            elif name == "deleted":
                wish.deleted = bool(was)
            else:
                wish.fields[name] = was
        return wish


def _apply(
    connection: sa.Connection,
    seqs: Sequence[int],
    wishes: Mapping[int, Any],
    who: str,
    now_us: int,
    change_id: str,
) -> int:
    """Bring items to what is wished of each; how many changed."""
    lock = sa.select(_items.c.seq, _items.c.id).where(_items.c.seq.in_(list(seqs)))
    numbers = {row.id: row.seq for row in connection.execute(lock.with_for_update())}
    rows: list[dict[str, Any]] = []
    updates: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    new_tags: list[dict[str, Any]] = []
    old_tags: list[dict[str, Any]] = []
    again: list[int] = []
    for item in items.load(connection, list(seqs)):
        seq = numbers[item.id]
        wish = wishes[seq](item)
        now, own = edits.present(item)
        new = {name: value for name, value in wish.fields.items() if value != now[name]}
        before, after = {name: now[name] for name in new}, dict(new)
        tags = (set(item.tags) | set(wish.tag)) - set(wish.untag)
        if tags != set(item.tags):
            before["tags"], after["tags"] = list(item.tags), sorted(tags)
            new_tags += [{"tag": one, "item_seq": seq} for one in sorted(tags - set(item.tags))]
            old_tags += [{"name": one, "of": seq} for one in sorted(set(item.tags) - tags)]
        columns = {name: value for name, value in new.items() if name != "caption"}
        if "caption" in new:
            edits.own_caption(connection, seq, own, new["caption"], now_us)
        if wish.deleted is not None and wish.deleted != (item.deleted_at is not None):
            columns["deleted_at_us"] = now_us if wish.deleted else None
            before["deleted"], after["deleted"] = not wish.deleted, wish.deleted
        if not after:
            continue
        rows.append(edits.record(seq, item.version + 1, now_us, who, before, after, change_id))
        values = {f"new_{name}": value for name, value in columns.items()}
        updates.setdefault(tuple(sorted(columns)), []).append({"of": seq, **values})
        if _INDEXED & set(after):
            again.append(seq)
    if not rows:
        return 0
    for names, each in updates.items():
        statement = sa.update(_items).where(_items.c.seq == sa.bindparam("of"))
        changed: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
        connection.execute(statement.values(version=_items.c.version + 1, **changed), each)
    table = schema.item_tags
    if old_tags:
        one = sa.and_(table.c.tag == sa.bindparam("name"), table.c.item_seq == sa.bindparam("of"))
        connection.execute(sa.delete(table).where(one), old_tags)
    if new_tags:
        connection.execute(results.insert_new(table, connection), new_tags)
    connection.execute(sa.insert(_history), rows)
    if again:
        loaded = items.load(connection, again)
        entries = [(seq, items.texts(item)) for seq, item in zip(again, loaded, strict=True)]
        search.put_again(connection, entries)
    return len(rows)


def seqs_of(connection: sa.Connection, ids: Iterable[str]) -> list[int]:
    """The seqs of items by their full ids, in the same order; unknown ids are left out."""
    wanted = list(ids)
    found: dict[str, int] = {}
    for at in range(0, len(wanted), _AT_ONCE):
        query = sa.select(_items.c.id, _items.c.seq)
        for row in connection.execute(query.where(_items.c.id.in_(wanted[at : at + _AT_ONCE]))):
            found[row.id] = row.seq
    return [found[one] for one in wanted if one in found]
