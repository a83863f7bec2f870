"""How the captions page looks: one anywidget over `CaptionsState`; see `base` for the messages.

Photos come from the browser in pieces (a message each, answered before the next is sent), so
that a large one neither exceeds the server's limit for a message nor fills the kernel's memory.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from playground import money, render
from playground.sight import Curve, Sight
from playground.state.captions_page import CaptionsState, Progress, View
from playground.state.captions_photos import Source
from playground.state.cells import Cell
from playground.state.page import Head, Trouble
from playground.state.question import LENGTHS, MAX_MODELS, Estimate, Options, offered
from playground.state.shots import Shot
from playground.state.uploads import KEPT_DAYS, MAX_WAITING_BYTES, Waiting
from playground.values import TASKS
from playground.widgets.base import Message, PageView, script, style
from playground.widgets.gallery import head_values
from playground.widgets.picker import picks_message

_TYPED = frozenset({"own", "language", "vocabulary", "schema", "alt_limit"})


class CaptionsView(PageView):
    """The captions page over its state; display it in JupyterLab or Voilà."""

    _esm = script("picker.js", "captions_page.js")
    _css = style("picker.css", "captions_page.css")
    notebook = "2_captions"

    def __init__(self, state: CaptionsState) -> None:
        super().__init__()
        self.page = state
        self._sent: set[str] = set()
        self.answers = {
            "open": self._open,
            "set": self._set,
            "look": lambda message: state.select(str(message["id"])),
            "upload": self._upload,
            "folder": lambda message: state.add_folder(str(message["path"])),
            "url": lambda message: state.add_url(str(message["url"])),
            "samples": lambda _: state.add_samples(),
            "pick": lambda m: state.pick(str(m["query"]), more=bool(m.get("more"))),
            "items": lambda message: state.add_items([str(one) for one in message["ids"]]),
            "remove": self._remove,
            "bring": lambda _: state.bring_waiting(),
            "drop": lambda _: state.drop_waiting(),
            "run": lambda message: state.run(str(message.get("consent", ""))),
            "again": lambda message: state.again(str(message["id"]), str(message["model"])),
            "cancel": lambda _: state.cancel(),
            "edit": self._edit,
            "accept": lambda message: state.accept(str(message["id"]), str(message["model"])),
            "undo": lambda message: state.undo(str(message["id"]), str(message["model"])),
        }
        shows = {
            "head": self._show_head,
            "shots": self._show_shots,
            "shot": self._show_shot,
            "estimate": self._show_estimate,
            "view": self._show_view,
            "cell": self._show_cell,
            "progress": self._show_progress,
            "waiting": lambda one: self.send({"show": "waiting", **waiting_values(one)}),
            "picks": lambda picks: self.send(*picks_message(picks)),
            "trouble": self._show_trouble,
        }
        for trait, show in shows.items():
            state.observe(lambda change, show=show: show(change["new"]), trait)

    # -- from the page -------------------------------------------------------------------------

    def _open(self, message: Message) -> None:
        self._sent.clear()
        kept = message.get("kept")
        if isinstance(kept, dict):
            self._restore(kept)
            return
        self._fill()

    def _restore(self, kept: Message) -> None:
        """A page that was loaded again: its question first, then its photos."""
        fresh = not self.page.sources()
        if fresh and isinstance(kept.get("options"), dict):
            self.page.options = self.page.options.changed(kept["options"])
        self._fill()
        if fresh:
            self.page.restore(sources_of(kept.get("photos")))

    def _fill(self) -> None:
        self.send({"show": "choices", **choices(self.page.options, self.page.allow_urls)})
        self.page.open()
        self.send({"show": "ready"})

    def _set(self, message: Message) -> None:
        self.page.set(**dict(message["changes"]))
        self.send({"show": "set", "sequence": message.get("sequence", 0)})

    def _remove(self, message: Message) -> None:
        self.page.remove(str(message["id"]))
        self._keep()

    def _upload(self, message: Message) -> None:
        piece = bytes(self.buffers[0]) if self.buffers else b""
        self.page.upload(
            str(message["id"]),
            str(message["name"]),
            int(message["size"]),
            int(message["offset"]),
            piece,
        )

    def _edit(self, message: Message) -> None:
        self.page.edit(str(message["id"]), str(message["model"]), str(message["text"]))
        if message.get("accept"):
            self.page.accept(str(message["id"]), str(message["model"]))

    # -- to the page ---------------------------------------------------------------------------

    def _show_head(self, head: Head) -> None:
        self.send({"show": "head", **head_values(head)})

    def _show_shots(self, shots: tuple[Shot, ...]) -> None:
        self.send({"show": "shots", "ids": [shot.id for shot in shots]})
        for shot in shots:
            if shot.id not in self._sent:
                self._show_shot(shot)

    def _show_shot(self, shot: Shot) -> None:
        buffers = []
        if shot.preview is not None and shot.id not in self._sent:
            self._sent.add(shot.id)
            buffers.append(shot.preview)
        self.send({"show": "shot", **shot_values(shot)}, buffers)
        if shot.ready:
            self._keep()

    def _keep(self) -> None:
        """What the browser keeps until its tab is closed, for a reload."""
        photos = [[one.kind, one.place, one.name] for one in self.page.sources()]
        self.send({"show": "keep", "photos": photos})

    def _show_estimate(self, estimate: Estimate) -> None:
        options = option_values(self.page.options)
        # What is typed stays as it stands on the page; it may be long, and this is for every key.
        kept = {name: value for name, value in options.items() if name not in _TYPED}
        values = estimate_values(estimate)
        if estimate.prompt == options["own"]:
            values["prompt"] = None
        self.send({"show": "estimate", "options": kept, **values})

    def _show_view(self, view: View | None) -> None:
        if view is None:
            self.send({"show": "view", "id": None})
            return
        message = {
            "show": "view",
            "id": view.shot.id,
            "name": view.shot.name,
            "size": "" if view.shot.photo is None else str(view.shot.photo.size),
            "long": 0 if view.shot.photo is None else view.shot.photo.size.long_px,
            "sights": [sight_values(sight) for sight in view.sights],
            "curves": [curve_values(curve) for curve in view.curves],
            "refused": [{"model": model, "why": why} for model, why in view.refused],
        }
        self.send(message)

    def _show_cell(self, cell: Cell) -> None:
        self.send({"show": "cell", **cell_values(cell)})

    def _show_progress(self, progress: Progress) -> None:
        message = {
            "show": "progress",
            "done": progress.done,
            "total": progress.total,
            "running": progress.running,
            "cancelling": progress.cancelling,
            "billed": money.short(progress.billed),
            "held": money.short(progress.held) if progress.held else "",
        }
        self.send(message)
        if progress.total and not progress.running:
            self._keep()  # what was captioned is in the gallery now

    def _show_trouble(self, trouble: Trouble) -> None:
        self.send({"show": "error", "text": trouble.text})


def waiting_values(waiting: Waiting) -> Message:
    """The uploads that wait and are not on this page, in a sentence; none without one."""
    if not waiting.count:
        return {"text": ""}
    photos = "1 upload waits" if waiting.count == 1 else f"{waiting.count:,} uploads wait"
    return {
        "text": f"{photos} in the gallery ({_bytes(waiting.size_bytes)}), not captioned yet.",
    }


def sources_of(kept: Any) -> list[Source]:
    """What a page kept, as far as it makes sense."""
    found = []
    for one in kept if isinstance(kept, list) else []:
        if isinstance(one, list) and len(one) == 3 and all(isinstance(part, str) for part in one):
            kind, place, name = one
            if kind in {"item", "path", "upload"}:
                found.append(Source(kind, place, name))
    return found


def choices(options: Options, allow_urls: bool) -> Message:
    """What can be chosen, as JSON values."""
    models = []
    for model in offered():
        rates = model.prices[-1].rates
        models.append(
            {
                "name": model.name,
                "price": (
                    f"${money.plain(rates['text_input'])} in, "
                    f"${money.plain(rates['text_output'])} out"
                ),
            }
        )
    return {
        "models": models,
        "tasks": [*TASKS, "own"],
        "lengths": list(LENGTHS),
        "most_models": MAX_MODELS,
        "urls": allow_urls,
        "keeps": "uploads wait in the gallery until they are captioned, for "
        f"{KEPT_DAYS} days and {MAX_WAITING_BYTES / 1e9:.0f} GB at most",
        "options": option_values(options),
    }


def option_values(options: Options) -> Message:
    """The controls' values."""
    return {
        "task": options.task,
        "own": options.own,
        "language": options.language,
        "max_tokens": options.max_tokens,
        "alt_limit": options.alt_limit,
        "decorative": options.decorative,
        "vocabulary": options.vocabulary,
        "schema": options.schema,
        "detail": options.detail,
        "resize": options.resize,
        "tier": options.tier,
        "models": list(options.models),
    }


def shot_values(shot: Shot) -> Message:
    """A photo as the page lists it."""
    photo = shot.photo
    return {
        "id": shot.id,
        "name": shot.name,
        "problem": shot.problem,
        "ready": shot.ready,
        "received": shot.received,
        "expected": shot.expected,
        "size": "" if photo is None else str(photo.size),
        "width": 0 if photo is None else photo.width_px,
        "height": 0 if photo is None else photo.height_px,
        "bytes": "" if photo is None else _bytes(photo.size_bytes or 0),
    }


def estimate_values(estimate: Estimate) -> Message:
    """The quote; money as text for the screen, `most` exact for the confirmation."""
    return {
        "calls": estimate.calls,
        "shots": estimate.shots,
        "total": _range(estimate.low, estimate.high) if estimate.calls else "",
        "exact": estimate.low is not None and estimate.low == estimate.high,
        "most": money.plain(estimate.most),
        "most_text": money.short(estimate.most),
        "models": [
            {
                "model": row.model,
                "calls": row.calls,
                "price": _range(row.low, row.high) if row.calls else "",
                "tokens": str(row.photo_tokens) if row.calls else "",
                "refused": row.refused,
            }
            for row in estimate.models
        ],
        "lengths": [
            {
                "tokens": tokens,
                "words": tokens * 3 // 4,
                "price": "" if high is None else f"≤ {money.short(high)}",
            }
            for tokens, _low, high in estimate.lengths
        ],
        "button": estimate.button,
        "wait": estimate.wait,
        "asks": estimate.asks,
        "prompt": estimate.prompt,
        "prompt_tokens": estimate.prompt_tokens,
        "schema_problem": estimate.schema_problem,
        "details": list(estimate.details),
        "tiers": list(estimate.tiers),
        "each": "" if estimate.each is None else _range(*estimate.each),
        "notes": list(estimate.notes),
        "answered": estimate.answered,
    }


def sight_values(sight: Sight) -> Message:
    """What a model sees, with the sentence that says it."""
    return {
        "model": sight.model,
        "detail": sight.detail,
        "sent": str(sight.sent),
        "width": sight.seen.width_px,
        "height": sight.seen.height_px,
        "cells": sight.cells,
        "cell": sight.cell_px,
        "columns": sight.columns,
        "rows": sight.rows,
        "tokens": str(sight.tokens),
        "text": sight_text(sight),
        "notes": list(sight.notes),
    }


def sight_text(sight: Sight) -> str:
    """One sentence: size, pieces, tokens."""
    size = f"{sight.seen.width_px:,} × {sight.seen.height_px:,} pixels"
    if sight.cells == "whole":
        how = f"sees it whole, in {size}"
    else:
        one, many = ("patch", "patches") if sight.cells == "patches" else ("tile", "tiles")
        grid = f"{sight.columns} × {sight.rows} = {sight.count:,} {many}"
        pieces = grid if sight.count > 1 else f"one {one}"
        how = f"sees {size} in {pieces} of {sight.cell_px} × {sight.cell_px}"
    roughly = "" if sight.sure else ", roughly"
    return f"{sight.model} {how}{roughly}: {sight.tokens} tokens."


def curve_values(curve: Curve) -> Message:
    """Points for the drawing (numbers) and for the table (texts)."""
    return {
        "points": [
            {
                "edge": point.edge_px,
                "tokens": point.tokens.high,
                "dollars": None if point.high is None else float(point.high),
                "tokens_text": str(point.tokens),
                "price": _range(point.low, point.high),
            }
            for point in curve.points
        ],
        "full": curve.full_px,
        "least": curve.least_px,
        "text": curve_text(curve),
    }


def curve_text(curve: Curve) -> str:
    """Where more pixels stop costing more."""
    last = curve.points[-1]
    if curve.points[0].tokens.high == last.tokens.high:
        return "Its size makes no difference to the price."
    if curve.full_px < last.edge_px:
        return f"From {curve.full_px:,} pixels up, more pixels cost nothing more."
    return "Every pixel more costs more."


def cell_values(cell: Cell) -> Message:
    """An answer beside its photo."""
    tokens = f"{cell.tokens_in:,} in, {cell.tokens_out:,} out" if cell.tokens_in else ""
    return {
        "id": cell.shot_id,
        "model": cell.model,
        "task": cell.task,
        "status": cell.status,
        "text": cell.text,
        "edited": cell.edited,
        "tags": list(cell.tags),
        "quoted": "" if cell.high is None else _range(cell.low, cell.high),
        "billed": "" if cell.billed is None or cell.status != "done" else money.short(cell.billed),
        "tokens": tokens,
        "seconds": "" if cell.seconds is None else f"{cell.seconds:.1f} s",
        "request_id": cell.request_id,
        "sample": cell.sample,
        "message": cell.message,
        "notes": list(cell.notes),
        "advice": list(cell.advice),
        "accepted": cell.accepted,
        "decorative": cell.decorative,
        "item": cell.item_id,
    }


def _range(low: Decimal | None, high: Decimal | None) -> str:
    return render.range_text(low, high)


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"
