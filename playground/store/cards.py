"""What a wall of pictures shows of each one: a few plain facts, read for a screenful at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from playground import money
from playground.size import Size
from playground.store import schema
from playground.store.records import Kind

_items, _captions, _files = schema.items, schema.captions, schema.files
_LABEL_CHARS = 400


@dataclass(frozen=True, slots=True)
class Card:
    """One picture on the wall. `label` is the shortest good text for it; it is read aloud.

    `draft` is True when that text is a model's and nobody has accepted it.
    """

    id: str
    version: int
    kind: Kind
    size: Size
    rating: int
    billed: Decimal
    sample: bool
    label: str
    draft: bool
    sha256: str
    format: str
    deleted: bool
    tint: int | None


_spoken = (
    sa.select(sa.func.substr(_captions.c.text, 1, _LABEL_CHARS))
    .where(_captions.c.item_seq == _items.c.seq, _captions.c.text != "")
    .order_by(sa.case((_captions.c.task == "alt", 0), else_=1), _captions.c.id)
    .limit(1)
    .correlate(_items)
    .scalar_subquery()
)
_draft = sa.exists(
    sa.select(1).where(_captions.c.item_seq == _items.c.seq, _captions.c.task == "alt")
)
_CARDS = (
    sa.select(
        _items.c.seq,
        _items.c.id,
        _items.c.version,
        _items.c.kind,
        _files.c.width_px,
        _files.c.height_px,
        _items.c.rating,
        _items.c.total_cost,
        _items.c.sample,
        _items.c.sha256,
        _files.c.format,
        _items.c.deleted_at_us,
        _items.c.tint,
        sa.func.substr(
            sa.case(
                (_items.c.alt != "", _items.c.alt),
                (_items.c.title != "", _items.c.title),
                (_items.c.prompt != "", _items.c.prompt),
                else_=sa.func.coalesce(_spoken, _items.c.name),
            ),
            1,
            _LABEL_CHARS,
        ).label("label"),
        sa.and_(_items.c.alt == "", _draft).label("draft"),
    )
    .join(_files, _files.c.sha256 == _items.c.sha256)
    .where(_items.c.seq.in_(sa.bindparam("seqs", expanding=True)))
)


def load(connection: sa.Connection, seqs: Sequence[int]) -> list[Card]:
    """Cards in the order of `seqs`."""
    found = {
        row.seq: Card(
            row.id,
            row.version,
            row.kind,
            Size(row.width_px, row.height_px),
            row.rating,
            money.from_picousd(row.total_cost),
            bool(row.sample),
            row.label,
            bool(row.draft),
            row.sha256,
            row.format,
            row.deleted_at_us is not None,
            row.tint,
        )
        for row in connection.execute(_CARDS, {"seqs": list(seqs)})
    }
    return [found[seq] for seq in seqs if seq in found]
