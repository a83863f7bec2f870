"""Items as flat rows: the columns of CSV, TSV and Parquet, whose names stay as they are.

| column | what | group |
|---|---|---|
| `id`, `kind`, `sample` | the item's id; image, edit or photo; true for samples | always |
| `title`, `alt` | as annotated | always |
| `format`, `width_px`, `height_px` | of the original | always |
| `name` | the file name it came under | name |
| `caption`, `caption_by` | the owner's description, else the newest, and who wrote it | caption |
| `alt_draft`, `alt_draft_by` | the newest alt text by a model | caption |
| `text` | the text in the picture | caption |
| `caption_tags` | tags that a model gave | caption |
| `tags`, `rating`, `collection`, `note`, `prompt` | as annotated, as asked | their names |
| `model`, `asked_size`, `quality`, `tier` | of a generated picture | model |
| `quoted_low`, `quoted_high`, `billed`, `total_billed` | dollars; empty where unknown | cost |
| `created_at` | UTC, ISO 8601 | time |
| `sha256`, `size_bytes` | of the original | file |
| `parents` | ids it was made from | lineage |
| `request_id`, `seconds` | of the call | request |
| `attr_…` | one column per attribute, nested names joined by a dot | caption |
| `captions` | all captions, as JSON | caption |

Lists are written as one line of CSV (`sea,"red, blue"`). Columns may be added at the end of
a group; none is renamed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from playground import money
from playground.exports import fields
from playground.values import Caption, GalleryItem

MAX_ATTRIBUTES = 200
"""Columns for attributes; the others are in `captions` still."""
ATTRIBUTE = "attr_"
_Cell = str | int | float | bool | None
_COLUMNS: tuple[tuple[str, str, Callable[[GalleryItem], _Cell]], ...] = (
    ("id", "", lambda item: item.id),
    ("kind", "", lambda item: item.kind),
    ("sample", "", lambda item: item.sample),
    ("title", "", lambda item: item.title),
    ("alt", "", lambda item: item.alt),
    ("format", "", lambda item: item.format),
    ("width_px", "", lambda item: item.size.width_px),
    ("height_px", "", lambda item: item.size.height_px),
    ("name", "name", lambda item: item.name),
    ("caption", "caption", fields.caption_text),
    ("caption_by", "caption", lambda item: _by(fields.best(item, "describe"))),
    ("alt_draft", "caption", lambda item: _text(fields.best(item, "alt"))),
    ("alt_draft_by", "caption", lambda item: _by(fields.best(item, "alt"))),
    ("text", "caption", lambda item: _text(fields.best(item, "ocr"))),
    ("caption_tags", "caption", lambda item: _tags(fields.best(item, "tags"))),
    ("tags", "tags", lambda item: joined(item.tags)),
    ("rating", "rating", lambda item: item.rating),
    ("collection", "collection", lambda item: item.collection),
    ("note", "note", lambda item: item.note),
    ("prompt", "prompt", lambda item: item.prompt),
    ("model", "model", lambda item: item.model),
    ("asked_size", "model", lambda item: item.asked_size),
    ("quality", "model", lambda item: item.quality),
    ("tier", "model", lambda item: item.tier),
    ("quoted_low", "cost", lambda item: _dollars(item.quoted_low)),
    ("quoted_high", "cost", lambda item: _dollars(item.quoted_high)),
    ("billed", "cost", lambda item: _dollars(item.billed)),
    ("total_billed", "cost", lambda item: _dollars(fields.total_billed(item))),
    ("created_at", "time", lambda item: item.created_at.isoformat()),
    ("sha256", "file", lambda item: item.sha256),
    ("size_bytes", "file", lambda item: item.size_bytes),
    ("parents", "lineage", lambda item: joined(item.parents)),
    ("request_id", "request", lambda item: item.request_id),
    ("seconds", "request", lambda item: item.seconds),
)
WHOLE = frozenset({"width_px", "height_px", "rating", "size_bytes"})
DOLLARS = frozenset({"quoted_low", "quoted_high", "billed", "total_billed"})


def columns(groups: frozenset[str], attributes: Iterable[str] = ()) -> list[str]:
    """The names of the columns for these groups, attribute columns before the last."""
    names = [name for name, group, _ in _COLUMNS if not group or group in groups]
    if "caption" in groups:
        names += [*(f"{ATTRIBUTE}{name}" for name in attributes), "captions"]
    return names


def row(item: GalleryItem, groups: frozenset[str]) -> dict[str, _Cell]:
    """The cells of an item by column; its attributes under their own names."""
    cells = {name: cell(item) for name, group, cell in _COLUMNS if not group or group in groups}
    if "caption" in groups:
        found = fields.best(item, "attributes")
        if found is not None and found.data:
            for name, value in _flat(found.data):
                cells[f"{ATTRIBUTE}{name}"] = value
        captions = fields.document(item, groups)["captions"]
        cells["captions"] = json.dumps(captions, ensure_ascii=False) if captions else ""
    return cells


def joined(texts: Iterable[str]) -> str:
    """Texts on one line, as a row of CSV; `parted` takes them apart again."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([*texts])
    return out.getvalue()


def parted(text: str) -> tuple[str, ...]:
    """The texts that `joined` put on a line; typed lists with blanks after the comma too."""
    if not text.strip():
        return ()
    lines = csv.reader(io.StringIO(text), skipinitialspace=True)
    return tuple(cell.strip() for line in lines for cell in line if cell.strip())


def _by(caption: Caption | None) -> str:
    return caption.model if caption else ""


def _text(caption: Caption | None) -> str:
    return caption.text if caption else ""


def _tags(caption: Caption | None) -> str:
    return joined(caption.tags) if caption else ""


def _dollars(amount: Any) -> str | None:
    return None if amount is None else money.plain(amount)


def _flat(data: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, _Cell]]:
    for key, value in data.items():
        name = f"{before}{key}"[:100]
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            simple = all(not isinstance(part, Mapping | list | tuple) for part in value)
            if simple:
                yield name, joined("" if part is None else str(part) for part in value)
            else:
                yield name, json.dumps(value, ensure_ascii=False)
        elif value is None or isinstance(value, str):
            yield name, value
        else:
            yield name, json.dumps(value)
