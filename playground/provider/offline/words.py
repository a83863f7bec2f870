"""Responses and Chat Completions with photos, as the embedded provider offers them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playground import tokens
from playground.catalog import Model
from playground.errors import InvalidRequest
from playground.provider import magic
from playground.provider.offline import describe
from playground.provider.offline.forms import bad, read_json, refuse_unknown
from playground.provider.offline.models import vision_model
from playground.provider.offline.spoken import (
    Said,
    chat_answer,
    chat_events,
    responses_answer,
    responses_events,
)
from playground.provider.offline.wire import Answer, ApiError, Call
from playground.values import Tier, Usage

# Tokens that the endpoints add around one short user message (facts: 7 to 12 measured).
_OVERHEAD = 8
_MAX_IMAGES = 1500
_MAX_BYTES = 512 * 2**20
_MAX_PIXELS = 64_000_000
_TIERS: dict[str, Tier] = {
    "auto": "standard",
    "default": "standard",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
_RESPONSES = {
    "model",
    "input",
    "instructions",
    "max_output_tokens",
    "metadata",
    "prompt_cache_options",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "top_p",
    "truncation",
    "user",
}
_CHAT = {
    "model",
    "messages",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "n",
    "prompt_cache_options",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "user",
}


@dataclass
class _Asked:
    texts: list[str] = field(default_factory=list)
    photos: list[tuple[bytes, str]] = field(default_factory=list)


def answer(call: Call, seed: int, step_seconds: float) -> Answer:
    """Check a request and describe its first photo.

    Raises:
        ApiError: as the real API refuses.
    """
    fields = read_json(call)
    chat = call.path.endswith("/chat/completions")
    refuse_unknown(fields, _CHAT if chat else _RESPONSES)
    model = vision_model(fields.get("model"))
    if len(call.body) > _MAX_BYTES:
        raise ApiError(413, "The request is larger than 512 MB.", code="request_too_large")
    asked = _read(fields, chat=chat)
    if len(asked.photos) > _MAX_IMAGES:
        raise bad(f"At most {_MAX_IMAGES} images are allowed.", "input", "too_many_images")
    tier = _tier(model, fields)
    schema = _schema(fields, chat=chat)
    limit = _limit(fields, chat=chat)
    total_in = _input_tokens(model, asked, schema, chat=chat)
    text = _say(model, asked, schema, seed)
    pieces = tokens.split_text(text) if limit is not None else ()
    cut = limit is not None and len(pieces) > limit
    if cut:
        text = _first_tokens(text, limit or 0)
    usage = Usage(text_input=total_in, text_output=min(tokens.count_text(text), limit or 10**9))
    said = Said(model, tier, usage, text, cut=cut)
    make = chat_answer if chat else responses_answer
    made = make(said, seed)
    made.limit_tokens = total_in + (limit or usage.text_output)
    if fields.get("stream") is True:
        made.events = (chat_events if chat else responses_events)(
            said, made.document, fields, step_seconds
        )
        made.named = not chat
    return made


def _read(fields: Mapping[str, Any], *, chat: bool) -> _Asked:
    name = "messages" if chat else "input"
    messages = fields.get(name)
    if isinstance(messages, str) and messages and not chat:
        return _Asked([messages])
    if not isinstance(messages, list) or not messages:
        raise bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    asked = _Asked()
    if isinstance(fields.get("instructions"), str):
        asked.texts.append(fields["instructions"])
    for i, message in enumerate(messages):
        content = message.get("content") if isinstance(message, Mapping) else None
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list):
            raise bad(f"Invalid type for '{name}[{i}].content'.", name, "invalid_type")
        for j, part in enumerate(parts):
            _part(part, asked, f"{name}[{i}].content[{j}]")
    return asked


def _part(part: Any, asked: _Asked, where: str) -> None:
    if not isinstance(part, Mapping):
        raise bad(f"Invalid type for '{where}'.", where, "invalid_type")
    kind, text = part.get("type"), part.get("text")
    if kind in {"text", "input_text"} and isinstance(text, str):
        asked.texts.append(text)
    elif kind in {"image_url", "input_image"}:
        holder = part.get("image_url")
        source = holder.get("url") if isinstance(holder, Mapping) else holder
        detail = holder.get("detail") if isinstance(holder, Mapping) else part.get("detail")
        if not isinstance(source, str):
            message = f"'{where}': only data URLs are read by the embedded provider."
            raise bad(message, where, "invalid_image_url")
        asked.photos.append((_photo(source, where), detail or "auto"))
    else:
        message = f"Invalid value for '{where}.type': {kind!r}."
        raise bad(message, where)


def _photo(url: str, where: str) -> bytes:
    head, comma, data = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        message = (
            "The embedded provider fetches nothing: send the photo as a data URL "
            "(data:image/jpeg;base64,…)."
        )
        raise bad(message, where, "invalid_image_url")
    try:
        photo = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise bad("The image data is not valid base64.", where, "invalid_base64") from None
    if not photo:
        raise bad("The image is empty.", where, "empty_image_file")
    found = magic.picture(photo)
    if found is None:
        message = (
            "You uploaded an unsupported image. Please make sure your image has one of the "
            "following formats: ['png', 'jpeg', 'webp']."
        )
        raise bad(message, where, "unsupported_image")
    if found[1].pixels > _MAX_PIXELS:
        raise bad(f"The image has {found[1].pixels:,} pixels.", where, "image_too_large")
    return photo


def _input_tokens(model: Model, asked: _Asked, schema: dict[str, Any] | None, *, chat: bool) -> int:
    total = sum(map(tokens.count_text, asked.texts)) + _OVERHEAD
    if schema is not None:
        total += tokens.count_text(json.dumps(schema)) + 16
    for photo, detail in asked.photos:
        found = magic.picture(photo)
        assert found is not None
        try:
            count = tokens.vision_input(model, found[1], detail, "chat" if chat else "responses")
        except InvalidRequest as problem:
            raise bad(str(problem), "detail") from None
        total += (count.low + count.high) // 2
    return total


def _say(model: Model, asked: _Asked, schema: dict[str, Any] | None, seed: int) -> str:
    prompt = "\n".join(asked.texts)
    if not asked.photos:
        return "There is no photo in this request, so there is nothing to describe."
    photo = asked.photos[0][0]
    try:
        return describe.say(photo, prompt, schema, model.name, seed)
    except describe.BadPicture as problem:
        message = f"The image could not be decoded: {problem}."
        raise bad(message, "input", "image_parse_error") from None


def _first_tokens(text: str, limit: int) -> str:
    """The text of the first `limit` tokens, shorter where that would split a character."""
    kept = "".join(tokens.split_text(text)[:limit])
    while kept.endswith("\ufffd") or not text.startswith(kept):
        kept = kept[:-1]
    return kept


def _tier(model: Model, fields: Mapping[str, Any]) -> Tier:
    asked = fields.get("service_tier") or "default"
    tier = _TIERS.get(asked)
    if tier is None:
        listed = ", ".join(f"'{name}'" for name in _TIERS)
        message = f"Invalid value: '{asked}'. Supported values are: {listed}."
        raise bad(message, "service_tier")
    if tier not in model.tiers:
        raise bad(f"Invalid service_tier argument: {model.name} has no {asked}.", "service_tier")
    return tier


def _limit(fields: Mapping[str, Any], *, chat: bool) -> int | None:
    names = ("max_completion_tokens", "max_tokens") if chat else ("max_output_tokens",)
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < (1 if chat else 16):
            low = 1 if chat else 16
            message = f"Invalid '{name}': integer below minimum value. Expected a value >= {low}."
            raise bad(message, name, "integer_below_min_value")
        return value
    return None


def _schema(fields: Mapping[str, Any], *, chat: bool) -> dict[str, Any] | None:
    name = "response_format" if chat else "text"
    wanted = fields.get(name)
    if not chat:
        wanted = wanted.get("format") if isinstance(wanted, Mapping) else None
    if not isinstance(wanted, Mapping) or wanted.get("type") == "text":
        return None
    if wanted.get("type") == "json_object":
        return {"type": "object"}
    if wanted.get("type") != "json_schema":
        raise bad(f"Invalid value for '{name}'.", name)
    holder = wanted.get("json_schema") if chat else wanted
    schema = holder.get("schema") if isinstance(holder, Mapping) else None
    if not isinstance(schema, dict):
        raise bad(f"Missing required parameter: '{name}.schema'.", name)
    if isinstance(holder, Mapping) and holder.get("strict") and schema.get("type") != "object":
        message = "Invalid schema for response_format: schema must be of type 'object'."
        raise bad(message, name, "invalid_json_schema")
    return schema
