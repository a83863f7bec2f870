"""Questions: what may be typed, and that memory and SQL give the same answers to it."""

from __future__ import annotations

import datetime as dt
import os
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from playground.size import Size
from playground.store import (
    SORTS,
    Attempt,
    Gallery,
    NewCaption,
    NewImage,
    Sort,
    column_file,
    columns,
    wall,
)
from playground.store.imported import Imported, Words
from playground.store.question import Question, pieces, read
from playground.values import ImageRequest, Photo, Receipt, Usage

WORDS = ("fox", "owl", "sea", "dune", "red", "night")
TAGS = ("keeper", "print it", "draft")
CONDITIONS = (
    "tag:keeper", '-tag:"print it"', "model:nano", "model:=gpt-image-2", "-model:mini",
    "rating:>=3", "rating:4", "rating:<2", "rating:2..4", "-rating:0", "cost:0", "cost:<0.005",
    "cost:$0.001..0.01", "cost:>0.002", "size:>1mp", "size:1024x1024", "size:<=0.5mp",
    "size:0.5..1mp", "kind:photo", "kind:generated", "-kind:edit", "quality:low",
    "collection:desert", "-collection:desert", "since:2026-03", "before:2026-06-15", "date:2026-05",
    "provider:bench", "is:unreviewed", "is:rated", "is:unrated", "is:panorama", "is:trash",
    "is:sample", "has:caption", "has:alt", "-has:note", "has:tags",
)  # fmt: skip


def filled(gallery: Gallery, items: int = 60) -> Gallery:
    """Items of all sorts, the same each time; every eleventh in the trash."""
    dice = random.Random(11)
    batch = []
    for number in range(items):
        photo = dice.random() < 0.5
        width, height = dice.choice(((640, 480), (1024, 1024), (2048, 1024), (960, 640)))
        said = [Words(" ".join(dice.choices(WORDS, k=3)), model="gpt-5.4-nano")] * photo
        if photo and dice.random() < 0.5:
            said.append(Words("a draft", task="alt", model="gpt-5.4-mini"))
        batch.append(
            Imported(
                Photo(width, height, "jpeg", 10, f"{number:064x}"),
                name=f"{number}.jpg",
                kind="photo" if photo else dice.choice(("image", "edit")),
                prompt="" if photo else " ".join(dice.choices(WORDS, k=4)),
                model=None if photo else dice.choice(("gpt-image-2", "gpt-image-2-mini")),
                quality=None if photo else dice.choice(("low", "high")),
                alt=dice.choice(("", "", "words")),
                note=dice.choice(("", "a note")),
                rating=dice.randrange(6),
                collection=dice.choice(("", "desert", "family")),
                tags=tuple(dice.sample(TAGS, dice.randrange(3))),
                captions=tuple(said),
                at=dt.datetime(2026, 1 + number % 9, 1 + number % 28, tzinfo=dt.UTC),
                source=dice.choice(("bench", "elsewhere")),
            )
        )
    ids = gallery.add_many(batch)
    costs = "UPDATE items SET total_cost = (seq * 7919 - seq * 7919 / 13 * 13) * 1000000000"
    gallery._database.write(lambda connection: connection.exec_driver_sql(costs))
    for item_id in ids[::11]:
        gallery.delete(item_id)
    return gallery


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], scope="module"
)
def mixed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("mixed")
    server = request.getfixturevalue("postgres") if request.param == "postgres" else None
    location = server.new_database() if server else folder / "gallery"
    with Gallery(location, files=folder / "files" if server else None) as gallery:
        yield filled(gallery)


def by_sql(gallery: Gallery, text: str, sort: Sort = "newest") -> list[str]:
    return [item.id for item in gallery.search(text, sort=sort, limit=1000)]


def by_memory(gallery: Gallery, text: str, sort: Sort = "newest") -> list[str]:
    answer = gallery.wall.answer(read(text), sort)
    return [card.id for card in gallery.cards(answer.every())]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("text", ["", "fox", "fox -owl", "-fox", "ow* tag:keeper", "is:trash"])
def test_memory_and_sql_give_the_same_answers_in_every_order(
    mixed: Gallery, text: str, sort: Sort
) -> None:
    assert by_memory(mixed, text, sort) == by_sql(mixed, text, sort)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_narrows_alike_in_memory_and_sql(mixed: Gallery, condition: str) -> None:
    found = by_sql(mixed, condition)
    assert by_memory(mixed, condition) == found
    assert len(found) < 60
    if condition != "is:sample":
        assert found


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    parts=st.lists(st.sampled_from([*CONDITIONS, *WORDS, "-fox", '"red fox"', "du*"]), max_size=4),
    sort=st.sampled_from(SORTS),
)
@example(parts=["tag:keeper", "has:tags"], sort="newest")
def test_any_mixture_is_answered_alike(mixed: Gallery, parts: list[str], sort: Sort) -> None:
    text = " ".join(parts)
    expected = by_sql(mixed, text, sort)
    assert by_memory(mixed, text, sort) == expected
    mixed.wall._hits.clear()
    first = mixed.cards(mixed.wall.first(read(text), sort, 7))
    assert [card.id for card in first] == expected[:7]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=40) | st.from_regex(r"-?(size|cost|rating|date|is):[\S]{0,12}"))
def test_no_text_makes_a_question_fail(mixed: Gallery, text: str) -> None:
    assert by_memory(mixed, text) == by_sql(mixed, text)


@pytest.mark.parametrize(
    "text",
    ["x" * 10_240, "tag:" * 2_500, "a:b " * 2_560, '"' * 10_240, "rating:99999999999999999999",
     "size:" + "9" * 5000, "date:9999-99-99", "cost:1e400 cost:nan cost:-1", "is:\0 has:\ud800"],
)  # fmt: skip
def test_ten_kilobytes_and_odd_syntax_are_only_words(mixed: Gallery, text: str) -> None:
    assert by_memory(mixed, text) == by_sql(mixed, text)


def test_what_cannot_be_read_is_searched_as_words_and_said() -> None:
    question = read("rating:many fox")
    assert [term.text for term in question.terms] == ["rating:many", "fox"]
    assert question.notes == ("rating:many was searched as words; write rating:4 or rating:>=4",)
    assert read("title:red").conditions == ()
    assert read("is:trash fox") == Question(read("fox").terms, trash=True)


def test_hits_are_marked_where_they_stand() -> None:
    terms = read('fox "red sky" dün* -owl').terms
    text = "A FOX under a red sky, foxes and owls on Dünen"
    assert [part for part, hit in pieces(text, terms) if hit] == ["FOX", "red sky", "Dünen"]
    assert "".join(part for part, _ in pieces(text, terms)) == text
    assert pieces("naïve", read("naive").terms) == [("naïve", True)]


def test_facets_count_what_is_found(mixed: Gallery) -> None:
    for text in ("", "fox", "tag:keeper"):
        answer = mixed.wall.answer(read(text), "newest")
        assert answer.facets["kind"]
        for choices in answer.facets.values():
            for choice in choices:
                narrowed = by_sql(mixed, f"{text} {choice.token}")
                assert len(narrowed) == choice.count, (text, choice)


def test_an_answer_knows_its_sums_its_places_and_its_shapes(mixed: Gallery) -> None:
    answer = mixed.wall.answer(read("kind:photo"), "dearest")
    found = mixed.cards(answer.every())
    assert answer.dollars == sum((card.billed for card in found), Decimal(0))
    assert [answer.place(seq) for seq in answer.every()] == list(range(answer.total))
    ratios, tints = answer.shapes()
    assert (len(ratios), len(tints)) == (answer.total, 2 * answer.total)
    for code, card in zip(ratios, found, strict=True):
        ratio = card.size.width_px / card.size.height_px
        assert 2 ** ((code - 128) / 64) == pytest.approx(ratio, rel=0.006)
    assert answer.seqs(answer.total - 2, 5) == answer.every()[-2:]


def test_a_change_is_in_the_next_answer(gallery: Gallery, reserve: Callable[..., Attempt]) -> None:
    filled(gallery, 20)
    assert by_memory(gallery, "") == by_sql(gallery, "")
    first = gallery.search(limit=1).items[0]
    gallery.annotate(first.id, rating=5, tag=["brand new"], collection="fresh", note="zebra")
    gallery.delete(gallery.search(limit=2).items[1].id)
    for text in ('tag:"brand new"', "collection:fresh", "zebra", "", "rating:5", "has:tag"):
        assert by_memory(gallery, text) == by_sql(gallery, text), text
    attempt = reserve(gallery, "0.1", job="new", request=ImageRequest(prompt="a comet"))
    image = NewImage(gallery.store_file(b"new", "png"), "png", Size(2048, 1024), 3, tags=("sky",))
    gallery.ledger.settle(
        attempt.id, usage=Usage(text_input=20), cost=Decimal("0.004"), receipt=Receipt(200, "r"),
        images=[image],
    )  # fmt: skip
    for text in ("comet", "tag:sky", "is:panorama", "provider:offline", "cost:0.004", ""):
        assert by_memory(gallery, text) == by_sql(gallery, text), text
    gallery.annotate(first.id, untag=["brand new"])
    assert by_memory(gallery, 'tag:"brand new"') == []
    attempt = reserve(gallery, "0.1", job="alt", request=ImageRequest(prompt="x"))
    caption = NewCaption(first.id, "alt", "A comet over dunes")
    gallery.ledger.settle(
        attempt.id, usage=Usage(text_input=20), cost=Decimal("0.001"), receipt=Receipt(200, "r"),
        caption=caption,
    )  # fmt: skip
    for text in ("is:unreviewed", "has:caption", "dunes", "cost:>0"):
        assert by_memory(gallery, text) == by_sql(gallery, text), text


def test_mean_colours_are_kept_and_sent(folder_gallery: Gallery) -> None:
    filled(folder_gallery, 3)
    card = folder_gallery.cards([1])[0]
    assert card.tint is None
    folder_gallery.set_tints({card.id: 0xFF8000})
    folder_gallery.__dict__.pop("wall", None)
    answer = folder_gallery.wall.answer(read("is:trash"), "newest")
    short = np.frombuffer(answer.shapes()[1], "<u2")
    assert folder_gallery.cards(answer.every())[0].tint == 0xFF8000
    assert list(short) == [(0xFF >> 3) << 11 | (0x80 >> 2) << 5]


def test_a_card_shows_the_best_words_and_whether_they_are_a_draft(tmp_path: Path) -> None:
    with Gallery(tmp_path / "gallery") as gallery:
        filled(gallery)
        drafts = gallery.cards(gallery.wall.answer(read("is:unreviewed"), "newest").every())
        assert drafts
        assert all(card.draft and card.label for card in drafts)
        gallery.annotate(drafts[0].id, alt="Accepted")
        again = {
            card.id: card for card in gallery.cards(gallery.wall.answer(read(""), "newest").every())
        }
        assert (again[drafts[0].id].label, again[drafts[0].id].draft) == ("Accepted", False)


def everything(gallery: Gallery) -> tuple[Any, ...]:
    """All that a wall knows without the words: its columns and their names, as plain values."""
    answer = gallery.wall.answer(read(""), "oldest")
    known = answer.columns
    arrays = [getattr(known, name).tolist() for name in (*columns.ARRAYS, "captioned")]
    links = [
        sorted(zip(one.at.tolist(), (one.names[code] for code in one.code), strict=True))
        for one in (known.tags, known.models, known.providers)
    ]
    named = [[known.qualities[code] for code in known.quality]]
    return arrays[:-3], arrays[-1], links, named, answer.facets, answer.dollars


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery whose columns are in a file already, though it is small."""
    monkeypatch.setattr(column_file, "LEAST", 1)
    with Gallery(tmp_path / "gallery") as gallery:
        everything(filled(gallery))
    assert (tmp_path / "gallery" / "cache" / column_file.NAME).is_file()
    return tmp_path / "gallery"


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on columns that are read row by row are a failure."""

    def refused(_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(columns, "read", refused)


def test_columns_from_the_file_are_those_of_the_database(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gallery(kept) as gallery:
        monkeypatch.setattr(column_file, "LEAST", 1000)  # read as those of a small gallery
        gallery.wall._file = None
        expected = everything(gallery)
    unread(monkeypatch)
    with Gallery(kept) as gallery:
        assert everything(gallery) == expected


def test_what_came_after_the_file_was_written_is_read_from_the_database(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gallery(kept) as gallery:
        other = gallery.search("fox", limit=1).items[0]
        gallery.annotate(other.id, rating=1, tag=["late"], collection="late")
        gallery.add_words(other.id, [Words("a heron", task="alt", model="gpt-5.4-mini")])
    unread(monkeypatch)
    with Gallery(kept) as gallery:
        for text in ("tag:late", "collection:late", "heron", "is:unreviewed", "rating:1"):
            assert by_memory(gallery, text) == by_sql(gallery, text), text
            assert by_memory(gallery, text), text


@pytest.mark.parametrize("harm", ["cut", "torn", "text", "newer form", "another history"])
def test_a_file_that_does_not_belong_is_not_believed(
    kept: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = kept / "cache" / column_file.NAME
    whole = file.read_bytes()
    if harm == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif harm == "torn":
        file.write_bytes(whole[:700] + bytes(64) + whole[764:])
    elif harm == "text":
        file.write_text("not columns", encoding="utf-8")
    elif harm == "newer form":
        monkeypatch.setattr(column_file, "_FORM", 0)
    with Gallery(kept) as gallery:
        if harm == "another history":  # as after a backup was put back, and more was done since
            other = "UPDATE history SET at_us = at_us + 1"
            gallery._database.write(lambda connection: connection.exec_driver_sql(other))
        assert column_file.load(file, gallery._database) is None
        assert by_memory(gallery, "fox") == by_sql(gallery, "fox")


def test_a_folder_that_takes_no_file_is_nobodys_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_file, "LEAST", 1)
    (tmp_path / "gallery").mkdir()
    with Gallery(tmp_path / "gallery") as gallery:
        (tmp_path / "gallery" / "cache").write_text("in the way", encoding="utf-8")
        filled(gallery)
        assert by_memory(gallery, "fox") == by_sql(gallery, "fox")


def test_hits_read_in_parts_are_all_hits(mixed: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall, "_MANY", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    for text in ("fox", "ow*", "-fox", "fox -owl", "nothinglikethis"):
        mixed.wall._hits.clear()
        assert by_memory(mixed, text) == by_sql(mixed, text), text


@pytest.mark.parametrize("as_hits", [0.0, 1e9], ids=["one by one", "by its hits"])
def test_the_first_page_is_the_same_whichever_way_it_is_found(
    mixed: Gallery, monkeypatch: pytest.MonkeyPatch, as_hits: float
) -> None:
    monkeypatch.setattr(wall, "_TRIED", 1)
    monkeypatch.setattr(wall, "_AS_HITS", as_hits)
    monkeypatch.setattr(wall, "_STEP", 1)
    walked = []
    walk = wall.Wall._walk

    def counted(*arguments: Any, **options: Any) -> Any:
        walked.append(arguments)
        return walk(*arguments, **options)

    monkeypatch.setattr(wall.Wall, "_walk", counted)
    for text in ("fox kind:photo", "owl rating:>=2", "ow* -sea kind:image"):
        expected = mixed.wall.answer(read(text), "newest").seqs(0, 500)
        mixed.wall._hits.clear()
        assert mixed.wall.first(read(text), "newest", 500) == expected
        assert len(expected) > 1
    assert bool(walked) is not bool(as_hits)


def test_a_bound_is_known_before_the_number(
    mixed: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall, "_MANY", 1)
    monkeypatch.setattr(wall, "LEAST_KNOWN", 5)
    for text in ("fox", "fox tag:keeper", "ow* -sea"):
        total = mixed.wall.answer(read(text), "newest").total
        assert 0 < mixed.wall.least(read(text)) <= min(6, total), text
    assert mixed.wall.least(read("-fox")) == 0  # counted as quickly
    mixed.__dict__.pop("wall")
    assert mixed.wall.least(read("fox")) == 6
    assert mixed.wall.least(read("")) == 6
    assert mixed.wall.least(read("nothinglikethis")) == 0


def test_colours_that_are_seen_now_are_in_the_next_answer(folder_gallery: Gallery) -> None:
    filled(folder_gallery, 3)
    first = folder_gallery.wall.answer(read("is:trash"), "newest")
    card = folder_gallery.cards(first.every())[0]
    folder_gallery.set_tints({card.id: 0xFF8000})
    answer = folder_gallery.wall.answer(read("is:trash"), "newest")
    assert answer.shapes()[1] != first.shapes()[1] == b"\0\0"
