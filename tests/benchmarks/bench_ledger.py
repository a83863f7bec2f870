"""How many paid calls a second the ledger and the files allow, without a provider.

    python tests/benchmarks/bench_ledger.py [--calls 2000] [--threads 1 4 16] [--bytes 100000]
                                            [--thumbnail-bytes 12000] [--folder DIR]

A call is what the engine does around a request: reserve, mark as sent, store a picture file with
its fsyncs, settle with its item, thumbnail and search index. Everything is durable.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

from playground.size import Size
from playground.store import Caps, Gallery, NewImage
from playground.values import ImageRequest, Quote, Receipt, Usage

QUOTE = Quote(
    model="gpt-image-2",
    tier="standard",
    on=dt.date(2026, 11, 1),
    basis="exact",
    tokens={},
    low=Decimal("0.00397"),
    high=Decimal("0.00397"),
    hold=Decimal("0.00397"),
    price_version="bench",
)


def one_call(gallery: Gallery, number: int, picture: bytes, thumbnail: bytes) -> None:
    request = ImageRequest(prompt=f"picture {number} of a lighthouse in a storm, oil on canvas")
    attempt = gallery.ledger.reserve(
        job_key=f"bench-{number}",
        slots=1,
        request=request,
        quote=QUOTE,
        provider="bench",
        caps=Caps(gallery=Decimal(1_000), day=Decimal(1_000), run=Decimal(1_000)),
        run_id="bench",
    )
    gallery.ledger.sent(attempt.id)
    data = number.to_bytes(8, "big") + picture
    sha256 = gallery.store_file(data, "png")
    gallery.ledger.settle(
        attempt.id,
        usage=Usage(text_input=20, image_output=129),
        cost=Decimal("0.00397"),
        receipt=Receipt(status=200, request_id=f"req-{number}", seconds=0.1),
        images=[NewImage(sha256, "png", Size(976, 704), len(data), 0, thumbnail, Size(320, 231))],
    )


def measure(folder: Path, calls: int, threads: int, picture: bytes, thumbnail: bytes) -> dict:
    numbers = iter(range(calls))
    lock = threading.Lock()
    with Gallery(folder) as gallery:
        one_call(gallery, calls, picture, thumbnail)

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                one_call(gallery, number, picture, thumbnail)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        began, cpu = time.perf_counter(), time.process_time()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert gallery.search().total == calls + 1
        assert gallery.ledger.totals().held == 0
    return {
        "threads": threads,
        "calls_per_second": round(calls / took, 1),
        "cpu_ms_per_call": round(1000 * cpu / calls, 2),
    }


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--calls", type=int, default=1000)
    words.add_argument("--threads", type=int, nargs="+", default=[1, 4, 16])
    words.add_argument("--bytes", type=int, default=100_000)
    words.add_argument("--thumbnail-bytes", type=int, default=12_000)
    words.add_argument("--folder", type=Path)
    given = words.parse_args()
    picture, thumbnail = os.urandom(given.bytes), os.urandom(given.thumbnail_bytes)
    for threads in given.threads:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            result = measure(Path(folder) / "g", given.calls, threads, picture, thumbnail)
        sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
