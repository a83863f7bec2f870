"""What a session of 200 pictures leaves behind: the saved notebook, the kernel's memory, widgets.

    python tests/benchmarks/bench_session.py             200 pictures in JupyterLab and Chromium
    python tests/benchmarks/bench_session.py --results 40
    python tests/benchmarks/bench_session.py --annotate  200 annotations on the gallery page

A person's way: a prompt is written, Ctrl+Enter pressed, the picture waited for, the notebook
saved; or pictures are rated by their keys, and every tenth gets a note. Every fiftieth time the
kernel is asked for its widgets, and the system for its memory.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient

from playground import serve
from playground.demo import make_demo

GROWTH_BYTES = 50_000
# Between the first sample, when caches are warm, and the last one.
MEMORY_MB = 15.0
COUNT = "len(__import__('ipywidgets').widgets.widget._instances)"


@contextlib.contextmanager
def lab_page(
    folder: Path, name: str, sign: str
) -> Iterator[tuple[Any, psutil.Process, BlockingKernelClient, Path]]:
    """A page running in JupyterLab: page, kernel process, kernel client, notebook.

    `name` is the notebook's, `sign` an element that is there when the page is.
    """
    from playwright.sync_api import sync_playwright

    notebooks, runtime = folder / "notebooks", folder / "runtime"
    shutil.copytree(serve.notebooks_folder(), notebooks)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PLAYGROUND_", "JUPYTER"))}
    environ = {
        **kept,
        "HOME": str(folder),
        "PLAYGROUND_PROVIDER": "offline",
        "PLAYGROUND_GALLERY": str(folder / "gallery"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
    }
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with (
        serve.jupyterlab(0, notebooks=notebooks, environ=environ) as (url, server),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url.replace("/lab?", f"/lab/tree/{name}?"))
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        while not page.locator(sign).first.is_visible():
            # A run right after the kernel's start may be dropped.
            prompt = page.locator(".jp-InputPrompt").first.inner_text().strip()
            if re.fullmatch(r"\[\s*\]:", prompt):
                page.locator(".jp-Cell .cm-content").first.click()
                page.keyboard.press("Control+Enter")
            page.wait_for_timeout(1000)
        kernel = next(
            child
            for child in psutil.Process(server.pid).children(recursive=True)
            if "ipykernel_launcher" in " ".join(child.cmdline())
        )
        client = BlockingKernelClient(connection_file=str(next(runtime.glob("kernel-*.json"))))
        client.load_connection_file()
        # Without the channel of what is published: pictures that nobody reads from it pile up in
        # the kernel, up to a thousand messages, and would be measured as the page's memory.
        client.start_channels(iopub=False, stdin=False)
        client.kernel_info(reply=True, timeout=30)
        try:
            yield page, kernel, client, notebooks / name
        finally:
            client.stop_channels()
            browser.close()


def widgets(client: BlockingKernelClient) -> int:
    """How many widget models the kernel holds."""
    reply = client.execute("", user_expressions={"n": COUNT}, silent=True, reply=True, timeout=30)
    return int(reply["content"]["user_expressions"]["n"]["data"]["text/plain"])


def memory_mb(kernel: psutil.Process) -> float:
    """What the kernel and its helpers hold in memory."""
    parts = [kernel, *kernel.children(recursive=True)]
    total = 0
    for part in parts:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += part.memory_info().rss
    return total / 1e6


def saved_bytes(page: Any, notebook: Path) -> int:
    """The notebook's size once JupyterLab has saved it."""
    before = notebook.stat().st_mtime_ns
    page.locator(".jp-Cell .cm-content").first.click()
    page.keyboard.press("Control+s")
    deadline = time.monotonic() + 20
    while notebook.stat().st_mtime_ns == before and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    return notebook.stat().st_size


def make_one(page: Any, number: int) -> None:
    """Write a prompt, send it, wait for its picture."""
    words = f"picture number {number}, a paper boat on a sea of ink"
    page.locator(".hp-promptbox").fill(words)
    page.wait_for_function(
        "words => { const hp = document.querySelector('.hp'), b = hp.querySelector('.hp-primary');"
        " return !b.disabled && hp.querySelector('.hp-promptbox').value === words; }",
        arg=words,
    )
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "words => document.querySelector('.hp-result .hp-prompt')?.textContent === words",
        arg=words,
        timeout=60_000,
    )


def annotate_one(page: Any, number: int) -> None:
    """Rate a picture by its key; every tenth time give it a long note, too."""
    place, rating = number % 12, 1 + (number // 12) % 5
    # By its place: tiles stand in the page in the order in which they came into sight.
    tile = f".hp-grid li[data-place='{place}'] .hp-tile"
    page.locator(tile).focus()
    page.keyboard.press(str(rating))
    page.locator(f"{tile} .hp-stars[aria-label='{rating} of 5 stars']").wait_for(state="attached")
    if number % 10 == 0:
        page.keyboard.press("Enter")
        note = page.get_by_label("Note", exact=True)
        note.fill(f"Note number {number}: " + "the light is good here, keep it. " * 20)
        note.blur()
        dialog = page.locator("dialog.hp-lightbox[open]")
        dialog.get_by_text("Saved", exact=True).first.wait_for()
        dialog.locator(".hp-close").click()
        dialog.wait_for(state="hidden")


def main() -> int:
    """Print the figures; 1 when one is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=200)
    parser.add_argument("--annotate", action="store_true", help="on the gallery page, instead")
    given = parser.parse_args()
    every = max(1, given.results // 4)
    name, sign = ("gallery", ".hp-tile") if given.annotate else ("1_playground", ".hp-promptbox")
    one, what = (annotate_one, "annotations") if given.annotate else (make_one, "pictures")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if given.annotate:
            make_demo(folder / "gallery", say=lambda line: None)
        parts = stack.enter_context(lab_page(folder, f"{name}.ipynb", sign))
        page, kernel, client, notebook = parts
        began = time.monotonic()
        size, counts, memory = saved_bytes(page, notebook), [widgets(client)], [memory_mb(kernel)]
        for number in range(1, given.results + 1):
            one(page, number)
            if number % every == 0:
                counts.append(widgets(client))
                memory.append(memory_mb(kernel))
                sys.stdout.write(
                    f"{number:4d} {what}: kernel {memory[-1]:.0f} MB, {counts[-1]} widget "
                    f"models, page {page.evaluate('document.querySelectorAll(`.hp *`).length')} "
                    f"elements, {time.monotonic() - began:.0f} s\n"
                )
                sys.stdout.flush()
        growth = saved_bytes(page, notebook) - size
    sys.stdout.write(
        f"saved notebook: {growth:+,} bytes (limit {GROWTH_BYTES:,}); kernel "
        f"{memory[0]:.0f} MB before, {memory[1]:.0f} to {memory[-1]:.0f} MB after the first "
        f"{every} (limit {MEMORY_MB:+g}); widget models {counts[0]} to {counts[-1]}\n"
    )
    flat = memory[-1] - memory[1] <= MEMORY_MB
    return 0 if growth < GROWTH_BYTES and flat and counts[-1] == counts[0] else 1


if __name__ == "__main__":
    sys.exit(main())
