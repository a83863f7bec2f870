"""Folders and files to measured, hashed photos. Reads headers; decodes nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, TypeVar

from playground.errors import PhotoProblem
from playground.photos import header, pool
from playground.size import Size
from playground.values import CaptionRequest, EditRequest, Photo, PhotoLike, Request

# 8192 x 8192: more than any phone makes, and what one decoder can hold in its 1 GiB.
MAX_PIXELS = 8192 * 8192
MAX_FILE_BYTES = 1 << 28
# Larger files are hashed piece by piece.
_AT_ONCE = 1 << 22
_READ_KINDS = "JPEG, PNG, WebP, GIF, TIFF, BMP and AVIF"
_DELIVERED = frozenset({"png", "jpeg", "webp"})
# Names under which pictures come, those included that are then refused with a reason.
_PICTURES = "jpg jpeg jpe jfif png apng webp gif tif tiff bmp dib avif"
_REFUSED = "heic heif jxl jp2 psd svg eps ps fits fit tga ico cr2 cr3 nef arw dng raf orf rw2"
_SUFFIXES = frozenset(f".{name}" for name in f"{_PICTURES} {_REFUSED}".split())

_R = TypeVar("_R", bound=Request)


def scan(
    folder: Path | str, *, on_problem: Callable[[Path, str], None] | None = None
) -> Iterator[Path]:
    """The picture files below a folder, lazily, sorted by name within each folder; as `names`."""
    return map(Path, names(folder, on_problem=on_problem))


def names(
    folder: Path | str, *, on_problem: Callable[[Path, str], None] | None = None
) -> Iterator[str]:
    """The paths of the picture files below a folder, as text: in a large one that counts.

    Hidden files and folders are skipped, a linked folder is entered once, and a folder that
    cannot be read is reported to `on_problem(path, why)` and passed by.

    Raises:
        PhotoProblem: when `folder` itself is missing or no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PhotoProblem(f"{folder} is {'not a folder' if folder.exists() else 'missing'}")
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            status = current.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(current) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as problem:
            if on_problem is not None:
                on_problem(current, f"the folder cannot be read ({_reason(problem)})")
            continue
        inner = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _leads_to_folder(entry):
                inner.append(Path(entry.path))
            elif entry.name[entry.name.rfind(".") :].lower() in _SUFFIXES:
                yield entry.path
        waiting.extend(reversed(inner))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself, or into a folder that is closed to us


def measure(path: Path | str, *, with_hash: bool = True, max_pixels: int = MAX_PIXELS) -> Photo:
    """Pixels as shown (orientation applied), format, size and hash of a picture file.

    The content decides what a file is, whatever its name ends in. Only the header is read, and
    the whole file where `with_hash` asks for its SHA-256.

    Raises:
        PhotoProblem: when it is missing, unreadable, empty, not of a kind that is decoded, or
            has more than `max_pixels`.
    """
    path = Path(path)
    try:
        status = _checked(path)
        with path.open("rb", buffering=0) as file:
            # A file that is read for its hash anyway is read once, unless it is large.
            whole = (
                _whole(file, status.st_size) if with_hash and status.st_size <= _AT_ONCE else b""
            )
            read = header.of_bytes(whole) if whole else header.of_file(file)
            if read is None:
                file.seek(0)
                format_, size = _other(path.name, file.read(status.st_size), max_pixels)
            else:
                format_, size = read.format, Size(*read.shown)
            digest = None
            if whole:
                digest = hashlib.sha256(whole).hexdigest()
            elif with_hash:
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise _unreadable(path, problem) from None
    except header.BadHeader as problem:
        raise PhotoProblem(f"{path.name}: {problem}") from None
    _check_pixels(path.name, size, max_pixels)
    return Photo(size.width_px, size.height_px, format_, status.st_size, digest, path)


def measure_many(
    paths: Iterable[Path | str], *, with_hash: bool = False, max_pixels: int = MAX_PIXELS
) -> Iterator[Photo | tuple[Path, str]]:
    """Measure files in order, lazily: a Photo each, or the path and why it is refused.

    Headers are read one after the other (Python's threads only slow that down); hashing reads
    whole files, so it runs in a few threads.
    """

    def one(path: Path) -> Photo | tuple[Path, str]:
        try:
            return measure(path, with_hash=with_hash, max_pixels=max_pixels)
        except PhotoProblem as problem:
            return path, str(problem)

    if not with_hash:
        yield from (one(Path(path)) for path in paths)
        return
    with ThreadPoolExecutor(pool.shared.size) as threads:
        window: deque[Future[Photo | tuple[Path, str]]] = deque()
        for path in paths:
            window.append(threads.submit(one, Path(path)))
            if len(window) >= 8 * pool.shared.size:
                yield window.popleft().result()
        while window:
            yield window.popleft().result()


def resolve(request: _R, *, with_hash: bool = True) -> _R:
    """The request with every path in it measured (and hashed); photos that were pass through.

    Raises:
        PhotoProblem: as `measure`.
    """

    def one(photo: PhotoLike) -> Photo:
        if isinstance(photo, Photo):
            if photo.path is None or photo.sha256 or not with_hash:
                return photo
            return measure(photo.path)
        if not str(photo):
            msg = "no photo was given"
            raise PhotoProblem(msg)
        return measure(photo, with_hash=with_hash)

    if isinstance(request, CaptionRequest):
        return request.with_(photo=one(request.photo))
    if isinstance(request, EditRequest):
        images = tuple(one(image) for image in request.images)
        return request.with_(images=images, mask=one(request.mask) if request.mask else None)
    return request


def read(photo: Photo | Path | str, *, checked: bool = True) -> tuple[str, bytes]:
    """A picture file's name and bytes.

    Without `checked` the bytes of a measured photo are not compared with its hash: `confirm` must
    do that before they are used.

    Raises:
        PhotoProblem: when there is no file, it cannot be read or is larger than 256 MiB, or it
            is no longer the file that was measured.
    """
    path = photo.path if isinstance(photo, Photo) else Path(photo)
    if path is None:
        msg = "a photo that was only described by its dimensions can be quoted but not sent"
        raise PhotoProblem(msg)
    try:
        status = _checked(path)
        with path.open("rb", buffering=0) as file:
            data = _whole(file, status.st_size)
    except OSError as problem:
        raise _unreadable(path, problem) from None
    if checked and isinstance(photo, Photo):
        confirm(photo, data)
    return path.name, data


def confirm(photo: Photo, data: bytes) -> None:
    """Compare a file's bytes with the photo that was measured.

    Raises:
        PhotoProblem: when they are not those.
    """
    if photo.sha256 and hashlib.sha256(data).hexdigest() != photo.sha256:
        raise PhotoProblem(f"{photo.name}: the file has changed since it was measured")


def check(photo: Photo) -> str:
    """The path of a measured photo, of which a decoding child will read and check the bytes.

    Raises:
        PhotoProblem: as `read`, as far as that can be told without reading it.
    """
    if photo.path is None or photo.sha256 is None:
        msg = "a photo that was not measured cannot be sent"
        raise PhotoProblem(msg)
    try:
        _checked(photo.path)
    except OSError as problem:
        raise _unreadable(photo.path, problem) from None
    return os.path.abspath(photo.path)  # noqa: PTH100  a text


def sniff(data: bytes) -> tuple[str, Size]:
    """Format and size of a delivered picture (PNG, JPEG or WebP) by its own header.

    Raises:
        PhotoProblem: for anything else (SVG, HTML, a program), whatever was promised.
    """
    try:
        read_ = header.of_bytes(data)
    except header.BadHeader as problem:
        msg = f"the delivered picture is damaged: {problem}"
        raise PhotoProblem(msg) from None
    if read_ is None or read_.format not in _DELIVERED:
        what = header.kind(data[:1024])
        msg = f"what was delivered is not a PNG, JPEG or WebP picture (it is {what})"
        raise PhotoProblem(msg)
    return read_.format, Size(*read_.shown)


def _other(name: str, data: bytes, max_pixels: int) -> tuple[str, Size]:
    """Measure a kind that only the decoding child reads (TIFF, AVIF)."""
    what = header.kind(data[:1024])
    if what not in {"TIFF", "AVIF"}:
        raise PhotoProblem(f"{name}: it is {what}; {_READ_KINDS} pictures are read")
    result, _ = pool.shared.ask(name, {"op": "measure", "max_pixels": max_pixels}, data)
    return str(result["format"]), Size(int(result["width"]), int(result["height"]))


def _checked(path: Path) -> os.stat_result:
    """The file's status, looked at before it is opened: opening a named pipe would wait."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise PhotoProblem(f"{path} is a folder, not a picture")
    if not stat.S_ISREG(status.st_mode):
        raise PhotoProblem(f"{path.name}: it is not a file")
    if status.st_size == 0:
        raise PhotoProblem(f"{path.name}: the file is empty")
    if status.st_size > MAX_FILE_BYTES:
        raise PhotoProblem(
            f"{path.name}: the file has {status.st_size:,} bytes; "
            f"at most {MAX_FILE_BYTES:,} are read"
        )
    return status


def _whole(file: BinaryIO, size_bytes: int) -> bytes:
    """The bytes of an unbuffered file of that size.

    Raises:
        OSError: when it shrinks or grows meanwhile.
    """
    data = file.read(size_bytes)
    while len(data) < size_bytes and (more := file.read(size_bytes - len(data))):
        data += more
    if len(data) < size_bytes or file.read(1):
        raise OSError(errno.ESTALE, "it changed while it was read")
    return data


def _check_pixels(name: str, size: Size, max_pixels: int) -> None:
    if size.pixels > max_pixels:
        raise PhotoProblem(
            f"{name}: it has {size.pixels:,} pixels ({size}); at most {max_pixels:,} are decoded"
        )


def _unreadable(path: Path, problem: OSError) -> PhotoProblem:
    if isinstance(problem, FileNotFoundError):
        return PhotoProblem(f"{path} is missing")
    return PhotoProblem(f"{path} cannot be read ({_reason(problem)})")


def _reason(problem: OSError) -> str:
    return problem.strerror or type(problem).__name__
