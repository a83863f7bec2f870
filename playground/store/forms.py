"""A request as JSON, so that an attempt can be finished after a crash, and back."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from playground.size import Size
from playground.store.records import clean
from playground.values import CaptionRequest, EditRequest, ImageRequest, Photo, Request

_KINDS: dict[str, type[ImageRequest | CaptionRequest]] = {
    kind.__name__: kind for kind in (ImageRequest, EditRequest, CaptionRequest)
}


def encode(request: Request) -> str:
    """The request's fields that differ from their defaults.

    A photo keeps its dimensions, hash and file *name*: paths of this machine stay out of the
    gallery, which may move.
    """
    kind = type(request)
    form: dict[str, Any] = {"kind": kind.__name__}
    for item in fields(kind):
        value = getattr(request, item.name)
        if value != item.default:
            form[item.name] = _plain(value)
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Request:
    """The request of `encode`."""
    form = json.loads(text)
    kind = _KINDS[form.pop("kind")]
    return kind(**{name: _whole(value) for name, value in form.items()})


def input_hashes(request: Request) -> tuple[str, ...]:
    """SHA-256 of the pictures that an edit starts from; those without a file are left out."""
    if not isinstance(request, EditRequest):
        return ()
    hashes = (image.sha256 for image in request.images if isinstance(image, Photo))
    return tuple(filter(None, hashes))


def _plain(value: Any) -> Any:
    if isinstance(value, Photo):
        photo = {
            "width_px": value.width_px,
            "height_px": value.height_px,
            "format": value.format,
            "size_bytes": value.size_bytes,
            "sha256": value.sha256,
            "path": clean(value.path.name) if value.path else None,
        }
        return {"photo": {name: part for name, part in photo.items() if part is not None}}
    if isinstance(value, Path):
        return clean(value.name)
    if isinstance(value, Size):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return clean(value) if isinstance(value, str) else value


def _whole(value: Any) -> Any:
    if isinstance(value, dict) and "photo" in value:
        photo = dict(value["photo"])
        path = photo.pop("path", None)
        return Photo(**photo, path=Path(path) if path else None)
    if isinstance(value, list):
        return tuple(_whole(part) for part in value)
    return value
