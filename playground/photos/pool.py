"""A few decoding children, kept for the next picture, replaced when one dies.

Each is an own program (no fork of a kernel with its threads), started with the standard input and
output as its only tie: it ends when they close, however this process ends. It inherits none of
this process's environment but what an interpreter needs, so it never holds a key.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from playground.errors import PhotoProblem

WALL_SECONDS = 60.0
# Computing time for one picture: three times what the slowest 64 Mpx photo needed when tried.
CPU_SECONDS = 10.0
_MAX_ANSWER_BYTES = 1 << 28
_IDLE_LOOKS = 20
_PIPE_BYTES = 1 << 20
_ENVIRONMENT = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# glibc (elsewhere ignored) gives large blocks back to the system at once and gets them anew, a page
# fault for every 4 kB: an eighth of the time that a photo of 12 megapixels takes.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
# Two bare packages stand in for the real ones, so that only the worker's own modules are loaded.
_START = """
import sys, types
paths, root = eval(sys.argv[1])
sys.path[:] = paths
for name, folder in (("playground", root), ("playground.photos", root + "/photos")):
    sys.modules[name] = module = types.ModuleType(name)
    module.__path__ = [folder]
from playground.photos.worker import main
main()
"""


class _Child:
    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parent.parent)
        inherited = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        paths = [path for path in sys.path if path]
        self.process = subprocess.Popen(  # noqa: S603  our own interpreter and our own text
            [sys.executable, "-I", "-c", _START, repr((paths, root))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # nothing of a message may wait here when this process is forked
            env=inherited | ALLOCATOR,
        )
        self.late = False
        for pipe in (self.process.stdin, self.process.stdout):
            _widen(pipe)

    def ask(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """One question, one answer.

        Raises:
            EOFError, OSError, ValueError: when the child died or talks nonsense.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        _watch.begin(self, WALL_SECONDS)
        try:
            limits = {"bytes": len(data), "cpu_seconds": CPU_SECONDS}
            text = json.dumps(request | limits).encode()
            self._write(len(text).to_bytes(4, "big") + text)
            self._write(data)
            head = self._read(int.from_bytes(self._read(4), "big"))
            result = json.loads(head)
            return result, self._read(int(result["bytes"]))
        finally:
            _watch.end(self)

    def _write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        rest = memoryview(data)
        while rest:
            rest = rest[self.process.stdin.write(rest) :]

    def _read(self, count: int) -> bytes:
        assert self.process.stdout is not None
        if not 0 <= count <= _MAX_ANSWER_BYTES:
            msg = "the decoder's answer is too long"
            raise ValueError(msg)
        parts = []
        while count:
            part = self.process.stdout.read(count)
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def too_late(self) -> None:
        """Kill it: it took longer than anyone waits."""
        self.late = True
        self.process.kill()

    def end(self, grace_seconds: float = 0.0) -> int:
        """End it; returns its exit status (negative: the signal that ended it)."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(grace_seconds)
        self.process.kill()
        return self.process.wait()


def _widen(pipe: Any) -> None:
    """Room for a photo in a pipe (Linux): the child need not wait for each 64 kB to be read."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


class _Watch:
    """Kills children that take too long. One thread for all: a timer for each picture is dear."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[_Child, float] = {}
        self._running = False
        self._wake = threading.Event()

    def begin(self, child: _Child, seconds: float) -> None:
        with self._lock:
            self._until[child] = time.monotonic() + seconds
            if self._running:
                if seconds < 2:  # shorter than it may be asleep for
                    self._wake.set()
                return
            self._running = True
        threading.Thread(target=self._look, name="decoders", daemon=True).start()

    def end(self, child: _Child) -> None:
        with self._lock:
            self._until.pop(child, None)

    def _look(self) -> None:
        idle = 0
        while idle < _IDLE_LOOKS:
            self._wake.wait(min(0.5, WALL_SECONDS / 4))
            self._wake.clear()
            now = time.monotonic()
            with self._lock:
                late = [child for child, until in self._until.items() if until <= now]
                idle = 0 if self._until else idle + 1
                if idle >= _IDLE_LOOKS:
                    self._running = False
            for child in late:
                child.too_late()


_watch = _Watch()


class Pool:
    """At most `size` children, started when they are first needed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._room = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []

    def ask(self, name: str, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Have a child answer; `name` is the picture's, for the message.

        Raises:
            PhotoProblem: when the picture is refused, or its decoding ended the child.
        """
        with self._room:
            child = self._take()
            try:
                result, made = child.ask(request, data)
            except (EOFError, OSError, ValueError) as problem:
                raise PhotoProblem(f"{name}: {_why(child, child.end(1.0))}") from problem
            except BaseException:
                child.end()  # interrupted between question and answer: out of step for good
                raise
            with self._lock:
                self._idle.append(child)
        if "error" in result:
            raise PhotoProblem(f"{name}: {result['error']}")
        return result, made

    def _take(self) -> _Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.process.poll() is None:
                    return child
                child.end()
        return _Child()

    def pids(self) -> list[int]:
        """The process ids of the children that wait for work."""
        with self._lock:
            return [child.process.pid for child in self._idle]

    def close(self) -> None:
        """End the children that wait; the next request starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()


def _why(child: _Child, status: int) -> str:
    if child.late:
        return f"decoding it took longer than {WALL_SECONDS:.0f} seconds"
    if hasattr(signal, "SIGPROF") and status == -signal.SIGPROF:
        return f"decoding it needs more than {CPU_SECONDS:g} seconds of computing time"
    if status > 0:
        return f"the decoder could not run (exit status {status}); is Pillow installed?"
    return "decoding it ended the decoder (it is damaged, or made to do that)"


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# Decoding children, and so photos that are decoded at a time.
WORKERS = max(1, min(4, _processors()))
shared = Pool(WORKERS)


def _forget() -> None:
    """After a fork the children belong to the parent: start with none."""
    global shared, _watch
    shared, _watch = Pool(shared.size), _Watch()


atexit.register(lambda: shared.close())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
