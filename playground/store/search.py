"""Full-text search: any text is safe to type, the same words are found on both databases.

Words must all occur; `"a phrase"` in this order; `wiz*` begins so; `-cat` must not occur.
Everything else is literal: there is no other syntax and no text that fails. Case and accents
don't matter. SQLite: one FTS5 table, its rowid the item's seq. PostgreSQL: one tsvector per item
('simple', of the same folded words) under a GIN index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from playground.store import schema
from playground.store.database import execute_many
from playground.store.records import clean

FIELDS = ("title", "prompt", "captions", "notes", "tags", "alt", "name")
_TERM = re.compile(r'(-?)"([^"]*)"?(\*?)|(\S+)')
_MAX_TERMS = 64
# A tsvector holds at most a megabyte; the rest of a longer text is not searchable there.
_MAX_FOLDED_CHARS = 200_000

SQLITE_DDL = (
    f"CREATE VIRTUAL TABLE search USING fts5({', '.join(FIELDS)}, "
    "tokenize='unicode61 remove_diacritics 2', prefix='2 3')",
)
POSTGRES_DDL = (
    "CREATE TABLE search (item_seq BIGINT PRIMARY KEY REFERENCES items (seq), "
    "words TSVECTOR NOT NULL)",
    "CREATE INDEX search_by_words ON search USING gin (words)",
)

_fts = sa.table("search", sa.column("rowid"), *(sa.column(name) for name in FIELDS))
_vector = sa.table("search", sa.column("item_seq"), sa.column("words"))
_seq: sa.BindParameter[int] = sa.bindparam("seq")
_FTS_INSERT = sa.insert(_fts).values(
    {"rowid": _seq, **{name: sa.bindparam(name) for name in FIELDS}}
)
_FTS_DELETE = sa.delete(_fts).where(_fts.c.rowid == _seq)
_VECTOR_PUT = sa.text(
    "INSERT INTO search (item_seq, words) VALUES (:seq, to_tsvector('simple', :folded)) "
    "ON CONFLICT (item_seq) DO UPDATE SET words = excluded.words"
)


@dataclass(frozen=True, slots=True)
class Term:
    """One word, phrase or prefix as typed; `wanted` is False after a minus."""

    text: str
    prefix: bool = False
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What a search adds to a query on `items`: a source, an order of arrival, a condition."""

    source: sa.FromClause
    seq: sa.ColumnElement[int]
    condition: sa.ColumnElement[bool] | None


def fold(text: str) -> tuple[str, ...]:
    """The words of a text in one plain form: letters and digits, no case, no accents."""
    bare = "".join(
        char if char.isalnum() else " "
        for char in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(char)
    )
    return tuple(bare.casefold().split())


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a search; what holds no letter or digit is left out."""
    terms = []
    for match in _TERM.finditer(clean(text)):
        minus, phrase, star, word = match.groups()
        if word is not None:
            minus = "-" if len(word) > 1 and word.startswith("-") else ""
            phrase = word[len(minus) :].replace('"', " ")
            star = "*" if phrase.endswith("*") else ""
        if any(unicodedata.category(char)[0] in "LN" for char in phrase):
            terms.append(Term(phrase, prefix=bool(star), wanted=not minus))
        if len(terms) == _MAX_TERMS:
            break
    return tuple(terms)


def find(terms: tuple[Term, ...], dialect: str) -> Found:
    """How to find the items that hold the terms; all of them when there are none."""
    seq: sa.ColumnElement[int] = schema.items.c.seq
    if not terms:
        return Found(schema.items, seq, None)
    if dialect != "sqlite":
        return Found(schema.items, seq, _vector_condition(terms))
    wanted = " AND ".join(_fts_term(term) for term in terms if term.wanted)
    unwanted = " OR ".join(_fts_term(term) for term in terms if not term.wanted)
    if not wanted:
        rows = sa.select(_fts.c.rowid).where(_match(unwanted))
        return Found(schema.items, seq, seq.not_in(rows))
    # The index comes first, because it delivers its hits by rowid: the newest page of a common
    # word is read without looking at the other hits.
    joined = sa.join(_fts, schema.items, schema.items.c.seq == _fts.c.rowid)
    matched = wanted if not unwanted else f"({wanted}) NOT ({unwanted})"
    return Found(joined, _fts.c.rowid, _match(matched))


def _match(expression: str) -> sa.ColumnElement[bool]:
    # FTS5 takes its query through a hidden column that is named like the table.
    return sa.literal_column("search").op("MATCH")(expression)


def _fts_term(term: Term) -> str:
    return f'"{term.text}"' + ("*" if term.prefix else "")


def _vector_condition(terms: tuple[Term, ...]) -> sa.ColumnElement[bool]:
    rows = sa.select(_vector.c.item_seq).where(_vector_match(terms))
    return schema.items.c.seq.in_(rows)


def _vector_match(terms: tuple[Term, ...]) -> sa.ColumnElement[bool]:
    query: sa.ColumnElement[Any] | None = None
    for term in terms:
        # Folded words are letters and digits only: quoted, they leave no syntax to break.
        parts = [f"'{word}'" for word in fold(term.text)]
        if not parts:
            continue
        if term.prefix:
            parts[-1] += ":*"
        phrase = " <-> ".join(parts)
        one = sa.func.to_tsquery("simple", phrase if term.wanted else f"!({phrase})")
        query = one if query is None else query.op("&&")(one)
    return _vector.c.words.op("@@")(query)


def expression(terms: tuple[Term, ...]) -> str:
    """Terms of one sort (all wanted, or all not) as FTS5 takes them: all of them, or any."""
    return (" AND " if terms[0].wanted else " OR ").join(_fts_term(term) for term in terms)


def hits(terms: tuple[Term, ...], dialect: str, *, newest: bool = False) -> sa.Select[Any]:
    """The seqs of the items that hold the terms, from the index alone.

    Terms that are all unwanted ask for the items that hold any of them. `newest` puts the latest
    first, which costs nothing.
    """
    if dialect == "sqlite":
        wanted = tuple(term for term in terms if term.wanted)
        unwanted = tuple(term for term in terms if not term.wanted)
        matched = expression(wanted or unwanted)
        if wanted and unwanted:
            matched = f"({matched}) NOT ({expression(unwanted)})"
        query = sa.select(_fts.c.rowid).where(_match(matched))
        return query.order_by(_fts.c.rowid.desc()) if newest else query
    if not any(term.wanted for term in terms):
        flipped = [Term(term.text, term.prefix) for term in terms]
        found = sa.or_(*(_vector_match((term,)) for term in flipped))
        query = sa.select(_vector.c.item_seq).where(found)
    else:
        query = sa.select(_vector.c.item_seq).where(_vector_match(terms))
    return query.order_by(_vector.c.item_seq.desc()) if newest else query


def put(
    connection: sa.Connection, seq: int, fields: Mapping[str, str], *, new: bool = False
) -> None:
    """Index the item `seq` by its texts (`FIELDS`), replacing what was indexed before."""
    texts = {name: fields.get(name, "") for name in FIELDS}
    if connection.dialect.name == "sqlite":
        if not new:
            connection.execute(_FTS_DELETE, {"seq": seq})
        connection.execute(_FTS_INSERT, {"seq": seq, **texts})
    else:
        connection.execute(_VECTOR_PUT, {"seq": seq, "folded": _folded(texts)})


def put_new(connection: sa.Connection, entries: Sequence[tuple[int, Mapping[str, str]]]) -> None:
    """Index many items that are not indexed yet."""
    if connection.dialect.name != "sqlite":
        for seq, fields in entries:
            put(connection, seq, fields, new=True)
        return
    empty = dict.fromkeys(FIELDS, "")
    rows = [{"seq": seq, **empty, **texts} for seq, texts in entries]
    if rows:
        execute_many(connection, _FTS_INSERT, rows)


def put_again(connection: sa.Connection, entries: Sequence[tuple[int, Mapping[str, str]]]) -> None:
    """Index many items anew."""
    if connection.dialect.name == "sqlite":
        connection.execute(_FTS_DELETE, [{"seq": seq} for seq, _ in entries])
    put_new(connection, entries)


def _folded(texts: Mapping[str, str]) -> str:
    # A word between two fields keeps a phrase from matching across them.
    return " xfieldendx ".join(" ".join(fold(text)) for text in texts.values())[:_MAX_FOLDED_CHARS]


def clear(connection: sa.Connection) -> None:
    """Forget all indexed texts (before they are indexed anew)."""
    connection.execute(sa.delete(_fts if connection.dialect.name == "sqlite" else _vector))


def count(connection: sa.Connection) -> int:
    """How many items are indexed."""
    table = _fts if connection.dialect.name == "sqlite" else _vector
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
