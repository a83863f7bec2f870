"""A few lines at the end of a terminal that are rewritten while a run goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from playground import money, render

if TYPE_CHECKING:
    from playground.runner import Progress

_EVERY_SECONDS = 0.1
_REASONS = 3


class Block:
    """Lines on stderr that replace each other; `clear` before anything else is printed."""

    def __init__(self) -> None:
        self._lines = 0
        self._shown_at = float("-inf")

    def show(self, make: Callable[[], Sequence[str]]) -> None:
        """Show the lines that `make` makes, at most ten times a second."""
        now = time.monotonic()
        if now - self._shown_at < _EVERY_SECONDS:
            return
        self._shown_at = now
        width = shutil.get_terminal_size().columns
        lines = [render.one_line(line, max(20, width - 1)) for line in make()]
        click.echo(f"{self._back()}{chr(10).join(lines)}\n", err=True, nl=False)
        self._lines = len(lines)

    def _back(self) -> str:
        return f"\x1b[{self._lines}F\x1b[J" if self._lines else ""

    def clear(self) -> None:
        """Take the lines away."""
        if self._lines:
            click.echo(self._back(), err=True, nl=False)
        self._lines = 0
        self._shown_at = float("-inf")


def lines_of(now: Progress) -> list[str]:
    """A run at this moment: how far, how fast, what it cost and will cost, what went wrong."""
    lines = [
        " · ".join(
            [
                f"{now.done:,} of {now.planned:,}",
                f"{now.photos_per_second:,.1f} photos/s",
                "paused" if now.state == "paused" else _left(now.seconds_left),
            ]
        ),
    ]
    spent = [f"{money.short(now.settled_dollars)} spent"]
    if now.held_dollars:
        spent.append(f"{money.short(now.held_dollars)} held")
    if now.dollars_per_hour is not None:
        spent.append(f"{money.short(now.dollars_per_hour)} an hour")
    if now.at_completion is not None:
        spent.append(f"{now.at_completion} in the end")
    lines.append(" · ".join(spent))
    lines += [f"{reason.count:,} × {reason.why}" for reason in now.reasons[:_REASONS]]
    return lines


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "time left unknown"
    if seconds < 90:
        return f"{seconds:.0f} s left"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min left"
    return f"{seconds / 3600:.1f} h left"
