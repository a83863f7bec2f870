"""What every page's view shares: one anywidget, custom messages both ways, no synced traits.

Nothing is kept in synced traits, so that a saved notebook holds no pictures and no texts. A
message from the page is `{"do": name, ...}` (with binary buffers), one to it `{"show": name, ...}`.
The page numbers its messages; whatever is sent to it next confirms them (`inbox` tells why).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anywidget

from playground.widgets.inbox import Inbox
from playground.widgets.inbox import Message as Message

_HERE = Path(__file__).parent
Answer = Callable[[Message], None]

PAGES = {
    "gallery": "Gallery",
    "1_playground": "Playground",
    "2_captions": "Captions",
    "3_archive": "Archive",
    "4_pricing_lab": "Pricing lab",
}
"""The notebooks that are pages, in the order of the bar, with their names."""

PAGES_VARIABLE = "PLAYGROUND_PAGES"
"""Names the notebooks that are served beside each other (set by `playground serve`)."""


def neighbours(here: str) -> list[Message]:
    """The pages that are served beside each other, for the bar; empty in JupyterLab."""
    served = os.environ.get(PAGES_VARIABLE, "").split(",")
    return [
        {"name": name, "href": f"./{notebook}.ipynb", "here": notebook == here}
        for notebook, name in PAGES.items()
        if notebook in served
    ]


def script(*names: str) -> str:
    """The page's JavaScript: the shared script and its own, in order, as one module."""
    return "\n".join(_read(name) for name in ("base.js", *names))


def style(*names: str) -> str:
    """The page's style sheet: the shared one and its own, in order."""
    return "\n".join(_read(name) for name in ("base.css", *names))


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


class PageView(anywidget.AnyWidget):
    """A page: `answers` holds a function for each `do`; unknown messages are ignored.

    A function that needs the buffers of the message being answered reads `self.buffers`.
    `notebook` is the page's own, which the bar marks.
    """

    notebook = ""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Mapping[str, Answer] = {}
        self.buffers: list[memoryview] = []
        self._inbox = Inbox()
        self._turn = threading.RLock()
        self.on_msg(self._receive)

    def _receive(self, _widget: Any, message: Message, buffers: list[memoryview]) -> None:
        with self._turn, ExitStack() as answers:
            # All are answered, in order, whatever one of them raises.
            for arrived in reversed(self._inbox.take(message, buffers)):
                answers.callback(self._answer, *arrived)
        heard = self._inbox.heard()
        if heard:
            super().send({"show": "heard", "heard": heard})

    def _answer(self, message: Message, buffers: list[memoryview]) -> None:
        if message.get("do") == "open":
            self.send({"show": "pages", "pages": neighbours(self.notebook)})
        answer = self.answers.get(str(message.get("do")))
        if answer is not None:
            self.buffers = buffers
            answer(message)

    def send(self, content: Message, buffers: list[bytes] | None = None) -> None:
        """Send to the page; what it sent, and was not confirmed yet, is confirmed along with it."""
        heard = self._inbox.heard()
        super().send({**content, "heard": heard} if heard else content, buffers)
