"""A bill back to its request: a usage, a whole response, a breakdown or only an amount is enough.

What is pasted is data from anywhere: it is parsed as JSON or searched for numbers, never run.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from playground import catalog, money, pricing, solver, tokens
from playground.catalog import Catalog
from playground.errors import InvalidRequest
from playground.lab.atlas import PRESETS
from playground.lab.priced import Priced, parse_dollars, priced
from playground.size import Size
from playground.values import ImageRequest, Usage

MOST_CHARACTERS = 200_000
MOST_SHOWN = 12
_CHAT = "the usage of a chat completion"
_NAMED = re.compile(
    r"\b(input_tokens|output_tokens|text_tokens|image_tokens|prompt_tokens|completion_tokens)\b"
    r"['\"]?\s*[=:]\s*(\d{1,12})\b"
)
_AMOUNT = re.compile(r"\$?\s*(\d{1,9}(?:[.,][\d_]{1,15})?)\s*(?:dollars?|usd|\$)?", re.IGNORECASE)
_LINES = {
    "text": re.compile(r"(?im)^\s*input text\s+([\d,]+) tokens"),
    "image": re.compile(r"(?im)^\s*input image\s+([\d,]+) tokens"),
    "out": re.compile(r"(?im)^\s*output tokens\s+([\d,]+) tokens"),
}


@dataclass(frozen=True, slots=True)
class Clue:
    """What the pasted text says: tokens where it names them, or only an amount in dollars."""

    text_in: int | None = None
    image_in: int | None = None
    out: int | None = None
    total_in: int | None = None
    dollars: Decimal | None = None
    model: str | None = None
    how: str = ""

    @property
    def is_caption(self) -> bool:
        """Whether it looks like a question about a photo: its input is not split."""
        return self.text_in is None and self.total_in is not None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A request that explains the bill. `sure` says how it fits."""

    what: str
    how: str
    dollars: str
    size: str = ""
    quality: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Verdict:
    """What was found out; `words` is the answer in a sentence or two."""

    clue: Clue
    words: str
    suspects: tuple[Suspect, ...]
    more: int = 0
    priced: tuple[Priced, ...] = ()
    bill: tuple[tuple[str, str], ...] = ()


def read(text: str) -> Clue:
    """The numbers of a bill in a pasted text.

    Raises:
        InvalidRequest: where no bill can be found in it, with what one looks like.
    """
    bare = text.strip()
    if not bare:
        msg = (
            "nothing is pasted yet; a usage is enough, such as "
            '{"input_tokens": 20, "output_tokens": 129}'
        )
        raise InvalidRequest(msg)
    if len(bare) > MOST_CHARACTERS:
        msg = f"that is {len(bare):,} characters; paste the usage only, without the picture's data"
        raise InvalidRequest(msg)
    tree = _json(bare)
    if tree is not None:
        return _from_json(tree)
    lines = {name: _number(pattern.search(bare)) for name, pattern in _LINES.items()}
    if lines["out"] is not None:
        return Clue(
            lines["text"], lines["image"], lines["out"], how="a breakdown in the thread's form"
        )
    named: dict[str, int] = {}
    for name, value in _NAMED.findall(bare):
        named.setdefault(name, int(value))
    if named:
        return _from_counts(named, {}, "a usage as Python prints it")
    if len(bare) <= 60 and (match := _AMOUNT.fullmatch(bare)):
        return Clue(dollars=parse_dollars(match[1].replace("_", ""), "a bill"), how="an amount")
    msg = (
        "no bill can be found in that: paste the usage of a response (input and output tokens), "
        "the "
        "whole response, or an amount such as $0.00397"
    )
    raise InvalidRequest(msg)


def solve(
    clue: Clue, on: dt.date, model: str | None = None, *, known: Catalog | None = None
) -> Verdict:
    """The requests that explain a bill, the most likely first.

    Raises:
        UnknownModel: for a model that is not in the catalog.
        InvalidRequest: for a model without prices by the token.
    """
    book = known or catalog.default()
    name = model or clue.model
    if name is None:
        name = "gpt-5.4-nano" if clue.is_caption and not _like_a_picture(clue) else "gpt-image-2"
    chosen = book.model(name)
    if chosen.kind == "vision":
        return _photo(clue, on, chosen.name, book)
    if clue.is_caption:
        # An image bill whose input is not split: without pictures it is all text.
        clue = Clue(clue.total_in, 0, clue.out, clue.total_in, clue.dollars, clue.model, clue.how)
    return _picture(clue, on, chosen.name, book)


def _like_a_picture(clue: Clue) -> bool:
    """Whether a bill whose input is not split reads as a picture's: a short prompt, and an output
    that some size has.
    """
    if clue.out is None or (clue.total_in or 0) > 1000 or clue.how == _CHAT:
        return False
    found = solver.bill("gpt-image-2", output_tokens=clue.out)
    return any(each.how == "requested" for each in found)


def _picture(clue: Clue, on: dt.date, model: str, book: Catalog) -> Verdict:
    text = None if clue.text_in is None else clue.text_in
    found = solver.bill(
        model,
        output_tokens=clue.out,
        input_text_tokens=text if clue.dollars else None,
        dollars=clue.dollars,
        on=on,
    )
    suspects: list[Suspect] = []
    prices: list[Priced] = []
    legal = [each for each in found if each.how == "requested"]
    auto = [each for each in found if each.how == "auto"]
    likely = sorted(legal, key=lambda each: _unlikely(each.size))
    tried = [*likely, *auto[: 4 if legal else MOST_SHOWN]]
    for each in tried:
        if len(suspects) >= MOST_SHOWN + 4:
            break
        request = ImageRequest(
            model=model,
            size=each.size if each.how == "requested" else "auto",
            quality=each.quality,  # type: ignore[arg-type] # a quality of the model
            prompt_tokens=text or 0,
        )
        price = priced(request, on, known=book)
        how = "can be requested" if each.how == "requested" else "a delivery for size=auto"
        if text is None and clue.dollars is not None:
            rest = _prompt_for(price, clue.dollars)
            if rest is None:
                continue
            price = priced(request.with_(prompt_tokens=rest), on, known=book)
            how += f", with {rest} tokens of prompt"
        prices.append(price)
        suspects.append(
            Suspect(f"{each.size} {each.quality}", how, price.text, str(each.size), each.quality)
        )
    words = _picture_words(clue, model, len(legal), len(auto), book, on)
    return Verdict(
        clue,
        words,
        tuple(suspects),
        max(0, len(found) - len(suspects)),
        tuple(prices),
        _bill_lines(clue, model, on, book),
    )


def _unlikely(size: Size) -> tuple[bool, int, int]:
    """Sizes that people ask for come first, then those near the half-penny's area."""
    known = {preset.size for preset in PRESETS}
    return size not in known, abs(size.pixels - PRESETS[0].size.pixels), size.height_px


def _prompt_for(bare: Priced, dollars: Decimal) -> int | None:
    """The prompt tokens that make up the rest of an amount: 7 (one word) to 400."""
    rates = {line.bucket: line.per_million for line in bare.quote.lines}
    if bare.high is None or not rates.get("text_input"):
        return None
    whole, rest = divmod((dollars - bare.high) * 1_000_000, rates["text_input"])
    return int(whole) if not rest and 7 <= whole <= 400 else None


def _picture_words(
    clue: Clue, model: str, legal: int, auto: int, book: Catalog, on: dt.date
) -> str:
    said = (
        f"{clue.out:,} output tokens"
        if clue.out is not None
        else money.short(clue.dollars or Decimal(0))
    )
    if not legal and not auto:
        several = _several(clue, model, book, on)
        return several or (
            f"No single picture of {model} has {said}. It may be several pictures in one call, "
            "partial "
            "images (100 tokens each), a picture to edit, another model, or another day's prices."
        )
    parts = []
    if legal:
        parts.append(f"{legal:,} sizes and qualities of {model} give {said}")
    if auto:
        parts.append(
            ("none that can be requested, but " if not legal else "and ")
            + f"a delivery for size=auto would too ({auto:,} shapes)"
        )
    tail = ""
    if legal > 1:
        tail = " The bill alone cannot say which of them it was; the picture's own size can."
        if clue.out is None:
            tail = (
                " An amount alone leaves prompt and picture open; the likeliest come first. The "
                "usage would say more."
            )
    words = ", ".join(parts)
    return f"{words[0].upper()}{words[1:]}.{tail}"


def _several(clue: Clue, model: str, book: Catalog, on: dt.date) -> str:
    """Whether some equal pictures in one call explain the output."""
    if clue.out is None or not book.model(model).axis:
        return ""
    for count in range(2, book.model(model).max_n + 1):
        if clue.out % count == 0:
            found = solver.bill(model, output_tokens=clue.out // count, on=on)
            if any(each.how == "requested" for each in found):
                one = next(each for each in found if each.how == "requested")
                return (
                    f"No single picture of {model} has {clue.out:,} output tokens, but {count} "
                    "pictures of "
                    f"{clue.out // count:,} each would, such as {one.size} at {one.quality} with "
                    f"n={count}."
                )
    return ""


def _photo(clue: Clue, on: dt.date, model: str, book: Catalog) -> Verdict:
    """Which photos a vision model counts that way."""
    rule = book.model(model).vision
    total = clue.total_in if clue.total_in is not None else clue.text_in
    if total is None:
        words = (
            f"An amount alone does not say which photo {model} was asked about: photo, question "
            "and answer all "
            "cost, and every sum has many ways. Paste the usage."
        )
        return Verdict(clue, words, ())
    suspects = []
    if rule is not None and rule.kind == "patches":
        for text in range(8, 65):
            image = total - text
            for count in range(
                max(1, int(image / rule.multiplier) - 1), int(image / rule.multiplier) + 2
            ):
                if math.ceil(count * rule.multiplier) == image and count <= tokens.MAX_PATCHES:
                    shape = _shape_of(count)
                    if shape:
                        suspects.append(
                            Suspect(
                                f"{count:,} patches, such as a photo of {shape}",
                                f"with {text} tokens of text",
                                "",
                                str(shape),
                            )
                        )
    elif rule is not None and rule.kind == "tiles":
        for tiles in range(17):
            text = total - rule.base - rule.tile * tiles
            if 3 <= text <= 400:
                suspects.append(
                    Suspect(
                        f"{tiles} tiles" if tiles else "detail low, or no tiles",
                        f"with {text} tokens of text",
                        "",
                    )
                )
    suspects.sort(key=lambda one: abs(len(one.what)))
    if suspects:
        words = (
            f"{total:,} input tokens on {model} are a photo and its question together; the bill "
            "does not split "
            f"them. {len(suspects)} ways fit, if the question had up to 64 tokens."
        )
    else:
        words = f"{total:,} input tokens fit no photo of {model} with a question of 8 to 64 tokens."
    return Verdict(
        clue,
        words,
        tuple(suspects[:MOST_SHOWN]),
        max(0, len(suspects) - MOST_SHOWN),
        (),
        _bill_lines(clue, model, on, book),
    )


def _shape_of(count: int) -> Size | None:
    """A common shape of that many patches: the one nearest to 4 to 3."""
    best: tuple[float, Size] | None = None
    for down in range(1, math.isqrt(count) + 1):
        if count % down == 0 and count // down <= 3 * down:
            across = count // down
            bend = abs(across / down - 4 / 3)
            if best is None or bend < best[0]:
                best = (bend, Size(across * 32, down * 32))
    return None if best is None else best[1]


def _bill_lines(clue: Clue, model: str, on: dt.date, book: Catalog) -> tuple[tuple[str, str], ...]:
    """The bill of the pasted tokens at that day's prices, line by line."""
    if clue.out is None:
        return ()
    vision = book.model(model).kind == "vision"
    usage = Usage(
        text_input=(clue.total_in or clue.text_in or 0) if vision else clue.text_in or 0,
        image_input=0 if vision else clue.image_in or 0,
        text_output=clue.out if vision else 0,
        image_output=0 if vision else clue.out,
    )
    made = pricing.bill(model, usage, on=on, known=book)
    if made.dollars is None:
        return (("Total", made.notes[0] if made.notes else "unknown"),)
    rows = [
        (
            f"{line.bucket.replace('_', ' ')}: {line.tokens:,} × "
            f"${money.plain(line.per_million)} a million",
            money.grouped(line.dollars),
        )
        for line in made.lines
    ]
    return (*rows, (f"Total at the prices of {on}", money.grouped(made.dollars)))


# -------------------------------------------------------------------------------------------------


def _json(text: str) -> Any | None:
    if text[0] not in "{[":
        return None
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _from_json(tree: Any) -> Clue:
    usage = _usage_of(tree)
    if usage is None:
        msg = (
            "that is JSON, but no usage is in it: a bill has input_tokens and output_tokens (or "
            "prompt_tokens and completion_tokens)"
        )
        raise InvalidRequest(msg)
    named = {str(k): v for k, v in usage.items() if isinstance(v, int) and not isinstance(v, bool)}
    details: Mapping[str, Any] = next(
        (
            usage[k]
            for k in ("input_tokens_details", "prompt_tokens_details")
            if isinstance(usage.get(k), Mapping)
        ),
        {},
    )
    model = tree.get("model") if isinstance(tree, Mapping) else None
    return _from_counts(
        named, details, "the usage of a response", model if isinstance(model, str) else None
    )


def _usage_of(tree: Any, depth: int = 0) -> Mapping[str, Any] | None:
    """The first object with token counts, not deeper than a response is."""
    if depth > 6:
        return None
    if isinstance(tree, Mapping):
        if {"input_tokens", "output_tokens", "prompt_tokens", "completion_tokens"} & tree.keys():
            return tree
        for value in tree.values():
            found = _usage_of(value, depth + 1)
            if found is not None:
                return found
    if isinstance(tree, list):
        for value in tree[:50]:
            found = _usage_of(value, depth + 1)
            if found is not None:
                return found
    return None


def _from_counts(
    named: Mapping[str, int], details: Mapping[str, Any], how: str, model: str | None = None
) -> Clue:
    def count(*names: str, of: Mapping[str, Any] = named) -> int | None:
        for name in names:
            value = of.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                if not 0 <= value < 10**10:
                    msg = f"{name} is {value:,}: no bill has so many tokens"
                    raise InvalidRequest(msg)
                return value
        return None

    if "prompt_tokens" in named:
        how = _CHAT
    out = count("output_tokens", "completion_tokens")
    total = count("input_tokens", "prompt_tokens")
    text = count("text_tokens", of=details) if details else count("text_tokens")
    image = count("image_tokens", of=details) if details else count("image_tokens")
    if out is None and total is None:
        msg = (
            "the pasted usage names neither input nor output tokens, so there is nothing to "
            "look for"
        )
        raise InvalidRequest(msg)
    if not out and not total:
        msg = "a bill of no tokens at all fits no request"
        raise InvalidRequest(msg)
    return Clue(text, image, out, total, None, model, how)


def _number(match: re.Match[str] | None) -> int | None:
    return None if match is None else int(match[1].replace(",", ""))
