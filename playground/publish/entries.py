"""What strangers get of an item: an `Entry` holds the published fields and nothing else.

Frozen values, no I/O. The public page's kernel imports this module, so it knows nothing of the
gallery, the ledger or the provider.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Literal

from playground import money
from playground.errors import InvalidRequest

FIELDS: Mapping[str, str] = {
    "title": "titles",
    "prompt": "prompts",
    "caption": "captions",
    "model": "the names of models, and the quality that was asked for",
    "rating": "stars",
    "tags": "tags",
    "date": "the day (UTC) on which it was made or imported",
    "cost": "what was billed, with its captions",
    "note": "notes",
    "collection": "the names of collections",
}
"""What may go along with a picture, with words for people.

Alternative text, kind and size always go along, and so does the mark of a sample.
"""

DEFAULT_FIELDS: tuple[str, ...] = ("title", "prompt", "caption", "model", "rating", "tags", "date")
"""What goes along unless something else is said: not what was billed, noted or collected."""

MAX_TEXT_CHARS = 20_000
PANORAMA = 2.0  # width to height of a picture all around

Kind = Literal["image", "edit", "photo"]
# Control characters break XML and terminals, bidirectional ones make text read other than it is.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = {"Cc", "Cs", "Co", "Cn"}


@dataclass(frozen=True, slots=True)
class Words:
    """A published caption: its text and, where models are published, who wrote it."""

    text: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One published picture; a field that was not chosen is empty.

    `id` is neutral: it tells nothing about the original, its bytes or its place in the gallery.
    `parent` is the published picture that this one was edited from. `cost` is in dollars.
    """

    id: str
    kind: Kind
    width_px: int
    height_px: int
    alt: str
    title: str = ""
    prompt: str = ""
    captions: tuple[Words, ...] = ()
    note: str = ""
    model: str = ""
    quality: str = ""
    collection: str = ""
    rating: int | None = None
    tags: tuple[str, ...] = ()
    cost: Decimal | None = None
    date: dt.date | None = None
    sample: bool = False
    parent: str | None = None

    @property
    def label(self) -> str:
        """The shortest name that it has: title, else the beginning of its alternative text."""
        text = self.title or " ".join(self.alt.split())
        return text if len(text) <= 90 else text[:89].rstrip() + "…"

    @property
    def panorama(self) -> bool:
        """Whether it has the shape of a view all around (twice as wide as high)."""
        return abs(self.width_px / self.height_px - PANORAMA) < 0.01

    def to_dict(self) -> dict[str, Any]:
        """JSON values of the fields that hold something; money as a decimal string."""
        values: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if value in (None, "", ()) or value is False:
                continue
            values[item.name] = _plain(value)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Entry:
        """The entry of `to_dict`; unknown names are ignored."""
        known = {item.name for item in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        given["captions"] = tuple(Words(**each) for each in given.get("captions", ()))
        given["tags"] = tuple(given.get("tags", ()))
        if "cost" in given:
            given["cost"] = money.usd(given["cost"])
        if "date" in given:
            given["date"] = dt.date.fromisoformat(given["date"])
        return cls(**given)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Words):
        return {"text": value.text, "by": value.by}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def check_fields(chosen: Collection[str]) -> tuple[str, ...]:
    """The fields in their usual order, without repetition.

    Raises:
        InvalidRequest: for a field that does not exist; nothing is published then.
    """
    for name in chosen:
        if name not in FIELDS:
            msg = f"{name!r} is not a field to publish; choose of {', '.join(FIELDS)}"
            raise InvalidRequest(msg)
    return tuple(name for name in FIELDS if name in chosen)


def text_of(text: str) -> str:
    """Text as it is published: no control, bidirectional or unassigned characters, not endless."""
    if text.isprintable() and len(text) <= MAX_TEXT_CHARS and not _BIDI.intersection(text):
        return text.strip()
    kept = "".join(
        char
        for char in text[:MAX_TEXT_CHARS]
        if char in "\n\t" or (char not in _BIDI and unicodedata.category(char) not in _UNPRINTABLE)
    )
    return kept.strip()


ID = re.compile(r"[0-9a-hjkmnp-tv-z]{16}")
"""A neutral id, whole (`fullmatch`)."""
