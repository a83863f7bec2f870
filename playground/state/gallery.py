"""What the gallery page knows: the question, the pictures that answer it, the one that is open.

A view calls the methods and observes the traits; nothing here draws. Methods may be called from
any thread (JupyterLab sends widget messages to subshells): one lock makes them take turns, and
no thread-bound thing is kept. Outputs are fresh objects compared by identity, so that the same
answer twice is announced twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from traitlets import HasTraits, Instance

from playground.errors import GalleryProblem, PhotoProblem, PlaygroundError
from playground.photos import thumbnail
from playground.store import Gallery, Sort, Totals, Where
from playground.values import GalleryItem

PAGE_SIZE = 60
"""Pictures that are fetched and sent at a time: as many as decode within 0.25 s of a click."""

FACETS = ("kind", "model", "rating", "tag")
ANNOTATIONS = frozenset({"rating", "note", "title", "alt", "tag", "untag"})


@dataclass(frozen=True, eq=False, slots=True)
class Head:
    """What stands above the pictures.

    `provider` is the one in use (`offline`, `openai` or a host), `shut` why the gallery cannot
    be opened ("" when it is open), `facets` the values to filter by: lists of (value, count).
    """

    provider: str
    totals: Totals | None = None
    facets: Mapping[str, list[tuple[Any, int]]] = field(default_factory=dict)
    shut: str = ""


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


@dataclass(frozen=True, eq=False, slots=True)
class Opened:
    """The picture that is open in the lightbox."""

    item: GalleryItem


@dataclass(frozen=True, eq=False, slots=True)
class Trouble:
    """What went wrong, in a sentence; `changes` are the annotations that were not written.

    With an `item` it is a conflict: someone else changed it meanwhile, and this is its new state.
    """

    text: str
    item: GalleryItem | None = None
    changes: Mapping[str, Any] | None = None


class GalleryState(HasTraits):
    """The gallery page without its looks.

    Args:
        opener: opens the gallery; called at the first need, so that a gallery that cannot be
            opened is a sentence on the page instead of a page that fails.
        provider: the name of the provider in use, for the head.
    """

    head = Instance(Head, allow_none=True)
    shown = Instance(Shown, allow_none=True)
    opened = Instance(Opened, allow_none=True)
    saved = Instance(Opened, allow_none=True)
    trouble = Instance(Trouble, allow_none=True)

    def __init__(self, opener: Callable[[], Gallery], *, provider: str) -> None:
        super().__init__()
        self._opener = opener
        self._provider = provider
        self._gallery: Gallery | None = None
        self._lock = threading.RLock()
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

    def annotate(self, item_id: str, version: int, changes: Mapping[str, Any]) -> None:
        """Write annotations (`ANNOTATIONS`); the answer is `saved`, or `trouble`.

        `version` is the one that the change was made on. When another page or command changed
        the item since, nothing is written and `trouble` carries the item as it is now.
        """
        with self._guarded(changes):
            unknown = set(changes) - ANNOTATIONS
            if unknown:
                msg = f"{', '.join(sorted(unknown))} cannot be annotated here"
                raise GalleryProblem(msg)
            try:
                item = self._store.annotate(item_id, expected_version=version, **changes)
            except GalleryProblem as problem:
                now = self._store.item(item_id)
                if now.version == version:
                    raise
                self.trouble = Trouble(str(problem), now, changes)
                return
            self._items = [item if known.id == item.id else known for known in self._items]
            self.saved = Opened(item)
            self._refresh_head()

    def picture(self, item_id: str) -> bytes | None:
        """The original's bytes, as they were delivered; None (and `trouble`) where it is lost."""
        with self._guarded():
            return self._store.original(item_id)
        return None

    def thumbnails(self, items: Sequence[GalleryItem]) -> dict[str, bytes]:
        """Small pictures by id; made now, and kept, for items that have none. Lost ones lack."""
        with self._lock:
            try:
                found = self._store.thumbnails([item.id for item in items])
            except GalleryProblem:
                return {}
            for item in items:
                if item.id not in found:
                    with suppress(GalleryProblem, PhotoProblem):
                        found[item.id] = self._thumbnail(item)
            return found

    def _thumbnail(self, item: GalleryItem) -> bytes:
        small, size = thumbnail(self._store.original(item.id))
        if not self._store.read_only:
            self._store.set_thumbnail(item.sha256, small, size)
        return small

    @property
    def _store(self) -> Gallery:
        if self._gallery is None:
            self._gallery = self._opener()
        return self._gallery

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

    @contextmanager
    def _guarded(self, changes: Mapping[str, Any] | None = None) -> Iterator[None]:
        """One caller at a time; a failure becomes a sentence (exceptions are unseen in Voilà)."""
        with self._lock:
            try:
                yield
            except PlaygroundError as problem:
                self.trouble = Trouble(str(problem), changes=changes)
            except Exception as bug:
                text = f"Something is wrong in Halfpenny itself ({type(bug).__name__}: {bug})."
                self.trouble = Trouble(text, changes=changes)


def _is_sample(item: GalleryItem) -> bool:
    paid = [item.sample] if item.billed is not None else []
    return all([*paid, *(caption.sample for caption in item.captions)])
