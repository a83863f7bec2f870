"""The pages: each a function that puts a state and its view together. Notebooks only call them."""

from __future__ import annotations

from pathlib import Path

from playground.provider.connect import provider_name
from playground.state.gallery import GalleryState
from playground.store import Gallery
from playground.widgets.gallery import GalleryView


def gallery(location: str | Path | None = None) -> GalleryView:
    """The gallery page: search, look, rate, tag and note; it never spends.

    Args:
        location: the gallery's folder or URL; `PLAYGROUND_GALLERY` or ./gallery by default.
    """
    state = GalleryState(lambda: Gallery(location), provider=provider_name())
    return GalleryView(state)
