"""Verify, repair, back up, restore: nothing is deleted, and a copy is whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from playground.errors import GalleryProblem
from playground.store import Attempt, Finding, Gallery, restore_backup, schema
from playground.values import Photo, Receipt, Unknown, Usage

Reserve = Callable[..., Attempt]


def add(gallery: Gallery, text: str = "photo") -> str:
    data = text.encode()
    return gallery.add_photo(Photo(4, 3, "jpeg", len(data)), data, name=f"{text}.jpg").id


def found(gallery: Gallery, words: str, **how: Any) -> Finding:
    matching = [finding for finding in gallery.verify(**how) if words in finding.text]
    assert len(matching) == 1, list(map(str, gallery.verify(**how)))
    return matching[0]


def change(gallery: Gallery, statement: Any) -> None:
    gallery._database.write(lambda connection: connection.execute(statement))


def test_a_whole_gallery_is_said_to_be_whole(gallery: Gallery) -> None:
    add(gallery)
    levels = {finding.level for finding in gallery.verify(full=True)}
    assert levels <= {"ok", "note"}
    assert found(gallery, "1 items and 1 originals are whole").level == "ok"


def test_missing_and_damaged_originals_are_listed_and_left(gallery: Gallery) -> None:
    gone, cut, changed = (add(gallery, name) for name in ("gone", "cut", "changed"))
    gallery.original_path(gone).unlink()
    gallery.original_path(cut).write_bytes(b"")
    gallery.original_path(changed).write_bytes(b"CHANGED")
    assert found(gallery, "1 original is missing").level == "error"
    assert found(gallery, "1 original is damaged").level == "error"
    assert found(gallery, "2 originals are damaged", full=True).level == "error"
    gallery.verify(full=True, repair=True)
    assert gallery.search().total == 3
    assert found(gallery, "1 original is missing").level == "error"


def test_wrong_sums_are_found_and_mended_after_a_backup(gallery: Gallery, reserve: Reserve) -> None:
    attempt = reserve(gallery, "0.02", run_id="r")
    gallery.ledger.settle(attempt.id, usage=Usage(), cost=Decimal("0.01"), receipt=Receipt())
    reserve(gallery, "0.05", run_id="r")
    right = gallery.ledger.totals()
    change(gallery, sa.update(schema.budgets).values(held=7, settled=8, sample=1))
    assert len([f for f in gallery.verify() if "budget" in f.text and f.level == "error"]) == 3
    assert gallery.ledger.totals() != right
    gallery.verify(repair=True)
    assert gallery.ledger.totals() == right
    assert gallery.ledger.totals("run", "r").settled == Decimal("0.01")
    assert [f for f in gallery.verify() if "budget" in f.text] == []
    if not str(gallery.location).startswith("postgresql"):
        assert len(list((gallery.folder / "backups").glob("before-repair-*.db"))) == 1


def test_a_search_index_that_lost_rows_is_built_anew(gallery: Gallery) -> None:
    from playground.store import search

    item = add(gallery, "harbour")
    gallery.annotate(item, note="masts and gulls")
    gallery._database.write(search.clear)
    assert gallery.search("gulls").total == 0
    assert found(gallery, "0 of 1 items are in the search index").level == "error"
    gallery.verify(repair=True)
    assert gallery.search("gulls harbour").total == 1


def test_unfinished_files_of_a_crash_are_moved_away_and_young_ones_left(
    folder_gallery: Gallery,
) -> None:
    item = add(folder_gallery)
    part = folder_gallery.original_path(item).parent
    old, young = part / ".tmp-old", part / ".tmp-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert found(folder_gallery, "unfinished, left by a crash").level == "note"
    assert old.exists()
    folder_gallery.verify(repair=True)
    assert not old.exists()
    assert young.exists()
    (moved,) = (folder_gallery.folder / "trash").iterdir()
    assert moved.read_bytes() == b"half"


def test_unknown_and_overrun_money_is_listed_with_its_sum(
    gallery: Gallery, reserve: Reserve
) -> None:
    for dollars in ("0.02", "0.03"):
        gallery.ledger.unknown(reserve(gallery, dollars).id, Unknown("timeout", "no answer"))
    over = reserve(gallery, "0.01")
    gallery.ledger.settle(over.id, usage=Usage(), cost=Decimal("0.05"), receipt=Receipt())
    assert "2 calls may have been billed, $0.05 at most" in found(gallery, "may have").text
    assert "$0.04 in all; spending is stopped" in found(gallery, "more than was reserved").text


def test_calls_of_a_program_that_ended_are_listed(place: Any, reserve: Reserve) -> None:
    with place.open() as first:
        reserve(first, "0.02")
    with place.open() as gallery:
        assert "$0.02 held" in found(gallery, "of a program that ended").text


def test_files_that_belong_to_no_item_are_harmless(folder_gallery: Gallery) -> None:
    folder_gallery.store_file(b"stored before a crash", "png")
    assert found(folder_gallery, "without an item").level == "note"
    folder_gallery.verify(repair=True)
    assert len(list((folder_gallery.folder / "originals").glob("??/*"))) == 1


def test_a_backup_is_a_whole_gallery_of_its_own(
    folder_gallery: Gallery, tmp_path: Path, reserve: Reserve
) -> None:
    items = [add(folder_gallery, f"photo {number}") for number in range(5)]
    folder_gallery.delete(items[0])
    reserve(folder_gallery, "0.02")
    dest = folder_gallery.backup(tmp_path / "backup")
    check = subprocess.run(
        ["sha256sum", "--quiet", "-c", "MANIFEST.sha256"], cwd=dest, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout
    folder_gallery.annotate(items[1], note="after the backup")
    shutil.rmtree(folder_gallery.folder / "originals")
    restored = restore_backup(dest, tmp_path / "restored")
    with Gallery(restored) as gallery:
        assert gallery.id == folder_gallery.id
        assert gallery.search().total == 4
        assert gallery.item(items[1]).note == ""
        assert gallery.original(items[0]) == b"photo 0"
        assert gallery.ledger.totals().held == Decimal("0.02")
        assert [f for f in gallery.verify(full=True) if f.level == "error"] == []


def test_a_backup_during_writes_is_consistent(folder_gallery: Gallery, tmp_path: Path) -> None:
    begun, stop = threading.Event(), threading.Event()

    def write() -> None:
        for number in range(10_000):
            add(folder_gallery, f"photo {number}")
            if number == 20:
                begun.set()
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    try:
        dest = folder_gallery.backup(tmp_path / "backup")
    finally:
        stop.set()
        writer.join()
    with Gallery(restore_backup(dest, tmp_path / "restored")) as gallery:
        assert 20 < gallery.search().total <= folder_gallery.search().total
        assert [f for f in gallery.verify(full=True) if f.level in {"error", "warning"}] == []


def test_nothing_is_written_over_and_no_damaged_backup_comes_back(
    folder_gallery: Gallery, tmp_path: Path
) -> None:
    item = add(folder_gallery)
    with pytest.raises(GalleryProblem, match="already holds something"):
        folder_gallery.backup(folder_gallery.folder)
    dest = folder_gallery.backup(tmp_path / "backup")
    with pytest.raises(GalleryProblem, match="already holds something"):
        restore_backup(dest, folder_gallery.folder)
    with pytest.raises(GalleryProblem, match="no complete backup"):
        restore_backup(tmp_path, tmp_path / "restored")
    name = folder_gallery.original_path(item).relative_to(folder_gallery.folder)
    (dest / name).unlink()
    (dest / name).write_bytes(b"other")
    with pytest.raises(GalleryProblem, match="is damaged; nothing was restored"):
        restore_backup(dest, tmp_path / "restored")
    manifest = dest / "MANIFEST.sha256"
    evil = hashlib.sha256(b"x").hexdigest() + "  ../outside\n"
    manifest.write_text(evil + manifest.read_text())
    with pytest.raises(GalleryProblem, match="outside of a gallery"):
        restore_backup(dest, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    assert not (tmp_path / "outside").exists()


@pytest.mark.postgres
def test_a_gallery_on_postgresql_says_how_it_is_backed_up(postgres: Any, tmp_path: Path) -> None:
    with (
        Gallery(postgres.new_database(), files=tmp_path / "files") as gallery,
        pytest.raises(GalleryProblem, match="pg_dump"),
    ):
        gallery.backup(tmp_path / "backup")
