"""A streamed answer while it arrives: drafts of pictures, words as they are written.

Only for showing. The outcome is read from the spool, where nothing is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from playground.provider import magic
from playground.provider.stream import EventReader, Unreadable, decode, loads


class Live:
    """Shows a streamed answer while it arrives; the outcome itself is read from the spool.

    A callback that fails is not called again, and never disturbs the paid call: the exception
    is kept in `trouble`.
    """

    def __init__(
        self,
        on_partial: Callable[[int, bytes], None] | None,
        on_text: Callable[[str], None] | None,
    ) -> None:
        self._on_partial = on_partial
        self._on_text = on_text
        self._reader = EventReader()
        self.trouble: Exception | None = None

    def feed(self, chunk: bytes) -> None:
        """Call back for each event that became complete."""
        if self.trouble is not None:
            return
        try:
            for data in self._reader.feed(chunk):
                self._show(data)
        except Exception as problem:
            self.trouble = problem

    def _show(self, data: bytes) -> None:
        try:
            event, blobs = loads(data)
        except Unreadable:
            return
        if not isinstance(event, Mapping):
            return
        if self._on_partial is not None and str(event.get("type", "")).endswith(".partial_image"):
            picture = decode(blobs[0]) if blobs else None
            if picture is not None and magic.picture(picture):
                index = event.get("partial_image_index")
                self._on_partial(index if isinstance(index, int) else 0, picture)
        elif self._on_text is not None and (text := _delta(event)):
            self._on_text(text)


def _delta(event: Mapping[str, Any]) -> str:
    if event.get("type") in {"response.output_text.delta", "response.refusal.delta"}:
        return str(event.get("delta") or "")
    choices = event.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        delta = choices[0].get("delta")
        if isinstance(delta, Mapping):
            return str(delta.get("content") or "")
    return ""
