"""Publishing from the gallery page without a browser: looked at, made, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground import photos, serve
from playground.publish import DEFAULT_FIELDS, Selection, Snapshot, publish
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
            photo, data = photos.measure(SAMPLES / name), (SAMPLES / name).read_bytes()
            small = photos.thumbnail(data)
            item = opened.add_photo(photo, data, name=name, thumbnail=small)
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


@pytest.fixture
def dialog(publishing):
    """Answers what the dialog asks: the last message, with its buffers."""
    sent = []
    answers = messages.answers(publishing, lambda message, buffers: sent.append((message, buffers)))

    def ask(what, **more):
        answers[what]({"do": what, **more})
        return sent[-1]

    return ask


def looked(dialog, places, fields=DEFAULT_FIELDS, dest="", **more):
    return dialog("publish_look", places=places, sequence=0, fields=list(fields), dest=dest, **more)


def test_the_dialog_lists_every_text_that_strangers_get_and_no_other(publishing, dialog):
    told, pictures = looked(dialog, None)
    assert told["count"] == len(told["entries"]) == len(pictures) == 3
    shown = str(told["entries"])
    assert "Title of cat.jpg" in shown
    assert "private note" not in shown
    assert "secret" not in shown
    on = [one["name"] for one in told["fields"] if one["on"]]
    assert on == ["title", "prompt", "caption", "model", "rating", "tags", "date"]
    told, _ = looked(dialog, None, [*DEFAULT_FIELDS, "note", "collection"], "elsewhere", again=True)
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


def test_pictures_that_stay_are_part_of_what_is_looked_at(publishing, dialog, tmp_path):
    looked(dialog, [[0, 2]], [*DEFAULT_FIELDS, "note"])
    publishing.publish(keep=True)
    told, pictures = looked(dialog, [[1, 3]])
    assert (told["there"], told["mine"], told["others"]) == (2, 1, 1)
    (stays,) = told["stays"]
    # As it was published: with its note, which does not go along with the new ones.
    assert ("note", "private note on rocket.jpg") in stays["rows"]
    assert "private note" not in str(told["entries"])
    small = tmp_path / "published" / "site" / "pictures" / f"{stays['id']}-s.webp"
    assert pictures[stays["thumb"]] == small.read_bytes()
    publishing.publish(keep=True)
    with Snapshot(tmp_path / "published") as snapshot:
        made = [entry.id for entry in snapshot.reader.entries()]
        notes = [entry.note for entry in snapshot.reader.entries()]
    assert made == [one["id"] for one in (*told["entries"], stays)]
    assert notes == ["", "", "private note on rocket.jpg"]


def test_many_pictures_that_stay_come_a_page_at_a_time(publishing, dialog, monkeypatch):
    looked(dialog, [[0, 2]])
    publishing.publish(keep=True)
    monkeypatch.setattr(messages, "PAGE", 1)
    told, _ = looked(dialog, [[2, 3]])
    assert (told["others"], len(told["stays"])) == (2, 1)
    more, pictures = dialog("publish_more", start=1, stays=True)
    assert (more["stays"], more["start"], len(more["entries"]), len(pictures)) == (True, 1, 1, 1)
    assert more["entries"][0]["id"] != told["stays"][0]["id"]


def test_a_folder_that_changed_since_the_preview_is_looked_at_again(publishing, gallery, tmp_path):
    publishing.look([[0, 1]], 0, DEFAULT_FIELDS)
    publish(gallery, Selection(text="tag:cat"), DEFAULT_FIELDS, tmp_path / "published", title="Us")
    publishing.publish(keep=True)
    assert "nothing was published" in publishing.trouble.text
    assert titles(tmp_path / "published") == ["Title of cat.jpg"]
    assert [entry.title for entry in publishing.offer.others] == ["Title of cat.jpg"]
    publishing.publish(keep=True)
    with Snapshot(tmp_path / "published") as snapshot:
        assert snapshot.settings.title == "Us"


def test_challenge_boards_are_off_until_chosen_and_shown_before_they_are_made(
    publishing, dialog, gallery, make_sample, page, tmp_path
):
    make_sample(gallery, "a lantern")
    page.open()
    told, _ = looked(dialog, None)
    assert [one["on"] for one in told["boards"]] == [False] * 4
    assert "board" not in {name for row in told["entries"] for name, _ in row["rows"]}
    told, _ = looked(dialog, None, boards=["half-penny"])
    assert [one["count"] for one in told["boards"] if one["on"]] == [1]
    rows = [text for row in told["entries"] for name, text in row["rows"] if name == "board"]
    assert len(rows) == 1
    assert rows[0].startswith("Half-penny, 1. of 1: no stars, $0.003")
    publishing.publish(keep=True)
    assert (tmp_path / "published" / "site" / "board" / "half-penny.html").is_file()
    told, _ = looked(dialog, [[1, 2]])
    assert told["boards_there"] == ["Half-penny"]
    stays = [text for row in told["stays"] for name, text in row["rows"] if name == "board"]
    assert stays == rows


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
