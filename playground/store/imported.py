"""What comes from elsewhere: pictures of other tools, their words, and no bill of ours.

Nothing is claimed about money: `billed` and the quotes stay unknown. Where an item came from is
the first line of its history (`who` is "import from ComfyUI").
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from playground.size import Size
from playground.store import items, results, schema
from playground.store.edits import MAX_TEXT_CHARS
from playground.store.records import MAX_TAG_CHARS, Kind, clean, clean_tags, microseconds
from playground.values import Photo, Task

MAX_TAGS = 64
MAX_NAME_CHARS = 255
"""A stranger's file may hold ten thousand tags or a megabyte of text; this much is kept."""


@dataclass(frozen=True, slots=True)
class Words:
    """A caption that somebody else wrote: a model through another tool, or a person."""

    text: str
    task: Task = "describe"
    model: str = items.OWNER_MODEL
    tags: tuple[str, ...] = ()
    data: Mapping[str, Any] | None = None
    at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """A picture from elsewhere with what is known about it; all texts are cut to their limits.

    `photo` is measured, with its hash. `source` names the tool that wrote the metadata.
    """

    photo: Photo
    name: str
    kind: Kind = "photo"
    prompt: str = ""
    model: str | None = None
    asked_size: str | None = None
    quality: str | None = None
    title: str = ""
    alt: str = ""
    note: str = ""
    rating: int = 0
    collection: str = ""
    tags: tuple[str, ...] = ()
    captions: tuple[Words, ...] = ()
    thumbnail: tuple[bytes, Size] | None = None
    at: dt.datetime | None = None
    source: str = ""
    sample: bool = False


def put(connection: sa.Connection, one: Imported, now_us: int) -> tuple[int, bool]:
    """Make an item, unless its file has one; its seq, and whether it is new."""
    sha256 = str(one.photo.sha256)
    there = results.first_of_file(connection, sha256)
    if there is not None:
        return there, False
    results.put_file(
        connection,
        sha256=sha256,
        format_=str(one.photo.format),
        size=one.photo.size,
        size_bytes=one.photo.size_bytes or 0,
        now_us=now_us,
    )
    if one.thumbnail is not None:
        results.put_thumbnail(connection, sha256, *one.thumbnail)
    values = {
        "kind": one.kind,
        "sha256": sha256,
        # Two programs that import the same bytes at once end up with one item.
        "job_key": f"photo:{sha256}",
        "slot": 0,
        "created_at_us": now_us if one.at is None else microseconds(one.at),
        "name": _text(one.name, MAX_NAME_CHARS),
        "title": _text(one.title),
        "prompt": _text(one.prompt),
        "alt": _text(one.alt),
        "note": _text(one.note),
        "collection": _text(one.collection, MAX_NAME_CHARS),
        "model": _text(one.model or "", MAX_NAME_CHARS) or None,
        "asked_size": _text(one.asked_size or "", MAX_TAG_CHARS) or None,
        "quality": _text(one.quality or "", MAX_TAG_CHARS) or None,
        "rating": min(5, max(0, one.rating)),
        "sample": int(one.sample),
    }
    item_id, new = results.put_item(connection, values, tags=_tags(one.tags))
    seq = items.resolve(connection, item_id)
    if not new:
        return seq, False
    if one.source:
        _remember(connection, seq, one.source, now_us)
    if add_words(connection, seq, one.captions, now_us) == 0:
        items.reindex(connection, seq)
    return seq, True


def add_words(connection: sa.Connection, seq: int, words: Sequence[Words], now_us: int) -> int:
    """Add captions that the item does not have yet; how many were new."""
    if not words:
        return 0
    (item,) = items.load(connection, [seq])
    known = {(caption.task, caption.model, caption.text) for caption in item.captions}
    new = 0
    for one in words:
        text = _text(one.text)
        model = _text(one.model, MAX_NAME_CHARS) or items.OWNER_MODEL
        if not (text or one.data) or (one.task, model, text) in known:
            continue
        known.add((one.task, model, text))
        new += 1
        kept = _tags(one.tags)
        values = {
            "item_seq": seq,
            "created_at_us": now_us if one.at is None else microseconds(one.at),
            "task": one.task,
            "model": model,
            "text": text,
            "tags": json.dumps(kept) if kept else None,
            "data": json.dumps(one.data) if one.data is not None else None,
        }
        connection.execute(sa.insert(schema.captions), values)
        results.link_model(connection, seq, model)
    if new:
        items.reindex(connection, seq)
    return new


def _remember(connection: sa.Connection, seq: int, source: str, now_us: int) -> None:
    values = {
        "item_seq": seq,
        "version": 1,
        "at_us": now_us,
        "who": _text(f"import from {source}", MAX_NAME_CHARS),
        "before": "{}",
        "after": "{}",
    }
    connection.execute(sa.insert(schema.history), values)


def _text(text: str, most: int = MAX_TEXT_CHARS) -> str:
    return clean(text[:most])


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    cut = (" ".join(clean(tag[: 4 * MAX_TAG_CHARS]).split())[:MAX_TAG_CHARS] for tag in tags)
    return clean_tags([tag for tag in dict.fromkeys(cut) if tag.strip()][:MAX_TAGS])
