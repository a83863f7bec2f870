"""What the embedded provider saw and what it would have billed: the other side of the ledger."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from playground import money
from playground.values import Usage

_KEPT_CALLS = 200_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: `at` in seconds since the epoch, `billed` in dollars (None: no known price)."""

    at: float
    endpoint: str
    client_request_id: str
    body_sha256: str
    model: str
    status: int | None
    usage: Usage
    billed: Decimal | None
    fault: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values; dollars as a decimal string."""
        return {
            "at": round(self.at, 6),
            "endpoint": self.endpoint,
            "client_request_id": self.client_request_id,
            "body_sha256": self.body_sha256,
            "model": self.model,
            "status": self.status,
            "usage": self.usage.to_dict(),
            "billed": None if self.billed is None else money.plain(self.billed),
            "fault": self.fault,
        }


class Truth:
    """Every call in its order (the last 200,000) and exact totals over all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Seen] = deque(maxlen=_KEPT_CALLS)
        self._requests = 0
        self._billed_calls = 0
        self._dollars = Decimal(0)
        self._faults: Counter[str] = Counter()

    def add(self, seen: Seen) -> None:
        """Record a call; done before the first byte of its answer is sent."""
        with self._lock:
            self._calls.append(seen)
            self._requests += 1
            if seen.fault:
                self._faults[seen.fault] += 1
            if seen.billed is not None and seen.billed > 0:
                self._billed_calls += 1
                self._dollars += seen.billed

    @property
    def requests(self) -> int:
        """How many paid requests arrived (also those that were refused)."""
        return self._requests

    @property
    def dollars(self) -> Decimal:
        """What would have been billed in all."""
        return self._dollars

    @property
    def calls(self) -> list[Seen]:
        """The calls, oldest first."""
        with self._lock:
            return list(self._calls)

    def to_dict(self) -> dict[str, Any]:
        """The document of `GET /_truth`."""
        with self._lock:
            return {
                "requests": self._requests,
                "billed_calls": self._billed_calls,
                "dollars": money.plain(self._dollars),
                "faults": dict(sorted(self._faults.items())),
                "calls": [seen.to_dict() for seen in self._calls],
            }
