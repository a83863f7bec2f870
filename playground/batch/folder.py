"""`caption_folder(..., via="batch")` and `playground caption --via batch`: plan, ask, come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playground import money
from playground.batch.run import LOST_AFTER_SECONDS, BatchRun, Standing, Wait
from playground.catalog import Rates
from playground.errors import InvalidRequest
from playground.provider.batches import MAX_BYTES, MAX_LINES
from playground.runner.archive import Archive
from playground.runner.booking import finish_leftovers
from playground.runner.gate import Confirm, consent
from playground.runner.plan import PathLike
from playground.runner.results import Summary
from playground.runner.single import caps, opened
from playground.values import Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

TIER_OF_VIA = "batch"
_NOTHING = Standing()
_SHOW_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class BatchSummary(Summary):
    """A run of batches so far. `waiting` questions are at the provider and not answered yet.

    `settled_dollars` were booked by this run (also for questions that an earlier one asked),
    `held_dollars` are reserved for what waits, or may have been billed.
    """

    waiting: int = 0
    standing: Standing = _NOTHING
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `playground caption --via batch`."""
        batches = [
            {
                "id": batch.remote_id,
                "phase": batch.phase,
                "status": batch.status,
                "model": batch.model,
                "lines": batch.lines,
                "completed": batch.completed,
                "failed": batch.failed,
            }
            for batch in self.standing.batches
        ]
        more = {"waiting": self.waiting, "batches": batches, "notes": list(self.notes)}
        return Summary.to_dict(self) | more


def in_batches(
    gallery: Gallery,
    client: Client,
    archive: Archive,
    *,
    budget: Decimal | int | str | None = None,
    cap: Decimal | int | str | None = None,
    confirm: Confirm = False,
    on_quote: Callable[[Quote], None] | None = None,
    on_progress: Callable[[BatchSummary], None] | None = None,
    wait: Wait | None = None,
    clock: Callable[[], float] = time.monotonic,
    wait_for_all: bool = True,
    rates: Rates | None = None,
    max_lines: int = MAX_LINES,
    max_bytes: int = MAX_BYTES,
    lost_after_seconds: float = LOST_AFTER_SECONDS,
    run_id: str | None = None,
    alone: bool = False,
    on_made: Callable[[BatchRun], object] | None = None,
) -> BatchSummary:
    """Ask about an archive's photos in batches, and bring in what waits from earlier runs.

    Args:
        archive: planned, with templates of the tier batch.
        wait_for_all: whether to stay until all is answered (up to a day); without it, everything
            is handed in, what has ended is booked, and the same call later goes on.

    Raises:
        SpendingRefused: without consent to a quote above $1.00; nothing was sent.
    """
    plan = archive.plan
    begun = clock()
    limits = caps(cap=cap, budget=budget)
    finish_leftovers(gallery)
    planned = archive.planned()
    run = BatchRun(
        gallery,
        client,
        plan,
        caps=limits,
        run_id=run_id or planned.run_id,
        alone=alone,
        rates=rates,
        wait=wait,
        max_lines=max_lines,
        max_bytes=max_bytes,
        lost_after_seconds=lost_after_seconds,
        on_change=lambda: show(),
    )
    interrupted = False
    shown_at = float("-inf")

    def show() -> None:
        """Some times a second: what is shown is counted in the ledger."""
        nonlocal shown_at
        if on_progress is not None and clock() - shown_at >= _SHOW_SECONDS:
            on_progress(summary())
            shown_at = clock()

    def summary() -> BatchSummary:
        standing = run.status()
        return BatchSummary(
            captioned=run.captioned,
            skipped=planned.skipped + run.skipped,
            failed=planned.failed + run.failed,
            unknown=run.unknown,
            settled_dollars=run.dollars,
            held_dollars=standing.held + run.unknown_dollars,
            seconds=clock() - begun,
            errors=(*planned.errors, *run.errors),
            planned=planned.planned,
            quoted=planned.quoted,
            stopped=run.stopped,
            interrupted=interrupted,
            run_id=run_id or planned.run_id,
            waiting=standing.lines,
            standing=standing,
            notes=tuple(run.notes),
        )

    if on_made is not None:
        on_made(run)
    try:
        run.adopt()
        rows = run.knows(plan.rows)
        if rows:
            quote = plan.quote_of_rows(rows)
            if on_quote is not None:
                on_quote(quote)
            consent(quote, confirm)
        run.go(rows, wait_for_all=wait_for_all)
    except KeyboardInterrupt:
        interrupted = True
    return summary()


def caption_in_batches(
    paths: PathLike | Iterable[PathLike],
    gallery: Gallery | PathLike | None = None,
    client: Client | None = None,
    *,
    limit: int | None = None,
    dry_run: bool = False,
    model: Any = None,
    rates: Rates | None = None,
    clock: Callable[[], float] = time.monotonic,
    budget: Decimal | int | str | None = None,
    cap: Decimal | int | str | None = None,
    confirm: Confirm = False,
    on_quote: Callable[[Quote], None] | None = None,
    on_progress: Callable[[BatchSummary], None] | None = None,
    wait: Wait | None = None,
    wait_for_all: bool = True,
    max_lines: int = MAX_LINES,
    max_bytes: int = MAX_BYTES,
    lost_after_seconds: float = LOST_AFTER_SECONDS,
    **fields: Any,
) -> BatchSummary | Summary:
    """`caption_folder` at half price, answered within a day; arguments as there.

    Raises:
        UnknownPrice: when the model has no batch price (it names how to ask live).
        PlaygroundError: as `caption_folder`.
    """
    if fields.setdefault("tier", TIER_OF_VIA) not in {"batch", "standard"}:
        msg = f"a batch has the tier batch, not {fields['tier']}; nothing was sent"
        raise InvalidRequest(msg)
    fields["tier"] = TIER_OF_VIA
    with opened(gallery, client) as (store, provider):
        archive = Archive(store, provider, model=model, rates=rates, clock=clock, **fields)
        archive.add(paths, limit=limit)
        if dry_run:
            if archive.quote is not None and on_quote is not None:
                on_quote(archive.quote)
            return archive.planned()
        return in_batches(
            store,
            provider,
            archive,
            budget=budget,
            cap=cap,
            confirm=confirm,
            on_quote=on_quote,
            on_progress=on_progress,
            wait=wait,
            clock=clock,
            wait_for_all=wait_for_all,
            rates=rates,
            max_lines=max_lines,
            max_bytes=max_bytes,
            lost_after_seconds=lost_after_seconds,
        )


def waiting_in_batches(gallery: Gallery, archive: Archive) -> int:
    """How many of an archive's questions stand in a batch already and have no answer yet."""
    book = gallery.ledger.batches
    if not book.unfinished():
        return 0
    return len(book.waiting([archive.plan.job(row).key for row in archive.plan.rows]))


def how_to_come_back(summary: BatchSummary) -> str:
    """What waits and how to get it, or "" when nothing does."""
    if not summary.waiting:
        return ""
    held = money.short(summary.standing.held)
    return (
        f"{summary.standing}; up to {held} is held for them. They go on without this program; "
        "run the same command again to bring them in"
    )
