"""Keeping a gallery whole: what is wrong with it, backups, and bringing one back.

Nothing here deletes. A repair only mends what is derived from other records (search index, sums,
stray temporary files), after a backup of the database.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from playground import money
from playground.errors import GalleryProblem
from playground.store import budgets, disk, files, items, opening, schema, search
from playground.store.database import SqliteDatabase, wal_is_safe
from playground.store.ledger import Ledger
from playground.store.opening import Opened
from playground.store.records import Finding

MANIFEST = "MANIFEST.sha256"
_TELL = 5
_OLD_SECONDS = 3600


def verify(
    opened: Opened, ledger: Ledger, now: dt.datetime, *, full: bool, repair: bool
) -> list[Finding]:
    """All findings, good ones included (`Gallery.verify`).

    Raises:
        GalleryProblem: when the originals are not this gallery's; nothing is touched then.
    """
    database = opened.database
    opening.check_marker(database, opened.originals, opened.id, may_write=False)
    if repair:
        opening.back_up(database, opened.folder / opening.BACKUPS, "before-repair", now)
    findings = [*_database(opened, full=full), *_room(opened)]
    with database.read() as connection:
        wrong_sums = budgets.recount(connection)
        indexed = search.count(connection)
        known = connection.execute(
            sa.select(schema.files.c.sha256, schema.files.c.format, schema.files.c.size_bytes)
        ).all()
        total = int(connection.execute(sa.select(sa.func.count(schema.items.c.seq))).scalar_one())
    for scope, name, what in wrong_sums:
        place = f"{scope} {name}".strip()
        findings.append(_mendable(f"The budget of the {place} {what}.", repair))
    if indexed != total:
        text = f"{indexed:,} of {total:,} items are in the search index."
        findings.append(_mendable(text, repair))
    if repair and wrong_sums:
        database.write(budgets.rebuild)
    if repair and indexed != total:
        database.write(_index_all)
    findings += _files(opened, {files.name_of(r.sha256, r.format): r.size_bytes for r in known},
                       now, full=full, repair=repair)  # fmt: skip
    findings += _money(ledger)
    if not any(finding.level in {"warning", "error"} for finding in findings):
        findings.append(Finding("ok", f"{total:,} items and {len(known):,} originals are whole."))
    return findings


def _mendable(text: str, repair: bool) -> Finding:
    if repair:
        return Finding("note", text, "It was mended, after a backup.")
    return Finding("error", text, "Mend it with `playground gallery verify --repair`.")


def _database(opened: Opened, *, full: bool) -> Iterator[Finding]:
    database = opened.database
    for notice in opened.notices:
        yield Finding("warning", notice)
    if not isinstance(database, SqliteDatabase):
        yield Finding("ok", "The database is PostgreSQL; its server checks and backs it up.")
        return
    yield journal_finding(database)
    with database.raw() as raw:
        check = "integrity_check" if full else "quick_check"
        rows = raw.execute(f"PRAGMA {check}({_TELL})").fetchall()
        broken = raw.execute("PRAGMA foreign_key_check").fetchall()
    for (answer,) in rows:
        if answer != "ok":
            yield Finding("error", f"The database is damaged: {answer}.", "Restore a backup.")
    if broken:
        text = f"{len(broken)} rows point to rows that do not exist."
        yield Finding("error", text, "Restore a backup.")


def journal_finding(database: SqliteDatabase) -> Finding:
    """Which journal is used, and why (the WAL-reset bug)."""
    version = ".".join(map(str, database.version))
    mode = database.journal_mode.upper()
    if wal_is_safe(database.version):
        return Finding("ok", f"SQLite {version} with a {mode} journal.")
    return Finding(
        "note",
        f"SQLite {version} can corrupt a database in WAL mode (sqlite.org/wal.html#walresetbug), "
        f"so a {mode} journal is used, which is safe and a little slower.",
        "A Python with SQLite 3.51.3 or newer uses WAL.",
    )


def _room(opened: Opened) -> Iterator[Finding]:
    low = opened.disk.low()
    if low:
        yield Finding("warning", low.partition(" Nothing was sent")[0])
    if opened.database.read_only:
        yield Finding("note", f"{opened.database.read_only.rstrip('.')}.")


def _files(
    opened: Opened, known: dict[str, int], now: dt.datetime, *, full: bool, repair: bool
) -> Iterator[Finding]:
    missing, wrong, stray = dict(known), [], []
    unknown = 0
    for name, size in opened.originals.sizes():
        if name.partition("/")[2].startswith(files.TEMPORARY):
            stray.append(name)
        elif name in missing:
            expected = missing.pop(name)
            if size != expected or (full and not _whole(opened, name)):
                wrong.append(name)
        else:
            unknown += 1
    if missing:
        text = f"{_of(len(missing), 'original')} missing: {_some(sorted(missing))}."
        yield Finding("error", text, "Restore them from a backup; nothing else was changed.")
    if wrong:
        text = f"{_of(len(wrong), 'original')} damaged: {_some(wrong)}."
        yield Finding("error", text, "Restore them from a backup; nothing else was changed.")
    if unknown:
        text = f"{_of(unknown, 'file')} in originals without an item; that does no harm."
        yield Finding("note", text)
    old = [name for name in stray if _is_old(opened, name, now)]
    if old:
        text = f"{_of(len(old), 'file')} unfinished, left by a crash."
        if repair:
            _move_to_trash(opened, old)
            yield Finding("note", text, f"Moved to {opened.folder / opening.TRASH}.")
        else:
            yield Finding(
                "note", text, "`playground gallery verify --repair` moves such files away."
            )


def _of(count: int, what: str) -> str:
    return f"1 {what} is" if count == 1 else f"{count:,} {what}s are"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_TELL])
    return shown if len(names) <= _TELL else f"{shown} and {len(names) - _TELL:,} more"


def _whole(opened: Opened, name: str) -> bool:
    expected = name.partition("/")[2].partition(".")[0]
    try:
        return files.sha256_of(opened.originals.get(name)) == expected
    except GalleryProblem:
        return False


def _is_old(opened: Opened, name: str, now: dt.datetime) -> bool:
    """Whether a temporary file surely belongs to no write that is still going on."""
    with contextlib.suppress(OSError, GalleryProblem):
        age = now.timestamp() - opened.originals.path(name).stat().st_mtime
        return age > _OLD_SECONDS
    return False


def _move_to_trash(opened: Opened, names: list[str]) -> None:
    trash = opened.folder / opening.TRASH
    disk.make_folder(trash)
    for name in names:
        opened.originals.path(name).replace(trash / name.replace("/", "-"))


def _money(ledger: Ledger) -> Iterator[Finding]:
    unknowns = ledger.unknowns()
    if unknowns:
        held = money.short(sum((one.hold for one in unknowns), Decimal(0)))
        yield Finding(
            "warning",
            f"{len(unknowns):,} calls may have been billed, {held} at most; it stays held.",
            "Compare them with your bill and resolve each (its cost, or 0, and a reason).",
        )
    overruns = ledger.overruns()
    if overruns:
        over = sum((one.cost or Decimal(0)) - one.hold for one in overruns)
        yield Finding(
            "error",
            f"{len(overruns):,} calls cost more than was reserved, {money.short(Decimal(over))} "
            "in all; spending is stopped.",
            "Look at them, then acknowledge them.",
        )
    batches = ledger.batches.unfinished()
    if batches:
        lines = [ledger.batches.held(batch.id) for batch in batches]
        held = money.short(sum((hold for _, hold in lines), Decimal(0)))
        text = f"{sum(n for n, _ in lines):,} photos wait in {len(batches):,} batches, {held} held."
        yield Finding("note", text, "`playground batches --fetch` brings in what is answered.")
    dead = ledger.dead_attempts()
    if dead:
        held = money.short(sum((one.hold for one in dead), Decimal(0)))
        text = f"{len(dead):,} calls of a program that ended are open, {held} held."
        yield Finding("warning", text, "They are looked into before the next spending.")


def _index_all(connection: sa.Connection) -> None:
    search.clear(connection)
    last = 0
    while True:
        table = schema.items
        query = sa.select(table.c.seq).where(table.c.seq > last).order_by(table.c.seq).limit(500)
        seqs = list(connection.execute(query).scalars())
        if not seqs:
            return
        for seq, item in zip(seqs, items.load(connection, seqs), strict=True):
            search.put(connection, seq, items.texts(item), new=True)
        last = seqs[-1]


def backup(opened: Opened, dest: Path) -> Path:
    """A gallery folder of its own at `dest`: database, originals, manifest of hashes.

    The database is copied first: every file that it mentions is already there and none is ever
    deleted, so the copy is whole while others write. Originals on the same disk are hard links.

    Raises:
        GalleryProblem: when `dest` holds something, the disk is full, or an original is missing.
    """
    if not isinstance(opened.database, SqliteDatabase):
        msg = "A gallery on PostgreSQL is backed up with pg_dump and a copy of its files' folder."
        raise GalleryProblem(msg)
    _need_empty(dest)
    try:
        disk.make_folder(dest / opening.ORIGINALS)
        dest.chmod(0o700)
        opening.copy_database(opened.database, dest / opening.DATABASE)
        lines = []
        for name in _mentioned(dest / opening.DATABASE):
            source, target = opened.originals.path(name), dest / opening.ORIGINALS / name
            target.parent.mkdir(mode=0o700, exist_ok=True)
            _link(source, target)
            lines.append(f"{name.partition('/')[2][:64]}  {opening.ORIGINALS}/{name}")
        files.FolderOriginals(dest / opening.ORIGINALS).mark(opened.id)
        marker = f"{opening.ORIGINALS}/{files.MARKER}"
        lines += [f"{_hash(dest / name)}  {name}" for name in (opening.DATABASE, marker)]
        _write(dest / MANIFEST, "\n".join(lines) + "\n")
    except OSError as error:
        msg = f"The backup to {dest} is not complete ({error.strerror or error}); remove it."
        raise GalleryProblem(msg) from error
    return dest


def restore_backup(src: str | Path, dest: str | Path) -> Path:
    """Bring a backup back as a gallery in the new folder `dest`, every file checked.

    Raises:
        GalleryProblem: when the backup is not complete, a file differs from the manifest, or
            `dest` holds something; a gallery is only made when all is well.
    """
    source, target = (Path(path).expanduser().absolute() for path in (src, dest))
    try:
        lines = (source / MANIFEST).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        msg = f"{source} is no complete backup of a gallery: it has no readable {MANIFEST}."
        raise GalleryProblem(msg) from error
    _need_empty(target)
    building = target.with_name(target.name + ".part")
    if building.exists():
        msg = f"{building} is left from an earlier attempt; remove it and try again."
        raise GalleryProblem(msg)
    try:
        for line in lines:
            sha256, _, name = line.partition("  ")
            path = (building / name).resolve()
            if not path.is_relative_to(building.resolve()) or len(sha256) != 64:
                msg = f"The manifest of {source} names something outside of a gallery: {name!r}."
                raise GalleryProblem(msg)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source / name, path)
            path.chmod(0o600)
            if _hash(path) != sha256:
                msg = f"{name} in the backup {source} is damaged; nothing was restored."
                raise GalleryProblem(msg)
            with path.open("rb") as file:
                disk.sync_file(file.fileno())
        building.chmod(0o700)
        if target.exists():
            target.rmdir()
        building.replace(target)
        disk.sync_folder(target.parent)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        msg = f"The backup {source} could not be restored: {error.strerror or error}."
        raise GalleryProblem(msg) from error
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return target


def _need_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} already holds something; choose a new folder."
        raise GalleryProblem(msg)


def _mentioned(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT sha256, format FROM files ORDER BY sha256").fetchall()
    return [files.name_of(*row) for row in rows]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        target.chmod(0o600)
        with target.open("rb") as file:
            disk.sync_file(file.fileno())


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        disk.sync_file(file.fileno())
    disk.sync_folder(path.parent)
