"""What may be typed into a search: words and conditions such as `tag:cat rating:>=4 cost:<0.005`.

    words, "phrases", prefix*, -not           anywhere in prompts, captions, notes, titles, tags
    tag: collection: quality: kind:           exactly so
    model: provider:                          as a part of the name; `model:=name` exactly so
    rating: cost: size: date:                 4, >=4, <0.005, 0.001..0.01 (without its end), >1mp
    since: before:                            2026, 2026-11, 2026-11-21 (UTC)
    is:unreviewed|rated|unrated|sample|panorama|trash   has:caption|alt|note|tag

A minus turns any of them round; a value with spaces stands in quotes. No text is an error: what
looks like a condition and cannot be read is searched as words, and a note says so.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from playground import money
from playground.store import search
from playground.store.records import KINDS, Where, clean, microseconds

Name = Literal[
    "tag", "model", "provider", "kind", "quality", "collection", "rating", "cost", "pixels",
    "created", "is",
]  # fmt: skip
MAX_CHARS = 10_000
_MAX_CONDITIONS = 32
_CONDITION = re.compile(r'(?<!\S)(-?)([a-z]{2,10}):((?:=|>=|<=|>|<)?"[^"]*"|\S+)', re.IGNORECASE)
_NUMBER = r"\$?(\d{1,9}(?:\.\d{1,12})?|\.\d{1,12})"
_COMPARED = re.compile(rf"(=|>=|<=|>|<)?{_NUMBER}(mp)?$", re.IGNORECASE)
_RANGE = re.compile(rf"{_NUMBER}(?:mp)?\.\.{_NUMBER}(?:mp)?$", re.IGNORECASE)
_SIZE = re.compile(r"(=|>=|<=|>|<)?(\d{1,5})[x×](\d{1,5})$", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?$")
_KINDS: dict[str, str] = {
    **{kind: kind for kind in KINDS}, "generated": "image", "picture": "image", "edited": "edit",
    "photograph": "photo", "photos": "photo",
}  # fmt: skip
STATES = ("unreviewed", "rated", "unrated", "sample", "panorama", "caption", "alt", "note", "tag")
_HAS = {"caption", "alt", "note", "tag"}
_ENDLESS = 2**62


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: `values` of which one must hold, or whole numbers from `low` to `high`.

    Both ends belong to the range; picodollars, pixels, stars, microseconds since 1970. `part` is
    for names that need only contain the value. `wanted` is False after a minus.
    """

    name: Name
    values: tuple[str, ...] = ()
    low: int = 0
    high: int = _ENDLESS
    part: bool = False
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """A search that was read: words, conditions, and notes about what could not be read."""

    terms: tuple[search.Term, ...] = ()
    conditions: tuple[Condition, ...] = ()
    trash: bool = False
    notes: tuple[str, ...] = ()


def read(text: str, where: Where | None = None, *, trash: bool = False) -> Question:
    """The question that a text (and facets, and the trash) ask."""
    words: list[str] = []
    conditions: list[Condition] = []
    notes: list[str] = []
    at = 0
    text = clean(text[:MAX_CHARS])
    for match in _CONDITION.finditer(text):
        minus, name, value = match.groups()
        reader = _READERS.get(name.lower())
        if reader is None or len(conditions) >= _MAX_CONDITIONS:
            continue
        try:
            found = reader(value.replace('"', ""))
        except (ValueError, ArithmeticError):
            notes.append(f"{match.group()[:60]} was searched as words; {_HELP[name.lower()]}")
            continue
        words.append(text[at : match.start()])
        at = match.end()
        if found is None:
            trash = not minus
        else:
            conditions.append(replace(found, wanted=not minus))
    words.append(text[at:])
    return Question(
        search.parse(" ".join(words)),
        (*conditions, *(_facets(where) if where is not None else ())),
        trash,
        tuple(notes),
    )


def _facets(where: Where) -> list[Condition]:
    found = [Condition("tag", (tag,)) for tag in where.tags]
    exact: Mapping[Name, str | None] = {
        "model": where.model,
        "kind": where.kind,
        "collection": where.collection,
    }
    found += [Condition(name, (value,)) for name, value in exact.items() if value is not None]
    if where.rating:
        found.append(Condition("rating", low=where.rating))
    if where.since is not None:
        since = where.since
        if not isinstance(since, dt.datetime):
            since = dt.datetime.combine(since, dt.time(), dt.UTC)
        found.append(Condition("created", low=microseconds(since)))
    if where.max_dollars is not None:
        found.append(Condition("cost", high=money.ceil_picousd(where.max_dollars)))
    return found


def _words(name: Name) -> Callable[[str], Condition]:
    def reader(value: str) -> Condition:
        if not value.removeprefix("="):
            raise ValueError
        return Condition(name, (value.removeprefix("="),))

    return reader


def _part(name: Name) -> Callable[[str], Condition]:
    def reader(value: str) -> Condition:
        found = _words(name)(value)
        return found if value.startswith("=") else replace(found, part=True)

    return reader


def _kind(value: str) -> Condition:
    kind = _KINDS.get(value.lower().removeprefix("="))
    if kind is None:
        raise ValueError
    return Condition("kind", (kind,))


def _number(name: Name, unit: Decimal) -> Callable[[str], Condition]:
    """Numbers in units of `unit`: dollars are picodollars times 10^12, megapixels pixels."""

    def whole(text: str) -> tuple[int, bool]:
        exact = Decimal(text) * unit
        return int(exact), exact == int(exact)

    def reader(value: str) -> Condition:
        match = _RANGE.match(value)
        if match:
            (low, even), (high, whole_high) = whole(match[1]), whole(match[2])
            return Condition(name, low=low + (not even), high=high - whole_high)
        match = _COMPARED.match(value)
        if not match:
            raise ValueError
        number, even = whole(match[2])
        return _compared(name, match[1], number, even=even)

    return reader


def _compared(name: Name, sign: str | None, number: int, *, even: bool = True) -> Condition:
    if sign == ">":
        return Condition(name, low=number + 1)
    if sign == ">=":
        return Condition(name, low=number + (not even))
    if sign == "<":
        return Condition(name, high=number - even)
    if sign == "<=":
        return Condition(name, high=number)
    return Condition(name, low=number, high=number if even else number - 1)


def _size(value: str) -> Condition:
    match = _SIZE.match(value)
    if match:
        return _compared("pixels", match[1], int(match[2]) * int(match[3]))
    return _number("pixels", Decimal(1_000_000))(value)


def _days(value: str) -> tuple[int, int]:
    """The first moments of a year, month or day and of the one after it, in microseconds."""
    match = _DAY.match(value)
    if not match:
        raise ValueError
    year, month, day = (int(part) if part else 0 for part in match.groups())
    first = dt.datetime(year, month or 1, day or 1, tzinfo=dt.UTC)
    length = 1 if day else calendar.monthrange(year, month)[1] if month else 365
    if not month and calendar.isleap(year):
        length = 366
    start = microseconds(first)
    return start, start + length * 86_400_000_000


def _date(value: str) -> Condition:
    low, high = _days(value)
    return Condition("created", low=low, high=high - 1)


def _is(value: str) -> Condition | None:
    value = value.lower()
    if value == "trash":
        return None
    if value not in STATES or value in _HAS:
        raise ValueError
    return Condition("is", (value,))


def _has(value: str) -> Condition:
    value = value.lower().removesuffix("s")
    if value not in _HAS:
        raise ValueError
    return Condition("is", (value,))


_READERS: dict[str, Callable[[str], Condition | None]] = {
    "tag": _words("tag"),
    "model": _part("model"),
    "provider": _part("provider"),
    "kind": _kind,
    "quality": _words("quality"),
    "collection": _words("collection"),
    "rating": _number("rating", Decimal(1)),
    "cost": _number("cost", Decimal(10**12)),
    "size": _size,
    "date": _date,
    "since": lambda value: Condition("created", low=_days(value)[0]),
    "before": lambda value: Condition("created", high=_days(value)[0] - 1),
    "is": _is,
    "has": _has,
}
_HELP: dict[str, str] = {
    "tag": "write tag:cat",
    "model": "write model:nano",
    "provider": "write provider:openai",
    "kind": f"a kind is one of {', '.join(KINDS)}",
    "quality": "write quality:low",
    "collection": "write collection:desert",
    "rating": "write rating:4 or rating:>=4",
    "cost": "write cost:<0.005 or cost:0.001..0.01 (dollars)",
    "size": "write size:>1mp or size:1024x1024",
    "date": "write date:2026-11 or date:2026-11-21",
    "since": "write since:2026-11-21",
    "before": "write before:2026-11-21",
    "is": "it is one of unreviewed, rated, unrated, sample, panorama, trash",
    "has": "it is one of caption, alt, note, tag",
}


def marked(text: str, terms: tuple[search.Term, ...]) -> list[tuple[int, int]]:
    """Where the wanted words stand in a text: starts and ends in characters, not overlapping."""
    wanted = [(search.fold(term.text), term.prefix) for term in terms if term.wanted and term.text]
    if not wanted or not text:
        return []
    words = [
        (found, match.start(), match.end())
        for match in re.finditer(r"\w+", text)
        if (found := "".join(search.fold(match.group())))
    ]
    hits: list[tuple[int, int]] = []
    for parts, prefix in wanted:
        if not parts:
            continue
        for at in range(len(words) - len(parts) + 1):
            here = words[at : at + len(parts)]
            *before, last = zip(parts, here, strict=True)
            ends = last[1][0].startswith(last[0]) if prefix else last[1][0] == last[0]
            if ends and all(part == word for part, (word, _, _) in before):
                hits.append((here[0][1], here[-1][2]))
    joined: list[tuple[int, int]] = []
    for start, end in sorted(hits):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def pieces(text: str, terms: tuple[search.Term, ...]) -> list[tuple[str, bool]]:
    """The text in parts, each with whether it is a hit."""
    found, at = [], 0
    for start, end in marked(text, terms):
        if start > at:
            found.append((text[at:start], False))
        found.append((text[start:end], True))
        at = end
    if at < len(text):
        found.append((text[at:], False))
    return found


def quoted(value: Any) -> str:
    """A value as it is typed after a colon."""
    text = str(value).replace('"', "")
    return f'"{text}"' if re.search(r"\s", text) else text
