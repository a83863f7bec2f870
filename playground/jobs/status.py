"""What a worker knows of itself: the status that pages read, and the signs that it was given."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A status that changes is written so often, one that does not every two seconds.
TELL_SECONDS = 0.25
BUSY = frozenset({"starting", "scanning", "comparing", "pricing", "pilot", "running", "paused"})


@dataclass(frozen=True, slots=True)
class Signs:
    """Said by one thread, seen by the other: end, do not compare on, do not look on."""

    closing: threading.Event = field(default_factory=threading.Event)
    skip: threading.Event = field(default_factory=threading.Event)
    halt: threading.Event = field(default_factory=threading.Event)


class Status:
    """How a job goes, as JSON values; one thread tells, another one writes it down."""

    def __init__(self) -> None:
        self.phase = "starting"
        self.changed = True
        self.told: Mapping[str, Any] = {}

    def tell(self, **values: Any) -> None:
        """Say something anew."""
        self.told = {**self.told, **values}
        self.changed = True

    def set_phase(self, phase: str) -> None:
        """Say what is done now; a job that can be left alone is `planned` or `ended`."""
        self.phase = phase
        self.changed = True

    def at_rest(self) -> None:
        """Nothing is being done."""
        self.set_phase("ended" if self.told.get("ended") else "planned")
