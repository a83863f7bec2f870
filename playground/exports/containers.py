"""Metadata into JPEG, PNG and WebP files around pixels that stay bit for bit as they are.

What was in the file before does not pass, but for what the pixels need to look right: the colour
profile and the turn (a new Exif block with nothing but the orientation). So a copy has no GPS, no
serial number, no thumbnail, no comment and nothing behind its end; see `photos.strip`.

Sources: Adobe, XMP Specification Part 3; ITU T.81 and T.872 (JPEG, JFIF); Exif 2.32; ICC.1 annex
B.4; PNG third edition; RFC 9649 (WebP); C2PA 2.1, appendix A (where manifests are).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from playground.photos import header
from playground.photos.strip import strip

_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_ICC_JPEG = b"ICC_PROFILE\0"
_MAX_SEGMENT = 65_533
# What tells how colours and pixels are meant, and nothing about who made them.
_PNG_COLOURS = frozenset({b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT", b"pHYs"})
_ALPHA, _ICC, _EXIF, _XMP = 0x10, 0x20, 0x08, 0x04


@dataclass(frozen=True, slots=True)
class Words:
    """What is to be embedded: an XMP packet, IPTC fields (JPEG), a parameters text (PNG)."""

    xmp: bytes
    iptc: bytes = b""
    parameters: str = ""


def embed(data: bytes, format_: str, words: Words) -> bytes | None:
    """A copy of the picture with these words and without other metadata, pixels untouched.

    None for a file that must be re-encoded first: another format, or a structure that is not
    plain (several frames, CMYK, damage).
    """
    plain = strip(data, format_)
    if plain is None:
        return None
    try:
        read = header.of_bytes(data)
        if read is None:
            return None
        if format_ == "jpeg":
            return _jpeg(data, plain, words, read.orientation)
        if format_ == "png":
            return _png(data, plain, words, read.orientation)
        return _webp(data, plain, words, read)
    except (header.BadHeader, struct.error, IndexError):
        return None


def credentials(data: bytes, format_: str) -> bool:
    """Whether a file carries Content Credentials (a C2PA manifest), which any change breaks."""
    try:
        if format_ == "jpeg":
            return any(
                marker == 0xEB and payload[:2] == b"JP" and b"c2pa" in payload[:256]
                for marker, payload in jpeg_segments(data)
            )
        if format_ == "png":
            return any(name == b"caBX" for name, _ in png_chunks(data))
        if format_ == "webp":
            return any(name == b"C2PA" for name, _ in webp_chunks(data))
    except (struct.error, IndexError):
        return False
    return b"jumb" in data and b"c2pa" in data


def animated(data: bytes, format_: str) -> bool:
    """Whether a PNG or WebP moves; a copy of it shows its first picture."""
    try:
        if format_ == "png":
            return any(name == b"acTL" for name, _ in png_chunks(data))
        return format_ == "webp" and any(name == b"ANIM" for name, _ in webp_chunks(data))
    except (struct.error, IndexError):
        return False


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and payload of each segment before the pixels."""
    offset = 2
    while data[offset] == 0xFF:
        marker = data[offset + 1]
        if marker == 0xFF:
            offset += 1
            continue
        if marker in {0xDA, 0xD9}:
            return
        (length,) = struct.unpack_from(">H", data, offset + 2)
        yield marker, data[offset + 4 : offset + 2 + length]
        offset += 2 + max(length, 2)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk, up to the end chunk."""
    offset = 8
    while offset + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, offset)
        yield name, data[offset + 8 : offset + 8 + length]
        if name == b"IEND":
            return
        offset += 12 + length


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each RIFF chunk."""
    offset = 12
    while offset + 8 <= len(data):
        name = data[offset : offset + 4]
        (length,) = struct.unpack_from("<I", data, offset + 4)
        yield name, data[offset + 8 : offset + 8 + length]
        offset += 8 + length + (length & 1)


def _orientation(turn: int) -> bytes:
    """A TIFF block that says how the picture is turned, and nothing else."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, turn, 0, 0)


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _jpeg(data: bytes, plain: bytes, words: Words, turn: int) -> bytes | None:
    parts = []
    if turn != 1:
        parts.append(_segment(0xE1, b"Exif\0\0" + _orientation(turn)))
    if len(words.xmp) + len(_XMP_JPEG) > _MAX_SEGMENT or len(words.iptc) > _MAX_SEGMENT:
        return None
    parts.append(_segment(0xE1, _XMP_JPEG + words.xmp))
    parts += [
        _segment(0xE2, payload)
        for marker, payload in jpeg_segments(data)
        if marker == 0xE2 and payload.startswith(_ICC_JPEG)
    ]
    if words.iptc:
        parts.append(_segment(0xED, words.iptc))
    # Behind the JFIF header where there is one: it has to be the first.
    start = 2 + (18 if plain[2:4] == b"\xff\xe0" else 0)
    return b"".join([plain[:start], *parts, plain[start:]])


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def _png(data: bytes, plain: bytes, words: Words, turn: int) -> bytes:
    parts = []
    for name, content in png_chunks(data):
        if name == b"IDAT":
            break
        if name in _PNG_COLOURS:
            parts.append(_chunk(name, content))
    if turn != 1:
        parts.append(_chunk(b"eXIf", _orientation(turn)))
    parts.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + words.xmp))
    if words.parameters:
        text = words.parameters.encode("utf-8", "replace")
        parts.append(_chunk(b"iTXt", b"parameters\0\0\0\0\0" + text))
    return b"".join([plain[:33], *parts, plain[33:]])  # behind the header chunk


def _webp(data: bytes, plain: bytes, words: Words, read: header.Header) -> bytes:
    chunks = [(name, content) for name, content in webp_chunks(plain) if name != b"VP8X"]
    profile = next((content for name, content in webp_chunks(data) if name == b"ICCP"), b"")
    flags = _XMP
    for name, content in chunks:
        if name == b"ALPH" or (name == b"VP8L" and content[4] & 0x10):
            flags |= _ALPHA
    if profile:
        flags |= _ICC
        chunks.insert(0, (b"ICCP", profile))
    if read.orientation != 1:
        flags |= _EXIF
        chunks.append((b"EXIF", _orientation(read.orientation)))
    chunks.append((b"XMP ", words.xmp))
    canvas = struct.pack("<II", read.width_px - 1, read.height_px - 1)
    extended = bytes([flags, 0, 0, 0]) + canvas[:3] + canvas[4:7]
    chunks.insert(0, (b"VP8X", extended))
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body
