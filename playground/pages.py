"""The pages: each a function that puts a state and its view together. Notebooks only call them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playground.provider.connect import connect, provider_name
from playground.state.captions_page import CaptionsState
from playground.state.gallery import GalleryState
from playground.state.playground_page import PlaygroundState
from playground.store import Gallery
from playground.widgets.captions_page import CaptionsView
from playground.widgets.gallery import GalleryView
from playground.widgets.playground_page import PlaygroundView

if TYPE_CHECKING:
    from playground.provider.client import Client


def gallery(location: str | Path | None = None) -> GalleryView:
    """The gallery page: search, look, rate, tag and note; it never spends.

    Args:
        location: the gallery's folder or URL; `PLAYGROUND_GALLERY` or ./gallery by default.
    """
    state = GalleryState(lambda: Gallery(location), provider=provider_name())
    state.warm()
    return GalleryView(state)


def playground(location: str | Path | None = None, client: Client | None = None) -> PlaygroundView:
    """The playground page: a prompt, its price while it is typed, pictures, edits.

    Args:
        location: the gallery's folder or URL; `PLAYGROUND_GALLERY` or ./gallery by default.
        client: as from `connect()`, which is the default; `connect("openai", ask=True)` asks for
            the key at the kernel's hidden prompt.
    """
    opener, provider = _client(client)
    state = PlaygroundState(lambda: Gallery(location), opener, provider=provider)
    state.warm()
    return PlaygroundView(state)


def captions(location: str | Path | None = None, client: Client | None = None) -> CaptionsView:
    """The captions page: photos, a question, several models' answers side by side.

    Photos from web addresses are off unless `PLAYGROUND_ALLOW_URLS` is 1.

    Args:
        location: the gallery's folder or URL; `PLAYGROUND_GALLERY` or ./gallery by default.
        client: as for `playground`.
    """
    opener, provider = _client(client)
    state = CaptionsState(
        lambda: Gallery(location),
        opener,
        provider=provider,
        allow_urls=os.environ.get("PLAYGROUND_ALLOW_URLS", "").strip() == "1",
    )
    state.warm()
    return CaptionsView(state)


def _client(client: Client | None) -> tuple[Callable[[], Client], str]:
    """What opens the client when the page first needs it, and the provider's name until then."""
    if client is None:
        return connect, provider_name()
    return lambda: client, client.provider
