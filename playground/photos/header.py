"""The size and orientation of a picture out of its first bytes, in plain Python.

No picture library runs in the process that holds the key and the ledger: a header that this
reader does not know (TIFF, AVIF) is opened by the decoding child instead. Reading headers this
way is also several times faster than opening files with Pillow.

Formats: JPEG (ITU T.81, Exif 2.3), PNG (W3C, third edition), WebP (RFC 9649), GIF89a, BMP.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

WINDOW_BYTES = 16_384
# Hostile files could hold millions of empty segments; real ones hold a few dozen.
_MAX_SEGMENTS = 2_000
_ORIENTATION_TAG = 0x0112
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class BadHeader(ValueError):
    """The bytes begin like a picture but their header makes no sense."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file's header says: format, stored width and height, Exif orientation (1 to 8)."""

    format: str
    width_px: int
    height_px: int
    orientation: int = 1

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height as shown, after the orientation is applied."""
        if self.orientation >= 5:
            return self.height_px, self.width_px
        return self.width_px, self.height_px


At = Callable[[int, int], bytes]


def of_bytes(data: bytes) -> Header | None:
    """The header of a picture in memory; None where `kind` must say what it is instead.

    Raises:
        BadHeader: for a known kind with a broken header.
    """
    return _read(lambda offset, count: data[offset : offset + count])


def of_file(file: BinaryIO) -> Header | None:
    """As `of_bytes`, reading only small windows of an open file."""
    window, begin = file.read(WINDOW_BYTES), 0

    def at(offset: int, count: int) -> bytes:
        nonlocal window, begin
        if offset < begin or offset + count > begin + len(window):
            file.seek(offset)
            window, begin = file.read(max(WINDOW_BYTES, count)), offset
        return window[offset - begin : offset - begin + count]

    return _read(at)


def kind(head: bytes) -> str:
    """What the first bytes of a file are, in words, for messages."""
    for magic, name in _KINDS:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in {b"avif", b"avis"}:
            return "AVIF"
        return "a HEIC picture" if brand in _HEIC else "a video or another ISO media file"
    text = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "an HTML page"
    if text and not any(byte < 9 or 13 < byte < 32 for byte in text):
        return "text"
    return "of an unknown kind"


_HEIC = {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"}
_KINDS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"%!PS", "a PostScript (EPS) drawing"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript (EPS) drawing"),
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop (PSD) file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\0\0\x01\0", "an icon"),
)


def _read(at: At) -> Header | None:
    head = at(0, 32)
    try:
        if head.startswith(b"\xff\xd8\xff"):
            found = _jpeg(at)
        elif head.startswith(b"\x89PNG\r\n\x1a\n"):
            found = _png(at)
        elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            found = _webp(at)
        elif head[:6] in {b"GIF87a", b"GIF89a"}:
            found = Header("gif", *struct.unpack_from("<HH", head, 6))
        elif head.startswith(b"BM"):
            found = _bmp(head)
        else:
            return None
    except (struct.error, IndexError):
        msg = "its header is cut short"
        raise BadHeader(msg) from None
    if not (found.width_px and found.height_px):
        msg = "its header says that a side has no pixels"
        raise BadHeader(msg)
    return found


def _jpeg(at: At) -> Header:
    offset, orientation = 2, 1
    for _ in range(_MAX_SEGMENTS):
        segment = at(offset, 10)
        marker = segment[1]
        if segment[0] != 0xFF:
            break
        if marker == 0xFF:  # a fill byte
            offset += 1
            continue
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", segment, 5)
            return Header("jpeg", width, height, orientation)
        length = int.from_bytes(segment[2:4], "big")
        if length < 2 or marker in {0xD8, 0xD9, 0xDA}:
            break
        if marker == 0xE1 and orientation == 1 and segment[4:10] == b"Exif\0\0":
            orientation = _exif_orientation(at, offset + 10, offset + 2 + length)
        offset += 2 + length
    msg = "its JPEG header has no frame size"
    raise BadHeader(msg)


def _png(at: At) -> Header:
    length, name, width, height = struct.unpack(">I4sII", at(8, 16))
    if (length, name) != (13, b"IHDR"):
        msg = "its PNG header is damaged"
        raise BadHeader(msg)
    offset, orientation = 33, 1
    # An eXIf chunk behind the pixels is left alone, as browsers do.
    for _ in range(_MAX_SEGMENTS):
        chunk = at(offset, 8)
        if len(chunk) < 8 or chunk[4:] in {b"IDAT", b"IEND"}:
            break
        length = int.from_bytes(chunk[:4], "big")
        if chunk[4:] == b"eXIf":
            orientation = _exif_orientation(at, offset + 8, offset + 8 + length)
            break
        offset += 12 + length
    return Header("png", width, height, orientation)


def _webp(at: At) -> Header:
    head = at(0, 32)
    name = head[12:16]
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return Header("webp", width & 0x3FFF, height & 0x3FFF)
    if name == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return Header("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if name != b"VP8X":
        msg = "its WebP header is damaged"
        raise BadHeader(msg)
    width = int.from_bytes(head[24:27], "little") + 1
    height = int.from_bytes(head[27:30], "little") + 1
    orientation = 1
    if head[20] & 0x08:
        offset = 30
        for _ in range(_MAX_SEGMENTS):
            chunk = at(offset, 14)
            if len(chunk) < 8:
                break
            length = int.from_bytes(chunk[4:8], "little")
            if chunk[:4] == b"EXIF":
                start = offset + (14 if chunk[8:14] == b"Exif\0\0" else 8)
                orientation = _exif_orientation(at, start, offset + 8 + length)
                break
            offset += 8 + length + (length & 1)
    return Header("webp", width, height, orientation)


def _bmp(head: bytes) -> Header:
    (size,) = struct.unpack_from("<I", head, 14)
    if size == 12:
        width, height = struct.unpack_from("<HH", head, 18)
    else:
        width, height = struct.unpack_from("<ii", head, 18)
    return Header("bmp", abs(width), abs(height))


def _exif_orientation(at: At, start: int, end: int) -> int:
    """The orientation tag of a TIFF block's first directory; 1 for anything doubtful."""
    head = at(start, min(8, end - start)) if end > start else b""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return 1
    directory = start + int(struct.unpack_from(f"{order}I", head, 4)[0])
    if directory + 2 > end:
        return 1
    counted = at(directory, 2)
    if len(counted) < 2:
        return 1
    (count,) = struct.unpack(f"{order}H", counted)
    entries = at(directory + 2, min(12 * count, max(0, end - directory - 2)))
    for position in range(0, len(entries) - 11, 12):
        tag, type_, number = struct.unpack_from(f"{order}HHI", entries, position)
        if tag == _ORIENTATION_TAG and number == 1 and type_ in {3, 4}:
            form = f"{order}{'H' if type_ == 3 else 'I'}"
            value = int(struct.unpack_from(form, entries, position + 8)[0])
            return value if 1 <= value <= 8 else 1
    return 1
