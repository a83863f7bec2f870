"""A trial: several models are asked about the same photos, drawn at random, before all are.

What it shows beside each other is what the gallery keeps: each answer is a caption like any other,
so photos that a model has answered before cost nothing, and the pairs can be found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playground import money, stats
from playground.errors import InvalidRequest
from playground.runner.plan import Plan
from playground.runner.progress import Forecast
from playground.runner.results import Summary
from playground.size import Size
from playground.values import Caption, Photo, Quote

if TYPE_CHECKING:
    from playground.store import Gallery


@dataclass(frozen=True, slots=True)
class Side:
    """One model of a trial: what it would cost for all, and what an answer took on average.

    Attributes:
        forecast: dollars for the whole plan, as if nothing of it were answered; None: no answer.
        answered: photos of the trial that it has answered.
        dollars, input_tokens, output_tokens, seconds: of one photo, on average.
    """

    model: str
    forecast: Forecast | None = None
    answered: int = 0
    dollars: Decimal | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in `playground caption --pilot --compare --json`."""
        return {
            "model": self.model,
            "forecast": self.forecast and self.forecast.to_dict(),
            "answered": self.answered,
            "dollars_per_photo": None if self.dollars is None else money.plain(self.dollars),
            "tokens_per_photo": {
                "input": None if self.input_tokens is None else round(self.input_tokens, 1),
                "output": None if self.output_tokens is None else round(self.output_tokens, 1),
            },
            "seconds_per_photo": None if self.seconds is None else round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo of a trial and each model's answer, in the trial's order (None: there is none)."""

    item_id: str
    path: str
    sha256: str
    answers: tuple[Caption | None, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a trial. `summary` counts questions: one for each photo and model."""

    summary: Summary
    sides: tuple[Side, ...]
    pairs: tuple[Pair, ...]

    @property
    def run_id(self) -> str:
        """The run that its calls are booked under."""
        return self.summary.run_id

    @property
    def forecast(self) -> Forecast | None:
        """What all will cost with the first model."""
        return self.sides[0].forecast

    def to_dict(self) -> dict[str, Any]:
        """`compare` of `playground caption --pilot --compare --json`."""
        return {
            "run": self.run_id,
            "models": [side.to_dict() for side in self.sides],
            "pairs": [
                {
                    "item": pair.item_id,
                    "path": pair.path,
                    "sha256": pair.sha256,
                    "answers": [
                        _answer(side.model, answer)
                        for side, answer in zip(self.sides, pair.answers, strict=True)
                        if answer is not None
                    ],
                }
                for pair in self.pairs
            ],
        }


def _answer(model: str, answer: Caption) -> dict[str, Any]:
    return {
        "model": model,
        "caption": answer.id,
        "text": answer.text,
        "tags": list(answer.tags),
        "data": answer.data,
        "dollars": None if answer.billed is None else money.plain(answer.billed),
        "seconds": answer.seconds,
    }


def judged(
    gallery: Gallery, plan: Plan, drawn: Sequence[Photo], whole: Sequence[Size], summary: Summary
) -> Trial:
    """What the gallery knows now about the photos that were drawn.

    Args:
        plan: whose templates are the models. whole: the sizes of all photos that are planned.
    """
    # Each answer by its question: a photo may have other captions of the same model.
    keys = [[key(photo) for key in plan.keys] for photo in drawn]
    newest = gallery.answers([key for each in keys for key in each])
    pairs = []
    for photo, each in zip(drawn, keys, strict=True):
        item = gallery.find_photo(str(photo.sha256))
        if item is None:
            continue
        by_id = {caption.id: caption for caption in item.captions}
        answers = tuple(by_id.get(newest.get(key, -1)) for key in each)
        if any(answers):
            pairs.append(Pair(item.id, str(photo.path), item.sha256, answers))
    sizes = {photo.sha256: photo.size for photo in drawn}
    sides = []
    for index, template in enumerate(plan.templates):
        found = [
            (sizes[pair.sha256], answer)
            for pair in pairs
            if (answer := pair.answers[index]) is not None
        ]
        sides.append(_side(plan, index, template.model, found, whole))
    return Trial(summary, tuple(sides), tuple(pairs))


def _side(
    plan: Plan,
    template: int,
    model: str,
    found: Sequence[tuple[Size, Caption]],
    whole: Sequence[Size],
) -> Side:
    if not found:
        return Side(model)
    every = {*whole, *(size for size, _ in found)}
    least = {size: _least(plan, template, size) for size in every}
    answers = [answer for _, answer in found]
    dollars = [answer.billed or Decimal(0) for answer in answers]
    forecast = forecast_of(
        dollars, [least[size] for size, _ in found], sum(least[size] for size in whole), len(whole)
    )
    seconds = [answer.seconds for answer in answers if answer.seconds]
    count = len(answers)
    return Side(
        model,
        forecast,
        count,
        sum(dollars, Decimal(0)) / count,
        sum(one.usage.total_input + one.usage.cache_write_input for one in answers) / count,
        sum(one.usage.text_output for one in answers) / count,
        sum(seconds) / len(seconds) if seconds else None,
    )


def _least(plan: Plan, template: int, size: Size) -> float:
    """Dollars that a photo costs at least; 0 where the model refuses its size."""
    try:
        quote = plan.quote(template, size)
    except InvalidRequest:
        return 0.0
    return float(quote.low or 0) if isinstance(quote, Quote) else 0.0


def forecast_of(
    billed: Sequence[Decimal], expected: Sequence[float], expected_total: float, count: int
) -> Forecast:
    """What `count` photos will cost, by the bills of some of them, which were drawn at random."""
    found = stats.forecast_total(
        [float(one) for one in billed], list(expected), expected_total=expected_total, count=count
    )
    low, estimate, high = (
        Decimal(str(round(value, 9))) for value in (found.low, found.estimate, found.high)
    )
    return Forecast(low, estimate, high, found.level, found.sampled)
