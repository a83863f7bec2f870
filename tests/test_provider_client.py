"""The client against the embedded provider: every way a call can end, and what it proves."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path

import pytest

from playground import failpoints, pricing
from playground.provider.client import Client
from playground.provider.offline import draw
from playground.provider.offline.app import OfflineApp
from playground.provider.outcomes import read_spool
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
    Request,
    Unknown,
    Upload,
)

_numbers = itertools.count(1)
SIZE = Size(640, 480)
PHOTO = Photo(640, 480, "jpeg", sha256="0" * 64)
IMAGE = ImageRequest(prompt="a wizard in a glass desert")
CAPTION = CaptionRequest(photo=PHOTO)
CHAT = CaptionRequest(photo=PHOTO, endpoint="chat")
EDIT = EditRequest(prompt="make it night", images=(PHOTO,))


def upload(words: str = "mountain lake", output_format: str = "jpeg") -> Upload:
    data = draw.picture(draw.Wanted(words, SIZE, output_format=output_format))
    return Upload(data, output_format, SIZE)  # type: ignore[arg-type]


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def client_of(app: OfflineApp) -> Client:
    clock = Clock()
    return Client.offline(app, sleep=clock.sleep, clock=clock)


def perform(client: Client, request: Request, folder: Path, **options: object) -> Outcome:
    number = next(_numbers)
    if "uploads" not in options and type(request) is not ImageRequest:
        options["uploads"] = [upload()]
    return client.perform(
        request, attempt_id=f"attempt-{number}", spool=folder / f"attempt-{number}", **options
    )  # type: ignore[arg-type]


def faulty(fault: str, request: Request, folder: Path, **options: object) -> Outcome:
    """The outcome of one call that fails so; exactly one request was seen."""
    app = OfflineApp(faults=fault)
    with client_of(app) as client:
        outcome = perform(client, request, folder, **options)
    assert app.truth.requests == 1
    return outcome


# -------------------------------------------------------------------------------------------------
# What works


def test_a_picture_arrives_with_the_usage_that_was_quoted(tmp_path: Path) -> None:
    app = OfflineApp()
    outcome = perform(client_of(app), IMAGE, tmp_path)
    assert isinstance(outcome, Generated)
    assert outcome.problems == ()
    assert [image.size for image in outcome.images] == [Size(976, 704)]
    assert outcome.usage.to_dict() == {"text_input": 12, "image_output": 129}
    quote = pricing.quote(IMAGE)
    assert pricing.bill(IMAGE.model, outcome.usage).dollars == quote.low == quote.high
    assert app.truth.dollars == quote.high


def test_the_receipt_keeps_what_support_and_rate_limits_need(tmp_path: Path) -> None:
    app = OfflineApp(rpm=600, tpm=1_000_000)
    receipt = perform(client_of(app), IMAGE, tmp_path).receipt
    assert receipt.status == 200
    assert receipt.request_id is not None
    assert receipt.request_id.startswith("req_")
    assert receipt.processing_ms is not None
    assert receipt.limits["x-ratelimit-limit-requests"] == "600"
    assert receipt.limits["x-ratelimit-remaining-requests"] == "599"
    assert receipt.echoed["size"] == "976x704"
    assert receipt.echoed["quality"] == "low"
    assert receipt.echoed["sample"] == "yes"


def test_the_attempt_goes_out_as_client_request_id(tmp_path: Path) -> None:
    app = OfflineApp()
    client_of(app).perform(IMAGE, attempt_id="attempt-abc", spool=tmp_path / "abc")
    assert [seen.client_request_id for seen in app.truth.calls] == ["attempt-abc"]


@pytest.mark.parametrize("request_", [CAPTION, CHAT], ids=["responses", "chat"])
def test_a_caption_says_the_same_streamed_and_whole(
    request_: CaptionRequest, tmp_path: Path
) -> None:
    client, heard = client_of(OfflineApp()), []
    whole = perform(client, request_, tmp_path)
    streamed = perform(client, request_, tmp_path, on_text=heard.append)
    assert isinstance(whole, Captioned)
    assert isinstance(streamed, Captioned)
    assert whole.text == streamed.text == "".join(heard)
    assert len(heard) > 3
    assert whole.usage == streamed.usage
    assert whole.finish == streamed.finish == "stop"
    quote = pricing.quote(request_)
    assert quote.low is not None
    assert quote.high is not None
    billed = pricing.bill(request_.model, whole.usage).dollars
    assert billed is not None
    assert quote.low <= billed <= quote.high


def test_a_streamed_picture_shows_its_drafts_and_bills_them(tmp_path: Path) -> None:
    drafts: list[tuple[int, int]] = []
    outcome = perform(
        client_of(OfflineApp()),
        IMAGE.with_(partial_images=2),
        tmp_path,
        on_partial=lambda index, data: drafts.append((index, len(data))),
    )
    assert isinstance(outcome, Generated)
    assert [index for index, _ in drafts] == [0, 1]
    assert outcome.usage.image_output == 129 + 200
    assert len(outcome.images) == 1


def test_several_pictures_differ_and_are_billed_each(tmp_path: Path) -> None:
    outcome = perform(client_of(OfflineApp()), IMAGE.with_(n=3), tmp_path)
    assert isinstance(outcome, Generated)
    assert len({image.data for image in outcome.images}) == 3
    assert [image.slot for image in outcome.images] == [0, 1, 2]
    assert outcome.usage.image_output == 3 * 129


def test_several_streamed_pictures_add_up_to_one_bill(tmp_path: Path) -> None:
    whole = perform(client_of(OfflineApp()), IMAGE.with_(n=3), tmp_path)
    streamed = perform(client_of(OfflineApp()), IMAGE.with_(n=3, partial_images=1), tmp_path)
    assert isinstance(whole, Generated)
    assert isinstance(streamed, Generated)
    assert streamed.usage.text_input == whole.usage.text_input
    assert streamed.usage.image_output == whole.usage.image_output + 300
    assert [i.data for i in streamed.images] == [i.data for i in whole.images]


def test_an_edit_sends_its_pictures_under_neutral_names(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    class Watching(OfflineApp):
        def handle(self, call):  # type: ignore[no-untyped-def]
            bodies.append(call.body)
            return super().handle(call)

    mask = Upload(_mask(), "png", SIZE)
    two = EDIT.with_(images=(PHOTO, PHOTO))
    outcome = perform(
        client_of(Watching()), two, tmp_path, uploads=[upload(), upload("sea", "png")], mask=mask
    )
    assert isinstance(outcome, Generated), outcome
    names = [line for line in bodies[0].split(b"\r\n") if b"filename=" in line]
    assert len(names) == 3
    assert b'filename="image-1.jpeg"' in names[0]
    assert b'filename="image-2.png"' in names[1]
    assert b'filename="mask.png"' in names[2]
    assert outcome.usage.image_input > 0


def _mask() -> bytes:
    import io

    from PIL import Image

    image = Image.new("RGBA", (640, 480), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 320, 480))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("endpoint", ["responses", "chat"])
@pytest.mark.parametrize("task", ["tags", "attributes"])
def test_tasks_with_a_schema_answer_json(endpoint: str, task: str, tmp_path: Path) -> None:
    request = CaptionRequest(photo=PHOTO, endpoint=endpoint, task=task)  # type: ignore[arg-type]
    outcome = perform(client_of(OfflineApp()), request, tmp_path)
    assert isinstance(outcome, Captioned)
    answer = json.loads(outcome.text)
    assert answer["tags" if task == "tags" else "colors"]


@pytest.mark.parametrize("request_", [CAPTION, CHAT], ids=["responses", "chat"])
def test_an_answer_that_reaches_its_limit_is_cut_and_says_so(
    request_: CaptionRequest, tmp_path: Path
) -> None:
    outcome = perform(client_of(OfflineApp()), request_.with_(max_output_tokens=16), tmp_path)
    assert isinstance(outcome, Captioned)
    assert outcome.finish == "length"
    assert outcome.usage.text_output == 16
    assert outcome.problems == ("the answer was cut at 16 tokens",)


def test_the_flex_tier_is_asked_for_and_echoed(tmp_path: Path) -> None:
    outcome = perform(client_of(OfflineApp()), CAPTION.with_(tier="flex"), tmp_path)
    assert isinstance(outcome, Captioned)
    assert outcome.receipt.tier == "flex"


def test_size_and_quality_auto_stay_within_their_quote(tmp_path: Path) -> None:
    request = IMAGE.with_(size="auto", quality="auto")
    outcome = perform(client_of(OfflineApp()), request, tmp_path)
    assert isinstance(outcome, Generated)
    assert outcome.receipt.echoed["quality"] == "low"
    range_ = pricing.quote(request).tokens["image_output"]
    assert range_.low <= outcome.usage.image_output <= range_.high


# -------------------------------------------------------------------------------------------------
# What fails, by fault: kind of outcome, and a word of its message

FAILED = [
    ("refuse", "not_sent", "Nothing was sent"),
    ("401", "auth", "OPENAI_API_KEY"),
    ("403-verify", "permission", "verif"),
    ("404-path", "not_found", "--endpoint chat"),
    ("413", "bad_request", "too large"),
    ("bad-size", "bad_request", "its size"),
    ("429", "rate_limit", "try again in 1 s"),
    ("429-bare", "rate_limit", "try again later"),
    ("slow-down", "rate_limit", "rate of requests"),
    ("quota", "quota", "waiting does not help"),
    ("spend-limit", "quota", "spending limit"),
    ("moderation-input", "moderation", "change the prompt"),
    ("redirect", "redirect", "never followed"),
    ("redirect-other", "redirect", "never followed"),
    ("redirect-loop", "redirect", "never followed"),
]


@pytest.mark.parametrize(("fault", "kind", "words"), FAILED, ids=[row[0] for row in FAILED])
def test_a_refusal_before_any_work_is_free(
    fault: str, kind: str, words: str, tmp_path: Path
) -> None:
    outcome = faulty(fault, IMAGE, tmp_path)
    assert isinstance(outcome, Failed), outcome
    assert outcome.kind == kind
    assert words in outcome.message
    assert "othing was billed" in outcome.message


UNKNOWN = [
    ("408", "timeout"),
    ("409", "server_error"),
    ("500", "server_error"),
    ("500-billed", "server_error"),
    ("503", "server_error"),
    ("502-html", "server_error"),
    ("200-html", "unreadable"),
    ("reset", "connection_lost"),
    ("reset-billed", "connection_lost"),
    ("timeout", "timeout"),
    ("truncated", "connection_lost"),
    ("bad-json", "unreadable"),
    ("gzip-bomb", "unreadable"),
    ("huge", "unreadable"),
    ("moderation-output", "moderation_output"),
    ("no-usage", "no_usage"),
    ("usage-zero", "no_usage"),
    ("usage-float", "no_usage"),
    ("usage-string", "no_usage"),
    ("usage-negative", "no_usage"),
    ("usage-extra", "no_usage"),
]


@pytest.mark.parametrize(("fault", "kind"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
@pytest.mark.parametrize(
    "request_",
    [IMAGE, EDIT, CAPTION, CHAT],
    ids=["generate", "edit", "responses", "chat"],
)
def test_what_may_have_been_billed_stays_unknown(
    request_: Request, fault: str, kind: str, tmp_path: Path
) -> None:
    outcome = faulty(fault, request_, tmp_path)
    assert isinstance(outcome, Unknown), outcome
    assert outcome.kind == kind
    assert "stays held" in outcome.message


@pytest.mark.parametrize("fault", ["reset", "refuse", "timeout", "500", "truncated"])
def test_streams_fail_like_whole_answers(fault: str, tmp_path: Path) -> None:
    outcome = faulty(fault, IMAGE.with_(partial_images=1), tmp_path)
    assert isinstance(outcome, Failed if fault == "refuse" else Unknown)


def test_ten_times_the_usage_is_reported_as_it_is(tmp_path: Path) -> None:
    outcome = faulty("usage-10x", IMAGE, tmp_path)
    assert isinstance(outcome, Generated)
    assert outcome.usage.image_output == 1290


PICTURES = [
    ("bad-base64", "picture 1 is not valid base64"),
    ("html-picture", "picture 1 is a web page"),
    ("elf-picture", "picture 1 is a program"),
    ("svg-picture", "picture 1 is an SVG, which may carry scripts"),
    ("gif-picture", "picture 1 is a GIF"),
    ("url", "picture 1 came as a link instead of data, and links are not followed"),
    ("empty", "0 of 1 pictures were delivered and billed"),
]


@pytest.mark.parametrize(("fault", "problem"), PICTURES, ids=[row[0] for row in PICTURES])
def test_an_unusable_picture_is_settled_and_not_shown(
    fault: str, problem: str, tmp_path: Path
) -> None:
    outcome = faulty(fault, IMAGE, tmp_path)
    assert isinstance(outcome, Generated)
    assert outcome.images == ()
    assert outcome.problems == (problem,)
    assert outcome.usage.image_output == 129


def test_fewer_pictures_than_asked_are_kept_and_named(tmp_path: Path) -> None:
    outcome = faulty("fewer", IMAGE.with_(n=4), tmp_path)
    assert isinstance(outcome, Generated)
    assert len(outcome.images) == 3
    assert outcome.problems == ("3 of 4 pictures were delivered and billed",)
    assert outcome.usage.image_output == 4 * 129


def test_more_pictures_than_asked_are_all_kept(tmp_path: Path) -> None:
    outcome = faulty("more", IMAGE.with_(n=2), tmp_path)
    assert isinstance(outcome, Generated)
    assert len(outcome.images) == 3
    assert outcome.problems == ("3 of 2 pictures were delivered and billed",)


def test_a_stream_cut_after_its_first_draft_is_unknown_and_the_draft_no_result(
    tmp_path: Path,
) -> None:
    drafts: list[int] = []
    outcome = faulty(
        "stream-cut-first",
        IMAGE.with_(partial_images=2),
        tmp_path,
        on_partial=lambda index, data: drafts.append(index),
    )
    assert isinstance(outcome, Unknown)
    assert outcome.kind == "connection_lost"
    assert drafts == [0]


@pytest.mark.parametrize("fault", ["stream-cut-final", "stream-error"])
@pytest.mark.parametrize("request_", [CAPTION, CHAT, IMAGE.with_(partial_images=1)])
def test_a_stream_without_its_final_event_is_unknown(
    request_: Request, fault: str, tmp_path: Path
) -> None:
    options = {"on_text": lambda text: None} if isinstance(request_, CaptionRequest) else {}
    outcome = faulty(fault, request_, tmp_path, **options)
    assert isinstance(outcome, Unknown), outcome


def test_a_repeated_final_event_is_billed_once(tmp_path: Path) -> None:
    outcome = faulty("stream-twice", IMAGE.with_(partial_images=1), tmp_path)
    assert isinstance(outcome, Generated)
    assert len(outcome.images) == 1
    assert outcome.usage.image_output == 229


def test_another_tier_than_asked_is_in_the_receipt(tmp_path: Path) -> None:
    outcome = faulty("other-tier", CAPTION, tmp_path)
    assert isinstance(outcome, Captioned)
    assert outcome.receipt.tier == "priority"


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("429", 1.0), ("429-seconds", 7.0), ("429-huge", 1e9), ("429-negative", None)],
)
def test_retry_after_is_read_in_all_its_forms(
    fault: str, seconds: float | None, tmp_path: Path
) -> None:
    outcome = faulty(fault, IMAGE, tmp_path)
    assert isinstance(outcome, Failed)
    assert outcome.retry_after_seconds == seconds


def test_retry_after_as_a_date_is_counted_from_the_servers_clock(tmp_path: Path) -> None:
    outcome = faulty("429-date", IMAGE, tmp_path)
    assert isinstance(outcome, Failed)
    assert outcome.retry_after_seconds is not None
    assert 4 <= outcome.retry_after_seconds <= 8


# -------------------------------------------------------------------------------------------------
# Limits: time, size, disk


def test_a_dripping_answer_ends_at_the_time_limit(tmp_path: Path) -> None:
    clock = Clock()
    client = Client.offline(OfflineApp(faults="drip"), sleep=clock.sleep, clock=clock)
    outcome = perform(client, CAPTION, tmp_path, timeout_seconds=30)
    assert isinstance(outcome, Unknown)
    assert outcome.kind == "timeout"
    assert "did not finish" in outcome.message
    assert 30 <= clock.now <= 32


def test_no_answer_ends_at_the_time_limit(tmp_path: Path) -> None:
    clock = Clock()
    client = Client.offline(OfflineApp(latency_ms=60_000), sleep=clock.sleep, clock=clock)
    outcome = perform(client, CAPTION, tmp_path, timeout_seconds=5)
    assert isinstance(outcome, Unknown)
    assert outcome.kind == "timeout"
    assert clock.now == 5


def test_an_answer_beyond_the_limit_is_not_read_on(tmp_path: Path) -> None:
    app = OfflineApp(faults="huge")
    with client_of(app) as client:
        outcome = client.perform(IMAGE, attempt_id="x", spool=tmp_path / "x", limit_bytes=5_000_000)
    assert isinstance(outcome, Unknown)
    assert "5,000,000 bytes" in outcome.message
    assert (tmp_path / "x.part").stat().st_size <= 5_010_000


def test_two_gigabytes_of_answer_take_little_memory(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from playground.provider.client import Client
        from playground.provider.offline.app import OfflineApp
        from playground.values import ImageRequest

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        folder = Path(sys.argv[1])
        request = ImageRequest(prompt="sea", size="1440x480")
        Client.offline(OfflineApp()).perform(request, attempt_id="a", spool=folder / "a")
        before = peak()
        outcome = Client.offline(OfflineApp(faults="huge")).perform(
            request, attempt_id="b", spool=folder / "b", limit_bytes=256 * 2**20)
        assert type(outcome).__name__ == "Unknown", outcome
        print((peak() - before) // 1024)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 64


def test_a_full_disk_loses_no_paid_answer(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import resource, signal, sys
        from pathlib import Path
        from playground.provider.client import Client
        from playground.provider.offline.app import OfflineApp
        from playground.values import ImageRequest

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        outcome = Client.offline(OfflineApp()).perform(
            ImageRequest(prompt="sea"), attempt_id="a", spool=Path(sys.argv[1]) / "a")
        assert type(outcome).__name__ == "Generated", outcome
        print(len(outcome.images[0].data), outcome.usage.image_output)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    size, tokens = map(int, done.stdout.split())
    assert size > 20_000
    assert tokens == 129


def test_an_answer_that_could_not_be_kept_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    app = OfflineApp()
    outcome = client_of(app).perform(IMAGE, attempt_id="a", spool=tmp_path / "file" / "a")
    assert isinstance(outcome, Failed)
    assert outcome.kind == "not_sent"
    assert "could not have been kept" in outcome.message
    assert app.truth.requests == 0


def test_a_live_batch_call_is_refused_before_sending(tmp_path: Path) -> None:
    app = OfflineApp()
    outcome = perform(client_of(app), CAPTION.with_(tier="batch"), tmp_path)
    assert isinstance(outcome, Failed)
    assert app.truth.requests == 0


def test_a_broken_preview_does_not_disturb_the_paid_call(tmp_path: Path) -> None:
    def broken(index: int, data: bytes) -> None:
        raise ZeroDivisionError

    outcome = perform(
        client_of(OfflineApp()), IMAGE.with_(partial_images=2), tmp_path, on_partial=broken
    )
    assert isinstance(outcome, Generated)
    assert len(outcome.images) == 1
    assert "ZeroDivisionError" in outcome.problems[0]


# -------------------------------------------------------------------------------------------------
# The spool


@pytest.mark.parametrize(
    "request_",
    [IMAGE, IMAGE.with_(n=2, partial_images=2), EDIT, CAPTION, CHAT],
    ids=["generate", "streamed", "edit", "responses", "chat"],
)
def test_the_spool_alone_proves_the_same_outcome(request_: Request, tmp_path: Path) -> None:
    uploads = [] if type(request_) is ImageRequest else [upload()]
    on_text = (lambda text: None) if isinstance(request_, CaptionRequest) else None
    live = client_of(OfflineApp()).perform(
        request_, attempt_id="a", spool=tmp_path / "a", uploads=uploads, on_text=on_text
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.body"]
    again = read_spool(request_, tmp_path / "a.body")
    assert isinstance(again, Generated | Captioned)
    assert again.usage == live.usage  # type: ignore[union-attr]
    if isinstance(again, Generated):
        assert isinstance(live, Generated)
        assert again.images == live.images


def test_the_spool_is_private_and_begins_with_status_and_headers(tmp_path: Path) -> None:
    client_of(OfflineApp()).perform(IMAGE, attempt_id="a", spool=tmp_path / "a")
    path = tmp_path / "a.body"
    assert path.stat().st_mode & 0o777 == 0o600
    head = json.loads(path.read_bytes().split(b"\n", 1)[0])
    assert head["status"] == 200
    assert head["url"].endswith("/v1/images/generations")
    assert "x-request-id" in dict(head["headers"])


def test_a_cut_answer_stays_a_part(tmp_path: Path) -> None:
    outcome = client_of(OfflineApp(faults="truncated")).perform(
        IMAGE, attempt_id="a", spool=tmp_path / "a"
    )
    assert isinstance(outcome, Unknown)
    assert [path.name for path in tmp_path.iterdir()] == ["a.part"]


def test_a_refused_connection_leaves_no_file(tmp_path: Path) -> None:
    outcome = client_of(OfflineApp(faults="refuse")).perform(
        IMAGE, attempt_id="a", spool=tmp_path / "a"
    )
    assert isinstance(outcome, Failed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "kind"),
    [("pre_send", Failed), ("headers", Unknown), ("mid_body", Unknown), ("body_done", Generated)],
)
def test_an_unexpected_error_anywhere_ends_in_what_is_known(
    place: str, kind: type, tmp_path: Path
) -> None:
    failpoints.arm(f"{place}:1:raise")
    try:
        outcome = perform(client_of(OfflineApp()), IMAGE, tmp_path)
    finally:
        failpoints.arm(None)
    assert isinstance(outcome, kind), outcome


def test_a_stream_that_breaks_after_its_final_event_is_whole(tmp_path: Path) -> None:
    failpoints.arm("mid_body:2:raise")
    request = CHAT
    try:
        outcome = perform(client_of(OfflineApp()), request, tmp_path)
    finally:
        failpoints.arm(None)
    # The second write never happens for a small JSON answer: it came in one piece.
    assert isinstance(outcome, Captioned)


def test_quotes_hold_what_the_provider_bills_for_many_requests(tmp_path: Path) -> None:
    client = client_of(OfflineApp())
    models = ("gpt-image-2", "gpt-image-2.5-flare", "gpt-image-1.5")
    checked = 0
    for model, quality in itertools.product(models, ("low", "medium", "auto")):
        for n, size in ((1, "1024x1024"), (2, "1536x1024"), (1, "auto")):
            request = ImageRequest(
                prompt="lighthouse", model=model, quality=quality, n=n, size=size
            )  # type: ignore[arg-type]
            outcome = perform(client, request, tmp_path)
            assert isinstance(outcome, Generated), outcome
            _check_within(request, outcome)
            checked += 1
    assert checked == 27


def _check_within(request: ImageRequest, outcome: Generated) -> None:
    quote = pricing.quote(request)
    billed = pricing.bill(request.model, outcome.usage).dollars
    assert billed is not None
    assert quote.hold is not None
    assert Decimal(0) < billed <= quote.hold
    for bucket, range_ in quote.tokens.items():
        assert range_.low <= getattr(outcome.usage, bucket) <= range_.high, (request, bucket)
