"""Publishing: what strangers get, what they do not, and how a snapshot takes its place."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from playground import photos
from playground.errors import GalleryProblem, InvalidRequest
from playground.publish import (
    DEFAULT_FIELDS,
    FIELDS,
    Preview,
    Selection,
    Snapshot,
    preview,
    publish,
    unpublish,
)
from playground.publish import database as snapshot_database
from playground.store import Gallery, Where

CANARY = "CANARY-5b1e"
KEY = "sk-CANARY-" + "a1B2" * 6
EVERYTHING = Selection(everything=True)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, make_sample):
    """Six items: three to publish (one an edit), one private, one photograph, one in the trash."""
    with Gallery(tmp_path_factory.mktemp("publish") / "gallery") as opened:
        fox = make_sample(opened, f"a red fox, billed to {KEY}")
        edit = make_sample(opened, "the fox in snow", images=(opened.original_path(fox.id),))
        make_sample(opened, "a mossy canyon", size="1152x576")
        make_sample(opened, f"{CANARY}-private prompt")
        thrown = make_sample(opened, f"{CANARY}-trash")
        opened.annotate(fox.id, title="Fox", rating=5, tag=["animal"], note=f"{CANARY}-note")
        opened.annotate(edit.id, tag=["animal", "snow"], rating=3, alt="A fox in the snow")
        opened.annotate(fox.id, collection=f"{CANARY}-collection")
        opened.delete(thrown.id)
        add_photo(opened, tmp_path_factory.mktemp("photo") / f"{CANARY}-name.jpg")
        yield opened


def add_photo(gallery, path):
    """A photograph with a canary in every place that a metadata reader knows."""
    exif = Image.Exif()
    exif[0x010E] = f"{CANARY} description"
    exif[0x927C] = f"{CANARY} maker note".encode()
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", (51.0, 30.0, 0.25), f"{CANARY}-GPS"
    exif[0x0112] = 6
    image = Image.new("RGB", (120, 60), "red")
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{CANARY}</x:xmpmeta>'.encode()
    image.save(path, exif=exif, comment=f"{CANARY} comment", xmp=xmp)
    path.write_bytes(path.read_bytes() + f"<script>{CANARY}</script>".encode())
    photo = photos.measure(path)
    item = gallery.add_photo(photo, path.read_bytes(), name=path.name)
    gallery.annotate(item.id, alt="A brick wall", caption="A wall, photographed at noon")


def of(gallery, text):
    return gallery.search(text, limit=1).items[0]


@pytest.fixture(scope="module")
def shared(gallery, tmp_path_factory):
    """The snapshot of what is tagged, and the photograph."""
    ids = [item.id for item in gallery.each() if CANARY not in item.prompt]
    dest = tmp_path_factory.mktemp("shared") / "snapshot"
    return publish(gallery, Selection(tuple(ids)), dest=dest, base_url="https://example.org/p")


def contents(folder: Path) -> dict[str, bytes]:
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return dict(sorted(files.items()))


def spellings(text: str) -> list[bytes]:
    """A secret as it could be hidden in a file."""
    plain = text.encode()
    return [
        plain,
        plain.lower(),
        text.encode("utf-16-le"),
        base64.b64encode(plain)[:-4],
        plain.hex().encode(),
        "".join(f"&#{ord(char)};" for char in text).encode(),
    ]


def test_a_preview_lists_every_item_and_field_that_strangers_would_get(gallery):
    shown = preview(gallery, Selection(text="fox"), ["title", "prompt"])
    assert [entry.title for entry in shown.entries] == ["", "Fox"]
    assert shown.fields == ("title", "prompt")
    assert shown.withheld == {
        "model": 2, "rating": 2, "tags": 2, "date": 2, "cost": 2, "note": 1, "collection": 1,
    }  # fmt: skip
    told = shown.to_dict()
    assert told["items"][0]["gets"].keys() == {
        "id", "kind", "width_px", "height_px", "alt", "prompt", "sample", "parent",
    }  # fmt: skip
    assert {each["item"] for each in told["items"]} == {
        item.id for item in gallery.search("fox").items
    }


def test_a_snapshot_holds_exactly_what_its_preview_said(gallery, tmp_path):
    fields = [*DEFAULT_FIELDS, "cost"]
    expected = preview(gallery, EVERYTHING, fields).entries
    made = publish(gallery, EVERYTHING, fields, tmp_path / "all")
    with Snapshot(made.folder) as snapshot:
        assert tuple(snapshot.reader.entries()) == expected
    assert made.count == len(expected) == 5


def test_what_is_billed_noted_or_collected_stays_private_unless_asked_for(gallery, shared):
    with Snapshot(shared.folder) as snapshot:
        for entry in snapshot.reader.entries():
            assert (entry.cost, entry.note, entry.collection) == (None, "", "")
    fox = of(gallery, "red fox")
    everything = preview(gallery, Selection((fox.id,)), FIELDS).entries[0]
    assert everything.cost == fox.total_billed
    assert everything.note == f"{CANARY}-note"


def test_nothing_private_is_in_any_file_in_any_spelling(gallery, shared):
    private = [CANARY, KEY[:20], str(gallery.folder), gallery.id]
    for item in [*gallery.each(), *gallery.search(trash=True).items]:
        private += [item.id, item.sha256, item.sha256[:16], *filter(None, [item.request_id])]
    files = contents(shared.folder)
    found = [
        (secret, name)
        for secret in private
        for spelling in spellings(secret)
        for name, data in files.items()
        if spelling in data or spelling.decode("latin-1") in name
    ]
    assert found == []


def test_published_pixels_are_new_files_without_metadata(gallery, shared):
    originals = {hashlib.sha256(gallery.original(item.id)).digest() for item in gallery.each()}
    pictures = list((shared.site / "pictures").iterdir())
    assert len(pictures) >= 3 * shared.count
    for path in pictures:
        data = path.read_bytes()
        assert hashlib.sha256(data).digest() not in originals
        with Image.open(io.BytesIO(data)) as image:
            assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)
            assert len(image.getexif()) == 0
        assert re.fullmatch(r"[0-9a-z]{16}-[smlp]\.(webp|jpg)", path.name)


def test_a_photograph_is_turned_upright(shared):
    with Snapshot(shared.folder) as snapshot:
        (wall,) = (each for each in snapshot.reader.entries() if each.kind == "photo")
    assert (wall.width_px, wall.height_px) == (60, 120)
    with Image.open(shared.site / "pictures" / f"{wall.id}-m.webp") as image:
        assert image.size == (60, 120)


def test_a_private_parent_is_not_even_hinted_at(gallery, tmp_path):
    edit = of(gallery, "snow")
    alone = publish(gallery, Selection((edit.id,)), dest=tmp_path / "alone")
    with Snapshot(alone.folder) as snapshot:
        (entry,) = snapshot.reader.entries()
        assert entry.parent is None
    both = publish(gallery, Selection(text="fox"), dest=tmp_path / "both")
    with Snapshot(both.folder) as snapshot:
        child, parent = snapshot.reader.entries()
        assert child.parent == parent.id


def test_what_looks_like_a_key_is_taken_out_and_said(gallery):
    shown = preview(gallery, Selection(text="fox -snow"))
    assert "[key removed]" in shown.entries[0].prompt
    assert any("looks like a key" in notice for notice in shown.notices)


def test_publishing_again_keeps_addresses_and_encodes_nothing_twice(gallery, tmp_path):
    first = publish(gallery, EVERYTHING, dest=tmp_path / "s")
    before = contents(first.folder)
    again = publish(gallery, EVERYTHING, dest=tmp_path / "s", title="Another title")
    assert (first.encoded, again.encoded, again.reused) == (5, 0, 5)
    after = contents(again.folder)
    assert before.keys() == after.keys()
    pictures = [name for name in before if name.startswith("site/pictures/")]
    assert all(before[name] == after[name] for name in pictures)
    assert b"Another title" in after["site/index.html"]
    publish(gallery, EVERYTHING, dest=tmp_path / "s")
    assert b"Another title" in contents(again.folder)["site/index.html"]
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


def test_a_publication_that_fails_leaves_what_was_there(gallery, tmp_path, monkeypatch):
    made = publish(gallery, Selection(text="fox"), dest=tmp_path / "s")
    before = contents(made.folder)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot_database, "write", full)
    with pytest.raises(GalleryProblem, match=r"could not be written.*it is as it was"):
        publish(gallery, EVERYTHING, dest=tmp_path / "s")
    assert contents(made.folder) == before
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


def test_items_can_be_added_and_taken_back_one_by_one(gallery, tmp_path):
    dest = tmp_path / "s"
    fox, edit, canyon = (of(gallery, word) for word in ("red fox", "snow", "mossy"))
    publish(gallery, Selection((edit.id, fox.id)), dest=dest)
    added = publish(gallery, Selection((canyon.id,)), dest=dest, add=True)
    assert (added.count, added.encoded) == (3, 1)
    assert unpublish(dest, [fox.id], gallery=gallery) == 1
    with Snapshot(dest) as snapshot:
        entries = list(snapshot.reader.entries())
        assert [entry.prompt for entry in entries] == ["a mossy canyon", "the fox in snow"]
        assert entries[1].parent is None
    files = contents(dest)
    gone = preview(gallery, Selection((fox.id,))).entries[0].id
    assert not any(gone in name or gone.encode() in data for name, data in files.items())
    assert unpublish(dest, [entries[0].id]) == 1
    assert unpublish(dest, everything=True) == 1
    assert not dest.exists()


def board_page(folder, club="half-penny"):
    return (folder / "site" / "board" / f"{club}.html").read_text(encoding="utf-8")


def test_a_challenge_board_is_published_only_where_it_is_chosen(gallery, shared):
    assert not (shared.site / "board").exists()
    assert "Challenges" not in shared.index.read_text(encoding="utf-8")
    shown = preview(gallery, EVERYTHING, boards=["half-penny"])
    assert "stars, what each was billed, and the tokens" in shown.notices[0]
    assert preview(gallery, EVERYTHING).boards == ()
    with pytest.raises(InvalidRequest, match="no club 'penny'; choose of half-penny, "):
        preview(gallery, EVERYTHING, boards=["penny"])


def test_a_board_shows_what_its_preview_said_and_no_field_that_was_not_chosen(gallery, tmp_path):
    names = ["half-penny", "name=Tiny <b>,dollars=0.01,prompt_tokens=14"]
    how = {"fields": ["title"], "boards": names}
    fox, edit, canyon = (of(gallery, word) for word in ("red fox", "snow", "mossy"))
    chosen = Selection((canyon.id, edit.id, fox.id))
    made = publish(gallery, chosen, dest=tmp_path / "s", base_url="https://example.org", **how)
    shown = preview(gallery, chosen, **how).boards
    with Snapshot(made.folder) as snapshot:
        assert snapshot.settings.boards == made.boards == shown
    half, tiny = shown
    assert [each.stars for each in half.places] == [5]
    assert half.places[0].billed == fox.billed
    assert half.places[0].mark == "practice"
    text = board_page(made.folder)
    assert f'<a href="../item/{half.places[0].id}.html">Fox</a>' in text
    assert "$0.00" in text
    assert "5 of 5 stars" in text
    assert "Tiny &lt;b&gt; challenge" in board_page(made.folder, tiny.id)
    files = contents(made.folder / "site")
    assert not any(b"red fox" in data or b"mossy" in data for data in files.values())
    assert b"board/half-penny.html" in files["sitemap.xml"]
    page = files[f"item/{half.places[0].id}.html"].decode()
    assert "Half-penny</a>, place 1 of 1, practice" in page


def test_places_on_a_board_are_added_kept_and_taken_back(gallery, tmp_path):
    dest = tmp_path / "s"
    fox, other = of(gallery, "red fox"), of(gallery, "private prompt")

    def ranks():
        with Snapshot(dest) as snapshot:
            return {b.id: [p.stars for p in b.places] for b in snapshot.settings.boards}

    publish(gallery, Selection((other.id,)), dest=dest, boards=["half-penny"])
    publish(gallery, Selection((fox.id,)), dest=dest, add=True, boards=["half-penny"])
    assert ranks() == {"half-penny": [5, 0]}
    publish(gallery, Selection((fox.id,)), dest=dest, add=True)
    assert ranks() == {"half-penny": [0]}
    assert "place 1 of" not in str(contents(dest / "site" / "item").get(f"{fox.id}.html"))
    unpublish(dest, [other.id], gallery=gallery)
    assert ranks() == {}
    assert not (dest / "site" / "board").exists()


def test_taking_back_what_is_not_there_changes_nothing(gallery, shared):
    before = contents(shared.folder)
    private = of(gallery, "private")
    with pytest.raises(GalleryProblem, match="not in this snapshot; nothing was changed"):
        unpublish(shared.folder, [private.id], gallery=gallery)
    assert contents(shared.folder) == before


def test_an_original_that_is_gone_is_named_and_left_out(tmp_path, make_sample):
    with Gallery(tmp_path / "gallery") as opened:
        kept, lost = make_sample(opened, "kept"), make_sample(opened, "lost", size="704x976")
        opened.original_path(lost.id).unlink()
        made = publish(opened, EVERYTHING, dest=tmp_path / "s")
        assert made.count == 1
        assert [item for item, _ in made.missing] == [lost.id]
        with pytest.raises(GalleryProblem, match="None of the items could be published"):
            publish(opened, Selection((lost.id,)), dest=tmp_path / "t")
        assert not (tmp_path / "t").exists()
        assert kept.id != lost.id


@pytest.mark.parametrize(
    ("selection", "fields", "message"),
    [
        (Selection(), DEFAULT_FIELDS, "say what to publish"),
        (EVERYTHING, ["secret"], "'secret' is not a field"),
        (Selection(text="nosuchword"), DEFAULT_FIELDS, "nothing matches"),
        (Selection(where=Where(rating=4), text="snow"), DEFAULT_FIELDS, "nothing matches"),
    ],
)
def test_nothing_is_published_by_mistake(gallery, tmp_path, selection, fields, message):
    with pytest.raises(InvalidRequest, match=message):
        publish(gallery, selection, fields, tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_the_trash_is_refused_by_its_id(gallery):
    (thrown,) = gallery.search(trash=True).items
    with pytest.raises(GalleryProblem, match="in the trash"):
        preview(gallery, Selection((thrown.id,)))


def test_a_folder_with_other_things_in_it_is_not_replaced(gallery, tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(GalleryProblem, match="not a snapshot, and nothing in it was changed"):
        publish(gallery, EVERYTHING, dest=tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["diary.txt"]


@pytest.mark.parametrize("url", ["ftp://a/b", "example.org", "https://user:pw@example.org/"])
def test_an_address_that_is_none_is_refused(gallery, tmp_path, url):
    with pytest.raises(InvalidRequest, match="begins with https://"):
        publish(gallery, EVERYTHING, dest=tmp_path / "s", base_url=url)


def test_a_snapshot_from_a_newer_version_is_one_clear_sentence(shared, tmp_path):
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "published.db").write_bytes((shared.folder / "published.db").read_bytes())
    with sqlite3.connect(newer / "published.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(GalleryProblem, match=r"newer Halfpenny \(format 99.*update Halfpenny"):
        Snapshot(newer)


@pytest.mark.parametrize("content", [None, b"", b"not a database", b"SQLite format 3\0" * 9])
def test_what_is_no_snapshot_is_one_clear_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "published.db").write_bytes(content)
    with pytest.raises(GalleryProblem, match="snapshot"):
        Snapshot(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM items",
        "ATTACH 'other.db' AS other",
        "CREATE TABLE mine (a)",
        "PRAGMA user_version = 3",
        "SELECT load_extension('x')",
        "VACUUM INTO 'copy.db'",
    ],
)
def test_a_reader_can_only_read(shared, statement):
    with Snapshot(shared.folder) as snapshot, pytest.raises(sqlite3.DatabaseError):
        snapshot.reader._connection.execute(statement).fetchall()


@given(text=st.text(max_size=60), facet=st.text(max_size=20), sort=st.text(max_size=9))
def test_any_search_is_safe(shared, text, facet, sort):
    with Snapshot(shared.folder) as snapshot:
        where = {"tag": facet, "model": facet, "rating": facet, facet: text}
        found = snapshot.reader.find(text, where, sort=sort, facets=True)
        assert 0 <= found.total <= shared.count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FOX", ["the fox in snow", "a red fox"]),
        ("fox -snow", ["a red fox"]),
        ('"in snow"', ["the fox in snow"]),
        ('"snow in"', []),
        ("mos", ["a mossy canyon"]),
        ("tag:snow", ["the fox in snow"]),
        ("rating:5", ["a red fox"]),
        ("rating:<4 tag:animal", ["the fox in snow"]),
        ("shape:panorama", ["a mossy canyon"]),
        ("kind:photo", [""]),
        ("size:<0.1mp", [""]),
        ('" OR 1=1 --', []),
    ],
)
def test_a_search_finds_what_it_says(shared, text, expected):
    with Snapshot(shared.folder) as snapshot:
        found = [entry.prompt for entry in snapshot.reader.find(text).entries]
    assert [prompt.partition(", billed")[0] for prompt in found] == expected


def test_pages_hold_every_entry_once_in_every_order(gallery, tmp_path):
    made = publish(gallery, EVERYTHING, FIELDS, tmp_path / "s")
    with Snapshot(made.folder) as snapshot:
        for sort in ("newest", "oldest", "best", "dearest", "cheapest", "largest"):
            seen, after = [], None
            while True:
                page = snapshot.reader.find(sort=sort, limit=2, after=after)
                seen += [entry.id for entry in page.entries]
                after = page.next
                if after is None:
                    break
            assert len(seen) == len(set(seen)) == 5, sort


def test_links_are_absolute_where_the_address_is_known(shared):
    index = (shared.site / "index.html").read_text()
    assert '<meta property="og:url" content="https://example.org/p/">' in index
    image = re.search(r'og:image" content="(https://example.org/p/pictures/[^"]+)"', index)
    assert image is not None
    assert (shared.site / "pictures" / image[1].rpartition("/")[2]).is_file()
    page = next((shared.site / "item").iterdir()).read_text()
    assert 'name="twitter:card" content="summary_large_image"' in page
    assert "sitemap" in (shared.site / "robots.txt").read_text().lower()
    ET.fromstring((shared.site / "sitemap.xml").read_text())


def test_feeds_name_every_picture_with_its_page_and_alternative_text(shared):
    feed = ET.fromstring((shared.site / "feed.xml").read_text())
    space = {"a": "http://www.w3.org/2005/Atom"}
    links = [link.get("href") for link in feed.findall("a:entry/a:link[@rel='alternate']", space)]
    told = json.loads((shared.site / "feed.json").read_text())
    assert links == [item["url"] for item in told["items"]]
    assert len(links) == shared.count
    for link in links:
        assert (shared.site / link.removeprefix("https://example.org/p/")).is_file()
    assert all(item["content_text"] for item in told["items"])


def test_pages_allow_no_inline_script_and_no_foreign_address(shared):
    for path in shared.site.rglob("*.html"):
        text = path.read_text()
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
        assert policy is not None
        assert "script-src 'self';" in policy[1]
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|javascript:", text)
        loaded = re.findall(r'(?:src|srcset)="([^"]+)"|<link[^>]* href="([^"]+)"', text)
        foreign = [
            a or b for a, b in loaded if re.match(r"(?!https://example\.org/p/)\w+://", a or b)
        ]
        assert foreign == []
        assert all(alt.strip() for alt in re.findall(r'<img[^>]* alt="([^"]*)"', text))


def test_an_empty_preview_is_a_value_like_any_other():
    assert Preview((), (), {}).to_dict()["count"] == 0
