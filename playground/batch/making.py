"""Making batches, so that none is made twice: reserve, upload, create; or find what was made.

A batch whose creation was not confirmed is looked for by the mark in its metadata, and made anew
only where the provider's list does not have it a minute later. What a dead program left is taken
up at the step that it had reached.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground import failpoints
from playground.batch.shards import Builder, Shard
from playground.catalog import Rates
from playground.errors import GalleryProblem, PlaygroundError, SpendingRefused
from playground.provider.batches import MAX_BYTES, MAX_LINES, Batches, BatchState
from playground.runner.plan import Plan, Row
from playground.runner.results import Problem
from playground.store.batches import Batch
from playground.store.records import Caps
from playground.values import Failed, Unknown

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

# After a lost answer to `create`: how long the provider's list may take to show the batch.
LOST_AFTER_SECONDS = 60.0
_TRIES = 4
_LOOKS = 4
# A question that comes back unasked is asked anew so often in one run.
_ROUNDS = 2
_IDLE_SECONDS = 3600
_LIVE = "Nothing was billed; ask it live (--via live)."

Wait = Callable[[float], bool]


class Maker:
    """Makes the batches of one gallery at one provider; `BatchRun` also looks and books."""

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
        alone: bool = False,
    ) -> None:
        self._gallery, self._client, self._plan = gallery, client, plan
        self._caps, self._run_id = caps or Caps(), run_id or secrets.token_hex(8)
        self._rates = client.rates if rates is None else rates
        self._wait = wait or _sleep
        self._on_change = on_change or (lambda: None)
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._lost_after_seconds = lost_after_seconds
        self._alone = alone
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
            left = self._api.uploaded(self._path_of(batch.id).name, self._scratch)
            if left is not None:
                self._api.delete(left.id, self._scratch)
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

    def _is_ours(self, batch: Batch) -> bool:
        if batch.provider != self._client.provider or batch.status == "not found":
            return False
        if self._alone and batch.run_id != self._run_id:
            return False
        return batch.phase in {"running", "creating"} or batch.ours or not batch.owner_lives

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
                why = made.message
                if isinstance(made, Failed) and made.kind == "not_found":
                    why = f"{self._client.provider} offers no batches. {_LIVE}"
                self._drop(shard.id, why.rstrip("."))
                self._stop(why)
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
        self._book.note(batch_id, "running", remote_id=state.id, **known(state))
        failpoints.hit("batch_recorded")

    # -- what is told ----------------------------------------------------------------------------

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _stop(self, why: str) -> None:
        if not self.stopped:
            self.stopped = why


def known(state: BatchState) -> Mapping[str, Any]:
    return {
        "status": state.status,
        "completed": state.completed or 0,
        "failed": state.failed or 0,
        "output_file_id": state.output_file_id,
        "error_file_id": state.error_file_id,
    }


def _pause(made: Failed | Unknown, number: int) -> float:
    asked = made.retry_after_seconds if isinstance(made, Failed) else None
    return min(asked, 300.0) if asked is not None else 2.0**number


def _sleep(seconds: float) -> bool:
    """Wait; Ctrl-C ends it."""
    with suppress(OverflowError):
        time.sleep(seconds)
    return False
