"""The pictures that strangers get: encoded anew, in a few sizes, under neutral names."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playground import photos
from playground.publish.entries import Entry
from playground.size import Size

What = Literal["small", "medium", "large", "social"]
# What changes the bytes of pictures that are published already raises this.
ENCODING = 1
_BOXES: dict[What, photos.Box] = {
    "small": photos.Box(1440, 360, "webp", 76),  # a row of the wall, also on a dense screen
    "medium": photos.Box(1600, 1600, "webp", 80),  # the lightbox
    "large": photos.Box(4096, 4096, "webp", 84),  # zoomed in, and around in a panorama
    "social": photos.Box(1200, 1200, "jpeg", 82),  # previews of links: not all of them read WebP
}
_LETTER: dict[What, str] = {"small": "s", "medium": "m", "large": "l", "social": "p"}


@dataclass(frozen=True, slots=True)
class Picture:
    """One published file of an item; `name` is its file's."""

    item: str
    what: What
    name: str
    width_px: int
    height_px: int
    size_bytes: int


def name_of(item_id: str, what: What) -> str:
    """The file's name: the neutral id and one letter for the size."""
    return f"{item_id}-{_LETTER[what]}.{'jpg' if what == 'social' else 'webp'}"


def make(entry: Entry, original: bytes, folder: Path) -> list[Picture]:
    """Write the copies of one original; the large one only where it shows more than the medium.

    Raises:
        PhotoProblem: when the original cannot be decoded; nothing is left behind then.
    """
    medium = _BOXES["medium"]
    more = max(entry.width_px, entry.height_px) > max(medium.width_px, medium.height_px)
    wanted: list[What] = ["small", "medium", *(["large"] if more else []), "social"]  # type: ignore[list-item]
    copies = photos.copies(original, [_BOXES[what] for what in wanted])
    made = []
    for what, (data, size) in zip(wanted, copies, strict=True):
        made.append(_keep(entry.id, what, data, size, folder))
    return made


def _keep(item: str, what: What, data: bytes, size: Size, folder: Path) -> Picture:
    name = name_of(item, what)
    (folder / name).write_bytes(data)
    return Picture(item, what, name, size.width_px, size.height_px, len(data))


def take_over(pictures: list[Picture], source: Path, folder: Path) -> bool:
    """Take the pictures of an earlier snapshot along; False when one is not as it was made.

    Linked where the file system can: published pictures are never changed in place.
    """
    for picture in pictures:
        there = source / picture.name
        if there.is_symlink() or not there.is_file():
            return False
        if there.stat().st_size != picture.size_bytes:
            return False
    for picture in pictures:
        try:
            os.link(source / picture.name, folder / picture.name)
        except OSError:
            shutil.copyfile(source / picture.name, folder / picture.name)
    return True
