"""How the playground page looks: one anywidget over `PlaygroundState`; scripts beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from playground import money, render, tokens
from playground.state.page import Head, Opened, Trouble
from playground.state.playground_page import (
    Asking,
    History,
    PlaygroundState,
    References,
    Run,
    Shown,
)
from playground.state.quoting import BUDGETS, TEMPLATES, Choices, Form, Offer, Panel, filled
from playground.values import GalleryItem, Quote
from playground.widgets.base import Message, PageView, script, style
from playground.widgets.gallery import card_values, detail_values, head_values
from playground.widgets.picker import picks_message

_NUMBERS = frozenset({"n", "partial_images", "output_compression"})
_TOKENS_SHOWN = 600
_FORM = (
    "prompt",
    "variables",
    "model",
    "size",
    "quality",
    "n",
    "background",
    "output_format",
    "output_compression",
    "moderation",
    "partial_images",
    "input_fidelity",
    "tier",
    "budget",
)


class PlaygroundView(PageView):
    """The playground page over its state; display it in JupyterLab or Voilà."""

    _esm = script("picker.js", "playground_page.js")
    _css = style("picker.css", "playground_page.css")
    notebook = "1_playground"

    def __init__(self, state: PlaygroundState) -> None:
        super().__init__()
        self.page = state
        self._sequence = 0
        self._split = False
        self.answers = {
            "open": self._open,
            "set": self._set,
            "tokens": self._tokens,
            "generate": lambda m: self._started(state.generate(confirmed=bool(m.get("confirmed")))),
            "again": lambda m: self._started(
                state.again(str(m["id"]), confirmed=bool(m.get("confirmed")))
            ),
            "vary": self._vary,
            "cancel": lambda m: state.cancel(str(m["id"])),
            "select": lambda m: state.select(str(m["id"])),
            "picture": self._picture,
            "annotate": lambda m: state.annotate(
                str(m["id"]), int(m["version"]), dict(m["changes"])
            ),
            "add_item": lambda m: state.add_item(str(m["id"])),
            "items": lambda m: state.add_items([str(one) for one in m["ids"]]),
            "pick": lambda m: state.pick(str(m["query"]), more=bool(m.get("more"))),
            "add_path": lambda m: state.add_picture(str(m["path"])),
            "upload": self._upload,
            "remove": lambda m: state.remove_picture(str(m["id"])),
            "clear_mask": lambda _: state.clear_mask(),
            "copy": self._copy,
        }
        observed = {
            "head": lambda head: self.send({"show": "head", **_head(head)}),
            "choices": self._show_choices,
            "panel": self._show_panel,
            "references": self._show_references,
            "run": self._show_run,
            "asking": self._show_asking,
            "history": self._show_history,
            "shown": self._show_shown,
            "saved": self._show_saved,
            "picks": lambda picks: self.send(*picks_message(picks)),
            "trouble": self._show_trouble,
        }
        for name, show in observed.items():
            state.observe(lambda change, show=show: show(change["new"]), name)

    # ------------------------------------------------------------------ from the page

    def _open(self, message: Message) -> None:
        self._sequence = 0
        self._split = False
        kept = message.get("form")
        if isinstance(kept, dict) and self.page.form == Form():
            self.page.change(**_fields(kept))  # the tab was loaded again, with a new kernel
        self.page.open()
        self._send_form()
        self.page.recall()

    def _set(self, message: Message) -> None:
        self._sequence = int(message.get("sequence", 0))
        self.page.change(**_fields(dict(message["fields"])))

    def _tokens(self, message: Message) -> None:
        self._split = bool(message["on"])
        if self.page.panel is not None:
            self._show_panel(self.page.panel)

    def _vary(self, message: Message) -> None:
        self.page.vary(str(message["id"]))
        self._send_form()

    def _started(self, run_id: str | None) -> None:
        self.send({"show": "started", "id": run_id})

    def _picture(self, message: Message) -> None:
        data = self.page.picture(str(message["id"]))
        if data is not None:
            self.send({"show": "picture", "id": str(message["id"])}, [data])

    def _upload(self, message: Message) -> None:
        self.page.upload(
            str(message["key"]),
            render.one_line(message["name"], 80),
            bytes(self.buffers[0]) if self.buffers else b"",
            last=bool(message["last"]),
            mask=bool(message.get("mask")),
        )
        self.send({"show": "uploaded", "key": str(message["key"])})

    def _copy(self, message: Message) -> None:
        item_id = message.get("id")
        text = self.page.copied(None if item_id is None else str(item_id), str(message["language"]))
        self.send({"show": "code", "text": text, "language": str(message["language"])})

    # ------------------------------------------------------------------ to the page

    def _send_form(self) -> None:
        form = self.page.form
        values = {name: getattr(form, name) for name in _FORM}
        values["variables"] = dict(form.variables)
        self.send({"show": "form", "form": values})

    def _show_choices(self, choices: Choices) -> None:
        self.send(
            {
                "show": "choices",
                "models": [{"name": name, "note": note} for name, note in choices.models],
                "sizes": list(choices.sizes),
                "free": choices.free_size,
                "qualities": list(choices.qualities),
                "max_n": choices.max_n,
                "max_partial": choices.max_partial_images,
                "formats": list(choices.formats),
                "backgrounds": list(choices.backgrounds),
                "edits": choices.edits,
                "fidelities": list(choices.fidelities),
                "tiers": list(choices.tiers),
                "tier_note": choices.tier_note,
                "note": choices.note,
                "budgets": list(BUDGETS),
                "templates": [{"name": n, "prompt": p} for n, p in TEMPLATES.items()],
            }
        )

    def _show_panel(self, panel: Panel) -> None:
        values = panel_values(panel)
        if self._split:
            pieces = tokens.split_text(filled(panel.form))
            values["pieces"] = list(pieces[:_TOKENS_SHOWN])
            values["more_pieces"] = max(0, len(pieces) - _TOKENS_SHOWN)
        self.send({"show": "quote", "sequence": self._sequence, **values})

    def _show_references(self, references: References) -> None:
        pictures = [
            {"id": p.id, "name": p.name, "width": p.photo.width_px, "height": p.photo.height_px}
            for p in references.pictures
        ]
        self.send(
            {"show": "references", "pictures": pictures, "mask": references.mask is not None},
            [picture.preview for picture in references.pictures],
        )

    def _show_run(self, run: Run) -> None:
        request = run.request
        message = {
            "show": "run",
            "id": run.id,
            "state": run.state,
            "watched": run.watched,
            "prompt": render.one_line(request.prompt, 160),
            "what": f"{request.model} · {request.size} · {request.quality}",
            "ratio": _ratio(request.asked_size),
            "price": "" if run.quote is None else render.range_text(run.quote.low, run.quote.high),
            "text": run.text,
            "held": money.short(run.held) if run.held else "",
            "notes": list(run.notes),
            "elapsed": round(self.page.elapsed(run), 1),
            "items": list(run.items),
        }
        self.send(message, [run.partial] if run.partial else [])

    def _show_asking(self, asking: Asking) -> None:
        quote = asking.quote
        self.send({"show": "asking", "price": render.range_text(quote.low, quote.high)})

    def _show_history(self, history: History) -> None:
        cards, buffers = self._cards(history.items)
        self.send({"show": "history", "cards": cards}, buffers)

    def _cards(self, items: Sequence[GalleryItem]) -> tuple[list[Message], list[bytes]]:
        thumbnails = self.page.thumbnails(items)
        buffers: list[bytes] = []
        cards = []
        for item in items:
            small = thumbnails.get(item.id)
            cards.append(card_values(item) | {"thumb": None if small is None else len(buffers)})
            if small is not None:
                buffers.append(small)
        return cards, buffers

    def _show_shown(self, shown: Shown) -> None:
        cards, buffers = self._cards([shown.item, *shown.lineage])
        item = detail_values(shown.item) | {
            "thumb": cards[0]["thumb"],
            "lineage": cards[1:],
            "altogether": money.short(shown.dollars),
            "repeatable": shown.request is not None,
            "quoted_tokens": _quoted_tokens(shown),
            "created_at": shown.item.created_at.isoformat(),
        }
        self.send({"show": "result", "item": item}, buffers)

    def _show_saved(self, saved: Opened) -> None:
        self.send({"show": "saved", "item": detail_values(saved.item)})

    def _show_trouble(self, trouble: Trouble) -> None:
        message: Message = {"show": "error", "text": trouble.text}
        if trouble.changes is not None:
            message["changes"] = dict(trouble.changes)
        if trouble.item is not None:
            message |= {"show": "conflict", "item": detail_values(trouble.item)}
        self.send(message)


def _fields(values: Message) -> dict[str, Any]:
    """Controls as they come from the page, in the types of the form."""
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name in _NUMBERS:
            fields[name] = int(value) if isinstance(value, int | float) else None
        elif name == "variables":
            fields[name] = {str(k): str(v) for k, v in dict(value).items()}
        else:
            fields[name] = None if value is None else str(value)
    for name in ("n", "partial_images"):
        if name in fields and fields[name] is None:
            del fields[name]
    return fields


def panel_values(panel: Panel) -> Message:
    """The quote panel as JSON values; money and tokens as text for the screen."""
    quote = panel.quote
    values: Message = {
        "size": panel.size,
        "size_note": panel.size_note,
        "tokens": panel.prompt_tokens,
        "characters": panel.characters,
        "left": panel.left,
        "budget": "" if panel.budget is None else money.short(panel.budget),
        "variables": list(panel.variables),
        "waiting": panel.waiting,
        "refused": panel.refused,
        "asks": panel.asks,
        "today": money.short(panel.money.today),
        "cap": _cap(panel),
        "per_token": "" if panel.per_token is None else money.short(panel.per_token),
        "price": "",
        "basis": "",
        "lines": [],
        "notes": [],
        "offers": [],
        "batch": _range(panel.batch),
        "thousand": _range(panel.thousand),
    }
    if quote is not None:
        values |= {
            "price": render.range_text(quote.low, quote.high),
            "most": "" if quote.high is None else money.short(quote.high),
            "basis": quote.basis,
            "lines": _lines(quote),
            "notes": list(quote.notes),
            "offers": [_offer(offer, panel) for offer in panel.offers],
        }
    return values


def _lines(quote: Quote) -> list[Message]:
    total = sum((line.dollars for line in quote.lines), Decimal(0))
    labels = {
        "text_input": "Text in",
        "image_input": "Image in",
        "image_output": "Image out",
        "text_output": "Text out",
    }
    return [
        {
            "label": labels.get(line.bucket, render.BUCKET_LABELS.get(line.bucket, line.bucket)),
            "tokens": str(quote.tokens.get(line.bucket, f"{line.tokens:,}")),
            "rate": f"${money.plain(line.per_million)}",
            "dollars": money.grouped(line.dollars) if line.dollars else "–",
            "share": float(line.dollars / total) if total else 0.0,
        }
        for line in quote.lines
    ]


def _offer(offer: Offer, panel: Panel) -> Message:
    chosen = offer.why == "quality" and offer.quality == panel.form.quality
    return {
        "why": offer.why,
        "size": offer.size,
        "quality": offer.quality,
        "price": render.range_text(offer.low, offer.high),
        "pixels": _more_pixels(offer.pixels),
        "chosen": chosen,
    }


def _more_pixels(share: float) -> str:
    text = f"{share - 1:+.0%}".replace("-", "−")
    return "about as many pixels" if text[1:] == "0%" else f"{text} pixels"


def _cap(panel: Panel) -> str:
    spent = panel.money
    if spent.day_cap is not None:
        return f"of {money.short(spent.day_cap)} today"
    if spent.cap is not None:
        left = max(spent.cap - spent.committed, Decimal(0))
        return f"cap {money.short(spent.cap)}, {money.short(left)} left"
    return "no cap"


def _range(pair: tuple[Decimal, Decimal] | None) -> str:
    return "" if pair is None else render.range_text(*pair)


def _ratio(size: Any) -> float:
    return 1.0 if size is None else size.width_px / size.height_px


def _head(head: Head) -> Message:
    return head_values(head)


def _quoted_tokens(shown: Shown) -> list[Message]:
    """Quoted beside billed tokens, for a picture whose call was just made."""
    if shown.quoted is None or shown.request is None or shown.request.n != 1:
        return []
    usage = shown.item.usage
    return [
        {
            "label": render.BUCKET_LABELS.get(bucket, bucket),
            "quoted": str(counted),
            "billed": f"{getattr(usage, bucket):,}",
        }
        for bucket, counted in shown.quoted.tokens.items()
        if counted.high or getattr(usage, bucket)
    ]
