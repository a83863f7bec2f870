"""What goes out: every field for OpenAI, the plain ones for others, nothing that was not asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from playground.errors import InvalidRequest
from playground.provider.asking import caption_fields, edit_fields, image_fields, is_strict
from playground.provider.outcomes import read_spool
from playground.size import Size
from playground.values import CaptionRequest, EditRequest, Generated, ImageRequest, Photo, Upload

PHOTO = Upload(b"\xff\xd8\xff", "jpeg", Size(10, 10))
CAPTION = CaptionRequest(photo=Photo(10, 10))


def caption(request: CaptionRequest, *, full: bool = True, stream: bool = False) -> dict[str, Any]:
    return caption_fields(request, [PHOTO], None, None, full=full, stream=stream)


def test_a_plain_picture_asks_for_nothing_more() -> None:
    assert image_fields(ImageRequest(prompt="sea"), full=True) == {
        "model": "gpt-image-2",
        "prompt": "sea",
        "size": "976x704",
        "quality": "low",
    }


def test_every_option_of_a_picture_is_passed_on() -> None:
    request = ImageRequest(
        prompt="sea",
        size="auto",
        n=3,
        partial_images=2,
        output_format="webp",
        output_compression=80,
        background="transparent",
        moderation="low",
    )
    fields = image_fields(request, full=True)
    assert fields["size"] == "auto"
    assert (fields["n"], fields["stream"], fields["partial_images"]) == (3, True, 2)
    assert (fields["output_format"], fields["output_compression"]) == ("webp", 80)
    assert (fields["background"], fields["moderation"]) == ("transparent", "low")


def test_other_servers_are_asked_for_data_instead_of_links() -> None:
    other = ImageRequest(prompt="sea", model="stable-diffusion")
    assert image_fields(other, full=False)["response_format"] == "b64_json"
    assert "response_format" not in image_fields(ImageRequest(prompt="sea"), full=False)


def test_an_edit_needs_all_its_pictures() -> None:
    request = EditRequest(prompt="night", images=(Photo(10, 10), Photo(10, 10)))
    with pytest.raises(InvalidRequest, match="nothing was billed"):
        edit_fields(request, [PHOTO], None, full=True)


def test_a_caption_is_not_stored_and_says_its_tier() -> None:
    for endpoint in ("responses", "chat"):
        fields = caption(CAPTION.with_(endpoint=endpoint))
        assert fields["store"] is False
        assert fields["service_tier"] == "default"
        assert caption(CAPTION.with_(endpoint=endpoint, tier="flex"))["service_tier"] == "flex"


def test_a_streamed_chat_asks_for_its_bill() -> None:
    fields = caption(CAPTION.with_(endpoint="chat"), stream=True)
    assert fields["stream_options"] == {"include_usage": True}
    assert "stream_options" not in caption(CAPTION, stream=True)


def test_other_servers_get_the_fields_that_most_of_them_know() -> None:
    fields = caption(CAPTION.with_(endpoint="chat", model="llava", task="tags"), full=False)
    assert set(fields) == {"model", "messages", "max_tokens", "response_format"}


def test_photos_are_kept_out_of_a_cache_that_costs_a_surcharge() -> None:
    assert caption(CAPTION.with_(model="gpt-6-luna"))["prompt_cache_options"] == {
        "mode": "explicit"
    }
    assert "prompt_cache_options" not in caption(CAPTION)
    assert "prompt_cache_options" not in caption(CAPTION.with_(model="gpt-6-luna"), full=False)


@pytest.mark.parametrize("endpoint", ["responses", "chat"])
def test_a_schema_is_strict_where_it_can_be(endpoint: str) -> None:
    closed = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    request = CAPTION.with_(endpoint=endpoint, task="attributes")
    for schema, strict in ((closed, True), ({"type": "object", "properties": {}}, False)):
        fields = caption(request.with_(schema=json.dumps(schema)))
        named = (
            fields["text"]["format"]
            if endpoint == "responses"
            else fields["response_format"]["json_schema"]
        )
        assert named["schema"] == schema
        assert named["strict"] is strict


def test_strictness_is_looked_for_at_every_depth() -> None:
    inner: dict[str, Any] = {"type": ["object", "null"], "properties": {"a": {"type": "string"}}}
    outer = {
        "type": "object",
        "properties": {"type": {"type": "string"}, "inner": inner},
        "required": ["type", "inner"],
        "additionalProperties": False,
    }
    assert not is_strict(outer)
    inner |= {"additionalProperties": False, "required": ["a"]}
    assert is_strict(outer)


@pytest.mark.parametrize("uploads", [[], [PHOTO, PHOTO]])
def test_a_caption_is_about_one_photo(uploads: list[Upload]) -> None:
    with pytest.raises(InvalidRequest, match="one photo"):
        caption_fields(CAPTION, uploads, None, None, full=True, stream=False)


SCRIPT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from playground.provider.connect import connect
    from playground.values import ImageRequest

    with connect("offline") as client:
        client.perform(ImageRequest(prompt="sea"), attempt_id="a", spool=Path(sys.argv[1]) / "a")
    """
)


@pytest.mark.parametrize(
    ("place", "left"),
    [
        ("pre_send", ["a.part"]),
        ("headers", ["a.part"]),
        ("mid_body", ["a.part"]),
        ("body_done", ["a.body"]),
    ],
)
def test_a_process_that_dies_leaves_what_it_had(
    place: str, left: list[str], tmp_path: Path
) -> None:
    environ = {**os.environ, "PLAY_FAILPOINT": f"{place}:1:kill"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], env=environ)
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    if place == "body_done":
        outcome = read_spool(ImageRequest(prompt="sea"), tmp_path / "a.body")
        assert isinstance(outcome, Generated)
        assert outcome.usage.image_output == 129
