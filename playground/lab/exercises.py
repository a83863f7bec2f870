"""Exercises whose answers are worked out by the rules when they are asked, never typed in.

A wrong answer gets a hint from what it is: each exercise knows the results of the usual mistakes
(a forgotten factor, a wrong rounding, the other price), and says which of them the answer is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from playground import catalog, money, pricing, solver, tokens
from playground.catalog import Catalog
from playground.errors import InvalidRequest
from playground.lab.priced import photo_request, priced
from playground.money import usd
from playground.sight import sight
from playground.size import Size
from playground.values import ImageRequest

Unit = Literal["tokens", "dollars", "photos", "pictures", "pixels", "times", "choice"]
Level = Literal[1, 2, 3]
LEVELS = {1: "Reading a bill", 2: "Using the rules", 3: "Choosing well"}


@dataclass(frozen=True, slots=True)
class Answered:
    """What an exercise comes to: the answer, the way there, and the results of usual mistakes."""

    answer: Decimal | str
    way: str
    mistakes: tuple[tuple[Decimal | str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Exercise:
    """One question. `work` finds the answer from the rules and that day's prices.

    `round_to` is the part of the answer by which it may be off (amounts may be rounded).
    """

    id: str
    level: Level
    minutes: int
    question: str
    unit: Unit
    work: Callable[[Catalog, dt.date], Answered]
    choices: tuple[str, ...] = ()
    round_to: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Graded:
    """What an answer earned: right or not, and what to look at next."""

    id: str
    right: bool
    words: str
    given: str


def grade(
    exercise: Exercise, given: str, today: dt.date, *, known: Catalog | None = None
) -> Graded:
    """Grade an answer as typed (`129`, `$0.00397`, `1,000`).

    Raises:
        InvalidRequest: where it is no answer of that kind at all; it then does not count.
    """
    worked = exercise.work(known or catalog.default(), today)
    if exercise.unit == "choice":
        return _grade_choice(exercise, worked, given.strip())
    number = _number(exercise, given)
    answer = worked.answer
    assert isinstance(answer, Decimal)
    if _same(number, answer, exercise.round_to):
        return Graded(exercise.id, True, f"Right. {worked.way}", given.strip())
    for mistake, hint in worked.mistakes:
        if (
            isinstance(mistake, Decimal)
            and mistake != answer
            and _same(number, mistake, exercise.round_to)
        ):
            return Graded(exercise.id, False, hint, given.strip())
    return Graded(exercise.id, False, _by_size(exercise, number, answer), given.strip())


def _grade_choice(exercise: Exercise, worked: Answered, given: str) -> Graded:
    if given not in exercise.choices:
        msg = f"choose one of: {'; '.join(exercise.choices)}"
        raise InvalidRequest(msg)
    if given == worked.answer:
        return Graded(exercise.id, True, f"Right. {worked.way}", given)
    hint = next(
        (words for wrong, words in worked.mistakes if wrong == given), "Work out both and compare."
    )
    return Graded(exercise.id, False, hint, given)


def _number(exercise: Exercise, given: str) -> Decimal:
    bare = given.strip().removesuffix(exercise.unit).strip().replace(",", "").replace("_", "")
    try:
        number = usd(bare)
    except ValueError:
        msg = (
            f"that is no number of {exercise.unit}; write digits, as in "
            f"{'0.00397' if exercise.unit == 'dollars' else '129'}"
        )
        raise InvalidRequest(msg) from None
    if number.adjusted() > 12 or number.adjusted() < -15:
        msg = (
            f"{given.strip()[:30]} is beyond anything a picture can cost; look at the digits again"
        )
        raise InvalidRequest(msg)
    return number


def _same(number: Decimal, answer: Decimal, round_to: Decimal) -> bool:
    return abs(number - answer) <= abs(answer) * round_to


def _by_size(exercise: Exercise, number: Decimal, answer: Decimal) -> str:
    """A hint from how far off an answer is."""
    if number <= 0:
        return f"The answer is above zero: every picture has some {exercise.unit}."
    times = number / answer
    for power in (10, 100, 1000, 10_000, 1_000_000):
        if abs(times / power - 1) < Decimal("0.02") or abs(times * power - 1) < Decimal("0.02"):
            way = "more" if times > 1 else "less"
            return (
                f"The digits are right, the point is not: {power:,} times {way} than it is. "
                "Prices are per million tokens."
            )
    for factor, why in (
        (Decimal(2), "twice the answer: is a half (batch, the area factor) left out"),
        (Decimal("0.5"), "half the answer: was something halved that is not"),
        (Decimal("1.2"), "1.2 times the answer: the multiplier is in twice"),
        (1 / Decimal("1.2"), "the answer without the multiplier of 1.2"),
    ):
        if abs(times / factor - 1) < Decimal("0.01"):
            return f"{why[0].upper()}{why[1:]}."
    if abs(number - answer) <= 2:
        return "Very close: look at where you round, and in which direction."
    near = "a little" if Decimal("0.8") < times < Decimal("1.25") else "much"
    return (
        f"{'Too high' if times > 1 else 'Too low'}, by {near}: {times:.2f} times the answer. Go "
        "through the steps under Explain."
    )


def _picture(book: Catalog, on: dt.date, **fields: object) -> Decimal:
    price = priced(ImageRequest(**fields), on, known=book)  # type: ignore[arg-type] # as given below
    assert price.high is not None
    return price.high


def _one_picture(book: Catalog, on: dt.date, size: Size, quality: str) -> int:
    request = ImageRequest(size=size, quality=quality, prompt_tokens=0)  # type: ignore[arg-type] # as given below
    return priced(request, on, known=book).bucket("image_output").high


def _steps(size: Size, factor: int) -> tuple[Decimal, int, Decimal]:
    share = Decimal(factor) * size.short_px / size.long_px
    area = Decimal(2_000_000 + size.pixels) / 4_000_000
    return share, int((share + Decimal("0.5")).to_integral_value("ROUND_FLOOR")), area


# ------------------------------------------------------------------------------------ level 1


def _text_cost(book: Catalog, on: dt.date) -> Answered:
    rates = book.rates("gpt-image-2", "standard", on)
    assert rates is not None
    right = money.token_cost(20, rates["text_input"])
    return Answered(
        right,
        f"20 × ${money.plain(rates['text_input'])} / 1,000,000 = {money.short(right)}.",
        (
            (
                money.token_cost(20, rates["image_output"]),
                "That is the price of picture tokens; a prompt is text input.",
            ),
            (
                money.token_cost(26, rates["text_input"]),
                "The 20 tokens are already the billed ones: the endpoint's 6 are in them.",
            ),
            (
                money.token_cost(14, rates["text_input"]),
                "All 20 are billed; nothing is taken off for the endpoint.",
            ),
        ),
    )


def _bill_total(book: Catalog, on: dt.date) -> Answered:
    text = money.token_cost(20, book.model("gpt-image-2").prices[-1].rates["text_input"])
    right = _picture(book, on, size="976x704", quality="low", prompt_tokens=20)
    return Answered(
        right,
        f"20 tokens of text and 129 of picture: {money.short(right)}.",
        (
            (right - text, "The prompt is missing: add 20 tokens of text input."),
            (
                money.token_cost(149, Decimal(5)),
                "Text and picture have different prices: 129 of these tokens cost more.",
            ),
            (
                money.token_cost(149, Decimal(30)),
                "Text and picture have different prices: 20 of these tokens cost less.",
            ),
        ),
    )


def _prompt_count(_book: Catalog, _on: dt.date) -> Answered:
    words = "Sparkling shell with a pearl"
    count = tokens.count_text(words)
    return Answered(
        Decimal(count + tokens.IMAGE_PROMPT_OVERHEAD),
        f"{count} tokens of words, and {tokens.IMAGE_PROMPT_OVERHEAD} that the endpoint adds.",
        (
            (
                Decimal(count),
                "That is the prompt alone; the endpoint adds tokens of its own (see Explain).",
            ),
            (
                Decimal(len(words.split())),
                "Words are not tokens: a rare word is cut into several pieces. And the endpoint "
                "adds some.",
            ),
            (
                Decimal(len(words.split()) + 6),
                "Words are not tokens: one of these is cut into two pieces.",
            ),
            (Decimal(len(words)), "Those are characters; tokens are longer pieces."),
        ),
    )


def _left_of_half(book: Catalog, on: dt.date) -> Answered:
    picture = _picture(book, on, size="976x704", quality="low", prompt_tokens=0)
    rates = book.rates("gpt-image-2", "standard", on)
    assert rates is not None
    left = int((Decimal("0.005") - picture) * 1_000_000 // rates["text_input"])
    return Answered(
        Decimal(left - tokens.IMAGE_PROMPT_OVERHEAD),
        f"{left} tokens fit, {tokens.IMAGE_PROMPT_OVERHEAD} of them are the endpoint's.",
        (
            (
                Decimal(left),
                f"Almost: {tokens.IMAGE_PROMPT_OVERHEAD} of those belong to the endpoint.",
            ),
            (
                Decimal(int(Decimal("0.005") * 1_000_000 / rates["text_input"])),
                "The picture has to be paid first.",
            ),
        ),
    )


def _batch_dollar(book: Catalog, on: dt.date) -> Answered:
    half = _picture(book, on, size="976x704", quality="low", prompt_tokens=20, tier="batch")
    full = _picture(book, on, size="976x704", quality="low", prompt_tokens=20)
    return Answered(
        Decimal(int(1 / half)),
        f"Each costs {money.short(half)} in batch.",
        (
            (Decimal(int(1 / full)), "That is without batch: a batch costs half."),
            (
                Decimal(500),
                "500 are certain, but a few more still fit into the dollar: divide, and round "
                "down.",
            ),
            (
                Decimal(int(1 / half) + 1),
                "That one no longer fits: round down, the dollar is a limit.",
            ),
        ),
    )


def _cents(book: Catalog, on: dt.date) -> Answered:
    bill = pricing.quote(photo_request("gpt-5.4-nano", answer_tokens=112), on=on, known=book)
    line = next(line for line in bill.lines if line.bucket == "text_output")
    return Answered(
        line.dollars,
        f"112 × ${money.plain(line.per_million)} / 1,000,000.",
        (
            (
                money.token_cost(112, Decimal("0.2")),
                "That is the input price; words that come back are output.",
            ),
            (line.dollars * 100, "Those are cents; the answer is in dollars."),
        ),
    )


# ------------------------------------------------------------------------------------ level 2


def _axis(size: Size, quality: str) -> Callable[[Catalog, dt.date], Answered]:
    def work(book: Catalog, on: dt.date) -> Answered:
        factor = book.model("gpt-image-2").axis[quality]
        share, steps, area = _steps(size, factor)
        right = _one_picture(book, on, size, quality)
        others = [
            (other, f) for other, f in book.model("gpt-image-2").axis.items() if other != quality
        ]
        product = factor * steps * area
        return Answered(
            Decimal(right),
            f"{factor} × {steps} × {area.normalize():f} = {product:.3f}, rounded up.",
            (
                (Decimal(int(product)), "Rounded down: the last step rounds up."),
                (
                    Decimal(-(-int(factor * share * area * 1000) // 1000)),
                    "The short side's steps are rounded to a whole number first.",
                ),
                (
                    Decimal(factor * steps),
                    "That is long side times short side in steps; the area factor is missing.",
                ),
                (Decimal(factor * factor), "That would be a square without the area factor."),
                *(
                    (
                        Decimal(_one_picture(book, on, size, other)),
                        f"That is quality {other}: its factor is {f}.",
                    )
                    for other, f in others
                ),
            ),
        )

    return work


def _patches(
    model: str, width: int, height: int, detail: str = "auto"
) -> Callable[[Catalog, dt.date], Answered]:
    def work(book: Catalog, _on: dt.date) -> Answered:
        known = book.model(model)
        seen = sight(known, Size(width, height), detail)
        rule = known.vision
        assert rule is not None
        raw = -(-width // 32) * -(-height // 32)
        return Answered(
            Decimal(seen.tokens.low),
            f"{seen.seen} is {seen.columns} × {seen.rows} = {seen.count:,} patches, times "
            f"{money.plain(rule.multiplier)}, rounded up.",
            (
                (
                    Decimal(seen.count),
                    "Those are the patches; this model multiplies them by "
                    f"{money.plain(rule.multiplier)}.",
                ),
                (
                    Decimal(raw),
                    "The photo is first fitted to the model's largest size, and the multiplier "
                    "is missing.",
                ),
                (
                    Decimal(-(-int(raw * rule.multiplier * 100) // 100)),
                    "The photo is first fitted to the model's largest size.",
                ),
                (Decimal(85), "85 is a rule of models that count tiles; this one counts patches."),
                (Decimal(-(-seen.count * 162 // 100)), "1.62 is gpt-4.1-mini's multiplier."),
            ),
        )

    return work


def _tiles(book: Catalog, _on: dt.date) -> Answered:
    seen = sight(book.model("gpt-4o"), Size(1024, 1024), "high")
    return Answered(
        Decimal(seen.tokens.low),
        f"768x768 after the fit: {seen.columns} × {seen.rows} tiles, 85 + {seen.count} × 170.",
        (
            (Decimal(85 + 9 * 170), "The short side is brought to 768 before tiles are counted."),
            (Decimal(seen.count * 170), "The base of 85 is missing."),
            (Decimal(85 + 170), "It is more than one tile of 512: 768 needs two each way."),
            (Decimal(85), "That is detail low."),
        ),
    )


def _low_detail(book: Catalog, _on: dt.date) -> Answered:
    seen = sight(book.model("gpt-4o-mini"), Size(1024, 768), "low")
    return Answered(
        Decimal(seen.tokens.low),
        "gpt-4o-mini counts a base of 2,833: its cheap tokens are bought with many of them.",
        (
            (
                Decimal(85),
                "That is gpt-4o's; gpt-4o-mini has a base of its own, and articles confuse them.",
            ),
            (Decimal(85 + 170), "At low there is no tile, and the base is another."),
        ),
    )


def _edit(book: Catalog, _on: dt.date) -> Answered:
    count = tokens.edit_image_input(book.model("gpt-image-2"), [Size(512, 512)])
    return Answered(
        Decimal(count.low),
        "It is enlarged to 1024x1024 first: 32 × 32 patches.",
        (
            (
                Decimal(256),
                "512x512 would be 16 × 16 patches, but small pictures are enlarged first, up to "
                "twice.",
            ),
            (Decimal(-(-1024 * 12 // 10)), "Edits have no multiplier."),
        ),
    )


def _thousand(model: str, other: str) -> Callable[[Catalog, dt.date], Answered]:
    def work(book: Catalog, on: dt.date) -> Answered:
        request = photo_request(model, 1024, 1024, answer_tokens=100, detail="high")
        right = priced(request, on, 1000, known=book)
        wrong = priced(
            photo_request(other, 1024, 1024, answer_tokens=100, detail="high"), on, 1000, known=book
        )
        one = priced(request, on, known=book)
        lines = {line.bucket: line.dollars * 1000 for line in right.quote.lines}
        assert right.low is not None
        assert wrong.low is not None
        assert one.low is not None
        return Answered(
            (right.low + (right.high or right.low)) / 2,
            f"{right.text}, photo, question and answer together.",
            (
                (
                    lines["image_input"],
                    "The answer's words are missing: output costs more than input.",
                ),
                (wrong.low, f"That is {other}."),
                (one.low, "That is one photo."),
                (right.low / 2, "That is batch: half price, within a day."),
            ),
        )

    return work


# ------------------------------------------------------------------------------------ level 3


def _largest(book: Catalog, on: dt.date) -> Answered:
    best = solver.sizes(
        "gpt-image-2", quality="low", max_dollars="0.005", prompt_tokens=20, top=1, on=on
    )[0]
    half = _picture(book, on, size="976x704", quality="low", prompt_tokens=20)
    return Answered(
        Decimal(best.size.pixels),
        f"{best.size} at {money.short(best.dollars)}; the solver tries every size.",
        (
            (
                Decimal(976 * 704),
                f"That is the challenge's size at {money.short(half)}; flatter ones are much "
                "larger for little more.",
            ),
            (
                Decimal(2880 * 2880),
                "The largest square is far beyond half a cent: squares are the dearest shape.",
            ),
            (Decimal(best.size.long_px), "That is one side; pixels are width times height."),
        ),
    )


def _cheaper_larger(book: Catalog, on: dt.date) -> Answered:
    small = _one_picture(book, on, Size(1024, 1024), "high")
    large = _one_picture(book, on, Size(3840, 1488), "high")
    right = "3840x1488" if large < small else "1024x1024"
    return Answered(
        right,
        f"{large:,} tokens against {small:,}: flat shapes take fewer steps along the short side.",
        (
            (
                "1024x1024",
                "It has a fifth of the pixels, but a square takes all the steps of the short "
                "side. Work out both.",
            ),
            ("they cost the same", "Both counts are under Explain; they differ."),
        ),
    )


def _detail_trap(book: Catalog, on: dt.date) -> Answered:
    def at(detail: str) -> Decimal:
        return priced(
            photo_request("gpt-5.4-nano", detail=detail), on, 1000, known=book
        ).high or Decimal(0)

    low, high = at("low"), at("high")
    right = "high" if high < low else "low" if low < high else "they cost the same"
    return Answered(
        right,
        f"1,000 photos cost {money.short(high)} at high and {money.short(low)} at low: low has "
        "the larger patch budget here.",
        (
            ("low", "The name misleads: look up the patch budget of low for this model."),
            ("they cost the same", "Not for a 12-megapixel photo: compare the two budgets."),
        ),
    )


def _auto_trap(book: Catalog, _on: dt.date) -> Answered:
    auto = sight(book.model("gpt-6-luna"), Size(4032, 3024), "auto").tokens.low
    high = sight(book.model("gpt-6-luna"), Size(4032, 3024), "high").tokens.low
    return Answered(
        (Decimal(auto) / high).quantize(Decimal("0.1")),
        f"{auto:,} against {high:,} tokens: auto means original on this family.",
        (
            (Decimal(1), "On this family auto is not high: look up what it means."),
            (Decimal("0.2"), "The other way round: how many times as many does auto take?"),
        ),
    )


def _break_even_answer(book: Catalog, on: dt.date) -> Answered:
    quote = pricing.quote(photo_request("gpt-5.4-nano", 1024, 1024), on=on, known=book)
    lines = {line.bucket: line for line in quote.lines}
    right = lines["image_input"].dollars * 1_000_000 / lines["text_output"].per_million
    return Answered(
        Decimal(int(right)),
        f"{money.short(lines['image_input'].dollars)} buys {int(right)} tokens of answer.",
        (
            (
                Decimal(lines["image_input"].tokens),
                "Those are the photo's tokens; an answer's token costs more than a photo's.",
            ),
        ),
    )


def _budget_photos(book: Catalog, on: dt.date) -> Answered:
    one = priced(photo_request("gpt-5.4-nano", tier="batch"), on, known=book)
    plain = priced(photo_request("gpt-5.4-nano"), on, known=book)
    assert one.high is not None
    assert plain.high is not None
    return Answered(
        Decimal(int(20 / one.high)),
        f"At most {money.short(one.high)} each in batch: {int(20 / one.high):,} photos.",
        (
            (Decimal(int(20 / plain.high)), "That is without batch, which costs half."),
            (Decimal(int(40 / one.high)), "Twice too many: the half is taken off twice."),
        ),
    )


def _nearest(book: Catalog, _on: dt.date) -> Answered:
    rules = book.model("gpt-image-2").size_rules
    assert rules is not None
    near = rules.nearest(Size(1920, 1080), 1)[0]
    return Answered(
        str(near),
        "1080 is no multiple of 16; 1088 is the nearest that is.",
        (
            ("1920x1080", "1080 / 16 is 67.5: it is refused."),
            ("1920x1072", "Legal, but 1088 is as near to 1080 and keeps every row of the frame."),
            ("2048x1152", "Legal, but far from what was asked."),
        ),
    )


_CENT = Decimal("0.01")
EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "text-cost",
        1,
        2,
        "A prompt is billed as 20 text tokens on gpt-image-2. What do they cost?",
        "dollars",
        _text_cost,
    ),
    Exercise(
        "half-penny",
        1,
        3,
        "A 976x704 picture at low is billed 20 tokens of text and 129 of picture on "
        "gpt-image-2. What is the total?",
        "dollars",
        _bill_total,
    ),
    Exercise(
        "prompt",
        1,
        2,
        "How many text tokens are billed for the prompt “Sparkling shell with a pearl”?",
        "tokens",
        _prompt_count,
    ),
    Exercise(
        "left",
        1,
        3,
        "A 976x704 picture at low leaves how many tokens of your own prompt within half a cent?",
        "tokens",
        _left_of_half,
    ),
    Exercise(
        "batch",
        1,
        3,
        "How many 976x704 pictures at low, 20 billed prompt tokens each, does one dollar buy in "
        "batch?",
        "pictures",
        _batch_dollar,
    ),
    Exercise(
        "answer",
        1,
        2,
        "gpt-5.4-nano answers with 112 tokens. What do these words cost?",
        "dollars",
        _cents,
    ),
    Exercise(
        "axis-low",
        2,
        3,
        "How many output tokens has a 1024x1024 picture at low on gpt-image-2?",
        "tokens",
        _axis(Size(1024, 1024), "low"),
    ),
    Exercise(
        "axis-medium",
        2,
        4,
        "How many output tokens has a 1536x1024 picture at medium on gpt-image-2?",
        "tokens",
        _axis(Size(1536, 1024), "medium"),
    ),
    Exercise(
        "nano-square",
        2,
        3,
        "How many tokens does gpt-5.4-nano count for a photo of 1024x1024 pixels?",
        "tokens",
        _patches("gpt-5.4-nano", 1024, 1024),
    ),
    Exercise(
        "nano-phone",
        2,
        4,
        "And for a phone's photo of 4032x3024, at high?",
        "tokens",
        _patches("gpt-5.4-nano", 4032, 3024, "high"),
    ),
    Exercise(
        "tiles",
        2,
        3,
        "How many tokens does gpt-4o count for a photo of 1024x1024 pixels at high?",
        "tokens",
        _tiles,
    ),
    Exercise(
        "low",
        2,
        2,
        "How many tokens does gpt-4o-mini count for a photo at detail=low?",
        "tokens",
        _low_detail,
    ),
    Exercise(
        "edit",
        2,
        3,
        "gpt-image-2 edits a picture of 512x512. How many input tokens is the picture?",
        "tokens",
        _edit,
    ),
    Exercise(
        "thousand",
        2,
        4,
        "What do 1,000 photos of 1024x1024 cost on gpt-5.4-mini at high, with answers of 100 "
        "tokens? (to a cent or 3 %)",
        "dollars",
        _thousand("gpt-5.4-mini", "gpt-5.4-nano"),
        round_to=Decimal("0.03"),
    ),
    Exercise(
        "video",
        3,
        2,
        "You want a 1920x1080 frame from gpt-image-2. Which size do you ask for?",
        "choice",
        _nearest,
        ("1920x1080", "1920x1072", "1920x1088", "2048x1152"),
    ),
    Exercise(
        "larger",
        3,
        4,
        "Which is cheaper at high on gpt-image-2?",
        "choice",
        _cheaper_larger,
        ("1024x1024", "3840x1488", "they cost the same"),
    ),
    Exercise(
        "detail",
        3,
        3,
        "Which detail is cheaper for a 4032x3024 photo on gpt-5.4-nano?",
        "choice",
        _detail_trap,
        ("low", "high", "they cost the same"),
    ),
    Exercise(
        "auto",
        3,
        3,
        "A 4032x3024 photo on gpt-6-luna: how many times the tokens of detail=high does auto "
        "take? (one decimal)",
        "times",
        _auto_trap,
        round_to=Decimal("0.02"),
    ),
    Exercise(
        "largest",
        3,
        5,
        "How many pixels has the largest low picture for half a cent, with 20 billed prompt "
        "tokens? (use the solver)",
        "pixels",
        _largest,
    ),
    Exercise(
        "break-even",
        3,
        4,
        "From how many answer tokens on do the words cost more than a 1024x1024 photo, on "
        "gpt-5.4-nano?",
        "tokens",
        _break_even_answer,
        round_to=_CENT,
    ),
    Exercise(
        "budget",
        3,
        4,
        "How many 4032x3024 photos can gpt-5.4-nano surely describe for $20 in batch, with "
        "answers of 112 tokens?",
        "photos",
        _budget_photos,
        round_to=_CENT,
    ),
)
BY_ID = {exercise.id: exercise for exercise in EXERCISES}


def exercise(exercise_id: str) -> Exercise:
    """The exercise of that name.

    Raises:
        InvalidRequest: when there is none.
    """
    found = BY_ID.get(exercise_id)
    if found is None:
        msg = f"there is no exercise {exercise_id[:40]!r}"
        raise InvalidRequest(msg)
    return found


def shown(answer: Decimal | str, unit: Unit) -> str:
    """An answer for the screen."""
    if isinstance(answer, str):
        return answer
    if unit == "dollars":
        return f"${money.plain(answer)}"
    return f"{answer:,f}"
