"""A quote step by step: each rule with the numbers in place, who says so, and what nobody knows.

The steps end in the same tokens and dollars as `pricing.quote`; a test compares them.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from playground import captions, catalog, money, pricing, render, tokens
from playground.catalog import Catalog, Model
from playground.lab.priced import Priced, priced
from playground.sight import Sight, sight
from playground.size import Size
from playground.values import CaptionRequest, EditRequest, ImageRequest, Request

Certainty = Literal["official", "measured", "worked out", "third party", "not known"]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the calculation: what is done, with the numbers, what comes out, how sure."""

    what: str
    sum: str
    result: str
    certainty: Certainty
    why: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of a prompt as text, and what it costs in dollars."""

    text: str
    dollars: Decimal | None


@dataclass(frozen=True, eq=False, slots=True)
class Explanation:
    """A quote with its steps. `sight` is what a vision model cuts the photo into."""

    price: Priced
    steps: tuple[Step, ...]
    pieces: tuple[Piece, ...]
    overhead: str
    sight: Sight | None
    unknown: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


# Public pages behind the rules, for the reader; the first word is what the quote's sources say.
LINKS = {
    "community.openai.com/t/1382699": "https://community.openai.com/t/1382699",
    "community.openai.com/t/1382940": "https://community.openai.com/t/1382940",
    "community.openai.com/t/1377015": "https://community.openai.com/t/1377015",
    "community.openai.com/t/1281361": "https://community.openai.com/t/1281361",
    "developers.openai.com/api/docs/pricing": "https://developers.openai.com/api/docs/pricing",
    "developers.openai.com/api/docs/guides/image-generation": (
        "https://developers.openai.com/api/docs/guides/image-generation"
    ),
    "developers.openai.com/api/docs/guides/images-vision": (
        "https://developers.openai.com/api/docs/guides/images-vision"
    ),
}
_OPEN_IMAGE = (
    "how exact ties are rounded: no published measurement falls on one",
    "why pictures made together are sometimes billed one token less than the sum",
    "whether partial images that do not arrive are billed",
)
_OPEN_PHOTO = (
    "how many tokens the endpoint adds around a question (3 to 16 were seen)",
    "why Chat Completions billed gpt-5.4 photos 6.5 % below the rule in March 2026",
    "how long the answer will be, before it is written",
)


def explain(request: Request, on: dt.date, *, known: Catalog | None = None) -> Explanation:
    """The steps of a request's quote. Photos and edited pictures must be measured.

    Raises:
        InvalidRequest: what `pricing.quote` raises.
    """
    price = priced(request, on, known=known)
    model = (known or catalog.default()).model(request.model)
    seen = None
    if isinstance(request, CaptionRequest):
        sent = pricing.sent_size(request.measured.size, request.resize)
        seen = sight(model, sent, request.detail, request.endpoint)
        steps = _photo_steps(model, request, seen)
        prompt = request.prompt or captions.task_prompt(request.task)
        overhead = f"{tokens.CHAT_OVERHEAD} more that the endpoint adds around the question"
        unknown: tuple[str, ...] = _OPEN_PHOTO
    else:
        steps = _picture_steps(model, request, price)
        prompt = request.prompt
        overhead = f"{tokens.IMAGE_PROMPT_OVERHEAD} more that the endpoint adds"
        if isinstance(request, EditRequest):
            overhead = (
                f"{tokens.edit_text_overhead(model, len(request.images)).range} more that the "
                "edit adds"
            )
        unknown = _OPEN_IMAGE
    rate = next(
        (line.per_million for line in price.quote.lines if line.bucket == "text_input"), None
    )
    each = None if rate is None else money.token_cost(1, rate)
    pieces = tuple(Piece(piece, each) for piece in tokens.split_text(prompt))
    open_ends = tuple(dict.fromkeys([*price.quote.notes, *unknown]))
    return Explanation(
        price, (*steps, *_cost_steps(price)), pieces, overhead, seen, open_ends, _links(price)
    )


def _picture_steps(model: Model, request: ImageRequest, price: Priced) -> list[Step]:
    steps: list[Step] = []
    size = request.asked_size
    count = price.bucket("image_output")
    if model.pictures:
        return [
            Step("Price per picture", f"{request.size}, {request.quality}", price.text, "official")
        ]
    if size is None or request.quality == "auto":
        what = "size" if size is None else "quality"
        return [
            Step(
                f"The model chooses the {what}",
                f"{what}=auto",
                f"{count} tokens",
                "measured",
                "Four deliveries were seen, all of about 1,572,864 pixels."
                if size is None
                else "Through a gateway it was billed as low.",
            )
        ]
    if model.axis:
        steps += axis_steps(model, size, request.quality)
    else:
        steps.append(
            Step(
                "Token table",
                f"{size} at {request.quality}",
                f"{tokens.image_output(model, size, request.quality).range} tokens",
                "official",
                "This family has three sizes and a printed table; nothing is calculated.",
            )
        )
    if request.n > 1:
        each = tokens.image_output(model, size, request.quality).range
        steps.append(
            Step(
                "Several pictures",
                f"{request.n} × {each}",
                f"{count} tokens",
                "measured",
                "Each is billed as though made alone; a token less was seen.",
            )
        )
    if request.partial_images:
        steps.append(
            Step(
                "Partial images",
                f"up to {request.partial_images} × {tokens.PARTIAL_IMAGE_TOKENS}",
                f"{count} tokens",
                "official",
            )
        )
    if isinstance(request, EditRequest):
        steps.append(
            Step(
                "Pictures to edit",
                "cut into 32-pixel patches" if model.edit_rule == "patches" else "cut into tiles",
                f"{price.bucket('image_input')} tokens",
                "measured",
            )
        )
    return steps


def axis_steps(model: Model, size: Size, quality: str) -> list[Step]:
    """The calculation of gpt-image-2 and 2.5, a line each."""
    factor = model.axis[quality]
    share = Decimal(factor) * size.short_px / size.long_px
    short_steps = (2 * factor * size.short_px + size.long_px) // (2 * size.long_px)
    area = Decimal(2_000_000 + size.pixels) / 4_000_000
    product = factor * short_steps * area
    count = tokens.image_output(model, size, quality).range
    proven = model.output_rule == "axis-2" or count.exact
    how: Certainty = "worked out" if proven else "third party"
    return [
        Step(
            "Axis factor",
            f"quality {quality}",
            f"{factor}",
            how,
            "The long side counts as this many steps, whatever its pixels.",
        ),
        Step(
            "Short side in the same steps",
            f"{factor} × {size.short_px:,} / {size.long_px:,}",
            f"{_digits(share, 3)}",
            "worked out",
        ),
        Step(
            "Rounded to a whole step",
            f"{_digits(share, 3)}, half up",
            f"{short_steps}",
            "worked out",
            "This rounding is why some larger sizes cost less: the price jumps where the "
            "rounded step does.",
        ),
        Step(
            "Area factor",
            f"(2,000,000 + {size.pixels:,}) / 4,000,000",
            f"{_digits(area, 6)}",
            "worked out",
            "A picture of no pixels would still cost half the factor: small pictures are not "
            "cheap.",
        ),
        Step(
            "Together",
            f"{factor} × {short_steps} × {_digits(area, 6)}",
            f"{_digits(product, 3)}",
            "worked out",
        ),
        Step(
            "Rounded up",
            f"⌈{_digits(product, 3)}⌉",
            f"{count} tokens",
            how,
            "43 of 43 measured counts agree."
            if model.output_rule == "axis-2"
            else "low, xhigh and max are measured; medium and high are not.",
        ),
    ]


def _photo_steps(model: Model, request: CaptionRequest, seen: Sight) -> list[Step]:
    rule = model.vision
    assert rule is not None
    original = request.measured.size
    steps = []
    if seen.sent != original:
        steps.append(
            Step(
                "Scaled down before sending",
                f"{original} → longest side {request.resize:,}",
                f"{seen.sent}",
                "official",
                "You do this yourself; it is free.",
            )
        )
    level = rule.auto if request.detail == "auto" and rule.kind == "patches" else request.detail
    certain: Certainty = "official" if rule.source.source.startswith("developers") else "measured"
    if rule.kind == "patches":
        edge, budget = rule.levels[level]
        limit = f"longest side at most {edge:,}" + (
            f", at most {budget:,} patches" if budget else ""
        )
        steps.append(
            Step(
                f"Detail {request.detail}" + (f" means {level}" if level != request.detail else ""),
                limit,
                f"{seen.seen}",
                certain,
                "Fitted first, then shrunk to the budget; never enlarged.",
            )
        )
        steps.append(
            Step(
                "Cut into patches",
                f"⌈{seen.seen.width_px:,}/32⌉ × ⌈{seen.seen.height_px:,}/32⌉ = {seen.columns} × "
                f"{seen.rows}",
                f"{seen.count:,} patches",
                certain,
            )
        )
        product = seen.count * rule.multiplier
        steps.append(
            Step(
                "Multiplier of the model",
                f"{seen.count:,} × {money.plain(rule.multiplier)} = {money.plain(product)}",
                f"{math.ceil(product):,} tokens",
                certain,
                "Rounded up; one more has been billed.",
            )
        )
    elif rule.kind == "tiles" and request.detail == "low":
        steps.append(
            Step(
                "Detail low",
                "the whole photo in 512 pixels",
                f"{rule.base:,} tokens",
                "official",
                "A flat base, only in models that count tiles.",
            )
        )
    elif rule.kind == "tiles":
        steps.append(
            Step(
                "Fitted", "into 2048 × 2048, then the short side to 768", f"{seen.seen}", "official"
            )
        )
        steps.append(
            Step(
                "Cut into tiles of 512",
                f"{seen.columns} × {seen.rows}",
                f"{seen.count} tiles",
                "official",
            )
        )
        steps.append(
            Step(
                "Base and tiles",
                f"{rule.base:,} + {seen.count} × {rule.tile:,}",
                f"{rule.base + seen.count * rule.tile:,} tokens",
                "official",
            )
        )
    else:
        steps.append(
            Step(
                "The provider's own rule",
                rule.source.source,
                f"{seen.tokens} tokens",
                "third party",
            )
        )
    if not seen.tokens.exact:
        steps.append(
            Step(
                "What may be billed",
                "the rule and what was measured",
                f"{seen.tokens} tokens",
                "measured",
            )
        )
    return steps


def _cost_steps(price: Priced) -> list[Step]:
    quote = price.quote
    steps = []
    for line in quote.lines:
        if not line.tokens:
            continue
        label = render.BUCKET_LABELS[line.bucket]
        rate = money.plain(line.per_million)
        span = quote.tokens.get(line.bucket)
        upper = "" if span is None or span.exact else "at most "
        steps.append(
            Step(
                label,
                f"{upper}{line.tokens:,} × ${rate} / 1,000,000",
                money.grouped(line.dollars),
                "official",
            )
        )
    steps.append(
        Step(
            "Total",
            f"{quote.tier}, prices of {quote.on}",
            price.text,
            "official" if quote.basis == "exact" else "not known",
        )
    )
    return steps


def _links(price: Priced) -> tuple[tuple[str, str], ...]:
    """Each source of the quote with the address of its page, where it is a public one."""
    found = []
    for source in price.quote.sources:
        address = next((url for start, url in LINKS.items() if source.source.startswith(start)), "")
        found.append((f"{source.what}: {source.source} ({source.date})", address))
    return tuple(found)


def _digits(amount: Decimal, places: int) -> str:
    text = f"{amount:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
