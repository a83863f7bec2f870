"""The playground page as people meet it: typed, paid, rated, found again, through Voilà."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from playground import serve
from playground.demo import PHOTOS
from playground.store import Gallery

WIZARD = "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"
HOSTILE = (
    "<img src=x onerror=window.__x=1> <script>window.__x=2</script> "
    "</textarea><svg/onload=window.__x=3> {{constructor.constructor('window.__x=4')()}} "
    "<style>@import 'http://evil.example/x.css'</style> \u202egnp.exe\u202c"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("played") / "gallery"


@pytest.fixture(scope="module")
def playing(folder, environ):
    """The addresses of the playground and the gallery page, on one gallery."""
    with serve.voila(folder, 0, pages="all", environ=environ, preheat=False) as (url, _):
        yield url.replace("gallery.ipynb", "1_playground.ipynb"), url


@pytest.fixture
def visit(chromium, playing):
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: keep_error(page, message))
    page.goto(playing[0])
    expect(page.locator(".hp-primary")).to_contain_text("$0.00387", timeout=90_000)
    yield page
    context.close()


def keep_error(page, message):
    # A page that is left asks Voilà to stop its kernel, and is refused (voila#1458).
    leaving = "/api/shutdown/" in message.location.get("url", "")
    if message.type == "error" and not leaving:
        page.wrong.append(f"{message.text} {message.location.get('url')}")


def write(page, text):
    page.get_by_label("Prompt", exact=True).fill(text)
    page.wait_for_function(
        "[...document.querySelectorAll('.hp')].some((e) => Number(e.dataset.sequence) > 0)"
    )


def generate(page, text):
    write(page, text)
    button = page.locator(".hp-go .hp-primary")
    expect(button).to_be_enabled()
    button.click()
    expect(page.locator(".hp-result .hp-prompt")).to_have_text(text, timeout=30_000)
    expect(page.locator(".hp-made.hp-whole")).to_be_visible()


def test_a_prompt_is_priced_made_rated_and_found_again(visit, playing):
    page = visit
    write(page, WIZARD)
    expect(page.locator(".hp-primary")).to_have_text("Generate · $0.00397")
    expect(page.locator(".hp-left")).to_have_text("206 tokens left")
    generate(page, WIZARD)
    expect(page.locator(".hp-result .hp-cost")).to_contain_text("$0.00 ✓")
    expect(page.locator(".hp-result .hp-cost")).to_contain_text("129 quoted, 129 billed")
    page.get_by_role("radio", name="4 stars").click()
    expect(page.get_by_role("radio", name="4 stars")).to_be_checked()
    page.get_by_label("Add a tag").fill("keeper")
    page.keyboard.press("Enter")
    expect(page.locator(".hp-result .hp-chip", has_text="keeper")).to_be_visible()
    page.get_by_label("Note").fill("the one to print")
    expect(page.locator(".hp-result .hp-status")).to_have_text("Saved")
    page.reload()
    expect(page.locator(".hp-result .hp-chip", has_text="keeper")).to_be_visible(timeout=90_000)
    expect(page.get_by_label("Note")).to_have_value("the one to print")
    page.get_by_role("link", name="Gallery").click()
    expect(page.locator(".hp-search")).to_be_visible(timeout=90_000)
    page.locator(".hp-search").fill("wizard keeper")
    expect(page.locator(".hp-line .hp-chip").first).to_contain_text("wizard keeper")
    expect(page.locator(".hp-grid .hp-tile")).to_have_count(1)
    origin = urlsplit(playing[0]).netloc
    places = {urlsplit(u).netloc for u in page.asked if urlsplit(u).scheme in {"http", "https"}}
    assert places == {origin}
    assert page.wrong == []


def test_an_edit_with_a_painted_mask_counts_its_picture_and_shows_before_and_after(visit, folder):
    page = visit
    generate(page, "a cat on a wall")
    page.get_by_role("button", name="Edit this").click()
    expect(page.locator(".hp-references li")).to_have_count(1)
    expect(page.locator(".hp-primary")).to_contain_text("Edit · $0.01")
    page.get_by_role("button", name="Paint a mask").click()
    canvas = page.locator(".hp-canvas")
    expect(canvas).to_be_focused()
    page.keyboard.press(" ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 90, steps=5)
    page.mouse.up()
    painted = """(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data
        .filter((v, i) => i % 4 === 3 && v > 0).length"""
    before = canvas.evaluate(painted)
    page.get_by_role("button", name="Undo").click()
    assert 0 < canvas.evaluate(painted) < before
    page.get_by_role("button", name="Use this mask").click()
    expect(page.get_by_role("button", name="Change the mask")).to_be_visible()
    generate(page, "make it night")
    expect(page.locator(".hp-result .hp-lineage .hp-tile")).to_have_count(1)
    expect(page.get_by_label("Before and after")).to_be_visible()
    with Gallery(folder, read_only=True) as gallery:
        assert gallery.search("", sort="newest").items[0].kind == "edit"


def test_pictures_to_edit_come_from_the_whole_gallery(visit):
    page = visit
    generate(page, "an owl in a clock tower")
    page.get_by_text("Start from pictures").click()
    page.get_by_role("button", name="From the gallery").click()
    page.get_by_role("searchbox", name="Search the gallery").fill("owl clock")
    expect(page.locator(".hp-pick")).to_have_count(1)
    page.get_by_role("checkbox", name="an owl in a clock tower").check()
    page.get_by_role("button", name="Add 1 picture").click()
    expect(page.locator(".hp-references li")).to_contain_text("halfpenny-")
    expect(page.locator(".hp-primary").first).to_contain_text("Edit · $0.01")


def test_uploads_are_looked_at_and_refused_in_words(visit, tmp_path):
    page = visit
    fake = tmp_path / "holiday.png"
    fake.write_bytes(b"not a picture")
    files = page.get_by_label("Pictures to edit")
    files.set_input_files(str(fake))
    expect(page.get_by_role("alert")).to_contain_text("holiday.png")
    files.set_input_files([str(PHOTOS / "cat.jpg"), str(PHOTOS / "coffee.jpg")])
    expect(page.locator(".hp-references li")).to_have_count(2)
    assert page.wrong == []


def test_a_half_typed_size_waits_and_an_illegal_one_bends(visit):
    page = visit
    write(page, "a cat")
    width = page.get_by_label("Width in pixels")
    width.fill("")
    expect(page.locator(".hp-primary")).to_be_disabled()
    expect(page.get_by_role("alert")).to_have_count(0)
    width.fill("9000")
    expect(page.locator(".hp-note")).to_contain_text("at most 3840 pixels")
    page.keyboard.press("Tab")
    expect(width).not_to_have_value("9000")
    expect(page.locator(".hp-primary")).to_be_enabled()
    page.get_by_role("radio", name="1920×640").click()
    page.get_by_role("button", name="Swap width and height").click()
    expect(width).to_have_value("640")


def test_more_than_a_dollar_is_asked_for_and_no_means_no(visit, folder):
    page = visit
    write(page, "a cat")
    page.get_by_role("radio", name="high", exact=True).click()
    page.get_by_label("Pictures in one call").fill("10")
    expect(page.locator(".hp-go .hp-primary")).to_contain_text("$1.34")
    page.locator(".hp-go .hp-primary").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("more than $1.00")
    dialog.get_by_role("button", name="Do not").click()
    expect(page.locator(".hp-run")).to_have_count(0)


def test_hostile_prompts_and_names_do_not_run(visit, tmp_path):
    page = visit
    generate(page, HOSTILE)
    page.get_by_role("button", name="Show tokens").click()
    expect(page.locator(".hp-pieces")).to_contain_text("onerror")
    page.get_by_label("Add a tag").fill("<img src=x onerror=window.__x=5>")
    page.keyboard.press("Enter")
    expect(page.locator(".hp-result .hp-chip")).to_contain_text("<img src=x")
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.locator("dialog textarea")).to_have_value(re.compile("OPENAI_API_KEY"))
    page.keyboard.press("Escape")
    name = tmp_path / "<img src=x onerror=window.__x=6>.png"
    name.write_bytes((PHOTOS / "cat.jpg").read_bytes())
    page.get_by_label("Pictures to edit").set_input_files(str(name))
    expect(page.locator(".hp-references li")).to_contain_text("onerror")
    assert page.evaluate("window.__x") is None
    assert [url for url in page.asked if "evil" in url] == []
    assert page.wrong == []


def test_axe_finds_nothing_serious_on_both_pages_in_both_themes(playing, visit, audit):
    generate(visit, "a cat")
    visit.get_by_text("More settings").click()
    assert audit(visit) == []
    visit.emulate_media(color_scheme="dark")
    visit.wait_for_function("document.querySelector('.hp').classList.contains('hp-dark')")
    assert audit(visit) == []
    visit.goto(playing[1])
    expect(visit.locator(".hp-grid .hp-tile").first).to_be_visible(timeout=90_000)
    assert audit(visit) == []


def test_a_narrow_page_does_not_scroll_sideways_and_keeps_the_button_in_sight(chromium, playing):
    size = {"width": 360, "height": 740}
    context = chromium.new_context(viewport=size, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(playing[0])
    expect(page.locator(".hp-primary")).to_contain_text("$0.00387", timeout=90_000)
    assert page.evaluate("document.querySelector('#rendered_cells').scrollWidth") <= 360
    expect(page.locator(".hp-primary")).to_be_in_viewport()
    page.locator(".hp-strip, .hp-empty").last.scroll_into_view_if_needed()
    expect(page.locator(".hp-primary")).to_be_in_viewport()
    context.close()
