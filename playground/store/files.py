"""Originals: files named by the SHA-256 of their bytes, never changed, never half there.

`originals/<aa>/<sha256>.<ext>`, written as tmp (same folder, 0600) > fsync > rename > fsync of
the folder; only then may the database mention them. A crash leaves at most a `.tmp-` file.
`originals/gallery.id` holds the id of the gallery that they belong to: when it is missing or
another one's, the disk is not mounted or the folder was swapped, and nothing is touched.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import fsspec  # type: ignore[import-untyped]

from playground import failpoints
from playground.errors import GalleryProblem
from playground.store import disk
from playground.values import Photo

MARKER = "gallery.id"
TEMPORARY = ".tmp-"
_HASH = re.compile(r"[0-9a-f]{64}")
_EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
_EXTENSION = re.compile(r"[a-z0-9]{1,5}")


def name_of(sha256: str, format_: str) -> str:
    """The relative path of an original; raises ValueError for anything that is not a hash."""
    extension = _EXTENSIONS.get(format_, format_)
    if not _HASH.fullmatch(sha256) or not _EXTENSION.fullmatch(extension):
        msg = f"{sha256!r}, {format_!r} do not name an original"
        raise ValueError(msg)
    return f"{sha256[:2]}/{sha256}.{extension}"


class Originals(Protocol):
    """Where originals are kept; names are those of `name_of`."""

    where: str

    def put(self, name: str, data: bytes) -> None:
        """Store `data` durably under `name`."""

    def adopt(self, name: str, path: Path, size_bytes: int, read: Callable[[], bytes]) -> None:
        """Keep the file at `path` without copying it where possible; `read` gives its bytes."""

    def sync(self, names: Iterable[str]) -> None:
        """Make adopted files durable under their names, before rows mention them."""

    def get(self, name: str) -> bytes:
        """The bytes, or GalleryProblem when the file is gone."""

    def path(self, name: str) -> Path:
        """The local file, or GalleryProblem when there is none on this machine."""

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Every stored file and its size in bytes, temporary ones included."""

    def marker(self) -> str | None:
        """The id in the marker file."""

    def mark(self, gallery_id: str) -> None:
        """Write the marker."""


class FolderOriginals:
    """Originals in a local folder."""

    def __init__(self, folder: Path, *, on_full: Callable[[], bool] = lambda: False) -> None:
        """Keep originals in `folder`; `on_full` may free space for one more try."""
        self.folder = folder
        self.where = str(folder)
        self._on_full = on_full

    def put(self, name: str, data: bytes) -> None:
        """Store `data` durably under `name`.

        Raises:
            GalleryProblem: when the disk is full or refuses; nothing is left under `name`.
        """
        final = self.folder / name
        # Same name, same bytes: unless the file was damaged, there is nothing to do.
        with contextlib.suppress(OSError):
            if final.stat().st_size == len(data) and final.read_bytes() == data:
                disk.sync_folder(final.parent)  # whoever wrote it may have died before
                return
        try:
            self._write(final, data)
        except OSError as error:
            if disk.is_full(error) and self._on_full():
                with contextlib.suppress(OSError):
                    self._write(final, data)
                    return
            reason = "is full" if disk.is_full(error) else f"refused it ({error.strerror})"
            msg = (
                f"A picture could not be stored because the disk with {self.folder} {reason}; "
                "what was received for it is kept, and stored when there is room again."
            )
            raise GalleryProblem(msg) from error

    def _write(self, final: Path, data: bytes) -> None:
        failpoints.hit("pre_tmp")
        disk.make_folder(final.parent)
        temporary = final.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                half = len(data) // 2
                _write_all(handle, data[:half])
                failpoints.hit("mid_tmp")
                _write_all(handle, data[half:])
                # After a failed fsync the pages may be gone: the file is given up, never re-synced.
                disk.sync_file(handle)
            finally:
                os.close(handle)
            failpoints.hit("post_fsync")
            temporary.replace(final)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        disk.sync_folder(final.parent)
        failpoints.hit("post_rename")

    def adopt(self, name: str, path: Path, size_bytes: int, read: Callable[[], bytes]) -> None:
        """Keep a photo of the owner's archive: as a second name of the same file, else a copy.

        A second name (hard link) takes no room, which for an archive matters: nothing is
        written to the file itself. Whoever later changes that file *in place* changes what the
        gallery has too (`verify(full=True)` tells); programs that write a new file do not.
        It is durable after `sync`. `read` gives its bytes where a copy is made.

        Raises:
            GalleryProblem: as `put`.
        """
        # Texts, not paths: an archive does this for every photo.
        final, source = f"{self.folder}/{name}", os.fspath(path)
        with contextlib.suppress(OSError):
            if os.stat(final).st_size == size_bytes:  # noqa: PTH116
                return
        temporary = f"{os.path.dirname(final)}/{TEMPORARY}{secrets.token_hex(8)}"  # noqa: PTH120
        try:
            try:
                os.link(source, temporary, follow_symlinks=False)
            except FileNotFoundError:
                disk.make_folder(Path(final).parent)
                os.link(source, temporary, follow_symlinks=False)
            status = os.lstat(temporary)
            known = os.stat(source)  # noqa: PTH116
            same = (status.st_ino, status.st_size) == (known.st_ino, size_bytes)
            if not stat.S_ISREG(status.st_mode) or not same:
                raise OSError(errno.ESTALE, "changed while it was read")
            os.replace(temporary, final)  # noqa: PTH105
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            self.put(name, read())

    def sync(self, names: Iterable[str]) -> None:
        """Sync the folders of these names, each once.

        Raises:
            GalleryProblem: when the disk refuses.
        """
        try:
            for folder in sorted({(self.folder / name).parent for name in names}):
                disk.sync_folder(folder)
        except OSError as error:
            msg = f"The disk with {self.folder} cannot be used: {error.strerror}."
            raise GalleryProblem(msg) from error

    def get(self, name: str) -> bytes:
        """The bytes, or GalleryProblem when the file is gone."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise _missing(self.where, name, error) from error

    def path(self, name: str) -> Path:
        """The local file, or GalleryProblem when it is gone."""
        path = self.folder / name
        if not path.is_file():
            raise _missing(self.where, name, FileNotFoundError("no such file"))
        return path

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Every stored file and its size in bytes, temporary ones included."""
        for part in sorted(os.scandir(self.folder), key=lambda entry: entry.name):
            if part.is_dir(follow_symlinks=False) and len(part.name) == 2:
                for entry in os.scandir(part.path):
                    with contextlib.suppress(FileNotFoundError):
                        yield f"{part.name}/{entry.name}", entry.stat(follow_symlinks=False).st_size

    def marker(self) -> str | None:
        """The id in the marker file; None when there is none."""
        try:
            return (self.folder / MARKER).read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            msg = f"The originals in {self.folder} cannot be read: {error.strerror}."
            raise GalleryProblem(msg) from error

    def mark(self, gallery_id: str) -> None:
        """Write the marker, durably."""
        disk.make_folder(self.folder)
        handle = os.open(self.folder / MARKER, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(handle, f"{gallery_id}\n".encode())
            disk.sync_file(handle)
        finally:
            os.close(handle)
        disk.sync_folder(self.folder)


class RemoteOriginals:
    """Originals behind any other fsspec URL (object storage writes a whole object or none)."""

    def __init__(self, url: str) -> None:
        """Open `url`, e.g. s3://bucket/folder.

        Raises:
            GalleryProblem: when fsspec does not know the protocol or lacks its package.
        """
        try:
            self._system: Any
            self._system, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            msg = f"The place for originals cannot be opened: {error}."
            raise GalleryProblem(msg) from error
        self._root = str(root).rstrip("/")
        self.where = url.partition("://")[0] + "://" + self._root.lstrip("/")

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def put(self, name: str, data: bytes) -> None:
        """Store `data` under `name`."""
        failpoints.hit("pre_tmp")
        try:
            place = self._at(name)
            if self._system.exists(place) and self._system.cat_file(place) == data:
                return
            self._system.makedirs(place.rpartition("/")[0], exist_ok=True)
            self._system.pipe_file(place, data)
        except OSError as error:
            msg = (
                f"A picture could not be stored in {self.where}: {error}; what was received for "
                "it is kept."
            )
            raise GalleryProblem(msg) from error
        failpoints.hit("post_rename")

    def adopt(self, name: str, path: Path, size_bytes: int, read: Callable[[], bytes]) -> None:
        """Store a copy."""
        del path, size_bytes
        self.put(name, read())

    def sync(self, names: Iterable[str]) -> None:
        """Nothing to do: an object is durable once it is stored."""

    def get(self, name: str) -> bytes:
        """The bytes, or GalleryProblem when the object is gone."""
        try:
            return bytes(self._system.cat_file(self._at(name)))
        except OSError as error:
            raise _missing(self.where, name, error) from error

    def path(self, name: str) -> Path:
        """Raises GalleryProblem: the object is not a file of this machine."""
        msg = f"{self.where}/{name} is not a file on this machine; read its bytes with original()."
        raise GalleryProblem(msg)

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Every stored object and its size in bytes."""
        for path, details in sorted(self._system.find(self._root, detail=True).items()):
            name = path[len(self._root) :].lstrip("/")
            if "/" in name:
                yield name, int(details["size"])

    def marker(self) -> str | None:
        """The id in the marker object."""
        try:
            return bytes(self._system.cat_file(self._at(MARKER))).decode().strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"The originals in {self.where} cannot be read: {error}."
            raise GalleryProblem(msg) from error

    def mark(self, gallery_id: str) -> None:
        """Write the marker."""
        self._system.makedirs(self._root, exist_ok=True)
        self._system.pipe_file(self._at(MARKER), f"{gallery_id}\n".encode())


def unchanged(photo: Photo) -> bytes:
    """The bytes of a measured photo's file.

    Raises:
        GalleryProblem: when it is gone, or no longer the file that was measured.
    """
    assert photo.path is not None
    try:
        data = photo.path.read_bytes()
    except OSError as error:
        msg = f"{photo.path} cannot be read ({error.strerror}), so it was not stored."
        raise GalleryProblem(msg) from error
    if sha256_of(data) != photo.sha256:
        msg = f"{photo.path} has changed since it was measured, so it was not stored."
        raise GalleryProblem(msg)
    return data


def sha256_of(data: bytes) -> str:
    """The hash that names `data`."""
    return hashlib.sha256(data).hexdigest()


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _missing(where: str, name: str, error: OSError) -> GalleryProblem:
    return GalleryProblem(
        f"The original {name} is not readable in {where} ({error.strerror or error}); "
        "`playground gallery verify` lists what is missing."
    )
