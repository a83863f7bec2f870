"""Runs calls in processes that may be killed: loads everything once, then forks for each line.

Reads JSON lines `{"gallery", "base_url", "failpoint", "what", "photo", "times"}` and answers each
with the exit status of its process (negative: the signal that ended it).
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback

import openai

from playground import failpoints, photos, pricing, runner  # noqa: F401  loaded before the fork
from playground.batch import caption_in_batches
from playground.provider.client import Client  # noqa: F401
from playground.provider.connect import connect
from playground.store import Gallery
from playground.values import ImageRequest

PICTURE = {"model": "gpt-image-2", "size": "1440x480", "quality": "low"}


def act(cell: dict) -> None:
    with (
        Gallery(cell["gallery"]) as gallery,
        connect(base_url=cell["base_url"], environ={}) as client,
    ):
        failpoints.arm(cell.get("failpoint"))
        for number in range(cell.get("times", 1)):
            prompt = f"a fox {number}{cell.get('salt', '')}"
            if cell["what"] == "recover":
                runner.recover(gallery)
            elif cell["what"] == "caption":
                runner.caption(cell["photo"], gallery, client)
            elif cell["what"] == "batch":
                caption_in_batches(
                    cell["photo"],
                    gallery,
                    client,
                    wait=lambda _: time.sleep(0.01) or False,
                    max_lines=3,
                    lost_after_seconds=cell.get("lost_after", 0.0),
                )
            elif cell["what"] == "stream":
                options = PICTURE | {"partial_images": 2}
                runner.generate(prompt, gallery, client, on_partial=lambda *_: None, **options)
            else:
                runner.generate(prompt, gallery, client, n=int(cell["what"]), **PICTURE)


def main() -> None:
    pricing.quote(ImageRequest("warm up", **PICTURE))
    # The SDK takes a second to load.
    sdk = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1")
    assert sdk.batches
    assert sdk.files
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                act(json.loads(line))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
