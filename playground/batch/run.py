"""A run of batches: make them, look at them, book what came; for hours, and across restarts.

    run = BatchRun(gallery, client, plan, caps=…)
    run.adopt()                  # what an earlier program left
    run.submit(rows)             # reserve, upload, create: returns when all is at the provider
    while run.waiting():
        run.poll()               # look, and ingest what has ended
        time.sleep(60)

Everything is in the gallery's ledger, so each step may be done by another process. Nothing is
created twice: a batch whose creation was not confirmed is looked for by the mark in its metadata,
and made anew only where the provider's list does not have it a minute later.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground import failpoints
from playground.batch.ingest import Found, ingest
from playground.batch.shards import Builder, Shard
from playground.catalog import Rates
from playground.errors import GalleryProblem, PlaygroundError, SpendingRefused
from playground.provider.batches import MAX_BYTES, MAX_LINES, Batches, BatchState
from playground.runner.plan import Plan, Row
from playground.runner.results import Problem
from playground.store.batches import Batch
from playground.store.records import Caps
from playground.values import CaptionRequest, Failed, Unknown

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

# After a lost answer to `create`: how long the provider's list may take to show the batch.
LOST_AFTER_SECONDS = 60.0
_TRIES = 4
_LOOKS = 4
# A question that comes back unasked is asked anew so often in one run.
_ROUNDS = 2
_NOT_BILLED = "Nothing was billed for it"
_IDLE_SECONDS = 3600
_QUEUE_FULL = "token_limit_exceeded"

Wait = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the batches of a gallery stand.

    Attributes:
        batches: those that are not finished, oldest first.
        lines: questions in them that have no answer here yet; `held` dollars are reserved for
            them.
        answered: how many of those lines the provider says it has done or refused.
    """

    batches: tuple[Batch, ...] = ()
    lines: int = 0
    held: Decimal = Decimal(0)
    answered: int = 0

    def __str__(self) -> str:
        count = len(self.batches)
        some = "1 batch" if count == 1 else f"{count:,} batches"
        return f"{self.lines:,} photos wait in {some}, {self.answered:,} of them answered"


class BatchRun:
    """The batches of one gallery at one provider. Not for several threads at the same time.

    Args:
        plan: with templates of the tier batch; None for looking and booking only.
        caps, run_id, rates: as in a live run.
        wait: waits so many seconds, or less and then tells to stop.
        on_change: called after every step that changed something.
        lost_after_seconds: see above.

    Attributes:
        captioned, failed, unknown, dollars: what this run has booked.
        errors: photos that have no caption, and why.
        notes: what a person should know, sentences.
        stopped: why nothing more is submitted, or "".
    """

    def __init__(
        self,
        gallery: Gallery,
        client: Client,
        plan: Plan | None = None,
        *,
        caps: Caps | None = None,
        run_id: str = "",
        rates: Rates | None = None,
        wait: Wait | None = None,
        on_change: Callable[[], object] | None = None,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
        lost_after_seconds: float = LOST_AFTER_SECONDS,
    ) -> None:
        self._gallery, self._client, self._plan = gallery, client, plan
        self._caps, self._run_id = caps or Caps(), run_id or secrets.token_hex(8)
        self._rates = client.rates if rates is None else rates
        self._wait = wait or _sleep
        self._on_change = on_change or (lambda: None)
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._lost_after_seconds = lost_after_seconds
        self._book = gallery.ledger.batches
        self._api: Batches = client.batches
        self._scratch = gallery.spool_path("batch").parent
        client.remember_in(gallery.folder / "offline-provider")
        self._row_of: dict[str, Row] = {}
        self._rounds: Counter[str] = Counter()
        self._back: list[Row] = []
        self._cancelled = self._full = False
        self.captioned = self.failed = self.unknown = self.skipped = 0
        self.dollars = Decimal(0)
        self.unknown_dollars = Decimal(0)
        self.errors: list[Problem] = []
        self.notes: list[str] = []
        self.newest: list[tuple[str, str, Decimal]] = []
        self.stopped = ""

    # -- looking -------------------------------------------------------------------------------

    def status(self) -> Standing:
        """Where the unfinished batches stand, by what was seen last."""
        batches = tuple(self._book.unfinished())
        counted = [self._book.held(batch.id) for batch in batches]
        return Standing(
            batches,
            sum(count for count, _ in counted),
            sum((held for _, held in counted), Decimal(0)),
            sum(batch.completed + batch.failed for batch in batches),
        )

    def waiting(self) -> bool:
        """Whether a batch of this provider may still bring something, or must be looked for."""
        return any(self._is_ours(batch) for batch in self._book.unfinished())

    def again(self) -> list[Row]:
        """Questions that came back unasked (expired, refused for the rate); takes them away."""
        back, self._back = self._back, []
        return back

    def _is_ours(self, batch: Batch) -> bool:
        if batch.provider != self._client.provider or batch.status == "not found":
            return False
        return batch.phase in {"running", "creating"} or batch.ours or not batch.owner_lives

    # -- what an earlier program left -----------------------------------------------------------

    def adopt(self) -> None:
        """Go on with batches whose program died before they ran; those of living ones are left."""
        self._tidy()
        for batch in self._book.unfinished():
            if batch.provider != self._client.provider:
                self._note(
                    f"{batch.lines:,} photos wait in a batch at {batch.provider}; ask that "
                    "provider to bring them in"
                )
            elif batch.status == "not found":
                self._book.note(batch.id, status="")  # perhaps with this key
            elif batch.phase != "running" and self._book.take_over(batch.id):
                self._go_on(self._book.get(batch.id))
        self._on_change()

    def _tidy(self) -> None:
        """Remove files of requests that dead programs left: they hold photos."""
        known = {batch.id: batch for batch in self._book.all()}
        for path in [*self._scratch.glob("*.jsonl"), *self._scratch.glob("*.fewer")]:
            batch = known.get(path.stem)
            with suppress(OSError):
                # Before its reservation nobody knows whose a file is, only that it grows.
                idle = batch is None and time.time() - path.stat().st_mtime > _IDLE_SECONDS
                if idle or (batch is not None and not batch.owner_lives):
                    path.unlink()

    def _go_on(self, batch: Batch) -> None:
        if batch.phase == "built":
            # Its file may be half written, and was surely not given to a batch.
            self._path_of(batch.id).unlink(missing_ok=True)
            self._drop(batch.id, "The program ended before the batch was made")
        elif batch.phase == "uploaded" and batch.file_id is not None:
            self._create(batch.id, batch.file_id, batch.endpoint)
        elif batch.phase == "creating":
            self._in_doubt(batch)

    def _path_of(self, batch_id: str) -> Path:
        return self._gallery.spool_path(batch_id).with_suffix(".jsonl")

    def _drop(self, batch_id: str, why: str) -> None:
        """The provider never had this batch: everything is released."""
        rest = Failed("not_sent", f"{why}. Nothing was billed.")
        self._book.close(batch_id, "dropped", {}, rest, reason=why)

    def _return(self, keys: Iterable[str]) -> list[str]:
        """Take questions back that were not billed; those that came back too often stay failed."""
        given_up = []
        for key in keys:
            row = self._row_of.get(key)
            if row is None or self._cancelled or self._rounds[key] >= _ROUNDS:
                given_up.append(key)
                continue
            self._rounds[key] += 1
            self._back.append(row)
        return given_up

    # -- making batches ------------------------------------------------------------------------

    def knows(self, rows: Sequence[Row]) -> list[Row]:
        """Remember the rows' questions; those of them that do not wait in a batch already."""
        assert self._plan is not None
        keys = [self._plan.job(row).key for row in rows]
        self._row_of.update(zip(keys, rows, strict=True))
        waiting = self._book.waiting(keys)
        return [row for key, row in zip(keys, rows, strict=True) if key not in waiting]

    def submit(self, rows: Iterable[Row]) -> int:
        """Ask about rows in as many batches as it takes; how many questions are under way.

        It stops where a cap is reached or the provider refuses (`stopped` says why).
        """
        assert self._plan is not None
        builder = Builder(
            self._gallery,
            self._client,
            self._plan,
            max_lines=self._max_lines,
            max_bytes=self._max_bytes,
        )
        sent = 0
        shards = builder.shards(rows)
        try:
            for shard in shards:
                try:
                    sent += self._shard(shard)
                finally:
                    shard.remove()
                self._on_change()
                if self.stopped:
                    break
        except (GalleryProblem, SpendingRefused) as problem:
            self._stop(str(problem))
        finally:
            shards.close()  # type: ignore[attr-defined]
            self.errors += builder.problems
            self.failed += len(builder.problems)
        return sent

    def _shard(self, shard: Shard) -> int:
        self._gallery.sync_adopted(shard.photos)
        kept, problem = self._book.reserve(
            shard.id,
            shard.lines,
            endpoint=shard.endpoint,
            size_bytes=shard.size_bytes,
            provider=self._client.provider,
            caps=self._caps,
            run_id=self._run_id,
            sample=self._client.is_sample,
            rates=self._rates,
        )
        failpoints.hit("batch_reserved")
        if problem is not None:
            self._stop(str(problem))
        else:
            self.skipped += len(shard.lines) - len(kept)
        if not kept:
            return 0
        try:
            shard.keep_only(set(kept))
            file_id = self._upload(shard)
        except BaseException as problem:
            # Nothing can have been asked yet: interrupted or not, all of it is given back.
            why = str(problem) if isinstance(problem, PlaygroundError) else "It was interrupted"
            self._drop(shard.id, why.rstrip("."))
            raise
        if file_id is None:
            return 0
        return len(kept) if self._create(shard.id, file_id, shard.endpoint) else 0

    def _upload(self, shard: Shard) -> str | None:
        """The id of the uploaded file; None when the provider refuses it (then all is released)."""
        name = f"{shard.id}.jsonl"
        for number in range(_TRIES):
            made = self._api.upload(shard.path, self._scratch, name=name)
            if isinstance(made, Unknown):
                # It costs nothing, but photos are not to lie about at the provider twice.
                made = self._api.uploaded(name, self._scratch) or made
            if not isinstance(made, Failed | Unknown):
                failpoints.hit("batch_uploaded")
                self._book.note(shard.id, "uploaded", file_id=made.id)
                return made.id
            final = isinstance(made, Failed) and made.kind not in {"rate_limit", "not_sent"}
            if final or number + 1 == _TRIES or self._wait(_pause(made, number)):
                self._drop(shard.id, made.message.rstrip("."))
                self._stop(made.message)
                return None
        return None

    def _create(self, batch_id: str, file_id: str, endpoint: str) -> bool:
        """Make the batch; whether it is (or may be) at the provider."""
        for number in range(_TRIES):
            self._book.note(batch_id, "creating")
            failpoints.hit("batch_creating")
            made = self._api.create(file_id, endpoint, batch_id, self._scratch)
            failpoints.hit("batch_created")
            if isinstance(made, BatchState):
                self._runs(batch_id, made)
                return True
            if isinstance(made, Unknown):
                return self._look_for(batch_id)
            final = made.kind not in {"rate_limit", "not_sent"}
            if final or number + 1 == _TRIES or self._wait(_pause(made, number)):
                self._drop(batch_id, made.message.rstrip("."))
                self._api.delete(file_id, self._scratch)
                self._stop(made.message)
                return False
        return False

    def _look_for(self, batch_id: str) -> bool:
        """The answer to `create` was lost: perhaps the batch is there."""
        for number in range(_LOOKS):
            if self._in_doubt(self._book.get(batch_id), make=False):
                return True
            if number + 1 < _LOOKS and self._wait(2.0**number):
                break
        self._note(
            "Whether the provider made a batch is not known yet; its price stays held, and it is "
            "looked for again"
        )
        return True

    def _in_doubt(self, batch: Batch, *, make: bool = True) -> bool:
        """Find a batch by its mark; make it only where it is surely not there."""
        since = batch.asked_at.timestamp() - 3600 if batch.asked_at else 0.0
        found = self._api.find(batch.id, self._scratch, since=since)
        if isinstance(found, Failed | Unknown):
            self._note(f"The list of batches could not be read: {found.message}")
            return False
        if found:
            # Only one was asked for; should there be more, the later ones must not be billed too.
            found.sort(key=lambda state: state.created_at)
            for other in found[1:]:
                self._api.cancel(other.id, self._scratch)
                self._note(f"{other.id} was the same batch once more and was cancelled")
            self._runs(batch.id, found[0])
            return True
        age = self._age(batch)
        if make and age >= self._lost_after_seconds and batch.file_id is not None:
            return self._create(batch.id, batch.file_id, batch.endpoint)
        return False

    def _age(self, batch: Batch) -> float:
        now = self._gallery.ledger.now()
        return (now - batch.asked_at).total_seconds() if batch.asked_at else 0.0

    def _runs(self, batch_id: str, state: BatchState) -> None:
        self._book.note(batch_id, "running", remote_id=state.id, **_known(state))
        failpoints.hit("batch_recorded")

    # -- looking and booking -------------------------------------------------------------------

    def poll(self) -> int:
        """Look at every batch once, and book those that have ended; how many did."""
        ended = 0
        for batch in self._book.unfinished():
            if not self._is_ours(batch):
                continue
            if batch.phase == "running":
                ended += self._look(batch)
            elif self._book.take_over(batch.id):
                self._go_on(batch)
            self._on_change()
        return ended

    def _look(self, batch: Batch) -> bool:
        assert batch.remote_id is not None
        state = self._api.retrieve(batch.remote_id, self._scratch)
        if isinstance(state, Failed) and state.kind == "not_found":
            self._book.note(batch.id, status="not found")
            self._note(
                f"{self._client.provider} does not know the batch {batch.remote_id} with "
                f"{batch.lines:,} photos (another key or project?); its price stays held"
            )
            return False
        if isinstance(state, Failed | Unknown):
            if isinstance(state, Failed) and state.kind in {"auth", "permission"}:
                self._stop(state.message)
            return False
        self._book.note(batch.id, **_known(state))
        if not state.ended:
            return False
        return self.ingest(batch, state)

    def ingest(self, batch: Batch, state: BatchState) -> bool:
        """Book everything that an ended batch brought; False when its files cannot be had now.

        Doing it again changes nothing.
        """
        files = []
        for name, file_id in (("output", state.output_file_id), ("errors", state.error_file_id)):
            if file_id is None:
                continue
            path = self._gallery.spool_path(batch.id).with_suffix(f".{name}")
            if not path.exists():
                got = self._api.content(file_id, path)
                if not isinstance(got, Path):
                    self._note(f"The answers of {state.id} could not be fetched: {got.message}")
                    return False
                failpoints.hit("batch_downloaded")
            files.append(path)
        before = self.captioned, self.dollars

        def show(found: Found) -> None:
            self.captioned, self.dollars = before[0] + found.captioned, before[1] + found.dollars
            self.newest = found.newest
            self._on_change()

        found = ingest(self._gallery, batch.id, files, show)
        show(found)
        self._end(batch, state, found)
        for path in files:
            path.unlink(missing_ok=True)
        if batch.file_id is not None:
            self._api.delete(batch.file_id, self._scratch)
        return True

    def _end(self, batch: Batch, state: BatchState, found: Found) -> None:
        """Close what the files left open, by the evidence that there is."""
        failpoints.hit("batch_closing")
        lines = self._book.open_lines(batch.id)
        keys = {id_: key for id_, (key, _) in lines.items()}
        endings = found.settled_endings(state)
        proven = found.proves_the_rest(state)
        rest = _rest(state, proven=proven)
        lost = isinstance(rest, Unknown)
        back = {id_ for id_ in keys if id_ in found.again or (id_ not in endings and not lost)}
        self._full = _queue_full(state)
        refused = state.status == "failed" and not self._full
        # Nobody asked about these, and somebody wants it so: they are no failures.
        left = back if refused or state.status == "cancelled" else set[str]()
        given_up = set(self._return(keys[id_] for id_ in back - left))
        again = {id_ for id_ in back - left if keys[id_] not in given_up}
        self._book.close(batch.id, "done", endings, rest, reason=_why(state))
        ends = {id_: endings.get(id_, rest) for id_ in keys if id_ not in again | left}
        names = self._names([id_ for id_ in ends if keys[id_] not in self._row_of])
        for attempt_id, outcome in ends.items():
            self.failed += isinstance(outcome, Failed)
            if isinstance(outcome, Unknown):
                self.unknown += 1
                self.unknown_dollars += lines[attempt_id][1]
            row = self._row_of.get(keys[attempt_id])
            path = row.path if row is not None else names.get(attempt_id, attempt_id)
            self.errors.append(Problem(path, outcome.message))
        if again:
            self._note(f"{len(again):,} photos of {state.id} were not asked and go into a new one")
        if state.status == "cancelled" and not self._cancelled:
            self._stop(f"{state.id} was cancelled at the provider; what was done is kept")
        if refused:
            self._stop(f"{state.id} was refused: {_why(state).rstrip('.')}. {_NOT_BILLED}.")
        odd = {"unknown": found.foreign, "broken": found.malformed, "repeated": found.repeated}
        for what, count in odd.items():
            if count:
                self._note(f"{count:,} {what} lines in the files of {state.id}")

    def _names(self, ids: Sequence[str]) -> dict[str, str]:
        found = self._book.lines(ids)
        return {
            id_: attempt.request.measured.name
            for id_, attempt in found.items()
            if isinstance(attempt.request, CaptionRequest)
        }

    # -- the whole -----------------------------------------------------------------------------

    def cancel(self) -> int:
        """Ask the provider to end all batches; what is done by then is delivered and billed.

        `poll` books it when they have ended, which takes up to ten minutes. Returns how many.
        """
        self._cancelled = True
        count = 0
        for batch in self._book.unfinished():
            if batch.phase != "running" or not self._is_ours(batch) or batch.remote_id is None:
                continue
            state = self._api.cancel(batch.remote_id, self._scratch)
            if isinstance(state, BatchState):
                self._book.note(batch.id, **_known(state))
                count += 1
            elif isinstance(state, Failed):
                self._note(f"{batch.remote_id} could not be cancelled: {state.message}")
        self._on_change()
        return count

    def give_up(self, batch_id: str) -> None:
        """Wait no longer for a batch that the provider does not know: its lines stay held."""
        message = "The provider does not know its batch any more. It may have been billed."
        self._book.close(batch_id, "done", {}, Unknown("died", message), reason="given up")

    def go(self, rows: Sequence[Row], *, wait_for_all: bool = True) -> None:
        """Submit, look until everything has ended, and ask anew about what came back unasked."""
        queue = list(rows)
        quick, slow = (0.02, 1.0) if self._client.is_sample else (2.0, 60.0)
        delay = quick
        while True:
            # A full queue at the provider has room again when one of the batches has ended.
            if queue and not self.stopped and not (self._full and self.waiting()):
                self._full = False
                some, queue = queue, []
                self.submit(some)
            if not wait_for_all:
                return
            if self.poll():
                delay = quick
            queue += self.again()
            if not self.waiting() and (not queue or self.stopped):
                return
            if self._wait(delay):
                self._stop("it was stopped")
                return
            delay = min(delay * 1.5, slow)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _stop(self, why: str) -> None:
        if not self.stopped:
            self.stopped = why


def _known(state: BatchState) -> Mapping[str, Any]:
    return {
        "status": state.status,
        "completed": state.completed or 0,
        "failed": state.failed or 0,
        "output_file_id": state.output_file_id,
        "error_file_id": state.error_file_id,
    }


def _rest(state: BatchState, *, proven: bool) -> Failed | Unknown:
    """What became of lines that no file names."""
    how = {"expired": "expired", "cancelled": "was cancelled", "failed": "was refused"}
    ended = how.get(state.status, "ended")
    if proven:
        return Failed("not_sent", f"The batch {ended} without asking about it. {_NOT_BILLED}.")
    message = (
        f"The batch {ended}, its files do not name this question, and its sums do not prove that "
        "it was not done. It may have been billed, so its price stays held until you resolve it."
    )
    return Unknown("connection_lost", message)


def _why(state: BatchState) -> str:
    return "; ".join(f"{code}: {message}" for code, message in state.errors[:3])


def _queue_full(state: BatchState) -> bool:
    return any(code == _QUEUE_FULL for code, _ in state.errors)


def _pause(made: Failed | Unknown, number: int) -> float:
    asked = made.retry_after_seconds if isinstance(made, Failed) else None
    return min(asked, 300.0) if asked is not None else 2.0**number


def _sleep(seconds: float) -> bool:
    """Wait; Ctrl-C ends it."""
    with suppress(OverflowError):
        time.sleep(seconds)
    return False
