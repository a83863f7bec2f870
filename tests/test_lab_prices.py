"""Solver, steps, what-if, history and claims: all from the dated prices, all as quote says."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from decimal import Decimal
from importlib import resources

import pytest

from playground import catalog, pricing, solver
from playground.errors import InvalidRequest, PlaygroundError
from playground.lab import claims, history, whatif
from playground.lab.advise import Wish, advise
from playground.lab.explain import explain
from playground.lab.history import Look
from playground.lab.priced import parse_day, parse_dollars, parse_whole, photo_request, priced
from playground.lab.whatif import PRESETS, Job, what_if
from playground.sight import sight
from playground.size import Size
from playground.values import EditRequest, ImageRequest, Photo

DAY = dt.date(2026, 11, 20)
SHIPPED = resources.files("playground").joinpath("data/models.toml").read_bytes().decode()


def with_row(model: str, row: str) -> catalog.Catalog:
    """The shipped catalog with one more price row at the end of a vision model's."""
    head, found, rest = SHIPPED.partition(f'name = "{model}"\n')
    assert found
    start = rest.index("price = [")
    end = rest.index("]\n", start)
    while rest[end - 1] == '"':  # the end of an inner list
        end = rest.index("]\n", end + 1)
    body = rest[start:end].rstrip().rstrip(",")
    return catalog.read(f"{head}{found}{rest[:start]}{body}, {row}{rest[end:]}".encode())


CHEAPER = with_row(
    "gpt-5.4-nano", '{ from = 2026-04-01, usd = ["0.10", "0.01", "0.60"], source = "pricing" }'
)


def same(price) -> bool:
    quote = pricing.quote(price.request, on=price.on)
    return (price.quote.low, price.quote.high) == (quote.low, quote.high)


# ------------------------------------------------------------------------------------ solver


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(dollars=Decimal("0.2"), ratio="16:9"),
        Wish(dollars=Decimal("0.05"), n=4, tier="batch"),
        Wish(dollars=Decimal("0.03"), model="gpt-image-2.5-flare", min_pixels=1_000_000),
        Wish(dollars=Decimal("0.10"), model="gpt-image-1.5", prompt_tokens=100),
    ],
)
def test_the_best_request_fits_the_money_and_nothing_larger_does(wish):
    made = advise(wish, DAY)
    assert made.best
    for found in made.best:
        assert same(found)
        assert found.high <= wish.dollars
        request = found.request
        bigger = [
            offer.size
            for offer in solver.sizes(wish.model, quality=request.quality, ratio=wish.ratio or None)
            if offer.size.pixels > request.asked_size.pixels
        ]
        for size in bigger[:: max(1, len(bigger) // 40)]:
            dearer = pricing.quote(request.with_(size=size), on=DAY)
            assert dearer.high > wish.dollars


def test_on_the_frontier_more_pixels_always_cost_more():
    made = advise(Wish(dollars=Decimal("0.2")), DAY)
    assert all(same(found) for found in made.frontier)
    for line in made.figure.lines:
        xs, ys = [p.x for p in line.points], [p.y for p in line.points]
        assert xs == sorted(xs)
        assert ys == sorted(ys)


def test_text_that_a_model_bills_beside_the_picture_counts_against_the_money():
    wish = Wish(dollars=Decimal("0.02"), model="gpt-image-1.5")
    picture_alone = solver.sizes("gpt-image-1.5", quality="low", max_dollars="0.02", top=1)
    assert picture_alone
    assert advise(wish, DAY).best == ()


def test_money_that_buys_nothing_is_said_and_not_raised():
    made = advise(Wish(dollars=Decimal("0.0001")), DAY)
    assert made.best == ()
    assert "buys no such picture" in made.words


# ------------------------------------------------------------------------------------ explain

REQUESTS = [
    ImageRequest("a paper boat on a glass sea"),
    ImageRequest("a boat", size="1536x1024", quality="high", n=3),
    ImageRequest("a boat", model="gpt-image-2.5-flare", quality="medium", size="1024x1024"),
    ImageRequest("a boat", model="gpt-image-1.5", size="1024x1024", quality="medium"),
    ImageRequest("a boat", model="dall-e-3", size="1024x1024", quality="hd"),
    ImageRequest("a boat", size="auto"),
    EditRequest("a boat", images=(Photo(640, 480),)),
    photo_request("gpt-5.4-nano"),
    photo_request("gpt-4o", detail="low"),
    photo_request("gpt-4o-mini", 800, 600),
    photo_request("gpt-6-luna", resize=1024),
    photo_request("claude-haiku-4.5"),
    photo_request("gemini-2.5-flash"),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: f"{type(r).__name__} {r.model}")
def test_the_steps_end_in_the_quotes_own_tokens_and_dollars(request_):
    made = explain(request_, DAY)
    quote = pricing.quote(request_, on=DAY)
    assert made.steps[-1].result == priced(request_, DAY).text
    results = [step.result.replace(",", "") for step in made.steps]
    for line in quote.lines:
        if line.tokens and "input" not in line.bucket and not quote.model.startswith("dall-e"):
            said = str(quote.tokens[line.bucket]).replace(",", "")
            inside = [said in result for result in results] + [
                str(line.tokens) in step.sum.replace(",", "") for step in made.steps
            ]
            assert any(inside)
    shown = [result for result in results if result.startswith("$")]
    assert len(shown) >= 1
    assert made.links


def test_the_axis_rule_is_shown_with_its_numbers():
    results = [step.result for step in explain(ImageRequest("a boat"), DAY).steps]
    assert results[:6] == ["16", "11.541", "12", "0.671776", "128.981", "129 tokens"]


def test_the_prompt_is_shown_in_its_tokens_with_the_price_of_each():
    made = explain(ImageRequest("Sparkling shell with a pearl"), DAY)
    assert "".join(piece.text for piece in made.pieces) == "Sparkling shell with a pearl"
    assert len(made.pieces) == 6
    assert {piece.dollars for piece in made.pieces} == {Decimal("0.000005")}


def test_a_photo_is_cut_as_the_model_sees_it():
    made = explain(photo_request("gpt-5.4-nano"), DAY)
    seen = sight(catalog.default().model("gpt-5.4-nano"), Size(4032, 3024))
    assert (made.sight.columns, made.sight.rows) == (seen.columns, seen.rows) == (57, 43)


# ------------------------------------------------------------------------------------ what if


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_amount_of_an_example_is_a_quote(preset):
    made = what_if(preset.job, DAY)
    assert len(made.amounts) > 40
    assert all(same(price) for price in made.amounts)
    assert made.then.on == whatif.WILLISON_DAY
    assert made.now.on == DAY


def test_a_new_price_changes_todays_amount_and_leaves_that_days():
    job = PRESETS[0].job
    before, after = what_if(job, DAY), what_if(job, DAY, known=CHEAPER)
    assert after.then.high == before.then.high
    assert after.now.high < before.now.high


def test_the_break_even_of_the_words_is_where_both_cost_the_same():
    made = what_if(Job(width_px=1024, height_px=1024), DAY)
    (found,) = [each for each in made.break_even if each.title == "Words against photo"]
    count = int(re.search(r"answer of ([\d,]+) tokens", found.text)[1].replace(",", ""))

    def words(tokens):
        request = photo_request("gpt-5.4-nano", 1024, 1024, answer_tokens=tokens)
        lines = {line.bucket: line.dollars for line in pricing.quote(request, on=DAY).lines}
        return lines["text_output"] - lines["image_input"]

    assert words(count) <= 0 < words(count + 1)


def test_low_detail_is_found_to_be_the_dearer_one_where_it_is():
    made = what_if(Job(), DAY)
    (figure,) = [each for each in made.figures if "detail=low" in each.question]
    assert "Low is the dearer one" in figure.answer


def test_the_cheapest_model_is_named_with_those_that_may_cost_less():
    made = what_if(Job(), DAY)
    (figure,) = [each for each in made.figures if "cheapest" in each.question]
    most = {bar.name: bar.value for bar in figure.bars}
    least = {bar.name: bar.low for bar in figure.bars}
    name = min(most, key=most.__getitem__)
    rivals = [one for one in least if one != name and least[one] < most[name]]
    assert rivals
    assert f"it is {name} (" in figure.answer
    assert all(one in figure.answer for one in rivals[:3])


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Job(model="gpt-nine"), "near names|lists them"),
        (Job(model="gpt-image-2"), "has no detail"),
        (Job(on=dt.date(2024, 1, 1)), "had no price on 2024-01-01"),
        (Job(model="gpt-4o", detail="original"), "has no detail 'original'"),
        (Job(tier="flex", model="gpt-4o"), "has no flex tier"),
    ],
)
def test_an_impossible_job_is_one_sentence(job, words):
    with pytest.raises(InvalidRequest, match=words) as caught:
        what_if(job, DAY)
    assert "\n" not in str(caught.value)


def bills_match(made) -> bool:
    return all(
        bill.each == pricing.bill(bill.model, bill.usage, tier=bill.tier, on=bill.on).dollars
        for bill in made.bills
    )


def test_the_curve_of_a_cache_begins_at_the_quote_and_ends_at_the_cached_prices():
    made = what_if(Job(), DAY)
    figure = made.figures[-1]
    assert figure.question == "What would a cache save?"
    assert made.bills
    assert bills_match(made)
    quote = pricing.quote(photo_request("gpt-5.4-nano"), on=DAY)
    assert figure.lines[0].points[0].y == float(quote.high * 1000)
    rates = catalog.default().rates("gpt-5.4-nano", "standard", DAY)
    (all_cached,) = [
        bill
        for bill in made.bills
        if bill.model == "gpt-5.4-nano" and not bill.usage.image_input + bill.usage.text_input
    ]
    inputs = all_cached.usage.cached_text_input + all_cached.usage.cached_image_input
    words = all_cached.usage.text_output
    cost = inputs * rates["cached_text_input"] + words * rates["text_output"]
    assert all_cached.each == cost / 1_000_000
    assert "That is below 1,024, so a cache saves nothing" in figure.answer
    assert [mark.text for mark in figure.marks] == ["the question", "the same photo again"]


def test_a_changed_cached_price_bends_the_curve_and_a_missing_one_is_unknown():
    dear = with_row(
        "gpt-5.4-nano", '{ from = 2026-04-01, usd = ["0.20", "0.15", "1.25"], source = "pricing" }'
    )
    before, after = (what_if(Job(), DAY, known=book) for book in (None, dear))
    first, last = (made.figures[-1].lines[0].points for made in (before, after))
    assert first[0].y == last[0].y
    assert first[-1].y < last[-1].y
    none = with_row(
        "gpt-5.4-nano", '{ from = 2026-04-01, usd = ["0.20", "", "1.25"], source = "pricing" }'
    )
    unknown = what_if(Job(), DAY, known=none).figures[-1]
    assert "gpt-5.4-nano" not in {line.name for line in unknown.lines}
    assert {row[1] for row in unknown.rows} == {"unknown"}
    assert unknown.answer.startswith("Unknown: no cached price of gpt-5.4-nano was published")
    batch = what_if(Job(model="gpt-4o", tier="batch"), DAY)
    assert "the batch table prints no cached price of gpt-4o" in batch.figures[-1].answer
    old = what_if(Job(model="gpt-4-vision-preview", on=dt.date(2024, 1, 1)), DAY)
    assert "no cached price" in old.break_even[-1].text


# ------------------------------------------------------------------------------------ history


@pytest.mark.parametrize("look", [Look(), Look("picture"), Look("picture", quality="high")])
def test_every_amount_of_the_chart_is_a_quote_of_its_day(look):
    made = history.history(look, DAY)
    assert made.amounts
    assert all(same(price) for price in made.amounts)
    assert {price.times for price in made.amounts} == {1000 if look.what == "photos" else 1}
    assert len(made.figure.rows) == len(made.amounts)


def test_the_chart_begins_with_the_first_vision_model_and_ends_lines_where_models_end():
    made = history.history(Look(), DAY)
    assert made.changes[0][0] == dt.date(2023, 11, 6)
    (first,) = [line for line in made.figure.lines if line.name == "gpt-4-vision-preview"]
    assert "2024-12-06" in first.points[-1].text


def test_a_new_price_row_is_a_new_point_on_the_chart():
    before = history.history(Look(), DAY)
    after = history.history(Look(), DAY, known=CHEAPER)
    new = set(after.changes) - set(before.changes)
    assert [(day, text.partition(":")[0]) for day, text in new] == [
        (dt.date(2026, 4, 1), "gpt-5.4-nano")
    ]


def test_a_chart_of_a_quality_that_no_model_has_is_refused():
    with pytest.raises(InvalidRequest, match="low, medium, high"):
        history.history(Look("picture", quality="ultra"), DAY)


# ------------------------------------------------------------------------------------ claims


def test_each_claim_has_the_verdict_that_the_facts_give():
    found = {each.id: each.verdict for each in claims.check_all(DAY)}
    assert found == {
        "52-dollars": "holds on conditions",
        "million": "holds on conditions",
        "90-cents": "wrong",
        "flat-85": "wrong",
        "1.62": "wrong",
        "500-images": "holds",
        "220-left": "holds",
        "176-left": "holds",
        "186-tokens": "wrong",
        "wizard": "holds",
        "2751-tokens": "cannot be known",
    }


def test_every_amount_beside_a_claim_is_a_quote_and_every_link_is_public():
    for each in claims.check_all(DAY):
        assert all(same(price) for price in each.ours)
        assert each.links
        assert all(url.startswith("https://") for _, url in each.links)


def test_a_changed_price_changes_what_stands_beside_a_claim_and_its_verdict():
    cheap = with_row(
        "gpt-5.4-mini", '{ from = 2026-03-17, usd = ["0.20", "0.02", "3.1"], source = "pricing" }'
    )
    before = {each.id: each for each in claims.check_all(DAY)}["90-cents"]
    after = {each.id: each for each in claims.check_all(DAY, known=cheap)}["90-cents"]
    assert before.verdict == "wrong"
    assert after.verdict == "holds"
    assert before.lines != after.lines
    assert "mini 3.7 times as much, $2.57" in before.words
    assert "mini 1.3 times as much, $0.8974" in after.words
    today = {each.id: each for each in claims.check_all(DAY, known=CHEAPER)}["52-dollars"]
    assert today.lines[3] != today.lines[2]


def test_the_figures_of_every_explanation_change_with_the_prices_they_are_about():
    doubled = {
        "gpt-5.4-nano": '{ from = 2026-03-17, usd = ["0.40", "0.04", "2.5"], source = "pricing" }',
        "gpt-5.4-mini": '{ from = 2026-03-17, usd = ["1.5", "0.15", "9"], source = "pricing" }',
    }
    before = {each.id: each for each in claims.check_all(DAY)}
    changed = set()
    for model, row in doubled.items():
        for each in claims.check_all(DAY, known=with_row(model, row)):
            if each.words != before[each.id].words:
                assert each.lines != before[each.id].lines
                changed.add(each.id)
    assert changed == {"52-dollars", "million", "90-cents"}
    dear = SHIPPED.replace('image_output = "30"', 'image_output = "60"').encode()
    for each in claims.check_all(DAY, known=catalog.read(dear)):
        if each.words != before[each.id].words:
            changed.add(each.id)
            assert each.verdict == before[each.id].verdict or each.verdict == "wrong"
    assert changed >= {"500-images", "220-left", "176-left", "186-tokens", "wizard"}


def test_no_explanation_holds_an_amount_that_was_not_worked_out():
    for each in claims.check_all(DAY):
        shown = {text for _, text in each.lines} | {price.text for price in each.ours}
        amounts = re.findall(r"\$[\d.,_]*\d", each.words.replace("the $52", ""))
        assert [a for a in amounts if not any(a in text for text in shown)] == []


# ------------------------------------------------------------------------------------ what is typed


@pytest.mark.parametrize("text", ["1,000,000", "1_000_000", " 1000000 ", "1 000 000"])
def test_whole_numbers_are_read_as_people_write_them(text):
    assert parse_whole(text, "n", 1, 10**7) == 1_000_000


@pytest.mark.parametrize("text", ["", "many", "1.5", "1e6", "٣", "9" * 40, "-1", "0", "10000001"])
def test_what_is_no_such_number_is_said_with_its_bounds(text):
    with pytest.raises(InvalidRequest, match="from 1 to 10,000,000"):
        parse_whole(text, "n", 1, 10**7)


@pytest.mark.parametrize("text", ["", "free", "$", "-1", "0", "NaN", "Infinity", "1e99", "1.2.3"])
def test_what_is_no_amount_is_said(text):
    with pytest.raises(InvalidRequest, match="dollars"):
        parse_dollars(text, "the money")


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "17.3.2026", "1066-10-14", "2199-01-01"]
)
def test_a_day_that_cannot_be_priced_is_said(text):
    with pytest.raises(InvalidRequest, match=r"is not a day|no picture model|nobody knows"):
        parse_day(text)


def test_prices_are_those_of_the_day_that_is_asked_for():
    first = priced(photo_request("gpt-4o"), dt.date(2024, 6, 1))
    later = priced(photo_request("gpt-4o"), dt.date(2024, 9, 1))
    assert first.low > later.low
    with pytest.raises(PlaygroundError):
        priced(photo_request("gpt-4o"), DAY, 0)
    assert replace(PRESETS[0].job, photos=1).photos == 1
