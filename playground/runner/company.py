"""Runs that ask the same model of the same provider at the same time: they share its limit.

Twice a second each run says in a small file of its own, in the gallery's spool, what it knows of
the limit and how much of it it uses, and reads what the others say. There is nothing to lock and
nothing to mend: who falls silent is no longer reckoned with. Only runs on one gallery, whose spool
is in one folder, know of each other; others learn it from refusals.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

# Between two looks at the others; who says nothing for so long is gone.
MEET_SECONDS = 0.5
_SILENT_SECONDS = 3.0
_FORGOTTEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a run tells the others; times are seconds of its clock.

    Attributes:
        requests, tokens: a second, that all runs together may ask; 0 while no limit is known.
        stated: whether the provider has said so.
        used: calls a second that it makes of late. held_back: whether its limit holds it back.
        cut_at, at_cut: when the rate was last lowered, and what it was.
        not_before: when the provider wants to be asked again.
    """

    requests: float
    tokens: float
    stated: bool
    used: float
    held_back: bool
    cut_at: float
    at_cut: float
    not_before: float


def share_of(others: Sequence[Told], limit: float) -> float:
    """How much of a limit of calls a second is this run's: what the others leave, an even part
    at least.
    """
    even = 1 / (1 + len(others))
    if limit <= 0:
        return even
    # Who is not held back keeps what it uses, and some room; the others have the rest.
    modest = [min(1.25 * one.used + 0.1, limit * even) for one in others if not one.held_back]
    eager = 1 + len(others) - len(modest)
    return max(even, (limit - sum(modest)) / eager / limit)


class Company:
    """The runs of one gallery that ask about the same thing: provider and model."""

    def __init__(self, folder: Path, about: str, clock: Callable[[], float]) -> None:
        mark = hashlib.sha256(about.encode("utf-8", "replace")).hexdigest()[:16]
        self._pattern = f"{mark}-*.pace"
        self._folder, self._own = folder, folder / f"{mark}-{secrets.token_hex(6)}.pace"
        self._clock = clock

    def meet(self, mine: Told) -> list[Told]:
        """Say how it goes here, and hear of the others; what cannot be read is not there."""
        now, ahead = time.time(), time.time() - self._clock()
        with contextlib.suppress(OSError):
            part = self._own.with_suffix(".part")
            part.write_text(json.dumps({"at": now, **asdict(_shifted(mine, ahead))}))
            part.replace(self._own)
        found = []
        for path in self._folder.glob(self._pattern):
            if path == self._own:
                continue
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                values = json.loads(path.read_text())
                age = abs(now - float(values.pop("at")))
                if age <= _SILENT_SECONDS:
                    found.append(_shifted(Told(**values), -ahead))
                elif age > _FORGOTTEN_SECONDS:
                    path.unlink(missing_ok=True)
        return found

    def leave(self) -> None:
        """The run is over."""
        for path in (self._own, self._own.with_suffix(".part")):
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108  nothing else is done here


def _shifted(told: Told, seconds: float) -> Told:
    return replace(told, cut_at=told.cut_at + seconds, not_before=told.not_before + seconds)
