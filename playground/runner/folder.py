"""`caption_folder`: a whole archive's run in one call (see `archive` for its steps)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from playground.catalog import Rates
from playground.errors import InvalidRequest
from playground.runner.archive import CONCURRENCY, Archive
from playground.runner.gate import Confirm
from playground.runner.plan import PathLike
from playground.runner.results import Summary
from playground.runner.single import opened
from playground.values import Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery


def caption_folder(
    paths: PathLike | Iterable[PathLike],
    gallery: Gallery | PathLike | None = None,
    client: Client | None = None,
    *,
    model: str | Sequence[str] | None = None,
    concurrency: int = CONCURRENCY,
    budget: Decimal | int | str | None = None,
    cap: Decimal | int | str | None = None,
    rates: Rates | None = None,
    limit: int | None = None,
    dry_run: bool = False,
    unknown_retries: int = 2,
    via: Literal["live", "batch"] = "live",
    pilot: int | None = None,
    compare: Sequence[str] = (),
    as_is: bool = False,
    confirm: Confirm = False,
    on_quote: Callable[[Quote], None] | None = None,
    on_progress: Callable[[Summary], None] | None = None,
    wait: Callable[[float], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
    **fields: Any,
) -> Summary:
    """Caption photos and folders of photos; what is answered already is skipped.

    One refused photo is an error in the summary and never ends the run; a used-up budget, a wrong
    key or a lost network does, and running the same again continues from there. Photos are kept
    in the gallery as further names of the same files where the file system allows that.

    Args:
        paths: files and folders (searched as `photos.scan` does).
        gallery: a gallery or where it is; `PLAYGROUND_GALLERY`, else ./gallery.
        client: as from `connect()`, which is the default.
        model: one model or several; each photo is captioned by each.
        concurrency: calls under way at the same time, at most.
        budget: dollars that this run may commit. cap: as in `generate`.
        rates: dollars per million tokens by bucket, for a model without a known price.
        limit: at most so many photos are asked about.
        dry_run: measure, quote and count only; nothing is sent.
        unknown_retries: how often a call with an unknown bill is tried again (each is booked).
        via: `batch` asks at half price and waits up to a day for the answers; interrupted, the
            same call later brings them in (see `playground.batch`).
        pilot: ask about so many photos drawn at random only; `forecast` is what all will cost.
        compare: further models that are asked about the pilot's photos; `trial` shows the answers
            beside each other (see `Archive.trial`).
        as_is: leave JPEGs that an orientation tag turns as they are, as in `Archive.run`.
        confirm: consent to a total quote above $1.00: True, or a function that asks.
        on_quote: is shown the total. on_progress: is shown the summary so far, after each call
            of a small run, some times a second in a large one.
        wait: waits so many seconds, or less and then tells to stop. clock: seconds (tests).
        fields: of `CaptionRequest`, as in `caption`.

    Raises:
        PlaygroundError: when nothing can be begun (unknown model or price, a gallery that cannot
            be written); nothing was sent then.
    """
    if concurrency < 1 or (limit is not None and limit < 0) or unknown_retries < 0:
        msg = "concurrency is at least 1; limit and unknown_retries are at least 0"
        raise InvalidRequest(msg)
    if via not in {"live", "batch"}:
        msg = f"via is live or batch, not {via!r}; nothing was sent"
        raise InvalidRequest(msg)
    if compare and pilot is None:
        msg = "compare goes with a pilot; nothing was sent"
        raise InvalidRequest(msg)
    if via == "batch":
        if pilot is not None:
            msg = "a pilot asks live; nothing was sent"
            raise InvalidRequest(msg)
        if as_is:
            msg = "as_is is for calls that are made now; batches turn photos upright"
            raise InvalidRequest(msg)
        from playground.batch import caption_in_batches

        return caption_in_batches(
            paths, gallery, client, model=model, budget=budget, cap=cap, rates=rates, limit=limit,
            dry_run=dry_run, confirm=confirm, on_quote=on_quote, on_progress=on_progress,
            wait=wait, clock=clock, **fields,
        )  # fmt: skip
    with opened(gallery, client) as (store, provider):
        archive = Archive(
            store,
            provider,
            model=model,
            rates=rates,
            on_progress=on_progress,
            wait=wait,
            clock=clock,
            **fields,
        )
        archive.add(paths, limit=limit)
        total = archive.quote
        if total is not None and on_quote is not None:
            on_quote(total)
        if dry_run or total is None:
            return archive.planned()
        asked: dict[str, Any] = {
            "budget": budget,
            "cap": cap,
            "concurrency": concurrency,
            "unknown_retries": unknown_retries,
            "confirm": confirm,
            "as_is": as_is,
        }
        if pilot is None:
            return archive.run(**asked)
        if compare:
            trial = archive.trial(pilot, compare, **asked)
            return replace(trial.summary, forecast=trial.forecast, trial=trial)
        forecast, summary = archive.pilot(pilot, **asked)
        return replace(summary, forecast=forecast)
