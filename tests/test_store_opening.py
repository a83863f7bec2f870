"""Opening galleries that are new, old, newer, damaged, read-only, or whose disk is away."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from playground.errors import GalleryProblem, SpendingRefused
from playground.store import Attempt, Gallery, Where, schema
from playground.store.database import journal_mode, wal_is_safe
from playground.store.disk import file_system, is_network
from playground.values import Photo

Reserve = Callable[..., Attempt]
Open = Callable[..., Gallery]
V1 = Path(__file__).parent / "golden" / "gallery_v1.sql"
V1_ORIGINALS = (b"first original", b"second original", b"third original")
V1_ID = "0123456789abcdef" * 2


def build_v1(folder: Path) -> Path:
    """The gallery of schema version 1 in tests/golden, as it lay on disk."""
    folder.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(folder / "gallery.db")) as connection:
        connection.executescript(V1.read_text(encoding="utf-8"))
        connection.commit()
        formats = dict(connection.execute("SELECT sha256, format FROM files").fetchall())
    for data in V1_ORIGINALS:
        sha256 = hashlib.sha256(data).hexdigest()
        extension = {"jpeg": "jpg"}.get(formats[sha256], formats[sha256])
        path = folder / "originals" / sha256[:2] / f"{sha256}.{extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "originals" / "gallery.id").write_text(f"{V1_ID}\n")
    return folder


def add(gallery: Gallery, data: bytes = b"photo", name: str = "a.jpg") -> str:
    return gallery.add_photo(Photo(4, 3, "jpeg", len(data)), data, name=name).id


def rows(folder: Path, table: str = "items") -> int:
    with contextlib.closing(sqlite3.connect(folder / "gallery.db")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_new_gallery_is_for_its_owner_only(folder_gallery: Gallery) -> None:
    old = os.umask(0)
    try:
        add(folder_gallery)
    finally:
        os.umask(old)
    for path in (folder_gallery.folder, *folder_gallery.folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_gallery_opens_again_with_everything_in_it(place: Any, open_gallery: Open) -> None:
    with place.open() as first:
        item_id = add(first)
        identity = first.id
    again = open_gallery(place)
    assert again.id == identity
    assert again.item(item_id).name == "a.jpg"
    assert again.notices == ()


def test_a_gallery_that_is_moved_is_found_whole(tmp_path: Path, open_gallery: Open) -> None:
    with Gallery(tmp_path / "here") as gallery:
        item_id = add(gallery)
    (tmp_path / "here").rename(tmp_path / "there é #?%")
    with Gallery(tmp_path / "there é #?%") as moved:
        assert moved.original(item_id) == b"photo"
        assert [f for f in moved.verify(full=True) if f.level in {"error", "warning"}] == []


def test_the_place_comes_from_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Gallery() as gallery:
        assert gallery.folder == tmp_path / "gallery"
    monkeypatch.setenv("PLAYGROUND_GALLERY", str(tmp_path / "elsewhere"))
    with Gallery() as gallery:
        assert gallery.folder == tmp_path / "elsewhere"
    monkeypatch.setenv("PLAYGROUND_GALLERY", "postgresql://nobody@/none?host=/nowhere")
    with pytest.raises(GalleryProblem, match="PLAYGROUND_FILES"):
        Gallery()
    with pytest.raises(GalleryProblem) as problem:
        Gallery("postgresql://me:sk-CANARY@/none?host=/nowhere", files=tmp_path)
    assert "sk-CANARY" not in str(problem.value)
    with pytest.raises(GalleryProblem, match="not mysql://"):
        Gallery("mysql://host/name")


# -- C8: journal modes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "mode"),
    [
        ((3, 40, 1), "truncate"),
        ((3, 44, 5), "truncate"),
        ((3, 44, 6), "wal"),
        ((3, 45, 0), "truncate"),
        ((3, 50, 6), "truncate"),
        ((3, 50, 7), "wal"),
        ((3, 51, 2), "truncate"),
        ((3, 51, 3), "wal"),
        ((3, 52, 0), "truncate"),
        ((3, 52, 1), "wal"),
        ((4, 0, 0), "wal"),
    ],
)
def test_the_journal_mode_follows_the_version_of_sqlite(
    tmp_path: Path, version: tuple[int, int, int], mode: str
) -> None:
    assert wal_is_safe(version) is (mode == "wal")
    assert journal_mode(version, network=True) == "truncate"
    with Gallery(tmp_path / "gallery", sqlite_version=version) as gallery:
        add(gallery)
        with gallery._database.raw() as raw:  # type: ignore[attr-defined]
            assert raw.execute("PRAGMA journal_mode").fetchone()[0] == mode
            assert raw.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
            assert raw.execute("PRAGMA foreign_keys").fetchone()[0] == 1
            assert raw.execute("PRAGMA trusted_schema").fetchone()[0] == 0
        lines = [finding for finding in gallery.verify() if "SQLite" in finding.text]
        text = ".".join(map(str, version))
        assert len(lines) == 1
        assert text in lines[0].text
        assert mode.upper() in lines[0].text
        assert ("corrupt" in lines[0].text) is (mode != "wal")


def test_an_older_sqlite_takes_a_gallery_out_of_wal(tmp_path: Path) -> None:
    with Gallery(tmp_path / "gallery", sqlite_version=(3, 51, 3)) as gallery:
        item_id = add(gallery)
        with pytest.raises(GalleryProblem, match="another program has it open"):
            Gallery(tmp_path / "gallery", sqlite_version=(3, 40, 1))
    with Gallery(tmp_path / "gallery", sqlite_version=(3, 40, 1)) as gallery:
        assert gallery.item(item_id)
        with gallery._database.raw() as raw:  # type: ignore[attr-defined]
            assert raw.execute("PRAGMA journal_mode").fetchone()[0] == "truncate"


def test_network_file_systems_are_recognised() -> None:
    assert [is_network(kind) for kind in ("nfs4", "fuse.sshfs", "9p", "cifs")] == [True] * 4
    assert [is_network(kind) for kind in ("ext4", "apfs", "", "tmpfs", "fuseblk")] == [False] * 5
    if Path("/proc/mounts").exists():
        assert file_system(Path("/proc")) == "proc"


# -- C4: read-only ---------------------------------------------------------------------------


def read_only_mount(folder: Path) -> Iterator[bool]:
    """Make `folder` read-only for root too; yields whether it worked."""
    commands = (
        ["mount", "--bind", str(folder), str(folder)],
        ["mount", "-o", "remount,bind,ro", str(folder)],
    )
    tried = [subprocess.run(command, capture_output=True).returncode for command in commands]
    yield tried == [0, 0]
    if tried[0] == 0:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A gallery with one photo in a folder where nothing can be written."""
    folder = tmp_path / "gallery"
    with Gallery(folder) as gallery:
        add(gallery, name="harbour.jpg")
    if os.geteuid() != 0:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o500 if path.is_dir() else 0o400)
        yield folder
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
        return
    mounting = read_only_mount(folder)
    works = next(mounting)
    if not works and os.environ.get("PLAYGROUND_REQUIRE_TOOLS") == "1":
        pytest.fail("a read-only mount cannot be made")
    if works:
        yield folder
    with contextlib.suppress(StopIteration):
        next(mounting)
    if not works:
        pytest.skip("root ignores permission bits, and a read-only mount cannot be made here")


def test_a_read_only_folder_opens_for_viewing_and_buys_nothing(
    read_only_folder: Path, reserve: Reserve
) -> None:
    with Gallery(read_only_folder) as gallery:
        assert gallery.read_only
        (item,) = gallery.search("harbour")
        assert gallery.original(item.id) == b"photo"
        with pytest.raises(SpendingRefused, match="Nothing was sent and nothing was spent"):
            reserve(gallery)
        for change in (
            lambda: gallery.annotate(item.id, rating=5),
            lambda: gallery.delete(item.id),
            lambda: gallery.store_file(b"x", "png"),
            lambda: gallery.verify(repair=True),
            lambda: gallery.ledger.set_cap(Decimal(1)),
        ):
            with pytest.raises(GalleryProblem, match="cannot be written"):
                change()
        assert any("cannot be written" in finding.text for finding in gallery.verify())


def test_a_gallery_opened_for_viewing_only_changes_nothing(
    place: Any, open_gallery: Open, reserve: Reserve
) -> None:
    with place.open() as gallery:
        add(gallery)
    before = {path: path.stat().st_mtime_ns for path in place.folder.rglob("*")}
    viewing = open_gallery(place, read_only=True)
    assert viewing.search().total == 1
    with pytest.raises(SpendingRefused, match="opened for viewing only"):
        reserve(viewing)
    with pytest.raises(GalleryProblem, match="opened for viewing only"):
        add(viewing, b"another")
    viewing.close()
    assert {path: path.stat().st_mtime_ns for path in place.folder.rglob("*")} == before


def test_a_place_without_a_gallery_is_not_made_for_viewing(tmp_path: Path) -> None:
    with pytest.raises(GalleryProblem, match="There is no gallery in"):
        Gallery(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()


def test_what_a_crash_left_in_the_journal_is_seen_on_a_read_only_disk(tmp_path: Path) -> None:
    """A hot journal or WAL cannot be played back there, so a private copy is read."""
    folder = tmp_path / "gallery"
    crash = """
import os, sys
from playground.store import Gallery
from playground.values import Photo
gallery = Gallery(sys.argv[1], sqlite_version=(3, 51, 3))
gallery.add_photo(Photo(4, 3, "jpeg", 5), b"photo", name="a.jpg")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", crash, str(folder)], check=True)
    assert (folder / "gallery.db-wal").stat().st_size > 0
    mounting = read_only_mount(folder)
    if os.geteuid() != 0 or not next(mounting):
        pytest.skip("a read-only mount cannot be made here")
    try:
        with Gallery(folder) as gallery:
            assert gallery.search().total == 1
    finally:
        with contextlib.suppress(StopIteration):
            next(mounting)


# -- damage ----------------------------------------------------------------------------------


def damage_header(database: Path) -> None:
    with database.open("r+b") as file:
        file.write(b"not a database at all")


def damage_pages(database: Path) -> None:
    size = database.stat().st_size
    with database.open("r+b") as file:
        for offset in range(8192, size, 4096):
            file.seek(offset)
            file.write(b"\xff" * 200)


def cut_off(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def empty(database: Path) -> None:
    os.truncate(database, 0)


@pytest.mark.parametrize("damage", [damage_header, damage_pages, cut_off, empty, Path.unlink])
def test_a_damaged_database_is_told_at_once_and_never_made_anew_over_it(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "gallery"
    with Gallery(folder) as gallery:
        for number in range(30):
            add(gallery, f"photo {number}".encode())
    database = folder / "gallery.db"
    damage(database)
    before = database.read_bytes() if database.exists() else None
    for _ in range(2):
        with pytest.raises(GalleryProblem, match=r"restore-backup|damaged") as problem:
            Gallery(folder)
        assert "\n" not in str(problem.value)
    assert (database.read_bytes() if database.exists() else None) == before
    assert len(list((folder / "originals").glob("??/*"))) == 30


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "gallery.db")) as connection:
        connection.execute("PRAGMA application_id = 42")
        connection.execute("CREATE TABLE theirs (a)")
        connection.commit()
    before = (tmp_path / "gallery.db").read_bytes()
    with pytest.raises(GalleryProblem, match="another program's database"):
        Gallery(tmp_path)
    assert (tmp_path / "gallery.db").read_bytes() == before


# -- C5: the originals are away ---------------------------------------------------------------


def test_originals_that_are_away_stop_everything_and_change_nothing(
    tmp_path: Path, open_gallery: Open
) -> None:
    folder = tmp_path / "gallery"
    with Gallery(folder) as gallery:
        add(gallery)
    (folder / "originals").rename(tmp_path / "unmounted")
    for make in (False, True):
        if make:
            (folder / "originals").mkdir()  # an empty mount point
        with pytest.raises(GalleryProblem, match="not mounted"):
            Gallery(folder)
        assert rows(folder) == rows(folder, "files") == 1
    (folder / "originals").rmdir()
    (tmp_path / "unmounted").rename(folder / "originals")
    with Gallery(folder) as gallery:
        shutil.move(folder / "originals", tmp_path / "unmounted")
        for how in ({}, {"full": True}, {"repair": True}):
            with pytest.raises(GalleryProblem, match="not mounted"):
                gallery.verify(**how)
        assert gallery.search().total == 1


def test_originals_of_another_gallery_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with Gallery(tmp_path / name) as gallery:
            add(gallery, name.encode())
    shutil.rmtree(tmp_path / "one" / "originals")
    shutil.copytree(tmp_path / "two" / "originals", tmp_path / "one" / "originals")
    with pytest.raises(GalleryProblem, match="belongs to another gallery"):
        Gallery(tmp_path / "one")


# -- C7: formats ------------------------------------------------------------------------------


def test_either_mark_of_a_newer_format_is_believed(folder_gallery):
    folder = folder_gallery.folder
    folder_gallery.close()
    with contextlib.closing(sqlite3.connect(folder / "gallery.db")) as raw:
        raw.execute(f"PRAGMA user_version = {schema.VERSION + 7}")
    with Gallery(folder) as gallery:
        assert "newer version" in gallery.notices[0]
        assert gallery.read_only


def test_a_newer_gallery_opens_for_viewing_and_says_so(
    place: Any, open_gallery: Open, reserve: Reserve
) -> None:
    with place.open() as gallery:
        add(gallery)
        newer = sa.update(schema.meta).where(schema.meta.c.key == "schema_version")
        gallery._database.write(
            lambda connection: connection.execute(newer.values(value=str(schema.VERSION + 1)))
        )
    gallery = open_gallery(place)
    assert gallery.search().total == 1
    assert "newer version" in gallery.notices[0]
    with pytest.raises(SpendingRefused, match="newer version"):
        reserve(gallery)
    with pytest.raises(GalleryProblem, match="newer version"):
        add(gallery, b"more")


def snapshot(gallery: Gallery) -> dict[str, Any]:
    items = {item.id: item for item in (*gallery.each(), *gallery.search(trash=True))}
    return {
        "items": {name: item.to_dict() for name, item in items.items()},
        "hashes": {
            name: hashlib.sha256(gallery.original(name)).hexdigest() == item.sha256
            for name, item in items.items()
        },
        "totals": gallery.ledger.totals(),
        "unknowns": [one.id for one in gallery.ledger.unknowns()],
    }


def check_migrated_v1(gallery: Gallery) -> None:
    kept = snapshot(gallery)
    assert len(kept["items"]) == 3
    assert all(kept["hashes"].values())
    assert kept["totals"].settled == Decimal("0.00809")
    assert kept["totals"].held == Decimal("0.004")
    assert len(kept["unknowns"]) == 1
    best = gallery.search("wizard").items[0]
    assert (best.rating, best.note, best.tags) == (5, "the best", ("desert",))
    assert gallery.search(trash=True).items[0].parents == (gallery.item("p9bjd69sjpc9").id,)
    (photo,) = gallery.search(where=Where(model="gpt-5.4-mini"))
    assert [caption.model for caption in photo.captions] == ["gpt-5.4-nano", "gpt-5.4-mini"]
    assert gallery.search(where=Where(model="gpt-image-2")).total == 1
    assert [f for f in gallery.verify(full=True) if f.level == "error"] == []


def test_a_gallery_of_the_first_format_is_brought_up_to_date_after_a_backup(
    tmp_path: Path,
) -> None:
    folder = build_v1(tmp_path / "gallery")
    with Gallery(folder) as gallery:
        assert "from format 1 to" in gallery.notices[0]
        check_migrated_v1(gallery)
    (backup,) = (folder / "backups").glob("before-format-1-*.db")
    with contextlib.closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
        assert connection.execute("SELECT count(*) FROM items").fetchone()[0] == 3
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    with Gallery(folder) as gallery:
        assert gallery.notices == ()
    assert len(list((folder / "backups").iterdir())) == 1


def shape(folder: Path) -> dict[str, Any]:
    """Tables, columns, keys and indices of a gallery's database."""
    with contextlib.closing(sqlite3.connect(folder / "gallery.db")) as connection:
        tables = connection.execute("PRAGMA table_list").fetchall()
        found: dict[str, Any] = {}
        for _schema, name, kind, _columns, without_rowid, strict in tables:
            if name.startswith("sqlite_"):
                continue
            indices = connection.execute(f"PRAGMA index_list({name})").fetchall()
            found[name] = {
                "kind": (kind, without_rowid, strict),
                "columns": connection.execute(f"PRAGMA table_xinfo({name})").fetchall(),
                # Without their numbers, which say nothing but when each key was added.
                "foreign": sorted(
                    key[1:] for key in connection.execute(f"PRAGMA foreign_key_list({name})")
                ),
                "indices": sorted(
                    (
                        unique,
                        origin,
                        partial,
                        tuple(connection.execute(f"PRAGMA index_info({index})").fetchall()),
                    )
                    for _seq, index, unique, origin, partial in indices
                ),
            }
        return found


def test_a_migrated_gallery_has_the_same_tables_as_a_new_one(tmp_path: Path) -> None:
    Gallery(build_v1(tmp_path / "old")).close()
    Gallery(tmp_path / "new").close()
    assert shape(tmp_path / "old") == shape(tmp_path / "new")


@pytest.mark.parametrize("arrival", [1, 2])
def test_a_migration_that_is_killed_is_taken_again(tmp_path: Path, arrival: int) -> None:
    folder = build_v1(tmp_path / "gallery")
    killed = subprocess.run(
        [sys.executable, "-c", f"from playground.store import Gallery; Gallery({str(folder)!r})"],
        env={**os.environ, "PLAY_FAILPOINT": f"in_migration:{arrival}:kill"},
    )
    assert killed.returncode == -signal.SIGKILL
    assert rows(folder) == 3
    assert len(list((folder / "backups").glob("*.db"))) == 1
    with Gallery(folder) as gallery:
        check_migrated_v1(gallery)


def test_an_older_gallery_on_a_read_only_disk_says_what_to_do(tmp_path: Path) -> None:
    folder = build_v1(tmp_path / "gallery")
    with pytest.raises(GalleryProblem, match="older format"):
        Gallery(folder, read_only=True)
    assert rows(folder) == 3


@pytest.mark.postgres
def test_indexes_over_some_rows_are_so_on_postgresql_too(postgres: Any, tmp_path: Path) -> None:
    with (
        Gallery(postgres.new_database(), files=tmp_path / "files") as gallery,
        gallery._database.read() as connection,
    ):
        query = sa.text("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% WHERE %'")
        found = set(connection.execute(query).scalars())
    wanted = {
        index.name
        for table in schema.metadata.tables.values()
        for index in table.indexes
        if "where" in index.info
    }
    assert found == wanted != set()


@pytest.mark.postgres
def test_an_older_gallery_on_postgresql_is_brought_up_to_date_after_a_copy(
    postgres: Any, tmp_path: Path, reserve: Reserve
) -> None:
    url, files = postgres.new_database(), tmp_path / "files"
    with Gallery(url, files=files) as gallery:
        add(gallery)

        def back_to_1(connection: sa.Connection) -> None:
            for statement in (
                "DROP TABLE item_models",
                "ALTER TABLE attempts DROP COLUMN batch_id",
                "DROP TABLE batches",
                "DROP TABLE searches",
                "DROP INDEX captions_as_alt",
                "ALTER TABLE history DROP COLUMN change_id",
                *(f"ALTER TABLE items DROP COLUMN {c}" for c in ("width_px", "height_px", "tint")),
            ):
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql("UPDATE meta SET value='1' WHERE key='schema_version'")
            connection.exec_driver_sql("UPDATE items SET model='gpt-image-2'")
            connection.exec_driver_sql("UPDATE migrations SET version=1")

        gallery._database.write(back_to_1)
    with Gallery(url, files=files) as gallery:
        assert gallery.search(where=Where(model="gpt-image-2")).total == 1
        with gallery._database.read() as connection:
            copies = sa.inspect(connection).get_schema_names()
            (copy,) = [name for name in copies if name.startswith("before_format_1")]
            assert "items" in sa.inspect(connection).get_table_names(schema=copy)


def test_many_programs_may_make_the_same_gallery_at_once(place: Any) -> None:
    code = (
        "import sys; from playground.store import Gallery; print('r', flush=True)\n"
        "sys.stdin.readline()\n"
        "with Gallery(sys.argv[1], files=sys.argv[2] or None) as g: print(g.id)"
    )
    others = [
        subprocess.Popen(
            [sys.executable, "-c", code, place.location, place.files or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for other in others:
        assert other.stdout is not None
        other.stdout.readline()
    ids = {other.communicate("\n", timeout=60)[0].strip() for other in others}
    assert [other.returncode for other in others] == [0, 0, 0]
    assert len(ids) == 1


def test_now_is_the_clock_that_was_given(place: Any, open_gallery: Open) -> None:
    now = dt.datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=dt.UTC)
    gallery = open_gallery(place, clock=lambda: now)
    assert gallery.item(add(gallery)).created_at == now
