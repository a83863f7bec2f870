"""Opening the gallery that a command names, and a counting line while it works."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from playground import render
from playground.errors import GalleryProblem
from playground.store import Gallery
from playground.store.opening import DATABASE

_SECONDS = 0.2


@contextmanager
def open_gallery(place: str, *, writing: bool = False) -> Iterator[Gallery]:
    """The gallery at `place`; one that is only looked at must already be there."""
    if not writing:
        must_exist(place)
    with Gallery(place) as opened:
        for notice in opened.notices:
            click.echo(f"note: {render.printable(notice)}", err=True)
        yield opened


def must_exist(place: str) -> None:
    """Refuse to look at a gallery that is not there, instead of making an empty one.

    Raises:
        GalleryProblem: naming the place and how to make a gallery.
    """
    if "://" in place or (Path(place) / DATABASE).exists():
        return
    msg = f"there is no gallery at {place} yet; `playground generate` or `gallery import` makes one"
    raise GalleryProblem(msg)


class Counter:
    """One line on a terminal's stderr that says how far it is; silent elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._next = 0.0
        self._shown = False

    def show(self, text: str) -> None:
        """Replace the line, at most five times a second."""
        now = time.monotonic()
        if self._live and now >= self._next:
            self._next = now + _SECONDS
            self._shown = True
            click.echo(f"\r\x1b[K{render.one_line(text, 100)}", nl=False, err=True)

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._shown = False
