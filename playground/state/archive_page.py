"""What the archive page knows: a job's plan, price, pilot, run; it lives in a worker of its own.

A view calls the methods and observes the traits; nothing here draws, scans or sends. The worker
(`playground.jobs`) does, and outlives this page, its kernel and its server: whoever opens the
page again, anywhere on the same gallery, sees the same run.
"""

from __future__ import annotations

import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from traitlets import Instance
from traitlets import Tuple as Many

from playground import catalog, money, pricing
from playground.errors import GalleryProblem, InvalidRequest, PhotoProblem, PlaygroundError
from playground.jobs import Desk, Job, Seen
from playground.jobs.desk import new_id
from playground.runner import caps
from playground.state.archive_board import (
    LOOKING,
    PILOT,
    RUNNING,
    Board,
    Cap,
    board,
    read_cap,
    spent,
)
from playground.state.archive_smalls import Small, SmallPictures, Submit
from playground.state.page import Head, PageState
from playground.state.question import Options
from playground.store import Gallery, Where
from playground.store.told import RunBill, Told
from playground.values import GalleryItem, Tier

NEWEST = 24
FOUND = 12
MOST_PILOT = 1000
_WATCH_SECONDS = 0.1
_LOOK_ANYWAY_SECONDS = 1.0
# How long a list of captions stays at least, and at most until its small pictures are there.
_LEAST_SECONDS, _MOST_SECONDS = 1.0, 8.0
TIERS: tuple[Tier, ...] = ("standard", "flex", "batch")
_FACETS = ("kind", "model", "rating", "tag")
Launch = Callable[[Desk, str, int], Callable[[], str]]


@dataclass(frozen=True, eq=False, slots=True)
class Brought:
    """What a run has brought so far: its newest captions, and its bill."""

    newest: tuple[Told, ...] = ()
    bill: RunBill | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Selection:
    """How many pictures of the gallery a selection holds."""

    total: int = 0
    problem: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Hits:
    """What a search found among all captions of the gallery."""

    query: str = ""
    items: tuple[GalleryItem, ...] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class Other:
    """A job in the list of runs."""

    id: str
    what: str
    phase: str
    answers: int
    billed: Decimal
    alive: bool


class ArchiveState(PageState):
    """The archive page without its looks.

    Args:
        opener, provider: as for every page.
        launch: starts a worker for a job and tells why it is gone.
        submit: runs a function, now or on another thread (small pictures).
        watch: whether to look for news by itself; else `refresh` does when it is called.
    """

    board = Instance(Board, allow_none=True)
    brought = Instance(Brought, allow_none=True)
    selection = Instance(Selection, allow_none=True)
    hits = Instance(Hits, allow_none=True)
    small = Instance(Small, allow_none=True)
    others = Many()

    def __init__(
        self,
        opener: Callable[[], Gallery],
        *,
        provider: str,
        launch: Launch,
        submit: Submit | None = None,
        watch: bool = True,
    ) -> None:
        super().__init__(opener, provider=provider)
        self._launch = launch
        self._small_pictures = SmallPictures(self._tell_small, self._lock, submit)
        self.options = Options(models=("gpt-5.4-nano",))
        self.cap = Cap()
        self._sample = 0
        self.tier: str = "standard"
        self._job_id = ""
        self._desk_made: Desk | None = None
        self._why_gone: Callable[[], str] = lambda: ""
        self._launched = ""
        self._token = ""
        self._asked = ""
        self._stamp = -1
        self._looked_at = 0.0
        self._brought_at = (-1, "")
        self._newest_at = float("-inf")
        self._watch = watch
        self._watching = False

    # -- the page ------------------------------------------------------------------------------

    def open(self) -> None:
        """Fill the page: for a page that was just displayed, or displayed again."""
        with self._guarded():
            try:
                self._refresh_head(facets=True)
                if not self._job_id:
                    self._attach(self._latest())
                self._list_others()
            except PlaygroundError as problem:
                self.head = Head(self._provider, shut=str(problem))
            self._brought_at = (-1, "")
            self._show()
            self._begin_watching()

    def refresh(self) -> None:
        """Look for news of the job."""
        with self._guarded():
            self._show()

    # -- the plan ------------------------------------------------------------------------------

    def look_at(self, place: str, *, similar: bool = True) -> None:
        """Plan the photos of a folder (or one photo) on the machine that runs this page."""
        with self._guarded():
            path = Path(place.strip()).expanduser()
            if not place.strip():
                msg = "Write the path of a folder on the machine that runs this page."
                raise PhotoProblem(msg)
            if not path.exists():
                msg = f"{place.strip()} is not there; look at its spelling. Nothing was sent."
                raise PhotoProblem(msg)
            self._plan({"path": str(path.absolute())}, similar)

    def look_in_gallery(
        self, search: str, where: Mapping[str, Any], *, untagged: bool, similar: bool = True
    ) -> None:
        """Plan a selection of the gallery's own pictures."""
        with self._guarded():
            facets = _facets(where)
            Where(**facets)  # refused in words here, not in the worker
            source = {"search": search, "where": facets, "untagged": untagged}
            self._plan(source, similar)

    def count(self, search: str, where: Mapping[str, Any], *, untagged: bool) -> None:
        """How many pictures a selection holds; the answer is `selection`."""
        with self._guarded():
            page = self._store.search(search, where=Where(**_facets(where)), limit=1)
            words = "at most; those with tags are left out" if untagged else ""
            self.selection = Selection(page.total, words)

    def set(self, **changes: Any) -> None:
        """Change the question; a plan is priced anew by its worker."""
        with self._guarded():
            self.options = self.options.changed(changes)
            if self.refused_tiers.get(self.tier):
                self.tier = "standard"
            if self._job_id and not self.options.schema_problem and not self._blank:
                fields, options = self._question()
                seen = self._desk.seen(self._job_id)
                if seen.phase in RUNNING:
                    msg = "The question can be changed when the run has ended."
                    raise InvalidRequest(msg)
                if fields != dict(seen.job.fields) or fields != seen.status.get("fields"):
                    self._tell({"do": "question", "fields": fields, "options": options})
            self._show()

    def set_tier(self, tier: str) -> None:
        """When answers come: `standard` at once; at half the price `flex` when there is room, or
        `batch` within a day.
        """
        with self._guarded():
            if tier not in TIERS:
                msg = f"{tier!r} is none of {', '.join(TIERS)}."
                raise InvalidRequest(msg)
            if self.refused_tiers.get(tier):
                msg = f"{self.refused_tiers[tier]} Choose another model for it."
                raise InvalidRequest(msg)
            self.tier = tier
            self.set()

    @property
    def refused_tiers(self) -> dict[str, str]:
        """The ways that the chosen model is not sold in, and why."""
        table, today = catalog.default(), pricing.today()
        found: dict[str, str] = {}
        for tier in TIERS[1:]:
            tariffs = [table.tariff(name, tier, today) for name in self.options.models]
            why = next((one for one in tariffs if isinstance(one, str)), "")
            if why:
                found[tier] = f"{why.rstrip('.')}."
        return found

    def set_cap(self, text: str) -> None:
        """The cap of the pilot and the run together, as typed; empty: none."""
        with self._guarded():
            self.cap = read_cap(text)
            self._show()

    def set_sample(self, count: int) -> None:
        """How many photos the pilot asks about."""
        with self._guarded():
            self._sample = min(max(2, count), MOST_PILOT)
            self._show()

    def skip(self) -> None:
        """Do not wait for the search for near-duplicates; those found so far count."""
        with self._guarded():
            self._tell({"do": "skip"})

    def once(self, on: bool) -> None:
        """Whether to ask only once about photos that look alike."""
        with self._guarded():
            self._tell({"do": "once", "on": on})
            self._show()

    def anyway(self, hashes: Sequence[str]) -> None:
        """Ask about these photos although each looks like another one."""
        with self._guarded():
            self._tell({"do": "anyway", "sha256": list(hashes)})
            self._show()

    def compare(self) -> None:
        """Look for near-duplicates after all."""
        with self._guarded():
            self._tell({"do": "similar"})
            self._show()

    # -- spending ------------------------------------------------------------------------------

    def pilot(self, consent: str = "") -> None:
        """Ask about some photos drawn at random, to know what the whole will cost."""
        with self._guarded():
            now = self._show()
            self._agreed(now.pilot, consent)
            budget = None if self.cap.dollars is None else money.plain(self.cap.dollars)
            most = money.plain(max(now.pilot.most, Decimal(1)))
            self._tell({"do": "pilot", "count": now.sample, "budget": budget, "consent": most})
            self._show()

    def run(self, consent: str = "") -> None:
        """Ask about everything that is planned; `consent` is the amount that was confirmed."""
        with self._guarded():
            now = self._show()
            self._agreed(now.run, consent)
            budget = None if self.cap.dollars is None else money.plain(self.cap.dollars)
            most = money.plain(max(now.run.most, Decimal(1)))
            self._tell({"do": "run", "budget": budget, "consent": most})
            self._show()

    def pause(self) -> None:
        """Begin no further call; those under way end."""
        with self._guarded():
            self._tell({"do": "pause"})

    def resume(self) -> None:
        """Go on after a pause."""
        with self._guarded():
            self._tell({"do": "resume"})

    def cancel(self) -> None:
        """End the run; what was sent may still be billed, and is then kept."""
        with self._guarded():
            self._tell({"do": "cancel"})

    def go_on(self) -> None:
        """Start a job again whose worker was killed, where it was: nothing is paid twice."""
        with self._guarded():
            seen = self._desk.seen(self._job_id)
            if seen.alive or self._launched:
                return
            if seen.phase not in RUNNING:
                self._start(self._desk.tell(self._job_id, {"do": "again", "id": "again"}))
                return
            # Under the cap and the consent that it had; what is left costs no more than the whole.
            most = seen.status.get("agreed") or "1"
            command = {"do": "run", "budget": seen.job.budget, "consent": most}
            if seen.phase == "pilot":
                before = seen.status.get("progress") or {}
                left = int(before.get("planned", PILOT)) - int(before.get("captioned", 0))
                command |= {"do": "pilot", "count": max(2, left)}
            self._tell(command)
            self._show()

    # -- jobs ----------------------------------------------------------------------------------

    def dismiss(self) -> None:
        """Put the job away for a new plan. A run that goes on goes on, and stays in the list."""
        with self._guarded():
            if self._job_id:
                seen = self._desk.seen(self._job_id)
                if seen.alive and seen.phase not in RUNNING:
                    self._desk.tell(self._job_id, {"do": "close"})
                self._desk.put_away(self._job_id)
            self._attach("")
            self._list_others()
            self._show()

    def show(self, job_id: str) -> None:
        """Show another job of this gallery."""
        with self._guarded():
            self._desk.seen(job_id)
            self._desk.put_away(job_id, away=False)
            self._attach(job_id)
            self._list_others()
            self._show()

    def find(self, query: str) -> None:
        """Search the gallery, to see that the captions are there; the answer is `hits`."""
        with self._guarded():
            page = self._store.search(query, limit=FOUND)
            self.hits = Hits(query, page.items, page.total)

    def smalls(self, hashes: Sequence[str]) -> None:
        """Small pictures of photos of near-duplicate groups; each comes on `small`."""
        with self._guarded():
            seen = self._desk.seen(self._job_id)
            alike = seen.status.get("alike") or {}
            known = {
                one["sha256"]: one["path"]
                for group in alike.get("list", ())
                for one in group["photos"]
            }
            wanted = [(one, known[one]) for one in hashes if one in known]
            self._small_pictures.of_files(wanted)

    def smalls_of(self, newest: Sequence[Told]) -> None:
        """Small pictures of captioned photos, from the gallery; each comes on `small`."""
        self._small_pictures.of_told(newest, self._store, self._thumbnail)

    # -- within --------------------------------------------------------------------------------

    @property
    def _desk(self) -> Desk:
        if self._desk_made is None:
            self._desk_made = Desk(self._store.folder)
        return self._desk_made

    @property
    def _blank(self) -> bool:
        return self.options.task == "own" and not self.options.own.strip()

    def _refresh_head(self, *, facets: bool = False) -> None:
        known = self.head.facets if self.head is not None else {}
        found = self._store.facets() if facets else known
        self.head = Head(self._provider, self._store.ledger.totals(), found)

    def _question(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The question as fields of the request, and as the page's controls have it."""
        template = self.options.template(self.options.models[0])
        fields = {
            "model": template.model,
            "task": template.task,
            "prompt": template.prompt,
            "detail": template.detail,
            "resize": template.resize,
            "max_output_tokens": template.max_output_tokens,
            "schema": template.schema,
            "tier": self.tier,
        }
        names = self.options.__dataclass_fields__
        return fields, {name: getattr(self.options, name) for name in names}

    def _plan(self, source: Mapping[str, Any], similar: bool) -> None:
        if self._store.read_only:
            msg = f"{self._store.why_read_only.rstrip('.')}. Nothing was sent."
            raise GalleryProblem(msg)
        if self.options.schema_problem:
            raise InvalidRequest(self.options.schema_problem)
        if not self.options.models:
            msg = "Choose a model."
            raise InvalidRequest(msg)
        if self._blank:
            msg = "Write what you want to know about the photos."
            raise InvalidRequest(msg)
        if self._job_id:
            seen = self._desk.seen(self._job_id)
            if seen.alive and seen.phase not in RUNNING:
                self._desk.tell(self._job_id, {"do": "close"})
            self._desk.put_away(self._job_id)
        fields, options = self._question()
        job = Job(new_id(), source, fields, options, similar=similar)
        self._desk.create(job)
        self._attach(job.id)
        self._start(0)

    def _start(self, offset: int) -> None:
        seen = self._desk.seen(self._job_id)
        self._launched = str(seen.status.get("token", "none"))
        self._why_gone = self._launch(self._desk, self._job_id, offset)
        self._show()

    def _tell(self, command: dict[str, Any]) -> None:
        """Tell the job's worker; one that has ended is started again, and then told."""
        if not self._job_id:
            msg = "Choose photos first."
            raise InvalidRequest(msg)
        self._asked = secrets.token_hex(4)
        offset = self._desk.tell(self._job_id, {**command, "id": self._asked})
        if not self._desk.seen(self._job_id).alive and not self._launched:
            if command["do"] in {"pause", "resume", "cancel", "skip"}:
                return
            self._start(offset)

    def _agreed(self, offer: Any, consent: str) -> None:
        if offer.wait:
            raise InvalidRequest(offer.wait)
        if offer.asks and consent != money.plain(offer.most):
            msg = f"This may cost {money.short(offer.most)}; it was not confirmed."
            raise InvalidRequest(msg)

    def _latest(self) -> str:
        """The job that a page which was just opened shows: the newest that was not put away."""
        return next((one for one in self._desk.ids() if not self._desk.is_away(one)), "")

    def _attach(self, job_id: str) -> None:
        self._job_id, self._stamp, self._launched, self._asked = job_id, -1, "", ""
        self._brought_at = (-1, "")
        self.brought = Brought()
        if job_id:
            job = self._desk.seen(job_id).job
            self.tier = str(job.fields.get("tier") or "standard")
            if job.options:
                known = {name: value for name, value in job.options.items() if name != "models"}
                models = tuple(job.options.get("models", ()))
                self.options = Options(models=models or self.options.models).changed(known)
            self.cap = read_cap(job.budget or "")

    def _list_others(self) -> None:
        found = []
        for job_id in self._desk.ids()[:9]:
            if job_id == self._job_id:
                continue
            with suppress(GalleryProblem):
                found.append(_other(self._desk.seen(job_id)))
        self.others = ()
        self.others = tuple(found[:8])

    def _room(self) -> Decimal | None:
        """Dollars that the gallery's caps leave, as last read; the ledger decides in the end."""
        totals = self.head.totals if self.head is not None else None
        limits = [
            cap for cap in (caps().gallery, totals.cap if totals else None) if cap is not None
        ]
        return min(limits) - (totals.committed if totals else Decimal(0)) if limits else None

    def _show(self) -> Board:
        seen, stale = None, False
        if self._job_id:
            self._stamp = self._desk.stamp(self._job_id)
            seen = self._desk.seen(self._job_id)
            seen, stale = self._starting(seen)
        self._looked_at = time.monotonic()
        before = self.board.stage if self.board is not None else ""
        shut = self.head.shut if self.head is not None else ""
        now = board(
            seen, cap=self.cap, sample=self._sample, room=self._room(), stale=stale, shut=shut
        )
        if self._blank:
            wait = "Write what you want to know about the photos."
            now = replace(now, run=replace(now.run, wait=now.run.wait or wait))
        if self.options.schema_problem:
            now = replace(now, run=replace(now.run, wait=self.options.schema_problem))
        self.board = now
        self._show_brought(now)
        if before in {"running", "looking"} and now.stage != before:
            self._refresh_head(facets=True)
            self._list_others()
        return now

    def _starting(self, seen: Seen) -> tuple[Seen, bool]:
        """A worker that was started and has not said a word yet."""
        if self._launched:
            if seen.status.get("token", "none") != self._launched:
                self._launched = ""
            else:
                why = self._why_gone()
                if why:
                    self._launched = ""
                    msg = f"The program that does the work did not start: {why}"
                    raise GalleryProblem(msg)
                return replace(seen, status={**seen.status, "phase": "starting"}, alive=True), True
        stale = bool(self._asked) and self._asked not in (seen.status.get("heard") or ())
        return seen, stale and seen.alive

    def _show_brought(self, now: Board) -> None:
        if now.seen is None:
            return
        answers = int(now.seen.status.get("answers") or 0)
        mark = (answers, now.seen.phase)
        if not answers or mark == self._brought_at:
            return
        running = now.stage == "running"
        if running:
            self._refresh_head()
        moment = time.monotonic()
        # A quick run brings captions faster than small pictures of their photos can be made.
        stay = _MOST_SECONDS if self._small_pictures.busy else _LEAST_SECONDS
        if running and moment - self._newest_at < stay:
            return
        self._newest_at = moment
        self._brought_at = mark
        told = self._store.newest_of_run(self._job_id, limit=NEWEST)
        bill = None if running else self._store.bill_of_run(self._job_id)
        self.brought = Brought(tuple(told), bill)

    def _tell_small(self, small: Small) -> None:
        self.small = small

    def _begin_watching(self) -> None:
        if self._watch and not self._watching:
            self._watching = True
            known = weakref.ref(self)
            threading.Thread(target=_watch, args=(known,), name="archive-news", daemon=True).start()

    def _news(self) -> None:
        """What the watching thread does: little, until the status has changed."""
        with self._lock:
            if not self._job_id:
                return
            changed = self._desk.stamp(self._job_id) != self._stamp
            stage = self.board.stage if self.board is not None else ""
            quiet = stage in {"ended", "planned", "lost"} and not self._launched
            due = time.monotonic() - self._looked_at > _LOOK_ANYWAY_SECONDS * (3 if quiet else 1)
            if changed or due:
                self.refresh()


# -------------------------------------------------------------------------------------------------


def _watch(known: weakref.ref[ArchiveState]) -> None:
    while True:
        time.sleep(_WATCH_SECONDS)
        state = known()
        if state is None:
            return
        with suppress(Exception):
            state._news()
        del state


def _facets(where: Mapping[str, Any]) -> dict[str, Any]:
    return {name: where[name] for name in _FACETS if where.get(name)}


def _other(seen: Seen) -> Other:
    source = seen.job.source
    what = str(source.get("path") or "the gallery")
    phase = seen.phase
    if seen.killed and phase in RUNNING | LOOKING:
        phase = "killed"
    answers = int(seen.status.get("answers") or 0)
    return Other(seen.job.id, what, phase, answers, spent(seen.status)[0], seen.alive)
