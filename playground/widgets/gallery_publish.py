"""What the publish dialog of the gallery page is told, as JSON values, and what it may ask."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence

from playground import money, render
from playground.lab.board import CLUBS
from playground.publish import DEFAULT_FIELDS, FIELDS, Entry
from playground.publish.boards import TOLD, places_of, told
from playground.state.gallery_publish import Made, Making, Offer, PublishState, TakenBack
from playground.state.page import Trouble
from playground.widgets.base import Message

PAGE = 40
_NAMES = {
    "alt": "alternative text", "cost": "billed", "date": "day", "sample": "mark", "parent": "line",
    "captions": "caption",
}  # fmt: skip
_KINDS = {"image": "generated picture", "edit": "edited picture", "photo": "photograph"}
Send = Callable[[Message, list[bytes]], None]


def answers(state: PublishState, send: Send) -> Mapping[str, Callable[[Message], None]]:
    """What the dialog may ask, by the name of the request; its answers go through `send`."""
    for name, values in {
        "making": lambda one: {"show": "publish_making", **making(one)},
        "made": lambda one: {"show": "publish_made", **made(one)},
        "taken": lambda one: {"show": "publish_taken", "text": taken(one)},
        "trouble": lambda one: {"show": "publish_trouble", **trouble(one)},
    }.items():
        state.observe(lambda change, values=values: send(values(change["new"]), []), name)

    def show_offer(one: Offer) -> None:
        chosen, buffers = rows(state, one.preview.entries[:PAGE])
        stays, more = rows(state, one.others[:PAGE], len(buffers))
        message = {"show": "publish_offer", **offer(one), "entries": chosen, "stays": stays}
        send(message, buffers + more)

    state.observe(lambda change: show_offer(change["new"]), "offer")

    def look(message: Message) -> None:
        send({"show": "publish_looking"}, [])  # a long look is no lost connection
        fields, dest = [str(name) for name in message["fields"]], str(message["dest"])
        boards = [str(name) for name in message.get("boards", ())]
        if message.get("again"):
            state.again(fields, dest, boards)
            return
        places = message.get("places")
        if places is not None:
            places = [(int(start), int(end)) for start, end in places]
        state.look(places, int(message["sequence"]), fields, dest, boards)

    def more(message: Message) -> None:
        if state.offer is not None:
            start, stays = max(0, int(message["start"])), bool(message.get("stays"))
            every = state.offer.others if stays else state.offer.preview.entries
            entries, buffers = rows(state, every[start : start + PAGE])
            more = {"show": "publish_more", "start": start, "stays": stays, "entries": entries}
            send(more, buffers)

    def take_back(message: Message) -> None:
        send({"show": "publish_looking"}, [])
        state.take_back(everything=bool(message["everything"]))

    return {
        "publish_look": look,
        "publish_more": more,
        "publish": lambda message: state.publish(keep=bool(message["keep"])),
        "unpublish": take_back,
    }


def offer(one: Offer) -> Message:
    """The beginning of a preview with its numbers."""
    preview = one.preview
    return {
        "count": len(preview.entries),
        "fields": [
            {
                "name": name,
                "label": label,
                "usual": name in DEFAULT_FIELDS,
                "on": name in preview.fields,
                "withheld": preview.withheld.get(name, 0),
            }
            for name, label in FIELDS.items()
        ],
        "boards": [
            {
                "name": club.id,
                "label": club.name,
                "rules": club.rules,
                "on": club.id in one.boards,
                "count": next((len(b.places) for b in preview.boards if b.id == club.id), None),
            }
            for club in CLUBS
        ],
        "told": TOLD,
        "boards_there": [board.name for board in one.boards_there],
        "notices": list(preview.notices),
        "folder": str(one.folder),
        "there": one.there,
        "mine": len(one.mine),
        "others": len(one.others),
    }


def rows(
    state: PublishState, entries: Sequence[Entry], first: int = 0
) -> tuple[list[Message], list[bytes]]:
    """Entries as the names and texts that strangers would read, and their small pictures.

    `thumb` is the number of an entry's picture among the buffers, which are counted from `first`.
    """
    smalls = state.smalls(entries)
    places = {neutral: first + at for at, neutral in enumerate(smalls)}
    shown = [
        {
            "id": entry.id,
            "thumb": places.get(entry.id),
            "rows": _texts(entry) + _boards(state.offer, entry),
        }
        for entry in entries
    ]
    return shown, list(smalls.values())


def _boards(one: Offer | None, entry: Entry) -> list[tuple[str, str]]:
    """The places of what is chosen on the boards to be made; of what stays, on those there."""
    if one is None:
        return []
    chosen = entry.id in one.preview.private_ids
    places = places_of(one.preview.boards if chosen else one.boards_there, entry.id)
    return [("board", f"{each[0].name}, {told(*each)}") for each in places]


def _texts(entry: Entry) -> list[tuple[str, str]]:
    values = entry.to_dict()
    told = [("picture", f"{_KINDS[entry.kind]}, {entry.width_px}×{entry.height_px}")]
    for name, value in values.items():
        label = _NAMES.get(name, name)
        if name in {"id", "kind", "width_px", "height_px"}:
            continue
        if name == "captions":
            told += [
                (label, f"{each['text']}{' — ' + each['by'] if each['by'] else ''}")
                for each in value
            ]
        elif name == "cost" and entry.cost is not None:
            told.append((label, money.short(entry.cost)))
        elif name == "rating":
            told.append((label, f"{value} of 5 stars"))
        elif name == "sample":
            told.append((label, "sample"))
        elif name == "parent":
            told.append((label, "made from another of these pictures"))
        else:
            told.append((label, ", ".join(value) if isinstance(value, list) else str(value)))
    return told


def making(one: Making) -> Message:
    """How far it is."""
    return {"done": one.done, "total": one.total}


def made(one: Made) -> Message:
    """Where it is, and how to show it to people."""
    folder = str(one.published.folder)
    return {
        "count": one.published.count,
        "folder": folder,
        "index": str(one.published.index),
        "site": str(one.published.site),
        "command": f"playground serve --public {shlex.quote(folder)}",
        "missing": [f"{render.one_line(name, 60)}: {why}" for name, why in one.names],
    }


def taken(one: TakenBack) -> str:
    """What was taken back, in a sentence."""
    count = "1 picture is" if one.count == 1 else f"{one.count:,} pictures are"
    left = f"; {one.left:,} still there" if one.left else ", which is gone"
    return (
        f"{count} taken out of {one.folder}{left}. "
        "A copy on a web host stays until the folder is uploaded again."
    )


def trouble(one: Trouble) -> Message:
    """What went wrong."""
    return {"text": one.text}
