"""Photos to files of requests: below the limits of lines and bytes, without holding them.

A shard's lines are written to a file as the photos are made ready, some at a time, so that memory
stays flat whatever an archive weighs. The custom id of each line is the id of its attempt, which
says nothing to anybody else. One file asks one model (an API rule).
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from playground import photos
from playground.errors import GalleryProblem, InvalidRequest, PlaygroundError
from playground.provider.batches import ENDPOINTS, MAX_BYTES, MAX_LINES
from playground.provider.wire import Body, Form
from playground.runner.plan import Job, Plan, Row
from playground.runner.results import Problem
from playground.store.batches import Line
from playground.values import Photo, Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

# Photos that are made ready ahead of the file.
_AHEAD = 6


@dataclass(slots=True)
class Shard:
    """One file of requests. `lines` and `rows` belong together; `starts` are their places."""

    id: str
    path: Path
    endpoint: str
    model: str
    lines: list[Line] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    photos: list[Photo] = field(default_factory=list)
    size_bytes: int = 0

    def keep_only(self, ids: set[str]) -> None:
        """Take the lines out of the file that are not to be asked.

        Raises:
            GalleryProblem: when the disk refuses, or the file is not what was written.
        """
        if not self.path.exists() or self.path.stat().st_size != self.size_bytes:
            msg = f"{self.path.name} was changed by another program. Nothing of it was sent."
            raise GalleryProblem(msg)
        keep = [number for number, line in enumerate(self.lines) if line.id in ids]
        if len(keep) == len(self.lines):
            return
        made = self.path.with_suffix(".fewer")
        try:
            with self.path.open("rb") as source, made.open("wb") as target:
                for number in keep:
                    source.seek(self.starts[number])
                    target.write(source.readline())
            made.replace(self.path)
        except OSError as error:
            raise _no_disk(self.path, error) from error
        self.lines = [self.lines[number] for number in keep]
        self.rows = [self.rows[number] for number in keep]

    def remove(self) -> None:
        """Remove the file: it holds photos, and nobody needs it any more."""
        for path in (self.path, self.path.with_suffix(".fewer")):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Made:
    row: Row
    job: Job
    quote: Quote
    body: Body


class Builder:
    """Makes shards of the rows of a plan.

    Args:
        max_lines, max_bytes: of a file; the API's by default.
    """

    def __init__(
        self,
        gallery: Gallery,
        client: Client,
        plan: Plan,
        *,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._gallery, self._plan = gallery, plan
        self._form = Form(full=client.full, batched=True)
        self._max_lines, self._max_bytes = min(max_lines, MAX_LINES), min(max_bytes, MAX_BYTES)
        self.problems: list[Problem] = []

    def shards(self, rows: Iterable[Row]) -> Iterator[Shard]:
        """Whole files, one at a time. What is wrong with single photos goes to `problems`.

        Raises:
            GalleryProblem: when nothing can be written.
        """
        # A stable sort: one model's photos stay in their order.
        waiting = sorted(rows, key=lambda row: row.template)
        shard: Shard | None = None
        template = -1
        with ThreadPoolExecutor(photos.WORKERS + 1, "batch") as pool:
            try:
                for row, made in self._made(pool, iter(waiting)):
                    if isinstance(made, PlaygroundError):
                        self.problems.append(Problem(row.path, str(made)))
                        continue
                    attempt_id = secrets.token_hex(16)
                    head, tail = self._around(attempt_id, made.job)
                    size = len(head) + made.body.size_bytes + len(tail)
                    if size > self._max_bytes:
                        why = f"its line of {size:,} bytes is too large for a batch"
                        self.problems.append(Problem(row.path, f"{why}; it was not sent"))
                        continue
                    full = shard is not None and (
                        template != row.template
                        or len(shard.lines) >= self._max_lines
                        or shard.size_bytes + size > self._max_bytes
                    )
                    if shard is not None and full:
                        done, shard = shard, None
                        yield done
                    if shard is None:
                        shard, template = self._begun(made.job), row.template
                    self._write(shard, made, attempt_id, (head, tail), size)
                if shard is not None:
                    done, shard = shard, None
                    yield done
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                if shard is not None:
                    shard.remove()

    def _made(
        self, pool: ThreadPoolExecutor, rows: Iterator[Row]
    ) -> Iterator[tuple[Row, _Made | PlaygroundError]]:
        ahead: deque[tuple[Row, Future[_Made | PlaygroundError]]] = deque()
        for row in rows:
            ahead.append((row, pool.submit(self._one, row)))
            if len(ahead) >= _AHEAD:
                first, future = ahead.popleft()
                yield first, self._result(future)
        while ahead:
            first, future = ahead.popleft()
            yield first, self._result(future)

    @staticmethod
    def _result(future: Future[_Made | PlaygroundError]) -> _Made | PlaygroundError:
        made = future.result()
        if isinstance(made, GalleryProblem):
            raise made
        return made

    def _one(self, row: Row) -> _Made | PlaygroundError:
        """Prepare and keep one photo (in a thread), as a live run does."""
        try:
            job = self._plan.job(row)
            request = job.request
            photo = request.measured
            upload = photos.ready(
                photo,
                resize=request.resize,
                reduce=self._plan.spare(row.template, photo.size),
                as_base64=True,
            )
            self._gallery.adopt(photo)
            quote = self._plan.sent_quote(row.template, upload.size)
            body = self._form.body(request, upload)
            return _Made(row, job, quote, body)
        except PlaygroundError as problem:
            return problem

    def _begun(self, job: Job) -> Shard:
        batch_id = secrets.token_hex(16)
        path = self._gallery.spool_path(batch_id).with_suffix(".jsonl")
        endpoint = ENDPOINTS[job.request.endpoint]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise _no_disk(path, error) from error
        return Shard(batch_id, path, endpoint, job.request.model)

    @staticmethod
    def _around(attempt_id: str, job: Job) -> tuple[bytes, bytes]:
        endpoint = ENDPOINTS.get(job.request.endpoint)
        if endpoint is None:
            msg = f"{job.request.endpoint} cannot be asked in a batch; nothing was sent"
            raise InvalidRequest(msg)
        head = f'{{"custom_id":"{attempt_id}","method":"POST","url":"{endpoint}","body":'
        return head.encode(), b"}\n"

    @staticmethod
    def _write(
        shard: Shard, made: _Made, attempt_id: str, around: tuple[bytes, bytes], size: int
    ) -> None:
        try:
            with shard.path.open("ab") as file:
                for part in (around[0], made.body.head, made.body.photo, made.body.tail, around[1]):
                    file.write(part)
        except OSError as error:
            shard.remove()
            raise _no_disk(shard.path, error) from error
        shard.lines.append(Line(attempt_id, made.job.request, made.job.key, made.quote))
        shard.rows.append(made.row)
        shard.starts.append(shard.size_bytes)
        shard.photos.append(made.job.request.measured)
        shard.size_bytes += size


def _no_disk(path: Path, error: OSError) -> GalleryProblem:
    return GalleryProblem(
        f"The file of a batch cannot be written at {path.parent} ({error.strerror}). Nothing of it "
        "was sent and nothing was spent; free that disk and run it again."
    )
