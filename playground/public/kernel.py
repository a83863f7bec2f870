"""The kernel of a visit: `python -m playground.public.kernel -f CONNECTION_FILE`.

It runs the public page's one notebook and then only answers its searches. From then on it cannot
write to files, and what a visitor could make it do is bound: memory, computing time, open files.
"""

from __future__ import annotations

import contextlib
import os
import sys

from playground.public import guard

MEMORY_BYTES = 2 << 30  # of address space, most of which is never touched
CPU_SECONDS = 120  # in the life of a visit
OPEN_FILES = 256
NICE = 10  # the server answers everybody, so its turn comes before any one visit's


def limit() -> None:
    """Bound this process; a platform without these limits keeps the server's time limits."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        for name, value in (
            ("RLIMIT_AS", MEMORY_BYTES),
            ("RLIMIT_CPU", CPU_SECONDS),
            ("RLIMIT_CORE", 0),
            ("RLIMIT_NOFILE", OPEN_FILES),
        ):
            resource.setrlimit(getattr(resource, name), (value, value))


def forbid_writing() -> None:
    """No file may be written from here on: the kernel itself has written its last one.

    Files of length zero can still be made, in folders where this process may; there are none
    but its own temporary one.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> None:
    """Become a kernel."""
    guard.install()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    # Nothing of a visit is to be in the server's log, and soon no file can be written.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    limit()
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance(
        argv=[
            *sys.argv[1:],
            "--HistoryManager.enabled=False",
            "--IPKernelApp.ip=127.0.0.1",
            "--InteractiveShell.cache_size=0",
        ]
    )


if __name__ == "__main__":
    main()
