"""Pictures made ready to send, and thumbnails: asked of the decoding children."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from pybase64 import b64encode

from playground.photos import files, pool
from playground.photos.asis import as_it_is
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
    reduce: int = 1,
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
        reduce: a JPEG that has to be re-encoded anyway is decoded to 1/2, 1/4 or 1/8 of its
            sides, which is several times as quick.

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
        "reduce": reduce,
    }
    result, made = pool.shared.ask(name, request, data)
    format_ = cast("Literal['jpeg', 'png', 'webp']", str(result["format"]))
    return Upload(made, format_, Size(int(result["width"]), int(result["height"])))


def ready(
    photo: Photo,
    *,
    resize: int | None = None,
    reduce: int = 1,
    as_base64: bool = False,
    turned: bool = False,
) -> Upload:
    """As `unchanged` or else `prepare`, for a measured photo whose bytes nobody else needs.

    A child reads, checks and prepares them: megabytes pass no pipe, and this process can do
    something else meanwhile. With `as_base64` the upload's data are base64 already.

    Raises:
        PhotoProblem: as `prepare`, and when the file has changed since it was measured.
    """
    request = {
        "op": "ready",
        "max_pixels": files.MAX_PIXELS,
        "resize": resize,
        "reduce": reduce,
        "formats": list(SENT),
        "shown": [photo.width_px, photo.height_px],
        "as_base64": as_base64,
        "turned": turned,
        "path": os.fsencode(files.check(photo)).hex(),
        "sha256": photo.sha256,
    }
    result, made = pool.shared.ask(photo.name, request, b"")
    format_ = cast("Literal['jpeg', 'png', 'webp']", str(result["format"]))
    return Upload(made, format_, Size(int(result["width"]), int(result["height"])))


def unchanged(
    photo: Photo,
    data: bytes,
    *,
    resize: int | None = None,
    as_base64: bool = False,
    turned: bool = False,
) -> Upload | None:
    """A JPEG that may be sent pixel for pixel, without its metadata; None where it must be decoded.

    Nothing is decoded here (see `as_it_is`); `prepare` proves in addition that every pixel can be
    decoded. With `turned` a photo that has to be turned is sent as it is too, with its
    orientation tag.
    """
    if photo.format != "jpeg" or (resize is not None and photo.size.long_px > resize):
        return None
    plain = as_it_is(data, (photo.width_px, photo.height_px), turned=turned)
    if plain is None:
        return None
    made = b64encode(plain) if as_base64 else plain
    return Upload(made, "jpeg", photo.size)


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
