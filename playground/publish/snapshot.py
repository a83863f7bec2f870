"""Snapshots on disk: made beside their place and put there in one step, replaced and taken back."""

from __future__ import annotations

import contextlib
import ctypes
import datetime as dt
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from playground import photos
from playground.errors import GalleryProblem, InvalidRequest, PhotoProblem
from playground.publish import boards as challenges
from playground.publish import database, pictures, site
from playground.publish.boards import Board
from playground.publish.choosing import Selection, neutral_id, preview
from playground.publish.entries import DEFAULT_FIELDS, FIELDS, Entry
from playground.publish.pictures import Picture
from playground.store import Gallery

MARKER = "snapshot.json"
SITE = "site"
PICTURES = "pictures"
DEFAULT_TITLE = "Halfpenny gallery"
MAX_TITLE_CHARS = 120
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a snapshot says about itself: its title, the address of its site (or ""), its fields,
    and its challenge boards.
    """

    title: str
    base_url: str
    fields: tuple[str, ...]
    boards: tuple[Board, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """A snapshot that was made: where it is, what is in it, and what could not be taken.

    `missing` names items (by their id in the gallery) whose original is gone or unreadable, with
    the reason; they are not in the snapshot.
    """

    folder: Path
    count: int
    encoded: int
    reused: int
    size_bytes: int
    fields: tuple[str, ...]
    missing: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    boards: tuple[Board, ...] = ()

    @property
    def site(self) -> Path:
        """The folder to put on a web host; its `index.html` opens by itself, too."""
        return self.folder / SITE

    @property
    def index(self) -> Path:
        """The page to open in a browser."""
        return self.site / "index.html"


class Snapshot:
    """A published folder, opened for reading.

    Raises:
        GalleryProblem: when it is none, is damaged, or was made by a newer Halfpenny.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser().absolute()
        if not (self.folder / database.NAME).is_file():
            msg = (
                f"There is no published snapshot in {self.folder}; make one with "
                "`playground gallery publish --all DEST`."
            )
            raise GalleryProblem(msg)
        self.reader = database.Reader(self.folder / database.NAME)
        meta = self.reader.meta
        self.settings = Settings(
            meta.get("title", DEFAULT_TITLE),
            meta.get("base_url", ""),
            tuple(json.loads(meta.get("fields", "[]"))),
            challenges.read(meta.get("boards", "[]")),
        )
        self.encoding = meta.get("encoding", "")

    @property
    def pictures(self) -> Path:
        """The folder of the published pictures."""
        return self.folder / SITE / PICTURES

    def files_of(self, ids: Sequence[str]) -> dict[str, list[Picture]]:
        """The published files of entries, by their neutral ids."""
        found: dict[str, list[Picture]] = {}
        for start in range(0, len(ids), 500):
            rows = self.reader.pictures(ids[start : start + 500])
            for item, files in rows.items():
                found[item] = [
                    Picture(item, what, *file)  # type: ignore[arg-type]
                    for what, file in files.items()
                ]
        return found

    def close(self) -> None:
        """Close its database."""
        self.reader.close()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def publish(
    gallery: Gallery,
    selection: Selection,
    fields: Collection[str] = DEFAULT_FIELDS,
    dest: str | Path = "published",
    *,
    title: str | None = None,
    base_url: str | None = None,
    add: bool = False,
    boards: Sequence[str] = (),
    progress: Progress | None = None,
) -> Published:
    """Make the snapshot `dest` of the chosen items and fields, or replace the one that is there.

    The new folder appears in one step: a visitor sees the old one or the new one, and a
    publication that fails leaves what was there. Pictures that are published already are not
    encoded again. Use `preview` to see beforehand what strangers get.

    Args:
        gallery: whose items; it is only read.
        selection: which items, in the order in which they are shown.
        fields: what goes along with the pictures (`FIELDS`).
        dest: a new folder, an empty one, or an earlier snapshot, which is then replaced.
        title: stands above the pictures; without one, that of the snapshot that is replaced.
        base_url: where the site will be (`https://example.org/pictures/`), for absolute links in
            social previews and feeds; "" makes them relative, None leaves them as they were.
        add: keep what is in the snapshot, with the fields and the places on boards that it has,
            and put these items first.
        boards: the challenge boards to publish, as for `preview`.
        progress: is told how many of how many pictures are ready.

    Raises:
        InvalidRequest: for an unknown field, an unusable address, or nothing to publish.
        GalleryProblem: when `dest` holds something else, or cannot be written.
    """
    where = Path(dest).expanduser().absolute()
    shown = preview(gallery, selection, fields, boards)
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(Snapshot(where)) if _is_snapshot(where) else None
        before = old.settings if old is not None else Settings(DEFAULT_TITLE, "", ())
        settings = Settings(
            before.title if title is None else _title(title),
            before.base_url if base_url is None else _base_url(base_url),
            shown.fields,
            shown.boards,
        )
        entries = list(shown.entries)
        if add and old is not None:
            known = {entry.id for entry in entries}
            entries += staying(old, entries)
            both = {*old.settings.fields, *shown.fields}
            settings = replace(
                settings,
                fields=tuple(name for name in FIELDS if name in both),
                boards=challenges.merged(shown.boards, old.settings.boards, known),
            )
        with _replacing(where) as folder:
            made = _Making(gallery, shown.private_ids, old, folder, progress)
            files = made.all(entries)
            if old is not None:
                old.close()  # an open file would keep its folder in place on some systems
            kept = [entry for entry in entries if entry.id in files]
            if not kept:
                msg = f"None of the items could be published: {made.missing[0][1]}."
                raise GalleryProblem(msg)
            size = _finish(folder, settings, kept, files)
    kept_ids = {entry.id for entry in kept}
    return Published(
        folder=where,
        count=len(kept),
        encoded=made.encoded,
        reused=made.reused,
        size_bytes=size,
        fields=shown.fields,
        missing=tuple(made.missing),
        notices=shown.notices,
        boards=challenges.without(settings.boards, kept_ids),
    )


def staying(snapshot: Snapshot, chosen: Collection[Entry]) -> list[Entry]:
    """What of a snapshot stays as it is when `chosen` is added: strangers get both."""
    again = {entry.id for entry in chosen}
    return [entry for entry in snapshot.reader.entries() if entry.id not in again]


def unpublish(
    dest: str | Path,
    ids: Sequence[str] = (),
    *,
    gallery: Gallery | None = None,
    everything: bool = False,
) -> int:
    """Take items out of a snapshot, or the whole snapshot away; how many items were in question.

    Originals and the gallery are not touched. What visitors or search engines have copied before
    is out of reach, and so is a copy on a web host until the folder is uploaded again.

    Args:
        dest: the snapshot's folder.
        ids: published ids (as in the address of a picture), or ids of `gallery`'s items.
        gallery: whose ids are meant.
        everything: remove the folder.

    Raises:
        GalleryProblem: when it is no snapshot, or an id is not in it; nothing is changed then.
    """
    where = Path(dest).expanduser().absolute()
    if everything:
        with Snapshot(where) as old:
            count = sum(1 for _ in old.reader.entries())
        _remove(where)
        return count
    if not ids:
        msg = "say what to take back: ids, or everything"
        raise InvalidRequest(msg)
    with Snapshot(where) as old:
        entries = list(old.reader.entries())
        gone = {_published_id(each, entries, gallery) for each in ids}
        kept = [_without_parent(entry, gone) for entry in entries if entry.id not in gone]
        if not kept:
            old.close()
            _remove(where)
            return len(gone)
        with _replacing(where) as folder:
            files = _Making(gallery, {}, old, folder, None).all(kept)
            old.close()
            _finish(folder, old.settings, [e for e in kept if e.id in files], files)
    return len(gone)


def _published_id(wanted: str, entries: Sequence[Entry], gallery: Gallery | None) -> str:
    known = {entry.id for entry in entries}
    if wanted in known:
        return wanted
    if gallery is not None:
        # An item in the trash may still be published.
        neutral = neutral_id(gallery, gallery.item(wanted).id)
        if neutral in known:
            return neutral
    msg = f"{wanted[:80]!r} is not in this snapshot; nothing was changed"
    raise GalleryProblem(msg)


def _without_parent(entry: Entry, gone: set[str]) -> Entry:
    if entry.parent not in gone:
        return entry
    return Entry.from_dict({**entry.to_dict(), "parent": None})


class _Making:
    """The pictures of a new snapshot: taken over from the old one where they are there."""

    def __init__(
        self,
        gallery: Gallery | None,
        private_ids: Mapping[str, str],
        old: Snapshot | None,
        folder: Path,
        progress: Progress | None,
    ) -> None:
        self.gallery, self.private_ids, self.old = gallery, private_ids, old
        self.progress = progress
        self.place = folder / SITE / PICTURES
        self.place.mkdir(parents=True)
        self.encoded = self.reused = 0
        self.missing: list[tuple[str, str]] = []

    def all(self, entries: Sequence[Entry]) -> dict[str, list[Picture]]:
        old: dict[str, list[Picture]] = {}
        if self.old is not None and self.old.encoding == str(pictures.ENCODING):
            old = self.old.files_of([entry.id for entry in entries])
        found: dict[str, list[Picture]] = {}
        with ThreadPoolExecutor(photos.WORKERS) as pool:
            jobs = pool.map(lambda entry: self._one(entry, old.get(entry.id, [])), entries)
            for entry, made in zip(entries, jobs, strict=True):
                if made:
                    found[entry.id] = made
                if self.progress:
                    self.progress(len(found) + len(self.missing), len(entries))
        return found

    def _one(self, entry: Entry, old: list[Picture]) -> list[Picture]:
        if old and self.old and pictures.take_over(old, self.old.pictures, self.place):
            self.reused += 1
            return old
        item_id = self.private_ids.get(entry.id)
        try:
            if self.gallery is None or item_id is None:
                msg = "its published pictures are damaged; publish it again"
                raise GalleryProblem(msg)
            made = pictures.make(entry, self.gallery.original(item_id), self.place)
        except (GalleryProblem, PhotoProblem) as problem:
            self.missing.append((item_id or entry.id, str(problem).rstrip(".")))
            return []
        self.encoded += 1
        return made


def _finish(
    folder: Path,
    settings: Settings,
    entries: Sequence[Entry],
    files: Mapping[str, Sequence[Picture]],
) -> int:
    """Database, site and marker of a folder that has its pictures; its size in bytes."""
    made_at = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ids = {entry.id for entry in entries}
    boards = challenges.without(settings.boards, ids)
    meta = {
        "title": settings.title,
        "base_url": settings.base_url,
        "fields": json.dumps(settings.fields),
        "encoding": str(pictures.ENCODING),
        "published": made_at.isoformat(),
        "count": str(len(entries)),
        "boards": json.dumps([board.to_dict() for board in boards]),
    }
    entries = [e if e.parent in ids else _without_parent(e, {str(e.parent)}) for e in entries]
    every = [picture for entry in entries for picture in files[entry.id]]
    database.write(folder / database.NAME, meta, entries, every)
    site.write(
        folder / SITE,
        entries,
        files,
        title=settings.title,
        base_url=settings.base_url,
        fields=settings.fields,
        published=made_at,
        boards=boards,
    )
    marker = {"halfpenny_snapshot": database.VERSION, "count": len(entries), **meta}
    (folder / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _title(title: str) -> str:
    return site.one_line(title)[:MAX_TITLE_CHARS] or DEFAULT_TITLE


def _base_url(url: str) -> str:
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        msg = f"the address of the site begins with https:// and names a host; {url!r} does not"
        raise InvalidRequest(msg)
    clean = url.partition("#")[0].partition("?")[0]
    return clean if clean.endswith("/") else clean + "/"


def _is_snapshot(folder: Path) -> bool:
    return (folder / MARKER).is_file() and (folder / database.NAME).is_file()


def _remove(folder: Path) -> None:
    """Take a snapshot away: out of sight in one step, then file by file."""
    aside = folder.with_name(f".{folder.name}.gone-{secrets.token_hex(4)}")
    folder.rename(aside)
    shutil.rmtree(aside)


@contextlib.contextmanager
def _replacing(where: Path) -> Iterator[Path]:
    """A new folder beside `where`, which takes its place in one step when the block succeeds."""
    if where.is_symlink() or (where.exists() and not where.is_dir()):
        msg = f"{where} is not a folder; choose another place for the snapshot."
        raise GalleryProblem(msg)
    if where.is_dir() and any(where.iterdir()) and not _is_snapshot(where):
        msg = (
            f"{where} holds something that is not a snapshot, and nothing in it was changed; "
            "choose a new folder."
        )
        raise GalleryProblem(msg)
    fresh = where.with_name(f".{where.name}.new-{secrets.token_hex(4)}")
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir(mode=0o755)
    except OSError as error:
        msg = f"The snapshot's folder {where} cannot be made: {error.strerror}."
        raise GalleryProblem(msg) from error
    try:
        yield fresh
        _swap(fresh, where)
    except OSError as error:
        msg = f"The snapshot {where} could not be written ({error.strerror}); it is as it was."
        raise GalleryProblem(msg) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # nothing, or what was there before


def _swap(fresh: Path, where: Path) -> None:
    """Put `fresh` in the place of `where`; afterwards `fresh` is what was there, or nothing."""
    if not where.exists():
        fresh.rename(where)
    elif not _exchange(fresh, where):
        aside = where.with_name(f".{where.name}.old-{secrets.token_hex(4)}")
        where.rename(aside)
        try:
            fresh.rename(where)
        except OSError:
            aside.rename(where)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, where the system can (Linux); else False."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
