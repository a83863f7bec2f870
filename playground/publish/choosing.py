"""Which items and which of their fields strangers would get: looked at before anything is made."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playground.errors import GalleryProblem, InvalidRequest
from playground.lab import board as challenge
from playground.provider.redact import without_secrets
from playground.publish.boards import MAX_PLACES, TOLD, Board, Place
from playground.publish.entries import (
    DEFAULT_FIELDS,
    FIELDS,
    Entry,
    Words,
    check_fields,
    text_of,
)
from playground.store import Gallery, Where
from playground.values import GalleryItem

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARS = 16
_OWNER = "owner"
_NO_SENTENCES = {"tags", "attributes"}  # lists of words, which are no caption
_KINDS = {"image": "generated picture", "edit": "edited picture", "photo": "photograph"}
_ANYTHING = Where()


@dataclass(frozen=True, slots=True)
class Selection:
    """Items to publish: by their ids, or what a search finds; the whole gallery by `everything`.

    Items in the trash are never published.
    """

    ids: tuple[str, ...] = ()
    text: str = ""
    where: Where = _ANYTHING
    everything: bool = False

    def items(self, gallery: Gallery) -> Iterator[GalleryItem]:
        """The chosen items, the newest first (named ones in their order), each once.

        Raises:
            InvalidRequest: when nothing says what to publish.
            GalleryProblem: when an id is not there, or is in the trash.
        """
        if self.ids:
            seen: set[str] = set()
            for wanted in self.ids:
                item = gallery.item(wanted)
                if item.deleted_at is not None:
                    msg = f"item {item.id} is in the trash; restore it first, nothing was published"
                    raise GalleryProblem(msg)
                if item.id not in seen:
                    seen.add(item.id)
                    yield item
        elif self.text.strip() or self.where != _ANYTHING or self.everything:
            yield from gallery.each(self.text, where=self.where)
        else:
            msg = "say what to publish: ids, a search, facets, or everything"
            raise InvalidRequest(msg)


@dataclass(frozen=True, slots=True)
class Preview:
    """Exactly what strangers would get: every entry, and what stays private.

    `withheld` counts the items that have something in a field that does not go along; `notices`
    are sentences worth reading before publishing. `boards` are the challenge boards that were
    chosen, with the pictures that meet their rules. `private_ids` leads from an entry's neutral id
    to its item; it is the owner's and never leaves the gallery.
    """

    entries: tuple[Entry, ...]
    fields: tuple[str, ...]
    withheld: Mapping[str, int]
    notices: tuple[str, ...] = ()
    boards: tuple[Board, ...] = ()
    private_ids: Mapping[str, str] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the items as strangers would see them."""
        return {
            "count": len(self.entries),
            "fields": list(self.fields),
            "withheld": dict(self.withheld),
            "notices": list(self.notices),
            "items": [
                {"item": self.private_ids[entry.id], "gets": entry.to_dict()}
                for entry in self.entries
            ],
            "boards": [board.to_dict() for board in self.boards],
        }


def neutral_id(gallery: Gallery, item_id: str) -> str:
    """The name under which an item is published: the same each time, and telling nothing.

    It is keyed with the gallery's own random id, which is never published: who knows an item's
    id, hash or file name cannot find out whether it was published, and links stay valid when a
    snapshot is made again.
    """
    digest = hmac.digest(gallery.id.encode(), f"published:{item_id}".encode(), hashlib.sha256)
    number = int.from_bytes(digest[:10], "big")
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_ID_CHARS))


def preview(
    gallery: Gallery,
    selection: Selection,
    fields: Collection[str] = DEFAULT_FIELDS,
    boards: Sequence[str] = (),
) -> Preview:
    """What `publish` would show of the selection, with these fields (`FIELDS`) and boards.

    A board is a club by its name or rules (`lab.board.club_of`). It ranks pictures of the
    selection only, and shows `boards.TOLD` of them whatever the fields are.

    Raises:
        InvalidRequest: for an unknown field or club, or a selection that selects nothing.
        GalleryProblem: for an item that is not there.
    """
    chosen = check_fields(fields)
    clubs = [challenge.club_of(each) for each in dict.fromkeys(boards)]
    items = list(selection.items(gallery))
    if not items:
        msg = "nothing matches, so there is nothing to publish"
        raise InvalidRequest(msg)
    ids = {item.id: neutral_id(gallery, item.id) for item in items}
    made = [_entry(item, ids, chosen) for item in items]
    ranked = tuple(_board(items, club, ids) for club in clubs)
    return Preview(
        entries=tuple(entry for entry, _ in made),
        fields=chosen,
        withheld=_withheld(items, chosen),
        notices=(*_board_notices(ranked), *_notices(items, made)),
        boards=ranked,
        private_ids={neutral: own for own, neutral in ids.items()},
    )


def _entry(
    item: GalleryItem, ids: Mapping[str, str], chosen: Collection[str]
) -> tuple[Entry, bool]:
    """The entry, and whether something that looks like a key was taken out of its texts."""
    removed = False

    def text(value: str | None, name: str = "") -> str:
        nonlocal removed
        if not value or (name and name not in chosen):
            return ""
        clean = text_of(value)
        safe = without_secrets(clean)
        removed |= safe != clean
        return safe

    told = [each for each in item.captions if each.task not in _NO_SENTENCES]
    captions = tuple(
        Words(words, text(each.model, "model") if each.model != _OWNER else "")
        for each in told
        if (words := text(each.text, "caption"))
    )
    # The words of a person, then what a model wrote for this purpose, then what comes near.
    described = sorted(told, key=lambda each: (each.task != "alt", each.task != "describe"))
    title, prompt = text(item.title, "title"), text(item.prompt, "prompt")
    drafts = (text(each.text, "caption") for each in described)
    alt = text(item.alt) or next(filter(None, drafts), "") or prompt or title
    entry = Entry(
        id=ids[item.id],
        kind=item.kind,
        width_px=item.size.width_px,
        height_px=item.size.height_px,
        alt=alt or f"A {_KINDS[item.kind]} without a description",
        title=title,
        prompt=prompt,
        captions=captions,
        note=text(item.note, "note"),
        model=text(item.model, "model"),
        quality=text(item.quality, "model"),
        collection=text(item.collection, "collection"),
        rating=item.rating if "rating" in chosen else None,
        # Two tags may differ only in what is taken out of them.
        tags=tuple(dict.fromkeys(filter(None, (text(tag, "tags") for tag in item.tags)))),
        cost=_cost(item) if "cost" in chosen else None,
        date=item.created_at.date() if "date" in chosen else None,
        sample=item.sample,
        parent=next((ids[parent] for parent in item.parents if parent in ids), None),
    )
    return entry, removed


def _board(items: list[GalleryItem], club: challenge.Club, ids: Mapping[str, str]) -> Board:
    places = tuple(
        Place(
            ids[entry.item.id],
            entry.item.rating or 0,
            entry.billed,
            entry.prompt_tokens,
            entry.output_tokens,
            "verified" if entry.verified else "practice" if entry.practice else "unverified",
        )
        for entry in challenge.board(items, club).entries[:MAX_PLACES]
    )
    return Board(club.id, club.name, club.rules, places)


def _board_notices(boards: tuple[Board, ...]) -> Iterator[str]:
    shown = {place.id for board in boards for place in board.places}
    if shown:
        yield f"the challenge boards show of {_pictures(len(shown))}: {TOLD}"
    for board in boards:
        if not board.places:
            yield f"no picture is in the club {board.name} ({board.rules}), so it gets no board"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _cost(item: GalleryItem) -> Any:
    known = item.billed is not None or any(each.billed is not None for each in item.captions)
    return item.total_billed if known else None


def _withheld(items: list[GalleryItem], chosen: Collection[str]) -> dict[str, int]:
    """How many items hold something in each field that does not go along."""
    held: Counter[str] = Counter()
    for item in items:
        has = {
            "title": item.title,
            "prompt": item.prompt,
            "caption": item.captions,
            "model": item.model,
            "rating": item.rating,
            "tags": item.tags,
            "date": item.created_at,
            "cost": _cost(item) is not None,
            "note": item.note,
            "collection": item.collection,
        }
        held.update(name for name, value in has.items() if value and name not in chosen)
    return {name: held[name] for name in FIELDS if held[name]}


def _notices(items: list[GalleryItem], made: list[tuple[Entry, bool]]) -> Iterator[str]:
    keys = sum(removed for _, removed in made)
    if keys:
        yield f"something that looks like a key is left out of the texts of {_items(keys)}"
    bare = sum(not item.alt for item in items)
    if bare:
        yield (
            f"{_items(bare)} without alternative text of your own: caption, prompt or title "
            "stands in until you write one"
        )
    photos = sum(item.kind == "photo" for item in items)
    if photos:
        yield (
            f"{photos:,} of them {'is a photograph' if photos == 1 else 'are photographs'}: "
            "people and places in the picture itself stay visible"
        )


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"
