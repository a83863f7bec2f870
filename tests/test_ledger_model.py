"""Random operations on the ledger against a model that fits on a screen (reliability case A10).

PLAYGROUND_MODEL_OPS=1000000 pytest tests/test_ledger_model.py runs the long version.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from playground.errors import GalleryProblem, SpendingRefused
from playground.money import from_picousd, to_picousd
from playground.store import Attempt, Caps, Gallery
from playground.values import Failed, Receipt, Unknown, Usage

OPERATIONS = int(os.environ.get("PLAYGROUND_MODEL_OPS", "3000"))
LIVE, DONE = {"reserved", "unknown"}, {"settled", "overrun"}


class Model:
    """What the ledger promises, in whole picodollars."""

    def __init__(self) -> None:
        self.cap, self.run_cap = 90_000_000_007, 60_000_000_003
        self.state: dict[str, str] = {}
        self.hold: dict[str, int] = {}
        self.run: dict[str, str] = {}
        self.held = {"": 0, "a": 0, "b": 0}
        self.settled = {"": 0, "a": 0, "b": 0}
        self.over = 0
        self.breaker = False

    def allows(self, hold: int, run: str) -> bool:
        committed = {name: self.settled[name] + self.held[name] + hold for name in self.held}
        return committed[""] <= self.cap and committed[run] <= self.run_cap and not self.breaker

    def reserve(self, attempt: str, hold: int, run: str) -> None:
        self.state[attempt], self.hold[attempt], self.run[attempt] = "reserved", hold, run
        self.add(attempt, held=hold)

    def settle(self, attempt: str, cost: int) -> None:
        if self.state[attempt] not in DONE:
            over = max(0, cost - self.hold[attempt])
            self.over, self.breaker = self.over + over, self.breaker or over > 0
            self.end(attempt, "overrun" if over else "settled", cost)

    def end(self, attempt: str, state: str, cost: int = 0) -> None:
        before = self.state[attempt] in LIVE
        if before or state in DONE:
            self.state[attempt] = state
            freed = self.hold[attempt] * (before - (state in LIVE))
            self.add(attempt, held=-freed, settled=cost)

    def add(self, attempt: str, held: int = 0, settled: int = 0) -> None:
        for name in ("", self.run[attempt]):
            self.held[name] += held
            self.settled[name] += settled


@pytest.fixture
def quick_gallery() -> Iterator[Gallery]:
    """A gallery in memory-backed storage where there is some: thousands of commits."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="model-", dir=memory if memory.is_dir() else None)
    try:
        with Gallery(folder) as gallery:
            yield gallery
    finally:
        shutil.rmtree(folder)


def test_the_ledger_equals_its_model_after_every_operation(
    quick_gallery: Gallery, reserve: Callable[..., Attempt]
) -> None:
    follow(quick_gallery, reserve, OPERATIONS, seed=20261120)


@pytest.mark.postgres
def test_the_ledger_on_postgresql_equals_its_model_too(
    postgres: Any, tmp_path: Path, reserve: Callable[..., Attempt]
) -> None:
    with Gallery(postgres.new_database(), files=tmp_path / "files") as gallery:
        follow(gallery, reserve, min(OPERATIONS, 300), seed=7)


def follow(
    gallery: Gallery, reserve: Callable[..., Attempt], operations: int, *, seed: int
) -> None:
    dice, model, ledger = random.Random(seed), Model(), gallery.ledger
    recent: deque[str] = deque(maxlen=12)
    refused = resolved = 0
    for number in range(operations):
        what = dice.choices(
            ("reserve", "settle", "release", "unknown", "resolve", "acknowledge", "raise"),
            (40, 20, 8, 20, 15, 5, 8),
        )[0]
        one = dice.choice(recent) if recent else ""
        if what == "reserve":
            run, hold = dice.choice("ab"), dice.randrange(1, 20_000_000_000)
            caps = Caps(gallery=from_picousd(model.cap), run=from_picousd(model.run_cap))
            amount = str(from_picousd(hold))
            try:
                attempt = reserve(gallery, amount, job=str(number), caps=caps, run_id=run)
            except SpendingRefused:
                assert not model.allows(hold, run)
                refused += 1
            else:
                assert model.allows(hold, run)
                model.reserve(attempt.id, hold, run)
                recent.append(attempt.id)
        elif what == "acknowledge":
            ledger.acknowledge_overruns()
            model.breaker = False
        elif what == "raise":
            more = dice.randrange(60_000_000_000)
            model.cap, model.run_cap = model.cap + more, model.run_cap + more // 2
        elif not one:
            continue
        elif what == "settle":
            cost = dice.randrange(0, model.hold[one] + 1)
            if dice.random() < 0.02:
                cost += model.hold[one]  # more than was held
            ledger.settle(one, usage=Usage(), cost=from_picousd(cost), receipt=Receipt())
            model.settle(one, cost)
        elif what == "release":
            ledger.release(one, Failed("rate_limit", "no"))
            model.end(one, "released")
        elif what == "unknown":
            ledger.unknown(one, Unknown("timeout", "no"))
            model.end(one, "unknown")
        elif model.state[one] == "unknown":
            cost = dice.randrange(0, model.hold[one] + 1)
            ledger.resolve(one, dollars=from_picousd(cost), reason="as on the bill")
            model.end(one, "settled", cost)
            recent.remove(one)  # evidence after the owner's word has a test of its own
            resolved += 1
        else:
            with pytest.raises(GalleryProblem):
                ledger.resolve(one, dollars=Decimal(0), reason="x")
        if number % 10 == 0:
            check(gallery, model)
    check(gallery, model)
    assert min(refused, resolved) > operations // 200
    assert len(ledger.unknowns()) == list(model.state.values()).count("unknown")
    assert [finding for finding in gallery.verify() if "budget" in finding.text] == []
    for by in ("day", "model", "tier", "run"):
        rows = gallery.spend(by)
        assert to_picousd(sum(row["settled"] for row in rows)) == model.settled[""]
        assert to_picousd(sum(row["held"] for row in rows)) == model.held[""]


def check(gallery: Gallery, model: Model) -> None:
    for scope, run in (("gallery", ""), ("run", "a"), ("run", "b")):
        totals = gallery.ledger.totals(scope, run)
        assert to_picousd(totals.settled) == model.settled[run]
        assert to_picousd(totals.held) == model.held[run]
        assert totals.cap is None or to_picousd(totals.cap) <= model.run_cap
    # Only a bill above its hold can carry the sum over a cap, and then spending stops.
    assert model.settled[""] + model.held[""] <= model.cap + model.over
