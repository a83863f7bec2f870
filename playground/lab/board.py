"""The challenge board: pictures of the gallery that stayed within a club's budget, by their bills.

An entry is *verified* when the bill that was booked for it follows from its own tokens at the
prices of its day, and those tokens, its size and its amount meet the club's rules. A sample of the
embedded provider is shown as practice: nobody was charged.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from playground import money, pricing, render
from playground.catalog import Catalog
from playground.errors import InvalidRequest, PlaygroundError
from playground.lab.atlas import shown_size
from playground.lab.priced import parse_dollars, parse_whole
from playground.size import Size
from playground.values import GalleryItem

FORM = 1
"""The version of the form that a published gallery may include (`board_data`)."""


@dataclass(frozen=True, slots=True)
class Club:
    """The rules of a challenge; None leaves something open.

    `dollars` is for one picture, prompt included; `prompt_tokens` are as billed, the endpoint's
    6 included.
    """

    id: str
    name: str
    dollars: Decimal | None = None
    size: Size | None = None
    quality: str | None = None
    prompt_tokens: int | None = None

    @property
    def rules(self) -> str:
        """The rules in words."""
        parts = []
        if self.dollars is not None:
            parts.append(f"at most {money.short(self.dollars)}")
        if self.size is not None:
            parts.append(f"{self.size}")
        if self.quality is not None:
            parts.append(f"quality {self.quality}")
        if self.prompt_tokens is not None:
            parts.append(f"at most {self.prompt_tokens} tokens of prompt")
        return ", ".join(parts) or "any picture"


HALF_PENNY = Club("half-penny", "Half-penny", Decimal("0.005"), Size(976, 704), "low", 226)
CLUBS = (
    HALF_PENNY,
    Club("quarter-penny", "Quarter-penny", Decimal("0.0025"), None, "low"),
    Club("under-20", "Under 20 tokens", Decimal("0.005"), Size(976, 704), "low", 20),
    Club("0.004", "$0.004", Decimal("0.004"), Size(976, 704), "low"),
)


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """A picture on the board. `verified` is by its bill; `doubt` says what is missing."""

    item: GalleryItem
    rank: int
    verified: bool
    practice: bool
    doubt: str
    billed: Decimal
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, eq=False, slots=True)
class Board:
    """The entries of a club, the best first, and what was looked at."""

    club: Club
    entries: tuple[Entry, ...]
    looked_at: int
    words: str


def own_club(dollars: Decimal | None, size: str, quality: str, prompt_tokens: int | None) -> Club:
    """A club by your own rules.

    Raises:
        InvalidRequest: for an unreadable size, or no rule at all.
    """
    asked = Size.parse(size) if size.strip() else None
    if dollars is None and asked is None and not quality.strip() and prompt_tokens is None:
        msg = "a club needs a rule: a budget, a size, a quality or a limit for the prompt"
        raise InvalidRequest(msg)
    return Club("own", "Your own", dollars, asked, quality.strip() or None, prompt_tokens)


def club_of(text: str) -> Club:
    """A club by its name (`half-penny`), or by rules: `dollars=0.01,size=1024x1024,quality=low`,
    `prompt_tokens=50`, and a `name=` where it should have one.

    Raises:
        InvalidRequest: for another name, an unknown or unreadable rule, or no rule.
    """
    known = next((each for each in CLUBS if each.id == text.strip()), None)
    if known is not None:
        return known
    rules = {"name": "", "dollars": "", "size": "", "quality": "", "prompt_tokens": ""}
    for part in text.split(","):
        rule, equals, value = part.partition("=")
        if not equals or rule.strip() not in rules:
            msg = (
                f"there is no club {part.strip()[:60]!r}; choose of "
                f"{', '.join(each.id for each in CLUBS)}, or give rules as in "
                "'name=Tiny,dollars=0.003,size=976x704,quality=low,prompt_tokens=50'"
            )
            raise InvalidRequest(msg)
        rules[rule.strip()] = value.strip()
    made = own_club(
        parse_dollars(rules["dollars"], "the budget") if rules["dollars"] else None,
        rules["size"],
        rules["quality"],
        parse_whole(rules["prompt_tokens"], "the prompt's limit", 1, 100_000)
        if rules["prompt_tokens"]
        else None,
    )
    name = render.one_line(rules["name"], 60) or "Challenge"
    digest = hashlib.sha256(f"{name}: {made.rules}".encode()).hexdigest()
    return dataclasses.replace(made, id=f"own-{digest[:8]}", name=name)


def written(club: Club) -> str:
    """A club as `club_of` reads it, and as `--board` takes it."""
    if club in CLUBS:
        return club.id
    rules = {
        "dollars": None if club.dollars is None else money.plain(club.dollars),
        "size": club.size,
        "quality": club.quality,
        "prompt_tokens": club.prompt_tokens,
    }
    return ",".join(f"{rule}={value}" for rule, value in rules.items() if value is not None)


def board(items: Iterable[GalleryItem], club: Club, *, known: Catalog | None = None) -> Board:
    """The pictures that meet a club's rules, ranked by rating, then by the smaller bill."""
    looked = 0
    found: list[Entry] = []
    for item in items:
        if item.kind not in {"image", "edit"} or item.deleted_at is not None:
            continue
        looked += 1
        entry = _entry(item, club, known)
        if entry is not None:
            found.append(entry)
    found.sort(
        key=lambda e: (
            -(e.item.rating or 0),
            not e.verified,
            e.billed,
            e.item.created_at,
            e.item.id,
        )
    )
    ranked = tuple(dataclasses.replace(entry, rank=rank) for rank, entry in enumerate(found, 1))
    sure = sum(entry.verified for entry in ranked)
    words = (
        f"{len(ranked)} of {looked} pictures are in the club; {sure} verified by their bills."
        if ranked
        else f"None of {looked} pictures is in this club yet: {club.rules}."
    )
    return Board(club, ranked, looked, words)


def _entry(item: GalleryItem, club: Club, known: Catalog | None) -> Entry | None:
    if item.billed is None:
        return None
    text = item.usage.text_input + item.usage.cached_text_input
    size = item.asked_size or str(item.size)
    if club.dollars is not None and item.billed > club.dollars:
        return None
    if club.size is not None and size != str(club.size):
        return None
    if club.quality is not None and item.quality != club.quality:
        return None
    if club.prompt_tokens is not None and text > club.prompt_tokens:
        return None
    doubt = _doubt(item, item.billed, known)
    return Entry(
        item,
        0,
        not doubt and not item.sample,
        item.sample,
        doubt,
        item.billed,
        text,
        item.usage.image_output,
    )


def _doubt(item: GalleryItem, billed: Decimal, known: Catalog | None) -> str:
    """Why the bill does not prove itself; empty when it does."""
    if item.model is None or not item.usage.image_output:
        return "no usage was kept with it"
    day = item.created_at.astimezone(dt.UTC).date()
    try:
        anew = pricing.bill(
            item.model, item.usage, tier=item.tier or "standard", on=day, known=known
        )
    except PlaygroundError as problem:
        return str(problem)
    if anew.dollars is None:
        return anew.notes[0] if anew.notes else "its price is unknown"
    # A call for several pictures is shared evenly; the remainder is under a picodollar each.
    if abs(anew.dollars - billed) > Decimal("0.000001"):
        return f"its tokens cost {money.short(anew.dollars)}, but {money.short(billed)} was booked"
    return ""


def as_post(made: Board, top: int = 10) -> str:
    """The board as a forum post in Markdown. Texts are escaped; pictures go in by hand."""
    lines = [f"## {_md(made.club.name)}: {_md(made.club.rules)}", ""]
    if not made.entries:
        return "\n".join([*lines, _md(made.words)])
    lines += [
        "| # | picture | prompt | tokens in | tokens out | billed | |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in made.entries[:top]:
        item = entry.item
        mark = "practice" if entry.practice else "verified ✓" if entry.verified else "unverified"
        stars = "★" * (item.rating or 0)
        prompt = _md(render.one_line(item.prompt, 160))
        lines.append(
            f"| {entry.rank} | {stars} {_md(item.title or item.name or 'picture')} | {prompt} "
            f"| {entry.prompt_tokens} | {entry.output_tokens} | {money.short(entry.billed)} | "
            f"{mark} |"
        )
    lines += [
        "",
        "Upload each picture and put its prompt where the name stands, so that it shows on hover:",
        "",
    ]
    for entry in made.entries[:top]:
        shown = shown_size(entry.item.size)
        name = _md(render.one_line(entry.item.prompt or "image", 160)).replace("|", "\\|")
        lines.append(f"`![{name}|{shown}](upload://…)`")
    lines += ["", "Verified: the bill follows from the tokens at that day's prices (Halfpenny)."]
    return "\n".join(lines)


def board_data(made: Board, top: int = 100) -> dict[str, Any]:
    """The board as JSON values, for a published gallery: no keys, no notes, no file names.

    `form` is its version. Money is decimal text in dollars.
    """
    return {
        "form": FORM,
        "club": {
            "id": made.club.id,
            "name": made.club.name,
            "rules": made.club.rules,
            "dollars": None if made.club.dollars is None else money.plain(made.club.dollars),
            "size": None if made.club.size is None else str(made.club.size),
            "quality": made.club.quality,
            "prompt_tokens": made.club.prompt_tokens,
        },
        "entries": [
            {
                "rank": entry.rank,
                "item": entry.item.id,
                "sha256": entry.item.sha256,
                "title": entry.item.title,
                "prompt": entry.item.prompt,
                "model": entry.item.model,
                "size": str(entry.item.size),
                "quality": entry.item.quality,
                "rating": entry.item.rating,
                "prompt_tokens": entry.prompt_tokens,
                "output_tokens": entry.output_tokens,
                "billed": money.plain(entry.billed),
                "verified": entry.verified,
                "practice": entry.practice,
            }
            for entry in made.entries[:top]
        ],
    }


def as_json(made: Board) -> str:
    """`board_data` as text."""
    return json.dumps(board_data(made), ensure_ascii=False, indent=1)


def _md(text: str) -> str:
    """Text that is only text in Markdown, in a table cell too."""
    flat = " ".join(render.printable(text).split())
    out = []
    for character in flat:
        if character in "\\`*_{}[]()#+!|~<>":
            out.append("\\")
        out.append(character)
    return "".join(out).replace("\\<", "&lt;").replace("\\>", "&gt;")
