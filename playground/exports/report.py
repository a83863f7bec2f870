"""What an export did, to be shown: how many items, where, and what the user should know."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Exported:
    """The outcome of an export.

    `notes` are whole sentences: pictures whose file is gone, Content Credentials that a copy does
    not keep, texts that were cut.
    """

    path: str
    format: str
    items: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `playground gallery export --json`."""
        return {
            "path": self.path,
            "format": self.format,
            "items": self.items,
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class Notes:
    """Gathers what happened to single items, and says it once with their number."""

    _counts: Counter[str] = field(default_factory=Counter)
    _first: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, item_id: str) -> None:
        """Note `what` (words that follow a number: "pictures have no file") about an item."""
        self._counts[what] += 1
        self._first.setdefault(what, item_id)

    def sentences(self) -> tuple[str, ...]:
        """One sentence for each thing that happened, with the first item as an example."""
        return tuple(
            f"{count:,} {what} (first: {self._first[what]})" for what, count in self._counts.items()
        )
