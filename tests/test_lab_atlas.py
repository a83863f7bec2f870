"""The map of sizes agrees with quotes, cell by cell."""

from __future__ import annotations

import datetime as dt
from array import array
from decimal import Decimal

import pytest

from playground import catalog, money, pricing
from playground.errors import InvalidRequest, UnknownModel, UnknownPrice
from playground.lab import atlas
from playground.size import Size
from playground.values import ImageRequest

DAY = dt.date(2026, 11, 20)


def cells(made):
    """(size, {quality: (low, high)}) of each cell, read as the page reads them."""
    count = made.count
    widths, heights = made.cells[:count], made.cells[count : 2 * count]
    columns = array("H")
    columns.frombytes(made.cells[2 * count :])
    assert len(columns) == 2 * count * len(made.qualities)
    for n in range(count):
        tokens = {
            quality: (columns[2 * k * count + n], columns[(2 * k + 1) * count + n])
            for k, quality in enumerate(made.qualities)
        }
        yield Size(widths[n] * 16, heights[n] * 16), tokens


def test_the_map_has_every_legal_size_once():
    made = atlas.atlas("gpt-image-2", DAY)
    found = [size for size, _ in cells(made)]
    assert made.count == len(set(found)) == 29_146
    rules = catalog.default().model("gpt-image-2").size_rules
    assert all(rules.allows(size) for size in found)


@pytest.mark.parametrize("model", atlas.models())
def test_each_cell_costs_what_quote_says(model):
    made = atlas.atlas(model, DAY)
    prompt = 20
    # A prime stride visits all corners of the map; the fixed sizes of older models all.
    for size, tokens in list(cells(made))[:: 1 if made.count < 50 else 211]:
        for quality, (low, high) in tokens.items():
            asked = ImageRequest(model=model, size=size, quality=quality, prompt_tokens=prompt)
            quote = pricing.quote(asked, on=DAY)
            said = quote.tokens["image_output"]
            assert (low, high) == (said.low, said.high)
            text = prompt * made.text_rate
            assert money.from_picousd(low * made.image_rate + text) == quote.low
            assert money.from_picousd(high * made.image_rate + text + made.extra_high) == quote.high


def test_a_spot_is_priced_by_quote_and_names_larger_sizes_that_cost_no_more():
    spot = atlas.spot("gpt-image-2", "1024x1024", "high", 20, DAY)
    assert spot.price.high == pricing.quote(spot.price.request, on=DAY).high
    assert spot.larger
    for each in spot.larger:
        assert each.request.asked_size.pixels > spot.size.pixels
        assert each.high <= spot.price.high
    largest = atlas.spot("gpt-image-2", "2880x2880", "low", 20, DAY)
    assert largest.larger == ()


def test_the_forum_shows_the_half_penny_size_as_690_by_497():
    assert str(atlas.shown_size(Size(976, 704))) == "690x497"
    assert str(atlas.shown_size(Size(1024, 1024))) == "500x500"
    assert str(atlas.shown_size(Size(480, 1408))) == "170x500"
    assert str(atlas.shown_size(Size(600, 400))) == "600x400"


def test_the_cheapest_low_picture_has_54_tokens():
    found = atlas.cheapest_each("gpt-image-2", "low", DAY)
    assert found.bucket("image_output").high == 54
    assert found.high == Decimal("0.00162")


def test_every_preset_is_a_size_of_the_newest_models():
    for preset in atlas.PRESETS:
        assert catalog.default().model("gpt-image-2").size_rules.why_not(preset.size) is None


@pytest.mark.parametrize(
    ("model", "size", "day", "error", "words"),
    [
        ("gpt-image-2", "780x640", DAY, InvalidRequest, "too small.*Nearest"),
        ("gpt-image-2", "1000x1000", DAY, InvalidRequest, "multiples of 16.*Nearest"),
        ("gpt-image-2", "wide", DAY, InvalidRequest, "is not a size"),
        ("gpt-4o", "976x704", DAY, InvalidRequest, "reads photos"),
        ("dall-e-3", "1024x1024", DAY, InvalidRequest, "priced per picture"),
        ("gpt-image-9", "976x704", DAY, UnknownModel, "near names"),
    ],
)
def test_what_cannot_be_mapped_is_one_sentence(model, size, day, error, words):
    with pytest.raises(error, match=words):
        atlas.spot(model, size, "low", 20, day)


def test_a_day_before_the_model_is_said():
    with pytest.raises(UnknownPrice, match="had no price on 2025-01-01"):
        atlas.atlas("gpt-image-2", dt.date(2025, 1, 1))
