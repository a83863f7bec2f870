"""The photos of a job and their price: look, find what looks alike, plan; nothing is sent."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from playground import money
from playground.errors import InvalidRequest, PlaygroundError
from playground.jobs import batched, shown
from playground.jobs.desk import Job, Post
from playground.jobs.status import TELL_SECONDS, Signs, Status
from playground.photos import similar
from playground.runner import Archive, Problem
from playground.runner.plan import Row
from playground.store import Where
from playground.store.files import name_of
from playground.store.looks import Looks
from playground.store.opening import ORIGINALS
from playground.values import Photo, Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

_AT_ONCE = 200
# Photos whose standard price tells that of a pilot, where the rest goes another way.
_PRICED = 200


class Study:
    """What a job is about, as far as looking can tell.

    Attributes:
        archive: the plan for the question as it is; None while that cannot be asked.
        waits: questions that stand in a batch at the provider.
    """

    def __init__(
        self, post: Post, job: Job, gallery: Gallery, client: Client, status: Status, signs: Signs
    ) -> None:
        self._post, self.job = post, job
        self._gallery, self._client = gallery, client
        self._status, self._signs = status, signs
        self.archive: Archive | None = None
        self.waits = 0
        self._bytes = 0
        self._photos: list[Photo] = []
        self._unreadable: list[Problem] = []
        self._groups: list[list[Photo]] = []
        self._twins: dict[str, str] = {}

    @property
    def by_batch(self) -> bool:
        """Whether the job goes to the Batch endpoint."""
        return self.job.fields.get("tier") == "batch"

    def keep(self, **changes: Any) -> None:
        """Change the job, for this worker and one after it."""
        self.job = dataclasses.replace(self.job, **changes)
        self._post.keep(self.job)

    def scan(self) -> None:
        """Measure the photos, a few at a time, with the price running along."""
        self._status.set_phase("scanning")
        self._make()
        told_at = 0.0
        for some in _chunks(self._source(), _AT_ONCE):
            if self._signs.closing.is_set():
                return
            if self._signs.halt.is_set():
                self._status.tell(
                    problem="Looking was stopped: there may be more photos than these."
                )
                return
            self._photos += some
            self._bytes += sum(photo.size_bytes or 0 for photo in some)
            self._take(some)
            if time.monotonic() - told_at > TELL_SECONDS:
                self.tell_plan()
                told_at = time.monotonic()

    def _source(self) -> Iterator[Photo]:
        source = self.job.source
        if "path" in source:
            scanner = Archive(self._gallery, self._client).plan
            try:
                yield from scanner.measured(str(source["path"]))
            finally:
                self._unreadable = scanner.errors
            return
        folder = self._gallery.folder / ORIGINALS
        where = Where(**dict(source.get("where") or {}))
        for item in self._gallery.each(str(source.get("search") or ""), where=where):
            if source.get("untagged") and item.tags:
                continue
            path = folder / name_of(item.sha256, item.format)
            try:
                # Asking the gallery for each would take longer than looking.
                path = path if path.is_file() else self._gallery.original_path(item.id)
            except PlaygroundError as problem:
                self._unreadable.append(Problem(item.name or item.id, str(problem)))
                continue
            size = item.size
            yield Photo(
                size.width_px, size.height_px, item.format, item.size_bytes, item.sha256, path
            )

    def compare(self) -> None:
        """Find photos that look alike; what is known when it is skipped counts."""
        self._status.set_phase("comparing")
        unique = {str(photo.sha256): photo for photo in self._photos}
        # The largest leads its group: it is the one that is asked about.
        ordered = sorted(
            unique.values(), key=lambda one: (-one.size.pixels, -(one.size_bytes or 0), one.name)
        )
        looks = Looks(self._gallery.folder)
        try:
            known = looks.known([_digest(photo) for photo in ordered])
            missing = [photo for photo in ordered if _digest(photo) not in known]
            fresh: dict[bytes, bytes] = {}
            self._status.tell(compared=0, to_compare=len(missing))
            begun = time.monotonic()
            for count, (photo, mark) in enumerate(similar.looks(missing), 1):
                known[_digest(photo)] = fresh[_digest(photo)] = mark
                if len(fresh) >= _AT_ONCE:
                    looks.keep(fresh)
                    fresh = {}
                left = (time.monotonic() - begun) / count * (len(missing) - count)
                self._status.tell(compared=count, compare_seconds_left=round(left, 1))
                if self._signs.skip.is_set():
                    break
            looks.keep(fresh)
        finally:
            looks.close()
        marks = [(photo, known[_digest(photo)]) for photo in ordered if _digest(photo) in known]
        self._groups = similar.groups(marks)
        self._status.tell(partly=self._signs.skip.is_set())

    def _make(self) -> None:
        """A new plan for the question as it is; a question that cannot be asked is a sentence."""
        self.archive = None
        if not self._signs.halt.is_set():
            self._status.tell(problem="")
        try:
            self.archive = self.made()
        except PlaygroundError as problem:
            self._status.tell(problem=str(problem))

    def made(self, **changes: Any) -> Archive:
        return Archive(self._gallery, self._client, **{**self.job.fields, **changes})

    def _take(self, some: list[Photo]) -> None:
        if self.archive is None:
            return
        try:
            self.archive.plan.take(some)
        except InvalidRequest as problem:
            self.archive = None
            self._status.tell(problem=str(problem), quote=None, asking=0)

    def price(self, *, again: bool = False) -> None:
        """Plan anew: after the scan, and whenever the question or the choice changes.

        `again` after something was asked, while the page shows that.
        """
        if self._signs.closing.is_set() and not again:
            return
        if not again:
            self._status.set_phase("pricing")
        self._make()
        self._twins, answered = {}, set[str]()
        if self.archive is not None:
            self.archive.plan.errors.extend(self._unreadable)
            plan = self.archive.plan
            if self._groups:
                answered = plan.answered([photo for group in self._groups for photo in group])
                self._twins = self._left_out(answered)
            chosen = self._photos
            if self.job.once and self._twins:
                chosen = [one for one in self._photos if one.sha256 not in self._twins]
            self._take(chosen)
        self._status.tell(alike=self._alike(answered))
        self.tell_plan(whole=True)

    def _left_out(self, answered: set[str]) -> dict[str, str]:
        """Photos that look like one that is asked about, or was: their hash, and that one's."""
        twins: dict[str, str] = {}
        for group in self._groups:
            hashes = [str(photo.sha256) for photo in group]
            asked = next((one for one in hashes if one in answered), hashes[0])
            for one in hashes:
                if one != asked and one not in answered and one not in self.job.anyway:
                    twins[one] = asked
        return twins

    def _alike(self, answered: set[str]) -> dict[str, Any]:
        saves: list[Quote] = []
        if self.archive is not None:
            plan, unique = self.archive.plan, {one.sha256: one for one in self._photos}
            with suppress(InvalidRequest):
                quotes = [plan.quote(0, unique[one].size) for one in self._twins]
                saves = [quote for quote in quotes if isinstance(quote, Quote)]
        return {
            "groups": len(self._groups),
            "photos": len(self._twins),
            "low": money.plain(sum((one.low or Decimal(0) for one in saves), Decimal(0))),
            "high": money.plain(sum((one.high or Decimal(0) for one in saves), Decimal(0))),
            "once": self.job.once,
            "looked": self.job.similar,
            "list": shown.alike(self._groups, self._twins, answered),
        }

    def tell_plan(self, *, whole: bool = False) -> None:
        """The plan's figures; `whole` with those that take a look at every photo."""
        self._status.tell(
            photos=len(self._photos),
            bytes=self._bytes,
            unreadable=len(self._unreadable),
        )
        archive = self.archive
        if archive is None:
            self._status.tell(quote=None, rest=None, asking=0, savings=[])
            return
        plan = archive.plan
        quote, asking = archive.rest, archive.remaining
        rows = batched.not_waiting(self._gallery, archive) if whole else None
        if rows is not None:
            quote, asking = plan.quote_of_rows(rows) if rows else None, len(rows)
        self._status.tell(
            asking=asking,
            skipped=plan.skipped - plan.copies,
            copies=plan.copies,
            quote=shown.price(quote),
            rates=self._client.rates is not None,
        )
        if not whole:
            return
        least = plan.least
        self.waits = archive.remaining - asking
        self._status.tell(waiting=self.waits, batches=batched.standing(self._gallery, self.job.id))
        self._status.tell(pilot_quote=self._price_of_pilot(archive.left if rows is None else rows))
        self._status.tell(
            least=None if least is None else money.plain(least),
            set_aside=shown.reasons(plan.errors),
        )
        with suppress(InvalidRequest):
            self._status.tell(savings=shown.savings(archive.savings()))

    def _price_of_pilot(self, rows: list[Row]) -> dict[str, Any] | None:
        """What a pilot costs of which the rest goes in batches, for so many photos: `of`."""
        archive = self.archive
        if archive is None or not self.by_batch or not rows:
            return None
        some = rows[:: max(1, len(rows) // _PRICED)]
        plan = batched.live(archive, self.made, some).plan
        least = plan.least
        return {
            **(shown.price(plan.total()) or {}),
            "of": len(plan.rows),
            "least": None if least is None else money.plain(least),
        }


def _chunks(photos: Iterator[Photo], most: int) -> Iterator[list[Photo]]:
    while some := list(islice(photos, most)):
        yield some


def _digest(photo: Photo) -> bytes:
    return bytes.fromhex(str(photo.sha256))
