"""A quote is exact where the rule is proven, an interval with a reason where it is not."""

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import catalog, pricing, tokens
from playground.errors import InvalidRequest, UnknownModel
from playground.size import Size, all_sizes
from playground.values import (
    BUCKETS,
    CaptionRequest,
    EditRequest,
    ImageRequest,
    Photo,
    TokenRange,
    Usage,
)

DAY = dt.date(2026, 11, 20)
WIZARD = "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"
LEGAL = all_sizes(catalog.default().model("gpt-image-2").size_rules)


def caption(width=1024, height=768, **fields):
    return CaptionRequest(Photo(width, height), **fields)


def quote(request, **options):
    return pricing.quote(request, on=options.pop("on", DAY), **options)


@pytest.mark.parametrize(
    ("size", "prompt", "prompt_tokens", "total"),
    [
        ("976x704", WIZARD, None, "0.00397"),
        ("1440x480", "", 155, "0.002395"),
        ("1152x576", "", 16, "0.00266"),
        ("1024x1024", "Sparkling shell with a pearl", None, "0.00594"),
    ],
)
def test_the_seeds_figures_to_the_last_digit(size, prompt, prompt_tokens, total):
    made = quote(ImageRequest(prompt, size=size, prompt_tokens=prompt_tokens))
    assert made.basis == "exact"
    assert made.low == made.high == made.hold == Decimal(total)


def test_the_breakdown_reads_as_in_the_half_penny_thread():
    assert str(quote(ImageRequest(WIZARD))).splitlines() == [
        "Input text 20 tokens × $5/1M = $0.000_100_000",
        "Input image 0 tokens × $8/1M = $0.000_000_000",
        "Output tokens 129 tokens × $30/1M = $0.003_870_000",
        "Total $0.003_970_000",
    ]


def test_five_hundred_batch_pictures_for_a_dollar():
    one = quote(ImageRequest(WIZARD, tier="batch"))
    assert 500 * one.high == Decimal("0.9925")


@given(st.sampled_from(LEGAL), st.sampled_from(["low", "medium", "high"]))
def test_turning_a_picture_does_not_change_its_price(size, quality):
    model = catalog.default().model("gpt-image-2")
    turned = tokens.image_output(model, size.turned, quality)
    assert tokens.image_output(model, size, quality).range == turned.range


def test_an_exact_rounding_tie_is_an_interval_that_says_so():
    tie = quote(ImageRequest("a", size="1024x672"))
    assert (tie.tokens["image_output"].low, tie.tokens["image_output"].high) == (108, 119)
    assert tie.basis == "bounded"
    assert any("rounding tie" in note for note in tie.notes)


def test_the_known_number_of_ties():
    model = catalog.default().model("gpt-image-2")
    for quality, expected in {"low": 24, "medium": 47, "high": 43}.items():
        wide = [size for size in LEGAL if size.width_px >= size.height_px]
        open_sizes = [s for s in wide if not tokens.image_output(model, s, quality).range.exact]
        assert len(wide) == 14_638
        assert len(open_sizes) == expected


@pytest.mark.parametrize("quality", ["medium", "high"])
def test_unmeasured_qualities_of_2_5_are_intervals(quality):
    made = quote(ImageRequest("a", model="gpt-image-2.5-flare", quality=quality))
    assert made.basis == "bounded"
    assert made.low < made.high
    assert any("has not been measured" in note for note in made.notes)


def test_auto_size_covers_every_delivery_that_was_seen_and_holds_the_worst():
    made = quote(ImageRequest("a", size="auto"))
    seen = made.tokens["image_output"]
    assert seen.low <= 72
    assert seen.high >= 229
    assert all(seen.low <= tokens_seen <= seen.high for tokens_seen in (186, 229))
    assert made.hold > made.high
    assert made.basis == "bounded"


def test_auto_quality_spans_all_qualities():
    auto = quote(ImageRequest("a", quality="auto"))
    low = quote(ImageRequest("a", quality="low"))
    high = quote(ImageRequest("a", quality="high"))
    assert (auto.low, auto.high) == (low.low, high.high)


def test_several_pictures_cost_their_sum_or_a_token_less():
    one = quote(ImageRequest("a")).tokens["image_output"].high
    four = quote(ImageRequest("a", n=4)).tokens["image_output"]
    assert four.high == 4 * one
    assert four.low < four.high


def test_partial_images_add_up_to_a_hundred_tokens_each():
    plain = quote(ImageRequest("a")).tokens["image_output"]
    streamed = quote(ImageRequest("a", partial_images=3)).tokens["image_output"]
    assert (streamed.low, streamed.high) == (plain.low, plain.high + 300)


def test_a_four_to_three_edit_input_shows_both_shrink_rules():
    edit = quote(EditRequest("night", images=(Photo(4032, 3024),)))
    assert edit.tokens["image_input"] == TokenRange(1452, 1530)
    assert any("1,452 or 1,530" in note for note in edit.notes)


def test_a_caption_is_bounded_by_the_longest_answer():
    made = quote(caption(max_output_tokens=200))
    assert made.tokens["text_output"] == TokenRange(1, 200)
    assert made.basis == "bounded"
    narrowed = quote(caption(max_output_tokens=200, expect_output_tokens=80))
    assert narrowed.tokens["text_output"] == TokenRange(80, 80)
    assert narrowed.hold == made.hold


@pytest.mark.parametrize(
    ("model", "detail", "expected"),
    [
        ("gpt-5.4-nano", "auto", 2942),
        ("gpt-5.6-luna", "auto", 14364),
        ("gpt-5.6-luna", "high", 2942),
        ("gpt-6-astra", "low", 231),
        ("gpt-4o", "high", 765),
        ("gpt-4o", "low", 85),
        ("gpt-4o-mini", "low", 2833),
        ("gpt-5", "high", 630),
    ],
)
def test_a_phone_photo_at_every_detail(model, detail, expected):
    count = tokens.vision_input(catalog.default().model(model), Size(4032, 3024), detail)
    assert count.low <= expected <= count.high


def test_sources_that_contradict_each_other_make_an_interval():
    count = tokens.vision_input(catalog.default().model("gpt-4.1-mini"), Size(4032, 3024), "high")
    assert count.low == 2353
    assert count.high >= 4977
    assert count.notes


def test_resizing_first_lowers_the_quote_and_never_enlarges():
    whole = quote(caption(4032, 3024))
    small = quote(caption(4032, 3024, resize=768))
    assert small.high < whole.high
    same = quote(caption(300, 200, resize=768))
    assert same.to_dict() == quote(caption(300, 200)).to_dict()


def test_a_photo_of_too_many_patches_is_refused():
    with pytest.raises(InvalidRequest, match="41,334"):
        quote(caption(7952, 5304, model="gpt-5.6-sol", detail="original"))


def test_prices_are_those_of_the_day():
    july = quote(caption(model="gpt-5.6-luna"), on=dt.date(2026, 7, 15))
    now = quote(caption(model="gpt-5.6-luna"))
    assert july.high == 5 * now.high
    march = quote(caption(model="gpt-5.4-nano"), on=dt.date(2026, 3, 17))
    assert march.lines[0].per_million == Decimal("0.2")


def test_before_a_model_existed_its_price_is_unknown_and_never_zero():
    early = quote(ImageRequest("a"), on=dt.date(2025, 1, 1))
    assert early.basis == "unknown"
    assert early.low is early.high is early.hold is None
    assert early.to_dict()["dollars"] == {"low": None, "high": None}


def test_a_retired_model_is_quoted_with_its_date_and_cannot_be_called():
    old = quote(ImageRequest("a", model="gpt-image-1", size="1024x1024"))
    assert old.high > 0
    assert old.hold is None
    assert "2026-10-23" in old.notes[0]


@pytest.mark.parametrize(
    ("request_", "tier_note"),
    [
        (ImageRequest("a", tier="flex"), "no flex tier"),
        (caption(model="gpt-5.4-nano", tier="priority"), "no priority tier"),
    ],
)
def test_a_tier_that_a_model_lacks_is_unknown(request_, tier_note):
    made = quote(request_)
    assert made.basis == "unknown"
    assert tier_note in made.notes[0]


def test_disputed_batch_prices_are_an_interval():
    batch = quote(ImageRequest("a", model="gpt-image-2.5-flare", tier="batch"))
    standard = quote(ImageRequest("a", model="gpt-image-2.5-flare"))
    assert batch.low == standard.low / 2
    assert batch.high == batch.hold == standard.high


def test_long_requests_cost_the_long_context_price():
    prompt = "word " * 280_000
    made = quote(caption(model="gpt-5.4", prompt=prompt))
    assert made.lines[0].per_million == 5
    bill = pricing.bill("gpt-5.4", Usage(text_input=300_000, text_output=10), on=DAY)
    assert bill.dollars == Decimal(300_000) * 5 / 1_000_000 + Decimal("0.000225")


def test_cache_writes_are_reserved_for_but_not_quoted():
    made = quote(caption(model="gpt-6-luna"))
    assert made.hold > made.high
    written = pricing.bill("gpt-6-luna", Usage(cache_write_input=100_000), on=DAY)
    assert written.dollars == Decimal("0.0125")


def test_a_price_table_older_than_ninety_days_is_said_to_be_old():
    late = quote(ImageRequest("a"), on=dt.date(2027, 3, 1))
    assert any("days old" in note for note in late.notes)
    assert not any("days old" in note for note in quote(ImageRequest("a")).notes)


def test_dall_e_was_priced_per_picture():
    made = quote(ImageRequest("a", model="dall-e-3", size="1024x1024", quality="hd"))
    assert made.high == Decimal("0.08")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": "780x640"}, "Nearest: 880x752"),
        ({"quality": "max"}, "has no quality 'max'"),
        ({"model": "gpt-5.4-nano"}, "does not make pictures"),
        ({"background": "transparent", "output_format": "jpeg"}, "JPEG has no transparency"),
        ({"prompt": "  "}, "prompt is empty"),
    ],
)
def test_what_a_model_refuses_is_refused_in_words(fields, words):
    with pytest.raises(InvalidRequest, match=words):
        quote(ImageRequest(**{"prompt": "a", **fields}))


def test_an_unknown_model_lists_near_names():
    with pytest.raises(UnknownModel, match=r"gpt-5\.4-nano"):
        quote(caption(model="gpt-5.4-nona"))


def test_a_model_of_ones_own_is_priced_by_its_owner():
    free = quote(caption(model="llava"), rates=catalog.parse_rates("free"))
    assert free.low == free.high == free.hold == 0
    rates = catalog.parse_rates("text_input=0.2,text_output=1.25")
    priced = quote(caption(model="llava"), rates=rates)
    assert priced.basis == "bounded"
    assert 0 < priced.low < priced.high
    with pytest.raises(InvalidRequest, match="not a price bucket"):
        catalog.parse_rates("tokens=3")


def test_a_used_bucket_without_a_price_makes_the_bill_unknown():
    bill = pricing.bill("gpt-5.4-nano", Usage(text_input=5, image_output=7), on=DAY)
    assert bill.dollars is None
    assert "image_output" in bill.notes[0]


@given(st.lists(st.integers(0, 10**6), min_size=len(BUCKETS), max_size=len(BUCKETS)))
def test_more_tokens_never_cost_less(counts):
    rates = dict.fromkeys(BUCKETS, Decimal("0.0025"))
    usage = dict(zip(BUCKETS, counts, strict=True))
    one = pricing.bill("any", Usage(**usage), rates=rates).dollars
    more = pricing.bill(
        "any", Usage(**{b: count + 1 for b, count in usage.items()}), rates=rates
    ).dollars
    assert more > one


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=6),
)
def test_a_folder_costs_the_sum_of_its_photos(dimensions):
    quotes = [quote(caption(*pair)) for pair in dimensions]
    total = pricing.total_quote(quotes)
    assert total.low == sum(each.low for each in quotes)
    assert total.high == sum(each.high for each in quotes)
    assert sum(line.dollars for line in total.lines) == total.high


def test_many_photos_are_quoted_by_size_and_the_impossible_ones_say_why():
    request = caption(model="gpt-5.6-sol", detail="original")
    photos = [Photo(1024, 768), Photo(7952, 5304), Photo(1024, 768)]
    found = [each for _, each in pricing.quote_photos(request, photos, on=DAY)]
    assert found[0] is found[2]
    assert "41,334" in found[1]
    twice = pricing.total_quote({found[0]: 2})
    assert twice.high == 2 * found[0].high
    with pytest.raises(InvalidRequest, match="nothing to quote"):
        pricing.total_quote([])


def test_the_json_of_a_quote_has_the_promised_keys():
    tree = json.loads(json.dumps(quote(ImageRequest(WIZARD)).to_dict()))
    assert {"basis", "tokens", "dollars", "lines", "notes", "sources"} <= tree.keys()
    assert tree["tokens"].keys() == {"text_input", "image_input", "image_output", "text_output"}
    assert tree["dollars"] == {"low": "0.00397", "high": "0.00397"}
    assert tree["lines"][0] == {
        "bucket": "text_input",
        "tokens": 20,
        "per_million": "5",
        "dollars": "0.0001",
    }
    assert all(source.keys() == {"what", "source", "date"} for source in tree["sources"])


def test_markup_in_notes_is_escaped_in_the_html_breakdown():
    shown = quote(caption(model="<b>x</b>"), rates=catalog.parse_rates("free"))._repr_html_()
    assert "<b>x" not in shown
