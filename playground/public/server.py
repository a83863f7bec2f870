"""The server process for strangers: Voilà with few routes, few kernels and short patience.

    /                       the page, with a kernel that is warm already; or that it is full
    /site/…                 the snapshot's static site and its pictures; nothing else is a file
    /api/kernels/…/channels the kernel's channel, through `channel`
    /voila/…                Voilà's own scripts and styles

Run by `launch` as `python -m playground.public.server`, configured by the voila.json beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.public import guard

guard.install()

import tornado.web  # noqa: E402 - the guard comes before everything else
import voila.app  # noqa: E402
from jupyter_core.utils import ensure_async  # noqa: E402
from jupyter_server.auth import IdentityProvider, User  # noqa: E402
from jupyter_server.base.handlers import JupyterHandler  # noqa: E402
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler  # noqa: E402
from tornado.httputil import HTTPHeaders, HTTPServerRequest  # noqa: E402
from tornado.ioloop import IOLoop, PeriodicCallback  # noqa: E402
from traitlets import Integer, List, Type, Unicode  # noqa: E402
from voila.request_info_handler import RequestInfoSocketHandler  # noqa: E402
from voila.static_file_handler import (  # noqa: E402
    MultiStaticFileHandler,
    TemplateStaticFileHandler,
)
from voila.tornado.handler import TornadoVoilaHandler  # noqa: E402
from voila.voila_kernel_manager import voila_kernel_manager_factory  # noqa: E402

from playground.public.channel import PublicConnection  # noqa: E402
from playground.public.settings import (  # noqa: E402
    MAX_BODY_BYTES,
    NOTEBOOK,
    SNAPSHOT_VARIABLE,
)
from playground.publish import boards, site  # noqa: E402
from playground.publish.database import NAME, Reader  # noqa: E402

WAITERS = 3  # visitors who may wait for one that is being made ready
WAIT_SECONDS = 20.0
CONNECT_SECONDS = 30.0  # from the page to its channel; who does not come was no browser
GONE_SECONDS = 15.0  # after the channel was closed
SILENT_SECONDS = 120.0  # without even a heartbeat: a tab that sleeps, or a laptop that was shut
IDLE_SECONDS = 900.0  # with heartbeats, without a search or a look
LOOK_SECONDS = 3.0
MAX_URL_CHARS = 2_048
KERNEL_ID = r"(?P<kernel_id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_ID = "[0-9a-hjkmnp-tv-z]{16}"
_PUBLISHED = re.compile(
    rf"index\.html|gallery\.(?:js|css)|feed\.(?:xml|json)|robots\.txt|sitemap\.xml"
    rf"|data/(?:index|(?:items|words)-\d{{1,6}}|around-{_ID})\.js"
    rf"|item/{_ID}\.html|board/[0-9a-z.-]{{1,40}}\.html|pictures/{_ID}-(?:[sml]\.webp|p\.jpg)"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_STRICT = (
    "default-src 'none'; img-src 'self' data: blob:; script-src 'self'; style-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# The front end of Jupyter compiles templates and loads widgets from blobs; texts of items are
# never markup there.
_PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'none'; frame-ancestors 'self'"
)


class Headers(tornado.web.OutputTransform):
    """The security headers, on every answer of every handler."""

    def __init__(self, request: HTTPServerRequest) -> None:
        self.page = request.path == "/"

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add them."""
        del finishing
        for name, value in _HEADERS.items():
            headers[name] = value
        if headers.get("Content-Type", "").startswith("text/html") and not self.page:
            # Pages of the site bring their own policy, which knows the digests of their styles.
            headers["Content-Security-Policy"] = "frame-ancestors 'self'; base-uri 'none'"
        else:
            headers["Content-Security-Policy"] = _PAGE if self.page else _STRICT
        headers["Server"] = "halfpenny"
        return status_code, headers, chunk


class Refuse(tornado.web.RequestHandler):
    """An answer without a body of its own."""

    def initialize(self, status: int) -> None:
        """Remember which."""
        self.status = status

    async def prepare(self) -> None:
        """Answer, whatever the method."""
        self.set_status(self.status)
        self.finish(f"{self.status}\n")

    def check_xsrf_cookie(self) -> None:
        """Nothing is done here."""


class Application(tornado.web.Application):
    """The routes behind one gate: known host names, ordinary addresses, short ones."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The handler of a request, or a refusal."""
        status = self._refused(request)
        if status:
            return self.get_handler_delegate(request, Refuse, {"status": status})
        return super().find_handler(request, **kwargs)

    def _refused(self, request: HTTPServerRequest) -> int:
        if not known_host(request.host, self.settings["local_hostnames"]):
            return 403
        uri = request.uri or ""
        if len(uri) > MAX_URL_CHARS:
            return 414
        if request.method not in {"GET", "HEAD", "POST"}:
            return 405
        # No address of ours holds an escape, a backslash or a dot folder; those that do are
        # somebody's try to leave the folder.
        if re.search(r"%|\\|\x00|/\.|//", request.path):
            return 404
        return 0


def known_host(host: str, names: list[str]) -> bool:
    """Whether a Host header is ours: this machine itself, or a name that the owner allowed."""
    name = re.sub(r":\d{1,5}$", "", host).strip("[]").lower()
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name in names


class Site(tornado.web.StaticFileHandler):
    """The snapshot's site: only names that a snapshot has, only plain files below its folder."""

    def parse_url_path(self, url_path: str) -> str:
        """The path below the site's folder; 404 for any other name."""
        name = url_path or "index.html"
        if not _PUBLISHED.fullmatch(name):
            raise tornado.web.HTTPError(404)
        return name

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """The file itself, which is no link and not outside."""
        path, folder = Path(absolute_path), Path(root)
        real = path.resolve()
        if not real.is_file() or real != folder.resolve() / path.relative_to(folder):
            raise tornado.web.HTTPError(404)
        return str(real)

    def set_extra_headers(self, path: str) -> None:
        """Pictures never change under their name; everything else is asked for again."""
        forever = path.startswith("pictures/")
        self.set_header("Cache-Control", "public, max-age=31536000" if forever else "no-cache")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """No text that could tell about this machine."""
        del kwargs
        self.finish(f"{status_code}\n")


def visits_of(handler: JupyterHandler) -> Any:
    """The kernel manager, which knows who is there."""
    return handler.settings["kernel_manager"]


class Page(TornadoVoilaHandler):  # type: ignore[misc]
    """The page with a warm kernel; or at once that there is none left."""

    async def get(self, path: str | None = None) -> None:
        """Send the page."""
        if path:
            raise tornado.web.HTTPError(404)
        manager = self.kernel_manager
        if not await manager.ready():
            self._full()
            return
        async for html in self.get_generator(path=None):
            self.write(html)
            self.flush()

    def should_use_rendered_notebook(self, *_: Any, **__: Any) -> bool:
        """Always: kernels are started in advance or not at all; addresses choose nothing."""
        return True

    def _full(self) -> None:
        self.set_status(503)
        self.set_header("Retry-After", "20")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(_FULL)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """No text that could tell about this machine."""
        del kwargs
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}\n")


_FULL = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Full for the moment</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="site/gallery.css"></head>
<body class="hp pub"><main class="pub-nothing"><h1>Full for the moment</h1>
<p>Everybody who may look at this page at once is here already. A place becomes free when
somebody leaves; try again in a minute.</p>
<p><a href="site/index.html">The same pictures are in the static gallery</a>, which has room for
everyone.</p></main></body></html>
"""


class Channel(KernelWebsocketHandler):
    """A kernel's channel, for the visit that the kernel was given to."""

    async def get(self, kernel_id: str) -> None:
        """Open it; 404 for a kernel that nobody is visiting."""
        if not visits_of(self).may_connect(kernel_id):
            raise tornado.web.HTTPError(404)
        await super().get(kernel_id)  # type: ignore[no-untyped-call]

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """No text that could tell about this machine."""
        del kwargs
        self.finish(f"{status_code}\n")


class Kernel(JupyterHandler):
    """That the visit's kernel exists: the front end asks before it opens the channel."""

    @tornado.web.authenticated
    async def get(self, kernel_id: str) -> None:
        """Its id and name; 404 for a kernel that nobody is visiting."""
        if not visits_of(self).may_connect(kernel_id):
            raise tornado.web.HTTPError(404)
        self.finish({"id": kernel_id, "name": "python3", "execution_state": "idle"})

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """No text that could tell about this machine."""
        del kwargs
        self.finish(f"{status_code}\n")


class Farewell(JupyterHandler):
    """A closed page says so: its kernel goes at once instead of after some seconds.

    Voilà's own handler wants an XSRF token that the browser's farewell cannot carry
    (voila#1458); here the kernel's unguessable id is the proof, and the origin is checked.
    """

    def check_xsrf_cookie(self) -> None:
        """The id is what a forger does not have."""

    @tornado.web.authenticated
    async def post(self, kernel_id: str) -> None:
        """End the visit."""
        if not self.check_origin():
            raise tornado.web.HTTPError(403)
        await visits_of(self).visit_ends(kernel_id)
        self.set_status(204)
        self.finish()


@dataclass
class Visit:
    """A kernel that was given to somebody; times are of the monotonic clock, in seconds."""

    began: float
    spoke: float
    acted: float
    connections: int = 0
    came: bool = False

    def over(self, now: float) -> bool:
        """Whether nobody is there any more."""
        if not self.came:
            return now - self.began > CONNECT_SECONDS
        if not self.connections:
            return now - self.spoke > GONE_SECONDS
        return now - self.spoke > SILENT_SECONDS or now - self.acted > IDLE_SECONDS


def manager_class(base: Any, preheat: bool, size: int, page_config_hook: Any = None) -> Any:
    """Voilà's pool of warm kernels, with a cap and with an eye on who is still there."""
    pooled = voila_kernel_manager_factory(base, preheat, size, page_config_hook)

    class PublicKernelManager(pooled):  # type: ignore[misc, valid-type]
        cap = Integer(20, config=True, help="Kernels at once, warm ones included.")

        def __init__(self, **kwargs: Any) -> None:
            self.visits: dict[str, Visit] = {}
            self.waiters = 0
            super().__init__(**kwargs)

        def fill_if_needed(self, *args: Any, **kwargs: Any) -> None:
            """Warm kernels, as many as the cap leaves room for."""
            room = max(0, min(size, self.cap - len(self.visits)))
            self.kernel_pools_config = {"default": {"pool_size": room}}
            self.parent.refresh()
            super().fill_if_needed(*args, **kwargs)

        def _warm(self) -> list[Any]:
            """The pool, without kernels that did not start or whose page failed."""
            pool: list[Any] = self._pools.setdefault(NOTEBOOK, [])
            for task in [each for each in pool if each.done()]:
                if task.exception():
                    pool.remove(task)
                elif task.result()["task"].done() and task.result()["task"].exception():
                    pool.remove(task)
                    IOLoop.current().add_callback(self._drop, task.result()["kernel_id"])
            return pool

        async def _drop(self, kernel_id: str) -> None:
            with contextlib.suppress(Exception):
                await self.shutdown_kernel(kernel_id, now=True)

        def _ready(self) -> int:
            """How many kernels have run the page already; they come first in the pool."""
            pool = self._warm()
            pool.sort(key=lambda task: not (task.done() and task.result()["task"].done()))
            return sum(task.done() and task.result()["task"].done() for task in pool)

        async def ready(self) -> bool:
            """Whether there is a warm kernel, now or (for a few visitors) in some seconds.

            Who waits has a kernel of the pool that is being made ready, and nobody who comes
            later takes it: otherwise the answer is no, at once.
            """
            if self._ready() > self.waiters:
                return True
            if self.waiters >= min(WAITERS, len(self._warm())):
                return False
            self.waiters += 1
            try:
                until = time.monotonic() + WAIT_SECONDS
                while time.monotonic() < until and self._warm():
                    await asyncio.sleep(0.05)
                    if self._ready():
                        return True
            finally:
                self.waiters -= 1
            return False

        async def get_rendered_notebook(self, *args: Any, **kwargs: Any) -> Any:
            # The place is taken before anything is awaited, so that the cap holds.
            content = self._warm()[0].result()
            now = time.monotonic()
            self.visits[content["kernel_id"]] = Visit(now, now, now)
            return await super().get_rendered_notebook(*args, **kwargs)

        # -- who is there ------------------------------------------------------------------

        def may_connect(self, kernel_id: str) -> bool:
            return kernel_id in self.visits and kernel_id in self

        def visitor_came(self, kernel_id: str) -> None:
            if visit := self.visits.get(kernel_id):
                visit.came = True
                visit.connections += 1
                visit.spoke = time.monotonic()

        def visitor_left(self, kernel_id: str) -> None:
            if visit := self.visits.get(kernel_id):
                visit.connections = max(0, visit.connections - 1)
                visit.spoke = time.monotonic()

        def visitor_spoke(self, kernel_id: str, now: float) -> None:
            if visit := self.visits.get(kernel_id):
                visit.spoke = now

        def visitor_acted(self, kernel_id: str, when: float) -> None:
            if visit := self.visits.get(kernel_id):
                visit.acted = max(visit.acted, when)

        async def visit_ends(self, kernel_id: str) -> None:
            RequestInfoSocketHandler._cache.pop(kernel_id, None)  # else it grows for ever
            if self.visits.pop(kernel_id, None) is None:
                return
            if kernel_id in self:
                await self._drop(kernel_id)
            self.fill_if_needed(delay=0, notebook_name=NOTEBOOK)

        async def _alive(self, kernel_id: str) -> bool:
            return bool(await ensure_async(self.get_kernel(kernel_id).is_alive()))

        async def look_round(self) -> None:
            """End the visits that are over, and replace warm kernels that died."""
            now = time.monotonic()
            gone = [
                each for each, visit in self.visits.items() if visit.over(now) or each not in self
            ]
            for kernel_id in gone:
                await self.visit_ends(kernel_id)
            self._warm()
            self.fill_if_needed(delay=0, notebook_name=NOTEBOOK)

    return PublicKernelManager


class Everyone(IdentityProvider):
    """All visitors are one nobody: no login, no token, and no cookie that tells them apart."""

    async def get_user(self, handler: Any) -> User:
        """The same for every request."""
        del handler
        return User("visitor")

    def get_handlers(self) -> list[Any]:
        """No routes."""
        return []


class PublicVoila(voila.app.Voila):  # type: ignore[misc]
    """Voilà for strangers."""

    identity_provider_class = Type(Everyone)
    snapshot = Unicode(config=True, help="The published folder.")
    host_names = List(Unicode(), config=True, help="Host names besides this machine's own.")
    _shown: tuple[int, int] = (0, 0)

    def refresh(self) -> None:
        """Have the next warm kernels' pages show the snapshot as it is now."""
        path = Path(self.snapshot) / NAME
        try:
            status = path.stat()
        except OSError:
            return
        seen = (status.st_ino, status.st_mtime_ns)
        if seen == self._shown:
            return
        self._shown = seen
        reader = Reader(path)
        count = int(reader.meta.get("count", "0"))
        entries = list(reader.find(limit=site.FIRST).entries)
        reader.close()
        title = reader.meta.get("title", "")
        challenges = site.board_links(boards.read(reader.meta.get("boards", "")), "site/")
        wall = site.tiles(entries, pictures="site/pictures/", page="site/item/")
        foot = '<p>Made with Halfpenny</p><p><a href="site/index.html">Static gallery</a></p>'
        self.voila_configuration.config.VoilaConfiguration.resources = {
            "published_title": title,
            "published_styles": site.ratios(entries),
            "published_frame": site.frame(title, count, wall, foot, challenges),
        }

    def init_settings(self) -> dict[str, Any]:
        """Voilà's settings, with our manager, connections and headers."""
        # Voilà makes its manager by this name, and there is no setting for it.
        voila.app.voila_kernel_manager_factory = manager_class
        settings: dict[str, Any] = super().init_settings()
        return settings | {
            "allow_remote_access": False,
            "local_hostnames": ["localhost", *self.host_names],
            "kernel_websocket_connection_class": PublicConnection,
            "websocket_max_message_size": MAX_BODY_BYTES,
            "ws_ping_interval": 20_000,
            "transforms": [Headers],
            "default_handler_class": Refuse,
            "default_handler_args": {"status": 404},
        }

    def init_handlers(self) -> list[Any]:
        """The routes, and no others."""
        files = str(Path(self.snapshot) / "site")
        voila_page = {
            "notebook_path": NOTEBOOK,
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
        }
        folder = {"path": files}
        styles = {"paths": self.static_paths, "default_filename": "index.html"}
        kept = [
            each
            for each in super().init_handlers()
            if each[0].startswith(("/voila/labextensions/", "/voila/api/themes/"))
        ]
        return [
            (rf"/api/kernels/{KERNEL_ID}", Kernel),
            (rf"/api/kernels/{KERNEL_ID}/channels", Channel),
            (rf"/voila/api/shutdown/{KERNEL_ID}", Farewell),
            (r"/voila/templates/(.*)", TemplateStaticFileHandler),
            (r"/voila/static/(.*)", MultiStaticFileHandler, styles),
            *kept,
            (r"/site/(.*)", Site, folder),
            (r"/(robots\.txt)", Site, folder),
            (r"/()", Page, voila_page),
        ]

    def start(self) -> None:
        """As Voilà's own, with the gate before the routes."""
        self.connection_dir = tempfile.mkdtemp(prefix="voila_", dir=self.connection_dir_root)
        settings = self.init_settings()
        self.app = Application(**settings)
        self.app.settings.update(self.tornado_settings)
        self.app.add_handlers(".*$", self.init_handlers())
        PeriodicCallback(self.kernel_manager.look_round, LOOK_SECONDS * 1000).start()
        self.listen()


def main() -> None:
    """Serve the snapshot that the environment names."""
    os.umask(0o077)
    PublicVoila.launch_instance(snapshot=os.environ[SNAPSHOT_VARIABLE])


if __name__ == "__main__":
    main()
