"""Small pictures for the archive page: made beside it, one by one, and the latest ones kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from playground import photos
from playground.errors import PhotoProblem, PlaygroundError
from playground.store import Gallery
from playground.store.told import Told
from playground.values import GalleryItem

SMALL_PX = 200
_KEPT = 400
Submit = Callable[[Callable[[], None]], object]


@dataclass(frozen=True, eq=False, slots=True)
class Small:
    """A small picture (WebP) of a photo that is not in the gallery yet; empty where none is."""

    sha256: str
    data: bytes = field(repr=False)


class SmallPictures:
    """Makes them and tells of each.

    Args:
        tell: gets each small picture, from the thread that made it.
        lock: held while the gallery is read, never while a picture is decoded.
        submit: runs a function, now or on another thread.
    """

    def __init__(
        self, tell: Callable[[Small], None], lock: threading.RLock, submit: Submit | None
    ) -> None:
        self._tell, self._lock = tell, lock
        self._submit = submit or ThreadPoolExecutor(1, thread_name_prefix="archive-small").submit
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._wanted: Sequence[Told] = ()
        self._pending = 0

    @property
    def busy(self) -> bool:
        """Whether pictures of captioned photos are still to come."""
        return self._pending > 0

    def of_files(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Of photos by hash and path; those that cannot be decoded get no bytes."""
        self._submit(lambda: self._from_files(wanted))

    def of_told(
        self, newest: Sequence[Told], gallery: Gallery, make: Callable[[GalleryItem], bytes]
    ) -> None:
        """Of captioned photos, from the gallery; what it has none of, `make` makes and keeps."""
        self._wanted = newest
        with self._lock:
            self._pending += 1
        self._submit(lambda: self._from_gallery(newest, gallery, make))

    def _from_files(self, wanted: Sequence[tuple[str, str]]) -> None:
        for sha256, path in wanted:
            data = self._made.get(sha256)
            if data is None:
                data = b""
                with suppress(PhotoProblem):
                    data, _ = photos.thumbnail(Path(path), edge_px=SMALL_PX)
                self._keep(sha256, data)
            self._tell(Small(sha256, data))

    def _from_gallery(
        self, newest: Sequence[Told], gallery: Gallery, make: Callable[[GalleryItem], bytes]
    ) -> None:
        try:
            self._each_from_gallery(newest, gallery, make)
        finally:
            with self._lock:
                self._pending -= 1

    def _each_from_gallery(
        self, newest: Sequence[Told], gallery: Gallery, make: Callable[[GalleryItem], bytes]
    ) -> None:
        for told in newest:
            if self._wanted is not newest:
                return  # newer captions have come, with another list of pictures to show
            data = self._made.get(told.sha256)
            if data is None:
                with self._lock, suppress(PlaygroundError):
                    data = gallery.thumbnails([told.item_id]).get(told.item_id)
                if data is None:
                    # Decoding takes a while: the page must not wait for it.
                    with suppress(PlaygroundError):
                        data = make(gallery.item(told.item_id))
                self._keep(told.sha256, data or b"")
            self._tell(Small(told.sha256, data or b""))

    def _keep(self, sha256: str, data: bytes) -> None:
        with self._lock:
            self._made[sha256] = data
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
