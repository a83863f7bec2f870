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

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from playground import failpoints
from playground.batch.ingest import Found, ingest
from playground.batch.making import LOST_AFTER_SECONDS, Maker, Wait, known
from playground.provider.batches import BatchState
from playground.runner.plan import Row
from playground.runner.results import Problem
from playground.store.batches import Batch
from playground.values import CaptionRequest, Failed, Unknown

__all__ = ["LOST_AFTER_SECONDS", "BatchRun", "Standing", "Wait"]

_NOT_BILLED = "Nothing was billed for it"
_QUEUE_FULL = "token_limit_exceeded"
_BY_US = "cancelled by the owner"


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


class BatchRun(Maker):
    """The batches of one gallery at one provider. Not for several threads at the same time.

    Args:
        plan: with templates of the tier batch; None for looking and booking only.
        caps, run_id, rates: as in a live run.
        wait: waits so many seconds, or less and then tells to stop.
        on_change: called after every step that changed something.
        lost_after_seconds: see above.
        alone: look at this run's batches only, not at all of the gallery.

    Attributes:
        captioned, failed, unknown, dollars: what this run has booked.
        errors: photos that have no caption, and why.
        notes: what a person should know, sentences.
        stopped: why nothing more is submitted, or "".
    """

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
        self._book.note(batch.id, **known(state))
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
                if isinstance(got, Failed) and got.kind == "not_found":
                    # Kept for 30 days only: what they held stays held here, too.
                    self._note(f"The answers of {state.id} are gone at the provider")
                    continue
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

        try:
            found = ingest(self._gallery, batch.id, files, show)
        except FileNotFoundError:
            return False  # another program has just booked it and tidied up
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
        if state.status == "cancelled" and batch.reason != _BY_US:
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

    def cancel(self, batch_id: str | None = None) -> int:
        """Ask the provider to end one or all batches; what is done by then is billed.

        `poll` books it when they have ended, which takes up to ten minutes. Returns how many.
        """
        self._cancelled = True
        count = 0
        for batch in self._book.unfinished():
            if batch.phase != "running" or not self._is_ours(batch) or batch.remote_id is None:
                continue
            if batch_id not in {None, batch.id}:
                continue
            state = self._api.cancel(batch.remote_id, self._scratch)
            if isinstance(state, BatchState):
                self._book.note(batch.id, reason=_BY_US, **known(state))
                count += 1
            elif isinstance(state, Failed):
                self._note(f"{batch.remote_id} could not be cancelled: {state.message}")
        self._on_change()
        return count

    def stop(self, why: str) -> None:
        """Hand in nothing more; what waits at the provider goes on."""
        self._stop(why)

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
