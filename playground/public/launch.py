"""Starting the server for strangers: what it gets of the owner's machine, which is very little.

Its processes see a private folder with one notebook, the snapshot to read, and an environment of
a few names. The owner's keys, settings, galleries, notebooks, Jupyter configuration and start-up
files are not passed on, whatever they are called: this is a list of what goes in, not of what
stays out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from playground import serve as service
from playground.errors import PlaygroundError
from playground.public.settings import MAX_BODY_BYTES, NOTEBOOK, SNAPSHOT_VARIABLE, WARM
from playground.publish import Snapshot

DEFAULT_PORT = 8867
DEFAULT_VISITORS = 20
_KERNEL = "halfpenny-public"
# What an interpreter needs, and nothing that says who is asking.
_ENVIRONMENT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_FRONT_END = [
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
]


def serve(
    snapshot: str | Path,
    port: int | None = None,
    open_browser: bool = True,
    *,
    visitors: int = DEFAULT_VISITORS,
    hosts: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a snapshot to strangers until Ctrl-C.

    It listens on 127.0.0.1: strangers come through a reverse proxy, which brings HTTPS, and whose
    host names are `hosts`. `visitors` is how many may have a kernel at once (about 90 MB each);
    the others are led to the static site, which the same server has under `/site/`.

    Raises:
        PlaygroundError: when it is no snapshot, the port is taken or the server does not start.
    """
    running = public(snapshot, port, visitors=visitors, hosts=hosts, environ=environ)
    with running as (url, process):
        say(f"The public page is at {url} and its static site at {url}site/index.html")
        say(
            f"Up to {visitors} visitors at once, each with a kernel that can neither spend nor "
            "write. Ctrl-C stops."
        )
        if open_browser:
            webbrowser.open(url)
        with contextlib.suppress(KeyboardInterrupt):
            status = process.wait()
            msg = f"The public page ended by itself (status {status}); start it again."
            raise PlaygroundError(msg)


@contextlib.contextmanager
def public(
    snapshot: str | Path,
    port: int | None = None,
    *,
    visitors: int = DEFAULT_VISITORS,
    hosts: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A running server: its address and its process; arguments and errors as in `serve`."""
    with Snapshot(snapshot) as opened:
        folder, title = opened.folder, opened.settings.title
    names = [_host_name(name) for name in hosts]
    chosen = service._port(port, DEFAULT_PORT)
    with tempfile.TemporaryDirectory(prefix="halfpenny-", ignore_cleanup_errors=True) as place:
        home = Path(place)
        root = home / "page"
        root.mkdir()
        (root / NOTEBOOK).write_text(json.dumps(_notebook(title)), encoding="utf-8")
        _kernel_spec(home)
        config = _config(home, root, chosen, visitors=max(1, visitors), names=names)
        (home / "voila.json").write_text(json.dumps(config), encoding="utf-8")
        inside = environment(environ, home, folder)
        arguments = ["playground.public.server", str(root / NOTEBOOK)]
        what = "The public page"
        with service._running(arguments, inside, home, chosen, what, cwd=home) as process:
            yield f"http://127.0.0.1:{chosen}/", process


def environment(environ: Mapping[str, str], home: Path, snapshot: Path) -> dict[str, str]:
    """The whole environment of the server and of every kernel."""
    inside = {name: environ[name] for name in _ENVIRONMENT if name in environ}
    inside[SNAPSHOT_VARIABLE] = str(snapshot)
    data = Path(service.__file__).parent / "data"
    inside["JUPYTER_PATH"] = os.pathsep.join([str(home), str(data)])
    inside["PYTHONDONTWRITEBYTECODE"] = "1"
    for name, folder in {
        "HOME": "home",
        "TMPDIR": "tmp",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }.items():
        (home / folder).mkdir(exist_ok=True)
        inside[name] = str(home / folder)
    return inside


def _host_name(name: str) -> str:
    wanted = name.strip().lower()
    if not _HOST.fullmatch(wanted):
        msg = f"{name!r} is not a host name; write it without https:// and without a port"
        raise PlaygroundError(msg)
    return wanted


def _notebook(title: str) -> dict[str, Any]:
    code = "from playground.public.page import page\n\npage()"
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "public",
        "metadata": {},
        "source": code,
        "outputs": [],
        "execution_count": None,
    }
    spec = {"name": _KERNEL, "display_name": "Python 3", "language": "python"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": spec, "language_info": {"name": "python"}, "title": title},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _kernel_spec(home: Path) -> None:
    folder = home / "kernels" / _KERNEL
    folder.mkdir(parents=True)
    start = [sys.executable, "-m", "playground.public.kernel", "-f", "{connection_file}"]
    spec = {"argv": start, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def _config(
    home: Path, root: Path, port: int, *, visitors: int, names: Sequence[str]
) -> dict[str, Any]:
    return {
        "Voila": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "open_browser": False,
            "root_dir": str(root),
            "connection_dir_root": str(home),
            "tornado_settings": {"websocket_max_message_size": MAX_BODY_BYTES},
        },
        "PublicVoila": {"host_names": list(names)},
        "PublicKernelManager": {"cap": visitors},
        "VoilaConfiguration": {
            "template": "halfpenny-public",
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "file_allowlist": [],
            "preheat_kernel": True,
            "default_pool_size": min(WARM, visitors),
            "show_tracebacks": False,
            "extension_allowlist": _FRONT_END,
        },
        "VoilaKernelManager": {"fill_delay": 0.3},
        "KernelManager": {"autorestart": False},
        # `server` knows better who is still there.
        "MappingKernelManager": {"cull_idle_timeout": 0, "buffer_offline_messages": False},
    }
