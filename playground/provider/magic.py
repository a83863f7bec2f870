"""What a delivered picture really is: format and size from its first bytes, nothing decoded.

Only what is asked for counts as a picture (PNG, JPEG, WebP). An SVG may carry scripts and a GIF
was not asked for; both are named, so that a message can say what came instead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from playground.size import Size

PNG = b"\x89PNG\r\n\x1a\n"
_OTHER = (
    (b"GIF8", "a GIF"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "an archive"),
    (b"\x1f\x8b", "an archive"),
)


def picture(data: bytes) -> tuple[str, Size] | None:
    """Format (png, jpeg, webp) and size of a picture, or None for anything else."""
    try:
        if data.startswith(PNG) and data[12:16] == b"IHDR":
            return "png", _size(*struct.unpack(">II", data[16:24]))
        if data.startswith(b"\xff\xd8\xff"):
            return "jpeg", _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return "webp", _webp(data)
    except (struct.error, ValueError, IndexError):
        return None
    return None


def what_instead(data: bytes) -> str:
    """What data that is no picture looks like, for a message."""
    head = data[:512].lstrip().lower()
    if head.startswith((b"<svg", b"<?xml")):
        return "an SVG, which may carry scripts"
    if head.startswith((b"<!doctype", b"<html")):
        return "a web page"
    for magic, name in _OTHER:
        if data.startswith(magic):
            return name
    if data.startswith((PNG, b"\xff\xd8\xff", b"RIFF")):
        return "a damaged picture"
    return "something unknown" if data else "nothing"


def _size(width: int, height: int) -> Size:
    if not (0 < width <= 100_000 and 0 < height <= 100_000):
        msg = "not a size"
        raise ValueError(msg)
    return Size(width, height)


def _jpeg(data: bytes) -> Size:
    for marker, start in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", data[start + 1 : start + 5])
            return _size(width, height)
    msg = "no frame header"
    raise ValueError(msg)


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and the start of its content (after the length), up to the scan."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        yield marker, at + 4
        if marker == 0xDA:
            return
        at += 2 + length


def _webp(data: bytes) -> Size:
    kind = data[12:16]
    if kind == b"VP8X":
        return _size(
            1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        )
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return _size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return _size(width & 0x3FFF, height & 0x3FFF)
    msg = "unknown WebP"
    raise ValueError(msg)
