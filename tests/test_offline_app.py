"""The embedded provider refuses what the real API refuses, in its words, and bills by the rules."""

from __future__ import annotations

import base64
import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from playground import pricing
from playground.errors import InvalidRequest
from playground.provider.offline import draw
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.faults import FAULTS, MIX10, OF_BATCHES, Faults
from playground.provider.offline.limits import Limits, duration
from playground.provider.offline.wire import ApiError, Call, Pause, Reply
from playground.size import Size
from playground.values import CaptionRequest, Photo

PHOTO = draw.picture(draw.Wanted("lake", Size(320, 240), output_format="jpeg"))
LINK = "data:image/jpeg;base64," + base64.b64encode(PHOTO).decode()
JSON = {"content-type": "application/json", "x-client-request-id": "a"}


def body_of(reply: Reply) -> Any:
    return json.loads(b"".join(chunk for chunk in reply.chunks if isinstance(chunk, bytes)))


def post(path: str, fields: dict[str, Any] | bytes, app: OfflineApp | None = None) -> Reply:
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return (app or OfflineApp()).handle(Call("POST", path, JSON, body))


def generate(**fields: Any) -> Reply:
    asked = {"model": "gpt-image-2", "prompt": "sea", "size": "1440x480", "quality": "low"}
    given = {name: value for name, value in {**asked, **fields}.items() if value is not None}
    return post("/v1/images/generations", given)


def respond(**fields: Any) -> Reply:
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": LINK, "detail": "auto"},
    ]
    asked = {"model": "gpt-5.4-nano", "input": [{"role": "user", "content": content}]}
    return post("/v1/responses", {**asked, **fields})


def chat(**fields: Any) -> Reply:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": LINK}},
    ]
    asked = {"model": "gpt-5.4-nano", "messages": [{"role": "user", "content": content}]}
    return post("/v1/chat/completions", {**asked, **fields})


def edit(parts: list[tuple[str, str | bytes]], boundary: str = "x") -> Reply:
    lines: list[bytes] = []
    for name, value in parts:
        if isinstance(value, bytes):
            head = f'form-data; name="{name}"; filename="f"\r\nContent-Type: image/png'
        else:
            head, value = f'form-data; name="{name}"', value.encode()
        lines.append(f"--{boundary}\r\nContent-Disposition: {head}\r\n\r\n".encode() + value)
    body = b"\r\n".join([*lines, f"--{boundary}--\r\n".encode()])
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return OfflineApp().handle(Call("POST", "/v1/images/edits", headers, body))


def refused(reply: Reply, status: int, param: str | None, words: str) -> None:
    error = body_of(reply)["error"]
    assert (reply.status, error["param"]) == (status, param), error
    assert words.lower() in error["message"].lower(), error
    assert set(error) >= {"message", "type", "param", "code"}


REFUSED_PICTURES: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({"model": None}, 400, "model", "must provide a model"),
    ({"model": "gpt-image-99"}, 404, "model", "does not exist"),
    ({"model": "dall-e-3"}, 404, "model", "shut down on 2026-05-12"),
    ({"model": "gpt-5.4-nano"}, 400, "model", "does not make images"),
    ({"prompt": None}, 400, "prompt", "missing"),
    ({"prompt": ""}, 400, "prompt", "missing"),
    ({"prompt": 7}, 400, "prompt", "missing"),
    ({"prompt": "x" * 32_001}, 400, "prompt", "too long"),
    ({"size": "780x640"}, 400, "size", "780x640"),
    ({"size": "512x512"}, 400, "size", "too small"),
    ({"size": "3840x1024"}, 400, "size", "3 to 1"),
    ({"size": "big"}, 400, "size", "big"),
    ({"quality": "xhigh"}, 400, "quality", "xhigh"),
    ({"quality": "ultra"}, 400, "quality", "ultra"),
    ({"n": 0}, 400, "n", "minimum"),
    ({"n": 11}, 400, "n", "maximum"),
    ({"n": "two"}, 400, "n", "integer"),
    ({"n": 1.5}, 400, "n", "integer"),
    ({"output_format": "svg"}, 400, "output_format", "svg"),
    ({"output_compression": 50}, 400, "output_compression", "png"),
    ({"background": "pink"}, 400, "background", "pink"),
    ({"background": "transparent", "output_format": "jpeg"}, 400, "background", "jpeg"),
    ({"moderation": "off"}, 400, "moderation", "off"),
    ({"partial_images": 2}, 400, "partial_images", "stream"),
    ({"partial_images": 4, "stream": True}, 400, "partial_images", "maximum"),
    ({"stream": "yes"}, 400, "stream", "boolean"),
    ({"response_format": "b64_json"}, 400, "response_format", "unknown parameter"),
    ({"style": "vivid"}, 400, "style", "unknown parameter"),
    ({"input_fidelity": "high"}, 400, "input_fidelity", "unknown parameter"),
]


@pytest.mark.parametrize(("fields", "status", "param", "words"), REFUSED_PICTURES, ids=str)
def test_a_picture_is_refused_as_the_real_api_refuses_it(
    fields: dict[str, Any], status: int, param: str | None, words: str
) -> None:
    refused(generate(**fields), status, param, words)


def test_qualities_above_high_are_for_the_newer_family() -> None:
    assert generate(model="gpt-image-2.5-flare", quality="max", size="1440x480").status == 200


def test_a_snapshots_name_is_its_model() -> None:
    assert generate(model="gpt-image-2-2026-04-21").status == 200


def test_auto_is_delivered_as_low_at_about_1_572_864_pixels() -> None:
    for prompt in ("sea", "wide valley", "tall tower", "an icon", "a panorama of dunes"):
        document = body_of(generate(prompt=prompt, size=None, quality=None))
        assert document["quality"] == "low"
        assert abs(Size.parse(document["size"]).pixels - 1_572_864) < 8_000
        data = base64.b64decode(document["data"][0]["b64_json"])
        assert data.startswith(b"\x89PNG")


PNG = draw.picture(draw.Wanted("lake", Size(320, 240)))
MODEL = [("model", "gpt-image-2"), ("prompt", "night"), ("size", "1440x480"), ("quality", "low")]

REFUSED_EDITS: list[tuple[list[tuple[str, str | bytes]], str | None, str]] = [
    ([*MODEL], "image", "missing"),
    ([*MODEL, ("image", b"")], "image", "invalid image file"),
    ([*MODEL, ("image", b"GIF89a....")], "image", "invalid image file"),
    ([*MODEL, ("image", PNG[:300])], "image", "invalid image file"),
    ([*MODEL, *[("image[]", PNG)] * 17], "image", "at most 16"),
    ([*MODEL, ("image", PNG), ("mask", PHOTO)], "mask", "png"),
    (
        [*MODEL, ("image", PNG), ("mask", draw.picture(draw.Wanted("x", Size(64, 64))))],
        "mask",
        "does not match",
    ),
    ([*MODEL, ("image", PNG), ("input_fidelity", "high")], "input_fidelity", "does not support"),
    ([*MODEL, ("image", PNG), ("depth", "9")], "depth", "unknown parameter"),
]


@pytest.mark.parametrize(("parts", "param", "words"), REFUSED_EDITS, ids=lambda row: str(row)[:40])
def test_an_edit_is_refused_as_the_real_api_refuses_it(
    parts: list[tuple[str, str | bytes]], param: str | None, words: str
) -> None:
    refused(edit(parts), 400, param, words)


def test_an_edit_in_json_is_refused() -> None:
    refused(post("/v1/images/edits", {"prompt": "x"}), 400, None, "multipart")


def test_a_broken_form_is_refused() -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    reply = OfflineApp().handle(Call("POST", "/v1/images/edits", headers, b"\0rubbish"))
    assert reply.status == 400


def test_an_edit_bills_its_pictures() -> None:
    document = body_of(edit([*MODEL, ("image[]", PNG), ("image[]", PHOTO)]))
    details = document["usage"]["input_tokens_details"]
    # 320x240 is enlarged twice, to 640x480: 20 by 15 patches each.
    assert details["image_tokens"] == 600
    assert document["usage"]["output_tokens"] == 54


REFUSED_WORDS: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({"model": "gpt-image-2"}, 400, "model", "not supported"),
    ({"model": "gpt-nope"}, 404, "model", "does not exist"),
    ({"input": None}, 400, "input", "missing"),
    ({"input": [{"role": "user", "content": 7}]}, 400, "input", "invalid type"),
    ({"max_output_tokens": 8}, 400, "max_output_tokens", ">= 16"),
    ({"service_tier": "gold"}, 400, "service_tier", "gold"),
    ({"service_tier": "priority"}, 400, "service_tier", "priority"),
    ({"voice": "alto"}, 400, "voice", "unknown parameter"),
    ({"text": {"format": {"type": "poem"}}}, 400, "text", "invalid"),
]


@pytest.mark.parametrize(("fields", "status", "param", "words"), REFUSED_WORDS, ids=str)
def test_a_caption_is_refused_as_the_real_api_refuses_it(
    fields: dict[str, Any], status: int, param: str | None, words: str
) -> None:
    refused(respond(**fields), status, param, words)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("https://example.org/a.jpg", "fetches nothing"),
        ("file:///etc/passwd", "fetches nothing"),
        ("data:image/jpeg;base64,***", "base64"),
        ("data:image/jpeg;base64,", "empty"),
        ("data:image/gif;base64,R0lGODlh", "unsupported"),
        ("data:image/svg+xml;base64,PHN2Zz4=", "unsupported"),
        ("data:image/png;base64," + base64.b64encode(PNG[:200]).decode(), "decoded"),
    ],
)
def test_only_real_pictures_in_data_urls_are_read(link: str, words: str) -> None:
    content = [{"type": "input_image", "image_url": link}]
    reply = respond(input=[{"role": "user", "content": content}])
    assert reply.status == 400
    assert words in body_of(reply)["error"]["message"]


def test_a_photo_of_too_many_patches_is_refused() -> None:
    huge = draw.picture(draw.Wanted("x", Size(7952, 5304), output_format="jpeg", compression=1))
    link = "data:image/jpeg;base64," + base64.b64encode(huge).decode()
    content = [{"type": "input_image", "image_url": link, "detail": "original"}]
    reply = respond(model="gpt-5.6-luna", input=[{"role": "user", "content": content}])
    assert reply.status == 400
    assert "41,334" in body_of(reply)["error"]["message"]


def test_captions_bill_within_the_quote_on_both_endpoints_for_every_detail() -> None:
    checked = 0
    for model, detail in itertools.product(
        ("gpt-5.4-nano", "gpt-5.4-mini", "gpt-6-luna", "gpt-4o", "gpt-4.1-mini"),
        ("auto", "low", "high"),
    ):
        for endpoint in ("responses", "chat"):
            request = CaptionRequest(
                photo=Photo(320, 240), model=model, detail=detail, endpoint=endpoint, prompt="Hm?"
            )  # type: ignore[arg-type]
            quote = pricing.quote(request)
            part = {"type": "input_image", "image_url": LINK, "detail": detail}
            if endpoint == "chat":
                part = {"type": "image_url", "image_url": {"url": LINK, "detail": detail}}
            text = {"type": "text" if endpoint == "chat" else "input_text", "text": "Hm?"}
            messages = [{"role": "user", "content": [text, part]}]
            if endpoint == "chat":
                usage = body_of(chat(model=model, messages=messages))["usage"]
                total = usage["prompt_tokens"]
            else:
                usage = body_of(respond(model=model, input=messages))["usage"]
                total = usage["input_tokens"]
            text_range, image_range = quote.tokens["text_input"], quote.tokens["image_input"]
            assert text_range.low + image_range.low <= total <= text_range.high + image_range.high
            checked += 1
    assert checked == 30


def test_the_same_question_gets_the_same_answer_and_other_models_other_words() -> None:
    def text(model: str, seed: int = 0) -> str:
        app = OfflineApp(seed=seed)
        content = [{"type": "input_image", "image_url": LINK}]
        fields = {"model": model, "input": [{"role": "user", "content": content}]}
        document = body_of(post("/v1/responses", fields, app))
        return str(document["output"][0]["content"][0]["text"])

    assert text("gpt-5.4-nano") == text("gpt-5.4-nano")
    assert len({text(m) for m in ("gpt-5.4-nano", "gpt-5.4-mini", "gpt-4o", "gpt-6-luna")}) > 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models", 200),
        ("GET", "/_truth", 200),
        ("GET", "/v1/responses", 405),
        ("POST", "/v1/embeddings", 404),
        ("DELETE", "/v1/models", 404),
    ],
)
def test_other_paths_answer_plainly(method: str, path: str, status: int) -> None:
    app = OfflineApp()
    reply = app.handle(Call(method, path, {}, b""))
    assert reply.status == status
    assert app.truth.requests == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
@pytest.mark.parametrize(
    "path", ["/v1/images/generations", "/v1/responses", "/v1/chat/completions"]
)
def test_what_is_no_json_is_refused(path: str, body: bytes) -> None:
    refused(post(path, body), 400, None, "parse the json")


def test_answers_are_marked_as_samples() -> None:
    assert ("x-playground-sample", "yes") in generate().headers


# -------------------------------------------------------------------------------------------------
# Limits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_requests_beyond_the_limit_wait_as_long_as_they_are_told() -> None:
    clock = Clock()
    limits = Limits(rpm=60, clock=clock)
    headers = [limits.admit(1) for _ in range(60)][-1]
    assert ("x-ratelimit-remaining-requests", "0") in headers
    assert ("x-ratelimit-reset-requests", "1m0s") in headers
    with pytest.raises(ApiError) as caught:
        limits.admit(1)
    assert caught.value.status == 429
    assert ("retry-after", "1") in caught.value.headers
    clock.now += 1.0
    limits.admit(1)


def test_tokens_beyond_the_limit_are_refused_too() -> None:
    app = OfflineApp(tpm=1000, clock=Clock())
    fields = {"model": "gpt-image-2", "prompt": "sea", "size": "1440x480", "quality": "low"}
    statuses = [post("/v1/images/generations", fields, app).status for _ in range(20)]
    # 61 tokens each: sixteen fit into a thousand.
    assert statuses == [200] * 16 + [429] * 4
    assert [seen.status for seen in app.truth.calls] == statuses
    # 7 text tokens at $5 and 54 picture tokens at $30 a million.
    assert app.truth.dollars == 16 * Decimal("0.001655")


def test_durations_are_written_as_the_headers_write_them() -> None:
    assert [duration(s) for s in (0.12, 1, 59.2, 360, 3661)] == [
        "120ms",
        "1s",
        "1m0s",
        "6m0s",
        "1h1m1s",
    ]


# -------------------------------------------------------------------------------------------------
# Faults


def test_a_plan_depends_on_seed_number_and_path_only() -> None:
    plan = Faults.parse("mix10", seed=3)

    def drawn(path: str) -> list[str | None]:
        picked = [plan.pick(i, path) for i in range(1, 5001)]
        return [fault.name if fault else None for fault in picked]

    names = drawn("/v1/responses")
    assert names == drawn("/v1/responses")
    assert names != drawn("/v1/chat/completions")
    assert names != [
        fault.name if (fault := Faults.parse("mix10", 4).pick(i, "/v1/responses")) else None
        for i in range(1, 5001)
    ]
    for name, rate in MIX10.items():
        assert 0.5 * rate <= names.count(name) / 5000 <= 1.6 * rate, name


def test_the_mix_is_ten_per_cent_of_which_six_are_billed() -> None:
    assert round(sum(MIX10.values()), 6) == 0.1
    billed = sum(rate for name, rate in MIX10.items() if FAULTS[name].billed)
    assert round(billed, 6) == 0.06


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500", ["500"] * 4),
        ("500@2", [None, "500", None, None]),
        ("500@3+", [None, None, "500", "500"]),
        ("500=1", ["500"] * 4),
        ("", [None] * 4),
    ],
)
def test_plans_are_written_in_a_word(text: str, expected: list[str | None]) -> None:
    plan = Faults.parse(text)
    picked = [plan.pick(i, "/v1/responses") for i in range(1, 5)]
    assert [fault.name if fault else None for fault in picked] == expected


def test_a_plan_can_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(
        json.dumps({"calls": {"2": "reset"}, "paths": {"/edits": "500"}, "rates": {"429": 1}})
    )
    plan = Faults.parse(str(file))
    assert [plan.pick(i, "/v1/images/edits").name for i in (1, 2)] == ["500", "reset"]  # type: ignore[union-attr]
    assert plan.pick(1, "/v1/responses").name == "429"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["nonsense", "500@0", "500@x", "500=2", "500=-1", "500=x", "nope=0.1", "/no/file.json"]
)
def test_a_wrong_plan_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Faults.parse(text)


def test_every_fault_is_booked_as_billed_or_not() -> None:
    fields = {"model": "gpt-image-2", "prompt": "sea", "size": "1440x480", "quality": "low"}
    for name, fault in FAULTS.items():
        if name == "huge" or fault.stage in OF_BATCHES:
            continue
        app = OfflineApp(faults=name)
        reply = post("/v1/images/generations", fields, app)
        assert isinstance(reply, Reply)
        assert app.truth.requests == 1
        assert (app.truth.dollars > 0) is fault.billed, name
        assert app.truth.calls[0].fault == name


def test_a_latency_is_spread_over_a_stream() -> None:
    app = OfflineApp(latency_ms=1200)
    fields = {
        "model": "gpt-5.4-nano",
        "stream": True,
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": LINK}]}],
    }
    reply = post("/v1/responses", fields, app)
    pauses = [chunk.seconds for chunk in reply.chunks if isinstance(chunk, Pause)]
    assert 0.8 <= sum(pauses) <= 2
    assert len(pauses) >= 8
