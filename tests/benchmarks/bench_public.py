"""How long strangers wait for the first pictures, beside a Voilà notebook of one label.

    python tests/benchmarks/bench_public.py            a site of 1,000 pictures, five visits each
    python tests/benchmarks/bench_public.py --pictures 10000

Each visit is a new browser profile (nothing cached), and the kinds of page take turns, so that a
busy machine slows all of them. "Visible" is when the four first pictures are decoded in the
window. Warm: the notebook's kernel has run already. Cold: it has not (`--cold`).
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import shutil
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playground import serve
from playground.demo import make_demo
from playground.public import launch
from playground.publish import FIELDS, Selection, Snapshot, publish
from playground.publish import site as static
from playground.store import Gallery

LIMIT_SITE = 0.5  # of the label's time
LIMIT_PAGE = 1.35
LABEL = {"cell": "import ipywidgets\n\nipywidgets.Label('ready')", "ready": ".widget-label"}
PICTURES = ".pub-wall li:nth-child(-n+4) img"
# The browser's own clock, looked at before every frame.
WATCH = """([selector, count]) => {
    const look = () => {
        const found = [...document.querySelectorAll(selector)];
        const there = found.length >= count
            && found.every((e) => e.offsetParent && (e.naturalWidth ?? 1) > 0);
        if (there) window.readyAt ??= performance.now();
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Any web host."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """A browser that goes away in the middle is nobody's failure."""
        with suppress(ConnectionError):
            super().handle()


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """The folder on a plain web server of this machine."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/index.html"
    finally:
        server.shutdown()
        server.server_close()


def grow(snapshot: Path, folder: Path, count: int) -> Path:
    """The site of `count` entries, made of the few of a snapshot under new names."""
    (folder / "pictures").mkdir(parents=True)
    with Snapshot(snapshot) as opened:
        entries = list(opened.reader.entries())
        files = opened.files_of([entry.id for entry in entries])
        place = opened.pictures
    many, of = [], {}
    for n in range(count):
        entry = entries[n % len(entries)]
        name = "".join("0123456789abcdefghjkmnpqrstvwxyz"[n >> 5 * k & 31] for k in range(16))
        many.append(replace(entry, id=name, parent=None))
        of[name] = [replace(f, name=f.name.replace(entry.id, name)) for f in files[entry.id]]
        for file, copy in zip(files[entry.id], of[name], strict=True):
            shutil.copyfile(place / file.name, folder / "pictures" / copy.name)
    now = datetime(2026, 11, 21, tzinfo=UTC)
    static.write(folder, many, of, title="Many", base_url="", fields=FIELDS, published=now)
    return folder


def visit(browser: Any, url: str, selector: str, count: int) -> float:
    """Seconds from the navigation to what was waited for."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.add_init_script(f"({WATCH})({json.dumps([selector, count])})")
        page.goto(url, wait_until="commit")
        # Not `wait_for_function`, which needs what the pages' content policy forbids.
        for _ in range(3000):
            if ready_at := page.evaluate("window.readyAt"):
                return float(ready_at) / 1000
            page.wait_for_timeout(20)
        raise TimeoutError(url)
    finally:
        context.close()


def label_notebook() -> dict[str, Any]:
    """The plainest page there is: one label of ipywidgets."""
    source = serve.notebooks_folder() / "gallery.ipynb"
    notebook: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    notebook["cells"][0]["source"] = [LABEL["cell"]]
    return notebook


def main() -> None:
    """Print a table of medians, and what they are of the label's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="the label's kernel is not warm")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_demo(place / "gallery", say=lambda line: None)
        with Gallery(place / "gallery") as gallery:
            publish(gallery, Selection(everything=True), FIELDS, place / "snapshot")
        site = grow(place / "snapshot", place / "site", options.pictures)
        extra = {"label": label_notebook()}
        owner, _ = stack.enter_context(
            serve.voila(place / "gallery", 0, extra=extra, pages="all", preheat=not options.cold)
        )
        label = owner.replace("gallery.ipynb", "label.ipynb")
        public, _ = stack.enter_context(launch.public(place / "snapshot", 0, visitors=12))
        pages = {
            "label notebook": (label, LABEL["ready"], 1),
            f"site of {options.pictures:,}, web host": (
                stack.enter_context(hosted(site)),
                PICTURES,
                4,
            ),
            f"site of {options.pictures:,}, disk": ((site / "index.html").as_uri(), PICTURES, 4),
            "public page": (public, PICTURES, 4),
            "public page, searchable": (public, ".pub-wall.pub-laid", 1),
        }
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        seconds: dict[str, list[float]] = {name: [] for name in pages}
        for number in range(options.visits + 1):
            for name, (url, selector, count) in pages.items():
                took = visit(browser, url, selector, count)
                if number:  # the first round warms the disk's cache, and the pools
                    seconds[name].append(took)
        browser.close()
    base = statistics.median(seconds["label notebook"])
    for name, took in seconds.items():
        median = statistics.median(took)
        sys.stdout.write(
            f"{name:28} {median:6.2f} s  ({min(took):.2f}-{max(took):.2f})  {median / base:5.2f}\n"
        )
    sys.stdout.write(f"limits: site {LIMIT_SITE} of the label notebook's time, page {LIMIT_PAGE}\n")


if __name__ == "__main__":
    main()
