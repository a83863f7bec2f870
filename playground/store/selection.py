"""A question as SQL: how many items answer it, and their keys in order, a page at a time.

This way needs no preparation and suits one look (the command line, exports, a page's first
pictures). `wall` answers the same questions from memory; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from playground.errors import InvalidRequest
from playground.store import schema, search
from playground.store.question import Condition, Question
from playground.store.records import Sort

PANORAMA = (1.9, 2.1)
"""Width to height of what is shown as a panorama all around: 2:1, give or take a few pixels."""

NO_VALUE = 2**62
"""Stands for the picodollars a pixel of what cost nothing: after all others."""

_items, _captions = schema.items, schema.captions
_RANGES: dict[str, sa.ColumnElement[Any]] = {
    "rating": _items.c.rating,
    "cost": _items.c.total_cost,
    "created": _items.c.created_at_us,
    "pixels": _items.c.width_px * _items.c.height_px,
}


def _exists(table: Any, *conditions: Any) -> sa.ColumnElement[bool]:
    query = sa.select(1).select_from(table)
    return sa.exists(query.where(table.c.item_seq == _items.c.seq, *conditions))


_alt_given = _exists(_captions, _captions.c.task == "alt", sa.text("task = 'alt'"))
STATES: dict[str, sa.ColumnElement[bool]] = {
    "unreviewed": sa.and_(_items.c.alt == "", _alt_given),
    "rated": _items.c.rating > 0,
    "unrated": _items.c.rating == 0,
    "sample": sa.or_(_items.c.sample == 1, _exists(_captions, _captions.c.sample == 1)),
    "panorama": sa.and_(
        _items.c.width_px * 10 >= _items.c.height_px * 19,
        _items.c.width_px * 10 <= _items.c.height_px * 21,
        _items.c.height_px > 0,
    ),
    "caption": _exists(_captions),
    "alt": _items.c.alt != "",
    "note": _items.c.note != "",
    # By another name than the links of a tag that leads the query.
    "tag": _exists(schema.item_tags.alias()),
}

_known = sa.and_(_items.c.total_cost > 0, _items.c.width_px > 0, _items.c.height_px > 0)
# Whole picodollars a pixel; what cost nothing is last, because it says nothing about value.
_PER_PIXEL = sa.case(
    (_known, sa.literal_column("items.total_cost / (items.width_px * items.height_px)")),
    else_=sa.literal(NO_VALUE, sa.BigInteger),
)


class Selection:
    """One question's conditions, ready to be counted or paged."""

    def __init__(self, connection: sa.Connection, question: Question) -> None:
        self._connection = connection
        self._found = search.find(question.terms, connection.dialect.name)
        self._source, self._seq = self._found.source, self._found.seq
        self._facets: list[sa.ColumnElement[bool]] = []
        for condition in question.conditions:
            self._add(condition)
        deleted = _items.c.deleted_at_us
        self._trash = question.trash
        self._alive = deleted.is_not(None) if question.trash else deleted.is_(None)

    def _add(self, condition: Condition) -> None:
        found: sa.ColumnElement[bool]
        column: sa.ColumnElement[Any]
        links = {
            "tag": schema.item_tags.c.tag,
            "model": schema.item_models.c.model,
            "provider": schema.item_models.c.provider,
        }
        if condition.name in links:
            link = links[condition.name]
            leads = condition.wanted and not condition.part and condition.name != "provider"
            if leads and self._source is _items:
                # The first link leads: its key holds the items of a tag in order of arrival.
                table = link.table
                self._source = sa.join(table, _items, _items.c.seq == table.c.item_seq)
                self._seq = table.c.item_seq
                self._facets.append(link == condition.values[0])
                return
            other = link.table.alias()
            name = other.c[link.name]
            same = (
                name.icontains(condition.values[0], autoescape=True)
                if condition.part
                else name == condition.values[0]
            )
            linked = sa.and_(same, other.c.item_seq == _items.c.seq)
            found = sa.exists(sa.select(1).select_from(other).where(linked))
        elif condition.name in _RANGES:
            column = _RANGES[condition.name]
            found = sa.and_(column >= condition.low, column <= condition.high)
        elif condition.name == "is":
            found = STATES[condition.values[0]]
        else:
            column = _items.c[condition.name]
            found = sa.func.coalesce(column, "") == condition.values[0]
            if condition.name == "collection" and condition.values[0]:
                # Said again in the words of the partial index, so that it can be used.
                found = sa.and_(column == condition.values[0], sa.text("items.collection <> ''"))
            elif condition.name == "kind":
                found = column == condition.values[0]
        self._facets.append(found if condition.wanted else sa.not_(found))

    def _where(self) -> list[sa.ColumnElement[bool]]:
        matched = [] if self._found.condition is None else [self._found.condition]
        return [*matched, *self._facets, self._alive]

    def total(self) -> int:
        """How many items match."""
        if not self._facets and not self._trash:
            # Without facets the trash is subtracted, so that no live item is looked at.
            matched = [] if self._found.condition is None else [self._found.condition]
            source: sa.FromClause = self._source
            if isinstance(source, sa.Join):
                source = source.left
            everything = self._count(source, matched)
            in_trash = _items.c.deleted_at_us.is_not(None)
            if not everything or not self._count(_items, [in_trash]):
                return everything
            return everything - self._count(self._source, [*matched, in_trash])
        return self._count(self._source, self._where())

    def least(self, most: int) -> int:
        """How many items match, but no more than `most` are looked at."""
        found = sa.select(self._seq).select_from(self._source).where(*self._where()).limit(most)
        return self._count(found.subquery(), [])

    def _count(self, source: sa.FromClause, where: list[sa.ColumnElement[bool]]) -> int:
        query = sa.select(sa.func.count()).select_from(source).where(*where)
        return int(self._connection.execute(query).scalar_one())

    def keys(self, sort: Sort, limit: int, after: list[int] | None) -> Sequence[sa.Row[Any]]:
        """The sort keys of the items after a key; the last column is the seq."""
        by: dict[str, list[sa.ColumnElement[Any]]] = {
            "best": [_items.c.rating],
            "cheapest": [_items.c.total_cost],
            "dearest": [_items.c.total_cost],
            "value": [_PER_PIXEL],
        }
        first = by.get(sort, [])
        columns: list[sa.ColumnElement[Any]] = [*first, self._seq]
        upwards = sort in {"oldest", "cheapest", "value"}
        query = sa.select(*columns).select_from(self._source).where(*self._where())
        if after is not None:
            if len(after) != len(columns):
                msg = "that place in the list belongs to another search; start again"
                raise InvalidRequest(msg)
            here: Any = sa.tuple_(*columns) if first else self._seq
            there: Any = sa.tuple_(*map(sa.literal, after)) if first else after[0]
            query = query.where(here > there if upwards else here < there)
        order = [column.asc() if upwards else column.desc() for column in columns]
        return self._connection.execute(query.order_by(*order).limit(limit)).all()
