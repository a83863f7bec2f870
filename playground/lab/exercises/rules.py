"""Level 2, using the rules: steps and areas, patches and tiles."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

from playground import money, tokens
from playground.catalog import Catalog
from playground.lab.exercises.grading import Answered, Exercise, axis_steps, one_picture
from playground.lab.priced import photo_request, priced
from playground.sight import sight
from playground.size import Size


def _axis(size: Size, quality: str) -> Callable[[Catalog, dt.date], Answered]:
    def work(book: Catalog, on: dt.date) -> Answered:
        factor = book.model("gpt-image-2").axis[quality]
        share, steps, area = axis_steps(size, factor)
        right = one_picture(book, on, size, quality)
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
                        Decimal(one_picture(book, on, size, other)),
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


EXERCISES: tuple[Exercise, ...] = (
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
)
