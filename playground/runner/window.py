"""The window of calls under way: photos are made ready ahead of it, calls pass the gate in it.

    plan ─► read, check, keep, strip or resize ─► pace ─► reserve ─► call ─► settle
            (threads, decoding children)          (one)   (shared)  (many)   (shared)

One event loop in one thread conducts; what blocks is done by threads: pictures by some, the
ledger by two. Reservations and settlements that wait at the same time share a transaction, and
each is durable before the next step. A retry is a new, booked attempt.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground import photos
from playground.catalog import Rates
from playground.errors import CapReached, GalleryProblem, PlaygroundError, SpendingRefused
from playground.provider.client import limit_of, patience
from playground.provider.wire import Body, Form, Wire, wall_seconds
from playground.runner import booking
from playground.runner.company import MEET_SECONDS, Company
from playground.runner.crew import Place, Together, Workers
from playground.runner.plan import Job, Plan, Row
from playground.runner.progress import Newest
from playground.runner.rate import Pace
from playground.runner.tally import Tally
from playground.store.bulk import Asked, Reserved, Settled, Taken
from playground.store.opening import SPOOL
from playground.store.records import Caps
from playground.values import Captioned, Failed, Outcome, Quote, Unknown, Upload

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

GRACE_SECONDS = 10.0
# After this the limit is not a pace but a pause, which a person should decide about.
_LONGEST_WAIT_SECONDS = 300.0
_RATE_LIMIT_TRIES = 8
_NOT_SENT_TRIES = 3
# One reason for all photos: going on would only repeat it.
_STOPPING = frozenset({"quota", "auth", "permission", "not_found", "redirect", "not_sent"})
# What is asked of the ledger waits so long for company: a transaction costs as much for one
# call as for ten. A settlement keeps no other call waiting, so it may wait longer when many do;
# and where photos are what is waited for, not calls, a quarter of a second costs nothing.
_COMPANY_SECONDS = 0.008
_MUCH_COMPANY_SECONDS = 0.032
_IDLE_COMPANY_SECONDS = 0.25
_MUCH_COMPANY = 32
# Answers that wait to be settled while other calls have taken their places.
_SETTLING = 64
# How long a thread may keep the others waiting. Python's 5 ms are long beside a call that needs
# 2 ms in all: with them a run takes up to twice as long.
_SWITCH_SECONDS = 0.001
# Photos that are made ready before a call is free for them.
_AHEAD = 32
# What may wait in memory, ready to be sent or on its way.
_READY_BYTES = 64 * 2**20
# A gap in the steady clock of this length is a computer that slept.
_SLEPT_SECONDS = 30.0
_LOOK_SECONDS = 1.0
# How long another process may take for photos that both were asked about.
_OTHERS_SECONDS = 120.0


def asleep_seconds() -> float:
    """How long the computer has slept, since some moment."""
    return wall_seconds() - time.monotonic()


class _Lane:
    """The calls to one model: their pace, which runs beside this one share, one call at a time."""

    def __init__(self, folder: Path, about: str, clock: Callable[[], float]) -> None:
        self.company = Company(folder, about, clock)
        self.pace = Pace(clock, self.company.meet)
        self.turn = asyncio.Lock()


@dataclass(slots=True)
class _Ready:
    """A photo that can be sent: in the gallery, stripped or scaled, with its price as sent.

    Once it is answered, its bytes are let go.
    """

    job: Job
    row: Row
    quote: Quote
    upload: Upload | None
    body: Body | None
    size_bytes: int


@dataclass(slots=True)
class _Tries:
    """Why a photo was asked about again, and how often."""

    unknown: int = 0
    limited: int = 0
    lost: int = 0


class Window:
    """One run over some rows of a plan."""

    def __init__(
        self,
        gallery: Gallery,
        client: Client,
        plan: Plan,
        tally: Tally,
        *,
        rates: Rates | None,
        caps: Caps,
        run_id: str,
        concurrency: int,
        unknown_retries: int,
        clock: Callable[[], float],
        as_is: bool = False,
        wait: Callable[[float], bool] | None = None,
        on_billed: Callable[[Row, Decimal], None] | None = None,
        asleep: Callable[[], float] | None = None,
    ) -> None:
        self._asleep = asleep or asleep_seconds
        self._gallery, self._client, self._plan, self._tally = gallery, client, plan, tally
        self._rates, self._caps, self._run_id = rates, caps, run_id
        self._concurrency, self._unknown_retries = concurrency, unknown_retries
        self._crew = concurrency + (_SETTLING if concurrency >= _MUCH_COMPANY else 0)
        self._wait, self._on_billed = wait, on_billed
        self._as_is = as_is
        # Limits are a model's own.
        about = {one.model: f"{client.base_url} {one.model}" for one in plan.templates}
        spool = gallery.folder / SPOOL
        self._lanes = {model: _Lane(spool, one, clock) for model, one in about.items()}
        self._form = Form(full=client.full)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._paused = False
        self._bytes = 0
        self._deferred: list[Row] = []
        # Near a cap a call waits until another one has ended and freed what it did not cost.
        self._under_way = self._ends = self._loose = self._busy = 0
        self._tight = False
        # More than the decoding children: photos that go as they are need not wait for theirs, and
        # most of the time a disk is waited for.
        self._makers = Workers(photos.WORKERS + 6, "photos")
        self._bookers = Workers(2, "ledger")
        self._callers = Workers(concurrency, "calls")

    # -- from other threads --------------------------------------------------------------------

    def stop(self, why: str, *, interrupted: bool = False) -> None:
        """Begin no further call; those under way may end."""
        self._tally.stop(why, interrupted=interrupted)
        self._stopping.set()
        self._wake()

    def pause(self, paused: bool) -> None:
        """Begin no further call until this is called with False."""
        self._paused = paused
        self._wake()

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._changed.set)
            except RuntimeError:
                return  # it has just ended

    def run(self, rows: Iterator[Row]) -> None:
        """Ask about all rows; returns when all is answered, or when it was stopped."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(min(before, _SWITCH_SECONDS))
        try:
            asyncio.run(self._main(rows))
        finally:
            sys.setswitchinterval(before)

    # -- in the loop ---------------------------------------------------------------------------

    async def _main(self, rows: Iterator[Row]) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._freed = asyncio.Event()
        self._ready: asyncio.Queue[_Ready | None] = asyncio.Queue()
        self._ahead = asyncio.Semaphore(_AHEAD)
        self._making: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(self._concurrency)
        self._reserving = Together(self._reserve, self._bookers, self._company_of_calls)
        self._settling = Together(self._settle, self._bookers, self._company_of_answers)
        self._wire: Wire | None = self._client.wire()
        looking = asyncio.create_task(self._look_for_sleep())
        sharing = asyncio.create_task(self._share_limits())
        try:
            await self._over(rows)
            await self._others()
        finally:
            looking.cancel()
            sharing.cancel()
            for lane in self._lanes.values():
                lane.company.leave()
            if self._wire is not None:
                self._wire.close()
            for workers in (self._makers, self._bookers, self._callers):
                workers.close()
            self._loop = None

    async def _over(self, rows: Iterator[Row]) -> None:
        feeder = asyncio.create_task(self._feed(rows))
        crew = [asyncio.create_task(self._work()) for _ in range(self._crew)]
        halted = asyncio.create_task(self._until_stopped())
        ended: asyncio.Future[Any] = asyncio.gather(feeder, *crew, return_exceptions=True)
        either: list[asyncio.Future[Any]] = [ended, halted]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        halted.cancel()
        if not ended.done():
            feeder.cancel()
            for task in self._making:
                task.cancel()
            for _ in crew:
                self._ready.put_nowait(None)
            await asyncio.wait(crew, timeout=GRACE_SECONDS)
            for task in crew:
                task.cancel()
        await ended

    async def _look_for_sleep(self) -> None:
        """After a sleep nobody answers on the old connections: better to know than to wait."""
        before = self._asleep()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = self._asleep()
            if now - before > _SLEPT_SECONDS and self._wire is not None:
                self._wire.lost()
            before = now

    async def _share_limits(self) -> None:
        while True:
            for lane in self._lanes.values():
                lane.pace.meet()
            await asyncio.sleep(MEET_SECONDS)

    async def _until_stopped(self) -> None:
        while not self._stopping.is_set():
            await self._changed.wait()
            self._changed.clear()

    async def _feed(self, rows: Iterator[Row]) -> None:
        """Make photos ready, a few ahead of the calls."""
        for row in rows:
            await self._ahead.acquire()
            while self._bytes > _READY_BYTES:
                self._room.clear()
                await self._room.wait()
            if self._stopping.is_set():
                return
            expected = self._plan.sent_bytes(row)
            self._bytes += expected
            task = asyncio.create_task(self._make(row, expected))
            self._making.add(task)
            task.add_done_callback(self._making.discard)
        while self._making:
            await asyncio.wait(set(self._making))
        for _ in range(self._crew):
            self._ready.put_nowait(None)

    async def _make(self, row: Row, expected_bytes: int) -> None:
        try:
            ready = await self._makers.do(self._prepared, row)
            self._bytes += ready.size_bytes
            self._ready.put_nowait(ready)
            return
        except GalleryProblem as problem:
            self.stop(str(problem))
        except PlaygroundError as problem:
            self._count(row, str(problem), failed=1, sent=False, ended=True)
        except Exception as problem:
            self._fault(problem)
        finally:
            self._bytes -= expected_bytes
            self._room.set()
        self._ahead.release()

    def _fault(self, problem: Exception) -> None:
        self.stop(f"a fault in this program ({type(problem).__name__}: {problem})")

    def _prepared(self, row: Row) -> _Ready:
        """Read a photo, keep its file, and make what is sent (in a thread).

        Raises:
            PhotoProblem, InvalidRequest: what is wrong with this photo; nothing was sent.
            GalleryProblem: when its file cannot be kept.
        """
        job = self._plan.job(row)
        request = job.request
        photo = request.measured
        resize, wired = request.resize, self._wire is not None
        upload = None
        turned = self._as_is
        if photo.format == "jpeg" and (resize is None or photo.size.long_px <= resize):
            _, data = photos.read(photo, checked=False)
            upload = photos.unchanged(photo, data, resize=resize, as_base64=wired, turned=turned)
            if upload is not None:
                photos.confirm(photo, data)
                self._gallery.adopt(photo, data)
        if upload is None:
            # Megabytes of pixels go no further than the child that makes few of them.
            reduce = self._plan.spare(row.template, photo.size)
            upload = photos.ready(
                photo, resize=resize, reduce=reduce, as_base64=wired, turned=turned
            )
            self._gallery.adopt(photo)
        # Now, in one of several threads, and not when its row is made: disks take a few
        # milliseconds for each folder, and many at a time hardly longer than one.
        self._gallery.sync_adopted([photo])
        quote = self._plan.sent_quote(row.template, upload.size)
        if self._wire is None:
            return _Ready(job, row, quote, upload, None, len(upload.data))
        body = self._form.body(request, upload)
        return _Ready(job, row, quote, None, body, body.size_bytes)

    async def _work(self) -> None:
        while not self._stopping.is_set():
            ready = await self._ready.get()
            if ready is None:
                return
            self._ahead.release()
            self._busy += 1
            try:
                await self._one(ready)
            except Exception as problem:
                self._fault(problem)
            finally:
                self._busy -= 1
                self._let_go(ready)

    def _let_go(self, ready: _Ready) -> None:
        """Its bytes are not needed any more."""
        self._bytes -= ready.size_bytes
        ready.size_bytes, ready.upload, ready.body = 0, None, None
        self._room.set()

    def _company_of_calls(self) -> float:
        return _IDLE_COMPANY_SECONDS if self._photos_are_slow() else _COMPANY_SECONDS

    def _company_of_answers(self) -> float:
        if self._photos_are_slow():
            return _IDLE_COMPANY_SECONDS
        much = self._under_way >= _MUCH_COMPANY
        return _MUCH_COMPANY_SECONDS if much else _COMPANY_SECONDS

    def _photos_are_slow(self) -> bool:
        """Whether half of the crew, and most room, is idle while more photos are being made."""
        idle = self._busy < min(2 * _MUCH_COMPANY, self._concurrency) // 2
        room = self._bytes < _READY_BYTES // 4
        return idle and room and bool(self._making) and not self._tight

    async def _one(self, ready: _Ready) -> None:
        """Ask about one photo, with the retries that its outcomes allow."""
        tries = _Tries()
        while not self._stopping.is_set():
            async with Place(self._places) as place:
                if not await self._tried(ready, tries, place):
                    return

    async def _tried(self, ready: _Ready, tries: _Tries, place: Place) -> bool:
        """One attempt; whether another one may follow."""
        row, lane = ready.row, self._lanes[ready.job.request.model]
        pace = lane.pace
        if not await self._may_go(lane):
            return False
        ends = self._ends
        reserved = await self._reserving.ask(ready)
        if reserved is None:
            pace.unused()
            return False
        if isinstance(reserved, CapReached) and (self._under_way or ends != self._ends):
            pace.unused()
            self._tight = True
            return True
        if not isinstance(reserved, Reserved):
            pace.unused()
            self._not_reserved(ready, reserved)
            return False
        left = booking.OpenCall(
            reserved.id, ready.job.request, reserved.hold, self._rates, ready.quote.on
        )
        self._under_way += 1
        try:
            outcome = await self._call(ready, left)
            if isinstance(outcome, Captioned):
                pace.answered(outcome.receipt.limits, _tokens(outcome))
                place.leave()
            end, booked = await self._end(ready, left, outcome)
        finally:
            self._under_way -= 1
            self._ends += 1
            self._loose += 1
            self._freed.set()
        if end is None:
            return False
        if isinstance(end, Captioned):
            self._answered(row, booked)
            return False
        if isinstance(end, Unknown):
            pace.ended()
            tries.unknown += 1
            again = end.kind not in {"moderation_output", "cancelled"}
            if not again or tries.unknown > self._unknown_retries:
                self._count(row, end.message, unknown=1, held=reserved.hold, ended=True)
                return False
            self._count(row, held=reserved.hold)
            return True
        assert isinstance(end, Failed)
        if end.kind == "rate_limit" and tries.limited < _RATE_LIMIT_TRIES:
            tries.limited += 1
            self._slow_down(pace, end, tries.limited)
            return True
        pace.ended()
        if end.kind == "not_sent" and tries.lost + 1 < _NOT_SENT_TRIES:
            tries.lost += 1
            await self._rest(0.5 * tries.lost)
            return True
        self._count(row, end.message, failed=1, ended=True)
        if end.kind in _STOPPING:
            self.stop(end.message)
        return False

    def _not_reserved(self, ready: _Ready, why: Taken | PlaygroundError) -> None:
        if isinstance(why, Taken):
            if why.answered:
                self._count(ready.row, skipped=1, ended=True)
            elif why.in_batch:
                told = "it waits in a batch, where it is asked already (--via batch brings it in)"
                self._count(ready.row, told, failed=1, sent=False, ended=True)
            else:
                self._deferred.append(ready.row)
        elif isinstance(why, SpendingRefused | GalleryProblem):
            self.stop(self._tally.whole(str(why)))
        else:
            self._count(ready.row, str(why), failed=1, sent=False, ended=True)

    async def _may_go(self, lane: _Lane) -> bool:
        """Wait for the pace, and while paused; False when the run is stopped."""
        async with lane.turn:
            while not self._stopping.is_set():
                if self._paused:
                    await self._rest(1.0)
                    continue
                if self._tight and not self._loose and self._under_way:
                    await self._until_one_ends()
                    continue
                seconds = lane.pace.wait()
                if seconds <= 0:
                    self._loose = max(0, self._loose - 1)
                    return True
                await self._rest(seconds)
        return False

    async def _until_one_ends(self) -> None:
        self._freed.clear()
        waiting = asyncio.create_task(self._freed.wait())
        stopped = asyncio.create_task(self._until_stopped())
        either: list[asyncio.Future[Any]] = [waiting, stopped]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for task in (waiting, stopped):
            task.cancel()

    async def _rest(self, seconds: float) -> None:
        if self._wait is not None:
            if self._wait(seconds):
                self.stop("it was stopped")
            await asyncio.sleep(0)
            return
        try:
            await asyncio.wait_for(self._changed_or_stopped(), seconds)
        except TimeoutError:
            return

    async def _changed_or_stopped(self) -> None:
        paused = self._paused
        while not self._stopping.is_set() and self._paused == paused:
            await self._changed.wait()
            if not self._stopping.is_set():
                self._changed.clear()

    def _slow_down(self, pace: Pace, end: Failed, times: int) -> None:
        seconds = end.retry_after_seconds
        if seconds is None:
            seconds = min(60.0, 0.25 * 2**times) * (0.75 + secrets.randbelow(500) / 1000)
        if seconds > _LONGEST_WAIT_SECONDS:
            self.stop(f"the provider asks to wait for {seconds:,.0f} seconds; run it again then")
            return
        pace.limited(end.receipt.limits, seconds)

    async def _call(self, ready: _Ready, left: booking.OpenCall) -> Outcome:
        request = ready.job.request
        spool = self._gallery.spool_path(left.id)
        try:
            if self._wire is not None and ready.body is not None:
                return await self._wire.perform(
                    request,
                    ready.body,
                    attempt_id=left.id,
                    spool=spool,
                    seconds=patience(request),
                    limit_bytes=limit_of(request),
                )
            assert ready.upload is not None
            uploads = (ready.upload,)
            return await self._callers.do(
                lambda: self._client.perform(
                    request, attempt_id=left.id, spool=spool, uploads=uploads
                )
            )
        except asyncio.CancelledError:
            # The grace after a stop is over: what the spool proves is booked, the rest is held.
            what = "It was cancelled while it was under way"
            outcome = booking.proven(self._gallery, left, "cancelled", what)
            end = booking.finish(self._gallery, left, outcome).outcome
            captioned = isinstance(end, Captioned)
            self._count(ready.row, captioned=captioned, unknown=not captioned, ended=True)
            raise

    async def _end(
        self, asked: _Ready, left: booking.OpenCall, outcome: Outcome
    ) -> tuple[Outcome | None, Settled | None]:
        """Book an outcome; None when the gallery cannot take it now (the run stops)."""
        try:
            if isinstance(outcome, Captioned):
                ready = booking.as_settled(left, outcome)
                if not isinstance(ready, Unknown):
                    settled, _ = ready
                    self._let_go(asked)
                    problem = await asyncio.shield(self._settling.ask(settled))
                    if problem is not None:
                        booking.keep_for_later(self._gallery, left)
                        self.stop(str(problem))
                        return None, None
                    return outcome, settled
                outcome = ready
            job = self._bookers.do(booking.finish, self._gallery, left, outcome)
            return (await asyncio.shield(job)).outcome, None
        except GalleryProblem as problem:
            self.stop(str(problem))
            return None, None

    # -- in the ledger's threads ---------------------------------------------------------------

    def _reserve(self, some: list[_Ready]) -> Sequence[Reserved | Taken | PlaygroundError | None]:
        """A reservation each, or why not; None when the run was stopped meanwhile."""
        if self._stopping.is_set():
            return [None for _ in some]
        asked = [Asked(one.job.request, one.job.key, one.quote) for one in some]
        bulk = self._gallery.ledger.bulk
        try:
            answers = bulk.reserve(
                asked,
                provider=self._client.provider,
                caps=self._caps,
                run_id=self._run_id,
                sample=self._client.is_sample,
                rates=self._rates,
            )
        except PlaygroundError as problem:
            return [problem for _ in some]
        ids = [answer.id for answer in answers if isinstance(answer, Reserved)]
        try:
            if ids:
                bulk.sent(ids)
        except GalleryProblem as problem:
            why = Failed("not_sent", f"{problem} Nothing was sent or billed.")
            for attempt_id in ids:
                self._gallery.ledger.release(attempt_id, why)
            return [problem for _ in some]
        return answers

    def _settle(self, some: list[Settled]) -> Sequence[PlaygroundError | None]:
        return self._gallery.ledger.bulk.settle(some)

    # -- the rest ------------------------------------------------------------------------------

    async def _others(self) -> None:
        """Photos that another process had under way: skip them when it is done, else ask."""
        waited = 0.0
        while self._deferred and not self._stopping.is_set():
            if waited >= _OTHERS_SECONDS:
                for row in self._deferred:
                    why = "another program is asking about it; run it again later"
                    self._count(row, why, failed=1, sent=False, ended=True)
                return
            await self._rest(1.0)
            waited += 1.0
            await self._bookers.do(booking.recover, self._gallery)
            rows, self._deferred = self._deferred, []
            await self._over(iter(rows))

    def _answered(self, row: Row, booked: Settled | None) -> None:
        billed = booked.cost if booked is not None else Decimal(0)
        model = self._plan.templates[row.template].model
        text = booked.text or ", ".join(booked.tags) if booked is not None else ""
        newest = Newest(row.path, text, billed, model)
        self._count(row, captioned=1, billed=billed, ended=True, newest=newest)
        if self._on_billed is not None:
            self._on_billed(row, billed)

    def _count(self, row: Row, why: str = "", *, ended: bool = False, **what: Any) -> None:
        expected = self._plan.expected(row) if ended else None
        self._tally.add(row.path, why, expected=expected, **what)
        if self._tally.stopped and not self._stopping.is_set():
            self.stop(self._tally.stopped)


def _tokens(outcome: Captioned) -> int:
    usage = outcome.usage
    return usage.total_input + usage.cache_write_input + usage.text_output
