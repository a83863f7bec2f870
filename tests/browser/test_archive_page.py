"""The archive page as people meet it: plan, try, run, close the tab, come back, find the words."""

from __future__ import annotations

import os
import signal
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from playground import serve
from playground.demo import PHOTOS
from playground.jobs import Desk
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.store import Gallery

HOSTILE = "<img src=x onerror=window.__x=1>{{1+1}}.jpg"
NAMELESS = """[...document.querySelectorAll('.hp button, .hp input, .hp select, .hp textarea')]
    .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
    .map((e) => e.outerHTML)"""
PHOTO_COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixty photographs, two of them alike, one with a hostile name, and one that is none."""
    place = tmp_path_factory.mktemp("archive") / "photos"
    place.mkdir()
    samples = sorted(PHOTOS.glob("*.jpg"))
    for number in range(PHOTO_COUNT):
        with Image.open(samples[number % len(samples)]) as image:
            width, height = image.size
            if number == 10:
                changed = image.resize((width // 2, height // 2))
            else:
                # Every corner is another photo.
                left, top = number * 5 % (width // 3), number * 7 % (height // 3)
                changed = image.crop((left, top, left + width * 2 // 3, top + height * 2 // 3))
                changed = changed if number >= 10 else image.copy()
            name = HOSTILE if number == 59 else f"photo {number:02}.jpg"
            changed.convert("RGB").save(place / name, "JPEG", quality=80)
    (place / "notes.jpg").write_bytes(b"not a picture")
    return place


@pytest.fixture(scope="module")
def provider(request):
    """An embedded provider behind a socket, with a limit that makes sixty photos take a while."""
    with OfflineServer(OfflineApp(latency_ms=50, rpm=getattr(request, "param", 300))) as server:
        yield server


@pytest.fixture
def place(tmp_path):
    yield tmp_path / "gallery"
    # Workers outlive their page by design; here they would wait for a while for nothing.
    desk = Desk(tmp_path / "gallery")
    for job_id in desk.ids():
        desk.tell(job_id, {"do": "close"})


@pytest.fixture
def inside(environ, provider):
    kept = {name: value for name, value in environ.items() if name != "PLAYGROUND_PROVIDER"}
    return {**kept, "OPENAI_BASE_URL": provider.base_url}


@pytest.fixture
def address(place, inside):
    with serve.voila(place, 0, pages="all", environ=inside, preheat=False) as (url, _):
        yield url.replace("gallery.ipynb", "3_archive.ipynb")


@pytest.fixture
def open_page(chromium, address):
    contexts = []

    def opened(**options):
        context = chromium.new_context(
            # Without motion: axe would measure a colour on its way to that of the other theme.
            **{"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce", **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.asked, page.wrong = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("console", lambda message: _noted(page, message))
        page.on("dialog", lambda dialog: (page.wrong.append("dialog"), dialog.dismiss()))
        page.goto(address)
        page.wait_for_selector(".hp[data-stage]", timeout=90_000)
        return page

    yield opened
    for context in contexts:
        context.close()


def _noted(page, message):
    """Errors, but for what Voilà's farewell to a page that is left is answered."""
    leaving = "/api/shutdown/" in message.location.get("url", "")
    if message.type == "error" and not leaving:
        page.wrong.append(message.text)


def at(page, stage):
    page.wait_for_selector(f".hp[data-stage={stage}]", timeout=90_000)


def plan(page, folder):
    page.get_by_role("textbox", name="Folder on the machine").fill(str(folder))
    page.get_by_role("button", name="Look at the photos").click()
    at(page, "planned")


def go(page):
    return page.locator(".ap-pay .ap-go").first


def worker(place):
    desk = Desk(place)
    return desk.seen(desk.ids()[0]).status["owner"]["pid"]


def test_an_archive_from_the_folder_to_the_gallery_with_the_tab_closed_in_between(
    open_page, folder, place, address
):
    page = open_page()
    expect(page.locator(".ap-empty")).to_be_visible()
    plan(page, folder)
    expect(page.locator(".ap-tile", has_text="Photos").first).to_contain_text(str(PHOTO_COUNT))
    expect(go(page)).to_contain_text(f"Caption {PHOTO_COUNT} photos · $0.0")
    expect(page.locator(".ap-groups .ap-photo img")).to_have_count(2)
    page.get_by_role("checkbox", name="Ask once per group").check()
    expect(go(page)).to_contain_text(f"Caption {PHOTO_COUNT - 1} photos · $0.0")
    page.get_by_role("button", name="Ask about photo 10.jpg anyway").click()
    expect(go(page)).to_contain_text(f"Caption {PHOTO_COUNT} photos · $0.0")
    page.get_by_role("spinbutton", name="How many photos to try").fill("8")
    page.get_by_role("button", name="Try 8 first").click()
    expect(page.get_by_text("What all of it will cost")).to_be_visible(timeout=60_000)
    expect(page.locator(".ap-card")).to_have_count(8)
    expect(go(page)).to_contain_text(f"Caption the other {PHOTO_COUNT - 8} photos · $0.0")
    page.get_by_role("textbox", name="Cap for this run").fill("0.5")
    go(page).click()
    at(page, "running")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector(".hp[data-phase=paused]")
    page.close()
    # The kernel of a closed page goes; the run does not.
    page = open_page(viewport={"width": 360, "height": 760})
    page.wait_for_selector(".hp[data-phase=paused]", timeout=90_000)
    expect(page.locator(".ap-live")).to_contain_text("of $0.50 at most")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector(".hp[data-phase=running]")
    page.wait_for_function("document.querySelector('.ap-room progress').value > 3")
    os.kill(worker(place), signal.SIGKILL)
    at(page, "lost")
    expect(page.locator(".ap-headline")).to_contain_text("nothing is asked twice")
    page.get_by_role("button", name="Go on where it was").click()
    at(page, "ended")
    expect(page.locator(".ap-tile", has_text="Captions")).to_contain_text(str(PHOTO_COUNT))
    page.get_by_role("searchbox", name="Search the captions").fill("picture")
    expect(page.locator(".ap-found .ap-card").first).to_be_visible()
    expect(page.locator(".ap-found .ap-card img").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("window.__x") is None
    assert page.wrong == []
    origin = urlsplit(address).netloc
    places = {urlsplit(u).netloc for u in page.asked if urlsplit(u).scheme in {"http", "https"}}
    assert places == {origin}
    with Gallery(place) as gallery:
        assert gallery.search().total == PHOTO_COUNT
    page.get_by_role("link", name="Open the gallery").click()
    expect(page.locator(".hp-grid .hp-tile").first).to_be_visible(timeout=90_000)


# So slow that the run does not end while it is looked at.
@pytest.mark.parametrize("provider", [40], indirect=True)
def test_every_state_of_the_page_is_accessible(open_page, folder, audit):
    page = open_page()

    def serious(page):
        return audit(page, sight=(1440, "light")) + audit(page, sight=(360, "dark"))

    found = {"empty": serious(page)}
    plan(page, folder)
    page.get_by_role("checkbox", name="Ask once per group").check()
    expect(page.locator(".ap-left-out").first).to_be_visible()
    found["planned"] = serious(page)
    assert page.evaluate(NAMELESS) == []
    go(page).click()
    at(page, "running")
    expect(page.locator(".ap-card img").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector(".hp[data-phase=paused]")
    found["paused"] = serious(page)
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector(".hp[data-phase=running]")
    found["running"] = serious(page)
    page.get_by_role("button", name="Cancel").click()
    at(page, "ended")
    expect(page.locator(".ap-headline")).to_contain_text("Stopped: it was cancelled")
    found["ended"] = serious(page)
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert page.wrong == []
