"""An archive's run: plan, price, pilot, run, pause, go on; for one photo or a hundred thousand.

    archive = Archive(gallery, client, model="gpt-5.4-nano", task="alt", resize=768)
    archive.add("photos/")
    print(archive.quote, archive.savings())
    print(archive.pilot(50))            # "$41.80 to $44.10"
    archive.run(budget="45")

What is answered is known by the question's key in the gallery, so nothing is asked twice, by this
run, a later one, or another program on the same gallery at the same time.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playground.catalog import Rates
from playground.errors import InvalidRequest
from playground.runner.booking import finish_leftovers
from playground.runner.gate import Confirm, consent
from playground.runner.plan import Copy, PathLike, Plan, Row, Saving, sample
from playground.runner.progress import Forecast, Progress, Reason, reasons_of
from playground.runner.results import Problem, Summary
from playground.runner.single import caps, made
from playground.runner.tally import Tally
from playground.runner.trial import Trial, forecast_of, judged
from playground.runner.window import GRACE_SECONDS, Window
from playground.size import Size
from playground.values import CaptionRequest, Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

# Calls under way at most; the pace decides how many there really are.
CONCURRENCY = 64


class Archive:
    """Questions about many photos, and the runs that ask them.

    Args:
        model: one model or several; each photo is asked about by each.
        rates: dollars per million tokens by bucket, for a model without a known price.
        wait, clock, asleep: how time passes (tests); `asleep` are seconds that the computer slept.
        fields: of `CaptionRequest`.

    Raises:
        InvalidRequest: for a field that there is not, or a value that it does not take.
    """

    def __init__(
        self,
        gallery: Gallery,
        client: Client,
        *,
        model: str | Sequence[str] | None = None,
        rates: Rates | None = None,
        on_progress: Callable[[Summary], None] | None = None,
        wait: Callable[[float], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
        asleep: Callable[[], float] | None = None,
        **fields: Any,
    ) -> None:
        names: Sequence[str | None] = (
            [model] if model is None or isinstance(model, str) else list(dict.fromkeys(model))
        )
        self._gallery, self._client = gallery, client
        self._rates = client.rates if rates is None else rates
        templates = [
            made(CaptionRequest, fields | ({"model": name} if name else {})) for name in names
        ]
        self.plan = Plan(gallery, client, self._rates, templates)
        self._fields = fields
        self._on_progress, self._wait, self._clock = on_progress, wait, clock
        self._asleep = asleep
        self._done: set[int] = set()
        self._billed: dict[int, Decimal] = {}
        self._window: Window | None = None
        self._tally: Tally | None = None
        self._lock = threading.Lock()
        self._paused = threading.Event()

    # -- planning ------------------------------------------------------------------------------

    def add(
        self,
        paths: PathLike | Iterable[PathLike],
        *,
        limit: int | None = None,
        on_measured: Callable[[int], object] | None = None,
    ) -> None:
        """Plan questions about files and folders; at most `limit` photos.

        `on_measured` is told how many files were looked at, now and then; what it raises ends
        the planning.

        Raises:
            PhotoProblem: for a folder that is missing.
            InvalidRequest: when the model or its price refuses every photo.
        """
        self.plan.add(paths, limit, on_measured)

    def add_items(self, ids: Iterable[str]) -> None:
        """Plan questions about pictures that are in the gallery already.

        Raises:
            GalleryProblem: for an id that there is not, or originals in object storage.
        """
        self.plan.add([self._gallery.original_path(one) for one in ids])

    @property
    def quote(self) -> Quote | None:
        """What all that is planned costs, or None when there is nothing to ask."""
        return self.plan.total()

    def savings(self, edges: Sequence[int] = (512, 768, 1024)) -> list[Saving]:
        """What it would cost with photos that are scaled down before they are sent."""
        return self.plan.savings(edges)

    @property
    def duplicates(self) -> tuple[Copy, ...]:
        """Files with the same bytes as another one: each is asked about once."""
        return tuple(self.plan.duplicates)

    @property
    def unreadable(self) -> tuple[Problem, ...]:
        """Files that will not be asked about, and why."""
        return tuple(self.plan.errors)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why files will not be asked about, counted."""
        return reasons_of(self.plan.errors)

    @property
    def remaining(self) -> int:
        """Questions that are planned and not answered yet."""
        return len(self.plan.rows) - len(self._done)

    @property
    def rest(self) -> Quote | None:
        """What the questions that are not answered yet cost, or None when there are none."""
        if not self._done:
            return self.plan.total()
        left = [index for index in range(len(self.plan.rows)) if index not in self._done]
        return self.plan.quote_of(left) if left else None

    @property
    def left(self) -> list[Row]:
        """The questions that are planned and not answered yet."""
        return [row for index, row in enumerate(self.plan.rows) if index not in self._done]

    @property
    def bills(self) -> list[tuple[Row, Decimal]]:
        """The questions that this archive's pilots and runs had answered, and their dollars."""
        return [(self.plan.rows[index], dollars) for index, dollars in self._billed.items()]

    # -- running -------------------------------------------------------------------------------

    def pilot(
        self, count: int, *, seed: int | None = None, **options: Any
    ) -> tuple[Forecast | None, Summary]:
        """Ask about `count` photos drawn at random; what the whole plan will cost, by their bills.

        The forecast is None when none of them was answered. Options are those of `run`.
        """
        if count < 1:
            msg = "a pilot takes at least one photo"
            raise InvalidRequest(msg)
        drawn = self.plan.sample(count, seed)
        summary = self._go_on(drawn, **options)
        return self._forecast(drawn), summary

    def trial(
        self,
        count: int,
        against: Sequence[str] = (),
        *,
        seed: int | None = None,
        **options: Any,
    ) -> Trial:
        """A pilot in which other models are asked about the same photos as this archive's.

        What the others say is kept like any caption. Options are those of `run`; budget and
        consent are for all models together.

        Raises:
            InvalidRequest: for fewer than two models, or one that cannot be asked.
            UnknownModel, UnknownPrice: for a model without a known price. Nothing was sent.
        """
        own = [template.model for template in self.plan.templates]
        names = list(dict.fromkeys([*own, *against]))
        if count < 1 or len(names) < 2:
            msg = "a trial takes at least one photo and two different models"
            raise InvalidRequest(msg)
        unique = {row.sha256: row for row in self.left}
        drawn = [self.plan.photo(row) for row in sample(list(unique.values()), count, seed)]
        templates = [
            made(CaptionRequest, self._fields | ({"model": name} if name else {})) for name in names
        ]
        asked = Plan(self._gallery, self._client, self._rates, templates)
        asked.take(drawn)
        # An answer to this archive's own question is not asked for again by its run.
        mine = {(row.sha256, own[row.template]): index for index, row in enumerate(self.plan.rows)}

        def billed(row: Row, dollars: Decimal) -> None:
            index = mine.get((row.sha256, names[row.template]))
            if index is not None:
                self._billed[index] = dollars
                self._done.add(index)

        summary = self._go(asked, asked.rows, billed, **options)
        sizes = {row.sha256: Size(row.width_px, row.height_px) for row in self.plan.rows}
        return judged(self._gallery, asked, drawn, list(sizes.values()), summary)

    def run(self, **options: Any) -> Summary:
        """Ask about everything that is planned and not asked yet.

        Args:
            budget, cap: dollars that this run, and the gallery, may commit.
            concurrency: calls under way at most.
            unknown_retries: how often a call with an unknown bill is tried again (each booked).
            confirm: consent to a quote above $1.00: True, or a function that asks.
            as_is: send JPEGs that need no scaling as they are, also those that an orientation tag
                turns: they keep that tag alone, and the model may look at them lying on a side.
            run_id: runs with the same one share the budget, also after a restart.

        Raises:
            SpendingRefused: without that consent; nothing was sent.
        """
        return self._go_on(range(len(self.plan.rows)), **options)

    def pause(self) -> None:
        """Begin no further call until `resume`; those under way end."""
        self._paused.set()
        self._tell_pause(True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._paused.clear()
        self._tell_pause(False)

    def _tell_pause(self, paused: bool) -> None:
        with self._lock:
            window, tally = self._window, self._tally
        if window is not None and tally is not None:
            tally.pause(paused)
            window.pause(paused)

    def cancel(self, why: str = "it was cancelled") -> None:
        """End the run: no further call is begun, those under way may end for some seconds."""
        if self._window is not None:
            self._window.stop(why)

    @property
    def running(self) -> bool:
        """Whether a pilot or a run is under way."""
        return self._window is not None

    @property
    def progress(self) -> Progress:
        """The run or pilot at this moment (the last one when it is over); safe from any thread."""
        if self._tally is not None:
            return self._tally.progress()
        total = self.plan.total()
        whole = None
        if total is not None and total.low is not None and total.high is not None:
            whole = Forecast(total.low, total.low, total.high, 1.0, 0)
        return Progress(
            "planned",
            planned=len(self.plan.rows),
            skipped=self.plan.skipped,
            failed=len(self.plan.errors),
            at_completion=whole,
            reasons=self.reasons,
        )

    @property
    def summary(self) -> Summary:
        """What has come so far."""
        return self._tally.summary() if self._tally is not None else self.planned()

    def planned(self) -> Summary:
        """The summary of a run that has not begun."""
        return self._begun(len(self.plan.rows), self.plan.total())

    def _begun(self, planned: int, quoted: Quote | None, run_id: str | None = None) -> Summary:
        return Summary(
            skipped=self.plan.skipped,
            failed=len(self.plan.errors),
            errors=tuple(self.plan.errors),
            planned=planned,
            quoted=quoted,
            run_id=run_id or secrets.token_hex(8),
        )

    def _go_on(self, indexes: Sequence[int], **options: Any) -> Summary:
        """Ask about those rows of the plan that are not answered yet."""
        rows = self.plan.rows
        waiting = [index for index in indexes if index not in self._done]
        by_row = {id(rows[index]): index for index in waiting}

        def billed(row: Row, dollars: Decimal) -> None:
            self._billed[by_row[id(row)]] = dollars
            self._done.add(by_row[id(row)])

        return self._go(self.plan, [rows[index] for index in waiting], billed, **options)

    def _go(
        self,
        plan: Plan,
        waiting: Sequence[Row],
        billed: Callable[[Row, Decimal], None],
        *,
        budget: Decimal | int | str | None = None,
        cap: Decimal | int | str | None = None,
        concurrency: int = CONCURRENCY,
        unknown_retries: int = 2,
        confirm: Confirm = False,
        as_is: bool = False,
        run_id: str | None = None,
    ) -> Summary:
        if not 1 <= concurrency <= 1024 or unknown_retries < 0:
            msg = "concurrency is 1 to 1,024; unknown_retries is at least 0"
            raise InvalidRequest(msg)
        if self._window is not None:
            msg = "this archive is running already; wait for its end, or cancel it"
            raise InvalidRequest(msg)
        quote = plan.quote_of_rows(waiting) if waiting else None
        if quote is not None:
            consent(quote, confirm)
            finish_leftovers(self._gallery)
        narrower = caps(cap=cap, budget=budget)
        self._paused.clear()
        begun = self._begun(len(waiting), quote, run_id)
        if plan is not self.plan:
            begun = replace(begun, errors=(*begun.errors, *plan.errors))
        tally = self._tally = Tally(begun, self._clock, self._on_progress)
        if not waiting:
            tally.end()
            return tally.summary()
        run_id = begun.run_id
        window = self._window = Window(
            self._gallery,
            self._client,
            plan,
            tally,
            rates=self._rates,
            caps=narrower,
            run_id=run_id,
            concurrency=min(concurrency, len(waiting)),
            unknown_retries=unknown_retries,
            clock=self._clock,
            as_is=as_is,
            wait=self._wait,
            on_billed=billed,
            asleep=self._asleep,
        )
        self._tell_pause(self._paused.is_set())
        # A daemon: a call that hangs must not keep an interrupted program from ending. Its attempt
        # is then finished, or held as unknown, by the next program that opens the gallery.
        ended = threading.Event()

        def work() -> None:
            try:
                window.run(iter(waiting))
            except Exception as problem:
                tally.stop(f"a fault in this program ({type(problem).__name__}: {problem})")
            finally:
                ended.set()

        threading.Thread(target=work, name="archive", daemon=True).start()
        try:
            while not ended.wait(0.5):
                pass
        except KeyboardInterrupt:
            window.stop("it was interrupted", interrupted=True)
            ended.wait(GRACE_SECONDS + 5)
        totals = self._gallery.ledger.totals("run", run_id)
        tally.money(totals.settled, totals.held)
        tally.end()
        self._window = None
        return tally.summary()

    def _forecast(self, drawn: Sequence[int]) -> Forecast | None:
        answered = [index for index in drawn if index in self._billed]
        if not answered:
            return None
        expected = {index: self.plan.quote_of([index]) for index in answered}
        total = self.plan.total()
        assert total is not None
        return forecast_of(
            [self._billed[index] for index in answered],
            [float(expected[index].low or 0) for index in answered],
            float(total.low or 0),
            len(self.plan.rows),
        )
