"""How a run goes: its speed now, what it burns, when it ends and what it will have cost.

A snapshot (`Progress`) is a frozen value that a page or a terminal shows some times a second; it
takes as long to make for a hundred photos as for a hundred thousand.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import PurePath
from typing import Any, Literal

from playground import money
from playground.runner.results import Problem
from playground.stats import LEVEL, student_t

RunState = Literal["planned", "running", "paused", "stopped", "done"]
# What is shown as "now": the calls that ended in the last so many seconds.
_RECENT_SECONDS = 20
_NEWEST = 12
# Fewer answers than this say less about the bill than the quote does.
_FEW_ANSWERS = 10
_NAMED = re.compile(r"\S*\d\S*")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a whole archive will cost: dollars, within `low` to `high` with probability `level`."""

    low: Decimal
    estimate: Decimal
    high: Decimal
    level: float
    sampled: int

    def __str__(self) -> str:
        low, high = _rounded(self.low, self.high)
        if self.level >= 1:
            return f"{low} to {high} (as quoted)"
        share = f"{self.level * 100:.0f} %"
        return f"{low} to {high} ({share}, from {self.sampled:,} photos)"

    def to_dict(self) -> dict[str, Any]:
        """As in `playground caption --pilot --json`."""
        return {
            "low": money.plain(self.low),
            "estimate": money.plain(self.estimate),
            "high": money.plain(self.high),
            "level": self.level,
            "sampled": self.sampled,
        }


@dataclass(frozen=True, slots=True)
class Newest:
    """A caption that has just come."""

    path: str
    text: str
    dollars: Decimal
    model: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why photos have no caption: how many for the same reason, and one of them."""

    why: str
    count: int
    example: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"why": self.why, "count": self.count, "example": self.example}


@dataclass(frozen=True, slots=True)
class Progress:
    """A run at one moment.

    Attributes:
        planned: calls that it began with; `captioned`, `failed`, `unknown` are those that ended.
        skipped: questions that were answered before, copies of the same picture included.
        seconds: since it began. photos_per_second: captions a second, of late.
        settled_dollars: billed by this run. held_dollars: may still be billed.
        dollars_per_hour: billed of late, for an hour; None while nothing is known.
        seconds_left: at that speed; None while it is not known.
        at_completion: what this run will have cost.
        reasons: the most frequent first. newest: the last captions, the newest first.
        stopped: why it ended early ("" when it did not).
    """

    state: RunState
    planned: int = 0
    captioned: int = 0
    failed: int = 0
    unknown: int = 0
    skipped: int = 0
    seconds: float = 0.0
    photos_per_second: float = 0.0
    settled_dollars: Decimal = Decimal(0)
    held_dollars: Decimal = Decimal(0)
    dollars_per_hour: Decimal | None = None
    seconds_left: float | None = None
    at_completion: Forecast | None = None
    reasons: tuple[Reason, ...] = ()
    newest: tuple[Newest, ...] = ()
    stopped: str = ""

    @property
    def done(self) -> int:
        """Calls that have ended, however."""
        return self.captioned + self.failed + self.unknown

    @property
    def left(self) -> int:
        """Calls that have not ended."""
        return max(0, self.planned - self.done)


class Course:
    """What `Progress` is made of, kept up to date call by call. Not thread-safe (see `Tally`)."""

    def __init__(self, begun: float, expected_total: Decimal, planned: int) -> None:
        self._begun = begun
        self._left, self._planned = expected_total, planned
        self._seconds: deque[tuple[int, int, Decimal]] = deque()
        self._answers = 0
        self._sum = self._squares = 0.0
        self.newest: deque[Newest] = deque(maxlen=_NEWEST)
        self._reasons: dict[str, list[Any]] = {}

    def ended(self, now: float, expected: Decimal, billed: Decimal | None) -> None:
        """A question has its end: what was expected of it, and what it was billed."""
        self._left -= expected
        self._planned -= 1
        if billed is None:
            return
        difference = float(billed - expected)
        self._answers += 1
        self._sum += difference
        self._squares += difference * difference
        second = int(now)
        last = self._seconds[-1] if self._seconds else None
        if last is not None and last[0] == second:
            self._seconds[-1] = (second, last[1] + 1, last[2] + billed)
        else:
            self._seconds.append((second, 1, billed))
        while self._seconds[0][0] < second - _RECENT_SECONDS:
            self._seconds.popleft()

    def problem(self, path: str, why: str) -> None:
        """A photo has no caption."""
        key, shown = reason_of(path, why)
        known = self._reasons.setdefault(key, [shown, 0, path])
        known[1] += 1

    def reasons(self) -> tuple[Reason, ...]:
        """Why photos have no caption, the most frequent reason first."""
        found = [Reason(why, count, example) for why, count, example in self._reasons.values()]
        return tuple(sorted(found, key=lambda reason: -reason.count))

    def recent(self, now: float) -> tuple[float, Decimal]:
        """Captions and dollars a second, of late."""
        since = max(self._begun, now - _RECENT_SECONDS)
        some = [one for one in self._seconds if one[0] >= int(since)]
        seconds = max(now - max(self._begun, int(since)), 1e-3)
        dollars = sum((one[2] for one in some), Decimal(0))
        return sum(one[1] for one in some) / seconds, dollars / Decimal(str(round(seconds, 3)))

    def at_completion(
        self, settled: Decimal, held: Decimal, quoted: tuple[Decimal, Decimal | None]
    ) -> Forecast | None:
        """What the run will have cost: what is billed, and what the rest will be, by its answers.

        The rest is taken to be like what was answered (a pilot's photos are drawn at random;
        those of a run stand in their folders' order). Held money is within the interval.
        """
        left, count = max(self._left, Decimal(0)), self._answers
        if count < _FEW_ANSWERS:
            low, high = quoted
            if high is None:
                return None
            most = max(high, settled + held)
            return Forecast(max(low, settled), max(low, settled), most, 1.0, count)
        mean = self._sum / count
        deviation = math.sqrt(max(0.0, self._squares - count * mean * mean) / (count - 1))
        rest = float(left) + self._planned * mean
        error = deviation * math.sqrt(self._planned**2 / count + self._planned)
        reach = _money(student_t((1 + LEVEL) / 2, count - 1) * error)
        estimate = settled + max(Decimal(0), _money(rest))
        return Forecast(
            max(settled, estimate - reach), estimate, estimate + reach + held, LEVEL, count
        )


def _rounded(low: Decimal, high: Decimal) -> tuple[str, str]:
    """The bounds with as many digits as their distance is worth, rounded outwards."""
    if high <= low:
        return money.short(low), money.short(high)
    step = Decimal(1).scaleb(min(-2, (high - low).adjusted() - 1))
    low, high = low.quantize(step, ROUND_FLOOR), high.quantize(step, ROUND_CEILING)
    told = money.short(low), money.short(high)
    return (f"${money.plain(low)}", f"${money.plain(high)}") if told[0] == told[1] else told


def _money(value: float) -> Decimal:
    return Decimal(str(round(value, 12)))


def reason_of(path: str, why: str) -> tuple[str, str]:
    """A problem without what is one photo's own: the same text for the same reason."""
    name = PurePath(path).name
    shown = why.removeprefix(f"{name}: ").removeprefix(f"{path}: ")
    shown = shown.removeprefix(f"{path} ").removeprefix(f"{name} ")
    return _NAMED.sub("#", shown), shown


def reasons_of(problems: Sequence[Problem]) -> tuple[Reason, ...]:
    """Problems counted by their reason, the most frequent first."""
    course = Course(0.0, Decimal(0), 0)
    for problem in problems:
        course.problem(problem.path, problem.why)
    return course.reasons()


def as_json(progress: Progress) -> Mapping[str, Any]:
    """A snapshot for JSON: money as decimal strings in dollars."""
    known = progress.dollars_per_hour
    whole = progress.at_completion
    return {
        "state": progress.state,
        "planned": progress.planned,
        "captioned": progress.captioned,
        "failed": progress.failed,
        "unknown": progress.unknown,
        "skipped": progress.skipped,
        "seconds": round(progress.seconds, 3),
        "photos_per_second": round(progress.photos_per_second, 3),
        "settled_dollars": money.plain(progress.settled_dollars),
        "held_dollars": money.plain(progress.held_dollars),
        "dollars_per_hour": None if known is None else money.plain(known),
        "seconds_left": progress.seconds_left and round(progress.seconds_left, 1),
        "at_completion": whole and whole.to_dict(),
        "reasons": [reason.to_dict() for reason in progress.reasons],
        "stopped": progress.stopped,
    }
