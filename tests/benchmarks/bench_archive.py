"""An archive's run against what people write today: the same photos, the same loopback server.

    python tests/benchmarks/bench_archive.py [--photos small|big] [--count N] [--turned SHARE]
        [--as-is] [--resize PX] [--uplink-mbit M] [--latency-ms MS] [--folder DIR]
    python tests/benchmarks/bench_archive.py --all [--folder DIR]

The peer is the usual loop: the SDK's AsyncOpenAI, 64 calls at a time, files sent as they are, a row
written for each answer. Ours is `playground caption` with everything that it does: reservations
and results durable before they count, metadata stripped, photos kept, hashed and searchable.
Figures (2 cores): small photos as they are 2 times the peer's photos a second and less CPU for
each; 12 megapixels as they are 1.5 times; resized over 100 Mbit/s 8 times with a tenth of the
bytes. With `--resize` the share of this machine's own limit (decode, resize, encode, nothing
else, with Pillow and, where it is installed, simplejpeg: the better one counts) is measured in the
same run; its figure is 80 %. The same with an allocator that keeps its memory, as our decoders
have it, is told beside it. `--turned` is the share of photos with an orientation tag, which are
turned upright before they are sent unless `--as-is` leaves them. Prints one JSON line, with `--all`
one for each of the rows above.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib.util
import io
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image, ImageChops

from playground.photos import pool

HERE = Path(__file__).parent
SIZES = {"small": (1024, 768), "big": (4032, 3024)}
COUNTS = {"small": 1_000, "big": 100}
ROWS = (
    ["--photos", "small"],
    ["--photos", "small", "--turned", "0.2", "--as-is"],
    ["--photos", "small", "--turned", "0.2"],
    ["--photos", "big"],
    ["--photos", "big", "--turned", "0.2", "--as-is"],
    ["--photos", "big", "--turned", "0.2"],
    ["--photos", "big", "--turned", "0.2", "--resize", "768"],
    ["--photos", "big", "--turned", "0.2", "--resize", "768", "--uplink-mbit", "100"],
)
MODEL = "gpt-5.4-nano"
PROMPT = "Describe this photo in one sentence."


def made(folder: Path, kind: str, count: int, turned: float) -> None:
    """Photo-like JPEGs of about 0.3 and 2.6 MB, all different, a share of them with a turn tag."""
    tag = Image.Exif()
    tag[0x0112] = 6
    draw, size = random.Random(1), SIZES[kind]
    coarse = Image.effect_noise((size[0] // 24, size[1] // 24), 90).resize(size)
    grain = Image.effect_noise(size, 14 if kind == "big" else 30)
    grey = Image.blend(coarse, grain, 0.4)
    photo = Image.merge("RGB", (grey, ImageChops.offset(grey, 40, 90), ImageChops.invert(coarse)))
    for number in range(count):
        moved = ImageChops.offset(photo, draw.randrange(size[0]), draw.randrange(size[1]))
        how = {"exif": tag} if int(number * turned) < int((number + 1) * turned) else {}
        moved.save(folder / f"{number:05}.jpg", quality=86, **how)


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
        begun = time.perf_counter()
        environment = os.environ | {"OPENAI_API_KEY": "stub"}
        words = [word.replace("{url}", f"{url}/v1") for word in command]
        asker = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(asker.pid, 0)
        asker.returncode = os.waitstatus_to_exitcode(status)
        if asker.returncode:
            raise subprocess.CalledProcessError(asker.returncode, words)
        seconds = time.perf_counter() - begun
        with urllib.request.urlopen(f"{url}/stats") as answer:
            stats = json.load(answer)
    finally:
        server.terminate()
        server.wait()
    cpu = used.ru_utime + used.ru_stime
    count = stats["photos"]
    return {
        "photos_per_second": round(count / seconds, 1),
        "while_calling": round(count / stats["seconds"], 1),
        "cpu_ms_per_photo": round(1_000 * cpu / count, 2),
        "kb_per_photo": round(stats["bytes"] / count / 1_000),
        "peak_mb": round(used.ru_maxrss * (1 if sys.platform == "darwin" else 1_024) / 1e6),
        "image_tokens_per_photo": round(stats["image_tokens"] / count),
        "photos": count,
        "twice": stats["twice"],
    }


def fitted(width: int, height: int, edge: int) -> tuple[int, int]:
    longest = max(width, height)
    return max(1, width * edge // longest), max(1, height * edge // longest)


def by_pillow(path: str, edge: int) -> int:
    """What cannot be saved: read, decode at a reduced scale, fit, encode."""
    with Image.open(path) as image:
        size = fitted(*image.size, edge)
        image.draft("RGB", size)
        out = io.BytesIO()
        image.resize(size, Image.Resampling.HAMMING, reducing_gap=1.0).save(out, "JPEG", quality=85)
    return len(out.getvalue())


def by_simplejpeg(path: str, edge: int) -> int:
    """The same with simplejpeg; Pillow resizes."""
    import numpy as np
    import simplejpeg

    data = Path(path).read_bytes()
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    size = fitted(width, height, edge)
    pixels = simplejpeg.decode_jpeg(
        data, "RGBX", fastdct=True, fastupsample=True, min_width=size[0], min_height=size[1]
    )
    image = Image.frombuffer("RGBX", pixels.shape[1::-1], pixels, "raw", "RGBX", 0, 1)
    small = np.asarray(image.resize(size, Image.Resampling.HAMMING, reducing_gap=1.0))
    return len(simplejpeg.encode_jpeg(small, 85, "RGBX", colorsubsampling="420", fastdct=True))


def machine_limit(folder: Path, edge: int) -> dict[str, float]:
    """Photos a second that all cores together can decode, fit and encode, by library.

    Each once as a program would use it, and once with an allocator that keeps its memory, as our
    decoding children have it (`playground.photos.pool`).
    """
    ways: list[Callable[[str, int], int]] = [by_pillow]
    if importlib.util.find_spec("simplejpeg"):
        ways.append(by_simplejpeg)
    paths = sorted(str(path) for path in folder.glob("*.jpg"))
    found = {}
    for settings in ({}, pool.ALLOCATOR):
        kept = dict(os.environ)
        os.environ.update(settings)
        # Not forked: the allocator reads its settings when a program starts.
        with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as workers:
            for way in ways:
                list(workers.map(way, paths[:8], [edge] * 8))
                begun = time.perf_counter()
                list(workers.map(way, paths, [edge] * len(paths)))
                rate = len(paths) / (time.perf_counter() - begun)
                found[way.__name__ + ("_kept_memory" if settings else "")] = round(rate, 1)
        os.environ.clear()
        os.environ.update(kept)
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--photos", choices=SIZES, default="small")
    options.add_argument("--count", type=int)
    options.add_argument("--turned", type=float, default=0, help="share of photos with a turn tag")
    options.add_argument("--as-is", action="store_true", help="leave those as they are")
    options.add_argument("--resize", type=int)
    options.add_argument("--uplink-mbit", type=float, default=0)
    options.add_argument("--latency-ms", type=float, default=180)
    options.add_argument("--folder", type=Path, help="where all is made (a real disk)")
    options.add_argument("--concurrency", type=int, default=128)
    options.add_argument("--all", action="store_true", help="every row that has a figure")
    options.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.peer:
        asyncio.run(peer(*asked.peer))
        return 0
    given = ["--folder", str(asked.folder)] if asked.folder else []
    for row in [[*row, *given] for row in ROWS] if asked.all else [sys.argv[1:]]:
        sys.stdout.write(json.dumps(one_row(options.parse_args(row))) + "\n")
        sys.stdout.flush()
    return 0


def one_row(asked: argparse.Namespace) -> dict:
    """The peer and ours on the same photos."""
    settings = {"latency_ms": asked.latency_ms, "uplink_mbit": asked.uplink_mbit}
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        made(folder, asked.photos, asked.count or COUNTS[asked.photos], asked.turned)
        theirs = [sys.executable, __file__, "--peer", str(folder), "{url}", f"{name}/peer.db"]
        ours = [sys.executable, "-m", "playground", "caption", str(folder), "--base-url", "{url}"]
        ours += ["--gallery", f"{name}/gallery", "--endpoint", "chat", "--model", MODEL, "--yes"]
        ours += ["--price", "text_input=0.2,text_output=1.25", "--concurrency"]
        ours += [str(asked.concurrency), "--json", "--prompt", PROMPT]
        ours += ["--resize", str(asked.resize)] if asked.resize else []
        ours += ["--as-is"] if asked.as_is else []
        line: dict = {
            name: value
            for name, value in vars(asked).items()
            if name in {"photos", "turned", "as_is", "resize", "uplink_mbit"} and value
        }
        line["peer"] = measured(theirs, settings)
        line["ours"] = measured(ours, settings)
        for key in ("photos_per_second", "while_calling", "cpu_ms_per_photo", "kb_per_photo"):
            line[f"{key}_ratio"] = round(line["ours"][key] / line["peer"][key], 2)
        if asked.resize and not asked.uplink_mbit:
            line["machine_limit"] = machine_limit(folder, asked.resize)
            plain = [rate for way, rate in line["machine_limit"].items() if "kept" not in way]
            ours = line["ours"]["while_calling"]
            line["share_of_limit"] = round(ours / max(plain), 2)
            line["share_of_tuned_limit"] = round(ours / max(line["machine_limit"].values()), 2)
    return line


if __name__ == "__main__":
    sys.exit(main())
