"""What a folder's run will ask: measured photos that are not answered yet, and their quotes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playground import photos
from playground.catalog import Rates
from playground.errors import InvalidRequest
from playground.pricing import total_quote
from playground.runner.gate import quote_or_refuse
from playground.runner.results import Problem
from playground.size import Size
from playground.values import CaptionRequest, Photo, Quote

if TYPE_CHECKING:
    from playground.provider.client import Client
    from playground.store import Gallery

PathLike = Path | str


@dataclass(frozen=True, slots=True)
class Job:
    """One question about one photo; `name` is its path, for messages."""

    request: CaptionRequest
    name: str


class Plan:
    """What is to be asked: measured photos that are not answered yet, and their quotes."""

    def __init__(self, gallery: Gallery, client: Client, rates: Rates | None) -> None:
        self._gallery, self._client, self._rates = gallery, client, rates
        self.jobs: list[Job] = []
        self.errors: list[Problem] = []
        self.skipped = 0
        self._quotes: dict[tuple[str, Size], Quote | str] = {}
        self._counts: dict[Quote, int] = {}

    def add(
        self,
        paths: PathLike | Iterable[PathLike],
        templates: Sequence[CaptionRequest],
        limit: int | None,
    ) -> None:
        """Measure, leave out what is answered or refused, and stop at the limit."""
        seen: set[str] = set()
        asked = 0
        for measured in photos.measure_many(self._files(paths), with_hash=True):
            if not isinstance(measured, Photo):
                self.errors.append(Problem(str(measured[0]), measured[1]))
                continue
            requests = [template.with_(photo=measured) for template in templates]
            keys = [request.key for request in requests]
            known = self._gallery.answered(keys) | seen
            # The same picture under a second name is the same question.
            new = [r for r, key in zip(requests, keys, strict=True) if key not in known]
            self.skipped += len(requests) - len(new)
            seen.update(keys)
            if limit is not None and asked >= limit:
                break
            asked += bool(new)
            for request in new:
                self._plan(request, measured)

    def _files(self, paths: PathLike | Iterable[PathLike]) -> Iterable[Path]:
        for path in [paths] if isinstance(paths, Path | str) else paths:
            found = Path(path)
            if found.is_dir():
                own = self._gallery.folder.resolve()
                # A gallery within the folder is where these captions go, not more photos.
                inner = found.resolve() in own.parents
                for photo in photos.scan(found, on_problem=self._unreadable):
                    if not (inner and own in photo.resolve().parents):
                        yield photo
            else:
                yield found

    def _unreadable(self, path: Path, why: str) -> None:
        self.errors.append(Problem(str(path), why))

    def _plan(self, request: CaptionRequest, photo: Photo) -> None:
        quoted = self._quotes.get((request.model, photo.size))
        if quoted is None:
            try:
                quoted = quote_or_refuse(request, self._client, self._rates)
            except InvalidRequest as problem:
                if not self._quotes:
                    raise  # the model or its price: no photo of this run can be asked about
                quoted = str(problem)
            self._quotes[request.model, photo.size] = quoted
        if isinstance(quoted, str):
            self.errors.append(Problem(str(photo.path), quoted))
        else:
            self._counts[quoted] = self._counts.get(quoted, 0) + 1
            self.jobs.append(Job(request, str(photo.path)))

    def total(self) -> Quote | None:
        """The sum of all quotes, or None when there is nothing to ask."""
        return total_quote(self._counts) if self._counts else None
