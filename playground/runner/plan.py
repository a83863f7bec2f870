"""What an archive's run will ask: measured photos that are not answered yet, and their quotes.

A plan holds one short row per question, whatever the photos weigh: 76,000 photos take about 30 MB.
Files that were measured before and have not changed since are not read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from playground import catalog, photos, tokens
from playground.catalog import Rates
from playground.errors import InvalidRequest
from playground.pricing import sent_size, total_quote
from playground.runner.gate import quote_or_refuse
from playground.runner.results import Problem
from playground.size import Size
from playground.store.measured import Known, Measured
from playground.values import CaptionRequest, Photo, Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

PathLike = Path | str
T = TypeVar("T")
_AT_ONCE = 500
# Large photos on a slow disk take seconds: who watches a plan grow sees it grow.
_MEASURED_AT_ONCE = 100
# Bytes of a photograph as it is sent after it was scaled down (JPEG, quality 90), by experience.
_BYTES_PER_PIXEL = 0.25


class Copy(NamedTuple):
    """A file that holds the same bytes as another one of the plan: it is not asked about."""

    path: str
    same_as: str


class Row(NamedTuple):
    """One question: which template, about which photo."""

    template: int
    path: str
    sha256: bytes
    width_px: int
    height_px: int
    format: str
    size_bytes: int


class _Found(NamedTuple):
    """A measured photo; making 76,000 `Photo` values would take longer than all else."""

    path: str
    sha256: str
    width_px: int
    height_px: int
    format: str
    size_bytes: int


def _found(photo: Photo) -> _Found:
    return _Found(
        str(photo.path),
        str(photo.sha256),
        photo.width_px,
        photo.height_px,
        str(photo.format),
        photo.size_bytes or 0,
    )


def _photo(found: _Found) -> Photo:
    path, sha256, width_px, height_px, format_, size_bytes = found
    return Photo(width_px, height_px, format_, size_bytes, sha256, Path(path))


@dataclass(frozen=True, slots=True)
class Job:
    """One question about one photo; `name` is its path, for messages."""

    request: CaptionRequest
    key: str
    name: str
    template: int


@dataclass(frozen=True, slots=True)
class Saving:
    """What sending smaller photos would cost: dollars for all, and about how many bytes.

    `resize` is the longest side in pixels, None for the photos as they are.
    """

    resize: int | None
    low: Decimal
    high: Decimal
    upload_bytes: int


class Plan:
    """What is to be asked; add paths, look at the price, then take the jobs."""

    def __init__(
        self,
        gallery: Gallery,
        client: Client,
        rates: Rates | None,
        templates: Sequence[CaptionRequest],
    ) -> None:
        self._gallery, self._client, self._rates = gallery, client, rates
        self.templates = tuple(templates)
        # The key of each template's question about a photo.
        self.keys = [key_maker(template) for template in templates]
        self.rows: list[Row] = []
        self.errors: list[Problem] = []
        self.skipped = 0
        self.looked = 0
        self.duplicates: list[Copy] = []
        self._quotes: dict[tuple[int, Size], Quote | str] = {}
        self._sent: dict[tuple[int, Size], Quote] = {}
        self._spare: dict[tuple[int, Size], int] = {}
        self._counts: dict[Quote, int] = {}
        self._seen: dict[bytes, str] = {}

    @property
    def copies(self) -> int:
        """How many files are copies of others."""
        return len(self.duplicates)

    def add(
        self,
        paths: PathLike | Iterable[PathLike],
        limit: int | None = None,
        on_measured: Callable[[int], object] | None = None,
    ) -> None:
        """Measure, leave out what is answered, refused or a copy, and stop at the limit.

        `on_measured` is told how many files were looked at, now and then; what it raises ends
        the planning, and what was planned so far stays.
        """
        with self._cache() as cache:
            self._take(self._measured(self._files(paths), cache), limit, on_measured)

    def measured(self, paths: PathLike | Iterable[PathLike]) -> Iterator[Photo]:
        """The readable photos of files and folders, lazily; the others are in `errors`."""
        with self._cache() as cache:
            yield from map(_photo, self._measured(self._files(paths), cache))

    def _cache(self) -> Measured:
        return Measured(self._gallery.folder, read_only=bool(self._gallery.read_only))

    def take(
        self,
        measured: Iterable[Photo],
        limit: int | None = None,
        on_measured: Callable[[int], object] | None = None,
    ) -> None:
        """Plan questions about photos that were measured and hashed; as `add`."""
        self._take(map(_found, measured), limit, on_measured)

    def _take(
        self,
        measured: Iterable[_Found],
        limit: int | None,
        on_measured: Callable[[int], object] | None,
    ) -> None:
        asked = 0
        waiting = iter(measured)
        while some := list(islice(waiting, _AT_ONCE)):
            keys = [[key(photo) for key in self.keys] for photo in some]
            known = self._gallery.answered([key for each in keys for key in each])
            self.looked += len(some)
            if on_measured is not None:
                on_measured(self.looked)
            for photo, each in zip(some, keys, strict=True):
                digest, path = bytes.fromhex(photo.sha256), photo.path
                # The same picture under a second name is the same question.
                first = self._seen.setdefault(digest, path)
                copy = first is not path
                if copy and first != path:
                    self.duplicates.append(Copy(path, first))
                new = [] if copy else [i for i, key in enumerate(each) if key not in known]
                self.skipped += len(each) - len(new)
                if limit is not None and asked >= limit:
                    return
                asked += bool(new)
                for template in new:
                    self._plan(template, photo, digest)

    def answered(self, measured: Sequence[Photo]) -> set[str]:
        """The hashes of those photos that every template's question is answered about."""
        keys = [[key(photo) for key in self.keys] for photo in measured]
        known = self._gallery.answered([key for each in keys for key in each])
        return {
            str(photo.sha256)
            for photo, each in zip(measured, keys, strict=True)
            if known.issuperset(each)
        }

    def _files(self, paths: PathLike | Iterable[PathLike]) -> Iterator[str]:
        for path in [paths] if isinstance(paths, Path | str) else paths:
            found = Path(path)
            if not found.is_dir():
                yield str(found)
                continue
            every = photos.names(found, on_problem=self._unreadable)
            own = self._gallery.folder.resolve()
            # A gallery within the folder is where these captions go, not more photos.
            yield from _outside(every, own) if found.resolve() in own.parents else every

    def _unreadable(self, path: PathLike, why: str) -> None:
        self.errors.append(Problem(str(path), why))

    def _measured(self, paths: Iterator[str], cache: Measured) -> Iterator[_Found]:
        """Each readable photo in order, from the cache where its file has not changed."""
        # Text until the end: a run that is resumed looks at each of its files.
        here = os.getcwd()  # noqa: PTH109
        while some := list(islice(paths, _MEASURED_AT_ONCE)):
            whole = {path: os.path.join(here, path) for path in some}  # noqa: PTH118
            known = cache.known(list(whole.values()))
            found: dict[str, _Found] = {}
            new: list[str] = []
            stamps: dict[str, tuple[int, int] | None] = {}
            for path in some:
                stamp = _stamp(path)
                before = known.get(whole[path])
                if before is not None and stamp == (before.size_bytes, before.changed_ns):
                    found[path] = _Found(
                        path,
                        before.sha256.hex(),
                        before.width_px,
                        before.height_px,
                        before.format,
                        before.size_bytes,
                    )
                else:
                    new.append(path)
                    stamps[path] = stamp
            fresh: list[tuple[str, Known]] = []
            for path, measured in zip(new, photos.measure_many(new, with_hash=True), strict=True):
                if not isinstance(measured, Photo):
                    self._unreadable(*measured)
                    continue
                found[path] = _found(measured)
                stamp = stamps[path]
                if stamp is not None and measured.size_bytes == stamp[0]:
                    fresh.append((whole[path], _known(measured, stamp[1])))
            cache.keep(fresh)
            yield from (found[path] for path in some if path in found)

    def _plan(self, template: int, photo: _Found, digest: bytes) -> None:
        size = Size(photo.width_px, photo.height_px)
        try:
            quoted = self.quote(template, size)
        except InvalidRequest:
            if len(self._quotes) <= 1:
                raise  # the model or its price: no photo of this run can be asked about
            quoted = str(self._quotes[template, size])
        if isinstance(quoted, str):
            self.errors.append(Problem(photo.path, quoted))
            return
        self._counts[quoted] = self._counts.get(quoted, 0) + 1
        self.rows.append(
            Row(
                template,
                photo.path,
                digest,
                photo.width_px,
                photo.height_px,
                photo.format,
                photo.size_bytes,
            )
        )

    def quote(self, template: int, size: Size) -> Quote | str:
        """The price of one template's question about a photo of `size`, or why it is refused.

        Raises:
            InvalidRequest: the first time that a size is refused.
        """
        found = self._quotes.get((template, size))
        if found is None:
            photo = Photo(size.width_px, size.height_px)
            request = self.templates[template].with_(photo=photo)
            try:
                found = quote_or_refuse(request, self._client, self._rates)
            except InvalidRequest as problem:
                self._quotes[template, size] = str(problem)
                raise
            self._quotes[template, size] = found
        return found

    def sent_quote(self, template: int, size: Size) -> Quote:
        """The price of a question about a photo that is sent with `size` pixels.

        Raises:
            InvalidRequest: when the model refuses it.
        """
        found = self._sent.get((template, size))
        if found is None:
            photo = Photo(size.width_px, size.height_px)
            request = self.templates[template].with_(photo=photo, resize=None)
            found = quote_or_refuse(request, self._client, self._rates)
            self._sent[template, size] = found
        return found

    def sent_bytes(self, row: Row) -> int:
        """About how many bytes a photo takes in a request's body, in base64."""
        size = Size(row.width_px, row.height_px)
        resize = self.templates[row.template].resize
        if resize is None or size.long_px <= resize:
            return row.size_bytes * 4 // 3
        return round(sent_size(size, resize).pixels * _BYTES_PER_PIXEL * 4 / 3)

    def expected(self, row: Row) -> Decimal:
        """Dollars that a question costs at least, by its quote."""
        quote = self._quotes[row.template, Size(row.width_px, row.height_px)]
        assert isinstance(quote, Quote)
        return quote.low or Decimal(0)

    @property
    def least(self) -> Decimal | None:
        """Dollars that must be free for the cheapest question; None when there is none."""
        return min((quote.hold for quote in self._counts if quote.hold is not None), default=None)

    def spare(self, template: int, size: Size) -> int:
        """By how much a photo's sides may be divided (1, 2, 4, 8) and nothing is lost but pixels
        that the model would not look at: the rest is enough for it, and costs the same.
        """
        found = self._spare.get((template, size))
        if found is None:
            found = self._spare[template, size] = self._divisor(template, size)
        return found

    def _divisor(self, template: int, size: Size) -> int:
        request = self.templates[template]
        with contextlib.suppress(InvalidRequest):
            model = catalog.default().model(request.model)
            enough = tokens.looked_at(model, size, request.detail)
            whole = self.sent_quote(template, size)
            for divisor in (8, 4, 2):
                part = Size(-(-size.width_px // divisor), -(-size.height_px // divisor))
                if enough is None or part.width_px < enough.width_px:
                    continue
                if part.height_px >= enough.height_px:
                    quote = self.sent_quote(template, part)
                    if (quote.tokens, quote.hold) == (whole.tokens, whole.hold):
                        return divisor
        return 1

    def total(self) -> Quote | None:
        """The sum of all quotes, or None when there is nothing to ask."""
        return total_quote(self._counts) if self._counts else None

    def quote_of(self, indexes: Iterable[int]) -> Quote:
        """The sum of the quotes of some rows.

        Raises:
            InvalidRequest: when there are none.
        """
        return self.quote_of_rows(self.rows[index] for index in indexes)

    def quote_of_rows(self, rows: Iterable[Row]) -> Quote:
        """As `quote_of`, for the rows themselves."""
        counts: dict[Quote, int] = {}
        for row in rows:
            quote = self._quotes[row.template, Size(row.width_px, row.height_px)]
            assert isinstance(quote, Quote)
            counts[quote] = counts.get(quote, 0) + 1
        return total_quote(counts)

    def savings(self, edges: Sequence[int] = (512, 768, 1024)) -> list[Saving]:
        """What the same questions cost with the photos as they are, and scaled down before."""
        sizes: dict[tuple[int, Size], list[int]] = {}
        for row in self.rows:
            counted = sizes.setdefault((row.template, Size(row.width_px, row.height_px)), [0, 0])
            counted[0] += 1
            counted[1] += row.size_bytes
        found = []
        for edge in (None, *edges):
            low = high = Decimal(0)
            sent = 0
            for (template, size), (count, size_bytes) in sizes.items():
                photo = Photo(size.width_px, size.height_px)
                request = self.templates[template].with_(photo=photo, resize=edge)
                quote = quote_or_refuse(request, self._client, self._rates)
                low += (quote.low or Decimal(0)) * count
                high += (quote.high or Decimal(0)) * count
                smaller = round(sent_size(size, edge).pixels * _BYTES_PER_PIXEL) * count
                sent += size_bytes if edge is None or size.long_px <= edge else smaller
            found.append(Saving(edge, low, high, sent))
        return found

    def sample(self, count: int, seed: int | None = None) -> list[int]:
        """The indexes of `count` rows drawn at random, without repetition."""
        return sorted(sample(range(len(self.rows)), count, seed))

    def photo(self, row: Row) -> Photo:
        """The photo of a row."""
        path, digest = Path(row.path), row.sha256.hex()
        return Photo(row.width_px, row.height_px, row.format, row.size_bytes, digest, path)

    def job(self, row: Row) -> Job:
        """A row as a question that can be asked."""
        photo = self.photo(row)
        request = self.templates[row.template].with_(photo=photo)
        return Job(request, self.keys[row.template](photo), row.path, row.template)


def sample(some: Sequence[T], count: int, seed: int | None = None) -> list[T]:
    """At most `count` of them, drawn at random without repetition."""
    generator = random.Random(seed)  # noqa: S311  a sample, no secret
    return generator.sample(some, min(count, len(some)))


def key_maker(template: CaptionRequest) -> Callable[[Photo | _Found], str]:
    """A function that gives `request.key` of the template with a photo, forty times as fast."""
    mark = Photo(1, 1, sha256="0" * 64)
    text = json.dumps(template.with_(photo=mark).canonical(), sort_keys=True, separators=(",", ":"))
    inner = json.dumps({"sha256": "0" * 64, "size": "1x1"}, separators=(",", ":"))
    before, found, after = text.partition(f'"photo":{inner}')
    assert found
    begun = hashlib.sha256(f'{before}"photo":{{"sha256":"'.encode())
    ending = f'"}}{after}'

    def key(photo: Photo | _Found) -> str:
        made = begun.copy()
        size = f"{photo.width_px}x{photo.height_px}"
        made.update(f'{photo.sha256}","size":"{size}{ending}'.encode())
        return made.hexdigest()

    return key


def _outside(paths: Iterator[str], folder: Path) -> Iterator[str]:
    """The files that are not within a folder, wherever links lead."""
    inside: dict[str, bool] = {}
    for path in paths:
        parent = os.path.dirname(path)  # noqa: PTH120
        if parent not in inside:
            real = Path(parent).resolve()
            inside[parent] = folder == real or folder in real.parents
        if not inside[parent] and not (
            os.path.islink(path) and folder in Path(path).resolve().parents  # noqa: PTH114
        ):
            yield path


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _known(photo: Photo, changed_ns: int) -> Known:
    return Known(
        photo.size_bytes or 0,
        changed_ns,
        bytes.fromhex(str(photo.sha256)),
        photo.width_px,
        photo.height_px,
        str(photo.format),
    )
