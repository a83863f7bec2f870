"""Where a picture comes from and what was made of it, with what the whole line cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from playground import money
from playground.store import cards, schema
from playground.store.cards import Card

MOST = 60
"""Relatives that are shown on either side."""

_parents, _items = schema.parents, schema.items


@dataclass(frozen=True, slots=True)
class Lineage:
    """The pictures that one was made from, the oldest first, and those that were made of it.

    `dollars` is what it and all that it was made from were billed, captions included.
    """

    before: tuple[Card, ...]
    after: tuple[Card, ...]
    dollars: Decimal


def lineage(connection: sa.Connection, seq: int) -> Lineage:
    """The line of one item, each relative once."""
    before = _follow(connection, seq, _parents.c.item_seq, _parents.c.parent_seq)
    after = _follow(connection, seq, _parents.c.parent_seq, _parents.c.item_seq)
    query = sa.select(sa.func.coalesce(sa.func.sum(_items.c.total_cost), 0))
    total = connection.execute(query.where(_items.c.seq.in_([seq, *before]))).scalar_one()
    return Lineage(
        tuple(cards.load(connection, sorted(before)[-MOST:])),
        tuple(cards.load(connection, sorted(after)[:MOST])),
        money.from_picousd(int(total)),
    )


def _follow(
    connection: sa.Connection, seq: int, here: sa.Column[int], there: sa.Column[int]
) -> list[int]:
    line = sa.select(there.label("seq")).where(here == seq).cte("line", recursive=True)
    # A union (not "all") visits each picture once, however often it was used.
    line = line.union(sa.select(there).join(line, here == line.c.seq))
    found = connection.execute(sa.select(line.c.seq).limit(10_000)).scalars()
    return [int(one) for one in found if one != seq]
