"""How long until the controls of a page in Voilà can be used, beside a notebook of one label.

    python tests/benchmarks/bench_pages.py             five visits each, warm and cold
    python tests/benchmarks/bench_pages.py --skip-cold

Each visit is a new browser profile (nothing cached). Warm: the pool has a kernel that ran the
notebook already, as a server has between visitors. Cold: no pool. The pages of a round take
turns on one server, so that a busy machine slows all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playground import serve
from playground.demo import make_demo

LIMIT = 1.25
GALLERY_LIMIT = 1.35
LABEL = "label"
# What stands on each page when it can be used.
READY = {
    LABEL: ".widget-label",
    "1_playground": "[data-sequence] .hp-primary",
    "2_captions": ".cp-lengths .cp-chip",
    "gallery": ".hp-grid .hp-tile img",
}
# The clock is the browser's own: the moment at which the controls are in the visible page.
WATCH = """(selector) => {
    const look = () => {
        const found = document.querySelector(selector);
        if (!window.readyAt && found && found.offsetParent) window.readyAt = performance.now();
    };
    new MutationObserver(look).observe(document, {
        subtree: true, childList: true, attributes: true, characterData: true,
    });
}"""
LABEL_CELL = "import ipywidgets\n\nipywidgets.Label('ready')"


def label_notebook(like: Path) -> dict[str, Any]:
    """The plainest page: one label of ipywidgets."""
    notebook: dict[str, Any] = json.loads(like.read_text(encoding="utf-8"))
    notebook["cells"][0]["source"] = [LABEL_CELL]
    notebook["metadata"]["title"] = "Label"
    return notebook


def visit(browser: Any, url: str, ready: str) -> float:
    """Seconds from the navigation to controls that can be used."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(f"({WATCH})({json.dumps(ready)})")
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.readyAt", timeout=60_000)
    milliseconds: float = page.evaluate("window.readyAt")
    context.close()
    return milliseconds / 1000


def measure(urls: dict[str, str], visits: int, settle: float) -> dict[str, list[float]]:
    """Seconds of each visit by page, the pages taking turns, `settle` seconds between them."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    times: dict[str, list[float]] = {name: [] for name in urls}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        visit(browser, urls[LABEL], READY[LABEL])  # the server's own first time
        for _ in range(visits):
            for name, url in urls.items():
                time.sleep(settle)
                times[name].append(visit(browser, url, READY[name]))
        browser.close()
    return times


def report(what: str, times: dict[str, list[float]], *, limit: bool) -> bool:
    """A line for each page; whether all are within their limits."""
    good = True
    base = statistics.median(times[LABEL])
    for name, each in times.items():
        ratio = statistics.median(each) / base
        most = GALLERY_LIMIT if name == "gallery" else LIMIT
        listed = " ".join(f"{seconds:.2f}" for seconds in each)
        said = f" (limit {most}x)" if limit and name not in {LABEL, "2_captions"} else ""
        sys.stdout.write(
            f"{what} {name}: {statistics.median(each):.2f} s, {ratio:.2f}x{said}  [{listed}]\n"
        )
        good &= not said or ratio <= most
    return good


def main() -> int:
    """Print the figures; 1 when one is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--settle", type=float, default=7.0, help="seconds for the pool to refill")
    parser.add_argument("--skip-cold", action="store_true")
    parser.add_argument(
        "--pages", nargs="*", default=[LABEL, "1_playground", "2_captions", "gallery"]
    )
    given = parser.parse_args()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PLAYGROUND_", "JUPYTER"))}
    environ = {**kept, "PLAYGROUND_PROVIDER": "offline"}
    good = True
    with tempfile.TemporaryDirectory() as folder:
        gallery = Path(folder) / "gallery"
        make_demo(gallery)
        extra = {LABEL: label_notebook(serve.notebooks_folder() / "1_playground.ipynb")}
        for what, warm in (("warm", True), ("cold", False)):
            if given.skip_cold and not warm:
                continue
            with serve.voila(
                gallery, 0, pages="all", environ=environ, extra=extra, preheat=warm
            ) as (url, _):
                urls = {name: url.replace("gallery.ipynb", f"{name}.ipynb") for name in given.pages}
                wait = given.settle if warm else 0.0
                time.sleep(2 * wait)
                times = measure(urls, given.visits if warm else 3, wait)
            good &= report(what, times, limit=warm)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
