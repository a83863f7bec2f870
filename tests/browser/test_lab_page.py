"""The pricing lab as people meet it: ten tabs, a map, plots with tables, keys, both themes."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from playground import pricing, render, serve
from playground.lab.exercises import EXERCISES
from playground.state.lab_forms import DEFAULTS
from playground.values import ImageRequest

TABS = tuple(DEFAULTS)
HOSTILE = "<img src=x onerror=window.__x=1><script>window.__x=2</script>"
NAMELESS = """[...document.querySelectorAll('.hp button, .hp input, .hp select, .hp textarea')]
    .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
    .map((e) => e.outerHTML)"""


@pytest.fixture(scope="module")
def laboratory(demo_gallery, environ):
    """The address of the pricing lab, on the sample gallery."""
    with serve.voila(demo_gallery, 0, pages="all", environ=environ, preheat=False) as (url, _):
        yield url.replace("gallery.ipynb", "4_pricing_lab.ipynb")


def _noted(page, message):
    """Errors, but for what Voilà's farewell to a page that is left is answered."""
    leaving = "/api/shutdown/" in message.location.get("url", "")
    if message.type == "error" and not leaving:
        page.wrong.append(message.text)


@pytest.fixture(scope="module")
def one_page(chromium, laboratory):
    """One page for all tests: a tab is worked out anew from whatever a test puts into it."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: _noted(page, message))
    page.goto(laboratory)
    page.locator(".hp[data-shownsizes]").wait_for(timeout=90_000)
    yield page
    context.close()


@pytest.fixture
def page(one_page):
    one_page.locator("[data-tab=sizes]").click()
    return one_page


def go(page, tab):
    """Open a tab and wait for what the kernel says about it."""
    page.locator(f"[data-tab={tab}]").click()
    page.wait_for_function(f"document.querySelector('.hp').dataset.shown{tab} !== undefined")
    expect(page.locator(f"#lb-panel-{tab} .lb-out > *").first).to_be_visible()
    return page.locator(f"#lb-panel-{tab}")


def quoted(size, quality, prompt=20, model="gpt-image-2"):
    asked = ImageRequest(model=model, size=size, quality=quality, prompt_tokens=prompt)
    return pricing.quote(asked)


def read_out(page):
    return page.locator(".lb-mapbox").get_attribute("data-read")


def test_the_map_reads_out_what_quote_says_for_every_quality(page):
    panel = page.locator("#lb-panel-sizes")
    for quality in ("low", "medium", "high"):
        panel.get_by_role("combobox", name="Quality").select_option(quality)
        for size in ("976x704", "3840x1488", "1024x672", "2880x2880"):
            panel.get_by_role("textbox", name="Size").fill(size)
            quote = quoted(size, quality)
            text = re.escape(render.range_text(quote.low, quote.high))
            said = re.compile(f"^{size}: [^$]+, {text}$")
            expect(panel.locator(".lb-mapbox")).to_have_attribute("data-read", said)
    dearest = quoted("2880x2880", "high")
    text = render.range_text(dearest.low, dearest.high)
    expect(panel.locator(".lb-price .lb-amount")).to_have_text(text)
    assert page.wrong == []


def test_the_maps_money_is_written_as_everywhere_else(page):
    panel = page.locator("#lb-panel-sizes")
    panel.get_by_role("textbox", name="Size").fill("3840x2160")
    for prompt in ("0", "7", "100000"):
        panel.get_by_role("textbox", name="Prompt tokens").fill(prompt)
        for quality in ("low", "high"):
            panel.get_by_role("combobox", name="Quality").select_option(quality)
            quote = quoted("3840x2160", quality, int(prompt))
            text = render.range_text(quote.low, quote.high)
            expect(panel.locator(".lb-read .lb-cost")).to_have_text(text)
            expect(panel.locator(".lb-price .lb-amount")).to_have_text(text)


def test_a_size_is_chosen_by_pointing_and_by_keys(page):
    canvas = page.locator(".lb-map")
    box = canvas.bounding_box()
    canvas.hover(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    pointed = read_out(page).partition(":")[0]
    assert pointed != "976x704"
    canvas.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    size = page.locator("#lb-panel-sizes").get_by_role("textbox", name="Size")
    expect(size).to_have_value(pointed)
    expect(page.locator(".lb-go")).to_contain_text(f"Take {pointed} to the playground")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    wide, tall = map(int, pointed.split("x"))
    assert read_out(page).startswith(f"{wide + 16}x{tall}:")
    page.keyboard.press("Shift+ArrowDown")
    assert read_out(page).startswith(f"{wide + 16}x{tall - 160}:")
    expect(page.locator(".lb-mapbox [role=status]")).to_contain_text(f"{wide + 16}x{tall - 160}")
    page.keyboard.press("Enter")
    expect(size).to_have_value(f"{wide + 16}x{tall - 160}")


def test_the_chosen_size_comes_to_the_playground(page):
    panel = page.locator("#lb-panel-sizes")
    panel.get_by_role("textbox", name="Size").fill("1440x480")
    expect(page.locator(".lb-go")).to_contain_text("1440x480")
    href = page.locator(".lb-go").evaluate("(link) => link.href")
    other = page.context.new_page()
    other.goto(href)
    expect(other.get_by_label("Width in pixels")).to_have_value("1440", timeout=90_000)
    expect(other.get_by_label("Height in pixels")).to_have_value("480")
    other.close()


def test_every_tab_answers_and_nothing_is_loaded_from_elsewhere(page, laboratory):
    for tab in TABS:
        go(page, tab)
    assert page.evaluate(NAMELESS) == []
    origin = urlsplit(laboratory).netloc
    places = {urlsplit(u).netloc for u in page.asked if urlsplit(u).scheme in {"http", "https"}}
    assert places == {origin}
    assert page.wrong == []


def test_each_plot_has_words_and_a_table_that_say_the_same(page):
    for tab in ("solver", "whatif", "history"):
        panel = go(page, tab)
        for n in range(panel.locator(".lb-figure").count()):
            figure = panel.locator(".lb-figure").nth(n)
            assert figure.locator("h3").inner_text().endswith("?")
            drawn = figure.locator(".lb-stage svg[role=img]")
            assert len(drawn.get_attribute("aria-label")) > 60
            figure.get_by_role("button", name="Show as table").click()
            expect(figure.locator("tbody tr").first).to_be_visible()
            expect(drawn).to_be_hidden()
            figure.get_by_role("button", name="Show as plot").click()
            expect(drawn).to_be_visible()


def test_nonsense_pasted_as_a_bill_is_one_sentence_and_does_not_run(page):
    panel = go(page, "bill")
    panel.get_by_role("textbox", name=re.compile("^A usage")).fill(HOSTILE)
    expect(panel.locator(".lb-problem")).to_contain_text("No bill can be found in that")
    panel.get_by_role("button", name="$0.00397").click()
    expect(panel.locator(".lb-words")).to_contain_text("sizes and qualities")
    expect(panel.locator(".lb-problem")).to_be_hidden()
    expect(panel.locator("tbody tr").first).to_contain_text("976x704")
    coach = go(page, "coach")
    coach.get_by_role("textbox", name="Prompt").fill(f"a cat {HOSTILE}")
    expect(coach.locator(".lb-word").first).to_be_visible()
    assert page.evaluate("window.__x") is None


def test_the_coach_changes_nothing_until_it_is_told_to(page):
    panel = go(page, "coach")
    prompt = panel.get_by_role("textbox", name="Prompt")
    prompt.fill("A  photo of a dragon next to a map by Hokusai")
    panel.get_by_role("textbox", name="Cut to tokens").fill("5")
    expect(panel.locator(".lb-cutprompt")).to_be_visible()
    panel.locator("[data-word=dragon]").click()
    expect(panel.locator("[data-word=dragon]")).to_have_attribute("aria-pressed", "true")
    expect(prompt).to_have_value("A  photo of a dragon next to a map by Hokusai")
    panel.get_by_role("button", name=re.compile("^Take: ")).first.click()
    expect(prompt).not_to_have_value("A  photo of a dragon next to a map by Hokusai")
    panel.get_by_role("button", name="Use this prompt").click()
    expect(prompt).to_have_value(re.compile("dragon"))


def test_an_exercise_is_answered_with_the_keyboard(page):
    panel = go(page, "exercises")
    panel.get_by_role("button", name="Begin anew").click()
    expect(panel.locator(".lb-words").first).to_contain_text(f"0 of {len(EXERCISES)} solved")
    answer = panel.locator("[data-exercise=prompt]")
    answer.focus()
    page.keyboard.type("6")
    page.keyboard.press("Enter")
    card = panel.locator("[data-id=prompt]")
    expect(card.locator(".hp-status")).to_contain_text("endpoint adds tokens of its own")
    expect(answer).to_be_focused()
    answer.fill("12")
    page.keyboard.press("Enter")
    expect(card).to_have_class(re.compile("lb-solved"))
    expect(panel.locator(".lb-words").first).to_contain_text(f"1 of {len(EXERCISES)} solved")
    panel.get_by_role("button", name="Begin anew").click()
    expect(panel.locator(".lb-words").first).to_contain_text(f"0 of {len(EXERCISES)} solved")


def test_the_tabs_are_walked_with_the_arrow_keys(page):
    page.locator("[data-tab=sizes]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-tab=solver]")).to_be_focused()
    expect(page.locator("#lb-panel-solver .lb-words").first).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("[data-tab=exercises]")).to_have_attribute("aria-selected", "true")


def test_the_board_shows_samples_as_practice_and_becomes_a_post(page):
    panel = go(page, "board")
    expect(panel.locator("tbody tr").first).to_contain_text("practice")
    panel.get_by_role("button", name="As a forum post").click()
    expect(panel.locator(".lb-post")).to_have_value(re.compile(r"690x497\]\(upload://"))


def test_axe_finds_nothing_serious_on_any_tab(page, audit, sight):
    for tab in TABS:
        go(page, tab)
        assert (tab, audit(page, ".hp", sight=sight)) == (tab, [])
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})
