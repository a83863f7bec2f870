"""The gallery page as people meet it: in a browser, on a real gallery, through Voilà."""

from __future__ import annotations

from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from playground import serve
from playground.store import Gallery

WIZARD = "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"
ALL_DECODED = "[...document.querySelectorAll('.hp-tile img')].every((i) => i.naturalWidth > 0)"
COLOURS = """(() => {
    const style = (element) => getComputedStyle(document.querySelector(element));
    const rgb = (colour) => {
        const pixel = document.createElement('canvas').getContext('2d');
        pixel.fillStyle = colour;
        pixel.fillRect(0, 0, 1, 1);
        return [...pixel.getImageData(0, 0, 1, 1).data];
    };
    const page = style('.hp');
    return [page.backgroundColor, page.color, style('.hp-count').color].map(rgb);
})()"""


class Visit:
    """An open page, what it asked for, and what went wrong on it."""

    def __init__(self, page):
        self.page = page
        self.asked = []
        self.wrong = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append("dialog"), dialog.dismiss()))
        page.on("console", self._console)

    def _console(self, message):
        if message.type == "error":
            self.wrong.append(message.text)

    def go(self, url):
        self.page.goto(url)
        expect(self.page.locator(".hp-tile").first).to_be_visible(timeout=60_000)
        self.page.wait_for_function(ALL_DECODED)
        return self.page


@contextmanager
def visiting(chromium, **options):
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
    try:
        yield Visit(context.new_page())
    finally:
        context.close()


@pytest.fixture
def visit(chromium):
    with visiting(chromium) as one:
        yield one


def found(page, total):
    """Wait until so many pictures are counted."""
    expect(page.locator(".hp-gallery")).to_have_attribute("data-total", str(total))


def search(page, text):
    page.locator(".hp-search").fill(text)
    expect(page.locator(".hp-line .hp-chip").first).to_contain_text(f"“{text}”")


def open_wizard(page):
    search(page, "wizard profile")
    page.locator(".hp-tile").last.click()
    expect(page.locator("dialog img.hp-full:not(.hp-coming)")).to_be_visible()
    return page.locator("dialog.hp-lightbox").first


def test_pictures_are_seen_and_nothing_is_asked_from_elsewhere(visit, served):
    page = visit.go(served)
    found(page, 28)
    page.wait_for_function(ALL_DECODED)
    origin = urlsplit(served).netloc
    elsewhere = [
        url
        for url in visit.asked
        if urlsplit(url).scheme not in {"data", "blob"} and urlsplit(url).netloc != origin
    ]
    assert elsewhere == []
    assert visit.wrong == []
    assert "token" not in page.url
    expect(page.locator(".hp-provider")).to_contain_text("offline samples")
    expect(page.locator(".hp-banner")).to_contain_text("sample")


def test_a_search_narrows_and_the_filters_count(visit, served):
    page = visit.go(served)
    found(page, 28)
    search(page, "wizard")
    found(page, 2)
    expect(page.locator(".hp-tile mark").first).to_have_text("wizard", ignore_case=True)
    search(page, "no such words at all")
    expect(page.locator(".hp-nothing")).to_contain_text("Nothing matches")
    page.get_by_role("button", name="Show everything").click()
    found(page, 28)
    page.locator(".hp-facet", has_text="Photographs").click()
    found(page, 10)
    page.locator(".hp-chip", has_text="Photographs").get_by_role("button").click()
    found(page, 28)
    search(page, "kind:generated cost:<0.005 -tag:wide")
    expect(page.locator(".hp-count")).to_contain_text("pictures")
    assert 0 < int(page.locator(".hp-gallery").get_attribute("data-total")) < 17
    search(page, "rating:many")
    expect(page.locator(".hp-searchnote")).to_contain_text("searched as words")
    page.locator(".hp-search").fill("x" * 10_000)
    expect(page.locator(".hp-nothing")).to_be_visible()
    assert visit.wrong == []


def test_a_detail_shows_the_quote_the_bill_and_their_lines(visit, served):
    page = visit.go(served)
    dialog = open_wizard(page)
    expect(dialog).to_contain_text(WIZARD)
    expect(dialog.locator(".hp-cost")).to_contain_text("$0.00397")
    expect(dialog.locator(".hp-lines")).to_contain_text("$0.003_870_000")
    expect(dialog.locator(".hp-lines")).to_contain_text("129")
    expect(dialog).to_contain_text("sample")
    expect(dialog).to_contain_text("req_")
    assert dialog.locator("img.hp-full").evaluate("(i) => [i.naturalWidth, i.naturalHeight]") == [
        976,
        704,
    ]


def test_a_photograph_shows_the_captions_of_both_models(visit, served):
    page = visit.go(served)
    page.locator(".hp-facet", has_text="Photographs").click()
    found(page, 10)
    page.locator(".hp-tile").first.click()
    dialog = page.locator("dialog.hp-lightbox").first
    expect(dialog).to_contain_text("gpt-5.4-nano")
    expect(dialog).to_contain_text("gpt-5.4-mini")
    expect(dialog.locator(".hp-cost")).to_contain_text("within the quote")


def test_annotations_are_there_after_a_reload(visit, served):
    page = visit.go(served)
    dialog = open_wizard(page)
    dialog.get_by_role("radio", name="4 stars").click()
    expect(dialog.get_by_role("radio", name="4 stars")).to_be_checked()
    dialog.get_by_label("Add a tag").fill("keeper")
    page.keyboard.press("Enter")
    expect(dialog.locator(".hp-chip", has_text="keeper")).to_be_visible()
    dialog.get_by_label("Note", exact=True).fill("the one to print")
    expect(dialog.locator(".hp-status")).to_have_text("Saved")
    dialog.get_by_label("Title", exact=True).fill("The Wizard")
    page.keyboard.press("Tab")
    expect(dialog.locator(".hp-status")).to_have_text("Saved")
    page.reload()
    expect(page.locator(".hp-tile").first).to_be_visible(timeout=60_000)
    search(page, "print keeper")
    expect(page.locator(".hp-tile")).to_have_count(1)
    page.locator(".hp-tile").click()
    dialog = page.locator("dialog.hp-lightbox").first
    expect(dialog.get_by_role("radio", name="4 stars")).to_be_checked()
    expect(dialog.get_by_label("Note", exact=True)).to_have_value("the one to print")
    expect(dialog.get_by_label("Title", exact=True)).to_have_value("The Wizard")


def test_a_note_that_is_just_typed_is_kept_when_the_picture_is_closed(visit, served):
    page = visit.go(served)
    dialog = open_wizard(page)
    dialog.get_by_label("Alternative text").fill("A card with a wizard on it")
    page.keyboard.press("Escape")  # leaves the field
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    search(page, '"card with a wizard"')
    expect(page.locator(".hp-tile")).to_have_count(1)


def test_a_change_made_elsewhere_is_shown_in_place(visit, served, demo_gallery):
    page = visit.go(served)
    dialog = open_wizard(page)
    with Gallery(demo_gallery) as gallery:
        (item,) = gallery.search('"wizard profile card" -pixel').items
        gallery.annotate(item.id, note="from the command line")
    dialog.get_by_label("Note", exact=True).fill("from the page")
    status = dialog.locator(".hp-status")
    expect(status).to_contain_text("from the command line")
    status.get_by_role("button", name="Save mine").click()
    expect(status).to_have_text("Saved")
    with Gallery(demo_gallery) as gallery:
        assert gallery.item(item.id).note == "from the page"


def test_everything_can_be_done_with_the_keyboard(visit, served):
    page = visit.go(served)
    page.locator(".hp-tile").first.focus()
    page.keyboard.press("ArrowRight")
    second = page.locator(".hp-tile").nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    expect(page.locator(".hp-tile").first).to_be_focused()
    page.keyboard.press("3")
    stars = page.locator(".hp-tile").first.locator(".hp-stars")
    expect(stars).to_have_attribute("aria-label", "3 of 5 stars")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    expect(dialog).to_be_visible()
    first = dialog.get_attribute("aria-label")
    page.keyboard.press("ArrowRight")
    expect(dialog).not_to_have_attribute("aria-label", first)
    page.keyboard.press("ArrowLeft")
    expect(dialog).to_have_attribute("aria-label", first)
    page.keyboard.press("0")
    expect(dialog.get_by_role("radio", name="3 stars")).not_to_be_checked()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator(".hp-search")).to_be_focused()


def test_a_picture_is_annotated_and_that_undone_without_a_mouse(visit, served, demo_gallery):
    with Gallery(demo_gallery, read_only=True) as gallery:
        before = len(gallery.history(gallery.search("robot fern").items[0].id))
    page = visit.go(served)
    keys = page.keyboard
    keys.press("/")
    keys.type("robot fern")
    found(page, 1)
    keys.press("ArrowDown")
    expect(page.locator(".hp-tile")).to_be_focused()
    keys.press("t")
    dialog = page.locator("dialog.hp-lightbox").first
    expect(dialog.get_by_label("Add a tag")).to_be_focused()
    keys.type("gardening")
    keys.press("Enter")
    expect(dialog.locator(".hp-chip", has_text="gardening")).to_be_visible()
    keys.press("Escape")
    keys.press("n")
    expect(dialog.get_by_label("Note", exact=True)).to_be_focused()
    keys.type("print this")
    keys.press("Escape")
    expect(dialog.locator(".hp-status")).to_have_text("Saved")
    keys.press("u")
    expect(dialog.get_by_label("Note", exact=True)).to_have_value("")
    keys.press("u")
    expect(dialog.locator(".hp-chip", has_text="gardening")).to_have_count(0)
    dialog.locator("summary").click()
    expect(dialog.locator(".hp-history li")).to_have_count(before + 4)
    keys.press("Escape")
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    keys.press("Escape")
    assert visit.wrong == []


def test_many_are_changed_at_once_and_one_press_undoes_it(visit, served):
    page = visit.go(served)
    search(page, "kind:photo")
    found(page, 10)
    tiles = page.locator(".hp-tile")
    tiles.nth(0).click(modifiers=["Control"])
    tiles.nth(2).click(modifiers=["Shift"])
    bulk = page.locator(".hp-bulk")
    expect(bulk).to_contain_text("3 selected")
    bulk.get_by_label("Add a tag").fill("trio")
    page.keyboard.press("Enter")
    expect(page.locator(".hp-toast")).to_contain_text("3 pictures changed")
    expect(page.locator(".hp-facet", has_text="trio")).to_contain_text("3")
    tiles.first.focus()
    page.keyboard.press("Control+a")
    expect(bulk).to_contain_text("10 selected")
    bulk.get_by_label("Collection").fill("all ten")
    page.keyboard.press("Enter")
    expect(page.locator(".hp-toast")).to_contain_text("10 pictures changed")
    page.locator(".hp-toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".hp-toast")).to_contain_text("Undone")
    search(page, 'collection:"all ten"')
    expect(page.locator(".hp-nothing")).to_be_visible()
    search(page, "tag:trio")
    found(page, 3)
    page.locator(".hp-tile").first.focus()
    page.keyboard.press("Delete")
    found(page, 2)
    page.keyboard.press("Control+z")
    found(page, 3)
    page.keyboard.press("Control+z")
    expect(page.locator(".hp-nothing")).to_be_visible()


def test_a_search_is_kept_by_its_name(visit, served):
    page = visit.go(served)
    search(page, "kind:photo")
    found(page, 10)
    page.get_by_role("button", name="Save this search").click()
    page.get_by_label("Name of the search").fill("My photos")
    page.keyboard.press("Enter")
    saved = page.locator(".hp-savedrow", has_text="My photos")
    expect(saved).to_be_visible()
    search(page, "wizard")
    found(page, 2)
    saved.locator(".hp-facet").click()
    found(page, 10)
    saved.get_by_role("button", name="Forget").click()
    expect(saved).to_have_count(0)


def test_pictures_are_compared_side_by_side_and_move_together(visit, served):
    page = visit.go(served)
    for at in (0, 1, 2):
        page.locator(".hp-tile").nth(at).click(modifiers=["Control"])
    page.locator(".hp-bulk").get_by_role("button", name="Compare").click()
    compare = page.get_by_role("dialog", name="Compare pictures")
    expect(compare.locator("figure")).to_have_count(3)
    compare.get_by_role("button", name="Zoom in").click()
    moved = compare.locator("img").evaluate_all("(all) => all.map((i) => i.style.transform)")
    assert len(set(moved)) == 1
    assert "scale(1.5)" in moved[0]


def test_an_edit_is_laid_over_what_it_was_made_from(visit, served):
    page = visit.go(served)
    search(page, "kind:edit")
    found(page, 1)
    page.locator(".hp-tile").click()
    dialog = page.locator("dialog.hp-lightbox").first
    expect(dialog).to_contain_text("Made from")
    expect(dialog).to_contain_text("the line cost")
    dialog.get_by_role("button", name="Compare with the picture it was made from").click()
    before = dialog.get_by_alt_text("Before the edit")
    expect(before).to_have_js_property("complete", True)
    slider = dialog.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert "100%" not in before.evaluate("(i) => getComputedStyle(i).clipPath")
    page.keyboard.press("Home")
    assert "100%" in before.evaluate("(i) => getComputedStyle(i).clipPath")


def test_the_money_is_shown_as_bars_and_as_a_table(visit, served):
    page = visit.go(served)
    page.get_by_role("button", name="Spending").click()
    view = page.locator(".hp-spendview")
    expect(view).to_contain_text("samples that cost nothing")
    view.get_by_role("button", name="Model").click()
    expect(view.locator(".hp-bars")).to_contain_text("gpt-image-2")
    view.get_by_label("Show as a table").check()
    expect(view.get_by_role("row", name="gpt-5.4-nano")).to_contain_text("20")
    page.get_by_role("button", name="Spending").click()
    expect(page.locator(".hp-tile").first).to_be_visible()


def test_axe_finds_nothing_serious(chromium, served, audit, sight):
    width, scheme = sight
    size = {"width": width, "height": 900}
    with visiting(chromium, viewport=size, color_scheme=scheme) as visit:
        page = visit.go(served)
        page.wait_for_function("document.querySelector('.hp-gallery').dataset.total === '28'")
        findings = {"wall": audit(page, ".hp")}
        page.locator(".hp-tile").first.click(modifiers=["Control"])
        findings["many"] = audit(page, ".hp")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Spending").click()
        expect(page.locator(".hp-bars")).to_be_visible()
        findings["spending"] = audit(page, ".hp")
        page.get_by_role("button", name="Spending").click()
        page.locator(".hp-tile").first.click()
        expect(page.locator("dialog img.hp-full:not(.hp-coming)")).to_be_visible()
        findings["lightbox"] = audit(page, ".hp")
        assert {where: what for where, what in findings.items() if what} == {}


def test_every_control_has_a_name_and_every_picture_words(visit, served):
    page = visit.go(served)
    open_wizard(page)
    nameless = page.evaluate(
        """[...document.querySelectorAll('.hp button, .hp input, .hp select, .hp textarea')].filter(
            (e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)
        ).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("dialog img.hp-full").get_attribute("alt")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast_in_both_themes(chromium, served, scheme):
    with visiting(chromium, color_scheme=scheme) as visit:
        page = visit.go(served)
        back, fore, grey = page.evaluate(COLOURS)
        assert (sum(back[:3]) < 380) == (scheme == "dark")
        assert contrast(back, fore) >= 7
        assert contrast(back, grey) >= 4.5


def contrast(one, other):
    def light(colour):
        parts = [c / 255 for c in colour[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_page_does_not_scroll_sideways(chromium, served, width):
    size = {"width": width, "height": 740}
    with visiting(chromium, viewport=size, has_touch=True, is_mobile=True) as visit:
        page = visit.go(served)
        wide = """Math.max(document.documentElement.scrollWidth,
            document.querySelector('#rendered_cells').scrollWidth)"""
        assert page.evaluate(wide) <= width
        page.locator(".hp-filters").click()
        expect(page.locator(".hp-facet").first).to_be_visible()
        assert page.evaluate(wide) <= width
        page.get_by_role("button", name="Show the pictures").click()
        expect(page.locator(".hp-facet").first).to_be_hidden()
        page.locator(".hp-tile").first.click()
        expect(page.locator("dialog .hp-panel")).to_be_visible()
        assert page.evaluate("document.querySelector('.hp-sheet').scrollWidth") <= width


def test_an_empty_gallery_teaches_how_to_make_the_first_picture(chromium, environ, tmp_path):
    with serve.voila(tmp_path / "new", 0, environ=environ) as (url, _), visiting(chromium) as visit:
        visit.page.goto(url)
        expect(visit.page.locator(".hp-nothing")).to_contain_text(
            "playground generate", timeout=60_000
        )
        assert visit.wrong == []
