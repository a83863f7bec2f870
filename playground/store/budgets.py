"""The sums that caps are compared with: one row for the gallery, one per UTC day, one per run.

They change in the transaction that changes an attempt, always in the order gallery, day, run, so
that transactions side by side never wait for each other in a circle.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from playground import money
from playground.errors import CapReached, GalleryProblem, InvalidRequest, SpendingRefused
from playground.store import results, schema
from playground.store.records import OPEN_STATES, Caps, Totals

NO_CAP = 2**63 - 1
BY = {"day": "day", "model": "model", "tier": "tier", "run": "run_id"}

_table = schema.budgets
_u: sa.BindParameter[int] = sa.bindparam("u")
_limit: sa.BindParameter[int] = sa.bindparam("limit")
_today: sa.BindParameter[str] = sa.bindparam("today")
_here = sa.and_(
    _table.c.scope == sa.bindparam("at_scope"), _table.c.name == sa.bindparam("at_name")
)
_committed = _table.c.settled + _table.c.held + _u
_stored_day_cap = (
    sa.select(_table.alias("daily").c.cap)
    .where(sa.text("daily.scope = 'day' AND daily.name = ''"))
    .scalar_subquery()
)
_HOLD_GALLERY = (
    sa.update(_table)
    .where(
        _here,
        _table.c.overruns == 0,
        _committed <= sa.func.coalesce(_table.c.cap, NO_CAP),
        _committed <= _limit,
    )
    .values(
        held=_table.c.held + _u,
        day=sa.case((_table.c.day < _today, _today), else_=_table.c.day),
    )
    .returning(_table.c.day)
)
_HOLD_DAY = (
    sa.update(_table)
    .where(_here, _committed <= sa.func.coalesce(_stored_day_cap, NO_CAP), _committed <= _limit)
    .values(held=_table.c.held + _u)
)
# A run's cap is the one that is passed; it is stored to be shown.
_HOLD_RUN = (
    sa.update(_table)
    .where(_here, _committed <= _limit)
    .values(held=_table.c.held + _u, cap=sa.bindparam("shown"))
)
_MOVE = (
    sa.update(_table)
    .where(_here)
    .values(
        held=_table.c.held + sa.bindparam("more_held"),
        settled=_table.c.settled + sa.bindparam("more_settled"),
        sample=_table.c.sample + sa.bindparam("more_sample"),
        overruns=_table.c.overruns + sa.bindparam("more_overruns"),
    )
)


def whole(cap: Decimal | None) -> int:
    """A cap in picodollars, rounded down; `NO_CAP` for None."""
    return NO_CAP if cap is None else min(int(cap.scaleb(12)), NO_CAP)


def hold(
    connection: sa.Connection, amount: int, caps: Caps, *, today: str, run_id: str | None
) -> str:
    """Add `amount` picodollars to what is held, if every cap allows it; the budget day.

    The day is the latest that the gallery ever saw: a clock that goes back opens nothing.

    Raises:
        SpendingRefused: with the numbers of the cap that stopped it.
    """
    place = {"at_scope": "gallery", "at_name": "", "u": amount, "limit": whole(caps.gallery)}
    day = connection.execute(_HOLD_GALLERY, {**place, "today": today}).scalar_one_or_none()
    if day is None:
        raise _refusal(connection, "gallery", "", amount, caps.gallery)
    place = {"at_scope": "day", "at_name": day, "u": amount, "limit": whole(caps.day)}
    if not _held(connection, _HOLD_DAY, place):
        raise _refusal(connection, "day", day, amount, caps.day)
    if run_id is not None:
        shown = None if caps.run is None else whole(caps.run)
        place = {"at_scope": "run", "at_name": run_id, "u": amount, "limit": whole(caps.run)}
        if not _held(connection, _HOLD_RUN, {**place, "shown": shown}):
            raise _refusal(connection, "run", run_id, amount, caps.run)
    return str(day)


def room(connection: sa.Connection, caps: Caps, *, today: str, run_id: str | None) -> int:
    """Picodollars that every cap still allows; -1 where nothing may be spent at all."""
    return min(left for _, _, left, _ in _places(connection, caps, today, run_id))


def refusal(
    connection: sa.Connection, caps: Caps, amount: int, *, today: str, run_id: str | None
) -> SpendingRefused:
    """Why `amount` picodollars do not fit, with the numbers of the cap that is nearest."""
    places = _places(connection, caps, today, run_id)
    scope, name, _, passed = min(places, key=lambda place: place[2])
    return _refusal(connection, scope, name, amount, passed)


def _places(
    connection: sa.Connection, caps: Caps, today: str, run_id: str | None
) -> list[tuple[str, str, int, Decimal | None]]:
    """Each budget that counts: scope, name, what is left, and the cap that was passed."""
    gallery = _row(connection, "gallery", "")
    assert gallery is not None
    day = max(gallery.day, today)
    asked: list[tuple[str, str, Decimal | None]] = [
        ("gallery", "", caps.gallery),
        ("day", day, caps.day),
    ]
    if run_id is not None:
        asked.append(("run", run_id, caps.run))
    places = []
    for scope, name, passed in asked:
        row = _row(connection, scope, name)
        limits = [cap for cap in (passed, _stored_cap(connection, scope)) if cap is not None]
        limit = min(map(whole, limits), default=NO_CAP)
        left = max(limit - (row.settled + row.held if row is not None else 0), 0)
        places.append((scope, name, -1 if gallery.overruns else left, passed))
    return places


def _held(connection: sa.Connection, update: Any, place: dict[str, Any]) -> bool:
    if connection.execute(update, place).rowcount:
        return True
    row = {"scope": place["at_scope"], "name": place["at_name"]}
    connection.execute(results.insert_new(_table, connection), row)
    return bool(connection.execute(update, place).rowcount)


def _refusal(
    connection: sa.Connection, scope: str, name: str, amount: int, passed: Decimal | None
) -> SpendingRefused:
    row = _row(connection, scope, name)
    needed = money.short(money.from_picousd(amount))
    if scope == "gallery" and row is not None and row.overruns:
        return SpendingRefused(
            f"{row.overruns} call(s) cost more than was reserved for them, so spending is stopped "
            "until you have looked at them (`playground doctor`) and acknowledged them. Nothing "
            "was sent and nothing was spent."
        )
    stored = _stored_cap(connection, scope)
    known = [cap for cap in (passed, stored) if cap is not None]
    cap = money.short(min(known)) if known else "missing"
    settled = money.short(money.from_picousd(row.settled if row else 0))
    held = money.short(money.from_picousd(row.held if row else 0))
    whose = {"gallery": "this gallery", "day": f"the day {name} (UTC)", "run": "this run"}[scope]
    return CapReached(
        f"The cap of {whose} is {cap}, {settled} is spent and {held} held; this needs up to "
        f"{needed}. Nothing was sent and nothing was spent."
    )


def _row(connection: sa.Connection, scope: str, name: str) -> sa.Row[Any] | None:
    query = sa.select(_table).where(_table.c.scope == scope, _table.c.name == name)
    return connection.execute(query).one_or_none()


def _stored_cap(connection: sa.Connection, scope: str) -> Decimal | None:
    row = None if scope == "run" else _row(connection, scope, "")
    return None if row is None or row.cap is None else money.from_picousd(row.cap)


def move(
    connection: sa.Connection,
    *,
    held: int,
    settled: int,
    sample: int,
    overruns: int,
    day: str,
    run_id: str | None,
) -> None:
    """Change all sums of one attempt alike."""
    if not (held or settled or sample or overruns):
        return
    more = {"more_held": held, "more_settled": settled, "more_sample": sample}
    places = [("gallery", "", overruns), ("day", day, 0)]
    if run_id is not None:
        places.append(("run", run_id, 0))
    connection.execute(
        _MOVE,
        [
            {"at_scope": scope, "at_name": name, **more, "more_overruns": overrun}
            for scope, name, overrun in places
        ],
    )


def clear_overruns(connection: sa.Connection) -> None:
    """Close the breaker."""
    one = sa.and_(_table.c.scope == "gallery", _table.c.name == "")
    connection.execute(sa.update(_table).where(one).values(overruns=0))


def set_cap(connection: sa.Connection, scope: str, dollars: Decimal | None) -> None:
    """Store a cap of the gallery or of each day.

    Raises:
        InvalidRequest: for a negative one.
    """
    if dollars is not None and dollars < 0:
        msg = f"a cap is 0 dollars or more, not {dollars}"
        raise InvalidRequest(msg)
    # The caps of all days stand on a row of their own, which has the empty name.
    connection.execute(results.insert_new(_table, connection), {"scope": scope, "name": ""})
    one = sa.and_(_table.c.scope == scope, _table.c.name == "")
    cap = None if dollars is None else whole(dollars)
    connection.execute(sa.update(_table).where(one).values(cap=cap))


def totals(connection: sa.Connection, scope: str, name: str | None) -> Totals:
    """The sums of one budget; zeros for a day or run that spent nothing."""
    gallery = _row(connection, "gallery", "")
    assert gallery is not None
    if scope == "run" and name is None:
        msg = "the totals of a run need its id"
        raise GalleryProblem(msg)
    if name is None:
        name = gallery.day if scope == "day" else ""
    row = _row(connection, scope, name) if (scope, name) != ("day", "") else None
    cap = money.from_picousd(row.cap) if row is not None and row.cap is not None else None
    if scope == "day":
        cap = _stored_cap(connection, "day")
    if row is None:
        return Totals(Decimal(0), Decimal(0), cap)
    settled, held, sample = map(money.from_picousd, (row.settled, row.held, row.sample))
    return Totals(settled, held, cap, sample)


def spend(connection: sa.Connection, by: str) -> list[dict[str, Any]]:
    """One row per day, model, tier or run, the largest first: calls and dollars.

    `settled` was billed, `held` may still be, `quoted_low` and `quoted_high` are the quotes of
    the same calls; calls that were released count nowhere. Sample money has rows of its own.
    """
    if by not in BY:
        msg = f"spend is shown by {', '.join(BY)}, not by {by!r}"
        raise InvalidRequest(msg)
    table = schema.attempts
    column = sa.func.coalesce(table.c[BY[by]], "")
    held = sa.case((table.c.state.in_(OPEN_STATES), table.c.hold), else_=0)
    sums = {
        "settled": table.c.cost,
        "held": held,
        "quoted_low": table.c.quoted_low,
        "quoted_high": table.c.quoted_high,
    }
    query = (
        sa.select(
            column.label("name"),
            table.c.sample,
            sa.func.count().label("calls"),
            *(sa.func.coalesce(sa.func.sum(part), 0).label(name) for name, part in sums.items()),
        )
        .where(table.c.state != "released")
        .group_by(sa.text("1"), table.c.sample)
    )
    rows = sorted(connection.execute(query), key=lambda row: (-int(row.settled), row.name))
    return [
        {
            by: row.name,
            "calls": row.calls,
            **{name: money.from_picousd(int(getattr(row, name))) for name in sums},
            "sample": bool(row.sample),
        }
        for row in rows
    ]


def recount(connection: sa.Connection) -> list[tuple[str, str, str]]:
    """Sums that the attempts do not add up to: (scope, name, what is wrong); checks every row."""
    wrong = []
    expected = _expected(connection)
    rows = {(row.scope, row.name): row for row in connection.execute(sa.select(_table))}
    for place in sorted(expected.keys() | rows.keys()):
        right = expected.get(place, _NOTHING)
        row = rows.get(place)
        have = {name: getattr(row, name) for name in right} if row else _NOTHING
        if have != right:
            says, adds_up = (
                f"{money.short(money.from_picousd(one['settled']))} spent and "
                f"{money.short(money.from_picousd(one['held']))} held"
                for one in (have, right)
            )
            wrong.append((*place, f"says {says}, its calls add up to {adds_up}"))
    return wrong


def rebuild(connection: sa.Connection) -> None:
    """Set every sum to what the attempts add up to."""
    connection.execute(sa.update(_table).values(_NOTHING))
    for (scope, name), right in _expected(connection).items():
        connection.execute(results.insert_new(_table, connection), {"scope": scope, "name": name})
        one = sa.and_(_table.c.scope == scope, _table.c.name == name)
        connection.execute(sa.update(_table).where(one).values(right))


_NOTHING = {"settled": 0, "held": 0, "sample": 0, "overruns": 0}


def _expected(connection: sa.Connection) -> dict[tuple[str, str], dict[str, int]]:
    table = schema.attempts
    open_ = table.c.state.in_(OPEN_STATES)
    told = sa.and_(table.c.state == "overrun", table.c.acknowledged_at_us.is_(None))
    parts = {
        "settled": table.c.cost,
        "held": sa.case((open_, table.c.hold), else_=0),
        "sample": table.c.cost * table.c.sample,
        "overruns": sa.case((told, 1), else_=0),
    }
    columns = [sa.func.coalesce(sa.func.sum(part), 0).label(name) for name, part in parts.items()]
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for scope, column in (
        ("gallery", sa.literal("")),
        ("day", table.c.day),
        ("run", table.c.run_id),
    ):
        query = sa.select(column.label("name"), *columns).group_by(sa.text("1"))
        for row in connection.execute(query):
            if row.name is not None:
                right = {name: int(getattr(row, name)) for name in parts}
                # The breaker is the gallery's alone.
                sums[scope, row.name] = right if scope == "gallery" else {**right, "overruns": 0}
    return sums
