"""Many strangers at once: 500 visits of the public page, 20 a second, most of whom must be refused.

    python tests/benchmarks/bench_visitors.py [--visits 500] [--rate 20] [--visitors 20]

A visitor who gets a page opens its channel, searches three times, stays for ten seconds and is
gone without a farewell, as a closed laptop is. Told: how long pages and refusals took, how many
kernels there were at most, the memory of server and kernels, how long searches took, and when the
last idle kernel was gone. The visits come from a process of their own, so that the clock is not
held up by what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

LIMIT_REFUSAL_SECONDS = 1.0
STAY_SECONDS = 10


async def visit(url: str, told: list[dict[str, Any]]) -> None:
    """One visitor: the page or the refusal, then a few searches."""
    from tornado.httpclient import AsyncHTTPClient
    from tornado.websocket import websocket_connect

    from playground.public.page import PAGE_COMM

    began = time.perf_counter()
    answer = await AsyncHTTPClient().fetch(url, raise_error=False, request_timeout=90)
    one: dict[str, Any] = {"status": answer.code, "seconds": time.perf_counter() - began}
    told.append(one)
    if answer.code != 200:
        return
    found = re.search(rb'"kernelId": "([0-9a-f-]{36})"', answer.body)
    assert found
    address = f"ws{url.removeprefix('http')}api/kernels/{found[1].decode()}/channels?session_id=s"
    socket = await websocket_connect(address)
    one["searches"] = []
    for number, words in enumerate(("lantern", "a", "tag:x")):
        content = {"do": "find", "n": number, "q": words}
        data = {"method": "custom", "content": content}
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "comm_msg", "session": "s",
                  "username": "", "version": "5.3", "date": "2026-11-21T12:00:00Z"}  # fmt: skip
        asked = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {},
                 "content": {"comm_id": PAGE_COMM, "data": data}}  # fmt: skip
        began = time.perf_counter()
        await socket.write_message(json.dumps(asked))
        while (raw := await socket.read_message()) is not None:
            if isinstance(raw, str) and f'"n": {number}' in raw:
                one["searches"].append(time.perf_counter() - began)
                break
    await asyncio.sleep(STAY_SECONDS)
    socket.close()


async def visits(url: str, count: int, rate: float) -> list[dict[str, Any]]:
    """All of them, at their pace whatever the answers do."""
    from tornado.httpclient import AsyncHTTPClient

    AsyncHTTPClient.configure(None, max_clients=count)
    told: list[dict[str, Any]] = []
    began, under_way = time.perf_counter(), []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        under_way.append(asyncio.create_task(visit(url, told)))
    await asyncio.gather(*under_way)
    return told


def kernels(server: psutil.Process) -> list[psutil.Process]:
    """The kernels below the server."""
    found = []
    for child in server.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # just ended
            if "playground.public.kernel" in child.cmdline():
                found.append(child)
    return found


def private_megabytes(processes: list[psutil.Process]) -> float:
    """Memory that is theirs: shared pages counted once for all (proportional set size)."""
    total = 0
    for each in processes:
        with contextlib.suppress(psutil.Error):
            total += each.memory_full_info().pss
    return total / 1e6


def spread(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    p95 = ordered[round(0.95 * (len(ordered) - 1))]
    middle = ordered[len(ordered) // 2]
    return f"{len(ordered)}, median {middle:.3f} s, p95 {p95:.3f} s, worst {ordered[-1]:.3f} s"


def measure(count: int, rate: float, visitors: int) -> None:
    from playground.demo import make_demo
    from playground.public import launch
    from playground.publish import FIELDS, Selection, publish
    from playground.store import Gallery

    with tempfile.TemporaryDirectory() as place:
        gallery, snapshot = Path(place) / "gallery", Path(place) / "snapshot"
        make_demo(gallery, say=lambda line: None)
        with Gallery(gallery) as opened:
            publish(opened, Selection(everything=True), FIELDS, snapshot)
        with launch.public(snapshot, 0, visitors=visitors) as (url, process):
            server = psutil.Process(process.pid)
            time.sleep(8)  # the first kernels are warm, as on a server that runs for a while
            command = [sys.executable, __file__, "--from", url, "--visits", str(count),
                       "--rate", str(rate)]  # fmt: skip
            most, memory = 0, 0.0
            with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as strangers:
                assert strangers.stdout
                os.set_blocking(strangers.stdout.fileno(), False)
                raw = b""
                while strangers.poll() is None:
                    now = kernels(server)
                    most = max(most, len(now))
                    memory = max(memory, private_megabytes([server, *now]))
                    raw += strangers.stdout.read() or b""
                    time.sleep(0.5)
                raw += strangers.stdout.read() or b""
            over = time.monotonic()
            while len(kernels(server)) > 2 and time.monotonic() - over < 200:
                time.sleep(0.5)
            gone = time.monotonic() - over
            say = sys.stdout.write
            told = json.loads(raw)
            seconds = {
                code: [one["seconds"] for one in told if one["status"] == code]
                for code in (200, 503)
            }
            other = len(told) - sum(map(len, seconds.values()))
            say(f"pages     {spread(seconds[200])}\n")
            say(f"refusals  {spread(seconds[503])}  (limit {LIMIT_REFUSAL_SECONDS} s)\n")
            say(f"searches  {spread([s for one in told for s in one.get('searches', [])])}\n")
            say(f"other answers {other}; kernels at most {most} of {visitors}; ")
            say(f"memory {memory:,.0f} MB; down to the warm ones {gone:.0f} s after the last\n")


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--visits", type=int, default=500)
    words.add_argument("--rate", type=float, default=20)
    words.add_argument("--visitors", type=int, default=20)
    words.add_argument("--from", dest="url", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.url:
        sys.stdout.write(json.dumps(asyncio.run(visits(given.url, given.visits, given.rate))))
    else:
        measure(given.visits, given.rate, given.visitors)


if __name__ == "__main__":
    main()
