"""What a job about many photos costs, and how that changes with each thing one can choose."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

from playground import catalog, money, render
from playground.catalog import Catalog
from playground.errors import InvalidRequest
from playground.lab.advise import dollar_ticks
from playground.lab.cached import by_cached_share
from playground.lab.figures import Bar, Figure, Line, Mark, Point, Tick, money_ticks, slot
from playground.lab.priced import Billed, Priced, known_since, photo_request, priced
from playground.values import TIERS, Tier

RIVALS = ("gpt-5.4-nano", "gpt-5.4-mini", "gpt-6-luna", "gpt-4o-mini", "claude-haiku-5.5")
EDGES = (256, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 3072, 4032)
ANSWERS = (10, 25, 50, 100, 200, 300, 500, 1000, 2000)
COUNTS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)


@dataclass(frozen=True, slots=True)
class Job:
    """Many photos, one question each."""

    model: str = "gpt-5.4-nano"
    photos: int = 1_000_000
    width_px: int = 4032
    height_px: int = 3024
    detail: str = "auto"
    resize: int | None = None
    answer_tokens: int = 112
    tier: Tier = "standard"
    on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """An example of the published articles, with the day of its prices."""

    name: str
    job: Job
    claim: str


WILLISON_DAY = dt.date(2026, 3, 17)
PRESETS = (
    Preset("76,000 photos", Job(photos=76_000, on=WILLISON_DAY), "published as $52"),
    Preset(
        "A million photos at ingestion",
        Job(photos=1_000_000, on=WILLISON_DAY),
        "published as $700 a month, $8,400 a year",
    ),
    Preset(
        "Five million in an archive",
        Job(photos=5_000_000, on=WILLISON_DAY),
        "published as about $3,500",
    ),
    Preset(
        "100,000 products, in detail",
        Job(
            model="gpt-4.1-mini",
            photos=100_000,
            width_px=1600,
            height_px=1600,
            detail="high",
            answer_tokens=200,
            on=WILLISON_DAY,
        ),
        "a retailer's SEO tags in batch",
    ),
)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """A point from which another choice is the better one, in words."""

    title: str
    text: str


@dataclass(frozen=True, eq=False, slots=True)
class WhatIf:
    """The job then and now, its plots, its break-even points, and every amount behind them."""

    job: Job
    then: Priced
    now: Priced
    figures: tuple[Figure, ...]
    break_even: tuple[BreakEven, ...]
    amounts: tuple[Priced, ...]
    bills: tuple[Billed, ...] = ()


def what_if(job: Job, today: dt.date, *, known: Catalog | None = None) -> WhatIf:
    """The job's price on its day and today, and its curves at the prices of its day.

    Raises:
        InvalidRequest: for an unknown model, an impossible detail or tier, or a day on which the
            model had no price.
    """
    book = known or catalog.default()
    day = job.on or today
    then = _priced(job, day, book)
    if then.high is None:
        msg = then.why_unknown
        raise InvalidRequest(msg)
    now = _priced(job, today, book)
    models = tuple(dict.fromkeys([job.model, *RIVALS]))
    amounts: list[Priced] = [then, now]
    figures = [
        _by_count(job, day, book, models, amounts),
        _by_model(job, day, book, amounts),
        _by_edge(job, day, book, models, amounts),
        _by_answer(job, day, book, models, amounts),
        _by_detail(job, day, book, amounts),
        _by_tier(job, day, book, amounts),
    ]
    quotes = tuple((model, _tried(replace(job, model=model), day, book, 1)) for model in models)
    cache, bills, words = by_cached_share(quotes, book)
    even = _break_even(job, day, book)
    if cache is None:
        even = (*even, BreakEven("A cache", words))
    else:
        figures.append(cache)
    return WhatIf(job, then, now, tuple(figures), even, tuple(amounts), bills)


def _priced(job: Job, day: dt.date, book: Catalog, times: int | None = None) -> Priced:
    if job.detail not in (details := book.model(job.model).details):
        kind = ", ".join(details) if details else "none: it makes pictures"
        msg = f"{job.model} has no detail {job.detail!r}; it has {kind}"
        raise InvalidRequest(msg)
    request = photo_request(
        job.model,
        job.width_px,
        job.height_px,
        answer_tokens=job.answer_tokens,
        detail=job.detail,
        resize=job.resize,
        tier=job.tier,
    )
    return priced(request, day, times or job.photos, known=book)


def _tried(job: Job, day: dt.date, book: Catalog, times: int | None = None) -> Priced | None:
    """As `_priced`, None where a model refuses it or has no price that day."""
    try:
        found = _priced(job, day, book, times)
    except InvalidRequest:
        if job.detail == "auto":
            return None
        return _tried(replace(job, detail="auto"), day, book, times)
    if found.high is None or known_since(book.model(job.model)) > day:
        return None
    return found


def _point(x: float, found: Priced, what: str) -> Point:
    return Point(x, float(found.high or 0), f"{what}: {found.text}", float(found.low or 0))


def _lines(
    day: dt.date,
    book: Catalog,
    models: tuple[str, ...],
    places: tuple[tuple[float, str, Job, int], ...],
    amounts: list[Priced],
) -> tuple[tuple[Line, ...], list[list[str]]]:
    """A line for each model over the same places, and the columns of the table."""
    lines, columns = [], []
    for number, model in enumerate(models):
        points, column = [], []
        for x, what, changed, times in places:
            found = _tried(replace(changed, model=model), day, book, times)
            column.append("no price that day" if found is None else found.text)
            if found is not None:
                amounts.append(found)
                points.append(_point(x, found, f"{model}, {what}"))
        if points:
            label = f"{model} {column[-1]}"
            lines.append(Line(model, slot(model, number), tuple(points), label=label))
        columns.append(column)
    return tuple(lines), columns


def _figure(
    question: str,
    answer: str,
    first: str,
    models: tuple[str, ...],
    places: tuple[tuple[float, str, Job, int], ...],
    made: tuple[tuple[Line, ...], list[list[str]]],
    **looks: object,
) -> Figure:
    lines, columns = made
    rows = tuple((place[1], *(column[n] for column in columns)) for n, place in enumerate(places))
    return Figure(question, answer, (first, *models), rows, lines=lines, **looks)  # type: ignore[arg-type]


def _by_count(
    job: Job, day: dt.date, book: Catalog, models: tuple[str, ...], amounts: list[Priced]
) -> Figure:
    places = tuple((float(n), f"{n:,} photos", job, n) for n in COUNTS)
    made = _lines(day, book, models, places, amounts)
    own = _priced(job, day, book)
    values = [point.y for line in made[0] for point in line.points]
    return _figure(
        "What do that many photos cost?",
        f"{job.photos:,} photos on {job.model} cost {own.text} at the prices of {day}; twice as "
        "many "
        "cost twice as much, there is no discount for quantity.",
        "Photos",
        models,
        places,
        made,
        marks=(Mark(float(job.photos), f"{job.photos:,}"),),
        x_scale="log",
        y_scale="log",
        x_ticks=tuple(
            Tick(float(n), t)
            for n, t in ((1, "1"), (100, "100"), (10_000, "10,000"), (1_000_000, "a million"))
        ),
        y_ticks=dollar_ticks(min(values), max(values)),
        x_title="photos, on a log scale",
        y_title="dollars, on a log scale",
    )


def _by_edge(
    job: Job, day: dt.date, book: Catalog, models: tuple[str, ...], amounts: list[Priced]
) -> Figure:
    long_px = max(job.width_px, job.height_px)
    edges = (*tuple(edge for edge in EDGES if edge < long_px), long_px)
    places = tuple((float(e), f"{e:,} px", replace(job, resize=e), 1000) for e in edges)
    made = _lines(day, book, models, places, amounts)
    own = [_tried(replace(job, resize=e), day, book, 1000) for e in edges]
    small, full = own[0], own[-1]
    words = "Its size makes no difference."
    if small and full and small.high and full.high and small.high < full.high:
        share = 100 - 100 * small.high / full.high
        words = (
            f"Scaled down to {edges[0]} pixels, 1,000 photos on {job.model} cost {small.text} "
            "instead "
            f"of {full.text}: {share:.0f} % less, if the small photo still shows what you ask "
            "about."
        )
    return _linear(
        _figure(
            "What does a smaller photo save?",
            words,
            "Longest side",
            models,
            places,
            made,
            marks=(Mark(float(job.resize), "sent"),) if job.resize else (),
            x_ticks=_spread(edges, "px"),
            x_title="longest side of the photo as sent",
            y_title="dollars for 1,000 photos",
        )
    )


def _by_answer(
    job: Job, day: dt.date, book: Catalog, models: tuple[str, ...], amounts: list[Priced]
) -> Figure:
    places = tuple(
        (float(n), f"{n:,} tokens", replace(job, answer_tokens=n), 1000) for n in ANSWERS
    )
    made = _lines(day, book, models, places, amounts)
    return _linear(
        _figure(
            "When do the words cost more than the photo?",
            _words_against_photo(job, day, book),
            "Answer",
            models,
            places,
            made,
            marks=(Mark(float(job.answer_tokens), f"{job.answer_tokens:,} tokens"),),
            x_ticks=_spread(ANSWERS, "tokens"),
            x_title="length of the answer",
            y_title="dollars for 1,000 photos",
        )
    )


def _linear(figure: Figure) -> Figure:
    most = max((point.y for line in figure.lines for point in line.points), default=1.0)
    return replace(figure, y_ticks=money_ticks(most))


def _spread(places: tuple[int, ...], unit: str) -> tuple[Tick, ...]:
    """Ticks that leave room for their words: at least a fifth of the axis apart."""
    kept: list[int] = []
    for place in places:
        if not kept or place - kept[-1] >= places[-1] / 5:
            kept.append(place)
    return tuple(Tick(float(place), f"{place:,} {unit}") for place in kept)


def _bars(
    question: str, answer: str, first: str, found: list[tuple[str, Priced]], chosen: str
) -> Figure:
    bars = tuple(
        Bar(name, float(p.high or 0), p.text, float(p.low or 0), slot(name), on=name == chosen)
        for name, p in found
    )
    rows = tuple((name, _photo_tokens(p), p.text) for name, p in found)
    return Figure(question, answer, (first, "Photo tokens", "Dollars"), rows, bars=bars)


def _photo_tokens(found: Priced) -> str:
    return str(found.bucket("image_input"))


def _by_model(job: Job, day: dt.date, book: Catalog, amounts: list[Priced]) -> Figure:
    found = []
    for model in book.models:
        if model.kind != "vision" or model.retired(day):
            continue
        price = _tried(replace(job, model=model.name, tier="standard"), day, book)
        if price is not None and price.high is not None:
            found.append((model.name, price))
    found.sort(key=lambda pair: (pair[1].high or Decimal(0), pair[0]))
    shown = found[:10]
    if job.model not in {name for name, _ in shown}:
        shown += [pair for pair in found if pair[0] == job.model]
    amounts += [price for _, price in shown]
    return _bars(
        f"Which model is cheapest for {job.photos:,} such photos?",
        _cheapest(found, day),
        "Model",
        shown,
        job.model,
    )


def _cheapest(found: list[tuple[str, Priced]], day: dt.date) -> str:
    """Which one it is, or which it may be where the ranges overlap."""
    (name, price), *others = found
    most = price.high or Decimal(0)
    rivals = [one for one, its in others if its.low is not None and its.low < most]
    if not rivals:
        return f"At the prices of {day} it is {name}, for {price.text}."
    *first, last = [*rivals[:3], *([f"{len(rivals) - 3} more"] if len(rivals) > 3 else [])]
    few = f"{', '.join(first)} or {last}" if first else last
    return (
        f"At the prices of {day} it is {name} ({price.text}) by the most that it can cost; what is "
        f"known of {few} reaches below that, so it may be cheaper."
    )


def _by_detail(job: Job, day: dt.date, book: Catalog, amounts: list[Priced]) -> Figure:
    found = []
    for detail in book.model(job.model).details:
        price = _tried(replace(job, detail=detail), day, book)
        if price is not None:
            found.append((detail, price))
    amounts += [price for _, price in found]
    by_name = dict(found)
    low, high = by_name.get("low"), by_name.get("high")
    words = "This model knows one way of looking."
    if low and high and low.high is not None and high.high is not None:
        words = (
            f"On {job.model} low costs {low.text} and high {high.text}."
            + (
                " Low is the dearer one: it has the larger patch budget."
                if low.high > high.high
                else ""
            )
            + (" They are the same." if low.high == high.high else "")
        )
    return _bars(f"Does detail=low save money on {job.model}?", words, "Detail", found, job.detail)


def _by_tier(job: Job, day: dt.date, book: Catalog, amounts: list[Priced]) -> Figure:
    found: list[tuple[str, Priced]] = []
    for tier in TIERS:
        price = _tried(replace(job, tier=tier), day, book)
        if price is not None:
            found.append((tier, price))
    amounts += [price for _, price in found]
    return _bars(
        "What does waiting save?",
        "; ".join(f"{name} costs {price.text}" for name, price in found) + ".",
        "Tier",
        found,
        job.tier,
    )


def _words_against_photo(job: Job, day: dt.date, book: Catalog) -> str:
    own = _priced(job, day, book, 1)
    lines = {line.bucket: line for line in own.quote.lines}
    if "image_input" not in lines or "text_output" not in lines:
        return "The photo has no price of its own."
    photo, words = lines["image_input"], lines["text_output"]
    even = int(photo.dollars * 1_000_000 / words.per_million)
    return (
        f"On {job.model} the photo's {photo.tokens:,} tokens cost {money.short(photo.dollars)}, "
        "as much "
        f"as an answer of {even:,} tokens; yours has {job.answer_tokens:,}, so "
        + ("the words" if job.answer_tokens > even else "the photo")
        + " cost more."
    )


def _break_even(job: Job, day: dt.date, book: Catalog) -> tuple[BreakEven, ...]:
    found = [BreakEven("Words against photo", _words_against_photo(job, day, book))]
    own = _priced(job, day, book, 1)
    assert own.high is not None
    for dollars in (1, 20, 1000):
        count = int(Decimal(dollars) / own.high)
        found.append(BreakEven(f"For ${dollars:,}", f"{count:,} photos, at {own.text} each."))
    for other in RIVALS:
        crossing = _crossing(job, other, day, book)
        if crossing:
            found.append(BreakEven(f"{job.model} against {other}", crossing))
    return tuple(found)


def _crossing(job: Job, other: str, day: dt.date, book: Catalog) -> str:
    """From which answer length on the other model is the cheaper one, if there is one."""
    if other == job.model:
        return ""
    mine = [_tried(replace(job, answer_tokens=n), day, book, 1) for n in (1, 1001)]
    theirs = [_tried(replace(job, model=other, answer_tokens=n), day, book, 1) for n in (1, 1001)]
    ends = [found.high for found in (*mine, *theirs) if found is not None]
    if len(ends) < 4 or None in ends:
        return ""
    mine_1, mine_2, theirs_1, theirs_2 = (Decimal(str(end)) for end in ends)
    slope = (mine_2 - mine_1) - (theirs_2 - theirs_1)
    gap = theirs_1 - mine_1
    if slope and 0 < gap / slope * 1000 < 100_000:
        at = int(gap / slope * 1000) + 1
        cheaper = other if slope > 0 else job.model
        return (
            f"From an answer of {at:,} tokens on, {cheaper} is the cheaper one; below, the other."
        )
    cheaper = job.model if gap > 0 else other
    return (
        f"{cheaper} is cheaper at every length of the answer "
        f"({render.range_text(mine_1, mine_1)} against {render.range_text(theirs_1, theirs_1)} "
        "for one token)."
    )
