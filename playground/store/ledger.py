"""The money book: every paid request is reserved before it is sent and accounted for after.

    reserve ──► sent ──► settle (billed)  │ release (surely not billed) │ unknown (may be billed)
                            └ more than reserved: overrun, and the breaker opens

Held money is the sum of the reservations of open and unknown attempts. A reservation checks every
cap (call, run, day, gallery) in the transaction that makes it, so that settled + held never
exceeds a cap, whatever number of threads and processes share the gallery. Nothing leaves
`unknown` by waiting: only evidence (`settle`, `release`) or the owner's word (`resolve`) does.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from playground import failpoints, money
from playground.errors import GalleryProblem, SpendingRefused, UnknownPrice
from playground.store import attempts, budgets, forms, results, schema
from playground.store.batches import BatchBook
from playground.store.bulk import Bulk
from playground.store.database import Database
from playground.store.disk import Disk
from playground.store.presence import Presence
from playground.store.records import (
    OPEN_STATES,
    Attempt,
    Caps,
    NewCaption,
    NewImage,
    State,
    Totals,
    clean,
    microseconds,
)
from playground.values import (
    Bucket,
    Failed,
    Quote,
    Receipt,
    Request,
    Unknown,
    Usage,
)

Scope = Literal["gallery", "day", "run"]
# $1,000,000: no call costs as much, and sums of such amounts stay far from 64 bits.
_MOST_PICOUSD = 10**18
_JUMP = dt.timedelta(hours=36)

_table = schema.attempts
_INSERT = sa.insert(_table)


class Ledger:
    """The ledger of one gallery; safe to use from many threads."""

    def __init__(
        self,
        database: Database,
        *,
        spool: Path,
        disk: Disk | None = None,
        clock: Callable[[], dt.datetime],
        steady: Callable[[], float] | None = None,
    ) -> None:
        """A ledger in `database`; `clock` tells UTC, `steady` seconds that no one can set."""
        self._database = database
        self._spool = spool
        self._disk = disk
        self._clock = clock
        self._steady = steady
        self._opened_at = (clock(), steady() if steady else 0.0)
        self._presence = Presence(database, spool, lambda: microseconds(clock()))
        # The same for many captions at once.
        self.bulk = Bulk(self)
        # The same for calls that wait in a batch at the provider.
        self.batches = BatchBook(self)

    # -- reserving -----------------------------------------------------------------------------

    def reserve(
        self,
        *,
        job_key: str,
        slots: int,
        request: Request,
        quote: Quote,
        provider: str,
        caps: Caps | None = None,
        run_id: str | None = None,
        sample: bool = False,
        rates: Mapping[Bucket, Decimal] | None = None,
    ) -> Attempt:
        """Hold `quote.hold` dollars for one request, durably; send only after this returned.

        Raises:
            SpendingRefused: a cap would be exceeded, an overrun is unexplained, or the gallery is
                open for viewing only.
            UnknownPrice: the quote has no upper bound.
            GalleryProblem: the disk is nearly full or the database cannot be written.
        """
        failpoints.hit("pre_reserve")
        caps = caps or Caps()
        hold = self._check(quote, caps)
        now = self._clock()
        attempt_id = secrets.token_hex(16)
        today = now.astimezone(dt.UTC).date().isoformat()
        owner = self._presence.own()
        row: dict[str, Any] = {
            "id": attempt_id,
            "job_key": clean(job_key),
            "slots": slots,
            "state": "reserved",
            "hold": hold,
            "quoted_low": None if quote.low is None else money.ceil_picousd(quote.low),
            "quoted_high": None if quote.high is None else money.ceil_picousd(quote.high),
            "model": request.model,
            "tier": request.tier,
            "provider": clean(provider),
            "run_id": run_id,
            "sample": int(sample),
            "owner_id": owner.id,
            "price_version": quote.price_version,
            "request_key": request.key,
            "created_at_us": microseconds(now),
            "request": forms.encode(request),
            "rates": None if rates is None else json.dumps(
                {bucket: money.plain(rate) for bucket, rate in rates.items()}
            ),
        }  # fmt: skip

        def job(connection: sa.Connection) -> None:
            self._presence.register(connection)
            day = budgets.hold(connection, hold, caps, today=today, run_id=run_id)
            connection.execute(_INSERT, {**row, "day": day})

        self._database.write(job)
        self._presence.open.add(attempt_id)
        self._presence.registered()
        failpoints.hit("post_reserve")
        return Attempt(
            id=attempt_id,
            job_key=job_key,
            slots=slots,
            request=request,
            provider=provider,
            state="reserved",
            hold=money.from_picousd(hold),
            created_at=now,
            run_id=run_id,
            quoted_low=quote.low,
            quoted_high=quote.high,
            price_version=quote.price_version,
            rates=rates,
            sample=sample,
        )

    def _check(self, quote: Quote, caps: Caps) -> int:
        """What needs no transaction; the amount to hold in picodollars."""
        if self._database.read_only:
            msg = (
                f"{self._database.read_only.rstrip('.')}, so nothing can be bought for it. "
                "Nothing was sent and nothing was spent."
            )
            raise SpendingRefused(msg)
        if quote.hold is None:
            msg = (
                f"The price of {quote.model} is not known, so no upper bound can be held for this "
                "call; give its price with --price. Nothing was sent and nothing was spent."
            )
            raise UnknownPrice(msg)
        hold = money.ceil_picousd(quote.hold)
        if not 0 <= hold <= _MOST_PICOUSD:
            msg = f"a call for up to {money.short(quote.hold)} is not believable; it was not sent"
            raise SpendingRefused(msg)
        if caps.call is not None and hold > budgets.whole(caps.call):
            msg = (
                f"The cap for one call is {money.short(caps.call)}; this needs up to "
                f"{money.short(quote.hold)}. Nothing was sent and nothing was spent."
            )
            raise SpendingRefused(msg)
        if self._disk is not None:
            problem = self._disk.low(len(self._presence.open))
            if problem:
                raise GalleryProblem(problem)
        if self._steady is not None:
            wall, steady = self._opened_at
            ahead = self._clock() - wall - dt.timedelta(seconds=self._steady() - steady)
            if ahead > _JUMP:
                msg = (
                    f"This computer's clock jumped ahead by {ahead.days} days since the gallery "
                    "was opened, which would open new daily budgets; check the date and open the "
                    "gallery again. Nothing was sent and nothing was spent."
                )
                raise SpendingRefused(msg)
        return hold

    def sent(self, attempt_id: str) -> None:
        """Mark that the request is about to leave; call it right before the first byte.

        Raises:
            GalleryProblem: when the mark cannot be written; then nothing may be sent.
        """
        self._presence.mark_sent(attempt_id)

    # -- ending an attempt ---------------------------------------------------------------------

    def settle(
        self,
        attempt_id: str,
        *,
        usage: Usage,
        cost: Decimal,
        receipt: Receipt,
        images: Sequence[NewImage] = (),
        caption: NewCaption | None = None,
        problems: Sequence[str] = (),
        price_version: str | None = None,
    ) -> list[str]:
        """Book what was billed and keep what was made, in one transaction.

        Doing it again changes nothing. It is allowed after `unknown`, `release` and `resolve`
        too: evidence of a bill counts more than its absence. The originals of `images` must be
        stored before. More than was held becomes an overrun, which stops further spending.

        Returns:
            The ids of the gallery items that hold the results.
        """
        if cost < 0:
            msg = f"a bill of {cost} dollars is not possible"
            raise ValueError(msg)
        failpoints.hit("pre_settle")
        now_us = microseconds(self._clock())
        booked = money.ceil_picousd(cost)
        known = {
            "usage": json.dumps(usage.to_dict()),
            "receipt": json.dumps(receipt.to_dict()),
            "request_id": receipt.request_id,
            "problems": json.dumps(list(problems)) if problems else None,
            "reason": "",
            "decided": 0,
        }
        if price_version is not None:
            known["price_version"] = price_version

        def job(connection: sa.Connection) -> list[str]:
            row = attempts.get(connection, attempt_id)
            if row.state in {"settled", "overrun"} and not row.decided:
                return attempts.kept(connection, attempt_id)
            state: State = "overrun" if booked > row.hold else "settled"
            attempts.move(connection, row, state, booked, known, now_us)
            made = attempts.put_images(connection, row, images, usage, booked, now_us)
            if caption is not None:
                values = attempts.caption_values(row, usage, booked, now_us)
                results.put_caption(connection, caption, values, provider=row.provider)
                made.append(caption.item_id)
            failpoints.hit("in_settle")
            return made

        kept = self._database.write(job)
        failpoints.hit("post_settle")
        self._forget(attempt_id)
        return kept

    def release(self, attempt_id: str, failed: Failed) -> None:
        """Give the reservation back: there is evidence that nothing was billed."""
        known = {
            "reason": clean(f"{failed.kind}: {failed.message}"),
            "receipt": json.dumps(failed.receipt.to_dict()),
            "request_id": failed.receipt.request_id,
        }
        self._end(attempt_id, "released", known)
        self._forget(attempt_id)

    def unknown(self, attempt_id: str, unknown: Unknown) -> None:
        """Keep the reservation held: it may have been billed. The spooled answer is kept too."""
        known = {
            "reason": clean(f"{unknown.kind}: {unknown.message}"),
            "receipt": json.dumps(unknown.receipt.to_dict()),
            "request_id": unknown.receipt.request_id,
        }
        self._end(attempt_id, "unknown", known)
        self._presence.open.discard(attempt_id)

    def _end(self, attempt_id: str, state: State, known: dict[str, Any]) -> None:
        now_us = microseconds(self._clock())

        def job(connection: sa.Connection) -> None:
            row = attempts.get(connection, attempt_id)
            if row.state in OPEN_STATES and row.state != state:
                attempts.move(connection, row, state, None, known, now_us)

        self._database.write(job)

    def resolve(self, attempt_id: str, *, dollars: Decimal, reason: str) -> None:
        """Close an unknown attempt on the owner's word: book `dollars` (0 for not billed).

        Raises:
            GalleryProblem: when the attempt is not unknown, or no reason is given.
        """
        if dollars < 0 or not reason.strip():
            msg = "resolving an unknown call takes dollars of 0 or more and a reason"
            raise GalleryProblem(msg)
        now_us = microseconds(self._clock())
        booked = money.ceil_picousd(dollars)

        def job(connection: sa.Connection) -> None:
            row = attempts.get(connection, attempt_id)
            if row.state != "unknown":
                msg = f"call {attempt_id} is {row.state}, not unknown; nothing was changed"
                raise GalleryProblem(msg)
            known = {"reason": clean(f"decided: {reason.strip()}"), "decided": 1}
            attempts.move(connection, row, "settled", booked, known, now_us)

        self._database.write(job)
        self._forget(attempt_id)

    def _forget(self, attempt_id: str) -> None:
        """Remove what was spooled for an attempt that is accounted for."""
        for suffix in (".body", ".part"):
            with contextlib.suppress(OSError):
                os.unlink(f"{self._spool}/{attempt_id}{suffix}")  # noqa: PTH108  for each call
        self._presence.ended(attempt_id)

    # -- looking -------------------------------------------------------------------------------

    def now(self) -> dt.datetime:
        """The time by this ledger's clock (UTC)."""
        return self._clock()

    def totals(self, scope: Scope = "gallery", name: str | None = None) -> Totals:
        """What a budget has committed: the gallery's, a UTC day's (the current one), a run's."""
        with self._database.read() as connection:
            return budgets.totals(connection, scope, name)

    def set_cap(
        self, dollars: Decimal | None, scope: Literal["gallery", "day"] = "gallery"
    ) -> None:
        """Store the gallery's own cap, or the one of each UTC day; None removes it."""
        self._database.write(lambda connection: budgets.set_cap(connection, scope, dollars))

    def attempt(self, attempt_id: str) -> Attempt:
        """One attempt; GalleryProblem when there is none."""
        with self._database.read() as connection:
            row = attempts.get(connection, attempt_id, attempts.LOOK)
        return self._shown(row, self._presence.sent())

    def unknowns(self) -> list[Attempt]:
        """Attempts that may have been billed; their holds add up to the unknown money."""
        return self._list(_table.c.state == "unknown")

    def overruns(self) -> list[Attempt]:
        """Attempts that cost more than was held, until they are acknowledged."""
        return self._list(_table.c.state == "overrun", _table.c.acknowledged_at_us.is_(None))

    def acknowledge_overruns(self) -> int:
        """Close the breaker after looking at the overruns; how many there were."""
        now_us = microseconds(self._clock())

        def job(connection: sa.Connection) -> int:
            budgets.clear_overruns(connection)
            new = sa.and_(_table.c.state == "overrun", _table.c.acknowledged_at_us.is_(None))
            done = sa.update(_table).where(new).values(acknowledged_at_us=now_us)
            return int(connection.execute(done).rowcount)

        return self._database.write(job)

    def dead_attempts(self) -> list[Attempt]:
        """Open attempts whose process no longer lives: never those of a living one.

        Those in a batch are left out: they wait at the provider, not in a process.

        Their state is `reserved` where the request surely never left this machine (release it),
        else `sent` (settle it from a complete spool, or call it unknown).
        """
        query = (
            sa.select(_table)
            .where(_table.c.state.in_(("reserved", "sent")), _table.c.batch_id.is_(None))
            .order_by(_table.c.created_at_us)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            owner_ids = {row.owner_id for row in rows}
            held_by = sa.select(schema.owners).where(schema.owners.c.id.in_(owner_ids))
            owners = {row.id: row for row in connection.execute(held_by)}
        living = self._presence.living(owners.values())
        sent = self._presence.sent()
        seen = {name for name, row in owners.items() if self._presence.sees_all_of(row)}
        return [
            self._shown(row, sent) if row.owner_id in seen else attempts.shown(row, state="sent")
            for row in rows
            if row.owner_id not in living
        ]

    def answered(self, job_keys: Sequence[str]) -> set[str]:
        """Those of the jobs that were billed and answered, so that asking again would pay twice."""
        found: set[str] = set()
        billed = sa.and_(_table.c.state.in_(("settled", "overrun")), _table.c.decided == 0)
        with self._database.read() as connection:
            for start in range(0, len(job_keys), 500):
                some = list(job_keys[start : start + 500])
                query = sa.select(_table.c.job_key).where(_table.c.job_key.in_(some), billed)
                found.update(connection.execute(query).scalars().all())
        return found

    def booked(self, limit: int = 20_000) -> list[Attempt]:
        """The newest attempts that were billed for an answer, samples included."""
        billed = sa.and_(_table.c.state.in_(("settled", "overrun")), _table.c.decided == 0)
        query = sa.select(_table).where(billed).order_by(_table.c.created_at_us.desc()).limit(limit)
        with self._database.read() as connection:
            return [attempts.shown(row) for row in connection.execute(query)]

    def spend(self, by: str) -> list[dict[str, Any]]:
        """Money by `day`, `model`, `tier` or `run` (`budgets.spend`)."""
        with self._database.read() as connection:
            return budgets.spend(connection, by)

    def _list(self, *where: sa.ColumnElement[bool]) -> list[Attempt]:
        query = sa.select(_table).where(*where).order_by(_table.c.created_at_us)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        sent = self._presence.sent() if rows else frozenset()
        return [self._shown(row, sent) for row in rows]

    def _shown(self, row: sa.Row[Any], sent: frozenset[str]) -> Attempt:
        waiting = row.state == "reserved" and row.id in sent
        return attempts.shown(row, state="sent" if waiting else None)

    def beat(self) -> None:
        """Tell other hosts that this process still lives (a thread does so while it is in use)."""
        self._presence.beat()

    def close(self) -> None:
        """End this process's lease: what it left open can be recovered at once."""
        self._presence.close()


def steady_seconds() -> float:
    """Seconds since some start, counting sleep, that setting the clock does not change."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
