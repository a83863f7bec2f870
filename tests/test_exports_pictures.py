"""Copies of pictures: our words in them, nothing else of the file, every pixel as it was."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import struct
import xml.etree.ElementTree as ET
import zipfile
import zlib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from playground.exports import archive, containers, copies, fields, iptc, xmp
from playground.exports.selection import Selection
from playground.imports import words as read_words
from playground.store import Words
from playground.values import GalleryItem

GPS = "CANARY-51.5074"
SERIAL = "CANARY-SERIAL"
WORDS = {
    "title": 'Wüste <&> "glass"',
    "alt": "A desert of glass",
    "tags": ("désert", "a, b"),
    "rating": 4,
    "captions": (Words("Dunes at noon.", model="gpt-5.4-nano"),),
}


def exif() -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = 6
    made[0x010F] = SERIAL
    made.get_ifd(0x8825)[29] = GPS
    made.get_ifd(0x8769)[0xA431] = SERIAL
    made.get_ifd(0x8769)[0x927C] = b"CANARY maker note"
    return made


@functools.cache
def profile() -> bytes:
    """One profile for the whole file: it holds the second in which it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def private(photo_file, format_: str, **how) -> bytes:
    """A picture with everything in it that must not leave."""
    if format_ == "jpeg":
        how |= {"comment": b"CANARY comment", "xmp": b"<x>CANARY xmp</x>"}
    data = photo_file(format_, exif=exif(), icc_profile=profile(), **how)
    if format_ == "png":
        text = b"Author\0CANARY author"
        chunk = struct.pack(">I", len(text)) + b"tEXt" + text
        data = data[:33] + chunk + struct.pack(">I", zlib.crc32(b"tEXt" + text)) + data[33:]
    return data + b"CANARY behind the end"


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.size, image.convert("RGBA").tobytes()


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


@pytest.mark.parametrize(
    ("format_", "how"),
    [
        ("jpeg", {}),
        ("jpeg", {"progressive": True}),
        ("jpeg", {"mode": "L"}),
        ("png", {}),
        ("png", {"mode": "RGBA"}),
        ("png", {"mode": "P"}),
        ("png", {"mode": "LA"}),
        ("webp", {}),
        ("webp", {"lossless": True}),
        ("webp", {"mode": "RGBA"}),
        ("webp", {"mode": "RGBA", "lossless": True}),
    ],
)
def test_a_copy_has_our_words_and_nothing_else_around_the_same_pixels(
    format_, how, photo_file, folder_gallery, take, tmp_path
):
    data = private(photo_file, format_, **how)
    item = take(folder_gallery, data, **WORDS)
    done = copies.to_copies(folder_gallery, tmp_path / "out")
    (made,) = (tmp_path / "out").iterdir()
    copy = made.read_bytes()
    assert (done.items, done.notes) == (1, ())
    assert made.stem == item.id
    assert pixels(copy) == pixels(data)
    assert b"CANARY" not in copy
    image = opened(made)
    assert image.info.get("icc_profile") == profile()
    assert dict(image.getexif()) == {0x0112: 6}
    description = image.getxmp()["xmpmeta"]["RDF"]["Description"]
    assert description["title"]["Alt"]["li"]["text"] == WORDS["title"]
    assert description["AltTextAccessibility"]["Alt"]["li"]["text"] == WORDS["alt"]
    assert description["description"]["Alt"]["li"]["text"] == "Dunes at noon."
    assert description["CaptionWriter"] == "gpt-5.4-nano"
    assert set(description["subject"]["Bag"]["li"]) == set(WORDS["tags"])
    assert description["Rating"] == "4"
    assert hashlib.sha256(folder_gallery.original(item.id)).hexdigest() == item.sha256
    if format_ == "jpeg":
        read = read_words.iptc.read(copy[copy.index(b"Photoshop 3.0\0") + 14 :])
        assert read["title"] == [WORDS["title"]]
        assert set(read["keyword"]) == set(WORDS["tags"])


@pytest.mark.parametrize("format_", ["gif", "tiff", "bmp"])
def test_other_formats_are_encoded_anew_and_that_is_said(
    format_, photo_file, folder_gallery, take, tmp_path
):
    from playground.photos import measure

    path = tmp_path / "in"
    path.write_bytes(photo_file(format_))
    photo = measure(path)
    item = folder_gallery.add_photo(photo, path.read_bytes(), name="x", alt="words")
    done = copies.to_copies(folder_gallery, tmp_path / "out")
    (made,) = (tmp_path / "out").iterdir()
    assert "re-encoded" in " ".join(done.notes)
    assert made.stem == item.id
    assert opened(made).getxmp()
    assert pixels(made.read_bytes())[1] == (48, 32)


@pytest.mark.parametrize(
    ("format_", "how"),
    [("jpeg", {"mode": "CMYK"}), ("png", {"mode": "I;16"})],
)
def test_odd_colours_come_out_as_a_picture(
    format_, how, photo_file, folder_gallery, take, tmp_path
):
    if how["mode"] == "I;16":
        out = io.BytesIO()
        Image.frombytes("I;16", (48, 32), bytes(48 * 32 * 2)).save(out, "png")
        data = out.getvalue()
    else:
        data = photo_file(format_, **how)
    take(folder_gallery, data)
    assert copies.to_copies(folder_gallery, tmp_path / "out").items == 1
    (made,) = (tmp_path / "out").iterdir()
    assert opened(made).size == (48, 32)


def with_credentials(data: bytes) -> bytes:
    """A PNG with a chunk where C2PA manifests are."""
    content = b"\0\0\0\x10jumb....c2pa"
    check = zlib.crc32(b"caBX" + content)
    chunk = struct.pack(">I", len(content)) + b"caBX" + content + struct.pack(">I", check)
    return data[:33] + chunk + data[33:]


def test_a_copy_that_loses_content_credentials_says_so_and_the_original_keeps_them(
    photo_file, folder_gallery, take, tmp_path
):
    data = with_credentials(photo_file("png"))
    item = take(folder_gallery, data)
    done = copies.to_copies(folder_gallery, tmp_path / "out")
    assert "Content Credentials" in done.notes[0]
    assert item.id in done.notes[0]
    whole = copies.to_copies(folder_gallery, tmp_path / "whole", originals=True, sidecars=True)
    assert whole.notes == ()
    assert (tmp_path / "whole" / f"{item.id}.png").read_bytes() == data


@pytest.mark.parametrize(
    ("format_", "part"),
    [
        (
            "jpeg",
            lambda d: d[:2] + b"\xff\xeb\x00\x14JP\0\1\0\0\0\1" + b"jumbc2pa" + b"\0\0" + d[2:],
        ),
        ("webp", lambda d: d + b"C2PA\x04\0\0\0abcd"),
    ],
)
def test_content_credentials_are_seen_in_every_container(format_, part, photo_file):
    data = photo_file(format_)
    assert not containers.credentials(data, format_)
    assert containers.credentials(part(data), format_)


def test_prompt_and_cost_are_only_in_a_copy_when_asked(photo_file, folder_gallery, take, tmp_path):
    take(
        folder_gallery,
        photo_file("png"),
        kind="image",
        prompt="CANARY prompt",
        note="CANARY note",
        name="CANARY.png",
        model="gpt-image-2",
    )
    copies.to_copies(folder_gallery, tmp_path / "shy")
    (made,) = (tmp_path / "shy").iterdir()
    assert b"CANARY" not in made.read_bytes()
    assert b"trainedAlgorithmicMedia" in made.read_bytes()
    copies.to_copies(folder_gallery, tmp_path / "open", groups=fields.EVERYTHING)
    (made,) = (tmp_path / "open").iterdir()
    image = opened(made)
    assert image.text["parameters"].startswith("CANARY prompt\nSize: 48x32, Model: gpt-image-2")
    description = image.getxmp()["xmpmeta"]["RDF"]["Description"]
    assert description["AIPromptInformation"] == "CANARY prompt"
    assert description["AISystemUsed"] == "gpt-image-2"


def test_a_missing_original_is_told_and_the_others_go_on(folder_gallery, take, tmp_path):
    gone, kept = take(folder_gallery), take(folder_gallery)
    folder_gallery.original_path(gone.id).unlink()
    done = copies.to_copies(folder_gallery, tmp_path / "out")
    assert [path.stem for path in (tmp_path / "out").iterdir()] == [kept.id]
    assert gone.id in done.notes[0]


def test_a_damaged_picture_is_told_too(folder_gallery, take, photo_file, tmp_path):
    item = take(folder_gallery, photo_file("jpeg")[:300])
    done = copies.to_copies(folder_gallery, tmp_path / "out")
    assert (done.items, item.id in done.notes[0]) == (0, True)


def test_sidecars_stand_beside_the_owners_own_photos_and_only_there(
    folder_gallery, take, photo_file, tmp_path
):
    data, other = photo_file(seed=7), photo_file(seed=8)
    take(folder_gallery, data, **WORDS)
    archive_ = tmp_path / "archive" / "2026"
    archive_.mkdir(parents=True)
    (archive_ / "IMG_1.JPG").write_bytes(data)
    (archive_ / "IMG_2.JPG").write_bytes(other)
    done = copies.beside(folder_gallery, tmp_path / "archive")
    assert done.items == 1
    assert "not in this gallery" in done.notes[0]
    assert sorted(path.name for path in archive_.iterdir()) == [
        "IMG_1.JPG",
        "IMG_1.JPG.xmp",
        "IMG_2.JPG",
    ]
    assert (archive_ / "IMG_1.JPG").read_bytes() == data
    sidecar = (archive_ / "IMG_1.JPG.xmp").read_bytes()
    assert read_words.xmp.read(sidecar)["dc:title"] == [WORDS["title"]]
    again = copies.beside(folder_gallery, tmp_path / "archive")
    assert (again.items, "left alone" in " ".join(again.notes)) == (0, True)


def test_an_existing_folder_keeps_what_is_in_it(folder_gallery, take, tmp_path):
    item = take(folder_gallery)
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    from playground.errors import GalleryProblem

    with pytest.raises(GalleryProblem, match="--force"):
        copies.to_copies(folder_gallery, out)
    copies.to_copies(folder_gallery, out, force=True)
    assert sorted(path.name for path in out.iterdir()) == sorted(["mine.txt", f"{item.id}.jpg"])


# -- packets ---------------------------------------------------------------------------------------


def item_with(**words) -> GalleryItem:
    import datetime as dt

    from playground.size import Size

    values = {
        "id": "abc",
        "kind": "image",
        "sha256": "0" * 64,
        "format": "jpeg",
        "size": Size(4, 4),
        "size_bytes": 1,
        "created_at": dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
    }
    return GalleryItem(**{**values, **words})


@given(st.text(max_size=300), st.lists(st.text(min_size=1, max_size=40), max_size=5))
def test_any_text_makes_a_packet_that_parses_and_comes_back(text, tags):
    item = item_with(prompt=text, title=text, note=text, alt=text, tags=tuple(dict.fromkeys(tags)))
    packet, cut = xmp.packet(item, fields.EVERYTHING)
    ET.fromstring(packet.decode())
    assert not cut
    read = read_words.xmp.read(packet)
    plain = "".join(
        c if c in "\t\n\r" or (ord(c) >= 32 and ord(c) not in {0xFFFE, 0xFFFF}) else "\ufffd"
        for c in text
    )
    if plain.strip():
        assert read["Iptc4xmpExt:AIPromptInformation"] == [plain]
        assert read["halfpenny:Note"] == [plain]


def test_a_long_text_is_cut_to_what_fits_into_a_jpeg_and_whole_in_a_sidecar(
    folder_gallery, take, tmp_path
):
    item = take(folder_gallery, note="ä" * 90_000, title="kept")
    done = copies.to_copies(
        folder_gallery, tmp_path / "out", groups=fields.EVERYTHING, sidecars=True
    )
    assert "cut" in done.notes[0]
    image = opened(tmp_path / "out" / f"{item.id}.jpg")
    assert image.getxmp()["xmpmeta"]["RDF"]["Description"]["Headline"] == "kept"
    sidecar = (tmp_path / "out" / f"{item.id}.jpg.xmp").read_bytes()
    assert read_words.xmp.read(sidecar)["halfpenny:Note"] == ["ä" * 90_000]


def test_how_a_picture_came_to_be_is_always_said():
    for kind, sample, word in (
        ("image", False, "trainedAlgorithmicMedia"),
        ("edit", False, "compositeWithTrainedAlgorithmicMedia"),
        ("image", True, "algorithmicMedia"),
    ):
        packet, _ = xmp.packet(item_with(kind=kind, sample=sample), frozenset())
        (told,) = read_words.xmp.read(packet)["Iptc4xmpExt:DigitalSourceType"]
        assert told == f"http://cv.iptc.org/newscodes/digitalsourcetype/{word}"
    packet, _ = xmp.packet(item_with(kind="photo"), frozenset())
    assert b"DigitalSourceType" not in packet


def test_an_unknown_bill_is_not_in_the_packet_and_a_known_one_is_exact():
    packet, _ = xmp.packet(item_with(), fields.EVERYTHING)
    assert b"Billed" not in packet
    packet, _ = xmp.packet(item_with(billed=Decimal("0.00397")), fields.EVERYTHING)
    assert b"<halfpenny:Billed>0.00397</halfpenny:Billed>" in packet


def test_iptc_texts_are_cut_between_characters():
    block = iptc.block(item_with(title="ä" * 60, tags=("x" * 100,)), fields.EVERYTHING)
    read = read_words.iptc.read(block.removeprefix(b"Photoshop 3.0\0"))
    assert read == {"title": ["ä" * 32], "keyword": ["x" * 64]}
    assert iptc.block(item_with(), fields.EVERYTHING) == b""


# -- zip -------------------------------------------------------------------------------------------


def spellings(secret: str) -> list[bytes]:
    """A secret as bytes in the encodings that could hide it."""
    raw = secret.encode()
    found = [raw, secret.encode("utf-16-le"), secret.encode("utf-16-be"), raw.hex().encode()]
    for phase in range(3):
        coded = base64.b64encode(b"\0" * phase + raw).rstrip(b"=")
        found.append(coded[4 if phase else 0 : -2])
    return found


def test_nothing_private_is_in_any_export_of_a_private_photo(
    photo_file, folder_gallery, take, tmp_path, monkeypatch
):
    key = "sk-CANARY0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for format_ in ("jpeg", "png", "webp"):
        take(folder_gallery, private(photo_file, format_), alt="A desert")
    from playground.exports import markdown, page, tables

    everything = {"groups": fields.EVERYTHING}
    tables.to_csv(folder_gallery, tmp_path / "a.csv", **everything)
    tables.to_json(folder_gallery, tmp_path / "a.json", **everything)
    page.to_html(folder_gallery, tmp_path / "a.html", **everything)
    markdown.to_markdown(folder_gallery, tmp_path / "a.md", **everything)
    copies.to_xmp(folder_gallery, tmp_path / "pictures", **everything)
    archive.to_zip(folder_gallery, tmp_path / "a.zip", **everything)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "gallery" not in path.parts]
    assert len(files) == 11
    for path in files:
        data = path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as opened_:
                data += b"".join(opened_.read(name) for name in opened_.namelist())
        for secret in (key, GPS, SERIAL, "CANARY"):
            assert not [one for one in spellings(secret) if one in data], (path, secret)


def test_a_zip_has_neutral_names_and_all_data_and_tells_what_is_missing(
    folder_gallery, take, tmp_path
):
    item = take(folder_gallery, name="../../etc/passwd", title="a boat")
    gone = take(folder_gallery)
    folder_gallery.original_path(gone.id).unlink()
    done = archive.to_zip(folder_gallery, tmp_path / "a.zip")
    assert (done.items, len(done.notes)) == (2, 1)
    with zipfile.ZipFile(tmp_path / "a.zip") as made:
        assert made.testzip() is None
        assert sorted(made.namelist()) == sorted(
            [f"pictures/{item.id}.jpg", "gallery.json", "items.csv", "README.txt"]
        )
        import json

        items = {one["id"]: one for one in json.loads(made.read("gallery.json"))["items"]}
    assert items[item.id]["file"] == f"pictures/{item.id}.jpg"
    assert items[gone.id]["file"] is None


def test_a_zip_of_originals_has_their_very_bytes(folder_gallery, take, photo_file, tmp_path):
    data = private(photo_file, "jpeg")
    item = take(folder_gallery, data)
    archive.to_zip(folder_gallery, tmp_path / "a.zip", originals=True)
    with zipfile.ZipFile(tmp_path / "a.zip") as made:
        assert made.read(f"pictures/{item.id}.jpg") == data


@given(st.binary(max_size=400))
def test_damaged_files_never_break_an_embedding(data):
    for format_, head in (
        ("jpeg", b"\xff\xd8\xff"),
        ("png", b"\x89PNG\r\n\x1a\n"),
        ("webp", b"RIFF\0\0\0\0WEBP"),
    ):
        containers.embed(head + data, format_, containers.Words(b"<x/>"))
        assert containers.credentials(head + data, format_) in {True, False}
        assert containers.animated(head + data, format_) in {True, False}


def test_a_search_chooses_what_is_copied(folder_gallery, take, tmp_path):
    wanted = take(folder_gallery, title="lighthouse")
    take(folder_gallery, title="train")
    copies.to_copies(folder_gallery, tmp_path / "out", chosen=Selection(text="lighthouse"))
    assert [path.stem for path in (tmp_path / "out").iterdir()] == [wanted.id]


def test_a_picture_with_a_broken_beginning_is_encoded_anew_or_refused(photo_file):
    data = photo_file("png")
    assert containers.embed(b"\x89PNX" + data[4:], "png", containers.Words(b"<x/>")) is None
    assert containers.embed(data, "png", containers.Words(b"<x/>")) is not None
