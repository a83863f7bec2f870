"""Prices over time, from the dated rows of the catalog; and a gallery at another day's prices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from playground import catalog, money, pricing, render
from playground.catalog import Catalog, Model
from playground.errors import InvalidRequest, PlaygroundError, UnknownPrice
from playground.lab.advise import dollar_ticks
from playground.lab.figures import Figure, Line, Point, Tick, slot
from playground.lab.priced import Priced, known_since, photo_request, priced
from playground.store import Attempt
from playground.values import CaptionRequest, GalleryItem, ImageRequest, Photo, Request, Usage

PHOTO_MODELS = (
    "gpt-4-vision-preview",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1-mini",
    "gpt-5-mini",
    "gpt-5.2",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
    "gpt-5.6-luna",
    "gpt-6-luna",
    "claude-3.5-sonnet",
    "claude-haiku-4.5",
    "gemini-2.5-flash-lite",
)
PICTURE_MODELS = (
    "dall-e-2",
    "dall-e-3",
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2.5-flare",
)
QUALITIES = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Look:
    """What the chart asks of every model: the same photo and answer, the same picture."""

    what: Literal["photos", "picture"] = "photos"
    width_px: int = 1024
    height_px: int = 1024
    answer_tokens: int = 100
    quality: str = "medium"
    until: dt.date | None = None


@dataclass(frozen=True, eq=False, slots=True)
class History:
    """The chart and every amount in it."""

    look: Look
    figure: Figure
    amounts: tuple[Priced, ...]
    changes: tuple[tuple[dt.date, str], ...]


def history(look: Look, today: dt.date, *, known: Catalog | None = None) -> History:
    """Dollars for 1,000 photos, or for one picture of 1024x1024, on each day a price changed.

    Raises:
        InvalidRequest: for a quality that no model has.
    """
    book = known or catalog.default()
    if look.quality not in QUALITIES:
        msg = f"{look.quality!r} is not a quality that can be compared: {', '.join(QUALITIES)}"
        raise InvalidRequest(msg)
    end = look.until or today
    amounts: list[Priced] = []
    lines: list[Line] = []
    rows: list[tuple[str, ...]] = []
    changes: list[tuple[dt.date, str]] = []
    names = PHOTO_MODELS if look.what == "photos" else PICTURE_MODELS
    for number, name in enumerate(names):
        model = book.model(name)
        found = _priced_days(model, look, end, book)
        if not found:
            continue
        amounts += [price for _, price in found]
        last_day = min(end, model.retires or end)
        points = [
            Point(
                _x(day),
                float(price.high or 0),
                f"{name} from {day}: {price.text}",
                float(price.low or 0),
            )
            for day, price in found
        ]
        final = found[-1][1]
        points.append(
            Point(
                _x(last_day), points[-1].y, f"{name} until {last_day}: {final.text}", points[-1].low
            )
        )
        gone = f" (until {model.retires})" if model.retired(end) else ""
        ended = f", ended {last_day:%Y-%m}" if model.retired(end) else ""
        lines.append(
            Line(
                name,
                slot(name, number),
                tuple(points),
                steps=True,
                label=f"{name} {final.text}{ended}",
            )
        )
        rows += [(str(day), name + gone, price.text) for day, price in found]
        changes += [(day, f"{name}: {price.text}") for day, price in found]
    if not lines:
        msg = f"no model had a price on {end}; the first known one is of 2022-11-03"
        raise InvalidRequest(msg)
    rows.sort()
    changes.sort()
    values = [point.y for line in lines for point in line.points]
    what = "1,000 photos" if look.what == "photos" else "a picture"
    figure = Figure(
        question="What did it cost to describe 1,000 photos?"
        if look.what == "photos"
        else f"What did a {look.quality} picture cost?",
        answer=_answer(what, amounts),
        head=("Since", "Model", f"Dollars for {what}"),
        rows=tuple(rows),
        lines=tuple(lines),
        x_ticks=tuple(
            Tick(_x(dt.date(year, 1, 1)), str(year)) for year in range(2023, end.year + 1)
        ),
        y_ticks=dollar_ticks(min(values), max(values)),
        x_scale="time",
        y_scale="log",
        y_title=f"dollars for {what}, on a log scale",
        notes=_notes(look),
    )
    return History(look, figure, tuple(amounts), tuple(changes))


def _notes(look: Look) -> tuple[str, ...]:
    if look.what == "photos":
        return (
            f"The same photo of {look.width_px}x{look.height_px} pixels and an answer of "
            f"{look.answer_tokens} tokens for every model; detail as each model chooses it.",
        )
    return (
        "1024x1024 for every model. DALL-E was priced per picture: standard beside low and medium, "
        "hd beside high.",
    )


def _answer(what: str, amounts: list[Priced]) -> str:
    known = [price for price in amounts if price.high is not None]
    first = min(known, key=lambda price: price.on)
    least = min(known, key=lambda price: (price.high or Decimal(0), price.on))
    assert first.high is not None
    assert least.high is not None
    times = first.high / least.high
    return (
        f"{what[0].upper()}{what[1:]} cost {first.text} on {first.on} ({first.request.model}); "
        "the least "
        f"since is {least.text} ({least.request.model}, {least.on}): {times:,.0f} times less."
    )


def _x(day: dt.date) -> float:
    """Days since the first of 2022, for drawing."""
    return float((day - dt.date(2022, 1, 1)).days)


def _priced_days(
    model: Model, look: Look, end: dt.date, book: Catalog
) -> list[tuple[dt.date, Priced]]:
    """The days on which the model's price changed, each with the amount from then on."""
    first = known_since(model)
    days = [
        first,
        *(row.since for row in model.prices if row.since is not None and row.since > first),
    ]
    last = min(end, model.retires or end)
    found = []
    for day in days:
        if day > last:
            continue
        times = 1000 if look.what == "photos" else 1
        price = priced(_request(model, look), day, times, known=book)
        if price.high is not None:
            found.append((day, price))
    return found


def _request(model: Model, look: Look) -> Request:
    if look.what == "photos":
        return photo_request(
            model.name, look.width_px, look.height_px, answer_tokens=look.answer_tokens
        )
    quality = look.quality
    if model.pictures:
        quality = "hd" if quality == "high" and "hd" in model.pictures else "standard"
    return ImageRequest(model=model.name, size="1024x1024", quality=quality, prompt_tokens=20)  # type: ignore[arg-type] # a quality of the model


# -------------------------------------------------------------------------------------------------
# The same bills at other prices


@dataclass(frozen=True, eq=False, slots=True)
class Repriced:
    """What was booked, and what the same would cost at another day's prices or with another model.

    `counted` calls could be priced anew, `left_out` could not (and are in neither sum).
    """

    on: dt.date
    model: str | None
    booked: Decimal
    low: Decimal
    high: Decimal
    counted: int
    left_out: int
    rows: tuple[tuple[str, str, int, Decimal, Decimal, Decimal], ...]
    words: str


@dataclass(frozen=True, slots=True)
class Booked:
    """One bill of a gallery or ledger: what was asked, used and paid."""

    model: str
    usage: Usage
    tier: str
    dollars: Decimal
    request: Request | None = None


def bills(items: Iterable[GalleryItem]) -> list[Booked]:
    """The bills behind gallery items: pictures and captions, samples included."""
    found = []
    for item in items:
        if item.model and item.billed is not None and item.kind != "photo":
            asked = item.asked_size or str(item.size)
            request = ImageRequest(
                prompt=item.prompt or " ",
                model=item.model,
                size=asked,
                quality=item.quality or "low",  # type: ignore[arg-type] # as it was asked
                prompt_tokens=item.usage.text_input or None,
            )
            found.append(
                Booked(
                    item.model,
                    item.usage,
                    item.tier or "standard",
                    item.billed,
                    request if item.kind == "image" else None,
                )
            )
        for caption in item.captions:
            if caption.billed is None or caption.model == "owner":
                continue
            answer = max(1, caption.usage.text_output)
            question = CaptionRequest(
                photo=Photo(item.size.width_px, item.size.height_px),
                model=caption.model,
                task=caption.task,
                max_output_tokens=max(300, answer),
                expect_output_tokens=answer,
            )
            found.append(Booked(caption.model, caption.usage, "standard", caption.billed, question))
    return found


def ledger_bills(attempts: Iterable[Attempt]) -> list[Booked]:
    """The bills of a ledger's attempts (`gallery.ledger.booked()`): each call with its own tier."""
    found = []
    for attempt in attempts:
        if attempt.cost is None:
            continue
        asked = attempt.request
        # Asked anew, an answer is taken to be as long as it was.
        if isinstance(asked, CaptionRequest) and attempt.usage.text_output:
            answer = attempt.usage.text_output
            most = max(asked.max_output_tokens, answer)
            asked = asked.with_(max_output_tokens=most, expect_output_tokens=answer)
        found.append(Booked(asked.model, attempt.usage, asked.tier, attempt.cost, asked))
    return found


def reprice(
    booked: Iterable[Booked], on: dt.date, model: str | None = None, *, known: Catalog | None = None
) -> Repriced:
    """The same calls at the prices of another day, or asked of another model. A view: nothing is
    changed where the bills are kept.

    With the same model the billed tokens are priced anew; with another one the request is quoted,
    because it counts its tokens by other rules.

    Raises:
        UnknownModel: for a model that is not in the catalog.
        UnknownPrice: when that model had no price on that day.
    """
    book = known or catalog.default()
    if model is not None:
        other = book.model(model)
        tariff = book.tariff(other.name, "standard", on)
        if isinstance(tariff, str) or known_since(other) > on:
            reason = tariff if isinstance(tariff, str) else f"{other.name} was not there on {on}"
            raise UnknownPrice(reason)
    sums: dict[str, tuple[int, Decimal, Decimal, Decimal]] = {}
    left_out = 0
    for one in booked:
        bounds = _anew(one, on, model, book)
        if bounds is None:
            left_out += 1
            continue
        count, paid, low, high = sums.get(one.model, (0, Decimal(0), Decimal(0), Decimal(0)))
        sums[one.model] = (count + 1, paid + one.dollars, low + bounds[0], high + bounds[1])
    rows = tuple(
        (name, model or name, count, paid, low, high)
        for name, (count, paid, low, high) in sorted(sums.items())
    )
    paid = sum((row[3] for row in rows), Decimal(0))
    low = sum((row[4] for row in rows), Decimal(0))
    high = sum((row[5] for row in rows), Decimal(0))
    counted = sum(row[2] for row in rows)
    where = f" on {model}" if model else ""
    words = (
        f"{counted:,} calls were booked at {money.short(paid)}; at the prices of {on}{where} "
        "they cost "
        f"{render.range_text(low, high)}. Nothing in the gallery was changed."
        if counted
        else f"None of the gallery's calls can be priced on {on}{where}."
    )
    return Repriced(on, model, paid, low, high, counted, left_out, rows, words)


def _anew(
    one: Booked, on: dt.date, model: str | None, book: Catalog
) -> tuple[Decimal, Decimal] | None:
    if model is None or model == one.model:
        try:
            if known_since(book.model(one.model)) > on:
                return None
            dollars = pricing.bill(one.model, one.usage, tier=one.tier, on=on, known=book).dollars  # type: ignore[arg-type] # as it was booked
        except PlaygroundError:
            return None
        return None if dollars is None else (dollars, dollars)
    if one.request is None:
        return None
    try:
        quote = pricing.quote(_moved(one.request, book.model(model)), on=on, known=book)
    except PlaygroundError:
        return None
    return None if quote.low is None or quote.high is None else (quote.low, quote.high)


def _moved(request: Request, model: Model) -> Request:
    """The request asked of another model: the nearest quality and size that it has."""
    changes: dict[str, object] = {"model": model.name}
    if isinstance(request, ImageRequest):
        if request.quality not in model.qualities:
            changes["quality"] = "high" if "high" in model.qualities else model.qualities[0]
        size = request.asked_size
        if size is not None and model.size_rules is not None and not model.size_rules.allows(size):
            changes["size"] = model.size_rules.nearest(size, 1)[0]
    elif isinstance(request, CaptionRequest) and request.detail not in model.details:
        changes["detail"] = "auto"
    return request.with_(**changes)
