"""Searches that were given a name."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from playground.errors import InvalidRequest
from playground.store import schema
from playground.store.question import MAX_CHARS
from playground.store.records import SORTS, Sort, clean_tag

_table = schema.searches
MOST = 200
_MAX_KEPT_CHARS = min(MAX_CHARS, 2000)


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search by its name; `query` holds its conditions too (`question.read`)."""

    name: str
    query: str
    sort: Sort = "newest"


def every(connection: sa.Connection) -> list[SavedSearch]:
    """All of them, by name."""
    rows = connection.execute(sa.select(_table).order_by(_table.c.name).limit(MOST))
    return [SavedSearch(row.name, row.query, row.sort) for row in rows]


def checked(name: str, query: str, sort: Sort) -> SavedSearch:
    """A search as it can be kept.

    Raises:
        InvalidRequest: for a name that is empty or too long, a long text, or an unknown order.
    """
    if sort not in SORTS:
        msg = f"sort {sort!r} is not one of {', '.join(SORTS)}"
        raise InvalidRequest(msg)
    if len(query) > _MAX_KEPT_CHARS:
        msg = f"a search that is kept has at most {_MAX_KEPT_CHARS:,} characters"
        raise InvalidRequest(msg)
    try:
        kept = clean_tag(name)
    except InvalidRequest as problem:
        msg = "a search's name has 1 to 64 characters; it was not kept"
        raise InvalidRequest(msg) from problem
    return SavedSearch(kept, query.replace("\0", " ").encode("utf-8", "replace").decode(), sort)


def save(connection: sa.Connection, one: SavedSearch, now_us: int) -> None:
    """Keep a search under its name, in place of an earlier one."""
    forget(connection, one.name)
    values = {"name": one.name, "query": one.query, "sort": one.sort, "created_at_us": now_us}
    connection.execute(sa.insert(_table), values)


def forget(connection: sa.Connection, name: str) -> None:
    """Forget a search; its pictures stay."""
    connection.execute(sa.delete(_table).where(_table.c.name == name))
