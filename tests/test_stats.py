"""A pilot's forecast contains the truth as often as it says."""

from __future__ import annotations

import random

import pytest

from playground.stats import forecast_total, student_t


def archive(seed: int, count: int = 4_000) -> tuple[list[float], list[float]]:
    """What is known beforehand of each photo, and what it will cost: skewed answer lengths."""
    draw = random.Random(seed)
    inputs = [draw.choice((300, 1_200, 2_400, 3_600)) * 0.2 for _ in range(count)]
    bills = [known + min(300.0, draw.lognormvariate(4.2, 0.5)) * 1.25 for known in inputs]
    return inputs, bills


def test_the_interval_contains_the_truth_in_at_least_85_of_100_archives() -> None:
    hits = widths = 0
    for seed in range(100):
        known, bills = archive(seed)
        drawn = random.Random(1_000 + seed).sample(range(len(bills)), 50)
        found = forecast_total(
            [bills[i] for i in drawn],
            [known[i] for i in drawn],
            expected_total=sum(known),
            count=len(bills),
        )
        hits += found.low <= sum(bills) <= found.high
        widths += (found.high - found.low) < 0.10 * sum(bills)
    assert 85 <= hits <= 98  # one that always contains it would say nothing
    assert widths == 100


def test_knowing_the_quotes_makes_the_interval_narrower() -> None:
    known, bills = archive(7)
    sample = bills[:50]
    with_quotes = forecast_total(sample, known[:50], expected_total=sum(known), count=4_000)
    without = forecast_total(sample, [0.0] * 50, expected_total=0.0, count=4_000)
    assert with_quotes.high - with_quotes.low < 0.5 * (without.high - without.low)


def test_a_sample_of_everything_is_the_truth() -> None:
    found = forecast_total([1.0, 2.0, 6.0], [1.0, 1.0, 1.0], expected_total=3.0, count=3)
    assert (found.low, found.estimate, found.high) == pytest.approx((9.0, 9.0, 9.0))


def test_one_photo_says_little_about_many() -> None:
    found = forecast_total([2.0], [1.0], expected_total=10.0, count=10, least=5.0, most=50.0)
    assert (found.low, found.estimate, found.high) == (5.0, 20.0, 50.0)


def test_a_forecast_is_never_below_what_was_billed_already() -> None:
    found = forecast_total([9.0, 0.1], [0.0, 0.0], expected_total=0.0, count=3)
    assert found.low >= 9.1


def test_an_empty_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        forecast_total([], [], expected_total=1.0, count=10)


@pytest.mark.parametrize(
    ("probability", "degrees", "value"),
    # Abramowitz and Stegun, table 26.10.
    [(0.95, 1, 6.314), (0.95, 2, 2.920), (0.95, 4, 2.132), (0.95, 10, 1.812), (0.975, 29, 2.045),
     (0.5, 7, 0.0), (0.05, 10, -1.812)],
)  # fmt: skip
def test_quantiles_of_student_agree_with_the_tables(
    probability: float, degrees: int, value: float
) -> None:
    assert student_t(probability, degrees) == pytest.approx(value, rel=0.005, abs=1e-9)
