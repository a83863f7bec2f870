"""Reading answers: bills are read strictly, pictures by their bytes, streams by their events."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.provider import magic
from playground.provider.outcomes import parse
from playground.provider.refusals import retry_after_seconds
from playground.provider.stream import EventReader, Unreadable, decode, loads
from playground.provider.usage import NoUsage, caption_usage, image_usage
from playground.size import Size
from playground.values import (
    Captioned,
    CaptionRequest,
    EditRequest,
    Failed,
    Generated,
    ImageRequest,
    Outcome,
    Photo,
    Unknown,
    Usage,
)

IMAGE = ImageRequest(prompt="sea")
EDIT = EditRequest(prompt="night", images=(Photo(10, 10),))
CAPTION = CaptionRequest(photo=Photo(640, 480))
CHAT = CAPTION.with_(endpoint="chat")


def image_bill(**changes: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 30,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 20},
        "output_tokens": 129,
        "total_tokens": 159,
    }
    return {"usage": {**usage, **changes}}


def chat_bill(**changes: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return {"usage": {**usage, **changes}}


# -------------------------------------------------------------------------------------------------
# Usage


def test_inclusive_totals_are_split_into_disjoint_buckets() -> None:
    cached = {
        "text_tokens": 10,
        "image_tokens": 20,
        "cached_tokens": 12,
        "cached_tokens_details": {"text_tokens": 4, "image_tokens": 8},
    }
    usage = image_usage(image_bill(input_tokens_details=cached), pictures_sent=True)
    assert usage == Usage(
        text_input=6,
        cached_text_input=4,
        image_input=12,
        cached_image_input=8,
        image_output=129,
    )


def test_text_that_an_image_model_writes_is_a_bucket_of_its_own() -> None:
    details = {"text_tokens": 29, "image_tokens": 100}
    usage = image_usage(image_bill(output_tokens_details=details), pictures_sent=True)
    assert (usage.text_output, usage.image_output) == (29, 100)


def test_a_captions_cached_and_written_tokens_are_taken_out_of_its_input() -> None:
    details = {"cached_tokens": 30, "cache_write_tokens": 50}
    usage = caption_usage(chat_bill(prompt_tokens_details=details), chat=True)
    assert usage.to_dict() == {
        "text_input": 20,
        "cached_text_input": 30,
        "cache_write_input": 50,
        "text_output": 20,
    }


def test_a_captions_picture_tokens_are_named_where_the_server_names_them() -> None:
    details = {"image_tokens": 80, "text_tokens": 20, "cached_tokens": 0}
    usage = caption_usage(chat_bill(prompt_tokens_details=details), chat=True)
    assert (usage.text_input, usage.image_input) == (20, 80)


def test_reasoning_is_part_of_the_output_and_not_added() -> None:
    bill = {
        "usage": {
            "input_tokens": 9,
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 44},
            "total_tokens": 59,
        }
    }
    assert caption_usage(bill, chat=False) == Usage(text_input=9, text_output=50)


def test_other_servers_times_and_prices_are_no_tokens() -> None:
    extra = {"cost": 0.0003, "queue_time": 0.2, "total_time": 1.5, "tokens_per_second": 88.1}
    assert caption_usage(chat_bill(**extra), chat=True) == Usage(text_input=100, text_output=20)


WRONG_IMAGE_BILLS = [
    {},
    {"usage": None},
    {"usage": []},
    image_bill(output_tokens=-129),
    image_bill(output_tokens=129.0),
    image_bill(output_tokens="129"),
    image_bill(output_tokens=True),
    image_bill(output_tokens=None),
    image_bill(output_tokens=10**13),
    image_bill(total_tokens=160),
    image_bill(input_tokens_details={"text_tokens": 10, "image_tokens": 21}),
    image_bill(input_tokens_details={"text_tokens": 31, "image_tokens": -1}),
    image_bill(input_tokens_details=None),
    image_bill(input_tokens_details=7),
    image_bill(output_tokens_details={"text_tokens": 1, "image_tokens": 1}),
    image_bill(audio_tokens=5),
    image_bill(search_requests=1),
    image_bill(input_tokens_details={"text_tokens": 10, "image_tokens": 20, "video_tokens": 1}),
    image_bill(input_tokens_details={"text_tokens": 10, "image_tokens": 20, "cached_tokens": 5}),
    image_bill(input_tokens=0, output_tokens=0, total_tokens=0, input_tokens_details={}),
    {**image_bill(), "svg_usage": {"input_tokens": 1}},
    {**image_bill(), "tool_usage": {"web_search": {"num_requests": 1}}},
]


@pytest.mark.parametrize("answer", WRONG_IMAGE_BILLS, ids=str)
def test_a_bill_that_could_hide_money_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(NoUsage):
        image_usage(answer, pictures_sent=True)


@pytest.mark.parametrize(
    "answer",
    [
        chat_bill(prompt_tokens_details={"cached_tokens": 101}),
        chat_bill(prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 60}),
        chat_bill(completion_tokens_details={"audio_tokens": 4}),
        chat_bill(completion_tokens=20.5),
        chat_bill(total_tokens=150),
    ],
    ids=str,
)
def test_a_caption_bill_that_could_hide_money_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(NoUsage):
        caption_usage(answer, chat=True)


def test_empty_second_bills_are_no_reason_to_worry() -> None:
    answer = {
        **image_bill(),
        "svg_usage": None,
        "tool_usage": {"web_search": {"num_requests": 0}, "image_gen": {"total_tokens": 0}},
    }
    assert image_usage(answer, pictures_sent=True).image_output == 129


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_token_is_lost_or_counted_twice(text: int, image: int, cached: int, out: int) -> None:
    details = {"image_tokens": image, "cached_tokens": cached}
    total = text + image
    answer = {
        "usage": {
            "prompt_tokens": total,
            "completion_tokens": out,
            "prompt_tokens_details": details,
        }
    }
    try:
        usage = caption_usage(answer, chat=True)
    except NoUsage:
        assert cached > total or total + out == 0
    else:
        assert usage.total_input == total
        assert usage.text_output == out
        assert usage.cached_text_input + usage.cached_image_input == cached


# -------------------------------------------------------------------------------------------------
# Answers

HEADERS = {"content-type": "application/json"}
STREAM = {"content-type": "text/event-stream"}
URL = "https://host.example/v1/x"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def answered(request: Any, document: Any, headers: dict[str, str] = HEADERS) -> Any:
    return parse(request, 200, headers, json.dumps(document).encode(), url=URL)


def streamed(request: Any, *documents: Any, tail: bytes = b"") -> Any:
    body = b"".join(b"data: " + json.dumps(d).encode() + b"\n\n" for d in documents) + tail
    return parse(request, 200, STREAM, body, url=URL)


def generation(**changes: Any) -> dict[str, Any]:
    usage = {"input_tokens": 7, "output_tokens": 129, "total_tokens": 136}
    picture = {"b64_json": base64.b64encode(PIXEL).decode()}
    return {"created": 1, "data": [picture], "usage": usage, **changes}


def test_a_picture_is_kept_byte_for_byte() -> None:
    outcome = answered(IMAGE, generation(revised_prompt="x"))
    assert isinstance(outcome, Generated)
    assert outcome.images[0].data == PIXEL
    assert outcome.images[0].size == Size(1, 1)


def test_escaped_slashes_in_base64_are_read() -> None:
    body = json.dumps(generation()).replace("/", "\\/").encode()
    outcome = parse(IMAGE, 200, HEADERS, body, url=URL)
    assert isinstance(outcome, Generated)
    assert outcome.images[0].data == PIXEL


def test_another_format_than_asked_is_kept_and_said() -> None:
    outcome = answered(IMAGE.with_(output_format="webp"), generation())
    assert isinstance(outcome, Generated)
    assert len(outcome.images) == 1
    assert "although webp was asked" in outcome.problems[0]


def test_a_text_that_looks_like_a_picture_field_confuses_nobody() -> None:
    text = '"b64_json":"AAAA" and \\"b64_json\\": \\"x'
    outcome = answered(CAPTION, response(text))
    assert isinstance(outcome, Captioned)
    assert outcome.text == text


def response(text: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "status": "completed",
        "model": "m",
        "service_tier": "default",
        "output": [
            {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
            {"type": "message", "content": [{"type": "output_text", "text": text}]},
        ],
        "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14},
        **changes,
    }


def completion(text: str | None, reason: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
    return {"choices": [choice], **chat_bill()}


def test_reasoning_is_not_the_answer() -> None:
    outcome = answered(CAPTION, response("A lake."))
    assert isinstance(outcome, Captioned)
    assert outcome.text == "A lake."
    assert outcome.receipt.tier == "standard"


@pytest.mark.parametrize(
    ("document", "finish", "text"),
    [
        (completion("Hello"), "stop", "Hello"),
        (completion("Hel", "length"), "length", "Hel"),
        (completion("", "content_filter"), "filtered", ""),
        (completion(None, refusal="I cannot."), "refusal", "I cannot."),
        (completion([{"type": "text", "text": "parts"}]), "stop", "parts"),  # type: ignore[arg-type]
    ],
)
def test_how_a_chat_answer_ended_is_kept(document: Any, finish: str, text: str) -> None:
    outcome = answered(CHAT, document)
    assert isinstance(outcome, Captioned)
    assert (outcome.finish, outcome.text) == (finish, text)


def test_an_answer_that_is_all_reasoning_says_what_to_do() -> None:
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    outcome = answered(CAPTION, response("", **cut))
    assert isinstance(outcome, Captioned)
    assert outcome.finish == "length"
    assert "max_output_tokens" in outcome.problems[0]


def test_an_error_with_status_200_is_held() -> None:
    outcome = answered(CHAT, {"error": "model is loading"})
    assert isinstance(outcome, Unknown)
    assert "model is loading" in outcome.message


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"\xff\xfe", b'"b64_json":"', b"[" * 9999]
)
@pytest.mark.parametrize("request_", [IMAGE, EDIT, CAPTION, CHAT])
@pytest.mark.parametrize("headers", [HEADERS, STREAM])
def test_rubbish_with_status_200_is_held(
    request_: Any, body: bytes, headers: dict[str, str]
) -> None:
    assert isinstance(parse(request_, 200, headers, body, url=URL), Unknown)


@given(st.binary(max_size=300))
def test_no_answer_makes_the_reader_fail(body: bytes) -> None:
    for request in (IMAGE, CAPTION):
        for headers in (HEADERS, STREAM):
            assert isinstance(parse(request, 200, headers, body), Unknown | Captioned)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "data",
                        "usage",
                        "choices",
                        "output",
                        "error",
                        "content",
                        "b64_json",
                        "message",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_makes_the_reader_fail(document: Any) -> None:
    body = json.dumps(document).encode()
    for request in (IMAGE, EDIT, CAPTION, CHAT):
        for status in (200, 400, 429, 500):
            assert isinstance(parse(request, status, HEADERS, body), Outcome)
        assert isinstance(parse(request, 200, STREAM, b"data: " + body + b"\n\n"), Outcome)


def test_a_stream_of_other_line_ends_and_comments_is_read() -> None:
    event = json.dumps({"choices": [{"delta": {"content": "Hi"}}]})
    last = json.dumps({"choices": [], **chat_bill()})
    body = (
        f": ping\r\n\r\nevent: x\r\ndata: {event}\r\n\r\ndata: {last}\r\n\r\ndata: [DONE]\r\n\r\n"
    )
    outcome = parse(CHAT, 200, STREAM, body.encode())
    assert isinstance(outcome, Captioned)
    assert outcome.text == "Hi"


@given(st.lists(st.text(max_size=20), max_size=6), st.integers(1, 9))
def test_events_are_found_however_the_stream_is_cut(texts: list[str], step: int) -> None:
    wanted = [json.dumps(text).encode() for text in texts]
    body = b"".join(b"event: e\ndata: " + data + b"\n\n" for data in wanted)
    reader = EventReader()
    found: list[bytes] = []
    for at in range(0, len(body), step):
        found += reader.feed(body[at : at + step])
    assert found == wanted


def test_a_moderated_stream_that_never_worked_is_free() -> None:
    error = {"code": "moderation_blocked", "message": "no", "moderation_stage": "input"}
    outcome = streamed(IMAGE.with_(partial_images=1), {"type": "error", "error": error})
    assert isinstance(outcome, Failed)
    assert outcome.kind == "moderation"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, "redirect"),
        (308, "redirect"),
        (400, "bad_request"),
        (401, "auth"),
        (402, "quota"),
        (403, "permission"),
        (404, "not_found"),
        (405, "not_found"),
        (413, "bad_request"),
        (422, "bad_request"),
        (429, "rate_limit"),
    ],
)
def test_a_status_alone_says_enough_where_the_body_says_nothing(status: int, kind: str) -> None:
    for body in (b"", b"<html>", b'{"error": null}', b'{"detail": "nope"}'):
        outcome = parse(CAPTION, status, HEADERS, body, url=URL)
        assert isinstance(outcome, Failed)
        assert outcome.kind == kind
        assert "host.example" in outcome.message


@pytest.mark.parametrize("status", [100, 408, 409, 500, 502, 503, 504, 520, 599])
def test_a_server_that_failed_may_have_billed(status: int) -> None:
    assert isinstance(parse(CAPTION, status, HEADERS, b"", url=URL), Unknown)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1000000000"}, 1e9),
        (
            {
                "date": "Sat, 01 Jan 2000 00:00:00 GMT",
                "retry-after": "Sat, 01 Jan 2000 00:00:07 GMT",
            },
            7.0,
        ),
        (
            {
                "date": "Sat, 01 Jan 2000 00:00:09 GMT",
                "retry-after": "Sat, 01 Jan 2000 00:00:07 GMT",
            },
            0.0,
        ),
        ({}, None),
    ],
)
def test_waiting_times_are_read_or_ignored(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


# -------------------------------------------------------------------------------------------------
# Bytes


@pytest.mark.parametrize("text", [b"abc", b"ab=c", b"a b=", b"\xff", b"AAAA\n"])
def test_only_strict_base64_is_decoded(text: bytes) -> None:
    assert decode(text) is None


def test_a_rest_beyond_32_mebibytes_is_not_parsed() -> None:
    with pytest.raises(Unreadable, match="too large"):
        loads(b'{"x": "' + b" " * (33 * 2**20) + b'"}')


@given(st.binary(max_size=64))
def test_sniffing_never_fails(data: bytes) -> None:
    for head in (b"", magic.PNG, b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 "):
        magic.picture(head + data)
        assert magic.what_instead(head + data)
