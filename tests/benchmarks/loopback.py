"""A quick provider on loopback for load: answers after a while, bills tokens, counts what it sees.

    python tests/benchmarks/loopback.py '{"latency_ms": 180, "uplink_mbit": 100}'

Prints its port. It is not the embedded provider, which draws, validates and misbehaves, and would
be what is measured. It looks at no pixels: photos are told apart by their hash, and cost what the
catalog says of their header. `GET /stats` tells what it saw.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import resource
import sys
import time
from typing import Any

from playground import pricing
from playground.photos import header
from playground.values import CaptionRequest, Photo

MODEL = "gpt-5.4-nano"
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MARK = b"base64,"
_HEADER_BYTES = 4 * 65_536


class Seen:
    """What arrived, for all connections."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.latency = settings.get("latency_ms", 180) / 1000
        self.bytes_a_second = settings.get("uplink_mbit", 0) * 125_000
        self.line_free = 0.0
        self.bytes = self.billed = self.image_tokens = 0
        self.first = self.last = 0.0
        self.photos: dict[bytes, int] = {}
        self._known: dict[tuple[int, int], int] = {}

    def ask(self, body: bytes) -> bytes:
        now = time.monotonic()
        self.first = self.first or now
        begin = body.index(_MARK) + len(_MARK)
        end = body.index(b'"', begin)
        photo = hashlib.blake2b(memoryview(body)[begin:end], digest_size=8).digest()
        few = min(end - begin, _HEADER_BYTES)
        read = header.of_bytes(base64.b64decode(body[begin : begin + few]))
        size = read.shown if read is not None else (1024, 1024)
        if size not in self._known:
            self._known[size] = image_tokens(*size)
        self.photos[photo] = self.photos.get(photo, 0) + 1
        self.billed += 1
        self.image_tokens += self._known[size]
        return answer(f"Photo {photo.hex()} in soft light.", self._known[size] + 40)

    def stats(self) -> dict[str, Any]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "photos": len(self.photos),
            "twice": self.billed - len(self.photos),
            "bytes": self.bytes,
            "image_tokens": self.image_tokens,
            "seconds": self.last - self.first,
            "cpu_seconds": used.ru_utime + used.ru_stime,
        }


def image_tokens(width: int, height: int) -> int:
    """The catalog's upper count."""
    request = CaptionRequest(Photo(width, height), model=MODEL)
    return pricing.quote(request).tokens["image_input"].high


def answer(text: str, input_tokens: int) -> bytes:
    usage = {
        "prompt_tokens": input_tokens,
        "completion_tokens": 20,
        "total_tokens": input_tokens + 20,
    }
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL, "usage": usage,
         "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    ).encode()  # fmt: skip


class Connection(asyncio.Protocol):
    """One connection; a body is read whole, at the speed of the shared line."""

    def __init__(self, seen: Seen) -> None:
        self.seen, self.buffer, self.needed = seen, bytearray(), -1
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        seen = self.seen
        seen.bytes += len(data)
        if not seen.bytes_a_second:
            self.feed(data)
            return
        now = self.loop.time()
        seen.line_free = max(seen.line_free, now) + len(data) / seen.bytes_a_second
        self.transport.pause_reading()
        self.loop.call_at(seen.line_free, self.later, data)

    def later(self, data: bytes) -> None:
        self.feed(data)
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def feed(self, data: bytes) -> None:
        self.buffer += data
        if self.needed < 0:
            end = self.buffer.find(_HEAD_END)
            if end < 0:
                return
            length = _LENGTH.search(self.buffer, 0, end)
            self.start = end + 4
            self.needed = self.start + (int(length[1]) if length else 0)
        if len(self.buffer) < self.needed:
            return
        head, body = bytes(self.buffer[: self.start]), bytes(self.buffer[self.start : self.needed])
        del self.buffer[: self.needed]
        self.needed = -1
        if head.startswith(b"GET"):
            self.reply(json.dumps(self.seen.stats()).encode())
            return
        made = self.seen.ask(body)
        self.loop.call_later(self.seen.latency, self.reply, made)

    def reply(self, body: bytes) -> None:
        self.seen.last = time.monotonic()
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                % len(body)
                + body
            )


async def serve(settings: dict[str, Any]) -> None:
    seen = Seen(settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seen), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
