"""The older IPTC fields (IIM 4.2), which many programs still read from JPEG files.

They are short: 64 bytes of title, 64 of each keyword, 2,000 of caption; longer texts are cut
between characters here, and are whole in the XMP packet beside them.
"""

from __future__ import annotations

import struct

from playground.exports import fields, xmp
from playground.values import GalleryItem

_UTF8 = b"\x1b%G"  # IIM 1:90, coded character set, by ISO 2022
_MAX_KEYWORDS = 200


def block(item: GalleryItem, groups: frozenset[str]) -> bytes:
    """The payload of a JPEG APP13 segment with title, caption and keywords; b"" without any."""
    found = fields.best(item, "describe") if "caption" in groups else None
    entries = [(5, item.title, 64), (120, found.text if found else "", 2_000)]
    entries += [(25, tag, 64) for tag in xmp.tags(item, groups)[:_MAX_KEYWORDS]]
    kept = [(number, cut(text, most)) for number, text, most in entries if text]
    if not kept:
        return b""
    data = _entry(1, 90, _UTF8) + _entry(2, 0, b"\0\4")
    data += b"".join(_entry(2, number, text) for number, text in kept)
    padding = b"\0" * (len(data) & 1)
    return b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + padding


def _entry(record: int, number: int, value: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


def cut(text: str, most_bytes: int) -> bytes:
    """UTF-8 of at most so many bytes, cut between characters."""
    plain = "".join(" " if ord(char) < 32 else char for char in text)
    return plain.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore").encode()
