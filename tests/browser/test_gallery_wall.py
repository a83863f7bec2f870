"""The wall with ten thousand pictures, a panorama all around, and a file that is gone."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image
from playwright.sync_api import expect

from playground import photos, serve
from playground.demo import PHOTOS
from playground.store import Gallery
from playground.store.imported import Imported
from playground.values import Photo

MANY = 10_000
FILLED = """() => {
    const items = [...document.querySelectorAll('.hp-grid li')];
    return items.length > 5 && items.every((one) => one.querySelector('img')?.naturalWidth > 0);
}"""
SCROLL = """([step, times]) => new Promise((done) => {
    const wall = document.querySelector('.hp-gallery');
    let most = 0;
    const go = () => {
        most = Math.max(most, document.querySelectorAll('.hp-grid *').length);
        times -= 1;
        if (times < 0) return done(most);
        wall.scrollTop += step;
        requestAnimationFrame(go);
    };
    go();
})"""
COLOUR = """(canvas) => {
    const flat = document.createElement('canvas');
    flat.width = flat.height = 1;
    const brush = flat.getContext('2d');
    brush.drawImage(canvas, canvas.width / 2, canvas.height / 2, 1, 1, 0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => Math.round(c / 128));
}"""


def panorama() -> bytes:
    """Twice as wide as high, with a colour for each quarter of the horizon."""
    picture = Image.new("RGB", (512, 256))
    for quarter, colour in enumerate(("red", "lime", "blue", "yellow")):
        picture.paste(colour, (128 * quarter, 0, 128 * quarter + 128, 256))
    kept = io.BytesIO()
    picture.save(kept, "PNG")
    return kept.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A gallery of ten thousand pictures from eleven files; the file of one is gone."""
    place = tmp_path_factory.mktemp("wall") / "gallery"
    dice = random.Random(4)
    with Gallery(place) as gallery:
        kept = []
        for data in [*(path.read_bytes() for path in sorted(PHOTOS.glob("*.jpg"))), panorama()]:
            format_, size = photos.sniff(data)
            photo = Photo(
                size.width_px, size.height_px, format_, len(data), gallery.store_file(data, format_)
            )
            kept.append((photo, photos.thumbnail(data)))
        gone = Photo(640, 480, "jpeg", 9, "ab" * 32)
        batch = [Imported(gone, name="gone.jpg")]
        for number in range(1, MANY):
            photo, small = kept[number % len(kept)]
            batch.append(
                Imported(
                    photo,
                    name=f"{number}.jpg",
                    title=f"Picture number {number}",
                    rating=dice.randrange(6),
                    tags=("even",) if number % 2 == 0 else (),
                    thumbnail=small if number <= len(kept) else None,
                )
            )
        gallery.add_many(batch)
    return place


@pytest.fixture(scope="module")
def address(folder, environ):
    with serve.voila(folder, 0, environ=environ) as (url, _):
        yield url


@pytest.fixture
def page(chromium, address):
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    expect(page.locator(".hp-gallery")).to_have_attribute("data-total", str(MANY), timeout=60_000)
    yield page
    context.close()
    assert wrong == []


def test_ten_thousand_pictures_are_scrolled_with_few_elements(page):
    assert page.evaluate(SCROLL, [300, 150]) < 1500
    assert page.locator(".hp-tile").count() < 150
    page.wait_for_function(FILLED)
    place = int(page.locator(".hp-grid li").first.get_attribute("data-place"))
    assert place > 500
    blobs = page.evaluate(
        "new Set([...document.querySelectorAll('.hp-tile img')].map(i => i.src)).size"
    )
    assert blobs == page.locator(".hp-tile img").count()


def test_the_scroll_bar_and_the_keys_reach_any_place(page):
    page.locator(".hp-gallery").evaluate("(wall) => { wall.scrollTop = wall.scrollHeight * 0.7; }")
    page.wait_for_function("document.querySelector('.hp-grid li').dataset.place > 6000")
    page.wait_for_function(FILLED)
    page.locator(".hp-tile").nth(10).focus()
    page.keyboard.press("End")
    last = page.locator(f'.hp-grid li[data-place="{MANY - 1}"] .hp-tile')
    expect(last).to_be_focused()
    expect(last).to_be_in_viewport()
    expect(last).to_have_attribute(
        "aria-label", f"gone.jpg. photograph, 640x480, file missing, {MANY:,} of {MANY:,}"
    )
    page.keyboard.press("Home")
    first = page.locator('.hp-grid li[data-place="0"] .hp-tile')
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.hp-lightbox").first
    expect(dialog).to_contain_text(f"1 of {MANY:,}")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text(f"2 of {MANY:,}")


def test_all_of_a_search_is_changed_at_once(page, folder):
    page.locator(".hp-search").fill("tag:even rating:5")
    expect(page.locator(".hp-gallery")).not_to_have_attribute("data-total", str(MANY))
    total = int(page.locator(".hp-gallery").get_attribute("data-total"))
    page.locator(".hp-tile").first.focus()
    page.keyboard.press("Control+a")
    page.get_by_label("Collection", exact=True).fill("best")
    page.keyboard.press("Enter")
    expect(page.locator(".hp-toast")).to_contain_text(f"{total:,} pictures changed")
    with Gallery(folder) as gallery:
        assert gallery.search("collection:best", limit=1).total == total > 500


def test_an_answer_to_an_older_question_is_not_shown(page):
    for text in ("number 1*", "number 12*", "number 123*", '"number 1234"'):
        page.locator(".hp-search").fill(text)
        page.locator(".hp-search").press("Shift")
    expect(page.locator(".hp-gallery")).to_have_attribute("data-total", "1")
    expect(page.locator(".hp-tile")).to_have_count(1)


def test_a_panorama_is_looked_around_in(page):
    page.locator(".hp-search").fill("is:panorama")
    expect(page.locator(".hp-gallery")).to_have_attribute("data-total", str(MANY // 11))
    page.locator(".hp-tile").first.click()
    expect(page.locator("dialog img.hp-full:not(.hp-coming)")).to_be_visible()
    page.get_by_role("button", name="Look around").click()
    sphere = page.locator("canvas.hp-sphere")
    expect(sphere).to_be_focused()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    ahead = sphere.evaluate(COLOUR)
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert sphere.evaluate(COLOUR) != ahead
    page.get_by_role("button", name="Look around").click()
    expect(sphere).to_have_count(0)


def test_a_picture_whose_file_is_gone_says_so_and_keeps_its_place(page):
    page.locator(".hp-search").fill("gone")
    tile = page.locator(".hp-tile")
    expect(tile).to_have_count(1)
    expect(tile).to_contain_text("file missing")
    tile.click()
    expect(page.locator(".hp-lost")).to_contain_text("The file of this picture is missing")
