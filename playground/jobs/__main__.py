"""`python -m playground.jobs FOLDER START`: the worker of one job, as `Desk.launch` starts it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from playground.jobs.desk import Post
from playground.jobs.worker import Worker
from playground.provider.connect import connect
from playground.store import Gallery


def main() -> None:
    """Work until there is nothing to do for a while."""
    place, start = Path(sys.argv[1]), int(sys.argv[2])
    worker = Worker(Post(place, start), Gallery, connect)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.close("the program was asked to end"))
    worker.serve()


if __name__ == "__main__":
    main()
