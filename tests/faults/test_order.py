"""What reaches the disk before what leaves the machine, seen from outside (strace)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer

SAVES = 25
CALLS = "fsync,fdatasync,rename,renameat,renameat2,sendto,write,pwrite64,ftruncate"
# Of `strace -y`: the call, its first file descriptor's path, the rest.
LINE = re.compile(r"^\d+ +(\w+)\((?:\d+<([^>]*)>)?(.*)$")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_reservations_are_on_disk_before_a_request_and_files_before_their_rows(
    tmp_path: Path,
) -> None:
    log, place = tmp_path / "log", tmp_path / "g"
    with OfflineServer(OfflineApp()) as server:
        cell = {"gallery": str(place), "base_url": server.base_url, "what": "1", "times": SAVES}
        traced = [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-y",
            "-s",
            "40",
            "-e",
            f"trace={CALLS}",
            "-o",
            str(log),
        ]
        zygote = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
        done = subprocess.run(
            traced + zygote, input=json.dumps(cell) + "\n", capture_output=True, text=True
        )
        assert done.stdout == "0\n", done.stderr
        assert server.app.truth.requests == SAVES
    events = list(read(log, place))
    assert sent_after_durable_reservation(events) == SAVES
    assert stored_in_order(events) == SAVES


Event = tuple[str, str]


def read(log: Path, place: Path) -> list[Event]:
    """What matters, in its order: writes and syncs of the database, files, folders; requests."""
    events: list[Event] = []
    for line in log.read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        call, path, rest = match[1], match[2] or "", match[3]
        if "POST /v1/images" in rest:
            events.append(("request", ""))
        elif call.startswith("rename") and "/originals/" in rest and ".tmp-" in rest:
            names = re.findall(r'"([^"]+)"', rest)
            events.append(("rename", names[-1]))
        elif path.startswith(str(place)):
            kind = "sync" if call in {"fsync", "fdatasync"} else "write"
            events.append((kind, path))
    return events


def is_database(path: str) -> bool:
    return ".db" in Path(path).name


def sent_after_durable_reservation(events: list[Event]) -> int:
    """Requests before which the database was written and all of it synced."""
    good = 0
    dirty: set[str] = set()
    synced = False
    for kind, path in events:
        if kind == "request":
            assert synced, "a request left before its reservation was synced"
            assert not dirty, f"a request left before {dirty} was synced"
            good += 1
            synced = False
        elif kind == "write" and is_database(path):
            dirty.add(path)
        elif kind == "sync" and is_database(path):
            dirty.discard(path)
            synced = True
    return good


def stored_in_order(events: list[Event]) -> int:
    """Pictures for which: sync of the temporary file, rename, sync of the folder, database."""
    good = 0
    for place, (kind, name) in enumerate(events):
        if kind != "rename":
            continue
        before, after = events[:place], events[place + 1 :]
        last_sync = next(path for kind, path in reversed(before) if kind == "sync")
        assert ".tmp-" in last_sync
        assert Path(last_sync).parent == Path(name).parent
        folder_sync = after.index(("sync", str(Path(name).parent)))
        row = next(i for i, (_, path) in enumerate(after) if is_database(path))
        assert folder_sync < row
        good += 1
    return good
