"""Halfpenny: a gallery and prompt playground for image models, in which the quote is the bill."""

from playground._version import __version__

__all__ = ["__version__"]
