"""76,000 photos from end to end: quoted, captioned, killed five times, and accounted for.

    python tests/benchmarks/bench_many.py [--photos N] [--kills N] [--folder DIR]
        [--from FOLDER] [--faults TEXT] [--resize PX]

Figures: 0 lost, nothing asked about twice but what was on its way at a kill, the ledger equal to
the provider's truth, under 500 MB and flat, a headers-only quote in under 20 s warm, and a resumed
run that has planned in under 5 s. The photos are made here: small ones with a comment of their
own, or, with `--from`, crops and resizes of real ones. The embedded provider listens on a socket
in this process; the runs are processes of their own, ended by SIGKILL. Prints one JSON line;
exits 1 when a figure is missed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

from PIL import Image

from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer
from playground.store import Gallery

sys.path.insert(0, str(Path(__file__).parent.parent))
from proof import bought_twice

MANY, KILLS = 76_000, 5
CONCURRENCY = 32
LIMIT_MB, QUOTE_SECONDS, PLAN_SECONDS = 500, 20.0, 5.0
RUN = """
import json, sys, time
begun = time.time()
from playground.provider.connect import connect
from playground.runner import Archive
from playground.store import Gallery
url, place, photos, concurrency, resize = sys.argv[1:]
with connect(base_url=url, environ={}) as client, Gallery(place) as gallery:
    archive = Archive(gallery, client, resize=int(resize) or None)
    opened = time.time()
    archive.add(photos)
    planned = len(archive.plan.rows)
    print(json.dumps({"opened": opened - begun, "plan": time.time() - opened, "planned": planned,
                      "skipped": archive.plan.skipped}), flush=True)
    options = {"concurrency": int(concurrency), "unknown_retries": 2, "confirm": True}
    summary = archive.run(**options)
    print(json.dumps(summary.to_dict() | {"errors": len(summary.errors)}), flush=True)
"""


def made(folder: Path, count: int) -> None:
    """Distinct photos: the same few pixels with a comment of their own."""
    out = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGB").save(out, "JPEG", comment="########")
    whole = out.getvalue()
    begin, end = whole.split(b"########")
    for number in range(count):
        part = folder / f"{number // 1000:03}"
        if number % 1000 == 0:
            part.mkdir(exist_ok=True)
        (part / f"{number:06}.jpg").write_bytes(b"%s%08d%s" % (begin, number, end))


def cut(folder: Path, real: Path, count: int) -> None:
    """Crops and resizes of real photographs, each a different file."""
    draw = random.Random(1)
    sources = [path for path in sorted(real.rglob("*")) if path.suffix in {".jpg", ".png", ".webp"}]
    pictures = [Image.open(path).convert("RGB") for path in sources]
    seen: set[bytes] = set()
    while len(seen) < count:
        picture = pictures[len(seen) % len(pictures)]
        width, height = (round(side * draw.uniform(0.3, 0.95)) for side in picture.size)
        left, top = (draw.randrange(all_ - part + 1) for all_, part in
                     zip(picture.size, (width, height), strict=True))  # fmt: skip
        piece = picture.crop((left, top, left + width, top + height))
        piece.thumbnail((draw.randrange(160, 640),) * 2)
        out = io.BytesIO()
        piece.save(out, "JPEG", quality=draw.randrange(70, 92))
        if out.getvalue() not in seen:
            number = len(seen)
            part = folder / f"{number // 1000:03}"
            part.mkdir(exist_ok=True)
            (part / f"{number:06}.jpg").write_bytes(out.getvalue())
            seen.add(out.getvalue())


def resident_mb(pid: int) -> float:
    """What a process and its decoding children have in memory."""
    total = 0
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        pids = [pid, *map(int, children.read_text().split())]
        for one in pids:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


class Watch(threading.Thread):
    """Looks at a process's memory, and kills it when enough was asked."""

    def __init__(self, process: subprocess.Popen[str], app: OfflineApp, kill_at: int) -> None:
        super().__init__(daemon=True)
        self.process, self.app, self.kill_at = process, app, kill_at
        self.samples: list[float] = []

    def run(self) -> None:
        while self.process.poll() is None:
            self.samples.append(resident_mb(self.process.pid))
            if self.kill_at and self.app.truth.requests >= self.kill_at:
                self.process.send_signal(signal.SIGKILL)
                return
            time.sleep(0.05)


def quoted_seconds(photos: Path) -> float:
    """`playground quote caption`: the second time, when the headers are in memory."""
    ask = [sys.executable, "-m", "playground", "quote", "caption", str(photos), "--json"]
    for _ in range(2):
        begun = time.perf_counter()
        subprocess.run(ask, check=True, capture_output=True)
    return time.perf_counter() - begun


def flat(samples: list[float]) -> float:
    """How much more memory the last quarter of a run took than its second one, in MB."""
    quarter = len(samples) // 4
    if not quarter:
        return 0.0
    return max(samples[-quarter:]) - max(samples[quarter : 2 * quarter])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--photos", type=int, default=MANY)
    options.add_argument("--kills", type=int, default=KILLS)
    options.add_argument("--folder", type=Path, help="where all is made (a real disk)")
    options.add_argument("--from", dest="real", type=Path, help="a folder of real photographs")
    options.add_argument("--faults", help="as in `playground offline --faults`")
    options.add_argument("--resize", type=int, default=0)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        photos, place = Path(name) / "photos", Path(name) / "gallery"
        photos.mkdir()
        cut(photos, asked.real, asked.photos) if asked.real else made(photos, asked.photos)
        line: dict[str, object] = {"photos": asked.photos, "kills": asked.kills}
        line["quote_seconds"] = round(quoted_seconds(photos), 2)
        with OfflineServer(OfflineApp(faults=asked.faults)) as server:
            line |= runs(server, photos, place, asked)
            line |= proof(server.app, place, asked)
    missed = judge(line, asked)
    sys.stdout.write(json.dumps(line | {"missed": missed}) + "\n")
    return 1 if missed else 0


def runs(server: OfflineServer, photos: Path, place: Path, asked: argparse.Namespace) -> dict:
    told: list[dict] = []
    peak, growth = 0.0, 0.0
    begun = time.perf_counter()
    stops = [round(asked.photos * (n + 1) / (asked.kills + 1)) for n in range(asked.kills)]
    for kill_at in [*stops, 0, 0]:
        ask = [sys.executable, "-c", RUN, server.base_url, str(place), str(photos)]
        ask += [str(CONCURRENCY), str(asked.resize)]
        process = subprocess.Popen(ask, stdout=subprocess.PIPE, text=True)
        watch = Watch(process, server.app, kill_at)
        watch.start()
        out, _ = process.communicate()
        watch.join()
        peak, growth = max(peak, *watch.samples), max(growth, flat(watch.samples))
        lines = [json.loads(text) for text in out.splitlines()]
        told += lines[:1]
        sys.stderr.write(f"{time.perf_counter() - begun:.0f} s: {lines}\n")
    resumed = told[1:]
    return {
        "seconds": round(time.perf_counter() - begun, 1),
        "first_plan_seconds": round(told[0]["plan"], 2),
        "open_seconds": round(max(one["opened"] for one in resumed), 2),
        "plan_seconds": round(max(one["plan"] for one in resumed), 2),
        "peak_mb": round(peak),
        "growth_mb": round(growth),
        # With the last run, which finds little or nothing left to ask, all of it is answered.
        "captioned": lines[-1]["skipped"] + lines[-1]["captioned"],
    }


def proof(app: OfflineApp, place: Path, asked: argparse.Namespace) -> dict:
    """The ledger against what the provider saw, before and after its unknowns are resolved."""
    with Gallery(place) as gallery:
        totals = gallery.ledger.totals()
        bounded = totals.settled <= app.truth.dollars <= totals.committed
        bills = {call.client_request_id: call.billed for call in app.truth.calls}
        unknowns = gallery.ledger.unknowns()
        twice = bought_twice(gallery, app.truth.calls)
        for attempt in unknowns:
            bill = bills.get(attempt.id) or Decimal(0)
            gallery.ledger.resolve(attempt.id, dollars=bill, reason="the provider's own list")
        after = gallery.ledger.totals()
        faults = app.truth.to_dict()["faults"]
        word = gallery.search(limit=1).items[0].captions[0].text.split()[0]
        return {
            "requests": app.truth.requests,
            "items": gallery.search(limit=1).total,
            "asked_twice": app.truth.requests - asked.photos,
            "bought_twice": dict(twice),
            "faults": sum(faults.values()),
            "unknown": len(unknowns),
            "bill_within_committed": bounded,
            "ledger_is_truth": after.settled == app.truth.dollars and after.held == 0,
            "found_by_a_word": gallery.search(word, limit=1).total,
            "errors": len([one for one in gallery.verify() if one.level == "error"]),
        }


def judge(line: dict, asked: argparse.Namespace) -> list[str]:
    figures = {
        "lost": line["captioned"] == line["items"] == asked.photos,
        "asked_twice": line["asked_twice"] <= asked.kills * CONCURRENCY + line["faults"],
        "bought_twice": line["bought_twice"].get("killed", 0) <= asked.kills * CONCURRENCY,
        "ledger": line["ledger_is_truth"] and line["bill_within_committed"],
        "memory": line["peak_mb"] < LIMIT_MB,
        "quote": line["quote_seconds"] < QUOTE_SECONDS,
        "plan": line["plan_seconds"] < PLAN_SECONDS,
        "search": line["found_by_a_word"] > 0,
        "verify": line["errors"] == 0,
    }
    return [name for name, reached in figures.items() if not reached]


if __name__ == "__main__":
    sys.exit(main())
