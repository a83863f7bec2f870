"""An API's usage object, read strictly: inclusive totals are split once, into disjoint buckets.

Anything that could hide money (a missing, negative or fractional count, totals that disagree, a
count under a name that is not known here) is refused with `NoUsage`, and the attempt stays held
rather than being booked too low.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from playground.values import Usage

# Counts under these names are understood; see `_unknown_counts`.
_KNOWN_IMAGE = {"input_tokens", "output_tokens", "total_tokens", "cached_tokens"}
_KNOWN_RESPONSES = {"input_tokens", "output_tokens", "total_tokens"}
_KNOWN_CHAT = {
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_cache_hit_tokens",
    "prompt_cache_miss_tokens",
}
_KNOWN_INPUT_DETAILS = {"cached_tokens", "cache_write_tokens", "text_tokens", "image_tokens"}
_KNOWN_OUTPUT_DETAILS = {
    "reasoning_tokens",
    "text_tokens",
    "image_tokens",
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
}
_DETAIL_OBJECTS = {
    "input_tokens_details",
    "output_tokens_details",
    "prompt_tokens_details",
    "completion_tokens_details",
    "cached_tokens_details",
    "cache_write_tokens_details",
}
# Other servers add times, speeds and their own price; those are no counts of billed units.
_COUNTS = re.compile(r"token|usage|request|image|second|unit|search|quer|call")
_NO_COUNT = re.compile(r"_time$|_ms$|per_second|cost|price")

_TOO_MANY = 10**12


class NoUsage(ValueError):
    """The usage cannot be trusted as a bill; the text says why."""


def image_usage(answer: Mapping[str, Any], *, pictures_sent: bool) -> Usage:
    """Buckets of an Images API answer (or of its final streamed event).

    Args:
        answer: the whole JSON object; usage objects beside `usage` are looked for.
        pictures_sent: whether the request carried pictures, so that the input must be split.
    """
    usage = _usage(answer, _KNOWN_IMAGE)
    total_in = _count(usage, "input_tokens")
    total_out = _count(usage, "output_tokens")
    _check_total(usage, total_in, total_out)
    details = _details(usage, "input_tokens_details", _KNOWN_INPUT_DETAILS)
    if details is None:
        if pictures_sent:
            msg = "the input is not split into text and pictures"
            raise NoUsage(msg)
        text, image = total_in, 0
    else:
        text, image = _count(details, "text_tokens", 0), _count(details, "image_tokens", 0)
        if text + image != total_in:
            msg = f"text and picture tokens ({text} + {image}) are not the input ({total_in})"
            raise NoUsage(msg)
    cached_text, cached_image = _cached_split(usage, details or {}, image)
    outside = _details(usage, "output_tokens_details", _KNOWN_OUTPUT_DETAILS)
    text_out = 0
    if outside is not None:
        text_out = _count(outside, "text_tokens", 0)
        if text_out + _count(outside, "image_tokens", 0) != total_out:
            msg = "the parts of the output do not add up"
            raise NoUsage(msg)
    return Usage(
        text_input=_rest(text, cached_text),
        cached_text_input=cached_text,
        image_input=_rest(image, cached_image),
        cached_image_input=cached_image,
        text_output=text_out,
        image_output=total_out - text_out,
    )


def caption_usage(answer: Mapping[str, Any], *, chat: bool) -> Usage:
    """Buckets of a Responses or Chat Completions answer.

    These APIs count a photo's tokens into the input without naming them; where a server names
    them, they go into the image bucket (priced alike). Reasoning is part of the output.
    """
    usage = _usage(answer, _KNOWN_CHAT if chat else _KNOWN_RESPONSES)
    into, out = ("prompt", "completion") if chat else ("input", "output")
    total_in, total_out = _count(usage, f"{into}_tokens"), _count(usage, f"{out}_tokens")
    _check_total(usage, total_in, total_out)
    details = _details(usage, f"{into}_tokens_details", _KNOWN_INPUT_DETAILS) or {}
    _details(usage, f"{out}_tokens_details", _KNOWN_OUTPUT_DETAILS)
    image = _count(details, "image_tokens", 0)
    cached = _count(details, "cached_tokens", _count(usage, "prompt_cache_hit_tokens", 0))
    written = _count(details, "cache_write_tokens", 0)
    text = total_in - image
    # Which of them were cached is not said; both kinds have one price in these APIs.
    cached_text = min(cached, max(text, 0))
    written_text = min(written, max(text - cached_text, 0))
    return Usage(
        text_input=_rest(text, cached_text, written_text),
        cached_text_input=cached_text,
        image_input=_rest(image, cached - cached_text, written - written_text),
        cached_image_input=cached - cached_text,
        cache_write_input=written,
        text_output=total_out,
    )


def added(parts: list[Usage]) -> Usage:
    """The sum of several usages: streamed pictures report one each."""
    return Usage(**{name: sum(getattr(p, name) for p in parts) for name in Usage.__slots__})


def _usage(answer: Mapping[str, Any], known: set[str]) -> Mapping[str, Any]:
    for name, value in answer.items():
        if name != "usage" and "usage" in name and _positive(value):
            msg = f"it carries a second bill ({name}) that is not understood"
            raise NoUsage(msg)
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        msg = "it carries no usage"
        raise NoUsage(msg)
    _refuse_unknown(usage, known | _DETAIL_OBJECTS)
    return usage


def _details(usage: Mapping[str, Any], name: str, known: set[str]) -> Mapping[str, Any] | None:
    value = usage.get(name)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        msg = f"{name} is not an object"
        raise NoUsage(msg)
    _refuse_unknown(value, known | _DETAIL_OBJECTS)
    for count in known & value.keys():
        _count(value, count, 0)
    return value


def _refuse_unknown(counts: Mapping[str, Any], known: set[str]) -> None:
    for name, value in counts.items():
        if name in known or _NO_COUNT.search(name) or not _COUNTS.search(name):
            continue
        if _positive(value):
            msg = f"it bills {name}, which is not understood"
            raise NoUsage(msg)


def _positive(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_positive(part) for part in value.values())
    if isinstance(value, list):
        return any(_positive(part) for part in value)
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


def _count(counts: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = counts.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _TOO_MANY:
        shown = "missing" if value is None else repr(value)[:40]
        msg = f"{name} is {shown}"
        raise NoUsage(msg)
    return value


def _check_total(usage: Mapping[str, Any], total_in: int, total_out: int) -> None:
    if not total_in and not total_out:
        msg = "it counts no tokens at all"
        raise NoUsage(msg)
    total = _count(usage, "total_tokens", total_in + total_out)
    if total != total_in + total_out:
        msg = f"its total ({total}) is not input plus output ({total_in} + {total_out})"
        raise NoUsage(msg)


def _cached_split(
    usage: Mapping[str, Any], details: Mapping[str, Any], image: int
) -> tuple[int, int]:
    cached = _count(details, "cached_tokens", _count(usage, "cached_tokens", 0))
    if not cached:
        return 0, 0
    split = details.get("cached_tokens_details", usage.get("cached_tokens_details"))
    if isinstance(split, Mapping):
        text = _count(split, "text_tokens", _count(split, "cached_text_tokens", 0))
        pictures = _count(split, "image_tokens", _count(split, "cached_image_tokens", 0))
        if text + pictures == cached:
            return text, pictures
        msg = "the parts of the cached input do not add up"
        raise NoUsage(msg)
    if image:
        msg = "the cached input is not split into text and pictures"
        raise NoUsage(msg)
    return cached, 0


def _rest(total: int, *parts: int) -> int:
    rest = total - sum(parts)
    if rest < 0 or min(parts, default=0) < 0:
        msg = "the parts of the input are more than the whole"
        raise NoUsage(msg)
    return rest
