"""Every published or measured figure that is not a known mismatch is reproduced.

`golden/vectors.json` comes from the world (each row names its source); nothing here writes it.
An exact rule must hit the figure, an interval must contain it.
"""

import datetime as dt
import json
import math
from decimal import Decimal
from pathlib import Path

import pytest

from playground import catalog, pricing, tokens
from playground.size import Size
from playground.values import ImageRequest, Usage

GOLDEN = Path(__file__).parent / "golden" / "vectors.json"
VECTORS = json.loads(GOLDEN.read_text(encoding="utf-8"))["vectors"]
TODAY = dt.date(2026, 11, 20)
RATE_NAMES = {
    "text_in": "text_input",
    "text_cached_in": "cached_text_input",
    "image_in": "image_input",
    "image_cached_in": "cached_image_input",
    "image_out": "image_output",
    "in": "text_input",
    "cached_in": "cached_text_input",
    "out": "text_output",
    "text_out": "text_output",
}


def of_kind(*kinds):
    rows = [v for v in VECTORS if v["kind"] in kinds and not v.get("known_mismatch")]
    assert rows, kinds
    return pytest.mark.parametrize("vector", rows, ids=[row["id"] for row in rows])


def model_of(vector):
    return catalog.default().model(vector["model"].split("/")[0].split(" ")[0])


def size_of(inputs):
    return Size(inputs["width"], inputs["height"])


def contains(count, expected, tolerance=0):
    return count.low - tolerance <= expected <= count.high + tolerance


@of_kind("gen_output_image_tokens")
def test_output_tokens_of_a_picture(vector):
    inputs = vector["inputs"]
    count = tokens.image_output(model_of(vector), size_of(inputs), inputs["quality"])
    if count.range.exact:
        assert count.low == vector["expected"]
    assert contains(count, vector["expected"])


@of_kind("gen_output_image_usd")
def test_output_dollars_of_a_picture(vector):
    model, inputs = model_of(vector), vector["inputs"]
    count = tokens.image_output(model, size_of(inputs), inputs["quality"])
    rate = model.prices[-1].rates["image_output"]
    expected = Decimal(str(vector["expected"]))
    slack = Decimal(str(vector.get("tolerance", 0)))
    low, high = (tokens_count * rate / 1_000_000 for tokens_count in (count.low, count.high))
    assert low - slack <= expected <= high + slack


@of_kind("gen_input_text_tokens")
def test_text_tokens_of_a_prompt(vector):
    quote = pricing.quote(ImageRequest(vector["inputs"]["prompt"], model=vector["model"]))
    assert quote.tokens["text_input"] == tokens.TokenRange.of(vector["expected"])


@of_kind("edit_input_image_tokens")
def test_input_tokens_of_an_edit(vector):
    inputs = vector["inputs"]
    count = tokens.edit_image_input(
        model_of(vector),
        [Size(*pair) for pair in inputs["images"]],
        inputs.get("input_fidelity"),
    )
    assert contains(count, vector["expected"])


@of_kind("vision_image_tokens")
def test_photo_tokens(vector):
    inputs = vector["inputs"]
    count = tokens.vision_input(model_of(vector), size_of(inputs), inputs["detail"])
    assert contains(count, vector["expected"])
    assert count.high - count.low <= 1 or count.notes


@of_kind("vision_total_input_tokens")
def test_photo_tokens_within_a_measured_total(vector):
    inputs, model = vector["inputs"], model_of(vector)
    endpoint = "chat" if "chat" in inputs.get("endpoint", "") else "responses"
    photo = vector["expected"] - inputs["text_tokens"]
    if "patches" in inputs:
        assert math.ceil(inputs["patches"] * model.vision.multiplier) in {photo - 1, photo}
        return
    count = tokens.vision_input(model, size_of(inputs), inputs["detail"], endpoint)
    assert contains(count, photo, vector.get("tolerance", 0))


@of_kind("rival_vision_tokens")
def test_photo_tokens_of_rivals(vector):
    inputs = vector["inputs"]
    count = tokens.vision_input(model_of(vector), size_of(inputs))
    assert contains(count, vector["expected"] - inputs["text_tokens"])


@of_kind("vision_patches")
def test_patches(vector):
    inputs = vector["inputs"]
    count = tokens.patches(
        inputs["width"], inputs["height"], budget=inputs.get("patch_budget") or 0
    )
    assert count == vector["expected"]


@of_kind("usage_cost_usd")
def test_cost_of_a_usage(vector):
    inputs = vector["inputs"]
    usage = Usage(**{RATE_NAMES[name]: count for name, count in inputs["usage"].items()})
    rates = {RATE_NAMES[n]: Decimal(str(rate)) for n, rate in inputs["usd_per_1m"].items()}
    slack = Decimal(str(vector.get("tolerance", 0)))
    bill = pricing.bill(vector["model"], usage, rates=rates)
    assert abs(bill.dollars - Decimal(str(vector["expected"]))) <= slack


@of_kind("gen_size_valid")
def test_which_sizes_are_legal(vector):
    try:
        size = Size.parse(vector["inputs"]["size"])
        legal = model_of(vector).size_rules.allows(size)
    except catalog.InvalidRequest:
        legal = False
    assert legal is vector["expected"]


@of_kind("price_usd_per_1m")
def test_prices(vector):
    tier = vector["inputs"].get("tier", "standard")
    model = model_of(vector)
    since = vector["inputs"].get("effective_from")
    days = [] if model.retired(TODAY) else [TODAY]
    if since and len(since) == len("2026-01-01"):
        days.append(dt.date.fromisoformat(since))
    for day in days:
        rates = catalog.default().rates(model.name, tier, day)
        for name, dollars in vector["expected"].items():
            bucket = RATE_NAMES[name]
            assert rates[bucket] == Decimal(str(dollars)), (day, bucket)


def test_no_vector_is_left_out():
    covered = {
        "gen_output_image_tokens",
        "gen_output_image_usd",
        "gen_input_text_tokens",
        "edit_input_image_tokens",
        "edit_input_text_tokens",  # all of them are known mismatches: no rule is known
        "vision_image_tokens",
        "vision_total_input_tokens",
        "rival_vision_tokens",
        "vision_patches",
        "usage_cost_usd",
        "gen_size_valid",
        "price_usd_per_1m",
    }
    assert {vector["kind"] for vector in VECTORS} == covered
