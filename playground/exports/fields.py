"""What goes along with an item, by name: the same words on the command line, in files, in Python.

`id`, `kind`, `sample`, format, pixels, title and alt text always go along. The rest goes in
groups (`GROUPS`), so that nobody publishes a note or a price by accident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from playground import money
from playground.errors import InvalidRequest
from playground.values import Caption, GalleryItem

GROUPS: Mapping[str, str] = {
    "name": "the file name it came under",
    "caption": "captions, alt text drafts, text in the picture, attributes",
    "tags": "the tags",
    "rating": "the stars",
    "collection": "the collection",
    "note": "the note",
    "prompt": "the prompt",
    "model": "model, quality, tier and asked size",
    "cost": "what was quoted and billed",
    "time": "when it came",
    "file": "hash and bytes of the original",
    "lineage": "what it was made from",
    "request": "request ids, tokens and seconds",
}
EVERYTHING = frozenset(GROUPS)
SHOWN = frozenset({"caption", "tags"})
"""What pages and copies show unless more is asked for: no prompt, no cost, no note, no name."""

# Keys of `GalleryItem.to_dict` by group; what is in none does not leave the gallery.
_ALWAYS = ("id", "kind", "sample", "format", "size", "title", "alt")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "name": ("name",),
    "caption": ("captions",),
    "tags": ("tags",),
    "rating": ("rating",),
    "collection": ("collection",),
    "note": ("note",),
    "prompt": ("prompt",),
    "model": ("model", "asked_size", "quality", "tier"),
    "cost": ("quoted_low", "quoted_high", "billed"),
    "time": ("created_at",),
    "file": ("sha256", "size_bytes"),
    "lineage": ("parents",),
    "request": ("usage", "request_id", "seconds"),
}
_CAPTION_ALWAYS = ("task", "model", "text", "tags", "data", "sample")
_CAPTION_KEYS = {group: _KEYS[group] for group in ("cost", "time", "request")}
OWNER = "owner"
"""The `model` of captions that people wrote themselves."""
UNNAMED = "imported"
"""The `model` of captions from files that do not say who wrote them."""


def parse(text: str | Iterable[str] | None, default: frozenset[str]) -> frozenset[str]:
    """Groups as typed: `prompt,cost`, `all`, or `none`; the default for None.

    Raises:
        InvalidRequest: for a group that is not known.
    """
    if text is None:
        return default
    words = text.split(",") if isinstance(text, str) else text
    chosen: set[str] = set()
    for word in (word.strip().lower() for word in words):
        if word == "all":
            chosen |= EVERYTHING
        elif word in GROUPS:
            chosen.add(word)
        elif word not in {"", "none"}:
            msg = f"{word!r} cannot go along; choose of {', '.join(GROUPS)}, all or none"
            raise InvalidRequest(msg)
    return frozenset(chosen)


def document(item: GalleryItem, groups: frozenset[str]) -> dict[str, Any]:
    """The item as JSON values: what always goes along, and the groups. Unknown money is null."""
    whole = item.to_dict()
    kept = {key: whole[key] for key in _ALWAYS}
    for group, keys in _KEYS.items():
        if group in groups:
            kept.update((key, whole[key]) for key in keys)
    if "cost" in groups:
        total = total_billed(item)
        kept["total_billed"] = None if total is None else money.plain(total)
    if "caption" in groups:
        kept["captions"] = [_caption(one, groups) for one in whole["captions"]]
    return kept


def _caption(whole: Mapping[str, Any], groups: frozenset[str]) -> dict[str, Any]:
    keys = [*_CAPTION_ALWAYS]
    for group, more in _CAPTION_KEYS.items():
        if group in groups:
            keys += more
    return {key: whole[key] for key in keys}


def total_billed(item: GalleryItem) -> Decimal | None:
    """Dollars billed for the item and its captions; None where no bill is known at all."""
    bills = [item.billed, *(caption.billed for caption in item.captions)]
    known = [bill for bill in bills if bill is not None]
    return sum(known, Decimal(0)) if known else None


def best(item: GalleryItem, task: str) -> Caption | None:
    """The caption to show for a task: the owner's own words, else the newest."""
    of_task = [caption for caption in item.captions if caption.task == task]
    own = [caption for caption in of_task if caption.model == OWNER]
    return (own or of_task)[-1] if of_task else None


def caption_text(item: GalleryItem) -> str:
    """The description to show, or ""."""
    found = best(item, "describe")
    return found.text if found else ""


def all_tags(item: GalleryItem) -> tuple[str, ...]:
    """The owner's tags, then those that models gave, each once."""
    given = best(item, "tags")
    return tuple(dict.fromkeys((*item.tags, *(given.tags if given else ()))))


def alt_text(item: GalleryItem, groups: frozenset[str] = EVERYTHING) -> str:
    """What a screen reader should say: the alt text, else what comes nearest to one.

    A model's draft of one, a caption, the title, the prompt of a generated picture, as far as the
    groups let them go along; never the file name. "" when nothing is known.
    """
    draft = best(item, "alt")
    texts = [item.alt]
    if "caption" in groups:
        texts += [draft.text if draft else "", caption_text(item)]
    texts += [item.title, item.prompt if "prompt" in groups else ""]
    return next((text for text in texts if text.strip()), "")
