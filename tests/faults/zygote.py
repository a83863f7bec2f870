"""Runs calls in processes that may be killed: loads everything once, then forks for each line.

Reads JSON lines `{"gallery", "base_url", "failpoint", "what", "photo", "times"}` and answers each
with the exit status of its process (negative: the signal that ended it). With `begin` it answers
with the process's id at once, and `{"poll": id}` with its status, or null while it runs.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path

import openai

from playground import failpoints, photos, pricing, runner, tokens  # noqa: F401  loaded before the fork
from playground.batch import caption_in_batches
from playground.provider import client as clients
from playground.provider.connect import connect
from playground.store import Gallery
from playground.values import ImageRequest

PICTURE = {"model": "gpt-image-2", "size": "1440x480", "quality": "low"}


def act(cell: dict) -> None:
    # Some faults are answers that never come.
    clients.CAPTION_SECONDS = cell.get("patience", clients.CAPTION_SECONDS)
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
            elif cell["what"] == "folder":
                options = {"confirm": True} | cell.get("options", {})
                done = runner.caption_folder(cell["photo"], gallery, client, **options)
                if "told" in cell:
                    Path(cell["told"]).write_text(json.dumps(done.to_dict()))
            elif cell["what"] == "batch":
                caption_in_batches(
                    cell["photo"],
                    gallery,
                    client,
                    wait=lambda _: time.sleep(0.01) or False,
                    max_lines=cell.get("max_lines", 3),
                    lost_after_seconds=cell.get("lost_after", 0.0),
                )
            elif cell["what"] == "stream":
                options = PICTURE | {"partial_images": 2}
                runner.generate(prompt, gallery, client, on_partial=lambda *_: None, **options)
            else:
                runner.generate(prompt, gallery, client, n=int(cell["what"]), **PICTURE)


def main() -> None:
    pricing.quote(ImageRequest("warm up", **PICTURE))
    assert tokens.count_text("warm up") == 2
    # The SDK takes a second to load.
    sdk = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1")
    assert sdk.batches
    assert sdk.files
    for line in sys.stdin:
        cell = json.loads(line)
        if "poll" in cell:
            pid, status = os.waitpid(cell["poll"], os.WNOHANG)
            answer(os.waitstatus_to_exitcode(status) if pid else None)
            continue
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                act(cell)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        if cell.get("begin"):
            answer(pid)
            continue
        _, status = os.waitpid(pid, 0)
        answer(os.waitstatus_to_exitcode(status))


def answer(what: int | None) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
