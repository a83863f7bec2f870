"""The disk under a gallery: room to spare, file system, durable small files."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
from pathlib import Path

from playground.errors import GalleryProblem

_MIB = 1024 * 1024
KEEP_FREE_BYTES = 200 * _MIB
KEEP_FREE_SHARE = 20  # of the disk: one part in
BALLAST_BYTES = 4 * _MIB
_PER_ANSWER_BYTES = 8 * _MIB
_MOST_ANSWERS = 64  # that arrive at a time; a batch may have thousands reserved
_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs",
    "vboxsf", "virtiofs", "prl_fs", "drvfs", "davfs",
}  # fmt: skip


def is_full(error: OSError) -> bool:
    """Whether the error says that there is no room (disk, quota, or file-size limit)."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut (where folders can be synced)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create `folder` for its owner only (0700), and make its name durable."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            msg = f"{folder} is a file, not a folder; nothing was changed"
            raise GalleryProblem(msg) from None
        return
    sync_folder(folder.parent)


def sync_file(handle: int) -> None:
    """Write an open file through to the disk itself.

    macOS answers fsync before the drive has written; F_FULLFSYNC waits for it.
    """
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        except OSError:
            os.fsync(handle)
    else:
        os.fsync(handle)


def file_system(folder: Path) -> str:
    """The file system's type by /proc/mounts (longest mount point above), "" if unknown."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    best, kind = "", ""
    inside = str(folder.resolve())
    for line in mounts.splitlines():
        parts = line.split(" ")
        point = parts[1].replace("\\040", " ") if len(parts) > 2 else ""
        above = inside == point or inside.startswith(point.rstrip("/") + "/")
        if point and above and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind


def is_network(kind: str) -> bool:
    """Whether a file system type is remote or in user space: no shared memory, doubtful locks."""
    return kind in _NETWORK or (kind.startswith("fuse") and kind != "fuseblk")


def why_read_only(folder: Path) -> str:
    """The reason why `folder` cannot be written, or "" when a new file can be made in it.

    A probe is written, because permission bits say nothing for root or on a read-only mount.
    """
    probe = folder / f".probe-{secrets.token_hex(8)}"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        probe.unlink()
    except OSError as error:
        if is_full(error):
            return ""  # a full disk may still be written after some space is freed
        return f"The gallery's folder {folder} cannot be written ({error.strerror or error})"
    return ""


class Disk:
    """Room on the disk of `folder`: a threshold below which nothing new is bought, and a ballast.

    The ballast is a file that is given up when the disk is full, so that what was already paid
    for can still be booked. `keep_free_bytes` replaces the threshold, which is 200 MiB or a
    twentieth of a small disk.
    """

    def __init__(self, folder: Path, *, keep_free_bytes: int | None = None) -> None:
        self.folder = folder
        self.ballast = folder / "ballast"
        self._wanted = keep_free_bytes
        self._dropped = False

    def low(self, answers_on_the_way: int = 0) -> str:
        """Why nothing new should be bought, or "": the disk must hold what is on its way too."""
        usage = shutil.disk_usage(self.folder)
        keep = self._wanted
        if keep is None:
            keep = min(KEEP_FREE_BYTES, usage.total // KEEP_FREE_SHARE)
        answers = min(answers_on_the_way, _MOST_ANSWERS)
        keep += answers * min(_PER_ANSWER_BYTES, usage.total // 400)
        if usage.free >= keep:
            if self._dropped:
                self.lay_ballast()
            return ""
        return (
            f"The disk with the gallery {self.folder} is nearly full: {usage.free / _MIB:,.1f} MiB "
            f"are free and {keep / _MIB:,.1f} MiB are kept so that what is paid for can be stored. "
            "Nothing was sent and nothing was spent; free some space and start again."
        )

    def lay_ballast(self) -> None:
        """Write the ballast if it is missing and there is ample room for it."""
        usage = shutil.disk_usage(self.folder)
        self._dropped = False
        size = min(BALLAST_BYTES, usage.total // 100)
        if self.ballast.exists() or usage.free < 4 * size:
            return
        try:
            handle = os.open(self.ballast, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return
        try:
            # Zeros might be stored as a hole or compressed away; random bytes take their room.
            os.write(handle, os.urandom(size))
        except OSError:
            self.ballast.unlink(missing_ok=True)
        finally:
            os.close(handle)

    def drop_ballast(self) -> bool:
        """Give the ballast up; whether there was one."""
        try:
            self.ballast.unlink()
        except OSError:
            return False
        self._dropped = True
        return True
