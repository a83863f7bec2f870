"""Photos on their way to a page: uploaded in pieces, from a folder, the gallery or an address.

Every photo is decoded once (in the guarded child) before it is offered: a file that is no
picture, is cut short, or is made to exhaust memory is a sentence beside its name, nothing more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from playground import photos
from playground.errors import PhotoProblem, PlaygroundError
from playground.photos.fetch import fetch
from playground.state.uploads import MAX_WAITING_BYTES, Uploads
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
    """Takes photos in, into the folder where uploads wait."""

    def __init__(
        self,
        fetcher: Callable[[str], tuple[str, bytes]] = fetch,
        place: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._fetch = fetcher
        self.uploads = Uploads(place)
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
        room = self.uploads.room()
        if size_bytes > room:
            problem = (
                f"Uploads wait here until they are captioned, and {MAX_WAITING_BYTES / 1e9:.0f} GB "
                f"is the most; {max(room, 0) / 1e6:.0f} MB are left. Caption or remove some first."
            )
            return replace(shot, problem=problem)
        path = self.uploads.new(file_name(name))
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
        self._paths[shot.id] = self.uploads.finish(self._paths[shot.id])
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
        """A photo that another kernel of this page took in; copied where it does not wait here."""
        if self.uploads.holds(path):
            self._paths[shot.id] = path
            return self.measured(shot, path)
        try:
            mine = self._keep(shot, path.read_bytes())
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
                path = self._keep(shot, gallery.original(item_id), waits=False)
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
        return self.measured(shot, self._keep(shot, data))

    def forget(self, shot_ids: Iterable[str]) -> None:
        """Remove the files of uploads that are not needed any more."""
        for shot_id in shot_ids:
            path = self._paths.pop(shot_id, None)
            if path is not None:
                self.uploads.drop(path)

    def waiting(self) -> list[tuple[Path, int]]:
        """Uploads that wait and are not on this page, with their bytes."""
        return self.uploads.others(set(self._paths.values()))

    def close(self) -> None:
        """Remove what does not wait in the gallery."""
        self.uploads.close()

    def _keep(self, shot: Shot, data: bytes, *, waits: bool = True) -> Path:
        path = self.uploads.new(file_name(shot.name), whole=True, keep=waits)
        path.write_bytes(data)
        self._paths[shot.id] = path
        return path

    def _dropped(self, shot: Shot, why: str) -> Shot:
        self.forget([shot.id])
        return replace(shot, problem=why, photo=None, preview=None)


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
