"""Photos measured a second: headers of 2,000 JPEG files, warm. Figure: at least 5,000.

    python tests/benchmarks/bench_headers.py

Prints one JSON line; exits 1 below the figure.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from playground import photos

COUNT = 2_000
FIGURE = 5_000


def make(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Bench"
    exif[0x927C] = bytes(12_000)  # stands for a maker note and an embedded thumbnail
    noise = Image.effect_noise((640, 480), 60).convert("RGB")
    out = io.BytesIO()
    noise.resize((2_016, 1_512)).save(out, "JPEG", quality=85, exif=exif)
    for number in range(COUNT):
        (folder / f"IMG_{number:05}.jpg").write_bytes(out.getvalue() + number.to_bytes(2, "big"))


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        rates = []
        for _ in range(4):
            begin = time.perf_counter()
            measured = list(photos.measure_many(photos.scan(name)))
            rates.append(COUNT / (time.perf_counter() - begin))
        assert all(photo.size.width_px == 1_512 for photo in measured)
    best = max(rates[1:])
    line = {"photos_per_second": round(best), "first": round(rates[0]), "figure": FIGURE}
    sys.stdout.write(json.dumps(line) + "\n")
    return 0 if best >= FIGURE else 1


if __name__ == "__main__":
    sys.exit(main())
