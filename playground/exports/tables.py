"""CSV, TSV, JSON and JSON lines: one row or object per item, streamed.

CSV and TSV are UTF-8 with the columns of `rows`; their cells are guarded (`guard`). JSON holds
what `playground gallery show --json` prints, less what was not asked for.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from playground._version import __version__
from playground.exports import destination, fields, rows
from playground.exports.guard import guarded
from playground.exports.report import Exported
from playground.exports.selection import ALL, Selection
from playground.store import Gallery
from playground.values import GalleryItem

FORMAT = "halfpenny-gallery"
FORMAT_VERSION = 1


def to_csv(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.EVERYTHING,
    force: bool = False,
) -> Exported:
    """Write a CSV (RFC 4180, UTF-8) with one row per item; columns as in `rows`.

    Raises:
        GalleryProblem: when `path` exists (without `force`) or cannot be written.
    """
    with destination.file(Path(path), force=force) as out:
        count = write_csv(chosen.items(gallery), out, groups)
    return Exported(str(path), "csv", count)


def to_tsv(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.EVERYTHING,
    force: bool = False,
) -> Exported:
    """As `to_csv`, with tabs between the cells."""
    with destination.file(Path(path), force=force) as out:
        count = write_csv(chosen.items(gallery), out, groups, tabs=True)
    return Exported(str(path), "tsv", count)


def to_json(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.EVERYTHING,
    force: bool = False,
) -> Exported:
    """Write one JSON document: `{"format", "version", "program", "items": […]}`."""
    with destination.file(Path(path), force=force) as out:
        count = write_json(chosen.items(gallery), out, groups)
    return Exported(str(path), "json", count)


def to_jsonl(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.EVERYTHING,
    force: bool = False,
) -> Exported:
    """Write one JSON object per line, for programs that read line by line."""
    with destination.file(Path(path), force=force) as out:
        count = write_jsonl(chosen.items(gallery), out, groups)
    return Exported(str(path), "jsonl", count)


def write_csv(
    items: Iterable[GalleryItem], out: BinaryIO, groups: frozenset[str], *, tabs: bool = False
) -> int:
    """Write the rows to an open file; how many there were."""
    with spooled(items, groups) as (spool, attributes):
        names = rows.columns(groups, attributes)
        text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
        try:
            writer = csv.writer(text, dialect="excel-tab" if tabs else "excel")
            writer.writerow([guarded(name) for name in names])
            count = 0
            for count, cells in enumerate(reread(spool), 1):  # noqa: B007  the count is returned
                writer.writerow([_cell(cells.get(name)) for name in names])
        finally:
            text.flush()
            text.detach()
    return count


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return guarded(value) if isinstance(value, str) else str(value)


@contextlib.contextmanager
def spooled(
    items: Iterable[GalleryItem], groups: frozenset[str]
) -> Iterator[tuple[IO[bytes], list[str]]]:
    """The rows in a temporary file, and the attributes that occur in them.

    The head of a table stands before its rows, and attributes are only known after the last one:
    the gallery is read once, and memory stays flat.
    """
    attributes: dict[str, None] = {}
    with tempfile.TemporaryFile() as spool:
        for item in items:
            cells = rows.row(item, groups)
            for name in cells:
                if name.startswith(rows.ATTRIBUTE) and len(attributes) < rows.MAX_ATTRIBUTES:
                    attributes.setdefault(name.removeprefix(rows.ATTRIBUTE))
            spool.write(json.dumps(cells, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        yield spool, sorted(attributes)


def reread(spool: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The rows of `spooled`, from the first."""
    spool.seek(0)
    for line in spool:
        yield json.loads(line)


def write_json(items: Iterable[GalleryItem], out: BinaryIO, groups: frozenset[str]) -> int:
    """Write the document to an open file; how many items are in it."""
    head = {"format": FORMAT, "version": FORMAT_VERSION, "program": f"halfpenny {__version__}"}
    out.write(json.dumps(head)[:-1].encode() + b', "items": [')
    count = 0
    for item in items:
        out.write(b",\n" if count else b"\n")
        out.write(_object(item, groups))
        count += 1
    out.write(b"\n]}\n")
    return count


def write_jsonl(items: Iterable[GalleryItem], out: BinaryIO, groups: frozenset[str]) -> int:
    """Write the lines to an open file; how many there were."""
    count = 0
    for item in items:
        out.write(_object(item, groups) + b"\n")
        count += 1
    return count


def _object(item: GalleryItem, groups: frozenset[str]) -> bytes:
    return json.dumps(fields.document(item, groups), ensure_ascii=False).encode("utf-8", "replace")
