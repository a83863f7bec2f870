"""What a gallery can be filtered by, with counts: kinds, models, ratings, tags."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from playground.store import schema

MAX_TAGS = 40
"""Tags that are listed, the most used first; the search finds the others."""

_items = schema.items
_kept = _items.c.deleted_at_us.is_(None)
_count = sa.func.count().label("count")


def facets(connection: sa.Connection) -> dict[str, list[tuple[Any, int]]]:
    """Values and how many items (not in the trash) have them, by facet.

    `ratings` counts items with at least so many stars, as the rating facet finds them; a facet
    without values is an empty list.
    """
    kinds = sa.select(_items.c.kind, _count).where(_kept).group_by(_items.c.kind)
    stars = (
        sa.select(_items.c.rating, _count)
        .where(_kept, _items.c.rating > 0)
        .group_by(_items.c.rating)
        .order_by(_items.c.rating.desc())
    )
    ratings, so_far = [], 0
    for rating, count in connection.execute(stars):
        so_far += count
        ratings.append((int(rating), so_far))
    return {
        "kinds": _pairs(connection, kinds.order_by(_count.desc())),
        "models": _pairs(connection, _of(schema.item_models, schema.item_models.c.model)),
        "ratings": ratings,
        "tags": _pairs(connection, _of(schema.item_tags, schema.item_tags.c.tag).limit(MAX_TAGS)),
    }


def _of(table: sa.Table, value: sa.Column[Any]) -> sa.Select[Any]:
    return (
        sa.select(value, _count)
        .join(_items, _items.c.seq == table.c.item_seq)
        .where(_kept)
        .group_by(value)
        .order_by(_count.desc(), value)
    )


def _pairs(connection: sa.Connection, query: sa.Select[Any]) -> list[tuple[Any, int]]:
    return [(value, int(count)) for value, count in connection.execute(query)]
