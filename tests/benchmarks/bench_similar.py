"""How long near-duplicates take to be found: looks of photos, and their comparison.

    .venv/bin/python tests/benchmarks/bench_similar.py [COUNT]

76,000 looks (a tenth of them near copies, bits as skewed as photographs have them) are grouped; and
photographs of 12 megapixels and of 1024 x 768 are decoded for their look, on all cores.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from playground import photos
from playground.photos import similar

SAMPLES = Path(photos.__file__).parent.parent / "data" / "photos"


def looks(count: int) -> list[tuple[int, bytes]]:
    draw = random.Random(2)
    made: list[tuple[int, bytes]] = []
    for number in range(count):
        if number % 10 == 9:
            _, near = made[draw.randrange(len(made))]
            bits = int.from_bytes(near[:16], "big")
            for bit in draw.sample(range(128), draw.randrange(10)):
                bits ^= 1 << bit
            colour = near[16:]
        else:
            bits = draw.getrandbits(128)
            bits &= draw.getrandbits(128) if number % 3 else (1 << 128) - 1
            colour = bytes(draw.randrange(60, 190) for _ in range(3))
        made.append((number, bits.to_bytes(16, "big") + colour))
    return made


def main() -> None:
    """Print both figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 76_000
    known = looks(count)
    begun = time.perf_counter()
    groups = similar.groups(known)
    sys.stdout.write(
        f"{count:,} looks compared in {time.perf_counter() - begun:.1f} s: {len(groups):,} groups\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        for size, number in (((4032, 3024), 40), ((1024, 768), 200)):
            paths = []
            for at in range(number):
                sample = sorted(SAMPLES.glob("*.jpg"))[at % 10]
                paths.append(Path(folder) / f"{size[0]}-{at}.jpg")
                with Image.open(sample) as image:
                    image.convert("RGB").resize(size).save(paths[-1], quality=85)
            measured = [photos.measure(path) for path in paths]
            begun = time.perf_counter()
            found = sum(1 for _ in similar.looks(measured))
            rate = found / (time.perf_counter() - begun)
            whole = 76_000 / rate / 60
            sys.stdout.write(
                f"{size[0]}x{size[1]}: {rate:.0f} looks/s ({whole:.1f} min for 76,000)\n"
            )


if __name__ == "__main__":
    main()
