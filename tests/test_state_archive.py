"""The archive page without its looks: real photos, a real worker, the embedded provider."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from playground import pages, serve
from playground.jobs import Desk, Job, Seen
from playground.jobs.desk import Post, new_id
from playground.jobs.worker import Worker
from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.state import archive_board, archive_page
from playground.state.archive_board import board, read_cap
from playground.state.archive_page import ArchiveState
from playground.store import Gallery
from playground.widgets.archive_page import ArchiveView, board_values

SAMPLES = sorted((Path(serve.__file__).parent / "data" / "photos").glob("*.jpg"))
SECONDS = 60


@pytest.fixture
def tmp_path():
    """An empty place, in memory where there is some: syncs of a busy disk take long."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def folder(tmp_path):
    """Eight photographs, an exact copy, two that look alike, two that cannot be read."""
    place = tmp_path / "photos"
    (place / "inner").mkdir(parents=True)
    for path in SAMPLES[:8]:
        (place / path.name).write_bytes(path.read_bytes())
    (place / "inner" / "copy.jpg").write_bytes(SAMPLES[0].read_bytes())
    for path in SAMPLES[1:3]:
        with Image.open(path) as image:
            smaller = image.resize((image.width * 2 // 3, image.height * 2 // 3))
            ImageEnhance.Brightness(smaller).enhance(1.05).save(place / "inner" / path.name)
    (place / "notes.jpg").write_bytes(b"not a picture")
    (place / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40)
    return place


@pytest.fixture
def place(tmp_path):
    return tmp_path / "gallery"


@pytest.fixture
def provider():
    """An embedded provider behind a socket, at a pace at which things can be seen."""
    with OfflineServer(OfflineApp(latency_ms=20, rpm=900)) as server:
        yield server


@pytest.fixture
def make(place):
    """Pages on one gallery, whose workers are threads; they end with the test."""
    workers, galleries = [], []

    def made(*, client=None, launch=None, submit=None, **how):
        def within(desk, job_id, offset):
            opened = nullcontext(client) if client else connect("offline")
            worker = Worker(
                Post(desk.place(job_id), offset), lambda: Gallery(place, **how), lambda: opened
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
            submit=submit or (lambda work: work()),
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
        # What was asked last has been heard.
        settled = now.run.wait not in {"Wait for the plan.", "The price is being worked out."}
        if now.stage == stage and settled and (now.seen is None or more(now.seen.status)):
            return now
        time.sleep(0.02)
    raise AssertionError(f"{state.board.stage}, {state.troubles}, {state.board.seen.status}")


def more_photos(folder, count):
    for number in range(count):
        shade = (number * 2, 90, 30)
        Image.new("RGB", (64, 48), shade).save(folder / f"plain {number:03}.png")


def planned(state, folder, **how):
    state.look_at(str(folder), **how)
    return until(state, "planned")


def test_an_empty_page_asks_for_photos_and_sells_nothing(make):
    state = make()
    assert state.board.stage == "empty"
    assert state.board.run.wait == "Choose photos first."
    state.run()
    state.pilot()
    state.pause()
    assert len(state.troubles) == 3
    assert state.head.totals.settled == 0


def test_a_folder_is_planned_with_its_price_before_anything_is_sent(make, folder, place):
    state = make()
    now = planned(state, folder)
    status = now.seen.status
    assert (status["photos"], status["copies"], status["unreadable"]) == (11, 1, 2)
    assert status["asking"] == 10
    assert now.run.button.startswith("Caption 10 photos · $0.0")
    assert now.run.wait == ""
    assert {reason["why"][:9] for reason in status["set_aside"]} == {"it is a H", "it is tex"}
    assert [one["resize"] for one in status["savings"]] == [None, 512, 768, 1024]
    with Gallery(place) as gallery:
        assert gallery.ledger.totals().committed == 0


def test_photos_that_look_alike_are_left_out_beside_their_twin_until_asked_for(make, folder, place):
    state = make()
    alike = planned(state, folder).seen.status["alike"]
    assert (alike["groups"], alike["photos"]) == (2, 2)
    assert Decimal(alike["high"]) > 0
    state.once(True)
    status = until(state, "planned", more=lambda status: status["asking"] == 8).seen.status
    left_out = [one for group in status["alike"]["list"] for one in group["photos"] if one["twin"]]
    assert {Path(one["path"]).parent.name for one in left_out} == {"inner"}
    state.anyway([left_out[0]["sha256"]])
    until(state, "planned", more=lambda status: status["asking"] == 9)
    state.run()
    until(state, "ended")
    with Gallery(place) as gallery:
        assert gallery.search().total == 9
        assert gallery.find_photo(left_out[1]["sha256"]) is None


def test_the_twin_of_an_answered_photo_is_the_one_that_is_left_out(make, folder, tmp_path):
    state = make()
    (only := tmp_path / "only").mkdir()
    (only / "small.jpg").write_bytes((folder / "inner" / SAMPLES[1].name).read_bytes())
    planned(state, only)
    state.run()
    until(state, "ended")
    state.dismiss()
    planned(state, folder)
    state.once(True)
    alike = until(state, "planned", more=lambda status: status["asking"] == 7).seen.status["alike"]
    group = next(g for g in alike["list"] if any(one["answered"] for one in g["photos"]))
    assert [bool(one["twin"]) for one in group["photos"]] == [True, False]


def test_a_search_for_near_duplicates_can_be_left_out_and_made_later(make, folder):
    state = make()
    now = planned(state, folder, similar=False)
    assert now.seen.status["alike"]["looked"] is False
    state.compare()
    now = until(state, "planned", more=lambda status: status["alike"]["looked"])
    assert now.seen.status["alike"]["groups"] == 2


def test_a_pilot_foretells_what_the_run_is_billed(make, folder, place):
    state = make()
    planned(state, folder)
    state.set_sample(5)
    assert state.board.pilot.button.startswith("Try 5 first · $0.0")
    state.pilot()
    now = until(state, "planned", more=lambda status: status.get("forecast"))
    low, high = archive_board.whole(now.seen.status)
    assert now.run.button.startswith("Caption the other 5 photos · $")
    assert len(state.brought.newest) == 5
    state.run()
    until(state, "ended")
    with Gallery(place) as gallery:
        billed = gallery.ledger.totals().settled
        assert low * Decimal("0.9") <= billed <= high * Decimal("1.1")
    assert state.brought.bill.billed == billed
    assert state.brought.bill.low <= billed <= state.brought.bill.high
    assert state.brought.bill.answers == 10


def test_captions_are_searchable_at_once_and_nothing_is_asked_twice(make, folder):
    state = make()
    planned(state, folder)
    state.run()
    until(state, "ended")
    word = next(word for word in state.brought.newest[0].text.split() if len(word) > 4)
    state.find(word.strip(".,"))
    assert state.hits.total >= 1
    planned(state, folder)
    assert state.board.run.wait == ("Everything here is answered already; nothing is asked twice.")
    state.run()
    assert state.troubles == [state.board.run.wait]


def test_another_question_is_priced_anew(make, folder):
    state = make()
    before = Decimal(planned(state, folder).seen.status["quote"]["high"])
    state.set(max_tokens=800)
    now = until(state, "planned", more=lambda s: s["fields"]["max_output_tokens"] == 800)
    assert Decimal(now.seen.status["quote"]["high"]) > before * 2
    state.set(task="attributes", schema="{nonsense")
    assert "not JSON" in state.board.run.wait or "JSON" in state.board.run.wait
    state.set(task="own", own="  ")
    assert state.board.run.wait == "Write what you want to know about the photos."
    state.set(own="What is it?", schema="")
    now = until(state, "planned", more=lambda s: "What is it?" in (s["fields"]["prompt"] or ""))
    assert now.run.wait == ""


def test_answers_that_may_wait_are_planned_and_billed_at_half_the_price(make, folder, place):
    state = make()
    full = Decimal(planned(state, folder).seen.status["quote"]["high"])
    state.set_tier("flex")
    now = until(state, "planned", more=lambda s: s["fields"]["tier"] == "flex")
    assert Decimal(now.seen.status["quote"]["high"]) == full / 2
    state.run()
    until(state, "ended")
    with Gallery(place) as gallery:
        assert {row["tier"] for row in gallery.spend("tier")} == {"flex"}


def test_a_cap_is_kept_by_the_run_and_said_before_it(make, folder, place):
    state = make()
    planned(state, folder)
    state.set_cap("much")
    assert "amount of dollars" in state.board.run.wait
    state.set_cap("0.00001")
    assert "less than one photo may cost" in state.board.run.wait
    least = Decimal(state.board.seen.status["least"])
    state.set_cap(f"{least * 2:f}")
    assert "The run stops there" in state.board.run.note
    state.run()
    now = until(state, "ended")
    assert "cap" in now.seen.status["stopped"]
    with Gallery(place) as gallery:
        assert 0 < gallery.ledger.totals().committed <= least * 2
    state.set_cap("")
    state.run()
    assert until(state, "ended", more=lambda s: s["ended"] == "done")
    with Gallery(place) as gallery:
        assert gallery.search().total == 10


def test_more_than_a_dollar_is_asked_for_first_and_no_other_amount_will_do(make, folder):
    state = make()
    state.set(models=["gpt-6-astra"], max_tokens=4000)
    now = planned(state, folder)
    assert now.run.asks
    for consent in ("", "1", "999999"):
        state.run(consent)
    assert len(state.troubles) == 3
    assert "was not confirmed" in state.troubles[0]
    state.set_cap("0.9")
    assert not state.board.run.asks
    state.set_cap("")
    state.run(str(state.board.run.most.normalize()))
    assert until(state, "ended").seen.status["ended"] == "done"


def test_a_run_pauses_goes_on_and_is_cancelled(make, folder, provider, place):
    state = make(client=connect(base_url=provider.base_url, environ={}))
    more_photos(folder, 90)
    planned(state, folder, similar=False)
    state.run()
    until(state, "running", more=lambda s: (s.get("answers") or 0) > 2)
    state.pause()
    until(state, "running", more=lambda s: s["phase"] == "paused")
    at_rest = until(state, "running", more=settled_down(provider))
    assert at_rest.seen.status["phase"] == "paused"
    other = make()
    assert other.board.seen.job.id == state.board.seen.job.id
    assert other.board.stage == "running"
    other.resume()
    until(state, "running", more=lambda s: s["phase"] == "running")
    state.cancel()
    now = until(state, "ended")
    assert now.headline.startswith("Stopped: it was cancelled")
    assert now.run.button.startswith("Caption the other ")
    with Gallery(place) as gallery:
        totals = gallery.ledger.totals()
    assert totals.settled <= provider.app.truth.dollars <= totals.committed
    assert provider.app.truth.requests < 100


def test_a_cancel_takes_back_what_was_asked_twice(make, folder, provider):
    state = make(client=connect(base_url=provider.base_url, environ={}))
    more_photos(folder, 90)
    planned(state, folder, similar=False)
    job = state.board.seen.job.id
    for mark in ("one", "two"):
        state._desk.tell(job, {"do": "run", "id": mark, "budget": None, "consent": "1"})
    until(state, "running", more=lambda s: (s.get("answers") or 0) > 2 and "two" in s["heard"])
    state.cancel()
    until(state, "ended")
    state._desk.tell(job, {"do": "once", "id": "after", "on": False})
    until(state, "ended", more=lambda s: "after" in s["heard"] and s["phase"] == "ended")
    assert provider.app.truth.requests < 100


def test_a_worker_that_is_asked_to_end_ends_its_run_first_and_can_be_continued(
    make, folder, provider
):
    state = make(client=connect(base_url=provider.base_url, environ={}))
    more_photos(folder, 60)
    planned(state, folder, similar=False)
    job = state.board.seen.job.id
    state.run()
    until(state, "running", more=lambda s: (s.get("answers") or 0) > 2)
    state._desk.tell(job, {"do": "close", "id": "close"})
    now = until(state, "ended", more=lambda s: s["closed"])
    assert not now.seen.alive
    assert not now.seen.killed
    assert now.headline.startswith("Stopped: it was ended")
    assert now.run.button.startswith("Caption the other ")
    state.run()
    assert until(state, "ended", more=lambda s: s["ended"] == "done")
    assert provider.app.truth.requests == 70


def test_a_look_that_is_stopped_plans_what_it_found(make, folder, monkeypatch):
    monkeypatch.setattr("playground.jobs.study._AT_ONCE", 2)
    state = make()
    state.look_at(str(folder))
    state.cancel()
    now = until(state, "planned")
    assert now.seen.status["photos"] <= 11
    assert now.seen.phase == "planned"


def settled_down(provider):
    """Whether no request came between two looks, a while apart."""
    seen = []

    def looked(_status):
        seen.append(provider.app.truth.requests)
        return len(seen) > 40 and seen[-1] == seen[-30]

    return looked


def test_a_dismissed_run_goes_on_and_stays_in_the_list(make, folder, provider):
    state = make(client=connect(base_url=provider.base_url, environ={}))
    more_photos(folder, 60)
    planned(state, folder)
    first = state.board.seen.job.id
    state.run()
    until(state, "running")
    state.dismiss()
    assert state.board.stage == "empty"
    assert [one.id for one in state.others] == [first]
    state.show(first)
    assert until(state, "ended").seen.status["ended"] == "done"


def test_a_worker_that_was_killed_is_told_of_and_goes_on_without_paying_twice(
    make, folder, provider, place
):
    environ = {**os.environ, "OPENAI_BASE_URL": provider.base_url}
    environ |= {"PLAYGROUND_GALLERY": str(place)}
    more_photos(folder, 60)
    state = make(launch=lambda desk, job, offset: desk.launch(job, offset, environ))
    planned(state, folder, similar=False)
    state.run()
    now = until(state, "running", more=lambda s: (s.get("answers") or 0) > 5)
    os.kill(now.seen.status["owner"]["pid"], signal.SIGKILL)
    now = until(state, "lost")
    assert "nothing is asked twice" in now.headline
    assert now.seen.killed
    state.go_on()
    until(state, "ended")
    with Gallery(place) as gallery:
        assert gallery.search().total == 70
        totals, unknown = gallery.ledger.totals(), gallery.ledger.unknowns()
    assert totals.settled <= provider.app.truth.dollars <= totals.committed
    # What was under way when it was killed may have been billed: it is held, and asked again.
    assert provider.app.truth.requests <= 70 + len(unknown)
    worker = state.board.seen.status["owner"]["pid"]
    state.dismiss()
    ended(worker)


def ended(pid):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
        time.sleep(0.02)
    raise AssertionError("the worker goes on")


def test_a_client_that_was_made_here_stays_in_this_program(place, folder):
    with connect("offline") as client:
        view = pages.archive(place, client)
        state = view.page
        job = planned(state, folder, similar=False).seen.job.id
        assert state.board.seen.status["owner"]["pid"] == os.getpid()
        state.run()
        assert until(state, "ended").seen.status["ended"] == "done"
        state._desk.tell(job, {"do": "close", "id": "close"})
        until(state, "ended", more=lambda status: status["closed"])
        state._store.close()


def test_a_selection_of_the_gallery_is_planned_without_reading_it_again(make, folder, place):
    state = make()
    planned(state, folder)
    state.run()
    until(state, "ended")
    state.dismiss()
    with Gallery(place) as gallery:
        tagged = next(iter(gallery.search()))
        gallery.annotate(tagged.id, tag=["kept"])
    state.set(task="alt")
    state.count("", {"kind": "photo"}, untagged=False)
    assert state.selection.total == 10
    state.look_in_gallery("", {"kind": "photo"}, untagged=True)
    assert until(state, "planned").seen.status["asking"] == 9
    state.look_in_gallery("", {"tag": "kept"}, untagged=False)
    assert until(state, "planned").seen.status["asking"] == 1
    state.run()
    until(state, "ended")
    with Gallery(place) as gallery:
        assert {one.task for one in gallery.item(tagged.id).captions} == {"describe", "alt"}
        assert gallery.search().total == 10
    state.look_in_gallery("", {"kind": "nonsense"}, untagged=False)
    assert "not one of" in state.troubles[-1]


def test_bad_places_are_a_sentence_each(make, folder, tmp_path):
    state = make()
    state.look_at("  ")
    state.look_at(str(tmp_path / "nowhere"))
    assert ["Write the path" in state.troubles[0], "is not there" in state.troubles[1]] == [1, 1]
    (empty := tmp_path / "empty").mkdir()
    assert planned(state, empty).run.wait == "There are no photos there."
    (loop := folder / "inner" / "loop").symlink_to(folder)
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    odd = os.fsencode(str(folder)) + b"/caf\xe9 \xff.jpg"
    Path(os.fsdecode(odd)).write_bytes(SAMPLES[9].read_bytes())
    (folder / "‮gpj.exe .png").write_bytes(b"\0")
    now = planned(state, folder)
    assert loop.exists()
    assert now.seen.status["photos"] == 12
    assert now.seen.status["unreadable"] == 4
    # What the page gets can be written down, whatever the files are called.
    json.dumps(board_values(now), ensure_ascii=False).encode()
    state.run()
    until(state, "ended")
    listed = (state._desk.place(state.board.seen.job.id) / "set-aside.csv").read_text()
    assert len(listed.splitlines()) == 5


def test_a_full_disk_is_a_sentence_and_buys_nothing(make, folder, place):
    state = make(keep_free_bytes=1 << 60)
    planned(state, folder)
    state.run()
    now = until(state, "ended")
    assert "nearly full" in now.headline
    with Gallery(place) as gallery:
        assert gallery.ledger.totals().committed == 0


def test_when_even_the_status_cannot_be_written_the_reason_stays(tmp_path):
    desk = Desk(tmp_path)
    job = Job(new_id(), {"path": "photos"}, {"model": "gpt-5.4-nano"})
    desk.create(job)
    post = Post(desk.place(job.id), 0)
    (desk.place(job.id) / f"status.json.{os.getpid()}.part").mkdir()
    post.write({"phase": "running"}, "the disk is full")
    assert desk.seen(job.id).last_words == "the disk is full"


def test_two_workers_of_a_job_do_not_both_go_on(make, folder, provider):
    client = connect(base_url=provider.base_url, environ={})
    state = make(client=client)
    planned(state, folder)
    first = state.board.seen.status["token"]
    state._start(10**9)
    now = until(state, "planned", more=lambda s: s["token"] != first)
    assert now.run.wait == ""
    assert now.seen.alive


def test_a_model_that_takes_no_photos_is_refused_in_words(make, folder, place):
    state = make()
    desk = Desk(place)
    job = Job(new_id(), {"path": str(folder)}, {"model": "gpt-image-2"}, similar=False)
    desk.create(job)
    state.show(job.id)
    state._start(0)
    now = until(state, "planned")
    assert "gpt-image-2" in now.problem
    assert now.run.wait == now.problem


def test_the_commands_of_a_job_are_read_whole_and_once(tmp_path):
    desk = Desk(tmp_path)
    job = Job(new_id(), {"path": "photos"}, {})
    desk.create(job)
    post = Post(desk.place(job.id), 0)
    desk.tell(job.id, {"do": "skip"})
    with (desk.place(job.id) / "commands.jsonl").open("ab") as file:
        file.write(b'{"do":"ca')
        file.flush()
        assert [one["do"] for one in post.commands()] == ["skip"]
        file.write(b'ncel"}\nnonsense\n')
    assert [one["do"] for one in post.commands()] == ["cancel"]
    assert post.commands() == []
    # Only the owner can tell a worker to spend.
    assert (desk.place(job.id).stat().st_mode & 0o077) == 0


def test_old_jobs_go_and_no_key_is_ever_written(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-CANARY-of-this-test")
    desk = Desk(tmp_path)
    for number in range(25):
        desk.create(Job(f"20260101-0000{number:02}-aaaaaa", {"path": "photos"}, {}))
    assert len(desk.ids()) == 20
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"CANARY" not in path.read_bytes()


@pytest.mark.parametrize(
    ("text", "dollars"),
    [("", None), (" $5.00 ", "5.00"), ("1,000", "1000"), ("-1", None), ("nan", None), ("0", None)],
)
def test_a_cap_is_read_as_typed(text, dollars):
    cap = read_cap(text)
    assert cap.dollars == (None if dollars is None else Decimal(dollars))
    assert bool(cap.problem) == (dollars is None and text.strip() != "")


def test_the_gallerys_cap_counts_too():
    status = {"phase": "planned", "photos": 3, "asking": 3, "least": "0.2"}
    status |= {"quote": {"low": "0.3", "high": "0.6", "most": "0.6", "exact": False}}
    seen = Seen(Job("a", {}, {}), status, alive=True)
    now = board(seen, room=Decimal("0.3"))
    assert now.run.note.startswith("The gallery's cap leaves $0.30: enough for 1 photos or more")
    assert now.run.most == Decimal("0.3")
    assert "nothing could be sent" in board(seen, room=Decimal("0.1")).run.wait


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("it is a HEIC picture; JPEG", "Convert"),
        ("the folder cannot be read (Permission denied)", "disk"),
        ("it is damaged or cut short (x)", "backup"),
        ("HTTP 500", "once more"),
    ],
)
def test_what_to_do_about_photos_that_were_set_aside(why, told):
    assert told in archive_board.advice(why)


def test_a_page_gets_texts_and_pictures_apart_and_nothing_is_saved_in_the_notebook(make, folder):
    state = make()
    view = ArchiveView(state)
    sent = []
    view.send = lambda content, buffers=None: sent.append((content, list(buffers or ())))
    view.answers["open"]({"do": "open"})
    view.answers["look"]({"from": "folder", "path": str(folder), "similar": True})
    until(state, "planned")
    ids = [one["id"] for one in board_values(state.board)["alike"]["list"][0]["photos"]]
    view.answers["smalls"]({"ids": [*ids, "0" * 64]})
    view.answers["run"]({"do": "run"})
    until(state, "ended")
    shown = [content["show"] for content, _ in sent]
    assert {"head", "choices", "board", "small", "brought"} <= set(shown)
    pictures = [buffers[0][:4] for content, buffers in sent if content["show"] == "small"]
    assert set(pictures) == {b"RIFF"}
    # Ten different photos, each sent once, although two stand in a group as well.
    assert len(pictures) == 10
    json.dumps([content for content, _ in sent])
    assert str(folder) not in json.dumps(view.get_state(), default=str)


def test_a_list_of_captions_stays_until_its_small_pictures_are_there(make, folder, monkeypatch):
    later = []
    state = make(submit=later.append)
    monkeypatch.setattr(archive_page, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(archive_page, "_MOST_SECONDS", 1e9)
    state.look_at(str(folder))
    until(state, "planned")
    state.run()
    until(state, "ended")
    running = replace(state.board, stage="running")
    before = state.brought
    state.smalls_of(before.newest)
    state._brought_at = (-1, "")  # as if more had been captioned
    state._show_brought(running)
    assert state.brought is before
    while later:
        later.pop(0)()
    state._show_brought(running)
    assert state.brought is not before
