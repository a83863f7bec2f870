"""The pages: each a function that puts a state and its view together. Notebooks only call them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from playground.jobs import Desk
from playground.jobs.desk import Post
from playground.jobs.worker import Worker
from playground.provider.connect import connect, provider_name
from playground.state.archive_page import ArchiveState, Launch
from playground.state.captions_page import CaptionsState
from playground.state.gallery import GalleryState
from playground.state.gallery_publish import PublishState
from playground.state.lab_page import LabState
from playground.state.playground_page import PlaygroundState
from playground.store import Gallery
from playground.widgets.archive_page import ArchiveView
from playground.widgets.base import PAGES_VARIABLE
from playground.widgets.captions_page import CaptionsView
from playground.widgets.gallery import GalleryView
from playground.widgets.lab_page import LabView
from playground.widgets.playground_page import PlaygroundView

if TYPE_CHECKING:
    from playground.provider.client import Client


def gallery(location: str | Path | None = None) -> GalleryView:
    """The gallery page: search, look, rate, tag, note and publish; it never spends.

    Args:
        location: the gallery's folder or URL; `PLAYGROUND_GALLERY` or ./gallery by default.
            What is published goes beside the notebook (served: beside the gallery).
    """
    state = GalleryState(lambda: Gallery(location), provider=provider_name())
    state.warm()
    return GalleryView(state, PublishState(state, _kept_folder()))


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


def pricing_lab(location: str | Path | None = None, progress: str | Path | None = None) -> LabView:
    """The pricing lab: what pictures and photos cost, and why. It never spends.

    Args:
        location: the gallery whose bills the challenges look at; only read.
        progress: the folder where the exercises' progress is kept; the notebook's by default
            (served by `playground serve`: the gallery's parent).
    """
    folder = Path(progress) if progress is not None else _kept_folder()
    state = LabState(lambda: Gallery(location, read_only=True), folder)
    state.warm()
    return LabView(state)


def _kept_folder() -> Path:
    """The notebook's folder; a served page runs in a private one that is thrown away."""
    kept = os.environ.get("PLAYGROUND_GALLERY", "")
    if os.environ.get(PAGES_VARIABLE) and kept and "://" not in kept:
        return Path(kept).parent
    return Path.cwd()


def archive(location: str | Path | None = None, client: Client | None = None) -> ArchiveView:
    """The archive page: plan a folder of any size, try some, run the rest, come back later.

    The run is a program of its own, which neither a closed tab nor the kernel's end stops. It
    finds its key as `connect()` does; with a `client` that was made here, whose key nobody else
    knows, it is a thread of this kernel and ends with it (and can then be continued).

    Args:
        location: the gallery's folder or URL; `PLAYGROUND_GALLERY` or ./gallery by default.
        client: as for `playground`.
    """
    launch = _detached(location) if client is None else _within(location, client)
    provider = provider_name() if client is None else client.provider
    return ArchiveView(ArchiveState(lambda: Gallery(location), provider=provider, launch=launch))


def _detached(location: str | Path | None) -> Launch:
    """Starts workers as programs of their own, with the environment of this one."""

    def launch(desk: Desk, job_id: str, offset: int) -> Callable[[], str]:
        environ = dict(os.environ)
        place = str(location or environ.get("PLAYGROUND_GALLERY") or "gallery")
        remote = "://" in place
        environ["PLAYGROUND_GALLERY"] = (
            place if remote else str(Path(place).expanduser().absolute())
        )
        return desk.launch(job_id, offset, environ)

    return launch


def _within(location: str | Path | None, client: Client) -> Launch:
    """Starts workers as threads of this kernel."""

    def launch(desk: Desk, job_id: str, offset: int) -> Callable[[], str]:
        # The client is the caller's and stays open.
        worker = Worker(
            Post(desk.place(job_id), offset), lambda: Gallery(location), lambda: nullcontext(client)
        )
        threading.Thread(target=worker.serve, name="archive-job", daemon=True).start()
        return lambda: ""

    return launch


def _client(client: Client | None) -> tuple[Callable[[], Client], str]:
    """What opens the client when the page first needs it, and the provider's name until then."""
    if client is None:
        return connect, provider_name()
    return lambda: client, client.provider
