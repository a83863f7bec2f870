"""The solver is equal to a brute force over every legal size."""

import random
from decimal import Decimal
from fractions import Fraction

import pytest

from playground import solver
from playground.errors import InvalidRequest, UnknownPrice

FACTORS = {"low": 16, "medium": 48, "high": 96}


def brute_sizes():
    for width in range(16, 3841, 16):
        for height in range(16, 3841, 16):
            if max(width, height) <= 3 * min(width, height) and (
                655_360 <= width * height <= 8_294_400
            ):
                yield width, height


def brute_tokens(width, height, quality):
    """The published formula, written again in fractions (ties half up: the upper bound)."""
    factor, long, short = FACTORS[quality], max(width, height), min(width, height)
    steps = int(Fraction(factor * short, long) + Fraction(1, 2))
    exact = Fraction(factor * steps * (2_000_000 + width * height), 4_000_000)
    return -int(-exact // 1)


EVERY = [
    (width, height, quality, brute_tokens(width, height, quality))
    for width, height in brute_sizes()
    for quality in FACTORS
]


def brute(quality, max_dollars, prompt_tokens, ratio, min_pixels, sort):
    budget = (Fraction(max_dollars) - prompt_tokens * Fraction(5, 10**6)) / Fraction(30, 10**6)
    found = [
        row
        for row in EVERY
        if row[3] <= budget
        and (quality is None or row[2] == quality)
        and row[0] * row[1] >= min_pixels
        and (ratio is None or abs(Fraction(row[0], row[1]) - ratio) <= Fraction(2, 100) * ratio)
    ]
    if not found:
        return None
    if sort == "pixels":
        return min(found, key=lambda r: (-r[0] * r[1], r[3], -r[0]))
    return min(found, key=lambda r: (r[3], -r[0] * r[1], -r[0]))


def random_query(dice):
    return {
        "quality": dice.choice([None, "low", "medium", "high"]),
        "max_dollars": str(Decimal(dice.randint(1, 800)) / dice.choice([100, 1000, 10_000])),
        "prompt_tokens": dice.randint(0, 400),
        "ratio": dice.choice([None, None, "1:1", "4:3", "16:9", "2:1", "3:1", "9:16"]),
        "min_pixels": dice.choice([0, 0, 1_000_000, 4_000_000]),
        "sort": dice.choice(["pixels", "dollars", "tokens"]),
    }


@pytest.mark.parametrize("seed", range(10))
def test_random_queries_equal_brute_force(seed):
    dice = random.Random(seed)
    for _ in range(4):
        query = random_query(dice)
        ratio = query["ratio"]
        expected = brute(
            query["quality"],
            query["max_dollars"],
            query["prompt_tokens"],
            None if ratio is None else Fraction(*map(int, ratio.split(":"))),
            query["min_pixels"],
            query["sort"],
        )
        best = solver.sizes(**query, top=1)
        if expected is None:
            assert best == []
        else:
            found = best[0]
            assert (found.size.pixels, found.output_tokens) == (
                expected[0] * expected[1],
                expected[3],
            ), query


def test_the_largest_half_penny_picture():
    best = solver.sizes(max_dollars="0.005", prompt_tokens=20, quality="low", sort="pixels")[0]
    assert (str(best.size), best.dollars) == ("3840x1312", Decimal("0.00433"))


def test_the_cheapest_picture_takes_54_tokens():
    cheapest = solver.sizes(sort="dollars", top=1)[0]
    assert (str(cheapest.size), cheapest.output_tokens) == ("1440x480", 54)


def test_larger_and_cheaper_sizes_are_both():
    offers = solver.better(size="1024x1024", quality="high")
    assert str(offers[0].size) == "3840x1488"
    assert all(o.size.pixels > 1024 * 1024 and o.output_tokens <= 7024 for o in offers)
    brute_count = sum(
        1 for w, h, q, t in EVERY if q == "high" and w * h > 1024 * 1024 and t <= 7024
    )
    assert len(offers) == brute_count


def test_186_tokens_were_an_auto_delivery_of_1384x1136():
    found = solver.bill(output_tokens=186)
    assert solver.Candidate(solver.Size(1384, 1136), "low", "auto") in found
    autos = [candidate for candidate in found if candidate.how == "auto"]
    assert str(autos[0].size) == "1384x1136"


def test_a_dollar_amount_is_explained_by_its_request():
    found = solver.bill(dollars="0.00397", input_text_tokens=20)
    assert solver.Candidate(solver.Size(976, 704), "low", "requested") in found
    assert all(candidate.how == "requested" for candidate in found)


def test_an_impossible_bill_has_no_candidates():
    assert solver.bill(output_tokens=53) == []
    assert solver.bill(dollars="0.00397001") == []


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: solver.bill(), InvalidRequest),
        (lambda: solver.sizes("gpt-5.4-nano"), InvalidRequest),
        (lambda: solver.sizes(quality="max"), InvalidRequest),
        (lambda: solver.sizes(ratio="wide"), InvalidRequest),
        (lambda: solver.sizes(ratio="0:1"), InvalidRequest),
        (lambda: solver.sizes("dall-e-3"), UnknownPrice),
        (lambda: solver.better(size="780x640"), InvalidRequest),
    ],
)
def test_bad_questions_are_refused(call, error):
    with pytest.raises(error):
        call()
