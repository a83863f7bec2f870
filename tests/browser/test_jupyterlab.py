"""The same page in JupyterLab, where keys belong to the notebook unless they are kept from it."""

from __future__ import annotations

import json
import re
import shutil
import time

import pytest
from playwright.sync_api import expect

from playground import serve

RUN_SECONDS = 90
INSIDE = """(() => {
    const tall = document.querySelector('.hp-gallery').offsetHeight;
    const panel = document.querySelector('.jp-WindowedPanel-outer').clientHeight;
    return tall < panel && tall > panel - 60;
})()"""


@pytest.fixture
def notebook(tmp_path):
    """A copy of the notebooks: JupyterLab saves what it runs."""
    folder = tmp_path / "notebooks"
    shutil.copytree(serve.notebooks_folder(), folder)
    return folder / "gallery.ipynb"


def run_until_shown(page):
    """Run the cell until the page shows; a run right after the kernel's start may be dropped."""
    tile = page.locator(".jp-OutputArea .hp-tile").first
    prompt = page.locator(".jp-InputPrompt").first
    deadline = time.monotonic() + RUN_SECONDS
    while not tile.is_visible():
        assert time.monotonic() < deadline, f"the cell did not run: {prompt.inner_text()}"
        if re.fullmatch(r"\[\s*\]:", prompt.inner_text().strip()):
            page.locator(".jp-Cell .cm-content").first.click()
            page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1000)
    return tile


def test_the_page_works_in_jupyterlab_and_its_keys_do_not_reach_the_notebook(
    accepting, chromium, notebook, environ, demo_gallery, tmp_path
):
    jupyter = {
        name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    }
    inside = {**environ, **jupyter, "PLAYGROUND_GALLERY": str(demo_gallery)}
    with serve.jupyterlab(0, notebooks=notebook.parent, environ=inside) as (url, _):
        context = chromium.new_context(viewport={"width": 1400, "height": 900})
        page = context.new_page()
        accepting(page)
        page.goto(url.replace("/lab?", "/lab/tree/gallery.ipynb?"))
        expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=60_000)
        tile = run_until_shown(page)
        page.wait_for_function(
            "[...document.querySelectorAll('.hp-tile img')].every((i) => i.naturalWidth > 0)"
        )
        # The page is never taller than the notebook's panel, however low that is.
        page.wait_for_function(INSIDE)
        page.set_viewport_size({"width": 1400, "height": 560})
        page.wait_for_function(INSIDE)
        page.set_viewport_size({"width": 1400, "height": 900})
        tile.focus()
        page.keyboard.press("2")
        expect(page.locator(".hp-tile").first.locator(".hp-stars")).to_have_attribute(
            "aria-label", "2 of 5 stars"
        )
        page.keyboard.press("0")  # twice would restart the kernel, if it reached the notebook
        page.keyboard.press("0")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator("dialog.hp-lightbox[open]")).to_be_visible()
        expect(page.locator("img.hp-full:not(.hp-coming)")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".jp-Dialog")).to_have_count(0)
        assert page.locator(".jp-Notebook .jp-CodeCell").count() == 1
        context.close()
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        assert cell["cell_type"] == "code"
