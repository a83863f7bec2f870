"""An archive's run against what people write today: the same photos, the same loopback server.

    python tests/benchmarks/bench_archive.py [--photos small|big] [--count N] [--resize PX]
        [--uplink-mbit M] [--latency-ms MS] [--folder DIR]

The peer is the usual loop: the SDK's AsyncOpenAI, 64 calls at a time, files sent as they are, a row
written for each answer. Ours is `playground caption` with everything that it does: reservations
and results durable before they count, metadata stripped, photos kept, hashed and searchable.
Figures (2 cores): small photos as they are 2 times the peer's photos a second and less CPU for
each; 12 megapixels as they are 1.5 times; resized over 100 Mbit/s 8 times with a tenth of the
bytes. With `--resize` the share of this machine's own limit (decode, resize, encode, nothing
else) is measured in the same run; its figure is 80 %. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image, ImageChops

HERE = Path(__file__).parent
SIZES = {"small": (1024, 768), "big": (4032, 3024)}
COUNTS = {"small": 1_000, "big": 100}
MODEL = "gpt-5.4-nano"
PROMPT = "Describe this photo in one sentence."


def made(folder: Path, kind: str, count: int) -> None:
    """Photo-like JPEGs of about 0.3 and 2.6 MB, all different, none of them turned."""
    draw, size = random.Random(1), SIZES[kind]
    coarse = Image.effect_noise((size[0] // 24, size[1] // 24), 90).resize(size)
    grain = Image.effect_noise(size, 14 if kind == "big" else 30)
    grey = Image.blend(coarse, grain, 0.4)
    photo = Image.merge("RGB", (grey, ImageChops.offset(grey, 40, 90), ImageChops.invert(coarse)))
    for number in range(count):
        moved = ImageChops.offset(photo, draw.randrange(size[0]), draw.randrange(size[1]))
        moved.save(folder / f"{number:05}.jpg", quality=86)


async def peer(folder: str, base_url: str, rows: str) -> None:
    """The loop that people write."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=base_url, api_key="stub")
    gate, database = asyncio.Semaphore(64), sqlite3.connect(rows)
    database.execute("CREATE TABLE captions (path TEXT, caption TEXT, tokens INTEGER)")

    async def one(path: Path) -> None:
        async with gate:
            link = "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()
            content = [
                {"type": "text", "text": PROMPT},
                {"type": "image_url", "image_url": {"url": link}},
            ]
            answer = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": content}], max_tokens=100
            )
            row = (str(path), answer.choices[0].message.content, answer.usage.total_tokens)
            database.execute("INSERT INTO captions VALUES (?, ?, ?)", row)
            database.commit()

    await asyncio.gather(*[one(path) for path in sorted(Path(folder).glob("*.jpg"))])


def measured(command: list[str], settings: dict) -> dict:
    """One contender against a server of its own."""
    server = subprocess.Popen(
        [sys.executable, str(HERE / "loopback.py"), json.dumps(settings)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        port = int(server.stdout.readline())
        url = f"http://127.0.0.1:{port}"
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        environment = os.environ | {"OPENAI_API_KEY": "stub"}
        words = [word.replace("{url}", f"{url}/v1") for word in command]
        subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with urllib.request.urlopen(f"{url}/stats") as answer:
            stats = json.load(answer)
    finally:
        server.terminate()
        server.wait()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    count = stats["photos"]
    return {
        "photos_per_second": round(count / seconds, 1),
        "while_calling": round(count / stats["seconds"], 1),
        "cpu_ms_per_photo": round(1_000 * cpu / count, 2),
        "kb_per_photo": round(stats["bytes"] / count / 1_000),
        "image_tokens_per_photo": round(stats["image_tokens"] / count),
        "photos": count,
        "twice": stats["twice"],
    }


def prepared(job: tuple[str, int]) -> int:
    """What cannot be saved: read, decode at a reduced scale, fit, encode."""
    path, edge = job
    with Image.open(path) as image:
        longest = max(image.size)
        size = tuple(max(1, side * edge // longest) for side in image.size)
        image.draft("RGB", size)
        out = io.BytesIO()
        image.resize(size, Image.Resampling.HAMMING).save(out, "JPEG", quality=85)
    return len(out.getvalue())


def machine_limit(folder: Path, edge: int) -> float:
    """Photos a second that all cores together can decode, fit and encode."""
    jobs = [(str(path), edge) for path in sorted(folder.glob("*.jpg"))]
    with ProcessPoolExecutor() as pool:
        list(pool.map(prepared, jobs[:4]))
        begun = time.perf_counter()
        list(pool.map(prepared, jobs))
        return len(jobs) / (time.perf_counter() - begun)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--photos", choices=SIZES, default="small")
    options.add_argument("--count", type=int)
    options.add_argument("--resize", type=int)
    options.add_argument("--uplink-mbit", type=float, default=0)
    options.add_argument("--latency-ms", type=float, default=180)
    options.add_argument("--folder", type=Path, help="where all is made (a real disk)")
    options.add_argument("--concurrency", type=int, default=128)
    options.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.peer:
        asyncio.run(peer(*asked.peer))
        return 0
    settings = {"latency_ms": asked.latency_ms, "uplink_mbit": asked.uplink_mbit}
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        made(folder, asked.photos, asked.count or COUNTS[asked.photos])
        theirs = [sys.executable, __file__, "--peer", str(folder), "{url}", f"{name}/peer.db"]
        ours = [sys.executable, "-m", "playground", "caption", str(folder), "--base-url", "{url}"]
        ours += ["--gallery", f"{name}/gallery", "--endpoint", "chat", "--model", MODEL, "--yes"]
        ours += ["--price", "text_input=0.2,text_output=1.25", "--concurrency"]
        ours += [str(asked.concurrency), "--json", "--prompt", PROMPT]
        ours += ["--resize", str(asked.resize)] if asked.resize else []
        line: dict = {"photos": asked.photos, "peer": measured(theirs, settings)}
        line["ours"] = measured(ours, settings)
        for key in ("photos_per_second", "while_calling", "cpu_ms_per_photo", "kb_per_photo"):
            line[f"{key}_ratio"] = round(line["ours"][key] / line["peer"][key], 2)
        if asked.resize:
            limit = machine_limit(folder, asked.resize)
            line["machine_limit"] = round(limit, 1)
            line["share_of_limit"] = round(line["ours"]["while_calling"] / limit, 2)
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
