"""What a batch's files prove: each line once, in any order, and what became of the rest.

A line with an answer is settled by its usage, like a live one. For the others the batch object is
the evidence (platform docs, api-reference/batch, read 2026-07-19): requests that expired or were
cancelled are named in the error file and are not charged, and the batch counts the tokens and the
requests of those that were done. Only where these sums are those of the lines that were read,
everything else was surely not billed; otherwise it stays held.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground import failpoints
from playground.errors import PlaygroundError
from playground.provider import outcomes, refusals
from playground.provider.batches import BatchState, lines_of
from playground.runner import booking
from playground.store.bulk import Settled
from playground.values import Captioned, Failed, Outcome, Receipt, Request, Unknown

if TYPE_CHECKING:
    from playground.store import Gallery
    from playground.store.records import Attempt

_AT_ONCE = 64
_NAMED = re.compile(rb'"custom_id"\s*:\s*"([0-9a-f]{32})"')
_NOT_DONE = frozenset({"batch_expired", "batch_cancelled"})
_OWN_ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(slots=True)
class Found:
    """What was read out of a batch's files.

    `again` are lines that were surely not billed and may be asked anew; `refused` were refused
    for a reason that stays; `owed` were done at a cost that is not known. Keys are attempt ids.
    """

    captioned: int = 0
    dollars: Decimal = Decimal(0)
    endings: dict[str, Failed | Unknown] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    owed: set[str] = field(default_factory=set)
    foreign: int = 0
    malformed: int = 0
    repeated: int = 0
    newest: list[tuple[str, str, Decimal]] = field(default_factory=list)
    # For the evidence: lines with an answer, and their tokens.
    done: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    counted: bool = True

    def proves_the_rest(self, state: BatchState) -> bool:
        """Whether nothing else than what was read can have been billed."""
        if state.status == "failed" and not state.output_file_id:
            return True
        if self.counted and state.input_tokens is not None and state.output_tokens is not None:
            tokens = (self.input_tokens, self.output_tokens)
            if tokens == (state.input_tokens, state.output_tokens):
                return True
        return state.completed is not None and state.completed == self.done

    def settled_endings(self, state: BatchState) -> dict[str, Failed | Unknown]:
        """The endings of single lines, with what the batch's own sums prove about them."""
        if not self.proves_the_rest(state):
            return self.endings
        endings: dict[str, Failed | Unknown] = {}
        for attempt_id, outcome in self.endings.items():
            if isinstance(outcome, Unknown) and attempt_id not in self.owed:
                what = outcome.message.partition(f". {refusals.HELD}")[0]
                why = f"{what}. Nothing was billed for it: the batch's own sums do not contain it."
                endings[attempt_id] = Failed("not_sent", why, outcome.receipt)
                self.again.add(attempt_id)
            else:
                endings[attempt_id] = outcome
        return endings


def ingest(
    gallery: Gallery,
    batch_id: str,
    files: Iterable[Path],
    on_captions: Callable[[Found], object] | None = None,
) -> Found:
    """Settle every answered line of the files; reading them again changes nothing.

    Args:
        files: the output file before the error file: an answer counts more than an error.

    Raises:
        GalleryProblem: when the gallery cannot take an answer now; the files stay.
    """
    found, seen = Found(), set[str]()
    raw = (line for path in files for line in lines_of(path))
    named = _named(raw, seen, found)
    while some := list(islice(named, _AT_ONCE)):
        known = gallery.ledger.batches.lines([custom_id for custom_id, _ in some])
        ready: list[Settled] = []
        for custom_id, line in some:
            attempt = known.get(custom_id)
            if attempt is None or attempt.batch_id != batch_id:
                found.foreign += 1
                continue
            _read(attempt, line, found, ready)
        _settle(gallery, ready, found)
        if on_captions is not None and ready:
            on_captions(found)
        failpoints.hit("in_ingest")
    return found


def _named(
    lines: Iterator[bytes], seen: set[str], found: Found
) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Each custom id once, with its line, or None for one that is broken but names it."""
    for raw in lines:
        custom_id, line = _parsed(raw)
        if line is None:
            found.malformed += 1
        if custom_id is None or not _OWN_ID.match(custom_id):
            found.foreign += line is not None
            continue
        if custom_id in seen:
            found.repeated += 1
            continue
        seen.add(custom_id)
        yield custom_id, line


def _parsed(raw: bytes) -> tuple[str | None, Mapping[str, Any] | None]:
    try:
        line = json.loads(raw)
        if isinstance(line, dict) and isinstance(line.get("custom_id"), str):
            return line["custom_id"], line
    except (ValueError, RecursionError):
        pass
    named = _NAMED.search(raw)
    return (named[1].decode() if named else None), None


def _read(
    attempt: Attempt, line: Mapping[str, Any] | None, found: Found, ready: list[Settled]
) -> None:
    outcome = of_line(attempt.request, line)
    if isinstance(outcome, Captioned):
        found.done += 1
        found.input_tokens += outcome.usage.total_input + outcome.usage.cache_write_input
        found.output_tokens += outcome.usage.text_output
        _book(attempt, outcome, found, ready)
        return
    if isinstance(outcome, Unknown) and _answered(line):
        # It was done, at a cost that it does not tell.
        found.done += 1
        found.counted = False
        found.owed.add(attempt.id)
    assert isinstance(outcome, Failed | Unknown)
    found.endings[attempt.id] = outcome
    if isinstance(outcome, Failed) and (outcome.code in _NOT_DONE or outcome.kind == "rate_limit"):
        found.again.add(attempt.id)


def _book(attempt: Attempt, outcome: Captioned, found: Found, ready: list[Settled]) -> None:
    left = booking.OpenCall(
        attempt.id, attempt.request, attempt.hold, attempt.rates, attempt.created_at.date()
    )
    settled = booking.as_settled(left, outcome)
    if isinstance(settled, Unknown):
        found.endings[attempt.id] = settled
        return
    if attempt.state not in {"settled", "overrun"}:
        found.captioned += 1
        found.dollars += settled[1]
        found.newest.append((settled[0].name, settled[0].text, settled[1]))
        del found.newest[:-12]
    ready.append(settled[0])


def _settle(gallery: Gallery, ready: list[Settled], found: Found) -> None:
    if not ready:
        return
    gallery.sync_adopted(one.photo for one in ready)
    for one, problem in zip(ready, gallery.ledger.bulk.settle(ready), strict=True):
        if isinstance(problem, PlaygroundError):
            raise problem
        found.endings.pop(one.attempt_id, None)


def of_line(request: Request, line: Mapping[str, Any] | None) -> Outcome:
    """The outcome that one line proves, read as a live answer is.

    The tier is the batch's whatever the body says: bodies of batches repeat `default`.
    """
    if line is None:
        return refusals.lost("unreadable", "A line of the batch's files is broken", Receipt())
    response = line.get("response")
    if not isinstance(response, Mapping):
        return _error(line.get("error"))
    status, body = response.get("status_code"), response.get("body")
    if isinstance(status, bool) or not isinstance(status, int):
        return refusals.lost("unreadable", "A line of the batch has no status", Receipt())
    headers = {"content-type": "application/json"}
    if isinstance(response.get("request_id"), str):
        headers["x-request-id"] = response["request_id"]
    data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    outcome = outcomes.parse(request, status, headers, data)
    if isinstance(outcome, Captioned):
        return replace(outcome, receipt=replace(outcome.receipt, tier="batch"))
    return outcome


def _error(error: Any) -> Failed | Unknown:
    known = refusals.error_of({"error": error})
    code = known.get("code") if isinstance(known.get("code"), str) else None
    if code in _NOT_DONE:
        how = "expired" if code == "batch_expired" else "was cancelled"
        message = f"The batch {how} before this was asked. Nothing was billed for it."
        return Failed("not_sent", message, code=code)
    what = "The provider could not finish this request of a batch"
    return refusals.lost("server_error", f"{what} ({code or 'no reason given'})", Receipt())


def _answered(line: Mapping[str, Any] | None) -> bool:
    response = line.get("response") if line is not None else None
    # A broken line stands in the output file because it was done.
    return line is None or (isinstance(response, Mapping) and response.get("status_code") == 200)
