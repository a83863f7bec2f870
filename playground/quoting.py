"""`playground.quote`: the price of a request that may still hold paths.

`pricing.quote` works on measured values only; here files are measured first (their headers are
read, nothing is decoded).
"""

from __future__ import annotations

import datetime as dt

from playground import photos, pricing
from playground.catalog import Rates
from playground.values import Quote, Request


def quote(request: Request, *, on: dt.date | None = None, rates: Rates | None = None) -> Quote:
    """What a request costs, before it is sent: no network, no key.

    Args:
        request: an ImageRequest, EditRequest or CaptionRequest.
        on: prices of that day; today (UTC) by default.
        rates: dollars per million tokens by bucket, for what the catalog does not know.

    Returns:
        A Quote: `.basis` is exact, bounded or unknown; `.low` and `.high` are dollars (None when
        unknown); `print(quote)` shows the breakdown.

    Raises:
        UnknownModel, InvalidRequest: what the model refuses, with the nearest that it accepts.
        PhotoProblem: a picture that is missing or cannot be read.
    """
    return pricing.quote(photos.resolve(request, with_hash=False), on=on, rates=rates)
