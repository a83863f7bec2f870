"""The embedded provider behind a socket: real connections, really broken."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from playground.provider.connect import connect
from playground.provider.offline import draw
from playground.provider.offline.server import serve
from playground.size import Size
from playground.values import (
    Captioned,
    CaptionRequest,
    Failed,
    Generated,
    ImageRequest,
    Outcome,
    Photo,
    Unknown,
    Upload,
)

IMAGE = ImageRequest(prompt="sea", size="1440x480")
CAPTION = CaptionRequest(photo=Photo(320, 240))
SIZE = Size(320, 240)
PHOTO = Upload(draw.picture(draw.Wanted("sea", SIZE, output_format="jpeg")), "jpeg", SIZE)


def one(fault: str | None, request: ImageRequest | CaptionRequest, folder: Path) -> Outcome:
    """One call through a socket; exactly one request was seen."""
    uploads = [PHOTO] if isinstance(request, CaptionRequest) else []
    with serve(faults=fault) as server:
        with connect(base_url=server.base_url) as client:
            outcome = client.perform(
                request, attempt_id="a", spool=folder / "a", uploads=uploads, timeout_seconds=1.0
            )
        assert server.app.truth.requests == 1
    return outcome


def test_pictures_captions_and_streams_pass_through(tmp_path: Path) -> None:
    heard: list[str] = []
    drafts: list[int] = []
    with serve() as server, connect(base_url=server.base_url) as client:
        picture = client.perform(
            IMAGE.with_(partial_images=2),
            attempt_id="a",
            spool=tmp_path / "a",
            on_partial=lambda index, data: drafts.append(index),
        )
        caption = client.perform(
            CAPTION, attempt_id="b", spool=tmp_path / "b", uploads=[PHOTO], on_text=heard.append
        )
    assert isinstance(picture, Generated)
    assert drafts == [0, 1]
    assert isinstance(caption, Captioned)
    assert "".join(heard) == caption.text


@pytest.mark.parametrize("request_", [IMAGE, CAPTION, IMAGE.with_(partial_images=1)])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("500", "server_error"),
        ("reset", "connection_lost"),
        ("reset-billed", "connection_lost"),
        ("truncated", "connection_lost"),
        ("timeout", "timeout"),
    ],
)
def test_one_action_is_one_request(
    fault: str, kind: str, request_: ImageRequest | CaptionRequest, tmp_path: Path
) -> None:
    outcome = one(fault, request_, tmp_path)
    assert isinstance(outcome, Unknown), outcome
    assert outcome.kind == kind


def test_a_redirect_loop_is_one_request(tmp_path: Path) -> None:
    outcome = one("redirect-loop", IMAGE, tmp_path)
    assert isinstance(outcome, Failed)
    assert outcome.kind == "redirect"


def test_a_stream_arrives_while_it_is_made(tmp_path: Path) -> None:
    """The first words are heard while the server still holds the last ones back."""
    heard = threading.Event()
    with serve(latency_ms=600) as server, connect(base_url=server.base_url) as client:

        def listen(text: str) -> None:
            heard.set()

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(
                client.perform,
                CAPTION,
                attempt_id="a",
                spool=tmp_path / "a",
                uploads=[PHOTO],
                on_text=listen,
            )
            assert heard.wait(20)
            early = not future.done()
            assert isinstance(future.result(20), Captioned)
    assert early


def test_a_dripping_server_is_left_at_the_time_limit(tmp_path: Path) -> None:
    outcome = one("drip", CAPTION, tmp_path)
    assert isinstance(outcome, Unknown)
    assert outcome.kind == "timeout"


def test_the_truth_lists_every_call_and_its_dollars(tmp_path: Path) -> None:
    with serve(faults="500-billed@2") as server, connect(base_url=server.base_url) as client:
        for name in ("first", "second", "third"):
            client.perform(IMAGE, attempt_id=name, spool=tmp_path / name)
        root = server.base_url.removesuffix("/v1")
        with urllib.request.urlopen(f"{root}/_truth") as answer:
            truth = json.load(answer)
        with urllib.request.urlopen(f"{server.base_url}/models") as answer:
            models = [model["id"] for model in json.load(answer)["data"]]
    assert [call["client_request_id"] for call in truth["calls"]] == ["first", "second", "third"]
    assert [call["fault"] for call in truth["calls"]] == [None, "500-billed", None]
    billed = [Decimal(call["billed"]) for call in truth["calls"]]
    assert Decimal(truth["dollars"]) == sum(billed)
    # 1440x480 low is 54 tokens, and "sea" is 7 as billed.
    assert billed == [Decimal("0.001655")] * 3
    assert truth["requests"] == truth["billed_calls"] == 3
    assert len(truth["calls"][0]["body_sha256"]) == 64
    assert "gpt-image-2" in models
    assert "dall-e-3" not in models


def test_many_connections_at_once_are_all_answered(tmp_path: Path) -> None:
    with serve() as server, connect(base_url=server.base_url) as client:

        def call(number: int) -> Outcome:
            name = f"a{number}"
            return client.perform(IMAGE, attempt_id=name, spool=tmp_path / name)

        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(call, range(64)))
        assert all(isinstance(outcome, Generated) for outcome in outcomes)
        ids = {seen.client_request_id for seen in server.app.truth.calls}
    assert ids == {f"a{number}" for number in range(64)}


def test_a_connection_serves_many_calls() -> None:
    with serve() as server, socket.create_connection(("127.0.0.1", server.port), 10) as line:
        file = line.makefile("rb")
        for _ in range(3):
            line.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while (header := file.readline()) != b"\r\n":
                name, value = header.split(b":", 1)
                if name.lower() == b"content-length":
                    length = int(value)
            assert file.read(length).startswith(b"{")


@pytest.mark.parametrize(
    "sent",
    [b"", b"\0\0\0\0\r\n\r\n", b"POST /v1/responses HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"],
)
def test_rubbish_on_the_line_harms_nobody(sent: bytes) -> None:
    with serve() as server:
        with socket.create_connection(("127.0.0.1", server.port), 10) as line:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
            line.settimeout(10)
            while line.recv(4096):
                pass
        with urllib.request.urlopen(f"{server.base_url}/models") as answer:
            assert answer.status == 200


def test_closing_ends_calls_that_hang(tmp_path: Path) -> None:
    server = serve(faults="timeout")
    with connect(base_url=server.base_url) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.perform, IMAGE, attempt_id="a", spool=tmp_path / "a")
        while not server.app.truth.requests:
            assert not server.wait(0.01)
        server.close()
        assert isinstance(future.result(20), Unknown)
    assert server.wait(0)
    server.close()


def test_it_listens_on_this_machine_only_and_refuses_a_taken_port() -> None:
    with serve() as server:
        assert server.base_url.startswith("http://127.0.0.1:")
        with pytest.raises(OSError, match="in use"):
            serve(server.port)
