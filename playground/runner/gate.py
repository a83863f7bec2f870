"""The one gate: nothing else takes reservations and calls a provider.

    resolve ─► quote ─► prepare ─► consent ─► reserve ─► send ─► store file ─► settle
                                                 └─► release (not billed) | unknown (held)

Whatever fails before the reservation costs nothing; from it on, `booking` ends the attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playground import catalog, money, photos, pricing
from playground.catalog import Rates
from playground.errors import (
    GalleryProblem,
    InvalidRequest,
    PhotoProblem,
    SpendingRefused,
    UnknownModel,
    UnknownPrice,
)
from playground.runner.booking import (
    THUMBNAIL_PX,
    End,
    Labels,
    OpenCall,
    finish,
    finish_leftovers,
    keep_thumbnails,
    proven,
)
from playground.runner.results import Result
from playground.store.records import Caps, clean_tags
from playground.values import (
    CaptionRequest,
    EditRequest,
    Failed,
    ImageRequest,
    Photo,
    Quote,
    Request,
    Upload,
)

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

CONSENT_DOLLARS = Decimal(1)
# True and False answer for every quote; a function is shown the quote.
Confirm = Callable[[Quote], bool] | bool
_NO_CAPS = Caps()
_NO_LABELS = Labels()


@dataclass(frozen=True, slots=True)
class _Ready:
    """A request whose pictures are ready to be sent; `sent` has their sizes as prepared."""

    request: Request
    sent: Request
    uploads: tuple[Upload, ...] = ()
    mask: Upload | None = None
    original: bytes | None = None


def perform(
    gallery: Gallery,
    client: Client,
    request: Request,
    *,
    caps: Caps = _NO_CAPS,
    job_key: str | None = None,
    run_id: str | None = None,
    rates: Rates | None = None,
    labels: Labels = _NO_LABELS,
    confirm: Confirm = False,
    on_quote: Callable[[Quote], None] | None = None,
    on_partial: Callable[[int, bytes], None] | None = None,
    on_text: Callable[[str], None] | None = None,
    timeout_seconds: float | None = None,
    thumbnails: bool = True,
) -> Result:
    """Do one call through the gallery's ledger and keep what comes of it.

    The outcome of a call that was sent is a value (`Result.outcome`), also when it failed or its
    bill is unknown. What is raised was not sent and cost nothing, but for a gallery that cannot
    take the answer: that stays in the gallery's spool and is finished by the next call.

    Args:
        caps: dollars that may be committed; narrower than the gallery's own.
        job_key: identity of the question, `request.key` by default.
        run_id: calls with the same one share `caps.run`.
        rates: dollars per million tokens by bucket, instead of the client's or the catalog's.
        confirm: consent to a quote above $1.00: True, or a function that asks.
        on_quote: is shown the final quote before anything is reserved.
        on_partial: drafts of a streamed picture. on_text: pieces of a caption.
        timeout_seconds: for the whole answer.
        thumbnails: whether small pictures of what was made are kept at once.

    Raises:
        InvalidRequest, UnknownModel, UnknownPrice, PhotoProblem, SpendingRefused, GalleryProblem.
    """
    labels = replace(labels, tags=clean_tags(labels.tags))
    if gallery.read_only:
        msg = f"{gallery.why_read_only.rstrip('.')}. Nothing was sent and nothing was spent."
        raise GalleryProblem(msg)
    rates = client.rates if rates is None else rates
    request = photos.resolve(request)
    quote = quote_or_refuse(request, client, rates)
    ready = _prepare(request)
    if ready.sent is not request:
        quote = quote_or_refuse(ready.sent, client, rates)
    if on_quote is not None:
        on_quote(quote)
    consent(quote, confirm)
    finish_leftovers(gallery)
    begun = time.monotonic()
    attempt = gallery.ledger.reserve(
        job_key=job_key or request.key,
        slots=request.n if isinstance(request, ImageRequest) else 1,
        request=request,
        quote=quote,
        provider=client.provider,
        caps=caps,
        run_id=run_id,
        sample=client.is_sample,
        rates=rates,
    )
    assert quote.hold is not None
    left = OpenCall(attempt.id, request, quote.hold, rates, quote.on, labels)
    spool = gallery.spool_path(attempt.id)
    try:
        if isinstance(request, CaptionRequest):
            left = replace(left, item_id=_keep_photo(gallery, request.measured, ready))
        gallery.ledger.sent(attempt.id)
    except BaseException as problem:
        why = f"The gallery could not be prepared ({problem}). Nothing was sent or billed."
        gallery.ledger.release(attempt.id, Failed("not_sent", why))
        raise
    try:
        outcome = client.perform(
            request,
            attempt_id=attempt.id,
            uploads=ready.uploads,
            mask=ready.mask,
            spool=spool,
            on_partial=on_partial,
            on_text=on_text,
            timeout_seconds=timeout_seconds,
        )
    except BaseException:
        # Interrupted (Ctrl-C) while it was under way: what the spool proves is booked.
        finish(gallery, left, proven(gallery, left, "cancelled", "It was interrupted"))
        raise
    seconds = time.monotonic() - begun
    end = finish(gallery, left, outcome)
    if thumbnails:
        keep_thumbnails(gallery, end)
    return _result(ready, quote, left, end, seconds)


def quote_or_refuse(request: Request, client: Client | None, rates: Rates | None) -> Quote:
    """The quote of a resolved request that may be sent.

    Raises:
        UnknownModel, UnknownPrice: naming the model and how to give a price.
        InvalidRequest: for a model that is shut down, with its date.
    """
    override = (
        "To use it all the same, name its price with --price text_input=…,text_output=… (dollars "
        "per million tokens; rates= in Python) or --price free"
    )
    try:
        quote = pricing.quote(request, rates=rates)
    except UnknownModel as problem:
        raise UnknownModel(f"{problem} {override}.") from None
    if quote.hold is None:
        model = catalog.default().model(request.model)
        if model.retired(quote.on):
            msg = f"{model.retirement}. Nothing was sent and nothing was spent."
            raise InvalidRequest(msg)
        if request.tier not in model.tiers and model.tiers:
            msg = (
                f"{request.model} has no {request.tier} tier. Nothing was sent and nothing was "
                f"spent. Ask it live at the standard tier (--tier standard). {override}."
            )
            raise UnknownPrice(msg)
        why = quote.notes[0] if quote.notes else "its price is not known"
        msg = (
            f"What {request.model} would cost is unknown: {why.partition(';')[0]}. Nothing was "
            f"sent and nothing was spent. {override}."
        )
        raise UnknownPrice(msg)
    if client is not None and client.provider not in {"openai", "offline"} and rates is None:
        note = f"{client.provider} may charge other prices than these, which are the maker's"
        quote = replace(quote, notes=(*quote.notes, note))
    return quote


def consent(quote: Quote, confirm: Confirm) -> None:
    """Ask before more than $1.00 may be spent.

    Raises:
        SpendingRefused: when the answer is no, or nobody can be asked.
    """
    most = max(quote.high or Decimal(0), quote.hold or Decimal(0))
    if most <= CONSENT_DOLLARS or confirm is True:
        return
    if confirm is not False and confirm(quote):
        return
    how = "it was not confirmed" if confirm is not False else "nobody confirmed it (--yes does)"
    msg = (
        f"This may cost {money.short(most)}, more than {money.short(CONSENT_DOLLARS)}, and {how}. "
        "Nothing was sent and nothing was spent."
    )
    raise SpendingRefused(msg)


# -------------------------------------------------------------------------------------------------


def _prepare(request: Request) -> _Ready:
    """Decode and re-encode the request's pictures: what fails here was never sent."""
    if isinstance(request, CaptionRequest):
        photo = request.measured
        name, data = photos.read(photo)
        upload = photos.prepare(data, resize=request.resize, name=name)
        sent = request.with_(photo=_as_sent(photo, upload), resize=None)
        return _Ready(request, sent, (upload,), None, data)
    if isinstance(request, EditRequest):
        uploads = tuple(photos.prepare(image) for image in request.images)
        mask = photos.prepare(request.mask, formats=("png",)) if request.mask else None
        if mask is not None and mask.size != uploads[0].size:
            msg = (
                f"The mask has {mask.size} pixels and the first picture {uploads[0].size}; they "
                "must be equal. Nothing was sent and nothing was spent."
            )
            raise InvalidRequest(msg)
        images = tuple(
            _as_sent(image, upload) for image, upload in zip(request.images, uploads, strict=True)
        )
        return _Ready(request, request.with_(images=images), uploads, mask)
    return _Ready(request, request)


def _as_sent(photo: Any, upload: Upload) -> Photo:
    assert isinstance(photo, Photo)
    size = upload.size
    return replace(photo, width_px=size.width_px, height_px=size.height_px)


def _keep_photo(gallery: Gallery, photo: Photo, ready: _Ready) -> str:
    """The gallery's item of a photo that is about to be captioned."""
    assert photo.sha256 is not None
    item = gallery.find_photo(photo.sha256)
    if item is None:
        assert ready.original is not None
        try:
            small: tuple[Any, Any] | None = photos.thumbnail(
                ready.uploads[0].data, edge_px=THUMBNAIL_PX
            )
        except PhotoProblem:
            small = None
        item = gallery.add_photo(photo, ready.original, name=photo.name, thumbnail=small)
    return item.id


def _result(ready: _Ready, quote: Quote, left: OpenCall, end: End, seconds: float) -> Result:
    result = Result(
        request=ready.request,
        quote=quote,
        outcome=end.outcome,
        attempt_id=left.id,
        bill=end.bill,
        items=end.items,
        item_id=left.item_id,
        seconds=end.outcome.receipt.seconds or seconds,
        notes=end.notes,
    )
    if end.answer is not None:
        answer = end.answer
        result = replace(result, text=answer.text, tags=answer.tags, data=answer.data)
    return replace(result, notes=(*result.notes, *_differences(result)))


def _differences(result: Result) -> list[str]:
    """What was delivered otherwise than asked."""
    if not result.ok:
        return []
    found = []
    delivered = result.delivered
    for what, asked in result.asked.items():
        came = delivered.get(what)
        if came and asked != "auto" and came != asked:
            found.append(f"{what} {asked} was asked for, {came} was delivered")
    tier = result.outcome.receipt.tier
    if tier and tier != result.request.tier:
        found.append(f"it was served at the {tier} tier and is billed as such")
    return found
