"""Named places where a test may kill, fail or delay the engine.

`PLAY_FAILPOINT=name:n:action[,name:n:action…]` makes the n-th arrival at `name` do `action`:
`kill` (SIGKILL to this process: no cleanup of any kind), `raise` (an unexpected error), or
`delay=SECONDS`. Without the variable a failpoint is one dictionary look-up.

The places, in the order in which a paid call passes them: pre_reserve, post_reserve, pre_send,
headers, mid_body, body_done, pre_tmp, mid_tmp, post_fsync, post_rename, pre_settle, in_settle,
post_settle; elsewhere: in_recovery, in_migration. A batch passes batch_reserved, batch_uploaded,
batch_creating, batch_created, batch_recorded, batch_downloaded, in_ingest, batch_closing, in_close.
"""

from __future__ import annotations

import os
import signal
import threading
import time

_lock = threading.Lock()
_arrivals: dict[str, int] = {}


class FailpointReached(Exception):
    """Raised where a test asked for it; stands for any unexpected error."""


def _plans() -> dict[str, tuple[int, str]]:
    plans = {}
    for part in filter(None, os.environ.get("PLAY_FAILPOINT", "").split(",")):
        name, number, action = part.split(":", 2)
        plans[name] = (int(number), action)
    return plans


_planned = _plans()


def arm(text: str | None) -> None:
    """Replace the plan of this process (tests); None or "" disarms."""
    global _planned
    with _lock:
        os.environ["PLAY_FAILPOINT"] = text or ""
        _planned = _plans()
        _arrivals.clear()


def hit(name: str) -> None:
    """Mark an arrival at `name`, and do what the environment planned for it."""
    plan = _planned.get(name)
    if plan is None:
        return
    with _lock:
        _arrivals[name] = arrivals = _arrivals.get(name, 0) + 1
    number, action = plan
    if arrivals != number:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "raise":
        raise FailpointReached(name)
    elif action.startswith("delay="):
        time.sleep(float(action.removeprefix("delay=")))
    else:
        msg = f"unknown failpoint action {action!r}"
        raise ValueError(msg)
