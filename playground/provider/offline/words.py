"""Responses and Chat Completions with photos, as the embedded provider offers them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from playground import tokens
from playground.catalog import Model
from playground.errors import InvalidRequest
from playground.provider import magic
from playground.provider.offline import describe
from playground.provider.offline.images import read_json
from playground.provider.offline.models import vision_model
from playground.provider.offline.wire import Answer, ApiError, Call, Pause
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
    for name in fields:
        if name not in (_CHAT if chat else _RESPONSES):
            raise _bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    model = vision_model(fields.get("model"))
    if len(call.body) > _MAX_BYTES:
        raise ApiError(413, "The request is larger than 512 MB.", code="request_too_large")
    asked = _read(fields, chat=chat)
    if len(asked.photos) > _MAX_IMAGES:
        raise _bad(f"At most {_MAX_IMAGES} images are allowed.", "input", "too_many_images")
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
    said = _Said(model, tier, usage, text, cut=cut)
    make = _chat_answer if chat else _responses_answer
    made = make(said, seed)
    made.limit_tokens = total_in + (limit or usage.text_output)
    if fields.get("stream") is True:
        made.events = (_chat_events if chat else _responses_events)(
            said, made.document, fields, step_seconds
        )
        made.named = not chat
    return made


@dataclass(frozen=True)
class _Said:
    model: Model
    tier: Tier
    usage: Usage
    text: str
    cut: bool

    @property
    def served_tier(self) -> str:
        return {"standard": "default"}.get(self.tier, self.tier)


def _read(fields: Mapping[str, Any], *, chat: bool) -> _Asked:
    name = "messages" if chat else "input"
    messages = fields.get(name)
    if isinstance(messages, str) and messages and not chat:
        return _Asked([messages])
    if not isinstance(messages, list) or not messages:
        raise _bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    asked = _Asked()
    if isinstance(fields.get("instructions"), str):
        asked.texts.append(fields["instructions"])
    for i, message in enumerate(messages):
        content = message.get("content") if isinstance(message, Mapping) else None
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list):
            raise _bad(f"Invalid type for '{name}[{i}].content'.", name, "invalid_type")
        for j, part in enumerate(parts):
            _part(part, asked, f"{name}[{i}].content[{j}]")
    return asked


def _part(part: Any, asked: _Asked, where: str) -> None:
    if not isinstance(part, Mapping):
        raise _bad(f"Invalid type for '{where}'.", where, "invalid_type")
    kind, text = part.get("type"), part.get("text")
    if kind in {"text", "input_text"} and isinstance(text, str):
        asked.texts.append(text)
    elif kind in {"image_url", "input_image"}:
        holder = part.get("image_url")
        source = holder.get("url") if isinstance(holder, Mapping) else holder
        detail = holder.get("detail") if isinstance(holder, Mapping) else part.get("detail")
        if not isinstance(source, str):
            message = f"'{where}': only data URLs are read by the embedded provider."
            raise _bad(message, where, "invalid_image_url")
        asked.photos.append((_photo(source, where), detail or "auto"))
    else:
        message = f"Invalid value for '{where}.type': {kind!r}."
        raise _bad(message, where)


def _photo(url: str, where: str) -> bytes:
    head, comma, data = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        message = (
            "The embedded provider fetches nothing: send the photo as a data URL "
            "(data:image/jpeg;base64,…)."
        )
        raise _bad(message, where, "invalid_image_url")
    try:
        photo = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise _bad("The image data is not valid base64.", where, "invalid_base64") from None
    if not photo:
        raise _bad("The image is empty.", where, "empty_image_file")
    found = magic.picture(photo)
    if found is None:
        message = (
            "You uploaded an unsupported image. Please make sure your image has one of the "
            "following formats: ['png', 'jpeg', 'webp']."
        )
        raise _bad(message, where, "unsupported_image")
    if found[1].pixels > _MAX_PIXELS:
        raise _bad(f"The image has {found[1].pixels:,} pixels.", where, "image_too_large")
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
            raise _bad(str(problem), "detail") from None
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
        raise _bad(message, "input", "image_parse_error") from None


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
        raise _bad(message, "service_tier")
    if tier not in model.tiers:
        raise _bad(f"Invalid service_tier argument: {model.name} has no {asked}.", "service_tier")
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
            raise _bad(message, name, "integer_below_min_value")
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
        raise _bad(f"Invalid value for '{name}'.", name)
    holder = wanted.get("json_schema") if chat else wanted
    schema = holder.get("schema") if isinstance(holder, Mapping) else None
    if not isinstance(schema, dict):
        raise _bad(f"Missing required parameter: '{name}.schema'.", name)
    if isinstance(holder, Mapping) and holder.get("strict") and schema.get("type") != "object":
        message = "Invalid schema for response_format: schema must be of type 'object'."
        raise _bad(message, name, "invalid_json_schema")
    return schema


def _responses_answer(said: _Said, seed: int) -> Answer:
    mark = _mark(said, seed)
    message = {
        "id": f"msg_{mark}",
        "type": "message",
        "status": "incomplete" if said.cut else "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": said.text, "annotations": []}],
    }
    document = {
        "id": f"resp_{mark}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if said.cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if said.cut else None,
        "model": said.model.name,
        "output": [message],
        "parallel_tool_calls": True,
        "service_tier": said.served_tier,
        "store": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": said.usage.text_input,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": said.usage.text_output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.usage.text_input + said.usage.text_output,
        },
    }
    return Answer(said.model.name, said.tier, said.usage, document)


def _chat_answer(said: _Said, seed: int) -> Answer:
    document = {
        "id": f"chatcmpl-{_mark(said, seed)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": said.model.name,
        "service_tier": said.served_tier,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said.text, "refusal": None},
                "logprobs": None,
                "finish_reason": "length" if said.cut else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": said.usage.text_input,
            "completion_tokens": said.usage.text_output,
            "total_tokens": said.usage.text_input + said.usage.text_output,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
    }
    return Answer(said.model.name, said.tier, said.usage, document)


def _responses_events(
    said: _Said, document: dict[str, Any], fields: Mapping[str, Any], step: float
) -> list[dict[str, Any] | Pause]:
    del fields
    begun = {**document, "status": "in_progress", "output": [], "usage": None}
    message = document["output"][0]
    place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    events: list[dict[str, Any] | Pause] = [
        {"type": "response.created", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**message, "content": [], "status": "in_progress"},
        },
        {"type": "response.content_part.added", **place, "part": empty},
    ]
    for words in _pieces(said.text):
        events.append(Pause(step))
        events.append({"type": "response.output_text.delta", **place, "delta": words})
    events += [
        {"type": "response.output_text.done", **place, "text": said.text},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {
            "type": "response.incomplete" if said.cut else "response.completed",
            "response": document,
        },
    ]
    for number, item in enumerate(e for e in events if isinstance(e, dict)):
        item["sequence_number"] = number
    return events


def _chat_events(
    said: _Said, document: dict[str, Any], fields: Mapping[str, Any], step: float
) -> list[dict[str, Any] | Pause]:
    head = {name: document[name] for name in ("id", "created", "model", "service_tier")} | {
        "object": "chat.completion.chunk"
    }
    wanted = fields.get("stream_options")
    with_usage = isinstance(wanted, Mapping) and wanted.get("include_usage") is True
    rest = {"usage": None} if with_usage else {}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**head, **rest, "choices": [choice]}

    events: list[dict[str, Any] | Pause] = [chunk({"role": "assistant", "content": ""})]
    for words in _pieces(said.text):
        events.append(Pause(step))
        events.append(chunk({"content": words}))
    events.append(chunk({}, "length" if said.cut else "stop"))
    if with_usage:
        events.append({**head, "choices": [], "usage": document["usage"]})
    return events


def _pieces(text: str) -> list[str]:
    """The text in about a dozen pieces, cut at spaces."""
    words = text.split(" ")
    step = max(1, len(words) // 12)
    groups = [" ".join(words[i : i + step]) for i in range(0, len(words), step)]
    return [group + (" " if i < len(groups) - 1 else "") for i, group in enumerate(groups)]


def _mark(said: _Said, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{said.model.name}/{said.text}".encode()).hexdigest()[:24]


def _bad(message: str, param: str | None, code: str = "invalid_value") -> ApiError:
    return ApiError(400, message, param=param, code=code)
