"""How the gallery page looks: one anywidget, its JavaScript and style sheet beside this file.

Nothing is kept in synced traits, so that a saved notebook holds no pictures and no texts: both
ways go through custom messages, pictures as binary buffers, texts as data that the page shows
with `textContent`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from playground import money, pricing, render
from playground.state.gallery import (
    Counted,
    GalleryState,
    Head,
    Opened,
    Shown,
    Stretch,
    Trouble,
    Visit,
)
from playground.state.gallery_publish import PublishState
from playground.store.cards import Card
from playground.store.question import Question
from playground.values import Caption, GalleryItem
from playground.widgets import gallery_messages as messages
from playground.widgets import gallery_publish
from playground.widgets.base import Message, PageView, script, style


class GalleryView(PageView):
    """The gallery page over its state; display it in JupyterLab or Voilà."""

    _esm = script(
        "gallery_wall.js", "gallery_sphere.js", "gallery_zoom.js", "gallery_lightbox.js",
        "gallery_spend.js", "gallery_publish.js", "gallery.js",
    )  # fmt: skip
    _css = style("gallery.css", "gallery_lightbox.css", "gallery_publish.css")
    notebook = "gallery"

    def __init__(self, state: GalleryState, publish: PublishState | None = None) -> None:
        super().__init__()
        self.page = state
        self.answers = {
            "open": lambda _: state.open(),
            "search": self._search,
            "fetch": lambda m: state.fetch(int(m["start"]), int(m["count"]), int(m["sequence"])),
            "select": lambda message: state.select(str(message["id"])),
            "select_at": lambda m: state.select_at(int(m["place"]), int(m["sequence"])),
            "close": lambda _: state.close(),
            "picture": self._picture,
            "annotate": self._annotate,
            "bin": lambda message: state.bin(str(message["id"]), deleted=bool(message["deleted"])),
            "many": self._many,
            "tints": lambda message: state.set_tints(dict(message["tints"])),
            "undo": lambda message: state.undo(message.get("change")),
            "save": lambda m: state.save_search(str(m["name"]), str(m["query"]), str(m["sort"])),
            "forget": lambda message: state.forget_search(str(message["name"])),
            "spend": lambda message: state.spend(str(message["by"])),
            "resolve": lambda m: state.resolve(str(m["id"]), str(m["dollars"]), str(m["by"])),
        }
        if publish is not None:
            self.answers |= gallery_publish.answers(publish, self.send)
        for name, show in {
            "head": self._show_head,
            "shown": self._show_first,
            "least": lambda one: self.send({"show": "least", "sequence": one.sequence,
                                            "count": one.count}),
            "counted": self._show_counted,
            "stretch": self._show_stretch,
            "opened": self._show_opened,
            "saved": self._show_saved,
            "changed": lambda one: self.send({"show": "changed", "text": one.text,
                                              "change": one.change.id, "count": one.change.count,
                                              "undoes": one.change.undoes or ""}),
            "searches": lambda one: self.send(
                {"show": "searches", "searches": messages.searches(one)}
            ),
            "spending": lambda one: self.send({"show": "spending", **messages.spending(one)}),
            "trouble": self._show_trouble,
        }.items():  # fmt: skip
            state.observe(lambda change, show=show: show(change["new"]), name)

    def _search(self, message: Message) -> None:
        self.page.search(
            str(message["query"]),
            [str(token) for token in message["filters"]],
            str(message["sort"]),
            int(message["sequence"]),
        )

    def _annotate(self, message: Message) -> None:
        self.page.annotate(str(message["id"]), int(message["version"]), dict(message["changes"]))

    def _many(self, message: Message) -> None:
        places = message.get("places")
        if places is not None:
            places = [(int(start), int(end)) for start, end in places]
        self.page.annotate_many(places, int(message["sequence"]), dict(message["changes"]))

    def _picture(self, message: Message) -> None:
        found = self.page.original(str(message["id"]))
        if found is None:
            self.send({"show": "lost", "id": str(message["id"])})
            return
        data, credentials = found
        self.send({"show": "picture", "id": str(message["id"]), "credentials": credentials}, [data])

    def _show_head(self, head: Head) -> None:
        self.send({"show": "head", **head_values(head)})

    def _show_first(self, shown: Shown) -> None:
        self._send_stretch("first", shown.first, shown.question, empty=shown.empty,
                           notes=list(shown.question.notes))  # fmt: skip

    def _show_stretch(self, stretch: Stretch) -> None:
        self._send_stretch("stretch", stretch, self.page.question)

    def _send_stretch(self, show: str, one: Stretch, question: Question, **more: object) -> None:
        smalls = self.page.smalls(one.cards)
        message, buffers = messages.stretch(one, question, smalls)
        self.send({"show": show, **message, **more}, buffers)
        lacking = [
            card for card in one.cards if card.id not in smalls and card.id not in one.missing
        ]
        if lacking:
            self.page.later(lambda: self._make_smalls(lacking))

    def _make_smalls(self, cards: list[Card]) -> None:
        """Small pictures that did not exist yet, each sent when it is made."""
        for card in cards:
            small = self.page.make_small(card)
            buffers = [] if small is None else [small]
            self.send({"show": "small", "id": card.id, "made": small is not None}, buffers)

    def _show_counted(self, one: Counted) -> None:
        message, buffers = messages.counted(one)
        self.send({"show": "counted", **message}, buffers)

    def _show_opened(self, opened: Visit | None) -> None:
        if opened is not None:
            values = detail_values(opened.item) | messages.visit(opened)
            self.send({"show": "detail", "item": values})

    def _show_saved(self, one: Opened) -> None:
        message: Message = {"show": "saved", "item": detail_values(one.item)}
        message["collection"] = one.item.collection
        message["deleted"] = one.item.deleted_at is not None
        self.send(message)

    def _show_trouble(self, trouble: Trouble) -> None:
        message: Message = {"show": "error", "text": trouble.text}
        if trouble.changes is not None:
            message["changes"] = dict(trouble.changes)
        if trouble.item is not None:
            message |= {"show": "conflict", "item": detail_values(trouble.item)}
        self.send(message)


def head_values(head: Head) -> Message:
    """The page's head as JSON values; money as text for the screen."""
    offline = head.provider == "offline"
    facets = {
        name: [{"value": value, "count": count} for value, count in head.facets.get(name, [])]
        for name in ("kinds", "models", "ratings", "tags")
    }
    values: Message = {
        "provider": "provider: offline samples" if offline else f"provider: {head.provider}",
        "offline": offline,
        "facets": facets,
        "shut": head.shut,
        "settled": "$0.00",
        "banner": (
            "No key is in use: pictures and captions marked “sample” were made on this machine, "
            "not by a model. Their prices are computed as for real ones; nothing was charged."
            if offline
            else ""
        ),
    }
    if head.totals is not None:
        totals = head.totals
        values["settled"] = money.short(totals.settled - totals.sample)
        values["held"] = money.short(totals.held) if totals.held else ""
        values["samples"] = money.short(totals.sample) if totals.sample else ""
        values["cap"] = "" if totals.cap is None else money.short(totals.cap)
    return values


def card_values(item: GalleryItem) -> Message:
    """What one tile of the wall shows, as JSON values."""
    return {
        "id": item.id,
        "version": item.version,
        "kind": item.kind,
        "label": render.one_line(_label(item), 120),
        "width": item.size.width_px,
        "height": item.size.height_px,
        "size": str(item.size),
        "price": money.short(item.total_billed) if item.total_billed else "",
        "rating": item.rating,
        "sample": item.sample,
    }


def detail_values(item: GalleryItem) -> Message:
    """What the lightbox shows about one picture, as JSON values."""
    return card_values(item) | {
        "title": item.title,
        "name": item.name,
        "prompt": item.prompt,
        "model": item.model,
        "alt": item.alt,
        "note": item.note,
        "tags": list(item.tags),
        "created": _day(item.created_at),
        "cost": _cost(item),
        "captions": [_caption(caption) for caption in item.captions],
        "parents": list(item.parents),
        "facts": [
            {"name": name, "value": value, "code": name in {"Request", "SHA-256"}}
            for name, value in _facts(item)
            if value
        ],
    }


def _label(item: GalleryItem) -> str:
    """The shortest good words for a picture: they are read aloud."""
    spoken = next((caption.text for caption in item.captions if caption.task == "alt"), "")
    first = next((caption.text for caption in item.captions if caption.text), "")
    return item.alt or item.title or item.prompt or spoken or first or item.name or "Picture"


def _day(when: dt.datetime) -> str:
    return f"{when.day} {when:%B %Y}"


def _cost(item: GalleryItem) -> Message | None:
    """Quoted, billed, their difference and the lines of the bill; None where nothing was paid."""
    if item.billed is None:
        captions = [caption for caption in item.captions if caption.billed is not None]
        if not captions:
            return None
        low = [caption.quoted_low for caption in captions]
        high = [caption.quoted_high for caption in captions]
        note = f"For {len(captions)} caption{'s' if len(captions) > 1 else ''}."
        return _bill(_sum(low), _sum(high), item.total_billed, [], note)
    lines = _lines(item)
    note = "" if lines else "The lines of this bill are not known any more; its total is."
    return _bill(item.quoted_low, item.quoted_high, item.billed, lines, note)


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def _bill(
    low: Decimal | None, high: Decimal | None, billed: Decimal, lines: list[Message], note: str
) -> Message:
    exact = low is not None and low == high == billed
    if low is None or high is None:
        difference = "unknown"
    elif low <= billed <= high:
        difference = "$0.00" if low == high else "within the quote"
    else:
        gap = billed - (high if billed > high else low)
        difference = f"{'+' if gap > 0 else '−'}{money.short(abs(gap))}"
    return {
        "quoted": render.range_text(low, high),
        "billed": money.short(billed),
        "difference": difference,
        "exact": exact,
        "lines": lines,
        "note": note,
    }


def _lines(item: GalleryItem) -> list[Message]:
    """The bill's lines at the prices of its day; none when they do not add up to what was booked.

    They do not where the price was given by hand, or the call's cost was shared between pictures.
    """
    if item.model is None or item.billed is None:
        return []
    bill = pricing.bill(
        item.model, item.usage, tier=item.tier or "standard", on=item.created_at.date()
    )
    if bill.dollars != item.billed:
        return []
    return [
        {
            "label": render.BUCKET_LABELS.get(line.bucket, line.bucket),
            "tokens": f"{line.tokens:,}",
            "rate": f"${money.plain(line.per_million)}",
            "dollars": money.grouped(line.dollars),
        }
        for line in bill.lines
    ]


def _caption(caption: Caption) -> Message:
    usage = caption.usage
    tokens = f"{usage.total_input:,} tokens in, {usage.text_output:,} out"
    quoted = render.range_text(caption.quoted_low, caption.quoted_high)
    return {
        "task": caption.task,
        "model": caption.model,
        # The words of a tags answer are its tags.
        "text": "" if caption.tags and caption.task == "tags" else caption.text,
        "tags": list(caption.tags),
        "quoted": "" if caption.quoted_high is None else quoted,
        "billed": "" if caption.billed is None else money.short(caption.billed),
        "tokens": tokens if usage.to_dict() else "",
        "seconds": _seconds(caption.seconds),
        "request_id": caption.request_id,
        "sample": caption.sample,
    }


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"


def _facts(item: GalleryItem) -> list[tuple[str, str | None]]:
    asked, delivered = item.asked_size or "", str(item.size)
    differs = bool(asked) and asked != delivered
    return [
        ("Asked for", f"{asked}, delivered {delivered}" if differs else asked),
        ("Quality", item.quality),
        ("Tier", item.tier),
        ("Took", _seconds(item.seconds)),
        ("Request", item.request_id),
        (
            "File",
            f"{item.name + ' · ' if item.name else ''}{item.format}, {_bytes(item.size_bytes)}",
        ),
        ("Collection", item.collection),
        ("SHA-256", item.sha256[:16] + "…"),
        ("Id", item.id),
    ]


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"
