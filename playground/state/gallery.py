"""What the gallery page knows: the question, the pictures that answer it, the one that is open.

A view calls the methods and observes the traits; nothing here draws. Methods may be called from
any thread (JupyterLab sends widget messages to subshells): one lock makes them take turns, and
no thread-bound thing is kept. Outputs are fresh objects compared by identity, so that the same
answer twice is announced twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from traitlets import Instance

from playground.errors import PlaygroundError
from playground.state.page import ANNOTATIONS, Head, Opened, PageState, Trouble
from playground.store import Gallery, Sort, Where
from playground.values import GalleryItem

__all__ = [
    "ANNOTATIONS",
    "FACETS",
    "PAGE_SIZE",
    "GalleryState",
    "Head",
    "Opened",
    "Shown",
    "Trouble",
]

PAGE_SIZE = 60
"""Pictures that are fetched and sent at a time: as many as decode within 0.25 s of a click."""

FACETS = ("kind", "model", "rating", "tag")


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """Pictures that answer the question.

    `items` are the new ones; `appended` when they follow those shown before. `sequence` is the
    number that the question came with, so that a view can drop an answer to an older one.
    `dollars` is what all pictures shown so far were billed, captions included; `all_samples`
    when that was never real money; `empty` when the whole gallery is.
    """

    items: tuple[GalleryItem, ...]
    total: int
    more: bool
    appended: bool
    sequence: int
    dollars: Decimal
    all_samples: bool
    empty: bool


class GalleryState(PageState):
    """The gallery page without its looks.

    Args:
        opener: opens the gallery; called at the first need, so that a gallery that cannot be
            opened is a sentence on the page instead of a page that fails.
        provider: the name of the provider in use, for the head.
    """

    shown = Instance(Shown, allow_none=True)
    opened = Instance(Opened, allow_none=True)

    def __init__(self, opener: Callable[[], Gallery], *, provider: str) -> None:
        super().__init__(opener, provider=provider)
        self._question: tuple[str, Where, Sort] = ("", Where(), "newest")
        self._cursor: str | None = None
        self._items: list[GalleryItem] = []

    def open(self) -> None:
        """Fill the page: for a page that was just displayed, or displayed again."""
        with self._guarded():
            try:
                self._refresh_head()
            except PlaygroundError as problem:
                self.head = Head(self._provider, shut=str(problem))
                return
            self._search(0)

    def search(self, query: str, where: Mapping[str, Any], sort: str, sequence: int) -> None:
        """Ask anew: text, facets (`FACETS`), order; the answer is `shown`."""
        with self._guarded():
            facets = {name: where[name] for name in FACETS if where.get(name) is not None}
            # An unknown order is refused, in words, by the search itself.
            self._question = (query, Where(**facets), cast("Sort", sort))
            self._search(sequence)

    def more(self, sequence: int) -> None:
        """Fetch the next page of the same question."""
        with self._guarded():
            if self._cursor is not None:
                self._search(sequence, after=self._cursor)

    def select(self, item_id: str) -> None:
        """Open one picture; the answer is `opened`."""
        with self._guarded():
            self.opened = Opened(self._store.item(item_id))

    def close(self) -> None:
        """Close the open picture."""
        self.opened = None

    def _annotated(self, item: GalleryItem) -> None:
        self._items = [item if known.id == item.id else known for known in self._items]
        self._refresh_head()

    def _refresh_head(self) -> None:
        self.head = Head(self._provider, self._store.ledger.totals(), self._store.facets())

    def _search(self, sequence: int, after: str | None = None) -> None:
        text, where, sort = self._question
        page = self._store.search(text, where=where, sort=sort, limit=PAGE_SIZE, after=after)
        self._items = [*(self._items if after else []), *page.items]
        self._cursor = page.next
        everything = not text and where == Where()
        self.shown = Shown(
            items=page.items,
            total=page.total,
            more=page.next is not None,
            appended=after is not None,
            sequence=sequence,
            dollars=sum((item.total_billed for item in self._items), Decimal(0)),
            all_samples=all(_is_sample(item) for item in self._items),
            empty=everything and page.total == 0,
        )


def _is_sample(item: GalleryItem) -> bool:
    paid = [item.sample] if item.billed is not None else []
    return all([*paid, *(caption.sample for caption in item.captions)])
