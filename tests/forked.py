"""Programs that may be killed, begun quickly: all is loaded once, and each is a fork of that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

PROGRAM = Path(__file__).with_name("faults") / "zygote.py"


class Run:
    """One program; `status` is how it ended (negative: the signal), None while it runs."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self._zygote, self.pid = zygote, pid
        self._status: int | None = None

    @property
    def status(self) -> int | None:
        if self._status is None:
            self._status = self._zygote.say({"poll": self.pid})
        return self._status

    def wait(self, seconds: float = 120) -> int:
        """How it ended; an AssertionError when it has not within so many seconds."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.005)
        return self.status

    def kill(self) -> bool:
        """SIGKILL; whether it was that which ended it."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def kill_when(self, due: Callable[[], bool], seconds: float = 300) -> bool:
        """SIGKILL as soon as it is due; False when it had ended before."""
        deadline = time.monotonic() + seconds
        while not due() and self.status is None:
            assert time.monotonic() < deadline, "what it is to be killed at does not come"
            time.sleep(0.005)
        return self.kill()


class Zygote:
    """What the programs are forks of."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def say(self, words: dict[str, Any]) -> Any:
        """What the zygote answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def begin(self, what: str, **cell: Any) -> Run:
        """Begin a program; `zygote.py` says what there is."""
        return Run(self, self.say({"what": what, "begin": True, **cell}))

    def do(self, what: str, **cell: Any) -> int:
        """Run a program to its end; how it ended."""
        return int(self.say({"what": what, **cell}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
