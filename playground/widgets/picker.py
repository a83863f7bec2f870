"""The pictures of the gallery as the picker shows them (picker.js, picker.css)."""

from __future__ import annotations

from playground import render
from playground.state.page import Picks
from playground.widgets.base import Message


def picks_message(picks: Picks) -> tuple[Message, list[bytes]]:
    """The message and its thumbnails."""
    buffers: list[bytes] = []
    cards = []
    for item in picks.items:
        small = picks.thumbnails.get(item.id)
        label = item.alt or item.title or item.name or item.prompt or "Picture"
        thumb = None if small is None else len(buffers)
        cards.append({"id": item.id, "label": render.one_line(label, 100), "thumb": thumb})
        if small is not None:
            buffers.append(small)
    message: Message = {
        "show": "picks",
        "cards": cards,
        "total": picks.total,
        "appended": picks.appended,
        "more": picks.more,
    }
    return message, buffers
