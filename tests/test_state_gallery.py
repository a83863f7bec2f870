"""The gallery page without its looks: a real gallery behind it, no browser before it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from playground import photos, serve
from playground.errors import GalleryProblem
from playground.photos import credentials
from playground.provider.connect import connect
from playground.runner import generate
from playground.state.gallery import GalleryState
from playground.store import Gallery, NewCaption, wall
from playground.values import CaptionRequest, ImageRequest, Photo, Receipt, Unknown, Usage
from playground.widgets import gallery as view
from playground.widgets import gallery_messages as messages
from playground.widgets.gallery import GalleryView

SAMPLES = Path(serve.__file__).parent / "data" / "photos"

# The half-penny thread's own example: 20 billed prompt tokens, 129 output tokens, $0.00397.
WIZARD = "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"


@pytest.fixture
def gallery(tmp_path):
    """Four photographs and one generated sample."""
    with Gallery(tmp_path / "gallery") as opened, connect("offline") as client:
        for name in ("cat.jpg", "coffee.jpg", "dahlia.jpg", "rocket.jpg"):
            photo = photos.measure(SAMPLES / name)
            opened.add_photo(photo, (SAMPLES / name).read_bytes(), name=name)
        wizard = ImageRequest(prompt=WIZARD)
        generate(wizard, gallery=opened, client=client)
        yield opened


def at_once(work):
    """Does work at once that a page does a moment later."""
    work()


@pytest.fixture
def state(gallery):
    made = GalleryState(lambda: gallery, provider="offline", submit=at_once)
    made.open()
    return made


def named(gallery, name):
    return next(item for item in gallery.search(limit=100) if item.name == name)


def labels(state, facet):
    return [(choice.label, choice.count) for choice in state.counted.facets[facet]]


def test_an_opened_page_shows_the_newest_pictures_and_the_totals(state):
    assert state.shown.first.cards[0].label.startswith("Original ancient wizard")
    assert (state.counted.total, len(state.shown.first.cards)) == (5, 5)
    assert state.head.provider == "offline"
    assert state.head.totals.sample == state.counted.dollars > 0
    assert not state.shown.empty
    assert labels(state, "kind") == [("image", 1), ("photo", 4)]
    assert labels(state, "model") == [("gpt-image-2", 1)]
    assert labels(state, "provider") == [("offline", 1)]


def test_a_search_narrows_and_keeps_its_sequence(state):
    state.search("wizard", [], "newest", 7)
    assert [card.kind for card in state.shown.first.cards] == ["image"]
    assert (state.shown.first.sequence, state.counted.sequence) == (7, 7)
    assert state.counted.all_samples
    state.search("", ["kind:photo"], "oldest", 8)
    assert state.shown.first.cards[0].label == "cat.jpg"
    assert state.counted.total == 4
    state.search("rating:lots", [], "newest", 9)
    assert "searched as words" in state.shown.question.notes[0]


def test_the_same_search_twice_is_answered_twice(state):
    answers = []
    state.observe(lambda change: answers.append(change["new"].first.sequence), "shown")
    state.search("", [], "newest", 1)
    state.search("", [], "newest", 1)
    assert answers == [1, 1]


def test_many_pictures_are_told_as_a_bound_until_they_are_counted(gallery, monkeypatch):
    monkeypatch.setattr(wall, "LEAST_KNOWN", 3)
    monkeypatch.setattr("playground.state.gallery.PAGE_SIZE", 2)
    later = []
    state = GalleryState(lambda: gallery, provider="offline", submit=later.append)
    told = []
    for name in ("least", "counted"):
        state.observe(lambda change: told.append(change["new"]), name)
    state.open()
    assert told == []
    later.pop()()
    least, counted = told
    assert (least.count, least.sequence, counted.total) == (4, 0, 5)


def test_counting_an_older_question_is_dropped(gallery):
    later = []
    state = GalleryState(lambda: gallery, provider="offline", submit=later.append)
    state.open()
    state.search("wizard", [], "newest", 1)
    state.search("kind:photo", [], "newest", 2)
    counted = []
    state.observe(lambda change: counted.append(change["new"].sequence), "counted")
    for work in later:
        work()
    assert counted == [2]


def test_any_stretch_can_be_fetched_and_stale_ones_are_not(state):
    state.search("", [], "oldest", 3)
    state.fetch(3, 50, 3)
    assert state.stretch.start == 3
    assert [card.label[:8] for card in state.stretch.cards] == ["rocket.j", "Original"]
    before = state.stretch
    state.fetch(0, 50, 2)
    assert state.stretch is before
    state.fetch(99, 50, 3)
    assert state.stretch.cards == ()


def test_annotations_are_written_and_counted(state, gallery):
    cat = named(gallery, "cat.jpg")
    changes = {"rating": 5, "note": "whiskers", "tag": ["pet"], "collection": "home"}
    state.annotate(cat.id, cat.version, changes)
    kept = gallery.item(cat.id)
    assert (kept.rating, kept.note, kept.tags, kept.collection) == (5, "whiskers", ("pet",), "home")
    assert state.saved.item == kept
    assert labels(state, "tag") == [("pet", 1)]
    assert labels(state, "rating") == [("5", 1), ("4", 1), ("3", 1), ("2", 1), ("1", 1)]
    assert state.counted.shapes is None  # the pictures stay where they are
    state.search("whiskers", ["rating:>=4", "tag:pet"], "best", 2)
    assert state.counted.total == 1


def test_a_change_that_somebody_else_made_first_is_shown_and_not_overwritten(state, gallery):
    cat = named(gallery, "cat.jpg")
    gallery.annotate(cat.id, note="theirs")
    state.annotate(cat.id, cat.version, {"note": "mine"})
    assert state.trouble.item.note == "theirs"
    assert state.trouble.changes == {"note": "mine"}
    assert "theirs" in state.trouble.text
    assert gallery.item(cat.id).note == "theirs"
    state.annotate(cat.id, state.trouble.item.version, state.trouble.changes)
    assert gallery.item(cat.id).note == "mine"


def test_changes_of_different_fields_do_not_conflict(state, gallery):
    cat = named(gallery, "cat.jpg")
    gallery.annotate(cat.id, rating=2)
    state.annotate(cat.id, cat.version, {"note": "mine"})
    assert (gallery.item(cat.id).rating, gallery.item(cat.id).note) == (2, "mine")


def test_many_are_changed_at_once_and_it_is_undone(state, gallery):
    state.search("kind:photo", [], "oldest", 4)
    state.annotate_many([(0, 1), (2, 4)], 4, {"rating": 3, "tag": ["kept"]})
    assert state.changed.text == "3 pictures changed."
    assert gallery.search("tag:kept").total == 3
    assert gallery.item(named(gallery, "coffee.jpg").id).rating is None
    state.undo()
    assert state.changed.text == "Undone for 3 pictures."
    assert gallery.search("tag:kept").total == 0
    state.undo()
    assert "nothing to undo" in state.trouble.text
    state.annotate_many(None, 4, {"collection": "all"})
    assert gallery.search("collection:all").total == 4
    gallery.annotate(named(gallery, "cat.jpg").id, collection="other")
    state.undo()
    assert "1 picture kept what was changed since" in state.changed.text


def test_what_may_not_be_changed_and_stale_choices_are_refused(state, gallery):
    state.annotate_many(None, 99, {"rating": 1})
    assert "choose them again" in state.trouble.text
    state.annotate_many(None, 0, {"prompt": "x"})
    assert "cannot be changed here" in state.trouble.text
    assert gallery.search("rating:1").total == 0


def test_the_trash_gives_back(state, gallery):
    cat = named(gallery, "cat.jpg")
    state.bin(cat.id, deleted=True)
    assert "in the trash" in state.changed.text
    state.search("is:trash", [], "newest", 5)
    assert [card.id for card in state.shown.first.cards] == [cat.id]
    assert state.shown.first.cards[0].deleted
    state.undo()
    assert gallery.item(cat.id).deleted_at is None


def test_a_selected_picture_is_shown_with_its_place_and_history(state, gallery):
    cat = named(gallery, "cat.jpg")
    gallery.annotate(cat.id, rating=4)
    state.search("", [], "oldest", 6)
    state.select_at(0, 6)
    assert (state.opened.item.id, state.opened.place) == (cat.id, 0)
    assert [edit.after for edit in state.opened.edits] == [{"rating": 4}]
    values = messages.visit(state.opened)
    assert values["history"][0]["what"] == "rating: none → 4"
    state.close()
    assert state.opened is None
    state.select("nope")
    assert "there is no item" in state.trouble.text


def test_a_draft_is_marked_until_it_is_accepted(state, gallery, reserve):
    cat = named(gallery, "cat.jpg")
    photo = Photo(10, 10, "jpeg", 9, cat.sha256)
    request = CaptionRequest(photo=photo, model="gpt-5.4-nano", task="alt")
    attempt = reserve(gallery, "0.01", job="alt", request=request)
    gallery.ledger.settle(
        attempt.id,
        usage=Usage(image_input=9),
        cost=Decimal("0.0001"),
        receipt=Receipt(200, "r"),
        caption=NewCaption(cat.id, "alt", "A tabby cat"),
    )
    state.search("is:unreviewed", [], "newest", 7)
    assert state.shown.first.cards[0].draft
    assert labels(state, "unreviewed") == [("unreviewed", 1)]
    state.select(cat.id)
    assert messages.visit(state.opened)["draft"] == {"text": "A tabby cat", "model": "gpt-5.4-nano"}
    state.annotate_many(None, 7, {"accept_alt": True})
    assert gallery.item(cat.id).alt == "A tabby cat"
    assert messages.visit(state.opened)["draft"] is None


def test_searches_are_named_and_forgotten(state):
    state.save_search("Cats", "tag:cat", "best")
    assert [one.name for one in state.searches.every] == ["Cats"]
    state.save_search("", "x", "best")
    assert "1 to 64 characters" in state.trouble.text
    state.forget_search("Cats")
    assert state.searches.every == ()


def test_an_unknown_order_is_refused_in_words(state):
    state.search("", [], "upside-down", 2)
    assert "upside-down" in state.trouble.text


def test_an_unknown_change_is_refused(state, gallery):
    cat = named(gallery, "cat.jpg")
    state.annotate(cat.id, cat.version, {"prompt": "x"})
    assert "cannot be annotated here" in state.trouble.text


def test_the_original_is_delivered_as_it_was_stored(state, gallery):
    cat = named(gallery, "cat.jpg")
    data, signed = state.original(cat.id)
    assert data == (SAMPLES / "cat.jpg").read_bytes()
    assert not signed


def test_a_lost_original_is_a_sentence_and_the_tile_says_so(state, gallery):
    cat = named(gallery, "cat.jpg")
    gallery.original_path(cat.id).unlink()
    assert state.original(cat.id) is None
    assert "missing" in state.trouble.text
    state.search("", [], "oldest", 3)
    assert state.shown.first.missing == {cat.id}


def png(*chunks):
    parts = [len(data).to_bytes(4, "big") + kind + data + b"\0" * 4 for kind, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_content_credentials_are_found_by_their_label():
    signed = png((b"IHDR", b"\0" * 13), (b"caBX", b"jumb c2pa"), (b"IEND", b""))
    assert credentials.present(signed)
    assert not credentials.present(png((b"IHDR", b"\0" * 13), (b"tEXt", b"caBX"), (b"IEND", b"")))
    segment = b"JP\0\1" + b"....jumb....c2pa"
    jpeg = b"\xff\xd8\xff\xeb" + (len(segment) + 2).to_bytes(2, "big") + segment + b"\xff\xd9"
    assert credentials.present(jpeg)
    assert credentials.present(b"RIFF\0\0\0\0WEBPC2PA\4\0\0\0jumb")
    for cut in range(len(signed)):
        assert credentials.present(signed[:cut]) in {True, False}
    assert not credentials.present(b"")


def test_small_pictures_are_made_for_items_without_one_and_kept(state, gallery):
    cards = state.shown.first.cards
    lacking = [card for card in cards if card.id not in state.smalls(cards)]
    assert lacking
    for card in lacking:
        assert state.make_small(card)
    assert set(state.smalls(cards)) == {card.id for card in cards}
    state.set_tints({cards[0].id: 0x102030, "nobody": 5, cards[1].id: -7})
    assert gallery.cards([5])[0].tint == 0x102030


def test_a_closed_gallery_is_a_sentence_on_the_page():
    def shut():
        msg = "The gallery's disk is not mounted."
        raise GalleryProblem(msg)

    state = GalleryState(shut, provider="offline", submit=at_once)
    state.open()
    assert state.head.shut == "The gallery's disk is not mounted."
    assert state.shown is None


def test_a_gallery_for_viewing_only_refuses_changes_in_words(gallery, tmp_path):
    cat = named(gallery, "cat.jpg")
    gallery.close()
    with Gallery(tmp_path / "gallery", read_only=True) as opened:
        state = GalleryState(lambda: opened, provider="offline", submit=at_once)
        state.open()
        assert state.counted.total == 5
        state.annotate(cat.id, cat.version, {"rating": 1})
        assert "viewing only" in state.trouble.text
        state.annotate_many(None, 0, {"rating": 1})
        assert "viewing only" in state.trouble.text
        state.set_tints({cat.id: 5})
        assert opened.item(cat.id).rating is None


def test_an_empty_gallery_says_so(tmp_path):
    with Gallery(tmp_path / "new") as gallery:
        state = GalleryState(lambda: gallery, provider="offline", submit=at_once)
        state.open()
        assert state.shown.empty
        state.search("anything", [], "newest", 1)
        assert not state.shown.empty
        assert state.counted.total == 0


def test_the_money_is_shown_by_what_one_asks_and_unknowns_are_resolved(gallery, reserve):
    state = GalleryState(lambda: gallery, provider="offline", submit=at_once)
    attempt = reserve(gallery, "0.25", job="lost", request=ImageRequest(prompt="x"))
    gallery.ledger.sent(attempt.id)
    gallery.ledger.unknown(attempt.id, Unknown("timeout", "the connection broke"))
    for by in ("day", "model", "tier", "run"):
        state.spend(by)
        assert state.spending.by == by
        assert sum(row.sample for row in state.spending.rows) == Decimal("0.00397")
    assert state.spending.unknowns[0].held == Decimal("0.25")
    values = messages.spending(state.spending)
    assert values["unknowns"][0]["held"] == "$0.25"
    state.resolve(attempt.id, "much", "day")
    assert "nothing was booked" in state.trouble.text
    assert state.spending.unknowns
    state.resolve(attempt.id, "0.0042", "day")
    assert state.spending.unknowns == ()
    assert gallery.ledger.totals().held == 0
    state.spend("hour")
    assert "hour" in state.trouble.text


def sent(view):
    """The messages that a view sends from now on, each with its buffers."""
    told = []
    view.send = lambda content, buffers=None: told.append((content, buffers or []))
    return told


def test_the_view_answers_with_plain_values_and_pictures_as_bytes(state, gallery):
    page = GalleryView(state)
    told = sent(page)
    page._receive(page, {"do": "open"}, [])
    kinds = [content["show"] for content, _ in told]
    assert kinds[:1] == ["pages"]
    assert {"head", "first", "counted", "searches", "small"} <= set(kinds)
    first, buffers = next(one for one in told if one[0]["show"] == "first")
    assert len(first["cards"]) == 5
    assert all(card["thumb"] is None or buffers[card["thumb"]] for card in first["cards"])
    counted, shapes = next(one for one in told if one[0]["show"] == "counted")
    assert [len(part) for part in shapes] == [5, 10]
    assert counted["facets"]["kind"][0] == {"label": "image", "count": 1, "token": "kind:image"}
    told.clear()
    page._receive(page, {"do": "search", "query": "wizard", "filters": [], "sort": "newest",
                         "sequence": 1}, [])  # fmt: skip
    card = told[0][0]["cards"][0]
    assert ("wizard", True) in card["pieces"]
    page._receive(page, {"do": "picture", "id": card["id"]}, [])
    assert told[-1][0]["show"] == "picture"
    assert told[-1][1][0] == gallery.original(card["id"])


def test_the_saved_notebook_holds_nothing_of_the_gallery(state, gallery):
    page = GalleryView(state)
    page._receive(page, {"do": "open"}, [])
    for item in gallery.search():
        state.annotate(item.id, item.version, {"note": "a note that is not saved " * 20})
    kept = str({name: value for name, value in page.get_state().items() if name not in
                {"_esm", "_css"}})  # fmt: skip
    assert len(kept) < 2000
    assert "wizard" not in kept.lower()
    assert "not saved" not in kept


def test_a_gallery_that_cannot_be_opened_is_tried_again(gallery):
    doors = iter([GalleryProblem("The disk is not there."), gallery])

    def opener():
        door = next(doors)
        if isinstance(door, Exception):
            raise door
        return door

    state = GalleryState(opener, provider="offline", submit=at_once)
    state.open()
    assert state.head.shut == "The disk is not there."
    state.open()
    assert state.head.shut == ""
    assert state.counted.total == 5


def test_a_bug_becomes_a_sentence_because_voila_would_swallow_it():
    def opener():
        raise RuntimeError("boom")

    state = GalleryState(opener, provider="offline", submit=at_once)
    state.open()
    assert "boom" in state.trouble.text


class Wire:
    """A view whose messages are caught instead of sent."""

    def __init__(self, state):
        self.view = GalleryView(state)
        self.told = sent(self.view)

    def tell(self, **message):
        """Send a message as the page does; the answers by what they show."""
        self.told.clear()
        self.view._receive(self.view, message, [])
        return {content["show"]: (content, buffers) for content, buffers in self.told}


@pytest.fixture
def wire(state):
    return Wire(state)


def test_a_detail_shows_the_quote_beside_the_bill(wire, gallery):
    (wizard,) = gallery.search("wizard").items
    item = wire.tell(do="select", id=wizard.id)["detail"][0]["item"]
    assert item["cost"]["quoted"] == item["cost"]["billed"] == "$0.00397"
    assert item["cost"]["exact"]
    assert [line["dollars"] for line in item["cost"]["lines"]] == [
        "$0.000_100_000",
        "$0.003_870_000",
    ]
    assert {"name": "Asked for", "value": "976x704", "code": False} in item["facts"]


def test_no_message_holds_a_path(wire, gallery, tmp_path):
    (wizard,) = gallery.search("wizard").items
    everything = [
        wire.tell(do="open"),
        wire.tell(do="select", id=wizard.id),
        wire.tell(do="spend", by="run"),
    ]
    assert str(tmp_path) not in repr([[c for c, _ in one.values()] for one in everything])


def test_nothing_but_the_page_itself_is_in_the_synced_state(wire):
    wire.tell(do="open")
    kept = {key for key in wire.view.get_state() if not key.startswith("_")}
    assert kept == {"layout", "tabbable", "tooltip"}


def test_an_unknown_message_is_ignored(wire):
    assert wire.tell(do="generate", prompt="spend!") == {}


def test_a_conflict_reaches_the_page_with_both_versions(wire, gallery):
    (wizard,) = gallery.search("wizard").items
    gallery.annotate(wizard.id, title="theirs")
    message = {"id": wizard.id, "version": wizard.version, "changes": {"title": "mine"}}
    content, _ = wire.tell(do="annotate", **message)["conflict"]
    assert content["item"]["title"] == "theirs"
    assert content["changes"] == {"title": "mine"}


@pytest.mark.parametrize(
    ("low", "high", "billed", "difference", "exact"),
    [
        ("0.004", "0.004", "0.004", "$0.00", True),
        ("0.003", "0.005", "0.004", "within the quote", False),
        ("0.004", "0.004", "0.005", "+$0.001", False),
        ("0.004", "0.005", "0.003", "−$0.001", False),
        (None, None, "0.003", "unknown", False),
    ],
)
def test_the_difference_between_quote_and_bill_is_said(low, high, billed, difference, exact):
    dollars = [None if one is None else Decimal(one) for one in (low, high)]
    bill = view._bill(*dollars, Decimal(billed), [], "")
    assert (bill["difference"], bill["exact"]) == (difference, exact)
