"""Where jobs lie: made, told, looked at and started from here, by any page or program."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playground.errors import GalleryProblem
from playground.store import leases

RUNS = "runs"
# A worker writes its status at least every two seconds, whatever it does.
SILENT_SECONDS = 30.0
_KEPT = 20
_JOB, _COMMANDS, _STATUS, _OWNER, _LOG = (
    "job.json",
    "commands.jsonl",
    "status.json",
    "owner",
    "log.txt",
)
_AWAY = "away"
_LAST_WORDS = "last-words.txt"
_LAST_WORDS_BYTES = 2048
# Workers that this process started: looked at so that one that has ended leaves no trace.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be captioned, and how.

    Attributes:
        id: also the run of the ledger that its budget and its bills are kept under.
        source: `{"path": folder}`, or a selection of the gallery: `{"search": text,
            "where": facets, "untagged": bool}`.
        fields: of `CaptionRequest`, JSON values.
        options: the same as a page's controls have it; nobody else reads them.
        similar: whether photos that look alike are looked for. once: ask about one of them.
        anyway: hashes of photos that are asked about although they look like another one.
        budget: dollars that its pilot and runs may commit together, as text; None: no limit.
    """

    id: str
    source: Mapping[str, Any]
    fields: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    similar: bool = True
    once: bool = False
    anyway: tuple[str, ...] = ()
    budget: str | None = None
    created: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For `job.json`."""
        return {
            one.name: list(value) if isinstance(value, tuple) else value
            for one in dataclasses.fields(self)
            for value in [getattr(self, one.name)]
        }

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Job:
        """From `job.json`; what a newer version added is left out."""
        names = {one.name for one in dataclasses.fields(cls)}
        known = {name: value for name, value in form.items() if name in names}
        return cls(**{**known, "anyway": tuple(known.get("anyway", ()))})


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """A job as it is now: `status` as its worker last wrote it, `alive` whether that one lives.

    `last_words` say why it could not write any more ("" in general).
    """

    job: Job
    status: Mapping[str, Any]
    alive: bool
    last_words: str = ""

    @property
    def phase(self) -> str:
        """starting, scanning, comparing, pricing, planned, pilot, running, paused or ended."""
        return str(self.status.get("phase", "starting"))

    @property
    def killed(self) -> bool:
        """Whether its worker ended without a word."""
        return not self.alive and not self.status.get("closed", False) and bool(self.status)


def new_id() -> str:
    """A job's id: sorts by time."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class Desk:
    """The jobs of one gallery, in `folder` (the gallery's own)."""

    def __init__(self, folder: Path) -> None:
        self.gallery_folder = folder
        self.folder = folder / RUNS

    def ids(self) -> list[str]:
        """All jobs, the newest first."""
        with contextlib.suppress(OSError):
            found = [one.parent.name for one in self.folder.glob(f"*/{_JOB}")]
            return sorted(found, reverse=True)
        return []

    def create(self, job: Job) -> None:
        """Make a job's folder; the oldest ones that have ended go.

        Raises:
            GalleryProblem: when it cannot be written.
        """
        created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        place = self.place(job.id)
        try:
            place.mkdir(parents=True, mode=0o700)
            (place / _COMMANDS).touch(mode=0o600)
            # Room that is there already when the disk is full: so the reason can be said.
            (place / _LAST_WORDS).write_bytes(b" " * _LAST_WORDS_BYTES)
            self.keep(dataclasses.replace(job, created=created))
        except OSError as problem:
            msg = (
                f"The run cannot be kept in {self.folder} ({problem.strerror}); nothing was sent "
                "and nothing was spent."
            )
            raise GalleryProblem(msg) from None
        for old in self.ids()[_KEPT:]:
            if not self.seen(old).alive:
                shutil.rmtree(self.place(old), ignore_errors=True)

    def keep(self, job: Job) -> None:
        """Write a job anew."""
        replace_file(self.place(job.id) / _JOB, job.to_dict())

    def seen(self, job_id: str) -> Seen:
        """A job and how it goes.

        Raises:
            GalleryProblem: when there is no such job, or it cannot be read.
        """
        place = self.place(job_id)
        try:
            job = Job.from_dict(json.loads((place / _JOB).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            msg = f"The run {job_id} is not there any more, or cannot be read."
            raise GalleryProblem(msg) from None
        try:
            status = json.loads((place / _STATUS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            status = {}
        words = ""
        with contextlib.suppress(OSError):
            words = (place / _LAST_WORDS).read_text(encoding="utf-8", errors="replace").strip()
        return Seen(job, status, lives(status), words)

    def stamp(self, job_id: str) -> int:
        """When the status was last written, to tell whether it is worth reading."""
        try:
            return (self.place(job_id) / _STATUS).stat().st_mtime_ns
        except OSError:
            return 0

    def tell(self, job_id: str, command: Mapping[str, Any]) -> int:
        """Tell the worker something; where in its commands that stands (bytes).

        Raises:
            GalleryProblem: when it cannot be written.
        """
        path = self.place(job_id) / _COMMANDS
        line = json.dumps(command, separators=(",", ":")) + "\n"
        try:
            before = path.stat().st_size
            handle = os.open(path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(handle, line.encode())
            finally:
                os.close(handle)
        except OSError as problem:
            msg = f"The run cannot be told ({problem.strerror}); it goes on as it was."
            raise GalleryProblem(msg) from None
        return before

    def launch(self, job_id: str, start: int, environ: Mapping[str, str]) -> Callable[[], str]:
        """Start a worker that obeys the commands from `start` on; a function tells why it is gone.

        It is a process of its own session: neither a closed tab nor the kernel's end stops it.
        """
        _started[:] = [one for one in _started if one.poll() is None]
        place = self.place(job_id)
        detached: dict[str, Any] = (
            {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        try:
            with (place / _LOG).open("wb") as log:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                    [sys.executable, "-m", "playground.jobs", str(place), str(start)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.gallery_folder,
                    env=dict(environ),
                    **detached,
                )
        except OSError as problem:
            msg = f"The run cannot be started ({problem.strerror}); nothing was sent."
            raise GalleryProblem(msg) from None
        _started.append(process)

        def why_gone() -> str:
            if process.poll() is None:
                return ""
            lines = (place / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
            return lines[-1].strip() if lines else f"exit status {process.returncode}"

        return why_gone

    def put_away(self, job_id: str, *, away: bool = True) -> None:
        """Note that a page need not show a job by itself any more, or again."""
        with contextlib.suppress(OSError):
            mark = self.place(job_id) / _AWAY
            mark.touch() if away else mark.unlink(missing_ok=True)

    def is_away(self, job_id: str) -> bool:
        """Whether a job was put away."""
        return (self.place(job_id) / _AWAY).exists()

    def place(self, job_id: str) -> Path:
        """A job's folder."""
        return self.folder / Path(job_id).name


class Post:
    """A worker's end of a job's folder."""

    def __init__(self, place: Path, start: int) -> None:
        self.place = place
        self._at = start
        self.token = secrets.token_hex(8)
        self._owner = leases.this_process(self.token, place)

    def take_over(self) -> None:
        """From now on this worker is the job's; another one that still runs will end."""
        (self.place / _OWNER).write_text(self.token, encoding="ascii")

    @property
    def mine(self) -> bool:
        """Whether no other worker has taken over."""
        try:
            return (self.place / _OWNER).read_text(encoding="ascii") == self.token
        except OSError:
            return False

    def job(self) -> Job:
        """What is asked."""
        return Job.from_dict(json.loads((self.place / _JOB).read_text(encoding="utf-8")))

    def keep(self, job: Job) -> None:
        """Write a job that was changed, for a worker after this one."""
        with contextlib.suppress(OSError):
            replace_file(self.place / _JOB, job.to_dict())

    def before(self) -> Mapping[str, Any]:
        """The status that a worker before this one left."""
        try:
            return dict(json.loads((self.place / _STATUS).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def commands(self) -> list[dict[str, Any]]:
        """What came since the last time, whole lines only."""
        try:
            with (self.place / _COMMANDS).open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        found = []
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def write(self, status: Mapping[str, Any], why_stopped: str = "") -> None:
        """Replace the status; on a full disk at least the reason is left where room was kept."""
        owner = {name: getattr(self._owner, name) for name in ("host", "boot_id", "pid", "started")}
        marked = {**status, "owner": owner, "token": self.token, "at": time.time()}
        try:
            replace_file(self.place / _STATUS, marked)
        except OSError as problem:
            words = (why_stopped or f"its progress cannot be written ({problem.strerror})").encode()
            with contextlib.suppress(OSError), (self.place / _LAST_WORDS).open("r+b") as file:
                file.write(words[: _LAST_WORDS_BYTES - 1].ljust(_LAST_WORDS_BYTES))


def lives(status: Mapping[str, Any]) -> bool:
    """Whether the worker that wrote a status still runs."""
    _started[:] = [one for one in _started if one.poll() is None]
    known = status.get("owner")
    if not isinstance(known, Mapping) or status.get("closed"):
        return False
    age = max(0.0, time.time() - float(status.get("at", 0)))
    owner = leases.Owner(
        "", str(known["host"]), str(known["boot_id"]), int(known["pid"]), str(known["started"]), ""
    )
    if not owner.started:
        return age < SILENT_SECONDS
    return leases.lives(owner, heartbeat_age_seconds=age + leases.STALE_SECONDS - SILENT_SECONDS)


def replace_file(path: Path, form: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never a part."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(form, separators=(",", ":"), default=str), encoding="utf-8")
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
