"""A job that is asked in batches: handed in, waited for, booked; it can be left at any moment.

What stands at the provider is in the gallery's ledger. So a worker that waits may end or be killed:
the next one, another page or `playground batches --fetch` goes on with the same batches.
"""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playground import money, stats
from playground.batch import BatchRun
from playground.batch.folder import BatchSummary, in_batches, waiting_in_batches
from playground.runner import Archive, Forecast
from playground.runner.gate import Confirm
from playground.runner.plan import Row
from playground.store.batches import UNFINISHED

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

CANCELLED = "it was cancelled"
# A batch is answered within so long, or expires.
_WITHIN = dt.timedelta(hours=24)
_SHOW_SECONDS = 0.5


class Batching:
    """One run of batches; `cancel` and `leave` come from any thread, the rest from one.

    Args:
        run_id: of the job: its cap and its bill.
        on_change: called when something came, now and then.
    """

    def __init__(
        self, gallery: Gallery, client: Client, run_id: str, on_change: Callable[[], object]
    ) -> None:
        self._gallery, self._client = gallery, client
        self._run_id, self._on_change = run_id, on_change
        self._cancelled, self._left = threading.Event(), threading.Event()
        self._nudge = threading.Event()
        self._run: BatchRun | None = None
        self._steering = False
        self._shown_at = float("-inf")

    def cancel(self) -> None:
        """Hand in no more, and ask the provider to end what runs; what was done is booked."""
        self._cancelled.set()
        self._nudge.set()

    def leave(self) -> None:
        """Stop waiting; the batches go on."""
        self._left.set()
        self._nudge.set()

    @property
    def was_left(self) -> bool:
        """Whether it was left while something waited."""
        return self._left.is_set()

    def run(self, archive: Archive, *, budget: str | None, confirm: Confirm) -> BatchSummary:
        """Hand in what is not handed in yet, and wait until all is answered, or it is left.

        Raises:
            SpendingRefused: without consent to what is handed in; nothing was sent.
        """
        book = self._gallery.ledger.batches
        own = [one for one in book.unfinished() if one.run_id == self._run_id]
        waits = waiting_in_batches(self._gallery, archive)
        # Batches of other runs are waited for only where they hold photos of this one.
        alone = waits <= sum(book.held(one.id)[0] for one in own)
        return in_batches(
            self._gallery,
            self._client,
            archive,
            budget=budget,
            confirm=confirm,
            run_id=self._run_id,
            alone=alone,
            on_made=self._made,
            on_progress=self._progress,
            wait=self._wait,
        )

    # -- within --------------------------------------------------------------------------------

    def _made(self, run: BatchRun) -> None:
        self._run = run

    def _progress(self, _: BatchSummary) -> None:
        self._steer()
        if time.monotonic() - self._shown_at >= _SHOW_SECONDS:
            self._on_change()
            self._shown_at = time.monotonic()

    def _wait(self, seconds: float) -> bool:
        self._on_change()
        if not self._left.is_set() and not self._steer():
            self._nudge.wait(seconds)
            self._nudge.clear()
            self._steer()
        return self._left.is_set()

    def _steer(self) -> bool:
        """Do what was said; whether the provider was asked to end something just now."""
        run = self._run
        if run is None or self._steering:
            return False
        if self._left.is_set():
            run.stop("it was ended")
        if not self._cancelled.is_set():
            return False
        self._steering = True
        try:
            run.stop(CANCELLED)
            asked = 0
            for batch in self._gallery.ledger.batches.unfinished():
                if batch.run_id == self._run_id and batch.phase == "running" and not batch.reason:
                    asked += run.cancel(batch.id)
            return asked > 0
        finally:
            self._steering = False


def standing(gallery: Gallery, run_id: str) -> dict[str, Any] | None:
    """How far a run's batches are, as JSON values; None when it never had one."""
    book = gallery.ledger.batches
    own = [one for one in book.all() if one.run_id == run_id and one.phase != "dropped"]
    if not own:
        return None
    going = [one for one in own if one.phase in UNFINISHED]
    held = [book.held(one.id) for one in going]
    done = sum(
        min(one.lines, one.completed + one.failed) if one.phase in UNFINISHED else one.lines
        for one in own
    )
    by = max((one.created_at for one in going), default=None)
    return {
        "going": len(going),
        "batches": len(own),
        "lines": sum(one.lines for one in own),
        "done": done,
        "waiting": sum(count for count, _ in held),
        "held": money.plain(sum((dollars for _, dollars in held), Decimal(0))),
        "by": (by + _WITHIN).astimezone(dt.UTC).isoformat(timespec="minutes") if by else "",
        "cancelling": any(one.reason for one in going),
    }


def not_waiting(gallery: Gallery, archive: Archive) -> list[Row] | None:
    """The questions of an archive that stand in no batch; None when none does stand in one."""
    book = gallery.ledger.batches
    if not book.unfinished():
        return None
    keys = {archive.plan.job(row).key: row for row in archive.left}
    waiting = book.waiting(list(keys))
    return [row for key, row in keys.items() if key not in waiting] if waiting else None


def drawn(gallery: Gallery, archive: Archive, count: int) -> list[Row]:
    """Questions for a pilot, at random among those that stand in no batch."""
    rows = not_waiting(gallery, archive)
    left = archive.left if rows is None else rows
    return random.Random().sample(left, min(count, len(left)))  # noqa: S311 - no secret


def live(archive: Archive, made: Callable[..., Archive], rows: Sequence[Row]) -> Archive:
    """The same questions about some photos, asked now and at the standard price: a pilot."""
    some = made(tier="standard")
    some.plan.take([archive.plan.job(row).request.measured for row in rows])
    return some


def forecast(pilot: Archive, archive: Archive) -> Forecast | None:
    """What pilot and batches will cost together, by the pilot's bills at another price.

    Args:
        archive: all of it as it was planned before the pilot.
    """
    expected = {row.sha256: archive.plan.expected(row) for row in archive.plan.rows}
    known = [(pilot.plan.expected(row), expected[row.sha256], paid) for row, paid in pilot.bills]
    if not known:
        return None
    shares = [paid * here / there if there else paid for there, here, paid in known]
    found = stats.forecast_total(
        [float(share) for share in shares],
        [float(here) for _, here, _ in known],
        expected_total=float(sum(expected.values(), Decimal(0))),
        count=len(expected),
    )
    # The photos of the pilot are paid for already, and cost more than in a batch.
    more = sum((paid for _, _, paid in known), Decimal(0)) - sum(shares, Decimal(0))
    low, estimate, high = (
        Decimal(str(round(value, 9))) + more for value in (found.low, found.estimate, found.high)
    )
    return Forecast(low, estimate, high, found.level, found.sampled)
