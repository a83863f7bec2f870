"""The sums of a run while it goes on: what came, what it cost, whether too much fails."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from playground import money
from playground.runner.results import Problem, Summary

_POISON_WINDOW, _POISON_LEAST, _POISON_SHARE = 200, 20, 0.2
# A run of up to so many photos is shown after every call, a longer one some times a second.
_EVERY_CALL = 1_000
_SHOW_SECONDS = 0.05


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

    @property
    def stopped(self) -> str:
        """Why the run ended early, or ""."""
        return self._now.stopped

    def summary(self) -> Summary:
        """What has come so far."""
        with self._lock:
            seconds = self._clock() - self._begun
            return replace(self._now, errors=tuple(self._errors), seconds=seconds)

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
    ) -> None:
        """Count the end of a call (or of a photo)."""
        with self._lock:
            now = self._now
            if why:
                self._errors.append(Problem(name, why))
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
