"""A caption as the Responses and Chat Completions APIs put it: documents and events."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playground.catalog import Model
from playground.provider.offline.wire import Answer, Pause
from playground.values import Tier, Usage


@dataclass(frozen=True)
class Said:
    """What is said, by which model, at which tier and usage; `cut` by the token limit."""

    model: Model
    tier: Tier
    usage: Usage
    text: str
    cut: bool

    @property
    def served_tier(self) -> str:
        """The tier in the API's words."""
        return {"standard": "default"}.get(self.tier, self.tier)


def responses_answer(said: Said, seed: int) -> Answer:
    """The answer of the Responses API."""
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


def chat_answer(said: Said, seed: int) -> Answer:
    """The answer of Chat Completions."""
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


def responses_events(
    said: Said, document: dict[str, Any], fields: Mapping[str, Any], step: float
) -> list[dict[str, Any] | Pause]:
    """The events of a streamed response, a pause before each piece of text."""
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


def chat_events(
    said: Said, document: dict[str, Any], fields: Mapping[str, Any], step: float
) -> list[dict[str, Any] | Pause]:
    """The chunks of a streamed completion; usage only where it was asked for."""
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


def _mark(said: Said, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{said.model.name}/{said.text}".encode()).hexdigest()[:24]
