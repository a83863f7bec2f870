"""The pricing lab's state: every number on the page is what `quote` says for the same request."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Mapping
from decimal import Decimal

import pytest

from playground import money, pricing
from playground.demo import make_demo
from playground.lab.figures import Figure
from playground.lab.priced import Billed, Priced
from playground.state.lab_forms import DEFAULTS
from playground.state.lab_page import LabState
from playground.store import Gallery
from playground.values import ImageRequest, Usage
from playground.widgets import lab_blocks
from playground.widgets.lab_forms import fields

MONEY = re.compile(r"\$[\d,]+\.?\d*(?:[\d_]*\d)?")


def walk(value, seen=None):
    """Every value within a state, whatever holds it."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, str | bytes | int | float | Decimal | dt.date):
        return
    seen.add(id(value))
    yield value
    if isinstance(value, Mapping):
        inside = list(value.values())
    elif isinstance(value, tuple | list | frozenset | set):
        inside = list(value)
    elif dataclasses.is_dataclass(value):
        inside = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        inside = []
    for each in inside:
        yield from walk(each, seen)


def values_of(state, kind):
    traits = [getattr(state, name) for name in state.trait_names()]
    return [each for each in walk(traits) if isinstance(each, kind)]


def priced_values(state):
    return values_of(state, Priced)


def money_in(blocks):
    """Every amount that a tab shows."""
    return set(MONEY.findall(json.dumps(blocks, ensure_ascii=False)))


@pytest.fixture
def state(tmp_path):
    place = tmp_path / "gallery"
    Gallery(place).close()
    return LabState(lambda: Gallery(place, read_only=True), tmp_path)


VISITS = [
    ("sizes", {}),
    ("sizes", {"quality": "high", "size": "1024x1024", "prompt_tokens": "226"}),
    ("sizes", {"model": "gpt-image-2.5-flare", "quality": "medium"}),
    ("sizes", {"model": "gpt-image-1.5", "size": "1536x1024", "quality": "low"}),
    ("solver", {}),
    ("solver", {"dollars": "$0.25", "n": "3", "tier": "batch", "ratio": "16:9"}),
    ("explain", {}),
    ("explain", {"kind": "photo", "photo": "cat.jpg"}),
    ("explain", {"kind": "photo", "photo": "4032x3024", "reader": "gpt-6-luna", "resize": "1024"}),
    ("explain", {"kind": "edit", "photo": "800x600", "size": "1024x1024", "quality": "medium"}),
    ("whatif", {}),
    ("whatif", {"model": "gpt-4o", "photos": "76,000", "on": "2024-09-01", "detail": "high"}),
    ("whatif", {"tier": "batch", "on": "", "resize": "768"}),
    ("history", {}),
    ("history", {"what": "picture", "quality": "high"}),
    ("claims", {}),
    ("bill", {"text": '{"input_tokens": 20, "output_tokens": 129}'}),
    ("bill", {"text": "$0.00397"}),
]


@pytest.mark.parametrize(("tab", "changes"), VISITS, ids=lambda each: str(each)[:40])
def test_every_amount_of_a_tab_is_the_quote_of_its_request(state, tab, changes):
    state.set(tab, **changes)
    assert state.problem.text == ""
    found = priced_values(state)
    assert found
    for each in found:
        quote = pricing.quote(each.request, on=each.on)
        assert each.quote.to_dict() == quote.to_dict()
        assert each.high == quote.high * each.times
        assert each.low == quote.low * each.times


@pytest.mark.parametrize(("tab", "changes"), VISITS, ids=lambda each: str(each)[:40])
def test_what_a_plot_and_its_table_say_are_those_same_amounts(state, tab, changes):
    state.set(tab, **changes)
    found = priced_values(state)
    bills = values_of(state, Billed)
    texts = {each.text for each in (*found, *bills)}
    highs = {float(each.high) for each in found} | {float(each.dollars) for each in bills}
    figures = [each for each in walk([getattr(state, tab)]) if isinstance(each, Figure)]
    for figure in figures:
        for row in figure.rows:
            amounts = [cell for cell in row[1:] if cell.startswith("$")]
            assert set(amounts) <= texts
        for line in figure.lines:
            for point in line.points:
                # The solver's plot has dollars along the bottom, the others upwards.
                assert (point.x if tab == "solver" else point.y) in highs
        assert {bar.value for bar in figure.bars} <= highs


def test_what_no_quote_can_say_is_the_bill_of_its_usage(state):
    state.set("whatif", on="")
    bills = values_of(state, Billed)
    assert len(bills) > 40
    for each in bills:
        assert each.each == pricing.bill(each.model, each.usage, tier=each.tier, on=each.on).dollars


@pytest.mark.parametrize(
    "text", ['{"input_tokens": 20, "output_tokens": 129}', '{"output_tokens": 186}', "$0.00397"]
)
def test_every_amount_of_the_detective_is_a_quote_or_the_bill_of_what_was_pasted(state, text):
    state.set("bill", text=text)
    clue = state.bill.clue
    told = {money.short(each) for each in (clue.dollars,) if each}
    if clue.out is not None:
        usage = Usage(text_input=clue.text_in or clue.total_in or 0, image_output=clue.out)
        bill = pricing.bill("gpt-image-2", usage)
        told |= {money.grouped(line.dollars) for line in bill.lines}
        told |= {f"${money.plain(line.per_million)}" for line in bill.lines}
        told.add(money.grouped(bill.dollars))
    quotes = {each.text for each in priced_values(state)}
    ends = {end for text in quotes for end in text.split(" to ")}
    shown = money_in(lab_blocks.bill_blocks(state.bill))
    assert shown
    assert shown <= told | ends


def test_every_amount_of_the_board_is_the_bill_of_its_entries_own_tokens(tmp_path, make_sample):
    place = tmp_path / "gallery"
    with Gallery(place) as gallery:
        for prompt in ("a lantern", "a lighthouse in a storm"):
            make_sample(gallery, prompt)
    state = LabState(lambda: Gallery(place, read_only=True), tmp_path)
    state.visit("board")
    assert len(state.board.entries) == 2
    told = {money.short(state.board.club.dollars)}
    for entry in state.board.entries:
        item = entry.item
        bill = pricing.bill(item.model, item.usage, on=item.created_at.date())
        assert entry.billed == bill.dollars
        quote = pricing.quote(ImageRequest(item.prompt, size="976x704", quality="low"))
        assert quote.low == quote.high == entry.billed
        told.add(money.short(bill.dollars))
    assert money_in(lab_blocks.board_blocks(state.board)) == told
    assert set(MONEY.findall(state.post())) <= told


def test_the_coach_shows_no_amount_and_counts_as_quote_does(state):
    state.visit("coach")
    assert money_in(lab_blocks.coach_blocks(state.coach)) == set()
    quote = pricing.quote(ImageRequest(state.forms["coach"]["prompt"]))
    assert quote.tokens["text_input"].low == quote.tokens["text_input"].high == state.coach.billed


def test_every_amount_of_a_graded_exercise_is_a_quote_of_its_question(state):
    state.visit("exercises")
    rate = pricing.bill("gpt-image-2", Usage(text_input=20))
    pictures = {
        tier: pricing.quote(
            ImageRequest(size="976x704", quality="low", prompt_tokens=20, tier=tier)
        ).high
        for tier in ("standard", "batch")
    }
    for name, answer, told in (
        ("text-cost", rate.dollars, {"$5", money.short(rate.dollars)}),
        ("half-penny", pictures["standard"], {money.short(pictures["standard"])}),
        ("batch", Decimal(int(1 / pictures["batch"])), {money.short(pictures["batch"])}),
    ):
        state.grade(name, f"{answer:f}")
        assert state.graded.right
        assert set(MONEY.findall(state.graded.words)) == told
        state.grade(name, "7")
        assert not state.graded.right
        assert not MONEY.findall(state.graded.words)


def test_every_tab_opens_and_is_shown_without_a_problem(state):
    for tab in DEFAULTS:
        state.visit(tab)
        assert (tab, state.problem.text) == (tab, "")
    assert lab_blocks.size_blocks(state.sizes)
    assert lab_blocks.solver_blocks(state.solver)
    assert lab_blocks.explain_blocks(state.explain, has_photo=False)
    assert lab_blocks.whatif_blocks(state.whatif)
    assert lab_blocks.history_blocks(state.history, state.repriced)
    assert lab_blocks.claims_blocks(state.claims)
    assert lab_blocks.bill_blocks(state.bill)
    assert lab_blocks.coach_blocks(state.coach)
    assert lab_blocks.board_blocks(state.board)
    assert lab_blocks.exercise_blocks(state.progress, state.graded)


def test_every_control_belongs_to_a_value_of_its_tab():
    for tab, controls in fields().items():
        names = {each["name"] for each in controls if each["kind"] != "presets"}
        assert names == set(DEFAULTS[tab])


@pytest.mark.parametrize(
    ("tab", "changes", "words"),
    [
        ("sizes", {"size": "780x640"}, "Nearest"),
        ("sizes", {"size": "huge"}, "is not a size"),
        ("sizes", {"prompt_tokens": "-1"}, "from 0 to 100,000"),
        ("sizes", {"on": "2025-01-01"}, "had no price on 2025-01-01"),
        ("sizes", {"model": "gpt-image-9"}, "near names"),
        ("solver", {"dollars": "free"}, "dollars such as"),
        ("solver", {"ratio": "wide"}, "is not a ratio"),
        ("solver", {"tier": "priority"}, "has no priority tier"),
        ("explain", {"prompt": ""}, "prompt is empty"),
        ("explain", {"quality": "max"}, "has no quality"),
        ("explain", {"kind": "photo", "photo": "poster.exe"}, "is not a size"),
        ("explain", {"kind": "photo", "photo": "99999x2"}, "beyond any camera"),
        ("explain", {"kind": "photo", "detail": "ultra"}, "has no detail"),
        ("whatif", {"photos": "0"}, "from 1 to"),
        ("whatif", {"on": "1999-01-01"}, "no picture model had a price"),
        ("whatif", {"model": "gpt-4o-tiny"}, "near names"),
        ("history", {"size": "0x10"}, "at least 1 pixel"),
        ("bill", {"text": "a bill of goods"}, "no bill can be found"),
        ("coach", {"prompt": " "}, "no prompt yet"),
        ("coach", {"limit": "zero"}, "whole number"),
        ("board", {"club": "own", "dollars": "", "quality": ""}, "needs a rule"),
    ],
)
def test_bad_input_is_one_sentence_and_the_last_answer_stays(state, tab, changes, words):
    state.visit(tab)
    before = getattr(state, tab)
    state.set(tab, **changes)
    assert state.problem.tab == tab
    assert re.search(words, state.problem.text, re.IGNORECASE)
    assert state.problem.text.endswith(".")
    assert "\n" not in state.problem.text
    assert getattr(state, tab) is before
    state.set(tab, **DEFAULTS[tab])
    assert state.problem.text == ""


def test_the_examples_of_the_articles_show_that_days_price_and_todays(state):
    state.preset("Five million in an archive")
    assert state.forms["whatif"]["photos"] == "5,000,000"
    assert state.whatif.then.on == dt.date(2026, 3, 17)
    assert state.whatif.now.on == pricing.today()
    assert state.whatif.then.times == 5_000_000
    state.preset("no such example")
    assert "no example" in state.problem.text


def test_the_coach_changes_the_prompt_only_when_an_offer_is_taken(state):
    prompt = "A  photo of a dragon next to a map by Hokusai"
    state.set("coach", prompt=prompt, locked="dragon", limit="6")
    assert state.forms["coach"]["prompt"] == prompt
    offered = state.coach.offers[0].prompt
    state.take(0)
    assert state.forms["coach"]["prompt"] == offered
    cut = state.coach.cut.prompt
    state.take_cut()
    assert state.forms["coach"]["prompt"] == cut
    assert "dragon" in cut
    state.take(99)
    assert state.forms["coach"]["prompt"] == cut


def test_answers_are_graded_and_the_progress_outlives_the_page(state, tmp_path):
    state.visit("exercises")
    state.grade("prompt", "6")
    assert not state.graded.right
    assert "endpoint adds" in state.graded.words
    state.grade("prompt", "12")
    assert state.graded.right
    other = LabState(lambda: Gallery(tmp_path / "gallery", read_only=True), tmp_path)
    other.visit("exercises")
    assert other.progress.solved == {"prompt"}
    other.grade("prompt", "twelve")
    assert "no number" in other.graded.words
    assert (other.graded.right, other.problem.text) == (False, "")
    assert other.progress.tries == {"prompt": 2}
    other.begin_anew()
    assert other.progress.solved == frozenset()


def test_without_a_gallery_the_board_says_so_and_the_rest_works(tmp_path):
    state = LabState(lambda: Gallery(tmp_path / "none", read_only=True), tmp_path)
    state.visit("board")
    assert state.problem.text
    state.visit("sizes")
    assert state.problem.text == ""
    assert not (tmp_path / "none").exists()


def test_the_board_and_the_repricing_read_the_gallery_and_leave_it(tmp_path):
    place = tmp_path / "gallery"
    make_demo(place)
    state = LabState(lambda: Gallery(place, read_only=True), tmp_path)
    state.visit("board")
    assert state.board.entries
    assert all(entry.practice for entry in state.board.entries)
    assert "upload://" in state.post()
    state.reprice("2026-11-20", "")
    assert state.repriced.counted > 10
    assert state.repriced.booked == state.repriced.low == state.repriced.high
    state.reprice("2026-11-20", "gpt-99")
    assert "no model" in state.problem.text.lower()
