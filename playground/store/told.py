"""What was answered: to a question, and by one run, with what it was quoted and billed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from playground import money
from playground.store import schema

_attempts, _captions, _items = schema.attempts, schema.captions, schema.items
# So many captions are looked at, the newest first: other runs may have added some in between.
_LOOKED = 5000


@dataclass(frozen=True, slots=True)
class Told:
    """A caption that a run brought, and the item that it belongs to. `dollars` as billed."""

    item_id: str
    sha256: str
    name: str
    task: str
    model: str
    text: str
    tags: tuple[str, ...]
    dollars: Decimal
    sample: bool


@dataclass(frozen=True, slots=True)
class RunBill:
    """The answers of a run: how many, what they were quoted (low to high) and billed, dollars."""

    answers: int
    low: Decimal
    high: Decimal
    billed: Decimal


def newest(connection: sa.Connection, run_id: str, limit: int) -> list[Told]:
    """The last captions of a run, the newest first."""
    some = sa.select(_captions).order_by(_captions.c.id.desc()).limit(_LOOKED).subquery()
    query = (
        sa.select(some, _items.c.id.label("item_id"), _items.c.name, _items.c.sha256)
        .join(_attempts, _attempts.c.id == some.c.attempt_id)
        .join(_items, _items.c.seq == some.c.item_seq)
        .where(_attempts.c.run_id == run_id, _items.c.deleted_at_us.is_(None))
        .order_by(some.c.id.desc())
        .limit(limit)
    )
    return [
        Told(
            item_id=row.item_id,
            sha256=row.sha256,
            name=row.name,
            task=row.task,
            model=row.model,
            text=row.text,
            tags=tuple(json.loads(row.tags)) if row.tags else (),
            dollars=money.from_picousd(row.billed or 0),
            sample=bool(row.sample),
        )
        for row in connection.execute(query)
    ]


def bill(connection: sa.Connection, run_id: str) -> RunBill:
    """The sums of a run's answers."""
    columns = (_attempts.c.quoted_low, _attempts.c.quoted_high, _attempts.c.cost)
    sums = [sa.func.coalesce(sa.func.sum(column), 0) for column in columns]
    query = sa.select(sa.func.count(), *sums).where(
        _attempts.c.run_id == run_id, _attempts.c.state == "settled"
    )
    count, low, high, billed = connection.execute(query).one()
    return RunBill(int(count), *(money.from_picousd(int(one)) for one in (low, high, billed)))


def answers(connection: sa.Connection, job_keys: Sequence[str]) -> dict[str, int]:
    """The newest caption (its id) that answers each of the questions that have one."""
    query = (
        sa.select(_attempts.c.job_key, sa.func.max(_captions.c.id).label("newest"))
        .join(_captions, _captions.c.attempt_id == _attempts.c.id)
        .where(_attempts.c.job_key.in_(list(job_keys)))
        .group_by(_attempts.c.job_key)
    )
    return {row.job_key: int(row.newest) for row in connection.execute(query)}
