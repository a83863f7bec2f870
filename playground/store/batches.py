"""Batches in the ledger: many reservations that wait together, for hours, without a process.

    built ──► uploaded ──► creating ──► running ──► done
      └───────────┴───────────┴─► dropped (the provider never had it: all is released)

A batch's reservations are made in one durable transaction, before its file leaves. Until it runs
it belongs to the process that builds it; whoever finds that process dead takes it over. A running
one belongs to nobody: any process may look, and book what came.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from playground import failpoints, money
from playground.errors import GalleryProblem, SpendingRefused
from playground.store import attempts, budgets, forms, schema
from playground.store.records import (
    OPEN_STATES,
    Attempt,
    Caps,
    State,
    clean,
    known_moment,
    microseconds,
    moment,
)
from playground.values import Bucket, CaptionRequest, Failed, Quote, Unknown

if TYPE_CHECKING:
    from playground.store.ledger import Ledger

Phase = Literal["built", "uploaded", "creating", "running", "done", "dropped"]
UNFINISHED: tuple[Phase, ...] = ("built", "uploaded", "creating", "running")

_table = schema.batches
_calls = schema.attempts
_keys: sa.BindParameter[list[str]] = sa.bindparam("keys", expanding=True)
_BUSY = sa.select(_calls.c.job_key, _calls.c.state).where(
    _calls.c.job_key.in_(_keys),
    _calls.c.state.in_(("reserved", "sent", "settled", "overrun")),
    _calls.c.decided == 0,
)
_WAITING = sa.select(_calls.c.job_key).where(
    _calls.c.job_key.in_(_keys),
    _calls.c.batch_id.is_not(None),
    _calls.c.state.in_(("reserved", "sent")),
)
_INSERT = sa.insert(_calls)
_END = sa.update(_calls).where(_calls.c.id == sa.bindparam("attempt_id"))
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One question of a batch that is built; `id` is its attempt's, and its custom id."""

    id: str
    request: CaptionRequest
    job_key: str
    quote: Quote


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the gallery knows it.

    `lines` were reserved in it; `completed` and `failed` are the provider's counts, `open` the
    lines that are not accounted for yet, `held` their reservations in dollars.
    """

    id: str
    phase: Phase
    provider: str
    model: str
    endpoint: str
    run_id: str
    lines: int
    size_bytes: int
    created_at: dt.datetime
    file_id: str | None = None
    remote_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    status: str = ""
    completed: int = 0
    failed: int = 0
    reason: str = ""
    asked_at: dt.datetime | None = None
    checked_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    sample: bool = False
    owner_lives: bool = False
    ours: bool = False


class BatchBook:
    """The batches of one ledger; safe to use from many threads and processes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._database = ledger._database
        self._presence = ledger._presence

    def reserve(
        self,
        batch_id: str,
        lines: Sequence[Line],
        *,
        endpoint: str,
        size_bytes: int,
        provider: str,
        caps: Caps,
        run_id: str,
        sample: bool = False,
        rates: Mapping[Bucket, Decimal] | None = None,
    ) -> tuple[list[str], SpendingRefused | None]:
        """Hold the upper bound of every line, in one durable transaction with the batch itself.

        Lines whose question is answered or under way elsewhere are left out. Where not all fit
        below the caps, the first ones that do are taken.

        Returns:
            The ids of the lines that are in the batch (none: there is no batch), and why not all
            fitted.

        Raises:
            UnknownPrice, SpendingRefused, GalleryProblem: as `Ledger.reserve`; nothing is held.
        """
        failpoints.hit("pre_reserve")
        quotes = {id(line.quote): line.quote for line in lines}
        checked = {key: self._ledger._check(quote, caps) for key, quote in quotes.items()}
        now = self._ledger._clock()
        now_us = microseconds(now)
        today = now.astimezone(dt.UTC).date().isoformat()
        owner = self._presence.own()
        shared = {
            "slots": 1,
            "state": "reserved",
            "provider": clean(provider),
            "run_id": run_id,
            "sample": int(sample),
            "owner_id": owner.id,
            "created_at_us": now_us,
            "batch_id": batch_id,
            "rates": None if rates is None else json.dumps(
                {bucket: money.plain(rate) for bucket, rate in rates.items()}
            ),
        }  # fmt: skip
        rows: list[dict[str, Any]] = [
            {
                **shared,
                "id": line.id,
                "job_key": clean(line.job_key),
                "hold": checked[id(line.quote)],
                "quoted_low": _picousd(line.quote.low),
                "quoted_high": _picousd(line.quote.high),
                "model": line.request.model,
                "tier": line.request.tier,
                "price_version": line.quote.price_version,
                "request_key": line.job_key,
                "request": forms.encode(line.request),
            }
            for line in lines
        ]

        def job(connection: sa.Connection) -> tuple[list[str], SpendingRefused | None]:
            self._presence.register(connection)
            taken = set[str]()
            for some in _some([row["job_key"] for row in rows]):
                taken.update(row.job_key for row in connection.execute(_BUSY, {"keys": some}))
            free = {row["job_key"]: row for row in reversed(rows) if row["job_key"] not in taken}
            fitting, problem = _fitting(
                connection, list(free.values())[::-1], caps, today=today, run_id=run_id
            )
            if not fitting:
                return [], problem
            amount = sum(row["hold"] for row in fitting)
            day = budgets.hold(connection, amount, caps, today=today, run_id=run_id)
            values = {
                "id": batch_id,
                "phase": "built",
                "provider": clean(provider),
                "model": fitting[0]["model"],
                "endpoint": endpoint,
                "run_id": run_id,
                "owner_id": owner.id,
                "sample": int(sample),
                "lines": len(fitting),
                "size_bytes": size_bytes,
                "created_at_us": now_us,
            }
            connection.execute(sa.insert(_table), values)
            connection.execute(_INSERT, [{**row, "day": day} for row in fitting])
            return [row["id"] for row in fitting], problem

        found = self._database.write(job)
        self._presence.registered()
        failpoints.hit("post_reserve")
        return found

    def note(self, batch_id: str, phase: Phase | None = None, **known: Any) -> None:
        """Record how far a batch came: `file_id`, `remote_id`, `status`, counts, `reason`.

        Recording `creating` marks its lines as sent: from then on they may be billed.
        """
        now_us = microseconds(self._ledger._clock())
        if phase is not None:
            known["phase"] = phase
        if phase == "creating":
            known["asked_at_us"] = now_us
        if "status" in known:
            known["checked_at_us"] = now_us
        for name in ("status", "reason"):
            if name in known:
                known[name] = clean(known[name])

        def job(connection: sa.Connection) -> None:
            one = _table.c.id == batch_id
            connection.execute(sa.update(_table).where(one).values(known))
            if phase == "creating":
                lines = sa.and_(_calls.c.batch_id == batch_id, _calls.c.state == "reserved")
                connection.execute(
                    sa.update(_calls).where(lines).values(state="sent", sent_at_us=now_us)
                )

        self._database.write(job)

    def take_over(self, batch_id: str) -> bool:
        """Make a batch whose builder died ours; False when it lives or somebody was quicker."""
        batch = self.get(batch_id)
        if batch.ours or batch.phase in {"running", "done", "dropped"}:
            return True
        if batch.owner_lives:
            return False
        owner = self._presence.own()
        with self._database.read() as connection:
            query = sa.select(_table.c.owner_id).where(_table.c.id == batch_id)
            before = connection.execute(query).scalar_one()

        def job(connection: sa.Connection) -> bool:
            self._presence.register(connection)
            mine = sa.and_(_table.c.id == batch_id, _table.c.owner_id == before)
            done = connection.execute(sa.update(_table).where(mine).values(owner_id=owner.id))
            return bool(done.rowcount)

        taken = self._database.write(job)
        self._presence.registered()
        return taken

    def close(
        self,
        batch_id: str,
        phase: Literal["done", "dropped"],
        endings: Mapping[str, Failed | Unknown],
        rest: Failed | Unknown,
        *,
        reason: str = "",
    ) -> tuple[int, int]:
        """End a batch: every line that is still open is released, or stays held as unknown.

        Args:
            endings: what is known of single lines, by id; `rest` of all others.

        Returns:
            How many lines were released, and how many are unknown.
        """
        now_us = microseconds(self._ledger._clock())
        released = unknown = 0
        for some in _some([row.id for row in self._open_rows(batch_id)]):
            job = _Ending(some, endings, rest, now_us)
            done = self._database.write(job)
            released, unknown = released + done[0], unknown + done[1]
            failpoints.hit("in_close")
        known = {"phase": phase, "ended_at_us": now_us, "reason": clean(reason)}
        one = _table.c.id == batch_id
        self._database.write(
            lambda connection: connection.execute(sa.update(_table).where(one).values(known))
        )
        return released, unknown

    # -- looking -------------------------------------------------------------------------------

    def get(self, batch_id: str) -> Batch:
        """One batch; GalleryProblem when there is none."""
        found = self._list(_table.c.id == batch_id)
        if not found:
            msg = f"there is no batch {batch_id!r} in this gallery's ledger"
            raise GalleryProblem(msg)
        return found[0]

    def unfinished(self) -> list[Batch]:
        """Batches with lines that may still be answered, oldest first."""
        return self._list(_table.c.phase.in_(UNFINISHED))

    def all(self) -> list[Batch]:
        """Every batch, oldest first."""
        return self._list(sa.true())

    def waiting(self, job_keys: Sequence[str]) -> set[str]:
        """Those of the questions that stand in a batch and have no answer yet."""
        found: set[str] = set()
        with self._database.read() as connection:
            for some in _some(list(job_keys)):
                found.update(connection.execute(_WAITING, {"keys": some}).scalars())
        return found

    def held(self, batch_id: str) -> tuple[int, Decimal]:
        """How many lines of a batch are still open, and the dollars held for them."""
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_calls.c.hold), 0)).where(
            _calls.c.batch_id == batch_id, _calls.c.state.in_(("reserved", "sent"))
        )
        with self._database.read() as connection:
            count, hold = connection.execute(query).one()
        return int(count), money.from_picousd(int(hold))

    def lines(self, ids: Sequence[str]) -> dict[str, Attempt]:
        """The attempts with these ids that belong to a batch."""
        found: dict[str, Attempt] = {}
        with self._database.read() as connection:
            for some in _some(list(ids)):
                query = sa.select(_calls).where(
                    _calls.c.id.in_(some), _calls.c.batch_id.is_not(None)
                )
                found |= {row.id: attempts.shown(row) for row in connection.execute(query)}
        return found

    def open_lines(self, batch_id: str) -> dict[str, tuple[str, Decimal]]:
        """Job key and held dollars of every line that is not accounted for, by its id."""
        return {
            row.id: (row.job_key, money.from_picousd(row.hold)) for row in self._open_rows(batch_id)
        }

    def _open_rows(self, batch_id: str) -> Sequence[sa.Row[Any]]:
        query = sa.select(_calls.c.id, _calls.c.job_key, _calls.c.hold).where(
            _calls.c.batch_id == batch_id, _calls.c.state.in_(("reserved", "sent"))
        )
        with self._database.read() as connection:
            return list(connection.execute(query))

    def _list(self, where: sa.ColumnElement[bool]) -> list[Batch]:
        query = sa.select(_table).where(where).order_by(_table.c.created_at_us, _table.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            owner_ids = {row.owner_id for row in rows}
            held_by = sa.select(schema.owners).where(schema.owners.c.id.in_(owner_ids))
            owners = connection.execute(held_by).all() if rows else []
        living = self._presence.living(owners)
        mine = self._presence.own().id if rows else ""
        return [_shown(row, living, mine) for row in rows]


class _Ending:
    """Ends some lines in one transaction."""

    def __init__(
        self,
        ids: Sequence[str],
        endings: Mapping[str, Failed | Unknown],
        rest: Failed | Unknown,
        now_us: int,
    ) -> None:
        self._ids, self._endings, self._rest, self._now_us = ids, endings, rest, now_us

    def __call__(self, connection: sa.Connection) -> tuple[int, int]:
        query = sa.select(_calls).where(_calls.c.id.in_(self._ids)).with_for_update()
        changed: list[dict[str, Any]] = []
        freed: dict[tuple[str, str | None], int] = defaultdict(int)
        released = unknown = 0
        for row in connection.execute(query):
            outcome = self._endings.get(row.id, self._rest)
            state: State = "unknown" if isinstance(outcome, Unknown) else "released"
            if row.state not in OPEN_STATES or row.state == state:
                continue
            changed.append(
                {
                    "attempt_id": row.id,
                    "state": state,
                    "ended_at_us": self._now_us,
                    "reason": clean(f"{outcome.kind}: {outcome.message}"),
                    "receipt": json.dumps(outcome.receipt.to_dict()),
                    "request_id": outcome.receipt.request_id,
                }
            )
            if state == "released":
                freed[row.day, row.run_id] += row.hold
            released += state == "released"
            unknown += state == "unknown"
        if changed:
            connection.execute(_END, changed)
        for (day, run_id), amount in sorted(freed.items(), key=str):
            budgets.move(
                connection,
                held=-amount,
                settled=0,
                sample=0,
                overruns=0,
                day=day,
                run_id=run_id,
            )
        return released, unknown


def _fitting(
    connection: sa.Connection,
    rows: list[dict[str, Any]],
    caps: Caps,
    *,
    today: str,
    run_id: str,
) -> tuple[list[dict[str, Any]], SpendingRefused | None]:
    """The first rows that fit below every cap, and why not all do."""
    room = budgets.room(connection, caps, today=today, run_id=run_id)
    total = 0
    for number, row in enumerate(rows):
        total += row["hold"]
        if total > room:
            problem = budgets.refusal(connection, caps, row["hold"], today=today, run_id=run_id)
            return rows[:number], problem
    return rows, None


def _shown(row: sa.Row[Any], living: set[str], mine: str) -> Batch:
    return Batch(
        id=row.id,
        phase=row.phase,
        provider=row.provider,
        model=row.model,
        endpoint=row.endpoint,
        run_id=row.run_id,
        lines=row.lines,
        size_bytes=row.size_bytes,
        created_at=known_moment(row.created_at_us),
        file_id=row.file_id,
        remote_id=row.remote_id,
        output_file_id=row.output_file_id,
        error_file_id=row.error_file_id,
        status=row.status,
        completed=row.completed,
        failed=row.failed,
        reason=row.reason,
        asked_at=moment(row.asked_at_us),
        checked_at=moment(row.checked_at_us),
        ended_at=moment(row.ended_at_us),
        sample=bool(row.sample),
        owner_lives=row.owner_id in living,
        ours=row.owner_id == mine,
    )


def _some(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]


def _picousd(dollars: Decimal | None) -> int | None:
    return None if dollars is None else money.ceil_picousd(dollars)
