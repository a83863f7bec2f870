"""The sample gallery: made by the real pipeline on the embedded provider, in a few seconds.

Every picture goes through quote, reservation, HTTP, spool, file and settlement, as a paid one
does; only the answers are samples. Running it again finds everything answered and adds nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playground import money, photos
from playground.errors import PlaygroundError
from playground.provider.client import Client
from playground.provider.connect import connect
from playground.runner import Labels, caption_folder, perform
from playground.store import Gallery
from playground.values import EditRequest, ImageRequest, Task

PHOTOS = Path(__file__).parent / "data" / "photos"
NANO, MINI = "gpt-5.4-nano", "gpt-5.4-mini"
TASKS: tuple[tuple[Task, tuple[str, ...]], ...] = (
    ("describe", (NANO, MINI)),
    ("alt", (NANO,)),
    ("tags", (MINI,)),
)
_COLLECTION = "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of the sample gallery; `notes` are the annotations that it begins with."""

    key: str
    prompt: str
    asked: Mapping[str, Any]
    title: str = ""
    tags: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


def _sample(key: str, prompt: str, size: str, quality: str = "low", **rest: Any) -> Sample:
    own: dict[str, Any] = {name: rest.pop(name) for name in ("title", "tags") if name in rest}
    notes: dict[str, Any] = {
        name: rest.pop(name) for name in ("rating", "note", "alt") if name in rest
    }
    return Sample(key, prompt, {"size": size, "quality": quality, **rest}, notes=notes, **own)


SAMPLES = (
    _sample(
        "wizard",
        "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes",
        "976x704",
        title="The half-penny wizard",
        tags=("half-penny", "card"),
        rating=5,
        note="Under half a cent, prompt included: the challenge that this project is named for.",
    ),
    _sample(
        "train",
        "Night train on a stone viaduct, long exposure, moonlit clouds",
        "1440x480",
        title="The cheapest size",
        tags=("cheapest", "wide"),
        rating=4,
        note="3 to 1 at low quality: 54 output tokens, the fewest there are.",
    ),
    _sample(
        "canyon",
        "Equirectangular 360 panorama of a mossy canyon with a waterfall",
        "1152x576",
        tags=("panorama",),
        rating=4,
    ),
    _sample("clockmaker", "Portrait of an old clockmaker lit by one lamp", "704x976", rating=3),
    _sample(
        "market",
        "A floating market of paper lanterns at dusk, seen from a bridge",
        "1024x1024",
        "medium",
        tags=("lights",),
        rating=5,
    ),
    _sample(
        "library",
        "Interior of a library grown inside a redwood, morning light through amber windows",
        "1536x1024",
        "high",
        title="One at high quality",
        tags=("dear",),
        note="The same picture at low quality costs about a fortieth of this.",
    ),
    _sample("boat", "A paper boat on a sea of folded maps", "1024x1024", tags=("sea",)),
    _sample("poster", "Travel poster for a lighthouse at the end of the world", "1024x1536"),
    _sample("fox", "A fox asleep in a field of blue flax, watercolour", "960x720", rating=4),
    _sample(
        "coast",
        "Very wide coast at low tide, tiny figures, storm light",
        "3840x1312",
        title="The largest for half a penny",
        tags=("half-penny", "sea", "wide"),
        note="Five megapixels for less than the square of one: price does not follow size.",
    ),
    _sample(
        "orchard",
        "An orchard under snow, long blue shadows",
        "2384x816",
        tags=("wide",),
    ),
    _sample(
        "auto",
        "Whatever suits a haiku about frost",
        "auto",
        "auto",
        title="The model chose",
        tags=("auto",),
        note="size=auto and quality=auto: the quote can only be a range, the bill is exact.",
    ),
    _sample("teapot", "A teapot shaped like a small observatory", "1024x1024", n=2),
    _sample("whale", "A whale above a sleeping town", "1536x1024", output_format="jpeg"),
    _sample("moss", "Macro of moss after rain", "976x704", output_format="webp"),
    _sample(
        "mini", "A robot repotting a fern", "1024x1024", model="gpt-image-1-mini", tags=("mini",)
    ),
)
_EDIT = _sample(
    "edit",
    "The same card as pixel art",
    "976x704",
    title="The wizard, edited",
    tags=("card", "edit"),
    rating=3,
)


def make_demo(folder: str | Path, *, say: Callable[[str], None] = print) -> None:
    """Fill `folder` with the sample gallery; no key, no network, no cost.

    Raises:
        PlaygroundError: when the gallery cannot be written, or a sample did not succeed.
    """
    begun = time.monotonic()
    with Gallery(folder) as gallery, connect("offline") as client:
        before = gallery.search(limit=1).total
        workers = min(8, 2 * (os.cpu_count() or 1))
        with ThreadPoolExecutor(workers) as pool:
            # By turns, so that photographs and pictures come mixed, as they do in life.
            photographs = list(photos.scan(PHOTOS))
            jobs: list[Future[Any]] = []
            for left, sample in zip(range(len(SAMPLES), 0, -1), SAMPLES, strict=True):
                jobs.append(pool.submit(_make, gallery, client, sample))
                if left <= len(photographs):
                    jobs.append(pool.submit(_caption, gallery, client, photographs.pop()))
            _make_edit(gallery, client, jobs[0].result())
            for job in jobs:
                job.result()
        total = gallery.search(limit=1).total
        added = total - before
        pretended = gallery.ledger.totals().sample
    what = f"{added} samples added" if added else "nothing to add"
    say(
        f"{folder}: {total} pictures and photographs, {what} in {time.monotonic() - begun:.1f} s; "
        f"as real ones they would have cost {money.short(pretended)}, as samples nothing."
    )


def _make(
    gallery: Gallery, client: Client, sample: Sample, images: tuple[Path, ...] = ()
) -> str | None:
    """Make one sample unless it is there; the id of its (first) picture if it was made now."""
    job_key = f"sample:{sample.key}"
    if gallery.ledger.answered([job_key]):
        return None
    fields = {"prompt": sample.prompt, **sample.asked}
    request = EditRequest(**fields, images=images) if images else ImageRequest(**fields)
    labels = Labels(title=sample.title, tags=sample.tags, collection=_COLLECTION)
    result = perform(gallery, client, request, job_key=job_key, labels=labels)
    if not result.ok or not result.items:
        msg = f"The sample {sample.key!r} was not made: {result.outcome}"
        raise PlaygroundError(msg)
    if sample.notes:
        gallery.annotate(result.items[0].id, **sample.notes, by="make demo")
    return result.items[0].id


def _make_edit(gallery: Gallery, client: Client, wizard: str | None) -> None:
    if wizard is None:
        parent = gallery.search(f'"{SAMPLES[0].prompt}"', sort="oldest", limit=1).items
        if not parent:
            return
        wizard = parent[0].id
    _make(gallery, client, _EDIT, (gallery.original_path(wizard),))


def _caption(gallery: Gallery, client: Client, photo: Path) -> None:
    for task, models in TASKS:
        summary = caption_folder(photo, gallery, client, model=models, task=task)
        if summary.errors:
            msg = f"A sample photograph was not captioned: {summary.errors[0]}"
            raise PlaygroundError(msg)
