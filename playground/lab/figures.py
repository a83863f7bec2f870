"""A plot as values: a question, the answer in words, lines or bars, and the same as a table.

Numbers for drawing are floats (a pixel needs no more); whatever is read is text that was made
from exact amounts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from playground import money

Scale = Literal["linear", "log", "time"]


@dataclass(frozen=True, slots=True)
class Point:
    """One place: where it is drawn, and what it says. `low` is the lower bound of a range."""

    x: float
    y: float
    text: str
    low: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Points that belong together. `slot` chooses colour and dashes, the same for a model on
    every plot; `steps` keeps a value until the next point; `dots` draws no line.
    """

    name: str
    slot: int
    points: tuple[Point, ...]
    steps: bool = False
    dots: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A named amount with its lower bound, and what it says."""

    name: str
    value: float
    text: str
    low: float | None = None
    slot: int = 0
    on: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis that is worth a word: a break-even point, the chosen value, a day."""

    at: float
    text: str
    axis: Literal["x", "y"] = "x"


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One plot. `question` is its title, `answer` what one should see in it, `head` and `rows`
    the table that says the same.
    """

    question: str
    answer: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...] = ()
    bars: tuple[Bar, ...] = ()
    marks: tuple[Mark, ...] = ()
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    x_title: str = ""
    y_title: str = ""
    notes: tuple[str, ...] = field(default=())


def money_ticks(most: float) -> tuple[Tick, ...]:
    """Ticks from zero to `most` dollars, some round amount apart."""
    step = Decimal(1).scaleb(Decimal(str(most)).adjusted())
    if most < float(step) * 2:
        step /= 2
    elif most > float(step) * 5:
        step *= 2
    count = int(most / float(step)) + 1
    return tuple(Tick(float(step * n), money.short(step * n)) for n in range(count))


SLOTS = 8
_KNOWN_SLOTS = {
    "gpt-5.4-nano": 0,
    "gpt-5.4-mini": 1,
    "gpt-4o-mini": 2,
    "gpt-4o": 3,
    "gpt-6-luna": 4,
    "gpt-4-vision-preview": 5,
    "gpt-image-2": 0,
    "gpt-image-2.5-flare": 1,
    "gpt-image-1.5": 2,
    "gpt-image-1": 3,
    "gpt-image-1-mini": 4,
    "dall-e-3": 5,
    "dall-e-2": 6,
}


def slot(name: str, taken: int = 0) -> int:
    """The colour of a model: its own where it has one, else the next of the rest."""
    return _KNOWN_SLOTS.get(name, 4 + (taken % 4) if taken else 6)
