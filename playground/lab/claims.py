"""Figures that articles and threads published, each recomputed beside the claim.

A verdict and the figures in its explanation are worked out from the amounts, not typed in: when a
price or a rule changes in the catalog, they change too. The claims are those of four texts of
2026 about what photos and pictures cost.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from playground import catalog, money, pricing, solver, tokens
from playground.catalog import Catalog
from playground.lab.priced import Priced, photo_request, priced
from playground.size import Size
from playground.values import ImageRequest, Usage

Verdict = Literal["holds", "holds on conditions", "wrong", "cannot be known"]
WILLISON_DAY = dt.date(2026, 3, 17)
THREAD_DAY = dt.date(2026, 5, 1)
# Chat Completions on gpt-5.4-nano, 1600x1600, 2026-03-18: patches billed, and by the rule.
_MEASURED_PATCHES = (2338, 2500)
# Recalled, not found in a public text; together they give both published figures exactly.
WILLISON_USAGE = Usage(text_input=2751, text_output=112)

_WILLISON = (
    "simonwillison.net, 2026-03-17",
    "https://simonwillison.net/2026/Mar/17/mini-and-nano/",
)
_THREAD = (
    "the half-penny thread, 2026-05",
    "https://community.openai.com/t/the-half-penny-gpt-image-2-challenge-api-only-gallery/1381388",
)
_GUIDE = (
    "OpenAI's guide to images and vision",
    "https://developers.openai.com/api/docs/guides/images-vision",
)
_MEASURED = ("measured usage, 2026", "https://community.openai.com/t/1377015")
_AXIS = ("the token rule of gpt-image-2", "https://community.openai.com/t/1382699")
_PRICES = ("OpenAI's prices", "https://developers.openai.com/api/docs/pricing")
_PROMPT = ("the prompt rule", "https://community.openai.com/t/1382940")
_BATCH = ("OpenAI's Batch FAQ", "https://help.openai.com/en/articles/9197833-batch-api-faq")


@dataclass(frozen=True, eq=False, slots=True)
class Checked:
    """A claim with its verdict. `ours` are amounts as quoted, `lines` what was worked out."""

    id: str
    claim: str
    said_in: str
    verdict: Verdict
    words: str
    lines: tuple[tuple[str, str], ...]
    ours: tuple[Priced, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def check_all(today: dt.date, *, known: Catalog | None = None) -> tuple[Checked, ...]:
    """All claims, checked against the catalog (or `known`)."""
    book = known or catalog.default()
    return tuple(check(book, today) for check in _CHECKS)


def _than(ours: Decimal, claim: Decimal) -> str:
    """`4 % more than`, `exactly`, or `2 % less than`, for the words beside an amount."""
    percent = round((ours - claim) * 100 / claim)
    if ours == claim or percent == 0:
        return "exactly" if ours == claim else "practically"
    return f"{abs(percent):,} % {'more' if percent > 0 else 'less'} than"


def _times(ours: Decimal, other: Decimal) -> str:
    """How many times an amount is another, as `3.8 times`."""
    return f"{ours / other:.1f} times"


def _cents(dollars: Decimal | None) -> str:
    return (
        "an unknown amount" if dollars is None else f"{money.plain(round(dollars * 100, 4))} cents"
    )


def _close(ours: Decimal, claim: Decimal, percent: int = 2) -> bool:
    return abs(ours - claim) * 100 <= claim * percent


def _fifty_two(book: Catalog, today: dt.date) -> Checked:
    bill = pricing.bill("gpt-5.4-nano", WILLISON_USAGE, on=WILLISON_DAY, known=book).dollars
    photo = priced(photo_request("gpt-5.4-nano"), WILLISON_DAY, 76_000, known=book)
    now = priced(photo_request("gpt-5.4-nano"), today, 76_000, known=book)
    batch = priced(photo_request("gpt-5.4-nano", tier="batch"), WILLISON_DAY, 76_000, known=book)
    total = None if bill is None else bill * 76_000
    holds = total is not None and _close(total, Decimal(52))
    verdict: Verdict = "holds on conditions" if holds else "wrong"
    return Checked(
        "52-dollars",
        "76,000 photos were described for $52, in a batch job with two models.",
        "What $52 for 76,000 Photos Actually Means for Vision AI",
        verdict,
        f"One photo was measured on gpt-5.4-nano; its tokens cost {_cents(bill)} that day, times "
        f"76,000 {'an unknown amount' if total is None else money.short(total)}. No batch was "
        "run, and only one model took part. For a phone's 12-megapixel photos the published rule "
        f"gives {photo.text}, {_than(photo.high or Decimal(0), Decimal(52))} the $52, and "
        f"{batch.text} in the Batch API.",
        (
            ("2,751 tokens in, 112 out, each", "unknown" if bill is None else money.grouped(bill)),
            ("76,000 of them", "unknown" if total is None else money.short(total)),
            ("a 4032x3024 photo by the rule", photo.text),
            ("the same today", now.text),
        ),
        (photo, now, batch),
        (_WILLISON, _PRICES),
    )


def _seven_hundred(book: Catalog, today: dt.date) -> Checked:
    million = priced(photo_request("gpt-5.4-nano"), WILLISON_DAY, 1_000_000, known=book)
    five = priced(photo_request("gpt-5.4-nano"), WILLISON_DAY, 5_000_000, known=book)
    now = priced(photo_request("gpt-5.4-nano"), today, 5_000_000, known=book)
    luna = priced(photo_request("gpt-6-luna", detail="high"), today, 5_000_000, known=book)
    assert million.high is not None
    assert five.high is not None
    assert luna.high is not None
    assert now.high is not None
    near = _close(million.high, Decimal(700), 10) and _close(five.high, Decimal(3500), 10)
    return Checked(
        "million",
        "A million photos a month cost $700; an archive of five million around $3,500.",
        "What $52 for 76,000 Photos Actually Means for Vision AI",
        "holds on conditions" if near else "wrong",
        f"For photos of a phone and answers of 112 tokens it was {million.text} and {five.text}: "
        f"{_than(million.high, Decimal(700))} what is said. Another model or detail changes it by "
        f"factors, not by percents: today five million cost {now.text} on gpt-5.4-nano and "
        f"{luna.text} on gpt-6-luna at high, a factor of "
        f"{max(luna.high, now.high) / min(luna.high, now.high):.1f}.",
        (
            ("a million photos then", million.text),
            ("five million then", five.text),
            ("five million today, gpt-5.4-nano", now.text),
            ("five million today, gpt-6-luna at high", luna.text),
        ),
        (million, five, now, luna),
        (_WILLISON, _PRICES),
    )


def _ninety_cents(book: Catalog, _today: dt.date) -> Checked:
    bill = pricing.bill("gpt-5.4-mini", WILLISON_USAGE, on=WILLISON_DAY, known=book).dollars
    nano = pricing.bill("gpt-5.4-nano", WILLISON_USAGE, on=WILLISON_DAY, known=book).dollars
    small = priced(photo_request("gpt-5.4-mini", 512, 512), WILLISON_DAY, 1000, known=book)
    full = priced(photo_request("gpt-5.4-mini"), WILLISON_DAY, 1000, known=book)
    assert bill is not None
    assert nano is not None
    return Checked(
        "90-cents",
        "GPT-5.4 mini describes 1,000 images for $0.90, nano for $0.68.",
        "Analyzing the Economics of High-Volume Vision APIs (n1n.ai)",
        "holds" if _close(bill * 1000, Decimal("0.90")) else "wrong",
        f"With the measured tokens nano cost {money.short(nano * 1000)}, and mini "
        f"{_times(bill, nano)} as much, {money.short(bill * 1000)}, because its prices were. A "
        f"photo of 512x512 pixels costs {small.text} on mini, one of a phone {full.text}, for "
        "1,000 each.",
        (
            ("nano, 2,751 in and 112 out, 1,000 times", money.short(nano * 1000)),
            ("mini, the same tokens", money.short(bill * 1000)),
            ("mini, a 4032x3024 photo by the rule", full.text),
            ("mini, a 512x512 photo", small.text),
        ),
        (small, full),
        (_WILLISON, _PRICES),
    )


def _flat_85(book: Catalog, today: dt.date) -> Checked:
    names = ("gpt-4o", "gpt-4o-mini", "gpt-4.1-mini", "gpt-5.4-nano")
    found = [
        priced(photo_request(name, 1024, 1024, detail="low"), today, known=book) for name in names
    ]
    counts = [price.bucket("image_input") for price in found]
    flat = [count.low == 85 for count in counts]
    right = ", ".join(name for name, yes in zip(names, flat, strict=True) if yes) or "none of them"
    high = priced(photo_request("gpt-5.4-nano"), today, known=book).bucket("image_input")
    low = priced(photo_request("gpt-5.4-nano", detail="low"), today, known=book)
    verdict: Verdict = "holds" if all(flat) else "holds on conditions" if any(flat) else "wrong"
    return Checked(
        "flat-85",
        "detail=low costs a flat 85 tokens (said of gpt-4o-mini and gpt-4.1-mini).",
        "What $52 for 76,000 Photos Actually Means for Vision AI; GPTProto's page on vision",
        "wrong" if not (flat[1] or flat[2]) else verdict,
        f"A 1024x1024 photo at low: 85 is right for {right}. gpt-4o-mini bills {counts[1]} tokens "
        f"for the same, and models that count patches bill patches: {counts[2]} on gpt-4.1-mini, "
        f"{counts[3]} on gpt-5.4-nano, where a phone's photo has "
        f"{low.bucket('image_input')} at low and {high} at high.",
        tuple((name, f"{count} tokens") for name, count in zip(names, counts, strict=True)),
        tuple(found),
        (_GUIDE, ("measured on gpt-4o-mini", "https://community.openai.com/t/1281361")),
    )


def _multiplier(book: Catalog, today: dt.date) -> Checked:
    names = ("gpt-5-mini", "gpt-4.1-mini", "gpt-5.4-mini")
    found = [priced(photo_request(name, 1024, 1024), today, known=book) for name in names]
    rules = [book.model(name).vision for name in names]
    factors = [Decimal(1) if rule is None else rule.multiplier for rule in rules]
    patches = tokens.patches(1024, 1024)
    lines = tuple(
        (
            name,
            f"{patches:,} patches × {money.plain(factor)} = {price.bucket('image_input')} tokens",
        )
        for name, factor, price in zip(names, factors, found, strict=True)
    )
    return Checked(
        "1.62",
        "gpt-5-mini uses a multiplier of 1.62; 1024x1024 costs 1,024 tokens on gpt-4.1-mini.",
        "GPTProto's page on vision",
        "holds" if factors[0] == Decimal("1.62") else "wrong",
        f"{money.plain(factors[1])} is gpt-4.1-mini's. 1.62 was documented for gpt-5-mini too, "
        f"but {money.plain(factors[0])} was billed, and the guide says so since September 2026. "
        f"{patches:,} are the patches before the multiplier; the tokens on gpt-4.1-mini are "
        f"{found[1].bucket('image_input')}.",
        lines,
        tuple(found),
        (_MEASURED, _GUIDE),
    )


def _five_hundred(book: Catalog, today: dt.date) -> Checked:
    def asked(count: int) -> Priced:
        request = ImageRequest(size="976x704", quality="low", prompt_tokens=count, tier="batch")
        return priced(request, today, 500, known=book)

    twenty, twenty_six = asked(20), asked(26)
    standard = priced(
        ImageRequest(size="976x704", quality="low", prompt_tokens=20), today, 500, known=book
    )
    assert twenty.high is not None
    assert twenty_six.high is not None
    assert standard.high is not None
    return Checked(
        "500-images",
        "Batch API, 20-token calls: 500 images for a dollar.",
        "The Half-Penny gpt-image-2 Challenge",
        ("holds" if twenty_six.high <= 1 else "holds on conditions")
        if twenty.high <= 1
        else "wrong",
        f"With 20 billed tokens, the {tokens.IMAGE_PROMPT_OVERHEAD} of the endpoint among them, "
        f"500 cost {twenty.text}; with 20 of your own {twenty_six.text}. Without batch it is "
        f"{standard.text}: a batch, which may take 24 hours, costs "
        f"{_than(twenty.high, standard.high)} that.",
        (
            ("500 at 20 billed tokens, batch", twenty.text),
            ("500 at 20 + 6 tokens, batch", twenty_six.text),
            ("the same without batch", standard.text),
        ),
        (twenty, twenty_six, standard),
        (_THREAD, _BATCH),
    )


def _left(book: Catalog, today: dt.date, budget: str, size: str) -> tuple[Priced, int]:
    bare = priced(ImageRequest(size=size, quality="low", prompt_tokens=0), today, known=book)
    rates = book.rates("gpt-image-2", "standard", today)
    assert bare.high is not None
    assert rates is not None
    return bare, int((Decimal(budget) - bare.high) * 1_000_000 // rates["text_input"])


def _tokens_left(book: Catalog, today: dt.date) -> Checked:
    half, left = _left(book, today, "0.005", "976x704")
    own = left - tokens.IMAGE_PROMPT_OVERHEAD
    return Checked(
        "220-left",
        "After a 976x704 picture at low, 220 tokens of text are left of half a cent (after 6 of "
        "overhead).",
        "The Half-Penny gpt-image-2 Challenge",
        "holds" if own >= 220 and left - 220 < 10 else "wrong",
        f"The picture costs {half.text}, so {left} tokens fit beside it; "
        f"{tokens.IMAGE_PROMPT_OVERHEAD} of them are the endpoint's, so {own} are yours.",
        (
            ("the picture", half.text),
            ("billed tokens that still fit", f"{left}"),
            ("yours, without the overhead", f"{own}"),
        ),
        (half,),
        (_THREAD, _PROMPT),
    )


def _quarter_left(book: Catalog, today: dt.date) -> Checked:
    quarter, left = _left(book, today, "0.0025", "480x1408")
    own = left - tokens.IMAGE_PROMPT_OVERHEAD
    cheapest = solver.sizes("gpt-image-2", quality="low", sort="tokens", top=1, on=today)[0]
    return Checked(
        "176-left",
        "After a 480x1408 picture at low, 176 tokens are left of a quarter cent; 170 are yours.",
        "The Half-Penny gpt-image-2 Challenge",
        "holds" if (left, own) == (176, 170) else "wrong",
        f"The picture costs {quarter.text}, so {left} fit, {own} of them yours. "
        f"{cheapest.output_tokens} output tokens are the fewest "
        "that "
        f"any size has; {cheapest.size} is the largest with them.",
        (
            ("the picture", quarter.text),
            ("billed tokens that still fit", f"{left}"),
            ("yours, without the overhead", f"{own}"),
        ),
        (quarter,),
        (_THREAD, _AXIS),
    )


def _mystery(book: Catalog, today: dt.date) -> Checked:
    asked = solver.bill("gpt-image-2", output_tokens=186)
    delivered = tokens.axis_tokens(book.model("gpt-image-2").axis["low"], Size(1384, 1136))
    legal = [each for each in asked if each.how == "requested" and each.quality == "low"]
    auto = any(each.size == Size(1384, 1136) and each.how == "auto" for each in asked)
    price = priced(ImageRequest(size="auto", quality="low", prompt_tokens=16), today, known=book)
    return Checked(
        "186-tokens",
        "A picture of 780x640 was billed 186 output tokens: it may have been billed for the "
        "language only.",
        "The Half-Penny gpt-image-2 Challenge",
        "wrong" if auto and delivered == 186 else "cannot be known",
        "780x640 cannot be requested (780 is no multiple of 16, and there are too few pixels): "
        "it stood in the "
        f"prompt, the size was auto, and the model chose 1384x1136. The rule gives {delivered} "
        f"tokens for that, so {_billed(16, 186, today, book)} with 16 of prompt is "
        f"{'the bill of the picture' if delivered == 186 else 'no bill that the rule explains'}.",
        (
            ("1384x1136 at low by the rule", f"{delivered} tokens"),
            ("legal sizes with 186 tokens at low", f"{len(legal)}"),
            ("size=auto at low, quoted", price.text),
            ("as billed: 16 in, 186 out", _billed(16, 186, today, book)),
        ),
        (price,),
        (_THREAD, _AXIS),
    )


def _billed(text: int, out: int, today: dt.date, book: Catalog) -> str:
    usage = Usage(text_input=text, image_output=out)
    dollars = pricing.bill("gpt-image-2", usage, on=today, known=book).dollars
    return "unknown" if dollars is None else money.short(dollars)


def _wizard(book: Catalog, _today: dt.date) -> Checked:
    prompt = (
        "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"
    )
    price = priced(ImageRequest(prompt, size="976x704", quality="low"), THREAD_DAY, known=book)
    total = "unknown" if price.high is None else money.grouped(price.high)
    return Checked(
        "wizard",
        "The wizard card: 20 tokens in, 129 out, $0.003_970_000.",
        "The Half-Penny gpt-image-2 Challenge",
        "holds" if price.low == price.high == Decimal("0.00397") else "wrong",
        f"{price.bucket('text_input')} tokens of text, {tokens.IMAGE_PROMPT_OVERHEAD} of them the "
        f"endpoint's, and {price.bucket('image_output')} for the picture make "
        f"{total} at that day's prices, to the last digit.",
        (
            ("to the last digit", total),
            ("quoted for that day", price.text),
            ("prompt", f"{price.bucket('text_input')} tokens"),
            ("picture", f"{price.bucket('image_output')} tokens"),
        ),
        (price,),
        (_THREAD, _AXIS),
    )


def _mystery_2751(book: Catalog, today: dt.date) -> Checked:
    rule = book.model("gpt-5.4-nano").vision
    factor = Decimal("1.2") if rule is None else rule.multiplier
    fits = [n for n in range(1, 2501) for text in (15, 16) if math.ceil(n * factor) + text == 2751]
    phone = priced(photo_request("gpt-5.4-nano"), today, known=book)
    common = phone.bucket("image_input")
    shrunk = round(common.low * Decimal(_MEASURED_PATCHES[0]) / _MEASURED_PATCHES[1])
    return Checked(
        "2751-tokens",
        "A phone's photo was billed 2,751 input tokens on gpt-5.4-nano.",
        "recalled from the report behind the $52; no public text with it was found",
        "cannot be known" if common.low > 2751 else "holds on conditions",
        "No common camera size gives it by the rule. Chat Completions billed "
        f"{_MEASURED_PATCHES[0]:,} of {_MEASURED_PATCHES[1]:,} patches that week, which would "
        f"turn the {common.low:,} of a phone photo into {shrunk:,}; the photo's size was never "
        "published.",
        (
            ("a 4032x3024 photo by the rule", f"{common} tokens"),
            (
                "patches that would fit, with 15 or 16 of text",
                ", ".join(f"{n:,}" for n in sorted(set(fits))),
            ),
            (
                f"{_MEASURED_PATCHES[0]:,} / {_MEASURED_PATCHES[1]:,} of {common.low:,}",
                f"{shrunk:,}",
            ),
        ),
        (phone,),
        (_WILLISON, _MEASURED),
    )


_CHECKS: tuple[Callable[[Catalog, dt.date], Checked], ...] = (
    _fifty_two,
    _seven_hundred,
    _ninety_cents,
    _flat_85,
    _multiplier,
    _five_hundred,
    _tokens_left,
    _quarter_left,
    _mystery,
    _wizard,
    _mystery_2751,
)
