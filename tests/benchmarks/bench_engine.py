"""Paid calls a second through the whole engine. Figure: at least 150 on 2 cores.

    python tests/benchmarks/bench_engine.py [--calls N] [--folder DIR] [--profile]

Each call reserves its price, asks the embedded provider in this process, spools the answer,
writes the picture (fsync, rename, fsync of the folder) and settles: two durable transactions and
one durable file. Thumbnails, which can be rebuilt, are left out. Drawing is not what is measured:
each thread asks for one picture again and again, and removes its file, so that each call writes
it anew. Prints one JSON line; exits 1 below the figure.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import json
import pstats
import sys
import tempfile
import threading
import time
from pathlib import Path

from playground.provider.client import Client
from playground.provider.offline.app import OfflineApp
from playground.runner import gate
from playground.store import Gallery
from playground.values import ImageRequest

FIGURE = 150


def once(gallery: Gallery, client: Client, thread: int) -> None:
    request = ImageRequest(f"fox {thread}", model="gpt-image-2", size="1440x480", quality="low")
    result = gate.perform(gallery, client, request, thumbnails=False)
    assert result.items[0].path is not None
    result.items[0].path.unlink()


def rate(gallery: Gallery, client: Client, calls: int, threads: int) -> float:
    numbers = itertools.count(1)
    problems: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            while next(numbers) <= calls:
                once(gallery, client, thread)
        except BaseException as problem:
            problems.append(problem)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    begin = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if problems:
        raise problems[0]
    return calls / (time.perf_counter() - begin)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=600)
    options.add_argument("--folder", type=Path, help="where the gallery is made (a real disk)")
    options.add_argument("--profile", action="store_true", help="one thread, what takes the time")
    asked = options.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=asked.folder) as name,
        Gallery(Path(name) / "gallery") as gallery,
        Client.offline(OfflineApp()) as client,
    ):
        rate(gallery, client, 24, 8)  # draws the pictures, fills caches
        if asked.profile:
            profile = cProfile.Profile()
            profile.enable()
            for _ in range(asked.calls):
                once(gallery, client, 0)
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(35)
            return 0
        rates = {threads: rate(gallery, client, asked.calls, threads) for threads in (1, 2, 4, 8)}
        totals = gallery.ledger.totals()
        assert totals.held == 0
        assert totals.settled == client_dollars(client)
    best = max(rates.values())
    line = {"calls_per_second": {str(n): round(r) for n, r in rates.items()}, "figure": FIGURE}
    sys.stdout.write(json.dumps(line) + "\n")
    return 0 if best >= FIGURE else 1


def client_dollars(client: Client) -> object:
    return client._transport._inner._app.truth.dollars


if __name__ == "__main__":
    sys.exit(main())
