"""One model's answer about one photo: as it comes, as it is edited, as it is accepted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from playground import captions
from playground.runner import Result
from playground.values import Caption, Captioned, CaptionRequest, Failed, GalleryItem, Task

OWNER = "owner"


@dataclass(frozen=True, eq=False, slots=True)
class Cell:
    """One model's answer about one photo.

    `status` is waiting, asking, done, failed, unknown or cancelled. `text` is what the model
    wrote (so far), `edited` the owner's version of it (None: unchanged), `accepted` what of it
    stands in the gallery ("" when nothing does), `advice` what a good answer would do otherwise.
    """

    shot_id: str
    model: str
    task: Task
    request: CaptionRequest
    status: str = "waiting"
    text: str = ""
    edited: str | None = None
    tags: tuple[str, ...] = ()
    low: Decimal | None = None
    high: Decimal | None = None
    billed: Decimal | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float | None = None
    request_id: str | None = None
    item_id: str | None = None
    sample: bool = False
    message: str = ""
    notes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    accepted: str = ""

    @property
    def key(self) -> str:
        """The identity of the question."""
        return self.request.key

    @property
    def final(self) -> str:
        """The text that would be accepted."""
        return self.text if self.edited is None else self.edited

    @property
    def decorative(self) -> bool:
        """Whether it says that the photo is only decoration: screen readers skip it."""
        return self.task == "alt" and _plain(self.final) == captions.DECORATIVE


def answered(cell: Cell, result: Result, sample: bool, alt_limit: int) -> Cell:
    """The cell of a call that was sent."""
    usage, outcome = result.usage, result.outcome
    cell = replace(
        cell,
        low=result.quote.low,
        high=result.quote.high,
        billed=result.billed,
        tokens_in=usage.total_input,
        tokens_out=usage.text_output,
        seconds=result.seconds,
        request_id=outcome.receipt.request_id,
        item_id=result.item_id,
        sample=sample,
        notes=result.notes,
    )
    if isinstance(outcome, Captioned):
        advice = advised(cell, result.text, alt_limit)
        if not result.text and cell.task == "ocr":
            advice = ("there is no text in this photo, says the model",)
        return replace(
            cell, status="done", text=result.text, tags=result.tags, advice=advice, message=""
        )
    message = str(getattr(outcome, "message", "There was no answer."))
    status = "failed" if isinstance(outcome, Failed) else "unknown"
    return replace(cell, status=status, text="", message=message)


def recalled(
    shot_id: str, request: CaptionRequest, caption: Caption, item: GalleryItem, alt_limit: int
) -> Cell:
    """The cell of an answer that the gallery has, after a reload."""
    cell = Cell(
        shot_id,
        request.model,
        request.task,
        request,
        status="done",
        text=caption.text or ", ".join(caption.tags),
        tags=caption.tags,
        low=caption.quoted_low,
        high=caption.quoted_high,
        billed=caption.billed,
        tokens_in=caption.usage.total_input,
        tokens_out=caption.usage.text_output,
        seconds=caption.seconds,
        request_id=caption.request_id,
        item_id=item.id,
        sample=caption.sample,
        accepted="alt" if request.task == "alt" and item.alt and item.alt == caption.text else "",
    )
    return replace(cell, advice=advised(cell, cell.text, alt_limit))


def advised(cell: Cell, text: str, alt_limit: int) -> tuple[str, ...]:
    """What a good alternative text would do otherwise; nothing for other tasks."""
    if cell.task != "alt" or _plain(text) == captions.DECORATIVE:
        return ()
    return captions.alt_problems(text, alt_limit)


def accepting(cell: Cell, item: GalleryItem) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What to write, what would undo it, and the name of the field."""
    if cell.task == "alt":
        text = cell.final.strip()
        marked = [tag for tag in item.tags if tag == "decorative"]
        if cell.decorative:
            new = [] if marked else ["decorative"]
            return {"alt": "", "tag": new}, {"alt": item.alt, "untag": new}, "decorative"
        # A text of its own ends that the photo is decoration.
        return {"alt": text, "untag": marked}, {"alt": item.alt, "tag": marked}, "alt"
    if cell.task == "tags":
        wanted = captions.clean_tags(cell.final.replace("\n", ",").split(","))
        new = [tag for tag in wanted if tag not in item.tags]
        return {"tag": new}, {"untag": new}, "tags"
    own = next((one.text for one in item.captions if one.model == OWNER), "")
    return {"caption": cell.final.strip()}, {"caption": own}, "caption"


def _plain(text: str) -> str:
    return text.strip(" .\"'").upper()
