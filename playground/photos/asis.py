"""Whether a JPEG may be sent pixel for pixel, and its bytes without metadata. Decodes nothing."""

from __future__ import annotations

import struct

from playground.photos import header
from playground.photos.strip import colour_profile, strip


def as_it_is(data: bytes, shown: tuple[int, int], *, turned: bool = False) -> bytes | None:
    """The JPEG without its metadata, or None where it must be decoded.

    The file's structure is read from its first byte to its end marker, and only known parts pass.
    A photo that has to be turned is not sent as it is, because nobody promises that a model obeys
    an orientation tag (and the tag is metadata).

    Args:
        shown: width and height as they were measured, orientation applied.
        turned: take a photo that has to be turned as well, and keep its orientation tag, alone.
    """
    try:
        read = header.of_bytes(data)
        profile = colour_profile(data)
    except (header.BadHeader, IndexError, struct.error):
        return None
    # A colour profile is dropped with the metadata; only sRGB means the same without one.
    if profile and not _calls_itself_srgb(profile[:4096]):
        return None
    if read is None or read.format != "jpeg" or read.shown != shown:
        return None
    if read.orientation != 1 and not turned:
        return None
    return strip(data, "jpeg", orientation=read.orientation)


def _calls_itself_srgb(profile: bytes) -> bool:
    return b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile
