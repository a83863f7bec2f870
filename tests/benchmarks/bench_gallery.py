"""How quick a gallery of 100,000 or 1,000,000 items answers, in the kernel.

    python tests/benchmarks/bench_gallery.py make FOLDER [--items 100000]
    python tests/benchmarks/bench_gallery.py multiply FOLDER [--items 1000000]
    python tests/benchmarks/bench_gallery.py ask FOLDER [--rounds 5]

`make` fills a gallery through `Gallery.add_many` (resuming an unfinished one) and tells items a
second, search index included. `multiply` copies the items that are there, with all that hangs on
them, until there are enough: quicker, and as long to search. `ask` measures what a page asks for:
first and deeper pages with their cards, the bound that is told before the number (`least`), then
totals, facets and other orders; each kind over many words, p50 and p95 in milliseconds. `opening`
is told twice: with the columns read from the database, and from the file of them. Words follow
Zipf's law (word n is in about 1/n of the texts), like real ones.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playground.store import Gallery
from playground.store.imported import Imported, Words
from playground.store.question import read
from playground.values import Photo

VOCABULARY = 30_000
BATCH = 10_000
MODELS = ("gpt-image-2", "gpt-image-2-mini", "gpt-image-2.5-flare")
CAPTIONERS = ("gpt-5.4-nano", "gpt-5.4-mini")
QUALITIES = ("low", "medium", "high")
SIZES = (
    (1024, 1024),
    (976, 704),
    (1536, 1024),
    (1024, 1536),
    (4032, 3024),
    (640, 480),
    (2048, 1024),
)
TAGS = [f"tag{n}" for n in range(400)]
COLLECTIONS = ["", "", "", "desert", "family", "posters", "archive 2025"]
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


def vocabulary() -> list[str]:
    """Pronounceable words, always the same; the first are the most common."""
    dice = random.Random(5)
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        length = dice.choice((2, 2, 3, 3, 4))
        found["".join(dice.choice(_CONSONANTS) + dice.choice(_VOWELS) for _ in range(length))] = (
            None
        )
    return list(found)


class Maker:
    """Makes items, the same ones for the same numbers."""

    def __init__(self) -> None:
        self.words = vocabulary()
        self.weights = [1 / (n + 2) for n in range(VOCABULARY)]
        self.tag_weights = [1 / (n + 1) for n in range(len(TAGS))]
        self.cumulated = []
        total = 0.0
        for weight in self.weights:
            total += weight
            self.cumulated.append(total)

    def text(self, dice: random.Random, length: int) -> str:
        return " ".join(dice.choices(self.words, cum_weights=self.cumulated, k=length))

    def item(self, number: int) -> Imported:
        dice = random.Random(number)
        width, height = dice.choice(SIZES)
        photo = dice.random() < 0.6
        file = number % 1000
        said = [Words(self.text(dice, 25), model=dice.choice(CAPTIONERS))] if photo else []
        if photo and dice.random() < 0.2:
            said.append(Words(self.text(dice, 8), task="alt", model=CAPTIONERS[0]))
        return Imported(
            Photo(width, height, "jpeg", 1000, hashlib.sha256(b"%d" % file).hexdigest()),
            name=f"IMG_{number:07}.jpg" if photo else "",
            kind="photo" if photo else dice.choice(("image", "image", "image", "edit")),
            prompt="" if photo else self.text(dice, 18),
            model=None if photo else dice.choice(MODELS),
            quality=None if photo else dice.choice(QUALITIES),
            rating=dice.choices((0, 1, 2, 3, 4, 5), (70, 3, 5, 9, 8, 5))[0],
            collection=dice.choice(COLLECTIONS),
            tags=tuple(dict.fromkeys(dice.choices(TAGS, self.tag_weights, k=dice.randrange(4)))),
            captions=tuple(said),
            at=START + dt.timedelta(seconds=number * 60),
            source="bench",
        )


def make(folder: Path, items: int, seconds: float) -> None:
    maker = Maker()
    with Gallery(folder) as gallery:
        there = gallery.search(limit=1).total
        began, made, spent = time.perf_counter(), 0, 0.0
        while there + made < items and time.perf_counter() - began < seconds:
            numbers = range(there + made, min(there + made + BATCH, items))
            batch = [maker.item(number) for number in numbers]
            start = time.perf_counter()
            gallery.add_many(batch)
            spent += time.perf_counter() - start
            made += len(batch)
        if made:
            report("insert", items=there + made, items_per_second=round(made / spent))
        if there + made >= items:
            price(gallery)


# Tables with their first column, and where in them the number of the item stands.
COPIED = {"items": ("seq", "seq"), "captions": ("id", "item_seq"), "history": ("id", "item_seq"),
          "item_tags": ("item_seq", "item_seq"), "item_models": ("item_seq", "item_seq"),
          "search": ("rowid", "rowid")}  # fmt: skip


def multiply(folder: Path, items: int, step: int = 50_000) -> None:
    with Gallery(folder) as gallery:

        def copied(connection: Any) -> int:
            def one(sql: str) -> Any:
                return connection.exec_driver_sql(sql).scalar()

            there = int(one("SELECT max(seq) FROM items"))
            last = min(step, there, items - there)
            for table, (key, number) in COPIED.items():
                info = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
                names = [row[1] for row in info] + ["rowid"] * (table == "search")
                shift = (
                    there
                    if key in {"seq", "item_seq", "rowid"}
                    else one(f"SELECT coalesce(max({key}), 0) FROM {table}")
                )
                values = {name: name for name in names} | {number: f"{number} + {there}"}
                values[key] = f"{key} + {shift}"
                if table == "items":
                    moved = f"created_at_us + {there} * 60000000"
                    fresh = "lower(hex(randomblob(16)))"
                    values |= {"id": fresh, "job_key": "NULL", "created_at_us": moved}
                listed = ", ".join(values)
                connection.exec_driver_sql(
                    f"INSERT INTO {table} ({listed}) SELECT {', '.join(values.values())} "
                    f"FROM {table} WHERE {number} <= {last}"
                )
            return there + last

        began = time.perf_counter()
        while (there := gallery._database.write(copied)) < items:
            report("copied", items=there, seconds=round(time.perf_counter() - began, 1))


def price(gallery: Gallery) -> None:
    """Bills as they would be: a few kinds of calls, some dearer."""
    statement = (
        "UPDATE items SET total_cost = CASE WHEN kind = 'photo' THEN 95000000 + (seq * 7919) % "
        "40000000 ELSE 1000000000 * (1 + (seq * 7919) % 97) END WHERE total_cost = 0 AND seq % 9"
    )
    gallery._database.write(lambda connection: connection.exec_driver_sql(statement))


def report(what: str, **figures: object) -> None:
    sys.stdout.write(json.dumps({"what": what, **figures}) + "\n")
    sys.stdout.flush()


def percentiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {"p50_ms": round(statistics.median(ordered) * 1000, 2), "p95_ms": round(p95 * 1000, 2)}


def questions(words: list[str]) -> dict[str, list[str]]:
    dice = random.Random(1)
    rare = [words[dice.randrange(15_000, VOCABULARY)] for _ in range(12)]
    middle = [words[dice.randrange(200, 800)] for _ in range(12)]
    return {
        "everything": [""],
        "common word": words[:8],
        "middling word": middle,
        "rare word": rare,
        "prefix": [word[:3] + "*" for word in middle],
        "two words": [f"{words[n]} {word}" for n, word in enumerate(middle[:8])],
        "phrase": [f'"{words[n]} {words[n + 1]}"' for n in range(6)],
        "word and tag": [f"{word} tag:tag{n}" for n, word in enumerate((*words[:6], *middle[:6]))],
        "word and rare tag": [f"{words[n]} tag:tag{390 - n}" for n in range(8)],
        "not a word": [f"-{word}" for word in (*words[:6], *rare[:3])],
        "conditions": [
            "tag:tag3 model:nano", "rating:>=4 cost:<0.005", "size:>1mp kind:edit",
            "is:unreviewed", "collection:desert rating:5", "model:flare quality:high tag:tag1",
            f"{words[3]} rating:>=4 cost:<0.005 size:>1mp",
        ],
    }  # fmt: skip


def ask(folder: Path, rounds: int, clock: Callable[[], float]) -> None:
    words = vocabulary()
    (folder / "cache" / "columns.npz").unlink(missing_ok=True)
    for source in ("database", "file"):
        with Gallery(folder) as gallery:
            wall = gallery.wall
            began = clock()
            found = gallery.cards(wall.first(read(""), "newest", 60))
            cold = clock() - began
            began = clock()
            bound = wall.least(read(""))
            least = clock() - began
            began = clock()
            items = wall.answer(read(""), "newest").total
            report(
                "opening", columns_from=source, items=items, cards=len(found),
                first_cards_ms=round(cold * 1000, 1), least=bound,
                least_ms=round(least * 1000, 1), columns_s=round(clock() - began, 2),
            )  # fmt: skip
    with Gallery(folder) as gallery:
        wall = gallery.wall
        wall.answer(read(""), "newest")
        names = ("first", "least", "deep", "whole", "sorted")
        everything: dict[str, list[float]] = {name: [] for name in names}
        for kind, texts in questions(words).items():
            times: dict[str, list[float]] = {name: [] for name in names}
            hits = []
            for text in texts * rounds:
                # As a page asks: never seen before, unless it only turns a leaf.
                wall._hits.clear()
                began = clock()
                question = read(text)
                gallery.cards(wall.first(question, "newest", 60))
                times["first"].append(clock() - began)
                began = clock()
                wall.least(question)
                times["least"].append(clock() - began)
                began = clock()
                answer = wall.answer(question, "newest")
                assert answer.facets is not None
                assert answer.dollars is not None
                assert answer.shapes()
                times["whole"].append(clock() - began)
                hits.append(answer.total)
                for part in (0.1, 0.5, 0.99):
                    began = clock()
                    gallery.cards(answer.seqs(int(part * answer.total), 60))
                    times["deep"].append(clock() - began)
                for sort in ("best", "dearest", "value"):
                    began = clock()
                    other = wall.answer(question, sort)
                    gallery.cards(other.seqs(0, 60))
                    times["sorted"].append(clock() - began)
            report(
                kind, hits=int(statistics.median(hits)),
                **{name: percentiles(taken) for name, taken in times.items()},
            )  # fmt: skip
            for name, taken in times.items():
                everything[name] += taken
        report("all", **{name: percentiles(taken) for name, taken in everything.items()})


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("what", choices=("make", "multiply", "ask"))
    words.add_argument("folder", type=Path)
    words.add_argument("--items", type=int, default=100_000)
    words.add_argument("--seconds", type=float, default=220)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--cpu", action="store_true", help="computing time, where others are busy")
    given = words.parse_args()
    if given.what == "make":
        make(given.folder, given.items, given.seconds)
    elif given.what == "multiply":
        multiply(given.folder, given.items)
    else:
        clock = time.process_time if given.cpu else time.perf_counter
        ask(given.folder, given.rounds, clock)


if __name__ == "__main__":
    main()
