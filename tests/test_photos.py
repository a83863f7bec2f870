"""Photos: measured by header, decoded in a limited child, sent without metadata."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo

from playground import photos
from playground.errors import PhotoProblem
from playground.photos import header, pool
from playground.photos.decode import unchanged
from playground.photos.strip import strip
from playground.size import Size
from playground.values import CaptionRequest, EditRequest, ImageRequest, Photo

CANARY = "CANARY-7f3a"
LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


def picture(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """A picture whose corners tell how it was turned: red is top left, blue is top right."""
    image = Image.new("RGB", (width, height), "grey")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 4, height // 4), fill="red")
    draw.rectangle((width - width // 4, 0, width, height // 4), fill="blue")
    return image.convert(mode)


def encoded(image: Image.Image, format_: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def exif_with(orientation: int = 1, canary: str = "") -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if canary:
        exif[0x010E] = f"{canary} description"
        exif[0x9C9B] = canary.encode("utf-16-le")  # XPTitle
        exif[0x927C] = f"{canary} maker note".encode()
        gps = exif.get_ifd(0x8825)
        gps[1], gps[2], gps[29] = "N", (51.0, 30.0, 0.25), f"{canary}-GPS"
    return exif


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def corner(data: bytes) -> str:
    """Where the red corner is, as seen."""
    image = decoded(data).convert("RGB")
    width, height = image.size
    for name, place in {
        "top left": (2, 2),
        "top right": (width - 3, 2),
        "bottom left": (2, height - 3),
        "bottom right": (width - 3, height - 3),
    }.items():
        red, green, blue = image.getpixel(place)
        if red > 180 and green < 90 and blue < 90:
            return name
    return "nowhere"


def png_of(width: int, height: int, depth: int, colour: int, rows: int | None = None) -> bytes:
    """A valid PNG of zeros, made without holding its pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    channels = {0: 1, 2: 3, 6: 4}[colour]
    line = bytes(1 + width * channels * depth // 8)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(line) for _ in range(height if rows is None else rows))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    idat = chunk(b"IDAT", body + packer.flush())
    return signature + chunk(b"IHDR", head) + idat + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def heavy() -> bytes:
    """The most that is decoded: 512 MiB of raw samples in a small file."""
    return png_of(8_192, 8_192, 16, 6)


# --- measuring -----------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_every_allowed_format_is_measured_as_pillow_sees_it(tmp_path: Path, format_: str) -> None:
    path = save(tmp_path / "a.bin", encoded(picture(300, 200), format_))
    photo = photos.measure(path)
    assert photo.size == Size(300, 200)
    assert photo.format == format_.lower()
    assert photo.size_bytes == path.stat().st_size
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert photo.path == path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_orientation_is_applied_to_the_size_and_to_what_is_sent(
    tmp_path: Path, format_: str, orientation: int
) -> None:
    data = encoded(picture(64, 48), format_, exif=exif_with(orientation))
    photo = photos.measure(save(tmp_path / "a", data))
    assert photo.size == (Size(48, 64) if orientation >= 5 else Size(64, 48))
    upload = photos.prepare(photo)
    assert upload.size == photo.size
    assert decoded(upload.data).size == (photo.width_px, photo.height_px)
    where = ["top left", "top right", "bottom right", "bottom left"]
    expected = dict(zip(range(1, 9), [*where, *[where[i] for i in (0, 1, 2, 3)]], strict=True))
    assert corner(upload.data) == expected[orientation]


def test_a_lossless_and_an_extended_webp_are_measured(tmp_path: Path) -> None:
    alpha = encoded(picture(33, 21, "RGBA"), "WEBP", lossless=True)
    frames = [picture(40, 30), picture(40, 30).rotate(90)]
    moving = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert header.of_bytes(alpha).shown == (33, 21)
    assert header.of_bytes(moving).shown == (40, 30)
    assert photos.prepare(moving).format in {"png", "jpeg"}


def test_a_frame_size_behind_long_segments_is_found(tmp_path: Path) -> None:
    data = encoded(picture(), "JPEG", exif=exif_with(6))
    padding = b"".join(b"\xff\xed" + struct.pack(">H", 65_535) + b"x" * 65_533 for _ in range(5))
    path = save(tmp_path / "a.jpg", data[:2] + padding + b"\xff\xff" + data[2:])
    assert photos.measure(path).size == Size(48, 64)


def test_random_pictures_measure_as_pillow_measures_them(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(150):
        size = chance.randint(1, 400), chance.randint(1, 400)
        format_ = chance.choice(["JPEG", "PNG", "WEBP", "GIF", "BMP"])
        options = {"progressive": chance.random() < 0.5} if format_ == "JPEG" else {}
        data = encoded(Image.new("RGB", size, "teal"), format_, **options)
        assert header.of_bytes(data).shown == size


def test_damaged_headers_never_do_worse_than_a_refusal() -> None:
    chance = random.Random(11)
    whole = [
        encoded(picture(), "JPEG", exif=exif_with(6, CANARY)),
        encoded(picture(), "PNG", exif=exif_with(6)),
        encoded(picture(), "WEBP", exif=exif_with(6)),
        encoded(picture(), "GIF"),
        encoded(picture(), "BMP"),
    ]
    for round_ in range(4_000):
        data = bytearray(whole[round_ % len(whole)])
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(min(len(data), 400))] = chance.randrange(256)
        cut = bytes(data[: chance.randrange(len(data))] if chance.random() < 0.3 else data)
        with contextlib.suppress(header.BadHeader):
            header.of_bytes(cut)
        strip(cut, ["jpeg", "png", "webp"][round_ % 3])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"just some words about a picture", "text"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"8BPS\0\x01" + bytes(40), "PSD"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<!DOCTYPE html><title>no</title>", "HTML"),
        (b"\x7fELF" + bytes(60), "a program"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\xff\xd8\xff\xe0\0\x10JF", "cut short"),
        (b"\x89PNG\r\n\x1a\n", "cut short"),
        (bytes(100), "unknown kind"),
    ],
)
def test_what_is_no_allowed_picture_is_refused_with_its_kind_whatever_its_name(
    tmp_path: Path, data: bytes, why: str
) -> None:
    path = save(tmp_path / "holiday.jpg", data)
    with pytest.raises(PhotoProblem, match=rf"^holiday\.jpg: .*{why}"):
        photos.measure(path)
    with pytest.raises(PhotoProblem, match=r"^holiday\.jpg: "):
        photos.prepare(path)


def test_a_missing_file_a_folder_and_a_pipe_are_named(tmp_path: Path) -> None:
    with pytest.raises(PhotoProblem, match=r"gone\.jpg is missing$"):
        photos.measure(tmp_path / "gone.jpg")
    with pytest.raises(PhotoProblem, match="is a folder, not a picture"):
        photos.measure(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoProblem, match="not a file"):
        photos.measure(tmp_path / "pipe.jpg")


def test_a_file_that_may_not_be_read_says_why(tmp_path: Path) -> None:
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)  # root may read everything, but not this
    with pytest.raises(PhotoProblem, match=r"cannot be read \("):
        photos.measure(loop)


def test_many_files_are_measured_lazily_and_in_order_with_the_refused_among_them(
    tmp_path: Path,
) -> None:
    good = [save(tmp_path / f"{i}.png", encoded(picture(10 + i, 9), "PNG")) for i in range(40)]
    bad = save(tmp_path / "bad.png", b"words")
    asked = [*good[:20], bad, *good[20:]]
    for with_hash in (False, True):
        answers = list(photos.measure_many(asked, with_hash=with_hash))
        assert answers[20][0] == bad
        assert "it is text" in answers[20][1]
        widths = [answer.width_px for answer in answers if isinstance(answer, Photo)]
        assert widths == list(range(10, 50))
        assert (answers[0].sha256 is not None) is with_hash
    endless = photos.measure_many(iter(lambda: good[0], None))
    assert next(endless).size == Size(10, 9)


# --- scanning ------------------------------------------------------------------------------


def test_a_folder_is_scanned_sorted_without_hidden_files_and_loops(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a.webp", "c.eps", ".hidden/x.jpg", ".y.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "again").symlink_to(tmp_path)
    (tmp_path / "other").symlink_to(tmp_path / "b")
    found = [str(path.relative_to(tmp_path)) for path in photos.scan(tmp_path)]
    assert found == ["a.webp", "c.eps", "b/1.png", "b/2.JPG"]


def test_a_folder_that_cannot_be_read_is_reported_and_passed_by(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.jpg").touch()
    (tmp_path / "a").mkdir()
    problems = []
    listing = photos.scan(tmp_path, on_problem=lambda path, why: problems.append((path.name, why)))
    (tmp_path / "c.jpg").touch()
    assert next(listing).name == "c.jpg"
    (tmp_path / "a").rmdir()  # as unreadable as a folder can be, for root too
    assert [path.name for path in listing] == ["x.jpg"]
    assert problems == [("a", "the folder cannot be read (No such file or directory)")]
    with pytest.raises(PhotoProblem, match="is missing"):
        list(photos.scan(tmp_path / "nowhere"))


# --- hostile pictures ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "depth", "colour"),
    [
        (9_500, 9_500, 8, 0),
        (13_300, 13_300, 8, 0),
        (13_300, 13_300, 16, 6),
        (20_000, 20_000, 8, 0),
    ],
)
def test_pixel_bombs_are_refused_by_their_header(
    tmp_path: Path, width: int, height: int, depth: int, colour: int
) -> None:
    path = save(tmp_path / "bomb.png", png_of(width, height, depth, colour, rows=4))
    pixels = f"{width * height:,} pixels ({width}x{height}); at most 67,108,864 are decoded"
    for act in (photos.measure, photos.prepare, photos.thumbnail):
        with pytest.raises(PhotoProblem) as refused:
            act(path)
        assert pixels in str(refused.value)


def child_peak_bytes() -> int:
    peaks = []
    for pid in pool.shared.pids():
        text = Path(f"/proc/{pid}/status").read_text()
        peaks += [
            int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmPeak")
        ]
    return max(peaks)


@LINUX
def test_the_largest_allowed_picture_keeps_the_child_below_one_gibibyte(heavy: bytes) -> None:
    before = int(Path("/proc/self/statm").read_text().split()[1])
    upload = photos.prepare(heavy, resize=512)
    after = int(Path("/proc/self/statm").read_text().split()[1])
    assert upload.size == Size(512, 512)
    assert child_peak_bytes() <= 1 << 30
    assert (after - before) * os.sysconf("SC_PAGESIZE") < 64 << 20


def test_a_frame_larger_than_its_file_says_is_still_refused() -> None:
    small = encoded(Image.new("P", (9_000, 9_000)), "GIF")
    lying = small[:6] + struct.pack("<HH", 10, 10) + small[10:]
    assert header.of_bytes(lying).shown == (10, 10)
    with pytest.raises(PhotoProblem, match=r"81,000,000 pixels"):
        photos.thumbnail(lying)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_truncated_picture_is_never_sent(tmp_path: Path, format_: str) -> None:
    noise = Image.effect_noise((400, 300), 80).convert("RGB")
    data = encoded(noise, format_)
    for part in (0.5, 0.9):
        path = save(tmp_path / "half", data[: int(len(data) * part)])
        for resize in (None, 100):
            with pytest.raises(PhotoProblem, match=r"^half: it"):
                photos.prepare(path, resize=resize)


@LINUX
def test_a_child_that_dies_costs_one_picture_and_is_replaced(heavy: bytes) -> None:
    photos.thumbnail(encoded(picture(), "PNG"))
    failures = []

    def work() -> None:
        try:
            photos.prepare(heavy)
        except PhotoProblem as problem:
            failures.append(str(problem))

    (victim, *_) = pool.shared.pids()[-1:]
    thread = threading.Thread(target=work)
    thread.start()
    while pool.shared.pids().count(victim):  # until it is busy with the large picture
        time.sleep(0.001)
    os.kill(victim, signal.SIGKILL)
    thread.join()
    assert failures == [
        "the picture: decoding it ended the decoder (it is damaged, or made to do that)"
    ]
    assert photos.prepare(encoded(picture(), "PNG")).size == Size(64, 48)


def test_a_picture_that_takes_too_long_is_stopped(
    heavy: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WALL_SECONDS", 0.05)
    pool.shared.close()
    with pytest.raises(PhotoProblem, match="longer than"):
        photos.prepare(heavy)
    monkeypatch.undo()
    monkeypatch.setattr(pool, "CPU_SECONDS", 0.05)
    with pytest.raises(PhotoProblem, match=r"more than 0\.05 seconds of computing time"):
        photos.prepare(heavy)


@LINUX
def test_the_child_holds_no_key_and_may_not_write_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"sk-{CANARY}")
    pool.shared.close()
    photos.thumbnail(encoded(picture(), "PNG"))
    for pid in pool.shared.pids():
        assert CANARY.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        limits = Path(f"/proc/{pid}/limits").read_text()
        rows = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
        assert rows["Max file size"] == "0"
        assert rows["Max address space"] == str(1 << 30)


@LINUX
def test_no_child_outlives_a_killed_parent() -> None:
    script = (
        "import io, os, signal\n"
        "from PIL import Image\n"
        "from playground import photos\n"
        "from playground.photos import pool\n"
        "out = io.BytesIO(); Image.new('RGB', (9, 9)).save(out, 'PNG')\n"
        "photos.thumbnail(out.getvalue())\n"
        "print(*pool.shared.pids(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    (pid,) = map(int, made.stdout.split())
    deadline = time.monotonic() + 10
    while (alive := Path(f"/proc/{pid}/stat")).exists() and ") Z" not in alive.read_text():
        assert time.monotonic() < deadline, "the decoding child is still there"
        time.sleep(0.01)


def test_many_threads_share_a_few_children() -> None:
    data = encoded(picture(500, 400), "JPEG")
    with ThreadPoolExecutor(12) as threads:
        sizes = set(threads.map(lambda edge: photos.prepare(data, resize=edge).size, [100] * 60))
    assert sizes == {Size(100, 80)}
    assert 1 <= len(pool.shared.pids()) <= pool.shared.size


def test_a_forked_process_gets_children_of_its_own() -> None:
    script = (
        "import io, os\n"
        "from PIL import Image\n"
        "from playground import photos\n"
        "from playground.photos import pool\n"
        "out = io.BytesIO(); Image.new('RGB', (9, 9)).save(out, 'PNG')\n"
        "photos.thumbnail(out.getvalue())\n"
        "mine = set(pool.shared.pids())\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    photos.thumbnail(out.getvalue())\n"
        "    os._exit(7 if mine & set(pool.shared.pids()) else 0)\n"
        "status = os.waitpid(pid, 0)[1]\n"
        "photos.thumbnail(out.getvalue())\n"
        "assert status == 0 and set(pool.shared.pids()) == mine\n"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()


def test_measuring_and_importing_load_no_picture_library(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", encoded(picture(), "JPEG"))
    script = (
        "import sys\nfrom playground import photos\n"
        f"assert photos.measure({str(path)!r}).width_px == 64\n"
        "assert not any(name.split('.')[0] == 'PIL' for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- what is sent --------------------------------------------------------------------------


def leaky(format_: str, orientation: int) -> bytes:
    """A picture with a canary in every place that a metadata reader knows."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile += CANARY.encode() + CANARY.encode("utf-16-be")
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{CANARY}-XMP</x:xmpmeta>".encode()
    options = {"exif": exif_with(orientation, CANARY), "icc_profile": profile}
    if format_ == "PNG":
        text = PngInfo()
        text.add_text("Comment", CANARY)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=False)
        options["pnginfo"] = text
    else:
        options["xmp"] = xmp
    if format_ == "JPEG":
        options["comment"] = CANARY.encode()
    data = encoded(picture(200, 150), format_, **options)
    if format_ == "JPEG":
        iptc = b"Photoshop 3.0\x008BIM" + CANARY.encode()
        extra = b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc
        data = data[:2] + extra + data[2:]
    return data + CANARY.encode() + b"PK\x03\x04<script>"


@pytest.mark.parametrize("resize", [None, 120])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_no_metadata_leave_with_a_photo(
    tmp_path: Path, format_: str, orientation: int, resize: int | None
) -> None:
    data = leaky(format_, orientation)
    assert data.count(CANARY.encode()) >= 3
    upload = photos.prepare(save(tmp_path / f"{CANARY}.jpg", data), resize=resize)
    thumb, _ = photos.thumbnail(data)
    for sent in (upload.data, thumb):
        assert CANARY.encode() not in sent
        assert CANARY.encode("utf-16-le") not in sent
        assert CANARY.encode("utf-16-be") not in sent
        for mark in (b"Exif", b"GPS", b"xmp", b"ICC_PROFILE", b"iCCP", b"Photoshop", b"<script>"):
            assert mark not in sent
        assert not decoded(sent).getexif()
        assert not {"exif", "xmp", "comment", "icc_profile"} & set(decoded(sent).info)
    assert CANARY not in repr(upload)


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("JPEG", {"quality": 87}),
        ("JPEG", {"quality": 87, "progressive": True}),
        ("JPEG", {"quality": 87, "restart_marker_blocks": 2}),
        ("PNG", {}),
        ("WEBP", {"quality": 60}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_an_upright_photo_that_needs_no_change_keeps_its_pixels_bit_for_bit(
    format_: str, options: dict
) -> None:
    noise = Image.effect_noise((180, 140), 90).convert("RGB")
    data = encoded(noise, format_, exif=exif_with(1, CANARY), **options)
    upload = photos.prepare(data)
    assert upload.format == format_.lower()
    assert decoded(upload.data).tobytes() == decoded(data).tobytes()
    assert CANARY.encode() not in upload.data


def test_transparent_pictures_stay_transparent_where_png_may_be_sent() -> None:
    clear = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    for format_ in ("PNG", "WEBP", "TIFF"):
        upload = photos.prepare(encoded(clear, format_), resize=20)
        assert upload.format == "png"
        assert decoded(upload.data).getpixel((5, 5))[3] == 0
    flat = photos.prepare(encoded(clear, "PNG"), formats=("jpeg",))
    assert flat.format == "jpeg"
    assert min(decoded(flat.data).getpixel((5, 5))) > 250
    webp = photos.prepare(encoded(clear, "WEBP", lossless=True))
    assert webp.format == "webp"
    assert decoded(webp.data).getpixel((5, 5))[3] == 0


def test_resizing_keeps_the_ratio_and_never_scales_up() -> None:
    data = encoded(picture(1_000, 333), "JPEG")
    assert photos.prepare(data, resize=500).size == Size(500, 167)
    assert photos.prepare(data, resize=4_000).size == Size(1_000, 333)
    assert photos.prepare(encoded(picture(900, 1), "PNG"), resize=16).size == Size(16, 1)
    turned = encoded(picture(1_000, 333), "JPEG", exif=exif_with(6))
    assert photos.prepare(turned, resize=500).size == Size(167, 500)


def test_only_an_upright_jpeg_is_sent_as_it_is_and_without_its_metadata(tmp_path: Path) -> None:
    """Whether a model obeys an orientation tag is nowhere promised: turned photos are decoded."""
    upright, turned = tmp_path / "upright.jpg", tmp_path / "turned.jpg"
    upright.write_bytes(encoded(picture(120, 80), "JPEG", comment=b"CANARY"))
    turned.write_bytes(encoded(picture(120, 80), "JPEG", exif=exif_with(6)))
    plain = unchanged(photos.measure(upright), upright.read_bytes())
    assert plain is not None
    assert b"CANARY" not in plain.data
    assert unchanged(photos.measure(turned), turned.read_bytes()) is None
    assert unchanged(photos.measure(upright), upright.read_bytes(), resize=60) is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_can_be_left_as_it_is_with_nothing_but_its_orientation(
    tmp_path: Path, orientation: int
) -> None:
    path = tmp_path / "turned.jpg"
    path.write_bytes(leaky("JPEG", orientation))
    photo = photos.measure(path)
    upload = unchanged(photo, path.read_bytes(), turned=True)
    assert upload is not None
    assert upload.data == photos.ready(photo, turned=True).data
    assert CANARY.encode() not in upload.data
    sent = Image.open(io.BytesIO(upload.data))
    assert dict(sent.getexif()) == ({} if orientation == 1 else {0x0112: orientation})
    assert upload.size == photo.size == photos.sniff(upload.data)[1]
    assert sent.tobytes() == Image.open(path).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_something_that_is_sent(mode: str) -> None:
    image = picture(60, 40, "L").convert(mode) if mode in {"I", "F", "1"} else None
    if image is None:
        image = Image.new("I;16", (60, 40), 40_000) if mode == "I;16" else picture(60, 40, mode)
    upload = photos.prepare(encoded(image, "TIFF"), resize=30)
    assert upload.size == Size(30, 20)
    assert decoded(upload.data).mode in {"L", "RGB", "RGBA"}
    if mode == "I;16":
        assert abs(decoded(upload.data).convert("L").getpixel((3, 3)) - 40_000 / 257) <= 2


def swapped_primaries() -> bytes:
    """A colour profile in which red and green have changed places, and which is not sRGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile = profile.replace("sRGB".encode("utf-16-be"), "Odd ".encode("utf-16-be"))
    for old, new in ((b"rXYZ", b"????"), (b"gXYZ", b"rXYZ"), (b"????", b"gXYZ")):
        place = profile.index(old)
        profile[place : place + 4] = new
    return bytes(profile)


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_foreign_colours_are_converted_and_not_merely_untagged(format_: str) -> None:
    red = Image.new("RGB", (32, 32), (220, 20, 20))
    plain = photos.prepare(encoded(red, format_))
    assert decoded(plain.data).getpixel((5, 5))[0] > 200
    seen = photos.prepare(encoded(red, format_, icc_profile=swapped_primaries()))
    red_seen, green_seen, _ = decoded(seen.data).getpixel((5, 5))
    assert green_seen > 200
    assert red_seen < 60
    assert not {"icc_profile"} & set(decoded(seen.data).info)


def test_an_unusable_colour_profile_is_ignored_and_cmyk_becomes_rgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    red = Image.new("RGB", (30, 30), (200, 30, 30))
    odd = photos.prepare(encoded(red, "PNG", icc_profile=lab))
    assert decoded(odd.data).getpixel((5, 5)) == (200, 30, 30)
    cmyk = photos.prepare(encoded(Image.new("CMYK", (30, 30), (0, 255, 255, 0)), "JPEG"))
    assert decoded(cmyk.data).mode == "RGB"
    assert decoded(cmyk.data).getpixel((5, 5))[0] > 200


def test_a_large_lossless_photo_is_sent_as_jpeg() -> None:
    noise = Image.effect_noise((2_400, 1_800), 90).convert("RGB")
    upload = photos.prepare(encoded(noise, "BMP"))
    assert upload.format == "jpeg"
    assert upload.size == Size(2_400, 1_800)


def test_a_file_that_changed_since_it_was_measured_is_not_sent(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", encoded(picture(), "PNG"))
    photo = photos.measure(path)
    path.write_bytes(encoded(picture(70, 70), "PNG"))
    with pytest.raises(PhotoProblem, match="has changed since it was measured"):
        photos.prepare(photo)
    with pytest.raises(PhotoProblem, match="can be quoted but not sent"):
        photos.prepare(Photo(640, 480))


def test_thumbnails_are_small_and_upright() -> None:
    data = encoded(picture(1_200, 900), "JPEG", exif=exif_with(6))
    thumb, size = photos.thumbnail(data, edge_px=160)
    assert size == Size(120, 160)
    assert photos.sniff(thumb) == ("webp", size)
    assert corner(thumb) == "top right"
    assert len(thumb) < 6_000


# --- delivered pictures and requests -------------------------------------------------------


def test_delivered_pictures_are_known_by_their_bytes() -> None:
    for format_ in ("png", "jpeg", "webp"):
        assert photos.sniff(encoded(picture(90, 50), format_)) == (format_, Size(90, 50))
    for data in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"\x7fELF\x02", b""):
        with pytest.raises(PhotoProblem, match=r"not a PNG, JPEG or WebP"):
            photos.sniff(data)
    with pytest.raises(PhotoProblem, match="damaged"):
        photos.sniff(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")


def test_a_request_is_resolved_by_measuring_its_paths(tmp_path: Path) -> None:
    one = save(tmp_path / "1.png", encoded(picture(50, 40), "PNG"))
    two = save(tmp_path / "2.jpg", encoded(picture(30, 20), "JPEG"))
    caption = photos.resolve(CaptionRequest(photo=str(one)))
    assert caption.measured.size == Size(50, 40)
    assert caption.measured.sha256
    assert photos.resolve(CaptionRequest(photo=one), with_hash=False).measured.sha256 is None
    edit = photos.resolve(EditRequest(prompt="x", images=(one, two), mask=one))
    assert [photo.size for photo in edit.images] == [Size(50, 40), Size(30, 20)]
    assert edit.mask == edit.images[0]
    plain = ImageRequest(prompt="x")
    assert photos.resolve(plain) is plain
    with pytest.raises(PhotoProblem, match="no photo was given"):
        photos.resolve(CaptionRequest())


def test_the_key_of_a_resolved_request_names_the_content_and_not_the_file(tmp_path: Path) -> None:
    data = encoded(picture(), "PNG")
    keys = {
        photos.resolve(CaptionRequest(photo=save(tmp_path / name, data))).key
        for name in ("a.png", "b.png")
    }
    assert len(keys) == 1
    assert CANARY not in json.dumps(list(keys))
