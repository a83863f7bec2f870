"""Which items leave the gallery: all, some by id, or a search with facets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from playground.store import Gallery, Sort, Where
from playground.values import GalleryItem


@dataclass(frozen=True, slots=True)
class Selection:
    """Items by `ids` (in their order), or by words and facets; nothing given means all.

    Items in the trash are only exported by id. A page of items is in memory at a time.
    """

    ids: tuple[str, ...] = ()
    text: str = ""
    where: Where = field(default_factory=Where)
    sort: Sort = "newest"
    on_item: Callable[[int], None] | None = field(default=None, compare=False)

    def items(self, gallery: Gallery) -> Iterator[GalleryItem]:
        """The items, lazily; `on_item` hears how many there were so far.

        Raises:
            GalleryProblem: for an id that is not there, before anything is written.
        """
        for count, item in enumerate(self._items(gallery), 1):
            if self.on_item is not None:
                self.on_item(count)
            yield item

    def _items(self, gallery: Gallery) -> Iterator[GalleryItem]:
        if not self.ids:
            yield from gallery.each(self.text, where=self.where, sort=self.sort)
            return
        found = [gallery.item(one).id for one in dict.fromkeys(self.ids)]
        for item_id in dict.fromkeys(found):
            yield gallery.item(item_id)


ALL = Selection()
