"""Classes of sizes, costs, kinds, stars and months: small codes that are counted in one pass."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from playground.store.records import KINDS

Array = Any
SIZES = (
    ("under 0.5 MP", "size:<0.5mp"),
    ("0.5 to 1 MP", "size:0.5..1mp"),
    ("1 to 2 MP", "size:1..2mp"),
    ("2 to 4 MP", "size:2..4mp"),
    ("4 MP and more", "size:>=4mp"),
)
COSTS = (
    ("nothing billed", "cost:0"),
    ("under $0.001", "cost:>0 cost:<0.001"),
    ("$0.001 to $0.005", "cost:0.001..0.005"),
    ("$0.005 to $0.02", "cost:0.005..0.02"),
    ("$0.02 to $0.1", "cost:0.02..0.1"),
    ("$0.1 and more", "cost:>=0.1"),
)
_SIZE_ENDS = (500_000, 1_000_000, 2_000_000, 4_000_000)
_COST_ENDS = tuple(int(Decimal(end) * 10**12) for end in ("0.001", "0.005", "0.02", "0.1"))
_SHAPE = (len(KINDS), 6, len(SIZES), len(COSTS))


def codes(kind: Array, rating: Array, pixels: Array, cost: Array) -> Array:
    """One number for kind, stars, size class and cost band of each item."""
    sizes = np.searchsorted(_SIZE_ENDS, pixels, side="right")
    bands = np.where(cost == 0, 0, np.searchsorted(_COST_ENDS, cost, side="right") + 1)
    stars = np.clip(rating, 0, 5)
    return np.ravel_multi_index((kind, stars, sizes, bands), _SHAPE).astype(np.int16)


def counts(found: Array) -> tuple[Array, Array, Array, Array]:
    """How many of the codes have each kind, number of stars, size class and cost band."""
    table = np.bincount(found, minlength=int(np.prod(_SHAPE))).reshape(_SHAPE)
    sums = [table.sum(axis=tuple(n for n in range(4) if n != axis)) for axis in range(4)]
    return sums[0], sums[1], sums[2], sums[3]


def months(created_us: Array) -> Array:
    """Months since January 1970 of moments in microseconds."""
    moments = np.asarray(created_us).astype("datetime64[us]").astype("datetime64[M]")
    return moments.astype(np.int64).astype(np.int16)


def month_name(number: int) -> str:
    """A month as it is typed: `2026-11`."""
    return str(np.datetime64(number, "M"))


def ratios(width: Array, height: Array) -> Array:
    """Width to height as a byte: 64 steps to each doubling around 128, which is a square."""
    steps = np.log2(np.maximum(width, 1) / np.maximum(height, 1)) * 64 + 128
    return np.clip(np.rint(steps), 0, 255).astype(np.uint8)


def tints(colour: Array) -> Array:
    """Colours 0xRRGGBB as RGB 565; 0 for one that is not known (negative)."""
    short = ((colour >> 8) & 0xF800) | ((colour >> 5) & 0x07E0) | ((colour >> 3) & 0x001F)
    return np.where(colour < 0, 0, np.maximum(short, 1)).astype(np.uint16)
