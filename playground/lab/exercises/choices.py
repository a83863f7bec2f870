"""Level 3, choosing well: sizes, detail, break-even points and budgets."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from playground import money, pricing, solver
from playground.catalog import Catalog
from playground.lab.exercises.grading import Answered, Exercise, one_picture, picture_price
from playground.lab.priced import photo_request, priced
from playground.sight import sight
from playground.size import Size


def _largest(book: Catalog, on: dt.date) -> Answered:
    best = solver.sizes(
        "gpt-image-2", quality="low", max_dollars="0.005", prompt_tokens=20, top=1, on=on
    )[0]
    half = picture_price(book, on, size="976x704", quality="low", prompt_tokens=20)
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
    small = one_picture(book, on, Size(1024, 1024), "high")
    large = one_picture(book, on, Size(3840, 1488), "high")
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
