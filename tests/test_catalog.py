"""The catalog's prices agree with the maintained price library, and rows are append-only."""

import datetime as dt
import re
from decimal import Decimal

import pytest

from playground import catalog
from playground.errors import UnknownModel
from playground.values import TIERS

DAY = dt.date(2026, 11, 20)
BOOK = catalog.default()

# Where the library differs from the price page, and why ours stands.
EXPLAINED = {
    # printed rounded to cents on the page; half of the cached price is exact
    ("gpt-5.4", "flex", "cached_text_input"),
    ("gpt-5.4", "batch", "cached_text_input"),
    ("gpt-image-1.5", "batch", "cached_text_input"),
    ("gpt-image-1", "batch", "cached_text_input"),
    ("gpt-image-1-mini", "batch", "cached_image_input"),
    ("o4-mini", "flex", "cached_text_input"),
    ("gemini-3.5-flash-lite", "batch", "cached_text_input"),
}
# These batch tables print no cached price, and the library then gives the standard one.
NO_CACHED_BATCH = re.compile(r"gpt-4\.1.*|gpt-4o.*|o1|o3|o4-mini|gemini-2\.5-.*")


@pytest.mark.parametrize("model", BOOK.models, ids=lambda model: model.name)
@pytest.mark.parametrize("tier", TIERS)
def test_prices_agree_with_the_price_library(model, tier):
    names = (model.name, *model.snapshots)
    found = [catalog.second_opinion(name, tier, DAY) for name in names]
    other = next((rates for rates in found if rates), None)
    own = BOOK.rates(model.name, tier, DAY)
    if other is None or own is None or model.batch == "disputed":
        return
    for bucket, rate in other.items():
        if (model.name, tier, bucket) in EXPLAINED:
            continue
        if tier == "batch" and "cached" in bucket and NO_CACHED_BATCH.fullmatch(model.name):
            continue
        # the library has one output price where an image model has only one
        counterpart = "image_output" if bucket == "text_output" and bucket not in own else bucket
        if counterpart in own:
            assert own[counterpart] == rate, (model.name, tier, bucket)


def test_the_library_knows_most_models():
    known = [m for m in BOOK.models if catalog.second_opinion(m.name, "standard", DAY)]
    assert len(known) >= 40


def test_every_model_and_price_has_a_source_and_a_date():
    for model in BOOK.models:
        assert model.prices, model.name
        for row in model.prices:
            assert row.source.source
            assert row.source.date
        days = [row.since for row in model.prices if row.since]
        assert days == sorted(days)
        assert model.vision is None or model.vision.source.source


@pytest.mark.parametrize(
    ("name", "day", "price"),
    [
        ("gpt-4o", dt.date(2024, 6, 1), "5"),
        ("gpt-4o", dt.date(2024, 8, 6), "2.5"),
        ("o3", dt.date(2025, 6, 9), "10"),
        ("o3", dt.date(2025, 6, 10), "2"),
        ("gpt-5.6-sol", dt.date(2026, 8, 20), "5"),
        ("gpt-5.6-sol", dt.date(2026, 8, 21), "4"),
        ("gemini-3.8-flash", dt.date(2027, 1, 1), "1.5"),
    ],
)
def test_a_changed_price_is_a_new_row(name, day, price):
    assert BOOK.rates(name, "standard", day)["text_input"] == Decimal(price)


def test_snapshots_are_their_models():
    assert BOOK.model("gpt-image-2-2026-04-21").name == "gpt-image-2"
    assert BOOK.model(" GPT-5.4-Nano ").name == "gpt-5.4-nano"


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4-vision-preview", "gpt-4o", "gpt-4o-mini", "gpt-5.4-nano", "gpt-5.4-mini",
        "gpt-5.4-pro", "gpt-5.2", "gpt-5.2-pro", "gpt-5-mini", "gpt-5.3-codex", "gpt-4.1-mini",
        "gpt-image-1", "gpt-image-2", "dall-e-3", "claude-3.5-sonnet", "claude-3.5-haiku",
        "gemini-2.5-flash", "gemini-2.5-flash-lite",
    ],
)  # fmt: skip
def test_every_model_that_the_seeds_name_is_known(name):
    assert BOOK.model(name).name == name


def test_retired_models_say_when_and_what_instead():
    old = BOOK.model("gpt-image-1")
    assert not old.retired(dt.date(2026, 10, 22))
    assert old.retired(dt.date(2026, 10, 23))
    assert "2026-10-23" in old.retirement
    assert "gpt-image-2" in old.retirement


@pytest.mark.parametrize("name", ["", "gpt-image-3", "zzz", "gpt 5"])
def test_unknown_models_are_refused(name):
    with pytest.raises(UnknownModel):
        BOOK.model(name)


def test_another_table_has_another_version():
    changed = BOOK.version
    text = catalog.resources.files("playground").joinpath("data/models.toml").read_bytes()
    assert catalog.read(text).version == changed
    assert catalog.read(text + b"\n# a change\n").version != changed
