"""Items: adding, finding, searching, paging, annotating, the trash."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.errors import GalleryProblem, InvalidRequest
from playground.size import Size
from playground.store import SORTS, Attempt, Gallery, NewCaption, NewImage, Where
from playground.values import (
    CaptionRequest,
    EditRequest,
    GalleryItem,
    ImageRequest,
    Photo,
    Receipt,
    Usage,
)

Reserve = Callable[..., Attempt]
_numbers = itertools.count()


@pytest.fixture
def generate(reserve: Reserve) -> Callable[..., GalleryItem]:
    """Puts a picture into a gallery: `generate(gallery, "a red fox", dollars="0.004", tags=…)`."""

    def generated(
        gallery: Gallery,
        prompt: str = "a lighthouse",
        *,
        dollars: str = "0.004",
        request: ImageRequest | None = None,
        data: bytes | None = None,
        **image: Any,
    ) -> GalleryItem:
        asked = request or ImageRequest(prompt=prompt)
        attempt = reserve(gallery, "0.1", job=f"generate {next(_numbers)}", request=asked)
        content = data if data is not None else f"picture {next(_numbers)}".encode()
        kept = NewImage(
            gallery.store_file(content, "png"), "png", Size(976, 704), len(content), **image
        )
        (item_id,) = gallery.ledger.settle(
            attempt.id,
            usage=Usage(text_input=20),
            cost=Decimal(dollars),
            receipt=Receipt(200, "req-7"),
            images=[kept],
        )
        return gallery.item(item_id)

    return generated


def add_photo(gallery: Gallery, name: str = "dunes.jpg", data: bytes = b"", **how: Any) -> Any:
    content = data or f"photo {next(_numbers)}".encode()
    return gallery.add_photo(Photo(640, 480, "jpeg", len(content)), content, name=name, **how)


def caption(gallery: Gallery, reserve: Reserve, item: GalleryItem, text: str, **how: Any) -> None:
    model = how.pop("model", "gpt-5.4-nano")
    photo = Photo(640, 480, "jpeg", item.size_bytes, item.sha256)
    request = CaptionRequest(photo=photo, model=model)
    attempt = reserve(gallery, "0.01", job=f"caption {next(_numbers)}", request=request)
    gallery.ledger.settle(
        attempt.id,
        usage=Usage(image_input=100, text_output=9),
        cost=Decimal("0.00012"),
        receipt=Receipt(200, "req-8", 0.5),
        caption=NewCaption(item.id, "describe", text, **how),
    )


def ids(found: Sequence[GalleryItem] | Any) -> list[str]:
    return [item.id for item in found]


def test_a_picture_knows_its_request_and_its_bill(
    gallery: Gallery, generate: Callable[..., GalleryItem]
) -> None:
    request = ImageRequest(prompt="a fox", quality="medium", tier="flex")
    item = generate(gallery, request=request, dollars="0.0123", title="Fox", tags=("red", "fox"))
    assert (item.kind, item.prompt, item.model, item.quality, item.tier) == (
        "image",
        "a fox",
        "gpt-image-2",
        "medium",
        "flex",
    )
    assert (item.asked_size, str(item.size), item.tags) == ("976x704", "976x704", ("fox", "red"))
    assert (item.billed, item.quoted_high) == (Decimal("0.0123"), Decimal("0.1"))
    assert gallery.original(item.id) == gallery.original_path(item.id).read_bytes()


def test_the_same_photo_is_kept_once(gallery: Gallery) -> None:
    first = add_photo(gallery, "a.jpg", b"the same bytes")
    again = add_photo(gallery, "b.jpg", b"the same bytes")
    assert again == first
    assert gallery.search().total == 1
    assert gallery.find_photo(first.sha256) == first
    assert gallery.find_photo("0" * 64) is None


def test_a_photo_that_changed_since_it_was_measured_is_not_stored(gallery: Gallery) -> None:
    with pytest.raises(GalleryProblem, match="changed while it was read"):
        gallery.add_photo(Photo(1, 1, "jpeg", 3, "0" * 64), b"new", name="a.jpg")
    assert gallery.search().total == 0


def test_an_item_is_found_by_its_id_a_beginning_of_it_or_its_hash(gallery: Gallery) -> None:
    item = add_photo(gallery)
    for name in (item.id, item.id[:6], item.id.upper(), item.sha256, item.sha256[:16]):
        assert gallery.item(name) == item
    for name in ("", "zzzz", "../etc/passwd", "%", item.id + "0", "\0", "é" * 3000):
        with pytest.raises(GalleryProblem, match="there is no item"):
            gallery.item(name)


def test_a_beginning_that_several_items_have_is_refused_with_their_ids(gallery: Gallery) -> None:
    items = [add_photo(gallery) for _ in range(40)]
    beginnings = [item.id[0] for item in items]
    shared = next(one for one in beginnings if beginnings.count(one) > 1)
    with pytest.raises(GalleryProblem, match="several items begin with"):
        gallery.item(shared)


def test_captions_by_several_models_stand_side_by_side(gallery: Gallery, reserve: Reserve) -> None:
    photo = add_photo(gallery)
    caption(gallery, reserve, photo, "A red barn.", tags=("barn", "red"), data={"light": "dusk"})
    caption(gallery, reserve, photo, "Eine rote Scheune.", model="gpt-5.4-mini")
    item = gallery.item(photo.id)
    assert [(one.model, one.text) for one in item.captions] == [
        ("gpt-5.4-nano", "A red barn."),
        ("gpt-5.4-mini", "Eine rote Scheune."),
    ]
    first = item.captions[0]
    assert (first.tags, first.data, first.billed) == (
        ("barn", "red"),
        {"light": "dusk"},
        Decimal("0.00012"),
    )
    assert (first.usage.text_output, first.request_id, first.seconds) == (9, "req-8", 0.5)
    assert item.total_billed == Decimal("0.00024")
    assert item.billed is None
    for words in ("scheune", "barn", "dusk"):
        assert ids(gallery.search(words)) == [photo.id]
    for model in ("gpt-5.4-nano", "gpt-5.4-mini"):
        assert ids(gallery.search(where=Where(model=model))) == [photo.id]


def test_an_edit_knows_its_parents(gallery: Gallery, generate: Callable[..., GalleryItem]) -> None:
    first, second = add_photo(gallery), generate(gallery)
    inputs = tuple(Photo(1, 1, "png", 1, one.sha256) for one in (second, first))
    unknown = Photo(1, 1, "png", 1, "0" * 64)
    request = EditRequest(prompt="both", images=(*inputs, unknown))
    edited = generate(gallery, request=request)
    assert edited.kind == "edit"
    assert edited.parents == (second.id, first.id)


def test_thumbnails_are_kept_and_replaced(gallery: Gallery) -> None:
    photo = add_photo(gallery, thumbnail=(b"small", Size(32, 24)))
    other = add_photo(gallery)
    assert gallery.thumbnail(photo.id) == b"small"
    assert gallery.thumbnail(other.id) is None
    gallery.set_thumbnail(photo.sha256, b"better", Size(64, 48))
    assert gallery.thumbnails([photo.id, other.id, "nonsense"]) == {photo.id: b"better"}


TEXTS = {
    "fox": "A quick red fox, 35mm, foo-bar (naïve) ÉCLAIR",
    "owl": "An owl at night in the red desert",
    "sea": "red sky at night, sailor's delight; 100% real",
    "日本": "富士山 の夜明け",
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "fox owl sea 日本"),
        ("red", "fox owl sea"),
        ("RED fox", "fox"),
        ('"red fox"', "fox"),
        ('"fox red"', ""),
        ('"red', "fox owl sea"),
        ("night -owl", "sea"),
        ("-red", "日本"),
        ("-owl -sea", "fox 日本"),
        ('red -"red sky"', "fox owl"),
        ("sail*", "sea"),
        ('"red sk"*', "sea"),
        ("sail", ""),
        ("eclair", "fox"),
        ("naive foo-bar", "fox"),
        ("bar-foo", ""),
        ("富士山", "日本"),
        ("富士*", "日本"),
        ("NOT", ""),
        ("red AND", ""),
        ("red OR owl", ""),
        ("title:red", ""),
        ("NEAR(red fox)", ""),
        ("red ) ( * ^ : ' ; -- \" ", "fox owl sea"),
        ("100%", "sea"),
        ("sailor's", "sea"),
        ("🙂 red", "fox owl sea"),
        ("-", "fox owl sea 日本"),
        ("--red", "日本"),
        ("red\0fox", "fox"),
        ("x" * 10_000, ""),
        ("red " * 3_000, "fox owl sea"),
        ("\ud800", "fox owl sea 日本"),
    ],
)
def test_any_text_can_be_searched(searchable: Any, text: str, found: str) -> None:
    names = {item.title for item in searchable.search(text)}
    assert names == set(found.split())
    assert searchable.search(text).total == len(names)


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], scope="module"
)
def searchable(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A gallery with four titled photos whose notes are `TEXTS`, on either database."""
    folder = tmp_path_factory.mktemp("searchable")
    server = request.getfixturevalue("postgres") if request.param == "postgres" else None
    location = server.new_database() if server else folder / "gallery"
    with Gallery(location, files=folder / "files" if server else None) as gallery:
        for title, note in TEXTS.items():
            photo = add_photo(gallery, name="x")
            gallery.annotate(photo.id, title=title, note=note)
        yield gallery


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=60))
def test_no_text_makes_a_search_fail(searchable: Any, text: str) -> None:
    page = searchable.search(text)
    assert len(page) == page.total <= 4


def test_every_field_is_searched_and_an_edit_is_found_at_once(gallery: Gallery) -> None:
    photo = add_photo(gallery, name="harbour.jpg")
    gallery.annotate(
        photo.id,
        title="uno",
        note="dos",
        alt="tres",
        caption="cuatro",
        collection="cinco",
        tag=["seis siete"],
    )
    for word in ("uno", "dos", "tres", "cuatro", "cinco", '"seis siete"', "harbour"):
        assert ids(gallery.search(word)) == [photo.id], word
    gallery.annotate(photo.id, title="", untag=["seis siete"])
    assert gallery.search("uno").total == 0
    assert gallery.search("seis").total == 0


def test_a_phrase_does_not_reach_from_one_field_into_the_next(gallery: Gallery) -> None:
    photo = add_photo(gallery)
    gallery.annotate(photo.id, title="red", note="fox")
    assert gallery.search('"red fox"').total == 0
    assert gallery.search("red fox").total == 1


def test_facets_narrow_a_search(
    place: Any,
    open_gallery: Callable[..., Gallery],
    generate: Callable[..., GalleryItem],
    reserve: Reserve,
) -> None:
    now = [dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)]
    gallery = open_gallery(place, clock=lambda: now[0])
    cheap = generate(gallery, "a fox", dollars="0.001", tags=("night",), collection="desert")
    now[0] += dt.timedelta(days=1)
    dear = generate(gallery, "a fox", dollars="0.02", tags=("night", "desert"))
    photo = add_photo(gallery)
    caption(gallery, reserve, photo, "a fox")
    gallery.annotate(dear.id, rating=3)
    gallery.annotate(photo.id, rating=5)
    expected = {
        Where(model="gpt-image-2"): [dear, cheap],
        Where(model="gpt-5.4-nano"): [photo],
        Where(model="gpt"): [],
        Where(kind="photo"): [photo],
        Where(rating=3): [photo, dear],
        Where(rating=4): [photo],
        Where(tag="night"): [dear, cheap],
        Where(tag=("night", "desert")): [dear],
        Where(tag="night", model="gpt-image-2", kind="image", rating=1): [dear],
        Where(collection="desert"): [cheap],
        Where(collection=""): [photo, dear],
        Where(since=dt.date(2026, 11, 2)): [photo, dear],
        Where(since=now[0] + dt.timedelta(seconds=1)): [],
        Where(max_dollars=Decimal("0.001")): [photo, cheap],
    }
    for where, items in expected.items():
        for text in ("", "fox"):
            page = gallery.search(text, where=where)
            assert ids(page) == [item.id for item in items], where
            assert page.total == len(items)
    assert Where.parse(["rating>=3", "tag=night", "tag=desert", "max-dollars=0.05"]) == Where(
        rating=3, tag=("night", "desert"), max_dollars=Decimal("0.05")
    )
    for bad in ("colour=red", "rating=many", "kind=film", "since=yesterday", "rating"):
        with pytest.raises(InvalidRequest):
            Where.parse([bad])


def test_pages_follow_each_other_without_gaps_in_every_order(
    gallery: Gallery, generate: Callable[..., GalleryItem]
) -> None:
    dice = random.Random(3)
    made = []
    for number in range(23):
        item = generate(gallery, f"fox {number}", dollars=str(dice.choice(["0.001", "0.002"])))
        if number % 3:
            item = gallery.annotate(item.id, rating=dice.randint(1, 3), tag=["even"])
        made.append(item)
    order: dict[str, Callable[[int], Any]] = {
        "newest": lambda at: -at,
        "oldest": lambda at: at,
        "best": lambda at: (-(made[at].rating or 0), -at),
        "cheapest": lambda at: (made[at].billed, at),
        "dearest": lambda at: (-made[at].billed, -at),
        "value": lambda at: (made[at].billed, at),
    }
    for sort in SORTS:
        for text, where in (("", Where()), ("fox", Where()), ("", Where(tag="even"))):
            wanted = [at for at in range(23) if where == Where() or made[at].tags]
            expected = [made[at].id for at in sorted(wanted, key=order[sort])]
            seen: list[str] = []
            after = None
            while True:
                page = gallery.search(text, where=where, sort=sort, limit=5, after=after)
                assert page.total == len(wanted)
                seen += ids(page)
                after = page.next
                if after is None:
                    break
            assert seen == expected, (sort, text, where)


def test_new_arrivals_do_not_move_the_pages_that_follow(gallery: Gallery) -> None:
    made = [add_photo(gallery) for _ in range(6)]
    first = gallery.search(limit=3)
    add_photo(gallery)
    second = gallery.search(limit=3, after=first.next)
    assert ids(first) + ids(second) == [item.id for item in reversed(made)]


def test_a_cursor_of_another_search_is_refused(gallery: Gallery) -> None:
    for _ in range(3):
        add_photo(gallery)
    cursor = gallery.search(limit=1).next
    for after in (cursor, "nonsense", "", "AAAA", "é"):
        if after:
            with pytest.raises(InvalidRequest, match="belongs to another search"):
                gallery.search("photo", limit=1, after=after)
    with pytest.raises(InvalidRequest, match="sort"):
        gallery.search(sort="random")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="1 to 1000"):
        gallery.search(limit=0)


def test_the_trash_keeps_everything_and_gives_it_back(gallery: Gallery) -> None:
    keep, gone = add_photo(gallery), add_photo(gallery, name="gone.jpg")
    gallery.annotate(gone.id, rating=5, tag=["x"])
    deleted = gallery.delete(gone.id)
    assert deleted.deleted_at is not None
    for text in ("", "gone"):
        assert gone.id not in ids(gallery.search(text))
        assert gallery.search(text).total == (0 if text else 1)
    assert ids(gallery.search(trash=True)) == [gone.id]
    assert gallery.search("gone", trash=True).total == 1
    assert gallery.original(gone.id)
    assert gallery.item(gone.id).rating == 5
    back = gallery.restore(gone.id)
    assert back.deleted_at is None
    assert set(ids(gallery.search())) == {keep.id, gone.id}
    edits = gallery.history(gone.id)
    assert [edit.after for edit in edits][1:] == [{"deleted": True}, {"deleted": False}]


def test_an_edit_changes_only_what_it_names_and_is_recorded(gallery: Gallery) -> None:
    photo = add_photo(gallery)
    gallery.annotate(photo.id, rating=4, note="first", tag=["a", "b"], by="anna")
    item = gallery.annotate(photo.id, note="second", untag=["a"], tag=["c"], by="ben")
    assert (item.rating, item.note, item.tags, item.version) == (4, "second", ("b", "c"), 3)
    first, second = gallery.history(photo.id)
    assert (first.who, first.after["note"], first.before["rating"]) == ("anna", "first", 0)
    assert (second.who, second.before, second.after) == (
        "ben",
        {"note": "first", "tags": ["a", "b"]},
        {"note": "second", "tags": ["b", "c"]},
    )
    same = gallery.annotate(photo.id, note="second", tag=["b"])
    assert same.version == 3
    assert gallery.annotate(photo.id, rating=None).rating is None


def test_two_edits_of_different_fields_on_one_version_both_count(gallery: Gallery) -> None:
    seen = add_photo(gallery)
    gallery.annotate(seen.id, title="Dunes", tag=["sand"], expected_version=seen.version)
    item = gallery.annotate(seen.id, note="at noon", tag=["sun"], expected_version=seen.version)
    assert (item.title, item.note, item.tags) == ("Dunes", "at noon", ("sand", "sun"))


def test_two_edits_of_one_field_conflict_and_both_values_are_kept(gallery: Gallery) -> None:
    seen = add_photo(gallery)
    gallery.annotate(seen.id, title="Dunes", by="anna", expected_version=seen.version)
    with pytest.raises(GalleryProblem) as conflict:
        gallery.annotate(seen.id, title="Desert", by="ben", expected_version=seen.version)
    assert "title is now 'Dunes' (by anna), yours is 'Desert'" in str(conflict.value)
    assert gallery.item(seen.id).title == "Dunes"
    refused = gallery.history(seen.id)[-1]
    assert (refused.refused, refused.who, refused.after) == (True, "ben", {"title": "Desert"})
    agreed = gallery.annotate(seen.id, title="Dunes", expected_version=seen.version)
    assert agreed.title == "Dunes"  # the same value is no conflict


def test_annotations_have_limits(gallery: Gallery) -> None:
    photo = add_photo(gallery)
    for bad in (-1, 6, 2.5, True, "3"):
        with pytest.raises(InvalidRequest, match="1 to 5 stars"):
            gallery.annotate(photo.id, rating=bad)  # type: ignore[arg-type]
    for tag in ("", "  ", "x" * 65):
        with pytest.raises(InvalidRequest, match="1 to 64 characters"):
            gallery.annotate(photo.id, tag=[tag])
    with pytest.raises(InvalidRequest, match="100,000 characters"):
        gallery.annotate(photo.id, note="x" * 100_001)
    assert gallery.annotate(photo.id, tag=["  two \n words  ", "x" * 64]).tags == (
        "two words",
        "x" * 64,
    )
    assert gallery.item(photo.id).version == 2


def test_texts_of_every_kind_come_back_as_they_are(gallery: Gallery) -> None:
    photo = add_photo(gallery, name="broken-\udcff.jpg")
    assert photo.name == "broken-?.jpg"
    text = "quotes ' \" \\ and %s :x \N{SNOWMAN} 🙂\r\n\t<b>\u202e"
    item = gallery.annotate(photo.id, note=text, title="nul \0 inside")
    assert item.note == text
    assert item.title == "nul \N{REPLACEMENT CHARACTER} inside"


def test_items_are_a_table(
    gallery: Gallery, generate: Callable[..., GalleryItem], reserve: Reserve
) -> None:
    assert len(gallery.items()) == 0
    made = generate(gallery, "a fox", dollars="0.004")
    photo = add_photo(gallery)
    caption(gallery, reserve, photo, "sand")
    table = gallery.items(sort="oldest")
    assert list(table.index) == [made.id, photo.id]
    assert table.loc[made.id, "billed"] == Decimal("0.004")
    assert table.loc[photo.id, "captions"] == ["sand"]
    assert table.loc[photo.id, "total_billed"] == Decimal("0.00012")
    assert list(gallery.items(where=Where(kind="photo")).index) == [photo.id]


def test_a_page_takes_the_same_few_queries_whatever_its_length(
    folder_gallery: Gallery, reserve: Reserve
) -> None:
    import sqlalchemy as sa

    for number in range(30):
        photo = add_photo(folder_gallery)
        caption(folder_gallery, reserve, photo, f"sand {number}")
    counts = []
    for limit in (1, 30):
        seen: list[str] = []

        def count(*event: Any, into: list[str] = seen) -> None:
            into.append(event[2])

        engine = folder_gallery._database._engine  # type: ignore[attr-defined]
        sa.event.listen(engine, "before_cursor_execute", count)
        assert len(folder_gallery.search("sand", limit=limit)) == limit
        sa.event.remove(engine, "before_cursor_execute", count)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 7


def test_newest_first_reads_a_common_word_without_sorting_its_hits(folder_gallery: Gallery) -> None:
    import sqlalchemy as sa

    add_photo(folder_gallery)
    plans = []

    def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        plans.append((statement, parameters))

    engine = folder_gallery._database._engine  # type: ignore[attr-defined]
    sa.event.listen(engine, "before_cursor_execute", keep)
    folder_gallery.search("dunes", limit=1)
    folder_gallery.search(where=Where(tag="x", kind="photo"), limit=1)
    sa.event.remove(engine, "before_cursor_execute", keep)
    with folder_gallery._database.raw() as raw:  # type: ignore[attr-defined]
        for statement, parameters in plans:
            if "ORDER BY" in statement and "LIMIT" in statement:
                plan = raw.execute("EXPLAIN QUERY PLAN " + statement, parameters).fetchall()
                assert "TEMP B-TREE" not in str(plan), plan
