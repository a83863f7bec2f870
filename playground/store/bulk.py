"""Many calls' money and captions in few transactions: what an archive's run asks of the ledger.

The rules are those of `ledger`: a reservation is durable before its request leaves, all caps are
checked in the transaction that reserves, a settlement and its caption are one transaction. What
is saved is the work per call: up to a few dozen calls share one transaction and its sums.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from playground import failpoints, money
from playground.errors import GalleryProblem, PlaygroundError, SpendingRefused
from playground.store import attempts, budgets, forms, items, results, schema, search
from playground.store.records import Caps, State, clean, clean_tags, microseconds
from playground.values import Bucket, CaptionRequest, Photo, Quote, Receipt, Task, Usage

if TYPE_CHECKING:
    from playground.store.ledger import Ledger

_table = schema.attempts
_keys: sa.BindParameter[list[str]] = sa.bindparam("keys", expanding=True)
_BUSY_STATES: tuple[State, ...] = ("reserved", "sent", "settled", "overrun")
_TAKEN = sa.select(_table.c.job_key, _table.c.state, _table.c.batch_id).where(
    _table.c.job_key.in_(_keys), _table.c.state.in_(_BUSY_STATES), _table.c.decided == 0
)
_ROWS = sa.select(_table).where(_table.c.id.in_(_keys))
_ROWS_LOCKED = _ROWS.with_for_update()
_INSERT = sa.insert(_table)
_CLOSE = sa.update(_table).where(_table.c.id == sa.bindparam("attempt_id"))
_THERE = (
    sa.select(schema.items.c.sha256, schema.items.c.seq)
    .where(schema.items.c.sha256.in_(_keys))
    .order_by(schema.items.c.deleted_at_us.is_not(None), schema.items.c.seq)
)
_ANSWERED = sa.select(schema.captions.c.job_key).where(schema.captions.c.job_key.in_(_keys))
_NEW_ITEM = sa.insert(schema.items)
_NEW_CAPTION = sa.insert(schema.captions)
_SEQS = sa.select(schema.items.c.id, schema.items.c.seq).where(schema.items.c.id.in_(_keys))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about to be asked; refused when somebody asks or has answered it already."""

    request: CaptionRequest
    job_key: str
    quote: Quote


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation: the attempt's id and the dollars held for it."""

    id: str
    hold: Decimal


@dataclass(frozen=True, slots=True)
class Taken:
    """Not reserved: the question is `answered`, or under way elsewhere, perhaps `in_batch`."""

    answered: bool
    in_batch: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """A billed answer: the attempt, its bill, and the words about the photo."""

    attempt_id: str
    photo: Photo
    name: str
    task: Task
    usage: Usage
    cost: Decimal
    receipt: Receipt
    price_version: str
    text: str
    tags: tuple[str, ...] = ()
    data: Mapping[str, Any] | None = None
    problems: tuple[str, ...] = ()


class Bulk:
    """Reservations and settlements of many captions at once; safe to use from many threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._database = ledger._database
        self._presence = ledger._presence

    def reserve(
        self,
        asked: Sequence[Asked],
        *,
        provider: str,
        caps: Caps,
        run_id: str,
        sample: bool = False,
        rates: Mapping[Bucket, Decimal] | None = None,
    ) -> list[Reserved | Taken | PlaygroundError]:
        """One durable reservation each, in their order; a refusal stands in its place.

        A question that any process has under way, or that is answered, is `Taken`: two runs on
        one gallery share the work instead of paying twice.
        """
        if not asked:
            return []
        failpoints.hit("pre_reserve")
        try:
            # Photos of one size share a quote, and one look at the disk is enough for all.
            quotes = {id(one.quote): one.quote for one in asked}
            checked = {key: self._ledger._check(quote, caps) for key, quote in quotes.items()}
            holds = [checked[id(one.quote)] for one in asked]
        except PlaygroundError as problem:
            return self._halves(asked, problem, provider, caps, run_id, sample, rates)
        now = self._ledger._clock()
        today = now.astimezone(dt.UTC).date().isoformat()
        owner = self._presence.own()
        rates_text = (
            None
            if rates is None
            else json.dumps({bucket: money.plain(rate) for bucket, rate in rates.items()})
        )
        rows: list[dict[str, Any]] = [
            {
                "id": secrets.token_hex(16),
                "job_key": clean(one.job_key),
                "slots": 1,
                "state": "reserved",
                "hold": hold,
                "quoted_low": _picousd(one.quote.low),
                "quoted_high": _picousd(one.quote.high),
                "model": one.request.model,
                "tier": one.request.tier,
                "provider": clean(provider),
                "run_id": run_id,
                "sample": int(sample),
                "owner_id": owner.id,
                "price_version": one.quote.price_version,
                "request_key": one.job_key,
                "created_at_us": microseconds(now),
                "request": forms.encode(one.request),
                "rates": rates_text,
            }
            for one, hold in zip(asked, holds, strict=True)
        ]

        def job(connection: sa.Connection) -> dict[str, Taken]:
            self._presence.register(connection)
            taken: dict[str, Taken] = {}
            keys = {"keys": [row["job_key"] for row in rows]}
            for key, state, batch_id in connection.execute(_TAKEN, keys):
                if state in {"settled", "overrun"}:
                    taken[key] = Taken(answered=True)
                else:
                    taken.setdefault(key, Taken(answered=False, in_batch=batch_id is not None))
            new = {row["job_key"]: row for row in rows if row["job_key"] not in taken}
            if new:
                amount = sum(row["hold"] for row in new.values())
                day = budgets.hold(connection, amount, caps, today=today, run_id=run_id)
                connection.execute(_INSERT, [{**row, "day": day} for row in new.values()])
            return taken

        try:
            taken = self._database.write(job)
        except SpendingRefused as problem:
            # Not all of them fit below the cap: perhaps some do.
            return self._halves(asked, problem, provider, caps, run_id, sample, rates)
        except PlaygroundError as problem:
            return [problem for _ in asked]
        answers: list[Reserved | Taken | PlaygroundError] = []
        winners = {row["job_key"]: row["id"] for row in rows}
        for row in rows:
            key = row["job_key"]
            if key in taken:
                answers.append(taken[key])
            elif winners[key] != row["id"]:
                answers.append(Taken(answered=False))
            else:
                self._presence.open.add(row["id"])
                answers.append(Reserved(row["id"], money.from_picousd(row["hold"])))
        self._presence.registered()
        failpoints.hit("post_reserve")
        return answers

    def _halves(
        self,
        asked: Sequence[Asked],
        problem: PlaygroundError,
        *rest: Any,
    ) -> list[Reserved | Taken | PlaygroundError]:
        if len(asked) == 1:
            return [problem]
        provider, caps, run_id, sample, rates = rest
        middle = len(asked) // 2
        found: list[Reserved | Taken | PlaygroundError] = []
        for part in (asked[:middle], asked[middle:]):
            found += self.reserve(
                part, provider=provider, caps=caps, run_id=run_id, sample=sample, rates=rates
            )
        return found

    def sent(self, attempt_ids: Sequence[str]) -> None:
        """Mark that requests are about to leave (as `Ledger.sent`)."""
        self._presence.mark_sent("\n".join(attempt_ids))

    def settle(self, done: Sequence[Settled]) -> list[PlaygroundError | None]:
        """Book what was billed and keep the captions, all in one transaction.

        Where the shared transaction is refused, each is tried in one of its own.

        Returns:
            None for what is booked; the problem of what could not be.
        """
        if not done:
            return []
        failpoints.hit("pre_settle")
        now_us = microseconds(self._ledger._clock())
        try:
            self._database.write(lambda connection: self._settle(connection, done, now_us))
        except (PlaygroundError, sa.exc.SQLAlchemyError) as problem:
            if len(done) == 1:
                told = problem if isinstance(problem, PlaygroundError) else GalleryProblem(
                    f"the gallery's database could not do this: {type(problem).__name__}"
                )  # fmt: skip
                return [told]
            return [answer for one in done for answer in self.settle([one])]
        failpoints.hit("post_settle")
        for one in done:
            self._ledger._forget(one.attempt_id)
        return [None] * len(done)

    def _settle(self, connection: sa.Connection, done: Sequence[Settled], now_us: int) -> None:
        wanted = {"keys": [one.attempt_id for one in done]}
        locked = _ROWS if connection.dialect.name == "sqlite" else _ROWS_LOCKED
        rows = {row.id: row for row in connection.execute(locked, wanted)}
        fresh = [
            (one, row)
            for one in done
            if (row := rows[one.attempt_id]).state not in {"settled", "overrun"} or row.decided
        ]
        if not fresh:
            return
        self._close(connection, fresh, now_us)
        seqs, new = self._photos(connection, fresh, now_us)
        self._captions(connection, fresh, seqs, now_us)
        self._index(connection, fresh, seqs, new)
        failpoints.hit("in_settle")

    def _close(
        self, connection: sa.Connection, fresh: Sequence[tuple[Settled, Any]], now_us: int
    ) -> None:
        changed: list[dict[str, Any]] = []
        sums: dict[tuple[str, str | None], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for one, row in fresh:
            booked = money.ceil_picousd(one.cost)
            over = booked > row.hold
            changed.append(
                {
                    "attempt_id": row.id,
                    "state": "overrun" if over else "settled",
                    "cost": booked,
                    "ended_at_us": now_us,
                    "usage": json.dumps(one.usage.to_dict()),
                    "receipt": json.dumps(one.receipt.to_dict()),
                    "request_id": one.receipt.request_id,
                    "problems": json.dumps(list(one.problems)) if one.problems else None,
                    "reason": "",
                    "decided": 0,
                    "price_version": one.price_version,
                }
            )
            more = booked - (row.cost or 0)
            held = row.hold if row.state in {"reserved", "sent", "unknown"} else 0
            part = sums[row.day, row.run_id]
            part[0] -= held
            part[1] += more
            part[2] += more if row.sample else 0
            part[3] += over
        connection.execute(_CLOSE, changed)
        for (day, run_id), (held, settled, sample, overruns) in sorted(
            sums.items(), key=lambda item: (item[0][0], item[0][1] or "")
        ):
            budgets.move(
                connection,
                held=held,
                settled=settled,
                sample=sample,
                overruns=overruns,
                day=day,
                run_id=run_id,
            )

    def _photos(
        self, connection: sa.Connection, fresh: Sequence[tuple[Settled, Any]], now_us: int
    ) -> tuple[dict[str, int], set[str]]:
        """The items of the photos by hash, new ones made; and which are new."""
        photos = {one.photo.sha256: one for one, _ in fresh if one.photo.sha256}
        seqs: dict[str, int] = {}
        for sha256, seq in connection.execute(_THERE, {"keys": list(photos)}):
            seqs.setdefault(sha256, seq)
        missing = {sha: one for sha, one in photos.items() if sha not in seqs}
        if not missing:
            return seqs, set()
        connection.execute(
            results.insert_new(schema.files, connection),
            [
                {
                    "sha256": sha,
                    "format": one.photo.format,
                    "size_bytes": one.photo.size_bytes,
                    "width_px": one.photo.width_px,
                    "height_px": one.photo.height_px,
                    "created_at_us": now_us,
                }
                for sha, one in missing.items()
            ],
        )
        ids = {items.new_id(): sha for sha in missing}
        connection.execute(
            _NEW_ITEM,
            [
                {
                    "id": id_,
                    "kind": "photo",
                    "sha256": sha,
                    # Two programs that import the same bytes at once end up with one item.
                    "job_key": f"photo:{sha}",
                    "slot": 0,
                    "created_at_us": now_us,
                    "name": clean(missing[sha].name),
                    "width_px": missing[sha].photo.width_px,
                    "height_px": missing[sha].photo.height_px,
                }
                for id_, sha in ids.items()
            ],
        )
        for id_, seq in connection.execute(_SEQS, {"keys": list(ids)}):
            seqs[ids[id_]] = seq
        return seqs, set(missing)

    def _captions(
        self,
        connection: sa.Connection,
        fresh: Sequence[tuple[Settled, Any]],
        seqs: Mapping[str, int],
        now_us: int,
    ) -> None:
        keys = {"keys": [row.job_key for _, row in fresh]}
        answered = set(connection.execute(_ANSWERED, keys).scalars())
        rows, links, costs = [], [], []
        for one, row in fresh:
            seq = seqs[str(one.photo.sha256)]
            booked = money.ceil_picousd(one.cost)
            values = attempts.caption_values(row, one.usage, booked, now_us)
            if row.job_key in answered:
                values["job_key"] = None  # a second paid answer is kept beside the first
            answered.add(row.job_key)
            rows.append(
                {
                    **values,
                    "item_seq": seq,
                    "slot": 0,
                    "task": one.task,
                    "text": clean(one.text),
                    "tags": json.dumps(clean_tags(one.tags)) if one.tags else None,
                    "data": json.dumps(one.data) if one.data is not None else None,
                }
            )
            links.append({"model": row.model, "item_seq": seq, "provider": row.provider})
            if booked:
                costs.append({"at": seq, "more": booked})
        connection.execute(_NEW_CAPTION, rows)
        connection.execute(results.insert_new(schema.item_models, connection), links)
        if costs:
            connection.execute(results.ADD_COST, costs)

    def _index(
        self,
        connection: sa.Connection,
        fresh: Sequence[tuple[Settled, Any]],
        seqs: Mapping[str, int],
        new: set[str],
    ) -> None:
        """Make the words searchable: new photos at once, the others one by one."""
        count: dict[str, int] = defaultdict(int)
        for one, _ in fresh:
            count[str(one.photo.sha256)] += 1
        entries: list[tuple[int, Mapping[str, str]]] = []
        again: set[int] = set()
        for one, _ in fresh:
            sha = str(one.photo.sha256)
            if sha not in new or count[sha] > 1:
                again.add(seqs[sha])
                continue
            words = [clean(one.text), *(clean_tags(one.tags) if one.tags else ())]
            if one.data:
                words.append(json.dumps(one.data, ensure_ascii=False))
            entries.append((seqs[sha], {"name": clean(one.name), "captions": "\n".join(words)}))
        if entries:
            search.put_new(connection, entries)
        for seq in sorted(again):
            items.reindex(connection, seq)


def _picousd(dollars: Decimal | None) -> int | None:
    return None if dollars is None else money.ceil_picousd(dollars)
