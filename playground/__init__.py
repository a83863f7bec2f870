"""Halfpenny: a gallery and prompt playground for image models, in which the quote is the bill.

    >>> from playground import ImageRequest, quote
    >>> quote(ImageRequest("a glass desert, one rider", size="976x704", quality="low")).basis
    'exact'

The public names load on first use: `import playground` imports neither the SDK nor widgets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from playground._version import __version__

if TYPE_CHECKING:
    from playground import pages
    from playground.provider.connect import connect
    from playground.quoting import quote
    from playground.runner import caption, caption_folder, generate
    from playground.size import Size
    from playground.solver import better, bill, sizes
    from playground.store import Gallery
    from playground.values import CaptionRequest, EditRequest, ImageRequest

__all__ = [
    "CaptionRequest",
    "EditRequest",
    "Gallery",
    "ImageRequest",
    "Size",
    "__version__",
    "better",
    "bill",
    "caption",
    "caption_folder",
    "connect",
    "generate",
    "pages",
    "quote",
    "sizes",
]

_HOMES = {
    "CaptionRequest": "playground.values",
    "EditRequest": "playground.values",
    "Gallery": "playground.store",
    "ImageRequest": "playground.values",
    "Size": "playground.size",
    "better": "playground.solver",
    "bill": "playground.solver",
    "caption": "playground.runner",
    "caption_folder": "playground.runner",
    "connect": "playground.provider.connect",
    "generate": "playground.runner",
    "quote": "playground.quoting",
    "sizes": "playground.solver",
}


def __getattr__(name: str) -> Any:
    if name == "pages":
        return import_module("playground.pages")
    if name not in _HOMES:
        msg = f"module 'playground' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext playground`: the cell magics `%%image` and `%%caption`."""
    import_module("playground.magics").load(shell)


def __dir__() -> list[str]:
    return sorted(__all__)
