"""Where photos wait that were given to a page and are not captioned yet: a folder of the gallery.

Each stands alone in a folder of its own, under its name; `.part` marks what is still coming in.
They are no items of the gallery: nothing lists, publishes or sends them but the page that they
were given to. What nobody asked for in `KEPT_DAYS` goes.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAX_WAITING_BYTES = 2_000_000_000
KEPT_DAYS = 30
_PART = ".part"
_PART_SECONDS, _KEPT_SECONDS = 86_400, KEPT_DAYS * 86_400


@dataclass(frozen=True, slots=True)
class Waiting:
    """Uploads that wait and are not on this page: how many, and their bytes."""

    count: int = 0
    size_bytes: int = 0


class Uploads:
    """The folder. `place` gives it, or None where the gallery has no room of its own: then a
    private folder is used that is gone with the page.
    """

    def __init__(self, place: Callable[[], Path | None] = lambda: None) -> None:
        self._place = place
        self._private: Path | None = None
        self._forget: Callable[[], object] | None = None

    def new(self, name: str, *, whole: bool = False, keep: bool = True) -> Path:
        """A new path for a file of that name: with `.part` at its end until it is `whole`."""
        base = (self._place() if keep else None) or self._own()
        base.mkdir(mode=0o700, exist_ok=True)
        folder = base / secrets.token_hex(6)
        folder.mkdir(mode=0o700)
        return folder / (name if whole else name + _PART)

    def finish(self, path: Path) -> Path:
        """The file is whole: its path from now on."""
        return path.rename(path.with_name(path.name.removesuffix(_PART)))

    def holds(self, path: Path) -> bool:
        """Whether it is a whole upload that waits here."""
        base = self._place()
        return base is not None and path.parent.parent == base and path.is_file()

    def drop(self, path: Path) -> None:
        """Remove a file with its folder."""
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()

    def room(self) -> int:
        """Bytes that still fit."""
        return MAX_WAITING_BYTES - sum(size for _, size in self._files())

    def others(self, mine: Collection[Path]) -> list[tuple[Path, int]]:
        """Whole uploads that wait and are not `mine`, with their bytes; what is too old goes."""
        now = time.time()
        found = []
        for path, size in self._files():
            with suppress(OSError):
                age = now - path.stat().st_mtime
                part = path.name.endswith(_PART)
                if path not in mine and age > (_PART_SECONDS if part else _KEPT_SECONDS):
                    self.drop(path)
                elif path not in mine and not part:
                    found.append((path, size))
        return found

    def close(self) -> None:
        """Remove the private folder."""
        if self._forget is not None:
            self._forget()
            self._private = None

    def _files(self) -> Iterator[tuple[Path, int]]:
        base = self._place()
        for folder in sorted(base.iterdir()) if base is not None and base.is_dir() else ():
            with suppress(OSError):  # another page may have removed it
                yield from [(path, path.stat().st_size) for path in folder.iterdir()]

    def _own(self) -> Path:
        if self._private is None:
            self._private = Path(tempfile.mkdtemp(prefix="halfpenny-photos-"))
            # Also when the kernel ends, or the page is dropped without a word.
            self._forget = weakref.finalize(self, shutil.rmtree, self._private, True)
        return self._private
