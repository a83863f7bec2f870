"""The worker of one job: scan, find what looks alike, price, and on command ask.

The main thread does one thing after the other; a second one listens for commands and tells how it
goes. Pause, resume, cancel and skip act at once, the rest takes its turn.
"""

from __future__ import annotations

import csv
import dataclasses
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from playground import money
from playground.errors import InvalidRequest, PlaygroundError
from playground.jobs import batched, shown
from playground.jobs.desk import Job, Post
from playground.photos import similar
from playground.runner import Archive, Problem, Summary, caps
from playground.runner.plan import Row
from playground.store import Where
from playground.store.files import name_of
from playground.store.looks import Looks
from playground.store.opening import ORIGINALS
from playground.values import Photo, Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

IDLE_SECONDS = 900.0
_LISTEN_SECONDS = 0.1
_TELL_SECONDS = 0.25
_BEAT_SECONDS = 2.0
_AT_ONCE = 200
# Photos whose standard price tells that of a pilot, where the rest goes another way.
_PRICED = 200
# Of the status, what a worker takes over from the one before it.
_KEPT = ("spent", "stopped", "set_aside", "ended", "agreed")
BUSY = frozenset({"starting", "scanning", "comparing", "pricing", "pilot", "running", "paused"})


class Worker:
    """One job's work, in a process of its own or a thread of this one.

    Args:
        post: the job's folder.
        opener, connect: open the gallery, and the provider at the first price.
        idle_seconds: after so long without work or command it ends; it can be started again.
    """

    def __init__(
        self,
        post: Post,
        opener: Callable[[], Gallery],
        connect: Callable[[], AbstractContextManager[Client]],
        *,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._post, self._opener, self._connect = post, opener, connect
        self._idle_seconds = idle_seconds
        self._queue: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._skip = threading.Event()
        self._halt = threading.Event()
        self._ended = threading.Event()
        self._changed = True
        self._why_closed = ""
        self._lost = False
        self._told: dict[str, Any] = {}
        self._heard: list[str] = []
        self._cancel = self._pause = False
        self._phase = "starting"
        self._job: Job
        self._bytes = self._answers = 0
        self._archive: Archive | None = None
        self._trial: Archive | None = None
        self._batching: batched.Batching | None = None
        self._waits = 0
        self._photos: list[Photo] = []
        self._unreadable: list[Problem] = []
        self._set_aside: list[Problem] = []
        self._groups: list[list[Photo]] = []
        self._twins: dict[str, str] = {}
        self._before = Decimal(0)
        self._spent_at = 0.0

    # -- from outside --------------------------------------------------------------------------

    def close(self, why: str = "") -> None:
        """End: a run is cancelled first (what was sent may still come, and is booked)."""
        self._why_closed = self._why_closed or why
        self._closing.set()
        self._skip.set()
        archive, batching = self._asked, self._batching
        if batching is not None:
            batching.leave()
        if archive is not None:
            archive.cancel(why or "it was ended")
        self._queue.put({"do": "close"})

    def serve(self) -> None:
        """Work until it is told to end, or nothing has come for a while. Raises nothing."""
        job = self._post.job()
        self._job = job
        self._post.take_over()
        before = self._post.before()
        same = before.get("fields") == dict(job.fields)
        self._told = {
            "fields": dict(job.fields),
            # What earlier workers of this job found out, as far as it still holds.
            **{name: before.get(name) for name in ("forecast", "quoted") if same},
            **{
                name: before.get(name)
                for name in ("spent", "stopped", "set_aside", "ended", "agreed")
            },
        }
        listener = threading.Thread(target=self._listen, name="job-listener", daemon=True)
        listener.start()
        try:
            with ExitStack() as stack:
                self._gallery = stack.enter_context(self._opener())
                self._client = stack.enter_context(self._connect())
                self._tell(provider=self._client.provider, sample=self._client.is_sample)
                self._work()
        except PlaygroundError as problem:
            self._tell(problem=str(problem))
        except Exception as bug:
            self._tell(problem=f"Something is wrong in Halfpenny itself ({_named(bug)}).")
        finally:
            self._closing.set()
            self._ended.set()
            listener.join()
            self._phase = "ended" if self._told.get("ended") else "planned"
            if not self._lost:
                self._write(closed=True)

    @property
    def _asked(self) -> Archive | None:
        """What is asked about live: a pilot of a run of batches is a plan of its own."""
        return self._trial or self._archive

    @property
    def _by_batch(self) -> bool:
        return self._job.fields.get("tier") == "batch"

    # -- one thing after the other -------------------------------------------------------------

    def _work(self) -> None:
        self._spend_so_far()
        self._scan()
        if self._job.similar:
            self._compare()
        self._price()
        while not self._closing.is_set():
            if self._queue.empty():
                self._set_phase("ended" if self._told.get("ended") else "planned")
            try:
                command = self._queue.get(timeout=self._idle_seconds)
            except queue.Empty:
                return
            try:
                self._obey(command)
            except PlaygroundError as problem:
                self._tell(problem=str(problem))

    def _obey(self, command: Mapping[str, Any]) -> None:
        match command.get("do"):
            case "question":
                fields, options = dict(command["fields"]), dict(command.get("options", {}))
                if fields == dict(self._job.fields) and self._archive is not None:
                    return
                self._keep(fields=fields, options=options)
                self._tell(forecast=None, quoted=None, ended=None, fields=fields)
                self._price()
            case "once":
                self._keep(once=bool(command["on"]))
                self._tell(forecast=None)
                self._price()
            case "anyway":
                asked = {str(one) for one in command["sha256"]}
                self._keep(anyway=tuple(sorted({*self._job.anyway, *asked})))
                self._tell(ended=None)
                self._price()
            case "similar":
                self._keep(similar=True)
                self._skip.clear()
                self._compare()
                self._price()
            case "pilot":
                self._ask(command, int(command["count"]))
            case "run":
                self._ask(command, None)

    def _scan(self) -> None:
        """Measure the photos, a few at a time, with the price running along."""
        self._set_phase("scanning")
        self._make()
        told_at = 0.0
        for some in _chunks(self._source(), _AT_ONCE):
            if self._closing.is_set():
                return
            if self._halt.is_set():
                self._tell(problem="Looking was stopped: there may be more photos than these.")
                return
            self._photos += some
            self._bytes += sum(photo.size_bytes or 0 for photo in some)
            self._take(some)
            if time.monotonic() - told_at > _TELL_SECONDS:
                self._tell_plan()
                told_at = time.monotonic()

    def _source(self) -> Iterator[Photo]:
        source = self._job.source
        if "path" in source:
            scanner = Archive(self._gallery, self._client).plan
            try:
                yield from scanner.measured(str(source["path"]))
            finally:
                self._unreadable = scanner.errors
            return
        folder = self._gallery.folder / ORIGINALS
        where = Where(**dict(source.get("where") or {}))
        for item in self._gallery.each(str(source.get("search") or ""), where=where):
            if source.get("untagged") and item.tags:
                continue
            path = folder / name_of(item.sha256, item.format)
            try:
                # Asking the gallery for each would take longer than looking.
                path = path if path.is_file() else self._gallery.original_path(item.id)
            except PlaygroundError as problem:
                self._unreadable.append(Problem(item.name or item.id, str(problem)))
                continue
            size = item.size
            yield Photo(
                size.width_px, size.height_px, item.format, item.size_bytes, item.sha256, path
            )

    def _compare(self) -> None:
        """Find photos that look alike; what is known when it is skipped counts."""
        self._set_phase("comparing")
        unique = {str(photo.sha256): photo for photo in self._photos}
        # The largest leads its group: it is the one that is asked about.
        ordered = sorted(
            unique.values(), key=lambda one: (-one.size.pixels, -(one.size_bytes or 0), one.name)
        )
        looks = Looks(self._gallery.folder)
        try:
            known = looks.known([_digest(photo) for photo in ordered])
            missing = [photo for photo in ordered if _digest(photo) not in known]
            fresh: dict[bytes, bytes] = {}
            self._tell(compared=0, to_compare=len(missing))
            begun = time.monotonic()
            for count, (photo, mark) in enumerate(similar.looks(missing), 1):
                known[_digest(photo)] = fresh[_digest(photo)] = mark
                if len(fresh) >= _AT_ONCE:
                    looks.keep(fresh)
                    fresh = {}
                left = (time.monotonic() - begun) / count * (len(missing) - count)
                self._tell(compared=count, compare_seconds_left=round(left, 1))
                if self._skip.is_set():
                    break
            looks.keep(fresh)
        finally:
            looks.close()
        marks = [(photo, known[_digest(photo)]) for photo in ordered if _digest(photo) in known]
        self._groups = similar.groups(marks)
        self._tell(partly=self._skip.is_set())

    # -- the price -----------------------------------------------------------------------------

    def _make(self) -> None:
        """A new plan for the question as it is; a question that cannot be asked is a sentence."""
        self._archive = None
        if not self._halt.is_set():
            self._tell(problem="")
        try:
            self._archive = self._made()
        except PlaygroundError as problem:
            self._tell(problem=str(problem))

    def _made(self, **changes: Any) -> Archive:
        return Archive(self._gallery, self._client, **{**self._job.fields, **changes})

    def _take(self, some: list[Photo]) -> None:
        if self._archive is None:
            return
        try:
            self._archive.plan.take(some)
        except InvalidRequest as problem:
            self._archive = None
            self._tell(problem=str(problem), quote=None, asking=0)

    def _price(self, *, again: bool = False) -> None:
        """Plan anew: after the scan, and whenever the question or the choice changes.

        `again` after something was asked, while the page shows that.
        """
        if self._closing.is_set() and not again:
            return
        if not again:
            self._set_phase("pricing")
        self._make()
        self._twins, answered = {}, set[str]()
        if self._archive is not None:
            self._archive.plan.errors.extend(self._unreadable)
            plan = self._archive.plan
            if self._groups:
                answered = plan.answered([photo for group in self._groups for photo in group])
                self._twins = self._left_out(answered)
            chosen = self._photos
            if self._job.once and self._twins:
                chosen = [one for one in self._photos if one.sha256 not in self._twins]
            self._take(chosen)
        self._tell(alike=self._alike(answered))
        self._tell_plan(whole=True)

    def _left_out(self, answered: set[str]) -> dict[str, str]:
        """Photos that look like one that is asked about, or was: their hash, and that one's."""
        twins: dict[str, str] = {}
        for group in self._groups:
            hashes = [str(photo.sha256) for photo in group]
            asked = next((one for one in hashes if one in answered), hashes[0])
            for one in hashes:
                if one != asked and one not in answered and one not in self._job.anyway:
                    twins[one] = asked
        return twins

    def _alike(self, answered: set[str]) -> dict[str, Any]:
        saves: list[Quote] = []
        if self._archive is not None:
            plan, unique = self._archive.plan, {one.sha256: one for one in self._photos}
            with suppress(InvalidRequest):
                quotes = [plan.quote(0, unique[one].size) for one in self._twins]
                saves = [quote for quote in quotes if isinstance(quote, Quote)]
        return {
            "groups": len(self._groups),
            "photos": len(self._twins),
            "low": money.plain(sum((one.low or Decimal(0) for one in saves), Decimal(0))),
            "high": money.plain(sum((one.high or Decimal(0) for one in saves), Decimal(0))),
            "once": self._job.once,
            "looked": self._job.similar,
            "list": shown.alike(self._groups, self._twins, answered),
        }

    def _tell_plan(self, *, whole: bool = False) -> None:
        """The plan's figures; `whole` with those that take a look at every photo."""
        self._tell(
            photos=len(self._photos),
            bytes=self._bytes,
            unreadable=len(self._unreadable),
        )
        archive = self._archive
        if archive is None:
            self._tell(quote=None, rest=None, asking=0, savings=[])
            return
        plan = archive.plan
        quote, asking = archive.rest, archive.remaining
        rows = batched.not_waiting(self._gallery, archive) if whole else None
        if rows is not None:
            quote, asking = plan.quote_of_rows(rows) if rows else None, len(rows)
        self._tell(
            asking=asking,
            skipped=plan.skipped - plan.copies,
            copies=plan.copies,
            quote=shown.price(quote),
            rates=self._client.rates is not None,
        )
        if not whole:
            return
        least = plan.least
        self._waits = archive.remaining - asking
        self._tell(waiting=self._waits, batches=batched.standing(self._gallery, self._job.id))
        self._tell(pilot_quote=self._price_of_pilot(archive.left if rows is None else rows))
        self._tell(
            least=None if least is None else money.plain(least),
            set_aside=shown.reasons(plan.errors),
        )
        with suppress(InvalidRequest):
            self._tell(savings=shown.savings(archive.savings()))

    def _price_of_pilot(self, rows: list[Row]) -> dict[str, Any] | None:
        """What a pilot costs of which the rest goes in batches, for so many photos: `of`."""
        archive = self._archive
        if archive is None or not self._by_batch or not rows:
            return None
        some = rows[:: max(1, len(rows) // _PRICED)]
        plan = batched.live(archive, self._made, some).plan
        least = plan.least
        return {
            **(shown.price(plan.total()) or {}),
            "of": len(plan.rows),
            "least": None if least is None else money.plain(least),
        }

    # -- asking --------------------------------------------------------------------------------

    def _ask(self, command: Mapping[str, Any], pilot: int | None) -> None:
        """A pilot of so many photos, or the run over all the rest."""
        archive = self._archive
        if archive is None:
            return
        if not archive.remaining:
            if pilot is None and self._told.get("batches"):
                # Another program has brought in what this job handed in.
                self._tell(stopped="", ended="done", progress=None)
            return
        budget = command.get("budget")
        if budget != self._job.budget:
            self._keep(budget=budget)
        agreed = Decimal(str(command.get("consent") or "0"))
        room = self._room(budget)
        self._before = self._spend_so_far()
        options: dict[str, Any] = {
            "budget": budget,
            "run_id": self._job.id,
            "confirm": lambda quote: agreed >= min(room, max(quote.high or 0, quote.hold or 0)),
        }
        quoted = self._told.get("quoted") or self._told.get("quote")
        self._tell(stopped="", ended=None, problem="", quoted=quoted, agreed=command.get("consent"))
        if self._by_batch and pilot is None:
            self._ask_in_batches(archive, options)
            return
        self._set_phase("running" if pilot is None else "pilot")
        try:
            if pilot is None:
                summary = archive.run(**options)
            elif self._by_batch:
                archive, summary = self._try_live(archive, pilot, options)
            else:
                found, summary = archive.pilot(pilot, **options)
                self._tell(forecast=shown.forecast(found), piloted=summary.captioned)
            self._cancel = self._pause = False
            self._finished(archive, summary, pilot)
        finally:
            self._trial = None

    def _try_live(
        self, archive: Archive, count: int, options: Mapping[str, Any]
    ) -> tuple[Archive, Summary]:
        """A pilot now, at the standard price: nobody waits a day for a forecast."""
        rows = batched.not_waiting(self._gallery, archive)
        left = archive.left if rows is None else rows
        drawn = random.Random().sample(left, min(count, len(left)))  # noqa: S311 - no secret
        self._trial = trial = batched.live(archive, self._made, drawn)
        summary = trial.run(**options)
        found = batched.forecast(trial, archive)
        self._price(again=True)
        self._tell(forecast=shown.forecast(found), piloted=summary.captioned)
        return trial, summary

    def _ask_in_batches(self, archive: Archive, options: Mapping[str, Any]) -> None:
        """Hand in what is not handed in yet, and wait; whoever comes after this one goes on."""
        self._batching = batching = batched.Batching(
            self._gallery, self._client, self._job.id, self._tell_batches
        )
        self._tell(progress=None)
        self._set_phase("running")
        if self._cancel:
            batching.cancel()
        if self._closing.is_set():
            batching.leave()
        try:
            summary = batching.run(archive, budget=options["budget"], confirm=options["confirm"])
        finally:
            self._batching = None
            self._cancel = self._pause = False
            self._spend_so_far()
            self._price(again=True)
        self._set_aside_now(summary)
        stopped = "" if batching.was_left and self._waits else summary.stopped
        self._tell(
            stopped=stopped,
            notes=list(summary.notes[:4]),
            ended="early" if stopped or self._waits else "done",
        )

    def _tell_batches(self) -> None:
        self._spend_so_far()
        found = batched.standing(self._gallery, self._job.id)
        self._tell(batches=found, waiting=found["waiting"] if found else 0)

    def _finished(self, archive: Archive, summary: Summary, pilot: int | None) -> None:
        if archive is self._archive:
            self._tell_plan()
        self._tell(
            stopped=summary.stopped,
            progress=shown.progress(archive.progress, self._before),
            ended=None if pilot else ("early" if summary.stopped else "done"),
        )
        self._spend_so_far()
        self._set_aside_now(summary)

    def _set_aside_now(self, summary: Summary) -> None:
        self._set_aside = list(summary.errors)
        self._tell(set_aside=shown.reasons(summary.errors))
        if summary.errors:
            with (
                suppress(OSError),
                (self._post.place / "set-aside.csv").open(
                    "w", encoding="utf-8", errors="backslashreplace", newline=""
                ) as file,
            ):
                rows = csv.writer(file)
                rows.writerow(["path", "why"])
                rows.writerows((one.path, one.why) for one in summary.errors)

    def _room(self, budget: str | None) -> Decimal:
        """Dollars that the caps leave: no more than that was to be agreed to."""
        ledger, limits = self._gallery.ledger, caps(budget=budget)
        totals = ledger.totals()
        gallery = [cap for cap in (limits.gallery, totals.cap) if cap is not None]
        left = [cap - totals.committed for cap in gallery]
        if limits.run is not None:
            left.append(limits.run - ledger.totals("run", self._job.id).committed)
        return max(Decimal(0), min(left, default=Decimal("Infinity")))

    def _spend_so_far(self) -> Decimal:
        totals = self._gallery.ledger.totals("run", self._job.id)
        self._answers = self._gallery.bill_of_run(self._job.id).answers
        self._tell(spent=shown.spent(totals), answers=self._answers)
        return totals.settled

    # -- listening and telling -----------------------------------------------------------------

    def _listen(self) -> None:
        written_at = 0.0
        while not self._ended.is_set():
            self._ended.wait(_LISTEN_SECONDS)
            # Whatever goes wrong here, a run must stay one that can be stopped.
            with suppress(Exception):
                if not self._post.mine:
                    self._lost = True
                    self.close("another worker has taken over")
                    return
                for command in self._post.commands():
                    self._heard = [*self._heard[-20:], str(command.get("id"))]
                    self._changed = True
                    self._hear(command)
                self._steer()
                since = time.monotonic() - written_at
                busy = self._phase in BUSY or self._changed
                if since >= (_TELL_SECONDS if busy else _BEAT_SECONDS):
                    written_at = time.monotonic()
                    self._write()

    def _hear(self, command: dict[str, Any]) -> None:
        asking = self._phase in {"running", "pilot"}
        match command.get("do"):
            case "pause" | "resume" as what if asking:
                self._pause = what == "pause"
            case "cancel":
                self._cancel = asking
                if self._batching is not None:
                    self._batching.cancel()
                if not asking:
                    self._skip.set()
                    self._halt.set()
                # What was asked for before is not begun after it.
                with suppress(queue.Empty):
                    while True:
                        self._queue.get_nowait()
            case "skip":
                self._skip.set()
            case "close":
                self.close()
            case what:
                if self._phase not in BUSY:
                    self._set_phase({"run": "running", "pilot": "pilot"}.get(str(what), "pricing"))
                self._queue.put(command)

    def _steer(self) -> None:
        """Make a run do what was last said, also when that was said before it had begun."""
        archive = self._asked
        if archive is None or not archive.running:
            return
        if self._cancel:
            archive.cancel()
        paused = archive.progress.state == "paused"
        if self._pause and not paused:
            archive.pause()
        elif paused and not self._pause:
            archive.resume()

    def _write(self, *, closed: bool = False) -> None:
        self._changed = False
        archive, phase = self._asked, self._phase
        now = dict(self._told)
        live = phase == "pilot" or (phase == "running" and not self._by_batch)
        if archive is not None and live:
            progress = archive.progress
            now["progress"] = shown.progress(progress, self._before)
            if progress.state == "paused":
                phase = "paused"
            now["answers"] = self._answers + progress.captioned
            now["set_aside"] = shown.reasons(archive.summary.errors)
            settled = self._before + progress.settled_dollars
            now["spent"] = {
                "settled": money.plain(settled),
                "held": money.plain(progress.held_dollars),
                "sample": now["spent"]["sample"],
            }
        now |= {
            "phase": phase,
            "heard": self._heard,
            "closed": closed,
            "why_closed": self._why_closed,
        }
        self._post.write(now, str(now.get("stopped") or now.get("problem") or ""))

    def _tell(self, **values: Any) -> None:
        self._told = {**self._told, **values}
        self._changed = True

    def _set_phase(self, phase: str) -> None:
        self._phase = phase
        self._changed = True

    def _keep(self, **changes: Any) -> None:
        self._job = dataclasses.replace(self._job, **changes)
        self._post.keep(self._job)


def _chunks(photos: Iterator[Photo], most: int) -> Iterator[list[Photo]]:
    while some := list(islice(photos, most)):
        yield some


def _digest(photo: Photo) -> bytes:
    return bytes.fromhex(str(photo.sha256))


def _named(bug: Exception) -> str:
    return f"{type(bug).__name__}: {bug}"
