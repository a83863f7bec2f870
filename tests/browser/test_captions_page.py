"""The captions page as people meet it: photos in, two models' words side by side, one accepted."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from playground import photos, serve
from playground.demo import PHOTOS
from playground.store import Gallery

HOSTILE = (
    "<img src=x onerror=window.__x=1><script>window.__x=2</script>"
    "<svg onload=window.__x=3>{{constructor.constructor('window.__x=4')()}}"
    "<style>@import 'http:evil.example'</style>\u202egnp.exe"
)
PAYLOADS = (HOSTILE, "javascript:window.__x=5", "</textarea><img src=x onerror=window.__x=6>")
NAMELESS = """[...document.querySelectorAll('.hp button, .hp input, .hp select, .hp textarea')]
    .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
    .map((e) => e.outerHTML)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("captioned") / "gallery"


@pytest.fixture(scope="module")
def captioning(folder, environ):
    """The addresses of the captions page and the gallery page, on one gallery."""
    with serve.voila(folder, 0, pages="all", environ=environ, preheat=False) as (url, _):
        yield url.replace("gallery.ipynb", "2_captions.ipynb"), url


def _noted(page, message):
    """Errors, but for what Voilà's farewell to a page that is left is answered."""
    leaving = "/api/shutdown/" in message.location.get("url", "")
    if message.type == "error" and not leaving:
        page.wrong.append(message.text)


@pytest.fixture
def open_page(chromium, captioning):
    contexts = []

    def opened(**options):
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.asked, page.wrong = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("console", lambda message: _noted(page, message))
        page.on("dialog", lambda dialog: (page.wrong.append("dialog"), dialog.dismiss()))
        page.goto(captioning[0])
        expect(page.locator(".cp-wait")).to_have_text("Add a photo first.", timeout=90_000)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page):
    return open_page()


def add(page, *names):
    page.locator(".cp-file").set_input_files([PHOTOS / name for name in names])
    button(page).wait_for()
    for name in names:
        shot = page.locator(".cp-shot", has=page.locator(".cp-shotname", has_text=name))
        expect(shot.locator(".hp-small", has_text="kB")).to_have_count(1)


def button(page):
    return page.locator(".cp-pay .cp-go")


def caption(page, answers):
    expect(button(page)).to_be_enabled()
    button(page).click()
    expect(page.locator(".cp-accept")).to_have_count(answers, timeout=30_000)


def task(page, name):
    page.locator(".cp-chip", has_text=name).first.click()
    expect(page.get_by_role("radio", name=name)).to_be_checked()


def test_two_photos_two_models_one_accepted_and_found_in_the_gallery(page, folder, captioning):
    add(page, "cat.jpg", "coffee.jpg")
    expect(button(page)).to_contain_text("Caption 2 photos with 2 models · $0.00")
    before = button(page).inner_text()
    page.locator(".cp-lengths .cp-chip", has_text="600 words").click()
    expect(button(page)).not_to_have_text(before)
    task(page, "Alt text")
    caption(page, 4)
    words = page.get_by_role("textbox", name="What gpt-5.4-mini says about cat.jpg")
    words.fill("A tabby kitten looks past the camera")
    page.get_by_role("button", name="Use as alt text: gpt-5.4-mini about cat.jpg").click()
    expect(page.locator(".cp-accepted")).to_have_text("✓ in the gallery as alt text")
    with Gallery(folder, read_only=True) as gallery:
        (item,) = gallery.search("tabby kitten").items
        assert item.alt == "A tabby kitten looks past the camera"
        assert gallery.history(item.id)[-1].who == "gpt-5.4-mini, edited by the owner"
        assert {one.model for one in item.captions} == {"gpt-5.4-nano", "gpt-5.4-mini"}
    page.get_by_role("link", name="Gallery").click()
    expect(page.locator(".hp-search")).to_be_visible(timeout=90_000)
    page.locator(".hp-search").fill("tabby kitten")
    expect(page.locator(".hp-line .hp-chip").first).to_contain_text("tabby kitten")
    expect(page.locator(".hp-grid .hp-tile")).to_have_count(1)
    origin = urlsplit(captioning[0]).netloc
    places = {urlsplit(u).netloc for u in page.asked if urlsplit(u).scheme in {"http", "https"}}
    assert places == {origin}
    assert page.wrong == []


def test_an_accepted_answer_can_be_taken_back(page, folder):
    add(page, "rocket.jpg")
    caption(page, 2)
    page.locator(".cp-accept").first.click()
    expect(page.locator(".cp-accepted")).to_have_count(1)
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator(".cp-accepted")).to_have_count(0)
    expect(page.locator(".cp-accept")).to_have_count(2)
    with Gallery(folder, read_only=True) as gallery:
        (item,) = (one for one in gallery.search("").items if one.name == "rocket.jpg")
        assert [one.text for one in item.captions if one.model == "owner"] == [""]


def test_a_picture_of_more_than_eleven_megabytes_comes_in(page):
    data = io.BytesIO()
    Image.effect_noise((2200, 1800), 90).convert("RGB").save(data, "BMP")
    assert len(data.getvalue()) > 11_000_000
    photo = {"name": "large.bmp", "mimeType": "image/bmp", "buffer": data.getvalue()}
    page.locator(".cp-file").set_input_files([photo])
    shot = page.locator(".cp-shot", has_text="large.bmp")
    expect(shot).to_contain_text("2200 × 1800 · 11.9 MB", timeout=30_000)
    expect(button(page)).to_be_enabled()
    assert page.wrong == []


def test_files_that_are_no_pictures_are_refused_beside_their_names(page):
    half = (PHOTOS / "cat.jpg").read_bytes()[:9000]
    for name, data in (("notes.jpg", b"only words"), ("half.jpg", half)):
        file = {"name": name, "mimeType": "image/jpeg", "buffer": data}
        page.locator(".cp-file").set_input_files([file])
        expect(page.locator(".cp-shot", has_text=name).locator(".cp-problem")).to_be_visible()
    expect(button(page)).to_be_disabled()
    add(page, "cat.jpg")
    expect(button(page)).to_be_enabled()


def test_what_the_model_sees_follows_the_slider_and_the_detail(page):
    add(page, "coffee.jpg")
    expect(page.locator(".cp-sentence")).to_contain_text(
        "600 × 400 pixels in 19 × 13 = 247 patches"
    )
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".cp-sentence")).to_contain_text("64 × 43 pixels in 2 × 2 = 4 patches")
    expect(page.locator(".cp-slid")).to_have_text("64 px")
    page.keyboard.press("End")
    expect(page.locator(".cp-slid")).to_have_text("as it is")
    expect(page.locator(".cp-sentence")).to_contain_text("247 patches")
    page.get_by_text("Show as table").click()
    expect(page.locator(".cp-table tbody tr").first).to_contain_text("64 px")
    assert page.locator(".cp-grid path").count() == 2
    assert page.locator(".cp-plot svg").get_attribute("aria-label")


def test_the_gallerys_pictures_can_be_chosen_and_a_schema_error_is_said(page, folder):
    with Gallery(folder) as gallery:
        data = (PHOTOS / "dahlia.jpg").read_bytes()
        measured = photos.measure(PHOTOS / "dahlia.jpg")
        gallery.add_photo(measured, data, name="dahlia.jpg", thumbnail=photos.thumbnail(data))
    page.get_by_role("button", name="From the gallery").click()
    page.get_by_role("searchbox", name="Search the gallery").fill("dahlia")
    expect(page.locator(".hp-pick")).to_have_count(1)
    page.get_by_role("checkbox", name="dahlia.jpg").check()
    page.get_by_role("button", name="Add 1 picture").click()
    expect(page.locator(".cp-shot", has_text="dahlia.jpg")).to_contain_text("kB")
    task(page, "Attributes")
    schema = page.get_by_label("JSON schema")
    schema.fill('{"type": ')
    expect(page.locator(".cp-fields .hp-status")).to_contain_text("not JSON")
    expect(button(page)).to_be_disabled()
    page.get_by_role("button", name="Start from an example").click()
    expect(button(page)).to_be_enabled()
    caption(page, 2)
    assert '"colour"' in page.locator(".cp-answer").first.input_value()


def test_hostile_names_prompts_and_answers_are_shown_and_do_not_run(page, captioning):
    data = (PHOTOS / "gravel.jpg").read_bytes()
    for n, name in enumerate(PAYLOADS):
        file = {"name": f"{n}{name}".replace("/", "\u2215"), "mimeType": "image/jpeg"}
        page.locator(".cp-file").set_input_files([{**file, "buffer": data if n == 0 else b"no"}])
        expect(page.locator(".cp-shot")).to_have_count(n + 1)
    task(page, "My own prompt")
    page.get_by_label("Your prompt").fill(HOSTILE)
    caption(page, 2)
    answer = page.locator(".cp-answer").first
    answer.fill(HOSTILE)
    page.locator(".cp-accept").first.click()
    expect(page.locator(".cp-accepted")).to_have_count(1)
    page.get_by_text("From a folder or an address").click()
    page.get_by_role("textbox", name="Folder on the machine").fill(f"no/{HOSTILE}")
    page.keyboard.press("Enter")
    expect(page.locator(".hp-alert")).to_contain_text("is missing")
    page.get_by_role("button", name="From the gallery").click()
    expect(page.locator(".hp-pick").first).to_be_visible()
    assert page.evaluate("window.__x") is None
    page.goto(captioning[1])
    expect(page.locator(".hp-grid .hp-tile").first).to_be_visible(timeout=90_000)
    page.locator(".hp-tile").first.click()
    assert page.evaluate("window.__x") is None
    assert [url for url in page.asked if "evil" in url] == []
    assert page.wrong == []


def test_everything_can_be_reached_with_the_keyboard(page):
    page.get_by_role("button", name="Try it with two sample photos").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".cp-shot .hp-small", has_text="kB")).to_have_count(2)
    page.get_by_role("radio", name="Describe").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Alt text")).to_be_checked()
    expect(page.get_by_role("radio", name="Alt text")).to_be_focused()
    button(page).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".cp-accept")).to_have_count(4, timeout=30_000)
    page.locator(".cp-accept").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_focused()
    assert page.evaluate(NAMELESS) == []


def test_axe_finds_nothing_serious_in_both_themes(page, audit):
    assert audit(page) == []
    add(page, "cat.jpg")
    caption(page, 2)
    page.locator(".cp-accept").first.click()
    expect(page.locator(".cp-accepted")).to_have_count(1)
    task(page, "Alt text")
    page.get_by_text("Show as table").click()
    expect(page.locator(".cp-table td").first).to_be_visible()
    assert audit(page) == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.querySelector('.hp').classList.contains('hp-dark')")
    assert audit(page) == []


def test_photos_question_and_answers_come_back_after_a_reload(page):
    add(page, "cat.jpg", "coffee.jpg")
    task(page, "Alt text")
    caption(page, 4)
    words = page.locator(".cp-answer").first.input_value()
    page.get_by_role("button", name="Remove coffee.jpg").click()
    add(page, "rocket.jpg")  # uploaded, and not asked about
    expect(page.locator(".cp-shot")).to_have_count(2)
    expect(button(page)).to_be_enabled()
    page.reload()
    expect(page.locator(".cp-shot .hp-small", has_text="kB")).to_have_count(2, timeout=90_000)
    expect(page.locator(".cp-shotname").last).to_contain_text("rocket.jpg")
    expect(page.get_by_role("radio", name="Alt text")).to_be_checked()
    expect(page.locator(".cp-answer")).to_have_count(2)
    expect(page.locator(".cp-answer").first).to_have_value(words)
    expect(button(page)).to_contain_text("Caption 1 photo with 2 models")
    expect(page.locator(".cp-each")).to_contain_text("a photo")
    assert page.wrong == []


def test_a_photo_that_is_only_decoration_is_marked_so(page, folder):
    add(page, "summer-palace.jpg")
    task(page, "Alt text")
    caption(page, 2)
    page.get_by_role("button", name="It is only decoration").first.click()
    expect(page.locator(".cp-decorative")).to_contain_text("screen readers skip this photo")
    page.get_by_role("button", name="Mark as decorative").click()
    expect(page.locator(".cp-accepted")).to_contain_text("decorative, with an empty alt text")
    with Gallery(folder, read_only=True) as gallery:
        (item,) = [one for one in gallery.search("").items if one.name == "summer-palace.jpg"]
        assert (item.alt, "decorative" in item.tags) == ("", True)
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("button", name="It needs a text").click()
    expect(page.locator(".cp-decorative")).to_have_count(0)


def test_a_narrow_page_does_not_scroll_sideways(open_page):
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    expect(button(page)).to_be_in_viewport()
    add(page, "cat.jpg")
    caption(page, 2)
    wide = """Math.max(document.documentElement.scrollWidth,
        document.querySelector('#rendered_cells').scrollWidth)"""
    assert page.evaluate(wide) <= 360
    page.locator(".cp-row").last.scroll_into_view_if_needed()
    expect(page.locator(".cp-row").last).to_be_in_viewport()
    expect(button(page)).to_be_in_viewport()
