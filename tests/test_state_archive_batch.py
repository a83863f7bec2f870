"""The archive page sending in batches: half price, left alone, brought in by whoever comes."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from playground import cli
from playground.jobs.desk import Post
from playground.jobs.worker import Worker
from playground.provider.client import Client
from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.state.archive_page import ArchiveState
from playground.store import Gallery
from playground.widgets.archive_page import ArchiveView, board_values

SECONDS = 60
PHOTOS = 24


@pytest.fixture
def tmp_path():
    """An empty place, in memory where there is some: syncs of a busy disk take long."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "gallery"


@pytest.fixture
def folder(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(PHOTOS):
        Image.new("RGB", (64, 48), (number * 9, 90, 30)).save(photos / f"{number:03}.png")
    return photos


@pytest.fixture
def make(place):
    """Pages on one gallery, whose workers are threads; they end with the test."""
    workers, galleries = [], []

    def made(client=None, *, launch=None):
        def within(desk, job_id, offset):
            worker = Worker(
                Post(desk.place(job_id), offset),
                lambda: Gallery(place),
                lambda: nullcontext(client),
            )
            thread = threading.Thread(target=worker.serve)
            thread.start()
            workers.append((worker, thread))
            return lambda: ""

        galleries.append(Gallery(place))
        opened = galleries[-1]
        state = ArchiveState(
            lambda: opened,
            provider="offline",
            launch=launch or within,
            submit=lambda work: work(),
            watch=False,
        )
        state.troubles = []
        state.observe(lambda change: state.troubles.append(change["new"].text), "trouble")
        state.open()
        return state

    yield made
    for worker, thread in workers:
        worker.close()
        thread.join(SECONDS)
    for gallery in galleries:
        gallery.close()


def until(state, stage, *, more=lambda status: True):
    """The page when its job has come to a stage."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        state.refresh()
        now = state.board
        settled = now.run.wait not in {"Wait for the plan.", "The price is being worked out."}
        if now.stage == stage and settled and more(now.seen.status):
            return now
        time.sleep(0.02)
    raise AssertionError(f"{state.board.stage}, {state.troubles}, {state.board.seen.status}")


def planned(state, folder, tier="batch"):
    state.set_tier(tier)
    state.look_at(str(folder), similar=False)
    return until(state, "planned")


def waits(count=PHOTOS):
    return lambda status: status.get("waiting") == count and (status.get("batches") or {})["going"]


def bill_is_the_truth(place, app, count=PHOTOS):
    """Every photo captioned once, and the ledger's sum is the provider's."""
    with Gallery(place) as gallery:
        totals = gallery.ledger.totals()
        assert gallery.search().total == count
        assert {len(item.captions) for item in gallery.each()} == {1}
    assert len(app.truth.calls) == count
    assert totals.settled == app.truth.dollars
    assert totals.held == 0


def test_batches_are_quoted_and_billed_at_half_the_price(make, folder, place):
    app = OfflineApp()
    state = make(Client.offline(app))
    full = planned(state, folder, "standard").run
    state.set_tier("batch")
    now = until(state, "planned", more=lambda s: s["fields"]["tier"] == "batch" and s["quote"])
    assert now.run.most == full.most / 2
    assert now.run.button.startswith(f"Caption {PHOTOS} photos · $")
    state.run()
    assert until(state, "ended").seen.status["ended"] == "done"
    bill_is_the_truth(place, app)
    bill = state.brought.bill
    assert (bill.answers, bill.billed) == (PHOTOS, app.truth.dollars)
    assert bill.low <= bill.billed <= bill.high
    assert len(state.brought.newest) > 0
    with Gallery(place) as gallery:
        assert {row["tier"] for row in gallery.spend("tier")} == {"batch"}


def test_what_is_tried_is_answered_now_at_the_standard_price_and_says_so(make, folder, place):
    app = OfflineApp()
    state = make(Client.offline(app))
    now = planned(state, folder)
    assert now.pilot.button.startswith("Try 5 now · $")
    assert "standard price" in now.pilot.note
    state.pilot()
    now = until(state, "planned", more=lambda s: s.get("forecast"))
    assert now.run.button.startswith(f"Caption the other {PHOTOS - 5} photos · ")
    with Gallery(place) as gallery:
        assert {row["tier"] for row in gallery.spend("tier")} == {"standard"}
    low, high = (Decimal(now.seen.status["forecast"][one]) for one in ("low", "high"))
    state.run()
    until(state, "ended")
    bill_is_the_truth(place, app)
    assert low * Decimal("0.8") <= app.truth.dollars <= high * Decimal("1.2")


def test_a_model_that_is_sold_in_no_batches_cannot_choose_them_and_says_why(make, folder):
    state = make(Client.offline(OfflineApp()))
    state.set(models=["gpt-5.3-codex"])
    assert state.refused_tiers["batch"] == "gpt-5.3-codex has no batch tier."
    state.set_tier("batch")
    assert "no batch tier" in state.troubles[-1]
    assert state.tier == "standard"
    state.set(models=["gpt-5.4-nano"])
    assert state.refused_tiers == {}
    state.set_tier("batch")
    state.set(models=["gpt-5.3-codex"])
    assert state.tier == "standard"
    state.set_tier("nonsense")
    assert "none of" in state.troubles[-1]


def test_a_page_tells_how_far_the_batches_are_and_the_wait_can_be_left(make, folder, place):
    app = OfflineApp(faults="batch-slow")
    client = Client.offline(app)
    state = make(client)
    view = ArchiveView(state)
    sent = []
    view.send = lambda content, buffers=None: sent.append(content)
    planned(state, folder)
    state.run()
    now = until(state, "running", more=waits())
    values = board_values(now)["batches"]
    assert values["text"].startswith("1 batch in progress, ")
    assert values["text"].endswith(f" of {PHOTOS} lines done")
    assert values["by"].endswith(" UTC")
    state._desk.tell(now.seen.job.id, {"do": "close", "id": "close"})
    now = until(state, "ended", more=lambda s: s["closed"])
    assert now.headline.startswith(f"{PHOTOS} photos wait at the provider")
    assert now.run.button == f"Bring in {PHOTOS} photos that wait"
    assert (now.run.wait, now.run.asks) == ("", False)
    other = make(client)
    other.run()
    until(other, "ended", more=lambda s: s["ended"] == "done")
    bill_is_the_truth(place, app)
    assert any(one.get("show") == "choices" and one["tier"] == "batch" for one in sent)


def test_a_cancel_asks_the_provider_and_books_what_was_done(make, folder, place):
    app = OfflineApp(faults="batch-slow")
    state = make(Client.offline(app))
    planned(state, folder)
    state.run()
    until(state, "running", more=lambda s: (s.get("batches") or {}).get("done", 0) > 0)
    state.cancel()
    now = until(state, "ended")
    assert now.headline.startswith("Stopped: it was cancelled")
    done = len(app.truth.calls)
    assert 0 < done < PHOTOS
    assert int(now.seen.status["answers"]) == done
    assert now.run.button.startswith(f"Caption the other {PHOTOS - done} photos · $")
    bill_is_the_truth(place, app, done)
    state.run()
    until(state, "ended", more=lambda s: s["ended"] == "done")
    bill_is_the_truth(place, app)


def test_a_cap_holds_for_pilot_and_batches_together(make, folder, place):
    app = OfflineApp()
    state = make(Client.offline(app))
    least = Decimal(planned(state, folder).seen.status["least"])
    state.set_cap(f"{least * 7:f}")
    assert "The run stops there" in state.board.run.note
    state.run()
    now = until(state, "ended")
    assert "cap" in now.headline
    with Gallery(place) as gallery:
        assert 0 < gallery.ledger.totals().committed <= least * 7
    assert app.truth.dollars <= least * 7


@pytest.mark.parametrize("way", ["page", "command"])
def test_a_worker_that_is_killed_while_it_waits_costs_nothing_twice(
    make, folder, place, way, monkeypatch
):
    app = OfflineApp(faults="batch-slow")
    with OfflineServer(app) as server:
        environ = {**os.environ, "OPENAI_BASE_URL": server.base_url}
        environ |= {"PLAYGROUND_GALLERY": str(place)}
        state = make(launch=lambda desk, job, offset: desk.launch(job, offset, environ))
        planned(state, folder)
        state.run()
        now = until(state, "running", more=waits())
        os.kill(now.seen.status["owner"]["pid"], signal.SIGKILL)
        now = until(state, "lost")
        assert "wait at the provider" in now.headline
        if way == "command":
            brought_in(place, server, monkeypatch)
        with connect(base_url=server.base_url, environ={}) as client:
            other = make(client)
            assert other.board.stage == "lost"
            hurry(app)
            other.go_on()
            until(other, "ended", more=lambda s: s["ended"] == "done")
        bill_is_the_truth(place, app)


def hurry(app):
    """The provider gets on with it by itself, as a real one does."""
    for kept in app.desk._batches.values():
        kept["fault"] = ""
    while app.desk.work():
        pass


def brought_in(place, server, monkeypatch):
    hurry(server.app)
    monkeypatch.setenv("PLAYGROUND_GALLERY", str(place))
    assert cli.main(["batches", "--fetch", "--base-url", server.base_url]) in {0, None}
