"""The grid that is drawn has as many cells as are billed, and the curve shows the quote."""

from __future__ import annotations

import math
import random

import pytest

from playground import catalog, pricing, sight, tokens
from playground.errors import InvalidRequest
from playground.size import Size
from playground.values import CaptionRequest, Photo

BOOK = catalog.default()
MODELS = [model for model in BOOK.models if model.kind == "vision"]


def some_sizes(count):
    chance = random.Random(7)
    fixed = [Size(1, 1), Size(32, 32), Size(33, 32), Size(1800, 1200), Size(4000, 1474)]
    return fixed + [Size(chance.randint(1, 5000), chance.randint(1, 5000)) for _ in range(count)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_cells_of_the_grid_are_the_ones_that_are_billed(model):
    rule = model.vision
    for size in some_sizes(25):
        for detail in model.details:
            seen = sight.sight(model, size, detail)
            assert seen.tokens == tokens.vision_input(model, size, detail).range
            assert seen.sent == size
            if seen.cell_px:
                assert seen.columns == math.ceil(seen.seen.width_px / seen.cell_px)
                assert seen.rows == math.ceil(seen.seen.height_px / seen.cell_px)
            if rule.kind == "patches":
                by_rule = math.ceil(seen.count * rule.multiplier)
                assert seen.tokens.low <= by_rule <= seen.tokens.high
            elif rule.kind == "tiles" and seen.cells == "tiles":
                assert seen.tokens.low == rule.base + rule.tile * seen.count
            elif seen.cells == "whole":
                assert seen.count == 1


def test_a_large_photo_is_seen_smaller_and_a_small_one_as_it_is():
    mini = BOOK.model("gpt-4.1-nano")
    large = sight.sight(mini, Size(1800, 2400))
    assert (large.seen, large.columns, large.rows) == (Size(1056, 1408), 33, 44)
    small = sight.sight(mini, Size(100, 50))
    assert (small.seen, small.columns, small.rows) == (Size(100, 50), 4, 2)


def test_tiles_are_cut_after_the_short_side_is_768_pixels():
    seen = sight.sight(BOOK.model("gpt-4o"), Size(4096, 2048), "high")
    assert (seen.seen, seen.columns, seen.rows) == (Size(1536, 768), 3, 2)
    low = sight.sight(BOOK.model("gpt-4o"), Size(4096, 2048), "low")
    assert (low.cells, low.seen) == ("whole", Size(512, 256))


def request(model, width, height, **changes):
    return CaptionRequest(model=model, photo=Photo(width, height), max_output_tokens=60, **changes)


@pytest.mark.parametrize("name", ["gpt-5.4-nano", "gpt-5.6-luna", "gpt-4o", "gpt-5-mini"])
def test_every_point_of_the_curve_is_the_quote_at_that_size(name):
    asked = request(name, 3000, 2000)
    found = sight.curve(BOOK.model(name), asked)
    assert found.points[0].edge_px == 64
    assert found.points[-1].edge_px == 3000
    for point in found.points:
        quote = pricing.quote(asked.with_(resize=point.edge_px))
        assert point.tokens == quote.tokens["image_input"]
        assert (point.low, point.high) == (quote.low, quote.high)


def test_the_curve_says_from_where_on_pixels_cost_nothing_more():
    found = sight.curve(BOOK.model("gpt-5-mini"), request("gpt-5-mini", 4000, 3000))
    most = found.points[-1].tokens.high
    assert found.full_px < 4000
    assert next(p.edge_px for p in found.points if p.tokens.high == most) == found.full_px
    flat = sight.curve(BOOK.model("gpt-4o"), request("gpt-4o", 3000, 2000, detail="low"))
    assert (flat.full_px, flat.least_px) == (64, 3000)


def test_a_photo_that_the_model_refuses_is_refused_with_its_reason():
    asked = request("gpt-6-astra", 12_000, 11_000, detail="original")
    with pytest.raises(InvalidRequest, match="30,000"):
        sight.sight(BOOK.model("gpt-6-astra"), asked.measured.size, "original")
    refused_above = sight.curve(BOOK.model("gpt-6-astra"), asked)
    assert refused_above.points[-1].edge_px < 12_000


def test_a_picture_model_sees_nothing():
    with pytest.raises(InvalidRequest, match="does not read photos"):
        sight.sight(BOOK.model("gpt-image-2"), Size(10, 10))
