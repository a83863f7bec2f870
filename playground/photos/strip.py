"""Metadata out of a picture without touching its pixels: what is not needed to decode is dropped.

These are allowlists. Exif, GPS, XMP, IPTC, comments, maker notes, embedded thumbnails, colour
profiles, further pictures (MPF, APNG frames) and everything after the picture's end do not pass.
Each function returns None for a file that it would rather see re-encoded.
"""

from __future__ import annotations

import re
import struct

# Quantisation and Huffman tables, restart interval. Frames and scans are handled apart.
_JPEG_TABLES = frozenset({0xDB, 0xC4, 0xDD})
# Baseline, extended and progressive Huffman: what every JPEG reader reads.
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
# A marker that is none of those that stand between compressed pixels (stuffing, restarts).
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)
# A JFIF header of version 1.1 with square pixels, no unit and no thumbnail.
_JFIF = b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_WEBP_KEPT = frozenset({b"VP8 ", b"VP8L", b"ALPH"})
_WEBP_ALPHA, _WEBP_ANIMATED = 0x10, 0x02


def strip(data: bytes, format_: str, *, orientation: int = 1) -> bytes | None:
    """The same picture without metadata, or None where it must be re-encoded instead.

    With another `orientation` than 1 a JPEG gets an Exif block that holds that tag and no more.
    """
    try:
        if format_ == "jpeg":
            return _jpeg(data, _turn(orientation) if orientation != 1 else b"")
        return {"png": _png, "webp": _webp}[format_](data)
    except (KeyError, IndexError, struct.error):
        return None


def _turn(orientation: int) -> bytes:
    """An Exif segment with one entry: the orientation (Exif 2.3, 4.5.4 and 4.6.4)."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    block = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + b"\0\0\0\0"
    return b"\xff\xe1" + struct.pack(">H", 2 + len(block)) + block


def _jpeg(data: bytes, turn: bytes) -> bytes | None:
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    jfif = adobe = b""
    offset = 2
    while True:
        while data[offset + 1] == 0xFF and data[offset] == 0xFF:
            offset += 1
        if data[offset] != 0xFF:
            return None
        marker = data[offset + 1]
        if marker == 0xD9:
            return b"".join([kept[0], jfif, turn, adobe, *kept[1:], b"\xff\xd9"])
        end = offset + 2 + struct.unpack_from(">H", data, offset + 2)[0]
        segment = data[offset:end]
        if end > len(data) or end < offset + 4:
            return None
        if marker in _JPEG_FRAMES:
            if segment[4] != 8 or segment[9] not in {1, 3}:
                return None
            kept.append(segment)
        elif marker in _JPEG_TABLES:
            kept.append(segment)
        elif marker == 0xE0 and segment[4:9] == b"JFIF\0":
            jfif = _JFIF
        elif marker == 0xEE and segment[4:9] == b"Adobe":
            adobe = b"\xff\xee\x00\x0e" + segment[4:16]
        elif marker == 0xDA:
            following = _scan_end(data, end)
            if following is None:
                return None
            kept.append(memoryview(data)[offset:following])  # megabytes: copied once, at the end
            end = following
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            return None
        offset = end


def colour_profile(data: bytes) -> bytes:
    """The first piece of a JPEG's embedded colour profile, or b"" where it has none.

    Raises:
        IndexError, struct.error: for a file that ends in its headers.
    """
    offset = 2
    while True:
        while data[offset + 1] == 0xFF and data[offset] == 0xFF:
            offset += 1
        marker = data[offset + 1]
        if marker in {0xDA, 0xD9} or data[offset] != 0xFF:
            return b""
        end = offset + 2 + struct.unpack_from(">H", data, offset + 2)[0]
        if marker == 0xE2 and data.startswith(b"ICC_PROFILE\0", offset + 4):
            return data[offset + 4 : end]
        offset = end


def _scan_end(data: bytes, start: int) -> int | None:
    """Where the compressed pixels that begin at `start` end: at the next real marker."""
    found = _JPEG_MARKER.search(data, start)
    return found.start() if found else None


def _png(data: bytes) -> bytes | None:
    kept = [data[:8]]
    offset = 8
    while True:
        length, name = struct.unpack_from(">I4s", data, offset)
        end = offset + 12 + length
        if end > len(data):
            return None
        if name in _PNG_KEPT:
            kept.append(data[offset:end])
        elif not name[0] & 0x20:  # an unknown critical chunk
            return None
        if name == b"IEND":
            return b"".join(kept)
        offset = end


def _webp(data: bytes) -> bytes | None:
    (size,) = struct.unpack_from("<I", data, 4)
    stop = 8 + size
    if stop > len(data):
        return None
    chunks: list[bytes] = []
    extended, offset = b"", 12
    while offset + 8 <= stop:
        name = data[offset : offset + 4]
        (length,) = struct.unpack_from("<I", data, offset + 4)
        end = offset + 8 + length
        if end > stop:
            return None
        if name == b"VP8X":
            flags = data[offset + 8]
            if flags & _WEBP_ANIMATED:
                return None
            extended = bytes([flags & _WEBP_ALPHA, 0, 0, 0]) + data[offset + 12 : offset + 18]
        elif name in _WEBP_KEPT and name not in {chunk[:4] for chunk in chunks}:
            chunks.append(data[offset:end] + b"\0" * (length & 1))
        offset = end + (length & 1)
    if extended and any(chunk.startswith(b"ALPH") for chunk in chunks):
        chunks.insert(0, b"VP8X\x0a\0\0\0" + extended)
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body if chunks else None
