"""Where an export goes: whole or not at all, and never over something without being told.

A file is written beside its place and renamed when it is complete; a folder too. With `force` an
existing file is replaced; in an existing folder files of the same names are replaced, one by
one, and nothing else is touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from playground.errors import GalleryProblem

_PART = ".part"


@contextlib.contextmanager
def file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """A new file to write to; it has its name only once the block ended well.

    Raises:
        GalleryProblem: when it exists (without `force`), or cannot be written.
    """
    path = _checked(path, force=force)
    if path.is_dir():
        msg = f"{path} is a folder; this export is one file, so give it a name"
        raise GalleryProblem(msg)
    part = path.with_name(f".{path.name[:100]}-{secrets.token_hex(4)}{_PART}")
    with _told(path):
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            # Owner's data, so the usual umask decides who else reads it.
            with os.fdopen(handle, "wb", buffering=1 << 18) as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            if not force and path.exists():  # it came meanwhile
                raise FileExistsError(errno.EEXIST, "File exists", str(path))
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


@contextlib.contextmanager
def folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A new folder to fill; it has its name only once the block ended well.

    Raises:
        GalleryProblem: when it exists with something in it (without `force`), or is not writable.
    """
    path = _absolute(path)
    there = path.is_dir() and any(path.iterdir())
    if there or (path.exists() and not path.is_dir()):
        path = _checked(path, force=force and path.is_dir())
    part = path.with_name(f".{path.name[:100]}-{secrets.token_hex(4)}{_PART}")
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        try:
            yield part
            if not path.exists():
                part.rename(path)
                return
            for made in sorted(part.rglob("*")):
                place = path / made.relative_to(part)
                if made.is_dir():
                    place.mkdir(exist_ok=True)
                else:
                    made.replace(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _absolute(path: Path) -> Path:
    return Path(path).expanduser().absolute()


def _checked(path: Path, *, force: bool) -> Path:
    path = _absolute(path)
    if path.exists() and not force:
        msg = f"{path} is already there and was left as it is; --force replaces it"
        raise GalleryProblem(msg)
    return path


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        msg = f"{path} is already there and was left as it is; --force replaces it"
        raise GalleryProblem(msg) from error
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error))
        msg = (
            f"{path} could not be written ({why}); nothing is left of it, the gallery is as it was"
        )
        raise GalleryProblem(msg) from error
