"""What the gallery page knows: the question, the pictures that answer it, the one that is open.

A view calls the methods and observes the traits; nothing here draws (`page` tells about threads).
A question is answered twice: at once with its first pictures (`shown`), and as soon as it is
counted with everything about it (`counted`); where that takes a while, with a bound before
(`least`). Any stretch of the pictures can then be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from traitlets import Instance

from playground.errors import GalleryProblem, InvalidRequest, PhotoProblem, PlaygroundError
from playground.money import usd
from playground.photos import credentials, thumbnail
from playground.state.page import ANNOTATIONS, Head, Opened, PageState, Trouble
from playground.state.spending import Spending, spending
from playground.store import SORTS, Gallery, Sort
from playground.store.cards import Card
from playground.store.changes import Change
from playground.store.edits import Edit
from playground.store.lineage import Lineage
from playground.store.question import Question, read
from playground.store.searches import SavedSearch
from playground.values import GalleryItem

if TYPE_CHECKING:
    from playground.store.wall import Answer, Choice

__all__ = [
    "ANNOTATIONS",
    "PAGE_SIZE",
    "Changed",
    "Counted",
    "GalleryState",
    "Head",
    "Least",
    "Opened",
    "Shown",
    "Stretch",
    "Trouble",
    "Visit",
]

PAGE_SIZE = 60
"""Pictures that are fetched and sent at a time."""

MOST_AT_ONCE = 200
MOST_TINTS = 2000
Submit = Callable[[Callable[[], None]], object]


@dataclass(frozen=True, eq=False, slots=True)
class Stretch:
    """Pictures from the place `start` on, of the question with the number `sequence`."""

    cards: tuple[Card, ...]
    start: int
    sequence: int
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """The first pictures of an answer, and what was not understood of the question.

    `sequence` is the number that the question came with, so that a view can drop an answer to an
    older one. `empty` when the whole gallery is.
    """

    first: Stretch
    question: Question
    empty: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Counted:
    """Everything about an answer: how many pictures, their bill, what they can be narrowed by.

    `shapes` are the pictures' forms and colours (`Answer.shapes`); None when only the numbers
    changed and the pictures stay where they are.
    """

    total: int
    dollars: Decimal
    all_samples: bool
    facets: Mapping[str, Sequence[Choice]]
    sequence: int
    shapes: tuple[bytes, bytes] | None


@dataclass(frozen=True, eq=False, slots=True)
class Least:
    """So many pictures answer the question with the number `sequence` at least."""

    count: int
    sequence: int


@dataclass(frozen=True, eq=False, slots=True)
class Visit(Opened):
    """The picture that is open: with its place, its line and its history."""

    place: int | None = None
    line: Lineage | None = None
    edits: tuple[Edit, ...] = ()
    question: Question = field(default_factory=Question)


@dataclass(frozen=True, eq=False, slots=True)
class Searches:
    """The searches that have a name."""

    every: tuple[SavedSearch, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Changed:
    """A change of many pictures, or an undoing, in words."""

    text: str
    change: Change


class GalleryState(PageState):
    """The gallery page without its looks.

    Args:
        opener: opens the gallery; called at the first need, so that a gallery that cannot be
            opened is a sentence on the page instead of a page that fails.
        provider: the name of the provider in use, for the head.
        submit: takes work that may be done a moment later (counting); a thread by default.
    """

    shown = Instance(Shown, allow_none=True)
    least = Instance(Least, allow_none=True)
    counted = Instance(Counted, allow_none=True)
    stretch = Instance(Stretch, allow_none=True)
    opened = Instance(Visit, allow_none=True)
    changed = Instance(Changed, allow_none=True)
    searches = Instance(Searches, allow_none=True)
    spending = Instance(Spending, allow_none=True)

    def __init__(
        self,
        opener: Callable[[], Gallery],
        *,
        provider: str,
        submit: Submit | None = None,
    ) -> None:
        super().__init__(opener, provider=provider)
        self._submit = submit or _thread()
        self._workshop = submit or _thread()
        self._question = Question()
        self._sort: Sort = "newest"
        self._sequence = 0
        self._answer: Answer | None = None
        self._undo: list[str] = []

    @property
    def question(self) -> Question:
        """The question that is being answered."""
        return self._question

    # -- questions -----------------------------------------------------------------------------

    def open(self) -> None:
        """Fill the page: for a page that was just displayed, or displayed again."""
        with self._guarded():
            try:
                self._refresh_head()
            except PlaygroundError as problem:
                self.head = Head(self._provider, shut=str(problem))
                return
            self.searches = Searches(tuple(self._store.saved_searches()))
            self._ask(Question(), "newest", 0)

    def search(self, query: str, filters: Sequence[str], sort: str, sequence: int) -> None:
        """Ask anew: a text, conditions beside it, an order. Answers: `shown`, then `counted`."""
        with self._guarded():
            self._ask(read(" ".join([query, *filters])), cast("Sort", sort), sequence)

    def _ask(self, question: Question, sort: Sort, sequence: int) -> None:
        if sort not in SORTS:
            msg = f"the order {sort[:40]!r} is not one of {', '.join(SORTS)}"
            raise InvalidRequest(msg)
        self._question, self._sort, self._sequence = question, sort, sequence
        self._answer = None
        seqs = self._store.wall.first(question, sort, PAGE_SIZE)
        first = self._stretch(self._store.cards(seqs), 0, sequence)
        everything = question == Question()
        self.shown = Shown(first, question, empty=everything and not seqs)
        self._submit(lambda: self._count(question, sort, sequence))

    def _count(self, question: Question, sort: Sort, sequence: int) -> None:
        """Count outside the lock, so that pictures go on coming; older questions are dropped."""
        if sequence != self._sequence:
            return
        try:
            least = self._store.wall.least(question)
            if least > PAGE_SIZE and sequence == self._sequence:
                self.least = Least(least, sequence)
            answer = self._store.wall.answer(question, sort)
            facets = answer.facets
        except PlaygroundError as problem:
            self.trouble = Trouble(str(problem))
            return
        except Exception as bug:
            self.trouble = Trouble(f"The pictures could not be counted ({type(bug).__name__}).")
            return
        with self._guarded():
            if sequence != self._sequence or question is not self._question:
                return
            self._answer = answer
            self.counted = Counted(
                answer.total, answer.dollars, answer.all_samples, facets, sequence, answer.shapes()
            )

    def _recount(self) -> None:
        """The numbers anew after a change; the pictures stay where they are."""
        question, sequence = self._question, self._sequence

        def count() -> None:
            with suppress(PlaygroundError):
                answer = self._store.wall.answer(question, self._sort)
                facets = answer.facets
                with self._guarded():
                    if sequence == self._sequence:
                        self.counted = Counted(
                            answer.total, answer.dollars, answer.all_samples, facets, sequence, None
                        )

        self._submit(count)

    def fetch(self, start: int, count: int, sequence: int) -> None:
        """Cards from the place `start` on; the answer is `stretch`."""
        with self._guarded():
            if sequence != self._sequence:
                return
            seqs = self._whole().seqs(start, min(count, MOST_AT_ONCE))
            self.stretch = self._stretch(self._store.cards(seqs), max(0, start), sequence)

    def _whole(self) -> Answer:
        if self._answer is None:
            self._answer = self._store.wall.answer(self._question, self._sort)
        return self._answer

    def _stretch(self, cards: list[Card], start: int, sequence: int) -> Stretch:
        missing = {
            card.id for card in cards if not self._store.has_original(card.sha256, card.format)
        }
        return Stretch(tuple(cards), start, sequence, frozenset(missing))

    # -- one picture ---------------------------------------------------------------------------

    def select(self, item_id: str) -> None:
        """Open one picture; the answer is `opened`."""
        with self._guarded():
            self._visit(self._store.item(item_id), None)

    def select_at(self, place: int, sequence: int) -> None:
        """Open the picture at a place of the answer."""
        with self._guarded():
            if sequence == self._sequence:
                for card in self._store.cards(self._whole().seqs(place, 1)):
                    self._visit(self._store.item(card.id), place)

    def _visit(self, item: GalleryItem, place: int | None) -> None:
        self.opened = Visit(
            item,
            place,
            self._store.lineage(item.id),
            tuple(self._store.history(item.id)),
            self._question,
        )

    def close(self) -> None:
        """Close the open picture."""
        self.opened = None

    def original(self, item_id: str) -> tuple[bytes, bool] | None:
        """The original's bytes and whether they carry Content Credentials; None where lost."""
        with self._guarded():
            data = self._store.original(item_id)
            return data, credentials.present(data)
        return None

    def smalls(self, cards: Sequence[Card]) -> dict[str, bytes]:
        """Small pictures by id, of those that have one."""
        with suppress(PlaygroundError):
            return self._store.thumbnails([card.id for card in cards])
        return {}

    def make_small(self, card: Card) -> bytes | None:
        """A small picture made now, and kept; None where its original cannot be read."""
        with suppress(GalleryProblem, PhotoProblem):
            small, size = thumbnail(self._store.original(card.id))
            if not self._store.read_only:
                self._store.set_thumbnail(card.sha256, small, size)
            return small
        return None

    def set_tints(self, tints: Mapping[str, Any]) -> None:
        """Keep mean colours (0xRRGGBB by id) that the page saw: placeholders for the next time."""
        kept = {
            str(item_id): int(tint) for item_id, tint in list(tints.items())[:MOST_TINTS]
            if 0 <= int(tint) <= 0xFFFFFF
        }  # fmt: skip
        if kept and not self._store.read_only:
            with suppress(PlaygroundError):
                self._store.set_tints(kept)

    def later(self, work: Callable[[], None]) -> None:
        """Do some work a moment later, off the thread that answers the page."""
        self._workshop(work)

    # -- annotations ---------------------------------------------------------------------------

    def _annotated(self, item: GalleryItem) -> None:
        self._remember(item.id)
        self._refresh_head()
        self._recount()

    def _remember(self, item_id: str) -> None:
        made = [edit.change_id for edit in self._store.history(item_id) if edit.change_id]
        if made and made[-1] not in self._undo:
            self._undo.append(made[-1])

    def bin(self, item_id: str, *, deleted: bool) -> None:
        """Put a picture into the trash, or take it out; the answers are `saved` and `changed`."""
        with self._guarded():
            item = self._store.delete(item_id) if deleted else self._store.restore(item_id)
            self._remember(item.id)
            self.saved = Opened(item)
            words = "The picture is in the trash." if deleted else "The picture is restored."
            self.changed = Changed(words, Change(self._undo[-1] if self._undo else "", 1))

    def annotate_many(
        self, places: Sequence[Sequence[int]] | None, sequence: int, changes: Mapping[str, Any]
    ) -> None:
        """Change all pictures at some places (starts and ends), or the whole answer.

        The answer is `changed`. `changes` may hold rating, note, collection, tag, untag,
        accept_alt, deleted.
        """
        with self._guarded(changes):
            seqs = self._chosen(places, sequence)
            unknown = set(changes) - {
                "rating", "note", "collection", "tag", "untag", "accept_alt", "deleted"
            }  # fmt: skip
            if unknown:
                msg = f"{', '.join(sorted(unknown))} cannot be changed here"
                raise GalleryProblem(msg)
            made = self._store.annotate_many(seqs, **changes)
            if made.count:
                self._undo.append(made.id)
            self._tell(made, f"{_pictures(made.count)} changed.")

    def chosen(self, places: Sequence[Sequence[int]] | None, sequence: int) -> tuple[str, ...]:
        """The ids of the pictures at some places (starts and ends), or of the whole answer.

        Raises:
            GalleryProblem: when the answer is not the one that the places were chosen in.
        """
        with self._lock:
            seqs = self._chosen(places, sequence)
        parts = (seqs[at : at + PAGE_SIZE * 8] for at in range(0, len(seqs), PAGE_SIZE * 8))
        return tuple(card.id for part in parts for card in self._store.cards(part))

    def _chosen(self, places: Sequence[Sequence[int]] | None, sequence: int) -> list[int]:
        if sequence != self._sequence:
            msg = "the pictures have changed meanwhile; choose them again"
            raise GalleryProblem(msg)
        answer = self._whole()
        if places is None:
            return answer.every()
        return [seq for start, end in places for seq in answer.seqs(start, end - start)]

    @property
    def gallery(self) -> Gallery:
        """The gallery behind the page, opened when it was not."""
        return self._store

    def undo(self, change_id: str | None = None) -> None:
        """Undo the last change that was made on this page, or the one that is named."""
        with self._guarded():
            if change_id is None and not self._undo:
                msg = "There is nothing to undo on this page yet."
                raise GalleryProblem(msg)
            wanted = change_id or self._undo.pop()
            with suppress(ValueError):
                self._undo.remove(wanted)
            made = self._store.undo(wanted)
            text = f"Undone for {_pictures(made.count)}."
            if made.kept:
                text += f" {_pictures(made.kept)} kept what was changed since."
            self._tell(made, text)

    def _tell(self, made: Change, text: str) -> None:
        self._refresh_head()
        if self.opened is not None:
            self._visit(self._store.item(self.opened.item.id), self.opened.place)
        self.changed = Changed(text, made)

    # -- searches with names, and money ---------------------------------------------------------

    def save_search(self, name: str, query: str, sort: str) -> None:
        """Keep a search under a name; the answer is `searches`."""
        with self._guarded():
            self._store.save_search(name, query, cast("Sort", sort))
            self.searches = Searches(tuple(self._store.saved_searches()))

    def forget_search(self, name: str) -> None:
        """Forget a search; the answer is `searches`."""
        with self._guarded():
            self._store.forget_search(name)
            self.searches = Searches(tuple(self._store.saved_searches()))

    def spend(self, by: str) -> None:
        """Money by day, model, tier or run; the answer is `spending`."""
        with self._guarded():
            self.spending = spending(self._store, by)

    def resolve(self, attempt_id: str, dollars: str, by: str) -> None:
        """Book what an unknown outcome cost, by the owner's word; the answer is `spending`."""
        with self._guarded():
            try:
                amount = usd(dollars)
            except (ValueError, ArithmeticError) as problem:
                msg = f"{dollars[:40]!r} is not an amount in dollars; nothing was booked"
                raise GalleryProblem(msg) from problem
            self._store.ledger.resolve(
                attempt_id, dollars=amount, reason="the owner's word, on the gallery page"
            )
            self._refresh_head()
            self.spending = spending(self._store, by)

    # -- within --------------------------------------------------------------------------------

    def _prepare(self) -> None:
        super()._prepare()
        self._store.wall.answer(Question(), "newest")

    def _refresh_head(self) -> None:
        self.head = Head(self._provider, self._store.ledger.totals())


def _thread() -> Submit:
    """One thread of the page's own: the latest question is counted after those before it."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="halfpenny-gallery").submit


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"
