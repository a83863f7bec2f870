"""Taking things in: `Import(gallery)` and then folders, pictures, archives, tables, logs.

Pictures are measured, hashed, read and made small by a few threads; a few at a time are written
in one transaction. What cannot be read is listed with its reason, and everything else goes on.
"""

from __future__ import annotations

import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from playground import photos
from playground.errors import GalleryProblem, PhotoProblem, PlaygroundError
from playground.exports import fields
from playground.imports import llm_logs, tables, words
from playground.imports.archive import Archive
from playground.size import Size
from playground.store import Gallery, Imported, Words
from playground.store.records import KINDS
from playground.values import GalleryItem, Task

_BATCH_ITEMS = 32
_BATCH_BYTES = 48 << 20
_AHEAD = 4
_METADATA = "gallery.json"
_MAX_SIDECAR_BYTES = 1 << 20
_MAX_REFUSED = 10_000


@dataclass(slots=True)
class Outcome:
    """What an import did so far.

    `items` are the new ones, `known` counts pictures that were there, `updated` items that gained
    or changed words, `refused` are (what, why), `sources` counts metadata by tool.
    """

    items: list[GalleryItem] = field(default_factory=list)
    new: int = 0
    known: int = 0
    updated: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Everything that was looked at."""
        return self.new + self.known + self.updated + len(self.refused)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `playground gallery import --json`."""
        return {
            "items": [item.to_dict() for item in self.items],
            "already_there": self.known,
            "updated": self.updated,
            "refused": [{"path": what, "why": why} for what, why in self.refused],
            "sources": dict(self.sources.most_common()),
        }


@dataclass(frozen=True, slots=True)
class _Ready:
    """A picture read and understood by a thread, or the reason why not."""

    name: str
    one: Imported | None = None
    data: bytes = field(default=b"", repr=False)
    known: words.Known | None = None
    why: str = ""


class Import:
    """One import into a gallery; `outcome` grows while it runs.

    Args:
        gallery: open for writing.
        keep_items: remember the new items themselves (for JSON), not only their number.
        on_progress: called now and then with the outcome so far.
    """

    def __init__(
        self,
        gallery: Gallery,
        *,
        keep_items: bool = False,
        on_progress: Callable[[Outcome], None] | None = None,
    ) -> None:
        self.outcome = Outcome()
        self._gallery = gallery
        self._keep = keep_items
        self._on_progress = on_progress or (lambda _: None)

    def path(self, path: str | Path, *, follow: bool = False) -> Outcome:
        """Take in whatever is there: a folder, a picture, a zip, a table, a log of llm.

        `follow` also reads the photos that a log of llm names by their path.

        Raises:
            PhotoProblem, GalleryProblem: when it is nothing of these.
        """
        place = Path(path)
        suffix = place.suffix.lower()
        if place.is_dir():
            self.folder(place)
        elif not place.exists():
            msg = f"{place} is missing"
            raise PhotoProblem(msg)
        elif suffix in {".csv", ".tsv", ".json", ".jsonl"}:
            self.table(place)
        elif suffix == ".zip":
            self.archive(place)
        elif suffix in {".tar", ".tgz", ".gz", ".xz", ".bz2", ".7z", ".rar"}:
            msg = f"{place.name} is not read; unpack it yourself, or make a zip of it"
            raise PhotoProblem(msg)
        elif llm_logs.is_sqlite(place):
            self.llm(place, follow=follow)
        else:
            self.pictures([place])
        return self.outcome

    def folder(self, folder: Path) -> None:
        """All pictures below a folder; linked folders once, hidden ones not.

        Raises:
            PhotoProblem: when there is no such folder.
        """
        self.pictures(photos.scan(folder, on_problem=lambda path, why: self._refuse(path, why)))

    def pictures(self, paths: Iterable[Path]) -> None:
        """Picture files, each with its XMP sidecar where it has one."""
        self._take(self._ahead(paths, self._picture))

    def _picture(self, path: Path) -> _Ready:
        photo = photos.measure(path)
        if self._gallery.find_photo(str(photo.sha256)):
            return _Ready(path.name)
        _, data = photos.read(photo)
        return self._ready(path.name, replace(photo, path=None), data, _sidecar(path))

    def _ready(self, name: str, photo: Any, data: bytes, sidecar: bytes = b"") -> _Ready:
        known = words.about(data, str(photo.format), sidecar)
        small = photos.thumbnail(data)
        return _Ready(name, _imported(photo, name, known, small), data, known)

    def _ahead(self, paths: Iterable[Path], work: Callable[[Path], _Ready]) -> Iterator[_Ready]:
        """Work on some paths ahead of what is taken, in their order."""

        def one(path: Path) -> _Ready:
            try:
                return work(path)
            except PlaygroundError as problem:
                return _Ready(str(path), why=str(problem))

        with ThreadPoolExecutor(photos.WORKERS) as threads:
            window: deque[Future[_Ready]] = deque()
            try:
                for path in paths:
                    window.append(threads.submit(one, path))
                    if len(window) >= _AHEAD * photos.WORKERS:
                        yield window.popleft().result()
                while window:
                    yield window.popleft().result()
            finally:
                for waiting in window:
                    waiting.cancel()

    def _take(self, ready: Iterable[_Ready]) -> None:
        batch: list[tuple[Imported, bytes]] = []
        size = 0
        for one in ready:
            if one.why:
                self._refuse(one.name, one.why)
            elif one.one is None or self._is_ours(one.known):
                self.outcome.known += 1
            else:
                batch.append((one.one, one.data))
                size += len(one.data)
            if len(batch) >= _BATCH_ITEMS or size >= _BATCH_BYTES:
                self._store(batch)
                batch, size = [], 0
            self._on_progress(self.outcome)
        self._store(batch)
        self._on_progress(self.outcome)

    def _is_ours(self, known: words.Known | None) -> bool:
        """Whether a picture is a copy that was exported from this gallery."""
        if known is None or not known.own_id:
            return False
        try:
            return self._gallery.item(known.own_id).id == known.own_id
        except GalleryProblem:
            return False

    def _store(self, batch: list[tuple[Imported, bytes]]) -> None:
        if not batch:
            return
        for (one, _), (item, new) in zip(batch, self._gallery.take_in(batch), strict=True):
            if new:
                self.outcome.new += 1
                if one.source:
                    self.outcome.sources[one.source] += 1
                if self._keep:
                    self.outcome.items.append(item)
            else:
                self.outcome.known += 1

    def _refuse(self, what: object, why: str) -> None:
        if len(self.outcome.refused) < _MAX_REFUSED:
            self.outcome.refused.append((str(what), why))

    # -- archives ----------------------------------------------------------------------------

    def archive(self, path: Path) -> None:
        """A zip: our own exports with all their words, or anybody's with pictures in it.

        Raises:
            PhotoProblem: when it cannot be read, or is beyond the limits of `archive`.
        """
        with Archive(path) as opened, tempfile.TemporaryDirectory() as room:
            for name, why in opened.refused:
                self._refuse(f"{path.name}/{name}", why)
            about: dict[str, tables.Row] = {}
            if _METADATA in opened.names():
                with suppress(GalleryProblem):  # somebody's own file of that name
                    for row in tables.document(opened.read(_METADATA), _METADATA):
                        about[str(row.facts.get("file") or f"?{row.id}")] = row
            self._take(self._members(opened, about, Path(room)))
            for name, row in about.items():
                if name.startswith("?"):
                    self._annotate(row)

    def _members(
        self, opened: Archive, about: dict[str, tables.Row], room: Path
    ) -> Iterator[_Ready]:
        place = room / "picture"  # one name of ours for all of them
        # Our exports begin with the newest; what is taken in last is the newest here.
        for name in reversed(opened.names()) if about else opened.names():
            row = about.get(name)
            if name in {_METADATA, "items.csv", "README.txt"} or name.lower().endswith(".xmp"):
                continue
            if row is not None and self._find(row) is not None:
                self._annotate(row)
                continue
            try:
                data = opened.read(name)
                place.write_bytes(data)
                photo = replace(photos.measure(place), path=None)
                if self._gallery.find_photo(str(photo.sha256)):
                    yield _Ready(name)
                    continue
                bare = name.replace("\\", "/").rpartition("/")[2]
                ready = self._ready(bare, photo, data)
            except PlaygroundError as problem:
                why = str(problem).removeprefix(f"{place.name}: ")
                yield _Ready(name, why=why)
                continue
            if row is not None and ready.one is not None:
                ready = replace(ready, one=_from_facts(ready.one, row), known=None)
            yield ready

    # -- tables ------------------------------------------------------------------------------

    def table(self, path: Path) -> None:
        """Annotations from one of our own tables, for items that are here.

        Raises:
            GalleryProblem: when it is not an export of a gallery.
        """
        for row in tables.read(path):
            self._annotate(row)
            self._on_progress(self.outcome)

    def _find(self, row: tables.Row) -> GalleryItem | None:
        if row.id:
            with suppress(GalleryProblem):
                item = self._gallery.item(row.id)
                if item.id == row.id and row.sha256 in {"", item.sha256}:
                    return item
        return self._gallery.find_photo(row.sha256) if len(row.sha256) == 64 else None

    def _annotate(self, row: tables.Row) -> None:
        item = self._find(row)
        if item is None:
            self._refuse(row.id or row.sha256[:12] or "a row", "its picture is not in this gallery")
            return
        changes = dict(row.changes)
        if row.caption and row.caption != fields.caption_text(item):
            changes["caption"] = row.caption
        tag: tuple[str, ...] = ()
        untag: tuple[str, ...] = ()
        if row.tags is not None:
            tag = tuple(one for one in row.tags if one not in item.tags)
            untag = tuple(one for one in item.tags if one not in row.tags)
        try:
            changed = self._gallery.annotate(item.id, tag=tag, untag=untag, by="import", **changes)
            more = self._gallery.add_words(item.id, _not_own(row.captions))
        except PlaygroundError as problem:
            self._refuse(item.id, str(problem))
            return
        if changed.version != item.version or more:
            self.outcome.updated += 1
        else:
            self.outcome.known += 1

    # -- logs of llm -------------------------------------------------------------------------

    def llm(self, path: Path, *, follow: bool = False) -> None:
        """Pictures in a log of `llm` with what models said about them; no cost is claimed.

        Raises:
            GalleryProblem: when it is no such log.
        """
        with tempfile.TemporaryDirectory() as room:
            place = Path(room) / "picture"
            for asked in llm_logs.read(path):
                self._one_asked(asked, place, follow=follow)
                self._on_progress(self.outcome)

    def _one_asked(self, asked: llm_logs.Asked, place: Path, *, follow: bool) -> None:
        name = Path(asked.path.replace("\\", "/")).name or "picture"
        source = place
        if asked.content:
            place.write_bytes(asked.content)
        elif asked.path and follow:
            source = Path(asked.path)
        else:
            kind = "its address is not fetched" if asked.url else "it is named by a path only"
            more = "" if asked.url else "; --follow reads such photos"
            self._refuse(asked.url or asked.path or "an attachment", f"{kind}{more}")
            return
        try:
            photo = photos.measure(source)
            _, data = photos.read(photo)
            ready = self._ready(name, replace(photo, path=None), data)
        except PlaygroundError as problem:
            why = str(problem).removeprefix(f"{place.name}: ")
            self._refuse(name, why)
            return
        assert ready.one is not None
        if asked.made:
            one = replace(
                ready.one,
                kind="image",
                prompt=words.text(asked.prompt, words.MAX_PROMPT_CHARS),
                model=words.text(asked.model, 200, one_line=True) or None,
                source="llm",
            )
        else:
            text = words.caption_text(asked.answer)
            said = Words(text, _task(asked.prompt), asked.model or words.BY, at=asked.at)
            one = replace(
                ready.one, captions=(*ready.one.captions, said), source=ready.one.source or "llm"
            )
        there = self._gallery.find_photo(str(one.photo.sha256))
        if there is not None:
            if self._gallery.add_words(there.id, one.captions):
                self.outcome.updated += 1
            else:
                self.outcome.known += 1
            return
        self._store([(one, ready.data)])


def _task(prompt: str) -> Task:
    """Which of our tasks a question was, by its words."""
    asked = prompt.lower()
    if "alt text" in asked or "alt-text" in asked or "alternative text" in asked:
        return "alt"
    if "transcribe" in asked or "ocr" in asked.split() or "extract text" in asked:
        return "ocr"
    return "describe"


def _sidecar(path: Path) -> bytes:
    """The XMP file beside a photo, by either of the usual names; b"" without one."""
    for place in (path.with_name(f"{path.name}.xmp"), path.with_suffix(".xmp")):
        with suppress(OSError):
            if place.is_file() and place.stat().st_size <= _MAX_SIDECAR_BYTES:
                return place.read_bytes()
    return b""


def _imported(photo: Any, name: str, known: words.Known, small: tuple[bytes, Size]) -> Imported:
    return Imported(
        photo=photo,
        name=name,
        kind=known.kind,
        prompt=known.prompt,
        model=known.model,
        asked_size=known.asked_size,
        quality=known.quality,
        title=known.title,
        alt=known.alt,
        note=known.note,
        rating=known.rating,
        collection=known.collection,
        tags=known.tags,
        captions=known.captions,
        thumbnail=small,
        source=known.source,
        sample=known.sample,
    )


def _not_own(captions: Iterable[Words]) -> list[Words]:
    """Captions of models; the owner's own is an annotation, and changed as one."""
    return [one for one in captions if one.model != fields.OWNER]


def _from_facts(one: Imported, row: tables.Row) -> Imported:
    """A picture of one of our zips with what the zip says about it; nothing about money."""
    facts = row.facts

    def text(name: str) -> str:  # cut to its limit when it is stored, else as it was
        value = facts.get(name)
        return value if isinstance(value, str) else ""

    kind = facts.get("kind")
    return replace(
        one,
        name=text("name") or one.name,
        kind=kind if kind in KINDS else one.kind,
        prompt=text("prompt"),
        model=text("model") or None,
        asked_size=text("asked_size") or None,
        quality=text("quality") or None,
        title=text("title"),
        alt=text("alt"),
        note=text("note"),
        collection=text("collection"),
        rating=row.changes.get("rating") or 0,
        tags=words.tags(row.tags or ()),
        captions=row.captions,
        source="Halfpenny export",
        sample=facts.get("sample") is True,
    )
