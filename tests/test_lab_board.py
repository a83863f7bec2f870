"""The challenge board: entries by their bills, ranked by rating, exported as text."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from playground import pricing
from playground.demo import PHOTOS
from playground.errors import InvalidRequest
from playground.lab.board import (
    CLUBS,
    HALF_PENNY,
    as_json,
    as_post,
    board,
    board_data,
    club_of,
    own_club,
    written,
)
from playground.lab.history import bills, ledger_bills, reprice
from playground.lab.priced import photo_request
from playground.provider.connect import connect
from playground.runner import Labels, perform
from playground.size import Size
from playground.values import CaptionRequest, GalleryItem, ImageRequest, Usage

MADE = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
HOSTILE = "<img src=x onerror=1> | [x](javascript:1) `code` **bold** ![i](u)\nnew line"


def picture(name, /, *, text=20, out=129, size="976x704", rating=None, **changes):
    usage = Usage(text_input=text, image_output=out)
    values = {
        "id": name,
        "kind": "image",
        "sha256": name * 8,
        "format": "png",
        "size": Size.parse(size),
        "size_bytes": 1,
        "created_at": MADE,
        "prompt": f"prompt of {name}",
        "model": "gpt-image-2",
        "asked_size": size,
        "quality": "low",
        "rating": rating,
        "usage": usage,
        "billed": pricing.bill("gpt-image-2", usage, on=MADE.date()).dollars,
    }
    return GalleryItem(**{**values, **changes})


def club(name):
    return next(each for each in CLUBS if each.id == name)


def names(made):
    return [entry.item.id for entry in made.entries]


def test_the_clubs_take_what_their_rules_say():
    items = [
        picture("wizard", text=20),
        picture("long", text=220),
        picture("over", text=300),
        picture("flat", size="1440x480", out=54, text=150),
        picture("large", size="1024x1024", out=196),
    ]
    assert set(names(board(items, HALF_PENNY))) == {"wizard", "long"}
    assert names(board(items, club("quarter-penny"))) == ["flat"]
    assert names(board(items, club("under-20"))) == ["wizard"]
    assert names(board(items, club("0.004"))) == ["wizard"]


def test_a_club_is_read_as_it_is_written():
    for each in CLUBS:
        assert club_of(written(each)) == each
    own = own_club(Decimal("0.003"), "976x704", "low", 50)
    assert written(own) == "dollars=0.003,size=976x704,quality=low,prompt_tokens=50"
    read = club_of(f"name=Tiny, {written(own)}")
    assert (read.name, read.rules) == ("Tiny", own.rules)
    assert read.id == club_of(f"{written(own)},name=Tiny").id != club_of(written(own)).id
    for text, words in (
        ("", "no club"),
        ("penny", "no club 'penny'"),
        ("colour=red", "no club"),
        ("name=Tiny", "needs a rule"),
        ("dollars=-1", "above zero"),
        ("prompt_tokens=x", "whole number"),
        ("size=wide", "is not a size"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            club_of(text)


def test_the_ranking_is_by_rating_then_by_the_smaller_bill():
    items = [picture("b", text=30, rating=4), picture("a", rating=4), picture("c", rating=5)]
    made = board(items, HALF_PENNY)
    assert names(made) == ["c", "a", "b"]
    assert [entry.rank for entry in made.entries] == [1, 2, 3]


def test_an_entry_is_verified_only_where_its_bill_follows_from_its_tokens():
    good = picture("good")
    wrong = picture("wrong", billed=Decimal("0.002"))
    bare = picture("bare", usage=Usage(text_input=3), billed=Decimal("0.001"))
    sample = picture("sample", sample=True)
    found = {
        entry.item.id: entry for entry in board([good, wrong, bare, sample], HALF_PENNY).entries
    }
    assert found["good"].verified
    assert not found["wrong"].verified
    assert "was booked" in found["wrong"].doubt
    assert "no usage" in found["bare"].doubt
    assert found["sample"].practice
    assert not found["sample"].verified


def test_what_has_no_bill_was_deleted_or_is_a_photo_is_no_entry():
    items = [
        picture("unknown", billed=None),
        picture("gone", deleted_at=MADE),
        picture("photo", kind="photo"),
    ]
    made = board(items, HALF_PENNY)
    assert made.entries == ()
    assert "None of 1 pictures" in made.words


def test_an_own_club_needs_a_rule_and_is_held_to_it():
    own = own_club(Decimal("0.01"), "1024x1024", "low", None)
    items = [picture("a", size="1024x1024", out=196), picture("b")]
    assert names(board(items, own)) == ["a"]
    with pytest.raises(InvalidRequest, match="needs a rule"):
        own_club(None, "", "", None)
    with pytest.raises(InvalidRequest, match="is not a size"):
        own_club(None, "big", "", None)


def test_the_forum_post_has_display_sizes_and_keeps_hostile_texts_as_text():
    post = as_post(board([picture("x", prompt=HOSTILE, title=HOSTILE)], HALF_PENNY))
    assert "|690x497](upload://" in post
    assert "<img" not in post
    assert "](javascript" not in post
    table = [line for line in post.splitlines() if line.startswith("| 1 ")]
    assert len(table) == 1
    assert table[0].replace("\\|", "").count("|") == 8


def test_the_data_form_is_json_without_private_fields():
    items = [picture("x", note="secret note", name="DSC_0001.jpg", rating=3)]
    data = json.loads(as_json(board(items, HALF_PENNY)))
    assert data == board_data(board(items, HALF_PENNY))
    assert data["entries"][0]["verified"] is True
    assert data["entries"][0]["billed"] == "0.00397"
    said = as_json(board(items, HALF_PENNY))
    assert "secret" not in said
    assert "DSC_0001" not in said


def test_pictures_of_the_embedded_provider_are_practice(folder_gallery):
    with connect("offline") as client:
        request = ImageRequest("a paper boat on a glass sea")
        perform(folder_gallery, client, request, labels=Labels(title="Boat"))
    made = board(folder_gallery.each(), HALF_PENNY)
    (entry,) = made.entries
    assert entry.practice
    assert entry.doubt == ""
    assert entry.billed <= Decimal("0.005")


# ------------------------------------------------------------------- the same bills at other prices


def test_a_gallery_is_repriced_without_being_touched(folder_gallery):
    with connect("offline") as client:
        perform(folder_gallery, client, ImageRequest("a paper boat on a glass sea"))
    before = [item.to_dict() for item in folder_gallery.each()]
    day = dt.date(2026, 11, 20)
    same = reprice(bills(folder_gallery.each()), day)
    assert same.counted == 1
    assert same.booked == same.low == same.high
    newer = reprice(bills(folder_gallery.each()), day, "gpt-image-2.5-flare")
    quoted = pricing.quote(
        ImageRequest("a paper boat on a glass sea", model="gpt-image-2.5-flare"), on=day
    )
    assert (newer.low, newer.high) == (quoted.low, quoted.high)
    assert [item.to_dict() for item in folder_gallery.each()] == before


def test_a_ledger_is_repriced_call_by_call_and_answers_keep_their_length(folder_gallery):
    with connect("offline") as client:
        perform(folder_gallery, client, ImageRequest("a paper boat on a glass sea"))
        perform(folder_gallery, client, CaptionRequest(photo=PHOTOS / "cat.jpg"))
    day = dt.date(2026, 11, 20)
    booked = ledger_bills(folder_gallery.ledger.booked())
    same = reprice(booked, day)
    assert same.counted == 2
    assert same.booked == same.low == same.high
    (asked,) = [each for each in booked if isinstance(each.request, CaptionRequest)]
    moved = reprice([asked], day, "gpt-5.4-mini")
    assert asked.request.expect_output_tokens == asked.usage.text_output
    other = pricing.quote(asked.request.with_(model="gpt-5.4-mini"), on=day)
    assert (moved.low, moved.high) == (other.low, other.high)
    assert moved.low > asked.dollars


def test_calls_that_cannot_be_repriced_are_counted_and_in_no_sum():
    early = reprice(bills([picture("x")]), dt.date(2025, 1, 1))
    assert (early.counted, early.left_out, early.low) == (0, 1, Decimal(0))
    assert "can be priced" in early.words


def test_a_model_that_was_not_there_is_said():
    with pytest.raises(InvalidRequest, match=r"had no price|was not there"):
        reprice(bills([picture("x")]), dt.date(2025, 1, 1), "gpt-image-2")
    with pytest.raises(InvalidRequest, match="no model"):
        reprice(bills([picture("x")]), dt.date(2026, 1, 1), "gpt-image-77")
    assert photo_request("gpt-4o").model == "gpt-4o"
