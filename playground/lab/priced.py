"""A request with its price on a day, as `pricing.quote` says it: what the whole lab passes around.

The request, the day and how often it is sent are kept beside the amount, so that every number
can be quoted again (a test does so with all of them).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from playground import catalog, money, pricing, render
from playground.catalog import Catalog, Model
from playground.errors import InvalidRequest
from playground.money import usd
from playground.values import CaptionRequest, Photo, Quote, Request, Tier, TokenRange, Usage

FIRST_DAY = dt.date(2022, 11, 1)
"""Before it no model of the catalog had a price."""


@dataclass(frozen=True, eq=False, slots=True)
class Priced:
    """`times` a request at the prices of `on`; dollars are None where they are not known."""

    request: Request
    on: dt.date
    times: int
    quote: Quote

    @property
    def low(self) -> Decimal | None:
        """The least in dollars."""
        return None if self.quote.low is None else self.quote.low * self.times

    @property
    def high(self) -> Decimal | None:
        """The most in dollars."""
        return None if self.quote.high is None else self.quote.high * self.times

    @property
    def text(self) -> str:
        """The dollars for the screen: one amount, a range, or `unknown`."""
        return span(self.low, self.high)

    @property
    def why_unknown(self) -> str:
        """The sentence that says why there is no amount; empty when there is one."""
        if self.quote.low is not None:
            return ""
        return self.quote.notes[0].partition("; name one")[0]

    def bucket(self, *names: str) -> TokenRange:
        """The tokens of one request in these buckets."""
        ranges = [r for bucket, r in self.quote.tokens.items() if bucket in names]
        return sum(ranges, TokenRange(0, 0))


@dataclass(frozen=True, eq=False, slots=True)
class Billed:
    """`times` a usage at the prices of `on`, as `pricing.bill` says; None where one is not known.

    For what no quote can say beforehand, such as tokens that came from a cache.
    """

    model: str
    usage: Usage
    tier: Tier
    on: dt.date
    times: int
    each: Decimal | None

    @property
    def dollars(self) -> Decimal | None:
        """All of them in dollars."""
        return None if self.each is None else self.each * self.times

    @property
    def text(self) -> str:
        """The dollars for the screen, or `unknown`."""
        return "unknown" if self.dollars is None else money.short(self.dollars)


def billed(model: str, usage: Usage, like: Priced, times: int, known: Catalog) -> Billed:
    """The bill of a usage on the day and at the tier of something that is quoted."""
    tier, on = like.request.tier, like.on
    bill = pricing.bill(model, usage, tier=tier, on=on, known=known)
    return Billed(model, usage, tier, on, times, bill.dollars)


def span(low: Decimal | None, high: Decimal | None) -> str:
    """`render.range_text`, but one amount where both ends read the same."""
    text = render.range_text(low, high)
    first, _, last = text.partition(" to ")
    return first if first == last else text


def priced(
    request: Request, on: dt.date, times: int = 1, *, known: Catalog | None = None
) -> Priced:
    """The price of `times` that request on a day.

    Raises:
        InvalidRequest: what `pricing.quote` raises, and for a count that is no count.
    """
    if not 1 <= times <= 10**12:
        msg = f"{times:,} is not a number of requests; it goes from 1 to a million million"
        raise InvalidRequest(msg)
    return Priced(request, on, times, pricing.quote(request, on=on, known=known))


def photo_request(
    model: str,
    width_px: int = 4032,
    height_px: int = 3024,
    *,
    answer_tokens: int | None = 112,
    **fields: object,
) -> CaptionRequest:
    """A question about a photo of that size, with an answer of that many tokens."""
    longest = max(300, answer_tokens or 0)
    return CaptionRequest(
        photo=Photo(width_px, height_px),
        model=model,
        max_output_tokens=longest,
        expect_output_tokens=answer_tokens,
        **fields,  # type: ignore[arg-type] # checked by the request itself
    )


def parse_day(text: str) -> dt.date:
    """A day from `2026-03-17`, or today for an empty text.

    Raises:
        InvalidRequest: for another text, and for days before any known price.
    """
    if not text.strip():
        return pricing.today()
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        msg = f"{text.strip()[:40]!r} is not a day; write it as year-month-day, as in 2026-03-17"
        raise InvalidRequest(msg) from None
    if day < FIRST_DAY:
        msg = f"on {day} no picture model had a price yet; the first known one is of 2022-11-03"
        raise InvalidRequest(msg)
    if day.year > catalog.default().read_on.year + 2:
        msg = f"nobody knows the prices of {day}; the table was read on {catalog.default().read_on}"
        raise InvalidRequest(msg)
    return day


def parse_whole(text: object, what: str, low: int, high: int) -> int:
    """A whole number within bounds, from text as typed (`1,000,000` and `1_000_000` too).

    Raises:
        InvalidRequest: with the bounds, in one sentence.
    """
    bare = str(text).strip().replace(",", "").replace("_", "").replace(" ", "")
    if not bare.isascii() or not bare.removeprefix("-").isdigit() or len(bare) > 15:
        msg = f"{what}: a whole number from {low:,} to {high:,}, not {str(text).strip()[:40]!r}"
        raise InvalidRequest(msg)
    number = int(bare)
    if not low <= number <= high:
        msg = f"{what}: from {low:,} to {high:,}, so {number:,} cannot be asked for"
        raise InvalidRequest(msg)
    return number


def parse_dollars(text: object, what: str = "an amount") -> Decimal:
    """Dollars as typed: `$0.005`, `0.005`, `1,000`.

    Raises:
        InvalidRequest: when it is no amount, not above zero, or above a billion.
    """
    bare = str(text).strip().replace(",", "").replace("_", "")
    try:
        amount = usd(bare)
    except ValueError:
        msg = f"{what} is dollars such as 0.005 or $20, not {str(text).strip()[:40]!r}"
        raise InvalidRequest(msg) from None
    if not 0 < amount <= 10**9:
        msg = f"{what} is above zero and at most a billion dollars, not {str(text).strip()[:40]}"
        raise InvalidRequest(msg)
    return amount


def known_since(model: Model) -> dt.date:
    """The first day on which a model is known to have had its first price.

    Where neither its release nor the first day of its price is recorded, it is the month in which
    the price was read.
    """
    first = model.prices[0] if model.prices else None
    days = [day for day in (model.released, first.since if first else None) if day is not None]
    if days:
        return max(days)
    if first is None:
        return catalog.default().read_on
    year, month = first.source.date.split("-")[:2]
    return dt.date(int(year), int(month), 1)
