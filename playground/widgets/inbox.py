"""Messages of a page, each taken once and in the order in which it was sent, however they arrive.

Between a page and its kernel a message may get lost (a socket that reconnects, a kernel that
starts a subshell just then), or overtake another (JupyterLab sends the first ones to the main
shell, later ones to a subshell). Pages therefore number what they send, the kernel confirms each
number, and what is not confirmed is sent again: a number that was taken is not taken twice, and
one that comes early waits for those before it. So a rating is never lost, nothing is bought twice,
and the price on the page is that of the last thing typed.
"""

from __future__ import annotations

import threading
from typing import Any

Message = dict[str, Any]
Arrived = tuple[Message, list[memoryview]]

MOST_EARLY = 1000
"""Messages of one sender that wait for an earlier one; more are left to be sent again."""


class Inbox:
    """What arrived, by sender (a tab) and number; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[str, int] = {}
        self._early: dict[str, dict[int, Arrived]] = {}
        self._heard: dict[str, list[int]] = {}

    def take(self, message: Message, buffers: list[memoryview]) -> list[Arrived]:
        """What is to be answered now: this message and those that waited for it, in order.

        One without a number (`{"posted": ["tab", 1], …}`) is answered at once.
        """
        match message.get("posted"):
            case [str(sender), int(number)]:
                pass
            case _:
                return [(message, buffers)]
        with self._lock:
            expected = self._next.get(sender, 1)
            if number < expected:
                self._heard.setdefault(sender, []).append(number)
                return []
            early = self._early.setdefault(sender, {})
            if len(early) < MOST_EARLY or number == expected:
                early[number] = (message, buffers)
            ready = []
            while expected in early:
                ready.append(early.pop(expected))
                self._heard.setdefault(sender, []).append(expected)
                expected += 1
            self._next[sender] = expected
            return ready

    def heard(self) -> dict[str, list[int]]:
        """The numbers by sender that were taken and not confirmed yet; once."""
        with self._lock:
            heard, self._heard = self._heard, {}
            return heard
