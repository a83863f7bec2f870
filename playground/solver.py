"""Money to the best picture, larger-and-cheaper sizes, and a bill back to its request.

The price is not monotone in the size: 3840x1488 at high costs less than 1024x1024 at high with
5.4 times the pixels. Everything here is an exhaustive search over the legal sizes (29,146 for
gpt-image-2), so the answer is the best one and not a good one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any, Literal

from playground import catalog, money, pricing, tokens
from playground.catalog import Model, Rates
from playground.errors import InvalidRequest, UnknownPrice
from playground.size import Size, all_sizes
from playground.values import ImageRequest, Tier

Sort = Literal["pixels", "dollars", "tokens"]


@dataclass(frozen=True, slots=True)
class SizeOffer:
    """One way to ask: a size and quality with its output tokens and dollars (upper bounds)."""

    size: Size
    quality: str
    output_tokens: int
    dollars: Decimal

    def to_dict(self) -> dict[str, Any]:
        """As in `playground sizes --json`."""
        return {
            "size": str(self.size),
            "pixels": self.size.pixels,
            "quality": self.quality,
            "output_tokens": self.output_tokens,
            "dollars": money.plain(self.dollars),
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request that explains a bill: `requested` at that size, or delivered for size=auto."""

    size: Size
    quality: str
    how: Literal["requested", "auto"]

    def to_dict(self) -> dict[str, str]:
        """As in `playground bill --json`."""
        return {"size": str(self.size), "quality": self.quality, "how": self.how}


def sizes(
    model: str = "gpt-image-2",
    *,
    quality: str | None = None,
    max_dollars: Decimal | str | None = None,
    prompt_tokens: int = 0,
    ratio: str | None = None,
    ratio_tolerance: Decimal | str = "0.02",
    min_pixels: int = 0,
    max_pixels: int | None = None,
    sort: Sort = "pixels",
    top: int | None = None,
    tier: Tier = "standard",
    on: dt.date | None = None,
) -> list[SizeOffer]:
    """Legal sizes and qualities that fit, the best first.

    Args:
        model: an image model.
        quality: one quality, or None for all of them.
        max_dollars: for the whole call: output plus `prompt_tokens` of text input.
        prompt_tokens: text tokens as billed, overhead included.
        ratio: width to height as "4:3"; a size fits within `ratio_tolerance` (relative).
        min_pixels, max_pixels: width times height.
        sort: `pixels` (most first), `dollars` or `tokens` (least first); ties go to the cheaper,
            then the larger, then the wider size.
        top: how many; None for all.

    Raises:
        InvalidRequest: for a vision model, an unknown quality, or an unreadable ratio.
        UnknownPrice: when the model has no price on that day.
    """
    known, rates = _priced(model, tier, on)
    limit = None if max_dollars is None else _budget(max_dollars, rates, prompt_tokens)
    wanted = _ratio(ratio)
    # Fewest tokens are fewest dollars: one table serves both.
    order: Sort = "pixels" if sort == "pixels" else "dollars"
    tolerance = money.usd(str(ratio_tolerance))
    # One token costs a fixed number of picodollars, so the search runs on whole tokens.
    most = None if limit is None else limit // _per_token(rates)
    return _offers(
        [
            (key, size, each, count)
            for each in _qualities(known, quality)
            for key, size, count, pixels in _table(known.name, each, order)
            if (most is None or count <= most)
            and pixels >= min_pixels
            and (max_pixels is None or pixels <= max_pixels)
            and (wanted is None or _fits(size, wanted, tolerance))
        ],
        rates,
        prompt_tokens,
        top,
    )


def better(
    model: str = "gpt-image-2",
    size: Size | str = "976x704",
    quality: str = "low",
    *,
    prompt_tokens: int = 0,
    top: int | None = None,
    tier: Tier = "standard",
    on: dt.date | None = None,
) -> list[SizeOffer]:
    """Legal sizes of more pixels that cost no more, the largest first; arguments as in `sizes`.

    Raises:
        InvalidRequest: also when `size` is not legal itself.
    """
    known, rates = _priced(model, tier, on)
    asked = Size.parse(size)
    own = pricing.quote(ImageRequest(prompt_tokens=0, model=model, size=asked, quality=quality))  # type: ignore[arg-type] # checked there
    most = own.tokens["image_output"].high
    return _offers(
        [
            (key, each, quality, count)
            for key, each, count, pixels in _table(known.name, quality, "pixels")
            if count <= most and pixels > asked.pixels
        ],
        rates,
        prompt_tokens,
        top,
    )


def bill(
    model: str = "gpt-image-2",
    *,
    output_tokens: int | None = None,
    input_text_tokens: int | None = None,
    dollars: Decimal | str | None = None,
    tier: Tier = "standard",
    on: dt.date | None = None,
) -> list[Candidate]:
    """The requests for one picture that give that usage or that amount, requestable sizes first.

    A delivery for size=auto may have any size of about 1,572,864 pixels; its candidates are
    ordered by how close they are to that area, and only those are listed that the family of seen
    deliveries allows (edges in whole pixels, 1 to 3 at most).

    Args:
        output_tokens: image output tokens.
        input_text_tokens: text tokens as billed; narrows `dollars`.
        dollars: the whole amount; without `input_text_tokens` any prompt of 1 to 1,000 text
            tokens may explain it.

    Raises:
        InvalidRequest: when neither tokens nor dollars are given.
    """
    known, rates = _priced(model, tier, on)
    counts = _possible_outputs(rates, output_tokens, input_text_tokens, dollars)
    found = [
        Candidate(size, quality, "requested")
        for quality in _qualities(known, None)
        for _, size, count, _ in _table(known.name, quality, "pixels")
        if count in counts
    ]
    for quality, factor in known.axis.items():
        found += [
            Candidate(size, quality, "auto")
            for size in _auto_sizes()
            if tokens.axis_tokens(factor, size) in counts
        ]
    if output_tokens is None and dollars is not None:
        found = [each for each in found if each.how == "requested"] or found
    return found


# -------------------------------------------------------------------------------------------------


def _priced(model: str, tier: Tier, on: dt.date | None) -> tuple[Model, Rates]:
    book = catalog.default()
    known = book.model(model)
    if known.kind != "image":
        msg = f"{known.name} reads photos and does not make pictures; choose an image model"
        raise InvalidRequest(msg)
    tariff = book.tariff(known.name, tier, on or pricing.today())
    if isinstance(tariff, str) or known.pictures:
        reason = tariff if isinstance(tariff, str) else f"{known.name} was priced per picture"
        msg = f"{reason}; sizes cannot be compared by price"
        raise UnknownPrice(msg)
    return known, tariff.high


def _qualities(known: Model, quality: str | None) -> Sequence[str]:
    choices = [each for each in known.qualities if each != "auto"]
    if quality is None:
        return choices
    if quality not in choices:
        msg = f"{known.name} has no quality {quality!r}; it has {', '.join(choices)}"
        raise InvalidRequest(msg)
    return [quality]


_Row = tuple[int, Size, int, int]


@lru_cache(maxsize=32)
def _table(model: str, quality: str, sort: Sort) -> tuple[_Row, ...]:
    """Every legal size: its rank as one integer, the size, its output tokens, its pixels.

    The tokens are the higher count where the rule is open. One integer per rank (fields packed
    from the most significant down) keeps a query over all sizes and qualities under 100 ms.
    """
    known = catalog.default().model(model)
    assert known.size_rules is not None
    rows = []
    for size in all_sizes(known.size_rules):
        width, height = size.width_px, size.height_px
        pixels = width * height
        count = _most_tokens(known, size, quality)
        by_size = (1 << 24) - pixels
        first, second = (by_size, count) if sort == "pixels" else (count, by_size)
        rows.append((((first << 24 | second) << 12 | (4095 - width)), size, count, pixels))
    return tuple(rows)


def _most_tokens(known: Model, size: Size, quality: str) -> int:
    if known.axis:
        return tokens.axis_tokens(tokens.highest_factor(known, quality), size)
    return tokens.image_output(known, size, quality).high


@lru_cache(maxsize=1)
def _auto_sizes() -> tuple[Size, ...]:
    """Sizes of size=auto deliveries: four were seen, each within 0.1 % of 1,572,864 pixels."""
    area = tokens.AUTO_AREA_PX
    found: list[tuple[int, Size]] = []
    for width in range(int((area / 3) ** 0.5), int((3 * area) ** 0.5) + 2):
        for height in {area // width, -(-area // width)}:
            size = Size(width, height)
            if size.long_px <= 3 * size.short_px and abs(size.pixels - area) * 1000 <= area:
                found.append((abs(size.pixels - area), size))
    # Seen deliveries (1384x1136, 1254x1254, 1672x941, 1533x1026): even sides come first.
    found.sort(
        key=lambda pair: (
            pair[1].width_px % 8 + pair[1].height_px % 8,
            pair[0],
            pair[1].height_px,
        )
    )
    return tuple(size for _, size in found)


def _per_token(rates: Rates) -> int:
    return max(1, money.to_picousd(rates["image_output"] / 1_000_000))


def _budget(max_dollars: Decimal | str, rates: Rates, prompt_tokens: int) -> int:
    """Picodollars left for the picture after the prompt."""
    text = money.token_cost(prompt_tokens, rates["text_input"])
    return money.to_picousd(money.usd(max_dollars) - text)


def _offers(
    found: list[tuple[int, Size, str, int]], rates: Rates, prompt_tokens: int, top: int | None
) -> list[SizeOffer]:
    """The found ones in rank order, priced; equal counts share one price."""
    # Ranks are unique within a quality; the stable sort keeps the qualities' order between them.
    found.sort(key=itemgetter(0))
    text = money.token_cost(prompt_tokens, rates["text_input"])
    prices: dict[int, Decimal] = {}
    offers = []
    for _, size, quality, count in found[:top]:
        price = prices.get(count)
        if price is None:
            price = prices[count] = text + money.token_cost(count, rates["image_output"])
        offers.append(SizeOffer(size, quality, count, price))
    return offers


def _ratio(text: str | None) -> Decimal | None:
    if text is None:
        return None
    across, _, down = text.partition(":")
    try:
        ratio = money.usd(across) / money.usd(down)
    except (ValueError, ArithmeticError):
        msg = f"{text!r} is not a ratio; write width:height as in 4:3"
        raise InvalidRequest(msg) from None
    if ratio <= 0:
        msg = f"{text!r} is not a ratio; both numbers are above zero"
        raise InvalidRequest(msg)
    return ratio


def _fits(size: Size, ratio: Decimal, tolerance: Decimal) -> bool:
    return abs(Decimal(size.width_px) / size.height_px - ratio) <= tolerance * ratio


def _possible_outputs(
    rates: Rates,
    output_tokens: int | None,
    input_text_tokens: int | None,
    dollars: Decimal | str | None,
) -> set[int]:
    if output_tokens is None and dollars is None:
        msg = "give --output-tokens or --dollars (or both)"
        raise InvalidRequest(msg)
    if dollars is None:
        assert output_tokens is not None
        return {output_tokens}
    whole = money.to_picousd(money.usd(dollars))
    per_text = money.to_picousd(rates["text_input"] / 1_000_000)
    texts = range(1, 1001) if input_text_tokens is None else [input_text_tokens]
    counts = set()
    for text in texts:
        rest, remainder = divmod(whole - text * per_text, _per_token(rates))
        if rest > 0 and remainder == 0:
            counts.add(rest)
    return counts if output_tokens is None else counts & {output_tokens}
