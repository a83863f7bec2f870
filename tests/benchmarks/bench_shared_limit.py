"""Runs of their own on one gallery against a provider with a limit: do they share it?

    python tests/benchmarks/bench_shared_limit.py [--runs N] [--per-second N] [--seconds N]

Each run is a program of its own with its own photos. Figures: at least 85 % of the limit used
while all of them ask, at most 2 % refused, and nobody much quicker than the others. The embedded
provider listens in this process and states its limit in its answers' headers. Prints one JSON
line; exits 1 when a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bench_many import made

from playground.provider.offline.app import OfflineApp
from playground.provider.offline.server import OfflineServer

USED, REFUSED = 0.85, 0.02
RUN = """
import sys
from playground.provider.connect import connect
from playground.runner import caption_folder
from playground.store import Gallery
url, place, photos, prompt = sys.argv[1:]
with connect(base_url=url, environ={}) as client, Gallery(place) as gallery:
    caption_folder(photos, gallery, client, prompt=prompt, concurrency=32, confirm=True)
"""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=2)
    options.add_argument("--per-second", type=float, default=50)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--folder", type=Path, help="where all is made (a real disk)")
    asked = options.parse_args()
    count = round(asked.per_second * asked.seconds / asked.runs)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        photos = Path(name) / "photos"
        one = Path(name) / "one"
        for folder, few in ((photos, count), (one, 1)):
            folder.mkdir()
            made(folder, few)
        rpm = round(60 * asked.per_second)
        with OfflineServer(OfflineApp(latency_ms=180, rpm=rpm)) as server:
            words = [sys.executable, "-c", RUN, server.base_url, f"{name}/gallery", str(photos)]
            # What the embedded provider loads to describe photos is not what is measured.
            warm = [sys.executable, "-c", RUN, server.base_url, f"{name}/warm", f"{name}/one"]
            subprocess.run([*warm, "What is this?"], check=True)
            first = len(server.app.truth.calls)
            # Another prompt is another question, whose body tells the runs apart.
            prompts = [f"What is run {number} shown here?" for number in range(asked.runs)]
            runs = [subprocess.Popen([*words, prompt]) for prompt in prompts]
            ended = [run.wait() for run in runs]
            calls = server.app.truth.calls[first:]
    per_run = Counter(call.body_sha256 for call in calls if call.status == 200)
    # From when each has had an answer until the first run is out of photos, all of them ask.
    begin = max(min(c.at for c in calls if c.body_sha256 == body) for body in per_run)
    done: Counter[str] = Counter()
    until = calls[-1].at
    for call in calls:
        done[call.body_sha256] += call.status == 200
        if done[call.body_sha256] == count:
            until = call.at
            break
    shared = [call for call in calls if begin <= call.at <= until]
    answered = sum(call.status == 200 for call in shared)
    refused = sum(call.status == 429 for call in shared)
    parts = Counter(call.body_sha256 for call in shared if call.status == 200)
    line = {
        "runs": asked.runs,
        "per_second": asked.per_second,
        "seconds": round(until - begin, 1),
        "used": round(answered / max(1e-9, until - begin) / asked.per_second, 3),
        "refused": round(refused / max(1, answered), 4),
        "answered": sorted(parts.values()),
        "in_all": sorted(per_run.values()),
    }
    figures = {
        "ended": not any(ended) and set(per_run.values()) == {count},
        "used": line["used"] >= USED,
        "refused": line["refused"] <= REFUSED,
        "evenly": max(parts.values()) <= 1.25 * min(parts.values()),
    }
    missed = [name for name, reached in figures.items() if not reached]
    sys.stdout.write(json.dumps(line | {"missed": missed}) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
