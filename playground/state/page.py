"""What every page's state shares: its gallery and client opened late, one lock, trouble in words.

A view calls the methods and observes the traits; nothing here draws. Methods may be called from
any thread (JupyterLab sends widget messages to subshells): one lock makes them take turns, and
no thread-bound thing is kept. Outputs are fresh objects compared by identity, so that the same
answer twice is announced twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from traitlets import HasTraits, Instance

from playground.errors import GalleryProblem, PhotoProblem, PlaygroundError
from playground.photos import thumbnail
from playground.runner.single import caps
from playground.store import Gallery, Totals
from playground.values import GalleryItem

if TYPE_CHECKING:
    from playground.provider.client import Client

PICKS = 48
"""Pictures that a picker gets at a time."""

ANNOTATIONS = frozenset({"rating", "note", "title", "alt", "collection", "tag", "untag"})


@dataclass(frozen=True, eq=False, slots=True)
class Head:
    """What stands above the page.

    `provider` is the one in use (`offline`, `openai` or a host), `shut` why the gallery cannot
    be opened ("" when it is open), `facets` the values to filter by: lists of (value, count).
    """

    provider: str
    totals: Totals | None = None
    facets: Mapping[str, list[tuple[Any, int]]] = field(default_factory=dict)
    shut: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Opened:
    """A picture as it is now: opened, or just saved."""

    item: GalleryItem


@dataclass(frozen=True, eq=False, slots=True)
class Trouble:
    """What went wrong, in a sentence; `changes` are the annotations that were not written.

    With an `item` it is a conflict: someone else changed it meanwhile, and this is its new state.
    """

    text: str
    item: GalleryItem | None = None
    changes: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Picks:
    """Pictures of the gallery to choose from.

    `appended` when they follow those shown before; `more` when still others follow.
    """

    items: tuple[GalleryItem, ...] = ()
    total: int = 0
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    appended: bool = False
    more: bool = False


class PageState(HasTraits):
    """A page without its looks.

    Args:
        opener: opens the gallery, at the first need, so that a gallery that cannot be opened is
            a sentence on the page instead of a page that fails.
        connect: makes the client, at the first call; a page that never spends has none.
        provider: the name of the provider in use, for the head.
    """

    head = Instance(Head, allow_none=True)
    saved = Instance(Opened, allow_none=True)
    picks = Instance(Picks, allow_none=True)
    trouble = Instance(Trouble, allow_none=True)

    def __init__(
        self,
        opener: Callable[[], Gallery],
        connect: Callable[[], Client] | None = None,
        *,
        provider: str,
    ) -> None:
        super().__init__()
        self._opener, self._connector, self._provider = opener, connect, provider
        self._gallery: Gallery | None = None
        self._client: Client | None = None
        self._lock = threading.RLock()
        self._opening = threading.RLock()
        self._picking: tuple[str, str | None] = ("", None)

    def warm(self) -> threading.Thread:
        """Do ahead what opening needs, for a kernel that waits for its page.

        On a thread, and without a word: what fails now is said when the page is opened.
        """
        thread = threading.Thread(target=self._warmed, name="halfpenny-warm", daemon=True)
        thread.start()
        return thread

    def _warmed(self) -> None:
        with suppress(Exception):
            self._prepare()

    def _prepare(self) -> None:
        """What `warm` does; the page's own tables come on top."""
        with self._lock:
            self._store.ledger.totals()
            self.thumbnails(self._store.search("", limit=1).items)

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
            self.saved = Opened(item)
            self._annotated(item)

    def pick(self, text: str, *, more: bool = False) -> None:
        """Search the gallery for pictures to choose; the answer is `picks`."""
        with self._guarded():
            known, cursor = self._picking
            after = cursor if more and known == text else None
            page = self._store.search(text, limit=PICKS, after=after)
            self._picking = (text, page.next)
            small = self.thumbnails(page.items)
            appended = after is not None
            self.picks = Picks(page.items, page.total, small, appended, page.next is not None)

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

    def _annotated(self, item: GalleryItem) -> None:
        """What a page does after a change was written."""

    def _thumbnail(self, item: GalleryItem) -> bytes:
        small, size = thumbnail(self._store.original(item.id))
        if not self._store.read_only:
            self._store.set_thumbnail(item.sha256, small, size)
        return small

    @property
    def _store(self) -> Gallery:
        with self._opening:
            if self._gallery is None:
                self._gallery = self._opener()
            return self._gallery

    def _totals(self) -> Totals:
        """What the gallery has committed, under the narrower of its own cap and the page's."""
        totals = self._store.ledger.totals()
        known = [cap for cap in (totals.cap, caps().gallery) if cap is not None]
        return replace(totals, cap=min(known, default=None))

    @property
    def _connected(self) -> Client:
        with self._opening:
            if self._client is None:
                assert self._connector is not None, "this page never spends"
                self._client = self._connector()
            return self._client

    @contextmanager
    def _guarded(self, changes: Mapping[str, Any] | None = None) -> Iterator[None]:
        """One caller at a time; a failure becomes a sentence (exceptions are unseen in Voilà)."""
        with self._lock:
            try:
                yield
            except PlaygroundError as problem:
                self.trouble = Trouble(str(problem), changes=changes)
            except Exception as bug:
                self.trouble = Trouble(bug_words(bug), changes=changes)


def bug_words(bug: Exception) -> str:
    """The sentence for what no one foresaw."""
    return f"Something is wrong in Halfpenny itself ({type(bug).__name__}: {bug})."
