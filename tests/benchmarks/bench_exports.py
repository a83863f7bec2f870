"""How quick a large gallery leaves as tables, and that memory stays flat.

    python tests/benchmarks/bench_gallery.py make FOLDER --items 100000
    python tests/benchmarks/bench_exports.py FOLDER [--formats csv,json,parquet,markdown]

Each format is written by a process of its own, a thousand items first and then all: items a second,
and peak memory of both in MB. The difference is what the length of the gallery costs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMATS = ("csv", "json", "jsonl", "parquet", "markdown")


def one(folder: str, format_: str, most: int) -> dict[str, float]:
    """Write one export in this process."""
    import resource

    from playground import exports
    from playground.store import Gallery

    class Some(exports.Selection):
        def items(self, gallery):
            return itertools.islice(super().items(gallery), most or None)

    with Gallery(folder, read_only=True) as gallery, tempfile.TemporaryDirectory() as room:
        start = time.perf_counter()
        write = getattr(exports, f"to_{format_}")
        done = write(gallery, Path(room) / f"out.{format_}", chosen=Some())
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"items": done.items, "per_second": done.items / seconds, "peak_mb": peak / 1024}


def main() -> None:
    """Measure the formats, each in children."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--child", nargs=2, metavar=("FORMAT", "MOST"))
    arguments = parser.parse_args()
    if arguments.child:
        format_, most = arguments.child
        sys.stdout.write(json.dumps(one(arguments.folder, format_, int(most))))
        return
    for format_ in arguments.formats.split(","):
        few, all_ = (
            json.loads(
                subprocess.run(
                    [sys.executable, __file__, arguments.folder, "--child", format_, most],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for most in ("1000", "0")
        )
        sys.stdout.write(
            f"{format_:9} {all_['items']:,} items, {all_['per_second']:,.0f}/s, peak "
            f"{few['peak_mb']:.0f} MB for {few['items']:,}, {all_['peak_mb']:.0f} MB for all\n"
        )


if __name__ == "__main__":
    main()
