"""The sums of a run while it goes on: what came, what it cost, whether too much fails."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from playground import money
from playground.runner.progress import Course, Newest, Progress, RunState
from playground.runner.results import Problem, Summary

_POISON_WINDOW, _POISON_LEAST, _POISON_SHARE = 200, 20, 0.2
# A run of up to so many photos is shown after every call, a longer one some times a second.
_EVERY_CALL = 1_000
_SHOW_SECONDS = 0.05
_NOTHING = " Nothing was sent and nothing was spent."


class Tally:
    """Counts and sums of one run; many threads may look, one changes it."""

    def __init__(
        self,
        begun_with: Summary,
        clock: Callable[[], float],
        on_progress: Callable[[Summary], None] | None,
    ) -> None:
        self._clock = clock
        self._on_progress = on_progress
        self._begun = clock()
        self._lock = threading.Lock()
        self._now = begun_with
        self._errors = list(begun_with.errors)
        self._recent: deque[bool] = deque(maxlen=_POISON_WINDOW)
        self._shown_at = float("-inf")
        quoted = begun_with.quoted
        self._quoted = (quoted.low or Decimal(0), quoted.high) if quoted else (Decimal(0), None)
        self._course = Course(self._begun, self._quoted[0], begun_with.planned)
        for problem in begun_with.errors:
            self._course.problem(problem.path, problem.why)
        self._paused = False
        self._ended_at: float | None = None
        self._skipped_before = begun_with.skipped

    @property
    def stopped(self) -> str:
        """Why the run ended early, or ""."""
        return self._now.stopped

    def summary(self) -> Summary:
        """What has come so far."""
        with self._lock:
            seconds = (self._ended_at or self._clock()) - self._begun
            return replace(self._now, errors=tuple(self._errors), seconds=seconds)

    def progress(self) -> Progress:
        """The run at this moment."""
        with self._lock:
            now, at = self._now, self._clock()
            speed, burn = self._course.recent(at)
            done = now.captioned + now.failed + now.unknown
            left = max(0, now.planned - done - (now.skipped - self._skipped_before))
            whole = self._course.at_completion(now.settled_dollars, now.held_dollars, self._quoted)
            return Progress(
                state=self._state(),
                planned=now.planned,
                captioned=now.captioned,
                failed=now.failed,
                unknown=now.unknown,
                skipped=now.skipped,
                seconds=(self._ended_at or at) - self._begun,
                photos_per_second=speed,
                settled_dollars=now.settled_dollars,
                held_dollars=now.held_dollars,
                dollars_per_hour=burn * 3600 if now.captioned else None,
                seconds_left=left / speed if speed and not self._paused else None,
                at_completion=whole,
                reasons=self._course.reasons(),
                newest=tuple(self._course.newest)[::-1],
                stopped=now.stopped,
            )

    def _state(self) -> RunState:
        if self._ended_at is not None:
            return "stopped" if self._now.stopped else "done"
        return "paused" if self._paused else "running"

    def whole(self, why: str) -> str:
        """A refusal of one call, as the reason why a run ends: what was spent before stays."""
        done = self._now.captioned
        if not done:
            return why
        rest = f" It was not sent; {done:,} captions are kept, and running it again goes on."
        return why.replace(_NOTHING, rest)

    def pause(self, paused: bool) -> None:
        """Note that the run rests, or goes on."""
        with self._lock:
            self._paused = paused

    def end(self) -> None:
        """Note that the run is over."""
        with self._lock:
            if self._ended_at is None:
                self._ended_at = self._clock()

    def stop(self, why: str, *, interrupted: bool = False) -> None:
        """Note why the run ends early; the first reason stays."""
        with self._lock:
            if not self._now.stopped:
                self._now = replace(self._now, stopped=why, interrupted=interrupted)

    def money(self, settled: Decimal, held: Decimal) -> None:
        """What the ledger says about the run, which knows best."""
        with self._lock:
            self._now = replace(self._now, settled_dollars=settled, held_dollars=held)

    def add(
        self,
        name: str = "",
        why: str = "",
        *,
        captioned: int = 0,
        failed: int = 0,
        unknown: int = 0,
        skipped: int = 0,
        billed: Decimal | None = None,
        held: Decimal | None = None,
        sent: bool = True,
        expected: Decimal | None = None,
        newest: Newest | None = None,
    ) -> None:
        """Count the end of a call (or of a photo); `expected` is what its bill was thought to be.

        Without `expected` the question is not at its end: it is asked again.
        """
        with self._lock:
            now = self._now
            if why:
                self._errors.append(Problem(name, why))
                self._course.problem(name, why)
            if expected is not None:
                self._course.ended(self._clock(), expected, billed if captioned else None)
            if newest is not None:
                self._course.newest.append(newest)
            self._now = replace(
                now,
                captioned=now.captioned + captioned,
                failed=now.failed + failed,
                unknown=now.unknown + unknown,
                skipped=now.skipped + skipped,
                settled_dollars=now.settled_dollars + (billed or 0),
                held_dollars=now.held_dollars + (held or 0),
            )
            # Local refusals cost nothing and say nothing about the provider.
            if sent and captioned + failed + unknown:
                self._recent.append(not captioned)
        self._check()
        self._show()

    def _check(self) -> None:
        """Stop when so many calls fail that a person should look."""
        bad, of = sum(self._recent) if self._recent and self._recent[-1] else 0, len(self._recent)
        if bad >= _POISON_LEAST and bad > _POISON_SHARE * of:
            spent = money.short(self._now.settled_dollars)
            self.stop(
                f"too many calls fail: {bad} of the last {of}, after {spent} was spent; look at "
                "the errors, then run it again to go on"
            )

    def _show(self) -> None:
        if self._on_progress is None:
            return
        at = self._clock()
        if self._now.planned <= _EVERY_CALL or at - self._shown_at >= _SHOW_SECONDS:
            self._shown_at = at
            self._on_progress(self.summary())
