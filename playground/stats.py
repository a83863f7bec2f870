"""What a sample says about the whole: a forecast interval from a pilot's bills.

Standard survey statistics (Cochran, Sampling Techniques, 3rd ed., chapters 2 and 7): the
difference estimator, which takes what is known of every photo beforehand (its quote) and needs
the sample only for what is not (the length of the answers), with Student's t, the correction for
a finite whole, and Johnson's correction for skewed values (JASA 73, 1978).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

LEVEL = 0.90


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate of a total and the bounds that contain it with probability `level`."""

    low: float
    estimate: float
    high: float
    level: float
    sampled: int


def forecast_total(
    billed: Sequence[float],
    expected: Sequence[float],
    *,
    expected_total: float,
    count: int,
    level: float = LEVEL,
    least: float = 0.0,
    most: float = math.inf,
) -> Interval:
    """The total of `count` values, of which a random sample is known.

    Args:
        billed: the sampled values.
        expected: what was expected of each of them beforehand.
        expected_total: the sum of what is expected of all.
        least, most: what the total cannot leave.

    Raises:
        ValueError: for an empty sample, or one that is larger than the whole.
    """
    size = len(billed)
    if not size or size != len(expected) or size > count:
        msg = "a forecast needs a sample of at least one value, no larger than the whole"
        raise ValueError(msg)
    differences = [bill - hope for bill, hope in zip(billed, expected, strict=True)]
    mean = fmean(differences)
    estimate = expected_total + count * mean
    known = sum(billed)
    if size == 1:
        low, high = (estimate, estimate) if count == 1 else (least, most)
    else:
        rest = sum((one - mean) ** 2 for one in differences)
        deviation = math.sqrt(rest / (size - 1))
        share = size / count
        error = count * deviation * math.sqrt((1 - share) / size)
        third = sum((one - mean) ** 3 for one in differences) / size
        shift = 0.0
        if deviation:
            # Johnson's correction; the part that is already known does not vary.
            shift = count * (1 - share) * third / (6 * deviation**2 * size)
        reach = student_t((1 + level) / 2, size - 1) * error
        low, high = estimate + shift - reach, estimate + shift + reach
    low = min(max(low, least, known), most)
    high = max(min(high, most), low)
    return Interval(low, min(max(estimate, low), high), high, level, size)


def student_t(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution (exact for 1 and 2 degrees, else to 0.5 %).

    Cornish-Fisher expansion, Abramowitz and Stegun 26.7.5.
    """
    if not 0 < probability < 1 or degrees < 1:
        msg = "a quantile takes a probability between 0 and 1 and at least one degree of freedom"
        raise ValueError(msg)
    if degrees == 1:
        return math.tan(math.pi * (probability - 0.5))
    if degrees == 2:
        return (2 * probability - 1) * math.sqrt(2 / (4 * probability * (1 - probability)))
    x = NormalDist().inv_cdf(probability)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92_160,
    )
    return x + math.fsum(term / degrees ** (power + 1) for power, term in enumerate(terms))
