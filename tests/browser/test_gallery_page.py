"""The gallery page as people meet it: in a browser, on a real gallery, through Voilà."""

from __future__ import annotations

from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from playground import photos, serve
from playground.demo import PHOTOS
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
PAYLOADS = (
    "<script>window.__x=1</script>",
    "<img src=x onerror=window.__x=2>",
    "<svg/onload=window.__x=3>",
    '"><script>window.__x=4</script>',
    "' autofocus onfocus=window.__x=5 x='",
    "javascript:window.__x=6",
    "<iframe srcdoc='<script>parent.__x=7</script>'>",
    "{{constructor.constructor('window.__x=8')()}}",
    "</textarea><img src=x onerror=window.__x=9>",
    "[click](javascript:window.__x=10)",
    "<style>@import 'http://evil.example/x.css'</style>",
    "<a href='//evil.example' onmouseover=window.__x=11>here</a>",
    "\u202egnp.exe\u202c <b>bold</b>",
    "<details open ontoggle=window.__x=12>",
    "%3Cscript%3Ewindow.__x=13%3C/script%3E",
)


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


def count(page):
    return page.locator(".hp-tile").count()


def search(page, text):
    page.locator(".hp-search").fill(text)
    expect(page.locator(".hp-line .hp-chip").first).to_contain_text(f"“{text}”")


def open_wizard(page):
    search(page, "wizard profile")
    page.locator(".hp-tile").last.click()
    expect(page.locator("dialog img.hp-full:not(.hp-coming)")).to_be_visible()
    return page.locator("dialog")


def test_pictures_are_seen_and_nothing_is_asked_from_elsewhere(visit, served):
    page = visit.go(served)
    assert count(page) >= 26
    assert page.evaluate(ALL_DECODED)
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
    everything = count(page)
    search(page, "wizard")
    assert 0 < count(page) < everything
    expect(page.locator(".hp-line .hp-chip")).to_contain_text("wizard")
    search(page, "no such words at all")
    expect(page.locator(".hp-nothing")).to_contain_text("Nothing matches")
    page.get_by_role("button", name="Show everything").click()
    expect(page.locator(".hp-tile")).to_have_count(everything)
    page.locator(".hp-facet", has_text="Photographs").click()
    expect(page.locator(".hp-tile")).to_have_count(10)


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
    expect(page.locator(".hp-tile")).to_have_count(10)
    page.locator(".hp-tile").first.click()
    dialog = page.locator("dialog")
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
    dialog.get_by_label("Note").fill("the one to print")
    expect(dialog.locator(".hp-status")).to_have_text("Saved")
    dialog.get_by_label("Title").fill("The Wizard")
    page.keyboard.press("Tab")
    expect(dialog.locator(".hp-status")).to_have_text("Saved")
    page.reload()
    expect(page.locator(".hp-tile").first).to_be_visible(timeout=60_000)
    search(page, "print keeper")
    expect(page.locator(".hp-tile")).to_have_count(1)
    page.locator(".hp-tile").click()
    dialog = page.locator("dialog")
    expect(dialog.get_by_role("radio", name="4 stars")).to_be_checked()
    expect(dialog.get_by_label("Note")).to_have_value("the one to print")
    expect(dialog.get_by_label("Title")).to_have_value("The Wizard")


def test_a_note_that_is_just_typed_is_kept_when_the_picture_is_closed(visit, served):
    page = visit.go(served)
    dialog = open_wizard(page)
    dialog.get_by_label("Alternative text").fill("A card with a wizard on it")
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
    dialog.get_by_label("Note").fill("from the page")
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
    dialog = page.locator("dialog")
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
        page.locator(".hp-filters").click()
        page.locator(".hp-tile").first.click()
        expect(page.locator("dialog .hp-panel")).to_be_visible()
        assert page.evaluate("document.querySelector('.hp-sheet').scrollWidth") <= width


def test_hostile_texts_are_shown_and_do_not_run(chromium, environ, tmp_path):
    folder = tmp_path / "hostile"
    with Gallery(folder) as gallery:
        data = (PHOTOS / "cat.jpg").read_bytes()
        measured = photos.measure(PHOTOS / "cat.jpg")
        item = gallery.add_photo(measured, data, name=PAYLOADS[1])
        everything = " ".join(PAYLOADS)
        gallery.annotate(
            item.id,
            title=PAYLOADS[0],
            note=everything,
            alt=everything,
            caption=everything,
            collection=PAYLOADS[3],
            tag=[text[:64] for text in PAYLOADS],
        )
    with serve.voila(folder, 0, environ=environ) as (url, _), visiting(chromium) as visit:
        page = visit.go(url)
        page.locator(".hp-tile").click()
        dialog = page.locator("dialog")
        expect(dialog.get_by_label("Note")).to_have_value(everything)
        expect(dialog).to_contain_text("<script>window.__x=1</script>")
        page.locator(".hp-search").evaluate("(e) => e.focus()")
        for text in PAYLOADS[:3]:
            page.keyboard.press("Escape")
            search(page, text)
        assert page.evaluate("window.__x") is None
        assert [url for url in visit.asked if "evil" in url] == []
        assert visit.wrong == []


def test_an_empty_gallery_teaches_how_to_make_the_first_picture(chromium, environ, tmp_path):
    with serve.voila(tmp_path / "new", 0, environ=environ) as (url, _), visiting(chromium) as visit:
        visit.page.goto(url)
        expect(visit.page.locator(".hp-nothing")).to_contain_text(
            "playground generate", timeout=60_000
        )
        assert visit.wrong == []
