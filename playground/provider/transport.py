"""What lies under the SDK: the spool, the limits and the in-process way to the embedded provider.

Every answer is written to the attempt's spool file as it arrives, before anyone parses it, so
that a process killed after the last byte has lost nothing. The file's first line is JSON
(`status`, `headers`, `url`); the raw body follows. It is named `<attempt>.part` while it arrives
and `<attempt>.body` once it is whole.

Nothing leaves through this transport without an open exchange, to another origin than the one
the client was made for, or with another key than the one given for that origin.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2

from playground import failpoints
from playground.provider.offline.wire import Call, Cut, Pause, Reply
from playground.provider.redact import Scrubber, without_secrets

MEBIBYTE = 2**20
ERROR_LIMIT_BYTES = MEBIBYTE
_SMALL_BYTES = 65_536
_SOCKET_CHUNK_BYTES = 65_536

# Sent to endpoints other than OpenAI's own; organisation, project and custom headers are not.
_PLAIN_HEADERS = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-client-request-id",
    }
)
_REPLACED_HEADERS = frozenset({"authorization", "accept-encoding"})


class AnswerTooLarge(Exception):
    """The answer went past the limit that was set for it; reading stopped there."""


@dataclass
class Exchange:
    """One attempt's request and answer, as the transport saw it.

    `stage` is local (nothing left), sending, answering or done; `deadline` is on the
    transport's clock, in seconds. `memory` holds the spooled bytes when the disk was full;
    `small` the same bytes as the file while they are few.
    """

    spool: Path
    limit_bytes: int
    deadline: float | None = None
    stage: str = "local"
    status: int | None = None
    received_bytes: int = 0
    trouble: Exception | None = None
    memory: bytearray | None = None
    # A small answer as it was spooled, so that it need not be read back.
    small: bytearray | None = None

    @property
    def part(self) -> Path:
        """The spool file while the answer arrives."""
        return _named(self.spool, ".part")

    @property
    def body(self) -> Path:
        """The spool file once the answer is whole."""
        return _named(self.spool, ".body")


def _named(spool: Path, suffix: str) -> Path:
    stem = spool.name.removesuffix(".part").removesuffix(".body")
    return spool.with_name(stem + suffix)


class SpoolTransport(httpx2.BaseTransport):
    """Wraps a transport: bounds, scrubs and spools every answer.

    Args:
        inner: the transport that really talks.
        origin: scheme, host and port (as in `https://api.openai.com`) that may be talked to.
        authorization: the exact header value for that origin, or None for no header at all.
        secrets: keys that must not appear in anything that comes back.
        plain: send only the headers that any compatible endpoint needs.
    """

    def __init__(
        self,
        inner: httpx2.BaseTransport,
        *,
        origin: str,
        authorization: str | None,
        secrets: tuple[str, ...] = (),
        plain: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._origin = origin
        self.authorization = authorization
        self._secrets = secrets
        self._plain = plain
        self._clock = clock
        self._exchanges: dict[str, Exchange] = {}
        self._lock = threading.Lock()

    def begin(self, attempt_id: str, exchange: Exchange) -> None:
        """Allow one request with this attempt's id, and spool its answer."""
        with self._lock:
            if attempt_id in self._exchanges:
                msg = f"attempt {attempt_id} is already being sent"
                raise RuntimeError(msg)
            self._exchanges[attempt_id] = exchange

    def end(self, attempt_id: str) -> None:
        """Forget the attempt: nothing more may be sent for it."""
        with self._lock:
            self._exchanges.pop(attempt_id, None)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send once, and hand the answer on while it is spooled."""
        with self._lock:
            exchange = self._exchanges.get(request.headers.get("x-client-request-id", ""))
        if exchange is None or exchange.stage != "local":
            msg = "a request without a reservation was stopped"
            raise RuntimeError(msg)
        if origin_of(request.url) != self._origin:
            msg = "a request to another address than the client's was stopped"
            raise RuntimeError(msg)
        dressed = self._dressed(request)
        # Opened first: an answer that could not be kept is not asked for.
        spool = SpoolFile(exchange)
        try:
            failpoints.hit("pre_send")
            exchange.stage = "sending"
            response = self._inner.handle_request(dressed)
        except BaseException as trouble:
            exchange.trouble = trouble if isinstance(trouble, Exception) else None
            spool.discard()
            raise
        try:
            return self._begun(response, exchange, spool, str(request.url))
        except BaseException:
            spool.close()
            response.close()
            raise

    def _begun(
        self, response: httpx2.Response, exchange: Exchange, spool: SpoolFile, url: str
    ) -> httpx2.Response:
        """The answer from its headers on, spooled while it is read."""
        failpoints.hit("headers")
        exchange.stage = "answering"
        exchange.status = response.status_code
        if response.status_code >= 300:
            exchange.limit_bytes = min(exchange.limit_bytes, ERROR_LIMIT_BYTES)
        headers = [
            (name, without_secrets(value, self._secrets) if self._secrets else value)
            for name, value in response.headers.multi_items()
            if name.lower() != "set-cookie"
        ]
        head = {"status": response.status_code, "headers": headers, "url": url}
        spool.write(json.dumps(head).encode() + b"\n")
        return httpx2.Response(
            response.status_code,
            # The body is passed on as it came: a compressed one is refused where it is read.
            headers=[pair for pair in headers if pair[0].lower() != "content-encoding"],
            stream=_Tee(response, exchange, spool, Scrubber(self._secrets), self._clock),
            extensions=response.extensions,
        )

    def _dressed(self, request: httpx2.Request) -> httpx2.Request:
        """The request as it goes out. A copy: the SDK looks at its own headers afterwards."""
        headers = [
            (name, value)
            for name, value in request.headers.multi_items()
            if name.lower() not in _REPLACED_HEADERS
            and (not self._plain or name.lower() in _PLAIN_HEADERS)
        ]
        if self.authorization is not None:
            headers.append(("authorization", self.authorization))
        # A compressed answer could be a bomb, and pictures do not compress.
        headers.append(("accept-encoding", "identity"))
        return httpx2.Request(
            request.method,
            request.url,
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )

    def close(self) -> None:
        """Close the transport below."""
        self._inner.close()


def origin_of(url: httpx2.URL) -> str:
    """Scheme, host and port of an address, the port only where it is not the scheme's own."""
    port = {"http": 80, "https": 443}.get(url.scheme)
    host = f"[{url.host}]" if ":" in url.host else url.host
    shown = f":{url.port}" if url.port is not None and url.port != port else ""
    return f"{url.scheme}://{host}{shown}"


class SpoolFile:
    """The spool file of one answer; memory instead, once the disk refuses (it is paid for)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        exchange.small = bytearray()
        # Texts, not paths: this is done for every call.
        stem = os.fspath(exchange.spool).removesuffix(".part").removesuffix(".body")
        self._part, self._body = f"{stem}.part", f"{stem}.body"
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            self._handle = os.open(self._part, how, 0o600)
        except FileNotFoundError:
            exchange.spool.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._part, how, 0o600)

    def write(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange.memory is not None:
            exchange.memory += data
            return
        if exchange.small is not None:
            exchange.small += data
            if len(exchange.small) > _SMALL_BYTES:
                exchange.small = None
        written = 0
        try:
            # Unbuffered: what was written survives the death of this process.
            while written < len(data):
                written += os.write(self._handle, data[written:] if written else data)
        except OSError:
            self.close()
            kept = exchange.part.read_bytes()
            exchange.memory = bytearray(kept + data[written:])
            exchange.small = None

    def finish(self) -> None:
        self.close()
        if self._exchange.memory is None:
            os.rename(self._part, self._body)  # noqa: PTH104  as above

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def discard(self) -> None:
        """Nothing came: no empty file is left behind."""
        self.close()
        Path(self._part).unlink(missing_ok=True)


class _Tee(httpx2.SyncByteStream):
    """Passes an answer on, chunk by chunk, after writing each chunk to the spool."""

    def __init__(
        self,
        response: httpx2.Response,
        exchange: Exchange,
        spool: SpoolFile,
        scrubber: Scrubber,
        clock: Callable[[], float],
    ) -> None:
        self._response = response
        self._exchange = exchange
        self._spool = spool
        self._scrubber = scrubber
        self._clock = clock

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        stream = self._response.stream
        assert isinstance(stream, httpx2.SyncByteStream)
        try:
            for raw in stream:
                if exchange.deadline is not None and self._clock() > exchange.deadline:
                    msg = "the answer took longer than its time limit"
                    raise httpx2.ReadTimeout(msg)
                exchange.received_bytes += len(raw)
                if exchange.received_bytes > exchange.limit_bytes:
                    msg = f"the answer is larger than {exchange.limit_bytes:,} bytes"
                    raise AnswerTooLarge(msg)
                yield self._write(self._scrubber.feed(raw))
            if rest := self._scrubber.rest():
                yield self._write(rest)
        except Exception as trouble:
            exchange.trouble = trouble
            raise
        self._spool.finish()
        exchange.stage = "done"
        failpoints.hit("body_done")

    def _write(self, chunk: bytes) -> bytes:
        self._spool.write(chunk)
        failpoints.hit("mid_body")
        return chunk

    def close(self) -> None:
        """Close the spool file and the connection."""
        self._spool.close()
        self._response.close()


class Handler(Protocol):
    """What answers in this process: the embedded provider's application."""

    def handle(self, call: Call) -> Reply:
        """Answer one call; the reply's chunks are made while they are read."""
        ...


class InProcessTransport(httpx2.BaseTransport):
    """Runs an application in the caller's thread, streaming, with real timeouts.

    The application says how long it would take instead of sleeping, so a pause beyond the read
    timeout ends exactly at the timeout, and tests pass their own `sleep`.
    """

    def __init__(self, app: Handler, sleep: Callable[[float], object] = time.sleep) -> None:
        self._app = app
        self._sleep = sleep

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request from the application."""
        timeout = request.extensions.get("timeout", {}).get("read")
        call = Call(
            method=request.method,
            path=request.url.path,
            query=request.url.query.decode("ascii"),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.read(),
        )
        reply = self._app.handle(call)
        self._wait(reply.wait_seconds, timeout)
        if reply.cut is not None:
            raise _as_error(reply.cut)
        return httpx2.Response(
            reply.status,
            headers=reply.headers,
            stream=_Chunks(reply.chunks, timeout, self._wait),
        )

    def _wait(self, seconds: float, timeout: float | None) -> None:
        if timeout is not None and seconds > timeout:
            self._sleep(timeout)
            msg = "the embedded provider did not answer in time"
            raise httpx2.ReadTimeout(msg)
        if seconds > 0:
            self._sleep(seconds)


def _as_error(cut: Cut) -> Exception:
    if cut.kind == "refuse":
        return httpx2.ConnectError("connection refused")
    if cut.kind == "reset":
        return httpx2.ReadError("connection reset by peer")
    return httpx2.RemoteProtocolError("the connection was closed before the answer was complete")


class _Chunks(httpx2.SyncByteStream):
    def __init__(
        self,
        chunks: Iterable[bytes | Pause | Cut],
        timeout: float | None,
        wait: Callable[[float, float | None], None],
    ) -> None:
        self._chunks = chunks
        self._timeout = timeout
        self._wait = wait

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Pause):
                self._wait(chunk.seconds, self._timeout)
            elif isinstance(chunk, Cut):
                raise _as_error(chunk)
            else:
                yield from _sliced(chunk)


def _sliced(chunk: bytes) -> Iterator[bytes]:
    """A large chunk as a socket would deliver it."""
    if len(chunk) <= _SOCKET_CHUNK_BYTES:
        yield chunk
        return
    for start in range(0, len(chunk), _SOCKET_CHUNK_BYTES):
        yield chunk[start : start + _SOCKET_CHUNK_BYTES]
