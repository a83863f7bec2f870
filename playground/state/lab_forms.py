"""The forms of the pricing lab as typed, and the requests that they ask for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, cast

from playground import catalog
from playground.errors import InvalidRequest
from playground.lab.advise import Wish
from playground.lab.history import Look
from playground.lab.priced import parse_day, parse_dollars, parse_whole
from playground.lab.whatif import Job
from playground.size import Size
from playground.values import CaptionRequest, EditRequest, ImageRequest, Photo, Request

Form = Mapping[str, str]
WIZARD = "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"

DEFAULTS: Mapping[str, Form] = {
    "sizes": {
        "model": "gpt-image-2",
        "quality": "low",
        "prompt_tokens": "20",
        "on": "",
        "size": "976x704",
    },
    "solver": {
        "dollars": "0.005",
        "prompt_tokens": "20",
        "ratio": "",
        "min_pixels": "",
        "n": "1",
        "tier": "standard",
        "model": "gpt-image-2",
        "on": "",
    },
    "explain": {
        "kind": "picture",
        "prompt": WIZARD,
        "model": "gpt-image-2",
        "size": "976x704",
        "quality": "low",
        "n": "1",
        "photo": "coffee.jpg",
        "reader": "gpt-5.4-nano",
        "detail": "auto",
        "resize": "",
        "answer_tokens": "112",
        "tier": "standard",
        "on": "",
    },
    "whatif": {
        "model": "gpt-5.4-nano",
        "photos": "1,000,000",
        "size": "4032x3024",
        "detail": "auto",
        "resize": "",
        "answer_tokens": "112",
        "tier": "standard",
        "on": "2026-03-17",
    },
    "history": {
        "what": "photos",
        "size": "1024x1024",
        "answer_tokens": "100",
        "quality": "medium",
    },
    "claims": {},
    "bill": {"text": "", "model": "", "on": ""},
    "coach": {"prompt": WIZARD, "locked": "wizard", "limit": "10"},
    "board": {
        "club": "half-penny",
        "dollars": "0.005",
        "size": "",
        "quality": "low",
        "prompt_tokens": "",
    },
    "exercises": {},
}


def wish_of(form: Form) -> tuple[Wish, dt.date]:
    """What the solver is asked. Raises InvalidRequest for what cannot be read."""
    pixels = form["min_pixels"].strip()
    wish = Wish(
        dollars=parse_dollars(form["dollars"], "the money"),
        prompt_tokens=parse_whole(form["prompt_tokens"], "the prompt's tokens", 0, 100_000),
        ratio=form["ratio"],
        min_pixels=parse_whole(pixels, "the least pixels", 1, 8_294_400) if pixels else 0,
        n=parse_whole(form["n"], "n", 1, 10),
        tier=cast("Any", form["tier"]),
        model=form["model"],
    )
    return wish, parse_day(form["on"])


def job_of(form: Form) -> Job:
    """What the what-if is about. Raises InvalidRequest for what cannot be read."""
    size = photo_size(form["size"])
    return Job(
        model=form["model"],
        photos=parse_whole(form["photos"], "the number of photos", 1, 10**9),
        width_px=size.width_px,
        height_px=size.height_px,
        detail=form["detail"],
        resize=_edge(form["resize"]),
        answer_tokens=parse_whole(form["answer_tokens"], "the answer's tokens", 1, 100_000),
        tier=cast("Any", form["tier"]),
        on=parse_day(form["on"]),
    )


def preset_form(job: Job) -> Form:
    """The form that asks for a job."""
    return {
        "model": job.model,
        "photos": f"{job.photos:,}",
        "size": f"{job.width_px}x{job.height_px}",
        "detail": job.detail,
        "resize": "" if job.resize is None else str(job.resize),
        "answer_tokens": str(job.answer_tokens),
        "tier": job.tier,
        "on": "" if job.on is None else job.on.isoformat(),
    }


def look_of(form: Form) -> Look:
    """What the chart of prices compares. Raises InvalidRequest for what cannot be read."""
    size = photo_size(form["size"])
    if form["what"] not in {"photos", "picture"}:
        msg = "the chart is about photos or about a picture"
        raise InvalidRequest(msg)
    return Look(
        what=cast("Any", form["what"]),
        width_px=size.width_px,
        height_px=size.height_px,
        answer_tokens=parse_whole(form["answer_tokens"], "the answer's tokens", 1, 10_000),
        quality=form["quality"],
    )


def asked(form: Form, measure: Callable[[str], Photo | Size]) -> tuple[Request, dt.date]:
    """The request that is explained. `measure` gives a named sample, or the size as typed.

    Raises:
        InvalidRequest: for what cannot be read, or what the model refuses.
    """
    on = parse_day(form["on"])
    if form["kind"] == "photo":
        answer = parse_whole(form["answer_tokens"], "the answer's tokens", 1, 100_000)
        return (
            CaptionRequest(
                photo=_photo(form["photo"], measure),
                model=form["reader"],
                prompt=form["prompt"].strip() or None,
                detail=cast("Any", _detail(form)),
                resize=_edge(form["resize"]),
                max_output_tokens=max(300, answer),
                expect_output_tokens=answer,
                tier=cast("Any", form["tier"]),
            ),
            on,
        )
    fields: dict[str, Any] = {
        "prompt": form["prompt"],
        "model": form["model"],
        "size": form["size"].strip(),
        "quality": form["quality"],
        "n": parse_whole(form["n"], "n", 1, 10),
        "tier": form["tier"],
    }
    if form["kind"] == "edit":
        return EditRequest(**fields, images=(_photo(form["photo"], measure),)), on
    return ImageRequest(**fields), on


def photo_size(text: str) -> Size:
    """A photo's size as typed. Raises InvalidRequest for one that no camera makes."""
    size = Size.parse(text.strip())
    if size.long_px > 65_535:
        msg = f"a photo of {size} is beyond any camera: a side has at most 65,535 pixels"
        raise InvalidRequest(msg)
    return size


def _photo(text: str, measure: Callable[[str], Photo | Size]) -> Photo:
    found = measure(text.strip())
    if isinstance(found, Photo):
        return found
    size = photo_size(str(found))
    return Photo(size.width_px, size.height_px)


def _detail(form: Form) -> str:
    details = catalog.default().model(form["reader"]).details
    if form["detail"] not in details:
        kind = ", ".join(details) or "none: it makes pictures and reads no photos"
        msg = f"{form['reader']} has no detail {form['detail']!r}; it has {kind}"
        raise InvalidRequest(msg)
    return form["detail"]


def _edge(text: str) -> int | None:
    bare = text.strip()
    return parse_whole(bare, "the longest side", 16, 20_000) if bare else None
