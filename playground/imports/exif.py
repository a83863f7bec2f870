"""The few Exif texts that describe a picture. Places, serial numbers and makers are not read."""

from __future__ import annotations

import struct

_MAX_ENTRIES = 512
_MAX_VALUE_BYTES = 1 << 20
_NAMES = {
    0x010E: "ImageDescription",
    0x010F: "Make",  # ComfyUI keeps its workflow and prompt here, as "workflow:{…}"
    0x0110: "Model",
    0x0131: "Software",
    0x4746: "Rating",
    0x9286: "UserComment",
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9E: "XPKeywords",
}
_EXIF_DIRECTORY = 0x8769
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}


def read(block: bytes) -> dict[str, str]:
    """Texts of a TIFF block by tag name; a damaged one gives what can be read.

    Source: Exif 2.32 (CIPA DC-008), 4.6; the XP tags are Microsoft's.
    """
    found: dict[str, str] = {}
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return found
    try:
        (first,) = struct.unpack_from(f"{order}I", block, 4)
        inner = _directory(block, order, first, found)
        if inner:
            _directory(block, order, inner, found)
    except (struct.error, IndexError):
        pass
    if not found.get("Make", "").startswith(("workflow:", "prompt:")):
        found.pop("Make", None)
    if not found.get("Model", "").startswith(("workflow:", "prompt:")):
        found.pop("Model", None)
    return found


def _directory(block: bytes, order: str, start: int, found: dict[str, str]) -> int:
    """Read one directory; the offset of the Exif directory where it has one."""
    inner = 0
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for entry in range(min(count, _MAX_ENTRIES)):
        at = start + 2 + 12 * entry
        tag, type_, number = struct.unpack_from(f"{order}HHI", block, at)
        if tag == _EXIF_DIRECTORY:
            (inner,) = struct.unpack_from(f"{order}I", block, at + 8)
        if tag not in _NAMES or type_ not in _SIZES:
            continue
        size = number * _SIZES[type_]
        if size > _MAX_VALUE_BYTES:
            continue
        place = at + 8
        if size > 4:
            (place,) = struct.unpack_from(f"{order}I", block, at + 8)
        value = block[place : place + size]
        text = _text(tag, type_, value, order)
        if text:
            found.setdefault(_NAMES[tag], text)
    return inner


def _text(tag: int, type_: int, value: bytes, order: str) -> str:
    if type_ == 3 and len(value) >= 2:
        return str(struct.unpack_from(f"{order}H", value)[0])
    if 0x9C9B <= tag <= 0x9C9F:
        return value.decode("utf-16-le", "replace").rstrip("\0")
    if tag == 0x9286:
        return _comment(value)
    return _plain(value)


def _comment(value: bytes) -> str:
    """A UserComment: eight bytes that name its encoding, then the text."""
    code, text = value[:8], value[8:]
    if code == b"UNICODE\0":
        # The byte order is not said. In most scripts the high bytes are small and alike.
        big = len(set(text[0::2])) <= len(set(text[1::2]))
        if text[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            return text.decode("utf-16", "replace").rstrip("\0")
        return text.decode("utf-16-be" if big else "utf-16-le", "replace").rstrip("\0")
    if code in {b"ASCII\0\0\0", b"\0" * 8, b"JIS\0\0\0\0\0"}:
        return _plain(text)
    return _plain(value)


def _plain(value: bytes) -> str:
    text = value.rstrip(b"\0 ")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")
