"""Photos on their way to a page: uploaded in pieces, from a folder, the gallery or an address.

Every photo is decoded once (in the guarded child) before it is offered: a file that is no
picture, is cut short, or is made to exhaust memory is a sentence beside its name, nothing more.
"""

from __future__ import annotations

import shutil
import tempfile
import unicodedata
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from playground import photos
from playground.errors import PhotoProblem, PlaygroundError
from playground.photos.fetch import fetch
from playground.store import Gallery
from playground.values import Photo

MAX_SHOTS = 200
PREVIEW_PX = 960
_MAX_NAME_BYTES = 120


@dataclass(frozen=True, eq=False, slots=True)
class Shot:
    """A photo on the page: `photo` once it is measured, `problem` where it cannot be used.

    `received` and `expected` are bytes of an upload under way. `preview` is a small WebP.
    """

    id: str
    name: str
    photo: Photo | None = None
    problem: str = ""
    preview: bytes | None = field(default=None, repr=False)
    received: int = 0
    expected: int = 0

    @property
    def ready(self) -> bool:
        """Whether it can be sent."""
        return self.photo is not None and not self.problem


class Intake:
    """Takes photos in, into a private folder that is gone with the page."""

    def __init__(self, fetcher: Callable[[str], tuple[str, bytes]] = fetch) -> None:
        self._fetch = fetcher
        self._folder: Path | None = None
        self._forget_all: Callable[[], object] | None = None
        self._number = 0
        self._paths: dict[str, Path] = {}

    def begin(self, shot_id: str, name: str, size_bytes: int) -> Shot:
        """Make room for an upload; a refusal is in the shot."""
        shot = Shot(shot_id, shown_name(name), expected=size_bytes)
        if size_bytes <= 0:
            return replace(shot, problem="The file is empty.")
        if size_bytes > photos.MAX_FILE_BYTES:
            most = photos.MAX_FILE_BYTES / 1e6
            return replace(
                shot,
                problem=f"The file has {size_bytes / 1e6:.0f} MB; at most {most:.0f} MB are read.",
            )
        path = self._path(name)
        path.touch()
        self._paths[shot_id] = path
        return shot

    def take(self, shot: Shot, offset: int, piece: bytes) -> Shot:
        """The next piece of an upload; pieces come in order."""
        path = self._paths.get(shot.id)
        if path is None or offset != shot.received or offset + len(piece) > shot.expected:
            return self._dropped(shot, "The upload lost its place; add the photo again.")
        try:
            with path.open("ab") as file:
                file.write(piece)
        except OSError as problem:
            why = problem.strerror or type(problem).__name__
            return self._dropped(shot, f"The photo could not be kept ({why}).")
        return replace(shot, received=offset + len(piece))

    def complete(self, shot: Shot) -> Shot:
        """A complete upload, measured."""
        return self.measured(shot, self._paths[shot.id])

    def measured(self, shot: Shot, path: Path) -> Shot:
        """The shot with its size and a preview, or with the reason why it has none."""
        try:
            photo = photos.measure(path)
            # All pixels are decoded here, so that what cannot be sent is known before it is tried.
            upload = photos.prepare(photo, resize=PREVIEW_PX)
            preview, _ = photos.thumbnail(upload.data, edge_px=PREVIEW_PX)
        except PhotoProblem as problem:
            return self._dropped(shot, _plain(str(problem), path, shot.name))
        return replace(shot, photo=photo, preview=preview, problem="")

    def adopted(self, shot: Shot, path: Path) -> Shot:
        """A photo that another kernel of this page took in, copied."""
        try:
            mine = self._keep(shot.name, path.read_bytes())
        except OSError:
            return replace(shot, problem="It is no longer there; add it again.")
        return self.measured(shot, mine)

    def folder(self, place: str) -> list[Path]:
        """The first photos of a folder; PhotoProblem when it is none."""
        found: list[Path] = []
        if not place.strip():
            msg = "Write the path of a folder on the machine that runs this page."
            raise PhotoProblem(msg)
        for path in photos.scan(Path(place.strip()).expanduser()):
            found.append(path)
            if len(found) >= MAX_SHOTS:
                break
        if not found:
            msg = f"There are no photos in {place.strip()}."
            raise PhotoProblem(msg)
        return found

    def from_gallery(self, gallery: Gallery, shot: Shot, item_id: str) -> Shot:
        """An item of the gallery, by its own file."""
        try:
            path = gallery.original_path(item_id)
            if not path.is_file():
                path = self._keep(shot.name, gallery.original(item_id))
        except PlaygroundError as problem:
            return replace(shot, problem=str(problem))
        return self.measured(shot, path)

    def from_address(self, shot: Shot, url: str) -> Shot:
        """A photo from the web."""
        try:
            name, data = self._fetch(url)
        except PhotoProblem as problem:
            return replace(shot, problem=str(problem))
        shot = replace(shot, name=shown_name(name))
        return self.measured(shot, self._keep(name, data))

    def forget(self, shot_ids: Iterable[str]) -> None:
        """Remove the files of uploads that are not needed any more."""
        for shot_id in shot_ids:
            path = self._paths.pop(shot_id, None)
            if path is not None:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything that was taken in."""
        if self._forget_all is not None:
            self._forget_all()
            self._folder = None

    def _keep(self, name: str, data: bytes) -> Path:
        path = self._path(name)
        path.write_bytes(data)
        return path

    def _dropped(self, shot: Shot, why: str) -> Shot:
        self.forget([shot.id])
        return replace(shot, problem=why, photo=None, preview=None)

    def _path(self, name: str) -> Path:
        """A new file that keeps the photo's name, alone in a folder of its own."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="halfpenny-photos-"))
            # Also when the kernel ends, or the page is dropped without a word.
            self._forget_all = weakref.finalize(self, shutil.rmtree, self._folder, True)
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        return folder / file_name(name)


def shown_name(name: str) -> str:
    """A file's name for the page: its last part, one line, no control or direction marks."""
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(
        c for c in last if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    return clean.strip()[:200] or "photo"


def file_name(name: str) -> str:
    """A name that every file system takes, with the ending kept."""
    shown = shown_name(name).lstrip(".") or "photo"
    stem, dot, ending = shown.rpartition(".")
    if not dot or len(ending.encode()) > 8:
        stem, dot, ending = shown, "", ""
    room = _MAX_NAME_BYTES - len(ending.encode()) - 1
    return stem.encode()[:room].decode(errors="ignore") + dot + ending


def _plain(why: str, path: Path, name: str) -> str:
    """The reason without the private path; the page shows it beside the name."""
    for part in (str(path), path.name):
        why = why.removeprefix(f"{part}: ").replace(part, name)
    return why[:1].upper() + why[1:] + ("" if why.endswith(".") else ".")
