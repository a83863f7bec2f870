"""How the archive page looks: one anywidget over `ArchiveState`; see `base` for the messages."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from playground import money, render
from playground.state.archive_board import (
    LOOKING,
    RUNNING,
    Board,
    Offer,
    advice,
    in_batches,
    rounded,
    spent,
    whole,
)
from playground.state.archive_page import (
    ArchiveState,
    Brought,
    Hits,
    Other,
    Selection,
)
from playground.state.archive_smalls import Small
from playground.state.page import Head, Trouble
from playground.state.question import LENGTHS, Options, offered
from playground.store.told import RunBill, Told
from playground.values import TASKS, GalleryItem
from playground.widgets.base import Message, PageView, script, style
from playground.widgets.gallery import head_values

EDGES = (None, 1024, 768, 512)
_TEXT = 400


class ArchiveView(PageView):
    """The archive page over its state; display it in JupyterLab or Voilà."""

    _esm = script("archive_page.js")
    _css = style("archive_page.css")
    notebook = "3_archive"

    def __init__(self, state: ArchiveState) -> None:
        super().__init__()
        self.page = state
        self._sent: set[str] = set()
        self._options: tuple[Options, str] | None = None
        self.answers = {
            "open": self._open,
            "set": lambda message: state.set(**dict(message["changes"])),
            "tier": lambda message: state.set_tier(str(message["tier"])),
            "cap": lambda message: state.set_cap(str(message["text"])),
            "look": self._look,
            "count": lambda message: state.count(
                str(message["search"]), dict(message["where"]), untagged=bool(message["untagged"])
            ),
            "skip": lambda _: state.skip(),
            "once": lambda message: state.once(bool(message["on"])),
            "anyway": lambda message: state.anyway([str(one) for one in message["ids"]]),
            "compare": lambda _: state.compare(),
            "sample": lambda message: state.set_sample(int(message["count"])),
            "pilot": lambda message: state.pilot(str(message.get("consent", ""))),
            "run": lambda message: state.run(str(message.get("consent", ""))),
            "pause": lambda _: state.pause(),
            "resume": lambda _: state.resume(),
            "cancel": lambda _: state.cancel(),
            "again": lambda _: state.go_on(),
            "dismiss": lambda _: state.dismiss(),
            "show": lambda message: state.show(str(message["id"])),
            "find": lambda message: state.find(str(message["query"])),
            "smalls": lambda message: state.smalls([str(one) for one in message["ids"]]),
        }
        shows = {
            "head": self._show_head,
            "board": self._show_board,
            "brought": self._show_brought,
            "selection": self._show_selection,
            "hits": self._show_hits,
            "small": self._show_small,
            "others": self._show_others,
            "trouble": self._show_trouble,
        }
        for trait, show in shows.items():
            state.observe(lambda change, show=show: show(change["new"]), trait)

    # -- from the page -------------------------------------------------------------------------

    def _open(self, _message: Message) -> None:
        self._sent.clear()
        self._options = None
        self.page.open()
        self.send({"show": "ready"})

    def _look(self, message: Message) -> None:
        similar = bool(message["similar"])
        if message["from"] == "folder":
            self.page.look_at(str(message["path"]), similar=similar)
        else:
            self.page.look_in_gallery(
                str(message["search"]),
                dict(message["where"]),
                untagged=bool(message["untagged"]),
                similar=similar,
            )

    # -- to the page ---------------------------------------------------------------------------

    def _show_head(self, head: Head) -> None:
        self.send({"show": "head", **head_values(head)})

    def _show_board(self, board: Board) -> None:
        options = self.page.options
        if (options, self.page.tier) != self._options:
            self._options = (options, self.page.tier)
            chosen = choices(options, self.page.cap.text)
            tiers = {"tier": self.page.tier, "refused": self.page.refused_tiers}
            self.send({"show": "choices", **tiers, **chosen})
        self.send({"show": "board", **board_values(board)})

    def _show_brought(self, brought: Brought) -> None:
        cards = [told_values(told) for told in brought.newest]
        bill = None if brought.bill is None else bill_values(brought.bill)
        self.send({"show": "brought", "cards": cards, "bill": bill})
        # Pictures follow one by one, those that the page has are not sent again.
        self.page.smalls_of([one for one in brought.newest if one.sha256 not in self._sent])

    def _show_selection(self, selection: Selection) -> None:
        self.send({"show": "selection", "total": selection.total, "words": selection.problem})

    def _show_hits(self, hits: Hits) -> None:
        small = self.page.thumbnails(hits.items)
        cards: list[Message] = []
        buffers: list[bytes] = []
        for item in hits.items:
            data = small.get(item.id)
            cards.append(hit_values(item) | {"thumb": None if data is None else len(buffers)})
            if data is not None:
                buffers.append(data)
        self.send(
            {"show": "hits", "query": hits.query, "total": hits.total, "cards": cards}, buffers
        )

    def _show_small(self, small: Small) -> None:
        self._sent.add(small.sha256)
        self.send({"show": "small", "id": small.sha256}, [small.data] if small.data else [])

    def _show_others(self, others: tuple[Other, ...]) -> None:
        self.send({"show": "others", "runs": [other_values(one) for one in others]})

    def _show_trouble(self, trouble: Trouble) -> None:
        self.send({"show": "error", "text": trouble.text})


def choices(options: Options, cap: str) -> Message:
    """What can be chosen, and is, as JSON values."""
    models = [
        {
            "name": model.name,
            "price": (
                f"${money.plain(model.prices[-1].rates['text_input'])} in, "
                f"${money.plain(model.prices[-1].rates['text_output'])} out"
            ),
        }
        for model in offered()
    ]
    return {
        "models": models,
        "tasks": [*TASKS, "own"],
        "lengths": list(LENGTHS),
        "edges": list(EDGES),
        "details": list(options.details),
        "prompt": options.prompt,
        "cap": cap,
        "options": {
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
            "model": options.models[0] if options.models else "",
        },
    }


def board_values(board: Board) -> Message:
    """A job as the page shows it; money as text, the amounts to agree to exact."""
    values: Message = {
        "stage": board.stage,
        "headline": board.headline,
        "problem": board.problem,
        "run": offer_values(board.run),
        "pilot": offer_values(board.pilot),
    }
    if board.seen is None:
        return values
    status, job = board.seen.status, board.seen.job
    settled, held = spent(status)
    return values | {
        "id": job.id,
        "path": str(job.source.get("path", "")),
        "sample_count": board.sample,
        "phase": board.seen.phase,
        "alive": board.seen.alive,
        "source": source_text(job.source),
        "photos": _whole(status.get("photos")),
        "bytes": _bytes(int(status.get("bytes") or 0)),
        "asking": _whole(status.get("asking")),
        "skipped": _whole(status.get("skipped")),
        "copies": _whole(status.get("copies")),
        "unreadable": _whole(status.get("unreadable")),
        "quote": _quote(status),
        "compared": int(status.get("compared") or 0),
        "to_compare": int(status.get("to_compare") or 0),
        "compare_left": _left(status.get("compare_seconds_left")),
        "partly": bool(status.get("partly")),
        "savings": savings_values(status.get("savings") or (), job.fields.get("resize")),
        "alike": alike_values(status.get("alike") or {}),
        "forecast": _forecast(status),
        "progress": progress_values(status, board.seen.phase),
        "by_batch": job.fields.get("tier") == "batch",
        "batches": batch_values(status),
        "waiting": int(status.get("waiting") or 0),
        "answers": _whole(status.get("answers")),
        "billed": money.short(settled),
        "held": money.short(held) if held else "",
        "sample": bool(status.get("sample")),
        "reasons": reason_values(status.get("set_aside") or ()),
        "question": question_text(job.fields),
        "list": f"runs/{job.id}/set-aside.csv" if status.get("ended") else "",
        "cap": "" if job.budget is None else money.short(Decimal(job.budget)),
    }


def offer_values(offer: Offer) -> Message:
    """A button with its price."""
    return {
        "button": offer.button,
        "wait": offer.wait,
        "note": offer.note,
        "asks": offer.asks,
        "most": money.plain(offer.most),
        "most_text": money.short(offer.most),
    }


def question_text(fields: Mapping[str, Any]) -> str:
    """The question in a line, for a run that is under way."""
    resize = fields.get("resize")
    sent = "as they are" if resize is None else f"at most {resize:,} px"
    words = int(fields["max_output_tokens"]) * 3 // 4
    prompt = f": “{render.one_line(fields['prompt'], 160)}”" if fields.get("prompt") else ""
    return f"{fields['model']}, {fields['task']}, sent {sent}, at most {words} words{prompt}"


def source_text(source: Mapping[str, Any]) -> str:
    """Where the photos are from, in words."""
    if "path" in source:
        return render.printable(source["path"])
    parts = [str(source.get("search") or "")]
    parts += [f"{name} {value}" for name, value in dict(source.get("where") or {}).items()]
    parts += ["without tags"] if source.get("untagged") else []
    chosen = ", ".join(part for part in parts if part)
    return render.printable(f"the gallery: {chosen}" if chosen else "the whole gallery")


def savings_values(found: Any, now: int | None) -> list[Message]:
    """What sending smaller photos saves, against sending them as they are."""
    whole_size = next((one for one in found if one["resize"] is None), None)
    if whole_size is None:
        return []
    rows = []
    for one in found:
        low, high = Decimal(one["low"]), Decimal(one["high"])
        dollars = Decimal(whole_size["low"]) - low
        fewer = whole_size["bytes"] - one["bytes"]
        rows.append(
            {
                "resize": one["resize"],
                "label": "as they are" if one["resize"] is None else f"{one['resize']:,} px",
                "price": render.range_text(low, high),
                "saves": money.short(dollars) if dollars > 0 else "",
                "bytes": _bytes(one["bytes"]),
                "fewer": f"−{100 * fewer // whole_size['bytes']} %" if fewer > 0 else "",
                "chosen": one["resize"] == now,
            }
        )
    return rows


def alike_values(alike: Mapping[str, Any]) -> Message | None:
    """Groups of photos that look alike."""
    if not alike:
        return None
    return {
        "looked": alike["looked"],
        "groups": alike["groups"],
        "photos": alike["photos"],
        "price": render.range_text(Decimal(alike["low"]), Decimal(alike["high"])),
        "once": alike["once"],
        "list": [
            {
                "count": group["count"],
                "photos": [
                    {
                        "id": one["sha256"],
                        "name": _name(one["path"]),
                        "size": one["size"].replace("x", " × "),
                        "twin": bool(one["twin"]),
                        "answered": one["answered"],
                    }
                    for one in group["photos"]
                ],
            }
            for group in alike["list"]
        ],
    }


def progress_values(status: Mapping[str, Any], phase: str) -> Message | None:
    """A run's figures, as text."""
    now = status.get("progress")
    if not now:
        return None
    done = now["captioned"] + now["failed"] + now["unknown"]
    planned = max(1, now["planned"])
    burn, end = now["dollars_per_hour"], now["at_completion"]
    going = phase in RUNNING
    return {
        "done": done,
        "planned": planned,
        "text": f"{min(done, planned):,} of {planned:,}",
        "failed": _whole(now["failed"]),
        "unknown": _whole(now["unknown"]),
        "speed": f"{now['photos_per_second']:.1f}" if going else _mean(now),
        "burn": f"{money.short(_cents(Decimal(burn)))}" if burn else "–",
        "left": _left(now["seconds_left"]) if going else "",
        "took": _left(now["seconds"]),
        "completion": (rounded(Decimal(end["low"]), Decimal(end["high"])) if end and going else ""),
        "paused": phase == "paused",
    }


def batch_values(status: Mapping[str, Any]) -> Message | None:
    """How far a job's batches are, as text; None when it has none under way."""
    found = status.get("batches")
    if not found or not found["going"]:
        return None
    by = str(found["by"]).replace("T", " ").replace("+00:00", " UTC")
    return {
        "text": in_batches(status),
        "done": found["done"],
        "lines": found["lines"],
        "by": by,
        "cancelling": bool(found["cancelling"]),
    }


def reason_values(reasons: Any) -> list[Message]:
    """Photos that were set aside, by reason, with what to do."""
    return [
        {
            "why": _sentence(render.one_line(one["why"], 300)),
            "count": one["count"],
            "files": [render.printable(path) for path in one["files"]],
            "advice": advice(one["why"]),
        }
        for one in reasons
    ]


def told_values(told: Told) -> Message:
    """A caption that has just come."""
    return {
        "id": told.item_id,
        "sha256": told.sha256,
        "name": render.one_line(told.name or told.sha256[:12], 80),
        "text": told.text[:_TEXT] if not told.tags or told.task != "tags" else "",
        "tags": list(told.tags) if told.task == "tags" else [],
        "dollars": money.short(told.dollars),
        "sample": told.sample,
    }


def bill_values(bill: RunBill) -> Message:
    """Quoted against billed."""
    within = bill.low <= bill.billed <= bill.high
    return {
        "answers": f"{bill.answers:,}",
        "quoted": render.range_text(bill.low, bill.high),
        "billed": money.short(bill.billed),
        "verdict": "within the quote" if within else "outside the quote",
        "within": within,
    }


def hit_values(item: GalleryItem) -> Message:
    """What a search found."""
    said = next((one.text for one in item.captions if one.text), "")
    tags = next((", ".join(one.tags) for one in item.captions if one.tags), "")
    words = item.alt or said or tags or item.title or item.prompt
    return {"id": item.id, "name": item.name, "text": render.one_line(words, 160)}


def other_values(other: Other) -> Message:
    """A line in the list of runs."""
    when = f"{other.id[:4]}-{other.id[4:6]}-{other.id[6:8]} {other.id[9:11]}:{other.id[11:13]} UTC"
    going = other.phase in RUNNING | LOOKING and other.alive
    return {
        "id": other.id,
        "when": when,
        "what": render.one_line(other.what, 80),
        "phase": other.phase,
        "answers": f"{other.answers:,}",
        "billed": money.short(other.billed),
        "going": going,
    }


def _quote(status: Mapping[str, Any]) -> str:
    quote = status.get("quote")
    if not quote:
        return ""
    low, high = (None if quote[one] is None else Decimal(quote[one]) for one in ("low", "high"))
    return render.range_text(low, high)


def _forecast(status: Mapping[str, Any]) -> Message | None:
    found, limits = status.get("forecast"), whole(status)
    if not found or limits is None:
        return None
    return {
        "text": rounded(*limits),
        "level": f"{float(found['level']):.0%}".replace("%", " %"),
        "sampled": f"{found['sampled']:,}",
    }


def _mean(now: Mapping[str, Any]) -> str:
    return f"{now['captioned'] / now['seconds']:.1f}" if now["seconds"] else "–"


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min"


def _cents(dollars: Decimal) -> Decimal:
    digits = max(-6, dollars.adjusted() - 2) if dollars else -2
    return dollars.quantize(Decimal(1).scaleb(digits)) if digits < 0 else round(dollars, 0)


def _whole(count: Any) -> str:
    return f"{int(count or 0):,}"


def _name(path: str) -> str:
    return render.one_line(PurePath(path).name, 80)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _bytes(count: int) -> str:
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"
