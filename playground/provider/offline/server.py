"""The embedded provider behind a loopback socket: for other programs, load and fault tests.

HTTP/1.1 with keep-alive, one thread a connection, 127.0.0.1 only. Replies are sent as the
application describes them, with real pauses, resets and cut bodies.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Self

from playground.provider.offline.app import OfflineApp
from playground.provider.offline.faults import Faults
from playground.provider.offline.wire import ApiError, Call, Cut, Pause, Reply, json_reply

HOST = "127.0.0.1"
_MAX_BODY_BYTES = 640 * 2**20
_IDLE_SECONDS = 75.0
_LOOK_SECONDS = 0.05
# SO_LINGER with no time: closing sends RST, and the client sees a reset connection.
_RESET = struct.pack("ii", 1, 0)


class OfflineServer:
    """A running server, ended by `close` or by leaving its `with` block.

    Attributes:
        app: the application, with its `truth`.
        port: where it listens.
        base_url: what goes into `--base-url`.
    """

    def __init__(self, app: OfflineApp, port: int = 0) -> None:
        """Listen at once. Raises OSError when the port is taken."""
        self.app = app
        self._stop = threading.Event()
        self._server = _Server((HOST, port), _Handler)
        self._server.app = app
        self._server.stop = self._stop
        self.port = int(self._server.server_address[1])
        self.base_url = f"http://{HOST}:{self.port}/v1"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="offline-provider",
            daemon=True,
        )
        self._thread.start()
        threading.Thread(target=self._work, name="offline-batches", daemon=True).start()

    def _work(self) -> None:
        """Batches go on without being looked at, as long as the server runs."""
        while not self._stop.is_set():
            if not self.app.desk.busy.wait(_IDLE_SECONDS) or self._stop.is_set():
                continue
            self.app.desk.work()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait(self, seconds: float | None = None) -> bool:
        """Block until the server is closed from another thread; False when the time is over."""
        return self._stop.wait(seconds)

    def close(self) -> None:
        """Stop listening and end all connections."""
        if self._stop.is_set():
            return
        self._stop.set()
        self.app.desk.busy.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()


def serve(
    port: int = 0,
    *,
    latency_ms: float = 0.0,
    faults: Faults | str | None = None,
    seed: int = 0,
    rpm: float | None = None,
    tpm: float | None = None,
) -> OfflineServer:
    """Start the embedded provider on a loopback port (0: a free one); see `OfflineApp`.

    Raises:
        OSError: when the port is taken.
        InvalidRequest: for an unknown fault.
    """
    app = OfflineApp(latency_ms=latency_ms, faults=faults, seed=seed, rpm=rpm, tpm=tpm)
    return OfflineServer(app, port)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    app: OfflineApp
    stop: threading.Event

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, handler)

    @contextmanager
    def tracked(self, connection: socket.socket) -> Iterator[None]:
        """Remember a connection while it is open."""
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)

    def end_connections(self) -> None:
        """Wake every thread that waits for its client."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Gone(Exception):
    """The connection is over, on purpose or not."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def handle(self) -> None:
        with self.server.tracked(self.connection), suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        self._answer(b"")

    def do_DELETE(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdigit():
            self._refuse(411, "Content-Length is required.")
        elif int(length) > _MAX_BODY_BYTES:
            self._refuse(413, "The request is too large.")
        else:
            self._answer(self.rfile.read(int(length)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: whoever started the server decides what is shown."""

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True
        self._write(json_reply(status, ApiError(status, message).body()))

    def _answer(self, body: bytes) -> None:
        call = Call(
            method=self.command,
            path=self.path.partition("?")[0],
            query=self.path.partition("?")[2],
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        try:
            reply = self.server.app.handle(call)
            self._pause(reply.wait_seconds)
            if reply.cut is not None:
                self._cut(reply.cut)
            self._write(reply)
        except _Gone:
            self.close_connection = True

    def _write(self, reply: Reply) -> None:
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = ""
        # Without the standard library's Server header, and with the Date that a fault may fake.
        self.send_response_only(reply.status, phrase)
        if not any(name == "date" for name, _ in reply.headers):
            self.send_header("date", self.date_time_string())
        for name, value in reply.headers:
            self.send_header(name, value)
        chunked = reply.length is None
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(reply.length))
        self.end_headers()
        for chunk in reply.chunks:
            if isinstance(chunk, Pause):
                self.wfile.flush()
                self._pause(chunk.seconds)
            elif isinstance(chunk, Cut):
                self.wfile.flush()
                self._cut(chunk)
            elif chunk:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than the client does or the server runs."""
        if seconds <= 0:
            return
        left = seconds
        while left > 0:
            step = min(left, _LOOK_SECONDS)
            if self.server.stop.wait(step) or self._client_left():
                raise _Gone
            left -= step

    def _client_left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        if not readable:
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _cut(self, cut: Cut) -> None:
        if cut.kind != "close":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with suppress(OSError):
            self.connection.close()
        raise _Gone
