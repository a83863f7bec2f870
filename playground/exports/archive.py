"""One zip with pictures and everything about them; `playground gallery import` reads it back.

gallery.json        all items with the names of their files
items.csv           the same for spreadsheets
pictures/ID.jpg …   copies without private metadata, or the originals
README.txt          what this is
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from playground._version import __version__
from playground.exports import copies, destination, fields, tables
from playground.exports.report import Exported, Notes
from playground.exports.selection import ALL, Selection
from playground.store import Gallery
from playground.values import GalleryItem

METADATA = "gallery.json"
MOST_FILES = 50_000
MOST_BYTES = 2 << 30
"""So much is read back at most: an archive of a stranger could hold a million names."""
_README = """\
Pictures from a Halfpenny gallery.

pictures/     {pictures}
gallery.json  what is known about them; "file" names the picture, dollars are text, null is unknown
items.csv     the same as a table (a cell's leading apostrophe keeps a spreadsheet from running it)

playground gallery import THIS.zip   takes them into a gallery.
"""


def to_zip(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.EVERYTHING,
    originals: bool = False,
    force: bool = False,
) -> Exported:
    """Write a zip (zip64 where it needs to be) of copies, or of `originals`, with their data.

    Raises:
        GalleryProblem: when `path` exists (without `force`) or cannot be written.
    """
    notes, size = Notes(), 0
    with (
        destination.file(Path(path), force=force) as out,
        zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive,
        tempfile.TemporaryFile() as document,
        tempfile.TemporaryFile() as table,
    ):
        items = _stored(gallery, chosen, groups, archive, document, notes, originals=originals)
        count = tables.write_csv(items, cast("IO[bytes]", table), groups)  # type: ignore[arg-type]
        _add(archive, METADATA, document)
        _add(archive, "items.csv", table)
        what = "the untouched originals" if originals else "copies without the files' own metadata"
        archive.writestr(_entry("README.txt"), _README.format(pictures=what))
        size = sum(entry.file_size for entry in archive.infolist())
        files = len(archive.infolist())
    sentences = notes.sentences()
    if files > MOST_FILES or size > MOST_BYTES:
        sentences += (
            f"the zip holds more than the {MOST_FILES:,} files or {MOST_BYTES >> 30} GiB that an "
            "import reads; `playground gallery backup` moves whole galleries",
        )
    return Exported(str(path), "zip", count, sentences)


def _stored(
    gallery: Gallery,
    chosen: Selection,
    groups: frozenset[str],
    archive: zipfile.ZipFile,
    document: IO[bytes],
    notes: Notes,
    *,
    originals: bool,
) -> Iterator[GalleryItem]:
    """Each item on its way to the table, after its picture and its data were written."""
    head = {
        "format": tables.FORMAT,
        "version": tables.FORMAT_VERSION,
        "program": f"halfpenny {__version__}",
    }
    document.write(json.dumps(head)[:-1].encode() + b', "items": [')
    mark = b"\n"
    for item, copy in copies.each_copy(gallery, chosen, groups, notes, originals=originals):
        name = None
        if copy is not None:
            name = f"pictures/{copy.name}"
            archive.writestr(_entry(name), copy.data)
        # The hash finds the item again in the gallery it came from.
        facts = {"file": name, "sha256": item.sha256, **fields.document(item, groups)}
        document.write(mark + json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace"))
        mark = b",\n"
        yield item
    document.write(b"\n]}\n")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # of 1980: the archive says nothing about when
    entry.external_attr = 0o644 << 16
    return entry


def _add(archive: zipfile.ZipFile, name: str, source: IO[bytes]) -> None:
    source.seek(0)
    with archive.open(_entry(name), "w", force_zip64=True) as out:
        while part := source.read(1 << 20):
            out.write(part)
