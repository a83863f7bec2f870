"""A wall of pictures: a question's answer as a whole, however many pictures it has.

`first` gives the newest pictures of an answer at once, `answer` everything about it: how many,
what they cost, what they can be narrowed by, the shape of every picture, and any stretch of them
in order. Both may be called from any thread.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from playground import money
from playground.store import classes, column_file, columns, search
from playground.store.columns import Array, Columns
from playground.store.database import Database
from playground.store.question import Condition, Question, quoted
from playground.store.records import KINDS, Sort
from playground.store.selection import NO_VALUE, Selection

MAX_LISTED = 200
"""Values of one facet that are listed, the most used first; the search finds the others."""

LEAST_KNOWN = 10_000
"""Hits that are looked at to say that there are more than so many."""

_KEPT_HITS = 12
# From so many items on, hits are read in parts and a bound is told before the number.
_MANY, _PARTS = 200_000, 4
# The file of the columns is written anew after so many changes, or new items.
_SAVED_AFTER, _SAVED_MORE = 500, 10_000
# The first page reads hits of the index, or looks at items one by one whether they are hit, which
# takes as long as so many hits: whatever should be quicker after some hits were read. Neither
# reads more than this.
_LOOKED_AT = 20_000
_TRIED = 1_000
_AS_HITS = 60
_WALKED, _STEP, _NEAR = 1200, 300, 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A value to narrow by: its words, how many pictures have it, what to type for it."""

    label: str
    count: int
    token: str


@dataclass(frozen=True, eq=False)
class Answer:
    """Everything that answers a question: `order` holds the positions of the pictures."""

    question: Question
    sort: Sort
    columns: Columns = field(repr=False)
    order: Array = field(repr=False)

    @property
    def total(self) -> int:
        """How many pictures there are."""
        return len(self.order)

    @cached_property
    def dollars(self) -> Decimal:
        """What they were billed, captions included."""
        return money.from_picousd(int(self.columns.cost[self.order].sum()))

    @cached_property
    def all_samples(self) -> bool:
        """Whether nothing of that was real money."""
        return bool(self.columns.state("sample")[self.order].all())

    def seqs(self, start: int, count: int) -> list[int]:
        """The pictures from `start` on."""
        return list(map(int, self.columns.seq[self.order[max(0, start) : max(0, start) + count]]))

    def every(self) -> list[int]:
        """All of them."""
        return list(map(int, self.columns.seq[self.order]))

    def place(self, seq: int) -> int | None:
        """Where a picture stands in the order."""
        at = self.columns.positions(np.array([seq]))
        found = np.flatnonzero(self.order == at[0]) if len(at) else at
        return int(found[0]) if len(found) else None

    def shapes(self) -> tuple[bytes, bytes]:
        """Of every picture in order: its width to height, and its mean colour.

        The first is a byte: 64 steps to each doubling around 128, which stands for a square. The
        second is two bytes, RGB 565, little-endian; 0 stands for a colour that is not known.
        """
        known = self.columns
        return known.ratio[self.order].tobytes(), known.tint[self.order].astype("<u2").tobytes()

    @cached_property
    def facets(self) -> dict[str, list[Choice]]:
        """What the pictures can be narrowed by, with how many would stay."""
        known, chosen = self.columns, np.zeros(len(self.columns), bool)
        chosen[self.order] = True
        kinds, stars, sizes, costs = classes.counts(known.classes[self.order])
        found = {
            "kind": [
                Choice(kind, int(count), f"kind:{kind}")
                for kind, count in zip(KINDS, kinds, strict=True)
                if count
            ],
            "model": self._names("model", known.models.counts(chosen), "="),
            "quality": self._coded("quality", known.quality, known.qualities),
            "size": _classes(classes.SIZES, sizes),
            "rating": [
                Choice(str(least), int(stars[least:].sum()), f"rating:>={least}")
                for least in range(5, 0, -1)
                if stars[least:].sum()
            ],
            "tag": self._names("tag", known.tags.counts(chosen)),
            "collection": self._coded("collection", known.collection, known.collections),
            "cost": _classes(classes.COSTS, costs),
            "date": self._months(),
            "provider": self._names("provider", known.providers.counts(chosen), "="),
        }
        drafts = int(np.count_nonzero(known.unreviewed & chosen))
        found["unreviewed"] = [Choice("unreviewed", drafts, "is:unreviewed")] if drafts else []
        return found

    def _names(self, name: str, counts: list[tuple[str, int]], sign: str = "") -> list[Choice]:
        return [
            Choice(value, count, f"{name}:{sign}{quoted(value)}")
            for value, count in counts[:MAX_LISTED]
            if value
        ]

    def _coded(self, name: str, codes: Array, names: tuple[str, ...]) -> list[Choice]:
        numbers = np.bincount(codes[self.order], minlength=len(names))
        pairs = [(value, int(n)) for value, n in zip(names, numbers, strict=True) if n]
        return self._names(name, sorted(pairs, key=lambda pair: (-pair[1], pair[0])))

    def _months(self) -> list[Choice]:
        if not len(self.order):
            return []
        months = self.columns.month[self.order]
        first = int(months.min())
        numbers = np.bincount(months - first)
        names = [(classes.month_name(first + at), int(n)) for at, n in enumerate(numbers) if n]
        return [Choice(name, n, f"date:{name}") for name, n in reversed(names)][:MAX_LISTED]


def _classes(known: tuple[tuple[str, str], ...], numbers: Array) -> list[Choice]:
    return [
        Choice(label, int(n), token) for (label, token), n in zip(known, numbers, strict=True) if n
    ]


class Wall:
    """The answers of one gallery; what was read and found is kept until the gallery changes.

    `place` is a folder where the columns of a large gallery are kept for the next time.
    """

    def __init__(self, database: Database, place: Path | None = None) -> None:
        self._database = database
        self._file = None if place is None else place / column_file.NAME
        self._lock = threading.Lock()
        self._columns: Columns | None = None
        self._saved: Columns | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._newer = 0
        self._hits: OrderedDict[Any, Array] = OrderedDict()
        self._marks: columns.Marks | None = None

    @property
    def ready(self) -> bool:
        """Whether the columns were read: from then on answers are quick."""
        return self._columns is not None

    def first(self, question: Question, sort: Sort, count: int) -> list[int]:
        """The seqs of the first pictures of an answer, sooner than the whole of it."""
        known = self._columns
        if known is None:
            with self._database.read() as connection:
                keys = Selection(connection, question).keys(sort, count, None)
                return [int(row[-1]) for row in keys]
        if sort == "newest" and question.terms and question.terms not in self._hits:
            found = self._newest(self._fresh(), question, count)
            if found is not None:
                return found
        return self.answer(question, sort).seqs(0, count)

    def _newest(self, known: Columns, question: Question, count: int) -> list[int] | None:
        """The newest hits that meet the conditions, unless too many must be looked at."""
        fits = _fitting(known, question)
        if not any(term.wanted for term in question.terms):
            return self._walk(known, question, fits, count, hit=False)
        found: list[int] = []
        query = search.hits(question.terms, self._database.dialect, newest=True)
        if self._database.dialect != "sqlite":
            query = query.limit(_LOOKED_AT)
        looked, fitting, weighed = 0, int(fits.sum()), False
        if fitting <= _STEP:
            return self._walk(known, question, fits, count, hit=True)
        with self._database.read() as connection:
            cursor: Any = connection.execute(query).cursor
            while looked < _LOOKED_AT:
                rows = cursor.fetchmany(max(200, count))
                if not rows:
                    return found
                looked += len(rows)
                at = known.positions(np.fromiter((row[0] for row in rows), np.int64, len(rows)))
                found += map(int, known.seq[at[fits[at]]])
                if len(found) >= count:
                    return found[:count]
                if looked >= _TRIED and len(at) and not weighed:
                    weighed = True
                    # One hit in `rarity` meets the conditions; `apart` items lie between two hits.
                    rarity, apart = len(known) / fitting, (len(known) - int(at[-1])) / looked
                    to_read = min((count - len(found)) * rarity, len(known) / apart - looked)
                    to_walk = min(count * apart, fitting)
                    if to_walk <= _WALKED and to_walk * _AS_HITS < to_read:
                        break
            else:
                return None
        return self._walk(known, question, fits, count, hit=True)

    def _walk(
        self, known: Columns, question: Question, fits: Array, count: int, *, hit: bool
    ) -> list[int] | None:
        """Look at the newest items that meet the conditions, whether the words hit them (or not).

        The other way round than reading the hits: for conditions that few items meet.
        """
        candidates = known.seq[np.flatnonzero(fits)[::-1][: _WALKED + 1]]
        query = search.hits(question.terms, self._database.dialect)
        (column,) = query.selected_columns
        found: list[int] = []
        with self._database.read() as connection:
            for at in range(0, min(len(candidates), _WALKED), _STEP):
                some = candidates[at : at + _STEP].tolist()
                near = some[0] - some[-1] < _NEAR * len(some)
                which = column.between(some[-1], some[0]) if near else column.in_(some)
                hits = set(connection.execute(query.where(which)).scalars())
                found += [seq for seq in some if (seq in hits) is hit]
                if len(found) >= count:
                    return found[:count]
        return found if len(candidates) <= _WALKED else None

    def answer(self, question: Question, sort: Sort) -> Answer:
        """The whole answer."""
        known = self._fresh()
        fits = _fitting(known, question)
        if question.terms:
            wanted = any(term.wanted for term in question.terms)
            at = self._found(known, question)
            if wanted:
                hit = np.zeros(len(known), bool)
                hit[at] = True
                fits &= hit
            else:
                fits[at] = False
        return Answer(question, sort, known, _ordered(known, fits, sort))

    def _fresh(self) -> Columns:
        with self._lock:
            known = self._columns
            if known is None and self._file is not None:
                known = self._saved = column_file.load(self._file, self._database)
            known = (
                columns.read(self._database)
                if known is None
                else columns.refresh(self._database, known)
            )
            if known is not self._columns:
                if self._columns is not None:
                    self._newer += 1
                self._columns = known
                self._hits.clear()
            if self._worth_saving(known):
                assert self._file is not None
                column_file.save(self._file, known, self._database)
                self._saved, self._newer = known, 0
            return known

    def _worth_saving(self, known: Columns) -> bool:
        if self._file is None or self._database.read_only or len(known) < column_file.LEAST:
            return False
        if self._saved is None or self._newer >= _SAVED_AFTER:
            return True
        return len(known) - len(self._saved) >= _SAVED_MORE

    def tinted(self, tints: Mapping[int, int]) -> None:
        """Mean colours (0xRRGGBB by seq) that were written to the database meanwhile."""
        with self._lock:
            known = self._columns
            if known is None:
                return
            seqs = np.array(sorted(tints), np.int64)
            at = known.positions(seqs)
            colours = np.array([tints[int(seq)] for seq in known.seq[at]], np.int64)
            tint = known.tint.copy()
            tint[at] = classes.tints(colours)
            self._columns = replace(known, tint=tint)
            self._newer += 1

    def least(self, question: Question) -> int:
        """So many pictures answer at least; 0 where nothing is known before they are counted.

        Quick also where counting takes a while, because no more than `LEAST_KNOWN` are looked at.
        """
        known = self._columns
        if known is not None:
            if len(known) < _MANY or not any(term.wanted for term in question.terms):
                return 0
            query = search.hits(question.terms, self._database.dialect, newest=True)
            rows = query.limit(LEAST_KNOWN + 1).subquery()
            with self._database.read() as connection:
                (seqs,) = columns.ints(connection, rows, tuple(rows.c))
            return int(np.count_nonzero(_fitting(known, question)[known.positions(seqs)]))
        if question.conditions or question.trash:
            return 0
        with self._database.read() as connection:
            return Selection(connection, question).least(LEAST_KNOWN + 1)

    def _seqs(self, known: Columns, query: Any) -> Array:
        """The seqs of a query on the index; of a large gallery by several threads, each a part.

        The database counts without holding the interpreter.
        """
        parts = min(_PARTS, os.cpu_count() or 1)
        if len(known) < _MANY or parts == 1 or self._database.dialect != "sqlite":
            return self._part(query)
        (column,) = query.selected_columns
        starts = [int(known.seq[len(known) * part // parts]) for part in range(parts)]
        lasts = [*(start - 1 for start in starts[1:]), int(known.seq[-1])]
        pairs = zip(starts, lasts, strict=True)
        ways = [query.where(column.between(first, last)) for first, last in pairs]
        if self._workers is None:
            self._workers = ThreadPoolExecutor(parts, thread_name_prefix="halfpenny-wall")
        return np.concatenate(list(self._workers.map(self._part, ways)))

    def _part(self, query: Any) -> Array:
        with self._database.read() as connection:
            rows = query.subquery()
            (seqs,) = columns.ints(connection, rows, tuple(rows.c))
        return seqs

    def _found(self, known: Columns, question: Question) -> Array:
        """The positions of the items that the words hit; for unwanted words alone, of these."""
        key = question.terms
        with self._lock:
            if known is self._columns and key in self._hits:
                self._hits.move_to_end(key)
                return self._hits[key]
        at = known.positions(self._seqs(known, search.hits(key, self._database.dialect)))
        with self._lock:
            if known is self._columns:
                self._hits[key] = at
                while len(self._hits) > _KEPT_HITS:
                    self._hits.popitem(last=False)
        return at


def _fitting(known: Columns, question: Question) -> Array:
    """The items that meet all conditions, as a mask of one's own."""
    fits = known.deleted if question.trash else ~known.deleted
    for condition in question.conditions:
        mask = _mask(known, condition)
        fits &= mask if condition.wanted else ~mask
    return fits


def _mask(known: Columns, condition: Condition) -> Array:
    if condition.name in {"rating", "cost", "created", "pixels"}:
        column = getattr(known, condition.name)
        found = column >= condition.low
        if condition.high < 2**62:
            found &= column <= condition.high
        return np.asarray(found)
    value = condition.values[0]
    if condition.name == "is":
        return known.state(value)
    if condition.name == "kind":
        return np.asarray(known.kind == KINDS.index(value))
    if condition.name in {"quality", "collection"}:
        names = known.qualities if condition.name == "quality" else known.collections
        code = names.index(value) if value in names else -1
        return np.asarray(getattr(known, condition.name) == code)
    links = {"tag": known.tags, "model": known.models, "provider": known.providers}
    part = value.casefold()
    if condition.part:
        return links[condition.name].mask(len(known), lambda name: part in name.casefold())
    return links[condition.name].mask(len(known), lambda name: name == value)


def _ordered(known: Columns, fits: Array, sort: Sort) -> Array:
    """The positions of a mask in the order that was asked for; ties by arrival."""
    at = np.flatnonzero(fits).astype(np.int32)
    if sort == "oldest":
        return at
    if sort == "newest":
        return at[::-1]
    if sort == "best":
        return at[np.argsort(known.rating[at].astype(np.uint8), kind="stable")][::-1]
    if sort == "value":
        pixels, cost = known.pixels[at], known.cost[at]
        priced = (cost > 0) & (pixels > 0)
        per = np.where(priced, cost // np.maximum(pixels, 1), NO_VALUE)
        return at[np.argsort(per, kind="stable")]
    upwards = at[np.argsort(known.cost[at], kind="stable")]
    return upwards if sort == "cheapest" else upwards[::-1]
