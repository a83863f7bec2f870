"""The one gate: what is quoted is held, what is billed is booked, nothing is lost or paid twice."""

from __future__ import annotations

import _thread
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from playground import failpoints, pricing, runner
from playground.errors import (
    GalleryProblem,
    InvalidRequest,
    PhotoProblem,
    SpendingRefused,
    UnknownModel,
)
from playground.provider.client import OFFLINE_BASE_URL, Client
from playground.provider.offline.app import OfflineApp
from playground.provider.transport import InProcessTransport
from playground.store import Gallery
from playground.values import Captioned, EditRequest, Failed, Generated, ImageRequest, Unknown

SIZE = "1440x480"  # the cheapest legal picture


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("PLAYGROUND_CAP", "PLAYGROUND_GALLERY", "PLAYGROUND_FILES", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
    failpoints.arm(None)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery(tmp_path / "gallery") as opened:
        yield opened


@dataclass
class Offline:
    """The embedded provider and its client; sleeping is only noted."""

    app: OfflineApp
    client: Client
    slept: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.app.truth.requests

    @property
    def dollars(self) -> Decimal:
        return self.app.truth.dollars


def offline(faults: str | None = None, **options) -> Offline:
    app = OfflineApp(faults=faults, **options)
    slept: list[float] = []
    return Offline(app, Client.offline(app, sleep=slept.append), slept)


def photo(path: Path, shade: int = 90, size: tuple[int, int] = (320, 240)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (5 * shade % 256, 80, 160)).save(path, "JPEG")
    return path


def folder(tmp_path: Path, count: int) -> Path:
    for number in range(count):
        photo(tmp_path / "photos" / f"{number:03}.jpg", number)
    return tmp_path / "photos"


def balanced(gallery: Gallery, provider: Offline) -> bool:
    """M1, M3: what the provider billed lies between what is settled and what is committed."""
    totals = gallery.ledger.totals()
    return totals.settled <= provider.dollars <= totals.settled + totals.held


def answers_kept(gallery: Gallery) -> list[Path]:
    """Raw answers that are still in the spool."""
    spool = gallery.spool_path("x").parent
    return [path for path in spool.iterdir() if path.suffix in {".body", ".part"}]


# --- pictures ------------------------------------------------------------------------------


def test_the_quote_is_the_bill_and_the_picture_is_kept(gallery: Gallery) -> None:
    provider = offline()
    result = runner.generate(
        "a wizard reading a map",
        gallery,
        provider.client,
        size="976x704",
        quality="low",
        model="gpt-image-2",
        title="Wizard",
        tags=["fantasy"],
    )
    assert isinstance(result.outcome, Generated)
    assert result.quote.basis == "exact"
    assert result.billed == result.quote.high == provider.dollars
    assert result.difference == 0
    assert gallery.ledger.totals().settled == provider.dollars
    assert gallery.ledger.totals().held == 0
    item = gallery.item(result.items[0].id)
    assert (item.title, item.tags, item.sample) == ("Wizard", ("fantasy",), True)
    data = gallery.original(item.id)
    assert hashlib.sha256(data).hexdigest() == item.sha256 == result.items[0].sha256
    assert data == result.outcome.images[0].data
    assert gallery.thumbnail(item.id)
    assert not answers_kept(gallery)


def test_the_json_of_a_call_has_the_agreed_keys_and_no_floats_for_money(gallery: Gallery) -> None:
    result = runner.generate("a fox", gallery, offline().client, size=SIZE, quality="low", n=2)
    form = json.loads(json.dumps(result.to_dict()))
    assert [set(item) for item in form["items"]] == [{"id", "path", "sha256", "size"}] * 2
    assert Path(form["items"][0]["path"]).is_file()
    assert form["items"][0]["size"] == SIZE
    assert form["quoted"]["dollars"]["high"] == form["billed"]["dollars"]
    assert isinstance(form["billed"]["dollars"], str)
    assert form["billed"]["tokens"]["image_output"] == 2 * 54
    assert form["request_id"].startswith("req_")
    assert form["seconds"] >= 0


def test_the_same_prompt_again_is_a_new_picture_and_a_new_bill(gallery: Gallery) -> None:
    provider = offline()
    for _ in range(2):
        runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert provider.requests == 2
    assert gallery.search().total == 2
    assert gallery.ledger.totals().settled == provider.dollars


def test_drafts_arrive_before_the_streamed_picture(gallery: Gallery) -> None:
    provider = offline()
    drafts: list[int] = []
    result = runner.generate(
        "a fox",
        gallery,
        provider.client,
        size=SIZE,
        quality="low",
        partial_images=2,
        on_partial=lambda index, _: drafts.append(index),
    )
    assert drafts == [0, 1]
    assert len(result.items) == 1
    assert result.quote.low is not None
    assert result.quote.low <= result.billed <= result.quote.high
    assert balanced(gallery, provider)


def test_an_edit_names_its_parents_and_sends_no_metadata(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline()
    first = runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    exif = Image.Exif()
    exif[0x010E] = "CANARY-edit"
    image = Image.new("RGB", (300, 200), "teal")
    image.save(tmp_path / "CANARY-name.jpg", exif=exif)
    result = runner.generate(
        "add a hat",
        gallery,
        provider.client,
        size=SIZE,
        quality="low",
        images=[first.items[0].path, tmp_path / "CANARY-name.jpg"],
    )
    assert isinstance(result.request, EditRequest)
    item = gallery.item(result.items[0].id)
    assert item.kind == "edit"
    assert first.items[0].id in item.parents
    assert result.usage.image_input > 0
    assert balanced(gallery, provider)


def test_a_mask_of_another_size_costs_nothing(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline()
    picture = photo(tmp_path / "a.jpg")
    mask = tmp_path / "mask.png"
    Image.new("RGBA", (10, 10)).save(mask)
    with pytest.raises(InvalidRequest, match=r"10x10 .*320x240.* must be equal"):
        runner.generate(
            "x", gallery, provider.client, size=SIZE, quality="low", images=[picture], mask=mask
        )
    assert provider.requests == 0
    assert gallery.ledger.totals().committed == 0


# --- refused before anything is sent -------------------------------------------------------


def test_an_unknown_model_is_refused_by_name_with_the_way_to_price_it(gallery: Gallery) -> None:
    provider = offline()
    with pytest.raises(UnknownModel, match=r"paint-9000.*--price"):
        runner.generate("a fox", gallery, provider.client, model="paint-9000", size=SIZE)
    assert provider.requests == 0
    assert gallery.ledger.totals().committed == 0


def test_a_model_that_was_shut_down_is_refused_with_its_date(gallery: Gallery) -> None:
    provider = offline()
    with pytest.raises(InvalidRequest, match=r"dall-e-3 is shut down from 20\d\d-\d\d-\d\d"):
        runner.generate("a fox", gallery, provider.client, model="dall-e-3", size="1024x1024")
    assert provider.requests == 0


def test_more_than_a_dollar_needs_consent(gallery: Gallery) -> None:
    provider = offline()
    request = ImageRequest("a fox", model="gpt-image-2", size="2880x2880", quality="high", n=10)
    with pytest.raises(SpendingRefused, match=r"more than \$1.00.*Nothing was sent"):
        runner.generate(request, gallery, provider.client)
    shown = []
    with pytest.raises(SpendingRefused, match="was not confirmed"):
        runner.generate(
            request, gallery, provider.client, confirm=lambda quote: bool(shown.append(quote))
        )
    assert shown[0].high > 1
    assert provider.requests == 0


def test_a_cap_stops_a_call_before_it_is_sent(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = offline()

    def buy(**options) -> None:
        runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low", **options)

    with pytest.raises(SpendingRefused, match=r"\$0\.001"):
        buy(cap="0.001")
    monkeypatch.setenv("PLAYGROUND_CAP", "0.0005")
    with pytest.raises(SpendingRefused, match=r"\$0\.0005"):
        buy(cap="5")
    monkeypatch.setenv("PLAYGROUND_CAP", "a lot")
    with pytest.raises(InvalidRequest, match="PLAYGROUND_CAP is an amount of dollars"):
        buy()
    assert provider.requests == 0
    assert gallery.ledger.totals().committed == 0


def test_labels_that_cannot_be_kept_are_refused_before_the_money_goes(gallery: Gallery) -> None:
    provider = offline()
    with pytest.raises(InvalidRequest, match="tag"):
        runner.generate("a fox", gallery, provider.client, size=SIZE, tags=["x" * 65])
    with pytest.raises(InvalidRequest, match="sise is not known here"):
        runner.generate("a fox", gallery, provider.client, sise=SIZE)
    assert provider.requests == 0


def test_a_gallery_for_viewing_only_takes_no_calls(gallery: Gallery) -> None:
    provider = offline()
    runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    with Gallery(gallery.folder, read_only=True) as viewed:
        assert viewed.search().total == 1
        with pytest.raises(GalleryProblem, match="Nothing was sent"):
            runner.generate("a fox", viewed, provider.client, size=SIZE, quality="low")
    assert provider.requests == 1


# --- what the provider does ----------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    ["500", "500-billed", "503", "502-html", "200-html", "reset", "reset-billed", "truncated",
     "timeout", "timeout-unbilled", "bad-json", "409", "moderation-output"],
)  # fmt: skip
def test_a_lost_answer_is_asked_for_once_and_stays_held(gallery: Gallery, fault: str) -> None:
    provider = offline(fault)
    result = runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert isinstance(result.outcome, Unknown)
    assert provider.requests == 1
    assert result.billed is None
    assert result.held == result.quote.hold == gallery.ledger.totals().held
    assert [attempt.id for attempt in gallery.ledger.unknowns()] == [result.attempt_id]
    assert balanced(gallery, provider)
    assert "held" in result.to_dict()["message"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("401", "auth"), ("429", "rate_limit"), ("quota", "quota"), ("moderation-input", "moderation"),
     ("refuse", "not_sent"), ("redirect", "redirect"), ("redirect-loop", "redirect")],
)  # fmt: skip
def test_a_refusal_releases_the_money(gallery: Gallery, fault: str, kind: str) -> None:
    provider = offline(fault)
    result = runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert isinstance(result.outcome, Failed)
    assert result.outcome.kind == kind
    assert provider.requests == 1
    assert result.billed == 0
    assert gallery.ledger.totals().committed == 0
    assert not answers_kept(gallery)


@pytest.mark.parametrize(("fault", "kept"), [("fewer", 3), ("empty", 0)])
def test_missing_pictures_are_flagged_paid_for_and_not_bought_again(
    gallery: Gallery, fault: str, kept: int
) -> None:
    provider = offline(fault)
    result = runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low", n=4)
    assert len(result.items) == gallery.search().total == kept
    assert provider.requests == 1
    assert result.billed == provider.dollars == gallery.ledger.totals().settled
    assert gallery.ledger.totals().held == 0
    assert result.notes


@pytest.mark.parametrize("fault", ["html-picture", "elf-picture", "svg-picture", "bad-base64"])
def test_what_is_no_picture_is_booked_and_never_kept_as_one(gallery: Gallery, fault: str) -> None:
    provider = offline(fault)
    result = runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert result.items == ()
    assert gallery.search().total == 0
    assert provider.requests == 1
    assert result.notes or isinstance(result.outcome, Unknown)
    assert balanced(gallery, provider)


def test_a_stream_cut_after_its_first_draft_holds_the_whole_bound(gallery: Gallery) -> None:
    provider = offline("stream-cut-first")
    drafts: list[bytes] = []
    result = runner.generate(
        "a fox",
        gallery,
        provider.client,
        size=SIZE,
        quality="low",
        partial_images=2,
        on_partial=lambda _, data: drafts.append(data),
    )
    assert isinstance(result.outcome, Unknown)
    assert len(drafts) == 1
    assert gallery.search().total == 0
    plain = runner.gate.quote_or_refuse(ImageRequest("a fox", size=SIZE, quality="low"), None, None)
    assert gallery.ledger.totals().held == result.quote.hold > plain.hold
    assert provider.requests == 1


@pytest.mark.parametrize(
    "fault", ["no-usage", "usage-string", "usage-float", "usage-negative", "usage-extra"]
)
def test_a_bill_that_cannot_be_trusted_is_held(gallery: Gallery, fault: str) -> None:
    provider = offline(fault)
    result = runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert isinstance(result.outcome, Unknown)
    assert result.outcome.kind == "no_usage"
    assert gallery.ledger.totals().held == result.quote.hold
    # The answer itself is kept for the owner who resolves it.
    assert gallery.spool_path(result.attempt_id).exists()


def test_a_bill_above_the_bound_is_booked_and_stops_everything(gallery: Gallery) -> None:
    provider = offline("usage-10x@1")
    result = runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert len(result.items) == 1
    assert result.billed == provider.dollars > result.quote.hold
    assert result.difference == result.billed - result.quote.high
    assert any("acknowledged this overrun" in note for note in result.notes)
    with pytest.raises(SpendingRefused):
        runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert provider.requests == 1
    gallery.ledger.acknowledge_overruns()
    runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert provider.requests == 2


def test_the_tier_that_served_is_the_tier_that_is_billed(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline("other-tier")
    path = photo(tmp_path / "a.jpg")
    result = runner.caption(path, gallery, provider.client, model="gpt-5.4", tier="flex")
    assert isinstance(result.outcome, Captioned)
    assert result.outcome.receipt.tier not in {None, "flex"}
    tier = result.outcome.receipt.tier
    expected = pricing.bill("gpt-5.4", result.usage, tier=tier).dollars
    assert result.billed == gallery.ledger.totals().settled == expected
    assert expected > pricing.bill("gpt-5.4", result.usage, tier="flex").dollars
    assert any("is billed as such" in note for note in result.notes)


@pytest.mark.parametrize("fault", ["key-echo", "key-echo-500", "key-echo-header", "key-echo-body"])
def test_a_key_that_is_echoed_reaches_nothing_that_is_kept_or_shown(
    gallery: Gallery, fault: str
) -> None:
    key = "sk-CANARY0123456789abcdefghijklmnop"
    client = Client(
        "openai",
        OFFLINE_BASE_URL,
        transport=InProcessTransport(OfflineApp(faults=fault), lambda _: None),
        api_key=key,
    )
    result = runner.generate("a fox", gallery, client, size=SIZE, quality="low")
    shown = repr(result) + json.dumps(result.to_dict()) + repr(client)
    assert "CANARY" not in shown
    for path in gallery.folder.rglob("*"):
        if path.is_file():
            assert b"CANARY" not in path.read_bytes(), path


# --- crashes and interruptions in this process ---------------------------------------------


@pytest.mark.parametrize("place", ["pre_tmp", "mid_tmp", "post_fsync", "pre_settle", "in_settle"])
def test_an_answer_that_could_not_be_kept_is_finished_by_the_next_call(
    gallery: Gallery, place: str
) -> None:
    provider = offline()
    failpoints.arm(f"{place}:1:raise")
    with pytest.raises(failpoints.FailpointReached):
        runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert gallery.search().total == 0
    assert balanced(gallery, provider)
    runner.generate("an owl", gallery, provider.client, size=SIZE, quality="low")
    assert {item.prompt for item in gallery.search()} == {"a fox", "an owl"}
    assert provider.requests == 2
    assert gallery.ledger.totals().settled == provider.dollars
    assert gallery.ledger.totals().held == 0


def test_a_call_that_could_not_begin_gives_its_money_back(gallery: Gallery) -> None:
    provider = offline()
    spool = gallery.spool_path("x").parent
    for path in sorted(spool.parent.glob("spool")):
        path.rename(path.with_name("away"))
    with pytest.raises(GalleryProblem, match="not sent"):
        runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert provider.requests == 0
    assert gallery.ledger.totals().committed == 0


def test_an_interrupted_call_is_unknown_and_held(gallery: Gallery) -> None:
    provider = offline()

    def interrupt(_index: int, _data: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.generate(
            "a fox",
            gallery,
            provider.client,
            size=SIZE,
            quality="low",
            partial_images=1,
            on_partial=interrupt,
        )
    (attempt,) = gallery.ledger.unknowns()
    assert "interrupted" in attempt.reason
    assert gallery.ledger.totals().held == attempt.hold
    assert balanced(gallery, provider)


def test_recovery_leaves_living_processes_alone(gallery: Gallery) -> None:
    provider = offline()
    failpoints.arm("pre_settle:1:raise")
    with pytest.raises(failpoints.FailpointReached):
        runner.generate("a fox", gallery, provider.client, size=SIZE, quality="low")
    assert not runner.recover(gallery)
    assert gallery.ledger.totals().held > 0
    gallery.close()  # ends the lease: now the attempt is nobody's
    with Gallery(gallery.folder) as later:
        assert runner.recover(later) == runner.Recovery(settled=1)
        assert later.search().total == 1
        assert later.ledger.totals().settled == provider.dollars
        assert not runner.recover(later)


# --- captions ------------------------------------------------------------------------------


def test_a_captioned_photo_is_kept_as_it_is_with_its_caption(
    gallery: Gallery, tmp_path: Path
) -> None:
    provider = offline()
    path = photo(tmp_path / "beach.jpg", size=(1_600, 1_200))
    result = runner.caption(path, gallery, provider.client, task="tags", resize=512)
    assert isinstance(result.outcome, Captioned)
    assert result.text
    assert result.tags
    item = gallery.item(result.item_id)
    assert (item.kind, item.name) == ("photo", "beach.jpg")
    assert gallery.original(item.id) == path.read_bytes()
    assert gallery.thumbnail(item.id)
    (words,) = item.captions
    assert (words.model, words.task, words.tags) == ("gpt-5.4-nano", "tags", result.tags)
    assert words.billed == result.billed == provider.dollars
    assert result.quote.low <= result.billed <= result.quote.high
    again = runner.caption(path, gallery, provider.client, model="gpt-5.4-mini")
    assert again.item_id == item.id
    assert len(gallery.item(item.id).captions) == 2
    assert gallery.search().total == 1


def test_words_arrive_while_they_are_written(gallery: Gallery, tmp_path: Path) -> None:
    pieces: list[str] = []
    result = runner.caption(
        photo(tmp_path / "a.jpg"), gallery, offline().client, on_text=pieces.append
    )
    assert len(pieces) > 1
    assert "".join(pieces).strip() == result.text


def test_resizing_makes_the_quote_smaller(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline()
    path = photo(tmp_path / "big.jpg", size=(3_000, 2_000))
    large = runner.caption(path, gallery, provider.client, detail="original")
    small = runner.caption(path, gallery, provider.client, detail="original", resize=512)
    assert small.quote.low < large.quote.low
    assert small.usage.total_input < large.usage.total_input


@pytest.mark.parametrize("kind", ["text", "truncated", "missing", "bomb"])
def test_a_photo_that_cannot_be_read_costs_nothing(
    gallery: Gallery, tmp_path: Path, kind: str
) -> None:
    provider = offline()
    path = tmp_path / "a.jpg"
    if kind == "text":
        path.write_text("no picture")
    elif kind == "truncated":
        whole = io.BytesIO()
        Image.effect_noise((300, 300), 50).save(whole, "JPEG")
        path.write_bytes(whole.getvalue()[:-2_000])
    elif kind == "bomb":
        Image.new("1", (10_000, 10_000)).save(path, "PNG")
    with pytest.raises(PhotoProblem, match=r"a\.jpg"):
        runner.caption(path, gallery, provider.client)
    assert provider.requests == 0
    assert gallery.ledger.totals().committed == 0
    assert gallery.search().total == 0


def test_a_hostile_answer_is_cut_down_to_a_caption(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline("long-text")
    result = runner.caption(photo(tmp_path / "a.jpg"), gallery, provider.client)
    if isinstance(result.outcome, Captioned):
        assert len(result.text.encode()) <= 4096
        assert result.notes
    assert provider.requests == 1
    assert balanced(gallery, provider)


# --- folders -------------------------------------------------------------------------------


def test_a_folder_is_captioned_once_however_often_it_is_asked(
    gallery: Gallery, tmp_path: Path
) -> None:
    provider = offline()
    photos = folder(tmp_path, 6)
    (photos / "bad.jpg").write_text("words")
    seen: list[int] = []
    summary = runner.caption_folder(
        photos, gallery, provider.client, on_progress=lambda now: seen.append(now.done)
    )
    assert (summary.captioned, summary.skipped, summary.failed, summary.unknown) == (6, 0, 1, 0)
    assert [problem.path for problem in summary.errors] == [str(photos / "bad.jpg")]
    assert summary.settled_dollars == provider.dollars
    assert summary.held_dollars == 0
    assert seen[-1] == 7
    assert gallery.search().total == 6
    again = runner.caption_folder(photos, gallery, provider.client)
    assert (again.captioned, again.skipped, again.failed) == (0, 6, 1)
    assert provider.requests == 6
    form = json.loads(json.dumps(again.to_dict()))
    assert {"captioned", "skipped", "failed", "unknown", "settled_dollars", "held_dollars",
            "seconds", "photos_per_second", "errors"} <= set(form)  # fmt: skip
    assert set(form["errors"][0]) == {"path", "why"}
    assert form["settled_dollars"] == "0"


def test_a_gallery_inside_the_folder_is_not_captioned(tmp_path: Path) -> None:
    provider = offline()
    photos = folder(tmp_path, 2)
    with Gallery(photos / "gallery") as inner:
        for _ in range(2):
            runner.caption_folder(photos, inner, provider.client)
        assert inner.search().total == 2
        mine = runner.caption_folder(inner.folder, inner, provider.client, task="alt")
        assert mine.captioned == 2


def test_each_model_captions_each_photo_and_copies_are_asked_about_once(
    gallery: Gallery, tmp_path: Path
) -> None:
    provider = offline()
    photos = folder(tmp_path, 3)
    (photos / "copy.jpg").write_bytes((photos / "000.jpg").read_bytes())
    summary = runner.caption_folder(
        [photos, photos / "001.jpg"],
        gallery,
        provider.client,
        model=["gpt-5.4-nano", "gpt-5.4-mini"],
        task="alt",
    )
    assert (summary.captioned, summary.skipped) == (6, 4)
    assert provider.requests == 6
    assert gallery.search().total == 3
    assert all(
        {caption.model for caption in item.captions} == {"gpt-5.4-nano", "gpt-5.4-mini"}
        for item in gallery.search()
    )


def test_a_dry_run_and_a_limit_spend_no_more_than_they_say(
    gallery: Gallery, tmp_path: Path
) -> None:
    provider = offline()
    photos = folder(tmp_path, 5)
    planned = runner.caption_folder(photos, gallery, provider.client, dry_run=True)
    assert (planned.planned, planned.captioned) == (5, 0)
    assert planned.quoted.low > 0
    assert provider.requests == 0
    some = runner.caption_folder(photos, gallery, provider.client, limit=2)
    assert some.captioned == 2
    rest = runner.caption_folder(photos, gallery, provider.client)
    assert (rest.captioned, rest.skipped) == (3, 2)


def test_a_used_up_budget_stops_the_run_and_the_next_one_goes_on(
    gallery: Gallery, tmp_path: Path
) -> None:
    provider = offline()
    photos = folder(tmp_path, 8)
    hold = runner.caption_folder(photos, gallery, provider.client, dry_run=True).quoted.hold / 8
    first = runner.caption_folder(photos, gallery, provider.client, budget=hold * 2, concurrency=2)
    assert 1 <= first.captioned < 8
    assert first.stopped
    assert first.settled_dollars + first.held_dollars <= hold * 2
    second = runner.caption_folder(photos, gallery, provider.client)
    assert first.captioned + second.captioned == 8
    assert second.skipped == first.captioned
    assert provider.requests == 8


def test_a_rate_limit_is_waited_for_and_each_attempt_is_booked(
    gallery: Gallery, tmp_path: Path
) -> None:
    provider = offline("429-seconds@2")
    now = [100.0]

    def wait(seconds: float) -> bool:
        now[0] += seconds
        return False

    summary = runner.caption_folder(
        folder(tmp_path, 3),
        gallery,
        provider.client,
        concurrency=1,
        wait=wait,
        clock=lambda: now[0],
    )
    assert (summary.captioned, summary.failed) == (3, 0)
    assert provider.requests == 4
    assert now[0] == pytest.approx(107, abs=0.5)
    assert summary.settled_dollars == provider.dollars


def test_an_absurd_wait_stops_the_run_with_a_sentence(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline("429-huge")
    summary = runner.caption_folder(folder(tmp_path, 4), gallery, provider.client, concurrency=1)
    assert provider.requests == 1
    assert "1,000,000,000 seconds" in summary.stopped


@pytest.mark.parametrize("fault", ["quota", "spend-limit", "401", "redirect"])
def test_one_reason_for_all_photos_stops_the_run(
    gallery: Gallery, tmp_path: Path, fault: str
) -> None:
    provider = offline(fault)
    summary = runner.caption_folder(folder(tmp_path, 20), gallery, provider.client, concurrency=4)
    assert 1 <= provider.requests <= 4
    assert summary.stopped
    assert summary.settled_dollars + summary.held_dollars == 0


def test_a_lost_network_is_tried_a_few_times(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline("refuse")
    summary = runner.caption_folder(
        folder(tmp_path, 9), gallery, provider.client, concurrency=1, wait=lambda _: False
    )
    assert provider.requests == 3
    assert "Nothing was sent" in summary.stopped


def test_an_unknown_bill_is_retried_as_a_new_attempt(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline("500-billed@1")
    summary = runner.caption_folder(folder(tmp_path, 3), gallery, provider.client, concurrency=1)
    assert (summary.captioned, summary.unknown) == (3, 0)
    assert provider.requests == 4
    assert len(gallery.ledger.unknowns()) == 1
    assert summary.held_dollars == gallery.ledger.totals().held > 0
    assert balanced(gallery, provider)
    never = offline("500-billed")
    summary = runner.caption_folder(
        photo(tmp_path / "new.jpg", 99), gallery, never.client, unknown_retries=2
    )
    assert (summary.captioned, summary.unknown) == (0, 1)
    assert never.requests == 3


def test_a_refused_photo_does_not_stop_the_others(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline("moderation-input@2")
    summary = runner.caption_folder(folder(tmp_path, 5), gallery, provider.client, concurrency=1)
    assert (summary.captioned, summary.failed) == (4, 1)
    assert provider.requests == 5
    assert not summary.stopped


def test_a_run_in_which_too_much_fails_pauses(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline("moderation-input")
    summary = runner.caption_folder(folder(tmp_path, 40), gallery, provider.client, concurrency=1)
    assert provider.requests == 20
    assert "too many calls fail" in summary.stopped


def test_a_dear_folder_needs_consent_once(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline()
    photos = folder(tmp_path, 3)
    asked: list[Decimal] = []

    def agree(quote) -> bool:
        asked.append(quote.high)
        return True

    options = {"model": "gpt-5.4", "max_output_tokens": 100_000}
    with pytest.raises(SpendingRefused):
        runner.caption_folder(photos, gallery, provider.client, **options)
    assert provider.requests == 0
    summary = runner.caption_folder(photos, gallery, provider.client, confirm=agree, **options)
    assert summary.captioned == 3
    assert len(asked) == 1


def test_an_unknown_model_is_refused_before_the_folder_is_begun(
    gallery: Gallery, tmp_path: Path
) -> None:
    provider = offline()
    with pytest.raises(UnknownModel, match="llava"):
        runner.caption_folder(folder(tmp_path, 2), gallery, provider.client, model="llava")
    assert provider.requests == 0


def test_an_interrupt_ends_the_run_and_loses_nothing(gallery: Gallery, tmp_path: Path) -> None:
    provider = offline()

    def stop(now) -> None:
        if now.done == 3:
            _thread.interrupt_main()

    summary = runner.caption_folder(
        folder(tmp_path, 60), gallery, provider.client, concurrency=2, on_progress=stop
    )
    assert summary.interrupted
    assert 3 <= summary.captioned < 60
    assert provider.requests == summary.captioned
    assert summary.settled_dollars == provider.dollars
    assert gallery.ledger.totals().held == 0
