"""A power cut at any moment: what was not synced is lost, and nothing that was promised is (C2).

A run is watched (strace) and its writes are replayed on a disk that forgets: at each crash point
every unsynced write and every unsynced name may be lost, each on its own. What is left is opened
as after a restart of the machine, and must be whole: no broken database, no row without its file,
no request without its reservation.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.runner import recover
from playground.store import Gallery

FULL = os.environ.get("PLAYGROUND_FULL_SIZE") == "1"
POINTS = 1_000 if FULL else 40
pytestmark = pytest.mark.timeout(1_800 if FULL else 300)
RUN = """
import sys
from playground.provider.connect import connect
from playground.runner import caption_folder
from playground.store import Gallery
url, place, photos = sys.argv[1:]
with connect(base_url=url, environ={}) as client, Gallery(place) as gallery:
    assert caption_folder(photos, gallery, client, concurrency=4, confirm=True).captioned == 16
"""
CALLS = (
    "open,openat,creat,write,pwrite64,ftruncate,truncate,rename,renameat,renameat2,link,linkat,"
    "unlink,unlinkat,fsync,fdatasync,sendto"
)
LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>)?(.*)$")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
HANDLE = re.compile(r"^(\d+)<([^>]*)>")
LAST = re.compile(r", (\d+)(?:\)| <unfinished)")
REQUEST = re.compile(rb"x-client-request-id: ([0-9a-f]{32})")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """An empty place, in memory where there is some: the disk that forgets is ours."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@dataclass
class File:
    """Bytes that are on the disk, and what was written since and may be lost."""

    durable: bytearray = field(default_factory=bytearray)
    now: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def write(self, offset: int | None, data: bytes | None) -> None:
        """Write at an offset (None: at the end); no data: cut to that length."""
        change = (len(self.now) if offset is None else offset, data)
        apply(self.now, change)
        self.pending.append(change)

    def sync(self, count: int) -> None:
        for change in self.pending[:count]:
            apply(self.durable, change)
        del self.pending[:count]


def apply(content: bytearray, change: tuple[int, bytes | None]) -> None:
    offset, data = change
    if data is None:
        del content[offset:]
        content.extend(b"\0" * (offset - len(content)))
        return
    content.extend(b"\0" * (offset - len(content)))
    content[offset : offset + len(data)] = data


class Disk:
    """A folder's files by name: those that a restart surely finds, and those that it may find."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.names: dict[str, File] = {}
        for path in root.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                self.names[str(path)] = File(bytearray(content), bytearray(content))
        self.durable = dict(self.names)
        self.pending: dict[str, list[dict[str, File | None]]] = {}

    def name(self, changes: dict[str, File | None]) -> None:
        """Give and take names, at once; all of one folder."""
        for path, file in changes.items():
            self.names.pop(path, None)
            if file is not None:
                self.names[path] = file
        folder = str(Path(next(iter(changes))).parent)
        self.pending.setdefault(folder, []).append(changes)

    def waiting(self, path: str) -> int:
        file = self.names.get(path)
        return len(file.pending) if file else len(self.pending.get(path, []))

    def sync(self, path: str, count: int) -> None:
        if path in self.names:
            self.names[path].sync(count)
            return
        changes = self.pending.get(path, [])
        for change in changes[:count]:
            named(self.durable, change)
        del changes[:count]

    def after_a_cut(self, draw: random.Random, place: Path) -> None:
        """What a restart finds: everything synced, and any part of the rest."""
        names = dict(self.durable)
        for changes in self.pending.values():
            for change in changes[: draw.randint(0, len(changes))]:
                named(names, change)
        for path, file in names.items():
            content = bytearray(file.durable)
            for change in file.pending:
                if draw.random() < 0.5:
                    apply(content, change)
            target = place / os.path.relpath(path, self.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def named(names: dict[str, File], changes: dict[str, File | None]) -> None:
    for path, file in changes.items():
        names.pop(path, None)
        if file is not None:
            names[path] = file


@dataclass
class Event:
    """One finished call: its name, its texts and its file; `begun` is how much it could sync."""

    call: str
    texts: list[bytes]
    path: str
    rest: str


def events(log: Path) -> Iterator[tuple[str, Event]]:
    """("begin" or "end", call): a call that another thread interrupted is told twice."""
    open_: dict[str, Event] = {}
    for line in log.read_text(errors="surrogateescape").splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        pid, resumed, rest = match.groups()
        if resumed:
            event = open_.pop(pid, None)
            if event is not None and "= -1" not in rest:
                event.rest += rest
                yield "end", event
            continue
        call, _, arguments = rest.partition("(")
        texts = [bytes.fromhex(text.replace("\\x", "")) for text in TEXT.findall(arguments)]
        handle = HANDLE.match(arguments)
        path = plain(handle[2]) if handle else ""
        event = Event(call.strip(), texts, path, TEXT.sub('""', arguments))
        yield "begin", event
        if "<unfinished" in rest:
            open_[pid] = event
        elif "= -1" not in event.rest:
            yield "end", event


def plain(text: str) -> str:
    if "\\x" in text:
        return bytes.fromhex(text.replace("\\x", "")).decode()
    return text


def act(disk: Disk, event: Event, synced: int) -> None:
    """Do on our disk what a finished call did on the real one."""
    paths = [os.fsdecode(text) for text in event.texts]
    call = event.call
    if call in {"open", "openat", "creat"} and "O_CREAT" in event.rest and mine(disk, paths[-1]):
        if paths[-1] not in disk.names:
            disk.name({paths[-1]: File()})
        elif "O_TRUNC" in event.rest:
            disk.names[paths[-1]].write(0, None)
    elif call in {"write", "pwrite64"} and event.path in disk.names:
        offset = None
        if call == "pwrite64":
            offset = last_number(event)
        disk.names[event.path].write(offset, event.texts[0])
    elif call == "ftruncate" and event.path in disk.names:
        disk.names[event.path].write(last_number(event), None)
    elif call.startswith("rename") and mine(disk, paths[-1]):
        disk.name({paths[0]: None, paths[1]: disk.names[paths[0]]})
    elif call.startswith("link") and mine(disk, paths[-1]):
        content = Path(paths[0]).read_bytes()  # an archive's photo: it was there before
        disk.name({paths[1]: File(bytearray(content), bytearray(content))})
    elif call.startswith("unlink") and paths and paths[-1] in disk.names:
        disk.name({paths[-1]: None})
    elif call in {"fsync", "fdatasync"} and mine(disk, event.path):
        disk.sync(event.path, synced)


def last_number(event: Event) -> int:
    return int(LAST.findall(event.rest)[-1])


def mine(disk: Disk, path: str) -> bool:
    return path.startswith(disk.root)


def whole(place: Path, asked: set[str], app: OfflineApp) -> None:
    """What the promise says of a gallery after a power cut."""
    with sqlite3.connect(place / "gallery.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.execute("UPDATE owners SET boot_id = 'before the cut'")
    database.close()
    with Gallery(place) as gallery:
        recover(gallery)
        for attempt_id in asked:
            gallery.ledger.attempt(attempt_id)  # raises when its reservation was lost
        calls = [call for call in app.truth.calls if call.client_request_id in asked]
        billed = sum((call.billed or Decimal(0) for call in calls), Decimal(0))
        totals = gallery.ledger.totals()
        assert totals.settled <= billed <= totals.committed
        assert [one for one in gallery.verify(full=True) if one.level == "error"] == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_power_cut_at_any_moment_breaks_no_promise(tmp_path: Path) -> None:
    photos, place, log = tmp_path / "photos", tmp_path / "g", tmp_path / "log"
    photos.mkdir()
    for number in range(16):
        path = photos / f"{number}.jpg"
        Image.new("RGB", (16, 16)).save(path, "JPEG", comment=f"{number}")
    with Gallery(place):
        pass
    disk = Disk(place)
    with OfflineServer(OfflineApp()) as server:
        traced = [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-y",
            "-xx",
            "-s",
            "200000",
            "-e",
            f"trace={CALLS}",
            "-o",
            str(log),
        ]
        words = [server.base_url, str(place), str(photos)]
        done = subprocess.run([*traced, sys.executable, "-c", RUN, *words], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        seen = list(events(log))
        draw = random.Random(5)
        mattering = [
            at for at, (when, event) in enumerate(seen)
            if when == "end" and (mine(disk, event.path) or event.call == "sendto"
                                  or any(mine(disk, os.fsdecode(t)) for t in event.texts[:2]))
        ]  # fmt: skip
        assert len(mattering) > 300
        points = sorted(draw.choices(mattering, k=POINTS))
        asked: set[str] = set()
        begun: dict[int, int] = {}
        for at, (when, event) in enumerate(seen):
            if when == "begin":
                found = [REQUEST.search(text) for text in event.texts if event.call == "sendto"]
                asked |= {match[1].decode() for match in found if match}
                begun[id(event)] = disk.waiting(event.path)
                continue
            act(disk, event, begun.pop(id(event), 0))
            while points and points[0] == at:
                points.pop(0)
                with tempfile.TemporaryDirectory(dir=tmp_path) as name:
                    disk.after_a_cut(draw, Path(name) / "g")
                    whole(Path(name) / "g", asked, server.app)
        assert len(asked) == 16
        for path, file in disk.names.items():  # our disk ended as the real one did
            if path.endswith(("gallery.db", ".jpeg", ".jpg")):
                assert Path(path).read_bytes() == bytes(file.now), path
