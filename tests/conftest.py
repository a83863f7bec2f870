"""What all tests share: a clean environment, galleries on both databases, a PostgreSQL server."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from forked import Zygote
from hypothesis import settings

from playground.store import Attempt, Gallery, Imported
from playground.values import GalleryItem, ImageRequest, Photo, Quote, Request

_numbers = itertools.count(1)
# The keyring of the person who runs the tests stays closed, in child processes too.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
# As in the servers of the pages: with this module, importing jsonschema takes 3 s in each process.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: at the end short ones fill what is left of the time."""
    items.sort(key=lambda item: "browser" not in item.path.parts)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, address or gallery of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "PLAYGROUND_")) and "_REQUIRE_" not in name:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Begins programs that may be killed, quickly."""
    with Zygote() as running:
        yield running


@dataclass(frozen=True)
class Postgres:
    """A running server: its binaries, socket folder and the user that owns it."""

    bin: Path
    socket: Path
    user: str

    def url(self, database: str) -> str:
        socket = urllib.parse.quote(str(self.socket), safe="")
        return f"postgresql://{self.user}@/{database}?host={socket}"

    def run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def new_database(self) -> str:
        name = f"gallery_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)


def _as_other_user(command: list[str], user: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of our own on a Unix socket, where its programs are installed."""
    on_path = [Path(path).resolve() for path in filter(None, [shutil.which("initdb")])]
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = [path for path in (*on_path, *sorted(debian)) if path.with_name("postgres").exists()]
    problem = "" if found else "no PostgreSQL server is installed (initdb was not found)"
    if os.name != "posix":
        problem = "PostgreSQL is only started on POSIX systems"
    user = "postgres" if os.geteuid() == 0 else "halfpenny"
    if os.geteuid() == 0 and not problem and not shutil.which("setpriv"):
        problem = "PostgreSQL does not run as root and setpriv is missing"
    if problem and os.environ.get("PLAYGROUND_REQUIRE_POSTGRES") == "1":
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)
    programs = found[-1].parent
    # Not in pytest's own folder: that one is closed to other users, and socket paths are short.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 500 * 1024 * 1024
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=memory if roomy else None))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if os.geteuid() == 0:
            shutil.chown(folder, user, user)
        data = folder / "data"
        make = [str(programs / "initdb"), "-D", str(data), "-U", user, "-A", "trust", "-N"]
        make += ["-E", "UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(_as_other_user(make, user), capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            # Durability is PostgreSQL's own affair; the tests start and drop it many times.
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "200",
        }
        start = [str(programs / "postgres"), "-D", str(data)]
        start += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        log = stack.enter_context((folder / "log").open("w"))
        server = subprocess.Popen(_as_other_user(start, user), stdout=log, stderr=log, cwd="/")
        stack.callback(server.wait, 30)
        stack.callback(server.terminate)
        made = Postgres(programs, folder, user)
        _wait_until_ready(made, server, folder / "log")
        yield made


def _wait_until_ready(made: Postgres, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(300):
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(made.url("postgres")).close()
            return
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.1)
    raise AssertionError(log.read_text())


@dataclass(frozen=True)
class Place:
    """Where a gallery is, to open it (again, or from another process)."""

    location: str
    files: str | None = None

    def open(self, **how: Any) -> Gallery:
        return Gallery(self.location, files=self.files, **how)

    @property
    def folder(self) -> Path:
        return Path(self.files or self.location)


@pytest.fixture
def folder_place(tmp_path: Path) -> Place:
    """An empty place for a gallery in a folder (SQLite)."""
    return Place(str(tmp_path / "gallery"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for a gallery, on either database."""
    if request.param == "sqlite":
        return Place(str(tmp_path / "gallery"))
    server: Postgres = request.getfixturevalue("postgres")
    return Place(server.new_database(), str(tmp_path / "files"))


@pytest.fixture
def open_gallery() -> Iterator[Callable[..., Gallery]]:
    """Opens galleries that are closed after the test: `open_gallery(place, clock=…)`."""
    with contextlib.ExitStack() as stack:

        def opened(where: Place, **how: Any) -> Gallery:
            gallery = where.open(**how)
            stack.callback(gallery.close)
            return gallery

        yield opened


@pytest.fixture
def gallery(place: Place, open_gallery: Callable[..., Gallery]) -> Gallery:
    """A new gallery, on either database."""
    return open_gallery(place)


@pytest.fixture
def folder_gallery(folder_place: Place, open_gallery: Callable[..., Gallery]) -> Gallery:
    """A new gallery in a folder."""
    return open_gallery(folder_place)


@pytest.fixture
def reserve() -> Callable[..., Attempt]:
    """Reserves dollars for a picture: `reserve(gallery, "0.01", job="a", caps=Caps(…))`."""

    def reserved(
        gallery: Gallery,
        dollars: str = "0.01",
        *,
        job: str = "job",
        slots: int = 1,
        request: Request | None = None,
        **how: Any,
    ) -> Attempt:
        amount = Decimal(dollars)
        asked = request or ImageRequest(prompt="a lighthouse in a storm")
        quote = Quote(
            model=asked.model,
            tier=asked.tier,
            on=dt.date(2026, 11, 1),
            basis="exact",
            tokens={},
            low=amount,
            high=amount,
            hold=amount,
            price_version="prices of 2026-11-01",
        )
        how = {"provider": "offline", "quote": quote, **how}
        return gallery.ledger.reserve(job_key=job, slots=slots, request=asked, **how)

    return reserved


@pytest.fixture
def photo_file() -> Callable[..., bytes]:
    """The bytes of a small noisy picture: `photo_file("jpeg", seed=2, exif=…)`."""

    def made(format_: str = "jpeg", *, seed: int = 1, mode: str = "RGB", **how: Any) -> bytes:
        import io
        import random

        from PIL import Image

        noise = random.Random(seed).randbytes(48 * 32)
        image = Image.frombytes("L", (48, 32), noise).convert(mode)
        out = io.BytesIO()
        image.save(out, format_, **how)
        return out.getvalue()

    return made


@pytest.fixture
def take(photo_file: Callable[..., bytes]) -> Callable[..., GalleryItem]:
    """Puts a picture with words into a gallery: `take(gallery, prompt="…", tags=("a",))`."""

    def taken(gallery: Gallery, data: bytes | None = None, **words: Any) -> GalleryItem:
        from playground.photos import sniff

        data = data or photo_file(seed=next(_numbers))
        format_, size = sniff(data)
        photo = Photo(
            size.width_px, size.height_px, format_, len(data), hashlib.sha256(data).hexdigest()
        )
        words = {"name": "holiday.jpg", **words}
        ((item, _),) = gallery.take_in([(Imported(photo, **words), data)])
        return item

    return taken


@pytest.fixture(scope="session")
def make_sample() -> Iterator[Callable[..., GalleryItem]]:
    """Makes a picture on the embedded provider: `make_sample(gallery, "a fox", images=…)`."""
    from playground.provider.connect import connect
    from playground.runner import perform
    from playground.values import EditRequest

    with connect("offline", environ={}) as client:

        def made(gallery: Gallery, prompt: str, **fields: Any) -> GalleryItem:
            asked = {"prompt": prompt, "size": "976x704", "quality": "low", **fields}
            request = EditRequest(**asked) if "images" in asked else ImageRequest(**asked)
            result = perform(gallery, client, request, job_key=f"sample {next(_numbers)}")
            return gallery.item(result.items[0].id)

        yield made


@pytest.fixture(scope="session")
def hostile_words() -> list[str]:
    """Ways in which text becomes script, style, markup or a request somewhere."""
    kept = Path(__file__).parent / "golden" / "hostile.json"
    found: list[str] = json.loads(kept.read_text(encoding="utf-8"))
    return found
