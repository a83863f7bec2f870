"""One picture or one caption, as people call it: `generate(...)` and `caption(...)`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from playground import money
from playground.catalog import Rates
from playground.errors import InvalidRequest
from playground.runner.booking import Labels
from playground.runner.gate import Confirm, perform
from playground.runner.results import Result
from playground.store.records import Caps
from playground.values import (
    CaptionRequest,
    EditRequest,
    ImageRequest,
    Photo,
    Quote,
)

R = TypeVar("R", ImageRequest, EditRequest, CaptionRequest)

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery


def generate(
    request: ImageRequest | str,
    gallery: Gallery | str | Path | None = None,
    client: Client | None = None,
    *,
    cap: Decimal | int | str | None = None,
    rates: Rates | None = None,
    title: str = "",
    tags: tuple[str, ...] | list[str] = (),
    collection: str = "",
    confirm: Confirm = False,
    on_quote: Callable[[Quote], None] | None = None,
    on_partial: Callable[[int, bytes], None] | None = None,
    **fields: Any,
) -> Result:
    """Make or edit pictures and keep them in the gallery, with what they were quoted and billed.

    `generate("a wizard", size="976x704", quality="low")` is one call; with `images=[…]` it is an
    edit. Each call is a purchase of its own, also for a prompt that was used before.

    Args:
        request: a prompt, or a whole request (whose fields `**fields` may change).
        gallery: a gallery or where it is; `PLAYGROUND_GALLERY`, else ./gallery.
        client: as from `connect()`, which is the default.
        cap: dollars that this gallery may ever commit; `PLAYGROUND_CAP` and the gallery's own
            cap hold as well.
        rates: dollars per million tokens by bucket, for a model without a known price.
        confirm: consent to a quote above $1.00: True, or a function that asks.
        on_quote: is shown the quote before anything is reserved.
        on_partial: is shown drafts of a streamed picture: index and bytes.

    Raises:
        PlaygroundError: what cannot be done; nothing was sent then. The outcome of a call that
            was sent is in the result, also when it failed.
    """
    if isinstance(request, ImageRequest):
        asked = changed(request, fields)
    else:
        kind = EditRequest if fields.get("images") else ImageRequest
        asked = made(kind, {"prompt": request, **fields})
    with opened(gallery, client) as (store, provider):
        return perform(
            store,
            provider,
            asked,
            caps=caps(cap=cap),
            rates=rates,
            labels=Labels(title, tuple(tags), collection),
            confirm=confirm,
            on_quote=on_quote,
            on_partial=on_partial,
        )


def caption(
    request: CaptionRequest | Photo | Path | str,
    gallery: Gallery | str | Path | None = None,
    client: Client | None = None,
    *,
    cap: Decimal | int | str | None = None,
    rates: Rates | None = None,
    confirm: Confirm = False,
    on_quote: Callable[[Quote], None] | None = None,
    on_text: Callable[[str], None] | None = None,
    **fields: Any,
) -> Result:
    """Words about one photo, kept with it in the gallery; arguments as in `generate`.

    `caption("beach.jpg", model="gpt-5.4-nano", task="alt", resize=768)`. The answer is asked for
    anew each time; `caption_folder` skips what is answered.

    Args:
        request: a photo file, or a whole request (whose fields `**fields` may change).
        on_text: is shown the answer piece by piece; makes it stream.
    """
    if isinstance(request, CaptionRequest):
        asked = changed(request, fields)
    else:
        asked = made(CaptionRequest, {"photo": request, **fields})
    with opened(gallery, client) as (store, provider):
        return perform(
            store,
            provider,
            asked,
            caps=caps(cap=cap),
            rates=rates,
            confirm=confirm,
            on_quote=on_quote,
            on_text=on_text,
        )


def caps(
    *,
    cap: Decimal | int | str | None = None,
    budget: Decimal | int | str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Caps:
    """The limits of a call or run: the smaller of `cap` and `PLAYGROUND_CAP`, and a run's budget.

    Raises:
        InvalidRequest: for an amount that is none.
    """
    environ = os.environ if environ is None else environ
    limits = [
        _dollars("the cap", cap),
        _dollars("PLAYGROUND_CAP", environ.get("PLAYGROUND_CAP", "").strip() or None),
    ]
    known = [limit for limit in limits if limit is not None]
    return Caps(gallery=min(known, default=None), run=_dollars("the budget", budget))


def _dollars(what: str, amount: Decimal | int | str | None) -> Decimal | None:
    if amount is None:
        return None
    try:
        dollars = money.usd(amount)
    except (TypeError, ValueError):
        dollars = Decimal(-1)
    if dollars < 0:
        msg = f"{what} is an amount of dollars such as 2.50, not {amount!r}; nothing was sent"
        raise InvalidRequest(msg)
    return dollars


def made(kind: type[R], fields: Mapping[str, Any]) -> R:
    """A request of a kind; InvalidRequest names a field that there is not."""
    return _known(kind, lambda: kind(**fields), fields)


def changed(request: R, fields: Mapping[str, Any]) -> R:
    """The request with some fields changed."""
    return _known(type(request), lambda: request.with_(**fields), fields) if fields else request


def _known(kind: type[R], make: Callable[[], R], fields: Mapping[str, Any]) -> R:
    known = kind.__dataclass_fields__
    odd = ", ".join(name for name in fields if name not in known)
    if odd:
        msg = f"{odd} is not known here; there are {', '.join(known)}. Nothing was sent."
        raise InvalidRequest(msg)
    return make()


@contextmanager
def opened(
    gallery: Gallery | str | Path | None, client: Client | None
) -> Iterator[tuple[Gallery, Client]]:
    """The gallery and the client, opened here where they were not given (and then closed)."""
    with ExitStack() as stack:
        if gallery is None or isinstance(gallery, str | Path):
            from playground.store import Gallery as Store

            gallery = stack.enter_context(Store(gallery))
        if client is None:
            from playground.provider.connect import connect

            client = stack.enter_context(connect())
        yield gallery, client
