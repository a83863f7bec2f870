"""Pictures made ready to send, and thumbnails: asked of the decoding children."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from playground.photos import files, header, pool
from playground.photos.strip import colour_profile, strip
from playground.size import Size
from playground.values import Photo, Upload

SENT: tuple[str, ...] = ("jpeg", "png", "webp")


def prepare(
    photo: Photo | Path | str | bytes,
    *,
    resize: int | None = None,
    formats: Sequence[str] = SENT,
    max_pixels: int = files.MAX_PIXELS,
    name: str = "the picture",
) -> Upload:
    """A picture as it may be sent: whole, upright, scaled down, and without any metadata.

    A picture that needs no change keeps its pixels bit for bit (its metadata are cut out around
    them); every other is re-encoded: PNG where it is transparent or small and lossless, else
    JPEG. Colours are converted to sRGB.

    Args:
        photo: a measured photo, a file, or a picture's bytes.
        resize: the longest side in pixels; None sends all pixels. Never scales up.
        formats: what may be sent, of jpeg, png and webp.
        max_pixels: pictures with more are refused before they are decoded.
        name: stands for `bytes` in messages.

    Raises:
        PhotoProblem: when it cannot be read, is not whole, or is not safe to decode. Nothing
            was sent then.
    """
    if isinstance(photo, bytes):
        data = photo
    else:
        name, data = files.read(photo)
    request = {
        "op": "prepare",
        "max_pixels": max_pixels,
        "resize": resize,
        "formats": list(formats),
    }
    result, made = pool.shared.ask(name, request, data)
    format_ = cast("Literal['jpeg', 'png', 'webp']", str(result["format"]))
    return Upload(made, format_, Size(int(result["width"]), int(result["height"])))


def prepare_file(photo: Photo, *, resize: int | None = None) -> Upload:
    """As `prepare`, for a measured photo whose bytes nobody else needs: the child reads them.

    Raises:
        PhotoProblem: as `prepare`, and when the file has changed since it was measured.
    """
    request = {
        "op": "prepare",
        "max_pixels": files.MAX_PIXELS,
        "resize": resize,
        "formats": list(SENT),
        "path": os.fsencode(files.check(photo)).hex(),
        "sha256": photo.sha256,
    }
    result, made = pool.shared.ask(photo.name, request, b"")
    format_ = cast("Literal['jpeg', 'png', 'webp']", str(result["format"]))
    return Upload(made, format_, Size(int(result["width"]), int(result["height"])))


def unchanged(photo: Photo, data: bytes, *, resize: int | None = None) -> Upload | None:
    """A JPEG that may be sent pixel for pixel, without its metadata; None where it must be decoded.

    Nothing is decoded here: the file's structure is read from its first byte to its end marker,
    and only known parts pass. A photo that has to be turned goes to `prepare`, because nobody
    promises that a model obeys an orientation tag (and the tag is metadata); `prepare` proves in
    addition that every pixel can be decoded.
    """
    if photo.format != "jpeg" or (resize is not None and photo.size.long_px > resize):
        return None
    try:
        read = header.of_bytes(data)
        profile = colour_profile(data)
    except (header.BadHeader, IndexError, struct.error):
        return None
    # A colour profile is dropped with the metadata; only sRGB means the same without one.
    if profile and not _calls_itself_srgb(profile[:4096]):
        return None
    if read is None or read.orientation != 1 or Size(*read.shown) != photo.size:
        return None
    plain = strip(data, "jpeg")
    return None if plain is None else Upload(plain, "jpeg", photo.size)


def _calls_itself_srgb(profile: bytes) -> bool:
    return b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile


def thumbnail(data: bytes | Path, *, edge_px: int = 512) -> tuple[bytes, Size]:
    """A small WebP of a picture, its longer side at most `edge_px` pixels.

    Raises:
        PhotoProblem: as `prepare`.
    """
    if isinstance(data, bytes):
        name = "the picture"
    else:
        name, data = files.read(data)
    request = {"op": "thumbnail", "max_pixels": files.MAX_PIXELS, "edge_px": edge_px}
    result, made = pool.shared.ask(name, request, data)
    return made, Size(int(result["width"]), int(result["height"]))


@dataclass(frozen=True, slots=True)
class Box:
    """What a copy of a picture must fit into, in pixels, and how it is encoded (quality 1-100)."""

    width_px: int
    height_px: int
    format: Literal["webp", "jpeg"]
    quality: int


def copies(
    data: bytes, boxes: Sequence[Box], *, name: str = "the picture"
) -> list[tuple[bytes, Size]]:
    """Copies of a picture for strangers: nothing but pixels, encoded anew, in sRGB, upright.

    Metadata, colour profiles, embedded thumbnails and whatever follows the picture in its file
    cannot pass, because every byte is written from decoded pixels. Never scaled up.

    Raises:
        PhotoProblem: as `prepare`.
    """
    request = {
        "op": "copies",
        "max_pixels": files.MAX_PIXELS,
        "boxes": [(box.width_px, box.height_px, box.format, box.quality) for box in boxes],
    }
    result, made = pool.shared.ask(name, request, data)
    found, start = [], 0
    for each in result["copies"]:
        end = start + int(each["length"])
        found.append((made[start:end], Size(int(each["width"]), int(each["height"]))))
        start = end
    return found
