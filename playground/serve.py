"""The pages under Voilà, and JupyterLab on the notebooks, started with the right settings.

The server listens on 127.0.0.1 only, asks for a token, refuses foreign host names (a web page
could otherwise reach it by DNS rebinding), loads nothing from a CDN, and sees no folder but a
private one with the notebooks in it: what lies below Voilà's root is served to anybody, token or
not.

    pages    notebooks                          key
    gallery  the gallery                        neither the server nor a kernel has one
    all      the gallery, the pricing lab and   the server and the kernels of those pages; the
             the pages that spend               gallery's and the lab's drop it as they start
             (playground, captions, …)
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from playground.errors import PlaygroundError
from playground.provider.connect import provider_name

DEFAULT_PORT = 8866
LAB_PORT = 8888
START_SECONDS = 60
STOP_SECONDS = 15
# A kernel whose page was closed is not told so (voila#1458): it goes when it has been idle.
IDLE_SECONDS = 300
FILL_SECONDS = 2.5
# Above the 10 MiB default, at which an upload is lost without a word.
MESSAGE_BYTES = 100 * 1024 * 1024

Pages = Literal["gallery", "all"]
# The pages in the order of their bar; a notebook that is none of them is not served.
_PAGES = ("gallery", "1_playground", "2_captions", "3_archive", "4_pricing_lab")
# Pages that never spend: their kernel starts by dropping every key.
_NEVER_SPEND = {"gallery", "4_pricing_lab"}
_KEYLESS = "halfpenny-keyless"
_KEYLESS_START = """
import os, sys
secret = lambda name: name.startswith("OPENAI_") or name.endswith(("_API_KEY", "_API_TOKEN"))
kept = {name: value for name, value in os.environ.items() if not secret(name)}
os.execve(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *sys.argv[1:]], kept)
"""

# The front end's extensions that the pages need: the widgets, and Voilà's manager of them.
_FRONT_END = [
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
]
_PACKAGE = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' ws: wss: blob:; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
}
# The child ends when its standard input does, so no server outlives a parent that was killed, and
# takes its private folder along. A module is kept from it: jsonschema would build the grammars of
# international web addresses with it, in about 3 s, for a format that no notebook's schema names.
_CHILD = """
import os, runpy, shutil, signal, sys, threading
home, module = sys.argv[1:3]
del sys.argv[1:3]
sys.modules["rfc3987_syntax"] = None
def watch():
    while os.read(0, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    shutil.rmtree(home, ignore_errors=True)
"""


def serve(
    gallery: str | Path | None = None,
    port: int | None = None,
    open_browser: bool = True,
    *,
    pages: Pages = "all",
    environ: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the pages to their owner until Ctrl-C.

    Args:
        gallery: folder or URL; `PLAYGROUND_GALLERY` or ./gallery by default.
        port: on 127.0.0.1; 8866 by default, or any free one when that is taken; 0: any free one.
        open_browser: open the page, token included; otherwise its address is only said.
        pages: `all`, or `gallery` alone, which cannot spend and gets no key.
        environ: the environment of the server; for `gallery` without what looks like a key.
        say: gets the lines for the user.

    Raises:
        PlaygroundError: when the given port is taken or the server does not start.
    """
    with voila(gallery, port, pages=pages, environ=environ) as (url, process):
        say(f"The gallery is at {url}")
        can = "see and annotate" if pages == "gallery" else "see, annotate and spend"
        say(f"This address holds a token: who has it can {can}. Ctrl-C stops.")
        if open_browser:
            webbrowser.open(url)
        _wait(process, "The gallery page")


def lab(
    port: int | None = None,
    open_browser: bool = True,
    *,
    environ: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = print,
) -> None:
    """JupyterLab on the notebooks, with the owner's own environment and settings, until Ctrl-C.

    Raises:
        PlaygroundError: when the given port is taken or the server does not start.
    """
    with jupyterlab(port, environ=environ) as (url, process):
        say(f"JupyterLab is at {url}")
        if open_browser:
            webbrowser.open(url)
        _wait(process, "JupyterLab")


@contextlib.contextmanager
def voila(
    gallery: str | Path | None = None,
    port: int | None = None,
    *,
    pages: Pages = "gallery",
    environ: Mapping[str, str] = os.environ,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
    preheat: bool = True,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A running server: the address of its gallery page with the token, and its process.

    Everything that belongs to it is gone afterwards: kernels, connection files, the private
    folder. Arguments and errors as in `serve`; `extra` are notebooks by name that are served
    beside the pages (measurements compare with them), `preheat` keeps a kernel for each page
    waiting that ran it already.
    """
    chosen = _port(port, DEFAULT_PORT)
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="halfpenny-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        root = home / "page"
        root.mkdir()
        served = _copy_pages(root, pages)
        for name, notebook in (extra or {}).items():
            (root / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        _kernel_spec(home, "python3", ["-m", "ipykernel_launcher"])
        _kernel_spec(home, _KEYLESS, ["-c", _KEYLESS_START])
        config = {
            "Voila": {
                "ip": "127.0.0.1",
                "port": chosen,
                "port_retries": 0,
                "open_browser": False,
                "root_dir": str(root),
                "connection_dir_root": str(home),
                "token": token,
                "tornado_settings": {
                    "allow_remote_access": False,
                    "local_hostnames": ["localhost"],
                    "websocket_max_message_size": MESSAGE_BYTES,
                    "headers": _HEADERS,
                },
            },
            "VoilaConfiguration": {
                "template": "halfpenny",
                "allow_template_override": "NO",
                "file_allowlist": [],
                "preheat_kernel": preheat,
                "default_pool_size": 1,
                "show_tracebacks": False,
                # Others would only make the page wait (and run in it).
                "extension_allowlist": _FRONT_END,
            },
            # A new kernel is made ready only when the page that took the last one has loaded.
            "VoilaKernelManager": {"fill_delay": FILL_SECONDS},
            "MappingKernelManager": {
                "cull_idle_timeout": IDLE_SECONDS,
                "cull_interval": 30,
            },
        }
        (home / "voila.json").write_text(json.dumps(config), encoding="utf-8")
        inside = page_environment(environ, gallery, home, keys=pages == "all")
        inside["PLAYGROUND_PAGES"] = ",".join(served)
        arguments = ["voila", str(root / "gallery.ipynb" if pages == "gallery" else root)]
        path = "/" if pages == "gallery" else "/voila/render/gallery.ipynb"
        with _running(arguments, inside, home, chosen, "The gallery page", cwd=home) as process:
            yield f"http://127.0.0.1:{chosen}{path}?token={token}", process


@contextlib.contextmanager
def jupyterlab(
    port: int | None = None,
    *,
    notebooks: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A running JupyterLab: its address with the token, and its process; as `voila`.

    `notebooks` is the folder that it opens, ours by default.
    """
    chosen = _port(port, LAB_PORT)
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="halfpenny-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        config = {
            "ServerApp": {
                "ip": "127.0.0.1",
                "port": chosen,
                "port_retries": 0,
                "open_browser": False,
                "root_dir": str(notebooks or notebooks_folder()),
                "allow_root": True,  # as in a container; it listens on this machine only
                "tornado_settings": {"websocket_max_message_size": MESSAGE_BYTES},
            },
            "IdentityProvider": {"token": token},
            # News and update checks ask a foreign host on every start.
            "LabApp": {"check_for_updates_class": "jupyterlab.NeverCheckForUpdate"},
        }
        (home / "jupyter_config.json").write_text(json.dumps(config), encoding="utf-8")
        inside = dict(environ)
        location = inside.get("PLAYGROUND_GALLERY", "gallery")
        inside["PLAYGROUND_GALLERY"] = _absolute(location)
        # Unless the owner wants news: JupyterLab's question about them covers the page's corner.
        labconfig = home / "defaults" / "labconfig"
        labconfig.mkdir(parents=True)
        settings = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
        (labconfig / "default_setting_overrides.json").write_text(json.dumps(settings), "utf-8")
        paths = [inside.get("JUPYTER_CONFIG_PATH", ""), str(labconfig.parent)]
        inside["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
        arguments = ["jupyterlab", f"--config={home / 'jupyter_config.json'}"]
        with _running(arguments, inside, home, chosen, "JupyterLab") as process:
            yield f"http://127.0.0.1:{chosen}/lab?token={token}", process


def page_environment(
    environ: Mapping[str, str], gallery: str | Path | None, home: Path, *, keys: bool = False
) -> dict[str, str]:
    """The environment of the server: Jupyter's folders below `home`, and no key unless `keys`.

    Voilà hands its whole environment to every kernel, and the gallery page never spends, so
    alone it gets no key at all; the user's own Jupyter configuration, extensions and start-up
    files stay out.
    """
    inside = {name: value for name, value in environ.items() if keys or not _is_secret(name)}
    inside["PLAYGROUND_GALLERY"] = _absolute(
        gallery or environ.get("PLAYGROUND_GALLERY") or "gallery"
    )
    inside["PLAYGROUND_PROVIDER"] = provider_name(environ=environ)
    inside["JUPYTER_PATH"] = os.pathsep.join([str(home), str(_PACKAGE / "data")])
    for name, folder in {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }.items():
        (home / folder).mkdir(exist_ok=True)
        inside[name] = str(home / folder)
    return inside


def notebooks_folder() -> Path:
    """The notebooks: beside the package in a checkout, inside it once installed."""
    inside = _PACKAGE / "data" / "notebooks"
    return inside if inside.is_dir() else _PACKAGE.parent / "notebooks"


def _is_secret(name: str) -> bool:
    return name.startswith("OPENAI_") or name.endswith(("_API_KEY", "_API_TOKEN"))


def _absolute(location: str | Path) -> str:
    text = str(location)
    return text if "://" in text else str(Path(text).expanduser().absolute())


def _copy_pages(root: Path, pages: Pages) -> list[str]:
    """The notebooks that are served; those that never spend with the kernel that has no key."""
    served = []
    for name in _PAGES if pages == "all" else ("gallery",):
        source = notebooks_folder() / f"{name}.ipynb"
        if not source.is_file():
            continue
        notebook = json.loads(source.read_text(encoding="utf-8"))
        if name in _NEVER_SPEND:
            notebook["metadata"]["kernelspec"]["name"] = _KEYLESS
        (root / source.name).write_text(json.dumps(notebook), encoding="utf-8")
        served.append(name)
    return served


def _kernel_spec(home: Path, name: str, start: list[str]) -> None:
    """A kernel that is this very Python, whatever kernels the user has installed."""
    folder = home / "kernels" / name
    folder.mkdir(parents=True)
    spec: dict[str, Any] = {
        "argv": [sys.executable, *start, "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def _port(wanted: int | None, usual: int) -> int:
    if wanted:
        if not _free(wanted):
            msg = (
                f"Port {wanted} is taken by another program (or not allowed); "
                "choose another one with --port, or leave it out."
            )
            raise PlaygroundError(msg)
        return wanted
    if wanted is None and _free(usual):
        return usual
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        return int(any_free.getsockname()[1])


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server binds: a port that is only waiting out old connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


@contextlib.contextmanager
def _running(
    arguments: list[str],
    environ: Mapping[str, str],
    home: Path,
    port: int,
    what: str,
    *,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that answers on `port`; stopped, with its kernels, at the end."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            [sys.executable, "-c", _CHILD, str(home), *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environ),
            start_new_session=True,  # Ctrl-C reaches this process, which then stops the child
        )
        try:
            _await_answer(process, port, what, log)
            yield process
        finally:
            _stop(process)


def _await_answer(process: subprocess.Popen[bytes], port: int, what: str, log: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/login")
            connection.getresponse()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    reason = f" Its last words: {lines[-1]}" if lines else ""
    msg = f"{what} did not start within {START_SECONDS} seconds.{reason}"
    raise PlaygroundError(msg)


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()  # the child then stops itself, and its kernels first
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # kernels notice that their parent is gone, and end
        process.wait()


def _wait(process: subprocess.Popen[bytes], what: str) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        status = process.wait()
        msg = f"{what} ended by itself (status {status}); start it again."
        raise PlaygroundError(msg)
