"""Publishing from the gallery page without a browser: looked at, made, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground import photos, serve
from playground.publish import DEFAULT_FIELDS, Snapshot
from playground.state.gallery import GalleryState
from playground.state.gallery_publish import PublishState
from playground.store import Gallery
from playground.widgets import gallery_publish as messages

SAMPLES = Path(serve.__file__).parent / "data" / "photos"
NAMES = ("cat.jpg", "coffee.jpg", "rocket.jpg")


def at_once(work):
    """Does work at once that a page does a moment later."""
    work()


@pytest.fixture
def gallery(tmp_path):
    """Three photographs, each with a title, a note and a collection of its own."""
    with Gallery(tmp_path / "gallery") as opened:
        for name in NAMES:
            photo = photos.measure(SAMPLES / name)
            item = opened.add_photo(photo, (SAMPLES / name).read_bytes(), name=name)
            opened.annotate(
                item.id,
                title=f"Title of {name}",
                note=f"private note on {name}",
                collection=f"secret {name}",
                tag=[name.partition(".")[0]],
            )
        yield opened


@pytest.fixture
def page(gallery):
    made = GalleryState(lambda: gallery, provider="offline", submit=at_once)
    made.open()
    return made


@pytest.fixture
def publishing(page, tmp_path):
    return PublishState(page, tmp_path, at_once)


def titles(folder):
    with Snapshot(folder) as snapshot:
        return sorted(entry.title for entry in snapshot.reader.entries())


def test_what_was_chosen_is_shown_with_what_stays_private_and_nothing_is_made(publishing, tmp_path):
    publishing.look([[0, 2]], 0, DEFAULT_FIELDS)
    offer = publishing.offer
    assert [entry.title for entry in offer.preview.entries] == [
        "Title of rocket.jpg",
        "Title of coffee.jpg",
    ]
    assert offer.folder == tmp_path / "published"
    assert offer.preview.withheld == {"note": 2, "collection": 2}
    assert (offer.there, offer.mine) == (0, ())
    assert not offer.folder.exists()


def test_the_dialog_lists_every_text_that_strangers_get_and_no_other(publishing):
    publishing.look(None, 0, DEFAULT_FIELDS)
    told = messages.offer(publishing.offer)
    assert told["count"] == len(told["entries"]) == 3
    shown = str(told["entries"])
    assert "Title of cat.jpg" in shown
    assert "private note" not in shown
    assert "secret" not in shown
    on = [one["name"] for one in told["fields"] if one["on"]]
    assert on == ["title", "prompt", "caption", "model", "rating", "tags", "date"]
    publishing.again([*DEFAULT_FIELDS, "note", "collection"], "elsewhere")
    told = messages.offer(publishing.offer)
    assert "private note on cat.jpg" in str(told["entries"])
    assert told["folder"].endswith("elsewhere")


def test_the_current_search_is_published(page, publishing, tmp_path):
    page.search("tag:coffee", [], "newest", 5)
    publishing.look(None, 5, DEFAULT_FIELDS)
    publishing.publish(keep=True)
    assert publishing.trouble is None
    assert titles(tmp_path / "published") == ["Title of coffee.jpg"]
    told = messages.made(publishing.made)
    assert told["count"] == 1
    assert Path(told["index"]).is_file()
    assert told["command"] == f"playground serve --public {tmp_path / 'published'}"
    assert (publishing.making.done, publishing.making.total) == (1, 1)


def test_pictures_that_are_there_are_kept_or_replaced(publishing, tmp_path):
    publishing.look([[0, 1]], 0, DEFAULT_FIELDS)
    publishing.publish(keep=True)
    publishing.look([[1, 2]], 0, DEFAULT_FIELDS)
    assert (publishing.offer.there, publishing.offer.mine) == (1, ())
    publishing.publish(keep=True)
    assert titles(tmp_path / "published") == ["Title of coffee.jpg", "Title of rocket.jpg"]
    publishing.publish(keep=False)
    assert titles(tmp_path / "published") == ["Title of coffee.jpg"]


def test_a_picture_and_then_everything_is_taken_back(publishing, tmp_path):
    publishing.look(None, 0, DEFAULT_FIELDS)
    publishing.publish(keep=True)
    publishing.look([[0, 1]], 0, DEFAULT_FIELDS)
    assert (publishing.offer.there, len(publishing.offer.mine)) == (3, 1)
    publishing.take_back(everything=False)
    assert titles(tmp_path / "published") == ["Title of cat.jpg", "Title of coffee.jpg"]
    assert (publishing.taken.count, publishing.taken.left) == (1, 2)
    publishing.take_back(everything=False)
    assert "None of these pictures" in publishing.trouble.text
    publishing.take_back(everything=True)
    assert not (tmp_path / "published").exists()
    assert "which is gone" in messages.taken(publishing.taken)
    assert publishing.offer.there == 0


def test_words_that_changed_since_the_preview_are_not_published_unseen(
    publishing, gallery, tmp_path
):
    publishing.look([[0, 1]], 0, DEFAULT_FIELDS)
    item = gallery.item(publishing.offer.ids[0])
    gallery.annotate(item.id, title="Not for strangers")
    publishing.publish(keep=True)
    assert "nothing was published" in publishing.trouble.text
    assert not (tmp_path / "published").exists()
    assert publishing.offer.preview.entries[0].title == "Not for strangers"


def test_what_cannot_be_published_is_said_in_a_sentence_and_nothing_is_made(
    page, publishing, gallery, tmp_path
):
    publishing.publish(keep=True)
    assert "Choose pictures to publish first" in publishing.trouble.text
    publishing.look(None, 4, DEFAULT_FIELDS)
    assert "changed meanwhile" in publishing.trouble.text
    own = tmp_path / "holiday"
    own.mkdir()
    (own / "diary.txt").write_text("mine", encoding="utf-8")
    publishing.look(None, 0, DEFAULT_FIELDS, "holiday")
    publishing.publish(keep=False)
    assert "nothing in it was changed" in publishing.trouble.text
    assert [each.name for each in own.iterdir()] == ["diary.txt"]
    publishing.look(None, 0, ["password"])
    assert "not a field to publish" in publishing.trouble.text
    gallery.delete(publishing.offer.ids[0])
    publishing.publish(keep=True)
    assert "is in the trash" in publishing.trouble.text
    assert publishing.made is None
