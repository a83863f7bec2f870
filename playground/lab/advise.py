"""Money in, the best requests out, on the frontier of cost and pixels."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from playground import catalog, money, render, solver
from playground.errors import InvalidRequest, UnknownPrice
from playground.lab.figures import Figure, Line, Mark, Point, Tick
from playground.lab.priced import Priced, priced
from playground.size import Size
from playground.values import ImageRequest, Tier

MOST_POINTS = 24


@dataclass(frozen=True, slots=True)
class Wish:
    """What there is to spend, and what the picture must be."""

    dollars: Decimal = Decimal("0.005")
    prompt_tokens: int = 20
    ratio: str = ""
    min_pixels: int = 0
    n: int = 1
    tier: Tier = "standard"
    model: str = "gpt-image-2"


@dataclass(frozen=True, eq=False, slots=True)
class Advice:
    """The best request of each quality that the money buys, the best quality first."""

    wish: Wish
    best: tuple[Priced, ...]
    frontier: tuple[Priced, ...]
    figure: Figure
    words: str
    price_per_megapixel: tuple[Decimal | None, ...] = ()


def advise(wish: Wish, on: dt.date) -> Advice:
    """The largest picture of each quality for the money.

    Raises:
        InvalidRequest: for a wish that no request can meet by its own rules.
        UnknownPrice: for a model or tier without a price on that day.
    """
    model = catalog.default().model(wish.model)
    tariff = catalog.default().tariff(model.name, wish.tier, on)
    if isinstance(tariff, str):
        raise UnknownPrice(tariff)
    if model.kind != "image":
        msg = f"{model.name} reads photos and does not make pictures; choose an image model"
        raise InvalidRequest(msg)
    text = money.token_cost(wish.prompt_tokens, tariff.high.get("text_input", Decimal(0)))
    best, frontier, lines, rows = [], [], [], []
    qualities = [each for each in model.qualities if each != "auto"]
    for number, quality in enumerate(qualities):
        found = _best(wish, quality, (wish.dollars - text) / wish.n, on)
        if found is not None:
            best.append(found)
        edge = [priced(_request(wish, quality, size), on) for size in _frontier(wish, quality, on)]
        frontier += edge
        points = tuple(
            Point(
                float(p.high or 0),
                _size(p).pixels / 1e6,
                f"{_size(p)} {quality}: {p.text}",
                float(p.low or 0),
            )
            for p in edge
        )
        lines.append(Line(quality, number, points, steps=True))
        rows += [
            (quality, str(_size(p)), f"{_size(p).pixels / 1e6:.2f}", _tokens(p), p.text)
            for p in edge
        ]
    words = _words(wish, best)
    figure = Figure(
        question=f"How many pixels does {money.short(wish.dollars)} buy?",
        answer=words,
        head=("Quality", "Size", "Megapixels", "Output tokens", "Dollars"),
        rows=tuple(rows),
        lines=tuple(lines),
        marks=(Mark(float(wish.dollars), f"your {money.short(wish.dollars)}"),),
        x_ticks=_dollar_ticks(frontier, wish.dollars),
        y_ticks=tuple(Tick(float(each), f"{each} Mpx") for each in (1, 2, 4, 8)),
        x_scale="log",
        y_scale="linear",
        x_title="dollars a call, on a log scale",
        y_title="pixels a picture",
    )
    return Advice(
        wish,
        tuple(reversed(best)),
        tuple(frontier),
        figure,
        words,
        tuple(map(_per_megapixel, reversed(best))),
    )


def _best(wish: Wish, quality: str, each: Decimal, on: dt.date) -> Priced | None:
    """The most pixels for the money; what the quote adds (rounding, text output) is checked."""
    if each <= 0:
        return None
    offers = solver.sizes(
        wish.model, quality=quality, max_dollars=_floor(each), sort="pixels", **_limits(wish, on)
    )
    for offer in offers[:200]:
        found = priced(_request(wish, quality, offer.size), on)
        if found.high is not None and found.high <= wish.dollars:
            return found
    return None


def _floor(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-12), "ROUND_FLOOR")


def _limits(wish: Wish, on: dt.date) -> dict[str, Any]:
    return {
        "ratio": wish.ratio.strip() or None,
        "min_pixels": wish.min_pixels,
        "tier": wish.tier,
        "on": on,
    }


def _frontier(wish: Wish, quality: str, on: dt.date) -> list[Size]:
    """Sizes that no other beats: each larger than everything that costs no more."""
    most, kept = 0, []
    for offer in solver.sizes(wish.model, quality=quality, sort="dollars", **_limits(wish, on)):
        if offer.size.pixels > most:
            most = offer.size.pixels
            kept.append(offer.size)
    if len(kept) <= MOST_POINTS:
        return kept
    step = (len(kept) - 1) / (MOST_POINTS - 1)
    return [kept[round(number * step)] for number in range(MOST_POINTS)]


def _request(wish: Wish, quality: str, size: Size) -> ImageRequest:
    return ImageRequest(
        model=wish.model,
        size=size,
        quality=quality,  # type: ignore[arg-type] # a quality of the model
        n=wish.n,
        tier=wish.tier,
        prompt_tokens=wish.prompt_tokens,
    )


def _size(found: Priced) -> Size:
    assert isinstance(found.request, ImageRequest)
    size = found.request.asked_size
    assert size is not None
    return size


def _tokens(found: Priced) -> str:
    return str(found.bucket("image_output"))


def _per_megapixel(found: Priced) -> Decimal | None:
    request = found.request
    assert isinstance(request, ImageRequest)
    if found.high is None:
        return None
    return found.high * 1_000_000 / (_size(found).pixels * request.n)


def _words(wish: Wish, best: list[Priced]) -> str:
    what = money.short(wish.dollars)
    if not best:
        return (
            f"{what} buys no such picture of {wish.model}: raise the money, or ask for fewer "
            "pixels, another shape or a cheaper tier."
        )
    finest, largest = best[-1], max(best, key=lambda found: _size(found).pixels)
    quality = finest.request.quality if isinstance(finest.request, ImageRequest) else ""
    largest_quality = largest.request.quality if isinstance(largest.request, ImageRequest) else ""
    text = f"The best quality that {what} buys is {quality}, at {_size(finest)} for {finest.text}."
    if largest is not finest:
        text += f" The largest picture is {_size(largest)} at {largest_quality} for {largest.text}."
    return text


def _dollar_ticks(frontier: list[Priced], budget: Decimal) -> tuple[Tick, ...]:
    amounts = [float(p.high) for p in frontier if p.high] + [float(budget)]
    return dollar_ticks(min(amounts), max(amounts))


def dollar_ticks(least: float, most: float) -> tuple[Tick, ...]:
    """Round amounts from `least` to `most`, for a log axis."""
    found = []
    for power in range(-9, 10):
        amount = Decimal(1).scaleb(power)
        if least / 3 <= float(amount) <= most * 3:
            found.append(Tick(float(amount), render.range_text(amount, amount)))
    return tuple(found)
