"""Archives: priced before, forecast by a pilot, asked once, by one process or several."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from forked import Run, Zygote
from PIL import Image
from proof import bought_twice

from playground.errors import InvalidRequest
from playground.provider.client import Client
from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.runner import Archive, caption_folder
from playground.runner.plan import key_maker
from playground.size import Size
from playground.store import Gallery
from playground.values import CaptionRequest, Photo


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PLAYGROUND_CAP", "PLAYGROUND_GALLERY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """An empty place, in memory where there is some: syncs of a busy disk take long."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery(tmp_path / "gallery") as opened:
        yield opened


def folder(tmp_path: Path, count: int) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir(exist_ok=True)
    for number in range(count):
        path = photos / f"{number:04}.jpg"
        Image.new("RGB", (64, 48), (90, 60, 30)).save(path, "JPEG", comment=f"{number}")
    return photos


def served(faults: str | None = None, **options) -> OfflineServer:
    return OfflineServer(OfflineApp(faults=faults, **options))


def to(server: OfflineServer) -> Client:
    return connect(base_url=server.base_url, environ={})


def proven(gallery: Gallery, app: OfflineApp) -> None:
    """Every request had its reservation; the bill lies between settled and committed."""
    bought_twice(gallery, app.truth.calls)
    totals = gallery.ledger.totals()
    assert totals.settled <= app.truth.dollars <= totals.settled + totals.held
    for call in app.truth.calls:
        gallery.ledger.attempt(call.client_request_id)
    items = list(gallery.each())
    assert sum((item.total_billed for item in items), Decimal(0)) == totals.settled
    assert not [one for one in gallery.verify(full=True) if one.level == "error"]


def test_keys_made_for_an_archive_are_the_keys_of_its_requests() -> None:
    photo = Photo(4_032, 3_024, "jpeg", 9, "ab" * 32, Path("x.jpg"))
    for fields in (
        {},
        {"task": "tags", "resize": 768},
        {"prompt": 'Say "photo":\n{}', "tier": "flex"},
    ):
        template = CaptionRequest(**fields)
        assert key_maker(template)(photo) == template.with_(photo=photo).key


def test_an_archive_over_sockets_is_booked_to_the_last_call(
    gallery: Gallery, tmp_path: Path
) -> None:
    photos = folder(tmp_path, 60)
    with served() as server, to(server) as client:
        summary = caption_folder(photos, gallery, client)
        assert (summary.captioned, summary.failed, summary.unknown) == (60, 0, 0)
        assert server.app.truth.requests == 60
        assert summary.settled_dollars == server.app.truth.dollars
        assert gallery.ledger.totals().held == 0
        proven(gallery, server.app)
        again = caption_folder(photos, gallery, client)
        assert (again.captioned, again.skipped) == (0, 60)
    assert gallery.search().total == 60


def test_words_are_searchable_and_originals_are_whole(gallery: Gallery, tmp_path: Path) -> None:
    photos = folder(tmp_path, 3)
    with served() as server, to(server) as client:
        caption_folder(photos, gallery, client)
    for item in gallery.search():
        (caption,) = item.captions
        assert gallery.search(caption.text.split()[0]).total >= 1
        assert gallery.original(item.id) == (photos / item.name).read_bytes()


@pytest.mark.parametrize(
    "fault", ["500-billed=0.2", "reset-billed=0.2", "truncated=0.2", "200-html=0.2"]
)
def test_whatever_fails_on_the_way_every_photo_and_every_dollar_is_accounted_for(
    gallery: Gallery, tmp_path: Path, fault: str
) -> None:
    photos = folder(tmp_path, 30)
    with served(fault) as server, to(server) as client:
        options = {"wait": lambda _: False, "unknown_retries": 9}
        summary = caption_folder(photos, gallery, client, **options)
        assert (summary.captioned, summary.failed, summary.stopped) == (30, 0, "")
        assert server.app.truth.requests > 30
        proven(gallery, server.app)


def test_a_pilot_forecasts_the_whole_and_its_photos_are_not_asked_again(
    gallery: Gallery, tmp_path: Path
) -> None:
    with served() as server, to(server) as client:
        archive = Archive(gallery, client, task="alt")
        archive.add(folder(tmp_path, 80))
        forecast, first = archive.pilot(20, seed=3)
        assert forecast is not None
        assert first.captioned == forecast.sampled == 20
        rest = archive.run()
        assert rest.captioned == 60
        assert server.app.truth.requests == 80
        assert forecast.low <= server.app.truth.dollars <= forecast.high
        assert "%" in str(forecast)
        assert set(forecast.to_dict()) == {"low", "estimate", "high", "level", "sampled"}


def test_a_trial_asks_two_models_about_the_same_photos_and_keeps_both_answers(
    gallery: Gallery, tmp_path: Path
) -> None:
    with served() as server, to(server) as client:
        archive = Archive(gallery, client, task="alt")
        archive.add(folder(tmp_path, 24))
        trial = archive.trial(6, ["gpt-5.4-mini"], seed=3)
        assert (trial.summary.captioned, server.app.truth.requests) == (12, 12)
        nano, mini = trial.sides
        assert (nano.model, mini.model) == ("gpt-5.4-nano", "gpt-5.4-mini")
        assert nano.answered == mini.answered == len(trial.pairs) == 6
        assert mini.dollars > nano.dollars > 0
        for pair in trial.pairs:
            item = gallery.item(pair.item_id)
            assert [one.model for one in pair.answers] == ["gpt-5.4-nano", "gpt-5.4-mini"]
            assert set(pair.answers) == set(item.captions)
        bills = [sum(p.answers[n].billed for p in trial.pairs) for n in (0, 1)]
        assert [side.dollars * 6 for side in trial.sides] == bills
        assert gallery.ledger.totals("run", trial.run_id).settled == sum(bills)
        # Its own answers are not asked for again; the forecast is for all of its photos.
        assert archive.run().captioned == 18
        assert trial.forecast.low <= sum(archive._billed.values()) <= trial.forecast.high
        # Another trial with the other model's photos answered: only the new ones are bought.
        again = Archive(gallery, client, task="alt", model="gpt-5.4-mini")
        again.add(tmp_path / "photos")
        assert (again.trial(18, ["gpt-5.4-nano"]).summary.captioned, again.remaining) == (18, 0)
        proven(gallery, server.app)


def test_a_trial_stays_below_its_budget_and_shows_what_there_is(
    gallery: Gallery, tmp_path: Path
) -> None:
    with served() as server, to(server) as client:
        photos = folder(tmp_path, 8)
        budget = caption_folder(photos, gallery, client, limit=1, dry_run=True).quoted.hold * 2
        summary = caption_folder(
            photos, gallery, client, pilot=4, compare=["gpt-5.4-mini"], budget=budget
        )
        assert "cap of this run" in summary.stopped
        assert summary.settled_dollars == server.app.truth.dollars <= budget
        assert sum(side.answered for side in summary.trial.sides) == server.app.truth.requests
        with pytest.raises(InvalidRequest, match="two different models"):
            Archive(gallery, client).trial(4, ["gpt-5.4-nano"])
        with pytest.raises(InvalidRequest, match="goes with a pilot"):
            caption_folder(photos, gallery, client, compare=["gpt-5.4-mini"])


def test_smaller_photos_save_dollars_and_bytes(gallery: Gallery, tmp_path: Path) -> None:
    Image.effect_noise((1_600, 1_200), 60).save(tmp_path / "large.jpg")
    with served() as server, to(server) as client:
        archive = Archive(gallery, client)
        archive.add(tmp_path / "large.jpg")
        whole, *smaller = archive.savings()
        assert [one.resize for one in smaller] == [512, 768, 1_024]
        assert whole.high == archive.quote.high
        assert smaller[0].high < smaller[1].high < whole.high
        assert smaller[0].upload_bytes < smaller[1].upload_bytes < whole.upload_bytes


def test_a_paused_run_asks_nothing_until_it_goes_on(gallery: Gallery, tmp_path: Path) -> None:
    reached = threading.Event()
    with served() as server, to(server) as client:

        def pause(now) -> None:
            if now.done == 5:
                archive.pause()
                reached.set()

        archive = Archive(gallery, client, on_progress=pause)
        archive.add(folder(tmp_path, 40))
        runner = threading.Thread(target=lambda: archive.run(concurrency=2))
        runner.start()
        assert reached.wait(20)
        deadline = time.monotonic() + 20
        count = -1
        while time.monotonic() < deadline and count != server.app.truth.requests:
            count = server.app.truth.requests
            time.sleep(0.3)
        assert count < 40
        archive.resume()
        runner.join(30)
        assert archive.summary.captioned == 40
        proven(gallery, server.app)


def test_a_cancelled_run_stops_at_once_and_the_next_one_goes_on(
    gallery: Gallery, tmp_path: Path
) -> None:
    photos = folder(tmp_path, 50)
    with served() as server, to(server) as client:

        def cancel(now) -> None:
            if now.done == 10 and not ended:
                ended.append(True)
                archive.cancel()

        ended: list[bool] = []
        archive = Archive(gallery, client, on_progress=cancel)
        archive.add(photos)
        summary = archive.run(concurrency=4)
        assert summary.stopped == "it was cancelled"
        assert 10 <= summary.captioned <= 10 + 4
        assert gallery.ledger.totals().held == 0
        rest = archive.run()
        assert summary.captioned + rest.captioned == 50
        assert server.app.truth.requests == 50


def test_what_is_wrong_with_a_photo_is_listed_and_costs_nothing(
    gallery: Gallery, tmp_path: Path
) -> None:
    photos = folder(tmp_path, 6)
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "words.jpg").write_text("not a picture")
    whole = (photos / "0003.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) - 40])
    with served() as server, to(server) as client:
        summary = caption_folder(photos, gallery, client)
        assert (summary.captioned, summary.failed) == (6, 3)
        assert {Path(problem.path).name for problem in summary.errors} == {
            "empty.jpg", "words.jpg", "cut.jpg",
        }  # fmt: skip
        assert server.app.truth.requests == 6


def test_an_edited_prompt_is_a_new_question_and_old_answers_stay(
    gallery: Gallery, tmp_path: Path
) -> None:
    photos = folder(tmp_path, 4)
    with served() as server, to(server) as client:
        caption_folder(photos, gallery, client, prompt="What is it?")
        summary = caption_folder(photos, gallery, client, prompt="Who is it?")
        assert summary.captioned == 4
        assert server.app.truth.requests == 8
    assert all(len(item.captions) == 2 for item in gallery.search())


def test_a_photo_that_changes_after_planning_is_not_sent(gallery: Gallery, tmp_path: Path) -> None:
    photos = folder(tmp_path, 2)
    with served() as server, to(server) as client:
        archive = Archive(gallery, client)
        archive.add(photos)
        Image.new("RGB", (64, 48), (9, 9, 200)).save(photos / "0001.jpg", "JPEG")
        summary = archive.run()
        assert (summary.captioned, summary.failed) == (1, 1)
        assert "changed" in summary.errors[0].why
        assert server.app.truth.requests == 1


def test_a_photo_that_is_gone_after_planning_is_told_and_the_rest_is_done(
    gallery: Gallery, tmp_path: Path
) -> None:
    photos = folder(tmp_path, 4)
    with served() as server, to(server) as client:
        for resize in (None, 32):  # read here, and read by a decoding child
            archive = Archive(gallery, client, resize=resize)
            archive.add(photos)
            (photos / "0002.jpg").rename(photos / "away")
            summary = archive.run()
            (photos / "away").rename(photos / "0002.jpg")
            assert (summary.captioned, summary.failed) == (3, 1)
            assert "missing" in summary.errors[0].why


def test_a_second_plan_reads_no_photo_again(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = folder(tmp_path, 5)
    with served() as server, to(server) as client:
        Archive(gallery, client).add(photos)
        Image.new("RGB", (60, 48), (1, 2, 3)).save(photos / "0002.jpg", "JPEG")
        read: list[str] = []
        from playground import photos as module

        measure = module.measure_many
        monkeypatch.setattr(
            module, "measure_many", lambda paths, **kw: measure(read.extend(paths) or paths, **kw)
        )
        archive = Archive(gallery, client)
        archive.add(photos)
        assert [Path(path).name for path in read] == ["0002.jpg"]
        assert len(archive.plan.rows) == 5
        assert {row.width_px for row in archive.plan.rows} == {64, 60}


def asking(zygote: Zygote, server: OfflineServer, tmp_path: Path, photos: Path) -> Run:
    """A program that captions them."""
    options = {"concurrency": 8, "cap": "50"}
    place = {"gallery": str(tmp_path / "g"), "base_url": server.base_url}
    return zygote.begin("folder", **place, photo=str(photos), options=options)


def test_two_programs_on_one_gallery_share_the_work_and_the_cap(
    tmp_path: Path, zygote: Zygote
) -> None:
    photos = folder(tmp_path, 60)
    with served() as server:
        with Gallery(tmp_path / "g"):
            pass
        both = [asking(zygote, server, tmp_path, photos) for _ in range(2)]
        assert [one.wait() for one in both] == [0, 0]
        assert server.app.truth.requests == 60
        with Gallery(tmp_path / "g") as gallery:
            assert gallery.search().total == 60
            assert gallery.ledger.totals().settled == server.app.truth.dollars
            proven(gallery, server.app)


def test_killed_again_and_again_it_ends_with_every_photo_once(
    tmp_path: Path, zygote: Zygote
) -> None:
    photos = folder(tmp_path, 150)
    with served() as server:
        for at in (30, 70, 110):
            run = asking(zygote, server, tmp_path, photos)
            assert run.kill_when(lambda at=at: server.app.truth.requests >= at)
        with Gallery(tmp_path / "g") as gallery, to(server) as client:
            summary = caption_folder(photos, gallery, client, confirm=True)
            assert summary.captioned + summary.skipped == 150
            assert gallery.search().total == 150
            proven(gallery, server.app)
            # Bought twice at most what was on its way when it was killed.
            assert server.app.truth.requests <= 150 + 3 * 8
            assert server.app.truth.requests - 150 <= len(gallery.ledger.unknowns())


def test_a_turned_photo_is_sent_with_no_more_pixels_than_are_looked_at(
    gallery: Gallery, tmp_path: Path
) -> None:
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((4_032, 3_024), 40).convert("RGB").save(turned, exif=exif, quality=60)
    with served() as server, to(server) as client:
        archive = Archive(gallery, client)
        archive.add(turned)
        assert archive.plan.spare(0, Size(3_024, 4_032)) == 2
        assert archive.plan.spare(0, Size(1_024, 768)) == 1
        low = archive.quote.tokens["image_input"].low
        summary = archive.run()
        assert summary.captioned == 1
        (call,) = server.app.truth.calls
        # The provider counts what it gets, and comes to what was quoted for the whole photo.
        assert low <= call.usage.image_input + call.usage.text_input <= low + 60
        assert summary.quoted.low <= summary.settled_dollars <= summary.quoted.high


def test_a_turned_photo_can_be_sent_as_it_is_at_the_same_price(
    gallery: Gallery, tmp_path: Path
) -> None:
    lying = tmp_path / "lying.jpg"
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    Image.effect_noise((640, 480), 40).convert("RGB").save(lying, exif=exif)
    with served() as server, to(server) as client:
        archive = Archive(gallery, client, endpoint="chat")
        archive.add(lying)
        quoted = archive.quote
        assert archive.run(as_is=True).captioned == 1
        (call,) = server.app.truth.calls
        low = quoted.tokens["image_input"].low
        assert low <= call.usage.image_input + call.usage.text_input <= low + 60
        # The same question: what was answered is not asked again upright.
        again = Archive(gallery, client, endpoint="chat")
        again.add(lying)
        assert again.planned().skipped == 1
        proven(gallery, server.app)
