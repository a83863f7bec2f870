"""What every page's view shares: one anywidget, custom messages both ways, no synced traits.

Nothing is kept in synced traits, so that a saved notebook holds no pictures and no texts. A
message from the page is `{"do": name, ...}` (with binary buffers), one to it `{"show": name, ...}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget

_HERE = Path(__file__).parent
Message = dict[str, Any]
Answer = Callable[[Message], None]


def script(name: str) -> str:
    """The page's JavaScript: the shared script and its own as one module."""
    return _read("base.js") + "\n" + _read(name)


def style(name: str) -> str:
    """The page's style sheet, after the shared one."""
    return _read("base.css") + "\n" + _read(name)


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


class PageView(anywidget.AnyWidget):
    """A page: `answers` holds a function for each `do`; unknown messages are ignored.

    A function that needs the buffers of the message being answered reads `self.buffers`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: Mapping[str, Answer] = {}
        self.buffers: list[memoryview] = []
        self.on_msg(self._receive)

    def _receive(self, _widget: Any, message: Message, buffers: list[memoryview]) -> None:
        answer = self.answers.get(str(message.get("do")))
        if answer is not None:
            self.buffers = buffers
            answer(message)
