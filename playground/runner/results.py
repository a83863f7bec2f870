"""What came of a call, of a folder, of a recovery: frozen values that compare quote and bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground import money
from playground.pricing import Bill
from playground.size import Size
from playground.values import (
    Captioned,
    Failed,
    Generated,
    ImageRequest,
    Outcome,
    Quote,
    Request,
    Unknown,
    Usage,
)

if TYPE_CHECKING:
    from playground.runner.progress import Forecast
    from playground.runner.trial import Trial


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture that a call put into the gallery. `path` is None for object storage."""

    id: str
    sha256: str
    format: str
    size: Size
    path: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in `playground generate --json`."""
        return {
            "id": self.id,
            "path": None if self.path is None else str(self.path),
            "sha256": self.sha256,
            "size": str(self.size),
        }


@dataclass(frozen=True, slots=True)
class Result:
    """One paid call: what was quoted, what came, what was billed.

    Attributes:
        request: as it was asked, with measured photos.
        quote: for what was sent (photos as prepared), the reservation included.
        outcome: Generated, Captioned, Failed or Unknown.
        bill: what was booked; None when nothing was billed or it is not known.
        items: the pictures that are now in the gallery.
        item_id: the photo in the gallery that a caption belongs to.
        text, tags, data: the caption as it is kept.
        seconds: from the reservation to the last byte.
        notes: what differs from what was asked, and warnings; sentences.
    """

    request: Request
    quote: Quote
    outcome: Outcome
    attempt_id: str
    bill: Bill | None = None
    items: tuple[Kept, ...] = ()
    item_id: str | None = None
    text: str = ""
    tags: tuple[str, ...] = ()
    data: Mapping[str, Any] | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is an answer (which was billed)."""
        return isinstance(self.outcome, Generated | Captioned)

    @property
    def billed(self) -> Decimal | None:
        """Dollars: what was booked, 0 when it failed unbilled, None when it is unknown."""
        if isinstance(self.outcome, Failed):
            return Decimal(0)
        return None if self.bill is None else self.bill.dollars

    @property
    def held(self) -> Decimal:
        """Dollars that stay reserved because nobody knows whether it was billed."""
        return self.quote.hold or Decimal(0) if isinstance(self.outcome, Unknown) else Decimal(0)

    @property
    def difference(self) -> Decimal | None:
        """Dollars by which the bill left the quoted range: above (positive), below (negative)."""
        if self.bill is None or self.bill.dollars is None:
            return None
        if self.quote.low is None or self.quote.high is None:
            return None
        above = self.bill.dollars - self.quote.high
        below = self.bill.dollars - self.quote.low
        return above if above > 0 else below if below < 0 else Decimal(0)

    @property
    def usage(self) -> Usage:
        """Billed tokens, all zero without an answer."""
        outcome = self.outcome
        return outcome.usage if isinstance(outcome, Generated | Captioned) else Usage()

    @property
    def asked(self) -> Mapping[str, str]:
        """Size and quality that were asked for (pictures)."""
        request = self.request
        if not isinstance(request, ImageRequest):
            return {}
        return {"size": str(request.size), "quality": request.quality}

    @property
    def delivered(self) -> Mapping[str, str]:
        """Size and quality that came, as far as the pictures and the answer tell."""
        if not isinstance(self.outcome, Generated):
            return {}
        sizes = dict.fromkeys(str(image.size) for image in self.outcome.images)
        quality = self.outcome.receipt.echoed.get("quality")
        return {"size": ", ".join(sizes)} | ({"quality": quality} if quality else {})

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `playground generate`; money as decimal strings in dollars."""
        quoted = self.quote.to_dict()
        billed = self.billed
        form: dict[str, Any] = {
            "items": [item.to_dict() for item in self.items],
            "quoted": {"tokens": quoted["tokens"], "dollars": quoted["dollars"]},
            "billed": {
                "tokens": self.usage.to_dict(),
                "dollars": None if billed is None else money.plain(billed),
            },
            "request_id": self.outcome.receipt.request_id,
            "seconds": round(self.seconds, 3),
            "outcome": type(self.outcome).__name__.lower(),
            "asked": dict(self.asked),
            "delivered": dict(self.delivered),
            "notes": list(self.notes),
        }
        if isinstance(self.outcome, Failed | Unknown):
            form["message"] = self.outcome.message
            form["held_dollars"] = money.plain(self.held)
        if not isinstance(self.request, ImageRequest):
            form |= {"text": self.text, "tags": list(self.tags), "data": self.data}
            form["item"] = self.item_id
        return form


@dataclass(frozen=True, slots=True)
class Problem:
    """A photo that has no caption, and the sentence that says why."""

    path: str
    why: str

    def to_dict(self) -> dict[str, str]:
        """As in `playground caption --json`."""
        return {"path": self.path, "why": self.why}


@dataclass(frozen=True, slots=True)
class Summary:
    """A folder's run so far. `planned` counts the calls that it began with.

    `stopped` says why it ended early ("" when it did not); running it again continues.
    `quoted` is the sum for what was planned. `forecast` and `trial` came of a pilot.
    """

    captioned: int = 0
    skipped: int = 0
    failed: int = 0
    unknown: int = 0
    settled_dollars: Decimal = Decimal(0)
    held_dollars: Decimal = Decimal(0)
    seconds: float = 0.0
    errors: tuple[Problem, ...] = ()
    planned: int = 0
    quoted: Quote | None = field(default=None, repr=False)
    stopped: str = ""
    interrupted: bool = False
    run_id: str = ""
    forecast: Forecast | None = None
    trial: Trial | None = field(default=None, repr=False)

    @property
    def photos_per_second(self) -> float:
        """Captions a second."""
        return self.captioned / self.seconds if self.seconds else 0.0

    @property
    def done(self) -> int:
        """Calls that have ended, however."""
        return self.captioned + self.failed + self.unknown

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `playground caption`."""
        form: dict[str, Any] = {
            "captioned": self.captioned,
            "skipped": self.skipped,
            "failed": self.failed,
            "unknown": self.unknown,
            "settled_dollars": money.plain(self.settled_dollars),
            "held_dollars": money.plain(self.held_dollars),
            "seconds": round(self.seconds, 3),
            "photos_per_second": round(self.photos_per_second, 3),
            "errors": [problem.to_dict() for problem in self.errors],
            "planned": self.planned,
            "stopped": self.stopped,
        }
        if self.quoted is not None:
            form["quoted"] = {"dollars": self.quoted.to_dict()["dollars"]}
        return form


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of the calls that ended processes left open: counts of attempts."""

    settled: int = 0
    released: int = 0
    unknown: int = 0

    def __bool__(self) -> bool:
        return bool(self.settled or self.released or self.unknown)
