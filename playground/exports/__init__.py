"""What leaves the gallery as files; the gallery itself is only read.

    Selection ─► items, a page at a time ─► tables   CSV, TSV, JSON, JSON lines, Parquet
                                        ├─► page     one HTML page · Markdown for posts
                                        ├─► copies   pictures without private metadata, with ours
                                        └─► archive  zip of copies and their data

Groups of `fields` decide what goes along. Every export is written whole or not at all.

    >>> from playground import Gallery, exports
    >>> with Gallery("gallery") as gallery:                                     # doctest: +SKIP
    ...     exports.to_csv(gallery, "beach.csv", chosen=exports.Selection(text="beach"))
    ...     exports.to_copies(gallery, "beach", groups=exports.SHOWN | {"prompt"})
    ...     exports.fill_files(gallery, ["site/"], "site-with-alt/")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.exports.alts import fill_files
    from playground.exports.archive import to_zip
    from playground.exports.copies import beside, to_copies, to_xmp
    from playground.exports.fields import EVERYTHING, SHOWN
    from playground.exports.markdown import to_markdown
    from playground.exports.page import to_html
    from playground.exports.parquet import to_parquet
    from playground.exports.selection import Selection
    from playground.exports.tables import to_csv, to_json, to_jsonl, to_tsv

__all__ = [
    "EVERYTHING",
    "SHOWN",
    "Selection",
    "beside",
    "fill_files",
    "to_copies",
    "to_csv",
    "to_html",
    "to_json",
    "to_jsonl",
    "to_markdown",
    "to_parquet",
    "to_tsv",
    "to_xmp",
    "to_zip",
]

_HOMES = {
    "EVERYTHING": "fields",
    "SHOWN": "fields",
    "Selection": "selection",
    "beside": "copies",
    "fill_files": "alts",
    "to_copies": "copies",
    "to_csv": "tables",
    "to_html": "page",
    "to_json": "tables",
    "to_jsonl": "tables",
    "to_markdown": "markdown",
    "to_parquet": "parquet",
    "to_tsv": "tables",
    "to_xmp": "copies",
    "to_zip": "archive",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'playground.exports' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"playground.exports.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
