"""How the wall of the gallery page scrolls: what is not filled in for how long, and what it keeps.

    python tests/benchmarks/bench_scroll.py [--items 10000] [--seconds 15]

A gallery of so many pictures (of a few files) is served by Voilà and scrolled in Chromium, first
slowly, then fast, then in jumps. Told: milliseconds in which any place in sight showed nothing at
all (`blank`) and in which a tile waited for its picture behind its placeholder (`waiting`, the
worst and p95 of the tiles), frames a second, elements in the page, widget models in the kernel's
messages, and memory of page and kernel before and after.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
from bench_gallery import Maker
from playwright.sync_api import Page, sync_playwright

from playground import photos, serve
from playground.demo import PHOTOS
from playground.store import Gallery
from playground.values import Photo

FLAGS = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info", "--js-flags=--expose-gc"]
PROBE = """([mode, lasting]) => new Promise((done) => {
  const wall = document.querySelector('.hp-gallery');
  const grid = document.querySelector('.hp-grid');
  const waiting = new Map(), waits = [];
  let blankSince = null, blank = 0, frames = 0, nodes = 0, next = 0;
  const began = performance.now();
  const step = (now) => {
    frames += 1;
    const box = wall.getBoundingClientRect(), shape = grid.getBoundingClientRect();
    const top = Math.max(box.top + 60, shape.top), low = Math.min(box.bottom, shape.bottom);
    let empty = false;
    for (const down of [0.1, 0.5, 0.9]) {
      const y = top + (low - top) * down;
      const hit = [0, 4, 8].some((by) => document.elementFromPoint(shape.left + shape.width * 0.4 + by, y + by)?.closest('.hp-grid li'));
      empty ||= !hit;
    }
    if (empty) { blankSince ??= now; blank = Math.max(blank, now - blankSince); } else blankSince = null;
    for (const tile of grid.children) {
      const at = tile.getBoundingClientRect();
      const seen = at.bottom > box.top && at.top < box.bottom;
      const image = tile.querySelector('img');
      const filled = image && image.complete && image.naturalWidth;
      if (seen && !filled) { if (!waiting.has(tile)) waiting.set(tile, now); }
      else if (waiting.has(tile)) { waits.push(now - waiting.get(tile)); waiting.delete(tile); }
    }
    nodes = Math.max(nodes, document.querySelectorAll('.hp *').length);
    if (now - began > lasting) {
      waits.sort((a, b) => a - b);
      done({ blank_ms: Math.round(blank), waiting_worst_ms: Math.round(waits.at(-1) ?? 0),
        waiting_p95_ms: Math.round(waits[Math.floor(waits.length * 0.95)] ?? 0), waited: waits.length,
        frames_per_second: Math.round(frames / lasting * 1000), elements: nodes, at: Math.round(wall.scrollTop) });
      return;
    }
    if (mode === 'slow') wall.scrollTop += 25;
    else if (mode === 'fast') wall.scrollTop += 150;
    else if (now > next) { next = now + 700; wall.scrollTop = Math.random() * wall.scrollHeight; }
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""  # noqa: E501  JavaScript


def make(folder: Path, items: int) -> None:
    maker = Maker()
    with Gallery(folder) as gallery:
        kept = []
        for path in sorted(PHOTOS.glob("*.jpg")):
            data = path.read_bytes()
            format_, size = photos.sniff(data)
            sha256 = gallery.store_file(data, format_)
            photo = Photo(size.width_px, size.height_px, format_, len(data), sha256)
            kept.append((photo, photos.thumbnail(data)))
        for start in range(0, items, 2000):
            batch = []
            for number in range(start, min(start + 2000, items)):
                photo, small = kept[number % len(kept)]
                small_once = small if number < len(kept) else None
                one = dataclasses.replace(maker.item(number), photo=photo, thumbnail=small_once)
                batch.append(one)
            gallery.add_many(batch)


def kernel_megabytes() -> float:
    children = psutil.Process().children(recursive=True)
    sizes = [
        child.memory_info().rss for child in children if "ipykernel_launcher" in child.cmdline()
    ]
    return round(max(sizes, default=0) / 1e6, 1)


def page_megabytes(page: Page) -> float:
    used = page.evaluate("() => { window.gc?.(); return performance.memory.usedJSHeapSize; }")
    return round(float(used) / 1e6, 1)


def report(what: str, **figures: Any) -> None:
    sys.stdout.write(json.dumps({"what": what, **figures}) + "\n")
    sys.stdout.flush()


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--items", type=int, default=10_000)
    words.add_argument("--seconds", type=float, default=15)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "gallery"
        make(folder, given.items)
        environ = {**os.environ, "HOME": place, "PLAYGROUND_PROVIDER": "offline"}
        with serve.voila(folder, 0, environ=environ) as (url, _), sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            models = 0

            def count(frame: Any) -> None:
                nonlocal models
                text = frame if isinstance(frame, str) else frame[:4000].decode("utf-8", "ignore")
                models += "comm_open" in text

            page.on("websocket", lambda socket: socket.on("framereceived", count))
            page.goto(url)
            page.wait_for_function(
                f"document.querySelector('.hp-gallery')?.dataset.total === '{given.items}'",
                timeout=60_000,
            )
            page.wait_for_timeout(1000)
            report("opened", page_mb=page_megabytes(page), kernel_mb=kernel_megabytes())
            for mode in ("slow", "fast", "jumps", "fast"):
                figures = page.evaluate(PROBE, [mode, given.seconds * 1000])
                report(mode, **figures, page_mb=page_megabytes(page), kernel_mb=kernel_megabytes())
            report("models", comm_opens=models)
            browser.close()


if __name__ == "__main__":
    main()
