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
from playground.state.gallery import GalleryState, Head, Opened, Shown, Trouble
from playground.values import Caption, GalleryItem
from playground.widgets.base import Message, PageView, script, style


class GalleryView(PageView):
    """The gallery page over its state; display it in JupyterLab or Voilà."""

    _esm = script("gallery.js")
    _css = style("gallery.css")
    notebook = "gallery"

    def __init__(self, state: GalleryState) -> None:
        super().__init__()
        self.page = state
        self.answers = {
            "open": lambda _: state.open(),
            "search": self._search,
            "more": lambda message: state.more(int(message["sequence"])),
            "select": lambda message: state.select(str(message["id"])),
            "close": lambda _: state.close(),
            "picture": self._picture,
            "annotate": self._annotate,
        }
        state.observe(lambda change: self._show_head(change["new"]), "head")
        state.observe(lambda change: self._show_page(change["new"]), "shown")
        state.observe(lambda change: self._show_opened(change["new"]), "opened")
        state.observe(lambda change: self._show_saved(change["new"]), "saved")
        state.observe(lambda change: self._show_trouble(change["new"]), "trouble")

    def _search(self, message: Message) -> None:
        self.page.search(
            str(message["query"]),
            dict(message["where"]),
            str(message["sort"]),
            int(message["sequence"]),
        )

    def _annotate(self, message: Message) -> None:
        self.page.annotate(str(message["id"]), int(message["version"]), dict(message["changes"]))

    def _picture(self, message: Message) -> None:
        data = self.page.picture(str(message["id"]))
        if data is not None:
            self.send({"show": "picture", "id": str(message["id"])}, [data])

    def _show_head(self, head: Head) -> None:
        self.send({"show": "head", **head_values(head)})

    def _show_page(self, shown: Shown) -> None:
        buffers: list[bytes] = []
        cards = []
        thumbnails = self.page.thumbnails(shown.items)
        for item in shown.items:
            small = thumbnails.get(item.id)
            cards.append(card_values(item) | {"thumb": None if small is None else len(buffers)})
            if small is not None:
                buffers.append(small)
        message = {
            "show": "page",
            "sequence": shown.sequence,
            "append": shown.appended,
            "cards": cards,
            "total": shown.total,
            "next": shown.more,
            "spent": money.short(shown.dollars) if shown.dollars else "",
            "samples": shown.all_samples,
            "empty": shown.empty,
        }
        self.send(message, buffers)

    def _show_opened(self, opened: Opened | None) -> None:
        if opened is not None:
            self.send({"show": "detail", "item": detail_values(opened.item)})

    def _show_saved(self, saved: Opened) -> None:
        card = card_values(saved.item) | {"thumb": None}
        self.send({"show": "saved", "item": detail_values(saved.item), "card": card})

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
