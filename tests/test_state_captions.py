"""The captions page without its looks: real photos, the embedded provider, a real gallery."""

from __future__ import annotations

import json
import os
import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from playground import photos, serve
from playground.errors import GalleryProblem, PhotoProblem
from playground.provider.connect import connect
from playground.state import captions_photos
from playground.state.captions_page import CaptionsState
from playground.state.shots import Intake, Shot, file_name, shown_name
from playground.store import Gallery
from playground.values import Photo
from playground.widgets.captions_page import CaptionsView, waiting_values

SAMPLES = Path(serve.__file__).parent / "data" / "photos"
TWO = ("gpt-5.4-nano", "gpt-5.4-mini")


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "gallery") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    """Two photographs."""
    place = tmp_path / "photos"
    place.mkdir()
    for name in ("cat.jpg", "coffee.jpg"):
        (place / name).write_bytes((SAMPLES / name).read_bytes())
    return place


@pytest.fixture
def make(gallery):
    """A state that does everything at once, on this thread; its troubles are kept."""

    def made(**more):
        more = {"provider": "offline", "submit": lambda work: work(), **more}
        opener = more.pop("opener", lambda: gallery)
        state = CaptionsState(opener, lambda: connect("offline"), **more)
        state.troubles, state.seen_cells = [], []
        state.observe(lambda change: state.troubles.append(change["new"].text), "trouble")
        state.observe(lambda change: state.seen_cells.append(change["new"]), "cell")
        state.open()
        return state

    return made


@pytest.fixture
def state(make, folder):
    """A page with two photos."""
    made = make()
    made.add_folder(str(folder))
    return made


def shots(state):
    return list(state._known.values())


def upload(state, name, data, shot_id="u1", piece=1 << 16):
    for offset in range(0, max(1, len(data)), piece):
        state.upload(shot_id, name, len(data), offset, data[offset : offset + piece])
    return state._known.get(shot_id)


def the_cell(state, name, model):
    shot = next(shot for shot in shots(state) if shot.name == name)
    return state.cells[shot.id, model]


# -- photos ------------------------------------------------------------------------------------


def test_a_new_page_waits_for_a_photo(make):
    state = make()
    assert state.estimate.button == "Caption"
    assert state.estimate.wait == "Add a photo first."
    assert state.head.provider == "offline"


def test_an_upload_comes_in_pieces_and_is_the_same_file(make):
    data = (SAMPLES / "cat.jpg").read_bytes()
    state = make()
    shot = upload(state, "my cat.jpg", data, piece=5000)
    assert shot.ready
    assert (shot.name, str(shot.photo.size)) == ("my cat.jpg", "451x300")
    assert shot.photo.path.read_bytes() == data
    assert photos.sniff(shot.preview)[0] == "webp"


def test_an_upload_under_way_keeps_the_button_waiting(make):
    data = (SAMPLES / "cat.jpg").read_bytes()
    state = make()
    state.upload("u1", "cat.jpg", len(data), 0, data[:1000])
    assert state.shot.received == 1000
    state.set(task="alt")
    assert state.estimate.wait == "A photo is still coming in."


def bomb():
    """A PNG whose header promises 30,000 x 30,000 pixels."""
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    crc = struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + crc + b"\0" * 50


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("notes.jpg", b"hello, I am text", "it is text"),
        ("page.png", b"<!doctype html><script>1</script>", "HTML page"),
        ("half.jpg", (SAMPLES / "cat.jpg").read_bytes()[:9000], ""),
        ("bomb.png", bomb(), "pixels"),
        ("empty.jpg", b"", "empty"),
        ("drawing.svg", b"<svg onload='alert(1)'/>", "SVG"),
    ],
)
def test_what_is_no_whole_picture_is_one_sentence_beside_it(make, tmp_path, name, data, said):
    state = make()
    shot = upload(state, name, data)
    assert not shot.ready
    assert said.lower() in shot.problem.lower()
    assert shot.problem.endswith(".")
    assert "\n" not in shot.problem
    assert str(tmp_path) not in shot.problem
    assert "halfpenny-photos" not in shot.problem
    assert state.troubles == []
    assert state.estimate.wait == "Add a photo first."


def test_pieces_out_of_order_and_too_large_files_are_refused(make):
    state = make()
    state.upload("u1", "a.jpg", 100, 0, b"x" * 50)
    state.upload("u1", "a.jpg", 100, 70, b"x" * 30)
    assert "add the photo again" in state.shot.problem
    state.upload("u2", "b.jpg", 100, 0, b"x" * 101)
    assert "add the photo again" in state.shot.problem
    state.upload("u3", "c.jpg", 1 << 40, 0, b"x")
    assert "at most 268 MB" in state.shot.problem
    state.upload("u4", "d.jpg", 100, 50, b"x")
    assert state.shot.problem


def test_the_page_holds_a_bounded_number_of_photos(make, monkeypatch):
    monkeypatch.setattr(captions_photos, "MAX_SHOTS", 3)
    state = make()
    state.add_folder(str(SAMPLES))
    assert len(shots(state)) == 3
    assert "at most 3 photos" in state.troubles[0]
    upload(state, "cat.jpg", (SAMPLES / "cat.jpg").read_bytes())
    assert len(shots(state)) == 3


@pytest.mark.parametrize("place", ["", "/no/such/folder"])
def test_a_folder_that_is_none_is_a_sentence(make, place):
    state = make()
    state.add_folder(place)
    assert len(state.troubles) == 1
    assert shots(state) == []


def test_pictures_of_the_gallery_are_found_and_taken_once(make, gallery):
    data = (SAMPLES / "cat.jpg").read_bytes()
    item = gallery.add_photo(photos.measure(SAMPLES / "cat.jpg"), data, name="cat.jpg")
    state = make()
    state.pick("cat")
    assert [one.id for one in state.picks.items] == [item.id]
    state.add_items([item.id])
    state.add_items([item.id])
    assert [shot.name for shot in shots(state)] == ["cat.jpg"]
    assert shots(state)[0].photo.sha256 == item.sha256
    state.add_items(["nothing"])
    assert "nothing" in state.troubles[0]


def test_addresses_are_off_unless_they_are_allowed(make):
    asked = []

    def fetcher(url):
        asked.append(url)
        if "bad" in url:
            msg = "bad.example is not on the public internet."
            raise PhotoProblem(msg)
        return "cat.jpg", (SAMPLES / "cat.jpg").read_bytes()

    state = make(intake=Intake(fetcher))
    state.add_url("https://photos.example/cat.jpg")
    assert asked == []
    assert "PLAYGROUND_ALLOW_URLS=1" in state.troubles[0]
    state = make(intake=Intake(fetcher), allow_urls=True)
    state.add_url(" https://photos.example/cat.jpg ")
    state.add_url("https://bad.example/cat.jpg")
    assert asked == ["https://photos.example/cat.jpg", "https://bad.example/cat.jpg"]
    assert [shot.ready for shot in shots(state)] == [True, False]
    assert "public internet" in shots(state)[1].problem


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.jpg", "cat.jpg"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("line\nbreak\x00.jpg", "linebreak.jpg"),
        ("", "photo"),
    ],
)
def test_a_name_is_one_harmless_line(name, shown):
    assert shown_name(name) == shown
    assert "/" not in file_name(name)
    assert len(file_name("ü" * 500 + ".jpg").encode()) < 130


def test_a_removed_photo_takes_its_file_along(make):
    state = make()
    shot = upload(state, "cat.jpg", (SAMPLES / "cat.jpg").read_bytes())
    state.remove(shot.id)
    assert not shot.photo.path.exists()
    assert shots(state) == []
    assert state.view is None


# -- the question and its price ----------------------------------------------------------------


def test_the_button_says_what_is_asked_and_what_it_costs(state):
    assert state.estimate.button.startswith("Caption 2 photos with 2 models · $0.00")
    assert " to $0.00" in state.estimate.button
    assert state.estimate.wait == ""
    assert not state.estimate.asks
    assert [row.model for row in state.estimate.models] == list(TWO)


def test_the_estimate_is_the_sum_of_the_quotes(state):
    from playground import pricing

    quotes = [
        pricing.quote(state.options.template(model).with_(photo=shot.photo))
        for model in TWO
        for shot in shots(state)
    ]
    assert state.estimate.low == sum(quote.low for quote in quotes)
    assert state.estimate.high == sum(quote.high for quote in quotes)
    for tokens, _low, high in state.estimate.lengths:
        state.set(max_tokens=tokens)
        # The limit stands in the prompt too: a token more or less of text.
        assert abs(state.estimate.high - high) < Decimal("0.00001")


def test_every_task_has_a_price_and_a_prompt(state):
    for task in ("describe", "alt", "tags", "ocr", "attributes"):
        state.set(task=task)
        assert state.estimate.wait == ""
        assert state.estimate.high > 0
        assert state.estimate.prompt_tokens > 10
    state.set(task="own")
    assert state.estimate.wait == "Write what you want to know about the photos."
    state.set(own="How many cats?")
    assert state.estimate.prompt.startswith("How many cats?")


def test_wishes_stand_in_the_prompt(state):
    state.set(task="alt", alt_limit=80, decorative=True, language="German")
    prompt = state.estimate.prompt
    assert "at most 80 characters" in prompt
    assert "DECORATIVE" in prompt
    assert "Answer in German." in prompt
    state.set(task="tags", vocabulary="cat, garden\nnight,,")
    assert "cat, garden, night" in state.estimate.prompt
    schema = json.loads(state.options.template(TWO[0]).schema)
    assert schema["properties"]["tags"]["items"]["enum"] == ["cat", "garden", "night"]


@pytest.mark.parametrize("schema", ["{", "[]", '{"type": "string"}', '{"type": "object"}'])
def test_a_schema_that_is_none_is_said_and_nothing_can_be_sent(state, schema):
    state.set(task="attributes", schema=schema)
    assert "schema" in state.estimate.schema_problem
    assert state.estimate.wait == state.estimate.schema_problem
    assert state.troubles == []
    state.run()
    assert state.cells == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"resize": 3},
        {"resize": "many"},
        {"max_tokens": 0},
        {"alt_limit": None},
        {"task": "steal"},
        {"models": ["gpt-9"]},
        {"detail": "astronomical"},
        {"nonsense": 1},
    ],
)
def test_what_is_half_typed_or_unknown_changes_nothing_and_is_no_error(state, changes):
    before = state.options
    state.set(**changes)
    assert state.troubles == []
    if "models" in changes:
        assert state.estimate.wait == "Choose a model."
    else:
        assert state.options == before


def test_a_detail_that_one_model_lacks_cannot_stay(state):
    state.set(models=["gpt-5.4-nano"], detail="original")
    assert state.options.detail == "original"
    state.set(models=["gpt-5.4-nano", "gpt-4.1-mini"])
    assert state.options.detail == "auto"
    assert state.estimate.details == ("low", "high", "auto")


def test_over_the_cap_the_button_waits_and_says_why(make, gallery, folder):
    gallery.ledger.set_cap(Decimal("0.0001"))
    state = make()
    state.add_folder(str(folder))
    assert "the cap leaves $0.0001" in state.estimate.wait
    state.run()
    assert state.cells == {}
    assert gallery.ledger.totals().committed == 0


def test_above_a_dollar_the_very_amount_must_be_confirmed(make, gallery):
    state = make()
    state.add_folder(str(SAMPLES))
    state.set(models=["gpt-5.4-pro"], max_tokens=800)
    assert state.estimate.asks
    state.run()
    state.run("0.01")
    assert len(state.troubles) == 2
    assert gallery.ledger.totals().committed == 0


def test_a_changed_control_prices_twenty_photos_anew(make):
    """How fast, `benchmarks/bench_keystroke.py` says."""
    state = make()
    for n in range(20):
        photo = Photo(1000 + 37 * n, 800 + 11 * n, "jpeg", 1, "0" * 64, Path("x"))
        state._known[f"s{n}"] = Shot(f"s{n}", f"{n}.jpg", photo)
    state.set(task="own", own="What is this?")
    short = state.estimate
    state.set(task="own", own="What is in this photo? " * 170)
    assert short.calls == state.estimate.calls == 40
    assert state.estimate.low > short.low


# -- what the models see -----------------------------------------------------------------------


def test_the_photo_is_seen_at_the_size_that_is_sent(state):
    state.set(resize=128)
    sent = state.view.sights[0].sent
    assert max(sent.width_px, sent.height_px) == 128
    assert len(state.view.curves) == 2
    other = shots(state)[1]
    state.select(other.id)
    assert state.view.shot.id == other.id


# -- answers -----------------------------------------------------------------------------------


def test_two_models_answer_side_by_side_and_are_billed_within_the_quote(state, gallery):
    estimate = state.estimate
    state.run()
    assert state.troubles == []
    assert len(state.cells) == 4
    for cell in state.cells.values():
        assert cell.status == "done"
        assert cell.text
        assert cell.low <= cell.billed <= cell.high
        assert cell.sample
    totals = gallery.ledger.totals()
    assert estimate.low <= totals.settled <= estimate.high
    assert state.progress.done == 4
    assert not state.progress.running
    assert {c.model for c in gallery.search("").items[0].captions} == set(TWO)
    assert state.estimate.wait == "Everything here is answered."


def test_text_streams_and_grows(make, folder):
    ticks = iter(range(100_000))
    state = make(clock=lambda: next(ticks))
    state.add_folder(str(folder))
    state.run()
    first = shots(state)[0].id
    mine = [c for c in state.seen_cells if c.shot_id == first and c.model == TWO[0]]
    assert [c.status for c in mine][:2] == ["waiting", "asking"]
    texts = [c.text for c in mine if c.status == "asking"]
    assert len(texts) > 3
    assert all(b.startswith(a) for a, b in pairwise(texts))
    assert mine[-1].text.startswith(texts[-1])


def test_only_what_is_new_is_asked_again(state, gallery):
    state.run()
    once = gallery.ledger.totals().settled
    state.run()
    assert gallery.ledger.totals().settled == once
    state.set(models=[*TWO, "gpt-4.1-mini"])
    assert state.estimate.calls == 2
    state.set(task="alt")
    assert state.estimate.calls == 6
    state.set(task="describe")
    state.again(shots(state)[0].id, TWO[0])
    assert gallery.ledger.totals().settled > once


def test_cancelling_sends_no_more_and_says_what_may_be_billed(make, folder, gallery):
    state = make()
    state.add_folder(str(folder))
    state.observe(
        lambda change: change["new"].status == "asking" and change["new"].text and state.cancel(),
        "cell",
    )
    ticks = iter(range(100_000))
    state._clock = lambda: next(ticks)
    state.run()
    statuses = [cell.status for cell in state.cells.values()]
    assert statuses == ["cancelled"] * 4
    first, *rest = state.cells.values()
    assert "may be billed" in first.message
    assert all("nothing was billed" in cell.message for cell in rest)
    assert gallery.ledger.totals().held > 0
    assert len(gallery.ledger.unknowns()) == 1
    assert not state.progress.running
    assert state.estimate.calls == 4


def test_an_error_stands_beside_its_photo_and_the_others_go_on(state):
    shots(state)[0].photo.path.write_bytes(b"changed meanwhile")
    state.run()
    failed = [c for c in state.cells.values() if c.status == "failed"]
    assert {c.shot_id for c in failed} == {shots(state)[0].id}
    assert all("changed" in c.message for c in failed)
    assert sum(c.status == "done" for c in state.cells.values()) == 2


def test_a_gallery_that_cannot_be_opened_is_said(make):
    def closed():
        msg = "The disk is not there."
        raise GalleryProblem(msg)

    state = make(opener=closed)
    assert state.head.shut == "The disk is not there."


# -- accepting ---------------------------------------------------------------------------------


def test_an_accepted_alt_text_goes_to_the_gallery_with_who_wrote_it(state, gallery):
    state.set(task="alt")
    state.run()
    cell = the_cell(state, "cat.jpg", TWO[0])
    state.accept(cell.shot_id, cell.model)
    assert gallery.item(cell.item_id).alt == cell.text
    assert gallery.history(cell.item_id)[-1].who == TWO[0]
    assert the_cell(state, "cat.jpg", TWO[0]).accepted == "alt"
    assert gallery.search(" ".join(cell.text.split()[:3])).total == 1


def test_an_edited_answer_says_so_and_both_can_be_undone(state, gallery):
    state.set(task="alt")
    state.run()
    cell = the_cell(state, "cat.jpg", TWO[0])
    state.edit(cell.shot_id, cell.model, "Photo of a cat " * 20)
    edited = the_cell(state, "cat.jpg", TWO[0])
    assert len(edited.advice) == 2
    state.edit(cell.shot_id, cell.model, "A tabby cat looks up")
    state.accept(cell.shot_id, cell.model)
    assert gallery.item(cell.item_id).alt == "A tabby cat looks up"
    assert gallery.history(cell.item_id)[-1].who == f"{TWO[0]}, edited by the owner"
    state.undo(cell.shot_id, cell.model)
    assert gallery.item(cell.item_id).alt == ""
    state.edit(cell.shot_id, cell.model, cell.text)
    assert the_cell(state, "cat.jpg", TWO[0]).edited is None
    state.undo(cell.shot_id, cell.model)
    assert state.troubles == ["There is nothing to undo."]


def test_one_alt_text_stands_at_a_time(state):
    state.set(task="alt")
    state.run()
    for model in TWO:
        cell = the_cell(state, "cat.jpg", model)
        state.accept(cell.shot_id, model)
    assert the_cell(state, "cat.jpg", TWO[0]).accepted == ""
    assert the_cell(state, "cat.jpg", TWO[1]).accepted == "alt"


def test_accepted_tags_are_added_and_undone_without_touching_others(state, gallery):
    state.set(task="tags")
    state.run()
    cell = the_cell(state, "cat.jpg", TWO[0])
    gallery.annotate(cell.item_id, tag=["mine", cell.tags[0]])
    state.accept(cell.shot_id, cell.model)
    assert set(gallery.item(cell.item_id).tags) == {"mine", *cell.tags}
    state.undo(cell.shot_id, cell.model)
    assert set(gallery.item(cell.item_id).tags) == {"mine", cell.tags[0]}


def test_cancelling_frees_the_page_before_the_model_says_a_word(make, folder):
    """Nothing was written yet: the page does not wait for it, and later words change nothing."""
    later = []
    state = make(submit=lambda work: work())
    state.add_folder(str(folder))
    state._submit = later.append
    state.run()
    state.cancel()
    assert not state.progress.running
    assert {cell.status for cell in state.cells.values()} == {"cancelled"}
    assert all("nothing was billed" in cell.message for cell in state.cells.values())
    assert state.estimate.wait == ""
    for work in later:
        work()
    assert {cell.status for cell in state.cells.values()} == {"cancelled"}
    assert state._store.ledger.totals().committed == 0


def test_a_page_that_is_loaded_again_has_its_photos_and_answers(make, folder, gallery):
    first = make()
    first.add_folder(str(folder))
    upload(first, "holiday.jpg", (SAMPLES / "rocket.jpg").read_bytes())
    first.set(task="alt")
    first.remove(shots(first)[0].id)
    first.run()
    upload(first, "new.jpg", (SAMPLES / "gravel.jpg").read_bytes(), shot_id="u2")
    kept = first.sources()
    assert [one.kind for one in kept] == ["item", "item", "upload"]
    second = make()
    second.options = second.options.changed({"task": "alt"})
    second.restore(kept)
    assert [shot.name for shot in shots(second)] == ["coffee.jpg", "holiday.jpg", "new.jpg"]
    assert {c.text for c in second.cells.values()} == {c.text for c in first.cells.values()}
    assert second.estimate.calls == 2
    second.restore(kept)
    assert len(shots(second)) == 3


def test_the_answer_to_the_very_prompt_comes_back_and_the_newest_of_several(make, folder):
    first = make()
    first.add_folder(str(folder))
    first.set(task="describe", prompt="Name the colours.", models=["gpt-5.4-nano"])
    first.run()
    colours = {cell.request.key: cell.text for cell in first.cells.values()}
    first.set(prompt="Count the things.")
    first.run()
    one = shots(first)[0].id
    first.again(one, "gpt-5.4-nano")
    newest = {cell.request.key: cell.text for cell in first.cells.values()}
    for prompt, texts in (("Name the colours.", colours), ("Count the things.", newest)):
        later = make()
        later.options = later.options.changed({"prompt": prompt, "models": ["gpt-5.4-nano"]})
        later.restore(first.sources())
        assert {cell.request.key: cell.text for cell in later.cells.values()} == texts


def uploads_in(gallery):
    base = gallery.uploads_folder()
    return sorted(path.name for path in base.rglob("*.*")) if base.is_dir() else []


def test_uploads_wait_in_the_gallery_until_they_are_captioned(make, gallery):
    first = make()
    upload(first, "new.jpg", (SAMPLES / "gravel.jpg").read_bytes())
    upload(first, "cat.jpg", (SAMPLES / "cat.jpg").read_bytes(), shot_id="u2")
    assert uploads_in(gallery) == ["cat.jpg", "new.jpg"]
    assert gallery.search("").total == 0
    first._intake.close()  # the kernel ends
    second = make()
    second.restore(first.sources())
    assert [shot.name for shot in shots(second)] == ["new.jpg", "cat.jpg"]
    assert second.waiting.count == 0
    second.remove(shots(second)[1].id)
    assert uploads_in(gallery) == ["new.jpg"]
    second.run()
    assert uploads_in(gallery) == []
    (shot,) = shots(second)
    (source,) = second.sources()
    assert (source.kind, shot.photo.path.is_file()) == ("item", True)
    second.set(task="alt")
    second.run()
    second.again(shot.id, "gpt-5.4-nano")
    assert {cell.status for cell in second.cells.values()} == {"done"}
    assert second.sources() == (source,)


def test_uploads_of_a_tab_that_was_closed_are_told_brought_back_or_removed(make, gallery):
    first = make()
    for number, name in enumerate(("cat.jpg", "rocket.jpg", "coffee.jpg")):
        upload(first, name, (SAMPLES / name).read_bytes(), shot_id=f"u{number}")
    half = (SAMPLES / "gravel.jpg").read_bytes()
    first.upload("u9", "half.jpg", len(half), 0, half[:100])
    first.remove("u0")
    other = make()
    assert other.waiting.count == 2
    size = sum((SAMPLES / name).stat().st_size for name in ("rocket.jpg", "coffee.jpg"))
    assert other.waiting.size_bytes == size
    told = waiting_values(other.waiting)["text"]
    assert told.startswith("2 uploads wait in the gallery (")
    other.bring_waiting()
    assert sorted(shot.name for shot in shots(other)) == ["coffee.jpg", "rocket.jpg"]
    assert (other.waiting.count, waiting_values(other.waiting)) == (0, {"text": ""})
    third = make()
    third.drop_waiting()
    assert third.waiting.count == 0
    assert uploads_in(gallery) == ["half.jpg.part"]


def test_uploads_that_wait_have_a_limit_and_an_age(make, gallery, monkeypatch):
    state = make()
    data = (SAMPLES / "cat.jpg").read_bytes()
    shot = upload(state, "old.jpg", data)
    monkeypatch.setattr("playground.state.uploads.MAX_WAITING_BYTES", len(data) + 100)
    refused = upload(state, "more.jpg", data, shot_id="u2")
    assert "Caption or remove some first" in refused.problem
    assert uploads_in(gallery) == ["old.jpg"]
    long_ago = time.time() - 31 * 86_400
    os.utime(shot.photo.path, (long_ago, long_ago))
    state._tell_waiting()
    assert uploads_in(gallery) == ["old.jpg"]  # it is on a page
    assert make().waiting.count == 0
    assert uploads_in(gallery) == []


def test_where_the_gallery_cannot_be_written_uploads_live_as_long_as_the_page(make, tmp_path):
    def shut():
        raise GalleryProblem("It cannot be opened.")

    state = make(opener=shut)
    shot = upload(state, "cat.jpg", (SAMPLES / "cat.jpg").read_bytes())
    assert shot.ready
    state._intake.close()
    assert not shot.photo.path.exists()


def test_what_is_gone_after_a_reload_is_named(make, folder):
    first = make()
    first.add_folder(str(folder))
    kept = first.sources()
    (folder / "cat.jpg").unlink()
    second = make()
    second.restore(kept)
    assert [shot.name for shot in shots(second)] == ["coffee.jpg"]
    assert "cat.jpg" in second.troubles[-1]


def test_a_tier_is_offered_where_all_models_have_it_and_priced(state):
    assert state.estimate.tiers == ("standard", "flex")
    standard = state.estimate.high
    assert state.estimate.each[1] == pytest.approx(standard / 2, abs=Decimal("1e-9"))
    state.set(tier="flex")
    assert state.estimate.high == standard / 2
    state.run()
    assert {cell.request.tier for cell in state.cells.values()} == {"flex"}
    state.set(tier="batch")
    assert state.options.tier == "standard"


def test_a_text_of_its_own_ends_that_a_photo_is_decoration(state, gallery):
    state.set(task="alt")
    state.run()
    first, second = (the_cell(state, "cat.jpg", model) for model in TWO)
    state.edit(first.shot_id, first.model, "decorative")
    state.accept(first.shot_id, first.model)
    assert gallery.item(first.item_id).tags == ("decorative",)
    state.accept(second.shot_id, second.model)
    assert gallery.item(first.item_id).tags == ()
    assert the_cell(state, "cat.jpg", TWO[0]).accepted == ""
    state.undo(second.shot_id, second.model)
    assert gallery.item(first.item_id).tags == ("decorative",)


def test_a_description_becomes_the_photos_caption(state, gallery):
    state.run()
    cell = the_cell(state, "coffee.jpg", TWO[1])
    state.accept(cell.shot_id, cell.model)
    own = [c.text for c in gallery.item(cell.item_id).captions if c.model == "owner"]
    assert own == [cell.text]
    assert gallery.history(cell.item_id)[-1].who == TWO[1]


def test_a_decorative_photo_gets_an_empty_alt_text_and_a_tag(state, gallery):
    state.set(task="alt")
    state.run()
    cell = the_cell(state, "cat.jpg", TWO[0])
    gallery.annotate(cell.item_id, alt="an older text")
    state.edit(cell.shot_id, cell.model, "DECORATIVE.")
    state.accept(cell.shot_id, cell.model)
    assert gallery.item(cell.item_id).alt == ""
    assert gallery.item(cell.item_id).tags == ("decorative",)
    state.undo(cell.shot_id, cell.model)
    assert gallery.item(cell.item_id).alt == "an older text"
    assert gallery.item(cell.item_id).tags == ()


# -- the view ----------------------------------------------------------------------------------


class Wire(CaptionsView):
    """The view with its comm cut: what it would send is kept."""

    def __init__(self, state):
        self.sent = []
        super().__init__(state)

    def send(self, content, buffers=None):
        self.sent.append((content, buffers or []))

    def tell(self, buffers=(), **message):
        self.sent.clear()
        self._receive(self, message, [memoryview(one) for one in buffers])
        return {content["show"]: (content, sent) for content, sent in self.sent}


def test_the_page_is_driven_by_messages_and_every_one_is_answered(make, tmp_path):
    wire = Wire(make())
    opened = wire.tell(do="open")
    assert opened["choices"][0]["models"]
    assert opened["estimate"][0]["wait"] == "Add a photo first."
    data = (SAMPLES / "cat.jpg").read_bytes()
    answer = wire.tell([data], do="upload", id="u1", name="<b>cat", size=len(data), offset=0)
    content, buffers = answer["shot"]
    assert (content["name"], content["ready"], content["size"]) == ("<b>cat", True, "451x300")
    assert buffers[0][:4] == b"RIFF"
    assert wire.tell(do="set", changes={"resize": 200}, sequence=4)["set"][0]["sequence"] == 4
    ran = wire.tell(do="run")
    assert ran["cell"][0]["status"] == "done"
    model = ran["cell"][0]["model"]
    kept = wire.tell(do="edit", id="u1", model=model, text="Mine", accept=True)
    assert kept["cell"][0]["accepted"] == "caption"
    for message in ("look", "undo", "again", "remove"):
        assert wire.tell(do=message, id="u1", model=model)
    assert wire.tell(do="pick", query="")["picks"][0]["total"] == 1
    assert str(tmp_path) not in repr([content for content, _ in wire.sent])
    json.dumps([content for content, _ in wire.sent])


def test_a_page_that_is_shown_again_gets_everything_again(state):
    state.run()
    wire = Wire(state)
    wire.tell(do="open")
    kinds = [content["show"] for content, _ in wire.sent]
    assert kinds.count("cell") == 4
    assert sum(len(buffers) for _, buffers in wire.sent) == 2


def test_the_saved_notebook_holds_nothing_of_the_session(state):
    wire = Wire(state)
    wire.tell(do="open")
    wire.tell(do="run")
    kept = {key for key in wire.get_state() if not key.startswith("_")}
    assert kept == {"layout", "tabbable", "tooltip"}


def test_an_upload_beyond_ten_megabytes_arrives_whole(make, tmp_path):
    path = tmp_path / "large.bmp"
    Image.effect_noise((2200, 1800), 90).convert("RGB").save(path)
    data = path.read_bytes()
    assert len(data) > 11_000_000
    shot = upload(make(), "large.bmp", data, piece=1 << 20)
    assert shot.ready
    assert shot.photo.size_bytes == len(data)
