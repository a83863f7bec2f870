"""How a picture was made, as other tools tell it, and how their texts are read safely."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_MAX_JSON_CHARS = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """How a picture was made, as its tool tells it; `settings` are words for people."""

    tool: str
    prompt: str = ""
    negative: str = ""
    model: str = ""
    size: str = ""
    settings: str = ""


def json_of(text: str) -> Any:
    """The JSON value in a text, or None; bounded, and numbers of any size are harmless."""
    text = text.strip()
    if not text.startswith(("{", "[")) or len(text) > _MAX_JSON_CHARS:
        return None
    try:
        return json.loads(text, parse_int=_number(int), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _number(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: kind(text) if len(text) < 40 else text


def plain(value: Any) -> bool:
    """Whether a JSON value is a text or number that says something."""
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def size_of(text: str) -> str:
    """`976x704` out of the forms that tools use, or ""."""
    found = re.search(r"(\d{1,5})\s*[x×,]\s*(\d{1,5})", text[:100])
    return f"{int(found[1])}x{int(found[2])}" if found else ""


def file_of(model: str) -> str:
    """A model's name without the folders of the machine it was on, nor its extension."""
    name = re.split(r"[\\/]", model.strip())[-1]
    return re.sub(r"\.(safetensors|ckpt|pt|pth|gguf|bin|onnx)$", "", name, flags=re.IGNORECASE)
