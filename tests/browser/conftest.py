"""Chromium for the tests in this folder, and a gallery page to look at."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from playground import serve
from playground.demo import make_demo

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pictures all around are drawn without a graphics card.
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
# The first has the same engine without the window, which costs a sixth of the time of a test.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
# Layout depends on the width and colours on the theme: two looks see both of each.
SIGHTS = [(1440, "light"), (360, "dark")]


def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            # A machine that others use may stall for longer than any patience. What is run again
            # is listed in the report (R): once is bad luck, twice is a bug.
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium; without one the tests are skipped, or fail where it is required."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        if os.environ.get("PLAYGROUND_REQUIRE_BROWSER") == "1":
            pytest.fail("PLAYGROUND_REQUIRE_BROWSER=1, and there is no Chromium on the PATH")
        pytest.skip("needs Chromium on the PATH")
    expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core."""
    return (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(params=SIGHTS, ids=["wide-light", "narrow-dark"])
def sight(request):
    """Width in pixels and theme under which a page is looked at."""
    return request.param


@pytest.fixture(scope="session")
def audit(axe):
    """What keeps people out of a page by axe-core, rule and first element, and what is wider than
    its window: `audit(page)`, `audit(page, ".hp")`, `audit(page, sight=(360, "dark"))`.
    """

    def found(page, where="html", *, sight=None):
        if sight is not None:
            width, scheme = sight
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(
                "dark => document.querySelector('.hp').classList.contains('hp-dark') === dark",
                arg=scheme == "dark",
            )
        if not page.evaluate("typeof axe === 'object'"):
            page.evaluate(axe)
        violations = page.evaluate("async (where) => (await axe.run(where)).violations", where)
        serious = [
            (each["id"], each["nodes"][0]["html"][:200])
            for each in violations
            if each["impact"] in {"serious", "critical"}
        ]
        wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        return serious + ([("wider than its window", wide)] if wide > window else [])

    return found


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A home folder of its own, so that no setting of the developer's takes part."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def environ(home):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PLAYGROUND_", "JUPYTER"))}
    return {**kept, "HOME": str(home), "PLAYGROUND_PROVIDER": "offline"}


_JUPYTER = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address with the token, the folder of notebooks that it opens, and
    the one with what it trusts."""

    url: str
    notebooks: Path
    data: Path

    def end_kernels(self) -> None:
        """End what was started, so that one test's kernels don't slow the next one down."""
        base, token = self.url.split("/lab?token=")
        headers = {"Authorization": f"token {token}"}
        asked = urllib.request.Request(f"{base}/api/sessions", headers=headers)
        with urllib.request.urlopen(asked) as answer:
            sessions = json.load(answer)
        for session in sessions:
            address = f"{base}/api/sessions/{session['id']}"
            urllib.request.urlopen(
                urllib.request.Request(address, headers=headers, method="DELETE")
            ).close()


@pytest.fixture(scope="session")
def lab(environ, tmp_path_factory):
    """One JupyterLab for all tests that need it: the slowest of all starts."""
    place = tmp_path_factory.mktemp("lab")
    shutil.copytree(serve.notebooks_folder(), place / "notebooks")
    kept = {k: v for k, v in environ.items() if not k.startswith(("PLAYGROUND_", "OPENAI_"))}
    jupyter = {name: str(place / name) for name in _JUPYTER}
    inside = {**kept, **jupyter, "PLAYGROUND_GALLERY": str(place / "gallery")}
    with serve.jupyterlab(0, notebooks=place / "notebooks", environ=inside) as (url, _):
        yield Lab(url, place / "notebooks", place / "JUPYTER_DATA_DIR")


@pytest.fixture(scope="session")
def accepting():
    """Makes a JupyterLab page take what Lab itself asks on a slow machine (which kernel, that one
    did not start), but not what a test may have asked for: a restart."""

    def accept(page):
        asked = page.locator("dialog.jp-Dialog").filter(has_not_text="Restart")
        page.add_locator_handler(asked, lambda dialog: dialog.locator(".jp-mod-accept").click())

    return accept


@pytest.fixture
def open_notebook(chromium, lab, accepting):
    """Opens a page's notebook in JupyterLab, in a browser of its own, and runs its cell:
    `open_notebook("gallery", ".hp-tile", PLAYGROUND_GALLERY=…)`.

    The variables are set in the notebook's kernel; `shown` is what is on the page once it ran.
    """
    with contextlib.ExitStack() as stack:

        def opened(name, shown, **variables):
            path = lab.notebooks / f"{name}.ipynb"
            page = json.loads((serve.notebooks_folder() / path.name).read_text(encoding="utf-8"))
            lines = [
                f"os.environ[{name!r}] = {str(value)!r}\n" for name, value in variables.items()
            ]
            page["cells"][0]["source"] = ["import os\n", *lines, *page["cells"][0]["source"]]
            path.write_text(json.dumps(page), encoding="utf-8")
            context = chromium.new_context(viewport={"width": 1440, "height": 900})
            stack.callback(lab.end_kernels)
            stack.callback(context.close)
            page = context.new_page()
            accepting(page)
            # A workspace of its own: Lab opens again what was open in the one it is in.
            page.goto(lab.url.replace("/lab?", f"/lab/workspaces/{name}/tree/{path.name}?"))
            run_cell(page, shown)
            return page

        yield opened


@pytest.fixture(scope="session")
def run_again():
    """Runs the cell of a notebook that was opened again: `run_again(page, shown)`."""
    return run_cell


def run_cell(page, shown):
    """Run the cell until the page shows; a run right after the kernel's start may be dropped.

    What was run is not run again, only waited for: a second run would replace the page under the
    hands of the test.
    """
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=60_000)
    prompt = page.locator(".jp-InputPrompt").first
    before, began, pressed, ran = prompt.inner_text().strip(), time.monotonic(), 0.0, False
    while not page.locator(f".jp-OutputArea {shown}").first.is_visible():
        said, now = prompt.inner_text().strip(), time.monotonic()
        assert now - began < 90, f"the cell did not run: {said}"
        ran = ran or said != before
        idle = re.fullmatch(r"\[\s*\d*\s*\]:", said)
        dropped = not ran or not re.search(r"\d", said)
        if idle and now - pressed > (3 if dropped else 20):
            page.locator(".jp-Cell .cm-content").first.click()
            page.keyboard.press("Control+Enter")
            pressed = now
        page.wait_for_timeout(100)


@pytest.fixture(scope="session")
def demo_gallery(tmp_path_factory):
    """The sample gallery of `make demo`."""
    folder = tmp_path_factory.mktemp("demo") / "gallery"
    make_demo(folder)
    return folder


@pytest.fixture(scope="session")
def served(demo_gallery, environ):
    """The address of a running page on the sample gallery."""
    with serve.voila(demo_gallery, 0, environ=environ) as (url, _):
        yield url
