"""What the archive page says about a job: from its status to sentences and prices, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from playground import money, render
from playground.jobs import Seen
from playground.runner import CONSENT_DOLLARS, Forecast

PILOT = 50
RUNNING = frozenset({"pilot", "running", "paused"})
LOOKING = frozenset({"starting", "scanning", "comparing", "pricing"})

# What to do about photos that were set aside, by a word of the reason.
_ADVICE = (
    ("HEIC", "Convert them to JPEG (or export them so from the phone), then look again."),
    ("permission", "Let this user read them, then look again: what is answered stays answered."),
    ("cannot be read", "See whether the disk or the share is there, then look again."),
    ("is missing", "They were moved or deleted since they were found; look again."),
    ("has changed since", "They were changed while the run went on; look again to ask about them."),
    ("cut short", "Their files are damaged: take them from a backup, or leave them out."),
    ("empty", "Their files have no bytes: take them from a backup, or leave them out."),
    ("pixels", "They are larger than is safe to decode: save smaller copies of them."),
    ("pictures are read", "They are no pictures that a model can be sent; leave them out."),
    ("another program", "Another run is asking about them; go on when that one has ended."),
    ("refused", "The provider will not answer about them; leave them out, or change the question."),
    ("policy", "The provider will not answer about them; leave them out, or change the question."),
    (
        "unknown",
        "They may have been billed, so their price stays held; see the gallery's spending.",
    ),
    ("cut off", "The answer was longer than allowed: choose a longer answer, then go on."),
)
_OTHERWISE = "Go on to try them once more; each try is booked, and nothing answered is asked again."


@dataclass(frozen=True, slots=True)
class Cap:
    """The cap of a run as it was typed: dollars, or why it is none."""

    text: str = ""
    dollars: Decimal | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be bought: what its button says, why it cannot be pressed ("": it can).

    `most` dollars may be spent; they have to be agreed to where it `asks`.
    """

    button: str
    wait: str = ""
    most: Decimal = Decimal(0)
    asks: bool = False
    note: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Board:
    """A job, and what can be done with it now.

    `stage` is empty, looking, planned, running, ended, or lost: its worker was killed.
    """

    seen: Seen | None
    stage: str
    run: Offer
    pilot: Offer
    headline: str = ""
    problem: str = ""
    sample: int = 0


NO_CAP = Cap()


def read_cap(text: str) -> Cap:
    """A cap as typed; an empty one is no cap."""
    typed = text.strip().lstrip("$").replace(",", "")
    if not typed:
        return Cap()
    try:
        dollars = money.usd(typed)
    except (TypeError, ValueError):
        dollars = Decimal(-1)
    if not 0 < dollars < 1_000_000_000:
        return Cap(
            text, None, f"The cap is an amount of dollars such as 5.00, not “{text.strip()}”."
        )
    return Cap(text, dollars)


def board(
    seen: Seen | None,
    *,
    cap: Cap = NO_CAP,
    sample: int = 0,
    room: Decimal | None = None,
    stale: bool = False,
    shut: str = "",
) -> Board:
    """What the page shows.

    Args:
        sample: photos of the pilot; 0: as many as make sense.
        room: dollars that the gallery's caps leave; None without a cap.
        stale: the worker has not heard of the last change yet.
        shut: why nothing can be asked at all, for example a gallery that cannot be written.
    """
    if seen is None:
        nothing = Offer("Caption", "Choose photos first.")
        return Board(None, "empty", nothing, Offer("Try some first"))
    status, stage = seen.status, _stage(seen)
    problem = str(status.get("problem") or seen.last_words or "")
    wait = shut or _wait(seen, stage, stale) or cap.problem
    asking = int(status.get("asking") or 0)
    count = min(sample or PILOT, asking) if sample else min(PILOT, max(5, asking // 5))
    return Board(
        seen,
        stage,
        run=_run(status, cap, room, wait),
        pilot=_pilot(status, min(count, asking), cap, room, wait),
        headline=_headline(seen, stage),
        problem=problem,
        sample=min(count, asking),
    )


def advice(why: str) -> str:
    """What to do about photos that were set aside for this reason."""
    return next((words for word, words in _ADVICE if word in why), _OTHERWISE)


def rounded(low: Decimal, high: Decimal) -> str:
    """A forecast's bounds, with as many digits as their distance is worth."""
    return str(Forecast(low, low, high, 0.9, 1)).partition(" (")[0]


def whole(status: Mapping[str, Any]) -> tuple[Decimal, Decimal] | None:
    """What the whole job is thought to cost after its pilot."""
    found = status.get("forecast")
    return (Decimal(found["low"]), Decimal(found["high"])) if found else None


def spent(status: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    """Billed and held by the job so far."""
    known = status.get("spent") or {}
    return Decimal(known.get("settled", 0)), Decimal(known.get("held", 0))


def _stage(seen: Seen) -> str:
    phase = seen.phase
    if seen.killed and phase in LOOKING | RUNNING:
        return "lost"
    if phase in RUNNING:
        return "running"
    if phase in LOOKING and not seen.status.get("closed"):
        return "looking"
    return "ended" if phase == "ended" else "planned"


def in_batches(status: Mapping[str, Any]) -> str:
    """How far a job's batches are, in words; "" when it has none under way."""
    found = status.get("batches") or {}
    going = int(found.get("going") or 0)
    if not going:
        return ""
    some = "1 batch" if going == 1 else f"{going:,} batches"
    return f"{some} in progress, {found['done']:,} of {found['lines']:,} lines done"


def _headline(seen: Seen, stage: str) -> str:
    status = seen.status
    answers = f"{int(status.get('answers') or 0):,} captions"
    waiting = int(status.get("waiting") or 0)
    if waiting and stage in {"lost", "ended", "planned"}:
        why = "The program that waited was killed. " if stage == "lost" else ""
        if status.get("stopped") and stage != "lost":
            why = f"Stopped: {status['stopped']}. "
        return (
            f"{why}{_photos(waiting)} wait at the provider ({in_batches(status) or 'in batches'}) "
            "and are answered without this program. Bring them in here, or with "
            "playground batches --fetch; nothing is asked or paid twice."
        )
    if stage == "lost":
        if seen.phase in RUNNING:
            return (
                f"The program that ran this was killed. {answers} are safe in the gallery; what "
                "was under way is settled or held when you go on, and nothing is asked twice."
            )
        return "The program that looked at the photos was killed. Nothing was sent; look again."
    if status.get("stopped") and stage in {"ended", "planned"}:
        return f"Stopped: {status['stopped']}. What came before is kept."
    return ""


def _wait(seen: Seen, stage: str, stale: bool) -> str:
    """Why nothing can be asked now."""
    status = seen.status
    if stage == "running":
        return "Captions are being written."
    if stage == "looking" or stale:
        return "The price is being worked out." if seen.phase == "pricing" else "Wait for the plan."
    if status.get("problem") and not status.get("asking"):
        return str(status["problem"])
    if not status.get("asking"):
        if stage == "lost" or status.get("waiting"):
            return ""
        if not status.get("photos"):
            return "There are no photos there."
        if status.get("skipped"):
            return "Everything here is answered already; nothing is asked twice."
        return "There is nothing to ask about."
    return ""


def _prices(status: Mapping[str, Any]) -> tuple[Decimal, Decimal, Decimal] | None:
    """Low and high of what is left to ask, and the most that it may take."""
    quote = status.get("quote")
    if not quote or quote["low"] is None or quote["high"] is None:
        return None
    low, high = Decimal(quote["low"]), Decimal(quote["high"])
    most = Decimal(quote["most"])
    expected = whole(status)
    if expected is not None:
        billed = spent(status)[0]
        low = max(low, expected[0] - billed)
        high = max(low, min(high, expected[1] - billed))
    return low, high, most


def _run(status: Mapping[str, Any], cap: Cap, room: Decimal | None, wait: str) -> Offer:
    asking, prices = int(status.get("asking") or 0), _prices(status)
    photos, waiting = _photos(asking), int(status.get("waiting") or 0)
    if waiting and not asking:
        held = money.short(Decimal((status.get("batches") or {}).get("held") or 0))
        note = f"They are handed in; {held} is held for them. Nothing new is bought."
        return Offer(f"Bring in {_photos(waiting)} that wait", wait, note=note)
    if prices is None:
        return Offer("Caption", wait or "The price is not known.")
    low, high, most = prices
    told = rounded(low, high) if whole(status) else render.range_text(low, high)
    left, whose = _left(status, cap, room)
    note = ""
    if left is not None and left < most:
        least = Decimal(status.get("least") or 0)
        if left < least:
            wait = wait or (
                f"{whose} leaves {money.short(left)}, less than one photo may cost "
                f"({money.short(least)}): nothing could be sent."
            )
        elif left < high:
            enough = int(left / (most / asking)) if most and asking else 0
            note = (
                f"{whose} leaves {money.short(left)}: enough for {max(1, enough):,} photos or "
                "more. The run stops there, and can go on under a higher cap."
            )
        most = left
    if waiting:
        note = f"{_photos(waiting)} more wait in a batch and are left out of the price. {note}"
    verb = "Caption" if not status.get("answers") else "Caption the other"
    return Offer(f"{verb} {photos} · {told}", wait, most, most > CONSENT_DOLLARS, note)


def _pilot(
    status: Mapping[str, Any], count: int, cap: Cap, room: Decimal | None, wait: str
) -> Offer:
    asking, quote = int(status.get("asking") or 0), status.get("quote")
    if not quote or quote["low"] is None or quote["high"] is None or count < 1:
        return Offer("Try some first", wait or "There is nothing to ask about.")
    # Where the rest goes in batches, a pilot is still asked now, at its own price.
    now = status.get("pilot_quote")
    quote = now or quote
    share = Decimal(count) / (now["of"] if now else asking)
    low, high = Decimal(quote["low"]) * share, Decimal(quote["high"]) * share
    most = Decimal(quote["most"]) * share
    left, whose = _left(status, cap, room)
    least = Decimal((now or status).get("least") or 0)
    if left is not None and left < least:
        wait = wait or f"{whose} leaves {money.short(left)}: less than one photo may cost."
    cost = render.range_text(_round(low), _round(high))
    # Which photos are drawn is open, so the agreement has room for the dearest.
    words = f"Try {count:,} now" if now else f"Try {count:,} first"
    note = "What is tried is answered now, at the standard price." if now else ""
    return Offer(f"{words} · {cost}", wait, most * 2, most * 2 > CONSENT_DOLLARS, note)


def _photos(count: int) -> str:
    return f"{count:,} photo{'' if count == 1 else 's'}"


def _round(dollars: Decimal) -> Decimal:
    return dollars.quantize(Decimal(1).scaleb(dollars.adjusted() - 1)) if dollars else dollars


def _left(status: Mapping[str, Any], cap: Cap, room: Decimal | None) -> tuple[Decimal | None, str]:
    """What may still be committed, and by whose limit."""
    own = None if cap.dollars is None else max(Decimal(0), cap.dollars - sum(spent(status)))
    if own is not None and (room is None or own <= room):
        return own, "The cap of this run"
    if room is not None:
        return max(room, Decimal(0)), "The gallery's cap"
    return None, ""
