"""Changes of many items at once, undoing, named searches, lineage."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from playground.errors import GalleryProblem, InvalidRequest
from playground.size import Size
from playground.store import Gallery, NewImage, changes
from playground.store.imported import Imported, Words
from playground.values import EditRequest, ImageRequest, Photo, Receipt, Usage


@pytest.fixture
def three(gallery: Gallery) -> list[str]:
    """The ids of three photos: fox, owl, sea; the fox has a drafted alternative text."""
    return gallery.add_many(
        [
            Imported(
                Photo(640, 480, "jpeg", 9, f"{number:064x}"),
                name=f"{name}.jpg",
                note=name,
                tags=("wild",),
                captions=(Words(f"A {name}", task="alt", model="nano"),) if name == "fox" else (),
            )
            for number, name in enumerate(("fox", "owl", "sea"))
        ]
    )


def kept(gallery: Gallery, ids: list[str]) -> list[Any]:
    items = [gallery.item(one) for one in ids]
    return [(i.rating, i.note, i.tags, i.collection, i.alt, i.deleted_at is None) for i in items]


def test_many_are_changed_at_once_and_undone_at_once(gallery: Gallery, three: list[str]) -> None:
    before = kept(gallery, three)
    change = gallery.annotate_many(
        three, rating=4, tag=["keeper"], untag=["wild"], collection="zoo", by="ann"
    )
    assert change.count == 3
    assert [one[:4] for one in kept(gallery, three)] == [
        (4, name, ("keeper",), "zoo") for name in ("fox", "owl", "sea")
    ]
    assert gallery.search("keeper zoo").total == 3
    assert {gallery.history(one)[-1].change_id for one in three} == {change.id}
    undone = gallery.undo(change.id)
    assert (undone.count, undone.kept, undone.undoes) == (3, 0, change.id)
    assert kept(gallery, three) == before
    assert gallery.search("keeper").total == 0
    gallery.undo(undone.id)  # an undoing is a change like any other
    assert [one[0] for one in kept(gallery, three)] == [4, 4, 4]


def test_a_single_edit_is_undone_too(gallery: Gallery, three: list[str]) -> None:
    gallery.annotate(three[0], note="wrong", caption="mine", tag=["typo"])
    gallery.delete(three[0])
    for edit in reversed(gallery.history(three[0])):
        assert edit.change_id
        gallery.undo(edit.change_id)
    item = gallery.item(three[0])
    assert (item.note, item.tags, item.deleted_at) == ("fox", ("wild",), None)
    assert [one.text for one in item.captions if one.model == "owner"] == [""]
    assert gallery.search("typo").total == gallery.search("mine").total == 0


def test_what_somebody_changed_since_is_not_undone(gallery: Gallery, three: list[str]) -> None:
    change = gallery.annotate_many(three, rating=2, note="bulk", tag=["one"])
    gallery.annotate(three[1], note="later", tag=["two"], by="bob")
    undone = gallery.undo(change.id)
    assert (undone.count, undone.kept) == (3, 1)
    assert gallery.item(three[1]).note == "later"
    assert gallery.item(three[1]).tags == ("two", "wild")
    assert gallery.item(three[1]).rating is None
    assert gallery.item(three[0]).note == "fox"


def test_drafts_of_alternative_texts_are_accepted_where_there_is_none(
    gallery: Gallery, three: list[str]
) -> None:
    gallery.annotate(three[1], alt="An owl by me")
    change = gallery.annotate_many(three, accept_alt=True)
    assert change.count == 1
    assert [gallery.item(one).alt for one in three] == ["A fox", "An owl by me", ""]
    gallery.undo(change.id)
    assert gallery.item(three[0]).alt == ""


def test_a_whole_search_goes_into_the_trash_and_comes_back(
    gallery: Gallery, three: list[str]
) -> None:
    from playground.store.question import read

    seqs = gallery.wall.answer(read("tag:wild -sea"), "newest").every()
    change = gallery.annotate_many(seqs, deleted=True)
    assert gallery.search().total == 1
    assert gallery.search("is:trash").total == 2
    gallery.undo(change.id)
    assert gallery.search().total == 3
    assert gallery.annotate_many(three, deleted=False).count == 0


def test_a_change_is_made_whole_or_not_at_all(
    gallery: Gallery, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_AT_ONCE", 2)
    with pytest.raises(InvalidRequest, match="1 to 5"):
        gallery.annotate_many(three, rating=9)
    with pytest.raises(InvalidRequest):
        gallery.annotate_many(three, tag=["x" * 65])
    monkeypatch.setattr(changes, "MOST_AT_ONCE", 2)
    with pytest.raises(InvalidRequest, match="too many"):
        gallery.annotate_many(three, rating=1)
    assert [one[0] for one in kept(gallery, three)] == [None] * 3
    with pytest.raises(GalleryProblem, match="nothing was undone"):
        gallery.undo("0" * 16)


def test_searches_are_kept_by_name(gallery: Gallery) -> None:
    gallery.save_search("The best", "tag:keeper rating:>=4", "best")
    gallery.save_search("All", "")
    gallery.save_search("The best", "rating:5", "newest")
    assert [(s.name, s.query, s.sort) for s in gallery.saved_searches()] == [
        ("All", "", "newest"),
        ("The best", "rating:5", "newest"),
    ]
    gallery.forget_search("All")
    gallery.forget_search("never there")
    assert [one.name for one in gallery.saved_searches()] == ["The best"]
    for name, query, sort in (("", "x", "newest"), ("n", "x" * 3000, "newest"), ("n", "", "up")):
        with pytest.raises(InvalidRequest):
            gallery.save_search(name, query, sort)  # type: ignore[arg-type]


def test_a_lineage_tells_what_the_whole_line_cost(gallery: Gallery, reserve: Any) -> None:
    def make(name: str, *parents: Any) -> Any:
        inputs = tuple(Photo(1, 1, "png", 1, one.sha256) for one in parents)
        asked = EditRequest(prompt=name, images=inputs) if inputs else ImageRequest(prompt=name)
        attempt = reserve(gallery, "0.1", job=name, request=asked)
        data = name.encode()
        image = NewImage(gallery.store_file(data, "png"), "png", Size(64, 64), len(data))
        (made,) = gallery.ledger.settle(
            attempt.id, usage=Usage(text_input=1), cost=Decimal("0.01"),
            receipt=Receipt(200, "r"), images=[image],
        )  # fmt: skip
        return gallery.item(made)

    first, other = make("first"), make("other")
    second = make("second", first, other)
    third = make("third", second, first)
    line = gallery.lineage(second.id)
    assert [card.id for card in line.before] == [first.id, other.id]
    assert [card.id for card in line.after] == [third.id]
    assert line.dollars == Decimal("0.03")
    assert gallery.lineage(third.id).dollars == Decimal("0.04")
    assert gallery.lineage(first.id).dollars == Decimal("0.01")
