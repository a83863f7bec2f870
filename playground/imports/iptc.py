"""IPTC fields (IIM 4.2) of a JPEG's Photoshop block: title, caption, keywords."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MAX_FIELDS = 5_000
_NAMES = {5: "title", 25: "keyword", 105: "headline", 120: "caption"}


def read(block: bytes) -> dict[str, list[str]]:
    """Values by name (title, headline, caption, keyword); damage ends the reading."""
    found: dict[str, list[str]] = {}
    for data in _resources(block):
        utf8 = b"\x1c\x01\x5a\x00\x03\x1b%G" in data[:64]
        for record, number, value in _datasets(data):
            if record == 2 and number in _NAMES:
                found.setdefault(_NAMES[number], []).append(_text(value, utf8))
    return found


def _resources(block: bytes) -> Iterator[bytes]:
    """The IPTC resources (0x0404) among the Photoshop resources."""
    offset = 0
    while block[offset : offset + 4] == b"8BIM" and offset + 12 <= len(block):
        (kind,) = struct.unpack_from(">H", block, offset + 4)
        name = block[offset + 6] + 1
        at = offset + 6 + name + (name & 1)
        if at + 4 > len(block):
            return
        (length,) = struct.unpack_from(">I", block, at)
        if kind == 0x0404:
            yield block[at + 4 : at + 4 + length]
        offset = at + 4 + length + (length & 1)


def _datasets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    for _ in range(_MAX_FIELDS):
        if offset + 5 > len(data) or data[offset] != 0x1C:
            return
        record, number, length = struct.unpack_from(">BBH", data, offset + 1)
        if length & 0x8000:  # an extended length: nothing that describes a picture is so long
            return
        yield record, number, data[offset + 5 : offset + 5 + length]
        offset += 5 + length


def _text(value: bytes, utf8: bool) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("utf-8" if utf8 else "latin-1", "replace")
