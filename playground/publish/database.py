"""The snapshot's own small database: only published fields, opened only for reading.

One SQLite file in rollback-journal mode, so that it can be read from a read-only folder. It is
written once, into a folder that nobody sees yet, and never changed afterwards. Visitors' searches
are bound in their length, their time and the size of their page; a reader's connection may
neither write, nor attach another file, nor load anything.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from playground import money
from playground.errors import GalleryProblem
from playground.publish.entries import ID, Entry
from playground.publish.query import FACETS, SORTS, Sort, Term, fold, parse, shape

if TYPE_CHECKING:
    from playground.publish.pictures import Picture

NAME = "published.db"
VERSION = 1
APPLICATION_ID = 0x48505042  # "HPPB": tells it from a gallery's database
MAX_PAGE = 200
QUERY_SECONDS = 0.5
_MAX_FACET_VALUES = 40
_WORDS = ("title", "prompt", "captions", "note", "tags", "alt")
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE items (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, shape TEXT NOT NULL,
    pixels INTEGER NOT NULL, rating INTEGER NOT NULL, cost INTEGER, model TEXT NOT NULL,
    collection TEXT NOT NULL, entry TEXT NOT NULL
) STRICT;
CREATE TABLE tags (
    tag TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (tag, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE pictures (
    name TEXT PRIMARY KEY, item TEXT NOT NULL, what TEXT NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX pictures_by_item ON pictures (item);
CREATE VIRTUAL TABLE words USING fts5({", ".join(_WORDS)}, content='', prefix='2 3');
"""
_ORDER: Mapping[Sort, tuple[str, str]] = {
    "newest": ("(0+0)", ">"),
    "oldest": ("(0+0)", "<"),
    "best": ("-rating", ">"),
    "dearest": ("-coalesce(cost, -1)", ">"),
    "cheapest": ("coalesce(cost, 9223372036854775807)", ">"),
    "largest": ("-pixels", ">"),
}
_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


def write(
    path: Path, meta: Mapping[str, str], entries: Sequence[Entry], pictures: Iterable[Picture]
) -> None:
    """Make the database of a snapshot, in the order in which the entries are shown."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        for seq, entry in enumerate(entries, 1):
            _put(connection, seq, entry)
        connection.executemany(
            "INSERT INTO pictures VALUES (?, ?, ?, ?, ?, ?)",
            [(p.name, p.item, p.what, p.width_px, p.height_px, p.size_bytes) for p in pictures],
        )
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.execute("COMMIT")
        connection.execute("VACUUM")
    finally:
        connection.close()


def _put(connection: sqlite3.Connection, seq: int, entry: Entry) -> None:
    connection.execute(
        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            seq,
            entry.id,
            entry.kind,
            shape(entry.width_px, entry.height_px),
            entry.width_px * entry.height_px,
            entry.rating or 0,
            None if entry.cost is None else money.to_picousd(entry.cost),
            entry.model,
            entry.collection,
            json.dumps(entry.to_dict(), ensure_ascii=False),
        ),
    )
    connection.executemany("INSERT INTO tags VALUES (?, ?)", [(tag, seq) for tag in entry.tags])
    texts = {
        "title": entry.title,
        "prompt": entry.prompt,
        "captions": "\n".join(words.text for words in entry.captions),
        "note": entry.note,
        "tags": "\n".join((*entry.tags, entry.collection)),
        "alt": entry.alt,
    }
    folded = [" ".join(fold(texts[name])) for name in _WORDS]
    connection.execute(
        f"INSERT INTO words (rowid, {', '.join(_WORDS)}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (seq, *folded),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a visitor's search: entries, how many there are, counts by facet, the next page."""

    entries: tuple[Entry, ...]
    total: int
    facets: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    next: tuple[int, int] | None = None


class Reader:
    """An open snapshot database; safe to use from any thread.

    Raises:
        GalleryProblem: when there is none, it is damaged, or a newer Halfpenny made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._deadline = 0.0
        try:
            uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            with self._lock:
                self._check()
                self.meta = dict(self._connection.execute("SELECT key, value FROM meta"))
                # The search index is opened now: what it does for that is forbidden from here on.
                self._connection.execute("SELECT rowid FROM words WHERE words MATCH 'a'").fetchone()
        except sqlite3.Error as error:
            msg = (
                f"There is no published snapshot at {path.parent}, or it is damaged ({error}); "
                "make it (again) with `playground gallery publish`."
            )
            raise GalleryProblem(msg) from error
        # Statements that run into the deadline are interrupted, whatever they are.
        self._connection.set_progress_handler(self._late, 2000)
        self._connection.set_authorizer(_only_reading)

    def _check(self) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            self._connection.close()
            msg = f"{self.path} is not the database of a published snapshot."
            raise GalleryProblem(msg)
        if version > VERSION:
            self._connection.close()
            msg = (
                f"The snapshot {self.path.parent} was made by a newer Halfpenny (format {version}, "
                f"this one reads {VERSION}); update Halfpenny, or publish the items again with "
                "this one, into a new folder."
            )
            raise GalleryProblem(msg)

    def _late(self) -> int:
        return int(time.monotonic() > self._deadline)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            self._deadline = time.monotonic() + QUERY_SECONDS
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:
                if "interrupted" in str(error):
                    msg = "That search takes too long; try fewer or rarer words."
                    raise GalleryProblem(msg) from error
                raise

    def entry(self, item_id: str) -> Entry | None:
        """The entry with this neutral id, or None."""
        if not ID.fullmatch(item_id):
            return None
        rows = self._rows("SELECT entry FROM items WHERE id = ?", (item_id,))
        return Entry.from_dict(json.loads(rows[0][0])) if rows else None

    def entries(self) -> Iterator[Entry]:
        """All entries in their order."""
        last = 0
        while rows := self._rows(
            "SELECT seq, entry FROM items WHERE seq > ? ORDER BY seq LIMIT 500", (last,)
        ):
            for last, text in rows:  # noqa: B007 - the cursor of the next page
                yield Entry.from_dict(json.loads(text))

    def pictures(self, item_ids: Sequence[str]) -> dict[str, dict[str, tuple[str, int, int, int]]]:
        """Name, width, height and bytes of the files of items, by item and what they are for."""
        marks = ",".join("?" * len(item_ids))
        rows = self._rows(
            f"SELECT item, what, name, width, height, bytes FROM pictures WHERE item IN ({marks})",  # noqa: S608
            item_ids,
        )
        found: dict[str, dict[str, tuple[str, int, int, int]]] = {}
        for item, what, *rest in rows:
            found.setdefault(item, {})[what] = (rest[0], rest[1], rest[2], rest[3])
        return found

    def find(
        self,
        text: str = "",
        where: Mapping[str, str] | None = None,
        *,
        sort: Sort = "newest",
        limit: int = 60,
        after: tuple[int, int] | None = None,
        facets: bool = False,
    ) -> Found:
        """A page of a search, with facets when asked for.

        Raises:
            GalleryProblem: when it takes longer than half a second.
        """
        sort = sort if sort in SORTS else "newest"
        conditions, values = _conditions(parse(text), where or {})
        matched = " AND ".join(conditions) or "1"
        key, compare = _ORDER[sort]
        paged, paging = matched, list(values)
        if after is not None:
            paged += f" AND ({key}, seq) {compare} (?, ?)"
            paging += list(after)
        downwards = " DESC" if compare == "<" else ""
        rows = self._rows(
            f"SELECT {key}, seq, entry FROM items WHERE {paged} "  # noqa: S608
            f"ORDER BY {key}, seq{downwards} LIMIT ?",
            [*paging, max(1, min(limit, MAX_PAGE)) + 1],
        )
        more = len(rows) > min(limit, MAX_PAGE)
        rows = rows[: min(limit, MAX_PAGE)]
        (total,) = self._rows(f"SELECT count(*) FROM items WHERE {matched}", values)[0]  # noqa: S608
        return Found(
            tuple(Entry.from_dict(json.loads(row[2])) for row in rows),
            int(total),
            self._facets(matched, values) if facets else {},
            (int(rows[-1][0]), int(rows[-1][1])) if more else None,
        )

    def _facets(
        self, matched: str, values: Sequence[Any]
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        found: dict[str, tuple[tuple[str, int], ...]] = {}
        for name in ("kind", "model", "collection", "shape"):
            rows = self._rows(
                f"SELECT {name}, count(*) AS n FROM items WHERE {matched} AND {name} <> '' "  # noqa: S608
                f"GROUP BY {name} ORDER BY n DESC, {name} LIMIT {_MAX_FACET_VALUES}",
                values,
            )
            found[name] = tuple(rows)
        found["tag"] = tuple(
            self._rows(
                f"SELECT tag, count(*) AS n FROM tags WHERE seq IN "  # noqa: S608
                f"(SELECT seq FROM items WHERE {matched}) "
                f"GROUP BY tag ORDER BY n DESC, tag LIMIT {_MAX_FACET_VALUES}",
                values,
            )
        )
        stars = self._rows(
            f"SELECT rating, count(*) FROM items WHERE {matched} AND rating > 0 "  # noqa: S608
            "GROUP BY rating ORDER BY rating DESC",
            values,
        )
        so_far, ratings = 0, []
        for rating, count in stars:
            so_far += count
            ratings.append((str(rating), so_far))
        found["rating"] = tuple(ratings)
        return found


def _only_reading(action: int, name: str | None, *_: Any) -> int:
    # The search index asks for its data version, whatever is searched.
    allowed = action in _READING or (action == sqlite3.SQLITE_PRAGMA and name == "data_version")
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _conditions(terms: Sequence[Term], where: Mapping[str, str]) -> tuple[list[str], list[Any]]:
    """What a search asks of a row of `items`; every value is bound, never written into SQL."""
    conditions: list[str] = []
    values: list[Any] = []
    facets = [
        Term(facet=name, value=str(value)[:200], compare=">=", number=None)
        for name, value in where.items()
        if name in FACETS
    ]
    for term in [*terms, *facets]:
        condition, bound = _condition(term)
        conditions.append(condition if term.wanted else f"NOT ({condition})")
        values += bound
    return conditions, values


def _condition(term: Term) -> tuple[str, list[Any]]:
    if term.words:
        phrase = f'"{" ".join(term.words)}"' + (" *" if term.prefix else "")
        return "seq IN (SELECT rowid FROM words WHERE words MATCH ?)", [phrase]
    if term.facet == "tag":
        return "seq IN (SELECT seq FROM tags WHERE tag = ? COLLATE NOCASE)", [term.value]
    if term.facet == "model":
        return "instr(lower(model), lower(?)) > 0", [term.value]
    if term.facet == "rating" and term.number is None:
        stars = int(term.value) if term.value.isdecimal() and len(term.value) < 3 else 0
        return "rating >= ?", [stars]
    if term.facet in {"kind", "collection", "shape"}:
        return f"{term.facet} = ? COLLATE NOCASE", [term.value]
    number = term.number if term.number is not None else Decimal(0)
    compare = term.compare
    if term.facet == "cost":
        return f"cost {compare} ?", [int(min(number, Decimal(10**6)) * 10**12)]
    column = "rating" if term.facet == "rating" else "pixels"
    return f"{column} {compare} ?", [min(int(number), 2**62)]
