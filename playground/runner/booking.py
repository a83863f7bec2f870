"""How an attempt ends in the ledger, now or after a crash.

Every way out of a call ends here: settled with what was billed, released with evidence that
nothing was, or unknown and held. A process that dies leaves its attempts open, with what arrived
in the gallery's spool; the next one finishes them (`recover`).
"""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from playground import captions, failpoints, money, photos, pricing
from playground.catalog import Rates
from playground.errors import GalleryProblem, PhotoProblem
from playground.provider import outcomes
from playground.runner.results import Kept, Recovery
from playground.store.bulk import Settled
from playground.store.files import name_of
from playground.store.opening import ORIGINALS
from playground.store.records import NewCaption, NewImage
from playground.values import (
    Captioned,
    CaptionRequest,
    Failed,
    Generated,
    Outcome,
    Receipt,
    Request,
    Tier,
    Unknown,
    UnknownKind,
)

if TYPE_CHECKING:
    from playground.store import Gallery
    from playground.store.records import Attempt

# Twice the height of a row for a 2:1 picture, so that panoramas are sharp.
THUMBNAIL_PX = 512


@dataclass(frozen=True, slots=True)
class Labels:
    """What the owner wants written on the pictures of a call."""

    title: str = ""
    tags: tuple[str, ...] = ()
    collection: str = ""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """An open attempt, as far as finishing it needs."""

    id: str
    request: Request
    hold: Decimal
    rates: Rates | None
    day: dt.date
    labels: Labels = Labels()
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended in the ledger; `outcome` may have become Unknown for want of a price."""

    outcome: Outcome
    bill: pricing.Bill | None = None
    items: tuple[Kept, ...] = ()
    answer: captions.Answer | None = None
    notes: tuple[str, ...] = ()


class _Leftovers:
    """What this process must still finish in one gallery."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.looked = False
        self.unfinished: dict[str, OpenCall] = {}


_leftovers: WeakKeyDictionary[Any, _Leftovers] = WeakKeyDictionary()
_leftovers_lock = threading.Lock()


def recover(gallery: Gallery) -> Recovery:
    """Finish what processes that no longer live have left open in a gallery.

    A complete answer in the spool is settled with its pictures; an attempt that never left is
    released; everything else becomes unknown and stays held. The attempts of living processes
    are not touched.
    """
    settled = released = unknown = 0
    for attempt in gallery.ledger.dead_attempts():
        failpoints.hit("in_recovery")
        left = _as_open(gallery, attempt)
        if attempt.state == "reserved":
            outcome: Outcome = Failed("not_sent", "The program ended before anything was sent.")
        else:
            outcome = proven(gallery, left, "died", "The program ended while it was under way")
        end = _book(gallery, left, outcome)
        keep_thumbnails(gallery, end)
        settled += isinstance(end.outcome, Generated | Captioned)
        released += isinstance(end.outcome, Failed)
        unknown += isinstance(end.outcome, Unknown)
    return Recovery(settled, released, unknown)


def finish(gallery: Gallery, left: OpenCall, outcome: Outcome) -> End:
    """Book an outcome; one that cannot be booked now is kept for the next call."""
    try:
        return _book(gallery, left, outcome)
    except BaseException:
        keep_for_later(gallery, left)
        raise


def finish_leftovers(gallery: Gallery) -> None:
    """Before a new call: finish what ended processes left, and what this one could not book."""
    left_in = _left_in(gallery)
    with left_in.lock:
        if not left_in.looked:
            recover(gallery)
            left_in.looked = True
        for left in list(left_in.unfinished.values()):
            what = "The gallery could not take the answer"
            end = _book(gallery, left, proven(gallery, left, "died", what))
            del left_in.unfinished[left.id]
            keep_thumbnails(gallery, end)


def proven(gallery: Gallery, left: OpenCall, kind: UnknownKind, what: str) -> Outcome:
    """The outcome that the spool proves, or Unknown."""
    body, part = _spool_files(gallery, left.id)
    if body.exists():
        return outcomes.read_spool(left.request, body)
    if part.exists():
        outcome = outcomes.read_spool(left.request, part)
        if not isinstance(outcome, Unknown):
            return outcome
    message = f"{what}. It may have been billed, so its price stays held until you resolve it."
    return Unknown(kind, message, Receipt())


def as_settled(left: OpenCall, outcome: Captioned) -> tuple[Settled, Decimal] | Unknown:
    """A caption's answer ready to be booked with others, and its bill; Unknown without a price."""
    request = left.request
    assert isinstance(request, CaptionRequest)
    tier: Tier = outcome.receipt.tier or request.tier
    bill = pricing.bill(request.model, outcome.usage, tier=tier, on=left.day, rates=left.rates)
    if bill.dollars is None:
        return _unpriced(bill, outcome.receipt)
    answer = captions.parse_answer(request.task, outcome.text)
    photo = request.measured
    settled = Settled(
        attempt_id=left.id,
        photo=photo,
        name=photo.name,
        task=request.task,
        usage=outcome.usage,
        cost=bill.dollars,
        receipt=outcome.receipt,
        price_version=bill.price_version,
        text=answer.text,
        tags=answer.tags,
        data=answer.data,
        problems=(*outcome.problems, *answer.problems),
    )
    return settled, bill.dollars


def keep_for_later(gallery: Gallery, left: OpenCall) -> None:
    """An answer that the gallery could not take now: the next call finishes it."""
    with _left_in(gallery).lock:
        _left_in(gallery).unfinished[left.id] = left


def _unpriced(bill: pricing.Bill, receipt: Receipt) -> Unknown:
    return Unknown(
        "no_usage",
        f"The answer came, but {'; '.join(bill.notes)}. Its price stays held until you "
        "resolve it, and the answer stays in the gallery's spool.",
        receipt,
    )


def keep_thumbnails(gallery: Gallery, end: End) -> None:
    """Small pictures of what was made. They can be rebuilt, so a failure is no reason to fail."""
    if not isinstance(end.outcome, Generated):
        return
    for kept, image in zip(end.items, end.outcome.images, strict=True):
        try:
            gallery.set_thumbnail(kept.sha256, *photos.thumbnail(image.data, edge_px=THUMBNAIL_PX))
        except (PhotoProblem, GalleryProblem):
            continue


def _book(gallery: Gallery, left: OpenCall, outcome: Outcome) -> End:
    ledger = gallery.ledger
    bill: pricing.Bill | None = None
    if isinstance(outcome, Generated | Captioned):
        tier: Tier = outcome.receipt.tier or left.request.tier
        bill = pricing.bill(
            left.request.model, outcome.usage, tier=tier, on=left.day, rates=left.rates
        )
        if bill.dollars is None:
            outcome = _unpriced(bill, outcome.receipt)
    if isinstance(outcome, Failed):
        ledger.release(left.id, outcome)
        return End(outcome)
    if isinstance(outcome, Unknown):
        ledger.unknown(left.id, outcome)
        return End(outcome)
    assert bill is not None
    assert bill.dollars is not None
    images: list[NewImage] = []
    caption: NewCaption | None = None
    answer: captions.Answer | None = None
    problems = outcome.problems
    if isinstance(outcome, Generated):
        images = [
            NewImage(
                sha256=gallery.store_file(image.data, image.format),
                format=image.format,
                size=image.size,
                size_bytes=len(image.data),
                slot=image.slot,
                title=left.labels.title,
                tags=left.labels.tags,
                collection=left.labels.collection,
            )
            for image in outcome.images
        ]
    else:
        assert isinstance(left.request, CaptionRequest)
        task = left.request.task
        answer = captions.parse_answer(task, outcome.text)
        problems = (*problems, *answer.problems)
        item_id = left.item_id or gallery.adopted(left.request.measured)
        if item_id is not None:
            caption = NewCaption(item_id, task, answer.text, answer.tags, answer.data)
    ids = ledger.settle(
        left.id,
        usage=outcome.usage,
        cost=bill.dollars,
        receipt=outcome.receipt,
        images=images,
        caption=caption,
        problems=problems,
        price_version=bill.price_version,
    )
    kept = tuple(
        Kept(id_, image.sha256, image.format, image.size, _path(gallery, id_, image))
        for id_, image in zip(ids, images, strict=bool(images))
    )
    return End(outcome, bill, kept, answer, (*problems, *_overrun(bill.dollars, left.hold)))


def _overrun(billed: Decimal, hold: Decimal) -> tuple[str, ...]:
    if billed <= hold:
        return ()
    return (
        f"it was billed {money.short(billed)}, more than the {money.short(hold)} that was thought "
        "possible; no further call is made until you have acknowledged this overrun",
    )


def _path(gallery: Gallery, item_id: str, image: NewImage) -> Path | None:
    # Asking the gallery takes as long as reserving the money; most originals are where they are
    # by default.
    path = gallery.folder / ORIGINALS / name_of(image.sha256, image.format)
    if path.is_file():
        return path
    try:
        return gallery.original_path(item_id)
    except GalleryProblem:
        return None


def _spool_files(gallery: Gallery, attempt_id: str) -> tuple[Path, Path]:
    body = gallery.spool_path(attempt_id)
    return body, body.with_suffix(".part")


def _left_in(gallery: Gallery) -> _Leftovers:
    with _leftovers_lock:
        return _leftovers.setdefault(gallery, _Leftovers())


def _as_open(gallery: Gallery, attempt: Attempt) -> OpenCall:
    item_id = None
    if isinstance(attempt.request, CaptionRequest):
        item_id = gallery.adopted(attempt.request.measured)
    return OpenCall(
        attempt.id,
        attempt.request,
        attempt.hold,
        attempt.rates,
        attempt.created_at.date(),
        item_id=item_id,
    )
