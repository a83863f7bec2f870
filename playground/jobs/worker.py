"""The worker of one job: it studies the photos, and on command asks about them.

The main thread does one thing after the other; a second one listens for commands and tells how it
goes. Pause, resume, cancel and skip act at once, the rest takes its turn.
"""

from __future__ import annotations

import csv
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playground import money
from playground.errors import PlaygroundError
from playground.jobs import batched, shown
from playground.jobs.desk import Post
from playground.jobs.status import BUSY, TELL_SECONDS, Signs, Status
from playground.jobs.study import Study
from playground.runner import Archive, Summary, caps

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

IDLE_SECONDS = 900.0
_LISTEN_SECONDS = 0.1
_BEAT_SECONDS = 2.0
# Of the status, what a worker takes over from the one before it.
_KEPT = ("spent", "stopped", "set_aside", "ended", "agreed")


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
        self._status, self._signs = Status(), Signs()
        self._ended = threading.Event()
        self._why_closed = ""
        self._lost = False
        self._heard: list[str] = []
        self._cancel = self._pause = False
        self._study: Study | None = None
        self._answers = 0
        self._trial: Archive | None = None
        self._batching: batched.Batching | None = None
        self._before = Decimal(0)

    # -- from outside --------------------------------------------------------------------------

    def close(self, why: str = "") -> None:
        """End: a run is cancelled first (what was sent may still come, and is booked)."""
        self._why_closed = self._why_closed or why
        self._signs.closing.set()
        self._signs.skip.set()
        archive, batching = self._asked, self._batching
        if batching is not None:
            batching.leave()
        if archive is not None:
            archive.cancel(why or "it was ended")
        self._queue.put({"do": "close"})

    def serve(self) -> None:
        """Work until it is told to end, or nothing has come for a while. Raises nothing."""
        job = self._post.job()
        self._post.take_over()
        before = self._post.before()
        same = before.get("fields") == dict(job.fields)
        self._status.tell(
            fields=dict(job.fields),
            # What earlier workers of this job found out, as far as it still holds.
            **{name: before.get(name) for name in ("forecast", "quoted") if same},
            **{name: before.get(name) for name in _KEPT},
        )
        listener = threading.Thread(target=self._listen, name="job-listener", daemon=True)
        listener.start()
        try:
            with ExitStack() as stack:
                self._gallery = stack.enter_context(self._opener())
                self._client = client = stack.enter_context(self._connect())
                self._tell(provider=client.provider, sample=client.is_sample)
                study = Study(self._post, job, self._gallery, client, self._status, self._signs)
                self._study = study
                self._work(study)
        except PlaygroundError as problem:
            self._tell(problem=str(problem))
        except Exception as bug:
            self._tell(problem=f"Something is wrong in Halfpenny itself ({_named(bug)}).")
        finally:
            self._signs.closing.set()
            self._ended.set()
            listener.join()
            self._status.at_rest()
            if not self._lost:
                self._write(closed=True)

    @property
    def _asked(self) -> Archive | None:
        """What is asked about live: a pilot of a run of batches is a plan of its own."""
        return self._trial or (self._study.archive if self._study is not None else None)

    # -- one thing after the other -------------------------------------------------------------

    def _work(self, study: Study) -> None:
        self._spend_so_far(study)
        study.scan()
        if study.job.similar:
            study.compare()
        study.price()
        while not self._signs.closing.is_set():
            if self._queue.empty():
                self._status.at_rest()
            try:
                command = self._queue.get(timeout=self._idle_seconds)
            except queue.Empty:
                return
            try:
                self._obey(study, command)
            except PlaygroundError as problem:
                self._tell(problem=str(problem))

    def _obey(self, study: Study, command: Mapping[str, Any]) -> None:
        match command.get("do"):
            case "question":
                fields, options = dict(command["fields"]), dict(command.get("options", {}))
                if fields == dict(study.job.fields) and study.archive is not None:
                    return
                study.keep(fields=fields, options=options)
                self._tell(forecast=None, quoted=None, ended=None, fields=fields)
                study.price()
            case "once":
                study.keep(once=bool(command["on"]))
                self._tell(forecast=None)
                study.price()
            case "anyway":
                asked = {str(one) for one in command["sha256"]}
                study.keep(anyway=tuple(sorted({*study.job.anyway, *asked})))
                self._tell(ended=None)
                study.price()
            case "similar":
                study.keep(similar=True)
                self._signs.skip.clear()
                study.compare()
                study.price()
            case "pilot":
                self._ask(study, command, int(command["count"]))
            case "run":
                self._ask(study, command, None)

    # -- asking --------------------------------------------------------------------------------

    def _ask(self, study: Study, command: Mapping[str, Any], pilot: int | None) -> None:
        """A pilot of so many photos, or the run over all the rest."""
        archive = study.archive
        if archive is None:
            return
        if not archive.remaining:
            if pilot is None and self._status.told.get("batches"):
                # Another program has brought in what this job handed in.
                self._tell(stopped="", ended="done", progress=None)
            return
        budget = command.get("budget")
        if budget != study.job.budget:
            study.keep(budget=budget)
        agreed = Decimal(str(command.get("consent") or "0"))
        room = self._room(study, budget)
        self._before = self._spend_so_far(study)
        options: dict[str, Any] = {
            "budget": budget,
            "run_id": study.job.id,
            "confirm": lambda quote: agreed >= min(room, max(quote.high or 0, quote.hold or 0)),
        }
        quoted = self._status.told.get("quoted") or self._status.told.get("quote")
        self._tell(stopped="", ended=None, problem="", quoted=quoted, agreed=command.get("consent"))
        if study.by_batch and pilot is None:
            self._ask_in_batches(study, archive, options)
            return
        self._status.set_phase("running" if pilot is None else "pilot")
        try:
            if pilot is None:
                summary = archive.run(**options)
            elif study.by_batch:
                archive, summary = self._try_live(study, archive, pilot, options)
            else:
                found, summary = archive.pilot(pilot, **options)
                self._tell(forecast=shown.forecast(found), piloted=summary.captioned)
            self._cancel = self._pause = False
            self._finished(study, archive, summary, pilot)
        finally:
            self._trial = None

    def _try_live(
        self, study: Study, archive: Archive, count: int, options: Mapping[str, Any]
    ) -> tuple[Archive, Summary]:
        """A pilot now, at the standard price: nobody waits a day for a forecast."""
        drawn = batched.drawn(self._gallery, archive, count)
        self._trial = trial = batched.live(archive, study.made, drawn)
        summary = trial.run(**options)
        found = batched.forecast(trial, archive)
        study.price(again=True)
        self._tell(forecast=shown.forecast(found), piloted=summary.captioned)
        return trial, summary

    def _ask_in_batches(self, study: Study, archive: Archive, options: Mapping[str, Any]) -> None:
        """Hand in what is not handed in yet, and wait; whoever comes after this one goes on."""
        self._batching = batching = batched.Batching(
            self._gallery, self._client, study.job.id, lambda: self._tell_batches(study)
        )
        self._tell(progress=None)
        self._status.set_phase("running")
        if self._cancel:
            batching.cancel()
        if self._signs.closing.is_set():
            batching.leave()
        try:
            summary = batching.run(archive, budget=options["budget"], confirm=options["confirm"])
        finally:
            self._batching = None
            self._cancel = self._pause = False
            self._spend_so_far(study)
            study.price(again=True)
        self._set_aside_now(summary)
        stopped = "" if batching.was_left and study.waits else summary.stopped
        self._tell(
            stopped=stopped,
            notes=list(summary.notes[:4]),
            ended="early" if stopped or study.waits else "done",
        )

    def _tell_batches(self, study: Study) -> None:
        self._spend_so_far(study)
        found = batched.standing(self._gallery, study.job.id)
        self._tell(batches=found, waiting=found["waiting"] if found else 0)

    def _finished(
        self, study: Study, archive: Archive, summary: Summary, pilot: int | None
    ) -> None:
        if archive is study.archive:
            study.tell_plan()
        self._tell(
            stopped=summary.stopped,
            progress=shown.progress(archive.progress, self._before),
            ended=None if pilot else ("early" if summary.stopped else "done"),
        )
        self._spend_so_far(study)
        self._set_aside_now(summary)

    def _set_aside_now(self, summary: Summary) -> None:
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

    def _room(self, study: Study, budget: str | None) -> Decimal:
        """Dollars that the caps leave: no more than that was to be agreed to."""
        ledger, limits = self._gallery.ledger, caps(budget=budget)
        totals = ledger.totals()
        gallery = [cap for cap in (limits.gallery, totals.cap) if cap is not None]
        left = [cap - totals.committed for cap in gallery]
        if limits.run is not None:
            left.append(limits.run - ledger.totals("run", study.job.id).committed)
        return max(Decimal(0), min(left, default=Decimal("Infinity")))

    def _spend_so_far(self, study: Study) -> Decimal:
        totals = self._gallery.ledger.totals("run", study.job.id)
        self._answers = self._gallery.bill_of_run(study.job.id).answers
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
                    self._status.changed = True
                    self._hear(command)
                self._steer()
                since = time.monotonic() - written_at
                busy = self._status.phase in BUSY or self._status.changed
                if since >= (TELL_SECONDS if busy else _BEAT_SECONDS):
                    written_at = time.monotonic()
                    self._write()

    def _hear(self, command: dict[str, Any]) -> None:
        asking = self._status.phase in {"running", "pilot"}
        match command.get("do"):
            case "pause" | "resume" as what if asking:
                self._pause = what == "pause"
            case "cancel":
                self._cancel = asking
                if self._batching is not None:
                    self._batching.cancel()
                if not asking:
                    self._signs.skip.set()
                    self._signs.halt.set()
                # What was asked for before is not begun after it.
                with suppress(queue.Empty):
                    while True:
                        self._queue.get_nowait()
            case "skip":
                self._signs.skip.set()
            case "close":
                self.close()
            case what:
                if self._status.phase not in BUSY:
                    self._status.set_phase(
                        {"run": "running", "pilot": "pilot"}.get(str(what), "pricing")
                    )
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
        self._status.changed = False
        archive, phase = self._asked, self._status.phase
        now = dict(self._status.told)
        by_batch = self._study is not None and self._study.by_batch
        live = phase == "pilot" or (phase == "running" and not by_batch)
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
        self._status.tell(**values)


def _named(bug: Exception) -> str:
    return f"{type(bug).__name__}: {bug}"
