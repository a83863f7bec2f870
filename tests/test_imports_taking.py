"""Taking things in: nothing twice, nothing lost in silence, nothing outside its limits."""

from __future__ import annotations

import io
import os
import sqlite3
import stat
import struct
import tarfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import GalleryProblem, PhotoProblem
from playground.exports import archive as zips
from playground.exports import copies, fields
from playground.imports import archive, llm_logs
from playground.imports.taking import Import
from playground.store import Words

GOLDEN = Path(__file__).parent / "golden"


def test_a_folder_is_taken_with_all_below_it_and_nothing_twice(
    folder_gallery, photo_file, tmp_path
):
    place = tmp_path / "in"
    (place / "deep" / "er").mkdir(parents=True)
    (place / "a.jpg").write_bytes(photo_file(seed=1))
    (place / "deep" / "b.png").write_bytes(photo_file("png", seed=2))
    (place / "deep" / "er" / "c.webp").write_bytes(photo_file("webp", seed=3))
    (place / "deep" / "same.jpg").write_bytes(photo_file(seed=1))
    (place / "broken.jpg").write_bytes(b"no picture")
    (place / "cut.png").write_bytes(photo_file("png", seed=4)[:200])
    (place / "empty.gif").write_bytes(b"")
    (place / "notes.txt").write_text("not a picture", encoding="utf-8")
    (place / "loop").symlink_to(place)
    done = Import(folder_gallery, keep_items=True).path(place)
    assert (done.new, done.known) == (3, 1)
    assert sorted(Path(what).name for what, _ in done.refused) == [
        "broken.jpg",
        "cut.png",
        "empty.gif",
    ]
    assert sorted(item.name for item in done.items) == ["a.jpg", "b.png", "c.webp"]
    assert all(item.billed is None and item.quoted_high is None for item in done.items)
    again = Import(folder_gallery).path(place)
    assert (again.new, again.known) == (0, 4)
    stored = folder_gallery.original(folder_gallery.search("b.png").items[0].id)
    assert stored == photo_file("png", seed=2)
    assert folder_gallery.thumbnail(done.items[0].id)


def test_a_picture_of_too_many_pixels_is_refused_and_the_others_come(
    folder_gallery, photo_file, tmp_path
):
    place = tmp_path / "in"
    place.mkdir()
    good = photo_file("png")
    head = struct.pack(">II", 20_000, 20_000) + good[24:29]
    check = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (place / "bomb.png").write_bytes(good[:16] + head + check + good[33:])
    (place / "good.png").write_bytes(good)
    (place / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    done = Import(folder_gallery).path(place)
    assert done.new == 1
    whys = sorted(why for _, why in done.refused)
    assert "400,000,000 pixels" in whys[0]
    assert "EPS" in whys[1]


def test_a_folder_that_is_not_there_is_one_sentence(folder_gallery, tmp_path):
    with pytest.raises(PhotoProblem, match="missing"):
        Import(folder_gallery).path(tmp_path / "nowhere")
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(PhotoProblem, match="unpack it"):
        Import(folder_gallery).path(tmp_path / "x.tar")


def test_both_databases_take_pictures_with_their_words(gallery, take, tmp_path):
    words = (Words("Dunes", model="m", tags=("sand",)), Words("mine"))
    item = take(gallery, kind="image", prompt="glass", model="sdxl", rating=9, captions=words)
    again = take(gallery, gallery.original(item.id), captions=(*words, Words("new", model="m")))
    assert again.id == item.id
    assert [one.text for one in again.captions] == ["Dunes", "mine", "new"]
    assert (item.rating, item.billed) == (5, None)
    assert [one.id for one in gallery.search("sand")] == [item.id]
    zips.to_zip(gallery, tmp_path / "a.zip")
    assert Import(gallery).path(tmp_path / "a.zip").known == 1
    assert gallery.ledger.totals().committed == 0


def test_words_of_other_tools_can_be_searched_and_cost_nothing_that_is_known(
    folder_gallery, photo_file, tmp_path
):
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a wizard\nNegative prompt: frog\nSteps: 20, Model: sdxl, Seed: 1")
    path = tmp_path / "00001.png"
    path.write_bytes(photo_file("png", pnginfo=info))
    done = Import(folder_gallery).path(path)
    assert done.sources == {"AUTOMATIC1111": 1}
    (item,) = folder_gallery.search("wizard")
    assert (item.kind, item.prompt, item.model) == ("image", "a wizard", "sdxl")
    assert item.billed is None
    assert fields.total_billed(item) is None
    assert "frog" in item.note
    assert folder_gallery.history(item.id)[0].who == "import from AUTOMATIC1111"
    assert folder_gallery.ledger.totals().committed == 0


def test_a_sidecar_beside_a_photo_is_read(folder_gallery, take, photo_file, tmp_path):
    data = photo_file(seed=5)
    take(folder_gallery, data, title="Dunes", alt="Sand", rating=4, tags=("sand",))
    place = tmp_path / "in"
    place.mkdir()
    (place / "a.jpg").write_bytes(data)
    copies.beside(folder_gallery, place, groups=fields.EVERYTHING)
    from playground.store import Gallery

    with Gallery(tmp_path / "other") as other:
        (item,) = Import(other, keep_items=True).path(place).items
    assert (item.title, item.alt, item.rating, item.tags) == ("Dunes", "Sand", 4, ("sand",))


# -- our own archives ------------------------------------------------------------------------------


@pytest.mark.parametrize("originals", [True, False])
def test_a_zip_of_ours_comes_back_into_an_empty_gallery(originals, folder_gallery, take, tmp_path):
    words = (Words("Dunes at noon", model="gpt-5.4-nano"), Words("mine"))
    before = take(
        folder_gallery,
        kind="image",
        prompt="\ta desert\n=1+1",
        model="gpt-image-2",
        quality="low",
        title="'Dunes",
        note=" windy ",
        alt="Sand",
        rating=3,
        tags=("sea, deep", "sand"),
        collection="2026",
        captions=words,
        sample=True,
    )
    zips.to_zip(folder_gallery, tmp_path / "a.zip", originals=originals)
    from playground.store import Gallery

    with Gallery(tmp_path / "other") as other:
        done = Import(other, keep_items=True).path(tmp_path / "a.zip")
        again = Import(other).path(tmp_path / "a.zip")
    assert (done.new, done.refused) == (1, [])
    assert (again.new, again.known) == (0, 1)
    (item,) = done.items
    for name in ("kind", "prompt", "model", "quality", "title", "note", "alt", "rating", "tags",
                 "collection", "name", "sample"):  # fmt: skip
        assert getattr(item, name) == getattr(before, name), name
    assert [(one.text, one.model) for one in item.captions] == [
        (one.text, one.model) for one in before.captions
    ]
    assert (item.billed, item.captions[0].billed) == (None, None)
    assert (item.sha256 == before.sha256) == originals


def test_copies_that_left_this_gallery_are_not_taken_again(folder_gallery, take, tmp_path):
    take(folder_gallery)
    copies.to_copies(folder_gallery, tmp_path / "out")
    done = Import(folder_gallery).path(tmp_path / "out")
    assert (done.new, done.known) == (0, 1)


# -- archives of strangers -------------------------------------------------------------------------


def zipped(tmp_path: Path, entries: list[tuple[zipfile.ZipInfo | str, bytes]], **how) -> Path:
    path = tmp_path / "stranger.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **how) as made:
        for entry, data in entries:
            made.writestr(entry, data)
    return path


def special(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_names_links_and_devices_lead_nowhere(folder_gallery, photo_file, tmp_path):
    picture = photo_file(seed=1)
    outside = {"../up.jpg", "/abs.jpg", "a/../../up.jpg", "C:/x.jpg", "..\\up.jpg", "\\abs.jpg"}
    entries = [(name, picture) for name in sorted(outside)]
    entries += [
        (special("link.jpg", stat.S_IFLNK | 0o777), b"/etc/passwd"),
        (special("device.jpg", stat.S_IFCHR | 0o666), b""),
        (special("pipe.jpg", stat.S_IFIFO | 0o666), b""),
        ("good/a.jpg", picture),
        ("good/folder/", b""),
        ("good/page.html", b"<script>"),
    ]
    room = tmp_path / "room"
    room.mkdir()
    path = zipped(room, entries)
    before = tree(tmp_path)
    done = Import(folder_gallery, keep_items=True).path(path)
    new = {name for name in tree(tmp_path) - before if not name.startswith("gallery")}
    assert new == set()
    assert [item.name for item in done.items] == ["a.jpg"]
    reasons = [why for _, why in done.refused]
    assert sum("leads out" in why for why in reasons) == len(outside)
    assert sum("link or a device" in why for why in reasons) == 3
    assert sum("HTML" in why for why in reasons) == 1


def test_a_member_that_expands_a_thousandfold_is_refused(folder_gallery, photo_file, tmp_path):
    path = zipped(tmp_path, [("bomb.jpg", bytes(200 << 20)), ("a.jpg", photo_file())])
    assert path.stat().st_size < 1 << 20
    done = Import(folder_gallery).path(path)
    assert done.new == 1
    (refused,) = done.refused
    assert "expands" in refused[1]


def test_a_member_that_lies_about_its_size_gives_no_more_than_it_says(tmp_path):
    path = zipped(tmp_path, [("a.jpg", bytes(100_000))])
    data = path.read_bytes()
    small = struct.pack("<I", 1_000)
    path.write_bytes(data.replace(struct.pack("<I", 100_000), small))
    with archive.Archive(path) as opened, pytest.raises(PhotoProblem):
        opened.read("a.jpg")


def test_more_than_the_limits_is_refused_as_a_whole(tmp_path, monkeypatch):
    path = zipped(tmp_path, [(f"{n}.jpg", b"") for n in range(archive.MAX_MEMBERS + 1)])
    with pytest.raises(PhotoProblem, match="50,001 files"):
        archive.Archive(path)
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 1 << 20)
    path.unlink()
    half = os.urandom(600_000)
    path = zipped(tmp_path, [("a.jpg", half), ("b.jpg", half[::-1])])
    with pytest.raises(PhotoProblem, match="unpacks to more"):
        archive.Archive(path)


def test_a_directory_of_a_million_names_is_not_even_read(tmp_path):
    path = tmp_path / "names.zip"
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    directory = (entry + b"a") * 1_000_000
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 9, 9, len(directory), 0, 0)
    path.write_bytes(directory + end)
    with pytest.raises(PhotoProblem, match="directory of"):
        archive.Archive(path)


def test_members_that_share_bytes_are_refused(tmp_path):
    path = zipped(tmp_path, [("a.jpg", os.urandom(5_000)), ("b.jpg", os.urandom(5_000))])
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    struct.pack_into("<I", data, second + 42, 0)  # the second entry points at the first file
    path.write_bytes(data)
    with archive.Archive(path) as opened:
        assert opened.names() == []
        assert {why for _, why in opened.refused} == {"it overlaps another file of the archive"}


def test_the_same_name_twice_and_encryption_are_refused(tmp_path, recwarn):
    path = zipped(tmp_path, [("a.jpg", b"1"), ("b.jpg", b"2")])
    data = path.read_bytes().replace(b"b.jpg", b"a.jpg")
    path.write_bytes(data)
    with archive.Archive(path) as opened:
        assert (opened.names(), opened.refused[0][0]) == (["a.jpg"], "a.jpg")
    flagged = bytearray(zipped(tmp_path, [("a.jpg", b"1")]).read_bytes())
    flagged[flagged.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(flagged)
    with archive.Archive(path) as opened:
        assert opened.refused == [("a.jpg", "it is encrypted")]
    del recwarn


def test_a_tar_under_another_name_is_no_picture(folder_gallery, tmp_path):
    path = tmp_path / "x.zip"
    with tarfile.open(path, "w") as made:
        entry = tarfile.TarInfo("../../up.jpg")
        made.addfile(entry, io.BytesIO(b""))
    with pytest.raises(PhotoProblem, match="not a zip"):
        Import(folder_gallery).path(path)


@settings(max_examples=60)
@given(st.data())
def test_no_damage_to_a_zip_ends_in_anything_but_a_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("zip")
    path = zipped(folder, [("a.jpg", b"x" * 300), ("b/c.jpg", zlib.compress(b"y"))])
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    read: list[bytes] = []
    with suppress(PhotoProblem), archive.Archive(path) as opened:
        read += [opened.read(name) for name in opened]
    assert sum(map(len, read)) < 1_000


# -- logs of llm -----------------------------------------------------------------------------------


def log(tmp_path: Path, version: str) -> Path:
    path = tmp_path / "logs.db"
    connection = sqlite3.connect(path)
    connection.executescript((GOLDEN / f"llm_{version}.sql").read_text(encoding="utf-8"))
    connection.close()
    return path


@pytest.mark.parametrize(
    ("version", "model"), [("0_26", "echo-vision"), ("0_36", "echo-vision-2026-11")]
)
def test_a_log_of_llm_gives_its_pictures_and_answers(version, model, folder_gallery, tmp_path):
    path = log(tmp_path, version)
    before = path.read_bytes()
    done = Import(folder_gallery, keep_items=True).path(path)
    assert (done.new, done.updated) == (1, 1)
    (item,) = folder_gallery.search("")
    said = [(one.task, one.text, one.model, one.billed) for one in item.captions]
    assert said == [
        ("describe", "A small grey square.", model, None),
        ("alt", "Grey noise.", model, None),
    ]
    assert item.captions[0].created_at.year == 2026
    assert sorted(what for what, _ in done.refused) == [
        "https://example.org/x.png",
        "photos/on-disk.png",
    ]
    again = Import(folder_gallery).path(path)
    assert (again.new, again.updated, again.known) == (0, 0, 2)
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["gallery", "logs.db"]


def test_photos_that_a_log_names_are_read_only_when_asked(
    folder_gallery, photo_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "on-disk.png").write_bytes(photo_file("png"))
    path = log(tmp_path, "0_36")
    Import(folder_gallery).path(path)
    assert folder_gallery.search("").total == 1
    Import(folder_gallery).path(path, follow=True)
    (item,) = folder_gallery.search("on-disk")
    assert item.captions[0].text == "A small grey square."


def test_a_log_in_use_is_read_with_what_is_only_in_its_journal(folder_gallery, tmp_path):
    path = log(tmp_path, "0_26")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("UPDATE responses SET response = 'Newer words.'")
    writer.commit()
    Import(folder_gallery).path(path)
    (item,) = folder_gallery.search("newer")
    assert {one.text for one in item.captions} == {"Newer words."}
    writer.close()


def test_triggers_views_and_functions_of_a_strangers_database_do_not_run(folder_gallery, tmp_path):
    path = log(tmp_path, "0_26")
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE loot (x);
        CREATE TRIGGER t AFTER INSERT ON attachments BEGIN INSERT INTO loot VALUES (1); END;
        ALTER TABLE responses RENAME TO kept;
        CREATE VIEW responses AS SELECT id, model, prompt, load_extension('x') AS response,
            datetime_utc, conversation_id FROM kept;
        """
    )
    connection.close()
    before = path.read_bytes()
    with pytest.raises(GalleryProblem, match="not a log of llm"):
        Import(folder_gallery).path(path)
    assert path.read_bytes() == before


def test_a_column_that_is_computed_is_not_read(folder_gallery, tmp_path):
    path = tmp_path / "logs.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE responses (id TEXT, model TEXT, prompt TEXT, datetime_utc TEXT,
            response TEXT AS (upper(prompt)));
        CREATE TABLE attachments (id TEXT, type TEXT, path TEXT, url TEXT, content BLOB);
        CREATE TABLE prompt_attachments (response_id TEXT, attachment_id TEXT);
        INSERT INTO responses VALUES ('r', 'm', 'p', '2026-01-01');
        INSERT INTO attachments VALUES ('a', 'image/png', NULL, NULL, x'00');
        INSERT INTO prompt_attachments VALUES ('r', 'a');
        """
    )
    connection.close()
    with pytest.raises(GalleryProblem, match="not a log of llm"):
        Import(folder_gallery).path(path)


def test_other_databases_and_damage_are_one_sentence(folder_gallery, tmp_path):
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE x (y)")
    connection.commit()
    connection.close()
    with pytest.raises(GalleryProblem, match="not a log of llm"):
        Import(folder_gallery).path(other)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"SQLite format 3\0" + os.urandom(4_000))
    with pytest.raises(GalleryProblem, match="cannot be read"):
        Import(folder_gallery).path(broken)


def test_a_conversation_gives_each_picture_only_its_own_answer(tmp_path):
    path = log(tmp_path, "0_36")
    connection = sqlite3.connect(path)
    # A second turn after the first: its message follows the answer of the first.
    (tip,) = connection.execute(
        "SELECT tip_message_hash FROM turns ORDER BY datetime_utc LIMIT 1"
    ).fetchone()
    connection.executescript(
        f"""
        INSERT INTO messages VALUES ('u2', '{tip}', 'user', NULL), ('a2', 'u2', 'assistant', NULL);
        INSERT INTO parts (id, message_hash, position, type, text)
            VALUES (100, 'u2', 0, 'text', 'And now?'), (101, 'a2', 0, 'text', 'Still grey.');
        INSERT INTO turns (id, parent_message_hash, tip_message_hash, model)
            VALUES ('t2', 'u2', 'a2', 'm');
        """
    )
    connection.commit()
    connection.close()
    asked = [(one.prompt, one.answer) for one in llm_logs.read(path) if one.content]
    assert asked == [
        ("Describe this picture", "A small grey square."),
        ("Write alt text", "Grey noise."),
    ]
