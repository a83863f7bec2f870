"""A key that an endpoint echoes reaches nobody: no message, spool, log, text or traceback."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.provider.connect import connect
from playground.provider.offline import draw
from playground.provider.offline.server import serve
from playground.provider.redact import REMOVED, Scrubber, removable, without_secrets
from playground.size import Size
from playground.values import CaptionRequest, ImageRequest, Photo, Upload

KEY = "sk-CANARY0123456789abcdefghijklmnop"
SIZE = Size(320, 240)
PHOTO = Upload(draw.picture(draw.Wanted("sea", SIZE, output_format="jpeg")), "jpeg", SIZE)


@pytest.mark.parametrize("fault", ["key-echo", "key-echo-500", "key-echo-body", "key-echo-header"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_echoed_key_reaches_nothing(
    fault: str, stream: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []
    with (
        serve(faults=fault) as server,
        connect(base_url=server.base_url, api_key=KEY, environ={}) as client,
    ):
        caption = client.perform(
            CaptionRequest(photo=Photo(320, 240)),
            attempt_id="a",
            spool=tmp_path / "a",
            uploads=[PHOTO],
            on_text=heard.append if stream else None,
        )
        picture = client.perform(
            ImageRequest(prompt="sea", partial_images=int(stream)),
            attempt_id="b",
            spool=tmp_path / "b",
        )
        assert server.app.truth.requests == 2
    assert "CANARY" not in f"{caption!r}{picture!r}{client!r}{heard}"
    assert "CANARY" not in caplog.text
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    for file in files:
        assert b"CANARY" not in file.read_bytes()


def test_a_message_loses_keys_and_whatever_looks_like_one() -> None:
    text = without_secrets(
        f"bad key {KEY}, Authorization: Bearer abcdef123456 and sk-proj-AbC123*****xyz", (KEY,)
    )
    assert "CANARY" not in text
    assert "abcdef123456" not in text
    assert "AbC123" not in text
    assert text.startswith(f"bad key {REMOVED}")


def test_ordinary_words_are_left_alone() -> None:
    text = "The bearer of the ring asked for a sketch-book; task-oriented, risk-free."
    assert without_secrets(text) == text


def test_placeholders_are_no_secrets() -> None:
    assert removable("local", None, "", KEY) == (KEY,)


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(1, 7), st.integers(0, 3))
def test_a_key_is_removed_however_the_stream_is_cut(
    parts: list[bytes], step: int, copies: int
) -> None:
    key = b"sk-abcabcab"
    whole = key.join(part.replace(b"sk-", b"") for part in [b"", *parts, b""]) + key * copies
    scrubber = Scrubber((key.decode(),))
    pieces = [scrubber.feed(whole[i : i + step]) for i in range(0, len(whole), step)]
    assert b"".join([*pieces, scrubber.rest()]) == whole.replace(key, REMOVED.encode())


def test_an_event_is_not_held_back_for_its_end() -> None:
    scrubber = Scrubber((KEY,))
    assert scrubber.feed(b"data: hello\n\n") == b"data: hello\n\n"
