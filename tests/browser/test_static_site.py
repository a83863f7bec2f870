"""The static site in Chromium, from a disk: found, looked at, linked to, read by everybody."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from playground.publish import FIELDS, Selection, Snapshot, publish
from playground.publish import site as static
from playground.store import Gallery


@pytest.fixture(scope="module")
def site(tmp_path_factory, demo_gallery):
    """The sample gallery, published with everything."""
    folder = tmp_path_factory.mktemp("site") / "snapshot"
    with Gallery(demo_gallery) as gallery:
        return publish(gallery, Selection(everything=True), FIELDS, folder, title="Samples")


@pytest.fixture
def open_page(chromium):
    """Opens an address; what the page requests, logs and throws is kept on it."""
    contexts = []

    def opened(url, **how):
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **how})
        contexts.append(context)
        page = context.new_page()
        page.foreign, page.trouble = [], []
        page.on("request", lambda r: page.foreign.append(r.url) if _foreign(r.url) else None)
        page.on("pageerror", lambda error: page.trouble.append(str(error)))
        page.on(
            "console",
            lambda m: page.trouble.append(m.text) if m.type in {"error", "warning"} else None,
        )
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()


def _foreign(url):
    return not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:"))


def ready(page):
    expect(page.locator(".pub-wall.pub-laid li").first).to_be_visible()
    return page


@pytest.fixture
def page(open_page, site):
    found = ready(open_page(site.index.as_uri()))
    yield found
    assert found.trouble == []
    assert found.foreign == []


def labels(page):
    """The names of all tiles, in their order, as the page itself has them."""
    return page.locator(".pub-tile img").evaluate_all("all => all.map((img) => img.alt)")


def with_axe(page, axe):
    # The policy forbids scripts that are not the site's own, so the check comes in past it.
    page.add_init_script(axe)
    page.reload()
    return ready(page)


def test_it_shows_all_pictures_with_search_and_counts_from_a_disk(page):
    expect(page.locator(".pub-count")).to_have_text("28 pictures")
    page.keyboard.press("/")
    page.keyboard.type("wizard")
    expect(page.locator(".pub-count")).to_have_text("2 of 28 pictures")
    expect(page.locator(".pub-tile")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator(".pub-count")).to_have_text("28 pictures")
    page.locator('.hp-facet[data-facet="kind"][data-value="photo"]').click()
    expect(page.locator(".pub-count")).to_have_text("10 of 28 pictures")
    assert "kind=photo" in page.url
    page.get_by_role("button", name="Remove the filter Photographs").click()
    expect(page.locator(".pub-count")).to_have_text("28 pictures")
    page.locator(".pub-sort").select_option("largest")
    expect(page.locator(".pub-tile").first).to_have_attribute("href", re.compile("item/"))
    assert "coast" in labels(page)[0]


SEARCHES = [
    "wizard", "WIZ", "fox blue", "-wizard", '"paper boat"', '"boat paper"', "tag:sea",
    "tag:SEA -boat", "rating:>=4", "rating:5", "cost:<0.005", "size:>1mp", "kind:edit",
    "model:mini", "shape:panorama", "café", "a", '* : ( ) "', "nothinglikethis", "tag:",
    "lantern bridge market", "-tag:wide size:>1.5mp",
]  # fmt: skip


def test_the_site_finds_what_the_snapshots_database_finds(page, site):
    with Snapshot(site.folder) as snapshot:
        for text in SEARCHES:
            expected = snapshot.reader.find(text)
            page.locator(".hp-search").fill(text)
            page.locator(".hp-search").press("Enter")
            number = expected.total
            of = f"{number} of 28 pictures" if text.strip() else "28 pictures"
            expect(page.locator(".pub-count"), text).to_have_text(of)
            if number:
                first = page.locator(".pub-tile").first
                expect(first, text).to_have_attribute("data-id", expected.entries[0].id)


def test_one_picture_is_looked_at_by_keyboard_alone(page):
    tile = page.locator(".pub-tile").first
    tile.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    box = page.locator(".pub-lightbox")
    expect(box).to_be_visible()
    shown = page.url
    assert "#/item/" in shown
    page.keyboard.press("ArrowRight")
    # By its address: two of the samples have the same title.
    expect(page).not_to_have_url(shown)
    expect(page).to_have_url(re.compile("#/item/"))
    page.keyboard.press("+")
    expect(page.locator(".pub-stage.pub-zoomed")).to_have_count(1)
    page.keyboard.press("0")
    expect(page.locator(".pub-stage.pub-zoomed")).to_have_count(0)
    page.keyboard.press("i")
    expect(box.locator(".pub-panel")).to_be_hidden()
    page.keyboard.press("i")
    page.keyboard.press("?")
    expect(box.get_by_text("before and after")).to_be_visible()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    assert "#/item/" not in page.url
    assert page.evaluate("document.activeElement.classList.contains('pub-tile')")


def test_a_link_leads_to_an_item_a_search_and_a_theme(open_page, site):
    with Snapshot(site.folder) as snapshot:
        fox = snapshot.reader.find("fox flax").entries[0]
    page = ready(open_page(f"{site.index.as_uri()}#/item/{fox.id}?q=fox&theme=dark"))
    expect(page.locator(".pub-lightbox h2")).to_contain_text("fox")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator(".hp-search")).to_have_value("fox")
    expect(page.locator(".pub-count")).to_have_text("1 of 28 pictures")
    page.goto(f"{site.index.as_uri()}#/item/0000000000000000")
    expect(page.get_by_text("not here (any more)")).to_be_visible()


def test_a_panorama_is_seen_from_inside_also_from_a_disk(open_page, site):
    with Snapshot(site.folder) as snapshot:
        canyon = snapshot.reader.find("shape:panorama").entries[0]
    page = ready(open_page(f"{site.index.as_uri()}#/item/{canyon.id}"))
    around = page.get_by_role("button", name="360°")
    expect(around).to_be_visible()
    around.click()
    canvas = page.locator("canvas.pub-sphere")
    if page.evaluate("!document.createElement('canvas').getContext('webgl')"):
        expect(page.get_by_text("360° needs WebGL")).to_be_visible()
        return
    expect(canvas).to_be_visible()
    before = canvas.screenshot()
    page.keyboard.press("ArrowRight")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert canvas.screenshot() != before
    page.keyboard.press("p")
    expect(canvas).to_have_count(0)


def test_an_edit_is_compared_with_what_it_was_made_from(open_page, site):
    with Snapshot(site.folder) as snapshot:
        edit = snapshot.reader.find("kind:edit").entries[0]
    page = ready(open_page(f"{site.index.as_uri()}#/item/{edit.id}"))
    page.get_by_role("button", name="Before / after").click()
    slider = page.get_by_role("slider")
    expect(slider).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".pub-before")).to_have_css("clip-path", "inset(0px 0% 0px 0px)")
    page.keyboard.press("Escape")


def test_every_page_can_be_read_without_javascript(open_page, site):
    page = open_page(site.index.as_uri(), java_script_enabled=False)
    expect(page.locator(".pub-tile img")).to_have_count(28)
    expect(page.locator(".pub-tools")).to_be_hidden()
    boxes = [tile.bounding_box() for tile in page.locator(".pub-tile").all()[:4]]
    assert len({round(box["height"]) for box in boxes if box["y"] == boxes[0]["y"]}) == 1
    page.locator(".pub-tile").nth(3).click()
    expect(page.locator("h1")).not_to_be_empty()
    expect(page.locator("figure img")).to_be_visible()
    before = page.url
    page.get_by_role("link", name="Next →").click()
    assert page.url != before


def test_tiles_stay_where_they_are_when_the_script_comes(open_page, site):
    plain = open_page("about:blank")
    plain.route("**/*.js", lambda route: route.abort())
    plain.goto(site.index.as_uri())
    live = ready(open_page(site.index.as_uri()))
    shape = """all => all.slice(0, 12).map((tile) => {
        const box = tile.getBoundingClientRect();
        return [box.x, box.y, box.width, box.height].map(Math.round);
    })"""
    before = plain.locator(".pub-tile").evaluate_all(shape)
    assert live.locator(".pub-tile").evaluate_all(shape) == before


def test_only_the_tiles_in_sight_are_in_the_page(open_page, tmp_path, site):
    # A thousand entries of the same few pictures: the wall does not know the difference.
    folder = tmp_path / "many"
    grown = grow(site, folder, 1200)
    page = ready(open_page((grown / "index.html").as_uri()))
    expect(page.locator(".pub-count")).to_have_text("1,200 pictures")
    tiles = page.locator(".pub-tile")
    assert tiles.count() < 120
    page.locator(".pub-tile").first.focus()
    page.keyboard.press("End")
    expect(page.locator('.pub-tile[data-at="1199"]')).to_be_focused()
    assert tiles.count() < 200
    page.locator(".hp-search").fill('"copy77"')
    expect(page.locator(".pub-count")).to_have_text("1 of 1,200 pictures")


def grow(site, folder, count):
    """The site of `count` entries, which share the pictures of the few that there are."""
    (folder / "pictures").mkdir(parents=True)
    with Snapshot(site.folder) as snapshot:
        entries = list(snapshot.reader.entries())
        files = snapshot.files_of([entry.id for entry in entries])
    many, of = [], {}
    for n in range(count):
        entry = entries[n % len(entries)]
        name = "".join("0123456789abcdefghjkmnpqrstvwxyz"[n >> 5 * k & 31] for k in range(16))
        many.append(replace(entry, id=name, parent=None, prompt=f"{entry.prompt} copy{n}"))
        of[name] = [replace(f, name=f.name.replace(entry.id, name)) for f in files[entry.id]]
        for file, copy in zip(files[entry.id], of[name], strict=True):
            (folder / "pictures" / copy.name).symlink_to(site.site / "pictures" / file.name)
    day = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    static.write(folder, many, of, title="Many", base_url="", fields=FIELDS, published=day)
    return folder


def test_axe_finds_nothing_serious(open_page, site, axe, audit, sight):
    width, scheme = sight
    size = {"width": width, "height": 800}
    page = with_axe(open_page(site.index.as_uri(), color_scheme=scheme, viewport=size), axe)
    assert audit(page) == []
    if width == 360:
        page.locator(".pub-filters").click()
        assert audit(page) == []
    page.locator(".pub-tile").first.click()
    expect(page.locator(".pub-panel dl")).to_be_visible()
    assert audit(page) == []
    page.goto(next((site.site / "item").iterdir()).as_uri())
    assert audit(page) == []


def test_a_narrow_page_does_not_scroll_sideways(open_page, site):
    page = ready(open_page(site.index.as_uri(), viewport={"width": 360, "height": 740}))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(".pub-tile").first.click()
    expect(page.locator(".pub-panel")).to_be_visible()
    assert page.evaluate("document.querySelector('.pub-sheet').scrollWidth") <= 360
