"""`playground doctor`: what is wrong with this installation and gallery, and how to mend it.

Reads only; the gallery's own findings come from `Gallery.verify`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from playground import catalog, pricing
from playground.errors import PlaygroundError
from playground.store import Gallery
from playground.store.opening import DATABASE
from playground.store.records import Finding

# Releases below these have known holes (advisories in the projects' own security pages).
FLOORS = {
    "jupyter_server": "2.20.0",
    "jupyterlab": "4.5.7",
    "nbconvert": "7.17.1",
    "voila": "0.5.6",
    "pillow": "12.3.0",
}
# CVE-2025-4517 (tarfile) is fixed from these micro releases on.
PYTHON_FLOORS = {(3, 11): 13, (3, 12): 11, (3, 13): 4}


def run(
    place: str, *, full: bool = False, environ: Mapping[str, str] = os.environ
) -> list[Finding]:
    """All findings, the installation's first, then the gallery's (if there is one)."""
    return [*installation(environ), *_gallery(place, full=full)]


def installation(environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """What can be said without a gallery."""
    version = sys.version_info
    floor = PYTHON_FLOORS.get((version.major, version.minor))
    name = f"Python {version.major}.{version.minor}.{version.micro}"
    if floor is not None and version.micro < floor:
        wanted = f"{version.major}.{version.minor}.{floor}"
        yield Finding("warning", f"{name} has known security holes", f"install {wanted} or newer")
    else:
        yield Finding("ok", name)
    for package, least in FLOORS.items():
        yield _package(package, least)
    yield from _prices()
    yield _provider(environ)
    yield _decoder()


def _package(package: str, least: str) -> Finding:
    try:
        have = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Finding("error", f"{package} is not installed", "install halfpenny again")
    if _numbers(have) < _numbers(least):
        text = f"{package} {have} has known security holes"
        return Finding("warning", text, f"pip install '{package}>={least}'")
    return Finding("ok", f"{package} {have}")


def _numbers(version: str) -> tuple[int, ...]:
    parts = []
    for part in version.split("."):
        digits = "".join(c for c in part if c.isdigit())
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)


def _prices() -> Iterator[Finding]:
    book, day = catalog.default(), pricing.today()
    stale = book.stale(day)
    if stale:
        yield Finding("warning", stale, "install a newer halfpenny, or check `playground prices`")
    else:
        yield Finding("ok", f"price table {book.version}, read on {book.read_on}")


def _provider(environ: Mapping[str, str]) -> Finding:
    from playground.provider.connect import provider_name

    try:
        name = provider_name(environ=environ)
    except PlaygroundError as error:
        return Finding("error", str(error))
    if name == "offline":
        return Finding("note", "the embedded provider is in use: pictures are samples, free")
    return Finding("ok", "the openai provider is in use, with a key from the environment")


def _decoder() -> Finding:
    from playground import photos

    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63"
        "f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    )
    try:
        photos.prepare(pixel, name="a test picture")
    except PlaygroundError as error:
        return Finding("error", f"pictures cannot be decoded here: {error}")
    return Finding("ok", "pictures are decoded in a child process with a memory limit")


def _gallery(place: str, *, full: bool) -> list[Finding]:
    if "://" not in place and not (Path(place) / DATABASE).exists():
        makes = "`playground generate` or `gallery import` makes it"
        return [Finding("note", f"there is no gallery at {place} yet", makes)]
    try:
        with Gallery(place) as opened:
            return opened.verify(full=full)
    except PlaygroundError as error:
        return [Finding("error", str(error))]
