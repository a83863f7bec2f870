"""The spend view: what was quoted and billed, by what one asks, and what is still not known."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from playground.store import Gallery

BY = ("day", "model", "tier", "run")
MOST_ROWS = 60


@dataclass(frozen=True, slots=True)
class Row:
    """Dollars of one day, model, tier or run. Samples were never real money."""

    name: str
    calls: int
    quoted_low: Decimal
    quoted_high: Decimal
    billed: Decimal
    held: Decimal
    sample: Decimal


@dataclass(frozen=True, slots=True)
class Unknown:
    """A call whose outcome nobody knows; `held` stays reserved until it is resolved."""

    id: str
    model: str
    at: dt.datetime
    held: Decimal
    quoted_low: Decimal | None
    quoted_high: Decimal | None
    reason: str
    request_id: str | None


@dataclass(frozen=True, eq=False, slots=True)
class Spending:
    """Rows by `by`, the newest day or the dearest first; `left_out` rows are not listed."""

    by: str
    rows: tuple[Row, ...]
    left_out: int
    unknowns: tuple[Unknown, ...]


def spending(gallery: Gallery, by: str) -> Spending:
    """The spend view of a gallery.

    Raises:
        InvalidRequest: for an unknown `by`.
    """
    sums: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(Decimal))
    for row in gallery.spend(by):
        one = sums[row[by] or "none"]
        one["calls"] += row["calls"]
        one["held"] += row["held"]
        one["quoted_low"] += row["quoted_low"]
        one["quoted_high"] += row["quoted_high"]
        one["sample" if row["sample"] else "billed"] += row["settled"]
    rows = [
        Row(
            name,
            int(one["calls"]),
            *(Decimal(one[part]) for part in
              ("quoted_low", "quoted_high", "billed", "held", "sample")),
        )
        for name, one in sums.items()
    ]  # fmt: skip
    if by == "day":
        rows.sort(key=lambda row: row.name, reverse=True)
    else:
        rows.sort(key=lambda row: (-(row.billed + row.sample), row.name))
    unknowns = tuple(
        Unknown(
            one.id, one.model, one.created_at, one.hold, one.quoted_low, one.quoted_high,
            one.reason, one.request_id,
        )
        for one in gallery.ledger.unknowns()
    )  # fmt: skip
    return Spending(by, tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS), unknowns)
