"""What a prompt cache can save on photos: a curve over the share of the input that is read from it.

Known (guide developers.openai.com/api/docs/guides/prompt-caching, read 2026-11-28): a cache holds
the exact beginning of a request, from 1,024 tokens on and in steps of 128; a photo repeats only
where it and its detail are the same. Not known before the call: whether it finds its beginning
there. So the curve runs over the share, and the shares that a job can have are marked on it.
"""

from __future__ import annotations

from dataclasses import replace

from playground.catalog import Catalog, Model
from playground.lab.figures import Figure, Line, Mark, Point, Tick, money_ticks, slot
from playground.lab.priced import Billed, Priced, billed
from playground.values import Usage

LEAST_TOKENS, STEP_TOKENS = 1024, 128
SHARES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
TIMES = 1000


def usage_at(usage: Usage, cached: int) -> Usage:
    """The usage with that many input tokens read from the cache, the question's first."""
    text = min(usage.text_input, cached)
    image = min(usage.image_input, cached - text)
    return replace(
        usage,
        text_input=usage.text_input - text,
        cached_text_input=text,
        image_input=usage.image_input - image,
        cached_image_input=image,
    )


def cacheable(repeated: int) -> int:
    """How many of that many repeated tokens a cache can hold."""
    return 0 if repeated < LEAST_TOKENS else repeated // STEP_TOKENS * STEP_TOKENS


def usage_of(found: Priced) -> Usage:
    """The usage behind the upper bound of a quoted photo."""
    names = ("text_input", "image_input", "text_output")
    return Usage(**{name: found.bucket(name).high for name in names})


def no_price(model: Model, found: Priced, book: Catalog) -> str:
    """Why a model's cached input has no price at a job's tier and day; empty when it has one."""
    tier = found.request.tier
    rates = book.rates(model.name, tier, found.on)
    if rates is None or "cached_image_input" not in rates:
        return f"no cached price of {model.name} was published for {found.on}"
    # OpenAI's batch table prints no cached price for the families that it sells no flex of.
    if tier == "batch" and model.provider == "openai" and "flex" not in model.tiers:
        return f"the batch table prints no cached price of {model.name}"
    return ""


def by_cached_share(
    quotes: tuple[tuple[str, Priced | None], ...], book: Catalog
) -> tuple[Figure | None, tuple[Billed, ...], str]:
    """The curve, the bills behind it, and what is known in words.

    Args:
        quotes: each model with the quote of the job for one photo, the job's own model first;
            None where it had no price or cannot do the job.
        book: the dated prices.
    """
    lines, columns, bills, unknown = [], [], [], []
    own = quotes[0][1]
    assert own is not None
    for number, (name, found) in enumerate(quotes):
        why = f"{name} had no price" if found is None else no_price(book.model(name), found, book)
        if found is None or why:
            columns.append(["unknown"] * len(SHARES))
            unknown.append(why)
            continue
        usage = usage_of(found)
        total = usage.text_input + usage.image_input
        made = [billed(name, usage_at(usage, total * s // 100), found, TIMES, book) for s in SHARES]
        bills += made
        columns.append([each.text for each in made])
        points = tuple(
            Point(float(s), float(each.dollars or 0), f"{name}, {s} % cached: {each.text}")
            for s, each in zip(SHARES, made, strict=True)
        )
        lines.append(Line(name, slot(name, number), points, label=f"{name} {made[-1].text}"))
    answer, marks = _in_words(quotes[0][0], own, book, bills)
    if not lines:
        return None, (), answer
    rows = tuple(
        (f"{share} %", *(column[n] for column in columns)) for n, share in enumerate(SHARES)
    )
    notes = [
        "Known: a cache holds the exact beginning of a request, from "
        f"{LEAST_TOKENS:,} tokens on and in steps of {STEP_TOKENS}; a photo counts only where the "
        "same photo is sent again at the same detail.",
        "Not known: whether a call finds its beginning in the cache. The provider decides, and "
        "only the bill says; other providers' caches have rules of their own.",
    ]
    if book.model(quotes[0][0]).cache_write:
        notes.append(
            f"{quotes[0][0]} bills what is written to its cache at 1.25 times the input; captions "
            "here are asked for with the cache switched off."
        )
    if unknown:
        notes.append(f"Unknown: {'; '.join(unknown)}.")
    most = max(point.y for line in lines for point in line.points)
    figure = Figure(
        "What would a cache save?",
        answer,
        ("Input from the cache", *(name for name, _ in quotes)),
        rows,
        lines=tuple(lines),
        marks=marks,
        x_ticks=tuple(Tick(float(s), f"{s} %") for s in (0, 25, 50, 75, 100)),
        y_ticks=money_ticks(most),
        x_title="share of the input tokens that is read from the cache",
        y_title=f"dollars for {TIMES:,} photos",
        notes=tuple(notes),
    )
    return figure, tuple(bills), answer


def _in_words(
    name: str, own: Priced, book: Catalog, bills: list[Billed]
) -> tuple[str, tuple[Mark, ...]]:
    usage = usage_of(own)
    total = usage.text_input + usage.image_input
    question, again = cacheable(usage.text_input), cacheable(total)
    share = 100 * usage.text_input / total
    asked = (
        f"Every photo of an archive is new, so only the question repeats: {usage.text_input:,} of "
        f"{total:,} input tokens ({share:.1f} %)"
    )
    why = no_price(book.model(name), own, book)
    if why:
        return f"Unknown: {why}. {asked}.", ()
    whole = billed(name, usage, own, TIMES, book)
    marks = [Mark(share, "the question")]
    if question:
        part = billed(name, usage_at(usage, question), own, TIMES, book)
        asked += f"; with {question:,} of them cached, {TIMES:,} photos cost {part.text} instead "
        asked += f"of {whole.text}."
        bills.append(part)
    else:
        asked += f". That is below {LEAST_TOKENS:,}, so a cache saves nothing."
    if again:
        part = billed(name, usage_at(usage, again), own, TIMES, book)
        asked += (
            f" Asked again about the same photos, {again:,} of them could come from it: "
            f"{TIMES:,} photos for {part.text} instead of {whole.text}."
        )
        marks.append(Mark(100 * again / total, "the same photo again"))
        bills.append(part)
    bills.append(whole)
    return asked, tuple(marks)
