"""Over a real socket: one request for one action, whatever the network does."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import socket
import threading
from pathlib import Path

import pytest
from PIL import Image

from playground import catalog, runner
from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.runner import perform
from playground.store import Gallery
from playground.values import Failed, Generated, ImageRequest, Unknown

REQUEST = ImageRequest("a fox", model="gpt-image-2", size="1440x480", quality="low")
STREAMED = REQUEST.with_(prompt="an owl", partial_images=2)


@pytest.mark.parametrize(
    "fault", ["500", "500-billed", "reset", "reset-billed", "truncated", "timeout", "502-html"]
)
def test_an_ambiguous_failure_is_one_request_and_stays_held(tmp_path: Path, fault: str) -> None:
    with (
        OfflineServer(OfflineApp(faults=fault)) as server,
        Gallery(tmp_path / "g") as gallery,
        connect(base_url=server.base_url, environ={}) as client,
    ):
        result = perform(gallery, client, REQUEST, timeout_seconds=1.0)
        assert isinstance(result.outcome, Unknown)
        assert server.app.truth.requests == 1
        totals = gallery.ledger.totals()
        assert totals.settled == 0
        assert totals.held == result.quote.hold >= server.app.truth.dollars


@pytest.mark.parametrize("fault", ["redirect", "redirect-other", "redirect-loop", "401", "quota"])
def test_a_refusal_is_one_request_and_free(tmp_path: Path, fault: str) -> None:
    with (
        OfflineServer(OfflineApp(faults=fault)) as server,
        Gallery(tmp_path / "g") as gallery,
        connect(base_url=server.base_url, environ={}) as client,
    ):
        result = perform(gallery, client, REQUEST)
        assert isinstance(result.outcome, Failed)
        assert server.app.truth.requests == 1
        assert gallery.ledger.totals().committed == 0


def test_a_server_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    with OfflineServer(OfflineApp()) as server:
        url = server.base_url
    with Gallery(tmp_path / "g") as gallery, connect(base_url=url, environ={}) as client:
        result = perform(gallery, client, REQUEST)
        assert isinstance(result.outcome, Failed)
        assert result.outcome.kind == "not_sent"
        assert "Nothing was sent" in result.outcome.message
        assert gallery.ledger.totals().committed == 0


def test_pictures_and_captions_through_a_socket_agree_with_the_provider(tmp_path: Path) -> None:
    with (
        OfflineServer(OfflineApp()) as server,
        Gallery(tmp_path / "g") as gallery,
        connect(base_url=server.base_url, environ={}) as client,
    ):
        made = [
            perform(gallery, client, REQUEST.with_(n=2)),
            perform(gallery, client, STREAMED, on_partial=print_nothing),
        ]
        assert all(isinstance(result.outcome, Generated) for result in made)
        paths = [item.path for result in made for item in result.items]
        summary = runner.caption_folder(
            paths, gallery, client, model=["gpt-5.4-nano", "gpt-5.4-mini"], resize=512
        )
        assert summary.captioned == 6
        assert gallery.ledger.totals().settled == server.app.truth.dollars
        assert gallery.ledger.totals().held == 0
        sent = {call.client_request_id for call in server.app.truth.calls}
        assert len(sent) == server.app.truth.requests == 8


class Peculiar(threading.Thread):
    """A server for one connection that reads slowly, or answers before it has read everything."""

    def __init__(self, *, early: bool) -> None:
        super().__init__(daemon=True)
        self.early = early
        self.body = b""
        self.connections = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1"
        self.start()

    def run(self) -> None:
        while True:
            connection, _ = self.listening.accept()
            self.connections += 1
            with contextlib.suppress(OSError):
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(4_096)
            head, _, self.body = data.partition(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head)[1])
            if self.early:
                told = b'{"error": {"message": "too large", "type": "invalid_request_error"}}'
                connection.sendall(_answer(413, told))
                connection.settimeout(2)
                while connection.recv(65_536):  # until the other side hangs up
                    pass
                return
            while len(self.body) < length:
                self.body += connection.recv(20_000)
            connection.sendall(_answer(200, json.dumps(ANSWER).encode()))


ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "Grain."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
}


def _answer(status: int, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


def large_photo(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    Image.effect_noise((2_000, 1_500), 80).convert("RGB").save(path, quality=95)
    assert path.stat().st_size > 1_500_000
    return path


def test_a_large_photo_arrives_whole_at_a_server_that_reads_slowly(tmp_path: Path) -> None:
    path = large_photo(tmp_path, "large.jpg")
    server = Peculiar(early=False)
    with (
        Gallery(tmp_path / "g") as gallery,
        connect(base_url=server.url, environ={}, rates=catalog.parse_rates("free")) as client,
    ):
        summary = runner.caption_folder([path], gallery, client, endpoint="chat", confirm=True)
    assert summary.captioned == 1
    link = json.loads(server.body)["messages"][0]["content"][1]["image_url"]["url"]
    sent = base64.b64decode(link.partition("base64,")[2])
    assert Image.open(io.BytesIO(sent)).tobytes() == Image.open(path).tobytes()


def test_a_connection_on_which_half_a_photo_is_left_is_not_used_again(tmp_path: Path) -> None:
    paths = [large_photo(tmp_path, f"{number}.jpg") for number in range(2)]
    paths[1].write_bytes(paths[1].read_bytes() + b"another")
    server = Peculiar(early=True)
    with (
        Gallery(tmp_path / "g") as gallery,
        connect(base_url=server.url, environ={}, rates=catalog.parse_rates("free")) as client,
    ):
        summary = runner.caption_folder(paths, gallery, client, concurrency=1, endpoint="chat")
        assert (summary.captioned, summary.failed) == (0, 2)
        assert gallery.ledger.totals().committed == 0
    assert server.connections == 2


def print_nothing(_index: int, _data: bytes) -> None:
    """A page that shows drafts."""
