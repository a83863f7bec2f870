"""What a page shows of an entry, as short JSON: `card` for the wall, `words` for the lightbox.

The static site holds these in files, the public page gets them from its kernel; the script that
shows them is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from playground import money
from playground.publish.entries import Entry
from playground.publish.query import FACETS, shape

MAX_VALUES = 40
_ALT_CHARS = 240


def card(entry: Entry, *, large: bool = False) -> dict[str, Any]:
    """A tile: id, kind, size, shape, label, alternative text, and what it is filtered by.

    `large` says that there is a larger picture than the lightbox begins with.
    """
    values: dict[str, Any] = {
        "id": entry.id,
        "kind": entry.kind,
        "w": entry.width_px,
        "h": entry.height_px,
        "shape": shape(entry.width_px, entry.height_px),
        "label": entry.label,
    }
    alt = " ".join(entry.alt.split())
    values["alt"] = alt if len(alt) <= _ALT_CHARS else alt[: _ALT_CHARS - 1] + "…"
    if values["alt"] == values["label"]:
        del values["alt"]
    if entry.model:
        values["model"] = entry.model
    if entry.rating:
        values["rating"] = entry.rating
    if entry.tags:
        values["tags"] = list(entry.tags)
    if entry.collection:
        values["collection"] = entry.collection
    if entry.cost is not None:
        values["cost"] = money.short(entry.cost)
        values["pico"] = money.to_picousd(entry.cost)
    if entry.sample:
        values["sample"] = 1
    if large:
        values["large"] = 1
    return values


def words(entry: Entry) -> dict[str, Any]:
    """What the lightbox adds to a card: the texts, whole."""
    values: dict[str, Any] = {
        "title": entry.title,
        "prompt": entry.prompt,
        "captions": [{"text": each.text, "by": each.by} for each in entry.captions],
        "note": entry.note,
        "quality": entry.quality,
        "date": entry.date.isoformat() if entry.date else "",
        "alt": " ".join(entry.alt.split()),
        "parent": entry.parent,
    }
    return {name: value for name, value in values.items() if value}


def counts(entries: Sequence[Entry]) -> dict[str, list[tuple[str, int]]]:
    """What entries can be filtered by, with how many have it; the most frequent first."""
    found: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    for entry in entries:
        found["kind"][entry.kind] += 1
        found["shape"][shape(entry.width_px, entry.height_px)] += 1
        found["model"].update(filter(None, [entry.model]))
        found["collection"].update(filter(None, [entry.collection]))
        found["tag"].update(entry.tags)
        found["rating"].update(str(stars) for stars in range(1, (entry.rating or 0) + 1))
    ordered = {
        name: sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_VALUES]
        for name, counter in found.items()
    }
    given = {str(entry.rating) for entry in entries}
    ordered["rating"] = sorted(
        (pair for pair in ordered["rating"] if pair[0] in given), reverse=True
    )
    return ordered
