"""Exercises as values, and what an answer earns: right, or a hint from what it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from playground import catalog
from playground.catalog import Catalog
from playground.errors import InvalidRequest
from playground.lab.priced import priced
from playground.money import usd
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
    return Graded(exercise.id, False, _by_size(number, answer), given.strip())


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


def _by_size(number: Decimal, answer: Decimal) -> str:
    """A hint from how far off an answer is."""
    if number <= 0:
        return "The answer is above zero: nothing here is free, and nothing is without tokens."
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


def picture_price(book: Catalog, on: dt.date, **fields: object) -> Decimal:
    price = priced(ImageRequest(**fields), on, known=book)  # type: ignore[arg-type] # as given below
    assert price.high is not None
    return price.high


def one_picture(book: Catalog, on: dt.date, size: Size, quality: str) -> int:
    request = ImageRequest(size=size, quality=quality, prompt_tokens=0)  # type: ignore[arg-type] # as given below
    return priced(request, on, known=book).bucket("image_output").high


def axis_steps(size: Size, factor: int) -> tuple[Decimal, int, Decimal]:
    share = Decimal(factor) * size.short_px / size.long_px
    area = Decimal(2_000_000 + size.pixels) / 4_000_000
    return share, int((share + Decimal("0.5")).to_integral_value("ROUND_FLOOR")), area
