"""A visitor's search, read: any text is safe to type, and the static site reads it the same way.

Words (all must occur, the last one may be unfinished), `"a phrase"`, `-not`, and
`tag:cat model:nano kind:photo rating:>=4 cost:<0.005 size:>1mp`. Case and accents don't matter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

MAX_CHARS = 300
MAX_TERMS = 24
Sort = Literal["newest", "oldest", "best", "dearest", "cheapest", "largest"]
SORTS: tuple[Sort, ...] = ("newest", "oldest", "best", "dearest", "cheapest", "largest")
FACETS = ("kind", "model", "rating", "tag", "collection", "shape")

_TERM = re.compile(
    r'(-?)(?:(tag|model|kind|rating|cost|size|collection|shape):)?(?:"([^"]*)"?|(\S+))'
)
_COMPARED = re.compile(r"(<=|>=|<|>|=)?\s*\$?(\d+(?:\.\d+)?)(mp)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Term:
    """Words in this order, or a facet with its value; `wanted` is False after a minus."""

    words: tuple[str, ...] = ()
    prefix: bool = False
    wanted: bool = True
    facet: str = ""
    value: str = ""
    compare: str = "="
    number: Decimal | None = None


def fold(text: str) -> tuple[str, ...]:
    """The words of a text without case and accents: letters and digits only."""
    bare = "".join(
        char if char.isalnum() else " "
        for char in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(char)
    )
    return tuple(bare.casefold().split())


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a search; what holds no letter or digit is left out."""
    text = text[:MAX_CHARS]
    terms: list[Term] = []
    for match in _TERM.finditer(text):
        minus, facet, phrase, word = match.groups()
        raw = phrase if phrase is not None else word
        wanted = not minus
        if facet in {"rating", "cost", "size"}:
            found = _COMPARED.fullmatch(raw)
            if found:
                terms.append(_compared(facet, found, wanted))
                continue
        elif facet:
            terms.append(Term(facet=facet, value=raw.strip(), wanted=wanted))
            continue
        words = fold(f"{facet or ''} {raw}")
        if words:
            unfinished = phrase is None and (match.end() == len(text) or raw.endswith("*"))
            terms.append(Term(words, prefix=unfinished, wanted=wanted))
        if len(terms) >= MAX_TERMS:
            break
    return tuple(terms[:MAX_TERMS])


def _compared(facet: str, found: re.Match[str], wanted: bool) -> Term:
    compare, digits, mega = found.groups()
    try:
        number = Decimal(digits)
    except InvalidOperation:  # digits of a script that Decimal does not read
        number = Decimal(0)
    if mega:
        number *= 1_000_000
    default = ">=" if facet == "rating" else "="
    return Term(facet=facet, compare=compare or default, number=number, wanted=wanted)


def shape(width: int, height: int) -> str:
    """The word for a picture's shape, by which it can be filtered."""
    ratio = width / height
    if abs(ratio - 2) < 0.01:
        return "panorama"
    if ratio > 2.05:
        return "very wide"
    if ratio > 1.1:
        return "wide"
    return "tall" if ratio < 0.9 else "square"
