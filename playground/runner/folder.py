"""Captions for a folder: a window of threads, each call booked, running it again continues.

Threads share one run: one budget, one pace (a rate limit stops them all until it is over), one
reason to stop. A retry is a new, booked attempt. What is answered is known by the question's key
in the gallery, so nothing is asked twice, by this run or another.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playground import money
from playground.catalog import Rates
from playground.errors import GalleryProblem, InvalidRequest, PlaygroundError, SpendingRefused
from playground.runner.gate import Confirm, consent, perform
from playground.runner.plan import Job, PathLike, Plan
from playground.runner.results import Problem, Result, Summary
from playground.runner.single import caps, made, opened
from playground.store.records import Caps
from playground.values import (
    Captioned,
    CaptionRequest,
    Failed,
    Quote,
    Unknown,
)

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

CONCURRENCY = 8
GRACE_SECONDS = 10.0
# After this the limit is not a pace but a pause, which a person should decide about.
_LONGEST_WAIT_SECONDS = 300.0
_RATE_LIMIT_TRIES = 8
_NOT_SENT_TRIES = 3
# One reason for all photos: going on would only repeat it.
_STOPPING = frozenset({"quota", "auth", "permission", "not_found", "redirect", "not_sent"})
_POISON_WINDOW, _POISON_LEAST, _POISON_SHARE = 200, 20, 0.2


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
    unknown_retries: int = 1,
    confirm: Confirm = False,
    on_quote: Callable[[Quote], None] | None = None,
    on_progress: Callable[[Summary], None] | None = None,
    wait: Callable[[float], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
    **fields: Any,
) -> Summary:
    """Caption photos and folders of photos; what is answered already is skipped.

    Meant for up to some thousands of photos. One refused photo is an error in the summary and
    never ends the run; a used-up budget, a wrong key or a lost network does, and running the
    same again continues from there.

    Args:
        paths: files and folders (searched as `photos.scan` does).
        gallery: a gallery or where it is; `PLAYGROUND_GALLERY`, else ./gallery.
        client: as from `connect()`, which is the default.
        model: one model or several; each photo is captioned by each.
        concurrency: calls under way at the same time.
        budget: dollars that this run may commit. cap: as in `generate`.
        rates: dollars per million tokens by bucket, for a model without a known price.
        limit: at most so many photos are asked about.
        dry_run: measure, quote and count only; nothing is sent.
        unknown_retries: how often a call with an unknown bill is tried again (each is booked).
        confirm: consent to a total quote above $1.00: True, or a function that asks.
        on_quote: is shown the total. on_progress: is shown the summary so far after each call.
        wait: waits so many seconds, or less and then tells to stop. clock: seconds (tests).
        fields: of `CaptionRequest`, as in `caption`.

    Raises:
        PlaygroundError: when nothing can be begun (unknown model or price, a gallery that cannot
            be written); nothing was sent then.
    """
    if concurrency < 1 or (limit is not None and limit < 0) or unknown_retries < 0:
        msg = "concurrency is at least 1; limit and unknown_retries are at least 0"
        raise InvalidRequest(msg)
    names: Sequence[str | None] = (
        [model] if model is None or isinstance(model, str) else list(dict.fromkeys(model))
    )
    templates = [made(CaptionRequest, fields | ({"model": name} if name else {})) for name in names]
    run_caps = caps(cap=cap, budget=budget)
    with opened(gallery, client) as (store, provider):
        rates = provider.rates if rates is None else rates
        plan = Plan(store, provider, rates)
        plan.add(paths, templates, limit)
        total = plan.total()
        if total is not None and on_quote is not None:
            on_quote(total)
        run = _Run(store, provider, rates, run_caps, plan, unknown_retries, on_progress, clock)
        if dry_run or total is None:
            return run.summary()
        consent(total, confirm)
        return run.go(concurrency, wait)


class _Run:
    """One run: its threads, its pace, its sums."""

    def __init__(
        self,
        gallery: Gallery,
        client: Client,
        rates: Rates | None,
        run_caps: Caps,
        plan: Plan,
        unknown_retries: int,
        on_progress: Callable[[Summary], None] | None,
        clock: Callable[[], float],
    ) -> None:
        self._gallery, self._client, self._rates, self._caps = gallery, client, rates, run_caps
        self._clock = clock
        self._unknown_retries = unknown_retries
        self._on_progress = on_progress
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in plan.jobs:
            self._jobs.put(job)
        self._begun = clock()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wait: Callable[[float], bool] = self._stop.wait
        self._not_before = 0.0
        self._recent: deque[bool] = deque(maxlen=_POISON_WINDOW)
        self._summary = Summary(
            skipped=plan.skipped,
            failed=len(plan.errors),
            errors=tuple(plan.errors),
            planned=len(plan.jobs),
            quoted=plan.total(),
            run_id=secrets.token_hex(8),
        )

    def summary(self) -> Summary:
        """What has come so far."""
        with self._lock:
            return replace(self._summary, seconds=self._clock() - self._begun)

    def go(self, concurrency: int, wait: Callable[[float], bool] | None) -> Summary:
        """Ask until all is answered or something stops the run; then wait for what is under way."""
        self._wait = wait or self._stop.wait
        count = min(concurrency, self._summary.planned)
        # Daemons: a call that hangs must not keep an interrupted program from ending. Its attempt
        # is then finished, or held as unknown, by the next program that opens the gallery.
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self._halt("it was interrupted", interrupted=True)
            _join_until(threads, time.monotonic() + GRACE_SECONDS)
        self._add_up(sum(thread.is_alive() for thread in threads))
        return self.summary()

    def _add_up(self, under_way: int) -> None:
        """Take the run's money from the ledger, which knows best."""
        totals = self._gallery.ledger.totals("run", self._summary.run_id)
        with self._lock:
            self._summary = replace(
                self._summary,
                settled_dollars=totals.settled,
                held_dollars=totals.held,
                unknown=self._summary.unknown + under_way,
            )

    def _halt(self, why: str, *, interrupted: bool = False) -> None:
        with self._lock:
            if not self._summary.stopped:
                self._summary = replace(self._summary, stopped=why, interrupted=interrupted)
        self._stop.set()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            try:
                self._one(job)
            except Exception as problem:
                self._halt(f"a fault in this program ({type(problem).__name__}: {problem})")
                raise

    def _one(self, job: Job) -> None:
        """Ask about one photo, with the retries that its outcomes allow."""
        unknowns = limited = lost = 0
        while not self._stop.is_set():
            self._pace()
            if self._stop.is_set() or self._gallery.answered([job.request.key]):
                return
            result = self._attempt(job)
            if result is None:
                return
            outcome = result.outcome
            if isinstance(outcome, Captioned):
                self._count(job, result, captioned=1)
                return
            if isinstance(outcome, Unknown):
                unknowns += 1
                again = outcome.kind not in {"moderation_output", "cancelled"}
                if not again or unknowns > self._unknown_retries:
                    self._count(job, result, outcome.message, unknown=1)
                    return
                self._count(job, result)
            elif isinstance(outcome, Failed):
                if outcome.kind == "rate_limit" and limited < _RATE_LIMIT_TRIES:
                    limited += 1
                    self._slow_down(outcome, limited)
                    continue
                if outcome.kind == "not_sent" and lost + 1 < _NOT_SENT_TRIES:
                    lost += 1
                    self._wait(0.5 * lost)
                    continue
                self._count(job, result, outcome.message, failed=1)
                if outcome.kind in _STOPPING:
                    self._halt(outcome.message)
                return

    def _attempt(self, job: Job) -> Result | None:
        """One booked attempt; None when it was refused here (nothing was sent)."""
        try:
            return perform(
                self._gallery,
                self._client,
                job.request,
                caps=self._caps,
                run_id=self._summary.run_id,
                rates=self._rates,
                confirm=True,  # the total was agreed to
            )
        except (SpendingRefused, GalleryProblem) as problem:
            self._halt(str(problem))
        except PlaygroundError as problem:
            self._count(job, None, str(problem), failed=1)
        return None

    def _pace(self) -> None:
        """Wait until the provider's rate limit is over."""
        while not self._stop.is_set():
            with self._lock:
                rest = self._not_before - self._clock()
            if rest <= 0 or self._wait(rest):
                return

    def _slow_down(self, outcome: Failed, times: int) -> None:
        """Let nobody ask before the provider wants to be asked again."""
        seconds = outcome.retry_after_seconds
        if seconds is None:
            seconds = min(60.0, 0.5 * 2**times) * (0.75 + secrets.randbelow(500) / 1000)
        if seconds > _LONGEST_WAIT_SECONDS:
            self._halt(f"the provider asks to wait for {seconds:,.0f} seconds; run it again then")
            return
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + max(0.0, seconds))

    def _count(
        self,
        job: Job,
        result: Result | None,
        why: str = "",
        *,
        captioned: int = 0,
        failed: int = 0,
        unknown: int = 0,
    ) -> None:
        with self._lock:
            now = self._summary
            errors = (*now.errors, Problem(job.name, why)) if why else now.errors
            billed = result.billed if result is not None else None
            now = replace(
                now,
                captioned=now.captioned + captioned,
                failed=now.failed + failed,
                unknown=now.unknown + unknown,
                errors=errors,
                settled_dollars=now.settled_dollars + (billed or Decimal(0)),
                held_dollars=now.held_dollars + (result.held if result else Decimal(0)),
                seconds=self._clock() - self._begun,
            )
            self._summary = now
            poisoned = self._poisoned(captioned, failed, unknown, sent=result is not None)
            spent = now.settled_dollars
            if self._on_progress is not None:
                self._on_progress(now)
        if poisoned:
            bad, of = sum(self._recent), len(self._recent)
            self._halt(
                f"too many calls fail: {bad} of the last {of}, after {money.short(spent)} was "
                "spent; look at the errors, then run it again to go on"
            )

    def _poisoned(self, captioned: int, failed: int, unknown: int, *, sent: bool) -> bool:
        """Whether so many calls fail that a person should look (local refusals cost nothing)."""
        if not sent or not captioned + failed + unknown:
            return False
        self._recent.append(not captioned)
        bad = sum(self._recent)
        return bad >= _POISON_LEAST and bad > _POISON_SHARE * len(self._recent)


def _join_until(threads: Sequence[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
