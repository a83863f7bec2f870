"""Photos that look alike are found before they are paid for; those that do not are left alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from playground import photos
from playground.errors import PhotoProblem
from playground.photos import similar
from playground.store.looks import Looks

PHOTOS = sorted((Path(photos.__file__).parent.parent / "data/photos").glob("*.jpg"))
CHANGES = {
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "a thumbnail": lambda image: image.resize((160, 160 * image.height // image.width)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.08),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.1),
    "sharpened": lambda image: image.filter(ImageFilter.SHARPEN),
    "turned by its tag": None,
}


def saved(image, path, **options):
    image.convert("RGB").save(path, **options)
    return photos.measure(path)


def look_of(image, tmp_path, name="one.jpg"):
    return similar.look(saved(image, tmp_path / name))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_of_a_photo_looks_like_it(tmp_path, change):
    known = []
    for path in PHOTOS:
        known.append((path.stem, similar.look(photos.measure(path))))
        image = Image.open(path)
        if change == "turned by its tag":
            exif = Image.Exif()
            exif[0x0112] = 6
            copy = saved(image.rotate(90, expand=True), tmp_path / path.name, exif=exif)
            assert copy.size == photos.measure(path).size
        else:
            copy = saved(CHANGES[change](image), tmp_path / path.name, quality=60)
        known.append((f"{path.stem}, {change}", similar.look(copy)))
    assert similar.groups(known) == [[path.stem, f"{path.stem}, {change}"] for path in PHOTOS]


def test_another_format_looks_the_same(tmp_path):
    image = Image.open(PHOTOS[0])
    for name in ("a.png", "a.webp", "a.tiff"):
        image.save(tmp_path / name)
    marks = [similar.look(photos.measure(path)) for path in sorted(tmp_path.iterdir())]
    assert similar.groups(list(enumerate([*marks, similar.look(photos.measure(PHOTOS[0]))])))


def test_different_photos_and_crops_of_one_photo_are_not_alike(tmp_path):
    known = [(path.stem, similar.look(photos.measure(path))) for path in PHOTOS]
    image = Image.open(PHOTOS[0])
    width, height = image.size
    corner = image.crop((width // 4, height // 4, width, height))
    known.append(("a crop", look_of(corner, tmp_path)))
    assert similar.groups(known) == []


def test_the_same_picture_in_another_colour_is_another_picture(tmp_path):
    grey = Image.open(PHOTOS[0]).convert("L")
    dim = grey.point([level * 3 // 5 for level in range(256)])
    red = look_of(Image.merge("RGB", (grey, dim, dim)), tmp_path)
    blue = look_of(Image.merge("RGB", (dim, dim, grey)), tmp_path, "two.jpg")
    assert differing(red, blue) < 30
    assert similar.groups([("red", red), ("blue", blue)]) == []


def test_plain_pictures_say_nothing_and_are_never_grouped(tmp_path):
    marks = [
        (shade, look_of(Image.new("RGB", (300, 200), (shade,) * 3), tmp_path)) for shade in (9, 10)
    ]
    assert [mark for _, mark in marks] == [b"", b""]
    assert similar.groups(marks) == []


def test_what_cannot_be_decoded_has_no_look_and_ends_nothing(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(PHOTOS[0].read_bytes()[:9000])
    cut = photos.measure(tmp_path / "cut.jpg")
    with pytest.raises(PhotoProblem, match="cut short"):
        similar.look(cut)
    found = list(similar.looks([cut, photos.measure(PHOTOS[0])]))
    assert [len(mark) for _, mark in found] == [0, similar.LOOK_BYTES]


def test_a_group_is_led_by_its_first_and_is_no_chain_of_small_steps():
    steps = [(n, ((1 << 8 * n) - 1).to_bytes(16, "big") + b"\x50" * 3) for n in range(8)]
    for group in similar.groups(steps):
        marks = [dict(steps)[key] for key in group]
        assert all(differing(marks[0], mark) <= similar.MOST_BITS for mark in marks)


def differing(one, other):
    return (int.from_bytes(one[:16], "big") ^ int.from_bytes(other[:16], "big")).bit_count()


def test_no_pair_within_the_limit_is_missed():
    draw = random.Random(1)
    for case in range(200):
        bits = draw.getrandbits(128)
        turned = draw.sample(range(128), similar.MOST_BITS + case % 2)
        other = bits ^ sum(1 << bit for bit in turned)
        marks = [(n, each.to_bytes(16, "big") + b"abc") for n, each in enumerate((bits, other))]
        assert similar.groups(marks) == ([] if case % 2 else [[0, 1]])


def test_many_that_look_the_same_are_one_group():
    mark = bytes(range(similar.LOOK_BYTES))
    assert similar.groups([(n, mark) for n in range(3000)]) == [list(range(3000))]


def test_looks_are_kept_by_hash_and_a_broken_cache_is_only_slow(tmp_path):
    looks = Looks(tmp_path)
    pairs = {bytes([n]) * 32: bytes([n]) * 19 for n in range(7)}
    looks.keep(pairs)
    looks.close()
    again = Looks(tmp_path)
    assert again.known([*pairs, b"\xff" * 32]) == pairs
    again.close()
    (tmp_path / "looks.db").write_bytes(b"no database" * 500)
    broken = Looks(tmp_path)
    broken.keep(pairs)
    assert broken.known([*pairs]) == {}
    broken.close()
