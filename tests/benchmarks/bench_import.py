"""How long `import playground` takes in a fresh interpreter, and what it must not load.

python tests/benchmarks/bench_import.py      prints seconds, the best of ten
"""

from __future__ import annotations

import json
import subprocess
import sys

LIMIT_SECONDS = 0.2
HEAVY = ("openai", "httpx2", "ipywidgets", "anywidget", "pandas", "sqlalchemy", "PIL", "tiktoken")
_PROBE = """
import json, sys, time
start = time.perf_counter()
import playground
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in sys.argv[1:] if name in sys.modules]]))
"""


def measure() -> tuple[float, list[str]]:
    """Seconds that the import took in a new process, and which heavy libraries it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *HEAVY], capture_output=True, text=True, check=True
    )
    seconds, loaded = json.loads(done.stdout)
    return seconds, loaded


def best(times: int = 10) -> float:
    """The shortest of several runs: the others measure what else the machine was doing."""
    return min(measure()[0] for _ in range(times))


if __name__ == "__main__":
    sys.stdout.write(f"import playground: {best():.3f} s (limit {LIMIT_SECONDS} s)\n")
