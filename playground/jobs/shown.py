"""How a job goes, as the JSON values of its status: money as decimal text, lists cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from playground import money
from playground.runner import Forecast, Problem, Progress
from playground.runner.plan import Saving
from playground.runner.progress import as_json, reason_of
from playground.store import Totals
from playground.values import Photo, Quote

# What a page shows of long lists; the whole list of set-aside photos is a file.
FILES_A_REASON = 20
REASONS = 20
GROUPS = 24
IN_A_GROUP = 8


def price(quote: Quote | None) -> dict[str, Any] | None:
    """Low and high, and the most that has to be agreed to."""
    if quote is None:
        return None
    most = max(quote.high or Decimal(0), quote.hold or Decimal(0))
    return {
        "low": _plain(quote.low),
        "high": _plain(quote.high),
        "most": money.plain(most),
        "exact": quote.low is not None and quote.low == quote.high,
        "notes": list(quote.notes[:4]),
    }


def savings(found: Sequence[Saving]) -> list[dict[str, Any]]:
    """What smaller photos would cost."""
    return [
        {
            "resize": one.resize,
            "low": money.plain(one.low),
            "high": money.plain(one.high),
            "bytes": one.upload_bytes,
        }
        for one in found
    ]


def forecast(found: Forecast | None) -> dict[str, Any] | None:
    """A pilot's forecast."""
    return None if found is None else found.to_dict()


def spent(totals: Totals) -> dict[str, str]:
    """What the ledger says about the job, over all its runs."""
    return {
        "settled": money.plain(totals.settled),
        "held": money.plain(totals.held),
        "sample": money.plain(totals.sample),
    }


def progress(now: Progress, before: Decimal) -> dict[str, Any]:
    """A run at this moment; `before` dollars were billed by runs of the same job before it."""
    form = {**as_json(now)}
    whole = now.at_completion
    form["at_completion"] = None
    if whole is not None:
        form["at_completion"] = {
            "low": money.plain(whole.low + before),
            "high": money.plain(whole.high + before),
            "sampled": whole.sampled,
        }
    del form["reasons"]
    return form


def reasons(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Problems by their reason, the most frequent first, each with some of its files."""
    found: dict[str, dict[str, Any]] = {}
    for problem in problems:
        key, shown = reason_of(problem.path, problem.why)
        known = found.setdefault(key, {"why": shown, "count": 0, "files": []})
        known["count"] += 1
        if len(known["files"]) < FILES_A_REASON:
            known["files"].append(problem.path)
    return sorted(found.values(), key=lambda one: -one["count"])[:REASONS]


def alike(
    groups: Sequence[Sequence[Photo]], twins: Mapping[str, str], answered: set[str]
) -> list[dict[str, Any]]:
    """Groups of photos that look alike: who is asked about, who is not because of whom."""
    return [
        {
            "count": len(group),
            "photos": [
                {
                    "sha256": photo.sha256,
                    "path": str(photo.path),
                    "size": str(photo.size),
                    "twin": twins.get(str(photo.sha256)),
                    "answered": photo.sha256 in answered,
                }
                for photo in group[:IN_A_GROUP]
            ],
        }
        for group in groups[:GROUPS]
    ]


def _plain(dollars: Decimal | None) -> str | None:
    return None if dollars is None else money.plain(dollars)
