"""Originals and the disk: whole or absent, in the right order, on a full disk too."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from playground import failpoints
from playground.errors import GalleryProblem, SpendingRefused
from playground.size import Size
from playground.store import Attempt, Gallery, NewImage
from playground.store.disk import Disk
from playground.store.files import name_of
from playground.values import Photo, Receipt, Usage

Reserve = Callable[..., Attempt]
PICTURE = bytes(range(256)) * 40


def finals(folder: Path) -> list[Path]:
    return [path for path in (folder / "originals").glob("??/*") if path.name[0] != "."]


def temporaries(folder: Path) -> list[Path]:
    return list((folder / "originals").glob("??/.tmp-*"))


def all_whole(folder: Path) -> bool:
    return all(
        hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in finals(folder)
    )


def test_an_original_is_named_by_its_hash_and_stays_byte_identical(gallery: Gallery) -> None:
    sha256 = gallery.store_file(PICTURE, "jpeg")
    (path,) = finals(gallery.folder)
    assert path.relative_to(gallery.folder) == Path("originals", sha256[:2], f"{sha256}.jpg")
    assert path.read_bytes() == PICTURE
    before = path.stat()
    assert gallery.store_file(PICTURE, "jpeg") == sha256
    assert path.stat().st_ino == before.st_ino
    assert temporaries(gallery.folder) == []


def test_a_damaged_original_is_mended_when_its_bytes_come_again(folder_gallery: Gallery) -> None:
    folder_gallery.store_file(PICTURE, "png")
    (path,) = finals(folder_gallery.folder)
    path.write_bytes(b"x" * len(PICTURE))
    folder_gallery.store_file(PICTURE, "png")
    assert all_whole(folder_gallery.folder)


def test_names_are_made_of_hashes_only() -> None:
    sha256 = "a" * 64
    assert name_of(sha256, "jpeg") == f"aa/{sha256}.jpg"
    for bad, format_ in (
        ("../" + sha256[3:], "png"),
        (sha256.upper(), "png"),
        (sha256[:-1], "png"),
        (sha256 + "\n", "png"),
        (sha256, "../png"),
        (sha256, ""),
    ):
        with pytest.raises(ValueError, match="do not name an original"):
            name_of(bad, format_)


@pytest.mark.parametrize("point", ["pre_tmp", "mid_tmp", "post_fsync", "post_rename"])
@pytest.mark.parametrize("arrival", [1, 2])
def test_a_kill_anywhere_leaves_no_partial_file_under_a_final_name(
    tmp_path: Path, point: str, arrival: int
) -> None:
    code = (
        "import sys; from playground.store import Gallery\n"
        "with Gallery(sys.argv[1]) as gallery:\n"
        "    for number in range(3):\n"
        "        gallery.store_file(bytes([number]) * 100_000, 'png')"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "gallery")],
        env={**os.environ, "PLAY_FAILPOINT": f"{point}:{arrival}:kill"},
    )
    assert killed.returncode == -signal.SIGKILL
    assert all_whole(tmp_path / "gallery")
    assert len(finals(tmp_path / "gallery")) == arrival - (point != "post_rename")
    with Gallery(tmp_path / "gallery") as gallery:
        assert [f for f in gallery.verify(full=True) if f.level in {"error", "warning"}] == []


def test_an_error_while_writing_leaves_nothing_behind(folder_gallery: Gallery) -> None:
    for point in ("mid_tmp", "post_fsync"):
        failpoints.arm(f"{point}:1:raise")
        try:
            with pytest.raises(failpoints.FailpointReached):
                folder_gallery.store_file(PICTURE, "png")
        finally:
            failpoints.arm(None)
        assert finals(folder_gallery.folder) == temporaries(folder_gallery.folder) == []


# -- C1: the order of writes -------------------------------------------------------------------

SAVE = """
import datetime as dt, socket, sys
from decimal import Decimal
from playground.size import Size
from playground.store import Gallery, NewImage
from playground.values import ImageRequest, Quote, Receipt, Usage
cost = Decimal("0.004")
quote = Quote("gpt-image-2", "standard", dt.date(2026, 11, 1), "exact", {}, cost, cost, cost)
server = socket.create_server(("127.0.0.1", 0))
wire = socket.create_connection(server.getsockname())
with Gallery(sys.argv[1]) as gallery:
    for number in range(int(sys.argv[2])):
        attempt = gallery.ledger.reserve(
            job_key=f"job {number}", slots=1, request=ImageRequest(prompt="x"), quote=quote,
            provider="offline",
        )
        gallery.ledger.sent(attempt.id)
        wire.send(b"request")
        data = number.to_bytes(4, "big") * 1000
        sha256 = gallery.store_file(data, "png")
        gallery.ledger.settle(
            attempt.id, usage=Usage(), cost=cost, receipt=Receipt(),
            images=[NewImage(sha256, "png", Size(976, 704), len(data))],
        )
        wire.send(b"booked")
"""
CALL = re.compile(r"(\w+)\((.*)\)\s+=")


@pytest.mark.skipif(sys.platform != "linux", reason="strace is a Linux program")
@pytest.mark.parametrize("version", ["(3, 40, 1)", "(3, 51, 3)"], ids=["truncate", "wal"])
def test_everything_is_synced_in_the_order_that_a_power_cut_needs(
    tmp_path: Path, version: str
) -> None:
    strace = shutil.which("strace")
    if not strace and os.environ.get("PLAYGROUND_REQUIRE_TOOLS") == "1":
        pytest.fail("strace is not installed")
    if not strace:
        pytest.skip("strace is not installed")
    saves = 100
    code = SAVE.replace("Gallery(sys.argv[1])", f"Gallery(sys.argv[1], sqlite_version={version})")
    calls = "trace=openat,fsync,fdatasync,rename,renameat,renameat2,sendto,write,pwrite64,ftruncate"
    command = [strace, "-f", "-y", "-s", "16", "-e", calls, "-o", str(tmp_path / "trace")]
    command += [sys.executable, "-c", code, str(tmp_path / "gallery"), str(saves)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "PTRACE" in done.stderr and os.environ.get("PLAYGROUND_REQUIRE_TOOLS") != "1":
        pytest.skip("this machine does not allow tracing")
    assert done.returncode == 0, done.stderr
    history = "".join(map(event, (tmp_path / "trace").read_text().splitlines()))
    between = re.split("S|B", history)[:-1]
    assert history.count("S") == history.count("B") == saves
    for number in range(saves):
        reserved, saved = between[2 * number], between[2 * number + 1]
        # The reservation is on the disk before the first byte leaves, nothing is half written.
        assert re.search(r"D[^wj]*$", reserved), (number, reserved)
        # tmp synced, renamed, folder synced, and only then the database written and synced.
        assert re.search(r"T(?:[^rwD]*)r(?:[^wD]*)F.*[wj].*D[^wj]*$", saved), (number, saved)
        before_folder = saved.partition("F")[0]
        assert "w" not in before_folder, (number, saved)
        assert "D" not in before_folder, (number, saved)


def event(line: str) -> str:
    """One letter per system call that matters: see the patterns above."""
    found = CALL.search(line)
    if not found:
        return ""
    name, words = found.groups()
    if name == "sendto":
        return "S" if "request" in words else "B"
    if name.startswith("rename"):
        return "r" if "/originals/" in words else ""
    database = "gallery.db" in words
    if name in {"fsync", "fdatasync"}:
        if database:
            return "D"
        return "T" if "/.tmp-" in words else "F" if "/originals/" in words else ""
    if name in {"pwrite64", "ftruncate", "write"} and database:
        return "w" if "-journal" not in words else "j"
    return ""


# -- C3: a full disk ---------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        if os.environ.get("PLAYGROUND_REQUIRE_TOOLS") == "1":
            pytest.fail("a small disk cannot be mounted")
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def buy(gallery: Gallery, reserve: Reserve, number: int, size: int = 100_000) -> None:
    attempt = reserve(gallery, "0.01", job=f"job {number}")
    answer(gallery, attempt, number, size)


def answer(gallery: Gallery, attempt: Attempt, number: int, size: int = 100_000) -> None:
    data = number.to_bytes(2, "big") * (size // 2)
    image = NewImage(gallery.store_file(data, "png"), "png", Size(976, 704), len(data))
    gallery.ledger.settle(
        attempt.id, usage=Usage(), cost=Decimal("0.004"), receipt=Receipt(), images=[image]
    )


def test_on_a_full_disk_buying_stops_what_is_paid_is_booked_and_space_resumes_it(
    small_disk: Path, reserve: Reserve
) -> None:
    with Gallery(small_disk / "gallery") as gallery:
        held = [reserve(gallery, "0.01", job=f"held {number}") for number in range(2)]
        bought = 0
        refusal = ""
        while not refusal:
            try:
                buy(gallery, reserve, bought)
            except GalleryProblem as problem:
                refusal = str(problem)
            else:
                bought += 1
        assert "nearly full" in refusal
        assert "Nothing was sent" in refusal
        assert str(small_disk) in refusal
        assert bought > 5
        filler = small_disk / "filler"
        room = shutil.disk_usage(small_disk).free
        filler.write_bytes(b"x" * (room - 4096))
        # No room for a picture: nothing partial is left, and the attempt is still held.
        with pytest.raises(GalleryProblem, match="is full; what was received for it is kept"):
            answer(gallery, held[0], 1000)
        assert all_whole(gallery.folder)
        assert temporaries(gallery.folder) == []
        # What is booked without a picture still fits, thanks to the ballast.
        gallery.ledger.settle(held[1].id, usage=Usage(), cost=Decimal("0.004"), receipt=Receipt())
        booked = bought + 1
        assert gallery.ledger.totals().held == Decimal("0.01")
        with pytest.raises(GalleryProblem, match="nearly full"):
            reserve(gallery, "0.01", job="one more")
        filler.unlink()
        for path in finals(gallery.folder)[:5]:  # the owner makes room
            path.unlink()
        answer(gallery, held[0], 1000)
        buy(gallery, reserve, 2000)
        assert gallery.ledger.totals().settled == Decimal("0.004") * (booked + 2)
        assert gallery.ledger.totals().held == 0
        assert all_whole(gallery.folder)
        lines = gallery.verify(full=True)
        assert [f.text for f in lines if f.level == "error"] == [
            next(f.text for f in lines if "5 originals are missing" in f.text)
        ]


def test_a_full_disk_is_told_before_the_database_fails(
    folder_gallery: Gallery, folder_place: Any, reserve: Reserve
) -> None:
    folder_gallery.close()
    with folder_place.open(keep_free_bytes=1 << 60) as gallery:
        with pytest.raises(GalleryProblem, match="nearly full"):
            reserve(gallery)
        assert any("nearly full" in f.text and f.level == "warning" for f in gallery.verify())
        assert gallery.ledger.totals().held == 0


def test_room_is_kept_for_the_answers_that_can_arrive_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mib = 1024 * 1024
    for total, free, answers, enough in (
        (100_000, 201, 0, True),
        (100_000, 199, 0, False),
        (100_000, 250, 4, True),
        (100_000, 250, 8, False),
        (100_000, 720, 50_000, True),  # a batch has many reserved, few arrive at once
        (1_000, 51, 0, True),  # a small disk keeps a twentieth
        (1_000, 49, 0, False),
    ):
        usage = (total * mib, (total - free) * mib, free * mib)
        monkeypatch.setattr(
            "playground.store.disk.shutil.disk_usage", lambda _, usage=usage: Usage3(*usage)
        )
        assert (Disk(tmp_path).low(answers) == "") is enough, (total, free, answers)


class Usage3(NamedTuple):
    total: int
    used: int
    free: int


def test_a_limit_on_file_sizes_leaves_no_partial_file(tmp_path: Path) -> None:
    """Where no small disk can be mounted, a size limit of this process stands in for it."""
    code = (
        "import resource, signal, sys; from playground.store import Gallery\n"
        "from playground.errors import GalleryProblem\n"
        "with Gallery(sys.argv[1]) as gallery:\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "    gallery.store_file(b'small' * 1000, 'png')\n"
        "    try: gallery.store_file(b'large' * 100_000, 'png')\n"
        "    except GalleryProblem as problem: print(problem)\n"
    )
    assert resource.RLIMIT_FSIZE
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "gallery")], capture_output=True, text=True
    )
    assert "is full; what was received for it is kept" in done.stdout, done.stderr
    assert len(finals(tmp_path / "gallery")) == 1
    assert all_whole(tmp_path / "gallery")
    assert temporaries(tmp_path / "gallery") == []


# -- elsewhere ---------------------------------------------------------------------------------


@pytest.mark.postgres
def test_originals_may_be_kept_behind_any_fsspec_url(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    url, place = postgres.new_database(), f"memory://{tmp_path.name}/pictures"
    with Gallery(url, files=place) as gallery:
        photo = gallery.add_photo(Photo(4, 3, "jpeg", 5), b"photo", name="a.jpg")
        assert gallery.original(photo.id) == b"photo"
        with pytest.raises(GalleryProblem, match="not a file on this machine"):
            gallery.original_path(photo.id)
        assert [f for f in gallery.verify(full=True) if f.level == "error"] == []
        assert gallery.folder == tmp_path / "state" / "halfpenny" / gallery.id
    with Gallery(url, files=place) as gallery:
        assert gallery.original(photo.id) == b"photo"
    with pytest.raises(GalleryProblem, match="not mounted"):
        Gallery(url, files=f"memory://{tmp_path.name}/elsewhere")
    with pytest.raises(GalleryProblem, match="cannot be opened"):
        Gallery(url, files="nonsense://bucket")


def test_a_missing_original_is_one_sentence(gallery: Gallery) -> None:
    photo = gallery.add_photo(Photo(4, 3, "jpeg", 5), b"photo", name="a.jpg")
    gallery.original_path(photo.id).unlink()
    for read in (gallery.original, gallery.original_path):
        with pytest.raises(GalleryProblem, match="gallery verify"):
            read(photo.id)
    assert gallery.item(photo.id).id == photo.id


def test_a_spool_that_cannot_be_written_means_that_nothing_is_sent(
    folder_gallery: Gallery, reserve: Reserve
) -> None:
    attempt = reserve(folder_gallery)
    (folder_gallery.folder / "spool").rmdir()
    (folder_gallery.folder / "spool").write_bytes(b"")
    with pytest.raises(GalleryProblem, match="was not sent"):
        folder_gallery.ledger.sent(attempt.id)
    assert folder_gallery.ledger.attempt(attempt.id).state == "reserved"


def test_a_file_in_the_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "gallery").write_bytes(b"")
    with pytest.raises(GalleryProblem, match="is a file, not a folder"):
        Gallery(tmp_path / "gallery")
    with pytest.raises((GalleryProblem, SpendingRefused)):
        Gallery(tmp_path / "gallery" / "inside")
