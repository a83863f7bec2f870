"""Requests as the API wants them: which fields, in which words, for whom.

OpenAI's own API (and the embedded one) get every field; other servers that speak its language
get only what most of them know.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from playground import captions, catalog
from playground.errors import InvalidRequest, UnknownModel
from playground.values import CaptionRequest, EditRequest, ImageRequest, Upload

Fields = dict[str, Any]


def image_fields(request: ImageRequest, *, full: bool) -> Fields:
    """Fields of images/generations; what equals the API's default is left out.

    Raises:
        InvalidRequest: for a tier, which live picture calls do not have.
    """
    if request.tier != "standard":
        msg = f"Pictures have no {request.tier} tier in live calls; nothing was sent or billed."
        raise InvalidRequest(msg)
    fields: Fields = {
        "model": request.model,
        "prompt": request.prompt,
        "size": str(request.size),
        "quality": request.quality,
    }
    if request.n > 1:
        fields["n"] = request.n
    if request.output_format != "png":
        fields["output_format"] = request.output_format
    for name in ("background", "moderation", "output_compression"):
        if (value := getattr(request, name)) is not None:
            fields[name] = value
    if request.partial_images:
        fields |= {"stream": True, "partial_images": request.partial_images}
    if not full and not request.model.startswith("gpt-image"):
        # Other servers may answer with links by default, and links are never followed.
        fields["response_format"] = "b64_json"
    return fields


def edit_fields(
    request: EditRequest, uploads: Sequence[Upload], mask: Upload | None, *, full: bool
) -> Fields:
    """Fields and files of images/edits.

    Raises:
        InvalidRequest: when the number of uploads is not the number of pictures asked for.
    """
    if len(uploads) != len(request.images):
        msg = (
            f"{len(request.images)} pictures were to be edited and {len(uploads)} were read; "
            "nothing was sent and nothing was billed."
        )
        raise InvalidRequest(msg)
    fields = image_fields(request, full=full)
    fields["image"] = [_file(f"image-{i}", upload) for i, upload in enumerate(uploads, 1)]
    if mask is not None:
        fields["mask"] = _file("mask", mask)
    if request.input_fidelity is not None:
        fields["input_fidelity"] = request.input_fidelity
    return fields


def caption_fields(
    request: CaptionRequest,
    uploads: Sequence[Upload],
    prompt: str | None,
    schema: Mapping[str, Any] | None,
    *,
    full: bool,
    stream: bool,
    batched: bool = False,
) -> Fields:
    """The body of responses or chat/completions.

    Args:
        prompt: None takes the request's own, else the task's.
        schema: JSON schema of the answer; None takes the task's.
        batched: whether it is a line of a batch, whose tier is the batch's own.

    Raises:
        InvalidRequest: for the batch tier, no or several photos, or an unreadable schema.
    """
    if request.tier == "batch" and not batched:
        msg = "The batch tier is not a live call; nothing was sent and nothing was billed."
        raise InvalidRequest(msg)
    if len(uploads) != 1:
        msg = f"A caption is about one photo, not {len(uploads)}; nothing was sent or billed."
        raise InvalidRequest(msg)
    if prompt is None:
        prompt = request.prompt or captions.task_prompt(request.task)
    if schema is None:
        schema = captions.task_schema(request.task, request.schema)
    fields: Fields = {"model": request.model}
    if stream:
        fields["stream"] = True
    if batched:
        pass
    elif request.tier != "standard":
        fields["service_tier"] = request.tier
    elif full:
        # A project may be set to a dearer tier by default; the quote is for this one.
        fields["service_tier"] = "default"
    model = _listed(request.model) if full else None
    if model is not None and model.cache_write:
        # Writing a photo to the prompt cache costs a surcharge and would never pay off.
        fields["prompt_cache_options"] = {"mode": "explicit"}
    effort = model.reasoning_effort if model is not None else None
    photo = uploads[0]
    link = f"data:{photo.mime};base64,{base64.b64encode(photo.data).decode()}"
    if request.endpoint == "responses":
        return fields | _responses(request, prompt, link, schema, effort)
    return fields | _chat(request, prompt, link, schema, effort, full=full, stream=stream)


def _responses(
    request: CaptionRequest,
    prompt: str,
    link: str,
    schema: Mapping[str, Any] | None,
    effort: str | None,
) -> Fields:
    content = [
        {"type": "input_text", "text": prompt},
        {"type": "input_image", "image_url": link, "detail": request.detail},
    ]
    fields: Fields = {
        "input": [{"role": "user", "content": content}],
        "max_output_tokens": request.max_output_tokens,
        "store": False,
    }
    if schema is not None:
        fields["text"] = {"format": {"type": "json_schema", **_named(schema)}}
    if effort is not None:
        fields["reasoning"] = {"effort": effort}
    return fields


def _chat(
    request: CaptionRequest,
    prompt: str,
    link: str,
    schema: Mapping[str, Any] | None,
    effort: str | None,
    *,
    full: bool,
    stream: bool,
) -> Fields:
    content = [
        {"type": "text", "text": prompt},
        {"type": "image_url", "image_url": {"url": link, "detail": request.detail}},
    ]
    # Many compatible servers know only the older name of the limit.
    limit = "max_completion_tokens" if full else "max_tokens"
    fields: Fields = {
        "messages": [{"role": "user", "content": content}],
        limit: request.max_output_tokens,
    }
    if full:
        fields["store"] = False
    if schema is not None:
        fields["response_format"] = {"type": "json_schema", "json_schema": _named(schema)}
    if effort is not None:
        fields["reasoning_effort"] = effort
    if stream:
        # Without this a streamed chat answer carries no bill.
        fields["stream_options"] = {"include_usage": True}
    return fields


def _file(name: str, upload: Upload) -> tuple[str, bytes, str]:
    """A multipart file under a neutral name: the photo's own name is nobody's business."""
    return f"{name}.{upload.format}", upload.data, upload.mime


def _listed(name: str) -> catalog.Model | None:
    try:
        return catalog.default().model(name)
    except UnknownModel:
        return None


def _named(schema: Mapping[str, Any]) -> Fields:
    return {"name": "answer", "schema": dict(schema), "strict": is_strict(schema)}


def is_strict(schema: Any) -> bool:
    """Whether a schema obeys the API's rules for strict answers: closed objects, all required."""
    if isinstance(schema, Mapping):
        kind = schema.get("type")
        if kind == "object" or (isinstance(kind, list) and "object" in kind):
            if schema.get("additionalProperties") is not False:
                return False
            if set(schema.get("required", ())) != set(schema.get("properties", {})):
                return False
        return all(is_strict(part) for part in schema.values())
    if isinstance(schema, list):
        return all(is_strict(part) for part in schema)
    return True
