"""The texts inside a picture file, found without decoding it; bounded, whatever the file says.

PNG text chunks and eXIf, JPEG Exif, XMP, IPTC and comments, WebP EXIF and XMP. A file of a
stranger may hold megabytes of text, a million chunks, or a chunk that expands a thousandfold.
Sources: PNG third edition (11.3.3), Exif 2.32, Adobe's XMP Specification Part 3, RFC 9649.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from playground.imports import exif, xmp

MAX_TEXT_BYTES = 1 << 20
"""Of one text; a longer one is cut. ComfyUI workflows of several hundred kilobytes exist."""
_MAX_PARTS = 2_000
_MAX_TEXTS = 64
_MAX_TOTAL_BYTES = 4 << 20
_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_PNG = "XML:com.adobe.xmp"


@dataclass(slots=True)
class Embedded:
    """What a file says about itself: PNG texts by keyword, Exif texts by name, raw XMP, IPTC."""

    texts: dict[str, str] = field(default_factory=dict)
    exif: dict[str, str] = field(default_factory=dict)
    xmp: bytes = b""
    iptc: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.texts or self.exif or self.xmp or self.iptc)


def read(data: bytes, format_: str) -> Embedded:
    """The texts of a picture; what is damaged or too much is left out, nothing is raised."""
    found = Embedded()
    try:
        if format_ == "png":
            _png(data, found)
        elif format_ == "jpeg":
            _jpeg(data, found)
        elif format_ == "webp":
            _webp(data, found)
    except (struct.error, IndexError):
        pass  # cut short: what stands before the cut counts
    return found


def _png(data: bytes, found: Embedded) -> None:
    room = _MAX_TOTAL_BYTES
    for name, content in _chunks(data):
        if name == b"eXIf":
            found.exif = exif.read(content)
        elif name in {b"tEXt", b"zTXt", b"iTXt"} and len(found.texts) < _MAX_TEXTS:
            keyword, text = _text(name, content[: xmp.MAX_BYTES + 200])
            room -= len(text)
            if not keyword or room < 0:
                continue
            if keyword == _XMP_PNG:
                found.xmp = found.xmp or text.encode("utf-8", "replace")
            else:
                found.texts.setdefault(keyword, text)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 8
    for _ in range(_MAX_PARTS):
        length, name = struct.unpack_from(">I4s", data, offset)
        if name == b"IEND":
            return
        # Pixels are many megabytes: they are passed by, not copied.
        yield name, b"" if name == b"IDAT" else data[offset + 8 : offset + 8 + length]
        offset += 12 + length


def _text(name: bytes, content: bytes) -> tuple[str, str]:
    keyword, _, rest = content.partition(b"\0")
    key = keyword[:79].decode("latin-1")
    most = xmp.MAX_BYTES if key == _XMP_PNG else MAX_TEXT_BYTES
    if name == b"tEXt":
        return key, _decoded(rest[:most], "latin-1")
    if name == b"zTXt":
        return key, _decoded(_inflated(rest[1:], most), "latin-1")
    packed = rest[:1] == b"\1"
    _, _, rest = rest[2:].partition(b"\0")  # the language
    _, _, rest = rest.partition(b"\0")  # the translated keyword
    return key, _decoded(_inflated(rest, most) if packed else rest[:most], "utf-8")


def _inflated(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error:
        return b""


def _decoded(data: bytes, encoding: str) -> str:
    """Many programs write UTF-8 where the format wants Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(encoding, "replace")


def _jpeg(data: bytes, found: Embedded) -> None:
    offset = 2
    for _ in range(_MAX_PARTS):
        if data[offset] != 0xFF:
            return
        marker = data[offset + 1]
        if marker == 0xFF:
            offset += 1
            continue
        if marker in {0xDA, 0xD9}:
            return
        (length,) = struct.unpack_from(">H", data, offset + 2)
        content = data[offset + 4 : offset + 2 + length]
        if marker == 0xE1 and content.startswith(b"Exif\0\0"):
            found.exif = found.exif or exif.read(content[6:])
        elif marker == 0xE1 and content.startswith(_XMP_JPEG):
            found.xmp = found.xmp or content[len(_XMP_JPEG) :]
        elif marker == 0xED and content.startswith(b"Photoshop 3.0\0"):
            found.iptc += content[14:]
        elif marker == 0xFE and len(found.texts) < _MAX_TEXTS:
            found.texts.setdefault("Comment", _decoded(content, "latin-1"))
        offset += 2 + max(length, 2)


def _webp(data: bytes, found: Embedded) -> None:
    offset = 12
    for _ in range(_MAX_PARTS):
        if offset + 8 > len(data):
            return
        name = data[offset : offset + 4]
        (length,) = struct.unpack_from("<I", data, offset + 4)
        if name in {b"EXIF", b"XMP "}:
            content = data[offset + 8 : offset + 8 + length]
            if name == b"EXIF":
                found.exif = exif.read(content.removeprefix(b"Exif\0\0"))
            else:
                found.xmp = content[:MAX_TEXT_BYTES]
        offset += 8 + length + (length & 1)
