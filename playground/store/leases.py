"""Who holds an open attempt, and whether that process still lives.

An owner is known by its host (and process-id namespace), boot, process id and the process's start
time, so that a reused process id is not taken for it. Owners on this host are looked up in the
process table; those elsewhere count as living while their heartbeat is fresh. When in doubt an
owner lives: its attempts stay held, which costs nothing but patience.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT_SECONDS = 30
STALE_SECONDS = 10 * HEARTBEAT_SECONDS


@dataclass(frozen=True, slots=True)
class Owner:
    """One process, as far as this or another host can know it."""

    id: str
    host: str
    boot_id: str
    pid: int
    started: str
    spool: str


def current_pid() -> int:
    """The id of the running process (another one in a forked child)."""
    return os.getpid()


def this_process(owner_id: str, spool: Path) -> Owner:
    """The lease of the running process; of its spool folder only a mark of the path is kept."""
    pid = current_pid()
    mark = hashlib.sha256(str(spool.resolve()).encode("utf-8", "replace")).hexdigest()[:16]
    return Owner(owner_id, _host(), _boot_id(), pid, started_at(pid) or "", mark)


def lives(owner: Owner, *, heartbeat_age_seconds: float) -> bool:
    """Whether `owner` may still be running. `heartbeat_age_seconds` counts for other hosts."""
    if owner.host != _host():
        return heartbeat_age_seconds <= STALE_SECONDS
    if owner.boot_id != _boot_id():
        return False
    if sys.platform == "win32":
        # No safe look-up without more packages: only a restart or close() ends such a lease.
        return True
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it exists and belongs to somebody else
    return started_at(owner.pid) in {None, owner.started}


def started_at(pid: int) -> str | None:
    """When a process began, as text that is only compared; "" if it ended, None if unknown."""
    try:
        # The name in parentheses may contain spaces; the start time is the 22nd field.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        after_name = fields.rpartition(")")[2].split()
        return "" if after_name[0] in {"Z", "X"} else after_name[19]
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return ""
    except OSError:
        return None
    if sys.platform == "win32":
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - fixed words and a number
            ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def shares_files(owner: Owner, here: Owner) -> bool:
    """Whether `here` sees all that `owner` wrote, even without fsync: same spool, no restart."""
    this = (here.host, here.boot_id, here.spool)
    return bool(here.boot_id) and (owner.host, owner.boot_id, owner.spool) == this


def _host() -> str:
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}".strip()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        try:
            answer = subprocess.run(
                ["sysctl", "-n", "kern.boottime"],  # noqa: S607
                capture_output=True, text=True, timeout=10, check=False,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return ""
        return answer.stdout.strip()
    return ""
