"""Zip archives of strangers: nothing is written where a name says, and nothing without limits.

Members are read into memory one by one, under our own names. Refused are: names that lead
elsewhere (`..`, absolute, drive letters), links, devices, encrypted members, members that overlap
others or expand more than a hundredfold; and the whole archive beyond 50,000 members or 2 GiB.
Source of the format and its traps: PKWARE APPNOTE 6.3.10; Fifield, "A better zip bomb" (2019).
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from playground.errors import PhotoProblem

MAX_MEMBERS = 50_000
MAX_TOTAL_BYTES = 2 << 30
MAX_MEMBER_BYTES = 1 << 28
MAX_RATIO = 100
_SMALL_BYTES = 1 << 16
"""Below this a ratio says nothing: a few kilobytes harm nobody."""
_MAX_DIRECTORY_BYTES = 32 << 20
_LOCAL_HEADER_BYTES = 30


class Archive:
    """An open zip, as a context manager.

    `refused` are (name, reason) of members that are not read.

    Raises:
        PhotoProblem: when it is no zip, is damaged, or is larger than what is read.
    """

    def __init__(self, path: Path) -> None:
        """Open and check the list of members; no member is read yet."""
        self.refused: list[tuple[str, str]] = []
        self._path = path
        self._read_bytes = 0
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            msg = f"{path} cannot be read ({error.strerror or error})"
            raise PhotoProblem(msg) from error
        try:
            _check_directory(self._file, path)
            self._zip = zipfile.ZipFile(self._file)
            self._members = self._checked()
        except (zipfile.BadZipFile, struct.error, ValueError, OSError, NotImplementedError) as bad:
            self._file.close()
            msg = f"{path.name} is not a zip archive that can be read ({_why(bad)})"
            raise PhotoProblem(msg) from bad
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
        self._file.close()

    def names(self) -> list[str]:
        """The names of the members that may be read, in their order; words, not paths."""
        return list(self._members)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            PhotoProblem: when it is damaged, or the archive gives more than it may.
        """
        member = self._members.get(name)
        if member is None:
            msg = f"{name} is not in {self._path.name}"
            raise PhotoProblem(msg)
        parts, size = [], 0
        try:
            with self._zip.open(member) as source:
                while part := source.read(1 << 18):
                    size += len(part)
                    self._read_bytes += len(part)
                    if size > member.file_size or self._read_bytes > MAX_TOTAL_BYTES:
                        msg = f"{name}: it holds more than the archive says"
                        raise PhotoProblem(msg)
                    parts.append(part)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as bad:
            msg = f"{name}: it is damaged ({_why(bad)})"
            raise PhotoProblem(msg) from bad
        return b"".join(parts)

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        members = self._zip.infolist()
        if len(members) > MAX_MEMBERS:
            msg = (
                f"{self._path.name} holds {len(members):,} files; at most {MAX_MEMBERS:,} are read"
            )
            raise PhotoProblem(msg)
        overlapping = _overlapping(members)
        kept: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for member in members:
            if member.is_dir():
                continue
            why = _refusal(member)
            if not why and member.header_offset in overlapping:
                why = "it overlaps another file of the archive"
            if not why and member.filename in kept:
                why = "the archive has another file of this name"
            if why:
                self.refused.append((member.filename, why))
                continue
            total += member.file_size
            if total > MAX_TOTAL_BYTES:
                msg = (
                    f"{self._path.name} unpacks to more than {MAX_TOTAL_BYTES >> 30} GiB; "
                    "unpack it yourself and import the folder"
                )
                raise PhotoProblem(msg)
            kept[member.filename] = member
        return kept


def _check_directory(file: BinaryIO, path: Path) -> None:
    """Look at the directory's size before it is read into memory as a million objects."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - (1 << 16) - 22))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        msg = "it has no directory"
        raise zipfile.BadZipFile(msg)
    count, size = struct.unpack_from("<HI", tail, at + 10)
    large = tail.rfind(b"PK\x06\x06", 0, at)
    if large >= 0:
        count, size = struct.unpack_from("<QQ", tail, large + 32)
    file.seek(0)
    if count > MAX_MEMBERS and count != 0xFFFF:
        msg = f"{path.name} holds {count:,} files; at most {MAX_MEMBERS:,} are read"
        raise PhotoProblem(msg)
    if size > _MAX_DIRECTORY_BYTES and size != 0xFFFFFFFF:
        msg = (
            f"{path.name} has a directory of {size:,} bytes; at most {MAX_MEMBERS:,} files are read"
        )
        raise PhotoProblem(msg)


def _refusal(member: zipfile.ZipInfo) -> str:
    name = member.orig_filename
    parts = name.replace("\\", "/").split("/")
    mode = member.external_attr >> 16
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        return "its name leads out of the archive"
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return "it is a link or a device, not a file"
    if member.flag_bits & 1:
        return "it is encrypted"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "it is packed in a way that is not read"
    if member.file_size > MAX_MEMBER_BYTES:
        return f"it has {member.file_size:,} bytes; at most {MAX_MEMBER_BYTES:,} are read"
    ratio = member.file_size / max(1, member.compress_size)
    if ratio > MAX_RATIO and member.file_size > _SMALL_BYTES:
        return f"it expands {ratio:,.0f} times; at most {MAX_RATIO} times is read"
    if member.compress_type == zipfile.ZIP_STORED and member.file_size != member.compress_size:
        return "its sizes contradict each other"
    return ""


def _overlapping(members: list[zipfile.ZipInfo]) -> set[int]:
    """Offsets of members whose bytes another one claims too."""
    found: set[int] = set()
    ordered = sorted(members, key=lambda one: one.header_offset)
    end, before = -1, -1
    for member in ordered:
        start = member.header_offset
        if start < end:
            found |= {start, before}
        # The local header may be longer than this, so this bound is too low rather than too high.
        stop = start + _LOCAL_HEADER_BYTES + len(member.orig_filename) + member.compress_size
        if stop > end:
            end, before = stop, start
    return found


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
