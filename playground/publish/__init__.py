"""Publishing: chosen items of a gallery, for strangers, in a folder that holds nothing else.

    Gallery ─ Selection, fields ─► preview ─► publish ─► DEST/published.db  for the public page
                                                         DEST/site/…        a web site by itself

What was not chosen is not in the folder: no originals, no metadata, no paths, no ids of private
items. `preview` tells exactly what strangers would get; `unpublish` takes items, or all, away.

The names load on first use, because the public page's kernel reads a snapshot with nothing but
`database` and `entries`: neither the store nor the decoder is loaded there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.publish.choosing import Preview, Selection, preview
    from playground.publish.entries import DEFAULT_FIELDS, FIELDS, Entry
    from playground.publish.snapshot import Published, Snapshot, publish, staying, unpublish

__all__ = [
    "DEFAULT_FIELDS",
    "FIELDS",
    "Entry",
    "Preview",
    "Published",
    "Selection",
    "Snapshot",
    "preview",
    "publish",
    "staying",
    "unpublish",
]

_HOMES = {
    "DEFAULT_FIELDS": "entries",
    "Entry": "entries",
    "FIELDS": "entries",
    "Preview": "choosing",
    "Published": "snapshot",
    "Selection": "choosing",
    "Snapshot": "snapshot",
    "preview": "choosing",
    "publish": "snapshot",
    "staying": "snapshot",
    "unpublish": "snapshot",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'playground.publish' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"playground.publish.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
