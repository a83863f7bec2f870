"""The gallery page without its looks: a real gallery behind it, no browser before it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from playground import photos, serve
from playground.errors import GalleryProblem
from playground.provider.connect import connect
from playground.runner import generate
from playground.state import gallery as page
from playground.state.gallery import GalleryState
from playground.store import Gallery
from playground.values import ImageRequest
from playground.widgets import gallery as view
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


@pytest.fixture
def state(gallery):
    made = GalleryState(lambda: gallery, provider="offline")
    made.open()
    return made


def item_named(state, name):
    return next(item for item in state.shown.items if item.name == name)


def test_an_opened_page_shows_the_newest_pictures_and_the_totals(state):
    assert state.shown.total == 5
    assert not state.shown.more
    assert state.shown.items[0].prompt.startswith("Original ancient wizard")
    assert state.head.provider == "offline"
    assert state.head.totals.sample == state.shown.dollars > 0
    assert state.shown.all_samples
    assert ("photo", 4) in state.head.facets["kinds"]
    assert state.head.facets["models"] == [("gpt-image-2", 1)]


def test_a_search_narrows_and_keeps_its_sequence(state):
    state.search("wizard", {}, "newest", 7)
    assert [item.kind for item in state.shown.items] == ["image"]
    assert state.shown.sequence == 7
    state.search("", {"kind": "photo"}, "oldest", 8)
    assert state.shown.items[0].name == "cat.jpg"
    assert state.shown.total == 4


def test_the_same_search_twice_is_answered_twice(state):
    answers = []
    state.observe(lambda change: answers.append(change["new"].sequence), "shown")
    state.search("", {}, "newest", 1)
    state.search("", {}, "newest", 1)
    assert answers == [1, 1]


def test_pages_follow_each_other_without_gaps(state, monkeypatch):
    monkeypatch.setattr(page, "PAGE_SIZE", 2)
    state.search("", {}, "newest", 1)
    seen = [item.id for item in state.shown.items]
    while state.shown.more:
        state.more(1)
        assert state.shown.appended
        seen += [item.id for item in state.shown.items]
    assert len(seen) == len(set(seen)) == 5
    assert state.shown.dollars == state.head.totals.sample


def test_annotations_are_written_and_counted(state, gallery):
    cat = item_named(state, "cat.jpg")
    changes = {"rating": 5, "note": "whiskers", "tag": ["pet"]}
    state.annotate(cat.id, cat.version, changes)
    kept = gallery.item(cat.id)
    assert (kept.rating, kept.note, kept.tags) == (5, "whiskers", ("pet",))
    assert state.saved.item == kept
    assert state.head.facets["tags"] == [("pet", 1)]
    assert state.head.facets["ratings"] == [(5, 1)]
    state.search("whiskers", {"rating": 4, "tag": "pet"}, "best", 2)
    assert state.shown.total == 1


def test_a_change_that_somebody_else_made_first_is_shown_and_not_overwritten(state, gallery):
    cat = item_named(state, "cat.jpg")
    gallery.annotate(cat.id, note="theirs")
    state.annotate(cat.id, cat.version, {"note": "mine"})
    assert state.trouble.item.note == "theirs"
    assert state.trouble.changes == {"note": "mine"}
    assert "theirs" in state.trouble.text
    assert gallery.item(cat.id).note == "theirs"
    state.annotate(cat.id, state.trouble.item.version, state.trouble.changes)
    assert gallery.item(cat.id).note == "mine"


def test_changes_of_different_fields_do_not_conflict(state, gallery):
    cat = item_named(state, "cat.jpg")
    gallery.annotate(cat.id, rating=2)
    state.annotate(cat.id, cat.version, {"note": "mine"})
    assert (gallery.item(cat.id).rating, gallery.item(cat.id).note) == (2, "mine")


@pytest.mark.parametrize("changes", [{"rating": 9}, {"kind": "image"}, {"tag": ["x" * 100]}])
def test_a_bad_change_is_a_sentence_on_the_page(state, gallery, changes):
    cat = item_named(state, "cat.jpg")
    state.annotate(cat.id, cat.version, changes)
    assert state.trouble.text
    assert state.trouble.item is None
    assert gallery.item(cat.id) == cat


def test_an_unknown_sort_and_a_missing_picture_are_sentences_on_the_page(state):
    state.search("", {}, "sideways", 1)
    assert "sideways" in state.trouble.text
    state.select("nothing")
    assert "nothing" in state.trouble.text


def test_a_gallery_that_cannot_be_opened_is_said_and_tried_again(gallery):
    doors = iter([GalleryProblem("The disk is not there."), gallery])

    def opener():
        door = next(doors)
        if isinstance(door, Exception):
            raise door
        return door

    state = GalleryState(opener, provider="offline")
    state.open()
    assert state.head.shut == "The disk is not there."
    assert state.shown is None
    state.open()
    assert state.head.shut == ""
    assert state.shown.total == 5


def test_a_bug_becomes_a_sentence_because_voila_would_swallow_it():
    def opener():
        raise RuntimeError("boom")

    state = GalleryState(opener, provider="offline")
    state.open()
    assert "boom" in state.trouble.text


def test_an_empty_gallery_is_told_from_a_search_without_hits(tmp_path, state):
    state.search("zebra", {}, "newest", 1)
    assert (state.shown.total, state.shown.empty) == (0, False)
    with Gallery(tmp_path / "other") as nothing:
        other = GalleryState(lambda: nothing, provider="offline")
        other.open()
        assert other.shown.empty


def test_a_missing_thumbnail_is_made_once_and_kept(state, gallery):
    cat = item_named(state, "cat.jpg")
    assert gallery.thumbnail(cat.id) is None
    small = state.thumbnails([cat])[cat.id]
    assert photos.sniff(small)[1].long_px == min(512, cat.size.long_px)
    assert gallery.thumbnail(cat.id) == small


def test_a_lost_original_has_no_picture_and_says_so(state, gallery):
    cat = item_named(state, "cat.jpg")
    gallery.original_path(cat.id).unlink()
    assert state.thumbnails([cat]) == {}
    assert state.picture(cat.id) is None
    assert state.trouble.text


class Wire(GalleryView):
    """The view with its comm cut: what it would send is kept."""

    def __init__(self, state):
        self.sent = []
        super().__init__(state)

    def send(self, content, buffers=None):
        self.sent.append((content, buffers or []))

    def tell(self, **message):
        self.sent.clear()
        self._receive(self, message, [])
        return {content["show"]: (content, buffers) for content, buffers in self.sent}


@pytest.fixture
def wire(gallery):
    return Wire(GalleryState(lambda: gallery, provider="offline"))


def test_opening_sends_texts_as_data_and_pictures_as_buffers(wire):
    answer = wire.tell(do="open")
    content, buffers = answer["page"]
    assert [card["thumb"] for card in content["cards"]] == [0, 1, 2, 3, 4]
    assert all(buffer[:2] in {b"\xff\xd8", b"\x89P", b"RI"} for buffer in buffers)
    assert content["samples"]
    assert "sample" in answer["head"][0]["banner"]


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


def test_the_full_picture_comes_as_bytes_and_no_message_holds_a_path(wire, gallery, tmp_path):
    (wizard,) = gallery.search("wizard").items
    answer = wire.tell(do="picture", id=wizard.id)
    assert answer["picture"][1] == [gallery.original(wizard.id)]
    everything = [wire.tell(do="open"), wire.tell(do="select", id=wizard.id)]
    assert str(tmp_path) not in repr([[c for c, _ in one.values()] for one in everything])


def test_nothing_but_the_page_itself_is_in_the_synced_state(wire):
    wire.tell(do="open")
    kept = {key for key in wire.get_state() if not key.startswith("_")}
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
    bounds = [None if bound is None else Decimal(bound) for bound in (low, high)]
    shown = view._bill(*bounds, Decimal(billed), [], "")
    assert (shown["difference"], shown["exact"]) == (difference, exact)
