"""Publishing from the gallery page: chosen, looked at, made, and taken back.

What was looked at is what is published: when a picture or its words changed since, nothing is
made and the new preview is shown instead. All of it runs on a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets import HasTraits, Instance

from playground import publish as publishing
from playground.errors import GalleryProblem, PlaygroundError
from playground.state.page import Trouble, bug_words
from playground.store import Gallery

if TYPE_CHECKING:
    from playground.publish import Entry, Preview, Published
    from playground.publish.boards import Board
    from playground.state.gallery import GalleryState, Submit

FOLDER = "published"
"""The usual name of the folder that strangers get."""


@dataclass(frozen=True, eq=False, slots=True)
class Offer:
    """Exactly what strangers would get, and what is in the folder already.

    `there` are the pictures in the folder; `mine` those of them that are chosen now, which are
    published anew, or can be taken back; `others` those that stay beside them if they are kept.
    `boards` are the clubs whose boards were asked for, `boards_there` the boards in the folder.
    """

    ids: tuple[str, ...]
    preview: Preview
    folder: Path
    there: int
    mine: tuple[str, ...]
    others: tuple[Entry, ...] = ()
    boards: tuple[str, ...] = ()
    boards_there: tuple[Board, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Making:
    """How far a publication is; 0 of 0 when it just began."""

    done: int = 0
    total: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Made:
    """A snapshot that was made; `names` tell people which items are not in it, and why."""

    published: Published
    names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class TakenBack:
    """So many pictures are not in the folder any more; `left` still are."""

    count: int
    folder: Path
    left: int = field(default=0)


class PublishState(HasTraits):
    """The publish dialog without its looks.

    Args:
        page: the gallery page whose pictures are chosen.
        base: the folder that a destination is relative to.
        submit: takes work that is done a moment later; a thread by default.
    """

    offer = Instance(Offer, allow_none=True)
    making = Instance(Making, allow_none=True)
    made = Instance(Made, allow_none=True)
    taken = Instance(TakenBack, allow_none=True)
    trouble = Instance(Trouble, allow_none=True)

    def __init__(self, page: GalleryState, base: Path, submit: Submit | None = None) -> None:
        super().__init__()
        self._page, self.base = page, base
        self._submit = submit or _thread()
        self._lock = threading.Lock()

    def look(
        self,
        places: Sequence[Sequence[int]] | None,
        sequence: int,
        fields: Collection[str],
        dest: str = "",
        boards: Sequence[str] = (),
    ) -> None:
        """Show what strangers would get of the pictures at some places, or of all that was found.

        The answer is `offer`.
        """

        def work() -> None:
            ids = self._page.chosen(places, sequence)
            self._look(ids, fields, self._folder(dest), tuple(boards))

        self._later(work)

    def again(self, fields: Collection[str], dest: str, boards: Sequence[str] = ()) -> None:
        """Show the same pictures with other fields or boards, or for another folder."""

        def work() -> None:
            self._look(self._offered.ids, fields, self._folder(dest), tuple(boards))

        self._later(work)

    def publish(self, *, keep: bool) -> None:
        """Make what was looked at; answers: `making`, then `made`.

        With `keep`, other pictures that are in the folder stay there as they were published.
        """

        def work() -> None:
            offer = self._offered
            self.making = Making()
            gallery, selection = self._page.gallery, publishing.Selection(offer.ids)
            now = publishing.preview(gallery, selection, offer.preview.fields, offer.boards)
            _, others, there = _published(offer.folder, now)
            same = (now.entries, now.boards) == (offer.preview.entries, offer.preview.boards)
            if not same or (keep and (others, there) != (offer.others, offer.boards_there)):
                self._look(offer.ids, offer.preview.fields, offer.folder, offer.boards)
                msg = (
                    "The pictures, their words or the folder changed since you looked, so "
                    "nothing was published; look at the new preview, then publish again."
                )
                raise GalleryProblem(msg)
            published = publishing.publish(
                gallery, selection, offer.preview.fields, offer.folder, add=keep,
                boards=offer.boards, progress=self._progress,
            )  # fmt: skip
            names = tuple((_name(gallery, item), why) for item, why in published.missing)
            self.made = Made(published, names)

        self._later(work)

    def take_back(self, *, everything: bool) -> None:
        """Take the chosen pictures out of the folder, or all of it away; the answer is `taken`."""

        def work() -> None:
            offer = self._offered
            if not everything and not offer.mine:
                msg = f"None of these pictures is in {offer.folder}; nothing was changed."
                raise GalleryProblem(msg)
            ids = () if everything else offer.mine
            count = publishing.unpublish(offer.folder, ids, everything=everything)
            self._look(offer.ids, offer.preview.fields, offer.folder, offer.boards)
            self.taken = TakenBack(count, offer.folder, self._offered.there)

        self._later(work)

    def smalls(self, entries: Sequence[Entry]) -> dict[str, bytes]:
        """Small pictures of some entries of the offer, by their neutral ids.

        Those of the gallery for what is chosen; of what stays, the published ones.
        """
        offer = self._offered
        own = {entry.id: offer.preview.private_ids.get(entry.id, "") for entry in entries}
        found: dict[str, bytes] = {}
        with suppress(PlaygroundError):
            kept = self._page.gallery.thumbnails([item for item in own.values() if item])
            found = {neutral: kept[item] for neutral, item in own.items() if item in kept}
        foreign = [neutral for neutral, item in own.items() if not item]
        if foreign:
            with suppress(PlaygroundError, OSError), publishing.Snapshot(offer.folder) as snapshot:
                for neutral, files in snapshot.files_of(foreign).items():
                    small = next(file for file in files if file.what == "small")
                    found[neutral] = (snapshot.pictures / small.name).read_bytes()
        return found

    # -- within --------------------------------------------------------------------------------

    @property
    def _offered(self) -> Offer:
        if self.offer is None:
            msg = "Choose pictures to publish first; nothing was made."
            raise GalleryProblem(msg)
        return self.offer

    def _folder(self, dest: str) -> Path:
        return (self.base / Path(dest.strip() or FOLDER).expanduser()).absolute()

    def _look(
        self, ids: tuple[str, ...], fields: Collection[str], folder: Path, boards: tuple[str, ...]
    ) -> None:
        shown = publishing.preview(self._page.gallery, publishing.Selection(ids), fields, boards)
        mine, others, there = _published(folder, shown)
        self.offer = Offer(ids, shown, folder, len(mine) + len(others), mine, others, boards, there)

    def _progress(self, done: int, total: int) -> None:
        """A hundred steps at most: each is a message."""
        if done == total or done % max(1, total // 100) == 0:
            self.making = Making(done, total)

    def _later(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            with self._lock, self._told():
                work()

        self._submit(guarded)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except PlaygroundError as problem:
            self.trouble = Trouble(_sentence(str(problem)))
        except OSError as problem:
            why = problem.strerror or type(problem).__name__
            self.trouble = Trouble(f"The folder cannot be used ({why}); choose another one.")
        except Exception as bug:
            self.trouble = Trouble(bug_words(bug))


def _published(
    folder: Path, shown: Preview
) -> tuple[tuple[str, ...], tuple[Entry, ...], tuple[Board, ...]]:
    """What a folder holds already: the neutral ids of what is shown, everything else, and the
    challenge boards.
    """
    with suppress(GalleryProblem), publishing.Snapshot(folder) as snapshot:
        there = {entry.id for entry in snapshot.reader.entries()}
        mine = tuple(entry.id for entry in shown.entries if entry.id in there)
        others = tuple(publishing.staying(snapshot, shown.entries))
        return mine, others, snapshot.settings.boards
    return (), (), ()


def _name(gallery: Gallery, item_id: str) -> str:
    with suppress(PlaygroundError):
        item = gallery.item(item_id)
        return item.title or item.name or item.prompt or item.id
    return item_id


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _thread() -> Submit:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="halfpenny-publish").submit
