"""The archive page and its detached worker over a large folder: what the page costs its kernel.

    python tests/benchmarks/bench_archive_page.py [--photos N] [--folder DIR] [--keep]

This process is the kernel: the page's state and view, whose messages are measured instead of
sent. The worker is a program of its own, as always, and so is the embedded provider. Figures: no
message over 100 kB, at most 5 messages a second of each kind, the kernel under 300 MB and flat
while the run goes on (at most 30 MB more in its last quarter than in its second), every photo
answered once and the ledger equal to the provider's truth. Prints one JSON line; exits 1 when a
figure is missed. With `--keep` the folder stays (to look at the page in a browser).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

MANY, PILOT = 76_000, 50
MESSAGE_BYTES, A_SECOND, LIMIT_MB, GROWTH_MB = 100_000, 5.0, 300, 30


def made(folder: Path, count: int) -> None:
    """Small photos that look different."""
    draw = random.Random(1)
    for number in range(count):
        part = folder / f"{number // 1000:03}"
        if number % 1000 == 0:
            part.mkdir(parents=True, exist_ok=True)
        rough = Image.frombytes("RGB", (8, 6), draw.randbytes(144))
        rough.resize((96, 72), Image.Resampling.BICUBIC).save(part / f"{number:06}.jpg", quality=70)


def resident_mb() -> float:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Kernel:
    """The page, its messages and its memory."""

    def __init__(self, gallery: Path) -> None:
        from playground import pages

        self.view = pages.archive(gallery)
        self.state = self.view.page
        self.sizes: dict[str, int] = defaultdict(int)
        self.counts: Counter[str] = Counter()
        self.samples: list[float] = []
        self.view.send = self._send

    def _send(self, content: dict, buffers: list[bytes] | None = None) -> None:
        size = len(json.dumps(content)) + sum(map(len, buffers or ()))
        kind = str(content["show"])
        self.counts[kind] += 1
        self.sizes[kind] = max(self.sizes[kind], size)

    def until(self, stage: str, photos: int, told: str) -> float:
        """Watch until a stage has come; the seconds that it took."""
        begun = time.perf_counter()
        while True:
            time.sleep(0.25)
            self.samples.append(resident_mb())
            board = self.state.board
            status = board.seen.status if board is not None and board.seen is not None else {}
            if board is not None and board.stage == stage and not board.run.wait.startswith("Wait"):
                return time.perf_counter() - begun
            if len(self.samples) % 40 == 0:
                done = (status.get("progress") or {}).get("captioned", status.get("photos"))
                sys.stderr.write(f"{told}: {done} of {photos}, {self.samples[-1]:.0f} MB\n")


def growth(samples: list[float]) -> float:
    """How much more memory the last quarter took than the second, in MB."""
    quarter = max(1, len(samples) // 4)
    return max(samples[-quarter:]) - max(samples[quarter : 2 * quarter])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--photos", type=int, default=MANY)
    options.add_argument("--folder", type=Path, help="where all is made (a real disk)")
    options.add_argument("--keep", action="store_true")
    asked = options.parse_args()
    with ExitStack() as stack:
        if asked.keep:
            place = asked.folder or Path(tempfile.mkdtemp())
        else:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=asked.folder)))
        photos, gallery = place / "photos", place / "gallery"
        if not photos.exists():
            made(photos, asked.photos)
        command = [sys.executable, "-m", "playground", "offline", "--port", "0"]
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(server.terminate)
        assert server.stdout is not None
        url = next(word for word in server.stdout.readline().split() if word.startswith("http"))
        os.environ["OPENAI_BASE_URL"] = url
        os.environ.pop("PLAYGROUND_PROVIDER", None)
        kernel = Kernel(gallery)
        state = kernel.state
        state.open()
        state.look_at(str(photos))
        line: dict[str, object] = {"photos": asked.photos}
        line["plan_seconds"] = round(kernel.until("planned", asked.photos, "planned"), 1)
        state.set_sample(PILOT)
        state.pilot(consent=_most(state.board.pilot))
        kernel.until("running", PILOT, "pilot")
        kernel.until("planned", PILOT, "pilot")
        kernel.samples.clear()
        kernel.counts.clear()
        state.run(consent=_most(state.board.run))
        kernel.until("running", asked.photos, "run")
        seconds = kernel.until("ended", asked.photos, "run")
        status = state.board.seen.status
        with urllib.request.urlopen(f"{url.removesuffix('/v1')}/_truth") as answer:
            truth = json.load(answer)
        state.find("picture")
        line |= {
            "run_seconds": round(seconds, 1),
            "answers": status["answers"],
            "requests": truth["requests"],
            "ledger_is_truth": status["spent"]["settled"] == truth["dollars"],
            "messages": dict(kernel.counts),
            "largest": dict(kernel.sizes),
            "a_second": round(max(kernel.counts["board"], kernel.counts["brought"]) / seconds, 1),
            "status_bytes": len(json.dumps(status)),
            "kernel_mb": round(max(kernel.samples)),
            "kernel_growth_mb": round(growth(kernel.samples), 1),
            "found": state.hits.total,
        }
        state.dismiss()
    figures = {
        "answers": line["answers"] == line["requests"] == asked.photos,
        "ledger": line["ledger_is_truth"],
        "messages": max(kernel.sizes.values()) < MESSAGE_BYTES,
        "rate": line["a_second"] <= A_SECOND,
        "memory": line["kernel_mb"] < LIMIT_MB and line["kernel_growth_mb"] < GROWTH_MB,
    }
    missed = [name for name, reached in figures.items() if not reached]
    sys.stdout.write(json.dumps(line | {"missed": missed}) + "\n")
    return 1 if missed else 0


def _most(offer: object) -> str:
    from playground import money

    return money.plain(offer.most)


if __name__ == "__main__":
    sys.exit(main())
