"""Many captions at once from one thread: plain HTTP/1.1 over an event loop, nothing more.

The SDK's client takes several milliseconds of computing time for a call; an archive of 76,000
photos feels that. This one sends the same bytes under the same rules as `client` and `transport`:
one request per attempt, never repeated here; no redirects; the key only to its origin; the answer
bounded, scrubbed and spooled as it arrives, then read by `outcomes`. It speaks only to the
client's own origin, without a proxy; everything else goes through the SDK.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from playground import failpoints
from playground.errors import InvalidRequest
from playground.provider import asking
from playground.provider.redact import Scrubber, without_secrets
from playground.provider.transport import (
    ERROR_LIMIT_BYTES,
    AnswerTooLarge,
    Exchange,
    SpoolFile,
)
from playground.values import CaptionRequest, Outcome, Upload

if TYPE_CHECKING:
    from pathlib import Path

    from playground.provider.client import Client

_HEAD_LIMIT_BYTES = 65_536
# Servers close idle connections after five seconds or more; a request on one that is just being
# closed would be lost with an unknown bill.
_IDLE_SECONDS = 4.0
# A photo is handed to the socket in pieces of this size: what does not fit is copied, and megabytes
# of copies for each call under way add up.
_PIECE_BYTES = 262_144
_MARK = "photo-goes-here"


def wall_seconds() -> float:
    """Seconds that go on while the computer sleeps, which `time.monotonic` may not count.

    Not the clock on the wall, which people and servers set.
    """
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Body:
    """The body of one caption call: JSON with the photo's base64 in the middle."""

    __slots__ = ("head", "photo", "size_bytes", "tail")

    def __init__(self, head: bytes, photo: bytes, tail: bytes) -> None:
        self.head, self.photo, self.tail = head, photo, tail
        self.size_bytes = len(head) + len(photo) + len(tail)


class Form:
    """Makes bodies: everything but the photo is written once for all photos of a question."""

    def __init__(self, *, full: bool, batched: bool = False) -> None:
        self._full, self._batched = full, batched
        self._made: dict[tuple[Any, ...], tuple[bytes, bytes]] = {}

    def body(self, request: CaptionRequest, upload: Upload) -> Body:
        """The body of a call about `upload`, whose data are in base64 already.

        Raises:
            InvalidRequest: as `asking.caption_fields`.
        """
        parts = (
            request.model, request.task, request.prompt, request.detail, request.endpoint,
            request.max_output_tokens, request.schema, request.tier, upload.format,
        )  # fmt: skip
        made = self._made.get(parts)
        if made is None:
            empty = Upload(b"", upload.format, upload.size)
            fields = asking.caption_fields(
                request, [empty], None, None, full=self._full, stream=False, batched=self._batched
            )
            link = f"data:{upload.mime};base64,"
            # A line of a file must hold no character that some reader takes for a line's end.
            text = json.dumps(
                _marked(fields, link), ensure_ascii=self._batched, separators=(",", ":")
            )
            before, mark, after = text.partition(link + _MARK)
            if not mark or _MARK in after:
                msg = f"the prompt must not contain {_MARK!r}; nothing was sent"
                raise InvalidRequest(msg)
            made = self._made[parts] = ((before + link).encode(), after.encode())
        return Body(made[0], upload.data, made[1])


def _marked(value: Any, link: str) -> Any:
    """The fields with a mark after the (empty) photo's link."""
    if isinstance(value, dict):
        return {name: _marked(part, link) for name, part in value.items()}
    if isinstance(value, list):
        return [_marked(part, link) for part in value]
    return link + _MARK if value == link else value


class Wire:
    """Connections to one origin, for one event loop; make it inside that loop."""

    def __init__(
        self,
        client: Client,
        *,
        authorization: str,
        secrets: tuple[str, ...],
        connect_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        parts = urlsplit(client.base_url)
        self._client = client
        self._host, self._tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        self._base_url = client.base_url
        self._netloc = parts.netloc
        self._authorization = authorization
        self._secrets = secrets
        self._connect_seconds = connect_seconds
        self._clock = clock
        self._idle: deque[tuple[float, _Connection]] = deque()
        self._context: ssl.SSLContext | None = None
        self._open: set[_Connection] = set()

    async def perform(
        self,
        request: CaptionRequest,
        body: Body,
        *,
        attempt_id: str,
        spool: Path,
        seconds: float,
        limit_bytes: int,
    ) -> Outcome:
        """Send one caption call and return what came of it, as `Client.perform` does."""
        loop = asyncio.get_running_loop()
        exchange = Exchange(spool=spool, limit_bytes=limit_bytes)
        started = self._clock()
        trouble: Exception | None = None
        connection: _Connection | None = None
        file: SpoolFile | None = None
        try:
            # Opened first: an answer that could not be kept is not asked for.
            file = SpoolFile(exchange)
            connection = await self._connection(loop)
            failpoints.hit("pre_send")
            where = "/responses" if request.endpoint == "responses" else "/chat/completions"
            exchange.stage = "sending"
            connection.begin(
                exchange, file, Scrubber(self._secrets), self._secrets, self._base_url + where
            )
            connection.send(self._head(where, attempt_id, body.size_bytes), body)
            try:
                await asyncio.wait_for(asyncio.shield(connection.finished), seconds)
            except TimeoutError:
                msg = "the answer took longer than its time limit"
                raise httpx2.ReadTimeout(msg) from None
        except Exception as problem:
            trouble = problem
            if exchange.trouble is None:
                exchange.trouble = problem
        finally:
            if file is not None and exchange.stage != "done":
                file.close() if exchange.stage == "answering" else file.discard()
            if connection is not None:
                self._done(connection, exchange)
        outcome = self._client.outcome_of(request, exchange, trouble)
        return self._client.timed(outcome, self._clock() - started)

    def _head(self, where: str, attempt_id: str, size_bytes: int) -> bytes:
        return (
            f"POST {self._path}{where} HTTP/1.1\r\n"
            f"host: {self._netloc}\r\n"
            "accept: application/json\r\n"
            "content-type: application/json\r\n"
            f"content-length: {size_bytes}\r\n"
            "user-agent: playground\r\n"
            f"x-client-request-id: {attempt_id}\r\n"
            f"authorization: {self._authorization}\r\n"
            "accept-encoding: identity\r\n\r\n"
        ).encode("ascii")

    def lost(self) -> None:
        """Give up every connection: the computer slept, and the other side has hung up since.

        Calls under way end as connections that broke; nobody knows whether they were billed.
        """
        for connection in list(self._open):
            connection.lose("the connection did not outlive the computer's sleep")
        self._idle.clear()

    async def _connection(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        while self._idle:
            since, connection = self._idle.pop()
            if connection.usable and wall_seconds() - since < _IDLE_SECONDS:
                return connection
            connection.close()
            self._open.discard(connection)
        if self._tls and self._context is None:
            self._context = httpx2.create_ssl_context()
        try:
            _, made = await asyncio.wait_for(
                loop.create_connection(
                    _Connection, self._host, self._port, ssl=self._context if self._tls else None
                ),
                self._connect_seconds,
            )
        except TimeoutError:
            msg = f"no connection within {self._connect_seconds:.0f} seconds"
            raise httpx2.ConnectTimeout(msg) from None
        except (OSError, ssl.SSLError) as problem:
            raise httpx2.ConnectError(str(problem)) from None
        self._open.add(made)
        return made

    def _done(self, connection: _Connection, exchange: Exchange) -> None:
        if exchange.stage == "done" and connection.usable:
            connection.end()
            self._idle.append((wall_seconds(), connection))
        else:
            connection.close()
            self._open.discard(connection)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._idle.clear()


class _Connection(asyncio.Protocol):
    """One connection, one exchange at a time: the answer's bytes go to the spool as they come."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self._exchange: Exchange | None = None
        self._file: SpoolFile | None = None
        self._reader: _Reader | None = None
        # What of the request has not been handed to the socket yet.
        self._unsent: memoryview | None = None
        self._tail = b""
        self._full = False
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on it."""
        transport = self._transport
        if self._lost or transport is None or transport.is_closing() or self._unsent is not None:
            return False
        return self._reader is None or self._reader.keep_alive

    def begin(
        self,
        exchange: Exchange,
        file: SpoolFile,
        scrubber: Scrubber,
        secrets: tuple[str, ...],
        url: str,
    ) -> None:
        self._exchange, self._file = exchange, file
        self._reader = _Reader(exchange, file, scrubber, secrets, url)
        self.finished = asyncio.get_running_loop().create_future()

    def send(self, head: bytes, body: Body) -> None:
        assert self._transport is not None
        self._unsent, self._tail = memoryview(body.photo), body.tail
        self._transport.write(head + body.head)
        self._pour()

    def _pour(self) -> None:
        """Hand over the photo, as far as the socket takes it."""
        transport = self._transport
        assert transport is not None
        while self._unsent is not None and not self._full and not transport.is_closing():
            piece, rest = self._unsent[:_PIECE_BYTES], self._unsent[_PIECE_BYTES:]
            self._unsent = rest or None
            transport.write(piece)
            if not rest:
                transport.write(self._tail)

    def end(self) -> None:
        self._exchange = self._file = self._reader = None

    def close(self) -> None:
        self._unsent = None
        if self._transport is not None:
            # What has not left the buffer need not leave any more.
            self._transport.abort()
        if not self.finished.done():
            self.finished.cancel()

    def lose(self, why: str) -> None:
        """Break it, as the network would."""
        self._ended(OSError(why))
        self.close()

    # -- asyncio.Protocol ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._pour()

    def data_received(self, data: bytes) -> None:
        if self._reader is None or self.finished.done():
            self.close()  # nobody asked
            return
        try:
            if self._reader.feed(data):
                self.finished.set_result(None)
        except Exception as problem:
            self.finished.set_exception(problem)

    def eof_received(self) -> bool:
        self._ended(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)

    def _ended(self, exc: Exception | None) -> None:
        self._lost = True
        if self._reader is None or self.finished.done():
            return
        try:
            if exc is None and self._reader.end():
                self.finished.set_result(None)
                return
            problem: Exception = httpx2.ReadError(str(exc or "the connection was closed"))
        except Exception as error:
            problem = error
        self.finished.set_exception(problem)


class _Reader:
    """Reads one HTTP/1.1 answer into its spool file."""

    def __init__(
        self,
        exchange: Exchange,
        file: SpoolFile,
        scrubber: Scrubber,
        secrets: tuple[str, ...],
        url: str,
    ) -> None:
        self._exchange, self._file, self._scrubber = exchange, file, scrubber
        self._secrets, self._url = secrets, url
        self._buffer = b""
        self._headed = False
        # What is left of the body: bytes, or None until the connection closes.
        self._left: int | None = None
        self._chunks: _Chunks | None = None
        self.keep_alive = True

    def feed(self, data: bytes) -> bool:
        """Take what arrived; whether the answer is whole."""
        while not self._headed:
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > _HEAD_LIMIT_BYTES:
                    msg = "the headers are too long"
                    raise httpx2.RemoteProtocolError(msg)
                return False
            head, data, self._buffer = self._buffer[:end], self._buffer[end + 4 :], b""
            self._begin(head)
            if self._left == 0:
                return self._finish(data)
        if not data:
            return False
        self._exchange.received_bytes += len(data)
        if self._exchange.received_bytes > self._exchange.limit_bytes:
            msg = f"the answer is larger than {self._exchange.limit_bytes:,} bytes"
            raise AnswerTooLarge(msg)
        if self._chunks is not None:
            self._write(self._chunks.feed(data))
            return self._finish(b"") if self._chunks.done else False
        if self._left is None:
            self._write(data)
            return False
        here, extra = data[: self._left], data[self._left :]
        self._left -= len(here)
        self._write(here)
        return self._finish(extra) if self._left == 0 else False

    def end(self) -> bool:
        """The other side closed: whether that ends the answer."""
        self.keep_alive = False
        if self._headed and self._left is None and self._chunks is None:
            return self._finish(b"")
        return False

    def _begin(self, head: bytes) -> None:
        status, headers = _parsed(head)
        if status < 200:
            return  # interim: the answer itself follows
        failpoints.hit("headers")
        exchange = self._exchange
        exchange.stage, exchange.status = "answering", status
        if status >= 300:
            exchange.limit_bytes = min(exchange.limit_bytes, ERROR_LIMIT_BYTES)
        self._headed = True
        known = dict(headers)
        closing = "close" in known.get("connection", "").lower()
        self.keep_alive = not closing and not head.startswith(b"HTTP/1.0")
        if known.get("transfer-encoding", "").strip().lower() == "chunked":
            self._chunks = _Chunks()
        elif status == 204:
            self._left = 0
        else:
            self._left = _length([value for name, value in headers if name == "content-length"])
        shown = [
            (name, without_secrets(value, self._secrets) if self._secrets else value)
            for name, value in headers
            if name != "set-cookie"
        ]
        first = {"status": status, "headers": shown, "url": self._url}
        self._file.write(json.dumps(first).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        clean = self._scrubber.feed(data)
        if clean:
            self._file.write(clean)
        failpoints.hit("mid_body")

    def _finish(self, extra: bytes) -> bool:
        if extra:
            self.keep_alive = False  # more than one answer to one question
        if rest := self._scrubber.rest():
            self._file.write(rest)
        self._file.finish()
        self._exchange.stage = "done"
        failpoints.hit("body_done")
        return True


def _parsed(head: bytes) -> tuple[int, Sequence[tuple[str, str]]]:
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    code = rest[:3]
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not (code.isascii() and code.isdigit()):
        msg = "the answer is not HTTP"
        raise httpx2.RemoteProtocolError(msg)
    headers = []
    for line in lines[1:]:
        name, mark, value = line.partition(":")
        if not mark or not name or name != name.strip():
            msg = "the answer's headers are broken"
            raise httpx2.RemoteProtocolError(msg)
        headers.append((name.lower(), value.strip()))
    return int(code), headers


def _length(values: Sequence[str]) -> int | None:
    if not values:
        return None
    if len(set(values)) > 1 or not (values[0].isascii() and values[0].isdigit()):
        msg = "the answer's length makes no sense"
        raise httpx2.RemoteProtocolError(msg)
    return int(values[0])


class _Chunks:
    """Takes the framing out of a chunked body."""

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self._trailing = False
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """The body's bytes in what arrived."""
        self._buffer += data
        found: list[bytes] = []
        while not self.done:
            if self._left > 0:
                part = self._buffer[: self._left]
                if not part:
                    break
                self._left -= len(part)
                self._buffer = self._buffer[len(part) :]
                found.append(part)
                if self._left:
                    break
                self._left = -2  # the line end after a chunk
            if self._left == -2:
                if len(self._buffer) < 2:
                    break
                if self._buffer[:2] != b"\r\n":
                    raise httpx2.RemoteProtocolError("a chunk does not end where it said")
                self._buffer, self._left = self._buffer[2:], 0
            line, mark, rest = self._buffer.partition(b"\r\n")
            if not mark:
                if len(self._buffer) > _HEAD_LIMIT_BYTES:
                    raise httpx2.RemoteProtocolError("a chunk's size is too long")
                break
            self._buffer = rest
            if self._trailing:
                self.done = not line
                continue
            size = line.partition(b";")[0].strip()
            if not size or len(size) > 16 or any(c not in b"0123456789abcdefABCDEF" for c in size):
                raise httpx2.RemoteProtocolError("a chunk's size makes no sense")
            self._left = int(size, 16)
            self._trailing = self._left == 0
        return b"".join(found)
