"""Whether a file carries Content Credentials (C2PA): found by their label, not verified.

Places: C2PA specification 2.1, section "Embedding manifests": a `caBX` chunk in PNG, JUMBF boxes
in APP11 segments in JPEG, a `C2PA` chunk in WebP. The signature is not checked, so a page may say
"present", never "valid".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"


def present(data: bytes) -> bool:
    """Whether a PNG, JPEG or WebP carries a C2PA manifest; False for what cannot be read."""
    try:
        if data.startswith(_PNG):
            return any(kind == b"caBX" for kind, _ in _png(data))
        if data.startswith(b"\xff\xd8"):
            return any(b"c2pa" in part for part in _app11(data))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return any(kind == b"C2PA" for kind, _ in _riff(data))
    except (struct.error, IndexError):
        pass
    return False


def _png(data: bytes) -> Iterator[tuple[bytes, int]]:
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, length
        if kind == b"IEND":
            return
        at += 12 + length


def _riff(data: bytes) -> Iterator[tuple[bytes, int]]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, length
        at += 8 + length + length % 2


def _app11(data: bytes) -> Iterator[bytes]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in {0xDA, 0xD9}:
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker == 0xEB:
            yield data[at + 4 : at + 2 + length]
        at += 2 + max(2, length)
