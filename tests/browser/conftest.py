"""Chromium for the tests in this folder, and a gallery page to look at."""

from __future__ import annotations

import os
import shutil

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


def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)


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
def home(tmp_path_factory):
    """A home folder of its own, so that no setting of the developer's takes part."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def environ(home):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PLAYGROUND_", "JUPYTER"))}
    return {**kept, "HOME": str(home), "PLAYGROUND_PROVIDER": "offline"}


@pytest.fixture(scope="session")
def accepting():
    """Makes a JupyterLab page take what Lab itself asks on a slow machine (which kernel, that one
    did not start), but not what a test may have asked for: a restart."""

    def accept(page):
        asked = page.locator("dialog.jp-Dialog").filter(has_not_text="Restart")
        page.add_locator_handler(asked, lambda dialog: dialog.locator(".jp-mod-accept").click())

    return accept


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
