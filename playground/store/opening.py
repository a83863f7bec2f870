"""Opening a gallery's database: new, existing, older, newer, damaged, read-only, unmounted."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from playground.errors import GalleryProblem
from playground.store import disk, migrations, schema
from playground.store.database import Database, SqliteDatabase
from playground.store.files import FolderOriginals, Originals, RemoteOriginals
from playground.store.postgres import PostgresDatabase
from playground.store.records import microseconds

DATABASE = "gallery.db"
ORIGINALS = "originals"
SPOOL = "spool"
UPLOADS = "uploads"
BACKUPS = "backups"
TRASH = "trash"
_MAGIC = b"SQLite format 3\0"
# Damage is looked for in the whole file when that takes a moment only; `verify` always does.
_CHECK_AT_OPEN_BYTES = 32 * 1024 * 1024


@dataclass
class Opened:
    """What a gallery works with; `notices` are to be shown to the user."""

    id: str
    folder: Path
    database: Database
    originals: Originals
    disk: disk.Disk
    version: int
    notices: list[str] = field(default_factory=list)
    scratch: tempfile.TemporaryDirectory[str] | None = None


def open_folder(
    folder: Path,
    *,
    read_only: bool,
    clock: Callable[[], dt.datetime],
    sqlite_version: tuple[int, int, int],
    keep_free_bytes: int | None,
) -> Opened:
    """Open the gallery in `folder`, making it when the folder holds none.

    Raises:
        GalleryProblem: when it cannot be opened, with what to do; nothing is changed then.
    """
    path = folder / DATABASE
    why = "The gallery was opened for viewing only" if read_only else ""
    if not read_only:
        try:
            disk.make_folder(folder)
        except OSError as error:
            msg = f"The gallery's folder {folder} cannot be made: {error.strerror}."
            raise GalleryProblem(msg) from error
        why = disk.why_read_only(folder)
        if path.exists() and not os.access(path, os.W_OK):
            why = why or f"The gallery's database {path} cannot be written"
    new = _is_new(folder, path)
    if new and why:
        msg = f"There is no gallery in {folder}, and none can be made: {why[0].lower()}{why[1:]}."
        raise GalleryProblem(msg)
    notices = []
    kind = disk.file_system(folder)
    network = disk.is_network(kind)
    if network:
        notices.append(
            f"The gallery is on a network or shared file system ({kind}), whose locks may not be "
            "reliable: use it from one machine at a time, or keep it on PostgreSQL."
        )
    room = disk.Disk(folder, keep_free_bytes=keep_free_bytes)
    if new:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    else:
        _check_header(path)
    scratch = None
    immutable = False
    if why:
        path, immutable, scratch = _viewable(path, folder)
    database = SqliteDatabase(
        path,
        read_only=why,
        version=sqlite_version,
        network=network,
        immutable=immutable,
        on_full=room.drop_ballast,
    )
    originals = FolderOriginals(folder / ORIGINALS, on_full=room.drop_ballast)
    try:
        if not why:
            _make(database, clock)
        opened = _finish(database, originals, folder, room, clock, why, notices)
    except BaseException:
        database.close()
        if scratch is not None:
            scratch.cleanup()
        raise
    opened.scratch = scratch
    return opened


def open_url(
    url: str, files: str | Path | None, *, read_only: bool, clock: Callable[[], dt.datetime],
    keep_free_bytes: int | None,
) -> Opened:  # fmt: skip
    """Open the gallery in a PostgreSQL database, with its originals in `files`.

    `files` is a folder or an fsspec URL. With a URL, what must be local (answers on their way) is
    kept in the user's state folder.

    Raises:
        GalleryProblem: when it cannot be opened, with what to do.
    """
    if not files:
        msg = (
            "A gallery on PostgreSQL keeps its pictures elsewhere: say where with PLAYGROUND_FILES "
            "(a folder or an fsspec URL such as s3://bucket/folder)."
        )
        raise GalleryProblem(msg)
    why = "The gallery was opened for viewing only" if read_only else ""
    database = PostgresDatabase(url, read_only=why)
    try:
        if not why:
            _make(database, clock)
        gallery_id = _read_id(database)
        originals: Originals
        if "://" in str(files) and not str(files).startswith("file://"):
            originals = RemoteOriginals(str(files))
            state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
            folder = Path(state).expanduser() / "halfpenny" / gallery_id
        else:
            folder = Path(str(files).removeprefix("file://")).absolute()
            originals = FolderOriginals(folder / ORIGINALS)
        if not read_only:
            disk.make_folder(folder)
            why = disk.why_read_only(folder)
            database.read_only = why
        room = disk.Disk(folder, keep_free_bytes=keep_free_bytes)
        if isinstance(originals, FolderOriginals):
            originals = FolderOriginals(folder / ORIGINALS, on_full=room.drop_ballast)
        return _finish(database, originals, folder, room, clock, why, [])
    except BaseException:
        database.close()
        raise


def _is_new(folder: Path, path: Path) -> bool:
    """Whether a gallery is to be made here; refuses to make one over the remains of another."""
    if path.exists() and path.stat().st_size:
        return False
    if (folder / ORIGINALS / "gallery.id").exists():
        what = "is empty" if path.exists() else "is missing"
        msg = (
            f"The gallery in {folder} has its originals, but its database {DATABASE} {what}. "
            "Nothing was changed; restore a backup with `playground gallery restore-backup`, or "
            "look for the file."
        )
        raise GalleryProblem(msg)
    return True


def _check_header(path: Path) -> None:
    """Refuse a file that is no gallery before SQLite touches it."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
        size = path.stat().st_size
    except OSError as error:
        msg = f"The gallery's database {path} cannot be read: {error.strerror}."
        raise GalleryProblem(msg) from error
    page_size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    page_size = 65536 if page_size == 1 else page_size
    change_counters_agree = header[24:28] == header[92:96]
    journal = Path(f"{path}-journal")
    hot = journal.exists() and journal.stat().st_size > 0
    if header[:16] != _MAGIC or (change_counters_agree and not hot and pages * page_size > size):
        msg = (
            f"The gallery's database {path} is damaged or is not a database. Nothing was changed; "
            "restore a backup with `playground gallery restore-backup`, the pictures in "
            f"{ORIGINALS}/ are separate files and not affected."
        )
        raise GalleryProblem(msg)
    if int.from_bytes(header[68:72], "big") not in {0, schema.APPLICATION_ID}:
        msg = f"{path} is another program's database, not a gallery; choose another folder."
        raise GalleryProblem(msg)


def _viewable(
    path: Path, folder: Path
) -> tuple[Path, bool, tempfile.TemporaryDirectory[str] | None]:
    """How to read a database where nothing can be written.

    SQLite cannot open one in WAL mode, or roll back what a crash left, without writing: then a
    private copy is opened. Else, where the folder is truly read-only, it is read as it is.
    """
    leftovers = [Path(f"{path}{end}") for end in ("-wal", "-journal")]
    begun = [file for file in leftovers if file.exists() and file.stat().st_size > 0]
    if not disk.why_read_only(folder):
        return path, False, None
    if not begun:
        return path, True, None
    scratch = tempfile.TemporaryDirectory(prefix="gallery-")
    for file in (path, *begun):
        shutil.copyfile(file, Path(scratch.name) / file.name)
    copy = Path(scratch.name) / path.name
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return copy, False, scratch


def _make(database: Database, clock: Callable[[], dt.datetime]) -> None:
    """Make the tables where there are none; several programs may try at once."""
    with database.read() as connection:
        if sa.inspect(connection).has_table("meta"):
            return
    gallery_id, now_us = secrets.token_hex(16), microseconds(clock())

    def job(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema.APPLICATION_ID})")
        if not sa.inspect(connection).has_table("meta"):
            migrations.create(connection, gallery_id=gallery_id, now_us=now_us)

    database.write(job)


def _read_id(database: Database) -> str:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("meta"):
            msg = "There is no gallery at this address."
            raise GalleryProblem(msg)
        query = sa.select(schema.meta.c.value).where(schema.meta.c.key == "gallery_id")
        return str(connection.execute(query).scalar_one())


def _finish(
    database: Database,
    originals: Originals,
    folder: Path,
    room: disk.Disk,
    clock: Callable[[], dt.datetime],
    why: str,
    notices: list[str],
) -> Opened:
    """Check what is there, bring it up to date, and put the pieces together."""
    if isinstance(database, SqliteDatabase):
        _check_sound(database)
    gallery_id = _read_id(database)
    check_marker(database, originals, gallery_id, may_write=not why)
    with database.read() as connection:
        version = migrations.version_of(connection)
    if version > schema.VERSION:
        why = (
            f"The gallery was made by a newer version of this program (format {version}, this one "
            f"knows {schema.VERSION}), so it is opened for viewing only"
        )
        database.read_only = why
        notices.append(f"{why}. Update the program to change it.")
    elif version < schema.VERSION:
        if why:
            msg = (
                f"{why}, and it has an older format ({version}); open it once where it can be "
                "written, so that it is brought up to date."
            )
            raise GalleryProblem(msg)
        backups = folder / BACKUPS
        taken = migrations.migrate(
            database,
            back_up=lambda before: back_up(database, backups, f"before-format-{before}", clock()),
            now_us=lambda: microseconds(clock()),
        )
        if taken:
            notices.append(
                f"The gallery was brought from format {version} to {schema.VERSION}; a backup is "
                f"in {backups}."
            )
        version = schema.VERSION
    if not why:
        disk.make_folder(folder / SPOOL)
        room.lay_ballast()
    return Opened(gallery_id, folder, database, originals, room, version, notices)


def _check_sound(database: SqliteDatabase) -> None:
    """Look for damage, in the whole file where that is quick."""
    if database.path.stat().st_size > _CHECK_AT_OPEN_BYTES:
        return
    with database.raw() as raw:
        answer = raw.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        msg = (
            f"The gallery's database {database.path} is damaged ({answer}). Nothing was changed; "
            "restore a backup with `playground gallery restore-backup`, the pictures in "
            f"{ORIGINALS}/ are separate files and not affected."
        )
        raise GalleryProblem(msg)


def check_marker(
    database: Database, originals: Originals, gallery_id: str, *, may_write: bool
) -> None:
    """Stop when the originals are not this gallery's: an unmounted disk is not a deletion.

    Raises:
        GalleryProblem: and nothing is changed.
    """
    marker = originals.marker()
    if marker == gallery_id:
        return
    with database.read() as connection:
        any_file = connection.execute(sa.select(schema.files.c.sha256).limit(1)).first()
    if marker is None and any_file is None:
        if may_write:
            originals.mark(gallery_id)
        return
    what = "is missing" if marker is None else "belongs to another gallery"
    msg = (
        f"The marker gallery.id in {originals.where} {what}: is the disk with the originals not "
        "mounted, or the folder moved? Nothing was changed; put the folder back and open it again."
    )
    raise GalleryProblem(msg)


def back_up(database: Database, folder: Path, name: str, now: dt.datetime) -> Path | None:
    """Copy the database, whole and consistent, into `folder`; None on PostgreSQL.

    On PostgreSQL the tables are copied into a schema of their own, named like the file.
    """
    stamp = now.astimezone(dt.UTC).strftime("%Y%m%d-%H%M%S")
    if not isinstance(database, SqliteDatabase):
        _copy_tables(database, f"{name}-{stamp}-{secrets.token_hex(2)}".replace("-", "_"))
        return None
    disk.make_folder(folder)
    path = folder / f"{name}-{stamp}-{secrets.token_hex(2)}.db"
    temporary = path.with_suffix(".part")
    copy_database(database, temporary)
    temporary.replace(path)
    disk.sync_folder(folder)
    return path


def copy_database(database: SqliteDatabase, to: Path) -> None:
    """Copy by SQLite's own backup, which sees one consistent state while others write."""
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with database.raw() as source, contextlib.closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    handle = os.open(to, os.O_RDONLY)
    try:
        disk.sync_file(handle)
    finally:
        os.close(handle)


def _copy_tables(database: Database, name: str) -> None:
    def job(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        for table in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"CREATE TABLE {name}.{table} AS TABLE {table}")

    database.write(job)
