"""Photos of a page on their way in and out: uploads, folders, the gallery, addresses, a reload.

A page adds what it does with them: see the methods that only raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from traitlets import Instance

from playground import pricing
from playground.errors import InvalidRequest, PhotoProblem, PlaygroundError
from playground.provider.client import Client
from playground.state.page import PageState, Trouble
from playground.state.shots import MAX_SHOTS, Intake, Shot, shown_name
from playground.state.uploads import Waiting
from playground.store import Gallery

WORKERS = 4
_PHOTOS = Path(pricing.__file__).parent / "data" / "photos"
SAMPLES = (_PHOTOS / "cat.jpg", _PHOTOS / "coffee.jpg")
Submit = Callable[[Callable[[], None]], object]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a photo came from: an `item` of the gallery, a `path`, or an `upload` kept at one."""

    kind: Literal["item", "path", "upload"]
    place: str
    name: str


class PhotosState(PageState):
    """The photos of a page without their looks.

    Args:
        opener: opens the gallery, at the first need.
        connect: makes the client, at the first call.
        provider: the name of the provider in use, for the head.
        submit: runs a function, now or on another thread.
        allow_urls: whether photos may be fetched from addresses.
        intake: takes the photos in.
    """

    shot = Instance(Shot, allow_none=True)
    waiting = Instance(Waiting, allow_none=True)

    def __init__(
        self,
        opener: Callable[[], Gallery],
        connect: Callable[[], Client],
        *,
        provider: str,
        submit: Submit | None = None,
        allow_urls: bool = False,
        intake: Intake | None = None,
    ) -> None:
        super().__init__(opener, connect, provider=provider)
        self._submit = submit or _threads()
        self.allow_urls = allow_urls
        self._intake = intake or Intake(place=self._uploads_folder)
        self._known: dict[str, Shot] = {}
        self._sources: dict[str, Source] = {}
        self._number = 0

    # -- what a page does with them ------------------------------------------------------------

    def _announce(self) -> None:
        """Show all photos anew."""
        raise NotImplementedError

    def _changed(self, shot: Shot) -> None:
        """A photo came, was read, or has a problem."""
        raise NotImplementedError

    def _came(self, shot_id: str) -> None:
        """A photo can be sent now."""
        raise NotImplementedError

    def _forgotten(self, shot_id: str) -> None:
        """A photo left the page."""
        raise NotImplementedError

    def _item_of(self, shot_id: str) -> str | None:
        """The item of the gallery that a photo has become."""
        raise NotImplementedError

    def _with_answers(self, shot: Shot, item_id: str) -> Shot:
        """A photo of the gallery after a reload, with what the page had made of it."""
        raise NotImplementedError

    # -- photos --------------------------------------------------------------------------------

    def upload(self, shot_id: str, name: str, size_bytes: int, offset: int, piece: bytes) -> None:
        """A piece of a file, the pieces in order; each is answered by `shot`."""
        with self._guarded():
            shot = self._known.get(shot_id)
            if offset == 0 and shot is None:
                if self._full():
                    return
                shot = self._intake.begin(shot_id, name, size_bytes)
            if shot is None:
                shot = Shot(shot_id, shown_name(name), problem="The upload lost its beginning.")
            if not shot.problem:
                shot = self._intake.take(shot, offset, piece)
            self._put(shot)
            if not shot.problem and shot.received == shot.expected:
                self._submit(lambda: self._read(shot, self._intake.complete))

    def add_folder(self, place: str) -> None:
        """Photos of a folder on this machine, one after the other."""
        with self._guarded():
            for path in self._intake.folder(place):
                if self._full():
                    return
                new = Shot(self._new_id(), shown_name(path.name))
                self._sources[new.id] = Source("path", str(path.absolute()), path.name)
                self._later(new, partial(self._intake.measured, path=path))

    def add_samples(self) -> None:
        """Two photos that come with the package, to try the page with."""
        with self._guarded():
            for path in SAMPLES:
                new = Shot(self._new_id(), path.name)
                self._sources[new.id] = Source("path", str(path), path.name)
                self._later(new, partial(self._intake.measured, path=path))

    def add_items(self, item_ids: Sequence[str]) -> None:
        """Pictures of the gallery."""
        with self._guarded():
            for item_id in item_ids:
                item = self._store.item(item_id)
                known = (shot.photo.sha256 for shot in self._known.values() if shot.photo)
                if item.sha256 in known:
                    continue
                if self._full():
                    return
                name = item.name or item.title or item.prompt[:60] or item.id
                new = Shot(self._new_id(), shown_name(name))
                self._sources[new.id] = Source("item", item.id, name)
                self._later(new, self._from_gallery(item.id))

    def add_url(self, url: str) -> None:
        """A photo from an address, where the owner allowed that."""
        with self._guarded():
            if not self.allow_urls:
                msg = (
                    "Photos from addresses are off: set PLAYGROUND_ALLOW_URLS=1 where the page "
                    "is started. Nothing was asked."
                )
                raise InvalidRequest(msg)
            if not self._full():
                new = Shot(self._new_id(), shown_name(url))
                self._later(new, lambda shot: self._intake.from_address(shot, url.strip()))

    def sources(self) -> tuple[Source, ...]:
        """Where the photos on the page came from, for a page that is loaded again."""
        found = []
        for shot in self._known.values():
            item = self._item_of(shot.id)
            source = self._sources.get(shot.id)
            if item is not None:
                found.append(Source("item", item, shot.name))
            elif source is not None and shot.ready:
                found.append(source)
        return tuple(found)

    def restore(self, sources: Sequence[Source]) -> None:
        """The photos of a page that was loaded again, with the answers that the gallery has.

        Nothing happens where photos are here already: the kernel is the same one.
        """
        with self._guarded():
            if self._known:
                return
            lost = []
            for source in sources[:MAX_SHOTS]:
                try:
                    self._restored(source)
                except PlaygroundError:
                    lost.append(source.name)
            if lost:
                names = ", ".join(shown_name(name) for name in lost[:5])
                msg = f"No longer there after the reload, add them again: {names}."
                raise PhotoProblem(msg)
            self._tell_waiting()

    def bring_waiting(self) -> None:
        """Put the uploads that wait in the gallery onto this page."""
        with self._guarded():
            for path, _ in self._intake.waiting():
                if self._full():
                    break
                self._restored(Source("upload", str(path), path.name))
            self._tell_waiting()

    def drop_waiting(self) -> None:
        """Remove the uploads that wait in the gallery and are not on this page."""
        with self._guarded():
            for path, _ in self._intake.waiting():
                self._intake.uploads.drop(path)
            self._tell_waiting()

    def _tell_waiting(self) -> None:
        found = self._intake.waiting()
        self.waiting = Waiting(len(found), sum(size for _, size in found))

    def _uploads_folder(self) -> Path | None:
        try:
            return self._store.uploads_folder()
        except PlaygroundError:
            return None

    def _restored(self, source: Source) -> None:
        shot = Shot(self._new_id(), shown_name(source.name))
        if source.kind == "item":
            self._store.item(source.place)
            self._sources[shot.id] = source
            work = self._from_gallery(source.place)
            self._later(shot, lambda one: self._with_answers(work(one), source.place))
            return
        path = Path(source.place)
        if not path.is_file():
            raise PhotoProblem(source.name)
        self._sources[shot.id] = source
        if source.kind == "upload":
            self._later(shot, lambda one: self._intake.adopted(one, path))
        else:
            self._later(shot, partial(self._intake.measured, path=path))

    def remove(self, shot_id: str) -> None:
        """Take a photo off the page; what the gallery holds of it stays."""
        with self._guarded():
            self._known.pop(shot_id, None)
            self._sources.pop(shot_id, None)
            self._intake.forget([shot_id])
            self._forgotten(shot_id)
            self._announce()

    def _settle_uploads(self) -> None:
        """An upload that has become an item is read from there: it need not wait any more."""
        for shot_id, shot in list(self._known.items()):
            item_id, source = self._item_of(shot_id), self._sources.get(shot_id)
            if shot.photo is None or item_id is None or source is None or source.kind != "upload":
                continue
            path = self._store.original_path(item_id)
            if path.is_file():
                self._known[shot_id] = replace(shot, photo=replace(shot.photo, path=path))
                self._sources[shot_id] = Source("item", item_id, source.name)
                self._intake.forget([shot_id])

    # -- within --------------------------------------------------------------------------------

    def _put(self, shot: Shot) -> None:
        self._known[shot.id] = shot
        if shot.ready and shot.id not in self._sources and shot.photo and shot.photo.path:
            self._sources[shot.id] = Source("upload", str(shot.photo.path), shot.name)
        self.shot = replace(shot)
        if shot.ready or shot.problem or not shot.received:
            self._changed(shot)

    def _later(self, shot: Shot, work: Callable[[Shot], Shot]) -> None:
        """Show the photo's name now, and the photo when it was read."""
        coming = replace(shot, expected=1)
        self._put(coming)
        self._submit(lambda: self._read(coming, work))

    def _from_gallery(self, item_id: str) -> Callable[[Shot], Shot]:
        return lambda shot: self._intake.from_gallery(self._store, shot, item_id)

    def _read(self, shot: Shot, work: Callable[[Shot], Shot]) -> None:
        """Decode a photo, on whatever thread, while the page stays usable."""
        try:
            done = work(shot)
        except PlaygroundError as problem:
            done = replace(shot, problem=str(problem))
        except Exception as bug:
            done = replace(shot, problem=f"It could not be read ({type(bug).__name__}).")
        with self._guarded():
            if shot.id in self._known:
                self._put(done)
                if done.ready:
                    self._came(shot.id)

    def _full(self) -> bool:
        if len(self._known) < MAX_SHOTS:
            return False
        self.trouble = Trouble(f"The page holds at most {MAX_SHOTS} photos; the rest was left out.")
        return True

    def _new_id(self) -> str:
        self._number += 1
        return f"s{self._number}"


# -------------------------------------------------------------------------------------------------


def _threads() -> Submit:
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="captions")
    return pool.submit
