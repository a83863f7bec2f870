"""Tables: every value comes back, no cell is a formula, unknown money stays empty."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import GalleryProblem, InvalidRequest
from playground.exports import fields, parquet, rows, tables
from playground.exports.guard import guarded, restored
from playground.exports.selection import Selection
from playground.imports.taking import Import
from playground.store import NewImage, Where, Words
from playground.values import ImageRequest, Receipt, Usage

FORMULAS = [
    '=HYPERLINK("http://evil.example","click")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\r\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "\u3000=1+1",
    "\ufeff=1+1",
    "\u200b\u200e=1+1",
    "\x0b=1",
    "words first\n=1+1",
    "words first\r\n\t@SUM(A1)",
    "words\n\n+1",
    '"=1+1"',
    "'=1+1",
    "''",
    "'",
    "＝1+1",
    "−1+1",
    "%0A-3+3",
    "|calc",
]
STARTS = "=+-@\t\r\n|%＝＋－＠−"


def runs(cell: str) -> bool:
    """Whether any line of a cell begins as a formula, after what programs skip."""
    blanks = " \t\r\n\x0b\x0c\x00\u00a0\u3000\ufeff\u200b\u200e\"'"
    lines = cell.replace("\r", "\n").split("\n")
    # An apostrophe makes a cell text; what programs may skip before they look are blanks.
    return any(
        line.lstrip(blanks.replace("'", "")).startswith(tuple("=+-@|%＝＋－＠−")) for line in lines
    ) or cell[:1] in {"\t", "\r"}


@pytest.mark.parametrize("text", FORMULAS)
def test_no_formula_is_left_in_a_cell_and_the_value_comes_back(text):
    assert not runs(guarded(text))
    assert restored(guarded(text)) == text


@given(st.text(alphabet=st.sampled_from(list(STARTS + " '\"ab\u00a0\ufeff")), max_size=30))
def test_no_mixture_of_these_characters_is_a_formula_or_lost(text):
    assert not runs(guarded(text))
    assert restored(guarded(text)) == text


@given(st.text(max_size=200))
def test_any_text_comes_back_from_its_cell(text):
    assert restored(guarded(text)) == text


def test_plain_words_stay_as_they_are():
    for text in ("a glass desert", "3 to 1", "Zoë's boat", "(a) b", "line one\nline two"):
        assert guarded(text) == text


def test_guarding_takes_a_time_that_grows_with_the_text_only():
    assert len(guarded("\n" * 200_000)) == 200_000
    assert len(guarded("\n" * 200_000 + "=")) == 400_002


def test_a_csv_of_hostile_words_is_inert_and_restores_every_one(folder_gallery, take, tmp_path):
    before = {}
    for number, text in enumerate(FORMULAS):
        item = take(folder_gallery, name=text, prompt=text, tags=("a, b", 'say "x"'))
        before[item.id] = folder_gallery.annotate(
            item.id, note=text, title=text, alt=text, collection=text, rating=number % 5 + 1
        )
    path = tmp_path / "out.csv"
    tables.to_csv(folder_gallery, path)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            assert not [cell for cell in row if runs(cell)]
    for item_id in before:
        folder_gallery.annotate(
            item_id, note="", title="", alt="", collection="", rating=None, untag=("a, b",)
        )
    done = Import(folder_gallery).path(path)
    assert (done.updated, done.refused) == (len(FORMULAS), [])
    for item_id, item in before.items():
        after = folder_gallery.item(item_id)
        for name in ("note", "title", "alt", "collection", "rating", "tags", "prompt", "name"):
            assert getattr(after, name) == getattr(item, name), name


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl"])
def test_edits_made_in_an_export_come_back_with_their_history(
    ending, folder_gallery, take, tmp_path
):
    item = take(folder_gallery, tags=("old",), captions=(Words("by a model", model="m"),))
    path = tmp_path / f"out.{ending}"
    getattr(tables, f"to_{ending}")(folder_gallery, path)
    text = path.read_text(encoding="utf-8").replace("old", "new").replace("holiday", "x")
    path.write_text(text, encoding="utf-8")
    assert Import(folder_gallery).path(path).updated == 1
    after = folder_gallery.item(item.id)
    assert after.tags == ("new",)
    assert [one.text for one in after.captions] == ["by a model"]
    assert after.name == "holiday.jpg"  # what an item came as is not changed by a table
    assert folder_gallery.history(item.id)[-1].who == "import"
    assert Import(folder_gallery).path(path).known == 1


def test_a_table_of_another_gallery_changes_nothing(folder_gallery, take, tmp_path):
    take(folder_gallery)
    path = tmp_path / "out.csv"
    path.write_text("id,note\nzzzzzzzzzzzz,hello\n", encoding="utf-8")
    done = Import(folder_gallery).path(path)
    assert (done.updated, len(done.refused)) == (0, 1)
    path.write_text("name,note\na,hello\n", encoding="utf-8")
    with pytest.raises(GalleryProblem, match="no column id"):
        Import(folder_gallery).path(path)


def generated(gallery, dollars: str = "0.00397"):
    """A picture with a bill."""
    attempt = gallery.ledger.reserve(
        job_key="job",
        slots=1,
        request=ImageRequest("a glass desert"),
        provider="offline",
        quote=_quote(Decimal(dollars)),
    )
    data = b"not decoded here"
    gallery.ledger.sent(attempt.id)
    gallery.ledger.settle(
        attempt.id,
        cost=Decimal(dollars),
        usage=Usage(image_output=129),
        receipt=Receipt(),
        images=[NewImage(gallery.store_file(data, "png"), "png", _size(), len(data))],
    )
    return next(iter(gallery.search("desert")))


def _size():
    from playground.size import Size

    return Size(976, 704)


def _quote(amount):
    import datetime as dt

    from playground.values import Quote

    return Quote(
        model="gpt-image-2",
        tier="standard",
        on=dt.date(2026, 11, 1),
        basis="exact",
        tokens={},
        low=amount,
        high=amount,
        hold=amount,
        price_version="prices of 2026-11-01",
    )


def test_bills_are_exact_and_unknown_ones_are_empty(folder_gallery, take, tmp_path):
    generated(folder_gallery)
    take(folder_gallery, prompt="made elsewhere", model="sdxl", kind="image")
    path = tmp_path / "out.csv"
    tables.to_csv(folder_gallery, path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("prompt")
    assert table.loc["a glass desert", "billed"] == "0.00397"
    assert table.loc["a glass desert", "total_billed"] == "0.00397"
    assert table.loc["made elsewhere", "billed"] == ""
    assert table.loc["made elsewhere", "total_billed"] == ""
    tables.to_json(folder_gallery, tmp_path / "out.json")
    items = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["items"]
    assert {one["prompt"]: one["total_billed"] for one in items} == {
        "a glass desert": "0.00397",
        "made elsewhere": None,
    }


def test_parquet_has_types_and_its_sum_is_the_ledgers(folder_gallery, take, tmp_path):
    pytest.importorskip("pyarrow")
    generated(folder_gallery)
    take(
        folder_gallery,
        tags=("sea, deep", "boat"),
        captions=(Words("", "attributes", "m", data={"colours": ["red", "blue"], "n": {"k": 1}}),),
    )
    path = tmp_path / "out.parquet"
    done = parquet.to_parquet(folder_gallery, path)
    table = pd.read_parquet(path)
    assert done.items == len(table) == 2
    assert table["billed"].dropna().sum() == folder_gallery.ledger.totals().settled
    photo = table[table["kind"] == "photo"].iloc[0]
    assert set(photo["tags"]) == {"sea, deep", "boat"}
    assert photo["attr_colours"] == "red,blue"
    assert photo["attr_n.k"] == "1"
    assert str(table["created_at"].dt.tz) == "UTC"


def test_the_columns_are_those_that_are_documented(folder_gallery, take, tmp_path):
    take(folder_gallery, captions=(Words("", "attributes", "m", data={"colour": "red"}),))
    path = tmp_path / "out.csv"
    tables.to_csv(folder_gallery, path)
    head = path.read_text(encoding="utf-8").splitlines()[0]
    assert head == (
        "id,kind,sample,title,alt,format,width_px,height_px,name,caption,caption_by,alt_draft,"
        "alt_draft_by,text,caption_tags,tags,rating,collection,note,prompt,model,asked_size,"
        "quality,tier,quoted_low,quoted_high,billed,total_billed,created_at,sha256,size_bytes,"
        "parents,request_id,seconds,attr_colour,captions"
    )
    named = [name for name in head.split(",") if not name.startswith("attr_")]
    assert [name for name in named if f"`{name}`" not in str(rows.__doc__)] == []


def test_only_the_groups_that_were_asked_for_go_along(folder_gallery, take, tmp_path):
    take(
        folder_gallery,
        prompt="CANARY prompt",
        note="CANARY note",
        name="CANARY.jpg",
        collection="CANARY collection",
        model="CANARY model",
        captions=(Words("CANARY caption", model="m"),),
    )
    for ending in ("csv", "json", "jsonl"):
        path = tmp_path / f"out.{ending}"
        getattr(tables, f"to_{ending}")(folder_gallery, path, groups=frozenset({"tags"}))
        assert "CANARY" not in path.read_text(encoding="utf-8")
    with pytest.raises(InvalidRequest, match="prices"):
        fields.parse("prompt,prices", fields.SHOWN)
    assert fields.parse("none", fields.SHOWN) == frozenset()
    assert fields.parse("all", fields.SHOWN) == fields.EVERYTHING


def test_a_selection_is_by_id_or_by_search(folder_gallery, take):
    first = take(folder_gallery, prompt="a boat", rating=5)
    second = take(folder_gallery, prompt="a train", rating=2)
    named = Selection(ids=(second.id, first.id[:8], second.id))
    assert [one.id for one in named.items(folder_gallery)] == [second.id, first.id]
    assert [one.id for one in Selection(text="boat").items(folder_gallery)] == [first.id]
    rated = Selection(where=Where(rating=3))
    assert [one.id for one in rated.items(folder_gallery)] == [first.id]
    with pytest.raises(GalleryProblem, match="no item"):
        list(Selection(ids=(first.id, "nothere")).items(folder_gallery))


def test_what_is_there_is_not_replaced_without_being_told(folder_gallery, take, tmp_path):
    take(folder_gallery)
    path = tmp_path / "out.csv"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(GalleryProblem, match="--force"):
        tables.to_csv(folder_gallery, path)
    assert path.read_text(encoding="utf-8") == "mine"
    tables.to_csv(folder_gallery, path, force=True)
    assert path.read_text(encoding="utf-8") != "mine"


def test_an_export_that_ends_in_the_middle_leaves_nothing(folder_gallery, take, tmp_path):
    item = take(folder_gallery)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(GalleryProblem):
        tables.to_json(folder_gallery, out / "x.json", chosen=Selection(ids=(item.id, "gone")))
    assert list(out.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_clear_sentence(folder_gallery, take, tmp_path):
    take(folder_gallery)
    with pytest.raises(GalleryProblem, match="could not be written"):
        tables.to_csv(folder_gallery, tmp_path / "no" / "such" / "folder.csv")
    with pytest.raises(GalleryProblem, match="is a folder"):
        tables.to_csv(folder_gallery, tmp_path, force=True)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20), max_size=8))
def test_lists_come_back_from_one_line(texts):
    wanted = tuple(text.strip() for text in texts if text.strip())
    assert rows.parted(rows.joined(wanted)) == wanted


def test_typed_lists_are_read_too():
    assert rows.parted("sea, boat ,  dune") == ("sea", "boat", "dune")


def test_tables_are_written_a_page_at_a_time(folder_gallery, take):
    for _ in range(3):
        take(folder_gallery)
    seen: list[int] = []
    chosen = Selection(on_item=seen.append)
    out = io.BytesIO()
    assert tables.write_jsonl(chosen.items(folder_gallery), out, fields.EVERYTHING) == 3
    assert seen == [1, 2, 3]


def test_attributes_beyond_the_columns_are_in_the_captions(folder_gallery, take, tmp_path):
    data = {f"k{number:04}": number for number in range(300)}
    take(folder_gallery, captions=(Words("", "attributes", "m", data=data),))
    path = Path(tmp_path / "out.csv")
    tables.to_csv(folder_gallery, path)
    (row,) = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    assert sum(name.startswith("attr_") for name in row) == rows.MAX_ATTRIBUTES
    assert json.loads(row["captions"])[0]["data"]["k0299"] == 299


def test_the_functions_are_at_hand_in_python(folder_gallery, take, tmp_path):
    from playground import exports

    take(folder_gallery, title="a boat")
    chosen = exports.Selection(text="boat")
    assert exports.to_csv(folder_gallery, tmp_path / "a.csv", chosen=chosen).items == 1
    assert all(getattr(exports, name) is not None for name in exports.__all__)
    with pytest.raises(AttributeError):
        _ = exports.to_excel
