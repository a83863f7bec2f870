"""The pages in JupyterLab, where keys belong to the notebook unless they are kept from it.

All in this file, and on one server: JupyterLab is slow to start.
"""

from __future__ import annotations

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from playground import serve
from playground.demo import PHOTOS
from playground.jobs import Desk
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.store import Gallery

PHOTO_COUNT = 20
INSIDE = """(() => {
    const tall = document.querySelector('.hp-gallery').offsetHeight;
    const panel = document.querySelector('.jp-WindowedPanel-outer').clientHeight;
    return tall < panel && tall > panel - 60;
})()"""


def untouched(page):
    """No key that was typed into the page reached the notebook around it."""
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    return page.locator(".jp-Notebook .jp-CodeCell").count() == 1


def growth(lab, name):
    """The bytes that the saved notebook is larger than ours."""
    ours = serve.notebooks_folder() / f"{name}.ipynb"
    return (lab.notebooks / ours.name).stat().st_size - ours.stat().st_size


def test_the_gallery_fits_its_panel_and_its_keys_do_not_reach_the_notebook(
    open_notebook, demo_gallery
):
    page = open_notebook("gallery", ".hp-tile", PLAYGROUND_GALLERY=demo_gallery)
    page.wait_for_function(
        "[...document.querySelectorAll('.hp-tile img')].every((i) => i.naturalWidth > 0)"
    )
    # The page is never taller than the notebook's panel, however low that is.
    page.wait_for_function(INSIDE)
    page.set_viewport_size({"width": 1440, "height": 560})
    page.wait_for_function(INSIDE)
    page.set_viewport_size({"width": 1440, "height": 900})
    tile = page.locator(".jp-OutputArea .hp-tile").first
    tile.focus()
    page.keyboard.press("2")
    expect(tile.locator(".hp-stars")).to_have_attribute("aria-label", "2 of 5 stars")
    page.keyboard.press("0")  # twice would restart the kernel, if it reached the notebook
    page.keyboard.press("0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("dialog.hp-lightbox[open]")).to_be_visible()
    expect(page.locator("img.hp-full:not(.hp-coming)")).to_be_visible()
    page.keyboard.press("Escape")
    assert untouched(page)


def test_the_playground_keeps_its_keys_and_comes_back_after_a_restart(open_notebook, lab, tmp_path):
    page = open_notebook("1_playground", ".hp-promptbox", PLAYGROUND_GALLERY=tmp_path / "gallery")
    box = page.get_by_label("Prompt", exact=True)
    box.click()
    page.keyboard.type("dd 00 a boat")  # shortcuts of the notebook, were it to hear them
    expect(page.locator(".hp-primary")).to_contain_text("$0.0039")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".hp-result .hp-prompt")).to_have_text("dd 00 a boat", timeout=60_000)
    assert untouched(page)
    assert page.get_by_text("official Jupyter news").count() == 0
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_text("Restart Kernel and Run All Cells").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    expect(page.locator(".hp-result")).to_have_count(0)
    expect(page.locator(".hp-result .hp-prompt")).to_have_text("dd 00 a boat", timeout=90_000)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("dd 00 a boat")
    assert growth(lab, "1_playground") < 50_000


def test_two_photos_are_captioned_and_one_text_accepted(open_notebook, lab, tmp_path):
    page = open_notebook("2_captions", ".cp-empty", PLAYGROUND_GALLERY=tmp_path / "gallery")
    page.get_by_role("button", name="Try it with two sample photos").click()
    expect(page.locator(".cp-shot .hp-small", has_text="kB")).to_have_count(2)
    go = page.locator(".cp-pay .cp-go")
    expect(go).to_be_enabled()
    go.click()
    expect(page.locator(".cp-accept")).to_have_count(4, timeout=30_000)
    page.locator(".cp-accept").first.click()
    expect(page.locator(".cp-accepted")).to_have_count(1)
    page.locator(".cp-answer").first.focus()
    page.keyboard.type("dd0")  # would delete the cell, or ask to restart, in the notebook
    assert untouched(page)
    with Gallery(tmp_path / "gallery", read_only=True) as gallery:
        assert gallery.search("").total == 2
    assert growth(lab, "2_captions") < 50_000


def test_the_lab_grades_an_exercise_and_keeps_it_beside_the_notebook(open_notebook, lab):
    page = open_notebook("4_pricing_lab", ".hp[data-shownsizes]")
    page.locator("[data-tab=exercises]").click()
    page.locator("[data-exercise=prompt]").fill("12")
    page.keyboard.press("Enter")
    expect(page.locator("[data-id=prompt]")).to_have_class(re.compile("lb-solved"))
    assert (lab.notebooks / "pricing-lab-progress.json").is_file()


@pytest.fixture
def photos(tmp_path):
    """Twenty different photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    samples = sorted(PHOTOS.glob("*.jpg"))
    for number in range(PHOTO_COUNT):
        with Image.open(samples[number % len(samples)]) as image:
            corner = 11 * (number // len(samples))
            image.crop((corner, corner, corner + 300, corner + 250)).save(folder / f"{number}.png")
    return folder


def test_a_run_over_an_archive_is_there_when_the_cell_is_run_again(
    open_notebook, run_again, photos, lab, tmp_path
):
    place = tmp_path / "gallery"
    shown = ".hp[data-stage]"
    # Two photos a second: it is paused before it ends.
    with OfflineServer(OfflineApp(latency_ms=50, rpm=120, burst_seconds=1)) as provider:
        chosen = {"PLAYGROUND_GALLERY": place, "OPENAI_BASE_URL": provider.base_url}
        page = open_notebook("3_archive", shown, **chosen)
        page.get_by_role("textbox", name="Folder on the machine").fill(str(photos))
        page.get_by_role("button", name="Look at the photos").click()
        page.wait_for_selector(".hp[data-stage=planned]")
        page.locator(".ap-pay .ap-go").first.click()
        page.get_by_role("button", name="Pause").click()
        page.wait_for_selector(".hp[data-phase=paused]", timeout=60_000)
        page.keyboard.press("Escape")
        page.reload()
        run_again(page, shown)
        page.wait_for_selector(".hp[data-phase=paused]", timeout=60_000)
        page.get_by_role("button", name="Resume").click()
        page.wait_for_selector(".hp[data-stage=ended]", timeout=60_000)
        desk = Desk(place)
        for job_id in desk.ids():  # workers outlive their page by design
            desk.tell(job_id, {"do": "close"})
    with Gallery(place, read_only=True) as gallery:
        assert gallery.search().total == PHOTO_COUNT
    assert str(photos) not in (lab.notebooks / "3_archive.ipynb").read_text(encoding="utf-8")
