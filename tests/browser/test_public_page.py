"""The public page in Chromium: warm, searched, linked to, and told when it has slept."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from playground.public import launch
from playground.publish import FIELDS, Selection, Snapshot, publish
from playground.store import Gallery


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory, demo_gallery):
    """The sample gallery, published with everything."""
    folder = tmp_path_factory.mktemp("public") / "snapshot"
    with Gallery(demo_gallery) as gallery:
        made = publish(gallery, Selection(everything=True), FIELDS, folder, title="Samples")
    return made.folder


@pytest.fixture(scope="module")
def public(snapshot, environ):
    with launch.public(snapshot, 0, visitors=6, environ=environ) as (url, _):
        yield url


@pytest.fixture
def open_page(chromium, public):
    contexts = []

    def opened(path="", **how):
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **how})
        contexts.append(context)
        page = context.new_page()
        page.foreign, page.trouble = [], []
        page.on(
            "request", lambda r: page.foreign.append(r.url) if _foreign(r.url, public) else None
        )
        page.on("pageerror", lambda error: page.trouble.append(str(error)))
        deadline = time.monotonic() + 60
        while page.goto(public + path).status == 503:
            assert time.monotonic() < deadline
        expect(page.locator(".pub-wall.pub-laid li").first).to_be_visible(timeout=30_000)
        return page

    yield opened
    for context in contexts:
        context.close()


def _foreign(url, public):
    return not url.startswith((public, "data:", f"blob:{public}", public.replace("http", "ws")))


def test_a_visitor_searches_filters_looks_and_gets_links(open_page, snapshot):
    page = open_page()
    expect(page.locator(".pub-count")).to_have_text("28 pictures")
    page.locator(".hp-search").fill("wizard")
    expect(page.locator(".pub-count")).to_have_text("2 of 28 pictures")
    page.locator(".hp-search").fill("")
    page.locator('.hp-facet[data-facet="kind"][data-value="photo"]').click()
    expect(page.locator(".pub-count")).to_have_text("10 of 28 pictures")
    page.locator(".pub-tile").first.click()
    expect(page.locator(".pub-lightbox dl")).to_be_visible()
    link = page.url
    assert re.search(r"#/item/[0-9a-z]{16}\?kind=photo$", link)
    page.keyboard.press("Escape")
    page.locator(".pub-sort").select_option("cheapest")
    with Snapshot(snapshot) as opened:
        first = opened.reader.find("", {"kind": "photo"}, sort="cheapest").entries[0]
    expect(page.locator(".pub-tile").first).to_have_attribute("data-id", first.id)
    assert page.foreign == []
    assert page.trouble == []


def test_a_link_opens_an_item_within_its_search_and_theme(open_page, snapshot):
    with Snapshot(snapshot) as opened:
        fox = opened.reader.find("fox flax").entries[0]
    page = open_page(f"#/item/{fox.id}?q=fox&theme=dark")
    expect(page.locator(".pub-lightbox h2")).to_contain_text("fox")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    # One picture: the colours go on below it.
    assert page.evaluate("document.querySelector('.hp.pub').offsetHeight >= innerHeight")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    expect(page.locator(".pub-lightbox .pub-full").first).to_have_attribute(
        "src", re.compile("site/pictures/")
    )


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (360, "light")])
def test_axe_finds_nothing_serious(open_page, audit, width, scheme):
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert audit(page) == []
    page.locator(".pub-tile").first.click()
    expect(page.locator(".pub-lightbox dl")).to_be_visible()
    assert audit(page) == []


def test_a_page_whose_kernel_is_gone_says_so_and_offers_a_way_on(open_page, public):
    page = open_page()
    page.evaluate(
        """() => {
            const { kernelId } = JSON.parse(
                document.querySelector("#jupyter-config-data").textContent);
            return fetch(`voila/api/shutdown/${kernelId}`, { method: "POST" });
        }"""
    )
    page.locator(".hp-search").fill("wizard")
    expect(page.get_by_text("This page has slept")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("link", name="static gallery").first).to_be_visible()
