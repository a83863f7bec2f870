"""Captions in batches: half the price, nothing asked twice, nothing paid for lost."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import secrets
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from playground.batch import BatchRun, caption_in_batches
from playground.batch.ingest import ingest, of_line
from playground.batch.shards import Builder
from playground.errors import InvalidRequest, SpendingRefused, UnknownPrice
from playground.provider.batches import BatchState
from playground.provider.client import Client
from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.faults import Faults
from playground.provider.offline.server import OfflineServer
from playground.runner import Archive, caption_folder, recover
from playground.runner.plan import Plan, Row
from playground.store import Gallery
from playground.values import Captioned, CaptionRequest, Failed, Photo, Unknown

FUZZ = int(os.environ.get("PLAYGROUND_FUZZ_LINES", "300"))
LINES = int(os.environ.get("PLAYGROUND_BATCH_LINES", "600"))


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


def to(server: OfflineServer) -> Client:
    return connect(base_url=server.base_url, environ={})


def patient(times: int = 200) -> Callable[[float], bool]:
    """Waits no time at all, and gives up after so many times."""
    left = [times]

    def wait(_: float) -> bool:
        left[0] -= 1
        return left[0] < 0

    return wait


def ask(photos: Path, gallery: Gallery, client: Client, **more: Any) -> Any:
    return caption_in_batches(photos, gallery, client, **{"wait": patient(), **more})


def proven(gallery: Gallery, app: OfflineApp) -> None:
    """M1 to M5 and M8: the bill is within the ledger, every line was reserved, sums agree."""
    totals = gallery.ledger.totals()
    assert totals.settled <= app.truth.dollars <= totals.settled + totals.held
    for call in app.truth.calls:
        gallery.ledger.attempt(call.client_request_id)
    assert max(Counter(call.client_request_id for call in app.truth.calls).values(), default=0) < 2
    if not totals.held:
        assert totals.settled == app.truth.dollars
    items = list(gallery.each())
    assert sum((item.total_billed for item in items), Decimal(0)) == totals.settled
    assert not [one for one in gallery.verify(full=True) if one.level == "error"]


def test_photos_are_captioned_at_half_price_and_found(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 12)
    summary = ask(photos, gallery, Client.offline(app), max_lines=5)
    assert (summary.captioned, summary.failed, summary.unknown, summary.waiting) == (12, 0, 0, 0)
    assert summary.settled_dollars == app.truth.dollars == gallery.ledger.totals().settled
    proven(gallery, app)
    assert [batch.lines for batch in gallery.ledger.batches.all()] == [5, 5, 2]
    live = OfflineApp()
    with Gallery(tmp_path / "live") as other:
        caption_folder(photos, other, Client.offline(live))
    assert live.truth.dollars == 2 * app.truth.dollars
    item = next(iter(gallery.each()))
    assert gallery.search(item.captions[0].text.split()[0]).total >= 1
    assert [row["tier"] for row in gallery.spend("tier")] == ["batch"]
    assert list((gallery.folder / "spool").glob("*.jsonl")) == []


def test_what_is_answered_is_asked_by_neither_way_again(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 6)
    client = Client.offline(app)
    caption_folder(photos, gallery, client, limit=2)
    assert ask(photos, gallery, client).captioned == 4
    assert caption_folder(photos, gallery, client).skipped == 6
    assert ask(photos, gallery, client).skipped == 6
    assert app.truth.requests == 6


def test_an_interrupted_run_is_taken_up_by_the_same_command(
    gallery: Gallery, tmp_path: Path
) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 8)
    client = Client.offline(app)
    first = ask(photos, gallery, client, wait_for_all=False)
    assert (first.captioned, first.waiting, first.stopped) == (0, 8, "")
    assert first.held_dollars == gallery.ledger.totals().held > 0
    # A recovery in between leaves what waits at the provider alone.
    assert not recover(gallery)
    live = caption_folder(photos, gallery, client)
    assert live.captioned == 0
    assert "waits in a batch" in live.errors[0].why
    second = ask(photos, gallery, client)
    # What waits was not even made ready again.
    assert (second.captioned, second.skipped, second.waiting) == (8, 0, 0)
    assert len(gallery.ledger.batches.all()) == 1
    proven(gallery, app)


def test_ctrl_c_leaves_the_batch_running(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(faults="batch-slow"), folder(tmp_path, 10)

    def pressed(_: float) -> bool:
        raise KeyboardInterrupt

    summary = ask(photos, gallery, Client.offline(app), wait=pressed)
    assert summary.interrupted
    assert (summary.waiting, len(summary.standing.batches)) == (10, 1)
    assert ask(photos, gallery, Client.offline(app)).captioned == 10
    proven(gallery, app)


def test_another_process_brings_in_what_waits(tmp_path: Path) -> None:
    photos = folder(tmp_path, 6)
    with OfflineServer(OfflineApp()) as server:
        with to(server) as client, Gallery(tmp_path / "g") as gallery:
            ask(photos, gallery, client, wait_for_all=False)
        with to(server) as client, Gallery(tmp_path / "g") as gallery:
            assert ask(photos, gallery, client, wait=lambda _: False).captioned == 6
            proven(gallery, server.app)


def test_a_sample_batch_outlives_its_program(tmp_path: Path) -> None:
    photos = folder(tmp_path, 3)
    with Gallery(tmp_path / "g") as gallery:
        ask(photos, gallery, Client.offline(OfflineApp()), wait_for_all=False)
    with Gallery(tmp_path / "g") as gallery:
        assert ask(photos, gallery, Client.offline(OfflineApp())).captioned == 3


# -- what came, however it came ----------------------------------------


def dump(gallery: Gallery) -> list[str]:
    """The whole database but for the times of looking, as text."""
    with sqlite3.connect(gallery.folder / "gallery.db") as raw:
        tables = ("attempts", "captions", "items", "budgets", "item_tags", "files")
        return [repr(row) for table in tables for row in raw.execute(f"SELECT * FROM {table}")]


def waiting_batch(gallery: Gallery, client: Client, photos: Path, **more: Any) -> BatchState:
    """A batch that has ended at the provider and that nobody has ingested yet."""
    ask(photos, gallery, client, wait_for_all=False, **more)
    (batch,) = gallery.ledger.batches.unfinished()
    assert batch.remote_id is not None
    for _ in range(20):
        state = client.batches.retrieve(batch.remote_id, gallery.folder / "spool")
        assert isinstance(state, BatchState)
        if state.ended:
            return state
    raise AssertionError(state)


def test_ingesting_twice_changes_nothing(gallery: Gallery, tmp_path: Path) -> None:
    """B6: partial output, an error file, another order, repeated and foreign lines."""
    app = OfflineApp(faults="lines-mixed", seed=4)
    client, photos = Client.offline(app), folder(tmp_path, 40)
    state = waiting_batch(gallery, client, photos)
    (batch,) = gallery.ledger.batches.unfinished()
    spool = gallery.folder / "spool"
    files = [
        client.batches.content(file_id, spool / name)
        for name, file_id in (("o", state.output_file_id), ("e", state.error_file_id))
    ]
    found = ingest(gallery, batch.id, files)  # type: ignore[arg-type]
    assert found.repeated
    assert found.malformed
    assert found.foreign
    assert found.captioned > 15
    run = BatchRun(gallery, client)
    assert run.ingest(batch, state)
    once = dump(gallery)
    again = ingest(gallery, batch.id, files)  # type: ignore[arg-type]
    assert again.captioned == 0
    assert run.ingest(gallery.ledger.batches.get(batch.id), state)
    assert dump(gallery) == once
    proven(gallery, app)
    totals = gallery.ledger.totals()
    unknowns = gallery.ledger.unknowns()
    assert totals.held == sum((attempt.hold for attempt in unknowns), Decimal(0)) > 0


def test_what_an_expired_batch_did_is_kept_and_the_rest_is_asked_anew(
    gallery: Gallery, tmp_path: Path
) -> None:
    """B7."""
    app, photos = OfflineApp(faults="batch-expired@1"), folder(tmp_path, 20)
    summary = ask(photos, gallery, Client.offline(app))
    assert (summary.captioned, summary.failed, summary.unknown) == (20, 0, 0)
    first, second = gallery.ledger.batches.all()
    assert (first.status, first.completed) == ("expired", 12)
    assert (second.status, second.lines) == ("completed", 8)
    assert app.truth.requests == 20
    assert any("8 photos" in note for note in summary.notes)
    proven(gallery, app)


def test_a_question_that_always_comes_back_is_given_up(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(faults="batch-expired"), folder(tmp_path, 10)
    summary = ask(photos, gallery, Client.offline(app))
    assert summary.captioned + summary.failed == 10
    assert summary.failed == len(summary.errors) == 1
    assert len(gallery.ledger.batches.all()) == 3
    proven(gallery, app)


@pytest.mark.parametrize(
    ("fault", "unknown"),
    [
        ("lines-lost", True),
        ("lines-malformed", True),
        ("lines-no-usage", True),
        ("batch-uncounted", True),
        ("lines-missing", False),
        ("lines-error", False),
        ("lines-500", False),
        ("lines-repeated", False),
        ("lines-foreign", False),
        ("lines-all-failed", False),
        ("lines-mixed", True),
    ],
)
def test_lines_end_by_what_the_batch_proves(
    gallery: Gallery, tmp_path: Path, fault: str, unknown: bool
) -> None:
    app, photos = OfflineApp(faults=f"{fault}@1", seed=2), folder(tmp_path, 20)
    summary = ask(photos, gallery, Client.offline(app))
    assert bool(summary.unknown) is unknown
    assert summary.captioned + summary.failed + summary.unknown == 20
    proven(gallery, app)
    # Nothing that was billed is unaccounted for, and what is held is listed.
    held = sum((one.hold for one in gallery.ledger.unknowns()), Decimal(0))
    assert gallery.ledger.totals().held == held == summary.held_dollars
    for attempt in gallery.ledger.unknowns():
        billed = [c.billed for c in app.truth.calls if c.client_request_id == attempt.id]
        cost = sum(filter(None, billed), Decimal(0))
        gallery.ledger.resolve(attempt.id, dollars=cost, reason="as on the bill")
    assert gallery.ledger.totals().settled == app.truth.dollars  # M4
    if fault in {"lines-missing", "lines-500"}:
        assert summary.captioned == 20  # asked anew in a second batch


def test_a_batch_that_fails_its_check_costs_nothing(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(faults="batch-failed@1"), folder(tmp_path, 4)
    summary = ask(photos, gallery, Client.offline(app))
    assert "invalid_json_line" in summary.stopped
    assert gallery.ledger.totals().committed == 0
    assert app.truth.requests == 0
    assert ask(photos, gallery, Client.offline(app)).captioned == 4


def test_a_full_queue_is_waited_for(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(faults=Faults(calls={2: "batch-limit"})), folder(tmp_path, 9)
    summary = ask(photos, gallery, Client.offline(app), max_lines=3)
    assert (summary.captioned, summary.failed, summary.stopped) == (9, 0, "")
    proven(gallery, app)


def test_cancelling_keeps_what_was_done(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(faults="batch-slow"), folder(tmp_path, 10)
    client = Client.offline(app)
    ask(photos, gallery, client, wait=patient(2))
    run = BatchRun(gallery, client)
    assert run.cancel() == 1
    while run.waiting():
        run.poll()
    done = app.truth.requests
    assert 0 < done < 10
    assert gallery.search().total == done
    assert gallery.ledger.totals().held == 0
    proven(gallery, app)


def test_a_batch_that_somebody_else_cancels_is_not_asked_again_unasked(
    gallery: Gallery, tmp_path: Path
) -> None:
    app, photos = OfflineApp(faults="batch-cancelled@1"), folder(tmp_path, 10)
    summary = ask(photos, gallery, Client.offline(app))
    assert (summary.captioned, summary.failed) == (4, 0)
    assert "was cancelled at the provider" in summary.stopped
    assert ask(photos, gallery, Client.offline(app)).captioned == 6
    proven(gallery, app)


# -- what may be lost on the way ----------------------------------------


@pytest.mark.parametrize("fault", ["upload-lost", "create-lost", "poll-500@2", "content-cut@1"])
def test_lost_answers_make_nothing_twice(gallery: Gallery, tmp_path: Path, fault: str) -> None:
    app, photos = OfflineApp(faults=fault), folder(tmp_path, 6)
    client = Client.offline(app)
    summary = ask(photos, gallery, client)
    assert (summary.captioned, summary.stopped) == (6, "")
    assert len(app.desk._batches) == 1
    assert not [one for one in app.desk._files.values() if one["purpose"] == "batch"]
    proven(gallery, app)


def test_a_batch_that_was_surely_not_made_is_made_later(gallery: Gallery, tmp_path: Path) -> None:
    plan = Faults(paths={"/batches": "reset"})
    app, photos = OfflineApp(faults=plan), folder(tmp_path, 4)
    client = Client.offline(app)
    summary = ask(photos, gallery, client, wait=patient(8))
    assert summary.waiting == 4
    assert "not known yet" in " ".join(summary.notes)
    assert app.desk._batches == {}
    app.desk._faults = Faults()
    # Too early to be sure: the list may lag behind.
    assert ask(photos, gallery, client, wait=patient(8)).captioned == 0
    assert app.desk._batches == {}
    assert ask(photos, gallery, client, lost_after_seconds=0).captioned == 4
    proven(gallery, app)


def test_two_batches_with_one_mark_become_one(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(faults="create-lost@1"), folder(tmp_path, 4)
    client = Client.offline(app)

    def twice(desk: Any) -> None:
        (kept,) = list(desk._batches.values())
        copy = json.loads(json.dumps(kept))
        copy["batch"] |= {"id": "batch_twin", "created_at": kept["batch"]["created_at"] + 5}
        desk._batches["batch_twin"] = copy

    original = app.desk._create

    def creating(call: Any) -> Any:
        made = original(call)
        twice(app.desk)
        return made

    app.desk._create = creating  # type: ignore[method-assign]
    summary = ask(photos, gallery, client)
    assert summary.captioned == 4
    assert any("once more" in note for note in summary.notes)
    assert app.desk._batches["batch_twin"]["batch"]["status"] in {"cancelling", "cancelled"}
    proven(gallery, app)


@pytest.mark.parametrize(
    ("fault", "words"), [("quota", "no credit"), ("401", "refused the API key")]
)
def test_a_refusal_gives_everything_back(
    gallery: Gallery, tmp_path: Path, fault: str, words: str
) -> None:
    for path in ("/files", "/batches"):
        app = OfflineApp(faults=Faults(paths={path: fault}))
        summary = ask(folder(tmp_path, 5), gallery, Client.offline(app), max_lines=2)
        assert words in summary.stopped
        assert summary.waiting == 0
        assert gallery.ledger.totals().committed == 0
        assert len(app.desk._batches) == 0


def test_a_server_without_batches_is_named(gallery: Gallery, tmp_path: Path) -> None:
    app = OfflineApp(faults=Faults(paths={"/files": "404-path"}))
    summary = ask(folder(tmp_path, 2), gallery, Client.offline(app))
    assert "offers no batches" in summary.stopped
    assert "--via live" in summary.stopped
    assert gallery.ledger.totals().committed == 0


def test_a_batch_that_the_provider_does_not_know_stays_held(
    gallery: Gallery, tmp_path: Path
) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 3)
    ask(photos, gallery, Client.offline(app), wait_for_all=False)
    held = gallery.ledger.totals().held
    app.desk._batches.clear()
    summary = ask(photos, gallery, Client.offline(app))
    assert "does not know the batch" in " ".join(summary.notes)
    assert (summary.waiting, gallery.ledger.totals().held) == (3, held)
    assert app.truth.requests == 0
    run = BatchRun(gallery, Client.offline(app))
    run.give_up(gallery.ledger.batches.unfinished()[0].id)
    assert len(gallery.ledger.unknowns()) == 3
    assert ask(photos, gallery, Client.offline(app)).captioned == 3


def test_batches_of_another_provider_are_left_alone(gallery: Gallery, tmp_path: Path) -> None:
    photos = folder(tmp_path, 3)
    with OfflineServer(OfflineApp()) as server, to(server) as client:
        ask(photos, gallery, client, wait_for_all=False)
        app = OfflineApp()
        summary = ask(photos, gallery, Client.offline(app))
        assert "wait in a batch at 127.0.0.1" in " ".join(summary.notes)
        assert app.truth.requests == 0
        assert summary.waiting == 3
        assert ask(photos, gallery, client, wait=lambda _: False).captioned == 3


# -- caps ----------------------------------------


@pytest.mark.parametrize("limit", ["cap", "budget"])
def test_no_more_lines_are_made_than_fit_below_a_cap(
    gallery: Gallery, tmp_path: Path, limit: str
) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 10)
    each = caption_folder(photos, gallery, Client.offline(app), dry_run=True, tier="batch").quoted
    assert each is not None
    assert each.hold is not None
    allowed = each.hold * 4 / 10 + Decimal("0.000001")
    summary = ask(photos, gallery, Client.offline(app), **{limit: allowed})
    assert (summary.captioned, app.truth.requests) == (4, 4)
    assert "The cap of this" in summary.stopped
    assert app.truth.dollars <= allowed
    proven(gallery, app)


def test_an_overrun_stops_batches_too(
    gallery: Gallery, tmp_path: Path, reserve: Callable[..., Any]
) -> None:
    from playground.values import Receipt, Usage

    dear = reserve(gallery, "0.001")
    gallery.ledger.settle(dear.id, usage=Usage(), cost=Decimal(1), receipt=Receipt())
    app = OfflineApp()
    summary = ask(folder(tmp_path, 2), gallery, Client.offline(app))
    assert "cost more than was reserved" in summary.stopped
    assert app.desk._files == {}


def test_a_large_quote_is_asked_about_first(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 3)
    dear = {"model": "gpt-5.4-pro", "max_output_tokens": 20_000}
    with pytest.raises(SpendingRefused, match="nobody confirmed"):
        ask(photos, gallery, Client.offline(app), **dear)
    assert app.desk._files == {}
    assert ask(photos, gallery, Client.offline(app), confirm=True, **dear).captioned == 3


def test_a_model_without_a_batch_price_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 1)
    with pytest.raises(UnknownPrice, match=r"gpt-5\.3-codex has no batch tier"):
        ask(photos, gallery, Client.offline(app), model="gpt-5.3-codex")
    with pytest.raises(UnknownPrice, match=r"gpt-4\.1 has no flex tier"):
        caption_folder(photos, gallery, Client.offline(app), model="gpt-4.1", tier="flex")
    with pytest.raises(InvalidRequest, match="tier batch, not flex"):
        ask(photos, gallery, Client.offline(app), tier="flex")
    assert app.desk._files == {}
    assert app.truth.requests == 0


def test_a_poisonous_photo_is_listed_and_the_rest_is_asked(
    gallery: Gallery, tmp_path: Path
) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 4)
    whole = photos / "0001.jpg"
    (photos / "cut.jpg").write_bytes(whole.read_bytes()[:200])
    (photos / "text.jpg").write_text("no picture")
    summary = ask(photos, gallery, Client.offline(app))
    assert summary.captioned == 4
    assert len(summary.errors) == summary.failed == 2
    assert app.truth.requests == 4


def test_two_models_are_two_batches(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 3)
    models = ["gpt-5.4-nano", "gpt-5.4-mini"]
    assert ask(photos, gallery, Client.offline(app), model=models).captioned == 6
    assert sorted(batch.model for batch in gallery.ledger.batches.all()) == sorted(models)
    proven(gallery, app)


# -- shards ----------------------------------------


def rows_of(path: Path, count: int) -> list[Row]:
    data = path.read_bytes()
    import hashlib

    digest = hashlib.sha256(data).digest()
    return [Row(0, str(path), digest, 64, 48, "jpeg", len(data)) for _ in range(count)]


@pytest.mark.parametrize(("max_lines", "max_bytes"), [(LINES * 5 // 6, 10**9), (10**9, 60_000)])
def test_no_shard_is_larger_than_the_api_takes(
    gallery: Gallery, tmp_path: Path, max_lines: int, max_bytes: int
) -> None:
    """PLAYGROUND_BATCH_LINES=60000 runs it at full size."""
    photo = next(folder(tmp_path, 1).iterdir())
    client = Client.offline(OfflineApp())
    plan = Plan(gallery, client, None, [CaptionRequest(tier="batch")])
    builder = Builder(gallery, client, plan, max_lines=max_lines, max_bytes=max_bytes)
    seen: list[str] = []
    sizes = []
    for shard in builder.shards(rows_of(photo, LINES)):
        lines = shard.path.read_bytes().splitlines(keepends=True)
        assert len(lines) == len(shard.lines) <= max_lines
        assert shard.path.stat().st_size == shard.size_bytes <= max_bytes
        assert [json.loads(line)["custom_id"] for line in lines] == [o.id for o in shard.lines]
        assert [len(b"".join(lines[:n])) for n in range(3)] == shard.starts[:3]
        seen += [one.id for one in shard.lines]
        sizes.append(len(lines))
        shard.remove()
        assert not shard.path.exists()
    assert len(seen) == len(set(seen)) == LINES
    assert len(sizes) > 1
    assert min(sizes[:-1]) == max(sizes[:-1])  # full but for the last
    assert builder.problems == []


def test_lines_that_somebody_else_took_leave_the_file(gallery: Gallery, tmp_path: Path) -> None:
    photo = next(folder(tmp_path, 1).iterdir())
    client = Client.offline(OfflineApp())
    plan = Plan(gallery, client, None, [CaptionRequest(tier="batch")])
    (shard,) = Builder(gallery, client, plan).shards(rows_of(photo, 5))
    kept = {shard.lines[1].id, shard.lines[4].id}
    shard.keep_only(kept)
    found = [json.loads(line)["custom_id"] for line in shard.path.read_bytes().splitlines()]
    assert set(found) == kept
    assert [line.id for line in shard.lines] == found


def test_nothing_of_the_owner_is_in_the_file(gallery: Gallery, tmp_path: Path) -> None:
    photos = tmp_path / "CANARY-home"
    photos.mkdir()
    exif = Image.Exif()
    exif[0x010E] = "CANARY-exif"
    Image.new("RGB", (64, 48)).save(photos / "CANARY-name.jpg", exif=exif, comment="CANARY-comment")
    app = OfflineApp()
    ask(photos, gallery, Client.offline(app), wait_for_all=False)
    (document,) = [one for one in app.desk._files.values() if one["purpose"] == "batch"]
    sent = (app.desk._folder / document["id"]).read_bytes() + json.dumps(document).encode()
    assert b"CANARY" not in sent
    link = json.loads(sent.splitlines()[0])["body"]["input"][0]["content"][1]["image_url"]
    assert Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))).size == (64, 48)
    assert b"service_tier" not in sent


# -- lines that make no sense ----------------------------------------


def test_no_line_whatever_it_says_breaks_the_ledger(gallery: Gallery, tmp_path: Path) -> None:
    """PLAYGROUND_FUZZ_LINES=20000 runs the long version."""
    app, photos = OfflineApp(), folder(tmp_path, 30)
    client = Client.offline(app)
    state = waiting_batch(gallery, client, photos)
    (batch,) = gallery.ledger.batches.unfinished()
    assert state.output_file_id is not None
    spool = gallery.folder / "spool"
    whole = client.batches.content(state.output_file_id, spool / "o")
    assert isinstance(whole, Path)
    head, *lines = whole.read_bytes().splitlines()
    dice = random.Random(20261121)
    bad = b"\n".join([head, *(mutated(dice, dice.choice(lines)) for _ in range(FUZZ))])
    (spool / "bad").write_bytes(bad)
    before = gallery.ledger.totals()
    found = ingest(gallery, batch.id, [spool / "bad"])
    after = gallery.ledger.totals()
    assert after.committed <= before.committed
    assert found.captioned <= 30
    assert found.malformed > FUZZ // 20
    assert not [one for one in gallery.verify() if one.level == "error" and "add up" in one.text]


def mutated(dice: random.Random, line: bytes) -> bytes:
    """A line with something wrong in it."""
    kind = dice.randrange(8)
    if kind == 0:
        return line[: dice.randrange(len(line))]
    if kind == 1:
        return bytes(dice.randrange(256) for _ in range(80)).replace(b"\n", b"")
    if kind == 2:
        at = dice.randrange(len(line))
        return line[:at] + bytes([dice.randrange(1, 256)]).replace(b"\n", b" ") + line[at + 1 :]
    document = json.loads(line)
    odd: Any = dice.choice([None, [], {}, 7, -1, True, "x" * 2000, 1e308, {"a": [{}]}, "\ud800"])
    if kind == 3:
        document["custom_id"] = odd
    elif kind == 4:
        document["response"] = odd
    elif kind == 5:
        document["response"][dice.choice(["status_code", "body", "request_id"])] = odd
    elif kind == 6:
        document["response"]["body"][dice.choice(["usage", "output", "service_tier"])] = odd
    else:
        usage = document["response"]["body"]["usage"]
        usage[dice.choice(list(usage))] = odd
    return json.dumps(document).encode()


@pytest.mark.parametrize("body", [{}, [], None, "text", {"usage": {"input_tokens": -5}}])
def test_an_answer_without_a_bill_is_held(body: Any) -> None:
    request = CaptionRequest(photo=Photo(64, 48), tier="batch")
    line = {"custom_id": "x", "response": {"status_code": 200, "body": body}, "error": None}
    assert isinstance(of_line(request, line), Unknown)


def test_a_line_is_billed_as_a_batch_whatever_tier_its_body_names() -> None:
    usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    body = {"service_tier": "priority", "usage": usage, "output": []}
    request = CaptionRequest(photo=Photo(64, 48), tier="batch")
    line = {"response": {"status_code": 200, "request_id": "req_1", "body": body}}
    outcome = of_line(request, line)
    assert isinstance(outcome, Captioned)
    assert (outcome.receipt.tier, outcome.receipt.request_id) == ("batch", "req_1")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "batch_expired", "message": "late"}, Failed),
        ({"code": "batch_cancelled", "message": "no"}, Failed),
        ({"code": "request_timeout", "message": "slow"}, Unknown),
        (None, Unknown),
        ("boom", Unknown),
    ],
)
def test_only_a_line_that_was_surely_not_done_is_free(error: Any, kind: type) -> None:
    request = CaptionRequest(photo=Photo(64, 48), tier="batch")
    assert isinstance(of_line(request, {"response": None, "error": error}), kind)


def test_files_of_another_batch_settle_nothing(gallery: Gallery, tmp_path: Path) -> None:
    app, photos = OfflineApp(), folder(tmp_path, 4)
    client = Client.offline(app)
    state = waiting_batch(gallery, client, photos)
    assert state.output_file_id is not None
    path = client.batches.content(state.output_file_id, gallery.folder / "spool" / "o")
    assert isinstance(path, Path)
    found = ingest(gallery, secrets.token_hex(16), [path])
    assert (found.captioned, found.foreign) == (0, 4)
    assert gallery.ledger.totals().settled == 0


def test_the_plan_of_an_archive_goes_to_batches_too(gallery: Gallery, tmp_path: Path) -> None:
    """What a page does: submit, poll and look, each for itself."""
    app, photos = OfflineApp(), folder(tmp_path, 5)
    client = Client.offline(app)
    archive = Archive(gallery, client, tier="batch", task="alt")
    archive.add(photos)
    run = BatchRun(gallery, client, archive.plan)
    assert run.submit(run.knows(archive.plan.rows)) == 5
    assert str(run.status()) == "5 photos wait in 1 batch, 0 of them answered"
    while run.waiting():
        run.poll()
    assert (run.captioned, run.dollars) == (5, app.truth.dollars)
    assert [text for _, text, _ in run.newest]
    assert run.status().batches == ()
