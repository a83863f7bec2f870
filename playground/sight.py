"""What a vision model sees: the size it looks at, cut into the patches or tiles it counts.

The same rules as `tokens.vision_input`, as geometry: a picture of them can be drawn, and where
more pixels stop costing more can be told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from playground import catalog, pricing, tokens
from playground.catalog import Model
from playground.errors import InvalidRequest
from playground.size import Size
from playground.values import CaptionRequest, TokenRange

Cells = Literal["patches", "tiles", "whole"]
PATCH_PX, TILE_PX, CLAUDE_PX, GEMINI_PX = 32, 512, 28, 768
SMALLEST_PX = 64


@dataclass(frozen=True, slots=True)
class Sight:
    """One photo as one model sees it.

    `sent` is the size that is sent, `seen` the size that the model scales it to, cut into
    `columns` x `rows` cells of `cell_px` pixels (the last ones may be cut off by the edge).
    `cells` "whole" means that the photo is one piece: a fixed count whatever its size.
    `sure` is False where how it is cut is only roughly known.
    """

    model: str
    detail: str
    sent: Size
    seen: Size
    cells: Cells
    cell_px: int
    columns: int
    rows: int
    tokens: TokenRange
    sure: bool
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Cells in all."""
        return self.columns * self.rows


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the curve: the longest side, the photo's tokens and the call's dollars."""

    edge_px: int
    tokens: TokenRange
    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Tokens and dollars of one photo at every longest side that it can be scaled down to.

    From `full_px` up, more pixels cost nothing more; from `least_px` down, fewer pixels save
    nothing more.
    """

    points: tuple[Point, ...]
    full_px: int
    least_px: int


def sight(model: Model, size: Size, detail: str = "auto", endpoint: str = "responses") -> Sight:
    """How `model` cuts a photo that is sent with `size` pixels.

    Raises:
        InvalidRequest: as `tokens.vision_input`.
    """
    count = tokens.vision_input(model, size, detail, endpoint)
    rule = model.vision
    assert rule is not None
    width, height = size.width_px, size.height_px
    cells: Cells = "patches"
    cell_px, sure = PATCH_PX, True
    if rule.kind == "patches":
        edge, budget = rule.levels[rule.auto if detail == "auto" else detail]
        width, height = tokens.patch_size(width, height, max_edge_px=edge, budget=budget)
    elif rule.kind == "tiles":
        cells, cell_px = "tiles", TILE_PX
        width, height = tokens.fit(width, height, 2048)
        width, height = tokens.short_side(width, height, 768)
        if detail == "low":
            # The guide: a low-resolution version of 512 x 512 pixels, for the base tokens alone.
            width, height = tokens.fit(size.width_px, size.height_px, TILE_PX)
            cells, cell_px = "whole", 0
    elif rule.kind == "claude":
        cell_px, sure = CLAUDE_PX, False
        width, height = tokens.fit(width, height, rule.max_edge_px)
    elif rule.kind == "gemini-tiles" and size.long_px > 384:
        cells, cell_px, sure = "tiles", GEMINI_PX, False
    else:
        cells, cell_px, sure = "whole", 0, False
    columns = math.ceil(width / cell_px) if cell_px else 1
    rows = math.ceil(height / cell_px) if cell_px else 1
    return Sight(
        model=model.name,
        detail=detail,
        sent=size,
        seen=Size(width, height),
        cells=cells,
        cell_px=cell_px,
        columns=columns,
        rows=rows,
        tokens=count.range,
        sure=sure,
        notes=count.notes,
    )


def edges(size: Size, steps: int = 40) -> tuple[int, ...]:
    """Longest sides to look at, smallest first: evenly spaced whole multiples of 16 pixels."""
    if size.long_px <= SMALLEST_PX:
        return (size.long_px,)
    step = max(16, math.ceil((size.long_px - SMALLEST_PX) / steps / 16) * 16)
    return (*range(SMALLEST_PX, size.long_px, step), size.long_px)


def curve(model: Model, request: CaptionRequest, at: Sequence[int] | None = None) -> Curve:
    """What a measured photo costs at each size: `request` without its own resize.

    Raises:
        InvalidRequest: when the model refuses the photo at every size.
    """
    size = request.measured.size
    points = []
    refusal: InvalidRequest | None = None
    rates = _rates(model, request)
    base = None
    for edge in at or edges(size):
        small = pricing.sent_size(size, edge)
        try:
            count = tokens.vision_input(model, small, request.detail, request.endpoint).range
        except InvalidRequest as problem:
            refusal = problem
            continue
        if base is None:
            base = _rest(request, edge, count, rates)
        low = high = None
        if base is not None and rates is not None:
            low = base[0] + rates[0] * count.low / 1_000_000
            high = base[1] + rates[1] * count.high / 1_000_000
        points.append(Point(edge, count, low, high))
    if not points:
        raise refusal or InvalidRequest("the photo has no size")
    most, least = points[-1].tokens.high, points[0].tokens.high
    full = next(point.edge_px for point in points if point.tokens.high == most)
    lowest = [point.edge_px for point in points if point.tokens.high == least]
    return Curve(tuple(points), full, lowest[-1])


Pair = tuple[Decimal, Decimal]


def _rates(model: Model, request: CaptionRequest) -> Pair | None:
    """Dollars per million photo tokens, the lower and the higher where sources disagree."""
    tariff = catalog.default().tariff(model.name, request.tier, pricing.today())
    if isinstance(tariff, str) or "image_input" not in tariff.high:
        return None
    return tariff.low["image_input"], tariff.high["image_input"]


def _rest(request: CaptionRequest, edge: int, count: TokenRange, rates: Pair | None) -> Pair | None:
    """The call's dollars without the photo: question and answer, the same at every size."""
    quote = pricing.quote(request.with_(resize=max(16, edge)))
    if quote.low is None or quote.high is None or rates is None:
        return None
    return (
        quote.low - rates[0] * count.low / 1_000_000,
        quote.high - rates[1] * count.high / 1_000_000,
    )
