"""Server-sent events out of bytes, and JSON with megabytes of base64 in it without copying it.

A picture arrives as base64 inside JSON: 40 MB for a large PNG. Parsing that as text would take
several times as much memory; here the base64 is cut out first, and the small rest is parsed.
"""

from __future__ import annotations

import binascii
import json
import mmap
import re
from collections.abc import Iterator
from typing import Any

# Exact: inside a JSON string every quote is escaped, so this can only be a key and its value.
_BASE64_VALUE = re.compile(rb'"b64_json"\s*:\s*"')

Buffer = bytes | mmap.mmap

# What an answer may hold beside its pictures.
_LARGEST_REST_BYTES = 32 * 2**20


class Unreadable(ValueError):
    """Not JSON, or not the JSON that the API sends."""


def loads(data: Buffer, start: int = 0) -> tuple[Any, list[bytes]]:
    """Parsed JSON from index `start` on, each `b64_json` replaced by its index (text) in the list.

    Raises:
        Unreadable: when it is not valid JSON, or too large without its pictures.
    """
    spans: list[tuple[int, int]] = []
    at = start
    while match := _BASE64_VALUE.search(data, at):
        first = match.end()
        end = data.find(b'"', first)
        if end < 0:
            msg = "it ends in the middle of a picture"
            raise Unreadable(msg)
        spans.append((first, end))
        at = end
    if len(data) - start - sum(end - first for first, end in spans) > _LARGEST_REST_BYTES:
        msg = "it is too large"
        raise Unreadable(msg)
    kept: list[bytes] = []
    at = start
    for index, (first, end) in enumerate(spans):
        kept += (data[at:first], b"%d" % index)
        at = end
    kept.append(data[at : len(data)])
    try:
        document = json.loads(b"".join(kept))
    except (ValueError, RecursionError) as problem:
        msg = "it is not valid JSON"
        raise Unreadable(msg) from problem
    return document, [data[first:end] for first, end in spans]


def decode(blob: bytes) -> bytes | None:
    """The bytes of strict base64, or None when it is none (an escaped slash is allowed)."""
    if b"\\" in blob:
        blob = blob.replace(b"\\/", b"/")
    try:
        return binascii.a2b_base64(blob, strict_mode=True)
    except binascii.Error:
        return None


class EventReader:
    """Splits a stream of bytes into the data of its server-sent events."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._seen = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that became complete with this chunk."""
        self._buffer += chunk
        while (found := self._blank_line()) is not None:
            end, after = found
            block = bytes(self._buffer[:end])
            del self._buffer[:after]
            self._seen = 0
            if data := _data(block):
                yield data

    def _blank_line(self) -> tuple[int, int] | None:
        at = max(0, self._seen - 3)
        found = None
        for mark in (b"\n\n", b"\r\n\r\n"):
            end = self._buffer.find(mark, at)
            if end >= 0 and (found is None or end < found[0]):
                found = (end, end + len(mark))
        if found is None:
            self._seen = len(self._buffer)
        return found


def _data(block: bytes) -> bytes:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = (line.rstrip(b"\r") for line in block.split(b"\n"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


def events(data: Buffer, start: int = 0) -> Iterator[bytes]:
    """The data of every complete event of a whole (or cut) stream, a slice at a time."""
    reader = EventReader()
    step = 1 << 20
    for at in range(start, len(data), step):
        yield from reader.feed(bytes(data[at : at + step]))
