"""The money book: every paid request is reserved before it is sent and accounted for after.

    reserve ──► sent ──► settle (billed)  │ release (surely not billed) │ unknown (may be billed)
                            └ more than reserved: overrun, and the breaker opens

Held money is the sum of the reservations of open and unknown attempts. A reservation checks every
cap (call, run, day, gallery) in the transaction that makes it, so that settled + held never
exceeds a cap, whatever number of threads and processes share the gallery. Nothing leaves
`unknown` by waiting: only evidence (`settle`, `release`) or the owner's word (`resolve`) does.

*Sent* is a line in a file, not a transaction: `sent` adds the attempt to `<spool>/<owner>.sent`,
which survives the death of this process without an fsync. An open attempt of a dead owner that
is not in that file was surely never sent and may be released; after a restart of the machine,
when unsynced writes prove nothing, every open attempt counts as sent. So a call pays for two
durable transactions, not three.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from playground import failpoints, money
from playground.errors import GalleryProblem, SpendingRefused, UnknownPrice
from playground.store import budgets, forms, leases, results, schema
from playground.store.database import Database
from playground.store.disk import Disk
from playground.store.records import (
    OPEN_STATES,
    Attempt,
    Caps,
    NewCaption,
    NewImage,
    State,
    Totals,
    clean,
    known_moment,
    microseconds,
    moment,
)
from playground.values import (
    Bucket,
    CaptionRequest,
    EditRequest,
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
_SENT_LOG_BYTES = 1024 * 1024

_table, _owners = schema.attempts, schema.owners
_LOOK = sa.select(_table).where(_table.c.id == sa.bindparam("attempt_id"))
_GET = _LOOK.with_for_update()
_INSERT = sa.insert(_table)
_CLOSE = sa.update(_table).where(_table.c.id == sa.bindparam("attempt_id"))


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
        self._owner: leases.Owner | None = None
        self._owner_lock = threading.Lock()
        self._registered = False
        self._open: set[str] = set()
        self._sent_log: int | None = None
        self._sent_bytes = 0
        self._stop_beating = threading.Event()

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
        owner = self._own()
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
            if not self._registered:
                self._register(connection, owner, row["created_at_us"])
            day = budgets.hold(connection, hold, caps, today=today, run_id=run_id)
            connection.execute(_INSERT, {**row, "day": day})

        self._database.write(job)
        if not self._registered:
            self._registered = True
            _start_beating(self)
        self._open.add(attempt_id)
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
            problem = self._disk.low(len(self._open))
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
        owner = self._own()
        try:
            with self._owner_lock:
                if self._sent_log is None:
                    path, how = self._sent_path(owner.id), os.O_WRONLY | os.O_CREAT | os.O_APPEND
                    self._sent_log = os.open(path, how, 0o600)
                os.write(self._sent_log, f"{attempt_id}\n".encode())
                self._sent_bytes += len(attempt_id) + 1
        except OSError as error:
            msg = (
                f"The call was not sent, because {self._spool} cannot be written: "
                f"{error.strerror}. Nothing was spent."
            )
            raise GalleryProblem(msg) from error

    def _sent_path(self, owner_id: str) -> Path:
        return self._spool / f"{owner_id}.sent"

    def _sent_by(self, owner_id: str) -> frozenset[str]:
        """The attempts that an owner marked as sent."""
        try:
            return frozenset(self._sent_path(owner_id).read_text(encoding="ascii").split())
        except (OSError, UnicodeDecodeError):
            return frozenset()

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
            row = _get(connection, attempt_id)
            if row.state in {"settled", "overrun"} and not row.decided:
                return _kept(connection, attempt_id)
            state: State = "overrun" if booked > row.hold else "settled"
            _move(connection, row, state, booked, known, now_us)
            made = _put_images(connection, row, images, usage, booked, now_us)
            if caption is not None:
                values = _caption_values(row, usage, booked, now_us)
                results.put_caption(connection, caption, values)
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
        self._open.discard(attempt_id)

    def _end(self, attempt_id: str, state: State, known: dict[str, Any]) -> None:
        now_us = microseconds(self._clock())

        def job(connection: sa.Connection) -> None:
            row = _get(connection, attempt_id)
            if row.state in OPEN_STATES and row.state != state:
                _move(connection, row, state, None, known, now_us)

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
            row = _get(connection, attempt_id)
            if row.state != "unknown":
                msg = f"call {attempt_id} is {row.state}, not unknown; nothing was changed"
                raise GalleryProblem(msg)
            known = {"reason": clean(f"decided: {reason.strip()}"), "decided": 1}
            _move(connection, row, "settled", booked, known, now_us)

        self._database.write(job)
        self._forget(attempt_id)

    def _forget(self, attempt_id: str) -> None:
        """Remove what was spooled for an attempt that is accounted for."""
        self._open.discard(attempt_id)
        for suffix in (".body", ".part"):
            with contextlib.suppress(OSError):
                (self._spool / f"{attempt_id}{suffix}").unlink()
        if self._sent_bytes > _SENT_LOG_BYTES and self._sent_log is not None:
            with self._owner_lock:
                if not self._open:  # nothing in the log is needed any more
                    os.ftruncate(self._sent_log, 0)
                    self._sent_bytes = 0

    # -- looking -------------------------------------------------------------------------------

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
            return self._shown(_get(connection, attempt_id, _LOOK))

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

        Their state is `reserved` where the request surely never left this machine (release it),
        else `sent` (settle it from a complete spool, or call it unknown).
        """
        open_rows = _table.c.state.in_(("reserved", "sent"))
        owner = [_owners.c[name] for name in ("host", "boot_id", "pid", "started", "spool")]
        beats = [_owners.c.heartbeat_at_us, _owners.c.closed_at_us]
        query = (
            sa.select(_table, *owner, *beats)
            .join(_owners, _owners.c.id == _table.c.owner_id)
            .where(open_rows)
            .order_by(_table.c.created_at_us)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        now_us = microseconds(self._clock())
        living: dict[str, bool] = {}
        for row in rows:
            if row.owner_id not in living:
                age = (now_us - row.heartbeat_at_us) / 1e6
                alive = leases.lives(_owner(row), heartbeat_age_seconds=age)
                living[row.owner_id] = alive and row.closed_at_us is None
        here = leases.this_process("", self._spool)
        dead = []
        for row in rows:
            if not living[row.owner_id]:
                sure = leases.shares_files(_owner(row), here)
                dead.append(self._shown(row, state=None if sure else "sent"))
        return dead

    def answered(self, job_keys: Sequence[str]) -> set[str]:
        """Those of the jobs that were billed and answered, so that asking again would pay twice."""
        found: set[str] = set()
        billed = sa.and_(_table.c.state.in_(("settled", "overrun")), _table.c.decided == 0)
        with self._database.read() as connection:
            for start in range(0, len(job_keys), 500):
                some = list(job_keys[start : start + 500])
                query = sa.select(_table.c.job_key).where(_table.c.job_key.in_(some), billed)
                found.update(connection.execute(query).scalars())
        return found

    def spend(self, by: str) -> list[dict[str, Any]]:
        """Money by `day`, `model`, `tier` or `run` (`budgets.spend`)."""
        with self._database.read() as connection:
            return budgets.spend(connection, by)

    def _list(self, *where: sa.ColumnElement[bool]) -> list[Attempt]:
        query = sa.select(_table).where(*where).order_by(_table.c.created_at_us)
        with self._database.read() as connection:
            return [self._shown(row) for row in connection.execute(query)]

    def _shown(self, row: sa.Row[Any], *, state: State | None = None) -> Attempt:
        shown: State = state or row.state
        if shown == "reserved" and row.id in self._sent_by(row.owner_id):
            shown = "sent"
        rates = json.loads(row.rates) if row.rates else None
        return Attempt(
            id=row.id,
            job_key=row.job_key,
            slots=row.slots,
            request=forms.decode(row.request),
            provider=row.provider,
            state=shown,
            hold=money.from_picousd(row.hold),
            created_at=known_moment(row.created_at_us),
            run_id=row.run_id,
            cost=None if row.cost is None else money.from_picousd(row.cost),
            quoted_low=None if row.quoted_low is None else money.from_picousd(row.quoted_low),
            quoted_high=None if row.quoted_high is None else money.from_picousd(row.quoted_high),
            price_version=row.price_version,
            rates=rates and {bucket: Decimal(rate) for bucket, rate in rates.items()},
            sample=bool(row.sample),
            reason=row.reason,
            usage=Usage(**json.loads(row.usage)) if row.usage else Usage(),
            request_id=row.request_id,
            ended_at=moment(row.ended_at_us),
        )

    # -- leases --------------------------------------------------------------------------------

    def _own(self) -> leases.Owner:
        """This process's lease; a forked child gets its own."""
        with self._owner_lock:
            if self._owner is None or self._owner.pid != leases.current_pid():
                self._owner = leases.this_process(secrets.token_hex(8), self._spool)
                self._registered = False
                self._open = set()
                self._sent_log = None
            return self._owner

    def _register(self, connection: sa.Connection, owner: leases.Owner, now_us: int) -> None:
        values = {
            "id": owner.id,
            "host": owner.host,
            "boot_id": owner.boot_id,
            "pid": owner.pid,
            "started": owner.started,
            "spool": owner.spool,
            "opened_at_us": now_us,
            "heartbeat_at_us": now_us,
        }
        connection.execute(results.insert_new(_owners, connection), values)

    def beat(self) -> None:
        """Tell other hosts that this process still lives."""
        if self._registered and self._owner is not None:
            self._touch(self._owner, heartbeat_at_us=microseconds(self._clock()))

    def _touch(self, owner: leases.Owner, **values: int) -> None:
        done = sa.update(_owners).where(_owners.c.id == owner.id).values(values)
        self._database.write(lambda connection: connection.execute(done))

    def close(self) -> None:
        """End this process's lease: what it left open can be recovered at once."""
        self._stop_beating.set()
        owner = self._owner
        if self._registered and owner is not None and owner.pid == leases.current_pid():
            self._registered = False
            self._touch(owner, closed_at_us=microseconds(self._clock()))
            if self._sent_log is not None:
                os.close(self._sent_log)
                self._sent_log = None
                if not self._open:
                    self._sent_path(owner.id).unlink(missing_ok=True)


def _start_beating(ledger: Ledger) -> None:
    """Beat in a thread of its own while the ledger is in use."""
    stop = ledger._stop_beating
    known = weakref.ref(ledger)

    def beat() -> None:
        while not stop.wait(leases.HEARTBEAT_SECONDS):
            alive = known()
            if alive is None:
                return
            # A failed beat is tried again; a full disk is told where money is spent.
            with contextlib.suppress(GalleryProblem):
                alive.beat()
            del alive

    threading.Thread(target=beat, name="gallery-heartbeat", daemon=True).start()


def steady_seconds() -> float:
    """Seconds since some start, counting sleep, that setting the clock does not change."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _owner(row: sa.Row[Any]) -> leases.Owner:
    return leases.Owner(row.owner_id, row.host, row.boot_id, row.pid, row.started, row.spool)


def _get(connection: sa.Connection, attempt_id: str, query: sa.Select[Any] = _GET) -> sa.Row[Any]:
    row = connection.execute(query, {"attempt_id": attempt_id}).one_or_none()
    if row is None:
        msg = f"there is no call {attempt_id!r} in this gallery's ledger"
        raise GalleryProblem(msg)
    return row


def _move(
    connection: sa.Connection,
    row: sa.Row[Any],
    state: State,
    cost: int | None,
    known: Mapping[str, Any],
    now_us: int,
) -> None:
    """The one way in which an attempt changes its state, with the money that goes along."""
    held_before = row.hold if row.state in OPEN_STATES else 0
    held_after = row.hold if state in OPEN_STATES else 0
    booked = (cost or 0) - (row.cost or 0)
    values = {**known, "state": state, "cost": cost, "ended_at_us": now_us}
    connection.execute(_CLOSE, {"attempt_id": row.id, **values})
    budgets.move(
        connection,
        held=held_after - held_before,
        settled=booked,
        sample=booked if row.sample else 0,
        overruns=1 if state == "overrun" else 0,
        day=row.day,
        run_id=row.run_id,
    )


def _kept(connection: sa.Connection, attempt_id: str) -> list[str]:
    """The items that an attempt's results are in."""
    made = sa.select(schema.items.c.id).where(schema.items.c.attempt_id == attempt_id)
    ids = list(connection.execute(made.order_by(schema.items.c.slot)).scalars())
    told = sa.select(schema.items.c.id).join(
        schema.captions, schema.captions.c.item_seq == schema.items.c.seq
    )
    return ids + list(
        connection.execute(told.where(schema.captions.c.attempt_id == attempt_id)).scalars()
    )


def _share(total: int | None, parts: int, index: int) -> int | None:
    """An even share of a whole number, the remainder on the first."""
    if total is None:
        return None
    even, rest = divmod(total, parts)
    return even + (rest if index == 0 else 0)


def _put_images(
    connection: sa.Connection,
    row: sa.Row[Any],
    images: Sequence[NewImage],
    usage: Usage,
    booked: int,
    now_us: int,
) -> list[str]:
    if not images:
        return []
    request = forms.decode(row.request)
    assert not isinstance(request, CaptionRequest)
    made = []
    for index, image in enumerate(images):
        results.put_file(
            connection,
            sha256=image.sha256,
            format_=image.format,
            size=image.size,
            size_bytes=image.size_bytes,
            now_us=now_us,
        )
        if image.thumbnail is not None and image.thumbnail_size is not None:
            size = image.thumbnail_size
            results.put_thumbnail(connection, image.sha256, image.thumbnail, size)
        billed = _share(booked, len(images), index)
        part = {
            name: _share(tokens, len(images), index) for name, tokens in usage.to_dict().items()
        }
        values = {
            "kind": "edit" if isinstance(request, EditRequest) else "image",
            "sha256": image.sha256,
            "job_key": row.job_key,
            "slot": image.slot,
            "attempt_id": row.id,
            "created_at_us": now_us,
            "billed": billed,
            "total_cost": billed,
            "quoted_low": _share(row.quoted_low, row.slots, image.slot),
            "quoted_high": _share(row.quoted_high, row.slots, image.slot),
            "sample": row.sample,
            "model": row.model,
            "tier": row.tier,
            "asked_size": str(request.size),
            "quality": request.quality,
            "collection": clean(image.collection),
            "name": clean(image.name),
            "title": clean(image.title),
            "prompt": clean(request.prompt),
            "alt": clean(image.alt),
            "usage": json.dumps(part),
        }
        hashes = forms.input_hashes(request)
        item_id, _ = results.put_item(connection, values, tags=image.tags, input_hashes=hashes)
        made.append(item_id)
    return made


def _caption_values(row: sa.Row[Any], usage: Usage, booked: int, now_us: int) -> dict[str, Any]:
    return {
        "job_key": row.job_key,
        "attempt_id": row.id,
        "created_at_us": now_us,
        "model": row.model,
        "billed": booked,
        "quoted_low": row.quoted_low,
        "quoted_high": row.quoted_high,
        "sample": row.sample,
        "usage": json.dumps(usage.to_dict()),
    }
