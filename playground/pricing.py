"""Usage times dated prices; a request to a quote with its lower and upper bound.

A quote never guesses: a price or a rule that is missing makes it *unknown*, and the call is
refused. What the rules leave open (an answer's length, a rounding tie, a size that the model
chooses) makes it an interval with a note.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from playground import captions, catalog, tokens
from playground.catalog import LONG_CONTEXT_TOKENS, Catalog, Model, Rates, Tariff
from playground.errors import InvalidRequest, UnknownModel
from playground.money import from_picousd, to_picousd, token_cost
from playground.size import Size
from playground.tokens import Count
from playground.values import (
    BUCKETS,
    Basis,
    Bucket,
    CaptionRequest,
    CostLine,
    EditRequest,
    ImageRequest,
    Photo,
    Quote,
    Request,
    Source,
    Tier,
    TokenRange,
    Usage,
    measured_images,
)

_PROMPT_SOURCE = Source(
    "text tokens of a picture's prompt: o200k_base plus 6",
    "community.openai.com/t/1382940 (4 of 4 measured prompts)",
    "2026-06-25",
)
_CACHE_NOTE = (
    "prompt caching is switched off in the request; a provider that cached it all the same would "
    "bill the input at 1.25 times its price"
)


@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of a usage. `dollars` is None when a used bucket has no price."""

    dollars: Decimal | None
    lines: tuple[CostLine, ...]
    price_version: str
    notes: tuple[str, ...] = ()


def today() -> dt.date:
    """The current UTC day: prices change on days, and a bill must not depend on the zone."""
    return dt.datetime.now(dt.UTC).date()


def quote(
    request: Request,
    *,
    on: dt.date | None = None,
    rates: Rates | None = None,
    known: Catalog | None = None,
) -> Quote:
    """What `request` costs, before it is sent. Reads no file and no network.

    Args:
        request: photos and input pictures must be measured (`photos.resolve`).
        on: prices of that day; today (UTC) by default.
        rates: dollars per million tokens by bucket, instead of the catalog's.
        known: another catalog than the shipped one.

    Raises:
        UnknownModel: a model that is not in the catalog, without `rates`.
        InvalidRequest: a size, quality, detail or other option that the model refuses.
    """
    book = known or catalog.default()
    day = on or today()
    model = _model(book, request, rates)
    parts, bounds, extra = _count(model, request)
    tariff = _tariff(book, model, request.tier, day, rates)
    notes = [note for count in parts.values() for note in count.notes]
    sources = [source for count in parts.values() for source in count.sources]
    ranges = {bucket: count.range for bucket, count in parts.items()}
    if model.retired(day):
        notes.insert(0, f"{model.retirement}: this is what it cost, a call is refused")
    elif model.retires is not None and (model.retires - day).days <= 60:
        notes.append(model.retirement)
    old = book.stale(day)
    if old:
        notes.append(old)
    if model.pictures:
        return _per_picture(model, request, day, book, notes)
    if isinstance(tariff, str):
        return _unknown(model, request, day, book, ranges, [tariff, *notes], sources)
    notes += tariff.notes
    sources += tariff.sources
    low_rates = _surcharged(model, tariff.low, {b: r.low for b, r in ranges.items()})
    high_rates = _surcharged(model, tariff.high, {b: r.high for b, r in ranges.items()})
    if high_rates != tariff.high:
        notes.append("over 272,000 input tokens the whole request costs the long-context price")
    lines = _lines({bucket: r.high for bucket, r in ranges.items()}, high_rates)
    low_lines = _lines({bucket: r.low for bucket, r in ranges.items()}, low_rates)
    if lines is None or low_lines is None:
        missing = [b for b, r in ranges.items() if r.high and b not in high_rates]
        reason = f"no price for {', '.join(missing)} of {model.name} is known"
        return _unknown(model, request, day, book, ranges, [reason, *notes], sources)
    low = sum((line.dollars for line in low_lines), Decimal(0))
    high = sum((line.dollars for line in lines), Decimal(0))
    hold_tokens = {bucket: max(r.high, bounds.get(bucket, 0)) for bucket, r in ranges.items()}
    hold_lines = _lines(hold_tokens, _surcharged(model, _cache_safe(tariff.high), hold_tokens))
    assert hold_lines is not None
    hold = sum((line.dollars for line in hold_lines), Decimal(0))
    basis: Basis = "exact" if low == high and not extra else "bounded"
    return Quote(
        model=model.name,
        tier=request.tier,
        on=day,
        basis=basis,
        tokens=ranges,
        low=low,
        high=high,
        hold=None if model.retired(day) else hold,
        lines=lines,
        notes=tuple(dict.fromkeys([*notes, *extra])),
        sources=tuple(dict.fromkeys(sources)),
        price_version=book.version if rates is None else "given by the caller",
    )


def bill(
    model_name: str,
    usage: Usage,
    *,
    tier: Tier = "standard",
    on: dt.date | None = None,
    rates: Rates | None = None,
    known: Catalog | None = None,
) -> Bill:
    """What a reported usage costs at that day's prices; arguments as in `quote`.

    Where sources disagree about a tier, the higher rates are booked: the ledger must not show
    less than the provider may charge.
    """
    book = known or catalog.default()
    day = on or today()
    version = book.version if rates is None else "given by the caller"
    counts: dict[Bucket, int] = {b: getattr(usage, b) for b in BUCKETS if getattr(usage, b)}
    if rates is None:
        model = book.model(model_name)
        tariff = book.tariff(model.name, tier, day)
        if isinstance(tariff, str):
            return Bill(None, (), version, (tariff,))
        rates = _surcharged(model, tariff.high, counts)
    lines = _lines(counts, rates)
    if lines is None:
        missing = ", ".join(bucket for bucket in counts if bucket not in rates)
        return Bill(None, (), version, (f"no price for {missing} of {model_name} is known",))
    total = sum((line.dollars for line in lines), Decimal(0))
    return Bill(total, lines, version)


def quote_photos(
    request: CaptionRequest,
    photos: Iterable[Photo],
    *,
    on: dt.date | None = None,
    rates: Rates | None = None,
) -> Iterator[tuple[Photo, Quote | str]]:
    """The same question about many photos: each with its quote, or why it is refused.

    Photos of one size share one quote, so a folder costs little more than reading its headers.
    Arguments and errors (unknown model, impossible option) are those of `quote`; only what is
    wrong with one photo becomes a text.
    """
    made: dict[Size, Quote | str] = {}
    for photo in photos:
        found = made.get(photo.size)
        if found is None:
            try:
                found = quote(request.with_(photo=photo), on=on, rates=rates)
            except UnknownModel:
                raise
            except InvalidRequest as error:
                found = str(error)
            made[photo.size] = found
        yield photo, found


def total_quote(quotes: Mapping[Quote, int] | Sequence[Quote]) -> Quote:
    """The sum of quotes for one model and tier (a folder of photos), each so many times.

    Unknown if one of them is; `bounded` if one is not exact. Lines are added by bucket and rate.

    Raises:
        InvalidRequest: when there are none.
    """
    counted = quotes.items() if isinstance(quotes, Mapping) else [(each, 1) for each in quotes]
    if not counted:
        msg = "there is nothing to quote"
        raise InvalidRequest(msg)
    first = next(iter(counted))[0]
    ranges: dict[Bucket, TokenRange] = {}
    lines: dict[tuple[Bucket, Decimal], tuple[int, int]] = {}
    notes: dict[str, int] = {}
    sources: dict[Source, None] = {}
    for each, times in counted:
        for bucket, tokens_range in each.tokens.items():
            ranges[bucket] = ranges.get(bucket, TokenRange(0, 0)) + tokens_range.times(times)
        for line in each.lines:
            count, cost = lines.get((line.bucket, line.per_million), (0, 0))
            lines[line.bucket, line.per_million] = (
                count + line.tokens * times,
                cost + to_picousd(line.dollars) * times,
            )
        for note in each.notes:
            notes[note] = notes.get(note, 0) + times
        sources |= dict.fromkeys(each.sources)
    total = sum(times for _, times in counted)
    bases = {each.basis for each, _ in counted}
    return Quote(
        model=first.model,
        tier=first.tier,
        on=first.on,
        basis="unknown" if "unknown" in bases else "exact" if bases == {"exact"} else "bounded",
        tokens=ranges,
        low=_sum([(each.low, times) for each, times in counted]),
        high=_sum([(each.high, times) for each, times in counted]),
        hold=_sum([(each.hold, times) for each, times in counted]),
        lines=tuple(
            CostLine(bucket, count, rate, from_picousd(cost))
            for (bucket, rate), (count, cost) in lines.items()
        ),
        notes=tuple(
            note if times == total else f"{note} ({times:,} of {total:,} photos)"
            for note, times in notes.items()
        ),
        sources=tuple(sources),
        price_version=first.price_version,
    )


def _sum(amounts: Sequence[tuple[Decimal | None, int]]) -> Decimal | None:
    """The sum, or None where one amount is unknown."""
    total = 0
    for amount, times in amounts:
        if amount is None:
            return None
        total += to_picousd(amount) * times
    return from_picousd(total)


# -------------------------------------------------------------------------------------------------


def _model(book: Catalog, request: Request, rates: Rates | None) -> Model:
    try:
        return book.model(request.model)
    except UnknownModel:
        if rates is None:
            raise
        return _unlisted(request)


def _unlisted(request: Request) -> Model:
    """A model that only its caller knows, priced by the caller."""
    kind = "vision" if isinstance(request, CaptionRequest) else "image"
    return Model(
        name=request.model,
        kind=kind,  # type: ignore[arg-type] # mypy widens the conditional expression to str
        provider="",
        released=None,
        retires=None,
        replacement=None,
        snapshots=(),
        prices=(),
        tiers=("standard",),
        batch="none",
        priority=None,
    )


def _tariff(
    book: Catalog, model: Model, tier: Tier, day: dt.date, rates: Rates | None
) -> Tariff | str:
    if rates is not None:
        source = Source("price", "given by the caller", day.isoformat())
        return Tariff(rates, rates, (source,))
    return book.tariff(model.name, tier, day)


Parts = tuple[dict[Bucket, Count], dict[Bucket, int], list[str]]


def _count(model: Model, request: Request) -> Parts:
    """Token ranges by bucket, higher ceilings for the reservation, and notes that unexact it."""
    if isinstance(request, CaptionRequest):
        return _count_caption(model, request)
    return _count_image(model, request)


def _count_image(model: Model, request: ImageRequest) -> Parts:
    if model.kind != "image":
        msg = f"{model.name} reads photos and does not make pictures; choose an image model"
        raise InvalidRequest(msg)
    if not request.prompt.strip() and request.prompt_tokens is None:
        msg = "the prompt is empty; nothing was sent and nothing was spent"
        raise InvalidRequest(msg)
    parts: dict[Bucket, Count] = {"text_input": _prompt_tokens(model, request)}
    extra: list[str] = []
    bounds: dict[Bucket, int] = {}
    if isinstance(request, EditRequest):
        sizes = [photo.size for photo in measured_images(request)]
        if model.provider:
            parts["image_input"] = tokens.edit_image_input(model, sizes, request.input_fidelity)
        else:
            parts["image_input"] = _unlisted_photo(sizes)
    else:
        # A line of zero tokens: the breakdown shows that no picture is billed as input.
        parts["image_input"] = Count(TokenRange(0, 0))
    if not model.provider:
        dearest = TokenRange(1, tokens.axis_tokens(96, Size(2880, 2880)) * request.n)
        note = f"no token rule of {model.name} is known; the dearest known picture is allowed for"
        parts["image_output"] = Count(dearest, (note,))
        return parts, bounds, extra
    _check_image(model, request)
    if model.pictures:
        return parts, bounds, extra
    size = request.asked_size
    each = tokens.image_output(model, size, request.quality)
    made = tokens.several(model, size, request.quality, request.n, each)
    if request.partial_images:
        partial = tokens.PARTIAL_IMAGE_TOKENS * request.partial_images * request.n
        note = "a partial image costs 100 tokens; fewer may arrive than were asked for"
        made = Count(made.range + TokenRange(0, partial), (*made.notes, note), made.sources)
    parts["image_output"] = made
    if size is None:
        bounds["image_output"] = _dearest(model, request)
    if model.max_text_output:
        note = (
            f"{model.name} also bills text output (its reasoning), which cannot be predicted; up "
            f"to {model.max_text_output:,} tokens a picture are allowed for"
        )
        most = TokenRange(0, model.max_text_output * request.n)
        parts["text_output"] = Count(most, (note,))
    return parts, bounds, extra


def _dearest(model: Model, request: ImageRequest) -> int:
    """The most that size=auto could cost: what is seen is no promise, the legal maximum is."""
    quality = request.quality
    if quality == "auto":
        quality = model.qualities[-2]  # type: ignore[assignment] # names come from the data
    if model.axis:
        factor = tokens.axis_tokens(model.axis[quality], Size(2880, 2880))
        return request.n * (factor + tokens.PARTIAL_IMAGE_TOKENS * request.partial_images)
    most = tokens.image_output(model, None, quality).high
    return request.n * (most + tokens.PARTIAL_IMAGE_TOKENS * request.partial_images)


def _check_image(model: Model, request: ImageRequest) -> None:
    size = request.asked_size
    if size is not None and model.size_rules is not None:
        reason = model.size_rules.why_not(size)
        if reason is not None:
            near = " or ".join(map(str, model.size_rules.nearest(size)))
            msg = f"{size} is not a size of {model.name}: {reason}. Nearest: {near}."
            raise InvalidRequest(msg)
    if size is None and model.pictures:
        listed = ", ".join(model.pictures[next(iter(model.pictures))])
        msg = f"{model.name} takes no size auto; choose one of {listed}"
        raise InvalidRequest(msg)
    if request.quality not in model.qualities and not model.pictures:
        known = ", ".join(model.qualities)
        msg = f"{model.name} has no quality {request.quality!r}; it has {known}"
        raise InvalidRequest(msg)
    if request.n > model.max_n:
        msg = f"{model.name} makes at most {model.max_n} pictures in one call, not {request.n}"
        raise InvalidRequest(msg)
    if request.partial_images > model.max_partial_images:
        msg = f"{model.name} sends no partial images"
        raise InvalidRequest(msg)
    if request.background == "transparent" and request.output_format == "jpeg":
        msg = "a transparent background needs png or webp; JPEG has no transparency"
        raise InvalidRequest(msg)


def _prompt_tokens(model: Model, request: ImageRequest) -> Count:
    if request.prompt_tokens is not None:
        given = TokenRange(request.prompt_tokens, request.prompt_tokens)
        return Count(given, (), ())
    words = tokens.count_text(request.prompt)
    if isinstance(request, EditRequest):
        overhead = tokens.edit_text_overhead(model, len(request.images))
        return Count(TokenRange(words, words) + overhead.range, overhead.notes, (_PROMPT_SOURCE,))
    total = words + tokens.IMAGE_PROMPT_OVERHEAD
    if not model.provider:
        return Count(TokenRange(1, len(request.prompt.encode()) + 64))
    return Count(TokenRange(total, total), (), (_PROMPT_SOURCE,))


def _count_caption(model: Model, request: CaptionRequest) -> Parts:
    photo = request.measured
    size = sent_size(photo.size, request.resize)
    prompt = request.prompt or captions.task_prompt(request.task)
    schema = captions.task_schema(request.task, request.schema)
    texts = [prompt, *([json.dumps(schema)] if schema else [])]
    parts: dict[Bucket, Count] = {}
    if model.provider:
        parts["text_input"] = tokens.caption_text(texts, own_tokenizer=model.provider == "openai")
        parts["image_input"] = tokens.vision_input(model, size, request.detail, request.endpoint)
    else:
        text_bytes = sum(len(text.encode()) for text in texts) + 64
        parts["text_input"] = Count(TokenRange(1, text_bytes))
        parts["image_input"] = _unlisted_photo([size])
    expected, most = request.expect_output_tokens, request.max_output_tokens
    if expected is None:
        note = f"the answer's length is unknown until it is written: 1 to {most:,} tokens"
        parts["text_output"] = Count(TokenRange(1, most), (note,))
    else:
        note = f"assumes an answer of {expected:,} tokens; up to {most:,} are reserved"
        parts["text_output"] = Count(TokenRange(expected, expected), (note,))
    extra = [_CACHE_NOTE] if model.cache_write else []
    if expected is not None:
        extra.append("the answer's length is an assumption")
    return parts, {"text_output": most}, extra


def _unlisted_photo(sizes: Sequence[Size]) -> Count:
    """Between one token and one for every 14 x 14 pixels, the densest patches in common use."""
    most = sum(math.ceil(s.width_px / 14) * math.ceil(s.height_px / 14) for s in sizes)
    note = "no photo rule of this model is known: up to one token for every 14 x 14 pixels"
    return Count(TokenRange(1, max(1, most)), (note,))


def sent_size(size: Size, resize: int | None) -> Size:
    """The size after scaling down to a longest side of `resize` pixels (never up)."""
    if resize is None or size.long_px <= resize:
        return size
    long_px = size.long_px
    return Size(
        max(1, (2 * size.width_px * resize + long_px) // (2 * long_px)),
        max(1, (2 * size.height_px * resize + long_px) // (2 * long_px)),
    )


def _surcharged(model: Model, rates: Rates, counts: Mapping[Bucket, int]) -> Rates:
    """The rates of a request of that many input tokens (long context costs more, in whole)."""
    total = sum(count for bucket, count in counts.items() if bucket.endswith("_input"))
    if model.long_context and total > LONG_CONTEXT_TOKENS:
        return {
            bucket: rate * (2 if bucket.endswith("_input") else Decimal("1.5"))
            for bucket, rate in rates.items()
        }
    if model.long_context_rates and total > model.long_context_rates[0]:
        above = model.long_context_rates[1]
        standard = model.prices[-1].rates
        return {bucket: rate * (above[bucket] / standard[bucket]) for bucket, rate in rates.items()}
    return rates


def _cache_safe(rates: Rates) -> Rates:
    """Rates for a reservation: input at the cache-write price where a provider may bill it."""
    write = rates.get("cache_write_input")
    if write is None:
        return rates
    return {
        bucket: max(rate, write) if bucket in {"text_input", "image_input"} else rate
        for bucket, rate in rates.items()
    }


def _lines(counts: Mapping[Bucket, int], rates: Rates) -> tuple[CostLine, ...] | None:
    """A line for each bucket that is counted, or None when a used one has no rate."""
    lines = []
    for bucket, count in counts.items():
        rate = rates.get(bucket)
        if rate is None:
            if count:
                return None
            continue
        lines.append(CostLine(bucket, count, rate, token_cost(count, rate)))
    return tuple(lines)


def _unknown(
    model: Model,
    request: Request,
    day: dt.date,
    book: Catalog,
    ranges: Mapping[Bucket, TokenRange],
    notes: Sequence[str],
    sources: Sequence[Source],
) -> Quote:
    override = "; name one with --price text_input=…,text_output=… (dollars per million), or free"
    return Quote(
        model=model.name,
        tier=request.tier,
        on=day,
        basis="unknown",
        tokens=ranges,
        low=None,
        high=None,
        hold=None,
        notes=(notes[0] + override, *notes[1:]),
        sources=tuple(dict.fromkeys(sources)),
        price_version=book.version,
    )


def _per_picture(
    model: Model, request: Request, day: dt.date, book: Catalog, notes: Sequence[str]
) -> Quote:
    """DALL-E was priced per picture: one "token" of its line is one picture."""
    assert isinstance(request, ImageRequest)
    quality = request.quality if request.quality in model.pictures else "standard"
    price = model.pictures[quality][str(request.size)]
    released = model.released
    if released is not None and day < released:
        reason = f"{model.name} had no price on {day.isoformat()}; it was released on {released}"
        return _unknown(model, request, day, book, {}, [reason], ())
    line = CostLine("image_output", request.n, price * 1_000_000, price * request.n)
    made = TokenRange(request.n, request.n)
    return Quote(
        model=model.name,
        tier=request.tier,
        on=day,
        basis="exact",
        tokens={"image_output": made},
        low=line.dollars,
        high=line.dollars,
        hold=None if model.retired(day) else line.dollars,
        lines=(line,),
        notes=(*notes, "priced per picture: one unit of the line is one picture, not a token"),
        sources=(model.prices[0].source,),
        price_version=book.version,
    )
