"""What the gallery page is told, as JSON values: cards, counts, a picture's line, money."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from playground import money, render
from playground.state.gallery import Counted, Searches, Stretch, Visit
from playground.state.spending import Row, Spending, Unknown
from playground.store.cards import Card
from playground.store.edits import Edit
from playground.store.question import Question, pieces
from playground.widgets.base import Message

LABEL_CHARS = 160
_MOST_EDITS = 40
_FIELDS = {
    "alt": "alternative text", "caption": "own caption", "deleted": "trash", "tags": "tags",
}  # fmt: skip


def card(one: Card, question: Question, *, missing: bool) -> Message:
    """What one tile of the wall shows; the label in pieces, each with whether it is a hit."""
    label = render.one_line(one.label, LABEL_CHARS) or "Picture"
    values: Message = {
        "id": one.id,
        "version": one.version,
        "kind": one.kind,
        "label": label,
        "width": one.size.width_px,
        "height": one.size.height_px,
        "size": str(one.size),
        "price": money.short(one.billed) if one.billed else "",
        "rating": one.rating or None,
        "sample": one.sample,
        "draft": one.draft,
        "missing": missing,
        "deleted": one.deleted,
    }
    if question.terms:
        values["pieces"] = pieces(label, question.terms)
    return values


def stretch(one: Stretch, question: Question, smalls: Mapping[str, bytes]) -> tuple[Message, Any]:
    """A stretch of cards, and the small pictures that go with it."""
    buffers: list[bytes] = []
    cards = []
    for each in one.cards:
        values = card(each, question, missing=each.id in one.missing)
        small = smalls.get(each.id)
        values["thumb"] = None if small is None else len(buffers)
        if small is not None:
            buffers.append(small)
        cards.append(values)
    return {"sequence": one.sequence, "start": one.start, "cards": cards}, buffers


def counted(one: Counted) -> tuple[Message, list[bytes]]:
    """The numbers of an answer; with the shapes of its pictures as two buffers."""
    facets = {
        name: [
            {"label": choice.label, "count": choice.count, "token": choice.token}
            for choice in choices
        ]
        for name, choices in one.facets.items()
    }
    message: Message = {
        "sequence": one.sequence,
        "total": one.total,
        "spent": money.short(one.dollars) if one.dollars else "",
        "samples": one.all_samples,
        "facets": facets,
        "shapes": one.shapes is not None,
    }
    return message, list(one.shapes or ())


def visit(one: Visit) -> Message:
    """What surrounds an open picture: its place, line, history, and the hits in its texts."""
    line = one.line
    related: Message = {"before": [], "after": [], "dollars": ""}
    if line is not None and (line.before or line.after):
        nothing = Question()
        related = {
            "before": [card(each, nothing, missing=False) for each in line.before],
            "after": [card(each, nothing, missing=False) for each in line.after],
            "dollars": money.short(line.dollars) if line.dollars else "",
        }
    terms = one.question.terms
    item = one.item
    texts = {"prompt": item.prompt, "note": item.note, "alt": item.alt}
    draft = next((c for c in reversed(item.captions) if c.task == "alt" and c.text), None)
    return {
        "place": one.place,
        "line": related,
        "history": [_edit(edit) for edit in reversed(one.edits[-_MOST_EDITS:])],
        "hits": {name: pieces(text, terms) for name, text in texts.items() if text and terms},
        "captionHits": [pieces(c.text, terms) if terms else [] for c in item.captions],
        "collection": item.collection,
        "deleted": item.deleted_at is not None,
        "draft": {"text": draft.text, "model": draft.model} if draft and not item.alt else None,
    }


def _edit(edit: Edit) -> Message:
    parts = [f"{_FIELDS.get(name, name)}: {_value(edit.before.get(name))} → {_value(value)}"
             for name, value in edit.after.items()]  # fmt: skip
    return {
        "at": f"{edit.at:%Y-%m-%d %H:%M}",
        "who": render.one_line(edit.who, 60),
        "what": render.one_line("; ".join(parts) or "taken in", 300),
        "refused": edit.refused,
        "id": edit.change_id,
    }


def _value(value: Any) -> str:
    if value in (None, "", 0, []):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def searches(one: Searches) -> list[Message]:
    """The named searches."""
    return [{"name": each.name, "query": each.query, "sort": each.sort} for each in one.every]


def spending(one: Spending) -> Message:
    """The spend view; amounts as words, and as parts of the largest for the plot."""
    most = max((max(row.billed + row.sample, row.quoted_high) for row in one.rows), default=None)
    return {
        "by": one.by,
        "rows": [_row(row, most or Decimal(1)) for row in one.rows],
        "leftOut": one.left_out,
        "unknowns": [_unknown(each) for each in one.unknowns],
        "total": money.short(sum((row.billed for row in one.rows), Decimal(0))),
        "samples": money.short(sum((row.sample for row in one.rows), Decimal(0))),
        "quoted": render.range_text(
            sum((row.quoted_low for row in one.rows), Decimal(0)),
            sum((row.quoted_high for row in one.rows), Decimal(0)),
        ),
    }


def _row(row: Row, most: Decimal) -> Message:
    def part(dollars: Decimal) -> float:
        return round(float(dollars / most), 4)

    return {
        "name": row.name,
        "calls": row.calls,
        "quoted": render.range_text(row.quoted_low, row.quoted_high),
        "billed": money.short(row.billed) if row.billed else "$0.00",
        "sample": money.short(row.sample) if row.sample else "",
        "held": money.short(row.held) if row.held else "",
        "parts": {
            "low": part(row.quoted_low),
            "high": part(row.quoted_high),
            "billed": part(row.billed + row.sample),
        },
    }


def _unknown(one: Unknown) -> Message:
    return {
        "id": one.id,
        "model": one.model,
        "at": f"{one.at:%Y-%m-%d %H:%M} UTC",
        "held": money.short(one.held),
        "quoted": render.range_text(one.quoted_low, one.quoted_high),
        "high": "" if one.quoted_high is None else money.plain(one.quoted_high),
        "reason": render.one_line(one.reason or "no answer arrived", 200),
        "request": one.request_id,
    }
