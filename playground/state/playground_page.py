"""What the playground page knows: the form and its quote, the calls under way, the last pictures.

A keystroke is `change(...)`: no I/O, no thread. `generate` reserves and sends in a worker thread
through the runner, which is the only way to spend; what comes of it is announced on `run` and
kept in the gallery, which is also the history of this page.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from traitlets import Instance

from playground import money, photos
from playground.errors import InvalidRequest, PhotoProblem, PlaygroundError, SpendingRefused
from playground.runner import generate
from playground.runner.results import Result
from playground.state import quoting
from playground.state.page import Head, PageState, bug_words
from playground.state.quoting import Choices, Form, Money, Panel
from playground.store import Gallery, Where
from playground.values import EditRequest, Failed, GalleryItem, ImageRequest, Photo, Quote, Unknown

if TYPE_CHECKING:
    from playground.provider.client import Client

HISTORY = 24
MAX_PICTURES = 16
MAX_UPLOAD_BYTES = 50 * 1024 * 1024
"""The API's limit for one input picture (image guide)."""

RUNS_AT_ONCE = 4
PREVIEW_PX = 1024

RunState = Literal["waiting", "running", "done", "failed", "unknown", "refused", "cancelled"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture that an edit starts from. `preview` is a small JPEG or PNG to look at."""

    id: str
    photo: Photo
    name: str
    preview: bytes = field(repr=False)


@dataclass(frozen=True, eq=False, slots=True)
class References:
    """The pictures of the edit (none: a new picture is made), and the mask on the first one."""

    pictures: tuple[Reference, ...] = ()
    mask: Photo | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """One call, from the button to its end.

    `text` says what came of it where that is no picture, and whether it was billed; `held` are
    dollars that stay reserved because nobody knows. `partial` is the last draft. `watched` is
    false after Cancel: what still comes is kept all the same.
    """

    id: str
    request: ImageRequest
    quote: Quote | None
    begun: float
    state: RunState = "waiting"
    text: str = ""
    notes: tuple[str, ...] = ()
    held: Decimal = Decimal(0)
    partial: bytes | None = field(default=None, repr=False)
    items: tuple[str, ...] = ()
    watched: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class Asking:
    """A quote above the threshold: the same `generate` with `confirmed` goes on."""

    quote: Quote


@dataclass(frozen=True, eq=False, slots=True)
class History:
    """The newest pictures of the gallery, the newest first."""

    items: tuple[GalleryItem, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """The picture on the result card: how it came about and what that cost altogether.

    `lineage` are the pictures that it was made from, the nearest first; `dollars` is what they
    and it were billed. `request` is as it was sent (None where that is not known).
    """

    item: GalleryItem
    lineage: tuple[GalleryItem, ...]
    dollars: Decimal
    request: ImageRequest | None
    quoted: Quote | None = None


class PlaygroundState(PageState):
    """The playground page without its looks.

    Args:
        opener: opens the gallery, connect: a client; both at the first need, so that what fails
            is a sentence on the page.
        provider: the name of the provider in use, for the head.
        executor: runs the calls; by default a few threads of its own.
        clock: seconds, for elapsed times.
    """

    choices = Instance(Choices, allow_none=True)
    panel = Instance(Panel, allow_none=True)
    references = Instance(References, allow_none=True)
    run = Instance(Run, allow_none=True)
    asking = Instance(Asking, allow_none=True)
    history = Instance(History, allow_none=True)
    shown = Instance(Shown, allow_none=True)

    def __init__(
        self,
        opener: Callable[[], Gallery],
        connect: Callable[[], Client],
        *,
        provider: str,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(opener, connect, provider=provider)
        self._executor = executor or ThreadPoolExecutor(RUNS_AT_ONCE, "halfpenny-run")
        self._clock = clock
        self._form = Form()
        self._pictures = References()
        self._money = Money()
        self._runs: dict[str, Run] = {}
        self._uploads: dict[str, tuple[str, bytearray]] = {}
        self._folder: Path | None = None
        self._count = 0

    # ------------------------------------------------------------------ the form

    def _prepare(self) -> None:
        """Vocabulary, size tables, and the gallery's first page."""
        quoting.panel(Form(prompt="warm"))
        with self._lock:
            self._read_money()
            self.thumbnails(self._newest())

    def open(self) -> None:
        """Fill the page: for a page that was just displayed, or displayed again.

        The controls and the quote come first, the pictures with `recall`.
        """
        with self._guarded():
            try:
                self._read_money()
            except PlaygroundError as problem:
                self.head = Head(self._provider, shut=str(problem))
            self.choices = quoting.choices(self._form.model)
            self._quote()
            self.references = self._pictures
            for run in self._runs.values():
                if run.state in {"waiting", "running"}:
                    self.run = run

    def recall(self) -> None:
        """The newest pictures of the gallery, and the one that was looked at last."""
        with self._guarded():
            if self.head is not None and self.head.shut:
                return
            items = self._newest()
            self.history = History(items)
            shown = self.shown.item.id if self.shown is not None else ""
            if shown or items:
                self._show(shown or items[0].id)

    def change(self, **fields: Any) -> None:
        """Some controls changed; the answer is `panel` (and `choices` for another model)."""
        with self._guarded():
            known = Form.__dataclass_fields__
            form = replace(self._form, **{k: v for k, v in fields.items() if k in known})
            another = form.model != self._form.model
            if set(fields) - {"prompt", "variables", "budget", "size"}:
                form = quoting.fitted(form)
            self._form = form
            if another:
                self.choices = quoting.choices(form.model)
            self._quote()

    @property
    def form(self) -> Form:
        """The form as it is now."""
        return self._form

    # ------------------------------------------------------------------ calls

    def generate(self, *, confirmed: bool = False) -> str | None:
        """Send what the form says; the id of the run, or None with `asking` or `trouble`.

        `confirmed` is the consent to a quote above $1.00.
        """
        with self._guarded():
            panel = self._panel()
            why = panel.waiting or panel.refused
            if why or panel.request is None or panel.quote is None:
                raise InvalidRequest(f"{why} Nothing was sent and nothing was spent.")
            if panel.asks and not confirmed:
                self.asking = Asking(panel.quote)
                return None
            self._count += 1
            run = Run(f"run{self._count}", panel.request, panel.quote, self._clock())
            self._announce(run)
            self._executor.submit(self._perform, run.id, confirmed)
            return run.id
        return None

    def cancel(self, run_id: str) -> None:
        """Stop waiting: unsent calls are not sent; a sent one may be billed, so it is kept."""
        with self._guarded():
            run = self._runs.get(run_id)
            if run is None or run.state not in {"waiting", "running"} or not run.watched:
                return
            if run.state == "waiting":
                text = "Cancelled before it was sent. Nothing was spent."
                self._announce(replace(run, state="cancelled", text=text, watched=False))
                return
            most = run.quote.hold if run.quote and run.quote.hold else Decimal(0)
            text = (
                f"It was already sent, so up to {money.short(most)} may be billed. If the picture "
                "still comes, it is kept in the gallery."
            )
            self._announce(replace(run, text=text, watched=False, partial=None))

    def again(self, item_id: str, *, confirmed: bool = False) -> str | None:
        """Ask for a picture once more, exactly as it was asked for."""
        self.vary(item_id)
        return self.generate(confirmed=confirmed)

    def vary(self, item_id: str) -> None:
        """Put a picture's request into the form, to change it."""
        with self._guarded():
            request = self._request_of(self._store.item(item_id))
            if request is None:
                msg = "How this picture was asked for is not known; its prompt is on the card."
                raise InvalidRequest(msg)
            self._form = quoting.fitted(
                replace(
                    self._form,
                    prompt=request.prompt,
                    variables={},
                    model=request.model,
                    size=str(request.size),
                    quality=request.quality,
                    n=request.n,
                    partial_images=request.partial_images,
                    background=request.background or "auto",
                    moderation=request.moderation or "auto",
                    output_format=request.output_format,
                    output_compression=request.output_compression,
                )
            )
            pictures = self._references_of(request) if isinstance(request, EditRequest) else ()
            self._set_references(References(pictures))
            self.choices = quoting.choices(self._form.model)

    def _perform(self, run_id: str, confirmed: bool) -> None:
        """In a worker thread: one call, and every ending of it as a run's new state."""
        try:
            with self._lock:
                run = self._runs[run_id]
                if run.state != "waiting":
                    return
            store, client = self._store, self._connected
            if isinstance(run.request, EditRequest):
                self._keep_pictures(store, run.request)
            result = generate(
                run.request,
                store,
                client,
                confirm=confirmed,
                on_quote=lambda quote: self._about_to_send(run_id, quote),
                on_partial=lambda _, data: self._draft(run_id, data),
            )
            self._end(run_id, **_ending(result))
        except PlaygroundError as problem:
            self._end(run_id, state="refused", text=str(problem))
        except Exception as bug:
            self._end(run_id, state="refused", text=bug_words(bug))
        with self._guarded():
            self._refresh()
            self._quote()
            if (done := self._runs[run_id]).items:
                self._show(done.items[0], done.quote)

    def _about_to_send(self, run_id: str, quote: Quote) -> None:
        with self._lock:
            run = self._runs[run_id]
            if run.state == "cancelled":
                msg = "Cancelled before it was sent. Nothing was spent."
                raise SpendingRefused(msg)
            self._announce(replace(run, state="running", quote=quote))

    def _draft(self, run_id: str, data: bytes) -> None:
        with self._lock:
            run = self._runs[run_id]
            if run.watched:
                self._announce(replace(run, partial=data))

    def _end(self, run_id: str, **changes: Any) -> None:
        with self._lock:
            run = self._runs[run_id]
            if run.state == "cancelled":
                return
            self._announce(replace(run, partial=None, **changes))

    def _announce(self, run: Run) -> None:
        self._runs[run.id] = run
        while len(self._runs) > 50:  # what ended long ago is in the gallery
            self._runs.pop(next(iter(self._runs)))
        self.run = run

    # ------------------------------------------------------------------ pictures to edit

    def add_picture(self, path: str | Path) -> None:
        """A picture file of this machine as one more to edit."""
        with self._guarded():
            self._add(Path(path).expanduser(), Path(path).name)

    def add_item(self, item_id: str) -> None:
        """A picture of the gallery as one more to edit."""
        with self._guarded():
            item = self._store.item(item_id)
            self._add(self._store.original_path(item_id), file_name(item))

    def add_items(self, item_ids: Sequence[str]) -> None:
        """Several pictures of the gallery, until sixteen are there."""
        for item_id in item_ids[:MAX_PICTURES]:
            self.add_item(item_id)

    def upload(self, key: str, name: str, chunk: bytes, *, last: bool, mask: bool = False) -> None:
        """A piece of a picture from the browser; with the last one it is looked at and used.

        Pieces keep each message below the server's limit, whatever the file's size.
        """
        with self._guarded():
            if len(self._uploads) > MAX_PICTURES and key not in self._uploads:
                self._uploads.clear()
            _, data = self._uploads.setdefault(key, (name, bytearray()))
            data += chunk
            if len(data) > MAX_UPLOAD_BYTES:
                del self._uploads[key]
                limit = MAX_UPLOAD_BYTES // 1024 // 1024
                msg = f"{name} is larger than {limit} MB, which no model takes; nothing was sent."
                raise PhotoProblem(msg)
            if not last:
                return
            del self._uploads[key]
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="halfpenny-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self._count += 1
            # The browser's name is shown and never used as a path.
            path = self._folder / f"upload{self._count}"
            path.write_bytes(data)
            try:
                if mask:
                    self._set_mask(photos.measure(path))
                else:
                    self._add(path, name)
            except PhotoProblem as problem:
                raise PhotoProblem(str(problem).replace(path.name, name)) from None

    def remove_picture(self, reference_id: str) -> None:
        """Take a picture out of the edit; the mask goes with the first one."""
        with self._guarded():
            pictures = tuple(p for p in self._pictures.pictures if p.id != reference_id)
            same = pictures[:1] == self._pictures.pictures[:1]
            self._set_references(References(pictures, self._pictures.mask if same else None))

    def clear_mask(self) -> None:
        """Edit the whole picture again."""
        with self._guarded():
            self._set_references(replace(self._pictures, mask=None))

    def _add(self, path: Path, name: str) -> None:
        if not quoting.choices(self._form.model).edits:
            msg = f"{self._form.model} does not edit pictures; choose another model."
            raise InvalidRequest(msg)
        if len(self._pictures.pictures) >= MAX_PICTURES:
            msg = f"An edit takes at most {MAX_PICTURES} pictures; take one out first."
            raise InvalidRequest(msg)
        try:
            photo = photos.measure(path)
            preview, _ = photos.thumbnail(path, edge_px=PREVIEW_PX)
        except PhotoProblem as problem:
            raise PhotoProblem(str(problem).replace(path.name, name)) from None
        self._count += 1
        one = Reference(f"ref{self._count}", photo, name, preview)
        self._set_references(replace(self._pictures, pictures=(*self._pictures.pictures, one)))

    def _set_mask(self, mask: Photo) -> None:
        first = self._pictures.pictures[:1]
        if not first:
            msg = "A mask belongs to a picture: add the picture first."
            raise InvalidRequest(msg)
        if mask.size != first[0].photo.size:
            msg = (
                f"The mask has {mask.size} pixels and the picture {first[0].photo.size}; they "
                "must be equal. Nothing was sent."
            )
            raise PhotoProblem(msg)
        self._set_references(replace(self._pictures, mask=mask))

    def _set_references(self, references: References) -> None:
        self._pictures = references
        self.references = references
        self._quote()

    def _references_of(self, request: EditRequest) -> tuple[Reference, ...]:
        found = []
        for image in request.images:
            item = self._store.find_photo(image.sha256 or "") if isinstance(image, Photo) else None
            if item is None:
                msg = "A picture that this was made from is not in the gallery any more."
                raise InvalidRequest(msg)
            path = self._store.original_path(item.id)
            preview, _ = photos.thumbnail(path, edge_px=PREVIEW_PX)
            self._count += 1
            reference = Reference(
                f"ref{self._count}", photos.measure(path), file_name(item), preview
            )
            found.append(reference)
        return tuple(found)

    def _keep_pictures(self, store: Gallery, request: EditRequest) -> None:
        """Uploaded pictures go to the gallery, so that the lineage and the slider survive."""
        names = {ref.photo.sha256: ref.name for ref in self._pictures.pictures}
        for image in request.images:
            assert isinstance(image, Photo)
            if store.find_photo(image.sha256 or "") is None:
                name, data = photos.read(image)
                store.add_photo(image, data, name=names.get(image.sha256, name))

    # ------------------------------------------------------------------ results

    def select(self, item_id: str) -> None:
        """Put a picture of the history on the card; the answer is `shown`."""
        with self._guarded():
            self._show(item_id)

    def copied(self, item_id: str | None, language: str) -> str:
        """The request as code: of a picture, or of the form as it is. "" where there is none."""
        with self._guarded():
            if item_id is None:
                request = self._panel().request
            else:
                request = self._request_of(self._store.item(item_id))
            if request is not None:
                write = quoting.as_python if language == "python" else quoting.as_curl
                return write(request, self._names(request))
        return ""

    def _names(self, request: ImageRequest) -> dict[str, str]:
        """What the pictures of an edit are called where they came from, by their hash."""
        names = {ref.photo.sha256: ref.name for ref in self._pictures.pictures}
        for image in request.images if isinstance(request, EditRequest) else ():
            known = image.sha256 if isinstance(image, Photo) else None
            if known and known not in names:
                item = self._store.find_photo(known)
                names[known] = f"{known[:8]}.png" if item is None else file_name(item)
        return {key: name for key, name in names.items() if key}

    def elapsed(self, run: Run) -> float:
        """Seconds since the button was pressed."""
        return self._clock() - run.begun

    def _show(self, item_id: str, quote: Quote | None = None) -> None:
        item = self._store.item(item_id)
        lineage: list[GalleryItem] = []
        queue = list(item.parents)
        while queue and len(lineage) < 20:
            parent = self._store.item(queue.pop(0))
            if parent.id not in {item.id, *(known.id for known in lineage)}:
                lineage.append(parent)
                queue.extend(parent.parents)
        dollars = sum((each.billed or Decimal(0) for each in (item, *lineage)), Decimal(0))
        request = self._request_of(item)
        self.shown = Shown(item, tuple(lineage), dollars, request, quote)

    def _request_of(self, item: GalleryItem) -> ImageRequest | None:
        if item.attempt_id is None:
            return None
        request = self._store.ledger.attempt(item.attempt_id).request
        return request if isinstance(request, ImageRequest) else None

    # ------------------------------------------------------------------ what is behind it

    def _refresh(self) -> None:
        """After a call: what it cost, and what came of it."""
        self._read_money()
        self.history = History(self._newest())

    def _read_money(self) -> None:
        """What the gallery has committed, and under which caps."""
        totals, day = self._totals(), self._store.ledger.totals("day")
        self._money = Money(
            today=day.committed, day_cap=day.cap, committed=totals.committed, cap=totals.cap
        )
        self.head = Head(self._provider, totals)

    def _newest(self) -> tuple[GalleryItem, ...]:
        """The newest pictures that were made, the newest first."""
        newest = [
            item
            for kind in ("image", "edit")
            for item in self._store.search(
                "", where=Where(kind=cast("Any", kind)), sort="newest", limit=HISTORY
            ).items
        ]
        newest.sort(key=lambda item: item.created_at, reverse=True)
        return tuple(newest[:HISTORY])

    def _panel(self) -> Panel:
        rates = None if self._client is None else self._client.rates
        images = tuple(each.photo for each in self._pictures.pictures)
        return quoting.panel(
            self._form, images=images, mask=self._pictures.mask, spent=self._money, rates=rates
        )

    def _quote(self) -> None:
        self.panel = self._panel()


def file_name(item: GalleryItem) -> str:
    """What a picture's file is called: an upload's own name, else the name of its download."""
    return item.name or f"halfpenny-{item.id[:8]}.{item.format}"


def _ending(result: Result) -> dict[str, Any]:
    outcome = result.outcome
    if isinstance(outcome, Failed):
        return {"state": "failed", "text": outcome.message, "notes": result.notes}
    if isinstance(outcome, Unknown):
        return {
            "state": "unknown",
            "text": outcome.message,
            "held": result.held,
            "notes": result.notes,
        }
    items = tuple(item.id for item in result.items)
    text = "" if items else "It was billed, and no picture could be used."
    return {"state": "done", "text": text, "items": items, "notes": result.notes}
