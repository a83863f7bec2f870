"""A static site of 10,000 pictures, published for real and opened from a disk and a web host.

    python tests/benchmarks/bench_site.py make FOLDER [--pictures 10000] [--edge 800]
    python tests/benchmarks/bench_site.py look FOLDER

`make` fills a gallery with crops of the shipped photographs, each file another one, with words as
in `bench_gallery.py`, and publishes all of it (again and again resumable: what was made stays).
Told: seconds to fill and to publish, again with nothing changed, and bytes by kind of file.
`look` opens the site: seconds to the first four pictures, to a search that works, and from a key
to the answer, for common, middling and rare words, the worst of them with its memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import io
import random
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench_gallery import Maker, vocabulary
from bench_public import PICTURES, hosted, visit
from PIL import Image

from playground.demo import PHOTOS
from playground.publish import FIELDS, Selection, publish
from playground.store import Gallery
from playground.values import Photo

BATCH = 250
ANSWERED = """([text]) => new Promise((done) => {
    const search = document.querySelector('.hp-search'), count = document.querySelector('.pub-count');
    const wall = document.querySelector('.pub-wall'), before = count.textContent;
    const began = performance.now();
    search.value = text;
    search.dispatchEvent(new Event('input', { bubbles: true }));
    const look = () => {
        const now = performance.now();
        if (count.textContent !== before && wall.getAttribute('aria-busy') !== 'true') return done([now - began, count.textContent]);
        if (now - began > 20000) return done([-1, count.textContent]);
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""  # noqa: E501  JavaScript


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def crop(sources: list[Image.Image], number: int, edge: int) -> bytes:
    """A picture of its own: a part of a photograph, scaled."""
    dice = random.Random(number)
    source = dice.choice(sources)
    wide, high = dice.choice(((1.0, 0.75), (0.75, 1.0), (1.0, 1.0), (1.0, 0.5)))
    part = dice.uniform(0.4, 0.9) * min(source.width / wide, source.height / high)
    left = dice.uniform(0, source.width - part * wide)
    top = dice.uniform(0, source.height - part * high)
    box = (left, top, left + part * wide, top + part * high)
    made = source.resize((round(edge * wide), round(edge * high)), box=box)
    kept = io.BytesIO()
    made.save(kept, "JPEG", quality=85)
    return kept.getvalue()


def make(folder: Path, pictures: int, edge: int) -> None:
    sources = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.glob("*.jpg"))]
    maker = Maker()
    with Gallery(folder / "gallery") as gallery:
        there = gallery.search(limit=1).total
        began = time.perf_counter()
        for start in range(there, pictures, BATCH):
            batch = []
            for number in range(start, min(start + BATCH, pictures)):
                data = crop(sources, number, edge)
                size = Image.open(io.BytesIO(data)).size
                photo = Photo(*size, "jpeg", len(data), hashlib.sha256(data).hexdigest())
                batch.append((dataclasses.replace(maker.item(number), photo=photo), data))
            gallery.take_in(batch)
        if there < pictures:
            say(f"gallery filled with {pictures:,} in {time.perf_counter() - began:.0f} s")
        for what in ("published", "published again, nothing changed"):
            began, cpu = time.perf_counter(), time.process_time()
            made = publish(gallery, Selection(everything=True), FIELDS, folder / "snapshot")
            say(
                f"{what}: {made.count:,} pictures in {time.perf_counter() - began:.1f} s "
                f"({time.process_time() - cpu:.1f} s of this process), {made.encoded:,} encoded, "
                f"{made.size_bytes / 1e6:,.0f} MB"
            )
    for kind in ("pictures", "item", "data"):
        files = list((folder / "snapshot" / "site" / kind).iterdir())
        total = sum(file.stat().st_size for file in files)
        say(f"  {kind}: {len(files):,} files, {total / 1e6:,.1f} MB")
    for name in ("index.html", "gallery.js", "feed.xml", "feed.json"):
        say(f"  {name}: {(folder / 'snapshot' / 'site' / name).stat().st_size / 1e3:,.0f} kB")


def look(folder: Path, visits: int) -> None:
    from playwright.sync_api import sync_playwright

    site = folder / "snapshot" / "site"
    with hosted(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--enable-precise-memory-info"],
        )
        for name, url in (("web host", address), ("disk", (site / "index.html").as_uri())):
            visit(browser, url, PICTURES, 4)
            for what, selector, count in (
                ("first pictures", PICTURES, 4),
                ("searchable", ".pub-wall.pub-laid", 1),
            ):
                took = [visit(browser, url, selector, count) for _ in range(visits)]
                say(f"{name}: {what} after {statistics.median(took):.2f} s (worst {max(took):.2f})")
            searches(browser, name, url)
        browser.close()


def searches(browser: Any, name: str, url: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url)
    page.locator(".pub-wall.pub-laid li").first.wait_for()
    words = vocabulary()
    first, found = page.evaluate(ANSWERED, ["wizardry"])
    say(f"{name}: the very first search {first:.0f} ms, with all words still to come ({found})")
    for kind, texts in {
        "common": words[:6],
        "middling": words[200:206],
        "rare": words[20_000:20_006],
        "prefix": [word[:2] for word in words[:6]],
        "condition": ["rating:>=4", "tag:tag1", "size:>1mp", "-rating:5"],
    }.items():
        times = []
        for text in texts:
            took, _ = page.evaluate(ANSWERED, [text])
            times.append(took)
            page.evaluate(ANSWERED, [""])
        middle = statistics.median(times)
        say(f"{name}: {kind} words, median {middle:.0f} ms, worst {max(times):.0f}")
    memory = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    say(f"{name}: page memory {memory:.0f} MB")
    page.close()


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("what", choices=("make", "look"))
    words.add_argument("folder", type=Path)
    words.add_argument("--pictures", type=int, default=10_000)
    words.add_argument("--edge", type=int, default=800, help="pixels of the longer side")
    words.add_argument("--visits", type=int, default=5)
    given = words.parse_args()
    if given.what == "make":
        make(given.folder, given.pictures, given.edge)
    else:
        look(given.folder, given.visits)


if __name__ == "__main__":
    main()
