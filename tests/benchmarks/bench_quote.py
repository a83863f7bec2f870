"""How long a quote, a solver query and a fresh command take (`python …/bench_quote.py`).

Prints medians; quote and solver within one warm process, the command as whole processes.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playground import pricing, solver
from playground.values import CaptionRequest, ImageRequest, Photo

WORDS = Path(pricing.__file__).read_text(encoding="utf-8").split()


def medians(call, repeats):
    times = []
    for number in range(repeats):
        begun = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - begun)
    times.sort()
    return {
        "median_ms": round(statistics.median(times) * 1000, 3),
        "p95_ms": round(times[int(len(times) * 0.95)] * 1000, 3),
        "max_ms": round(times[-1] * 1000, 3),
    }


def prompt_of(tokens, number):
    """A different prompt each time: the text cache must not help."""
    return f"{number} " + " ".join(random.Random(number).choices(WORDS, k=tokens // 3))


def quote_bench():
    pricing.quote(ImageRequest("warm"))
    return medians(lambda i: pricing.quote(ImageRequest(prompt_of(200, i))), 500)


def keystroke_bench():
    return medians(lambda i: pricing.quote(ImageRequest(f"{i}" + "a wizard " * 444)), 200)


def solver_bench():
    dice = random.Random(1)
    solver.sizes(top=1)

    def query(_):
        solver.sizes(
            quality=dice.choice([None, "low", "medium", "high"]),
            max_dollars=str(dice.randint(2, 300) / 1000),
            prompt_tokens=dice.randint(0, 400),
            ratio=dice.choice([None, "4:3", "16:9", "1:1"]),
            sort=dice.choice(["pixels", "dollars"]),
            top=20,
        )

    return medians(query, 1000)


def folder_bench():
    dice = random.Random(2)
    shapes = [(dice.randint(600, 6000), dice.randint(600, 6000)) for _ in range(300)]
    photos = [Photo(*dice.choice(shapes)) for _ in range(76_000)]
    begun = time.perf_counter()
    counted = {}
    for _, made in pricing.quote_photos(CaptionRequest(Photo(1, 1)), photos):
        counted[made] = counted.get(made, 0) + 1
    pricing.total_quote(counted)
    return {"seconds_for_76000": round(time.perf_counter() - begun, 3)}


def command_bench(*arguments, repeats=9):
    def run(_):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [sys.executable, *arguments], check=True, capture_output=True, cwd=folder
            )

    run(0)
    return medians(run, repeats)


if __name__ == "__main__":
    results = {
        "quote, 200-token prompt, warm": quote_bench(),
        "quote, 4,000-character prompt, warm": keystroke_bench(),
        "solver, random queries": solver_bench(),
        "76,000 photos quoted from dimensions": folder_bench(),
        "python -c pass": command_bench("-c", "pass"),
        "import playground": command_bench("-c", "import playground"),
        "playground quote image": command_bench(
            "-m", "playground", "quote", "image", "a glass desert", "--json"
        ),
    }
    print(json.dumps(results, indent=2))  # noqa: T201
