"""Proofs that the fault tests and the benchmarks share: the ledger against the provider's truth."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing

from playground.provider.offline.truth import Seen
from playground.store import Attempt, Gallery


def bought_twice(gallery: Gallery, calls: Sequence[Seen]) -> Counter[str]:
    """How often a question was billed again, by the cause; and that no client could avoid it.

    Each bill of a question but the last must belong to an attempt whose answer never came, which
    the ledger lists as unknown since before the next attempt was made. The causes are the
    provider's faults, "late" for answers that were no longer waited for, and "killed" for what
    was under way when its program died. To be called before any unknown attempt is resolved, on
    a gallery in a folder.

    Raises:
        AssertionError: naming the question that was bought again although its answer had come.
    """
    with closing(sqlite3.connect(gallery.folder / "gallery.db")) as database:
        questions = dict(database.execute("SELECT id, job_key FROM attempts"))
    billed: dict[str, list[Seen]] = defaultdict(list)
    for call in calls:
        if call.billed:
            billed[questions[call.client_request_id]].append(call)
    causes: Counter[str] = Counter()
    listed = {attempt.id for attempt in gallery.ledger.unknowns()}
    for again in billed.values():
        if len(again) < 2:
            continue
        tries = [(gallery.ledger.attempt(call.client_request_id), call) for call in again]
        tries.sort(key=lambda one: one[0].created_at)
        for (before, call), (after, _) in itertools.pairwise(tries):
            told = f"{_told(before)} was bought again as {_told(after)} ({call.fault})"
            assert before.state == "unknown", f"its answer had come: {told}"
            assert before.id in listed, f"not listed as unknown: {told}"
            assert before.ended_at is not None, f"it was still open: {told}"
            assert before.ended_at <= after.created_at, f"it was not unknown yet: {told}"
            died = "program ended" in before.reason
            # On a machine that does much else an answer may take longer than it is waited for.
            late = before.reason.startswith("timeout")
            assert call.fault or died or late, f"nothing was wrong: {told}"
            causes["killed" if died else str(call.fault or "late")] += 1
    return causes


def _told(attempt: Attempt) -> str:
    return f"{attempt.id} ({attempt.state}: {attempt.reason[:60]})"
