"""Copies of pictures with their words in them, sidecars beside them, all under neutral names.

A copy has the original's pixels bit for bit where that is possible (JPEG, PNG, WebP), and is
named by its item's id. The file's own metadata (GPS, serial numbers, maker notes, comments) do
not go along. `originals` gives the untouched files instead; then the words are in sidecars only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playground import money, photos
from playground.errors import GalleryProblem, PhotoProblem
from playground.exports import containers, destination, fields, iptc, xmp
from playground.exports.report import Exported, Notes
from playground.exports.selection import ALL, Selection
from playground.store import Gallery
from playground.values import GalleryItem

_EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
_GONE = "pictures have no file and were left out; `playground gallery verify` lists them"
_BROKEN = "pictures could not be decoded and were left out"
_RECODED = "pictures were re-encoded, because their format cannot be copied pixel for pixel"
_CREDENTIALS = (
    "pictures carry Content Credentials (C2PA), which a copy with other metadata cannot keep; "
    "--originals exports the untouched files"
)
_STILL = "pictures move; their copies show the first picture only"
_CUT = "pictures have texts too long for their file, which were cut there"


@dataclass(frozen=True, slots=True)
class Copy:
    """A picture as it leaves: its bytes and its neutral name."""

    data: bytes
    name: str


def to_copies(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.SHOWN | {"rating"},
    originals: bool = False,
    sidecars: bool = False,
    force: bool = False,
) -> Exported:
    """Fill a new folder with copies that carry XMP (and IPTC in JPEG), or with originals.

    Args:
        gallery: where the pictures are; it is only read.
        path: the folder; it must not exist, be empty, or `force` be given.
        chosen: which items.
        groups: what goes along (`fields.GROUPS`).
        originals: untouched files, with all that is in them (GPS included).
        sidecars: an `.xmp` file beside each picture.
        force: replace files of the same names in an existing folder.

    Raises:
        GalleryProblem: when the folder cannot be made, or an id is not there.
    """
    notes, count = Notes(), 0
    with destination.folder(Path(path), force=force) as folder:
        for item, copy in each_copy(gallery, chosen, groups, notes, originals=originals):
            if copy is None:
                continue
            (folder / copy.name).write_bytes(copy.data)
            if sidecars:
                packet, _ = xmp.packet(item, groups)
                (folder / f"{copy.name}.xmp").write_bytes(packet)
            count += 1
    return Exported(str(path), "xmp" if sidecars else "copies", count, notes.sentences())


def to_xmp(
    gallery: Gallery,
    path: str | Path,
    *,
    chosen: Selection = ALL,
    groups: frozenset[str] = fields.SHOWN | {"rating"},
    originals: bool = False,
    force: bool = False,
) -> Exported:
    """As `to_copies` with sidecars."""
    return to_copies(
        gallery,
        path,
        chosen=chosen,
        groups=groups,
        originals=originals,
        sidecars=True,
        force=force,
    )


def beside(
    gallery: Gallery,
    folder: str | Path,
    *,
    groups: frozenset[str] = fields.SHOWN | {"rating"},
    force: bool = False,
) -> Exported:
    """Write a sidecar beside each photo below `folder` that the gallery knows by its bytes.

    `IMG_1.JPG` gets `IMG_1.JPG.xmp`, as darktable, digiKam and Immich name them. Photos are only
    read; a sidecar that is there is left alone unless `force`.

    Raises:
        PhotoProblem: when there is no such folder.
        GalleryProblem: when a sidecar cannot be written.
    """
    notes, count = Notes(), 0
    found = photos.scan(Path(folder), on_problem=lambda path, why: notes.add(why, str(path)))
    for photo in photos.measure_many(found, with_hash=True):
        if isinstance(photo, tuple):
            notes.add("files could not be read", photo[0].name)
            continue
        item = gallery.find_photo(str(photo.sha256))
        assert photo.path is not None
        if item is None:
            notes.add("photos are not in this gallery", photo.path.name)
            continue
        sidecar = photo.path.with_name(f"{photo.path.name}.xmp")
        if sidecar.exists() and not force:
            notes.add("sidecars were there and were left alone (--force replaces them)", item.id)
            continue
        with destination.file(sidecar, force=force) as out:
            out.write(xmp.packet(item, groups)[0])
        count += 1
    return Exported(str(folder), "xmp", count, notes.sentences())


def each_copy(
    gallery: Gallery,
    chosen: Selection,
    groups: frozenset[str],
    notes: Notes,
    *,
    originals: bool = False,
) -> Iterator[tuple[GalleryItem, Copy | None]]:
    """Every chosen item with its copy; None where there is none, which is noted."""
    for item in chosen.items(gallery):
        try:
            data = gallery.original(item.id)
        except GalleryProblem:
            notes.add(_GONE, item.id)
            yield item, None
            continue
        if originals:
            yield item, Copy(data, named(item.id, item.format))
            continue
        try:
            yield item, copy_of(item, data, groups, notes)
        except PhotoProblem:
            notes.add(_BROKEN, item.id)
            yield item, None


def copy_of(item: GalleryItem, data: bytes, groups: frozenset[str], notes: Notes) -> Copy:
    """A copy of one picture with its words embedded.

    Raises:
        PhotoProblem: when it had to be re-encoded and cannot be decoded.
    """
    packet, cut = xmp.packet(item, groups, limit_bytes=xmp.JPEG_LIMIT_BYTES)
    words = containers.Words(packet, iptc.block(item, groups), parameters(item, groups))
    if cut:
        notes.add(_CUT, item.id)
    if containers.credentials(data, item.format):
        notes.add(_CREDENTIALS, item.id)
    if containers.animated(data, item.format) or item.format == "gif":
        notes.add(_STILL, item.id)
    made = containers.embed(data, item.format, words)
    if made is not None:
        return Copy(made, named(item.id, item.format))
    upload = photos.prepare(data, name=item.id)
    made = containers.embed(upload.data, upload.format, words)
    assert made is not None, "what we encoded ourselves is plain"
    notes.add(_RECODED, item.id)
    return Copy(made, named(item.id, upload.format))


def named(item_id: str, format_: str) -> str:
    """The neutral name of a copy: the item's id."""
    return f"{item_id}.{_EXTENSIONS.get(format_, format_)}"


def parameters(item: GalleryItem, groups: frozenset[str]) -> str:
    """Prompt and settings as one text, as generators put them into PNG files; "" unasked.

    A line of prompt, then `Size: 976x704, Model: gpt-image-2, Quality: low, Cost: $0.00397`.
    """
    if "prompt" not in groups or not item.prompt:
        return ""
    facts = [("Size", str(item.size))]
    if "model" in groups:
        facts += [("Model", item.model or ""), ("Quality", item.quality or "")]
    if "cost" in groups and item.billed is not None:
        facts.append(("Cost", money.short(item.billed)))
    facts.append(("Version", "Halfpenny"))
    return f"{item.prompt}\n" + ", ".join(f"{name}: {value}" for name, value in facts if value)
