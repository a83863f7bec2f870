"""What the captions page knows: photos, the question, its price, what each model answers.

A view calls the methods and observes the traits; nothing here draws. Methods may be called from
any thread: one lock makes them take turns, and it is not held while a provider is asked.
`runner.perform` is the only way to spend. A changed control (`set`) is answered from memory: no
file, no network, no thread.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from traitlets import Instance
from traitlets import Tuple as Many

from playground import captions, catalog, money, pricing, tokens
from playground.errors import InvalidRequest, PlaygroundError
from playground.provider.client import Client
from playground.runner import CONSENT_DOLLARS, caps, perform
from playground.sight import Curve, Sight, curve, sight
from playground.size import Size
from playground.state.captions_photos import PhotosState, Submit
from playground.state.cells import OWNER, Cell, accepting, advised, answered, recalled
from playground.state.page import Head, bug_words
from playground.state.question import (
    Estimate,
    ModelPrice,
    Options,
    Sum,
    button,
    lengths,
    per_photo,
    price_of,
    sums,
)
from playground.state.shots import Intake, Shot
from playground.store import Gallery
from playground.values import CaptionRequest, Quote

STREAM_SECONDS = 0.06
# What is accepted as what; two answers cannot stand in one place (tags add up).
PLACES = {"alt": "alt", "decorative": "alt", "caption": "caption"}


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """What each chosen model sees of the photo that is looked at."""

    shot: Shot
    sights: tuple[Sight, ...]
    curves: tuple[Curve, ...]
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Progress:
    """How far a run is: calls that ended, of how many; dollars booked so far."""

    done: int = 0
    total: int = 0
    running: bool = False
    cancelling: bool = False
    billed: Decimal = Decimal(0)
    held: Decimal = Decimal(0)


_UNSENT = "Cancelled before it was sent: nothing was billed."
_LEFT = (
    "Cancelled while the model was writing: it may be billed all the same, so its price stays "
    "held until it is known."
)


@dataclass(slots=True)
class _Run:
    """A run; `cells` are the answers that it may still write, by photo and model."""

    cancelled: bool = False
    total: int = 0
    cells: set[tuple[str, str]] = field(default_factory=set)
    done: int = 0
    billed: Decimal = Decimal(0)
    held: Decimal = Decimal(0)


class _Cancelled(BaseException):
    """Leaves a call that is under way: no `except Exception` on its way holds it up."""


class CaptionsState(PhotosState):
    """The captions page without its looks.

    Args:
        opener: opens the gallery, at the first need.
        connect: makes the client, at the first call.
        provider: the name of the provider in use, for the head.
        submit: runs a function, now or on another thread.
        allow_urls: whether photos may be fetched from addresses.
        intake: takes the photos in.
        clock: seconds, for the pace of streamed text.
    """

    shots = Many()
    estimate = Instance(Estimate, allow_none=True)
    view = Instance(View, allow_none=True)
    cell = Instance(Cell, allow_none=True)
    progress = Instance(Progress, allow_none=True)

    def __init__(
        self,
        opener: Callable[[], Gallery],
        connect: Callable[[], Client],
        *,
        provider: str,
        submit: Submit | None = None,
        allow_urls: bool = False,
        intake: Intake | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            opener,
            connect,
            provider=provider,
            submit=submit,
            allow_urls=allow_urls,
            intake=intake,
        )
        self._clock = clock
        self.options = Options()
        self.cells: dict[tuple[str, str], Cell] = {}
        self._before: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._selected = ""
        self._run: _Run | None = None

    # -- the page ------------------------------------------------------------------------------

    def open(self) -> None:
        """Fill the page: for a page that was just displayed, or displayed again."""
        with self._guarded():
            try:
                self._refresh_head()
            except PlaygroundError as problem:
                self.head = Head(self._provider, shut=str(problem))
            self._announce()
            for cell in list(self.cells.values()):
                self.cell = replace(cell)
            self._tell_waiting()

    def _prepare(self) -> None:
        tokens.count_text(self.options.prompt)
        super()._prepare()

    def set(self, **changes: Any) -> None:
        """Change controls; the answer is `estimate` (and `view`). Half-typed is no error."""
        with self._guarded():
            self.options = self.options.changed(changes)
            self._price()
            self._see()

    def select(self, shot_id: str) -> None:
        """Look at one photo; the answer is `view`."""
        with self._guarded():
            self._selected = shot_id
            self._see()

    # -- photos --------------------------------------------------------------------------------

    def _with_answers(self, shot: Shot, item_id: str) -> Shot:
        """Show what the gallery has as answer to the very question that is asked now."""
        if not shot.ready:
            return shot
        item = self._store.item(item_id)
        templates = [self.options.template(name) for name in self.options.models]
        requests = [template.with_(photo=shot.photo) for template in templates]
        answers = self._store.answers([request.key for request in requests])
        by_id = {caption.id: caption for caption in item.captions}
        for request in requests:
            caption = by_id.get(answers.get(request.key, -1))
            if caption is not None and shot.id in self._known:
                self.cells[shot.id, request.model] = recalled(
                    shot.id, request, caption, item, self.options.alt_limit
                )
        return shot

    # -- spending ------------------------------------------------------------------------------

    def run(self, consent: str = "") -> None:
        """Ask all chosen models about all photos that they have not answered yet.

        `consent` is the amount that was confirmed (`Estimate.most`), needed above $1.00.
        """
        with self._guarded():
            estimate = self._price()
            if estimate.wait:
                raise InvalidRequest(estimate.wait)
            agreed = estimate.asks and consent == money.plain(estimate.most)
            if estimate.asks and not agreed:
                msg = f"This may cost {money.short(estimate.most)}; it was not confirmed."
                raise InvalidRequest(msg)
            self._start(list(self._open_questions()), agreed=agreed)

    def again(self, shot_id: str, model: str) -> None:
        """Put the same question anew: a purchase of its own, refused above $1.00."""
        with self._guarded():
            if self._run is not None:
                msg = "Wait until the captions that are under way have come."
                raise InvalidRequest(msg)
            cell = self.cells.get((shot_id, model))
            if cell is None:
                msg = "There is nothing to ask again."
                raise InvalidRequest(msg)
            shot = self._known[shot_id]
            request = cell.request.with_(photo=shot.photo)
            self._start([(shot, request)], agreed=False)

    def cancel(self) -> None:
        """Stop now: what was not sent is not sent; what was sent may be billed all the same.

        The page is free at once. A call that is under way is left at the next word of it, and
        what it still brings is shown and kept.
        """
        with self._guarded():
            run = self._run
            if run is None:
                return
            run.cancelled, self._run = True, None
            for key in run.cells:
                cell = self.cells.get(key)
                if cell is not None and cell.status in {"waiting", "asking"}:
                    message = _UNSENT if cell.status == "waiting" else _LEFT
                    self._show_cell(replace(cell, status="cancelled", message=message))
            self._tell_progress(run)
            self._price()

    def _start(self, jobs: list[tuple[Shot, CaptionRequest]], *, agreed: bool) -> None:
        run = _Run(total=len(jobs), cells={(shot.id, request.model) for shot, request in jobs})
        self._run = run
        for shot, request in jobs:
            self._show_cell(Cell(shot.id, request.model, request.task, request))
        self._tell_progress()
        self._price()
        for shot, request in jobs:
            self._submit(partial(self._ask, run, shot, request, agreed))

    def _ask(self, run: _Run, shot: Shot, request: CaptionRequest, agreed: bool) -> None:
        """One call, on whatever thread; whatever comes of it is in its cell."""
        cell = self.cells.get((shot.id, request.model))
        if cell is None:
            cell = Cell(shot.id, request.model, request.task, request)
        try:
            if run.cancelled:
                cell = replace(cell, status="cancelled", message=_UNSENT)
            else:
                cell = self._asked(run, cell, request, agreed)
        except _Cancelled:
            cell = replace(cell, status="cancelled", message=_LEFT)
        except PlaygroundError as problem:
            cell = replace(cell, status="failed", message=str(problem), billed=Decimal(0))
        except Exception as bug:
            cell = replace(cell, status="unknown", message=bug_words(bug))
        with self._lock:
            self._show_answer(run, cell)
            run.done += 1
            run.billed += cell.billed or Decimal(0)
            ended = run.done >= run.total
            if ended and self._run is run:
                self._run = None
            if not run.cancelled:
                self._tell_progress(run)
            if ended:
                with self._guarded():
                    self._refresh_head()
                    if self._run is None:
                        self._settle_uploads()
                self._price()

    def _show_answer(self, run: _Run, cell: Cell) -> None:
        """Unless the same was asked anew meanwhile, after a Cancel."""
        if (
            self._run is run
            or self._run is None
            or (cell.shot_id, cell.model) not in self._run.cells
        ):
            self._show_cell(cell)

    def _asked(self, run: _Run, cell: Cell, request: CaptionRequest, agreed: bool) -> Cell:
        cell = replace(cell, status="asking")
        pieces: list[str] = []
        shown = self._clock()
        with self._lock:
            if run.cancelled:
                return replace(cell, status="cancelled", message=_UNSENT)
            self._show_cell(cell)

        def on_text(piece: str) -> None:
            nonlocal shown
            if run.cancelled:
                raise _Cancelled
            pieces.append(piece)
            if self._clock() - shown >= STREAM_SECONDS:
                shown = self._clock()
                self._show_cell(replace(cell, text="".join(pieces)[: captions.MAX_TEXT_BYTES]))

        gallery, client = self._store, self._connected
        result = perform(gallery, client, request, caps=caps(), confirm=agreed, on_text=on_text)
        with self._lock:
            run.held += result.held
        return answered(cell, result, client.is_sample, self.options.alt_limit)

    # -- accepting -----------------------------------------------------------------------------

    def edit(self, shot_id: str, model: str, text: str) -> None:
        """The owner's version of an answer; the same text again undoes the edit."""
        with self._guarded():
            cell = self._finished(shot_id, model)
            advice = cell.advice
            if cell.task == "alt":
                advice = advised(cell, text, self.options.alt_limit)
            edited = None if text == cell.text else text[: captions.MAX_TEXT_BYTES]
            self._show_cell(replace(cell, edited=edited, advice=advice))

    def accept(self, shot_id: str, model: str) -> None:
        """Put an answer into the gallery: alt text, tags, or the photo's caption.

        The gallery's history says who wrote it: the model, or the model and the owner.
        """
        with self._guarded():
            cell = self._finished(shot_id, model)
            if cell.item_id is None:
                msg = "This answer has no photo in the gallery."
                raise InvalidRequest(msg)
            item = self._store.item(cell.item_id)
            changes, before, where = accepting(cell, item)
            by = cell.model if cell.edited is None else f"{cell.model}, edited by the {OWNER}"
            self._store.annotate(item.id, by=by, **changes)
            self._before[shot_id, model] = before
            # Two alt texts cannot stand at once: the other model's is not accepted any more.
            for key, other in list(self.cells.items()):
                taken = PLACES.get(other.accepted) == PLACES.get(where) is not None
                if key[0] == shot_id and key[1] != model and taken:
                    self._show_cell(replace(other, accepted=""))
            self._show_cell(replace(cell, accepted=where))

    def undo(self, shot_id: str, model: str) -> None:
        """Take an accepted answer out of the gallery again; what stood there before returns."""
        with self._guarded():
            cell = self._finished(shot_id, model)
            before = self._before.pop((shot_id, model), None)
            if before is None or cell.item_id is None:
                msg = "There is nothing to undo."
                raise InvalidRequest(msg)
            self._store.annotate(cell.item_id, by=OWNER, **before)
            self._show_cell(replace(cell, accepted=""))

    def _finished(self, shot_id: str, model: str) -> Cell:
        cell = self.cells.get((shot_id, model))
        if cell is None or cell.status != "done":
            msg = "There is no answer yet."
            raise InvalidRequest(msg)
        return cell

    # -- pricing -------------------------------------------------------------------------------

    def _open_questions(self) -> Iterator[tuple[Shot, CaptionRequest]]:
        """Photos and requests that are not answered yet, photo by photo."""
        templates = [self.options.template(n) for n in self.options.models]
        for shot in self._known.values():
            if not shot.ready:
                continue
            for template in templates:
                request = template.with_(photo=shot.photo)
                cell = self.cells.get((shot.id, request.model))
                open_ = cell is None or cell.status not in {"done", "waiting", "asking"}
                if cell is None or open_ or cell.key != request.key:
                    yield shot, request

    def _price(self) -> Estimate:
        options = self.options
        rows: list[ModelPrice] = []
        quotes: dict[Quote, int] = {}
        shots: set[str] = set()
        wanted: dict[str, Counter[Size]] = {name: Counter() for name in options.models}
        if not options.schema_problem:
            for shot, request in self._open_questions():
                assert shot.photo is not None
                wanted[request.model][shot.photo.size] += 1
                shots.add(shot.id)
            for name in options.models:
                row, counted = price_of(options, name, wanted[name])
                rows.append(row)
                quotes |= counted
        asked = sum(wanted[name].total() for name in options.models)
        ready = sum(1 for shot in self._known.values() if shot.ready)
        total = sums(quotes)
        most = max(total.hold, total.high or Decimal(0))
        made = Estimate(
            calls=sum(row.calls for row in rows),
            shots=len(shots),
            low=total.low,
            high=total.high,
            most=most,
            models=tuple(rows),
            lengths=lengths(quotes),
            button=button(len(shots), rows, total),
            wait=self._wait(rows, total, len(shots)),
            asks=most > CONSENT_DOLLARS,
            prompt=options.prompt,
            prompt_tokens=tokens.count_text(options.prompt),
            schema_problem=options.schema_problem,
            details=options.details,
            notes=tuple(dict.fromkeys(note for quote in quotes for note in quote.notes))[:8],
            answered=ready * len(options.models) - asked,
            tiers=options.tiers,
            each=per_photo(total, len(shots)),
        )
        self.estimate = made
        return made

    def _wait(self, rows: Sequence[ModelPrice], total: Sum, shots: int) -> str:
        """Why the button cannot be pressed, in a sentence."""
        known = self._known.values()
        if self._run is not None:
            return "Captions are being written."
        if not self.options.models:
            return "Choose a model."
        if self.options.task == "own" and not self.options.own.strip():
            return "Write what you want to know about the photos."
        if self.options.schema_problem:
            return self.options.schema_problem
        coming = (one.expected and not one.ready and not one.problem for one in known)
        if any(coming):
            return "A photo is still coming in."
        refused = next((row.refused for row in rows if row.refused), "")
        if refused:
            return refused
        if shots == 0:
            ready = any(shot.ready for shot in known)
            return "Everything here is answered." if ready else "Add a photo first."
        if total.high is None:
            return "The price of one of these models is not known, so it is not asked."
        head = self.head
        if head is not None and head.shut:
            return head.shut
        room = self._room()
        if room is not None and total.hold > room:
            return (
                f"This may cost {money.short(total.hold)}; the cap leaves "
                f"{money.short(max(room, Decimal(0)))}."
            )
        return ""

    def _room(self) -> Decimal | None:
        """Dollars that the caps leave, as last read; the ledger decides when it comes to it."""
        totals = self.head.totals if self.head is not None else None
        own = totals.cap if totals is not None else caps().gallery
        if own is None:
            return None
        return own - (totals.committed if totals else Decimal(0))

    # -- what the models see -------------------------------------------------------------------

    def _see(self) -> None:
        shot = self._known.get(self._selected)
        if shot is None or not shot.ready:
            shot = next((one for one in self._known.values() if one.ready), None)
        if shot is None or shot.photo is None:
            self.view = None
            return
        sights, curves, refused = [], [], []
        for name in self.options.models:
            model = catalog.default().model(name)
            if self.options.schema_problem:
                break
            request = self.options.template(name).with_(photo=shot.photo)
            sent = pricing.sent_size(shot.photo.size, request.resize)
            try:
                sights.append(sight(model, sent, request.detail))
                curves.append(curve(model, request))
            except InvalidRequest as problem:
                refused.append((name, str(problem)))
        self.view = View(shot, tuple(sights), tuple(curves), tuple(refused))

    # -- within --------------------------------------------------------------------------------

    def _refresh_head(self) -> None:
        self.head = Head(self._provider, self._totals())

    def _announce(self) -> None:
        self.shots = ()
        self.shots = tuple(self._known.values())
        self._price()
        self._see()
        self._tell_progress()

    def _tell_progress(self, run: _Run | None = None) -> None:
        run = run or self._run
        if run is None:
            self.progress = Progress()
            return
        self.progress = Progress(
            run.done, run.total, self._run is not None, run.cancelled, run.billed, run.held
        )

    def _changed(self, shot: Shot) -> None:
        self._price()
        if shot.ready:
            self._see()

    def _came(self, shot_id: str) -> None:
        for key, cell in list(self.cells.items()):
            if key[0] == shot_id:
                self._show_cell(cell)

    def _forgotten(self, shot_id: str) -> None:
        for key in [key for key in self.cells if key[0] == shot_id]:
            del self.cells[key]

    def _item_of(self, shot_id: str) -> str | None:
        cells = (cell for key, cell in self.cells.items() if key[0] == shot_id)
        return next((cell.item_id for cell in cells if cell.item_id), None)

    def _show_cell(self, cell: Cell) -> None:
        with self._lock:
            if cell.shot_id in self._known:
                self.cells[cell.shot_id, cell.model] = cell
                self.cell = cell
