"""Every legal size of a model as a map: tokens and dollars at each, what is larger and cheaper.

The map goes to the page once per model, as bytes: per size its edges in units of 16 pixels and,
for each quality, the least and the most output tokens. What a size costs then follows from whole
picodollars, on the page as here.
"""

from __future__ import annotations

import datetime as dt
import sys
from array import array
from dataclasses import dataclass
from functools import lru_cache

from playground import catalog, money, pricing, tokens
from playground.catalog import Model
from playground.errors import InvalidRequest, UnknownPrice
from playground.lab.priced import Priced, priced
from playground.size import Size, all_sizes
from playground.values import ImageRequest

UNIT_PX = 16
FORUM_PX = (690, 500)
"""A Discourse forum shows a picture natively within 690 x 500 pixels (its settings
max_image_width and max_image_height)."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A size people ask for, and why."""

    name: str
    size: Size
    why: str


PRESETS = (
    Preset("Forum", Size(976, 704), "as large as a Discourse forum shows natively, at 129 tokens"),
    Preset("Square", Size(1024, 1024), "the size of most price lists"),
    Preset("Phone", Size(864, 1872), "a phone's screen, 19.5 to 9"),
    Preset("Poster", Size(1728, 2592), "2 to 3, for paper"),
    Preset("Panorama", Size(1440, 480), "3 to 1, the fewest tokens of all"),
    Preset("360°", Size(1152, 576), "2 to 1, for a panorama viewer"),
    Preset("Video frame", Size(1920, 1088), "16 to 9; 1080 is no multiple of 16"),
    Preset("4K frame", Size(3840, 2160), "16 to 9, the longest edge allowed"),
)


@dataclass(frozen=True, eq=False, slots=True)
class Atlas:
    """The map of one model on a day.

    `cells` are bytes, little endian: `count` widths (uint8, in units of 16 pixels), `count`
    heights, then for each quality `count` least and `count` most tokens (uint16). A picture
    costs `image_rate` picodollars a token, the prompt `text_rate`; `extra_high` picodollars
    may be added (text that some models bill beside the picture).
    """

    model: str
    on: dt.date
    qualities: tuple[str, ...]
    count: int
    cells: bytes
    image_rate: int
    text_rate: int
    extra_high: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Spot:
    """One size on the map, in words: its price, and what is larger for no more money."""

    price: Priced
    size: Size
    quality: str
    shown: Size
    larger: tuple[Priced, ...]
    notes: tuple[str, ...]


def models(on: dt.date | None = None) -> tuple[str, ...]:
    """The models with a map: those that bill pictures by the token, newest first."""
    del on
    return tuple(m.name for m in catalog.default().models if m.kind == "image" and not m.pictures)


def atlas(name: str, on: dt.date) -> Atlas:
    """The map of a model at the prices of a day.

    Raises:
        InvalidRequest, UnknownPrice: for a vision model, one priced per picture, or a day on
            which it had no price.
    """
    model = _by_token(name)
    tariff = catalog.default().tariff(model.name, "standard", on)
    if isinstance(tariff, str):
        raise UnknownPrice(tariff)
    rates = tariff.high
    text_rate = money.to_picousd(rates["text_input"] / 1_000_000)
    most_text = money.token_cost(model.max_text_output, rates.get("text_output", money.usd(0)))
    qualities = tuple(each for each in model.qualities if each != "auto")
    notes = (model.retirement,) if model.retires else ()
    return Atlas(
        model=model.name,
        on=on,
        qualities=qualities,
        count=len(_sizes(model)),
        cells=_cells(model.name),
        image_rate=money.to_picousd(rates["image_output"] / 1_000_000),
        text_rate=text_rate,
        extra_high=money.to_picousd(most_text),
        notes=notes,
    )


def spot(
    name: str, size: Size | str, quality: str, prompt_tokens: int, on: dt.date, *, larger: int = 3
) -> Spot:
    """One size at one quality, priced as `quote` prices it.

    Raises:
        InvalidRequest: for a size or quality that the model refuses, with the nearest.
    """
    model = _by_token(name)
    asked = Size.parse(size)
    request = ImageRequest(
        model=model.name,
        size=asked,
        quality=quality,  # type: ignore[arg-type] # the quote refuses what is none
        prompt_tokens=prompt_tokens,
    )
    price = priced(request, on)
    others = _larger(model.name, asked, quality)[:larger]
    found = tuple(priced(request.with_(size=other), on) for other in others)
    return Spot(price, asked, quality, shown_size(asked), found, price.quote.notes)


def shown_size(size: Size, within: tuple[int, int] = FORUM_PX) -> Size:
    """How large a forum shows a picture: scaled down into 690 x 500, sides cut to whole pixels.

    976x704 becomes 690x497, as in the half-penny thread.
    """
    width, height = size.width_px, size.height_px
    if width <= within[0] and height <= within[1]:
        return size
    if width * within[1] >= height * within[0]:
        return Size(within[0], max(1, height * within[0] // width))
    return Size(max(1, width * within[1] // height), within[1])


def _larger(name: str, size: Size, quality: str) -> list[Size]:
    """Sizes of more pixels that cost no more: the nearest shape first, then the largest."""
    table = _counts(name, quality)
    own = table.get(size)
    if own is None:
        return []
    across = size.width_px / size.height_px
    found = [other for other, most in table.items() if most <= own and other.pixels > size.pixels]
    best: dict[int, Size] = {}
    for other in found:
        bend = round(4 * abs(other.width_px / other.height_px / across - 1))
        kept = best.get(bend)
        if kept is None or (other.pixels, other.width_px) > (kept.pixels, kept.width_px):
            best[bend] = other
    return [best[bend] for bend in sorted(best)]


def _by_token(name: str) -> Model:
    model = catalog.default().model(name)
    if model.kind != "image":
        msg = f"{model.name} reads photos and does not make pictures, so it has no sizes to map"
        raise InvalidRequest(msg)
    if model.pictures:
        listed = ", ".join(
            f"{s} ${money.plain(p)}" for s, p in next(iter(model.pictures.values())).items()
        )
        msg = f"{model.name} was priced per picture, not by the token: {listed}"
        raise InvalidRequest(msg)
    return model


def _sizes(model: Model) -> tuple[Size, ...]:
    assert model.size_rules is not None
    return all_sizes(model.size_rules)


@lru_cache(maxsize=64)
def _ranges(name: str, quality: str) -> tuple[tuple[int, int], ...]:
    """The least and the most tokens of every size, in the order of the map."""
    model = catalog.default().model(name)
    halves: dict[tuple[int, int], tuple[int, int]] = {}
    found = []
    for size in _sizes(model):
        # Free sizes cost the same when turned; the fixed ones of older models do not.
        shape = (size.long_px, size.short_px) if model.axis else (size.width_px, size.height_px)
        pair = halves.get(shape)
        if pair is None:
            count = tokens.image_output(model, size, quality)
            pair = halves[shape] = (count.low, count.high)
        found.append(pair)
    return tuple(found)


@lru_cache(maxsize=64)
def _counts(name: str, quality: str) -> dict[Size, int]:
    sizes = _sizes(catalog.default().model(name))
    return {size: high for size, (_, high) in zip(sizes, _ranges(name, quality), strict=True)}


@lru_cache(maxsize=16)
def _cells(name: str) -> bytes:
    model = catalog.default().model(name)
    sizes = _sizes(model)
    parts = [
        bytes(size.width_px // UNIT_PX for size in sizes),
        bytes(size.height_px // UNIT_PX for size in sizes),
    ]
    for quality in model.qualities:
        if quality == "auto":
            continue
        ranges = _ranges(name, quality)
        for bound in (0, 1):
            column = array("H", [pair[bound] for pair in ranges])
            if sys.byteorder == "big":
                column.byteswap()
            parts.append(column.tobytes())
    return b"".join(parts)


def cheapest_each(name: str, quality: str, on: dt.date) -> Priced:
    """The legal size with the fewest tokens (the largest of them), priced without a prompt."""
    table = _counts(catalog.default().model(name).name, quality)
    best = min(table, key=lambda size: (table[size], -size.pixels, -size.width_px))
    return priced(ImageRequest(model=name, size=best, quality=quality, prompt_tokens=0), on)  # type: ignore[arg-type] # a quality of the model


def today() -> dt.date:
    """The current UTC day, as quotes take it."""
    return pricing.today()
