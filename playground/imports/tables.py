"""Our own exports read back: CSV and TSV (also edited in a spreadsheet), JSON and JSON lines.

A row finds its item by `id` or `sha256`. Columns that are there are applied as annotations, each
change with its history; an empty cell empties the field. What models and ledgers said (captions of
models, prompts, costs) is not changed by a table.
"""

from __future__ import annotations

import contextlib
import csv
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from playground.errors import GalleryProblem
from playground.exports import guard, rows
from playground.exports.fields import OWNER
from playground.imports import words
from playground.store import Words
from playground.values import Task

MAX_BYTES = 1 << 30
_MAX_CELL_CHARS = 1 << 22
_MAX_CAPTIONS = 200
_FORMAT = "halfpenny-gallery"
_cells = threading.Lock()


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says about one item. `changes` are arguments of `Gallery.annotate`.

    `facts` are the item's other values, for items that are not in the gallery yet.
    """

    id: str
    sha256: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] | None = None
    captions: tuple[Words, ...] = ()
    caption: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def read(path: Path) -> Iterator[Row]:
    """The rows of a table by the ending of its name, lazily where the format allows.

    Raises:
        GalleryProblem: when it is not an export of a gallery, or damaged.
    """
    suffix = path.suffix.lower()
    try:
        if path.stat().st_size > MAX_BYTES:
            msg = f"{path.name} is larger than {MAX_BYTES >> 30} GiB; split it"
            raise GalleryProblem(msg)
        if suffix in {".csv", ".tsv"}:
            yield from _table(path, tabs=suffix == ".tsv")
        elif suffix == ".jsonl":
            with path.open(encoding="utf-8") as file:
                yield from map(of_json, _lines(file, path))
        else:
            yield from document(path.read_bytes(), path.name)
    except (OSError, UnicodeError, csv.Error) as bad:
        msg = f"{path.name} cannot be read as an export of a gallery ({bad})"
        raise GalleryProblem(msg) from bad


def document(data: bytes, name: str) -> list[Row]:
    """The rows of a JSON document that `to_json` or `to_zip` wrote.

    Raises:
        GalleryProblem: when it is something else.
    """
    tree = json_value(data, name)
    items = tree.get("items") if isinstance(tree, dict) else tree
    known = isinstance(tree, list) or (isinstance(tree, dict) and tree.get("format") == _FORMAT)
    if not known or not isinstance(items, list):
        msg = f"{name} is JSON, but not an export of a gallery; nothing was changed"
        raise GalleryProblem(msg)
    return [of_json(item) for item in items]


def json_value(data: bytes | str, name: str) -> Any:
    """A JSON value; GalleryProblem when it is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as bad:
        msg = f"{name} is not JSON ({str(bad)[:100]}); nothing was changed"
        raise GalleryProblem(msg) from bad


def _lines(file: Iterable[str], path: Path) -> Iterator[Any]:
    for line in file:
        if line.strip():
            yield json_value(line, path.name)


def _table(path: Path, *, tabs: bool) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file, _long_cells():
        reader = csv.reader(file, dialect="excel-tab" if tabs else "excel")
        head = [guard.restored(name).strip() for name in next(reader, [])]
        if not {"id", "sha256"} & set(head):
            msg = (
                f"{path.name} has no column id or sha256, so its rows cannot be told apart; "
                "nothing was changed"
            )
            raise GalleryProblem(msg)
        for cells in reader:
            if any(cells):
                texts = [guard.restored(cell) for cell in cells]
                yield of_cells(dict(zip(head, texts, strict=False)))


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """A cell may hold all captions of an item; the limit is csv's own and global."""
    with _cells:
        before = csv.field_size_limit(_MAX_CELL_CHARS)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def of_cells(cells: Mapping[str, str]) -> Row:
    """A row of texts by column name, as `exports.rows` names them."""
    changes: dict[str, Any] = {
        name: cells[name] for name in ("title", "alt", "note", "collection") if name in cells
    }
    if "rating" in cells:
        changes["rating"] = _stars(cells["rating"])
    try:
        captions = json.loads(cells.get("captions") or "[]")
    except (ValueError, RecursionError):
        captions = []
    return Row(
        cells.get("id", "").strip(),
        cells.get("sha256", "").strip().lower(),
        changes,
        rows.parted(cells["tags"]) if "tags" in cells else None,
        _captions(captions),
        cells.get("caption"),
        dict(cells),
    )


def of_json(item: Any) -> Row:
    """An object as `exports.fields.document` makes them."""
    if not isinstance(item, dict):
        msg = "an item of the export is not an object; nothing more was read"
        raise GalleryProblem(msg)
    changes: dict[str, Any] = {
        name: item[name]
        for name in ("title", "alt", "note", "collection")
        if isinstance(item.get(name), str)
    }
    if "rating" in item:
        rating = item["rating"]
        changes["rating"] = _stars("" if rating is None else str(rating))
    tags = item.get("tags")
    kept = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else None
    captions = _captions(item.get("captions"))
    own = [one.text for one in captions if one.model == OWNER and one.task == "describe"]
    return Row(
        str(item.get("id") or ""),
        str(item.get("sha256") or "").lower(),
        changes,
        kept,
        captions,
        own[-1] if own else None,
        item,
    )


def _stars(text: str) -> int | None:
    text = text.strip().removesuffix(".0")
    return int(text) if text in {"1", "2", "3", "4", "5"} else None


def _captions(told: Any) -> tuple[Words, ...]:
    """Captions of an export: words and writers. Their costs belong to the ledger they came from."""
    found = []
    for one in told[:_MAX_CAPTIONS] if isinstance(told, list) else ():
        if not isinstance(one, dict) or one.get("task") not in get_args(Task):
            continue
        text = one.get("text")
        tags = one.get("tags")
        data = one.get("data")
        found.append(
            Words(
                text if isinstance(text, str) else "",
                cast("Task", one["task"]),
                words.text(str(one.get("model") or words.BY), 200, one_line=True) or words.BY,
                words.tags([t for t in tags if isinstance(t, str)])
                if isinstance(tags, list)
                else (),
                data if isinstance(data, dict) and len(json.dumps(data)) <= 1 << 16 else None,
            )
        )
    return tuple(found)
