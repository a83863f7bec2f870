"""Alt texts written back: pages that show captioned photos get them, every other byte stays.

In a copy of an HTML or Markdown file, a picture without alternative text gets the gallery's:
`<img>` without `alt` or with an empty one, `![](…)` and `![][ref]`. A text that is there is only
replaced when that is asked for. Which item a picture is, is told by the bytes of the file it
refers to; never by its name alone, unless `by_name` says so (for pages whose pictures were
resized or are elsewhere).
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playground import photos
from playground.captions import DECORATIVE
from playground.errors import GalleryProblem, PhotoProblem
from playground.exports import destination, fields
from playground.exports.rewriting import HTML, MARKDOWN, Find, fill
from playground.render import printable
from playground.store import Gallery
from playground.values import GalleryItem


@dataclass(frozen=True, slots=True)
class Filled:
    """What was done to one file: `filled` texts, `kept` ones, pictures `unknown` to the gallery."""

    path: str
    out: str
    filled: int = 0
    kept: int = 0
    unknown: int = 0

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "path": self.path,
            "out": self.out,
            "filled": self.filled,
            "kept": self.kept,
            "unknown": self.unknown,
        }


def fill_files(
    gallery: Gallery,
    paths: Iterable[str | Path],
    out: str | Path,
    *,
    replace_texts: bool = False,
    by_name: bool = False,
    reviewed: bool = False,
    force: bool = False,
) -> list[Filled]:
    """Copies of HTML and Markdown files in the folder `out`, with alternative texts filled in.

    Folders among `paths` are searched for such files, and keep their structure in `out`. With
    `reviewed`, only texts that a person wrote or accepted are used, not a model's drafts.

    Raises:
        GalleryProblem: for a file of another kind, one that is not text, or one that is there
            already (without `force`). The given files are never changed.
    """
    target = Path(out)
    done = []
    for source, below in _pages(paths):
        place = target / below
        if place.absolute() == source.absolute():
            msg = f"{source} would be overwritten; choose another folder with --out"
            raise GalleryProblem(msg)
        try:
            data = source.read_bytes()
        except OSError as error:
            msg = f"{source} cannot be read ({error.strerror}); nothing was written for it"
            raise GalleryProblem(msg) from error
        find = finder(gallery, source.parent, by_name=by_name, reviewed=reviewed)
        changed, told = fill(data, source.suffix, find, replace_texts=replace_texts)
        place.parent.mkdir(parents=True, exist_ok=True)
        with destination.file(place, force=force) as file:
            file.write(changed)
        done.append(Filled(str(source), str(place), told.filled, told.kept, told.unknown))
    return done


def _pages(paths: Iterable[str | Path]) -> Iterator[tuple[Path, Path]]:
    for path in map(Path, paths):
        if path.is_dir():
            for found in sorted(path.rglob("*")):
                if found.suffix.lower() in HTML | MARKDOWN and found.is_file():
                    yield found, found.relative_to(path)
        elif path.suffix.lower() in HTML | MARKDOWN:
            yield path, Path(path.name)
        else:
            msg = f"{path} is neither HTML (.html) nor Markdown (.md); nothing was done with it"
            raise GalleryProblem(msg)


def finder(
    gallery: Gallery, folder: Path, *, by_name: bool = False, reviewed: bool = False
) -> Find:
    """How to find the alternative text of a picture that a page in `folder` refers to."""
    known: dict[str, str | None] = {}

    def find(address: str) -> str | None:
        if address not in known:
            item = _item(gallery, folder, address, by_name=by_name)
            known[address] = None if item is None else text_for(item, reviewed=reviewed)
        return known[address]

    return find


def text_for(item: GalleryItem, *, reviewed: bool = False) -> str | None:
    """The alternative text of an item: its own, else a model's draft; None without one.

    A photo that a model or the owner called decorative has the empty text.
    """
    if not item.alt and "decorative" in item.tags:  # the owner's word, on the captions page
        return ""
    draft = None if reviewed else fields.best(item, "alt")
    text = " ".join((item.alt or (draft.text if draft else "")).split())
    if text.strip(" .\"'").upper() == DECORATIVE:
        return ""
    return printable(text) or None


def _item(gallery: Gallery, folder: Path, address: str, *, by_name: bool) -> GalleryItem | None:
    try:
        parts = urllib.parse.urlsplit(address.strip())
    except ValueError:
        return None
    name = urllib.parse.unquote(parts.path)
    if not parts.scheme and not parts.netloc and name and not name.startswith("/"):
        try:
            measured = photos.measure(folder / name)
            found = gallery.find_photo(str(measured.sha256))
        except (PhotoProblem, ValueError):
            found = None
        if found is not None:
            return found
    bare = name.rpartition("/")[2]
    if not bare or not by_name:
        return None
    # One item only, and by its whole name or its id, which copies are named by.
    hits = gallery.search(f'"{bare.rpartition(".")[0] or bare}"', limit=20)
    exact = [item for item in hits if item.name == bare]
    if len(exact) == 1:
        return exact[0]
    try:
        item = gallery.item(bare.partition(".")[0])
    except GalleryProblem:
        return None
    return item if item.id == bare.partition(".")[0] else None
